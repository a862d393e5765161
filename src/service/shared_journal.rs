//! The request journal of several processes on one PostgreSQL. Each process adds entries to its own memory, and writes
//! them to a shared table in the background and in batches, so that no request waits. On SQLite, `journal` is all.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::sleep;

use super::journal::{ALL_BYTES, JournalEntry, JournalLimits};
use super::{Error, Service};
use crate::domain::{Workspace, WorkspaceId};
use crate::store::{Lock, NewEntry, StoreError, StoredEntry};

/// How long an entry waits so that others are written together with it.
const INTERVAL: Duration = Duration::from_millis(100);
/// The pause after a failed write. The entries stay in memory, within the journal's limits.
const PAUSE: Duration = Duration::from_secs(1);
/// How long a reader waits for other processes to write what they have answered.
const SETTLES_IN: Duration = Duration::from_millis(200);
/// How often a missing entry is looked up again, because another process may be slow.
const RETRIES: usize = 5;
/// A workspace is trimmed whenever this fraction of its limits was written, because trimming costs more than writing.
const TRIM_FRACTION: usize = 8;

/// This process's progress in writing.
#[derive(Clone, Debug, Default)]
pub(super) struct Sharing {
    /// Whether a background task is going to write.
    is_scheduled: Arc<AtomicBool>,
    /// What was written since its workspace was last trimmed. Locked while entries are written.
    untrimmed: Arc<Mutex<Amounts>>,
}

impl Sharing {
    /// The workspaces with entries that were written but not trimmed.
    pub(super) async fn workspaces(&self) -> Vec<WorkspaceId> {
        self.untrimmed.lock().await.keys().copied().flatten().collect()
    }

    pub(super) async fn forget(&self, deleted: &HashSet<WorkspaceId>) {
        self.untrimmed.lock().await.retain(|id, _| id.is_none_or(|id| !deleted.contains(&id)));
    }
}

/// The number of entries and their bytes, by workspace.
type Amounts = HashMap<Option<WorkspaceId>, (usize, usize)>;

/// Counts an entry; returns the new amount of its workspace.
fn count(amounts: &mut Amounts, entry: &JournalEntry) -> (usize, usize) {
    let amount = amounts.entry(entry.workspace).or_default();
    *amount = (amount.0 + 1, amount.1 + entry.size());
    *amount
}

impl Service {
    /// Adds an entry to the journal.
    pub fn record_entry(&self, entry: JournalEntry) {
        self.journal.add(entry);
        if self.may_have_replicas() && self.journal.is_on() && !self.sharing.is_scheduled.swap(true, Ordering::AcqRel) {
            tokio::spawn(share_in_background(self.clone()));
        }
    }

    /// A workspace's entries with a number above `since`, in the order of their answers.
    pub async fn journal_entries(&self, workspace: &Workspace, since: u64) -> Result<Vec<Arc<JournalEntry>>, Error> {
        if !self.may_have_replicas() {
            return Ok(self.journal.of_workspace(workspace, since));
        }
        self.gather().await?;
        let after = i64::try_from(since).unwrap_or(i64::MAX);
        let found = self.store.read().await?.list_journal_entries(workspace, after).await?;
        Ok(newest(found.into_iter().filter_map(read).collect(), self.journal.limits()))
    }

    /// An entry by request id, in one workspace or in any.
    ///
    /// # Errors
    /// [`Error::Store`], where processes share the journal and this one has not answered the request.
    pub async fn find_journal_entry(
        &self,
        request_id: &str,
        of: Option<&Workspace>,
    ) -> Result<Option<Arc<JournalEntry>>, Error> {
        let own = self.journal.find(request_id, of);
        // Within a workspace the answer has the entry's number, which comes from the table.
        if !self.may_have_replicas() || (own.is_some() && of.is_none()) {
            return Ok(own);
        }
        self.share_journal().await?;
        let mut found = self.store.read().await?.find_journal_entry(request_id, of).await?;
        for _ in 0..RETRIES {
            if found.is_some() || !self.gather().await? {
                break;
            }
            found = self.store.read().await?.find_journal_entry(request_id, of).await?;
        }
        Ok(found.and_then(read))
    }

    /// The newest refusal or fault in any workspace; without one, the newest entry.
    ///
    /// # Errors
    /// [`Error::Store`], where processes share the journal and this one's memory is empty.
    pub async fn last_journal_entry(&self) -> Result<Option<Arc<JournalEntry>>, Error> {
        let own = self.journal.last();
        if !self.may_have_replicas() {
            return Ok(own);
        }
        match self.find_last_shared().await {
            Err(_) if own.is_some() => Ok(own),
            found => found,
        }
    }

    async fn find_last_shared(&self) -> Result<Option<Arc<JournalEntry>>, Error> {
        self.gather().await?;
        Ok(self.store.read().await?.find_last_journal_entry().await?.and_then(read))
    }

    /// Deletes entries of a workspace, by number.
    pub async fn delete_journal_entries(&self, workspace: &Workspace, numbers: &HashSet<u64>) -> Result<(), Error> {
        if !self.may_have_replicas() {
            self.journal.delete(workspace, numbers);
            return Ok(());
        }
        let numbers: Vec<i64> = numbers.iter().filter_map(|number| i64::try_from(*number).ok()).collect();
        let mut writer = self.store.write(Lock::Workspace(workspace.id)).await?;
        writer.delete_journal_entries(workspace, &numbers).await?;
        Ok(writer.commit().await?)
    }

    /// Clears a workspace's journal. Requests in flight are not added either when they finish.
    pub async fn clear_journal(&self, workspace: &Workspace) -> Result<(), Error> {
        if !self.may_have_replicas() {
            self.journal.clear(workspace);
            return Ok(());
        }
        self.gather().await?;
        self.journal.clear(workspace);
        let mut writer = self.store.write(Lock::Workspace(workspace.id)).await?;
        writer.clear_journal(workspace).await?;
        Ok(writer.commit().await?)
    }

    /// Writes the entries in memory to the shared table, and trims the table to the journal's limits now and then.
    ///
    /// # Errors
    /// [`StoreError`]; the entries stay in memory until a later write.
    pub async fn share_journal(&self) -> Result<(), StoreError> {
        if !self.may_have_replicas() {
            return Ok(());
        }
        let mut untrimmed = self.sharing.untrimmed.lock().await;
        let unwritten = self.journal.all();
        let Some(last) = unwritten.last() else { return Ok(()) };
        let rows: Vec<NewEntry> = unwritten.iter().map(|entry| stored(entry)).collect();
        for entry in &unwritten {
            count(&mut untrimmed, entry);
        }
        let limits = self.journal.limits();
        let is_due = |(requests, bytes): &(usize, usize)| {
            requests * TRIM_FRACTION >= limits.requests || bytes * TRIM_FRACTION >= limits.bytes
        };
        let due: Vec<_> = untrimmed.iter().filter(|(_, amount)| is_due(amount)).map(|(id, _)| *id).collect();
        let mut writer = self.store.write(Lock::Journal).await?;
        writer.insert_journal_entries(self.store.process(), &rows).await?;
        for workspace in &due {
            writer.trim_journal(*workspace, number(limits.requests), number(limits.bytes)).await?;
        }
        writer.commit().await?;
        self.journal.drop_up_to(last.number);
        untrimmed.retain(|id, _| !due.contains(id));
        Ok(())
    }

    /// Deletes the shared entries of deleted workspaces, and the oldest ones beyond `ALL_BYTES`.
    pub async fn tidy_journal(&self) -> Result<(), Error> {
        if !self.may_have_replicas() {
            return Ok(());
        }
        let mut writer = self.store.write(Lock::Journal).await?;
        writer.tidy_journal(number(ALL_BYTES)).await?;
        Ok(writer.commit().await?)
    }

    /// Gives all processes time to write what they have answered; returns whether there are others. A process that is
    /// overloaded, or cannot reach PostgreSQL, may miss it.
    async fn gather(&self) -> Result<bool, Error> {
        let has_others = self.store.read().await?.has_other_processes().await?;
        if has_others {
            sleep(SETTLES_IN).await;
        }
        self.share_journal().await?;
        Ok(has_others)
    }
}

/// Writes the entries in memory soon, and repeats until none are left.
async fn share_in_background(service: Service) {
    let mut pause = INTERVAL;
    loop {
        sleep(pause).await;
        pause = match service.share_journal().await {
            Ok(()) => {
                service.sharing.is_scheduled.store(false, Ordering::Release);
                // Entries that were added meanwhile started no task of their own.
                if service.journal.is_empty() || service.sharing.is_scheduled.swap(true, Ordering::AcqRel) {
                    return;
                }
                INTERVAL
            }
            Err(error) => {
                tracing::debug!("could not write the shared journal; will retry: {error}");
                PAUSE
            }
        };
    }
}

/// The entries within the limits, in their order. Older ones are not trimmed yet.
fn newest(mut entries: Vec<Arc<JournalEntry>>, limits: JournalLimits) -> Vec<Arc<JournalEntry>> {
    let mut amounts = Amounts::new();
    entries.reverse();
    entries.retain(|entry| {
        let (requests, bytes) = count(&mut amounts, entry);
        requests <= limits.requests && bytes <= limits.bytes
    });
    entries.reverse();
    entries
}

fn number(count: impl TryInto<i64>) -> i64 {
    count.try_into().unwrap_or(i64::MAX)
}

fn stored(entry: &JournalEntry) -> NewEntry {
    NewEntry {
        workspace: entry.workspace.map(|id| (id, entry.incarnation)),
        request_id: entry.request_id.clone(),
        place: number(entry.number),
        is_refused: entry.is_refused(),
        bytes: number(entry.size()),
        content: serde_json::to_string(entry).unwrap_or_default(),
    }
}

/// `None` for an entry of another version that this one cannot read.
fn read((number, content): StoredEntry) -> Option<Arc<JournalEntry>> {
    let entry: JournalEntry = serde_json::from_str(&content).ok()?;
    Some(Arc::new(JournalEntry { number: u64::try_from(number).ok()?, ..entry }))
}
