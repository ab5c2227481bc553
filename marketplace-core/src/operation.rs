//! The context of an operation: the marketplace, the actor, the time, and the change.
//!
//! The context is created with [`App::by`]. A change can name a reason, a note and an expected version, and can be a dry run,
//! which does everything except keep the result.
//!
//! ```no_run
//! # use marketplace_core::{actor::Actor, app::App, error::Result, ids::UserId};
//! use marketplace_core::{accounts::model::UserAction, base::change::{Change, RestrictionReason}, users};
//!
//! # async fn example(app: &App, actor: &Actor, user: UserId) -> Result<()> {
//! let change = Change { reason: Some(RestrictionReason::Fraud), dry_run: true, ..Change::default() };
//! let op = app.by(actor).with(change);
//! users::act(&op, user, &UserAction::Freeze).await?;
//! # Ok(())
//! # }
//! ```

use std::{
    fmt,
    ops::Deref,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use futures::future::{BoxFuture, join_all};
use tokio::sync::oneshot;

use crate::{
    actor::Actor,
    app::App,
    base::{
        change::Change,
        error::{Error, Result},
        permission::Permission,
        time::Timestamp,
    },
    platform::db::Conn,
};

/// The context of one operation; cheap to clone. Dereferences to the [`App`], so that `op.db` is the database.
///
/// Every unit of work of an operation begins with [`Operation::write`]. What is recorded in it (an audit row, an event)
/// names this actor and this time. Those who follow the event log are woken when an event was recorded and the unit
/// committed: not by a dry run, not by a change that changed nothing.
#[derive(Clone, Debug)]
pub struct Operation(Arc<Inner>);

struct Inner {
    app: Arc<App>,
    actor: Actor,
    now: Timestamp,
    change: Change,
    /// Versions of the subject that are as good as the change's.
    or_versions: Vec<i64>,
    /// Whether the current unit recorded an event.
    has_event: AtomicBool,
    /// What the current unit wants done after its commit.
    after_commit: Mutex<Vec<BoxFuture<'static, ()>>>,
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { actor, now, change, .. } = self;
        f.debug_struct("Inner").field("actor", actor).field("now", now).field("change", change).finish_non_exhaustive()
    }
}

impl Inner {
    fn new(app: Arc<App>, actor: Actor, now: Timestamp, change: Change) -> Self {
        let (or_versions, has_event, after_commit) = (Vec::new(), AtomicBool::new(false), Mutex::default());
        Self { app, actor, now, change, or_versions, has_event, after_commit }
    }
}

impl Operation {
    /// Creates the context of one operation by `actor`, at the present time.
    pub fn new(app: &App, actor: Actor) -> Self {
        Self::owning(app.clone(), actor)
    }

    /// Like [`Operation::new`], for callers that need the marketplace for nothing else.
    pub(crate) fn owning(app: App, actor: Actor) -> Self {
        let now = app.clock.now();
        Self::of(Arc::new(app), actor, now, Change::default())
    }

    /// Creates the context of an operation at another time, for made-up histories.
    pub fn at(app: &App, actor: Actor, now: Timestamp) -> Self {
        Self::of(Arc::new(app.clone()), actor, now, Change::default())
    }

    /// Creates the context of due work, whose actor is the system.
    pub fn system(app: &App) -> Self {
        Self::new(app, Actor::System)
    }

    /// Returns the context of another operation by the same actor, at the present time.
    #[must_use]
    pub(crate) fn anew(&self) -> Self {
        let now = self.0.app.clock.now();
        Self::of(Arc::clone(&self.0.app), self.0.actor.clone(), now, Change::default())
    }

    /// Returns the same context with the reason, note, expected version and dry run of `change`.
    #[must_use]
    pub fn with(&self, change: Change) -> Self {
        self.derived(Arc::clone(&self.0.app), change)
    }

    /// Returns the same context with an expected version of the subject; with none, any version will do.
    #[must_use]
    pub fn at_version(&self, if_version: Option<i64>) -> Self {
        self.with(Change { if_version, ..self.0.change.clone() })
    }

    /// Returns the same context with several versions of the subject of which any will do; of none, none will.
    #[must_use]
    pub fn at_versions(&self, versions: Option<&[i64]>) -> Self {
        /// No version of anything.
        const NEVER: i64 = i64::MIN;
        let Some(versions) = versions else { return self.at_version(None) };
        let if_version = Some(versions.first().copied().unwrap_or(NEVER));
        let change = Change { if_version, ..self.0.change.clone() };
        let mut op = Inner::new(Arc::clone(&self.0.app), self.0.actor.clone(), self.0.now, change);
        op.or_versions = versions.to_vec();
        Self(Arc::new(op))
    }

    fn of(app: Arc<App>, actor: Actor, now: Timestamp, change: Change) -> Self {
        Self(Arc::new(Inner::new(app, actor, now, change)))
    }

    fn derived(&self, app: Arc<App>, change: Change) -> Self {
        let mut op = Inner::new(app, self.0.actor.clone(), self.0.now, change);
        op.or_versions.clone_from(&self.0.or_versions);
        Self(Arc::new(op))
    }

    /// Returns the actor.
    pub fn actor(&self) -> &Actor {
        &self.0.actor
    }

    /// Returns the time of the operation, the same from its beginning to its end.
    pub fn now(&self) -> Timestamp {
        self.0.now
    }

    /// Returns the change; the default for an operation that changes nothing.
    pub fn change(&self) -> &Change {
        &self.0.change
    }

    /// Checks that the actor has a permission.
    ///
    /// # Errors
    /// `forbidden`, naming the permission.
    pub fn require(&self, permission: Permission) -> Result<()> {
        self.0.actor.require(permission)
    }

    /// Returns the note of the change, checked; none when it is empty.
    ///
    /// # Errors
    /// `invalid` when it is too long or has characters that a note cannot have.
    pub fn note(&self) -> Result<Option<String>> {
        Ok(self.0.change.checked_note()?)
    }

    /// Checks that the subject is at the version that the change names, if it names one.
    ///
    /// # Errors
    /// `precondition_failed` with the subject's version.
    pub fn check_version(&self, version: i64) -> Result<()> {
        match self.0.change.if_version {
            Some(expected) if expected != version && !self.0.or_versions.contains(&version) => {
                Err(Error::stale(version))
            }
            _ => Ok(()),
        }
    }

    /// Returns the same context for units that may take long, on connections apart from those that serve people.
    #[must_use]
    pub fn patient(&self) -> Self {
        let app = App { db: self.0.app.db.patient(), ..App::clone(&self.0.app) };
        self.derived(Arc::new(app), self.0.change.clone())
    }

    /// Runs a unit of work in one transaction. It is durable when this returns `Ok`; on `Err`, and in a dry run, it is
    /// rolled back. Units are written with `unit!`, and wait for nothing but SQL. What a unit wants done after its commit is
    /// done when this returns, and also when its caller goes away.
    ///
    /// # Errors
    /// Errors of the unit and of the database.
    pub async fn write<T, F>(&self, unit: F) -> Result<T>
    where
        T: Send + 'static,
        F: for<'a> FnOnce(Operation, &'a mut Conn<'_>) -> BoxFuture<'a, Result<T>> + Clone + Send + 'static,
    {
        // Of its own for each unit: what another one records is not this one's.
        let op = self.with(self.0.change.clone());
        let woken = op.clone();
        let (begun, rest) = oneshot::channel();
        let after = move || {
            if woken.0.has_event.swap(false, Ordering::Relaxed) {
                woken.0.app.wake();
            }
            let work = std::mem::take(&mut *woken.after());
            if !work.is_empty() {
                // The caller may have gone away.
                let _ = begun.send(tokio::spawn(join_all(work)));
            }
        };
        let db = &self.0.app.db;
        let answer = db.write_then(self.0.change.dry_run, move |conn| op.begin(unit, conn), after).await?;
        if let Ok(rest) = rest.await {
            // A panic in it was reported, and takes nothing back.
            let _ = rest.await;
        }
        Ok(answer)
    }

    fn begin<'a, T>(
        self,
        unit: impl FnOnce(Self, &'a mut Conn<'_>) -> BoxFuture<'a, Result<T>>,
        conn: &'a mut Conn<'_>,
    ) -> BoxFuture<'a, Result<T>> {
        // It may be run again.
        self.0.has_event.store(false, Ordering::Relaxed);
        self.after().clear();
        unit(self, conn)
    }

    fn after(&self) -> MutexGuard<'_, Vec<BoxFuture<'static, ()>>> {
        self.0.after_commit.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has `work` done once the current unit is committed.
    pub(crate) fn after_commit(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.after().push(Box::pin(work));
    }

    /// Requests that those who follow the event log are woken when the current unit is committed.
    pub(crate) fn has_event(&self) {
        self.0.has_event.store(true, Ordering::Relaxed);
    }
}

impl App {
    /// Returns the context of one operation by `actor`, at the present time.
    #[must_use]
    pub fn by(&self, actor: &Actor) -> Operation {
        Operation::new(self, actor.clone())
    }
}

impl Deref for Operation {
    type Target = App;
    fn deref(&self) -> &App {
        &self.0.app
    }
}

/// Creates a unit of work: `op.write(unit!(|op, conn| { … })).await`. The body is async and has the operation and the
/// connection. It may be run again, so what it captures is cloned for each run.
#[macro_export]
macro_rules! unit {
    (|$op:ident, $conn:ident| $body:block) => {
        move |$op, $conn| {
            // Not every unit needs it.
            let _ = &$op;
            ::std::boxed::Box::pin(async move { $body })
        }
    };
}

#[cfg(test)]
mod tests {
    use crate::{
        accounts::model::{Status, UserAction},
        base::{
            change::{Change, RestrictionReason},
            permission::Role,
        },
        records::events::{self, EventKind},
        testing, users,
    };

    /// Some operations once woke followers on a dry run, or without a change.
    #[tokio::test]
    async fn followers_are_woken_exactly_when_an_event_is_committed() {
        for test in testing::apps().await {
            let app = test.app();
            let user = test.user(Role::Client, Status::Active).await;
            let mut woken = app.subscribe();
            let mut is_woken = move || std::iter::from_fn(|| woken.try_recv().ok()).count();
            is_woken();
            let op = app.by(&testing::OPERATOR);
            let freeze = Change { reason: Some(RestrictionReason::Fraud), ..Change::default() };
            let dry = op.with(Change { dry_run: true, ..freeze.clone() });
            assert!(users::act(&dry, user, &UserAction::Freeze).await.unwrap().changed);
            assert_eq!(is_woken(), 0, "a dry run changes nothing");
            let op = op.with(freeze);
            assert!(users::act(&op, user, &UserAction::Freeze).await.unwrap().changed);
            assert_eq!(is_woken(), 1);
            assert!(!users::act(&op, user, &UserAction::Freeze).await.unwrap().changed);
            assert_eq!(is_woken(), 0, "nothing was changed");
            let failed = op.write(unit!(|op, conn| {
                events::append(&op, conn, EventKind::Profile, "x", None).await?;
                Err::<(), _>(crate::base::error::Error::not_found("it"))
            }));
            assert!(failed.await.is_err());
            assert_eq!(is_woken(), 0, "nothing of it stays");
            // A caller who goes away takes nothing back, and nobody waits for the next look.
            let write = op.write(unit!(|op, conn| { events::append(&op, conn, EventKind::Profile, "x", None).await }));
            let mut write = Box::pin(write);
            assert!(futures::poll!(&mut write).is_pending());
            drop(write);
            let mut tries = 0..100;
            while is_woken() == 0 {
                assert!(tries.next().is_some(), "the commit woke nobody");
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
            test.close().await;
        }
    }
}
