//! The HTTP server: routes that extract, call one operation of `marketplace-core`, and present the result.
//!
//! | to read about | open |
//! |---|---|
//! | connections, HTTP, stopping | `serve`, `http`, `stop`, `service_manager` |
//! | the middleware around every handler | `middleware` |
//! | errors as HTTP responses | `problem` |
//! | ETags, compression, caching | `representation` |
//! | authentication, bodies, queries, ids | `extract` |
//! | sessions of browser apps | `cookies` |
//! | repeated POST requests | `idempotency` |
//! | rate limits | `limits` |
//! | limits of connections, requests in progress and bodies | `connection`, `slot`, `body` |
//! | the routes | `routes` |
//! | event streams and sockets | `live` |

pub mod args;
mod background;
mod body;
mod connection;
mod cookies;
mod ctx;
mod denial_log;
mod episode;
mod extract;
mod http;
mod idempotency;
mod limit_headers;
mod limits;
mod live;
pub mod logging;
mod metrics;
mod middleware;
mod network;
mod openapi;
pub mod options;
#[cfg(feature = "otlp")]
pub mod otlp;
mod problem;
mod process;
mod representation;
mod router;
mod routes;
mod serve;
pub mod service_manager;
mod slot;
mod stop;
mod tls;
mod trace;

pub use live::description as frames_description;
pub use options::Options;
pub use router::{description, router};
pub use serve::{Listeners, serve};
pub use stop::Stop;
