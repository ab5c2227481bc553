mod reports;
mod trade;

use std::collections::BTreeSet;

use marketplace_core::{
    accounts::{
        model::Status,
        summary::{Restriction, StatusCount},
    },
    audit::{AuditVerification, BrokenLink},
    auth::{RecoveryCodes, SessionView},
    base::{
        change::RestrictionReason,
        count::Count,
        permission::{Permission, Role},
        principal::Principal,
    },
    jobs::model::{JobCount, JobStatus},
    kyc::{
        model::{
            Assignee, AttemptBrief, Claim, DecisionMade, DocumentType, FileInfo, FileKind, KycReason, TriageAct,
            TriageEntry,
        },
        status::KycStatus,
    },
    page::Page,
    text::is_unsafe,
    time::Timestamp,
    tokens::model::{ApiToken, CreatedToken, TokenStatus},
    webhooks::model::{
        DeliveryState, DisabledBecause, Redelivered, Webhook, WebhookDelivery, WebhookKind, WebhookWithSecret,
    },
};
use serde_json::{Value, json};

use super::*;
use crate::{
    args::Format,
    output::{Output, People, Selection},
};

const USER: &str = "019a8f3e-7c1e-7b2a-9d55-0c4f6a1b2c3d";
const ATTEMPT: &str = "019a8f3e-8000-7b2a-9d55-0c4f6a1b2c3d";

fn at(minutes_ago: u64) -> Timestamp {
    now() - std::time::Duration::from_secs(60 * minutes_ago)
}
fn now() -> Timestamp {
    "2026-03-02T10:00:00Z".parse().unwrap()
}
fn principal() -> Principal {
    Principal("local:sam@desk".into())
}

pub(crate) fn view(terminal: bool) -> View {
    View { now: now(), terminal, color: false, people: People::default() }
}

fn user() -> UserSummary {
    UserSummary {
        id: USER.parse().unwrap(),
        role: Role::Worker,
        status: Status::Active,
        name: "Ada O•••".into(),
        email: "a••@•••.org".into(),
        email_verified: true,
        phone: Some("+44•••50".into()),
        kyc_status: KycStatus::Pending,
        created_at: at(60 * 24 * 3),
        version: 4,
    }
}

fn attempt() -> KycSummary {
    KycSummary {
        id: ATTEMPT.parse().unwrap(),
        user_id: USER.parse().unwrap(),
        name: "Ada O•••".into(),
        number: 2,
        document_type: DocumentType::Passport,
        status: KycStatus::InReview,
        submitted_at: at(180),
        decided_at: Some(at(2)),
        claim: Some(Claim {
            holder: principal(),
            label: "sam".into(),
            mine: true,
            fence: 7,
            expires_at: now() + std::time::Duration::from_secs(580),
        }),
        snoozed_until: None,
        assignee: Some(Assignee { id: USER.parse().unwrap(), name: "lea".into() }),
        escalated_at: None,
        version: 3,
    }
}

fn made() -> DecisionMade {
    DecisionMade {
        status: KycStatus::Retry,
        reasons: vec![KycReason::DocumentUnreadable],
        comment: Some("Please photograph it in good light.\nAll four corners.".into()),
        note: Some("edge cut off".into()),
        by: principal(),
        at: at(0),
        undo_until: now() + std::time::Duration::from_secs(7),
    }
}

fn case() -> KycCase {
    KycCase {
        attempt: attempt(),
        files: vec![FileInfo {
            kind: FileKind::Document,
            media_type: "image/jpeg".into(),
            size: 81_000,
            width: Some(900),
            height: Some(600),
        }],
        files_deleted_at: None,
        decision: Some(made()),
        history: vec![TriageEntry {
            at: at(20),
            by: principal(),
            act: TriageAct::Assigned,
            until: None,
            assignee: Some(Assignee { id: USER.parse().unwrap(), name: "lea".into() }),
            note: Some("reads the script".into()),
        }],
        others: vec![AttemptBrief {
            id: ATTEMPT.parse().unwrap(),
            number: 1,
            document_type: DocumentType::NationalId,
            status: KycStatus::Retry,
            submitted_at: at(60 * 48),
            decision: Some(DecisionMade { at: at(60 * 47), ..made() }),
        }],
        user: user(),
    }
}

fn detail() -> UserDetail {
    UserDetail {
        user: UserSummary { status: Status::Frozen, ..user() },
        restriction: Some(Restriction {
            reason: RestrictionReason::PaymentDispute,
            by: principal(),
            at: at(90),
            until: None,
        }),
        sessions: 1,
        last_seen_at: Some(at(5)),
        kyc: case().others,
        notes: vec![note()],
    }
}

fn note() -> Note {
    Note {
        id: ATTEMPT.parse().unwrap(),
        author: principal(),
        body: "called\nwill send a new photo \x1b[2J".into(),
        created_at: at(30),
    }
}

fn audit() -> AuditRow {
    AuditRow {
        seq: 12,
        at: at(1),
        actor: principal(),
        action: "users.ban".into(),
        target_kind: "user".into(),
        target: USER.into(),
        reason: Some("fraud".into()),
        metadata: serde_json::json!({}),
        tag: "00ff".into(),
    }
}

/// People read names; programs, and whoever asks for the field, get ids.
#[test]
fn whoever_did_something_is_named_for_people() {
    let id = format!("user:{USER}");
    let row = AuditRow { actor: Principal(id.clone()), ..audit() };
    let shown = |format, fields: &[&str], is_list: bool| {
        let view = view(false);
        view.people.learn(vec![(Principal(id.clone()), "Lea Ortiz".into())]);
        let output = Output::memory(format, fields, view);
        if is_list {
            output.list().page(std::slice::from_ref(&row)).unwrap();
        } else {
            output.item(&row).unwrap();
        }
        output.written()
    };
    for is_list in [true, false] {
        let table = shown(Format::Table, &[], is_list);
        assert!(table.contains("Lea Ortiz") && !table.contains(&id), "{table}");
        for (format, fields) in
            [(Format::Jsonl, &[][..]), (Format::Csv, &[]), (Format::Yaml, &[]), (Format::Table, &["actor"])]
        {
            let text = shown(format, fields, is_list);
            assert!(text.contains(&id) && !text.contains("Lea"), "{text}");
        }
    }
    let output = Output::memory(Format::Table, &[], view(false));
    output.check::<AuditRow>().unwrap();
    assert!(output.view.people.are_missing(), "names are asked for once they are wanted");
    let output = Output::memory(Format::Json, &[], view(false));
    output.check::<AuditRow>().unwrap();
    assert!(!output.view.people.are_missing());
}

fn stats() -> Stats {
    let count = |value| Count { value, capped: false };
    Stats {
        at: now(),
        kyc_pending: Count { value: 10_000, capped: true },
        kyc_in_review: count(3),
        kyc_oldest_at: Some(at(180)),
        kyc_decided_24h: count(41),
        users: vec![
            StatusCount { status: Status::Active, count: count(801) },
            StatusCount { status: Status::Banned, count: count(9) },
        ],
        signups_24h: count(12),
        services_visible: Count { value: 10_000, capped: true },
        jobs: vec![
            JobCount { status: JobStatus::Negotiating, count: count(31) },
            JobCount { status: JobStatus::Finalized, count: count(204) },
        ],
        messages_1h: count(77),
        reviews_flagged: count(2),
        reports_open: count(5),
        reports_in_review: count(1),
        reports_oldest_at: Some(at(200)),
        reports_decided_24h: count(17),
        mails_waiting: count(0),
        audit_seq: 512,
    }
}

/// Collects the dotted paths of all values that are not objects.
fn leaves(value: &Value, path: &str, into: &mut BTreeSet<String>) {
    match value {
        // An object without members can hold any keys.
        Value::Object(map) if !map.is_empty() => {
            for (key, inner) in map {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                leaves(inner, &path, into);
            }
        }
        _ => drop(into.insert(path.to_owned())),
    }
}

#[track_caller]
fn knows_its_fields<T: Row>(sample: &T) {
    let value = serde_json::to_value(sample).unwrap();
    let mut real = BTreeSet::new();
    leaves(&value, "", &mut real);
    assert_eq!(T::fields().into_iter().collect::<BTreeSet<_>>(), real);
    let columns = T::COLUMNS.iter().map(|column| match column.kind {
        Kind::Money => format!("{}.amount", column.path),
        _ => column.path.to_owned(),
    });
    for path in columns.chain([T::id()]) {
        assert!(real.contains(&path), "{path} is no field");
    }
}

#[test]
fn every_type_knows_its_fields() {
    knows_its_fields(&attempt());
    knows_its_fields(&case());
    knows_its_fields(&user());
    knows_its_fields(&detail());
    knows_its_fields(&note());
    knows_its_fields(&audit());
    knows_its_fields(&stats());
    knows_its_fields(&PersonalData { id: user().id, name: "Ada".into(), email: "a@b.co".into(), phone: None });
    knows_its_fields(&Identity {
        principal: principal(),
        name: "sam".into(),
        role: Role::Admin,
        permissions: vec![Permission::KycRead],
        token_id: Some(USER.parse().unwrap()),
        expires_at: Some(Timestamp::EPOCH),
    });
    let token = ApiToken {
        id: USER.parse().unwrap(),
        name: "Night job".into(),
        owner_id: user().id,
        status: TokenStatus::Active,
        scopes: vec![Permission::KycRead],
        created_by: principal(),
        created_at: Timestamp::EPOCH,
        expires_at: Timestamp::EPOCH,
        last_used_at: None,
        revoked_at: None,
        revoked_by: None,
    };
    knows_its_fields(&token);
    knows_its_fields(&CreatedToken { token, secret: Some("mkt_secret".into()) });
    knows_its_fields(&SessionView {
        id: USER.parse().unwrap(),
        current: true,
        user_agent: "marketplace-cli".into(),
        ip: "127.0.0.1".into(),
        created_at: Timestamp::EPOCH,
        last_used_at: Timestamp::EPOCH,
        expires_at: Timestamp::EPOCH,
    });
    let webhook = Webhook {
        id: USER.parse().unwrap(),
        url: "https://example.org/hooks".into(),
        description: "Payouts".into(),
        kinds: vec![WebhookKind::JobChanged],
        enabled: false,
        disabled_because: Some(DisabledBecause::Failing),
        disabled_at: Some(Timestamp::EPOCH),
        failing_since: Some(Timestamp::EPOCH),
        old_secret_until: Some(Timestamp::EPOCH),
        waiting: 1,
        failed: 2,
        oldest_waiting_at: Some(Timestamp::EPOCH),
        version: 1,
        created_by: principal(),
        created_at: Timestamp::EPOCH,
        updated_at: Timestamp::EPOCH,
    };
    knows_its_fields(&webhook);
    knows_its_fields(&WebhookWithSecret { webhook, secret: Some("whsec_secret".into()) });
    knows_its_fields(&Redelivered { webhook_id: USER.parse().unwrap(), deliveries: 1, more: false });
    knows_its_fields(&WebhookDelivery {
        id: USER.parse().unwrap(),
        webhook_id: USER.parse().unwrap(),
        kind: WebhookKind::JobChanged,
        subject: USER.into(),
        state: DeliveryState::Waiting,
        body: json!({}),
        attempts: 1,
        next_try_at: Some(Timestamp::EPOCH),
        last_try_at: Some(Timestamp::EPOCH),
        http_status: Some(500),
        failure: Some("it answered 500".into()),
        finished_at: Some(Timestamp::EPOCH),
        created_at: Timestamp::EPOCH,
    });
    knows_its_fields(&RecoveryCodes { recovery_codes: vec!["abcd".into()] });
    let broken = Some(BrokenLink { seq: 3, detail: "is missing".into() });
    knows_its_fields(&AuditVerification { checked: 2, next: None, head: None, broken });
    knows_its_fields(&Changed { changed: true, item: user() });
}

fn list<T: Row>(format: Format, fields: &[&str], terminal: bool, width: Option<u16>, pages: &[&[T]]) -> String {
    let mut out = Output::memory(format, fields, view(terminal));
    out.width = width;
    let mut list = out.list();
    for page in pages {
        list.page(page).unwrap();
    }
    list.finish().unwrap();
    out.written()
}

#[test]
fn lists_in_every_format() {
    let plain = KycSummary { claim: None, status: KycStatus::Pending, name: "=cmd\x1b[2J".into(), ..attempt() };
    let pages: [&[KycSummary]; 2] = [&[attempt()], &[plain]];
    for (name, format) in [
        ("table", Format::Table),
        ("json", Format::Json),
        ("jsonl", Format::Jsonl),
        ("yaml", Format::Yaml),
        ("csv", Format::Csv),
        ("id", Format::Id),
    ] {
        let text = list(format, &[], false, None, &pages);
        assert!(!text.contains('\x1b'), "{name}");
        insta::assert_snapshot!(format!("list_{name}"), text);
    }
}

#[test]
fn a_terminal_gets_relative_times_and_what_fits() {
    let pages: [&[KycSummary]; 1] = [&[attempt()]];
    insta::assert_snapshot!("list_table_wide", list(Format::Table, &[], true, Some(160), &pages));
    let narrow = list(Format::Table, &[], true, Some(80), &pages);
    assert!(narrow.lines().all(|line| line.chars().count() <= 80), "{narrow}");
    insta::assert_snapshot!("list_table_narrow", narrow);
    // Exactly as wide as needed: nothing is cut.
    let needed = narrow.lines().map(|line| line.chars().count()).max().and_then(|width| u16::try_from(width).ok());
    assert_eq!(list(Format::Table, &[], true, needed, &pages), narrow);
    insta::assert_snapshot!("users_table_narrow", list(Format::Table, &[], true, Some(80), &[&[user()]]));
}

#[test]
fn chosen_fields() {
    let fields = ["name", "claim.label", "claim.fence"];
    let pages: [&[KycSummary]; 1] = [&[attempt()]];
    assert_eq!(
        list(Format::Jsonl, &fields, false, None, &pages),
        "{\"name\":\"Ada O•••\",\"claim\":{\"label\":\"sam\",\"fence\":7}}\n"
    );
    assert_eq!(list(Format::Csv, &fields, false, None, &pages), "name,claim.label,claim.fence\nAda O•••,sam,7\n");
    insta::assert_snapshot!("list_table_fields", list(Format::Table, &fields, false, None, &pages));
    assert!(Selection(vec!["claim".into()]).check::<KycSummary>().is_ok());
    let refused = Selection(vec!["clam".into()]).check::<KycSummary>().unwrap_err();
    assert_eq!(refused.exit_code(), 2);
    assert!(crate::report::next_step(&refused).unwrap().contains("claim.holder"));
}

#[test]
fn empty_lists_are_valid() {
    let none: [&[KycSummary]; 1] = [&[]];
    assert_eq!(list(Format::Json, &[], false, None, &none), "[]\n");
    assert_eq!(list(Format::Yaml, &[], false, None, &none), "[]\n");
    assert_eq!(list(Format::Jsonl, &[], false, None, &none), "");
    assert_eq!(list(Format::Table, &[], false, None, &none), "");
    assert!(list(Format::Csv, &[], false, None, &none).starts_with("id,user_id,name,"));
}

#[test]
fn json_and_yaml_read_back() {
    let pages: [&[KycSummary]; 2] = [&[attempt()], &[attempt(), attempt()]];
    let json: Vec<KycSummary> = serde_json::from_str(&list(Format::Json, &[], false, None, &pages)).unwrap();
    assert_eq!(json, vec![attempt(), attempt(), attempt()]);
    let yaml: Vec<KycSummary> = serde_saphyr::from_str(&list(Format::Yaml, &[], false, None, &pages)).unwrap();
    assert_eq!(yaml, json);
    let page = Page { items: json, next: None };
    assert_eq!(page.items.len(), 3);
}

#[test]
fn no_format_prints_what_hides_or_steers() {
    let named = KycSummary { name: "Ada\u{1b}[2J\u{202e}\u{200b}\u{feff}\u{e0041}: 'Obi'\\".into(), ..attempt() };
    let pages: [&[KycSummary]; 1] = [std::slice::from_ref(&named)];
    for format in [Format::Table, Format::Json, Format::Jsonl, Format::Yaml, Format::Csv, Format::Id] {
        let text = list(format, &[], false, None, &pages);
        assert!(!text.chars().any(|c| is_unsafe(c) && c != '\n'), "{format:?}: {text:?}");
        let back = match format {
            Format::Json => serde_json::from_str::<Vec<KycSummary>>(&text).unwrap(),
            Format::Jsonl => vec![serde_json::from_str(&text).unwrap()],
            Format::Yaml => serde_saphyr::from_str(&text).unwrap(),
            Format::Table | Format::Csv | Format::Id => continue,
        };
        assert_eq!(back, vec![named.clone()], "{format:?}");
    }
}

#[test]
fn one_thing_for_people() {
    for (name, terminal) in [("terminal", true), ("pipe", false)] {
        let out = Output::memory(Format::Table, &[], view(terminal));
        out.item(&case()).unwrap();
        out.item(&detail()).unwrap();
        out.item(&stats()).unwrap();
        out.item(&Changed { changed: false, item: detail() }).unwrap();
        out.item(&Changed { changed: true, item: note() }).unwrap();
        assert!(!out.written().contains('\x1b'));
        insta::assert_snapshot!(format!("cards_{name}"), out.written());
    }
}
