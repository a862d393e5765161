//! The commands: the server, `exec`, and those that talk to a running server. Settings are parsed in
//! [`config`](crate::config) and put to use here. Start with [`run`].

mod assemble;
mod client;
mod commands;
mod exec;
mod local;
mod logging;
mod progress;
mod ready;
mod seeds;
mod serve;
mod show;

use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::Arc;

pub use self::assemble::{surface, surface_as};
use crate::Failure;
use crate::cli::commands::Usage;
use crate::clock::SystemClock;
use crate::config::{Cli, Command};
use crate::domain::Denial;
use crate::domain::tokens::TokenValue;
use crate::entropy::SystemEntropy;
use crate::platform::survive_the_limit_on_file_size;
use crate::service::{self, Service};
use crate::store::Store;

/// Runs the command.
///
/// # Errors
/// What kept it from running, worded for the terminal.
pub async fn run(cli: Cli) -> Result<ExitCode, Failure> {
    survive_the_limit_on_file_size()?;
    match cli.command {
        None => serve::serve(cli.serve).await,
        Some(Command::Serve(args)) => serve::serve(args).await,
        Some(Command::Exec(args)) => exec::exec(args).await,
        Some(Command::Healthcheck(args)) => local::healthcheck(&args).await,
        Some(Command::Env(args)) => local::env(&args),
        Some(Command::Clock(args)) => commands::clock(args).await.map(|()| ExitCode::SUCCESS),
        Some(Command::Explain(args)) => commands::explain(args).await.map(|()| ExitCode::SUCCESS),
        Some(Command::Faults(args)) => commands::faults(args).await.map(|()| ExitCode::SUCCESS),
        Some(Command::Requests(args)) => commands::requests(args).await.map(|()| ExitCode::SUCCESS),
        Some(Command::Verify(args)) => commands::verify(args).await.map(|()| ExitCode::SUCCESS),
        Some(Command::Census(args)) => commands::census(args).await.map(|()| ExitCode::SUCCESS),
        Some(Command::Audit(args)) => commands::audit(args).await.map(|()| ExitCode::SUCCESS),
        Some(Command::Call(args)) => commands::call(args).await.map(|()| ExitCode::SUCCESS),
        Some(Command::Export(args)) => commands::export(args).await.map(|()| ExitCode::SUCCESS),
        Some(Command::Ca(args)) => commands::ca(args).await.map(|()| ExitCode::SUCCESS),
        Some(Command::Backup(args)) => local::back_up(&args).await,
        Some(Command::AdminToken(args)) => local::admin_token(args).await,
        Some(Command::Completions(args)) => local::completions(&args),
        Some(Command::Man(args)) => local::manual(&args),
    }
}

/// How a failed command exits: with 2 where the command line is wrong, as clap does, else with 1.
pub fn exit_code(failure: &Failure) -> ExitCode {
    if failure.is::<Usage>() { ExitCode::from(2) } else { ExitCode::FAILURE }
}

fn service_over(store: Store) -> Service {
    Service::new(store, Arc::new(SystemClock), Arc::new(SystemEntropy))
}

/// A refusal's own sentence, without the envelope that clients see.
pub(crate) fn sentence(error: service::Error) -> Failure {
    match error {
        service::Error::Denied(Denial::InvalidParameter(sentence)) => sentence.into(),
        error => error.into(),
    }
}

fn export_token(value: &TokenValue) -> String {
    format!("export DATABRICKS_TOKEN={}", value.reveal())
}

/// Writes to standard output; that nobody reads it is no reason to stop.
pub(crate) fn say(text: &str) {
    let mut out = io::stdout().lock();
    drop(out.write_all(text.as_bytes()).and_then(|()| out.flush()));
}
