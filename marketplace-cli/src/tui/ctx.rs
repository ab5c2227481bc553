//! The context of every component: the system, the clock, the theme; and the queue of its requests to the application.

use marketplace_core::staff::{Connection, Identity, Stats};
use std::{
    any::Any,
    future::Future,
    sync::Arc,
    time::{Duration, Instant},
};

use futures::FutureExt;
use marketplace_core::{
    base::{permission::Permission, principal::Principal},
    error::{Error, ErrorCode},
    time::{Clock, Timestamp},
};
use tokio::sync::mpsc::UnboundedSender;

use super::{
    bulk::Bulk,
    colleagues::Colleagues,
    jump::Destination,
    keymap::{Action, Keymap},
    macros::Macros,
    memory::Memory,
    message::{LoadId, Loads, Message, Outlet},
    options::Options,
    picture::Images,
    text::Times,
    theme::Theme,
    widgets::{
        form::{Drafts, Filled, Form},
        popup::Popup,
    },
    write_guard::Gate,
};

/// How long a reveal lasts.
pub const REVEAL: Duration = Duration::from_secs(30);
/// A load that takes longer than this shows a skeleton.
pub const PATIENCE: Duration = Duration::from_millis(100);
/// How long a notice of success is shown.
const SUCCESS: Duration = Duration::from_secs(6);
/// How long a notice of failure is shown.
const FAILURE: Duration = Duration::from_secs(20);

/// A clock that only moves forward.
pub type Pulse = Arc<dyn Fn() -> Instant + Send + Sync>;

/// A request of a component to the console.
pub enum Request {
    /// Open a form; the second value is its intent.
    Ask(Box<Form>, Box<dyn Any>),
    /// Open a popup.
    Popup(Popup),
    /// Start a bulk action.
    Bulk(Box<Bulk>),
    /// Tell somebody who does not look; never anything personal.
    Alert(String),
    /// Go to another screen.
    Go(Destination),
    /// Copy a text to the clipboard; the second text is the notice to show.
    Copy(String, String),
}

/// A confirmed form. The type of its intent is known only to the screen that opened it.
pub struct Confirmed {
    /// What was filled in.
    pub filled: Filled,
    intent: Box<dyn Any>,
}

impl Confirmed {
    /// Creates it with its intent.
    pub fn new(filled: Filled, intent: Box<dyn Any>) -> Self {
        Self { filled, intent }
    }

    /// Returns the intent and what was filled in.
    ///
    /// # Errors
    /// Returns `self` when the intent is not a `T`.
    pub fn open<T: Any>(self) -> Result<(T, Filled), Self> {
        let Self { filled, intent } = self;
        match intent.downcast() {
            Ok(intent) => Ok((*intent, filled)),
            Err(intent) => Err(Self { filled, intent }),
        }
    }
}

/// A notice to the user in one line.
#[derive(Debug, Clone)]
pub struct Notice {
    /// The name of what it is about; shortened where there is little room. Empty when the text says it.
    pub about: String,
    /// Its text.
    pub text: String,
    /// Whether it reports a failure.
    pub bad: bool,
    /// When it disappears.
    pub until: Timestamp,
}

impl Notice {
    /// Returns all that it says.
    pub fn whole(&self) -> String {
        if self.about.is_empty() { self.text.clone() } else { format!("{}: {}", self.about, self.text) }
    }
}

/// The state that all components share.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub struct Ctx {
    /// The connection to the system, behind the gate.
    pub api: Connection,
    /// Whether changes are admitted.
    pub gate: Arc<Gate>,
    /// Colours.
    pub theme: Theme,
    /// Keys.
    pub keymap: Keymap,
    /// Several acts on one key.
    pub macros: Macros,
    /// How pictures are drawn.
    pub images: Images,
    /// What is remembered between sessions.
    pub memory: Memory,
    /// What was typed into forms that were left.
    pub drafts: Drafts,
    /// The options that the console was started with.
    pub options: Options,
    /// The identity of the caller; `None` until it is known.
    pub identity: Option<Identity>,
    /// The dashboard's numbers, as last received.
    pub stats: Option<Stats>,
    /// Names of colleagues.
    pub colleagues: Colleagues,
    /// How times are shown.
    pub times: Times,
    /// Whether something is drawn in front of the screen.
    pub covered: bool,
    /// The notice that is shown.
    pub notice: Option<Notice>,
    /// The full text of the latest error.
    pub error_detail: Option<Vec<String>>,
    /// Whether a request failed because the system is unreachable.
    pub lost: bool,
    /// Whether what was filled into a form that was confirmed comes back.
    keeps_filled: bool,
    /// Pending requests of components.
    pub requests: Vec<Request>,
    /// How much waits, for the title of the terminal.
    pub title: String,
    /// Whether the screen may look different.
    pub dirty: bool,
    /// The clock that only moves forward, for how long something was shown or a key was held.
    pub pulse: Pulse,
    /// Changes under way that leaving waits for, each with what is being done; empty for claims.
    acts: Vec<(LoadId, String)>,
    /// Whether the console is being left: what fails is then kept to be said afterwards.
    leaving: bool,
    unsaid: Vec<String>,
    /// Why the recording of this session ended, if it did.
    pub recording_lost: Option<String>,
    clock: Arc<dyn Clock>,
    /// How far the system's clock is ahead of this one, in microseconds.
    skew: i64,
    loads: Loads,
}

impl Ctx {
    /// Creates the state from its parts.
    pub fn new(
        api: Connection,
        gate: Arc<Gate>,
        options: Options,
        keymap: Keymap,
        images: Images,
        clock: Arc<dyn Clock>,
        sender: UnboundedSender<Message>,
    ) -> Self {
        let times = Times::new(options.local_time);
        Self {
            api,
            gate,
            theme: Theme::of(&options).unwrap_or_else(|_| Theme::new(options.no_color)),
            macros: Macros::new(&options.macros, &keymap).unwrap_or_default(),
            keymap,
            images,
            memory: Memory::at(options.memory.clone()),
            drafts: Drafts::default(),
            options,
            identity: None,
            stats: None,
            colleagues: Colleagues::default(),
            times,
            covered: false,
            skew: 0,
            notice: None,
            error_detail: None,
            lost: false,
            keeps_filled: false,
            requests: Vec::new(),
            title: String::new(),
            dirty: true,
            pulse: Arc::new(Instant::now),
            acts: Vec::new(),
            leaving: false,
            unsaid: Vec::new(),
            recording_lost: None,
            clock,
            loads: Loads::new(sender),
        }
    }

    /// Returns the name of whoever did something, as colleagues know it.
    pub fn who(&self, principal: &Principal) -> String {
        self.colleagues.name(principal)
    }

    /// Returns the current time by the system's clock: countdowns must agree with the system that enforces them.
    pub fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.clock.now().micros().saturating_add(self.skew))
    }

    /// Stores the numbers, and with them the system's time.
    pub fn heard(&mut self, stats: Stats) {
        let ahead = stats.at.micros().saturating_sub(self.clock.now().micros());
        // Less than two seconds is the delay of the response, not a wrong clock.
        if ahead.saturating_sub(self.skew).abs() > 2_000_000 {
            self.skew = ahead;
        }
        self.stats = Some(stats);
        self.dirty = true;
    }

    /// Starts work in the background; its result, wrapped, arrives as a message with the returned number.
    pub fn load<T, M, F>(
        &mut self,
        wrap: impl FnOnce(T) -> M + Send + 'static,
        work: impl FnOnce(Connection) -> F,
    ) -> LoadId
    where
        F: Future<Output = T> + Send + 'static,
        M: Any + Send,
        T: Send,
    {
        let outlet = self.loads.begin();
        let id = outlet.id();
        let future = work(self.api.clone());
        // Boxed, so that a task is compiled once, not for each kind of work.
        tokio::spawn(async move { outlet.send(wrap(future.await)) }.boxed());
        id
    }

    /// Starts a change in the background, like [`Self::load`]: leaving waits for it, and says if it was not done. `what`
    /// is empty when nobody misses it.
    pub fn act<T, M, F>(
        &mut self,
        what: impl Into<String>,
        wrap: impl FnOnce(T) -> M + Send + 'static,
        work: impl FnOnce(Connection) -> F,
    ) -> LoadId
    where
        F: Future<Output = T> + Send + 'static,
        M: Any + Send,
        T: Send,
    {
        let id = self.load(wrap, work);
        self.acts.push((id, what.into()));
        id
    }

    /// Starts a change in the background whose result nobody needs.
    pub fn detach<F>(&mut self, work: impl FnOnce(Connection) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.act("", |()| (), work);
    }

    /// Records that a result has arrived.
    pub fn arrived(&mut self, id: LoadId) {
        self.acts.retain(|(pending, _)| *pending != id);
    }

    /// Forgets what is under way, and returns what is being done.
    pub fn drop_acts(&mut self) -> Vec<String> {
        std::mem::take(&mut self.acts).into_iter().map(|(_, what)| what).filter(|what| !what.is_empty()).collect()
    }

    /// Returns what is under way and must not be lost.
    pub fn under_way(&self) -> impl Iterator<Item = &str> {
        self.acts.iter().map(|(_, what)| what.as_str())
    }

    /// Keeps failures from now on, to be said after the console has gone.
    pub fn leave(&mut self) {
        self.leaving = true;
    }
    /// Returns whether the console is being left.
    pub fn leaving(&self) -> bool {
        self.leaving
    }
    /// Keeps something to be said after the console has gone.
    pub fn say_after(&mut self, text: impl Into<String>) {
        self.unsaid.push(text.into());
    }
    /// Returns what is to be said after the console has gone.
    pub fn unsaid(&self) -> &[String] {
        &self.unsaid
    }

    /// Returns the outlet for work with several results.
    pub fn outlet(&mut self) -> Outlet {
        self.loads.begin()
    }

    /// Opens a form; its intent is returned when the form is confirmed.
    pub fn ask(&mut self, mut form: Form, intent: impl Any) {
        debug_assert!(!form.loses_texts(), "what is written into a form comes back: say what it is about");
        form.keep_in(&self.drafts);
        form.offer(&self.options.replies, self.facts());
        self.requests.push(Request::Ask(Box::new(form), Box::new(intent)));
    }

    /// Returns what placeholders stand for in any text.
    fn facts(&self) -> Vec<(&'static str, String)> {
        let me = self.identity.as_ref().map(|identity| identity.name.clone());
        let known = [("system", self.options.system.clone()), ("date", self.now().date())];
        known.into_iter().chain(me.map(|me| ("me", me))).collect()
    }

    /// Starts a bulk action.
    pub fn bulk(&mut self, bulk: Bulk) {
        self.requests.push(Request::Bulk(Box::new(bulk)));
    }

    /// Returns how much work is in progress.
    #[cfg(test)]
    pub fn in_flight(&self) -> usize {
        self.loads.in_flight()
    }

    /// Returns whether the role has the permission; true until the role is known.
    pub fn may(&self, permission: Permission) -> bool {
        self.identity.as_ref().is_none_or(|identity| identity.permissions.contains(&permission))
    }

    /// Returns whether an action can be offered: the permission is there, and writing is not forbidden.
    pub fn offers(&self, action: Action) -> bool {
        action.needs.is_none_or(|needed| self.may(needed)) && !(action.writes() && self.gate.read_only())
    }

    /// Shows a notice of success.
    pub fn say(&mut self, text: impl Into<String>) {
        self.say_of("", text);
    }

    /// Shows a notice of success about something with a name.
    pub fn say_of(&mut self, about: impl Into<String>, text: impl Into<String>) {
        let until = self.now() + SUCCESS;
        self.notice = Some(Notice { about: about.into(), text: text.into(), bad: false, until });
        self.dirty = true;
    }

    /// Shows a notice that something is not possible.
    pub fn refuse(&mut self, text: impl Into<String>) {
        self.refuse_of("", text);
    }

    fn refuse_of(&mut self, about: impl Into<String>, text: impl Into<String>) {
        let until = self.now() + FAILURE;
        self.notice = Some(Notice { about: about.into(), text: text.into(), bad: true, until });
        self.dirty = true;
    }

    /// Lets what was filled into the form that was just confirmed come back: another question follows it.
    pub fn keep_filled(&mut self) {
        self.keeps_filled = true;
    }
    /// Returns whether what was filled in is to come back, once.
    pub fn take_keeps_filled(&mut self) -> bool {
        std::mem::take(&mut self.keeps_filled)
    }

    /// Shows a failure in one line; the rest is kept for `E`.
    pub fn fail(&mut self, what: &str, error: &Error) {
        self.lost |= error.code() == ErrorCode::Unavailable;
        self.drafts.bring_back();
        self.error_detail = Some(detail(what, error));
        let advice = match error.code() {
            ErrorCode::Unauthenticated => " (run `marketplace auth login`, then start again)",
            ErrorCode::Internal => " (E for detail)",
            _ => "",
        };
        if self.leaving {
            self.unsaid.push(format!("{what}: {error}"));
        }
        self.refuse_of(what, format!("{error}{advice}"));
    }

    /// Shows the failure of a load that nobody asked for. While the system is away it takes no other failure's place: what was
    /// not done must be read.
    pub fn fail_to_load(&mut self, what: &str, error: &Error) {
        if error.code() == ErrorCode::Unavailable && self.tells_failure() {
            self.lost = true;
        } else {
            self.fail(what, error);
        }
    }

    /// Keeps the error of a load that repeats automatically: for `E`, without a notice each time.
    pub fn fail_quietly(&mut self, what: &str, error: &Error) {
        self.lost |= error.code() == ErrorCode::Unavailable;
        if !self.tells_failure() {
            self.error_detail = Some(detail(what, error));
        }
        self.dirty = true;
    }

    fn tells_failure(&self) -> bool {
        self.notice.as_ref().is_some_and(|notice| notice.bad)
    }
}

fn detail(what: &str, error: &Error) -> Vec<String> {
    let mut lines =
        vec![what.to_owned(), String::new(), format!("code     {}", error.code()), format!("detail   {error}")];
    for field in error.fields() {
        lines.push(format!("field    {}: {}", field.pointer, field.detail));
    }
    if let Some(current) = error.current() {
        lines.push(format!("current  {current}"));
    }
    if let Some(after) = error.retry_after_hint() {
        lines.push(format!("retry    after {} s", after.as_secs()));
    }
    if let Some(id) = error.request_id() {
        lines.push(format!("request  {id} (the server's log has more under this id)"));
    }
    if let Some(inside) = error.internal_text() {
        lines.push(format!("inside   {inside}"));
    }
    lines
}
