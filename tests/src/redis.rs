//! A Redis of a story's own: a process on a free port that can go away and come back.

use std::{
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    time::Duration,
};

use tempfile::TempDir;

use crate::server::signal;

/// A Redis server; dropping this ends it.
#[derive(Debug)]
pub struct Redis {
    process: Option<Child>,
    port: u16,
    folder: TempDir,
}

impl Redis {
    /// Returns whether stories can start one here: where `MARKETPLACE_TEST_REDIS_URL` is set, as by `tests/run`, the
    /// program is installed.
    pub fn is_here() -> bool {
        std::env::var("MARKETPLACE_TEST_REDIS_URL").is_ok_and(|url| !url.is_empty())
    }

    /// Starts an empty one, which stores nothing on disk.
    pub async fn start() -> Self {
        // Another process may take the port between choosing it and listening on it: then another one is tried.
        for _ in 0..5 {
            let port = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).unwrap().port();
            let mut redis = Self { process: None, port, folder: TempDir::new().unwrap() };
            if redis.try_run().await {
                return redis;
            }
        }
        panic!("no Redis starts");
    }

    /// Returns the URL for `redis_url`.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Kills it, as a power cut would.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }

    /// Restarts it at the same address, empty.
    pub async fn come_back(&mut self) {
        for _ in 0..50 {
            if self.try_run().await {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("Redis does not start again on port {}", self.port);
    }

    /// Suspends it: its connections remain, without replies.
    pub fn hang(&self) {
        signal(self.process.as_ref().expect("a Redis that runs").id(), "STOP");
    }

    /// Resumes it.
    pub fn go_on(&self) {
        signal(self.process.as_ref().expect("a Redis that runs").id(), "CONT");
    }

    /// Sends it a command, such as `CONFIG SET maxmemory 1`, and returns the first line of its reply.
    pub fn tell(&self, command: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).expect("a Redis that runs");
        stream.write_all(format!("{command}\r\n").as_bytes()).unwrap();
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    async fn try_run(&mut self) -> bool {
        let port = self.port.to_string();
        let mut command = Command::new("redis-server");
        command.args(["--port", &port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]);
        command.current_dir(self.folder.path()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut process = command.spawn().expect("redis-server is installed");
        for _ in 0..400 {
            if !matches!(process.try_wait(), Ok(None)) {
                return false;
            }
            if TcpStream::connect(("127.0.0.1", self.port)).is_ok() {
                self.process = Some(process);
                return true;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        let _ = process.kill();
        let _ = process.wait();
        false
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.kill();
    }
}
