//! Settings of workspaces and rule sets of accounts: JSON texts with an etag, which only the service reads.

use super::Result;
use super::session::{Reader, Writer, args};
use crate::domain::{AccountId, WorkspaceId};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionedValue {
    /// A JSON text.
    pub value: String,
    pub etag: String,
}

impl From<(String, String)> for VersionedValue {
    fn from((value, etag): (String, String)) -> Self {
        Self { value, etag }
    }
}

impl Reader {
    /// A workspace's setting; `None` until it is first set.
    pub async fn find_setting(&mut self, workspace: WorkspaceId, name: &str) -> Result<Option<VersionedValue>> {
        let sql = "SELECT setting_value, etag FROM workspace_settings WHERE workspace_id = $1 AND setting_name = $2";
        Ok(self.row::<(String, String)>(sql, args![workspace, name]).await?.map(VersionedValue::from))
    }

    /// A rule set of the account; `None` until it is first set.
    pub async fn find_rule_set(&mut self, account: AccountId, name: &str) -> Result<Option<VersionedValue>> {
        let sql = "SELECT grant_rules, etag FROM rule_sets WHERE account_id = $1 AND rule_set_name = $2";
        Ok(self.row::<(String, String)>(sql, args![account, name]).await?.map(VersionedValue::from))
    }

    /// The names and rules, as JSON, of all rule sets of the account.
    pub async fn list_rule_sets(&mut self, account: AccountId) -> Result<Vec<(String, String)>> {
        let sql = "SELECT rule_set_name, grant_rules FROM rule_sets WHERE account_id = $1 ORDER BY rule_set_name";
        self.rows::<(String, String)>(sql, args![account]).await
    }
}

impl Writer {
    pub async fn put_setting(&mut self, workspace: WorkspaceId, name: &str, new: &VersionedValue) -> Result<()> {
        const SQL: &str = "INSERT INTO workspace_settings (workspace_id, setting_name, setting_value, etag)
             VALUES ($1, $2, $3, $4) ON CONFLICT (workspace_id, setting_name)
             DO UPDATE SET setting_value = excluded.setting_value, etag = excluded.etag";
        self.execute(SQL, args![workspace, name, &new.value, &new.etag]).await.map(drop)
    }

    pub async fn delete_rule_set(&mut self, account: AccountId, name: &str) -> Result<()> {
        let sql = "DELETE FROM rule_sets WHERE account_id = $1 AND rule_set_name = $2";
        self.execute(sql, args![account, name]).await.map(drop)
    }

    pub async fn put_rule_set(&mut self, account: AccountId, name: &str, new: &VersionedValue) -> Result<()> {
        const SQL: &str = "INSERT INTO rule_sets (account_id, rule_set_name, grant_rules, etag)
             VALUES ($1, $2, $3, $4) ON CONFLICT (account_id, rule_set_name)
             DO UPDATE SET grant_rules = excluded.grant_rules, etag = excluded.etag";
        self.execute(SQL, args![account, name, &new.value, &new.etag]).await.map(drop)
    }
}
