//! Bad days: what each row of the operations table says must go on, with the fault made for real.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a failure here is a failed test")]

mod clients;
mod hostile;
mod stopping;
