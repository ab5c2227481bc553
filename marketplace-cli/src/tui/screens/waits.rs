//! What waits for somebody: how much, since when, and how old it may become. The first screen lists it, the most urgent
//! first.

use std::{collections::BTreeMap, time::Duration};

use marketplace_core::{
    base::{count::Count, permission::Permission},
    error::Result,
    ids::AttemptId,
    kyc::{
        model::{KycFilter, KycSummary},
        status::KycStatus,
    },
    page::{MAX_LIMIT, PageRequest},
    reviews::model::ReviewFilter,
    staff::{Connection, ListAttempts, ListQuery, ListReviews, ShowReview, Stats},
    time::Timestamp,
};
use ratatui::{
    buffer::Buffer,
    layout::Rect,
    text::{Line, Span},
};

use super::super::{
    ctx::Ctx,
    jump::{Destination, Subject},
    keymap::Action,
    text,
    theme::Style,
    widgets::rows::{self, count},
};
use super::{kyc, reports, reviews};

/// An hour, in seconds.
const HOUR: u64 = 3_600;

/// A kind of work that waits. To add one: a row in [`QUEUES`].
struct Queue {
    /// The name under which its target is set.
    name: &'static str,
    /// As the first screen calls it.
    label: &'static str,
    /// The hours within which it is done, unless set otherwise.
    target: u64,
    /// Who may see it.
    needs: Permission,
    /// How much waits, and since when.
    waiting: fn(&Stats, &Known) -> (Count, Option<Timestamp>),
    /// Where it is done.
    home: Action,
    /// What begins it there.
    begin: fn() -> Subject,
}

const QUEUES: [Queue; 3] = [
    Queue {
        name: "kyc",
        label: "identity checks",
        target: 4,
        needs: Permission::KycRead,
        waiting: |stats, _| (stats.kyc_pending, stats.kyc_oldest_at),
        home: kyc::HOME,
        begin: || Subject::Next,
    },
    Queue {
        name: "reports",
        label: "reports",
        target: 24,
        needs: Permission::ReportsRead,
        waiting: |stats, _| (stats.reports_open, stats.reports_oldest_at),
        home: reports::HOME,
        begin: || Subject::Next,
    },
    Queue {
        name: "reviews",
        label: "flagged reviews",
        target: 24,
        needs: Permission::ReviewsRead,
        waiting: |stats, known| (stats.reviews_flagged, known.flagged_since),
        home: reviews::HOME,
        begin: || Subject::List("flagged:yes".into()),
    },
];

/// What the numbers alone do not tell.
#[derive(Debug, Default)]
pub struct Known {
    /// The open attempts that this person has claimed, and since when they wait.
    mine: Vec<(AttemptId, Timestamp)>,
    /// Since when the flagged review that waits longest has been flagged.
    flagged_since: Option<Timestamp>,
}

impl Known {
    /// Asks for it.
    ///
    /// # Errors
    /// Those of the calls.
    pub async fn load(api: Connection, kyc: bool, reviews: bool) -> Result<Self> {
        let mut known = Self::default();
        if kyc {
            let filter = KycFilter { status: Some(KycStatus::InReview), ..KycFilter::default() };
            let page = PageRequest::first(MAX_LIMIT);
            let page = api.call::<ListAttempts>((), ListQuery::new(&filter, &page), ()).await?;
            let mine = |row: &KycSummary| row.claim.as_ref().is_some_and(|claim| claim.mine);
            known.mine = page.items.iter().filter(|row| mine(row)).map(|row| (row.id, row.submitted_at)).collect();
        }
        if reviews {
            let filter = ReviewFilter { flagged: true, ..ReviewFilter::default() };
            let page = api.call::<ListReviews>((), ListQuery::new(&filter, &PageRequest::first(1)), ()).await?;
            if let Some(first) = page.items.first() {
                let review = api.call::<ShowReview>(first.id, (), ()).await?;
                known.flagged_since =
                    review.flags.iter().filter(|flag| flag.dismissed_at.is_none()).map(|flag| flag.at).min();
            }
        }
        Ok(known)
    }
}

/// A row of what waits.
#[derive(Debug, Clone)]
pub struct Waiting {
    /// Which kind it is.
    pub name: &'static str,
    /// What it is called.
    pub label: &'static str,
    count: Count,
    age: Option<Duration>,
    target: Option<Duration>,
    /// What `Enter` does about it.
    pub to: Destination,
}

impl Waiting {
    /// Returns how old the oldest is, as a share of the target.
    fn urgency(&self) -> f64 {
        match (self.age, self.target) {
            _ if self.count.value == 0 => -1.0,
            (Some(age), Some(target)) => age.as_secs_f64() / target.as_secs_f64().max(1.0),
            // What somebody began is finished first.
            (_, None) => f64::INFINITY,
            (None, Some(_)) => 0.0,
        }
    }

    /// Returns whether the oldest waits longer than it should.
    pub fn is_late(&self) -> bool {
        self.target.is_some() && self.urgency() > 1.0
    }

    /// Returns whether it waits for whoever comes first, and not for this person.
    pub fn is_open_to_all(&self) -> bool {
        self.target.is_some()
    }

    /// Returns how many there are.
    pub fn count(&self) -> i64 {
        self.count.value
    }

    fn word(&self) -> (&'static str, Style) {
        match self.urgency() {
            _ if self.target.is_none() => ("◐ finish first", Style::Accent),
            share if share > 1.0 => ("! late", Style::Bad),
            share if share > 0.5 => ("! getting late", Style::Warn),
            share if share < 0.0 => ("✔ nothing", Style::Faint),
            _ => ("in time", Style::Plain),
        }
    }
}

/// Returns what waits, the most urgent first.
pub fn waiting(known: &Known, ctx: &Ctx) -> Vec<Waiting> {
    let Some(stats) = &ctx.stats else { return Vec::new() };
    let now = ctx.now();
    let mut rows: Vec<Waiting> = QUEUES
        .iter()
        .filter(|queue| ctx.may(queue.needs))
        .map(|queue| {
            let (count, since) = (queue.waiting)(stats, known);
            Waiting {
                name: queue.name,
                label: queue.label,
                count,
                age: since.filter(|_| count.value > 0).map(|since| now.since(since)),
                target: Some(target(queue.name, &ctx.options.targets)),
                to: Destination { home: queue.home, subject: (queue.begin)() },
            }
        })
        .collect();
    if let Some((id, since)) = known.mine.iter().min_by_key(|(_, since)| *since) {
        rows.push(Waiting {
            name: "mine",
            label: "begun by you",
            count: Count { value: i64::try_from(known.mine.len()).unwrap_or(i64::MAX), capped: false },
            age: Some(now.since(*since)),
            target: None,
            to: Destination { home: kyc::HOME, subject: Subject::One(id.0) },
        });
    }
    rows.sort_by(|one, other| other.urgency().total_cmp(&one.urgency()));
    rows
}

/// Returns within how long what waits is to be done.
pub fn target(name: &str, set: &BTreeMap<String, String>) -> Duration {
    let usual = QUEUES.iter().find(|queue| queue.name == name).map_or(0, |queue| queue.target * HOUR);
    set.get(name).and_then(|set| humantime::parse_duration(set).ok()).unwrap_or(Duration::from_secs(usual))
}

/// Returns the first target that is not valid, and what is wrong with it.
pub fn wrong_target(set: &BTreeMap<String, String>) -> Option<(String, String)> {
    set.iter().find_map(|(name, text)| {
        if !QUEUES.iter().any(|queue| queue.name == name) {
            let names = QUEUES.iter().map(|queue| queue.name).collect::<Vec<_>>().join(", ");
            return Some((name.clone(), format!("targets.{name}: nothing with that name waits; there are {names}")));
        }
        let valid = humantime::parse_duration(text).is_ok_and(|target| !target.is_zero());
        (!valid).then(|| (name.clone(), format!("targets.{name}: `{text}` is no time; write 4h, 90m or 2d")))
    })
}

/// Draws what waits under a heading, with the cursor at a row.
pub fn draw(area: Rect, buf: &mut Buffer, ctx: &Ctx, rows: &[Waiting], cursor: Option<usize>) {
    const WIDTHS: [usize; 4] = [17, 8, 7, 7];
    let theme = ctx.theme;
    let [label, number, oldest, target] = WIDTHS;
    let heads = format!(
        "   {}{}{}{}",
        text::left("what", label),
        text::right("waiting", number),
        text::right("oldest", oldest),
        text::right("target", target)
    );
    rows::put(buf, area, 0, &Line::styled(heads, theme.style(Style::Heading)));
    for (at, row) in rows.iter().enumerate() {
        let (word, style) = row.word();
        let age = |age: Option<Duration>| age.map_or_else(|| "–".to_owned(), text::age);
        let line = Line::from(vec![
            Span::raw(if cursor == Some(at) { "▸  " } else { "   " }),
            Span::raw(text::left(row.label, label)),
            Span::styled(text::right(&count(row.count), number), theme.style(Style::Title)),
            Span::raw(text::right(&age(row.age), oldest)),
            Span::styled(text::right(&age(row.target), target), theme.style(Style::Faint)),
            Span::styled(format!("  {word}"), theme.style(style)),
        ]);
        let line_at = u16::try_from(at + 1).unwrap_or(u16::MAX);
        rows::put(buf, area, line_at, &line);
        if cursor == Some(at) && line_at < area.height {
            let row = Rect { y: area.y + line_at, height: 1, ..area };
            buf.set_style(row, theme.style(Style::Selected));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_times_of_what_waits() {
        let wrong = |name: &str, time: &str| wrong_target(&BTreeMap::from([(name.to_owned(), time.to_owned())]));
        assert_eq!(wrong("kyc", "90m"), None);
        for (name, time) in [("kyc", "soon"), ("kyc", "0s"), ("jobs", "1h")] {
            assert_eq!(wrong(name, time).unwrap().0, name);
        }
    }
}
