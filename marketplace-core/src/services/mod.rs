//! Services: what workers offer, and how they are found.
//!
//! | to read about | open |
//! |---|---|
//! | states, what may be in a service | [`model`] |
//! | categories | `category.rs`, `categories.rs`, `merging.rs`, `category_store.rs` |
//! | what a worker does with a service | `ops.rs` |
//! | what staff do with one | `staff.rs` |
//! | photos | `photos.rs`, `photo_store.rs` |
//! | what follows from what happens to the worker | `index_sync.rs` |
//! | how texts become words; in which languages; which words mean the same | `characters.rs`, `tokenizer.rs`, `languages.rs`, `synonyms.rs` |
//! | by which words staff find titles and texts | `content_terms.rs` |
//! | which words find a service, and which typos | `index_text.rs`, `typos.rs` |
//! | what a search asks for and in which ranks; how it is answered; in SQL | `query.rs`, `search.rs`, `search_sql.rs` |
//! | counts, marked texts and suggestions | `summary.rs`, `snippets.rs`, `suggest.rs` |
//! | distances, and what is near | `place.rs`, `tiles.rs` |
//!
//! # Rules
//!
//! - A service is a draft, published or closed, and belongs to one worker. Publishing needs an active worker whose identity is
//!   approved; a service whose worker is not is in no public view.
//! - Staff can close a service, for a reason that its worker is told; it cannot be published again until they take that back.
//! - A service has up to 10 photos, in an order, each with a text for people who do not see it. What was reported stays for staff
//!   when a photo is deleted, until its worker is erased. One that a decision about reports removed can be put back.
//! - A category can be merged into another one, which its key then stands for, in filters and links too.
//! - Search covers title, description, tags, category, place and the worker's name, in any language. It finds other forms and
//!   beginnings of words, words written apart or together, and tolerates typos. What has every word comes first, and what
//!   lacks some follows.
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

mod categories;
mod category;
mod category_store;
pub(crate) mod characters;
pub(crate) mod content_terms;
mod index_sync;
mod index_text;
mod languages;
mod merging;
pub mod model;
mod ops;
mod photo_store;
mod photos;
mod place;
mod query;
mod search;
mod search_sql;
mod snippets;
mod staff;
mod store;
mod suggest;
mod summary;
mod synonyms;
mod tiles;
pub(crate) mod tokenizer;
mod typos;

pub use categories::{categories, create_category, staff_categories, update_category};
pub use content_terms::content_terms;
pub use index_sync::learn;
pub(crate) use index_sync::{
    erase, name_changed, rating_changed, reindex, reindex_titles, sweep_index, worker_changed,
};
pub use index_text::{plain, search_text};
pub use merging::merge_category;
pub(crate) use merging::move_merged;
pub(crate) use ops::{block, keep_photos, seen, unblock};
pub use ops::{close, create, delete, get, of_worker, own, own_one, publish, update};
pub use photos::{delete_photo, order_photos, photo, put_photo, staff_photo, staff_remove_photo};
pub(crate) use photos::{own_photos, put_photo_back, take_photo};
pub use search::search;
pub use staff::{staff_close, staff_list, staff_reopen, staff_show};
pub(crate) use store::{count_visible, told};
pub use suggest::suggest;
pub use tiles::tile_of;

#[cfg(test)]
mod tests;
