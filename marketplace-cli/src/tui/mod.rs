//! The console: what a support person keeps open all day.
//!
//! | to read about | open |
//! |---|---|
//! | the loop, the terminal, signals | `run`, `terminal_query`, `wide_char_backend` |
//! | where keys, answers and time go | `app`, `component` |
//! | which key does what | `keymap` |
//! | background work and its answers | `ctx`, `message` |
//! | why nothing changes by accident | `write_guard`, `widgets/form` |
//! | connected or not | `heartbeat` |
//! | long lists, filters, marks; a row in full beside them | `browser/` |
//! | from a person to their jobs and back | `jump` |
//! | one action on many rows | `bulk` |
//! | pictures | `picture` |
//! | a screen | `screens/` |
//!
//! Components never await. A key becomes an `keymap::Action`, the screen takes it and may start a load with
//! `ctx::Ctx::load`; the answer comes back as a `message::Message`, which only whoever asked can open, and is dropped when
//! something newer was asked for. Questions (`ctx::Ctx::ask`) come back the same way.
//! Drawing only reads, apart from remembering layout.

mod app;
mod browser;
mod bulk;
mod component;
mod contact_masking;
mod ctx;
mod heartbeat;
mod jump;
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
mod fake;
#[cfg(test)]
mod tests;

pub use options::Options;
pub use run::run;
