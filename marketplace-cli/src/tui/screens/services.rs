//! Services: the list, a service in full, and what staff do to it. They are reached from their worker.

use std::fmt::Write as _;

use futures::future::BoxFuture;
use marketplace_core::{
    base::{change::Change, permission::Permission},
    error::Result,
    events::Event,
    ids::{PhotoId, ServiceId},
    messaging::model::RemovalReason,
    page::{Page, PageRequest},
    records::target::TargetKind,
    services::model::{ServiceDetail, ServiceFilter, ServiceStatus, ServiceSummary},
    staff::{
        CloseService, Connection, ListQuery, ListServices, ReasonedInput, RemovePhoto, ReopenService, ShowService,
    },
    time::Timestamp,
};
use ratatui::{
    buffer::Buffer,
    layout::Rect,
    text::{Line, Span},
};
use uuid::Uuid;

use super::{
    super::{
        browser::{
            Browser, Detailed, Target,
            filter::{Typed, flag, quoted},
            heading,
            listing::{Key, Listed, Lists},
            paged::Row,
        },
        component::{Registered, Screen},
        confirmation,
        ctx::{Confirmed, Ctx},
        jump::{Link, Relations, Subject},
        keymap::{Action, Rows, ScreenInfo, Spec, actions},
        message::Message,
        privacy, text,
        theme::{self, Style},
        widgets::{
            columns::{Column, SPARE},
            form::{Choice, Filled, Form},
            rows,
        },
    },
    jobs::money,
    photos::{self, Photos},
    reviews::REMOVALS,
};

/// The columns of the list.
const COLUMNS: [Column; 6] = [
    Column::time("written", 3).falling(),
    Column::new("status", 2),
    Column::text("title", 12, 0),
    Column::text("worker", 7, 0),
    Column::number("price", 4),
    Column::text("closed for", 8, SPARE),
];

/// The action that leads here.
pub const HOME: Action =
    Action::new(&Spec { name: "services", keys: "W", label: "services", rank: 0, needs: None, help: "Services" });

actions! {
    CLOSE, "close-service", "x", "close", 1, Some(Permission::ServicesWrite), "Close it for everybody: its worker cannot publish it again; reason";
    REMOVE_PHOTO, "remove-photo", "d", "remove photo", 3, Some(Permission::ServicesWrite), "Remove the photo that is shown; its worker is told why";
    REOPEN, "reopen-service", "O", "reopen", 2, Some(Permission::ServicesWrite), "Take the closing back: its worker can publish it again";
}

impl Row for ServiceSummary {
    type Id = ServiceId;
    fn id(&self) -> ServiceId {
        self.id
    }
}

impl Typed for ServiceFilter {
    const WORDS: &'static [(&'static str, &'static [&'static str])] =
        &[("status", ServiceStatus::NAMES), ("worker_id", &[])];
    const FREE_TEXT: bool = true;
    fn set(&mut self, word: &str, value: &str) -> std::result::Result<(), String> {
        match word {
            "status" => self.status = Some(value.parse()?),
            _ => self.worker_id = Some(value.parse().map_err(|_| String::new())?),
        }
        Ok(())
    }
    fn text(&mut self, text: String) {
        self.q = Some(text);
    }
    fn flags(&self) -> String {
        let mut flags = String::new();
        flag(&mut flags, "status", self.status);
        flag(&mut flags, "worker-id", self.worker_id);
        flag(&mut flags, "q", self.q.as_ref());
        flags
    }
}

impl Listed for ServiceSummary {
    type Filter = ServiceFilter;
    const WHAT: &'static str = "services";
    fn list(api: Connection, filter: ServiceFilter, page: PageRequest) -> BoxFuture<'static, Result<Page<Self>>> {
        Box::pin(async move { api.call::<ListServices>((), ListQuery::new(&filter, &page), ()).await })
    }
    fn id_text(&self) -> String {
        self.id.to_string()
    }
    fn columns() -> &'static [Column] {
        &COLUMNS
    }
    fn key(&self, column: &str) -> Key {
        match column {
            "written" => Key::time(self.created_at),
            "status" => Key::text(self.status.as_str()),
            "worker" => Key::text(&self.worker_name),
            "price" => Key::Number(self.price.as_ref().map_or(-1, |price| price.amount)),
            "closed for" => Key::text(self.closed_reason.map_or("", RemovalReason::as_str)),
            _ => Key::text(&self.title),
        }
    }
}

impl Detailed for ServiceSummary {
    type Detail = ServiceDetail;
    const ONE: &'static str = "service";
    const MANY: &'static str = "services";
    fn by_id(id: Uuid) -> ServiceId {
        ServiceId(id)
    }
    fn show(api: Connection, id: ServiceId) -> BoxFuture<'static, Result<ServiceDetail>> {
        Box::pin(async move { api.call::<ShowService>(id, (), ()).await })
    }
    fn row(detail: &ServiceDetail) -> &Self {
        &detail.service
    }
    fn name(&self) -> String {
        format!("“{}” {}", self.title, text::short_id(&self.id))
    }
    fn version(&self) -> i64 {
        self.version
    }
    fn around(&self) -> String {
        format!("worker_id:{}", self.worker_id)
    }
}

/// The intent of a form: to close services, for the reason that is chosen, or to reopen them.
struct Intent {
    closes: bool,
    targets: Vec<Target<ServiceId>>,
}

/// The intent of a form: to remove a photo.
struct Removing {
    service: Target<ServiceId>,
    photo: PhotoId,
}

/// The latest action, for repeating it: its reason, if it closed, and its note.
#[derive(Debug, Clone)]
struct Last {
    reason: Option<usize>,
    note: Option<String>,
}

/// Services.
#[derive(Default)]
pub struct Services {
    browser: Browser<ServiceSummary>,
    photos: Photos,
    last: Option<Last>,
    /// The photo that was removed last, of which service, and why.
    removed: Option<(ServiceId, PhotoId, RemovalReason)>,
}

impl Services {
    fn ask_about_photo(&self, ctx: &mut Ctx) {
        let Some(detail) = self.browser.shown() else {
            ctx.refuse("remove photo: open its service first");
            return;
        };
        let photo = match self.photos.seen(ctx) {
            Ok(photo) => photo,
            Err(why) => return ctx.refuse(format!("remove photo: {why}")),
        };
        let service = &detail.service;
        let target = Target { id: service.id, name: service.name(), version: Some(service.version) };
        let choices = REMOVALS.iter().map(|(key, reason)| Choice::of(*key, reason.as_str())).collect();
        let form = Form::new(format!("Remove a photo of {}", text::clean(&target.name)))
            .line(self.photos.said())
            .line("It cannot be put back. Nobody sees it any more, and its worker is told why.")
            .line("")
            .choices(choices, false)
            .with_note(None)
            .about([photo.id])
            .confirmed_by(confirmation::REMOVE_PHOTO, 1);
        ctx.ask(form, Removing { service: target, photo: photo.id });
    }

    fn remove_photo(&mut self, Removing { service, photo }: Removing, filled: Filled, ctx: &mut Ctx) {
        let picked = filled.picked.first().and_then(|at| REMOVALS.get(*at));
        let Some((_, reason)) = picked.copied() else { return };
        let note = filled.note;
        self.removed = Some((service.id, photo, reason));
        self.browser.change(
            &[service],
            "Remove a photo of",
            "the photo is removed",
            ctx,
            move |api, id, if_version| {
                let change = Change { note: note.clone(), if_version, ..Change::default() };
                let input = ReasonedInput::new(reason, change);
                Box::pin(async move { api.call::<RemovePhoto>((id, photo), (), input).await })
            },
        );
    }

    /// Returns whether what keys apply to has a photo that can be shown.
    fn has_photo(&self) -> bool {
        self.browser.shown().is_some() && self.photos.current().is_some()
    }

    /// Keeps the photos those of the service in full.
    fn follow(&mut self) {
        match &self.browser.detail {
            Some(detail) => self.photos.of(detail.service.id, &detail.photos),
            None => self.photos.none(),
        }
    }

    fn ask(&self, closes: bool, reason: Option<usize>, note: Option<&str>, ctx: &mut Ctx) {
        let targets = self.browser.targets();
        if targets.is_empty() {
            return;
        }
        let form = if closes {
            let choices = REMOVALS.iter().map(|(key, reason)| Choice::of(*key, reason.as_str())).collect();
            Form::new(heading("Close", &targets, "services"))
                .line("Nobody finds it, and its worker, who is told why, cannot publish it again.")
                .line("")
                .choices(choices, false)
                .with_picked(reason.as_slice())
        } else {
            Form::new(heading("Reopen", &targets, "services"))
                .line("Its worker is told, and can publish it again.")
                .line("")
        };
        let form = form.with_note(note).about(targets.iter().map(|target| target.id));
        ctx.ask(form.confirmed_by(confirmation::UNDOABLE, targets.len()), Intent { closes, targets });
    }

    fn repeat(&mut self, ctx: &mut Ctx) {
        let Some(last) = self.last.clone() else {
            ctx.say("nothing to repeat yet");
            return;
        };
        if self.browser.advance(ctx) {
            self.ask(last.reason.is_some(), last.reason, last.note.as_deref(), ctx);
        }
    }

    fn go_ahead(&mut self, Intent { closes, targets }: Intent, filled: Filled, ctx: &mut Ctx) {
        let picked = filled.picked.first().copied().filter(|_| closes);
        let reason = picked.and_then(|at| REMOVALS.get(at)).map(|(_, reason)| *reason);
        if closes != reason.is_some() {
            return;
        }
        let note = filled.note;
        self.last = Some(Last { reason: picked, note: note.clone() });
        let (verb, done) = if closes { ("Close", "closed") } else { ("Reopen", "reopened") };
        self.browser.change(&targets, verb, done, ctx, move |api, id, if_version| {
            let change = Change { note: note.clone(), if_version, ..Change::default() };
            Box::pin(async move {
                match reason {
                    Some(reason) => api.call::<CloseService>(id, (), ReasonedInput::new(reason, change)).await,
                    None => api.call::<ReopenService>(id, (), change.into()).await,
                }
            })
        });
    }
}

impl Registered for Services {
    const INFO: &'static ScreenInfo = &ScreenInfo {
        home: HOME,
        // Reached from a worker, by its key and its name: tabs are few.
        tab: "",
        title: "services",
        rows: Rows::Marked,
        own: ACTIONS,
        chosen: &[
            Action::GO_WORKER,
            Action::GO_REVIEWS,
            Action::GO_KYC,
            Action::ZOOM,
            Action::ROTATE,
            Action::ZOOM_IN,
            Action::ZOOM_OUT,
            Action::PHOTO_NEXT,
            Action::PHOTO_BACK,
            Action::OUTSIDE,
        ],
        by_id: Some(("service", "open a service")),
    };
    fn links(from: &Relations) -> Vec<Link> {
        let to = |label: &str, target| vec![Link::new('s', label, HOME, target)];
        match (from.get("service"), from.get("user").or_else(|| from.get("worker"))) {
            (Some(service), _) => to("the service", Subject::One(service.id)),
            (_, Some(worker)) => to("the worker's services", Subject::List(format!("worker_id:{}", worker.id))),
            _ => Vec::new(),
        }
    }
}

impl Screen for Services {
    fn lists(&self) -> Option<&dyn Lists> {
        Some(&self.browser)
    }
    fn lists_mut(&mut self) -> Option<&mut dyn Lists> {
        Some(&mut self.browser)
    }

    fn action(&mut self, action: Action, ctx: &mut Ctx) -> bool {
        if photos::ACTIONS.contains(&action) && self.browser.subject().is_some() {
            if self.browser.shown().is_none() {
                ctx.refuse(format!("{}: open the service first", action.label));
                return true;
            }
            self.browser.in_detail = true;
        }
        if self.photos.action(action, ctx) {
            return true;
        }
        match action {
            Action::BACK if self.photos.back() => {}
            Action::MARK | Action::MARK_RANGE | Action::MARK_ALL if self.photos.large => {
                ctx.refuse(format!("mark: {} leads back to the service first", ctx.keymap.key(Action::BACK)));
            }
            REMOVE_PHOTO => self.ask_about_photo(ctx),
            CLOSE => self.ask(true, None, None, ctx),
            REOPEN => self.ask(false, None, None, ctx),
            Action::REPEAT => self.repeat(ctx),
            _ => return self.browser.action(action, ctx),
        }
        true
    }

    fn relations(&self) -> Relations {
        let Some(service) = self.browser.subject() else { return Relations::default() };
        Relations::of(service.id).with("worker", service.worker_id.0, &service.worker_name).seen_at('s')
    }

    fn event(&mut self, event: &Event, ctx: &mut Ctx) {
        if event.target_kind() == Some(TargetKind::Service) {
            self.browser.list.soon(ctx);
        }
    }
    fn message(&mut self, message: Message, ctx: &mut Ctx) -> Option<Message> {
        let message = self.photos.message(message, ctx)?;
        let left = self.browser.message(message, ctx);
        self.follow();
        left
    }
    fn pictures_changed(&mut self) {
        self.photos.draw_again();
    }
    fn tick(&mut self, visible: bool, ctx: &mut Ctx) {
        self.browser.tick(visible, ctx);
        self.follow();
        self.photos.tick(visible, ctx);
    }
    fn confirmed(&mut self, confirmed: Confirmed, ctx: &mut Ctx) -> std::result::Result<(), Confirmed> {
        let confirmed = match confirmed.open::<Removing>() {
            Ok((removing, filled)) => {
                self.remove_photo(removing, filled, ctx);
                return Ok(());
            }
            Err(other) => other,
        };
        let (intent, filled) = confirmed.open()?;
        self.go_ahead(intent, filled, ctx);
        Ok(())
    }

    fn draw(&mut self, area: Rect, buf: &mut Buffer, ctx: &Ctx) {
        self.photos.begin_frame(self.browser.in_detail);
        let (list, detail) = if self.photos.large { (None, Some(area)) } else { self.browser.panes(area) };
        let (now, theme) = (ctx.now(), ctx.theme);
        if let Some(list) = list {
            let words = ("Services", "No service matches. Esc clears the filter.");
            self.browser.draw_list(list, buf, ctx, words, &COLUMNS, |service| {
                vec![
                    rows::time(theme, service.created_at, now, ctx.times),
                    rows::short_state(theme, theme::service_status(service.status)),
                    Span::raw(service.title.clone()),
                    Span::styled(service.worker_name.clone(), theme.style(Style::Faint)),
                    Span::raw(service.price.as_ref().map_or_else(String::new, money)),
                    Span::raw(service.closed_reason.map_or_else(String::new, |reason| text::words(reason.as_str()))),
                ]
            });
        }
        if let Some(detail) = detail {
            let photos = &self.photos;
            let split = |inner| photos.split(inner);
            let text = |detail: &ServiceDetail, width| lines(detail, ctx, now, width);
            if let Some(place) = self.browser.draw_detail_beside(detail, buf, ctx, split, text) {
                self.photos.draw(place, buf, ctx);
            }
        }
    }

    fn status(&self, _ctx: &Ctx) -> Option<(String, Style)> {
        self.browser.marked("close or reopen")
    }

    fn offers(&self, action: Action) -> bool {
        let many = self.browser.list.rows.marked_count() > 0;
        let subject = self.browser.subject();
        match action {
            CLOSE => {
                let open = |row: &ServiceSummary| row.closed_reason.is_none() && row.status != ServiceStatus::Deleted;
                many || subject.is_some_and(open)
            }
            REOPEN => many || subject.is_some_and(|row| row.closed_reason.is_some()),
            REMOVE_PHOTO => self.has_photo(),
            other if photos::ACTIONS.contains(&other) => self.has_photo(),
            Action::OPEN | Action::MARK => !self.browser.in_detail && subject.is_some(),
            Action::JUMP | Action::GO_WORKER | Action::GO_REVIEWS | Action::GO_KYC => subject.is_some(),
            _ => true,
        }
    }

    fn why_not(&self, action: Action, _ctx: &Ctx) -> Option<String> {
        if self.browser.list.rows.marked_count() > 0 {
            return None;
        }
        let service = self.browser.subject()?;
        let why = match action {
            CLOSE if service.closed_reason.is_some() => "staff closed it already",
            CLOSE if service.status == ServiceStatus::Deleted => "its worker deleted it",
            REOPEN if service.closed_reason.is_none() => "staff did not close it",
            _ => return None,
        };
        Some(format!("{}: {why}", action.label))
    }

    fn commands(&self) -> Vec<String> {
        let flags = self.browser.list.bar.filter.flags();
        let mut lines = vec![format!("marketplace services list{flags}")];
        let Some(service) = self.browser.subject() else { return lines };
        lines.push(format!("marketplace services show {}", service.id));
        lines.extend(self.photos.current().map(|photo| format!("marketplace services photo {}", photo.id)));
        lines.extend(self.removed.map(|(service, photo, reason)| {
            format!("marketplace services remove-photo {photo} --service-id {service} --reason {reason} --dry-run")
        }));
        if let Some(last) = &self.last {
            let mut rest = String::new();
            let reason = last.reason.and_then(|at| REMOVALS.get(at));
            if let Some((_, reason)) = reason {
                let _ = write!(rest, " --reason {reason}");
            }
            if let Some(note) = &last.note {
                let _ = write!(rest, " --note {}", quoted(note));
            }
            let verb = if reason.is_some() { "close" } else { "reopen" };
            lines.extend(self.browser.command(&format!("marketplace services {verb}"), &rest));
        }
        lines
    }
}

/// Returns the lines of a service in full.
fn lines(detail: &ServiceDetail, ctx: &Ctx, now: Timestamp, width: usize) -> Vec<Line<'static>> {
    let (theme, service) = (ctx.theme, &detail.service);
    let when = |at| text::ago(at, now, ctx.times);
    let mut out = vec![
        Line::from(vec![
            Span::styled(text::left("status", 11), theme.style(Style::Faint)),
            rows::state(theme, theme::service_status(service.status), 14),
        ]),
        rows::field(theme, "found", if service.public { "by everybody" } else { "by nobody" }),
    ];
    out.extend(service.closed_reason.map(|reason| rows::field(theme, "closed for", text::words(reason.as_str()))));
    out.extend([
        rows::field(theme, "worker", &*service.worker_name),
        rows::field(theme, "category", text::words(service.category.as_str())),
        rows::field(theme, "where", &*service.location),
    ]);
    out.extend(service.price.as_ref().map(|price| rows::field(theme, "price", money(price))));
    if !detail.tags.is_empty() {
        out.push(rows::field(theme, "tags", detail.tags.join(", ")));
    }
    if !detail.photos.is_empty() {
        let keys = format!("{} large, {} next", ctx.keymap.key(Action::ZOOM), ctx.keymap.key(Action::PHOTO_NEXT));
        out.push(rows::field(theme, "photos", format!("{} · {keys}", detail.photos.len())));
    }
    out.push(rows::field(theme, "written", when(service.created_at)));
    out.extend(detail.published_at.map(|at| rows::field(theme, "published", when(at))));
    out.push(rows::field(theme, "changed", format!("{} · version {}", when(service.updated_at), service.version)));
    out.push(rows::field(theme, "id", service.id.to_string()));
    for part in [&service.title, &detail.description] {
        out.push(Line::raw(""));
        out.extend(privacy::published(part, width));
    }
    out
}
