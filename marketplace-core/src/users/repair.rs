//! What staff put right for a user: name, address and number, links that went astray, sessions; and warnings.

use std::net::IpAddr;

use uuid::Uuid;

use super::{
    actions::require_over,
    model::{EditUser, SessionFilter, UserDetail},
    ops::detail,
};
use crate::{
    accounts::{
        keep_note,
        model::{Account, Checks, Status, check_email, check_phone, normalise_email},
        store,
    },
    auth::{self, OneTime, SessionView},
    base::{
        change::{Changed, RestrictionReason},
        error::{Error, Result},
        ids::{SessionId, UserId},
        page::{Page, PageRequest, TimeCursor},
        patch::Patch,
        permission::{Permission, Role},
        text::{check_name, check_text},
        time::Timestamp,
    },
    operation::Operation,
    platform::db::Conn,
    records::{
        audit::{self, AuditAction, Entry},
        events::{self, EventKind},
        mail::{self, Mail, Template},
        target::TargetKind,
    },
    rules, services,
};

/// Characters of what a warning says at most.
const MAX_WARNING: usize = 1_000;

/// Locks and returns the account that is acted on.
async fn subject(op: &Operation, conn: &mut Conn<'_>, id: UserId) -> Result<Account> {
    let account = store::lock(conn, id).await?.ok_or_else(|| Error::not_found("user"))?;
    op.check_version(account.version)?;
    require_over(op, &account)?;
    if account.status == Status::Deleted {
        let current = serde_json::json!({ "status": account.status });
        return Err(Error::conflict("the account is deleted for good", current));
    }
    Ok(account)
}

/// Checks that an account may log in, without which a link is of no use to anybody.
fn require_open(account: &Account) -> Result<()> {
    if account.status.may_log_in() {
        return Ok(());
    }
    let current = serde_json::json!({ "status": account.status });
    Err(Error::conflict(format!("the account is {}; a link would not work", account.status), current))
}

/// Counts a mail against the limit of the address that an account has.
async fn count_mail(op: &Operation, id: UserId) -> Result<()> {
    if op.change().dry_run {
        return Ok(());
    }
    let mut reader = op.db.read().await?;
    let found = store::get(&mut reader.conn(), id).await?.ok_or_else(|| Error::not_found("user"))?;
    drop(reader);
    op.limiter.notice(&normalise_email(&found.email)).await
}

fn needed_reason(op: &Operation) -> Result<RestrictionReason> {
    let known = || Error::invalid("/reason", format!("is needed: one of {}", RestrictionReason::NAMES.join(", ")));
    op.change().reason.ok_or_else(known)
}

async fn record(
    op: &Operation,
    conn: &mut Conn<'_>,
    action: AuditAction,
    id: UserId,
    metadata: serde_json::Value,
) -> Result<()> {
    let reason = op.change().reason.map(|reason| reason.to_string());
    let entry = Entry { action, target_kind: TargetKind::User, target: id.to_string(), reason, metadata };
    audit::append(op, conn, entry).await
}

/// Puts a user's name, address or number right, by the rules of the owner's own edit. A new address takes effect when its link
/// is confirmed, and the old one is told; of a new name or number the owner is told.
///
/// Needs a reason; a new address, with which a password can be reset, also needs `users:admin` and the permissions of the
/// account's role.
///
/// # Errors
/// `invalid` with each field that breaks a rule; `conflict` when address or number is another account's; `rate_limited` when
/// too many mails went to the new address; `forbidden` without the permission, and about oneself; `not_found`;
/// `precondition_failed` at another version.
pub async fn edit(op: &Operation, id: UserId, edit: EditUser) -> Result<Changed<UserDetail>> {
    op.actor().require(Permission::UsersWrite)?;
    op.actor().require_other(id)?;
    needed_reason(op)?;
    let mut checks = Checks::default();
    let name = checks.take(edit.name.required("/name")).flatten();
    let name = checks.take(name.as_deref().map(check_name).transpose()).flatten();
    let email = checks.take(edit.email.required("/email")).flatten();
    let email = checks.take(email.as_deref().map(check_email).transpose()).flatten();
    let phone = match edit.phone {
        Patch::Set(phone) if phone.trim().is_empty() => Patch::Clear,
        Patch::Set(phone) => checks.take(check_phone(&phone)).map_or(Patch::Keep, Patch::Set),
        other => other,
    };
    let note = checks.take(op.change().checked_note()).flatten();
    checks.finish()?;
    count_mail(op, id).await?;
    if let Some(email) = &email {
        op.actor().require(Permission::UsersAdmin)?;
        rules::refuse_domain(op, email).await?;
        if !op.change().dry_run && !op.limiter.may_mail(&normalise_email(email)).await {
            return Err(Error::rate_limited(std::time::Duration::from_mins(10)));
        }
    }
    op.write(unit!(|op, conn| {
        let mut account = subject(&op, conn, id).await?;
        let mut fields = Vec::new();
        if name.is_some_and(|name| std::mem::replace(&mut account.name, name.clone()) != name) {
            fields.push("name");
        }
        let before = account.phone.clone();
        account.phone = phone.or(account.phone);
        if account.phone != before {
            fields.push("phone");
            if let Some(phone) = &account.phone {
                store::require_free_phone(conn, phone, Some(id)).await?;
            }
        }
        if !fields.is_empty() {
            store::set_person(conn, &account, op.now()).await?;
            if account.role == Role::Worker {
                services::name_changed(conn, id, &account.name).await?;
            }
            auth::notify(&op, conn, &account, Template::AccountEdited, None).await?;
        }
        if let Some(email) = email.filter(|email| normalise_email(email) != normalise_email(&account.email)) {
            ask_to_confirm(&op, conn, &account, &email).await?;
            fields.push("email");
        }
        if !fields.is_empty() {
            let note = keep_note(&op, conn, id, note).await?;
            let metadata = serde_json::json!({ "fields": fields, "note": note });
            record(&op, conn, AuditAction::UsersEdit, id, metadata).await?;
            events::append(&op, conn, EventKind::UserChanged, &id.to_string(), Some(id)).await?;
        }
        Ok(Changed { changed: !fields.is_empty(), item: detail(conn, id, op.now()).await? })
    }))
    .await
}

/// Sends the link with which a new address takes effect, and tells the old one.
async fn ask_to_confirm(op: &Operation, conn: &mut Conn<'_>, account: &Account, email: &str) -> Result<()> {
    op.actor().require_grant(account.role)?;
    require_open(account)?;
    if let Some((other, _)) = store::by_email(conn, &normalise_email(email)).await? {
        return Err(Error::conflict("this address has an account", serde_json::json!({ "user_id": other.id })));
    }
    let valid = std::time::Duration::from_hours(1);
    let link = auth::issue_one_time(op, conn, account.id, OneTime::ChangeEmail, Some(email), valid).await?;
    let template = Template::ConfirmNewEmail;
    let mail = Mail { link: Some(link), user: Some(account.id), ..Mail::to_stranger(email, template) };
    mail::enqueue(op, conn, &OneTime::ChangeEmail.mail_subject(account.id), op.now(), &mail).await?;
    auth::notify(op, conn, account, Template::EmailChanging, None).await
}

/// Sends the mail again that confirms a user's address. A confirmed one is unchanged.
///
/// # Errors
/// `conflict` for an account that may not log in; `rate_limited` when too many mails went there; `forbidden` without the
/// permission, and about oneself; `not_found`.
pub async fn resend_verification(op: &Operation, id: UserId) -> Result<Changed<UserDetail>> {
    send(op, id, OneTime::VerifyEmail).await
}

/// Sends a user the mail with which a new password can be set.
///
/// # Errors
/// Those of [`resend_verification`].
pub async fn send_password_reset(op: &Operation, id: UserId) -> Result<Changed<UserDetail>> {
    send(op, id, OneTime::ResetPassword).await
}

async fn send(op: &Operation, id: UserId, kind: OneTime) -> Result<Changed<UserDetail>> {
    op.actor().require(Permission::UsersWrite)?;
    op.actor().require_other(id)?;
    let note = op.note()?;
    let (template, action, hours) = match kind {
        OneTime::VerifyEmail => (Template::VerifyEmail, AuditAction::UsersResendVerification, 24),
        _ => (Template::ResetPassword, AuditAction::UsersSendPasswordReset, 1),
    };
    let is_needless = move |account: &Account| kind == OneTime::VerifyEmail && account.email_verified;
    let mut reader = op.db.read().await?;
    let found = store::get(&mut reader.conn(), id).await?.ok_or_else(|| Error::not_found("user"))?;
    drop(reader);
    let is_sent = !op.change().dry_run && found.status.may_log_in() && !is_needless(&found);
    if is_sent && !op.limiter.may_mail(&normalise_email(&found.email)).await {
        return Err(Error::rate_limited(std::time::Duration::from_mins(10)));
    }
    op.write(unit!(|op, conn| {
        let account = subject(&op, conn, id).await?;
        require_open(&account)?;
        if !is_needless(&account) {
            let (norm, valid) = (normalise_email(&account.email), std::time::Duration::from_hours(hours));
            let link = auth::issue_one_time(&op, conn, id, kind, Some(&norm), valid).await?;
            auth::notify(&op, conn, &account, template, Some(link)).await?;
            let note = keep_note(&op, conn, id, note).await?;
            record(&op, conn, action, id, serde_json::json!({ "note": note })).await?;
        }
        Ok(Changed { changed: !is_needless(&account), item: detail(conn, id, op.now()).await? })
    }))
    .await
}

/// Warns a user by mail, for a reason and with what there is to say. The warning stays among the notes on the user.
///
/// # Errors
/// `invalid` without a reason, or for a text that breaks a rule; `conflict` for an account that may not log in; `forbidden`
/// without the permission, and about oneself; `not_found`; `precondition_failed` at another version.
pub async fn warn(op: &Operation, id: UserId, comment: Option<&str>) -> Result<Changed<UserDetail>> {
    op.actor().require(Permission::UsersWrite)?;
    op.actor().require_other(id)?;
    let reason = needed_reason(op)?;
    let comment = comment.map(str::trim).filter(|comment| !comment.is_empty());
    let comment = comment.map(|comment| check_text("/comment", comment, 1, MAX_WARNING)).transpose()?;
    let note = op.note()?;
    count_mail(op, id).await?;
    op.write(unit!(|op, conn| {
        let account = subject(&op, conn, id).await?;
        require_open(&account)?;
        let why = reason.as_str().replace('_', " ");
        let text = comment.map_or_else(|| why.clone(), |comment| format!("{why}: {comment}"));
        // To an address that nobody has confirmed goes no text that somebody wrote.
        let said = if account.email_verified { &text } else { &why };
        let mail = Mail { comment: Some(said.clone()), ..Mail::to_owner(&account, Template::Warning) };
        mail::enqueue(&op, conn, &format!("user:{id}"), op.now(), &mail).await?;
        let warning = keep_note(&op, conn, id, Some(format!("Warned for {text}"))).await?;
        let note = keep_note(&op, conn, id, note).await?;
        record(&op, conn, AuditAction::UsersWarn, id, serde_json::json!({ "warning": warning, "note": note })).await?;
        Ok(Changed { changed: true, item: detail(conn, id, op.now()).await? })
    }))
    .await
}

/// Returns a user's live sessions, newest first. Their IP addresses are masked, unless revealed, which is audited.
///
/// # Errors
/// `not_found` when there is no such user; `forbidden` without the permission; `invalid` for a limit or cursor that is not
/// valid.
pub async fn sessions(
    op: &Operation,
    id: UserId,
    filter: &SessionFilter,
    page: &PageRequest,
) -> Result<Page<SessionView>> {
    op.actor().require(Permission::UsersRead)?;
    if filter.reveal {
        op.actor().require(Permission::UsersReveal)?;
    }
    let limit = page.checked_limit()?;
    let newest = TimeCursor { at: Timestamp::MAX, id: Uuid::max() };
    let before = page.cursor_in::<TimeCursor>("sessions")?.unwrap_or(newest);
    let mut reader = op.db.read().await?;
    let mut conn = reader.conn();
    store::get(&mut conn, id).await?.ok_or_else(|| Error::not_found("user"))?;
    let none = SessionId(Uuid::nil());
    let rows = auth::store::page(&mut conn, id, none, op.now(), before, limit + 1).await?;
    drop(reader);
    let found = Page::of_list("sessions", rows, limit, |row| TimeCursor { at: row.created_at, id: row.id.0 });
    if !filter.reveal {
        return Ok(found.map(|session| SessionView { ip: mask_ip(&session.ip), ..session }));
    }
    let shown = serde_json::json!({ "sessions": found.items.len() });
    op.write(unit!(|op, conn| { record(&op, conn, AuditAction::UsersReveal, id, shown).await })).await?;
    Ok(found)
}

/// `203.0.113.7` → `203.0.•.•`: enough to see whether two are of one place.
fn mask_ip(ip: &str) -> String {
    match ip.parse::<IpAddr>().map(|ip| ip.to_canonical()) {
        Ok(IpAddr::V4(ip)) => {
            let [first, second, ..] = ip.octets();
            format!("{first}.{second}.•.•")
        }
        Ok(IpAddr::V6(ip)) => {
            let [first, second, ..] = ip.segments();
            format!("{first:x}:{second:x}:•")
        }
        Err(_) => String::new(),
    }
}

/// Ends one session of a user. One that has ended is unchanged.
///
/// # Errors
/// `not_found` when there is no such user, or the session is not theirs, or ended so long ago that it is forgotten; `forbidden` without the permission, and
/// about oneself.
pub async fn end_session(op: &Operation, id: UserId, session: SessionId) -> Result<Changed<UserDetail>> {
    op.actor().require(Permission::UsersWrite)?;
    op.actor().require_other(id)?;
    let note = op.note()?;
    op.write(unit!(|op, conn| {
        let account = subject(&op, conn, id).await?;
        if !auth::store::revoke(conn, session, id, op.now()).await? {
            if !auth::store::is_session_of(conn, session, id).await? {
                return Err(Error::not_found("session"));
            }
            return Ok(Changed { changed: false, item: detail(conn, id, op.now()).await? });
        }
        events::append(&op, conn, EventKind::SessionRevoked, &session.to_string(), Some(id)).await?;
        auth::end_work(&op, conn, &account).await?;
        let note = keep_note(&op, conn, id, note).await?;
        let metadata = serde_json::json!({ "session": session, "note": note });
        record(&op, conn, AuditAction::UsersRevokeSessions, id, metadata).await?;
        Ok(Changed { changed: true, item: detail(conn, id, op.now()).await? })
    }))
    .await
}

#[cfg(test)]
mod tests {
    use super::mask_ip;

    #[test]
    fn masked_addresses_tell_the_place_at_most() {
        for (ip, masked) in [
            ("203.0.113.7", "203.0.•.•"),
            ("::ffff:203.0.113.7", "203.0.•.•"),
            ("2001:db8::1", "2001:db8:•"),
            ("unknown", ""),
        ] {
            assert_eq!(mask_ip(ip), masked);
        }
    }
}
