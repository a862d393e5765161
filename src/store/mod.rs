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
mod journal;
mod migrations;
mod oauth;
mod page_sessions;
mod permissions;
mod postgres;
mod remembered;
mod report;
mod seeds;
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

use remembered::Remembered;
use sqlite::Effort;
use sqlx::SqlitePool;
use sqlx::migrate::MigrateError;

pub use identities::{AgedPrincipal, Batch, Population};
pub use journal::{NewEntry, StoredEntry};
pub use postgres::{Limits, PostgresPool};
pub use report::{Part, Reported};
pub use session::{Lock, Reader, Writer};
pub use settings::Versioned;
pub use sqlite::{Claim, Holder};
pub use tokens::{ByTime, HistoryFilter, PresentedOwner, PresentedToken, StoredHistory};
pub use workspace_rows::{TABLES_KEPT, tables_put_back};

/// How long a request waits for a connection to read a SQLite file with before it is answered with 503.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);
/// How long it waits for the one that writes. Putting a large workspace back takes seconds and cannot be divided.
const WRITER_TIMEOUT: Duration = Duration::from_secs(15);

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
    /// The disk is full, read-only or broken: what only reads goes on.
    #[error("the database cannot be written: {0}")]
    Unwritable(#[source] sqlx::Error),
    /// All that a request did took too long.
    #[error("the request took too long and was given up")]
    OutOfTime,
    /// The workspace was put back or removed, through another process, since its request was checked.
    #[error("the workspace was exchanged under the request")]
    Replaced,
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
        matches!(self, Self::Unavailable(_) | Self::Unwritable(_) | Self::OutOfTime | Self::Replaced)
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::Database(inner) if inner.is_unique_violation() => Self::Duplicate,
            // SQLite: read-only, I/O error, full.
            sqlx::Error::Database(inner) if matches!(sqlite::result_code(inner.as_ref()), Some(8 | 10 | 13)) => {
                Self::Unwritable(error)
            }
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
            // SQLite: busy, locked, interrupted, cannot open.
            let sqlite = matches!(sqlite::result_code(inner.as_ref()), Some(5 | 6 | 9 | 14));
            // PostgreSQL: connection, resources, intervention, serialization failure and deadlock; a standby, and
            // a transaction that stood idle for too long.
            let code = inner.code().unwrap_or_default();
            let classes = ["08", "25006", "25P03", "40", "53", "57"];
            sqlite || code.len() == 5 && classes.iter().any(|class| code.starts_with(class))
        }
        _ => false,
    }
}

/// What of the acknowledged changes survives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// All, when the process ends at whatever moment; a power cut may take the last ones.
    #[default]
    SurvivesKill,
    /// All, also when the power is cut.
    SurvivesPowerCut,
}

/// Why the database cannot be used at all; worded for the person who starts the server.
#[derive(Debug, thiserror::Error)]
#[error("{database} {why}")]
pub struct OpenError {
    /// Which.
    pub database: Database,
    /// Why.
    pub why: Unusable,
}

/// Why a database cannot be used. In no case was it changed.
#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    /// It cannot be opened or reached.
    #[error("cannot be opened: {0}")]
    Connect(#[source] sqlx::Error),
    /// Its path is a folder's.
    #[error("is a folder; give the path of a file to --database")]
    Folder,
    /// Its folder is missing.
    #[error("cannot be made, as there is no folder {0}")]
    NoFolder(String),
    /// It is some other file.
    #[error("is no SQLite database; give a path of its own to --database")]
    NotSqlite,
    /// It belongs to another program.
    #[error("is a SQLite database of another program; give a path of its own to --database")]
    Foreign,
    /// It is cut off, or has pages that make no sense.
    #[error("is damaged ({0}); put a backup in its place, or give another path to --database")]
    Damaged(String),
    /// The disk or the file is read-only, or the disk is full.
    #[error("cannot be written: {0}")]
    Unwritable(String),
    /// Another server has it.
    #[error("is used by another server{0}; stop that one, give a path of its own to --database, or share PostgreSQL")]
    InUse(Holder),
    /// Another server has it, under another name.
    #[error("is used by a server under another name, which its log has too; give the name that the server was given")]
    ServedElsewhere,
    /// It has hard links.
    #[error("has several names (hard links), of which SQLite would give each a log of its own; leave it one name")]
    SeveralNames,
    /// A newer version of this program wrote it.
    #[error(
        "has schema {theirs}, written by a newer dapi-mock, as this one knows up to {ours}; use that version, or another --database"
    )]
    Newer {
        /// The first migration in it that is not known here.
        theirs: i64,
        /// The newest that is.
        ours: i64,
    },
    /// Its tables were made by another text of the same migration.
    #[error("has another migration {0} than this dapi-mock; it was made by a version that was never released")]
    Altered(i64),
    /// A migration was begun by something that knows no transactions.
    #[error("has a migration {0} that was begun and not finished; put a backup in its place")]
    Unfinished(i64),
    /// Its tables cannot be brought up to date.
    #[error("cannot be brought up to date, and is as it was: {0}")]
    Migrate(#[source] MigrateError),
}

/// Why there is no backup; worded for the person who asked for one.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// Of what cannot be copied from here, and what to do.
    #[error("{0}")]
    Elsewhere(&'static str),
    /// The copy failed; nothing is left of it.
    #[error("{0} {1}")]
    Failed(Database, String),
}

impl OpenError {
    /// Whether it may be otherwise soon: the database is not up yet, or is full.
    pub fn passes(&self) -> bool {
        match &self.why {
            Unusable::Connect(source) | Unusable::Migrate(MigrateError::ExecuteMigration(source, _)) => passes(source),
            _ => false,
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
        /// What reads have found since the last change.
        remembered: Arc<Remembered>,
        /// How much SQLite has worked.
        effort: Effort,
        /// Keeps other servers out, where this is one, until the last copy of it is gone.
        claim: Option<Arc<Claim>>,
    },
    /// One pool for both.
    Postgres(PostgresPool),
}

impl Store {
    /// Connects and migrates, also beside a running server.
    ///
    /// # Errors
    /// See [`Unusable`].
    pub async fn open(database: &Database) -> Result<Self, OpenError> {
        Self::open_with(database, Limits::default()).await
    }

    /// The same with other limits on what PostgreSQL may cost.
    ///
    /// # Errors
    /// See [`Unusable`].
    pub async fn open_with(database: &Database, limits: Limits) -> Result<Self, OpenError> {
        let failed = |why| OpenError { database: database.clone(), why };
        Self::connect(database, Durability::default(), limits, false).await.map_err(failed)
    }

    /// Connects and migrates for a server: the only one on a SQLite file, one of several on PostgreSQL.
    ///
    /// # Errors
    /// See [`Unusable`].
    pub async fn open_to_serve(database: &Database, durability: Durability) -> Result<Self, OpenError> {
        let failed = |why| OpenError { database: database.clone(), why };
        Self::connect(database, durability, Limits::default(), true).await.map_err(failed)
    }

    async fn connect(
        database: &Database,
        durability: Durability,
        limits: Limits,
        serves: bool,
    ) -> Result<Self, Unusable> {
        match database {
            Database::SqliteMemory => {
                let pool = sqlite::open_memory().await.map_err(Unusable::Connect)?;
                migrations::migrate_sqlite(&pool).await?;
                let (remembered, effort) = (Arc::default(), Effort::default());
                Ok(Self::Sqlite { write: pool.clone(), read: pool, remembered, effort, claim: None })
            }
            Database::SqliteFile(path) => {
                sqlite::inspect(path).await?;
                let claim = if serves {
                    Some(Arc::new(sqlite::claim(path).await?))
                } else {
                    sqlite::refuse_elsewhere_served(path)?;
                    None
                };
                let (write, read) = sqlite::open_file(path, durability).await?;
                migrations::migrate_sqlite(&write).await?;
                let remembered = Arc::new(Remembered::of_file(sqlite::Log::of(path)?));
                Ok(Self::Sqlite { write, read, remembered, effort: Effort::default(), claim })
            }
            Database::Postgres(url) => Ok(Self::Postgres(PostgresPool::open(url, durability, limits).await?)),
        }
    }

    /// Copies a SQLite file as it is at one moment, also while a server writes to it. The copy is there
    /// whole or not at all, readable by its owner alone; what is at `target` is never overwritten.
    ///
    /// # Errors
    /// See [`BackupError`].
    pub async fn back_up(database: &Database, target: &Path) -> Result<(), BackupError> {
        match database {
            Database::SqliteFile(path) => {
                let copied = sqlite::copy(path, target).await;
                copied.map_err(|error| BackupError::Failed(database.clone(), error.to_string()))
            }
            Database::SqliteMemory => {
                Err(BackupError::Elsewhere("a database in memory belongs to its server, and ends with it"))
            }
            Database::Postgres(_) => {
                Err(BackupError::Elsewhere("PostgreSQL has its own: pg_dump --format=custom --file=TARGET URL"))
            }
        }
    }

    /// How many instructions SQLite has run since it was opened, without those that a statement runs after its last
    /// 4,096: a measure of work that does not depend on the machine. PostgreSQL has its own counts.
    pub fn sqlite_instructions(&self) -> Option<u64> {
        match self {
            Self::Sqlite { effort, .. } => Some(sqlite::instructions(effort)),
            Self::Postgres(_) => None,
        }
    }

    /// Ends all connections.
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
