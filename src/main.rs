//! Reads the settings and runs the command.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use dapi_mock::log::write_last_words;

fn main() -> ExitCode {
    let cli = dapi_mock::config::parse();
    let ended = tokio::runtime::Runtime::new().map_err(Into::into).and_then(|runtime| {
        let ended = runtime.block_on(dapi_mock::cli::run(cli));
        // What still hangs in a file that does not answer must not keep the process.
        runtime.shutdown_background();
        ended
    });
    ended.unwrap_or_else(|failure| {
        write_last_words(&format!("dapi-mock: {failure}\n"));
        dapi_mock::cli::exit_code(&failure)
    })
}
