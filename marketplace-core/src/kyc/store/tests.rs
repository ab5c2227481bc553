use sqlx::{AssertSqlSafe, Row};

use crate::{
    platform::db::{ALL_SQL, Conn, max_placeholder},
    testing,
};

/// Returns the plan by which each engine would run a statement whose parameters are not known yet.
async fn plan(conn: &mut Conn<'_>, sqlite: &'static str, postgres: &'static str) -> String {
    let lines: Vec<String> = match conn {
        Conn::Sqlite(conn) => {
            let rows = sqlx::query(AssertSqlSafe(format!("EXPLAIN QUERY PLAN {sqlite}"))).fetch_all(&mut **conn).await;
            rows.unwrap().iter().map(|row| row.get("detail")).collect()
        }
        Conn::Pg(conn) => {
            for set in ["plan_cache_mode = force_generic_plan", "enable_seqscan = off", "enable_sort = off"] {
                sqlx::query(AssertSqlSafe(format!("SET {set}"))).execute(&mut **conn).await.unwrap();
            }
            sqlx::raw_sql(AssertSqlSafe(format!("PREPARE planned AS {postgres}"))).execute(&mut **conn).await.unwrap();
            let nulls = vec!["NULL"; max_placeholder(postgres)].join(", ");
            let arguments = if nulls.is_empty() { nulls } else { format!("({nulls})") };
            let rows = sqlx::raw_sql(AssertSqlSafe(format!("EXPLAIN EXECUTE planned{arguments}")))
                .fetch_all(&mut **conn)
                .await;
            sqlx::raw_sql("DEALLOCATE planned").execute(&mut **conn).await.unwrap();
            rows.unwrap().iter().map(|row| row.get(0)).collect()
        }
    };
    lines.join("\n")
}

/// Checks that the cost of a page or a change does not depend on the number of attempts.
#[tokio::test]
async fn no_statement_reads_or_sorts_a_whole_table() {
    for test in testing::databases().await {
        let mut reader = test.db().read().await.unwrap();
        let mut conn = reader.conn();
        let mut seen = 0;
        for &(place, sqlite, postgres) in ALL_SQL.iter().filter(|text| text.0.contains("kyc/store/")) {
            seen += 1;
            let plan = plan(&mut conn, sqlite, postgres).await;
            // A small, bounded number of rows without an order, and the keys that a sweep passes in.
            let bounded = sqlite.contains("FROM file_deletions") || sqlite.contains("json_each");
            // There are as many live claims as reviewers: these rows are sorted without an index.
            // What has woken, what a reviewer holds and what one skipped by hand are as few.
            let few = ["a.claim_expires_at > $6", "a.snoozed_until <= $6"];
            let sorts = few.iter().any(|text| sqlite.contains(text));
            for line in plan.lines().filter(|_| !bounded) {
                let reads_all = line.contains("Seq Scan")
                    || (line.contains("SCAN")
                        && !line.contains("USING")
                        && !["SCAN page", "SCAN p", "SCAN r", "SCAN d", "SCAN CONSTANT ROW"].contains(&line.trim()));
                let sorts_all = line.contains("TEMP B-TREE") || line.contains("Sort Key");
                assert!(!reads_all, "{place} reads a whole table:\n{sqlite}\n{plan}");
                assert!(sorts || !sorts_all, "{place} sorts:\n{sqlite}\n{plan}");
            }
        }
        assert!(seen > 15, "the texts were not collected");
        drop(reader);
        test.close().await;
    }
}
