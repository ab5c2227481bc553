//! One's own login: opening and ending sessions, and the second factor.

use marketplace_core::{
    accounts::model::Password,
    auth::{Enrolment, Proof, RecoveryCodes, SessionView},
    error::{ErrorCode, Result},
    ids::SessionId,
    page::{Page, PageRequest},
};
use reqwest::Method;
use serde_json::{Value, json};

use super::{
    Remote, Tokens,
    http::{Answer, Call},
};

/// Returns the body of a request that needs the password, with the second factor.
fn proven(mut body: Value, proof: Option<&Proof>) -> Value {
    if let (Value::Object(fields), Some(proof)) = (&mut body, proof) {
        let (name, code) = match proof {
            Proof::Code(code) => ("totp", code),
            Proof::Recovery(code) => ("recovery_code", code),
        };
        fields.insert(name.into(), json!(code));
    }
    body
}

impl Remote {
    /// Opens a session, and keeps its tokens where the credentials say.
    ///
    /// # Errors
    /// `unauthenticated` with a hint at the second factor when the password was right and a code is needed.
    pub async fn login(&self, email: &str, password: &Password, proof: Option<&Proof>) -> Result<Tokens> {
        let body = proven(json!({ "email": email, "password": password }), proof);
        let call = Call::new(Method::POST, "/v1/auth/login").body(body).anonymous();
        let tokens: Tokens = self.send(call).await?.json().await?;
        self.credentials.replace(&tokens).await?;
        Ok(tokens)
    }

    /// Ends the session on the server, then deletes it here, even if the server cannot be reached.
    pub async fn logout(&self) -> Result<()> {
        let revoked = self.send(Call::new(Method::POST, "/v1/auth/logout")).await.and_then(Answer::done);
        self.credentials.forget().await?;
        match revoked {
            // The session had already ended, which is the intended result.
            Err(error) if error.code() == ErrorCode::Unauthenticated => Ok(()),
            other => other,
        }
    }

    /// Returns the caller's own sessions, newest first.
    pub async fn sessions(&self, page: &PageRequest) -> Result<Page<SessionView>> {
        self.send(Call::new(Method::GET, "/v1/auth/sessions").query(page)).await?.json().await
    }

    /// Ends one of the caller's own sessions.
    pub async fn revoke_session(&self, id: SessionId) -> Result<()> {
        self.send(Call::new(Method::DELETE, &format!("/v1/auth/sessions/{id}"))).await?.done()
    }

    /// Begins to enrol a second factor.
    pub async fn begin_totp(&self, password: &Password) -> Result<Enrolment> {
        let call = Call::new(Method::POST, "/v1/auth/totp").body(json!({ "password": password }));
        self.send(call).await?.json().await
    }

    /// Turns the new second factor on.
    pub async fn confirm_totp(&self, code: &str) -> Result<RecoveryCodes> {
        let call = Call::new(Method::POST, "/v1/auth/totp/confirm").body(json!({ "code": code }));
        self.send(call).await?.json().await
    }

    /// Removes the second factor.
    pub async fn disable_totp(&self, password: &Password, proof: Option<&Proof>) -> Result<()> {
        let body = proven(json!({ "password": password }), proof);
        self.send(Call::new(Method::DELETE, "/v1/auth/totp").body(body)).await?.done()
    }
}
