//! `/v1/tls`: the certificate that a client needs to trust the server.

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;

use super::Control;
use super::reply::{ControlError, Reply};
use crate::listen::ExtraListeners;

/// Answers with PEM, in the media type of RFC 8555.
pub(super) async fn ca(State(control): State<Control>) -> Reply {
    let none = |why| ControlError::new(StatusCode::NOT_FOUND, why);
    let tls = control
        .extra_listeners
        .as_ref()
        .and_then(ExtraListeners::tls)
        .ok_or_else(|| none("The server does not use TLS: start it with --tls on."))?;
    let broken = |error| ControlError::new(StatusCode::INTERNAL_SERVER_ERROR, format!("{error}."));
    let pem = tls
        .ca()
        .map_err(broken)?
        .ok_or_else(|| none("The server has no CA of its own: it uses the certificate of --tls-cert."))?;
    Ok(([(CONTENT_TYPE, "application/pem-certificate-chain")], pem).into_response())
}
