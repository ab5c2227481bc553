//! Sending: a few requests at a time to each endpoint, none of which waits for another endpoint.

use std::{
    panic::AssertUnwindSafe,
    sync::{PoisonError, atomic::Ordering},
    time::Duration,
};

use futures::FutureExt;
use reqwest::header::{HeaderMap, HeaderValue};
use tokio::sync::OwnedSemaphorePermit;
use tracing::Instrument;

use super::{
    model::{DeliveryState, TRIED_FOR, pause_after},
    queue::{self, Ended, Taken},
    store,
};
use crate::{
    app::App,
    base::{
        error::{Error, Result},
        ids::WebhookId,
        text,
        time::Timestamp,
    },
    platform::{
        spans,
        webhooks::client::{Failure, Outcome, PATIENCE},
    },
    timers::Timer,
};

/// Time between two counts.
const COUNT_EVERY: Duration = Duration::from_secs(5);

/// Starts tasks that send what is due, as far as each endpoint has places. Each goes on until nothing is due any more.
pub(crate) async fn send_due(app: &App) -> Result<u64> {
    let now = app.now();
    count(app, now).await?;
    let mut reader = app.db.read().await?;
    let due = queue::due(&mut reader.conn(), now).await?;
    drop(reader);
    for (webhook, queues) in due {
        for _ in 0..queues {
            let Some(place) = app.webhooks.place(webhook, now) else { break };
            tokio::spawn(send_while_due(app.clone(), webhook, place));
        }
    }
    // Each task counts what it has sent.
    Ok(0)
}

/// Counts what waits and what failed, at most once every [`COUNT_EVERY`].
async fn count(app: &App, now: Timestamp) -> Result<()> {
    let latest = || app.webhooks.backlog.lock().unwrap_or_else(PoisonError::into_inner);
    if latest().1.is_none_or(|at| now.since(at) >= COUNT_EVERY) {
        let counted = store::backlog(&app.db, now).await?;
        *latest() = (counted, Some(now));
    }
    Ok(())
}

async fn send_while_due(app: App, webhook: WebhookId, _places: (OwnedSemaphorePermit, OwnedSemaphorePermit)) {
    while !app.webhooks.stopping.load(Ordering::Relaxed) {
        let done = match queue::take(&app, webhook).await {
            Ok(Some(taken)) => {
                let trying = AssertUnwindSafe(send_one(&app, taken)).catch_unwind().await;
                trying.unwrap_or_else(|_| Err(Error::internal("sending to a webhook panicked")))
            }
            Ok(None) => return,
            Err(error) => Err(error),
        };
        match done {
            Ok(may_go_on) if may_go_on => {}
            Ok(_) => return,
            Err(error) => {
                // The database is usually away: the next round reports it, and starts again.
                app.timers.count_failure(Timer::Webhooks, format!("{error:?}"), app.now());
                return;
            }
        }
    }
}

/// Sends one thing, and stores the result. Returns whether the endpoint can be sent another at once.
async fn send_one(app: &App, taken: Taken) -> Result<bool> {
    let (webhook, sent_at) = (taken.webhook, app.now());
    let headers = headers(&taken, sent_at)?;
    let span = tracing::trace_span!(target: spans::ROOT, "webhook.send", otel.kind = "client", webhook.attempt = taken.attempts);
    let request =
        app.webhooks.client.post(&taken.url, headers, taken.body.clone(), sent_at.to_offset()).instrument(span);
    let late = || Outcome::Failed(Failure { status: None, reason: "it did not answer".into(), wait: None });
    // The client has the same limit; a name that is not found has none.
    let outcome = tokio::time::timeout(PATIENCE * 2, request).await.unwrap_or_else(|_| late());
    let now = app.now();
    let ended = match outcome {
        Outcome::Taken(status) => Ended {
            state: DeliveryState::Delivered,
            not_before: now,
            http_status: Some(status),
            failure: None,
            is_gone: false,
        },
        Outcome::Failed(failure) => not_taken(app, &taken, &failure, now),
    };
    if ended.state == DeliveryState::Failed {
        tracing::warn!(%webhook, delivery = %taken.id, attempts = taken.attempts, reason = ended.failure, "something is not sent to a webhook any more");
    } else if let Some(reason) = &ended.failure {
        tracing::debug!(%webhook, delivery = %taken.id, attempts = taken.attempts, reason, "a webhook did not take something; it is tried again");
    }
    let (well, is_gone) = (ended.failure.is_none(), ended.is_gone);
    queue::finish(app, taken, ended).await?;
    app.webhooks.sent.fetch_add(u64::from(well), Ordering::Relaxed);
    Ok(app.webhooks.went(webhook, well, now) && !is_gone)
}

fn not_taken(app: &App, taken: &Taken, failure: &Failure, now: Timestamp) -> Ended {
    let is_gone = failure.status == Some(410);
    // What an endpoint that is gone does not take waits for it: staff say where it is now.
    let is_over = !is_gone && now.since(taken.first_try_at) >= TRIED_FOR;
    let pause = pause_after(taken.attempts, app.random.as_ref()).max(failure.wait.unwrap_or_default());
    Ended {
        state: if is_over { DeliveryState::Failed } else { DeliveryState::Waiting },
        not_before: now + pause,
        http_status: failure.status,
        failure: text::clean_line(&failure.reason, 300).or_else(|| Some("it failed".to_owned())),
        is_gone,
    }
}

/// Returns the headers of a request (Standard Webhooks 1.0). While there are two secrets, both sign.
fn headers(taken: &Taken, sent_at: Timestamp) -> Result<HeaderMap> {
    let seconds = sent_at.unix_seconds();
    let signatures: Vec<String> =
        taken.secrets.iter().map(|secret| secret.sign(taken.id, seconds, &taken.body)).collect();
    let mut headers = HeaderMap::new();
    for (name, value) in [
        ("webhook-id", taken.id.to_string()),
        ("webhook-timestamp", seconds.to_string()),
        ("webhook-signature", signatures.join(" ")),
    ] {
        headers.insert(name, HeaderValue::try_from(value).map_err(Error::internal)?);
    }
    Ok(headers)
}
