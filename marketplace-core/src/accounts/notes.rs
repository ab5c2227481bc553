//! Staff's notes on an account.

use super::{model::Note, store};
use crate::{
    actor::Actor,
    app::App,
    base::{
        error::Result,
        ids::{NoteId, UserId},
    },
    platform::db::Conn,
};

/// Keeps a change's note with its subject. Returns its id, which the audit row may hold where the text may not be.
pub(crate) async fn keep_note(
    app: &App,
    conn: &mut Conn<'_>,
    actor: &Actor,
    user: UserId,
    body: Option<String>,
) -> Result<Option<NoteId>> {
    let Some(body) = body else { return Ok(None) };
    let now = app.now();
    let note = Note { id: NoteId::new(now, app.random.as_ref()), author: actor.principal(), body, created_at: now };
    store::add_note(conn, user, &note).await?;
    Ok(Some(note.id))
}
