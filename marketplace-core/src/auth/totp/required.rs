//! Who has to have a second factor.

use super::store;
use crate::{
    accounts::model::{Account, Status},
    app::App,
    base::error::Result,
};

/// Whether somebody needs a second factor here. Who has not confirmed their address may do nothing that one would protect.
pub(crate) fn is_required(app: &App, account: &Account) -> bool {
    let config = &app.config;
    (config.require_totp || config.require_staff_totp && account.role.is_staff())
        && account.status != Status::Unverified
}

/// Whether somebody must enrol a second factor before anything else.
pub(crate) async fn must_enrol(app: &App, account: &Account) -> Result<bool> {
    if !is_required(app, account) {
        return Ok(false);
    }
    let mut reader = app.db.read().await?;
    Ok(!store::is_on(&mut reader.conn(), account.id).await?)
}
