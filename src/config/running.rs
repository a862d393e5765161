//! The arguments that name a running server and a workspace, and the output format of commands.

use std::fmt;
use std::path::{Path, PathBuf};

use axum::http::Uri;
use clap::{Args, ValueEnum};

use super::{DEFAULT_PORT, Secret, values, variable};
use crate::Failure;
use crate::store::Database;

/// Variables that these commands read without clap, because a flag has to win over the other flag's variable, and
/// `DATABRICKS_HOST` is honoured only if it is this machine.
pub(super) const VARIABLES: [&str; 3] = ["DAPI_MOCK_URL", "DAPI_MOCK_PORT", "DAPI_MOCK_CA"];

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerUrl {
    pub tls: bool,
    /// An IPv6 address is without brackets.
    pub host: String,
    pub port: u16,
}

impl ServerUrl {
    pub fn local(port: u16) -> Self {
        Self { tls: false, host: "127.0.0.1".to_owned(), port }
    }

    fn parse(text: &str) -> Result<Self, String> {
        let advice = || "not a server's URL: use one such as http://127.0.0.1:3274, without a path".to_owned();
        let with_scheme = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
        let uri: Uri = with_scheme.parse().map_err(|_| advice())?;
        let tls = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err(advice()),
        };
        let authority = uri.authority().filter(|authority| !authority.as_str().contains('@')).ok_or_else(advice)?;
        let (host, rest) = (authority.host(), authority.as_str().strip_prefix(authority.host()).unwrap_or_default());
        let port = match rest.strip_prefix(':') {
            Some(digits) => values::port(digits).map_err(|_| advice())?,
            None if tls => 443,
            None => 80,
        };
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let has_path = !matches!(uri.path(), "" | "/") || uri.query().is_some();
        if host.is_empty() || has_path {
            return Err(advice());
        }
        Ok(Self { tls, host: host.to_owned(), port })
    }

    fn is_loopback(&self) -> bool {
        let name = self.host.trim_end_matches('.').to_ascii_lowercase();
        let is_address = name.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
        is_address || name == "localhost" || name.ends_with(".localhost")
    }

    /// Host and port, as in the Host header.
    pub fn authority(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

impl fmt::Display for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", if self.tls { "https" } else { "http" }, self.authority())
    }
}

#[derive(Clone, Debug, Args)]
pub struct ServerArgs {
    #[expect(clippy::doc_markdown, reason = "it is the help text")]
    /// URL of the running server, http or https; defaults to DAPI_MOCK_URL. Without a URL and a port, DATABRICKS_HOST is used if it is this machine
    #[arg(long, value_name = "URL", value_parser = ServerUrl::parse, conflicts_with = "port", help_heading = "Server")]
    pub url: Option<ServerUrl>,

    #[expect(clippy::doc_markdown, reason = "it is the help text")]
    /// Port of a server on this machine; defaults to DAPI_MOCK_PORT, then PORT, then 3274
    #[arg(long, value_name = "PORT", value_parser = values::port, help_heading = "Server")]
    pub port: Option<u16>,

    #[expect(clippy::doc_markdown, reason = "it is the help text")]
    /// CA certificate (PEM) to trust for an https URL; defaults to DAPI_MOCK_CA, then to dapi-mock-tls/ca.pem in this folder
    #[arg(long, value_name = "PATH", help_heading = "Server")]
    pub ca: Option<PathBuf>,
}

impl ServerArgs {
    /// The server that flags and variables name. Flags win over variables, and variables of dapi-mock over those of
    /// clients.
    ///
    /// # Errors
    /// Names the variable whose value is wrong.
    pub fn server_url(&self) -> Result<ServerUrl, Failure> {
        self.server_url_from(variable)
    }

    fn server_url_from(&self, variable: impl Fn(&str) -> Option<String>) -> Result<ServerUrl, Failure> {
        let port_in =
            |name: &str, text: &str| values::port(text).map_err(|error| format!("{name}: '{text}' is {error}"));
        if let Some(url) = &self.url {
            return Ok(url.clone());
        }
        if let Some(port) = self.port {
            return Ok(ServerUrl::local(port));
        }
        if let Some(text) = variable("DAPI_MOCK_URL") {
            return Ok(ServerUrl::parse(&text).map_err(|error| format!("DAPI_MOCK_URL: '{text}' is {error}"))?);
        }
        if let Some(text) = variable("DAPI_MOCK_PORT") {
            return Ok(ServerUrl::local(port_in("DAPI_MOCK_PORT", &text)?));
        }
        // Clients ignore whatever follows host and port, because people paste what the browser shows.
        let host = variable("DATABRICKS_HOST").and_then(|text| {
            let (scheme, rest) = text.split_once("://").unwrap_or(("http", &text));
            let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
            ServerUrl::parse(&format!("{scheme}://{authority}")).ok()
        });
        if let Some(url) = host.filter(ServerUrl::is_loopback) {
            return Ok(url);
        }
        match variable("PORT") {
            Some(text) => Ok(ServerUrl::local(port_in("PORT", &text)?)),
            None => Ok(ServerUrl::local(DEFAULT_PORT)),
        }
    }

    /// Files with the CA certificates to trust for https.
    pub fn ca_files(&self) -> Vec<PathBuf> {
        let given = self.ca.clone().or_else(|| variable("DAPI_MOCK_CA").map(PathBuf::from));
        given.map_or_else(local_ca_files, |path| vec![path])
    }
}

/// The files where servers on this machine keep their CA certificates, as far as they exist.
fn local_ca_files() -> Vec<PathBuf> {
    let beside = match variable("DAPI_MOCK_DATABASE").and_then(|text| text.parse().ok()) {
        Some(Database::SqliteFile(path)) => Some(Path::new(&path).with_file_name("dapi-mock-tls")),
        _ => None,
    };
    let folders = [variable("DAPI_MOCK_TLS_DIR").map(PathBuf::from), beside, Some("dapi-mock-tls".into())];
    let files = folders.into_iter().flatten().map(|folder| folder.join("ca.pem"));
    files.chain(variable("SSL_CERT_FILE").map(PathBuf::from)).filter(|path| path.is_file()).collect()
}

#[derive(Clone, Copy, Debug, Args)]
pub struct OutputArgs {
    /// Print text for people, or JSON for programs
    #[arg(long, short = 'o', value_name = "FORMAT", default_value = "text")]
    pub output: Output,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people: aligned columns, with headings and colour on a terminal
    Text,
    /// For programs
    Json,
}

impl Output {
    pub fn is_json(self) -> bool {
        self == Self::Json
    }
}

/// The running server and the workspace that a command is about.
#[derive(Clone, Debug, Args)]
pub struct RunningArgs {
    #[command(flatten)]
    pub server: ServerArgs,

    /// Control key of the server
    #[arg(long, env = "DAPI_MOCK_CONTROL_KEY", hide_env_values = true, value_name = "KEY", help_heading = "Server")]
    pub control_key: Option<Secret>,

    /// Id or name of the workspace, or default for the default one
    #[arg(long, default_value = "default", value_name = "WORKSPACE", value_parser = values::workspace, help_heading = "Server")]
    pub workspace: String,

    #[command(flatten)]
    pub output: OutputArgs,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_scheme_host_and_port() {
        let url = |text: &str| ServerUrl::parse(text).map(|url| url.to_string());
        assert_eq!(url("http://127.0.0.1:3274/").unwrap(), "http://127.0.0.1:3274");
        assert_eq!(url("https://mock.example.com").unwrap(), "https://mock.example.com:443");
        assert_eq!(url("http://[::1]:80").unwrap(), "http://[::1]:80");
        assert_eq!(url("localhost:9").unwrap(), "http://localhost:9");
        for wrong in [
            "",
            "ftp://x",
            "http://",
            "http://a:b@x",
            "http://x:0",
            "http://x:70000",
            "http://x/p",
            "http://x/?o=1",
            "a b",
        ] {
            assert!(url(wrong).unwrap_err().starts_with("not a server's URL"), "{wrong}");
        }
    }

    #[test]
    fn flags_win_and_the_host_of_clients_is_honoured_on_this_machine() {
        let server = |url: Option<&str>, port: Option<u16>, variables: &[(&str, &str)]| {
            let args = ServerArgs { url: url.map(|url| ServerUrl::parse(url).unwrap()), port, ca: None };
            let found =
                |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
            args.server_url_from(found).map(|url| url.to_string()).map_err(|failure| failure.to_string())
        };
        let all = [
            ("DAPI_MOCK_URL", "https://a:1"),
            ("DAPI_MOCK_PORT", "2"),
            ("DATABRICKS_HOST", "http://localhost:3"),
            ("PORT", "4"),
        ];
        assert_eq!(server(Some("http://b:5"), None, &all).unwrap(), "http://b:5");
        assert_eq!(server(None, Some(6), &all).unwrap(), "http://127.0.0.1:6");
        assert_eq!(server(None, None, &all).unwrap(), "https://a:1");
        assert_eq!(server(None, None, &all[1..]).unwrap(), "http://127.0.0.1:2");
        assert_eq!(server(None, None, &all[2..]).unwrap(), "http://localhost:3");
        assert_eq!(server(None, None, &all[3..]).unwrap(), "http://127.0.0.1:4");
        assert_eq!(server(None, None, &[]).unwrap(), "http://127.0.0.1:3274");
        for pasted in ["http://127.0.0.1:3/?o=12", "127.0.0.1:3", "http://127.0.0.1:3/settings#x"] {
            let host = ("DATABRICKS_HOST", pasted);
            assert_eq!(server(None, None, &[host]).unwrap(), "http://127.0.0.1:3", "{pasted}");
        }
        let elsewhere = ("DATABRICKS_HOST", "https://adb-1.azuredatabricks.net");
        assert_eq!(server(None, None, &[elsewhere, ("PORT", "4")]).unwrap(), "http://127.0.0.1:4");
        assert!(server(None, None, &[("PORT", "x")]).unwrap_err().starts_with("PORT: 'x' is not a number"));
        assert!(
            server(None, None, &[("DAPI_MOCK_URL", "x/y")]).unwrap_err().starts_with("DAPI_MOCK_URL: 'x/y' is not")
        );
    }
}
