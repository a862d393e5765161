//! Ids and instants, each as a type of its own, so that one cannot be passed for another.

use std::fmt;

use chrono::Datelike;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

pub const DAY_MS: i64 = 86_400_000;

/// The largest id that a JavaScript client reads exactly (2^53 − 1). Workspace and principal ids do not exceed it.
/// See docs/reference/identity-and-oauth.md#numeric-ids.
pub const MAX_NUMERIC_ID: i64 = 9_007_199_254_740_991;

/// An instant: milliseconds since the Unix epoch, on some workspace's clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Millis(pub i64);

impl Millis {
    /// This instant moved by `ms` milliseconds, saturating.
    pub const fn plus(self, ms: i64) -> Self {
        Self(self.0.saturating_add(ms))
    }

    /// Milliseconds from `earlier` to this instant; negative when it is later.
    pub const fn since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }

    /// Reads RFC 3339, or epoch milliseconds.
    pub fn parse(text: &str) -> Option<Self> {
        let rfc = chrono::DateTime::parse_from_rfc3339(text).ok().map(|at| Self(at.timestamp_millis()));
        rfc.or_else(|| text.parse().ok().map(Self))
    }

    /// RFC 3339 in UTC with milliseconds; the number itself if the year does not have four digits.
    pub fn rfc3339(self) -> String {
        chrono::DateTime::from_timestamp_millis(self.0)
            .filter(|at| (0..=9999).contains(&at.year()))
            .map_or_else(|| self.0.to_string(), |at| at.to_rfc3339_opts(chrono::SecondsFormat::Millis, true))
    }

    /// Midnight UTC of this instant's day: the precision of `last_used_day`.
    /// See docs/reference/tokens.md#token-fields.
    pub const fn start_of_utc_day(self) -> Self {
        Self(self.0.saturating_sub(self.0.rem_euclid(DAY_MS)))
    }
}

macro_rules! numeric_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub struct $name(pub i64);

        impl $name {
            /// Reads a decimal id of up to 16 digits.
            pub fn parse(text: &str) -> Option<Self> {
                let digits = !text.is_empty() && text.len() <= 16 && text.bytes().all(|b| b.is_ascii_digit());
                digits.then(|| text.parse().ok().map(Self)).flatten()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

numeric_id! {
    /// A workspace's decimal id.
    WorkspaceId
}
numeric_id! {
    /// A user's, service principal's or group's decimal id. The three kinds share one number space.
    PrincipalId
}

impl PrincipalId {
    /// An id of 16 decimal digits that JavaScript reads exactly (10^15 up to 9·10^15).
    pub fn from_random(random: u64) -> Self {
        let offset = random % 8_000_000_000_000_000;
        Self(1_000_000_000_000_000 + i64::try_from(offset).unwrap_or_default())
    }
}

impl WorkspaceId {
    /// Whether a workspace can have this id: above 0, and JavaScript reads it exactly.
    pub fn is_usable(self) -> bool {
        (1..=MAX_NUMERIC_ID).contains(&self.0)
    }
}

/// An account's UUID.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AccountId(pub Uuid);

impl AccountId {
    /// Reads a UUID in the hyphenated form.
    pub fn parse(text: &str) -> Option<Self> {
        (text.len() == 36).then(|| Uuid::parse_str(text).ok().map(Self)).flatten()
    }
}

impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A token's public id: the lowercase hex SHA-256 of its value. See docs/reference/tokens.md#token-format.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TokenId(String);

impl TokenId {
    pub(in crate::domain) fn of_value(value: &str) -> Self {
        Self(hex::encode(Sha256::digest(value.as_bytes())))
    }

    /// Reads an id: 64 lowercase hex digits.
    pub fn parse(text: &str) -> Option<Self> {
        is_sha256(text).then(|| Self(text.to_owned()))
    }

    /// An id as a client or the store gives it, unchecked: the store knows whether a token has it.
    pub fn from_text(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Whether a text is a SHA-256 in lowercase hex.
pub(in crate::domain) fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

impl fmt::Display for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_plain_decimals() {
        assert_eq!(WorkspaceId::parse("3274327432743274"), Some(WorkspaceId(3_274_327_432_743_274)));
        for bad in ["", "+1", "-1", " 1", "1 ", "1.0", "0x1", "12345678901234567", "١"] {
            assert_eq!(WorkspaceId::parse(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn an_instant_round_trips_even_outside_the_calendar() {
        for ms in [0, -1, 253_402_300_799_999, 253_402_300_800_000, -62_167_219_200_001, i64::MAX, i64::MIN] {
            assert_eq!(Millis::parse(&Millis(ms).rfc3339()), Some(Millis(ms)), "{}", Millis(ms).rfc3339());
        }
        assert_eq!(Millis(253_402_300_799_999).rfc3339(), "9999-12-31T23:59:59.999Z");
        assert_eq!(Millis(253_402_300_800_000).rfc3339(), "253402300800000");
    }

    #[test]
    fn the_utc_day_starts_at_midnight_even_before_the_epoch() {
        assert_eq!(Millis(DAY_MS + 5).start_of_utc_day(), Millis(DAY_MS));
        assert_eq!(Millis(DAY_MS).start_of_utc_day(), Millis(DAY_MS));
        assert_eq!(Millis(-1).start_of_utc_day(), Millis(-DAY_MS));
    }
}
