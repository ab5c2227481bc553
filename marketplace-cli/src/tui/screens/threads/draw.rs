//! Draws the list of threads, and a conversation.

use marketplace_core::{
    ids::UserId,
    messaging::model::{MessageKind, StaffMessage, ThreadInfo},
    time::Timestamp,
};
use ratatui::{
    buffer::Buffer,
    layout::Rect,
    style::Modifier,
    text::{Line, Span},
};

use super::{
    super::super::{
        browser::Browser,
        contact_masking,
        ctx::{Ctx, PATIENCE},
        privacy::private,
        text,
        theme::{self, Style},
        widgets::{columns::Column, rows},
    },
    talk::Talk,
};

/// The columns of the list.
pub const COLUMNS: [Column; 6] = [
    Column::time("latest", 3).falling(),
    Column::new("status", 2),
    Column::text("about", 12, 0),
    Column::text("client", 7, 0),
    Column::text("worker", 7, 0),
    Column::number("messages", 4),
];

/// Draws the list beside a thread's data without its content.
pub fn list(browser: &mut Browser<ThreadInfo>, area: Rect, buf: &mut Buffer, ctx: &Ctx) {
    let (list, detail) = browser.panes(area);
    let (now, exact, theme) = (ctx.now(), ctx.times, ctx.theme);
    if let Some(list) = list {
        let words = ("Threads", "No thread matches. Esc clears the filter.");
        browser.draw_list(list, buf, ctx, words, &COLUMNS, |thread| {
            vec![
                rows::time(theme, thread.last_at, now, exact),
                rows::short_state(theme, theme::thread_status(thread.status)),
                Span::raw(thread.title.clone()),
                Span::raw(thread.client_name.clone()),
                Span::raw(thread.worker_name.clone()),
                Span::styled(text::thousands(thread.last_seq), theme.style(Style::Faint)),
            ]
        });
    }
    if let Some(detail) = detail {
        browser.draw_detail(detail, buf, ctx, |thread, width| about(thread, ctx, now, width));
    }
}

fn about(thread: &ThreadInfo, ctx: &Ctx, now: Timestamp, width: usize) -> Vec<Line<'static>> {
    let theme = ctx.theme;
    let when = |at| text::ago(at, now, ctx.times);
    let (glyph, word, style) = theme::thread_status(thread.status);
    let why = thread.closed_reason.map_or_else(String::new, |reason| format!(" · {}", text::words(reason.as_str())));
    let mut out = vec![
        Line::from(vec![
            Span::styled(text::left("status", 11), theme.style(Style::Faint)),
            Span::styled(format!("{glyph} {word}"), theme.style(style)),
            Span::raw(why),
        ]),
        rows::field(theme, "worker", &*thread.worker_name),
        rows::field(theme, "client", &*thread.client_name),
        rows::field(theme, "about", &*thread.title),
        rows::field(theme, "messages", text::thousands(thread.last_seq)),
        rows::field(theme, "latest", when(thread.last_at)),
        rows::field(theme, "opened", when(thread.created_at)),
        rows::field(theme, "id", thread.id.to_string()),
        Line::raw(""),
    ];
    if let Some(note) = &thread.note {
        out.push(Line::styled("Staff note", theme.style(Style::Title)));
        out.extend(text::wrap(note, width).into_iter().map(Line::raw));
        out.push(Line::raw(""));
    }
    let key = ctx.keymap.key(super::super::super::keymap::Action::OPEN);
    out.push(Line::styled(format!("{key} reads what was said; it asks why first"), theme.style(Style::Faint)));
    out
}

/// Lines of a message above which it is folded.
const FOLDED: usize = 12;

impl Talk {
    /// Draws the conversation.
    pub fn draw(&mut self, area: Rect, buf: &mut Buffer, ctx: &Ctx) {
        let theme = ctx.theme;
        let info = &self.info;
        let title = format!("{} (worker) ↔ {} (client) · “{}”", info.worker_name, info.client_name, info.title);
        let right = match (self.follow, self.unseen()) {
            (true, _) => "▼ following".to_owned(),
            (false, 0) => "paused: G follows".to_owned(),
            (false, new) => format!("paused: {} new below, G goes there", text::thousands(new)),
        };
        // Whether it follows matters more than the end of the title.
        let room = usize::from(area.width).saturating_sub(text::width(&right) + 7);
        let inner = rows::pane(area, buf, theme, &text::cut(&title, room), &right, true);
        let (glyph, word, style) = theme::thread_status(info.status);
        let why = info.closed_reason.map_or_else(String::new, |reason| format!(": {}", text::words(reason.as_str())));
        let head = Line::from(vec![
            Span::styled(format!(" {glyph} {word}{why}"), theme.style(style)),
            Span::styled(
                format!(
                    " · {} messages · read for: {} (audited)",
                    text::thousands(info.last_seq),
                    text::words(self.reason.as_str())
                ),
                theme.style(Style::Faint),
            ),
        ]);
        rows::put(buf, inner, 0, &head);
        let room = Rect { y: inner.y + 1, height: inner.height.saturating_sub(1), ..inner };
        self.seen.height = usize::from(room.height);
        self.seen.below = 0;
        self.seen.rows.clear();
        if self.messages.is_empty() {
            if self.loaded {
                rows::put(buf, room, 1, &Line::styled("  Nothing was said so far.", theme.style(Style::Faint)));
            } else if self.waiting_since().is_some_and(|since| ctx.now().since(since) >= PATIENCE) {
                rows::skeleton(room, buf, theme);
            }
            return;
        }
        let width = usize::from(room.width);
        self.place(ctx, width);
        let (mut row, mut skip) = (0, self.top.1);
        let mut last = self.top.0;
        for seq in self.messages.range(self.top.0..).map(|(seq, _)| *seq) {
            if row >= room.height {
                break;
            }
            self.seen.rows.push((room.y + row, seq));
            last = seq;
            let lines = self.lines_of(seq, ctx, width);
            let left = usize::from(room.height - row);
            if seq == self.cursor {
                self.seen.below = lines.len().saturating_sub(skip + left);
            }
            for line in lines.iter().skip(skip).take(left) {
                rows::put(buf, room, row, line);
                row += 1;
            }
            skip = 0;
        }
        self.seen_to = self.seen_to.max(last);
    }

    /// Determines the first message to draw, so that the one under the cursor is visible and no room is left at the
    /// end.
    fn place(&mut self, ctx: &Ctx, width: usize) {
        let height = self.seen.height.max(1);
        let (first, last) = match (self.messages.first_key_value(), self.messages.last_key_value()) {
            (Some((first, _)), Some((last, _))) => (*first, *last),
            _ => return,
        };
        if self.follow {
            self.cursor = last;
            let top = self.upwards(last, height, ctx, width);
            // A newest message that is longer than the area keeps its scroll position.
            if top != (last, 0) || self.top.0 != last {
                self.top = top;
            }
            let longest = self.lines_of(self.top.0, ctx, width).len();
            self.top.1 = self.top.1.min(longest.saturating_sub(1));
            return;
        }
        if !self.messages.contains_key(&self.top.0) {
            self.top = (self.messages.range(self.top.0..).next().map_or(first, |(seq, _)| *seq), 0);
        }
        if self.cursor < self.top.0 {
            self.top = (self.cursor, 0);
        }
        let longest = self.lines_of(self.top.0, ctx, width).len();
        self.top.1 = self.top.1.min(longest.saturating_sub(1));
        // How far the cursor is below the first line, up to the height of the area.
        let mut lines = 0;
        for seq in self.messages.range(self.top.0..).map(|(seq, _)| *seq) {
            lines += self.lines_of(seq, ctx, width).len();
            let over = lines > height + self.top.1;
            if seq == self.cursor {
                if over && seq != self.top.0 {
                    self.top = self.upwards(seq, height, ctx, width);
                }
                break;
            }
            if over {
                self.top = self.upwards(self.cursor, height, ctx, width);
                break;
            }
        }
        let end = self.upwards(last, height, ctx, width);
        // A message that is longer than the area is scrolled line by line, down to its own end.
        if end < self.top && self.cursor != self.top.0 {
            self.top = end;
        }
    }

    /// Returns where to begin so that a message ends with the last line.
    fn upwards(&self, from: i64, height: usize, ctx: &Ctx, width: usize) -> (i64, usize) {
        let mut lines = 0;
        let mut top = (from, 0);
        for seq in self.messages.range(..=from).rev().map(|(seq, _)| *seq) {
            lines += self.lines_of(seq, ctx, width).len();
            top = (seq, lines.saturating_sub(height));
            if lines >= height {
                break;
            }
        }
        // A message that does not fit is shown from its beginning.
        if top.0 == from { (from, 0) } else { top }
    }

    /// Returns the lines of a message, under its date where a new day begins.
    fn lines_of(&self, seq: i64, ctx: &Ctx, width: usize) -> Vec<Line<'static>> {
        let Some(message) = self.messages.get(&seq) else { return Vec::new() };
        let theme = ctx.theme;
        let before = self.messages.range(..seq).next_back();
        let mut out = Vec::new();
        let day = ctx.times.date(message.at);
        if before.is_none_or(|(_, before)| ctx.times.date(before.at) != day) {
            let earlier = if before.is_none() && self.more_before() { "   ↑ earlier messages" } else { "" };
            out.push(Line::styled(format!("   ── {day} ──{earlier}"), theme.style(Style::Faint)));
        }
        let cursor = if seq == self.cursor { "▸" } else { " " };
        let mark = if self.marks.contains(&seq) { "◆" } else { " " };
        let times = ctx.times;
        let time = if times.exact { text::exact(message.at, times) } else { times.clock(message.at) };
        let name = match (message.kind, &message.sender_name) {
            (MessageKind::Job, _) => "──",
            (MessageKind::Notice, _) => "✎ staff",
            (MessageKind::Text, sent) => self.sender(message.sender_id, sent.as_deref()),
        };
        let style = match (message.kind, message.sender_id == Some(self.info.worker_id)) {
            (MessageKind::Text, true) => Style::Accent,
            (MessageKind::Text, false) => Style::Title,
            _ => Style::Faint,
        };
        let lead = 3 + text::width(&time) + 2 + 12;
        let mut head = vec![
            Span::raw(cursor),
            Span::styled(mark, theme.style(Style::Accent)),
            Span::raw(" "),
            Span::styled(format!("{time}  "), theme.style(Style::Faint)),
            Span::styled(text::left(&format!("{} ", text::cut(name, 11)), 12), theme.style(style)),
        ];
        for said in self.said(message, ctx, width.saturating_sub(lead + 1)) {
            let mut spans = std::mem::replace(&mut head, vec![Span::raw(" ".repeat(lead))]);
            spans.extend(said);
            let mut line = Line::from(spans);
            if seq == self.cursor {
                line = line.patch_style(theme.style(Style::Plain).add_modifier(Modifier::BOLD));
            }
            out.push(line);
        }
        out
    }

    /// Returns the name of a message's sender as in the heading, masked: showing a name in full is a call of its own, which
    /// is audited.
    fn sender<'a>(&'a self, id: Option<UserId>, name: Option<&'a str>) -> &'a str {
        match id {
            Some(id) if id == self.info.worker_id => &self.info.worker_name,
            Some(id) if id == self.info.client_id => &self.info.client_name,
            _ => name.unwrap_or("?"),
        }
    }

    /// Returns the content of a message, with what is masked, removed or attached.
    fn said(&self, message: &StaffMessage, ctx: &Ctx, columns: usize) -> Vec<Vec<Span<'static>>> {
        let theme = ctx.theme;
        let hidden = if message.kind == MessageKind::Text { contact_masking::masked(&message.content) } else { None };
        let contact = hidden.is_some();
        let content = hidden.filter(|_| self.revealed.is_none()).unwrap_or_else(|| message.content.clone());
        let mut style = if message.kind == MessageKind::Job { Style::Faint } else { Style::Plain };
        if message.removed.is_some() {
            style = Style::Faint;
        }
        if contact && self.revealed.is_some() {
            style = Style::Warn;
        }
        let mut out: Vec<Vec<Span<'static>>> = Vec::new();
        if let Some(reason) = message.removed {
            let why = format!("✖ removed from their view: {}", text::words(reason.as_str()));
            out.push(vec![Span::styled(text::cut(&why, columns), theme.style(Style::Bad))]);
        }
        if !content.is_empty() {
            let wrapped = text::wrap(&content, columns);
            let folded = wrapped.len() > FOLDED && !self.unfolded.contains(&message.seq);
            let shown = if folded { FOLDED - 1 } else { wrapped.len() };
            let more = wrapped.len() - shown;
            out.extend(
                wrapped.into_iter().take(shown).map(|line| vec![Span::styled(line, private(theme.style(style)))]),
            );
            if folded {
                let key = ctx.keymap.key(super::super::super::keymap::Action::OPEN);
                out.push(vec![Span::styled(
                    format!("… {more} more lines: {key} shows them"),
                    theme.style(Style::Accent),
                )]);
            }
        }
        if contact {
            let flag = "   ⚑ contact detail";
            let fits =
                |line: &&mut Vec<Span<'_>>| line.iter().map(Span::width).sum::<usize>() + text::width(flag) <= columns;
            match out.last_mut().filter(fits) {
                Some(line) => line.push(Span::styled(flag, theme.style(Style::Warn))),
                None => out.push(vec![Span::styled(flag.trim_start(), theme.style(Style::Warn))]),
            }
        }
        for file in &message.attachments {
            let size = match (file.width, file.height) {
                (Some(width), Some(height)) => format!(" · {width}×{height}"),
                _ => String::new(),
            };
            let line = format!("▤ {} · {}{size}", file.media_type, crate::output::size(file.size.unsigned_abs()));
            out.push(vec![Span::styled(text::cut(&line, columns), theme.style(Style::Faint))]);
        }
        if out.is_empty() {
            out.push(vec![Span::styled("(empty)", theme.style(Style::Faint))]);
        }
        out
    }
}
