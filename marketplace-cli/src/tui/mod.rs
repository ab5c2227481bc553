//! The console, which support staff keep open all day.
//!
//! | to read about | open |
//! |---|---|
//! | the loop, the terminal, signals | `run`, `terminal_query`, `wide_char_backend` |
//! | the routing of keys, results and ticks | `app`, `component` |
//! | which key does what | `keymap` |
//! | several acts on one key, own texts | `macros`, `replies` |
//! | one press, one act | `key_gate` |
//! | what has to be typed before an act | `confirmation` |
//! | background work and its results | `ctx`, `message` |
//! | protection against accidental changes | `write_guard`, `widgets/form` |
//! | connection state | `heartbeat` |
//! | filters, columns and places of earlier sessions | `memory` |
//! | bell, desktop, title | `notify`, `run` |
//! | names of colleagues, and who else is at work | `colleagues`, `presence` |
//! | long lists, filters, marks; the detail of a row | `browser/` |
//! | from a person to their jobs and back | `jump` |
//! | one action on many rows | `bulk` |
//! | pictures | `picture` |
//! | recordings, and what is never in them | `recorder`, `privacy` |
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
mod macros;
mod memory;
mod message;
mod notify;
mod options;
mod picture;
mod presence;
mod privacy;
mod recorder;
mod replies;
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

/// Returns the table and the name of the first setting that is not valid, and what is wrong with it.
pub fn wrong_setting(options: &Options) -> Option<(&'static str, String, String)> {
    let theme = theme::Theme::of(options).err();
    let notify = notify::Notify::named(options.notify.as_deref()).err();
    let images = options.images.as_deref().and_then(|images| picture::Images::named(images).err());
    keymap::Keymap::wrong(&screens::infos(), &options.keys)
        .map(|(name, why)| ("keys", name, why))
        .or_else(|| Some(("tui", "theme".into(), format!("tui.theme: {}", theme?))))
        .or_else(|| Some(("tui", "notify".into(), format!("tui.notify: {}", notify?))))
        .or_else(|| {
            let keymap = keymap::Keymap::new(screens::infos(), &options.keys).ok()?;
            let (name, why) = macros::Macros::new(&options.macros, &keymap).err()?;
            Some(("macros", name, why))
        })
        .or_else(|| screens::waits::wrong_target(&options.targets).map(|(name, why)| ("targets", name, why)))
        .or_else(|| Some(("tui", "images".into(), images?.to_string())))
}

pub use browser::{
    filter::{named_colleague, parse as parse_filter},
    listing::Listed,
};
pub use confirmation::of_action as confirmed_by;
pub use options::Options;
pub use replies::Reply;
pub use run::{End, run};
pub use screens::{kyc::Seek, waits::target};
pub use theme::NAMES as THEMES;
pub use write_guard::Gate;
