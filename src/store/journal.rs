//! The request journal's rows, which all processes on one PostgreSQL share; their table is `exchanges`. The content of
//! an entry is opaque here: the service writes and reads it. See docs/decisions/0012-shared-journal.md.

use std::sync::LazyLock;

use crate::domain::{Workspace, WorkspaceId};
use crate::store::session::{BatchStatement, Reader, Value, Writer, args};
use crate::store::{Result, Store};

/// Stands for the workspace of requests that named none that exists; the default workspace shows their entries.
const NO_WORKSPACE: WorkspaceId = WorkspaceId(0);

/// A journal entry to insert.
#[derive(Clone, Debug)]
pub struct NewEntry {
    /// The workspace that answered, and its incarnation then; `None` when the request named no workspace.
    pub workspace: Option<(WorkspaceId, i64)>,
    /// The response's `X-Request-Id`.
    pub request_id: String,
    /// The entry's number in its process, which makes a repeated insert harmless.
    pub place: i64,
    /// Whether a rule or a fault refused the request.
    pub is_refused: bool,
    /// Its approximate size.
    pub bytes: i64,
    /// The whole entry, as JSON.
    pub content: String,
}

impl NewEntry {
    fn workspace(&self) -> WorkspaceId {
        self.workspace.map_or(NO_WORKSPACE, |(id, _)| id)
    }
}

/// The number and content of a stored entry.
pub type StoredEntry = (i64, String);

static INSERT: LazyLock<BatchStatement> = LazyLock::new(|| {
    BatchStatement::new(0, 8, |rows| {
        format!(
            "INSERT INTO exchanges (process, workspace_id, incarnation, request_id, place, is_refused, bytes, content)
             VALUES {rows} ON CONFLICT DO NOTHING"
        )
    })
});

static DELETE: LazyLock<BatchStatement> = LazyLock::new(|| {
    BatchStatement::new(1, 1, |rows| format!("DELETE FROM exchanges WHERE workspace_id = $1 AND number IN ({rows})"))
});

/// The entries of workspaces in their present incarnation.
macro_rules! present {
    ($rest:literal) => {
        concat!(
            "SELECT e.number, e.content FROM exchanges e LEFT JOIN workspaces w ON w.workspace_id = e.workspace_id
             WHERE (e.workspace_id = 0 OR e.incarnation = w.incarnation) ",
            $rest
        )
    };
}

/// Deletes entries without waiting for locks: a reset, which may take long, deletes its own.
macro_rules! delete_unlocked {
    ($which:literal, $unlocked:literal) => {
        concat!(
            "DELETE FROM exchanges WHERE (workspace_id, number) IN (SELECT e.workspace_id, e.number FROM exchanges e ",
            $which,
            $unlocked,
            ")"
        )
    };
}

/// Deletes a workspace's oldest entries beyond `$2` entries or `$3` bytes.
macro_rules! trim_sql {
    ($unlocked:literal) => {
        delete_unlocked!(
            "WHERE e.workspace_id = $1 AND e.number <= (
               SELECT MAX(x.number) FROM (
                 SELECT number, ROW_NUMBER() OVER newest_first AS place, SUM(bytes) OVER newest_first AS total
                 FROM exchanges WHERE workspace_id = $1 WINDOW newest_first AS (ORDER BY number DESC)
               ) x WHERE x.place > $2 OR x.total > $3)",
            $unlocked
        )
    };
}

/// Deletes the entries of deleted and of restored workspaces, and the oldest of all beyond `$1` bytes.
macro_rules! tidy_sql {
    ($unlocked:literal) => {
        delete_unlocked!(
            "LEFT JOIN workspaces w ON w.workspace_id = e.workspace_id
             WHERE (e.workspace_id <> 0 AND (w.incarnation IS NULL OR w.incarnation <> e.incarnation))
               OR e.number <= (
                 SELECT MAX(x.number) FROM (
                   SELECT number, SUM(bytes) OVER (ORDER BY number DESC) AS total FROM exchanges
                 ) x WHERE x.total > $1)",
            $unlocked
        )
    };
}

impl Reader {
    /// The entries that a workspace shows with a number above `after`, in order.
    pub async fn list_journal_entries(&mut self, workspace: &Workspace, after: i64) -> Result<Vec<StoredEntry>> {
        const SQL: &str = "SELECT number, content FROM exchanges
             WHERE ((workspace_id = $1 AND incarnation = $2) OR (workspace_id = 0 AND $3)) AND number > $4
             ORDER BY number";
        self.rows(SQL, args![workspace.id, workspace.incarnation, workspace.is_default, after]).await
    }

    /// The entry of a request id, if this workspace shows it, or any workspace when `of` is `None`.
    pub async fn find_journal_entry(
        &mut self,
        request_id: &str,
        of: Option<&Workspace>,
    ) -> Result<Option<StoredEntry>> {
        const SQL: &str = present!(
            "AND e.request_id = $1
             AND (CAST($2 AS BIGINT) IS NULL OR e.workspace_id = $2 OR (e.workspace_id = 0 AND $3))
             ORDER BY e.number LIMIT 1"
        );
        let (id, is_default) = (of.map(|workspace| workspace.id.0), of.is_some_and(|workspace| workspace.is_default));
        self.row(SQL, args![request_id, id, is_default]).await
    }

    /// The newest refused request of any workspace, or the newest request when none was refused.
    pub async fn find_last_journal_entry(&mut self) -> Result<Option<StoredEntry>> {
        const SQL: &str = present!("ORDER BY e.is_refused DESC, e.number DESC LIMIT 1");
        self.row(SQL, args![]).await
    }

    /// Whether other processes have connections to this database. Every process that has just answered a request has
    /// one.
    pub async fn has_other_processes(&mut self) -> Result<bool> {
        const SQL: &str = "SELECT COUNT(*) FROM pg_stat_activity
             WHERE datname = current_database() AND application_name LIKE 'dapi-mock %'
               AND application_name <> current_setting('application_name')";
        Ok(self.is_postgres() && self.count(SQL, args![]).await? > 0)
    }
}

impl Writer {
    /// Inserts entries in their order, each once. Under [`Lock::Journal`](crate::store::Lock::Journal) numbers become
    /// visible in order, so a reader that resumes after a number misses none.
    pub async fn insert_journal_entries(&mut self, process: i64, entries: &[NewEntry]) -> Result<()> {
        let rows: Vec<[Value<'_>; 8]> = entries
            .iter()
            .map(|entry| {
                [
                    process.into(),
                    entry.workspace().into(),
                    entry.workspace.map_or(0, |(_, incarnation)| incarnation).into(),
                    (&entry.request_id).into(),
                    entry.place.into(),
                    entry.is_refused.into(),
                    entry.bytes.into(),
                    (&entry.content).into(),
                ]
            })
            .collect();
        self.execute_batch(&INSERT, args![], &rows).await.map(drop)
    }

    /// Keeps the newest entries of a workspace, or of the requests without one, within a number and a size.
    pub async fn trim_journal(&mut self, workspace: Option<WorkspaceId>, entries: i64, bytes: i64) -> Result<u64> {
        let sql = if self.is_postgres() { trim_sql!(" FOR UPDATE SKIP LOCKED") } else { trim_sql!("") };
        self.execute(sql, args![workspace.unwrap_or(NO_WORKSPACE), entries, bytes]).await
    }

    /// Deletes the entries that no workspace shows any more, and the oldest of all beyond a size.
    pub async fn tidy_journal(&mut self, bytes: i64) -> Result<u64> {
        let sql = if self.is_postgres() { tidy_sql!(" FOR UPDATE OF e SKIP LOCKED") } else { tidy_sql!("") };
        self.execute(sql, args![bytes]).await
    }

    /// Deletes some of the entries that a workspace shows, by number.
    pub async fn delete_journal_entries(&mut self, workspace: &Workspace, numbers: &[i64]) -> Result<()> {
        let rows: Vec<[Value<'_>; 1]> = numbers.iter().map(|number| [(*number).into()]).collect();
        for id in shown_by(workspace) {
            self.execute_batch(&DELETE, args![id], &rows).await?;
        }
        Ok(())
    }

    /// Deletes all entries that a workspace shows.
    pub async fn clear_journal(&mut self, workspace: &Workspace) -> Result<()> {
        for id in shown_by(workspace) {
            self.execute("DELETE FROM exchanges WHERE workspace_id = $1", args![id]).await?;
        }
        Ok(())
    }
}

/// The ids of the entries that a workspace shows: its own, and in the default workspace also those without one.
fn shown_by(workspace: &Workspace) -> impl Iterator<Item = WorkspaceId> {
    [Some(workspace.id), workspace.is_default.then_some(NO_WORKSPACE)].into_iter().flatten()
}

impl Store {
    /// The number of this process among those on one PostgreSQL; 0 on SQLite, which has only one.
    pub fn process(&self) -> i64 {
        match self {
            Self::Sqlite { .. } => 0,
            Self::Postgres(pool) => pool.process(),
        }
    }
}
