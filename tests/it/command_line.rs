//! The command line as people and programs use it: which server a command finds, how it shows an answer, and its exit
//! codes.

use std::collections::HashSet;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::support::{ADMIN, Server, command, exchange, get, start, start_by};

const MEMORY: [&str; 6] = ["--port", "0", "--database", "sqlite::memory:", "--admin-token", ADMIN];

/// Runs a command with these variables and no others.
fn run(server: &Server, args: &[&str], variables: &[(&str, &str)]) -> Output {
    command(&server.folder).args(args).envs(variables.iter().copied()).output().unwrap()
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// Flags, and variables with their values.
type Finding<'a> = (&'a [&'a str], &'a [(&'a str, &'a str)]);

#[test]
fn a_command_finds_its_server_by_flag_and_by_variable() {
    let server = start(&MEMORY);
    let port = server.port.to_string();
    let url = format!("http://127.0.0.1:{port}");
    let localhost = format!("http://localhost:{port}/");
    // No server of ours listens at port 1.
    let found: [Finding<'_>; 9] = [
        (&["--url", &url], &[("DAPI_MOCK_URL", "http://127.0.0.1:1"), ("DAPI_MOCK_PORT", "1")]),
        (&["--port", &port], &[("DAPI_MOCK_URL", "http://127.0.0.1:1"), ("PORT", "1")]),
        (&[], &[("DAPI_MOCK_URL", &url), ("DATABRICKS_HOST", "http://127.0.0.1:1")]),
        (&[], &[("DAPI_MOCK_PORT", &port), ("DATABRICKS_HOST", "http://127.0.0.1:1")]),
        (&[], &[("DATABRICKS_HOST", &localhost), ("PORT", "1")]),
        (&[], &[("DATABRICKS_HOST", "https://adb-1.azuredatabricks.net"), ("PORT", &port)]),
        (&[], &[("PORT", &port)]),
        // An empty variable counts as unset.
        (&[], &[("DAPI_MOCK_URL", ""), ("DAPI_MOCK_PORT", ""), ("DATABRICKS_HOST", ""), ("PORT", &port)]),
        // Proxy settings are ignored.
        (
            &["--url", &url],
            &[
                ("HTTP_PROXY", "http://127.0.0.1:1"),
                ("http_proxy", "http://127.0.0.1:1"),
                ("ALL_PROXY", "http://127.0.0.1:1"),
            ],
        ),
    ];
    for (args, variables) in found {
        for name in ["clock", "healthcheck"] {
            let output = run(&server, &[&[name], args].concat(), variables);
            assert!(output.status.success(), "{name} {args:?} {variables:?}: {}", err(&output));
        }
        let token = ("DAPI_MOCK_ADMIN_TOKEN", ADMIN);
        let exports = out(&run(&server, &[&["env"], args].concat(), &[variables, &[token]].concat()));
        assert!(exports.contains(&port), "{args:?} {variables:?}: {exports}");
    }
    for (args, variables, says) in [
        (&["clock", "--url", "x/y"][..], &[][..], "not a server's URL"),
        (&["clock", "--url", &url, "--port", &port], &[], "cannot be used with"),
        (&["clock"], &[("PORT", "many")][..], "PORT: 'many' is not a number"),
        (&["clock"], &[("DAPI_MOCK_URL", "ftp://x")], "DAPI_MOCK_URL: 'ftp://x' is not a server's URL"),
        (&["clock", "--port", "1"], &[], "start one with `dapi-mock`, or name a running one with --url or --port"),
    ] {
        let output = run(&server, args, variables);
        assert!(!output.status.success() && err(&output).contains(says), "{args:?}: {}", err(&output));
    }
}

/// Compose files and CI services set variables to the empty string.
#[test]
fn an_empty_variable_counts_as_unset() {
    let folder = tempfile::tempdir().unwrap();
    let help = out(&command(&folder).arg("--help").output().unwrap());
    let names: HashSet<&str> =
        help.split(['[', ']', ' ', '=', ':', '\n']).filter(|word| word.starts_with("DAPI_MOCK_")).collect();
    assert!(names.len() > 30 && names.contains("DAPI_MOCK_ALLOW_HOST"), "{names:?}");
    let mut started = command(&folder);
    started.args(["--port", "0", "--database", "sqlite::memory:"]).env("PORT", "").env("DAPI_MOCK_NO_SUCH_SETTING", "");
    started.envs(names.into_iter().map(|name| (name, "")));
    let server = start_by(started, folder);
    assert!(get(&server.address(), "/livez", "").starts_with("HTTP/1.1 200"));
    let (_, log, _) = server.stop("TERM");
    assert!(!log.contains("unknown variable"), "{log}");
}

#[test]
fn a_command_speaks_https_and_trusts_the_servers_own_ca() {
    // With a file as database the CA is beside it, in the folder that the command runs in.
    let server = start(&["--port", "0", "--admin-token", ADMIN]);
    let url = format!("https://127.0.0.1:{}", server.port);
    let ca = server.run(&["ca"]).unwrap();
    let by_default = run(&server, &["clock", "--url", &url], &[]);
    assert!(by_default.status.success(), "{}", err(&by_default));
    let as_json: Value = serde_json::from_str(&server.run(&["ca", "-o", "json"]).unwrap()).unwrap();
    assert_eq!(as_json["certificate"], *ca);
    // From another folder it has to be given.
    let elsewhere = tempfile::tempdir().unwrap();
    std::fs::write(elsewhere.path().join("given.pem"), &ca).unwrap();
    std::fs::write(elsewhere.path().join("wrong.pem"), "nothing").unwrap();
    let there = |args: &[&str], variables: &[(&str, &str)]| {
        command(&elsewhere).arg("clock").args(args).envs(variables.iter().copied()).output().unwrap()
    };
    for (args, variables) in [
        (&["--url", &url, "--ca", "given.pem"][..], &[][..]),
        (&["--url", &url], &[("DAPI_MOCK_CA", "given.pem")][..]),
        (&["--url", &url], &[("SSL_CERT_FILE", "given.pem")]),
        (&[], &[("DATABRICKS_HOST", &url), ("DAPI_MOCK_CA", "given.pem")]),
    ] {
        let output = there(args, variables);
        assert!(output.status.success(), "{args:?} {variables:?}: {}", err(&output));
    }
    for (args, says) in [
        (&["--url", &url][..], "pass the certificate of its CA with --ca PATH"),
        (&["--url", &url, "--ca", "wrong.pem"], "pass the certificate of its CA with --ca PATH"),
        (&["--url", &url, "--ca", "none.pem"], "cannot read CA certificate none.pem"),
    ] {
        let output = there(args, &[]);
        assert!(!output.status.success() && err(&output).contains(says), "{args:?}: {}", err(&output));
    }
}

#[test]
fn a_workspace_is_found_by_its_name_if_the_name_is_unique() {
    let server = start(&MEMORY);
    let create = |json: &str| server.run(&["call", "workspaces.create", "--json", json]).unwrap();
    create(r#"{"id": 42, "name": "nightly"}"#);
    create(r#"{"id": 43, "name": "twice"}"#);
    create(r#"{"id": 44, "name": "twice"}"#);
    create(r#"{"id": 45, "name": "42"}"#);
    create(r#"{"id": 46, "name": "default"}"#);
    create(r#"{"id": 47, "name": "a name/with ünusual%20letters?"}"#);
    create(r#"{"id": 48, "name": "77"}"#);
    let id_of = |name: &str| -> Result<String, String> {
        let found = server.run(&["call", "workspaces.get", "--workspace", name, "-o", "json"])?;
        let found: Value = serde_json::from_str(&found).unwrap();
        Ok(found["id"].as_str().unwrap().to_owned())
    };
    for (name, id) in [
        ("nightly", "42"),
        ("42", "42"),
        ("default", "3274327432743274"),
        ("a name/with ünusual%20letters?", "47"),
        ("77", "48"),
    ] {
        assert_eq!(id_of(name).as_deref(), Ok(id), "{name}");
    }
    let several = id_of("twice").unwrap_err();
    assert!(several.contains("Several workspaces have the name 'twice': use one of their ids: 43, 44."), "{several}");
    assert!(id_of("Nightly").unwrap_err().contains("No workspace has the id or name 'Nightly'"));
    assert!(id_of("12").unwrap_err().contains("12"));
    // Every command takes it, and so does the control API.
    for args in [
        &["clock", "--by", "1d"][..],
        &["clock", "--upcoming"],
        &["requests"],
        &["census"],
        &["audit"],
        &["faults"],
        &["faults", "clear"],
        &["verify", "--exactly", "0"],
    ] {
        let found = server.run(&[args, &["--workspace", "nightly"]].concat());
        assert!(found.is_ok(), "{args:?}: {found:?}");
    }
    let answer = get(&server.address(), "/_mock/v1/workspaces/nightly/clock", "");
    assert!(answer.contains("\"mode\":\"offset\""), "{answer}");
    let answer = get(&server.address(), "/_mock/v1/workspaces/twice/clock", "");
    assert!(answer.starts_with("HTTP/1.1 409 "), "{answer}");
}

/// Compose, Kubernetes and dev containers use names with dots for the control API.
#[test]
fn a_host_name_can_be_allowed() {
    let ask = |server: &Server, host: &str, path: &str| {
        exchange(&server.address(), &format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n"), "")
    };
    let clock = "/_mock/v1/workspaces/default/clock";
    let usual = start(&MEMORY);
    for host in ["host.docker.internal:3274", "mock.localhost", "dapi-mock", "127.0.0.1:1", "localhost"] {
        assert!(ask(&usual, host, clock).starts_with("HTTP/1.1 200 "), "{host}");
    }
    for host in ["mock.example.com", "dapi-mock.ci.svc.cluster.local", "internal.example.com"] {
        for path in [clock, "/_mock/"] {
            let answer = ask(&usual, host, path);
            let says = "Host header not allowed: use an IP address, localhost or a dotless name, or start with --allow-host NAME";
            assert!(answer.starts_with("HTTP/1.1 403 ") && answer.contains(says), "{host} {path}: {answer}");
        }
    }
    let allowing = ["--allow-host", "mock.example.com", "--allow-host", "a.test,*.svc.cluster.local"];
    let by_flags = start(&[&MEMORY[..], &allowing].concat());
    let mut started = command(&by_flags.folder);
    started.args(MEMORY).env("DAPI_MOCK_ALLOW_HOST", "mock.example.com,a.test,*.svc.cluster.local");
    let by_variable = start_by(started, tempfile::tempdir().unwrap());
    for server in [&by_flags, &by_variable] {
        for host in ["mock.example.com", "MOCK.example.com:3274", "a.test", "dapi-mock.ci.svc.cluster.local:80"] {
            assert!(ask(server, host, clock).starts_with("HTTP/1.1 200 "), "{host}");
            assert!(!ask(server, host, "/_mock/").contains("Host header not allowed"), "{host}");
        }
        for host in ["evil.example.com", "mock.example.com.evil.com", "b.a.test", "svc.cluster.local"] {
            assert!(ask(server, host, clock).starts_with("HTTP/1.1 403 "), "{host}");
        }
        // An allowed name does not open the control API to pages of other sites.
        let foreign = "Host: mock.example.com\r\nOrigin: http://evil.example.com\r\n";
        let answer = exchange(&server.address(), &format!("GET {clock} HTTP/1.1\r\n{foreign}"), "");
        assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
        // The sign-in page allows the names, too.
        assert!(ask(server, "mock.example.com", "/login").starts_with("HTTP/1.1 200 "));
        assert!(ask(server, "evil.example.com", "/login").contains("Host header not allowed"));
    }
    let output = run(&usual, &["--allow-host", "*"], &[]);
    assert_eq!(output.status.code(), Some(2), "{}", err(&output));
}

#[test]
fn a_command_exits_with_2_on_wrong_usage_and_with_1_on_a_refusal() {
    let server = start(&MEMORY);
    let port = server.port.to_string();
    for (args, code, says) in [
        (&["requests", "--status", "abc"][..], 2, "--status <STATUS>': not a number"),
        (&["clock", "--frieze"], 2, "--freeze"),
        (&["nonsense"], 2, "nonsense"),
        (&["call", "no.such"], 2, "unknown operation 'no.such': `dapi-mock call` lists them"),
        (&["call", "checkpoints.put"], 2, "checkpoints.put takes these parameters, in order: NAME"),
        (&["call", "workspaces.get", "x"], 2, "workspaces.get takes no parameters"),
        (&["clock", "--to", "2020-01-01T00:00:00Z"], 1, "cannot be set back"),
        (&["explain", "none"], 1, "Unknown request 'none'"),
        (&["verify", "--exactly", "7"], 1, "Expected exactly 7"),
    ] {
        let args = if args == ["nonsense"] { args.to_vec() } else { [args, &["--port", &port]].concat() };
        let output = run(&server, &args, &[]);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {}", err(&output));
        assert!(err(&output).contains(says) && out(&output).is_empty(), "{args:?}: {}", err(&output));
    }
    assert_eq!(run(&server, &["clock", "--port", "1"], &[]).status.code(), Some(1));
    assert_eq!(run(&server, &["man", "nonsense"], &[]).status.code(), Some(2));
}

#[test]
fn every_command_that_shows_something_can_show_json() {
    let server = start(&MEMORY);
    server.list(ADMIN);
    let port = server.port.to_string();
    for (args, member) in [
        (&["clock"][..], "/now/ms"),
        (&["clock", "--upcoming"], "/events/0/owner"),
        (&["clock", "--by", "1d"], "/mode"),
        (&["faults", "arm", "rate_limited"], "/rule/name"),
        (&["faults"], "/faults/0/id"),
        (&["faults", "catalogue"], "/faults/0/name"),
        (&["faults", "clear"], ""),
        (&["requests"], "/requests/0/status"),
        (&["verify", "--at-least", "1"], "/count"),
        (&["census"], "/census/0/name"),
        (&["audit", "--action", "tokenLogin"], "/actionName"),
        (&["explain", "--last"], ""),
        (&["call"], "/operations/0/path"),
        (&["call", "workspaces.list"], "/workspaces/0/id"),
        (&["export"], "/workspaces/0"),
        (&["ca"], "/certificate"),
        (&["env", "--admin-token", ADMIN], "/DATABRICKS_HOST"),
    ] {
        let explained = args.first() == Some(&"explain");
        if explained {
            get(&server.address(), "/api/2.0/token/list", "nonsense");
        }
        let output = run(&server, &[args, &["--output", "json", "--port", &port]].concat(), &[]);
        assert!(output.status.success(), "{args:?}: {}", err(&output));
        let found: Value =
            serde_json::from_str(&out(&output)).unwrap_or_else(|error| panic!("{args:?}: {error}: {}", out(&output)));
        assert!(found.pointer(member).is_some_and(|value| !value.is_null()), "{args:?}: {found}");
        assert_eq!(out(&output).matches('\n').count(), 1, "{args:?}: one line");
    }
    let unmet = run(&server, &["verify", "--exactly", "9", "-o", "json", "--port", &port], &[]);
    let found: Value = serde_json::from_str(&out(&unmet)).unwrap();
    assert!(unmet.status.code() == Some(1) && found["met"] == false, "{found}");
    let file = start(&["--port", "0", "--admin-token", ADMIN]);
    for (args, member) in [(&["admin-token"][..], "DATABRICKS_TOKEN"), (&["backup", "copy.db"], "backup")] {
        let output = run(&file, &[args, &["--output", "json"]].concat(), &[]);
        let found: Value = serde_json::from_str(&out(&output)).unwrap_or_else(|_| panic!("{args:?}: {}", err(&output)));
        assert!(found[member].is_string(), "{found}");
    }
}

#[test]
fn following_ends_when_nobody_reads_any_more() {
    let server = start(&MEMORY);
    for args in [["requests", "--follow"], ["audit", "--follow"]] {
        let port = server.port.to_string();
        let mut follower = command(&server.folder).args(args).args(["--port", &port]).spawn().unwrap();
        drop(follower.stdout.take());
        // The command writes after the pipe has been closed.
        server.list(ADMIN);
        server.create(&serde_json::json!({}));
        let ended = (0..200).find_map(|_| {
            std::thread::sleep(std::time::Duration::from_millis(50));
            server.list(ADMIN);
            follower.try_wait().unwrap()
        });
        assert_eq!(ended.and_then(|status| status.code()), Some(0), "{args:?}");
    }
}

/// Bash itself reads the completions, and the pages are the manual's format.
#[test]
fn shells_complete_and_the_manual_has_every_command() {
    let folder = tempfile::tempdir().unwrap();
    let run = |args: &[&str]| {
        let output = command(&folder).args(args).output().unwrap();
        assert!(output.status.success(), "{args:?}: {}", err(&output));
        out(&output)
    };
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = run(&["completions", shell]);
        assert!(script.contains("requests") && script.contains("allow-host"), "{shell}");
    }
    std::fs::write(folder.path().join("completions"), run(&["completions", "bash"])).unwrap();
    let script = ". ./completions; COMP_WORDS=(dapi-mock clock --fr) COMP_CWORD=2; _dapi__mock dapi-mock --fr clock; echo \"${COMPREPLY[@]}\"";
    let bash =
        Command::new("bash").args(["-c", script]).current_dir(folder.path()).stderr(Stdio::inherit()).output().unwrap();
    assert_eq!(out(&bash).trim(), "--freeze");
    let main = run(&["man"]);
    assert!(main.starts_with(".ie") && main.contains("dapi\\-mock"), "{main}");
    let help = run(&["--help"]);
    for group in ["Server:", "Time and state:", "Look and check:", "Database and keys:", "Help:"] {
        assert!(help.contains(&format!("\n{group}\n")), "{group}: {help}");
    }
    for name in ["clock", "requests", "faults", "completions", "admin-token"] {
        assert!(run(&["man", name]).contains("dapi\\-mock"), "{name}");
        assert!(help.contains(&format!("\n  {name} ")), "{name}: {help}");
        assert!(run(&[name, "--help"]).contains("Usage:"), "{name}");
    }
    assert!(!help.contains('\u{1b}'), "no colour in a pipe");
}

/// Headings and colours are for terminals, and colours can be turned off.
#[test]
fn a_terminal_gets_colours_and_headings_and_a_pipe_the_rows() {
    if !Path::new("/usr/bin/script").exists() {
        return;
    }
    let server = start(&MEMORY);
    server.list(ADMIN);
    let on_a_terminal = |variables: &[(&str, &str)]| {
        let line = format!("{} requests --port {}", env!("CARGO_BIN_EXE_dapi-mock"), server.port);
        let mut script = Command::new("script");
        script.args(["-qec", &line, "/dev/null"]).env_clear().env("PATH", "/usr/bin:/bin").env("TERM", "xterm");
        out(&script.envs(variables.iter().copied()).stdin(Stdio::null()).output().unwrap())
    };
    let colourful = on_a_terminal(&[("NO_COLOR", "")]);
    assert!(
        colourful.contains("\u{1b}[1mTIME\u{1b}[0m") && colourful.contains("\u{1b}[32m200\u{1b}[0m"),
        "{colourful:?}"
    );
    for plain in [on_a_terminal(&[("NO_COLOR", "1")]), on_a_terminal(&[("TERM", "dumb")])] {
        assert!(plain.contains("REQUEST ID") && !plain.contains('\u{1b}'), "{plain:?}");
    }
    let piped = server.run(&["requests"]).unwrap();
    assert!(piped.lines().count() == 1 && !piped.contains("TIME") && !piped.contains('\u{1b}'), "{piped:?}");
}
