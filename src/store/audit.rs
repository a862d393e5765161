//! The audit log's rows.

use super::StoreError;
use super::session::{Reader, Writer, args};
use crate::domain::audit::{Action, Origin};
use crate::domain::{AccountId, Millis, WorkspaceId};

/// An event to be stored.
#[derive(Clone, Debug)]
pub struct NewEvent<'a> {
    /// The account.
    pub account: AccountId,
    /// The workspace.
    pub workspace: WorkspaceId,
    /// A UUID.
    pub event_id: String,
    /// When, on the workspace's clock.
    pub at: Millis,
    /// Who; `None` when nobody could be identified.
    pub actor: Option<&'a str>,
    /// Where from.
    pub origin: &'a Origin,
    /// What.
    pub action: Action,
    /// The answer's status.
    pub status: u16,
    /// The answer's message, when it was an error.
    pub error: Option<&'a str>,
}

impl Writer {
    /// Appends an event; it becomes visible with the effect that it tells of.
    pub async fn insert_event(&mut self, event: &NewEvent<'_>) -> Result<(), StoreError> {
        const SQL: &str = "INSERT INTO audit_events (workspace_id, event_id, event_time, account_id, service_name,
               action_name, actor, request_id, source_ip, user_agent, request_params, status_code, error_message)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)";
        let account = event.account.to_string();
        let params: serde_json::Map<String, serde_json::Value> =
            event.action.params.iter().map(|(key, value)| ((*key).to_owned(), value.clone().into())).collect();
        let params = serde_json::Value::Object(params).to_string();
        let values = args![
            event.workspace,
            &event.event_id,
            event.at,
            &account,
            event.action.service,
            event.action.name,
            event.actor,
            &event.origin.request_id,
            &event.origin.source_ip,
            &event.origin.user_agent,
            &params,
            i64::from(event.status),
            event.error,
        ];
        self.execute(SQL, values).await?;
        Ok(())
    }
}

impl Reader {
    /// How many events of an action a workspace has.
    pub async fn count_events(&mut self, workspace: WorkspaceId, action: &str) -> Result<i64, StoreError> {
        let sql = "SELECT COUNT(*) FROM audit_events WHERE workspace_id = $1 AND action_name = $2";
        self.count(sql, args![workspace, action]).await
    }

    /// Who did an action in a workspace, and its parameters as JSON, oldest first.
    pub async fn list_events(
        &mut self,
        workspace: WorkspaceId,
        action: &str,
    ) -> Result<Vec<(Option<String>, String)>, StoreError> {
        let sql = "SELECT actor, request_params FROM audit_events WHERE workspace_id = $1 AND action_name = $2
             ORDER BY event_time, event_id";
        self.rows(sql, args![workspace, action]).await
    }
}
