//! The screens. To add one: a file here, a row in the tabs, an action that leads to it.

pub mod audit;
pub mod dashboard;
pub mod jobs;
pub mod kyc;
pub mod reviews;
pub mod threads;
pub mod users;
