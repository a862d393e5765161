//! `…/tokens`: every token, also those that ended, which the Databricks API no longer shows.

use axum::extract::{Path, State};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Control;
use super::reply::{Asked, Problem, Reply, ok, workspace_id};
use crate::domain::token::EndCause;
use crate::domain::{Millis, PrincipalId, TokenId};
use crate::service::{FatesWanted, TokenFate};

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "WantedTokens")]
pub(super) struct Wanted {
    state: Option<String>,
    token_id: Option<String>,
    owner_id: Option<String>,
    /// The owner's `userName` or application id, in any letter case.
    owner: Option<String>,
}

/// `?state=live|ended|<cause>&token_id=&owner_id=&owner=`: live tokens and tombstones, oldest first.
pub(super) async fn list(
    State(control): State<Control>,
    Path(workspace): Path<String>,
    Asked(wanted): Asked<Wanted>,
) -> Reply {
    let id = workspace_id(&control.service, &workspace).await?;
    let state = wanted.state.as_deref();
    if state.is_some_and(|state| state != "live" && state != "ended" && EndCause::parse(state).is_none()) {
        return Err(Problem::bad_request(
            "state: use live, ended, or a cause such as expired, inactive or revoked_by_owner.",
        ));
    }
    let one = wanted.token_id.map(TokenId::from_text);
    let owner = wanted.owner_id.as_deref().map(|text| {
        PrincipalId::parse(text)
            .ok_or_else(|| Problem::bad_request(format!("owner_id: '{text}' is no principal's id.")))
    });
    let name = wanted.owner;
    let is_wanted = |fate: &TokenFate| {
        name.as_ref().is_none_or(|name| fate.owner.as_ref().is_some_and(|owner| owner.eq_ignore_ascii_case(name)))
    };
    let wanted = FatesWanted { one: one.as_ref(), owner: owner.transpose()? };
    let fates = control.service.token_fates(id, wanted).await?;
    let shown = fates.iter().filter(|fate| is_wanted(fate)).filter(|fate| match (state, fate.end.as_ref()) {
        (None, _) | (Some("live"), None) | (Some("ended"), Some(_)) => true,
        (Some(state), Some(end)) => end.cause.as_str() == state,
        (Some(_), None) => false,
    });
    Ok(ok(&json!({ "tokens": shown.map(fate_json).collect::<Vec<_>>() })))
}

pub(super) fn fate_json(fate: &TokenFate) -> Value {
    let token = &fate.token;
    let mut out = json!({
        "token_id": token.id.as_str(),
        "owner_id": token.owner.to_string(),
        "owner": fate.owner,
        "created_by": token.created_by_username,
        "comment": token.comment,
        "creation_time": token.creation_time.rfc3339(),
        "expiry_time": token.expiry_time.map(Millis::rfc3339),
        "last_client": fate.last_client,
        "last_used": token.last_used.map(Millis::rfc3339),
        "idle_at": fate.idle_at.filter(|_| fate.end.is_none()).map(Millis::rfc3339),
        "state": fate.end.as_ref().map_or("live", |end| end.cause.as_str()),
    });
    if let (Some(object), Some(end)) = (out.as_object_mut(), &fate.end) {
        object.insert("ended_at".into(), end.at.rfc3339().into());
        object.insert("ended_by".into(), end.actor.as_str().into());
    }
    out
}
