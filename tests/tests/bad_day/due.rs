//! Due work of one kind that fails, and all the others.

use marketplace_tests::{Engine, Server, cli::Cli, people::PASSWORD, stories};
use serde_json::json;

use crate::{execute, metric, number, others_are_served, soon};

stories!(a_kind_of_due_work_that_fails_stops_no_other);

async fn a_kind_of_due_work_that_fails_stops_no_other(engine: Engine) {
    let server = Server::start(engine).await;
    let (jon, kim) = (server.as_client().await, server.as_client().await);
    execute(&server, "ALTER TABLE reviews RENAME TO reviews_gone").await;
    let failures = async |kind: &str| metric(&server, &format!(r#"timer_failures_total{{kind="{kind}"}}"#)).await;
    soon("it is counted", async || failures("reviews").await.unwrap_or(0.0) >= 3.0).await;
    // Mails go out, and people are erased.
    let ada = server.as_worker().await;
    others_are_served(&server, &jon).await;
    execute(&server, "ALTER TABLE reviews_gone RENAME TO reviews").await;
    kim.delete("/v1/me", json!({ "password": PASSWORD })).await.ok();
    soon("the erasure is swept", async || number(&server, "SELECT CAST(count(*) AS BIGINT) FROM erasures").await == 0)
        .await;
    for kind in ["mail", "erasures", "jobs", "kyc_expiry", "file_deletions", "events", "sessions"] {
        assert_eq!(failures(kind).await, Some(0.0), "{kind}");
        let last = metric(&server, &format!(r#"timer_last_success_timestamp_seconds{{kind="{kind}"}}"#)).await;
        assert!(last.is_some_and(|at| at > 1_700_000_000.0), "{kind}: {last:?}");
    }
    soon("it runs again", async || server.output().contains("due work of this kind runs again")).await;
    let log = server.output();
    assert_eq!(log.matches("due work of this kind fails").count(), 1, "one line at each change: {log}");
    others_are_served(&server, &ada).await;

    // Whoever looks from beside the server sees it too, once it is written down.
    let doctor = async || Cli::direct(&server).run(&["doctor", "-o", "json"]).await.stdout;
    crate::within(std::time::Duration::from_secs(90), "the doctor tells", async || {
        tokio::time::sleep(std::time::Duration::from_secs(2)).await;
        let told = doctor().await;
        told.contains("\"due work\"") && !told.contains("no server has run")
    })
    .await;
}
