//! Made-up data, for demonstrations, tests and measurements: whole databases of people (`marketplace_people`).
//!
//! Everybody shares one password ([`PASSWORD`]) and one hash of it: a million argon2 hashes would take hours. Staff of
//! anything but a demonstration have none, so that seeding opens no door. Chunks of users commit one by one: stopped half
//! way, what is there is whole, and another seed adds to it. Decisions of a seed that is no demonstration have no rows in
//! the audit log, which records only that the seeding happened, and that webhooks were made.
//!
//! | to read about | open |
//! |---|---|
//! | what can be asked for | `plan.rs` |
//! | in which order a database is filled | `fill.rs` |
//! | who is in it, and what became of their identity checks | `users.rs` |
//! | services, conversations, jobs, reviews, reports, webhooks | `market/` |
//! | where drawn papers and photos of services go | `files.rs`, `photos.rs` |
//!
//! No module imports another that imports it; what all share is in `plan.rs`.

mod arrivals;
mod files;
mod fill;
mod history;
mod market;
mod notices;
mod photos;
mod plan;
mod tables;
mod user_rows;
mod users;

pub use arrivals::Rest;
pub use fill::{PAINTERS, begin, run};
pub use plan::{Images, Login, PASSWORD, Plan, Progress, Stage, Summary, Volume, demo_plan};
