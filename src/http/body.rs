//! Reads the body of a request, within bounds of size and time. A body that breaks a bound is drained, so that the
//! client reads the refusal and not a reset connection.

use std::time::Duration;

use axum::body::Body;
use axum::http::HeaderMap;
use axum::http::header::CONTENT_ENCODING;
use http_body_util::BodyExt;
use hyper::body::{Body as _, Bytes};
use tokio::time::timeout;

use super::redaction;
use crate::domain::Denial;
use crate::domain::denial::RequestDenial;

/// Largest body that is read.
pub const BODY_LIMIT: usize = 1024 * 1024;
/// How much of a larger body is read and dropped, so that the client has sent it all before it is answered.
const DRAIN_LIMIT: usize = 16 * 1024 * 1024;
/// How long a body may take to arrive.
pub(crate) const BODY_TIMEOUT: Duration = Duration::from_secs(30);
/// How much of a Content-Encoding a refusal repeats.
const ENCODING_SHOWN: usize = 64;

pub(super) async fn receive(body: Body, headers: &HeaderMap) -> Result<Bytes, Denial> {
    if body.is_end_stream() {
        return Ok(Bytes::new());
    }
    let whole = timeout(BODY_TIMEOUT, collect(body)).await.unwrap_or(Err(RequestDenial::BodyTimeout.into()));
    decoded(whole, headers)
}

/// Refuses an encoded body once it has been read to its end.
pub(crate) fn decoded(body: Result<Bytes, Denial>, headers: &HeaderMap) -> Result<Bytes, Denial> {
    let encodings: Vec<_> = headers
        .get_all(CONTENT_ENCODING)
        .iter()
        .map(|value| String::from_utf8_lossy(value.as_bytes()).trim().to_ascii_lowercase())
        .filter(|name| !name.is_empty() && name != "identity")
        .collect();
    match body {
        Ok(body) if !body.is_empty() && !encodings.is_empty() => {
            Err(RequestDenial::UnsupportedEncoding(redaction::start(&encodings.join(", "), ENCODING_SHOWN)).into())
        }
        other => other,
    }
}

async fn collect(mut body: Body) -> Result<Bytes, Denial> {
    let mut whole = Vec::new();
    let mut dropped = 0;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| RequestDenial::MalformedBody(error.to_string()))?;
        let Some(data) = frame.data_ref() else { continue };
        if dropped == 0 && whole.len() + data.len() <= BODY_LIMIT {
            whole.extend_from_slice(data);
            continue;
        }
        dropped += data.len();
        if dropped > DRAIN_LIMIT {
            break;
        }
    }
    if dropped == 0 { Ok(whole.into()) } else { Err(RequestDenial::BodyTooLarge.into()) }
}
