//! Each failure in these files was seen on a running marketplace of this kind. Each test shows that it does not happen here.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a failure here is a failed test")]

mod accounts;
mod data;
mod kyc;
mod limits;
mod marketplace;
mod messages;
mod plans;
mod sessions;
mod social;
mod tokens;
