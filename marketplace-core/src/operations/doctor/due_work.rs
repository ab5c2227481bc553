//! Checks of the due work that servers recorded, and of the waiting mails.

use std::time::Duration;

use crate::{
    base::{error::Result, time::Timestamp},
    operations::doctor::finding::Finding,
    platform::db::Db,
    records::{
        mail::{self, Backlog},
        webhooks,
    },
    timers::{self, RecordedTimer},
};

/// How long the failure of a single item is reported.
const RECENT: Duration = Duration::from_hours(24);
/// How long a mail may wait before it is reported as a problem.
const LATE_MAIL: Duration = Duration::from_mins(5);

/// Checks the due work of a database's servers.
pub(crate) async fn checks(db: &Db, now: Timestamp) -> Vec<Finding> {
    let of = |name, checked: Result<Finding>| checked.unwrap_or_else(|error| Finding::error(name, &error));
    let mut all = vec![
        of(TIMERS, timers::recorded(db).await.map(|rows| timers(&rows, now))),
        of(MAILS, mail::backlog(db).await.map(|backlog| mails(backlog, now))),
    ];
    let told = webhooks::store::backlog(db, now).await;
    // Most marketplaces have none.
    if !matches!(&told, Ok(nothing) if *nothing == webhooks::Backlog::default()) {
        all.push(of(WEBHOOKS, told.map(webhooks)));
    }
    all
}

const TIMERS: &str = "due work";

fn timers(rows: &[RecordedTimer], now: Timestamp) -> Finding {
    let Some(newest) = rows.iter().map(|row| row.last_success_at).max() else {
        return Finding::ok(TIMERS, "no server has run for this database yet");
    };
    if rows.iter().all(|row| row.is_late(now)) {
        return Finding::warning(TIMERS, format!("no server has done any since {newest}"));
    }
    let wrong = rows.iter().filter_map(|row| {
        let why = row.failure.as_deref().unwrap_or("unknown");
        if row.is_late(now) {
            Some(format!("{}: not done since {} ({why})", row.timer, row.last_success_at))
        } else if now.since(row.last_failure_at) < RECENT {
            Some(format!("{}: done, but at {} something of it failed: {why}", row.timer, row.last_failure_at))
        } else {
            None
        }
    });
    let wrong: Vec<String> = wrong.collect();
    if wrong.is_empty() {
        Finding::ok(TIMERS, format!("{} kinds, each done within the last minutes", rows.len()))
    } else {
        Finding::warning(TIMERS, wrong.join("; "))
    }
}

const MAILS: &str = "mails";

fn mails(backlog: Backlog, now: Timestamp) -> Finding {
    let Backlog { waiting, retried, failed, oldest_at } = backlog;
    let since = oldest_at.map(|at| format!(", the oldest since {at}")).unwrap_or_default();
    let text = format!("{waiting} wait ({retried} of them were tried{since}), {failed} could not be sent");
    let is_late = oldest_at.is_some_and(|at| now.since(at) > LATE_MAIL);
    if failed > 0 || is_late {
        Finding::warning(MAILS, format!("{text}; see `marketplace mail list`"))
    } else {
        Finding::ok(MAILS, text)
    }
}

const WEBHOOKS: &str = "webhooks";

fn webhooks(backlog: webhooks::Backlog) -> Finding {
    let webhooks::Backlog { waiting, failed, oldest_at, disabled } = backlog;
    let since = oldest_at.map(|at| format!(" (the oldest since {at})")).unwrap_or_default();
    let text = format!(
        "{waiting} deliveries wait{since}, {failed} failed, {disabled} webhooks were switched off as they fail"
    );
    if failed > 0 || disabled > 0 {
        Finding::warning(WEBHOOKS, format!("{text}; see `marketplace webhooks list`"))
    } else {
        Finding::ok(WEBHOOKS, text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operations::doctor::finding::Verdict;

    fn row(timer: &str, success: i64, failure: i64) -> RecordedTimer {
        RecordedTimer {
            timer: timer.into(),
            last_success_at: Timestamp::from_unix_seconds(success),
            last_failure_at: Timestamp::from_unix_seconds(failure),
            failure: (failure > 0).then(|| "no answer".into()),
        }
    }

    #[test]
    fn due_work_that_is_late_or_fails_is_told() {
        let now = Timestamp::from_unix_seconds(1_000_000);
        assert_eq!(timers(&[], now).status, Verdict::Ok);
        assert_eq!(timers(&[row("mail", 999_990, 0), row("jobs", 999_990, 1)], now).status, Verdict::Ok);
        let late = timers(&[row("mail", 999_990, 0), row("jobs", 990_000, 999_999)], now);
        assert!(late.status == Verdict::Warning && late.detail.contains("jobs: not done since"), "{}", late.detail);
        let item = timers(&[row("mail", 999_990, 999_000)], now);
        assert!(item.status == Verdict::Warning && item.detail.contains("no answer"), "{}", item.detail);
        let away = timers(&[row("mail", 900_000, 0), row("jobs", 900_000, 0)], now);
        assert!(away.status == Verdict::Warning && away.detail.contains("no server"), "{}", away.detail);
    }

    #[test]
    fn mails_that_wait_for_long_or_failed_are_told() {
        let now = Timestamp::from_unix_seconds(1_000_000);
        let of = |waiting, failed, oldest: Option<i64>| {
            let oldest_at = oldest.map(Timestamp::from_unix_seconds);
            mails(Backlog { waiting, retried: 0, failed, oldest_at }, now).status
        };
        assert_eq!(of(0, 0, None), Verdict::Ok);
        assert_eq!(of(3, 0, Some(999_990)), Verdict::Ok);
        assert_eq!(of(3, 0, Some(990_000)), Verdict::Warning);
        assert_eq!(of(0, 1, None), Verdict::Warning);
    }
}
