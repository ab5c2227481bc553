//! What both queues, of identity checks and of reports, take in a line of a batch that moves cases.

use marketplace_core::{ids::UserId, staff::Connection, time::Timestamp};
use serde::Deserialize;

use crate::{
    args::AheadOrNow,
    failure::{Failure, Outcome},
    find::colleague,
};

/// The values that a line may give for its item.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct PlainLine {
    pub note: Option<String>,
}

/// The values that a line of `snooze` may give for its item.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct SnoozeLine {
    until: Option<AheadOrNow>,
    pub note: Option<String>,
}

impl SnoozeLine {
    /// Returns until when; none takes the case up again.
    pub fn until(&self, flag: Option<AheadOrNow>) -> Outcome<Option<Timestamp>> {
        let AheadOrNow(until) =
            self.until.or(flag).ok_or_else(|| Failure::usage("the time is missing", "add --until TIME"))?;
        Ok(until)
    }
}

/// The values that a line of `assign` may give for its item.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct AssignLine {
    to: Option<String>,
    pub note: Option<String>,
}

impl AssignLine {
    /// Returns to whom, `flag` unless the line says it.
    pub async fn to(&self, api: &Connection, flag: Option<Assignee>) -> Outcome<Option<UserId>> {
        let to = match &self.to {
            Some(to) => Some(assignee(api, to).await?),
            None => flag,
        };
        to.map(|to| to.0).ok_or_else(|| Failure::usage("it is not said to whom", "add --to WHO"))
    }
}

/// To whom a case is assigned: a colleague, or nobody.
#[derive(Clone, Copy, Debug)]
pub(super) struct Assignee(pub Option<UserId>);

/// Returns whom a text names: `nobody`, me, an address, an id or a name.
pub(super) async fn assignee(api: &Connection, text: &str) -> Outcome<Assignee> {
    match text.trim() {
        "nobody" => Ok(Assignee(None)),
        who => colleague(api, who).await.map(|who| Assignee(Some(who))),
    }
}
