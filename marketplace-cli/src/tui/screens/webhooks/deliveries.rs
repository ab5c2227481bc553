//! What a webhook was told, what waits for it, and what failed; each can be sent again.

use std::collections::BTreeMap;

use futures::future::BoxFuture;
use marketplace_core::{
    base::{change::Changed, permission::Permission},
    error::Result,
    ids::{DeliveryId, WebhookId},
    page::{Page, PageRequest},
    staff::{Connection, ListDeliveries, ListQuery, RedeliverInput, RedeliverWebhook},
    time::Timestamp,
    webhooks::model::{DeliveryFilter, DeliveryState, Redelivered, WebhookDelivery},
};
use ratatui::{buffer::Buffer, layout::Rect, text::Span};

use super::super::super::{
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
    name: "deliveries",
    keys: "Q",
    label: "deliveries",
    rank: 0,
    needs: None,
    help: "What a webhook was told, and what waits for it",
});

actions! {
    AGAIN, "redeliver", "a", "send again", 1, Some(Permission::WebhooksWrite), "Send it (or the marked ones) again";
}

/// Which deliveries.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    webhook: Option<WebhookId>,
    state: DeliveryFilter,
}

impl Typed for Wanted {
    const WORDS: &'static [(&'static str, &'static [&'static str])] =
        &[("state", DeliveryState::NAMES), ("webhook_id", &[])];
    const FREE_TEXT: bool = false;
    fn set(&mut self, word: &str, value: &str) -> std::result::Result<(), String> {
        match word {
            "state" => self.state.state = Some(value.parse()?),
            _ => self.webhook = Some(value.parse().map_err(|_| String::new())?),
        }
        Ok(())
    }
    fn flags(&self) -> String {
        let mut flags = String::new();
        flag(&mut flags, "state", self.state.state);
        flags
    }
}

impl Row for WebhookDelivery {
    type Id = DeliveryId;
    fn id(&self) -> DeliveryId {
        self.id
    }
}

const COLUMNS: [Column; 7] = [
    Column::time("happened", 2).falling(),
    Column::new("state", 0),
    Column::new("kind", 0),
    Column::text("about", 8, 3),
    Column::number("tries", 2),
    Column::new("answer", 1),
    Column::text("why", 12, 4),
];

impl Listed for WebhookDelivery {
    type Filter = Wanted;
    const WHAT: &'static str = "deliveries";
    fn list(api: Connection, filter: Wanted, page: PageRequest) -> BoxFuture<'static, Result<Page<Self>>> {
        Box::pin(async move {
            match filter.webhook {
                Some(id) => api.call::<ListDeliveries>(id, ListQuery::new(&filter.state, &page), ()).await,
                None => Ok(Page { items: Vec::new(), next: None }),
            }
        })
    }
    fn id_text(&self) -> String {
        self.id.to_string()
    }
    fn columns() -> &'static [Column] {
        &COLUMNS
    }
    fn key(&self, column: &str) -> Key {
        match column {
            "state" => Key::text(self.state.as_str()),
            "kind" => Key::text(self.kind.as_str()),
            "about" => Key::text(&self.subject),
            "tries" => Key::Number(self.attempts),
            "answer" => Key::Number(self.http_status.unwrap_or_default()),
            "why" => Key::text(self.failure.as_deref().unwrap_or_default()),
            _ => Key::time(self.created_at),
        }
    }
}

fn state(state: DeliveryState) -> (&'static str, &'static str, Style) {
    match state {
        DeliveryState::Waiting => ("○", "waiting", Style::Plain),
        DeliveryState::Delivered => ("✔", "delivered", Style::Good),
        DeliveryState::Failed => ("✖", "failed", Style::Bad),
    }
}

fn name(delivery: &WebhookDelivery) -> String {
    format!("{} {}", delivery.kind, text::short_id(&delivery.id))
}

fn detail(delivery: &WebhookDelivery, ctx: &Ctx) -> Popup {
    let pair = |key: &str, value: String| PopLine::Pair(key.into(), value);
    let time = |at| text::exact(at, ctx.times);
    let mut lines = vec![
        pair("webhook-id", delivery.id.to_string()),
        pair("state", delivery.state.to_string()),
        pair("about", delivery.subject.clone()),
        pair("tries", delivery.attempts.to_string()),
    ];
    let known = [
        ("answer", delivery.http_status.map(|status| status.to_string())),
        ("why", delivery.failure.clone()),
        ("last try", delivery.last_try_at.map(time)),
        ("next try", delivery.next_try_at.map(time)),
        ("finished", delivery.finished_at.map(time)),
    ];
    lines.extend(known.into_iter().filter_map(|(key, value)| Some(pair(key, value?))));
    lines.push(pair("happened", time(delivery.created_at)));
    lines.push(PopLine::Text(String::new()));
    lines.push(PopLine::Head("What is sent".into()));
    let body = serde_json::to_string_pretty(&delivery.body).unwrap_or_default();
    lines.extend(body.lines().map(|line| PopLine::Text(line.to_owned())));
    Popup::new(name(delivery), lines)
}

fn heading(targets: &[(DeliveryId, String)]) -> String {
    match targets {
        [(_, name)] => format!("Send again: {}", text::clean(name)),
        many => format!("Send {} deliveries again", many.len()),
    }
}

/// The intent of the form.
struct Again(WebhookId, Vec<(DeliveryId, String)>);

/// The result of sending one again.
struct Came(Result<Changed<Redelivered>>);

/// Deliveries of one webhook.
#[derive(Default)]
pub struct Deliveries {
    list: Listing<WebhookDelivery>,
    /// What is under way, with its name.
    sending: BTreeMap<LoadId, String>,
}

impl Registered for Deliveries {
    const INFO: &'static ScreenInfo = &ScreenInfo {
        home: HOME,
        // Reached from a webhook.
        tab: "",
        title: "deliveries",
        rows: Rows::Marked,
        own: ACTIONS,
        chosen: &[],
        by_id: None,
    };
}

impl Screen for Deliveries {
    fn action(&mut self, action: Action, ctx: &mut Ctx) -> bool {
        match action {
            Action::OPEN => {
                if let Some(delivery) = self.list.rows.selected() {
                    ctx.requests.push(Request::Popup(detail(delivery, ctx)));
                }
            }
            AGAIN => {
                let targets = self.list.targets(name);
                let Some(webhook) = self.list.rows.selected().map(|delivery| delivery.webhook_id) else { return true };
                let form = Form::new(heading(&targets))
                    .line("It is sent with the same webhook-id: a receiver that had it already ignores it.")
                    .confirmed_by(confirmation::UNDOABLE, targets.len());
                ctx.ask(form, Again(webhook, targets));
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
        self.list.bar.filter.webhook.map_or_else(Relations::default, Relations::of)
    }
    fn message(&mut self, message: Message, ctx: &mut Ctx) -> Option<Message> {
        let Err(message) = self.list.take(message, ctx) else { return None };
        let (id, Came(answer)) = match message.open() {
            Ok(came) => came,
            Err(other) => return Some(other),
        };
        let name = self.sending.remove(&id)?;
        match answer {
            Ok(_) => {
                ctx.say_of(name, "is sent again");
                self.list.rows.refresh();
            }
            Err(error) => ctx.fail(&name, &error),
        }
        None
    }
    fn confirmed(&mut self, confirmed: Confirmed, ctx: &mut Ctx) -> std::result::Result<(), Confirmed> {
        let (Again(webhook, targets), _) = confirmed.open()?;
        let again = move |api: Connection, id: DeliveryId| -> BoxFuture<'static, Result<Changed<Redelivered>>> {
            let input = RedeliverInput { delivery_id: Some(id), ..RedeliverInput::default() };
            Box::pin(async move { api.call::<RedeliverWebhook>(webhook, (), input).await })
        };
        let said = ("sending again:", heading(&targets));
        self.sending.extend(self.list.change(said, targets, ctx, Came, again));
        Ok(())
    }
    fn tick(&mut self, visible: bool, ctx: &mut Ctx) {
        self.list.watch(visible, ctx);
        self.list.tick(visible, ctx);
    }
    fn status(&self, _ctx: &Ctx) -> Option<(String, Style)> {
        self.list.marked(AGAIN.label)
    }
    fn draw(&mut self, area: Rect, buf: &mut Buffer, ctx: &Ctx) {
        let (now, theme) = (ctx.now(), ctx.theme);
        let inner = self.list.pane(area, buf, theme, ("Deliveries", &self.list.place()), true);
        let empty = if self.list.bar.filter.webhook.is_some() {
            "It was told nothing so far, or nothing matches. Esc clears the filter.".to_owned()
        } else {
            "Of which webhook? `:webhooks` lists them, and opens the deliveries of each.".to_owned()
        };
        list::draw(inner, buf, ctx, &mut self.list.rows, true, &empty, &COLUMNS, |delivery| {
            let next = delivery.next_try_at.filter(|at| *at > now).map(|at: Timestamp| text::age(at.since(now)));
            let why = match (&delivery.failure, next) {
                (Some(why), Some(next)) => format!("{why} · again in {next}"),
                (Some(why), None) => why.clone(),
                (None, _) => String::new(),
            };
            vec![
                rows::time(theme, delivery.created_at, now, ctx.times),
                rows::short_state(theme, state(delivery.state)),
                Span::raw(delivery.kind.as_str()),
                Span::styled(text::short_id(&delivery.subject), theme.style(Style::Faint)),
                Span::raw(delivery.attempts.to_string()),
                Span::raw(delivery.http_status.map_or_else(|| "–".into(), |status| status.to_string())),
                Span::raw(why),
            ]
        });
    }
    fn offers(&self, action: Action) -> bool {
        !self.list.rows.is_empty() || !matches!(action, AGAIN | Action::OPEN | Action::MARK)
    }
    fn why_not(&self, action: Action, _ctx: &Ctx) -> Option<String> {
        let delivery = self.list.rows.selected().filter(|_| self.list.rows.marked_count() == 0)?;
        let is_waiting = delivery.state == DeliveryState::Waiting && action == AGAIN;
        is_waiting.then(|| "send again: it waits already".into())
    }
    fn commands(&self) -> Vec<String> {
        let Some(webhook) = self.list.bar.filter.webhook else { return vec!["marketplace webhooks list".into()] };
        let mut lines = vec![format!("marketplace webhooks deliveries {webhook}{}", self.list.bar.filter.flags())];
        lines.extend(
            self.list.rows.selected().map(|delivery| {
                format!("marketplace webhooks redeliver {webhook} --delivery {} --dry-run", delivery.id)
            }),
        );
        lines
    }
}
