//! The binary as a process: its addresses, signals, exit codes and settings.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::Duration;

use dapi_mock::service::ADMIN_CLIENT_ID;

use crate::support::{Running, command, get, signal, start, start_by};

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

#[test]
fn the_server_answers_on_both_loopbacks_and_stops_gracefully() {
    for name in ["TERM", "INT", "HUP"] {
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
        assert!(log.contains(&format!("stopping because of SIG{name}")), "{log}");
        assert!(log.contains("stopped") && !log.contains(&token));
        assert!(folder.path().join("dapi-mock.db").exists());
    }
}

/// As `nohup` starts it.
#[test]
fn a_hangup_that_is_ignored_stays_ignored() {
    let folder = tempfile::tempdir().unwrap();
    let mut through_a_shell = Command::new("sh");
    let script = "trap '' HUP; exec \"$0\" --port 0 --database sqlite::memory:";
    through_a_shell.args(["-c", script, env!("CARGO_BIN_EXE_dapi-mock")]).current_dir(folder.path()).env_clear();
    through_a_shell.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let server = start_by(through_a_shell, folder);
    signal(&server.child.0, "HUP");
    std::thread::sleep(Duration::from_millis(300));
    assert!(get(&format!("127.0.0.1:{}", server.port), "/livez", "").starts_with("HTTP/1.1 200 OK\r\n"));
    let (code, log, _) = server.stop("TERM");
    assert!(code == Some(0) && !log.contains("SIGHUP"), "{log}");
}

/// A fixture's server stops when its test runner ends, however that happens.
#[test]
fn the_server_stops_gracefully_when_standard_input_closes() {
    let until = |stdin: Stdio, args: &[&str], env: &[(&str, &str)]| {
        let folder = tempfile::tempdir().unwrap();
        let mut command = command(&folder);
        command.args(["--port", "0"]).args(args).envs(env.iter().copied()).stdin(stdin);
        (command, folder)
    };
    let flag = &["--until-stdin-closes"][..];
    let variable = &[("DAPI_MOCK_UNTIL_STDIN_CLOSES", "1")][..];
    for (args, env) in [(flag, &[][..]), (&[], variable)] {
        let (reader, writer) = std::io::pipe().unwrap();
        let (ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
        let ends: [(Stdio, Box<dyn Write>); 2] =
            [(reader.into(), Box::new(writer)), (std::os::fd::OwnedFd::from(theirs).into(), Box::new(ours))];
        for (stdin, mut held) in ends {
            let (command, folder) = until(stdin, args, env);
            let mut server = start_by(command, folder);
            held.write_all(b"what is written means nothing").unwrap();
            assert!(get(&format!("127.0.0.1:{}", server.port), "/livez", "").starts_with("HTTP/1.1 200 OK\r\n"));
            drop(held);
            assert_eq!(server.child.ends(), Some(0));
            let log = server.log.join().unwrap();
            assert!(log.contains("stopping because standard input was closed") && log.contains("stopped"), "{log}");
        }
    }
    let file = tempfile::tempfile().unwrap();
    for stdin in [Stdio::null(), file.into()] {
        let output = until(stdin, flag, &[]).0.output().unwrap();
        let says = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(1) && says.contains("requires a pipe, a socket or a terminal"), "{says}");
    }
    // Not requested, so standard input does not stop the server.
    let server = start(&["--port", "0", "--database", "sqlite::memory:"]);
    assert!(get(&format!("127.0.0.1:{}", server.port), "/livez", "").starts_with("HTTP/1.1 200 OK\r\n"));
    assert_eq!(server.stop("TERM").0, Some(0));
}

#[test]
fn a_second_start_finds_what_the_first_left() {
    let server = start(&["serve", "--port", "0"]);
    let token = server.export("DATABRICKS_TOKEN");
    let (client_id, secret) = server.oauth().unwrap();
    assert_eq!(client_id, ADMIN_CLIENT_ID.to_string());
    // After the exports, so that pasting them sets only one way to authenticate.
    let at = |start: &str| server.banner.iter().position(|line| line.starts_with(start)).unwrap();
    assert_eq!(at("export DATABRICKS_TOKEN=") + 1, at("# OAuth: "));
    let (_, _, folder) = server.stop("KILL");
    let mut child = command(&folder).args(["--port", "0", "--log-format", "json"]).spawn().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap()).lines();
    let lines: Vec<String> =
        out.by_ref().map(Result::unwrap).take_while(|line| !line.starts_with("dapi-mock ready")).collect();
    assert!(lines.iter().any(|line| line.contains("`dapi-mock admin-token` creates another")), "{lines:?}");
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
    refused(&[], &[("PORT", "x")], "PORT: 'x' is not a number: use a number");
    refused(&[], &[("DAPI_MOCK_ADMIN_TOKEN", "dapi1")], "32 lower-case hex digits");
    refused(&[], &[("DAPI_MOCK_ADMIN_CLIENT_SECRET", "dose1")], "use dose and 32 lower-case hex digits");
    refused(
        &["--database", "sqlite:no/such/folder/x.db", "--port", "0"],
        &[],
        "sqlite:no/such/folder/x.db cannot be created because the folder no/such/folder is missing",
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
    assert!(
        String::from_utf8(output.stderr).unwrap().contains("unknown variable DAPI_MOCK_PROT: see dapi-mock --help")
    );
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
