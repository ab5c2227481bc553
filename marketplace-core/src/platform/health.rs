//! The health of each dependency of this program: one log line at each change of state, counters for `/metrics`, and the
//! list that `/readyz` and `doctor` show.
//!
//! Code that calls a dependency reports the outcome. A success costs one atomic load.

use std::{
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use crate::base::{error::Error, text_enum::text_enum};

text_enum! {
    /// Something that can fail while the rest goes on.
    pub enum Component {
        /// Reading from the database.
        Database = "database",
        /// Committing to the database.
        DatabaseWrites = "database_writes",
        /// The replica that lists are read from, where one is configured; while it is behind or away, the primary serves them.
        Replica = "replica",
        /// Redis, where one is configured.
        Redis = "redis",
        /// The mail server.
        Mail = "mail",
        /// Where files are stored.
        Files = "files",
        /// The virus scanner, where one is configured.
        Scanner = "scanner",
    }
}

/// The state of a component.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ComponentState {
    /// Which one.
    pub component: Component,
    /// Why it does not work, when the last use of it failed.
    pub failing: Option<String>,
    /// Uses that failed since the program started.
    pub failures: u64,
}

/// The states of all components; cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Health {
    slots: Arc<[Slot; Component::ALL.len()]>,
    is_quiet: bool,
}

#[derive(Debug, Default)]
struct Slot {
    is_failing: AtomicBool,
    failures: AtomicU64,
    recoveries: AtomicU64,
    reason: Mutex<String>,
}

impl Health {
    /// Returns a record that nobody is told of, for something whose state is recorded by others.
    pub(crate) fn quiet() -> Self {
        Self { is_quiet: true, ..Self::default() }
    }

    /// Records a use that succeeded.
    pub fn succeeded(&self, component: Component) {
        let Some(slot) = self.slot(component) else { return };
        if slot.is_failing.load(Ordering::Relaxed) && slot.is_failing.swap(false, Ordering::Relaxed) {
            let failures = slot.failures.load(Ordering::Relaxed);
            slot.recoveries.fetch_add(1, Ordering::Relaxed);
            if !self.is_quiet {
                tracing::info!(%component, failures, "the component works again");
            }
        }
    }

    /// Records a use that failed. `reason` goes into the log and to operators: no secret, nothing personal.
    pub fn failed(&self, component: Component, reason: impl fmt::Display) {
        let Some(slot) = self.slot(component) else { return };
        slot.failures.fetch_add(1, Ordering::Relaxed);
        let reason = reason.to_string();
        slot.reason.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&reason);
        if !slot.is_failing.swap(true, Ordering::Relaxed) && !self.is_quiet {
            tracing::error!(%component, reason, "the component fails; what does not need it goes on");
        }
    }

    /// Returns how often it has recovered: for uses that take long, see [`Health::failed_since`].
    pub fn recoveries(&self, component: Component) -> u64 {
        self.slot(component).map_or(0, |slot| slot.recoveries.load(Ordering::Relaxed))
    }

    /// Records a use that failed and that began when it had recovered so often. When it has recovered since, that use says
    /// nothing of how it is now, and is only counted.
    pub fn failed_since(&self, component: Component, recoveries: u64, reason: impl fmt::Display) {
        if self.recoveries(component) == recoveries {
            self.failed(component, reason);
        } else if let Some(slot) = self.slot(component) {
            slot.failures.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Returns whether the last use of it succeeded, or there was none.
    pub fn works(&self, component: Component) -> bool {
        self.slot(component).is_none_or(|slot| !slot.is_failing.load(Ordering::Relaxed))
    }

    /// Returns the state of every component, in the order of [`Component::ALL`].
    pub fn states(&self) -> Vec<ComponentState> {
        let state = |(component, slot): (&Component, &Slot)| ComponentState {
            component: *component,
            failing: slot
                .is_failing
                .load(Ordering::Relaxed)
                .then(|| slot.reason.lock().unwrap_or_else(PoisonError::into_inner).clone()),
            failures: slot.failures.load(Ordering::Relaxed),
        };
        Component::ALL.iter().zip(self.slots.iter()).map(state).collect()
    }

    fn slot(&self, component: Component) -> Option<&Slot> {
        self.slots.get(component as usize)
    }
}

/// Logs what failed in the background. While something that it needs is away there is no line: that component has its own, and a
/// thousand things that fail because of it add nothing.
pub fn log_failure(error: &Error, what: &'static str) {
    if error.code().retryable() {
        tracing::debug!(?error, "{what}");
    } else {
        tracing::warn!(?error, "{what}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_component_fails_alone_and_recovers() {
        let health = Health::default();
        health.failed(Component::Mail, "no answer");
        health.failed(Component::Mail, "refused");
        health.succeeded(Component::Redis);
        assert!(!health.works(Component::Mail) && health.works(Component::Redis));
        let mail = health.states().into_iter().find(|state| state.component == Component::Mail).unwrap();
        assert_eq!((mail.failing.as_deref(), mail.failures), (Some("refused"), 2));
        let before = health.recoveries(Component::Mail);
        health.succeeded(Component::Mail);
        assert!(health.works(Component::Mail));
        // What hung since before tells nothing new.
        health.failed_since(Component::Mail, before, "no answer");
        assert!(health.works(Component::Mail));
        health.failed_since(Component::Mail, health.recoveries(Component::Mail), "no answer");
        assert!(!health.works(Component::Mail));
    }
}
