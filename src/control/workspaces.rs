//! `/v1/workspaces`: creates, copies, lists, resets and deletes workspaces, and saves checkpoints of them. See
//! docs/workspaces.md.

use std::num::NonZeroUsize;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::Control;
use super::reply::{ControlError, JsonBody, Params, Reply, json_answer, ok, workspace_id};
use crate::domain::seeds::{self, SeedError, WorkspaceSeed};
use crate::domain::settings::BehaviourChange;
use crate::domain::tokens::TokenValue;
use crate::domain::workspaces::SEED;
use crate::domain::{AccountId, Checkpoint, CheckpointName, Millis, Workspace, WorkspaceId, durations};
use crate::http::oauth::discovery::{BaseUrl, at_port};
use crate::listen::PortError;
use crate::service::{ADMIN_CLIENT_ID, CreatedWorkspace, NewWorkspace};

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "NewWorkspace")]
pub(super) struct WorkspaceRequest {
    /// Up to 16 digits.
    id: Option<Value>,
    account_id: Option<String>,
    name: Option<String>,
    /// A duration, such as `2h`, after which the workspace is deleted.
    ttl: Option<String>,
    /// Makes the workspace's ids and secrets reproducible.
    entropy_seed: Option<i64>,
    admin_token: Option<String>,
    behaviour: BehaviourChange,
    /// Opens a port that serves this workspace; 0 picks a free one.
    port: Option<u16>,
    /// The name of a shipped seed.
    template: Option<String>,
    seed: Option<Value>,
}

impl WorkspaceRequest {
    fn seed(&self) -> Result<Option<WorkspaceSeed>, ControlError> {
        let invalid = |error: SeedError| ControlError::bad_request(format!("seed: {error}"));
        match (&self.template, &self.seed) {
            (None, None) => Ok(None),
            (None, Some(seed)) => seeds::parse_workspace(&seed.to_string()).map(Some).map_err(invalid),
            (Some(name), None) => {
                let found = seeds::template(name);
                let names = seeds::TEMPLATES.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
                let advice =
                    || ControlError::bad_request(format!("unknown template '{name}': expected one of {names}."));
                found.map(Some).ok_or_else(advice)
            }
            (Some(_), Some(_)) => Err(ControlError::bad_request("Give either template or seed, not both.")),
        }
    }

    fn checked(self) -> Result<NewWorkspace, ControlError> {
        let id = self.id.map(|id| {
            let text = id.as_str().map_or_else(|| id.to_string(), str::to_owned);
            let parsed = WorkspaceId::parse(&text).filter(|id| id.is_usable());
            parsed.ok_or_else(|| {
                ControlError::bad_request(format!("invalid workspace id '{text}': use up to 16 digits."))
            })
        });
        let account = self.account_id.map(|text| {
            AccountId::parse(&text).ok_or_else(|| ControlError::bad_request("invalid account id: use a UUID."))
        });
        let ttl = self.ttl.map(|text| match durations::parse(&text) {
            Ok(ms) if ms > 0 => Ok(ms),
            Ok(_) => Err(ControlError::bad_request("ttl: invalid duration: use one longer than zero.")),
            Err(sentence) => Err(ControlError::bad_request(format!("ttl: {sentence}"))),
        });
        let admin_token = self.admin_token.map(|text| {
            let advice = "invalid admin token: use dapi and 32 lower-case hex digits.";
            TokenValue::parse(&text).ok_or_else(|| ControlError::bad_request(advice))
        });
        Ok(NewWorkspace {
            id: id.transpose()?,
            account: account.transpose()?,
            name: self.name,
            ttl_ms: ttl.transpose()?,
            entropy_seed: self.entropy_seed,
            admin_token: admin_token.transpose()?,
            behaviour: self.behaviour,
        })
    }
}

/// Answers with everything that a client needs to reach the workspace.
pub(super) async fn create(
    State(control): State<Control>,
    base: BaseUrl,
    JsonBody(request): JsonBody<WorkspaceRequest>,
) -> Reply {
    let (mut seed, port) = (request.seed()?, request.port);
    // The request's own name takes precedence over the seed's.
    if let (Some(seed), Some(name)) = (&mut seed, &request.name) {
        seed.name = Some(name.clone());
    }
    check_room(&control, port)?;
    let created = control.service.create_workspace(&request.checked()?, seed.as_ref()).await?;
    created_answer(&control, base, &created, port).await
}

/// The copy gets an account of its own.
pub(super) async fn fork(
    State(control): State<Control>,
    Path(workspace): Path<String>,
    base: BaseUrl,
    JsonBody(request): JsonBody<WorkspaceRequest>,
) -> Reply {
    let id = workspace_id(&control.service, &workspace).await?;
    if request.seed.is_some() || request.template.is_some() {
        return Err(ControlError::bad_request("A copy takes neither template nor seed."));
    }
    let port = request.port;
    let new = request.checked()?;
    if new.account.is_some() {
        return Err(ControlError::bad_request("account_id: a copy gets an account of its own."));
    }
    check_room(&control, port)?;
    let created = control.service.fork_workspace(id, &new).await?;
    created_answer(&control, base, &created, port).await
}

async fn created_answer(
    control: &Control,
    BaseUrl(mut host): BaseUrl,
    created: &CreatedWorkspace,
    port: Option<u16>,
) -> Reply {
    let id = created.workspace.id;
    if let Some(port) = port {
        match open_port(control, port, id).await {
            Ok(port) => host = at_port(&host, port),
            // All or nothing: a workspace without the requested port is of no use.
            Err(error) => {
                control.service.delete_workspace(id).await?;
                return Err(error);
            }
        }
    }
    let mut out = workspace_json(control, &created.workspace);
    let token = created.admin_token.reveal();
    out.insert("host".into(), host.as_str().into());
    out.insert("admin_token".into(), token.into());
    if let Some(secret) = &created.admin_client_secret {
        out.insert("client_id".into(), ADMIN_CLIENT_ID.to_string().into());
        out.insert("client_secret".into(), secret.reveal().into());
    }
    let env = json!({
        "DATABRICKS_HOST": host, "DATABRICKS_TOKEN": token, "DATABRICKS_WORKSPACE_ID": created.workspace.id.to_string(),
    });
    out.insert("env".into(), env);
    Ok(json_answer(StatusCode::CREATED, &out.into()))
}

async fn open_port(control: &Control, port: u16, id: WorkspaceId) -> Result<u16, ControlError> {
    let listeners = control.extra_listeners.as_ref().ok_or_else(no_ports)?;
    listeners.open(port, id).await.map_err(|error| no_port(&error))
}

/// Refuses early if no more ports can be opened, before the workspace is created.
fn check_room(control: &Control, port: Option<u16>) -> Result<(), ControlError> {
    match (port, &control.extra_listeners) {
        (None, _) => Ok(()),
        (Some(_), None) => Err(no_ports()),
        (Some(_), Some(listeners)) => listeners.check_room().map_err(|error| no_port(&error)),
    }
}

pub(super) fn no_ports() -> ControlError {
    ControlError::new(StatusCode::CONFLICT, "port: this server cannot open ports.")
}

fn no_port(error: &PortError) -> ControlError {
    ControlError::new(StatusCode::CONFLICT, format!("port: {error}."))
}

fn workspace_json(control: &Control, workspace: &Workspace) -> Map<String, Value> {
    let out = json!({
        "id": workspace.id.to_string(),
        "account_id": workspace.account.to_string(),
        "name": workspace.name,
        "created_at": workspace.created_at.rfc3339(),
        "is_default": workspace.is_default,
        "delete_at": workspace.delete_at.map(Millis::rfc3339),
        "entropy_seed": workspace.entropy_seed,
        "port": control.extra_listeners.as_ref().and_then(|listeners| listeners.port_of(workspace.id)),
    });
    match out {
        Value::Object(out) => out,
        _ => Map::new(),
    }
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WorkspaceQuery {
    /// A part of the workspace's id or name, or of the account's id, in any letter case.
    q: Option<String>,
    /// The size of a page; defaults to all workspaces.
    limit: Option<NonZeroUsize>,
    /// The `next_page_token` of the previous page, with the same `q`.
    page_token: Option<String>,
}

/// Sorted by id.
pub(super) async fn list(State(control): State<Control>, Params(query): Params<WorkspaceQuery>) -> Reply {
    let from = query.page_token.as_deref().map(|text| {
        let advice = || ControlError::bad_request("page_token: use the next_page_token of the previous page.");
        WorkspaceId::parse(text).ok_or_else(advice)
    });
    let from = from.transpose()?;
    let text = query.q.unwrap_or_default().to_lowercase();
    let fits = |it: &Workspace| {
        let fields = [it.id.to_string(), it.name.clone(), it.account.to_string()];
        fields.iter().any(|field| field.to_lowercase().contains(&text))
    };
    let mut found = control.service.workspaces().await?;
    found.retain(fits);
    let total = found.len();
    found.retain(|it| from.is_none_or(|from| it.id > from));
    let left = query.limit.is_some_and(|limit| found.len() > limit.get());
    found.truncate(query.limit.map_or(usize::MAX, NonZeroUsize::get));
    let mut out = Map::new();
    out.insert("workspaces".into(), found.iter().map(|it| Value::from(workspace_json(&control, it))).collect());
    out.insert("total".into(), total.into());
    out.extend(found.last().filter(|_| left).map(|it| ("next_page_token".to_owned(), it.id.to_string().into())));
    Ok(ok(&out.into()))
}

pub(super) async fn show(State(control): State<Control>, Path(workspace): Path<String>) -> Reply {
    let id = workspace_id(&control.service, &workspace).await?;
    let mut out = workspace_json(&control, &control.service.workspace(id).await?);
    out.insert("live_tokens".into(), control.service.live_tokens(id).await?.into());
    Ok(ok(&out.into()))
}

pub(super) async fn remove(State(control): State<Control>, Path(workspace): Path<String>) -> Reply {
    let id = workspace_id(&control.service, &workspace).await?;
    control.service.delete_workspace(id).await?;
    if let Some(listeners) = &control.extra_listeners {
        listeners.close(id);
        // An account is deleted with its last workspace.
        for account in control.service.deleted_accounts(listeners.accounts()).await? {
            listeners.close(account);
        }
    }
    Ok(ok(&json!({})))
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Reset {
    /// `seed` (the default), `empty`, or the name of a checkpoint.
    to: Option<String>,
}

pub(super) async fn reset(
    State(control): State<Control>,
    Path(workspace): Path<String>,
    JsonBody(reset): JsonBody<Reset>,
) -> Reply {
    let id = workspace_id(&control.service, &workspace).await?;
    let name = checkpoint_name(reset.to.as_deref().unwrap_or(SEED))?;
    Ok(ok(&checkpoint_json(&control.service.reset_workspace(id, &name).await?)))
}

/// Oldest first.
pub(super) async fn checkpoints(State(control): State<Control>, Path(workspace): Path<String>) -> Reply {
    let id = workspace_id(&control.service, &workspace).await?;
    let checkpoints = control.service.checkpoints(id).await?;
    Ok(ok(&json!({ "checkpoints": checkpoints.iter().map(checkpoint_json).collect::<Vec<_>>() })))
}

pub(super) async fn put_checkpoint(
    State(control): State<Control>,
    Path((workspace, name)): Path<(String, String)>,
) -> Reply {
    let id = workspace_id(&control.service, &workspace).await?;
    let name = checkpoint_name(&name)?;
    Ok(ok(&checkpoint_json(&control.service.put_checkpoint(id, &name).await?)))
}

pub(super) async fn delete_checkpoint(
    State(control): State<Control>,
    Path((workspace, name)): Path<(String, String)>,
) -> Reply {
    let id = workspace_id(&control.service, &workspace).await?;
    control.service.delete_checkpoint(id, &checkpoint_name(&name)?).await?;
    Ok(ok(&json!({})))
}

fn checkpoint_name(text: &str) -> Result<CheckpointName, ControlError> {
    let advice = || {
        ControlError::bad_request(format!(
            "invalid checkpoint name '{text}': use up to 64 letters, digits, '-', '_' and '.'."
        ))
    };
    CheckpointName::parse(text).ok_or_else(advice)
}

fn checkpoint_json(checkpoint: &Checkpoint) -> Value {
    json!({
        "name": checkpoint.name.as_str(),
        "created_at": checkpoint.created_at.rfc3339(),
        "with_principals": checkpoint.has_account,
    })
}
