//! `marketplace man`.

use std::path::PathBuf;

use clap::Command;

use crate::{context::Context, failure::Outcome};

/// Where to.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Write a page for every command into this folder; without one, the first page goes to stdout
    pub folder: Option<PathBuf>,
}

/// Writes the pages of a program.
pub fn run(args: &Args, program: Command, context: &Context) -> Outcome {
    let Some(folder) = &args.folder else {
        let mut page = Vec::new();
        clap_mangen::Man::new(program).render(&mut page)?;
        return context.out.write(&page);
    };
    std::fs::create_dir_all(folder)?;
    clap_mangen::generate_to(program, folder)?;
    context.out.note(&format!("the pages are in {}", folder.display()));
    Ok(())
}
