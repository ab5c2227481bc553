//! People, their identity checks, what they agreed and wrote, and what the audit log says of them: rows, as the operations would
//! have written them, with ids that screens can be compared by.

use std::{sync::Arc, time::Duration};

use futures::FutureExt;
use marketplace_core::{
    accounts::model::search_terms,
    app::App,
    audit::{self, Entry},
    base::permission::Role,
    ids::AttemptId,
    jobs::model::JobStatus,
    kyc::model::{DocumentType, FileKind},
    operation::Operation,
    platform::db::bulk::{self, Value},
    records::target::TargetKind,
    time::{Clock, Timestamp},
};
use uuid::Uuid;

use super::{attempt_id, id, job_id, message_id, operator, review_id, signed_in, thread_id, user_id};

pub const NAMES: [&str; 12] = [
    "Ada Obi",
    "Tunde Bello",
    "Marta Ferrer",
    "Karel Novak",
    "Sora Arai",
    "Jon Lund",
    "Inês Pires",
    "Amir Khan",
    "Lena Wolf",
    "Yusuf Demir",
    "Zoë Maas",
    "青木 Shinji",
];
const TITLES: [&str; 6] =
    ["Fix a leaking tap", "Paint the hall", "Move a piano", "Maths lessons", "Mow the lawn", "Repair a bicycle"];
/// The first thread, as it was said.
const SAID: [(&str, usize, &str); 5] = [
    ("text", 4, "Hi, are you free on Friday?"),
    ("text", 0, "Yes, after 3 pm. 60.00 EUR"),
    ("job", 0, "job 00000000 negotiating → accepted (offer 2, 55.00 EUR)"),
    ("text", 0, "Pay me outside the app: +44 20 7183 8750 or ada@mail.example.org"),
    ("text", 4, "I would rather not. See you on Friday."),
];
/// Messages of the second thread: several pages.
const MANY: usize = 130;

/// What there is.
#[derive(Clone, Copy)]
pub struct World {
    /// Users; from twelve on they trade.
    pub users: usize,
    /// Open attempts, of the first users.
    pub cases: usize,
    /// The media type of documents.
    pub document: &'static str,
    /// Stands in the place of whatever somebody wrote.
    pub text: Option<&'static str>,
}

impl Default for World {
    fn default() -> Self {
        Self { users: 12, cases: 0, document: "image/png", text: None }
    }
}

/// A clock that stands still.
#[derive(Debug)]
struct At(Timestamp);

impl Clock for At {
    fn now(&self) -> Timestamp {
        self.0
    }
}

/// The name of a table, its columns, and rows.
type Table = (&'static str, Vec<&'static str>, Vec<Vec<Value>>);

/// Rows on their way into the database.
struct Rows {
    world: World,
    now: Timestamp,
    tables: Vec<Table>,
}

/// Adds a row: values by the names of their columns.
macro_rules! row {
    ($rows:ident, $table:ident { $($column:ident: $value:expr),* $(,)? }) => {
        $rows.add(stringify!($table), &[$(stringify!($column)),*], vec![$($value.into_value()),*])
    };
}

/// What stands in a column.
trait IntoValue {
    fn into_value(self) -> Value;
}
macro_rules! into_value {
    ($($from:ty: $value:ident => $into:expr;)*) => {
        $(impl IntoValue for $from {
            fn into_value(self) -> Value {
                let $value = self;
                $into
            }
        })*
    };
}
into_value! {
    &str: text => Value::text(text);
    String: text => Value::text(text);
    usize: number => Value::Int(i64::try_from(number).unwrap());
    i32: number => Value::Int(number.into());
    i64: number => Value::Int(number);
    bool: flag => Value::Bool(flag);
    Uuid: id => Value::Id(id);
    Timestamp: at => Value::Time(at);
    Vec<u8>: bytes => Value::Bytes(bytes);
}
impl<T: IntoValue> IntoValue for Option<T> {
    fn into_value(self) -> Value {
        Value::or_null(self, T::into_value)
    }
}

impl Rows {
    fn add(&mut self, table: &'static str, columns: &[&'static str], row: Vec<Value>) {
        match self.tables.iter_mut().find(|(name, of, _)| *name == table && of == columns) {
            Some((.., rows)) => rows.push(row),
            None => self.tables.push((table, columns.to_vec(), vec![row])),
        }
    }

    fn ago(&self, minutes: usize) -> Timestamp {
        self.now - Duration::from_secs(minutes as u64 * 60)
    }

    /// What somebody wrote.
    fn text(&self, usual: &str) -> String {
        self.world.text.unwrap_or(usual).to_owned()
    }

    fn user(&mut self, at: usize) {
        let status = ["active", "active", "frozen", "unverified", "banned", "active"][at % 6];
        let restricted = matches!(status, "frozen" | "banned");
        let (name, user) = (self.text(NAMES[at % NAMES.len()]), user_id(at).0);
        let checked = if at < self.world.cases { "pending" } else { "none" };
        // Each number once; all look alike masked.
        let phone = at.is_multiple_of(2).then(|| format!("+44{at:07}50"));
        let made = self.ago(60 + at * 700);
        row!(
            self,
            users {
                id: user,
                role: if at % 5 == 4 { "client" } else { "worker" },
                status: status,
                email: self.text("ada@mail.example.org"),
                email_norm: format!("ada{at}@mail.example.org"),
                email_verified: at % 6 != 3,
                name: name.clone(),
                phone: phone.clone(),
                password_hash: None::<&str>,
                kyc_status: checked,
                kyc_prior: checked,
                restriction_reason: restricted.then_some("spam"),
                restriction_by: restricted.then(|| self.text("local:lea@desk")),
                restriction_at: restricted.then(|| self.ago(90)),
                version: 3,
                created_at: made,
                updated_at: made,
            }
        );
        for term in search_terms(&name, phone.as_deref()) {
            row!(self, user_terms { term: term, user_id: user });
        }
        for session in 0..2 {
            row!(
                self,
                sessions {
                    id: id(9 + session, at),
                    user_id: user,
                    user_agent: "test",
                    ip: "127.0.0.1",
                    created_at: self.ago(at + 2),
                    last_used_at: self.ago(at + 1),
                    expires_at: self.now + Duration::from_hours(240),
                    generation: 1,
                    access_jti: vec![0_u8; 16],
                    access_used: true,
                }
            );
        }
    }

    async fn attempt(&mut self, app: &App, at: usize) {
        let documents = DocumentType::ALL;
        let second = at.is_multiple_of(4);
        if second {
            row!(
                self,
                kyc_attempts {
                    id: attempt_id(1_000 + at).0,
                    user_id: user_id(at).0,
                    number: 1,
                    document_type: "passport",
                    status: "retry",
                    submitted_at: self.ago(3_000),
                    fence: 1,
                    decided_by: "local:lea@desk",
                    decided_at: self.ago(2_900),
                    effective_at: self.ago(2_899),
                    reasons: "[\"document_unreadable\"]",
                    comment: self.text("edge cut off"),
                    version: 2,
                }
            );
        }
        let kinds = [FileKind::Document, FileKind::Selfie];
        let media_types = [self.world.document, "image/png"];
        let files = kinds.map(|kind| (kind.as_str(), picture(kind)));
        let sizes = files.clone().map(|(_, bytes)| bytes.len());
        let attempt: AttemptId = attempt_id(at);
        let sealed = app.files.put_sealed(&app.keys, &app.random, attempt.into(), files.to_vec()).await.unwrap();
        row!(
            self,
            kyc_attempts {
                id: attempt.0,
                user_id: user_id(at).0,
                number: if second { 2 } else { 1 },
                document_type: documents[at % documents.len()].as_str(),
                status: "pending",
                submitted_at: self.ago(200 - at.min(190)),
                wrapped_key: sealed.wrapped_key,
                fence: 0,
                version: 1,
            }
        );
        for (file, key) in sealed.object_keys.into_iter().enumerate() {
            row!(
                self,
                kyc_files {
                    attempt_id: attempt.0,
                    kind: kinds[file].as_str(),
                    object_key: key,
                    media_type: media_types[file],
                    size: sizes[file],
                    width: 160,
                    height: 100,
                }
            );
        }
    }

    /// Appends rows to the audit log, each by its actor at its time.
    async fn audit(&self, app: &App) {
        let actions = ["kyc.approve", "users.freeze", "kyc.view", "users.reveal", "kyc.reject", "users.note"];
        let mut entries = Vec::new();
        for seq in 1..=40_usize {
            let even = seq.is_multiple_of(2);
            let actor = match (self.world.text, seq.is_multiple_of(3)) {
                (Some(text), _) => operator(text),
                (None, true) => operator("sam"),
                (None, false) => signed_in(user_id(7), NAMES[7], Role::Support),
            };
            let mut then = app.clone();
            then.clock = Arc::new(At(self.ago(400 - seq * 9)));
            let entry = Entry {
                action: actions[seq % 6].parse().unwrap(),
                target_kind: if even { TargetKind::Attempt } else { TargetKind::User },
                target: if even { attempt_id(seq % 5).to_string() } else { user_id(seq % 9).to_string() },
                reason: (seq % 6 == 1).then(|| "spam".to_owned()),
                metadata: if even {
                    serde_json::json!({ "user": user_id(seq % 5), "by": self.world.text })
                } else {
                    serde_json::json!({ "version": 3, "by": self.world.text })
                },
            };
            entries.push((Operation::new(&then, actor), entry));
        }
        let unit = app.db.write(move |conn| {
            async move {
                for (op, entry) in entries {
                    audit::append(&op, conn, entry).await?;
                }
                Ok(())
            }
            .boxed()
        });
        unit.await.unwrap();
    }

    /// A row whose action none of ours is named like.
    fn unknown_action(&mut self) {
        row!(
            self,
            audit_log {
                seq: 1_000,
                at: self.now,
                actor: self.text("system"),
                action: self.text("unknown"),
                target_kind: "user",
                target: user_id(0).to_string(),
                metadata: "{}",
                hash: "ab".repeat(32),
            }
        );
    }

    fn thread(&mut self, at: usize) {
        let (client, worker) = (client(at), at % 4);
        let closed = at % 4 == 3;
        let made = self.ago(700 + at * 90);
        row!(
            self,
            services {
                id: id(8, at),
                worker_id: user_id(worker).0,
                status: "published",
                title: self.text(TITLES[at % TITLES.len()]),
                description: "",
                category: "plumbing",
                location: "",
                tags: "[]",
                visible: true,
                number: at + 1,
                search_text: "",
                rating: 0,
                published_at: made,
                version: 1,
                created_at: made,
                updated_at: made,
            }
        );
        let last_seq = [SAID.len(), MANY].get(at).copied().unwrap_or(0);
        row!(
            self,
            threads {
                id: thread_id(at).0,
                service_id: id(8, at),
                client_id: user_id(client).0,
                worker_id: user_id(worker).0,
                status: if closed { "closed" } else { "open" },
                closed_reason: closed.then_some("abuse"),
                note: self.world.text,
                last_seq: last_seq,
                last_at: self.ago(28 + at * 50),
                client_read: 0,
                worker_read: 0,
                client_unread: 0,
                worker_unread: 0,
                version: 1,
                created_at: made,
            }
        );
    }

    fn message(
        &mut self,
        number: usize,
        thread: usize,
        (seq, kind): (usize, &str),
        sender: usize,
        said: (&str, usize),
    ) {
        row!(
            self,
            messages {
                thread_id: thread_id(thread).0,
                seq: seq,
                id: message_id(number).0,
                kind: kind,
                sender_id: (kind == "text").then(|| user_id(sender).0),
                content: self.text(said.0),
                created_at: self.ago(said.1),
            }
        );
    }

    fn job(&mut self, at: usize) {
        use JobStatus as S;
        // One live job a thread.
        let thread = if at == 8 { 4 } else { at % 8 };
        let status = S::ALL[at % S::ALL.len()];
        let (client, worker) = (user_id(client(thread)), user_id(thread % 4));
        let mut steps = vec![("create", S::Negotiating, "client"), ("offer", S::Negotiating, "worker")];
        match status {
            S::Negotiating => {}
            S::Rejected => steps.push(("reject", S::Rejected, "worker")),
            S::Cancelled => steps.push(("cancel", S::Cancelled, "system")),
            S::Accepted | S::Completed | S::Finalized => {
                steps.push(("accept", S::Accepted, "client"));
                if status != S::Accepted {
                    steps.push(("complete", S::Completed, "worker"));
                }
                if status == S::Finalized {
                    steps.push(("finalize", S::Finalized, "client"));
                }
            }
        }
        let (began, price) = (3_000 + at * 300, 5_500 + at * 1_250);
        let (first, last) = (self.ago(began - 120), self.ago(began - steps.len() * 120));
        row!(
            self,
            jobs {
                id: job_id(at).0,
                thread_id: thread_id(thread).0,
                service_id: id(8, thread),
                client_id: client.0,
                worker_id: worker.0,
                status: status.as_str(),
                revision: 2,
                offered_by: "worker",
                price_amount: price,
                price_currency: "EUR",
                change_requests: 0,
                entries: steps.len(),
                due_at: status.is_live().then(|| self.now + Duration::from_hours(72)),
                finalized_at: (status == S::Finalized).then_some(last),
                version: steps.len(),
                created_at: first,
                updated_at: last,
            }
        );
        for (revision, by, amount) in [(1, "client", price - 500), (2, "worker", price)] {
            row!(
                self,
                job_offers {
                    job_id: job_id(at).0,
                    revision: revision,
                    offered_by: by,
                    price_amount: amount,
                    price_currency: "EUR",
                    schedule: "Friday after 3 pm",
                    scope: self.text("Replace the washer of the kitchen tap, and see whether the pipe holds"),
                    created_at: self.ago(began - revision * 120),
                }
            );
        }
        let mut before = None;
        for (entry, (action, to, side)) in (1..).zip(steps) {
            row!(
                self,
                job_history {
                    job_id: job_id(at).0,
                    entry: entry,
                    action: action,
                    from_status: before.map(S::as_str),
                    to_status: to.as_str(),
                    side: side,
                    actor: match side {
                        "client" => format!("user:{client}"),
                        "worker" => format!("user:{worker}"),
                        _ => "system".into(),
                    },
                    revision: entry.min(2_usize),
                    reason: match to {
                        S::Rejected => Some("price"),
                        S::Cancelled => Some("expired"),
                        _ => None,
                    },
                    comment: (to == S::Rejected).then_some("too little for the way").or(self.world.text),
                    version: entry,
                    at: self.ago(began - entry * 120),
                }
            );
            before = Some(to);
        }
    }

    fn review(&mut self, number: usize, job: usize, by_worker: bool, (rating, said): (i32, &str), minutes: usize) {
        let thread = job % 8;
        let (client, worker) = (user_id(client(thread)).0, user_id(thread % 4).0);
        let (author, subject) = if by_worker { (worker, client) } else { (client, worker) };
        let (flagged, removed) = (number < 3, number == 4);
        let made = self.ago(900 + minutes);
        row!(
            self,
            reviews {
                id: review_id(number).0,
                job_id: job_id(job).0,
                side: if by_worker { "worker" } else { "client" },
                author_id: author,
                subject_id: subject,
                rating: rating,
                content: self.text(said),
                status: if removed { "removed" } else { "published" },
                closes_at: self.now,
                published_at: self.ago(800 + minutes),
                reply: (number == 0).then(|| self.text("I was stuck in traffic, and said so.")),
                removed_reason: removed.then_some("abuse"),
                note: self.world.text,
                flags: if flagged { 2 } else { 0 },
                flagged_at: flagged.then(|| self.ago(90 - number)),
                version: 1,
                created_at: made,
                updated_at: made,
            }
        );
        let flags = [(5, "abuse", self.world.text, 30), (6, "false", Some("I was on time"), 90)];
        for (user, reason, comment, ago) in flags.into_iter().filter(|_| flagged) {
            row!(
                self,
                review_flags {
                    review_id: review_id(number).0,
                    user_id: user_id(user).0,
                    reason: reason,
                    comment: comment,
                    created_at: self.ago(ago),
                }
            );
        }
    }

    fn trade(&mut self) {
        (0..8).for_each(|at| self.thread(at));
        for (at, (kind, sender, said)) in SAID.into_iter().enumerate() {
            self.message(at, 0, (at + 1, kind), sender, (said, 40 - at * 3));
        }
        for at in 0..MANY {
            let sender = if at.is_multiple_of(3) { 9 } else { 1 };
            self.message(100 + at, 1, (at + 1, "text"), sender, (&format!("line {}", at + 1), 600 - at * 2));
        }
        (0..12).for_each(|at| self.job(at));
        let said = [
            (1, "Came late and shouted at my mother."),
            (5, "Quick and tidy, thank you!"),
            (2, "Never paid what we agreed."),
        ];
        for at in 0..6 {
            let job = if at < 3 { 3 + at } else { 6 + at };
            self.review(at, job, at % 3 == 2, said[at % 3], at * 40);
        }
        self.review(100, 3, true, (4, "Friendly, but nobody was at home at the agreed time."), 0);
    }
}

fn client(thread: usize) -> usize {
    if thread.is_multiple_of(2) { 4 } else { 9 }
}

impl World {
    /// Writes it.
    pub async fn write(self, app: &App) {
        let mut rows = Rows { world: self, now: app.now(), tables: Vec::new() };
        (0..self.users).for_each(|at| rows.user(at));
        for at in 0..self.cases {
            rows.attempt(app, at).await;
        }
        rows.audit(app).await;
        if self.text.is_some() {
            rows.unknown_action();
        }
        if self.users >= 12 {
            rows.trade();
        }
        let tables = Arc::new(rows.tables);
        let unit = app.db.write(move |conn| {
            let tables = Arc::clone(&tables);
            async move {
                for (table, columns, rows) in tables.iter() {
                    bulk::insert(conn, table, columns, rows, &|_| ()).await?;
                }
                Ok(())
            }
            .boxed()
        });
        unit.await.unwrap();
    }
}

/// A picture that looks like something: a card with a frame, or a face.
pub fn picture(kind: FileKind) -> Vec<u8> {
    picture_of(kind, if kind == FileKind::Document { (160, 100) } else { (100, 120) })
}

/// The same in another size, in pixels.
pub fn picture_of(kind: FileKind, (width, height): (u32, u32)) -> Vec<u8> {
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
