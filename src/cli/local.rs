//! The commands that do not use the control API: they need no server, or only ask whether one is ready.

use std::time::Duration;

use axum::http::Method;
use serde_json::json;

use super::client::ControlClient;
use super::commands::Usage;
use super::{export_token, say, sentence, service_over};
use crate::Failure;
use crate::config::{self, AdminTokenArgs, BackupArgs, CompletionsArgs, EnvArgs, HealthcheckArgs, ManArgs};
use crate::service;
use crate::store::{Database, Store};
use std::process::ExitCode;

/// Asks `/readyz`, so that a container needs neither a shell nor curl for its health check.
pub(super) async fn healthcheck(args: &HealthcheckArgs) -> Result<ExitCode, Failure> {
    let client = ControlClient::of(&args.server, None)?;
    let ask = client.send(Method::GET, "/readyz", None);
    match tokio::time::timeout(Duration::from_secs(2), ask).await {
        Ok(Ok(answer)) if answer.status.is_success() => Ok(ExitCode::SUCCESS),
        Ok(Ok(answer)) => Err(format!("{} is not ready: it answered {}", client.server, answer.status).into()),
        Ok(Err(failure)) => Err(failure),
        Err(_) => Err(format!("{} is not ready: it did not answer within 2 seconds", client.server).into()),
    }
}

pub(super) fn env(args: &EnvArgs) -> Result<ExitCode, Failure> {
    let value = args.admin_token.as_ref().ok_or(
        "the server keeps only a hash of its admin token; give the value by --admin-token or \
         DAPI_MOCK_ADMIN_TOKEN to both, or make another with `dapi-mock admin-token`",
    )?;
    let host = args.server.server()?;
    if args.output.output.is_json() {
        say(&format!("{}\n", json!({ "DATABRICKS_HOST": host.to_string(), "DATABRICKS_TOKEN": value.reveal() })));
    } else {
        say(&format!("export DATABRICKS_HOST={host}\n{}\n", export_token(value)));
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn admin_token(args: AdminTokenArgs) -> Result<ExitCode, Failure> {
    if args.database == Database::SqliteMemory {
        return Err("a database in memory belongs to its server; give that one --admin-token".into());
    }
    let service = service_over(Store::open(&args.database).await?);
    let minted = service.mint_admin_token().await.map_err(sentence);
    service.store().close().await;
    let (value, owner) = minted?;
    if owner != service::ADMIN_USER {
        eprintln!("{owner} owns this token, because {} is deleted, deactivated or not an admin", service::ADMIN_USER);
    }
    if args.output.output.is_json() {
        say(&format!("{}\n", json!({ "DATABRICKS_TOKEN": value.reveal() })));
    } else {
        say(&format!("{}\n", export_token(&value)));
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn back_up(args: &BackupArgs) -> Result<ExitCode, Failure> {
    Store::back_up(&args.database, &args.target).await?;
    if args.output.output.is_json() {
        let (target, database) = (args.target.display().to_string(), args.database.to_string());
        say(&format!("{}\n", json!({ "backup": target, "database": database })));
    } else {
        say(&format!("{} is a copy of {}\n", args.target.display(), args.database));
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) fn completions(args: &CompletionsArgs) -> Result<ExitCode, Failure> {
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut config::command(), "dapi-mock", &mut text);
    // clap_complete takes the dash in our name for a subcommand's at some places, and bash then finds no function of
    // theirs; scripts for the other shells have no such names.
    say(&String::from_utf8(text)?.replace("dapi__subcmd__mock", "dapi__mock"));
    Ok(ExitCode::SUCCESS)
}

pub(super) fn manual(args: &ManArgs) -> Result<ExitCode, Failure> {
    let mut command = config::command();
    command.build();
    let described = match &args.command {
        None => command,
        Some(name) => {
            let unknown = || Usage::new(format!("unknown command '{name}': `dapi-mock --help` lists them"));
            let found = command.find_subcommand(name).ok_or_else(unknown)?;
            found.clone()
        }
    };
    let mut text = Vec::new();
    clap_mangen::Man::new(described).render(&mut text)?;
    say(&String::from_utf8(text)?);
    Ok(ExitCode::SUCCESS)
}
