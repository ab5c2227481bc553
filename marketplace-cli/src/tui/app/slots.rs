//! The screens of a running console.

use super::super::{
    component::{Entry, Screen},
    jump::{Link, in_order},
    keymap::Action,
    screens::{FIRST, REGISTRY},
};

/// A screen at work.
pub struct Slot {
    entry: Entry,
    /// The screen.
    pub screen: Box<dyn Screen>,
}

impl Slot {
    fn new(entry: Entry) -> Self {
        Self { screen: (entry.create)(), entry }
    }
    /// The action that leads there.
    pub fn home(&self) -> Action {
        self.entry.info.home
    }
    /// In help.
    pub fn title(&self) -> &'static str {
        self.entry.info.title
    }
}

/// All screens; there is always one.
pub struct Slots {
    first: Slot,
    others: Vec<Slot>,
}

impl Default for Slots {
    fn default() -> Self {
        Self { first: Slot::new(FIRST), others: REGISTRY.iter().copied().map(Slot::new).collect() }
    }
}

impl Slots {
    /// The screen that one begins at.
    pub fn start(&self) -> Action {
        self.first.home()
    }
    /// The screen to which an action leads.
    pub fn get(&self, home: Action) -> &Slot {
        self.others.iter().find(|slot| slot.home() == home).unwrap_or(&self.first)
    }
    /// The same, for changing it.
    pub fn get_mut(&mut self, home: Action) -> &mut Slot {
        self.others.iter_mut().find(|slot| slot.home() == home).unwrap_or(&mut self.first)
    }
    /// Each, in the order of the tabs.
    pub fn iter(&self) -> impl Iterator<Item = &Slot> {
        std::iter::once(&self.first).chain(&self.others)
    }
    /// Each, for changing it.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Slot> {
        std::iter::once(&mut self.first).chain(&mut self.others)
    }
    /// The ways out of what a screen shows.
    pub fn links_from(&self, home: Action) -> Vec<Link> {
        let relations = self.get(home).screen.relations();
        let links = self.iter().flat_map(|slot| (slot.entry.links)(&relations)).collect();
        in_order(links, relations.here)
    }
}
