//! One socket, from its greeting to its end.

use std::time::Duration;

use axum::response::Response;
use futures::{SinkExt as _, StreamExt as _};
use marketplace_core::{
    actor::Actor,
    base::{permission::Permission, rate::Class},
    call_context,
    error::{Error, Result},
    events::EventCursor,
    ids::ThreadId,
    messaging::{self, model::NewMessage},
    page::Cursor,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    time::Instant,
};
use tokio_tungstenite::tungstenite::{self, Message, Utf8Bytes, protocol::CloseFrame};

use super::{
    dispatcher,
    frames::{self, Beat, Close, Protocol, ServerFrame, Todo},
    handshake::{Handshake, Wire},
    hub::{Place, Queued},
};
use crate::{connection::Working, ctx::Ctx};

/// Events of a catch-up that are read in one query.
const PAGE: u16 = 100;
/// How long a client has for the last frames, its own close frame, and the end of the connection.
const FAREWELL: Duration = Duration::from_secs(5);

/// Opens a socket for `actor`. Refusals before the upgrade are HTTP responses; afterwards they are frames.
pub(crate) async fn serve(ctx: Ctx, actor: Actor, handshake: Handshake, in_use: Working) -> Result<Response> {
    let me = actor.require_own(Permission::Trade)?;
    let place = ctx.hub.join(me.account.id, me.session)?;
    // Nobody was notified of a login that ended before the socket had its place.
    dispatcher::check_logins(&ctx, std::slice::from_ref(&place.listener)).await?;
    if place.end.borrow().is_some() {
        return Err(Error::unauthenticated("the session has ended; log in again"));
    }
    let tasks = ctx.hub.tasks.clone();
    let (response, wire) = handshake.grant();
    let call = call_context::current();
    tokio::spawn(tasks.track_future(call_context::part_of(call, async move {
        // The client may have gone before it had the answer.
        let Ok(wire) = wire.await else { return };
        let protocol = Protocol::default();
        let mut socket = Socket { ctx, actor, wire, place, protocol, told: None, read: None, opened: Instant::now() };
        let metrics = socket.ctx.metrics.sockets.clone();
        metrics.increment(1);
        let end = socket.talk().await;
        socket.leave(end).await;
        metrics.decrement(1);
        // The connection counts as in use for as long as the socket lives.
        drop(in_use);
    })));
    Ok(response)
}

/// The reason why a socket ends.
enum End {
    /// The client went away.
    Gone,
    /// The client closes it.
    Closed,
    /// The server closes it.
    Close(Close),
}

struct Socket {
    ctx: Ctx,
    actor: Actor,
    wire: Wire,
    place: Place,
    protocol: Protocol,
    /// The last event that was sent; `None` before the greeting.
    told: Option<EventCursor>,
    /// The latest read pointer that this socket moved, and its thread.
    read: Option<(ThreadId, i64)>,
    opened: Instant,
}

/// The event that happened first.
enum Next {
    Said(Option<tungstenite::Result<Message>>),
    Queued(Option<Queued>),
    Beat,
    End(Close),
}

impl Socket {
    async fn talk(&mut self) -> End {
        let mut beat = Instant::now() + self.ctx.options.socket_heartbeat;
        loop {
            let next = tokio::select! {
                why = ended(&mut self.place.end) => Next::End(why),
                said = self.wire.next() => Next::Said(said),
                queued = self.place.queue.recv(), if self.told.is_some() => Next::Queued(queued),
                () = tokio::time::sleep_until(beat) => Next::Beat,
            };
            let outcome = match next {
                Next::End(why) => Err(End::Close(why)),
                Next::Said(said) => self.said(said).await,
                Next::Queued(Some(frame)) => self.tell(frame).await,
                Next::Queued(None) => Err(End::Gone),
                Next::Beat => {
                    beat = Instant::now() + self.ctx.options.socket_heartbeat;
                    match self.protocol.beat() {
                        Beat::Ping => self.write(Message::Ping(Vec::new().into())).await,
                        Beat::Gone => Err(End::Gone),
                        Beat::Close(why) => Err(End::Close(why)),
                    }
                }
            };
            if let Err(end) = outcome {
                return end;
            }
        }
    }

    async fn said(&mut self, said: Option<tungstenite::Result<Message>>) -> Result<(), End> {
        let text = match said {
            // Raw frames are only ever sent.
            None | Some(Ok(Message::Frame(_))) => return Err(End::Gone),
            Some(Ok(Message::Close(_))) => return Err(End::Closed),
            Some(Err(error)) => return Err(fault(&error).map_or(End::Gone, End::Close)),
            Some(Ok(Message::Binary(_))) => return Err(End::Close(Close::Binary)),
            Some(Ok(Message::Pong(_))) => {
                self.protocol.heard();
                return Ok(());
            }
            Some(Ok(Message::Ping(_))) => {
                self.protocol.heard();
                // The WebSocket library has already replied to it.
                return match self.ctx.app.admit(Class::Write, &self.actor).await {
                    Err(_) if self.protocol.refused() => Err(End::Close(Close::Policy)),
                    _ => Ok(()),
                };
            }
            Some(Ok(Message::Text(text))) => text,
        };
        self.ctx.app.note_work();
        // Whatever a frame asks for, it counts like a change over HTTP.
        let admitted = self.ctx.app.admit(Class::Write, &self.actor).await;
        let todo = self.protocol.text(&text, self.opened.elapsed());
        if let Err(refused) = admitted {
            let (thread, name) = match &todo {
                // A socket that was not greeted is of no use.
                Todo::Follow(_) => return Err(End::Close(Close::TryAgain)),
                Todo::Close(why) => return Err(End::Close(*why)),
                Todo::Send(thread, new) => (Some(*thread), Some(&*new.client_msg_id)),
                Todo::Read(thread, _) | Todo::Typing(thread) => (Some(*thread), None),
                Todo::Pong | Todo::Say(_) | Todo::Nothing => (None, None),
            };
            if self.protocol.refused() {
                return Err(End::Close(Close::Policy));
            }
            return self.say(frames::error(&refused, thread, name)).await;
        }
        match todo {
            Todo::Nothing => Ok(()),
            Todo::Say(text) => self.say(text).await,
            Todo::Close(why) => Err(End::Close(why)),
            Todo::Pong => {
                let cursor = self.told.map(|cursor| cursor.text());
                self.say(ServerFrame::Pong { cursor: cursor.as_deref() }.text()).await
            }
            // Large futures live on the heap, and only while they are needed: most sockets are quiet.
            Todo::Follow(cursor) => Box::pin(self.follow(cursor)).await,
            Todo::Send(thread, new) => Box::pin(self.send(thread, new)).await,
            Todo::Read(thread, seq) => Box::pin(self.read(thread, seq)).await,
            Todo::Typing(thread) => Box::pin(self.typing(thread)).await,
        }
    }

    /// Sends the events that were missed, and from then on those that are queued.
    ///
    /// The socket already has its place in the hub, so whatever appears in the log from then on is queued; events that
    /// are queued before the log is read also appear in that read, and an event in both is sent once, by its cursor.
    async fn follow(&mut self, cursor: Option<String>) -> Result<(), End> {
        let user = self.place.listener.user;
        let mut after = cursor;
        let mut is_ready = false;
        loop {
            while self.place.queue.try_recv().is_ok() {}
            let page = match marketplace_core::live::own_since(&self.ctx.app, user, after.as_deref(), PAGE).await {
                Ok(page) => page,
                Err(error) => {
                    self.say(frames::error(&error, None, None)).await?;
                    return Err(End::Close(Close::TryAgain));
                }
            };
            let place = page.cursor.text();
            if page.resync_required {
                self.say(ServerFrame::ResyncRequired { cursor: &place }.text()).await?;
            }
            if page.resync_required || !is_ready {
                // The client's position: the missed events follow it.
                let stands = after.as_deref().filter(|_| !page.resync_required).unwrap_or(&place);
                self.say(ServerFrame::Ready { cursor: stands }.text()).await?;
                is_ready = true;
            }
            for event in page.items {
                let text = event.cursor.text();
                self.write(Message::Text(dispatcher::render_for(event.what, user, event.cursor, &text).text)).await?;
            }
            self.told = Some(page.cursor);
            if !page.more {
                return Ok(());
            }
            after = Some(place);
        }
    }

    /// Sends a queued frame, unless it was sent before.
    async fn tell(&mut self, frame: Queued) -> Result<(), End> {
        if frame.cursor.is_some_and(|cursor| self.told >= Some(cursor)) {
            return Ok(());
        }
        self.write(Message::Text(frame.text)).await?;
        self.told = frame.cursor.or(self.told);
        Ok(())
    }

    async fn send(&mut self, thread: ThreadId, new: NewMessage) -> Result<(), End> {
        let name = new.client_msg_id.clone();
        let text = match messaging::send(&self.ctx.app.by(&self.actor), thread, new).await {
            Ok(sent) => {
                ServerFrame::Ack { thread_id: thread, client_msg_id: &name, seq: sent.seq, message_id: sent.id }.text()
            }
            Err(error) => self.refused(&error, thread, Some(&name)),
        };
        self.say(text).await
    }

    async fn read(&mut self, thread: ThreadId, seq: i64) -> Result<(), End> {
        // Pointers only advance: what this socket already marked as read causes no work.
        if self.read.is_some_and(|(of, last)| of == thread && (0..=last).contains(&seq)) {
            return Ok(());
        }
        match messaging::read(&self.ctx.app.by(&self.actor), thread, seq).await {
            Ok(state) => {
                self.read = Some((thread, state.read_seq));
                Ok(())
            }
            Err(error) => {
                let text = self.refused(&error, thread, None);
                self.say(text).await
            }
        }
    }

    async fn typing(&mut self, thread: ThreadId) -> Result<(), End> {
        match messaging::typing(&self.ctx.app.by(&self.actor), thread).await {
            Ok(()) => Ok(()),
            Err(error) => {
                let text = self.refused(&error, thread, None);
                self.say(text).await
            }
        }
    }

    fn refused(&self, error: &Error, thread: ThreadId, name: Option<&str>) -> String {
        // What is away has its own line in the log.
        if let Some(inside) = error.internal_text().filter(|_| !error.code().retryable()) {
            let user = self.place.listener.user;
            tracing::error!(%user, code = error.code().as_str(), inside, "a frame failed");
        }
        frames::error(error, Some(thread), name)
    }

    async fn say(&mut self, text: String) -> Result<(), End> {
        self.write(Message::Text(Utf8Bytes::from(text))).await
    }

    /// Writes a frame, unless the socket is ended meanwhile.
    async fn write(&mut self, message: Message) -> Result<(), End> {
        tokio::select! {
            sent = self.wire.send(message) => sent.map_err(|_| End::Gone),
            why = ended(&mut self.place.end) => Err(End::Close(why)),
        }
    }

    /// Ends the socket so that the client receives all that was said, its reason last.
    async fn leave(self, end: End) {
        let Self { mut wire, place, .. } = self;
        // The same person may open another one from here on.
        drop(place);
        let farewell = async {
            match end {
                End::Gone => return,
                // The reply to a close frame waits to be written, maybe behind other frames.
                End::Closed => _ = wire.flush().await,
                End::Close(why) => {
                    let (code, reason) = why.frame();
                    let frame = CloseFrame { code: code.into(), reason: Utf8Bytes::from_static(reason) };
                    if wire.send(Message::Close(Some(frame))).await.is_err() {
                        return;
                    }
                    while !why.is_fault() && matches!(wire.next().await, Some(Ok(said)) if !said.is_close()) {}
                }
            }
            // A connection that is closed while it has unread bytes is reset, and the client loses what it was sent last.
            let stream = wire.get_mut();
            let _ = stream.shutdown().await;
            let mut unread = [0; 1024];
            while stream.read(&mut unread).await.is_ok_and(|count| count > 0) {}
        };
        // A client that no longer reads is cut off.
        let _ = tokio::time::timeout(FAREWELL, farewell).await;
    }
}

/// Waits until the socket has to end.
async fn ended(end: &mut tokio::sync::watch::Receiver<Option<Close>>) -> Close {
    end.wait_for(Option::is_some).await.ok().and_then(|why| *why).unwrap_or(Close::TryAgain)
}

/// Returns how to end a socket whose client broke the protocol; `None` when the connection broke.
fn fault(error: &tungstenite::Error) -> Option<Close> {
    use tungstenite::{Error, error::ProtocolError};
    match error {
        Error::Capacity(_) => Some(Close::TooBig),
        Error::Utf8(_) => Some(Close::NotText),
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => None,
        Error::Protocol(_) => Some(Close::Protocol),
        _ => None,
    }
}
