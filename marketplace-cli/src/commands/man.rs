//! `marketplace man`.

use std::{
    ffi::OsString,
    io,
    path::{Path, PathBuf},
};

use clap::Command;
use marketplace_core::platform::new_file::{NewFile, require_free};

use crate::{
    context::Context,
    failure::{Failure, Outcome},
    files::private_temporary_folder,
};

/// What stands at the end of every page.
const COMMON: &str = include_str!("man_common.roff");

/// Where to.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Write a page for every command into this folder, replacing none; without one, the first page goes to stdout
    pub folder: Option<PathBuf>,
}

/// Returns what is wrong with something that is no folder: it may be meant as one that is to be made, or as a command.
fn no_folder(folder: &Path, program: &Command) -> Failure {
    let shown = folder.display();
    let name = folder.to_str().unwrap_or_default();
    if program.find_subcommand(name).is_some() {
        let hint = format!(
            "`marketplace {name} --help` describes it; `marketplace man FOLDER` writes a page for every command"
        );
        return Failure::usage(format!("{name} is a command, and `man` takes a folder for its pages"), hint);
    }
    let hint = format!(
        "for pages in a folder of this name, make it first: mkdir {shown}; `marketplace man` prints the first page, and \
         `marketplace --help` lists the commands"
    );
    Failure::usage(format!("{shown} is neither a folder that is there nor a command"), hint)
}

/// Writes the first page of a program, as `whole` describes it, or a page for each of its commands.
pub fn run(args: &Args, whole: Command, program: Command, context: &Context) -> Outcome {
    let Some(folder) = &args.folder else {
        let mut page = Vec::new();
        clap_mangen::Man::new(whole).render(&mut page)?;
        page.extend_from_slice(COMMON.as_bytes());
        return context.out.write(&page);
    };
    if !folder.is_dir() {
        return Err(no_folder(folder, &program));
    }
    let made = private_temporary_folder("marketplace-man-")?;
    clap_mangen::generate_to(program, made.path())?;
    let names = std::fs::read_dir(made.path())?.map(|page| Ok(page?.file_name()));
    let mut names: Vec<_> = names.collect::<io::Result<_>>()?;
    names.sort();
    for name in &names {
        require_free(&folder.join(name))?;
    }
    let write = |name: &OsString| -> Outcome {
        let mut page = std::fs::read(made.path().join(name))?;
        page.extend_from_slice(COMMON.as_bytes());
        NewFile::write_whole(&folder.join(name), &page)?;
        Ok(())
    };
    for (done, name) in names.iter().enumerate() {
        if let Err(failure) = write(name) {
            // All pages, or none: those that are there would be in the way of the next try.
            for written in names.iter().take(done) {
                let _ = std::fs::remove_file(folder.join(written));
            }
            return Err(failure);
        }
    }
    context.out.note(&format!("{} pages are in {}", names.len(), folder.display()));
    Ok(())
}
