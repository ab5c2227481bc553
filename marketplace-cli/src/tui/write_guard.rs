//! The guard between the console and the system: refuses every changing call while the console is read-only or
//! disconnected, so that no code path can bypass it.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use async_trait::async_trait;
use marketplace_core::{
    accounts::{
        model::{NewUser, Note, UserAction},
        summary::{UserFilter, UserSummary},
    },
    admin::{AdminApi, Identity, Stats},
    audit::{AuditFilter, AuditHead, AuditRow, AuditVerification},
    base::change::{Change, Changed},
    error::{Error, ErrorCode, Result},
    events::EventPage,
    export::Export,
    ids::{AttemptId, JobId, MailId, MessageId, ReviewId, ThreadId, TokenId, UserId},
    jobs::model::{HistoryRow, JobDetail, JobFilter, JobSummary, StaffJobAction},
    kyc::model::{Decision, FileContent, FileKind, KycCase, KycFilter, KycSummary},
    mail::model::{MailFilter, MailSummary},
    messaging::model::{
        AccessReason, MessagePage, MessagesQuery, RemovalReason, StaffMessage, ThreadAction, ThreadFilter, ThreadInfo,
    },
    page::{Page, PageRequest},
    reviews::model::{ReviewAction, ReviewDetail, ReviewFilter, ReviewSummary},
    tokens::model::{ApiToken, CreatedToken, NewToken, TokenFilter},
    users::model::{EndedSessions, PersonalData, UserDetail},
};

/// Whether changes go through.
#[derive(Debug)]
pub struct Gate {
    read_only: bool,
    away: AtomicBool,
}

impl Gate {
    /// Open, unless read-only; the connection counts as there until it fails.
    pub fn new(read_only: bool) -> Self {
        Self { read_only, away: AtomicBool::new(false) }
    }
    /// Whether this console was started to look only.
    pub fn read_only(&self) -> bool {
        self.read_only
    }
    /// Whether the system cannot be reached.
    pub fn away(&self) -> bool {
        self.away.load(Ordering::Relaxed)
    }
    /// Says whether it can.
    pub fn set_away(&self, away: bool) {
        self.away.store(away, Ordering::Relaxed);
    }
    /// `Ok` when changes go through now.
    pub fn check(&self) -> Result<()> {
        if self.read_only {
            Err(Error::forbidden("this console is read-only: nothing was changed; start it without --read-only"))
        } else if self.away() {
            Err(Error::new(ErrorCode::Unavailable, "not connected: nothing was changed; it reconnects by itself"))
        } else {
            Ok(())
        }
    }
}

/// [`AdminApi`] behind a [`Gate`]. Looking at files and revealing personal data are reads, and audited as such.
#[derive(Debug)]
pub struct WriteGuard {
    inner: Arc<dyn AdminApi>,
    gate: Arc<Gate>,
}

impl WriteGuard {
    /// Behind that gate.
    pub fn new(inner: Arc<dyn AdminApi>, gate: Arc<Gate>) -> Self {
        Self { inner, gate }
    }
}

#[async_trait]
impl AdminApi for WriteGuard {
    async fn whoami(&self) -> Result<Identity> {
        self.inner.whoami().await
    }
    async fn stats(&self) -> Result<Stats> {
        self.inner.stats().await
    }
    async fn kyc_list(&self, filter: &KycFilter, page: &PageRequest) -> Result<Page<KycSummary>> {
        self.inner.kyc_list(filter, page).await
    }
    async fn kyc_show(&self, id: AttemptId) -> Result<KycCase> {
        self.inner.kyc_show(id).await
    }
    async fn kyc_next(&self, change: &Change) -> Result<Option<KycCase>> {
        self.gate.check()?;
        self.inner.kyc_next(change).await
    }
    async fn kyc_claim(&self, id: AttemptId, change: &Change) -> Result<Changed<KycCase>> {
        self.gate.check()?;
        self.inner.kyc_claim(id, change).await
    }
    async fn kyc_release(&self, id: AttemptId, change: &Change) -> Result<Changed<KycCase>> {
        self.gate.check()?;
        self.inner.kyc_release(id, change).await
    }
    async fn kyc_decide(&self, id: AttemptId, decision: &Decision, change: &Change) -> Result<Changed<KycCase>> {
        self.gate.check()?;
        self.inner.kyc_decide(id, decision, change).await
    }
    async fn kyc_undo(&self, id: AttemptId, change: &Change) -> Result<Changed<KycCase>> {
        self.gate.check()?;
        self.inner.kyc_undo(id, change).await
    }
    async fn kyc_file(&self, id: AttemptId, kind: FileKind) -> Result<FileContent> {
        self.inner.kyc_file(id, kind).await
    }
    async fn users_list(&self, filter: &UserFilter, page: &PageRequest) -> Result<Page<UserSummary>> {
        self.inner.users_list(filter, page).await
    }
    async fn users_show(&self, id: UserId) -> Result<UserDetail> {
        self.inner.users_show(id).await
    }
    async fn users_reveal(&self, id: UserId) -> Result<PersonalData> {
        self.inner.users_reveal(id).await
    }
    async fn users_export(&self, id: UserId) -> Result<Export> {
        self.inner.users_export(id).await
    }
    async fn users_create(&self, new: &NewUser, change: &Change) -> Result<Changed<UserDetail>> {
        self.gate.check()?;
        self.inner.users_create(new, change).await
    }
    async fn users_act(&self, id: UserId, action: &UserAction, change: &Change) -> Result<Changed<UserDetail>> {
        self.gate.check()?;
        self.inner.users_act(id, action, change).await
    }
    async fn users_note(&self, id: UserId, body: &str, change: &Change) -> Result<Changed<Note>> {
        self.gate.check()?;
        self.inner.users_note(id, body, change).await
    }
    async fn users_notes(&self, id: UserId, page: &PageRequest) -> Result<Page<Note>> {
        self.inner.users_notes(id, page).await
    }
    async fn jobs_list(&self, filter: &JobFilter, page: &PageRequest) -> Result<Page<JobSummary>> {
        self.inner.jobs_list(filter, page).await
    }
    async fn jobs_show(&self, id: JobId) -> Result<JobDetail> {
        self.inner.jobs_show(id).await
    }
    async fn jobs_history(&self, id: JobId, page: &PageRequest) -> Result<Page<HistoryRow>> {
        self.inner.jobs_history(id, page).await
    }
    async fn jobs_act(&self, id: JobId, action: &StaffJobAction, change: &Change) -> Result<Changed<JobDetail>> {
        self.gate.check()?;
        self.inner.jobs_act(id, action, change).await
    }
    async fn threads_list(&self, filter: &ThreadFilter, page: &PageRequest) -> Result<Page<ThreadInfo>> {
        self.inner.threads_list(filter, page).await
    }
    async fn threads_show(&self, id: ThreadId) -> Result<ThreadInfo> {
        self.inner.threads_show(id).await
    }
    async fn threads_messages(
        &self,
        id: ThreadId,
        reason: AccessReason,
        query: &MessagesQuery,
    ) -> Result<MessagePage<StaffMessage>> {
        self.inner.threads_messages(id, reason, query).await
    }
    async fn threads_act(&self, id: ThreadId, action: &ThreadAction, change: &Change) -> Result<Changed<ThreadInfo>> {
        self.gate.check()?;
        self.inner.threads_act(id, action, change).await
    }
    async fn threads_notice(&self, id: ThreadId, content: &str, change: &Change) -> Result<Changed<StaffMessage>> {
        self.gate.check()?;
        self.inner.threads_notice(id, content, change).await
    }
    async fn message_remove(
        &self,
        id: MessageId,
        reason: RemovalReason,
        change: &Change,
    ) -> Result<Changed<StaffMessage>> {
        self.gate.check()?;
        self.inner.message_remove(id, reason, change).await
    }
    async fn reviews_list(&self, filter: &ReviewFilter, page: &PageRequest) -> Result<Page<ReviewSummary>> {
        self.inner.reviews_list(filter, page).await
    }
    async fn reviews_show(&self, id: ReviewId) -> Result<ReviewDetail> {
        self.inner.reviews_show(id).await
    }
    async fn reviews_act(&self, id: ReviewId, action: &ReviewAction, change: &Change) -> Result<Changed<ReviewDetail>> {
        self.gate.check()?;
        self.inner.reviews_act(id, action, change).await
    }
    async fn audit_list(&self, filter: &AuditFilter, page: &PageRequest) -> Result<Page<AuditRow>> {
        self.inner.audit_list(filter, page).await
    }
    async fn audit_verify(&self, from: i64, limit: i64, expect: Option<&AuditHead>) -> Result<AuditVerification> {
        self.inner.audit_verify(from, limit, expect).await
    }
    async fn tokens_list(&self, filter: &TokenFilter, page: &PageRequest) -> Result<Page<ApiToken>> {
        self.inner.tokens_list(filter, page).await
    }
    async fn tokens_create(&self, new: &NewToken, change: &Change) -> Result<Changed<CreatedToken>> {
        self.gate.check()?;
        self.inner.tokens_create(new, change).await
    }
    async fn tokens_revoke(&self, id: TokenId, change: &Change) -> Result<Changed<ApiToken>> {
        self.gate.check()?;
        self.inner.tokens_revoke(id, change).await
    }
    async fn mail_list(&self, filter: &MailFilter, page: &PageRequest) -> Result<Page<MailSummary>> {
        self.inner.mail_list(filter, page).await
    }
    async fn mail_retry(&self, id: MailId, change: &Change) -> Result<Changed<MailSummary>> {
        self.gate.check()?;
        self.inner.mail_retry(id, change).await
    }
    async fn sessions_end_all(&self, change: &Change) -> Result<EndedSessions> {
        self.gate.check()?;
        self.inner.sessions_end_all(change).await
    }
    async fn events(&self, after: Option<&str>, limit: u16) -> Result<EventPage> {
        self.inner.events(after, limit).await
    }
}
