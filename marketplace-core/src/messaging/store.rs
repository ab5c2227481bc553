//! All SQL of threads and messages.

use crate::{db::Conn, error::Result, time::Timestamp};

/// Messages since a time, up to `limit`.
pub(crate) async fn count_since(conn: &mut Conn<'_>, since: Timestamp, limit: i64) -> Result<i64> {
    Ok(q!(conn => val i64,
        "SELECT CAST(count(*) AS BIGINT) FROM (SELECT 1 FROM messages WHERE created_at > $1 LIMIT $2) AS capped",
        since, limit)?)
}
