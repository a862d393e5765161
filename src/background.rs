//! What runs beside requests: the sweep, deferred writes and the audit file. None of them changes what a client sees.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::fs::{File, OpenOptions, rename};
use tokio::io::AsyncWriteExt;
use tokio::sync::oneshot;

use crate::Failure;
use crate::domain::WorkspaceId;
use crate::domain::audit::shape::Shape;
use crate::domain::audit::{Event, Filter};
use crate::listen::ExtraListeners;
use crate::platform::with_mode;
use crate::service::{Error, Service};

/// How often new events are appended to the audit file.
const FILE_INTERVAL: Duration = Duration::from_millis(250);
/// How many rotated files are kept.
const FILES_KEPT: u32 = 5;
/// How often deferred writes are done.
const RECORD_INTERVAL: Duration = Duration::from_secs(1);

/// Does the writes that requests did not wait for, every second: late uses of tokens, and the latest time that was shown.
pub async fn catch_up(service: Service) {
    let mut succeeded = true;
    loop {
        tokio::time::sleep(RECORD_INTERVAL).await;
        let recorded = record(&service).await;
        if let (Err(error), true) = (&recorded, succeeded) {
            tracing::warn!("cannot record uses of tokens and the latest time that was shown; retrying: {error}");
        }
        succeeded = recorded.is_ok();
    }
}

/// Does once the writes that requests did not wait for.
pub async fn record(service: &Service) -> Result<(), Error> {
    service.record_late_uses().await?;
    service.persist_time().await
}

/// Sweeps all workspaces again and again, deletes expired workspaces, and closes the ports of deleted ones.
pub async fn sweep(service: Service, extra: ExtraListeners, every: Duration) {
    loop {
        tokio::time::sleep(every).await;
        match service.sweep_all().await {
            Ok(0) => {}
            Ok(ended) => tracing::info!(ended, "swept"),
            Err(error) => tracing::warn!("the sweep did not finish; retrying later: {error}"),
        }
        match service.delete_expired_workspaces().await {
            Ok(deleted) => {
                for id in deleted {
                    tracing::info!("workspace {id} expired");
                    extra.close(id);
                }
            }
            Err(error) => tracing::warn!("cannot delete expired workspaces; retrying later: {error}"),
        }
        if let Err(error) = service.tidy_journal().await {
            tracing::warn!("cannot tidy the shared journal; retrying later: {error}");
        }
        match service.forget_deleted_workspaces(extra.workspaces()).await {
            Ok(deleted) => deleted.into_iter().for_each(|id| extra.close(id)),
            Err(error) => {
                tracing::warn!("cannot forget workspaces that other processes deleted; retrying later: {error}");
            }
        }
        match service.deleted_accounts(extra.accounts()).await {
            Ok(deleted) => deleted.into_iter().for_each(|id| extra.close(id)),
            Err(error) => tracing::warn!("cannot close the ports of deleted accounts; retrying later: {error}"),
        }
    }
}

#[derive(Clone, Debug)]
pub struct AuditFile {
    pub path: PathBuf,
    pub shape: Shape,
    /// At this size the file is rotated to `PATH.1`, `PATH.2` …. Only a single longer line exceeds it.
    pub max_bytes: u64,
}

/// What has been written to the file. `PATH.position` stores it, so that a later start continues where the file ends and
/// notices if the database is another one.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Position {
    /// The length of the file that includes the events below.
    bytes: u64,
    /// The newest event of each workspace in the file.
    workspaces: BTreeMap<i64, Newest>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Newest {
    sequence: i64,
    event_id: String,
}

/// Writes every event of the database to the file exactly once; the next start writes what a killed process did not. Only if
/// the file and its position disagree, as after a power cut, can events be there twice. None is left out.
#[derive(Debug)]
pub struct AuditWriter {
    service: Service,
    settings: AuditFile,
    file: File,
    position: Position,
}

impl AuditWriter {
    /// Opens the file and finds where to continue.
    ///
    /// # Errors
    /// If the file cannot be written or the log cannot be read.
    pub async fn open(service: Service, settings: AuditFile) -> Result<Self, Failure> {
        let opened = async {
            let (file, length) = open(&settings.path).await?;
            let position = match tokio::fs::read(position_path(&settings.path)).await {
                Ok(text) => serde_json::from_slice(&text)?,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    Position { bytes: length, ..Position::default() }
                }
                Err(error) => return Err(error),
            };
            save(&settings.path, &position).await?;
            Ok::<_, io::Error>((file, length, position))
        };
        let named = |error| format!("cannot write the audit log to {}: {error}", settings.path.display());
        let (file, length, mut position) = opened.await.map_err(named)?;
        let written = std::mem::take(&mut position.workspaces);
        let is_new = written.is_empty();
        let mut known = BTreeMap::new();
        for (id, newest) in written {
            if is_in_log(&service, WorkspaceId(id), &newest).await? {
                known.insert(id, newest);
            }
        }
        if known.is_empty() && !is_new {
            // The file has events of another database: keep them and append.
            position.bytes = length;
        }
        position.workspaces = known;
        Ok(Self { service, settings, file, position })
    }

    /// Appends new events until `stop`, and then a last time.
    pub async fn run(mut self, mut stop: oneshot::Receiver<()>) {
        loop {
            let stopped = tokio::time::timeout(FILE_INTERVAL, &mut stop).await.is_ok();
            if let Err(error) = self.append_new().await {
                tracing::warn!("cannot append to the audit file; retrying: {error}");
            }
            if stopped {
                return;
            }
        }
    }

    async fn append_new(&mut self) -> Result<(), Failure> {
        for (id, newest) in self.service.newest_events().await? {
            let mut after = self.position.workspaces.get(&id.0).map_or(0, |written| written.sequence);
            while after < newest {
                let (events, next) = self.service.audit_events(id, &Filter { after, ..Filter::default() }).await?;
                if events.is_empty() {
                    break;
                }
                self.append(id, &events).await?;
                after = next;
            }
        }
        Ok(())
    }

    async fn append(&mut self, id: WorkspaceId, events: &[Event]) -> Result<(), Failure> {
        let mut lines = String::new();
        let mut newest = None;
        for event in events {
            let line = format!("{}\n", self.settings.shape.render(event));
            let length = self.position.bytes + length_of(&lines);
            if length > 0 && length + length_of(&line) > self.settings.max_bytes {
                self.write(id, &std::mem::take(&mut lines), newest.take()).await?;
                rotate(&self.settings.path).await?;
                (self.file, self.position.bytes) = open(&self.settings.path).await?;
            }
            lines.push_str(&line);
            newest = Some(Newest { sequence: event.sequence, event_id: event.id.clone() });
        }
        self.write(id, &lines, newest).await
    }

    /// Writes the lines, then their position.
    async fn write(&mut self, id: WorkspaceId, lines: &str, newest: Option<Newest>) -> Result<(), Failure> {
        let Some(newest) = newest else { return Ok(()) };
        // Cut off lines whose position was not stored, because of a kill or a full disk: they are in `lines` again.
        let length = self.file.metadata().await?.len().min(self.position.bytes);
        self.file.set_len(length).await?;
        self.file.write_all(lines.as_bytes()).await?;
        self.file.flush().await?;
        self.position.bytes = length + length_of(lines);
        self.position.workspaces.insert(id.0, newest);
        save(&self.settings.path, &self.position).await?;
        Ok(())
    }
}

async fn save(path: &Path, position: &Position) -> io::Result<()> {
    let path = position_path(path);
    let new = beside(&path, ".new");
    tokio::fs::write(&new, serde_json::to_vec(position)?).await?;
    rename(&new, &path).await
}

fn length_of(text: &str) -> u64 {
    text.len().try_into().unwrap_or(u64::MAX)
}

/// Whether this database's log has the event at this place.
async fn is_in_log(service: &Service, id: WorkspaceId, newest: &Newest) -> Result<bool, Error> {
    let only = Filter { after: newest.sequence - 1, limit: 1, ..Filter::default() };
    let (events, _) = service.audit_events(id, &only).await?;
    Ok(events.first().is_some_and(|event| event.sequence == newest.sequence && event.id == newest.event_id))
}

async fn open(path: &Path) -> io::Result<(File, u64)> {
    // A pipe or a device has no length to continue from, and perhaps no reader.
    if tokio::fs::metadata(path).await.is_ok_and(|found| !found.is_file()) {
        return Err(io::Error::other("not a regular file"));
    }
    // It holds names and addresses of people, so only the user and the group that ships logs can read it.
    let options = with_mode(std::fs::OpenOptions::new().create(true).append(true), 0o640).clone();
    let file = OpenOptions::from(options).open(path).await?;
    let length = file.metadata().await?.len();
    Ok((file, length))
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name: OsString = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

fn position_path(path: &Path) -> PathBuf {
    beside(path, ".position")
}

async fn rotate(path: &Path) -> io::Result<()> {
    let numbered = |n: u32| beside(path, &format!(".{n}"));
    for n in (1..FILES_KEPT).rev() {
        match rename(numbered(n), numbered(n + 1)).await {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    rename(path, numbered(1)).await
}
