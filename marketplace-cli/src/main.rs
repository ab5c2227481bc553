//! The binary `marketplace`; all code is in the library, where tests can reach it.

#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    marketplace_cli::main()
}
