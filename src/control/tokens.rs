//! `…/tokens`: every token, also those that ended, which the Databricks API no longer shows.

use axum::extract::{Path, Query, State};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Control;
use super::reply::{Problem, Reply, ok, rfc3339, workspace_id};
use crate::domain::Millis;
use crate::domain::token::EndCause;
use crate::service::TokenFate;

#[derive(Debug, Deserialize)]
pub(super) struct Wanted {
    state: Option<String>,
    token_id: Option<String>,
}

/// `?state=live|ended|<cause>&token_id=`: live tokens and tombstones, oldest first.
pub(super) async fn list(
    State(control): State<Control>,
    Path(workspace): Path<String>,
    Query(wanted): Query<Wanted>,
) -> Reply {
    let id = workspace_id(&control.service, &workspace).await?;
    let state = wanted.state.as_deref();
    if state.is_some_and(|state| state != "live" && state != "ended" && EndCause::parse(state).is_none()) {
        return Err(Problem::bad_request(
            "state: use live, ended, or a cause such as expired, inactive or revoked_by_owner.",
        ));
    }
    let fates = control.service.token_fates(id).await?;
    let shown = fates.iter().filter(|fate| match (state, fate.end.as_ref()) {
        (None, _) | (Some("live"), None) | (Some("ended"), Some(_)) => true,
        (Some(state), Some(end)) => end.cause.as_str() == state,
        (Some(_), None) => false,
    });
    let shown = shown.filter(|fate| wanted.token_id.as_deref().is_none_or(|id| fate.token.id.as_str() == id));
    Ok(ok(&json!({ "tokens": shown.map(fate_json).collect::<Vec<_>>() })))
}

fn fate_json(fate: &TokenFate) -> Value {
    let time = |at: Option<Millis>| at.map(rfc3339);
    let token = &fate.token;
    let mut out = json!({
        "token_id": token.id.as_str(),
        "owner_id": token.owner.to_string(),
        "owner": fate.owner,
        "created_by": token.created_by_username,
        "comment": token.comment,
        "creation_time": rfc3339(token.creation_time),
        "expiry_time": time(token.expiry_time),
        "last_used": time(token.last_used),
        "state": fate.end.as_ref().map_or("live", |end| end.cause.as_str()),
    });
    if let (Some(object), Some(end)) = (out.as_object_mut(), &fate.end) {
        object.insert("ended_at".into(), rfc3339(end.at).into());
        object.insert("ended_by".into(), end.actor.as_str().into());
        object.insert("last_client".into(), end.last_client.clone().into());
    }
    out
}
