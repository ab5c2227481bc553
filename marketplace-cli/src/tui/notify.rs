//! Tells somebody who does not look at the console that something is urgent: by the terminal's bell, or by the
//! desktop. What is told never names a person.

use super::text;

/// The ways, by name.
const NAMES: [&str; 4] = ["bell", "osc9", "osc777", "off"];

/// How it is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Notify {
    /// By the bell.
    Bell,
    /// By the desktop, as `iTerm2`, `WezTerm` and Windows Terminal understand it.
    Osc9,
    /// By the desktop, as urxvt, foot and Ghostty understand it.
    Osc777,
    /// Not at all.
    Off,
}

impl Notify {
    /// Returns the way of a name; the bell without one.
    ///
    /// # Errors
    /// Returns what is allowed instead.
    pub fn named(name: Option<&str>) -> Result<Self, String> {
        match name {
            None | Some("bell") => Ok(Self::Bell),
            Some("osc9") => Ok(Self::Osc9),
            Some("osc777") => Ok(Self::Osc777),
            Some("off") => Ok(Self::Off),
            Some(other) => Err(format!("`{other}` is no way to notify; there are {}", NAMES.join(", "))),
        }
    }

    /// Returns what the terminal is sent.
    pub fn sequence(self, said: &str) -> String {
        let said = text::pasted_line(said).replace(';', ",");
        match self {
            Self::Bell => "\u{7}".to_owned(),
            Self::Osc9 => format!("\u{1b}]9;{said}\u{1b}\\"),
            Self::Osc777 => format!("\u{1b}]777;notify;Marketplace;{said}\u{1b}\\"),
            Self::Off => String::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_cannot_steer_the_terminal() {
        let said = "4 wait; \u{1b}]0;x\u{7}now\n";
        assert_eq!(Notify::Osc9.sequence(said), "\u{1b}]9;4 wait, now\u{1b}\\");
        assert_eq!(Notify::named(None).unwrap().sequence(said), "\u{7}");
        assert_eq!(Notify::named(Some("off")).unwrap().sequence(said), "");
        assert!(Notify::named(Some("horn")).unwrap_err().contains("osc777"));
    }
}
