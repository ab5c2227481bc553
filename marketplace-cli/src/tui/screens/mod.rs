//! The screens. To add one: a file here, with its line of `mod` and its line in [`REGISTRY`].
//!
//! The file says what the screen is ([`super::component::Registered`]: tab, key, actions, the word that opens a row by its
//! id, how others link to it) and what it does ([`super::component::Screen`]). A list gives its rows
//! ([`super::browser::listing::Listed`]) and its filter ([`super::browser::filter::Typed`]); a list beside a row in full gives
//! that too ([`super::browser::Detailed`]) and has a [`super::browser::Browser`]. Loading, marking, filtering, jumping and
//! changing many at once come with them. `jobs` is the plainest example.

pub mod audit;
pub mod dashboard;
pub mod jobs;
pub mod kyc;
pub mod reviews;
pub mod threads;
pub mod users;

use super::{component::Entry, keymap::ScreenInfo};

/// The screen that the console begins at.
pub const FIRST: Entry = Entry::of::<dashboard::Dashboard>();

/// The others, in the order of their tabs.
pub const REGISTRY: &[Entry] = &[
    Entry::of::<kyc::Kyc>(),
    Entry::of::<users::Users>(),
    Entry::of::<jobs::Jobs>(),
    Entry::of::<threads::Threads>(),
    Entry::of::<reviews::Reviews>(),
    Entry::of::<audit::Audit>(),
];

/// What they say of themselves.
pub fn infos() -> Vec<&'static ScreenInfo> {
    std::iter::once(&FIRST).chain(REGISTRY).map(|entry| entry.info).collect()
}
