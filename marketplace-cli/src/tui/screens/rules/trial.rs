//! What a rule would have caught: it is looked for part by part, and shown as it comes.

use marketplace_core::{
    error::Result,
    ids::RuleId,
    reports::model::ReportTarget,
    rules::model::{NewRule, RuleExample, RuleTrial},
    staff::{TestRule, TestRuleInput},
    time::Timestamp,
};
use ratatui::{
    buffer::Buffer,
    layout::Rect,
    text::{Line, Span},
};

use super::super::{
    super::{
        contact_masking,
        ctx::{Ctx, REVEAL, Request},
        jump::{Destination, Subject},
        keymap::Action,
        message::{LoadId, Message},
        privacy, text,
        theme::Style,
        widgets::rows,
    },
    reviews, services, threads, users,
};

/// Examples that are kept at most.
const MOST: usize = 200;
/// Examples that one part shows at most.
const OF_PART: i64 = 20;

/// A part of what was looked at.
struct Came(Result<RuleTrial>);

/// A rule that is tried.
#[derive(Debug)]
pub struct Trial {
    /// The rule.
    pub rule: NewRule,
    /// Which of the rules it is, if it is one already.
    pub rule_id: Option<RuleId>,
    load: Option<LoadId>,
    since: Option<Timestamp>,
    checked: i64,
    caught: i64,
    examples: Vec<RuleExample>,
    at: usize,
    offset: usize,
    failed: Option<String>,
    /// Until when addresses and numbers are shown.
    revealed: Option<Timestamp>,
}

impl Trial {
    /// Begins to try a rule.
    pub fn begin(rule: NewRule, rule_id: Option<RuleId>, ctx: &mut Ctx) -> Self {
        let mut trial = Self {
            rule,
            rule_id,
            load: None,
            since: None,
            checked: 0,
            caught: 0,
            examples: Vec::new(),
            at: 0,
            offset: 0,
            failed: None,
            revealed: None,
        };
        trial.go_on(None, ctx);
        trial
    }

    fn go_on(&mut self, after: Option<String>, ctx: &mut Ctx) {
        let room = i64::try_from(MOST - self.examples.len().min(MOST)).unwrap_or(0);
        let input = TestRuleInput {
            kind: self.rule.kind,
            value: self.rule.value.clone(),
            places: self.rule.places.clone(),
            examples: Some(room.min(OF_PART)),
            after,
            if_version: None,
        };
        self.load = Some(ctx.load(Came, |api| async move { api.call::<TestRule>((), (), input).await }));
    }

    /// Returns whether there is something to open.
    pub fn has_examples(&self) -> bool {
        !self.examples.is_empty()
    }

    /// Masks what was revealed when its time is over.
    pub fn tick(&mut self, ctx: &mut Ctx) {
        let now = ctx.now();
        ctx.dirty |= self.revealed.take_if(|until| now >= *until).is_some();
    }

    /// Returns until when addresses and numbers are shown, if they are.
    pub fn revealed(&self) -> Option<Timestamp> {
        self.revealed
    }

    /// Handles the part that it waits for, and returns any other message.
    pub fn message(&mut self, message: Message, ctx: &mut Ctx) -> Option<Message> {
        if self.load != Some(message.id()) {
            return Some(message);
        }
        self.load = None;
        match message.open::<Came>() {
            Ok((_, Came(Ok(part)))) => {
                self.since.get_or_insert(part.since);
                self.checked += part.checked;
                self.caught += part.caught;
                self.examples.extend(part.examples);
                if part.next.is_some() && !ctx.leaving() {
                    self.go_on(part.next, ctx);
                }
            }
            Ok((_, Came(Err(error)))) => {
                self.failed = Some(error.to_string());
                ctx.fail("try the rule", &error);
            }
            Err(other) => return Some(other),
        }
        None
    }

    /// Handles movements, and opens what was caught. Returns false for any other action.
    pub fn action(&mut self, action: Action, ctx: &mut Ctx) -> bool {
        let last = self.examples.len().saturating_sub(1);
        self.at = match action {
            Action::DOWN => self.at + 1,
            Action::UP => self.at.saturating_sub(1),
            Action::PAGE_DOWN => self.at + 5,
            Action::PAGE_UP => self.at.saturating_sub(5),
            Action::TOP => 0,
            Action::BOTTOM => last,
            Action::REVEAL => {
                self.revealed = if self.revealed.is_some() { None } else { Some(ctx.now() + REVEAL) };
                return true;
            }
            Action::OPEN => {
                if let Some(example) = self.examples.get(self.at) {
                    ctx.requests.push(Request::Go(destination(example)));
                }
                return true;
            }
            _ => return false,
        }
        .min(last);
        true
    }

    /// Draws what was caught so far.
    pub fn draw(&mut self, area: Rect, buf: &mut Buffer, ctx: &Ctx) {
        let theme = ctx.theme;
        let title = format!("Tried · {} {}", text::words(self.rule.kind.as_str()), self.rule.value);
        let state = if self.load.is_some() { "looking…" } else { "" };
        let inner = rows::pane(area, buf, theme, &text::clean(&title), state, true);
        privacy::mark(Rect { height: 1, ..area }, buf);
        let inner = Rect { x: inner.x + 1, width: inner.width.saturating_sub(2), ..inner };
        let number = text::thousands;
        let mut head = vec![Line::styled(
            format!("would have caught {} of {}", number(self.caught), number(self.checked)),
            theme.style(if self.caught > 0 { Style::Warn } else { Style::Good }),
        )];
        let since = self.since.map_or_else(String::new, |at| format!("since {}", text::exact(at, ctx.times)));
        let kept = i64::try_from(self.examples.len()).unwrap_or(i64::MAX);
        let some = if self.caught > kept { format!("{since} · {} of them below", number(kept)) } else { since };
        head.push(Line::styled(some, theme.style(Style::Faint)));
        head.extend(self.failed.iter().map(|why| Line::styled(format!("✖ {why}"), theme.style(Style::Bad))));
        head.push(Line::raw(""));
        let top = u16::try_from(head.len()).unwrap_or(0);
        for (row, line) in (0..inner.height).zip(&head) {
            rows::put(buf, inner, row, line);
        }
        // Each takes two rows: whose it is, and what it says.
        let room = usize::from(inner.height.saturating_sub(top)) / 2;
        self.offset = self.offset.min(self.at);
        if room > 0 && self.at >= self.offset + room {
            self.offset = self.at + 1 - room;
        }
        let width = usize::from(inner.width);
        for (n, (at, example)) in self.examples.iter().enumerate().skip(self.offset).take(room).enumerate() {
            let row = top + 2 * u16::try_from(n).unwrap_or(0);
            let cursor = if at == self.at { "▸ " } else { "  " };
            let style = theme.style(if at == self.at { Style::Title } else { Style::Plain });
            rows::put(
                buf,
                inner,
                row,
                &Line::from(vec![
                    Span::raw(cursor),
                    Span::styled(text::words(example.target_kind.as_str()), style),
                    Span::styled(format!(" of {}", text::short_id(&example.subject_id)), theme.style(Style::Faint)),
                ]),
            );
            let excerpt = text::clean_lines(&example.excerpt).join(" ");
            let hidden = contact_masking::masked(&excerpt);
            let style = if hidden.is_some() && self.revealed.is_some() { Style::Warn } else { Style::Plain };
            let excerpt = hidden.filter(|_| self.revealed.is_none()).unwrap_or(excerpt);
            let said =
                Span::styled(format!("  “{}”", text::cut(&excerpt, width.saturating_sub(6))), theme.style(style));
            rows::put(buf, inner, row + 1, &Line::from(said));
            privacy::mark(Rect { y: inner.y + row + 1, height: 1, ..inner }.intersection(inner), buf);
        }
    }
}

/// Returns where something that was caught is shown.
fn destination(example: &RuleExample) -> Destination {
    let one = |home| Destination { home, subject: Subject::One(example.target_id) };
    match (example.target_kind, example.thread_id) {
        (ReportTarget::User, _) => one(users::HOME),
        (ReportTarget::Service, _) => one(services::HOME),
        (ReportTarget::Review, _) => one(reviews::HOME),
        (ReportTarget::Thread, _) => one(threads::HOME),
        (ReportTarget::Message, Some(thread)) => Destination { home: threads::HOME, subject: Subject::One(thread.0) },
        (ReportTarget::Message, None) => Destination { home: users::HOME, subject: Subject::One(example.subject_id.0) },
    }
}
