//! The application: the current screen, overlays in front of it, and the routing of keys, results and ticks.

mod draw;
mod frame;
mod macros;
mod parted;
mod session;
mod slots;

use std::{
    any::Any,
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use crossterm::event::{Event as TermEvent, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use marketplace_core::{error::Result, staff::Identity, time::Timestamp};
use ratatui::{buffer::Buffer, layout::Rect};

use self::slots::Slots;
use super::{
    bulk::Bulk,
    component::{Farewell, Screen},
    ctx::{Confirmed, Ctx, Request},
    heartbeat::Heartbeat,
    jump::{Destination, Path, Step, letter},
    key_gate::{KeyGate, Press},
    keymap::Action,
    macros::Running,
    message::Message,
    widgets::{
        form::{Choice, Form, Outcome},
        palette::{Palette, Typing},
        popup::{PopLine, Popup},
    },
};

/// How long something is on the screen before it can be decided.
const LOOK: Duration = Duration::from_millis(400);

/// The identity of the caller.
struct Whoami(Result<Identity>);

/// The meaning of a form that the console itself opened.
enum Intent {
    /// Jump to the chosen destination.
    Jump(Vec<Destination>),
    /// Quit although a bulk action runs.
    Quit,
}

/// What the terminal must do besides drawing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Copy this to the clipboard.
    Copy(String),
    /// Redraw everything.
    Redraw,
    /// Go to the background.
    Suspend,
    /// Make the terminal forget the pictures that it keeps.
    Forget,
    /// Log in again, on the ordinary screen.
    LogIn,
    /// Tell somebody who does not look.
    Alert(String),
    /// Give the terminal this title.
    Title(String),
}

/// The console.
pub struct App {
    /// The state that all components share.
    pub ctx: Ctx,
    /// Effects that the terminal has yet to carry out.
    pub effects: Vec<Effect>,
    /// Whether the console should quit.
    pub quit: bool,
    heartbeat: Heartbeat,
    active: Action,
    slots: Slots,
    path: Path,
    form: Option<(Box<Form>, Box<dyn Any>)>,
    popup: Option<Popup>,
    /// Those that wait until one is closed that nothing may take the place of.
    popups: VecDeque<Popup>,
    palette: Option<Palette>,
    bulk: Option<Box<Bulk>>,
    failures: Option<Popup>,
    tabs: Vec<(Rect, Action)>,
    drawn_second: i64,
    keys: KeyGate,
    /// What an act would decide, as the last frame showed it in whole, and since when.
    sight: Option<(String, Instant)>,
    /// Whether the window is too small to show anything.
    small: bool,
    /// Why the session ended: nothing is shown then.
    over: Option<String>,
    /// What the session left behind that ended, until it is known who logged in.
    parted: Option<parted::Parted>,
    /// When the identity was last asked for because something was forbidden.
    doubted_at: Option<Instant>,
    /// The title that the terminal has.
    title: String,
    /// The macro under way.
    running: Option<Running>,
    /// What its current act fills in.
    prefill: Option<String>,
    /// Whether frames are recorded, and the last one as it may be.
    pub recording: Recording,
    /// What a bulk action that was stopped left, and when.
    stopped: Option<(String, Timestamp)>,
}

/// Whether frames are recorded.
#[derive(Debug, Default)]
pub enum Recording {
    /// They are not.
    #[default]
    Off,
    /// They are; with the last one that was drawn.
    On(Option<Buffer>),
}

impl App {
    /// Creates the console at the dashboard, with the first loads in progress.
    pub fn new(ctx: Ctx) -> Self {
        let slots = Slots::default();
        let mut app = Self {
            ctx,
            effects: Vec::new(),
            quit: false,
            heartbeat: Heartbeat::default(),
            active: slots.start(),
            slots,
            path: Path::default(),
            form: None,
            popup: None,
            popups: VecDeque::new(),
            palette: None,
            bulk: None,
            failures: None,
            tabs: Vec::new(),
            drawn_second: 0,
            keys: KeyGate::default(),
            sight: None,
            small: false,
            over: None,
            parted: None,
            doubted_at: None,
            title: String::new(),
            running: None,
            prefill: None,
            recording: Recording::Off,
            stopped: None,
        };
        app.ask_identity();
        app.go_on();
        app.tick();
        app
    }

    fn at(&mut self, home: Action) -> (&mut dyn Screen, &mut Ctx) {
        (self.slots.get_mut(home).screen.as_mut(), &mut self.ctx)
    }
    fn screen(&mut self) -> (&mut dyn Screen, &mut Ctx) {
        self.at(self.active)
    }
    fn seen(&self) -> &dyn Screen {
        self.slots.get(self.active).screen.as_ref()
    }
    fn each(&mut self) -> (impl Iterator<Item = &mut (dyn Screen + 'static)>, &mut Ctx) {
        (self.slots.iter_mut().map(|slot| slot.screen.as_mut()), &mut self.ctx)
    }

    /// Goes to a destination; what its screen showed before is restored on the way back.
    fn go(&mut self, to: &Destination) {
        let (from, subject, to) = (self.active, &to.subject, to.home);
        let (screen, ctx) = self.at(to);
        let stashed = screen.stash();
        screen.go(subject, ctx);
        self.path.push(Step { from, to, stashed });
        self.active = to;
    }

    /// Goes back along the jumps.
    fn back(&mut self) {
        if let Some(step) = self.path.back(self.active) {
            let (screen, ctx) = self.at(step.to);
            screen.restore(step.stashed, ctx);
            self.active = step.from;
        }
    }

    /// Handles an event of the terminal.
    pub fn event(&mut self, event: TermEvent) {
        let before = self.layers();
        if self.over.is_some() {
            return self.event_after_end(&event);
        }
        match event {
            TermEvent::Key(key) if key.kind == KeyEventKind::Release => {
                self.keys.released(key, (self.ctx.pulse)());
                return;
            }
            TermEvent::Key(key) => self.key(key),
            TermEvent::Paste(pasted) if !self.small => self.paste(&pasted),
            TermEvent::Mouse(mouse) if !self.small => self.mouse(mouse),
            TermEvent::Resize(width, height) => {
                self.small = frame::too_small(width, height);
                self.ctx.dirty = true;
            }
            _ => return,
        }
        self.handled(before);
    }

    /// Runs after every event.
    fn handled(&mut self, before: (Action, bool, bool)) {
        self.settle();
        // A character that the terminal drew wider than declared would otherwise remain visible in the next layer.
        if self.layers() != before {
            self.effects.push(Effect::Redraw);
        }
    }

    /// Returns the visible layers, from the screen up.
    fn layers(&self) -> (Action, bool, bool) {
        (self.active, self.popup.is_some(), self.form.is_some())
    }

    /// Handles a key, unless it is a held one that has acted.
    fn key(&mut self, key: KeyEvent) {
        let now = (self.ctx.pulse)();
        if let Some(waited) = self.keys.flush(key) {
            self.press(waited, Press::Pressed);
            self.settle();
        }
        let press = self.keys.judge(key, now);
        let text = matches!(key.code, KeyCode::Char(_)) && self.typing();
        match press {
            // What is typed is text however fast it comes.
            Press::Spent if text => self.press(key, Press::Repeated),
            Press::Spent | Press::Unknown => {}
            Press::Pressed | Press::Repeated => self.press(key, press),
        }
    }

    /// Returns whether characters are text now.
    fn typing(&self) -> bool {
        match (&self.popup, &self.form, &self.palette) {
            (Some(_), ..) => false,
            (None, Some((form, _)), _) => form.typing(),
            (None, None, Some(_)) => true,
            (None, None, None) => self.seen().typing(),
        }
    }

    fn press(&mut self, key: KeyEvent, press: Press) {
        let asked = self.form.is_some();
        let acted = self.route(key, press == Press::Repeated);
        self.settle();
        if acted || self.form.is_some() != asked {
            self.keys.acted(key, (self.ctx.pulse)());
        }
    }

    /// Passes a key to whatever has the focus. Returns whether it acted, or would have.
    fn route(&mut self, key: KeyEvent, repeated: bool) -> bool {
        self.ctx.dirty = true;
        if self.small {
            // What cannot be seen cannot be decided, nor answered.
            let text = self.typing() && !key.modifiers.contains(KeyModifiers::CONTROL) && key.code != KeyCode::Esc;
            match self.ctx.keymap.find(key.into(), self.active).filter(|_| !text) {
                Some(Action::QUIT) => self.quit = true,
                Some(Action::SUSPEND) => self.act(Action::SUSPEND),
                Some(Action::BACK) => {
                    if let Some(bulk) = self.bulk.as_ref().filter(|bulk| bulk.running()) {
                        bulk.stop();
                    }
                }
                _ => {}
            }
            return false;
        }
        if let Some(popup) = &mut self.popup {
            if !popup.key(key) {
                self.close_popup();
            }
            return false;
        }
        if let Some((form, _)) = &mut self.form {
            let moves = matches!(key.code, KeyCode::Up | KeyCode::Down | KeyCode::Left | KeyCode::Right);
            if repeated && !moves && (key.code == KeyCode::Enter || !form.typing()) {
                return false;
            }
            // What is typed stays until it can be done.
            if key.code == KeyCode::Enter
                && key.modifiers.is_empty()
                && form.keeps()
                && let Err(error) = self.ctx.gate.check()
            {
                self.ctx.refuse(error.detail().to_owned());
                return false;
            }
            if self.ctx.keymap.find(key.into(), self.active) == Some(Action::REPLY) {
                form.choose_reply();
                return false;
            }
            match form.key(key) {
                Outcome::Open => {}
                Outcome::Cancelled => {
                    self.form = None;
                    self.stop_macro("stopped");
                }
                Outcome::Filled(filled) => {
                    if let Some((form, intent)) = self.form.take() {
                        self.confirmed(&form, Confirmed::new(filled, intent));
                    }
                }
            }
            return false;
        }
        if let Some(palette) = &mut self.palette {
            let typing = palette.key(key, &self.ctx.keymap, self.active);
            if typing != Typing::Open {
                self.palette = None;
            }
            match typing {
                Typing::Run(action) => {
                    self.act(action);
                    return action.decides();
                }
                Typing::Filter(words) => {
                    let (screen, ctx) = self.screen();
                    screen.filter(&words, ctx);
                }
                Typing::Go(place) => self.go(&place),
                Typing::Macro(name) => match self.ctx.macros.named(&name).cloned() {
                    Some(chosen) => self.begin(&chosen),
                    None => self.ctx.refuse(format!("`{name}` is no macro: they are under [macros] in the settings")),
                },
                Typing::Refused(why) => self.ctx.refuse(why),
                Typing::Open | Typing::Closed => {}
            }
            return false;
        }
        if self.seen().typing() {
            let (screen, ctx) = self.screen();
            screen.key(key, ctx);
            return false;
        }
        if let Some(chosen) = self.ctx.macros.of_key(key.into()).cloned() {
            if !repeated {
                self.begin(&chosen);
            }
            return true;
        }
        let Some(action) = self.ctx.keymap.find(key.into(), self.active) else { return false };
        if action == Action::BACK && self.running.is_some() {
            self.stop_macro("stopped");
            return false;
        }
        if repeated && action.decides() {
            return true;
        }
        self.act(action);
        action.decides()
    }

    /// Returns why the item that an act decides has not been seen, if so.
    fn unseen(&self, action: Action) -> Option<&'static str> {
        let sight = self.seen().sight(action)?;
        if sight.missing.is_some() {
            return sight.missing;
        }
        let now = (self.ctx.pulse)();
        match &self.sight {
            Some((subject, since)) if *subject == sight.subject && now.saturating_duration_since(*since) >= LOOK => {
                None
            }
            _ => Some("this was shown only just now: look, then press again"),
        }
    }

    /// Learns what the frame that was just drawn shows.
    fn saw(&mut self) {
        let screen = self.seen();
        let sight = screen.acts_on_sight().and_then(|act| screen.sight(act)).filter(|sight| sight.missing.is_none());
        let now = (self.ctx.pulse)();
        self.sight = sight.map(|sight| match self.sight.take() {
            Some((subject, since)) if subject == sight.subject => (subject, since),
            _ => (sight.subject, now),
        });
    }

    /// Passes a confirmed form on; what was filled in comes back when it was in vain.
    fn confirmed(&mut self, form: &Form, confirmed: Confirmed) {
        let before = self.ctx.notice.take();
        self.pass_on(confirmed);
        let is_refused = self.ctx.notice.as_ref().is_some_and(|notice| notice.bad);
        if (self.ctx.take_keeps_filled() || is_refused) && form.keeps() {
            self.ctx.drafts.take_back();
        }
        self.ctx.notice = self.ctx.notice.take().or(before);
    }

    fn close_popup(&mut self) {
        self.popup = self.popups.pop_front();
    }

    fn pass_on(&mut self, confirmed: Confirmed) {
        let mut confirmed = match confirmed.open() {
            Ok((Intent::Quit, _)) => {
                self.quit = true;
                return;
            }
            Ok((Intent::Jump(places), filled)) => {
                if let Some(place) = filled.picked.first().and_then(|at| places.get(*at)) {
                    self.go(place);
                }
                return;
            }
            Err(confirmed) => confirmed,
        };
        let (screens, ctx) = self.each();
        for screen in screens {
            if let Some(list) = screen.lists_mut() {
                match list.confirmed(confirmed, ctx) {
                    Ok(()) => return,
                    Err(other) => confirmed = other,
                }
            }
            match screen.confirmed(confirmed, ctx) {
                Ok(()) => return,
                Err(other) => confirmed = other,
            }
        }
    }

    /// Opens the list of all links to choose from.
    fn choose_jump(&mut self) {
        let links = self.slots.links_from(self.active);
        if links.is_empty() {
            self.ctx.say("nothing to jump to from here");
            return;
        }
        let choices = links.iter().map(|link| Choice { key: link.key, label: link.label.clone(), template: "" });
        let form = Form::new("Jump to").choices(choices.collect(), false).at_once().first_by_default();
        self.ctx.ask(form, Intent::Jump(links.into_iter().map(|link| link.to).collect()));
    }

    /// Performs an action, if it is permitted.
    pub fn act(&mut self, action: Action) {
        if action == Action::BACK
            && let Some(bulk) = self.bulk.as_ref().filter(|bulk| bulk.running())
        {
            bulk.stop();
            return;
        }
        if let Some(needed) = action.needs {
            if action.writes()
                && let Err(error) = self.ctx.gate.check()
            {
                self.ctx.refuse(error.detail().to_owned());
                return;
            }
            if !self.ctx.may(needed) {
                let role = self.ctx.identity.as_ref().map_or("your role", |identity| identity.role.as_str());
                self.ctx.refuse(format!("{} needs the permission {needed}, which {role} has not", action.name));
                return;
            }
        }
        if action.decides() && self.bulk.as_ref().is_some_and(|bulk| bulk.running()) {
            self.ctx.refuse("a bulk action is under way: wait for it, or Esc stops it");
            return;
        }
        if action.decides()
            && let Some(why) = self.unseen(action)
        {
            self.ctx.refuse(why);
            return;
        }
        if let Some(why) = self.seen().why_not(action, &self.ctx) {
            self.ctx.refuse(why);
            return;
        }
        self.ctx.notice = None;
        let (screen, ctx) = self.screen();
        if screen.action(action, ctx) {
            return;
        }
        match action {
            _ if self.slots.iter().any(|slot| slot.home() == action) => self.active = action,
            Action::BACK => self.back(),
            Action::JUMP => self.choose_jump(),
            Action::HELP => {
                let title = self.slots.get(self.active).title();
                self.popup = Some(Popup::help(&self.ctx.keymap, self.active, title, &self.ctx.macros));
            }
            Action::COMMAND => self.palette = Some(Palette::default()),
            Action::QUIT => {
                if self.bulk.as_ref().is_some_and(|bulk| bulk.running()) {
                    let form = Form::new("Quit").line("A bulk action is under way; quitting stops it where it is.");
                    self.ctx.ask(form, Intent::Quit);
                } else {
                    self.quit = true;
                }
            }
            Action::EXACT_TIMES => self.ctx.times.exact = !self.ctx.times.exact,
            Action::ERROR_DETAIL => match &self.ctx.error_detail {
                Some(lines) => self.popup = Some(Popup::text("Latest error", lines.clone()).private()),
                None => self.ctx.refuse("no error so far"),
            },
            Action::FAILURES => match &self.failures {
                Some(popup) => self.popup = Some(popup.clone()),
                None => self.ctx.refuse("no bulk action so far"),
            },
            Action::SHOW_CLI => {
                let mut lines =
                    vec![PopLine::Text("The same on the command line:".into()), PopLine::Text(String::new())];
                lines.extend(self.seen().commands().into_iter().map(PopLine::Text));
                // It repeats what was typed: notes, comments, what was searched for.
                self.popup = Some(Popup::new("As command", lines).private());
            }
            Action::RELOAD => {
                self.reload();
                self.ctx.say("loading again");
            }
            Action::REPLY => self.ctx.refuse("there is nothing to write in here"),
            Action::REDRAW => self.effects.push(Effect::Redraw),
            Action::SUSPEND => self.effects.push(Effect::Suspend),
            other => {
                if let Some(letter) = letter(other) {
                    match self.slots.links_from(self.active).into_iter().find(|link| link.key == letter) {
                        Some(link) => self.go(&link.to),
                        None => self.ctx.refuse(format!("{}: this row leads to none", other.label)),
                    }
                }
            }
        }
    }

    fn reload(&mut self) {
        self.ask_identity();
        let (screens, ctx) = self.each();
        for screen in screens {
            screen.reload(ctx);
        }
    }

    fn paste(&mut self, pasted: &str) {
        self.ctx.dirty = true;
        if let Some((form, _)) = &mut self.form {
            form.paste(pasted);
        } else if let Some(palette) = &mut self.palette {
            palette.paste(pasted);
        } else if self.seen().typing() {
            let (screen, ctx) = self.screen();
            screen.paste(pasted, ctx);
        }
    }

    /// Handles the result of a request.
    pub fn message(&mut self, message: Message) {
        self.ctx.dirty = true;
        if self.watch_session() {
            return;
        }
        self.ctx.arrived(message.id());
        match self.heartbeat.message(message, &mut self.ctx) {
            Ok((events, back)) => {
                if back {
                    self.reload();
                }
                let (screens, ctx) = self.each();
                for screen in screens {
                    for event in &events {
                        screen.event(event, ctx);
                    }
                }
                // A heartbeat without events changes nothing on the screen.
                self.ctx.dirty = back || !events.is_empty();
            }
            Err(other) => match other.open() {
                Ok((_, Whoami(answer))) => self.identified(answer),
                Err(other) => self.deliver(other),
            },
        }
        self.settle();
        if !self.busy() {
            self.ctx.drafts.done();
        }
    }

    fn deliver(&mut self, message: Message) {
        let mut message = message;
        if let Some(bulk) = &mut self.bulk {
            match bulk.message(message) {
                None => {
                    if !bulk.running() {
                        self.bulk_ended();
                    }
                    return;
                }
                Some(other) => message = other,
            }
        }
        let (screens, ctx) = self.each();
        for screen in screens {
            match screen.message(message, ctx) {
                None => return,
                Some(other) => message = other,
            }
        }
    }

    fn bulk_ended(&mut self) {
        if let Some(bulk) = self.bulk.take() {
            self.failures = Some(bulk.failures());
            if self.ctx.leaving() && (bulk.any_failed() || bulk.left() > 0) {
                self.ctx.say_after(bulk.summary());
            } else if bulk.left() > 0 {
                self.stopped = Some((bulk.summary(), self.ctx.now()));
            }
            if bulk.any_failed() {
                self.ctx.drafts.bring_back();
                self.ctx.refuse(bulk.summary());
            } else {
                self.ctx.say(bulk.summary());
            }
            let (screens, ctx) = self.each();
            for screen in screens {
                screen.bulk_ended(&bulk, ctx);
            }
        }
    }

    /// Handles the passing of time.
    pub fn tick(&mut self) {
        if self.watch_session() || self.ctx.leaving() {
            return;
        }
        if let Some(key) = self.keys.due((self.ctx.pulse)()) {
            let before = self.layers();
            self.press(key, Press::Pressed);
            self.handled(before);
        }
        if self.heartbeat.tick(&mut self.ctx) {
            self.ctx.dirty = true;
        }
        if self.ctx.notice.as_ref().is_some_and(|notice| frame::over(notice.until, &self.ctx)) {
            self.ctx.notice = None;
            self.ctx.dirty = true;
        }
        if self.ctx.options.title && self.title != self.ctx.title {
            self.title.clone_from(&self.ctx.title);
            self.effects.push(Effect::Title(self.title.clone()));
        }
        // Ages and countdowns are in seconds.
        let second = self.ctx.now().unix_seconds();
        if second != self.drawn_second {
            self.drawn_second = second;
            self.ctx.dirty = true;
        }
        self.settle();
    }

    /// Runs after every event: starts the loads that screens want, and carries out their requests.
    fn settle(&mut self) {
        self.look();
        for request in std::mem::take(&mut self.ctx.requests) {
            match request {
                Request::Ask(mut form, intent) => {
                    if let Some(with) = self.prefill.take() {
                        form.prefill(&with);
                    }
                    self.form = Some((form, intent));
                }
                Request::Go(to) => self.go(&to),
                Request::Alert(text) => self.effects.push(Effect::Alert(text)),
                Request::Popup(popup) if self.popup.as_ref().is_some_and(Popup::is_held) => {
                    self.popups.push_back(popup);
                }
                Request::Popup(popup) => self.popup = Some(popup),
                Request::Bulk(_) if self.bulk.as_ref().is_some_and(|bulk| bulk.running()) => {
                    self.ctx.refuse("a bulk action is under way: nothing else was changed");
                }
                Request::Bulk(mut bulk) => {
                    bulk.start(self.ctx.outlet(), self.ctx.api.clone(), Arc::clone(&self.ctx.gate));
                    self.bulk = Some(bulk);
                }
                Request::Copy(copied, said) => {
                    self.effects.push(Effect::Copy(copied));
                    self.ctx.say(said);
                }
            }
            self.look();
        }
        self.run_on();
    }

    fn look(&mut self) {
        for slot in self.slots.iter_mut() {
            slot.screen.tick(slot.home() == self.active, &mut self.ctx);
        }
    }

    /// Returns the work that remains when the console ends, such as releasing claims.
    pub fn farewells(&self) -> Vec<Farewell> {
        self.slots.iter().flat_map(|slot| slot.screen.farewells()).collect()
    }
}
