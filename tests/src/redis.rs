//! A Redis of a story's own: a process on a free port that can go away and come back; and a cluster of them.

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
    /// Whether it is a node of a cluster.
    is_node: bool,
}

/// Three nodes of a cluster, each with a third of the keys, and without replicas.
#[derive(Debug)]
pub struct RedisCluster {
    /// The nodes.
    pub nodes: Vec<Redis>,
}

impl RedisCluster {
    /// Starts one, and waits until it serves all keys.
    pub async fn start() -> Self {
        let mut nodes = Vec::new();
        while nodes.len() < 3 {
            nodes.push(Redis::start_as(true).await);
        }
        for (node, keys) in nodes.iter().zip(["0 5460", "5461 10922", "10923 16383"]) {
            assert_eq!(node.tell(&format!("CLUSTER ADDSLOTSRANGE {keys}")), "+OK");
            assert_eq!(node.tell(&format!("CLUSTER MEET 127.0.0.1 {}", nodes[0].port)), "+OK");
        }
        let cluster = Self { nodes };
        cluster.is_whole().await;
        cluster
    }

    /// Waits until each node says that all keys are served.
    pub async fn is_whole(&self) {
        for node in &self.nodes {
            let mut tries = 0;
            while !node.tell_all("CLUSTER INFO", 2).contains("cluster_state:ok")
                || !node.tell_all("CLUSTER INFO", 8).contains("cluster_known_nodes:3")
            {
                tries += 1;
                assert!(tries < 400, "{}", node.tell_all("CLUSTER INFO", 12));
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }

    /// Returns the URL for `redis_url`, which names two of the nodes.
    pub fn url(&self) -> String {
        format!("redis+cluster://127.0.0.1:{},127.0.0.1:{}", self.nodes[0].port, self.nodes[1].port)
    }
}

impl Redis {
    /// Returns whether stories can start one here: where `MARKETPLACE_TEST_REDIS_URL` is set, as by `tests/run`, the
    /// program is installed.
    pub fn is_here() -> bool {
        std::env::var("MARKETPLACE_TEST_REDIS_URL").is_ok_and(|url| !url.is_empty())
    }

    /// Starts an empty one, which stores nothing on disk.
    pub async fn start() -> Self {
        Self::start_as(false).await
    }

    async fn start_as(is_node: bool) -> Self {
        // Another process may take the port between choosing it and listening on it: then another one is tried.
        for _ in 0..5 {
            let port = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).unwrap().port();
            let mut redis = Self { process: None, port, folder: TempDir::new().unwrap(), is_node };
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
        self.tell_all(command, 1).trim_end().to_owned()
    }

    /// Sends it a command, and returns so many lines of its reply together.
    pub fn tell_all(&self, command: &str, lines: usize) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).expect("a Redis that runs");
        stream.write_all(format!("{command}\r\n").as_bytes()).unwrap();
        let mut said = String::new();
        let mut reader = BufReader::new(stream);
        for _ in 0..lines {
            reader.read_line(&mut said).unwrap();
        }
        said
    }

    async fn try_run(&mut self) -> bool {
        let port = self.port.to_string();
        let mut command = Command::new("redis-server");
        command.args(["--port", &port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]);
        if self.is_node {
            command.args(["--cluster-enabled", "yes", "--cluster-node-timeout", "1000"]);
        }
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
