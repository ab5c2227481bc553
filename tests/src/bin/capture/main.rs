//! Makes the picture of the console in the README from a real one: runs `marketplace demo` in a pseudo-terminal, types
//! keys, and writes what the screen shows as SVG.
//!
//! `cargo run -p marketplace-tests --bin capture -- docs/console.svg 2 n` (the keys select the screen)

mod svg;

use std::{path::PathBuf, process::Command, thread, time::Duration};

use anyhow::{Context, Result};
use clap::Parser;
use marketplace_tests::{binaries, server::isolate, terminal::Terminal};

/// Runs the demo and writes what it shows as SVG.
#[derive(Debug, Parser)]
struct Arguments {
    /// Where the picture goes.
    file: PathBuf,
    /// Keys to type first, one argument after another; `enter` and `esc` by name.
    keys: Vec<String>,
    /// Columns.
    #[arg(long, default_value_t = 120)]
    columns: u16,
    /// Rows.
    #[arg(long, default_value_t = 36)]
    rows: u16,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let home = tempfile::tempdir()?;
    let mut command = Command::new(binaries::cli());
    isolate(&mut command);
    command.arg("demo").current_dir(home.path()).env("HOME", home.path());
    let environment = [("MARKETPLACE_IMAGES", "halfblocks"), ("COLORTERM", "truecolor")];
    let mut terminal = Terminal::run(&command, arguments.columns, arguments.rows, &environment);
    terminal.wait_within("the console", Duration::from_secs(400), |screen| screen.contains("quit"));
    settle(&terminal);
    for key in &arguments.keys {
        terminal.keys(match key.as_str() {
            "enter" => "\r",
            "esc" => "\x1b",
            other => other,
        });
        settle(&terminal);
    }
    let picture = svg::draw(&terminal.screen());
    if let Some(folder) = arguments.file.parent() {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::write(&arguments.file, picture).with_context(|| arguments.file.display().to_string())?;
    terminal.keys("q");
    Ok(())
}

/// Waits until the screen has not changed for a while: loads are done, pictures are drawn.
fn settle(terminal: &Terminal) {
    let mut before = String::new();
    for _ in 0..20 {
        thread::sleep(Duration::from_millis(700));
        let now = terminal.text();
        if now == before {
            return;
        }
        before = now;
    }
}
