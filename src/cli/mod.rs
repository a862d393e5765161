//! The commands: the server, `exec`, those that talk to a running server, and those that need none. Settings are parsed in
//! [`config`](crate::config) and used here. Start with [`run`].

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

use std::process::ExitCode;
use std::sync::Arc;

pub use self::assemble::{starting, surface, surface_as};
use crate::Failure;
use crate::clock::SystemClock;
use crate::config::{Cli, Command};
use crate::domain::Denial;
use crate::domain::tokens::TokenValue;
use crate::entropy::SystemEntropy;
use crate::platform::survive_file_size_limit;
use crate::service::{self, Service};
use crate::store::Store;

pub async fn run(cli: Cli) -> Result<ExitCode, Failure> {
    survive_file_size_limit()?;
    let done = match cli.command {
        None => return serve::serve(cli.serve).await,
        Some(Command::Serve(args)) => return serve::serve(args).await,
        Some(Command::Exec(args)) => return exec::exec(args).await,
        Some(Command::Healthcheck(args)) => local::healthcheck(&args).await,
        Some(Command::Env(args)) => local::env(&args),
        Some(Command::Clock(args)) => commands::clock(args).await,
        Some(Command::Explain(args)) => commands::explain(args).await,
        Some(Command::Faults(args)) => commands::faults(args).await,
        Some(Command::Requests(args)) => commands::requests(args).await,
        Some(Command::Verify(args)) => commands::verify(args).await,
        Some(Command::Census(args)) => commands::census(args).await,
        Some(Command::Audit(args)) => commands::audit(args).await,
        Some(Command::Call(args)) => commands::call(args).await,
        Some(Command::Export(args)) => commands::export(args).await,
        Some(Command::Ca(args)) => commands::ca(args).await,
        Some(Command::Backup(args)) => local::back_up(&args).await,
        Some(Command::AdminToken(args)) => local::admin_token(args).await,
        Some(Command::Completions(args)) => local::completions(&args),
        Some(Command::Man(args)) => local::manual(&args),
    };
    done.map(|()| ExitCode::SUCCESS)
}

/// An error in the command line that only the command itself can find.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct UsageError(String);

/// The exit code of a failed command: 2 if the command line is wrong, as clap does, else 1.
pub fn exit_code(failure: &Failure) -> ExitCode {
    if failure.is::<UsageError>() { ExitCode::from(2) } else { ExitCode::FAILURE }
}

fn service_over(store: Store) -> Service {
    Service::new(store, Arc::new(SystemClock), Arc::new(SystemEntropy))
}

/// An error for the terminal: a refusal's message, without the envelope that clients get.
fn failure_of(error: service::Error) -> Failure {
    match error {
        service::Error::Denied(Denial::InvalidParameter(message)) => message.into(),
        error => error.into(),
    }
}

fn export_token(value: &TokenValue) -> String {
    format!("export DATABRICKS_TOKEN={}", value.reveal())
}
