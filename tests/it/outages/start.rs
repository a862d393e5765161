//! A server that starts before its database.

use std::process::Child;
use std::time::Duration;

use dapi_mock::store::Database;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::sleep;

use super::line::{Line, State};
use crate::support::{ADMIN_TOKEN, CREATE, LIST, command, eventually, exchange, get};

/// A process that is starting.
struct Starting {
    child: Child,
    address: String,
    folder: TempDir,
}

fn launch(database: &Database) -> Starting {
    let Database::Postgres(url) = database else { panic!("not on PostgreSQL") };
    let folder = tempfile::tempdir().unwrap();
    let free = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port().to_string();
    let args = ["--port", &free, "--database", url, "--admin-token", ADMIN_TOKEN, "--sweep-interval", "1"];
    let child = command(&folder).args(args).args(["--audit-file", "audit.jsonl"]).spawn().unwrap();
    Starting { child, address: format!("127.0.0.1:{free}"), folder }
}

impl Starting {
    fn ask(&self, path: &str) -> String {
        if std::net::TcpStream::connect(&self.address).is_err() {
            return String::new();
        }
        get(&self.address, path, ADMIN_TOKEN)
    }

    fn post(&self, path: &str, body: &Value) -> Value {
        let address = &self.address;
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {ADMIN_TOKEN}\r\nContent-Type: application/json\r\n"
        );
        let answer = exchange(address, &head, &body.to_string());
        serde_json::from_str(answer.split("\r\n\r\n").nth(1).unwrap()).unwrap()
    }
}

const OK: &str = "HTTP/1.1 200 OK\r\n";
const GONE: &str = "HTTP/1.1 503 Service Unavailable\r\n";

#[cfg_attr(not(postgres_tests), ignore = "TEST_POSTGRES_URL is not set")]
#[tokio::test(flavor = "multi_thread")]
async fn a_start_waits_for_its_database_and_background_work_survives_an_outage() {
    let mut line = Line::new("start").await;
    let database = line.database();
    line.refuse().await;
    let mut server = launch(&database);
    eventually(async || server.ask("/livez").starts_with(OK)).await;
    for (path, says) in [
        ("/readyz", "\"error_code\":\"TEMPORARILY_UNAVAILABLE\""),
        (LIST, "\"error_code\":\"TEMPORARILY_UNAVAILABLE\""),
        ("/api/2.0/preview/scim/v2/Users", "\"status\":\"503\""),
        ("/oidc/v1/token", "\"error\":\"temporarily_unavailable\""),
        ("/_mock/v1/workspaces", "\"error\":\"dapi-mock is starting.\""),
    ] {
        let answer = server.ask(path);
        assert!(answer.starts_with(GONE) && answer.contains("retry-after: 1\r\n") && answer.contains(says), "{answer}");
    }
    line.restore().await;
    eventually(async || server.ask("/readyz").starts_with(OK)).await;

    let made = server.post("/_mock/v1/workspaces", &json!({"ttl": "1s"}));
    line.set(State::Cut);
    eventually(async || server.ask("/readyz").starts_with(GONE)).await;
    assert!(server.ask("/livez").starts_with(OK));
    // The sweep and the audit log's file have failed at least once.
    sleep(Duration::from_millis(1200)).await;
    line.restore().await;
    eventually(async || server.ask("/readyz").starts_with(OK)).await;
    let created = server.post(CREATE, &json!({"comment": "after"}));
    let id = created["token_info"]["token_id"].as_str().unwrap();
    let file = server.folder.path().join("audit.jsonl");
    eventually(async || std::fs::read_to_string(&file).unwrap().contains(id)).await;
    let gone = format!("/_mock/v1/workspaces/{}", made["id"].as_str().unwrap());
    eventually(async || server.ask(&gone).starts_with("HTTP/1.1 404")).await;

    let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    let log = lines(server.ask("/_mock/v1/workspaces/default/audit").split("\r\n\r\n").nth(1).unwrap());
    let written = lines(&std::fs::read_to_string(&file).unwrap());
    let of_default: Vec<_> = written.into_iter().filter(|line| log.contains(line)).collect();
    assert_eq!(of_default, log, "each once, in order");

    server.child.kill().unwrap();
    let output = server.child.wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("not ready, retrying"), "{said}");
    assert!(said.contains("the sweep did not finish; retrying"), "{said}");
    assert!(said.contains("cannot append to the audit file; retrying"), "{said}");
    assert!(String::from_utf8(output.stdout).unwrap().contains("dapi-mock ready"));
}
