//! Appeals of banned people, who cannot log in.

use super::{
    NEWEST,
    file::{MOST_DECISIONS, appeal_in},
};
use crate::{
    actor::Actor,
    app::App,
    auth::{self, ClientInfo},
    base::{
        error::{Error, Result},
        ids::{CaseId, UserId},
        text::check_text,
        time::Timestamp,
    },
    platform::db::Conn,
    reports::{
        model::{MAX_TEXT, NewAppeal, OwnDecision, ReportAction},
        store,
    },
};

/// Appeals for a banned person, who has the link from the mail about the ban, against the decision with this number; without one,
/// against the newest one that banned them and can be appealed against. The link goes on working. Nobody is logged in, so the
/// audit log says `system`.
///
/// # Errors
/// `invalid` for a link that does not count; otherwise those of [`appeal`](super::appeal).
pub async fn appeal_by_link(
    app: &App,
    client: &ClientInfo,
    one_time: &str,
    decision: Option<CaseId>,
    new: &NewAppeal,
) -> Result<OwnDecision> {
    let text = check_text("/text", new.text.trim(), 1, MAX_TEXT)?;
    let me = auth::owner_of_link(app, client, one_time).await?;

    app.by(&Actor::System)
        .write(unit!(|op, conn| {
            let id = match decision {
                Some(id) => id,
                None => newest_ban(conn, me, op.now()).await?,
            };
            appeal_in(&op, conn, me, id, text).await
        }))
        .await
}

/// Returns the newest decision that banned a person; one that can still be appealed against, if there is any.
async fn newest_ban(conn: &mut Conn<'_>, me: UserId, now: Timestamp) -> Result<CaseId> {
    let cases = store::about(conn, me, NEWEST, MOST_DECISIONS).await?;
    let mut bans: Vec<OwnDecision> = cases.iter().filter_map(|case| case.own(now)).collect();
    bans.retain(|made| made.actions.contains(&ReportAction::Ban));
    let open = bans.iter().find(|made| made.appeal_until.is_some());
    let none = || Error::not_found("decision that can be appealed against here; answer the mail");
    open.or(bans.first()).map(|made| made.id).ok_or_else(none)
}
