//! Options that the console is started with.

use std::{collections::BTreeMap, path::PathBuf};

use super::replies::Reply;
use crate::profile::MacroText;

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
    /// How pictures are drawn: `auto`, `kitty`, `iterm2`, `sixel`, `octants`, `sextants`, `halfblocks`, `mono` or `off`. Without a value, the
    /// variable `MARKETPLACE_IMAGES` decides; without that, the terminal is queried.
    pub images: Option<String>,
    /// Where filters and columns are remembered; nowhere without a path.
    pub memory: Option<PathBuf>,
    /// How the console looks: `dark`, `light`, `contrast` or `16`.
    pub theme: Option<String>,
    /// Draws frames and signs in ASCII.
    pub ascii: bool,
    /// Shows exact times in the zone of this machine.
    pub local_time: bool,
    /// Begins where this system was left.
    pub resumes: bool,
    /// How somebody who does not look is told that something is urgent: `bell`, `osc9`, `osc777` or `off`.
    pub notify: Option<String>,
    /// Writes how much waits into the title of the terminal.
    pub title: bool,
    /// How old what waits may become, by its name: `4h`.
    pub targets: BTreeMap<String, String>,
    /// Own texts.
    pub replies: Vec<Reply>,
    /// Several acts on one key, by name.
    pub macros: BTreeMap<String, MacroText>,
    /// Where the session is recorded; nowhere without a path.
    pub record: Option<PathBuf>,
    /// Other keys: action → keys, separated by blanks.
    pub keys: BTreeMap<String, String>,
}
