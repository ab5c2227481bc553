//! What is only ever appended to, inside the transaction of what it records: the audit log, the log of events, mails that wait,
//! answers kept for repeated requests.

pub mod audit;
pub mod events;
pub mod idempotency;
pub mod mail;
pub mod target;
