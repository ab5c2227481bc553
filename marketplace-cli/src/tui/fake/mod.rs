//! A marketplace in memory for the tests of the console: small, with the rules that matter to it, and with failures to order.

mod api;
mod data;
mod market;

use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicUsize, Ordering},
    },
};

use marketplace_core::{
    audit::AuditRow,
    base::{
        permission::{Permission, Role, permissions},
        principal::Principal,
    },
    error::{Error, Result},
    events::Event,
    ids::{AttemptId, JobId, MessageId, ReviewId, ThreadId, UserId},
    jobs::model::JobDetail,
    kyc::{
        model::{CLAIM, Claim, KycCase},
        status::KycStatus,
    },
    messaging::model::{StaffMessage, ThreadInfo},
    page::{Page, PageRequest},
    reviews::model::ReviewDetail,
    testing::FixedClock,
    time::{Clock, Timestamp},
    users::model::UserDetail,
};
use tokio::sync::Semaphore;
use uuid::Uuid;

/// What the fake knows.
pub struct State {
    pub users: Vec<UserDetail>,
    pub cases: Vec<KycCase>,
    pub audit: Vec<AuditRow>,
    pub threads: Vec<ThreadInfo>,
    /// Of all threads, each in the order of its numbers.
    pub messages: Vec<StaffMessage>,
    pub jobs: Vec<JobDetail>,
    pub reviews: Vec<ReviewDetail>,
    pub notes: usize,
    pub role: Role,
    /// Every call that changes something, and every look at personal things, in words.
    pub calls: Vec<String>,
    /// Every call answers `unavailable`.
    pub down: bool,
    fail: HashMap<&'static str, VecDeque<Error>>,
    held: HashMap<&'static str, Arc<Semaphore>>,
    events: Vec<Event>,
    fence: i64,
    /// The media type of documents.
    pub document: &'static str,
}

/// A marketplace in memory.
pub struct Fake {
    pub clock: Arc<FixedClock>,
    state: Mutex<State>,
    waiting: AtomicUsize,
}

impl std::fmt::Debug for Fake {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Fake")
    }
}

pub const NAMES: [&str; 12] = [
    "Ada O•••",
    "Tunde B•••",
    "Marta F•••",
    "Karel N•••",
    "Sora A•••",
    "Jon L•••",
    "Inês P•••",
    "Amir K•••",
    "Lena W•••",
    "Yusuf D•••",
    "Zoë M•••",
    "青木 S•••",
];

fn id(kind: u128, number: usize) -> Uuid {
    Uuid::from_u128((0x0192_0000_0000_7000_8000 << 48) | (kind << 32) | number as u128)
}
pub fn user_id(number: usize) -> UserId {
    UserId(id(1, number))
}
pub fn attempt_id(number: usize) -> AttemptId {
    AttemptId(id(2, number))
}

pub fn thread_id(number: usize) -> ThreadId {
    ThreadId(id(4, number))
}
pub fn message_id(number: usize) -> MessageId {
    MessageId(id(5, number))
}
pub fn job_id(number: usize) -> JobId {
    JobId(id(6, number))
}
pub fn review_id(number: usize) -> ReviewId {
    ReviewId(id(7, number))
}

impl Fake {
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
    /// What was changed or looked at since the last time.
    pub fn calls(&self) -> Vec<String> {
        std::mem::take(&mut self.state().calls)
    }
    /// The next call of that name fails so.
    pub fn fail(&self, method: &'static str, error: Error) {
        self.state().fail.entry(method).or_default().push_back(error);
    }
    /// Calls of that name do not answer until let go.
    pub fn hold(&self, method: &'static str) {
        self.state().held.insert(method, Arc::new(Semaphore::new(0)));
    }
    /// One call of that name answers, the one that waits longest.
    pub fn let_one_go(&self, method: &'static str) {
        self.state().held[method].add_permits(1);
    }
    /// All calls of that name answer again.
    pub fn let_go(&self, method: &'static str) {
        if let Some(held) = self.state().held.remove(method) {
            held.add_permits(1_000);
        }
    }
    /// How many calls wait to be let go.
    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::SeqCst)
    }
    /// Something changed that others did.
    pub fn happened(&self, kind: &str, target: &impl ToString) {
        self.happened_to(kind, target, None);
    }
    /// The same, to somebody.
    pub fn happened_to(&self, kind: &str, target: &impl ToString, user_id: Option<UserId>) {
        let mut state = self.state();
        let cursor = (state.events.len() + 1).to_string();
        state.events.push(Event {
            cursor,
            at: self.clock.now(),
            kind: kind.into(),
            target: target.to_string(),
            user_id,
        });
    }
    /// A colleague claims a case.
    pub fn claimed_by_lea(&self, number: usize) {
        let expires_at = self.clock.now() + CLAIM;
        let mut state = self.state();
        let attempt = &mut state.cases[number].attempt;
        attempt.status = KycStatus::InReview;
        let holder = Principal("user:lea".into());
        attempt.claim = Some(Claim { holder, label: "Lea".into(), mine: false, fence: 99, expires_at });
    }

    async fn enter(&self, method: &'static str, needs: Permission, call: Option<String>) -> Result<Timestamp> {
        let held = {
            let mut state = self.state();
            if let Some(call) = call {
                state.calls.push(call);
            }
            state.held.get(method).cloned()
        };
        if let Some(held) = held {
            self.waiting.fetch_add(1, Ordering::SeqCst);
            let permit = held.acquire().await;
            self.waiting.fetch_sub(1, Ordering::SeqCst);
            permit.unwrap().forget();
        }
        let mut state = self.state();
        if state.down {
            return Err(Error::unavailable("the database does not answer", "refused"));
        }
        if let Some(error) = state.fail.get_mut(method).and_then(VecDeque::pop_front) {
            return Err(error);
        }
        if !permissions(state.role).contains(&needs) {
            return Err(Error::forbidden("not allowed"));
        }
        Ok(self.clock.now())
    }
}

impl State {
    fn case(&mut self, id: AttemptId) -> Result<&mut KycCase> {
        self.cases.iter_mut().find(|case| case.attempt.id == id).ok_or_else(|| Error::not_found("attempt"))
    }
    fn user(&mut self, id: UserId) -> Result<&mut UserDetail> {
        self.users.iter_mut().find(|user| user.user.id == id).ok_or_else(|| Error::not_found("user"))
    }
    fn claim(&mut self, id: AttemptId, now: Timestamp) -> Result<KycCase> {
        self.fence += 1;
        let fence = self.fence;
        let case = self.case(id)?;
        if !case.attempt.status.is_open() {
            return Err(Error::conflict(format!("it is {}", case.attempt.status), case.attempt.status));
        }
        let fence = match &case.attempt.claim {
            Some(claim) if claim.mine && claim.expires_at > now => claim.fence,
            Some(claim) if claim.expires_at > now => {
                return Err(Error::conflict(format!("{} is looking at it", claim.label), claim));
            }
            _ => fence,
        };
        let holder = Principal("local:sam@desk".into());
        case.attempt.claim =
            Some(Claim { holder, label: "sam@desk".into(), mine: true, fence, expires_at: now + CLAIM });
        case.attempt.status = KycStatus::InReview;
        Ok(case.clone())
    }
}

/// A page of rows in memory; the cursor is a number of rows.
fn page<T>(rows: Vec<T>, request: &PageRequest) -> Page<T> {
    let from: usize = request.after.as_ref().map_or(0, |after| after.parse().unwrap());
    let limit = usize::from(request.limit);
    let more = rows.len() > from + limit;
    let items = rows.into_iter().skip(from).take(limit).collect();
    Page { items, next: more.then(|| (from + limit).to_string()) }
}

/// The number that an id was made with.
fn number(id: Uuid) -> u128 {
    id.as_u128() & 0xffff
}
