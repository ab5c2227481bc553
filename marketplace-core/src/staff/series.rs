//! What happened in each hour or day, and what each reviewer did.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{
    accounts,
    base::{
        error::{Error, Result},
        permission::Permission,
        principal::Principal,
        text_enum::text_enum,
        time::Timestamp,
    },
    messaging,
    operation::Operation,
    records::series::{self, SeriesKind, Span, Times},
};

/// Hours that are listed at most.
const MOST_HOURS: i64 = 31 * 24;
/// Days that are listed, or summed up for each reviewer, at most.
const MOST_DAYS: i64 = 400;
/// Hours of a day.
const DAY: i64 = 24;

text_enum! {
    /// What a row of a series is about.
    pub enum SeriesBy {
        /// An hour.
        Hour = "hour",
        /// A day, in UTC.
        Day = "day",
        /// A reviewer, over the whole time.
        Reviewer = "reviewer",
    }
}

/// Which series.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::IntoParams), into_params(parameter_in = Query))]
#[serde(default, deny_unknown_fields)]
pub struct SeriesQuery {
    /// From the hour or day of this time on: at most 31 days by hour and 400 days else. Without it, the last 24 hours by hour, and
    /// the last 30 days else.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// Up to the hour or day of this time; without it, up to now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// What a row is about; an hour unless given.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", param(inline))]
    pub by: Option<SeriesBy>,
}

whole_query!(SeriesQuery);

/// Times that something took. They are kept in buckets and interpolated: off by less than the width of a bucket, whose ends are a
/// factor of two apart at most.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Took {
    /// Half took no longer; none when there was nothing.
    pub median_seconds: Option<i64>,
    /// Nine of ten took no longer.
    pub p90_seconds: Option<i64>,
}

/// An hour, a day or a reviewer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SeriesRow {
    /// When the hour or day begins; none of a reviewer.
    pub at: Option<Timestamp>,
    /// The reviewer.
    pub reviewer: Option<Principal>,
    /// The reviewer's name, for colleagues.
    pub name: Option<String>,
    /// Whether the caller is the reviewer.
    pub mine: bool,
    /// How often each thing happened: `signups`, `kyc_submitted`, `kyc_approved`, `kyc_retry`, `kyc_rejected`, `kyc_revoked`,
    /// `kyc_undone`, `messages`, `jobs_begun`, `jobs_finalized`, `jobs_cancelled`, `reports_opened`, `reports_resolved`,
    /// `reports_dismissed`, `reports_undone`, `reports_appealed`, `reports_upheld`, `reports_reversed`; of a reviewer, only what
    /// reviewers do.
    pub counts: BTreeMap<String, i64>,
    /// How long those waited whose identity check was decided.
    pub waited: Took,
    /// How long reviewers took from the claim to the decision.
    pub worked: Took,
    /// How long cases of reports waited that were decided, and appeals.
    pub reports_waited: Took,
}

/// What happened over time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Series {
    /// When it begins.
    pub since: Timestamp,
    /// When it ends.
    pub until: Timestamp,
    /// What a row is about.
    pub by: SeriesBy,
    /// Hours or days in order, each of them; or reviewers, who did most first.
    pub rows: Vec<SeriesRow>,
}

operations! { "admin":
    /// What happened in each hour or day, or what each reviewer did.
    ShowSeries = GET "/v1/admin/stats/series" needs StatsRead,
    (op, (): (), query: SeriesQuery, (): ()) -> Series as "The rows" {
        series(op, &query).await
    }
}

#[derive(Default)]
struct Slot {
    counts: BTreeMap<String, i64>,
    waited: Times,
    worked: Times,
    reports_waited: Times,
}

async fn series(op: &Operation, query: &SeriesQuery) -> Result<Series> {
    op.require(Permission::StatsRead)?;
    let by = query.by.unwrap_or(SeriesBy::Hour);
    let span = span(op.now(), query, by)?;
    let mut reader = op.db.read().await?;
    let mut conn = reader.conn();
    let mut slots: BTreeMap<(i64, String), Slot> = BTreeMap::new();
    if !span.by_who {
        for slot in span.from / span.hours..(span.until + span.hours - 1) / span.hours {
            let slot = slots.entry((slot, String::new())).or_default();
            let counters = SeriesKind::ALL.iter().filter(|kind| !kind.is_time());
            slot.counts = counters.map(|kind| (kind.to_string(), 0)).collect();
        }
    }
    for kind in SeriesKind::ALL.iter().copied() {
        for row in series::read(&mut conn, kind, span).await? {
            // What nobody of the staff does is no reviewer's.
            if span.by_who && row.who.is_empty() {
                continue;
            }
            let slot = slots.entry((row.slot, row.who)).or_default();
            match kind {
                SeriesKind::KycWaited => slot.waited.add(row.bucket, row.n),
                SeriesKind::KycWorked => slot.worked.add(row.bucket, row.n),
                SeriesKind::ReportsWaited => slot.reports_waited.add(row.bucket, row.n),
                counter => *slot.counts.entry(counter.to_string()).or_default() += row.n,
            }
        }
    }
    if !span.by_who {
        for (hour, n) in messaging::uncounted(&mut conn, span.from, span.until).await? {
            if let Some(slot) = slots.get_mut(&(hour / span.hours, String::new())) {
                *slot.counts.entry(SeriesKind::Messages.to_string()).or_default() += n;
            }
        }
    }
    let caller = op.actor().principal();
    let mut rows = Vec::with_capacity(slots.len());
    for ((at, who), slot) in slots {
        let reviewer = span.by_who.then_some(Principal(who));
        let name = match reviewer.as_ref().and_then(Principal::user_id) {
            Some(user) => accounts::store::get(&mut conn, user).await?.map(|account| account.name),
            None => None,
        };
        let took = |times: &Times| Took { median_seconds: times.quantile(50), p90_seconds: times.quantile(90) };
        rows.push(SeriesRow {
            at: (!span.by_who).then(|| series::start_of(at * span.hours)),
            mine: reviewer.as_ref() == Some(&caller),
            reviewer,
            name,
            waited: took(&slot.waited),
            worked: took(&slot.worked),
            reports_waited: took(&slot.reports_waited),
            counts: slot.counts,
        });
    }
    if span.by_who {
        rows.sort_by_key(|row| std::cmp::Reverse(row.counts.values().sum::<i64>()));
    }
    Ok(Series { since: series::start_of(span.from), until: series::start_of(span.until), by, rows })
}

/// Returns the hours that are asked for: whole days by day.
fn span(now: Timestamp, query: &SeriesQuery, by: SeriesBy) -> Result<Span> {
    let (unit, most, usual) = match by {
        SeriesBy::Hour => (1, MOST_HOURS, DAY),
        SeriesBy::Day => (DAY, MOST_DAYS * DAY, 30 * DAY),
        SeriesBy::Reviewer => (1, MOST_DAYS * DAY, 30 * DAY),
    };
    let last = series::hour_of(query.until.unwrap_or(now));
    let until = (last.div_euclid(unit) + 1) * unit;
    let from = match query.since {
        Some(since) => series::hour_of(since).div_euclid(unit) * unit,
        None => until - usual,
    };
    if from >= until {
        return Err(Error::invalid("/since", "must be before `until`"));
    }
    if until - from > most || from < 0 {
        let days = Duration::from_secs(u64::try_from(most).unwrap_or_default() * 3_600).as_secs() / 86_400;
        return Err(Error::invalid("/since", format!("must be at most {days} days before `until`")));
    }
    let by_who = by == SeriesBy::Reviewer;
    // One slot holds all that a reviewer did.
    Ok(Span { from, until, hours: if by_who { i64::MAX } else { unit }, by_who })
}
