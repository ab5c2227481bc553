//! Decisions on one case or many: making, undoing and repeating them.

use marketplace_core::staff::{self, ReleaseAttempt, UndoDecision};
use marketplace_core::{
    base::change::{Change, Changed},
    error::{ErrorCode, Result},
    kyc::{
        model::{DecisionKind, KycCase, KycReason},
        status::KycStatus,
    },
    time::Timestamp,
};

use super::{
    super::super::{
        bulk::Bulk,
        confirmation,
        ctx::Ctx,
        message::LoadId,
        text,
        widgets::form::{Filled, Form},
    },
    Came, Kyc,
    case::OpenCase,
    decision::{Batch, CaseTarget, Intent, Last, SentDecision, reasons, title, verbs},
};

impl Kyc {
    /// Returns the marked cases; without marks, the open case, if its state permits the decision. Shows a notice
    /// otherwise.
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

    /// Approves one case at once, because that can be undone; many after a question.
    pub(super) fn approve(&mut self, ctx: &mut Ctx) {
        let targets = self.targets(DecisionKind::Approve, ctx);
        match targets.as_slice() {
            [] => {}
            [_] if self.list.rows.marked_count() == 0 => self.decide(Last::approval(), ctx),
            many => {
                let form = Form::new(format!("Approve {} cases", many.len()))
                    .line("Approves all that are marked and that no colleague holds.")
                    .confirmed_by(confirmation::UNDOABLE, many.len());
                ctx.ask(form, Intent(DecisionKind::Approve, targets));
            }
        }
    }

    /// Opens the form for the reasons.
    pub(super) fn ask(&mut self, kind: DecisionKind, ctx: &mut Ctx) {
        let targets = self.targets(kind, ctx);
        let heading = match targets.as_slice() {
            [] => return,
            [one] => format!("{} · {}", title(kind), text::clean(&one.name)),
            many => format!("{} · {} cases", title(kind), many.len()),
        };
        let mut form = Form::new(heading);
        if let (Some(open), [_]) = (&self.open, targets.as_slice()) {
            let attempt = &open.case.attempt;
            form = form
                .fact("document", text::words(attempt.document_type.as_str()))
                .fact("attempt", attempt.number.to_string());
        }
        let form = form
            .choices(reasons(kind), true)
            .with_comment()
            .with_note(None)
            .about(targets.iter().map(|target| target.id))
            .confirmed_by(confirmation::UNDOABLE, targets.len());
        ctx.ask(form, Intent(kind, targets));
    }

    /// Repeats the latest decision on the case that is open now.
    pub(super) fn repeat(&mut self, ctx: &mut Ctx) {
        let Some(last) = self.last.clone() else {
            ctx.say("nothing to repeat yet");
            return;
        };
        if self.list.rows.marked_count() == 0 && self.targets(last.kind, ctx).len() == 1 {
            self.decide(last, ctx);
        }
    }

    /// Handles a confirmed form.
    pub(super) fn go_ahead(&mut self, Intent(kind, targets): Intent, filled: Filled, ctx: &mut Ctx) {
        let last = Last {
            kind,
            reasons: filled.picked.iter().filter_map(|at| KycReason::ALL.get(*at)).copied().collect(),
            comment: filled.comment,
            note: filled.note,
        };
        match targets.as_slice() {
            [one] if self.open.as_ref().is_some_and(|open| open.id() == one.id) => {
                self.list.rows.clear_marks();
                self.decide(last, ctx);
            }
            many => self.decide_many(last, many, ctx),
        }
    }

    fn decide_many(&mut self, last: Last, targets: &[CaseTarget], ctx: &mut Ctx) {
        let decision = last.clone();
        let items = targets.iter().map(|target| (target.name.clone(), (target.id, target.fence)));
        let heading = format!("{} · {} cases", title(last.kind), targets.len());
        let bulk = Bulk::new(heading, items, move |api, (id, fence)| {
            let (decision, change) = decision.request(fence);
            Box::pin(async move { staff::decide(&api, id, decision.clone(), change.clone()).await })
        });
        // A case that is decided as one of many is removed from the screen.
        if let Some(open) = self.open.take_if(|open| targets.iter().any(|target| target.id == open.id())) {
            drop(open);
            self.in_case = false;
        }
        let cases = targets.iter().map(|target| (target.id, target.name.clone())).collect();
        self.batch = Some(Batch { kind: last.kind, cases, until: None });
        self.last = Some(last);
        self.list.acting_on(targets.iter().map(|target| target.id));
        ctx.bulk(bulk);
    }

    /// Sends the decision on the open case, and goes on to the next one without waiting for the result.
    fn decide(&mut self, last: Last, ctx: &mut Ctx) {
        let Some(mut open) = self.open.take() else { return };
        let id = open.id();
        let (decision, change) = last.request(open.fence(ctx.now()));
        let kind = last.kind;
        let what = format!("{} {}", verbs(kind).0, text::clean(open.name()));
        let load = ctx.act(what, Came::Decided, |api| async move {
            staff::decide(&api, id, decision.clone(), change.clone()).await
        });
        open.rest();
        // There may be many decisions that can still be undone: only the latest keeps its pictures.
        for sent in &mut self.sent {
            sent.open.forget();
        }
        self.sent.push(SentDecision { load: Some(load), kind, open, until: None, undo: false });
        self.last = Some(last);
        if self.shows_open() {
            self.list.rows.remove(id);
            self.advance(ctx);
        } else {
            self.in_case = false;
        }
    }

    /// Handles the result of a decision.
    pub(super) fn decided(&mut self, id: LoadId, answer: Result<Changed<KycCase>>, ctx: &mut Ctx) {
        let Some(at) = self.sent.iter().position(|sent| sent.load == Some(id)) else { return };
        match answer {
            Ok(changed) => {
                let mut undo = false;
                if let Some(sent) = self.sent.get_mut(at) {
                    sent.load = None;
                    let (now, decision) = (ctx.now(), changed.item.decision.as_ref());
                    // From now on, not from the system's "now": the delay of the response must not shorten the user's
                    // time.
                    sent.until = decision.map(|decision| now + decision.undo_until.since(decision.at));
                    sent.open.case = changed.item;
                    undo = sent.undo;
                }
                if !self.shows_open() {
                    self.list.rows.refresh();
                }
                if undo {
                    self.take_back(at, ctx);
                }
            }
            Err(error) => {
                let sent = self.sent.remove(at);
                let (doing, _) = verbs(sent.kind);
                ctx.fail(&format!("{doing} {} failed", sent.open.name()), &error);
                self.list.rows.refresh();
                // A conflict means that the case is someone else's by now. After any other error it is still here to be
                // decided.
                if error.code() != ErrorCode::Conflict {
                    self.bring_back(sent.open, ctx);
                }
            }
        }
    }

    /// Returns the latest batch, if it is what an undo takes back, and until when.
    pub(super) fn undoable_batch(&self, now: Timestamp) -> Option<(&Batch, Timestamp)> {
        let batch = self.batch.as_ref()?;
        let until = batch.until.filter(|until| now < *until)?;
        let older = |sent: &SentDecision| sent.load.is_none() && sent.until.is_some_and(|at| at <= until);
        self.sent.last().is_none_or(older).then_some((batch, until))
    }

    /// Takes the latest batch back, the oldest decision first, and returns the cases to the queue.
    fn undo_batch(&mut self, ctx: &mut Ctx) {
        let Some(batch) = self.batch.take() else { return };
        let heading = format!("Take back {} decisions", batch.cases.len());
        let items = batch.cases.into_iter().map(|(id, name)| (name, id));
        ctx.bulk(Bulk::new(heading, items, |api, id| {
            Box::pin(async move {
                let undone = api.call::<UndoDecision>(id, (), Change::default()).await?;
                // If this fails, the claim expires.
                drop(api.call::<ReleaseAttempt>(id, (), Change::default()).await);
                Ok(undone)
            })
        }));
    }

    /// Undoes the latest decision, or the latest batch of them.
    pub(super) fn undo(&mut self, ctx: &mut Ctx) {
        let now = ctx.now();
        if self.undoable_batch(now).is_some() {
            self.undo_batch(ctx);
            return;
        }
        self.sent.retain(|sent| sent.load.is_some() || sent.until.is_some_and(|until| now < until));
        // Those that are marked are taken back already.
        let Some(at) = self.sent.iter().rposition(|sent| !sent.undo) else {
            ctx.refuse("nothing to undo: a decision can be taken back for 10 s");
            return;
        };
        match self.sent.get_mut(at) {
            // There is no result yet: it is undone as soon as there is.
            Some(sent) if sent.load.is_some() => sent.undo = true,
            _ => self.take_back(at, ctx),
        }
    }

    /// Takes one of the decisions back that were sent.
    fn take_back(&mut self, at: usize, ctx: &mut Ctx) {
        let sent = self.sent.remove(at);
        let id = sent.open.id();
        let what = format!("taking back {}", text::clean(sent.open.name()));
        let load =
            ctx.act(what, Came::Undone, |api| async move { api.call::<UndoDecision>(id, (), Change::default()).await });
        self.undoing.push((load, sent.open));
    }

    /// Handles the result of an undo.
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

    /// Opens a case again; the one that was open waits in the background.
    pub(super) fn bring_back(&mut self, open: OpenCase, ctx: &mut Ctx) {
        self.want_next = false;
        if let Some(mut current) = self.open.take() {
            current.rest();
            if let Some(spare) = self.next.replace(current) {
                let id = spare.id();
                ctx.detach(|api| async move { drop(api.call::<ReleaseAttempt>(id, (), Change::default()).await) });
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
