//! `/v1/workspaces`: fresh worlds for tests, copies of them, and the way back.

use std::num::NonZeroUsize;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::Control;
use super::reply::{Asked, Input, Problem, Reply, json_answer, ok, workspace_id};
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
pub(super) struct Wanted {
    id: Option<Value>,
    account_id: Option<String>,
    name: Option<String>,
    ttl: Option<String>,
    entropy_seed: Option<i64>,
    admin_token: Option<String>,
    behaviour: BehaviourChange,
    port: Option<u16>,
    template: Option<String>,
    seed: Option<Value>,
}

impl Wanted {
    /// What is to be put into the workspace: a shipped seed's, or the one that was sent.
    fn seed(&self) -> Result<Option<WorkspaceSeed>, Problem> {
        let wrong = |error: SeedError| Problem::bad_request(format!("seed: {error}"));
        match (&self.template, &self.seed) {
            (None, None) => Ok(None),
            (None, Some(seed)) => seeds::parse_workspace(&seed.to_string()).map(Some).map_err(wrong),
            (Some(name), None) => {
                let found = seeds::template(name);
                let names = seeds::TEMPLATES.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
                found.map(Some).ok_or_else(|| Problem::bad_request(format!("template: there are {names}.")))
            }
            (Some(_), Some(_)) => Err(Problem::bad_request("Say one of template and seed.")),
        }
    }

    fn checked(self) -> Result<NewWorkspace, Problem> {
        let id = self.id.map(|id| {
            let text = id.as_str().map_or_else(|| id.to_string(), str::to_owned);
            let parsed = WorkspaceId::parse(&text).filter(|id| id.is_usable());
            parsed.ok_or_else(|| Problem::bad_request(format!("id: '{text}' is none; use up to 16 digits.")))
        });
        let account = self.account_id.map(|text| {
            AccountId::parse(&text).ok_or_else(|| Problem::bad_request("account_id: use the UUID of an account."))
        });
        let ttl = self.ttl.map(|text| match durations::parse(&text) {
            Ok(ms) if ms > 0 => Ok(ms),
            Ok(_) => Err(Problem::bad_request("ttl: use a span longer than nothing.")),
            Err(sentence) => Err(Problem::bad_request(format!("ttl: {sentence}"))),
        });
        let admin_token = self.admin_token.map(|text| {
            let advice = "admin_token: use dapi and 32 lower-case hex digits.";
            TokenValue::parse(&text).ok_or_else(|| Problem::bad_request(advice))
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

/// Creates a workspace; answers all that a client needs to reach it.
pub(super) async fn create(State(control): State<Control>, base: BaseUrl, Input(wanted): Input<Wanted>) -> Reply {
    let (mut seed, port) = (wanted.seed()?, wanted.port);
    // What is asked for counts more than what a template says.
    if let (Some(seed), Some(name)) = (&mut seed, &wanted.name) {
        seed.name = Some(name.clone());
    }
    check_room(&control, port)?;
    let created = control.service.create_workspace(&wanted.checked()?, seed.as_ref()).await?;
    created_answer(&control, base, &created, port).await
}

/// Copies a workspace into a new account.
pub(super) async fn fork(
    State(control): State<Control>,
    Path(workspace): Path<String>,
    base: BaseUrl,
    Input(wanted): Input<Wanted>,
) -> Reply {
    let id = workspace_id(&control.service, &workspace).await?;
    if wanted.seed.is_some() || wanted.template.is_some() {
        return Err(Problem::bad_request("A copy is what it is a copy of; it takes neither template nor seed."));
    }
    let port = wanted.port;
    let new = wanted.checked()?;
    if new.account.is_some() {
        return Err(Problem::bad_request("account_id: a copy has an account of its own."));
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
        match open_door(control, port, id).await {
            Ok(port) => host = at_port(&host, port),
            // All or nothing: who asked for the port has no use for the rest.
            Err(problem) => {
                control.service.delete_workspace(id).await?;
                return Err(problem);
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

async fn open_door(control: &Control, port: u16, id: WorkspaceId) -> Result<u16, Problem> {
    let doors = control.doors.as_ref().ok_or_else(no_ports)?;
    doors.open(port, id).await.map_err(|error| no_port(&error))
}

/// Refuses a workspace whose port could not be opened, before there is any work done for it.
fn check_room(control: &Control, port: Option<u16>) -> Result<(), Problem> {
    match (port, &control.doors) {
        (None, _) => Ok(()),
        (Some(_), None) => Err(no_ports()),
        (Some(_), Some(doors)) => doors.check_room().map_err(|error| no_port(&error)),
    }
}

pub(super) fn no_ports() -> Problem {
    Problem::new(StatusCode::CONFLICT, "port: this server opens no ports.")
}

fn no_port(error: &PortError) -> Problem {
    Problem::new(StatusCode::CONFLICT, format!("port: {error}."))
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
        "port": control.doors.as_ref().and_then(|doors| doors.port_of(workspace.id)),
    });
    match out {
        Value::Object(out) => out,
        _ => Map::new(),
    }
}

/// Which workspaces are listed, and how many at once.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "WantedWorkspaces")]
pub(super) struct Listed {
    /// A part of the id, the name or the account's id, in any letter case.
    q: Option<String>,
    /// How many are told at once; all, when nothing is said.
    limit: Option<NonZeroUsize>,
    /// The `next_page_token` of the page before, with the same `q`.
    page_token: Option<String>,
}

/// `?q=&limit=&page_token=`: workspaces, by id.
pub(super) async fn list(State(control): State<Control>, Asked(listed): Asked<Listed>) -> Reply {
    let from = listed.page_token.as_deref().map(|text| {
        let advice = || Problem::bad_request("page_token: use the next_page_token of the page before.");
        WorkspaceId::parse(text).ok_or_else(advice)
    });
    let from = from.transpose()?;
    let text = listed.q.unwrap_or_default().to_lowercase();
    let fits = |it: &Workspace| {
        let fields = [it.id.to_string(), it.name.clone(), it.account.to_string()];
        fields.iter().any(|field| field.to_lowercase().contains(&text))
    };
    let mut found = control.service.workspaces().await?;
    found.retain(fits);
    let total = found.len();
    found.retain(|it| from.is_none_or(|from| it.id > from));
    let left = listed.limit.is_some_and(|limit| found.len() > limit.get());
    found.truncate(listed.limit.map_or(usize::MAX, NonZeroUsize::get));
    let mut out = Map::new();
    out.insert("workspaces".into(), found.iter().map(|it| Value::from(workspace_json(&control, it))).collect());
    out.insert("total".into(), total.into());
    out.extend(found.last().filter(|_| left).map(|it| ("next_page_token".to_owned(), it.id.to_string().into())));
    Ok(ok(&out.into()))
}

/// One workspace.
pub(super) async fn show(State(control): State<Control>, Path(workspace): Path<String>) -> Reply {
    let id = workspace_id(&control.service, &workspace).await?;
    let mut out = workspace_json(&control, &control.service.workspace(id).await?);
    out.insert("live_tokens".into(), control.service.live_tokens(id).await?.into());
    Ok(ok(&out.into()))
}

/// Removes a workspace with all that it holds.
pub(super) async fn remove(State(control): State<Control>, Path(workspace): Path<String>) -> Reply {
    let id = workspace_id(&control.service, &workspace).await?;
    control.service.delete_workspace(id).await?;
    if let Some(doors) = &control.doors {
        doors.close(id);
        // The account goes with its last workspace.
        for account in control.service.removed_accounts(doors.accounts()).await? {
            doors.close(account);
        }
    }
    Ok(ok(&json!({})))
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Reset {
    to: Option<String>,
}

/// `{"to": "seed" | "empty" | a checkpoint}`; to the seed when absent.
pub(super) async fn reset(
    State(control): State<Control>,
    Path(workspace): Path<String>,
    Input(reset): Input<Reset>,
) -> Reply {
    let id = workspace_id(&control.service, &workspace).await?;
    let name = checkpoint_name(reset.to.as_deref().unwrap_or(SEED))?;
    Ok(ok(&checkpoint_json(&control.service.reset_workspace(id, &name).await?)))
}

/// The checkpoints of a workspace, oldest first.
pub(super) async fn checkpoints(State(control): State<Control>, Path(workspace): Path<String>) -> Reply {
    let id = workspace_id(&control.service, &workspace).await?;
    let checkpoints = control.service.checkpoints(id).await?;
    Ok(ok(&json!({ "checkpoints": checkpoints.iter().map(checkpoint_json).collect::<Vec<_>>() })))
}

/// Keeps a workspace as it is now.
pub(super) async fn put_checkpoint(
    State(control): State<Control>,
    Path((workspace, name)): Path<(String, String)>,
) -> Reply {
    let id = workspace_id(&control.service, &workspace).await?;
    let name = checkpoint_name(&name)?;
    Ok(ok(&checkpoint_json(&control.service.put_checkpoint(id, &name).await?)))
}

/// Forgets a checkpoint.
pub(super) async fn delete_checkpoint(
    State(control): State<Control>,
    Path((workspace, name)): Path<(String, String)>,
) -> Reply {
    let id = workspace_id(&control.service, &workspace).await?;
    control.service.delete_checkpoint(id, &checkpoint_name(&name)?).await?;
    Ok(ok(&json!({})))
}

fn checkpoint_name(text: &str) -> Result<CheckpointName, Problem> {
    let advice =
        || Problem::bad_request(format!("'{text}' is no name; use up to 64 letters, digits, '-', '_' and '.'."));
    CheckpointName::parse(text).ok_or_else(advice)
}

fn checkpoint_json(checkpoint: &Checkpoint) -> Value {
    json!({
        "name": checkpoint.name.as_str(),
        "created_at": checkpoint.created_at.rfc3339(),
        "with_principals": checkpoint.has_account,
    })
}

/// A seed as JSON: everything in it that is missing is added.
pub(super) async fn apply_seed(State(control): State<Control>, Input(body): Input<Map<String, Value>>) -> Reply {
    let seed = seeds::parse(&Value::Object(body).to_string());
    let seed = seed.map_err(|error| Problem::bad_request(format!("seed: {error}")))?;
    let added = control.service.apply_seed(&seed).await?;
    Ok(ok(&json!({ "workspaces": added.workspaces, "principals": added.principals, "tokens": added.tokens })))
}

/// The world as it is, as a seed in YAML.
pub(super) async fn export_seed(State(control): State<Control>) -> Reply {
    let seed = control.service.export_seed().await?;
    let internal = |error| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, error);
    let text = seeds::to_yaml(&seed).map_err(internal)?;
    Ok(([(CONTENT_TYPE, "application/yaml")], text).into_response())
}

/// The JSON Schema of seeds.
pub(super) async fn seed_schema() -> Reply {
    Ok(ok(&seeds::json_schema()))
}
