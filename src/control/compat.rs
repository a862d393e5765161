//! `/v1/compat`: what is emulated, how faithfully, and which clients have proved it.

use serde_json::json;

use super::reply::{Reply, ok};
use crate::http::{compatibility, openapi};

pub(super) async fn list() -> Reply {
    Ok(ok(&json!({ "version": env!("CARGO_PKG_VERSION"), "routes": compatibility::rows() })))
}

pub(super) async fn document() -> Reply {
    Ok(ok(&openapi::document()))
}
