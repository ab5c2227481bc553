//! Deciding, taking back, repeating; one case or many.

use marketplace_core::{
    base::change::{Change, Changed},
    error::{ErrorCode, Result},
    ids::AttemptId,
    kyc::{
        model::{Decision, DecisionKind, KycCase, KycReason},
        status::KycStatus,
    },
};
use std::fmt::Write as _;

use super::{
    super::super::{
        bulk::{Bulk, Work},
        ctx::{Ctx, Request},
        filter::quoted,
        message::{LoadId, Message},
        text,
        widgets::form::{CaseTarget, Choice, Filled, Form, Intent},
    },
    Kyc, Last, Made,
    case::OpenCase,
};

/// How a decision reads while it is under way, and afterwards.
pub fn verbs(kind: DecisionKind) -> (&'static str, &'static str) {
    match kind {
        DecisionKind::Approve => ("approving", "approved"),
        DecisionKind::Retry => ("asking again:", "asked again:"),
        DecisionKind::Reject => ("rejecting", "rejected"),
        DecisionKind::Revoke => ("revoking", "revoked"),
    }
}

fn title(kind: DecisionKind) -> &'static str {
    match kind {
        DecisionKind::Approve => "Approve",
        DecisionKind::Retry => "Ask again",
        DecisionKind::Reject => "Reject",
        DecisionKind::Revoke => "Revoke",
    }
}

/// The command that decides the same.
pub fn command(last: &Last, id: AttemptId) -> String {
    let mut line = format!("marketplace kyc {} {id}", last.kind);
    for reason in &last.reasons {
        let _ = write!(line, " --reason {reason}");
    }
    if let Some(comment) = &last.comment {
        let _ = write!(line, " --comment {}", quoted(comment));
    }
    if let Some(note) = &last.note {
        let _ = write!(line, " --note {}", quoted(note));
    }
    line
}

/// One letter a reason, the same for every decision.
fn reasons() -> Vec<Choice> {
    KycReason::ALL
        .iter()
        .map(|reason| {
            let key = match reason {
                KycReason::DocumentExpired => 'e',
                KycReason::DocumentUnreadable => 'u',
                KycReason::DocumentMismatch => 'm',
                KycReason::SelfieMismatch => 's',
                KycReason::SuspectedForgery => 'f',
                KycReason::Underage => 'a',
                KycReason::UnsupportedDocument => 'd',
                KycReason::Other => 'o',
            };
            Choice { key, label: text::words(reason.as_str()), template: reason.template() }
        })
        .collect()
}

impl Kyc {
    /// Those marked; without marks, the open case, if it is in a state for this. Says why not.
    fn targets(&self, kind: DecisionKind, ctx: &mut Ctx) -> Vec<CaseTarget> {
        let now = ctx.now();
        if self.list.rows.marked_count() > 0 {
            let rows = self.list.rows.marked();
            return rows
                .into_iter()
                .map(|row| {
                    let fence = self.open.as_ref().filter(|open| open.id() == row.id).and_then(|open| open.fence(now));
                    CaseTarget { id: row.id, name: row.name.clone(), fence }
                })
                .collect();
        }
        let Some(open) = &self.open else {
            ctx.refuse("open a case first (Enter), or mark rows (Space)");
            return Vec::new();
        };
        let status = open.case.attempt.status;
        let fence = open.fence(now);
        let target = CaseTarget { id: open.id(), name: open.name().to_owned(), fence };
        match (kind, status) {
            (DecisionKind::Revoke, KycStatus::Approved) => vec![target],
            (DecisionKind::Revoke, _) => {
                ctx.refuse(format!("only an approval can be revoked; this one is {}", text::words(status.as_str())));
                Vec::new()
            }
            (_, status) if !status.is_open() => {
                ctx.refuse(format!("decided already: {}", text::words(status.as_str())));
                Vec::new()
            }
            _ if fence.is_some() => vec![target],
            _ => {
                let holder = open.case.attempt.claim.as_ref().filter(|claim| !claim.mine && claim.expires_at > now);
                match holder {
                    Some(claim) => {
                        let left = text::countdown(claim.expires_at.since(now));
                        ctx.refuse(format!("{} has this case for {left} more", text::clean(&claim.label)));
                    }
                    None => ctx.refuse("the claim on this case ended: Enter claims it again"),
                }
                Vec::new()
            }
        }
    }

    /// One case at once, for it can be undone; many after a question.
    pub(super) fn approve(&mut self, ctx: &mut Ctx) {
        let targets = self.targets(DecisionKind::Approve, ctx);
        match targets.as_slice() {
            [] => {}
            [_] if self.list.rows.marked_count() == 0 => self.decide(Last::approval(), ctx),
            many => {
                let form = Form::new(
                    format!("Approve {} cases", many.len()),
                    Intent::Decide(DecisionKind::Approve, targets.clone()),
                )
                .line("Approves all that are marked and that no colleague holds.");
                ctx.requests.push(Request::Form(Box::new(form)));
            }
        }
    }

    /// Asks for reasons.
    pub(super) fn ask(&mut self, kind: DecisionKind, ctx: &mut Ctx) {
        let targets = self.targets(kind, ctx);
        let heading = match targets.as_slice() {
            [] => return,
            [one] => format!("{} · {}", title(kind), text::clean(&one.name)),
            many => format!("{} · {} cases", title(kind), many.len()),
        };
        let form =
            Form::new(heading, Intent::Decide(kind, targets)).choices(reasons(), true).with_comment().with_note(None);
        ctx.requests.push(Request::Form(Box::new(form)));
    }

    /// The latest decision once more, on the case that is open now.
    pub(super) fn repeat(&mut self, ctx: &mut Ctx) {
        let Some(last) = self.last.clone() else {
            ctx.say("nothing to repeat yet");
            return;
        };
        if self.list.rows.marked_count() == 0 && self.targets(last.kind, ctx).len() == 1 {
            self.decide(last, ctx);
        }
    }

    /// A form was confirmed.
    pub(super) fn confirmed(&mut self, filled: &Filled, ctx: &mut Ctx) -> bool {
        let Intent::Decide(kind, targets) = &filled.intent else { return false };
        let last = Last {
            kind: *kind,
            reasons: filled.picked.iter().filter_map(|at| KycReason::ALL.get(*at)).copied().collect(),
            comment: filled.comment.clone(),
            note: filled.note.clone(),
        };
        match targets.as_slice() {
            [one] if self.open.as_ref().is_some_and(|open| open.id() == one.id) => {
                self.list.rows.clear_marks();
                self.decide(last, ctx);
            }
            many => self.decide_many(last, many, ctx),
        }
        true
    }

    fn decide_many(&mut self, last: Last, targets: &[CaseTarget], ctx: &mut Ctx) {
        let work = targets.iter().map(|target| {
            let (id, fence, last) = (target.id, target.fence, last.clone());
            let work: Work = Box::new(move |api| {
                let (decision, change) = last.request(fence);
                Box::pin(async move { Ok(api.kyc_decide(id, &decision, &change).await?.changed) })
            });
            (target.name.clone(), work)
        });
        let bulk = Bulk::new(format!("{} · {} cases", title(last.kind), targets.len()), work.collect());
        // What is decided along with the others is not on the screen any more.
        if let Some(open) = self.open.take_if(|open| targets.iter().any(|target| target.id == open.id())) {
            drop(open);
            self.in_case = false;
        }
        self.last = Some(last);
        ctx.requests.push(Request::Bulk(Box::new(bulk)));
    }

    /// Sends the decision on the open case, and goes on to the next one without waiting for the answer.
    fn decide(&mut self, last: Last, ctx: &mut Ctx) {
        let Some(mut open) = self.open.take() else { return };
        let id = open.id();
        let (decision, change) = last.request(open.fence(ctx.now()));
        let load = ctx.load(Message::Decided, |api| async move { api.kyc_decide(id, &decision, &change).await });
        let kind = last.kind;
        open.rest();
        // Whoever decides fast has many that could be undone: only the latest keeps its pictures.
        for made in &mut self.made {
            made.open.forget();
        }
        self.made.push(Made { load: Some(load), kind, open, until: None, undo: false });
        self.last = Some(last);
        if self.shows_open() {
            self.list.rows.remove(id);
            self.advance(ctx);
        } else {
            self.in_case = false;
        }
    }

    /// What became of a decision.
    pub(super) fn decided(&mut self, id: LoadId, answer: Result<Changed<KycCase>>, ctx: &mut Ctx) {
        let Some(at) = self.made.iter().position(|made| made.load == Some(id)) else { return };
        match answer {
            Ok(changed) => {
                let mut undo = false;
                if let Some(made) = self.made.get_mut(at) {
                    made.load = None;
                    let (now, decision) = (ctx.now(), changed.item.decision.as_ref());
                    // From now on, not from the system's "now": the way of the answer counts for the user.
                    made.until = decision.map(|decision| now + decision.undo_until.since(decision.at));
                    made.open.case = changed.item;
                    undo = made.undo;
                }
                if !self.shows_open() {
                    self.list.rows.refresh();
                }
                if undo {
                    self.undo(ctx);
                }
            }
            Err(error) => {
                let made = self.made.remove(at);
                let (doing, _) = verbs(made.kind);
                ctx.fail(&format!("{doing} {} failed", made.open.name()), &error);
                self.list.rows.refresh();
                // A conflict means that it is somebody else's by now. Anything else: it is still here to be decided.
                if error.code() != ErrorCode::Conflict {
                    self.bring_back(made.open, ctx);
                }
            }
        }
    }

    /// Takes the latest decision back.
    pub(super) fn undo(&mut self, ctx: &mut Ctx) {
        let now = ctx.now();
        self.made.retain(|made| made.load.is_some() || made.until.is_some_and(|until| now < until));
        let Some(made) = self.made.last_mut() else {
            ctx.refuse("nothing to undo: a decision can be taken back for 10 s");
            return;
        };
        if made.load.is_some() {
            // Not answered yet: it is taken back as soon as it is.
            made.undo = true;
            return;
        }
        if let Some(made) = self.made.pop() {
            let id = made.open.id();
            let load = ctx.load(Message::Undone, |api| async move { api.kyc_undo(id, &Change::default()).await });
            self.undoing.push((load, made.open));
        }
    }

    /// What became of an undo.
    pub(super) fn undone(&mut self, id: LoadId, answer: Result<Changed<KycCase>>, ctx: &mut Ctx) {
        let Some(at) = self.undoing.iter().position(|(load, _)| *load == id) else { return };
        let (_, mut open) = self.undoing.remove(at);
        match answer {
            Ok(changed) => {
                ctx.say(format!("taken back: {}", text::clean(open.name())));
                open.case = changed.item;
                self.list.rows.refresh();
                self.bring_back(open, ctx);
            }
            Err(error) => ctx.fail(&format!("undo of {}", open.name()), &error),
        }
    }

    /// Puts a case in front again; the one that was there waits its turn.
    fn bring_back(&mut self, open: OpenCase, ctx: &mut Ctx) {
        self.want_next = false;
        if let Some(mut current) = self.open.take() {
            current.rest();
            if let Some(spare) = self.next.replace(current) {
                let id = spare.id();
                ctx.load(
                    |_, ()| Message::Quiet,
                    |api| async move {
                        drop(api.kyc_release(id, &Change::default()).await);
                    },
                );
            }
        }
        self.in_case = true;
        let (id, claimed) = (open.id(), open.fence(ctx.now()).is_some());
        self.put(open, ctx);
        if !claimed {
            self.look(id, ctx);
        }
    }
}

impl Last {
    fn approval() -> Self {
        Self { kind: DecisionKind::Approve, reasons: Vec::new(), comment: None, note: None }
    }
    fn request(&self, fence: Option<i64>) -> (Decision, Change) {
        let decision =
            Decision { kind: self.kind, fence, reasons: self.reasons.clone(), comment: self.comment.clone() };
        (decision, Change { note: self.note.clone(), ..Change::default() })
    }
}
