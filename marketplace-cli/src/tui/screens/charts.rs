//! Charts of what happened over 24 hours, 7 days or 30 days, and the user's own numbers beside the team's.
//!
//! A part of a screen, which hands it ticks and messages, and a place to draw in.

use std::time::Duration;

use marketplace_core::{
    error::Result,
    staff::{Connection, Series, SeriesBy, SeriesQuery, SeriesRow, ShowSeries},
    time::Timestamp,
};
use ratatui::{
    buffer::Buffer,
    layout::{Constraint, Direction, Layout, Rect},
    text::Line,
    widgets::{Bar, BarChart, BarGroup, Sparkline, Widget},
};

use super::super::{
    ctx::Ctx,
    message::{LoadId, Message},
    text,
    theme::Style,
    widgets::rows,
};

/// The interval of loading them.
const EVERY: Duration = Duration::from_secs(60);
/// The time after which a response is no longer waited for.
const LOST: Duration = Duration::from_secs(30);

/// The time that the charts show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Span {
    #[default]
    Day,
    Week,
    Month,
}

impl Span {
    fn next(self) -> Self {
        match self {
            Self::Day => Self::Week,
            Self::Week => Self::Month,
            Self::Month => Self::Day,
        }
    }
    fn label(self) -> &'static str {
        match self {
            Self::Day => "24 h",
            Self::Week => "7 d",
            Self::Month => "30 d",
        }
    }
    fn hours(self) -> u64 {
        match self {
            Self::Day => 24,
            Self::Week => 7 * 24,
            Self::Month => 30 * 24,
        }
    }
    /// Returns whether a mark is an hour or a day.
    fn by(self) -> SeriesBy {
        if self == Self::Month { SeriesBy::Day } else { SeriesBy::Hour }
    }
}

/// What was loaded.
#[derive(Debug)]
struct Loaded {
    over_time: Series,
    reviewers: Series,
}

/// A result.
struct Came(Result<Loaded>);

/// The charts.
#[derive(Debug, Default)]
pub struct Charts {
    span: Span,
    loaded: Option<Loaded>,
    load: Option<(LoadId, Timestamp)>,
    due: Option<Timestamp>,
}

impl Charts {
    /// Returns whether there is anything to draw.
    pub fn is_loaded(&self) -> bool {
        self.loaded.is_some()
    }

    /// Shows the next span of time: 24 hours, 7 days, 30 days.
    pub fn turn(&mut self, ctx: &Ctx) {
        self.span = self.span.next();
        self.load = None;
        self.due = Some(ctx.now());
    }

    /// Loads them when they are visible and due.
    pub fn tick(&mut self, visible: bool, ctx: &mut Ctx) {
        let now = ctx.now();
        // A response that never arrives must not stop the charts for good.
        self.load.take_if(|(_, since)| now.since(*since) > LOST);
        if !visible || self.load.is_some() || ctx.gate.away() || self.due.is_some_and(|due| now < due) {
            return;
        }
        self.due = Some(now + EVERY);
        let (span, since) = (self.span, now - Duration::from_secs((self.span.hours() - 1) * 3_600));
        let id = ctx.load(Came, |api| async move { load(&api, span, since).await });
        self.load = Some((id, now));
    }

    /// Takes a result of its own, and returns any other message.
    pub fn message(&mut self, message: Message, ctx: &mut Ctx) -> Option<Message> {
        match message.open() {
            Ok((id, Came(answer))) => {
                if self.load.take_if(|(load, _)| *load == id).is_some() {
                    match answer {
                        Ok(loaded) => self.loaded = Some(loaded),
                        Err(error) => ctx.fail_quietly("charts", &error),
                    }
                    ctx.dirty = true;
                }
                None
            }
            Err(other) => Some(other),
        }
    }

    /// Draws them side by side: what came into the queue and went out of it, how long people waited, messages and sign-ups, and
    /// what the user did of what the team did.
    pub fn draw(&self, area: Rect, buf: &mut Buffer, ctx: &Ctx) {
        let Some(loaded) = &self.loaded else { return };
        let rows = &loaded.over_time.rows;
        let span = self.span.label();
        // Where five would be too narrow to read, reports are on their own screen.
        let wide = area.width >= WIDE;
        let places = Layout::horizontal([1, 1, u16::from(wide), 1, 1].map(Constraint::Fill));
        let [queue, waited, reports, trade, own] = area.layout::<5>(&places);
        if wide {
            sparklines(
                reports,
                buf,
                ctx,
                &format!("Reports, {span}"),
                [("in ", of(rows, &["reports_opened"])), ("out", of(rows, &["reports_resolved", "reports_dismissed"]))],
            );
        }
        sparklines(
            queue,
            buf,
            ctx,
            &format!("KYC, {span}"),
            [("in ", of(rows, &["kyc_submitted"])), ("out", of(rows, &DECISIONS))],
        );
        let medians: Vec<u64> = rows.iter().map(|row| positive(row.waited.median_seconds.unwrap_or(0))).collect();
        let newest = rows.iter().rev().find_map(|row| row.waited.median_seconds);
        let right = newest.map_or_else(String::new, |seconds| format!("last {}", shown(seconds)));
        let inner = rows::pane(waited, buf, ctx.theme, &format!("Median wait, {span}"), &right, false);
        sparkline(inner, buf, ctx, &medians);
        sparklines(
            trade,
            buf,
            ctx,
            &format!("Marketplace, {span}"),
            [("messages", of(rows, &["messages"])), ("sign-ups", of(rows, &["signups"]))],
        );
        own_numbers(own, buf, ctx, &loaded.reviewers.rows, span);
    }
}

/// Columns from which on there are five charts.
const WIDE: u16 = 140;
/// What goes out of the queue of identity checks.
const DECISIONS: [&str; 3] = ["kyc_approved", "kyc_retry", "kyc_rejected"];

async fn load(api: &Connection, span: Span, since: Timestamp) -> Result<Loaded> {
    let query = |by| SeriesQuery { since: Some(since), until: None, by: Some(by) };
    Ok(Loaded {
        over_time: api.call::<ShowSeries>((), query(span.by()), ()).await?,
        reviewers: api.call::<ShowSeries>((), query(SeriesBy::Reviewer), ()).await?,
    })
}

fn positive(n: i64) -> u64 {
    u64::try_from(n).unwrap_or(0)
}

fn sum(row: &SeriesRow, kinds: &[&str]) -> u64 {
    kinds.iter().map(|kind| positive(row.counts.get(*kind).copied().unwrap_or(0))).sum()
}

fn of(rows: &[SeriesRow], kinds: &[&str]) -> Vec<u64> {
    rows.iter().map(|row| sum(row, kinds)).collect()
}

/// Returns the median of some numbers; none of none.
fn median(numbers: impl Iterator<Item = i64>) -> Option<i64> {
    let mut sorted: Vec<i64> = numbers.collect();
    sorted.sort_unstable();
    sorted.get(sorted.len() / 2).copied()
}

/// Returns a span of seconds in words.
fn shown(seconds: i64) -> String {
    text::age(Duration::from_secs(positive(seconds)))
}

/// Draws two series over each other in one frame, each with its sum.
fn sparklines(area: Rect, buf: &mut Buffer, ctx: &Ctx, title: &str, both: [(&str, Vec<u64>); 2]) {
    let inner = rows::pane(area, buf, ctx.theme, title, "", false);
    let halves = inner.layout::<2>(&Layout::vertical([Constraint::Fill(1); 2]));
    for ((label, values), half) in both.into_iter().zip(halves) {
        let words = format!("{label} {}", values.iter().sum::<u64>());
        let width = u16::try_from(text::width(&words)).unwrap_or(u16::MAX).min(half.width);
        let [said, drawn] = half.layout::<2>(&Layout::horizontal([Constraint::Length(width + 1), Constraint::Min(0)]));
        rows::put(buf, said, 0, &Line::raw(words));
        sparkline(drawn, buf, ctx, &values);
    }
}

/// Draws a series in the width that there is: neighbours are put together where there are more than columns.
fn sparkline(area: Rect, buf: &mut Buffer, ctx: &Ctx, values: &[u64]) {
    let columns = usize::from(area.width).max(1);
    let each = values.len().div_ceil(columns).max(1);
    let data: Vec<u64> = values.chunks(each).map(|chunk| chunk.iter().sum::<u64>() / chunk.len() as u64).collect();
    let most = data.iter().copied().max().unwrap_or(0).max(1);
    Sparkline::default().data(data).max(most).style(ctx.theme.style(Style::Accent)).render(area, buf);
}

/// Draws what the user decided beside the average of the others, and how long it took.
fn own_numbers(area: Rect, buf: &mut Buffer, ctx: &Ctx, reviewers: &[SeriesRow], span: &str) {
    let others = reviewers.iter().filter(|row| !row.mine).map(|row| sum(row, &DECISIONS));
    let people = others.clone().count().max(1) as u64;
    let own = reviewers.iter().find(|row| row.mine);
    let undone = own.map_or(0, |row| sum(row, &["kyc_undone"]));
    let took = own.and_then(|row| row.worked.median_seconds).map_or_else(|| "–".to_owned(), shown);
    let theirs = median(reviewers.iter().filter(|row| !row.mine).filter_map(|row| row.worked.median_seconds));
    let theirs = theirs.map_or_else(|| "–".to_owned(), shown);
    let inner = rows::pane(area, buf, ctx.theme, &format!("You, {span}"), "", false);
    let whole = format!("undone {undone} · median {took}, theirs {theirs}");
    let room = usize::from(inner.width);
    // The time first, and what there is room for.
    let lines = if text::width(&whole) <= room {
        vec![whole]
    } else {
        vec![format!("median {took}"), format!("theirs {theirs}"), format!("undone {undone}")]
    };
    let lines: Vec<_> = lines.into_iter().take(usize::from(inner.height.saturating_sub(2)).max(1)).collect();
    for (row, line) in (0..).zip(&lines) {
        rows::put(buf, inner, row, &Line::raw(text::cut(line, room)));
    }
    let drawn = u16::try_from(lines.len()).unwrap_or(u16::MAX);
    let bars = [("you", own.map_or(0, |row| sum(row, &DECISIONS))), ("others", others.sum::<u64>() / people)];
    let bars: Vec<Bar> = bars
        .into_iter()
        .map(|(label, value)| Bar::default().label(Line::raw(label)).value(value).text_value(value.to_string()))
        .collect();
    let below = Rect { y: inner.y + drawn, height: inner.height.saturating_sub(drawn), ..inner };
    BarChart::default()
        .direction(Direction::Horizontal)
        .data(BarGroup::default().bars(&bars))
        .bar_width(1)
        .bar_gap(0)
        .bar_style(ctx.theme.style(Style::Accent))
        .render(below, buf);
}
