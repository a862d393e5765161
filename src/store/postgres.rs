//! Connections to PostgreSQL, with a bound on every wait. A database that is unreachable, slow, full or silent costs a
//! request a known time, and a connection on which a request gave up is never handed to a later one in an unknown
//! state.

use std::future::Future;
use std::io;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection, PgPool, Postgres, SqlSafeStr};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::migrations::migrate_postgres;
use super::{Durability, OpenErrorKind};

/// Limits on what PostgreSQL may cost a request.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub connections: u32,
    /// How many requests may wait for a connection; further ones fail at once.
    pub waiting: usize,
    /// How long a request waits for a connection, which may be a new one.
    pub acquire: Duration,
    /// How long a statement may take, including its wait for locks, and how long a transaction may be idle, so that a
    /// hanging process does not hold its locks for long.
    pub statement: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { connections: 16, waiting: 1024, acquire: Duration::from_secs(3), statement: Duration::from_secs(10) }
    }
}

/// How much longer than the server this side waits before it abandons a statement, because the server is silent.
const GRACE: Duration = Duration::from_secs(1);
/// Settings that make PostgreSQL run the store's statements as they are written, from left to right and by index.
/// Otherwise it would estimate: it expects thousands of rows from a recursive statement that has ten, and so reads all
/// principals into a hash table; and in a database that grows, or has not been analysed yet, all its estimates are
/// wrong.
const AS_WRITTEN: [(&str, &str); 6] = [
    ("join_collapse_limit", "1"),
    ("enable_hashjoin", "off"),
    ("enable_mergejoin", "off"),
    ("enable_material", "off"),
    ("enable_seqscan", "off"),
    // Scans that are switched off have such a high cost that PostgreSQL would compile them.
    ("jit", "off"),
];
/// Settings that are turned on again for scripts, which are about all rows of a workspace.
const ON_FOR_SCRIPTS: [&str; 3] = ["enable_hashjoin", "enable_mergejoin", "enable_seqscan"];
/// How long a script may take.
const SCRIPT: Duration = Duration::from_mins(2);
/// How long a migration may take, including the wait for another process that migrates.
const MIGRATION: Duration = Duration::from_mins(10);
/// How long a returned connection may take to become ready again before it is closed instead.
const RETURN: Duration = Duration::from_secs(1);
/// Connections that were idle for longer are tested before use, because they may have died in an outage. If one in
/// steady use dies, a single request notices.
const TEST_AFTER_IDLE: Duration = Duration::from_secs(1);

#[derive(Clone, Debug)]
pub struct PostgresPool {
    pool: PgPool,
    waiting: Arc<Semaphore>,
    limits: Limits,
    process: i64,
}

impl PostgresPool {
    pub(super) async fn open(url: &str, durability: Durability, limits: Limits) -> Result<Self, OpenErrorKind> {
        let mut options = PgConnectOptions::from_str(url).map_err(OpenErrorKind::Connect)?.disable_statement_logging();
        if durability == Durability::SurvivesPowerCut {
            options = options.options([("synchronous_commit", "on")]);
        }
        let process = migrate(&options, limits).await?;
        let milliseconds = limits.statement.as_millis();
        let options = options
            .application_name(&format!("dapi-mock {process}"))
            .options([("statement_timeout", milliseconds), ("idle_in_transaction_session_timeout", milliseconds)])
            .options(AS_WRITTEN);
        let pool = PgPoolOptions::new()
            .max_connections(limits.connections)
            .acquire_timeout(limits.acquire)
            .test_before_acquire(false)
            .after_connect(|connection, _| {
                Box::pin(async move {
                    // Servers before version 14 do not have this setting; they end an abandoned statement at its limit.
                    let check_client = "SELECT set_config(name, '1s', FALSE) FROM pg_settings
                         WHERE name = 'client_connection_check_interval'";
                    sqlx::raw_sql(check_client).execute(connection).await.map(drop)
                })
            })
            .before_acquire(|connection, state| {
                Box::pin(async move {
                    if state.idle_for > TEST_AFTER_IDLE {
                        connection.ping().await?;
                    }
                    Ok(true)
                })
            })
            .connect_lazy_with(options);
        Ok(Self { pool, waiting: Arc::new(Semaphore::new(limits.waiting)), limits, process })
    }

    /// The connections without their limits, for tests that read rows themselves.
    pub fn unlimited(&self) -> &PgPool {
        &self.pool
    }

    /// A number that no other process on the same server has. It is in the connections' application name.
    pub(super) fn process(&self) -> i64 {
        self.process
    }

    pub(super) async fn acquire(&self) -> Result<PostgresConnection, sqlx::Error> {
        let _place_in_queue = self.waiting.try_acquire().map_err(|_| sqlx::Error::PoolTimedOut)?;
        let inner = Some(self.pool.acquire().await?);
        Ok(PostgresConnection { inner, in_transaction: false, limit: self.limits.statement + GRACE })
    }

    /// Closes the connections that are returned in time; the others end with the process.
    pub(super) async fn close(&self) {
        let _ = timeout(self.limits.acquire, self.pool.close()).await;
    }
}

/// Migrates through a separate connection, without the time limits of requests. Returns a number that no other process
/// has: a transaction's id.
async fn migrate(options: &PgConnectOptions, limits: Limits) -> Result<i64, OpenErrorKind> {
    let mut connection = within(limits.acquire, options.connect()).await.map_err(OpenErrorKind::Connect)?;
    let migrated = timeout(MIGRATION, migrate_postgres(&mut connection)).await;
    migrated.map_err(|_| OpenErrorKind::Connect(silent()))??;
    let number = sqlx::query_scalar("SELECT txid_current()").fetch_one(&mut connection);
    let number = within(limits.acquire, number).await.map_err(OpenErrorKind::Connect)?;
    // It does no harm if the server does not see the end of the connection.
    let _ = timeout(limits.acquire, connection.close()).await;
    Ok(number)
}

fn silent() -> sqlx::Error {
    sqlx::Error::Io(io::Error::new(io::ErrorKind::TimedOut, "PostgreSQL did not answer in time"))
}

/// Abandons work after a time, because an unreachable PostgreSQL may never answer.
pub(super) async fn within<T>(
    limit: Duration,
    work: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, sqlx::Error> {
    timeout(limit, work).await.unwrap_or_else(|_| Err(silent()))
}

/// A connection in use, perhaps in a transaction. However its use ends, even by a request that is abandoned in the
/// middle of a statement, it is returned to the pool ready for the next use, or closed.
pub(super) struct PostgresConnection {
    /// `None` after the drop.
    inner: Option<PoolConnection<Postgres>>,
    in_transaction: bool,
    limit: Duration,
}

impl PostgresConnection {
    /// The connection, and the time limit of its statements.
    pub(super) fn parts(&mut self) -> Result<(&mut PgConnection, Duration), sqlx::Error> {
        let inner = self.inner.as_deref_mut().ok_or(sqlx::Error::PoolClosed)?;
        Ok((inner, self.limit))
    }

    /// Begins a transaction and runs statements in it, in one round trip.
    pub(super) async fn begin(&mut self, statements: &str) -> Result<(), sqlx::Error> {
        self.in_transaction = true;
        self.control(AssertSqlSafe(format!("BEGIN; {statements}"))).await
    }

    pub(super) async fn commit(mut self) -> Result<(), sqlx::Error> {
        self.control("COMMIT").await?;
        self.in_transaction = false;
        Ok(())
    }

    /// Lets the statements of this transaction take longer from now on. Returns the script with statements around it
    /// that set the server's limit, and that give the planner more freedom while the script runs.
    pub(super) fn prepare_script(&mut self, script: &str) -> String {
        self.limit = SCRIPT + GRACE;
        let planner = |value: &str| ON_FOR_SCRIPTS.map(|name| format!("SET LOCAL {name} = {value};\n")).concat();
        let (limit, free, bound) = (SCRIPT.as_millis(), planner("on"), planner("off"));
        format!("SET LOCAL statement_timeout = {limit};\n{free}{script};\n{bound}")
    }

    async fn control(&mut self, statement: impl SqlSafeStr) -> Result<(), sqlx::Error> {
        let (connection, limit) = self.parts()?;
        within(limit, sqlx::raw_sql(statement).execute(connection)).await.map(drop)
    }
}

impl Drop for PostgresConnection {
    fn drop(&mut self) {
        let (Some(mut connection), Ok(runtime)) = (self.inner.take(), Handle::try_current()) else { return };
        let rolls_back = self.in_transaction;
        // Like sqlx's own return of connections, which would wait for the server without a limit.
        connection.close_on_drop();
        runtime.spawn(timeout(RETURN, async move {
            if rolls_back && sqlx::raw_sql("ROLLBACK").execute(&mut *connection).await.is_err() {
                return;
            }
            connection.return_to_pool().await;
        }));
    }
}
