//! `…/conf` and `…/behaviour`: changes a workspace's configuration without a credential, for those who are locked out,
//! and the settings that only the mock has.

use axum::extract::{Path, State};
use serde_json::{Map, Value, json};

use super::Control;
use super::reply::{ControlError, JsonBody, Reply, ok, workspace_id};
use crate::domain::settings::{Behaviour, BehaviourChange};
use crate::http::workspace_conf::changes_from;

/// Takes the body of `PATCH /api/2.0/workspace-conf`.
pub(super) async fn change_conf(
    State(control): State<Control>,
    Path(workspace): Path<String>,
    JsonBody(body): JsonBody<Map<String, Value>>,
) -> Reply {
    let id = workspace_id(&control.service, &workspace).await?;
    control.service.change_conf_as_operator(id, &changes_from(body)).await?;
    Ok(ok(&json!({})))
}

pub(super) async fn show_behaviour(State(control): State<Control>, Path(workspace): Path<String>) -> Reply {
    let id = workspace_id(&control.service, &workspace).await?;
    render(&control.service.workspace(id).await?.behaviour)
}

pub(super) async fn change_behaviour(
    State(control): State<Control>,
    Path(workspace): Path<String>,
    JsonBody(change): JsonBody<BehaviourChange>,
) -> Reply {
    let id = workspace_id(&control.service, &workspace).await?;
    render(&control.service.change_behaviour(id, change).await?)
}

fn render(behaviour: &Behaviour) -> Reply {
    let value = serde_json::to_value(behaviour);
    let value =
        value.map_err(|error| ControlError::new(axum::http::StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?;
    Ok(ok(&value))
}
