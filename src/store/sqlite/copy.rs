//! Backups of a SQLite file, even while a server uses it.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use sqlx::{ConnectOptions, Connection};

use super::{beside, file_options, inspect, is_foreign, open_error, refuse_served_under_another_name};
use crate::platform::with_mode;
use crate::store::OpenErrorKind;

/// Copies a file's state at one moment, even while a server writes to it. The target is either the whole copy, readable
/// by its owner alone, or missing.
pub(in crate::store) async fn copy(path: &str, target: &Path) -> Result<(), CopyError> {
    inspect(path).await?;
    refuse_served_under_another_name(path)?;
    if !Path::new(path).exists() {
        return Err(CopyError::Missing);
    }
    if target.try_exists()? {
        return Err(CopyError::TargetExists);
    }
    let unfinished = UnfinishedCopy::new(target)?;
    let mut connection = file_options(path).connect().await.map_err(open_error)?;
    let text = unfinished.path.to_str().ok_or(CopyError::NotUtf8)?;
    let copied = async {
        if is_foreign(&mut connection).await? {
            return Ok(false);
        }
        sqlx::query("VACUUM INTO $1").bind(text).execute(&mut connection).await.map(|_| true)
    };
    let copied = copied.await;
    // Also after a failure, because otherwise files would stay beside the database.
    connection.close().await?;
    if copied? { Ok(unfinished.finish(target)?) } else { Err(OpenErrorKind::Foreign.into()) }
}

/// Why no copy was made; follows the name of the database.
#[derive(Debug, thiserror::Error)]
pub(in crate::store) enum CopyError {
    #[error(transparent)]
    Open(#[from] OpenErrorKind),
    #[error("does not exist")]
    Missing,
    #[error("cannot be copied: the target exists and was left unchanged")]
    TargetExists,
    #[error("cannot be copied: the target's path is not valid UTF-8")]
    NotUtf8,
    #[error("cannot be copied: {0}")]
    Io(#[from] io::Error),
    #[error("cannot be copied: {0}")]
    Sqlite(#[from] sqlx::Error),
}

/// A copy that is being written, beside its target. It is removed unless it is finished.
struct UnfinishedCopy {
    path: PathBuf,
}

impl UnfinishedCopy {
    fn new(target: &Path) -> io::Result<Self> {
        let path = beside(target, &format!(".{}.unfinished", std::process::id()));
        // SQLite accepts an empty file, and this one is private from the start.
        with_mode(OpenOptions::new().write(true).create_new(true), 0o600).open(&path)?;
        Ok(Self { path })
    }

    /// Writes the copy to disk before it gets its name, by a link, because a rename would overwrite the target.
    fn finish(self, target: &Path) -> io::Result<()> {
        File::open(&self.path)?.sync_all()?;
        std::fs::hard_link(&self.path, target)?;
        let folder = target.parent().filter(|folder| !folder.as_os_str().is_empty());
        File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
    }
}

impl Drop for UnfinishedCopy {
    fn drop(&mut self) {
        // If this fails, the file's name says what it is.
        drop(std::fs::remove_file(&self.path));
    }
}
