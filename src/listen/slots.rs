//! Connection slots: how many connections are open at a time, and which one is closed when all slots are in use. Only a
//! connection that has waited for its client for a while is closed; one with a running request keeps its slot. Start
//! with [`ConnectionSlots`].

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes};
use hyper::body::{Frame, SizeHint};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

/// How long a connection without a request is safe from eviction: its first request, or the next one of a client that
/// reuses the connection, may be on its way.
const IDLE_GRACE: Duration = Duration::from_millis(500);
/// How long a connection whose client stopped reading is safe from eviction.
const STALLED_GRACE: Duration = Duration::from_secs(5);
/// The pause between attempts to evict a connection.
const PAUSE: Duration = Duration::from_millis(20);

/// The slots of all connections, on all ports.
#[derive(Clone, Debug)]
pub(super) struct ConnectionSlots {
    free: Arc<Semaphore>,
    open: Arc<Mutex<OpenConnections>>,
}

#[derive(Debug, Default)]
struct OpenConnections {
    last_number: u64,
    /// By number, which is the order in which they came.
    activities: BTreeMap<u64, Arc<Activity>>,
}

/// The slot of one connection, freed when it is dropped.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) activity: Arc<Activity>,
    number: u64,
    open: Arc<Mutex<OpenConnections>>,
    _permit: OwnedSemaphorePermit,
}

impl Drop for Slot {
    fn drop(&mut self) {
        lock(&self.open).activities.remove(&self.number);
    }
}

/// What a connection is doing.
#[derive(Debug)]
pub(super) struct Activity {
    state: Mutex<State>,
    evicted: Notify,
}

#[derive(Debug)]
struct State {
    requests: u32,
    idle_since: Instant,
    /// Since when the client has read nothing of a waiting response.
    stalled_since: Option<Instant>,
    is_evicted: bool,
}

impl ConnectionSlots {
    pub(super) fn new(count: usize) -> Self {
        Self { free: Arc::new(Semaphore::new(count)), open: Arc::default() }
    }

    /// Waits for a free slot, and evicts a connection if there is none. Returns `None` only if the semaphore is closed,
    /// which nobody does.
    pub(super) async fn take(&self) -> Option<Slot> {
        if let Ok(permit) = self.free.clone().try_acquire_owned() {
            return Some(self.occupy(permit));
        }
        loop {
            self.evict_one();
            if let Ok(permit) = tokio::time::timeout(PAUSE, self.free.clone().acquire_owned()).await {
                return Some(self.occupy(permit.ok()?));
            }
        }
    }

    fn occupy(&self, permit: OwnedSemaphorePermit) -> Slot {
        let state = State { requests: 0, idle_since: Instant::now(), stalled_since: None, is_evicted: false };
        let activity = Arc::new(Activity { state: Mutex::new(state), evicted: Notify::new() });
        let mut open = lock(&self.open);
        open.last_number += 1;
        let number = open.last_number;
        open.activities.insert(number, activity.clone());
        Slot { activity, number, open: self.open.clone(), _permit: permit }
    }

    /// Evicts the newest connection that waits for its client: a crowd loses its own slots, not those of clients that came before it.
    fn evict_one(&self) {
        let now = Instant::now();
        let _ = lock(&self.open).activities.values().rev().any(|activity| activity.evict_if_waiting(now));
    }
}

impl Activity {
    /// Counts a request until the guard is dropped.
    pub(super) fn begin_request(self: &Arc<Self>) -> RequestGuard {
        lock(&self.state).requests += 1;
        RequestGuard(self.clone())
    }

    /// Call it when a write has to wait for the client.
    pub(super) fn begin_stall(&self) {
        lock(&self.state).stalled_since.get_or_insert_with(Instant::now);
    }

    /// Call it when the client reads again.
    pub(super) fn end_stall(&self) {
        lock(&self.state).stalled_since = None;
    }

    /// Completes when the connection has to be closed to free its slot.
    pub(super) async fn evicted(&self) {
        self.evicted.notified().await;
    }

    fn evict_if_waiting(&self, now: Instant) -> bool {
        let mut state = lock(&self.state);
        let is_waiting = match state.stalled_since {
            Some(since) => now.duration_since(since) >= STALLED_GRACE,
            None => state.requests == 0 && now.duration_since(state.idle_since) >= IDLE_GRACE,
        };
        if state.is_evicted || !is_waiting {
            return false;
        }
        state.is_evicted = true;
        self.evicted.notify_one();
        true
    }
}

/// A request that is being read, handled or answered.
#[derive(Debug)]
pub(super) struct RequestGuard(Arc<Activity>);

impl RequestGuard {
    /// Keeps counting the request until the whole body is sent.
    pub(super) fn until_sent(self, body: Body) -> Body {
        Body::new(GuardedBody { body, _request: self })
    }
}

impl Drop for RequestGuard {
    fn drop(&mut self) {
        let mut state = lock(&self.0.state);
        state.requests = state.requests.saturating_sub(1);
        state.idle_since = Instant::now();
    }
}

struct GuardedBody {
    body: Body,
    _request: RequestGuard,
}

impl hyper::body::Body for GuardedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_evicted_after(activity: &Activity, seconds: u64) -> bool {
        activity.evict_if_waiting(Instant::now() + Duration::from_secs(seconds))
    }

    #[tokio::test]
    async fn only_a_connection_that_waits_for_its_client_is_evicted() {
        let slots = ConnectionSlots::new(1);
        let slot = slots.take().await.unwrap();
        let activity = slot.activity.clone();
        assert!(!activity.evict_if_waiting(Instant::now()), "its request may be on its way");
        let request = activity.begin_request();
        assert!(!is_evicted_after(&activity, 60));
        let body = request.until_sent(Body::from("answer"));
        assert!(!is_evicted_after(&activity, 60), "the response is still being sent");
        assert_eq!(hyper::body::Body::size_hint(&body).exact(), Some(6));
        activity.begin_stall();
        assert!(!is_evicted_after(&activity, 2), "the client may read again");
        activity.end_stall();
        drop(body);
        assert!(!activity.evict_if_waiting(Instant::now()), "the next request may be on its way");
        assert!(is_evicted_after(&activity, 2));
        assert!(!is_evicted_after(&activity, 2), "once is enough");
        activity.evicted().await;
        drop(slot);
        let next = slots.take().await.unwrap();
        next.activity.begin_stall();
        let _request = next.activity.begin_request();
        assert!(is_evicted_after(&next.activity, 6), "the client stopped reading");
        assert_eq!(lock(&slots.open).activities.len(), 1);
    }

    #[tokio::test]
    async fn the_newest_connection_is_evicted_first() {
        let slots = ConnectionSlots::new(2);
        let (first, second) = (slots.take().await.unwrap(), slots.take().await.unwrap());
        let newcomer = tokio::spawn(async move { slots.take().await.is_some() });
        second.activity.evicted().await;
        drop(second);
        assert!(newcomer.await.unwrap() && !lock(&first.activity.state).is_evicted);
    }
}
