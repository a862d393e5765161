//! Tells orchestrators, test set-ups and `dapi-mock healthcheck` whether the server is up.

use axum::extract::State;
use axum::response::Response;
use schemars::JsonSchema;
use serde::Serialize;

use super::App;
use super::error::ApiError;
use super::extract::ok;

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Health {
    status: &'static str,
}

const HEALTHY: Health = Health { status: "ok" };

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct HealthSummary {
    status: &'static str,
    name: &'static str,
    version: &'static str,
    /// The workspace, if the server has only one.
    workspace_id: Option<String>,
}

/// Succeeds as long as the process runs.
pub async fn live() -> Response {
    ok(&HEALTHY)
}

/// Succeeds once the database answers and is migrated and seeded; 503 until then.
pub async fn ready(State(app): State<App>) -> Result<Response, ApiError> {
    if app.service.is_ready().await { Ok(ok(&HEALTHY)) } else { Err(ApiError::Unavailable) }
}

pub async fn summary(State(app): State<App>) -> Result<Response, ApiError> {
    if !app.service.is_ready().await {
        return Err(ApiError::Unavailable);
    }
    let only = app.service.only_workspace().await?;
    Ok(ok(&HealthSummary {
        status: "ok",
        name: "dapi-mock",
        version: env!("CARGO_PKG_VERSION"),
        workspace_id: only.map(|workspace| workspace.id.to_string()),
    }))
}
