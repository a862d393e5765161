//! What a browser says about the page that a request comes from, and which Host headers are allowed. Other clients than
//! browsers send none of these headers.

use std::net::IpAddr;

use axum::Router;
use axum::extract::Request;
use axum::http::header::{HOST, ORIGIN, REFERER};
use axum::http::{Extensions, HeaderMap, HeaderName};
use axum::middleware::map_request;

use crate::web::connection::Connection;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
const SEC_FETCH_DEST: HeaderName = HeaderName::from_static("sec-fetch-dest");

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// Whether the page has another origin. `same-site` counts as another one: it may be another port of this host, which
/// may belong to another person.
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
    // Browsers from before 2023 may send only this.
    !all_own(REFERER)
}

fn is_fetched_from_elsewhere(headers: &HeaderMap) -> bool {
    headers.get_all(SEC_FETCH_SITE).iter().any(|site| !matches!(site.as_bytes(), b"same-origin" | b"none"))
}

/// Whether a page of another origin embeds or fetches this. Following a link from there is allowed: it changes nothing,
/// and the other page does not see the answer.
pub(crate) fn is_embedded_elsewhere(headers: &HeaderMap) -> bool {
    let follows_link =
        text(headers, SEC_FETCH_MODE) == Some("navigate") && text(headers, SEC_FETCH_DEST) == Some("document");
    is_fetched_from_elsewhere(headers) && !follows_link
}

/// The message if [`has_known_host`] is false.
pub(crate) const UNKNOWN_HOST: &str =
    "Host header not allowed: use an IP address, localhost or a dotless name, or start with --allow-host NAME";

/// Nobody can own such a name as a domain of the internet: RFC 6761 reserves the first for loopback, ICANN the second
/// for private use. Docker's `host.docker.internal` is one.
const PRIVATE_ENDINGS: [&str; 2] = [".localhost", ".internal"];

/// Whether the Host is an IP address, `localhost`, a name without dots (such as a container's), or one that the settings
/// allow: an attacker can own none of these as a domain and point it here.
pub(crate) fn has_known_host(headers: &HeaderMap, extensions: &Extensions) -> bool {
    Connection::of(extensions).host_allowed || text(headers, HOST).is_some_and(is_known_host)
}

/// A host name without its port.
fn name_of(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    }
}

fn is_known_host(host: &str) -> bool {
    let name = name_of(host).trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
    let is_private = PRIVATE_ENDINGS.iter().any(|ending| name.ends_with(ending));
    !name.is_empty() && (name.parse::<IpAddr>().is_ok() || !name.contains('.') || is_private)
}

/// A name that `--allow-host` allows, in lower case: a single one, or all below a domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllowedHost {
    name: String,
    with_all_below: bool,
}

impl AllowedHost {
    /// Reads `NAME` or `*.SUFFIX`. A lone `*` is refused, as it would allow the pages of every site.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim().trim_end_matches('.').to_ascii_lowercase();
        let (name, with_all_below) = match text.strip_prefix("*.") {
            Some(suffix) => (suffix, true),
            None => (text.as_str(), false),
        };
        let is_letter = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
        let is_label = |label: &str| !label.is_empty() && label.len() <= 63 && label.bytes().all(is_letter);
        let is_name = name.len() <= 253 && name.split('.').all(is_label);
        is_name.then(|| Self { name: name.to_owned(), with_all_below })
    }

    fn is(&self, host: &str) -> bool {
        let name = name_of(host).trim_end_matches('.').to_ascii_lowercase();
        match name.strip_suffix(&self.name) {
            Some(rest) if self.with_all_below => rest.len() > 1 && rest.ends_with('.'),
            Some(rest) => rest.is_empty(),
            None => false,
        }
    }
}

/// The router, with these host names allowed as well.
pub(crate) fn allow_hosts(router: Router, hosts: &[AllowedHost]) -> Router {
    if hosts.is_empty() {
        return router;
    }
    let hosts: std::sync::Arc<[AllowedHost]> = hosts.into();
    router.layer(map_request(move |mut request: Request| {
        let host = text(request.headers(), HOST).unwrap_or_default();
        if hosts.iter().any(|allowed| allowed.is(host)) {
            request.extensions_mut().get_or_insert_default::<Connection>().host_allowed = true;
        }
        std::future::ready(request)
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_allowed_host_is_a_name_or_all_below_one() {
        let allows = |allowed: &str, host: &str| AllowedHost::parse(allowed).unwrap().is(host);
        assert!(allows("mock.example.com", "mock.example.com:3274") && allows("Mock.Example.com", "MOCK.example.com."));
        assert!(!allows("mock.example.com", "a.mock.example.com") && !allows("mock.example.com", "xmock.example.com"));
        assert!(allows("*.svc.cluster.local", "dapi-mock.ci.svc.cluster.local:80"));
        assert!(!allows("*.example.com", "example.com") && !allows("*.example.com", ".example.com"));
        assert!(!allows("*.example.com", "evilexample.com") && !allows("example.com", "example.com.evil.com"));
        for wrong in ["", "*", "*.", "a..b", "http://a", "a:80", "a/b", "*.*.a", "a.*", "[::1]"] {
            assert_eq!(AllowedHost::parse(wrong), None, "{wrong}");
        }
        for known in
            ["host.docker.internal:3274", "HOST.DOCKER.INTERNAL", "a.localhost", "dapi-mock", "[::1]:1", "10.0.0.1"]
        {
            assert!(is_known_host(known), "{known}");
        }
        for unknown in ["", "internal.evil.com", "evilinternal.com", "a.local", "127.0.0.1.evil.com"] {
            assert!(!is_known_host(unknown), "{unknown}");
        }
    }

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
    fn a_trailing_dot_makes_no_host_known() {
        for host in ["localhost.", "127.0.0.1.", "evil.com.", "evil.com.:3274", "a.localhost.", "."] {
            assert!(!is_known_host(host), "{host}");
        }
    }
}
