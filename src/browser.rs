//! What a browser says about the page behind a request. Other clients say none of it.

use std::net::IpAddr;

use axum::http::header::{HOST, ORIGIN, REFERER};
use axum::http::{HeaderMap, HeaderName};

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
const SEC_FETCH_DEST: HeaderName = HeaderName::from_static("sec-fetch-dest");

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// Whether the page is another origin's. `same-site` is one, too: another port of the same host, which need not be
/// the same person's.
pub(crate) fn is_foreign(headers: &HeaderMap) -> bool {
    let own = text(headers, HOST).unwrap_or_default();
    let is_own = |address: &str| {
        let authority = address.split_once("://").map(|(_, rest)| rest.split(['/', '?', '#']).next());
        authority.flatten() == Some(own)
    };
    let all_own = |name| headers.get_all(name).iter().all(|value| value.to_str().is_ok_and(is_own));
    if headers.contains_key(ORIGIN) || headers.contains_key(SEC_FETCH_SITE) {
        return !all_own(ORIGIN) || is_fetched_from_elsewhere(headers);
    }
    // Browsers from before 2023 may say no more than this.
    !all_own(REFERER)
}

fn is_fetched_from_elsewhere(headers: &HeaderMap) -> bool {
    headers.get_all(SEC_FETCH_SITE).iter().any(|site| !matches!(site.as_bytes(), b"same-origin" | b"none"))
}

/// Whether another origin's page embeds or fetches this. A link from there to a page is welcome: following it
/// changes nothing, and the other page does not see the answer.
pub(crate) fn is_embedded_elsewhere(headers: &HeaderMap) -> bool {
    let follows_link =
        text(headers, SEC_FETCH_MODE) == Some("navigate") && text(headers, SEC_FETCH_DEST) == Some("document");
    is_fetched_from_elsewhere(headers) && !follows_link
}

/// Whether the request names the server by an IP address, `localhost`, or a name without dots
/// (container names): none of these is a domain that somebody could own and point here.
pub(crate) fn has_known_host(headers: &HeaderMap) -> bool {
    text(headers, HOST).is_some_and(is_known_host)
}

fn is_known_host(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    };
    let name = name.trim_start_matches('[').trim_end_matches(']');
    !name.is_empty() && (name.parse::<IpAddr>().is_ok() || !name.contains('.') || name.ends_with(".localhost"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let host = ("host", "127.0.0.1:3274");
        let mut headers = HeaderMap::new();
        for (name, value) in [host].iter().chain(pairs) {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn another_port_is_another_origin() {
        let own = "http://127.0.0.1:3274";
        for pairs in [
            &[][..],
            &[("origin", own)],
            &[("sec-fetch-site", "none")],
            &[("origin", own), ("sec-fetch-site", "same-origin")],
            &[("referer", "http://127.0.0.1:3274/_mock/console?a=b")],
        ] {
            assert!(!is_foreign(&headers(pairs)), "{pairs:?}");
        }
        for pairs in [
            &[("sec-fetch-site", "same-site")][..],
            &[("sec-fetch-site", "cross-site")],
            &[("sec-fetch-site", "Same-Origin")],
            &[("sec-fetch-site", "")],
            &[("sec-fetch-site", "none"), ("sec-fetch-site", "same-site")],
            &[("origin", own), ("sec-fetch-site", "same-site")],
            &[("origin", own), ("origin", "http://127.0.0.1:9999")],
            &[("origin", "null")],
            &[("origin", "")],
            &[("origin", "http://127.0.0.1:3274.")],
            &[("origin", "http://localhost:3274")],
            &[("referer", "http://127.0.0.1:9999/")],
            &[("referer", "http://127.0.0.1:9999/http://127.0.0.1:3274/")],
            &[("upgrade", "websocket"), ("connection", "upgrade"), ("origin", "http://127.0.0.1:9999")],
        ] {
            assert!(is_foreign(&headers(pairs)), "{pairs:?}");
        }
    }

    #[test]
    fn a_link_from_elsewhere_may_be_followed_and_nothing_else() {
        let site = ("sec-fetch-site", "same-site");
        let (navigate, document) = (("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document"));
        assert!(!is_embedded_elsewhere(&headers(&[site, navigate, document])));
        assert!(!is_embedded_elsewhere(&headers(&[])));
        for pairs in [
            &[site][..],
            &[site, navigate],
            &[site, navigate, ("sec-fetch-dest", "iframe")],
            &[site, ("sec-fetch-mode", "no-cors"), ("sec-fetch-dest", "image")],
        ] {
            assert!(is_embedded_elsewhere(&headers(pairs)), "{pairs:?}");
        }
    }

    #[test]
    fn a_dot_at_the_end_makes_no_host_known() {
        for host in ["localhost.", "127.0.0.1.", "evil.com.", "evil.com.:3274", "a.localhost.", "."] {
            assert!(!is_known_host(host), "{host}");
        }
    }
}
