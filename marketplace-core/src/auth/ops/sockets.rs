//! Logins of sockets, which outlive the access tokens that opened them.

use std::{sync::Arc, time::Duration};

use futures::FutureExt;
use serde::{Deserialize, Serialize};

use super::super::store;
use crate::{
    actor::{Actor, SignedIn},
    app::App,
    base::{
        error::{Error, Result},
        ids::{SessionId, UserId},
        permission::Permission,
        time::Timestamp,
    },
    operation::Operation,
    platform::access_token::{self as token, Opaque},
};

/// How long a ticket waits for its socket.
pub const TICKET: Duration = Duration::from_secs(30);

/// Opens one socket, once, for a caller that cannot send headers: a browser.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SocketTicket {
    /// Goes into the query of the socket's address.
    pub ticket: String,
    /// Seconds for which it is good.
    pub expires_in: u64,
}

impl std::fmt::Debug for SocketTicket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SocketTicket(…)")
    }
}

/// Creates a ticket for the caller's session.
///
/// # Errors
/// `forbidden` for a caller who is not logged in.
pub async fn issue_ticket(op: &Operation) -> Result<SocketTicket> {
    let me = op.actor().require_own(Permission::Trade)?;
    let ticket = Opaque::new(op.random.as_ref());
    let (hash, user, session, end) = (ticket.hash(), me.account.id, me.session, op.now() + TICKET);
    op.write(unit!(|op, conn| { store::put_ticket(conn, hash, user, session, end).await })).await?;
    Ok(SocketTicket { ticket: ticket.0, expires_in: TICKET.as_secs() })
}

/// Uses a ticket up, and returns the actor that it was issued to, with their account as it is now.
///
/// # Errors
/// `unauthenticated` for a ticket that is not valid or no longer valid.
pub async fn redeem_ticket(app: &App, ticket: &str) -> Result<Actor> {
    let invalid = || Error::unauthenticated("the ticket is not valid, or was used; ask for another one");
    if ticket.len() != Opaque::LENGTH {
        return Err(invalid());
    }
    let hash = token::hash(ticket);
    // Anybody may guess, and only who guesses right writes.
    let mut reader = app.db.read().await?;
    let is_there = store::has_ticket(&mut reader.conn(), &hash).await?;
    drop(reader);
    if !is_there {
        return Err(invalid());
    }
    let taken = Operation::system(app).write(unit!(|op, conn| { store::take_ticket(conn, hash).await })).await?;
    let now = app.now();
    let (user, session, end) = taken.ok_or_else(invalid)?;
    if end <= now {
        return Err(invalid());
    }
    let live = app.db.point::<store::Sessions>(session).await?;
    let live = live.filter(|live| live.lives(user, now) && live.account.status.may_log_in());
    let live = live.ok_or_else(|| Error::unauthenticated("the session has ended; log in again"))?;
    let (account, expires_at) = (live.account, live.expires_at);
    // A login that must enrol a second factor first gets no ticket.
    Ok(Actor::User(Arc::new(SignedIn { account, session, expires_at, must_enrol: false })))
}

/// Returns those of some sessions that are still live and belong to people who may trade, each with the time at which it
/// expires.
///
/// # Errors
/// `unavailable` when the database cannot be read.
pub async fn live_sessions(app: &App, sessions: &[SessionId]) -> Result<Vec<(SessionId, Timestamp)>> {
    if sessions.is_empty() {
        return Ok(Vec::new());
    }
    let mut reader = app.db.read().await?;
    store::living(&mut reader.conn(), sessions, app.now()).await
}

/// Deletes tickets that nobody used.
pub(crate) async fn prune_tickets(app: &App) -> Result<u64> {
    let now = app.now();
    app.db.prune_in_batches(move |conn| async move { store::prune_tickets(conn, now).await }.boxed()).await
}

/// Drops the tickets of a user.
pub(crate) async fn drop_tickets(conn: &mut crate::platform::db::Conn<'_>, user: UserId) -> Result<()> {
    store::drop_tickets(conn, user).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        auth,
        base::{error::ErrorCode, permission::Role},
        testing,
    };

    #[tokio::test]
    async fn a_ticket_opens_once_soon_and_for_a_living_session() {
        for test in testing::apps().await {
            let app = test.app();
            let actor = test.actor(Role::Client).await;
            let ticket = issue_ticket(&app.by(&actor)).await.unwrap().ticket;
            assert_eq!(redeem_ticket(app, &ticket).await.unwrap().user_id(), actor.user_id());
            let refused = async |ticket: &str| redeem_ticket(app, ticket).await.unwrap_err().code();
            assert_eq!(refused(&ticket).await, ErrorCode::Unauthenticated);
            assert_eq!(refused("nonsense").await, ErrorCode::Unauthenticated);
            let late = issue_ticket(&app.by(&actor)).await.unwrap().ticket;
            test.advance(TICKET);
            assert_eq!(refused(&late).await, ErrorCode::Unauthenticated);
            let ended = issue_ticket(&app.by(&actor)).await.unwrap().ticket;
            auth::logout(&app.by(&actor)).await.unwrap();
            assert_eq!(refused(&ended).await, ErrorCode::Unauthenticated);
            let staff = test.actor(Role::Support).await;
            assert_eq!(issue_ticket(&app.by(&staff)).await.unwrap_err().code(), ErrorCode::Forbidden);
            test.close().await;
        }
    }

    #[tokio::test]
    async fn living_sessions_are_those_of_people_who_may_trade() {
        for test in testing::apps().await {
            let app = test.app();
            let session = |actor: &Actor| actor.require_own(Permission::OwnAccount).unwrap().session;
            let (client, staff) = (test.actor(Role::Client).await, test.actor(Role::Admin).await);
            let asked = [session(&client), session(&staff), SessionId(uuid::Uuid::nil())];
            let living = live_sessions(app, &asked).await.unwrap();
            assert_eq!(living.iter().map(|one| one.0).collect::<Vec<_>>(), [asked[0]]);
            assert!(living[0].1 > app.now());
            auth::logout(&app.by(&client)).await.unwrap();
            assert!(live_sessions(app, &asked).await.unwrap().is_empty());
            test.close().await;
        }
    }
}
