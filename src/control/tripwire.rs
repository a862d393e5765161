//! `tripwire` and `…/decoys`: who sent a suspected real credential, and who used a token value that belongs to nobody.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Control;
use super::reply::{ControlError, JsonBody, Reply, json_answer, ok, workspace_id};
use crate::domain::decoys::Decoy;
use crate::http::redaction;

/// Suspected real credentials that this process received, by kind and client; nothing of the credentials themselves.
pub(super) async fn show(State(control): State<Control>) -> Reply {
    let seen = control.service.tripwire().seen();
    let suspected: Vec<Value> = seen
        .iter()
        .map(|it| {
            json!({
                "kind": it.kind.as_str(), "client": it.client, "count": it.count,
                "first": it.first.rfc3339(), "last": it.last.rfc3339(),
            })
        })
        .collect();
    Ok(ok(&json!({ "tripped": !suspected.is_empty(), "strangers": suspected })))
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct DecoyRequest {
    comment: String,
}

/// Only this answer contains the decoy's value.
pub(super) async fn create_decoy(
    State(control): State<Control>,
    Path(workspace): Path<String>,
    JsonBody(request): JsonBody<DecoyRequest>,
) -> Reply {
    let id = workspace_id(&control.service, &workspace).await?;
    if redaction::line(&request.comment) != request.comment {
        return Err(ControlError::bad_request("comment: it contains a token or secret: use another comment."));
    }
    let (decoy, value) = control.service.create_decoy(id, &request.comment).await?;
    let mut out = decoy_json(&decoy);
    if let Some(out) = out.as_object_mut() {
        out.insert("token_value".into(), value.reveal().into());
    }
    Ok(json_answer(StatusCode::CREATED, &out))
}

pub(super) async fn decoys(State(control): State<Control>, Path(workspace): Path<String>) -> Reply {
    let id = workspace_id(&control.service, &workspace).await?;
    let decoys = control.service.decoys(id).await?;
    Ok(ok(&json!({ "decoys": decoys.iter().map(decoy_json).collect::<Vec<_>>() })))
}

/// 200 if no decoy was used, else 409 with the used ones.
pub(super) async fn verify_decoys(State(control): State<Control>, Path(workspace): Path<String>) -> Reply {
    let id = workspace_id(&control.service, &workspace).await?;
    let decoys = control.service.decoys(id).await?;
    let used: Vec<&Decoy> = decoys.iter().filter(|decoy| decoy.uses > 0).collect();
    let Some(use_of_one) = used.first().and_then(|decoy| decoy.last_use.as_ref()) else {
        return Ok(ok(&json!({ "met": true, "count": decoys.len() })));
    };
    let error = format!(
        "{} of {} decoys were used: one at {} by '{}' from {}.",
        used.len(),
        decoys.len(),
        use_of_one.at.rfc3339(),
        use_of_one.client,
        use_of_one.source_ip
    );
    let used: Vec<Value> = used.into_iter().map(decoy_json).collect();
    Ok(json_answer(StatusCode::CONFLICT, &json!({ "met": false, "error": error, "used": used })))
}

fn decoy_json(decoy: &Decoy) -> Value {
    let last_use = decoy
        .last_use
        .as_ref()
        .map(|last| json!({ "time": last.at.rfc3339(), "client": last.client, "source_ip": last.source_ip }));
    json!({
        "decoy_id": decoy.id.as_str(),
        "comment": decoy.comment,
        "created_at": decoy.created_at.rfc3339(),
        "uses": decoy.uses,
        "last_use": last_use,
    })
}
