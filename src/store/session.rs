//! Connections, transactions and locks of both databases behind one type, and the values that statements take.
//!
//! A statement is one text for both dialects, and its arguments are a slice of [`Value`]s. So helpers that run inside a
//! transaction are ordinary functions. Start at [`Reader`] and [`Writer`]; docs/decisions/0001-one-store-type.md says
//! why.

use std::fmt;
use std::fmt::Write as _;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{Arguments, AssertSqlSafe, FromRow, SqlSafeStr, Sqlite, SqliteConnection, SqlitePool, Transaction};

use super::cache::{CacheKey, CacheMiss, ReadCache};
use super::postgres::{PostgresConnection, within};
use super::sqlite::{Interrupter, WorkCounter};
use super::{Result, Store, StoreError};
use crate::domain::{AccountId, PrincipalId, TokenId, Workspace, WorkspaceId};

/// An argument of a statement.
#[derive(Clone, Debug)]
pub(super) enum Value<'a> {
    Int(i64),
    OptInt(Option<i64>),
    Bool(bool),
    Text(&'a str),
    OptText(Option<&'a str>),
    Account(AccountId),
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
    AccountId, v => Value::Account(v);
}

/// `args![a, b]` is a slice of values; anything that converts to a [`Value`] can be in it.
macro_rules! args {
    ($($value:expr),* $(,)?) => { &[$($crate::store::session::Value::from($value)),*] };
}
pub(super) use args;

/// A row that can be read from both databases.
pub(super) trait Record: for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin {}

impl<T> Record for T where T: for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin {}

enum Connection {
    Sqlite(SqliteReader),
    SqliteTransaction(SqliteWriter),
    Postgres(PostgresConnection),
}

/// Takes a connection only for the first query that the cache cannot answer.
struct SqliteReader {
    pool: SqlitePool,
    connection: Option<(Interrupter, PoolConnection<Sqlite>)>,
    cache: Arc<ReadCache>,
    work: WorkCounter,
}

struct SqliteWriter {
    /// Dropped before the transaction, because that can be rolled back only after its statement has ended.
    interrupter: Interrupter,
    transaction: Transaction<'static, Sqlite>,
    cache: Arc<ReadCache>,
}

impl SqliteReader {
    async fn connection(&mut self) -> Result<&mut SqliteConnection, sqlx::Error> {
        let found = if let Some(found) = self.connection.take() {
            found
        } else {
            let mut connection = self.pool.acquire().await?;
            (Interrupter::install(&mut connection, &self.work).await?, connection)
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
                Value::Account(v) => arguments.add(v.to_string()),
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

fn refuse_nul(values: &[Value<'_>]) -> Result<()> {
    let holds_nul = |value: &Value<'_>| match value {
        Value::Text(text) | Value::OptText(Some(text)) => text.contains('\0'),
        _ => false,
    };
    if values.iter().any(holds_nul) { Err(StoreError::NulCharacter) } else { Ok(()) }
}

/// Reads from the database: each query by itself, or all of them inside a [`Writer`]'s transaction.
#[must_use]
pub struct Reader(Connection);

impl Reader {
    pub(super) async fn rows<T: Record>(
        &mut self,
        sql: impl SqlSafeStr + Send,
        values: &[Value<'_>],
    ) -> Result<Vec<T>> {
        refuse_nul(values)?;
        Ok(on_connection!(self, values, |arguments, connection| {
            sqlx::query_as_with(sql, arguments).fetch_all(connection).await
        })?)
    }

    /// The rows of a query, converted to the domain's type.
    pub(super) async fn list<R: Record, T: TryFrom<R, Error = StoreError>>(
        &mut self,
        sql: impl SqlSafeStr + Send,
        values: &[Value<'_>],
    ) -> Result<Vec<T>> {
        self.rows::<R>(sql, values).await?.into_iter().map(T::try_from).collect()
    }

    /// The row of a query, converted to the domain's type.
    pub(super) async fn find<R: Record, T: TryFrom<R, Error = StoreError>>(
        &mut self,
        sql: impl SqlSafeStr + Send,
        values: &[Value<'_>],
    ) -> Result<Option<T>> {
        self.row::<R>(sql, values).await?.map(T::try_from).transpose()
    }

    pub(super) async fn row<T: Record>(
        &mut self,
        sql: impl SqlSafeStr + Send,
        values: &[Value<'_>],
    ) -> Result<Option<T>> {
        refuse_nul(values)?;
        Ok(on_connection!(self, values, |arguments, connection| {
            sqlx::query_as_with(sql, arguments).fetch_optional(connection).await
        })?)
    }

    /// The cached answer to a query, if nothing has changed since; otherwise the miss, to pass to
    /// [`cache`](Self::cache) with the rows that the database returns. A transaction never reads the cache: it may have
    /// changed something itself.
    pub(super) fn cached<K: CacheKey>(&self, key: K) -> Result<Vec<K::Row>, CacheMiss<K>> {
        match &self.0 {
            Connection::Sqlite(reader) => reader.cache.get(key),
            _ => Err(CacheMiss::not_to_cache(key)),
        }
    }

    /// Passes rows on to the caller, and caches them if that is still correct.
    pub(super) fn cache<K: CacheKey>(&self, miss: CacheMiss<K>, rows: Vec<K::Row>) -> Vec<K::Row> {
        if let Connection::Sqlite(reader) = &self.0 {
            reader.cache.insert(miss, &rows);
        }
        rows
    }

    pub(super) fn is_postgres(&self) -> bool {
        matches!(self.0, Connection::Postgres(_))
    }

    /// Runs until it is interrupted, for tests of abandoned requests.
    #[doc(hidden)]
    pub async fn run_for_ever(&mut self) -> Result<()> {
        const SQL: &str = "WITH RECURSIVE n (n) AS (SELECT CAST(1 AS BIGINT) UNION ALL SELECT (n + 1) % 1000 FROM n)
             SELECT COUNT(*) FROM n";
        self.count(SQL, args![]).await.map(drop)
    }

    pub(super) async fn count(&mut self, sql: impl SqlSafeStr + Send, values: &[Value<'_>]) -> Result<i64> {
        Ok(self.row::<(i64,)>(sql, values).await?.map_or(0, |(n,)| n))
    }
}

/// How many rows a batch statement takes. The sweep of a million tokens spends most of its time on the number of
/// statements.
const BATCH: usize = 50;

/// A statement for many rows of values. It has two texts: for one row and for [`BATCH`] rows.
pub(super) struct BatchStatement {
    one: String,
    many: String,
}

impl BatchStatement {
    /// `text` gets the placeholders of rows with `columns` values each, such as `($3, $4), ($5, $6)` after `common` = 2
    /// values that all rows share.
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
        Self { one: of(1), many: of(BATCH) }
    }
}

/// One write transaction, which also reads. Dropped without [`commit`](Writer::commit), it changes nothing.
#[derive(Debug)]
#[must_use]
pub struct Writer(Reader);

impl Writer {
    /// Runs a statement; returns how many rows it changed.
    pub(super) async fn execute(&mut self, sql: &'static str, values: &[Value<'_>]) -> Result<u64> {
        refuse_nul(values)?;
        let session = &mut self.0;
        Ok(on_connection!(session, values, |arguments, connection| {
            sqlx::query_with(sql, arguments).execute(connection).await.map(|done| done.rows_affected())
        })?)
    }

    /// Writes until it is interrupted, for tests of abandoned requests.
    #[doc(hidden)]
    pub async fn write_for_ever(&mut self) -> Result<()> {
        const SQL: &str = "INSERT INTO decoys (workspace_id, decoy_id, comment, created_at)
             WITH RECURSIVE n (n) AS (SELECT CAST(1 AS BIGINT) UNION ALL SELECT (n + 1) % 1000 FROM n)
             SELECT 0, 'endless', '', COUNT(*) FROM n";
        self.execute(SQL, args![]).await.map(drop)
    }

    /// Runs a statement for all rows, [`BATCH`] at a time and the rest one by one; returns how many rows it changed.
    pub(super) async fn execute_batch<const N: usize>(
        &mut self,
        sql: &'static BatchStatement,
        common: &[Value<'_>],
        rows: &[[Value<'_>; N]],
    ) -> Result<u64> {
        let mut changed = 0;
        for chunk in rows.chunks(BATCH) {
            let (sql, size) = if chunk.len() == BATCH { (&sql.many, BATCH) } else { (&sql.one, 1) };
            for rows in chunk.chunks(size) {
                let values: Vec<Value<'_>> = common.iter().chain(rows.iter().flatten()).cloned().collect();
                changed += self.execute(sql, &values).await?;
            }
        }
        Ok(changed)
    }

    /// Runs statements that the store built, in one round trip.
    pub(super) async fn run_script(&mut self, statements: &[String]) -> Result<()> {
        let mut script = statements.join(";\n");
        let session = &mut self.0;
        if let Connection::Postgres(connection) = &mut session.0 {
            script = connection.prepare_script(&script);
        }
        on_connection!(session, args![], |_arguments, connection| {
            sqlx::raw_sql(AssertSqlSafe(script)).execute(connection).await.map(drop)
        })?;
        Ok(())
    }

    /// Makes all changes durable and visible at once, or none if it fails.
    pub async fn commit(self) -> Result<()> {
        match self.0.0 {
            Connection::SqliteTransaction(SqliteWriter { interrupter, transaction, cache }) => {
                let commit = cache.begin_commit();
                transaction.commit().await?;
                cache.end_commit(commit);
                drop(interrupter);
            }
            Connection::Postgres(connection) => connection.commit().await?,
            // `Store::write` never puts a reader into a writer.
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

/// What a transaction locks until it ends, so that others of the same lock wait. docs/replicas.md has the whole scheme.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lock {
    /// One owner's tokens in one workspace. Other owners are not held up; changes of the whole workspace are.
    Owner(WorkspaceId, PrincipalId),
    /// A whole workspace: configuration, permissions, identities.
    Workspace(WorkspaceId),
    /// A whole account: its identities, and all its workspaces.
    Account(AccountId),
    /// The whole database, for the first start.
    Database,
    /// The latest time that was shown to clients.
    Time,
    /// The order of the request journal: its writers take turns.
    Journal,
}

impl Lock {
    /// The statements that take the lock on PostgreSQL, where a lock's key is a number in the whole database.
    fn statements(self) -> String {
        match self {
            Self::Owner(workspace, owner) => format!(
                "SELECT pg_advisory_xact_lock_shared({workspace}); SELECT pg_advisory_xact_lock({})",
                -(workspace.0 ^ owner.0)
            ),
            Self::Workspace(workspace) => format!("SELECT pg_advisory_xact_lock({workspace})"),
            // Takers of several locks all begin with this one, so they cannot deadlock.
            Self::Account(_) | Self::Database => "SELECT pg_advisory_xact_lock(0)".to_owned(),
            // The key space of pairs is separate from that of single numbers.
            Self::Time => "SELECT pg_advisory_xact_lock(0, 1)".to_owned(),
            Self::Journal => "SELECT pg_advisory_xact_lock(0, 0)".to_owned(),
        }
    }
}

impl Store {
    /// Begins reading. On SQLite a connection is taken by the first query that needs one, which fails if none is free.
    pub async fn read(&self) -> Result<Reader> {
        Ok(Reader(match self {
            Self::Sqlite { read, cache, work, .. } => Connection::Sqlite(SqliteReader {
                pool: read.clone(),
                connection: None,
                cache: cache.clone(),
                work: work.clone(),
            }),
            Self::Postgres(pool) => Connection::Postgres(pool.acquire().await.map_err(StoreError::Unavailable)?),
        }))
    }

    /// Begins a write transaction. On SQLite it takes the only writer and the write lock at once: a transaction that
    /// begins with a read and writes later fails with "database is locked" under load.
    pub async fn write(&self, lock: Lock) -> Result<Writer> {
        match self {
            Self::Sqlite { write, cache, work, .. } => {
                let mut transaction = write.begin_with("BEGIN IMMEDIATE").await?;
                let interrupter = Interrupter::install(&mut transaction, work).await?;
                let writer = SqliteWriter { interrupter, transaction, cache: cache.clone() };
                Ok(Writer(Reader(Connection::SqliteTransaction(writer))))
            }
            Self::Postgres(pool) => {
                let mut connection = pool.acquire().await.map_err(StoreError::Unavailable)?;
                connection.begin(&lock.statements()).await?;
                let mut writer = Writer(Reader(Connection::Postgres(connection)));
                if let Lock::Account(account) = lock {
                    for workspace in writer.list_workspace_ids_of(account).await? {
                        writer.execute("SELECT pg_advisory_xact_lock($1)", args![workspace]).await?;
                    }
                }
                Ok(writer)
            }
        }
    }

    /// Begins a write transaction for a request that was authorized against this workspace as it was then. Within one
    /// process the in-flight guard keeps a reset waiting; another process may have replaced or deleted the workspace
    /// since. Nobody can do so while this transaction holds a lock of the workspace.
    ///
    /// # Errors
    /// [`StoreError::Replaced`], and as [`write`](Self::write).
    pub async fn write_in(&self, workspace: &Workspace, lock: Lock) -> Result<Writer> {
        const SQL: &str = "SELECT COUNT(*) FROM workspaces WHERE workspace_id = $1 AND incarnation = $2";
        let mut writer = self.write(lock).await?;
        if writer.is_postgres() && writer.count(SQL, args![workspace.id, workspace.incarnation]).await? == 0 {
            return Err(StoreError::Replaced);
        }
        Ok(writer)
    }
}
