//! A decision: its texts, and the state that is kept while it can be undone or repeated.

use std::fmt::Write as _;

use marketplace_core::{
    base::change::Change,
    ids::AttemptId,
    kyc::model::{Decision, DecisionKind, KycReason, UNDO},
    time::Timestamp,
};

use super::{
    super::super::{browser::filter::quoted, bulk::Bulk, message::LoadId, text, widgets::form::Choice},
    case::OpenCase,
};

/// Cases with the names that are shown.
pub type Cases = Vec<(AttemptId, String)>;

/// An attempt that is to be decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaseTarget {
    /// Its id.
    pub id: AttemptId,
    /// The name, as shown.
    pub name: String,
    /// The fencing number of the claim, when there is one.
    pub fence: Option<i64>,
}

/// The intent of a form: the decision, and the attempts.
pub struct Intent(pub DecisionKind, pub Vec<CaseTarget>);

/// A decision that was sent, kept for as long as it can be undone.
#[derive(Debug)]
pub struct SentDecision {
    /// Its request, until there is a result.
    pub load: Option<LoadId>,
    /// The kind of decision.
    pub kind: DecisionKind,
    /// The case.
    pub open: OpenCase,
    /// Until when it can be undone.
    pub until: Option<Timestamp>,
    /// Whether it is to be undone as soon as there is a result.
    pub undo: bool,
}

/// Decisions on many cases at once, kept for as long as they can be taken back.
#[derive(Debug)]
pub struct Batch {
    /// The kind of decision.
    pub kind: DecisionKind,
    /// The cases; once it has ended, those that were decided.
    pub cases: Vec<(AttemptId, String)>,
    /// Until when the latest of them can be taken back; `None` while it runs.
    pub until: Option<Timestamp>,
}

impl Batch {
    /// Handles the end of the bulk action.
    pub fn ended(&mut self, bulk: &Bulk, now: Timestamp) {
        if self.until.is_some() {
            return;
        }
        let cases = std::mem::take(&mut self.cases);
        self.cases = bulk.changed().iter().filter_map(|at| cases.get(*at).cloned()).collect();
        if !self.cases.is_empty() {
            self.until = Some(now + UNDO);
        }
    }
}

/// The latest decision's texts, for repeating it.
#[derive(Debug, Clone)]
pub struct Last {
    /// The kind of decision.
    pub kind: DecisionKind,
    /// The reasons.
    pub reasons: Vec<KycReason>,
    /// The text for the worker.
    pub comment: Option<String>,
    /// The note that only staff see.
    pub note: Option<String>,
}

/// Returns the texts for a decision in progress, and for a completed one.
pub fn verbs(kind: DecisionKind) -> (&'static str, &'static str) {
    match kind {
        DecisionKind::Approve => ("approving", "approved"),
        DecisionKind::Retry => ("asking again:", "asked again:"),
        DecisionKind::Reject => ("rejecting", "rejected"),
        DecisionKind::Revoke => ("revoking", "revoked"),
    }
}

/// Returns the heading.
pub fn title(kind: DecisionKind) -> &'static str {
    match kind {
        DecisionKind::Approve => "Approve",
        DecisionKind::Retry => "Ask again",
        DecisionKind::Reject => "Reject",
        DecisionKind::Revoke => "Revoke",
    }
}

/// Returns the reasons, each with a letter, the same for every decision, and with that decision's text.
pub fn reasons(kind: DecisionKind) -> Vec<Choice> {
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
            Choice { key, label: text::words(reason.as_str()), template: reason.template(kind) }
        })
        .collect()
}

impl Last {
    /// Creates an approval without texts.
    pub fn approval() -> Self {
        Self { kind: DecisionKind::Approve, reasons: Vec::new(), comment: None, note: None }
    }
    /// Returns the request for the system, with the claim's fencing number.
    pub fn request(&self, fence: Option<i64>) -> (Decision, Change) {
        let decision =
            Decision { kind: self.kind, fence, reasons: self.reasons.clone(), comment: self.comment.clone() };
        (decision, Change { note: self.note.clone(), ..Change::default() })
    }

    /// Returns the command that makes the same decision.
    pub fn command(&self, id: AttemptId) -> String {
        let mut line = format!("marketplace kyc {} {id}", self.kind);
        for reason in &self.reasons {
            let _ = write!(line, " --reason {reason}");
        }
        if let Some(comment) = &self.comment {
            let _ = write!(line, " --comment {}", quoted(comment));
        }
        if let Some(note) = &self.note {
            let _ = write!(line, " --note {}", quoted(note));
        }
        line
    }
}
