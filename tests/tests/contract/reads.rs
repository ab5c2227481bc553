//! Lists, pages, cursors, the log of events.

use marketplace_core::staff::{
    AfterQuery, ListAttempts, ListAudit, ListEvents, ListQuery, ListUsers, ShowStats, StretchQuery, VerifyAudit, WhoAmI,
};
use marketplace_core::{
    accounts::{model::Status, summary::UserFilter},
    audit::{AuditFilter, AuditHead},
    base::permission::Role,
    kyc::{
        model::{DocumentType, KycFilter},
        status::KycStatus,
    },
    page::PageRequest,
};
use serde_json::json;

use crate::{script::Script, world::World};

pub async fn reads(world: &World, script: &mut Script) {
    let (lea, _) = world.staff(Role::Admin).await;
    script.heard("whoami", &lea.call::<WhoAmI>((), (), ()).await);
    script.heard("stats", &lea.call::<ShowStats>((), (), ()).await);
    for _ in 0..3 {
        world.attempt().await;
    }
    script.heard("stats after", &lea.call::<ShowStats>((), (), ()).await);
    for (name, page) in [
        ("first", PageRequest::first(2)),
        ("zero", PageRequest::first(0)),
        ("too many", PageRequest::first(201)),
        ("bad cursor", PageRequest { limit: 2, after: Some("nonsense".into()) }),
    ] {
        let kyc = lea.call::<ListAttempts>((), ListQuery::new(&KycFilter::default(), &page), ()).await;
        script.heard(format!("kyc_list {name}"), &kyc);
        let users = lea.call::<ListUsers>((), ListQuery::new(&UserFilter::default(), &page), ()).await;
        script.heard(format!("users_list {name}"), &users);
        let audit = lea.call::<ListAudit>((), ListQuery::new(&AuditFilter::default(), &page), ()).await;
        script.heard(format!("audit_list {name}"), &audit);
        if name == "first" {
            let next = |next: Option<String>| PageRequest { limit: 2, after: next };
            script.heard(
                "kyc_list next",
                &lea.call::<ListAttempts>((), ListQuery::new(&KycFilter::default(), &next(kyc.unwrap().next)), ())
                    .await,
            );
            script.heard(
                "users_list next",
                &lea.call::<ListUsers>((), ListQuery::new(&UserFilter::default(), &next(users.unwrap().next)), ())
                    .await,
            );
            script.heard(
                "audit_list next",
                &lea.call::<ListAudit>((), ListQuery::new(&AuditFilter::default(), &next(audit.unwrap().next)), ())
                    .await,
            );
        }
    }
    let filter = KycFilter {
        status: Some(KycStatus::Pending),
        document_type: Some(DocumentType::Passport),
        ..KycFilter::default()
    };
    script.heard(
        "kyc_list filtered",
        &lea.call::<ListAttempts>((), ListQuery::new(&filter, &PageRequest::default()), ()).await,
    );
    let filter =
        UserFilter { q: Some("worker".into()), role: Some(Role::Worker), status: Some(Status::Active), reveal: false };
    script.heard(
        "users_list filtered",
        &lea.call::<ListUsers>((), ListQuery::new(&filter, &PageRequest::default()), ()).await,
    );
    let filter = UserFilter { q: Some("ünï % ' \" & + / ?".into()), ..UserFilter::default() };
    script.heard(
        "users_list odd text",
        &lea.call::<ListUsers>((), ListQuery::new(&filter, &PageRequest::default()), ()).await,
    );
    script.heard("audit_verify", &lea.call::<VerifyAudit>((), StretchQuery::new(1, 3, None), ()).await);
    script.heard("audit_verify next", &lea.call::<VerifyAudit>((), StretchQuery::new(4, 1_000, None), ()).await);
    let head = lea.call::<VerifyAudit>((), StretchQuery::new(1, 1_000, None), ()).await.unwrap().head.unwrap();
    script.heard(
        "audit_verify expected",
        &lea.call::<VerifyAudit>((), StretchQuery::new(1, 1_000, Some(&head)), ()).await,
    );
    let another = AuditHead { tag: "0".repeat(64), ..head };
    script.heard(
        "audit_verify unexpected",
        &lea.call::<VerifyAudit>((), StretchQuery::new(1, 1_000, Some(&another)), ()).await,
    );
    script.heard("audit_verify bad", &lea.call::<VerifyAudit>((), StretchQuery::new(-1, 0, None), ()).await);
    let newest = lea.call::<ListEvents>((), AfterQuery::new(None, 10), ()).await;
    // Cursors hold numbers of transactions, which differ between databases.
    script.note("events newest", json!({ "ok": newest.as_ref().map(|page| page.items.len()).unwrap() }));
    let attempt = world.attempt().await.1.to_string();
    // On PostgreSQL an event is told of once nothing older can commit any more, by whichever program: a moment later, and
    // after others that the end of the log, asked for above, had not reached yet.
    let cursor = newest.unwrap().cursor;
    let mut after = lea.call::<ListEvents>((), AfterQuery::new(Some(&cursor), 10), ()).await.unwrap();
    for _ in 0..200 {
        if after.items.iter().any(|event| event.target == attempt) {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(25)).await;
        after = lea.call::<ListEvents>((), AfterQuery::new(Some(&cursor), 10), ()).await.unwrap();
    }
    let last = after.items.len().saturating_sub(2);
    let kinds: Vec<_> =
        after.items[last..].iter().map(|event| json!([event.kind, event.target, event.at, event.user_id])).collect();
    script.note("events after", json!({ "ok": kinds }));
    script.heard("events bad cursor", &lea.call::<ListEvents>((), AfterQuery::new(Some("nonsense"), 10), ()).await);
    script.heard("events bad limit", &lea.call::<ListEvents>((), AfterQuery::new(None, 0), ()).await);
}
