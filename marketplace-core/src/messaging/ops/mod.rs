//! The use cases of a thread's two sides, one function each.

mod address;
mod files;
mod send;
mod talk;

pub use address::{AddressQuery, SignedAddress, addressed_attachment, attachment_address};
pub use files::{AttachmentFile, AttachmentSize, attach, attachment};
pub(crate) use files::{file_content, seal_stored};
pub use send::fingerprint;
pub use send::send;
pub use talk::{get, list, messages, open, read, typing};

pub(in crate::messaging) use files::shown;
pub(super) use talk::{changed, paged, window};

#[cfg(test)]
mod tests;
