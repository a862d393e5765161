//! Values inside URLs.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// The unreserved characters of RFC 3986, and `@`, which paths and queries may hold and people read more easily.
const KEPT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'@');

/// A value as one segment of a path, or as a name or value in a query.
pub(crate) fn percent_encoded(text: &str) -> String {
    utf8_percent_encode(text, KEPT).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_stays_one() {
        for (text, path) in [
            ("a-b_c.1~", "a-b_c.1~"),
            ("a/b?c#d&e=f", "a%2Fb%3Fc%23d%26e%3Df"),
            ("ü %", "%C3%BC%20%25"),
            ("eva@example.com", "eva@example.com"),
        ] {
            assert_eq!(percent_encoded(text), path);
        }
    }
}
