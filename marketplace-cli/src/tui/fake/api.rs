//! The calls.

use std::fmt::Write as _;

use async_trait::async_trait;
use marketplace_core::{
    accounts::{
        model::{NewUser, Note, Status, UserAction},
        summary::{StatusCount, UserFilter, UserSummary},
    },
    admin::{AdminApi, Identity, Stats},
    audit::{AuditFilter, AuditHead, AuditRow, AuditVerification},
    base::{
        change::{Change, Changed},
        count::Count,
        permission::{Permission, permissions},
        principal::Principal,
    },
    error::{Error, Result},
    events::EventPage,
    export::Export,
    ids::{AttemptId, JobId, MailId, MessageId, NoteId, ReviewId, ThreadId, TokenId, UserId},
    jobs::model::{HistoryRow, JobCount, JobDetail, JobFilter, JobStatus, JobSummary, StaffJobAction},
    kyc::{
        model::{Decision, DecisionKind, DecisionMade, FileContent, FileKind, KycCase, KycFilter, KycSummary, UNDO},
        status::KycStatus,
    },
    mail::model::{MailFilter, MailSummary},
    messaging::model::{
        AccessReason, MessagePage, MessagesQuery, RemovalReason, StaffMessage, ThreadAction, ThreadFilter, ThreadInfo,
    },
    page::{Page, PageRequest},
    reviews::model::{ReviewAction, ReviewDetail, ReviewFilter, ReviewSummary},
    tokens::model::{ApiToken, CreatedToken, NewToken, TokenFilter},
    users::model::{EndedSessions, PersonalData, UserDetail},
};

use super::{Fake, data::picture, number, page};

#[async_trait]
impl AdminApi for Fake {
    async fn whoami(&self) -> Result<Identity> {
        self.enter("whoami", Permission::StatsRead, None).await?;
        let role = self.state().role;
        Ok(Identity {
            principal: Principal("local:sam@desk".into()),
            name: "sam@desk".into(),
            role,
            permissions: permissions(role).to_vec(),
            token_id: None,
            expires_at: None,
        })
    }
    async fn stats(&self) -> Result<Stats> {
        let at = self.enter("stats", Permission::StatsRead, None).await?;
        let state = self.state();
        let count = |rows: usize| Count::bounded(i64::try_from(rows).unwrap());
        let open = || state.cases.iter().filter(|case| case.attempt.status.is_open());
        let users = Status::ALL.iter().map(|status| StatusCount {
            status: *status,
            count: count(state.users.iter().filter(|user| user.user.status == *status).count()),
        });
        Ok(Stats {
            at,
            kyc_pending: count(open().count()),
            kyc_in_review: count(open().filter(|case| case.attempt.claim.is_some()).count()),
            kyc_oldest_at: open().map(|case| case.attempt.submitted_at).min(),
            kyc_decided_24h: count(31),
            users: users.collect(),
            signups_24h: count(7),
            services_visible: Count::bounded(10_001),
            jobs: JobStatus::ALL
                .iter()
                .map(|status| JobCount {
                    status: *status,
                    count: count(state.jobs.iter().filter(|job| job.job.status == *status).count()),
                })
                .collect(),
            messages_1h: count(1_204),
            reviews_flagged: count(state.reviews.iter().filter(|review| review.review.flags > 0).count()),
            mails_waiting: count(0),
            audit_seq: 40,
        })
    }
    async fn kyc_list(&self, filter: &KycFilter, request: &PageRequest) -> Result<Page<KycSummary>> {
        self.enter("kyc_list", Permission::KycRead, None).await?;
        let state = self.state();
        let rows = state.cases.iter().map(|case| &case.attempt).filter(|row| {
            let status = match filter.status {
                None => row.status.is_open(),
                Some(status) => row.status == status,
            };
            status
                && filter.document_type.is_none_or(|kind| kind == row.document_type)
                && filter.user_id.is_none_or(|user| user == row.user_id)
        });
        Ok(page(rows.cloned().collect(), request))
    }
    async fn kyc_show(&self, id: AttemptId) -> Result<KycCase> {
        self.enter("kyc_show", Permission::KycRead, None).await?;
        self.state().case(id).cloned()
    }
    async fn kyc_next(&self, _change: &Change) -> Result<Option<KycCase>> {
        let now = self.enter("kyc_next", Permission::KycWrite, Some("next".into())).await?;
        let mut state = self.state();
        let free = state.cases.iter().find(|case| {
            case.attempt.status.is_open() && case.attempt.claim.as_ref().is_none_or(|claim| claim.expires_at <= now)
        });
        let Some(id) = free.map(|case| case.attempt.id) else { return Ok(None) };
        state.claim(id, now).map(Some)
    }
    async fn kyc_claim(&self, id: AttemptId, _change: &Change) -> Result<Changed<KycCase>> {
        let call = format!("claim {}", number(id.0));
        let now = self.enter("kyc_claim", Permission::KycWrite, Some(call)).await?;
        Ok(Changed { changed: true, item: self.state().claim(id, now)? })
    }
    async fn kyc_release(&self, id: AttemptId, _change: &Change) -> Result<Changed<KycCase>> {
        self.enter("kyc_release", Permission::KycWrite, Some(format!("release {}", number(id.0)))).await?;
        let mut state = self.state();
        let case = state.case(id)?;
        case.attempt.claim = None;
        case.attempt.status = KycStatus::Pending;
        Ok(Changed { changed: true, item: case.clone() })
    }
    async fn kyc_decide(&self, id: AttemptId, decision: &Decision, change: &Change) -> Result<Changed<KycCase>> {
        let reasons: Vec<_> = decision.reasons.iter().map(|reason| reason.as_str()).collect();
        let mut call = format!("{} {} [{}]", decision.kind, number(id.0), reasons.join(" "));
        for text in [&decision.comment, &change.note].into_iter().flatten() {
            let _ = write!(call, " {text:?}");
        }
        let now = self.enter("kyc_decide", Permission::KycWrite, Some(call)).await?;
        let decision = decision.clone().checked()?;
        let mut state = self.state();
        if decision.kind != DecisionKind::Revoke && decision.fence.is_none() {
            state.claim(id, now)?;
        }
        let case = state.case(id)?;
        let holds = case.attempt.claim.as_ref().is_some_and(|claim| claim.mine);
        if decision.kind != DecisionKind::Revoke && !holds {
            return Err(Error::conflict("Lea is looking at it", &case.attempt.claim));
        }
        case.attempt.status = decision.kind.status();
        case.attempt.claim = None;
        case.attempt.version += 1;
        case.decision = Some(DecisionMade {
            status: decision.kind.status(),
            reasons: decision.reasons,
            comment: decision.comment,
            note: change.note.clone(),
            by: Principal("local:sam@desk".into()),
            at: now,
            undo_until: now + UNDO,
        });
        Ok(Changed { changed: true, item: case.clone() })
    }
    async fn kyc_undo(&self, id: AttemptId, _change: &Change) -> Result<Changed<KycCase>> {
        let now = self.enter("kyc_undo", Permission::KycWrite, Some(format!("undo {}", number(id.0)))).await?;
        let mut state = self.state();
        let case = state.case(id)?;
        if case.decision.take_if(|decision| now < decision.undo_until).is_none() {
            return Err(Error::conflict("too late", ()));
        }
        case.attempt.status = KycStatus::Pending;
        Ok(Changed { changed: true, item: state.claim(id, now)? })
    }
    async fn kyc_file(&self, id: AttemptId, kind: FileKind) -> Result<FileContent> {
        self.enter("kyc_file", Permission::KycRead, Some(format!("view {kind} of {}", number(id.0)))).await?;
        let media_type = if kind == FileKind::Document { self.state().document } else { "image/png" };
        Ok(FileContent { media_type: media_type.into(), bytes: picture(kind).into() })
    }
    async fn users_list(&self, filter: &UserFilter, request: &PageRequest) -> Result<Page<UserSummary>> {
        self.enter("users_list", Permission::UsersRead, None).await?;
        let state = self.state();
        let rows = state.users.iter().map(|user| &user.user).filter(|user| {
            filter.status.is_none_or(|status| status == user.status)
                && filter.role.is_none_or(|role| role == user.role)
                && filter.q.as_ref().is_none_or(|q| {
                    user.id.to_string() == *q || user.name.to_lowercase().starts_with(&q.to_lowercase())
                })
        });
        Ok(page(rows.cloned().collect(), request))
    }
    async fn users_show(&self, id: UserId) -> Result<UserDetail> {
        self.enter("users_show", Permission::UsersRead, None).await?;
        self.state().user(id).cloned()
    }
    async fn users_reveal(&self, id: UserId) -> Result<PersonalData> {
        self.enter("users_reveal", Permission::UsersReveal, Some(format!("reveal {}", number(id.0)))).await?;
        Ok(PersonalData {
            id,
            name: "Ada Obi".into(),
            email: "ada@mail.example.org".into(),
            phone: Some("+442071838750".into()),
        })
    }
    async fn users_export(&self, _id: UserId) -> Result<Export> {
        Err(Error::forbidden("the console saves no archives"))
    }
    async fn users_create(&self, _new: &NewUser, _change: &Change) -> Result<Changed<UserDetail>> {
        Err(Error::forbidden("the console makes no users"))
    }
    async fn users_act(&self, id: UserId, action: &UserAction, change: &Change) -> Result<Changed<UserDetail>> {
        let mut call = format!("{} {}", action.name(), number(id.0));
        if let UserAction::SetRole { role } = action {
            let _ = write!(call, " {role}");
        }
        if let Some(reason) = change.reason {
            let _ = write!(call, " {reason}");
        }
        if let Some(note) = &change.note {
            let _ = write!(call, " {note:?}");
        }
        self.enter("users_act", Permission::UsersWrite, Some(call)).await?;
        let mut state = self.state();
        let user = state.user(id)?;
        if change.if_version.is_some_and(|version| version != user.user.version) {
            return Err(Error::stale(user.user.version));
        }
        let before = user.user.clone();
        match action {
            UserAction::Freeze => user.user.status = Status::Frozen,
            UserAction::Ban => user.user.status = Status::Banned,
            UserAction::Delete => user.user.status = Status::Deleted,
            UserAction::Unfreeze | UserAction::Unban => user.user.status = Status::Active,
            UserAction::SetRole { role } => user.user.role = *role,
            UserAction::RevokeSessions => user.sessions = 0,
            UserAction::ResetTotp => {}
        }
        let changed = user.user != before;
        user.user.version += i64::from(changed);
        Ok(Changed { changed, item: user.clone() })
    }
    async fn users_note(&self, id: UserId, body: &str, _change: &Change) -> Result<Changed<Note>> {
        let call = format!("note {} {body:?}", number(id.0));
        let now = self.enter("users_note", Permission::UsersWrite, Some(call)).await?;
        let mut state = self.state();
        state.notes += 1;
        let note = Note {
            id: NoteId(super::id(3, state.notes)),
            author: Principal("local:sam@desk".into()),
            body: body.into(),
            created_at: now,
        };
        state.user(id)?.notes.insert(0, note.clone());
        Ok(Changed { changed: true, item: note })
    }
    async fn users_notes(&self, id: UserId, request: &PageRequest) -> Result<Page<Note>> {
        self.enter("users_notes", Permission::UsersRead, None).await?;
        Ok(page(self.state().user(id)?.notes.clone(), request))
    }
    async fn jobs_list(&self, filter: &JobFilter, request: &PageRequest) -> Result<Page<JobSummary>> {
        self.enter("jobs_list", Permission::JobsRead, None).await?;
        Ok(page(self.state().jobs_matching(filter), request))
    }
    async fn jobs_show(&self, id: JobId) -> Result<JobDetail> {
        self.enter("jobs_show", Permission::JobsRead, None).await?;
        self.state().job(id).cloned()
    }
    async fn jobs_history(&self, id: JobId, request: &PageRequest) -> Result<Page<HistoryRow>> {
        self.enter("jobs_history", Permission::JobsRead, None).await?;
        Ok(page(self.state().job(id)?.history.clone(), request))
    }
    async fn jobs_act(&self, id: JobId, action: &StaffJobAction, change: &Change) -> Result<Changed<JobDetail>> {
        let mut call = match action {
            StaffJobAction::Cancel { reason } => format!("cancel {} {reason}", number(id.0)),
            StaffJobAction::Finalize => format!("finalize {}", number(id.0)),
        };
        noted(&mut call, change);
        let now = self.enter("jobs_act", Permission::JobsWrite, Some(call)).await?;
        self.state().act_on_job(id, action, change, now)
    }
    async fn threads_list(&self, filter: &ThreadFilter, request: &PageRequest) -> Result<Page<ThreadInfo>> {
        self.enter("threads_list", Permission::ThreadsRead, None).await?;
        Ok(page(self.state().threads_matching(filter), request))
    }
    async fn threads_show(&self, id: ThreadId) -> Result<ThreadInfo> {
        self.enter("threads_show", Permission::ThreadsRead, None).await?;
        self.state().thread(id).cloned()
    }
    async fn threads_messages(
        &self,
        id: ThreadId,
        reason: AccessReason,
        query: &MessagesQuery,
    ) -> Result<MessagePage<StaffMessage>> {
        let from = match (query.after_seq, query.before_seq) {
            (Some(after), _) => format!(" after {after}"),
            (None, Some(before)) => format!(" before {before}"),
            (None, None) => String::new(),
        };
        let call = format!("view {} for {reason}{from}", number(id.0));
        self.enter("threads_messages", Permission::ThreadsRead, Some(call)).await?;
        self.state().messages_of(id, query)
    }
    async fn threads_act(&self, id: ThreadId, action: &ThreadAction, change: &Change) -> Result<Changed<ThreadInfo>> {
        let mut call = match action {
            ThreadAction::Close { reason } => format!("close {} {reason}", number(id.0)),
            ThreadAction::Reopen => format!("reopen {}", number(id.0)),
        };
        noted(&mut call, change);
        self.enter("threads_act", Permission::ThreadsWrite, Some(call)).await?;
        self.state().act_on_thread(id, action, change)
    }
    async fn threads_notice(&self, id: ThreadId, content: &str, _change: &Change) -> Result<Changed<StaffMessage>> {
        let call = format!("notice {} {content:?}", number(id.0));
        let now = self.enter("threads_notice", Permission::ThreadsWrite, Some(call)).await?;
        Ok(Changed { changed: true, item: self.state().notice(id, content, now)? })
    }
    async fn message_remove(
        &self,
        id: MessageId,
        reason: RemovalReason,
        change: &Change,
    ) -> Result<Changed<StaffMessage>> {
        let mut call = format!("remove message {} {reason}", number(id.0));
        noted(&mut call, change);
        self.enter("message_remove", Permission::ThreadsWrite, Some(call)).await?;
        self.state().remove_message(id, reason)
    }
    async fn reviews_list(&self, filter: &ReviewFilter, request: &PageRequest) -> Result<Page<ReviewSummary>> {
        self.enter("reviews_list", Permission::ReviewsRead, None).await?;
        Ok(page(self.state().reviews_matching(filter), request))
    }
    async fn reviews_show(&self, id: ReviewId) -> Result<ReviewDetail> {
        self.enter("reviews_show", Permission::ReviewsRead, None).await?;
        self.state().review(id).cloned()
    }
    async fn reviews_act(&self, id: ReviewId, action: &ReviewAction, change: &Change) -> Result<Changed<ReviewDetail>> {
        let mut call = match action {
            ReviewAction::Dismiss => format!("dismiss {}", number(id.0)),
            ReviewAction::Remove { reason } => format!("remove {} {reason}", number(id.0)),
            ReviewAction::Restore => format!("restore {}", number(id.0)),
        };
        noted(&mut call, change);
        let now = self.enter("reviews_act", Permission::ReviewsWrite, Some(call)).await?;
        self.state().act_on_review(id, action, change, now)
    }
    async fn audit_list(&self, filter: &AuditFilter, request: &PageRequest) -> Result<Page<AuditRow>> {
        self.enter("audit_list", Permission::AuditRead, None).await?;
        let state = self.state();
        let rows = state.audit.iter().rev().filter(|row| {
            filter.actor.as_ref().is_none_or(|actor| *actor == row.actor)
                && filter.action.as_ref().is_none_or(|action| *action == row.action)
                && filter.target.as_ref().is_none_or(|target| *target == row.target)
        });
        Ok(page(rows.cloned().collect(), request))
    }
    async fn audit_verify(&self, _: i64, _: i64, _: Option<&AuditHead>) -> Result<AuditVerification> {
        Err(Error::forbidden("the console verifies nothing"))
    }
    // No screen works with tokens.
    async fn tokens_list(&self, _: &TokenFilter, _: &PageRequest) -> Result<Page<ApiToken>> {
        self.enter("tokens_list", Permission::TokensRead, None).await?;
        Ok(Page { items: Vec::new(), next: None })
    }
    async fn tokens_create(&self, _: &NewToken, _: &Change) -> Result<Changed<CreatedToken>> {
        self.enter("tokens_create", Permission::TokensWrite, None).await?;
        Err(Error::not_found("user"))
    }
    async fn tokens_revoke(&self, _: TokenId, _: &Change) -> Result<Changed<ApiToken>> {
        self.enter("tokens_revoke", Permission::TokensWrite, None).await?;
        Err(Error::not_found("token"))
    }
    // Nor with mails.
    async fn mail_list(&self, _: &MailFilter, _: &PageRequest) -> Result<Page<MailSummary>> {
        self.enter("mail_list", Permission::UsersRead, None).await?;
        Ok(Page { items: Vec::new(), next: None })
    }
    async fn mail_retry(&self, _: MailId, _: &Change) -> Result<Changed<MailSummary>> {
        self.enter("mail_retry", Permission::UsersWrite, None).await?;
        Err(Error::not_found("mail"))
    }

    async fn sessions_end_all(&self, change: &Change) -> Result<EndedSessions> {
        self.enter("sessions_end_all", Permission::UsersAdmin, Some(format!("{:?}", change.reason))).await?;
        Ok(EndedSessions { sessions: 0, tokens: 0 })
    }
    async fn events(&self, after: Option<&str>, _limit: u16) -> Result<EventPage> {
        self.enter("events", Permission::StatsRead, None).await?;
        let state = self.state();
        let from = after.map_or(state.events.len(), |after| after.parse().unwrap());
        Ok(EventPage { items: state.events[from..].to_vec(), cursor: state.events.len().to_string() })
    }
}

fn noted(call: &mut String, change: &Change) {
    if let Some(note) = &change.note {
        let _ = write!(call, " {note:?}");
    }
}
