//! What every component has at hand: the system, the clock, the theme; and where it leaves its wishes.

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use marketplace_core::{
    admin::{AdminApi, Identity, Stats},
    base::permission::Permission,
    error::{Error, ErrorCode},
    time::{Clock, Timestamp},
};
use tokio::sync::mpsc::UnboundedSender;

use super::{
    Options,
    bulk::Bulk,
    guard::Gate,
    keymap::{Action, Keymap},
    message::{LoadId, Message},
    picture::Images,
    theme::Theme,
    widgets::{form::Form, popup::Popup},
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
    /// Ask something.
    Form(Box<Form>),
    /// Show something.
    Popup(Popup),
    /// Do something to many.
    Bulk(Box<Bulk>),
    /// Put a text on the clipboard; the second is what is said then.
    Copy(String, String),
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
    pub api: Arc<dyn AdminApi>,
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
    sender: UnboundedSender<Message>,
    in_flight: Arc<AtomicUsize>,
    latest: u64,
}

impl Ctx {
    /// With all of it.
    pub fn new(
        api: Arc<dyn AdminApi>,
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
            sender,
            in_flight: Arc::new(AtomicUsize::new(0)),
            latest: 0,
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

    /// Starts work in the background; its answer comes back as a message with the returned number.
    pub fn load<T, W, F>(&mut self, wrap: W, work: impl FnOnce(Arc<dyn AdminApi>) -> F) -> LoadId
    where
        F: Future<Output = T> + Send + 'static,
        W: FnOnce(LoadId, T) -> Message + Send + 'static,
        T: Send,
    {
        self.latest += 1;
        let id = LoadId(self.latest);
        let future = work(Arc::clone(&self.api));
        let sender = self.sender.clone();
        let flight = Flight::start(&self.in_flight);
        tokio::spawn(async move {
            let message = wrap(id, future.await);
            // The receiver is gone only when the console ends.
            let _ = sender.send(message);
            drop(flight);
        });
        id
    }

    /// Where work that answers several times sends its messages, with its number.
    pub fn stream(&mut self) -> (LoadId, UnboundedSender<Message>, Flight) {
        self.latest += 1;
        (LoadId(self.latest), self.sender.clone(), Flight::start(&self.in_flight))
    }

    /// How much work is under way.
    #[cfg(test)]
    pub fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::SeqCst)
    }

    /// Whether the role may do it; until the role is known, it may.
    pub fn may(&self, permission: Permission) -> bool {
        self.identity.as_ref().is_none_or(|identity| identity.permissions.contains(&permission))
    }

    /// Whether an action can be offered: its permission is there, and nothing forbids writing.
    pub fn offers(&self, action: Action) -> bool {
        action.spec().needs.is_none_or(|needed| self.may(needed)) && !(action.writes() && self.gate.read_only())
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

/// Counts as work under way until dropped.
#[derive(Debug)]
pub struct Flight(Arc<AtomicUsize>);

impl Flight {
    fn start(counter: &Arc<AtomicUsize>) -> Self {
        counter.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(counter))
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}
