//! Distinguishes a database from its copies.

use std::os::unix::fs::MetadataExt;

use super::{Db, Engine};
use crate::base::error::{ErrorCode, Result};

impl Db {
    /// Returns a text that differs in every copy of this database, however the copy was made, and after every restore.
    ///
    /// On SQLite it consists of the file's number and creation time. On PostgreSQL it consists of the cluster, the
    /// database, the log's table (which a restore recreates), and the timeline, which changes after a failover and after a
    /// point-in-time recovery. Files that are overwritten in place, and disks that are rolled back, cannot be detected.
    pub(crate) async fn place(&self) -> Result<String> {
        let mut reader = self.read().await?;
        let found = q!(&mut reader.conn() => val String, [
            sqlite: "SELECT file FROM pragma_database_list WHERE name = 'main'",
            pg: "SELECT concat_ws('/', \
                   CASE WHEN has_function_privilege('pg_control_system()', 'EXECUTE') \
                     THEN (SELECT system_identifier::text FROM pg_control_system()) END, \
                   (SELECT oid::text FROM pg_database WHERE datname = current_database()), \
                   'event_marks'::regclass::oid::text, \
                   left(pg_walfile_name(pg_current_wal_lsn()), 8))",
        ]);
        let found = match found.map_err(crate::base::error::Error::from) {
            Ok(found) => found,
            // Some PostgreSQL-compatible services lack these functions; copies cannot be detected there.
            Err(error) if error.code() == ErrorCode::Internal => return Ok("unknown".to_owned()),
            Err(error) => return Err(error),
        };
        if self.engine() == Engine::Postgres {
            return Ok(found);
        }
        let Ok(file) = std::fs::metadata(&found) else { return Ok("unknown".to_owned()) };
        let born = file.created().ok().and_then(|at| at.duration_since(std::time::UNIX_EPOCH).ok());
        Ok(format!("{}/{}", file.ino(), born.map_or(0, |age| age.as_nanos())))
    }
}
