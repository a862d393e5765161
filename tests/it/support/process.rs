//! The built binary as a process: starting it, talking to it over a socket, signals, and its log.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

pub(crate) const ADMIN: &str = "dapi00000000000000000000000000000007";
pub(crate) const MEMORY: [&str; 6] = ["--port", "0", "--database", "sqlite::memory:", "--admin-token", ADMIN];

/// A process that does not outlive its test.
pub(crate) struct Running(pub(crate) Child);

pub(crate) struct Server {
    pub(crate) child: Running,
    out: BufReader<ChildStdout>,
    /// Standard error, read continuously because a full pipe would block the server.
    pub(crate) log: JoinHandle<String>,
    pub(crate) port: u16,
    pub(crate) banner: Vec<String>,
    pub(crate) folder: TempDir,
}

pub(crate) fn read_all(mut from: impl Read + Send + 'static) -> JoinHandle<String> {
    std::thread::spawn(move || {
        let mut text = String::new();
        from.read_to_string(&mut text).unwrap();
        text
    })
}

impl Running {
    /// Waits for its exit code; a process that hangs fails the test.
    pub(crate) fn ends(&mut self) -> Option<i32> {
        for _ in 0..3000 {
            if let Some(status) = self.0.try_wait().unwrap() {
                return status.code();
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("the process does not end");
    }
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
        assert!(out.read_line(&mut line).unwrap() > 0, "the server ended before it was ready: {banner:?}");
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

/// Sends a head, which this completes, and a body; returns the whole answer.
pub(crate) fn exchange(address: &str, head: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "{head}Content-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

pub(crate) fn signal(child: &Child, name: &str) {
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

    /// Client id and secret of the admin service principal, from the banner of the first start.
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

impl Server {
    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Runs `dapi-mock ARGS --port …`, and returns its standard output, or its standard error if it failed.
    pub(crate) fn run(&self, args: &[&str]) -> Result<String, String> {
        let output = command(&self.folder).args(args).args(["--port", &self.port.to_string()]).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) }
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> String {
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {ADMIN}\r\nContent-Type: application/json\r\n",
            self.address()
        );
        exchange(&self.address(), &head, &body.to_string())
    }

    /// Creates a token, and returns its value and id.
    pub(crate) fn create(&self, body: &Value) -> (String, String) {
        let answer = self.post("/api/2.0/token/create", body);
        let json: Value = serde_json::from_str(answer.split("\r\n\r\n").nth(1).unwrap()).unwrap_or_else(|error| {
            panic!("{error}: {answer}");
        });
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        (text(&json["token_value"]), text(&json["token_info"]["token_id"]))
    }

    pub(crate) fn list(&self, token: &str) -> String {
        get(&self.address(), "/api/2.0/token/list", token)
    }
}
