//! What the console remembers of its user between sessions: filters that were used or saved, columns that are not shown, and
//! where each system was left.

use std::{cell::RefCell, collections::BTreeMap, path::PathBuf, rc::Rc};

use serde::{Deserialize, Serialize};

use crate::files::write_private;

/// The most filters of a list that are remembered.
const MOST: usize = 50;

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Kept {
    /// Filters by list, the newest last.
    used: BTreeMap<String, Vec<String>>,
    /// Filters by list and name.
    saved: BTreeMap<String, BTreeMap<String, String>>,
    /// Columns that are not shown, by list.
    hidden: BTreeMap<String, Vec<String>>,
    /// Where each system was left.
    left: BTreeMap<String, Left>,
}

/// Where a console was left.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Left {
    /// The screen.
    pub screen: String,
    /// Its filter, without what may name a person.
    pub filter: String,
}

/// What is remembered, in a file that only its user may read, if it has one. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Memory(Rc<RefCell<Kept>>, Option<PathBuf>);

impl Memory {
    /// Reads what is remembered in a file; one that cannot be read is as good as none.
    pub fn at(path: Option<PathBuf>) -> Self {
        let memory = Self(Rc::default(), path);
        memory.read();
        memory
    }

    fn read(&self) {
        let text = self.1.as_ref().and_then(|path| std::fs::read(path).ok());
        if let Some(kept) = text.and_then(|text| serde_json::from_slice(&text).ok()) {
            self.0.replace(kept);
        }
    }

    fn change(&self, change: impl FnOnce(&mut Kept)) {
        // Another console may have written meanwhile.
        self.read();
        change(&mut self.0.borrow_mut());
        if let Some(path) = &self.1
            && let Ok(text) = serde_json::to_vec(&*self.0.borrow())
        {
            // What cannot be written is remembered for this session only.
            drop(write_private(path, &text));
        }
    }

    /// Remembers a filter that was used.
    pub fn use_filter(&self, list: &str, filter: &str) {
        let filter = filter.trim().to_owned();
        if filter.is_empty() {
            return;
        }
        self.change(|kept| {
            let used = kept.used.entry(list.to_owned()).or_default();
            used.retain(|known| *known != filter);
            used.push(filter);
            let many = used.len().saturating_sub(MOST);
            used.drain(..many);
        });
    }
    /// Returns the filters that were used, the newest first.
    pub fn used(&self, list: &str) -> Vec<String> {
        self.0.borrow().used.get(list).map_or_else(Vec::new, |used| used.iter().rev().cloned().collect())
    }
    /// Saves a filter under a name; an empty one is forgotten.
    pub fn save_filter(&self, list: &str, name: &str, filter: &str) {
        self.change(|kept| {
            let saved = kept.saved.entry(list.to_owned()).or_default();
            if filter.trim().is_empty() {
                saved.remove(name);
            } else {
                saved.insert(name.to_owned(), filter.trim().to_owned());
            }
        });
    }
    /// Returns the names of a list's saved filters.
    pub fn names(&self, list: &str) -> Vec<String> {
        self.0.borrow().saved.get(list).map_or_else(Vec::new, |saved| saved.keys().cloned().collect())
    }
    /// Returns a saved filter.
    pub fn saved(&self, list: &str, name: &str) -> Option<String> {
        self.0.borrow().saved.get(list)?.get(name).cloned()
    }
    /// Remembers where a system was left.
    pub fn leave(&self, system: &str, left: Left) {
        self.change(|kept| drop(kept.left.insert(system.to_owned(), left)));
    }
    /// Returns where a system was left.
    pub fn left(&self, system: &str) -> Option<Left> {
        self.0.borrow().left.get(system).cloned()
    }
    /// Remembers which columns are not shown.
    pub fn hide(&self, list: &str, columns: &[&str]) {
        let columns = columns.iter().map(|column| (*column).to_owned()).collect();
        self.change(|kept| drop(kept.hidden.insert(list.to_owned(), columns)));
    }
    /// Returns which columns are not shown.
    pub fn hidden(&self, list: &str) -> Vec<String> {
        self.0.borrow().hidden.get(list).cloned().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_remembered_is_there_the_next_time() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("marketplace/console.json");
        let memory = Memory::at(Some(path.clone()));
        for filter in ["status:banned", "ada", "status:banned", " "] {
            memory.use_filter("users", filter);
        }
        memory.save_filter("users", "bans", "status:banned role:worker");
        memory.hide("users", &["email"]);
        let again = Memory::at(Some(path));
        let left = Left { screen: "users".into(), filter: "status:banned".into() };
        again.leave("prod", left.clone());
        // What one console writes is not lost by the other.
        memory.hide("jobs", &["state"]);
        assert_eq!((memory.left("prod"), memory.left("test")), (Some(left), None));
        assert_eq!(again.used("users"), ["status:banned", "ada"]);
        assert_eq!(again.saved("users", "bans").as_deref(), Some("status:banned role:worker"));
        assert_eq!((again.names("users"), again.names("jobs")), (vec!["bans".to_owned()], vec![]));
        assert_eq!(again.hidden("users"), ["email"]);
        again.save_filter("users", "bans", "");
        assert_eq!(again.saved("users", "bans"), None);
    }
}
