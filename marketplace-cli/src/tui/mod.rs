//! The console, which support staff keep open all day.
//!
//! | to read about | open |
//! |---|---|
//! | the loop, the terminal, signals | `run`, `terminal_query`, `wide_char_backend` |
//! | the routing of keys, results and ticks | `app`, `component` |
//! | which key does what | `keymap` |
//! | one press, one act | `key_gate` |
//! | what has to be typed before an act | `confirmation` |
//! | background work and its results | `ctx`, `message` |
//! | protection against accidental changes | `write_guard`, `widgets/form` |
//! | connection state | `heartbeat` |
//! | names of colleagues | `colleagues` |
//! | long lists, filters, marks; the detail of a row | `browser/` |
//! | from a person to their jobs and back | `jump` |
//! | one action on many rows | `bulk` |
//! | pictures | `picture` |
//! | a screen | `screens/` |
//!
//! Components never await. A key becomes a `keymap::Action`; the screen handles it and may start a load with
//! `ctx::Ctx::load`. The result arrives as a `message::Message`, which only the component that started the load can open,
//! and is dropped when something newer was requested. Answers to questions (`ctx::Ctx::ask`) arrive the same way. Drawing
//! only reads state, apart from remembering layout.

mod app;
mod browser;
mod bulk;
mod colleagues;
mod component;
mod confirmation;
mod contact_masking;
mod ctx;
mod heartbeat;
mod jump;
mod key_gate;
mod keymap;
mod message;
mod options;
mod picture;
mod run;
mod screens;
mod terminal_query;
mod text;
mod theme;
mod wide_char_backend;
mod widgets;
mod write_guard;

#[cfg(test)]
mod tests;

/// Returns the name of the first binding of a key that is not valid, and what is wrong with it.
pub fn wrong_key(keys: &std::collections::BTreeMap<String, String>) -> Option<(String, String)> {
    keymap::Keymap::wrong(&screens::infos(), keys)
}

pub use options::Options;
pub use run::run;
