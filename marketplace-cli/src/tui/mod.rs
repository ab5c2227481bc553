//! The console: what a support person keeps open all day.
//!
//! | to read about | open |
//! |---|---|
//! | the loop, the terminal, signals | `run`, `probe`, `careful` |
//! | where keys, answers and time go | `app`, `component` |
//! | which key does what | `keymap` |
//! | background work and its answers | `ctx`, `message` |
//! | why nothing changes by accident | `guard`, `widgets/form` |
//! | connected or not | `link` |
//! | long lists, filters, marks | `paged`, `listing`, `filter` |
//! | a list beside a row in full | `browser` |
//! | from a person to their jobs and back | `jump` |
//! | one action on many rows | `bulk` |
//! | pictures | `picture` |
//! | a screen | `screens/` |
//!
//! Components never await. A key becomes an `keymap::Action`, the screen takes it and may start a load with
//! `ctx::Ctx::load`; the answer comes back as a `message::Message`, and is dropped when something newer was asked for.
//! Drawing only reads, apart from remembering layout.

mod app;
mod browser;
mod bulk;
mod careful;
mod component;
mod contact;
mod ctx;
mod filter;
mod guard;
mod jump;
mod keymap;
mod link;
mod listing;
mod message;
mod paged;
mod picture;
mod probe;
mod run;
mod screens;
mod text;
mod theme;
mod widgets;

#[cfg(test)]
mod fake;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, sync::Arc};

use marketplace_core::admin::AdminApi;

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

/// Runs the console until the user quits or the terminal goes away. Claims are given back, and the terminal is left as it
/// was, also after a panic, SIGTERM or SIGHUP.
///
/// # Errors
/// When standard input or output is no terminal, when `options` hold an unknown action, key or way to draw pictures, and
/// when the terminal cannot be written to.
pub async fn run(api: Arc<dyn AdminApi>, options: Options) -> anyhow::Result<()> {
    run::run(api, options).await
}
