//! Which process may serve a SQLite file: exactly one, by a lock on the file itself. See
//! docs/decisions/0011-one-server-per-sqlite-file.md.

use std::collections::BTreeSet;
use std::fmt;
use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::{beside, canonical, create_private};
use crate::platform::{FileId, count_names, file_id, holder_of, lock_path, with_mode};
use crate::store::OpenErrorKind;

/// The files that this process serves. It must not even open another handle of one, because closing that would end
/// SQLite's own locks.
static SERVED: Mutex<BTreeSet<FileId>> = Mutex::new(BTreeSet::new());

fn served() -> MutexGuard<'static, BTreeSet<FileId>> {
    SERVED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Makes this process the file's only server until it is dropped, or the process ends in whatever way. The lock is on
/// the file itself, so it holds under every name of the file, and removing another file does not release it.
#[derive(Debug)]
pub struct ServerLock {
    /// Opened before SQLite opens the file, and closed after SQLite has closed it.
    _locked: File,
    id: FileId,
}

impl Drop for ServerLock {
    fn drop(&mut self) {
        served().remove(&self.id);
    }
}

/// How often locking is tried, because a command beside a server that has just ended may hold the file for a moment.
const LOCK_TRIES: u32 = 5;
const LOCK_PAUSE: Duration = Duration::from_millis(40);

/// Locks the file, and creates it if it is missing.
pub(in crate::store) async fn lock_to_serve(path: &str) -> Result<ServerLock, OpenErrorKind> {
    create_private(path);
    let unwritable = |error: io::Error| OpenErrorKind::Unwritable(error.to_string());
    let id = file_id(Path::new(path)).map_err(unwritable)?;
    if !served().insert(id.clone()) {
        return Err(OpenErrorKind::InUse(LockHolder(Some(std::process::id()))));
    }
    let locked = match lock(path).await {
        Ok(locked) => locked,
        Err(why) => {
            served().remove(&id);
            return Err(why);
        }
    };
    let server_lock = ServerLock { id, _locked: locked };
    refuse_hard_links(path)?;
    Ok(server_lock)
}

async fn lock(path: &str) -> Result<File, OpenErrorKind> {
    let unwritable = |error: io::Error| OpenErrorKind::Unwritable(error.to_string());
    let mut options = OpenOptions::new();
    with_mode(options.read(true).write(true).create(true).truncate(false), 0o600);
    let file = options.open(lock_path(Path::new(path))).map_err(unwritable)?;
    let mut tries = 1;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if tries < LOCK_TRIES => tokio::time::sleep(LOCK_PAUSE).await,
            Err(TryLockError::WouldBlock) => return Err(OpenErrorKind::InUse(LockHolder(holder_of(&file)))),
            Err(TryLockError::Error(error)) => return Err(unwritable(error)),
        }
        tries += 1;
    }
}

/// Refuses a file that a command must not open beside its server, because SQLite would look for its log under another
/// name.
pub(in crate::store) fn refuse_served_under_another_name(path: &str) -> Result<(), OpenErrorKind> {
    let Ok(id) = file_id(Path::new(path)) else { return Ok(()) };
    refuse_hard_links(path)?;
    let is_served = served().contains(&id) || is_locked(path);
    if is_served && !beside(canonical(path), "-shm").exists() {
        return Err(OpenErrorKind::ServedUnderAnotherName);
    }
    Ok(())
}

/// Whether another process serves the file. Must not be called for a file that this process serves.
fn is_locked(path: &str) -> bool {
    let Ok(file) = File::open(lock_path(Path::new(path))) else { return false };
    matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock))
}

/// Refuses a file with hard links: SQLite finds the log by the file's name, and would miss it under another one.
fn refuse_hard_links(path: &str) -> Result<(), OpenErrorKind> {
    match Path::new(path).metadata() {
        Ok(found) if count_names(&found) > 1 => Err(OpenErrorKind::HardLinks),
        _ => Ok(()),
    }
}

/// The process that serves a file, if the system tells.
#[derive(Clone, Copy, Debug)]
pub struct LockHolder(Option<u32>);

impl fmt::Display for LockHolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(process) => write!(f, " (process {process})"),
            None => Ok(()),
        }
    }
}
