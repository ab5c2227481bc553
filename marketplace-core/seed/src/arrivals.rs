//! What a demonstration need not wait for: cases that come in, and pictures of decided ones, as they are drawn.

use marketplace_core::events::EventKind;
use marketplace_core::operation::Operation;
use marketplace_core::unit;
use std::sync::Arc;

use futures::{FutureExt, StreamExt, stream};
use marketplace_core::{
    actor::Actor,
    app::App,
    base::{
        error::{ErrorCode, Result},
        ids::{AttemptId, UserId},
        time::Timestamp,
    },
    kyc::{self, status::KycStatus},
    platform::db::bulk::{self, Value},
    q,
    records::events,
};

use crate::{
    files::{Gallery, Stored},
    photos,
    plan::{Progress, Stage},
    user_rows,
    users::{Attempt, Users},
};

/// The pictures that are still to be drawn.
#[derive(Debug)]
#[must_use = "nothing is drawn until it runs"]
pub struct Rest {
    gallery: Gallery,
    now: Timestamp,
    /// Attempts that wait, then those that are decided, newest first.
    attempts: Vec<Arrival>,
    staff: Vec<Actor>,
}

#[derive(Debug)]
struct Arrival {
    attempt: Attempt,
    row: Vec<Value>,
    /// Which of the staff claims it.
    claims: Option<usize>,
}

impl Rest {
    pub(crate) fn new(gallery: Gallery, now: Timestamp) -> Self {
        Self { gallery, now, attempts: Vec::new(), staff: Vec::new() }
    }

    /// Adds attempts; `waiting` are not in the database yet, `there` are.
    pub(crate) fn add(&mut self, cast: &Users, mut waiting: Vec<Attempt>, there: Vec<Attempt>) {
        let mut decided: Vec<Attempt> = there.into_iter().filter(|attempt| attempt.later).collect();
        waiting.sort_by_key(|attempt| attempt.submitted_at);
        decided.sort_by_key(|attempt| std::cmp::Reverse(attempt.submitted_at));
        for mut attempt in waiting.into_iter().chain(decided) {
            let claims = attempt.claimed_by.take();
            let row = user_rows::attempt(cast, &attempt, None, self.now);
            self.attempts.push(Arrival { attempt, row, claims });
        }
    }

    /// Adds the staff who claim some of the cases.
    pub(crate) fn with_staff(mut self, staff: &[Actor]) -> Self {
        self.staff.extend_from_slice(staff);
        self
    }

    /// Returns how many cases there are to draw.
    pub fn len(&self) -> u64 {
        self.attempts.len() as u64
    }

    /// Returns whether there is nothing to draw.
    pub fn is_empty(&self) -> bool {
        self.attempts.is_empty()
    }

    /// Draws `painters` cases at a time. A waiting case is added with its pictures, as if it were submitted now, and
    /// staff claim some of them. First come photos of reported services, and last those of others.
    ///
    /// # Errors
    /// Any error of the database or the file store.
    pub async fn run(self, app: &App, painters: usize, progress: &(dyn Fn(Progress) + Send + Sync)) -> Result<()> {
        let total = self.len();
        let Self { gallery, attempts, staff, .. } = self;
        if matches!(gallery, Gallery::Own) {
            photos::add_reported(app).await?;
        }
        let mut done = 0;
        let mut drawn = stream::iter(attempts)
            .map(|arrival| {
                let gallery = &gallery;
                async move {
                    let stored = gallery.store(app, &arrival.attempt).await;
                    (arrival, stored)
                }
            })
            .buffered(painters.max(1));
        while let Some((Arrival { attempt, row, claims }, stored)) = drawn.next().await {
            let (stored, id) = (stored?, attempt.id);
            if attempt.status.is_open() {
                let came = come_in(app, attempt, row, stored).await?;
                if let Some(holder) = claims.and_then(|holder| staff.get(holder)).filter(|_| came) {
                    claim(app, id, holder).await?;
                }
            } else {
                add_files(app, attempt, stored).await?;
            }
            done += 1;
            progress(Progress { stage: Stage::Pictures, done, total });
        }
        if matches!(gallery, Gallery::Own) { photos::add(app).await } else { Ok(()) }
    }
}

/// Adds an attempt, unless something has happened to its worker meanwhile. Returns whether it was added.
async fn come_in(app: &App, attempt: Attempt, mut row: Vec<Value>, stored: Stored) -> Result<bool> {
    if let Some(key) = user_rows::ATTEMPTS.iter().zip(&mut row).find(|(name, _)| **name == "wrapped_key") {
        *key.1 = Value::Bytes(stored.wrapped_key.clone());
    }
    let (rows, files) = (Arc::new(vec![row]), Arc::new(stored.rows(&attempt).collect::<Vec<_>>()));
    Operation::system(app)
        .write(unit!(|op, conn| {
            let user: UserId = attempt.user;
            let changed = q!(conn => exec,
                    "UPDATE users SET kyc_status = $2, kyc_prior = $2, kyc_effective_at = NULL, kyc_expires_at = NULL, \
                     version = version + 1, updated_at = $3 WHERE id = $1 AND status = 'active' \
                     AND (SELECT count(*) FROM kyc_attempts WHERE user_id = $1) = $4",
                    user, KycStatus::Pending, op.now(), attempt.number - 1)?;
            if changed == 1 {
                bulk::insert(conn, "kyc_attempts", user_rows::ATTEMPTS, &rows, &|_| ()).await?;
                bulk::insert(conn, "kyc_files", user_rows::FILES, &files, &|_| ()).await?;
                events::append(&op, conn, EventKind::KycSubmitted, &attempt.id.to_string(), Some(user)).await?;
            }
            Ok(changed == 1)
        }))
        .await
}

/// Claims an attempt, unless somebody at the console was faster.
async fn claim(app: &App, id: AttemptId, holder: &Actor) -> Result<()> {
    match kyc::claim(&app.by(holder), id).await {
        Err(error) if error.code() != ErrorCode::Conflict => Err(error),
        _ => Ok(()),
    }
}

/// Adds an attempt's files, unless it is gone.
async fn add_files(app: &App, attempt: Attempt, stored: Stored) -> Result<()> {
    let files = Arc::new(stored.rows(&attempt).collect::<Vec<_>>());
    let key = Arc::new(stored.wrapped_key);
    app.db
        .write(move |conn| {
            let (files, key) = (files.clone(), key.clone());
            async move {
                let changed = q!(conn => exec,
                    "UPDATE kyc_attempts SET wrapped_key = $2 WHERE id = $1 AND wrapped_key IS NULL",
                    attempt.id, key.as_slice())?;
                if changed == 1 {
                    bulk::insert(conn, "kyc_files", user_rows::FILES, &files, &|_| ()).await?;
                }
                Ok(())
            }
            .boxed()
        })
        .await
}
