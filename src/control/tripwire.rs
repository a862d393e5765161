//! `tripwire` and `…/decoys`: who came with a credential that is not from here.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Control;
use super::reply::{Input, Problem, Reply, json_answer, ok, workspace_id};
use crate::domain::decoys::Decoy;
use crate::http::redaction;

/// The real-looking credentials that came to this process, by kind and client; nothing of themselves.
pub(super) async fn show(State(control): State<Control>) -> Reply {
    let seen = control.service.tripwire().seen();
    let strangers: Vec<Value> = seen
        .iter()
        .map(|it| {
            json!({
                "kind": it.kind.as_str(), "client": it.client, "count": it.count,
                "first": it.first.rfc3339(), "last": it.last.rfc3339(),
            })
        })
        .collect();
    Ok(ok(&json!({ "tripped": !strangers.is_empty(), "strangers": strangers })))
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "NewDecoy")]
pub(super) struct Wanted {
    comment: String,
}

/// `{"comment"?}`: makes a decoy. Its value is in this answer alone.
pub(super) async fn make_decoy(
    State(control): State<Control>,
    Path(workspace): Path<String>,
    Input(wanted): Input<Wanted>,
) -> Reply {
    let id = workspace_id(&control.service, &workspace).await?;
    if redaction::line(&wanted.comment) != wanted.comment {
        return Err(Problem::bad_request("The comment holds a token or secret."));
    }
    let (decoy, value) = control.service.create_decoy(id, &wanted.comment).await?;
    let mut out = decoy_json(&decoy);
    if let Some(out) = out.as_object_mut() {
        out.insert("token_value".into(), value.reveal().into());
    }
    Ok(json_answer(StatusCode::CREATED, &out))
}

/// The decoys of a workspace, and who used them.
pub(super) async fn decoys(State(control): State<Control>, Path(workspace): Path<String>) -> Reply {
    let id = workspace_id(&control.service, &workspace).await?;
    let decoys = control.service.decoys(id).await?;
    Ok(ok(&json!({ "decoys": decoys.iter().map(decoy_json).collect::<Vec<_>>() })))
}

/// 200 when no decoy was used, else 409 with those that were.
pub(super) async fn verify_decoys(State(control): State<Control>, Path(workspace): Path<String>) -> Reply {
    let id = workspace_id(&control.service, &workspace).await?;
    let decoys = control.service.decoys(id).await?;
    let used: Vec<&Decoy> = decoys.iter().filter(|decoy| decoy.uses > 0).collect();
    let Some(use_of_one) = used.first().and_then(|decoy| decoy.last_use.as_ref()) else {
        return Ok(ok(&json!({ "met": true, "count": decoys.len() })));
    };
    let error = format!(
        "{} of {} decoys were used; one at {} by '{}' from {}.",
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
