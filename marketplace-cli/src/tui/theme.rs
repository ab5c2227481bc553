//! Every colour of the console. Each state also has a glyph and a word, so that no meaning depends on colour.

use marketplace_core::{
    accounts::model::Status, base::permission::Role, jobs::model::JobStatus, kyc::status::KycStatus,
    messaging::model::ThreadStatus, reviews::model::ReviewStatus,
};
use ratatui::style::{self, Color, Modifier};

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

/// Colours, or none.
#[derive(Debug, Clone, Copy)]
pub struct Theme {
    mono: bool,
}

impl Theme {
    /// Creates a theme with colours, or with bold, reverse and underline only.
    pub fn new(mono: bool) -> Self {
        Self { mono }
    }
    /// Returns whether there are no colours.
    pub fn mono(self) -> bool {
        self.mono
    }

    /// Returns the style of a purpose. Uses the sixteen colours of the terminal's own palette, which fit any
    /// background.
    pub fn style(self, style: Style) -> style::Style {
        let plain = style::Style::new();
        if self.mono {
            return match style {
                Style::Plain | Style::Faint | Style::Skeleton | Style::Good => plain,
                Style::Title | Style::Accent | Style::Warn => plain.add_modifier(Modifier::BOLD),
                Style::Heading => plain.add_modifier(Modifier::UNDERLINED),
                Style::Bad => plain.add_modifier(Modifier::BOLD | Modifier::UNDERLINED),
                Style::Selected | Style::Header => plain.add_modifier(Modifier::REVERSED),
                Style::Production => plain.add_modifier(Modifier::REVERSED | Modifier::BOLD | Modifier::UNDERLINED),
            };
        }
        match style {
            Style::Plain => plain,
            Style::Faint | Style::Skeleton => plain.fg(Color::DarkGray),
            Style::Title => plain.add_modifier(Modifier::BOLD),
            Style::Heading => plain.fg(Color::DarkGray).add_modifier(Modifier::UNDERLINED),
            Style::Accent => plain.fg(Color::Cyan),
            Style::Good => plain.fg(Color::Green),
            Style::Warn => plain.fg(Color::Yellow),
            Style::Bad => plain.fg(Color::LightRed).add_modifier(Modifier::BOLD),
            Style::Selected => plain.bg(Color::Indexed(24)).fg(Color::White),
            Style::Header => plain.bg(Color::Indexed(236)).fg(Color::Gray),
            Style::Production => plain.bg(Color::Indexed(88)).fg(Color::White),
        }
    }
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
