//! Who is asking, the dashboard's numbers, and what happens.

use serde::{Deserialize, Serialize};

use super::{
    dashboard::stats,
    model::{Identity, Stats},
    operation::Effect,
};
use crate::{
    presence::{self, Viewed, Viewer},
    records::events::{self, EventPage},
};

/// Where to begin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::IntoParams), into_params(parameter_in = Query))]
#[serde(default, deny_unknown_fields)]
pub struct AfterQuery {
    /// The `cursor` of the page before. Without one: no events, and the newest cursor.
    pub after: Option<String>,
    /// Events at most, 1 to 200. A stream takes no notice of it.
    #[cfg_attr(feature = "openapi", param(minimum = 1, maximum = 200, default = 100))]
    pub limit: u16,
}

impl Default for AfterQuery {
    fn default() -> Self {
        Self { after: None, limit: 100 }
    }
}

whole_query!(AfterQuery);

impl AfterQuery {
    /// Returns up to `limit` events after a cursor; without one, none but the newest cursor.
    pub fn new(after: Option<&str>, limit: u16) -> Self {
        Self { after: after.map(str::to_owned), limit }
    }
}

/// What a console shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ViewInput {
    /// What is open.
    pub viewed: Viewed,
    /// Not for what is shown: it changes nothing.
    #[serde(skip)]
    pub if_version: Option<i64>,
}

impl ViewInput {
    /// Returns what is open as a body.
    pub fn new(viewed: Viewed) -> Self {
        Self { viewed, if_version: None }
    }
}

bodies! {
    ViewInput: if_version;
}

/// Who else has it open.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Viewers {
    /// The first to open it first; 20 at most.
    pub others: Vec<Viewer>,
}

operations! { "admin":
    /// As whom you are calling, and what you may do.
    WhoAmI = GET "/v1/admin/whoami",
    (op, (): (), (): (), (): ()) -> Identity as "You"
    with { const ID: &'static str = "ShowIdentity"; } {
        Ok(Identity::of(op.actor()))
    }

    /// The dashboard's numbers.
    ShowStats = GET "/v1/admin/stats" needs StatsRead,
    (op, (): (), (): (), (): ()) -> Stats as "Counts, up to 10,000 each" {
        stats(op).await
    }

    /// Say what you have open, and hear who else has. Said every few seconds: it counts for 15 s, or until something else is said.
    View = POST "/v1/admin/viewers" needs StatsRead,
    (op, (): (), (): (), input: ViewInput) -> Viewers as "The others who have it open"
    with { const ID: &'static str = "ViewAsStaff"; const EFFECT: Effect = Effect::Read; } {
        Ok(Viewers { others: presence::view(op, input.viewed).await? })
    }

    /// What changed, oldest first; with `Accept: text/event-stream`, as a stream that goes on.
    ///
    /// A stream begins after `Last-Event-ID`, else after `after`, else now. It ends when the caller is no longer signed in.
    ListEvents = GET "/v1/admin/events" needs StatsRead,
    (op, (): (), start: AfterQuery, (): ()) -> EventPage as "A page, or a stream of server-sent events"
    with { // As a stream too, so the server mounts it itself.
        const IS_MOUNTED: bool = false; } {
        events::since(op, start.after.as_deref(), start.limit).await
    }
}
