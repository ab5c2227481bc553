//! Photos of services of a demonstration, drawn: a still life of a few things on a table, in the colours of a number.

use std::sync::Arc;

use futures::FutureExt;
use marketplace_core::{
    accounts::model::{Account, Status},
    actor::{Actor, SignedIn},
    app::App,
    base::{
        error::{Error, ErrorCode, Result},
        ids::{CaseId, ServiceId, SessionId, UserId},
        permission::Role,
        time::Timestamp,
    },
    kyc::status::KycStatus,
    platform::db::Conn,
    q,
    reports::model::ReportedContent,
    services::{self, model::Photo},
};

use marketplace_people::{people::mix, photo::photo};

/// Services that get photos: enough for the first page of a list.
const SERVICES: i64 = 12;
/// The first of the numbers for which photos of reported services are drawn.
const REPORTED: u64 = 100;
/// Adds photos to reported services, as their workers would, and to what was reported of them.
pub(crate) async fn add_reported(app: &App) -> Result<()> {
    let mut reader = app.db.read().await?;
    let reported = q!(&mut reader.conn() => all (CaseId, ServiceId, UserId, String),
        "SELECT c.id, s.id, s.worker_id, s.title FROM report_cases c JOIN services s ON s.id = c.target_id \
         WHERE c.target_kind = 'service' AND s.photos = '[]' ORDER BY c.id DESC LIMIT ($1 + 0)", SERVICES)?;
    drop(reader);
    for (number, (case, service, worker, title)) in (REPORTED..).zip(reported) {
        add_to(app, (service, worker, &title), number, 2).await?;
        app.db.write(move |conn| async move { report(conn, case, service).await }.boxed()).await?;
    }
    Ok(())
}

/// Has what was reported of a service show the photos that it has now, and keeps them for staff.
async fn report(conn: &mut Conn<'_>, case: CaseId, service: ServiceId) -> Result<()> {
    let photos = q!(conn => optval String, "SELECT photos FROM services WHERE id = $1", service)?;
    let photos: Vec<Photo> = serde_json::from_str(photos.as_deref().unwrap_or("[]")).map_err(Error::internal)?;
    let content =
        q!(conn => optval String, "SELECT content FROM reports WHERE case_id = $1 AND content IS NOT NULL", case)?;
    let Some(content) = content.filter(|_| !photos.is_empty()) else { return Ok(()) };
    let content: ReportedContent = serde_json::from_str(&content).map_err(Error::internal)?;
    let content = serde_json::to_string(&ReportedContent { photos, ..content }).map_err(Error::internal)?;
    q!(conn => exec, "UPDATE reports SET content = $2 WHERE case_id = $1 AND content IS NOT NULL", case, content)?;
    q!(conn => exec, "UPDATE service_photos SET reported = TRUE WHERE service_id = $1", service)?;
    Ok(())
}

/// Adds photos to the newest services, as their workers would.
pub(crate) async fn add(app: &App) -> Result<()> {
    let mut reader = app.db.read().await?;
    let newest = q!(&mut reader.conn() => all (ServiceId, UserId, String), [
        sqlite: "SELECT id, worker_id, title FROM services WHERE visible = 1 AND photos = '[]' ORDER BY number DESC LIMIT ($1 + 0)",
        pg: "SELECT id, worker_id, title FROM services WHERE visible AND photos = '[]' ORDER BY number DESC LIMIT ($1 + 0)",
    ], SERVICES)?;
    drop(reader);
    for (number, (service, worker, title)) in (0..).zip(newest) {
        add_to(app, (service, worker, &title), number, 1 + usize::from(number % 3 == 0)).await?;
    }
    Ok(())
}

/// Adds so many photos to a service, drawn for a number.
async fn add_to(
    app: &App,
    (service, worker, title): (ServiceId, UserId, &str),
    number: u64,
    photos: usize,
) -> Result<()> {
    let op = app.by(&as_worker(worker, app.now()));
    for place in 1..=photos {
        let drawn = mix(number, place as u64);
        let bytes = tokio::task::spawn_blocking(move || photo(drawn)).await.map_err(Error::internal)??;
        match services::put_photo(&op, service, place, title, bytes).await {
            // Somebody at the console was faster: the worker is frozen, or the service is closed.
            Err(error) if matches!(error.code(), ErrorCode::Internal | ErrorCode::Unavailable) => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// Returns a worker as the caller of an operation, which reads their account anew.
fn as_worker(id: UserId, now: Timestamp) -> Actor {
    let account = Account {
        id,
        role: Role::Worker,
        status: Status::Active,
        email: String::new(),
        email_verified: true,
        name: String::new(),
        phone: None,
        kyc_status: KycStatus::Approved,
        kyc_prior: KycStatus::Approved,
        kyc_effective_at: None,
        kyc_expires_at: None,
        version: 1,
        created_at: now,
    };
    let session = SessionId(id.0);
    Actor::User(Arc::new(SignedIn { account, session, expires_at: now, must_enrol: false }))
}
