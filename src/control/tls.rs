//! `/v1/tls`: what a client needs to trust the server.

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;

use super::Control;
use super::reply::{Problem, Reply};
use crate::listen::ExtraListeners;

/// The own CA's certificate, as PEM (RFC 8555's media type).
pub(super) async fn ca(State(control): State<Control>) -> Reply {
    let none = |why| Problem::new(StatusCode::NOT_FOUND, why);
    let tls = control.doors.as_ref().and_then(ExtraListeners::tls).ok_or_else(|| none("The server speaks no TLS."))?;
    let broken = |error| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, format!("{error}."));
    let pem = tls.ca().map_err(broken)?.ok_or_else(|| none("The server's certificate is the one of --tls-cert."))?;
    Ok(([(CONTENT_TYPE, "application/pem-certificate-chain")], pem).into_response())
}
