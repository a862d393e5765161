//! `/api/2.0/workspace-conf` and its older address under `/preview`. See
//! docs/reference/governance.md#configuration-keys.

use std::collections::HashSet;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value};

use super::App;
use super::error::ApiError;
use super::extract::{ApiCall, Arguments, Body, Members, ok};
use crate::domain::Denial;

/// Answers one member for each key of `keys=a,b`, with null for a key that was never set.
pub async fn get_status(State(app): State<App>, call: ApiCall, arguments: Arguments) -> Result<Response, ApiError> {
    let in_query = arguments.query().all("keys").any(|list| !list.is_empty());
    let in_body = if in_query { None } else { arguments.text("keys")? };
    let lists = arguments.query().all("keys").chain(in_body.as_deref());
    let mut seen = HashSet::new();
    let keys = lists.flat_map(|list| list.split(',')).map(str::trim).filter(|key| !key.is_empty());
    let keys: Vec<&str> = keys.filter(|key| seen.insert(*key)).collect();
    if keys.is_empty() {
        return Err(
            Denial::parameter("keys is required: name workspace configuration keys, separated by commas.").into()
        );
    }
    let values = app.service.conf(call.as_call(), &keys).await?;
    let members: Map<String, Value> = values.into_iter().map(|(key, value)| (key.to_owned(), value.into())).collect();
    Ok(ok(&members))
}

/// Takes texts, and the numbers and booleans that some clients send instead.
pub async fn set_status(
    State(app): State<App>,
    call: ApiCall,
    Body(Members(body)): Body<Members>,
) -> Result<Response, ApiError> {
    app.service.change_conf(call.as_call(), &changes_from(body)).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// The members as texts; `None` for a value that is not a text, a number or a boolean.
pub fn changes_from(body: Map<String, Value>) -> Vec<(String, Option<String>)> {
    let text = |value: Value| match value {
        Value::String(text) => Some(text),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    };
    body.into_iter().map(|(key, value)| (key, text(value))).collect()
}
