//! The context of every component: the system, the clock, the theme; and the queue of its requests to the application.

use marketplace_core::staff::{Connection, Identity, Stats};
use std::{any::Any, future::Future, sync::Arc, time::Duration};

use marketplace_core::{
    base::permission::Permission,
    error::{Error, ErrorCode},
    time::{Clock, Timestamp},
};
use tokio::sync::mpsc::UnboundedSender;

use super::{
    bulk::Bulk,
    keymap::{Action, Keymap},
    message::{LoadId, Loads, Message, Outlet},
    options::Options,
    picture::Images,
    theme::Theme,
    widgets::{
        form::{Filled, Form},
        popup::Popup,
    },
    write_guard::Gate,
};

/// How long a reveal lasts.
pub const REVEAL: Duration = Duration::from_secs(30);
/// A load that takes longer shows a skeleton.
pub const PATIENCE: Duration = Duration::from_millis(100);
/// How long a line of success stays.
const SUCCESS: Duration = Duration::from_secs(6);
/// How long a line of failure stays.
const FAILURE: Duration = Duration::from_secs(20);

/// What a component wants of the whole.
pub enum Request {
    /// Ask something; the second is what is meant by it.
    Ask(Box<Form>, Box<dyn Any>),
    /// Show something.
    Popup(Popup),
    /// Do something to many.
    Bulk(Box<Bulk>),
    /// Put a text on the clipboard; the second is what is said then.
    Copy(String, String),
}

/// A form that was confirmed. What is meant by it is of a type that only the screen knows that asked.
pub struct Confirmed {
    /// What was filled in.
    pub filled: Filled,
    intent: Box<dyn Any>,
}

impl Confirmed {
    /// With what is meant by it.
    pub fn new(filled: Filled, intent: Box<dyn Any>) -> Self {
        Self { filled, intent }
    }

    /// What is meant by it, and what was filled in.
    ///
    /// # Errors
    /// Gives it back when something else than a `T` is meant.
    pub fn open<T: Any>(self) -> Result<(T, Filled), Self> {
        let Self { filled, intent } = self;
        match intent.downcast() {
            Ok(intent) => Ok((*intent, filled)),
            Err(intent) => Err(Self { filled, intent }),
        }
    }
}

/// One line for the user.
#[derive(Debug, Clone)]
pub struct Notice {
    /// The line.
    pub text: String,
    /// Whether something went wrong.
    pub bad: bool,
    /// When it goes away.
    pub until: Timestamp,
}

/// What every component has at hand.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub struct Ctx {
    /// The system, behind the gate.
    pub api: Connection,
    /// Whether changes go through.
    pub gate: Arc<Gate>,
    /// Colours.
    pub theme: Theme,
    /// Keys.
    pub keymap: Keymap,
    /// How pictures are drawn.
    pub images: Images,
    /// What it was started with.
    pub options: Options,
    /// As whom; none until the first answer.
    pub identity: Option<Identity>,
    /// The dashboard's numbers, as last heard.
    pub stats: Option<Stats>,
    /// Times exact rather than relative.
    pub exact: bool,
    /// Something is drawn in front of the screen.
    pub covered: bool,
    /// One line for the user.
    pub notice: Option<Notice>,
    /// All that is known of the latest error.
    pub error_detail: Option<Vec<String>>,
    /// Something failed because the system is not there.
    pub lost: bool,
    /// Wishes since the last look.
    pub requests: Vec<Request>,
    /// Whether the screen may look different.
    pub dirty: bool,
    clock: Arc<dyn Clock>,
    /// How far the system's clock is ahead of this one, in microseconds.
    skew: i64,
    loads: Loads,
}

impl Ctx {
    /// With all of it.
    pub fn new(
        api: Connection,
        gate: Arc<Gate>,
        options: Options,
        keymap: Keymap,
        images: Images,
        clock: Arc<dyn Clock>,
        sender: UnboundedSender<Message>,
    ) -> Self {
        Self {
            api,
            gate,
            theme: Theme::new(options.no_color),
            keymap,
            images,
            options,
            identity: None,
            stats: None,
            exact: false,
            covered: false,
            skew: 0,
            notice: None,
            error_detail: None,
            lost: false,
            requests: Vec::new(),
            dirty: true,
            clock,
            loads: Loads::new(sender),
        }
    }

    /// The present, by the system's clock: countdowns must agree with whoever enforces them.
    pub fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.clock.now().micros().saturating_add(self.skew))
    }

    /// Takes numbers, and with them the system's time.
    pub fn heard(&mut self, stats: Stats) {
        let ahead = stats.at.micros().saturating_sub(self.clock.now().micros());
        // Less than two seconds is the way of the answer, not a clock that is wrong.
        if ahead.saturating_sub(self.skew).abs() > 2_000_000 {
            self.skew = ahead;
        }
        self.stats = Some(stats);
        self.dirty = true;
    }

    /// Starts work in the background; its answer, wrapped, comes back as a message with the returned number.
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
        tokio::spawn(async move { outlet.send(wrap(future.await)) });
        id
    }

    /// Starts work in the background of which nobody waits for an answer.
    pub fn detach<F>(&mut self, work: impl FnOnce(Connection) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.load(|()| (), work);
    }

    /// Returns where work with several results leaves them.
    pub fn outlet(&mut self) -> Outlet {
        self.loads.begin()
    }

    /// Asks something; what is meant by it comes back when it is confirmed.
    pub fn ask(&mut self, form: Form, intent: impl Any) {
        self.requests.push(Request::Ask(Box::new(form), Box::new(intent)));
    }

    /// Does something to many.
    pub fn bulk(&mut self, bulk: Bulk) {
        self.requests.push(Request::Bulk(Box::new(bulk)));
    }

    /// How much work is under way.
    #[cfg(test)]
    pub fn in_flight(&self) -> usize {
        self.loads.in_flight()
    }

    /// Whether the role may do it; until the role is known, it may.
    pub fn may(&self, permission: Permission) -> bool {
        self.identity.as_ref().is_none_or(|identity| identity.permissions.contains(&permission))
    }

    /// Whether an action can be offered: its permission is there, and nothing forbids writing.
    pub fn offers(&self, action: Action) -> bool {
        action.needs.is_none_or(|needed| self.may(needed)) && !(action.writes() && self.gate.read_only())
    }

    /// Says that something went well.
    pub fn say(&mut self, text: impl Into<String>) {
        self.notice = Some(Notice { text: text.into(), bad: false, until: self.now() + SUCCESS });
        self.dirty = true;
    }

    /// Says that something cannot be done.
    pub fn refuse(&mut self, text: impl Into<String>) {
        self.notice = Some(Notice { text: text.into(), bad: true, until: self.now() + FAILURE });
        self.dirty = true;
    }

    /// Says that something failed, in one line; the rest is kept for `E`.
    pub fn fail(&mut self, what: &str, error: &Error) {
        self.lost |= error.code() == ErrorCode::Unavailable;
        self.error_detail = Some(detail(what, error));
        let advice = match error.code() {
            ErrorCode::Unauthenticated => " (run `marketplace auth login`, then start again)",
            ErrorCode::Internal => " (E for detail)",
            _ => "",
        };
        self.refuse(format!("{what}: {error}{advice}"));
    }

    /// Keeps an error of a load that repeats by itself: for `E`, without a line for each.
    pub fn fail_quietly(&mut self, what: &str, error: &Error) {
        self.lost |= error.code() == ErrorCode::Unavailable;
        self.error_detail = Some(detail(what, error));
        self.dirty = true;
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
