//! Who is in a seeded database, and what became of them: pure, the same for the same plan and day.

use std::time::Duration;

use marketplace_core::{
    accounts::model::Status,
    base::{
        change::RestrictionReason,
        ids::{AttemptId, NoteId, UserId},
        permission::Role,
        principal::Principal,
        time::Timestamp,
    },
    kyc::{
        model::{CLAIM, DocumentType, KycReason, UNDO},
        status::KycStatus,
    },
};
use marketplace_people::{
    flaw::Flaw,
    people::{Person, mix, person},
};
use rand::{RngExt, SeedableRng, rngs::StdRng, seq::IndexedRandom};
use uuid::Builder;

use crate::plan::{Images, Plan};

/// The period over which accounts were created.
const SPAN: Duration = Duration::from_hours(2 * 365 * 24);
/// Staff of a database with at least [`STAFFED`] users: its first users.
const STAFF: [(Role, &str); 8] = [
    (Role::Admin, "admin"),
    (Role::Support, "support"),
    (Role::Auditor, "auditor"),
    (Role::Support, "support2"),
    (Role::Support, "support3"),
    (Role::Admin, "admin2"),
    (Role::Support, "support4"),
    (Role::Auditor, "auditor2"),
];
/// The number of users from which some of them are staff.
const STAFFED: u64 = 50;

/// An account.
#[derive(Debug, Clone)]
pub(crate) struct User {
    pub id: UserId,
    pub index: u64,
    pub person: Person,
    pub email: String,
    pub role: Role,
    pub status: Status,
    pub email_verified: bool,
    pub restriction: Option<Restriction>,
    pub kyc: Standing,
    pub created_at: Timestamp,
    pub notes: Vec<Note>,
    /// What came of their identity checks so far, when their last one is added later: see [`Attempt::later`].
    pub kyc_before: Option<Standing>,
}

/// What came of an account's identity checks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Standing {
    pub status: KycStatus,
    pub prior: KycStatus,
    pub effective_at: Option<Timestamp>,
    pub expires_at: Option<Timestamp>,
}

#[derive(Debug, Clone)]
pub(crate) struct Restriction {
    pub reason: RestrictionReason,
    pub by: usize,
    pub at: Timestamp,
}

#[derive(Debug, Clone)]
pub(crate) struct Note {
    pub id: NoteId,
    pub by: usize,
    pub body: &'static str,
    pub at: Timestamp,
}

/// An identity check. `by` and `claimed_by` are indices into the staff.
#[derive(Debug, Clone)]
pub(crate) struct Attempt {
    pub id: AttemptId,
    pub user: UserId,
    pub person: Person,
    pub number: i64,
    pub document_type: DocumentType,
    pub status: KycStatus,
    pub submitted_at: Timestamp,
    pub flaw: Option<Flaw>,
    pub decided: Option<Decided>,
    pub claimed_by: Option<usize>,
    /// Whether its pictures are drawn when the rest exists. A waiting attempt is added with them.
    pub later: bool,
}

#[derive(Debug, Clone)]
pub(crate) struct Decided {
    pub by: usize,
    pub at: Timestamp,
    pub reasons: Vec<KycReason>,
    pub note: Option<&'static str>,
}

fn note(by: usize, body: &'static str, at: Timestamp, rng: &mut StdRng) -> Note {
    let bytes: [u8; 10] = rng.random();
    Note { id: NoteId(Builder::from_unix_timestamp_millis(at.unix_millis(), &bytes).into_uuid()), by, body, at }
}

fn between(from: Timestamp, to: Timestamp, rng: &mut StdRng) -> Timestamp {
    from + to.since(from).mul_f64(rng.random_range(0.05..0.95))
}

/// A range of the users.
#[derive(Debug, Default)]
pub(crate) struct Chunk {
    pub users: Vec<User>,
    pub attempts: Vec<Attempt>,
}

/// Generates users one after the other.
#[derive(Debug, Clone)]
pub(crate) struct Users {
    plan: Plan,
    now: Timestamp,
    approval: Duration,
    staff: Vec<(UserId, Role, String)>,
    wanted: u64,
    open_wanted: u64,
    made: u64,
    open: u64,
    claimed: usize,
}

impl Users {
    /// Creates the generator; `approval` is how long an approval is valid.
    pub fn new(plan: &Plan, now: Timestamp, approval: Duration) -> Self {
        let wanted = plan.attempts();
        let open_wanted =
            if plan.demo { (wanted * 2 / 5).min(60) } else { (wanted / 100).clamp(wanted.min(50), 2_000) };
        let mut cast = Self {
            plan: plan.clone(),
            now,
            approval,
            staff: Vec::new(),
            wanted,
            open_wanted,
            made: 0,
            open: 0,
            claimed: 0,
        };
        if plan.users >= STAFFED {
            let member = |(index, (role, _)): (u64, (Role, _))| (cast.id(index), role, person(plan.seed, index).name);
            cast.staff = (0..).zip(STAFF).map(member).collect();
        }
        cast
    }

    /// Returns how many users there will be.
    pub fn users(&self) -> u64 {
        self.plan.users
    }

    /// Returns a member of staff, as records name them; the program itself where there is no staff.
    pub fn staff(&self, number: usize) -> Principal {
        self.staff.get(number).map_or_else(Principal::system, |staff| Principal::user(staff.0))
    }

    /// Returns how colleagues see a member of staff.
    pub fn label(&self, number: usize) -> String {
        self.staff.get(number).map_or_else(|| "system".to_owned(), |staff| staff.2.clone())
    }

    /// Returns whether a user can log in with the password that all seeded users share. Staff can only in a
    /// demonstration: elsewhere it would be a vulnerability.
    pub fn has_password(&self, user: &User) -> bool {
        self.plan.demo || !user.role.is_staff()
    }

    /// Draws one of the staff with a role.
    pub fn some_staff(&self, role: Role, rng: &mut StdRng) -> usize {
        let able: Vec<usize> =
            self.staff.iter().enumerate().filter(|(_, staff)| staff.1 == role).map(|(number, _)| number).collect();
        able.choose(rng).copied().unwrap_or(usize::MAX)
    }

    fn rng(&self, purpose: u64, index: u64) -> StdRng {
        StdRng::seed_from_u64(mix(mix(self.plan.seed, purpose), index))
    }

    /// Returns the seed, how many users there will be, and whether this is a demonstration.
    pub fn plan(&self) -> (u64, u64, bool) {
        (self.plan.seed, self.plan.users, self.plan.demo)
    }

    /// Returns how many users have certainly signed up before `at`.
    pub fn signed_up(&self, at: Timestamp) -> u64 {
        let since = at.since(self.now - SPAN - Duration::from_mins(1)).as_micros();
        u64::try_from(since * u128::from(self.plan.users) / SPAN.as_micros()).unwrap_or(u64::MAX)
    }

    /// Returns the time of sign-up, which is later for every next user.
    pub fn created_at(&self, index: u64) -> Timestamp {
        let span = SPAN.as_micros();
        let place = |index: u64| {
            let micros = span * u128::from(index) / u128::from(self.plan.users.max(1));
            Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX))
        };
        let (from, to) = (place(index), place(index + 1));
        // Nobody signed up in the current minute.
        let start = self.now - SPAN - Duration::from_mins(1);
        start + from + to.saturating_sub(from).mul_f64(self.rng(1, index).random_range(0.0..0.99))
    }

    pub fn id(&self, index: u64) -> UserId {
        let bytes: [u8; 10] = self.rng(2, index).random();
        UserId(Builder::from_unix_timestamp_millis(self.created_at(index).unix_millis(), &bytes).into_uuid())
    }

    /// Returns users `from` up to, not including, `to`; chunks must be requested in order.
    pub fn chunk(&mut self, from: u64, to: u64) -> Chunk {
        let mut chunk = Chunk::default();
        for index in from..to.min(self.plan.users) {
            let mut user = self.user(index);
            self.attempts_of(&mut user, &mut chunk.attempts);
            chunk.users.push(user);
        }
        chunk
    }

    fn user(&self, index: u64) -> User {
        let mut rng = self.rng(3, index);
        let person = person(self.plan.seed, index);
        let created_at = self.created_at(index);
        let staff = usize::try_from(index).ok().filter(|number| *number < self.staff.len()).and_then(|n| STAFF.get(n));
        let (role, status, email) = match staff {
            Some((role, name)) if self.plan.demo => (*role, Status::Active, format!("{name}@example.org")),
            Some((role, _)) => (*role, Status::Active, person.email.clone()),
            None => {
                let role = if rng.random_ratio(2, 5) { Role::Worker } else { Role::Client };
                let status = match rng.random_range(0..100) {
                    0..86 => Status::Active,
                    86..92 => Status::Unverified,
                    92..96 => Status::Frozen,
                    96..99 => Status::Banned,
                    _ => Status::Deleted,
                };
                (role, status, person.email.clone())
            }
        };
        let mut user = User {
            id: self.id(index),
            index,
            person,
            email,
            role,
            status,
            email_verified: status != Status::Unverified,
            restriction: None,
            kyc: Standing { status: KycStatus::None, prior: KycStatus::None, effective_at: None, expires_at: None },
            created_at,
            notes: Vec::new(),
            kyc_before: None,
        };
        self.restrict(&mut user, &mut rng);
        user
    }

    fn restrict(&self, user: &mut User, rng: &mut StdRng) {
        use RestrictionReason as R;
        let reasons: &[R] = match user.status {
            Status::Frozen => &[R::PaymentDispute, R::Security, R::Identity, R::Spam, R::UserRequest],
            Status::Banned => &[R::Fraud, R::Spam, R::Abuse, R::Identity, R::Underage, R::Other],
            Status::Deleted => &[R::UserRequest, R::UserRequest, R::Fraud],
            Status::Unverified | Status::Active => return,
        };
        let role = if user.status == Status::Frozen { Role::Support } else { Role::Admin };
        let by = self.some_staff(role, rng);
        let at = between(user.created_at, self.now, rng);
        let reason = reasons.choose(rng).copied().unwrap_or(R::Other);
        user.restriction = Some(Restriction { reason, by, at });
        if user.status != Status::Deleted && self.plan.demo {
            let body = match reason {
                R::Fraud => "Three clients report the same advance payment that never led to any work.",
                R::Spam => "Sends the same link to every new client.",
                R::Abuse => "Threatened a worker after a bad review; messages are with the case.",
                R::Underage => "Says in a message that they are sixteen.",
                R::Identity => "The name on the papers changed between two attempts.",
                R::Security => "Logins from three countries within an hour; the owner asked us to lock it.",
                R::PaymentDispute => "Dispute over a kitchen job, 1,240 EUR. Both sides were asked for the invoice.",
                R::UserRequest => "Wrote to support from the verified address.",
                R::Other => "See the correspondence of this week.",
            };
            user.notes.push(note(by, body, at, rng));
        } else if self.plan.demo && rng.random_ratio(1, 30) {
            let by = self.some_staff(Role::Support, rng);
            let at = between(user.created_at, self.now, rng);
            user.notes.push(note(by, "Called about a double booking; solved on the phone.", at, rng));
        }
    }

    /// Distributes the attempts evenly over those who may have some.
    fn attempts_of(&mut self, user: &mut User, attempts: &mut Vec<Attempt>) {
        let able = user.role == Role::Worker && !matches!(user.status, Status::Unverified | Status::Deleted);
        // Slightly ahead of the users, so that the last of them need not be able to have all remaining ones.
        let pace = u128::from((self.plan.users - self.plan.users / 12).max(1));
        let due = |wanted: u64| {
            let due = u128::from(wanted) * u128::from(user.index + 1) / pace;
            u64::try_from(due).unwrap_or(u64::MAX).min(wanted)
        };
        let behind = due(self.wanted).saturating_sub(self.made);
        let mut rng = self.rng(4, user.index);
        // Occasionally a user is skipped, so that others have several.
        if !able || behind == 0 || (behind < 3 && rng.random_ratio(1, 3)) {
            return;
        }
        let count = behind.min(6);
        let open = user.status == Status::Active && self.open < due(self.open_wanted);
        let mut end = user.created_at;
        for number in 1..=count {
            let last = number == count;
            user.kyc_before = (last && open && self.draws_later()).then_some(user.kyc);
            let attempt = self.attempt(user, (number, last, last && open), end, &mut rng);
            end = attempt.decided.as_ref().map_or(attempt.submitted_at, |decided| decided.at);
            attempts.push(attempt);
        }
        self.made += count;
        self.open += u64::from(open);
    }

    /// Nobody waits for the pictures of a demonstration.
    fn draws_later(&self) -> bool {
        self.plan.demo && self.plan.images == Images::Own
    }

    fn attempt(
        &mut self,
        user: &mut User,
        (number, last, open): (u64, bool, bool),
        after: Timestamp,
        rng: &mut StdRng,
    ) -> Attempt {
        // Within hours for an eager reviewer, within days for a slow worker; never after now.
        let room = self.now.since(after);
        let submitted_at = if open {
            let recent = self.now - Duration::from_secs(rng.random_range(180..150_000));
            if recent > after { recent } else { after + room / 2 }
        } else {
            after + room.min(Duration::from_hours(rng.random_range(1..120))) / 3
        };
        let decided_at =
            submitted_at + self.now.since(submitted_at).min(Duration::from_mins(rng.random_range(12..1_500))) / 2;
        // A small database should show every outcome.
        let luck = rng.random_range(0..100) + if self.plan.demo && last { 18 } else { 0 };
        let status = match luck {
            _ if open => KycStatus::Pending,
            // An attempt that is not the last led to another one.
            0..95 if !last => KycStatus::Retry,
            _ if !last => KycStatus::Revoked,
            0..72 => KycStatus::Approved,
            72..82 => KycStatus::Retry,
            82..93 => KycStatus::Rejected,
            93..98 => KycStatus::Revoked,
            _ => KycStatus::Expired,
        };
        let effective_at = decided_at + UNDO;
        let expires_at = effective_at + self.approval;
        let status = if status == KycStatus::Approved && expires_at <= self.now { KycStatus::Expired } else { status };
        let flawed = match status {
            KycStatus::Pending => rng.random_ratio(2, 5),
            KycStatus::Approved | KycStatus::Expired => false,
            _ => true,
        };
        let flaw = flawed.then(|| match status {
            KycStatus::Retry => {
                [Flaw::Blurred, Flaw::Dark, Flaw::CutOff, Flaw::Glare, Flaw::Expired].choose(rng).copied()
            }
            KycStatus::Rejected => {
                [Flaw::OtherFace, Flaw::OtherPerson, Flaw::Altered, Flaw::Minor].choose(rng).copied()
            }
            KycStatus::Revoked => Some(Flaw::Altered),
            _ => Flaw::ALL.choose(rng).copied(),
        });
        let flaw = flaw.flatten();
        let decided = (!open).then(|| Decided {
            by: self.some_staff(Role::Support, rng),
            at: decided_at,
            reasons: flaw.map(Flaw::reason).into_iter().collect(),
            note: match flaw {
                Some(Flaw::Altered) => Some("The second line of the code has another date of birth."),
                Some(Flaw::OtherFace) => Some("Ears and eyes differ; compared with the earlier selfie."),
                _ => None,
            },
        });
        let (effective_at, expires_at) = match status {
            KycStatus::Pending | KycStatus::Expired => (None, None),
            KycStatus::Approved => (Some(effective_at), Some(expires_at)),
            _ => (Some(effective_at), None),
        };
        let prior = if status == KycStatus::Expired { status } else { KycStatus::Pending };
        user.kyc = Standing { status, prior, effective_at, expires_at };
        let claimed_by = (open && self.plan.demo && rng.random_ratio(1, 8) && self.claimed < 6).then(|| {
            self.claimed += 1;
            self.some_staff(Role::Support, rng)
        });
        let bytes: [u8; 10] = rng.random();
        Attempt {
            id: AttemptId(Builder::from_unix_timestamp_millis(submitted_at.unix_millis(), &bytes).into_uuid()),
            user: user.id,
            person: user.person.clone(),
            number: i64::try_from(number).unwrap_or(i64::MAX),
            document_type: match rng.random_range(0..100) {
                0..40 => DocumentType::Passport,
                40..75 => DocumentType::NationalId,
                75..90 => DocumentType::DrivingLicence,
                _ => DocumentType::ResidencePermit,
            },
            status,
            submitted_at,
            flaw,
            later: self.draws_later(),
            decided,
            claimed_by,
        }
    }
}

impl Attempt {
    /// Returns when a claim made now expires.
    pub fn claim_expires_at(&self, now: Timestamp) -> Option<Timestamp> {
        self.claimed_by.map(|_| now + CLAIM)
    }
}
