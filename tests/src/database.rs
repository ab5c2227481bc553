//! A database for one story, on either engine.

use std::{path::Path, str::FromStr};

use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection, Executor};
use uuid::Uuid;

/// The engine that a story runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// SQLite, in a file.
    Sqlite,
    /// PostgreSQL, on the server that `MARKETPLACE_TEST_POSTGRES_URL` names.
    Postgres,
}

impl Engine {
    /// Returns whether stories can run on it here.
    pub fn is_here(self) -> bool {
        self == Self::Sqlite || postgres_url().is_some()
    }
}

/// Returns a superuser's URL of a server for tests: each story creates its own database there.
fn postgres_url() -> Option<String> {
    std::env::var("MARKETPLACE_TEST_POSTGRES_URL").ok().filter(|url| !url.is_empty())
}

/// A database that is deleted when this is dropped.
#[derive(Debug)]
pub struct Database {
    /// The URL for `database_url`.
    pub url: String,
    made: Option<(PgConnectOptions, String)>,
}

impl Database {
    /// Creates an empty database; on SQLite in `folder`.
    pub async fn new(engine: Engine, folder: &Path) -> Self {
        match engine {
            Engine::Sqlite => Self { url: format!("sqlite://{}", folder.join("marketplace.db").display()), made: None },
            Engine::Postgres => Self::on(&postgres_url().expect("MARKETPLACE_TEST_POSTGRES_URL")).await,
        }
    }

    /// Creates a database with the newest schema.
    pub async fn migrated(engine: Engine, folder: &Path) -> Self {
        match engine {
            Engine::Sqlite => {
                std::fs::create_dir_all(folder).unwrap();
                let template = marketplace_core::testing::sqlite_template().await;
                std::fs::copy(template, folder.join("marketplace.db")).unwrap();
                Self::new(engine, folder).await
            }
            Engine::Postgres => {
                let server = postgres_url().expect("MARKETPLACE_TEST_POSTGRES_URL");
                let template = marketplace_core::testing::postgres_template(&server).await;
                Self::of(&server, &format!(" TEMPLATE {template}")).await
            }
        }
    }

    /// Creates an empty database on the PostgreSQL server of a superuser's URL.
    pub async fn on(server: &str) -> Self {
        Self::of(server, "").await
    }

    async fn of(server: &str, template: &str) -> Self {
        let options = PgConnectOptions::from_str(server).expect("a PostgreSQL URL");
        let name = format!("story_{}", random_id().simple());
        let mut connection = options.clone().connect().await.expect("the PostgreSQL for tests answers");
        connection.execute(sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}{template}"))).await.unwrap();
        connection.close().await.unwrap();
        let (base, _) = server.rsplit_once('/').expect("a URL with a database");
        Self { url: format!("{base}/{name}"), made: Some((options, name)) }
    }

    /// Ends every connection and permits no new ones, as if the database server were away. Returns false for a file,
    /// which cannot be away.
    pub async fn cut_off(&self) -> bool {
        self.allow_connections(false).await
    }

    /// Ends [`Database::cut_off`].
    pub async fn reconnect(&self) {
        self.allow_connections(true).await;
    }

    async fn allow_connections(&self, allow: bool) -> bool {
        let Some((options, name)) = &self.made else { return false };
        let mut connection = options.connect().await.unwrap();
        let texts = [
            format!("ALTER DATABASE {name} ALLOW_CONNECTIONS {allow}"),
            format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}' AND NOT {allow}"),
        ];
        for text in texts {
            connection.execute(sqlx::AssertSqlSafe(text)).await.unwrap();
        }
        true
    }

    /// Returns its engine.
    pub fn engine(&self) -> Engine {
        if self.made.is_some() { Engine::Postgres } else { Engine::Sqlite }
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let Some((options, name)) = self.made.take() else { return };
        // A drop cannot await; a thread with a runtime of its own can.
        let dropped = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let mut connection = options.connect().await?;
                connection.execute(sqlx::AssertSqlSafe(format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"))).await?;
                connection.close().await
            })
        })
        .join();
        if let Ok(Err(error)) = dropped {
            eprintln!("a test's database stays behind: {error}");
        }
    }
}

/// Returns an id that no other test has.
#[expect(clippy::disallowed_methods, reason = "names of databases and addresses of people must differ between runs")]
pub fn random_id() -> Uuid {
    Uuid::now_v7()
}
