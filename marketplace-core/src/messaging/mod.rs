//! Threads and messages: a client and a worker talk about a service.
//!
//! | to read about | open |
//! |---|---|
//! | what threads and messages are | [`model`] |

pub mod model;
mod store;

pub(crate) use store::count_since;

use model::{
    AccessReason, MessagePage, MessagesQuery, RemovalReason, StaffMessage, ThreadAction, ThreadFilter, ThreadInfo,
};

use crate::{
    actor::{Actor, Permission},
    admin::{Change, Changed},
    app::App,
    error::{Error, Result},
    ids::{MessageId, ThreadId},
    page::{Page, PageRequest},
};

/// Threads, newest activity first, as staff see them.
pub async fn staff_list(
    _app: &App,
    actor: &Actor,
    _filter: &ThreadFilter,
    _page: &PageRequest,
) -> Result<Page<ThreadInfo>> {
    actor.require(Permission::ThreadsRead)?;
    Err(Error::unavailable("not built yet", "messaging"))
}
/// One thread, without its content.
pub async fn staff_show(_app: &App, actor: &Actor, _id: ThreadId) -> Result<ThreadInfo> {
    actor.require(Permission::ThreadsRead)?;
    Err(Error::unavailable("not built yet", "messaging"))
}
/// A thread's content, for a reason. Audited.
pub async fn staff_messages(
    _app: &App,
    actor: &Actor,
    _id: ThreadId,
    _reason: AccessReason,
    _query: &MessagesQuery,
) -> Result<MessagePage<StaffMessage>> {
    actor.require(Permission::ThreadsRead)?;
    Err(Error::unavailable("not built yet", "messaging"))
}
/// Closes or reopens a thread.
pub async fn staff_act(
    _app: &App,
    actor: &Actor,
    _id: ThreadId,
    _action: &ThreadAction,
    _change: &Change,
) -> Result<Changed<ThreadInfo>> {
    actor.require(Permission::ThreadsWrite)?;
    Err(Error::unavailable("not built yet", "messaging"))
}
/// Posts a notice of the staff's, 1 to 4,000 characters, in a thread; a closed one too.
pub async fn staff_notice(
    _app: &App,
    actor: &Actor,
    _id: ThreadId,
    _content: &str,
    _change: &Change,
) -> Result<Changed<StaffMessage>> {
    actor.require(Permission::ThreadsWrite)?;
    Err(Error::unavailable("not built yet", "messaging"))
}
/// Takes a message from the two's view.
pub async fn staff_remove(
    _app: &App,
    actor: &Actor,
    _id: MessageId,
    _reason: RemovalReason,
    _change: &Change,
) -> Result<Changed<StaffMessage>> {
    actor.require(Permission::ThreadsWrite)?;
    Err(Error::unavailable("not built yet", "messaging"))
}
