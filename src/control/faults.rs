//! `…/faults`: arms, lists and clears faults, and lists the catalogue of named ones. See docs/faults.md.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde_json::{Value, json};

use super::Control;
use super::reply::{ControlError, JsonBody, Reply, json_answer, ok, workspace_id};
use crate::domain::denial::ControlDenial;
use crate::domain::faults::{CATALOGUE, Fault, FaultRequest, Rule};
use crate::http::{redaction, routes};

/// The new fault comes after those that are armed already.
pub(super) async fn arm(
    State(control): State<Control>,
    Path(workspace): Path<String>,
    JsonBody(request): JsonBody<FaultRequest>,
) -> Reply {
    let id = workspace_id(&control.service, &workspace).await?;
    let rule = request.checked().map_err(ControlError::bad_request)?;
    if rule.requests.path.as_deref().is_some_and(|path| path.starts_with("/_mock") || routes::is_never_faulted(path)) {
        return Err(ControlError::bad_request(
            "match.path: faults never apply to discovery, keys, health checks and the control API: use another path.",
        ));
    }
    let text = rule_json(&rule).to_string();
    if redaction::line(&text) != text {
        return Err(ControlError::bad_request(
            "The rule contains a token or secret: refer to a token by its token_id.",
        ));
    }
    let fault = control.service.arm_fault(id, rule).await?;
    Ok(json_answer(StatusCode::CREATED, &fault_json(&fault)))
}

/// In the order in which they apply.
pub(super) async fn list(State(control): State<Control>, Path(workspace): Path<String>) -> Reply {
    let id = workspace_id(&control.service, &workspace).await?;
    let faults = control.service.faults(id).await?;
    Ok(ok(&json!({ "faults": faults.iter().map(fault_json).collect::<Vec<_>>() })))
}

pub(super) async fn show(State(control): State<Control>, Path((workspace, fault)): Path<(String, String)>) -> Reply {
    let id = workspace_id(&control.service, &workspace).await?;
    let number = number(&fault)?;
    let faults = control.service.faults(id).await?;
    let found = faults.iter().find(|fault| fault.id == number).ok_or(ControlDenial::FaultNotFound(fault))?;
    Ok(ok(&fault_json(found)))
}

pub(super) async fn clear_one(
    State(control): State<Control>,
    Path((workspace, fault)): Path<(String, String)>,
) -> Reply {
    let id = workspace_id(&control.service, &workspace).await?;
    control.service.clear_fault(id, number(&fault)?).await?;
    Ok(ok(&json!({})))
}

pub(super) async fn clear(State(control): State<Control>, Path(workspace): Path<String>) -> Reply {
    let id = workspace_id(&control.service, &workspace).await?;
    control.service.clear_faults(id).await?;
    Ok(ok(&json!({})))
}

pub(super) async fn catalogue() -> Reply {
    let mut faults = Vec::new();
    for named in CATALOGUE {
        let rule = named.rule().map_err(ControlError::bad_request)?;
        faults.push(json!({
            "name": named.name, "stands_for": named.stands_for, "source": named.source, "rule": rule_json(&rule),
        }));
    }
    Ok(ok(&json!({ "faults": faults })))
}

fn number(text: &str) -> Result<i64, ControlDenial> {
    text.parse().map_err(|_| ControlDenial::FaultNotFound(text.to_owned()))
}

fn rule_json(rule: &Rule) -> Value {
    serde_json::to_value(rule).unwrap_or_default()
}

pub(super) fn fault_json(fault: &Fault) -> Value {
    json!({
        "id": fault.id,
        "seen": fault.seen,
        "fired": fault.rule.fired(fault.seen),
        "remaining": fault.rule.remaining(fault.seen),
        "rule": rule_json(&fault.rule),
    })
}
