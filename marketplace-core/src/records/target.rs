//! What records are about.

use crate::base::text_enum::text_enum;

text_enum! {
    /// The kind of thing that a row of the audit log or an event is about.
    pub enum TargetKind {
        /// An account.
        User = "user",
        /// A list of accounts.
        Users = "users",
        /// A session, or all of them.
        Session = "session",
        /// A token for scripts.
        Token = "token",
        /// A key that signs access tokens.
        Key = "key",
        /// One submission of identity documents.
        Attempt = "attempt",
        /// A worker's or client's profile.
        Profile = "profile",
        /// Something that a worker offers.
        Service = "service",
        /// A job.
        Job = "job",
        /// A conversation.
        Thread = "thread",
        /// A message.
        Message = "message",
        /// A review.
        Review = "review",
        /// Everything that was reported about one thing.
        Report = "report",
        /// A category of services.
        Category = "category",
        /// A rule about what is not let in.
        Rule = "rule",
        /// What somebody was notified of.
        Notification = "notification",
        /// A mail that waits or could not be sent.
        Mail = "mail",
        /// Where one of the operator's own systems is told of what happens.
        Webhook = "webhook",
        /// The whole database.
        Database = "database",
    }
}
