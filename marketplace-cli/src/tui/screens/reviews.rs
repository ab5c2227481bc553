//! Reviews: flagged ones first, a review with its flags beside the other side's review, and the staff actions on it.

use marketplace_core::records::target::TargetKind;
use marketplace_core::staff::{self, Connection, ListQuery, ListReviews, ShowReview};
use std::fmt::Write as _;

use futures::future::BoxFuture;
use marketplace_core::{
    base::{change::Change, permission::Permission},
    error::Result,
    events::Event,
    ids::{ReviewId, UserId},
    jobs::model::Side,
    messaging::model::RemovalReason,
    page::{Page, PageRequest},
    reviews::model::{ReviewAction, ReviewDetail, ReviewFilter, ReviewStatus, ReviewSummary},
};
use ratatui::{
    buffer::Buffer,
    layout::Rect,
    text::{Line, Span},
};
use uuid::Uuid;

use super::super::{
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
    privacy, text,
    theme::{self, Style},
    widgets::{
        columns::Column,
        form::{Choice, Filled, Form},
        rows,
    },
};

/// The reasons for removals, each with its letter; also used for messages.
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
/// Columns from which the two reviews of a job are shown side by side.
const BESIDE: usize = 72;

/// The columns of the list.
const COLUMNS: [Column; 7] = [
    Column::time("written", 4).falling(),
    Column::new("flags", 0),
    Column::new("stars", 3),
    Column::text("by", 7, 0),
    Column::text("about", 7, 0),
    Column::new("status", 2),
    Column::text("text", 10, 1),
];

/// The action that leads here.
pub const HOME: Action =
    Action::new(&Spec { name: "reviews", keys: "6", label: "reviews", rank: 0, needs: None, help: "Reviews" });

actions! {
    DISMISS, "dismiss", "a", "dismiss flags", 1, Some(Permission::ReviewsWrite), "Its flags mean nothing: the review stays";
    REMOVE, "remove", "d", "remove", 2, Some(Permission::ReviewsWrite), "Take the review away: reason, note";
    RESTORE, "restore", "D", "restore", 3, Some(Permission::ReviewsWrite), "Show a removed review again";
}

impl Row for ReviewSummary {
    type Id = ReviewId;
    fn id(&self) -> ReviewId {
        self.id
    }
}

impl Typed for ReviewFilter {
    const WORDS: &'static [(&'static str, &'static [&'static str])] =
        &[("flagged", &["yes", "no"]), ("status", ReviewStatus::NAMES), ("subject_id", &[]), ("author_id", &[])];
    const FREE_TEXT: bool = true;
    fn set(&mut self, word: &str, value: &str) -> std::result::Result<(), String> {
        match (word, value) {
            ("flagged", "yes") => self.flagged = true,
            ("flagged", "no") => self.flagged = false,
            ("flagged", _) => return Err(String::new()),
            ("status", _) => self.status = Some(value.parse()?),
            ("subject_id", _) => self.subject_id = Some(value.parse().map_err(|_| String::new())?),
            _ => self.author_id = Some(value.parse().map_err(|_| String::new())?),
        }
        Ok(())
    }
    fn text(&mut self, text: String) {
        self.q = Some(text);
    }
    fn flags(&self) -> String {
        let mut flags = if self.flagged { " --flagged".to_owned() } else { String::new() };
        flag(&mut flags, "status", self.status);
        flag(&mut flags, "subject-id", self.subject_id);
        flag(&mut flags, "author-id", self.author_id);
        flag(&mut flags, "q", self.q.as_ref());
        flags
    }
}

impl Listed for ReviewSummary {
    type Filter = ReviewFilter;
    const WHAT: &'static str = "reviews";
    const DEFAULT: &'static str = "flagged:yes";
    fn list(api: Connection, filter: ReviewFilter, page: PageRequest) -> BoxFuture<'static, Result<Page<Self>>> {
        Box::pin(async move { api.call::<ListReviews>((), ListQuery::new(&filter, &page), ()).await })
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
            "flags" => Key::Number(self.flags),
            "stars" => Key::Number(self.rating),
            "by" => Key::text(&self.author_name),
            "about" => Key::text(&self.subject_name),
            "status" => Key::text(self.status.as_str()),
            _ => Key::text(&self.content),
        }
    }
}

impl Detailed for ReviewSummary {
    type Detail = ReviewDetail;
    const ONE: &'static str = "review";
    const MANY: &'static str = "reviews";
    fn by_id(id: Uuid) -> ReviewId {
        ReviewId(id)
    }
    fn show(api: Connection, id: ReviewId) -> BoxFuture<'static, Result<ReviewDetail>> {
        Box::pin(async move { api.call::<ShowReview>(id, (), ()).await })
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

/// An action on reviews, without its reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ReviewVerb {
    /// Dismiss the flags.
    Dismiss,
    /// Remove the review from public view.
    Remove,
    /// Show it again.
    Restore,
}

/// The intent of a form; the reason comes from the choice.
struct Intent {
    kind: ReviewVerb,
    targets: Vec<Target<ReviewId>>,
}

/// The latest action, for repeating it.
#[derive(Debug, Clone)]
struct Last {
    kind: ReviewVerb,
    reason: Option<usize>,
    note: Option<String>,
}

/// Reviews.
#[derive(Default)]
pub struct Reviews {
    browser: Browser<ReviewSummary>,
    last: Option<Last>,
}

/// Returns the title, the consequence, the text when done, and the command's verb.
fn wording(kind: ReviewVerb) -> (&'static str, &'static str, &'static str, &'static str) {
    match kind {
        ReviewVerb::Dismiss => {
            ("Dismiss flags of", "The review stays as it is; its flags are settled.", "flags dismissed", "dismiss")
        }
        ReviewVerb::Remove => {
            ("Remove", "It shows no more and counts no more; it can be restored.", "removed", "remove")
        }
        ReviewVerb::Restore => ("Restore", "It shows and counts again.", "restored", "restore"),
    }
}

impl Reviews {
    fn ask(&self, kind: ReviewVerb, reason: Option<usize>, note: Option<&str>, ctx: &mut Ctx) {
        let targets = self.browser.targets();
        if targets.is_empty() {
            return;
        }
        let (verb, means, ..) = wording(kind);
        let mut form = Form::new(heading(verb, &targets, "reviews")).line(means).line("");
        if kind == ReviewVerb::Remove {
            let choices = REMOVALS.iter().map(|(key, reason)| Choice::of(*key, reason.as_str())).collect();
            form = form.choices(choices, false).with_picked(reason.as_slice());
        }
        let about = targets.iter().map(|target| target.id);
        let form = form.with_note(note).about(about).confirmed_by(confirmation::UNDOABLE, targets.len());
        ctx.ask(form, Intent { kind, targets });
    }

    fn repeat(&mut self, ctx: &mut Ctx) {
        let Some(last) = self.last.clone() else {
            ctx.say("nothing to repeat yet");
            return;
        };
        if self.browser.advance(ctx) {
            self.ask(last.kind, last.reason, last.note.as_deref(), ctx);
        }
    }

    fn go_ahead(&mut self, Intent { kind, targets }: Intent, filled: Filled, ctx: &mut Ctx) {
        let picked = filled.picked.first().copied();
        let action = match (kind, picked.and_then(|at| REMOVALS.get(at))) {
            (ReviewVerb::Dismiss, _) => ReviewAction::Dismiss,
            (ReviewVerb::Restore, _) => ReviewAction::Restore,
            (ReviewVerb::Remove, Some((_, reason))) => ReviewAction::Remove { reason: *reason },
            (ReviewVerb::Remove, None) => return,
        };
        let (verb, _, done, _) = wording(kind);
        self.last = Some(Last { kind, reason: picked, note: filled.note.clone() });
        let note = filled.note;
        self.browser.change(&targets, verb, done, ctx, move |api, id, if_version| {
            let (action, change) = (action.clone(), Change { note: note.clone(), if_version, ..Change::default() });
            Box::pin(async move { staff::act_on_review(&api, id, &action, change.clone()).await })
        });
    }
}

/// Returns whether the client wrote it.
fn by_client(review: &ReviewSummary) -> bool {
    review.side == Side::Client
}

impl Registered for Reviews {
    const INFO: &'static ScreenInfo = &ScreenInfo {
        home: HOME,
        tab: "Reviews",
        title: "reviews",
        rows: Rows::Marked,
        own: ACTIONS,
        chosen: &[Action::GO_WORKER, Action::GO_CLIENT, Action::GO_THREADS, Action::GO_KYC],
        by_id: Some(("review", "open a review")),
    };
    fn links(from: &Relations) -> Vec<Link> {
        let to = |label: &str, target| vec![Link::new('v', label, HOME, target)];
        match (from.get("review"), from.person()) {
            (Some(review), _) => to("the review", Subject::One(review.id)),
            (_, Some((id, _))) => {
                let about = if from.get("user").is_some() { "reviews about them" } else { "reviews about the worker" };
                to(about, Subject::List(format!("subject_id:{id}")))
            }
            _ => Vec::new(),
        }
    }
}

impl Screen for Reviews {
    fn lists(&self) -> Option<&dyn Lists> {
        Some(&self.browser)
    }
    fn lists_mut(&mut self) -> Option<&mut dyn Lists> {
        Some(&mut self.browser)
    }

    fn action(&mut self, action: Action, ctx: &mut Ctx) -> bool {
        match action {
            DISMISS => self.ask(ReviewVerb::Dismiss, None, None, ctx),
            REMOVE => self.ask(ReviewVerb::Remove, None, None, ctx),
            RESTORE => self.ask(ReviewVerb::Restore, None, None, ctx),
            Action::REPEAT => self.repeat(ctx),
            _ => return self.browser.action(action, ctx),
        }
        true
    }

    fn relations(&self) -> Relations {
        let Some(review) = self.browser.subject() else { return Relations::default() };
        let author = (review.author_id.0, &*review.author_name);
        let subject = (review.subject_id.0, &*review.subject_name);
        let (worker, client) = if by_client(review) { (subject, author) } else { (author, subject) };
        Relations::of(review.id).with("worker", worker.0, worker.1).with("client", client.0, client.1).with(
            "job",
            review.job_id.0,
            "",
        )
    }

    fn event(&mut self, event: &Event, ctx: &mut Ctx) {
        if event.target_kind() == Some(TargetKind::Review) {
            self.browser.list.soon(ctx);
        }
    }
    fn confirmed(&mut self, confirmed: Confirmed, ctx: &mut Ctx) -> std::result::Result<(), Confirmed> {
        let (intent, filled) = confirmed.open()?;
        self.go_ahead(intent, filled, ctx);
        Ok(())
    }

    fn draw(&mut self, area: Rect, buf: &mut Buffer, ctx: &Ctx) {
        let (list, detail) = self.browser.panes(area);
        let (now, exact, theme) = (ctx.now(), ctx.times, ctx.theme);
        if let Some(list) = list {
            let flagged = self.browser.list.bar.filter.flagged;
            let empty =
                if flagged { "No review waits with flags." } else { "No review matches. Esc clears the filter." };
            // Flagged ones come in the order in which they wait.
            let mut columns = COLUMNS;
            if flagged && let Some(first) = columns.first_mut() {
                *first = Column::time("written", 4);
            }
            self.browser.draw_list(list, buf, ctx, ("Reviews", empty), &columns, |review| {
                let flag = if review.flags > 0 { format!("⚑ {}", review.flags) } else { String::new() };
                vec![
                    rows::time(theme, review.created_at, now, exact),
                    Span::styled(flag, theme.style(Style::Warn)),
                    Span::raw(rows::stars(review.rating)),
                    Span::styled(review.author_name.clone(), theme.style(Style::Faint)),
                    Span::styled(review.subject_name.clone(), theme.style(Style::Faint)),
                    rows::short_state(theme, theme::review_status(review.status)),
                    Span::raw(review.content.clone()),
                ]
            });
        }
        if let Some(detail) = detail {
            self.browser.draw_detail(detail, buf, ctx, |detail, width| lines(detail, ctx, width));
        }
    }

    fn offers(&self, action: Action) -> bool {
        let many = self.browser.list.rows.marked_count() > 0;
        let review = self.browser.subject();
        let removed = review.is_some_and(|review| review.status == ReviewStatus::Removed);
        match action {
            DISMISS => many || review.is_some_and(|review| review.flags > 0),
            REMOVE => many || (review.is_some() && !removed),
            RESTORE => many || removed,
            Action::OPEN | Action::MARK => !self.browser.in_detail && review.is_some(),
            Action::JUMP | Action::GO_WORKER | Action::GO_CLIENT | Action::GO_THREADS => review.is_some(),
            _ => true,
        }
    }

    fn why_not(&self, action: Action, _ctx: &Ctx) -> Option<String> {
        if self.browser.list.rows.marked_count() > 0 {
            return None;
        }
        let review = self.browser.subject()?;
        let removed = review.status == ReviewStatus::Removed;
        let why = match action {
            DISMISS if review.flags == 0 => "nobody flags it",
            REMOVE if removed => "removed already",
            RESTORE if !removed => "it was not removed",
            _ => return None,
        };
        Some(format!("{}: {why}", action.label))
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
            let (.., verb) = wording(last.kind);
            lines.extend(self.browser.command(&format!("marketplace reviews {verb}"), &rest));
        }
        lines
    }
}

/// Returns the name of whoever flagged a review: mostly one of the two whom it concerns.
fn flagger(review: &ReviewSummary, id: UserId) -> String {
    match id {
        _ if id == review.subject_id => text::clean(&review.subject_name).into_owned(),
        _ if id == review.author_id => text::clean(&review.author_name).into_owned(),
        other => format!("user {}", text::short_id(&other)),
    }
}

/// Returns a review in so many columns: author, stars and text.
fn block(review: &ReviewSummary, title: &str, ctx: &Ctx, width: usize) -> Vec<Line<'static>> {
    let theme = ctx.theme;
    let when = |at| text::ago(at, ctx.now(), ctx.times);
    let (author, subject) = if by_client(review) { ("client", "worker") } else { ("worker", "client") };
    let mut out = vec![
        Line::styled(text::cut(title, width), theme.style(Style::Title)),
        rows::field(theme, "by", format!("{} ({author})", review.author_name)),
        rows::field(theme, "about", format!("{} ({subject})", review.subject_name)),
        Line::from(vec![
            Span::styled(text::left("status", 11), theme.style(Style::Faint)),
            rows::state(theme, theme::review_status(review.status), 13),
        ]),
        rows::field(theme, "written", when(review.created_at)),
        rows::field(theme, "stars", format!("{} {} of 5", rows::stars(review.rating), review.rating)),
    ];
    if let Some(reason) = review.removed {
        out.push(rows::field(theme, "removed", text::words(reason.as_str())));
    }
    out.push(Line::raw(""));
    out.extend(privacy::published(&review.content, width));
    out
}

/// Returns the lines of a review in full.
fn lines(detail: &ReviewDetail, ctx: &Ctx, width: usize) -> Vec<Line<'static>> {
    let theme = ctx.theme;
    let head = |title: &str| Line::styled(title.to_owned(), theme.style(Style::Title));
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
            lines.push(Line::styled("the other side wrote none", theme.style(Style::Faint)));
            lines
        }
    };
    if let Some(reply) = &detail.reply {
        out.push(Line::raw(""));
        out.push(head("Reply"));
        out.extend(privacy::published(reply, width));
    }
    out.push(Line::raw(""));
    out.push(head("Flags"));
    if detail.flags.is_empty() {
        out.push(Line::styled("none", theme.style(Style::Faint)));
    }
    for flag in &detail.flags {
        let (glyph, style) = if flag.dismissed_at.is_some() { ("○", Style::Faint) } else { ("⚑", Style::Warn) };
        let state = if flag.dismissed_at.is_some() { " · dismissed" } else { "" };
        let when = text::when(flag.at, ctx.now(), ctx.times);
        out.push(Line::from(vec![
            Span::styled(format!("{glyph} {}", text::left(&text::words(flag.reason.as_str()), 15)), theme.style(style)),
            Span::styled(
                format!("{} · {when}{state}", flagger(&detail.review, flag.user_id)),
                theme.style(Style::Faint),
            ),
        ]));
        if let Some(comment) = &flag.comment {
            out.extend(privacy::written(&format!("“{comment}”"), 2, width, ratatui::style::Style::new()));
        }
    }
    if let Some(note) = &detail.note {
        out.push(Line::raw(""));
        out.push(head("Staff note"));
        out.extend(privacy::written(note, 0, width, ratatui::style::Style::new()));
    }
    out.push(Line::raw(""));
    out.push(rows::field(theme, "id", detail.review.id.to_string()));
    out.push(rows::field(theme, "job", detail.review.job_id.to_string()));
    out
}

/// Joins two columns of lines.
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
