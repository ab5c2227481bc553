//! `marketplace completions`.

use clap::CommandFactory;
use clap_complete::Shell;

use super::Cli;
use crate::{context::Context, failure::Outcome};

/// Which shell.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The shell
    pub shell: Shell,
}

/// Prints the script.
pub fn run(args: &Args, context: &Context) -> Outcome {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "marketplace", &mut script);
    context.out.write(&script)
}
