use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use futures::FutureExt;

use super::*;
use crate::testing;

/// Replaces compile-time checking: a typo is found without a story that runs the text.
#[tokio::test]
async fn every_sql_prepares() {
    use sqlx::{Executor, SqlSafeStr};
    assert!(ALL_SQL.len() > 20, "the texts were not collected");
    for test in testing::databases().await {
        for &(place, sqlite, postgres) in ALL_SQL {
            match test.db().read().await.unwrap() {
                Reader::Sqlite(mut conn, _) => {
                    drop(conn.prepare(sqlite.into_sql_str()).await.unwrap_or_else(|e| panic!("{place}: {e}")));
                }
                Reader::Pg(mut conn, _) => {
                    drop(conn.prepare(postgres.into_sql_str()).await.unwrap_or_else(|e| panic!("{place}: {e}")));
                }
            }
        }
        test.close().await;
    }
}

/// A bound `LIMIT ($1 + 0)` once made SQLite prepare a page's text at every request, which took four times as long as to run it.
#[tokio::test]
async fn no_sql_is_prepared_anew_when_it_runs_again() {
    let test = testing::databases().await.remove(0);
    let done = test.db().write(|conn| {
        async move {
            let mut found = Vec::new();
            for &(place, sqlite, _) in ALL_SQL {
                let mut again = Vec::new();
                for _ in 0..2 {
                    let Conn::Sqlite(sqlx) = conn else { unreachable!() };
                    let mut query = sqlx::query::<sqlx::Sqlite>(sqlite);
                    for _ in 0..max_placeholder(sqlite) {
                        query = query.bind(None::<i64>);
                    }
                    // What NULL breaks fails when it runs, and is prepared all the same.
                    let _ = query.fetch_all(&mut **sqlx).await;
                    let tallies = tally::tallies(conn).await.into_iter();
                    again.push(tallies.filter(|one| sqlite.contains(&one.sql)).map(|one| one.again).sum::<i64>());
                }
                if again[1] > again[0] {
                    found.push(format!("{place}: {sqlite}"));
                }
            }
            Ok(found)
        }
        .boxed()
    });
    assert_eq!(done.await.unwrap(), Vec::<String>::new(), "see the module `db`");
    test.close().await;
}

async fn heads(db: &Db) -> i64 {
    let mut reader = db.read().await.unwrap();
    q!(&mut reader.conn() => val i64, "SELECT CAST(count(*) AS BIGINT) FROM file_deletions").unwrap()
}

async fn insert(db: &Db, key: String, preview: bool, fail: bool) -> Result<()> {
    db.write_or_preview(preview, move |c| {
        async move {
            q!(c => exec, "INSERT INTO file_deletions (object_key, created_at) VALUES ($1, $2)", key, crate::base::time::Timestamp::EPOCH)?;
            if fail { Err(Error::not_found("thing")) } else { Ok(()) }
        }
        .boxed()
    })
    .await
}

#[tokio::test]
async fn a_failed_or_previewed_unit_leaves_nothing_and_harms_no_other() {
    for test in testing::databases().await {
        let db = test.db();
        let units = (0..60).map(|n| insert(db, format!("k{n}"), n % 3 == 1, n % 3 == 2));
        let answers = futures::future::join_all(units).await;
        assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 40);
        assert_eq!(heads(db).await, 20);
        let again = insert(db, "k0".into(), false, false).await.unwrap_err();
        assert_eq!(again.code(), crate::base::error::ErrorCode::Conflict);
        assert_eq!(heads(db).await, 20);
        test.close().await;
    }
}

#[tokio::test]
async fn a_panic_in_a_unit_is_an_error_and_the_writer_goes_on() {
    for test in testing::databases().await {
        let panicked = test.db().write(|_| async move { panic!("on purpose") }.boxed()).await;
        let error: Error = panicked.map(|(): ()| ()).unwrap_err();
        assert_eq!(error.code(), crate::base::error::ErrorCode::Internal);
        insert(test.db(), "after".into(), false, false).await.unwrap();
        test.close().await;
    }
}

#[tokio::test]
async fn a_dropped_caller_does_not_stop_its_unit() {
    for test in testing::databases().await {
        let started = Arc::new(AtomicU32::new(0));
        let seen = started.clone();
        let unit = test.db().write(move |c| {
            async move {
                seen.fetch_add(1, Ordering::SeqCst);
                tokio::time::sleep(Duration::from_millis(30)).await;
                q!(c => exec, "INSERT INTO file_deletions (object_key, created_at) VALUES ('x', $1)", crate::base::time::Timestamp::EPOCH)?;
                Ok(())
            }
            .boxed()
        });
        let mut unit = Box::pin(unit);
        while started.load(Ordering::SeqCst) == 0 {
            tokio::select! { _ = &mut unit => {}, () = tokio::time::sleep(Duration::from_millis(1)) => {} }
        }
        drop(unit);
        for _ in 0..200 {
            if heads(test.db()).await == 1 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(heads(test.db()).await, 1);
        test.close().await;
    }
}

/// What refers to people on SQLite alone: messaging is distributed on PostgreSQL only.
const APART: [&str; 4] = ["threads.client_id", "threads.worker_id", "messages.sender_id", "attachments.user_id"];

/// A lower-level reading of both catalogues: the same tables, columns, nullability and keys. Full-text indexes are each
/// engine's own, and indexes of expressions are written the same. Of a table that PostgreSQL divides, its first range is compared.
#[tokio::test]
async fn the_two_schemas_agree() {
    let databases = testing::databases().await;
    let mut shapes = Vec::new();
    for test in &databases {
        let mut reader = test.db().read().await.unwrap();
        let shape: Vec<(String,)> = match &mut reader {
            Reader::Sqlite(conn, _) => sqlx::query_as(
                "SELECT m.name || '.' || c.name || ' ' || CASE c.\"notnull\" WHEN 1 THEN 'not null' ELSE 'null' END || ' pk' || c.pk \
                 FROM sqlite_schema m, pragma_table_info(m.name) c WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite%' AND m.name NOT LIKE '\\_sqlx%' ESCAPE '\\' AND m.name NOT LIKE 'services\\_fts%' ESCAPE '\\' \
                 UNION ALL SELECT m.name || ' index ' || CASE i.\"unique\" WHEN 1 THEN 'unique ' ELSE '' END || \
                   (SELECT group_concat(name, ',') FROM (SELECT x.name FROM pragma_index_info(i.name) x ORDER BY x.seqno)) \
                 FROM sqlite_schema m, pragma_index_list(m.name) i WHERE m.type = 'table' AND i.origin <> 'pk' \
                 AND NOT EXISTS (SELECT 1 FROM pragma_index_info(i.name) e WHERE e.cid = -2) AND m.name NOT LIKE '\\_sqlx%' ESCAPE '\\' AND m.name NOT LIKE 'services\\_fts%' ESCAPE '\\' \
                 UNION ALL SELECT m.name || '.' || f.\"from\" || ' references ' || f.\"table\" || '.' || f.\"to\" || ' ' || f.on_delete FROM sqlite_schema m, pragma_foreign_key_list(m.name) f WHERE m.type = 'table' \
                 ORDER BY 1",
            )
            .fetch_all(&mut **conn)
            .await
            .unwrap(),
            Reader::Pg(conn, _) => sqlx::query_as(
                "WITH tables AS (SELECT oid, relnamespace, relkind, regexp_replace(relname, '_first$', '') AS relname FROM pg_class \
                   WHERE relkind = 'r' AND relname NOT LIKE '%\\_last' AND relname NOT LIKE '\\_sqlx%') \
                 SELECT c.relname || '.' || a.attname || ' ' || CASE WHEN a.attnotnull THEN 'not null' ELSE 'null' END || ' pk' || COALESCE(array_position(k.conkey, a.attnum), 0) \
                 FROM tables c JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname = 'public' JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 \
                 LEFT JOIN pg_constraint k ON k.conrelid = c.oid AND k.contype = 'p' \
                 UNION ALL SELECT t.relname || ' index ' || CASE WHEN i.indisunique THEN 'unique ' ELSE '' END || \
                   (SELECT string_agg(a.attname, ',' ORDER BY o.n) FROM unnest(i.indkey::int2[]) WITH ORDINALITY o (attnum, n) JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = o.attnum) \
                 FROM pg_index i JOIN tables t ON t.oid = i.indrelid JOIN pg_namespace n ON n.oid = t.relnamespace AND n.nspname = 'public' WHERE NOT i.indisprimary AND i.indexprs IS NULL \
                 UNION ALL SELECT t.relname || '.' || a.attname || ' references ' || r.relname || '.' || b.attname || ' ' || CASE k.confdeltype WHEN 'c' THEN 'CASCADE' ELSE 'NO ACTION' END \
                 FROM pg_constraint k CROSS JOIN LATERAL unnest(k.conkey, k.confkey) AS pair (here, there) JOIN tables t ON t.oid = k.conrelid JOIN tables r ON r.oid = k.confrelid \
                 JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = pair.here JOIN pg_attribute b ON b.attrelid = r.oid AND b.attnum = pair.there WHERE k.contype = 'f'",
            )
            .fetch_all(&mut **conn)
            .await
            .unwrap(),
        };
        let is_apart =
            |line: &String| APART.iter().any(|name| *line == format!("{name} references users.id NO ACTION"));
        let mut shape: Vec<String> = shape.into_iter().map(|row| row.0).filter(|line| !is_apart(line)).collect();
        shape.sort();
        assert!(shape.len() > 80, "{} lines", shape.len());
        shapes.push(shape);
    }
    for shape in shapes.iter().skip(1) {
        assert_eq!(&shapes[0], shape);
    }
    for test in databases {
        test.close().await;
    }
}

#[test]
fn migrations_have_equal_numbers() {
    let numbers = |folder: &str| {
        let mut names: Vec<String> =
            std::fs::read_dir(format!("{}/../migrations/{folder}", env!("CARGO_MANIFEST_DIR")))
                .unwrap()
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .collect();
        names.sort();
        names
    };
    assert_eq!(numbers("sqlite"), numbers("postgres"));
}

#[test]
fn placeholders_are_counted() {
    assert_eq!(max_placeholder("SELECT $1, $12, $2"), 12);
    assert_eq!(max_placeholder("SELECT 1"), 0);
}
