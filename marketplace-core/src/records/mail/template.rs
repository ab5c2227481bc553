//! The kinds of mails.

use crate::base::text_enum::text_enum;

text_enum! {
    /// Which text.
    pub enum Template {
        /// Confirm the address of a new account.
        VerifyEmail = "verify_email",
        /// Somebody signed up with an address that has an account.
        AccountExists = "account_exists",
        /// Choose a new password.
        ResetPassword = "reset_password",
        /// The password was changed.
        PasswordChanged = "password_changed",
        /// A second factor was enrolled.
        SecondFactorOn = "second_factor_on",
        /// The second factor was removed.
        SecondFactorOff = "second_factor_off",
        /// Confirm a new address, sent to it.
        ConfirmNewEmail = "confirm_new_email",
        /// The address is about to change, sent to the old one.
        EmailChanging = "email_changing",
        /// A login through a provider was added to the account.
        IdentityLinked = "identity_linked",
        /// An admin made an account for the recipient.
        Invitation = "invitation",
        /// The account was banned.
        Banned = "banned",
        /// Staff changed the name or the number.
        AccountEdited = "account_edited",
        /// Staff warn about what was done.
        Warning = "warning",
        /// Staff closed a service.
        ServiceClosed = "service_closed",
        /// Staff took the closing of a service back.
        ServiceReopened = "service_reopened",
        /// Staff removed a photo of a service.
        PhotoRemoved = "photo_removed",
        /// The identity was confirmed.
        KycApproved = "kyc_approved",
        /// Another attempt is asked for.
        KycRetry = "kyc_retry",
        /// The identity was not confirmed.
        KycRejected = "kyc_rejected",
        /// An approval was taken back.
        KycRevoked = "kyc_revoked",
        /// An approval has come to its end.
        KycExpired = "kyc_expired",
        /// What the recipient reported was acted on.
        ReportResolved = "report_resolved",
        /// What the recipient reported was not acted on.
        ReportDismissed = "report_dismissed",
        /// What was done about the recipient's report was taken back.
        ReportReversed = "report_reversed",
        /// Something was decided about the recipient.
        ReportDecision = "report_decision",
        /// The recipient's appeal changed nothing.
        AppealUpheld = "appeal_upheld",
        /// The recipient's appeal was right.
        AppealReversed = "appeal_reversed",
        /// There are unread messages in a thread.
        Message = "message",
        /// A client made an offer.
        Offer = "offer",
        /// The other side made another offer.
        CounterOffer = "counter_offer",
        /// The other side accepted.
        OfferAccepted = "offer_accepted",
        /// The worker rejected.
        JobRejected = "job_rejected",
        /// A job was cancelled.
        JobCancelled = "job_cancelled",
        /// The worker completed the work.
        JobCompleted = "job_completed",
        /// The client asked for changes.
        ChangesRequested = "changes_requested",
        /// A job was finalized.
        JobFinalized = "job_finalized",
        /// A negotiation ends soon.
        NegotiationLapses = "negotiation_lapses",
        /// Completed work finalizes itself soon.
        WorkFinalizes = "work_finalizes",
        /// The other side of a job can be reviewed.
        ReviewDue = "review_due",
        /// A review shows.
        ReviewPublished = "review_published",
        /// A review was answered.
        ReviewReply = "review_reply",
    }
}
