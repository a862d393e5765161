//! TLS and plain HTTP on one port, over real sockets, with the server's own CA or with a certificate of the user's.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use rcgen::{CertificateParams, KeyPair};
use serde_json::Value;
use tempfile::TempDir;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::support::{Server, command, get, start, start_in};

const MEMORY: [&str; 4] = ["--port", "0", "--database", "sqlite::memory:"];

/// The body of an answer.
fn body(answer: &str) -> &str {
    assert!(answer.starts_with("HTTP/1.1 20"), "{answer}");
    answer.split_once("\r\n\r\n").unwrap().1
}

fn json(answer: &str) -> Value {
    serde_json::from_str(body(answer)).unwrap()
}

/// One request over TLS, with the server under this name, trusted by this certificate.
fn over_tls(port: u16, trusted: &str, name: &str, head: &str) -> Result<String, String> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(trusted.as_bytes()).unwrap()).unwrap();
    let mut config = ClientConfig::builder_with_provider(default_provider().into())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let connection = ClientConnection::new(Arc::new(config), ServerName::try_from(name.to_owned()).unwrap()).unwrap();
    let mut stream = StreamOwned::new(connection, TcpStream::connect(("127.0.0.1", port)).unwrap());
    let request = format!("{head}Connection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).map_err(|error| error.to_string())?;
    assert_eq!(stream.conn.alpn_protocol(), Some(&b"http/1.1"[..]));
    let mut answer = String::new();
    stream.read_to_string(&mut answer).map_err(|error| error.to_string())?;
    Ok(answer)
}

impl Server {
    fn plainly(&self, path: &str) -> String {
        get(&format!("127.0.0.1:{}", self.port), path, "")
    }

    fn ca(&self) -> String {
        body(&self.plainly("/_mock/v1/tls/ca.pem")).to_owned()
    }

    /// Whether a client that trusts this certificate finds the server to be of this name.
    fn is(&self, name: &str, trusted: &str) -> Result<(), String> {
        let host = if name.contains(':') { format!("[{name}]") } else { name.to_owned() };
        let answer = over_tls(self.port, trusted, name, &format!("GET /livez HTTP/1.1\r\nHost: {host}\r\n"))?;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        Ok(())
    }
}

#[test]
fn both_schemes_are_on_each_port_and_addresses_say_which() {
    let server = start(&MEMORY);
    let (ca, token, here) = (server.ca(), server.export("DATABRICKS_TOKEN"), format!("127.0.0.1:{}", server.port));
    let ask = |port, head: String| over_tls(port, &ca, "127.0.0.1", &head).unwrap();
    let secretly = |path: &str| {
        ask(server.port, format!("GET {path} HTTP/1.1\r\nHost: {here}\r\nAuthorization: Bearer {token}\r\n"))
    };
    assert!(secretly("/api/2.0/token/list").starts_with("HTTP/1.1 200 OK\r\n"));
    let (config, metadata) = ("/.well-known/databricks-config", "/oidc/.well-known/oauth-authorization-server");
    for (scheme, config, metadata) in
        [("http", server.plainly(config), server.plainly(metadata)), ("https", secretly(config), secretly(metadata))]
    {
        assert_eq!(json(&config)["oidc_endpoint"], format!("{scheme}://{here}/oidc"));
        assert_eq!(json(&metadata)["issuer"], format!("{scheme}://{here}/oidc"));
        assert_eq!(json(&metadata)["token_endpoint"], format!("{scheme}://{here}/oidc/v1/token"));
    }
    // A workspace's own port speaks both as well.
    let wanted = r#"{"port": 0}"#;
    let head = format!(
        "POST /_mock/v1/workspaces HTTP/1.1\r\nHost: {here}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{wanted}",
        wanted.len()
    );
    let created = json(&ask(server.port, head));
    let host = created["host"].as_str().unwrap();
    let port = host.strip_prefix("https://127.0.0.1:").unwrap_or_else(|| panic!("{host}")).parse().unwrap();
    let named = |answer: &str| json(answer)["workspace_id"].clone();
    assert_eq!(named(&ask(port, format!("GET {config} HTTP/1.1\r\nHost: {here}\r\n"))), created["id"]);
    assert_eq!(named(&get(&format!("127.0.0.1:{port}"), config, "")), created["id"]);
}

#[test]
fn a_certificate_has_the_name_that_is_asked_for() {
    let server = start(&[&MEMORY[..], &["--tls-name", "192.0.2.7,other.example.com"]].concat());
    let ca = server.ca();
    for name in
        ["localhost", "127.0.0.1", "::1", "dapi-mock", "Mock.Example.com", "adb-1.2.azuredatabricks.net", "192.0.2.7"]
    {
        assert_eq!(server.is(name, &ca), Ok(()), "{name}");
    }
    let unknown = server.is("192.0.2.8", &ca).unwrap_err();
    assert!(unknown.contains("not valid for name"), "{unknown}");
    let other = start(&MEMORY);
    let distrusted = other.is("localhost", &ca).unwrap_err();
    assert!(distrusted.contains("invalid peer certificate"), "{distrusted}");
    let (_, log, _) = other.stop("TERM");
    assert!(log.contains("TLS with 127.0.0.1"), "{log}");
}

#[test]
fn the_own_ca_survives_and_is_made_at_first_need() {
    let file = ["--port", "0"];
    let server = start(&file);
    let kept = |folder: &TempDir| folder.path().join("dapi-mock-tls");
    assert!(!kept(&server.folder).exists());
    let printed = command(&server.folder).args(["ca", "--port", &server.port.to_string()]).output().unwrap();
    let ca = String::from_utf8(printed.stdout).unwrap();
    assert!(ca.starts_with("-----BEGIN CERTIFICATE-----"), "{ca}");
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&kept(&server.folder)), mode(&kept(&server.folder).join("ca.key"))), (0o700, 0o600));

    let (_, _, folder) = server.stop("KILL");
    let server = start_in(folder, &file);
    assert_eq!(server.is("db.example.com", &ca), Ok(()));
    assert_eq!(server.ca(), ca);

    // A lost certificate is recreated from the key, so clients that trust the old one trust the new one.
    let (_, _, folder) = server.stop("TERM");
    std::fs::remove_file(kept(&folder).join("ca.pem")).unwrap();
    let server = start_in(folder, &file);
    assert_eq!((server.is("localhost", &ca), server.is("localhost", &server.ca())), (Ok(()), Ok(())));

    // A wrong key is reported, and does not affect plain HTTP.
    let (_, _, folder) = server.stop("TERM");
    std::fs::write(kept(&folder).join("ca.key"), KeyPair::generate().unwrap().serialize_pem()).unwrap();
    let server = start_in(folder, &file);
    server.is("localhost", &ca).unwrap_err();
    let answer = server.plainly("/_mock/v1/tls/ca.pem");
    assert!(answer.starts_with("HTTP/1.1 500 ") && answer.contains("the CA in dapi-mock-tls"), "{answer}");
    let (_, log, folder) = server.stop("TERM");
    assert!(log.contains("the CA in dapi-mock-tls"), "{log}");
    let refused = command(&folder).args(["--port", "0", "--tls-dir", "dapi-mock-tls"]).output().unwrap();
    assert!(!refused.status.success(), "a given folder is checked at the start");
}

#[test]
fn the_users_certificate_takes_the_place_of_the_own_ca() {
    let folder = tempfile::tempdir().unwrap();
    let (key, other) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let own = CertificateParams::new(["mock.example.com".to_owned()]).unwrap().self_signed(&key).unwrap().pem();
    for (name, text) in
        [("own.pem", own.clone()), ("own.key", key.serialize_pem()), ("other.key", other.serialize_pem())]
    {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    for (certificate, key, says) in [
        ("own.pem", "other.key", "--tls-cert own.pem and --tls-key other.key: "),
        ("none.pem", "own.key", "--tls-cert none.pem: "),
        ("own.key", "own.key", "--tls-cert own.key: the file has no certificate"),
        ("own.pem", "own.pem", "--tls-key own.pem: "),
    ] {
        let args = ["--port", "0", "--tls-cert", certificate, "--tls-key", key];
        let refused = command(&folder).args(args).output().unwrap();
        let error = String::from_utf8(refused.stderr).unwrap();
        assert!(!refused.status.success() && error.contains(says), "{error}");
    }
    let server = start_in(folder, &["--port", "0", "--tls-cert", "own.pem", "--tls-key", "own.key"]);
    assert_eq!(server.is("mock.example.com", &own), Ok(()));
    let answer = server.plainly("/_mock/v1/tls/ca.pem");
    assert!(answer.starts_with("HTTP/1.1 404 ") && answer.contains("--tls-cert"), "{answer}");
}

#[test]
fn broken_handshakes_harm_nobody() {
    let server = start(&MEMORY);
    let address = format!("127.0.0.1:{}", server.port);
    let silent: Vec<TcpStream> = (0..20).map(|_| TcpStream::connect(&address).unwrap()).collect();
    let mut slow: Vec<TcpStream> = (0..20).map(|_| TcpStream::connect(&address).unwrap()).collect();
    for stream in &mut slow {
        stream.write_all(b"\x16\x03\x01").unwrap();
    }
    for bytes in [
        &b"\x16"[..],
        b"\x16GET / HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\xff\xff",
        b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00",
    ] {
        let mut stream = TcpStream::connect(&address).unwrap();
        stream.write_all(bytes).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        assert!(!answer.starts_with(b"HTTP/"), "{}", String::from_utf8_lossy(&answer));
    }
    assert!(server.plainly("/livez").starts_with("HTTP/1.1 200 OK\r\n"));
    assert_eq!(server.is("localhost", &server.ca()), Ok(()));
    let (code, log, _) = server.stop("TERM");
    assert_eq!(code, Some(0));
    assert!(!log.contains("still running"), "a client that has not sent a request blocks nothing: {log}");
    drop((silent, slow));
}

#[test]
fn without_tls_the_port_is_plain() {
    let ca = start(&MEMORY).ca();
    let server = start(&[&MEMORY[..], &["--tls", "off"]].concat());
    server.is("localhost", &ca).unwrap_err();
    assert!(server.plainly("/livez").starts_with("HTTP/1.1 200 OK\r\n"));
    let answer = server.plainly("/_mock/v1/tls/ca.pem");
    assert!(answer.starts_with("HTTP/1.1 404 ") && answer.contains("does not use TLS"), "{answer}");
}
