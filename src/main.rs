//! Reads the settings and runs the command.
#![forbid(unsafe_code)]

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    match dapi_mock::run::run(dapi_mock::config::parse()).await {
        Ok(code) => code,
        Err(failure) => {
            eprintln!("dapi-mock: {failure}");
            dapi_mock::run::exit_code(&failure)
        }
    }
}
