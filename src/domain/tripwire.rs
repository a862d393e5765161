//! The tripwire: recognises suspected real credentials, which somebody sent to the mock by mistake. Values that a mock
//! creates carry a mark, so that no mock suspects them: not after a reset, with a new database, or in another process.
//! Start with [`looks_real`]. See docs/journal.md#real-credentials-the-tripwire.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use strum::IntoStaticStr;

/// Examples usually have fewer distinct digits; of random values with 32 digits, only one in twenty million does.
const MIN_DISTINCT_DIGITS: usize = 8;
/// Examples often have this many consecutive digits in counting order; one random value in ten million does.
const COUNTED_DIGITS: usize = 7;
/// The length of the shortest JWT signature, HS256, in base64.
const SIGNATURE_LENGTH: usize = 43;
/// The names that RFC 2606 and RFC 6761 reserve for examples and tests.
const EXAMPLE_DOMAINS: [&str; 7] =
    ["example.com", "example.org", "example.net", ".example", ".test", ".invalid", ".localhost"];

/// What happens if a suspected real credential arrives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reaction {
    Off,
    /// It is counted, and the log warns.
    #[default]
    Warn,
    /// It is also reported by the process's exit code.
    Fail,
}

/// What a suspected real credential looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum SuspectKind {
    /// `dapi…` or `dkea…`
    PersonalAccessToken,
    /// `dose…`
    ClientSecret,
    /// A signed JWT from an issuer on the internet.
    AccessToken,
}

impl SuspectKind {
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// Marks random bytes as created by a mock: the last two are derived from the others. 112 random bits remain. One real
/// value in 65,536 has the mark by chance.
pub fn marked(mut bytes: [u8; 16]) -> [u8; 16] {
    let mark = mark_of(&bytes);
    for (byte, mark) in bytes.iter_mut().skip(14).zip(mark) {
        *byte = mark;
    }
    bytes
}

fn mark_of(bytes: &[u8; 16]) -> [u8; 2] {
    let mut hash = Sha256::new_with_prefix("dapi-mock");
    hash.update(bytes.first_chunk::<14>().unwrap_or(&[0; 14]));
    hash.finalize().first_chunk::<2>().copied().unwrap_or_default()
}

fn is_marked(digits: &str) -> bool {
    let mut bytes = [0; 16];
    hex::decode_to_slice(digits, &mut bytes).is_ok() && marked(bytes) == bytes
}

/// Whether a text looks like a real credential that no mock created. Values that people write by hand for examples and
/// tests do not: they have few distinct digits, digits in counting order, or two equal halves; or they are access
/// tokens from an issuer without a public domain.
pub fn looks_real(text: &str) -> Option<SuspectKind> {
    const PREFIXES: [(&str, SuspectKind); 3] = [
        ("dapi", SuspectKind::PersonalAccessToken),
        ("dkea", SuspectKind::PersonalAccessToken),
        ("dose", SuspectKind::ClientSecret),
    ];
    for (prefix, kind) in PREFIXES {
        let Some(rest) = text.strip_prefix(prefix) else { continue };
        let digits = rest.split('-').next().unwrap_or_default();
        return (looks_random(digits) && !is_marked(digits)).then_some(kind);
    }
    is_issued_elsewhere(text).then_some(SuspectKind::AccessToken)
}

fn looks_random(digits: &str) -> bool {
    let bytes = digits.as_bytes();
    let mut distinct = bytes.to_vec();
    distinct.sort_unstable();
    distinct.dedup();
    let (half, other) = bytes.split_at(bytes.len() / 2);
    bytes.len() == 32
        && bytes.iter().all(u8::is_ascii_alphanumeric)
        && distinct.len() >= MIN_DISTINCT_DIGITS
        && half != other
        && !bytes.windows(COUNTED_DIGITS).any(counts)
}

fn counts(digits: &[u8]) -> bool {
    digits.iter().zip(digits.iter().skip(1)).all(|(one, next)| match (one, next) {
        (b'9', b'a' | b'A' | b'0') => true,
        (one, next) => one + 1 == *next,
    })
}

fn is_issued_elsewhere(text: &str) -> bool {
    let mut parts = text.split('.');
    let (Some(header), Some(claims), Some(signature), None) = (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return false;
    };
    let object =
        |part: &str| -> Option<Map<String, Value>> { serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok() };
    let is_jwt = object(header).is_some_and(|header| header.contains_key("alg"));
    let claims = object(claims).unwrap_or_default();
    let issuer = claims.get("iss").and_then(Value::as_str).and_then(|iss| iss.strip_prefix("https://"));
    is_jwt && signature.len() >= SIGNATURE_LENGTH && issuer.is_some_and(is_on_the_internet)
}

fn is_on_the_internet(address: &str) -> bool {
    let host = address.split(['/', ':', '?']).next().unwrap_or_default();
    host.contains('.')
        && host.bytes().any(|byte| byte.is_ascii_alphabetic())
        && !EXAMPLE_DOMAINS.iter().any(|name| host.ends_with(name))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::oauth::ClientSecret;
    use crate::domain::tokens::TokenValue;

    const REAL: &str = "7f3b9c1e5a8d04621bc7e9f2a6305d48";

    pub(crate) fn jwt(issuer: &str) -> String {
        let part = |value: &str| URL_SAFE_NO_PAD.encode(value);
        let claims = format!(r#"{{"iss":"{issuer}","sub":"x"}}"#);
        format!("{}.{}.{}", part(r#"{"alg":"RS256","typ":"JWT"}"#), part(&claims), "s1gn-atur_e".repeat(20))
    }

    #[test]
    fn real_credentials_are_told_apart_from_examples() {
        for (text, kind) in [
            (format!("dapi{REAL}"), "personal_access_token"),
            (format!("dapi{REAL}-2"), "personal_access_token"),
            (format!("dkea{REAL}"), "personal_access_token"),
            (format!("dose{REAL}"), "client_secret"),
            (jwt("https://sts.windows.net/9652d7c2-1ccf-4940-8151-4a92bd474ed0/"), "access_token"),
            (jwt("https://dbc-1234.cloud.databricks.com/oidc"), "access_token"),
            (jwt("https://adb-1.2.azuredatabricks.net:443"), "access_token"),
        ] {
            assert_eq!(looks_real(&text).map(SuspectKind::as_str), Some(kind), "{text}");
        }
        for text in [
            "",
            "dapi",
            "nonsense",
            "dapi00000000000000000000000000000001",
            "dapi0123456789abcdef0123456789abcdef",
            "dapideadbeefdeadbeefdeadbeefdeadbeef",
            "dapi7f3b9c1e5a8d0462123456789e9f2a63",
            &format!("dapi{REAL}0"),
            &format!("dapi {REAL}"),
            &jwt("http://127.0.0.1:3274/oidc"),
            &jwt("https://127.0.0.1:3274/oidc"),
            &jwt("https://idp.example.com"),
            &jwt("https://localhost"),
            "eyJhbGciOiJub25lIn0.eyJpc3MiOiJodHRwczovL2EuYi5jb20ifQ.",
        ] {
            assert_eq!(looks_real(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_a_mock_creates_is_never_suspected(bytes in any::<[u8; 16]>(), suffix in proptest::option::of(0..9_u8)) {
            prop_assert_eq!(looks_real(TokenValue::from_random(bytes, suffix).reveal()), None);
            prop_assert_eq!(looks_real(ClientSecret::from_random(bytes).reveal()), None);
        }

        #[test]
        fn random_digits_look_real(bytes in any::<[u8; 16]>()) {
            let digits = hex::encode(bytes);
            // The other values, with few distinct or counted digits, are too rare to come up here.
            prop_assume!(looks_random(&digits));
            prop_assert_eq!(looks_real(&format!("dapi{digits}")).is_some(), !is_marked(&digits));
        }
    }
}
