//! Colours by meaning: good, warning, bad.

/// The visual meaning of a value. Never the only sign of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Tone {
    /// Neutral.
    #[default]
    Plain,
    /// All is well.
    Good,
    /// Waits for an action.
    Warn,
    /// Stopped, refused.
    Bad,
    /// Less important.
    Faint,
    /// A heading.
    Strong,
}

impl Tone {
    /// Applies the terminal's colours, if wanted.
    pub fn paint(self, text: &str, color: bool) -> String {
        let code = match self {
            Self::Good => "32",
            Self::Warn => "33",
            Self::Bad => "31",
            Self::Faint => "2",
            Self::Strong => "1",
            Self::Plain => return text.to_owned(),
        };
        if color { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
    /// Returns the tone of a status word, for any type of item.
    pub fn of(status: &str) -> Self {
        match status {
            "active" | "approved" | "changed" | "ok" | "accepted" | "finalized" | "open" | "published" => Self::Good,
            "pending" | "in_review" | "unverified" | "retry" | "frozen" | "warning" | "negotiating" | "completed"
            | "waiting" => Self::Warn,
            "banned" | "rejected" | "revoked" | "failed" | "expired" | "removed" => Self::Bad,
            "deleted" | "none" | "unchanged" | "cancelled" | "closed" | "hidden" => Self::Faint,
            _ => Self::Plain,
        }
    }
}
