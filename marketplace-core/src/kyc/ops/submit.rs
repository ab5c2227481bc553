//! The worker's side: submit documents, and see the state of the check.

use super::{SHOWN, account, due, lock_account, review::open, set_standing};
use crate::{
    accounts::model::{Account, Status},
    app::App,
    base::{
        error::{Error, ErrorCode, Result},
        ids::{AttemptId, UserId},
        permission::Permission,
        time::Timestamp,
    },
    kyc::{
        attempt::UserKyc,
        model::{DocumentType, FileContent, FileInfo, FileKind, OwnAttempt, OwnKyc},
        status::KycStatus,
        store::{self, NewAttempt, NewFile},
    },
    operation::Operation,
    platform::{
        db::Conn,
        files::{FileFacts, Sealed},
        limiter::Turn,
    },
    records::{
        events::{self, EventKind},
        series::{self, Happened, SeriesKind},
    },
};

/// The documents that a worker submits. The files' memory is used until they are stored: nothing is copied.
pub struct Submission {
    /// The type of the document.
    pub document_type: DocumentType,
    /// JPEG, PNG, WebP or PDF; at most 10 MiB.
    pub document: Vec<u8>,
    /// JPEG, PNG or WebP; at most 10 MiB.
    pub selfie: Vec<u8>,
}

impl std::fmt::Debug for Submission {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (document, selfie) = (self.document.len(), self.selfie.len());
        write!(f, "Submission({}, {document} and {selfie} bytes)", self.document_type)
    }
}

/// Waits for a turn to submit files. It is acquired once they have arrived ([`Spool`](crate::platform::files::Spool)), before
/// they are in memory, and held until [`submit`] has returned, as it bounds the memory of all uploads together. Accounts take
/// turns.
///
/// # Errors
/// `busy` when too many are waiting already.
pub async fn submit_permit(op: &Operation) -> Result<Turn<Option<UserId>>> {
    op.uploads.take(op.actor().user_id(), "too many files are being submitted; try again in a moment").await
}

/// Submits a new attempt.
///
/// # Errors
/// `forbidden` unless an active worker; `conflict` with the current state unless a new attempt may be submitted; for
/// the files see [`inspect`](crate::platform::files::inspect()).
pub async fn submit(op: &Operation, submission: Submission) -> Result<OwnKyc> {
    let user = op.actor().require_own(Permission::OwnKyc)?.account.id;
    let mut reader = op.db.read().await?;
    // Before the work; and again in the transaction.
    check_may_submit(&account(&mut reader.conn(), user).await?, op)?;
    drop(reader);

    let (document_facts, document) = op.files.inspected(FileKind::Document, submission.document).await?;
    let (selfie_facts, selfie) = op.files.inspected(FileKind::Selfie, submission.selfie).await?;

    let id = AttemptId::new(op.now(), op.random.as_ref());
    let both = vec![(FileKind::Document.as_str(), document), (FileKind::Selfie.as_str(), selfie)];
    let Sealed { wrapped_key, object_keys } = op.files.put_sealed(&op.keys, &op.random, id.into(), both).await?;
    let infos = [info(FileKind::Document, &document_facts), info(FileKind::Selfie, &selfie_facts)];
    let new = NewAttempt {
        id,
        user_id: user,
        document_type: submission.document_type,
        submitted_at: op.now(),
        wrapped_key,
        files: object_keys.iter().cloned().zip(infos).map(|(object_key, info)| NewFile { object_key, info }).collect(),
    };
    if let Err(error) = store_attempt(op, new).await {
        // After a refusal the files are nobody's. After a lost connection the commit may have gone through: then the
        // sweep of objects without a row decides.
        if !matches!(error.code(), ErrorCode::Unavailable | ErrorCode::Internal) {
            op.files.discard(object_keys);
        }
        return Err(error);
    }
    own_of(op, user).await
}

async fn store_attempt(app: &App, new: NewAttempt) -> Result<()> {
    Operation::system(app)
        .write(unit!(|op, conn| {
            let now = new.submitted_at;
            // Two submissions of one worker take turns here: the second finds the first.
            let account = lock_account(conn, new.user_id).await?;
            check_may_submit(&account, &op)?;
            due::expire(&op, conn, &account).await?;
            store::insert(conn, &new).await?;
            let waiting =
                UserKyc { status: KycStatus::Pending, prior: KycStatus::Pending, effective_at: None, expires_at: None };
            set_standing(conn, new.user_id, waiting, now).await?;
            series::count(conn, SeriesKind::KycSubmitted, Happened::now(now, new.id.0)).await?;
            events::append(&op, conn, EventKind::KycSubmitted, &new.id.to_string(), Some(new.user_id)).await
        }))
        .await
}

fn check_may_submit(account: &Account, app: &App) -> Result<()> {
    if account.status != Status::Active {
        return Err(Error::forbidden(format!("a {} account cannot submit documents", account.status)));
    }
    let status = account.visible_kyc(app.now());
    if status.may_submit() {
        return Ok(());
    }
    let why = match status {
        KycStatus::Approved => "your identity is confirmed already",
        KycStatus::Rejected => "the decision on your identity is final",
        _ => "your documents are being checked already",
    };
    Err(Error::conflict(why, serde_json::json!({ "status": status })))
}

/// Returns the caller's own identity check, without decisions that can still be undone, reviewers and internal notes.
///
/// # Errors
/// `forbidden` for a caller without an account of their own.
pub async fn own(op: &Operation) -> Result<OwnKyc> {
    own_of(op, op.actor().require_own(Permission::OwnKyc)?.account.id).await
}

/// An attempt as it stands in its subject's export.
#[derive(Debug, Clone, serde::Serialize)]
pub(crate) struct Submitted {
    /// The attempt and its outcome.
    #[serde(flatten)]
    pub attempt: OwnAttempt,
    /// The files, as far as they are still kept.
    pub files: Vec<FileInfo>,
}

/// Returns everything that a user submitted, newest first.
pub(crate) async fn submitted(conn: &mut Conn<'_>, now: Timestamp, user: UserId) -> Result<Vec<Submitted>> {
    /// More than anybody submits.
    const ALL: i64 = 1_000;
    let mut all = Vec::new();
    for attempt in store::of_user(conn, user, ALL).await? {
        all.push(Submitted { attempt: attempt.own(now), files: store::files(conn, attempt.id).await? });
    }
    Ok(all)
}

/// Returns a file of an attempt, for its subject: the caller has checked that it is theirs, and has audited it. None when
/// the file is no longer kept.
pub(crate) async fn submitted_file(app: &App, id: AttemptId, kind: FileKind) -> Result<Option<FileContent>> {
    let mut reader = app.db.read().await?;
    let stored = store::stored_file(&mut reader.conn(), id, kind).await?;
    drop(reader);
    let Some(mut stored) = stored else { return Ok(None) };
    let Some(wrapped_key) = stored.wrapped_key.take() else { return Ok(None) };
    open(app, id, kind, stored, &wrapped_key).await.map(Some)
}

async fn own_of(app: &App, user: UserId) -> Result<OwnKyc> {
    let now = app.now();
    let mut reader = app.db.read().await?;
    let mut conn = reader.conn();
    let account = account(&mut conn, user).await?;
    let status = account.visible_kyc(now);
    let mut attempts: Vec<_> =
        store::of_user(&mut conn, user, SHOWN).await?.iter().map(|attempt| attempt.own(now)).collect();
    // An approval ends with its time, whether or not the timer has run.
    if let (KycStatus::Expired, Some(newest)) = (status, attempts.first_mut())
        && newest.status == KycStatus::Approved
    {
        newest.status = KycStatus::Expired;
    }
    Ok(OwnKyc { status, may_submit: status.may_submit() && account.status == Status::Active, attempts })
}

fn info(kind: FileKind, facts: &FileFacts) -> FileInfo {
    FileInfo {
        kind,
        media_type: facts.media_type.to_owned(),
        size: i64::try_from(facts.length).unwrap_or(i64::MAX),
        width: facts.width.map(i64::from),
        height: facts.height.map(i64::from),
    }
}
