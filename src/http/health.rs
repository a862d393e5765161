//! For whoever waits for the server: orchestrators, test set-ups, `dapi-mock healthcheck`.

use axum::extract::State;
use axum::response::Response;
use schemars::JsonSchema;
use serde::Serialize;

use super::App;
use super::error::ApiError;
use super::extract::ok;

/// That all is well.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Health {
    status: &'static str,
}

const WELL: Health = Health { status: "ok" };

/// All is well, with what it is.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct HealthSummary {
    status: &'static str,
    name: &'static str,
    version: &'static str,
    /// The only workspace.
    workspace_id: Option<String>,
}

/// The process runs.
pub async fn live() -> Response {
    ok(&WELL)
}

/// The database answers, is migrated and seeded; 503 until then.
pub async fn ready(State(app): State<App>) -> Result<Response, ApiError> {
    if app.service.is_ready().await { Ok(ok(&WELL)) } else { Err(ApiError::Unavailable) }
}

/// A summary for people.
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
