//! For whoever waits for the server: orchestrators, test set-ups, `dapi-mock healthcheck`.

use axum::extract::State;
use axum::response::Response;
use serde_json::json;

use super::App;
use super::error::ApiError;
use super::extract::ok;

/// The process runs.
pub async fn live() -> Response {
    ok(&json!({ "status": "ok" }))
}

/// The database answers, is migrated and seeded; 503 until then.
pub async fn ready(State(app): State<App>) -> Result<Response, ApiError> {
    if app.service.is_ready().await { Ok(ok(&json!({ "status": "ok" }))) } else { Err(ApiError::Unavailable) }
}

/// A summary for people.
pub async fn summary(State(app): State<App>) -> Result<Response, ApiError> {
    if !app.service.is_ready().await {
        return Err(ApiError::Unavailable);
    }
    let only = app.service.only_workspace().await?;
    Ok(ok(&json!({
        "status": "ok",
        "name": "dapi-mock",
        "version": env!("CARGO_PKG_VERSION"),
        "workspace_id": only.map(|workspace| workspace.id.to_string()),
    })))
}
