//! Rows on their way into the database.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures::FutureExt;
use marketplace_core::{
    app::App,
    base::error::Result,
    platform::db::bulk::{self, Value},
    services,
};

/// Rows of a table.
#[derive(Debug)]
pub(crate) struct Table {
    pub name: &'static str,
    pub columns: &'static [&'static str],
    pub rows: Vec<Vec<Value>>,
}

impl Table {
    pub fn new(name: &'static str, columns: &'static [&'static str], rows: Vec<Vec<Value>>) -> Self {
        Self { name, columns, rows }
    }
}

/// Writes tables in one transaction, in their order, and the words in which searches tolerate typos. `progress`
/// receives the written share ten times a second.
pub(crate) async fn write(
    app: &App,
    tables: Vec<Table>,
    words: BTreeSet<String>,
    progress: &(dyn Fn(f64) + Send + Sync),
) -> Result<()> {
    let all = tables.iter().map(|table| table.rows.len() as u64).sum::<u64>();
    let written = Arc::new(AtomicU64::new(0));
    let (tables, words, count) = (Arc::new(tables), Arc::new(words), written.clone());
    let db = app.db.patient();
    let unit = db.write(move |conn| {
        let (tables, words, count) = (tables.clone(), words.clone(), count.clone());
        async move {
            let add = |rows| {
                count.fetch_add(rows, Ordering::Relaxed);
            };
            bulk::make_room(conn, true).await?;
            for table in tables.iter().filter(|table| !table.rows.is_empty()) {
                bulk::insert(conn, table.name, table.columns, &table.rows, &add).await?;
            }
            if !words.is_empty() {
                services::learn(conn, words.iter().map(String::as_str)).await?;
            }
            Ok(())
        }
        .boxed()
    });
    let mut unit = std::pin::pin!(unit);
    loop {
        progress(share(written.load(Ordering::Relaxed).min(all), all));
        if let Ok(answer) = tokio::time::timeout(Duration::from_millis(100), &mut unit).await {
            answer?;
            progress(1.0);
            return Ok(());
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "a share of them, for a bar")]
fn share(written: u64, all: u64) -> f64 {
    if all == 0 { 1.0 } else { written as f64 / all as f64 }
}
