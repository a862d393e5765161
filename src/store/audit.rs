//! The audit log's rows.

use std::collections::HashMap;

use sqlx::FromRow;

use super::StoreError;
use super::session::{Reader, Writer, args};
use crate::domain::audit::{Event, Filter, NewEvent};
use crate::domain::{AccountId, Millis, WorkspaceId};

#[derive(FromRow)]
struct EventRow {
    sequence: i64,
    workspace_id: i64,
    event_id: String,
    event_time: i64,
    account_id: String,
    service_name: String,
    action_name: String,
    actor: Option<String>,
    request_id: String,
    source_ip: String,
    user_agent: String,
    request_params: String,
    status_code: i64,
    error_message: Option<String>,
}

impl TryFrom<EventRow> for Event {
    type Error = StoreError;

    fn try_from(row: EventRow) -> Result<Self, StoreError> {
        let unreadable = |what: &str| StoreError::Unreadable(format!("{what} of audit event {}", row.event_id));
        Ok(Self {
            sequence: row.sequence,
            workspace: WorkspaceId(row.workspace_id),
            account: AccountId(row.account_id.parse().map_err(|_| unreadable("account"))?),
            params: serde_json::from_str(&row.request_params).map_err(|_| unreadable("parameters"))?,
            status: u16::try_from(row.status_code).map_err(|_| unreadable("status"))?,
            id: row.event_id,
            at: Millis(row.event_time),
            service: row.service_name,
            action: row.action_name,
            actor: row.actor,
            request_id: row.request_id,
            source_ip: row.source_ip,
            user_agent: row.user_agent,
            error: row.error_message,
        })
    }
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
    /// The place of each workspace's newest event.
    pub async fn newest_events(&mut self) -> Result<HashMap<WorkspaceId, i64>, StoreError> {
        let sql = "SELECT workspace_id, MAX(sequence) FROM audit_events GROUP BY workspace_id";
        let rows = self.rows::<(i64, i64)>(sql, args![]).await?;
        Ok(rows.into_iter().map(|(id, sequence)| (WorkspaceId(id), sequence)).collect())
    }

    /// A workspace's events in the order of writing, as many as the filter's limit.
    pub async fn list_events(&mut self, workspace: WorkspaceId, filter: &Filter) -> Result<Vec<Event>, StoreError> {
        const SQL: &str = "SELECT sequence, workspace_id, event_id, event_time, account_id, service_name, action_name,
               actor, request_id, source_ip, user_agent, request_params, status_code, error_message
             FROM audit_events WHERE workspace_id = $1 AND sequence > $2
               AND (CAST($3 AS TEXT) IS NULL OR action_name = $3) AND (CAST($4 AS TEXT) IS NULL OR actor = $4)
               AND (CAST($5 AS BIGINT) IS NULL OR event_time >= $5) AND (CAST($6 AS BIGINT) IS NULL OR event_time < $6)
             ORDER BY sequence LIMIT $7";
        let values = args![
            workspace,
            filter.after,
            filter.action.as_deref(),
            filter.actor.as_deref(),
            filter.since,
            filter.until,
            filter.limit,
        ];
        self.rows::<EventRow>(SQL, values).await?.into_iter().map(Event::try_from).collect()
    }
}
