//! Names in place of ids, in tables and cards. Programs get the ids, and so does whoever asks for a field by its name.

use std::{
    borrow::Cow,
    collections::HashMap,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
};

use marketplace_core::{base::principal::Principal, ids::UserId};

/// The names that are known. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct People(Arc<Known>);

#[derive(Debug, Default)]
struct Known {
    names: RwLock<HashMap<String, String>>,
    is_wanted: AtomicBool,
}

impl People {
    /// Returns the name of whoever did something; the principal itself where none is known.
    pub fn name<'a>(&self, principal: &'a str) -> Cow<'a, str> {
        let names = self.0.names.read().unwrap_or_else(PoisonError::into_inner);
        names.get(principal).map_or(Cow::Borrowed(principal), |name| Cow::Owned(name.clone()))
    }

    /// Returns the name of an account's owner; the id where none is known.
    pub fn owner(&self, id: UserId) -> String {
        let principal = Principal::user(id);
        let names = self.0.names.read().unwrap_or_else(PoisonError::into_inner);
        names.get(&principal.0).map_or_else(|| id.to_string(), |name| format!("{name} ({id})"))
    }

    /// Records that what is going to be printed names people.
    pub fn want(&self) {
        self.0.is_wanted.store(true, Ordering::Relaxed);
    }

    /// Returns whether names are wanted and none is known yet.
    pub fn are_missing(&self) -> bool {
        self.0.is_wanted.load(Ordering::Relaxed)
            && self.0.names.read().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// Takes names.
    pub fn learn(&self, names: Vec<(Principal, String)>) {
        let names = names.into_iter().map(|(principal, name)| (principal.0, name));
        self.0.names.write().unwrap_or_else(PoisonError::into_inner).extend(names);
    }
}
