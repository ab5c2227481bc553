//! An audit log in the hands of whoever has the database, and what stands on it.

use marketplace_tests::{Engine, Server, cli::Cli, server, stories};
use serde_json::{Value, json};

stories![
    a_head_kept_elsewhere_tells_what_happened_to_the_log,
    a_log_that_is_not_ours_is_found_out_after_a_restart_too,
    who_is_shown_is_on_record_person_by_person,
];

/// Staff of the story, and four rows of theirs.
async fn with_rows(engine: Engine) -> (Server, marketplace_tests::Person) {
    let app = Server::start(engine).await;
    let lea = app.as_staff("admin").await;
    let note = format!("/v1/admin/users/{}/notes", app.as_client().await.id);
    for name in ["a", "b", "c"] {
        lea.post(&note, json!({ "body": name })).await.ok();
    }
    (app, lea)
}

async fn a_head_kept_elsewhere_tells_what_happened_to_the_log(engine: Engine) {
    let (app, lea) = with_rows(engine).await;
    let (direct, remote) = (Cli::direct(&app), Cli::remote(&app, lea.token.as_deref().unwrap()));
    let head = direct.json(&["audit", "verify"]).await["head"].as_str().unwrap().to_owned();
    assert_eq!(remote.json(&["audit", "verify"]).await["head"], head.as_str());
    let (seq, tag) = head.split_once(':').unwrap();
    let newest = lea.get("/v1/admin/audit?limit=1").await.ok()["items"][0].clone();
    assert_eq!((newest["seq"].to_string(), newest["tag"].as_str()), (seq.to_owned(), Some(tag)));
    assert_eq!(newest["metadata"]["note"].as_str().map(str::len), Some(36), "an object: {newest}");
    for cli in [&direct, &remote] {
        cli.run(&["audit", "verify", "--expect", &head]).await.ok();
        assert_eq!(cli.run(&["audit", "verify", "--expect", "sometime"]).await.code, 2);
        assert_eq!(cli.run(&["audit", "verify", "--from", "0"]).await.code, 2);
    }
    lea.get("/v1/admin/audit/verify?from=0").await.refused(422, "invalid");
    lea.get("/v1/admin/audit/verify?expect=sometime").await.refused(422, "invalid");

    // The tail is cut off, and the head is put back: only who kept one knows.
    let db = app.db().await;
    server::execute(&db, "DELETE FROM audit_log WHERE seq = (SELECT max(seq) FROM audit_log)").await;
    server::execute(
        &db,
        "UPDATE audit_head SET seq = seq - 1, hash = (SELECT hash FROM audit_log ORDER BY seq DESC LIMIT 1)",
    )
    .await;
    for cli in [&direct, &remote] {
        cli.run(&["audit", "verify"]).await.ok();
        let found = cli.run(&["audit", "verify", "--expect", &head, "-o", "json"]).await;
        assert_eq!(found.code, 1, "{}", found.stderr);
        assert_eq!(found.json()["broken"]["seq"].to_string(), seq);
    }
    // The head is gone: named, and no fault of ours.
    server::execute(&db, "DELETE FROM audit_head").await;
    let found = lea.get("/v1/admin/audit/verify").await.ok();
    assert!(found["broken"]["detail"].as_str().unwrap().contains("audit_head"), "{found}");
    for cli in [&direct, &remote] {
        let found = cli.run(&["audit", "verify"]).await;
        assert!(found.code == 1 && found.stderr.contains("audit_head"), "{}", found.stderr);
    }
    lea.get("/v1/admin/stats").await.ok();
    db.close().await;
}

async fn a_log_that_is_not_ours_is_found_out_after_a_restart_too(engine: Engine) {
    let (mut app, _) = with_rows(engine).await;
    let cli = Cli::direct(&app);
    let found = async |what: &str| {
        let ended = cli.run(&["audit", "verify", "-o", "json"]).await;
        assert_eq!(ended.code, 1, "{what}: {}", ended.stdout);
        ended.json()["broken"].clone()
    };
    let db = app.db().await;
    for seq in ["0", "-1"] {
        let copied = "at, actor, action, target_kind, target, reason, metadata, hash";
        let copy = format!("INSERT INTO audit_log (seq, {copied}) SELECT {seq}, {copied} FROM audit_log WHERE seq = 1");
        let text: &'static str = copy.leak();
        server::execute(&db, text).await;
        assert_eq!(found("a row below the first").await["seq"].to_string(), seq);
        server::execute(&db, "DELETE FROM audit_log WHERE seq < 1").await;
    }
    cli.run(&["audit", "verify"]).await.ok();
    // Nothing that says that there were ever keys.
    server::execute(&db, "DELETE FROM audit_keys").await;
    server::execute(&db, "DELETE FROM key_check").await;
    found("without a beginning").await;
    db.close().await;
    app.stop().await;
    app.run().await;
    let broken = found("after a restart").await;
    assert!(broken["detail"].as_str().unwrap().contains("audit_keys"), "{broken}");
}

async fn who_is_shown_is_on_record_person_by_person(engine: Engine) {
    let (app, lea) = with_rows(engine).await;
    let people = [app.as_client().await, app.as_client().await];
    let shown = async |id: &str| {
        let path = format!("/v1/admin/audit?action=users.reveal&target={id}&limit=200");
        lea.get(&path).await.ok()["items"].as_array().unwrap().clone()
    };
    lea.get("/v1/admin/users?role=client&reveal=true").await.ok();
    let cli = Cli::direct(&app);
    cli.run(&["users", "list", "--role", "client", "--reveal", "-o", "jsonl"]).await.ok();
    for person in people {
        let rows = shown(&person.id).await;
        let actors: Vec<&str> = rows.iter().filter_map(|row| row["actor"].as_str()).collect();
        assert_eq!(actors.len(), 2, "{rows:?}");
        assert!(actors[0].starts_with("local:") && actors[1] == format!("user:{}", lea.id), "{actors:?}");
        assert!(rows.iter().all(|row| row["target_kind"] == "user" && row["metadata"] != Value::Null));
    }
    cli.run(&["audit", "verify"]).await.ok();
}
