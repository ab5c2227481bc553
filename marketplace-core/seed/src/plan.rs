//! What to create, how far it is, and what was created.

use marketplace_core::base::permission::Role;
use serde::Serialize;

/// The password of every seeded client and worker, and of the staff of a demonstration.
pub const PASSWORD: &str = "open sesame utopia";

/// The plan of what to create.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Accounts; from 50 on the first eight are staff.
    pub users: u64,
    /// The seed; each gives other people. 0 to 999; larger ones are taken modulo 1,000.
    pub seed: u64,
    /// Identity checks; by default a fifth of the users. One in a hundred waits for a decision (at least 50, at most
    /// 2,000 of them).
    pub attempts: Option<u64>,
    /// Which attempts have pictures.
    pub images: Images,
    /// The size of the market.
    pub market: Volume,
    /// Whether to create a small, lifelike demonstration: staff who can log in, notes, claims, and a past in the audit
    /// log; two attempts in five, at most sixty, wait. For throwaway databases only, as the staff's password is known.
    pub demo: bool,
}

impl Default for Plan {
    fn default() -> Self {
        Self { users: 1_000, seed: 1, attempts: None, images: Images::Pool(12), market: Volume::default(), demo: false }
    }
}

impl Plan {
    /// Returns how many identity checks there will be.
    pub(crate) fn attempts(&self) -> u64 {
        self.attempts.unwrap_or(self.users / 5)
    }
}

/// The amounts of everything; those that are not given follow from the number of users.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Volume {
    /// Services; by default 1.3 for every worker who may publish.
    pub services: Option<u64>,
    /// Conversations; by default a twelfth of the messages, or one for six users.
    pub threads: Option<u64>,
    /// Messages, approximately; by default twelve a conversation.
    pub messages: Option<u64>,
}

/// Which attempts have pictures. Each has files of its own, sealed with its own key, as the store demands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Images {
    /// None: a case shows no files.
    None,
    /// Every waiting attempt shows one of this many drawn pairs (at least 4), which show other people; decided attempts
    /// have none, as after an erasure.
    Pool(u32),
    /// Every attempt has pictures of its own, drawn for it: its name, its face, its flaw. About 40 ms of work each.
    Own,
}

/// Returns the plan of a demonstration: a few hundred users of every status and role, about sixty attempts in the queue, a lively market, and a past.
pub fn demo_plan() -> Plan {
    Plan { users: 600, seed: 0, attempts: Some(240), images: Images::Own, market: Volume::default(), demo: true }
}

/// A stage of the creation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Pictures of identity checks.
    Pictures,
    /// Rows of users and their attempts; counts users.
    Users,
    /// Profiles, ratings and favourites.
    Profiles,
    /// Services of workers.
    Services,
    /// Conversations with their jobs and reviews.
    Conversations,
    /// The past, in the audit log.
    History,
}

impl Stage {
    /// Every stage.
    pub const ALL: [Self; 6] =
        [Self::Pictures, Self::Users, Self::Profiles, Self::Services, Self::Conversations, Self::History];

    /// Returns the name of the stage, for a progress bar.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pictures => "pictures",
            Self::Users => "users",
            Self::Profiles => "profiles",
            Self::Services => "services",
            Self::Conversations => "conversations",
            Self::History => "history",
        }
    }
}

/// The progress of a stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// The stage.
    pub stage: Stage,
    /// Items that are done.
    pub done: u64,
    /// Items in all; 0 when that is not known.
    pub total: u64,
}

/// The numbers of what was created.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Accounts.
    pub users: u64,
    /// Identity checks.
    pub attempts: u64,
    /// Those of them that wait for a decision.
    pub open: u64,
    /// Files.
    pub files: u64,
    /// Services.
    pub services: u64,
    /// Conversations.
    pub threads: u64,
    /// Their messages.
    pub messages: u64,
    /// Jobs.
    pub jobs: u64,
    /// Reviews.
    pub reviews: u64,
    /// Accounts to log in with, one of each role where there is one.
    pub logins: Vec<Login>,
}

/// An account to log in with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Login {
    /// Its role.
    pub role: Role,
    /// Its address.
    pub email: String,
    /// Its password.
    pub password: String,
}
