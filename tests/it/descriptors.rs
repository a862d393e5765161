//! Limits on open files: how many the server raises, and how many it leaves for the database.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Server, command, start_by};

const FILE: [&str; 2] = ["--port", "0"];

fn limited(limit: &str, args: &[&str], folder: &std::path::Path) -> Command {
    let mut command = Command::new("bash");
    let script = format!("ulimit {limit}; exec \"$0\" \"$@\"");
    command.args(["-c", &script, env!("CARGO_BIN_EXE_dapi-mock")]).args(args).current_dir(folder).env_clear();
    command.env("PATH", "/usr/local/bin:/usr/bin:/bin");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// A server with a limit on open files, in the form of bash's `ulimit`.
pub(crate) fn start_with_files(limit: &str, args: &[&str]) -> Server {
    let folder = tempfile::tempdir().unwrap();
    start_by(limited(limit, args, folder.path()), folder)
}

fn ask(server: &Server, method: &str, path: &str, body: &Value) -> (u16, Value) {
    let mut stream = TcpStream::connect(("127.0.0.1", server.port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let (body, token) = (body.to_string(), server.export("DATABRICKS_TOKEN"));
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all((head + &body).as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    let body = answer.split("\r\n\r\n").nth(1).and_then(|body| serde_json::from_str(body).ok());
    (answer[9..12].parse().unwrap(), body.unwrap_or_default())
}

fn idle(server: &Server, count: usize) -> Vec<TcpStream> {
    (0..count).map(|_| TcpStream::connect(("127.0.0.1", server.port)).unwrap()).collect()
}

#[test]
fn with_few_files_idle_connections_delay_nobody_for_long() {
    let server = start_with_files("-n 64", &FILE);
    let create = |comment: &str| ask(&server, "POST", "/api/2.0/token/create", &json!({"comment": comment})).0;
    for count in [1, 15, 40] {
        let held = idle(&server, count);
        assert_eq!(ask(&server, "GET", "/livez", &json!({})).0, 200, "{count}");
        assert_eq!(ask(&server, "GET", "/readyz", &json!({})).0, 200, "{count}");
        assert_eq!(create("beside idle ones"), 200, "{count}: there are files left for the database");
        drop(held);
    }
    let (code, log, _) = server.stop("TERM");
    assert!(code == Some(0) && !log.contains("accept:"), "{log}");
}

#[test]
fn ports_of_workspaces_end_before_the_files_do() {
    let server = start_with_files("-n 256", &FILE);
    let create = |body: &Value| ask(&server, "POST", "/_mock/v1/workspaces", body);
    let mut made = Vec::new();
    let refusal = loop {
        let (status, answer) = create(&json!({"port": 0}));
        if status != 201 {
            break (status, answer);
        }
        made.push(answer["id"].as_str().unwrap().to_owned());
        assert!(made.len() < 100, "the number of ports is limited");
    };
    let says = format!(
        "port: all {} extra ports are in use; delete a workspace that has one, or close the port of an account, or start the server with a \
         higher limit on open files (ulimit -n).",
        made.len()
    );
    assert_eq!(refusal, (409, json!({ "error": says })));
    assert_eq!(create(&json!({"port": 0, "name": "again"})).0, 409);
    let fork = format!("/_mock/v1/workspaces/{}/fork", made[0]);
    assert_eq!(ask(&server, "POST", &fork, &json!({"port": 0})).0, 409);
    // Everything else continues even while connections use up their share.
    let held = idle(&server, 200);
    let (status, listed) = ask(&server, "GET", "/_mock/v1/workspaces", &json!({}));
    assert_eq!(
        (status, listed["total"].as_u64()),
        (200, u64::try_from(made.len() + 1).ok()),
        "the refused ones left nothing"
    );
    assert_eq!(create(&json!({"name": "without a port"})).0, 201);
    assert_eq!(ask(&server, "POST", "/api/2.0/token/create", &json!({})).0, 200);
    let own_port = |id: &str| {
        let shown = ask(&server, "GET", &format!("/_mock/v1/workspaces/{id}"), &json!({})).1;
        u16::try_from(shown["port"].as_u64().unwrap()).unwrap()
    };
    for id in &made {
        TcpStream::connect(("127.0.0.1", own_port(id))).unwrap();
    }
    assert_eq!(ask(&server, "DELETE", &format!("/_mock/v1/workspaces/{}", made[0]), &json!({})).0, 200);
    assert_eq!(create(&json!({"port": 0})).0, 201, "a closed port is available again");
    assert_eq!(create(&json!({"port": 0})).0, 409);
    drop(held);
    let (code, log, _) = server.stop("TERM");
    assert!(code == Some(0) && !log.contains("accept:"), "{log}");
}

#[test]
fn the_soft_limit_is_raised_for_the_server_and_not_for_the_command_of_exec() {
    let server = start_with_files("-S -n 64", &["--port", "0", "--database", "sqlite::memory:"]);
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", server.process_id())).unwrap();
    let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    let [soft, hard] = [3, 4].map(|at| line.split_whitespace().nth(at).unwrap().parse().unwrap_or(u64::MAX));
    assert_eq!(soft, hard.min(4096));
    server.stop("TERM");
    let folder = tempfile::tempdir().unwrap();
    let script = "ulimit -n; grep 'open files' /proc/$PPID/limits";
    let output = limited("-S -n 64", &["exec", "--", "bash", "-c", script], folder.path()).output().unwrap();
    let out = String::from_utf8(output.stdout).unwrap();
    assert!(out.starts_with("64\n"), "{out}");
}

#[test]
fn too_few_files_are_refused_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let output = limited("-n 40", &FILE, folder.path()).output().unwrap();
    let says = String::from_utf8(output.stderr).unwrap();
    assert!(
        output.status.code() == Some(1) && says.contains("the system allows 40 open files, and dapi-mock"),
        "{says}"
    );
    assert!(!command(&folder).arg("--version").output().unwrap().stdout.is_empty());
}
