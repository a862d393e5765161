//! Connections and transactions of both databases behind one type, and the values that pass.
//!
//! A statement is one `&'static str` for both dialects; arguments are a slice of [`Value`]s. So
//! helpers that run inside a transaction are ordinary functions, and no text is written twice.

use std::fmt;
use std::fmt::Write as _;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{Arguments, AssertSqlSafe, FromRow, SqlSafeStr, Sqlite, SqliteConnection, SqlitePool, Transaction};

use super::postgres::{PostgresConnection, within};
use super::remembered::{Asked, Question, Remembered, Weighed};
use super::sqlite::{Effort, Waiter};
use super::{Store, StoreError};
use crate::domain::{AccountId, PrincipalId, TokenId, Workspace, WorkspaceId};

/// An argument of a statement.
#[derive(Clone, Debug)]
pub(super) enum Value<'a> {
    Int(i64),
    OptInt(Option<i64>),
    Bool(bool),
    Text(&'a str),
    OptText(Option<&'a str>),
}

macro_rules! value_from {
    ($($type:ty, $name:ident => $value:expr;)*) => {
        $(impl<'a> From<$type> for Value<'a> {
            fn from($name: $type) -> Self {
                $value
            }
        })*
    };
}

value_from! {
    i64, v => Value::Int(v);
    Option<i64>, v => Value::OptInt(v);
    bool, v => Value::Bool(v);
    &'a str, v => Value::Text(v);
    &'a String, v => Value::Text(v);
    Option<&'a str>, v => Value::OptText(v);
    WorkspaceId, v => Value::Int(v.0);
    PrincipalId, v => Value::Int(v.0);
    crate::domain::Millis, v => Value::Int(v.0);
    Option<crate::domain::Millis>, v => Value::OptInt(v.map(|at| at.0));
    &'a TokenId, v => Value::Text(v.as_str());
}

/// `args![a, b]`: a slice of values from anything that converts.
macro_rules! args {
    ($($value:expr),* $(,)?) => { &[$($crate::store::session::Value::from($value)),*] };
}
pub(super) use args;

/// A row that both databases can give.
pub(super) trait Record: for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin {}

impl<T> Record for T where T: for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin {}

enum Connection {
    Sqlite(SqliteReader),
    SqliteTransaction(SqliteWriter),
    Postgres(PostgresConnection),
}

/// A reader of SQLite; what is remembered needs no connection.
struct SqliteReader {
    pool: SqlitePool,
    connection: Option<(Waiter, PoolConnection<Sqlite>)>,
    remembered: Arc<Remembered>,
    effort: Effort,
}

/// A transaction of SQLite.
struct SqliteWriter {
    /// Before the transaction, which is rolled back once its statement has ended.
    waiter: Waiter,
    transaction: Transaction<'static, Sqlite>,
    remembered: Arc<Remembered>,
}

impl SqliteReader {
    async fn connection(&mut self) -> Result<&mut SqliteConnection, sqlx::Error> {
        let found = if let Some(found) = self.connection.take() {
            found
        } else {
            let mut connection = self.pool.acquire().await?;
            (Waiter::on(&mut connection, &self.effort).await?, connection)
        };
        Ok(&mut self.connection.insert(found).1)
    }
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reader")
    }
}

macro_rules! arguments {
    ($type:ty, $values:expr) => {{
        let mut arguments = <$type>::default();
        for value in $values {
            let added = match value {
                Value::Int(v) => arguments.add(*v),
                Value::OptInt(v) => arguments.add(*v),
                Value::Bool(v) => arguments.add(*v),
                Value::Text(v) => arguments.add(*v),
                Value::OptText(v) => arguments.add(*v),
            };
            added.map_err(|error| StoreError::Other(sqlx::Error::Encode(error)))?;
        }
        arguments
    }};
}

/// Runs `$run` on whichever connection there is, with the statement and arguments of its dialect.
macro_rules! on_connection {
    ($session:expr, $values:expr, |$arguments:ident, $connection:ident| $run:expr) => {
        match &mut $session.0 {
            Connection::Sqlite(c) => {
                let ($arguments, $connection) = (arguments!(SqliteArguments, $values), c.connection().await?);
                $run
            }
            Connection::SqliteTransaction(c) => {
                let ($arguments, $connection) = (arguments!(SqliteArguments, $values), &mut *c.transaction);
                $run
            }
            Connection::Postgres(c) => {
                let ($arguments, ($connection, limit)) = (arguments!(PgArguments, $values), c.parts()?);
                within(limit, async move { $run }).await
            }
        }
    };
}

fn refuse_nul(values: &[Value<'_>]) -> Result<(), StoreError> {
    let holds_nul = |value: &Value<'_>| match value {
        Value::Text(text) | Value::OptText(Some(text)) => text.contains('\0'),
        _ => false,
    };
    if values.iter().any(holds_nul) { Err(StoreError::NulCharacter) } else { Ok(()) }
}

/// Reads, each statement on its own or all inside a [`Writer`]'s transaction.
#[must_use]
pub struct Reader(Connection);

impl Reader {
    pub(super) async fn rows<T: Record>(
        &mut self,
        sql: impl SqlSafeStr + Send,
        values: &[Value<'_>],
    ) -> Result<Vec<T>, StoreError> {
        refuse_nul(values)?;
        Ok(on_connection!(self, values, |arguments, connection| {
            sqlx::query_as_with(sql, arguments).fetch_all(connection).await
        })?)
    }

    pub(super) async fn row<T: Record>(
        &mut self,
        sql: impl SqlSafeStr + Send,
        values: &[Value<'_>],
    ) -> Result<Option<T>, StoreError> {
        refuse_nul(values)?;
        Ok(on_connection!(self, values, |arguments, connection| {
            sqlx::query_as_with(sql, arguments).fetch_optional(connection).await
        })?)
    }

    /// What was answered before, if nothing has changed since; else the question, to [`remember`](Self::remember) its
    /// answer. A transaction recalls nothing: it may have changed something itself.
    pub(super) fn recall<T: Clone + 'static>(&self, question: Question) -> Result<Vec<T>, Asked> {
        match &self.0 {
            Connection::Sqlite(reader) => reader.remembered.recall(question),
            _ => Err(Asked::of_passing_use(question)),
        }
    }

    /// Answers what was asked, and keeps it for the next who asks.
    pub(super) fn remember<T: Weighed + Clone + Send + Sync + 'static>(&self, asked: Asked, answer: Vec<T>) -> Vec<T> {
        if let Connection::Sqlite(reader) = &self.0 {
            reader.remembered.keep(asked, &answer);
        }
        answer
    }

    /// Whether the statements go to PostgreSQL.
    pub(super) fn is_postgres(&self) -> bool {
        matches!(self.0, Connection::Postgres(_))
    }

    /// Runs until it is interrupted, for tests of what is given up.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] once it is interrupted.
    #[doc(hidden)]
    pub async fn run_for_ever(&mut self) -> Result<(), StoreError> {
        const SQL: &str = "WITH RECURSIVE n (n) AS (SELECT CAST(1 AS BIGINT) UNION ALL SELECT (n + 1) % 1000 FROM n)
             SELECT COUNT(*) FROM n";
        self.count(SQL, args![]).await.map(drop)
    }

    pub(super) async fn count(&mut self, sql: impl SqlSafeStr + Send, values: &[Value<'_>]) -> Result<i64, StoreError> {
        Ok(self.row::<(i64,)>(sql, values).await?.map_or(0, |(n,)| n))
    }
}

/// How many rows go with one statement where there are many: the sweep of a million tokens spends its
/// time on the number of statements.
const MANY: usize = 50;

/// A statement about rows of values: its text for one row, and for [`MANY`].
pub(super) struct ForRows {
    one: String,
    many: String,
}

impl ForRows {
    /// `text` gets the rows, `($3, $4), ($5, $6)`, of `columns` values each, after `common` other values.
    pub(super) fn new(common: usize, columns: usize, text: impl Fn(&str) -> String) -> Self {
        let of = |rows: usize| {
            let mut placeholders = String::new();
            for value in 0..rows * columns {
                let open = match (value, value % columns) {
                    (0, _) => "(",
                    (_, 0) => "), (",
                    _ => ", ",
                };
                let _ = write!(placeholders, "{open}${}", common + value + 1);
            }
            text(&(placeholders + ")"))
        };
        Self { one: of(1), many: of(MANY) }
    }
}

/// One write transaction. Dropped without [`commit`](Writer::commit), it changes nothing.
#[derive(Debug)]
#[must_use]
pub struct Writer(Reader);

impl Writer {
    /// Runs a statement; answers how many rows it changed.
    pub(super) async fn execute(&mut self, sql: &'static str, values: &[Value<'_>]) -> Result<u64, StoreError> {
        refuse_nul(values)?;
        let session = &mut self.0;
        Ok(on_connection!(session, values, |arguments, connection| {
            sqlx::query_with(sql, arguments).execute(connection).await.map(|done| done.rows_affected())
        })?)
    }

    /// Writes until it is interrupted, for tests of what is given up.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] once it is interrupted.
    #[doc(hidden)]
    pub async fn write_for_ever(&mut self) -> Result<(), StoreError> {
        const SQL: &str = "INSERT INTO decoys (workspace_id, decoy_id, comment, created_at)
             WITH RECURSIVE n (n) AS (SELECT CAST(1 AS BIGINT) UNION ALL SELECT (n + 1) % 1000 FROM n)
             SELECT 0, 'endless', '', COUNT(*) FROM n";
        self.execute(SQL, args![]).await.map(drop)
    }

    /// Runs a statement for all rows, [`MANY`] at once and the rest one by one; answers how many it changed.
    pub(super) async fn execute_rows<const N: usize>(
        &mut self,
        sql: &'static ForRows,
        common: &[Value<'_>],
        rows: &[[Value<'_>; N]],
    ) -> Result<u64, StoreError> {
        let mut changed = 0;
        for chunk in rows.chunks(MANY) {
            let (sql, size) = if chunk.len() == MANY { (&sql.many, MANY) } else { (&sql.one, 1) };
            for rows in chunk.chunks(size) {
                let values: Vec<Value<'_>> = common.iter().chain(rows.iter().flatten()).cloned().collect();
                changed += self.execute(sql, &values).await?;
            }
        }
        Ok(changed)
    }

    /// Runs statements that the store put together, in one round trip.
    pub(super) async fn run_script(&mut self, statements: &[String]) -> Result<(), StoreError> {
        let mut script = statements.join(";\n");
        let session = &mut self.0;
        if let Connection::Postgres(connection) = &mut session.0 {
            script = connection.for_all_rows(&script);
        }
        on_connection!(session, args![], |_arguments, connection| {
            sqlx::raw_sql(AssertSqlSafe(script)).execute(connection).await.map(drop)
        })?;
        Ok(())
    }

    /// Makes all changes durable and visible at once.
    ///
    /// # Errors
    /// [`StoreError`]; then nothing has changed.
    pub async fn commit(self) -> Result<(), StoreError> {
        match self.0.0 {
            Connection::SqliteTransaction(SqliteWriter { waiter, transaction, remembered }) => {
                let begun = remembered.changing();
                transaction.commit().await?;
                remembered.changed(begun);
                drop(waiter);
            }
            Connection::Postgres(connection) => connection.commit().await?,
            // `Store::write` makes no other.
            Connection::Sqlite(_) => {}
        }
        Ok(())
    }
}

impl Deref for Writer {
    type Target = Reader;

    fn deref(&self) -> &Reader {
        &self.0
    }
}

impl DerefMut for Writer {
    fn deref_mut(&mut self) -> &mut Reader {
        &mut self.0
    }
}

/// What a transaction excludes others from while it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lock {
    /// One owner's tokens in one workspace; others of the workspace go on, its configuration waits.
    Owner(WorkspaceId, PrincipalId),
    /// The whole workspace: configuration, permissions, identities.
    Workspace(WorkspaceId),
    /// The whole account: its identities, and what they are in its workspaces.
    Account(AccountId),
    /// The whole database: the first start.
    Database,
    /// The latest time that was shown.
    Time,
    /// The order of the journal: whoever appends to it waits for the others who do.
    Journal,
}

impl Lock {
    /// What takes it on PostgreSQL. Keys are numbers, for the whole database.
    fn statements(self) -> String {
        match self {
            Self::Owner(workspace, owner) => format!(
                "SELECT pg_advisory_xact_lock_shared({workspace}); SELECT pg_advisory_xact_lock({})",
                -(workspace.0 ^ owner.0)
            ),
            Self::Workspace(workspace) => format!("SELECT pg_advisory_xact_lock({workspace})"),
            // Whoever takes several locks waits for the first of them here.
            Self::Account(_) | Self::Database => "SELECT pg_advisory_xact_lock(0)".to_owned(),
            // A pair of numbers is never the same as one.
            Self::Time => "SELECT pg_advisory_xact_lock(0, 1)".to_owned(),
            Self::Journal => "SELECT pg_advisory_xact_lock(0, 0)".to_owned(),
        }
    }
}

impl Store {
    /// A connection to read with. On SQLite the first question that is put to the database takes it, and fails
    /// where there is none.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]
    pub async fn read(&self) -> Result<Reader, StoreError> {
        Ok(Reader(match self {
            Self::Sqlite { read, remembered, effort, .. } => Connection::Sqlite(SqliteReader {
                pool: read.clone(),
                connection: None,
                remembered: remembered.clone(),
                effort: effort.clone(),
            }),
            Self::Postgres(pool) => Connection::Postgres(pool.acquire().await.map_err(StoreError::Unavailable)?),
        }))
    }

    /// Begins a write transaction. On SQLite it takes the one writer and the write lock at once:
    /// a read that becomes a write later fails with "database is locked" under load.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]
    pub async fn write(&self, lock: Lock) -> Result<Writer, StoreError> {
        match self {
            Self::Sqlite { write, remembered, effort, .. } => {
                let mut transaction = write.begin_with("BEGIN IMMEDIATE").await?;
                let waiter = Waiter::on(&mut transaction, effort).await?;
                let writer = SqliteWriter { waiter, transaction, remembered: remembered.clone() };
                Ok(Writer(Reader(Connection::SqliteTransaction(writer))))
            }
            Self::Postgres(pool) => {
                let mut connection = pool.acquire().await.map_err(StoreError::Unavailable)?;
                connection.begin(&lock.statements()).await?;
                let mut writer = Writer(Reader(Connection::Postgres(connection)));
                if let Lock::Account(account) = lock {
                    for workspace in writer.list_workspaces_of(account).await? {
                        writer.execute("SELECT pg_advisory_xact_lock($1)", args![workspace]).await?;
                    }
                }
                Ok(writer)
            }
        }
    }

    /// The same for a request that was checked against this workspace, as it was then. In one process the gates see
    /// to it that it is still the same; another process may have put it back or removed it since. Under a lock of it
    /// nobody does.
    ///
    /// # Errors
    /// [`StoreError::Replaced`], and as [`write`](Self::write).
    pub async fn write_in(&self, workspace: &Workspace, lock: Lock) -> Result<Writer, StoreError> {
        const SQL: &str = "SELECT COUNT(*) FROM workspaces WHERE workspace_id = $1 AND incarnation = $2";
        let mut writer = self.write(lock).await?;
        if writer.is_postgres() && writer.count(SQL, args![workspace.id, workspace.incarnation]).await? == 0 {
            return Err(StoreError::Replaced);
        }
        Ok(writer)
    }
}
