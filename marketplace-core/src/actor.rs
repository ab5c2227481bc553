//! Who is asking, and what they may do. The permission table is here and nowhere else.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::{
    accounts::model::{Account, Status},
    error::{Error, Result},
    ids::{SessionId, UserId},
    text_enum,
};

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

impl Role {
    /// Whether this role works for the marketplace.
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
        /// See reviews, hidden and removed ones too, and their flags.
        ReviewsRead = "reviews:read",
        /// Dismiss flags, remove and restore reviews.
        ReviewsWrite = "reviews:write",
        /// Read and verify the audit log.
        AuditRead = "audit:read",
        /// See the dashboard's numbers and the stream of events.
        StatsRead = "stats:read",
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
            P::JobsRead,
            P::ThreadsRead,
            P::ReviewsRead,
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
            P::JobsRead,
            P::JobsWrite,
            P::ThreadsRead,
            P::ThreadsWrite,
            P::ReviewsRead,
            P::ReviewsWrite,
            P::AuditRead,
            P::StatsRead,
        ],
        Role::Admin => &[
            P::OwnAccount,
            P::KycRead,
            P::KycWrite,
            P::UsersRead,
            P::UsersReveal,
            P::UsersWrite,
            P::UsersAdmin,
            P::KeysWrite,
            P::JobsRead,
            P::JobsWrite,
            P::JobsAdmin,
            P::ThreadsRead,
            P::ThreadsWrite,
            P::ReviewsRead,
            P::ReviewsWrite,
            P::AuditRead,
            P::StatsRead,
        ],
    }
}

/// The caller of an operation.
#[derive(Debug, Clone)]
pub enum Actor {
    /// Somebody with a valid access token, as their account stood when the token was checked for this call.
    User(Arc<SignedIn>),
    /// Somebody with the database at hand: the command line over `--db`. Acts as an admin.
    Operator(Operator),
    /// The program itself: timers.
    System,
}

/// A checked access token and the account behind it, read together.
#[derive(Debug, Clone)]
pub struct SignedIn {
    /// The account.
    pub account: Account,
    /// The session that the token belongs to.
    pub session: SessionId,
}

/// A person at the machine that holds the database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operator {
    /// Operating system user.
    pub os_user: String,
    /// Host name.
    pub host: String,
}

/// Who did something, in records: `user:<id>`, `local:<os user>@<host>` or `system`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, sqlx::Type)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(transparent)]
#[sqlx(transparent)]
pub struct Principal(pub String);

impl Principal {
    /// The program itself.
    pub fn system() -> Self {
        Self("system".into())
    }
    /// The principal of an account.
    pub fn user(id: UserId) -> Self {
        Self(format!("user:{id}"))
    }
    /// The account, if it is one.
    pub fn user_id(&self) -> Option<UserId> {
        self.0.strip_prefix("user:")?.parse().ok()
    }
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl Actor {
    /// How records name this actor.
    pub fn principal(&self) -> Principal {
        match self {
            Self::User(user) => Principal::user(user.account.id),
            Self::Operator(operator) => Principal(format!("local:{}@{}", operator.os_user, operator.host)),
            Self::System => Principal::system(),
        }
    }

    /// A short name for colleagues to see (on a claim, say).
    pub fn label(&self) -> String {
        match self {
            Self::User(user) => user.account.name.clone(),
            Self::Operator(operator) => operator.os_user.clone(),
            Self::System => "system".into(),
        }
    }

    /// The account, when the actor has one.
    pub fn user_id(&self) -> Option<UserId> {
        match self {
            Self::User(user) => Some(user.account.id),
            Self::Operator(_) | Self::System => None,
        }
    }

    /// The role whose permissions apply.
    pub fn role(&self) -> Role {
        match self {
            Self::User(user) => user.account.role,
            Self::Operator(_) | Self::System => Role::Admin,
        }
    }

    /// Whether the table and the account's status allow `permission`.
    ///
    /// Staff who are not `active` have lost their powers, though a frozen one may still see their own account.
    pub fn may(&self, permission: Permission) -> bool {
        let status_allows = match self {
            Self::User(user) => match permission {
                Permission::OwnAccount => {
                    matches!(user.account.status, Status::Unverified | Status::Active | Status::Frozen)
                }
                // What a frozen account may still do of it, each operation says.
                Permission::OwnKyc | Permission::Trade => {
                    matches!(user.account.status, Status::Active | Status::Frozen)
                }
                _ => user.account.status == Status::Active,
            },
            // The operator and the system have no account of their own.
            Self::Operator(_) | Self::System => {
                !matches!(permission, Permission::OwnAccount | Permission::OwnKyc | Permission::Trade)
            }
        };
        status_allows && permissions(self.role()).contains(&permission)
    }

    /// `Ok` when allowed, `forbidden` with the missing permission when not.
    pub fn require(&self, permission: Permission) -> Result<()> {
        if self.may(permission) {
            Ok(())
        } else {
            Err(Error::forbidden(format!(
                "this needs the permission {permission}, which the role {} with this account's status does not give",
                self.role()
            )))
        }
    }

    /// The account of the caller, for operations on one's own things.
    pub fn require_own(&self, permission: Permission) -> Result<&SignedIn> {
        self.require(permission)?;
        match self {
            Self::User(user) => Ok(user),
            Self::Operator(_) | Self::System => {
                Err(Error::forbidden("this is for accounts; the local operator has none"))
            }
        }
    }

    /// The account of the caller, when it may begin new work: list services, open threads, offer jobs. Only an active
    /// one may; a frozen one finishes what it has.
    pub fn require_new_work(&self) -> Result<&SignedIn> {
        let me = self.require_own(Permission::Trade)?;
        if me.account.status == Status::Active {
            Ok(me)
        } else {
            Err(Error::forbidden("this account is frozen: it can finish what is under way, and begin nothing new"))
        }
    }

    /// Refuses somebody acting on their own account.
    pub fn require_other(&self, subject: UserId) -> Result<()> {
        if self.user_id() == Some(subject) {
            Err(Error::forbidden("nobody decides about their own account; ask a colleague"))
        } else {
            Ok(())
        }
    }
}
