//! Roles, and what each may do. The permission table is here and nowhere else.

use crate::base::text_enum::text_enum;

text_enum! {
    /// What somebody is. Signing up makes clients and workers only; staff are made by staff.
    pub enum Role {
        /// Hires.
        Client = "client",
        /// Is hired.
        Worker = "worker",
        /// Staff: checks identities, views everything, freezes, moderates.
        Support = "support",
        /// Staff: everything.
        Admin = "admin",
        /// Staff: reads everything, changes nothing.
        Auditor = "auditor",
    }
}

text_enum! {
    /// One of the two roles that trade with each other, and that people sign up as.
    pub enum TraderRole {
        /// Hires.
        Client = "client",
        /// Is hired.
        Worker = "worker",
    }
}

impl From<TraderRole> for Role {
    fn from(role: TraderRole) -> Self {
        match role {
            TraderRole::Client => Self::Client,
            TraderRole::Worker => Self::Worker,
        }
    }
}

impl Role {
    /// Returns whether the role is one of staff's.
    pub fn is_staff(self) -> bool {
        matches!(self, Self::Support | Self::Admin | Self::Auditor)
    }
}

text_enum! {
    /// One thing that can be allowed. Each operation asks for exactly one.
    pub enum Permission {
        /// See and change one's own account and sessions.
        OwnAccount = "own_account",
        /// Submit one's own identity documents and see what became of them.
        OwnKyc = "own_kyc",
        /// Hire and be hired: one's own profile, services, threads, jobs and reviews.
        Trade = "trade",
        /// See identity checks and their files (each view of a file is audited).
        KycRead = "kyc:read",
        /// Claim and decide identity checks.
        KycWrite = "kyc:write",
        /// Decide identity checks that were escalated, and give them back.
        KycAdmin = "kyc:admin",
        /// See users, with personal data masked.
        UsersRead = "users:read",
        /// See a user's personal data in full (audited).
        UsersReveal = "users:reveal",
        /// Freeze, unfreeze, write notes, end sessions.
        UsersWrite = "users:write",
        /// Ban, unban, delete, create users, change roles.
        UsersAdmin = "users:admin",
        /// Rotate the keys that sign access tokens.
        KeysWrite = "keys:write",
        /// See the tokens for scripts (never the secrets).
        TokensRead = "tokens:read",
        /// Make and revoke tokens for scripts.
        TokensWrite = "tokens:write",
        /// See jobs and their history.
        JobsRead = "jobs:read",
        /// Cancel and finalize other people's jobs.
        JobsWrite = "jobs:write",
        /// Cancel a job that the worker has completed.
        JobsAdmin = "jobs:admin",
        /// See threads, and with a reason their content (audited).
        ThreadsRead = "threads:read",
        /// Close and reopen threads, post notices, remove messages.
        ThreadsWrite = "threads:write",
        /// See services, drafts and closed ones too.
        ServicesRead = "services:read",
        /// Close services, and take that back.
        ServicesWrite = "services:write",
        /// See reviews, hidden and removed ones too, and their flags.
        ReviewsRead = "reviews:read",
        /// Dismiss flags, remove and restore reviews.
        ReviewsWrite = "reviews:write",
        /// See reports, what was reported and by whom, and what was decided.
        ReportsRead = "reports:read",
        /// Claim and decide reports and appeals; what is done about them needs its own permission too.
        ReportsWrite = "reports:write",
        /// See the webhooks and what was sent there (never the secrets).
        WebhooksRead = "webhooks:read",
        /// Make, change and delete webhooks, and have things sent again.
        WebhooksWrite = "webhooks:write",
        /// Read and verify the audit log.
        AuditRead = "audit:read",
        /// See the dashboard's numbers and the stream of events.
        StatsRead = "stats:read",
    }
}

impl Permission {
    /// Whether a token for scripts can have it: what belongs to a person's own account no token has.
    pub fn is_scope(self) -> bool {
        !matches!(self, Self::OwnAccount | Self::OwnKyc | Self::Trade)
    }
}

/// The permission table: what each role may do. `tests/` hold a golden copy of it, row by row.
pub const fn permissions(role: Role) -> &'static [Permission] {
    use Permission as P;
    match role {
        Role::Client => &[P::OwnAccount, P::Trade],
        Role::Worker => &[P::OwnAccount, P::OwnKyc, P::Trade],
        Role::Auditor => &[
            P::OwnAccount,
            P::KycRead,
            P::UsersRead,
            P::UsersReveal,
            P::TokensRead,
            P::JobsRead,
            P::ThreadsRead,
            P::ServicesRead,
            P::ReviewsRead,
            P::ReportsRead,
            P::WebhooksRead,
            P::AuditRead,
            P::StatsRead,
        ],
        Role::Support => &[
            P::OwnAccount,
            P::KycRead,
            P::KycWrite,
            P::UsersRead,
            P::UsersReveal,
            P::UsersWrite,
            P::TokensRead,
            P::JobsRead,
            P::JobsWrite,
            P::ThreadsRead,
            P::ThreadsWrite,
            P::ServicesRead,
            P::ServicesWrite,
            P::ReviewsRead,
            P::ReviewsWrite,
            P::ReportsRead,
            P::ReportsWrite,
            P::AuditRead,
            P::StatsRead,
        ],
        Role::Admin => &[
            P::OwnAccount,
            P::KycRead,
            P::KycWrite,
            P::KycAdmin,
            P::UsersRead,
            P::UsersReveal,
            P::UsersWrite,
            P::UsersAdmin,
            P::KeysWrite,
            P::TokensRead,
            P::TokensWrite,
            P::JobsRead,
            P::JobsWrite,
            P::JobsAdmin,
            P::ThreadsRead,
            P::ThreadsWrite,
            P::ServicesRead,
            P::ServicesWrite,
            P::ReviewsRead,
            P::ReviewsWrite,
            P::ReportsRead,
            P::ReportsWrite,
            P::WebhooksRead,
            P::WebhooksWrite,
            P::AuditRead,
            P::StatsRead,
        ],
    }
}
