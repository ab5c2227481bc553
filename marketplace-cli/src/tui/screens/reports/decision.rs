//! What is asked before a decision, and what it becomes.

use std::fmt::Write as _;

use marketplace_core::{
    base::change::{Change, Changed},
    ids::{CaseId, PhotoId},
    reports::model::{
        AppealVerdict, Deciding, DismissReason, ReportAction, ReportCase, ReportReason, ReportTarget, Verdict,
    },
    staff::{self, Connection},
};

use super::super::super::{
    browser::filter::quoted,
    confirmation, text,
    widgets::form::{Choice, Filled},
};

/// How long a case can be put off from here, each with its letter: the label, and hours.
pub const SNOOZES: [(char, &str, u64); 5] =
    [('h', "4 hours", 4), ('d', "1 day", 24), ('t', "3 days", 72), ('w', "1 week", 168), ('n', "now, no longer", 0)];

/// Returns how long a case can be put off.
pub fn snoozes() -> Vec<Choice> {
    SNOOZES.iter().map(|(key, label, _)| Choice { key: *key, label: (*label).to_owned(), template: "" }).collect()
}

/// Which decision is asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// Act on reports.
    Act,
    /// Leave it as it is.
    Dismiss,
    /// The appeal is right.
    Reverse,
    /// The decision stays.
    Uphold,
}

impl Asked {
    /// Returns the heading.
    pub fn title(self) -> &'static str {
        match self {
            Self::Act => "Act on",
            Self::Dismiss => "Dismiss",
            Self::Reverse => "Take back the decision on",
            Self::Uphold => "Uphold the decision on",
        }
    }
    /// Returns the consequence.
    pub fn means(self) -> &'static str {
        match self {
            Self::Act => {
                "Both sides are told in 10 s. Small letters are reasons, capital ones what is done; what was reported is chosen."
            }
            Self::Dismiss => "Who reported is told in 10 s; whose it is does not hear of it.",
            Self::Reverse => "What was done is taken back as far as it can be. This is for good.",
            Self::Uphold => "The decision stays. This is for good.",
        }
    }
    /// Returns the text when done.
    pub fn done(self) -> &'static str {
        match self {
            Self::Act => "acted on",
            Self::Dismiss => "dismissed",
            Self::Reverse => "taken back",
            Self::Uphold => "upheld",
        }
    }
    /// Returns what is to be typed before it.
    pub fn confirmation(self) -> &'static str {
        match self {
            Self::Act | Self::Dismiss => confirmation::UNDOABLE,
            Self::Reverse => confirmation::REVERSE,
            Self::Uphold => confirmation::UPHOLD,
        }
    }
    /// Returns whether it cannot be undone.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Reverse | Self::Uphold)
    }
}

fn reason_key(reason: ReportReason) -> char {
    match reason {
        ReportReason::Spam => 's',
        ReportReason::Scam => 'c',
        ReportReason::Harassment => 'h',
        ReportReason::Hate => 't',
        ReportReason::Sexual => 'x',
        ReportReason::Violence => 'v',
        ReportReason::OffPlatformPayment => 'p',
        ReportReason::Impersonation => 'i',
        ReportReason::Illegal => 'l',
        ReportReason::Other => 'o',
    }
}

const fn action_key(action: ReportAction) -> char {
    match action {
        ReportAction::RemoveMessage => 'M',
        ReportAction::RemoveReview => 'R',
        ReportAction::RemovePhoto => 'P',
        ReportAction::CloseService => 'S',
        ReportAction::CloseThread => 'T',
        ReportAction::Warn => 'W',
        ReportAction::Freeze => 'F',
        ReportAction::Ban => 'B',
    }
}

fn dismissal_key(reason: DismissReason) -> char {
    match reason {
        DismissReason::NoViolation => 'n',
        DismissReason::NotEnoughInformation => 'i',
        DismissReason::AlreadyHandled => 'h',
        DismissReason::Dispute => 'd',
        DismissReason::Misuse => 'm',
        DismissReason::Other => 'o',
    }
}

/// The letter that removes a photo.
pub const PHOTO_KEY: char = action_key(ReportAction::RemovePhoto);

/// Returns what can be done about a target; a photo can be removed if one is shown.
fn offered(target: ReportTarget, photo: Option<PhotoId>) -> impl Iterator<Item = ReportAction> {
    ReportAction::of(target).filter(move |action| *action != ReportAction::RemovePhoto || photo.is_some())
}

/// Returns the choices of a decision, each with its letter: reasons, and what can be done; about a photo, with its place.
pub fn choices(asked: Asked, target: ReportTarget, photo: Option<(PhotoId, &str)>) -> Vec<Choice> {
    match asked {
        Asked::Act => {
            let reasons = ReportReason::ALL.iter().map(|reason| Choice {
                key: reason_key(*reason),
                label: text::words(reason.as_str()),
                template: reason.to_subject(),
            });
            let done = offered(target, photo.map(|(id, _)| id)).map(|action| match (action, photo) {
                (ReportAction::RemovePhoto, Some((_, place))) => {
                    Choice { key: PHOTO_KEY, label: format!("remove {place}"), template: "" }
                }
                _ => Choice::of(action_key(action), action.as_str()),
            });
            reasons.chain(done).collect()
        }
        Asked::Dismiss => DismissReason::ALL
            .iter()
            .map(|reason| Choice {
                key: dismissal_key(*reason),
                label: text::words(reason.as_str()),
                template: reason.to_reporter(),
            })
            .collect(),
        Asked::Reverse | Asked::Uphold => Vec::new(),
    }
}

/// Returns the choice that reports make, when all of them give one reason that says what is wrong.
pub fn reported(asked: Asked, reasons: &[ReportReason]) -> Option<usize> {
    match (asked, reasons) {
        (Asked::Act, [only]) if *only != ReportReason::Other => {
            ReportReason::ALL.iter().position(|reason| reason == only)
        }
        _ => None,
    }
}

/// The latest decision.
#[derive(Debug, Clone)]
pub struct Last {
    asked: Asked,
    reasons: Vec<ReportReason>,
    dismissal: Vec<DismissReason>,
    actions: Vec<ReportAction>,
    photo: Option<PhotoId>,
    comment: Option<String>,
    /// The note that only staff see.
    pub note: Option<String>,
}

/// A decision as the system takes it.
enum Request {
    /// About reports.
    Reports(Deciding),
    /// About an appeal.
    Appeal(AppealVerdict),
}

impl Last {
    /// Returns what was filled in as a decision.
    pub fn new(asked: Asked, (target, photo): (ReportTarget, Option<PhotoId>), filled: Filled) -> Self {
        let Filled { picked, comment, note, .. } = filled;
        let (mut reasons, mut dismissal, mut actions) = (Vec::new(), Vec::new(), Vec::new());
        match asked {
            Asked::Act => {
                let count = ReportReason::ALL.len();
                reasons.extend(picked.iter().filter_map(|at| ReportReason::ALL.get(*at)));
                let fitting: Vec<ReportAction> = offered(target, photo).collect();
                actions.extend(picked.iter().filter_map(|at| fitting.get(at.checked_sub(count)?)));
            }
            Asked::Dismiss => dismissal.extend(picked.iter().filter_map(|at| DismissReason::ALL.get(*at))),
            Asked::Reverse | Asked::Uphold => {}
        }
        let photo = photo.filter(|_| actions.contains(&ReportAction::RemovePhoto));
        Self { asked, reasons, dismissal, actions, photo, comment, note }
    }

    /// Returns what is missing, if anything is.
    fn missing(&self) -> Option<&'static str> {
        match self.asked {
            Asked::Act if self.reasons.is_empty() => Some("choose a reason too: a small letter"),
            Asked::Act if self.actions.is_empty() => Some("choose what is done too: a capital letter"),
            _ => None,
        }
    }

    /// Says what is missing in what was filled in.
    pub fn check(asked: Asked, about: (ReportTarget, Option<PhotoId>), filled: &Filled) -> Result<(), String> {
        Self::new(asked, about, filled.clone()).missing().map_or(Ok(()), |missing| Err(missing.to_owned()))
    }

    /// Returns the request for the system, with the claim's fencing number.
    fn request(self, fence: Option<i64>) -> Request {
        let Self { asked, reasons, dismissal, actions, photo, comment, .. } = self;
        match asked {
            Asked::Act => {
                let verdict = Verdict::Resolve { reasons, actions, comment_to_subject: comment, photo };
                Request::Reports(Deciding { fence, verdict, comment_to_reporter: None })
            }
            Asked::Dismiss => {
                let verdict = Verdict::Dismiss { reasons: dismissal };
                Request::Reports(Deciding { fence, verdict, comment_to_reporter: comment })
            }
            Asked::Reverse | Asked::Uphold => {
                Request::Appeal(AppealVerdict { fence, reverse: asked == Asked::Reverse, comment })
            }
        }
    }

    /// Returns the command that makes the same decision, as a dry run.
    pub fn command(&self, id: CaseId) -> String {
        let (verb, comment) = match self.asked {
            Asked::Act => ("resolve", "comment-to-subject"),
            Asked::Dismiss => ("dismiss", "comment-to-reporter"),
            Asked::Reverse => ("reverse", "comment"),
            Asked::Uphold => ("uphold", "comment"),
        };
        let mut line = format!("marketplace reports {verb} {id}");
        let reasons = self.reasons.iter().map(|reason| reason.as_str());
        for reason in reasons.chain(self.dismissal.iter().map(|reason| reason.as_str())) {
            let _ = write!(line, " --reason {reason}");
        }
        for action in &self.actions {
            let _ = write!(line, " --action {action}");
        }
        if let Some(photo) = &self.photo {
            let _ = write!(line, " --photo {photo}");
        }
        if let Some(text) = &self.comment {
            let _ = write!(line, " --{comment} {}", quoted(text));
        }
        if let Some(note) = &self.note {
            let _ = write!(line, " --note {}", quoted(note));
        }
        line.push_str(" --dry-run");
        line
    }
}

impl Last {
    /// Makes the decision, under the claim's fencing number.
    pub async fn send(
        self,
        api: &Connection,
        id: CaseId,
        fence: Option<i64>,
    ) -> marketplace_core::error::Result<Changed<ReportCase>> {
        let change = Change { note: self.note.clone(), ..Change::default() };
        match self.request(fence) {
            Request::Reports(deciding) => staff::decide_reports(api, id, deciding, change).await,
            Request::Appeal(verdict) => staff::decide_appeal(api, id, verdict, change).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_choice_has_a_letter_of_its_own() {
        for target in ReportTarget::ALL {
            for asked in [Asked::Act, Asked::Dismiss] {
                let all = choices(asked, *target, Some((PhotoId(uuid::Uuid::nil()), "photo 1 of 1")));
                let keys: BTreeSet<char> = all.iter().map(|choice| choice.key).collect();
                assert_eq!(keys.len(), all.len(), "{target} {asked:?}");
            }
        }
    }

    #[test]
    fn letters_become_reasons_and_actions() {
        let at = |code: &str| {
            let all = choices(Asked::Act, ReportTarget::Message, None);
            all.iter().position(|choice| choice.label == text::words(code)).unwrap()
        };
        let filled = Filled {
            picked: vec![at("scam"), at("remove_message"), at("freeze")],
            comment: None,
            note: None,
            inputs: Vec::new(),
        };
        let last = Last::new(Asked::Act, (ReportTarget::Message, None), filled);
        assert_eq!((last.reasons.as_slice(), last.missing()), (&[ReportReason::Scam][..], None));
        assert_eq!(last.actions, [ReportAction::RemoveMessage, ReportAction::Freeze]);
        let filled = Filled { picked: vec![at("scam")], comment: None, note: None, inputs: Vec::new() };
        assert!(Last::new(Asked::Act, (ReportTarget::Message, None), filled).missing().is_some());
    }
}
