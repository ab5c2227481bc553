//! Fills a database: chunk by chunk, then the market, then the past.

use marketplace_core::audit::AuditAction;
use marketplace_core::operation::Operation;
use marketplace_core::records::target::TargetKind;
use marketplace_core::unit;
use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures::{StreamExt, TryStreamExt, stream};
use marketplace_core::{
    accounts::model::{Password, Status, normalise_email},
    actor::Actor,
    app::App,
    auth,
    base::{
        error::{Error, Result},
        permission::Role,
        time::Timestamp,
    },
    platform::db::{Conn, bulk},
    q,
    records::{audit, series},
    rules::{
        self,
        model::{NewRule, RuleKind},
    },
};

use marketplace_people::people;

use crate::{
    arrivals::Rest,
    files::{Gallery, Stored},
    history::{self, PastAction},
    market::{self, participants::Participants},
    notices::{IDENTITIES, NOTIFICATIONS},
    plan::{Login, PASSWORD, Plan, Progress, Stage, Summary},
    tables::{self, Table},
    user_rows::{self, Rows},
    users::{Attempt, Chunk, Users},
};

/// Users of one transaction: enough that the commit's cost is negligible, few enough to be stopped soon.
const CHUNK: u64 = 10_000;
/// How many attempts' files are created at the same time, when nothing else is to be done.
pub const PAINTERS: usize = 4;

/// Fills a database, in addition to its contents.
///
/// # Errors
/// `conflict` when this seed is in the database already; `invalid` for more than a billion users; any error of the
/// database or the file store.
pub async fn run(app: &App, plan: &Plan, progress: &(dyn Fn(Progress) + Send + Sync)) -> Result<Summary> {
    let (summary, rest) = begin(app, plan, progress).await?;
    rest.run(app, PAINTERS, progress).await?;
    Ok(summary)
}

/// Fills a database with all but the [`Rest`], which is slow: the pictures of a demonstration, and the cases that wait.
///
/// # Errors
/// See [`run`].
pub async fn begin(app: &App, plan: &Plan, progress: &(dyn Fn(Progress) + Send + Sync)) -> Result<(Summary, Rest)> {
    if plan.users > people::MAX_INDEX {
        return Err(Error::invalid("/users", format!("must be at most {}", people::MAX_INDEX)));
    }
    refuse_again(app, plan).await?;
    let now = app.now();
    let approval = Duration::from_secs(u64::from(app.config.retention.kyc_approval_days) * 86_400);
    let hash: Arc<str> = auth::hash_password(app, Password::new(PASSWORD)).await?.into();
    let gallery = Gallery::open(plan.images, plan.seed, now.to_offset().date()).await?;
    let mut summary = Summary::default();
    let mut past = Past::default();
    let mut rest = Rest::new(gallery.clone(), now);
    let (mut people, mut shared) = (Participants::default(), None);
    let mut next = Some(making(Users::new(plan, now, approval), 0, hash.clone(), now));
    while let Some(made) = next.take() {
        let Made { cast, chunk, rows, to } = made.await.map_err(Error::internal)?;
        let cast = Arc::new(cast);
        past.add(&chunk, plan, now);
        summary.add(&chunk, &gallery, &cast);
        // Attempts that are added later are not written now.
        let (waiting, attempts): (Vec<_>, Vec<_>) =
            chunk.attempts.iter().cloned().partition(|attempt| attempt.later && attempt.status.is_open());
        let stored = pictures(app, &gallery, &attempts, progress).await?;
        let lines = attempt_rows(&cast, &attempts, &stored, now);
        rest.add(&cast, waiting, attempts);
        // The next chunk is created while this one is written.
        if to < plan.users {
            next = Some(making(Users::clone(&cast), to, hash.clone(), now));
        }
        let (from, users) = (to - chunk.users.len() as u64, chunk.users.len() as u64);
        people.add(&chunk.users, now);
        shared = Some(cast);
        let tables = vec![
            Table::new("users", user_rows::USERS, rows.users),
            Table::new("user_terms", user_rows::TERMS, rows.terms),
            Table::new("user_notes", user_rows::NOTES, rows.notes),
            Table::new("notifications", NOTIFICATIONS, rows.notifications),
            Table::new("identities", IDENTITIES, rows.identities),
            Table::new("kyc_attempts", user_rows::ATTEMPTS, lines.0),
            Table::new("kyc_files", user_rows::FILES, lines.1),
        ];
        let show = |share: f64| {
            let done = from + market::share_of(users, share);
            progress(Progress { stage: Stage::Users, done, total: plan.users });
        };
        tables::write(app, tables, BTreeSet::new(), &show).await?;
    }
    if let Some(cast) = shared {
        let made = market::run(app, people, cast, plan.market, progress).await?;
        summary.market(&made);
        past.past_actions.extend(made.past_actions);
    }
    series::recount(app).await?;
    let rest = rest.with_staff(&past.actors);
    let admin = past.admin.clone();
    past.write(app, plan, now, progress).await?;
    if let Some(admin) = &admin {
        make_rules(app, admin).await?;
    }
    let op = admin.map_or_else(|| Operation::system(app), |admin| app.by(&admin));
    market::webhooks::add(&op, plan.seed, plan.demo).await?;
    finish(app, plan, &summary).await?;
    app.wake();
    Ok((summary, rest))
}

/// A chunk, ready to be written.
struct Made {
    cast: Users,
    chunk: Chunk,
    rows: Rows,
    to: u64,
}

fn making(mut cast: Users, from: u64, hash: Arc<str>, now: Timestamp) -> tokio::task::JoinHandle<Made> {
    tokio::task::spawn_blocking(move || {
        let to = cast.users().min(from + CHUNK);
        let chunk = cast.chunk(from, to);
        let rows = Rows::of(&cast, &chunk, &hash, now);
        Made { cast, chunk, rows, to }
    })
}

/// Refuses a seed that is in the database already: loading it again would fail half way, on the first existing address.
async fn refuse_again(app: &App, plan: &Plan) -> Result<()> {
    let mut reader = app.db.read().await?;
    for index in 8..plan.users.min(28) {
        let email = normalise_email(&people::person(plan.seed, index).email);
        let known = q!(&mut reader.conn() => optval i64, "SELECT version FROM users WHERE email_norm = $1", email)?;
        if known.is_some() {
            let detail = format!("seed {} was loaded into this database before; choose another seed", plan.seed);
            return Err(Error::conflict(detail, serde_json::json!({ "seed": plan.seed })));
        }
    }
    Ok(())
}

/// Draws and stores the pictures of those attempts that have some, in order.
async fn pictures(
    app: &App,
    gallery: &Gallery,
    attempts: &[Attempt],
    progress: &(dyn Fn(Progress) + Send + Sync),
) -> Result<Vec<Option<Stored>>> {
    let now = |attempt: &Attempt| gallery.has(attempt) && !attempt.later;
    let total = attempts.iter().filter(|attempt| now(attempt)).count() as u64;
    let done = AtomicU64::new(0);
    let one = async |attempt: &Attempt| {
        if !now(attempt) {
            return Ok(None);
        }
        let stored = gallery.store(app, attempt).await?;
        let done = done.fetch_add(1, Ordering::Relaxed) + 1;
        progress(Progress { stage: Stage::Pictures, done, total });
        Ok::<_, Error>(Some(stored))
    };
    stream::iter(attempts).map(one).buffered(PAINTERS).try_collect().await
}

type Lines = Vec<Vec<bulk::Value>>;

fn attempt_rows(cast: &Users, attempts: &[Attempt], stored: &[Option<Stored>], now: Timestamp) -> (Lines, Lines) {
    let (mut lines, mut files) = (Vec::with_capacity(attempts.len()), Vec::new());
    for (attempt, stored) in attempts.iter().zip(stored) {
        lines.push(user_rows::attempt(cast, attempt, stored.as_ref(), now));
        if let Some(stored) = stored {
            files.extend(stored.rows(attempt));
        }
    }
    (lines, files)
}

/// The past actions of a demonstration's staff, collected until all users exist.
#[derive(Default)]
struct Past {
    past_actions: Vec<PastAction>,
    actors: Vec<Actor>,
    admin: Option<Actor>,
}

impl Past {
    fn add(&mut self, chunk: &Chunk, plan: &Plan, now: Timestamp) {
        if plan.demo {
            for user in &chunk.users {
                self.past_actions.extend(history::past_actions(user, &chunk.attempts, now));
                if user.role.is_staff() {
                    self.actors.push(history::actor(user));
                    if user.role == Role::Admin && user.status == Status::Active {
                        self.admin.get_or_insert_with(|| history::actor(user));
                    }
                }
            }
        }
    }

    async fn write(
        self,
        app: &App,
        plan: &Plan,
        now: Timestamp,
        progress: &(dyn Fn(Progress) + Send + Sync),
    ) -> Result<()> {
        if !plan.demo {
            return Ok(());
        }
        let total = self.past_actions.len() as u64;
        progress(Progress { stage: Stage::History, done: 0, total });
        let since = now - Duration::from_secs(u64::from(app.config.retention.event_days) * 86_400);
        let past = Arc::new(self);
        Operation::system(app)
            .write(unit!(|op, conn| {
                history::write(&op, conn, &past.actors, past.past_actions.clone(), since).await
            }))
            .await?;
        progress(Progress { stage: Stage::History, done: total, total });
        Ok(())
    }
}

/// Creates rules of each kind, as an admin of the demonstration would.
async fn make_rules(app: &App, admin: &Actor) -> Result<()> {
    for (kind, value, note) in [
        (RuleKind::ContactDetails, "any", "People who leave the site are not protected."),
        (RuleKind::Words, "gift card", "The scam of last spring."),
        (RuleKind::BlockedDomain, "throwaway.example", "Addresses that last ten minutes."),
        (RuleKind::IpRange, "192.0.2.0/24", "Sign-ups by the hundred."),
    ] {
        let rule = NewRule { note: Some(note.into()), ..NewRule::new(kind, value) };
        rules::create(&app.by(admin), &rule).await?;
    }
    Ok(())
}

/// Records the seeding in the audit log, updates the statistics of PostgreSQL's planner, and gives back the room that was made.
async fn finish(app: &App, plan: &Plan, summary: &Summary) -> Result<()> {
    let entry = audit::Entry {
        action: AuditAction::DbSeed,
        target_kind: TargetKind::Database,
        target: format!("seed:{}", plan.seed),
        reason: None,
        metadata: serde_json::json!({ "users": summary.users, "attempts": summary.attempts }),
    };
    Operation::system(app)
        .patient()
        .write(unit!(|op, conn| {
            audit::append(&op, conn, entry).await?;
            if let Conn::Pg(_) = conn {
                bulk::execute(conn, "ANALYZE".into()).await?;
            }
            bulk::make_room(conn, false).await
        }))
        .await
}

impl Summary {
    fn market(&mut self, made: &market::Made) {
        self.services = made.services;
        self.threads = made.threads;
        self.messages = made.messages;
        self.jobs = made.jobs;
        self.reviews = made.reviews;
    }

    fn add(&mut self, chunk: &Chunk, gallery: &Gallery, cast: &Users) {
        self.users += chunk.users.len() as u64;
        self.attempts += chunk.attempts.len() as u64;
        self.open += chunk.attempts.iter().filter(|attempt| attempt.status.is_open()).count() as u64;
        self.files += 2 * chunk.attempts.iter().filter(|attempt| gallery.has(attempt)).count() as u64;
        for user in &chunk.users {
            let known = self.logins.iter().any(|login| login.role == user.role);
            if !known && user.status == marketplace_core::accounts::model::Status::Active && cast.has_password(user) {
                self.logins.push(Login { role: user.role, email: user.email.clone(), password: PASSWORD.into() });
            }
        }
    }
}

#[cfg(test)]
mod tests;
