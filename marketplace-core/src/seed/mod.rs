//! Made-up data, for demonstrations, tests and measurements: people, their papers, and whole databases of them.
//!
//! Everybody shares one password ([`PASSWORD`]) and one hash of it: a million argon2 hashes would take hours. Staff of
//! anything but a demonstration have none, so that seeding opens no door. Chunks of users commit one by one: stopped half
//! way, what is there is whole, and another seed adds to it. Decisions of a seed that is no demonstration have no rows in
//! the audit log, which records only that the seeding happened.

mod arrivals;
mod canvas;
mod cast;
mod document;
mod face;
mod files;
mod history;
pub mod images;
mod market;
mod mrz;
mod names;
pub mod people;
mod rows;
mod tables;

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures::{FutureExt, StreamExt, TryStreamExt, stream};
use serde::Serialize;

use crate::{
    accounts::model::{Password, normalise_email},
    actor::Actor,
    app::App,
    base::{
        error::{Error, Result},
        permission::Role,
        text_enum::text_enum,
        time::Timestamp,
    },
    platform::db::{Conn, bulk},
    records::audit,
};
pub use arrivals::Rest;
use cast::{Attempt, Cast, Chunk};
use files::{Gallery, Stored};
use history::Deed;
pub use market::Volume;
use rows::Rows;
use tables::Table;

/// The password of every seeded client and worker, and of the staff of a demonstration.
pub const PASSWORD: &str = "open sesame utopia";
/// Users of one transaction: large enough that a commit costs nothing, small enough to be stopped soon.
const CHUNK: u64 = 10_000;
/// How many attempts' files are made at the same time, when nothing else is to be done.
pub const PAINTERS: usize = 4;

/// What to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Accounts; from 50 on the first eight are staff.
    pub users: u64,
    /// Another seed is other people. 0 to 999; larger ones are taken modulo 1,000.
    pub seed: u64,
    /// Identity checks; a fifth of the users unless said. One in a hundred waits for a decision (at least 50, at most
    /// 2,000 of them).
    pub attempts: Option<u64>,
    /// Which attempts have pictures.
    pub images: Images,
    /// How much there is on the market.
    pub market: Volume,
    /// Lifelike in the small: staff who can log in, notes, claims, and a past on the audit log; two attempts in five, sixty
    /// at most, wait. For throwaway databases only, as the staff's password is known.
    pub demo: bool,
}

impl Default for Plan {
    fn default() -> Self {
        Self { users: 1_000, seed: 1, attempts: None, images: Images::Pool(12), market: Volume::default(), demo: false }
    }
}

impl Plan {
    fn attempts(&self) -> u64 {
        self.attempts.unwrap_or(self.users / 5)
    }
}

/// Which attempts have pictures. Each has files of its own, sealed with its own key, as the store demands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Images {
    /// None: a case shows no files.
    None,
    /// Every attempt that waits shows one of so many drawn pairs (at least 4), which are other people's; decided attempts
    /// have none, as after an erasure.
    Pool(u32),
    /// Every attempt has its own, drawn for it: its name, its face, its flaw. About 40 ms of work each.
    Own,
}

/// A few hundred users of every status and role, about sixty attempts in the queue, a lively market, and a past.
pub fn demo_plan() -> Plan {
    Plan { users: 600, seed: 0, attempts: Some(240), images: Images::Own, market: Volume::default(), demo: true }
}

text_enum! {
    /// What is being made.
    pub enum Stage {
        /// Pictures of identity checks.
        Pictures = "pictures",
        /// Rows of users and their attempts; counts users.
        Users = "users",
        /// Profiles, ratings and favourites.
        Profiles = "profiles",
        /// What workers offer.
        Services = "services",
        /// Conversations with their jobs and reviews.
        Conversations = "conversations",
        /// The past, on the audit log.
        History = "history",
    }
}

/// How far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// What is being made.
    pub stage: Stage,
    /// So many are there.
    pub done: u64,
    /// So many there will be; 0 when that is not known.
    pub total: u64,
}

/// What was made.
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
    /// What it is.
    pub role: Role,
    /// Its address.
    pub email: String,
    /// Its password.
    pub password: String,
}

/// Fills a database. Adds to what is there.
///
/// # Errors
/// `conflict` when this seed is in the database already; `invalid` for more than a billion users; whatever the database or
/// the file store answer.
pub async fn run(app: &App, plan: &Plan, progress: &(dyn Fn(Progress) + Send + Sync)) -> Result<Summary> {
    let (summary, rest) = begin(app, plan, progress).await?;
    rest.run(app, PAINTERS, progress).await?;
    Ok(summary)
}

/// Fills a database with all but the [`Rest`], which takes its time: of a demonstration nearly all pictures.
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
    let hash: Arc<str> = app.hasher.hash(Password::new(PASSWORD)).await?.into();
    let gallery = Gallery::open(plan.images, plan.seed, now.to_offset().date()).await?;
    let mut summary = Summary::default();
    let mut past = Past::default();
    let mut rest = Rest::new(gallery.clone(), now);
    let (mut people, mut shared) = (market::People::default(), None);
    let mut next = Some(making(Cast::new(plan, now, approval), 0, hash.clone()));
    while let Some(made) = next.take() {
        let Made { cast, chunk, rows, to } = made.await.map_err(Error::internal)?;
        let cast = Arc::new(cast);
        past.add(&chunk, plan, now);
        summary.add(&chunk, &gallery, &cast);
        // What comes in later is not among those that are written now.
        let (waiting, attempts): (Vec<_>, Vec<_>) =
            chunk.attempts.iter().cloned().partition(|attempt| attempt.later && attempt.status.is_open());
        let stored = pictures(app, &gallery, &attempts, progress).await?;
        let lines = attempt_rows(&cast, &attempts, &stored, now);
        rest.add(&cast, waiting, attempts);
        // The next chunk is made while this one is written.
        if to < plan.users {
            next = Some(making(Cast::clone(&cast), to, hash.clone()));
        }
        let (from, users) = (to - chunk.users.len() as u64, chunk.users.len() as u64);
        people.add(&chunk.users, now);
        shared = Some(cast);
        let tables = vec![
            Table::new("users", rows::USERS, rows.users),
            Table::new("user_terms", rows::TERMS, rows.terms),
            Table::new("user_notes", rows::NOTES, rows.notes),
            Table::new("kyc_attempts", rows::ATTEMPTS, lines.0),
            Table::new("kyc_files", rows::FILES, lines.1),
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
        past.deeds.extend(made.deeds);
    }
    past.write(app, plan, now, progress).await?;
    finish(app, plan, &summary).await?;
    app.wake();
    Ok((summary, rest))
}

/// A chunk, ready to be written.
struct Made {
    cast: Cast,
    chunk: Chunk,
    rows: Rows,
    to: u64,
}

fn making(mut cast: Cast, from: u64, hash: Arc<str>) -> tokio::task::JoinHandle<Made> {
    tokio::task::spawn_blocking(move || {
        let to = cast.users().min(from + CHUNK);
        let chunk = cast.chunk(from, to);
        let rows = Rows::of(&cast, &chunk, &hash);
        Made { cast, chunk, rows, to }
    })
}

/// Somebody of this seed is there already: loading it again would fail half way, on the first address that exists.
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

/// Draws and stores the pictures of those attempts that get some; in their order.
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

fn attempt_rows(cast: &Cast, attempts: &[Attempt], stored: &[Option<Stored>], now: Timestamp) -> (Lines, Lines) {
    let (mut lines, mut files) = (Vec::with_capacity(attempts.len()), Vec::new());
    for (attempt, stored) in attempts.iter().zip(stored) {
        lines.push(rows::attempt(cast, attempt, stored.as_ref(), now));
        if let Some(stored) = stored {
            files.extend(stored.rows(attempt));
        }
    }
    (lines, files)
}

/// What a demonstration's staff did, gathered until everybody is there.
#[derive(Default)]
struct Past {
    deeds: Vec<Deed>,
    actors: Vec<Actor>,
}

impl Past {
    fn add(&mut self, chunk: &Chunk, plan: &Plan, now: Timestamp) {
        if plan.demo {
            for user in &chunk.users {
                self.deeds.extend(history::deeds(user, &chunk.attempts, now));
                if user.role.is_staff() {
                    self.actors.push(history::actor(user));
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
        let total = self.deeds.len() as u64;
        progress(Progress { stage: Stage::History, done: 0, total });
        let since = now - Duration::from_secs(u64::from(app.config.retention.event_days) * 86_400);
        let (keys, past) = (app.keys.clone(), Arc::new(self));
        app.db
            .write(move |conn| {
                async move { history::write(&keys, conn, &past.actors, past.deeds.clone(), since).await }.boxed()
            })
            .await?;
        progress(Progress { stage: Stage::History, done: total, total });
        Ok(())
    }
}

/// On record, and known to PostgreSQL's planner.
async fn finish(app: &App, plan: &Plan, summary: &Summary) -> Result<()> {
    let (keys, now) = (app.keys.clone(), app.now());
    let entry = audit::Entry {
        action: "db.seed",
        target_kind: "database",
        target: format!("seed:{}", plan.seed),
        reason: None,
        metadata: serde_json::json!({ "users": summary.users, "attempts": summary.attempts }),
    };
    app.db
        .patient()
        .write(move |conn| {
            async move {
                audit::append(&keys, conn, now, &Actor::System, entry).await?;
                if let Conn::Pg(_) = conn {
                    bulk::execute(conn, "ANALYZE".into()).await?;
                }
                Ok(())
            }
            .boxed()
        })
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

    fn add(&mut self, chunk: &Chunk, gallery: &Gallery, cast: &Cast) {
        self.users += chunk.users.len() as u64;
        self.attempts += chunk.attempts.len() as u64;
        self.open += chunk.attempts.iter().filter(|attempt| attempt.status.is_open()).count() as u64;
        self.files += 2 * chunk.attempts.iter().filter(|attempt| gallery.has(attempt)).count() as u64;
        for user in &chunk.users {
            let known = self.logins.iter().any(|login| login.role == user.role);
            if !known && user.status == crate::accounts::model::Status::Active && cast.has_password(user) {
                self.logins.push(Login { role: user.role, email: user.email.clone(), password: PASSWORD.into() });
            }
        }
    }
}

#[cfg(test)]
mod tests;
