//! Connections to PostgreSQL, and what bounds every wait for one: a database that is gone, slow, full or silent
//! costs a request a known time, and what is left of the wait harms no later one.

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
use super::{Durability, Unusable};

/// What PostgreSQL may cost a request.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections of this process.
    pub connections: u32,
    /// How many may wait for a connection; whoever comes then is refused at once.
    pub waiting: usize,
    /// How long one waits for a connection, a new one included.
    pub acquire: Duration,
    /// How long a statement may take, with its wait for locks, and a transaction stand idle, so that a process
    /// that hangs does not keep its locks from the others.
    pub statement: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { connections: 16, waiting: 1024, acquire: Duration::from_secs(3), statement: Duration::from_secs(10) }
    }
}

/// How much later than the server this side gives a statement up: only when the server says nothing at all.
const GRACE: Duration = Duration::from_secs(1);
/// What makes PostgreSQL run the store's statements as they are written, from left to right and by index. It would
/// otherwise guess: for a recursive statement it expects thousands of rows where there are ten, and so reads all
/// principals into a hash; and in a database that grows, or that it has not looked at yet, all its guesses are off.
const AS_WRITTEN: [(&str, &str); 6] = [
    ("join_collapse_limit", "1"),
    ("enable_hashjoin", "off"),
    ("enable_mergejoin", "off"),
    ("enable_material", "off"),
    ("enable_seqscan", "off"),
    // It takes a scan of a whole table, as something that is switched off, for expensive enough to compile.
    ("jit", "off"),
];
/// What a script does without, as it is about all rows of a workspace.
const LEFT_TO_THE_PLANNER: [&str; 3] = ["enable_hashjoin", "enable_mergejoin", "enable_seqscan"];
/// How long a script may take, which is about all that a workspace holds.
const SCRIPT: Duration = Duration::from_mins(2);
/// How long bringing the tables up to date may take, with the wait for another process that does it.
const MIGRATION: Duration = Duration::from_mins(10);
/// How long a connection has to become ready again once it is given back, before it is closed instead.
const RETURN: Duration = Duration::from_secs(1);
/// A connection that nobody used for so long is tried before it is given out: it may be a dead one from before an
/// outage. One in steady use shows it by itself, to one request.
const TRIED_AFTER: Duration = Duration::from_secs(1);

/// The connections of this process.
#[derive(Clone, Debug)]
pub struct PostgresPool {
    pool: PgPool,
    waiting: Arc<Semaphore>,
    limits: Limits,
    process: i64,
}

impl PostgresPool {
    /// Connects and migrates.
    pub(super) async fn open(url: &str, durability: Durability, limits: Limits) -> Result<Self, Unusable> {
        let mut options = PgConnectOptions::from_str(url).map_err(Unusable::Connect)?.disable_statement_logging();
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
                    // Servers before version 14 have no such setting, and end the statement at its limit.
                    let watch = "SELECT set_config(name, '1s', FALSE) FROM pg_settings
                         WHERE name = 'client_connection_check_interval'";
                    sqlx::raw_sql(watch).execute(connection).await.map(drop)
                })
            })
            .before_acquire(|connection, state| {
                Box::pin(async move {
                    if state.idle_for > TRIED_AFTER {
                        connection.ping().await?;
                    }
                    Ok(true)
                })
            })
            .connect_lazy_with(options);
        Ok(Self { pool, waiting: Arc::new(Semaphore::new(limits.waiting)), limits, process })
    }

    /// The connections without their limits, for tests that look at rows themselves.
    pub fn unlimited(&self) -> &PgPool {
        &self.pool
    }

    /// A number that no other process on the same server has; connections carry it in their name.
    pub(super) fn process(&self) -> i64 {
        self.process
    }

    /// A connection, as soon as there is one.
    pub(super) async fn acquire(&self) -> Result<PostgresConnection, sqlx::Error> {
        let _waits = self.waiting.try_acquire().map_err(|_| sqlx::Error::PoolTimedOut)?;
        let inner = Some(self.pool.acquire().await?);
        Ok(PostgresConnection { inner, in_transaction: false, limit: self.limits.statement + GRACE })
    }

    /// Closes the connections that are given back in time; the others end with the process.
    pub(super) async fn close(&self) {
        let _ = timeout(self.limits.acquire, self.pool.close()).await;
    }
}

/// By a connection of its own, without the time-outs of requests. Answers a number that is this process's alone: that
/// of a transaction.
async fn migrate(options: &PgConnectOptions, limits: Limits) -> Result<i64, Unusable> {
    let mut connection = within(limits.acquire, options.connect()).await.map_err(Unusable::Connect)?;
    let migrated = timeout(MIGRATION, migrate_postgres(&mut connection)).await;
    migrated.map_err(|_| Unusable::Connect(silent()))??;
    let number = sqlx::query_scalar("SELECT txid_current()").fetch_one(&mut connection);
    let number = within(limits.acquire, number).await.map_err(Unusable::Connect)?;
    // Nothing is lost when the server does not see the end.
    let _ = timeout(limits.acquire, connection.close()).await;
    Ok(number)
}

fn silent() -> sqlx::Error {
    sqlx::Error::Io(io::Error::new(io::ErrorKind::TimedOut, "PostgreSQL did not answer in time"))
}

/// Gives up after a time: PostgreSQL may be unreachable without a word of it.
pub(super) async fn within<T>(
    limit: Duration,
    work: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, sqlx::Error> {
    timeout(limit, work).await.unwrap_or_else(|_| Err(silent()))
}

/// A connection while it is used, perhaps in a transaction. However that ends, also by a request that is given up
/// in the middle of a statement, it goes back to the pool ready, or it is closed.
pub(super) struct PostgresConnection {
    /// `None` once it is dropped.
    inner: Option<PoolConnection<Postgres>>,
    in_transaction: bool,
    limit: Duration,
}

impl PostgresConnection {
    /// The connection, and how long a statement on it may take.
    pub(super) fn parts(&mut self) -> Result<(&mut PgConnection, Duration), sqlx::Error> {
        let inner = self.inner.as_deref_mut().ok_or(sqlx::Error::PoolClosed)?;
        Ok((inner, self.limit))
    }

    /// Begins a transaction with these statements, all in one round trip.
    pub(super) async fn begin(&mut self, statements: &str) -> Result<(), sqlx::Error> {
        self.in_transaction = true;
        self.control(AssertSqlSafe(format!("BEGIN; {statements}"))).await
    }

    pub(super) async fn commit(mut self) -> Result<(), sqlx::Error> {
        self.control("COMMIT").await?;
        self.in_transaction = false;
        Ok(())
    }

    /// Lets the statements of this transaction take longer from now on; answers the script with what tells the server,
    /// and with the planner's freedom for as long as it runs.
    pub(super) fn for_all_rows(&mut self, script: &str) -> String {
        self.limit = SCRIPT + GRACE;
        let planner = |value: &str| LEFT_TO_THE_PLANNER.map(|name| format!("SET LOCAL {name} = {value};\n")).concat();
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
        // As sqlx gives connections back, but it would wait for the server's word for ever: without that in time, it
        // is closed.
        connection.close_on_drop();
        runtime.spawn(timeout(RETURN, async move {
            if rolls_back && sqlx::raw_sql("ROLLBACK").execute(&mut *connection).await.is_err() {
                return;
            }
            connection.return_to_pool().await;
        }));
    }
}
