//! Who among the staff has a case or a person open right now. A console says what it shows every few seconds; nothing of this is kept.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{
    app::App,
    base::{
        error::Result,
        ids::{AttemptId, CaseId, UserId},
        permission::Permission,
        principal::Principal,
        time::Timestamp,
    },
    operation::Operation,
    platform::db::Conn,
};

/// How long somebody counts as looking after a console last said so.
pub const STAYS: Duration = Duration::from_secs(15);
/// Others that are named at most.
const NAMED: i64 = 20;

/// What a member of staff has open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "kind", content = "id", rename_all = "snake_case")]
pub enum Viewed {
    /// An account.
    User(UserId),
    /// An identity check.
    Attempt(AttemptId),
    /// Everything that was reported about one thing.
    Report(CaseId),
}

impl Viewed {
    /// Returns the permission without which it cannot be seen.
    pub fn permission(self) -> Permission {
        match self {
            Self::User(_) => Permission::UsersRead,
            Self::Attempt(_) => Permission::KycRead,
            Self::Report(_) => Permission::ReportsRead,
        }
    }
    fn key(self) -> (&'static str, String) {
        match self {
            Self::User(id) => ("user", id.to_string()),
            Self::Attempt(id) => ("attempt", id.to_string()),
            Self::Report(id) => ("report", id.to_string()),
        }
    }
}

/// Somebody else who has it open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, sqlx_macros::FromRow)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Viewer {
    /// Who.
    pub viewer: Principal,
    /// Since when, without a break.
    pub since: Timestamp,
}

/// Records what the caller has open, in the place of what was open before, and returns who else has it open, the first to open it
/// first; 20 at most.
///
/// # Errors
/// `forbidden` without the permission to see it.
pub async fn view(op: &Operation, viewed: Viewed) -> Result<Vec<Viewer>> {
    op.require(viewed.permission())?;
    let me = op.actor().principal();
    op.write(unit!(|op, c| {
        let (kind, subject) = viewed.key();
        let recent = op.now() - STAYS;
        record(c, &me, kind, &subject, op.now(), recent).await?;
        others(c, &me, kind, &subject, recent).await
    }))
    .await
}

/// Forgets who looked some time ago. Returns how many rows were deleted.
pub(crate) async fn prune(app: &App) -> Result<u64> {
    let op = Operation::system(app);
    op.write(unit!(|op, c| { Ok(q!(c => exec, "DELETE FROM viewers WHERE seen_at < $1", op.now() - STAYS)?) })).await
}

async fn record(
    conn: &mut Conn<'_>,
    viewer: &Principal,
    kind: &str,
    subject: &str,
    now: Timestamp,
    recent: Timestamp,
) -> Result<()> {
    q!(conn => exec,
        "INSERT INTO viewers (viewer, kind, subject, since, seen_at) VALUES ($1, $2, $3, $4, $4) \
         ON CONFLICT (viewer) DO UPDATE SET kind = excluded.kind, subject = excluded.subject, seen_at = excluded.seen_at, \
         since = CASE WHEN viewers.kind = excluded.kind AND viewers.subject = excluded.subject AND viewers.seen_at >= $5 THEN viewers.since ELSE excluded.since END",
        viewer, kind, subject, now, recent)?;
    Ok(())
}

async fn others(
    conn: &mut Conn<'_>,
    me: &Principal,
    kind: &str,
    subject: &str,
    recent: Timestamp,
) -> Result<Vec<Viewer>> {
    Ok(q!(conn => all Viewer,
        "SELECT viewer, since FROM viewers WHERE subject = $1 AND kind = $2 AND viewer <> $3 AND seen_at >= $4 ORDER BY since, viewer LIMIT ($5 + 0)",
        subject, kind, me, recent, NAMED)?)
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::{
        base::{error::ErrorCode, permission::Role},
        testing,
    };

    #[tokio::test]
    async fn others_see_who_has_it_open_until_that_ends() {
        for test in testing::apps().await {
            let app = test.app();
            let (lea, max) = (test.actor(Role::Support).await, test.actor(Role::Admin).await);
            let (one, other) = (Viewed::User(UserId(Uuid::from_u128(1))), Viewed::User(UserId(Uuid::from_u128(2))));
            let seen = async |actor, viewed| view(&app.by(actor), viewed).await.unwrap();
            let began = app.now();
            assert_eq!(seen(&lea, one).await, []);
            test.advance(Duration::from_secs(10));
            assert_eq!(seen(&max, one).await, [Viewer { viewer: lea.principal(), since: began }]);
            let since_max = app.now();
            // Said again, it goes on.
            test.advance(Duration::from_secs(4));
            assert_eq!(seen(&lea, one).await, [Viewer { viewer: max.principal(), since: since_max }]);
            assert_eq!(seen(&max, one).await, [Viewer { viewer: lea.principal(), since: began }]);
            // An id of another kind is something else.
            let Viewed::User(id) = one else { unreachable!() };
            let operator = testing::operator();
            assert_eq!(seen(&operator, Viewed::Attempt(AttemptId(id.0))).await, []);
            // Something else takes its place, and it ends when nothing more is said.
            assert_eq!(seen(&lea, other).await, []);
            assert_eq!(seen(&max, one).await, []);
            test.advance(STAYS + Duration::from_secs(1));
            assert_eq!(seen(&max, other).await, []);
            let again = app.now();
            seen(&lea, other).await;
            assert_eq!(seen(&max, other).await, [Viewer { viewer: lea.principal(), since: again }]);
            // Nothing is kept.
            test.advance(STAYS + Duration::from_secs(1));
            assert_eq!((prune(app).await.unwrap(), prune(app).await.unwrap()), (3, 0));
            test.close().await;
        }
    }

    #[tokio::test]
    async fn nobody_learns_who_looks_at_what_they_may_not_see() {
        for test in testing::apps().await {
            let app = test.app();
            let worker = test.actor(Role::Worker).await;
            let id = UserId(Uuid::from_u128(1));
            for viewed in [Viewed::User(id), Viewed::Attempt(AttemptId(id.0)), Viewed::Report(CaseId(id.0))] {
                assert_eq!(view(&app.by(&worker), viewed).await.unwrap_err().code(), ErrorCode::Forbidden);
            }
            assert_eq!(prune(app).await.unwrap(), 0, "and nothing was recorded");
            test.close().await;
        }
    }
}
