//! Options that the console is started with.

use std::{collections::BTreeMap, path::PathBuf};

/// The options that the console is started with.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub struct Options {
    /// The name of the system, for the top line: `prod`, `demo`, a host.
    pub system: String,
    /// The kind of connection, for the top line: `db` or `api`.
    pub way: String,
    /// Whether this is a production system: the top line looks different then.
    pub production: bool,
    /// Refuses every change.
    pub read_only: bool,
    /// Bold, reverse and underline in place of colours (`NO_COLOR`).
    pub no_color: bool,
    /// Whether no other console of this person runs here: claims that are nobody's are then taken up again.
    pub alone: bool,
    /// How pictures are drawn: `auto`, `kitty`, `iterm2`, `sixel`, `halfblocks`, `mono` or `off`. Without a value, the
    /// variable `MARKETPLACE_IMAGES` decides; without that, the terminal is queried.
    pub images: Option<String>,
    /// Where filters and columns are remembered; nowhere without a path.
    pub memory: Option<PathBuf>,
    /// How the console looks: `dark`, `light`, `contrast` or `16`.
    pub theme: Option<String>,
    /// Draws frames and signs in ASCII.
    pub ascii: bool,
    /// Where the session is recorded; nowhere without a path.
    pub record: Option<PathBuf>,
    /// Other keys: action → keys, separated by blanks.
    pub keys: BTreeMap<String, String>,
}
