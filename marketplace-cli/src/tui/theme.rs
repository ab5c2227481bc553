//! Every colour of the console. Each state also has a glyph and a word, so that no meaning depends on colour.

use marketplace_core::{
    accounts::model::Status, base::permission::Role, jobs::model::JobStatus, kyc::status::KycStatus,
    messaging::model::ThreadStatus, reviews::model::ReviewStatus, services::model::ServiceStatus,
};
use ratatui::{
    buffer::Buffer,
    style::{self, Color, Modifier},
};

use super::options::Options;

/// The purpose of a piece of the screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// Ordinary text.
    Plain,
    /// Less important: labels, hints, frames.
    Faint,
    /// Headings.
    Title,
    /// The headings of a list's columns.
    Heading,
    /// Highlighted: keys, the active tab.
    Accent,
    /// All is well.
    Good,
    /// Needs attention.
    Warn,
    /// Wrong or dangerous.
    Bad,
    /// The row under the cursor.
    Selected,
    /// The top line.
    Header,
    /// The top line of a production system.
    Production,
    /// Placeholder for what is still loading.
    Skeleton,
}

/// The themes, by name.
pub const NAMES: [&str; 4] = ["dark", "light", "contrast", "16"];

/// How the console is coloured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// For a dark background.
    Dark,
    /// For a light background.
    Light,
    /// Black and white with few bright colours.
    Contrast,
    /// The sixteen colours of the terminal's own palette only.
    Sixteen,
    /// Bold, reverse and underline only.
    Mono,
}

/// Colours, or none; and whether frames and signs are ASCII.
#[derive(Debug, Clone, Copy)]
pub struct Theme {
    kind: Kind,
    ascii: bool,
}

impl Theme {
    /// Creates a theme with colours, or with bold, reverse and underline only.
    pub fn new(mono: bool) -> Self {
        Self { kind: if mono { Kind::Mono } else { Kind::Dark }, ascii: false }
    }

    /// Returns the theme that options ask for; one without colours, where there are to be none.
    ///
    /// # Errors
    /// Returns what is allowed instead of a name that is none.
    pub fn of(options: &Options) -> Result<Self, String> {
        let kind = match options.theme.as_deref() {
            None | Some("dark") => Kind::Dark,
            Some("light") => Kind::Light,
            Some("contrast") => Kind::Contrast,
            Some("16") => Kind::Sixteen,
            Some(other) => return Err(format!("`{other}` is no theme; there are {}", NAMES.join(", "))),
        };
        Ok(Self { kind: if options.no_color { Kind::Mono } else { kind }, ascii: options.ascii })
    }
    /// Returns whether there are no colours.
    pub fn mono(self) -> bool {
        self.kind == Kind::Mono
    }

    /// Returns the style of a purpose.
    pub fn style(self, style: Style) -> style::Style {
        let of = match self.kind {
            Kind::Mono => mono,
            Kind::Contrast => contrast,
            Kind::Light => light,
            Kind::Sixteen => sixteen,
            Kind::Dark => dark,
        };
        of(style)
    }

    /// Replaces frames and signs by ASCII, if the theme is. What people wrote stays as it is.
    pub fn finish(self, buf: &mut Buffer) {
        if !self.ascii {
            return;
        }
        for cell in &mut buf.content {
            let mut chars = cell.symbol().chars();
            if let (Some(sign), None) = (chars.next(), chars.next())
                && let Some(plain) = ascii(sign)
            {
                cell.set_char(plain);
            }
        }
    }
}

const PLAIN: style::Style = style::Style::new();
const BOLD: style::Style = PLAIN.add_modifier(Modifier::BOLD);
const HEADING: style::Style = PLAIN.add_modifier(Modifier::UNDERLINED);
const REVERSED: style::Style = PLAIN.add_modifier(Modifier::REVERSED);

fn mono(style: Style) -> style::Style {
    match style {
        Style::Plain | Style::Faint | Style::Skeleton | Style::Good => PLAIN,
        Style::Title | Style::Accent | Style::Warn => BOLD,
        Style::Heading => HEADING,
        Style::Bad => BOLD.add_modifier(Modifier::UNDERLINED),
        Style::Selected | Style::Header => REVERSED,
        Style::Production => BOLD.add_modifier(Modifier::REVERSED | Modifier::UNDERLINED),
    }
}

fn contrast(style: Style) -> style::Style {
    match style {
        Style::Plain | Style::Faint | Style::Skeleton => PLAIN,
        Style::Title => BOLD,
        Style::Heading => HEADING.add_modifier(Modifier::BOLD),
        Style::Accent => BOLD.fg(Color::LightCyan),
        Style::Good => BOLD.fg(Color::LightGreen),
        Style::Warn => BOLD.fg(Color::LightYellow),
        Style::Selected => BOLD.fg(Color::Black).bg(Color::LightYellow),
        Style::Header => BOLD.fg(Color::Black).bg(Color::White),
        Style::Bad | Style::Production => BOLD.fg(Color::White).bg(Color::Red),
    }
}

/// Bright colours cannot be read on white.
fn light(style: Style) -> style::Style {
    match style {
        Style::Accent => PLAIN.fg(Color::Indexed(25)),
        Style::Good => PLAIN.fg(Color::Indexed(22)),
        Style::Warn => PLAIN.fg(Color::Indexed(94)),
        Style::Bad => BOLD.fg(Color::Indexed(124)),
        Style::Selected => PLAIN.bg(Color::Indexed(153)).fg(Color::Black),
        Style::Header => PLAIN.bg(Color::Indexed(252)).fg(Color::Black),
        other => dark(other),
    }
}

fn sixteen(style: Style) -> style::Style {
    match style {
        Style::Selected => PLAIN.bg(Color::Blue).fg(Color::White),
        Style::Header => REVERSED,
        Style::Production => PLAIN.bg(Color::Red).fg(Color::White),
        other => dark(other),
    }
}

fn dark(style: Style) -> style::Style {
    match style {
        Style::Plain => PLAIN,
        Style::Title => BOLD,
        Style::Faint | Style::Skeleton => PLAIN.fg(Color::DarkGray),
        Style::Heading => HEADING.fg(Color::DarkGray),
        Style::Accent => PLAIN.fg(Color::Cyan),
        Style::Good => PLAIN.fg(Color::Green),
        Style::Warn => PLAIN.fg(Color::Yellow),
        Style::Bad => BOLD.fg(Color::LightRed),
        Style::Selected => PLAIN.bg(Color::Indexed(24)).fg(Color::White),
        Style::Header => PLAIN.bg(Color::Indexed(236)).fg(Color::Gray),
        Style::Production => PLAIN.bg(Color::Indexed(88)).fg(Color::White),
    }
}

/// Returns the ASCII character for a sign or a part of a frame that the console draws.
fn ascii(sign: char) -> Option<char> {
    Some(match sign {
        '│' | '┃' => '|',
        '─' | '━' | '–' => '-',
        '┌' | '┐' | '└' | '┘' | '├' | '┤' | '┏' | '┓' | '┗' | '┛' | '✔' => '+',
        '▸' | '→' => '>',
        '←' | '⌫' => '<',
        '↔' | '↕' | '▆' | '▅' => '=',
        '↑' | '▲' | '⇧' => '^',
        '↓' | '▼' => 'v',
        '◆' | '●' | '★' | '•' | '✎' => '*',
        '○' | '◌' | '☆' => 'o',
        '◐' | '◔' | '◕' => '@',
        '✖' | '⊘' | '∅' | '×' => 'x',
        '❄' | '⚑' => '!',
        '↻' => '~',
        '·' | '…' => '.',
        '“' | '”' => '"',
        '’' => '\'',
        '█' | '▇' | '▀' | '▄' => '#',
        '▃' | '▂' | '▁' => '_',
        '░' => ':',
        '▤' => '&',
        _ => return None,
    })
}

/// Returns glyph, word and style of an account's status.
pub fn user_status(status: Status) -> (&'static str, &'static str, Style) {
    match status {
        Status::Unverified => ("○", "unverified", Style::Faint),
        Status::Active => ("●", "active", Style::Good),
        Status::Frozen => ("❄", "frozen", Style::Warn),
        Status::Banned => ("✖", "banned", Style::Bad),
        Status::Deleted => ("∅", "deleted", Style::Faint),
    }
}

/// Returns glyph, word and style of an identity check.
pub fn kyc_status(status: KycStatus) -> (&'static str, &'static str, Style) {
    match status {
        KycStatus::None => ("·", "none", Style::Faint),
        KycStatus::Pending => ("○", "pending", Style::Plain),
        KycStatus::InReview => ("◐", "in review", Style::Accent),
        KycStatus::Approved => ("✔", "approved", Style::Good),
        KycStatus::Retry => ("↻", "retry", Style::Warn),
        KycStatus::Rejected => ("✖", "rejected", Style::Bad),
        KycStatus::Revoked => ("⊘", "revoked", Style::Bad),
        KycStatus::Expired => ("◌", "expired", Style::Warn),
    }
}

/// Returns glyph, word and style of a job.
pub fn job_status(status: JobStatus) -> (&'static str, &'static str, Style) {
    match status {
        JobStatus::Negotiating => ("○", "negotiating", Style::Plain),
        JobStatus::Accepted => ("◐", "accepted", Style::Accent),
        JobStatus::Completed => ("◕", "completed", Style::Accent),
        JobStatus::Finalized => ("✔", "finalized", Style::Good),
        JobStatus::Rejected => ("✖", "rejected", Style::Warn),
        JobStatus::Cancelled => ("⊘", "cancelled", Style::Warn),
    }
}

/// Returns glyph, word and style of a thread.
pub fn thread_status(status: ThreadStatus) -> (&'static str, &'static str, Style) {
    match status {
        ThreadStatus::Open => ("●", "open", Style::Good),
        ThreadStatus::Closed => ("⊘", "closed", Style::Warn),
    }
}

/// Returns glyph, word and style of a review.
pub fn review_status(status: ReviewStatus) -> (&'static str, &'static str, Style) {
    match status {
        ReviewStatus::Hidden => ("◌", "hidden", Style::Faint),
        ReviewStatus::Published => ("●", "published", Style::Good),
        ReviewStatus::Removed => ("✖", "removed", Style::Bad),
    }
}

/// Returns glyph, word and style of a service.
pub fn service_status(status: ServiceStatus) -> (&'static str, &'static str, Style) {
    match status {
        ServiceStatus::Draft => ("○", "draft", Style::Plain),
        ServiceStatus::Published => ("●", "published", Style::Good),
        ServiceStatus::Closed => ("⊘", "closed", Style::Warn),
        ServiceStatus::Deleted => ("∅", "deleted", Style::Faint),
    }
}

/// Returns the style of a role: staff are highlighted.
pub fn role(role: Role) -> Style {
    if role.is_staff() { Style::Accent } else { Style::Plain }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_theme_has_a_style_for_every_purpose_and_only_its_colours() {
        let indexed = |colour: Option<Color>| matches!(colour, Some(Color::Indexed(_) | Color::Rgb(..)));
        for name in NAMES {
            let theme = Theme::of(&Options { theme: Some(name.into()), ..Options::default() }).unwrap();
            for style in [Style::Accent, Style::Warn, Style::Bad, Style::Selected, Style::Header, Style::Production] {
                let drawn = theme.style(style);
                assert!(drawn != theme.style(Style::Plain), "{name} {style:?}");
                if matches!(name, "16" | "contrast") {
                    assert!(!indexed(drawn.fg) && !indexed(drawn.bg), "{name} {style:?}");
                }
            }
            assert!(theme.style(Style::Header) != theme.style(Style::Production), "{name}");
        }
        let wrong = Theme::of(&Options { theme: Some("blue".into()), ..Options::default() });
        assert!(wrong.unwrap_err().contains("contrast"));
        assert!(Theme::of(&Options { no_color: true, ..Options::default() }).unwrap().mono());
    }
}
