//! The `audit` command and the audit log's file.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::columns;
use crate::support::{ADMIN, MEMORY, command, start, start_in};

#[test]
fn the_audit_log_is_followed_by_a_command() {
    let server = start(&MEMORY);
    let (_, first) = server.create(&json!({}));
    let port = server.port.to_string();
    let follow = [
        "audit",
        "--output",
        "json",
        "--follow",
        "--action",
        "generateDbToken",
        "--actor",
        "admin@example.com",
        "--port",
        &port,
    ];
    let mut follower = command(&server.folder).args(follow).spawn().unwrap();
    let mut lines = BufReader::new(follower.stdout.take().unwrap()).lines();
    let mut next = || -> Value { serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap() };
    assert_eq!(next()["requestParams"]["tokenHash"], first);
    for _ in 0..3 {
        let (_, id) = server.create(&json!({}));
        assert_eq!(next()["requestParams"]["tokenHash"], id, "each new event, and no other");
    }
    follower.kill().unwrap();
    follower.wait().unwrap();
    let lines = |args: &[&str]| server.run(&[&["audit", "-o", "json"], args].concat()).unwrap().lines().count();
    assert_eq!(lines(&["--action", "generateDbToken"]), 4);
    assert_eq!(lines(&["--actor", "nobody"]), 0);
    let row = server.run(&["audit", "--shape", "system_table", "--action", "tokenLogin"]).unwrap();
    assert!(row.starts_with('{') && row.contains("\"action_name\":\"tokenLogin\""), "{row}");
    assert!(server.run(&["audit", "--shape", "csv"]).unwrap_err().contains("use delivery, system_table or azure"));
    let rows = server.run(&["audit", "--action", "generateDbToken"]).unwrap();
    let row = columns(rows.lines().next().unwrap());
    assert_eq!(row[1..4], ["generateDbToken", "admin@example.com", "200"], "{rows}");
    assert!(row[4].contains(&format!("tokenHash={first}")), "{rows}");
    assert_eq!(server.run(&["audit", "--actor", "nobody"]).unwrap(), "no matching audit events\n");
}

/// Waits until `found` says that it is there.
fn eventually<T>(mut found: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = found() {
            return found;
        }
        assert!(began.elapsed() < Duration::from_secs(10), "it did not happen in time");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn lines_of(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

fn log_path(folder: &TempDir) -> PathBuf {
    folder.path().join("audit.jsonl")
}

#[test]
fn the_audit_file_has_each_shape() {
    for (shape, action) in
        [("delivery", "/actionName"), ("system_table", "/action_name"), ("azure", "/properties/actionName")]
    {
        let server = start(&[&MEMORY[..], &["--audit-file", "audit.jsonl", "--audit-shape", shape]].concat());
        server.create(&json!({}));
        let path = log_path(&server.folder);
        let lines = eventually(|| Some(lines_of(&path)).filter(|lines| lines.len() >= 2));
        let actions: Vec<&str> = lines.iter().map(|line| line.pointer(action).unwrap().as_str().unwrap()).collect();
        assert_eq!(actions, ["tokenLogin", "generateDbToken"], "{shape}");
        server.create(&json!({}));
        let (_, _, folder) = server.stop("TERM");
        assert!(lines_of(&log_path(&folder)).len() > 2, "a graceful stop writes the last events");
    }
}

#[test]
fn the_audit_file_rotates_and_five_old_ones_are_kept() {
    let args = ["--audit-file", "audit.jsonl", "--audit-shape", "system_table", "--audit-file-bytes", "2000"];
    let server = start(&[&MEMORY[..], &args].concat());
    for _ in 0..30 {
        server.create(&json!({}));
    }
    let all = server.run(&["audit", "--shape", "system_table"]).unwrap();
    let (_, _, folder) = server.stop("TERM");
    let numbered = |n: u32| folder.path().join(format!("audit.jsonl.{n}"));
    assert!(!numbered(6).exists());
    let mut kept = String::new();
    for n in (1..=5).rev() {
        let text = std::fs::read_to_string(numbered(n)).unwrap();
        assert!((1000..=2000).contains(&text.len()), "{n}: {}", text.len());
        kept.push_str(&text);
    }
    kept.push_str(&std::fs::read_to_string(log_path(&folder)).unwrap());
    assert!(all.ends_with(&kept), "the newest events, in order and without a gap");
}

#[test]
fn what_a_kill_kept_from_the_audit_file_comes_at_the_next_start_and_once() {
    let args = ["--port", "0", "--admin-token", ADMIN, "--audit-file", "audit.jsonl", "--audit-shape", "system_table"];
    let mut folder = tempfile::tempdir().unwrap();
    for round in 0..6 {
        let server = start_in(folder, &args);
        for _ in 0..round {
            server.create(&json!({}));
        }
        if round % 2 == 1 {
            // So that some events are in the file and some are not.
            let whole = |text: &str| text.lines().filter(|line| line.ends_with('}')).count();
            let written = || std::fs::read_to_string(log_path(&server.folder)).unwrap();
            let before = whole(&written());
            eventually(|| (whole(&written()) > before).then_some(()));
            server.create(&json!({}));
        }
        folder = server.stop("KILL").2;
        // A kill in the middle of a line leaves the file like this.
        let mut text = std::fs::read_to_string(log_path(&folder)).unwrap();
        text.push_str("{\"version\":\"2.0\",\"even");
        std::fs::write(log_path(&folder), text).unwrap();
    }
    let server = start_in(folder, &args);
    server.create(&json!({}));
    let log = server.run(&["audit", "--shape", "system_table"]).unwrap();
    let (_, _, folder) = server.stop("TERM");
    assert_eq!(std::fs::read_to_string(log_path(&folder)).unwrap(), log);
    let ids: BTreeSet<String> = lines_of(&log_path(&folder)).iter().map(|line| line["event_id"].to_string()).collect();
    assert!(ids.len() >= 18 && ids.len() == log.lines().count());

    // With another database the file keeps its lines and gets all events of the new one.
    let other = start_in(folder, &[&args[..], &["--database", "sqlite::memory:"]].concat());
    other.create(&json!({}));
    let new = other.run(&["audit", "--shape", "system_table"]).unwrap();
    let (_, _, folder) = other.stop("TERM");
    assert_eq!(std::fs::read_to_string(log_path(&folder)).unwrap(), log + &new);
}

#[test]
fn an_audit_file_that_cannot_be_written_refuses_to_start() {
    let folder = tempfile::tempdir().unwrap();
    let output = command(&folder).args(["--port", "0", "--audit-file", "no/such/folder/a"]).output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && error.contains("cannot write the audit log to no/such/folder/a"), "{error}");
}
