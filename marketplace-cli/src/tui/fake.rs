//! A marketplace in memory for the tests of the console: small, with the rules that matter to it, and with failures to order.

use std::{
    collections::{HashMap, VecDeque},
    fmt::Write as _,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use marketplace_core::{
    accounts::model::{NewUser, Note, RestrictionReason, Status, UserAction},
    actor::{Permission, Principal, Role, permissions},
    admin::{
        AdminApi, AuditFilter, AuditRow, AuditVerification, Change, Changed, Count, EventPage, Identity, KycFilter,
        PersonalData, Restriction, Stats, StatusCount, UserDetail, UserFilter, UserSummary,
    },
    error::{Error, Result},
    events::Event,
    ids::{AttemptId, NoteId, UserId},
    kyc::model::{
        AttemptBrief, CLAIM, Claim, Decision, DecisionKind, DecisionMade, DocumentType, FileContent, FileInfo,
        FileKind, KycCase, KycReason, KycStatus, KycSummary, UNDO,
    },
    page::{Page, PageRequest},
    testing::FixedClock,
    time::{Clock, Timestamp},
};
use tokio::sync::Semaphore;
use uuid::Uuid;

/// What the fake knows.
pub struct State {
    pub users: Vec<UserDetail>,
    pub cases: Vec<KycCase>,
    pub audit: Vec<AuditRow>,
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

impl Fake {
    #[expect(clippy::too_many_lines, reason = "made-up data, top to bottom")]
    pub fn new(users: usize, cases: usize) -> Arc<Self> {
        let clock = Arc::new(FixedClock::new());
        let now = clock.now();
        let ago = |minutes: usize| now - Duration::from_secs(minutes as u64 * 60);
        let statuses =
            [Status::Active, Status::Active, Status::Frozen, Status::Unverified, Status::Banned, Status::Active];
        let users: Vec<UserDetail> = (0..users)
            .map(|at| {
                let user = UserSummary {
                    id: user_id(at),
                    role: if at % 5 == 4 { Role::Client } else { Role::Worker },
                    status: statuses[at % statuses.len()],
                    name: NAMES[at % NAMES.len()].into(),
                    email: "a••@•••.org".into(),
                    email_verified: at % 6 != 3,
                    phone: (at.is_multiple_of(2)).then(|| "+44•••50".into()),
                    kyc_status: if at < cases { KycStatus::Pending } else { KycStatus::None },
                    created_at: ago(60 + at * 700),
                    version: 3,
                };
                let restriction = matches!(user.status, Status::Frozen | Status::Banned).then(|| Restriction {
                    reason: RestrictionReason::Spam,
                    by: Principal("local:lea@desk".into()),
                    at: ago(90),
                });
                UserDetail {
                    user,
                    restriction,
                    sessions: 2,
                    last_seen_at: Some(ago(at + 1)),
                    kyc: vec![],
                    notes: vec![],
                }
            })
            .collect();
        let documents = DocumentType::ALL;
        let cases = (0..cases)
            .map(|at| {
                let user = users[at].user.clone();
                let submitted_at = ago(200 - at.min(190));
                let second = at.is_multiple_of(4);
                let earlier = AttemptBrief {
                    id: attempt_id(1_000 + at),
                    number: 1,
                    document_type: DocumentType::Passport,
                    status: KycStatus::Retry,
                    submitted_at: ago(3_000),
                    decision: Some(DecisionMade {
                        status: KycStatus::Retry,
                        reasons: vec![KycReason::DocumentUnreadable],
                        comment: Some("edge cut off".into()),
                        note: None,
                        by: Principal("local:lea@desk".into()),
                        at: ago(2_900),
                        undo_until: ago(2_899),
                    }),
                };
                let file = |kind| FileInfo {
                    kind,
                    media_type: "image/png".into(),
                    size: 20_000,
                    width: Some(160),
                    height: Some(100),
                };
                KycCase {
                    attempt: KycSummary {
                        id: attempt_id(at),
                        user_id: user.id,
                        name: user.name.clone(),
                        number: if second { 2 } else { 1 },
                        document_type: documents[at % documents.len()],
                        status: KycStatus::Pending,
                        submitted_at,
                        decided_at: None,
                        claim: None,
                        version: 1,
                    },
                    files: vec![file(FileKind::Document), file(FileKind::Selfie)],
                    decision: None,
                    others: if second { vec![earlier] } else { vec![] },
                    user,
                }
            })
            .collect();
        let actions = ["kyc.approve", "users.freeze", "kyc.file", "users.reveal", "kyc.reject", "users.note"];
        let audit = (1..=40)
            .map(|seq: usize| AuditRow {
                seq: i64::try_from(seq).unwrap(),
                at: ago(400 - seq * 9),
                actor: if seq.is_multiple_of(3) {
                    Principal("local:sam@desk".into())
                } else {
                    Principal::user(user_id(7))
                },
                action: actions[seq % actions.len()].into(),
                target_kind: if seq.is_multiple_of(2) { "attempt" } else { "user" }.into(),
                target: if seq.is_multiple_of(2) {
                    attempt_id(seq % 5).to_string()
                } else {
                    user_id(seq % 9).to_string()
                },
                reason: (seq % 6 == 1).then(|| "spam".into()),
                metadata: r#"{"version":3}"#.into(),
                hash: "ab".repeat(32),
            })
            .collect();
        let state = State {
            users,
            cases,
            audit,
            notes: 0,
            role: Role::Admin,
            calls: vec![],
            down: false,
            fail: HashMap::new(),
            held: HashMap::new(),
            events: vec![],
            fence: 0,
            document: "image/png",
        };
        Arc::new(Self { clock, state: Mutex::new(state), waiting: AtomicUsize::new(0) })
    }

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
        let mut state = self.state();
        let cursor = (state.events.len() + 1).to_string();
        state.events.push(Event {
            cursor,
            at: self.clock.now(),
            kind: kind.into(),
            target: target.to_string(),
            user_id: None,
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

/// A picture that looks like something: a card with a frame, or a face.
pub fn picture(kind: FileKind) -> Vec<u8> {
    let (width, height) = if kind == FileKind::Document { (160_u32, 100_u32) } else { (100, 120) };
    let image = image::RgbImage::from_fn(width, height, |x, y| {
        let (dx, dy) = (i64::from(x) - i64::from(width / 2), i64::from(y) - i64::from(height / 2));
        let frame = x < 4 || y < 4 || x > width - 5 || y > height - 5;
        let face = kind == FileKind::Selfie && dx * dx * 3 / 2 + dy * dy < 1_900;
        let line = kind == FileKind::Document && x > 70 && x < 140 && y % 12 < 4 && y > 16;
        match (frame, face, line) {
            (true, ..) => image::Rgb([40, 60, 90]),
            (_, true, _) => image::Rgb([200, 160, 130]),
            (.., true) => image::Rgb([30, 30, 30]),
            _ => image::Rgb([210, 220, 235]),
        }
    });
    let mut bytes = Vec::new();
    image.write_to(&mut std::io::Cursor::new(&mut bytes), image::ImageFormat::Png).unwrap();
    bytes
}

#[async_trait]
impl AdminApi for Fake {
    async fn whoami(&self) -> Result<Identity> {
        self.enter("whoami", Permission::StatsRead, None).await?;
        let role = self.state().role;
        Ok(Identity {
            principal: Principal("local:sam@desk".into()),
            name: "sam@desk".into(),
            role,
            permissions: permissions(role).to_vec(),
        })
    }
    async fn stats(&self) -> Result<Stats> {
        let at = self.enter("stats", Permission::StatsRead, None).await?;
        let state = self.state();
        let count = |rows: usize| Count::bounded(i64::try_from(rows).unwrap());
        let open = || state.cases.iter().filter(|case| case.attempt.status.is_open());
        let users = Status::ALL.iter().map(|status| StatusCount {
            status: *status,
            count: count(state.users.iter().filter(|user| user.user.status == *status).count()),
        });
        Ok(Stats {
            at,
            kyc_pending: count(open().count()),
            kyc_in_review: count(open().filter(|case| case.attempt.claim.is_some()).count()),
            kyc_oldest_at: open().map(|case| case.attempt.submitted_at).min(),
            kyc_decided_24h: count(31),
            users: users.collect(),
            signups_24h: count(7),
            mails_waiting: count(0),
            audit_seq: 40,
        })
    }
    async fn kyc_list(&self, filter: &KycFilter, request: &PageRequest) -> Result<Page<KycSummary>> {
        self.enter("kyc_list", Permission::KycRead, None).await?;
        let state = self.state();
        let rows = state.cases.iter().map(|case| &case.attempt).filter(|row| {
            let status = match filter.status {
                None => row.status.is_open(),
                Some(status) => row.status == status,
            };
            status
                && filter.document_type.is_none_or(|kind| kind == row.document_type)
                && filter.user_id.is_none_or(|user| user == row.user_id)
        });
        Ok(page(rows.cloned().collect(), request))
    }
    async fn kyc_show(&self, id: AttemptId) -> Result<KycCase> {
        self.enter("kyc_show", Permission::KycRead, None).await?;
        self.state().case(id).cloned()
    }
    async fn kyc_next(&self, _change: &Change) -> Result<Option<KycCase>> {
        let now = self.enter("kyc_next", Permission::KycWrite, Some("next".into())).await?;
        let mut state = self.state();
        let free = state.cases.iter().find(|case| {
            case.attempt.status.is_open() && case.attempt.claim.as_ref().is_none_or(|claim| claim.expires_at <= now)
        });
        let Some(id) = free.map(|case| case.attempt.id) else { return Ok(None) };
        state.claim(id, now).map(Some)
    }
    async fn kyc_claim(&self, id: AttemptId, _change: &Change) -> Result<Changed<KycCase>> {
        let call = format!("claim {}", number(id));
        let now = self.enter("kyc_claim", Permission::KycWrite, Some(call)).await?;
        Ok(Changed { changed: true, item: self.state().claim(id, now)? })
    }
    async fn kyc_release(&self, id: AttemptId, _change: &Change) -> Result<Changed<KycCase>> {
        self.enter("kyc_release", Permission::KycWrite, Some(format!("release {}", number(id)))).await?;
        let mut state = self.state();
        let case = state.case(id)?;
        case.attempt.claim = None;
        case.attempt.status = KycStatus::Pending;
        Ok(Changed { changed: true, item: case.clone() })
    }
    async fn kyc_decide(&self, id: AttemptId, decision: &Decision, change: &Change) -> Result<Changed<KycCase>> {
        let reasons: Vec<_> = decision.reasons.iter().map(|reason| reason.as_str()).collect();
        let mut call = format!("{} {} [{}]", decision.kind, number(id), reasons.join(" "));
        for text in [&decision.comment, &change.note].into_iter().flatten() {
            let _ = write!(call, " {text:?}");
        }
        let now = self.enter("kyc_decide", Permission::KycWrite, Some(call)).await?;
        let decision = decision.clone().checked()?;
        let mut state = self.state();
        if decision.kind != DecisionKind::Revoke && decision.fence.is_none() {
            state.claim(id, now)?;
        }
        let case = state.case(id)?;
        let holds = case.attempt.claim.as_ref().is_some_and(|claim| claim.mine);
        if decision.kind != DecisionKind::Revoke && !holds {
            return Err(Error::conflict("Lea is looking at it", &case.attempt.claim));
        }
        case.attempt.status = decision.kind.status();
        case.attempt.claim = None;
        case.attempt.version += 1;
        case.decision = Some(DecisionMade {
            status: decision.kind.status(),
            reasons: decision.reasons,
            comment: decision.comment,
            note: change.note.clone(),
            by: Principal("local:sam@desk".into()),
            at: now,
            undo_until: now + UNDO,
        });
        Ok(Changed { changed: true, item: case.clone() })
    }
    async fn kyc_undo(&self, id: AttemptId, _change: &Change) -> Result<Changed<KycCase>> {
        let now = self.enter("kyc_undo", Permission::KycWrite, Some(format!("undo {}", number(id)))).await?;
        let mut state = self.state();
        let case = state.case(id)?;
        if case.decision.take_if(|decision| now < decision.undo_until).is_none() {
            return Err(Error::conflict("too late", ()));
        }
        case.attempt.status = KycStatus::Pending;
        Ok(Changed { changed: true, item: state.claim(id, now)? })
    }
    async fn kyc_file(&self, id: AttemptId, kind: FileKind) -> Result<FileContent> {
        self.enter("kyc_file", Permission::KycRead, Some(format!("view {kind} of {}", number(id)))).await?;
        let media_type = if kind == FileKind::Document { self.state().document } else { "image/png" };
        Ok(FileContent { media_type: media_type.into(), bytes: picture(kind).into() })
    }
    async fn users_list(&self, filter: &UserFilter, request: &PageRequest) -> Result<Page<UserSummary>> {
        self.enter("users_list", Permission::UsersRead, None).await?;
        let state = self.state();
        let rows = state.users.iter().map(|user| &user.user).filter(|user| {
            filter.status.is_none_or(|status| status == user.status)
                && filter.role.is_none_or(|role| role == user.role)
                && filter.q.as_ref().is_none_or(|q| {
                    user.id.to_string() == *q || user.name.to_lowercase().starts_with(&q.to_lowercase())
                })
        });
        Ok(page(rows.cloned().collect(), request))
    }
    async fn users_show(&self, id: UserId) -> Result<UserDetail> {
        self.enter("users_show", Permission::UsersRead, None).await?;
        self.state().user(id).cloned()
    }
    async fn users_reveal(&self, id: UserId) -> Result<PersonalData> {
        self.enter("users_reveal", Permission::UsersReveal, Some(format!("reveal {}", user_number(id)))).await?;
        Ok(PersonalData {
            id,
            name: "Ada Obi".into(),
            email: "ada@mail.example.org".into(),
            phone: Some("+442071838750".into()),
        })
    }
    async fn users_create(&self, _new: &NewUser, _change: &Change) -> Result<Changed<UserDetail>> {
        Err(Error::forbidden("the console makes no users"))
    }
    async fn users_act(&self, id: UserId, action: &UserAction, change: &Change) -> Result<Changed<UserDetail>> {
        let mut call = format!("{} {}", action.name(), user_number(id));
        if let UserAction::SetRole { role } = action {
            let _ = write!(call, " {role}");
        }
        if let Some(reason) = change.reason {
            let _ = write!(call, " {reason}");
        }
        if let Some(note) = &change.note {
            let _ = write!(call, " {note:?}");
        }
        self.enter("users_act", Permission::UsersWrite, Some(call)).await?;
        let mut state = self.state();
        let user = state.user(id)?;
        if change.if_version.is_some_and(|version| version != user.user.version) {
            return Err(Error::stale(user.user.version));
        }
        let before = user.user.clone();
        match action {
            UserAction::Freeze => user.user.status = Status::Frozen,
            UserAction::Ban => user.user.status = Status::Banned,
            UserAction::Delete => user.user.status = Status::Deleted,
            UserAction::Unfreeze | UserAction::Unban => user.user.status = Status::Active,
            UserAction::SetRole { role } => user.user.role = *role,
            UserAction::RevokeSessions => user.sessions = 0,
        }
        let changed = user.user != before;
        user.user.version += i64::from(changed);
        Ok(Changed { changed, item: user.clone() })
    }
    async fn users_note(&self, id: UserId, body: &str, _change: &Change) -> Result<Changed<Note>> {
        let call = format!("note {} {body:?}", user_number(id));
        let now = self.enter("users_note", Permission::UsersWrite, Some(call)).await?;
        let mut state = self.state();
        state.notes += 1;
        let note = Note {
            id: NoteId(self::id(3, state.notes)),
            author: Principal("local:sam@desk".into()),
            body: body.into(),
            created_at: now,
        };
        state.user(id)?.notes.insert(0, note.clone());
        Ok(Changed { changed: true, item: note })
    }
    async fn users_notes(&self, id: UserId, request: &PageRequest) -> Result<Page<Note>> {
        self.enter("users_notes", Permission::UsersRead, None).await?;
        Ok(page(self.state().user(id)?.notes.clone(), request))
    }
    async fn audit_list(&self, filter: &AuditFilter, request: &PageRequest) -> Result<Page<AuditRow>> {
        self.enter("audit_list", Permission::AuditRead, None).await?;
        let state = self.state();
        let rows = state.audit.iter().rev().filter(|row| {
            filter.actor.as_ref().is_none_or(|actor| *actor == row.actor)
                && filter.action.as_ref().is_none_or(|action| *action == row.action)
                && filter.target.as_ref().is_none_or(|target| *target == row.target)
        });
        Ok(page(rows.cloned().collect(), request))
    }
    async fn audit_verify(&self, _from: i64, _limit: i64) -> Result<AuditVerification> {
        Err(Error::forbidden("the console verifies nothing"))
    }
    async fn events(&self, after: Option<&str>, _limit: u16) -> Result<EventPage> {
        self.enter("events", Permission::StatsRead, None).await?;
        let state = self.state();
        let from = after.map_or(state.events.len(), |after| after.parse().unwrap());
        Ok(EventPage { items: state.events[from..].to_vec(), cursor: state.events.len().to_string() })
    }
}

/// The number that an attempt was made with.
fn number(id: AttemptId) -> u128 {
    id.0.as_u128() & 0xffff
}
fn user_number(id: UserId) -> u128 {
    id.0.as_u128() & 0xffff
}
