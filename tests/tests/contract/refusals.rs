//! Who and what is refused.

use std::sync::Arc;

use marketplace_cli::remote::{Credentials, Remote};
use marketplace_core::{
    accounts::{
        model::{NewUser, UserAction},
        summary::UserFilter,
    },
    admin::AdminApi,
    audit::AuditFilter,
    base::{
        change::{Change, RestrictionReason},
        permission::{Permission, Role},
    },
    ids::{AttemptId, JobId, MailId, MessageId, ReviewId, ThreadId, TokenId, UserId},
    jobs::model::{JobFilter, JobReason, StaffJobAction},
    kyc::model::{Decision, FileKind, KycFilter},
    mail::model::MailFilter,
    messaging::model::{AccessReason, CloseReason, MessagesQuery, RemovalReason, ThreadAction, ThreadFilter},
    page::PageRequest,
    reviews::model::{ReviewAction, ReviewFilter},
    tokens::model::{NewToken, TokenFilter},
};

use crate::{because, dry, script::Script, world::World};

const UNKNOWN: &str = "019a8f3e-7c1e-7b2a-9d55-0c4f6a1b2c3f";

/// Every method for unknown ids, for somebody without the permission, and for nobody.
pub async fn refusals(world: &World, script: &mut Script) {
    let (lea, _) = world.staff(Role::Admin).await;
    every_method(script, "unknown", lea.as_ref()).await;
    let client = world.user(Role::Client).await;
    let client = world.signed_in(client).await;
    every_method(script, "client", client.as_ref()).await;
    let (auditor, _) = world.staff(Role::Auditor).await;
    every_method(script, "auditor", auditor.as_ref()).await;
    // Direct has no caller without an account, so this one is told by hand what HTTP must say.
    let nobody: Arc<dyn AdminApi> = Arc::new(Remote::new(&world.url, Credentials::token("e30.e30.e30")).unwrap());
    script.heard("whoami nobody", &nobody.whoami().await);
    script.heard("kyc_next nobody", &nobody.kyc_next(&Change::default()).await);
}

async fn every_method(script: &mut Script, who: &str, api: &dyn AdminApi) {
    let (user, attempt): (UserId, AttemptId) = (
        "019a8f3e-7c1e-7b2a-9d55-0c4f6a1b2c3d".parse().unwrap(),
        "019a8f3e-7c1e-7b2a-9d55-0c4f6a1b2c3e".parse().unwrap(),
    );
    let (change, page) = (Change::default(), PageRequest::first(1));
    let new = NewUser { role: Role::Client, email: format!("{who}@example.org"), name: who.into(), phone: None };
    let whoami = api.whoami().await.map(|identity| (identity.role, identity.permissions));
    script.heard(format!("whoami {who}"), &whoami);
    script.heard(format!("stats {who}"), &api.stats().await.map(|_| ()));
    script.heard(format!("kyc_list {who}"), &api.kyc_list(&KycFilter::default(), &page).await);
    script.heard(format!("kyc_show {who}"), &api.kyc_show(attempt).await);
    script.heard(format!("kyc_next {who}"), &api.kyc_next(&change).await);
    script.heard(format!("kyc_claim {who}"), &api.kyc_claim(attempt, &change).await);
    script.heard(format!("kyc_release {who}"), &api.kyc_release(attempt, &change).await);
    script.heard(format!("kyc_decide {who}"), &api.kyc_decide(attempt, &Decision::approve(None), &change).await);
    script.heard(format!("kyc_undo {who}"), &api.kyc_undo(attempt, &change).await);
    script
        .heard(format!("kyc_file {who}"), &api.kyc_file(attempt, FileKind::Selfie).await.map(|file| file.bytes.len()));
    script.heard(format!("users_list {who}"), &api.users_list(&UserFilter::default(), &page).await);
    script.heard(format!("users_show {who}"), &api.users_show(user).await);
    script.heard(format!("users_reveal {who}"), &api.users_reveal(user).await);
    let archive = api.users_export(user).await.map(|export| export.file_name);
    script.heard(format!("users_export {who}"), &archive);
    script.heard(format!("users_create {who}"), &api.users_create(&new, &dry()).await.map(|made| made.changed));
    let ban = because(RestrictionReason::Fraud);
    script.heard(format!("users_act {who}"), &api.users_act(user, &UserAction::Ban, &ban).await);
    script.heard(format!("users_note {who}"), &api.users_note(user, "hello", &change).await);
    script.heard(format!("users_notes {who}"), &api.users_notes(user, &page).await);
    script.heard(format!("jobs_list {who}"), &api.jobs_list(&JobFilter::default(), &page).await);
    let job: JobId = UNKNOWN.parse().unwrap();
    script.heard(format!("jobs_show {who}"), &api.jobs_show(job).await);
    script.heard(format!("jobs_history {who}"), &api.jobs_history(job, &page).await);
    let cancel = StaffJobAction::Cancel { reason: JobReason::Dispute };
    script.heard(format!("jobs_act {who}"), &api.jobs_act(job, &cancel, &change).await);
    let thread: ThreadId = UNKNOWN.parse().unwrap();
    script.heard(format!("threads_list {who}"), &api.threads_list(&ThreadFilter::default(), &page).await);
    script.heard(format!("threads_show {who}"), &api.threads_show(thread).await);
    let query = MessagesQuery::default();
    script.heard(format!("threads_messages {who}"), &api.threads_messages(thread, AccessReason::Fraud, &query).await);
    let close = ThreadAction::Close { reason: CloseReason::Abuse };
    script.heard(format!("threads_act {who}"), &api.threads_act(thread, &close, &change).await);
    script.heard(format!("threads_notice {who}"), &api.threads_notice(thread, "hello", &change).await);
    let message: MessageId = UNKNOWN.parse().unwrap();
    script.heard(format!("message_remove {who}"), &api.message_remove(message, RemovalReason::Spam, &change).await);
    let review: ReviewId = UNKNOWN.parse().unwrap();
    script.heard(format!("reviews_list {who}"), &api.reviews_list(&ReviewFilter::default(), &page).await);
    script.heard(format!("reviews_show {who}"), &api.reviews_show(review).await);
    script.heard(format!("reviews_act {who}"), &api.reviews_act(review, &ReviewAction::Restore, &change).await);
    let token: TokenId = UNKNOWN.parse().unwrap();
    let new = NewToken { name: who.into(), scopes: vec![Permission::KycRead], expires_in: 60, owner_id: None };
    script.heard(format!("tokens_list {who}"), &api.tokens_list(&TokenFilter::default(), &page).await);
    script.heard(format!("tokens_create {who}"), &api.tokens_create(&new, &dry()).await.map(|made| made.changed));
    script.heard(format!("tokens_revoke {who}"), &api.tokens_revoke(token, &change).await);
    let mail: MailId = UNKNOWN.parse().unwrap();
    script.heard(format!("mail_list {who}"), &api.mail_list(&MailFilter::default(), &page).await.map(|_| ()));
    script.heard(format!("mail_retry {who}"), &api.mail_retry(mail, &change).await);
    script.heard(format!("audit_list {who}"), &api.audit_list(&AuditFilter::default(), &page).await);
    script.heard(format!("audit_verify {who}"), &api.audit_verify(1, 1, None).await);
    script.heard(format!("events {who}"), &api.events(None, 1).await.map(|page| page.items.len()));
}
