//! Every colour of the console. A state is a glyph and a word as well, so that no meaning is lost without colours.

use marketplace_core::{
    accounts::model::Status, base::permission::Role, jobs::model::JobStatus, kyc::status::KycStatus,
    messaging::model::ThreadStatus, reviews::model::ReviewStatus,
};
use ratatui::style::{Color, Modifier, Style};

/// What a piece of the screen is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ink {
    /// Ordinary text.
    Plain,
    /// Of less weight: labels, hints, frames.
    Faint,
    /// Headings.
    Title,
    /// What the eye should find: keys, the active tab.
    Accent,
    /// All is well.
    Good,
    /// Take care.
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
    /// With colours, or with bold, reverse and underline only.
    pub fn new(mono: bool) -> Self {
        Self { mono }
    }
    /// Whether there are no colours.
    pub fn mono(self) -> bool {
        self.mono
    }

    /// The style of a purpose. The sixteen colours of the terminal's own palette: they fit any background.
    pub fn ink(self, ink: Ink) -> Style {
        let style = Style::new();
        if self.mono {
            return match ink {
                Ink::Plain | Ink::Faint | Ink::Skeleton | Ink::Good => style,
                Ink::Title | Ink::Accent | Ink::Warn => style.add_modifier(Modifier::BOLD),
                Ink::Bad => style.add_modifier(Modifier::BOLD | Modifier::UNDERLINED),
                Ink::Selected | Ink::Header => style.add_modifier(Modifier::REVERSED),
                Ink::Production => style.add_modifier(Modifier::REVERSED | Modifier::BOLD | Modifier::UNDERLINED),
            };
        }
        match ink {
            Ink::Plain => style,
            Ink::Faint | Ink::Skeleton => style.fg(Color::DarkGray),
            Ink::Title => style.add_modifier(Modifier::BOLD),
            Ink::Accent => style.fg(Color::Cyan),
            Ink::Good => style.fg(Color::Green),
            Ink::Warn => style.fg(Color::Yellow),
            Ink::Bad => style.fg(Color::LightRed).add_modifier(Modifier::BOLD),
            Ink::Selected => style.bg(Color::Indexed(24)).fg(Color::White),
            Ink::Header => style.bg(Color::Indexed(236)).fg(Color::Gray),
            Ink::Production => style.bg(Color::Indexed(88)).fg(Color::White),
        }
    }
}

/// Glyph, word and ink of an account's status.
pub fn user_status(status: Status) -> (&'static str, &'static str, Ink) {
    match status {
        Status::Unverified => ("○", "unverified", Ink::Faint),
        Status::Active => ("●", "active", Ink::Good),
        Status::Frozen => ("❄", "frozen", Ink::Warn),
        Status::Banned => ("✖", "banned", Ink::Bad),
        Status::Deleted => ("∅", "deleted", Ink::Faint),
    }
}

/// Glyph, word and ink of an identity check.
pub fn kyc_status(status: KycStatus) -> (&'static str, &'static str, Ink) {
    match status {
        KycStatus::None => ("·", "none", Ink::Faint),
        KycStatus::Pending => ("○", "pending", Ink::Plain),
        KycStatus::InReview => ("◐", "in review", Ink::Accent),
        KycStatus::Approved => ("✔", "approved", Ink::Good),
        KycStatus::Retry => ("↻", "retry", Ink::Warn),
        KycStatus::Rejected => ("✖", "rejected", Ink::Bad),
        KycStatus::Revoked => ("⊘", "revoked", Ink::Bad),
        KycStatus::Expired => ("◌", "expired", Ink::Warn),
    }
}

/// Glyph, word and ink of a job.
pub fn job_status(status: JobStatus) -> (&'static str, &'static str, Ink) {
    match status {
        JobStatus::Negotiating => ("○", "negotiating", Ink::Plain),
        JobStatus::Accepted => ("◐", "accepted", Ink::Accent),
        JobStatus::Completed => ("◕", "completed", Ink::Accent),
        JobStatus::Finalized => ("✔", "finalized", Ink::Good),
        JobStatus::Rejected => ("✖", "rejected", Ink::Warn),
        JobStatus::Cancelled => ("⊘", "cancelled", Ink::Warn),
    }
}

/// Glyph, word and ink of a thread.
pub fn thread_status(status: ThreadStatus) -> (&'static str, &'static str, Ink) {
    match status {
        ThreadStatus::Open => ("●", "open", Ink::Good),
        ThreadStatus::Closed => ("⊘", "closed", Ink::Warn),
    }
}

/// Glyph, word and ink of a review.
pub fn review_status(status: ReviewStatus) -> (&'static str, &'static str, Ink) {
    match status {
        ReviewStatus::Hidden => ("◌", "hidden", Ink::Faint),
        ReviewStatus::Published => ("●", "published", Ink::Good),
        ReviewStatus::Removed => ("✖", "removed", Ink::Bad),
    }
}

/// Ink of a role: staff stand out.
pub fn role(role: Role) -> Ink {
    if role.is_staff() { Ink::Accent } else { Ink::Plain }
}
