//! The only SQL. The store knows the domain's types, but no rules and no HTTP.
//!
//! One [`Store`] serves SQLite (a file or memory) and PostgreSQL with the same statements. A [`Reader`] reads; a
//! [`Writer`] is one transaction that also reads, so that a use case can load facts, let the domain decide and store
//! the outcome under one lock. Every method may fail with [`StoreError`]; a method's documentation only mentions errors
//! that are particular to it.

mod audit;
mod cache;
mod decoys;
mod error;
mod faults;
mod identities;
mod journal;
mod memberships;
mod migrations;
mod oauth;
mod page_sessions;
mod permissions;
mod postgres;
mod report;
mod session;
mod settings;
mod sign_ins;
mod sqlite;
mod tokens;
mod workspace_rows;
mod workspaces;

use std::fmt;
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use cache::ReadCache;
use error::Result;
use sqlite::WorkCounter;
use sqlx::SqlitePool;

pub use error::{BackupError, OpenError, OpenErrorKind, StoreError};
pub use identities::{Batch, CreationKey, PrincipalScope};
pub use journal::{NewEntry, StoredEntry};
pub use postgres::{Limits, PostgresPool};
pub use report::{ReportBatch, ReportPart, ReportQuery, ReportScan};
pub use session::{Lock, Reader, Writer};
pub use settings::VersionedValue;
pub use sqlite::{LockHolder, ServerLock};
pub use tokens::{HistoryFilter, PresentedOwner, PresentedToken, StoredHistory, TimeOrder, TokenUse};
pub use workspace_rows::{TABLES_NOT_RESTORED, restored_tables};

/// How long a request waits for a connection that reads a SQLite file, before it fails with status 503.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);
/// How long it waits for the only connection that writes: restoring a large workspace takes seconds and cannot be
/// divided.
const WRITER_TIMEOUT: Duration = Duration::from_secs(15);

/// Where the data is stored.
#[derive(Clone, PartialEq, Eq)]
pub enum Database {
    /// In this process, until it ends.
    SqliteMemory,
    /// By path.
    SqliteFile(String),
    /// By URL.
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

/// Never shows the password that a URL may contain.
impl fmt::Display for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SqliteMemory => f.write_str("sqlite::memory:"),
            Self::SqliteFile(path) => write!(f, "sqlite:{path}"),
            Self::Postgres(url) => {
                let server = url.rsplit_once('@').map_or(url.as_str(), |(_, server)| server);
                let server = server.split_once("://").map_or(server, |(_, server)| server);
                write!(f, "postgres://{}", server.split('?').next().unwrap_or(server))
            }
        }
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Which acknowledged changes survive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// All, whenever the process ends. A power cut may lose the last ones.
    #[default]
    SurvivesKill,
    /// All, also after a power cut.
    SurvivesPowerCut,
}

/// What a database is opened for.
#[derive(Clone, Copy)]
enum Purpose {
    Serve,
    /// A command that may run beside a server.
    Command,
}

/// A connected, migrated database.
#[derive(Clone, Debug)]
pub enum Store {
    /// One connection writes and several read; in memory, a single one does both.
    Sqlite {
        write: SqlitePool,
        read: SqlitePool,
        cache: Arc<ReadCache>,
        work: WorkCounter,
        /// Keeps other servers away from the file until the last clone of the store is dropped; `None` unless this is a
        /// server.
        server_lock: Option<Arc<ServerLock>>,
    },
    Postgres(PostgresPool),
}

impl Store {
    /// Connects and migrates, even while a server uses the database.
    pub async fn open(database: &Database) -> Result<Self, OpenError> {
        Self::open_with(database, Limits::default()).await
    }

    /// Like [`open`](Self::open), with other limits for PostgreSQL.
    pub async fn open_with(database: &Database, limits: Limits) -> Result<Self, OpenError> {
        let failed = |kind| OpenError { database: database.clone(), kind };
        Self::connect(database, Durability::default(), limits, Purpose::Command).await.map_err(failed)
    }

    /// Connects and migrates for a server. It must be the only server on a SQLite file, but may be one of several on
    /// PostgreSQL.
    pub async fn open_to_serve(database: &Database, durability: Durability) -> Result<Self, OpenError> {
        let failed = |kind| OpenError { database: database.clone(), kind };
        Self::connect(database, durability, Limits::default(), Purpose::Serve).await.map_err(failed)
    }

    async fn connect(
        database: &Database,
        durability: Durability,
        limits: Limits,
        purpose: Purpose,
    ) -> Result<Self, OpenErrorKind> {
        match database {
            Database::SqliteMemory => {
                let pool = sqlite::open_memory().await.map_err(OpenErrorKind::Connect)?;
                migrations::migrate_sqlite(&pool).await?;
                let (cache, work) = (Arc::default(), WorkCounter::default());
                Ok(Self::Sqlite { write: pool.clone(), read: pool, cache, work, server_lock: None })
            }
            Database::SqliteFile(path) => {
                sqlite::inspect(path).await?;
                let server_lock = match purpose {
                    Purpose::Serve => Some(Arc::new(sqlite::lock_to_serve(path).await?)),
                    Purpose::Command => {
                        sqlite::refuse_served_under_another_name(path)?;
                        None
                    }
                };
                let (write, read) = sqlite::open_file(path, durability).await?;
                migrations::migrate_sqlite(&write).await?;
                let cache = Arc::new(ReadCache::of_file(sqlite::Log::of(path)?));
                Ok(Self::Sqlite { write, read, cache, work: WorkCounter::default(), server_lock })
            }
            Database::Postgres(url) => Ok(Self::Postgres(PostgresPool::open(url, durability, limits).await?)),
        }
    }

    /// Copies a SQLite file's state at one moment, even while a server writes to it. Afterwards `target` is either the
    /// whole copy, readable by its owner alone, or as it was; an existing file is never overwritten.
    pub async fn back_up(database: &Database, target: &Path) -> Result<(), BackupError> {
        match database {
            Database::SqliteFile(path) => {
                let copied = sqlite::copy(path, target).await;
                copied.map_err(|error| BackupError::Failed(database.clone(), error.to_string()))
            }
            Database::SqliteMemory => {
                Err(BackupError::NotAFile("a database in memory exists only inside its server and cannot be copied"))
            }
            Database::Postgres(_) => {
                Err(BackupError::NotAFile("use PostgreSQL's own backup: pg_dump --format=custom --file=TARGET URL"))
            }
        }
    }

    /// How many instructions SQLite has run since it was opened, not counting the last up to 4,096 of each statement: a
    /// measure of work that does not depend on the machine. `None` for PostgreSQL, which has its own counts.
    pub fn sqlite_instructions(&self) -> Option<u64> {
        match self {
            Self::Sqlite { work, .. } => Some(sqlite::instructions(work)),
            Self::Postgres(_) => None,
        }
    }

    /// Closes all connections.
    pub async fn close(&self) {
        match self {
            Self::Sqlite { write, read, .. } => {
                read.close().await;
                write.close().await;
            }
            Self::Postgres(pool) => pool.close().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn database_names_are_parsed_and_passwords_are_never_shown() {
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
