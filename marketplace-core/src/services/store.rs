//! All SQL of services.

use crate::{db::Conn, error::Result};

/// Services that searches find, up to `limit`.
pub(crate) async fn count_visible(conn: &mut Conn<'_>, limit: i64) -> Result<i64> {
    Ok(q!(conn => val i64, [
        sqlite: "SELECT count(*) FROM (SELECT 1 FROM services WHERE visible = 1 LIMIT $1) AS capped",
        pg: "SELECT count(*) FROM (SELECT 1 FROM services WHERE visible LIMIT $1) AS capped",
    ], limit)?)
}
