//! The binary as a process: addresses, signals, exit codes, bad settings.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread::JoinHandle;

use dapi_mock::service::ADMIN_CLIENT_ID;
use tempfile::TempDir;

/// A process that does not outlive its test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

pub(crate) struct Server {
    child: Running,
    out: BufReader<ChildStdout>,
    /// Standard error, read all the while: a full pipe would hold the server up.
    log: JoinHandle<String>,
    pub(crate) port: u16,
    banner: Vec<String>,
    pub(crate) folder: TempDir,
}

fn read_all(mut from: impl Read + Send + 'static) -> JoinHandle<String> {
    std::thread::spawn(move || {
        let mut text = String::new();
        from.read_to_string(&mut text).unwrap();
        text
    })
}

pub(crate) fn command(folder: &TempDir) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dapi-mock"));
    command.current_dir(folder.path()).env_clear().stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

pub(crate) fn start(args: &[&str]) -> Server {
    start_in(tempfile::tempdir().unwrap(), args)
}

pub(crate) fn start_in(folder: TempDir, args: &[&str]) -> Server {
    let mut command = command(&folder);
    command.args(args);
    start_by(command, folder)
}

pub(crate) fn start_by(mut command: Command, folder: TempDir) -> Server {
    let mut child = Running(command.spawn().unwrap());
    let mut out = BufReader::new(child.0.stdout.take().unwrap());
    let log = read_all(child.0.stderr.take().unwrap());
    let mut banner = Vec::new();
    loop {
        let mut line = String::new();
        assert!(out.read_line(&mut line).unwrap() > 0, "it ended before it was ready: {banner:?}");
        banner.push(line.trim_end().to_owned());
        if line.starts_with("dapi-mock ready host=http://127.0.0.1:") {
            let port = line.split([':', ' ']).find_map(|word| word.parse().ok()).unwrap();
            return Server { child, out, log, port, banner, folder };
        }
    }
}

pub(crate) fn get(address: &str, path: &str, token: &str) -> String {
    exchange(address, &format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\n"), "")
}

/// Sends a head, as far as it is given, and a body; answers what comes back.
pub(crate) fn exchange(address: &str, head: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "{head}Content-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn signal(child: &Child, name: &str) {
    assert!(Command::new("kill").arg(format!("-{name}")).arg(child.id().to_string()).status().unwrap().success());
}

impl Server {
    pub(crate) fn process_id(&self) -> u32 {
        self.child.0.id()
    }

    pub(crate) fn export(&self, name: &str) -> String {
        let prefix = format!("export {name}=");
        self.banner.iter().find_map(|line| line.strip_prefix(&prefix)).unwrap_or_default().to_owned()
    }

    /// Client id and secret of the admin service principal, as the first start's banner has them.
    pub(crate) fn oauth(&self) -> Option<(String, String)> {
        let line = self.banner.iter().find_map(|line| line.strip_prefix("# OAuth: "))?;
        let (id, secret) = line.split_once(' ').unwrap();
        let value = |text: &str, name: &str| text.strip_prefix(name).unwrap().to_owned();
        Some((value(id, "DATABRICKS_CLIENT_ID="), value(secret, "DATABRICKS_CLIENT_SECRET=")))
    }

    pub(crate) fn stop(mut self, name: &str) -> (Option<i32>, String, TempDir) {
        signal(&self.child.0, name);
        let code = self.child.0.wait().unwrap().code();
        let mut rest = String::new();
        self.out.read_to_string(&mut rest).unwrap();
        (code, self.log.join().unwrap(), self.folder)
    }
}

#[test]
fn it_answers_on_both_loopbacks_and_stops_in_order() {
    for name in ["TERM", "INT"] {
        let server = start(&["--port", "0", "--log-level", "debug"]);
        let token = server.export("DATABRICKS_TOKEN");
        assert_eq!(server.export("DATABRICKS_HOST"), format!("http://127.0.0.1:{}", server.port));
        for address in [format!("127.0.0.1:{}", server.port), format!("[::1]:{}", server.port)] {
            assert!(get(&address, "/api/2.0/token/list", &token).starts_with("HTTP/1.1 200 OK\r\n"));
            assert!(get(&address, "/readyz", "").starts_with("HTTP/1.1 200 OK\r\n"));
        }
        // A client that keeps its connection open must not keep the server from stopping.
        let idle = TcpStream::connect(("127.0.0.1", server.port)).unwrap();
        let (code, log, folder) = server.stop(name);
        drop(idle);
        assert_eq!(code, Some(0), "{log}");
        assert!(log.contains("stopped") && !log.contains(&token));
        assert!(folder.path().join("dapi-mock.db").exists());
    }
}

#[test]
fn a_second_start_finds_what_the_first_left() {
    let server = start(&["serve", "--port", "0"]);
    let token = server.export("DATABRICKS_TOKEN");
    let (client_id, secret) = server.oauth().unwrap();
    assert_eq!(client_id, ADMIN_CLIENT_ID.to_string());
    // After the exports, so that whoever pastes them pastes one way to authenticate.
    let at = |start: &str| server.banner.iter().position(|line| line.starts_with(start)).unwrap();
    assert_eq!(at("export DATABRICKS_TOKEN=") + 1, at("# OAuth: "));
    let (_, _, folder) = server.stop("KILL");
    let mut child = command(&folder).args(["--port", "0", "--log-format", "json"]).spawn().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap()).lines();
    let lines: Vec<String> =
        out.by_ref().map(Result::unwrap).take_while(|line| !line.starts_with("dapi-mock ready")).collect();
    assert!(lines.iter().any(|line| line.contains("`dapi-mock admin-token` makes another")), "{lines:?}");
    assert!(!lines.iter().any(|line| line.contains(&token) || line.contains(&secret)));
    let host = lines.iter().find_map(|line| line.strip_prefix("export DATABRICKS_HOST=http://")).unwrap();
    assert!(get(host, "/api/2.0/token/list", &token).starts_with("HTTP/1.1 200 OK\r\n"));
    let another = command(&folder).arg("admin-token").output().unwrap();
    let another = String::from_utf8(another.stdout).unwrap();
    let another = another.trim().strip_prefix("export DATABRICKS_TOKEN=").unwrap();
    assert!(get(host, "/api/2.0/token/list", another).starts_with("HTTP/1.1 200 OK\r\n"));
    get(host, "/api/2.0/token/list", "nonsense");
    signal(&child, "TERM");
    child.wait().unwrap();
    let mut log = String::new();
    child.stderr.take().unwrap().read_to_string(&mut log).unwrap();
    for line in log.lines() {
        let event: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(event["level"].is_string(), "{line}");
    }
    assert!(log.contains("credential_well_formed"), "{log}");
}

#[test]
fn bad_settings_refuse_to_start() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |args: &[&str], env: &[(&str, &str)], says: &str| {
        let output = command(&folder).args(args).envs(env.iter().copied()).output().unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && error.contains(says), "{args:?} {env:?}: {error}");
    };
    refused(&["--database", "mysql://x"], &[], "use sqlite:PATH");
    refused(&[], &[("DAPI_MOCK_PORT", "x")], "not a number: use a number from 0 to 65535");
    refused(&[], &[("PORT", "x")], "PORT is 'x', which is not a number: use a number");
    refused(&[], &[("DAPI_MOCK_ADMIN_TOKEN", "dapi1")], "32 lower-case hex digits");
    refused(&[], &[("DAPI_MOCK_ADMIN_CLIENT_SECRET", "dose1")], "use dose and 32 lower-case hex digits");
    refused(
        &["--database", "sqlite:no/such/folder/x.db", "--port", "0"],
        &[],
        "sqlite:no/such/folder/x.db cannot be made, as there is no folder no/such/folder",
    );
    refused(&["env"], &[], "admin token");
    refused(&["admin-token"], &[], "start the server once");
    refused(&["healthcheck", "--port", "1"], &[], "no server answers at http://127.0.0.1:1");
    let taken = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    refused(&["--port", &port], &[], &format!("cannot listen on 127.0.0.1:{port}"));
}

#[test]
fn an_unknown_variable_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = command(&folder).args(["--port", "0"]).env("DAPI_MOCK_PROT", "1").spawn().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(out.any(|line| line.unwrap().starts_with("dapi-mock ready")));
    signal(&child, "TERM");
    let output = child.wait_with_output().unwrap();
    assert!(String::from_utf8(output.stderr).unwrap().contains("DAPI_MOCK_PROT is set, but there is no such setting"));
}

#[test]
fn exports_are_printed_again_where_the_value_was_given() {
    let folder = tempfile::tempdir().unwrap();
    let token = "dapi0123456789abcdef0123456789abcdef";
    let output =
        command(&folder).arg("env").env("DAPI_MOCK_ADMIN_TOKEN", token).env("DAPI_MOCK_PORT", "9").output().unwrap();
    let expected = format!("export DATABRICKS_HOST=http://127.0.0.1:9\nexport DATABRICKS_TOKEN={token}\n");
    assert_eq!(String::from_utf8(output.stdout).unwrap(), expected);
}

#[test]
fn slow_and_malformed_clients_harm_nobody() {
    let server = start(&["--port", "0", "--database", "sqlite::memory:"]);
    let address = format!("127.0.0.1:{}", server.port);
    let mut slow: Vec<TcpStream> = (0..50).map(|_| TcpStream::connect(&address).unwrap()).collect();
    for stream in &mut slow {
        stream.write_all(b"GET /livez HTTP/1.1\r\nHost: x\r\nX-Slow: ").unwrap();
    }
    for bytes in [
        &b"\x00\x01\x02\r\n\r\n"[..],
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        b"GET /livez HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n",
    ] {
        let mut stream = TcpStream::connect(&address).unwrap();
        stream.write_all(bytes).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        assert!(!answer.starts_with(b"HTTP/1.1 5"), "{}", String::from_utf8_lossy(&answer));
    }
    assert!(get(&address, "/livez", "").starts_with("HTTP/1.1 200 OK\r\n"));
    assert_eq!(server.stop("TERM").0, Some(0));
}
