//! The screens of a running console.

use super::super::{
    component::{Entry, Screen},
    jump::{Link, in_order},
    keymap::Action,
    screens::{FIRST, REGISTRY},
};

/// A screen that is in use.
pub struct Slot {
    entry: Entry,
    /// The screen.
    pub screen: Box<dyn Screen>,
}

impl Slot {
    fn new(entry: Entry) -> Self {
        Self { screen: (entry.create)(), entry }
    }
    /// Returns the action that leads to it.
    pub fn home(&self) -> Action {
        self.entry.info.home
    }
    /// Returns its title in the help.
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
    /// Returns the action of the first screen.
    pub fn start(&self) -> Action {
        self.first.home()
    }
    /// Returns the screen to which an action leads.
    pub fn get(&self, home: Action) -> &Slot {
        self.others.iter().find(|slot| slot.home() == home).unwrap_or(&self.first)
    }
    /// Like [`Self::get`], mutably.
    pub fn get_mut(&mut self, home: Action) -> &mut Slot {
        self.others.iter_mut().find(|slot| slot.home() == home).unwrap_or(&mut self.first)
    }
    /// Iterates over the screens, in the order of the tabs.
    pub fn iter(&self) -> impl Iterator<Item = &Slot> {
        std::iter::once(&self.first).chain(&self.others)
    }
    /// Like [`Self::iter`], mutably.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Slot> {
        std::iter::once(&mut self.first).chain(&mut self.others)
    }
    /// Returns the links from what a screen shows.
    pub fn links_from(&self, home: Action) -> Vec<Link> {
        let relations = self.get(home).screen.relations();
        let links = self.iter().flat_map(|slot| (slot.entry.links)(&relations)).collect();
        in_order(links, relations.here)
    }
}
