//! Who and what is refused.

use marketplace_core::staff::{
    self, AfterQuery, AssignReport, AssignReportInput, ClaimAttempt, ClaimNextAttempt, ClaimNextReport, ClaimReport,
    CloseService, Connection, CreateCategory, CreateRule, CreateToken, CreateUser, DeleteRule, EditCategory, EditRule,
    EditRuleInput, EditUser, EditUserInput, EndUserSession, EscalateReport, ExportUser, FileOf, FileReason, Guard,
    ListAttempts, ListAudit, ListCategories, ListEvents, ListJobHistory, ListJobs, ListMails, ListQuery, ListReports,
    ListReviews, ListRules, ListServices, ListThreads, ListTokens, ListUserNotes, ListUserSessions, ListUsers,
    MergeCategory, MergeCategoryInput, NewCategoryInput, NewRuleInput, NewTokenInput, NewUserInput, NoteInput,
    NoticeInput, PhotoQuery, PostNotice, ReadThread, ReadingQuery, ReasonedInput, ReleaseAttempt, ReleaseReport,
    RemoveMessage, RemovePhoto, ReopenService, ResendUserVerification, RetryMail, RevealUser, RevokeToken,
    SendPasswordReset, SeriesQuery, ShowAttempt, ShowJob, ShowMail, ShowReport, ShowReview, ShowSeries, ShowService,
    ShowStats, ShowThread, ShowUser, SkipReport, SnoozeReport, SnoozeReportInput, StretchQuery, TestRule,
    TestRuleInput, UndoDecision, UndoReport, UpdateCategoryInput, VerifyAudit, View, ViewAttemptFile, ViewInput,
    ViewPhoto, ViewThreadFile, WarnUser, WarningInput, WhoAmI, WhyQuery, WriteUserNote,
};

use std::sync::Arc;

use marketplace_cli::remote::{Credentials, Remote};
use marketplace_core::{
    accounts::{
        model::{NewUser, UserAction},
        summary::UserFilter,
    },
    audit::AuditFilter,
    base::{
        change::{Change, IdentityProof, RestrictionReason},
        permission::{Permission, Role},
    },
    ids::{
        AttachmentId, AttemptId, CaseId, JobId, MailId, MessageId, PhotoId, ReviewId, RuleId, ServiceId, SessionId,
        ThreadId, TokenId, UserId,
    },
    jobs::model::{JobFilter, JobReason, StaffJobAction},
    kyc::model::{Decision, DecisionKind, FileKind, KycFilter, KycReason, Triage},
    mail::model::MailFilter,
    messaging::model::{AccessReason, CloseReason, MessagesQuery, RemovalReason, ThreadAction, ThreadFilter},
    page::PageRequest,
    presence::Viewed,
    reports::model::{AppealVerdict, ReportAction, ReportFilter},
    reviews::model::{ReviewAction, ReviewFilter},
    rules::model::{NewRule, RuleEdit, RuleFilter, RuleKind},
    services::model::{Category, Names, NewCategory, ServiceFilter, UpdateCategory},
    tokens::model::{NewToken, TokenFilter},
    users::model::{EditUser as EditedUser, SessionFilter},
};

use crate::{
    because, dry,
    reports::{dismiss, resolve},
    script::Script,
    world::World,
};

const UNKNOWN: &str = "019a8f3e-7c1e-7b2a-9d55-0c4f6a1b2c3f";

/// Every method for unknown ids, for somebody without the permission, and for nobody.
pub async fn refusals(world: &World, script: &mut Script) {
    let (lea, _) = world.staff(Role::Admin).await;
    every_method(script, "unknown", &lea).await;
    let client = world.user(Role::Client).await;
    let client = world.signed_in(client).await;
    every_method(script, "client", &client).await;
    let (auditor, _) = world.staff(Role::Auditor).await;
    every_method(script, "auditor", &auditor).await;
    // Direct has no caller without an account, so this one is told by hand what HTTP must say.
    let nobody: Connection = Connection::remote(Remote::new(&world.url, Credentials::token("e30.e30.e30")).unwrap())
        .guarded(Arc::clone(&world.calls) as Arc<dyn Guard>);
    script.heard("whoami nobody", &nobody.call::<WhoAmI>((), (), ()).await);
    script.heard("kyc_next nobody", &nobody.call::<ClaimNextAttempt>((), (), Change::default()).await);
}

#[expect(clippy::too_many_lines, reason = "a call of each operation")]
async fn every_method(script: &mut Script, who: &str, api: &Connection) {
    let (user, attempt): (UserId, AttemptId) = (
        "019a8f3e-7c1e-7b2a-9d55-0c4f6a1b2c3d".parse().unwrap(),
        "019a8f3e-7c1e-7b2a-9d55-0c4f6a1b2c3e".parse().unwrap(),
    );
    let (change, page) = (Change::default(), PageRequest::first(1));
    let new = NewUser { role: Role::Client, email: format!("{who}@example.org"), name: who.into(), phone: None };
    let whoami = api.call::<WhoAmI>((), (), ()).await.map(|identity| (identity.role, identity.permissions));
    script.heard(format!("whoami {who}"), &whoami);
    let viewed = ViewInput::new(Viewed::User(user));
    script.heard(format!("view {who}"), &api.call::<View>((), (), viewed).await.map(|seen| seen.others.len()));
    let series = SeriesQuery::default();
    script
        .heard(format!("series {who}"), &api.call::<ShowSeries>((), series, ()).await.map(|series| series.rows.len()));
    script.heard(format!("stats {who}"), &api.call::<ShowStats>((), (), ()).await.map(|_| ()));
    script.heard(
        format!("kyc_list {who}"),
        &api.call::<ListAttempts>((), ListQuery::new(&KycFilter::default(), &page), ()).await,
    );
    script.heard(format!("kyc_show {who}"), &api.call::<ShowAttempt>(attempt, (), ()).await);
    script.heard(format!("kyc_next {who}"), &api.call::<ClaimNextAttempt>((), (), change.clone()).await);
    script.heard(format!("kyc_claim {who}"), &api.call::<ClaimAttempt>(attempt, (), change.clone()).await);
    script.heard(format!("kyc_release {who}"), &api.call::<ReleaseAttempt>(attempt, (), change.clone()).await);
    for what in [Triage::Skip, Triage::Snooze { until: None }, Triage::Assign { to: None }, Triage::Escalate] {
        let change = Change { note: Some("so".into()), ..Change::default() };
        script.heard(format!("kyc_triage {} {who}", what.act()), &staff::triage(api, attempt, what, change).await);
    }
    for kind in [DecisionKind::Approve, DecisionKind::Retry, DecisionKind::Reject, DecisionKind::Revoke] {
        let reasons = if kind == DecisionKind::Approve { Vec::new() } else { vec![KycReason::Other] };
        let decision = Decision { kind, fence: None, reasons, comment: Some("so".into()) };
        let decided = staff::decide(api, attempt, decision, change.clone()).await;
        script.heard(format!("kyc_decide {kind} {who}"), &decided);
    }
    script.heard(format!("kyc_undo {who}"), &api.call::<UndoDecision>(attempt, (), change.clone()).await);
    script.heard(
        format!("kyc_file {who}"),
        &api.call::<ViewAttemptFile>(FileOf(attempt, FileKind::Selfie), (), ()).await.map(|file| file.bytes.len()),
    );
    script.heard(
        format!("users_list {who}"),
        &api.call::<ListUsers>((), ListQuery::new(&UserFilter::default(), &page), ()).await,
    );
    script.heard(format!("users_show {who}"), &api.call::<ShowUser>(user, (), ()).await);
    script.heard(format!("users_reveal {who}"), &api.call::<RevealUser>(user, WhyQuery::default(), ()).await);
    let archive = api.call::<ExportUser>(user, WhyQuery::default(), ()).await.map(|export| export.file_name);
    script.heard(format!("users_export {who}"), &archive);
    script.heard(
        format!("users_create {who}"),
        &api.call::<CreateUser>((), (), NewUserInput::new(new.clone(), dry())).await.map(|made| made.changed),
    );
    let restricted = Change { proof: Some(IdentityProof::InPerson), ..because(RestrictionReason::Fraud) };
    for action in [
        UserAction::Freeze,
        UserAction::Unfreeze,
        UserAction::Ban,
        UserAction::Unban,
        UserAction::Delete,
        UserAction::SetRole { role: Role::Client },
        UserAction::RevokeSessions,
        UserAction::ResetTotp,
    ] {
        let done = staff::act_on_user(api, user, &action, restricted.clone()).await;
        script.heard(format!("users_act {} {who}", action.name()), &done);
    }
    script.heard(
        format!("users_note {who}"),
        &api.call::<WriteUserNote>(user, (), NoteInput::new("hello", &change)).await,
    );
    script.heard(format!("users_notes {who}"), &api.call::<ListUserNotes>(user, page.clone(), ()).await);
    script.heard(
        format!("jobs_list {who}"),
        &api.call::<ListJobs>((), ListQuery::new(&JobFilter::default(), &page), ()).await,
    );
    let job: JobId = UNKNOWN.parse().unwrap();
    script.heard(format!("jobs_show {who}"), &api.call::<ShowJob>(job, (), ()).await);
    script.heard(format!("jobs_history {who}"), &api.call::<ListJobHistory>(job, page.clone(), ()).await);
    for action in [StaffJobAction::Cancel { reason: JobReason::Dispute }, StaffJobAction::Finalize] {
        script.heard(format!("jobs_act {who}"), &staff::act_on_job(api, job, &action, change.clone()).await);
    }
    let thread: ThreadId = UNKNOWN.parse().unwrap();
    script.heard(
        format!("threads_list {who}"),
        &api.call::<ListThreads>((), ListQuery::new(&ThreadFilter::default(), &page), ()).await,
    );
    script.heard(format!("threads_show {who}"), &api.call::<ShowThread>(thread, (), ()).await);
    let query = MessagesQuery::default();
    script.heard(
        format!("threads_messages {who}"),
        &api.call::<ReadThread>(thread, ReadingQuery::new(AccessReason::Fraud, query), ()).await,
    );
    for action in [ThreadAction::Close { reason: CloseReason::Abuse }, ThreadAction::Reopen] {
        script.heard(format!("threads_act {who}"), &staff::act_on_thread(api, thread, &action, change.clone()).await);
    }
    script.heard(
        format!("threads_notice {who}"),
        &api.call::<PostNotice>(thread, (), NoticeInput::new("hello", change.clone())).await,
    );
    let message: MessageId = UNKNOWN.parse().unwrap();
    script.heard(
        format!("message_remove {who}"),
        &api.call::<RemoveMessage>(message, (), ReasonedInput::new(RemovalReason::Spam, change.clone())).await,
    );
    let review: ReviewId = UNKNOWN.parse().unwrap();
    script.heard(
        format!("reviews_list {who}"),
        &api.call::<ListReviews>((), ListQuery::new(&ReviewFilter::default(), &page), ()).await,
    );
    script.heard(format!("reviews_show {who}"), &api.call::<ShowReview>(review, (), ()).await);
    for action in [ReviewAction::Dismiss, ReviewAction::Remove { reason: RemovalReason::Spam }, ReviewAction::Restore] {
        script.heard(format!("reviews_act {who}"), &staff::act_on_review(api, review, &action, change.clone()).await);
    }
    let case: CaseId = UNKNOWN.parse().unwrap();
    script.heard(
        format!("reports_list {who}"),
        &api.call::<ListReports>((), ListQuery::new(&ReportFilter::default(), &page), ()).await,
    );
    script.heard(format!("reports_show {who}"), &api.call::<ShowReport>(case, (), ()).await);
    script.heard(format!("reports_next {who}"), &api.call::<ClaimNextReport>((), (), dry()).await.map(|_| ()));
    script.heard(format!("reports_claim {who}"), &api.call::<ClaimReport>(case, (), change.clone()).await);
    script.heard(format!("reports_release {who}"), &api.call::<ReleaseReport>(case, (), change.clone()).await);
    script.heard(format!("reports_undo {who}"), &api.call::<UndoReport>(case, (), change.clone()).await);
    script.heard(format!("reports_skip {who}"), &api.call::<SkipReport>(case, (), change.clone().into()).await);
    let why = Change { note: Some("why".into()), ..Change::default() };
    script.heard(format!("reports_escalate {who}"), &api.call::<EscalateReport>(case, (), why.into()).await);
    let assign = AssignReportInput::new(None, change.clone());
    script.heard(format!("reports_assign {who}"), &api.call::<AssignReport>(case, (), assign).await);
    let snooze = SnoozeReportInput::new(
        "2026-03-20T10:00:00Z".parse::<marketplace_core::time::Timestamp>().unwrap(),
        change.clone(),
    );
    script.heard(format!("reports_snooze {who}"), &api.call::<SnoozeReport>(case, (), snooze).await);
    for decision in [resolve(&[ReportAction::Warn]), dismiss()] {
        let decided = staff::decide_reports(api, case, decision, change.clone()).await;
        script.heard(format!("reports_decide {who}"), &decided);
    }
    for reverse in [true, false] {
        let verdict = AppealVerdict { fence: None, reverse, comment: None };
        script.heard(format!("reports_appeal {who}"), &staff::decide_appeal(api, case, verdict, change.clone()).await);
    }
    let token: TokenId = UNKNOWN.parse().unwrap();
    let new = NewToken { name: who.into(), scopes: vec![Permission::KycRead], expires_in: 60, owner_id: None };
    script.heard(
        format!("tokens_list {who}"),
        &api.call::<ListTokens>((), ListQuery::new(&TokenFilter::default(), &page), ()).await,
    );
    script.heard(
        format!("tokens_create {who}"),
        &api.call::<CreateToken>((), (), NewTokenInput::new(new.clone(), dry())).await.map(|made| made.changed),
    );
    script.heard(format!("tokens_revoke {who}"), &api.call::<RevokeToken>(token, (), change.clone().into()).await);
    let service: ServiceId = UNKNOWN.parse().unwrap();
    script.heard(
        format!("services_list {who}"),
        &api.call::<ListServices>((), ListQuery::new(&ServiceFilter::default(), &page), ()).await,
    );
    script.heard(format!("services_show {who}"), &api.call::<ShowService>(service, (), ()).await);
    let reason = ReasonedInput::new(RemovalReason::Spam, change.clone());
    script.heard(format!("services_close {who}"), &api.call::<CloseService>(service, (), reason).await);
    script
        .heard(format!("services_reopen {who}"), &api.call::<ReopenService>(service, (), change.clone().into()).await);
    let photo = PhotoId(service.0);
    let seen = api.call::<ViewPhoto>(photo, PhotoQuery::default(), ()).await.map(|file| file.bytes.len());
    script.heard(format!("services_photo {who}"), &seen);
    let reason = ReasonedInput::new(RemovalReason::Spam, change.clone());
    script.heard(format!("services_remove_photo {who}"), &api.call::<RemovePhoto>((service, photo), (), reason).await);
    let edit = EditUserInput::new(EditedUser::default(), restricted.clone());
    script.heard(format!("users_edit {who}"), &api.call::<EditUser>(user, (), edit).await);
    let warning = WarningInput::new(None, restricted.clone());
    script.heard(format!("users_warn {who}"), &api.call::<WarnUser>(user, (), warning).await);
    script.heard(
        format!("users_resend {who}"),
        &api.call::<ResendUserVerification>(user, (), change.clone().into()).await,
    );
    script.heard(format!("users_reset {who}"), &api.call::<SendPasswordReset>(user, (), change.clone().into()).await);
    script.heard(
        format!("users_sessions {who}"),
        &api.call::<ListUserSessions>(user, ListQuery::new(&SessionFilter::default(), &page), ()).await,
    );
    let session: SessionId = UNKNOWN.parse().unwrap();
    script.heard(
        format!("users_session_end {who}"),
        &api.call::<EndUserSession>((user, session), (), change.clone().into()).await,
    );
    let (rule, domain) = (RuleId(session.0), NewRule::new(RuleKind::BlockedDomain, "b.example"));
    script.heard(
        format!("rules_list {who}"),
        &api.call::<ListRules>((), ListQuery::new(&RuleFilter::default(), &page), ()).await.map(|_| ()),
    );
    script.heard(
        format!("rules_create {who}"),
        &api.call::<CreateRule>((), (), NewRuleInput::new(domain, &dry())).await.map(|made| made.changed),
    );
    let edit = EditRuleInput::new(RuleEdit::default(), &dry());
    script.heard(format!("rules_edit {who}"), &api.call::<EditRule>(rule, (), edit).await.map(|made| made.changed));
    let (kind, value) = (RuleKind::BlockedDomain, "b.example".to_owned());
    let trial = TestRuleInput { kind, value, places: None, examples: Some(0), after: None, if_version: None };
    script.heard(format!("rules_test {who}"), &api.call::<TestRule>((), (), trial).await.map(|found| found.caught));
    script.heard(format!("rules_delete {who}"), &api.call::<DeleteRule>(rule, (), change.clone().into()).await);
    let key: Category = "unknown".parse().unwrap();
    let new = NewCategory { key, names: Names::new(), parent: None, position: None };
    script.heard(format!("categories_list {who}"), &api.call::<ListCategories>((), (), ()).await.map(|_| ()));
    let made = api.call::<CreateCategory>((), (), NewCategoryInput::new(new, &dry())).await;
    script.heard(format!("categories_create {who}"), &made.map(|made| made.changed));
    let input = UpdateCategoryInput::new(UpdateCategory::default(), &change);
    script.heard(format!("categories_update {who}"), &api.call::<EditCategory>(key, (), input).await);
    let merge = MergeCategoryInput::new(Category::Pets, &change);
    script.heard(format!("categories_merge {who}"), &api.call::<MergeCategory>(key, (), merge).await);
    let file = (thread, AttachmentId(session.0));
    let reason = FileReason { reason: AccessReason::Fraud };
    let seen = api.call::<ViewThreadFile>(file, reason, ()).await.map(|file| file.bytes.len());
    script.heard(format!("threads_file {who}"), &seen);
    let mail: MailId = UNKNOWN.parse().unwrap();
    script.heard(
        format!("mail_list {who}"),
        &api.call::<ListMails>((), ListQuery::new(&MailFilter::default(), &page), ()).await.map(|_| ()),
    );
    script.heard(format!("mail_show {who}"), &api.call::<ShowMail>(mail, (), ()).await);
    script.heard(format!("mail_retry {who}"), &api.call::<RetryMail>(mail, (), change.clone().into()).await);
    script.heard(
        format!("audit_list {who}"),
        &api.call::<ListAudit>((), ListQuery::new(&AuditFilter::default(), &page), ()).await,
    );
    script.heard(format!("audit_verify {who}"), &api.call::<VerifyAudit>((), StretchQuery::new(1, 1, None), ()).await);
    script.heard(
        format!("events {who}"),
        &api.call::<ListEvents>((), AfterQuery::new(None, 1), ()).await.map(|page| page.items.len()),
    );
}
