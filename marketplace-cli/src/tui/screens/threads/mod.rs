//! Threads: the list, a thread without its content, and, after a reason was given, its messages live.

mod acts;
mod draw;
mod talk;

use marketplace_core::events::EventKind;
use marketplace_core::records::target::TargetKind;
use marketplace_core::staff::{Connection, ListQuery, ListThreads, ReadThread, ReadingQuery, ShowThread};
use std::{any::Any, collections::HashMap, time::Duration};

use futures::future::BoxFuture;
use marketplace_core::{
    base::{change::Changed, permission::Permission},
    error::Result,
    events::Event,
    ids::{MessageId, ThreadId},
    messaging::model::{AccessReason, MessagePage, StaffMessage, ThreadFilter, ThreadInfo, ThreadStatus},
    page::{Page, PageRequest},
    time::Timestamp,
};
use ratatui::{
    buffer::Buffer,
    layout::{Position, Rect},
};
use uuid::Uuid;

use self::talk::Talk;
use super::super::{
    browser::{
        Browser, Detailed, Target,
        filter::{Typed, flag},
        listing::{Key, Listed, Lists, copies},
        paged::Row,
    },
    bulk::Bulk,
    component::{Registered, Screen},
    ctx::{Confirmed, Ctx, REVEAL, Request},
    jump::{Link, Relations, Subject},
    keymap::{Action, Rows, ScreenInfo, Spec, actions},
    message::{LoadId, Message},
    text,
    theme::Style,
    widgets::columns::Column,
};

/// How long a given reason is valid: as long as the system records it only once.
const REASON_HOLDS: Duration = Duration::from_secs(600);

/// The action that leads here.
pub const HOME: Action =
    Action::new(&Spec { name: "threads", keys: "5", label: "threads", rank: 0, needs: None, help: "Threads" });

actions! {
    REMOVE_MESSAGE, "remove-message", "d", "remove message", 2, Some(Permission::ThreadsWrite), "Take the message (or the marked ones) from the two's view";
    NOTICE, "notice", "N", "post notice", 3, Some(Permission::ThreadsWrite), "Post a notice that the two see";
    CLOSE, "close", "C", "close thread", 4, Some(Permission::ThreadsWrite), "Close the thread: no more messages; reason, note";
    REOPEN, "reopen", "O", "reopen", 5, Some(Permission::ThreadsWrite), "Let the thread take messages again";
}

impl Row for ThreadInfo {
    type Id = ThreadId;
    fn id(&self) -> ThreadId {
        self.id
    }
}

impl Typed for ThreadFilter {
    const WORDS: &'static [(&'static str, &'static [&'static str])] =
        &[("status", ThreadStatus::NAMES), ("user_id", &[]), ("service_id", &[])];
    const FREE_TEXT: bool = true;
    fn set(&mut self, word: &str, value: &str) -> std::result::Result<(), String> {
        match word {
            "status" => self.status = Some(value.parse()?),
            "user_id" => self.user_id = Some(value.parse().map_err(|_| String::new())?),
            _ => self.service_id = Some(value.parse().map_err(|_| String::new())?),
        }
        Ok(())
    }
    fn text(&mut self, text: String) {
        self.q = Some(text);
    }
    fn flags(&self) -> String {
        let mut flags = String::new();
        flag(&mut flags, "status", self.status);
        flag(&mut flags, "user-id", self.user_id);
        flag(&mut flags, "service-id", self.service_id);
        flag(&mut flags, "q", self.q.as_ref());
        flags
    }
}

impl Listed for ThreadInfo {
    type Filter = ThreadFilter;
    const WHAT: &'static str = "threads";
    fn list(api: Connection, filter: ThreadFilter, page: PageRequest) -> BoxFuture<'static, Result<Page<Self>>> {
        Box::pin(async move { api.call::<ListThreads>((), ListQuery::new(&filter, &page), ()).await })
    }
    fn id_text(&self) -> String {
        self.id.to_string()
    }
    fn columns() -> &'static [Column] {
        &draw::COLUMNS
    }
    fn key(&self, column: &str) -> Key {
        match column {
            "latest" => Key::time(self.last_at),
            "status" => Key::text(self.status.as_str()),
            "client" => Key::text(&self.client_name),
            "worker" => Key::text(&self.worker_name),
            "messages" => Key::Number(self.last_seq),
            _ => Key::text(&self.title),
        }
    }
}

impl Detailed for ThreadInfo {
    type Detail = Self;
    const ONE: &'static str = "thread";
    const MANY: &'static str = "threads";
    fn by_id(id: Uuid) -> ThreadId {
        ThreadId(id)
    }
    fn show(api: Connection, id: ThreadId) -> BoxFuture<'static, Result<Self>> {
        Box::pin(async move { api.call::<ShowThread>(id, (), ()).await })
    }
    fn row(detail: &Self) -> &Self {
        detail
    }
    fn name(&self) -> String {
        format!("“{}” {}", self.title, text::short_id(&self.id))
    }
    fn version(&self) -> i64 {
        self.version
    }
    fn around(&self) -> String {
        format!("user_id:{}", self.client_id)
    }
}

/// A result.
enum Came {
    /// The messages of a thread.
    Talk(Result<MessagePage<StaffMessage>>),
    /// The result of a change to a message, or of a notice.
    Said(Result<Changed<StaffMessage>>),
}

/// An action on threads, without its reason or text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ThreadVerb {
    /// Stop further messages.
    Close,
    /// Permit messages again.
    Reopen,
    /// Post a text that both participants see.
    Notice,
}

/// The intent of a form.
enum Intent {
    /// Close or reopen threads, or post a notice there.
    Thread(ThreadVerb, Vec<Target<ThreadId>>),
    /// Read a thread, for the chosen reason.
    Read(ThreadId),
    /// Remove messages from the participants' view.
    RemoveMessages(ThreadId, Vec<Target<MessageId>>),
}

/// The latest action, for repeating it.
#[derive(Debug, Clone)]
struct Last {
    kind: ThreadVerb,
    reason: Option<usize>,
    note: Option<String>,
    words: Option<String>,
}

/// Threads.
#[derive(Default)]
pub struct Threads {
    browser: Browser<ThreadInfo>,
    /// The open conversation; it has the whole screen.
    talk: Option<Talk>,
    /// The reasons for which threads were read, and until when each is valid.
    reasons: HashMap<ThreadId, (AccessReason, Timestamp)>,
    /// Changes to messages and notices in progress, each with the text to show when it is done.
    saying: Vec<(LoadId, &'static str)>,
    last: Option<Last>,
}

impl Threads {
    /// Opens the content: at once if a reason was given recently, otherwise after a question.
    fn open(&mut self, ctx: &mut Ctx) {
        let Some(thread) = self.browser.subject().cloned() else { return };
        let now = ctx.now();
        self.reasons.retain(|_, (_, until)| now < *until);
        match self.reasons.get(&thread.id) {
            Some((reason, _)) => self.talk = Some(Talk::new(thread, *reason)),
            None => Self::ask_why(&thread, ctx),
        }
    }

    fn read(&mut self, id: ThreadId, reason: AccessReason, ctx: &mut Ctx) {
        // The form was opened for this thread; another one under the cursor now was not meant.
        let Some(thread) = self.browser.subject().filter(|thread| thread.id == id).cloned() else { return };
        self.reasons.insert(id, (reason, ctx.now() + REASON_HOLDS));
        self.talk = Some(Talk::new(thread, reason));
    }

    fn in_talk(&mut self, action: Action, ctx: &mut Ctx) -> bool {
        let Some(talk) = &mut self.talk else { return false };
        match action {
            Action::BACK | Action::LEFT => {
                if talk.marks.is_empty() {
                    self.talk = None;
                } else {
                    talk.marks.clear();
                }
            }
            Action::FOLLOW if talk.follow => talk.follow = false,
            Action::FOLLOW => talk.newest(),
            Action::REVEAL => {
                let until = ctx.now() + REVEAL;
                talk.revealed = if talk.revealed.is_some() { None } else { Some(until) };
            }
            Action::MARK => talk.mark(),
            Action::MARK_RANGE | Action::MARK_ALL => ctx.say("messages are marked one by one, with Space"),
            Action::COPY_ID => {
                if let Some(message) = talk.selected() {
                    ctx.requests.push(Request::Copy(message.id.to_string(), "the message's id is copied".into()));
                }
            }
            Action::COPY_ROW => {
                if let Some(Ok(json)) = talk.selected().map(serde_json::to_string) {
                    ctx.requests.push(Request::Copy(json, "the message is copied as JSON".into()));
                }
            }
            Action::OPEN => {
                // Long messages are folded.
                if !talk.unfolded.remove(&talk.cursor) {
                    talk.unfolded.insert(talk.cursor);
                }
            }
            Action::RIGHT | Action::FOCUS | Action::FILTER => {}
            _ => return talk.moved(action),
        }
        true
    }

    fn said(&mut self, id: LoadId, answer: Result<Changed<StaffMessage>>, ctx: &mut Ctx) {
        let Some(at) = self.saying.iter().position(|(pending, _)| *pending == id) else { return };
        let (_, done) = self.saying.remove(at);
        match answer {
            Ok(changed) => {
                ctx.say(if changed.changed { done } else { "unchanged: was so already" });
                if let Some(talk) = self.talk.as_mut().filter(|talk| talk.info.id == changed.item.thread_id) {
                    talk.replace(changed.item);
                    talk.wake();
                }
            }
            Err(error) => ctx.fail("message", &error),
        }
    }

    /// Returns the thread that keys apply to.
    fn subject(&self) -> Option<&ThreadInfo> {
        self.talk.as_ref().map(|talk| &talk.info).or_else(|| self.browser.subject())
    }
}

impl Registered for Threads {
    const INFO: &'static ScreenInfo = &ScreenInfo {
        home: HOME,
        tab: "Threads",
        title: "threads",
        rows: Rows::Marked,
        own: ACTIONS,
        chosen: &[
            Action::FOLLOW,
            Action::REVEAL,
            Action::GO_WORKER,
            Action::GO_CLIENT,
            Action::GO_REVIEWS,
            Action::GO_KYC,
        ],
        by_id: Some(("thread", "open a thread")),
    };
    fn links(from: &Relations) -> Vec<Link> {
        let to = |label: String, target| vec![Link::new('t', label, HOME, target)];
        match (from.get("thread"), from.person()) {
            (Some(thread), _) => to("the thread".into(), Subject::One(thread.id)),
            (_, Some((id, whose))) => to(format!("{whose} threads"), Subject::List(format!("user_id:{id}"))),
            _ => Vec::new(),
        }
    }
}

impl Screen for Threads {
    fn lists(&self) -> Option<&dyn Lists> {
        Some(&self.browser)
    }
    fn lists_mut(&mut self) -> Option<&mut dyn Lists> {
        Some(&mut self.browser)
    }

    fn action(&mut self, action: Action, ctx: &mut Ctx) -> bool {
        if self.act(action, ctx) || self.in_talk(action, ctx) {
            return true;
        }
        match action {
            _ if self.talk.is_some() => false,
            Action::OPEN => {
                self.open(ctx);
                true
            }
            Action::REVEAL | Action::FOLLOW => {
                ctx.say("open the thread first");
                true
            }
            _ => copies(self.browser.subject(), action, ctx) || self.browser.action(action, ctx),
        }
    }
    fn filter(&mut self, words: &str, ctx: &mut Ctx) {
        if self.browser.list.set(words, ctx) {
            self.talk = None;
        }
    }

    fn relations(&self) -> Relations {
        let Some(thread) = self.subject() else { return Relations::default() };
        Relations::of(thread.id)
            .with("worker", thread.worker_id.0, &thread.worker_name)
            .with("client", thread.client_id.0, &thread.client_name)
            .with("thread", thread.id.0, "")
            .seen_at('t')
    }
    fn stash(&mut self) -> Box<dyn Any> {
        Box::new((self.browser.stash(), self.talk.take()))
    }
    fn restore(&mut self, stashed: Box<dyn Any>, ctx: &mut Ctx) {
        if let Ok(stashed) = stashed.downcast() {
            let (browser, talk): (Box<dyn Any>, Option<Talk>) = *stashed;
            self.browser.restore(browser, ctx);
            self.talk = talk;
            if let Some(talk) = &mut self.talk {
                talk.resume();
            }
        }
    }

    fn message(&mut self, message: Message, ctx: &mut Ctx) -> Option<Message> {
        let talk = &mut self.talk;
        let message = self.browser.message_with(message, ctx, |info| {
            if let Some(talk) = talk {
                talk.heard(info);
            }
        })?;
        match message.open() {
            Ok((id, Came::Talk(answer))) => {
                let now = ctx.now();
                if let Some(talk) = &mut self.talk
                    && let Some(Err(error)) = talk.answered(id, answer, now)
                {
                    ctx.fail("messages", &error);
                }
            }
            Ok((id, Came::Said(answer))) => self.said(id, answer, ctx),
            Err(other) => return Some(other),
        }
        None
    }

    fn event(&mut self, event: &Event, ctx: &mut Ctx) {
        if let Some(talk) = &mut self.talk {
            talk.event(event);
        }
        if event.kind == EventKind::Thread {
            self.browser.list.soon(ctx);
        } else if event.target_kind() == Some(TargetKind::Message) {
            self.browser.list.later(ctx);
        }
    }
    fn reload(&mut self, ctx: &mut Ctx) {
        if let Some(talk) = &mut self.talk {
            talk.resume();
        }
        self.browser.reload(ctx);
    }
    fn bulk_ended(&mut self, bulk: &Bulk, ctx: &mut Ctx) {
        if let Some(talk) = &mut self.talk {
            talk.marks.clear();
            talk.resume();
        }
        self.browser.bulk_ended(bulk, ctx);
    }
    fn confirmed(&mut self, confirmed: Confirmed, ctx: &mut Ctx) -> std::result::Result<(), Confirmed> {
        let (intent, filled) = confirmed.open()?;
        self.go_ahead(intent, filled, ctx);
        Ok(())
    }

    fn tick(&mut self, visible: bool, ctx: &mut Ctx) {
        let now = ctx.now();
        if let Some(talk) = &mut self.talk {
            if talk.revealed.take_if(|until| now >= *until).is_some() {
                ctx.dirty = true;
            }
            if visible
                && !ctx.gate.away()
                && let Some(want) = talk.want(now)
            {
                let (id, reason) = (talk.info.id, talk.reason);
                let load = ctx.load(Came::Talk, |api| async move {
                    api.call::<ReadThread>(id, ReadingQuery::new(reason, want.query()), ()).await
                });
                talk.started(load, want, now);
            }
        }
        self.browser.tick(visible, ctx);
    }

    fn click(&mut self, at: Position, ctx: &mut Ctx) {
        if let Some(talk) = &mut self.talk {
            let above = |(row, _): &&(u16, i64)| *row <= at.y;
            if let Some((_, seq)) = talk.seen.rows.iter().rev().find(above).copied() {
                talk.select(seq);
            }
        } else if self.browser.click(at, ctx) {
            self.action(Action::OPEN, ctx);
        }
    }

    fn draw(&mut self, area: Rect, buf: &mut Buffer, ctx: &Ctx) {
        match &mut self.talk {
            Some(talk) => talk.draw(area, buf, ctx),
            None => draw::list(&mut self.browser, area, buf, ctx),
        }
    }

    fn status(&self, ctx: &Ctx) -> Option<(String, Style)> {
        let Some(talk) = &self.talk else { return self.browser.marked("an action") };
        if let Some(until) = talk.revealed {
            let left = text::seconds_left(until, ctx.now());
            return Some((format!("contact details shown, masked again in {left}s"), Style::Warn));
        }
        let marked = talk.marks.len();
        (marked > 0).then(|| (format!("◆ {marked} messages marked · Esc clears"), Style::Accent))
    }

    fn offers(&self, action: Action) -> bool {
        let many = self.talk.is_none() && self.browser.list.rows.marked_count() > 0;
        let status = self.subject().map(|thread| thread.status);
        match action {
            REMOVE_MESSAGE => self.talk.as_ref().is_some_and(|talk| !talk.messages.is_empty()),
            Action::REVEAL | Action::FOLLOW => self.talk.is_some(),
            CLOSE => many || status == Some(ThreadStatus::Open),
            REOPEN => many || status == Some(ThreadStatus::Closed),
            Action::OPEN => self.talk.is_none() && status.is_some(),
            Action::FILTER => self.talk.is_none(),
            Action::MARK | NOTICE | Action::JUMP | Action::GO_WORKER | Action::GO_CLIENT | Action::GO_REVIEWS => {
                status.is_some()
            }
            _ => true,
        }
    }

    fn why_not(&self, action: Action, _ctx: &Ctx) -> Option<String> {
        if self.talk.is_none() && self.browser.list.rows.marked_count() > 0 {
            return None;
        }
        let why = match (action, self.subject()?.status) {
            (CLOSE, ThreadStatus::Closed) => "closed already",
            (REOPEN, ThreadStatus::Open) => "it is open",
            _ => return None,
        };
        Some(format!("{}: {why}", action.label))
    }

    fn commands(&self) -> Vec<String> {
        self.command_lines()
    }
}
