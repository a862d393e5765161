//! The only reader of the system's time; a lint forbids others. [`WorkspaceClock`](crate::domain::clock::WorkspaceClock)
//! derives the time of a workspace from it.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::domain::Millis;
use crate::domain::clock::ForwardTime;

pub trait Clock: Send + Sync + std::fmt::Debug {
    fn now(&self) -> Millis;
}

#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the time")]
    fn now(&self) -> Millis {
        let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Millis(i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX))
    }
}

/// A clock that never goes back, even if the system's does.
#[derive(Debug)]
pub struct ForwardClock {
    system: Arc<dyn Clock>,
    time: Mutex<ForwardTime>,
}

impl ForwardClock {
    pub fn over(system: Arc<dyn Clock>) -> Self {
        Self { system, time: Mutex::default() }
    }

    pub fn now(&self) -> Millis {
        // Read the system's clock under the lock; otherwise two threads could pass their readings on in the wrong order.
        let mut time = self.time();
        time.read(self.system.now())
    }

    /// The latest time that this clock showed.
    pub fn shown(&self) -> Millis {
        self.time().shown()
    }

    /// From now on, shows no time before `floor`.
    pub fn raise(&self, floor: Millis) {
        let mut time = self.time();
        // Otherwise the time that has passed since the last reading would be added to the floor.
        time.read(self.system.now());
        time.raise(floor);
    }

    fn time(&self) -> MutexGuard<'_, ForwardTime> {
        self.time.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A clock for tests that only moves when told to.
#[derive(Debug)]
pub struct ManualClock(AtomicI64);

impl ManualClock {
    pub fn new(at: Millis) -> Self {
        Self(AtomicI64::new(at.0))
    }

    pub fn advance(&self, ms: i64) {
        self.0.fetch_add(ms, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Millis {
        Millis(self.0.load(Ordering::SeqCst))
    }
}
