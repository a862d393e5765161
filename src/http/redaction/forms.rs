//! Secrets that are known by their form, wherever they stand: token values, access tokens, keys, credentials in URLs,
//! encoded in base64 or hex as well.

use memchr::{memchr, memchr_iter, memchr2_iter, memchr3_iter, memmem, memrchr};

use super::{Blank, length_while};
use crate::domain::sign_ins::{SEALED_PREFIX, TicketKind};

/// How secrets begin, and which bytes may follow: token values, client secrets, what continues a sign-in, access tokens,
/// and what others issue. dapi-mock never makes the real service's `dkea…`, but somebody may send one.
const SECRETS: [(&str, Bytes); 12] = [
    ("dapi", is_hex),
    ("dkea", is_of_a_jwt),
    ("dose", is_hex),
    (SEALED_PREFIX, is_hex),
    (TicketKind::Code.prefix(), is_hex),
    (TicketKind::Refresh.prefix(), is_hex),
    ("eyJ", is_of_a_jwt),
    ("AKIA", is_upper),
    ("ASIA", is_upper),
    ("ghp_", is_of_a_jwt),
    ("gho_", is_of_a_jwt),
    ("github_pat_", is_of_a_jwt),
];
/// The fewest bytes that follow.
const SHORTEST: usize = 16;

type Bytes = fn(u8) -> bool;

fn is_hex(byte: u8) -> bool {
    byte.is_ascii_hexdigit()
}

fn is_upper(byte: u8) -> bool {
    byte.is_ascii_uppercase() || byte.is_ascii_digit()
}

fn is_of_a_jwt(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)
}

pub(super) fn find_words(text: &[u8], blank: Blank<'_>) {
    let mut done = 0;
    let hex = memchr3_iter(b'd', b'D', b'e', text);
    for place in hex {
        if place >= done
            && let Some((prefix, length)) = secret_at(text, place)
        {
            blank(place + prefix, place + length);
            done = place + length;
        }
    }
    for place in memchr2_iter(b'A', b'g', text) {
        if let Some((prefix, length)) = secret_at(text, place) {
            blank(place + prefix, place + length);
        }
    }
}

/// The secret at a place: the length of its prefix, and of the whole.
fn secret_at(text: &[u8], place: usize) -> Option<(usize, usize)> {
    SECRETS.iter().find_map(|(prefix, may_follow)| {
        let written = text.get(place..place + prefix.len())?;
        // Upper-case hex is the same number to whoever tries it.
        let begins = if prefix.starts_with('d') {
            written.eq_ignore_ascii_case(prefix.as_bytes())
        } else {
            written == prefix.as_bytes()
        };
        if !begins {
            return None;
        }
        let from = place + prefix.len();
        // With the whole word: another secret may begin within, its first letters being digits too.
        (length_while(text, from, may_follow) >= SHORTEST)
            .then(|| (prefix.len(), prefix.len() + length_while(text, from, is_of_a_jwt)))
    })
}

/// `https://user:password@host`
pub(super) fn find_in_urls(text: &[u8], blank: Blank<'_>) {
    for place in memmem::find_iter(text, b"://") {
        let from = place + 3;
        let length = length_while(text, from, |byte| !b"/?#\"'<> \r\n\t\\".contains(&byte));
        let authority = text.get(from..from + length).unwrap_or_default();
        let colon = memchr(b':', authority);
        match (memrchr(b'@', authority), colon) {
            (Some(user), colon) => {
                let colon = colon.filter(|colon| *colon < user);
                blank(from + colon.map_or(0, |colon| colon + 1), from + user);
            }
            // A port, or a password that was cut.
            (None, Some(colon)) if from + length == text.len() => {
                let port = authority.get(colon + 1..).unwrap_or_default();
                if !port.iter().all(u8::is_ascii_digit) && !authority.starts_with(b"[") {
                    blank(from + colon + 1, text.len());
                }
            }
            (None, _) => {}
        }
    }
}

/// Private keys in PEM.
pub(super) fn find_keys(text: &[u8], blank: Blank<'_>) {
    const BEGINS: &[u8] = b"-----BEGIN ";
    for place in memmem::find_iter(text, BEGINS) {
        let kind = text.get(place + BEGINS.len()..text.len().min(place + BEGINS.len() + 40)).unwrap_or_default();
        if memmem::find(kind, b"PRIVATE KEY").is_some() {
            let from = place + BEGINS.len();
            let end = memmem::find(text.get(from..).unwrap_or_default(), b"-----END");
            blank(from, end.map_or(text.len(), |end| from + end));
        }
    }
}

/// `Bearer …` and `Basic …`, wherever they stand.
pub(super) fn find_schemes(text: &[u8], blank: Blank<'_>) {
    for space in memchr_iter(b' ', text) {
        let is = |scheme: &[u8]| {
            let start = space.checked_sub(scheme.len());
            start.and_then(|start| text.get(start..space)).is_some_and(|word| word.eq_ignore_ascii_case(scheme))
        };
        if is(b"bearer") || is(b"basic") {
            let from = space + length_while(text, space, |byte| byte == b' ');
            let length = length_while(text, from, |byte| is_of_a_jwt(byte) || b"+/=~".contains(&byte));
            if length >= SHORTEST {
                blank(from, from + length);
            }
        }
    }
}

/// Secrets encoded in base64 or hex.
pub(super) fn find_encoded(text: &[u8], blank: Blank<'_>) {
    let is_digit = |byte: u8| byte.is_ascii_alphanumeric() || b"+/-_".contains(&byte);
    let mut place = 0;
    while place < text.len() {
        let length = length_while(text, place, is_digit);
        if length >= SHORTEST {
            let run = text.get(place..place + length).unwrap_or_default();
            if hides_secret(run) {
                blank(place, place + length);
            }
        }
        place += length.max(1);
    }
}

fn hides_secret(run: &[u8]) -> bool {
    let has_secret = |bytes: &[u8]| {
        let mut found = false;
        find_words(bytes, &mut |_, _| found = true);
        found
    };
    // A slash before it may be that of a path: it is read from each place of a group.
    (0..4).any(|offset| has_secret(&from_base64(run.get(offset..).unwrap_or_default())))
        || run.split(|byte| !byte.is_ascii_hexdigit()).filter(|digits| digits.len() >= 2 * SHORTEST).any(|digits| {
            (0..2).any(|offset| {
                let digits = digits.get(offset..).unwrap_or_default();
                let even = digits.get(..digits.len() / 2 * 2).unwrap_or_default();
                hex::decode(even).is_ok_and(|bytes| has_secret(&bytes))
            })
        })
}

/// Decodes base64 of either alphabet, with or without padding.
fn from_base64(digits: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(digits.len() / 4 * 3 + 3);
    let (mut bits, mut count) = (0_u32, 0);
    for digit in digits {
        let value = match digit {
            b'A'..=b'Z' => digit - b'A',
            b'a'..=b'z' => digit - b'a' + 26,
            b'0'..=b'9' => digit - b'0' + 52,
            b'+' | b'-' => 62,
            _ => 63,
        };
        bits = bits << 6 | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            out.extend((bits >> count).to_le_bytes().first());
            bits &= (1 << count) - 1;
        }
    }
    out
}
