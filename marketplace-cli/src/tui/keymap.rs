//! All actions, their keys, and the screens that have them; the source of dispatch, tabs, footer, help and the `:`
//! commands.
//!
//! To add an action: a row in its screen's `actions!` (or here, when several screens have it), and its handling in the
//! screen's `action`.

use std::{collections::BTreeMap, fmt, str::FromStr};

use anyhow::{Context, bail};
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use marketplace_core::base::permission::Permission;

/// An action: its row in the help, the footer and the command bar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Action(&'static Spec);

/// The specification of an action.
#[derive(Debug, PartialEq, Eq)]
pub struct Spec {
    /// Its name in the configuration and in the command bar.
    pub name: &'static str,
    /// Its default keys, separated by blanks.
    pub keys: &'static str,
    /// Its label in the footer.
    pub label: &'static str,
    /// Its rank in the footer (0: not shown; the lowest remain longest when there is little room).
    pub rank: u8,
    /// The permission that it requires.
    pub needs: Option<Permission>,
    /// One line of help.
    pub help: &'static str,
}

impl Action {
    /// Creates the action of a specification.
    pub const fn new(spec: &'static Spec) -> Self {
        Self(spec)
    }
    /// Returns whether it decides something, now or after a question: a held key must not repeat it.
    pub fn decides(self) -> bool {
        self.writes() || self == Self::REPEAT
    }
    /// Returns whether it changes something rather than shows it.
    pub fn writes(self) -> bool {
        self.needs.is_some_and(|needed| needed != Permission::UsersReveal)
    }
}

impl std::ops::Deref for Action {
    type Target = Spec;
    fn deref(&self) -> &Spec {
        self.0
    }
}

/// Declares the actions that only one screen has: name, keys, footer label, footer rank, required permission, help.
/// `ACTIONS` is all of them, in the order of the help.
macro_rules! actions {
    ($($constant:ident, $name:literal, $keys:literal, $label:literal, $rank:literal, $needs:expr, $help:literal;)*) => {
        $(const $constant: $crate::tui::keymap::Action = $crate::tui::keymap::Action::new(&$crate::tui::keymap::Spec {
            name: $name, keys: $keys, label: $label, rank: $rank, needs: $needs, help: $help,
        });)*
        const ACTIONS: &[$crate::tui::keymap::Action] = &[$($constant),*];
    };
}
pub(super) use actions;

/// The screens that share an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scope {
    /// All screens.
    All,
    /// Screens that are lists.
    Lists,
    /// Screens whose rows can be marked.
    Marks,
    /// Screens that list it.
    Chosen,
}

macro_rules! shared {
    ($table:ident: $($constant:ident, $name:literal, $keys:literal, $scope:ident, $label:literal, $rank:literal, $needs:expr, $help:literal;)+) => {
        impl Action {
            $(#[doc = $help]
            pub const $constant: Self = Self(&Spec {
                name: $name, keys: $keys, label: $label, rank: $rank, needs: $needs, help: $help,
            });)+
        }
        const $table: &[(Action, Scope)] = &[$((Action::$constant, Scope::$scope)),+];
    };
}

shared! {
    WORK:
    FOLLOW, "follow", "L", Chosen, "follow", 9, None, "Keep to the newest row, or stop that";
    OPEN, "open", "enter", All, "open", 10, None, "Open the row (a KYC case is claimed; a thread asks why)";
    BACK, "back", "esc", All, "back", 0, None, "Close, clear marks or filter, go back along the jumps";
    REVEAL, "reveal", "R", Chosen, "reveal", 11, Some(Permission::UsersReveal), "Show what is masked for 30 s (personal data: audited)";
    JUMP, "jump", "J", All, "jump", 12, None, "To the person, their KYC, jobs, threads, reviews, audit rows";
    GO_USER, "go-user", "U", Chosen, "user", 12, None, "The user of this row";
    GO_WORKER, "go-worker", "w", Chosen, "worker", 12, None, "The worker's account";
    GO_CLIENT, "go-client", "c", Chosen, "client", 12, None, "The client's account";
    GO_THREADS, "go-threads", "t", Chosen, "thread", 13, None, "The thread, or the person's threads";
    GO_REVIEWS, "go-reviews", "v", Chosen, "reviews", 13, None, "Reviews about the person";
    GO_KYC, "go-kyc", "K", Chosen, "KYC", 14, None, "The identity checks of this row's user";
    ZOOM, "zoom", "z", Chosen, "zoom", 6, None, "One picture large, the next one, all as before";
    ROTATE, "rotate", "r", Chosen, "rotate", 7, None, "Rotate the picture by a quarter turn";
    ZOOM_IN, "zoom-in", "+ =", Chosen, "closer", 0, None, "Closer; arrows move the picture then";
    ZOOM_OUT, "zoom-out", "-", Chosen, "farther", 0, None, "Farther";
    PHOTO_NEXT, "next-photo", "]", Chosen, "next photo", 6, None, "The next photo";
    PHOTO_BACK, "photo-before", "[", Chosen, "photo before", 0, None, "The photo before";
    OUTSIDE, "outside", "o", Chosen, "outside", 8, None, "Open the picture in the desktop's viewer (documents: audited)";
    GO_AUDIT, "go-audit", "A", Marks, "audit", 14, None, "What the audit log says of this row";
    REPEAT, "repeat", ".", Marks, "repeat", 0, None, "The last action once more, on the next row";
    MARK, "mark", "space", Marks, "mark", 14, None, "Mark the row";
    MARK_RANGE, "mark-range", "V", Marks, "mark range", 0, None, "Mark from here: move, V again ends it";
    MARK_ALL, "mark-all", "*", Marks, "mark all", 0, None, "Mark all that match the filter, or none";
    FAILURES, "failures", "e", All, "failures", 0, None, "What failed in the latest bulk action";
    FILTER, "filter", "/", Lists, "filter", 15, None, "Filter as you type: status:banned role:worker ada";
    COMMAND, "command", ":", All, "go", 16, None, "Run a command by its name; `jobs status:accepted`, `thread <id>`";
    HELP, "help", "?", All, "help", 17, None, "This help";
    QUIT, "quit", "q ctrl-c", All, "quit", 18, None, "Quit; claims are given back";
}
shared! {
    BASICS:
    DOWN, "down", "j down", All, "down", 0, None, "One row down";
    UP, "up", "k up", All, "up", 0, None, "One row up";
    PAGE_DOWN, "page-down", "ctrl-d pagedown", All, "page down", 0, None, "Half a page down";
    PAGE_UP, "page-up", "ctrl-u pageup", All, "page up", 0, None, "Half a page up";
    TOP, "top", "g home", All, "top", 0, None, "First row";
    BOTTOM, "bottom", "G end", All, "bottom", 0, None, "Last row that is loaded; again to load more";
    LEFT, "left", "h left", Marks, "list", 0, None, "To the list";
    RIGHT, "right", "l right", Marks, "detail", 0, None, "To the detail";
    FOCUS, "focus", "tab", Marks, "other pane", 0, None, "Between list and detail";
    SORT, "sort", ">", Lists, "sort", 0, None, "Sort by the next column, at last as the system does";
    REVERSE, "reverse", "<", Lists, "reverse", 0, None, "Sort the other way round";
    COLUMNS, "columns", "|", Lists, "columns", 0, None, "Choose the columns of the list";
    COPY_ID, "copy-id", "y", Lists, "copy id", 0, None, "Copy the row's id";
    COPY_ROW, "copy-row", "Y", Lists, "copy row", 0, None, "Copy the row as JSON";
    SHOW_CLI, "cli", "!", All, "as command", 0, None, "The command that does the same as this screen";
    EXACT_TIMES, "exact-times", "i", All, "exact times", 0, None, "Exact times, or relative ones";
    REPLY, "reply", "ctrl-t", All, "own text", 0, None, "While writing: insert one of your own texts";
    ERROR_DETAIL, "error", "E", All, "error detail", 0, None, "All that is known of the latest error";
    RELOAD, "reload", "ctrl-r f5", All, "reload", 0, None, "Load again";
    REDRAW, "redraw", "ctrl-l", All, "redraw", 0, None, "Draw the whole screen again";
    SUSPEND, "suspend", "ctrl-z", All, "suspend", 0, None, "Back to the shell; `fg` returns";
}

/// The kind of a screen's rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rows {
    /// No filtered list.
    None,
    /// A list.
    Listed,
    /// A list whose rows can be marked.
    Marked,
}

/// The description of a screen.
#[derive(Debug)]
pub struct ScreenInfo {
    /// The action that leads here; its name precedes a filter in the command bar.
    pub home: Action,
    /// The label of its tab.
    pub tab: &'static str,
    /// The title in the help: "On users".
    pub title: &'static str,
    /// The kind of its rows.
    pub rows: Rows,
    /// Actions that only this screen has.
    pub own: &'static [Action],
    /// Those of the shared optional actions that it has.
    pub chosen: &'static [Action],
    /// The word of the command bar that opens a row by its id, and its help.
    pub by_id: Option<(&'static str, &'static str)>,
}

impl ScreenInfo {
    fn has(&self, action: Action, scope: Scope) -> bool {
        match scope {
            Scope::All => true,
            Scope::Lists => self.rows != Rows::None,
            Scope::Marks => self.rows == Rows::Marked,
            Scope::Chosen => self.chosen.contains(&action),
        }
    }
}

/// A key with its modifiers, in one canonical form regardless of the terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key {
    code: KeyCode,
    modifiers: KeyModifiers,
}

impl From<KeyEvent> for Key {
    fn from(event: KeyEvent) -> Self {
        let mut modifiers = event.modifiers & (KeyModifiers::CONTROL | KeyModifiers::ALT | KeyModifiers::SHIFT);
        // A character itself shows whether Shift was held.
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

/// An action, its keys, and the screens where it exists.
#[derive(Debug, Clone)]
struct Binding {
    action: Action,
    keys: Vec<Key>,
    everywhere: bool,
    /// The homes of the screens that have it.
    homes: Vec<Action>,
}

impl Binding {
    fn is_on(&self, home: Action) -> bool {
        self.homes.contains(&home)
    }
    fn shown_keys(&self) -> String {
        self.keys.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    }
}

/// A row in a screen's help.
#[derive(Debug)]
pub struct HelpRow {
    /// The action.
    pub action: Action,
    /// Its keys, as shown.
    pub keys: String,
    /// Whether every screen has it.
    pub everywhere: bool,
}

/// The screens, and the action of each key on each of them.
#[derive(Debug, Clone)]
pub struct Keymap {
    screens: Vec<&'static ScreenInfo>,
    bindings: Vec<Binding>,
}

impl Keymap {
    /// Creates the default keymap of these screens, changed by the user's bindings: action name → keys, separated by
    /// blanks.
    pub fn new(screens: Vec<&'static ScreenInfo>, rebound: &BTreeMap<String, String>) -> anyhow::Result<Self> {
        let homes = |has: &dyn Fn(&ScreenInfo) -> bool| -> Vec<Action> {
            screens.iter().filter(|screen| has(screen)).map(|screen| screen.home).collect()
        };
        let shared = |&(action, scope): &(Action, Scope)| {
            (action, scope == Scope::All, homes(&|screen| screen.has(action, scope)))
        };
        let own = screens.iter().flat_map(|screen| screen.own.iter().map(|action| (*action, false, vec![screen.home])));
        let tabs = screens.iter().map(|screen| (screen.home, true, homes(&|_| true)));
        let rows: Vec<_> = own.chain(WORK.iter().map(shared)).chain(tabs).chain(BASICS.iter().map(shared)).collect();
        for name in rebound.keys() {
            if !rows.iter().any(|(action, ..)| action.name == name) {
                let all: Vec<_> = rows.iter().map(|(action, ..)| action.name).collect();
                bail!("keys.{name}: there is no such action; there are {}", all.join(", "));
            }
        }
        let mut bindings: Vec<Binding> = Vec::with_capacity(rows.len());
        for (action, everywhere, homes) in rows {
            let text = rebound.get(action.name).map_or(action.keys, String::as_str);
            let keys = text
                .split_whitespace()
                .map(str::parse)
                .collect::<anyhow::Result<Vec<Key>>>()
                .with_context(|| format!("keys.{}", action.name))?;
            if keys.is_empty() {
                bail!("keys.{}: needs at least one key", action.name);
            }
            for other in &bindings {
                if homes.iter().any(|home| other.is_on(*home))
                    && let Some(key) = keys.iter().find(|key| other.keys.contains(key))
                {
                    bail!(
                        "keys.{}: `{key}` is already the key of `{}` on the same screen",
                        action.name,
                        other.action.name
                    );
                }
            }
            bindings.push(Binding { action, keys, everywhere, homes });
        }
        Ok(Self { screens, bindings })
    }

    /// Checks bindings one by one: returns the name of the first that is not valid, and what is wrong with it.
    pub fn wrong(screens: &[&'static ScreenInfo], rebound: &BTreeMap<String, String>) -> Option<(String, String)> {
        let mut so_far = BTreeMap::new();
        rebound.iter().find_map(|(name, keys)| {
            so_far.insert(name.clone(), keys.clone());
            let error = Self::new(screens.to_vec(), &so_far).err()?;
            Some((name.clone(), format!("{error:#}")))
        })
    }

    /// Returns the screens, in the order of their tabs.
    pub fn screens(&self) -> impl Iterator<Item = &'static ScreenInfo> + '_ {
        self.screens.iter().copied()
    }

    /// Returns the action of a key on a screen.
    pub fn find(&self, key: Key, home: Action) -> Option<Action> {
        let found = self.bindings.iter().find(|binding| binding.keys.contains(&key) && binding.is_on(home));
        found.map(|binding| binding.action)
    }

    /// Returns the action of a name, on a screen or on any.
    pub fn named(&self, name: &str, home: Option<Action>) -> Option<Action> {
        let there = |binding: &&Binding| home.is_none_or(|home| binding.is_on(home));
        self.bindings.iter().filter(there).map(|binding| binding.action).find(|action| action.name == name)
    }

    /// Returns the first key of an action, as shown.
    pub fn key(&self, action: Action) -> String {
        let found = self.bindings.iter().find(|binding| binding.action == action);
        found.and_then(|binding| binding.keys.first()).map_or_else(String::new, ToString::to_string)
    }

    /// Returns every action of a screen, in the order of the help.
    pub fn of(&self, home: Action) -> impl Iterator<Item = HelpRow> + '_ {
        self.bindings.iter().filter(move |binding| binding.is_on(home)).map(|binding| HelpRow {
            action: binding.action,
            keys: binding.shown_keys(),
            everywhere: binding.everywhere,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::{
        super::screens::{self, dashboard::HOME as DASH, kyc::HOME as KYC, users::HOME as USERS},
        *,
    };

    fn name(keymap: &Keymap, key: &str, home: Action) -> Option<&'static str> {
        keymap.find(key.parse().unwrap(), home).map(|action| action.name)
    }

    fn rebound(name: &str, keys: &str) -> anyhow::Result<Keymap> {
        Keymap::new(screens::infos(), &BTreeMap::from([(name.to_owned(), keys.to_owned())]))
    }

    #[test]
    fn the_defaults_do_not_collide() {
        let keymap = Keymap::new(screens::infos(), &BTreeMap::new()).unwrap();
        assert_eq!(name(&keymap, "a", KYC), Some("approve"));
        assert_eq!(name(&keymap, "a", USERS), None);
        assert_eq!(name(&keymap, "ctrl-c", DASH), Some("quit"));
    }

    #[test]
    fn no_two_actions_have_one_name() {
        let keymap = Keymap::new(screens::infos(), &BTreeMap::new()).unwrap();
        let mut names: Vec<_> = keymap.bindings.iter().map(|binding| binding.action.name).collect();
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all);
    }

    #[test]
    fn keys_are_rebound_and_the_old_ones_go() {
        let keymap = rebound("approve", "ctrl-y f2").unwrap();
        assert_eq!(name(&keymap, "ctrl-y", KYC), Some("approve"));
        assert_eq!(name(&keymap, "a", KYC), None);
        let approve = keymap.of(KYC).find(|row| row.action.name == "approve").unwrap();
        assert_eq!((keymap.key(approve.action), approve.keys), ("^y".to_owned(), "^y F2".to_owned()));
    }

    /// Returns the table of all actions as the documentation has it.
    fn documented(keymap: &Keymap) -> String {
        let mut out = String::new();
        let cell = |text: &str| text.replace('|', "\\|");
        let mut table = |title: &str, rows: &[&Binding]| {
            let _ = write!(out, "\n### {title}\n\n| name | keys | what it does | needs |\n|---|---|---|---|\n");
            for Binding { action, .. } in rows {
                let keys: Vec<_> = action.keys.split_whitespace().map(|key| format!("`{}`", cell(key))).collect();
                let needs = action.needs.map_or_else(String::new, |needed| format!("`{needed}`"));
                let _ = writeln!(out, "| `{}` | {} | {} | {needs} |", action.name, keys.join(" "), cell(action.help));
            }
        };
        let several = |binding: &&Binding| binding.homes.len() > 1;
        let everywhere: Vec<_> = keymap.bindings.iter().filter(several).collect();
        table("On several screens", &everywhere);
        for screen in keymap.screens() {
            let own = keymap.bindings.iter().filter(|binding| !several(binding) && binding.is_on(screen.home));
            let own: Vec<_> = own.collect();
            if !own.is_empty() {
                table(&format!("On {}", screen.title), &own);
            }
        }
        out
    }

    /// With `INSTA_UPDATE=always`, writes the table anew.
    #[test]
    fn the_documentation_lists_every_action() {
        const MARKS: [&str; 2] = ["<!-- actions: from the keymap -->\n", "<!-- end of actions -->"];
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/console.md");
        let text = std::fs::read_to_string(&path).unwrap();
        let (head, rest) = text.split_once(MARKS[0]).expect("a mark where the actions begin");
        let (listed, tail) = rest.split_once(MARKS[1]).expect("a mark where the actions end");
        let keymap = Keymap::new(screens::infos(), &BTreeMap::new()).unwrap();
        let wanted = format!("{}\n", documented(&keymap));
        if std::env::var("INSTA_UPDATE").is_ok_and(|update| update == "always") {
            std::fs::write(&path, [head, MARKS[0], &wanted, MARKS[1], tail].concat()).unwrap();
        } else {
            assert_eq!(listed, wanted, "docs/console.md is not what the keymap says: see the comment here");
        }
    }

    #[test]
    fn bad_bindings_are_named() {
        assert!(rebound("aprove", "a").unwrap_err().to_string().contains("no such action"));
        assert!(format!("{:#}", rebound("approve", "hyper-a").unwrap_err()).contains("keys.approve"));
        assert!(rebound("approve", "x").unwrap_err().to_string().contains("`approve`"));
        assert!(rebound("approve", "").is_err());
        // The same key may be used on different screens.
        assert!(rebound("approve", "f").is_ok());
    }
}
