//! Tokens for scripts: the list, new ones, and their end.

use std::collections::BTreeMap;

use futures::future::BoxFuture;
use marketplace_core::{
    base::{
        change::{Change, Changed},
        permission::Permission,
        principal::Principal,
    },
    error::Result,
    events::Event,
    ids::TokenId,
    page::{Page, PageRequest},
    records::target::TargetKind,
    staff::{Connection, CreateToken, ListQuery, ListTokens, NewTokenInput, PlainInput, RevokeToken},
    time::Timestamp,
    tokens::model::{ApiToken, CreatedToken, NewToken, TokenFilter, TokenStatus},
};
use ratatui::{buffer::Buffer, layout::Rect, text::Span};

use super::super::{
    browser::{
        filter::{Typed, flag},
        list,
        listing::{Key, Listed, Listing, Lists, copies},
        paged::Row,
    },
    component::{Registered, Screen},
    confirmation,
    ctx::{Confirmed, Ctx, Request},
    jump::Relations,
    keymap::{Action, Rows, ScreenInfo, Spec, actions},
    message::{LoadId, Message},
    privacy::private,
    text,
    theme::Style,
    widgets::{
        columns::Column,
        form::{Choice, Filled, Form},
        popup::{PopLine, Popup},
        rows,
    },
};

/// The action that leads here.
pub const HOME: Action =
    Action::new(&Spec { name: "tokens", keys: "0", label: "tokens", rank: 0, needs: None, help: "Tokens for scripts" });

actions! {
    CREATE, "create-token", "n", "new", 1, Some(Permission::TokensWrite), "Create a token: its secret is shown once";
    REVOKE, "revoke-token", "x", "revoke", 2, Some(Permission::TokensWrite), "End the token (or the marked ones) at once";
}

impl Row for ApiToken {
    type Id = TokenId;
    fn id(&self) -> TokenId {
        self.id
    }
}

impl Typed for TokenFilter {
    const WORDS: &'static [(&'static str, &'static [&'static str])] = &[("owner_id", &[])];
    const COLLEAGUES: &'static [(&'static str, &'static str)] = &[("owner_id", "")];
    const FREE_TEXT: bool = false;
    fn set(&mut self, _word: &str, value: &str) -> std::result::Result<(), String> {
        self.owner_id = Some(value.parse().map_err(|_| String::new())?);
        Ok(())
    }
    fn flags(&self) -> String {
        let mut flags = String::new();
        flag(&mut flags, "owner", self.owner_id);
        flags
    }
}

const COLUMNS: [Column; 6] = [
    Column::text("name", 10, 0),
    Column::new("state", 0),
    Column::text("owner", 8, 2),
    Column::text("may", 10, 4),
    Column::time("ends in", 3),
    Column::time("used", 3),
];

impl Listed for ApiToken {
    type Filter = TokenFilter;
    const WHAT: &'static str = "tokens";
    fn list(api: Connection, filter: TokenFilter, page: PageRequest) -> BoxFuture<'static, Result<Page<Self>>> {
        Box::pin(async move { api.call::<ListTokens>((), ListQuery::new(&filter, &page), ()).await })
    }
    fn id_text(&self) -> String {
        self.id.to_string()
    }
    fn columns() -> &'static [Column] {
        &COLUMNS
    }
    fn key(&self, column: &str) -> Key {
        match column {
            "state" => Key::text(self.status.as_str()),
            "owner" => Key::text(self.owner_id.to_string()),
            "may" => Key::text(scopes(self)),
            "ends in" => Key::time(self.expires_at),
            "used" => Key::Number(self.last_used_at.map_or(0, Timestamp::micros)),
            _ => Key::text(&self.name),
        }
    }
}

fn scopes(token: &ApiToken) -> String {
    token.scopes.iter().map(|scope| scope.as_str()).collect::<Vec<_>>().join(" ")
}

/// Returns what a token can be given.
fn all_scopes() -> Vec<Permission> {
    Permission::ALL.iter().copied().filter(|scope| scope.is_scope()).collect()
}

fn detail(token: &ApiToken, ctx: &Ctx) -> Popup {
    let pair = |key: &str, value: String| PopLine::Pair(key.into(), value);
    let time = |at| text::exact(at, ctx.times);
    let mut lines = vec![
        pair("token", token.id.to_string()),
        pair("state", token.status.to_string()),
        pair("owner", ctx.who(&Principal::user(token.owner_id))),
        pair("may", scopes(token)),
        pair("made", format!("{} by {}", time(token.created_at), ctx.who(&token.created_by))),
        pair("ends", time(token.expires_at)),
        pair("last used", token.last_used_at.map_or_else(|| "never".into(), time)),
    ];
    lines.extend(token.revoked_at.map(|at| pair("revoked", time(at))));
    lines.extend(token.revoked_by.as_ref().map(|by| pair("revoked by", ctx.who(by))));
    Popup::new(token.name.clone(), lines).private()
}

fn heading(targets: &[(TokenId, String)]) -> String {
    match targets {
        [(_, name)] => format!("End the token {}", text::clean(name)),
        many => format!("End {} tokens", many.len()),
    }
}

/// The intent of a form.
enum Intent {
    /// Make one.
    Create,
    /// End these.
    Revoke(Vec<(TokenId, String)>),
}

/// A result.
enum Came {
    /// Of making one.
    Created(Result<Changed<CreatedToken>>),
    /// Of ending one.
    Revoked(Result<Changed<ApiToken>>),
}

/// Tokens for scripts.
#[derive(Default)]
pub struct Tokens {
    list: Listing<ApiToken>,
    /// What is under way, with its name.
    changing: BTreeMap<LoadId, String>,
}

impl Tokens {
    fn create(&mut self, filled: &Filled, ctx: &mut Ctx) {
        let [name, ends, owner] = filled.inputs.as_slice() else { return };
        let expires_in = match crate::args::span(ends) {
            Ok(span) => span,
            Err(why) => return ctx.refuse(format!("{ends}: {why}")),
        };
        let owner_id = match owner.as_str() {
            "" => None,
            id => match id.parse() {
                Ok(id) => Some(id),
                Err(_) => return ctx.refuse(format!("{id}: no id of an account")),
            },
        };
        let known = all_scopes();
        let scopes = filled.picked.iter().filter_map(|at| known.get(*at)).copied().collect();
        let new = NewToken { name: name.clone(), scopes, expires_in, owner_id };
        let input = NewTokenInput::new(new, Change::default());
        let load = ctx.act(format!("making the token {name}"), Came::Created, |api| async move {
            api.call::<CreateToken>((), (), input).await
        });
        self.changing.insert(load, name.clone());
    }
}

impl Registered for Tokens {
    const INFO: &'static ScreenInfo = &ScreenInfo {
        home: HOME,
        // Reached by its key and its name: it is seldom needed, and tabs are few.
        tab: "",
        title: "tokens",
        rows: Rows::Marked,
        own: ACTIONS,
        chosen: &[Action::GO_USER],
        by_id: None,
    };
}

impl Screen for Tokens {
    fn action(&mut self, action: Action, ctx: &mut Ctx) -> bool {
        match action {
            Action::OPEN => {
                if let Some(token) = self.list.rows.selected() {
                    ctx.requests.push(Request::Popup(detail(token, ctx)));
                }
            }
            CREATE => {
                let choices = ('a'..='z').zip(all_scopes());
                let choices =
                    choices.map(|(key, scope)| Choice { key, label: scope.as_str().to_owned(), template: "" });
                let form = Form::new("New token")
                    .line("It may do what is chosen, as long as its owner may. Its secret is shown this once.")
                    .choices(choices.collect(), true)
                    .with_input("name", true)
                    .with_input("ends after (90d, 12h)", true)
                    .with_input("owner's id (yours without)", false)
                    .about(["new token"]);
                ctx.ask(form, Intent::Create);
            }
            REVOKE => {
                let targets = self.list.targets(|token| token.name.clone());
                if !targets.is_empty() {
                    let form = Form::new(heading(&targets))
                        .line("Whatever uses it stops working at once. It cannot be taken back.")
                        .line("")
                        .confirmed_by(confirmation::REVOKE_TOKENS, targets.len());
                    ctx.ask(form, Intent::Revoke(targets));
                }
            }
            Action::BACK => return self.list.back(ctx),
            _ => return copies(self.list.rows.selected(), action, ctx) || self.list.action(action, ctx),
        }
        true
    }
    fn lists(&self) -> Option<&dyn Lists> {
        Some(&self.list)
    }
    fn lists_mut(&mut self) -> Option<&mut dyn Lists> {
        Some(&mut self.list)
    }
    fn relations(&self) -> Relations {
        let Some(token) = self.list.rows.selected() else { return Relations::default() };
        Relations::of(token.id).with("user", token.owner_id.0, &text::short_id(&token.owner_id))
    }
    fn message(&mut self, message: Message, ctx: &mut Ctx) -> Option<Message> {
        let Err(message) = self.list.take(message, ctx) else { return None };
        let (id, came) = match message.open() {
            Ok(came) => came,
            Err(other) => return Some(other),
        };
        let name = self.changing.remove(&id)?;
        match came {
            Came::Created(Ok(created)) => {
                self.list.rows.refresh();
                let secret = created.item.secret.unwrap_or_default();
                ctx.requests.push(Request::Popup(Popup::secret(format!("Token {name}"), secret)));
            }
            Came::Revoked(Ok(revoked)) => {
                self.list.rows.replace(&revoked.item);
                ctx.say_of(name, if revoked.changed { "ended" } else { "had ended already" });
            }
            Came::Created(Err(error)) | Came::Revoked(Err(error)) => ctx.fail(&name, &error),
        }
        None
    }
    fn event(&mut self, event: &Event, ctx: &mut Ctx) {
        if event.target_kind() == Some(TargetKind::Token) {
            self.list.soon(ctx);
        }
    }
    fn confirmed(&mut self, confirmed: Confirmed, ctx: &mut Ctx) -> std::result::Result<(), Confirmed> {
        let (intent, filled) = confirmed.open()?;
        let revoke = |api: Connection, id| -> BoxFuture<'static, _> {
            Box::pin(async move { api.call::<RevokeToken>(id, (), PlainInput::default()).await })
        };
        match intent {
            Intent::Create => self.create(&filled, ctx),
            Intent::Revoke(targets) => {
                let said = ("ending the token", heading(&targets));
                self.changing.extend(self.list.change(said, targets, ctx, Came::Revoked, revoke));
            }
        }
        Ok(())
    }
    fn draw(&mut self, area: Rect, buf: &mut Buffer, ctx: &Ctx) {
        let (now, theme) = (ctx.now(), ctx.theme);
        let inner = self.list.pane(area, buf, theme, ("Tokens for scripts", &self.list.place()), true);
        list::draw(inner, buf, ctx, &mut self.list.rows, true, "There are no tokens.", &COLUMNS, |token| {
            let (glyph, style) = match token.status {
                TokenStatus::Active => ("●", Style::Good),
                TokenStatus::Expired => ("○", Style::Faint),
                TokenStatus::Revoked => ("✖", Style::Bad),
            };
            let ends = match ctx.times.exact {
                true => ctx.times.stamp(token.expires_at),
                false if token.expires_at > now => text::age(token.expires_at.since(now)),
                false => "–".into(),
            };
            vec![
                Span::styled(token.name.clone(), private(theme.style(Style::Plain))),
                Span::styled(format!("{glyph} {}", token.status), theme.style(style)),
                Span::raw(ctx.who(&Principal::user(token.owner_id))),
                Span::raw(scopes(token)),
                Span::raw(ends),
                token.last_used_at.map_or_else(|| Span::raw("never"), |at| rows::time(theme, at, now, ctx.times)),
            ]
        });
    }
    fn status(&self, _ctx: &Ctx) -> Option<(String, Style)> {
        self.list.marked(REVOKE.label)
    }
    fn offers(&self, action: Action) -> bool {
        !self.list.rows.is_empty() || !matches!(action, REVOKE | Action::OPEN | Action::MARK | Action::GO_USER)
    }
    fn commands(&self) -> Vec<String> {
        let mut lines = vec![format!("marketplace tokens list{}", self.list.bar.filter.flags())];
        lines
            .extend(self.list.rows.selected().map(|token| format!("marketplace tokens revoke {} --dry-run", token.id)));
        lines
    }
}
