//! All rows of a workspace at once: stores them as a checkpoint, restores, copies and deletes them.
//!
//! The statements are the same few for every table, so they are built from one list of tables and the database's own
//! list of columns. Only numbers, UUIDs and checked names go into their texts, never what a client sent. Start at
//! [`TABLES`].

use std::collections::HashMap;
use std::sync::OnceLock;

use crate::domain::{AccountId, Checkpoint, CheckpointName, Millis, Workspace, WorkspaceId};
use crate::store::session::{Reader, Writer, args};
use crate::store::{Result, StoreError};

/// Which rows of a table belong to a workspace, or to its account.
type Condition = fn(WorkspaceId, AccountId) -> String;

/// A table with rows of workspaces.
struct Table {
    name: &'static str,
    of_workspace: Option<Condition>,
    /// These are the workspace's too, as long as it is the only one of the account.
    of_account: Option<Condition>,
}

const fn table(name: &'static str, of_workspace: Option<Condition>, of_account: Option<Condition>) -> Table {
    Table { name, of_workspace, of_account }
}

const BY_WORKSPACE: Option<Condition> = Some(|workspace, _| format!("workspace_id = {workspace}"));
const BY_ACCOUNT: Option<Condition> = Some(|_, account| format!("account_id = '{account}'"));

/// The table of workspaces. Other rows refer to its row, so a reset changes it in place.
const WORKSPACES: &str = "workspaces";

/// Every table that a reset restores; a table comes after those that it refers to.
const TABLES: &[Table] = &[
    table(WORKSPACES, BY_WORKSPACE, None),
    table(
        "principals",
        Some(|workspace, account| format!("account_id = '{account}' AND workspace_id = {workspace}")),
        Some(|_, account| format!("account_id = '{account}' AND workspace_id = 0")),
    ),
    table(
        "group_members",
        Some(memberships_of_groups_in),
        Some(|_, account| memberships_of_groups_in(WorkspaceId(0), account)),
    ),
    table("workspace_assignments", BY_WORKSPACE, None),
    table("workspace_conf", BY_WORKSPACE, None),
    table("workspace_settings", BY_WORKSPACE, None),
    table("token_acl", BY_WORKSPACE, None),
    table("tokens", BY_WORKSPACE, None),
    table("tombstones", BY_WORKSPACE, None),
    table("audit_events", BY_WORKSPACE, None),
    table("oauth_secrets", None, BY_ACCOUNT),
    table("sign_ins", None, BY_ACCOUNT),
    table("rule_sets", None, BY_ACCOUNT),
    table("faults", BY_WORKSPACE, None),
    table("decoys", BY_WORKSPACE, None),
    table(
        "exchanges",
        // The default workspace also shows the entries without a workspace.
        Some(|workspace, _| {
            format!(
                "workspace_id = {workspace} OR (workspace_id = 0 AND EXISTS
             (SELECT 1 FROM workspaces d WHERE d.workspace_id = {workspace} AND d.is_default))"
            )
        }),
        None,
    ),
];

fn memberships_of_groups_in(workspace: WorkspaceId, account: AccountId) -> String {
    format!(
        "account_id = '{account}' AND group_id IN
             (SELECT p.principal_id FROM principals p WHERE p.account_id = '{account}' AND p.workspace_id = {workspace})"
    )
}

/// The tables that a reset leaves alone: the account itself, the keys that verify its access tokens, the browsers that
/// are signed in to the pages, the checkpoints, and the latest time that was shown.
pub const TABLES_NOT_RESTORED: &[&str] =
    &["accounts", "oauth_keys", "page_sessions", "checkpoints", "checkpoint_rows", "system_time"];

/// The tables that no checkpoint has, so that a reset only empties them: the armed faults and the request journal.
const NOT_IN_CHECKPOINTS: &[&str] = &["faults", "exchanges"];

/// The tables of which a copy gets no rows. A secret alone identifies an OAuth client, and a decoy the place where it
/// was laid out, so two workspaces must not share one. The journal shows what the original received.
const NOT_COPIED: &[&str] = &[WORKSPACES, "oauth_secrets", "sign_ins", "faults", "decoys", "exchanges"];

/// The column that no checkpoint has: a restored workspace gets a new incarnation.
const INCARNATION: &str = "incarnation";

/// The names of the tables that a reset restores.
pub fn restored_tables() -> impl Iterator<Item = &'static str> {
    TABLES.iter().map(|table| table.name)
}

/// The columns of each table, in the database's order.
type Columns = HashMap<String, Vec<String>>;

/// Whose rows a statement is about.
struct RowScope {
    workspace: WorkspaceId,
    account: AccountId,
    /// Whether the account's rows are treated as the workspace's.
    with_account: bool,
}

impl RowScope {
    fn workspace(workspace: &Workspace) -> Self {
        Self { workspace: workspace.id, account: workspace.account, with_account: false }
    }

    fn with_account(workspace: &Workspace) -> Self {
        Self { with_account: true, ..Self::workspace(workspace) }
    }

    fn of_checkpoint(workspace: &Workspace, checkpoint: &Checkpoint) -> Self {
        Self { with_account: checkpoint.has_account, ..Self::workspace(workspace) }
    }

    /// The conditions of a table's rows in this scope, each with whether it selects rows of the account.
    fn conditions(&self, table: &Table) -> Vec<(String, bool)> {
        let of_account = table.of_account.filter(|_| self.with_account);
        let parts =
            [table.of_workspace.map(|condition| (condition, false)), of_account.map(|condition| (condition, true))];
        let parts = parts.into_iter().flatten();
        parts.map(|(condition, is_account)| (condition(self.workspace, self.account), is_account)).collect()
    }

    /// The rows of a table, in the form in which SQLite's checkpoints store them; `None` where the scope has none.
    fn rows_as_json(&self, columns: &[&str], table: &Table) -> Option<String> {
        let (row, name) = (as_json(columns), table.name);
        let rows = |(condition, _): (String, bool)| format!("SELECT {row} FROM {name} x WHERE {condition}");
        let parts: Vec<String> = self.conditions(table).into_iter().map(rows).collect();
        (!parts.is_empty()).then(|| parts.join(" UNION ALL "))
    }

    /// Like [`delete_rows`](Self::delete_rows), but leaves the rows that are the same in the checkpoint. For SQLite.
    fn delete_changed_rows(&self, columns: &Columns, checkpoint: &CheckpointName) -> Vec<String> {
        let delete = |table: &Table| {
            let (name, row) = (table.name, as_json(&of(columns, table)));
            let kept = format!(
                "SELECT r.content FROM checkpoint_rows r WHERE r.workspace_id = {} AND r.checkpoint_name = '{}' AND r.table_name = '{name}'",
                self.workspace,
                checkpoint.as_str()
            );
            let conditions = self.conditions(table).into_iter();
            conditions.map(move |(condition, _)| {
                format!("DELETE FROM {name} AS x WHERE ({condition}) AND {row} NOT IN ({kept})")
            })
        };
        // An unchanged row may refer to one that is deleted here and inserted again.
        let deferred = ["PRAGMA defer_foreign_keys = ON".to_owned()].into_iter();
        deferred.chain(TABLES.iter().rev().filter(|table| table.name != WORKSPACES).flat_map(delete)).collect()
    }

    /// Empties the tables, except the one of workspaces.
    fn delete_rows(&self) -> Vec<String> {
        let delete = |table: &Table| {
            let name = table.name;
            let conditions = self.conditions(table).into_iter();
            conditions.map(move |(condition, _)| format!("DELETE FROM {name} WHERE {condition}"))
        };
        TABLES.iter().rev().filter(|table| table.name != WORKSPACES).flat_map(delete).collect()
    }

    /// Deletes the workspace itself and what the other tables leave.
    fn delete_workspace(&self) -> Vec<String> {
        let mut script = self.delete_rows();
        for table in ["checkpoint_rows", "checkpoints", "sign_ins", "page_sessions", WORKSPACES] {
            script.push(format!("DELETE FROM {table} WHERE workspace_id = {}", self.workspace));
        }
        script
    }
}

/// The expression for a row `x` in the form in which SQLite's checkpoints store it.
fn as_json(columns: &[&str]) -> String {
    let pairs: Vec<String> = columns.iter().map(|name| format!("'{name}', x.{name}")).collect();
    format!("json_object({})", pairs.join(", "))
}

/// The expression for a column's value in a copy. Workspace 0 holds what belongs to the account, and the names of rule
/// sets contain the account's id.
fn copied(column: &str, from: AccountId, to: &Workspace) -> String {
    let (workspace, account) = (to.id, to.account);
    match column {
        "workspace_id" => format!("CASE WHEN x.workspace_id = 0 THEN 0 ELSE {workspace} END"),
        "account_id" => format!("'{account}'"),
        "rule_set_name" => format!("REPLACE(x.rule_set_name, '{from}', '{account}')"),
        _ => format!("x.{column}"),
    }
}

/// How a checkpoint is restored, which differs between the databases.
enum Restoration {
    /// On SQLite everybody waits for the one writer, so only rows that differ are written: most of a large workspace is
    /// unchanged.
    ChangedRows,
    /// On PostgreSQL others write meanwhile.
    AllRows,
}

impl Restoration {
    /// The statement that inserts a table's rows of a checkpoint.
    fn insert(&self, columns: &[&str], table: &Table, scope: &RowScope, checkpoint: &CheckpointName) -> String {
        let (values, from, given): (Vec<String>, _, _) = match self {
            Self::AllRows => {
                let from = format!(", LATERAL jsonb_populate_record(NULL::{}, r.content) x", table.name);
                // The numbers that the database itself gave out are restored too.
                (columns.iter().map(|column| format!("x.{column}")).collect(), from, "OVERRIDING SYSTEM VALUE")
            }
            Self::ChangedRows => {
                (columns.iter().map(|column| format!("r.content ->> '{column}'")).collect(), String::new(), "")
            }
        };
        let unless_there = match (self, scope.rows_as_json(columns, table)) {
            (Self::ChangedRows, Some(rows)) if table.name != WORKSPACES => format!("AND r.content NOT IN ({rows})"),
            _ => String::new(),
        };
        let in_place: Vec<String> = columns.iter().map(|column| format!("{column} = excluded.{column}")).collect();
        let in_place = match table.name {
            WORKSPACES => format!("ON CONFLICT (workspace_id) DO UPDATE SET {}", in_place.join(", ")),
            _ => String::new(),
        };
        format!(
            "INSERT INTO {0} ({1}) {given} SELECT {2} FROM checkpoint_rows r{from}
                 WHERE r.workspace_id = {3} AND r.checkpoint_name = '{4}' AND r.table_name = '{0}'
                   AND (NOT r.is_account OR {5}) {unless_there} {in_place}",
            table.name,
            columns.join(", "),
            values.join(", "),
            scope.workspace,
            checkpoint.as_str(),
            scope.with_account,
        )
    }
}

impl Writer {
    /// Stores a workspace's present rows as a checkpoint, in place of an earlier one of that name.
    pub async fn put_checkpoint(&mut self, workspace: &Workspace, checkpoint: &Checkpoint) -> Result<()> {
        const SQL: &str = "INSERT INTO checkpoints (workspace_id, checkpoint_name, created_at, has_account)
             VALUES ($1, $2, $3, $4)";
        let Checkpoint { name, created_at, has_account } = checkpoint;
        self.delete_checkpoint(workspace.id, name).await?;
        self.execute(SQL, args![workspace.id, name.as_str(), *created_at, *has_account]).await?;
        let scope = RowScope::of_checkpoint(workspace, checkpoint);
        let columns = self.columns().await?;
        let mut script = Vec::new();
        for table in TABLES.iter().filter(|table| !NOT_IN_CHECKPOINTS.contains(&table.name)) {
            let row = if self.is_postgres() {
                format!("to_jsonb(x) - '{INCARNATION}'")
            } else {
                as_json(&of(columns, table))
            };
            for (condition, is_account) in scope.conditions(table) {
                script.push(format!(
                    "INSERT INTO checkpoint_rows (workspace_id, checkpoint_name, table_name, is_account, content)
                     SELECT {}, '{}', '{2}', {is_account}, {row} FROM {2} x WHERE {condition}",
                    workspace.id,
                    name.as_str(),
                    table.name,
                ));
            }
        }
        self.run_script(&script).await
    }

    /// Restores a checkpoint of a workspace; its `has_account` says whether the account's rows are restored too.
    pub async fn restore_checkpoint(&mut self, workspace: &Workspace, checkpoint: &Checkpoint) -> Result<()> {
        let scope = RowScope::of_checkpoint(workspace, checkpoint);
        let columns = self.columns().await?;
        let (mut script, restoration) = if self.is_postgres() {
            (scope.delete_rows(), Restoration::AllRows)
        } else {
            (scope.delete_changed_rows(columns, &checkpoint.name), Restoration::ChangedRows)
        };
        let inserts =
            TABLES.iter().map(|table| restoration.insert(&of(columns, table), table, &scope, &checkpoint.name));
        script.extend(inserts);
        self.run_script(&script).await
    }

    /// Copies everything that a workspace and its account hold into another workspace. That one must exist, be the only
    /// one of its account, and hold nothing yet.
    pub async fn copy_workspace(&mut self, from: &Workspace, to: &Workspace) -> Result<()> {
        let scope = RowScope::with_account(from);
        let columns = self.columns().await?;
        let mut script = Vec::new();
        for table in TABLES.iter().filter(|table| !NOT_COPIED.contains(&table.name)) {
            // The copied events get new numbers of the audit log.
            let columns = of(columns, table).into_iter().filter(|column| *column != "sequence").collect::<Vec<_>>();
            let values: Vec<String> = columns.iter().map(|column| copied(column, from.account, to)).collect();
            let order = if table.name == "audit_events" { "ORDER BY x.sequence" } else { "" };
            for (condition, _) in scope.conditions(table) {
                script.push(format!(
                    "INSERT INTO {0} ({1}) SELECT {2} FROM {0} x WHERE {condition} {order}",
                    table.name,
                    columns.join(", "),
                    values.join(", "),
                ));
            }
        }
        self.run_script(&script).await
    }

    /// Deletes a workspace with everything in it.
    pub async fn delete_workspace(&mut self, workspace: &Workspace) -> Result<()> {
        self.run_script(&RowScope::workspace(workspace).delete_workspace()).await
    }

    /// Deletes the only workspace of an account, and the account.
    pub async fn delete_workspace_and_account(&mut self, workspace: &Workspace) -> Result<()> {
        let mut script = RowScope::with_account(workspace).delete_workspace();
        for table in ["oauth_keys", "accounts"] {
            script.push(format!("DELETE FROM {table} WHERE account_id = '{}'", workspace.account));
        }
        self.run_script(&script).await
    }

    /// Deletes a checkpoint; returns whether it existed.
    pub async fn delete_checkpoint(&mut self, workspace: WorkspaceId, name: &CheckpointName) -> Result<bool> {
        const ROWS: &str = "DELETE FROM checkpoint_rows WHERE workspace_id = $1 AND checkpoint_name = $2";
        const ITSELF: &str = "DELETE FROM checkpoints WHERE workspace_id = $1 AND checkpoint_name = $2";
        self.execute(ROWS, args![workspace, name.as_str()]).await?;
        Ok(self.execute(ITSELF, args![workspace, name.as_str()]).await? > 0)
    }
}

/// The columns of a table that checkpoints and copies have.
fn of<'a>(columns: &'a Columns, table: &Table) -> Vec<&'a str> {
    let all = columns.get(table.name).into_iter().flatten().map(String::as_str);
    all.filter(|column| *column != INCARNATION).collect()
}

impl Reader {
    /// The checkpoints of a workspace, oldest first.
    pub async fn list_checkpoints(&mut self, workspace: WorkspaceId) -> Result<Vec<Checkpoint>> {
        const SQL: &str = "SELECT checkpoint_name, created_at, has_account FROM checkpoints
             WHERE workspace_id = $1 ORDER BY created_at, checkpoint_name";
        let rows = self.rows::<(String, i64, bool)>(SQL, args![workspace]).await?;
        let checkpoint = |(name, at, has_account): (String, i64, bool)| {
            let unreadable = || StoreError::Unreadable(format!("checkpoint {name}"));
            let name = CheckpointName::parse(&name).ok_or_else(unreadable)?;
            Ok(Checkpoint { name, created_at: Millis(at), has_account })
        };
        rows.into_iter().map(checkpoint).collect()
    }

    /// The columns of all tables. Read once per process, because all databases of a kind have the same ones.
    async fn columns(&mut self) -> Result<&'static Columns> {
        const ON_SQLITE: &str = "SELECT m.name, c.name FROM sqlite_schema m, pragma_table_info(m.name) c
             WHERE m.type = 'table' ORDER BY m.name, c.cid";
        const ON_POSTGRES: &str = "SELECT CAST(c.relname AS TEXT), CAST(a.attname AS TEXT)
             FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
             WHERE c.relnamespace = CAST(current_schema() AS regnamespace) AND c.relkind = 'r'
               AND a.attnum > 0 AND NOT a.attisdropped ORDER BY c.relname, a.attnum";
        static SQLITE: OnceLock<Columns> = OnceLock::new();
        static POSTGRES: OnceLock<Columns> = OnceLock::new();
        let (known, sql) = if self.is_postgres() { (&POSTGRES, ON_POSTGRES) } else { (&SQLITE, ON_SQLITE) };
        if let Some(columns) = known.get() {
            return Ok(columns);
        }
        let mut columns = Columns::new();
        for (table, column) in self.rows::<(String, String)>(sql, args![]).await? {
            columns.entry(table).or_default().push(column);
        }
        Ok(known.get_or_init(|| columns))
    }

    pub async fn list_tables(&mut self) -> Result<Vec<String>> {
        Ok(self.columns().await?.keys().cloned().collect())
    }
}
