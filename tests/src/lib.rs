//! What the stories in `tests/` are told with: the real server and the real command line as processes, on either engine,
//! in a folder of their own; people who sign up and log in; and a terminal to run the console in.
//!
//! A story is one function over an [`Engine`]; [`stories!`] makes a test of it for each engine. Everything that a story
//! starts ends with it, and everything that it writes is in a folder or a database that is removed after it.
//!
//! | to read about | open |
//! |---|---|
//! | the server, its database, its mails | [`server`], [`database`], [`mail`] |
//! | who asks: clients, workers, staff | [`people`] |
//! | workers and clients who have met | [`market`] |
//! | requests and answers | [`http`] |
//! | a Redis or a PostgreSQL that goes away, a wire that is cut or silent | [`redis`], [`cluster`], [`wire`] |
//! | disks that fail and fill up | [`fault`] |
//! | a bucket that hangs; a mail server that does is core's | [`bucket`], [`marketplace_core::testing::smtp`] |
//! | a collector of traces | [`collector`] |
//! | social login: a provider that lies, and browsers that visit it | [`provider`] |
//! | sockets, frames | [`socket`] |
//! | the command line | [`cli`] |
//! | the console in a pseudo-terminal | [`terminal`] |
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    reason = "a harness of tests: where it cannot go on, the test has failed, and the panic says where"
)]

pub mod binaries;
pub mod bucket;
pub mod cli;
pub mod clock;
pub mod cluster;
pub mod collector;
pub mod database;
mod description;
pub mod fault;
pub mod http;
pub mod mail;
pub mod market;
pub mod people;
pub mod pictures;
pub mod provider;
pub mod redis;
pub mod server;
pub mod socket;
pub mod terminal;
pub mod tokens;
pub mod trace;
pub mod wire;

pub use cluster::Cluster;
pub use database::Engine;
pub use http::{Answer, Http};
pub use market::Market;
pub use people::Person;
pub use redis::{Redis, RedisCluster};
pub use server::Server;
pub use socket::Socket;
pub use wire::Wire;

/// Creates a test of each story on each engine: `sqlite::name` and `postgres::name`.
///
/// The PostgreSQL half runs when `MARKETPLACE_TEST_POSTGRES_URL` names a server, as `tests/run` sets it.
#[macro_export]
macro_rules! stories {
    ($($(#[$meta:meta])* $name:ident),+ $(,)?) => {
        mod sqlite {$(
            $(#[$meta])*
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name($crate::Engine::Sqlite).await;
            }
        )+}
        mod postgres {$(
            $(#[$meta])*
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                if $crate::Engine::Postgres.is_here() {
                    super::$name($crate::Engine::Postgres).await;
                }
            }
        )+}
    };
}
