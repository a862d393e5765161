//! SQLite files and databases in memory: how they are inspected, opened and interrupted. Which process may serve a file
//! is decided in `server_lock.rs`; backups are in `copy.rs`. Start at [`inspect`] and [`open_file`].

mod copy;
mod server_lock;

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, Database, Sqlite, SqliteConnection, SqlitePool};
use sqlx_core::transaction::TransactionManager;

use super::{ACQUIRE_TIMEOUT, Durability, OpenErrorKind, WRITER_TIMEOUT};
use crate::platform::{read_beginning, with_mode};

pub(super) use copy::copy;
pub use server_lock::{LockHolder, ServerLock};
pub(super) use server_lock::{lock_to_serve, refuse_served_under_another_name};

/// Marks a SQLite file as dapi-mock's ("DAPI"), so that another program's database is refused.
const APPLICATION_ID: i32 = 0x4441_5049;
const READERS: u32 = 4;
const MIN_PAGE_BYTES: u64 = 512;
/// Larger files are not checked for damage at startup, because that would take seconds.
const MAX_CHECKED_BYTES: u64 = 64 << 20;

/// How many instructions SQLite runs between two calls of its progress handler: about a tenth of a millisecond.
const INSTRUCTIONS_PER_CALL: i32 = 4096;

/// How often the progress handlers of all connections were called.
pub(super) type WorkCounter = Arc<AtomicU64>;

/// Interrupts a connection's running statement when it is dropped, as it is with an abandoned request. Otherwise the
/// statement would keep the connection, and in memory the whole database, for as long as it takes.
pub(super) struct Interrupter(Arc<AtomicBool>);

impl Interrupter {
    /// Takes the place of the connection's former interrupter.
    pub(super) async fn install(connection: &mut SqliteConnection, work: &WorkCounter) -> Result<Self, sqlx::Error> {
        let (abandoned, work) = (Arc::new(AtomicBool::new(false)), work.clone());
        let interrupter = Self(abandoned.clone());
        connection.lock_handle().await?.set_progress_handler(INSTRUCTIONS_PER_CALL, move || {
            work.fetch_add(1, Ordering::Relaxed);
            !abandoned.load(Ordering::Relaxed)
        });
        Ok(interrupter)
    }
}

impl Drop for Interrupter {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// How many instructions SQLite has run, without those that a statement ran after its last call of the handler.
pub(super) fn instructions(work: &WorkCounter) -> u64 {
    work.load(Ordering::Relaxed) * u64::from(INSTRUCTIONS_PER_CALL.unsigned_abs())
}

/// A database in memory, which ends with its only connection.
pub(super) async fn open_memory() -> Result<SqlitePool, sqlx::Error> {
    pool(1)
        .before_acquire(|connection, _| Box::pin(end_stale_transaction(connection)))
        .connect_with(common_options(SqliteConnectOptions::new().in_memory(true)))
        .await
}

/// SQLite ends a transaction by itself if a statement is interrupted or finds the disk full. It then refuses the
/// driver's ROLLBACK, so the driver believes that the transaction still runs. Begins a new one and rolls that back.
async fn end_stale_transaction(connection: &mut SqliteConnection) -> Result<bool, sqlx::Error> {
    if connection.is_in_transaction() {
        // Refused if the transaction does still run, which is then rolled back here.
        drop(sqlx::raw_sql("BEGIN").execute(&mut *connection).await);
        <Sqlite as Database>::TransactionManager::rollback(connection).await?;
    }
    Ok(true)
}

/// Opens a new file or one of dapi-mock: one connection to write with, and several to read with.
pub(super) async fn open_file(path: &str, durability: Durability) -> Result<(SqlitePool, SqlitePool), OpenErrorKind> {
    let options = file_options(path).journal_mode(SqliteJournalMode::Wal).synchronous(match durability {
        // The log is synchronized at checkpoints only. Acknowledged changes survive the end of the process at any
        // moment; a power cut may lose the last transactions, but never the file.
        Durability::SurvivesKill => SqliteSynchronous::Normal,
        Durability::SurvivesPowerCut => SqliteSynchronous::Full,
    });
    create_private(path);
    let write = pool(1)
        .acquire_timeout(WRITER_TIMEOUT)
        .before_acquire(|connection, _| Box::pin(end_stale_transaction(connection)))
        .connect_with(options.clone().create_if_missing(true))
        .await
        .map_err(open_error)?;
    mark_as_ours(&write).await?;
    check_pages(&write, path).await?;
    Ok((write, pool(READERS).connect_lazy_with(options.read_only(true))))
}

/// Creates the file, if it is missing, readable by its owner alone: it will hold hashes and signing keys, and SQLite
/// would let everybody read it. SQLite gives the log the same mode. Errors are ignored, because SQLite reports them.
fn create_private(path: &str) {
    drop(with_mode(OpenOptions::new().write(true).create_new(true), 0o600).open(path));
}

fn pool(connections: u32) -> SqlitePoolOptions {
    // No limits on age and idleness, because a database in memory ends with its last connection.
    SqlitePoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
}

fn common_options(options: SqliteConnectOptions) -> SqliteConnectOptions {
    options.foreign_keys(true).busy_timeout(Duration::from_secs(5)).disable_statement_logging()
}

fn file_options(path: &str) -> SqliteConnectOptions {
    common_options(SqliteConnectOptions::new().filename(path))
}

fn open_error(error: sqlx::Error) -> OpenErrorKind {
    match error.as_database_error().and_then(result_code) {
        // Read-only, I/O error, full, cannot open.
        Some(8 | 10 | 13 | 14) => OpenErrorKind::Unwritable(error.to_string()),
        Some(11) => OpenErrorKind::Damaged(error.to_string()),
        Some(26) => OpenErrorKind::NotSqlite,
        _ => OpenErrorKind::Connect(error),
    }
}

/// SQLite's primary result code; `None` for errors of PostgreSQL, whose codes have five characters.
pub(super) fn result_code(error: &(dyn sqlx::error::DatabaseError + 'static)) -> Option<u32> {
    let code = error.code().filter(|code| code.len() < 5)?;
    code.parse::<u32>().ok().map(|code| code & 0xff)
}

/// Refuses a path where no database can be, and another program's file, before anything is written.
pub(super) async fn inspect(path: &str) -> Result<(), OpenErrorKind> {
    let file = Path::new(path);
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    if let Some(folder) = folder.filter(|folder| !folder.is_dir()) {
        return Err(OpenErrorKind::NoFolder(folder.display().to_string()));
    }
    let Ok(found) = file.metadata() else { return Ok(()) };
    if found.is_dir() {
        return Err(OpenErrorKind::Folder);
    }
    // SQLite would treat less than a page as an empty file, and overwrite it.
    if !found.is_file() || (1..MIN_PAGE_BYTES).contains(&found.len()) {
        return Err(OpenErrorKind::NotSqlite);
    }
    // Without its log, because opening it normally would create files beside it and set its journal mode. A mark that a
    // kill left only in the log is found by `mark_as_ours`.
    let immutable = file_options(path).read_only(true).immutable(true);
    let foreign = async {
        let mut connection = immutable.connect().await?;
        let foreign = is_foreign(&mut connection).await;
        connection.close().await?;
        foreign
    };
    match foreign.await.map_err(open_error) {
        Ok(true) => Err(OpenErrorKind::Foreign),
        Err(OpenErrorKind::NotSqlite) => Err(OpenErrorKind::NotSqlite),
        // Damage cannot be detected here: after a kill during a checkpoint, the file is only whole with its log.
        Ok(false) | Err(_) => Ok(()),
    }
}

/// Whether the file belongs to another program.
async fn is_foreign(connection: &mut SqliteConnection) -> Result<bool, sqlx::Error> {
    let mark: i32 = sqlx::query_scalar("PRAGMA application_id").fetch_one(&mut *connection).await?;
    if mark == 0 {
        let tables: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM sqlite_schema").fetch_one(connection).await?;
        return Ok(tables != 0);
    }
    Ok(mark != APPLICATION_ID)
}

/// Marks a new file as dapi-mock's, and refuses another program's.
async fn mark_as_ours(pool: &SqlitePool) -> Result<(), OpenErrorKind> {
    let mut connection = pool.acquire().await.map_err(open_error)?;
    if is_foreign(&mut connection).await.map_err(open_error)? {
        return Err(OpenErrorKind::Foreign);
    }
    let mark: i32 =
        sqlx::query_scalar("PRAGMA application_id").fetch_one(&mut *connection).await.map_err(open_error)?;
    if mark == 0 {
        let mark = sqlx::AssertSqlSafe(format!("PRAGMA application_id = {APPLICATION_ID}"));
        sqlx::query(mark).execute(&mut *connection).await.map_err(open_error)?;
    }
    Ok(())
}

/// Refuses a file with damaged pages, unless it is too large to check.
async fn check_pages(pool: &SqlitePool, path: &str) -> Result<(), OpenErrorKind> {
    if std::fs::metadata(path).is_ok_and(|file| file.len() > MAX_CHECKED_BYTES) {
        return Ok(());
    }
    let found: String = sqlx::query_scalar("PRAGMA quick_check(1)").fetch_one(pool).await.map_err(open_error)?;
    if found == "ok" { Ok(()) } else { Err(OpenErrorKind::Damaged(found)) }
}

fn canonical(path: &str) -> PathBuf {
    Path::new(path).canonicalize().unwrap_or_else(|_| path.into())
}

/// The header of the index of SQLite's log. Every commit of every process changes it before it takes effect.
pub(super) type LogState = [u8; 48];

/// Shows whether any process has changed the file.
#[derive(Debug)]
pub(super) struct Log {
    /// Must be closed after SQLite has closed the file, because closing it ends SQLite's locks.
    index: File,
}

impl Log {
    /// To be called once SQLite has opened the file.
    pub(super) fn of(path: &str) -> Result<Self, OpenErrorKind> {
        let index = File::open(beside(canonical(path), "-shm"));
        index.map(|index| Self { index }).map_err(|error| OpenErrorKind::Unwritable(error.to_string()))
    }

    /// `None` if it cannot be read.
    pub(super) fn state(&self) -> Option<LogState> {
        let mut state = [0; 48];
        read_beginning(&self.index, &mut state).ok().map(|()| state)
    }
}

fn beside(path: impl AsRef<Path>, ending: &str) -> PathBuf {
    let mut name = path.as_ref().as_os_str().to_owned();
    name.push(ending);
    name.into()
}
