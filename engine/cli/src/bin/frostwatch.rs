//! The program; what it does is in the library beside it, so that its readers of files can be fuzzed.

use std::process::ExitCode;

fn main() -> ExitCode {
    frostwatch_cli::main()
}
