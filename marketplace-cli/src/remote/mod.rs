//! [`AdminApi`] over HTTP: the same operations, answers and errors as over the database.
//!
//! To add an operation: one line here per method, with the route of the server; the contract suite compares the two.

mod credentials;
mod http;
mod session;

use std::time::Duration;

use async_trait::async_trait;
use marketplace_core::{
    accounts::{
        model::{NewUser, Note, UserAction},
        summary::{UserFilter, UserSummary},
    },
    admin::{AdminApi, Identity, Stats},
    audit::{AuditFilter, AuditHead, AuditRow, AuditVerification},
    base::change::{Change, Changed},
    config::is_loopback,
    error::{Error, Result},
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
use reqwest::{Method, StatusCode};
use serde::Serialize;
use serde_json::{Map, Value, json};
use url::Url;

pub use credentials::{Credentials, TokenFile, Tokens};
use http::{Answer, Call, Http};

/// How long a connection may take to stand.
const CONNECT: Duration = Duration::from_secs(5);
/// How long an answer may take.
const ANSWER: Duration = Duration::from_secs(30);

/// A server, and who we are to it.
#[derive(Clone)]
pub struct Remote {
    http: Http,
    credentials: Credentials,
}

impl std::fmt::Debug for Remote {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Remote").field("base", &self.http.base.as_str()).finish_non_exhaustive()
    }
}

impl Remote {
    /// For the server at `base_url` (`https://market.example.org`, without `/v1`). Nothing is sent yet.
    pub fn new(base_url: &str, credentials: Credentials) -> Result<Self> {
        let base = check_base(base_url)?;
        marketplace_core::tls::install_provider();
        let mut builder = reqwest::Client::builder()
            .connect_timeout(CONNECT)
            .timeout(ANSWER)
            // A token must never follow a redirect to somewhere else.
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("marketplace-cli/", env!("CARGO_PKG_VERSION")));
        if is_loopback(&base) {
            builder = builder.no_proxy();
        }
        let client = builder.build().map_err(|error| Error::unavailable("cannot set up connections", error))?;
        Ok(Self { http: Http { client, base }, credentials })
    }

    /// The server's address.
    pub fn base(&self) -> &Url {
        &self.http.base
    }

    /// Any call, for `marketplace api`; the answer's body as it came, and its media type.
    pub async fn raw(
        &self,
        method: Method,
        path: &str,
        query: &[(String, String)],
        body: Option<Value>,
    ) -> Result<FileContent> {
        let mut call = Call::new(method, path).query(&query);
        if let Some(body) = body {
            call = call.body(body);
        }
        self.send(call).await?.content().await
    }

    /// Seconds by which the server's clock is ahead of `now`, from the `Date` of its answer to a health check.
    pub async fn clock_skew(&self, now: marketplace_core::time::Timestamp) -> Result<Option<i64>> {
        let answer = self.send(Call::new(Method::GET, "/healthz").anonymous()).await?;
        Ok(answer.date().map(|at| at - now.unix_seconds()))
    }

    /// Whether the server is ready, and what it goes on without.
    pub async fn readiness(&self) -> Result<Vec<String>> {
        let body: Value = self.send(Call::new(Method::GET, "/readyz").anonymous()).await?.json().await?;
        let degraded = body.get("degraded").and_then(Value::as_array).into_iter().flatten();
        Ok(degraded.map(|one| one.as_str().map_or_else(|| one.to_string(), str::to_owned)).collect())
    }

    /// Sends a call. An access token that has run out is renewed once, silently.
    async fn send(&self, call: Call) -> Result<Answer> {
        if call.anonymous {
            return http::read(self.http.send(&call, None).await?).await;
        }
        let token = self.credentials.access().await?;
        let response = self.http.send(&call, Some(&token)).await?;
        if response.status() != StatusCode::UNAUTHORIZED || !self.credentials.renewable() {
            return http::read(response).await;
        }
        let renewed = self.credentials.renew(&token, |refresh_token| self.refresh(refresh_token)).await?;
        http::read(self.http.send(&call, Some(&renewed)).await?).await
    }

    async fn refresh(&self, refresh_token: String) -> Result<Tokens> {
        let body = json!({ "refresh_token": refresh_token });
        let call = Call::new(Method::POST, "/v1/auth/refresh").body(body).anonymous();
        http::read(self.http.send(&call, None).await?).await?.json().await
    }

    async fn get<T: serde::de::DeserializeOwned>(&self, path: &str) -> Result<T> {
        self.send(Call::new(Method::GET, path)).await?.json().await
    }

    async fn list<T: serde::de::DeserializeOwned>(
        &self,
        path: &str,
        filter: &(impl Serialize + Sync),
        page: &PageRequest,
    ) -> Result<T> {
        self.send(Call::new(Method::GET, path).query(filter).query(page)).await?.json().await
    }

    async fn change<T: serde::de::DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        change: &Change,
        more: Map<String, Value>,
    ) -> Result<T> {
        let Value::Object(mut body) = serde_json::to_value(change).map_err(Error::internal)? else {
            return Err(Error::internal("a change is an object"));
        };
        body.extend(more);
        self.send(Call::new(method, path).body(Value::Object(body)).if_version(change.if_version)).await?.json().await
    }
}

/// `http://` or `https://`, a host, no path of its own, no credentials.
pub(crate) fn check_base(text: &str) -> Result<Url> {
    let bad = |detail: &str| Error::invalid("/api", detail);
    let mut url: Url = text
        .parse()
        .map_err(|_| bad("must be an address such as https://market.example.org or http://127.0.0.1:8080"))?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none_or(str::is_empty) {
        return Err(bad("must begin with https:// or http:// and name a host"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(bad("must not carry credentials; log in with: marketplace auth login"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(bad("must have no query and no fragment"));
    }
    let path = url.path().trim_end_matches('/').trim_end_matches("/v1").to_owned();
    url.set_path(&path);
    Ok(url)
}

/// The reason of an action that has one of its own takes the place of the change's, which is for users.
fn reason(change: &Change, reason: Option<impl Serialize>) -> (Change, Map<String, Value>) {
    let body = reason.map_or_else(Map::new, |reason| object(json!({ "reason": reason })));
    (Change { reason: None, ..change.clone() }, body)
}

fn object(value: Value) -> Map<String, Value> {
    if let Value::Object(map) = value { map } else { Map::new() }
}

#[async_trait]
impl AdminApi for Remote {
    async fn whoami(&self) -> Result<Identity> {
        self.get("/v1/admin/whoami").await
    }
    async fn stats(&self) -> Result<Stats> {
        self.get("/v1/admin/stats").await
    }

    async fn kyc_list(&self, filter: &KycFilter, page: &PageRequest) -> Result<Page<KycSummary>> {
        self.list("/v1/admin/kyc", filter, page).await
    }
    async fn kyc_show(&self, id: AttemptId) -> Result<KycCase> {
        self.get(&format!("/v1/admin/kyc/{id}")).await
    }
    async fn kyc_next(&self, change: &Change) -> Result<Option<KycCase>> {
        self.change(Method::POST, "/v1/admin/kyc/next", change, Map::new()).await
    }
    async fn kyc_claim(&self, id: AttemptId, change: &Change) -> Result<Changed<KycCase>> {
        self.change(Method::POST, &format!("/v1/admin/kyc/{id}/claim"), change, Map::new()).await
    }
    async fn kyc_release(&self, id: AttemptId, change: &Change) -> Result<Changed<KycCase>> {
        self.change(Method::POST, &format!("/v1/admin/kyc/{id}/release"), change, Map::new()).await
    }
    async fn kyc_decide(&self, id: AttemptId, decision: &Decision, change: &Change) -> Result<Changed<KycCase>> {
        let mut body = Map::new();
        if let Some(fence) = decision.fence {
            body.insert("fence".into(), json!(fence));
        }
        if !decision.reasons.is_empty() {
            body.insert("reasons".into(), json!(decision.reasons));
        }
        if let Some(comment) = &decision.comment {
            body.insert("comment".into(), json!(comment));
        }
        // The reasons say why; the body of a decision has no other.
        let change = Change { reason: None, ..change.clone() };
        self.change(Method::POST, &format!("/v1/admin/kyc/{id}/{}", decision.kind), &change, body).await
    }
    async fn kyc_undo(&self, id: AttemptId, change: &Change) -> Result<Changed<KycCase>> {
        self.change(Method::POST, &format!("/v1/admin/kyc/{id}/undo"), change, Map::new()).await
    }
    async fn kyc_file(&self, id: AttemptId, kind: FileKind) -> Result<FileContent> {
        self.send(Call::new(Method::GET, &format!("/v1/admin/kyc/{id}/files/{kind}"))).await?.content().await
    }

    async fn users_list(&self, filter: &UserFilter, page: &PageRequest) -> Result<Page<UserSummary>> {
        self.list("/v1/admin/users", filter, page).await
    }
    async fn users_show(&self, id: UserId) -> Result<UserDetail> {
        self.get(&format!("/v1/admin/users/{id}")).await
    }
    async fn users_reveal(&self, id: UserId) -> Result<PersonalData> {
        self.send(Call::new(Method::POST, &format!("/v1/admin/users/{id}/reveal"))).await?.json().await
    }
    async fn users_export(&self, id: UserId) -> Result<Export> {
        let call = Call::new(Method::GET, &format!("/v1/admin/users/{id}/export")).long();
        Ok(self.send(call).await?.export())
    }
    async fn users_create(&self, new: &NewUser, change: &Change) -> Result<Changed<UserDetail>> {
        let new = object(serde_json::to_value(new).map_err(Error::internal)?);
        self.change(Method::POST, "/v1/admin/users", change, new).await
    }
    async fn users_act(&self, id: UserId, action: &UserAction, change: &Change) -> Result<Changed<UserDetail>> {
        let path = format!("/v1/admin/users/{id}");
        match action {
            UserAction::Delete => self.change(Method::DELETE, &path, change, Map::new()).await,
            UserAction::SetRole { role } => {
                self.change(Method::POST, &format!("{path}/role"), change, object(json!({ "role": role }))).await
            }
            other => self.change(Method::POST, &format!("{path}/{}", other.name()), change, Map::new()).await,
        }
    }
    async fn users_note(&self, id: UserId, body: &str, change: &Change) -> Result<Changed<Note>> {
        let mut note = object(json!({ "body": body }));
        if change.dry_run {
            note.insert("dry_run".into(), json!(true));
        }
        let call = Call::new(Method::POST, &format!("/v1/admin/users/{id}/notes")).body(Value::Object(note));
        self.send(call.if_version(change.if_version)).await?.json().await
    }
    async fn users_notes(&self, id: UserId, page: &PageRequest) -> Result<Page<Note>> {
        self.list(&format!("/v1/admin/users/{id}/notes"), &(), page).await
    }

    async fn jobs_list(&self, filter: &JobFilter, page: &PageRequest) -> Result<Page<JobSummary>> {
        self.list("/v1/admin/jobs", filter, page).await
    }
    async fn jobs_show(&self, id: JobId) -> Result<JobDetail> {
        self.get(&format!("/v1/admin/jobs/{id}")).await
    }
    async fn jobs_history(&self, id: JobId, page: &PageRequest) -> Result<Page<HistoryRow>> {
        self.list(&format!("/v1/admin/jobs/{id}/history"), &(), page).await
    }
    async fn jobs_act(&self, id: JobId, action: &StaffJobAction, change: &Change) -> Result<Changed<JobDetail>> {
        let (verb, why) = match action {
            StaffJobAction::Cancel { reason } => ("cancel", Some(reason)),
            StaffJobAction::Finalize => ("finalize", None),
        };
        let (change, body) = reason(change, why);
        self.change(Method::POST, &format!("/v1/admin/jobs/{id}/{verb}"), &change, body).await
    }

    async fn threads_list(&self, filter: &ThreadFilter, page: &PageRequest) -> Result<Page<ThreadInfo>> {
        self.list("/v1/admin/threads", filter, page).await
    }
    async fn threads_show(&self, id: ThreadId) -> Result<ThreadInfo> {
        self.get(&format!("/v1/admin/threads/{id}")).await
    }
    async fn threads_messages(
        &self,
        id: ThreadId,
        reason: AccessReason,
        query: &MessagesQuery,
    ) -> Result<MessagePage<StaffMessage>> {
        let call = Call::new(Method::GET, &format!("/v1/admin/threads/{id}/messages"));
        self.send(call.query(&[("reason", reason)]).query(query)).await?.json().await
    }
    async fn threads_act(&self, id: ThreadId, action: &ThreadAction, change: &Change) -> Result<Changed<ThreadInfo>> {
        let (verb, why) = match action {
            ThreadAction::Close { reason } => ("close", Some(reason)),
            ThreadAction::Reopen => ("reopen", None),
        };
        let (change, body) = reason(change, why);
        self.change(Method::POST, &format!("/v1/admin/threads/{id}/{verb}"), &change, body).await
    }
    async fn threads_notice(&self, id: ThreadId, content: &str, change: &Change) -> Result<Changed<StaffMessage>> {
        let (change, mut body) = reason(change, None::<()>);
        body.insert("content".into(), json!(content));
        self.change(Method::POST, &format!("/v1/admin/threads/{id}/notice"), &change, body).await
    }
    async fn message_remove(
        &self,
        id: MessageId,
        why: RemovalReason,
        change: &Change,
    ) -> Result<Changed<StaffMessage>> {
        let (change, body) = reason(change, Some(why));
        self.change(Method::POST, &format!("/v1/admin/messages/{id}/remove"), &change, body).await
    }

    async fn reviews_list(&self, filter: &ReviewFilter, page: &PageRequest) -> Result<Page<ReviewSummary>> {
        self.list("/v1/admin/reviews", filter, page).await
    }
    async fn reviews_show(&self, id: ReviewId) -> Result<ReviewDetail> {
        self.get(&format!("/v1/admin/reviews/{id}")).await
    }
    async fn reviews_act(&self, id: ReviewId, action: &ReviewAction, change: &Change) -> Result<Changed<ReviewDetail>> {
        let (verb, why) = match action {
            ReviewAction::Dismiss => ("dismiss", None),
            ReviewAction::Remove { reason } => ("remove", Some(reason)),
            ReviewAction::Restore => ("restore", None),
        };
        let (change, body) = reason(change, why);
        self.change(Method::POST, &format!("/v1/admin/reviews/{id}/{verb}"), &change, body).await
    }

    async fn audit_list(&self, filter: &AuditFilter, page: &PageRequest) -> Result<Page<AuditRow>> {
        self.list("/v1/admin/audit", filter, page).await
    }
    async fn audit_verify(&self, from: i64, limit: i64, expect: Option<&AuditHead>) -> Result<AuditVerification> {
        let mut query = vec![("from", from.to_string()), ("limit", limit.to_string())];
        query.extend(expect.map(|expect| ("expect", expect.to_string())));
        let call = Call::new(Method::GET, "/v1/admin/audit/verify").query(&query);
        self.send(call).await?.json().await
    }

    async fn tokens_list(&self, filter: &TokenFilter, page: &PageRequest) -> Result<Page<ApiToken>> {
        self.list("/v1/admin/tokens", filter, page).await
    }
    async fn tokens_create(&self, new: &NewToken, change: &Change) -> Result<Changed<CreatedToken>> {
        let (change, mut body) = reason(change, None::<()>);
        body.extend(object(serde_json::to_value(new).map_err(Error::internal)?));
        self.change(Method::POST, "/v1/admin/tokens", &change, body).await
    }
    async fn tokens_revoke(&self, id: TokenId, change: &Change) -> Result<Changed<ApiToken>> {
        let (change, body) = reason(change, None::<()>);
        self.change(Method::DELETE, &format!("/v1/admin/tokens/{id}"), &change, body).await
    }

    async fn mail_list(&self, filter: &MailFilter, page: &PageRequest) -> Result<Page<MailSummary>> {
        self.list("/v1/admin/mail", filter, page).await
    }
    async fn mail_retry(&self, id: MailId, change: &Change) -> Result<Changed<MailSummary>> {
        let (change, body) = reason(change, None::<()>);
        self.change(Method::POST, &format!("/v1/admin/mail/{id}/retry"), &change, body).await
    }

    async fn sessions_end_all(&self, change: &Change) -> Result<EndedSessions> {
        self.change(Method::POST, "/v1/admin/sessions/revoke-all", change, Map::new()).await
    }

    async fn events(&self, after: Option<&str>, limit: u16) -> Result<EventPage> {
        let call = Call::new(Method::GET, "/v1/admin/events").query(&[("limit", limit)]).query(&[("after", after)]);
        self.send(call).await?.json().await
    }
}

#[cfg(test)]
mod tests;
