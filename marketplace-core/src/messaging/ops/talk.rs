//! Threads: opening, listing, reading.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::send::{caught, checked, send, send_in};
use crate::{
    app::App,
    base::{
        error::{Error, Result},
        ids::{ServiceId, ThreadId, UserId},
        page::{DEFAULT_LIMIT, Page, PageRequest, TimeCursor},
        permission::{Permission, Role},
        time::Timestamp,
    },
    messaging::{
        append::lock_thread,
        model::{
            Message, MessagePage, MessagesQuery, NewMessage, OpenThread, ReadState, ThreadStatus, ThreadSummary, Typing,
        },
        store::{self, NewThread, Window},
    },
    notifications,
    operation::Operation,
    profiles,
    records::events::{self, EventKind},
    rules::Caught,
};

/// Opens a thread about a published service, and sends the first message if there is one: both, or neither. A client has one
/// thread per service: opening it again returns the same, whatever happened to the service.
///
/// # Errors
/// `forbidden` unless an active client, or when one of the two has blocked the other; `not_found` when nobody may
/// see the service; and those of [`send`].
pub async fn open(op: &Operation, new: OpenThread) -> Result<ThreadSummary> {
    let me = op.actor().require_new_work()?;
    if me.account.role != Role::Client {
        return Err(Error::forbidden("clients open threads; workers answer in them"));
    }
    let message = new.content.map(|content| {
        // Without a name of the sender's, the service and the content name it: a repeated call is the same message, and the
        // same words to somebody else are another.
        let name = || format!("open:{}:{}", new.service_id, URL_SAFE_NO_PAD.encode(Sha256::digest(content.as_bytes())));
        NewMessage {
            client_msg_id: new.client_msg_id.clone().unwrap_or_else(name),
            content: content.clone(),
            attachments: Vec::new(),
        }
    });
    let message = message.map(checked).transpose()?;
    let client = me.account.id;
    let (thread, unsent) = match find(op, client, new.service_id).await? {
        Some(thread) => (thread, message),
        None => make(op, client, new.service_id, message).await?,
    };
    if let Some(message) = unsent {
        send(op, thread, message).await?;
    }
    get(op, thread).await
}

async fn find(app: &App, client: UserId, service: ServiceId) -> Result<Option<ThreadId>> {
    let mut reader = app.db.read().await?;
    store::of_service(&mut reader.conn(), client, service).await
}

/// Creates a thread with its first message, both or neither. When another call has just created the thread, the message is
/// returned unsent.
async fn make(
    app: &App,
    client: UserId,
    service: ServiceId,
    message: Option<NewMessage>,
) -> Result<(ThreadId, Option<NewMessage>)> {
    let caught = match &message {
        Some(message) => caught(app, message).await?,
        None => Caught::default(),
    };
    Operation::system(app)
        .write(unit!(|op, conn| {
            let at = op.now();
            let id = ThreadId::new(at, op.random.as_ref());
            lock_thread(conn, id).await?;
            let worker = store::offered(conn, service, at).await?.ok_or_else(|| Error::not_found("service"))?;
            if profiles::blocked_between(conn, client, worker).await? {
                return Err(Error::forbidden("one of you has blocked the other"));
            }
            if !store::insert_thread(conn, &NewThread { id, service, client, worker, at }).await? {
                let before = store::of_service(conn, client, service).await?;
                return Ok((before.ok_or_else(|| Error::not_found("thread"))?, message));
            }
            changed(&op, conn, id, client, worker).await?;
            if let Some(message) = message {
                send_in(&op, conn, client, id, message, caught).await?;
            }
            Ok((id, None))
        }))
        .await
}

/// Appends the event that a thread is new, or that its status changed.
pub(in crate::messaging) async fn changed(
    op: &Operation,
    conn: &mut crate::platform::db::Conn<'_>,
    thread: ThreadId,
    client: UserId,
    worker: UserId,
) -> Result<()> {
    let target = thread.to_string();
    let event = events::New {
        kind: EventKind::Thread,
        target: &target,
        user_id: Some(client),
        peer_id: Some(worker),
        thread_id: Some(thread),
        n: None,
    };
    events::record(op, conn, &event).await
}

/// Returns the caller's threads, newest activity first.
///
/// # Errors
/// `forbidden` for a caller without an account of their own; `invalid` for a limit or cursor that is not valid.
pub async fn list(op: &Operation, page: &PageRequest) -> Result<Page<ThreadSummary>> {
    let me = op.actor().require_own(Permission::Trade)?.account.id;
    let limit = page.checked_limit()?;
    let before = page.cursor::<TimeCursor>()?.unwrap_or(TimeCursor { at: Timestamp::MAX, id: Uuid::max() });
    let mut reader = op.db.read().await?;
    let rows = store::list(&mut reader.conn(), me, before, limit + 1).await?;
    Ok(Page::from_rows(rows, limit, |row| TimeCursor { at: row.last_at, id: row.id.0 }))
}

/// Returns one thread of the caller's.
///
/// # Errors
/// `not_found` when the thread is not the caller's.
pub async fn get(op: &Operation, thread: ThreadId) -> Result<ThreadSummary> {
    let me = op.actor().require_own(Permission::Trade)?.account.id;
    let mut reader = op.db.read().await?;
    store::get(&mut reader.conn(), me, thread).await?.ok_or_else(|| Error::not_found("thread"))
}

/// Returns messages of a thread of the caller's, in the order of their numbers.
///
/// # Errors
/// `not_found` when the thread is not the caller's; `invalid` for a query that is not valid.
pub async fn messages(op: &Operation, thread: ThreadId, query: &MessagesQuery) -> Result<MessagePage<Message>> {
    let me = op.actor().require_own(Permission::Trade)?.account.id;
    let mut reader = op.db.read().await?;
    let window = window(&mut reader.conn(), thread, Some(me), query).await?;
    Ok(paged(window, query, |window, row| window.message(row, me)))
}

/// Returns the messages of a checked query.
pub(in crate::messaging) async fn window(
    conn: &mut crate::platform::db::Conn<'_>,
    thread: ThreadId,
    viewer: Option<UserId>,
    query: &MessagesQuery,
) -> Result<Window> {
    let limit = PageRequest::first(query.limit.unwrap_or(DEFAULT_LIMIT)).checked_limit()?;
    if query.after_seq.is_some() && query.before_seq.is_some() {
        return Err(Error::invalid("/before_seq", "cannot be given together with after_seq"));
    }
    // Beyond these there is nothing, and nothing overflows.
    let (lowest, highest) = (0, i64::MAX / 2);
    let after = query.after_seq.map(|seq| seq.clamp(lowest, highest));
    let before = query.before_seq.map(|seq| seq.clamp(lowest + 1, highest));
    let found = store::messages(conn, thread, viewer, after, before, limit).await?;
    found.ok_or_else(|| Error::not_found("thread"))
}

/// Creates a page. As numbers have no gaps, it is known whether there is more on either side.
pub(in crate::messaging) fn paged<M>(
    mut window: Window,
    query: &MessagesQuery,
    view: impl Fn(&Window, store::MessageRow) -> M,
) -> MessagePage<M> {
    let rows = std::mem::take(&mut window.rows);
    let ends = rows.first().zip(rows.last()).map(|(first, last)| (first.seq > 1, last.seq < window.last_seq));
    let (more_before, more_after) = ends.unwrap_or(match (query.after_seq, query.before_seq) {
        (Some(after), _) => (after > 0 && window.last_seq > 0, after < 0 && window.last_seq > 0),
        (None, Some(_)) => (false, window.last_seq > 0),
        (None, None) => (false, false),
    });
    MessagePage { items: rows.into_iter().map(|row| view(&window, row)).collect(), more_before, more_after }
}

/// Moves the caller's read pointer forward; it never moves back.
///
/// # Errors
/// `invalid` beyond the newest message; `not_found` when the thread is not the caller's.
pub async fn read(op: &Operation, thread: ThreadId, seq: i64) -> Result<ReadState> {
    let me = op.actor().require_own(Permission::Trade)?.account.id;

    op.write(unit!(|op, conn| {
        // Before the count of what is unread: on PostgreSQL it would miss a message that commits meanwhile.
        lock_thread(conn, thread).await?;
        let peer = store::advance(conn, thread, me, seq).await?;
        if let Some(peer) = peer {
            let target = thread.to_string();
            let event = events::New {
                kind: EventKind::Read,
                target: &target,
                user_id: Some(me),
                peer_id: Some(peer),
                thread_id: Some(thread),
                n: Some(seq),
            };
            events::record(&op, conn, &event).await?;
        }
        let (read_seq, unread, last_seq) =
            store::pointer(conn, thread, me).await?.ok_or_else(|| Error::not_found("thread"))?;
        if !(0..=last_seq).contains(&seq) {
            return Err(Error::invalid("/seq", format!("must be from 0 to {last_seq}, the newest message's number")));
        }
        if unread == 0 && peer.is_some() {
            notifications::read_thread(conn, me, thread, op.now()).await?;
        }
        Ok(ReadState { thread_id: thread, read_seq, unread })
    }))
    .await
}

/// Notifies the other participant who is connected, here or on another server, that the caller is typing in a thread: not when it
/// is closed, or when one of the two has blocked the other. Nothing is stored. See [`Typing`].
///
/// # Errors
/// `not_found` when the thread is not the caller's.
pub async fn typing(op: &Operation, thread: ThreadId) -> Result<()> {
    let me = op.actor().require_own(Permission::Trade)?.account.id;
    let mut reader = op.db.read().await?;
    let membership =
        store::membership(&mut reader.conn(), thread, me).await?.ok_or_else(|| Error::not_found("thread"))?;
    let talks = membership.status == ThreadStatus::Open && (!membership.blocked || membership.live_job);
    drop(reader);
    if talks {
        let to = if membership.client_id == me { membership.worker_id } else { membership.client_id };
        op.pass(Typing { thread_id: thread, from: me, to }.note()).await;
    }
    Ok(())
}
