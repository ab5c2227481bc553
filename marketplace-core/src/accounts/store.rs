//! SQL queries for accounts.

use uuid::Uuid;

use super::{
    model::{Account, Note, Status, normalise_email, search_terms},
    search::{DIGITS, PhoneEnd, Query, Range},
};
use crate::{
    accounts::summary::{Restriction, StatusCount, UserFilter},
    base::{
        change::RestrictionReason,
        count::Count,
        error::{Error, Result},
        ids::{NoteId, UserId},
        page::TimeCursor,
        permission::Role,
        principal::Principal,
        time::Timestamp,
    },
    kyc::status::KycStatus,
    platform::db::{Conn, DbError},
    records::series::{self, Happened, SeriesKind},
};

/// Expands to the columns of [`Account`], read from a table aliased `u`: see [`column_list!`](crate::column_list).
macro_rules! account_columns {
    ($form:ident) => {
        $crate::column_list!($form: id "u.id", text "u.role", text "u.status", text "u.email", flag "u.email_verified", text "u.name",
            text "u.phone", text "u.kyc_status", text "u.kyc_prior", time "u.kyc_effective_at", time "u.kyc_expires_at",
            int "u.version", time "u.created_at")
    };
}
pub(crate) use account_columns;

#[derive(sqlx_macros::FromRow)]
struct WithHash {
    #[sqlx(flatten)]
    account: Account,
    password_hash: Option<String>,
}

pub(crate) async fn get(conn: &mut Conn<'_>, id: UserId) -> Result<Option<Account>> {
    Ok(q!(conn => opt Account, concat!("SELECT ", account_columns!(rows), " FROM users u WHERE u.id = $1"), id)?)
}

/// Returns the name of who did something, as colleagues know it; none of what has no account.
pub(super) async fn name_of(conn: &mut Conn<'_>, who: &Principal) -> Result<Option<String>> {
    let Some((kind, id)) = who.0.split_once(':').and_then(|(kind, id)| Some((kind, id.parse::<Uuid>().ok()?))) else {
        return Ok(None);
    };
    match kind {
        "user" => Ok(q!(conn => optval String, "SELECT name FROM users WHERE id = $1", id)?),
        "token" => {
            let found = q!(conn => opt (String, String),
                "SELECT u.name, t.name FROM api_tokens t JOIN users u ON u.id = t.user_id WHERE t.id = $1", id)?;
            Ok(found.map(|(owner, token)| format!("{owner} ({token})")))
        }
        _ => Ok(None),
    }
}

/// Returns an account like [`get`], and locks it: no other transaction can change it before this one ends.
pub(crate) async fn lock(conn: &mut Conn<'_>, id: UserId) -> Result<Option<Account>> {
    Ok(q!(conn => opt Account, [
        sqlite: concat!("SELECT ", account_columns!(rows), " FROM users u WHERE u.id = $1"),
        pg: concat!("SELECT ", account_columns!(rows), " FROM users u WHERE u.id = $1 FOR UPDATE"),
    ], id)?)
}

pub(crate) async fn lock_with_hash(conn: &mut Conn<'_>, id: UserId) -> Result<Option<(Account, Option<String>)>> {
    let row = q!(conn => opt WithHash, [
        sqlite: concat!("SELECT ", account_columns!(rows), ", u.password_hash FROM users u WHERE u.id = $1"),
        pg: concat!("SELECT ", account_columns!(rows), ", u.password_hash FROM users u WHERE u.id = $1 FOR UPDATE"),
    ], id)?;
    Ok(row.map(|row| (row.account, row.password_hash)))
}

/// Returns the account with an address, which is given in its normalised form.
pub(crate) async fn by_email(conn: &mut Conn<'_>, norm: &str) -> Result<Option<(Account, Option<String>)>> {
    // PostgreSQL rejects NUL in text; no address contains one.
    if norm.contains('\0') {
        return Ok(None);
    }
    let row = q!(conn => opt WithHash,
        concat!("SELECT ", account_columns!(rows), ", u.password_hash FROM users u WHERE u.email_norm = $1"), norm)?;
    Ok(row.map(|row| (row.account, row.password_hash)))
}

pub(crate) async fn hash_of(conn: &mut Conn<'_>, id: UserId) -> Result<Option<String>> {
    Ok(q!(conn => optval Option<String>, "SELECT password_hash FROM users WHERE id = $1", id)?.flatten())
}

pub(crate) struct NewAccount<'a> {
    pub id: UserId,
    pub role: Role,
    pub email: &'a str,
    pub email_norm: &'a str,
    pub name: &'a str,
    pub phone: Option<&'a str>,
    /// Phone number that the account gets once the address is confirmed, if it is free then.
    pub phone_wanted: Option<&'a str>,
    pub hash: Option<&'a str>,
    pub now: Timestamp,
}

/// Creates an account with its search terms. Returns `None` when another account has the address.
pub(crate) async fn insert(conn: &mut Conn<'_>, new: NewAccount<'_>) -> Result<Option<Account>> {
    let done = q!(conn => exec,
        "INSERT INTO users (id, role, status, email, email_norm, email_verified, name, phone, password_hash, kyc_status, kyc_prior, version, created_at, updated_at, phone_wanted) \
         VALUES ($1, $2, 'unverified', $3, $4, FALSE, $5, $6, $7, 'none', 'none', 1, $8, $8, $9) ON CONFLICT (email_norm) DO NOTHING",
        new.id, new.role, new.email, new.email_norm, new.name, new.phone, new.hash, new.now, new.phone_wanted);
    match done {
        Ok(0) => return Ok(None),
        Ok(_) => {}
        Err(DbError::Unique(_)) => return Err(phone_taken()),
        Err(error) => return Err(error.into()),
    }
    put_terms(conn, new.id, new.name, new.phone).await?;
    series::count(conn, SeriesKind::SignUps, Happened::now(new.now, new.id.0)).await?;
    Ok(Some(Account {
        id: new.id,
        role: new.role,
        status: Status::Unverified,
        email: new.email.to_owned(),
        email_verified: false,
        name: new.name.to_owned(),
        phone: new.phone.map(str::to_owned),
        kyc_status: KycStatus::None,
        kyc_prior: KycStatus::None,
        kyc_effective_at: None,
        kyc_expires_at: None,
        version: 1,
        created_at: new.now,
    }))
}

fn phone_taken() -> Error {
    Error::conflict("this phone number belongs to another account", ())
}

/// Fails with `conflict` when another account has the number.
pub(crate) async fn require_free_phone(conn: &mut Conn<'_>, phone: &str, but: Option<UserId>) -> Result<()> {
    let holder = q!(conn => optval UserId, "SELECT id FROM users WHERE phone = $1", phone)?;
    if holder.is_some_and(|holder| Some(holder) != but) { Err(phone_taken()) } else { Ok(()) }
}

/// Replaces the search terms of a user.
async fn put_terms(conn: &mut Conn<'_>, id: UserId, name: &str, phone: Option<&str>) -> Result<(), DbError> {
    let terms = search_terms(name, phone);
    if terms.is_empty() {
        return Ok(());
    }
    on!(conn, |x, Engine| {
        let mut insert = sqlx::QueryBuilder::<Engine>::new("INSERT INTO user_terms (term, user_id) ");
        insert.push_values(terms, |mut row, term| {
            row.push_bind(term).push_bind(id);
        });
        insert.build().execute(x).await.map(drop)
    })?;
    Ok(())
}

pub(crate) async fn drop_terms(conn: &mut Conn<'_>, id: UserId) -> Result<(), DbError> {
    q!(conn => exec, "DELETE FROM user_terms WHERE user_id = $1", id)?;
    Ok(())
}

pub(crate) async fn set_password(conn: &mut Conn<'_>, id: UserId, hash: &str, now: Timestamp) -> Result<()> {
    q!(conn => exec, "UPDATE users SET password_hash = $2, updated_at = $3 WHERE id = $1", id, hash, now)?;
    Ok(())
}

/// Marks the address as confirmed: an unverified account becomes active, a restricted one stays restricted.
pub(crate) async fn confirm_address(conn: &mut Conn<'_>, id: UserId, now: Timestamp) -> Result<()> {
    q!(conn => exec,
        "UPDATE users SET email_verified = TRUE, status = CASE WHEN status = 'unverified' THEN 'active' ELSE status END, \
         version = version + 1, updated_at = $2 WHERE id = $1 AND NOT email_verified AND status <> 'deleted'",
        id, now)?;
    claim_phone(conn, id).await
}

/// Gives the account the number from its sign-up, unless another account has it by now.
pub(crate) async fn claim_phone(conn: &mut Conn<'_>, id: UserId) -> Result<()> {
    let claimed = q!(conn => exec,
        "UPDATE users SET phone = phone_wanted WHERE id = $1 AND phone IS NULL AND phone_wanted IS NOT NULL \
         AND NOT EXISTS (SELECT 1 FROM users o WHERE o.phone = users.phone_wanted)", id);
    match claimed {
        Err(DbError::Unique(_)) => return Err(Error::busy("somebody took the number just now; try again")),
        Ok(0) => {}
        done => {
            done?;
            let account =
                lock(conn, id).await?.ok_or_else(|| Error::internal("an account that was just changed is gone"))?;
            drop_terms(conn, id).await?;
            put_terms(conn, id, &account.name, account.phone.as_deref()).await?;
        }
    }
    q!(conn => exec, "UPDATE users SET phone_wanted = NULL WHERE id = $1 AND phone_wanted IS NOT NULL", id)?;
    Ok(())
}

/// Returns the number from the sign-up of an account whose address is not confirmed yet.
pub(crate) async fn phone_wanted(conn: &mut Conn<'_>, id: UserId) -> Result<Option<String>> {
    Ok(q!(conn => optval Option<String>, "SELECT phone_wanted FROM users WHERE id = $1", id)?.flatten())
}

/// Returns accounts whose address must be normalised again, because the compared form has changed.
pub(crate) async fn unnormalised(conn: &mut Conn<'_>, limit: i64) -> Result<Vec<UserId>> {
    Ok(q!(conn => vals UserId, "SELECT user_id FROM unnormalised_emails ORDER BY user_id LIMIT ($1 + 0)", limit)?)
}

/// Marks an account's address as normalised.
pub(crate) async fn is_normalised(conn: &mut Conn<'_>, id: UserId) -> Result<()> {
    q!(conn => exec, "DELETE FROM unnormalised_emails WHERE user_id = $1", id)?;
    Ok(())
}

/// Stores the normalised form of an account's address.
pub(crate) async fn set_email_norm(conn: &mut Conn<'_>, id: UserId, norm: &str) -> Result<()> {
    q!(conn => exec, "UPDATE users SET email_norm = $2 WHERE id = $1", id, norm)?;
    Ok(())
}

/// Stores a new, confirmed address.
pub(crate) async fn set_email(
    conn: &mut Conn<'_>,
    account: &Account,
    email: &str,
    now: Timestamp,
) -> Result<(), DbError> {
    q!(conn => exec,
        "UPDATE users SET email = $2, email_norm = $3, email_verified = TRUE, status = CASE WHEN status = 'unverified' THEN 'active' ELSE status END, \
         version = version + 1, updated_at = $4 WHERE id = $1",
        account.id, email, normalise_email(email), now)?;
    Ok(())
}

/// Stores a new name or number.
pub(crate) async fn set_person(conn: &mut Conn<'_>, account: &Account, now: Timestamp) -> Result<()> {
    let done = q!(conn => exec,
        "UPDATE users SET name = $2, phone = $3, version = version + 1, updated_at = $4 WHERE id = $1",
        account.id, &account.name, &account.phone, now);
    if let Err(DbError::Unique(_)) = done {
        return Err(phone_taken());
    }
    done?;
    drop_terms(conn, account.id).await?;
    Ok(put_terms(conn, account.id, &account.name, account.phone.as_deref()).await?)
}

/// Stores a new status, with the restriction that explains it, if any.
pub(crate) async fn set_status(
    conn: &mut Conn<'_>,
    id: UserId,
    status: Status,
    restriction: Option<(RestrictionReason, &Principal, Option<Timestamp>)>,
    now: Timestamp,
) -> Result<()> {
    let at = restriction.map(|_| now);
    let until = restriction.and_then(|(_, _, until)| until);
    let (reason, by) = restriction.map(|(reason, by, _)| (reason, by)).unzip();
    q!(conn => exec,
        "UPDATE users SET status = $2, restriction_reason = $3, restriction_by = $4, restriction_at = $5, restriction_until = $6, \
         version = version + 1, updated_at = $7 WHERE id = $1",
        id, status, reason, by, at, until, now)?;
    Ok(())
}

pub(crate) async fn set_role(conn: &mut Conn<'_>, id: UserId, role: Role, now: Timestamp) -> Result<()> {
    q!(conn => exec, "UPDATE users SET role = $2, version = version + 1, updated_at = $3 WHERE id = $1", id, role, now)?;
    Ok(())
}

/// Deletes all data of an account except what other rows need: the row itself, its dates, and that it is deleted.
pub(crate) async fn anonymise(conn: &mut Conn<'_>, id: UserId, now: Timestamp) -> Result<()> {
    q!(conn => exec,
        "UPDATE users SET status = 'deleted', email = '', email_norm = NULL, email_verified = FALSE, name = 'Deleted user', phone = NULL, phone_wanted = NULL, \
         password_hash = NULL, kyc_status = 'none', kyc_prior = 'none', kyc_effective_at = NULL, kyc_expires_at = NULL, \
         restriction_reason = NULL, restriction_by = NULL, restriction_at = NULL, restriction_until = NULL, version = version + 1, updated_at = $2 WHERE id = $1",
        id, now)?;
    q!(conn => exec, "DELETE FROM user_notes WHERE user_id = $1", id)?;
    Ok(drop_terms(conn, id).await?)
}

/// Returns the ids of all notes on a user.
pub(crate) async fn note_ids(conn: &mut Conn<'_>, user: UserId) -> Result<Vec<NoteId>> {
    Ok(q!(conn => vals NoteId, "SELECT id FROM user_notes WHERE user_id = $1", user)?)
}

/// Records that a user was erased, so that data outside the database's rows is deleted later.
pub(crate) async fn note_erasure(conn: &mut Conn<'_>, id: UserId, now: Timestamp) -> Result<()> {
    q!(conn => exec, "INSERT INTO erasures (user_id, at) VALUES ($1, $2) ON CONFLICT (user_id) DO NOTHING", id, now)?;
    Ok(())
}

/// Returns erased users whose remaining data is still to be deleted.
pub(crate) async fn erasures(conn: &mut Conn<'_>, limit: i64) -> Result<Vec<UserId>> {
    Ok(q!(conn => vals UserId, "SELECT user_id FROM erasures ORDER BY user_id LIMIT ($1 + 0)", limit)?)
}

/// Removes the records of erased users whose remaining data was deleted.
pub(crate) async fn forget_erasures(conn: &mut Conn<'_>, users: &[UserId]) -> Result<()> {
    for user in users {
        q!(conn => exec, "DELETE FROM erasures WHERE user_id = $1", user)?;
    }
    Ok(())
}

/// Counts the active admins other than `but`, and locks them, so that two admins cannot remove each other.
pub(crate) async fn other_active_admins(conn: &mut Conn<'_>, but: UserId) -> Result<usize> {
    let admins = q!(conn => vals UserId, [
        sqlite: "SELECT id FROM users WHERE role = 'admin' AND status = 'active' ORDER BY id LIMIT 50",
        pg: "SELECT id FROM users WHERE role = 'admin' AND status = 'active' ORDER BY id LIMIT 50 FOR UPDATE",
    ])?;
    Ok(admins.into_iter().filter(|id| *id != but).count())
}

#[derive(sqlx_macros::FromRow)]
struct RestrictionRow {
    restriction_reason: Option<RestrictionReason>,
    restriction_by: Option<Principal>,
    restriction_at: Option<Timestamp>,
    restriction_until: Option<Timestamp>,
}

pub(crate) async fn restriction(conn: &mut Conn<'_>, id: UserId) -> Result<Option<Restriction>> {
    let row = q!(conn => opt RestrictionRow,
        "SELECT restriction_reason, restriction_by, restriction_at, restriction_until FROM users WHERE id = $1", id)?;
    Ok(row.and_then(|row| {
        let until = row.restriction_until;
        Some(Restriction { reason: row.restriction_reason?, by: row.restriction_by?, at: row.restriction_at?, until })
    }))
}

/// Returns whose freeze has come to its end.
pub(crate) async fn due_freezes(conn: &mut Conn<'_>, now: Timestamp, limit: i64) -> Result<Vec<UserId>> {
    Ok(q!(conn => vals UserId,
        "SELECT id FROM users WHERE restriction_until <= $1 ORDER BY restriction_until, id LIMIT ($2 + 0)", now, limit)?)
}

pub(crate) async fn add_note(conn: &mut Conn<'_>, user: UserId, note: &Note) -> Result<()> {
    q!(conn => exec, "INSERT INTO user_notes (id, user_id, author, body, created_at) VALUES ($1, $2, $3, $4, $5)",
        note.id, user, &note.author, &note.body, note.created_at)?;
    Ok(())
}

pub(crate) async fn notes(conn: &mut Conn<'_>, user: UserId, before: TimeCursor, limit: i64) -> Result<Vec<Note>> {
    Ok(q!(conn => all Note,
        "SELECT id, author, body, created_at FROM user_notes WHERE user_id = $1 AND (created_at, id) < ($2, $3) \
         ORDER BY created_at DESC, id DESC LIMIT ($4 + 0)",
        user, before.at, NoteId(before.id), limit)?)
}

/// Returns a page of accounts, newest first. Each combination of filters has its own SQL text, so that its own index
/// is used.
pub(crate) async fn page(
    conn: &mut Conn<'_>,
    filter: &UserFilter,
    before: TimeCursor,
    limit: i64,
) -> Result<Vec<Account>> {
    let (at, id) = (before.at, before.id);
    Ok(match (filter.role, filter.status) {
        (None, None) => q!(conn => page Account, account_columns,
            "FROM users u WHERE (u.created_at, u.id) < ($1, $2) ORDER BY u.created_at DESC, u.id DESC LIMIT ($3 + 0)", at, id, limit)?,
        (Some(role), None) => q!(conn => page Account, account_columns,
            "FROM users u WHERE u.role = $4 AND (u.created_at, u.id) < ($1, $2) ORDER BY u.created_at DESC, u.id DESC LIMIT ($3 + 0)", at, id, limit, role)?,
        (None, Some(status)) => q!(conn => page Account, account_columns,
            "FROM users u WHERE u.status = $4 AND (u.created_at, u.id) < ($1, $2) ORDER BY u.created_at DESC, u.id DESC LIMIT ($3 + 0)", at, id, limit, status)?,
        (Some(role), Some(status)) => q!(conn => page Account, account_columns,
            "FROM users u WHERE u.role = $4 AND u.status = $5 AND (u.created_at, u.id) < ($1, $2) ORDER BY u.created_at DESC, u.id DESC LIMIT ($3 + 0)",
            at, id, limit, role, status)?,
    })
}

/// A user, and the search term that matched.
#[derive(sqlx_macros::FromRow)]
pub(crate) struct Found {
    #[sqlx(flatten)]
    pub account: Account,
    pub term: String,
}

/// Searches by a range of an index: over addresses when the query has one, otherwise over words of names and numbers.
/// A user who matches several terms is returned once, with the first of them.
pub(crate) async fn search(
    conn: &mut Conn<'_>,
    query: &Query,
    filter: &UserFilter,
    after: (&str, Uuid),
    limit: i64,
) -> Result<Vec<Found>> {
    if let Some(end) = &query.phone_end {
        return by_phone_end(conn, end, filter, after, limit).await;
    }
    let mut terms = query.terms.iter();
    let first = query.email.as_ref().or(query.domain.as_ref()).or_else(|| terms.next());
    let Some(first) = first else { return Ok(Vec::new()) };
    // PostgreSQL starts to read at the position given here. With '' as position it would start before the range, at
    // the first entry of the index.
    let after = after.max((first.from.as_str(), Uuid::nil()));
    let [second, third, fourth] = std::array::from_fn(|_| terms.next());
    let from = |range: Option<&Range>| range.map(|range| range.from.clone());
    let to = |range: Option<&Range>| range.map(|range| range.to.clone());
    // Earlier releases kept addresses among the terms, and may still write some.
    macro_rules! others {
        () => {
            " AND (u.role = $5 OR $5 IS NULL) AND (u.status = $6 OR $6 IS NULL) \
             AND (CAST($7 AS TEXT) IS NULL OR EXISTS (SELECT 1 FROM user_terms a WHERE a.user_id = u.id AND a.term >= $7 AND a.term <= $8 AND a.term NOT LIKE '%@%')) \
             AND (CAST($9 AS TEXT) IS NULL OR EXISTS (SELECT 1 FROM user_terms b WHERE b.user_id = u.id AND b.term >= $9 AND b.term <= $10 AND b.term NOT LIKE '%@%')) \
             AND (CAST($11 AS TEXT) IS NULL OR EXISTS (SELECT 1 FROM user_terms c WHERE c.user_id = u.id AND c.term >= $11 AND c.term <= $12 AND c.term NOT LIKE '%@%')) "
        };
    }
    macro_rules! by_domain {
        ($domain:literal) => {
            concat!(
                "SELECT ",
                account_columns!(rows),
                ", ",
                $domain,
                " AS term FROM users u WHERE u.email_norm IS NOT NULL \
             AND ",
                $domain,
                " >= $1 AND ",
                $domain,
                " <= $2 AND (",
                $domain,
                ", u.id) > ($3, $4)",
                others!(),
                "ORDER BY ",
                $domain,
                ", u.id LIMIT ($13 + 0)"
            )
        };
    }
    Ok(if query.email.is_none() && query.domain.is_some() {
        q!(conn => all Found, [
            sqlite: by_domain!("substr(u.email_norm, instr(u.email_norm, '@') + 1)"),
            pg: by_domain!("(split_part(u.email_norm, '@', 2) COLLATE \"C\")"),
        ], &first.from, &first.to, after.0, after.1, filter.role, filter.status,
            from(second), to(second), from(third), to(third), from(fourth), to(fourth), limit)?
    } else if query.email.is_some() {
        q!(conn => all Found, concat!("SELECT ", account_columns!(rows), ", u.email_norm AS term FROM users u \
             WHERE u.email_norm >= $1 AND u.email_norm <= $2 AND (u.email_norm, u.id) > ($3, $4)", others!(), "ORDER BY u.email_norm, u.id LIMIT ($13 + 0)"),
            &first.from, &first.to, after.0, after.1, filter.role, filter.status,
            from(second), to(second), from(third), to(third), from(fourth), to(fourth), limit)?
    } else {
        q!(conn => all Found, concat!("SELECT ", account_columns!(rows), ", t.term FROM user_terms t JOIN users u ON u.id = t.user_id \
             WHERE t.term >= $1 AND t.term <= $2 AND (t.term, t.user_id) > ($3, $4) AND t.term NOT LIKE '%@%' \
             AND NOT EXISTS (SELECT 1 FROM user_terms e WHERE e.user_id = t.user_id AND e.term >= $1 AND e.term < t.term AND e.term NOT LIKE '%@%')",
            others!(), "ORDER BY t.term, t.user_id LIMIT ($13 + 0)"),
            &first.from, &first.to, after.0, after.1, filter.role, filter.status,
            from(second), to(second), from(third), to(third), from(fourth), to(fourth), limit)?
    })
}

/// Returns users whose number ends so.
async fn by_phone_end(
    conn: &mut Conn<'_>,
    end: &PhoneEnd,
    filter: &UserFilter,
    after: (&str, Uuid),
    limit: i64,
) -> Result<Vec<Found>> {
    /// Characters of the code of a country, with its sign.
    const CODE: (i64, i64) = (2, 4);
    let index_key = end.digits.get(end.digits.len().saturating_sub(DIGITS)..).unwrap_or_default();
    let (least, most) = if end.is_whole { CODE } else { (0, i64::MAX) };
    macro_rules! ending {
        ($last:literal, $phone:literal) => {
            concat!("SELECT ", account_columns!(rows), ", u.phone AS term FROM users u \
             WHERE u.phone IS NOT NULL AND ", $last, " = $1 AND u.phone LIKE '%' || $2 AND length(u.phone) - length($2) >= $9 AND length(u.phone) - length($2) <= $3 \
             AND (", $phone, ", u.id) > ($4, $5) AND (u.role = $6 OR $6 IS NULL) AND (u.status = $7 OR $7 IS NULL) \
             ORDER BY ", $phone, ", u.id LIMIT ($8 + 0)")
        };
    }
    Ok(q!(conn => all Found, [
        sqlite: ending!("substr(u.phone, -4)", "u.phone"),
        pg: ending!("right(u.phone, 4)", "(u.phone COLLATE \"C\")"),
    ], index_key, &end.digits, most, after.0, after.1, filter.role, filter.status, limit, least)?)
}

/// Counts users of each status, and accounts created since `since`; each count stops at its bound.
pub(crate) async fn counts(conn: &mut Conn<'_>, since: Timestamp) -> Result<(Vec<StatusCount>, Count)> {
    let mut users = Vec::with_capacity(Status::ALL.len());
    for status in Status::ALL {
        let rows = q!(conn => val i64,
            "SELECT CAST(count(*) AS BIGINT) FROM (SELECT 1 FROM users WHERE status = $1 LIMIT ($2 + 0)) AS capped", status, Count::CAP + 1)?;
        users.push(StatusCount { status: *status, count: Count::bounded(rows) });
    }
    let signups = q!(conn => val i64,
        "SELECT CAST(count(*) AS BIGINT) FROM (SELECT 1 FROM users WHERE created_at > $1 LIMIT ($2 + 0)) AS capped", since, Count::CAP + 1)?;
    Ok((users, Count::bounded(signups)))
}
