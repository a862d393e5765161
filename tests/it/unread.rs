//! Nobody reads the server's output: a full pipe, a stopped terminal, a closed pipe, a full disk. Neither a request nor the
//! shutdown waits for it.

use std::fs::File;
use std::io::{BufRead, BufReader, PipeReader, Read, Write};
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::process::Stdio;
use std::time::Duration;

use tempfile::TempDir;

use crate::support::{Running, command, read_all, signal};

const MEMORY: [&str; 4] = ["--port", "0", "--database", "sqlite::memory:"];

/// More lines, and longer ones, than a pipe and the server's queue take.
const REFUSED: usize = 400;

/// A server whose standard error the test provides.
fn start(args: &[&str], stderr: Stdio) -> (Running, u16, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let mut server = Running(command(&folder).args(MEMORY).args(args).stderr(stderr).spawn().unwrap());
    let out = BufReader::new(server.0.stdout.take().unwrap());
    let ready = out.lines().map(Result::unwrap).find_map(|line| {
        let rest = line.strip_prefix("dapi-mock ready host=http://127.0.0.1:")?;
        rest.split(' ').next()?.parse().ok()
    });
    (server, ready.expect("it is ready"), folder)
}

/// Sends a request, and fails if it is not answered.
fn ask(port: u16, path: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    answer
}

/// Causes many refusals, each a log line; the server still works afterwards, and stops when asked to.
fn goes_on(server: &mut Running, port: u16) {
    let path = format!("/api/2.0/token/{}", "x".repeat(8000));
    for _ in 0..REFUSED {
        let answer = ask(port, &path);
        assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
    }
    assert!(ask(port, "/livez").starts_with("HTTP/1.1 200"));
    assert!(ask(port, "/api/2.0/token/list").starts_with("HTTP/1.1 401"));
    signal(&server.0, "TERM");
    assert_eq!(server.ends(), Some(0));
}

fn full_pipe() -> (PipeReader, Stdio) {
    let (reader, mut writer) = std::io::pipe().unwrap();
    // The default capacity of a pipe on Linux.
    writer.write_all(&vec![b'x'; 64 * 1024]).unwrap();
    (reader, writer.into())
}

#[test]
fn a_standard_error_that_nobody_reads_holds_nothing_up() {
    for format in ["text", "json"] {
        let (reader, stderr) = full_pipe();
        let (mut server, port, _folder) = start(&["--log-format", format], stderr);
        goes_on(&mut server, port);
        drop(reader);
    }
}

#[test]
fn what_was_not_written_is_counted_once_somebody_reads() {
    let (mut reader, stderr) = full_pipe();
    let (mut server, port, _folder) = start(&[], stderr);
    let path = format!("/api/2.0/token/{}", "x".repeat(8000));
    for _ in 0..REFUSED {
        ask(port, &path);
    }
    reader.read_exact(&mut vec![0; 64 * 1024]).unwrap();
    let mut lines = BufReader::new(reader).lines().map(Result::unwrap);
    let mut written = 0;
    let notice = lines.by_ref().inspect(|_| written += 1).find(|line| line.contains("log lines were dropped")).unwrap();
    let dropped: usize = notice.split("dropped=").nth(1).unwrap().trim().parse().unwrap();
    // A refused path is one or two lines; every missing line is counted.
    assert!(notice.contains("ERROR") && (written - 1 + dropped).is_multiple_of(REFUSED), "{written} {notice}");
    // From now on every line is written.
    ask(port, "/api/2.0/token/list");
    signal(&server.0, "TERM");
    assert_eq!(server.ends(), Some(0));
    let rest: Vec<_> = lines.collect();
    assert!(rest.iter().any(|line| line.contains("no credential was sent")), "{rest:?}");
    assert!(rest.last().unwrap().ends_with("stopped"), "{rest:?}");
}

#[test]
fn a_closed_pipe_and_a_full_disk_as_standard_error_hold_nothing_up() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    for stderr in [Stdio::from(writer), File::options().write(true).open("/dev/full").unwrap().into()] {
        let (mut server, port, _folder) = start(&["--log-level", "debug"], stderr);
        goes_on(&mut server, port);
    }
}

#[test]
fn a_stopped_terminal_holds_nothing_up() {
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

    let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&terminal).unwrap();
    unlockpt(&terminal).unwrap();
    let path = ptsname(&terminal, Vec::new()).unwrap().into_string().unwrap();
    let side: OwnedFd = File::options().read(true).write(true).open(path).unwrap().into();
    // As Ctrl-S does.
    rustix::termios::tcflow(&side, rustix::termios::Action::OOff).unwrap();
    let (mut server, port, _folder) = start(&[], side.into());
    goes_on(&mut server, port);
}

#[test]
fn a_standard_output_that_nobody_reads_holds_nothing_up() {
    let (reader, stdout) = full_pipe();
    let free = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
    let folder = tempfile::tempdir().unwrap();
    let mut run = command(&folder);
    run.args(["--port", &free.to_string(), "--database", "sqlite::memory:"]).stdout(stdout).stderr(Stdio::null());
    let mut server = Running(run.spawn().unwrap());
    let is_ready =
        || TcpStream::connect(("127.0.0.1", free)).is_ok() && ask(free, "/readyz").starts_with("HTTP/1.1 200");
    for _ in 0..3000 {
        if is_ready() {
            break;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    assert!(is_ready());
    goes_on(&mut server, free);
    drop(reader);
}

/// Nobody reads the reason of a failed start, either.
#[test]
fn a_failed_start_ends_whatever_becomes_of_its_reason() {
    let (reader, unread) = full_pipe();
    for stderr in [unread, File::options().write(true).open("/dev/full").unwrap().into()] {
        let folder = tempfile::tempdir().unwrap();
        let missing = ["--database", "sqlite:no/such/folder/x.db", "--port", "0"];
        let mut server = Running(command(&folder).args(missing).stderr(stderr).spawn().unwrap());
        assert_eq!(server.ends(), Some(1));
    }
    drop(reader);
}

#[test]
fn an_audit_file_is_a_regular_file() {
    let folder = tempfile::tempdir().unwrap();
    let made = std::process::Command::new("mkfifo").arg(folder.path().join("pipe")).status().unwrap();
    assert!(made.success());
    for path in ["pipe", "/dev/full", "."] {
        let mut server = Running(command(&folder).args(MEMORY).args(["--audit-file", path]).spawn().unwrap());
        let log = read_all(server.0.stderr.take().unwrap());
        assert_eq!(server.ends(), Some(1));
        let says = log.join().unwrap();
        assert!(says.contains(&format!("cannot write the audit log to {path}: not a regular file")), "{says}");
    }
}
