//! A job and its reviews, step by step, without words: as far as time has come.

use std::time::Duration;

use marketplace_core::{
    base::time::Timestamp,
    jobs::{
        model::{JobAction as A, JobReason as R, JobStatus as S, Side},
        transitions::{self, MAX_CHANGE_REQUESTS},
    },
    messaging::model::RemovalReason,
    reviews::model::{FlagReason, ReviewStatus, WINDOW},
};
use rand::{RngExt, rngs::StdRng, seq::IndexedRandom};

const HOUR: u64 = 3_600;
pub(super) const DAY: u64 = 24 * HOUR;

/// The limits of a conversation.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub start: Timestamp,
    /// From then on, one of the two begins nothing new.
    pub new_work: Timestamp,
    /// When one of the two was banned.
    pub ban: Option<Timestamp>,
    pub now: Timestamp,
    /// Whether this is a demonstration, in which more goes wrong.
    pub demo: bool,
}

impl Limits {
    /// Returns the time from which nothing happens any more.
    pub fn end(&self) -> Timestamp {
        self.ban.map_or(self.now, |ban| ban.min(self.now))
    }
}

/// A job's timeline.
#[derive(Debug, Clone)]
pub(super) struct Job {
    pub steps: Vec<Step>,
    /// Reviews, the client's first.
    pub reviews: Vec<Review>,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Step {
    pub action: A,
    pub to: S,
    pub side: Side,
    pub at: Timestamp,
    pub reason: Option<R>,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Review {
    pub side: Side,
    pub rating: u8,
    pub at: Timestamp,
    pub closes_at: Timestamp,
    pub status: ReviewStatus,
    pub published_at: Option<Timestamp>,
    pub flag: Option<Flag>,
    pub removed: Option<(RemovalReason, Timestamp)>,
    pub reply_at: Option<Timestamp>,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Flag {
    pub reason: FlagReason,
    pub at: Timestamp,
    pub dismissed_at: Option<Timestamp>,
}

impl Job {
    pub fn status(&self) -> S {
        self.steps.last().map_or(S::Negotiating, |step| step.to)
    }
    pub fn created_at(&self) -> Option<Timestamp> {
        self.steps.first().map(|step| step.at)
    }
    pub fn ended_at(&self) -> Option<Timestamp> {
        self.steps.last().filter(|step| !step.to.is_live()).map(|step| step.at)
    }
    /// Returns the rating that counts for the worker, if there is one.
    pub fn stars(&self) -> Option<u8> {
        self.reviews
            .iter()
            .find(|review| review.side == Side::Client && review.status == ReviewStatus::Published)
            .map(|r| r.rating)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Expire,
    Reject,
    CancelEarly,
    CancelLate,
    Dispute,
    Finish,
}

/// A job's timeline up to now.
struct Timeline<'a> {
    steps: Vec<Step>,
    clock: Timestamp,
    limits: &'a Limits,
    rng: &'a mut StdRng,
}

impl Timeline<'_> {
    /// Adds a step after some seconds; `None` when that is not yet, or no longer, possible.
    fn go(&mut self, (from, to): (u64, u64), action: A, to_status: S, side: Side, reason: Option<R>) -> Option<()> {
        let at = self.clock + Duration::from_micros(self.rng.random_range(from * 1_000_000..to * 1_000_000));
        if at >= self.limits.end() {
            return None;
        }
        self.push(at, action, to_status, side, reason);
        Some(())
    }

    fn push(&mut self, at: Timestamp, action: A, to: S, side: Side, reason: Option<R>) {
        self.steps.push(Step { action, to, side, at, reason });
        self.clock = at;
    }

    fn pick(&mut self, from: &[R]) -> Option<R> {
        from.choose(self.rng).copied()
    }

    fn play(&mut self) -> Option<()> {
        let fate = match self.rng.random_range(0..100) {
            0..6 => Fate::Expire,
            6..15 => Fate::Reject,
            15..22 => Fate::CancelEarly,
            22..31 => Fate::CancelLate,
            31..33 => Fate::Dispute,
            33..36 if self.limits.demo => Fate::Dispute,
            _ => Fate::Finish,
        };
        let offers = match self.rng.random_range(0..20) {
            0..12 => 0,
            12..17 => 1,
            17..19 => 2,
            _ => 3,
        };
        let mut turn = Side::Client;
        for _ in 0..offers {
            turn = other(turn);
            self.go((900, 20 * HOUR), A::Offer, S::Negotiating, turn, None)?;
        }
        match fate {
            Fate::Expire => return None,
            Fate::Reject => {
                let reason = self.pick(&[R::Unavailable, R::Unavailable, R::Price, R::ScopeChanged, R::Other]);
                return self.go((HOUR, 40 * HOUR), A::Reject, S::Rejected, Side::Worker, reason);
            }
            Fate::CancelEarly => {
                let reason = self.pick(&[R::NotNeeded, R::Price, R::NoResponse, R::NotNeeded]);
                return self.go((2 * HOUR, 70 * HOUR), A::Cancel, S::Cancelled, Side::Client, reason);
            }
            Fate::CancelLate | Fate::Dispute | Fate::Finish => {}
        }
        self.go((600, 30 * HOUR), A::Accept, S::Accepted, other(turn), None)?;
        if fate == Fate::CancelLate {
            let (side, reasons): (_, &[R]) = match self.rng.random_range(0..10) {
                0..5 => (Side::Client, &[R::NotNeeded, R::NoResponse, R::Other]),
                5..9 => (Side::Worker, &[R::Unavailable, R::ScopeChanged, R::NoResponse]),
                _ => (Side::Staff, &[R::Fraud, R::Safety, R::Dispute]),
            };
            let reason = self.pick(reasons);
            return self.go((4 * HOUR, 5 * DAY), A::Cancel, S::Cancelled, side, reason);
        }
        self.go((5 * HOUR, 8 * DAY), A::Complete, S::Completed, Side::Worker, None)?;
        for _ in 0..MAX_CHANGE_REQUESTS {
            if !self.rng.random_ratio(1, if fate == Fate::Dispute { 2 } else { 9 }) {
                break;
            }
            self.go((HOUR, 2 * DAY), A::RequestChanges, S::Accepted, Side::Client, None)?;
            self.go((3 * HOUR, 3 * DAY), A::Complete, S::Completed, Side::Worker, None)?;
        }
        if fate == Fate::Dispute {
            let reason = self.pick(&[R::Dispute, R::Quality, R::Dispute]);
            return self.go((DAY, 10 * DAY), A::Cancel, S::Cancelled, Side::Staff, reason);
        }
        match self.rng.random_range(0..50) {
            0..38 => self.go((HOUR, 5 * DAY), A::Finalize, S::Finalized, Side::Client, None),
            38..40 => self.go((DAY, 12 * DAY), A::Finalize, S::Finalized, Side::Staff, None),
            _ => None,
        }
    }

    /// Adds what the system does to a job that nobody acts on.
    fn settle(&mut self) {
        let Some(last) = self.steps.last().copied() else { return };
        let end = self.limits.end();
        let (action, to, reason) = match last.to {
            S::Negotiating => (A::Cancel, S::Cancelled, Some(R::Expired)),
            S::Completed => (A::Finalize, S::Finalized, None),
            S::Accepted => (A::Cancel, S::Cancelled, None),
            S::Finalized | S::Rejected | S::Cancelled => return,
        };
        let due = transitions::due(last.to, last.at).unwrap_or(Timestamp::MAX);
        // The timers look every second.
        let due = due + Duration::from_millis(self.rng.random_range(50..1_500));
        // A ban cancels what is not completed yet; for completed work the timers keep running.
        let until = if last.to == S::Completed { self.limits.now } else { end };
        if due < until {
            self.push(due, action, to, Side::System, reason);
        } else if let Some(ban) = self.limits.ban.filter(|ban| *ban <= self.limits.now && last.to != S::Completed) {
            self.push(ban, A::Cancel, S::Cancelled, Side::System, Some(R::Banned));
        }
    }
}

fn other(side: Side) -> Side {
    if side == Side::Client { Side::Worker } else { Side::Client }
}

/// Returns a job that begins some time after `after`; `None` when it would begin too late.
pub(super) fn job(after: Timestamp, limits: &Limits, rng: &mut StdRng) -> Option<Job> {
    let mut timeline = Timeline { steps: Vec::with_capacity(6), clock: after, limits, rng };
    timeline.go((20 * 60, 30 * HOUR), A::Create, S::Negotiating, Side::Client, None)?;
    if timeline.clock >= limits.new_work {
        return None;
    }
    let _ = timeline.play();
    timeline.settle();
    let steps = timeline.steps;
    let reviews = match steps.last() {
        Some(last) if last.to == S::Finalized => reviews(last.at, limits, rng),
        _ => Vec::new(),
    };
    Some(Job { steps, reviews })
}

fn reviews(finalized: Timestamp, limits: &Limits, rng: &mut StdRng) -> Vec<Review> {
    let closes_at = finalized + WINDOW;
    let end = limits.end();
    let mut reviews: Vec<Review> = Vec::new();
    for (side, often) in [(Side::Client, 72), (Side::Worker, 52)] {
        let wrote = rng.random_range(0..100) < often;
        let at = finalized + Duration::from_secs(rng.random_range(HOUR..9 * DAY));
        // Percentages of reviews with five stars, at least four, at least three, and at least two.
        let shares = if side == Side::Client { [52, 77, 88, 94] } else { [70, 90, 96, 98] };
        let drawn = rng.random_range(0..100);
        let rating = shares.iter().zip([5, 4, 3, 2]).find(|(share, _)| drawn < **share).map_or(1, |(_, stars)| stars);
        if wrote && at < end {
            let status = ReviewStatus::Hidden;
            reviews.push(Review {
                side,
                rating,
                at,
                closes_at,
                status,
                published_at: None,
                flag: None,
                removed: None,
                reply_at: None,
            });
        }
    }
    let shown = match reviews.as_slice() {
        [one, two] => Some(one.at.max(two.at)),
        [_] => Some(closes_at + Duration::from_millis(400)),
        _ => None,
    };
    // A ban does not prevent a review window from closing.
    if let Some(shown) = shown.filter(|shown| *shown < limits.now) {
        for review in &mut reviews {
            review.status = ReviewStatus::Published;
            review.published_at = Some(shown);
            afterwards(review, shown, limits, rng);
        }
    }
    reviews
}

/// Adds what happens to a published review: a reply, a flag, a removal.
fn afterwards(review: &mut Review, shown: Timestamp, limits: &Limits, rng: &mut StdRng) {
    let later = |rng: &mut StdRng, days: u64| {
        let at = shown + Duration::from_secs(rng.random_range(HOUR..days * DAY));
        (at < limits.end()).then_some(at)
    };
    if rng.random_ratio(1, 4) {
        review.reply_at = later(rng, 4);
    }
    let suspect = match (review.rating, limits.demo) {
        (..=2, true) => 45,
        (..=2, false) => 18,
        (_, true) => 3,
        (_, false) => 1,
    };
    if rng.random_range(0..100) >= suspect {
        return;
    }
    let Some(at) = later(rng, 5) else { return };
    let reasons =
        [FlagReason::False, FlagReason::Abuse, FlagReason::OffTopic, FlagReason::PersonalData, FlagReason::Other];
    let mut flag = Flag { reason: reasons.choose(rng).copied().unwrap_or(FlagReason::Other), at, dismissed_at: None };
    let decided = at + Duration::from_secs(rng.random_range(2 * HOUR..4 * DAY));
    if decided < limits.now && rng.random_ratio(3, 5) {
        if flag.reason == FlagReason::False || rng.random_bool(0.5) {
            flag.dismissed_at = Some(decided);
        } else {
            review.status = ReviewStatus::Removed;
            let reason = match flag.reason {
                FlagReason::Abuse => RemovalReason::Abuse,
                FlagReason::PersonalData => RemovalReason::PersonalData,
                FlagReason::OffTopic => RemovalReason::OffTopic,
                _ => RemovalReason::Other,
            };
            review.removed = Some((reason, decided));
        }
    }
    review.flag = Some(flag);
}
