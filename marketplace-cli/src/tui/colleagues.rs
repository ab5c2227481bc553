//! Names of colleagues: records name who did something by an id, which tells nobody anything.

use std::{
    cell::RefCell,
    collections::{BTreeSet, HashMap, HashSet},
    time::Duration,
};

use marketplace_core::{
    base::principal::Principal,
    ids::UserId,
    staff::{Connection, ShowUser},
    time::Timestamp,
};

use super::text;
use crate::people::{self, Named};

/// The delay before names that are still unknown are asked for, so that those of a screen are asked for together.
const AGAIN: Duration = Duration::from_millis(500);
/// The most names that are asked for one by one.
const MOST: usize = 20;

/// The names that are known.
#[derive(Debug, Default)]
pub struct Colleagues {
    names: HashMap<Principal, String>,
    /// Those that were to be drawn and have no name here.
    missing: RefCell<BTreeSet<String>>,
    /// Those that were asked for: whoever has no name then has none.
    asked: HashSet<UserId>,
    next: Option<Timestamp>,
}

impl Colleagues {
    /// Returns the name of whoever did something, as colleagues know it; a shortened id until it is known.
    pub fn name(&self, principal: &Principal) -> String {
        if let Some(name) = self.names.get(principal) {
            return text::clean(name).into_owned();
        }
        let (kind, id) = match principal.0.split_once(':') {
            Some((kind @ ("user" | "token"), id)) => (kind, id),
            Some(("local", name)) => return text::clean(name).into_owned(),
            _ => return text::who(principal),
        };
        self.missing.borrow_mut().insert(principal.0.clone());
        format!("{kind} {}", text::short_id(&id))
    }

    /// Returns the people who are to be asked for now, if any are: at first all staff, later whoever else was drawn.
    pub fn due(&mut self, now: Timestamp) -> Option<Vec<UserId>> {
        let first = self.next.is_none();
        if self.next.is_some_and(|next| now < next) {
            return None;
        }
        self.next = Some(now + AGAIN);
        let missing = self.missing.take().into_iter().filter_map(|id| Principal(id).user_id());
        let others: Vec<UserId> = missing.filter(|id| !self.asked.contains(id)).take(MOST).collect();
        self.asked.extend(&others);
        (first || !others.is_empty()).then_some(others)
    }

    /// Returns the people who are known, by name.
    pub fn people(&self) -> Vec<(String, UserId)> {
        let person = |(principal, name): (&Principal, &String)| principal.user_id().map(|id| (name.clone(), id));
        let mut people: Vec<_> = self.names.iter().filter_map(person).collect();
        people.sort();
        people
    }

    /// Takes names that were asked for.
    pub fn learn(&mut self, names: Vec<Named>) {
        self.names.extend(names);
    }
}

/// Asks for the names of all staff and of tokens, or later of these people; what cannot be had stays without a name.
pub async fn load(api: Connection, others: Vec<UserId>) -> Vec<Named> {
    let mut names = Vec::new();
    for id in &others {
        if let Ok(found) = api.call::<ShowUser>(*id, (), ()).await {
            names.push((Principal::user(*id), found.user.name));
        }
    }
    if others.is_empty() { people::load(&api).await } else { names }
}
