//! `/v1/compat`: what is emulated, how faithfully, and who has proved it.

use serde_json::json;

use super::reply::{Reply, ok};
use crate::http::{compatibility, openapi};

/// `GET /v1/compat`
pub(super) async fn ledger() -> Reply {
    Ok(ok(&json!({ "version": env!("CARGO_PKG_VERSION"), "routes": compatibility::rows() })))
}

/// `GET /v1/compat/openapi.json`
pub(super) async fn document() -> Reply {
    Ok(ok(&openapi::document()))
}
