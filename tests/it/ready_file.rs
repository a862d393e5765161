//! The ready file: what a program that starts a server learns from it.

use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};

use crate::support::{command, get, start_in};

#[test]
fn the_ready_file_says_what_clients_need() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ready.json");
    let args = ["--port", "0", "--account-port", "0", "--ready-file", path.to_str().unwrap()];
    let read = || serde_json::from_slice::<Value>(&std::fs::read(&path).unwrap()).unwrap();

    // The banner's last line comes after the file.
    let server = start_in(folder, &args);
    let ready = read();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let (client_id, client_secret) = server.oauth().unwrap();
    let account = &ready["account_host"].as_str().unwrap()["http://".len()..];
    let expected = json!({
        "host": server.export("DATABRICKS_HOST"),
        "token": server.export("DATABRICKS_TOKEN"),
        "client_id": client_id,
        "client_secret": client_secret,
        "workspace_id": "3274327432743274",
        "account_id": "32743274-3274-4274-8274-327432743274",
        "account_host": format!("http://{account}"),
        "pid": server.process_id(),
        "version": env!("CARGO_PKG_VERSION"),
    });
    assert_eq!(ready, expected);
    let me =
        get(&format!("127.0.0.1:{}", server.port), "/api/2.0/preview/scim/v2/Me", ready["token"].as_str().unwrap());
    assert!(me.starts_with("HTTP/1.1 200 OK\r\n"), "{me}");
    assert!(get(account, "/.well-known/databricks-config", "").contains("\"host_type\":\"account\""));

    // A killed server leaves its file, and the next one replaces it; by then it knows only hashes of the printed secrets.
    let (_, _, folder) = server.stop("KILL");
    assert_eq!(read(), expected);
    let server = start_in(folder, &args);
    let ready = read();
    assert_eq!(ready["pid"], server.process_id());
    assert_eq!((&ready["token"], &ready["client_secret"]), (&Value::Null, &Value::Null));
    let (code, log, _folder) = server.stop("TERM");
    assert_eq!(code, Some(0), "{log}");
    assert!(!path.exists(), "a server that has stopped is not ready");
}

#[test]
fn the_ready_file_replaces_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let notes = folder.path().join("notes.txt");
    std::fs::write(&notes, "mine").unwrap();
    let nowhere = folder.path().join("missing/ready.json");
    for (path, says) in [
        (&notes, "not a ready file, and not overwritten: choose another path"),
        (&folder.path().to_owned(), "not a ready file, and not overwritten: choose another path"),
        (&nowhere, "No such file or directory"),
    ] {
        let mut command = command(&folder);
        command.args(["--port", "0", "--database", "sqlite::memory:", "--ready-file"]).arg(path);
        let output = command.output().unwrap();
        let log = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{log}");
        assert!(log.contains(&format!("--ready-file {}: {says}", path.display())), "{log}");
    }
    assert_eq!(std::fs::read_to_string(&notes).unwrap(), "mine");
}
