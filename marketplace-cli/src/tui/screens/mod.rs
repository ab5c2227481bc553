//! The screens. To add one: a file here, and a line in [`REGISTRY`].

pub mod audit;
pub mod dashboard;
pub mod jobs;
pub mod kyc;
pub mod reviews;
pub mod threads;
pub mod users;

use super::{component::Entry, keymap::ScreenInfo};

/// The screens, in the order of their tabs.
pub const REGISTRY: [Entry; 7] = [
    Entry::of::<dashboard::Dashboard>(),
    Entry::of::<kyc::Kyc>(),
    Entry::of::<users::Users>(),
    Entry::of::<jobs::Jobs>(),
    Entry::of::<threads::Threads>(),
    Entry::of::<reviews::Reviews>(),
    Entry::of::<audit::Audit>(),
];

/// What they say of themselves.
pub fn infos() -> Vec<&'static ScreenInfo> {
    REGISTRY.iter().map(|entry| entry.info).collect()
}
