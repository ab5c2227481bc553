//! A case in full, line by line.

use marketplace_core::reports::model::{FiledReport, ReportCase, ReportStatus, ReportSummary};
use ratatui::text::{Line, Span};

use super::super::super::{
    ctx::Ctx,
    keymap::Action,
    privacy, text,
    theme::{self, Style},
    widgets::rows,
};

/// Returns glyph, word and style of a case.
pub fn status(status: ReportStatus) -> (&'static str, &'static str, Style) {
    match status {
        ReportStatus::Open => ("○", "open", Style::Plain),
        ReportStatus::InReview => ("◐", "in review", Style::Accent),
        ReportStatus::Snoozed => ("◌", "put off", Style::Faint),
        ReportStatus::Resolved => ("✔", "acted on", Style::Good),
        ReportStatus::Dismissed => ("⊘", "dismissed", Style::Faint),
        ReportStatus::Appealed => ("⚑", "appealed", Style::Warn),
        ReportStatus::Upheld => ("●", "upheld", Style::Good),
        ReportStatus::Reversed => ("↻", "taken back", Style::Warn),
    }
}

/// Returns what the reports say.
pub fn reasons(case: &ReportSummary) -> String {
    case.reasons.iter().map(|reason| text::words(reason.as_str())).collect::<Vec<_>>().join(", ")
}

/// Returns who is with a case, or shall be.
pub fn with(case: &ReportSummary) -> String {
    match (&case.claim, &case.assignee_name) {
        (Some(claim), _) if claim.mine => "you".to_owned(),
        (Some(claim), _) => text::clean(&claim.label).into_owned(),
        _ if case.escalated => "admins".to_owned(),
        (None, Some(name)) => format!("for {}", text::clean(name)),
        (None, None) => String::new(),
    }
}

/// Returns the lines of a case.
pub fn case(detail: &ReportCase, ctx: &Ctx, width: usize) -> Vec<Line<'static>> {
    let (theme, case) = (ctx.theme, &detail.case);
    let head = |title: &str| Line::styled(title.to_owned(), theme.style(Style::Title));
    let wrapped = |text: &str, indent: &str| -> Vec<Line<'static>> {
        privacy::written(text, indent.len(), width, ratatui::style::Style::new())
    };
    // What nobody wrote can be recorded.
    let plain = |text: &str| -> Vec<Line<'static>> { text::wrap(text, width).into_iter().map(Line::raw).collect() };
    let when = |at| text::ago(at, ctx.now(), ctx.times);
    let mut out = vec![Line::from(vec![
        Span::styled(text::left("status", 11), theme.style(Style::Faint)),
        rows::state(theme, status(case.status), 13),
    ])];
    if let Some(claim) = case.claim.as_ref().filter(|claim| ctx.now() < claim.expires_at) {
        let left = text::countdown(claim.expires_at.since(ctx.now()));
        let whose = if claim.mine { "you".to_owned() } else { text::clean(&claim.label).into_owned() };
        out.push(rows::field(theme, "claimed by", format!("{whose}, {left} left")));
    }
    if case.escalated {
        out.push(rows::field(theme, "escalated", "an admin decides"));
    }
    let (glyph, word, _) = theme::user_status(detail.subject.status);
    out.push(rows::field(theme, "whose", format!("{} · {glyph} {word}", detail.subject.name)));
    out.push(rows::field(theme, "signed up", when(detail.subject.created_at)));
    out.push(Line::raw(""));
    out.push(head(&format!(
        "Reported {}",
        if case.reports == 1 { "once".into() } else { format!("{} times", case.reports) }
    )));
    for report in &detail.reports {
        out.extend(filed(report, ctx, &wrapped));
    }
    if let Some(appeal) = &detail.appeal {
        out.push(Line::raw(""));
        out.push(head(&format!("Appeal, {}", when(appeal.at))));
        out.extend(wrapped(appeal.text.as_deref().unwrap_or("erased"), ""));
        if let Some(comment) = &appeal.comment {
            out.extend(wrapped(&format!("told: {comment}"), ""));
        }
    }
    if let Some(made) = &detail.decision {
        out.push(Line::raw(""));
        out.push(head(&format!("Decision by {}, {}", ctx.who(&made.by), when(made.at))));
        out.push(rows::field(
            theme,
            "why",
            made.reasons.iter().map(|code| text::words(code)).collect::<Vec<_>>().join(", "),
        ));
        let done = made.actions.iter().map(|taken| text::words(taken.action.as_str())).collect::<Vec<_>>().join(", ");
        out.push(rows::field(theme, "done", if done.is_empty() { "nothing".to_owned() } else { done }));
        for (label, said) in
            [("to them", &made.comment_to_subject), ("to reporter", &made.comment_to_reporter), ("note", &made.note)]
        {
            if let Some(said) = said {
                out.extend(wrapped(&format!("{label}: {said}"), ""));
            }
        }
    }
    out.push(Line::raw(""));
    out.push(head("Other cases about them"));
    if detail.others.is_empty() {
        out.push(Line::styled("none", theme.style(Style::Faint)));
    }
    for other in &detail.others {
        let (glyph, word, style) = status(other.status);
        let reasons = other.reasons.iter().map(|reason| text::words(reason.as_str())).collect::<Vec<_>>().join(", ");
        out.push(Line::from(vec![
            Span::styled(format!("{glyph} {}", text::left(word, 11)), theme.style(style)),
            Span::raw(format!("{}, {reasons} · {}", other.target_kind, when(other.opened_at))),
        ]));
    }
    if !detail.history.is_empty() {
        out.push(Line::raw(""));
        out.push(head("History"));
        for event in &detail.history {
            let until =
                event.until.map_or_else(String::new, |until| format!(" until {}", text::exact(until, ctx.times)));
            let who = ctx.who(&event.actor);
            out.extend(plain(&format!("{} {}{until} by {who}", when(event.at), event.kind)));
            out.extend(event.note.iter().flat_map(|note| wrapped(note, "  ")));
        }
    }
    out.push(Line::raw(""));
    out.push(rows::field(theme, "id", case.id.to_string()));
    out
}

/// Returns the lines of one report: who says what, and what they saw.
fn filed(report: &FiledReport, ctx: &Ctx, wrapped: &dyn Fn(&str, &str) -> Vec<Line<'static>>) -> Vec<Line<'static>> {
    let theme = ctx.theme;
    let who = report.reporter_name.as_deref().unwrap_or("the system");
    let when = text::ago(report.created_at, ctx.now(), ctx.times);
    let mut out = vec![Line::from(vec![
        Span::styled(format!("⚑ {}", text::words(report.reason.as_str())), theme.style(Style::Warn)),
        Span::styled(format!(" · {} · {when}", text::clean(who)), theme.style(Style::Faint)),
    ])];
    if let Some(said) = report.text.as_ref().filter(|said| !said.is_empty()) {
        out.extend(wrapped(said, "  "));
    }
    if let Some(content) = &report.content {
        let stars = content.rating.map(rows::stars);
        let title = content.title.as_deref();
        let parts = [stars.as_deref(), title, Some(content.text.as_str())].into_iter().flatten();
        let whole = parts.filter(|part| !part.is_empty()).collect::<Vec<_>>().join("\n");
        if !whole.is_empty() {
            out.extend(wrapped(&format!("“{whole}”"), "  "));
        }
        for photo in &content.photos {
            out.extend(wrapped(&format!("photo {} {}", photo.id, photo.alt), "  "));
        }
        if !content.photos.is_empty() {
            let key = |action| ctx.keymap.key(action);
            let (large, next) = (key(Action::ZOOM), key(Action::PHOTO_NEXT));
            out.extend(wrapped(&format!("{large} shows one large, {next} the next one"), "  "));
        }
        if content.messages.len() > 1 {
            for message in &content.messages {
                let sender = message.sender_id.map_or_else(|| "notice".to_owned(), |id| text::short_id(&id));
                out.extend(wrapped(&format!("{sender}: {}", message.content), "  "));
            }
        }
    }
    out
}
