//! All SQL of reviews.

use crate::{db::Conn, error::Result};

/// Reviews with flags that nobody has dismissed, up to `limit`.
pub(crate) async fn count_flagged(conn: &mut Conn<'_>, limit: i64) -> Result<i64> {
    Ok(q!(conn => val i64,
        "SELECT CAST(count(*) AS BIGINT) FROM (SELECT 1 FROM reviews WHERE flags > 0 LIMIT $1) AS capped", limit)?)
}
