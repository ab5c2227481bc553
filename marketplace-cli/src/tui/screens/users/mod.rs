//! Users: the list, the detail of one, and the staff actions on them.

mod actions;
pub mod details;

use marketplace_core::records::target::TargetKind;
use marketplace_core::staff::{Connection, ListQuery, ListUsers, RevealUser, ShowUser, WhyQuery};

use futures::future::BoxFuture;
use marketplace_core::{
    accounts::{
        model::{Note, Status, UserAction},
        summary::{UserFilter, UserSummary},
    },
    base::{
        change::{Changed, RestrictionReason},
        permission::{Permission, Role},
    },
    error::Result,
    events::Event,
    ids::UserId,
    page::{Page, PageRequest},
    presence::Viewed,
    time::Timestamp,
    users::model::{PersonalData, UserDetail},
};
use ratatui::{buffer::Buffer, layout::Rect};
use uuid::Uuid;

use super::super::{
    browser::{
        Browser, Detailed, Target,
        filter::{Typed, flag},
        listing::{Key, Listed, Lists},
        paged::Row,
    },
    component::{Registered, Screen},
    ctx::{Confirmed, Ctx, REVEAL, Request},
    jump::{Destination, Link, Relations, Subject},
    keymap::{Action, Rows, ScreenInfo, Spec, actions},
    message::{LoadId, Message},
    presence::Presence,
    text,
    theme::Style,
    widgets::columns::{Column, SPARE},
};

/// The action that leads here.
pub const HOME: Action =
    Action::new(&Spec { name: "users", keys: "3", label: "users", rank: 0, needs: None, help: "Users" });

actions! {
    FREEZE, "freeze", "f", "freeze", 1, Some(Permission::UsersWrite), "Freeze: no new work; reason, note";
    UNFREEZE, "unfreeze", "F", "unfreeze", 2, Some(Permission::UsersWrite), "Lift a freeze";
    BAN, "ban", "b", "ban", 3, Some(Permission::UsersAdmin), "Ban: no log-in, sessions end; reason, note";
    UNBAN, "unban", "B", "unban", 4, Some(Permission::UsersAdmin), "Lift a ban";
    COMMENT, "note", "c", "note", 5, Some(Permission::UsersWrite), "Write a staff note";
    SESSIONS, "revoke-sessions", "S", "end sessions", 7, Some(Permission::UsersWrite), "End every session";
    ROLE, "role", "m", "role", 8, Some(Permission::UsersAdmin), "Change the role";
    RESET_TOTP, "reset-totp", "T", "reset 2nd factor", 0, Some(Permission::UsersAdmin), "Remove a lost second factor; says how it was made sure who asks";
    CREATE, "create-user", "n", "new account", 0, Some(Permission::UsersAdmin), "Create an account; its owner sets the password by mail";
    EXPORT, "export", "X", "export", 0, Some(Permission::UsersAdmin), "Everything that is stored of the user, into a new file; audited";
    DELETE, "delete", "D", "delete", 9, Some(Permission::UsersAdmin), "Erase the account's personal data for good";
}

impl Row for UserSummary {
    type Id = UserId;
    fn id(&self) -> UserId {
        self.id
    }
}

impl Typed for UserFilter {
    const WORDS: &'static [(&'static str, &'static [&'static str])] =
        &[("status", Status::NAMES), ("role", Role::NAMES), ("q", &[])];
    const FREE_TEXT: bool = true;
    fn set(&mut self, word: &str, value: &str) -> std::result::Result<(), String> {
        match word {
            "status" => self.status = Some(value.parse()?),
            "role" => self.role = Some(value.parse()?),
            _ => self.q = Some(value.to_owned()),
        }
        Ok(())
    }
    fn text(&mut self, text: String) {
        self.q = Some(match self.q.take() {
            Some(before) => format!("{before} {text}"),
            None => text,
        });
    }
    fn flags(&self) -> String {
        let mut flags = String::new();
        flag(&mut flags, "status", self.status);
        flag(&mut flags, "role", self.role);
        flag(&mut flags, "q", self.q.as_ref());
        flags
    }
}

/// The columns of the list.
const COLUMNS: [Column; 6] = [
    Column::text("name", 12, 0),
    Column::text("email", 12, SPARE),
    Column::new("role", 3),
    Column::new("status", 0),
    Column::new("KYC", 4),
    Column::time("joined", 2).falling(),
];

impl Listed for UserSummary {
    type Filter = UserFilter;
    const WHAT: &'static str = "users";
    fn list(api: Connection, filter: UserFilter, page: PageRequest) -> BoxFuture<'static, Result<Page<Self>>> {
        Box::pin(async move { api.call::<ListUsers>((), ListQuery::new(&filter, &page), ()).await })
    }
    fn id_text(&self) -> String {
        self.id.to_string()
    }
    fn columns() -> &'static [Column] {
        &COLUMNS
    }
    fn key(&self, column: &str) -> Key {
        match column {
            "email" => Key::text(&self.email),
            "role" => Key::text(self.role.as_str()),
            "status" => Key::text(self.status.as_str()),
            "KYC" => Key::text(self.kyc_status.as_str()),
            "joined" => Key::time(self.created_at),
            _ => Key::text(&self.name),
        }
    }
}

impl Detailed for UserSummary {
    type Detail = UserDetail;
    const ONE: &'static str = "user";
    const MANY: &'static str = "users";
    fn by_id(id: Uuid) -> UserId {
        UserId(id)
    }
    fn show(api: Connection, id: UserId) -> BoxFuture<'static, Result<UserDetail>> {
        Box::pin(async move { api.call::<ShowUser>(id, (), ()).await })
    }
    fn row(detail: &UserDetail) -> &Self {
        &detail.user
    }
    fn name(&self) -> String {
        self.name.clone()
    }
    fn version(&self) -> i64 {
        self.version
    }
    fn around(&self) -> String {
        // An id is also a filter.
        self.id.to_string()
    }
}

/// The latest action, for repeating it.
#[derive(Debug, Clone)]
struct Last {
    action: UserAction,
    reason: Option<RestrictionReason>,
    note: Option<String>,
}

/// A result.
enum Came {
    /// A user's personal data.
    Revealed(Result<PersonalData>),
    /// A note that was written.
    Noted(Result<Changed<Note>>),
    /// An account that was created.
    Created(Result<Changed<UserDetail>>),
    /// An archive that was written: its size, and where it is.
    Exported(Result<(u64, String)>),
}

/// The intent of a form.
enum Intent {
    /// Act on users; a role comes from the choice.
    Act(UserAction, Vec<Target<UserId>>),
    /// Write a note.
    Note(Vec<Target<UserId>>),
    /// Remove the second factor; how it was made sure who asks comes from the choice.
    Reset(Vec<Target<UserId>>),
    /// Create an account.
    Create,
    /// Write everything into a file.
    Export(UserId),
}

/// Users.
#[derive(Default)]
pub struct Users {
    browser: Browser<UserSummary>,
    revealed: Option<(PersonalData, Timestamp)>,
    reveal_load: Option<(LoadId, UserId)>,
    noting: Vec<(LoadId, String)>,
    presence: Presence,
    making: Option<LoadId>,
    exporting: Option<LoadId>,
    last: Option<Last>,
}

impl Users {
    fn reveal(&mut self, ctx: &mut Ctx) {
        let Some(id) = self.browser.subject().map(|user| user.id) else { return };
        if self.revealed.take_if(|(data, _)| data.id == id).is_some() {
            return;
        }
        // What is revealed, and audited, is seen: where there is no room for both, the detail comes to the front.
        self.browser.in_detail |= !self.browser.wide;
        if self.browser.detail.as_ref().is_none_or(|detail| detail.user.id != id) {
            self.browser.load(id, ctx);
        }
        self.reveal_load = Some((
            ctx.load(Came::Revealed, |api| async move { api.call::<RevealUser>(id, WhyQuery::default(), ()).await }),
            id,
        ));
    }
}

impl Registered for Users {
    const INFO: &'static ScreenInfo = &ScreenInfo {
        home: HOME,
        tab: "Users",
        title: "users",
        rows: Rows::Marked,
        own: ACTIONS,
        chosen: &[Action::REVEAL, Action::GO_THREADS, Action::GO_REVIEWS, Action::GO_KYC],
        by_id: Some(("user", "open an account")),
    };
    fn links(from: &Relations) -> Vec<Link> {
        let people = [('u', "user"), ('w', "worker"), ('c', "client")];
        let link = |(key, kind): (char, &str)| {
            let person = from.get(kind)?;
            Some(Link::new(key, format!("{kind} {}", text::clean(&person.name)), HOME, Subject::One(person.id)))
        };
        people.into_iter().filter_map(link).collect()
    }
}

impl Screen for Users {
    fn lists(&self) -> Option<&dyn Lists> {
        Some(&self.browser)
    }
    fn lists_mut(&mut self) -> Option<&mut dyn Lists> {
        Some(&mut self.browser)
    }

    fn action(&mut self, action: Action, ctx: &mut Ctx) -> bool {
        match action {
            Action::REVEAL => self.reveal(ctx),
            FREEZE => self.ask(&UserAction::Freeze, ctx),
            UNFREEZE => self.ask(&UserAction::Unfreeze, ctx),
            BAN => self.ask(&UserAction::Ban, ctx),
            UNBAN => self.ask(&UserAction::Unban, ctx),
            DELETE => self.ask(&UserAction::Delete, ctx),
            SESSIONS => self.ask(&UserAction::RevokeSessions, ctx),
            ROLE => self.ask_role(None, ctx),
            COMMENT => self.ask_note(ctx),
            RESET_TOTP => self.ask_reset(ctx),
            CREATE => Self::ask_new(ctx),
            EXPORT => self.ask_export(ctx),
            Action::REPEAT => self.repeat(ctx),
            _ => return self.browser.action(action, ctx),
        }
        true
    }

    fn relations(&self) -> Relations {
        let Some(user) = self.browser.subject() else { return Relations::default() };
        Relations::of(user.id).with("user", user.id.0, &user.name).seen_at('u')
    }

    fn message(&mut self, message: Message, ctx: &mut Ctx) -> Option<Message> {
        let message = self.browser.message(message, ctx)?;
        let message = self.presence.message(message, ctx)?;
        match message.open() {
            Ok((id, Came::Revealed(answer))) => {
                if self.reveal_load.take_if(|(pending, _)| *pending == id).is_some() {
                    match answer {
                        Ok(data) => self.revealed = Some((data, ctx.now() + REVEAL)),
                        Err(error) => ctx.fail("reveal", &error),
                    }
                }
            }
            Ok((id, Came::Noted(answer))) => {
                let at = self.noting.iter().position(|(pending, _)| *pending == id)?;
                let (_, name) = self.noting.remove(at);
                match answer {
                    Ok(_) => {
                        ctx.say(format!("{name}: noted"));
                        self.browser.reload(ctx);
                    }
                    Err(error) => ctx.fail(&name, &error),
                }
            }
            Ok((id, Came::Created(answer))) => {
                self.making.take_if(|load| *load == id)?;
                match answer {
                    Ok(made) => {
                        ctx.say(format!("{}: created; the password is set by mail", made.item.user.name));
                        let subject = Subject::One(made.item.user.id.0);
                        ctx.requests.push(Request::Go(Destination { home: HOME, subject }));
                    }
                    Err(error) => ctx.fail("new account", &error),
                }
            }
            Ok((id, Came::Exported(answer))) => {
                self.exporting.take_if(|load| *load == id)?;
                match answer {
                    Ok((size, path)) => ctx.say(format!("{path} ({})", crate::output::size(size))),
                    Err(error) => ctx.fail("export", &error),
                }
            }
            Err(other) => return Some(other),
        }
        None
    }

    fn event(&mut self, event: &Event, ctx: &mut Ctx) {
        if matches!(event.target_kind(), Some(TargetKind::User | TargetKind::Attempt | TargetKind::Session)) {
            self.browser.list.soon(ctx);
            if self.browser.detail.as_ref().is_some_and(|detail| event.user_id == Some(detail.user.id)) {
                self.presence.soon();
            }
        }
    }
    fn confirmed(&mut self, confirmed: Confirmed, ctx: &mut Ctx) -> std::result::Result<(), Confirmed> {
        let (intent, filled) = confirmed.open()?;
        self.go_ahead(intent, filled, ctx);
        Ok(())
    }

    fn tick(&mut self, visible: bool, ctx: &mut Ctx) {
        let now = ctx.now();
        let other = self.browser.detail.as_ref().map(|detail| detail.user.id);
        if self.revealed.take_if(|(data, until)| now >= *until || other.is_some_and(|id| id != data.id)).is_some() {
            ctx.dirty = true;
        }
        let of: Vec<String> = self.browser.detail.as_ref().map_or_else(Vec::new, |detail| {
            let latest = detail.kyc.first().map(|attempt| attempt.id.to_string());
            std::iter::once(detail.user.id.to_string()).chain(latest).collect()
        });
        self.presence.tick(other.map(Viewed::User), &of, visible, ctx);
        self.browser.tick(visible, ctx);
    }
    fn draw(&mut self, area: Rect, buf: &mut Buffer, ctx: &Ctx) {
        self.draw_all(area, buf, ctx);
    }

    fn status(&self, ctx: &Ctx) -> Option<(String, Style)> {
        if let Some((_, until)) = &self.revealed {
            let left = text::seconds_left(*until, ctx.now());
            return Some((format!("revealed, masked again in {left}s"), Style::Warn));
        }
        self.browser.marked("an action")
    }

    fn offers(&self, action: Action) -> bool {
        let many = self.browser.list.rows.marked_count() > 0;
        let status = self.browser.subject().map(|user| user.status);
        match action {
            FREEZE => many || matches!(status, Some(Status::Active | Status::Unverified)),
            UNFREEZE => many || status == Some(Status::Frozen),
            BAN => many || status.is_some_and(|status| !matches!(status, Status::Banned | Status::Deleted)),
            UNBAN => many || status == Some(Status::Banned),
            DELETE | ROLE | SESSIONS | RESET_TOTP | Action::REVEAL => {
                many || status.is_some_and(|status| status != Status::Deleted)
            }
            COMMENT | Action::GO_KYC | Action::GO_AUDIT => status.is_some(),
            Action::OPEN | Action::MARK => !self.browser.in_detail && status.is_some(),
            _ => true,
        }
    }

    fn why_not(&self, action: Action, ctx: &Ctx) -> Option<String> {
        if self.browser.list.rows.marked_count() > 0 {
            return None;
        }
        let user = self.browser.subject()?;
        let changes = [FREEZE, UNFREEZE, BAN, UNBAN, DELETE, ROLE, SESSIONS, RESET_TOTP].contains(&action);
        let own = ctx.identity.as_ref().is_some_and(|identity| identity.principal.user_id() == Some(user.id));
        let why = match (action, user.status) {
            _ if !changes => return None,
            _ if own => "this is your own account: a colleague has to do it",
            (_, Status::Deleted) => "the account is deleted: nothing about it can be changed",
            (FREEZE, Status::Frozen) => "frozen already",
            (FREEZE, Status::Banned) => "banned, which is more than frozen",
            (BAN, Status::Banned) => "banned already",
            (UNFREEZE, status) if status != Status::Frozen => "not frozen",
            (UNBAN, status) if status != Status::Banned => "not banned",
            _ => return None,
        };
        Some(format!("{}: {why}", action.label))
    }

    fn commands(&self) -> Vec<String> {
        self.command_lines()
    }
}
