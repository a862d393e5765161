//! The values in a seed that have their own format: times, durations, shares, and texts that know their line.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_saphyr::Spanned;

use crate::domain::{Millis, durations};

/// A text that knows its line in the seed, for error messages.
#[derive(Clone, Debug, Default)]
pub struct Text {
    text: String,
    line: u64,
}

impl Text {
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The line in the seed, from 1; 0 if the text is not from a seed.
    pub const fn line(&self) -> u64 {
        self.line
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self { text, line: 0 }
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<String>::deserialize(deserializer)?;
        Ok(Self { text: spanned.value, line: spanned.referenced.line() })
    }
}

impl Serialize for Text {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.text.serialize(serializer)
    }
}

/// Implements reading and writing as text, and the JSON Schema.
macro_rules! scalar {
    ($type:ident, $description:literal, $example:literal) => {
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                Self::parse(&text).map_err(D::Error::custom)
            }
        }

        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                self.to_text().serialize(serializer)
            }
        }

        described!($type, $description, $example);
    };
}

macro_rules! described {
    ($type:ident, $description:literal, $example:literal) => {
        impl JsonSchema for $type {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                stringify!($type).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": ["string", "number"], "description": $description, "examples": [$example] })
            }
        }
    };
}

described!(Text, "A text; a number is read as text", "ann@example.com");

/// An instant, absolute or relative to the workspace's current time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    At(Millis),
    /// Milliseconds from now; in the past if negative.
    FromNow(i64),
    Never,
}

impl Moment {
    fn parse(text: &str) -> Result<Self, String> {
        if text == "never" {
            return Ok(Self::Never);
        }
        let relative = text.strip_prefix('-').map(|span| (span, -1)).or(text.strip_prefix('+').map(|span| (span, 1)));
        let relative = relative.and_then(|(text, sign)| Some(sign * durations::parse(text).ok()?)).map(Self::FromNow);
        let absolute = || Millis::parse(text).map(Self::At);
        let advice = || {
            format!(
                "invalid time '{text}': use RFC 3339, epoch milliseconds, a duration from now such as -90d or +1h, or never"
            )
        };
        relative.or_else(absolute).ok_or_else(advice)
    }

    fn to_text(self) -> String {
        match self {
            Self::At(at) => at.rfc3339(),
            Self::FromNow(ms) if ms < 0 => format!("-{}ms", ms.unsigned_abs()),
            Self::FromNow(ms) => format!("+{ms}ms"),
            Self::Never => "never".into(),
        }
    }
}

scalar!(Moment, "RFC 3339, epoch milliseconds, a duration from now such as -90d or +1h, or never", "-95d");

/// A duration in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span(pub i64);

impl Span {
    fn parse(text: &str) -> Result<Self, String> {
        durations::parse(text).map(Self)
    }

    fn to_text(self) -> String {
        format!("{}ms", self.0)
    }
}

scalar!(Span, "A duration such as 90d, 1h30m or PT2H", "90d");

/// A share from 0 to 1.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Share(f64);

impl Share {
    fn parse(text: &str) -> Result<Self, String> {
        let number = match text.strip_suffix('%') {
            Some(percent) => percent.trim().parse::<f64>().ok().map(|percent| percent / 100.0),
            None => text.parse().ok(),
        };
        let advice = || format!("invalid share '{text}': use a number from 0 to 1, or a percentage such as 30%");
        number.filter(|share| (0.0..=1.0).contains(share)).map(Self).ok_or_else(advice)
    }

    fn to_text(self) -> String {
        self.0.to_string()
    }

    /// This share of `count`, rounded.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "bounded")]
    pub fn of(self, count: usize) -> usize {
        (self.0 * count as f64).round() as usize
    }
}

scalar!(Share, "A share: a number from 0 to 1, or a percentage such as 30%", "30%");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scalars_are_read_and_written() {
        for (text, moment) in [
            ("never", Moment::Never),
            ("-90d", Moment::FromNow(-90 * 86_400_000)),
            ("+1h", Moment::FromNow(3_600_000)),
            ("2026-11-24T08:00:00Z", Moment::At(Millis(1_795_507_200_000))),
            ("1795507200000", Moment::At(Millis(1_795_507_200_000))),
        ] {
            assert_eq!(Moment::parse(text), Ok(moment), "{text}");
            assert_eq!(Moment::parse(&moment.to_text()), Ok(moment), "{text}");
        }
        assert_eq!(Share::parse("30%").unwrap().of(200), 60);
        assert_eq!(Share::parse("0.005").unwrap().of(100), 1);
        for bad in ["", "-", "+x", "90d", "yesterday"] {
            assert!(Moment::parse(bad).is_err(), "{bad}");
        }
        for bad in ["", "101%", "-1", "x", "NaN", "1.01"] {
            assert!(Share::parse(bad).is_err(), "{bad}");
        }
    }
}
