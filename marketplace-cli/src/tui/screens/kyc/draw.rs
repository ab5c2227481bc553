//! Draws the queue and the case.

use std::fmt::Write as _;
use std::time::Duration;

use marketplace_core::kyc::{
    model::{Claim, DocumentType, FileKind, KycSummary, TriageAct, TriageEntry},
    status::KycStatus,
};
use ratatui::{
    buffer::Buffer,
    layout::{Constraint, Layout, Rect},
    text::{Line, Span},
};

use super::{
    super::{
        super::{
            browser::{WIDE, list},
            ctx::{Ctx, PATIENCE},
            keymap::Action,
            privacy, text,
            theme::{self, Style},
            widgets::{
                columns::Column,
                rows::{self, count},
            },
        },
        users::details::{attempt_lines, person},
    },
    Kyc, NEXT, Zoom,
    case::{CaseFile, OpenCase},
};

/// The columns of the queue. The case shows the kind of document as well.
pub const COLUMNS: [Column; 5] = [
    Column::time("sent", 2).rising(),
    Column::text("name", 10, 0),
    Column::text("document", 8, 3),
    Column::new("try", 4),
    Column::text("state", 11, 0),
];

impl Kyc {
    pub(super) fn draw_all(&mut self, area: Rect, buf: &mut Buffer, ctx: &Ctx) {
        self.wide = area.width >= WIDE;
        self.drawn = None;
        let case_seen = self.open.is_some() || self.opening.is_some() || self.want_next;
        if self.wide && !(self.zoom != Zoom::Both && self.open.is_some()) {
            let list = (area.width * 11 / 25).clamp(44, 76);
            let [list, case] = area.layout(&Layout::horizontal([Constraint::Length(list), Constraint::Min(40)]));
            self.draw_queue(list, buf, ctx);
            self.draw_case(case, buf, ctx);
        } else if case_seen && (self.in_case || self.wide) {
            self.draw_case(area, buf, ctx);
        } else {
            self.draw_queue(area, buf, ctx);
        }
    }

    fn draw_queue(&mut self, area: Rect, buf: &mut Buffer, ctx: &Ctx) {
        let total = match &ctx.stats {
            Some(stats) if self.list.bar.text().is_empty() => count(stats.kyc_pending),
            _ if self.list.rows.more() => format!("{}+", self.list.rows.len()),
            _ => self.list.rows.len().to_string(),
        };
        let title = if self.list.bar.text().is_empty() { "KYC queue · pending, in review" } else { "KYC queue" };
        let inner = self.list.pane(area, buf, ctx.theme, (title, &total), !self.in_case);
        let (now, exact, theme) = (ctx.now(), ctx.times, ctx.theme);
        let open = self.open.as_ref().map(OpenCase::id);
        let next = self.next.as_ref().map(OpenCase::id);
        let empty = if self.list.bar.text().is_empty() {
            "Nothing waits. New submissions appear here by themselves."
        } else {
            "Nothing matches. Esc clears the filter."
        };
        list::draw(inner, buf, ctx, &mut self.list.rows, !self.in_case, empty, &COLUMNS, |row| {
            let late = now.since(row.submitted_at) > Duration::from_secs(86_400) && row.status.is_open();
            let (glyph, word, style) = match &row.claim {
                Some(claim) if row.status == KycStatus::InReview && claim.expires_at > now => {
                    holder(claim, Some(row.id) == open, Some(row.id) == next)
                }
                _ => waiting(row),
            };
            let waits = rows::time(theme, row.submitted_at, now, exact);
            vec![
                if late { waits.style(theme.style(Style::Warn)) } else { waits },
                Span::raw(row.name.clone()),
                Span::raw(document(row.document_type)),
                Span::styled(
                    text::ordinal(row.number),
                    theme.style(if row.number > 1 { Style::Warn } else { Style::Faint }),
                ),
                Span::styled(format!("{glyph} {word}"), theme.style(style)),
            ]
        });
    }

    fn draw_case(&mut self, area: Rect, buf: &mut Buffer, ctx: &Ctx) {
        let theme = ctx.theme;
        let now = ctx.now();
        let loading = self
            .opening
            .map(|(_, _, since, _)| since)
            .or_else(|| self.fetching.filter(|_| self.want_next && self.open.is_none()).map(|(_, since)| since));
        let Some(open) = &mut self.open else {
            let inner = rows::pane(area, buf, theme, "Case", "", self.in_case);
            if loading.is_some_and(|since| now.since(since) >= PATIENCE) {
                rows::skeleton(inner, buf, theme);
            } else if loading.is_none() {
                let (open, next) = (ctx.keymap.key(Action::OPEN), ctx.keymap.key(NEXT));
                let line = format!("{open} claims and opens the row · {next} takes the oldest that is free");
                rows::put(buf, inner, 1, &Line::styled(format!("  {line}"), theme.style(Style::Faint)));
            }
            return;
        };
        let attempt = &open.case.attempt;
        let title = format!(
            "{} · attempt {} · {}",
            text::clean(&attempt.name),
            attempt.number,
            text::words(attempt.document_type.as_str())
        );
        let right = match &attempt.claim {
            Some(claim) if claim.mine && claim.expires_at > now => {
                format!("◐ yours, {} left", text::countdown(claim.expires_at.since(now)))
            }
            Some(claim) if claim.mine => "! claim ended: Enter claims again".to_owned(),
            Some(claim) if claim.expires_at > now => {
                format!("◐ {} has it, {} left", text::clean(&claim.label), text::countdown(claim.expires_at.since(now)))
            }
            _ => {
                let (glyph, word, _) = theme::kyc_status(attempt.status);
                format!("{glyph} {word}")
            }
        };
        let inner = rows::pane(area, buf, theme, &title, &right, self.in_case);
        self.drawn = Some(open.id());
        if self.zoom != Zoom::Both {
            // Whom the picture is to show stays in sight.
            let beside = inner.width >= WIDE - 2;
            let (picture, text) = if beside {
                let [picture, text] =
                    inner.layout(&Layout::horizontal([Constraint::Min(1), Constraint::Length(inner.width / 3)]));
                (picture, text)
            } else {
                let [picture, text] = inner.layout(&Layout::vertical([Constraint::Min(1), Constraint::Length(3)]));
                (picture, text)
            };
            let text = Rect { x: text.x + 1, width: text.width.saturating_sub(2), ..text };
            for (row, line) in (0..text.height).zip(about(open, ctx, usize::from(text.width), !beside)) {
                rows::put(buf, text, row, &line);
            }
            let at = usize::from(self.zoom == Zoom::Selfie);
            if let Some(file) = open.files.get_mut(at) {
                draw_file(file, picture, buf, ctx);
            }
            return;
        }
        // On a low screen everything has its place too, in fewer rows.
        let compact = inner.height < 14;
        let [document, selfie, text] = arrange(inner, about(open, ctx, usize::from(inner.width), compact).len());
        for (file, area) in open.files.iter_mut().zip([document, selfie]) {
            draw_file(file, area, buf, ctx);
        }
        let lines = about(open, ctx, usize::from(text.width.saturating_sub(2)), compact);
        let room = usize::from(text.height);
        self.shown_rows = (room, lines.len());
        self.scroll = self.scroll.min(lines.len().saturating_sub(room));
        let text = Rect { x: text.x + 1, width: text.width.saturating_sub(2), ..text };
        for (row, line) in (0..text.height).zip(lines.iter().skip(self.scroll)) {
            rows::put(buf, text, row, line);
        }
        let hidden = lines.len().saturating_sub(self.scroll + room);
        if hidden > 0 {
            let more = format!(" {hidden} more below ");
            let x = area.right().saturating_sub(u16::try_from(text::width(&more) + 2).unwrap_or(0));
            buf.set_string(x, area.bottom().saturating_sub(1), more, theme.style(Style::Faint));
        }
    }
}

/// Returns the areas of the document, the selfie and the text: side by side with the text below, or, where there is
/// more height than width, the document above the selfie and the text. Whichever shows the document larger.
fn arrange(area: Rect, lines: usize) -> [Rect; 3] {
    let lines = u16::try_from(lines).unwrap_or(u16::MAX);
    let below = lines.min((area.height * 2 / 5).max(4)).min(area.height.saturating_sub(6));
    // A document is about 2.8 times as wide as high, counted in cells.
    let beside = (area.height - below).min(area.width * 3 / 5 * 5 / 14);
    let above = (area.height * 11 / 20).min(area.width * 5 / 14);
    if above > beside + beside / 6 && area.width >= 56 {
        let [document, rest] = area.layout(&Layout::vertical([Constraint::Length(above + 1), Constraint::Min(1)]));
        let columns = (rest.height * 9 / 5).clamp(16, area.width / 2);
        let [selfie, text] = rest.layout(&Layout::horizontal([Constraint::Length(columns), Constraint::Min(1)]));
        let text = Rect { y: text.y + 1, height: text.height.saturating_sub(1), ..text };
        return [document, selfie, text];
    }
    let [pictures, text] = area.layout(&Layout::vertical([Constraint::Min(1), Constraint::Length(below)]));
    // Faces are upright and documents are wide: the document gets more of the width.
    let [document, selfie] =
        pictures.layout(&Layout::horizontal([Constraint::Percentage(60), Constraint::Percentage(40)]));
    [document, selfie, text]
}

/// Returns the kind of a document as lists name it.
fn document(kind: DocumentType) -> &'static str {
    match kind {
        DocumentType::Passport => "passport",
        DocumentType::NationalId => "national id",
        DocumentType::DrivingLicence => "driving licence",
        DocumentType::ResidencePermit => "residence permit",
    }
}

/// Returns where a case waits that nobody holds.
fn waiting(row: &KycSummary) -> (&'static str, String, Style) {
    if row.snoozed_until.is_some() {
        return ("◌", "snoozed".into(), Style::Faint);
    }
    match &row.assignee {
        Some(assignee) => ("→", text::clean(&assignee.name).into_owned(), Style::Warn),
        None if row.escalated_at.is_some() => ("▲", "escalated".into(), Style::Warn),
        None => {
            let (glyph, word, style) = theme::kyc_status(row.status);
            (glyph, word.to_owned(), style)
        }
    }
}

fn holder(claim: &Claim, open: bool, next: bool) -> (&'static str, String, Style) {
    match (claim.mine, open, next) {
        (true, true, _) => ("◐", "you".into(), Style::Accent),
        (true, _, true) => ("◔", "you, next".into(), Style::Accent),
        (true, ..) => ("◐", "you".into(), Style::Accent),
        _ => ("◐", text::clean(&claim.label).into_owned(), Style::Warn),
    }
}

/// Returns what is known of the person and of the earlier attempts; compact, with several facts in a row.
fn about(open: &OpenCase, ctx: &Ctx, width: usize, compact: bool) -> Vec<Line<'static>> {
    let theme = ctx.theme;
    let now = ctx.now();
    let user = &open.case.user;
    let revealed = open.revealed.as_ref().map(|(data, _)| data);
    let mut lines = person(user, revealed, ctx, width);
    let others = open.presence.lines(ctx);
    if let Some((_, until)) = &open.revealed {
        let left = text::seconds_left(*until, now);
        lines.push(Line::styled(format!("           masked again in {left}s"), theme.style(Style::Warn)));
    }
    let (glyph, word, style) = theme::user_status(user.status);
    let label = |label: &str| Span::styled(text::left(label, 11), theme.style(Style::Faint));
    let account = Span::styled(format!("{glyph} {word}"), theme.style(style));
    let submitted = text::ago(open.case.attempt.submitted_at, now, ctx.times);
    if compact && revealed.is_none() {
        lines.truncate(1);
        let verified = if user.email_verified { "✔" } else { "○ not verified" };
        let phone = user.phone.as_deref().unwrap_or("–");
        lines.push(rows::field(theme, "contact", format!("{} {verified} · {phone}", user.email)));
        let rest = format!(" · {} · {submitted} · joined {}", user.role, user.created_at.date());
        lines.push(Line::from(vec![label("account"), account, Span::raw(rest)]));
    } else {
        lines.push(Line::from(vec![label("account"), account, Span::raw(format!(" · {}", user.role))]));
        lines.push(rows::field(theme, "submitted", format!("{submitted} · joined {}", user.created_at.date())));
    }
    // Where there is little room, it matters more than when somebody joined.
    if compact && !others.is_empty() {
        lines.truncate(2);
    }
    lines.extend(others);
    if let Some(decision) = &open.case.decision {
        let (glyph, word, style) = theme::kyc_status(decision.status);
        let when = text::when(decision.at, now, ctx.times);
        lines.push(Line::from(vec![
            Span::styled(text::left("decision", 11), theme.style(Style::Faint)),
            Span::styled(format!("{glyph} {word}"), theme.style(style)),
            Span::raw(format!(" · {} · {when}", ctx.who(&decision.by))),
        ]));
        let reasons: Vec<_> = decision.reasons.iter().map(|reason| text::words(reason.as_str())).collect();
        if !reasons.is_empty() {
            let wrapped = text::wrap(&reasons.join(", "), width.saturating_sub(11)).into_iter();
            lines.extend(wrapped.map(|line| Line::raw(format!("           {line}"))));
        }
        let comment = decision.comment.iter().filter(|comment| !comment.is_empty());
        lines.extend(comment.flat_map(|comment| privacy::written(comment, 11, width, ratatui::style::Style::new())));
    }
    for entry in &open.case.history {
        lines.extend(history_lines(entry, ctx, width));
    }
    for other in &open.case.others {
        lines.extend(attempt_lines(other, ctx, width));
    }
    lines
}

/// Returns the lines of something that was done with a case before its decision.
fn history_lines(entry: &TriageEntry, ctx: &Ctx, width: usize) -> Vec<Line<'static>> {
    let mut said = text::words(entry.act.as_str());
    if let Some(until) = entry.until {
        let _ = write!(said, " until {}", text::exact(until, ctx.times));
    }
    if entry.act == TriageAct::Assigned {
        let whom = entry.assignee.as_ref().map_or("everybody".into(), |assignee| text::clean(&assignee.name));
        let _ = write!(said, " to {whom}");
    }
    let _ = write!(said, " · {} · {}", ctx.who(&entry.by), text::when(entry.at, ctx.now(), ctx.times));
    let mut lines = vec![rows::field(ctx.theme, "history", said)];
    let note = entry.note.iter();
    lines.extend(note.flat_map(|note| privacy::written(note, 11, width, ratatui::style::Style::new())));
    lines
}

/// Draws a file with its caption, or a text in place of it.
fn draw_file(file: &mut CaseFile, area: Rect, buf: &mut Buffer, ctx: &Ctx) {
    let name = file.kind.as_str();
    file.shown.draw(area, buf, ctx, (name, name), file.kind == FileKind::Selfie);
}
