//! Notes of staff on an account.

use super::{model::Note, store};
use crate::{
    base::{
        error::Result,
        ids::{NoteId, UserId},
    },
    operation::Operation,
    platform::db::Conn,
};

/// Stores the note of a change with the user whom it is about. Returns its id, which the audit row may hold where it
/// may not hold the text.
pub(crate) async fn keep_note(
    op: &Operation,
    conn: &mut Conn<'_>,
    user: UserId,
    body: Option<String>,
) -> Result<Option<NoteId>> {
    let Some(body) = body else { return Ok(None) };
    let now = op.now();
    let note = Note { id: NoteId::new(now, op.random.as_ref()), author: op.actor().principal(), body, created_at: now };
    store::add_note(conn, user, &note).await?;
    Ok(Some(note.id))
}
