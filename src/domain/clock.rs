//! A workspace's time as a pure function of the system's.

use super::Millis;

/// How a workspace's time follows the system's (spec §7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WorkspaceClock {
    /// The system's time.
    Real,
    /// The system's time plus so many milliseconds.
    Offset(i64),
    /// Stands still.
    Frozen(Millis),
}

impl WorkspaceClock {
    /// The workspace's time when the system's is `system`.
    pub const fn at(self, system: Millis) -> Millis {
        match self {
            Self::Real => system,
            Self::Offset(ms) => system.plus(ms),
            Self::Frozen(at) => at,
        }
    }

    /// This clock set forward by `by` milliseconds (negative counts as 0: time only goes forward).
    pub const fn advanced(self, by: i64) -> Self {
        let by = if by < 0 { 0 } else { by };
        match self {
            Self::Real => Self::Offset(by),
            Self::Offset(ms) => Self::Offset(ms.saturating_add(by)),
            Self::Frozen(at) => Self::Frozen(at.plus(by)),
        }
    }

    /// Name and value as stored.
    pub const fn to_parts(self) -> (&'static str, i64) {
        match self {
            Self::Real => ("real", 0),
            Self::Offset(ms) => ("offset", ms),
            Self::Frozen(at) => ("frozen", at.0),
        }
    }

    /// Reads what [`to_parts`](Self::to_parts) gave; `None` for an unknown mode.
    pub fn from_parts(mode: &str, value: i64) -> Option<Self> {
        match mode {
            "real" => Some(Self::Real),
            "offset" => Some(Self::Offset(value)),
            "frozen" => Some(Self::Frozen(Millis(value))),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn clocks() -> impl Strategy<Value = WorkspaceClock> {
        let range = -4_000_000_000_000_i64..4_000_000_000_000;
        prop_oneof![
            Just(WorkspaceClock::Real),
            range.clone().prop_map(WorkspaceClock::Offset),
            range.prop_map(|at| WorkspaceClock::Frozen(Millis(at))),
        ]
    }

    proptest! {
        #[test]
        fn advancing_moves_the_time_by_exactly_that(clock in clocks(), system in 0..4_000_000_000_000_i64, by in 0..1_000_000_000_000_i64) {
            let system = Millis(system);
            prop_assert_eq!(clock.advanced(by).at(system), clock.at(system).plus(by));
            prop_assert_eq!(clock.advanced(-by).at(system), clock.at(system));
        }

        #[test]
        fn parts_round_trip(clock in clocks()) {
            let (mode, value) = clock.to_parts();
            prop_assert_eq!(WorkspaceClock::from_parts(mode, value), Some(clock));
        }
    }
}
