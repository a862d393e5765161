//! `/v1/seed`: applies a seed, exports the current state as one, and describes the format.

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use serde_json::{Map, Value, json};

use super::Control;
use super::reply::{ControlError, JsonBody, Reply, ok};
use crate::domain::seeds;

/// Adds whatever the seed names and does not exist yet.
pub(super) async fn apply(State(control): State<Control>, JsonBody(body): JsonBody<Map<String, Value>>) -> Reply {
    let seed = seeds::parse(&Value::Object(body).to_string());
    let seed = seed.map_err(|error| ControlError::bad_request(format!("seed: {error}")))?;
    let added = control.service.apply_seed(&seed).await?;
    Ok(ok(&json!({ "workspaces": added.workspaces, "principals": added.principals, "tokens": added.tokens })))
}

/// Answers in YAML.
pub(super) async fn export(State(control): State<Control>) -> Reply {
    let seed = control.service.export_seed().await?;
    let internal = |error| ControlError::new(StatusCode::INTERNAL_SERVER_ERROR, error);
    let text = seeds::to_yaml(&seed).map_err(internal)?;
    Ok(([(CONTENT_TYPE, "application/yaml")], text).into_response())
}

pub(super) async fn schema() -> Reply {
    Ok(ok(&seeds::json_schema()))
}
