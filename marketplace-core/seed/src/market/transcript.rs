//! A conversation with all its words: what the two write, and the notices between.

use std::time::Duration;

use marketplace_core::{
    base::time::Timestamp,
    jobs::model::{JobAction as A, JobStatus as S, Side},
};
use rand::{RngExt, rngs::StdRng};

use super::{
    conversation_plan::{ConversationPlan, Tone},
    job_timeline::{Job, Limits},
    phrases,
    service_text::Trade,
    words::{Lines, Words},
};

/// The longest silence after the last message that a conversation needs.
const LAST_WORDS: Duration = Duration::from_hours(36);

/// A message.
#[derive(Debug)]
pub(super) struct Said {
    pub at: Timestamp,
    pub what: What,
    /// Whether staff removed it.
    pub removed: bool,
}

#[derive(Debug)]
pub(super) enum What {
    Text(Side, String),
    /// A step of a job, by its indices in the plan.
    Step(usize, usize),
    Notice(&'static str),
}

/// A period in which the two participants write about a topic.
#[derive(Debug)]
struct Phase {
    from: Timestamp,
    to: Timestamp,
    about: About,
    weight: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum About {
    Details,
    Price,
    Appointment,
    Changes,
    Dispute,
    Thanks,
    End,
}

/// The data that a conversation is created from.
pub(super) struct Scene<'a> {
    pub outline: &'a ConversationPlan,
    pub limits: &'a Limits,
    pub trade: &'static Trade,
    /// Index among the trade's wares.
    pub ware: usize,
    /// The number of messages that the two participants should write.
    pub texts: usize,
    pub words: Words,
}

impl Scene<'_> {
    /// Returns all messages in chronological order; at least the first question.
    pub fn play(mut self, prices: &[String], rng: &mut StdRng) -> Vec<Said> {
        let phases = self.phases();
        let mut said = Vec::with_capacity(self.texts + self.outline.notices() + 3);
        self.words.next_day(rng);
        let ask = self.trade.asks.get(self.ware % self.trade.asks.len().max(1)).copied().unwrap_or_default();
        said.push(text(self.limits.start, Side::Client, self.words.fill(ask)));
        let total: usize = phases.iter().map(|phase| phase.weight).sum();
        let mut left = self.texts.saturating_sub(1);
        for (number, phase) in phases.iter().enumerate() {
            let share = if number + 1 == phases.len() { left } else { self.texts * phase.weight / total.max(1) };
            let share = share.min(left);
            left -= share;
            if let Some(price) = prices.get(number.min(prices.len().saturating_sub(1))) {
                self.words.price.clone_from(price);
            }
            self.talk(phase, share, number == 0, &mut said, rng);
        }
        self.odd(phases.first(), &mut said, rng);
        for (number, job) in self.outline.jobs.iter().enumerate() {
            for (step, row) in job.steps.iter().enumerate() {
                said.push(Said { at: row.at, what: What::Step(number, step), removed: false });
            }
        }
        said.sort_by_key(|said| said.at);
        said
    }

    /// Returns the periods between the steps of the jobs.
    fn phases(&self) -> Vec<Phase> {
        let mut phases = Vec::new();
        let end = self.limits.end();
        let mut add = |from: Timestamp, to: Timestamp, about, weight| {
            if to.since(from) > Duration::from_secs(30) {
                phases.push(Phase { from, to, about, weight });
            }
        };
        // Without a live job, frozen users write nothing.
        let idle = end.min(self.limits.new_work);
        let closed = self.outline.staff_at.filter(|_| self.outline.tone == Tone::Abusive).unwrap_or(idle).min(idle);
        let first = self.outline.jobs.first().and_then(Job::created_at);
        add(self.limits.start, first.unwrap_or(closed.min(self.limits.start + LAST_WORDS)), About::Details, 4);
        for (number, job) in self.outline.jobs.iter().enumerate() {
            for pair in job.steps.windows(2) {
                let [before, after] = pair else { continue };
                // While a timer is running, nobody writes.
                let to = if after.side == Side::System { before.at + LAST_WORDS } else { after.at }.min(after.at);
                let (about, weight) = match (before.to, before.action, after.to) {
                    (S::Negotiating, ..) => (About::Price, 2),
                    (S::Completed, _, S::Cancelled) => (About::Dispute, 3),
                    (S::Completed, ..) => (About::Thanks, 1),
                    (_, A::RequestChanges, _) => (About::Changes, 2),
                    _ => (About::Appointment, 3),
                };
                add(before.at, to, about, weight);
            }
            let Some(last) = job.steps.last() else { continue };
            let next = self.outline.jobs.get(number + 1).and_then(Job::created_at);
            let stop = if last.to.is_live() { end } else { idle };
            let until = next.unwrap_or(stop).min(last.at + LAST_WORDS).min(stop);
            match last.to {
                S::Negotiating => add(last.at, until, About::Price, 2),
                S::Accepted => add(last.at, until, About::Appointment, 3),
                S::Completed | S::Finalized => add(last.at, until, About::Thanks, 1),
                S::Cancelled => add(last.at, until, About::End, 1),
                S::Rejected => {}
            }
        }
        phases
    }

    fn talk(&mut self, phase: &Phase, lines: usize, first: bool, said: &mut Vec<Said>, rng: &mut StdRng) {
        let own = match phase.about {
            About::Details => self.trade.details,
            About::Price => phrases::HAGGLING,
            About::Appointment => phrases::BEFORE,
            About::Changes => phrases::CHANGES,
            About::Dispute => phrases::DISPUTE,
            About::Thanks => phrases::AFTER,
            About::End => phrases::ENDED,
        };
        let (mut own_lines, mut chatter) = (Lines::new(own, rng), Lines::new(phrases::CHATTER, rng));
        let mut under_way = Lines::new(self.trade.under_way, rng);
        let room = phase.to.since(phase.from);
        let slot = room / u32::try_from(lines + 1).unwrap_or(u32::MAX);
        if slot < Duration::from_millis(10) {
            return;
        }
        let (mut pair, mut pairs) = (("", ""), 0);
        for line in 0..lines {
            let at = phase.from + slot.mul_f64(count(line) + rng.random_range(0.1..0.9));
            let greeting = first && line == 0;
            let asks = if first { line % 2 == 1 } else { line % 2 == 0 };
            if greeting {
                let mut greetings = Lines::new(phrases::GREETINGS, rng);
                said.push(text(at, Side::Worker, self.words.fill(greetings.next().unwrap_or_default())));
                continue;
            }
            if asks {
                self.words.next_day(rng);
                let source = if pairs < own.len() { &mut own_lines } else { &mut chatter };
                pair = source.next().unwrap_or_default();
                pairs += 1;
            }
            let worker = phase.about == About::Appointment && !asks && rng.random_ratio(1, 3);
            let template = match (asks, worker) {
                (true, _) => pair.0,
                (false, true) => under_way.next().unwrap_or(pair.1),
                (false, false) => pair.1,
            };
            let side = if asks { Side::Client } else { Side::Worker };
            said.push(text(at, side, self.words.fill(template)));
        }
    }

    /// Adds messages that staff look for, and their reaction.
    fn odd(&mut self, phase: Option<&Phase>, said: &mut Vec<Said>, rng: &mut StdRng) {
        let Some(phase) = phase.filter(|_| self.outline.tone != Tone::Ordinary) else { return };
        let (lines, answers, notice) = match self.outline.tone {
            Tone::Abusive => (phrases::ABUSE, phrases::ABUSE_ANSWERS, phrases::ABUSE_NOTICE),
            _ => (phrases::CONTACT, phrases::CONTACT_ANSWERS, phrases::CONTACT_NOTICE),
        };
        let (who, other) =
            if rng.random_bool(0.5) { (Side::Client, Side::Worker) } else { (Side::Worker, Side::Client) };
        let room = phase.to.since(phase.from);
        let (mut lines, mut answers) = (Lines::new(lines, rng), Lines::new(answers, rng));
        let line = self.words.fill(lines.next().unwrap_or_default());
        let mut line = text(phase.from + room.mul_f64(0.90), who, line);
        line.removed = self.outline.staff_at.is_some();
        said.push(line);
        let answer = self.words.fill(answers.next().unwrap_or_default());
        said.push(text(phase.from + room.mul_f64(0.97), other, answer));
        if let Some(at) = self.outline.staff_at {
            said.push(Said { at, what: What::Notice(notice), removed: false });
        }
    }
}

fn text(at: Timestamp, side: Side, text: String) -> Said {
    Said { at, what: What::Text(side, text), removed: false }
}

#[expect(clippy::cast_precision_loss, reason = "lines of one conversation")]
fn count(of: usize) -> f64 {
    of as f64
}
