//! Vocabulary: small types and rules that all else is said in. No SQL, no I/O.

pub mod call_context;
pub mod change;
pub mod count;
pub mod error;
pub mod ids;
pub mod language;
pub mod money;
pub mod page;
pub mod patch;
pub mod permission;
pub mod principal;
pub mod random;
pub mod rate;
pub mod text;
#[doc(hidden)]
pub mod text_enum;
pub mod time;
