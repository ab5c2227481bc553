//! Accounts of clients, workers and staff.
mod common;
pub mod model;
