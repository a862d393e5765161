//! Fuzzes redaction: a secret anywhere in any text must not be in the redacted text.

use dapi_mock::http::redaction::{body, line, start};

/// What may precede a secret: the start of a word or of a value, or another secret.
const BEFORE: [&str; 8] = [" ", "/", "\"", "=", "&", "?", "\n", "=dapi0123456789abcdef"];
/// The length of the piece of a secret that must not be visible.
const PIECE: usize = 12;

pub(super) fn run(data: &[u8]) {
    let (choice, text) = data.split_first().map_or((0, data), |(choice, text)| (usize::from(*choice), text));
    let at = choice % (text.len() + 1);
    let (before, after) = (String::from_utf8_lossy(&text[..at]), String::from_utf8_lossy(&text[at..]));
    let digits = super::digits_of(data);
    for secret in [
        format!("dapi{digits}"),
        format!("dose{digits}"),
        format!("dort{digits}{digits}{digits}"),
        format!("eyJ{digits}.{digits}._-{digits}"),
    ] {
        let separator = BEFORE[choice % BEFORE.len()];
        holds_back(&format!("{before}{separator}{secret}{after}"), &digits);
    }
    holds_back(&format!("{before}\n{{\"client_secret\": \"{digits}\"}}{after}"), &digits);
    holds_back(&format!("{before}&code={digits}&{after}"), &digits);
    holds_back(&format!("{before}\n{{\"Api-Key\": {{\"v\": [\"{digits}\"]}}}}\n{after}"), &digits);
    let escaped = digits.bytes().map(|byte| format!("%25{byte:02x}")).collect::<Vec<_>>().concat();
    holds_back(&format!("{before}/dapi{escaped}/{after}"), &digits);
}

fn holds_back(text: &str, digits: &str) {
    let cut = digits.bytes().fold(0, |sum, byte| sum + usize::from(byte)) % (text.len() + 1);
    for kept in [line(text), start(text, cut), body(text.as_bytes()).text] {
        let seen = (0..=digits.len() - PIECE).any(|at| kept.contains(&digits[at..at + PIECE]));
        assert!(!seen, "{text:?} is redacted to {kept:?}");
    }
}
