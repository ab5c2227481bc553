//! Statements as tests write them, on PostgreSQL, and migrations while they run.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use sqlx::{AssertSqlSafe, Row};

use crate::{
    base::error::Result,
    platform::db::{Conn, Db, DbError},
};

/// Runs statements in one unit. Does nothing on SQLite.
pub(crate) async fn run(db: &Db, text: String) -> Result<()> {
    let ran = db.write(move |conn| {
        Box::pin(async move {
            let Conn::Pg(conn) = conn else { return Ok(()) };
            sqlx::raw_sql(AssertSqlSafe(text)).execute(&mut **conn).await.map_err(DbError::from)?;
            Ok(())
        })
    });
    ran.await
}

/// Returns the first column of what a statement finds.
pub(crate) async fn lines(db: &Db, text: impl Into<String>) -> Vec<String> {
    let mut reader = db.read().await.unwrap();
    let Conn::Pg(conn) = &mut reader.conn() else { return Vec::new() };
    let rows = sqlx::raw_sql(AssertSqlSafe(text.into())).fetch_all(&mut **conn).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

/// Migrates a database while `serve` runs again and again, and some more times afterwards. None may take a second. Returns how often
/// it ran.
pub(crate) async fn migrate_while(db: &Db, serve: impl AsyncFn(usize)) -> usize {
    const AFTERWARDS: usize = 20;
    let done = AtomicBool::new(false);
    let serving = async {
        let (mut served, mut longest) = (0, Duration::ZERO);
        while !done.load(Ordering::SeqCst) {
            let begun = Instant::now();
            serve(served).await;
            longest = longest.max(begun.elapsed());
            served += 1;
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        assert!(served > 10 && longest < Duration::from_secs(1), "{served}, the longest took {longest:?}");
        for more in 0..AFTERWARDS {
            serve(served + more).await;
        }
        served + AFTERWARDS
    };
    let migrating = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        let state = db.migrate().await;
        done.store(true, Ordering::SeqCst);
        state
    };
    let (served, state) = tokio::join!(serving, migrating);
    assert!(state.unwrap().is_current());
    served
}
