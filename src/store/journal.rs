//! The journal's rows, which the processes on one PostgreSQL share. What an exchange says is the service's business.

use std::sync::LazyLock;

use crate::domain::{Workspace, WorkspaceId};
use crate::store::session::{ForRows, Reader, Value, Writer, args};
use crate::store::{Store, StoreError};

/// The workspace of what no workspace could be told for; the default one shows it.
const NOBODYS: WorkspaceId = WorkspaceId(0);

/// An exchange to keep.
#[derive(Clone, Debug)]
pub struct NewEntry {
    /// The workspace that answered, if one could be told, and its incarnation then.
    pub workspace: Option<(WorkspaceId, i64)>,
    /// The answer's `X-Request-Id`.
    pub request_id: String,
    /// Its place among those of this process.
    pub place: i64,
    /// Whether a rule or a fault refused it.
    pub is_refused: bool,
    /// Roughly what it takes.
    pub bytes: i64,
    /// All of it, as JSON.
    pub content: String,
}

impl NewEntry {
    fn workspace(&self) -> WorkspaceId {
        self.workspace.map_or(NOBODYS, |(id, _)| id)
    }
}

/// A kept exchange: its number and its content.
pub type StoredEntry = (i64, String);

static INSERT: LazyLock<ForRows> = LazyLock::new(|| {
    ForRows::new(1, 7, |rows| {
        let rows = rows.replace('(', "($1, ");
        format!(
            "INSERT INTO exchanges (process, workspace_id, incarnation, request_id, place, is_refused, bytes, content)
             VALUES {rows} ON CONFLICT DO NOTHING"
        )
    })
});

static TAKE_OUT: LazyLock<ForRows> = LazyLock::new(|| {
    ForRows::new(1, 1, |rows| format!("DELETE FROM exchanges WHERE workspace_id = $1 AND number IN ({rows})"))
});

/// The exchanges of workspaces as they are now.
macro_rules! present {
    ($rest:literal) => {
        concat!(
            "SELECT e.number, e.content FROM exchanges e LEFT JOIN workspaces w ON w.workspace_id = e.workspace_id
             WHERE (e.workspace_id = 0 OR e.incarnation = w.incarnation) ",
            $rest
        )
    };
}

/// Deletes without waiting: what a reset is deleting, which may take long, is left to it.
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

/// Those of a workspace that come after the newest so many, or behind so many bytes.
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

/// Those of workspaces that are gone or were put back, and those behind so many bytes of all.
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
    /// What a workspace shows of the journal with a number above `after`, in order.
    pub async fn list_exchanges(&mut self, workspace: &Workspace, after: i64) -> Result<Vec<StoredEntry>, StoreError> {
        const SQL: &str = "SELECT number, content FROM exchanges
             WHERE ((workspace_id = $1 AND incarnation = $2) OR (workspace_id = 0 AND $3)) AND number > $4
             ORDER BY number";
        self.rows(SQL, args![workspace.id, workspace.incarnation, workspace.is_default, after]).await
    }

    /// The exchange of a request id among those that a workspace shows, or any does.
    pub async fn find_exchange(
        &mut self,
        request_id: &str,
        of: Option<&Workspace>,
    ) -> Result<Option<StoredEntry>, StoreError> {
        const SQL: &str = present!(
            "AND e.request_id = $1
             AND (CAST($2 AS BIGINT) IS NULL OR e.workspace_id = $2 OR (e.workspace_id = 0 AND $3))
             ORDER BY e.number LIMIT 1"
        );
        let (id, shows_nobodys) =
            (of.map(|workspace| workspace.id.0), of.is_some_and(|workspace| workspace.is_default));
        self.row(SQL, args![request_id, id, shows_nobodys]).await
    }

    /// The newest refusal, or the newest exchange where none was refused, in any workspace.
    pub async fn find_last_exchange(&mut self) -> Result<Option<StoredEntry>, StoreError> {
        const SQL: &str = present!("ORDER BY e.is_refused DESC, e.number DESC LIMIT 1");
        self.row(SQL, args![]).await
    }

    /// Whether other processes have connections to this database, as any has that answered a request just now.
    pub async fn has_other_processes(&mut self) -> Result<bool, StoreError> {
        const SQL: &str = "SELECT COUNT(*) FROM pg_stat_activity
             WHERE datname = current_database() AND application_name LIKE 'dapi-mock %'
               AND application_name <> current_setting('application_name')";
        Ok(self.is_postgres() && self.count(SQL, args![]).await? > 0)
    }
}

impl Writer {
    /// Adds exchanges in their order, each once. Under [`Lock::Journal`](crate::store::Lock::Journal) numbers become visible
    /// in order, so that whoever goes on from one misses none.
    pub async fn insert_exchanges(&mut self, process: i64, exchanges: &[NewEntry]) -> Result<(), StoreError> {
        let rows: Vec<[Value<'_>; 7]> = exchanges
            .iter()
            .map(|exchange| {
                [
                    exchange.workspace().into(),
                    exchange.workspace.map_or(0, |(_, incarnation)| incarnation).into(),
                    (&exchange.request_id).into(),
                    exchange.place.into(),
                    exchange.is_refused.into(),
                    exchange.bytes.into(),
                    (&exchange.content).into(),
                ]
            })
            .collect();
        self.execute_rows(&INSERT, args![process], &rows).await?;
        Ok(())
    }

    /// Keeps the newest exchanges of a workspace, or of those that have none: so many, and so many bytes.
    pub async fn trim_exchanges(
        &mut self,
        workspace: Option<WorkspaceId>,
        most: i64,
        bytes: i64,
    ) -> Result<u64, StoreError> {
        let sql = if self.is_postgres() { trim_sql!(" FOR UPDATE SKIP LOCKED") } else { trim_sql!("") };
        self.execute(sql, args![workspace.unwrap_or(NOBODYS), most, bytes]).await
    }

    /// Deletes what no workspace shows any more, and the oldest of all beyond so many bytes.
    pub async fn tidy_exchanges(&mut self, bytes: i64) -> Result<u64, StoreError> {
        let sql = if self.is_postgres() { tidy_sql!(" FOR UPDATE OF e SKIP LOCKED") } else { tidy_sql!("") };
        self.execute(sql, args![bytes]).await
    }

    /// Takes exchanges that a workspace shows out, by number.
    pub async fn take_out_exchanges(&mut self, workspace: &Workspace, numbers: &[i64]) -> Result<(), StoreError> {
        let rows: Vec<[Value<'_>; 1]> = numbers.iter().map(|number| [(*number).into()]).collect();
        for id in shown_by(workspace) {
            self.execute_rows(&TAKE_OUT, args![id], &rows).await?;
        }
        Ok(())
    }

    /// Deletes all that a workspace shows.
    pub async fn delete_exchanges(&mut self, workspace: &Workspace) -> Result<(), StoreError> {
        for id in shown_by(workspace) {
            self.execute("DELETE FROM exchanges WHERE workspace_id = $1", args![id]).await?;
        }
        Ok(())
    }
}

/// The workspace's own, and with the default one nobody's.
fn shown_by(workspace: &Workspace) -> impl Iterator<Item = WorkspaceId> {
    [Some(workspace.id), workspace.is_default.then_some(NOBODYS)].into_iter().flatten()
}

impl Store {
    /// The number of this process among those on one PostgreSQL; a SQLite file has one process.
    pub fn process(&self) -> i64 {
        match self {
            Self::Sqlite { .. } => 0,
            Self::Postgres(pool) => pool.process(),
        }
    }
}
