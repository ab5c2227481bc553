//! The marketplace for its staff: a command line and a console.

pub mod tui;
