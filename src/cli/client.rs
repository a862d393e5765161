//! A client of the control API, for the commands that speak to a running server. It connects by itself, so that
//! no proxy variable has a say in it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use axum::http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::BodyExt;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::Failure;
use crate::config::{Secret, ServerArgs, ServerUrl};

/// How long a server has to take a connection.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);
/// How long it has for an answer: somewhat longer than it gives itself.
const ANSWER_LIMIT: Duration = Duration::from_secs(330);

/// A server, and what it asks for.
#[derive(Clone, Debug)]
pub(super) struct ControlClient {
    /// Its address.
    pub(super) server: ServerUrl,
    /// Files with the certificates of the CAs that are trusted for https.
    pub(super) trusted: Vec<PathBuf>,
    /// Its control key.
    pub(super) key: Option<String>,
}

/// An answer.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    /// The status.
    pub(super) status: StatusCode,
    /// The headers.
    pub(super) headers: HeaderMap,
    /// The body.
    pub(super) text: String,
}

impl ControlClient {
    /// A client of the server that flags and variables name.
    ///
    /// # Errors
    /// A sentence that names the variable whose value is wrong.
    pub(super) fn of(server: &ServerArgs, key: Option<&Secret>) -> Result<Self, Failure> {
        Ok(Self { trusted: server.certificates(), server: server.server()?, key: key.map(|key| key.0.clone()) })
    }

    /// Sends one request.
    ///
    /// # Errors
    /// When there is no server, or it does not answer.
    pub(super) async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Answer, Failure> {
        let mut sender = self.connect().await?;
        let mut request = Request::builder().method(method).uri(path).header(HOST, self.server.authority());
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
        let request = request.body(body)?;
        let answer = async {
            let (parts, body) = sender.send_request(request).await?.into_parts();
            let bytes = body.collect().await?.to_bytes();
            let text = String::from_utf8_lossy(&bytes).into_owned();
            Ok::<_, hyper::Error>(Answer { status: parts.status, headers: parts.headers, text })
        };
        let server = &self.server;
        match timeout(ANSWER_LIMIT, answer).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(format!("{server} did not answer as a dapi-mock server does: {error}").into()),
            Err(_) => Err(format!("{server} took the request, but did not answer it").into()),
        }
    }

    async fn connect(&self) -> Result<SendRequest<Body>, Failure> {
        let server = &self.server;
        let unreachable = |error: &dyn std::fmt::Display| {
            format!(
                "no server answers at {server} ({error}): start one with `dapi-mock`, or name a running one by --url or --port"
            )
        };
        let stream = timeout(CONNECT_LIMIT, TcpStream::connect((server.host.as_str(), server.port))).await;
        let stream = stream.map_err(|_| unreachable(&"timed out"))?.map_err(|error| unreachable(&error))?;
        if !server.tls {
            return speak(stream).await;
        }
        let name = ServerName::try_from(server.host.clone())?;
        let connecting = TlsConnector::from(Arc::new(self.tls()?)).connect(name, stream);
        let stream = timeout(CONNECT_LIMIT, connecting).await.map_err(|_| unreachable(&"timed out"))?;
        let stream = stream.map_err(|error| {
            format!(
                "cannot trust {server} ({error}): give the certificate of its CA by --ca PATH; `dapi-mock ca --url \
                 http://{}` prints it",
                server.authority()
            )
        })?;
        speak(stream).await
    }

    fn tls(&self) -> Result<ClientConfig, Failure> {
        let mut roots = RootCertStore::empty();
        for path in &self.trusted {
            let unreadable =
                |error: &dyn std::fmt::Display| format!("cannot read CA certificate {}: {error}", path.display());
            for certificate in CertificateDer::pem_file_iter(path).map_err(|error| unreadable(&error))? {
                roots.add(certificate.map_err(|error| unreadable(&error))?).map_err(|error| unreadable(&error))?;
            }
        }
        let config = ClientConfig::builder_with_provider(Arc::new(default_provider()));
        Ok(config.with_safe_default_protocol_versions()?.with_root_certificates(roots).with_no_client_auth())
    }

    /// Sends one request to the control API; its error's sentence where it refuses.
    ///
    /// # Errors
    /// As [`send`](Self::send), and every refusal.
    pub(super) async fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Answer, Failure> {
        let answer = self.send(method, &format!("/_mock/v1/{path}"), body).await?;
        if answer.status.is_success() {
            return Ok(answer);
        }
        let problem: Value = serde_json::from_str(&answer.text).unwrap_or_default();
        let sentence = problem.get("error").and_then(Value::as_str);
        let other = || format!("{} answered {}: is it a dapi-mock server?", self.server, answer.status);
        Err(sentence.map_or_else(other, ToOwned::to_owned).into())
    }
}

async fn speak(stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) -> Result<SendRequest<Body>, Failure> {
    let (sender, connection) = handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    Ok(sender)
}
