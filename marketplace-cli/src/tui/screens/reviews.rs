//! Reviews: the flagged ones first, one with its flags beside the other side's, and what staff can do to them.

use std::{any::Any, fmt::Write as _, sync::Arc};

use futures::future::BoxFuture;
use marketplace_core::{
    admin::AdminApi,
    base::change::Change,
    error::Result,
    events::Event,
    ids::ReviewId,
    jobs::model::Side,
    messaging::model::RemovalReason,
    page::{Page, PageRequest},
    reviews::model::{ReviewAction, ReviewDetail, ReviewFilter, ReviewStatus, ReviewSummary},
};
use ratatui::{
    buffer::Buffer,
    layout::{Position, Rect},
    text::{Line, Span},
};

use super::{
    super::{
        browser::{Browser, Detailed, Shown, heading},
        bulk::Bulk,
        component::Screen,
        ctx::{Ctx, Request},
        filter::{Typed, quoted},
        jump::{Links, Place},
        keymap::{Action, on},
        listing::{Answer, Listed, Lists},
        message::Message,
        paged::Row,
        text,
        theme::{self, Ink},
        widgets::{
            form::{Filled, Form, Intent, ReviewDeed},
            rows,
        },
    },
    jobs::{between, choice},
};

/// Why something is removed, each with its letter: messages too.
pub const REMOVALS: [(char, RemovalReason); 8] = [
    ('a', RemovalReason::Abuse),
    ('c', RemovalReason::ContactDetails),
    ('p', RemovalReason::PersonalData),
    ('s', RemovalReason::Spam),
    ('f', RemovalReason::Fraud),
    ('t', RemovalReason::OffTopic),
    ('l', RemovalReason::LegalRequest),
    ('o', RemovalReason::Other),
];
/// Columns from which the two reviews of a job stand side by side.
const BESIDE: usize = 72;

impl Row for ReviewSummary {
    type Id = ReviewId;
    fn id(&self) -> ReviewId {
        self.id
    }
}

impl Listed for ReviewSummary {
    type Filter = ReviewFilter;
    const WHAT: &'static str = "reviews";
    const DEFAULT: &'static str = "flagged:yes";
    fn list(api: Arc<dyn AdminApi>, filter: ReviewFilter, page: PageRequest) -> BoxFuture<'static, Result<Page<Self>>> {
        Box::pin(async move { api.reviews_list(&filter, &page).await })
    }
    fn wrap(answer: Answer<Self>) -> Message {
        Message::ReviewRows(answer)
    }
    fn id_text(&self) -> String {
        self.id.to_string()
    }
}

impl Detailed for ReviewSummary {
    type Detail = ReviewDetail;
    const ONE: &'static str = "review";
    const MANY: &'static str = "reviews";
    fn show(api: Arc<dyn AdminApi>, id: ReviewId) -> BoxFuture<'static, Result<ReviewDetail>> {
        Box::pin(async move { api.reviews_show(id).await })
    }
    fn shown(answer: Shown<Self>) -> Message {
        Message::Review(answer)
    }
    fn row(detail: &ReviewDetail) -> &Self {
        &detail.review
    }
    fn name(&self) -> String {
        format!("review by {} about {}", self.author_name, self.subject_name)
    }
    fn version(&self) -> i64 {
        self.version
    }
    fn around(&self) -> String {
        format!("subject_id:{}", self.subject_id)
    }
}

/// The latest action, for repeating it.
#[derive(Debug, Clone)]
struct Last {
    deed: ReviewDeed,
    reason: Option<usize>,
    note: Option<String>,
}

/// Reviews.
#[derive(Default)]
pub struct Reviews {
    browser: Browser<ReviewSummary>,
    last: Option<Last>,
}

/// What it is, what it does, how it reads when done, and the command's verb.
fn wording(deed: ReviewDeed) -> (&'static str, &'static str, &'static str, &'static str) {
    match deed {
        ReviewDeed::Dismiss => {
            ("Dismiss flags of", "The review stays as it is; its flags are settled.", "flags dismissed", "dismiss")
        }
        ReviewDeed::Remove => {
            ("Remove", "It shows no more and counts no more; it can be restored.", "removed", "remove")
        }
        ReviewDeed::Restore => ("Restore", "It shows and counts again.", "restored", "restore"),
    }
}

impl Reviews {
    fn ask(&self, deed: ReviewDeed, reason: Option<usize>, note: Option<&str>, ctx: &mut Ctx) {
        let targets = self.browser.targets();
        if targets.is_empty() {
            return;
        }
        let (verb, means, ..) = wording(deed);
        let mut form =
            Form::new(heading(verb, &targets, "reviews"), Intent::Review(deed, targets)).line(means).line("");
        if deed == ReviewDeed::Remove {
            let choices = REMOVALS.iter().map(|(key, reason)| choice(*key, reason.as_str())).collect();
            form = form.choices(choices, false).with_picked(reason.as_slice());
        }
        ctx.requests.push(Request::Form(Box::new(form.with_note(note))));
    }

    fn repeat(&mut self, ctx: &mut Ctx) {
        let Some(last) = self.last.clone() else {
            ctx.say("nothing to repeat yet");
            return;
        };
        if self.browser.advance(ctx) {
            self.ask(last.deed, last.reason, last.note.as_deref(), ctx);
        }
    }

    fn confirmed(&mut self, filled: &Filled, ctx: &mut Ctx) -> bool {
        let Intent::Review(deed, targets) = &filled.intent else { return false };
        let picked = filled.picked.first().copied();
        let action = match (deed, picked.and_then(|at| REMOVALS.get(at))) {
            (ReviewDeed::Dismiss, _) => ReviewAction::Dismiss,
            (ReviewDeed::Restore, _) => ReviewAction::Restore,
            (ReviewDeed::Remove, Some((_, reason))) => ReviewAction::Remove { reason: *reason },
            (ReviewDeed::Remove, None) => return true,
        };
        let (verb, _, done, _) = wording(*deed);
        self.last = Some(Last { deed: *deed, reason: picked, note: filled.note.clone() });
        let note = filled.note.clone();
        self.browser.change(targets, verb, done, ctx, move |api, id, if_version| {
            let (action, change) = (action.clone(), Change { note: note.clone(), if_version, ..Change::default() });
            Box::pin(async move { api.reviews_act(id, &action, &change).await })
        });
        true
    }
}

/// Worker and client of a review.
fn pair(review: &ReviewSummary) -> (bool, [(marketplace_core::ids::UserId, String); 2]) {
    let author = (review.author_id, review.author_name.clone());
    let subject = (review.subject_id, review.subject_name.clone());
    let by_client = review.side == Side::Client;
    (by_client, if by_client { [subject, author] } else { [author, subject] })
}

impl Screen for Reviews {
    fn on(&self) -> u8 {
        on::REVIEWS
    }
    fn home(&self) -> Action {
        Action::Reviews
    }
    fn name(&self) -> &'static str {
        "reviews"
    }
    fn lists(&self) -> Option<&dyn Lists> {
        Some(&self.browser.list)
    }
    fn lists_mut(&mut self) -> Option<&mut dyn Lists> {
        Some(&mut self.browser.list)
    }

    fn action(&mut self, action: Action, ctx: &mut Ctx) -> bool {
        match action {
            Action::Dismiss => self.ask(ReviewDeed::Dismiss, None, None, ctx),
            Action::Remove => self.ask(ReviewDeed::Remove, None, None, ctx),
            Action::Restore => self.ask(ReviewDeed::Restore, None, None, ctx),
            Action::Repeat => self.repeat(ctx),
            _ => return self.browser.action(action, ctx),
        }
        true
    }

    fn links(&self) -> Links {
        let Some(review) = self.browser.subject() else { return Links::default() };
        let (_, [worker, client]) = pair(review);
        Links {
            worker: Some(worker),
            client: Some(client),
            job: Some(review.job_id),
            audit: Some(review.id.to_string()),
            ..Links::default()
        }
    }
    fn go(&mut self, place: &Place, ctx: &mut Ctx) {
        match place {
            Place::Review(id) => self.browser.go(*id, ctx),
            Place::List(_, words) => self.browser.list.start_at(words, ctx),
            _ => {}
        }
    }
    fn stash(&mut self) -> Box<dyn Any> {
        Box::new(self.browser.stash())
    }
    fn restore(&mut self, stashed: Box<dyn Any>, ctx: &mut Ctx) {
        if let Ok(browser) = stashed.downcast() {
            self.browser.restore(*browser, ctx);
        }
    }

    fn message(&mut self, message: Message, ctx: &mut Ctx) -> Option<Message> {
        match message {
            Message::ReviewRows(answer) => self.browser.rows(answer, ctx),
            Message::Review(answer) => self.browser.shown(answer, ctx),
            other => return Some(other),
        }
        None
    }
    fn event(&mut self, event: &Event, ctx: &mut Ctx) {
        if event.kind.starts_with("review") {
            self.browser.list.soon(ctx);
        }
    }
    fn reload(&mut self, ctx: &mut Ctx) {
        self.browser.reload(ctx);
    }
    fn bulk_ended(&mut self, _bulk: &Bulk, ctx: &mut Ctx) {
        self.browser.bulk_ended(ctx);
    }
    fn filled(&mut self, filled: &Filled, ctx: &mut Ctx) -> bool {
        self.confirmed(filled, ctx)
    }
    fn tick(&mut self, visible: bool, ctx: &mut Ctx) {
        self.browser.tick(visible, ctx);
    }
    fn click(&mut self, at: Position, ctx: &mut Ctx) {
        if self.browser.click(at, ctx) {
            self.action(Action::Open, ctx);
        }
    }

    fn draw(&mut self, area: Rect, buf: &mut Buffer, ctx: &Ctx) {
        let (list, detail) = self.browser.panes(area);
        let (now, exact, theme) = (ctx.now(), ctx.exact, ctx.theme);
        if let Some(list) = list {
            let flagged = self.browser.list.bar.filter.flagged;
            let empty =
                if flagged { "No review waits with flags." } else { "No review matches. Esc clears the filter." };
            self.browser.draw_list(list, buf, ctx, ("Reviews", empty), |review, width| {
                let (time, stars, flags, status) = (if exact { 20 } else { 5 }, 7, 5, 13);
                let who = (width / 4).max(16);
                let content = width.saturating_sub(time + stars + flags + status + who + 3);
                let flag = if review.flags > 0 { format!("⚑ {}", review.flags) } else { String::new() };
                vec![
                    Span::styled(text::right(&text::when(review.created_at, now, exact), time), theme.ink(Ink::Faint)),
                    Span::raw("  "),
                    Span::styled(text::left(&flag, flags), theme.ink(Ink::Warn)),
                    Span::raw(text::left(&rows::stars(review.rating), stars)),
                    Span::styled(
                        text::left(&between(&review.author_name, &review.subject_name, who), who),
                        theme.ink(Ink::Faint),
                    ),
                    rows::state(theme, theme::review_status(review.status), status),
                    Span::raw(text::left(&review.content, content)),
                ]
            });
        }
        if let Some(detail) = detail {
            self.browser.draw_detail(detail, buf, ctx, |detail, width| lines(detail, ctx, width));
        }
    }

    fn status(&self, _ctx: &Ctx) -> Option<(String, Ink)> {
        self.browser.list.marked("an action")
    }
    fn offers(&self, action: Action) -> bool {
        let many = self.browser.list.rows.marked_count() > 0;
        let review = self.browser.subject();
        let removed = review.is_some_and(|review| review.status == ReviewStatus::Removed);
        match action {
            Action::Dismiss => many || review.is_some_and(|review| review.flags > 0),
            Action::Remove => many || (review.is_some() && !removed),
            Action::Restore => many || removed,
            Action::Open | Action::Mark => !self.browser.in_detail && review.is_some(),
            Action::Jump | Action::GoWorker | Action::GoClient | Action::GoThreads => review.is_some(),
            _ => true,
        }
    }

    fn commands(&self) -> Vec<String> {
        let flags = self.browser.list.bar.filter.flags();
        let mut lines = vec![format!("marketplace reviews list{flags}")];
        let Some(review) = self.browser.subject() else { return lines };
        lines.push(format!("marketplace reviews show {}", review.id));
        if let Some(last) = &self.last {
            let mut rest = String::new();
            if let Some((_, reason)) = last.reason.and_then(|at| REMOVALS.get(at)) {
                let _ = write!(rest, " --reason {reason}");
            }
            if let Some(note) = &last.note {
                let _ = write!(rest, " --note {}", quoted(note));
            }
            let (.., verb) = wording(last.deed);
            lines.push(format!("marketplace reviews {verb} {}{rest}", review.id));
            lines.push(format!(
                "marketplace reviews list{flags} --limit 0 -o id | marketplace reviews {verb} --stdin --yes{rest}"
            ));
        }
        lines
    }
}

/// A review in so many columns: who, how many stars, and what it says.
fn block(review: &ReviewSummary, title: &str, ctx: &Ctx, width: usize) -> Vec<Line<'static>> {
    let theme = ctx.theme;
    let when = |at| if ctx.exact { text::exact(at) } else { format!("{} ago", text::age(ctx.now().since(at))) };
    let (by_client, _) = pair(review);
    let (author, subject) = if by_client { ("client", "worker") } else { ("worker", "client") };
    let mut out = vec![
        Line::styled(text::cut(title, width), theme.ink(Ink::Title)),
        rows::field(theme, "by", format!("{} ({author})", review.author_name)),
        rows::field(theme, "about", format!("{} ({subject})", review.subject_name)),
        Line::from(vec![
            Span::styled(text::left("status", 11), theme.ink(Ink::Faint)),
            rows::state(theme, theme::review_status(review.status), 13),
        ]),
        rows::field(theme, "written", when(review.created_at)),
        rows::field(theme, "stars", format!("{} {} of 5", rows::stars(review.rating), review.rating)),
    ];
    if let Some(reason) = review.removed {
        out.push(rows::field(theme, "removed", text::words(reason.as_str())));
    }
    out.push(Line::raw(""));
    out.extend(text::wrap(&review.content, width).into_iter().map(Line::raw));
    out
}

/// A review in full.
fn lines(detail: &ReviewDetail, ctx: &Ctx, width: usize) -> Vec<Line<'static>> {
    let theme = ctx.theme;
    let head = |title: &str| Line::styled(title.to_owned(), theme.ink(Ink::Title));
    let other = detail.counterpart.as_ref();
    let mut out = match other {
        Some(other) if width >= BESIDE => {
            let column = width / 2 - 2;
            let left = block(&detail.review, "This review", ctx, column);
            let right = block(other, "The other side's", ctx, column);
            side_by_side(left, right, column)
        }
        Some(other) => {
            let mut lines = block(&detail.review, "This review", ctx, width);
            lines.push(Line::raw(""));
            lines.extend(block(other, "The other side's", ctx, width));
            lines
        }
        None => {
            let mut lines = block(&detail.review, "This review", ctx, width);
            lines.push(Line::raw(""));
            lines.push(Line::styled("the other side wrote none", theme.ink(Ink::Faint)));
            lines
        }
    };
    if let Some(reply) = &detail.reply {
        out.push(Line::raw(""));
        out.push(head("Reply"));
        out.extend(text::wrap(reply, width).into_iter().map(Line::raw));
    }
    out.push(Line::raw(""));
    out.push(head("Flags"));
    if detail.flags.is_empty() {
        out.push(Line::styled("none", theme.ink(Ink::Faint)));
    }
    for flag in &detail.flags {
        let (glyph, ink) = if flag.dismissed_at.is_some() { ("○", Ink::Faint) } else { ("⚑", Ink::Warn) };
        let state = if flag.dismissed_at.is_some() { " · dismissed" } else { "" };
        let when = text::when(flag.at, ctx.now(), ctx.exact);
        out.push(Line::from(vec![
            Span::styled(format!("{glyph} {}", text::left(&text::words(flag.reason.as_str()), 15)), theme.ink(ink)),
            Span::styled(format!("user {} · {when}{state}", text::short_id(&flag.user_id)), theme.ink(Ink::Faint)),
        ]));
        if let Some(comment) = &flag.comment {
            let wrapped = text::wrap(&format!("“{comment}”"), width.saturating_sub(2));
            out.extend(wrapped.into_iter().map(|line| Line::raw(format!("  {line}"))));
        }
    }
    if let Some(note) = &detail.note {
        out.push(Line::raw(""));
        out.push(head("Staff note"));
        out.extend(text::wrap(note, width).into_iter().map(Line::raw));
    }
    out.push(Line::raw(""));
    out.push(rows::field(theme, "id", detail.review.id.to_string()));
    out.push(rows::field(theme, "job", detail.review.job_id.to_string()));
    out
}

/// Two columns of lines as one.
fn side_by_side(left: Vec<Line<'static>>, right: Vec<Line<'static>>, column: usize) -> Vec<Line<'static>> {
    let rows = left.len().max(right.len());
    let (mut left, mut right) = (left.into_iter(), right.into_iter());
    (0..rows)
        .map(|_| {
            let one = left.next().unwrap_or_default();
            let used = one.width();
            let mut spans: Vec<Span<'static>> = one.spans.into_iter().map(|span| span.patch_style(one.style)).collect();
            spans.push(Span::raw(" ".repeat(column.saturating_sub(used))));
            spans.push(Span::raw("  │ "));
            if let Some(other) = right.next() {
                spans.extend(other.spans.into_iter().map(|span| span.patch_style(other.style)));
            }
            Line::from(spans)
        })
        .collect()
}
