//! Services: what workers offer, and how they are found.
//!
//! | to read about | open |
//! |---|---|
//! | states, categories, what may be in a service | [`model`] |
//! | what a worker does with a service | `ops.rs` |
//! | what follows from what happens to the worker | `follow.rs` |
//! | what a search asks for; how it is answered; in which words of the databases | `query.rs`, `search.rs`, `matches.rs` |
//! | which words find a service, and which typos | `words.rs` |
//! | distances, and what is near | `place.rs`, `tiles.rs` |
//!
//! # Rules
//!
//! - A service is a draft, published or closed, and belongs to one worker. Publishing needs an active worker whose identity is
//!   approved; a service whose worker is not is in no public view.
//! - Search covers title, description, tags, category, place and the worker's name. It finds beginnings of words and tolerates
//!   typos.
//!
//! ```no_run
//! # use marketplace_core::{error::Result, ids::ServiceId, operation::Operation};
//! use marketplace_core::services;
//!
//! # async fn example(op: &Operation, id: ServiceId) -> Result<()> {
//! let published = services::publish(op, id).await?;
//! # Ok(())
//! # }
//! ```

mod follow;
mod matches;
pub mod model;
mod ops;
mod place;
mod query;
mod search;
mod store;
mod tiles;
mod words;

pub use follow::learn;
pub(crate) use follow::{erase, name_changed, rating_changed, sweep_index, worker_changed};
pub use ops::{categories, close, create, delete, get, of_worker, own, own_one, publish, update};
pub use search::search;
pub(crate) use store::{count_visible, told};
pub use tiles::tile_of;
pub use words::{plain, search_text};

#[cfg(test)]
mod tests;
