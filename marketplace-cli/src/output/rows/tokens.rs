//! Rows of API tokens, sessions and second factors.

use marketplace_core::{
    auth::{RecoveryCodes, SessionView},
    tokens::model::{ApiToken, CreatedToken},
};

use super::{names, within};
use crate::output::{Card, Column, Kind, Order, Row, Timeline, Tone, View};

impl Row for ApiToken {
    const COLUMNS: &'static [Column] = &[
        Column::new("ID", "id", Kind::Id),
        Column::new("STATUS", "status", Kind::State),
        Column::new("NAME", "name", Kind::Text),
        Column::new("SCOPES", "scopes", Kind::Text),
        Column::new("ENDS", "expires_at", Kind::Time),
        Column::optional("LAST USED", "last_used_at", Kind::Time),
        Column::optional("OWNER", "owner_id", Kind::Id),
        Column::optional("MADE", "created_at", Kind::Time),
    ];
    const HAS_PEOPLE: bool = true;
    fn timeline() -> Option<Timeline> {
        Some(Timeline { path: "created_at", list: Some("tokens"), order: Order::NewestFirst })
    }
    fn id() -> String {
        "id".into()
    }
    fn fields() -> Vec<String> {
        names(&[
            "id",
            "name",
            "owner_id",
            "status",
            "scopes",
            "created_by",
            "created_at",
            "expires_at",
            "last_used_at",
            "revoked_at",
            "revoked_by",
        ])
    }
    fn card(&self, view: &View) -> Option<Card> {
        let scopes = self.scopes.iter().map(|scope| scope.as_str()).collect::<Vec<_>>().join(", ");
        Some(
            Card::default()
                .pair("token", self.id)
                .toned("status", self.status, Tone::of(self.status.as_str()))
                .pair("name", &self.name)
                .pair("owner", view.people.owner(self.owner_id))
                .pair("may", scopes)
                .pair("made", format!("{} by {}", view.time(self.created_at), view.who(&self.created_by)))
                .pair("ends", view.time(self.expires_at))
                .maybe("last used", self.last_used_at.map(|at| view.time(at)))
                .maybe("revoked", self.revoked_at.map(|at| view.time(at)))
                .maybe("revoked by", self.revoked_by.as_ref().map(|by| view.who(by))),
        )
    }
}

impl Row for CreatedToken {
    const COLUMNS: &'static [Column] =
        &[Column::new("ID", "token.id", Kind::Id), Column::new("SECRET", "secret", Kind::Text)];
    const HAS_PEOPLE: bool = true;
    fn id() -> String {
        "token.id".into()
    }
    fn fields() -> Vec<String> {
        std::iter::once("secret".to_owned()).chain(within("token", ApiToken::fields())).collect()
    }
    fn card(&self, view: &View) -> Option<Card> {
        self.token.card(view).map(|card| card.maybe("secret", self.secret.as_ref()))
    }
}

impl Row for SessionView {
    const COLUMNS: &'static [Column] = &[
        Column::new("ID", "id", Kind::Id),
        Column::new("THIS ONE", "current", Kind::Text),
        Column::new("PROGRAM", "user_agent", Kind::Text),
        Column::optional("FROM", "ip", Kind::Text),
        Column::new("LAST USED", "last_used_at", Kind::Time),
        Column::optional("ENDS", "expires_at", Kind::Time),
        Column::optional("BEGAN", "created_at", Kind::Time),
    ];
    fn timeline() -> Option<Timeline> {
        Some(Timeline { path: "created_at", list: None, order: Order::NewestFirst })
    }
    fn id() -> String {
        "id".into()
    }
    fn fields() -> Vec<String> {
        names(&["id", "current", "user_agent", "ip", "created_at", "last_used_at", "expires_at"])
    }
}

impl Row for RecoveryCodes {
    const COLUMNS: &'static [Column] = &[Column::new("RECOVERY CODES", "recovery_codes", Kind::Text)];
    fn id() -> String {
        "recovery_codes".into()
    }
    fn fields() -> Vec<String> {
        names(&["recovery_codes"])
    }
    fn card(&self, _view: &View) -> Option<Card> {
        Some(Card::default().section("recovery codes", self.recovery_codes.clone()))
    }
}
