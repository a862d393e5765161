//! Armed faults, in the order in which requests are matched against them.

use super::session::{Reader, Writer, args};
use super::{Result, StoreError};
use crate::domain::WorkspaceId;
use crate::domain::faults::{Fault, Rule};

impl Reader {
    pub async fn list_faults(&mut self, workspace: WorkspaceId) -> Result<Vec<Fault>> {
        let sql = "SELECT fault_id, rule, seen FROM faults WHERE workspace_id = $1 ORDER BY fault_id";
        let rows = self.rows::<(i64, String, i64)>(sql, args![workspace]).await?;
        let fault = |(id, rule, seen): (i64, String, i64)| {
            let rule = serde_json::from_str(&rule);
            let rule = rule.map_err(|_| StoreError::Unreadable(format!("fault {id} of workspace {workspace}")))?;
            Ok(Fault { id, rule, seen })
        };
        rows.into_iter().map(fault).collect()
    }
}

impl Writer {
    /// Inserts a fault after the others; returns its number.
    pub async fn insert_fault(&mut self, workspace: WorkspaceId, rule: &Rule) -> Result<i64> {
        const SQL: &str = "INSERT INTO faults (workspace_id, fault_id, rule)
             SELECT $1, COALESCE(MAX(fault_id), 0) + 1, $2 FROM faults WHERE workspace_id = $1 RETURNING fault_id";
        let text = serde_json::to_string(rule).map_err(|error| StoreError::Unreadable(error.to_string()))?;
        self.count(SQL, args![workspace, &text]).await
    }

    /// Counts a request that a fault's rule matched; returns how many it has matched.
    pub async fn increment_seen(&mut self, workspace: WorkspaceId, id: i64) -> Result<i64> {
        const SQL: &str = "UPDATE faults SET seen = seen + 1 WHERE workspace_id = $1 AND fault_id = $2 RETURNING seen";
        self.count(SQL, args![workspace, id]).await
    }

    /// Deletes one fault, or all of the workspace; returns how many existed.
    pub async fn delete_faults(&mut self, workspace: WorkspaceId, one: Option<i64>) -> Result<u64> {
        const SQL: &str =
            "DELETE FROM faults WHERE workspace_id = $1 AND fault_id = COALESCE(CAST($2 AS BIGINT), fault_id)";
        self.execute(SQL, args![workspace, one]).await
    }
}
