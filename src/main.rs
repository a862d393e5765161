//! Reads the settings and runs the command.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::Parser;
use dapi_mock::config::Cli;

#[tokio::main]
async fn main() -> ExitCode {
    match dapi_mock::run::run(Cli::parse()).await {
        Ok(code) => code,
        Err(failure) => {
            eprintln!("dapi-mock: {failure}");
            ExitCode::FAILURE
        }
    }
}
