//! What a demonstration need not wait for: cases that come in, and pictures of decided ones, as they are drawn.

use marketplace_core::events::EventKind;
use marketplace_core::operation::Operation;
use marketplace_core::unit;
use std::sync::Arc;

use futures::{FutureExt, StreamExt, stream};
use marketplace_core::{
    app::App,
    base::{error::Result, ids::UserId, time::Timestamp},
    kyc::status::KycStatus,
    platform::db::bulk::{self, Value},
    q,
    records::events,
};

use crate::{
    files::{Gallery, Stored},
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
    attempts: Vec<(Attempt, Vec<Value>)>,
}

impl Rest {
    pub(crate) fn new(gallery: Gallery, now: Timestamp) -> Self {
        Self { gallery, now, attempts: Vec::new() }
    }

    /// Adds attempts; `waiting` are not in the database yet, `there` are.
    pub(crate) fn add(&mut self, cast: &Users, mut waiting: Vec<Attempt>, there: Vec<Attempt>) {
        let mut decided: Vec<Attempt> = there.into_iter().filter(|attempt| attempt.later).collect();
        waiting.sort_by_key(|attempt| attempt.submitted_at);
        decided.sort_by_key(|attempt| std::cmp::Reverse(attempt.submitted_at));
        for attempt in waiting.into_iter().chain(decided) {
            let row = user_rows::attempt(cast, &attempt, None, self.now);
            self.attempts.push((attempt, row));
        }
    }

    /// Returns how many cases there are to draw.
    pub fn len(&self) -> u64 {
        self.attempts.len() as u64
    }

    /// Returns whether there is nothing to draw.
    pub fn is_empty(&self) -> bool {
        self.attempts.is_empty()
    }

    /// Draws `painters` cases at a time. A waiting case is added with its pictures, as if it were submitted now.
    ///
    /// # Errors
    /// Any error of the database or the file store.
    pub async fn run(self, app: &App, painters: usize, progress: &(dyn Fn(Progress) + Send + Sync)) -> Result<()> {
        let total = self.len();
        let gallery = self.gallery;
        let mut done = 0;
        let mut drawn = stream::iter(self.attempts)
            .map(|(attempt, row)| {
                let gallery = &gallery;
                async move {
                    let stored = gallery.store(app, &attempt).await;
                    (attempt, row, stored)
                }
            })
            .buffered(painters.max(1));
        while let Some((attempt, row, stored)) = drawn.next().await {
            let stored = stored?;
            let waits = attempt.status.is_open();
            let came =
                if waits { come_in(app, attempt, row, stored).await } else { add_files(app, attempt, stored).await };
            came?;
            if waits {
                app.wake();
            }
            done += 1;
            progress(Progress { stage: Stage::Pictures, done, total });
        }
        Ok(())
    }
}

/// Adds an attempt, unless something has happened to its worker meanwhile.
async fn come_in(app: &App, attempt: Attempt, mut row: Vec<Value>, stored: Stored) -> Result<()> {
    if let Some(key) = user_rows::ATTEMPTS.iter().zip(&mut row).find(|(name, _)| **name == "wrapped_key") {
        *key.1 = Value::Bytes(stored.wrapped_key.clone());
    }
    let (rows, files) = (Arc::new(vec![row]), Arc::new(stored.rows(&attempt).collect::<Vec<_>>()));
    Operation::system(app)
        .write(unit!(|op, conn| {
            let user: UserId = attempt.user;
            let changed = q!(conn => exec,
                    "UPDATE users SET kyc_status = $2, kyc_prior = $2, version = version + 1, updated_at = $3 \
                     WHERE id = $1 AND status = 'active' AND kyc_status = 'none'",
                    user, KycStatus::Pending, op.now())?;
            if changed == 1 {
                bulk::insert(conn, "kyc_attempts", user_rows::ATTEMPTS, &rows, &|_| ()).await?;
                bulk::insert(conn, "kyc_files", user_rows::FILES, &files, &|_| ()).await?;
                events::append(&op, conn, EventKind::KycSubmitted, &attempt.id.to_string(), Some(user)).await?;
            }
            Ok(())
        }))
        .await
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
