//! Reads the settings, runs the command, and turns its outcome into an exit code.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use dapi_mock::log::write_last_words;

fn main() -> ExitCode {
    let cli = dapi_mock::config::parse();
    let done = tokio::runtime::Runtime::new().map_err(Into::into).and_then(|runtime| {
        let done = runtime.block_on(dapi_mock::cli::run(cli));
        // A task that waits for a file that does not respond must not keep the process alive.
        runtime.shutdown_background();
        done
    });
    done.unwrap_or_else(|failure| {
        write_last_words(&format!("dapi-mock: {failure}\n"));
        dapi_mock::cli::exit_code(&failure)
    })
}
