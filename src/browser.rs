//! What a browser says about the page behind a request. Other clients say none of it.

use std::net::IpAddr;

use axum::http::header::{HOST, ORIGIN};
use axum::http::{HeaderMap, HeaderName};

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// Whether the page is another site's.
pub(crate) fn is_foreign(headers: &HeaderMap) -> bool {
    let own = text(headers, HOST).unwrap_or_default();
    let is_own = |origin: &str| origin.split_once("://").is_some_and(|(_, host)| host == own);
    let other_origin = headers.contains_key(ORIGIN) && !text(headers, ORIGIN).is_some_and(is_own);
    other_origin || text(headers, SEC_FETCH_SITE) == Some("cross-site")
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
