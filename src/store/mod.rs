//! The only room with SQL. It knows the domain's types and no rules, no HTTP.
//!
//! One [`Store`] serves SQLite (a file or memory) and PostgreSQL with the same SQL texts. Reads
//! go through a [`Reader`]; a [`Writer`] is one transaction that also reads, so that a use case
//! can load facts, let the domain decide and store the outcome under one lock. Every method fails
//! with [`StoreError`]; only what is particular about its errors stands with a method.

mod audit;
mod decoys;
mod faults;
mod identities;
mod oauth;
mod permissions;
mod postgres;
mod report;
mod seeds;
mod session;
mod settings;
mod sign_ins;
mod tokens;
mod workspaces;
mod worlds;

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use sqlx::migrate::{MigrateError, Migrator};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, SqlitePool};

pub use postgres::{Limits, PostgresPool};
pub use report::{Part, Reported};
pub use session::{Lock, Reader, Writer};
pub use settings::Versioned;
pub use tokens::{ByTime, PresentedOwner, PresentedToken, StoredFate};
pub use worlds::{TABLES_KEPT, tables_put_back};

static SQLITE_MIGRATIONS: Migrator = sqlx::migrate!("migrations/sqlite");
static POSTGRES_MIGRATIONS: Migrator = sqlx::migrate!("migrations/postgres");

/// Marks a SQLite file as ours ("DAPI"), so that another program's database is refused.
const APPLICATION_ID: i32 = 0x4441_5049;
const SQLITE_READERS: u32 = 4;
/// How long a request waits for a connection to SQLite before it is answered with 503.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);

/// Where the data are.
#[derive(Clone, PartialEq, Eq)]
pub enum Database {
    /// In this process, gone when it ends.
    SqliteMemory,
    /// A SQLite file.
    SqliteFile(String),
    /// A PostgreSQL server, by URL.
    Postgres(String),
}

impl FromStr for Database {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once(':') {
            Some(("sqlite", ":memory:")) => Ok(Self::SqliteMemory),
            Some(("sqlite", path)) if !path.trim_start_matches('/').is_empty() => {
                Ok(Self::SqliteFile(path.strip_prefix("//").unwrap_or(path).to_owned()))
            }
            Some(("postgres" | "postgresql", rest)) if rest.starts_with("//") => Ok(Self::Postgres(text.to_owned())),
            _ => Err("use sqlite:PATH, sqlite::memory: or postgres://USER@HOST/DATABASE".into()),
        }
    }
}

/// Without the password that a URL may carry.
impl fmt::Display for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SqliteMemory => f.write_str("sqlite::memory:"),
            Self::SqliteFile(path) => write!(f, "sqlite:{path}"),
            Self::Postgres(url) => {
                let place = url.rsplit_once('@').map_or(url.as_str(), |(_, place)| place);
                let place = place.split_once("://").map_or(place, |(_, place)| place);
                write!(f, "postgres://{}", place.split('?').next().unwrap_or(place))
            }
        }
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What can go wrong below the rules.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database does not answer, is busy or full: the same call may succeed later.
    #[error("the database is not available: {0}")]
    Unavailable(#[source] sqlx::Error),
    /// All that a request did took too long.
    #[error("the request took too long and was given up")]
    OutOfTime,
    /// The workspace was put back or removed, through another process, since its request was checked.
    #[error("the workspace was exchanged under the request")]
    Exchanged,
    /// A text holds U+0000, which PostgreSQL cannot store; refused alike on all databases.
    #[error("a text holds the character U+0000")]
    NulCharacter,
    /// A unique key is taken.
    #[error("already exists")]
    Duplicate,
    /// A stored value that this program never wrote.
    #[error("the database holds an unreadable value: {0}")]
    Unreadable(String),
    /// Anything else: a defect.
    #[error(transparent)]
    Other(sqlx::Error),
}

impl StoreError {
    /// Whether the same call may succeed later.
    pub fn passes(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::OutOfTime | Self::Exchanged)
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::Database(inner) if inner.is_unique_violation() => Self::Duplicate,
            passing if passes(passing) => Self::Unavailable(error),
            _ => Self::Other(error),
        }
    }
}

/// Whether the same statement may succeed later.
fn passes(error: &sqlx::Error) -> bool {
    match error {
        // A message that is cut off is taken for a wrong one.
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::Protocol(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed => true,
        sqlx::Error::Database(inner) => {
            // SQLite's primary result codes: busy, locked, read-only, I/O error, full, cannot open.
            // PostgreSQL: connection, resources, intervention, serialization failure and deadlock; a standby, and
            // a transaction that stood idle for too long.
            let code = inner.code().unwrap_or_default();
            let sqlite =
                code.parse::<u32>().is_ok_and(|c| code.len() < 5 && matches!(c & 0xff, 5 | 6 | 8 | 10 | 13 | 14));
            let classes = ["08", "25006", "25P03", "40", "53", "57"];
            sqlite || code.len() == 5 && classes.iter().any(|class| code.starts_with(class))
        }
        _ => false,
    }
}

/// Why the database cannot be used at all; worded for the person who starts the server.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// It cannot be opened or reached.
    #[error("cannot open {database}: {source}")]
    Connect {
        /// Which.
        database: Database,
        /// Why.
        source: sqlx::Error,
    },
    /// It belongs to another program.
    #[error("{0} is a SQLite database of another program; give a path of its own to --database")]
    Foreign(Database),
    /// A newer version of this program wrote it.
    #[error("{0} was written by a newer dapi-mock; use that version, or another --database")]
    Newer(Database),
    /// Its tables cannot be brought up to date.
    #[error("cannot migrate {database}: {source}")]
    Migrate {
        /// Which.
        database: Database,
        /// Why.
        source: MigrateError,
    },
}

impl OpenError {
    /// Whether it may be otherwise soon: the database is not up yet, or is full.
    pub fn passes(&self) -> bool {
        match self {
            Self::Connect { source, .. } | Self::Migrate { source: MigrateError::ExecuteMigration(source, _), .. } => {
                passes(source)
            }
            Self::Foreign(_) | Self::Newer(_) | Self::Migrate { .. } => false,
        }
    }
}

/// A connected, migrated database.
#[derive(Clone, Debug)]
pub enum Store {
    /// One writer, several readers; the same single connection for both in memory.
    Sqlite {
        /// For transactions.
        write: SqlitePool,
        /// For reads.
        read: SqlitePool,
    },
    /// One pool for both.
    Postgres(PostgresPool),
}

impl Store {
    /// Connects and migrates.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub async fn open(database: &Database) -> Result<Self, OpenError> {
        Self::open_with(database, Limits::default()).await
    }

    /// The same with other limits on what PostgreSQL may cost.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub async fn open_with(database: &Database, limits: Limits) -> Result<Self, OpenError> {
        let failed = |source| OpenError::Connect { database: database.clone(), source };
        let migrated = |source| match source {
            MigrateError::VersionMissing(_) => OpenError::Newer(database.clone()),
            MigrateError::Execute(source) => failed(source),
            source => OpenError::Migrate { database: database.clone(), source },
        };
        let (write, read) = match database {
            Database::SqliteMemory => {
                let pool = sqlite_pool(1).connect_with(sqlite_options(":memory:")).await.map_err(failed)?;
                (pool.clone(), pool)
            }
            Database::SqliteFile(path) => {
                let options = sqlite_options(path).create_if_missing(true);
                let write = sqlite_pool(1).connect_with(options).await.map_err(failed)?;
                claim_file(&write, database).await?;
                let read_only = sqlite_options(path).read_only(true);
                (write, sqlite_pool(SQLITE_READERS).connect_lazy_with(read_only))
            }
            Database::Postgres(url) => {
                let pool = PostgresPool::open(url, limits, &POSTGRES_MIGRATIONS).await.map_err(migrated)?;
                return Ok(Self::Postgres(pool));
            }
        };
        SQLITE_MIGRATIONS.run(&write).await.map_err(migrated)?;
        Ok(Self::Sqlite { write, read })
    }

    /// Ends all connections.
    pub async fn close(&self) {
        match self {
            Self::Sqlite { write, read } => {
                read.close().await;
                write.close().await;
            }
            Self::Postgres(pool) => pool.close().await,
        }
    }
}

fn sqlite_pool(connections: u32) -> SqlitePoolOptions {
    // Without limits on age and idleness: a memory database ends with its last connection.
    SqlitePoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
}

fn sqlite_options(path: &str) -> SqliteConnectOptions {
    let options = if path == ":memory:" {
        SqliteConnectOptions::new().in_memory(true)
    } else {
        SqliteConnectOptions::new().filename(path).journal_mode(SqliteJournalMode::Wal)
    };
    // NORMAL: what was acknowledged survives the end of the process at any moment; a power cut
    // may take the last transactions, never the file.
    options
        .synchronous(SqliteSynchronous::Normal)
        .foreign_keys(true)
        .busy_timeout(Duration::from_secs(5))
        .disable_statement_logging()
}

/// Marks a new file as ours, and refuses one that another program has begun.
async fn claim_file(pool: &SqlitePool, database: &Database) -> Result<(), OpenError> {
    let failed = |source| OpenError::Connect { database: database.clone(), source };
    let mark: i32 = sqlx::query_scalar("PRAGMA application_id").fetch_one(pool).await.map_err(failed)?;
    if mark == APPLICATION_ID {
        return Ok(());
    }
    let tables: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM sqlite_schema").fetch_one(pool).await.map_err(failed)?;
    if mark != 0 || tables != 0 {
        return Err(OpenError::Foreign(database.clone()));
    }
    let mark = sqlx::AssertSqlSafe(format!("PRAGMA application_id = {APPLICATION_ID}"));
    sqlx::query(mark).execute(pool).await.map_err(failed)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn database_names_are_read_and_passwords_never_shown() {
        let parse = |text: &str| text.parse::<Database>();
        assert_eq!(parse("sqlite::memory:"), Ok(Database::SqliteMemory));
        assert_eq!(parse("sqlite:a/b.db"), Ok(Database::SqliteFile("a/b.db".into())));
        assert_eq!(parse("sqlite:///tmp/b.db"), Ok(Database::SqliteFile("/tmp/b.db".into())));
        let postgres = parse("postgres://me:secret@db:5432/mock?sslmode=disable").unwrap();
        assert_eq!(postgres.to_string(), "postgres://db:5432/mock");
        assert_eq!(format!("{postgres:?}"), "postgres://db:5432/mock");
        for bad in ["", "sqlite:", "mysql://x", "dapi.db", "postgres:x", "sqlite://"] {
            assert!(parse(bad).is_err(), "{bad:?}");
        }
    }
}
