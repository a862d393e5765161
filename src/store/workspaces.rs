//! Accounts and workspaces, with their clocks and configuration. Everything that a workspace holds, all at once, is in
//! `workspace_rows.rs`.

use sqlx::FromRow;

use super::identities::is_found;
use super::session::{Reader, Writer, args};
use super::{Result, StoreError};
use crate::domain::clock::WorkspaceClock;
use crate::domain::settings::{Behaviour, ConfValue};
use crate::domain::{AccountId, Millis, PrincipalId, Workspace, WorkspaceId};

/// The columns of a [`WorkspaceRow`] from `workspaces w` with `workspace_joins!`.
macro_rules! workspace_columns {
    () => {
        "w.workspace_id, w.account_id, w.name, w.deployment_name, w.created_at, w.is_default, w.admins_group_id,
         w.users_group_id, w.clock_mode, w.clock_value,
         (SELECT s.shown_at FROM system_time s) AS shown_at, w.behaviour, w.delete_at, w.incarnation, w.entropy_seed,
         toggle.conf_value AS toggle_value, toggle.previous_value AS toggle_previous, toggle.effective_at AS toggle_at,
         cap.conf_value AS cap_value, cap.previous_value AS cap_previous, cap.effective_at AS cap_at,
         EXISTS (SELECT 1 FROM faults f WHERE f.workspace_id = w.workspace_id) AS has_faults"
    };
}
macro_rules! workspace_joins {
    () => {
        " LEFT JOIN workspace_conf toggle ON toggle.workspace_id = w.workspace_id AND toggle.conf_key = 'enableTokensConfig'
          LEFT JOIN workspace_conf cap ON cap.workspace_id = w.workspace_id AND cap.conf_key = 'maxTokenLifetimeDays' "
    };
}
pub(super) use {workspace_columns, workspace_joins};

macro_rules! select_workspaces {
    ($rest:literal) => {
        concat!("SELECT ", workspace_columns!(), " FROM workspaces w", workspace_joins!(), $rest)
    };
}

#[derive(Debug, FromRow)]
pub(super) struct WorkspaceRow {
    workspace_id: i64,
    account_id: String,
    name: String,
    deployment_name: String,
    created_at: i64,
    is_default: bool,
    admins_group_id: i64,
    users_group_id: i64,
    clock_mode: String,
    clock_value: i64,
    shown_at: i64,
    behaviour: String,
    delete_at: Option<i64>,
    incarnation: i64,
    entropy_seed: Option<i64>,
    toggle_value: Option<String>,
    toggle_previous: Option<String>,
    toggle_at: Option<i64>,
    cap_value: Option<String>,
    cap_previous: Option<String>,
    cap_at: Option<i64>,
    has_faults: bool,
}

fn conf(value: Option<String>, previous: Option<String>, at: Option<i64>) -> Option<ConfValue> {
    Some(ConfValue { value: value?, previous, effective_at: Millis(at?) })
}

impl TryFrom<WorkspaceRow> for Workspace {
    type Error = StoreError;

    fn try_from(row: WorkspaceRow) -> Result<Self> {
        let unreadable = |what: &str| StoreError::Unreadable(format!("{what} of workspace {}", row.workspace_id));
        Ok(Self {
            id: WorkspaceId(row.workspace_id),
            account: AccountId(row.account_id.parse().map_err(|_| unreadable("account"))?),
            created_at: Millis(row.created_at),
            is_default: row.is_default,
            admins_group: PrincipalId(row.admins_group_id),
            users_group: PrincipalId(row.users_group_id),
            clock: WorkspaceClock::from_parts(&row.clock_mode, row.clock_value)
                .ok_or_else(|| unreadable("clock"))?
                .not_before(Millis(row.shown_at)),
            behaviour: serde_json::from_str(&row.behaviour).map_err(|_| unreadable("behaviour"))?,
            delete_at: row.delete_at.map(Millis),
            incarnation: row.incarnation,
            entropy_seed: row.entropy_seed,
            name: row.name,
            deployment_name: row.deployment_name,
            enable_tokens: conf(row.toggle_value, row.toggle_previous, row.toggle_at),
            max_token_lifetime: conf(row.cap_value, row.cap_previous, row.cap_at),
            has_faults: row.has_faults,
        })
    }
}

impl Reader {
    pub async fn find_workspace(&mut self, id: WorkspaceId) -> Result<Option<Workspace>> {
        const SQL: &str = select_workspaces!("WHERE w.workspace_id = $1");
        self.find::<WorkspaceRow, _>(SQL, args![id]).await
    }

    /// The ids of the workspaces with a name, at most `limit`. Names have no index: only an operator searches for them,
    /// and workspaces are small rows.
    pub async fn list_workspaces_named(&mut self, name: &str, limit: i64) -> Result<Vec<WorkspaceId>> {
        const SQL: &str = "SELECT w.workspace_id FROM workspaces w WHERE w.name = $1 ORDER BY w.workspace_id LIMIT $2";
        let rows = self.rows::<(i64,)>(SQL, args![name, limit]).await?;
        Ok(rows.into_iter().map(|(id,)| WorkspaceId(id)).collect())
    }

    /// The workspace of requests that name none; `None` until the first start has created it.
    pub async fn find_default_workspace(&mut self) -> Result<Option<Workspace>> {
        const SQL: &str = select_workspaces!("WHERE w.is_default");
        self.find::<WorkspaceRow, _>(SQL, args![]).await
    }

    /// The workspaces in which a principal is active, by its own assignment or through a group of the account, the
    /// default one first.
    pub async fn list_assigned_workspaces(
        &mut self,
        account: AccountId,
        principal: PrincipalId,
    ) -> Result<Vec<Workspace>> {
        const SQL: &str = concat!(
            "WITH RECURSIVE up (principal_id) AS (
               SELECT CAST($2 AS BIGINT)
               UNION SELECT m.group_id FROM up
                 LEFT JOIN group_members m ON m.account_id = $1 AND m.member_id = up.principal_id
                 WHERE ",
            is_found!("m.group_id"),
            ") SELECT ",
            workspace_columns!(),
            " FROM workspaces w",
            workspace_joins!(),
            "LEFT JOIN workspace_assignments a ON a.workspace_id = w.workspace_id AND a.principal_id = $2
             WHERE w.account_id = $1 AND COALESCE(a.active, TRUE) AND EXISTS (
               SELECT 1 FROM up
               LEFT JOIN principals g ON g.account_id = $1 AND g.principal_id = up.principal_id AND +g.workspace_id = 0
               LEFT JOIN workspace_assignments d ON d.workspace_id = w.workspace_id
                 AND d.principal_id = g.principal_id AND d.direct
               WHERE ",
            is_found!("d.principal_id"),
            ") ORDER BY w.is_default DESC, w.workspace_id"
        );
        self.list::<WorkspaceRow, _>(SQL, args![account, principal]).await
    }

    /// The workspace that stands for an account: the default one if it belongs to it, otherwise the one with the lowest
    /// id.
    pub async fn find_workspace_of_account(&mut self, account: AccountId) -> Result<Option<Workspace>> {
        const SQL: &str =
            select_workspaces!("WHERE w.account_id = $1 ORDER BY w.is_default DESC, w.workspace_id LIMIT 1");
        self.find::<WorkspaceRow, _>(SQL, args![account]).await
    }

    pub async fn list_workspaces(&mut self, account: AccountId) -> Result<Vec<Workspace>> {
        const SQL: &str = select_workspaces!("WHERE w.account_id = $1 ORDER BY w.workspace_id");
        self.list::<WorkspaceRow, _>(SQL, args![account]).await
    }

    pub async fn has_account(&mut self, id: AccountId) -> Result<bool> {
        Ok(self.count("SELECT COUNT(*) FROM accounts WHERE account_id = $1", args![id]).await? > 0)
    }

    /// A value of the workspace configuration; `None` until it is first set.
    pub async fn find_conf(&mut self, id: WorkspaceId, key: &str) -> Result<Option<ConfValue>> {
        const SQL: &str = "SELECT conf_value, previous_value, effective_at FROM workspace_conf
             WHERE workspace_id = $1 AND conf_key = $2";
        let row = self.row::<(String, Option<String>, i64)>(SQL, args![id, key]).await?;
        Ok(row.map(|(value, previous, at)| ConfValue { value, previous, effective_at: Millis(at) }))
    }

    /// All values of the workspace configuration, by key.
    pub async fn list_conf(&mut self, id: WorkspaceId) -> Result<Vec<(String, String)>> {
        let sql = "SELECT conf_key, conf_value FROM workspace_conf WHERE workspace_id = $1 ORDER BY conf_key";
        self.rows(sql, args![id]).await
    }

    /// Values of the workspace configuration that take effect after `now`.
    pub async fn list_conf_after(&mut self, id: WorkspaceId, now: Millis) -> Result<Vec<(String, Millis)>> {
        let sql = "SELECT conf_key, effective_at FROM workspace_conf WHERE workspace_id = $1 AND effective_at > $2";
        let rows = self.rows::<(String, i64)>(sql, args![id, now]).await?;
        Ok(rows.into_iter().map(|(key, at)| (key, Millis(at))).collect())
    }

    pub async fn list_workspace_ids_of(&mut self, account: AccountId) -> Result<Vec<WorkspaceId>> {
        let sql = "SELECT workspace_id FROM workspaces WHERE account_id = $1 ORDER BY workspace_id";
        let rows = self.rows::<(i64,)>(sql, args![account]).await?;
        Ok(rows.into_iter().map(|(id,)| WorkspaceId(id)).collect())
    }

    /// All accounts, oldest first.
    pub async fn list_accounts(&mut self) -> Result<Vec<AccountId>> {
        let rows = self.rows::<(String,)>("SELECT account_id FROM accounts ORDER BY created_at, account_id", args![]);
        let account = |(text,): (String,)| AccountId::parse(&text).ok_or_else(|| StoreError::Unreadable(text));
        rows.await?.into_iter().map(account).collect()
    }

    pub async fn list_workspace_ids(&mut self) -> Result<Vec<WorkspaceId>> {
        let rows = self.rows::<(i64,)>("SELECT workspace_id FROM workspaces ORDER BY workspace_id", args![]).await?;
        Ok(rows.into_iter().map(|(id,)| WorkspaceId(id)).collect())
    }

    pub async fn list_all_workspaces(&mut self) -> Result<Vec<Workspace>> {
        const SQL: &str = select_workspaces!("ORDER BY w.workspace_id");
        self.list::<WorkspaceRow, _>(SQL, args![]).await
    }

    /// The workspaces that expire by `now`, on the system's clock.
    pub async fn list_expired_workspaces(&mut self, now: Millis) -> Result<Vec<WorkspaceId>> {
        let rows = self.rows::<(i64,)>("SELECT workspace_id FROM workspaces WHERE delete_at <= $1", args![now]).await?;
        Ok(rows.into_iter().map(|(id,)| WorkspaceId(id)).collect())
    }

    /// The latest system time that any process is known to have shown to clients.
    pub async fn find_shown_at(&mut self) -> Result<Millis> {
        Ok(Millis(self.count("SELECT shown_at FROM system_time", args![]).await?))
    }

    pub async fn count_workspaces(&mut self) -> Result<i64> {
        self.count("SELECT COUNT(*) FROM workspaces", args![]).await
    }
}

impl Writer {
    /// # Errors
    /// [`StoreError::Duplicate`] when it exists.
    pub async fn insert_account(&mut self, id: AccountId, created_at: Millis) -> Result<()> {
        self.execute("INSERT INTO accounts (account_id, created_at) VALUES ($1, $2)", args![id, created_at])
            .await
            .map(drop)
    }

    /// Inserts a workspace, without any configuration.
    ///
    /// # Errors
    /// [`StoreError::Duplicate`] when the id is taken.
    pub async fn insert_workspace(&mut self, workspace: &Workspace) -> Result<()> {
        const SQL: &str = "INSERT INTO workspaces (workspace_id, account_id, name, deployment_name, created_at,
             is_default, admins_group_id, users_group_id, clock_mode, clock_value, behaviour, delete_at, incarnation,
             entropy_seed) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)";
        let behaviour = behaviour_text(&workspace.behaviour)?;
        let (clock_mode, clock_value) = workspace.clock.to_parts();
        let values = args![
            workspace.id,
            workspace.account,
            &workspace.name,
            &workspace.deployment_name,
            workspace.created_at,
            workspace.is_default,
            workspace.admins_group,
            workspace.users_group,
            clock_mode,
            clock_value,
            &behaviour,
            workspace.delete_at,
            workspace.incarnation,
            workspace.entropy_seed,
        ];
        self.execute(SQL, values).await.map(drop)
    }

    /// Gives a workspace a new incarnation, so that requests which were authorized before cannot write.
    pub async fn update_incarnation(&mut self, id: WorkspaceId, incarnation: i64) -> Result<()> {
        let sql = "UPDATE workspaces SET incarnation = $2 WHERE workspace_id = $1";
        self.execute(sql, args![id, incarnation]).await.map(drop)
    }

    /// Sets when a workspace expires.
    pub async fn update_delete_at(&mut self, id: WorkspaceId, at: Option<Millis>) -> Result<()> {
        self.execute("UPDATE workspaces SET delete_at = $2 WHERE workspace_id = $1", args![id, at]).await.map(drop)
    }

    pub async fn update_clock(&mut self, id: WorkspaceId, clock: WorkspaceClock) -> Result<()> {
        let (mode, value) = clock.to_parts();
        let sql = "UPDATE workspaces SET clock_mode = $2, clock_value = $3 WHERE workspace_id = $1";
        self.execute(sql, args![id, mode, value]).await.map(drop)
    }

    /// Updates what a seed may say about a workspace.
    pub async fn update_workspace(&mut self, workspace: &Workspace) -> Result<()> {
        const SQL: &str = "UPDATE workspaces SET name = $2, created_at = $3, clock_mode = $4, clock_value = $5,
               behaviour = $6, entropy_seed = $7 WHERE workspace_id = $1";
        let behaviour = behaviour_text(&workspace.behaviour)?;
        let (mode, value) = workspace.clock.to_parts();
        let Workspace { id, name, created_at, entropy_seed, .. } = workspace;
        self.execute(SQL, args![*id, name, *created_at, mode, value, &behaviour, *entropy_seed]).await.map(drop)
    }

    pub async fn update_behaviour(&mut self, id: WorkspaceId, behaviour: &Behaviour) -> Result<()> {
        let text = behaviour_text(behaviour)?;
        self.execute("UPDATE workspaces SET behaviour = $2 WHERE workspace_id = $1", args![id, &text]).await.map(drop)
    }

    /// Stores a system time that was shown to clients, unless a later one is stored.
    pub async fn record_shown_at(&mut self, at: Millis) -> Result<()> {
        self.execute("UPDATE system_time SET shown_at = $1 WHERE shown_at < $1", args![at]).await.map(drop)
    }

    /// Counts one more draw from a workspace's entropy seed; returns the count.
    pub async fn increment_draws(&mut self, id: WorkspaceId) -> Result<i64> {
        const SQL: &str = "UPDATE workspaces SET entropy_drawn = entropy_drawn + 1 WHERE workspace_id = $1
             RETURNING entropy_drawn";
        self.count(SQL, args![id]).await
    }

    pub async fn put_conf(&mut self, id: WorkspaceId, key: &str, conf: &ConfValue) -> Result<()> {
        const SQL: &str =
            "INSERT INTO workspace_conf (workspace_id, conf_key, conf_value, previous_value, effective_at)
             VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (workspace_id, conf_key) DO UPDATE SET conf_value = excluded.conf_value,
               previous_value = excluded.previous_value, effective_at = excluded.effective_at";
        let previous = conf.previous.as_deref();
        self.execute(SQL, args![id, key, &conf.value, previous, conf.effective_at]).await.map(drop)
    }
}

fn behaviour_text(behaviour: &Behaviour) -> Result<String> {
    serde_json::to_string(behaviour).map_err(|error| StoreError::Unreadable(error.to_string()))
}
