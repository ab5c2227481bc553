//! Threads: the list, one without its content, and, for a reason, what was said in it as it goes on.

mod acts;
mod draw;
mod talk;

use std::{any::Any, collections::HashMap, sync::Arc, time::Duration};

use futures::future::BoxFuture;
use marketplace_core::{
    admin::AdminApi,
    base::change::Changed,
    error::Result,
    events::Event,
    ids::ThreadId,
    messaging::model::{AccessReason, StaffMessage, ThreadFilter, ThreadInfo, ThreadStatus},
    page::{Page, PageRequest},
    time::Timestamp,
};
use ratatui::{
    buffer::Buffer,
    layout::{Position, Rect},
};

use self::{acts::Last, talk::Talk};
use super::super::{
    browser::{Browser, Detailed, Shown},
    bulk::Bulk,
    component::Screen,
    ctx::{Ctx, REVEAL, Request},
    jump::{Links, Place},
    keymap::{Action, on},
    listing::{Answer, Listed, Lists, copies},
    message::{LoadId, Message},
    paged::Row,
    text,
    theme::Ink,
    widgets::form::Filled,
};

/// A reason that was given holds so long: as long as the system records it only once.
const REASON_HOLDS: Duration = Duration::from_secs(600);

impl Row for ThreadInfo {
    type Id = ThreadId;
    fn id(&self) -> ThreadId {
        self.id
    }
}

impl Listed for ThreadInfo {
    type Filter = ThreadFilter;
    const WHAT: &'static str = "threads";
    fn list(api: Arc<dyn AdminApi>, filter: ThreadFilter, page: PageRequest) -> BoxFuture<'static, Result<Page<Self>>> {
        Box::pin(async move { api.threads_list(&filter, &page).await })
    }
    fn wrap(answer: Answer<Self>) -> Message {
        Message::ThreadRows(answer)
    }
    fn id_text(&self) -> String {
        self.id.to_string()
    }
}

impl Detailed for ThreadInfo {
    type Detail = Self;
    const ONE: &'static str = "thread";
    const MANY: &'static str = "threads";
    fn show(api: Arc<dyn AdminApi>, id: ThreadId) -> BoxFuture<'static, Result<Self>> {
        Box::pin(async move { api.threads_show(id).await })
    }
    fn shown(answer: Shown<Self>) -> Message {
        Message::Thread(answer)
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

/// Threads.
#[derive(Default)]
pub struct Threads {
    browser: Browser<ThreadInfo>,
    /// The conversation that is read; it has the whole screen.
    talk: Option<Talk>,
    /// Why threads were read, and until when that holds.
    reasons: HashMap<ThreadId, (AccessReason, Timestamp)>,
    /// Changes to messages and notices under way, and what is said when they are done.
    saying: Vec<(LoadId, &'static str)>,
    last: Option<Last>,
}

impl Threads {
    /// Opens the content: at once if a reason was given a moment ago, else after a question.
    fn open(&mut self, ctx: &mut Ctx) {
        let Some(thread) = self.browser.subject().cloned() else { return };
        let now = ctx.now();
        self.reasons.retain(|_, (_, until)| now < *until);
        match self.reasons.get(&thread.id) {
            Some((reason, _)) => self.talk = Some(Talk::new(thread, *reason)),
            None => acts::ask_why(&thread, ctx),
        }
    }

    fn read(&mut self, id: ThreadId, reason: AccessReason, ctx: &mut Ctx) {
        // The form stood in front of this thread; another one under the cursor by now is not what was asked about.
        let Some(thread) = self.browser.subject().filter(|thread| thread.id == id).cloned() else { return };
        self.reasons.insert(id, (reason, ctx.now() + REASON_HOLDS));
        self.talk = Some(Talk::new(thread, reason));
    }

    fn in_talk(&mut self, action: Action, ctx: &mut Ctx) -> bool {
        let Some(talk) = &mut self.talk else { return false };
        match action {
            Action::Back | Action::Left => {
                if talk.marks.is_empty() {
                    self.talk = None;
                } else {
                    talk.marks.clear();
                }
            }
            Action::Follow if talk.follow => talk.follow = false,
            Action::Follow => talk.newest(),
            Action::Reveal => {
                let until = ctx.now() + REVEAL;
                talk.revealed = if talk.revealed.is_some() { None } else { Some(until) };
            }
            Action::Mark => talk.mark(),
            Action::MarkRange | Action::MarkAll => ctx.say("messages are marked one by one, with Space"),
            Action::CopyId => {
                if let Some(message) = talk.selected() {
                    ctx.requests.push(Request::Copy(message.id.to_string(), "the message's id is copied".into()));
                }
            }
            Action::CopyRow => {
                if let Some(Ok(json)) = talk.selected().map(serde_json::to_string) {
                    ctx.requests.push(Request::Copy(json, "the message is copied as JSON".into()));
                }
            }
            Action::Open | Action::Right | Action::Focus | Action::Filter => {}
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

    /// Keeps what is said of the open thread in step with what came of it.
    fn heard(&mut self, answer: &Shown<ThreadInfo>) {
        let info = match answer {
            Shown::Detail(_, Ok(info)) => info,
            Shown::Changed(_, Ok(changed)) => &changed.item,
            _ => return,
        };
        if let Some(talk) = self.talk.as_mut().filter(|talk| talk.info.id == info.id) {
            let last_seq = talk.info.last_seq.max(info.last_seq);
            talk.info = ThreadInfo { last_seq, ..info.clone() };
        }
    }

    /// The thread that keys are about.
    fn subject(&self) -> Option<&ThreadInfo> {
        self.talk.as_ref().map(|talk| &talk.info).or_else(|| self.browser.subject())
    }
}

impl Screen for Threads {
    fn on(&self) -> u8 {
        on::THREADS
    }
    fn home(&self) -> Action {
        Action::Threads
    }
    fn name(&self) -> &'static str {
        "threads"
    }
    fn lists(&self) -> Option<&dyn Lists> {
        Some(&self.browser.list)
    }
    fn lists_mut(&mut self) -> Option<&mut dyn Lists> {
        Some(&mut self.browser.list)
    }

    fn action(&mut self, action: Action, ctx: &mut Ctx) -> bool {
        if self.act(action, ctx) || self.in_talk(action, ctx) {
            return true;
        }
        match action {
            _ if self.talk.is_some() => false,
            Action::Open => {
                self.open(ctx);
                true
            }
            Action::Reveal | Action::Follow => {
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

    fn links(&self) -> Links {
        let Some(thread) = self.subject() else { return Links::default() };
        Links {
            worker: Some((thread.worker_id, thread.worker_name.clone())),
            client: Some((thread.client_id, thread.client_name.clone())),
            thread: Some(thread.id),
            audit: Some(thread.id.to_string()),
            here: Some('t'),
            ..Links::default()
        }
    }
    fn go(&mut self, place: &Place, ctx: &mut Ctx) {
        match place {
            Place::Thread(id) => self.browser.go(*id, ctx),
            Place::List(_, words) => self.browser.list.start_at(words, ctx),
            _ => {}
        }
    }
    fn stash(&mut self) -> Box<dyn Any> {
        Box::new((self.browser.stash(), self.talk.take()))
    }
    fn restore(&mut self, stashed: Box<dyn Any>, ctx: &mut Ctx) {
        if let Ok(stashed) = stashed.downcast() {
            let (browser, talk): (Browser<ThreadInfo>, Option<Talk>) = *stashed;
            self.browser.restore(browser, ctx);
            self.talk = talk;
            if let Some(talk) = &mut self.talk {
                talk.resume();
            }
        }
    }

    fn message(&mut self, message: Message, ctx: &mut Ctx) -> Option<Message> {
        match message {
            Message::ThreadRows(answer) => self.browser.rows(answer, ctx),
            Message::Thread(answer) => {
                self.heard(&answer);
                self.browser.shown(answer, ctx);
            }
            Message::Talk(id, answer) => {
                let now = ctx.now();
                if let Some(talk) = &mut self.talk
                    && let Some(Err(error)) = talk.answered(id, answer, now)
                {
                    ctx.fail("messages", &error);
                }
            }
            Message::Said(id, answer) => self.said(id, answer, ctx),
            other => return Some(other),
        }
        None
    }

    fn event(&mut self, event: &Event, ctx: &mut Ctx) {
        if let Some(talk) = &mut self.talk {
            talk.event(event);
        }
        if event.kind.starts_with("thread") {
            self.browser.list.soon(ctx);
        } else if event.kind.starts_with("message") {
            self.browser.list.later(ctx);
        }
    }
    fn reload(&mut self, ctx: &mut Ctx) {
        if let Some(talk) = &mut self.talk {
            talk.resume();
        }
        self.browser.reload(ctx);
    }
    fn bulk_ended(&mut self, _bulk: &Bulk, ctx: &mut Ctx) {
        if let Some(talk) = &mut self.talk {
            talk.marks.clear();
            talk.resume();
        }
        self.browser.bulk_ended(ctx);
    }
    fn filled(&mut self, filled: &Filled, ctx: &mut Ctx) -> bool {
        self.confirmed(filled, ctx)
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
                let load =
                    ctx.load(Message::Talk, |api| async move { api.threads_messages(id, reason, &want.query()).await });
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
            self.action(Action::Open, ctx);
        }
    }

    fn draw(&mut self, area: Rect, buf: &mut Buffer, ctx: &Ctx) {
        match &mut self.talk {
            Some(talk) => talk.draw(area, buf, ctx),
            None => draw::list(&mut self.browser, area, buf, ctx),
        }
    }

    fn status(&self, ctx: &Ctx) -> Option<(String, Ink)> {
        let Some(talk) = &self.talk else { return self.browser.list.marked("an action") };
        if let Some(until) = talk.revealed {
            let left = text::seconds_left(until, ctx.now());
            return Some((format!("contact details shown, masked again in {left}s"), Ink::Warn));
        }
        let marked = talk.marks.len();
        (marked > 0).then(|| (format!("◆ {marked} messages marked · Esc clears"), Ink::Accent))
    }

    fn offers(&self, action: Action) -> bool {
        let many = self.talk.is_none() && self.browser.list.rows.marked_count() > 0;
        let status = self.subject().map(|thread| thread.status);
        match action {
            Action::RemoveMessage => self.talk.as_ref().is_some_and(|talk| !talk.messages.is_empty()),
            Action::Reveal | Action::Follow => self.talk.is_some(),
            Action::Close => many || status == Some(ThreadStatus::Open),
            Action::Reopen => many || status == Some(ThreadStatus::Closed),
            Action::Open => self.talk.is_none() && status.is_some(),
            Action::Filter => self.talk.is_none(),
            Action::Mark | Action::Notice | Action::Jump | Action::GoWorker | Action::GoClient | Action::GoReviews => {
                status.is_some()
            }
            _ => true,
        }
    }

    fn commands(&self) -> Vec<String> {
        self.command_lines()
    }
}
