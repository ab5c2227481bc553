//! Profiles: what clients and workers publish about themselves, their pictures, favourites and blocks.
//!
//! | to read about | open |
//! |---|---|
//! | profiles, what may be in them, what the public sees | [`model`] |
//! | how a picture is cleaned and resized | `picture.rs` |
//! | the use cases | `ops.rs`, `people.rs`, `pictures.rs` |
//!
//! Nobody needs a row to have a profile: without one it holds the defaults.
//!
//! The public sees the profile of a worker who is active and whose identity is approved. Either of two people can block the
//! other: then no thread is opened between them. Pictures are encoded anew, which removes their metadata.
//!
//! ```no_run
//! # use marketplace_core::{error::Result, operation::Operation};
//! use marketplace_core::{base::patch::Patch, profiles::{self, model::UpdateWorkerProfile}};
//!
//! # async fn example(op: &Operation) -> Result<()> {
//! let update = UpdateWorkerProfile { headline: Patch::Set("Painter".into()), ..UpdateWorkerProfile::default() };
//! let profile = profiles::update_worker(op, update).await?;
//! # Ok(())
//! # }
//! ```

pub mod model;
mod ops;
mod people;
mod picture;
mod pictures;
mod store;

pub use ops::{client, public_client, public_worker, update_client, update_worker, worker};
pub(crate) use ops::{erase, hold, presented, shows};
pub use people::{block, blocks, favorite, favorites};
pub(crate) use pictures::{own_picture, seal_stored};
pub use pictures::{picture, remove_picture, set_picture};
pub(crate) use store::{
    approved_in_effect, blocked_between, blocked_by, favorite_ids, one_blocks_the_other, pictures_of, shown_picture,
    told, worker_is_public,
};

#[cfg(test)]
mod tests;
