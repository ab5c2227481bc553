//! Databases, clocks and factories for tests.
//!
//! Every test runs on SQLite, and on PostgreSQL when `MARKETPLACE_TEST_POSTGRES_URL` names a server where databases can
//! be made: `for test in testing::apps().await { … test.close().await; }`.

pub mod pictures;
pub mod smtp;
#[cfg(test)]
pub(crate) mod statements;
mod trade;

pub use trade::Trade;

use std::{
    path::PathBuf,
    sync::{
        Arc, LazyLock,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

use sqlx::postgres::PgConnection;
use sqlx::{Connection, Executor};
use tempfile::TempDir;
use uuid::Uuid;

use crate::{
    accounts::model::{NewUser, Password, Status, UserAction},
    actor::{Actor, Operator},
    app::App,
    auth::{self, ClientInfo},
    base::{
        change::{Change, RestrictionReason},
        ids::{MailId, UserId},
        permission::Role,
        random::{OsRandom, Random},
        time::{Clock, SystemClock, Timestamp},
    },
    platform::{
        config::{Config, Secret},
        db::{Db, OpenOptions},
    },
    records::mail::{Mail, Template},
    users,
};

/// Names a PostgreSQL server for tests.
pub const POSTGRES: &str = "MARKETPLACE_TEST_POSTGRES_URL";

/// A clock that stands where it was set.
#[derive(Debug)]
pub struct FixedClock(AtomicI64);

impl FixedClock {
    /// At 2026-03-02T10:00:00Z.
    pub fn new() -> Self {
        Self(AtomicI64::new(1_772_445_600_000_000))
    }
    /// Goes on.
    pub fn advance(&self, by: Duration) {
        self.0.fetch_add(i64::try_from(by.as_micros()).unwrap(), Ordering::SeqCst);
    }
}
impl Default for FixedClock {
    fn default() -> Self {
        Self::new()
    }
}
impl Clock for FixedClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.load(Ordering::SeqCst))
    }
}

/// The name of a database's file.
const FILE: &str = "marketplace.db";

/// Somebody at the machine.
pub static OPERATOR: LazyLock<Actor> =
    LazyLock::new(|| Actor::Operator(Operator { os_user: "tester".into(), host: "localhost".into() }));

/// Somebody at the machine.
pub fn operator() -> Actor {
    OPERATOR.clone()
}

/// A database of its own, gone after [`TestDb::close`].
#[derive(Debug)]
pub struct TestDb {
    db: Db,
    url: String,
    place: Place,
}

#[derive(Debug)]
enum Place {
    Folder(TempDir),
    Postgres { server: String, name: String },
}

impl Place {
    fn sqlite() -> (Self, String) {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", folder.path().join(FILE).display());
        (Self::Folder(folder), url)
    }

    async fn postgres(server: &str, template: Option<&str>) -> (Self, String) {
        let mut name = [0; 8];
        OsRandom.fill(&mut name);
        let name = format!("test_{}", hex::encode(name));
        let mut conn = PgConnection::connect(server).await.expect("the PostgreSQL for tests answers");
        let of = template.map(|template| format!(" TEMPLATE {template}")).unwrap_or_default();
        conn.execute(sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}{of}"))).await.unwrap();
        let mut url: url::Url = server.parse().unwrap();
        url.set_path(&name);
        (Self::Postgres { server: server.to_owned(), name }, url.into())
    }

    async fn remove(self) {
        if let Self::Postgres { server, name } = self {
            let mut conn = PgConnection::connect(&server).await.unwrap();
            conn.execute(sqlx::AssertSqlSafe(format!("DROP DATABASE {name} WITH (FORCE)"))).await.unwrap();
        }
    }

    /// A fresh one on each engine; with `migrated`, it has the newest schema already.
    async fn each(migrated: bool) -> Vec<(Self, String)> {
        let (place, url) = Self::sqlite();
        if migrated && let Self::Folder(folder) = &place {
            std::fs::copy(sqlite_template().await, folder.path().join(FILE)).unwrap();
        }
        let mut places = vec![(place, url)];
        if let Ok(server) = std::env::var(POSTGRES) {
            let template = if migrated { Some(postgres_template(&server).await) } else { None };
            places.push(Self::postgres(&server, template.as_deref()).await);
        }
        places
    }
}

/// Returns the file of an empty database with the newest schema, beside the program of the test, of which copies are made in a
/// fraction of the time that all migrations take. The first test creates it.
pub async fn sqlite_template() -> PathBuf {
    let beside = std::env::current_exe().unwrap();
    let template = beside.with_file_name(format!("template-{}.db", crate::platform::db::schema::fingerprint()));
    if !template.exists() {
        let folder = tempfile::tempdir_in(beside.parent().unwrap()).unwrap();
        let file = folder.path().join(FILE);
        let db = Db::open(&format!("sqlite://{}", file.display()), OpenOptions::default()).await.unwrap();
        db.migrate().await.unwrap();
        db.close().await;
        std::fs::rename(file, &template).unwrap();
    }
    template
}

/// Returns the name of an empty database with the newest schema on a PostgreSQL server for tests, from which others are created in
/// a fraction of the time that all migrations take. The first test creates it.
pub async fn postgres_template(server: &str) -> String {
    const LOCK: &str = "SELECT pg_advisory_lock(7121009)";
    let name = format!("template_{}", crate::platform::db::schema::fingerprint());
    let known = format!("SELECT EXISTS (SELECT 1 FROM pg_database WHERE datname = '{name}')");
    let mut conn = PgConnection::connect(server).await.expect("the PostgreSQL for tests answers");
    let is_there = async |conn: &mut PgConnection| -> bool {
        sqlx::query_scalar(sqlx::AssertSqlSafe(known.clone())).fetch_one(conn).await.unwrap()
    };
    if !is_there(&mut conn).await {
        conn.execute(LOCK).await.unwrap();
        if !is_there(&mut conn).await {
            let (Place::Postgres { name: made, .. }, url) = Place::postgres(server, None).await else { unreachable!() };
            let db = Db::open(&url, OpenOptions { connections: 2, ..OpenOptions::default() }).await.unwrap();
            db.migrate().await.unwrap();
            db.close().await;
            conn.execute(sqlx::AssertSqlSafe(format!("ALTER DATABASE {made} RENAME TO {name}"))).await.unwrap();
        }
    }
    conn.close().await.unwrap();
    name
}

impl TestDb {
    /// The database, up to date and empty.
    pub fn db(&self) -> &Db {
        &self.db
    }
    /// Where it is, as `database_url` takes it.
    pub fn url(&self) -> &str {
        &self.url
    }
    /// Removes it.
    pub async fn close(self) {
        self.db.close().await;
        self.place.remove().await;
    }
}

/// A fresh database on each engine.
pub async fn databases() -> Vec<TestDb> {
    let all = opened(Place::each(true).await, 0).await;
    for test in &all {
        test.db.migrate().await.unwrap();
    }
    all
}

/// Databases as a release before left them, whose newest migration had this number; 0 for none.
pub async fn databases_at(version: i64) -> Vec<TestDb> {
    opened(Place::each(false).await, version).await
}

async fn opened(places: Vec<(Place, String)>, version: i64) -> Vec<TestDb> {
    let mut all = Vec::new();
    for (place, url) in places {
        let db = Db::open(&url, OpenOptions { connections: 6, ..OpenOptions::default() }).await.unwrap();
        if version > 0 {
            db.migrate_to(version).await;
        }
        all.push(TestDb { db, url, place });
    }
    all
}

/// A whole marketplace of its own, gone after [`TestApp::close`].
#[derive(Debug)]
pub struct TestApp {
    app: App,
    clock: Option<Arc<FixedClock>>,
    place: Place,
    _data: TempDir,
    users: AtomicU64,
}

/// Marketplaces on each engine, with a clock that stands still.
pub async fn apps() -> Vec<TestApp> {
    apps_with(|_| ()).await
}

/// Like [`apps`], with the configuration changed.
pub async fn apps_with(change: impl Fn(&mut Config)) -> Vec<TestApp> {
    let mut all = Vec::new();
    for (place, url) in Place::each(true).await {
        all.push(TestApp::open(place, url, &change, Some(Arc::new(FixedClock::new()))).await);
    }
    all
}

/// Like [`apps_with`], with the machine's clock: for programs that count real seconds.
pub async fn live_apps_with(change: impl Fn(&mut Config)) -> Vec<TestApp> {
    let mut all = Vec::new();
    for (place, url) in Place::each(true).await {
        all.push(TestApp::open(place, url, &change, None).await);
    }
    all
}

/// A marketplace on SQLite alone, with a clock that stands still: for what does not touch the database's dialect.
pub async fn app() -> TestApp {
    let (place, url) = Place::sqlite();
    TestApp::open(place, url, &|_| (), Some(Arc::new(FixedClock::new()))).await
}

impl TestApp {
    async fn open(place: Place, url: String, change: &impl Fn(&mut Config), clock: Option<Arc<FixedClock>>) -> Self {
        let data = tempfile::tempdir().unwrap();
        let mut config =
            Config { data_dir: data.path().into(), database_url: Some(Secret::new(&url)), ..Config::default() };
        // Cheap hashes: these tests are about everything else. And no limits, which have tests of their own.
        config.argon2.memory_kib = 64;
        config.argon2.iterations = 1;
        config.limits.auth_per_ip_minute = 1_000_000;
        config.limits.failed_logins = 1_000_000;
        config.limits.failed_logins_account_hour = 1_000_000;
        config.limits.mails_per_account_hour = 1_000_000;
        config.limits.public_per_ip_minute = 0;
        config.limits.searches_per_ip_minute = 0;
        config.limits.reads_per_account_minute = 0;
        config.limits.writes_per_account_minute = 0;
        config.limits.uploads_per_account_minute = 0;
        change(&mut config);
        let slow = config.log.slow_statement();
        let options = OpenOptions { connections: 6, slow, ..OpenOptions::default() };
        let db = Db::open(&url, options).await.unwrap();
        db.migrate().await.unwrap();
        db.close().await;
        let time: Arc<dyn Clock> = match &clock {
            Some(clock) => clock.clone(),
            None => Arc::new(SystemClock),
        };
        let app = App::open_with(config, options, time, Arc::new(OsRandom)).await.unwrap();
        Self { app, clock, place, _data: data, users: AtomicU64::new(0) }
    }

    /// The marketplace.
    pub fn app(&self) -> &App {
        &self.app
    }

    /// Lets time pass.
    ///
    /// # Panics
    /// With the machine's clock.
    pub fn advance(&self, by: Duration) {
        self.clock.as_ref().expect("this clock stands still until advanced").advance(by);
    }

    /// Removes it.
    pub async fn close(self) {
        self.app.close().await;
        self.place.remove().await;
    }

    /// A user of a role, in a status, with the password [`PASSWORD`] and an address of its own.
    pub async fn user(&self, role: Role, status: Status) -> UserId {
        let n = self.users.fetch_add(1, Ordering::SeqCst);
        let new = NewUser {
            role,
            email: format!("{role}{n}-{}@example.org", Uuid::from_u64_pair(n, 7).simple()),
            name: format!("{role} Number{n}"),
            phone: None,
        };
        let made = users::create(&self.app.by(&OPERATOR), &new).await.unwrap();
        let id = made.item.user.id;
        auth::testing_set_password(&self.app, id, &Password::new(PASSWORD), status != Status::Unverified)
            .await
            .unwrap();
        let reason = Some(RestrictionReason::Other);
        let change = Change { reason, ..Change::default() };
        let action = match status {
            Status::Frozen => UserAction::Freeze,
            Status::Banned => UserAction::Ban,
            Status::Deleted => UserAction::Delete,
            Status::Unverified | Status::Active => return id,
        };
        users::act(&self.app.by(&OPERATOR).with(change.clone()), id, &action).await.unwrap();
        id
    }

    /// Approves a worker's identity, in effect from now on for a year.
    pub async fn approve(&self, id: UserId) {
        let now = self.app.now();
        let ends = now + Duration::from_hours(365 * 24);
        let unit = self.app.db.write(move |conn| {
            Box::pin(async move {
                q!(conn => exec,
                    "UPDATE users SET kyc_status = 'approved', kyc_prior = 'none', kyc_effective_at = $2, kyc_expires_at = $3 WHERE id = $1",
                    id, now, ends)?;
                crate::services::worker_changed(conn, now, id).await
            })
        });
        unit.await.unwrap();
    }

    /// An active worker whose identity is approved, logged in.
    pub async fn approved_worker(&self) -> Actor {
        let id = self.user(Role::Worker, Status::Active).await;
        self.approve(id).await;
        self.log_in(id).await.0
    }

    /// An actor for an active user of a role, logged in.
    pub async fn actor(&self, role: Role) -> Actor {
        let id = self.user(role, Status::Active).await;
        self.log_in(id).await.0
    }

    /// Logs a user in with [`PASSWORD`]: the actor and the access token.
    pub async fn log_in(&self, id: UserId) -> (Actor, String) {
        let email = users::reveal(&self.app.by(&OPERATOR), id, None).await.unwrap().email;
        let tokens = auth::login(&self.app, &client(), &email, &Password::new(PASSWORD)).await.unwrap();
        let actor = auth::authenticate(&self.app, &tokens.access_token).await.unwrap();
        (actor, tokens.access_token)
    }

    /// The mails that wait, oldest first: address, template, and the token in the link if it has one.
    pub async fn mails(&self) -> Vec<WaitingMail> {
        let mut reader = self.app.db.read().await.unwrap();
        let rows = q!(&mut reader.conn() => all (MailId, Vec<u8>, Timestamp), "SELECT id, sealed, not_before FROM mail_outbox ORDER BY id").unwrap();
        let open = |(id, sealed, not_before): (MailId, Vec<u8>, Timestamp)| {
            let plain = self.app.keys.open_sealed(id.0.as_bytes(), &sealed).unwrap();
            let mail: Mail = serde_json::from_slice(&plain).unwrap();
            let token =
                mail.link.as_deref().and_then(|link| link.split_once("token=")).map(|(_, token)| token.to_owned());
            WaitingMail { to: mail.to, template: mail.template, token, comment: mail.comment, not_before }
        };
        rows.into_iter().map(open).collect()
    }

    /// The token of the newest mail of a template.
    pub async fn token(&self, template: Template) -> String {
        let mails = self.mails().await;
        mails
            .into_iter()
            .rev()
            .find(|mail| mail.template == template)
            .and_then(|mail| mail.token)
            .expect("such a mail waits")
    }
}

/// A mail that waits to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitingMail {
    /// Recipient.
    pub to: String,
    /// Which text.
    pub template: Template,
    /// The token in its link.
    pub token: Option<String>,
    /// What staff wrote.
    pub comment: Option<String>,
    /// When it may be sent.
    pub not_before: Timestamp,
}

/// The password of users that factories make.
pub const PASSWORD: &str = "correct horse battery";

/// The code that a device with this secret (base32) shows at a time.
pub fn totp_code(secret: &str, at: Timestamp) -> String {
    let bytes = auth::totp::code::BASE32.decode(secret.as_bytes()).expect("base32");
    let secret = auth::totp::code::Secret::from_bytes(&bytes).unwrap();
    secret.code(at.unix_seconds() / auth::totp::code::STEP)
}

/// A caller on this machine.
pub fn client() -> ClientInfo {
    ClientInfo { ip: std::net::IpAddr::from([127, 0, 0, 1]), user_agent: "test".into(), language: None }
}
