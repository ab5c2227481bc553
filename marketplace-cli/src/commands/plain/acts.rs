//! What is done about what is open, or about rows that are marked.

use std::time::Duration;

use marketplace_core::{
    base::change::Change,
    error::Error,
    reports::model::{DismissReason, ReportAction, ReportReason},
    staff::{ClaimAttempt, UndoDecision, UndoReport},
};
use tokio::time::Instant;

use super::{
    Desk, LOOK, mine,
    words::{arguments, is_actions, words},
};
use crate::{
    context::Assent,
    failure::{Failure, Outcome},
    tui::confirmed_by,
};

/// Verbs that take an open case away from whoever holds it.
const ASIDE: [&str; 7] = ["snooze", "assign", "escalate", "resolve", "dismiss", "uphold", "reverse"];
/// Verbs that only look.
const LOOKS: [&str; 8] = ["show", "list", "history", "messages", "sessions", "tail", "verify", "watch"];
/// The least time between two renewals of a claim.
const RENEW: Duration = Duration::from_secs(60);
/// Rows above which an act asks for their number.
const MANY: usize = 20;

impl Desk<'_> {
    pub(super) async fn decide(&mut self, act: &str, rest: &[String]) -> Outcome {
        let Some(case) = &self.case else {
            return Err(Failure::usage("no identity check is open", "next takes one"));
        };
        self.require_seen(LOOK)?;
        let id = case.attempt.id;
        if self.renewed.elapsed() > RENEW {
            self.case = Some(self.api.call::<ClaimAttempt>(id, (), Change::default()).await?.item);
            self.renewed = Instant::now();
        }
        let fence = self
            .case
            .as_ref()
            .and_then(mine)
            .ok_or_else(|| Error::conflict("this case is not yours: open it again", serde_json::json!({})))?;
        let words = vec!["kyc".into(), act.into(), id.to_string(), "--fence".into(), fence.to_string()];
        // Like a key: what can be taken back is not asked about where nothing has to be chosen.
        let assent = if act == "approve" { Assent::Given } else { Assent::Asked };
        let arguments = arguments("kyc", act, rest);
        // What was decided has just been read; what would be is worth reading.
        let is_dry = arguments.iter().any(|word| word == "--dry-run");
        self.brief(!is_dry);
        self.run([words, arguments].concat(), assent).await?;
        if is_dry {
            return Ok(());
        }
        self.case = None;
        self.decided = Some(("kyc", id.to_string()));
        self.say(&format!("{act}: done; undo takes it back, within 10 seconds"))?;
        self.next().await
    }

    pub(super) async fn undo(&mut self) -> Outcome {
        let Some((place, id)) = self.decided.take() else { return self.say("nothing to undo") };
        let bad = |_| Failure::usage("that is no id", "nothing was undone");
        if place == "reports" {
            let undone = self.api.call::<UndoReport>(id.parse().map_err(bad)?, (), Change::default()).await?;
            self.give_back().await;
            return self.put_report(&undone.item);
        }
        let undone = self.api.call::<UndoDecision>(id.parse().map_err(bad)?, (), Change::default()).await?;
        self.give_back().await;
        self.put(undone.item)
    }

    /// Asks for what an act cannot do without, where it was not written.
    async fn completed(&self, act: &str, rest: &[String]) -> Outcome<Vec<String>> {
        let bare = rest.iter().take_while(|word| !word.starts_with('-')).count();
        let names = |names: &[&str]| names.join(", ");
        let question = match (self.place, act, bare) {
            ("kyc" | "reports", "snooze", 0) => "Until when? 4h, 2d or a date: ".to_owned(),
            ("kyc" | "reports", "assign", 0) => "To whom? A name, an address or me: ".to_owned(),
            ("kyc" | "reports", "escalate", 0) => "Why? ".to_owned(),
            ("reports", "resolve", 0) => format!("Why? {}: ", names(ReportReason::NAMES)),
            ("reports", "dismiss", 0) => format!("Why? {}: ", names(DismissReason::NAMES)),
            _ => String::new(),
        };
        let mut rest = rest.to_vec();
        if !question.is_empty() {
            let answer = self.context.line(&question).await?.unwrap_or_default();
            rest.splice(0..0, words(&answer));
        }
        if (self.place, act) == ("reports", "resolve") && !rest.get(1).is_some_and(|word| is_actions(word)) {
            let question = format!("What is done? {}: ", names(ReportAction::NAMES));
            let answer = self.context.line(&question).await?.unwrap_or_default();
            rest.splice(1.min(rest.len())..1.min(rest.len()), words(&answer));
        }
        Ok(rest)
    }

    pub(super) async fn act(&mut self, act: &str, rest: &[String]) -> Outcome {
        let mut words = vec![self.place.to_owned(), act.to_owned()];
        let is_new = matches!(act, "remove-message" | "create" | "list" | "tail" | "verify");
        let is_dry = rest.iter().any(|word| word == "--dry-run");
        let many = self.marked.len();
        // Messages have ids of their own; what makes something new needs none.
        if !is_new && many > 0 && !LOOKS.contains(&act) {
            words.append(&mut self.marked.clone());
        } else if !is_new {
            words.push(self.subject(self.place)?);
            if !LOOKS.contains(&act) && !is_dry {
                self.require_seen(if matches!(self.place, "kyc" | "reports") { LOOK } else { Duration::ZERO })?;
            }
        }
        let rest = self.completed(act, rest).await?;
        let assent = match (confirmed_by(act), many > MANY) {
            (Some(word), true) => Assent::Word(format!("{word} {many}")),
            (Some(word), false) => Assent::Word(word.to_owned()),
            (None, true) => Assent::Word(many.to_string()),
            (None, false) => Assent::Asked,
        };
        let arguments = arguments(self.place, act, &rest);
        if many > 0 && matches!(act, "note" | "export") {
            // These take one at a time.
            for id in std::mem::take(&mut self.marked) {
                let words = vec![self.place.to_owned(), act.to_owned(), id];
                self.run([words, arguments.clone()].concat(), Assent::Asked).await?;
            }
            return Ok(());
        }
        self.run([words, arguments].concat(), assent).await?;
        if many > 0 {
            self.marked.clear();
        } else if matches!(self.place, "kyc" | "reports") && ASIDE.contains(&act) && !is_dry {
            // It is somebody else's now, or done.
            if matches!(act, "resolve" | "dismiss") {
                self.decided = self.subject.take().map(|id| (self.place, id));
            }
            (self.case, self.report, self.subject) = (None, None, None);
            return self.next().await;
        }
        Ok(())
    }
}
