//! `marketplace completions`.

use clap::Command;
use clap_complete::Shell;

use crate::{context::Context, failure::Outcome};

/// Which shell.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The shell
    pub shell: Shell,
}

/// Prints the script for a program.
pub fn run(args: &Args, mut program: Command, context: &Context) -> Outcome {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut program, "marketplace", &mut script);
    context.out.write(&script)
}
