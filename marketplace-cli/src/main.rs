//! The binary `marketplace`; everything is in the library, where tests reach it.

#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    marketplace_cli::main()
}
