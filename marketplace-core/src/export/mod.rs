//! The export of everything that is stored of one person (GDPR art. 15 and 20): a ZIP archive with a JSON file for each
//! subject, and the person's own files.
//!
//! Of other people it holds what the person sees in the product anyway: names beside messages, jobs and reviews. Notes of
//! the staff's, claims, and who decided what are not in it. It is written page by page while it is read, so it costs the
//! same memory whatever its size; pages are read one after another, so what changes meanwhile may be in it or not.
//!
//! ```no_run
//! # use futures::StreamExt;
//! # use marketplace_core::{error::{Error, Result}, export, operation::Operation};
//! # async fn example(op: &Operation, file: &mut impl std::io::Write) -> Result<()> {
//! let mut export = export::own(op).await?;
//! while let Some(piece) = export.body.next().await {
//!     file.write_all(&piece?).map_err(Error::internal)?;
//! }
//! # Ok(())
//! # }
//! ```

mod archive;
mod fill;

use std::fmt;

use bytes::Bytes;
use futures::{StreamExt, stream::BoxStream};
use tokio::sync::mpsc;

use archive::Archive;

use crate::{
    accounts::{self, model::Status},
    actor::Actor,
    app::App,
    auth::{self, ClientInfo},
    base::{
        error::{Error, Result},
        ids::UserId,
        permission::Permission,
    },
    messaging::model::AccessReason,
    operation::Operation,
    platform::health,
    records::{
        audit::{self, AuditAction},
        target::TargetKind,
    },
};

/// Pieces that wait for the reader; each has some 64 KiB.
const AHEAD: usize = 2;
/// An archive that is created while it is read.
pub struct Export {
    /// The suggested name of a saved copy; ASCII.
    pub file_name: String,
    /// Its bytes. An error in the middle means that what came before is no whole archive.
    pub body: BoxStream<'static, Result<Bytes>>,
}

impl fmt::Debug for Export {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Export({})", self.file_name)
    }
}

/// Exports the caller's own data, whatever the account's status. Audited before the first byte.
///
/// # Errors
/// `busy` while the same export runs.
pub async fn own(op: &Operation) -> Result<Export> {
    let user = op.actor().require_own(Permission::OwnAccount)?.account.id;
    begin(op, user, None).await
}

/// The permissions that show what is in an archive: a caller without one of them may not export.
const SHOWN: &[Permission] = &[
    Permission::UsersRead,
    Permission::UsersReveal,
    Permission::KycRead,
    Permission::ThreadsRead,
    Permission::JobsRead,
    Permission::ReviewsRead,
    Permission::ReportsRead,
    Permission::TokensRead,
];

/// Exports a person's data, for staff who handle their request. Audited, with the reason, before the first byte.
///
/// Needs the permission to see each thing that is in it, besides `users:admin`.
///
/// # Errors
/// `not_found` when there is no such account, or nothing of it is left; `busy` while the same export runs.
pub async fn of_user(op: &Operation, user: UserId, reason: Option<AccessReason>) -> Result<Export> {
    op.actor().require(Permission::UsersAdmin)?;
    SHOWN.iter().try_for_each(|permission| op.actor().require(*permission))?;
    begin(op, user, reason).await
}

/// Exports the data of a banned person, who has the link from the mail about the ban. The link goes on working, for the
/// deletion. Nobody is logged in, so the record says `system`.
///
/// # Errors
/// `invalid` for a link that does not count; `busy` while the same export runs.
pub async fn by_link(app: &App, client: &ClientInfo, one_time: &str) -> Result<Export> {
    let user = auth::owner_of_link(app, client, one_time).await?;
    begin(&app.by(&Actor::System), user, None).await
}

async fn begin(op: &Operation, user: UserId, reason: Option<AccessReason>) -> Result<Export> {
    let under_way = "this export, or too many others, are under way; try again when they are done";
    let turn = op.exports.take(user, under_way).await?;

    op.write(unit!(|op, conn| {
        let account = accounts::store::get(conn, user).await?;
        if account.is_none_or(|account| account.status == Status::Deleted) {
            return Err(Error::not_found("user"));
        }
        let entry = audit::Entry {
            action: AuditAction::UsersExport,
            target_kind: TargetKind::User,
            target: user.to_string(),
            reason: reason.map(|reason| reason.to_string()),
            metadata: serde_json::json!({}),
        };
        audit::append(&op, conn, entry).await.map(drop)
    }))
    .await?;
    let (pieces, mut read) = mpsc::channel(AHEAD);
    let file_name = format!("marketplace-data-{}.zip", op.now().date());
    let op = op.clone();
    tokio::spawn(async move {
        let _turn = turn;
        if let Err(error) = Box::pin(fill::fill(&op, user, Archive::new(pieces.clone()))).await {
            health::log_failure(&error, "an export ended early");
            // A reader who has gone away does not hear it.
            let _ = pieces.send(Err(error)).await;
        }
    });
    let body = futures::stream::poll_fn(move |context| read.poll_recv(context)).boxed();
    Ok(Export { file_name, body })
}

#[cfg(test)]
mod tests;
