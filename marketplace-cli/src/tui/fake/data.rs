//! People, their identity checks, and what the audit log says of them, made up.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, atomic::AtomicUsize},
    time::Duration,
};

use marketplace_core::{
    accounts::{
        model::Status,
        summary::{Restriction, UserSummary},
    },
    audit::AuditRow,
    base::{change::RestrictionReason, permission::Role, principal::Principal},
    kyc::{
        model::{AttemptBrief, DecisionMade, DocumentType, FileInfo, FileKind, KycCase, KycReason, KycSummary},
        status::KycStatus,
    },
    testing::FixedClock,
    time::Clock,
    users::model::UserDetail,
};

use super::{Fake, NAMES, State, attempt_id, market, user_id};

impl Fake {
    #[expect(clippy::too_many_lines, reason = "made-up data, top to bottom")]
    pub fn new(users: usize, cases: usize) -> Arc<Self> {
        let clock = Arc::new(FixedClock::new());
        let now = clock.now();
        let ago = |minutes: usize| now - Duration::from_secs(minutes as u64 * 60);
        let statuses =
            [Status::Active, Status::Active, Status::Frozen, Status::Unverified, Status::Banned, Status::Active];
        let users: Vec<UserDetail> = (0..users)
            .map(|at| {
                let user = UserSummary {
                    id: user_id(at),
                    role: if at % 5 == 4 { Role::Client } else { Role::Worker },
                    status: statuses[at % statuses.len()],
                    name: NAMES[at % NAMES.len()].into(),
                    email: "a••@•••.org".into(),
                    email_verified: at % 6 != 3,
                    phone: (at.is_multiple_of(2)).then(|| "+44•••50".into()),
                    kyc_status: if at < cases { KycStatus::Pending } else { KycStatus::None },
                    created_at: ago(60 + at * 700),
                    version: 3,
                };
                let restriction = matches!(user.status, Status::Frozen | Status::Banned).then(|| Restriction {
                    reason: RestrictionReason::Spam,
                    by: Principal("local:lea@desk".into()),
                    at: ago(90),
                });
                UserDetail {
                    user,
                    restriction,
                    sessions: 2,
                    last_seen_at: Some(ago(at + 1)),
                    kyc: vec![],
                    notes: vec![],
                }
            })
            .collect();
        let documents = DocumentType::ALL;
        let cases = (0..cases)
            .map(|at| {
                let user = users[at].user.clone();
                let submitted_at = ago(200 - at.min(190));
                let second = at.is_multiple_of(4);
                let earlier = AttemptBrief {
                    id: attempt_id(1_000 + at),
                    number: 1,
                    document_type: DocumentType::Passport,
                    status: KycStatus::Retry,
                    submitted_at: ago(3_000),
                    decision: Some(DecisionMade {
                        status: KycStatus::Retry,
                        reasons: vec![KycReason::DocumentUnreadable],
                        comment: Some("edge cut off".into()),
                        note: None,
                        by: Principal("local:lea@desk".into()),
                        at: ago(2_900),
                        undo_until: ago(2_899),
                    }),
                };
                let file = |kind| FileInfo {
                    kind,
                    media_type: "image/png".into(),
                    size: 20_000,
                    width: Some(160),
                    height: Some(100),
                };
                KycCase {
                    attempt: KycSummary {
                        id: attempt_id(at),
                        user_id: user.id,
                        name: user.name.clone(),
                        number: if second { 2 } else { 1 },
                        document_type: documents[at % documents.len()],
                        status: KycStatus::Pending,
                        submitted_at,
                        decided_at: None,
                        claim: None,
                        version: 1,
                    },
                    files: vec![file(FileKind::Document), file(FileKind::Selfie)],
                    files_deleted_at: None,
                    decision: None,
                    others: if second { vec![earlier] } else { vec![] },
                    user,
                }
            })
            .collect();
        let actions = ["kyc.approve", "users.freeze", "kyc.file", "users.reveal", "kyc.reject", "users.note"];
        let audit = (1..=40)
            .map(|seq: usize| AuditRow {
                seq: i64::try_from(seq).unwrap(),
                at: ago(400 - seq * 9),
                actor: if seq.is_multiple_of(3) {
                    Principal("local:sam@desk".into())
                } else {
                    Principal::user(user_id(7))
                },
                action: actions[seq % actions.len()].into(),
                target_kind: if seq.is_multiple_of(2) { "attempt" } else { "user" }.into(),
                target: if seq.is_multiple_of(2) {
                    attempt_id(seq % 5).to_string()
                } else {
                    user_id(seq % 9).to_string()
                },
                reason: (seq % 6 == 1).then(|| "spam".into()),
                metadata: serde_json::json!({ "version": 3 }),
                tag: "ab".repeat(32),
            })
            .collect();
        let market::Market { threads, messages, jobs, reviews } = market::Market::new(now);
        let state = State {
            users,
            cases,
            audit,
            threads,
            messages,
            jobs,
            reviews,
            notes: 0,
            role: Role::Admin,
            calls: vec![],
            down: false,
            fail: HashMap::new(),
            held: HashMap::new(),
            events: vec![],
            fence: 0,
            document: "image/png",
        };
        Arc::new(Self { clock, state: Mutex::new(state), waiting: AtomicUsize::new(0) })
    }
}

/// A picture that looks like something: a card with a frame, or a face.
pub fn picture(kind: FileKind) -> Vec<u8> {
    let (width, height) = if kind == FileKind::Document { (160_u32, 100_u32) } else { (100, 120) };
    let image = image::RgbImage::from_fn(width, height, |x, y| {
        let (dx, dy) = (i64::from(x) - i64::from(width / 2), i64::from(y) - i64::from(height / 2));
        let frame = x < 4 || y < 4 || x > width - 5 || y > height - 5;
        let face = kind == FileKind::Selfie && dx * dx * 3 / 2 + dy * dy < 1_900;
        let line = kind == FileKind::Document && x > 70 && x < 140 && y % 12 < 4 && y > 16;
        match (frame, face, line) {
            (true, ..) => image::Rgb([40, 60, 90]),
            (_, true, _) => image::Rgb([200, 160, 130]),
            (.., true) => image::Rgb([30, 30, 30]),
            _ => image::Rgb([210, 220, 235]),
        }
    });
    let mut bytes = Vec::new();
    image.write_to(&mut std::io::Cursor::new(&mut bytes), image::ImageFormat::Png).unwrap();
    bytes
}
