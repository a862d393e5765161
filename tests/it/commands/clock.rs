//! The `clock` command, and the rehearsal of the 90 days.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::columns;
use crate::support::{ADMIN, MEMORY, command, start};

#[test]
fn the_clock_is_moved_by_a_command() {
    let server = start(&MEMORY);
    let (_, short) = server.create(&json!({"lifetime_seconds": 3600}));
    let (_, idle) = server.create(&json!({}));
    let clock = |args: &[&str]| server.run(&[&["clock"], args].concat());
    let frozen = clock(&["--freeze"]).unwrap();
    assert!(frozen.ends_with(" (frozen)\n"), "{frozen}");
    assert_eq!(clock(&[]).unwrap(), frozen, "the clock is frozen");
    let upcoming = clock(&["--upcoming"]).unwrap();
    let first = columns(upcoming.lines().next().unwrap());
    assert_eq!(first[1..], ["token.expired", &short, "admin@example.com"], "{upcoming}");
    assert!(clock(&["--until", "token.expired"]).unwrap().contains(&format!("token.expired  {short}  admin@")));
    let idle_gone = clock(&["--until", &format!("token:{idle}")]).unwrap();
    assert!(idle_gone.lines().any(|line| columns(line).contains(&idle.as_str())), "{idle_gone}");
    assert!(idle_gone.contains("token.auto_revoked"), "{idle_gone}");
    assert!(clock(&["--by", "PT2H"]).is_ok());
    assert!(clock(&["--to", "2199-01-01T00:00:00Z"]).unwrap().ends_with("2199-01-01T00:00:00.000Z (frozen)\n"));
    assert!(clock(&["--run"]).unwrap().contains("2199-01-01T00:00:0"));
    assert_ne!(clock(&[]).unwrap(), clock(&[]).unwrap(), "it runs");
    for (args, says) in [
        (&["--to", "2020-01-01T00:00:00Z"][..], "cannot be set back"),
        (&["--by", "soon"], "'soon' for '--by <DURATION>': not a duration"),
        (&["--until", "token.expired"], "No upcoming token.expired event"),
        (&["--by", "1d", "--freeze"], "cannot be used with"),
        (&["--workspace", "12"], "12"),
        (&["--workspace", "nightly"], "No workspace has the id or name 'nightly'"),
    ] {
        let error = clock(args).unwrap_err();
        assert!(error.contains(says), "{args:?}: {error}");
    }
    let folder = tempfile::tempdir().unwrap();
    let nobody = command(&folder).args(["clock", "--port", "1"]).output().unwrap();
    assert!(String::from_utf8(nobody.stderr).unwrap().contains("no server answers at http://127.0.0.1:1"));
}

/// An advance lists the tokens that it ended, with their owners, and warns if the printed admin token is among them.
#[test]
fn advancing_the_clock_lists_the_tokens_that_ended() {
    let server = start(&MEMORY);
    let (_, id) = server.create(&json!({"comment": "nightly \u{1b}[31mjob"}));
    let output =
        command(&server.folder).args(["clock", "--by", "90d", "--port", &server.port.to_string()]).output().unwrap();
    let (out, err) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert!(output.status.success(), "{err}");
    let rows: Vec<Vec<&str>> = out.lines().map(columns).collect();
    let of = |id: &str| rows.iter().find(|row| row.contains(&id)).unwrap_or_else(|| panic!("{id}: {out}"));
    assert_eq!(of(&id)[1..], ["token.auto_revoked", &id, "admin@example.com", "nightly \u{fffd}[31mjob"]);
    assert!(out.contains("admin@example.com  dapi-mock admin token\n"), "{out}");
    for says in [
        "warning: The admin token of the first start has expired or been revoked",
        "dapi-mock admin-token",
        "workspaces.reset",
    ] {
        assert!(err.contains(says), "{says}: {err}");
    }
    // The remedy works.
    assert!(!server.list(ADMIN).starts_with("HTTP/1.1 200"));
    server.run(&["call", "workspaces.reset"]).unwrap();
    assert!(server.list(ADMIN).starts_with("HTTP/1.1 200"));
    // There is no warning if another token ends.
    server.create(&json!({"lifetime_seconds": 60}));
    let answer = server.run(&["clock", "--by", "1m", "--output", "json"]).unwrap();
    let answer: Value = serde_json::from_str(&answer).unwrap();
    assert_eq!(answer["events"][0]["owner"], "admin@example.com");
    assert!(answer.get("warnings").is_none(), "{answer}");
}

/// The rehearsal in the documentation, on a temporary server.
#[test]
fn the_ninety_days_are_rehearsed_in_a_moment() {
    let folder = tempfile::tempdir().unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/ninety-days.sh");
    let path = "/usr/local/bin:/usr/bin:/bin";
    let mut run = command(&folder);
    run.args(["exec", "--"]).arg(script).env("PATH", path).env("MOCK", env!("CARGO_BIN_EXE_dapi-mock"));
    let began = Instant::now();
    let output = run.output().unwrap();
    let (out, log) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert!(output.status.success(), "{out}\n{log}");
    assert!(log.contains("NO  not_inactive") && log.contains("inactive (System-User)"), "{log}");
    // A release build on a quiet machine takes well under a second.
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
}
