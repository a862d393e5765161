//! Calls of the control API that more than one suite makes.

use axum::http::Method;
use serde_json::{Value, json};

use super::{START, World};

impl World {
    /// Changes the behaviour of the default workspace.
    pub(crate) async fn behave(&self, switches: &Value) {
        let answer = self.anonymous().own(Method::PATCH, "workspaces/default/behaviour", switches).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }

    pub(crate) async fn events_of(&self, workspace: i64, action: &str) -> Vec<Value> {
        let path = format!("workspaces/{workspace}/audit?shape=system_table&action={action}");
        let answer = self.anonymous().own(Method::GET, &path, &json!({})).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Moves the default workspace's clock to `ms` milliseconds after the start.
    pub(crate) async fn at(&self, ms: i64) {
        self.anonymous().advance(&json!({"to": START.0 + ms})).await;
    }

    pub(crate) async fn audited(&self, action: &str) -> Vec<Value> {
        let path = format!("workspaces/default/audit?action={action}");
        let answer = self.anonymous().own(Method::GET, &path, &json!({})).await;
        answer.text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}
