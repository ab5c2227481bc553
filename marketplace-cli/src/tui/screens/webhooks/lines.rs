//! A webhook in words.

use marketplace_core::webhooks::model::{DisabledBecause, Webhook};
use ratatui::text::{Line, Span};

use super::super::super::{ctx::Ctx, text, theme::Style, widgets::rows};

/// Returns glyph, word and style of a webhook.
pub fn state(webhook: &Webhook) -> (&'static str, &'static str, Style) {
    match (webhook.enabled, webhook.disabled_because, webhook.failing_since) {
        (true, _, None) => ("●", "on", Style::Good),
        (true, _, Some(_)) => ("!", "failing", Style::Warn),
        (false, Some(DisabledBecause::Failing), _) => ("✖", "off by failures", Style::Bad),
        (false, Some(DisabledBecause::Gone), _) => ("✖", "off: gone", Style::Bad),
        (false, ..) => ("○", "off", Style::Faint),
    }
}

/// Returns what a webhook is told of.
pub fn kinds(webhook: &Webhook) -> String {
    webhook.kinds.iter().map(|kind| kind.as_str()).collect::<Vec<_>>().join(" ")
}

/// Returns a number that stops at 1,000.
pub fn up_to(number: i64) -> String {
    format!("{}{}", text::thousands(number), if number >= 1_000 { "+" } else { "" })
}

/// Returns the lines of a webhook in full; `key` lists its deliveries.
pub fn of(webhook: &Webhook, ctx: &Ctx, key: &str, width: usize) -> Vec<Line<'static>> {
    let (theme, now) = (ctx.theme, ctx.now());
    let when = |at| text::ago(at, now, ctx.times);
    let field = |label: &str, value: String| rows::field(theme, label, value);
    let mut out = vec![Line::from(vec![
        Span::styled(text::left("state", 11), theme.style(Style::Faint)),
        rows::state(theme, state(webhook), 17),
    ])];
    out.extend(webhook.disabled_at.map(|at| field("off since", when(at))));
    out.extend(webhook.failing_since.map(|at| field("failing", when(at))));
    out.push(field("waits", up_to(webhook.waiting)));
    out.extend(webhook.oldest_waiting_at.map(|at| field("oldest", when(at))));
    out.push(field("failed", up_to(webhook.failed)));
    if webhook.failed + webhook.waiting > 0 {
        out.push(Line::styled(format!("           {key} lists them"), theme.style(Style::Faint)));
    }
    out.extend(
        webhook
            .old_secret_until
            .map(|at| field("old secret", format!("signs too until {}", text::exact(at, ctx.times)))),
    );
    let parts = [("url", webhook.url.as_str()), ("for", webhook.description.as_str())];
    for (label, said) in parts.into_iter().filter(|(_, said)| !said.is_empty()) {
        for (at, line) in text::wrap(said, width.saturating_sub(11)).into_iter().enumerate() {
            out.push(field(if at == 0 { label } else { "" }, line));
        }
    }
    for (at, kind) in webhook.kinds.iter().enumerate() {
        out.push(field(if at == 0 { "told of" } else { "" }, kind.to_string()));
    }
    out.push(field("made", format!("{} by {}", when(webhook.created_at), ctx.who(&webhook.created_by))));
    out.push(field("changed", format!("{} · version {}", when(webhook.updated_at), webhook.version)));
    out.push(field("id", webhook.id.to_string()));
    out
}
