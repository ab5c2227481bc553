//! Server-sent events over core's event log (WHATWG HTML §9.2). The log is authoritative: a notification only triggers a
//! read, and a poll every second finds events that were not announced (of other servers). A client that resumes misses
//! nothing.

use std::{collections::VecDeque, convert::Infallible, time::Duration};

use axum::{
    body::{Body, Bytes},
    http::{HeaderValue, header::CONTENT_TYPE},
    response::Response,
};
use futures::StreamExt as _;
use marketplace_core::{
    actor::Actor,
    auth,
    base::permission::Permission,
    error::{ErrorCode, Result},
    events::{self, Event},
    ids::UserId,
    limiter::Place,
};
use tokio::{sync::broadcast, time::Instant};

use crate::{ctx::Ctx, problem::Answer};

/// Events that are read in one query.
const BATCH: u16 = 100;

/// Streams events after `resume`, or from now on.
pub(crate) async fn stream(ctx: Ctx, actor: Actor, token: String, resume: Option<String>) -> Answer<Response> {
    let place = actor.user_id().map(|user| ctx.places.streams.take(user, 1)).transpose()?;
    // Subscribed before the first look, so that no event is lost between the two.
    let wake = ctx.app.subscribe();
    // A wrong cursor is reported before the stream begins.
    let page = events::since(&ctx.app.by(&actor), resume.as_deref(), BATCH).await?;
    let now = Instant::now();
    let follower = Follower {
        ready: page.items.iter().map(frame).collect(),
        cursor: page.cursor.clone(),
        token,
        actor,
        wake,
        checked: Some(now),
        spoke: now,
        _place: place,
        ctx,
    };
    // The first frame states where the stream begins, so that even a client that saw no event can resume.
    let first = futures::stream::once(async move { Ok(Bytes::from(format!(": events\nid: {}\n\n", page.cursor))) });
    let opening = if resume.is_some() { None } else { Some(first) };
    let rest = futures::stream::unfold(follower, |mut follower| async move {
        let piece = follower.next().await?;
        Some((Ok::<_, Infallible>(piece), follower))
    });
    let body = futures::stream::iter(opening).flatten().chain(rest);
    let mut response = Response::new(Body::from_stream(body));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    Ok(response)
}

fn frame(event: &Event) -> Bytes {
    // An event of strings and ids always serialises, and JSON has no line breaks.
    let data = serde_json::to_string(event).unwrap_or_default();
    Bytes::from(format!("id: {}\nevent: {}\ndata: {data}\n\n", event.cursor, event.kind))
}

struct Follower {
    ctx: Ctx,
    actor: Actor,
    token: String,
    cursor: String,
    wake: broadcast::Receiver<()>,
    ready: VecDeque<Bytes>,
    /// When the caller's login was last verified; `None` after a wait, because the event that ended the wait may have
    /// ended the login.
    checked: Option<Instant>,
    /// When something was last sent.
    spoke: Instant,
    _place: Option<Place<UserId>>,
}

impl Follower {
    /// Returns the next piece of the stream, or `None` at its end.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if self.ctx.ending.stopping.is_cancelled() {
                return None;
            }
            match self.welcome().await {
                Welcome::Yes => {
                    if let Some(piece) = self.ready.pop_front() {
                        self.spoke = Instant::now();
                        return Some(piece);
                    }
                    match self.look().await {
                        Ok(true) => continue,
                        Ok(false) => {}
                        // The database is away: the stream stays open, and continues where it was.
                        Err(error) if error.code().retryable() => {}
                        Err(error) => {
                            let inside = error.internal_text();
                            tracing::warn!(code = error.code().as_str(), inside, "an event stream ended");
                            return None;
                        }
                    }
                }
                Welcome::Unknown => {}
                Welcome::No => return None,
            }
            if self.spoke.elapsed() >= self.ctx.options.heartbeat {
                self.spoke = Instant::now();
                return Some(Bytes::from_static(b": still here\n\n"));
            }
            self.wait().await;
        }
    }

    /// Reads new events; returns whether there were any.
    async fn look(&mut self) -> Result<bool> {
        let page = events::since(&self.ctx.app.by(&self.actor), Some(&self.cursor), BATCH).await?;
        self.cursor = page.cursor;
        self.ready.extend(page.items.iter().map(frame));
        Ok(!self.ready.is_empty())
    }

    async fn wait(&mut self) {
        let poll = self.ctx.options.event_poll;
        tokio::select! {
            () = self.ctx.ending.stopping.cancelled() => {}
            () = tokio::time::sleep(poll) => {}
            woken = self.wake.recv() => if matches!(woken, Err(broadcast::error::RecvError::Closed)) {
                tokio::time::sleep(poll).await;
            },
        }
        // Many changes at once cause one look.
        tokio::time::sleep(Duration::from_millis(10)).await;
        while matches!(self.wake.try_recv(), Ok(()) | Err(broadcast::error::TryRecvError::Lagged(_))) {}
        self.checked = None;
    }

    /// Checks whether the token is still valid and still permits this stream.
    async fn welcome(&mut self) -> Welcome {
        if self.checked.is_some_and(|checked| checked.elapsed() < self.ctx.options.event_poll) {
            return Welcome::Yes;
        }
        match auth::authenticate(&self.ctx.app, &self.token)
            .await
            .and_then(|actor| actor.require(Permission::StatsRead))
        {
            Ok(()) => {
                self.checked = Some(Instant::now());
                Welcome::Yes
            }
            Err(error) if matches!(error.code(), ErrorCode::Unavailable | ErrorCode::Busy) => Welcome::Unknown,
            Err(_) => Welcome::No,
        }
    }
}

enum Welcome {
    Yes,
    /// The database is away: nothing is sent until the answer is known again.
    Unknown,
    No,
}
