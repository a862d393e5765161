//! Lets a workspace be exchanged as a whole: requests that have begun end on the old state, and those
//! that come see the new one only. This holds within a process; over several, see
//! [`Store::write_in`](crate::store::Store::write_in).

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock};

use crate::domain::WorkspaceId;

/// The gates of this process's workspaces.
#[derive(Clone, Debug, Default)]
pub(super) struct Gates {
    gates: Arc<Mutex<HashMap<WorkspaceId, Arc<Gate>>>>,
    /// Counts all exchanges.
    exchanges: Arc<AtomicU64>,
}

#[derive(Debug, Default)]
struct Gate {
    /// Which exchange was the workspace's last.
    last_exchange: Arc<RwLock<u64>>,
    /// Counts the requests since then.
    requests: AtomicI64,
}

/// A request that is inside: as long as it is held, its workspace stays the same one.
#[derive(Debug)]
pub struct InFlightGuard {
    last_exchange: OwnedRwLockReadGuard<u64>,
    /// The number of the request since the workspace was last exchanged.
    pub number: i64,
}

/// An exchange: no request is inside, and none comes in.
#[derive(Debug)]
pub(super) struct Closed {
    gates: Gates,
    gate: Arc<Gate>,
    id: WorkspaceId,
    last_exchange: OwnedRwLockWriteGuard<u64>,
}

impl Gates {
    fn gate(&self, id: WorkspaceId) -> Arc<Gate> {
        let mut gates = self.gates.lock().unwrap_or_else(PoisonError::into_inner);
        gates.entry(id).or_default().clone()
    }

    /// The workspaces that requests have come to.
    pub(super) fn known(&self) -> Vec<WorkspaceId> {
        self.gates.lock().unwrap_or_else(PoisonError::into_inner).keys().copied().collect()
    }

    /// Forgets a workspace that another process has removed.
    pub(super) fn forget(&self, id: WorkspaceId) {
        self.gates.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
    }

    /// How many exchanges there have been so far.
    pub(super) fn exchanges(&self) -> u64 {
        self.exchanges.load(Ordering::Acquire)
    }

    /// Goes in. `None` when the workspace was exchanged after there had been `seen` exchanges: what was
    /// read of it before is no longer so.
    pub(super) async fn enter(&self, id: WorkspaceId, seen: u64) -> Option<InFlightGuard> {
        let gate = self.gate(id);
        let last_exchange = gate.last_exchange.clone().read_owned().await;
        let number = gate.requests.fetch_add(1, Ordering::Relaxed);
        Some(InFlightGuard { last_exchange, number }).filter(|inside| *inside.last_exchange <= seen)
    }

    /// Waits until everybody has left, and lets nobody in.
    pub(super) async fn close(&self, id: WorkspaceId) -> Closed {
        let gate = self.gate(id);
        let last_exchange = gate.last_exchange.clone().write_owned().await;
        Closed { gates: self.clone(), gate, id, last_exchange }
    }
}

impl Closed {
    /// The workspace is another one now.
    pub(super) fn exchanged(mut self) {
        *self.last_exchange = self.gates.exchanges.fetch_add(1, Ordering::AcqRel) + 1;
        self.gate.requests.store(0, Ordering::Relaxed);
    }

    /// The workspace is gone.
    pub(super) fn removed(self) {
        self.gates.forget(self.id);
        self.exchanged();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: WorkspaceId = WorkspaceId(1);

    #[tokio::test]
    async fn an_exchange_waits_for_those_inside_and_outdates_what_was_read_before() {
        let gates = Gates::default();
        let seen = gates.exchanges();
        let inside = gates.enter(ID, seen).await.unwrap();
        assert!(gates.gate(ID).last_exchange.try_write().is_err());
        let elsewhere = gates.close(WorkspaceId(2)).await;
        elsewhere.exchanged();
        drop(inside);
        gates.close(ID).await.exchanged();
        assert!(gates.enter(ID, seen).await.is_none());
        assert_eq!(gates.enter(ID, gates.exchanges()).await.unwrap().number, 1);
        gates.close(ID).await.removed();
        assert!(gates.enter(ID, seen).await.is_some(), "a new workspace of the id");
    }
}
