//! A client of the own API, for the commands that speak to a running server.

use std::net::Ipv4Addr;

use axum::body::Body;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use axum::http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::BodyExt;
use hyper::client::conn::http1::handshake;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

/// What went wrong, worded for the terminal.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// A server on this machine.
#[derive(Clone, Debug)]
pub struct OwnClient {
    /// Its port.
    pub port: u16,
    /// Its control key.
    pub key: Option<String>,
}

/// An answer.
#[derive(Clone, Debug)]
pub struct OwnAnswer {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub text: String,
}

impl OwnClient {
    /// Sends one request.
    ///
    /// # Errors
    /// When there is no server, or it does not answer.
    pub async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> Result<OwnAnswer, Failure> {
        let address = format!("127.0.0.1:{}", self.port);
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).await;
        let stream = stream.map_err(|error| format!("no server answers at {address}: {error}"))?;
        let (mut sender, connection) = handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        let mut request = Request::builder().method(method).uri(path).header(HOST, &address);
        if let Some(key) = &self.key {
            request = request.header(AUTHORIZATION, format!("Bearer {key}"));
        }
        let body = match body {
            Some(body) => {
                request = request.header(CONTENT_TYPE, "application/json");
                Body::from(body.to_string())
            }
            None => Body::empty(),
        };
        let (parts, body) = sender.send_request(request.body(body)?).await?.into_parts();
        let bytes = body.collect().await?.to_bytes();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        Ok(OwnAnswer { status: parts.status, headers: parts.headers, text })
    }

    /// Sends one request to the own API; its error's sentence where it refuses.
    ///
    /// # Errors
    /// As [`send`](Self::send), and every refusal.
    pub async fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> Result<OwnAnswer, Failure> {
        let answer = self.send(method, &format!("/_mock/v1/{path}"), body).await?;
        if answer.status.is_success() {
            return Ok(answer);
        }
        let problem: Value = serde_json::from_str(&answer.text).unwrap_or_default();
        Err(problem.get("error").and_then(Value::as_str).unwrap_or(&answer.text).into())
    }
}
