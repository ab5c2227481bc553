//! Webhooks: the operator's own systems that are told of what happens, whether they work, and what waits for them.

pub mod deliveries;
mod lines;

use std::{collections::BTreeMap, time::Duration};

use futures::future::BoxFuture;
use marketplace_core::{
    base::{
        change::{Change, Changed},
        patch::Patch,
        permission::Permission,
    },
    error::Result,
    ids::WebhookId,
    page::{Page, PageRequest},
    staff::{
        Connection, CreateWebhook, DeleteWebhook, EditWebhook, ListWebhooks, NewWebhookInput, PlainInput,
        RedeliverInput, RedeliverWebhook, RotateWebhook, RotateWebhookInput, ShowWebhook, TestWebhook,
        UpdateWebhookInput,
    },
    time::Timestamp,
    webhooks::model::{
        NewWebhook, Redelivered, UpdateWebhook, Webhook, WebhookDelivery, WebhookKind, WebhookWithSecret,
    },
};
use ratatui::{buffer::Buffer, layout::Rect, text::Span};
use uuid::Uuid;

use self::lines::{kinds, state, up_to};
use super::super::{
    browser::{
        Browser, Detailed, Target,
        filter::{Typed, quoted},
        heading,
        listing::{Key, Listed, Lists},
        paged::Row,
    },
    component::{Registered, Screen},
    confirmation,
    ctx::{Confirmed, Ctx, Request},
    jump::{Destination, Relations, Subject},
    keymap::{Action, Rows, ScreenInfo, Spec, actions},
    message::{LoadId, Message},
    text,
    theme::Style,
    widgets::{
        columns::{Column, SPARE},
        form::{Choice, Filled, Form},
        popup::Popup,
        rows,
    },
};

/// The columns of the list.
const COLUMNS: [Column; 7] = [
    Column::text("url", 16, 0),
    Column::new("state", 0),
    Column::number("waits", 1),
    Column::time("oldest", 2),
    Column::number("failed", 3),
    Column::text("for", 8, 4),
    Column::text("told of", 10, SPARE),
];

/// Since when what failed is sent again, each with its letter: the label, and hours.
const SPANS: [(char, &str, u64); 4] =
    [('h', "1 hour", 1), ('d', "1 day", 24), ('t', "3 days", 72), ('w', "1 week", 168)];

/// The action that leads here.
pub const HOME: Action = Action::new(&Spec {
    name: "webhooks",
    keys: "H",
    label: "webhooks",
    rank: 0,
    needs: None,
    help: "Webhooks: who else is told of what happens",
});

actions! {
    CREATE, "create-webhook", "n", "new", 1, Some(Permission::WebhooksWrite), "Have a system told of what happens: its secret is shown once";
    TELLINGS, "webhook-deliveries", "d", "deliveries", 2, None, "What it was told, and what waits for it";
    TEST, "test-webhook", "t", "test", 3, Some(Permission::WebhooksWrite), "Send it a test event";
    SWITCH, "switch-webhook", "s", "off/on", 4, Some(Permission::WebhooksWrite), "Send nothing there, or send again: what happens while it is off waits";
    AGAIN, "redeliver-failed", "f", "failed again", 5, Some(Permission::WebhooksWrite), "Send again what failed";
    CHANGE, "change-webhook", "c", "change", 6, Some(Permission::WebhooksWrite), "Change where it leads, what it is told of, and what it is for";
    ROTATE, "rotate-webhook", "r", "rotate", 7, Some(Permission::WebhooksWrite), "Give it a new secret, which is shown once; the old one signs for another day";
    DELETE, "delete-webhook", "D", "delete", 8, Some(Permission::WebhooksWrite), "Delete it, with its secrets and what waits for it";
}

impl Row for Webhook {
    type Id = WebhookId;
    fn id(&self) -> WebhookId {
        self.id
    }
}

/// A filter of what cannot be filtered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Every;

impl Typed for Every {
    const WORDS: &'static [(&'static str, &'static [&'static str])] = &[];
    const FREE_TEXT: bool = false;
    fn set(&mut self, _word: &str, _value: &str) -> std::result::Result<(), String> {
        Err(String::new())
    }
    fn flags(&self) -> String {
        String::new()
    }
}

impl Listed for Webhook {
    type Filter = Every;
    const WHAT: &'static str = "webhooks";
    fn list(api: Connection, _filter: Every, page: PageRequest) -> BoxFuture<'static, Result<Page<Self>>> {
        Box::pin(async move { api.call::<ListWebhooks>((), page, ()).await })
    }
    fn id_text(&self) -> String {
        self.id.to_string()
    }
    fn columns() -> &'static [Column] {
        &COLUMNS
    }
    fn key(&self, column: &str) -> Key {
        match column {
            "state" => Key::text(state(self).1),
            "waits" => Key::Number(self.waiting),
            "oldest" => Key::Number(self.oldest_waiting_at.map_or(i64::MAX, Timestamp::micros)),
            "failed" => Key::Number(self.failed),
            "for" => Key::text(&self.description),
            "told of" => Key::text(kinds(self)),
            _ => Key::text(&self.url),
        }
    }
}

impl Detailed for Webhook {
    type Detail = Self;
    const ONE: &'static str = "webhook";
    const MANY: &'static str = "webhooks";
    fn by_id(id: Uuid) -> WebhookId {
        WebhookId(id)
    }
    fn show(api: Connection, id: WebhookId) -> BoxFuture<'static, Result<Self>> {
        Box::pin(async move { api.call::<ShowWebhook>(id, (), ()).await })
    }
    fn row(detail: &Self) -> &Self {
        detail
    }
    fn name(&self) -> String {
        self.url.clone()
    }
    fn version(&self) -> i64 {
        self.version
    }
    fn around(&self) -> String {
        String::new()
    }
}

/// Returns what a webhook can be told of.
fn offered() -> Vec<WebhookKind> {
    WebhookKind::ALL.iter().copied().filter(|kind| kind.is_asked_for()).collect()
}

/// The intent of a form.
enum Intent {
    Create,
    Change(Target<WebhookId>),
    Switch { on: bool, targets: Vec<Target<WebhookId>> },
    Test(Target<WebhookId>),
    Again(Target<WebhookId>),
    Rotate(Target<WebhookId>),
    Delete(Target<WebhookId>),
}

/// A result.
enum Came {
    /// Of making one, or of a new secret.
    Secret(Result<Changed<WebhookWithSecret>>),
    Tested(Result<Changed<WebhookDelivery>>),
    SentAgain(Result<Changed<Redelivered>>),
    Deleted(Result<Changed<Webhook>>),
}

/// Webhooks.
#[derive(Default)]
pub struct Webhooks {
    browser: Browser<Webhook>,
    /// What is under way, with its name.
    acting: BTreeMap<LoadId, String>,
    /// The command that does what was done last.
    last: Option<String>,
}

impl Webhooks {
    /// Returns the webhook that keys apply to.
    fn one(&self) -> Option<Target<WebhookId>> {
        let row = self.browser.subject()?;
        Some(Target { id: row.id, name: row.url.clone(), version: Some(row.version) })
    }

    fn act<T, F>(
        &mut self,
        (what, name): (&str, &str),
        wrap: impl FnOnce(Result<T>) -> Came + Send + 'static,
        ctx: &mut Ctx,
        work: impl FnOnce(Connection) -> F,
    ) where
        F: Future<Output = Result<T>> + Send + 'static,
        T: Send + 'static,
    {
        let load = ctx.act(format!("{what} {}", text::clean(name)), wrap, work);
        self.acting.insert(load, name.to_owned());
    }

    fn ask(&self, action: Action, ctx: &mut Ctx) {
        let Some(target) = self.one() else { return };
        let name = text::clean(&target.name).into_owned();
        match action {
            TEST => {
                let form =
                    Form::new(format!("Test {name}")).line("It is sent webhook.test, signed like everything else.");
                ctx.ask(form.confirmed_by(confirmation::UNDOABLE, 1), Intent::Test(target));
            }
            AGAIN => {
                let choices =
                    SPANS.iter().map(|(key, label, _)| Choice { key: *key, label: (*label).to_owned(), template: "" });
                let form = Form::new(format!("Send again what failed · {name}"))
                    .line("Of what happened since; the oldest 1,000.")
                    .line("")
                    .choices(choices.collect(), false);
                ctx.ask(form, Intent::Again(target));
            }
            ROTATE => {
                let form = Form::new(format!("New secret for {name}"))
                    .line("It is shown this once. The secret before signs beside it for another day.")
                    .line("")
                    .confirmed_by(confirmation::ROTATE, 1);
                ctx.ask(form, Intent::Rotate(target));
            }
            _ => {
                let form = Form::new(format!("Delete {name}"))
                    .line("Its secrets go, and what waits for it is never sent. It cannot be taken back.")
                    .line("")
                    .danger()
                    .confirmed_by(confirmation::DELETE, 1);
                ctx.ask(form, Intent::Delete(target));
            }
        }
    }

    fn form(title: &str) -> Form {
        let choices = ('a'..='z').zip(offered());
        let choices = choices.map(|(key, kind)| Choice { key, label: kind.as_str().to_owned(), template: "" });
        Form::new(title.to_owned())
            .line("It is told of what is chosen: ids and states, never what people wrote.")
            .line("")
            .choices(choices.collect(), true)
    }

    fn ask_for_new(ctx: &mut Ctx) {
        let form = Self::form("New webhook")
            .with_input("url (https, a public address)", true)
            .with_input("what it is for", false)
            .about(["new webhook"]);
        ctx.ask(form, Intent::Create);
    }

    fn ask_for_change(&self, ctx: &mut Ctx) {
        let (Some(target), Some(row)) = (self.one(), self.browser.subject()) else { return };
        let offered = offered();
        let picked: Vec<usize> =
            row.kinds.iter().filter_map(|kind| offered.iter().position(|known| known == kind)).collect();
        let form = Self::form(&format!("Change {}", text::clean(&target.name)))
            .with_picked(&picked)
            .with_input("url (https, a public address)", true)
            .filled_with(row.url.clone())
            .with_input("what it is for", false)
            .filled_with(row.description.clone())
            .about([target.id]);
        ctx.ask(form, Intent::Change(target));
    }

    /// Asks to switch the marked ones, or the one that keys apply to: off if it is on.
    fn ask_to_switch(&self, ctx: &mut Ctx) {
        let targets = self.browser.targets();
        let Some(first) = self.browser.list.rows.marked().into_iter().next().or_else(|| self.browser.subject()) else {
            return;
        };
        let on = !first.enabled;
        let (verb, means) = if on {
            ("Switch on", "What waits is sent, in order.")
        } else {
            ("Switch off", "What happens meanwhile waits, and is sent in order when it is on again.")
        };
        let form = Form::new(heading(verb, &targets, "webhooks")).line(means);
        ctx.ask(form.confirmed_by(confirmation::UNDOABLE, targets.len()), Intent::Switch { on, targets });
    }

    fn chosen(filled: &Filled) -> (Vec<WebhookKind>, String, String) {
        let offered = offered();
        let kinds = filled.picked.iter().filter_map(|at| offered.get(*at)).copied().collect();
        let text = |at: usize| filled.inputs.get(at).cloned().unwrap_or_default();
        (kinds, text(0), text(1))
    }

    fn go_ahead(&mut self, intent: Intent, filled: &Filled, ctx: &mut Ctx) {
        match intent {
            Intent::Create => {
                let (kinds, url, description) = Self::chosen(filled);
                let names: Vec<&str> = kinds.iter().map(|kind| kind.as_str()).collect();
                let (url_flag, for_flag) = (quoted(&url), quoted(&description));
                let names = names.join(",");
                self.last = Some(format!(
                    "marketplace webhooks create {url_flag} --kind {names} --description {for_flag} --dry-run"
                ));
                let name = url.clone();
                let input = NewWebhookInput::new(NewWebhook { url, description, kinds }, &Change::default());
                self.act(("making the webhook", &name), Came::Secret, ctx, |api| async move {
                    api.call::<CreateWebhook>((), (), input).await
                });
            }
            Intent::Change(target) => {
                let (kinds, url, description) = Self::chosen(filled);
                let update = UpdateWebhook {
                    url: Patch::Set(url),
                    description: Patch::Set(description),
                    kinds: Patch::Set(kinds),
                    enabled: Patch::Keep,
                };
                self.update(&[target], "Change", "changed", update, ctx);
            }
            Intent::Switch { on, targets } => {
                let update = UpdateWebhook { enabled: Patch::Set(on), ..UpdateWebhook::default() };
                let (verb, done) = if on { ("Switch on", "on") } else { ("Switch off", "off") };
                self.last =
                    self.browser.command("marketplace webhooks update", if on { " --enable" } else { " --disable" });
                self.update(&targets, verb, done, update, ctx);
            }
            Intent::Test(target) => {
                let id = target.id;
                self.last = Some(format!("marketplace webhooks test {id} --dry-run"));
                self.act(("testing", &target.name), Came::Tested, ctx, |api| async move {
                    api.call::<TestWebhook>(id, (), PlainInput::default()).await
                });
            }
            Intent::Again(target) => {
                let picked = filled.picked.first().and_then(|at| SPANS.get(*at));
                let Some((.., hours)) = picked else { return };
                let id = target.id;
                let since = Some(ctx.now() - Duration::from_hours(*hours));
                self.last = Some(format!("marketplace webhooks redeliver {id} --since {hours}h --dry-run"));
                self.act(("sending again to", &target.name), Came::SentAgain, ctx, |api| async move {
                    let input = RedeliverInput { since, ..RedeliverInput::default() };
                    api.call::<RedeliverWebhook>(id, (), input).await
                });
            }
            Intent::Rotate(target) => {
                let (id, if_version) = (target.id, target.version);
                self.last = Some(format!("marketplace webhooks rotate {id} --dry-run"));
                self.act(("a new secret for", &target.name), Came::Secret, ctx, |api| async move {
                    let input = RotateWebhookInput { if_version, ..RotateWebhookInput::default() };
                    api.call::<RotateWebhook>(id, (), input).await
                });
            }
            Intent::Delete(target) => {
                let id = target.id;
                self.last = Some(format!("marketplace webhooks delete {id} --dry-run"));
                self.act(("deleting", &target.name), Came::Deleted, ctx, |api| async move {
                    api.call::<DeleteWebhook>(id, (), PlainInput::default()).await
                });
            }
        }
    }

    fn update(
        &mut self,
        targets: &[Target<WebhookId>],
        verb: &str,
        done: &'static str,
        update: UpdateWebhook,
        ctx: &mut Ctx,
    ) {
        self.browser.change(targets, verb, done, ctx, move |api, id, if_version| {
            let input = UpdateWebhookInput::new(update.clone(), &Change { if_version, ..Change::default() });
            Box::pin(async move { api.call::<EditWebhook>(id, (), input).await })
        });
    }

    fn came(&mut self, name: &str, came: Came, ctx: &mut Ctx) {
        match came {
            Came::Secret(Ok(made)) => {
                let secret = made.item.secret.unwrap_or_default();
                ctx.requests.push(Request::Popup(Popup::secret(format!("Secret of {}", text::clean(name)), secret)));
                self.browser.reload(ctx);
            }
            Came::Tested(Ok(made)) => {
                let key = ctx.keymap.key(TELLINGS);
                ctx.say_of(name, format!("{} is on its way; {key} shows what comes of it", made.item.kind));
                self.browser.reload(ctx);
            }
            Came::SentAgain(Ok(again)) => {
                let more = if again.item.more { ", and there are more: send again" } else { "" };
                ctx.say_of(name, format!("{} sent again{more}", text::thousands(again.item.deliveries)));
                self.browser.reload(ctx);
            }
            Came::Deleted(Ok(gone)) => {
                self.browser.list.rows.remove(gone.item.id);
                self.browser.detail = None;
                self.browser.in_detail = false;
                ctx.say_of(name, "deleted");
            }
            Came::Secret(Err(error))
            | Came::Tested(Err(error))
            | Came::SentAgain(Err(error))
            | Came::Deleted(Err(error)) => {
                ctx.fail(name, &error);
            }
        }
    }
}

impl Registered for Webhooks {
    const INFO: &'static ScreenInfo = &ScreenInfo {
        home: HOME,
        // Reached by its key and its name: it is seldom needed, and tabs are few.
        tab: "",
        title: "webhooks",
        rows: Rows::Marked,
        own: ACTIONS,
        chosen: &[],
        by_id: Some(("webhook", "open a webhook")),
    };
}

impl Screen for Webhooks {
    fn lists(&self) -> Option<&dyn Lists> {
        Some(&self.browser)
    }
    fn lists_mut(&mut self) -> Option<&mut dyn Lists> {
        Some(&mut self.browser)
    }

    fn action(&mut self, action: Action, ctx: &mut Ctx) -> bool {
        match action {
            CREATE => Self::ask_for_new(ctx),
            CHANGE => self.ask_for_change(ctx),
            SWITCH => self.ask_to_switch(ctx),
            TEST | AGAIN | ROTATE | DELETE => self.ask(action, ctx),
            TELLINGS => {
                if let Some(target) = self.one() {
                    let subject = Subject::List(format!("webhook_id:{}", target.id));
                    ctx.requests.push(Request::Go(Destination { home: deliveries::HOME, subject }));
                }
            }
            _ => return self.browser.action(action, ctx),
        }
        true
    }

    fn relations(&self) -> Relations {
        self.browser.subject().map_or_else(Relations::default, |row| Relations::of(row.id))
    }

    fn message(&mut self, message: Message, ctx: &mut Ctx) -> Option<Message> {
        let message = self.browser.message(message, ctx)?;
        if !self.acting.contains_key(&message.id()) {
            return Some(message);
        }
        match message.open::<Came>() {
            Ok((id, came)) => {
                let name = self.acting.remove(&id)?;
                self.came(&name, came, ctx);
                None
            }
            Err(other) => Some(other),
        }
    }

    fn confirmed(&mut self, confirmed: Confirmed, ctx: &mut Ctx) -> std::result::Result<(), Confirmed> {
        let (intent, filled) = confirmed.open()?;
        self.go_ahead(intent, &filled, ctx);
        Ok(())
    }

    fn tick(&mut self, visible: bool, ctx: &mut Ctx) {
        self.browser.list.watch(visible, ctx);
        self.browser.tick(visible, ctx);
    }

    fn draw(&mut self, area: Rect, buf: &mut Buffer, ctx: &Ctx) {
        let (list, detail) = self.browser.panes(area);
        let (now, theme) = (ctx.now(), ctx.theme);
        if let Some(list) = list {
            let empty = format!("No system is told of anything. {} makes a webhook.", ctx.keymap.key(CREATE));
            self.browser.draw_list(list, buf, ctx, ("Webhooks", &empty), &COLUMNS, |webhook| {
                let oldest = webhook.oldest_waiting_at;
                vec![
                    Span::raw(webhook.url.clone()),
                    rows::short_state(theme, state(webhook)),
                    Span::raw(if webhook.waiting > 0 { up_to(webhook.waiting) } else { "–".into() }),
                    oldest.map_or_else(|| Span::raw(""), |at| rows::time(theme, at, now, ctx.times)),
                    Span::styled(
                        if webhook.failed > 0 { up_to(webhook.failed) } else { "–".into() },
                        theme.style(if webhook.failed > 0 { Style::Bad } else { Style::Faint }),
                    ),
                    Span::raw(webhook.description.clone()),
                    Span::styled(kinds(webhook), theme.style(Style::Faint)),
                ]
            });
        }
        if let Some(detail) = detail {
            let key = ctx.keymap.key(TELLINGS);
            self.browser.draw_detail(detail, buf, ctx, |webhook, width| lines::of(webhook, ctx, &key, width));
        }
    }

    fn status(&self, _ctx: &Ctx) -> Option<(String, Style)> {
        self.browser.marked("off/on")
    }

    fn label(&self, action: Action) -> Option<&'static str> {
        let is_on = self.browser.subject().is_some_and(|webhook| webhook.enabled);
        (action == SWITCH).then_some(if is_on { "switch off" } else { "switch on" })
    }

    fn offers(&self, action: Action) -> bool {
        let subject = self.browser.subject();
        match action {
            CREATE => true,
            AGAIN => subject.is_some_and(|webhook| webhook.failed > 0),
            Action::OPEN | Action::MARK => !self.browser.in_detail && subject.is_some(),
            own if ACTIONS.contains(&own) => subject.is_some(),
            _ => true,
        }
    }

    fn why_not(&self, action: Action, _ctx: &Ctx) -> Option<String> {
        let webhook = self.browser.subject()?;
        match action {
            AGAIN if webhook.failed == 0 => Some("send again: nothing failed".into()),
            TEST if !webhook.enabled => Some("test: it is off".into()),
            _ => None,
        }
    }

    fn commands(&self) -> Vec<String> {
        let mut lines = vec!["marketplace webhooks list".to_owned()];
        lines.extend(self.browser.subject().map(|webhook| format!("marketplace webhooks show {}", webhook.id)));
        lines.extend(self.last.clone());
        lines
    }
}
