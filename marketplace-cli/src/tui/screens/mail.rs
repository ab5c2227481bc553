//! Mails that were not sent yet: the list, and another try.

use std::collections::BTreeMap;

use futures::future::BoxFuture;
use marketplace_core::{
    base::{change::Changed, permission::Permission},
    error::Result,
    ids::MailId,
    mail::model::{MailFilter, MailStatus, MailSummary},
    page::{Page, PageRequest},
    staff::{Connection, ListMails, ListQuery, PlainInput, RetryMail},
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
    text,
    theme::Style,
    widgets::{
        columns::Column,
        form::Form,
        popup::{PopLine, Popup},
        rows,
    },
};

/// The action that leads here.
pub const HOME: Action = Action::new(&Spec {
    name: "mail",
    keys: "9",
    label: "mail",
    rank: 0,
    needs: None,
    help: "Mails that were not sent yet",
});

actions! {
    TRY_AGAIN, "try-again", "r", "try again", 1, Some(Permission::UsersWrite), "Have the mail (or the marked ones) tried again now";
}

impl Row for MailSummary {
    type Id = MailId;
    fn id(&self) -> MailId {
        self.id
    }
}

impl Typed for MailFilter {
    const WORDS: &'static [(&'static str, &'static [&'static str])] = &[("status", MailStatus::NAMES)];
    const FREE_TEXT: bool = false;
    fn set(&mut self, _word: &str, value: &str) -> std::result::Result<(), String> {
        self.status = Some(value.parse()?);
        Ok(())
    }
    fn flags(&self) -> String {
        let mut flags = String::new();
        flag(&mut flags, "status", self.status);
        flags
    }
}

const COLUMNS: [Column; 6] = [
    Column::time("made", 2).falling(),
    Column::new("state", 0),
    Column::new("text", 0),
    Column::text("to", 10, 0),
    Column::number("tries", 4),
    Column::text("why", 12, 3),
];

impl Listed for MailSummary {
    type Filter = MailFilter;
    const WHAT: &'static str = "mail";
    fn list(api: Connection, filter: MailFilter, page: PageRequest) -> BoxFuture<'static, Result<Page<Self>>> {
        Box::pin(async move { api.call::<ListMails>((), ListQuery::new(&filter, &page), ()).await })
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
            "text" => Key::text(name(self)),
            "to" => Key::text(self.to.as_deref().unwrap_or_default()),
            "tries" => Key::Number(self.attempts),
            "why" => Key::text(self.failure.as_deref().unwrap_or_default()),
            _ => Key::time(self.created_at),
        }
    }
}

fn name(mail: &MailSummary) -> String {
    mail.template.map_or_else(|| "?".to_owned(), |template| text::words(template.as_str()))
}

fn detail(mail: &MailSummary, ctx: &Ctx) -> Popup {
    let pair = |key: &str, value: String| PopLine::Pair(key.into(), value);
    let time = |at| text::exact(at, ctx.times);
    let known = [
        ("to", mail.to.clone()),
        ("about", mail.user_id.map(|id| id.to_string())),
        ("why", mail.failure.clone()),
        ("next try", mail.next_try_at.map(time)),
        ("given up", mail.failed_at.map(time)),
    ];
    let mut lines = vec![pair("mail", mail.id.to_string()), pair("state", mail.status.to_string())];
    lines.extend(known.into_iter().filter_map(|(key, value)| Some(pair(key, value?))));
    lines.extend([pair("tries", mail.attempts.to_string()), pair("made", time(mail.created_at))]);
    Popup::new(name(mail), lines)
}

fn heading(targets: &[(MailId, String)]) -> String {
    match targets {
        [(_, name)] => format!("Try again: {}", text::clean(name)),
        many => format!("Try {} mails again", many.len()),
    }
}

/// The intent of the form.
struct Retry(Vec<(MailId, String)>);

/// The result of another try of one.
struct Tried(Result<Changed<MailSummary>>);

/// Mails that were not sent yet.
#[derive(Default)]
pub struct Mail {
    list: Listing<MailSummary>,
    /// What is under way, with its name.
    trying: BTreeMap<LoadId, String>,
}

impl Registered for Mail {
    const INFO: &'static ScreenInfo = &ScreenInfo {
        home: HOME,
        // Reached by its key and its name: it is seldom needed, and tabs are few.
        tab: "",
        title: "mail",
        rows: Rows::Marked,
        own: ACTIONS,
        chosen: &[Action::GO_USER],
        by_id: None,
    };
}

impl Screen for Mail {
    fn action(&mut self, action: Action, ctx: &mut Ctx) -> bool {
        match action {
            Action::OPEN => {
                if let Some(mail) = self.list.rows.selected() {
                    ctx.requests.push(Request::Popup(detail(mail, ctx)));
                }
            }
            TRY_AGAIN => {
                let targets =
                    self.list.targets(|mail| format!("{} to {}", name(mail), mail.to.as_deref().unwrap_or("?")));
                if !targets.is_empty() {
                    let form = Form::new(heading(&targets)).confirmed_by(confirmation::UNDOABLE, targets.len());
                    ctx.ask(form, Retry(targets));
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
        let Some(mail) = self.list.rows.selected() else { return Relations::default() };
        let relations = Relations::of(mail.id);
        match mail.user_id {
            Some(user) => relations.with("user", user.0, &text::short_id(&user)),
            None => relations,
        }
    }
    fn message(&mut self, message: Message, ctx: &mut Ctx) -> Option<Message> {
        let Err(message) = self.list.take(message, ctx) else { return None };
        let (id, Tried(answer)) = match message.open() {
            Ok(tried) => tried,
            Err(other) => return Some(other),
        };
        let name = self.trying.remove(&id)?;
        match answer {
            Ok(changed) => {
                self.list.rows.replace(&changed.item);
                ctx.say_of(name, if changed.changed { "is tried again" } else { "is being tried already" });
            }
            Err(error) => ctx.fail(&name, &error),
        }
        None
    }
    fn confirmed(&mut self, confirmed: Confirmed, ctx: &mut Ctx) -> std::result::Result<(), Confirmed> {
        let (Retry(targets), _) = confirmed.open()?;
        let again = |api: Connection, id| -> BoxFuture<'static, _> {
            Box::pin(async move { api.call::<RetryMail>(id, (), PlainInput::default()).await })
        };
        let said = ("trying again:", heading(&targets));
        self.trying.extend(self.list.change(said, targets, ctx, Tried, again));
        Ok(())
    }
    fn tick(&mut self, visible: bool, ctx: &mut Ctx) {
        self.list.watch(visible, ctx);
        self.list.tick(visible, ctx);
    }
    fn status(&self, _ctx: &Ctx) -> Option<(String, Style)> {
        self.list.marked(TRY_AGAIN.label)
    }
    fn draw(&mut self, area: Rect, buf: &mut Buffer, ctx: &Ctx) {
        let (now, theme) = (ctx.now(), ctx.theme);
        let inner = self.list.pane(area, buf, theme, ("Mails that were not sent yet", &self.list.place()), true);
        let empty = "Every mail was sent.";
        list::draw(inner, buf, ctx, &mut self.list.rows, true, empty, &COLUMNS, |mail| {
            let (glyph, style) = match mail.status {
                MailStatus::Waiting => ("○", Style::Plain),
                MailStatus::Failed => ("✖", Style::Bad),
            };
            vec![
                rows::time(theme, mail.created_at, now, ctx.times),
                Span::styled(format!("{glyph} {}", mail.status), theme.style(style)),
                Span::raw(name(mail)),
                Span::raw(mail.to.clone().unwrap_or_default()),
                Span::raw(mail.attempts.to_string()),
                Span::raw(mail.failure.clone().unwrap_or_default()),
            ]
        });
    }
    fn offers(&self, action: Action) -> bool {
        !self.list.rows.is_empty() || !matches!(action, TRY_AGAIN | Action::OPEN | Action::MARK | Action::GO_USER)
    }
    fn commands(&self) -> Vec<String> {
        let mut lines = vec![format!("marketplace mail list{}", self.list.bar.filter.flags())];
        lines.extend(self.list.rows.selected().map(|mail| format!("marketplace mail retry {} --dry-run", mail.id)));
        lines
    }
}
