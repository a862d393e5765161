//! Who may be connected at a time, and who gives way when all places are taken: a connection that waits for its
//! client, and has done so for a while. One with a request under way keeps its place.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes};
use hyper::body::{Frame, SizeHint};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

/// How long a connection without a request is safe, whoever else comes: its first request, or the next one of a
/// client that reuses it, may be on its way.
const IDLE_GRACE: Duration = Duration::from_millis(500);
/// The same for one that takes nothing of its answer.
const STALLED_GRACE: Duration = Duration::from_secs(5);
/// The pause before the next look for somebody who gives way.
const PAUSE: Duration = Duration::from_millis(20);

/// The places of all connections together.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    free: Arc<Semaphore>,
    taken: Arc<Mutex<Taken>>,
}

#[derive(Debug, Default)]
struct Taken {
    /// How many have come so far.
    arrivals: u64,
    /// By arrival.
    occupants: BTreeMap<u64, Arc<Occupant>>,
}

/// A connection's place, given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) occupant: Arc<Occupant>,
    arrival: u64,
    taken: Arc<Mutex<Taken>>,
    _permit: OwnedSemaphorePermit,
}

impl Drop for Place {
    fn drop(&mut self) {
        lock(&self.taken).occupants.remove(&self.arrival);
    }
}

/// What a connection is doing.
#[derive(Debug)]
pub(crate) struct Occupant {
    activity: Mutex<Activity>,
    must_leave: Notify,
}

#[derive(Debug)]
struct Activity {
    requests: u32,
    /// Since when there is no request, and it was not asked to leave.
    idle_since: Instant,
    /// Since when it takes nothing of its answer.
    stalled_since: Option<Instant>,
    is_leaving: bool,
}

impl Places {
    pub(crate) fn new(most: usize) -> Self {
        Self { free: Arc::new(Semaphore::new(most)), taken: Arc::default() }
    }

    /// Waits for a place, and makes somebody give way; `None` never comes, as nobody closes them.
    pub(crate) async fn take(&self) -> Option<Place> {
        if let Ok(permit) = self.free.clone().try_acquire_owned() {
            return Some(self.occupy(permit));
        }
        loop {
            self.make_room();
            if let Ok(permit) = tokio::time::timeout(PAUSE, self.free.clone().acquire_owned()).await {
                return Some(self.occupy(permit.ok()?));
            }
        }
    }

    fn occupy(&self, permit: OwnedSemaphorePermit) -> Place {
        let activity = Activity { requests: 0, idle_since: Instant::now(), stalled_since: None, is_leaving: false };
        let occupant = Arc::new(Occupant { activity: Mutex::new(activity), must_leave: Notify::new() });
        let mut taken = lock(&self.taken);
        taken.arrivals += 1;
        let arrival = taken.arrivals;
        taken.occupants.insert(arrival, occupant.clone());
        Place { occupant, arrival, taken: self.taken.clone(), _permit: permit }
    }

    /// The last to come is the first to give way: a crowd loses its own places, not those of clients that were
    /// there before.
    fn make_room(&self) {
        let now = Instant::now();
        let _ = lock(&self.taken).occupants.values().rev().any(|occupant| occupant.gives_way(now));
    }
}

impl Occupant {
    /// A request has come; it is over when the guard is dropped.
    pub(crate) fn begin_request(self: &Arc<Self>) -> UnderWay {
        lock(&self.activity).requests += 1;
        UnderWay(self.clone())
    }

    /// Its client takes nothing of the answer, or takes some again.
    pub(crate) fn set_stalled(&self, is_stalled: bool) {
        let mut activity = lock(&self.activity);
        activity.stalled_since = is_stalled.then(|| activity.stalled_since.unwrap_or_else(Instant::now));
    }

    /// Completes when it has to make room.
    pub(crate) async fn must_leave(&self) {
        self.must_leave.notified().await;
    }

    /// Tells it to leave, where it may be told.
    fn gives_way(&self, now: Instant) -> bool {
        let mut activity = lock(&self.activity);
        let may_leave = match activity.stalled_since {
            Some(since) => now.duration_since(since) >= STALLED_GRACE,
            None => activity.requests == 0 && now.duration_since(activity.idle_since) >= IDLE_GRACE,
        };
        if activity.is_leaving || !may_leave {
            return false;
        }
        activity.is_leaving = true;
        self.must_leave.notify_one();
        true
    }
}

/// A request that is being read, worked on or answered.
#[derive(Debug)]
pub(crate) struct UnderWay(Arc<Occupant>);

impl UnderWay {
    /// Holds on until the whole body is sent.
    pub(crate) fn until_sent(self, body: Body) -> Body {
        Body::new(Sent { body, _request: self })
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let mut activity = lock(&self.0.activity);
        activity.requests = activity.requests.saturating_sub(1);
        activity.idle_since = Instant::now();
    }
}

struct Sent {
    body: Body,
    _request: UnderWay,
}

impl hyper::body::Body for Sent {
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

    fn gives_way_after(occupant: &Occupant, seconds: u64) -> bool {
        occupant.gives_way(Instant::now() + Duration::from_secs(seconds))
    }

    #[tokio::test]
    async fn only_who_waits_for_its_client_gives_way() {
        let places = Places::new(1);
        let place = places.take().await.unwrap();
        let occupant = place.occupant.clone();
        assert!(!occupant.gives_way(Instant::now()), "its request may be on its way");
        let request = occupant.begin_request();
        assert!(!gives_way_after(&occupant, 60));
        let body = request.until_sent(Body::from("answer"));
        assert!(!gives_way_after(&occupant, 60), "the answer is still being sent");
        assert_eq!(hyper::body::Body::size_hint(&body).exact(), Some(6));
        occupant.set_stalled(true);
        assert!(!gives_way_after(&occupant, 2), "it may go on");
        occupant.set_stalled(false);
        drop(body);
        assert!(!occupant.gives_way(Instant::now()), "the next request may be on its way");
        assert!(gives_way_after(&occupant, 2));
        assert!(!gives_way_after(&occupant, 2), "once is enough");
        occupant.must_leave().await;
        drop(place);
        let next = places.take().await.unwrap();
        next.occupant.set_stalled(true);
        let _request = next.occupant.begin_request();
        assert!(gives_way_after(&next.occupant, 6), "it takes nothing of its answer");
        assert_eq!(lock(&places.taken).occupants.len(), 1);
    }

    #[tokio::test]
    async fn the_last_to_come_is_the_first_to_give_way() {
        let places = Places::new(2);
        let (first, second) = (places.take().await.unwrap(), places.take().await.unwrap());
        let newcomer = tokio::spawn(async move { places.take().await.is_some() });
        second.occupant.must_leave().await;
        drop(second);
        assert!(newcomer.await.unwrap() && !lock(&first.occupant.activity).is_leaving);
    }
}
