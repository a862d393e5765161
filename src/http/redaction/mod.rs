//! Blanks secrets in what is kept or logged of requests and answers. A secret is known by its form (`forms`) or by the
//! name before it (`names`), however it is written: both look at the text as it was sent and with its escapes decoded
//! (`escapes`), and what is blanked is the place in the text as it was sent. Start reading at [`line()`].

mod escapes;
mod forms;
mod names;
#[cfg(test)]
mod tests;

use escapes::{Decode, View, has_escapes};

use crate::service::StoredBody;

/// How many bytes of a body are kept.
const LIMIT: usize = 16 * 1024;

const BLANK: &str = "[redacted]";

/// Tells the caller of a stretch that holds a secret.
type Blank<'a> = &'a mut dyn FnMut(usize, usize);

/// The part of a body that is kept.
pub fn body(bytes: &[u8]) -> StoredBody {
    let text = String::from_utf8_lossy(bytes.get(..=LIMIT).unwrap_or(bytes));
    StoredBody { text: start(&text, LIMIT), bytes: bytes.len(), cut: bytes.len() > LIMIT }
}

/// The first `limit` bytes of a text. Where the text is cut, the word at the cut is dropped: it may be a secret.
pub fn start(text: &str, limit: usize) -> String {
    if text.len() <= limit {
        return line(text);
    }
    let boundary = (0..=limit).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    line(text.get(..boundary).unwrap_or_default().trim_end_matches(may_be_in_a_secret))
}

fn may_be_in_a_secret(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || "-_.%\\+=:@&#;\0\u{fffd}".contains(letter)
}

/// A whole text.
pub fn line(text: &str) -> String {
    let mut blanks = Vec::new();
    find(&View::raw(text.as_bytes()), &mut blanks);
    if has_escapes(text.as_bytes()) {
        // An escape may itself be escaped: what reads a form or a JSON string in the text decodes once, others further.
        for decode in [Decode::Once, Decode::Fully] {
            find(&View::decoded(text.as_bytes(), decode), &mut blanks);
        }
    }
    blanked(text, blanks)
}

fn blanked(text: &str, mut blanks: Vec<(usize, usize)>) -> String {
    if blanks.is_empty() {
        return text.to_owned();
    }
    blanks.sort_unstable();
    let mut out = String::with_capacity(text.len());
    let mut done = 0;
    let mut blanks = blanks.into_iter().peekable();
    while let Some((from, mut to)) = blanks.next() {
        while let Some((_, further)) = blanks.next_if(|(next, _)| *next <= to) {
            to = to.max(further);
        }
        let from = (0..=from).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        let to = (to..text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(text.len());
        out.push_str(text.get(done..from).unwrap_or_default());
        out.push_str(BLANK);
        done = to;
    }
    out.push_str(text.get(done..).unwrap_or_default());
    out
}

fn find(view: &View<'_>, blanks: &mut Vec<(usize, usize)>) {
    let text = view.bytes.as_ref();
    let mut blank = |from: usize, to: usize| {
        if from < to {
            blanks.push(view.sent(from, to));
        }
    };
    forms::find_words(text, &mut blank);
    names::find_named(text, &mut blank);
    forms::find_in_urls(text, &mut blank);
    forms::find_keys(text, &mut blank);
    forms::find_encoded(text, &mut blank);
    forms::find_schemes(text, &mut blank);
}

fn at(text: &[u8], place: usize) -> u8 {
    text.get(place).copied().unwrap_or_default()
}

fn length_while(text: &[u8], from: usize, goes_on: impl Fn(u8) -> bool) -> usize {
    text.get(from..).unwrap_or_default().iter().take_while(|byte| goes_on(**byte)).count()
}
