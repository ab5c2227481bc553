//! The frame around every screen: context line, tabs, status line, keys.

use marketplace_core::time::Timestamp;
use ratatui::{
    buffer::Buffer,
    layout::Rect,
    text::{Line, Span},
};

use super::super::{
    component::Screen,
    ctx::Ctx,
    heartbeat::State,
    keymap::Action,
    privacy, text,
    theme::Style,
    widgets::rows::{self, count},
};

/// Columns and rows below which nothing useful can be drawn.
pub const SMALLEST: (u16, u16) = (60, 16);

/// Columns that a name in a notice has at least.
const SHORTEST_NAME: usize = 16;

/// Returns whether a window is too small for anything to be drawn, or decided, in it.
pub fn too_small(width: u16, height: u16) -> bool {
    width < SMALLEST.0 || height < SMALLEST.1
}

/// Draws the line with the system, the kind of connection, the identity, the numbers of waiting items, and the
/// connection's state.
pub fn header(area: Rect, buf: &mut Buffer, ctx: &Ctx, state: &State) {
    let theme = ctx.theme;
    let options = &ctx.options;
    let base = theme.style(if options.production { Style::Production } else { Style::Header });
    buf.set_style(area, base);
    let (dot, word) = match state {
        State::Connecting => ("◌", "connecting".to_owned()),
        State::Connected => ("●", "connected".to_owned()),
        State::Slow(delay) => ("◐", format!("slow {:.1}s", delay.as_secs_f32())),
        State::Away { since, .. } => ("✖", format!("away {}", text::age(ctx.now().since(*since)))),
    };
    let right = format!("{dot} {word} ");
    let system = if options.production { format!("PRODUCTION {}", options.system) } else { options.system.clone() };
    let who = ctx
        .identity
        .as_ref()
        .map_or_else(|| "…".to_owned(), |identity| format!("{} · {}", identity.name, identity.role));
    let left = format!(" Marketplace · {system} ({})  {who}", options.way);
    let counts = ctx.stats.as_ref().map_or_else(Vec::new, |stats| {
        let oldest =
            stats.kyc_oldest_at.map_or_else(String::new, |at| format!(" · oldest {}", text::age(ctx.now().since(at))));
        let mut counts = vec![format!("KYC {}{oldest}", count(stats.kyc_pending))];
        counts.push(format!("flagged {}", count(stats.reviews_flagged)));
        counts.push(format!("live {} msg/h", count(stats.messages_1h)));
        counts
    });
    let width = usize::from(area.width);
    let room = width.saturating_sub(text::width(&right) + 1);
    buf.set_string(area.x, area.y, text::cut(&left, room), base.add_modifier(ratatui::style::Modifier::BOLD));
    let gap = room.saturating_sub(text::width(&left) + 2);
    // As many of the numbers as fit.
    let counts = (1..=counts.len()).rev().filter_map(|many| counts.get(..many)).map(|some| some.join("   "));
    if let Some(counts) = counts.into_iter().find(|counts| text::width(counts) + 2 <= gap) {
        let x = width - text::width(&right) - text::width(&counts) - 3;
        buf.set_string(area.x + u16::try_from(x).unwrap_or(0), area.y, &counts, base);
    }
    let style = match state {
        State::Connected | State::Slow(_) | State::Connecting => base,
        State::Away { .. } if theme.mono() => base.add_modifier(ratatui::style::Modifier::BOLD),
        State::Away { .. } => base.patch(theme.style(Style::Bad)),
    };
    let x = width.saturating_sub(text::width(&right));
    buf.set_string(area.x + u16::try_from(x).unwrap_or(0), area.y, &right, style);
}

/// Draws the tabs; returns the position of each, for the mouse.
pub fn tabs(area: Rect, buf: &mut Buffer, ctx: &Ctx, active: Action) -> Vec<(Rect, Action)> {
    let theme = ctx.theme;
    let mut places = Vec::new();
    let mut x = area.x + 1;
    let (word, style) = if ctx.gate.read_only() {
        ("read-only", Style::Warn)
    } else if ctx.identity.is_some() && !ctx.may(marketplace_core::base::permission::Permission::UsersWrite) {
        ("may only look", Style::Warn)
    } else if ctx.gate.away() {
        ("no changes while away", Style::Bad)
    } else {
        ("read-write", Style::Faint)
    };
    // Where there is little room the tabs stand closer, then lose letters, then words: what can be done is always said.
    let labels = |blank: &str, letters: usize, is_tight: bool| -> Vec<(Action, String)> {
        let label = |action: Action, tab: &str| {
            // Where one is, is said in whole as long as there is room.
            let shown = if action == active && !is_tight { tab.to_owned() } else { text::cut(tab, letters) };
            format!("{blank}{} {shown}{}", ctx.keymap.key(action), if shown.is_empty() { "" } else { " " })
        };
        let tabs = ctx.keymap.screens().filter(|screen| !screen.tab.is_empty());
        tabs.map(|screen| (screen.home, label(screen.home, screen.tab))).collect()
    };
    let room = usize::from(area.width).saturating_sub(text::width(word) + 3);
    let fits =
        |labels: &Vec<(Action, String)>| labels.iter().map(|(_, label)| text::width(label)).sum::<usize>() <= room;
    let ways = [(" ", usize::MAX), ("", usize::MAX), ("", 4), ("", 0)];
    let ways = ways.map(|(blank, letters)| labels(blank, letters, false));
    for (action, label) in ways.into_iter().find(fits).unwrap_or_else(|| labels("", 0, true)) {
        let width = u16::try_from(text::width(&label)).unwrap_or(0);
        let style = if action == active { theme.style(Style::Selected) } else { theme.style(Style::Plain) };
        if x + width <= area.right() {
            buf.set_string(x, area.y, &label, style);
            places.push((Rect::new(x, area.y, width, 1), action));
        }
        x += width;
    }
    let at = area.right().saturating_sub(u16::try_from(text::width(word) + 1).unwrap_or(0));
    if at > x {
        buf.set_string(at, area.y, word, theme.style(style));
    }
    places
}

/// Draws the status line: the screen's text, then the notice.
pub fn status(area: Rect, buf: &mut Buffer, ctx: &Ctx, state: &State, screen: Option<(String, Style)>) {
    let theme = ctx.theme;
    let mut pieces = vec![Span::raw(" ")];
    let has_said = screen.is_some();
    if let Some((said, style)) = screen {
        pieces.push(Span::styled(text::clean(&said).into_owned(), theme.style(style)));
        pieces.push(Span::raw("   "));
    }
    if let Some(notice) = &ctx.notice {
        let (glyph, style) = if notice.bad { ("✖ ", Style::Bad) } else { ("✔ ", Style::Good) };
        pieces.push(Span::styled(glyph, theme.style(style)));
        let said = text::clean(&notice.text);
        if !notice.about.is_empty() {
            // A long name leaves room for what was done.
            let room = usize::from(area.width).saturating_sub(text::width(&said) + 6).max(SHORTEST_NAME);
            pieces.extend(privacy::quoting(&text::cut(&notice.about, room), theme.style(style)));
            pieces.push(Span::styled(": ", theme.style(style)));
        }
        pieces.extend(privacy::quoting(&said, theme.style(style)));
    } else if let Some(why) = &ctx.recording_lost {
        let line = format!("✖ this session is no longer recorded: {}", text::clean(why));
        pieces.push(Span::styled(line, theme.style(Style::Bad)));
    } else if let State::Away { why, .. } = state {
        let line = format!("✖ not connected ({}); shows what it has, changes nothing, tries again", text::clean(why));
        pieces.push(Span::styled(line, theme.style(Style::Bad)));
    }
    let used: usize = pieces.iter().map(|piece| text::width(&piece.content)).sum();
    if used > usize::from(area.width) && has_said && pieces.len() > 3 {
        // What just happened matters more than what can be seen anyway.
        pieces.drain(1..3);
    }
    rows::put(buf, area, 0, &Line::from(pieces));
}

/// Draws the keys that currently do something, the most important ones first; what does not fit is in the help only.
pub fn footer(area: Rect, buf: &mut Buffer, ctx: &Ctx, home: Action, seen: &dyn Screen) {
    let theme = ctx.theme;
    let shown = |action: &Action| action.rank > 0 && ctx.offers(*action) && seen.offers(*action);
    let mut rows: Vec<Action> = ctx.keymap.of(home).map(|row| row.action).filter(shown).collect();
    rows.sort_by_key(|action| action.rank);
    let piece = |action: Action| (ctx.keymap.key(action), seen.label(action).unwrap_or(action.label));
    let length = |action: &Action| {
        let (key, label) = piece(*action);
        text::width(&key) + text::width(label) + 3
    };
    // Help and quit are always shown: from them everything else can be reached.
    let (fixed, mut shown): (Vec<_>, Vec<_>) =
        rows.into_iter().partition(|action| matches!(*action, Action::HELP | Action::QUIT));
    let room = usize::from(area.width).saturating_sub(1 + fixed.iter().map(length).sum::<usize>());
    while shown.iter().map(length).sum::<usize>() > room {
        shown.pop();
    }
    let mut pieces = vec![Span::raw(" ")];
    for action in shown.into_iter().chain(fixed) {
        let (key, label) = piece(action);
        pieces.push(Span::styled(key, theme.style(Style::Accent).add_modifier(ratatui::style::Modifier::BOLD)));
        pieces.push(Span::raw(" "));
        pieces.push(Span::styled(label, theme.style(Style::Plain)));
        pieces.push(Span::raw("  "));
    }
    buf.set_line(area.x, area.y, &Line::from(pieces), area.width);
}

/// Returns whether something that was to be shown until `until` has expired.
pub fn over(until: Timestamp, ctx: &Ctx) -> bool {
    ctx.now() >= until
}

/// Draws that the session ended, and nothing else.
pub fn ended(why: &str, area: Rect, buf: &mut Buffer, ctx: &Ctx) {
    let leave = ctx.keymap.key(Action::QUIT);
    let mut lines = vec![format!("Marketplace · {}", ctx.options.system), String::new()];
    lines.extend(why.lines().map(|line| text::clean(line).into_owned()));
    let rest = ["", "The session ended, and the screen was cleared.", ""];
    lines.extend(rest.map(str::to_owned));
    lines.push(format!("Enter logs in again · {leave} leaves"));
    let columns = usize::from(area.width.saturating_sub(2));
    let lines = lines.iter().flat_map(|line| text::wrap(line, columns)).collect::<Vec<_>>();
    for (row, line) in (1..area.height).zip(lines) {
        rows::put(buf, area, row, &Line::styled(format!(" {line}"), ctx.theme.style(Style::Plain)));
    }
}
