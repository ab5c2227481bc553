//! Who can take part in the market: a few bytes for each, gathered while the accounts are made.

use marketplace_core::{
    accounts::model::Status,
    base::{permission::Role, time::Timestamp},
    kyc::status::KycStatus,
};

use crate::users::User;

/// A worker who is approved, or waits for approval.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Worker {
    /// Index among the users of the seed.
    pub index: u64,
    /// When they could begin to publish; when they signed up, for those who wait.
    pub from: Timestamp,
    pub ends: Ends,
    /// Whether they may publish.
    pub approved: bool,
}

/// A client.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Client {
    pub index: u64,
    pub ends: Ends,
}

/// When a user's participation ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ends {
    Never,
    /// Frozen: no new work from then on.
    Frozen(Timestamp),
    /// Banned: nothing at all from then on.
    Banned(Timestamp),
}

impl Ends {
    fn of(user: &User) -> Option<Self> {
        let at = user.restriction.as_ref().map(|restriction| restriction.at);
        match (user.status, at) {
            (Status::Active, _) => Some(Self::Never),
            (Status::Frozen, Some(at)) => Some(Self::Frozen(at)),
            (Status::Banned, Some(at)) => Some(Self::Banned(at)),
            _ => None,
        }
    }
    /// Returns the time from which nothing new can begin.
    pub fn new_work(self) -> Timestamp {
        match self {
            Self::Never => Timestamp::MAX,
            Self::Frozen(at) | Self::Banned(at) => at,
        }
    }
    /// Returns the time of a ban.
    pub fn ban(self) -> Option<Timestamp> {
        match self {
            Self::Banned(at) => Some(at),
            Self::Never | Self::Frozen(_) => None,
        }
    }
}

/// All participants, in the order of their accounts.
#[derive(Debug, Clone, Default)]
pub(crate) struct Participants {
    pub workers: Vec<Worker>,
    /// Active clients: indices only, because there are many.
    pub clients: Vec<u32>,
    pub restricted: Vec<Client>,
}

impl Participants {
    pub fn add(&mut self, users: &[User], now: Timestamp) {
        for user in users {
            let Some(ends) = Ends::of(user) else { continue };
            match user.role {
                Role::Client if ends == Ends::Never => self.clients.extend(u32::try_from(user.index)),
                Role::Client => self.restricted.push(Client { index: user.index, ends }),
                Role::Worker => {
                    let approved = match (user.kyc.status, user.kyc.effective_at) {
                        (KycStatus::Approved, Some(at)) if at <= now => Some((at, true)),
                        (KycStatus::Pending, _) if ends == Ends::Never => Some((user.created_at, false)),
                        _ => None,
                    };
                    if let Some((from, approved)) = approved.filter(|(from, _)| ends.new_work() > *from) {
                        self.workers.push(Worker { index: user.index, from, ends, approved });
                    }
                }
                _ => {}
            }
        }
    }
}
