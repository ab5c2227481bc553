//! Running a marketplace: opening it, looking whether it is in order, backups, continuous ones, copies, files, mails that could not be sent, webhooks.

pub mod backup;
pub mod copy;
pub mod doctor;
pub mod file_copy;
pub mod follow;
pub mod key_check;
pub mod mail;
mod open;
mod operator;
pub mod signing_keys;
pub mod webhooks;
pub mod whole;
