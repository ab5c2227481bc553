//! Finding the account of a person at a provider.

use super::{provider::Identity, store};
use crate::{
    accounts::{
        self,
        model::{Account, Status, check_email, normalise_email},
        store::NewAccount,
    },
    auth::ops::notify,
    base::{
        error::{Error, Result},
        ids::{IdentityId, UserId},
        language::Language,
        permission::Role,
        text::clean_line,
    },
    notifications,
    operation::Operation,
    platform::db::Conn,
    records::{
        events::{self, EventKind},
        mail::Template,
    },
    reports::model::ReportedContent,
    rules::{self, About, matcher::Compiled},
    users,
};

/// Where somebody comes from, and what is held against a new account of theirs.
#[derive(Debug, Clone)]
pub(super) struct Origin {
    pub ip: std::net::IpAddr,
    /// Of the mails to a new account.
    pub language: Option<Language>,
    pub rules: std::sync::Arc<Compiled>,
}

/// Returns the account of an identity, and creates it when there is none.
///
/// An identity is `(issuer, subject)`, never an address. A new identity is linked to an existing account only when the
/// provider vouches for the address *and* the account's owner has confirmed it.
///
/// An unverified account with that address and a password was created by a person who never proved that the address is
/// theirs: it may be a trap, waiting for the owner to confirm it. It is erased, with its password, its sessions and
/// everything else that was set, and a new account replaces it. Nothing is lost, because an unverified account can do
/// nothing.
pub(super) async fn find_or_make(
    op: &Operation,
    conn: &mut Conn<'_>,
    who: &Identity,
    role: Role,
    from: &Origin,
) -> Result<Account> {
    let now = op.now();
    if let Some((identity, user)) = store::find(conn, &who.issuer, &who.subject).await? {
        let account = accounts::store::lock(conn, user).await?.ok_or_else(|| Error::not_found("account"))?;
        admit(&account)?;
        store::touch(conn, identity, now).await?;
        return Ok(account);
    }
    let email = vouched_for(who)?;
    let norm = normalise_email(&email);
    let found = match accounts::store::by_email(conn, &norm).await? {
        Some((account, _)) => accounts::store::lock_with_hash(conn, account.id).await?,
        None => None,
    };
    // Between the read and the lock the address may have moved to another account.
    let found = found.filter(|(account, _)| normalise_email(&account.email) == norm);
    let account = match found {
        None => make(op, conn, who, &email, role, from).await?,
        Some((account, _)) if account.email_verified => {
            admit(&account)?;
            notify(op, conn, &account, Template::IdentityLinked, None).await?;
            events::append(op, conn, EventKind::UserChanged, &account.id.to_string(), Some(account.id)).await?;
            account
        }
        Some((account, Some(_))) if account.status == Status::Unverified && !account.role.is_staff() => {
            users::erase(op, conn, &account, None).await?;
            make(op, conn, who, &email, role, from).await?
        }
        Some((account, _)) => {
            admit(&account)?;
            return Err(Error::forbidden(
                "this address has an account that waits for its owner: set its password by mail first",
            ));
        }
    };
    let id = IdentityId::new(now, op.random.as_ref());
    if store::add(conn, id, account.id, &who.issuer, &who.subject, now).await? {
        Ok(account)
    } else {
        Err(Error::busy("somebody logged in with this identity just now; try again"))
    }
}

/// Checks that an account may log in this way: clients and workers whose account is open. Staff have a password, and a
/// second factor with it.
pub(super) fn admit(account: &Account) -> Result<()> {
    if !account.status.may_log_in() {
        return Err(Error::forbidden("this account was closed; the mail that we sent says what can be done"));
    }
    if account.role.is_staff() {
        return Err(Error::forbidden("staff log in with address and password"));
    }
    Ok(())
}

/// Returns the address, if the provider says that it is the person's.
fn vouched_for(who: &Identity) -> Result<String> {
    let email = who.person.email.as_deref().filter(|_| who.person.email_verified);
    email.and_then(|email| check_email(email).ok()).ok_or_else(|| {
        Error::forbidden("the provider does not vouch for an address of yours; sign up with address and password")
    })
}

/// Creates an account whose address the provider has confirmed. It has no password until one is set by mail.
async fn make(
    op: &Operation,
    conn: &mut Conn<'_>,
    who: &Identity,
    email: &str,
    role: Role,
    from: &Origin,
) -> Result<Account> {
    // This was checked at the beginning of the login; here is where it matters.
    if role.is_staff() {
        return Err(Error::forbidden("staff are made by staff"));
    }
    let now = op.now();
    let id = UserId::new(now, op.random.as_ref());
    let name = name(who.person.name.as_deref(), email);
    let caught = rules::caught_at_sign_up(conn, &from.rules, email, &name, from.ip).await?;
    let norm = normalise_email(email);
    let new = NewAccount {
        id,
        role,
        email,
        email_norm: &norm,
        name: &name,
        phone: None,
        phone_wanted: None,
        hash: None,
        now,
    };
    let made = accounts::store::insert(conn, new).await?;
    made.ok_or_else(|| Error::busy("somebody signed up with this address just now; try again"))?;
    accounts::store::confirm_address(conn, id, now).await?;
    notifications::speak(conn, id, from.language, now).await?;
    caught.store(op, conn, About::user(id), &ReportedContent::titled(&name)).await?;
    events::append(op, conn, EventKind::UserCreated, &id.to_string(), Some(id)).await?;
    accounts::store::lock(conn, id).await?.ok_or_else(|| Error::internal("an account that was just made is gone"))
}

/// Returns the provider's name for a person, as far as it is a valid name here; otherwise the part of the address
/// before the `@`.
fn name(given: Option<&str>, email: &str) -> String {
    let local = email.split('@').next().unwrap_or_default();
    let clean = |text| clean_line(text, 100);
    given.and_then(clean).or_else(|| clean(local)).unwrap_or_else(|| "New user".to_owned())
}

#[cfg(test)]
mod tests {
    use super::name;

    #[test]
    fn everybody_gets_a_name() {
        assert_eq!(name(Some(" Ada\nObi "), "a@b.co"), "Ada Obi");
        assert_eq!(name(Some("Ada\rObi\u{202E}"), "a@b.co"), "Ada Obi");
        for nothing in ["", "\u{0}", "\u{200B}\u{3164}"] {
            assert_eq!(name(Some(nothing), "ada@b.co"), "ada");
        }
        assert_eq!(name(None, "ada@b.co"), "ada");
        assert_eq!(name(Some(&"x".repeat(500)), "a@b.co").len(), 100);
    }
}
