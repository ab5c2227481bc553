//! Rows of the audit log on PostgreSQL, from the change that they record to the log.
//!
//! If each transaction took its turn at the end of the log, all staff would wait for one row through every commit. So the
//! transaction of a change writes its rows beside the log (`audit_unsealed`), and after the commit they are sealed: numbered,
//! linked and moved to the log, all that wait at a time. The caller is answered after that, so **what was answered is on the
//! log**, and numbers rise with the seals: nobody who reads the log skips a row. Whoever reads its end has sealed first what
//! was committed before.
//!
//! Between the two:
//! - A row has a tag under a key that is not in the database, and an entry, which stays with it. Nobody with the database
//!   alone can add or change a row that will be sealed, or have one sealed twice.
//! - The program remembers what it wrote. A row that is gone when it should be sealed (removed by hand, or by a trigger) is
//!   reported, and put on the log from memory.
//! - Only after a crash, or a failure of the database, a row may wait longer. Any program on the database seals it, within
//!   seconds; `verify` reports one that has waited for a minute, and one that was not written by this program. In that time
//!   alone whoever has the database can remove it unnoticed.

use std::time::Duration;

use uuid::Uuid;

use super::{
    Entry,
    chain::{GENESIS, StoredRow, Tagger},
    store,
};
use crate::{
    app::App,
    base::{
        error::{Error, Result},
        ids::uuid_v7,
    },
    operation::Operation,
    platform::{
        db::{Conn, Engine},
        health,
        keys::Keys,
    },
};

/// Rows that one transaction seals.
const BATCH: usize = 1_000;
/// After so many seconds a row is sealed by whichever program sees it.
const LEFT: i64 = 2;
/// After so many seconds a row that waits is reported.
const LATE: i64 = 60;
/// How long a caller, whose change is durable, waits for its seal.
const PATIENCE: Duration = Duration::from_secs(3);
/// How long a reader of the log waits for seals.
const READER_PATIENCE: Duration = Duration::from_secs(1);

/// Writes rows beside the log, and has them sealed after the commit.
pub(super) async fn append(op: &Operation, conn: &mut Conn<'_>, entries: Vec<Entry>) -> Result<()> {
    store::require_head(conn).await?;
    let (tagger, actor) = (Tagger::of_unsealed(&op.keys), op.actor().principal());
    let mut rows: Vec<StoredRow> = entries.into_iter().map(|entry| entry.row(op.now(), &actor)).collect();
    for row in &mut rows {
        row.entry = Some(Uuid::simple(uuid_v7(op.now(), op.random.as_ref())).to_string());
        row.tag = tagger.tag(GENESIS, row);
    }
    store::insert_unsealed(conn, &rows).await?;
    let app = App::clone(op);
    op.after_commit(async move { seal(&app, rows).await });
    Ok(())
}

/// Seals rows that were committed, with all that wait.
async fn seal(app: &App, rows: Vec<StoredRow>) {
    let sealing = async {
        if app.audit_rounds.join(&entries(&rows), seal_all(app)).await? {
            return Ok(());
        }
        // Another program sealed them, or nobody can any more.
        put_back(app, rows.clone()).await
    };
    let outcome = tokio::time::timeout(PATIENCE, sealing).await;
    if let Err(error) = outcome.unwrap_or_else(|elapsed| Err(Error::unavailable("the audit log is locked", elapsed))) {
        health::log_failure(&error, "rows of the audit log wait to be sealed");
    }
}

/// Seals what has waited for some seconds: its program stopped. Returns how many rows.
///
/// # Errors
/// Errors of the database.
pub(crate) async fn seal_left(app: &App) -> Result<u64> {
    seal_waiting(app, LEFT).await
}

/// Seals what was committed before, for whoever reads the log. If that is not possible, the log is read all the same.
pub(super) async fn catch_up(app: &App) {
    let _ = tokio::time::timeout(READER_PATIENCE, seal_waiting(app, 0)).await;
}

async fn seal_waiting(app: &App, seconds: i64) -> Result<u64> {
    if app.db.engine() == Engine::Sqlite {
        return Ok(0);
    }
    let mut reader = app.db.read().await?;
    let (left, _) = store::waiting(&mut reader.conn(), seconds).await?;
    drop(reader);
    if left > 0 {
        app.audit_rounds.join(&[], seal_all(app)).await?;
    }
    Ok(left.unsigned_abs())
}

/// Returns what is wrong with the rows that wait, however long they do.
pub(super) async fn fault(keys: &Keys, conn: &mut Conn<'_>) -> Result<Option<String>> {
    let tagger = Tagger::of_unsealed(keys);
    let mut after = i64::MIN;
    loop {
        let rows = store::unsealed(conn, after, i64::try_from(BATCH).unwrap_or(i64::MAX)).await?;
        if rows.iter().any(|row| !is_ours(&tagger, row)) {
            return Ok(Some(
                "would be a row that waits to be sealed (audit_unsealed) and was edited or added by hand".into(),
            ));
        }
        match rows.last() {
            Some(last) if rows.len() == BATCH => after = last.seq,
            _ => break,
        }
    }
    Ok(None)
}

/// Returns what is wrong when rows wait although everything that waits was just to be sealed.
pub(super) async fn late(conn: &mut Conn<'_>) -> Result<Option<String>> {
    Ok(match store::waiting(conn, LATE).await? {
        (count, Some(since)) if count > 0 => {
            Some(format!("is one of {count} that have waited to be sealed since {since}: no program seals them"))
        }
        _ => None,
    })
}

fn is_ours(tagger: &Tagger, row: &StoredRow) -> bool {
    let written = StoredRow { seq: 0, ..row.clone() };
    row.entry.is_some() && tagger.tag(GENESIS, &written) == row.tag
}

fn entries(rows: &[StoredRow]) -> Vec<&str> {
    rows.iter().filter_map(|row| row.entry.as_deref()).collect()
}

/// Seals all that waits. Returns the entries.
async fn seal_all(app: &App) -> Result<Vec<String>> {
    let (mut all, mut after) = (Vec::new(), i64::MIN);
    loop {
        let keys = app.keys.clone();
        let unit = app.db.write(move |conn| {
            let keys = keys.clone();
            Box::pin(async move { seal_batch(&keys, conn, after).await })
        });
        let (sealed, last) = unit.await?;
        all.extend(sealed);
        match last {
            Some(last) => after = last,
            None => return Ok(all),
        }
    }
}

/// Seals the next rows. Returns the entries, and after which place to go on.
async fn seal_batch(keys: &Keys, conn: &mut Conn<'_>, after: i64) -> Result<(Vec<String>, Option<i64>)> {
    // First the head, then the rows: whoever sealed them meanwhile has committed.
    store::take_head(conn, 0).await?;
    let rows = store::unsealed(conn, after, i64::try_from(BATCH).unwrap_or(i64::MAX)).await?;
    let last = rows.last().filter(|_| rows.len() == BATCH).map(|row| row.seq);
    let tagger = Tagger::of_unsealed(keys);
    let (ours, others): (Vec<_>, Vec<_>) = rows.into_iter().partition(|row| is_ours(&tagger, row));
    if !others.is_empty() {
        tracing::error!(
            rows = others.len(),
            "rows in audit_unsealed were edited or added by hand; see `marketplace audit verify`"
        );
    }
    let there = store::sealed(conn, &entries(&ours)).await?;
    let (again, new): (Vec<_>, Vec<_>) =
        ours.into_iter().partition(|row| row.entry.as_ref().is_some_and(|entry| there.contains(entry)));
    if !again.is_empty() {
        tracing::error!(rows = again.len(), "rows of the audit log were put among those to be sealed once more");
        store::remove_unsealed(conn, &entries(&again)).await?;
    }
    let sealed = entries(&new).into_iter().map(str::to_owned).collect();
    if !new.is_empty() {
        store::remove_unsealed(conn, &entries(&new)).await?;
        link(keys, conn, new).await?;
    }
    Ok((sealed, last))
}

/// Puts on the log those of the rows that are neither on it nor wait to be.
async fn put_back(app: &App, rows: Vec<StoredRow>) -> Result<()> {
    let keys = app.keys.clone();
    let unit = app.db.write(move |conn| {
        let (keys, rows) = (keys.clone(), rows.clone());
        Box::pin(async move {
            store::take_head(conn, 0).await?;
            let mut there = store::sealed(conn, &entries(&rows)).await?;
            there.extend(store::of_unsealed(conn, &entries(&rows)).await?);
            let gone: Vec<_> =
                rows.into_iter().filter(|row| !row.entry.as_ref().is_some_and(|entry| there.contains(entry))).collect();
            if gone.is_empty() {
                return Ok(());
            }
            tracing::error!(
                rows = gone.len(),
                "rows of the audit log were removed before they were sealed; they are put back"
            );
            link(&keys, conn, gone).await
        })
    });
    unit.await
}

/// Numbers and links rows, and puts them at the end of the log.
pub(super) async fn link(keys: &Keys, conn: &mut Conn<'_>, mut rows: Vec<StoredRow>) -> Result<()> {
    let count = i64::try_from(rows.len()).map_err(Error::internal)?;
    let (last, mut previous) = store::take_head(conn, count).await?;
    let tagger = Tagger::new(keys);
    for (seq, row) in (last - count + 1..).zip(&mut rows) {
        row.seq = seq;
        row.tag = tagger.tag(&previous, row);
        previous.clone_from(&row.tag);
    }
    store::insert(conn, &rows).await
}
