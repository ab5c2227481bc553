//! What a marketplace is put through on a bad day, with real faults: one failure stops nothing but itself, and nobody gets
//! in through the side doors.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a failure here is a failed test")]

mod bystanders;
mod moving;
mod postgres;
mod redis;
