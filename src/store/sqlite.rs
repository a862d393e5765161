//! SQLite files: which are taken, how they are opened, and copied while they are in use.

use std::collections::BTreeSet;
use std::fmt;
use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, Database, Sqlite, SqliteConnection, SqlitePool};
use sqlx_core::transaction::TransactionManager;

use super::{ACQUIRE_TIMEOUT, Durability, Unusable, WRITER_TIMEOUT};
use crate::platform::{FileId, count_names, file_id, holder_of, lock_path, read_beginning, with_mode};

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
        .acquire_timeout(WRITER_TIMEOUT)
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
    drop(with_mode(OpenOptions::new().write(true).create_new(true), 0o600).open(path));
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

/// The claims of this process, by file: another handle of a claimed file must not even be opened, as
/// closing it would end SQLite's own locks.
static CLAIMED: Mutex<BTreeSet<FileId>> = Mutex::new(BTreeSet::new());

fn claimed() -> MutexGuard<'static, BTreeSet<FileId>> {
    CLAIMED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Makes this process the file's only server, until it is dropped or the process ends in whatever way. The lock is on
/// the file itself, so neither another name of it nor the removal of some other file passes it by.
#[derive(Debug)]
pub struct Claim {
    /// Opened before SQLite opens the file, and closed after SQLite has closed it.
    _locked: File,
    id: FileId,
}

impl Drop for Claim {
    fn drop(&mut self) {
        claimed().remove(&self.id);
    }
}

/// How often a claim is tried, as a command beside a server that has just ended may hold the file for a moment.
const CLAIM_TRIES: u32 = 5;
/// The pause between two tries.
const CLAIM_PAUSE: Duration = Duration::from_millis(40);

/// Claims the file, which is made where there is none.
pub(super) async fn claim(path: &str) -> Result<Claim, Unusable> {
    make_private(path);
    let unwritable = |error: io::Error| Unusable::Unwritable(error.to_string());
    let id = file_id(Path::new(path)).map_err(unwritable)?;
    if !claimed().insert(id.clone()) {
        return Err(Unusable::InUse(Holder(Some(std::process::id()))));
    }
    let locked = match lock(path).await {
        Ok(locked) => locked,
        Err(why) => {
            claimed().remove(&id);
            return Err(why);
        }
    };
    let claim = Claim { id, _locked: locked };
    refuse_several_names(path)?;
    Ok(claim)
}

async fn lock(path: &str) -> Result<File, Unusable> {
    let unwritable = |error: io::Error| Unusable::Unwritable(error.to_string());
    let mut options = OpenOptions::new();
    with_mode(options.read(true).write(true).create(true).truncate(false), 0o600);
    let file = options.open(lock_path(Path::new(path))).map_err(unwritable)?;
    let mut tries = 1;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if tries < CLAIM_TRIES => tokio::time::sleep(CLAIM_PAUSE).await,
            Err(TryLockError::WouldBlock) => return Err(Unusable::InUse(Holder(holder_of(&file)))),
            Err(TryLockError::Error(error)) => return Err(unwritable(error)),
        }
        tries += 1;
    }
}

/// Refuses what a command must not open beside a server: a file whose log SQLite would look for under another name.
pub(super) fn refuse_elsewhere_served(path: &str) -> Result<(), Unusable> {
    let Ok(id) = file_id(Path::new(path)) else { return Ok(()) };
    refuse_several_names(path)?;
    let served = claimed().contains(&id) || is_locked(path);
    if served && !beside(canonical(path), "-shm").exists() {
        return Err(Unusable::ServedElsewhere);
    }
    Ok(())
}

/// Whether another process serves the file. Not to be asked of a file that this process serves.
fn is_locked(path: &str) -> bool {
    let Ok(file) = File::open(lock_path(Path::new(path))) else { return false };
    matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock))
}

/// Refuses a file with several names: SQLite finds the log by the name, and under another one would miss what is in it.
fn refuse_several_names(path: &str) -> Result<(), Unusable> {
    match Path::new(path).metadata() {
        Ok(found) if count_names(&found) > 1 => Err(Unusable::SeveralNames),
        _ => Ok(()),
    }
}

fn canonical(path: &str) -> PathBuf {
    Path::new(path).canonicalize().unwrap_or_else(|_| path.into())
}

/// The process that has claimed a file, where the system tells.
#[derive(Clone, Copy, Debug)]
pub struct Holder(Option<u32>);

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(process) => write!(f, " (process {process})"),
            None => Ok(()),
        }
    }
}

/// The header of the index of SQLite's log, which every commit of every process changes before it is done.
pub(super) type LogState = [u8; 48];

/// Tells whether anybody has changed the file.
#[derive(Debug)]
pub(super) struct Log {
    /// Closed after SQLite has closed its own, so that its locks stay.
    index: File,
}

impl Log {
    /// Looks at a file's log once SQLite has opened it.
    pub(super) fn of(path: &str) -> Result<Self, Unusable> {
        let index = File::open(beside(canonical(path), "-shm"));
        index.map(|index| Self { index }).map_err(|error| Unusable::Unwritable(error.to_string()))
    }

    /// The state of the log; `None` where it cannot be read.
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

/// Copies a file of ours as it is at one moment, also while a server writes to it. The copy is there whole
/// or not at all, readable by its owner alone.
pub(super) async fn copy(path: &str, target: &Path) -> Result<(), CopyError> {
    inspect(path).await?;
    refuse_elsewhere_served(path)?;
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
        with_mode(OpenOptions::new().write(true).create_new(true), 0o600).open(&path)?;
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
