//! What an operator can do, as one trait with two implementations: [`Direct`] over the database, and the command line's
//! `Remote` over HTTP. Both answer the same, with the same errors; the contract suite in `tests/` runs every method over both.
//!
//! To add an operation: write it in the feature's `ops.rs`, add a method here, call the operation in [`Direct`], add the
//! route in the server and the call in `Remote`, then a case in the contract suite.

mod direct;
mod stats;
mod types;

pub use direct::Direct;
pub use stats::stats;
pub use types::*;

use async_trait::async_trait;

use crate::{
    accounts::{
        model::{NewUser, Note, UserAction},
        summary::{UserFilter, UserSummary},
    },
    base::{
        change::{Change, Changed},
        error::Result,
        ids::{AttemptId, JobId, MailId, MessageId, ReviewId, ThreadId, TokenId, UserId},
        page::{Page, PageRequest},
    },
    export::Export,
    jobs::model::{HistoryRow, JobDetail, JobFilter, JobSummary, StaffJobAction},
    kyc::model::{Decision, FileContent, FileKind, KycCase, KycFilter, KycSummary},
    messaging::model::{
        AccessReason, MessagePage, MessagesQuery, RemovalReason, StaffMessage, ThreadAction, ThreadFilter, ThreadInfo,
    },
    records::{
        audit::{AuditFilter, AuditHead, AuditRow, AuditVerification},
        events::EventPage,
        mail::model::{MailFilter, MailSummary},
    },
    reviews::model::{ReviewAction, ReviewDetail, ReviewFilter, ReviewSummary},
    tokens::model::{ApiToken, CreatedToken, NewToken, TokenFilter},
    users::model::{EndedSessions, PersonalData, UserDetail},
};

/// Everything that staff can do, whichever way they came in.
#[async_trait]
pub trait AdminApi: Send + Sync + std::fmt::Debug {
    /// As whom the calls are made, and what they may do.
    async fn whoami(&self) -> Result<Identity>;
    /// The dashboard's numbers.
    async fn stats(&self) -> Result<Stats>;

    /// The queue, oldest first; decided attempts newest first when a decided status is asked for.
    async fn kyc_list(&self, filter: &KycFilter, page: &PageRequest) -> Result<Page<KycSummary>>;
    /// One attempt with all that is needed to decide. Renews the caller's own claim.
    async fn kyc_show(&self, id: AttemptId) -> Result<KycCase>;
    /// Claims the oldest attempt that nobody holds; none when the queue is empty.
    async fn kyc_next(&self, change: &Change) -> Result<Option<KycCase>>;
    /// Claims an attempt, or renews the caller's claim (the fencing number stays).
    async fn kyc_claim(&self, id: AttemptId, change: &Change) -> Result<Changed<KycCase>>;
    /// Gives the caller's claim back to the queue.
    async fn kyc_release(&self, id: AttemptId, change: &Change) -> Result<Changed<KycCase>>;
    /// Approves, asks again, rejects or revokes. The change's note is the internal one.
    async fn kyc_decide(&self, id: AttemptId, decision: &Decision, change: &Change) -> Result<Changed<KycCase>>;
    /// Takes the caller's own decision back, within 10 s of it.
    async fn kyc_undo(&self, id: AttemptId, change: &Change) -> Result<Changed<KycCase>>;
    /// One file, decrypted. Audited before the first byte leaves.
    async fn kyc_file(&self, id: AttemptId, kind: FileKind) -> Result<FileContent>;

    /// Users, newest first; with `q`, ordered by what matched. Masked unless the filter says `reveal` (audited).
    async fn users_list(&self, filter: &UserFilter, page: &PageRequest) -> Result<Page<UserSummary>>;
    /// One user, masked.
    async fn users_show(&self, id: UserId) -> Result<UserDetail>;
    /// One user's personal data in full. Audited.
    async fn users_reveal(&self, id: UserId) -> Result<PersonalData>;
    /// Everything that is stored of one user, as a ZIP archive. Audited before the first byte.
    async fn users_export(&self, id: UserId) -> Result<Export>;
    /// A new account of any role; its owner sets the password through a mail.
    async fn users_create(&self, new: &NewUser, change: &Change) -> Result<Changed<UserDetail>>;
    /// Freezes, bans, deletes, and so on.
    async fn users_act(&self, id: UserId, action: &UserAction, change: &Change) -> Result<Changed<UserDetail>>;
    /// Writes a note on a user.
    async fn users_note(&self, id: UserId, body: &str, change: &Change) -> Result<Changed<Note>>;
    /// The notes on a user, newest first.
    async fn users_notes(&self, id: UserId, page: &PageRequest) -> Result<Page<Note>>;

    /// Jobs, newest first.
    async fn jobs_list(&self, filter: &JobFilter, page: &PageRequest) -> Result<Page<JobSummary>>;
    /// One job, with its offers and its history.
    async fn jobs_show(&self, id: JobId) -> Result<JobDetail>;
    /// A job's history, oldest first.
    async fn jobs_history(&self, id: JobId, page: &PageRequest) -> Result<Page<HistoryRow>>;
    /// Cancels or finalizes a job. The change's note stands in the history, for staff only.
    async fn jobs_act(&self, id: JobId, action: &StaffJobAction, change: &Change) -> Result<Changed<JobDetail>>;

    /// Threads, newest activity first, without their content.
    async fn threads_list(&self, filter: &ThreadFilter, page: &PageRequest) -> Result<Page<ThreadInfo>>;
    /// One thread, without its content.
    async fn threads_show(&self, id: ThreadId) -> Result<ThreadInfo>;
    /// A thread's content. Audited, once per thread, reason and ten minutes.
    async fn threads_messages(
        &self,
        id: ThreadId,
        reason: AccessReason,
        query: &MessagesQuery,
    ) -> Result<MessagePage<StaffMessage>>;
    /// Closes or reopens a thread.
    async fn threads_act(&self, id: ThreadId, action: &ThreadAction, change: &Change) -> Result<Changed<ThreadInfo>>;
    /// Posts a notice that the two see.
    async fn threads_notice(&self, id: ThreadId, content: &str, change: &Change) -> Result<Changed<StaffMessage>>;
    /// Takes a message from the two's view; staff still see it.
    async fn message_remove(
        &self,
        id: MessageId,
        reason: RemovalReason,
        change: &Change,
    ) -> Result<Changed<StaffMessage>>;

    /// Reviews, newest first; flagged ones longest waiting first.
    async fn reviews_list(&self, filter: &ReviewFilter, page: &PageRequest) -> Result<Page<ReviewSummary>>;
    /// One review, with its flags.
    async fn reviews_show(&self, id: ReviewId) -> Result<ReviewDetail>;
    /// Dismisses flags, removes or restores.
    async fn reviews_act(&self, id: ReviewId, action: &ReviewAction, change: &Change) -> Result<Changed<ReviewDetail>>;

    /// The audit log, newest first.
    async fn audit_list(&self, filter: &AuditFilter, page: &PageRequest) -> Result<Page<AuditRow>>;
    /// Recomputes part of the chain, up to `limit` rows from row `from` on; call again from `next`. `expect` is a head of before.
    async fn audit_verify(&self, from: i64, limit: i64, expect: Option<&AuditHead>) -> Result<AuditVerification>;

    /// Tokens for scripts, newest first; never their secrets.
    async fn tokens_list(&self, filter: &TokenFilter, page: &PageRequest) -> Result<Page<ApiToken>>;
    /// Makes a token. Its secret is in this answer and never again.
    async fn tokens_create(&self, new: &NewToken, change: &Change) -> Result<Changed<CreatedToken>>;
    /// Ends a token at once.
    async fn tokens_revoke(&self, id: TokenId, change: &Change) -> Result<Changed<ApiToken>>;

    /// Mails that wait or could not be sent, newest first; addresses are masked.
    async fn mail_list(&self, filter: &MailFilter, page: &PageRequest) -> Result<Page<MailSummary>>;
    /// Has a mail tried again now, whose last try failed.
    async fn mail_retry(&self, id: MailId, change: &Change) -> Result<Changed<MailSummary>>;

    /// Ends every session and every token for scripts of everybody, the caller's too. Needs a reason.
    async fn sessions_end_all(&self, change: &Change) -> Result<EndedSessions>;

    /// Events after a cursor, oldest first; without a cursor, none but the newest cursor.
    async fn events(&self, after: Option<&str>, limit: u16) -> Result<EventPage>;
}
