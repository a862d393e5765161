//! Where the system's time comes from. The only file that may read it (a lint forbids the others);
//! a workspace's own time is [`WorkspaceClock::at`](crate::domain::clock::WorkspaceClock::at) of it.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::domain::Millis;
use crate::domain::clock::ForwardTime;

/// A source of the system's time.
pub trait Clock: Send + Sync + std::fmt::Debug {
    /// Milliseconds since the Unix epoch.
    fn now(&self) -> Millis;
}

/// The operating system's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the time")]
    fn now(&self) -> Millis {
        let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Millis(i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX))
    }
}

/// A clock that never goes back, whatever the one that it follows does.
#[derive(Debug)]
pub struct ForwardClock {
    system: Arc<dyn Clock>,
    time: Mutex<ForwardTime>,
}

impl ForwardClock {
    /// A clock that follows another one.
    pub fn over(system: Arc<dyn Clock>) -> Self {
        Self { system, time: Mutex::default() }
    }

    /// Milliseconds since the Unix epoch.
    pub fn now(&self) -> Millis {
        // The system's clock is read under the lock: of two threads, the one that read it first may come second.
        let mut time = self.time();
        time.read(self.system.now())
    }

    /// The latest time that it showed.
    pub fn shown(&self) -> Millis {
        self.time().shown()
    }

    /// Lets it show nothing before `floor` from now on.
    pub fn raise(&self, floor: Millis) {
        let mut time = self.time();
        // Else what the system's clock shows meanwhile would be added to it.
        time.read(self.system.now());
        time.raise(floor);
    }

    fn time(&self) -> MutexGuard<'_, ForwardTime> {
        self.time.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A clock that stands still until it is moved: for tests.
#[derive(Debug)]
pub struct ManualClock(AtomicI64);

impl ManualClock {
    /// A clock that shows `at`.
    pub fn new(at: Millis) -> Self {
        Self(AtomicI64::new(at.0))
    }

    /// Moves it by `ms` milliseconds.
    pub fn advance(&self, ms: i64) {
        self.0.fetch_add(ms, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Millis {
        Millis(self.0.load(Ordering::SeqCst))
    }
}
