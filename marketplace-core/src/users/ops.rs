//! The staff's use cases about users: list, show, reveal, create, annotate.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use uuid::Uuid;

use crate::{
    accounts::{
        keep_note,
        model::{Account, Checks, NewUser, Note, check_email, check_phone, normalise_email},
        search::Query,
        store::{self, NewAccount},
        summary::{UserFilter, UserSummary},
    },
    app::App,
    auth::{self, OneTime},
    base::{
        change::Changed,
        error::{Error, Result},
        ids::{NoteId, UserId},
        page::{Page, PageRequest, TextCursor, TimeCursor},
        permission::Permission,
        text::{MAX_NOTE, check_name, check_text},
        time::Timestamp,
    },
    kyc,
    messaging::model::AccessReason,
    operation::Operation,
    platform::db::Conn,
    records::{
        audit::{self, AuditAction, Entry},
        events::{self, EventKind},
        mail::Template,
        target::TargetKind,
    },
    users::model::{PersonalData, UserDetail},
};

/// Notes on a user's own page.
const NOTES_SHOWN: i64 = 20;

/// Returns users, newest first; with `q`, in the order of what matched. They are masked, unless revealed: then audited with a
/// row for each person, before anything is returned.
///
/// Only callers who may reveal addresses and numbers find them by their beginnings, and then the search is audited.
///
/// # Errors
/// `forbidden` without the permission; `invalid` for a limit or cursor that is not valid.
pub async fn list(op: &Operation, filter: &UserFilter, page: &PageRequest) -> Result<Page<UserSummary>> {
    op.actor().require(Permission::UsersRead)?;
    if filter.reveal {
        op.actor().require(Permission::UsersReveal)?;
    }
    let (found, by_contact) = find(op, filter, page).await?;
    if by_contact {
        searched(op, &found).await?;
    }
    if !filter.reveal {
        return Ok(found.map(UserSummary::masked));
    }
    let reveal = |account: &crate::accounts::model::Account| Entry {
        action: AuditAction::UsersReveal,
        target_kind: TargetKind::User,
        target: account.id.to_string(),
        reason: None,
        metadata: serde_json::json!({ "list": true }),
    };
    let entries: Vec<Entry> = found.items.iter().map(reveal).collect();
    if !entries.is_empty() {
        op.write(unit!(|op, c| { audit::append_all(&op, c, entries).await })).await?;
    }
    Ok(found.map(UserSummary::revealed))
}

/// Audits whom a search by contact data showed. The search text is not recorded, as it is personal data.
async fn searched(op: &Operation, found: &Page<Account>) -> Result<()> {
    let ids: Vec<UserId> = found.items.iter().map(|account| account.id).collect();

    let unit = op.write(unit!(|op, c| {
        let metadata = serde_json::json!({ "ids": ids });
        let (action, target_kind) = (AuditAction::UsersSearch, TargetKind::Users);
        audit::append(&op, c, Entry { action, target_kind, target: "list".into(), reason: None, metadata }).await
    }));
    unit.await.map(drop)
}

/// The page, and whether it was looked for by contact data: by beginnings of it only by whoever may see it in full, and by
/// others not too often.
async fn find(op: &Operation, filter: &UserFilter, page: &PageRequest) -> Result<(Page<Account>, bool)> {
    let limit = page.checked_limit()?;
    let q = filter.q.as_deref().map(Query::checked).transpose()?;
    let reveals = op.actor().may(Permission::UsersReveal);
    let mut reader = op.db.read().await?;
    let mut conn = reader.conn();
    let Some(q) = q else {
        let before =
            page.cursor_in::<TimeCursor>("users")?.unwrap_or(TimeCursor { at: Timestamp::MAX, id: Uuid::max() });
        let rows = store::page(&mut conn, filter, before, limit + 1).await?;
        return Ok((Page::of_list("users", rows, limit, |row| TimeCursor { at: row.created_at, id: row.id.0 }), false));
    };
    let nobody = || (Page { items: Vec::new(), next: None }, false);
    if let Ok(id) = q.parse::<UserId>() {
        let fits = |account: &Account| {
            filter.role.is_none_or(|role| role == account.role)
                && filter.status.is_none_or(|status| status == account.status)
        };
        let items = store::get(&mut conn, id).await?.into_iter().filter(fits).collect();
        return Ok((Page { items, next: None }, false));
    }
    let Some(query) = Query::parse(q, reveals) else { return Ok(nobody()) };
    if let Some(account) = op.actor().user_id().filter(|_| query.by_contact && !reveals) {
        op.limiter.contact_search(account).await?;
    }
    let page =
        PageRequest { limit: page.limit, after: page.after.as_deref().map(|after| opened(op, after)).transpose()? };
    let after = page.cursor::<TextCursor>()?.unwrap_or(TextCursor { key: String::new(), id: Uuid::nil() });
    let rows = store::search(&mut conn, &query, filter, (&after.key, after.id), limit + 1).await?;
    let found = Page::from_rows(rows, limit, |row| TextCursor { key: row.term.clone(), id: row.account.id.0 });
    let next = found.next.as_deref().map(|next| sealed(op, next)).transpose()?;
    let found = Page { items: found.items.into_iter().map(|row| row.account).collect(), next };
    Ok((found, query.by_contact))
}

/// The context that separates these sealed texts from all others.
const CURSOR: &[u8] = b"cursor of users by term";

/// Seals a cursor: the term at which a page of a search ends may be a whole address, so that only we can read it.
fn sealed(app: &App, cursor: &str) -> Result<String> {
    Ok(URL_SAFE_NO_PAD.encode(app.keys.seal_same(CURSOR, cursor.as_bytes())?))
}

fn opened(app: &App, sealed: &str) -> Result<String> {
    let plain = URL_SAFE_NO_PAD.decode(sealed).ok().and_then(|bytes| app.keys.open_sealed(CURSOR, &bytes).ok());
    let plain = plain.and_then(|plain| String::from_utf8(plain).ok());
    plain.ok_or_else(|| Error::invalid("/after", "is not a cursor that this list gave out"))
}

/// Returns one user, masked.
///
/// # Errors
/// `not_found` when there is no such user; `forbidden` without the permission.
pub async fn show(op: &Operation, id: UserId) -> Result<UserDetail> {
    op.actor().require(Permission::UsersRead)?;
    let mut reader = op.db.read().await?;
    detail(&mut reader.conn(), id, op.now()).await
}

/// Returns a user as staff see them, inside or outside a transaction.
pub(super) async fn detail(conn: &mut Conn<'_>, id: UserId, now: Timestamp) -> Result<UserDetail> {
    let account = store::get(conn, id).await?.ok_or_else(|| Error::not_found("user"))?;
    let (sessions, last_seen_at) = auth::store::summary(conn, id, now).await?;
    let newest = TimeCursor { at: Timestamp::MAX, id: Uuid::max() };
    Ok(UserDetail {
        restriction: store::restriction(conn, id).await?,
        sessions,
        last_seen_at,
        kyc: kyc::briefs(conn, now, id).await?,
        notes: store::notes(conn, id, newest, NOTES_SHOWN).await?,
        user: UserSummary::masked(account),
    })
}

/// Returns one user's personal data in full. The audit row, with the reason, is committed first.
///
/// # Errors
/// `not_found` when there is no such user; `forbidden` without the permission.
pub async fn reveal(op: &Operation, id: UserId, reason: Option<AccessReason>) -> Result<PersonalData> {
    op.actor().require(Permission::UsersReveal)?;

    op.write(unit!(|op, c| {
        let account = store::get(c, id).await?.ok_or_else(|| Error::not_found("user"))?;
        let metadata = serde_json::json!({});
        audit::append(
            &op,
            c,
            Entry {
                action: AuditAction::UsersReveal,
                target_kind: TargetKind::User,
                target: id.to_string(),
                reason: reason.map(|reason| reason.to_string()),
                metadata,
            },
        )
        .await?;
        Ok(PersonalData { id, name: account.name, email: account.email, phone: account.phone })
    }))
    .await
}

/// Creates an account of any role whose permissions the caller has. Its owner sets the password through the mail that is
/// sent, which also confirms the address.
///
/// # Errors
/// `invalid` with each field that breaks a rule; `forbidden` without the permission or those of the role; `conflict` when the
/// address or the number is taken.
pub async fn create(op: &Operation, new: &NewUser) -> Result<Changed<UserDetail>> {
    op.actor().require(Permission::UsersAdmin)?;
    op.actor().require_grant(new.role)?;
    let mut checks = Checks::default();
    let email = checks.take(check_email(&new.email));
    let name = checks.take(check_name(&new.name));
    let phone = checks.take(new.phone.as_deref().map(check_phone).transpose());
    let note = checks.take(op.change().checked_note());
    checks.finish()?;
    let (Some(email), Some(name), Some(phone), Some(note)) = (email, name, phone, note) else {
        return Err(Error::internal("checks passed without values"));
    };
    // Staff cause the invitation, and its address may be a stranger's.
    if !op.change().dry_run && !op.limiter.may_mail(&normalise_email(&email)).await {
        return Err(Error::rate_limited(std::time::Duration::from_mins(10)));
    }
    let (role, reason) = (new.role, op.change().reason);
    op.write(unit!(|op, c| {
        let norm = normalise_email(&email);
        if let Some(phone) = &phone {
            store::require_free_phone(c, phone, None).await?;
        }
        let id = UserId::new(op.now(), op.random.as_ref());
        let account = NewAccount {
            id,
            role,
            email: &email,
            email_norm: &norm,
            name: &name,
            phone: phone.as_deref(),
            phone_wanted: None,
            hash: None,
            now: op.now(),
        };
        let Some(account) = store::insert(c, account).await? else {
            let current =
                store::by_email(c, &norm).await?.map(|(account, _)| serde_json::json!({ "user_id": account.id }));
            return Err(Error::conflict("this address has an account", current));
        };
        let link = auth::issue_one_time(
            &op,
            c,
            id,
            OneTime::ResetPassword,
            Some(&norm),
            std::time::Duration::from_secs(86_400),
        )
        .await?;
        auth::notify(&op, c, &account, Template::Invitation, Some(link)).await?;
        let note = keep_note(&op, c, id, note).await?;
        let metadata = serde_json::json!({ "role": account.role, "note": note });
        let reason = reason.map(|reason| reason.to_string());
        audit::append(
            &op,
            c,
            Entry {
                action: AuditAction::UsersCreate,
                target_kind: TargetKind::User,
                target: id.to_string(),
                reason,
                metadata,
            },
        )
        .await?;
        events::append(&op, c, EventKind::UserCreated, &id.to_string(), Some(id)).await?;
        Ok(Changed { changed: true, item: detail(c, id, op.now()).await? })
    }))
    .await
}

/// Adds a note to a user.
///
/// # Errors
/// `not_found` when there is no such user; `invalid` for a text that breaks a rule; `forbidden` without the permission.
pub async fn note(op: &Operation, id: UserId, body: &str) -> Result<Changed<Note>> {
    op.actor().require(Permission::UsersWrite)?;
    let body = check_text("/body", body, 1, MAX_NOTE)?;

    op.write(unit!(|op, c| {
        store::get(c, id).await?.ok_or_else(|| Error::not_found("user"))?;
        let note = Note {
            id: NoteId::new(op.now(), op.random.as_ref()),
            author: op.actor().principal(),
            body,
            created_at: op.now(),
        };
        store::add_note(c, id, &note).await?;
        let metadata = serde_json::json!({ "note": note.id });
        audit::append(
            &op,
            c,
            Entry {
                action: AuditAction::UsersNote,
                target_kind: TargetKind::User,
                target: id.to_string(),
                reason: None,
                metadata,
            },
        )
        .await?;
        Ok(Changed { changed: true, item: note })
    }))
    .await
}

/// Returns the notes on a user, newest first.
///
/// # Errors
/// `not_found` when there is no such user; `forbidden` without the permission.
pub async fn notes(op: &Operation, id: UserId, page: &PageRequest) -> Result<Page<Note>> {
    op.actor().require(Permission::UsersRead)?;
    let limit = page.checked_limit()?;
    let before = page.cursor_in::<TimeCursor>("notes")?.unwrap_or(TimeCursor { at: Timestamp::MAX, id: Uuid::max() });
    let mut reader = op.db.read().await?;
    let mut conn = reader.conn();
    store::get(&mut conn, id).await?.ok_or_else(|| Error::not_found("user"))?;
    let rows = store::notes(&mut conn, id, before, limit + 1).await?;
    Ok(Page::of_list("notes", rows, limit, |row| TimeCursor { at: row.created_at, id: row.id.0 }))
}
