//! The screens. To add one: a file here, and a line in [`REGISTRY`].

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
