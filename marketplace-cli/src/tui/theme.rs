//! Every colour of the console. Each state also has a glyph and a word, so that no meaning depends on colour.

use marketplace_core::{
    accounts::model::Status, base::permission::Role, jobs::model::JobStatus, kyc::status::KycStatus,
    messaging::model::ThreadStatus, reviews::model::ReviewStatus,
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
        let plain = style::Style::new();
        let bold = plain.add_modifier(Modifier::BOLD);
        let heading = plain.add_modifier(Modifier::UNDERLINED);
        match (self.kind, style) {
            (Kind::Mono, Style::Plain | Style::Faint | Style::Skeleton | Style::Good) => plain,
            (Kind::Mono, Style::Title | Style::Accent | Style::Warn) => bold,
            (Kind::Mono, Style::Heading) => heading,
            (Kind::Mono, Style::Bad) => bold.add_modifier(Modifier::UNDERLINED),
            (Kind::Mono, Style::Selected | Style::Header) => plain.add_modifier(Modifier::REVERSED),
            (Kind::Mono, Style::Production) => bold.add_modifier(Modifier::REVERSED | Modifier::UNDERLINED),
            (_, Style::Plain) => plain,
            (_, Style::Title) => bold,

            (Kind::Contrast, Style::Faint | Style::Skeleton) => plain,
            (Kind::Contrast, Style::Heading) => heading.add_modifier(Modifier::BOLD),
            (Kind::Contrast, Style::Accent) => bold.fg(Color::LightCyan),
            (Kind::Contrast, Style::Good) => bold.fg(Color::LightGreen),
            (Kind::Contrast, Style::Warn) => bold.fg(Color::LightYellow),
            (Kind::Contrast, Style::Bad) => bold.fg(Color::White).bg(Color::Red),
            (Kind::Contrast, Style::Selected) => bold.fg(Color::Black).bg(Color::LightYellow),
            (Kind::Contrast, Style::Header) => bold.fg(Color::Black).bg(Color::White),
            (Kind::Contrast, Style::Production) => bold.fg(Color::White).bg(Color::Red),

            (_, Style::Faint | Style::Skeleton) => plain.fg(Color::DarkGray),
            (_, Style::Heading) => heading.fg(Color::DarkGray),
            // Bright colours cannot be read on white.
            (Kind::Light, Style::Accent) => plain.fg(Color::Indexed(25)),
            (Kind::Light, Style::Good) => plain.fg(Color::Indexed(22)),
            (Kind::Light, Style::Warn) => plain.fg(Color::Indexed(94)),
            (Kind::Light, Style::Bad) => bold.fg(Color::Indexed(124)),
            (Kind::Light, Style::Selected) => plain.bg(Color::Indexed(153)).fg(Color::Black),
            (Kind::Light, Style::Header) => plain.bg(Color::Indexed(252)).fg(Color::Black),
            (_, Style::Accent) => plain.fg(Color::Cyan),
            (_, Style::Good) => plain.fg(Color::Green),
            (_, Style::Warn) => plain.fg(Color::Yellow),
            (_, Style::Bad) => bold.fg(Color::LightRed),
            (Kind::Sixteen, Style::Selected) => plain.bg(Color::Blue).fg(Color::White),
            (Kind::Sixteen, Style::Header) => plain.add_modifier(Modifier::REVERSED),
            (Kind::Sixteen, Style::Production) => plain.bg(Color::Red).fg(Color::White),
            (_, Style::Selected) => plain.bg(Color::Indexed(24)).fg(Color::White),
            (_, Style::Header) => plain.bg(Color::Indexed(236)).fg(Color::Gray),
            (_, Style::Production) => plain.bg(Color::Indexed(88)).fg(Color::White),
        }
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

/// Returns the ASCII character for a sign or a part of a frame that the console draws.
fn ascii(sign: char) -> Option<char> {
    Some(match sign {
        '│' | '┃' => '|',
        '─' | '━' | '–' => '-',
        '┌' | '┐' | '└' | '┘' | '├' | '┤' | '┏' | '┓' | '┗' | '┛' | '✚' => '+',
        '▸' | '→' => '>',
        '←' => '<',
        '↔' | '↕' => '=',
        '↑' | '▲' | '⇧' => '^',
        '↓' | '▼' => 'v',
        '◆' | '●' | '★' | '•' | '✎' => '*',
        '○' | '◌' | '☆' => 'o',
        '◐' | '◔' | '◕' => '@',
        '✔' => '+',
        '✖' | '⊘' | '∅' | '×' => 'x',
        '❄' | '⚑' => '!',
        '↻' => '~',
        '·' | '…' => '.',
        '“' | '”' => '"',
        '’' => '\'',
        '█' | '▇' | '▀' | '▄' => '#',
        '▆' | '▅' => '=',
        '▃' | '▂' | '▁' => '_',
        '░' => ':',
        '▤' => '&',
        '⌫' => '<',
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
