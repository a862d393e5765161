//! `…/what-if`: lists what would stop working if a setting, the permissions or the time were different.

use std::collections::BTreeSet;

use axum::extract::{Path, State};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Control;
use super::reply::{ControlError, JsonBody, Reply, instant, ok, workspace_id};
use crate::domain::PrincipalId;
use crate::domain::conf::plan_change;
use crate::domain::identities::Principal;
use crate::domain::permissions::RequestedEntry;
use crate::service::{Hypothesis, Impact};

const PRINCIPALS_LISTED: usize = 100;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WhatIf {
    #[serde(rename = "maxTokenLifetimeDays")]
    max_token_lifetime_days: Option<Value>,
    #[serde(rename = "enableTokensConfig")]
    enable_tokens: Option<Value>,
    access_control_list: Option<Vec<RequestedEntry>>,
    /// RFC 3339 or epoch milliseconds.
    at: Option<Value>,
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned)
}

/// Lists the tokens and the journal's requests that work now and would fail then, and the principals that would gain or
/// lose the permission. Nothing is changed.
pub(super) async fn what_if(
    State(control): State<Control>,
    Path(workspace): Path<String>,
    JsonBody(request): JsonBody<WhatIf>,
) -> Reply {
    let id = workspace_id(&control.service, &workspace).await?;
    let mut conf = Vec::new();
    for (key, value) in
        [("maxTokenLifetimeDays", &request.max_token_lifetime_days), ("enableTokensConfig", &request.enable_tokens)]
    {
        conf.extend(value.as_ref().map(|value| (key.to_owned(), Some(text(value)))));
    }
    if !conf.is_empty() {
        plan_change(&conf)?;
    }
    let value = |key: &str| conf.iter().find(|(known, _)| known == key).and_then(|(_, value)| value.clone());
    let hypothesis = Hypothesis {
        max_token_lifetime: value("maxTokenLifetimeDays"),
        enable_tokens: value("enableTokensConfig"),
        permissions: request.access_control_list,
        at: request.at.as_ref().map(instant).transpose()?,
    };
    if hypothesis.is_empty() {
        return Err(ControlError::bad_request(
            "Give at least one of maxTokenLifetimeDays, enableTokensConfig, access_control_list and at.",
        ));
    }
    let broken = control.service.what_if(id, &hypothesis).await?;
    Ok(ok(&render(&broken)))
}

fn render(broken: &Impact) -> Value {
    let tokens: Vec<Value> = broken
        .tokens
        .iter()
        .map(|(token, owner, step)| {
            json!({
                "token_id": token.id.as_str(), "owner": owner, "comment": token.comment,
                "check": step.check.as_str(), "because": step.because,
            })
        })
        .collect();
    let requests: Vec<Value> = broken
        .requests
        .iter()
        .map(|(request, why)| {
            json!({
                "request_id": request.request_id, "method": request.method, "path": request.path,
                "caller": request.caller, "because": why,
            })
        })
        .collect();
    let owners: BTreeSet<PrincipalId> = broken.tokens.iter().map(|(token, ..)| token.owner).collect();
    let clients: Vec<Value> =
        broken.clients.iter().map(|(client, tokens)| json!({ "client": client, "tokens": tokens })).collect();
    json!({ "impact": { "tokens": tokens.len(), "owners": owners.len(), "clients": clients },
        "permission_lost": principals_json(&broken.permission.lost),
        "permission_gained": principals_json(&broken.permission.gained),
        "locked_out": broken.locked_out, "tokens_that_would_fail": tokens, "requests_that_would_fail": requests, "looked_at": {
        "tokens": broken.tokens_looked_at, "requests": broken.requests_looked_at,
    } })
}

fn principals_json(principals: &[Principal]) -> Value {
    let named = principals.iter().take(PRINCIPALS_LISTED).map(|principal| {
        json!({ "kind": principal.kind.as_str(), "name": principal.name, "display_name": principal.display_name })
    });
    json!({ "count": principals.len(), "principals": named.collect::<Vec<_>>() })
}
