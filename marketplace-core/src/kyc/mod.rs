//! Identity checks (KYC, know your customer).
pub mod model;
