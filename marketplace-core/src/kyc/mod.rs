//! Identity checks (KYC, know your customer): a worker submits a document and a selfie, staff claim the case from a queue
//! and decide it.
//!
//! | to read about | open |
//! |---|---|
//! | states, reasons, claims, decisions | [`model`] |
//! | what files are taken, how they are encrypted and kept | [`files`] |

pub mod files;
pub mod model;

use crate::{app::App, db::Conn, error::Result, ids::UserId, time::Timestamp};
pub(crate) async fn briefs(_conn: &mut Conn<'_>, _now: Timestamp, _user: UserId) -> Result<Vec<model::AttemptBrief>> {
    Ok(Vec::new())
}
pub(crate) async fn erase(_app: &App, _conn: &mut Conn<'_>, _user: UserId) -> Result<()> {
    Ok(())
}
