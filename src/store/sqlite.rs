//! SQLite files: which are taken, how they are opened, and copied while they are in use.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, Database, Sqlite, SqliteConnection, SqlitePool};
use sqlx_core::transaction::TransactionManager;

use super::{ACQUIRE_TIMEOUT, Durability, Unusable};

/// Marks a SQLite file as ours ("DAPI"), so that another program's database is refused.
const APPLICATION_ID: i32 = 0x4441_5049;
const READERS: u32 = 4;
/// In bytes.
const SMALLEST_PAGE: u64 = 512;
/// Larger files, in bytes, are not looked through at a start, which would take seconds.
const LOOKED_THROUGH: u64 = 64 << 20;

/// How many instructions SQLite runs before it looks again whether anybody waits for the answer: about a tenth of a
/// millisecond.
const INSTRUCTIONS: i32 = 4096;

/// Instructions that SQLite has run, in whole [`INSTRUCTIONS`] of each statement.
pub(super) type Effort = Arc<AtomicU64>;

/// Whoever waits for a connection's statements. When it is dropped, with a request that is given up, the statement that
/// runs is interrupted: it would keep the connection, and in memory the whole database, for as long as it takes.
pub(super) struct Waiter(Arc<AtomicBool>);

impl Waiter {
    /// Waits on this connection from now on, in place of whoever had it before.
    pub(super) async fn on(connection: &mut SqliteConnection, effort: &Effort) -> Result<Self, sqlx::Error> {
        let (left, effort) = (Arc::new(AtomicBool::new(false)), effort.clone());
        let waiter = Self(left.clone());
        connection.lock_handle().await?.set_progress_handler(INSTRUCTIONS, move || {
            effort.fetch_add(1, Ordering::Relaxed);
            !left.load(Ordering::Relaxed)
        });
        Ok(waiter)
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// How many instructions SQLite has run.
pub(super) fn instructions(effort: &Effort) -> u64 {
    effort.load(Ordering::Relaxed) * u64::from(INSTRUCTIONS.unsigned_abs())
}

/// A database in memory: one connection, with which it ends.
pub(super) async fn open_memory() -> Result<SqlitePool, sqlx::Error> {
    pool(1)
        .before_acquire(|connection, _| Box::pin(leave_ended_transaction(connection)))
        .connect_with(usual(SqliteConnectOptions::new().in_memory(true)))
        .await
}

/// SQLite itself ends a transaction whose statement is interrupted or finds the disk full, and then refuses the
/// ROLLBACK, so that the driver believes that it is still in it. One that there is can be rolled back.
async fn leave_ended_transaction(connection: &mut SqliteConnection) -> Result<bool, sqlx::Error> {
    if connection.is_in_transaction() {
        // Refused where it is still in one after all, which then ends here.
        drop(sqlx::raw_sql("BEGIN").execute(&mut *connection).await);
        <Sqlite as Database>::TransactionManager::rollback(connection).await?;
    }
    Ok(true)
}

/// A file, new or ours: one connection to write with, and several to read with.
pub(super) async fn open_file(path: &str, durability: Durability) -> Result<(SqlitePool, SqlitePool), Unusable> {
    let options = of_file(path).journal_mode(SqliteJournalMode::Wal).synchronous(match durability {
        // The log is synchronized at checkpoints only: what was acknowledged survives the end of the
        // process at any moment; a power cut may take the last transactions, never the file.
        Durability::SurvivesKill => SqliteSynchronous::Normal,
        Durability::SurvivesPowerCut => SqliteSynchronous::Full,
    });
    make_private(path);
    let write = pool(1)
        .before_acquire(|connection, _| Box::pin(leave_ended_transaction(connection)))
        .connect_with(options.clone().create_if_missing(true))
        .await
        .map_err(unusable)?;
    take(&write).await?;
    look_through(&write, path).await?;
    Ok((write, pool(READERS).connect_lazy_with(options.read_only(true))))
}

/// Makes the file where there is none, for its user alone: hashes and signing keys are in it, and SQLite would
/// let everybody read. Its other files get its mode. What is in the way, SQLite says.
fn make_private(path: &str) {
    drop(OpenOptions::new().write(true).create_new(true).mode(0o600).open(path));
}

fn pool(connections: u32) -> SqlitePoolOptions {
    // Without limits on age and idleness: a memory database ends with its last connection.
    SqlitePoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
}

fn usual(options: SqliteConnectOptions) -> SqliteConnectOptions {
    options.foreign_keys(true).busy_timeout(Duration::from_secs(5)).disable_statement_logging()
}

fn of_file(path: &str) -> SqliteConnectOptions {
    usual(SqliteConnectOptions::new().filename(path))
}

fn unusable(error: sqlx::Error) -> Unusable {
    match error.as_database_error().and_then(result_code) {
        // Read-only, I/O error, full, cannot open.
        Some(8 | 10 | 13 | 14) => Unusable::Unwritable(error.to_string()),
        Some(11) => Unusable::Damaged(error.to_string()),
        Some(26) => Unusable::NotSqlite,
        _ => Unusable::Connect(error),
    }
}

/// SQLite's primary result code; PostgreSQL's codes have five characters.
pub(super) fn result_code(error: &(dyn sqlx::error::DatabaseError + 'static)) -> Option<u32> {
    let code = error.code().filter(|code| code.len() < 5)?;
    code.parse::<u32>().ok().map(|code| code & 0xff)
}

/// Refuses, before anything is written, a path where no database can be, and another program's file.
pub(super) async fn inspect(path: &str) -> Result<(), Unusable> {
    let place = Path::new(path);
    let folder = place.parent().filter(|folder| !folder.as_os_str().is_empty());
    if let Some(folder) = folder.filter(|folder| !folder.is_dir()) {
        return Err(Unusable::NoFolder(folder.display().to_string()));
    }
    let Ok(found) = place.metadata() else { return Ok(()) };
    if found.is_dir() {
        return Err(Unusable::Folder);
    }
    // SQLite itself would take less than a page for an empty file, and write over it.
    if !found.is_file() || (1..SMALLEST_PAGE).contains(&found.len()) {
        return Err(Unusable::NotSqlite);
    }
    // As it stands, without its log: opening it as usual would leave files beside it, and a journal mode
    // in it. What a kill left in the log alone is found by `take`.
    let as_it_stands = of_file(path).read_only(true).immutable(true);
    let foreign = async {
        let mut connection = as_it_stands.connect().await?;
        let foreign = is_foreign(&mut connection).await;
        connection.close().await?;
        foreign
    };
    match foreign.await.map_err(unusable) {
        Ok(true) => Err(Unusable::Foreign),
        Err(Unusable::NotSqlite) => Err(Unusable::NotSqlite),
        // Damage is not told from here: a kill during a checkpoint leaves a file that needs its log.
        Ok(false) | Err(_) => Ok(()),
    }
}

/// Whether another program has begun the file.
async fn is_foreign(connection: &mut SqliteConnection) -> Result<bool, sqlx::Error> {
    let mark: i32 = sqlx::query_scalar("PRAGMA application_id").fetch_one(&mut *connection).await?;
    if mark == 0 {
        let tables: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM sqlite_schema").fetch_one(connection).await?;
        return Ok(tables != 0);
    }
    Ok(mark != APPLICATION_ID)
}

/// Marks a new file as ours, and refuses one that another program has begun.
async fn take(pool: &SqlitePool) -> Result<(), Unusable> {
    let mut connection = pool.acquire().await.map_err(unusable)?;
    if is_foreign(&mut connection).await.map_err(unusable)? {
        return Err(Unusable::Foreign);
    }
    let mark: i32 = sqlx::query_scalar("PRAGMA application_id").fetch_one(&mut *connection).await.map_err(unusable)?;
    if mark == 0 {
        let mark = sqlx::AssertSqlSafe(format!("PRAGMA application_id = {APPLICATION_ID}"));
        sqlx::query(mark).execute(&mut *connection).await.map_err(unusable)?;
    }
    Ok(())
}

/// Refuses a file with damaged pages, as far as SQLite can tell, unless it is large.
async fn look_through(pool: &SqlitePool, path: &str) -> Result<(), Unusable> {
    if std::fs::metadata(path).is_ok_and(|file| file.len() > LOOKED_THROUGH) {
        return Ok(());
    }
    let found: String = sqlx::query_scalar("PRAGMA quick_check(1)").fetch_one(pool).await.map_err(unusable)?;
    if found == "ok" { Ok(()) } else { Err(Unusable::Damaged(found)) }
}

/// Makes this process the file's only server, until the lock is dropped or the process ends in whatever way.
pub(super) fn claim(path: &str) -> Result<File, Unusable> {
    // Beside the file itself, not beside a link to it. Not in it: closing any handle of it would end SQLite's
    // own locks.
    let place = Path::new(path).canonicalize().unwrap_or_else(|_| path.into());
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(beside(place, "-server"));
    let file = file.map_err(|error| Unusable::Unwritable(error.to_string()))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => Err(Unusable::InUse),
        Err(std::fs::TryLockError::Error(error)) => Err(Unusable::Unwritable(error.to_string())),
    }
}

fn beside(path: impl AsRef<Path>, ending: &str) -> PathBuf {
    let mut name = path.as_ref().as_os_str().to_owned();
    name.push(ending);
    name.into()
}

/// Copies a file of ours as it is at one moment, also while a server writes to it. The copy is there whole
/// or not at all, readable by its owner alone.
pub(super) async fn copy(path: &str, target: &Path) -> Result<(), CopyError> {
    inspect(path).await?;
    if !Path::new(path).exists() {
        return Err(CopyError::Nothing);
    }
    if target.try_exists()? {
        return Err(CopyError::Exists);
    }
    let begun = Begun::new(target)?;
    let mut connection = of_file(path).connect().await.map_err(unusable)?;
    let text = begun.path.to_str().ok_or(CopyError::NotText)?;
    let copied = async {
        if is_foreign(&mut connection).await? {
            return Ok(false);
        }
        sqlx::query("VACUUM INTO $1").bind(text).execute(&mut connection).await.map(|_| true)
    };
    let copied = copied.await;
    // Also after a failure: else files stay beside the database.
    connection.close().await?;
    if copied? { Ok(begun.finish(target)?) } else { Err(Unusable::Foreign.into()) }
}

/// Why there is no copy.
#[derive(Debug, thiserror::Error)]
pub(super) enum CopyError {
    /// There is nothing of ours to copy.
    #[error(transparent)]
    Unusable(#[from] Unusable),
    #[error("is not there yet")]
    Nothing,
    #[error("cannot be copied: the target exists, and is left as it is")]
    Exists,
    #[error("cannot be copied: the target's path is no UTF-8")]
    NotText,
    #[error("cannot be copied: {0}")]
    Io(#[from] io::Error),
    #[error("cannot be copied: {0}")]
    Sqlite(#[from] sqlx::Error),
}

/// A copy that is being written, beside its target; gone unless it is finished.
struct Begun {
    path: PathBuf,
}

impl Begun {
    fn new(target: &Path) -> io::Result<Self> {
        let path = beside(target, &format!(".{}.unfinished", std::process::id()));
        // Empty, so that SQLite takes it, and nobody else's from the first moment.
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        Ok(Self { path })
    }

    /// On the disk before it has its name; a link, because a rename would overwrite.
    fn finish(self, target: &Path) -> io::Result<()> {
        File::open(&self.path)?.sync_all()?;
        std::fs::hard_link(&self.path, target)?;
        let folder = target.parent().filter(|folder| !folder.as_os_str().is_empty());
        File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        // Whatever is left carries its name.
        drop(std::fs::remove_file(&self.path));
    }
}
