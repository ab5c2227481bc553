//! Where an identity check stands.

use crate::base::text_enum::text_enum;

text_enum! {
    /// Where an identity check stands.
    pub enum KycStatus {
        /// Nothing was submitted.
        None = "none",
        /// Waits in the queue.
        Pending = "pending",
        /// Somebody has claimed it.
        InReview = "in_review",
        /// The person is who they say.
        Approved = "approved",
        /// The worker is asked to submit again.
        Retry = "retry",
        /// Refused for good.
        Rejected = "rejected",
        /// An approval was taken back.
        Revoked = "revoked",
        /// An approval came to its end.
        Expired = "expired",
    }
}

impl KycStatus {
    /// Whether a worker in this state may submit a new attempt.
    pub fn may_submit(self) -> bool {
        matches!(self, Self::None | Self::Retry | Self::Expired | Self::Revoked)
    }
    /// Whether the attempt waits for a decision.
    pub fn is_open(self) -> bool {
        matches!(self, Self::Pending | Self::InReview)
    }
}
