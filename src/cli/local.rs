//! The commands that do not use the control API: they need no server, or only ask one whether it is ready.

use std::time::Duration;

use axum::http::Method;
use serde_json::json;

use super::client::ControlClient;
use super::show::print_if_read;
use super::{UsageError, export_token, failure_of, service_over};
use crate::Failure;
use crate::config::{self, AdminTokenArgs, BackupArgs, CompletionsArgs, EnvArgs, HealthcheckArgs, ManArgs};
use crate::service;
use crate::store::{Database, Store};

/// Lets a container check its health without a shell or curl.
pub(super) async fn healthcheck(args: &HealthcheckArgs) -> Result<(), Failure> {
    let client = ControlClient::new(&args.server, None)?;
    let ready = client.send(Method::GET, "/readyz", None);
    match tokio::time::timeout(Duration::from_secs(2), ready).await {
        Ok(Ok(answer)) if answer.status.is_success() => Ok(()),
        Ok(Ok(answer)) => Err(format!("{} is not ready: it answered {}", client.server, answer.status).into()),
        Ok(Err(failure)) => Err(failure),
        Err(_) => Err(format!("{} is not ready: it did not answer within 2 seconds", client.server).into()),
    }
}

pub(super) fn env(args: &EnvArgs) -> Result<(), Failure> {
    let value = args.admin_token.as_ref().ok_or(
        "the server keeps only a hash of its admin token; choose its value with --admin-token or \
         DAPI_MOCK_ADMIN_TOKEN for both commands, or create another with `dapi-mock admin-token`",
    )?;
    let host = args.server.server_url()?;
    if args.output.output.is_json() {
        print_if_read(&format!(
            "{}\n",
            json!({ "DATABRICKS_HOST": host.to_string(), "DATABRICKS_TOKEN": value.reveal() })
        ));
    } else {
        print_if_read(&format!("export DATABRICKS_HOST={host}\n{}\n", export_token(value)));
    }
    Ok(())
}

pub(super) async fn admin_token(args: AdminTokenArgs) -> Result<(), Failure> {
    if args.database == Database::SqliteMemory {
        return Err("a database in memory belongs to its server: start that server with --admin-token".into());
    }
    let service = service_over(Store::open(&args.database).await?);
    let minted = service.mint_admin_token().await.map_err(failure_of);
    service.store().close().await;
    let (value, owner) = minted?;
    if owner != service::ADMIN_USER {
        eprintln!("{owner} owns this token, because {} is deleted, deactivated or not an admin", service::ADMIN_USER);
    }
    if args.output.output.is_json() {
        print_if_read(&format!("{}\n", json!({ "DATABRICKS_TOKEN": value.reveal() })));
    } else {
        print_if_read(&format!("{}\n", export_token(&value)));
    }
    Ok(())
}

pub(super) async fn back_up(args: &BackupArgs) -> Result<(), Failure> {
    Store::back_up(&args.database, &args.target).await?;
    if args.output.output.is_json() {
        let (target, database) = (args.target.display().to_string(), args.database.to_string());
        print_if_read(&format!("{}\n", json!({ "backup": target, "database": database })));
    } else {
        print_if_read(&format!("{} is a copy of {}\n", args.target.display(), args.database));
    }
    Ok(())
}

pub(super) fn completions(args: &CompletionsArgs) -> Result<(), Failure> {
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut config::command(), "dapi-mock", &mut text);
    // clap_complete sometimes takes the dash in our name for a subcommand's, and bash then does not find the function.
    // Scripts for other shells have no such names.
    print_if_read(&String::from_utf8(text)?.replace("dapi__subcmd__mock", "dapi__mock"));
    Ok(())
}

pub(super) fn manual(args: &ManArgs) -> Result<(), Failure> {
    let mut command = config::command();
    command.build();
    let described = match &args.command {
        None => command,
        Some(name) => {
            let unknown = || UsageError(format!("unknown command '{name}': `dapi-mock --help` lists them"));
            command.find_subcommand(name).ok_or_else(unknown)?.clone()
        }
    };
    let mut text = Vec::new();
    clap_mangen::Man::new(described).render(&mut text)?;
    print_if_read(&String::from_utf8(text)?);
    Ok(())
}
