//! Signed addresses of files, for what cannot send a header: `<img>`.
//!
//! An address is good for a few minutes, for one file, and as one person: it shows what that person may see when it is used, not
//! when it was made. So it ends with their access, and nothing has to be stored or revoked.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::hmac;
use serde::{Deserialize, Serialize};

use super::files::{AttachmentFile, AttachmentSize, shown, visible};
use crate::{
    accounts::model::Status,
    app::App,
    base::{
        error::{Error, Result},
        ids::{AttachmentId, ThreadId, UserId},
        permission::Permission,
        time::Timestamp,
    },
    messaging::store,
    operation::Operation,
};

/// How long an address is good for.
const GOOD_FOR: Duration = Duration::from_secs(300);

/// The address of a file, for whoever holds it. It is a secret until it expires.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SignedAddress {
    /// The path and the query, to be put behind the API's own address; `&size=thumb` may be added.
    pub address: String,
    /// When it ends: five minutes after it was made.
    pub expires_at: Timestamp,
}

impl std::fmt::Debug for SignedAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SignedAddress(until {})", self.expires_at)
    }
}

/// The query of a signed address.
#[derive(Clone, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::IntoParams), into_params(parameter_in = Query))]
#[serde(deny_unknown_fields)]
pub struct AddressQuery {
    /// As whom.
    pub user: UserId,
    /// Until when, in seconds since the epoch.
    pub expires: i64,
    /// That it was made here.
    pub signature: String,
    /// As it was sent, or small.
    #[cfg_attr(feature = "openapi", param(inline))]
    pub size: Option<AttachmentSize>,
}

impl std::fmt::Debug for AddressQuery {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "AddressQuery(as {} until {})", self.user, self.expires)
    }
}

fn key(app: &App) -> hmac::Key {
    app.keys.mac_key(b"marketplace/attachment address/1")
}

fn signed_text(id: AttachmentId, user: UserId, expires: i64) -> String {
    format!("{id}\n{user}\n{expires}")
}

/// Returns an address of a file of a thread of the caller's.
///
/// # Errors
/// `not_found` when the thread is not the caller's, or the file is not visible to them.
pub async fn attachment_address(op: &Operation, thread: ThreadId, id: AttachmentId) -> Result<SignedAddress> {
    let user = op.actor().require_own(Permission::Trade)?.account.id;
    visible(op, user, Some(thread), id).await?;
    let expires = (op.now() + GOOD_FOR).unix_seconds();
    let tag = hmac::sign(&key(op), signed_text(id, user, expires).as_bytes());
    let signature = URL_SAFE_NO_PAD.encode(tag);
    let address = format!("/v1/attachments/{id}?user={user}&expires={expires}&signature={signature}");
    Ok(SignedAddress { address, expires_at: Timestamp::from_unix_seconds(expires) })
}

/// Returns the file of a signed address.
///
/// # Errors
/// `not_found` whatever is wrong: the signature, the time, the access of the person it was made for.
pub async fn addressed_attachment(app: &App, id: AttachmentId, query: &AddressQuery) -> Result<AttachmentFile> {
    let none = || Error::not_found("attachment");
    let signature = URL_SAFE_NO_PAD.decode(&query.signature).map_err(|_| none())?;
    let text = signed_text(id, query.user, query.expires);
    hmac::verify(&key(app), text.as_bytes(), &signature).map_err(|_| none())?;
    if query.expires <= app.now().unix_seconds() {
        return Err(none());
    }
    let file = visible(app, query.user, None, id).await?;
    let mut reader = app.db.read().await?;
    let account = store::membership(&mut reader.conn(), file.thread_id, query.user).await?.map(|member| member.account);
    drop(reader);
    if !matches!(account, Some(Status::Active | Status::Frozen)) {
        return Err(none());
    }
    shown(app, id, file, query.size.unwrap_or(AttachmentSize::Full)).await
}
