//! Options that the console is started with.

use std::collections::BTreeMap;

/// How the console is started.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    /// The name of the system, for the top line: `prod`, `demo`, a host.
    pub system: String,
    /// The way in, for the top line: `db` or `api`.
    pub way: String,
    /// Whether mistakes would be real: the top line looks different then.
    pub production: bool,
    /// Refuses every change.
    pub read_only: bool,
    /// Bold, reverse and underline in place of colours (`NO_COLOR`).
    pub no_color: bool,
    /// How pictures are drawn: `auto`, `kitty`, `iterm2`, `sixel`, `halfblocks`, `mono` or `off`. Without a value, the
    /// variable `MARKETPLACE_IMAGES` decides; without that, the terminal is asked.
    pub images: Option<String>,
    /// Other keys: action → keys, apart by blanks.
    pub keys: BTreeMap<String, String>,
}
