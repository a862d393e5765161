//! What can go wrong in the store: [`StoreError`] while it is used, [`OpenError`] before that, and [`BackupError`].

use sqlx::migrate::MigrateError;

use super::{Database, LockHolder, sqlite};

pub(super) type Result<T, E = StoreError> = std::result::Result<T, E>;

/// Why a read or a change failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database does not answer, or is busy or full.
    #[error("the database is not available: {0}")]
    Unavailable(#[source] sqlx::Error),
    /// The disk is full, read-only or broken. Reads may still succeed.
    #[error("the database cannot be written: {0}")]
    Unwritable(#[source] sqlx::Error),
    #[error("the request took too long and was abandoned")]
    TimedOut,
    /// Another process restored or deleted the workspace after the request was authorized.
    #[error("the workspace was replaced while the request was running")]
    Replaced,
    /// Refused on all databases, because PostgreSQL cannot store it.
    #[error("a text contains the character U+0000")]
    NulCharacter,
    #[error("already exists")]
    Duplicate,
    /// A stored value that this program cannot have written.
    #[error("the database contains an unreadable value: {0}")]
    Unreadable(String),
    /// Anything else, which is a defect.
    #[error(transparent)]
    Other(sqlx::Error),
}

impl StoreError {
    /// Whether the same call may succeed later.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::Unwritable(_) | Self::TimedOut | Self::Replaced)
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
            cause if is_transient(cause) => Self::Unavailable(error),
            _ => Self::Other(error),
        }
    }
}

/// Whether the same statement may succeed later.
fn is_transient(error: &sqlx::Error) -> bool {
    match error {
        // A message that is cut off shows as a protocol error.
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::Protocol(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed => true,
        sqlx::Error::Database(inner) => {
            // SQLite: busy, locked, interrupted, cannot open.
            let sqlite = matches!(sqlite::result_code(inner.as_ref()), Some(5 | 6 | 9 | 14));
            // PostgreSQL: connection, standby, transaction idle for too long, serialization failure and deadlock,
            // resources, operator intervention.
            let code = inner.code().unwrap_or_default();
            let classes = ["08", "25006", "25P03", "40", "53", "57"];
            sqlite || code.len() == 5 && classes.iter().any(|class| code.starts_with(class))
        }
        _ => false,
    }
}

/// Why a database cannot be opened, for the person who starts the server.
#[derive(Debug, thiserror::Error)]
#[error("{database} {kind}")]
pub struct OpenError {
    pub database: Database,
    pub kind: OpenErrorKind,
}

/// Why a database cannot be opened. It was not changed. The texts follow the database's name.
#[derive(Debug, thiserror::Error)]
pub enum OpenErrorKind {
    #[error("cannot be opened: {0}")]
    Connect(#[source] sqlx::Error),
    #[error("is a folder; give the path of a file to --database")]
    Folder,
    #[error("cannot be created because the folder {0} is missing")]
    NoFolder(String),
    #[error("is not a SQLite database; give another path to --database")]
    NotSqlite,
    #[error("is a SQLite database of another program; give another path to --database")]
    Foreign,
    #[error("is damaged ({0}); replace it with a backup, or give another path to --database")]
    Damaged(String),
    #[error("cannot be written: {0}")]
    Unwritable(String),
    #[error("is used by another server{0}; stop that server, give another path to --database, or share PostgreSQL")]
    InUse(LockHolder),
    #[error("is used by a server under another name; use the name that the server was given")]
    ServedUnderAnotherName,
    #[error("has several names (hard links), and SQLite would use a separate log for each; leave only one name")]
    HardLinks,
    #[error(
        "has schema {theirs}, written by a newer dapi-mock, but this version only knows schemas up to {ours}; use the newer version, or another --database"
    )]
    Newer {
        /// The first migration in the database that is not known here.
        theirs: i64,
        /// The newest known migration.
        ours: i64,
    },
    /// Its checksum differs, so the text of the migration did.
    #[error(
        "has a different migration {0} than this dapi-mock: an unreleased version created it; use another --database"
    )]
    Altered(i64),
    /// dapi-mock migrates in one transaction, so another program began it.
    #[error("has an unfinished migration {0}; replace it with a backup")]
    Unfinished(i64),
    #[error("cannot be migrated and was left unchanged: {0}")]
    Migrate(#[source] MigrateError),
}

impl OpenError {
    /// Whether the same call may succeed later, for example because the database has not started yet.
    pub fn is_transient(&self) -> bool {
        match &self.kind {
            OpenErrorKind::Connect(source) | OpenErrorKind::Migrate(MigrateError::ExecuteMigration(source, _)) => {
                is_transient(source)
            }
            _ => false,
        }
    }
}

/// Why no backup was made, for the person who asked for one.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// Says why, and what to do instead.
    #[error("{0}")]
    NotAFile(&'static str),
    /// Nothing of the copy is left.
    #[error("{0} {1}")]
    Failed(Database, String),
}
