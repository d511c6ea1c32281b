//! The `letopis` program. Everything it does is in the library; see `cli`.

use std::process::ExitCode;

fn main() -> ExitCode {
    match letopis_api::cli::run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("letopis: {error:#}");
            ExitCode::FAILURE
        }
    }
}
