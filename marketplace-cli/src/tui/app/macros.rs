//! Runs macros, one act after the other.

use super::{
    super::{
        jump::Destination,
        keymap::Action,
        macros::{Macro, Pending, Running},
    },
    App,
};

impl App {
    /// Begins a macro on the current row.
    pub(super) fn begin(&mut self, chosen: &Macro) {
        if self.running.is_some() {
            self.ctx.refuse("a macro is under way: Esc stops it");
            return;
        }
        if self.seen().lists().is_some_and(|list| list.marked("").is_some()) {
            self.ctx.refuse("a macro works on one row: clear the marks first");
            return;
        }
        // What it is about is settled now: an act may lead on to the next row.
        let links = self.slots.links_from(self.active);
        let link = |home: Action| -> Option<Destination> {
            links.iter().map(|link| &link.to).find(|to| to.home == home).cloned()
        };
        let mut left = std::collections::VecDeque::new();
        for act in &chosen.acts {
            let home = act.screen.filter(|home| *home != self.active);
            let to = home.and_then(link);
            if let (Some(home), None) = (home, &to) {
                self.ctx.refuse(format!("{}: this row leads to nothing in {}", chosen.name, home.label));
                return;
            }
            if to.is_none() && !self.ctx.keymap.of(self.active).any(|row| row.action == act.action) {
                self.ctx.refuse(format!("{}: `{}` is no action here", chosen.name, act.action.name));
                return;
            }
            left.push_back(Pending { to, action: act.action, with: act.with.clone() });
        }
        let row = self.seen().relations().audit;
        // What failed before has nothing to do with it.
        self.ctx.notice = None;
        self.running = Some(Running { name: chosen.name.clone(), home: self.active, row, is_away: false, left });
        self.run_on();
    }

    /// Stops the macro that is under way.
    pub(super) fn stop_macro(&mut self, why: &str) {
        self.prefill = None;
        if let Some(running) = self.running.take() {
            let left = running.left.len();
            if left > 0 {
                self.ctx.refuse(format!("{}: {why}; {left} of its acts not done", running.name));
            }
        }
    }

    /// Does the next act of a macro, once the one before is done.
    pub(super) fn run_on(&mut self) {
        let Some(running) = &self.running else { return };
        let asks = self.form.is_some() || self.popup.is_some() || self.palette.is_some();
        if asks || self.prefill.is_some() || self.pending_acts() || !self.seen().ready() {
            return;
        }
        if let Some(failed) = self.ctx.notice.as_ref().filter(|notice| notice.bad) {
            let why = failed.whole();
            self.stop_macro(&why);
            return;
        }
        let (home, row, is_away) = (running.home, running.row.clone(), running.is_away);
        let next = running.left.front().map(|next| (next.to.clone(), next.action));
        let wanted = next.as_ref().map_or(home, |(to, _)| to.as_ref().map_or(home, |to| to.home));
        if is_away && wanted != self.active {
            self.back();
            if let Some(running) = &mut self.running {
                running.is_away = false;
            }
        }
        let Some((to, action)) = next else {
            self.running = None;
            return;
        };
        match to {
            Some(to) if self.active != to.home => {
                self.go(&to);
                if let Some(running) = &mut self.running {
                    running.is_away = true;
                }
                // It has to be loaded first.
                return;
            }
            None if self.seen().relations().audit != row => {
                self.stop_macro("this is another row by now");
                return;
            }
            _ => {}
        }
        let Some(act) = self.running.as_mut().and_then(|running| running.left.pop_front()) else { return };
        self.prefill = Some(act.with);
        self.act(action);
        // Whatever it asks arrives as a request; what asks nothing has nothing to be filled in.
        if self.ctx.requests.is_empty() {
            self.prefill = None;
        }
    }

    fn pending_acts(&self) -> bool {
        self.ctx.under_way().any(|what| !what.is_empty()) || self.bulk.as_ref().is_some_and(|bulk| bulk.running())
    }
}
