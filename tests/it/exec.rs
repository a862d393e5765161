//! `dapi-mock exec`: the settings of its server, and its duties as a process manager: signals, exit codes, zombies.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

use crate::support::{Running, command, signal};

const BINARY: &str = env!("CARGO_BIN_EXE_dapi-mock");
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

fn exec_in(folder: &TempDir, options: &[&str], env: &[(&str, &str)], script: &str) -> (Option<i32>, String, String) {
    let mut run = command(folder);
    run.arg("exec").args(options).args(["--", "bash", "-c", script]).env("PATH", PATH).env("MOCK", BINARY);
    told(&run.envs(env.iter().copied()).output().unwrap())
}

fn exec(options: &[&str], env: &[(&str, &str)], script: &str) -> (Option<i32>, String, String) {
    exec_in(&tempfile::tempdir().unwrap(), options, env, script)
}

fn told(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn settings_of_serve_hold_by_flag_and_by_variable() {
    let seed = "{\"workspaces\": [{\"users\": [{\"user_name\": \"seeded@example.com\"}]}]}";
    let users = "curl -s -H \"Authorization: Bearer $DATABRICKS_TOKEN\" $DATABRICKS_HOST/api/2.0/preview/scim/v2/Users";
    let keyed = "$MOCK clock && curl -s -o /dev/null -w '%{http_code}' $DATABRICKS_HOST/_mock/v1/workspaces";
    let leaky = "$MOCK call tokens.list --query state=live";
    let settings = "$MOCK call behaviour.get";
    let token = "dapi0123456789abcdef0123456789abcdef";
    for (flags, variables, script, says) in [
        (&["--seed-json", seed][..], &[("DAPI_MOCK_SEED_JSON", seed)][..], users, "seeded@example.com"),
        (&["--seed", "seed.json"], &[("DAPI_MOCK_SEED", "seed.json")], users, "seeded@example.com"),
        (&["--profile", "lab"], &[("DAPI_MOCK_PROFILE", "lab")], leaky, "etl"),
        (&["--control-key", "key"], &[("DAPI_MOCK_CONTROL_KEY", "key")], keyed, "(real)\n401"),
        (&["--control", "off"], &[("DAPI_MOCK_CONTROL", "off")], "$MOCK clock 2>&1", "off"),
        (&["--tier", "standard"], &[("DAPI_MOCK_TIER", "standard")], settings, "\"standard\""),
        (&["--admin-token", token], &[("DAPI_MOCK_ADMIN_TOKEN", token)], "echo $DATABRICKS_TOKEN", token),
        (&["--workspace-id", "77"], &[("DAPI_MOCK_WORKSPACE_ID", "77")], "echo $DATABRICKS_WORKSPACE_ID", "77\n"),
        (&["--tls", "off"], &[("DAPI_MOCK_TLS", "off")], "$MOCK ca 2>&1", "does not use TLS"),
        (&["--host", "127.0.0.2"], &[("DAPI_MOCK_HOST", "127.0.0.2")], "echo $DATABRICKS_HOST", "http://127.0.0.2:"),
    ] {
        for (options, env) in [(flags, &[][..]), (&[][..], variables)] {
            let folder = tempfile::tempdir().unwrap();
            std::fs::write(folder.path().join("seed.json"), seed).unwrap();
            let (code, out, log) = exec_in(&folder, options, env, script);
            assert!(out.contains(says), "{options:?} {env:?} {code:?}: {out} {log}");
        }
    }
    let (code, _, log) = exec(&[], &[("DAPI_MOCK_TEIR", "standard")], "true");
    assert!(code == Some(0) && log.contains("unknown variable DAPI_MOCK_TEIR: see dapi-mock --help"), "{log}");
    for (options, env, says) in [
        (&["--profile", "shared"][..], &[][..], "--control-key"),
        (&[], &[("DAPI_MOCK_TIER", "gold")], "expected `premium` or `standard`"),
        (&["--seed", "none.yaml"], &[], "cannot read the seed none.yaml"),
        (&["--until-stdin-closes"], &[], "with exec, standard input belongs to the command"),
    ] {
        let (code, out, log) = exec(options, env, "echo ran");
        assert!(code.is_some_and(|code| code != 0) && log.contains(says) && out.is_empty(), "{options:?}: {log}");
    }
}

#[test]
fn exec_uses_memory_and_a_free_port_by_default() {
    let folder = tempfile::tempdir().unwrap();
    let port = "echo ${DATABRICKS_HOST##*:} $DAPI_MOCK_PORT; $MOCK healthcheck";
    let (code, out, log) = exec_in(&folder, &[], &[("PORT", "1"), ("DAPI_MOCK_UNTIL_STDIN_CLOSES", "1")], port);
    let [used, told] = [0, 1].map(|at| out.split_whitespace().nth(at).unwrap().to_owned());
    assert!(code == Some(0) && used == told && used != "3274", "{out} {log}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is left behind");

    let free = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port().to_string();
    for (options, env) in [(&["--port", &free][..], &[][..]), (&[], &[("DAPI_MOCK_PORT", free.as_str())])] {
        let (code, out, log) = exec_in(&folder, options, env, port);
        assert_eq!((code, out), (Some(0), format!("{free} {free}\n")), "{log}");
    }
    // A nested `exec` has its own server although it inherits the outer one's variables.
    let (code, out, log) = exec(&[], &[], "echo $DAPI_MOCK_PORT; $MOCK exec -- sh -c 'echo $DAPI_MOCK_PORT'");
    let ports: Vec<_> = out.lines().collect();
    assert!(code == Some(0) && ports.len() == 2 && ports[0] != ports[1], "{out} {log}");
}

#[test]
fn a_database_is_kept_and_the_audit_file_is_whole() {
    let folder = tempfile::tempdir().unwrap();
    let options = ["--database", "sqlite:kept.db", "--durable", "--audit-file", "audit.jsonl"];
    let create = "curl -sf -H \"Authorization: Bearer $DATABRICKS_TOKEN\" $DATABRICKS_HOST/api/2.0/token/create \
                  -d '{\"comment\": \"made by exec\"}'";
    for run in 1..=2 {
        // The second start does not know the token's value, and the command must not use an inherited one.
        let (code, _, log) = exec_in(&folder, &options, &[("DATABRICKS_TOKEN", "dapi-of-somebody-else")], create);
        assert_eq!(code, Some(0), "{log}");
        let audit = std::fs::read_to_string(folder.path().join("audit.jsonl")).unwrap();
        assert_eq!(audit.matches("generateDbToken").count(), run, "the file has the last request's event");
    }
}

#[test]
fn a_command_that_cannot_run_has_the_exit_code_that_shells_give() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("plain"), "echo hello").unwrap();
    for (program, code, says) in [
        ("no-such-command", 127, "cannot run 'no-such-command': command not found"),
        ("./no/such/command", 127, "cannot run './no/such/command': command not found"),
        ("./plain", 126, "cannot run './plain': not executable"),
        ("/", 126, "cannot run '/': not executable"),
    ] {
        let run = command(&folder).args(["exec", "--", program, "argument"]).env("PATH", PATH).output().unwrap();
        let (found, _, log) = told(&run);
        assert!(found == Some(code) && log.contains(says), "{program}: {found:?} {log}");
    }
    assert_eq!(exec(&[], &[], "exit 7").0, Some(7));
    assert_eq!(exec(&[], &[], "kill -KILL $$").0, Some(128 + 9));
}

/// Prints the signals that it gets, and ends on SIGTERM and SIGHUP.
const TELLS: &str = "
    for name in INT QUIT USR1 USR2; do trap \"echo got $name\" $name; done
    trap 'echo got TERM; exit 3' TERM; trap 'echo got HUP; exit 4' HUP
    echo begun
    while :; do sleep 0.05; done";

fn until(lines: &mut impl Iterator<Item = std::io::Result<String>>, expected: &str) {
    let mut seen = Vec::new();
    while let Some(Ok(line)) = lines.next() {
        if line.trim_end().ends_with(expected) {
            return;
        }
        seen.push(line);
    }
    panic!("{expected} does not appear: {seen:?}");
}

#[test]
fn signals_are_forwarded_to_the_command() {
    for (last, code) in [("TERM", 3), ("HUP", 4)] {
        let folder = tempfile::tempdir().unwrap();
        let mut run = command(&folder);
        run.args(["exec", "--", "bash", "-c", TELLS]).env("PATH", PATH);
        let mut running = Running(run.spawn().unwrap());
        let mut lines = BufReader::new(running.0.stdout.take().unwrap()).lines();
        until(&mut lines, "begun");
        for name in ["INT", "QUIT", "USR1", "USR2", last] {
            signal(&running.0, name);
            until(&mut lines, &format!("got {name}"));
        }
        assert_eq!(running.ends(), Some(code));
        assert!(lines.next().is_none(), "nothing is left behind");
    }
}

/// The side of a new terminal that programs use, and the one that a person sits at.
fn terminal() -> (OwnedFd, File) {
    use rustix::fs::OFlags;
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

    let person = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&person).unwrap();
    unlockpt(&person).unwrap();
    let path = ptsname(&person, Vec::new()).unwrap().into_string().unwrap();
    let side = rustix::fs::open(path, OFlags::RDWR | OFlags::NOCTTY, rustix::fs::Mode::empty()).unwrap();
    (side, person.into())
}

#[test]
fn a_terminals_interrupt_reaches_the_command_once() {
    let (side, mut person) = terminal();
    let folder = tempfile::tempdir().unwrap();
    let mut run = Command::new("setsid");
    run.args(["--ctty", BINARY, "exec", "--", "bash", "-c", TELLS]).current_dir(folder.path()).env_clear();
    run.env("PATH", PATH).stdin(side).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut running = Running(run.spawn().unwrap());
    let mut lines = BufReader::new(running.0.stdout.take().unwrap()).lines();
    until(&mut lines, "begun");
    // Ctrl-C: the terminal sends it to both.
    person.write_all(b"\x03").unwrap();
    until(&mut lines, "got INT");
    std::thread::sleep(std::time::Duration::from_millis(500));
    // A signal from another process reaches only dapi-mock, although it is in the foreground.
    signal(&running.0, "USR1");
    assert_eq!(lines.next().unwrap().unwrap(), "got USR1", "the interrupt came twice");
    signal(&running.0, "INT");
    until(&mut lines, "got INT");
    signal(&running.0, "TERM");
    assert_eq!(running.ends(), Some(3));
}

#[test]
fn a_terminal_as_standard_input_closes_at_its_end_of_file() {
    let (side, mut person) = terminal();
    let folder = tempfile::tempdir().unwrap();
    let mut run = command(&folder);
    run.args(["--port", "0", "--database", "sqlite::memory:", "--until-stdin-closes"]).stdin(side);
    let mut running = Running(run.spawn().unwrap());
    let mut lines = BufReader::new(running.0.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().starts_with("dapi-mock ready")));
    person.write_all(b"\x04").unwrap();
    assert_eq!(running.ends(), Some(0));
}

/// Starts it as process 1 of a namespace of its own; `None`, loudly, where that is not allowed.
fn as_process_1(words: &[&str]) -> Option<(Running, TempDir)> {
    let namespace = ["--pid", "--fork", "--mount-proc", "--kill-child"];
    let tried = Command::new("unshare").args(namespace).arg("true").output();
    if !tried.is_ok_and(|output| output.status.success()) {
        std::io::stderr().write_all(b"SKIPPED: a namespace of its own is not allowed here\n").unwrap();
        return None;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut run = Command::new("unshare");
    run.args(namespace).arg(BINARY).args(words).current_dir(folder.path()).env_clear().env("PATH", PATH);
    run.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    Some((Running(run.spawn().unwrap()), folder))
}

/// The process that is number 1 inside.
fn inside(running: &Running) -> String {
    let unshare = running.0.id();
    let children = PathBuf::from(format!("/proc/{unshare}/task/{unshare}/children"));
    std::fs::read_to_string(children).unwrap().trim().to_owned()
}

#[test]
fn process_1_forwards_signals() {
    for (name, code) in [("TERM", 3), ("HUP", 4)] {
        let Some((mut running, _folder)) = as_process_1(&["exec", "--", "bash", "-c", TELLS]) else { return };
        let mut lines = BufReader::new(running.0.stdout.take().unwrap()).lines();
        until(&mut lines, "begun");
        for name in ["INT", "QUIT", name] {
            let sent = Command::new("kill").args([&format!("-{name}"), &inside(&running)]).status().unwrap();
            assert!(sent.success());
            until(&mut lines, &format!("got {name}"));
        }
        assert_eq!(running.ends(), Some(code));
    }
}

#[test]
fn process_1_leaves_no_zombie() {
    // Its parent ends first, so process 1 becomes its parent.
    let orphans = "for n in 1 2 3; do (sleep 0.1 & sleep 0.1 & :); done; sleep 0.5;
        for n in $(seq 100); do grep -l '^State:.Z' /proc/[0-9]*/status 2>/dev/null || exit 5; sleep 0.1; done";
    let Some((mut running, _folder)) = as_process_1(&["exec", "--", "bash", "-c", orphans]) else { return };
    assert_eq!(running.ends(), Some(5), "a zombie remains");

    // The server alone, with what somebody has started beside it, as `docker exec` does.
    let serve = ["--port", "0", "--database", "sqlite::memory:"];
    let Some((mut running, _folder)) = as_process_1(&serve) else { return };
    let mut lines = BufReader::new(running.0.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().starts_with("dapi-mock ready")));
    let first = inside(&running);
    let beside = ["--target", &first, "--pid", "--mount", "bash", "-c"];
    let script = "(sleep 0.1 & :); sleep 0.5;
        for n in $(seq 100); do grep -l '^State:.Z' /proc/[0-9]*/status 2>/dev/null || exit 5; sleep 0.1; done";
    let looked = Command::new("nsenter").args(beside).arg(script).output().unwrap();
    assert_eq!(looked.status.code(), Some(5), "a zombie remains");
    assert!(Command::new("kill").args(["-TERM", &first]).status().unwrap().success());
    assert_eq!(running.ends(), Some(0));
    let mut log = String::new();
    running.0.stderr.take().unwrap().read_to_string(&mut log).unwrap();
    assert!(log.contains("stopped"), "{log}");
}
