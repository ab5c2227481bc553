//! Staff actions on threads: confirmation before reading or changing one, the change, and its repetition.

use marketplace_core::staff::{self, Connection, NoticeInput, PostNotice, ReasonedInput, RemoveMessage};
use std::fmt::Write as _;

use futures::future::BoxFuture;
use marketplace_core::{
    base::change::{Change, Changed},
    error::Result,
    ids::{MessageId, ThreadId},
    messaging::model::{AccessReason, CloseReason, MessageKind, RemovalReason, StaffMessage, ThreadAction, ThreadInfo},
};

use super::{
    super::{
        super::{
            browser::{
                Detailed, Target,
                filter::{Typed, quoted},
                heading,
            },
            bulk::Bulk,
            confirmation,
            ctx::Ctx,
            keymap::Action,
            widgets::form::{Choice, Filled, Form},
        },
        reviews::REMOVALS,
    },
    CLOSE, Came, Intent, Last, NOTICE, REMOVE_MESSAGE, REOPEN, ThreadVerb, Threads,
};

const WHY: [(char, AccessReason); 6] = [
    ('c', AccessReason::Complaint),
    ('d', AccessReason::Dispute),
    ('s', AccessReason::Safety),
    ('f', AccessReason::Fraud),
    ('l', AccessReason::LegalRequest),
    ('q', AccessReason::Quality),
];

/// The reasons that staff give; the remaining one is the system's.
const CLOSING: [(char, CloseReason); 6] = [
    ('r', CloseReason::Requested),
    ('a', CloseReason::Abuse),
    ('f', CloseReason::Fraud),
    ('s', CloseReason::Spam),
    ('y', CloseReason::Safety),
    ('o', CloseReason::Other),
];

impl Threads {
    /// Asks for the reason to read a private conversation.
    pub(super) fn ask_why(thread: &ThreadInfo, ctx: &mut Ctx) {
        let form = Form::new(format!("Read {}", thread.name()))
            .line("Why? The reason goes to the audit log.")
            .line("")
            .choices(WHY.iter().map(|(key, reason)| Choice::of(*key, reason.as_str())).collect(), false)
            .at_once();
        ctx.ask(form, Intent::Read(thread.id));
    }

    /// Returns the open thread; without one, the marked threads, or the one under the cursor.
    fn targets(&self) -> Vec<Target<ThreadId>> {
        match &self.talk {
            Some(talk) => {
                let info = &talk.info;
                vec![Target { id: info.id, name: info.name(), version: Some(info.version) }]
            }
            None => self.browser.targets(),
        }
    }

    /// Handles actions that change something. Returns false for any other.
    pub(super) fn act(&mut self, action: Action, ctx: &mut Ctx) -> bool {
        match action {
            CLOSE => self.ask(ThreadVerb::Close, None, None, ctx),
            REOPEN => self.ask(ThreadVerb::Reopen, None, None, ctx),
            NOTICE => self.ask(ThreadVerb::Notice, None, None, ctx),
            REMOVE_MESSAGE => self.ask_remove(ctx),
            Action::REPEAT => self.repeat(ctx),
            _ => return false,
        }
        true
    }

    fn ask(&self, kind: ThreadVerb, reason: Option<usize>, note: Option<&str>, ctx: &mut Ctx) {
        let targets = self.targets();
        if targets.is_empty() {
            return;
        }
        let heading = |verb| heading(verb, &targets, "threads");
        let form = match kind {
            ThreadVerb::Close => Form::new(heading("Close"))
                .line("It takes no more messages; the two see the reason. It can be reopened.")
                .line("")
                .choices(CLOSING.iter().map(|(key, reason)| Choice::of(*key, reason.as_str())).collect(), false)
                .with_picked(reason.as_slice())
                .with_note(note),
            ThreadVerb::Reopen => {
                Form::new(heading("Reopen")).line("It takes messages again.").line("").with_note(note)
            }
            ThreadVerb::Notice => Form::new(heading("Post a notice in")).with_words("the two read"),
        };
        let form = form.about(targets.iter().map(|target| target.id));
        ctx.ask(form.confirmed_by(confirmation::UNDOABLE, targets.len()), Intent::Thread(kind, targets));
    }

    fn ask_remove(&self, ctx: &mut Ctx) {
        let Some(talk) = &self.talk else {
            ctx.refuse("open the thread and choose a message first");
            return;
        };
        let target =
            |message: &StaffMessage| Target { id: message.id, name: format!("message {}", message.seq), version: None };
        let chosen = talk.chosen().into_iter().filter(|message| message.kind != MessageKind::Job);
        let targets: Vec<_> = chosen.map(target).collect();
        if targets.is_empty() {
            ctx.refuse("what became of a job cannot be removed");
            return;
        }
        let form = Form::new(heading("Remove", &targets, "messages"))
            .line("The two see that it was removed, and why; staff still see what it said.")
            .line("")
            .choices(REMOVALS.iter().map(|(key, reason)| Choice::of(*key, reason.as_str())).collect(), false)
            .with_note(None)
            .about(targets.iter().map(|target| target.id))
            .confirmed_by(confirmation::REMOVE_MESSAGES, targets.len());
        ctx.ask(form, Intent::RemoveMessages(talk.info.id, targets));
    }

    fn repeat(&mut self, ctx: &mut Ctx) {
        let Some(last) = self.last.clone() else {
            ctx.say("nothing to repeat yet");
            return;
        };
        if self.talk.is_some() {
            ctx.say("repeating goes on in the list: Esc leads there");
        } else if self.browser.advance(ctx) {
            self.ask(last.kind, last.reason, last.note.as_deref(), ctx);
        }
    }

    /// Handles a confirmed form.
    pub(super) fn go_ahead(&mut self, intent: Intent, filled: Filled, ctx: &mut Ctx) {
        let picked = filled.picked.first().copied();
        match intent {
            Intent::Read(id) => {
                if let Some((_, reason)) = picked.and_then(|at| WHY.get(at)) {
                    self.read(id, *reason, ctx);
                }
            }
            Intent::RemoveMessages(thread, targets) => {
                if let Some((_, reason)) = picked.and_then(|at| REMOVALS.get(at)) {
                    self.remove(thread, &targets, *reason, filled.note, ctx);
                }
            }
            Intent::Thread(kind, targets) => {
                let (note, words) = (filled.note, filled.comment);
                self.last = Some(Last { kind, reason: picked, note: note.clone(), words: words.clone() });
                let (action, verb, done) = match (kind, picked.and_then(|at| CLOSING.get(at))) {
                    (ThreadVerb::Close, Some((_, reason))) => {
                        (ThreadAction::Close { reason: *reason }, "Close", "closed")
                    }
                    (ThreadVerb::Close, None) => return,
                    (ThreadVerb::Reopen, _) => (ThreadAction::Reopen, "Reopen", "reopened"),
                    (ThreadVerb::Notice, _) => {
                        if let Some(words) = words {
                            self.post(&targets, words, ctx);
                        }
                        return;
                    }
                };
                self.browser.change(&targets, verb, done, ctx, move |api, id, if_version| {
                    let change = Change { note: note.clone(), if_version, ..Change::default() };
                    let action = action.clone();
                    Box::pin(async move { staff::act_on_thread(&api, id, &action, change.clone()).await })
                });
            }
        }
    }

    fn post(&mut self, targets: &[Target<ThreadId>], words: String, ctx: &mut Ctx) {
        if targets.len() > 1 {
            self.browser.list.acting_on(targets.iter().map(|target| target.id));
        }
        self.browser.acted = targets.iter().map(|target| target.id).collect();
        let said = ("Post a notice in", "threads", "the notice is posted");
        self.say(targets, said, ctx, move |api, id| {
            let words = words.clone();
            Box::pin(async move { api.call::<PostNotice>(id, (), NoticeInput::new(&words, Change::default())).await })
        });
    }

    fn remove(
        &mut self,
        thread: ThreadId,
        targets: &[Target<MessageId>],
        reason: RemovalReason,
        note: Option<String>,
        ctx: &mut Ctx,
    ) {
        if let Some(talk) = self.talk.as_mut().filter(|talk| talk.info.id == thread) {
            talk.marks.clear();
        }
        let change = Change { note, ..Change::default() };
        self.say(targets, ("Remove", "messages", "the message is removed"), ctx, move |api, id| {
            let change = change.clone();
            Box::pin(async move { api.call::<RemoveMessage>(id, (), ReasonedInput::new(reason, change.clone())).await })
        });
    }

    /// Changes messages: one at once, many as a bulk action. The texts are the verb, the noun, and the notice when one
    /// is done.
    fn say<I, W>(
        &mut self,
        targets: &[Target<I>],
        (verb, many, done): (&str, &str, &'static str),
        ctx: &mut Ctx,
        change: W,
    ) where
        I: Copy + Send + Sync + 'static,
        W: Fn(Connection, I) -> BoxFuture<'static, Result<Changed<StaffMessage>>> + Clone + Send + Sync + 'static,
    {
        if let [one] = targets {
            let load = ctx.act(format!("{verb} {}", one.name), Came::Said, |api| change(api, one.id));
            self.saying.push((load, done));
        } else {
            let items = targets.iter().map(|target| (target.name.clone(), target.id));
            ctx.bulk(Bulk::new(heading(verb, targets, many), items, change));
        }
    }

    pub(super) fn command_lines(&self) -> Vec<String> {
        let flags = self.browser.list.bar.filter.flags();
        let mut lines = vec![format!("marketplace threads list{flags}")];
        let Some(thread) = self.subject() else { return lines };
        lines.push(format!("marketplace threads show {}", thread.id));
        if let Some(talk) = &self.talk {
            lines.push(format!("marketplace threads watch {} --reason {}", thread.id, talk.reason));
            if let Some(message) = talk.selected() {
                lines.push(format!("marketplace threads remove-message {} --reason CODE", message.id));
            }
        }
        if let Some(last) = &self.last {
            let verb = match last.kind {
                ThreadVerb::Close => "close",
                ThreadVerb::Reopen => "reopen",
                ThreadVerb::Notice => "notice",
            };
            let mut rest = String::new();
            if let Some((_, reason)) = last.reason.and_then(|at| CLOSING.get(at)) {
                let _ = write!(rest, " --reason {reason}");
            }
            if let Some(words) = &last.words {
                let _ = write!(rest, " --content {}", quoted(words));
            }
            if let Some(note) = &last.note {
                let _ = write!(rest, " --note {}", quoted(note));
            }
            lines.extend(self.browser.command(&format!("marketplace threads {verb}"), &rest));
        }
        lines
    }
}
