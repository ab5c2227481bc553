//! What tells a database from its copies.

use std::os::unix::fs::MetadataExt;

use super::{Db, Engine};
use crate::base::error::{ErrorCode, Result};

impl Db {
    /// Returns a text that is another one in every copy of this database, however it was made, and after every restore.
    ///
    /// SQLite: the file's number and the time at which it was made. PostgreSQL: the cluster, the database, the table of the
    /// log (which a restore makes anew), and the timeline, which is another one after a failover and after a recovery to a
    /// point in time. Files that are overwritten in their place, and disks that are set back, cannot be told.
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
            // Some services that speak like PostgreSQL have no such functions: then copies cannot be told there.
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
