//! Every staff operation, over the database or over HTTP.
//!
//! Each operation is declared once, in the file of its feature: how it is called, what it accepts and returns, which permission
//! it requires, and which function runs it. From that the server mounts and describes its routes, and a [`Connection`] calls it,
//! over the database or over HTTP. The contract suite in `tests/` runs every one over both.
//!
//! ```no_run
//! # use marketplace_core::{actor::Actor, app::App, error::Result};
//! use marketplace_core::staff::{Connection, ListQuery, ListUsers};
//!
//! # async fn example(app: App, actor: Actor) -> Result<()> {
//! let connection = Connection::direct(app, actor);
//! let users = connection.call::<ListUsers>((), ListQuery::default(), ()).await?;
//! # Ok(())
//! # }
//! ```

#[cfg(feature = "openapi")]
pub mod describe;
// Its macros are used by those that follow.
#[macro_use]
mod operation;
#[macro_use]
mod input;

mod audit;
mod categories;
mod connection;
mod dashboard;
mod general;
mod jobs;
mod kyc;
mod mail;
mod model;
mod reports;
mod reviews;
mod rules;
mod series;
mod services;
mod threads;
mod tokens;
mod users;
mod webhooks;

pub use audit::*;
pub use categories::*;
pub use connection::{Connection, Guard, Request, Transport};
pub use general::*;
pub use input::{PlainInput, ReasonedInput};
pub use jobs::*;
pub use kyc::*;
pub use mail::*;
pub use model::{Identity, Stats};
pub use operation::*;
pub use reports::*;
pub use reviews::*;
pub use rules::*;
pub use series::*;
pub use services::*;
pub use threads::*;
pub use tokens::*;
pub use users::*;
pub use webhooks::*;

/// Visits every operation.
pub fn visit(visitor: &mut impl Visitor) {
    general::visit(visitor);
    series::visit(visitor);
    kyc::visit(visitor);
    users::visit(visitor);
    jobs::visit(visitor);
    threads::visit(visitor);
    services::visit(visitor);
    reviews::visit(visitor);
    reports::visit(visitor);
    audit::visit(visitor);
    tokens::visit(visitor);
    mail::visit(visitor);
    rules::visit(visitor);
    webhooks::visit(visitor);
    categories::visit(visitor);
}
