//! All that a workspace is, as rows: kept under a name, put back, copied, removed. The statements are
//! the same few for every table, so they are made from one list of tables and the database's own list of
//! columns. What goes into their text is numbers, UUIDs and checked names, never what a client sent.

use std::collections::HashMap;
use std::sync::OnceLock;

use crate::domain::{AccountId, Checkpoint, CheckpointName, Millis, Workspace, WorkspaceId};
use crate::store::StoreError;
use crate::store::session::{Reader, Writer, args};

/// A table with rows of workspaces. `{w}` and `{a}` stand for the ids of a workspace and its account.
struct Table {
    name: &'static str,
    /// Which of its rows are the workspace's.
    own: Option<&'static str>,
    /// Which are the account's, and so the workspace's too as long as that is the only one.
    account: Option<&'static str>,
}

const fn table(name: &'static str, own: Option<&'static str>, account: Option<&'static str>) -> Table {
    Table { name, own, account }
}

const OF_WORKSPACE: Option<&str> = Some("workspace_id = {w}");
const OF_ACCOUNT: Option<&str> = Some("account_id = {a}");

/// The table of workspaces, whose row others refer to: a reset changes it in place.
const WORKSPACES: &str = "workspaces";

/// Every table that a reset puts back, those that others refer to first.
const TABLES: &[Table] = &[
    table(WORKSPACES, OF_WORKSPACE, None),
    table("principals", Some("account_id = {a} AND workspace_id = {w}"), Some("account_id = {a} AND workspace_id = 0")),
    table(
        "group_members",
        Some(
            "account_id = {a} AND group_id IN
             (SELECT p.principal_id FROM principals p WHERE p.account_id = {a} AND p.workspace_id = {w})",
        ),
        Some(
            "account_id = {a} AND group_id IN
             (SELECT p.principal_id FROM principals p WHERE p.account_id = {a} AND p.workspace_id = 0)",
        ),
    ),
    table("workspace_assignments", OF_WORKSPACE, None),
    table("workspace_conf", OF_WORKSPACE, None),
    table("workspace_settings", OF_WORKSPACE, None),
    table("token_acl", OF_WORKSPACE, None),
    table("tokens", OF_WORKSPACE, None),
    table("tombstones", OF_WORKSPACE, None),
    table("audit_events", OF_WORKSPACE, None),
    table("oauth_secrets", None, OF_ACCOUNT),
    table("sign_ins", None, OF_ACCOUNT),
    table("rule_sets", None, OF_ACCOUNT),
    table("faults", OF_WORKSPACE, None),
    table("decoys", OF_WORKSPACE, None),
    table(
        "exchanges",
        // The default workspace shows those without one too.
        Some(
            "workspace_id = {w} OR (workspace_id = 0 AND EXISTS
             (SELECT 1 FROM workspaces d WHERE d.workspace_id = {w} AND d.is_default))",
        ),
        None,
    ),
];

/// The tables that a reset leaves alone: the account itself, the keys that verify its access tokens, who
/// looks at the pages, the checkpoints, and the latest time that was shown.
pub const TABLES_KEPT: &[&str] =
    &["accounts", "oauth_keys", "page_sessions", "checkpoints", "checkpoint_rows", "system_time"];

/// The tables that no checkpoint has, so that a reset only empties them: what a test armed, and the journal.
const NOT_KEPT: &[&str] = &["faults", "exchanges"];

/// The tables that a copy makes anew: a secret alone tells whose client comes, and a decoy where it was laid
/// out, so two may not share it. The journal is of what came to the original.
const NOT_COPIED: &[&str] = &[WORKSPACES, "oauth_secrets", "sign_ins", "faults", "decoys", "exchanges"];

/// The column that no checkpoint has.
const INCARNATION: &str = "incarnation";

/// The names of the tables that a reset puts back.
pub fn tables_put_back() -> impl Iterator<Item = &'static str> {
    TABLES.iter().map(|table| table.name)
}

/// The columns of each table, in the database's order.
type Columns = HashMap<String, Vec<String>>;

/// What the statements are about.
struct Place {
    workspace: WorkspaceId,
    account: AccountId,
    /// Whether the account's rows go with the workspace's.
    with_account: bool,
}

impl Place {
    fn of(workspace: &Workspace, with_account: bool) -> Self {
        Self { workspace: workspace.id, account: workspace.account, with_account }
    }

    /// The conditions of a table's rows that go, each with whether it is about the account's.
    fn conditions(&self, table: &Table) -> Vec<(String, bool)> {
        let account = table.account.filter(|_| self.with_account);
        let parts = [table.own.map(|text| (text, false)), account.map(|text| (text, true))];
        let filled = |text: &str| {
            text.replace("{w}", &self.workspace.to_string()).replace("{a}", &format!("'{}'", self.account))
        };
        parts.into_iter().flatten().map(|(text, is_account)| (filled(text), is_account)).collect()
    }

    /// The rows of a table that go, as SQLite's checkpoints have them; `None` where no row does.
    fn rows_as_kept(&self, columns: &[&str], table: &Table) -> Option<String> {
        let (row, name) = (as_json(columns), table.name);
        let rows = |(condition, _): (String, bool)| format!("SELECT {row} FROM {name} x WHERE {condition}");
        let parts: Vec<String> = self.conditions(table).into_iter().map(rows).collect();
        (!parts.is_empty()).then(|| parts.join(" UNION ALL "))
    }

    /// The same as [`delete_rows`](Self::delete_rows) on SQLite, but for the rows that a checkpoint has just so.
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
        // What refers to a row that changed may be as it was.
        let deferred = ["PRAGMA defer_foreign_keys = ON".to_owned()].into_iter();
        deferred.chain(TABLES.iter().rev().filter(|table| table.name != WORKSPACES).flat_map(delete)).collect()
    }

    /// What empties the tables, all but the one of workspaces.
    fn delete_rows(&self) -> Vec<String> {
        let delete = |table: &Table| {
            let name = table.name;
            let conditions = self.conditions(table).into_iter();
            conditions.map(move |(condition, _)| format!("DELETE FROM {name} WHERE {condition}"))
        };
        TABLES.iter().rev().filter(|table| table.name != WORKSPACES).flat_map(delete).collect()
    }
}

/// The expression for a row `x` as SQLite's checkpoints have it.
fn as_json(columns: &[&str]) -> String {
    let pairs: Vec<String> = columns.iter().map(|name| format!("'{name}', x.{name}")).collect();
    format!("json_object({})", pairs.join(", "))
}

/// The expression for a value of a copy in another workspace and account. 0 is the workspace of what is
/// the account's, and rule sets have the account in their name.
fn copied(column: &str, from: AccountId, to: &Workspace) -> String {
    let (workspace, account) = (to.id, to.account);
    match column {
        "workspace_id" => format!("CASE WHEN x.workspace_id = 0 THEN 0 ELSE {workspace} END"),
        "account_id" => format!("'{account}'"),
        "rule_set_name" => format!("REPLACE(x.rule_set_name, '{from}', '{account}')"),
        _ => format!("x.{column}"),
    }
}

impl Writer {
    /// Keeps a workspace as it is under a name; an earlier one of that name goes.
    pub async fn put_checkpoint(
        &mut self,
        workspace: &Workspace,
        name: &CheckpointName,
        with_account: bool,
        now: Millis,
    ) -> Result<(), StoreError> {
        const SQL: &str = "INSERT INTO checkpoints (workspace_id, checkpoint_name, created_at, has_account)
             VALUES ($1, $2, $3, $4)";
        self.delete_checkpoint(workspace.id, name).await?;
        self.execute(SQL, args![workspace.id, name.as_str(), now, with_account]).await?;
        let place = Place::of(workspace, with_account);
        let columns = self.columns().await?;
        let mut script = Vec::new();
        for table in TABLES.iter().filter(|table| !NOT_KEPT.contains(&table.name)) {
            let row = if self.is_postgres() {
                format!("to_jsonb(x) - '{INCARNATION}'")
            } else {
                as_json(&of(columns, table))
            };
            for (condition, is_account) in place.conditions(table) {
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

    /// Puts a workspace back to a checkpoint of it, all at once.
    pub async fn restore_checkpoint(
        &mut self,
        workspace: &Workspace,
        name: &CheckpointName,
        with_account: bool,
    ) -> Result<(), StoreError> {
        let place = Place::of(workspace, with_account);
        let columns = self.columns().await?;
        // On SQLite everybody waits for the one writer, so only what differs is written there: most of a large workspace
        // is as it was. On PostgreSQL others write meanwhile.
        let (mut script, only_changes) = if self.is_postgres() {
            (place.delete_rows(), false)
        } else {
            (place.delete_changed_rows(columns, name), true)
        };
        for table in TABLES {
            let columns = of(columns, table);
            let unless_there = match place.rows_as_kept(&columns, table) {
                Some(rows) if only_changes && table.name != WORKSPACES => format!("AND r.content NOT IN ({rows})"),
                _ => String::new(),
            };
            let (values, from): (Vec<String>, _) = if self.is_postgres() {
                let from = format!(", LATERAL jsonb_populate_record(NULL::{}, r.content) x", table.name);
                (columns.iter().map(|column| format!("x.{column}")).collect(), from)
            } else {
                (columns.iter().map(|column| format!("r.content ->> '{column}'")).collect(), String::new())
            };
            // A number that the database itself gave out comes back as it was.
            let given = if self.is_postgres() { "OVERRIDING SYSTEM VALUE" } else { "" };
            let in_place: Vec<String> = columns.iter().map(|column| format!("{column} = excluded.{column}")).collect();
            let in_place = match table.name {
                WORKSPACES => format!("ON CONFLICT (workspace_id) DO UPDATE SET {}", in_place.join(", ")),
                _ => String::new(),
            };
            script.push(format!(
                "INSERT INTO {0} ({1}) {given} SELECT {2} FROM checkpoint_rows r{from}
                 WHERE r.workspace_id = {3} AND r.checkpoint_name = '{4}' AND r.table_name = '{0}'
                   AND (NOT r.is_account OR {with_account}) {unless_there} {in_place}",
                table.name,
                columns.join(", "),
                values.join(", "),
                workspace.id,
                name.as_str(),
            ));
        }
        self.run_script(&script).await
    }

    /// Copies all that a workspace and its account hold into another workspace, alone in its account, both
    /// of which exist and hold nothing yet.
    pub async fn copy_workspace(&mut self, from: &Workspace, to: &Workspace) -> Result<(), StoreError> {
        let place = Place::of(from, true);
        let columns = self.columns().await?;
        let mut script = Vec::new();
        for table in TABLES.iter().filter(|table| !NOT_COPIED.contains(&table.name)) {
            // The audit log's own numbering goes on.
            let columns = of(columns, table).into_iter().filter(|column| *column != "sequence").collect::<Vec<_>>();
            let values: Vec<String> = columns.iter().map(|column| copied(column, from.account, to)).collect();
            let order = if table.name == "audit_events" { "ORDER BY x.sequence" } else { "" };
            for (condition, _) in place.conditions(table) {
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

    /// Removes a workspace with all that it holds, and its account when it is the only one there.
    pub async fn delete_workspace(&mut self, workspace: &Workspace, with_account: bool) -> Result<(), StoreError> {
        let mut script = Place::of(workspace, with_account).delete_rows();
        for table in ["checkpoint_rows", "checkpoints", "sign_ins", "page_sessions", WORKSPACES] {
            script.push(format!("DELETE FROM {table} WHERE workspace_id = {}", workspace.id));
        }
        if with_account {
            for table in ["oauth_keys", "accounts"] {
                script.push(format!("DELETE FROM {table} WHERE account_id = '{}'", workspace.account));
            }
        }
        self.run_script(&script).await
    }

    /// Forgets a checkpoint; answers whether there was one.
    pub async fn delete_checkpoint(
        &mut self,
        workspace: WorkspaceId,
        name: &CheckpointName,
    ) -> Result<bool, StoreError> {
        const ROWS: &str = "DELETE FROM checkpoint_rows WHERE workspace_id = $1 AND checkpoint_name = $2";
        const ITSELF: &str = "DELETE FROM checkpoints WHERE workspace_id = $1 AND checkpoint_name = $2";
        self.execute(ROWS, args![workspace, name.as_str()]).await?;
        Ok(self.execute(ITSELF, args![workspace, name.as_str()]).await? > 0)
    }
}

/// The columns of a table that go with its rows. A workspace that is put back is another one for it.
fn of<'a>(columns: &'a Columns, table: &Table) -> Vec<&'a str> {
    let all = columns.get(table.name).into_iter().flatten().map(String::as_str);
    all.filter(|column| *column != INCARNATION).collect()
}

impl Reader {
    /// The checkpoints of a workspace, oldest first.
    pub async fn list_checkpoints(&mut self, workspace: WorkspaceId) -> Result<Vec<Checkpoint>, StoreError> {
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

    /// What columns there are. All databases of a kind have the same, so it is asked once a process.
    async fn columns(&mut self) -> Result<&'static Columns, StoreError> {
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

    /// The names of the database's tables.
    pub async fn list_tables(&mut self) -> Result<Vec<String>, StoreError> {
        Ok(self.columns().await?.keys().cloned().collect())
    }
}
