//! Asking before a thread is read or changed, changing it, repeating that.

use std::fmt::Write as _;

use marketplace_core::{
    base::change::Change,
    ids::ThreadId,
    messaging::model::{AccessReason, CloseReason, MessageKind, ThreadAction, ThreadInfo},
};

use super::{
    super::{
        super::{
            browser::{Detailed, Target, heading},
            bulk::{Bulk, Work},
            ctx::{Ctx, Request},
            filter::{Typed, quoted},
            keymap::Action,
            message::Message,
            widgets::form::{Filled, Form, Intent, ThreadDeed},
        },
        jobs::choice,
        reviews::REMOVALS,
    },
    Threads,
};

const WHY: [(char, AccessReason); 6] = [
    ('c', AccessReason::Complaint),
    ('d', AccessReason::Dispute),
    ('s', AccessReason::Safety),
    ('f', AccessReason::Fraud),
    ('l', AccessReason::LegalRequest),
    ('q', AccessReason::Quality),
];

/// The reasons that staff give; the other one is the system's.
const CLOSING: [(char, CloseReason); 6] = [
    ('r', CloseReason::Requested),
    ('a', CloseReason::Abuse),
    ('f', CloseReason::Fraud),
    ('s', CloseReason::Spam),
    ('y', CloseReason::Safety),
    ('o', CloseReason::Other),
];

/// The latest action, for repeating it.
#[derive(Debug, Clone)]
pub struct Last {
    deed: ThreadDeed,
    reason: Option<usize>,
    note: Option<String>,
    words: Option<String>,
}

/// Asks why somebody wants to read what two people wrote to each other.
pub fn ask_why(thread: &ThreadInfo, ctx: &mut Ctx) {
    let form = Form::new(format!("Read {}", thread.name()), Intent::Read(thread.id))
        .line("Why? The reason goes to the audit log.")
        .line("")
        .choices(WHY.iter().map(|(key, reason)| choice(*key, reason.as_str())).collect(), false)
        .at_once();
    ctx.requests.push(Request::Form(Box::new(form)));
}

impl Threads {
    /// The open thread; without one those marked, or the one under the cursor.
    fn targets(&self) -> Vec<Target<ThreadId>> {
        match &self.talk {
            Some(talk) => {
                let info = &talk.info;
                vec![Target { id: info.id, name: info.name(), version: Some(info.version) }]
            }
            None => self.browser.targets(),
        }
    }

    /// Takes what changes something. False when it is something else.
    pub(super) fn act(&mut self, action: Action, ctx: &mut Ctx) -> bool {
        match action {
            Action::Close => self.ask(ThreadDeed::Close, None, None, ctx),
            Action::Reopen => self.ask(ThreadDeed::Reopen, None, None, ctx),
            Action::Notice => self.ask(ThreadDeed::Notice, None, None, ctx),
            Action::RemoveMessage => self.ask_remove(ctx),
            Action::Repeat => self.repeat(ctx),
            _ => return false,
        }
        true
    }

    fn ask(&self, deed: ThreadDeed, reason: Option<usize>, note: Option<&str>, ctx: &mut Ctx) {
        let targets = self.targets();
        if targets.is_empty() {
            return;
        }
        let heading = |verb| heading(verb, &targets, "threads");
        let intent = Intent::Thread(deed, targets.clone());
        let form = match deed {
            ThreadDeed::Close => Form::new(heading("Close"), intent)
                .line("It takes no more messages; the two see the reason. It can be reopened.")
                .line("")
                .choices(CLOSING.iter().map(|(key, reason)| choice(*key, reason.as_str())).collect(), false)
                .with_picked(reason.as_slice())
                .with_note(note),
            ThreadDeed::Reopen => {
                Form::new(heading("Reopen"), intent).line("It takes messages again.").line("").with_note(note)
            }
            ThreadDeed::Notice => Form::new(heading("Post a notice in"), intent).with_words("the two read"),
        };
        ctx.requests.push(Request::Form(Box::new(form)));
    }

    fn ask_remove(&self, ctx: &mut Ctx) {
        let Some(talk) = &self.talk else {
            ctx.say("open the thread and choose a message first");
            return;
        };
        let target = |message: &marketplace_core::messaging::model::StaffMessage| Target {
            id: message.id,
            name: format!("message {}", message.seq),
            version: None,
        };
        let chosen = talk.chosen().into_iter().filter(|message| message.kind != MessageKind::Job);
        let targets: Vec<_> = chosen.map(target).collect();
        if targets.is_empty() {
            ctx.refuse("what became of a job cannot be removed");
            return;
        }
        let form = Form::new(heading("Remove", &targets, "messages"), Intent::RemoveMessages(talk.info.id, targets))
            .line("The two see that it was removed, and why; staff still see what it said.")
            .line("")
            .choices(REMOVALS.iter().map(|(key, reason)| choice(*key, reason.as_str())).collect(), false)
            .with_note(None);
        ctx.requests.push(Request::Form(Box::new(form)));
    }

    fn repeat(&mut self, ctx: &mut Ctx) {
        let Some(last) = self.last.clone() else {
            ctx.say("nothing to repeat yet");
            return;
        };
        if self.talk.is_some() {
            ctx.say("repeating goes on in the list: Esc leads there");
        } else if self.browser.advance(ctx) {
            self.ask(last.deed, last.reason, last.note.as_deref(), ctx);
        }
    }

    /// A form was confirmed.
    pub(super) fn confirmed(&mut self, filled: &Filled, ctx: &mut Ctx) -> bool {
        let picked = filled.picked.first().copied();
        match &filled.intent {
            Intent::Read(id) => {
                if let Some((_, reason)) = picked.and_then(|at| WHY.get(at)) {
                    self.read(*id, *reason, ctx);
                }
            }
            Intent::RemoveMessages(thread, targets) => {
                if let Some((_, reason)) = picked.and_then(|at| REMOVALS.get(at)) {
                    self.remove(*thread, targets, *reason, filled.note.as_ref(), ctx);
                }
            }
            Intent::Thread(deed, targets) => {
                let (note, words) = (filled.note.clone(), filled.comment.clone());
                self.last = Some(Last { deed: *deed, reason: picked, note: note.clone(), words: words.clone() });
                let (action, verb, done) = match (deed, picked.and_then(|at| CLOSING.get(at))) {
                    (ThreadDeed::Close, Some((_, reason))) => {
                        (ThreadAction::Close { reason: *reason }, "Close", "closed")
                    }
                    (ThreadDeed::Close, None) => return true,
                    (ThreadDeed::Reopen, _) => (ThreadAction::Reopen, "Reopen", "reopened"),
                    (ThreadDeed::Notice, _) => {
                        if let Some(words) = words {
                            self.post(targets, &words, ctx);
                        }
                        return true;
                    }
                };
                self.browser.change(targets, verb, done, ctx, move |api, id, if_version| {
                    let change = Change { note: note.clone(), if_version, ..Change::default() };
                    let action = action.clone();
                    Box::pin(async move { api.threads_act(id, &action, &change).await })
                });
            }
            _ => return false,
        }
        true
    }

    fn post(&mut self, targets: &[Target<ThreadId>], words: &str, ctx: &mut Ctx) {
        if let [one] = targets {
            let (id, words) = (one.id, words.to_owned());
            let load =
                ctx.load(Message::Said, |api| async move { api.threads_notice(id, &words, &Change::default()).await });
            self.saying.push((load, "the notice is posted"));
            return;
        }
        let work = targets.iter().map(|target| {
            let (id, words) = (target.id, words.to_owned());
            let work: Work = Box::new(move |api| {
                let words = words.clone();
                Box::pin(async move { Ok(api.threads_notice(id, &words, &Change::default()).await?.changed) })
            });
            (target.name.clone(), work)
        });
        let bulk = Bulk::new(heading("Post a notice in", targets, "threads"), work.collect());
        ctx.requests.push(Request::Bulk(Box::new(bulk)));
    }

    fn remove(
        &mut self,
        thread: ThreadId,
        targets: &[Target<marketplace_core::ids::MessageId>],
        reason: marketplace_core::messaging::model::RemovalReason,
        note: Option<&String>,
        ctx: &mut Ctx,
    ) {
        let change = Change { note: note.cloned(), ..Change::default() };
        if let Some(talk) = self.talk.as_mut().filter(|talk| talk.info.id == thread) {
            talk.marks.clear();
        }
        if let [one] = targets {
            let id = one.id;
            let load = ctx.load(Message::Said, |api| async move { api.message_remove(id, reason, &change).await });
            self.saying.push((load, "the message is removed"));
            return;
        }
        let work = targets.iter().map(|target| {
            let (id, change) = (target.id, change.clone());
            let work: Work = Box::new(move |api| {
                let change = change.clone();
                Box::pin(async move { Ok(api.message_remove(id, reason, &change).await?.changed) })
            });
            (target.name.clone(), work)
        });
        let bulk = Bulk::new(heading("Remove", targets, "messages"), work.collect());
        ctx.requests.push(Request::Bulk(Box::new(bulk)));
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
            let verb = match last.deed {
                ThreadDeed::Close => "close",
                ThreadDeed::Reopen => "reopen",
                ThreadDeed::Notice => "notice",
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
            lines.push(format!("marketplace threads {verb} {}{rest}", thread.id));
            lines.push(format!(
                "marketplace threads list{flags} --limit 0 -o id | marketplace threads {verb} --stdin --yes{rest}"
            ));
        }
        lines
    }
}
