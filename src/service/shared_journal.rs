//! The journal over several processes on one PostgreSQL. Each keeps what comes to it in its memory, and writes it into
//! a table that all read: in the background and in batches, so that no request waits for it. Elsewhere the memory is
//! all there is.

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

/// How long an exchange waits for others to be written with it.
const INTERVAL: Duration = Duration::from_millis(100);
/// The pause after a failure. Until then the exchanges stay where they are, within the journal's limits.
const PAUSE: Duration = Duration::from_secs(1);
/// How long a reader waits for what other processes have answered before, and write now.
const SETTLES_IN: Duration = Duration::from_millis(200);
/// How often an exchange that is not there is looked for again, as another process may be slow.
const LOOKS_AGAIN: usize = 5;
/// A workspace is trimmed after so much of its limits was written: to look through all of it costs more than to write.
const PART_UNTRIMMED: usize = 8;

/// How far this process is with writing.
#[derive(Clone, Debug, Default)]
pub(super) struct Sharing {
    /// Whether a task is there that will.
    is_due: Arc<AtomicBool>,
    /// What was written since its workspace was last trimmed. Held while exchanges are written.
    untrimmed: Arc<Mutex<Amounts>>,
}

impl Sharing {
    /// The workspaces of which anything was written.
    pub(super) async fn known(&self) -> Vec<WorkspaceId> {
        self.untrimmed.lock().await.keys().copied().flatten().collect()
    }

    /// Forgets workspaces that are gone.
    pub(super) async fn forget(&self, gone: &HashSet<WorkspaceId>) {
        self.untrimmed.lock().await.retain(|id, _| id.is_none_or(|id| !gone.contains(&id)));
    }
}

/// How many exchanges there are of a workspace, or of none, and how many bytes.
type Amounts = HashMap<Option<WorkspaceId>, (usize, usize)>;

/// Counts an exchange; answers how much there is of its workspace now.
fn count(amounts: &mut Amounts, exchange: &JournalEntry) -> (usize, usize) {
    let amount = amounts.entry(exchange.workspace).or_default();
    *amount = (amount.0 + 1, amount.1 + exchange.size());
    *amount
}

impl Service {
    /// Keeps an exchange, so that it can be found and explained.
    pub fn record_entry(&self, exchange: JournalEntry) {
        self.journal.keep(exchange);
        if self.may_have_replicas() && self.journal.is_on() && !self.sharing.is_due.swap(true, Ordering::AcqRel) {
            tokio::spawn(share_in_time(self.clone()));
        }
    }

    /// The exchanges of a workspace in the order of their answers, those with a number above `since`.
    ///
    /// # Errors
    /// [`Error::Store`], where processes share the journal.
    pub async fn journal_entries(&self, workspace: &Workspace, since: u64) -> Result<Vec<Arc<JournalEntry>>, Error> {
        if !self.may_have_replicas() {
            return Ok(self.journal.of_workspace(workspace, since));
        }
        self.gather().await?;
        let after = i64::try_from(since).unwrap_or(i64::MAX);
        let found = self.store.read().await?.list_journal_entries(workspace, after).await?;
        Ok(newest(found.into_iter().filter_map(read).collect(), self.journal.limits()))
    }

    /// The exchange of that request id, among those of a workspace or of any.
    ///
    /// # Errors
    /// [`Error::Store`], where processes share the journal, unless this one's memory has it and any workspace will do.
    pub async fn find_journal_entry(
        &self,
        request_id: &str,
        of: Option<&Workspace>,
    ) -> Result<Option<Arc<JournalEntry>>, Error> {
        let own = self.journal.find(request_id, of);
        // Within a workspace it is told with its number, which the table gives.
        if !self.may_have_replicas() || (own.is_some() && of.is_none()) {
            return Ok(own);
        }
        self.share_journal().await?;
        let mut found = self.store.read().await?.find_journal_entry(request_id, of).await?;
        for _ in 0..LOOKS_AGAIN {
            if found.is_some() || !self.gather().await? {
                break;
            }
            found = self.store.read().await?.find_journal_entry(request_id, of).await?;
        }
        Ok(found.and_then(read))
    }

    /// The newest refusal or fault, or the newest exchange where none was refused, in any workspace.
    ///
    /// # Errors
    /// [`Error::Store`], where processes share the journal and this one's memory has nothing.
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

    /// Takes exchanges of a workspace out, by number.
    ///
    /// # Errors
    /// [`Error::Store`], where processes share the journal.
    pub async fn delete_journal_entries(&self, workspace: &Workspace, numbers: &HashSet<u64>) -> Result<(), Error> {
        if !self.may_have_replicas() {
            self.journal.take_out(workspace, numbers);
            return Ok(());
        }
        let numbers: Vec<i64> = numbers.iter().filter_map(|number| i64::try_from(*number).ok()).collect();
        let mut writer = self.store.write(Lock::Workspace(workspace.id)).await?;
        writer.delete_journal_entries(workspace, &numbers).await?;
        Ok(writer.commit().await?)
    }

    /// Empties the journal of a workspace: requests that came before, and have their answer later, are not kept.
    ///
    /// # Errors
    /// [`Error::Store`], where processes share the journal.
    pub async fn clear_journal(&self, workspace: &Workspace) -> Result<(), Error> {
        if !self.may_have_replicas() {
            self.journal.begin_anew(workspace);
            return Ok(());
        }
        self.gather().await?;
        self.journal.begin_anew(workspace);
        let mut writer = self.store.write(Lock::Workspace(workspace.id)).await?;
        writer.clear_journal(workspace).await?;
        Ok(writer.commit().await?)
    }

    /// Writes what this process keeps in its memory to where all processes find it; there it is trimmed to the journal's
    /// limits now and then.
    ///
    /// # Errors
    /// [`StoreError`]; then it stays in the memory, to be written later.
    pub async fn share_journal(&self) -> Result<(), StoreError> {
        if !self.may_have_replicas() {
            return Ok(());
        }
        let mut untrimmed = self.sharing.untrimmed.lock().await;
        let unwritten = self.journal.all();
        let Some(last) = unwritten.last() else { return Ok(()) };
        let rows: Vec<NewEntry> = unwritten.iter().map(|exchange| stored(exchange)).collect();
        for exchange in &unwritten {
            count(&mut untrimmed, exchange);
        }
        let limits = self.journal.limits();
        let is_due = |(requests, bytes): &(usize, usize)| {
            requests * PART_UNTRIMMED >= limits.requests || bytes * PART_UNTRIMMED >= limits.bytes
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

    /// Deletes what processes share of workspaces that are gone, and the oldest beyond the limit of all workspaces
    /// together.
    ///
    /// # Errors
    /// [`Error::Store`]
    pub async fn tidy_journal(&self) -> Result<(), Error> {
        if !self.may_have_replicas() {
            return Ok(());
        }
        let mut writer = self.store.write(Lock::Journal).await?;
        writer.tidy_journal(number(ALL_BYTES)).await?;
        Ok(writer.commit().await?)
    }

    /// Lets all processes write what they answered before now; answers whether there are others. One that is overloaded,
    /// or does not reach PostgreSQL, may be later.
    async fn gather(&self) -> Result<bool, Error> {
        let has_others = self.store.read().await?.has_other_processes().await?;
        if has_others {
            sleep(SETTLES_IN).await;
        }
        self.share_journal().await?;
        Ok(has_others)
    }
}

/// Writes what is kept, soon, and again until nothing is left.
async fn share_in_time(service: Service) {
    let mut pause = INTERVAL;
    loop {
        sleep(pause).await;
        pause = match service.share_journal().await {
            Ok(()) => {
                service.sharing.is_due.store(false, Ordering::Release);
                // What came in between saw that a task is there.
                if service.journal.is_empty() || service.sharing.is_due.swap(true, Ordering::AcqRel) {
                    return;
                }
                INTERVAL
            }
            Err(error) => {
                tracing::debug!("the journal is not shared yet, and will be tried again: {error}");
                PAUSE
            }
        };
    }
}

/// Those that are within the limits, in their order: what is older waits to be trimmed.
fn newest(mut exchanges: Vec<Arc<JournalEntry>>, limits: JournalLimits) -> Vec<Arc<JournalEntry>> {
    let mut amounts = Amounts::new();
    exchanges.reverse();
    exchanges.retain(|exchange| {
        let (requests, bytes) = count(&mut amounts, exchange);
        requests <= limits.requests && bytes <= limits.bytes
    });
    exchanges.reverse();
    exchanges
}

fn number(count: impl TryInto<i64>) -> i64 {
    count.try_into().unwrap_or(i64::MAX)
}

fn stored(exchange: &JournalEntry) -> NewEntry {
    NewEntry {
        workspace: exchange.workspace.map(|id| (id, exchange.incarnation)),
        request_id: exchange.request_id.clone(),
        place: number(exchange.number),
        is_refused: exchange.is_refused(),
        bytes: number(exchange.size()),
        content: serde_json::to_string(exchange).unwrap_or_default(),
    }
}

/// An exchange as it is kept; `None` where another version wrote what this one cannot read.
fn read((number, content): StoredEntry) -> Option<Arc<JournalEntry>> {
    let exchange: JournalEntry = serde_json::from_str(&content).ok()?;
    Some(Arc::new(JournalEntry { number: u64::try_from(number).ok()?, ..exchange }))
}
