//! Time as pure functions: the system's time, which never goes back here, and each workspace's own clock.
//! Nothing here reads a clock: `crate::clock` does, and passes the time in. Start with [`WorkspaceClock`].

use super::Millis;

/// The system's time as this server shows it: it never goes back. If the operating system's clock is set back, or
/// another process has shown a later time, this time is ahead. It then runs at half speed until the system's clock has
/// caught up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ForwardTime {
    /// What the operating system's clock showed last.
    system: Millis,
    /// How far ahead of it this time is, in half milliseconds.
    halves_ahead: i64,
}

impl ForwardTime {
    /// The time when the operating system's clock shows `system`.
    pub const fn read(&mut self, system: Millis) -> Millis {
        let passed = system.since(self.system);
        let halves = match passed {
            // The clock was set back: this time resumes from its last value.
            ..0 => self.halves_ahead.saturating_sub(passed.saturating_mul(2)),
            0.. => self.halves_ahead.saturating_sub(passed),
        };
        self.halves_ahead = if halves < 0 { 0 } else { halves };
        self.system = system;
        self.shown()
    }

    pub const fn shown(self) -> Millis {
        self.system.plus((self.halves_ahead / 2).saturating_add(self.halves_ahead % 2))
    }

    /// Makes the time at least `floor`.
    pub const fn raise(&mut self, floor: Millis) {
        let behind = floor.since(self.shown());
        if behind > 0 {
            self.halves_ahead = self.halves_ahead.saturating_add(behind.saturating_mul(2));
        }
    }
}

/// How a workspace's clock follows the system's time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClockMode {
    Real,
    /// Ahead of the system's time by this number of milliseconds.
    Offset(i64),
    /// Stopped at this time.
    Frozen(Millis),
}

impl ClockMode {
    const fn at(self, system: Millis) -> Millis {
        match self {
            Self::Real => system,
            Self::Offset(ms) => system.plus(ms),
            Self::Frozen(at) => at,
        }
    }
}

/// A workspace's clock. It never shows an earlier time than any process on the database has shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WorkspaceClock {
    mode: ClockMode,
    /// The latest system time that any process is known to have shown.
    floor: Millis,
}

impl WorkspaceClock {
    pub const REAL: Self = Self::new(ClockMode::Real);

    pub const fn new(mode: ClockMode) -> Self {
        Self { mode, floor: Millis(i64::MIN) }
    }

    /// A clock that runs with the system's time, `ms` milliseconds ahead of it.
    pub const fn offset(ms: i64) -> Self {
        Self::new(ClockMode::Offset(ms))
    }

    pub const fn frozen(at: Millis) -> Self {
        Self::new(ClockMode::Frozen(at))
    }

    /// The same clock, taking the system's time to be at least `floor`.
    pub const fn not_before(self, floor: Millis) -> Self {
        let floor = if floor.0 > self.floor.0 { floor } else { self.floor };
        Self { floor, ..self }
    }

    pub const fn in_mode(self, mode: ClockMode) -> Self {
        Self { mode, ..self }
    }

    pub const fn mode(self) -> ClockMode {
        self.mode
    }

    /// The system's time as this clock takes it: at least the floor.
    pub const fn system(self, system: Millis) -> Millis {
        if system.0 < self.floor.0 { self.floor } else { system }
    }

    /// The workspace's time when the system's time is `system`.
    pub const fn at(self, system: Millis) -> Millis {
        self.mode.at(self.system(system))
    }

    /// This clock set forward by `by` milliseconds. A negative number counts as 0: time never goes back.
    pub const fn advanced(self, by: i64) -> Self {
        let by = if by < 0 { 0 } else { by };
        self.in_mode(match self.mode {
            ClockMode::Real => ClockMode::Offset(by),
            ClockMode::Offset(ms) => ClockMode::Offset(ms.saturating_add(by)),
            ClockMode::Frozen(at) => ClockMode::Frozen(at.plus(by)),
        })
    }

    /// The mode as stored: a name and a value.
    pub const fn to_parts(self) -> (&'static str, i64) {
        match self.mode {
            ClockMode::Real => ("real", 0),
            ClockMode::Offset(ms) => ("offset", ms),
            ClockMode::Frozen(at) => ("frozen", at.0),
        }
    }

    /// The inverse of [`to_parts`](Self::to_parts); `None` for an unknown mode.
    pub fn from_parts(mode: &str, value: i64) -> Option<Self> {
        let mode = match mode {
            "real" => ClockMode::Real,
            "offset" => ClockMode::Offset(value),
            "frozen" => ClockMode::Frozen(Millis(value)),
            _ => return None,
        };
        Some(Self::new(mode))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn clocks() -> impl Strategy<Value = WorkspaceClock> {
        let range = -4_000_000_000_000_i64..4_000_000_000_000;
        prop_oneof![
            Just(WorkspaceClock::REAL),
            range.clone().prop_map(WorkspaceClock::offset),
            range.prop_map(|at| WorkspaceClock::frozen(Millis(at))),
        ]
    }

    proptest! {
        #[test]
        fn advancing_moves_the_time_by_exactly_the_given_span(clock in clocks(), system in 0..4_000_000_000_000_i64, by in 0..1_000_000_000_000_i64) {
            let system = Millis(system);
            prop_assert_eq!(clock.advanced(by).at(system), clock.at(system).plus(by));
            prop_assert_eq!(clock.advanced(-by).at(system), clock.at(system));
        }

        #[test]
        fn parts_round_trip(clock in clocks()) {
            let (mode, value) = clock.to_parts();
            prop_assert_eq!(WorkspaceClock::from_parts(mode, value), Some(clock));
        }

        /// Several processes on one database. Each has its own operating system's clock, which jumps, and now and then
        /// stores and reads the latest time.
        #[test]
        fn no_workspace_clock_ever_goes_back(
            clock in clocks(),
            readings in prop::collection::vec((0..3_usize, 0..4_000_000_000_000_i64, any::<bool>()), 1..60),
        ) {
            let mut processes = [ForwardTime::default(); 3];
            let (mut kept, mut latest) = (Millis(0), [Millis(i64::MIN); 3]);
            let mut latest_kept = Millis(i64::MIN);
            for (process, system, keeps) in readings {
                let time = &mut processes[process];
                let shown = clock.not_before(kept).at(time.read(Millis(system)));
                prop_assert!(shown >= latest[process] && shown >= latest_kept);
                latest[process] = shown;
                if keeps {
                    kept = kept.max(time.shown());
                    time.raise(kept);
                    latest_kept = latest_kept.max(shown);
                }
            }
        }

        #[test]
        fn a_time_that_is_ahead_runs_at_half_speed_until_the_system_has_caught_up(
            system in 0..4_000_000_000_000_i64,
            ahead in 1..1_000_000_i64,
            passed in 0..3_000_000_i64,
        ) {
            let mut time = ForwardTime::default();
            time.read(Millis(system + ahead));
            prop_assert_eq!(time.read(Millis(system)), Millis(system + ahead), "set back");
            let expected = (ahead + (passed + 1) / 2 - (passed % 2)).max(passed);
            let shown = time.read(Millis(system + passed)).0 - system;
            prop_assert!((shown - expected).abs() <= 1 && shown >= passed, "{shown} {expected}");
        }

        #[test]
        fn the_time_is_the_systems_while_that_goes_forward(times in prop::collection::vec(0..4_000_000_000_000_i64, 1..20)) {
            let mut times = times;
            times.sort_unstable();
            let mut time = ForwardTime::default();
            for system in times {
                prop_assert_eq!(time.read(Millis(system)), Millis(system));
            }
        }
    }
}
