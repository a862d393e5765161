//! Secrets that are known by the name before them: in JSON, in forms, in headers and parts of messages, in elements. The
//! text need not be valid in any of these: what is broken may hold a secret, too. Start reading at [`find_named`].

use memchr::{memchr3_iter, memmem};

use super::{Blank, at, length_while};

/// Names of secrets, in lower case and without separators.
#[rustfmt::skip] // A list of words.
const NAMES: [&str; 17] = [
    "admission", "auth", "bearer", "code", "codes", "jwt", "secrets", "session", "sessionid", "sessions", "sid",
    "sig", "ticket", "token", "tokens", "xamzcredential", "xamzsignature",
];
/// Ends of names of secrets, in the singular.
#[rustfmt::skip] // A list of words.
const ENDINGS: [&str; 18] = [
    "accesskey", "accountkey", "apikey", "assertion", "authkey", "authorization", "codeverifier",
    "connectionstring", "controlkey", "cookie", "passcode", "passphrase", "passwd", "password", "privatekey",
    "pwd", "secret", "secretkey",
];
/// Names that end in `token` are secrets, except these, which are about pages of lists.
const PAGE_TOKENS: [&str; 3] = ["pagetoken", "nexttoken", "continuationtoken"];
/// Names that objects and lists have, too: only a plain value is a secret.
const ALSO_OBJECTS: [&str; 6] = ["auth", "secrets", "session", "sessions", "token", "tokens"];
/// Words of ordinary text: they name a secret only in a form or as a member.
#[rustfmt::skip] // A list of words.
const ALSO_WORDS: [&str; 12] = [
    "auth", "bearer", "code", "codes", "credential", "credentials", "secrets", "session", "sessions", "ticket",
    "token", "tokens",
];
/// Members that name another member, `value`.
const POINTERS: [&str; 6] = ["attribute", "field", "header", "key", "name", "path"];
const LONGEST_NAME: usize = 64;
/// How far from its name a value may be, with another member or the head of a part between them.
const REACH: usize = 1024;

/// Which values are secrets under a name.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Accept {
    /// Also objects and lists.
    Any,
    /// A string or another plain value.
    Plain,
}

/// How a name and its value are written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Written {
    /// `"name": value`, as in JSON
    Quoted,
    /// `name=value`
    Form,
    /// `name: value`
    Head,
}

pub(super) fn find_named(text: &[u8], blank: Blank<'_>) {
    // What is blanked is not searched again: a value may hold many names.
    let mut done = 0;
    for separator in memchr3_iter(b'=', b':', b'>', text) {
        if separator < done {
            continue;
        }
        let Some((start, name, written)) = name_before(text, separator) else { continue };
        if at(text, separator) == b'>' {
            let end = separator + 1 + length_while(text, separator + 1, |byte| byte != b'<');
            let is_element = start.checked_sub(1).is_some_and(|before| at(text, before) == b'<');
            // `<token>` alone is a placeholder.
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
            let may_be_object = ALSO_OBJECTS.contains(&name.as_str()) || is_credential(&name);
            let accept = if may_be_object { Accept::Plain } else { Accept::Any };
            let (from, to) = value_at(text, from, written, accept);
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

/// Such a member may hold an object, whose members have names of their own.
fn is_credential(name: &str) -> bool {
    name.strip_suffix('s').unwrap_or(name).ends_with("credential")
}

/// The name before a separator, in lower case and without `_`, `-`, `.` and spaces, and where it begins.
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
    // A space belongs to the name only inside quotes.
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

/// The value at a place, without its quotes.
fn value_at(text: &[u8], from: usize, written: Written, accept: Accept) -> (usize, usize) {
    let rest = text.get(from..).unwrap_or_default();
    match at(text, from) {
        quote @ (b'"' | b'\'') => (from + 1, from + 1 + string_length(rest.get(1..).unwrap_or_default(), quote)),
        b'{' if accept == Accept::Plain => (from, from),
        b'[' if accept == Accept::Plain && !rest.get(1..).unwrap_or_default().trim_ascii_start().starts_with(b"\"") => {
            (from, from)
        }
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
            // An instruction how to send a credential.
            let is_advice = scheme.is_some() && b"<$".contains(&at(text, value));
            let length = if is_advice { 0 } else { plain_length(text.get(value..).unwrap_or_default(), b'\n') };
            (value, value + length)
        }
    }
}

/// The length of a value without quotes, which ends at `end`, with its line, or with the string that it is in.
fn plain_length(rest: &[u8], end: u8) -> usize {
    let length = rest.iter().position(|byte| *byte == end || b"\r\n".contains(byte)).unwrap_or(rest.len());
    string_length(rest.get(..length).unwrap_or_default(), b'"')
}

/// The length of a string after its opening quote. In a decoded text, a quote may be inside the string: the one that
/// ends it is followed by what follows a value.
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

/// The length of an object or a list with its brackets; the whole text if it has no end.
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

/// A value whose name is the value of another member: `{"path": "password", "value": …}`, a part of a form
/// (`name="password"`, an empty line, the value), a field of a page.
fn find_pointed_at(text: &[u8], separator: usize, from: usize, blank: Blank<'_>) {
    let written = if at(text, separator) == b'=' { Written::Form } else { Written::Quoted };
    let (from, to) = value_at(text, from, written, Accept::Any);
    let Some(named) = text.get(from..to).filter(|named| named.len() <= 2 * LONGEST_NAME) else { return };
    let is_path = named.contains(&b'/');
    let last = named.rsplit(|byte| b":/; ".contains(byte)).next().unwrap_or(named);
    let name: String = last
        .iter()
        .filter(|byte| byte.is_ascii_alphanumeric())
        .map(|byte| char::from(byte.to_ascii_lowercase()))
        .collect();
    // Many paths end in `tokens`.
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
            let (from, to) = value_at(text, to + place + b"value=".len(), Written::Form, Accept::Any);
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
            let (from, to) = value_at(text, value, Written::Quoted, Accept::Any);
            blank(from, to);
        }
    }
}

/// Where the object around a place begins, if it is near.
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
