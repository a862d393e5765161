//! The HTTP client of the commands that use a running server. It opens its connections itself, so that proxy variables
//! have no effect.

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

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Longer than the server's own timeout.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(330);

#[derive(Clone, Debug)]
pub(super) struct ControlClient {
    pub(super) server: ServerUrl,
    /// Files with the CA certificates to trust for https.
    pub(super) ca_files: Vec<PathBuf>,
    pub(super) control_key: Option<Secret>,
}

#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) text: String,
}

impl ControlClient {
    /// # Errors
    /// Names the variable whose value is wrong.
    pub(super) fn new(server: &ServerArgs, control_key: Option<&Secret>) -> Result<Self, Failure> {
        Ok(Self { server: server.server_url()?, ca_files: server.ca_files(), control_key: control_key.cloned() })
    }

    /// # Errors
    /// If there is no server, or it does not answer.
    pub(super) async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Answer, Failure> {
        let mut sender = self.connect().await?;
        let mut request = Request::builder().method(method).uri(path).header(HOST, self.server.authority());
        if let Some(key) = &self.control_key {
            request = request.header(AUTHORIZATION, format!("Bearer {}", key.0));
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
        match timeout(ANSWER_TIMEOUT, answer).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(format!("{server} did not answer as a dapi-mock server does: {error}").into()),
            Err(_) => Err(format!("{server} accepted the request, but did not answer in time").into()),
        }
    }

    async fn connect(&self) -> Result<SendRequest<Body>, Failure> {
        let server = &self.server;
        let unreachable = |error: &dyn std::fmt::Display| {
            format!(
                "no server answers at {server} ({error}): start one with `dapi-mock`, or name a running one with --url or --port"
            )
        };
        let stream = timeout(CONNECT_TIMEOUT, TcpStream::connect((server.host.as_str(), server.port))).await;
        let stream = stream.map_err(|_| unreachable(&"timed out"))?.map_err(|error| unreachable(&error))?;
        if !server.tls {
            return handshake_http(stream).await;
        }
        let name = ServerName::try_from(server.host.clone())?;
        let connecting = TlsConnector::from(Arc::new(self.tls()?)).connect(name, stream);
        let stream = timeout(CONNECT_TIMEOUT, connecting).await.map_err(|_| unreachable(&"timed out"))?;
        let stream = stream.map_err(|error| {
            format!(
                "cannot trust {server} ({error}): pass the certificate of its CA with --ca PATH; `dapi-mock ca --url \
                 http://{}` prints it",
                server.authority()
            )
        })?;
        handshake_http(stream).await
    }

    fn tls(&self) -> Result<ClientConfig, Failure> {
        let mut roots = RootCertStore::empty();
        for path in &self.ca_files {
            let unreadable =
                |error: &dyn std::fmt::Display| format!("cannot read CA certificate {}: {error}", path.display());
            for certificate in CertificateDer::pem_file_iter(path).map_err(|error| unreadable(&error))? {
                roots.add(certificate.map_err(|error| unreadable(&error))?).map_err(|error| unreadable(&error))?;
            }
        }
        let config = ClientConfig::builder_with_provider(Arc::new(default_provider()));
        Ok(config.with_safe_default_protocol_versions()?.with_root_certificates(roots).with_no_client_auth())
    }

    /// Calls the control API. A refusal becomes an error with its message.
    pub(super) async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Answer, Failure> {
        let answer = self.send(method, &format!("/_mock/v1/{path}"), body).await?;
        if answer.status.is_success() {
            return Ok(answer);
        }
        let body: Value = serde_json::from_str(&answer.text).unwrap_or_default();
        let message = body.get("error").and_then(Value::as_str);
        let other = || format!("{} answered {}: is it a dapi-mock server?", self.server, answer.status);
        Err(message.map_or_else(other, ToOwned::to_owned).into())
    }
}

async fn handshake_http(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
) -> Result<SendRequest<Body>, Failure> {
    let (sender, connection) = handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    Ok(sender)
}
