//! The marketplace over HTTP: routes that extract, call one operation of `marketplace-core`, and present the answer.
//!
//! | to read about | open |
//! |---|---|
//! | connections, HTTP, stopping | `serve`, `http`, `stop` |
//! | what surrounds every handler | `front` |
//! | errors on the wire | `problem` |
//! | who is calling, bodies, queries, ids | `extract` |
//! | sessions of browser apps | `cookies` |
//! | sending a POST twice | `idempotency` |
//! | sending too much | `limits` |
//! | holding too much, too long | `connection`, `slot`, `body` |
//! | the routes | `routes` |
//! | event streams and sockets | `live` |

pub mod args;
mod background;
mod body;
mod connection;
mod cookies;
mod ctx;
mod episode;
mod extract;
mod front;
mod http;
mod idempotency;
mod limit_headers;
mod limits;
mod live;
pub mod logging;
mod metrics;
mod network;
mod openapi;
pub mod options;
mod problem;
mod refusals;
mod router;
mod routes;
mod serve;
mod slot;
mod stop;
mod tls;

pub use options::Options;
pub use router::{description, router};
pub use serve::{Listeners, serve};
pub use stop::Stop;
