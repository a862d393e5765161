//! Refuses requests that leave open which host is meant or where the body ends (RFC 9112, sections 3.2 and 6.1): a proxy
//! in front could read them differently.

use axum::extract::Request;
use axum::http::header::{CONTENT_TYPE, HOST, TRANSFER_ENCODING};
use axum::http::uri::Authority;
use axum::http::{HeaderValue, StatusCode, Version};
use axum::response::{IntoResponse, Response};

/// Checks the headers that frame a request.
pub(super) fn check(request: &Request) -> Result<(), &'static str> {
    let headers = request.headers();
    let mut hosts = headers.get_all(HOST).iter();
    let host = hosts.next();
    if hosts.next().is_some() {
        return Err("More than one Host header.");
    }
    match host {
        None if request.version() >= Version::HTTP_11 => return Err("The Host header is missing."),
        Some(host) if !is_host(host) => return Err("The Host header is not a host with an optional port."),
        _ => {}
    }
    let target = request.uri().authority().map(|authority| authority.as_str().as_bytes());
    if target.zip(host).is_some_and(|(target, host)| !target.eq_ignore_ascii_case(host.as_bytes())) {
        return Err("The request target and the Host header name different hosts.");
    }
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    if codings.any(|coding| !coding.as_bytes().trim_ascii().eq_ignore_ascii_case(b"chunked")) {
        return Err("The only Transfer-Encoding that is read is chunked.");
    }
    Ok(())
}

fn is_host(value: &HeaderValue) -> bool {
    let Ok(authority) = Authority::try_from(value.as_bytes()) else { return false };
    let port = authority.as_str().strip_prefix(authority.host());
    let is_port = |rest: &str| {
        rest.is_empty() || rest.strip_prefix(':').is_some_and(|port| port.bytes().all(|byte| byte.is_ascii_digit()))
    };
    !authority.host().is_empty() && port.is_some_and(is_port)
}

pub(super) fn malformed(reason: &str) -> Response {
    let body = format!("{{\"error_code\":\"MALFORMED_REQUEST\",\"message\":\"{reason}\"}}");
    (StatusCode::BAD_REQUEST, [(CONTENT_TYPE, "application/json")], body).into_response()
}
