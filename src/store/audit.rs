//! The audit log's rows. They are only inserted and read here: a reset deletes them with the other rows of a workspace,
//! and what an event says is the domain's business.

use std::collections::HashMap;
use std::sync::LazyLock;

use sqlx::FromRow;

use super::session::{BatchStatement, Lock, Reader, Value, Writer, args};
use super::{Result, Store, StoreError};
use crate::domain::audit::{Event, Filter, NewEvent};
use crate::domain::identities::Principal;
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
    account_level: bool,
}

impl TryFrom<EventRow> for Event {
    type Error = StoreError;

    fn try_from(row: EventRow) -> Result<Self> {
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
            account_level: row.account_level,
        })
    }
}

macro_rules! list_sql {
    ($order:literal) => {
        concat!(
            "SELECT sequence, workspace_id, event_id, event_time, account_id, service_name, action_name, actor,
               request_id, source_ip, user_agent, request_params, status_code, error_message, account_level
             FROM audit_events WHERE workspace_id = $1 AND sequence > $2
               AND (CAST($3 AS TEXT) IS NULL OR action_name = $3) AND (CAST($4 AS TEXT) IS NULL OR LOWER(actor) = $4)
               AND (CAST($5 AS BIGINT) IS NULL OR event_time >= $5) AND (CAST($6 AS BIGINT) IS NULL OR event_time < $6)
               AND sequence <= $7
             ORDER BY sequence ",
            $order,
            " LIMIT $8"
        )
    };
}

static INSERT: LazyLock<BatchStatement> = LazyLock::new(|| {
    BatchStatement::new(0, 14, |rows| {
        format!(
            "INSERT INTO audit_events (workspace_id, event_id, event_time, account_id, service_name, action_name, actor,
               request_id, source_ip, user_agent, request_params, status_code, error_message, account_level) VALUES {rows}"
        )
    })
});

impl Writer {
    /// Appends events, in the transaction of the changes that they record.
    pub async fn insert_events(&mut self, events: &[NewEvent<'_>]) -> Result<()> {
        let texts: Vec<String> = events.iter().map(params_text).collect();
        let rows: Vec<[Value<'_>; 14]> = events
            .iter()
            .zip(&texts)
            .map(|(event, params)| {
                [
                    event.workspace.into(),
                    (&event.event_id).into(),
                    event.at.into(),
                    event.account.into(),
                    event.action.service.into(),
                    event.action.name.into(),
                    event.actor.into(),
                    (&event.origin.request_id).into(),
                    (&event.origin.source_ip).into(),
                    (&event.origin.user_agent).into(),
                    params.into(),
                    i64::from(event.status).into(),
                    event.error.into(),
                    event.account_level.into(),
                ]
            })
            .collect();
        self.execute_batch(&INSERT, args![], &rows).await.map(drop)
    }
}

fn params_text(event: &NewEvent<'_>) -> String {
    let params: serde_json::Map<String, serde_json::Value> =
        event.action.params.iter().map(|(key, value)| ((*key).to_owned(), value.clone().into())).collect();
    serde_json::Value::Object(params).to_string()
}

impl Store {
    /// The sequence number up to which all of a workspace's events are visible. On PostgreSQL transactions may commit
    /// in another order than they took their numbers, so this waits for those that run: a reader that resumed after an
    /// event which overtook another would never see the other.
    pub async fn settled_sequence(&self, workspace: WorkspaceId) -> Result<i64> {
        const SQL: &str = "SELECT COALESCE(MAX(sequence), 0) FROM audit_events WHERE workspace_id = $1";
        match self {
            Self::Sqlite { .. } => self.read().await?.count(SQL, args![workspace]).await,
            Self::Postgres(_) => {
                let mut writer = self.write(Lock::Workspace(workspace)).await?;
                let settled = writer.count(SQL, args![workspace]).await?;
                writer.commit().await?;
                Ok(settled)
            }
        }
    }
}

impl Reader {
    /// The sequence number of each workspace's newest event.
    pub async fn newest_events(&mut self) -> Result<HashMap<WorkspaceId, i64>> {
        // One index lookup per workspace; GROUP BY would read the whole index.
        let sql = "SELECT w.workspace_id, COALESCE(
               (SELECT MAX(e.sequence) FROM audit_events e WHERE e.workspace_id = w.workspace_id), 0)
             FROM workspaces w";
        let rows = self.rows::<(i64, i64)>(sql, args![]).await?;
        Ok(rows.into_iter().map(|(id, sequence)| (WorkspaceId(id), sequence)).collect())
    }

    /// A workspace's events by sequence number, in either direction, at most the filter's limit.
    pub async fn list_events(&mut self, workspace: WorkspaceId, filter: &Filter) -> Result<Vec<Event>> {
        let actor = filter.actor.as_deref().map(Principal::name_key);
        let values = args![
            workspace,
            filter.after,
            filter.action.as_deref(),
            actor.as_deref(),
            filter.since,
            filter.until,
            filter.up_to,
            filter.limit,
        ];
        let sql = if filter.newest_first { list_sql!("DESC") } else { list_sql!("ASC") };
        self.list::<EventRow, _>(sql, values).await
    }
}
