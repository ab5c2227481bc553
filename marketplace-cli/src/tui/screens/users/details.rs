//! Draws the list of users and the detail of one.

use marketplace_core::{
    accounts::{model::Note, summary::UserSummary},
    kyc::model::AttemptBrief,
    users::model::UserDetail,
};
use ratatui::{
    buffer::Buffer,
    layout::Rect,
    text::{Line, Span},
};
use std::fmt::Write as _;

use super::{
    super::super::{
        ctx::Ctx,
        privacy::{self, private},
        text,
        theme::{self, Style},
        widgets::rows,
    },
    COLUMNS, Users,
};

impl Users {
    pub(super) fn draw_all(&mut self, area: Rect, buf: &mut Buffer, ctx: &Ctx) {
        let (list, detail) = self.browser.panes(area);
        let (now, exact, theme) = (ctx.now(), ctx.times, ctx.theme);
        if let Some(list) = list {
            let words = ("Users", "Nobody matches. Esc clears the filter.");
            self.browser.draw_list(list, buf, ctx, words, &COLUMNS, |user| {
                vec![
                    Span::raw(user.name.clone()),
                    Span::styled(user.email.clone(), theme.style(Style::Faint)),
                    Span::styled(user.role.as_str(), theme.style(theme::role(user.role))),
                    rows::short_state(theme, theme::user_status(user.status)),
                    rows::short_state(theme, theme::kyc_status(user.kyc_status)),
                    rows::time(theme, user.created_at, now, exact),
                ]
            });
        }
        if let Some(detail) = detail {
            let revealed = &self.revealed;
            let others = self.presence.lines(ctx);
            self.browser.draw_detail(detail, buf, ctx, |detail, width| {
                let revealed = revealed.as_ref().map(|(data, _)| data).filter(|data| data.id == detail.user.id);
                let mut lines = lines(detail, revealed, ctx, width);
                lines.splice(0..0, others.clone());
                lines
            });
        }
    }
}

/// Returns the lines that identify a user, masked or not, in so many columns.
pub fn person(
    user: &UserSummary,
    revealed: Option<&marketplace_core::users::model::PersonalData>,
    ctx: &Ctx,
    width: usize,
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
        format!("   {} reveals", ctx.keymap.key(super::super::super::keymap::Action::REVEAL))
    };
    let style = if revealed.is_some() { private(theme.style(Style::Warn)) } else { theme.style(Style::Plain) };
    let field = |label: &str, value: &str, after: &str| {
        let after = if 11 + text::width(value) + text::width(after) > width { "" } else { after };
        Line::from(vec![
            Span::styled(text::left(label, 11), theme.style(Style::Faint)),
            Span::styled(text::cut(value, width.saturating_sub(11)), style),
            Span::styled(after.to_owned(), theme.style(Style::Faint)),
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
    revealed: Option<&marketplace_core::users::model::PersonalData>,
    ctx: &Ctx,
    width: usize,
) -> Vec<Line<'static>> {
    let theme = ctx.theme;
    let now = ctx.now();
    let user = &detail.user;
    let head = |title: &str| Line::styled(title.to_owned(), theme.style(Style::Title));
    let label = |label: &str| Span::styled(text::left(label, 11), theme.style(Style::Faint));
    let ago = |at| text::ago(at, now, ctx.times);
    let mut out = vec![
        Line::from(vec![label("status"), rows::state(theme, theme::user_status(user.status), 13)]),
        Line::from(vec![label("role"), Span::styled(user.role.as_str(), theme.style(theme::role(user.role)))]),
    ];
    if let Some(restriction) = &detail.restriction {
        out.push(Line::from(vec![
            label("because"),
            Span::styled(text::words(restriction.reason.as_str()), theme.style(Style::Warn)),
            Span::raw(format!(" · {} · {}", ctx.who(&restriction.by), ago(restriction.at))),
        ]));
        out.extend(restriction.until.map(|until| {
            let left = if ctx.times.exact || until <= now {
                String::new()
            } else {
                format!(", in {}", text::age(until.since(now)))
            };
            rows::field(theme, "until", format!("{}{left}: it lifts itself", text::exact(until, ctx.times)))
        }));
    }
    out.extend(person(user, revealed, ctx, width));
    let day = if ctx.times.exact { String::new() } else { format!("{} · ", user.created_at.date()) };
    out.push(rows::field(theme, "joined", format!("{day}{}", ago(user.created_at))));
    out.push(rows::field(theme, "last seen", detail.last_seen_at.map_or_else(|| "never".into(), ago)));
    out.push(rows::field(theme, "sessions", detail.sessions.to_string()));
    out.push(Line::from(vec![label("KYC"), rows::state(theme, theme::kyc_status(user.kyc_status), 13)]));
    out.push(rows::field(theme, "id", user.id.to_string()));
    out.push(Line::raw(""));
    out.push(head("Identity checks"));
    if detail.kyc.is_empty() {
        out.push(Line::styled("none", theme.style(Style::Faint)));
    }
    for attempt in &detail.kyc {
        out.extend(attempt_lines(attempt, ctx, width));
    }
    out.push(Line::raw(""));
    out.push(head("Staff notes"));
    if detail.notes.is_empty() {
        out.push(Line::styled("none", theme.style(Style::Faint)));
    }
    for note in &detail.notes {
        out.extend(note_lines(note, ctx, width));
    }
    out
}

/// Returns an attempt in one line, and its decision.
pub fn attempt_lines(attempt: &AttemptBrief, ctx: &Ctx, width: usize) -> Vec<Line<'static>> {
    let theme = ctx.theme;
    let when = text::when(attempt.submitted_at, ctx.now(), ctx.times);
    let mut lines = vec![Line::from(vec![
        Span::raw(text::left(&text::ordinal(attempt.number), 5)),
        rows::state(theme, theme::kyc_status(attempt.status), 13),
        Span::raw(text::left(&text::words(attempt.document_type.as_str()), 18)),
        Span::styled(when, theme.style(Style::Faint)),
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
            lines.extend(privacy::written(&said, 5, width, theme.style(Style::Faint)));
        }
    }
    lines
}

fn note_lines(note: &Note, ctx: &Ctx, width: usize) -> Vec<Line<'static>> {
    let theme = ctx.theme;
    let head = format!("{} · {}", text::when(note.created_at, ctx.now(), ctx.times), ctx.who(&note.author));
    let mut lines = vec![Line::styled(text::cut(&head, width), theme.style(Style::Faint))];
    lines.extend(privacy::written(&note.body, 2, width, ratatui::style::Style::new()));
    lines
}
