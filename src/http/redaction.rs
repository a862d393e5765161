//! What is kept and logged of what clients and server said: texts in which secrets are blanked before they are kept.
//! Blanked is what has the form of a secret, and what has the name of one, however it is written: secrets are looked
//! for in the text as it stands and as its escapes read, and what is blanked is the place in the text as it stands.

use std::borrow::Cow;

use memchr::{memchr, memchr_iter, memchr2_iter, memchr3, memchr3_iter, memmem, memrchr};

use crate::domain::sign_ins::{SEALED_PREFIX, TicketKind};
use crate::service::StoredBody;

/// How much of a body is kept, in bytes.
const LIMIT: usize = 16 * 1024;

/// Names whose values are secrets, in lower case without separators.
const NAMES: [&str; 17] = [
    "admission",
    "auth",
    "bearer",
    "code",
    "codes",
    "jwt",
    "secrets",
    "session",
    "sessionid",
    "sessions",
    "sid",
    "sig",
    "ticket",
    "token",
    "tokens",
    "xamzcredential",
    "xamzsignature",
];
/// How such names end, in the singular and in the plural.
const ENDINGS: [&str; 18] = [
    "accesskey",
    "accountkey",
    "apikey",
    "assertion",
    "authkey",
    "authorization",
    "codeverifier",
    "connectionstring",
    "controlkey",
    "cookie",
    "passcode",
    "passphrase",
    "passwd",
    "password",
    "privatekey",
    "pwd",
    "secret",
    "secretkey",
];
/// So do the names of tokens; these count pages.
const PAGE_TOKENS: [&str; 3] = ["pagetoken", "nexttoken", "continuationtoken"];
/// Also the names of things that are no secrets: only what is written as a value counts.
const ALSO_OBJECTS: [&str; 6] = ["auth", "secrets", "session", "sessions", "token", "tokens"];
/// Words of every text: they name a secret only in a form or as a member.
const ALSO_WORDS: [&str; 12] = [
    "auth",
    "bearer",
    "code",
    "codes",
    "credential",
    "credentials",
    "secrets",
    "session",
    "sessions",
    "ticket",
    "token",
    "tokens",
];
/// Members that tell what another member, `value`, is.
const POINTERS: [&str; 6] = ["attribute", "field", "header", "key", "name", "path"];
/// No name is longer.
const LONGEST_NAME: usize = 64;
/// How far from its name a value is looked for, where another member or the head of a part is between.
const REACH: usize = 1024;

/// How secrets begin, and what may follow: token values, client secrets, what continues a sign-in, access tokens,
/// and what others issue. The real service's `dkea…` is never made here, but may be sent.
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
/// So many bytes have to follow.
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

const BLANK: &str = "[redacted]";

/// What is kept of a body.
pub fn body(bytes: &[u8]) -> StoredBody {
    let text = String::from_utf8_lossy(bytes.get(..=LIMIT).unwrap_or(bytes));
    StoredBody { text: start(&text, LIMIT), bytes: bytes.len(), cut: bytes.len() > LIMIT }
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

fn may_be_in_a_secret(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || "-_.%\\+=:@&#;\0\u{fffd}".contains(letter)
}

/// A whole text.
pub fn line(text: &str) -> String {
    let mut blanks = Vec::new();
    find(&View::raw(text.as_bytes()), &mut blanks);
    if has_escapes(text.as_bytes()) {
        // An escape that is itself escaped is read once, as a form or a JSON string in the text would be, and to its
        // end.
        for nested in [false, true] {
            find(&View::read(text.as_bytes(), nested), &mut blanks);
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

fn has_escapes(text: &[u8]) -> bool {
    memchr3(b'%', b'\\', b'\0', text).is_some() || memmem::find(text, b"&#").is_some()
}

/// A text as it is read, and where each of its bytes stands in the text that was sent.
struct View<'a> {
    bytes: Cow<'a, [u8]>,
    /// Where each byte begins; `None` where it is the text itself.
    places: Option<Vec<usize>>,
    sent: usize,
}

impl<'a> View<'a> {
    fn raw(text: &'a [u8]) -> Self {
        Self { bytes: text.into(), places: None, sent: text.len() }
    }

    /// With `%64`, `\u0064`, `\x64`, `&#100;` and `\"` as what they mean, and without NUL, which UTF-16 puts between
    /// letters. `nested` reads on as long as what was read is an escape.
    fn read(text: &[u8], nested: bool) -> Self {
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
                if !nested {
                    unread = bytes.len();
                }
            }
        }
        Self { bytes: bytes.into(), places: Some(places), sent: text.len() }
    }

    /// The place of a stretch in the text that was sent.
    fn sent(&self, from: usize, to: usize) -> (usize, usize) {
        let place = |at: usize| match &self.places {
            None => at,
            Some(places) => places.get(at).copied().unwrap_or(self.sent),
        };
        (place(from), place(to))
    }
}

/// The escape with which a text ends: its length, and what it means.
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

/// All places of secrets.
fn find(view: &View<'_>, blanks: &mut Vec<(usize, usize)>) {
    let text = view.bytes.as_ref();
    let mut blank = |from: usize, to: usize| {
        if from < to {
            blanks.push(view.sent(from, to));
        }
    };
    find_words(text, &mut blank);
    find_named(text, &mut blank);
    find_in_urls(text, &mut blank);
    find_keys(text, &mut blank);
    find_encoded(text, &mut blank);
    find_schemes(text, &mut blank);
}

type Blank<'a> = &'a mut dyn FnMut(usize, usize);

fn at(text: &[u8], place: usize) -> u8 {
    text.get(place).copied().unwrap_or_default()
}

fn length_while(text: &[u8], from: usize, goes_on: impl Fn(u8) -> bool) -> usize {
    text.get(from..).unwrap_or_default().iter().take_while(|byte| goes_on(**byte)).count()
}

/// What has the form of a secret.
fn find_words(text: &[u8], blank: Blank<'_>) {
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

/// The secret that begins there: how long its prefix is, and the whole.
fn secret_at(text: &[u8], place: usize) -> Option<(usize, usize)> {
    SECRETS.iter().find_map(|(prefix, goes_on)| {
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
        (length_while(text, from, goes_on) >= SHORTEST)
            .then(|| (prefix.len(), prefix.len() + length_while(text, from, is_of_a_jwt)))
    })
}

/// How a name is written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Written {
    /// As a member of JSON, or of what looks like it.
    Quoted,
    /// `name=value`
    Form,
    /// `name: value`
    Head,
}

/// Values of what has the name of a secret: in JSON, in forms, in heads of parts and of messages. The text need not be
/// valid in any of them: what is broken may hold a secret too.
fn find_named(text: &[u8], blank: Blank<'_>) {
    // What was blanked is not looked at again: a value may hold many names.
    let mut done = 0;
    for separator in memchr3_iter(b'=', b':', b'>', text) {
        if separator < done {
            continue;
        }
        let Some((start, name, written)) = name_before(text, separator) else { continue };
        if at(text, separator) == b'>' {
            let end = separator + 1 + length_while(text, separator + 1, |byte| byte != b'<');
            let is_element = start.checked_sub(1).is_some_and(|before| at(text, before) == b'<');
            // `<token>` alone stands for a token.
            let closes = at(text, end + 1) == b'/' || !ALSO_WORDS.contains(&name.as_str());
            if is_element && closes && is_secret(&name) {
                blank(separator + 1, end);
                done = end;
            }
            continue;
        }
        let mut from = separator + 1;
        from += usize::from(at(text, separator) == b'=' && at(text, from) == b'>');
        if !matches!(written, Written::Form) || at(text, from) == b' ' {
            from += length_while(text, from, |byte| b" \t\r\n".contains(&byte));
        }
        if POINTERS.contains(&name.as_str()) {
            find_pointed_at(text, separator, from, blank);
        }
        if is_secret(&name) && !(written == Written::Head && ALSO_WORDS.contains(&name.as_str())) {
            let only_plain = ALSO_OBJECTS.contains(&name.as_str()) || is_credential(&name);
            let (from, to) = value_at(text, from, written, only_plain);
            blank(from, to);
            done = to;
        }
    }
}

fn is_secret(name: &str) -> bool {
    let singular = name.strip_suffix('s').unwrap_or(name);
    NAMES.contains(&name)
        || ENDINGS.iter().any(|ending| name.ends_with(ending) || singular.ends_with(ending) && name != "secrets")
        || name.ends_with("token") && !PAGE_TOKENS.iter().any(|ending| name.ends_with(ending))
        || name.ends_with("tokenvalue")
        || is_credential(name)
}

/// Such a member may also hold an object, whose members have names of their own.
fn is_credential(name: &str) -> bool {
    name.strip_suffix('s').unwrap_or(name).ends_with("credential")
}

/// The name that stands before a separator, in lower case and without `_`, `-`, `.` and spaces, and where it begins.
fn name_before(text: &[u8], separator: usize) -> Option<(usize, String, Written)> {
    let before = |end: usize, is: &dyn Fn(u8) -> bool| {
        let bytes = text.get(end.saturating_sub(LONGEST_NAME)..end).unwrap_or_default();
        bytes.iter().rev().take_while(|byte| is(**byte)).count()
    };
    let mut end = separator - before(separator, &|byte| b" \t\r\n".contains(&byte));
    let brackets = before(end, &|byte| byte == b']');
    end -= brackets;
    let quotes = before(end, &|byte| b"\"'".contains(&byte));
    end -= quotes;
    end -= before(end, &|byte| byte == b'\\');
    // Only quotes tell that a space belongs to the name.
    let joins: &[u8] = if quotes > 0 { b"_-. " } else { b"_-." };
    let length = before(end, &|byte| byte.is_ascii_alphanumeric() || joins.contains(&byte));
    let name: String = text
        .get(end - length..end)?
        .iter()
        .filter(|byte| byte.is_ascii_alphanumeric())
        .map(|byte| char::from(byte.to_ascii_lowercase()))
        .collect();
    let written = match at(text, separator) {
        b'=' => Written::Form,
        _ if quotes > 0 => Written::Quoted,
        _ => Written::Head,
    };
    (!name.is_empty()).then_some((end - length, name, written))
}

/// The value that begins there, without its quotes. An object or a list is one, too, unless only what is written as a
/// value counts.
fn value_at(text: &[u8], from: usize, written: Written, only_plain: bool) -> (usize, usize) {
    let rest = text.get(from..).unwrap_or_default();
    match at(text, from) {
        quote @ (b'"' | b'\'') => (from + 1, from + 1 + string_length(rest.get(1..).unwrap_or_default(), quote)),
        b'{' if only_plain => (from, from),
        b'[' if only_plain && !rest.get(1..).unwrap_or_default().trim_ascii_start().starts_with(b"\"") => (from, from),
        b'{' | b'[' if written != Written::Form => (from, from + balanced(rest)),
        _ if written == Written::Quoted => {
            let length = length_while(text, from, |byte| !b",}] \r\n\t".contains(&byte));
            if rest.starts_with(b"null") { (from, from) } else { (from, from + length) }
        }
        _ if written == Written::Form => {
            let whole = if b"{[".contains(&at(text, from)) { balanced(rest) } else { 0 };
            (from, from + plain_length(rest, b'&').max(whole))
        }
        _ => {
            let scheme = [&b"bearer "[..], b"basic "]
                .into_iter()
                .find(|scheme| rest.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme)));
            let value = from + scheme.map_or(0, <[u8]>::len);
            // What a text says about how a credential is to be sent.
            let is_advice = scheme.is_some() && b"<$".contains(&at(text, value));
            let length = if is_advice { 0 } else { plain_length(text.get(value..).unwrap_or_default(), b'\n') };
            (value, value + length)
        }
    }
}

/// How long a value without quotes is: up to what ends it, the end of its line, or that of the string that it is in.
fn plain_length(rest: &[u8], end: u8) -> usize {
    let length = rest.iter().position(|byte| *byte == end || b"\r\n".contains(byte)).unwrap_or(rest.len());
    string_length(rest.get(..length).unwrap_or_default(), b'"')
}

/// How long a string is whose opening quote has been read. In a text whose escapes have been read, a quote may be in
/// the string: what ends it has something behind it that follows a value.
fn string_length(inner: &[u8], quote: u8) -> usize {
    let mut escaped = false;
    let end = inner.iter().enumerate().position(|(place, byte)| {
        let closes = *byte == quote && !escaped && {
            let behind = inner.get(place + 1..).unwrap_or_default();
            behind.trim_ascii_start().first().is_none_or(|next| b",}])&;>:\"'/\\".contains(next))
                || behind.first().is_some_and(u8::is_ascii_whitespace)
        };
        escaped = *byte == b'\\' && !escaped;
        closes
    });
    end.unwrap_or(inner.len())
}

/// How long an object or a list is, with its brackets; all the rest where it does not end.
fn balanced(text: &[u8]) -> usize {
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for (place, byte) in text.iter().enumerate() {
        match byte {
            b'"' if !escaped => in_string = !in_string,
            b'{' | b'[' if !in_string => depth += 1,
            b'}' | b']' if !in_string => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return place + 1;
                }
            }
            _ => {}
        }
        escaped = *byte == b'\\' && !escaped;
    }
    text.len()
}

/// The value of what is named as the value of another member: `{"path": "password", "value": …}`, a part of a form
/// (`name="password"`, an empty line, the value), a field of a page.
fn find_pointed_at(text: &[u8], separator: usize, from: usize, blank: Blank<'_>) {
    let written = if at(text, separator) == b'=' { Written::Form } else { Written::Quoted };
    let (from, to) = value_at(text, from, written, false);
    let Some(named) = text.get(from..to).filter(|named| named.len() <= 2 * LONGEST_NAME) else { return };
    let is_path = named.contains(&b'/');
    let last = named.rsplit(|byte| b":/; ".contains(byte)).next().unwrap_or(named);
    let name: String = last
        .iter()
        .filter(|byte| byte.is_ascii_alphanumeric())
        .map(|byte| char::from(byte.to_ascii_lowercase()))
        .collect();
    // The last word of many paths is `tokens`.
    if !is_secret(&name) || is_path && NAMES.contains(&name.as_str()) {
        return;
    }
    let near = text.get(to..text.len().min(to + REACH)).unwrap_or_default();
    if written == Written::Form {
        for empty_line in [&b"\r\n\r\n"[..], b"\n\n"] {
            if let Some(place) = memmem::find(near, empty_line) {
                let value = to + place + empty_line.len();
                let rest = text.get(value..).unwrap_or_default();
                let end = memmem::find(rest, b"\n--").map_or(text.len(), |end| value + end);
                blank(value, end - usize::from(end > value && at(text, end - 1) == b'\r'));
                return;
            }
        }
        if let Some(place) =
            memmem::find(near, b"value=").filter(|place| !near.get(..*place).unwrap_or_default().contains(&b'>'))
        {
            let (from, to) = value_at(text, to + place + b"value=".len(), Written::Form, false);
            blank(from, to);
        }
        return;
    }
    let opens = object_around(text, separator);
    let window = text.get(opens..text.len().min(opens + 2 * REACH)).unwrap_or_default();
    let (mut next, ends) = (opens, opens + balanced(window));
    while let Some(place) = memmem::find(text.get(next..ends).unwrap_or_default(), b"alue\"") {
        next += place + b"alue\"".len();
        let colon = next + length_while(text, next, |byte| b" \t\r\n".contains(&byte));
        if at(text, colon) == b':' {
            let value = colon + 1 + length_while(text, colon + 1, |byte| b" \t\r\n".contains(&byte));
            let (from, to) = value_at(text, value, Written::Quoted, false);
            blank(from, to);
        }
    }
}

/// Where the object begins that a place is in, as far as it is near.
fn object_around(text: &[u8], place: usize) -> usize {
    let from = place.saturating_sub(REACH);
    let mut closed = 0_usize;
    for (distance, byte) in text.get(from..place).unwrap_or_default().iter().rev().enumerate() {
        match byte {
            b'}' => closed += 1,
            b'{' if closed == 0 => return place - distance - 1,
            b'{' => closed -= 1,
            _ => {}
        }
    }
    from
}

/// `https://user:password@host`
fn find_in_urls(text: &[u8], blank: Blank<'_>) {
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

/// Private keys as PEM.
fn find_keys(text: &[u8], blank: Blank<'_>) {
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
fn find_schemes(text: &[u8], blank: Blank<'_>) {
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

/// What has the form of a secret once it is decoded from base64 or hex.
fn find_encoded(text: &[u8], blank: Blank<'_>) {
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

/// What base64 of either alphabet means, however it ends.
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

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
    use proptest::prelude::*;

    use super::*;

    const VALUE: &str = "dapi7f3b9c1e5a8d04621bc7e9f2a6305d48";

    #[test]
    fn what_has_the_name_of_a_secret_is_blanked() {
        for (text, expected) in [
            (r#"{"token_value": "x", "a":1}"#, r#"{"token_value": "[redacted]", "a":1}"#),
            (r#"{"secret":"a\"b","secret_hash":"c"}"#, r#"{"secret":"[redacted]","secret_hash":"c"}"#),
            (r#"{"password" : 123 }"#, r#"{"password" : [redacted] }"#),
            (r#"{"code": null, "error_code": "X"}"#, r#"{"code": null, "error_code": "X"}"#),
            (r#"{"token_value": "never ends"#, r#"{"token_value": "[redacted]"#),
            (r#"{"pass\u0077ord": "x"}"#, r#"{"pass\u0077ord": "[redacted]"}"#),
            ("client_secret=x%21y&scope=all", "client_secret=[redacted]&scope=all"),
            ("grant_type=a&code=1&client%5Fsecret=2", "grant_type=a&code=[redacted]&client%5Fsecret=[redacted]"),
            ("/x?code=1", "/x?code=[redacted]"),
            ("code=", "code="),
            ("a?b&c\"d", "a?b&c\"d"),
            // In any letters, with any separators, and at the end of a longer name.
            (r#"{"Client_Secret":"x"}"#, r#"{"Client_Secret":"[redacted]"}"#),
            (
                r#"{"clientSecret":"x","CLIENT-SECRET":"y"}"#,
                r#"{"clientSecret":"[redacted]","CLIENT-SECRET":"[redacted]"}"#,
            ),
            (
                r#"{"db.passwd":"x","pwd":1,"aws_secret_access_key":"y"}"#,
                r#"{"db.passwd":"[redacted]","pwd":[redacted],"aws_secret_access_key":"[redacted]"}"#,
            ),
            (
                "api_key=1&apikey=2&api-key=3&X-Api-Key=4",
                "api_key=[redacted]&apikey=[redacted]&api-key=[redacted]&X-Api-Key=[redacted]",
            ),
            ("csrf_token=1&page_token=2&next_page_token=3", "csrf_token=[redacted]&page_token=2&next_page_token=3"),
            ("user[password]=x&a=b", "user[password]=[redacted]&a=b"),
            (r#"{"PRIVATE KEY": "x", "a b": "y"}"#, r#"{"PRIVATE KEY": "[redacted]", "a b": "y"}"#),
            // Whatever the value is.
            (r#"{"password": {"v": "x", "w": ["}"]}, "a": 1}"#, r#"{"password": [redacted], "a": 1}"#),
            (r#"{"passwords": ["x", "y"], "a": 1}"#, r#"{"passwords": [redacted], "a": 1}"#),
            (r#"{"private_key": {"v": "never ends"#, r#"{"private_key": [redacted]"#),
            (
                r#"{"token": {"comment": "c"}, "update_mask": "comment"}"#,
                r#"{"token": {"comment": "c"}, "update_mask": "comment"}"#,
            ),
            (r#"{"token": "x"}"#, r#"{"token": "[redacted]"}"#),
            (r#"{"secrets": [{"id": "1", "status": "ACTIVE"}]}"#, r#"{"secrets": [{"id": "1", "status": "ACTIVE"}]}"#),
            ("password={\"v\":\"x\"}&a=b", "password=[redacted]&a=b"),
            ("password=a\"b&a=b", "password=[redacted]&a=b"),
            // Within other texts.
            (r#"{"a":"{\"password\":\"x y\",\"b\":1}"}"#, r#"{"a":"{\"password\":[redacted]\",\"b\":1}"}"#),
            ("/x?q=%7B%22password%22%3A%22x%22%7D", "/x?q=%7B%22password%22%3A%22[redacted]%22%7D"),
            ("/x?a%26client_secret%3Dx%26b%3Dc", "/x?a%26client_secret%3D[redacted]%26b%3Dc"),
            ("/x?a%2526client_secret%253Dx", "/x?a%2526client_secret%253D[redacted]"),
            (r#"{"path":"password","value":"x"}"#, r#"{"path":"password","value":"[redacted]"}"#),
            (
                r#"{"op":"replace","value":{"a":"x"},"path":"password"}"#,
                r#"{"op":"replace","value":[redacted],"path":"password"}"#,
            ),
            (
                r#"{"name":"X-Api-Key","value":"x"},{"name":"a","value":"b"}"#,
                r#"{"name":"X-Api-Key","value":"[redacted]"},{"name":"a","value":"b"}"#,
            ),
            (
                "--b\r\nContent-Disposition: form-data; name=\"password\"\r\n\r\nx\ny\r\n--b--",
                "--b\r\nContent-Disposition: form-data; name=\"password\"\r\n\r\n[redacted]\r\n--b--",
            ),
            ("<input name=\"password\" value=\"x\">", "<input name=\"password\" value=\"[redacted]\">"),
            ("<a><password>x</password></a>", "<a><password>[redacted]</password></a>"),
            (
                "X-Api-Key: x y\r\nCookie: a=b; c=d\r\nAccept: e",
                "X-Api-Key: [redacted]\r\nCookie: [redacted]\r\nAccept: e",
            ),
            ("Send 'Authorization: Bearer <token>' with a token", "Send 'Authorization: Bearer <token>' with a token"),
            ("Authorization: Bearer hunter2", "Authorization: Bearer [redacted]"),
            ("the parameter code: it is missing", "the parameter code: it is missing"),
            ("{'password': 'x', 'a': 'b'}", "{'password': '[redacted]', 'a': 'b'}"),
            // By their form.
            (
                "https://u:p@h/x http://h:80/ https://t0ken@h",
                "https://u:[redacted]@h/x http://h:80/ https://[redacted]@h",
            ),
            ("AKIAIOSFODNN7EXAMPLE ghp_0123456789abcdefghij", "AKIA[redacted] ghp_[redacted]"),
            (
                "-----BEGIN RSA PRIVATE KEY-----\nMII=\n-----END RSA PRIVATE KEY-----",
                "-----BEGIN [redacted]-----END RSA PRIVATE KEY-----",
            ),
            ("a Basic dXNlcjpwYXNzd29yZA== b", "a Basic [redacted] b"),
        ] {
            assert_eq!(line(text), expected, "{text}");
            assert_eq!(line(&line(text)), expected, "twice: {text}");
        }
    }

    #[test]
    fn what_may_also_be_an_object_is_blanked_where_it_is_plain() {
        for (text, expected) in [
            (r#"{"credentials": "x", "a": 1}"#, r#"{"credentials": "[redacted]", "a": 1}"#),
            (r#"{"Git_Credential": 7, "a": 1}"#, r#"{"Git_Credential": [redacted], "a": 1}"#),
            (r#"{"credentials": ["x", "y"], "a": 1}"#, r#"{"credentials": [redacted], "a": 1}"#),
            (
                r#"{"credentials": {"password": "x", "a": 1}, "credential_name": "n"}"#,
                r#"{"credentials": {"password": "[redacted]", "a": 1}, "credential_name": "n"}"#,
            ),
            (r#"{"credentials": [{"id": "1", "pwd": "x"}]}"#, r#"{"credentials": [{"id": "1", "pwd": "[redacted]"}]}"#),
            (r#"{"session": "x", "session_id": "y"}"#, r#"{"session": "[redacted]", "session_id": "[redacted]"}"#),
            (
                r#"{"session": {"user": "u"}, "auth": {"type": "t"}}"#,
                r#"{"session": {"user": "u"}, "auth": {"type": "t"}}"#,
            ),
            (
                r#"{"auth": "x", "sid": "y", "auth_type": "t"}"#,
                r#"{"auth": "[redacted]", "sid": "[redacted]", "auth_type": "t"}"#,
            ),
            (
                r#"{"authorization": "x", "cookie": "y", "Set-Cookie": "z"}"#,
                r#"{"authorization": "[redacted]", "cookie": "[redacted]", "Set-Cookie": "[redacted]"}"#,
            ),
            (
                "client_assertion=x&code_verifier=y&credential=z&a=b",
                "client_assertion=[redacted]&code_verifier=[redacted]&credential=[redacted]&a=b",
            ),
            ("grant_type=client_credentials&a=b", "grant_type=client_credentials&a=b"),
            ("the credential: it is missing", "the credential: it is missing"),
        ] {
            assert_eq!(line(text), expected, "{text}");
        }
    }

    #[test]
    fn escapes_hide_nothing() {
        let each = |written: fn(u8) -> String| VALUE.bytes().map(written).collect::<Vec<_>>().concat();
        let hidden = each(|byte| format!("%{byte:02x}"));
        let in_json = each(|byte| format!("\\u{byte:04X}"));
        assert_eq!(line(&format!("/tokens/{hidden}")), "/tokens/%64%61%70%69[redacted]");
        let blanked = "{\"comment\": \"\\u0064\\u0061\\u0070\\u0069[redacted]\"}";
        assert_eq!(line(&format!("{{\"comment\": \"{in_json}\"}}")), blanked);
        for text in ["a%2Fb \\\\u0064 100%", "50% off", "C:\\new", "%", "%%%", "\\", "&#;"] {
            assert_eq!(line(text), text);
        }
        // Escaped again and again, in parts, or between other letters.
        let thrice = each(|byte| format!("%2525{byte:02X}"));
        let split = VALUE.replace('7', "%%33%37");
        let wide: String = VALUE.chars().flat_map(|letter| [letter, '\0']).collect();
        for text in [thrice, split, wide, each(|byte| format!("&#{byte};")), each(|byte| format!("\\\\u{byte:04x}"))] {
            let kept = line(&format!("/x/{text}/y"));
            assert!(kept.ends_with("[redacted]/y"), "{text}: {kept}");
        }
    }

    #[test]
    fn values_are_blanked_wherever_they_stand() {
        assert_eq!(line(&format!("/tokens/{VALUE}/x{VALUE}")), "/tokens/dapi[redacted]/xdapi[redacted]");
        assert_eq!(line("dapi-mock, dapi, a dose of eyJ"), "dapi-mock, dapi, a dose of eyJ");
        assert_eq!(line(&VALUE.replace("dapi", "?o=dose")), "?o=dose[redacted]");
        assert_eq!(line(&VALUE.replace("dapi", "édose dose")), "édose dose[redacted]");
        assert_eq!(line(&format!("{VALUE}{VALUE}-2 a")), "dapi[redacted] a");
        assert_eq!(line(&VALUE.to_uppercase()), "DAPI[redacted]");
        assert_eq!(line("/x/eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2ln_-/y"), "/x/eyJ[redacted]/y");
        let id = "9".repeat(64);
        assert_eq!(line(&id), id, "a token's id is no secret");
    }

    #[test]
    fn no_text_takes_long() {
        for part in [
            "{\"pwd\":{",
            "\"name\":\"pwd\",",
            "name=\"pwd\" ",
            "%25",
            "-----BEGIN PRIVATE KEY",
            "\"pwd\":\"",
            "://a:b",
            "dapi",
            "&#1",
        ] {
            let text = part.repeat(LIMIT / part.len());
            assert!(line(&text).len() <= text.len() + BLANK.len() * (LIMIT / part.len()));
        }
    }

    /// A secret in one of the ways that it may be written.
    fn encoded(secret: &str, way: usize, choice: u64) -> String {
        let each = |written: &dyn Fn(u8) -> String| -> String {
            let chosen = |place: usize| choice >> (place % 64) & 1 == 1;
            let letters = secret.bytes().enumerate();
            letters
                .map(|(place, byte)| if chosen(place) { written(byte) } else { char::from(byte).to_string() })
                .collect()
        };
        match way % 9 {
            0 => secret.to_owned(),
            1 => each(&|byte| format!("%{byte:02x}")),
            2 => each(&|byte| format!("%25{byte:02X}")),
            3 => each(&|byte| format!("\\u{byte:04x}")),
            4 => each(&|byte| format!("\\\\u{byte:04X}")),
            5 => STANDARD.encode(secret),
            6 => URL_SAFE_NO_PAD.encode(format!("{}{secret}", "x".repeat(usize::from(choice.is_multiple_of(2))))),
            7 => hex::encode(secret),
            _ => each(&|byte| format!("&#x{byte:x};")),
        }
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
        fn no_way_of_writing_hides_a_secret(
            digits in "[0-9a-f]{32}", way in 0..9_usize, choice in any::<u64>(),
            before in "[a-z]{0,3}[/?&= \"{:]", after in "[/?&= \"}]?[a-z]{0,3}",
        ) {
            for prefix in ["dapi", "dose", "dort"] {
                let written = encoded(&format!("{prefix}{digits}"), way, choice);
                let kept = line(&format!("{before}{written}{after}"));
                prop_assert!(!kept.contains(&written), "{kept}");
                let seen = (0..=digits.len() - 12).any(|at| kept.contains(&digits[at..at + 12]));
                prop_assert!(!seen, "{written}: {kept}");
            }
        }

        #[test]
        fn any_text_is_taken(text in "\\PC*", bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            line(&text);
            line(&format!("%{text}password=\\{text}\"name\":\"pwd\"{text}"));
            prop_assert_eq!(body(&bytes).bytes, bytes.len());
        }
    }
}
