//! Durable one-row writes from 64 tasks: through group commit, and with one commit a write.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Instant,
};

use anyhow::Result;
use futures::FutureExt;
use marketplace_core::{
    db::{Db, DbError, OpenOptions},
    on,
};
use marketplace_tests::{Engine, database::Database};
use tokio::task::JoinSet;

use crate::{
    Pace,
    load::{CONNECTIONS, Seen},
    report::Case,
};

/// Measures grouped and single writes alternately, on a separate database.
pub async fn compare(engine: Engine, pace: Pace) -> Result<(Case, Case)> {
    let folder = tempfile::tempdir()?;
    let database = Database::new(engine, folder.path()).await;
    let grouped = Db::open(&database.url, OpenOptions { connections: 16, ..OpenOptions::default() }).await?;
    // On PostgreSQL, where every write commits separately, one connection makes the commits sequential.
    let single =
        Db::open(&database.url, OpenOptions { connections: 1, group_commit: false, ..OpenOptions::default() }).await?;
    make_table(&grouped).await?;
    let next = Arc::new(AtomicI64::new(0));
    let (mut together, mut alone) = (Seen::default(), Seen::default());
    for _ in 0..pace.rounds {
        together.add(write(&grouped, &next, pace).await?);
        alone.add(write(&single, &next, pace).await?);
    }
    single.close().await;
    grouped.close().await;
    let case = |seen: &Seen| Case {
        rps: seen.rps(),
        p50_ms: seen.percentile(0.50),
        p99_ms: seen.percentile(0.99),
        ratio: Some(seen.rps() / alone.rps().max(f64::EPSILON)),
        cpu_us: None,
        vs: None,
        vs_cpu: None,
    };
    Ok((case(&together), case(&alone)))
}

async fn make_table(db: &Db) -> Result<()> {
    db.write(|conn| {
        async move {
            let made = on!(conn, |conn, DB| {
                sqlx::query::<DB>("CREATE TABLE bench_rows (n BIGINT NOT NULL PRIMARY KEY, body TEXT NOT NULL)")
                    .execute(conn)
                    .await
                    .map(drop)
            });
            Ok(made.map_err(DbError::from)?)
        }
        .boxed()
    })
    .await?;
    Ok(())
}

async fn write(db: &Db, next: &Arc<AtomicI64>, pace: Pace) -> Result<Seen> {
    let begun = Instant::now();
    let mut tasks = JoinSet::new();
    for _ in 0..CONNECTIONS {
        let (db, next) = (db.clone(), Arc::clone(next));
        tasks.spawn(async move {
            let mut seen = Seen::default();
            while begun.elapsed() < pace.stretch {
                let (asked, n) = (Instant::now(), next.fetch_add(1, Ordering::Relaxed));
                db.write(move |conn| {
                    async move {
                        let written = on!(conn, |conn, DB| {
                            sqlx::query::<DB>("INSERT INTO bench_rows (n, body) VALUES ($1, $2)")
                                .bind(n)
                                .bind("a row of about the size of a short message, as people write them")
                                .execute(conn)
                                .await
                                .map(drop)
                        });
                        Ok(written.map_err(DbError::from)?)
                    }
                    .boxed()
                })
                .await?;
                seen.latencies.push(u32::try_from(asked.elapsed().as_micros()).unwrap_or(u32::MAX));
            }
            anyhow::Ok(seen)
        });
    }
    let mut all = Seen::default();
    while let Some(seen) = tasks.join_next().await {
        all.add(seen??);
    }
    all.elapsed = begun.elapsed();
    Ok(all)
}
