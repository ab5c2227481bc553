//! [`AdminApi`] over the database itself: each method calls its one operation.

use async_trait::async_trait;

use super::{AdminApi, Identity, Stats};
use crate::{
    accounts::{
        model::{NewUser, Note, UserAction},
        summary::{UserFilter, UserSummary},
    },
    actor::Actor,
    app::App,
    base::{
        change::{Change, Changed},
        error::Result,
        ids::{AttemptId, JobId, MailId, MessageId, ReviewId, ThreadId, TokenId, UserId},
        page::{Page, PageRequest},
    },
    export::{self, Export},
    jobs::{
        self,
        model::{HistoryRow, JobDetail, JobFilter, JobSummary, StaffJobAction},
    },
    kyc::{
        self,
        model::{Decision, FileContent, FileKind, KycCase, KycFilter, KycSummary},
    },
    messaging::{
        self,
        model::{
            AccessReason, MessagePage, MessagesQuery, RemovalReason, StaffMessage, ThreadAction, ThreadFilter,
            ThreadInfo,
        },
    },
    operations,
    records::{
        audit::{self, AuditFilter, AuditHead, AuditRow, AuditVerification},
        events::{self, EventPage},
        mail::model::{MailFilter, MailSummary},
    },
    reviews::{
        self,
        model::{ReviewAction, ReviewDetail, ReviewFilter, ReviewSummary},
    },
    tokens::{
        self,
        model::{ApiToken, CreatedToken, NewToken, TokenFilter},
    },
    users::{
        self,
        model::{EndedSessions, PersonalData, UserDetail},
    },
};

/// The operations, as one actor.
#[derive(Debug, Clone)]
pub struct Direct {
    app: App,
    actor: Actor,
}

impl Direct {
    /// As `actor`, on an open marketplace.
    pub fn new(app: App, actor: Actor) -> Self {
        Self { app, actor }
    }
}

#[async_trait]
impl AdminApi for Direct {
    async fn whoami(&self) -> Result<Identity> {
        Ok(Identity::of(&self.actor))
    }
    async fn stats(&self) -> Result<Stats> {
        super::stats(&self.app, &self.actor).await
    }

    async fn kyc_list(&self, filter: &KycFilter, page: &PageRequest) -> Result<Page<KycSummary>> {
        kyc::list(&self.app.by(&self.actor), filter, page).await
    }
    async fn kyc_show(&self, id: AttemptId) -> Result<KycCase> {
        kyc::show(&self.app.by(&self.actor), id).await
    }
    async fn kyc_next(&self, change: &Change) -> Result<Option<KycCase>> {
        kyc::next(&self.app.by(&self.actor).with(change.clone())).await
    }
    async fn kyc_claim(&self, id: AttemptId, change: &Change) -> Result<Changed<KycCase>> {
        kyc::claim(&self.app.by(&self.actor).with(change.clone()), id).await
    }
    async fn kyc_release(&self, id: AttemptId, change: &Change) -> Result<Changed<KycCase>> {
        kyc::release(&self.app.by(&self.actor).with(change.clone()), id).await
    }
    async fn kyc_decide(&self, id: AttemptId, decision: &Decision, change: &Change) -> Result<Changed<KycCase>> {
        kyc::decide(&self.app.by(&self.actor).with(change.clone()), id, decision).await
    }
    async fn kyc_undo(&self, id: AttemptId, change: &Change) -> Result<Changed<KycCase>> {
        kyc::undo(&self.app.by(&self.actor).with(change.clone()), id).await
    }
    async fn kyc_file(&self, id: AttemptId, kind: FileKind) -> Result<FileContent> {
        kyc::file(&self.app.by(&self.actor), id, kind).await
    }

    async fn users_list(&self, filter: &UserFilter, page: &PageRequest) -> Result<Page<UserSummary>> {
        users::list(&self.app.by(&self.actor), filter, page).await
    }
    async fn users_show(&self, id: UserId) -> Result<UserDetail> {
        users::show(&self.app.by(&self.actor), id).await
    }
    async fn users_reveal(&self, id: UserId) -> Result<PersonalData> {
        users::reveal(&self.app.by(&self.actor), id).await
    }
    async fn users_export(&self, id: UserId) -> Result<Export> {
        export::of_user(&self.app.by(&self.actor), id).await
    }
    async fn users_create(&self, new: &NewUser, change: &Change) -> Result<Changed<UserDetail>> {
        users::create(&self.app.by(&self.actor).with(change.clone()), new).await
    }
    async fn users_act(&self, id: UserId, action: &UserAction, change: &Change) -> Result<Changed<UserDetail>> {
        users::act(&self.app.by(&self.actor).with(change.clone()), id, action).await
    }
    async fn users_note(&self, id: UserId, body: &str, change: &Change) -> Result<Changed<Note>> {
        users::note(&self.app.by(&self.actor).with(change.clone()), id, body).await
    }
    async fn users_notes(&self, id: UserId, page: &PageRequest) -> Result<Page<Note>> {
        users::notes(&self.app.by(&self.actor), id, page).await
    }

    async fn jobs_list(&self, filter: &JobFilter, page: &PageRequest) -> Result<Page<JobSummary>> {
        jobs::staff_list(&self.app.by(&self.actor), filter, page).await
    }
    async fn jobs_show(&self, id: JobId) -> Result<JobDetail> {
        jobs::staff_show(&self.app.by(&self.actor), id).await
    }
    async fn jobs_history(&self, id: JobId, page: &PageRequest) -> Result<Page<HistoryRow>> {
        jobs::staff_history(&self.app.by(&self.actor), id, page).await
    }
    async fn jobs_act(&self, id: JobId, action: &StaffJobAction, change: &Change) -> Result<Changed<JobDetail>> {
        jobs::staff_act(&self.app.by(&self.actor).with(change.clone()), id, action).await
    }

    async fn threads_list(&self, filter: &ThreadFilter, page: &PageRequest) -> Result<Page<ThreadInfo>> {
        messaging::staff_list(&self.app.by(&self.actor), filter, page).await
    }
    async fn threads_show(&self, id: ThreadId) -> Result<ThreadInfo> {
        messaging::staff_show(&self.app.by(&self.actor), id).await
    }
    async fn threads_messages(
        &self,
        id: ThreadId,
        reason: AccessReason,
        query: &MessagesQuery,
    ) -> Result<MessagePage<StaffMessage>> {
        messaging::staff_messages(&self.app.by(&self.actor), id, reason, query).await
    }
    async fn threads_act(&self, id: ThreadId, action: &ThreadAction, change: &Change) -> Result<Changed<ThreadInfo>> {
        messaging::staff_act(&self.app.by(&self.actor).with(change.clone()), id, action).await
    }
    async fn threads_notice(&self, id: ThreadId, content: &str, change: &Change) -> Result<Changed<StaffMessage>> {
        messaging::staff_notice(&self.app.by(&self.actor).with(change.clone()), id, content).await
    }
    async fn message_remove(
        &self,
        id: MessageId,
        reason: RemovalReason,
        change: &Change,
    ) -> Result<Changed<StaffMessage>> {
        messaging::staff_remove(&self.app.by(&self.actor).with(change.clone()), id, reason).await
    }

    async fn reviews_list(&self, filter: &ReviewFilter, page: &PageRequest) -> Result<Page<ReviewSummary>> {
        reviews::staff_list(&self.app.by(&self.actor), filter, page).await
    }
    async fn reviews_show(&self, id: ReviewId) -> Result<ReviewDetail> {
        reviews::staff_show(&self.app.by(&self.actor), id).await
    }
    async fn reviews_act(&self, id: ReviewId, action: &ReviewAction, change: &Change) -> Result<Changed<ReviewDetail>> {
        reviews::staff_act(&self.app.by(&self.actor).with(change.clone()), id, action).await
    }

    async fn audit_list(&self, filter: &AuditFilter, page: &PageRequest) -> Result<Page<AuditRow>> {
        audit::list(&self.app.by(&self.actor), filter, page).await
    }
    async fn audit_verify(&self, from: i64, limit: i64, expect: Option<&AuditHead>) -> Result<AuditVerification> {
        audit::verify(&self.app.by(&self.actor), from, limit, expect).await
    }

    async fn tokens_list(&self, filter: &TokenFilter, page: &PageRequest) -> Result<Page<ApiToken>> {
        tokens::list(&self.app.by(&self.actor), filter, page).await
    }
    async fn tokens_create(&self, new: &NewToken, change: &Change) -> Result<Changed<CreatedToken>> {
        tokens::create(&self.app.by(&self.actor).with(change.clone()), new).await
    }
    async fn tokens_revoke(&self, id: TokenId, change: &Change) -> Result<Changed<ApiToken>> {
        tokens::revoke(&self.app.by(&self.actor).with(change.clone()), id).await
    }

    async fn mail_list(&self, filter: &MailFilter, page: &PageRequest) -> Result<Page<MailSummary>> {
        operations::mail::list(&self.app.by(&self.actor), filter, page).await
    }
    async fn mail_retry(&self, id: MailId, change: &Change) -> Result<Changed<MailSummary>> {
        operations::mail::retry(&self.app.by(&self.actor).with(change.clone()), id).await
    }

    async fn sessions_end_all(&self, change: &Change) -> Result<EndedSessions> {
        users::end_all_sessions(&self.app.by(&self.actor).with(change.clone())).await
    }

    async fn events(&self, after: Option<&str>, limit: u16) -> Result<EventPage> {
        events::since(&self.app.by(&self.actor), after, limit).await
    }
}
