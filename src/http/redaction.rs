//! What the journal keeps of what clients and server said: texts in which secrets are blanked, before they are
//! kept. Blanked is what has the form of a secret, and what has the name of one.

use std::borrow::Cow;

use memchr::{memchr2, memchr3};

use super::credential::redacted;
use crate::service::Kept;

/// How much of a body is kept, in bytes.
const LIMIT: usize = 16 * 1024;

/// Members and parameters whose values are secrets.
const NAMES: [&str; 15] = [
    "access_token",
    "actor_token",
    "assertion",
    "client_assertion",
    "client_secret",
    "code",
    "code_verifier",
    "control_key",
    "id_token",
    "password",
    "refresh_token",
    "secret",
    "subject_token",
    "ticket",
    "token_value",
];
/// No name is longer.
const LONGEST_NAME: usize = 20;

const BLANK: &str = "[redacted]";

/// What is kept of a body.
pub fn body(bytes: &[u8]) -> Kept {
    let text = String::from_utf8_lossy(bytes.get(..=LIMIT).unwrap_or(bytes));
    Kept { text: start(&text, LIMIT), bytes: bytes.len(), cut: bytes.len() > LIMIT }
}

/// The first `limit` bytes of a text. Where it is cut, nothing stays of a word that goes on behind: it may be a
/// secret.
pub fn start(text: &str, limit: usize) -> String {
    if text.len() <= limit {
        return line(text);
    }
    let boundary = (0..=limit).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    line(text.get(..boundary).unwrap_or_default().trim_end_matches(may_be_in_a_secret))
}

/// A whole text.
pub fn line(text: &str) -> String {
    let text = plain(text);
    redacted(&without_named(&text))
}

fn may_be_in_a_secret(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || "-_.%\\\u{fffd}".contains(letter)
}

/// Letters and digits that are written as escapes (`%64`, `\u0064`) as themselves: both mean the same, and a
/// secret is not to hide so.
fn plain(text: &str) -> Cow<'_, str> {
    // By bytes here and below, as every answer is gone through: for ASCII it is the same, and several times faster.
    if memchr2(b'%', b'\\', text.as_bytes()).is_none() {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(['%', '\\']) {
        let (before, found) = rest.split_at(at);
        out.push_str(before);
        let length = if let Some((letter, length)) = escape_at(found) {
            out.push(char::from(letter));
            length
        } else {
            // A backslash may itself be escaped.
            let length = if found.starts_with("\\\\") { 2 } else { 1 };
            out.push_str(found.get(..length).unwrap_or_default());
            length
        };
        rest = found.get(length..).unwrap_or_default();
    }
    out.push_str(rest);
    Cow::Owned(out)
}

fn escape_at(text: &str) -> Option<(u8, usize)> {
    let start = if text.starts_with('%') { 1 } else { text.starts_with("\\u00").then_some(4)? };
    let mut letter = [0];
    hex::decode_to_slice(text.get(start..start + 2)?, &mut letter).ok()?;
    let [letter] = letter;
    (letter.is_ascii_alphanumeric() || b"-_.".contains(&letter)).then_some((letter, start + 2))
}

/// JSON and forms without the values of [`NAMES`]. It needs no valid JSON: what is broken may hold a secret too.
fn without_named(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let (mut rest, mut in_json) = (text, false);
    loop {
        if let Some((start, length)) = named_value(rest, in_json) {
            out.push_str(rest.get(..start).unwrap_or_default());
            out.push_str(BLANK);
            rest = rest.get(start + length..).unwrap_or_default();
        }
        let Some(at) = memchr3(b'"', b'&', b'?', rest.as_bytes()) else { break };
        let (before, found) = rest.split_at(at + 1);
        in_json = before.ends_with('"');
        out.push_str(before);
        rest = found;
    }
    out.push_str(rest);
    out
}

/// Where the value of the secret's name stands with which a text begins, and its length.
fn named_value(text: &str, in_json: bool) -> Option<(usize, usize)> {
    let end = if in_json { b'"' } else { b'=' };
    let end = text.bytes().take(LONGEST_NAME).position(|byte| byte == end)?;
    let (name, after) = (text.get(..end)?, text.get(end + 1..)?);
    if !NAMES.contains(&name) {
        return None;
    }
    let (value, length) = if in_json {
        let value = after.trim_start().strip_prefix(':')?.trim_start();
        match value.strip_prefix('"') {
            Some(inner) => (inner, string_length(inner)),
            None if value.starts_with(['n', '{', '[']) => return None,
            None => (value, value.find(|next: char| ",}] \r\n\t".contains(next)).unwrap_or(value.len())),
        }
    } else {
        (after, after.find('&').unwrap_or(after.len()))
    };
    (length > 0).then_some((text.len() - value.len(), length))
}

/// How long a JSON string is whose opening quote has been read.
fn string_length(inner: &str) -> usize {
    let mut escaped = false;
    let end = inner.bytes().position(|byte| {
        let ends = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends
    });
    end.unwrap_or(inner.len())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const VALUE: &str = "dapi7f3b9c1e5a8d04621bc7e9f2a6305d48";

    #[test]
    fn what_has_the_name_of_a_secret_is_blanked() {
        assert!(NAMES.iter().all(|name| name.len() < LONGEST_NAME));
        for (text, expected) in [
            (r#"{"token_value": "x", "a":1}"#, r#"{"token_value": "[redacted]", "a":1}"#),
            (r#"{"secret":"a\"b","secret_hash":"c"}"#, r#"{"secret":"[redacted]","secret_hash":"c"}"#),
            (r#"{"password" : 123 }"#, r#"{"password" : [redacted] }"#),
            (r#"{"code": null, "error_code": "X"}"#, r#"{"code": null, "error_code": "X"}"#),
            (r#"{"token_value": "never ends"#, r#"{"token_value": "[redacted]"#),
            (r#"{"pass\u0077ord": "x"}"#, r#"{"password": "[redacted]"}"#),
            ("client_secret=x%21y&scope=all", "client_secret=[redacted]&scope=all"),
            ("grant_type=a&code=1&client%5Fsecret=2", "grant_type=a&code=[redacted]&client_secret=[redacted]"),
            ("/x?code=1", "/x?code=[redacted]"),
            ("code=", "code="),
            ("a?b&c\"d", "a?b&c\"d"),
        ] {
            assert_eq!(line(text), expected);
        }
    }

    #[test]
    fn escapes_hide_nothing() {
        let each = |written: fn(u8) -> String| VALUE.bytes().map(written).collect::<Vec<_>>().concat();
        let hidden = each(|byte| format!("%{byte:02x}"));
        let in_json = each(|byte| format!("\\u{byte:04X}"));
        assert_eq!(line(&format!("/tokens/{hidden}")), "/tokens/dapi[redacted]");
        assert_eq!(line(&format!("{{\"comment\": \"{in_json}\"}}")), "{\"comment\": \"dapi[redacted]\"}");
        assert_eq!(line("a%2Fb \\\\u0064 100%"), "a%2Fb \\\\u0064 100%");
    }

    proptest! {
        #[test]
        fn no_part_of_a_secret_stays_at_the_cut(before in LIMIT - 60..LIMIT + 4, other in 0..3_usize) {
            let secret = [VALUE.to_owned(), VALUE.replace("dapi", "dose"), format!("eyJ{}", "Qx".repeat(40))];
            let secret = &secret[other % 3];
            let kept = body(format!("{} {secret} {}", "a ".repeat(before / 2), "b ".repeat(200)).as_bytes());
            prop_assert!(kept.cut && kept.text.len() <= LIMIT + BLANK.len());
            prop_assert!(!kept.text.contains("7f3b") && !kept.text.contains("QxQ"), "{}", &kept.text[LIMIT - 80..]);
        }

        #[test]
        fn any_text_is_taken(text in "\\PC*", bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            line(&text);
            prop_assert_eq!(body(&bytes).bytes, bytes.len());
        }
    }
}
