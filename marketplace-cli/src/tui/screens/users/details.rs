//! The list of users and one user in full, drawn.

use marketplace_core::{
    accounts::model::Note,
    admin::{UserDetail, UserSummary},
    kyc::model::AttemptBrief,
};
use ratatui::{
    buffer::Buffer,
    layout::{Constraint, Layout, Rect},
    text::{Line, Span},
};
use std::fmt::Write as _;

use super::{
    super::super::{
        ctx::{Ctx, PATIENCE},
        paged::Row,
        text,
        theme::{self, Ink},
        widgets::rows,
    },
    Users,
};

/// Columns from which list and detail stand side by side.
pub const WIDE: u16 = 100;

impl Users {
    pub(super) fn draw_all(&mut self, area: Rect, buf: &mut Buffer, ctx: &Ctx) {
        self.wide = area.width >= WIDE;
        if self.wide {
            let [list, detail] =
                area.layout(&Layout::horizontal([Constraint::Percentage(55), Constraint::Percentage(45)]));
            self.draw_list(list, buf, ctx);
            self.draw_detail(detail, buf, ctx);
        } else if self.in_detail {
            self.draw_detail(area, buf, ctx);
        } else {
            self.draw_list(area, buf, ctx);
        }
    }

    fn draw_list(&mut self, area: Rect, buf: &mut Buffer, ctx: &Ctx) {
        let title =
            if self.bar.text().is_empty() { "Users".to_owned() } else { format!("Users · {}", self.bar.text()) };
        let place = if self.list.is_empty() {
            String::new()
        } else {
            let more = if self.list.more() { "+" } else { "" };
            let last = self.list.position() - self.list.selected_index() + self.list.len() - 1;
            let number = |at: usize| text::thousands(i64::try_from(at).unwrap_or(i64::MAX));
            format!("{} of {}{more}", number(self.list.position()), number(last))
        };
        let inner = rows::pane(area, buf, ctx.theme, &title, &place, !self.in_detail);
        let (now, exact, theme) = (ctx.now(), ctx.exact, ctx.theme);
        let empty = "Nobody matches. Esc clears the filter.";
        rows::list(inner, buf, ctx, &mut self.list, !self.in_detail, empty, |user, width| {
            let time = if exact { 20 } else { 5 };
            let (role, status, kyc) = (9, 13, 13);
            let email = if width > 78 { 20 } else { 0 };
            let name = width.saturating_sub(time + role + status + kyc + email + 1);
            let mut spans = vec![Span::raw(text::left(&user.name, name)), Span::raw(" ")];
            if email > 0 {
                spans.push(Span::styled(text::left(&user.email, email), theme.ink(Ink::Faint)));
            }
            spans.push(Span::styled(text::left(user.role.as_str(), role), theme.ink(theme::role(user.role))));
            spans.push(rows::state(theme, theme::user_status(user.status), status));
            spans.push(rows::state(theme, theme::kyc_status(user.kyc_status), kyc));
            spans
                .push(Span::styled(text::right(&text::when(user.created_at, now, exact), time), theme.ink(Ink::Faint)));
            spans
        });
    }

    fn draw_detail(&mut self, area: Rect, buf: &mut Buffer, ctx: &Ctx) {
        let theme = ctx.theme;
        let Some(detail) = &self.detail else {
            let inner = rows::pane(area, buf, theme, "User", "", self.in_detail);
            if self.detail_load.is_some_and(|(_, _, since)| ctx.now().since(since) >= PATIENCE) {
                rows::skeleton(inner, buf, theme);
            }
            return;
        };
        let stale = !self.in_detail && self.list.selected().is_some_and(|row| row.id() != detail.user.id);
        let right = if stale { "…" } else { "" };
        let inner = rows::pane(area, buf, theme, &detail.user.name, right, self.in_detail);
        let inner = Rect { x: inner.x + 1, width: inner.width.saturating_sub(2), ..inner };
        let revealed = self.revealed.as_ref().filter(|(data, _)| data.id == detail.user.id).map(|(data, _)| data);
        let lines = lines(detail, revealed, ctx, usize::from(inner.width));
        let room = usize::from(inner.height);
        self.shown_rows = (room, lines.len());
        self.scroll = self.scroll.min(lines.len().saturating_sub(room));
        for (row, line) in (0..inner.height).zip(lines.iter().skip(self.scroll)) {
            rows::put(buf, inner, row, line);
        }
        if lines.len() > self.scroll + room {
            let below = format!(" {} more below ", lines.len() - self.scroll - room);
            let x = area.right().saturating_sub(u16::try_from(text::width(&below) + 2).unwrap_or(0));
            buf.set_string(x, area.bottom().saturating_sub(1), below, theme.ink(Ink::Faint));
        }
    }
}

/// The lines that say who a user is, masked or not.
pub fn person(
    user: &UserSummary,
    revealed: Option<&marketplace_core::admin::PersonalData>,
    ctx: &Ctx,
) -> Vec<Line<'static>> {
    let theme = ctx.theme;
    let (name, email, phone) = match revealed {
        Some(data) => (&data.name, &data.email, data.phone.as_ref()),
        None => (&user.name, &user.email, user.phone.as_ref()),
    };
    let verified = if user.email_verified { "  ✔ verified" } else { "  ○ not verified" };
    let hint = if revealed.is_some() {
        String::new()
    } else {
        format!("   {} reveals", ctx.keymap.key(super::super::super::keymap::Action::Reveal))
    };
    let ink = if revealed.is_some() { Ink::Warn } else { Ink::Plain };
    let field = |label: &str, value: &str, after: &str| {
        Line::from(vec![
            Span::styled(text::left(label, 11), theme.ink(Ink::Faint)),
            Span::styled(text::clean(value).into_owned(), theme.ink(ink)),
            Span::styled(after.to_owned(), theme.ink(Ink::Faint)),
        ])
    };
    vec![
        field("name", name, &hint),
        field("email", email, if email.is_empty() { "" } else { verified }),
        field("phone", phone.map_or("–", String::as_str), ""),
    ]
}

fn lines(
    detail: &UserDetail,
    revealed: Option<&marketplace_core::admin::PersonalData>,
    ctx: &Ctx,
    width: usize,
) -> Vec<Line<'static>> {
    let theme = ctx.theme;
    let now = ctx.now();
    let user = &detail.user;
    let head = |title: &str| Line::styled(title.to_owned(), theme.ink(Ink::Title));
    let label = |label: &str| Span::styled(text::left(label, 11), theme.ink(Ink::Faint));
    let ago = |at| if ctx.exact { text::exact(at) } else { format!("{} ago", text::age(now.since(at))) };
    let mut out = vec![
        Line::from(vec![label("status"), rows::state(theme, theme::user_status(user.status), 13)]),
        Line::from(vec![label("role"), Span::styled(user.role.as_str(), theme.ink(theme::role(user.role)))]),
    ];
    if let Some(restriction) = &detail.restriction {
        out.push(Line::from(vec![
            label("because"),
            Span::styled(text::words(restriction.reason.as_str()), theme.ink(Ink::Warn)),
            Span::raw(format!(" · {} · {}", text::who(&restriction.by), ago(restriction.at))),
        ]));
    }
    out.extend(person(user, revealed, ctx));
    out.push(rows::field(theme, "joined", format!("{} · {}", text::date(user.created_at), ago(user.created_at))));
    out.push(rows::field(theme, "last seen", detail.last_seen_at.map_or_else(|| "never".into(), ago)));
    out.push(rows::field(theme, "sessions", detail.sessions.to_string()));
    out.push(Line::from(vec![label("KYC"), rows::state(theme, theme::kyc_status(user.kyc_status), 13)]));
    out.push(rows::field(theme, "id", user.id.to_string()));
    out.push(Line::raw(""));
    out.push(head("Identity checks"));
    if detail.kyc.is_empty() {
        out.push(Line::styled("none", theme.ink(Ink::Faint)));
    }
    for attempt in &detail.kyc {
        out.extend(attempt_lines(attempt, ctx, width));
    }
    out.push(Line::raw(""));
    out.push(head("Staff notes"));
    if detail.notes.is_empty() {
        out.push(Line::styled("none", theme.ink(Ink::Faint)));
    }
    for note in &detail.notes {
        out.extend(note_lines(note, ctx, width));
    }
    out
}

/// An attempt in a line, and what was decided.
pub fn attempt_lines(attempt: &AttemptBrief, ctx: &Ctx, width: usize) -> Vec<Line<'static>> {
    let theme = ctx.theme;
    let when = text::when(attempt.submitted_at, ctx.now(), ctx.exact);
    let mut lines = vec![Line::from(vec![
        Span::raw(text::left(&text::ordinal(attempt.number), 5)),
        rows::state(theme, theme::kyc_status(attempt.status), 13),
        Span::raw(text::left(&text::words(attempt.document_type.as_str()), 18)),
        Span::styled(when, theme.ink(Ink::Faint)),
    ])];
    if let Some(decision) = &attempt.decision {
        let reasons: Vec<_> = decision.reasons.iter().map(|reason| text::words(reason.as_str())).collect();
        let mut said = reasons.join(", ");
        if let Some(comment) = &decision.comment {
            let _ = write!(said, "{}“{comment}”", if said.is_empty() { "" } else { ": " });
        }
        if let Some(note) = &decision.note {
            let _ = write!(said, " · staff: {note}");
        }
        if !said.is_empty() {
            let wrapped = text::wrap(&said, width.saturating_sub(5));
            lines.extend(wrapped.into_iter().map(|line| Line::styled(format!("     {line}"), theme.ink(Ink::Faint))));
        }
    }
    lines
}

fn note_lines(note: &Note, ctx: &Ctx, width: usize) -> Vec<Line<'static>> {
    let theme = ctx.theme;
    let head = format!("{} · {}", text::when(note.created_at, ctx.now(), ctx.exact), text::who(&note.author));
    let mut lines = vec![Line::styled(text::cut(&head, width), theme.ink(Ink::Faint))];
    lines
        .extend(text::wrap(&note.body, width.saturating_sub(2)).into_iter().map(|line| Line::raw(format!("  {line}"))));
    lines
}
