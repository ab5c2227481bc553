//! One table of everything that can be done: it makes dispatch, footer, help and the `:` commands.
//!
//! To add an action: a variant of [`Action`], a row of [`TABLE`], and the handling in the screen's `action`.

use std::{collections::BTreeMap, fmt, str::FromStr};

use anyhow::{Context, bail};
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use marketplace_core::base::permission::Permission;

/// Where an action is there.
pub mod on {
    /// The dashboard.
    pub const DASH: u8 = 1;
    /// Identity checks.
    pub const KYC: u8 = 2;
    /// Users.
    pub const USERS: u8 = 4;
    /// The audit log.
    pub const AUDIT: u8 = 8;
    /// Jobs.
    pub const JOBS: u8 = 16;
    /// Threads.
    pub const THREADS: u8 = 32;
    /// Reviews.
    pub const REVIEWS: u8 = 64;
    /// What two people have with each other.
    pub const PAIRS: u8 = JOBS | THREADS | REVIEWS;
    /// Screens whose rows can be marked.
    pub const MARKS: u8 = KYC | USERS | PAIRS;
    /// Screens that are lists.
    pub const LISTS: u8 = MARKS | AUDIT;
    /// Everywhere.
    pub const ALL: u8 = DASH | LISTS;
}

macro_rules! actions {
    ($($variant:ident, $name:literal, $keys:literal, $on:expr, $label:literal, $rank:literal, $needs:expr, $help:literal;)+) => {
        /// Something that can be done.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Action { $($variant),+ }

        /// Name, default keys, screens, footer label, footer rank (0: not in the footer; low ones stay longest when
        /// there is little room), permission needed to change something, help.
        pub const TABLE: &[Spec] = &[$(Spec {
            action: Action::$variant, name: $name, keys: $keys, on: $on, label: $label, rank: $rank, needs: $needs, help: $help,
        }),+];
    };
}

use Permission::{JobsWrite, KycWrite, ReviewsWrite, ThreadsWrite, UsersAdmin, UsersReveal, UsersWrite};
actions! {
    Approve, "approve", "a", on::KYC, "approve", 1, Some(KycWrite), "Approve the open case (or the marked ones)";
    Retry, "retry", "t", on::KYC, "ask again", 2, Some(KycWrite), "Ask for another attempt: reasons, comment";
    Reject, "reject", "x", on::KYC, "reject", 3, Some(KycWrite), "Reject for good: reasons, comment";
    Next, "next", "n", on::KYC, "next", 4, Some(KycWrite), "Claim and open the next case, give this one back";
    Undo, "undo", "u", on::KYC, "undo", 5, Some(KycWrite), "Take the latest decision back, within 10 s";
    Revoke, "revoke", "v", on::KYC, "revoke", 0, Some(KycWrite), "Take an approval back: reasons, comment";
    Zoom, "zoom", "z", on::KYC, "zoom", 6, None, "Document large, selfie large, both";
    Rotate, "rotate", "r", on::KYC, "rotate", 7, None, "Rotate the picture by a quarter turn";
    ZoomIn, "zoom-in", "+ =", on::KYC, "closer", 0, None, "Closer; arrows move the picture then";
    ZoomOut, "zoom-out", "-", on::KYC, "farther", 0, None, "Farther";
    Outside, "outside", "o", on::KYC, "outside", 8, None, "Open the file in the desktop's viewer (audited)";
    Freeze, "freeze", "f", on::USERS, "freeze", 1, Some(UsersWrite), "Freeze: no new work; reason, note";
    Unfreeze, "unfreeze", "F", on::USERS, "unfreeze", 2, Some(UsersWrite), "Lift a freeze";
    Ban, "ban", "b", on::USERS, "ban", 3, Some(UsersAdmin), "Ban: no log-in, sessions end; reason, note";
    Unban, "unban", "B", on::USERS, "unban", 4, Some(UsersAdmin), "Lift a ban";
    Comment, "note", "c", on::USERS, "note", 5, Some(UsersWrite), "Write a staff note";
    Sessions, "revoke-sessions", "S", on::USERS, "end sessions", 7, Some(UsersWrite), "End every session";
    Role, "role", "m", on::USERS, "role", 8, Some(UsersAdmin), "Change the role";
    Delete, "delete", "D", on::USERS, "delete", 9, Some(UsersAdmin), "Erase the account's personal data for good";
    Cancel, "cancel", "x", on::JOBS, "cancel", 1, Some(JobsWrite), "Call the job off: reason, note";
    Finalize, "finalize", "f", on::JOBS, "finalize", 2, Some(JobsWrite), "End a completed job well, in the client's place";
    RemoveMessage, "remove-message", "d", on::THREADS, "remove message", 2, Some(ThreadsWrite), "Take the message (or the marked ones) from the two's view";
    Notice, "notice", "N", on::THREADS, "post notice", 3, Some(ThreadsWrite), "Post a notice that the two see";
    Close, "close", "C", on::THREADS, "close thread", 4, Some(ThreadsWrite), "Close the thread: no more messages; reason, note";
    Reopen, "reopen", "O", on::THREADS, "reopen", 5, Some(ThreadsWrite), "Let the thread take messages again";
    Dismiss, "dismiss", "a", on::REVIEWS, "dismiss flags", 1, Some(ReviewsWrite), "Its flags mean nothing: the review stays";
    Remove, "remove", "d", on::REVIEWS, "remove", 2, Some(ReviewsWrite), "Take the review away: reason, note";
    Restore, "restore", "D", on::REVIEWS, "restore", 3, Some(ReviewsWrite), "Show a removed review again";
    Follow, "follow", "L", on::AUDIT | on::THREADS, "follow", 9, None, "Keep to the newest row, or stop that";
    Open, "open", "enter", on::ALL, "open", 10, None, "Open the row (a KYC case is claimed; a thread asks why)";
    Back, "back", "esc", on::ALL, "back", 0, None, "Close, clear marks or filter, go back along the jumps";
    Reveal, "reveal", "R", on::KYC | on::USERS | on::THREADS, "reveal", 11, Some(UsersReveal), "Show what is masked for 30 s (personal data: audited)";
    Jump, "jump", "J", on::ALL, "jump", 12, None, "To the person, their KYC, jobs, threads, reviews, audit rows";
    GoUser, "go-user", "U", on::KYC | on::AUDIT | on::DASH, "user", 12, None, "The user of this row";
    GoWorker, "go-worker", "w", on::PAIRS, "worker", 12, None, "The worker's account";
    GoClient, "go-client", "c", on::PAIRS, "client", 12, None, "The client's account";
    GoThreads, "go-threads", "t", on::USERS | on::JOBS | on::REVIEWS, "thread", 13, None, "The thread, or the person's threads";
    GoReviews, "go-reviews", "v", on::USERS | on::JOBS | on::THREADS, "reviews", 13, None, "Reviews about the person";
    GoKyc, "go-kyc", "K", on::ALL & !on::KYC, "KYC", 14, None, "The identity checks of this row's user";
    GoAudit, "go-audit", "A", on::MARKS, "audit", 14, None, "What the audit log says of this row";
    Repeat, "repeat", ".", on::MARKS, "repeat", 0, None, "The last action once more, on the next row";
    Mark, "mark", "space", on::MARKS, "mark", 14, None, "Mark the row";
    MarkRange, "mark-range", "V", on::MARKS, "mark range", 0, None, "Mark from here: move, V again ends it";
    MarkAll, "mark-all", "*", on::MARKS, "mark all", 0, None, "Mark all that match the filter, or none";
    Failures, "failures", "e", on::ALL, "failures", 0, None, "What failed in the latest bulk action";
    Filter, "filter", "/", on::LISTS, "filter", 15, None, "Filter as you type: status:banned role:worker ada";
    Command, "command", ":", on::ALL, "go", 16, None, "Run a command by its name; `jobs status:accepted`, `thread <id>`";
    Help, "help", "?", on::ALL, "help", 17, None, "This help";
    Quit, "quit", "q ctrl-c", on::ALL, "quit", 18, None, "Quit; claims are given back";
    Dash, "dashboard", "1", on::ALL, "dashboard", 0, None, "Dashboard";
    Kyc, "kyc", "2", on::ALL, "KYC", 0, None, "KYC queue";
    Users, "users", "3", on::ALL, "users", 0, None, "Users";
    Jobs, "jobs", "4", on::ALL, "jobs", 0, None, "Jobs";
    Threads, "threads", "5", on::ALL, "threads", 0, None, "Threads";
    Reviews, "reviews", "6", on::ALL, "reviews", 0, None, "Reviews";
    Audit, "audit", "7", on::ALL, "audit log", 0, None, "Audit log";
    Down, "down", "j down", on::ALL, "down", 0, None, "One row down";
    Up, "up", "k up", on::ALL, "up", 0, None, "One row up";
    PageDown, "page-down", "ctrl-d pagedown", on::ALL, "page down", 0, None, "Half a page down";
    PageUp, "page-up", "ctrl-u pageup", on::ALL, "page up", 0, None, "Half a page up";
    Top, "top", "g home", on::ALL, "top", 0, None, "First row";
    Bottom, "bottom", "G end", on::ALL, "bottom", 0, None, "Last row that is loaded; again to load more";
    Left, "left", "h left", on::MARKS, "list", 0, None, "To the list";
    Right, "right", "l right", on::MARKS, "detail", 0, None, "To the detail";
    Focus, "focus", "tab", on::MARKS, "other pane", 0, None, "Between list and detail";
    CopyId, "copy-id", "y", on::LISTS, "copy id", 0, None, "Copy the row's id";
    CopyRow, "copy-row", "Y", on::LISTS, "copy row", 0, None, "Copy the row as JSON";
    ShowCli, "cli", "!", on::ALL, "as command", 0, None, "The command that does the same as this screen";
    ExactTimes, "exact-times", "i", on::ALL, "exact times", 0, None, "Exact times, or relative ones";
    ErrorDetail, "error", "E", on::ALL, "error detail", 0, None, "All that is known of the latest error";
    Reload, "reload", "ctrl-r f5", on::ALL, "reload", 0, None, "Load again";
    Redraw, "redraw", "ctrl-l", on::ALL, "redraw", 0, None, "Draw the whole screen again";
    Suspend, "suspend", "ctrl-z", on::ALL, "suspend", 0, None, "Back to the shell; `fg` returns";
}

/// The screens, in the order of their tabs.
pub const TABS: [(Action, &str); 7] = [
    (Action::Dash, "Dash"),
    (Action::Kyc, "KYC"),
    (Action::Users, "Users"),
    (Action::Jobs, "Jobs"),
    (Action::Threads, "Threads"),
    (Action::Reviews, "Reviews"),
    (Action::Audit, "Audit"),
];

static FALLBACK: Spec =
    Spec { action: Action::Redraw, name: "redraw", keys: "", on: on::ALL, label: "", rank: 0, needs: None, help: "" };

/// A row of [`TABLE`].
#[derive(Debug)]
pub struct Spec {
    /// What.
    pub action: Action,
    /// Its name in the config and in the command bar.
    pub name: &'static str,
    /// Keys unless rebound, apart by blanks.
    pub keys: &'static str,
    /// Screens, a set of [`on`].
    pub on: u8,
    /// In the footer.
    pub label: &'static str,
    /// Place in the footer.
    pub rank: u8,
    /// What the role must allow.
    pub needs: Option<Permission>,
    /// One line of help.
    pub help: &'static str,
}

impl Action {
    /// Its row.
    pub fn spec(self) -> &'static Spec {
        // Every variant has a row: the macro writes both.
        TABLE.iter().find(|spec| spec.action == self).unwrap_or(&FALLBACK)
    }
    /// Whether it changes something, rather than shows it.
    pub fn writes(self) -> bool {
        matches!(self.spec().needs, Some(KycWrite | UsersWrite | UsersAdmin | JobsWrite | ThreadsWrite | ReviewsWrite))
    }
}

/// A key with its modifiers, in one form however the terminal reports it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key {
    code: KeyCode,
    modifiers: KeyModifiers,
}

impl From<KeyEvent> for Key {
    fn from(event: KeyEvent) -> Self {
        let mut modifiers = event.modifiers & (KeyModifiers::CONTROL | KeyModifiers::ALT | KeyModifiers::SHIFT);
        // A character says by itself whether Shift was held.
        if matches!(event.code, KeyCode::Char(_) | KeyCode::BackTab) {
            modifiers -= KeyModifiers::SHIFT;
        }
        Self { code: event.code, modifiers }
    }
}

const NAMED: &[(&str, &str, KeyCode)] = &[
    ("enter", "Enter", KeyCode::Enter),
    ("esc", "Esc", KeyCode::Esc),
    ("tab", "Tab", KeyCode::Tab),
    ("backtab", "⇧Tab", KeyCode::BackTab),
    ("space", "Space", KeyCode::Char(' ')),
    ("up", "↑", KeyCode::Up),
    ("down", "↓", KeyCode::Down),
    ("left", "←", KeyCode::Left),
    ("right", "→", KeyCode::Right),
    ("pageup", "PgUp", KeyCode::PageUp),
    ("pagedown", "PgDn", KeyCode::PageDown),
    ("home", "Home", KeyCode::Home),
    ("end", "End", KeyCode::End),
    ("insert", "Ins", KeyCode::Insert),
    ("delete", "Del", KeyCode::Delete),
    ("backspace", "⌫", KeyCode::Backspace),
];

impl FromStr for Key {
    type Err = anyhow::Error;
    fn from_str(text: &str) -> anyhow::Result<Self> {
        let mut modifiers = KeyModifiers::NONE;
        let mut rest = text;
        loop {
            let lower = rest.to_ascii_lowercase();
            let (modifier, length) = if lower.starts_with("ctrl-") && rest.len() > 5 {
                (KeyModifiers::CONTROL, 5)
            } else if lower.starts_with("alt-") && rest.len() > 4 {
                (KeyModifiers::ALT, 4)
            } else if lower.starts_with("shift-") && rest.len() > 6 {
                (KeyModifiers::SHIFT, 6)
            } else {
                break;
            };
            modifiers |= modifier;
            rest = rest.get(length..).unwrap_or("");
        }
        let mut chars = rest.chars();
        let lower = rest.to_ascii_lowercase();
        let code = if let (Some(one), None) = (chars.next(), chars.next()) {
            KeyCode::Char(one)
        } else if let Some((_, _, code)) = NAMED.iter().find(|(name, ..)| *name == lower) {
            *code
        } else if let Some(number) = lower.strip_prefix('f').and_then(|number| number.parse::<u8>().ok())
            && (1..=12).contains(&number)
        {
            KeyCode::F(number)
        } else {
            bail!("`{text}` is no key: write one character, ctrl-x, alt-x, f1 to f12, or one of {}", names());
        };
        if modifiers.contains(KeyModifiers::SHIFT) && matches!(code, KeyCode::Char(_)) {
            bail!("`{text}`: write the character that Shift makes instead, such as `X`");
        }
        Ok(Self { code, modifiers })
    }
}

fn names() -> String {
    NAMED.iter().map(|(name, ..)| *name).collect::<Vec<_>>().join(", ")
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.modifiers.contains(KeyModifiers::CONTROL) {
            f.write_str("^")?;
        }
        if self.modifiers.contains(KeyModifiers::ALT) {
            f.write_str("M-")?;
        }
        if self.modifiers.contains(KeyModifiers::SHIFT) {
            f.write_str("⇧")?;
        }
        match (NAMED.iter().find(|(.., code)| *code == self.code), self.code) {
            (Some((_, shown, _)), _) => f.write_str(shown),
            (None, KeyCode::Char(c)) => write!(f, "{c}"),
            (None, KeyCode::F(number)) => write!(f, "F{number}"),
            (None, other) => write!(f, "{other:?}"),
        }
    }
}

/// Which keys do what.
#[derive(Debug, Clone)]
pub struct Keymap(Vec<(&'static Spec, Vec<Key>)>);

impl Keymap {
    /// The defaults, with what the user rebound: action name → keys, apart by blanks.
    pub fn new(rebound: &BTreeMap<String, String>) -> anyhow::Result<Self> {
        for name in rebound.keys() {
            if !TABLE.iter().any(|spec| spec.name == name) {
                let all: Vec<_> = TABLE.iter().map(|spec| spec.name).collect();
                bail!("keys.{name}: there is no such action; there are {}", all.join(", "));
            }
        }
        let mut rows: Vec<(&'static Spec, Vec<Key>)> = Vec::with_capacity(TABLE.len());
        for spec in TABLE {
            let text = rebound.get(spec.name).map_or(spec.keys, String::as_str);
            let keys = text
                .split_whitespace()
                .map(str::parse)
                .collect::<anyhow::Result<Vec<Key>>>()
                .with_context(|| format!("keys.{}", spec.name))?;
            if keys.is_empty() {
                bail!("keys.{}: needs at least one key", spec.name);
            }
            for (other, taken) in &rows {
                if other.on & spec.on != 0
                    && let Some(key) = keys.iter().find(|key| taken.contains(key))
                {
                    bail!("keys.{}: `{key}` is already the key of `{}` on the same screen", spec.name, other.name);
                }
            }
            rows.push((spec, keys));
        }
        Ok(Self(rows))
    }

    /// What a key does on a screen.
    pub fn find(&self, key: Key, screen: u8) -> Option<Action> {
        self.0.iter().find(|(spec, keys)| spec.on & screen != 0 && keys.contains(&key)).map(|(spec, _)| spec.action)
    }

    /// The first key of an action, as shown.
    pub fn key(&self, action: Action) -> String {
        self.0
            .iter()
            .find(|(spec, _)| spec.action == action)
            .and_then(|(_, keys)| keys.first())
            .map_or_else(String::new, ToString::to_string)
    }

    /// Every action of a screen with its keys, as shown.
    pub fn of(&self, screen: u8) -> impl Iterator<Item = (&'static Spec, String)> + '_ {
        self.0
            .iter()
            .filter(move |(spec, _)| spec.on & screen != 0)
            .map(|(spec, keys)| (*spec, keys.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rebound(name: &str, keys: &str) -> anyhow::Result<Keymap> {
        Keymap::new(&BTreeMap::from([(name.to_owned(), keys.to_owned())]))
    }

    #[test]
    fn the_defaults_do_not_collide() {
        let keymap = Keymap::new(&BTreeMap::new()).unwrap();
        assert_eq!(keymap.find("a".parse().unwrap(), on::KYC), Some(Action::Approve));
        assert_eq!(keymap.find("a".parse().unwrap(), on::USERS), None);
        assert_eq!(keymap.find("ctrl-c".parse().unwrap(), on::DASH), Some(Action::Quit));
    }

    #[test]
    fn keys_are_rebound_and_the_old_ones_go() {
        let keymap = rebound("approve", "ctrl-y f2").unwrap();
        assert_eq!(keymap.find("ctrl-y".parse().unwrap(), on::KYC), Some(Action::Approve));
        assert_eq!(keymap.find("a".parse().unwrap(), on::KYC), None);
        assert_eq!(keymap.key(Action::Approve), "^y");
    }

    #[test]
    fn bad_bindings_are_named() {
        assert!(rebound("aprove", "a").unwrap_err().to_string().contains("no such action"));
        assert!(format!("{:#}", rebound("approve", "hyper-a").unwrap_err()).contains("keys.approve"));
        assert!(rebound("approve", "x").unwrap_err().to_string().contains("`approve`"));
        assert!(rebound("approve", "").is_err());
        // The same key on different screens is fine.
        assert!(rebound("approve", "f").is_ok());
    }
}
