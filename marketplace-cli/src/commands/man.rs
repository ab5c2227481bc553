//! `marketplace man`.

use std::path::PathBuf;

use clap::CommandFactory;

use super::Cli;
use crate::{context::Context, failure::Outcome};

/// Where to.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Write a page for every command into this folder; without one, the first page goes to stdout
    pub folder: Option<PathBuf>,
}

/// Writes the pages.
pub fn run(args: &Args, context: &Context) -> Outcome {
    let Some(folder) = &args.folder else {
        let mut page = Vec::new();
        clap_mangen::Man::new(Cli::command()).render(&mut page)?;
        return context.out.write(&page);
    };
    std::fs::create_dir_all(folder)?;
    clap_mangen::generate_to(Cli::command(), folder)?;
    context.out.note(&format!("the pages are in {}", folder.display()));
    Ok(())
}
