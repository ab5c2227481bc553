//! The audit log: newest first, following live, with filters and the detail of each row.

use marketplace_core::audit::AuditAction;
use marketplace_core::base::text_enum::Name;
use marketplace_core::staff::{Connection, ListAudit, ListQuery, StretchQuery, VerifyAudit};
use std::time::Duration;

use futures::future::BoxFuture;
use marketplace_core::{
    audit::{AuditFilter, AuditRow, AuditVerification, VERIFY_LIMIT},
    base::principal::Principal,
    error::Result,
    events::Event,
    page::{Page, PageRequest},
    time::Timestamp,
};
use ratatui::{buffer::Buffer, layout::Rect, text::Span};

use super::super::{
    browser::{
        filter::{Typed, flag, quoted},
        list,
        listing::{Key, Listed, Listing, Lists, copies},
        paged::Row,
    },
    component::{Registered, Screen},
    ctx::{Ctx, Request},
    jump::{Link, Relations, Subject},
    keymap::{Action, Rows, ScreenInfo, Spec, actions},
    message::{LoadId, Message},
    text,
    theme::Style,
    widgets::{
        columns::Column,
        popup::{PopLine, Popup},
        rows,
    },
};

/// The interval of looks while following, because not every row comes with an event.
const EVERY: Duration = Duration::from_secs(2);
/// The delay after an event, so that a burst causes one look.
const SOON: Duration = Duration::from_millis(300);

/// The action that leads here.
pub const HOME: Action =
    Action::new(&Spec { name: "audit", keys: "7", label: "audit log", rank: 0, needs: None, help: "Audit log" });

actions! {
    VERIFY, "verify", "c", "check", 1, None, "Check that no row was changed or removed";
}

/// What was found of the log.
struct Verified(Result<AuditVerification>);

/// Checks the whole log, part by part.
async fn verify(api: Connection) -> Result<AuditVerification> {
    let mut whole = AuditVerification { checked: 0, next: Some(1), head: None, broken: None };
    while let Some(next) = whole.next {
        let part = api.call::<VerifyAudit>((), StretchQuery::new(next, VERIFY_LIMIT, None), ()).await?;
        whole = AuditVerification { checked: whole.checked + part.checked, ..part };
    }
    Ok(whole)
}

fn found(found: &AuditVerification) -> Popup {
    let mut lines = vec![PopLine::Pair("rows checked".into(), text::thousands(found.checked))];
    match &found.broken {
        None => lines.push(PopLine::Pair("chain".into(), "whole: no row was changed or removed".into())),
        Some(link) => {
            lines.push(PopLine::Pair("chain".into(), format!("broken: row {} {}", link.seq, link.detail)));
            lines.push(PopLine::Text(
                "Keep a copy of the database as it is, and find out who could write to it.".into(),
            ));
        }
    }
    lines.extend(found.head.as_ref().map(|head| PopLine::Pair("head".into(), head.to_string())));
    Popup::new("Audit log", lines)
}

impl Typed for AuditFilter {
    const WORDS: &'static [(&'static str, &'static [&'static str])] = &[
        ("actor", &[]),
        (
            "action",
            &[
                "kyc.approve",
                "kyc.claim",
                "kyc.expire",
                "kyc.reject",
                "kyc.release",
                "kyc.retry",
                "kyc.revoke",
                "kyc.undo",
                "kyc.view",
                "jobs.cancel",
                "jobs.finalize",
                "messages.remove",
                "reviews.dismiss",
                "reviews.remove",
                "reviews.restore",
                "threads.close",
                "threads.notice",
                "threads.read",
                "threads.reopen",
                "users.ban",
                "users.create",
                "users.delete",
                "users.freeze",
                "users.note",
                "users.reveal",
                "users.revoke_sessions",
                "users.role",
                "users.unban",
                "users.unfreeze",
            ],
        ),
        ("target", &[]),
    ];
    const COLLEAGUES: &'static [(&'static str, &'static str)] = &[("actor", "user:")];
    const FREE_TEXT: bool = false;
    fn set(&mut self, word: &str, value: &str) -> std::result::Result<(), String> {
        let value = value.to_owned();
        match word {
            "actor" => self.actor = Some(Principal(value)),
            "action" => self.action = Some(Name::from(value)),
            _ => self.target = Some(value),
        }
        Ok(())
    }
    fn flags(&self) -> String {
        let mut flags = String::new();
        flag(&mut flags, "actor", self.actor.as_ref());
        flag(&mut flags, "action", self.action.as_ref());
        flag(&mut flags, "target", self.target.as_ref());
        flags
    }
}

impl Listed for AuditRow {
    type Filter = AuditFilter;
    const WHAT: &'static str = "audit log";
    fn list(api: Connection, filter: AuditFilter, page: PageRequest) -> BoxFuture<'static, Result<Page<Self>>> {
        Box::pin(async move { api.call::<ListAudit>((), ListQuery::new(&filter, &page), ()).await })
    }
    fn id_text(&self) -> String {
        self.target.clone()
    }
    fn columns() -> &'static [Column] {
        &COLUMNS
    }
    fn key(&self, column: &str) -> Key {
        match column {
            "what" => Key::text(self.action.to_string()),
            "who" => Key::text(&self.actor.0),
            "of" => Key::text(format!("{} {}", self.target_kind, self.target)),
            "why" => Key::text(self.reason.as_deref().unwrap_or_default()),
            _ => Key::Number(self.seq),
        }
    }
}

impl Row for AuditRow {
    type Id = i64;
    fn id(&self) -> i64 {
        self.seq
    }
}

/// The audit log.
pub struct Audit {
    list: Listing<AuditRow>,
    follow: bool,
    due: Timestamp,
    verifying: Option<LoadId>,
}

impl Default for Audit {
    fn default() -> Self {
        Self { list: Listing::default(), follow: true, due: Timestamp::EPOCH, verifying: None }
    }
}

/// The columns of the log.
pub const COLUMNS: [Column; 6] = [
    Column::number("row", 4).falling(),
    Column::time("when", 2),
    Column::text("what", 12, 0),
    Column::text("who", 10, 0),
    Column::text("of", 12, 0),
    Column::text("why", 8, 3),
];

/// Returns the cells of a row.
pub fn cells(row: &AuditRow, ctx: &Ctx) -> Vec<Span<'static>> {
    let theme = ctx.theme;
    let style = row.action.known().map_or(Style::Plain, |action| match action {
        AuditAction::UsersBan
        | AuditAction::UsersDelete
        | AuditAction::KycReject
        | AuditAction::KycRevoke
        | AuditAction::TokensRevoke => Style::Bad,
        AuditAction::UsersFreeze
        | AuditAction::KycRetry
        | AuditAction::MailRetry
        | AuditAction::UsersReveal
        | AuditAction::UsersRole => Style::Warn,
        AuditAction::KycApprove | AuditAction::UsersUnban | AuditAction::UsersUnfreeze => Style::Good,
        _ => Style::Plain,
    });
    vec![
        Span::styled(text::thousands(row.seq), theme.style(Style::Faint)),
        rows::time(theme, row.at, ctx.now(), ctx.times),
        Span::styled(row.action.to_string(), theme.style(style)),
        Span::raw(ctx.who(&row.actor)),
        Span::raw(format!("{} {}", row.target_kind, text::short_id(&row.target))),
        Span::raw(row.reason.as_deref().map_or_else(String::new, text::words)),
    ]
}

/// Returns a row in full.
pub fn detail(row: &AuditRow, ctx: &Ctx) -> Popup {
    let pair = |key: &str, value: String| PopLine::Pair(key.into(), value);
    let mut lines = vec![
        pair("row", text::thousands(row.seq)),
        pair("when", text::exact(row.at, ctx.times)),
        pair("who", ctx.who(&row.actor)),
        pair("actor", row.actor.to_string()),
        pair("what", row.action.to_string()),
        pair(&row.target_kind.to_string(), row.target.clone()),
        pair("reason", row.reason.clone().unwrap_or_else(|| "–".into())),
    ];
    match row.metadata.as_object() {
        Some(fields) => lines.extend(fields.iter().map(|(key, value)| pair(key, value.to_string()))),
        None => lines.push(pair("metadata", row.metadata.to_string())),
    }
    lines.push(pair("tag", row.tag.clone()));
    Popup::new(format!("Audit row {}", row.seq), lines)
}

impl Registered for Audit {
    const INFO: &'static ScreenInfo = &ScreenInfo {
        home: HOME,
        tab: "Audit",
        title: "the audit log",
        rows: Rows::Listed,
        own: ACTIONS,
        chosen: &[Action::FOLLOW, Action::GO_USER, Action::GO_KYC],
        by_id: None,
    };
    fn links(from: &Relations) -> Vec<Link> {
        let link = |target: &String| {
            Link::new('A', "what the audit log says of it", HOME, Subject::List(format!("target:{target}")))
        };
        from.audit.iter().map(link).collect()
    }
}

impl Screen for Audit {
    fn action(&mut self, action: Action, ctx: &mut Ctx) -> bool {
        match action {
            Action::FOLLOW => {
                self.follow = !self.follow;
                if self.follow {
                    self.list.rows.moved(Action::TOP);
                    self.list.rows.restart();
                }
            }
            Action::OPEN => {
                if let Some(row) = self.list.rows.selected() {
                    ctx.requests.push(Request::Popup(detail(row, ctx)));
                }
            }
            VERIFY if self.verifying.is_some() => ctx.say("the log is being checked"),
            VERIFY => {
                self.verifying = Some(ctx.load(Verified, verify));
                ctx.say("checking the log…");
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
        self.list.rows.selected().map(Relations::of_audit).unwrap_or_default()
    }

    fn message(&mut self, message: Message, ctx: &mut Ctx) -> Option<Message> {
        // A newer row at the top pushes the selected one down: while following, the top row remains selected.
        let message = if self.verifying == Some(message.id()) {
            self.verifying = None;
            ctx.notice = None;
            match message.open() {
                Ok((_, Verified(Ok(verified)))) => ctx.requests.push(Request::Popup(found(&verified))),
                Ok((_, Verified(Err(error)))) => ctx.fail("checking the log", &error),
                Err(other) => return Some(other),
            }
            return None;
        } else {
            message
        };
        let top = self.follow && self.list.rows.selected_index() == 0;
        match self.list.take(message, ctx) {
            Ok(page) => {
                if page && top {
                    self.list.rows.moved(Action::TOP);
                }
                None
            }
            Err(other) => Some(other),
        }
    }

    fn event(&mut self, _event: &Event, ctx: &mut Ctx) {
        self.due = self.due.min(ctx.now() + SOON);
    }
    fn reload(&mut self, ctx: &mut Ctx) {
        self.due = ctx.now();
        self.list.rows.refresh();
    }

    fn tick(&mut self, visible: bool, ctx: &mut Ctx) {
        let now = ctx.now();
        if visible && self.follow && now >= self.due && !ctx.gate.away() {
            self.due = now + EVERY;
            if self.list.rows.selected_index() == 0 {
                self.list.rows.refresh();
            }
        }
        self.list.tick(visible, ctx);
    }

    fn draw(&mut self, area: Rect, buf: &mut Buffer, ctx: &Ctx) {
        let follow = match (self.follow, self.list.rows.selected_index()) {
            (true, 0) => "▼ following",
            (true, _) => "paused: g goes to the newest",
            (false, _) => "not following",
        };
        let inner = self.list.pane(area, buf, ctx.theme, ("Audit log", follow), true);
        list::draw(inner, buf, ctx, &mut self.list.rows, true, "No row matches.", &COLUMNS, |row| cells(row, ctx));
    }

    fn commands(&self) -> Vec<String> {
        let flags = self.list.bar.filter.flags();
        let mut lines = vec![format!("marketplace audit list{flags}"), format!("marketplace audit tail{flags}")];
        if let Some(row) = self.list.rows.selected() {
            lines.push(format!("marketplace audit show {}", quoted(&row.seq.to_string())));
        }
        lines
    }
}
