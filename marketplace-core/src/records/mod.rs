//! Append-only records, written inside the transaction of what they record: the audit log, the event log, waiting mails,
//! responses kept for repeated requests, what webhooks are told.

pub mod audit;
pub mod events;
pub mod idempotency;
pub mod mail;
pub(crate) mod partitions;
pub mod series;
pub mod target;
pub mod webhooks;
