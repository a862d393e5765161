//! A text with its escapes decoded, and where each of its bytes was in the text that was sent.

use std::borrow::Cow;

use memchr::{memchr3, memmem};

/// How far escapes are decoded.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Decode {
    /// What an escape stands for is not decoded again.
    Once,
    /// What an escape stands for may be a part of another escape.
    Fully,
}

pub(super) fn has_escapes(text: &[u8]) -> bool {
    memchr3(b'%', b'\\', b'\0', text).is_some() || memmem::find(text, b"&#").is_some()
}

pub(super) struct View<'a> {
    pub(super) bytes: Cow<'a, [u8]>,
    /// Where each byte was; `None` for the text as it was sent.
    places: Option<Vec<usize>>,
    sent: usize,
}

impl<'a> View<'a> {
    pub(super) fn raw(text: &'a [u8]) -> Self {
        Self { bytes: text.into(), places: None, sent: text.len() }
    }

    /// With `%64`, `\u0064`, `\x64`, `&#100;` and `\"` decoded, and without NUL, which UTF-16 puts between letters.
    pub(super) fn decoded(text: &[u8], decode: Decode) -> Self {
        let (mut bytes, mut places) = (Vec::with_capacity(text.len()), Vec::with_capacity(text.len()));
        let mut unread = 0;
        for (place, byte) in text.iter().enumerate().filter(|(_, byte)| **byte != 0) {
            bytes.push(*byte);
            places.push(place);
            while let Some((length, meant)) = bytes.get(unread..).and_then(escape_at_end) {
                let from = bytes.len() - length;
                bytes.truncate(from);
                places.truncate(from + 1);
                bytes.push(meant);
                if decode == Decode::Once {
                    unread = bytes.len();
                }
            }
        }
        Self { bytes: bytes.into(), places: Some(places), sent: text.len() }
    }

    /// Where a stretch was in the text that was sent.
    pub(super) fn sent(&self, from: usize, to: usize) -> (usize, usize) {
        let place = |at: usize| match &self.places {
            None => at,
            Some(places) => places.get(at).copied().unwrap_or(self.sent),
        };
        (place(from), place(to))
    }
}

/// The escape at the end of a text: its length, and what it stands for.
fn escape_at_end(text: &[u8]) -> Option<(usize, u8)> {
    let tail = |length: usize| text.get(text.len().checked_sub(length)?..);
    let hex = |digits: &[u8]| {
        let mut byte = [0];
        hex::decode_to_slice(digits, &mut byte).ok()?;
        let [byte] = byte;
        Some(byte)
    };
    match text.last()? {
        last if last.is_ascii_hexdigit() => {
            if let Some([b'%', digits @ ..]) = tail(3)
                && let Some(byte) = hex(digits)
            {
                return Some((3, byte));
            }
            if let Some([b'\\', b'x', digits @ ..]) = tail(4)
                && let Some(byte) = hex(digits)
            {
                return Some((4, byte));
            }
            if let Some([b'\\', b'u', b'0', b'0', digits @ ..]) = tail(6)
                && let Some(byte) = hex(digits).filter(u8::is_ascii)
            {
                return Some((6, byte));
            }
            None
        }
        last @ (b'"' | b'\'' | b'/' | b'\\') => matches!(tail(2), Some([b'\\', _])).then_some((2, *last)),
        b'n' => matches!(tail(2), Some([b'\\', _])).then_some((2, b'\n')),
        b'r' => matches!(tail(2), Some([b'\\', _])).then_some((2, b'\r')),
        b';' => {
            let near = tail(text.len().min(10))?;
            let from = memmem::rfind(near, b"&#")?;
            let number = std::str::from_utf8(near.get(from + 2..near.len() - 1)?).ok()?;
            let number = match number.strip_prefix(['x', 'X']) {
                Some(digits) => u8::from_str_radix(digits, 16).ok()?,
                None => number.parse().ok()?,
            };
            number.is_ascii().then_some((near.len() - from, number))
        }
        _ => None,
    }
}
