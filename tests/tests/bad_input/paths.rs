//! Pages, methods and paths that are not there.

use marketplace_tests::{Answer, Engine, Person, Server, stories};
use reqwest::Method;

use crate::refused;

stories![limits_and_cursors_out_of_range, methods_and_paths_that_are_not_there,];

async fn limits_and_cursors_out_of_range(engine: Engine) {
    let app = Server::start(engine).await;
    let lea = app.as_staff("admin").await;
    for list in ["/v1/admin/kyc", "/v1/admin/users", "/v1/admin/audit", "/v1/auth/sessions"] {
        for query in [
            "limit=0",
            "limit=201",
            "limit=-1",
            "limit=65536",
            "limit=99999999999999999999",
            "limit=ten",
            "limit=",
            "after=x",
            "after=AAAA",
            "after=%00",
            "limit=1&limit=2",
            "after=dDo5OTk5OTk5OTk5OTk5OTk5OTk5OTk6MDA",
            "nonsense=1",
        ] {
            refused(&lea.get(&format!("{list}?{query}")).await);
        }
        refused(&lea.get(&format!("{list}?after={}", "A".repeat(5_000))).await);
    }
    for query in ["status=sleeping", "document_type=library_card", "user_id=me", "limit=1&status="] {
        refused(&lea.get(&format!("/v1/admin/kyc?{query}")).await);
    }
    for query in ["role=emperor", "status=asleep", "reveal=maybe"] {
        refused(&lea.get(&format!("/v1/admin/users?{query}")).await);
    }
    for query in ["from=-1", "from=x", "limit=-5", "from=99999999999999999999"] {
        refused(&lea.get(&format!("/v1/admin/audit/verify?{query}")).await);
    }
    let far = lea.get("/v1/admin/audit/verify?from=9223372036854775807&limit=9223372036854775807").await;
    assert!(!far.status.is_server_error(), "{}", far.text());
    // Cursors of one list are not another's.
    app.as_staff("support").await;
    let next = lea.get("/v1/admin/audit?limit=1").await.ok()["next"].as_str().unwrap().to_owned();
    refused(&lea.get(&format!("/v1/admin/users?after={next}")).await);
    let q = "x%20".repeat(2_000);
    let long = lea.get(&format!("/v1/admin/users?q={q}")).await;
    assert!(!long.status.is_server_error(), "{}", long.text());
    for q in ["%25", "_", "'", "\"", "\\", "a*", "(", "%F0%9F%90%B4", "%20"] {
        let answer = lea.get(&format!("/v1/admin/users?q={q}")).await;
        assert!(!answer.status.is_server_error(), "{}", answer.text());
    }
}

async fn methods_and_paths_that_are_not_there(engine: Engine) {
    let app = Server::start(engine).await;
    let ada: Person = app.as_worker().await;
    for path in [
        "/",
        "/v1",
        "/v1/",
        "/v2/me",
        "/v1/me/",
        "/v1/nothing",
        "/v1/admin",
        "/v1/../etc/passwd",
        "//v1/me",
        "/v1/me%2fkyc",
    ] {
        ada.get(path).await.refused(404, "not_found");
    }
    for (method, path) in [
        (Method::DELETE, "/v1/auth/login"),
        (Method::GET, "/v1/auth/login"),
        (Method::PUT, "/v1/me"),
        (Method::PATCH, "/v1/me/kyc"),
    ] {
        let answer = Answer::of(ada.request(method, path)).await;
        assert_eq!(answer.status.as_u16(), 405, "{}", answer.asked);
        answer.problem();
        assert!(answer.headers.contains_key("allow"), "{}", answer.asked);
    }
    let weird = Answer::of(ada.request(Method::from_bytes(b"FROB").unwrap(), "/v1/me")).await;
    refused(&weird);
    let head = Answer::of(ada.request(Method::HEAD, "/v1/me")).await;
    assert!(head.status.is_success() && head.body.is_empty());
}
