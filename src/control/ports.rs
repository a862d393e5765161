//! `/v1/accounts/{account}/port` and `/v1/ports`: a port that is the account's host, and what has a port.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Control;
use super::reply::{Input, Problem, Reply, ok};
use super::workspaces::no_ports;
use crate::domain::AccountId;
use crate::http::oauth::discovery::{BaseUrl, at_port};
use crate::listen::ExtraListeners;
use crate::web::connection::PortOf;

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "WantedAccountPort")]
pub(super) struct Wanted {
    /// A free one when it is 0 or absent.
    port: u16,
}

/// Opens the account's port; answers the one that it has, if it has one.
pub(super) async fn open(
    State(control): State<Control>,
    Path(account): Path<String>,
    BaseUrl(base): BaseUrl,
    Input(wanted): Input<Wanted>,
) -> Reply {
    let account = account_id(&control, &account).await?;
    let opened = doors(&control)?.open(wanted.port, account).await;
    let port = opened.map_err(|error| Problem::new(StatusCode::CONFLICT, format!("port: {error}.")))?;
    Ok(ok(&account_port(account, &base, port)))
}

/// The account's port.
pub(super) async fn show(State(control): State<Control>, Path(account): Path<String>, BaseUrl(base): BaseUrl) -> Reply {
    let account = account_id(&control, &account).await?;
    let port = doors(&control)?.port_of(account).ok_or_else(|| has_none(account))?;
    Ok(ok(&account_port(account, &base, port)))
}

/// Closes the account's port.
pub(super) async fn close(State(control): State<Control>, Path(account): Path<String>) -> Reply {
    let account = account_id(&control, &account).await?;
    let doors = doors(&control)?;
    doors.port_of(account).ok_or_else(|| has_none(account))?;
    doors.close(account);
    Ok(ok(&json!({})))
}

/// Every port beside the shared one, by number.
pub(super) async fn list(State(control): State<Control>, BaseUrl(base): BaseUrl) -> Reply {
    let all = control.doors.as_ref().map(ExtraListeners::all).unwrap_or_default();
    let ports = all.into_iter().map(|(of, port)| match of {
        PortOf::Workspace(id) => json!({ "port": port, "host": at_port(&base, port), "workspace_id": id.to_string() }),
        PortOf::Account(id) => json!({ "port": port, "host": at_port(&base, port), "account_id": id.to_string() }),
    });
    Ok(ok(&json!({ "ports": ports.collect::<Vec<_>>() })))
}

fn account_port(account: AccountId, base: &str, port: u16) -> Value {
    let (account, host) = (account.to_string(), at_port(base, port));
    let env = json!({ "DATABRICKS_HOST": host, "DATABRICKS_ACCOUNT_ID": account });
    json!({ "account_id": account, "port": port, "host": host, "env": env })
}

/// The account of the path: an id, or `default` for that of the default workspace.
async fn account_id(control: &Control, text: &str) -> Result<AccountId, Problem> {
    Ok(match text {
        "default" => control.service.home_of_account(None).await?.account,
        id => control.service.account_named(id).await?,
    })
}

fn doors(control: &Control) -> Result<&ExtraListeners, Problem> {
    control.doors.as_ref().ok_or_else(no_ports)
}

fn has_none(account: AccountId) -> Problem {
    Problem::new(StatusCode::NOT_FOUND, format!("Account {account} has no port of its own."))
}
