//! A real server process in a folder of its own.

use std::{
    net::TcpListener,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use futures::FutureExt;
use marketplace_core::{
    app::App,
    config::Config,
    db::{Db, DbError, OpenOptions},
    on,
};
use tempfile::TempDir;

use crate::{
    binaries,
    cluster::Cluster,
    database::{Database, Engine},
    http::Http,
    mail::{self, Mail},
    people::Person,
    wire::Wire,
};

/// Settings with limits for one address as for a hundred people.
pub const ROOMY: &[(&str, &str)] = &[
    ("LIMITS__AUTH_PER_IP_MINUTE", "1000000"),
    ("LIMITS__FAILED_LOGINS", "1000000"),
    ("LIMITS__FAILED_LOGINS_ACCOUNT_HOUR", "1000000"),
    ("LIMITS__MAILS_PER_ACCOUNT_HOUR", "1000000"),
    ("LIMITS__PUBLIC_PER_IP_MINUTE", "1000000"),
    ("LIMITS__SEARCHES_PER_IP_MINUTE", "1000000"),
    ("LIMITS__READS_PER_ACCOUNT_MINUTE", "1000000"),
    ("LIMITS__WRITES_PER_ACCOUNT_MINUTE", "1000000"),
    ("LIMITS__UPLOADS_PER_ACCOUNT_MINUTE", "1000000"),
];

/// A server, its folder and its database; dropping this ends and removes all of it.
#[derive(Debug)]
pub struct Server {
    process: Option<Child>,
    settings: Vec<(String, String)>,
    /// Variables of its process that do not configure the marketplace.
    pub extra_environment: Vec<(String, String)>,
    /// The listener that is passed on to it as a service manager does, and that stays open while it restarts.
    pub listener: Option<TcpListener>,
    /// Its flags.
    pub arguments: Vec<String>,
    /// The folder for its output; its scratch folder unless set.
    pub output_folder: Option<PathBuf>,
    /// Its address, such as `http://127.0.0.1:40001`.
    pub url: String,
    /// The address of its counters.
    pub metrics_url: String,
    /// Its database.
    pub database: Database,
    folder: TempDir,
}

impl Server {
    /// Starts a server with default settings, except for limits: a whole story comes from one address within seconds.
    pub async fn start(engine: Engine) -> Self {
        Self::start_with(engine, ROOMY).await
    }

    /// Starts a server with settings, as environment variables without their prefix: `("LIMITS__UPLOADS", "1")`.
    pub async fn start_with(engine: Engine, settings: &[(&str, &str)]) -> Self {
        let mut server = Self::prepare_migrated(engine, settings).await;
        server.run().await;
        server
    }

    /// Starts a server with settings, whose connections to its database go over a wire that can be cut. For PostgreSQL
    /// only; a file cannot be away.
    pub async fn start_over_a_wire(settings: &[(&str, &str)]) -> (Self, Wire) {
        let mut server = Self::prepare(Engine::Postgres, settings).await;
        let (wire, url) = Wire::to_url(&server.database.url).await;
        server.database.url = url;
        server.run().await;
        (server, wire)
    }

    /// Prepares the folder and the database of a new server, which [`Server::run`] starts.
    pub async fn prepare(engine: Engine, settings: &[(&str, &str)]) -> Self {
        let folder = new_folder();
        let database = Database::new(engine, &folder.path().join("data")).await;
        Self::of(folder, database, settings)
    }

    /// Like [`Server::prepare`], with a database that has its schema.
    async fn prepare_migrated(engine: Engine, settings: &[(&str, &str)]) -> Self {
        let folder = new_folder();
        let database = Database::migrated(engine, &folder.path().join("data")).await;
        Self::of(folder, database, settings)
    }

    /// Starts a server with settings, on a new database of a PostgreSQL server of the story's own.
    pub async fn start_on(cluster: &Cluster, settings: &[(&str, &str)]) -> Self {
        let database = Database::on(&cluster.url()).await;
        let mut server = Self::of(new_folder(), database, settings);
        server.run().await;
        server
    }

    fn of(folder: TempDir, database: Database, settings: &[(&str, &str)]) -> Self {
        let settings = settings.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        Self {
            process: None,
            settings,
            extra_environment: Vec::new(),
            listener: None,
            arguments: vec!["--migrate".into()],
            output_folder: None,
            url: String::new(),
            metrics_url: String::new(),
            database,
            folder,
        }
    }

    /// Starts the process, on a new port, and waits until it is ready.
    pub async fn run(&mut self) {
        // Another process may take the port between choosing it and listening on it: then another one is tried.
        for _ in 0..5 {
            if self.try_run().await {
                return;
            }
        }
        panic!("the server does not start:\n{}", self.output());
    }

    async fn try_run(&mut self) -> bool {
        self.kill();
        let (mut process, url, metrics) = self.spawn();
        let ready = is_ready(&mut process, &url).await;
        (self.process, self.url, self.metrics_url) = (Some(process), url, metrics);
        ready
    }

    /// Starts it where it must not start. Returns its exit code and its output.
    pub async fn is_refused(&mut self) -> (Option<i32>, String) {
        self.kill();
        let said = self.output().len();
        self.process = Some(self.spawn().0);
        let code = self.ended().await;
        (code, self.output().split_off(said))
    }

    /// Spawns a process on ports that were free just now, for this database and folder; also returns its address, and
    /// that of its counters.
    fn spawn(&self) -> (Child, String, String) {
        let [port, metrics] = free_ports();
        let log = std::fs::OpenOptions::new().create(true).append(true).open(self.output_path()).unwrap();
        let mut command = Command::new(binaries::server());
        command
            .args(&self.arguments)
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log);
        isolate(&mut command);
        let (mut listen, metrics) = (format!("127.0.0.1:{port}"), format!("127.0.0.1:{metrics}"));
        if let Some(listener) = &self.listener {
            listen = listener.local_addr().unwrap().to_string();
            // As its standard input: that needs no `unsafe`.
            command.stdin(OwnedFd::from(listener.try_clone().unwrap()));
            command.env("LISTEN_FDS", "1").env("LISTEN_FDS_FIRST_FD", "0");
        }
        command.env("MARKETPLACE_LISTEN", &listen).env("MARKETPLACE_METRICS_LISTEN", &metrics);
        command.envs(self.environment()).envs(self.extra_environment.iter().cloned());
        let process = command.spawn().expect("the server's binary runs");
        (process, format!("http://{listen}"), format!("http://{metrics}"))
    }

    /// Starts another server on the same database and files, as a second machine would.
    pub async fn beside(&self) -> Beside {
        for _ in 0..5 {
            let (process, url, metrics_url) = self.spawn();
            let mut beside = Beside { process, url, metrics_url };
            if is_ready(&mut beside.process, &beside.url).await {
                return beside;
            }
        }
        panic!("a second server does not start:\n{}", self.output());
    }

    /// Starts another server on the same database and files, without waiting for it to be ready: it only responds.
    pub async fn spawn_unready(&self) -> Beside {
        for _ in 0..5 {
            let (process, url, metrics_url) = self.spawn();
            let mut beside = Beside { process, url, metrics_url };
            if answers(&mut beside.process, &beside.url, "/healthz").await {
                return beside;
            }
        }
        panic!("a second server does not start:\n{}", self.output());
    }

    /// Returns the output of a server that does not start.
    pub async fn refusal(&self) -> String {
        let before = self.output().len();
        let (process, url, metrics_url) = self.spawn();
        let mut beside = Beside { process, url, metrics_url };
        for _ in 0..600 {
            if let Ok(Some(status)) = beside.process.try_wait() {
                assert!(!status.success(), "it ended well");
                return self.output().split_off(before);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("it started:\n{}", self.output());
    }

    /// Starts the process and waits until it has ended by itself: returns its exit code, and all output since it was
    /// created.
    pub async fn refuses_to_start(&mut self) -> (Option<i32>, String) {
        let (process, _, _) = self.spawn();
        self.process = Some(process);
        (self.ended().await, self.output())
    }

    /// Returns the environment that configures this server, and any other program for the same database and folder.
    pub fn environment(&self) -> Vec<(String, String)> {
        let mut environment = vec![
            ("MARKETPLACE_DATABASE_URL".to_owned(), self.database.url.clone()),
            ("MARKETPLACE_DATA_DIR".to_owned(), self.data().display().to_string()),
        ];
        environment.extend(self.extra_environment.iter().cloned());
        environment.extend(self.settings.iter().map(|(key, value)| (format!("MARKETPLACE_{key}"), value.clone())));
        environment
    }

    /// Opens the server's marketplace in this process, after migrating its database.
    pub async fn open_app(&self) -> marketplace_core::error::Result<App> {
        let config = Config::load(None, self.environment())?;
        let db = Db::open(&self.database.url, OpenOptions::default()).await?;
        db.migrate().await?;
        db.close().await;
        App::open(config).await
    }

    /// Kills it as a power cut would (SIGKILL).
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }

    /// Changes a setting from its next start on.
    pub fn set(&mut self, key: &str, value: &str) {
        self.settings.push((key.to_owned(), value.to_owned()));
    }

    /// Requests its end (SIGTERM), and waits for it.
    pub async fn stop(&mut self) -> Option<i32> {
        signal(self.pid()?, "TERM");
        self.ended().await
    }

    /// Waits until it has ended by itself: at most 30 s. Returns its exit code.
    pub async fn ended(&mut self) -> Option<i32> {
        let mut process = self.process.take()?;
        for _ in 0..600 {
            if let Ok(Some(status)) = process.try_wait() {
                return status.code();
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let _ = process.kill();
        let _ = process.wait();
        panic!("the server did not end within 30 s of SIGTERM:\n{}", self.output());
    }

    /// Suspends the process (SIGSTOP): its connections remain, without responses.
    pub fn freeze(&self) {
        signal(self.pid().expect("a server that runs"), "STOP");
    }

    /// Resumes it.
    pub fn thaw(&self) {
        signal(self.pid().expect("a server that runs"), "CONT");
    }

    /// Returns the process's id, while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.process.as_ref().map(Child::id)
    }

    /// Returns its counters.
    pub async fn metrics(&self) -> String {
        counters(&self.metrics_url).await
    }

    /// Returns one of its counters without labels, or one line with them: the number after `name`.
    pub async fn metric(&self, name: &str) -> f64 {
        let text = self.metrics().await;
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value.unwrap_or_else(|| panic!("there is no {name}:\n{text}")).parse().unwrap()
    }

    /// Returns its memory in bytes; `None` where the system does not report it.
    pub fn resident(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid()?)).ok()?;
        let kib = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?.trim().strip_suffix(" kB")?;
        Some(kib.trim().parse::<u64>().ok()? * 1024)
    }

    /// Returns its data folder.
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Returns a folder for other files of the story.
    pub fn scratch(&self) -> &Path {
        self.folder.path()
    }

    /// Returns its output.
    pub fn output(&self) -> String {
        std::fs::read_to_string(self.output_path()).unwrap_or_default()
    }

    fn output_path(&self) -> PathBuf {
        self.output_folder.as_deref().unwrap_or(self.folder.path()).join("server.log")
    }

    /// Opens its database directly, to inspect it or to prepare states that would otherwise take weeks.
    pub async fn db(&self) -> Db {
        Db::open(&self.database.url, OpenOptions { connections: 2, ..OpenOptions::default() }).await.unwrap()
    }

    /// Returns how many rows each table of users, sessions, checks and records has, and how often its rows were
    /// changed: equal before and after something that must change nothing.
    pub async fn fingerprint(&self) -> Vec<(&'static str, i64)> {
        let db = self.db().await;
        // A mail that waits at the first look is sent before the second.
        for _ in 0..100 {
            if number(&db, "SELECT CAST(count(*) AS BIGINT) FROM mail_outbox").await == 0 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let mut all = Vec::new();
        for sql in [
            "SELECT CAST(count(*) AS BIGINT) FROM users",
            "SELECT CAST(coalesce(sum(version), 0) AS BIGINT) FROM users",
            "SELECT CAST(count(*) AS BIGINT) FROM user_notes",
            "SELECT CAST(count(*) AS BIGINT) FROM sessions WHERE revoked_at IS NULL",
            "SELECT CAST(count(*) AS BIGINT) FROM kyc_attempts",
            "SELECT CAST(coalesce(sum(version), 0) AS BIGINT) FROM kyc_attempts",
            "SELECT CAST(count(*) AS BIGINT) FROM kyc_files",
            "SELECT CAST(count(*) AS BIGINT) FROM audit_log",
            "SELECT CAST(count(*) AS BIGINT) FROM events",
            "SELECT CAST(count(*) AS BIGINT) FROM mail_outbox",
        ] {
            all.push((sql, number(&db, sql).await));
        }
        db.close().await;
        all
    }

    /// Returns an anonymous client.
    pub fn as_nobody(&self) -> Http {
        Http::new(&self.url)
    }

    /// Returns all mails to an address, oldest first.
    pub fn mails(&self, address: &str) -> Vec<Mail> {
        mail::to(&self.data().join("mail"), address)
    }

    /// Waits for the `count`th mail to an address.
    pub async fn mail(&self, address: &str, count: usize) -> Mail {
        mail::wait_for(&self.data().join("mail"), address, count).await
    }
}

async fn counters(url: &str) -> String {
    Http::new(url).request(reqwest::Method::GET, "/metrics").send().await.unwrap().text().await.unwrap()
}

/// Returns ports that nothing listens on, at least at this moment.
fn free_ports<const N: usize>() -> [u16; N] {
    let listeners = [(); N].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    listeners.map(|listener| listener.local_addr().unwrap().port())
}

async fn is_ready(process: &mut Child, url: &str) -> bool {
    answers(process, url, "/readyz").await
}

async fn answers(process: &mut Child, url: &str, path: &str) -> bool {
    for _ in 0..1_200 {
        if !matches!(process.try_wait(), Ok(None)) {
            return false;
        }
        let ready = Http::new(url).request(reqwest::Method::GET, path).send().await;
        if ready.is_ok_and(|answer| answer.status().is_success()) {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    false
}

fn new_folder() -> TempDir {
    let folder = TempDir::new().unwrap();
    std::fs::create_dir(folder.path().join("data")).unwrap();
    folder
}

impl Beside {
    /// Suspends the process (SIGSTOP).
    pub fn freeze(&self) {
        signal(self.process.id(), "STOP");
    }

    /// Resumes it.
    pub fn thaw(&self) {
        signal(self.process.id(), "CONT");
    }

    /// Returns its process's id.
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Returns its counters.
    pub async fn metrics(&self) -> String {
        counters(&self.metrics_url).await
    }

    /// Returns a client of that server as a user.
    pub fn as_seen(&self, person: &Person) -> Http {
        Http::new(&self.url).with_token(person.http.token.clone().expect("somebody who is logged in"))
    }
}

/// A second server for a [`Server`]'s database; dropping this ends it.
#[derive(Debug)]
pub struct Beside {
    process: Child,
    /// Its address.
    pub url: String,
    /// The address of its counters.
    pub metrics_url: String,
}

impl Drop for Beside {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            let output = self.output();
            let skip = output.len().saturating_sub(8_000);
            eprintln!("── the server said ──\n{}", String::from_utf8_lossy(&output.as_bytes()[skip..]));
        }
    }
}

/// Returns the one number that a query finds.
pub async fn number(db: &Db, sql: &'static str) -> i64 {
    let mut reader = db.read().await.unwrap();
    on!(&mut reader.conn(), |conn, DB| sqlx::query_scalar::<DB, i64>(sql).fetch_one(conn).await).unwrap()
}

/// Runs a statement, and returns how many rows it changed.
pub async fn execute(db: &Db, sql: &'static str) -> u64 {
    db.write(move |conn| {
        async move {
            let done =
                on!(conn, |conn, DB| sqlx::query::<DB>(sql).execute(conn).await.map(|done| done.rows_affected()));
            Ok(done.map_err(DbError::from)?)
        }
        .boxed()
    })
    .await
    .unwrap()
}

/// Removes everything that configures a marketplace on this machine from a program's environment.
pub fn isolate(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("MARKETPLACE_") {
            command.env_remove(name);
        }
    }
    command.env_remove("NO_COLOR").env_remove("RUST_LOG");
}

/// Sends a signal by name to a process that the test started.
pub fn signal(pid: u32, name: &str) {
    let status = Command::new("kill").arg(format!("-{name}")).arg(pid.to_string()).status();
    assert!(status.is_ok_and(|status| status.success()), "kill -{name} {pid}");
}
