//! Arguments of what is done to users.

use marketplace_core::{
    base::{
        change::{Change, IdentityProof, RestrictionReason},
        permission::Role,
    },
    ids::UserId,
    staff::{Connection, ShowUser},
    time::Timestamp,
};
use serde::Deserialize;

use crate::{
    args::{Ahead, ChangeArgs, one_of},
    failure::Outcome,
};

/// How users are acted on.
#[derive(Debug, Default, Clone, clap::Args)]
pub struct Acting {
    /// Why, as a code; restrictions need one
    #[arg(long, value_name = "CODE", value_parser = one_of::<RestrictionReason>(RestrictionReason::NAMES))]
    pub(super) reason: Option<RestrictionReason>,
    /// Refuse unless the user is at this version
    #[arg(long, value_name = "N")]
    pub(super) if_version: Option<i64>,
    /// Of `reset-totp`.
    #[arg(skip)]
    pub(super) proof: Option<IdentityProof>,
    /// Of `freeze`.
    #[arg(skip)]
    pub(super) until: Option<Timestamp>,
    #[command(flatten)]
    pub(super) change: ChangeArgs,
}

/// The values that a line of a batch may give for its item.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Overrides {
    pub(super) reason: Option<RestrictionReason>,
    pub(super) proof: Option<IdentityProof>,
    pub(super) until: Option<Ahead>,
    pub(super) note: Option<String>,
    pub(super) role: Option<Role>,
    pub(super) if_version: Option<i64>,
}

impl Acting {
    pub(super) fn change(&self, line: &Overrides) -> Change {
        Change {
            reason: line.reason.or(self.reason),
            proof: line.proof.or(self.proof),
            until: line.until.map(|Ahead(at)| at).or(self.until),
            note: line.note.clone().or_else(|| self.change.note.clone()),
            dry_run: self.change.dry_run,
            if_version: line.if_version.or(self.if_version),
        }
    }
}

/// Names a user for a question.
pub(super) async fn describe(api: &Connection, id: UserId) -> Outcome<String> {
    let user = api.call::<ShowUser>(id, (), ()).await?.user;
    Ok(format!("{} ({}, {}, {})", user.name, user.email, user.role, user.status))
}
