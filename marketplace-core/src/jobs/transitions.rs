//! The table of a job's transitions: who may do what, in which state. The guards, the texts in the API's description
//! and the exhaustive test are all derived from [`TRANSITIONS`]. No SQL, no I/O.

use std::time::Duration;

use super::model::{HistoryRow, JobAction, JobReason, JobStatus, Side};
use crate::{
    accounts::model::Status,
    base::{permission::Permission, time::Timestamp},
};

/// Time after which a negotiation without a new offer ends.
pub const OFFER_VALID: Duration = Duration::from_hours(6 * 24);
/// Time after the work was done at which a client who has not responded is considered satisfied.
pub const CONTENT_AFTER: Duration = Duration::from_hours(14 * 24);
/// Maximum number of times that a client can ask for changes.
pub const MAX_CHANGE_REQUESTS: i64 = 3;

/// One row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transition {
    /// The action.
    pub action: JobAction,
    /// State in which the action is possible; `None` for the action that begins a job.
    pub from: Option<JobStatus>,
    /// State after the action.
    pub to: JobStatus,
    /// Sides that may do it; staff need a permission instead.
    pub by: &'static [Side],
    /// Permission that staff need to do it; `None` when staff cannot.
    pub staff: Option<Permission>,
    /// Statuses that the account of the acting side may have.
    pub accounts: &'static [Status],
    /// Further conditions.
    pub needs: &'static [Need],
    /// The rule, as text for people.
    pub rule: &'static str,
}

/// A further condition of a transition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// The caller names the latest offer's number, which shows that they know the offer that they respond to.
    LatestRevision,
    /// The latest offer is the other side's.
    OthersOffer,
    /// A reason is given, as a code.
    Reason,
    /// The client has asked for changes fewer than [`MAX_CHANGE_REQUESTS`] times.
    ChangesLeft,
    /// The other side's account can still do its part.
    OtherSideWorks,
}

const NEW_WORK: &[Status] = &[Status::Active];
/// A frozen account may finish the work that is under way.
const UNDER_WAY: &[Status] = &[Status::Active, Status::Frozen];

/// Every transition that exists. All others are refused.
pub static TRANSITIONS: &[Transition] = {
    use JobStatus as S;
    use Side::{Client, System, Worker};
    &[
        Transition {
            action: JobAction::Create,
            from: None,
            to: S::Negotiating,
            by: &[Client],
            staff: None,
            accounts: NEW_WORK,
            needs: &[],
            rule: "The client of the thread begins a job, with offer revision 1. The service must be published, the worker \
                   active and approved, the client active, and no other job of the thread live.",
        },
        Transition {
            action: JobAction::Offer,
            from: Some(S::Negotiating),
            to: S::Negotiating,
            by: &[Client, Worker],
            staff: None,
            accounts: UNDER_WAY,
            needs: &[Need::LatestRevision],
            rule: "Either side makes another offer (price, schedule, scope) while they negotiate. It names the revision \
                   that it answers; a stale one is a conflict.",
        },
        Transition {
            action: JobAction::Accept,
            from: Some(S::Negotiating),
            to: S::Accepted,
            by: &[Client, Worker],
            staff: None,
            accounts: UNDER_WAY,
            needs: &[Need::LatestRevision, Need::OthersOffer],
            rule: "Whoever did not make the latest offer agrees to it, and names its revision; a stale one is a conflict.",
        },
        Transition {
            action: JobAction::Reject,
            from: Some(S::Negotiating),
            to: S::Rejected,
            by: &[Worker],
            staff: None,
            accounts: UNDER_WAY,
            needs: &[Need::Reason],
            rule: "The worker declines while they negotiate, with a reason. It closes the thread.",
        },
        Transition {
            action: JobAction::Cancel,
            from: Some(S::Negotiating),
            to: S::Cancelled,
            by: &[Client, System],
            staff: Some(Permission::JobsWrite),
            accounts: UNDER_WAY,
            needs: &[Need::Reason],
            rule: "The client or staff call a negotiation off, with a reason; the system does after 6 days without a new \
                   revision, and when one of the two is banned.",
        },
        Transition {
            action: JobAction::Complete,
            from: Some(S::Accepted),
            to: S::Completed,
            by: &[Worker],
            staff: None,
            accounts: UNDER_WAY,
            needs: &[],
            rule: "The worker says that the accepted work is done.",
        },
        Transition {
            action: JobAction::Cancel,
            from: Some(S::Accepted),
            to: S::Cancelled,
            by: &[Client, Worker, System],
            staff: Some(Permission::JobsWrite),
            accounts: UNDER_WAY,
            needs: &[Need::Reason],
            rule: "Either side or staff call an accepted job off, with a reason; the system does when one of the two is \
                   banned. Who cancelled is on record.",
        },
        Transition {
            action: JobAction::RequestChanges,
            from: Some(S::Completed),
            to: S::Accepted,
            by: &[Client],
            staff: None,
            accounts: UNDER_WAY,
            needs: &[Need::ChangesLeft, Need::OtherSideWorks],
            rule: "The client asks for changes to completed work, at most 3 times, of a worker who is not banned.",
        },
        Transition {
            action: JobAction::Finalize,
            from: Some(S::Completed),
            to: S::Finalized,
            by: &[Client, System],
            staff: Some(Permission::JobsWrite),
            accounts: UNDER_WAY,
            needs: &[],
            rule: "The client or staff say that completed work is as agreed; the system does after 14 days.",
        },
        Transition {
            action: JobAction::Cancel,
            from: Some(S::Completed),
            to: S::Cancelled,
            by: &[],
            staff: Some(Permission::JobsAdmin),
            accounts: &[],
            needs: &[Need::Reason],
            rule: "An admin calls a completed job off, with a reason.",
        },
    ]
};

/// The facts about a job that the rules depend on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facts {
    /// The current state; `None` before the job begins.
    pub status: Option<JobStatus>,
    /// The latest offer's number.
    pub revision: i64,
    /// The side that made the latest offer.
    pub offered_by: Side,
    /// How often the client has asked for changes.
    pub change_requests: i64,
}

/// Who requests an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caller {
    /// One of the two parties, with the statuses of their own account and of the other's.
    Party {
        /// `client` or `worker`.
        side: Side,
        /// Status of the caller's account.
        own: Status,
        /// Status of the other party's account.
        other: Status,
    },
    /// Staff, with those of the permissions of [`Transition::staff`] that they have.
    Staff {
        /// Whether they have `jobs:write`.
        write: bool,
        /// Whether they have `jobs:admin`.
        admin: bool,
    },
    /// The program itself.
    System,
}

impl Caller {
    /// Returns the side on which the caller acts.
    pub fn side(self) -> Side {
        match self {
            Self::Party { side, .. } => side,
            Self::Staff { .. } => Side::Staff,
            Self::System => Side::System,
        }
    }

    fn is_named_in(self, row: &Transition) -> bool {
        match self {
            Self::Party { side, .. } => row.by.contains(&side),
            Self::Staff { .. } => row.staff.is_some(),
            Self::System => row.by.contains(&Side::System),
        }
    }

    fn is_allowed(self, row: &Transition) -> bool {
        match self {
            Self::Party { own, .. } => row.accounts.contains(&own),
            Self::Staff { write, admin } => match row.staff {
                Some(Permission::JobsAdmin) => admin,
                Some(_) => write,
                None => false,
            },
            Self::System => true,
        }
    }
}

/// A requested action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked {
    /// The action.
    pub action: JobAction,
    /// Number of the offer that the caller responds to.
    pub revision: Option<i64>,
    /// The reason.
    pub reason: Option<JobReason>,
}

/// Why an action is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The action is never possible for this side.
    Side(&'static Transition),
    /// The action is not possible with this account's status, or with these permissions.
    Standing(&'static Transition),
    /// The action is not possible in this state, or not for this side in this state.
    State,
    /// The offer that the caller responds to is not the latest.
    StaleRevision,
    /// The latest offer is the caller's own.
    OwnOffer,
    /// The client has already asked for changes [`MAX_CHANGE_REQUESTS`] times.
    NoChangesLeft,
    /// The other side's account can no longer do its part.
    OtherSideGone,
    /// A reason is missing.
    NoReason,
}

/// Returns the transition that a request leads to.
///
/// # Errors
/// Returns the reason why the request is refused.
pub fn decide(facts: &Facts, asker: Caller, wish: &Asked) -> Result<&'static Transition, Refusal> {
    let rows = || TRANSITIONS.iter().filter(|row| row.action == wish.action);
    let Some(row) = rows().find(|row| row.from == facts.status && asker.is_named_in(row)) else {
        return Err(match rows().next() {
            Some(first) if !rows().any(|row| asker.is_named_in(row)) => Refusal::Side(first),
            _ => Refusal::State,
        });
    };
    if !asker.is_allowed(row) {
        return Err(Refusal::Standing(row));
    }
    for need in row.needs {
        match need {
            Need::LatestRevision if wish.revision != Some(facts.revision) => return Err(Refusal::StaleRevision),
            Need::OthersOffer if facts.offered_by == asker.side() => return Err(Refusal::OwnOffer),
            Need::Reason if wish.reason.is_none() => return Err(Refusal::NoReason),
            Need::ChangesLeft if facts.change_requests >= MAX_CHANGE_REQUESTS => return Err(Refusal::NoChangesLeft),
            Need::OtherSideWorks if matches!(asker, Caller::Party { other: Status::Banned | Status::Deleted, .. }) => {
                return Err(Refusal::OtherSideGone);
            }
            _ => {}
        }
    }
    Ok(row)
}

/// Returns the actions that the caller could do now, in the order of the table.
pub fn possible(facts: &Facts, asker: Caller) -> Vec<JobAction> {
    let mut actions = Vec::new();
    for action in JobAction::ALL {
        let wish = Asked { action: *action, revision: Some(facts.revision), reason: Some(JobReason::Other) };
        if decide(facts, asker, &wish).is_ok() {
            actions.push(*action);
        }
    }
    actions
}

/// Returns when the system acts on a job that reached `status`, or got its latest offer, at `since`.
pub fn due(status: JobStatus, since: Timestamp) -> Option<Timestamp> {
    match status {
        JobStatus::Negotiating => Some(since + OFFER_VALID),
        JobStatus::Completed => Some(since + CONTENT_AFTER),
        _ => None,
    }
}

/// Returns the action that the system performs on a job that is due in `status`.
pub fn when_due(status: JobStatus) -> Option<Asked> {
    match status {
        JobStatus::Negotiating => {
            Some(Asked { action: JobAction::Cancel, revision: None, reason: Some(JobReason::Expired) })
        }
        JobStatus::Completed => Some(Asked { action: JobAction::Finalize, revision: None, reason: None }),
        _ => None,
    }
}

/// Returns the rules of an action as text for people: one line for each row of the table.
pub fn rules(action: JobAction) -> String {
    let rows = TRANSITIONS.iter().filter(|row| row.action == action);
    rows.map(Transition::text).collect::<Vec<_>>().join("\n")
}

impl Transition {
    /// Returns the row as a line of text: `negotiating → accepted (client, worker): …`.
    pub fn text(&self) -> String {
        let from = self.from.map_or("–", JobStatus::as_str);
        let mut by: Vec<String> = self.by.iter().map(ToString::to_string).collect();
        if let Some(permission) = self.staff {
            by.push(format!("staff with {permission}"));
        }
        format!("- {from} → {} ({}): {}", self.to, by.join(", "), self.rule)
    }
}

/// The state that a history leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Folded {
    /// State of the job.
    pub status: JobStatus,
    /// The latest offer's number.
    pub revision: i64,
    /// The side that made the latest offer.
    pub offered_by: Side,
    /// How often the client asked for changes.
    pub change_requests: i64,
    /// Number of the newest entry.
    pub entry: i64,
    /// The job's version.
    pub version: i64,
    /// When the system acts on the job.
    pub due_at: Option<Timestamp>,
    /// When the job was finalized.
    pub finalized_at: Option<Timestamp>,
}

/// Folds a whole history, oldest first, and checks each entry against the table. Returns `None` when it is not a valid
/// history of a job.
pub fn fold(history: &[HistoryRow]) -> Option<Folded> {
    let mut state: Option<Folded> = None;
    for row in history {
        let known = TRANSITIONS.iter().any(|known| {
            let by = known.by.contains(&row.side) || (row.side == Side::Staff && known.staff.is_some());
            known.action == row.action && known.from == row.from && known.to == row.to && by
        });
        let before = state;
        let offers = matches!(row.action, JobAction::Create | JobAction::Offer);
        let expected = before.map_or(0, |before| before.revision) + i64::from(offers);
        let follows = before.map(|before| before.status) == row.from
            && row.entry == before.map_or(0, |before| before.entry) + 1
            && row.version == before.map_or(0, |before| before.version) + 1
            && row.revision == expected;
        if !known || !follows {
            return None;
        }
        state = Some(Folded {
            status: row.to,
            revision: row.revision,
            offered_by: if offers { row.side } else { before?.offered_by },
            change_requests: before.map_or(0, |before| before.change_requests)
                + i64::from(row.action == JobAction::RequestChanges),
            entry: row.entry,
            version: row.version,
            due_at: due(row.to, row.at),
            finalized_at: (row.to == JobStatus::Finalized).then_some(row.at),
        });
    }
    state
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Repeats `DOMAIN.md`, "Jobs", so that a change of the table fails here.
    #[test]
    fn the_table_is_the_agreed_one() {
        let line = |row: &Transition| {
            let by: Vec<&str> = row.by.iter().map(|side| side.as_str()).collect();
            let staff = row.staff.map_or(String::new(), |permission| format!(" +{permission}"));
            let from = row.from.map_or("–", JobStatus::as_str);
            format!("{from} {} {}: {}{staff}", row.action, row.to, by.join(" "))
        };
        let lines: Vec<String> = TRANSITIONS.iter().map(line).collect();
        assert_eq!(
            lines,
            [
                "– create negotiating: client",
                "negotiating offer negotiating: client worker",
                "negotiating accept accepted: client worker",
                "negotiating reject rejected: worker",
                "negotiating cancel cancelled: client system +jobs:write",
                "accepted complete completed: worker",
                "accepted cancel cancelled: client worker system +jobs:write",
                "completed request_changes accepted: client",
                "completed finalize finalized: client system +jobs:write",
                "completed cancel cancelled:  +jobs:admin",
            ]
        );
    }

    #[test]
    fn nothing_leaves_a_final_state_and_every_state_is_reached() {
        for status in JobStatus::ALL {
            assert_eq!(TRANSITIONS.iter().any(|row| row.from == Some(*status)), status.is_live(), "{status}");
            assert!(TRANSITIONS.iter().any(|row| row.to == *status), "{status}");
        }
    }

    #[test]
    fn one_row_for_each_state_and_action() {
        for (at, row) in TRANSITIONS.iter().enumerate() {
            assert!(!TRANSITIONS[..at].iter().any(|other| (other.action, other.from) == (row.action, row.from)));
            assert!(rules(row.action).contains(row.rule));
        }
    }

    #[test]
    fn what_the_system_does_in_time_is_in_the_table() {
        for status in JobStatus::ALL {
            let facts = Facts { status: Some(*status), revision: 1, offered_by: Side::Client, change_requests: 0 };
            assert_eq!(due(*status, Timestamp::EPOCH).is_some(), when_due(*status).is_some());
            if let Some(asked) = when_due(*status) {
                assert!(decide(&facts, Caller::System, &asked).is_ok());
            }
        }
    }

    #[test]
    fn a_refusal_says_why() {
        let facts =
            Facts { status: Some(JobStatus::Negotiating), revision: 2, offered_by: Side::Worker, change_requests: 0 };
        let party = |side, own| Caller::Party { side, own, other: Status::Active };
        let asked = |action, revision, reason| Asked { action, revision, reason };
        let why = |asker, asked: Asked| decide(&facts, asker, &asked).unwrap_err();
        let client = party(Side::Client, Status::Active);
        let worker = party(Side::Worker, Status::Active);
        assert_eq!(why(client, asked(JobAction::Accept, Some(1), None)), Refusal::StaleRevision);
        assert_eq!(why(worker, asked(JobAction::Accept, Some(2), None)), Refusal::OwnOffer);
        assert_eq!(why(client, asked(JobAction::Complete, None, None)), Refusal::Side(&TRANSITIONS[5]));
        assert_eq!(why(worker, asked(JobAction::Cancel, None, Some(JobReason::Price))), Refusal::State);
        assert_eq!(why(client, asked(JobAction::Cancel, None, None)), Refusal::NoReason);
        assert_eq!(
            why(party(Side::Client, Status::Banned), asked(JobAction::Accept, Some(2), None)),
            Refusal::Standing(&TRANSITIONS[2])
        );
        assert!(decide(&facts, client, &asked(JobAction::Accept, Some(2), None)).is_ok());
    }
}
