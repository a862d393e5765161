//! What runs beside the requests: the sweep, and the audit log's file. Neither changes what a client
//! sees.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::fs::{File, OpenOptions, rename};
use tokio::io::AsyncWriteExt;

use crate::audit_shape::Shape;
use crate::domain::WorkspaceId;
use crate::domain::audit::Filter;
use crate::service::Service;

/// How often the audit log's file is brought up to date.
const FILE_INTERVAL: Duration = Duration::from_millis(250);
/// How many full files are kept beside the one that is written.
const FILES_KEPT: u32 = 5;

/// Sweeps all workspaces again and again.
pub async fn sweep(service: Service, every: Duration) {
    loop {
        tokio::time::sleep(every).await;
        match service.sweep_all().await {
            Ok(0) => {}
            Ok(ended) => tracing::info!(ended, "swept"),
            Err(error) => tracing::warn!("the sweep did not finish, and will be tried again: {error}"),
        }
    }
}

/// Where the audit log goes as a file.
#[derive(Clone, Debug)]
pub struct AuditFile {
    /// The file.
    pub path: PathBuf,
    /// The shape of its lines.
    pub shape: Shape,
    /// From so many bytes on, a new file is begun and the old one kept as `PATH.1`, `PATH.2` ….
    pub max_bytes: u64,
}

/// Appends every audit event from now on to a file.
///
/// # Errors
/// When the file cannot be opened or the log cannot be read at the start.
pub async fn audit_file(service: Service, settings: AuditFile) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let mut written: HashMap<WorkspaceId, i64> = service.newest_events().await?;
    let mut file = open(&settings.path).await?;
    loop {
        tokio::time::sleep(FILE_INTERVAL).await;
        if let Err(error) = append_new(&service, &settings, &mut file, &mut written).await {
            tracing::warn!("the audit log's file is behind, and will be tried again: {error}");
        }
    }
}

async fn append_new(
    service: &Service,
    settings: &AuditFile,
    file: &mut File,
    written: &mut HashMap<WorkspaceId, i64>,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    for (workspace, newest) in service.newest_events().await? {
        let after = written.get(&workspace).copied().unwrap_or(0);
        if newest <= after {
            continue;
        }
        let events = service.audit_events(workspace, &Filter { after, ..Filter::default() }).await?;
        for event in &events {
            file.write_all(format!("{}\n", settings.shape.render(event)).as_bytes()).await?;
        }
        file.flush().await?;
        if let Some(last) = events.last() {
            written.insert(workspace, last.sequence);
        }
        if file.metadata().await?.len() >= settings.max_bytes {
            rotate(&settings.path).await?;
            *file = open(&settings.path).await?;
        }
    }
    Ok(())
}

async fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path).await
}

async fn rotate(path: &Path) -> io::Result<()> {
    let numbered = |n: u32| PathBuf::from(format!("{}.{n}", path.display()));
    for n in (1..FILES_KEPT).rev() {
        match rename(numbered(n), numbered(n + 1)).await {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    rename(path, numbered(1)).await
}
