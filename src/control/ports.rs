//! `/v1/accounts/{account}/port` and `/v1/ports`: ports that serve one account or one workspace.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Control;
use super::reply::{ControlError, JsonBody, Reply, ok};
use super::workspaces::no_ports;
use crate::domain::AccountId;
use crate::http::oauth::discovery::{BaseUrl, at_port};
use crate::listen::{ExtraListeners, PortOf};

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct PortRequest {
    /// 0 picks a free port.
    port: u16,
}

/// Returns the port that the account has already, if it has one.
pub(super) async fn open(
    State(control): State<Control>,
    Path(account): Path<String>,
    BaseUrl(base): BaseUrl,
    JsonBody(request): JsonBody<PortRequest>,
) -> Reply {
    let account = account_id(&control, &account).await?;
    let opened = listeners(&control)?.open(request.port, account).await;
    let port = opened.map_err(|error| ControlError::new(StatusCode::CONFLICT, format!("port: {error}.")))?;
    Ok(ok(&account_port(account, &base, port)))
}

pub(super) async fn show(State(control): State<Control>, Path(account): Path<String>, BaseUrl(base): BaseUrl) -> Reply {
    let account = account_id(&control, &account).await?;
    let port = listeners(&control)?.port_of(account).ok_or_else(|| has_none(account))?;
    Ok(ok(&account_port(account, &base, port)))
}

pub(super) async fn close(State(control): State<Control>, Path(account): Path<String>) -> Reply {
    let account = account_id(&control, &account).await?;
    let listeners = listeners(&control)?;
    listeners.port_of(account).ok_or_else(|| has_none(account))?;
    listeners.close(account);
    Ok(ok(&json!({})))
}

pub(super) async fn list(State(control): State<Control>, BaseUrl(base): BaseUrl) -> Reply {
    let all = control.extra_listeners.as_ref().map(ExtraListeners::all).unwrap_or_default();
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

/// The path names an account by its id, or as `default` that of the default workspace.
async fn account_id(control: &Control, text: &str) -> Result<AccountId, ControlError> {
    Ok(match text {
        "default" => control.service.workspace_of_account(None).await?.account,
        id => control.service.account_named(id).await?,
    })
}

fn listeners(control: &Control) -> Result<&ExtraListeners, ControlError> {
    control.extra_listeners.as_ref().ok_or_else(no_ports)
}

fn has_none(account: AccountId) -> ControlError {
    ControlError::new(
        StatusCode::NOT_FOUND,
        format!("Account {account} has no port of its own; POST …/accounts/{account}/port opens one."),
    )
}
