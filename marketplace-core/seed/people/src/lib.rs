//! Made-up people: their names, how they look, their papers, and pictures of it all, drawn.
//!
//! Apart from what is made of them in a database, and without any of its futures, so that it can be compiled with
//! optimisations, even where everything else is not: a picture takes five times as long otherwise.
//!
//! | to read about | open |
//! |---|---|
//! | names, addresses and numbers that reach nobody | `people.rs`, `names.rs` |
//! | papers and selfies, and what may be wrong with them | `images.rs`, `identity_card.rs`, `mrz.rs`, `flaw.rs` |
//! | photos of services | `photo.rs` |
//! | how faces are drawn, and everything | `face.rs`, `canvas.rs` |
#![forbid(unsafe_code)]

mod canvas;
mod face;
pub mod flaw;
mod identity_card;
pub mod images;
mod mrz;
mod names;
pub mod people;
pub mod photo;
