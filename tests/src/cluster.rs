//! A PostgreSQL of a story's own: one that can be killed, come back, be copied as a standby and take over.

use std::{
    net::TcpListener,
    os::unix::{fs::chown, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions, Connection, Executor};
use tempfile::TempDir;

/// A PostgreSQL server of the test's own; dropping this ends and removes it.
#[derive(Debug)]
pub struct Cluster {
    process: Option<Child>,
    port: u16,
    programs: PathBuf,
    user: User,
    folder: TempDir,
}

impl Cluster {
    /// Creates a server. `None`, with a message, where PostgreSQL's programs are not installed, or no user can run
    /// them.
    pub async fn start() -> Option<Self> {
        let Some(mut cluster) = Self::prepare() else {
            eprintln!("skipped: initdb, or a user to run it, is not here");
            return None;
        };
        let data = cluster.data();
        let made = cluster
            .program("initdb")
            .args(["--no-sync", "--auth=trust", "--username=postgres", "--encoding=UTF8", "--locale=C", "-D"])
            .arg(&data)
            .output()
            .expect("initdb runs");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        cluster.come_back().await;
        Some(cluster)
    }

    /// Creates a standby that follows `self`.
    pub async fn standby(&self) -> Self {
        let mut standby = Self::prepare().expect("as for the first");
        let data = standby.data();
        let copied = standby
            .program("pg_basebackup")
            .args([
                "--write-recovery-conf",
                "--checkpoint=fast",
                "--no-sync",
                "--username=postgres",
                "--host=127.0.0.1",
            ])
            .args(["--port", &self.port.to_string(), "-D"])
            .arg(&data)
            .output()
            .expect("pg_basebackup runs");
        assert!(copied.status.success(), "{}", String::from_utf8_lossy(&copied.stderr));
        standby.come_back().await;
        standby
    }

    fn prepare() -> Option<Self> {
        let programs = programs()?;
        let folder = TempDir::new().unwrap();
        let user = user()?;
        if let User::Other(user, group) = user {
            chown(folder.path(), Some(user), Some(group)).unwrap();
        }
        Some(Self { process: None, port: 0, programs, user, folder })
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn program(&self, name: &str) -> Command {
        let mut command = Command::new(self.programs.join(name));
        command.current_dir(self.folder.path()).stdin(Stdio::null());
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("PG") {
                command.env_remove(name);
            }
        }
        if let User::Other(user, group) = self.user {
            command.uid(user).gid(group);
        }
        command
    }

    /// Returns a superuser's URL of its first database.
    pub fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }

    /// Starts the server, or restarts it at the same address.
    pub async fn come_back(&mut self) {
        for _ in 0..20 {
            if self.try_run().await {
                return;
            }
        }
        panic!("PostgreSQL does not start:\n{}", self.log());
    }

    async fn try_run(&mut self) -> bool {
        let port = match self.port {
            0 => TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).unwrap().port(),
            known => known,
        };
        let log = std::fs::OpenOptions::new().create(true).append(true).open(self.log_path()).unwrap();
        let mut command = self.program("postgres");
        command.arg("-D").arg(self.data()).args(["-p", &port.to_string()]);
        for setting in ["listen_addresses=127.0.0.1", "unix_socket_directories=", "fsync=off", "max_connections=60"] {
            command.args(["-c", setting]);
        }
        command.stdout(log.try_clone().unwrap()).stderr(log);
        let mut process = command.spawn().expect("postgres runs");
        let options: PgConnectOptions = format!("postgres://postgres@127.0.0.1:{port}/postgres").parse().unwrap();
        for _ in 0..400 {
            if !matches!(process.try_wait(), Ok(None)) {
                return false;
            }
            if let Ok(connection) = options.connect().await {
                let _ = connection.close().await;
                (self.process, self.port) = (Some(process), port);
                return true;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let _ = process.kill();
        false
    }

    /// Stops it abruptly: what was committed is kept.
    pub fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            // SIGQUIT is an "immediate shutdown". SIGKILL would leave its children.
            crate::server::signal(process.id(), "QUIT");
            let _ = process.wait();
        }
    }

    /// Promotes a standby to the primary.
    pub fn promote(&self) {
        let promoted = self.program("pg_ctl").args(["promote", "-w", "-D"]).arg(self.data()).output().unwrap();
        assert!(promoted.status.success(), "{}", String::from_utf8_lossy(&promoted.stderr));
    }

    /// Opens a connection of a superuser.
    pub async fn connect(&self) -> PgConnection {
        connect(&self.url()).await
    }

    /// Runs statements one after the other, as a superuser.
    pub async fn run(&self, statements: &[&'static str]) {
        let mut connection = self.connect().await;
        for statement in statements {
            connection.execute(*statement).await.unwrap();
        }
    }

    fn log_path(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.log_path()).unwrap_or_default()
    }
}

/// Opens a connection by URL.
pub async fn connect(url: &str) -> PgConnection {
    let options: PgConnectOptions = url.parse().expect("a PostgreSQL URL");
    options.connect().await.expect("PostgreSQL answers")
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Returns the newest installed programs.
fn programs() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().filter_map(Result::ok);
    let mut found: Vec<PathBuf> =
        versions.map(|version| version.path().join("bin")).filter(|bin| has_all(bin)).collect();
    found.sort_by_key(|bin| {
        let version = bin.parent().and_then(Path::file_name).and_then(|name| name.to_str()?.parse::<u32>().ok());
        version.unwrap_or(0)
    });
    found.pop().or_else(|| {
        let path = std::env::var_os("PATH")?;
        std::env::split_paths(&path).find(|folder| has_all(folder))
    })
}

fn has_all(folder: &Path) -> bool {
    ["initdb", "postgres", "pg_ctl", "pg_basebackup"].iter().all(|name| folder.join(name).exists())
}

/// The user that runs the server: not root, which PostgreSQL refuses.
#[derive(Debug, Clone, Copy)]
enum User {
    Own,
    Other(u32, u32),
}

/// Returns a user that can run it; `None` when there is none.
fn user() -> Option<User> {
    let id = |arguments: &[&str]| -> Option<u32> {
        let output = Command::new("id").args(arguments).output().ok().filter(|output| output.status.success())?;
        String::from_utf8_lossy(&output.stdout).trim().parse().ok()
    };
    if id(&["-u"])? != 0 {
        return Some(User::Own);
    }
    ["postgres", "nobody"].iter().find_map(|name| Some(User::Other(id(&["-u", name])?, id(&["-g", name])?)))
}
