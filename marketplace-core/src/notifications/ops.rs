//! What a person does with their notifications.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::hmac;
use uuid::Uuid;

use super::{
    link,
    model::{
        Notification, NotificationFilter, NotificationKind, NotificationSettings, NotificationsRead, Unread,
        Unsubscribe, UpdateNotificationSettings,
    },
    store,
};
use crate::{
    accounts::{self, model::Status},
    app::App,
    base::{
        error::{Error, Result},
        ids::{NotificationId, UserId, first_uuid_v7},
        language::Language,
        page::{Page, PageRequest, TimeCursor},
        permission::Permission,
        time::Timestamp,
    },
    operation::Operation,
    platform::db::Conn,
};

/// Returns the id before which are all of the past.
pub(crate) fn present(now: Timestamp) -> NotificationId {
    NotificationId(first_uuid_v7(now + Duration::from_millis(1)))
}

/// Returns the caller's notifications, newest first.
///
/// # Errors
/// `forbidden` for a caller without an account of their own; `invalid` for a limit or cursor that is not valid.
pub async fn list(op: &Operation, filter: NotificationFilter, page: &PageRequest) -> Result<Page<Notification>> {
    let me = op.actor().require_own(Permission::Trade)?.account.id;
    let limit = page.checked_limit()?;
    let cursor = page.cursor::<TimeCursor>()?.map_or(Uuid::max(), |cursor| cursor.id);
    let before = present(op.now()).min(NotificationId(cursor));
    let mut reader = op.db.read().await?;
    let mut conn = reader.conn();
    let language = store::settings(&mut conn, me).await?.language;
    let rows = store::page(&mut conn, me, filter.unread, before, limit + 1).await?;
    drop(reader);
    let page = Page::from_rows(rows, limit, |row| TimeCursor { at: row.at, id: row.id.0 });
    let shown = page.items.into_iter().map(|row| delivered(op, language, row));
    Ok(Page { items: shown.collect::<Result<_>>()?, next: page.next })
}

/// Returns a notification as its recipient is shown it.
pub(crate) fn delivered(app: &App, language: Language, row: store::Row) -> Result<Notification> {
    let title = app.mailer.texts.get(language, row.kind.as_str())?.subject.clone();
    let link = link(&app.config, row.kind, &row.target);
    let store::Row { id, kind, target, at, read_at } = row;
    Ok(Notification { id, kind, title, target, link, at, read_at })
}

/// Sets the language of a new account. Without one, or with the first one, nothing is stored.
pub(crate) async fn speak(conn: &mut Conn<'_>, user: UserId, language: Option<Language>, now: Timestamp) -> Result<()> {
    let Some(language) = language.filter(|language| *language != Language::default()) else { return Ok(()) };
    store::put_settings(conn, user, &NotificationSettings::new(language, &[], 0), now).await.map(drop)
}

/// Returns how many of the caller's notifications are unread.
///
/// # Errors
/// `forbidden` for a caller without an account of their own.
pub async fn unread(op: &Operation) -> Result<Unread> {
    let me = op.actor().require_own(Permission::Trade)?.account.id;
    let unread = store::unread(&mut op.db.read().await?.conn(), me, present(op.now())).await?;
    Ok(Unread { unread })
}

/// Marks notifications of the caller's as read; those that are not theirs are passed over.
///
/// # Errors
/// `invalid` for nothing, or for too many.
pub async fn mark_read(op: &Operation, read: NotificationsRead) -> Result<Unread> {
    let me = op.actor().require_own(Permission::Trade)?.account.id;
    let read = read.checked()?;

    op.write(unit!(|op, conn| {
        let now = op.now();
        if let Some(until) = read.until {
            store::mark_until(conn, me, until, now).await?;
        }
        for id in &read.ids {
            store::mark(conn, me, *id, now).await?;
        }
        Ok(Unread { unread: store::unread(conn, me, present(now)).await? })
    }))
    .await
}

/// Returns how the caller wants to be told.
///
/// # Errors
/// `forbidden` for a caller without an account of their own.
pub async fn settings(op: &Operation) -> Result<NotificationSettings> {
    let me = op.actor().require_own(Permission::Trade)?.account.id;
    store::settings(&mut op.db.read().await?.conn(), me).await
}

/// Changes how the caller wants to be told. An update that changes nothing makes no new version.
///
/// # Errors
/// `invalid` for a kind that cannot be switched off; `precondition_failed` at another version.
pub async fn update_settings(op: &Operation, update: UpdateNotificationSettings) -> Result<NotificationSettings> {
    let me = op.actor().require_own(Permission::Trade)?.account.id;

    op.write(unit!(|op, conn| {
        lock_own(conn, me).await?;
        let before = store::settings(conn, me).await?;
        op.check_version(before.version)?;
        let mut settings = before.clone();
        update.apply(&mut settings)?;
        if settings != before {
            settings.version = store::put_settings(conn, me, &settings, op.now()).await?;
        }
        Ok(settings)
    }))
    .await
}

/// Locks an account for a change of its settings: changes take turns, and none outlives an erasure.
async fn lock_own(conn: &mut Conn<'_>, user: UserId) -> Result<()> {
    let account = accounts::store::lock(conn, user).await?;
    let is_there = account.is_some_and(|account| account.status != Status::Deleted);
    is_there.then_some(()).ok_or_else(|| Error::unauthenticated("the session has ended"))
}

fn key(app: &App) -> hmac::Key {
    app.keys.mac_key(b"marketplace/unsubscribe/1")
}

/// Returns the token of a mail, with which its recipient switches off mails of its kind without logging in.
pub(super) fn unsubscribe_token(app: &App, user: UserId, kind: NotificationKind) -> String {
    let what = format!("{user}.{kind}");
    let tag = URL_SAFE_NO_PAD.encode(hmac::sign(&key(app), what.as_bytes()));
    format!("{what}.{tag}")
}

/// Switches off mails of the kind of the mail that had the token. Doing it again changes nothing, nor does it for an account that
/// is gone.
///
/// # Errors
/// `invalid` for a token that is not from a mail of ours.
pub async fn unsubscribe(app: &App, asked: &Unsubscribe) -> Result<()> {
    let wrong = || Error::invalid("/token", "is not from a mail of ours");
    let (what, tag) = asked.token.rsplit_once('.').ok_or_else(wrong)?;
    let tag = URL_SAFE_NO_PAD.decode(tag).map_err(|_| wrong())?;
    hmac::verify(&key(app), what.as_bytes(), &tag).map_err(|_| wrong())?;
    let (user, kind) = what.split_once('.').ok_or_else(wrong)?;
    let (user, kind) = (user.parse::<UserId>().map_err(|_| wrong())?, kind.parse::<NotificationKind>());
    let kind = kind.map_err(|_| wrong())?;
    Operation::system(app)
        .write(unit!(|op, conn| {
            if lock_own(conn, user).await.is_err() {
                return Ok(());
            }
            let mut settings = store::settings(conn, user).await?;
            if settings.mail.insert(kind, false) != Some(false) {
                store::put_settings(conn, user, &settings, op.now()).await?;
            }
            Ok(())
        }))
        .await
}
