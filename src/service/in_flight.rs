//! Lets a workspace be replaced as a whole: requests in flight finish on the old state, later ones see only the new
//! one. This holds within a process; across processes, see [`Store::write_in`](crate::store::Store::write_in).

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock};

use crate::domain::WorkspaceId;

/// This process's requests, by workspace.
#[derive(Clone, Debug, Default)]
pub(super) struct InFlight {
    workspaces: Arc<Mutex<HashMap<WorkspaceId, Arc<Requests>>>>,
    /// Counts the replacements of all workspaces.
    replacements: Arc<AtomicU64>,
}

/// The requests of one workspace. Each holds a read lock until it is answered.
#[derive(Debug, Default)]
struct Requests {
    /// The number of the workspace's last replacement.
    last_replacement: Arc<RwLock<u64>>,
    /// How many requests there have been since then.
    count: AtomicI64,
}

/// Keeps a workspace from being replaced until its request is answered.
#[derive(Debug)]
pub struct InFlightGuard {
    last_replacement: OwnedRwLockReadGuard<u64>,
    /// The number of the request since the workspace was last replaced.
    pub number: i64,
}

/// Holds back the requests of a workspace while it is replaced, deleted or saved.
#[derive(Debug)]
pub(super) struct Replacement {
    in_flight: InFlight,
    requests: Arc<Requests>,
    id: WorkspaceId,
    number: OwnedRwLockWriteGuard<u64>,
}

impl InFlight {
    fn lock(&self) -> MutexGuard<'_, HashMap<WorkspaceId, Arc<Requests>>> {
        self.workspaces.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn requests(&self, id: WorkspaceId) -> Arc<Requests> {
        self.lock().entry(id).or_default().clone()
    }

    /// The workspaces that have received requests.
    pub(super) fn workspaces(&self) -> Vec<WorkspaceId> {
        self.lock().keys().copied().collect()
    }

    /// Drops the state of a workspace that another process has deleted.
    pub(super) fn forget(&self, id: WorkspaceId) {
        self.lock().remove(&id);
    }

    /// How many replacements there have been so far, of any workspace.
    pub(super) fn replacements(&self) -> u64 {
        self.replacements.load(Ordering::Acquire)
    }

    /// Registers a request. `None` when the workspace was replaced after [`replacements`](Self::replacements) returned
    /// `seen`: whatever was read of it may be outdated.
    pub(super) async fn enter(&self, id: WorkspaceId, seen: u64) -> Option<InFlightGuard> {
        let requests = self.requests(id);
        let last_replacement = requests.last_replacement.clone().read_owned().await;
        let number = requests.count.fetch_add(1, Ordering::Relaxed);
        Some(InFlightGuard { last_replacement, number }).filter(|guard| *guard.last_replacement <= seen)
    }

    /// Waits for the requests in flight to finish, and holds new ones back.
    pub(super) async fn begin_replacement(&self, id: WorkspaceId) -> Replacement {
        let requests = self.requests(id);
        let number = requests.last_replacement.clone().write_owned().await;
        Replacement { in_flight: self.clone(), requests, id, number }
    }
}

impl Replacement {
    /// Makes requests that read the old state start over. Without this call, the workspace counts as unchanged.
    pub(super) fn finish(mut self) {
        *self.number = self.in_flight.replacements.fetch_add(1, Ordering::AcqRel) + 1;
        self.requests.count.store(0, Ordering::Relaxed);
    }

    /// The same when the workspace was deleted.
    pub(super) fn finish_deletion(self) {
        self.in_flight.forget(self.id);
        self.finish();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: WorkspaceId = WorkspaceId(1);

    #[tokio::test]
    async fn a_replacement_waits_for_requests_and_outdates_what_was_read_before() {
        let in_flight = InFlight::default();
        let seen = in_flight.replacements();
        let guard = in_flight.enter(ID, seen).await.unwrap();
        assert!(in_flight.requests(ID).last_replacement.try_write().is_err());
        in_flight.begin_replacement(WorkspaceId(2)).await.finish();
        drop(guard);
        in_flight.begin_replacement(ID).await.finish();
        assert!(in_flight.enter(ID, seen).await.is_none());
        assert_eq!(in_flight.enter(ID, in_flight.replacements()).await.unwrap().number, 1);
        in_flight.begin_replacement(ID).await.finish_deletion();
        assert!(in_flight.enter(ID, seen).await.is_some(), "a new workspace reuses the id");
    }
}
