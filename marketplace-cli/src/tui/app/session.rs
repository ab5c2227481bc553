//! The end of the session, and of the console.

use std::time::Duration;

use crossterm::event::{Event as TermEvent, KeyCode, KeyEventKind};
use marketplace_core::{
    error::{ErrorCode, Result},
    staff::{Connection, Identity, WhoAmI},
};
use std::sync::Arc;

use super::{
    super::{
        browser::listing::Lists, heartbeat::Heartbeat, jump::Path, keymap::Action, memory::Left, write_guard::Gate,
    },
    App, Effect, Whoami,
    slots::Slots,
};

/// The least time between two questions for the identity because something was forbidden.
const DOUBT: Duration = Duration::from_secs(5);

/// How long what a stopped bulk action left is on the screen before it counts as read.
const READ: Duration = Duration::from_secs(2);

impl App {
    /// Ends what is shown if the session has ended. Returns whether it has.
    pub(super) fn watch_session(&mut self) -> bool {
        if let Some(why) = self.ctx.gate.take_over() {
            self.end(&why);
        } else if self.over.is_none() && self.ctx.gate.take_doubt() {
            let now = (self.ctx.pulse)();
            if self.doubted_at.is_none_or(|at| now.saturating_duration_since(at) >= DOUBT) {
                self.doubted_at = Some(now);
                self.ask_identity();
            }
        }
        self.over.is_some()
    }

    /// Asks the system who this is.
    pub(super) fn ask_identity(&mut self) {
        self.ctx.load(Whoami, |api| async move { api.call::<WhoAmI>((), (), ()).await });
    }

    /// Handles the identity of the caller: whoever is no staff any more sees nothing any more, and whoever may see less
    /// than before starts afresh.
    pub(super) fn identified(&mut self, answer: Result<Identity>) {
        match answer {
            Ok(identity) => {
                let less = self.ctx.identity.as_ref().is_some_and(|before| {
                    before.permissions.iter().any(|permission| !identity.permissions.contains(permission))
                });
                if less {
                    let mut said = format!("your role is {} now", identity.role);
                    let lost = self.losses();
                    self.clear();
                    if !lost.is_empty() {
                        said = format!("{said}; not done, or not known to be done: {}", lost.join(", "));
                        // The line may be too short for it.
                        self.ctx.error_detail = Some(vec![said.clone()]);
                    }
                    self.ctx.refuse(said);
                }
                if let Some(parted) = self.parted.take() {
                    if parted.who.as_ref() == Some(&identity.principal) {
                        // They have read what was not done.
                        parted.drafts.into_iter().for_each(|(name, draft)| self.ctx.drafts.put(&name, draft));
                    } else {
                        parted.undone.into_iter().for_each(|what| self.ctx.say_after(what));
                    }
                }
                self.ctx.identity = Some(identity);
            }
            Err(error) if matches!(error.code(), ErrorCode::Unauthenticated | ErrorCode::Forbidden) => {
                self.end(error.detail());
            }
            Err(error) => self.ctx.fail_quietly("whoami", &error),
        }
    }

    /// Forgets what is under way, and returns what is then not done, or not known to be.
    fn losses(&mut self) -> Vec<String> {
        let bulk = self.bulk.as_ref().filter(|bulk| bulk.running()).map(|bulk| bulk.summary());
        self.ctx.drop_acts().into_iter().chain(bulk).collect()
    }

    /// Removes everything that was shown.
    fn clear(&mut self) {
        if let Some(bulk) = self.bulk.take() {
            bulk.stop();
        }
        self.slots = Slots::default();
        self.active = self.slots.start();
        self.path = Path::default();
        if let Some((form, _)) = self.form.take() {
            form.leave();
        }
        self.popup = None;
        self.popups.clear();
        self.palette = None;
        self.running = None;
        self.prefill = None;
        self.failures = None;
        self.sight = None;
        self.tabs = Vec::new();
        self.ctx.stats = None;
        self.ctx.notice = None;
        self.ctx.error_detail = None;
        self.ctx.requests.clear();
        self.ctx.dirty = true;
        self.effects.extend([Effect::Forget, Effect::Redraw]);
    }

    fn end(&mut self, why: &str) {
        if self.over.is_some() {
            return;
        }
        let mut why = why.to_owned();
        let lost = self.losses();
        if !lost.is_empty() {
            why = format!("{why}\nnot done, or not known to be done: {}", lost.join(", "));
        }
        self.clear();
        self.ctx.drafts.bring_back();
        let parted = self.parted.get_or_insert_default();
        parted.undone.extend(lost);
        if let Some(identity) = self.ctx.identity.take() {
            parted.who = Some(identity.principal);
            parted.drafts = self.ctx.drafts.take();
        }
        self.over = Some(why);
        self.ctx.title = String::new();
    }

    pub(super) fn event_after_end(&mut self, event: &TermEvent) {
        self.ctx.dirty = true;
        let TermEvent::Key(key) = event else { return };
        if key.kind != KeyEventKind::Press {
            return;
        }
        if key.code == KeyCode::Enter {
            self.effects.push(Effect::LogIn);
        } else if self.ctx.keymap.find((*key).into(), self.active) == Some(Action::QUIT) {
            self.quit = true;
        }
    }

    /// Goes on with another session, from the first screen.
    pub fn resume(&mut self, api: Connection, gate: Arc<Gate>) {
        self.over = None;
        self.doubted_at = None;
        self.ctx.api = api;
        self.ctx.gate = gate;
        self.heartbeat = Heartbeat::default();
        self.ask_identity();
        self.clear();
        self.tick();
    }

    /// Learns that the console stood still, and may have been hidden: what it showed counts from the next frame only.
    pub fn interrupted(&mut self) {
        self.sight = None;
        self.title = String::new();
        self.keys.interrupted();
        self.ctx.dirty = true;
    }

    /// Draws every picture again, in the way that has just become known.
    pub fn pictures_changed(&mut self) {
        for slot in self.slots.iter_mut() {
            slot.screen.pictures_changed();
        }
        self.ctx.dirty = true;
        self.effects.push(Effect::Redraw);
    }

    /// Says why nobody could log in.
    pub fn not_resumed(&mut self, why: &str) {
        self.over = Some(why.to_owned());
        self.ctx.dirty = true;
    }

    fn place(&self) -> String {
        format!("{} {}", self.ctx.options.way, self.ctx.options.system)
    }

    /// Begins where this system was left.
    pub(super) fn go_on(&mut self) {
        let Some(left) = self.ctx.memory.left(&self.place()).filter(|_| self.ctx.options.resumes) else { return };
        let home = self.slots.iter().map(super::slots::Slot::home).find(|home| home.name == left.screen);
        let Some(home) = home else { return };
        self.active = home;
        let (screen, ctx) = self.screen();
        if let Some(list) = screen.lists_mut().filter(|list| list.kept_filter() != left.filter) {
            list.filter(&left.filter, ctx);
        }
    }

    /// Keeps where this system is left.
    fn leave_off(&self) {
        if self.ctx.options.resumes && self.over.is_none() {
            let filter = self.seen().lists().map_or_else(String::new, Lists::kept_filter);
            self.ctx.memory.leave(&self.place(), Left { screen: self.active.name.to_owned(), filter });
        }
    }

    /// Begins to leave: nothing new is begun, and a bulk action stops after its current item.
    pub fn leave(&mut self) {
        self.leave_off();
        self.ctx.leave();
        self.ctx.gate.close();
        if let Some(bulk) = &self.bulk {
            bulk.stop();
        }
        // Who stops it and leaves at once has not read what it left.
        if let Some((said, _)) = self.stopped.take().filter(|(_, at)| self.ctx.now().since(*at) < READ) {
            self.ctx.say_after(said);
        }
        self.form = None;
        self.popup = None;
        self.palette = None;
        self.running = None;
        let what = self.pending().join(", ");
        if self.busy() && self.over.is_none() {
            let what = if what.is_empty() { "claims to be given back" } else { &what };
            let key = self.ctx.keymap.key(Action::QUIT);
            self.ctx.say(format!("leaving, waiting for: {what} · {key} leaves at once"));
        }
    }

    fn pending(&self) -> Vec<String> {
        let acts = self.ctx.under_way().filter(|what| !what.is_empty()).map(str::to_owned);
        acts.chain(self.bulk.as_ref().filter(|bulk| bulk.running()).map(|bulk| bulk.summary())).collect()
    }

    /// Returns whether something is under way that must not be lost.
    pub fn busy(&self) -> bool {
        self.ctx.under_way().next().is_some() || self.bulk.as_ref().is_some_and(|bulk| bulk.running())
    }

    /// Returns whether an event asks to leave without waiting any longer.
    pub fn leaves_at_once(&self, event: &TermEvent) -> bool {
        matches!(event, TermEvent::Key(key) if key.kind == KeyEventKind::Press
            && self.ctx.keymap.find((*key).into(), self.active) == Some(Action::QUIT))
    }

    /// Returns what was not done, or is not known to be done, when the console is left now.
    pub fn undone(&self) -> Vec<String> {
        let open = self.pending().into_iter().map(|what| format!("{what}: no answer, so it may not have been done"));
        let parted = self.parted.iter().flat_map(|parted| &parted.undone);
        self.ctx.unsaid().iter().chain(parted).cloned().chain(open).collect()
    }
}
