//! Proof that a call with a cookie comes from a permitted page: browsers send cookies with calls from any page.
//!
//! A session's proof is a keyed hash of its id (OWASP, Cross-Site Request Forgery Prevention Cheat Sheet: "HMAC-based
//! token pattern"): nothing is stored, the proof of another session does not match, and it is valid for as long as the
//! session.

use std::fmt;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::hmac;

use crate::{
    app::App,
    base::{
        error::{Error, Result},
        ids::SessionId,
    },
    platform::access_token as token,
};

/// The proof that a page sends with every change, in the header `X-CSRF-Token`.
#[derive(Clone, PartialEq, Eq)]
pub struct Csrf {
    /// Session to which the proof belongs.
    pub session: SessionId,
    /// The proof.
    pub token: String,
}

impl fmt::Debug for Csrf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Csrf({}, …)", self.session)
    }
}

fn key(app: &App) -> hmac::Key {
    app.keys.mac_key(b"csrf")
}

/// Returns the proof of the session that an access token belongs to.
///
/// # Errors
/// The error of the verification when the access token is not valid.
pub fn csrf(app: &App, access_token: &str) -> Result<Csrf> {
    let session = token::verify(&app.keys, &app.tokens, app.config.issuer(), access_token, app.now())?.sid;
    let tag = hmac::sign(&key(app), session.0.as_bytes());
    Ok(Csrf { session, token: URL_SAFE_NO_PAD.encode(tag) })
}

/// Checks that `given` is the proof of a session, in constant time.
///
/// # Errors
/// `forbidden` when it is not.
pub fn check_csrf(app: &App, session: SessionId, given: &str) -> Result<()> {
    let tag = URL_SAFE_NO_PAD.decode(given).unwrap_or_default();
    hmac::verify(&key(app), session.0.as_bytes(), &tag)
        .map_err(|_| Error::forbidden("the X-CSRF-Token is not this session's; log in or refresh to get it"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{base::permission::Role, testing};

    #[tokio::test]
    async fn a_proof_is_its_sessions_alone() {
        let test = testing::app().await;
        let app = test.app();
        let ids = [test.user(Role::Client, crate::accounts::model::Status::Active).await; 2];
        let (one, two) = (test.log_in(ids[0]).await.1, test.log_in(ids[1]).await.1);
        let (one, two) = (csrf(app, &one).unwrap(), csrf(app, &two).unwrap());
        assert_ne!((one.session, &one.token), (two.session, &two.token));
        check_csrf(app, one.session, &one.token).unwrap();
        for wrong in [two.token.as_str(), "", "!", &one.token[1..], &format!("{}A", one.token)] {
            assert!(check_csrf(app, one.session, wrong).is_err(), "{wrong}");
        }
        assert!(csrf(app, "nonsense").is_err());
        test.close().await;
    }
}
