//! The screens. To add one: a file here, with its `mod` line and its line in [`REGISTRY`].
//!
//! The file describes the screen ([`super::component::Registered`]: tab, key, actions, the word that opens a row by its id,
//! and how other screens link to it) and implements it ([`super::component::Screen`]). A list provides its rows
//! ([`super::browser::listing::Listed`]) and its filter ([`super::browser::filter::Typed`]); a list beside a detail
//! provides that too ([`super::browser::Detailed`]) and has a [`super::browser::Browser`]. Loading, marking, filtering,
//! jumping and bulk actions come with them. `jobs` is the simplest example.

pub mod audit;
pub mod categories;
pub mod charts;
pub mod dashboard;
pub mod jobs;
pub mod kyc;
pub mod mail;
pub mod photos;
pub mod reports;
pub mod reviews;
pub mod rules;
pub mod services;
pub mod threads;
pub mod tokens;
pub mod users;
pub mod viewer;
pub mod waits;
pub mod webhooks;

use super::{component::Entry, keymap::ScreenInfo};

/// The screen that the console starts with.
pub const FIRST: Entry = Entry::of::<dashboard::Dashboard>();

/// The other screens, in the order of their tabs.
pub const REGISTRY: &[Entry] = &[
    Entry::of::<kyc::Kyc>(),
    Entry::of::<users::Users>(),
    Entry::of::<jobs::Jobs>(),
    Entry::of::<threads::Threads>(),
    Entry::of::<reviews::Reviews>(),
    Entry::of::<audit::Audit>(),
    Entry::of::<reports::Reports>(),
    Entry::of::<mail::Mail>(),
    Entry::of::<tokens::Tokens>(),
    Entry::of::<services::Services>(),
    Entry::of::<webhooks::Webhooks>(),
    Entry::of::<webhooks::deliveries::Deliveries>(),
    Entry::of::<rules::Rules>(),
    Entry::of::<categories::Categories>(),
];

/// Returns the descriptions of all screens.
pub fn infos() -> Vec<&'static ScreenInfo> {
    std::iter::once(&FIRST).chain(REGISTRY).map(|entry| entry.info).collect()
}
