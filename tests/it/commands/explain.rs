//! The commands that show requests and explain refusals, and those that arm faults.

use std::io::{BufRead, BufReader};

use serde_json::{Value, json};

use super::{columns, status};
use crate::support::{ADMIN, MEMORY, command, exchange, get, start};

#[test]
fn a_refusal_is_explained_by_a_command() {
    let server = start(&MEMORY);
    let (value, id) = server.create(&json!({"lifetime_seconds": 60}));
    let allowed = server.list(&value);
    let request_id = allowed.lines().find_map(|line| line.strip_prefix("x-request-id: ")).unwrap();
    let allowed = server.run(&["explain", request_id]).unwrap();
    assert!(allowed.starts_with("GET /api/2.0/token/list -> 200\n") && !allowed.contains("NO"), "{allowed}");
    server.run(&["clock", "--by", "1m"]).unwrap();
    assert!(server.list(&value).contains("Invalid access token."));
    let refused = server.run(&["explain", "--last"]).unwrap();
    for says in [
        "GET /api/2.0/token/list -> 403\n",
        "  NO  not_expired              the token expired at ",
        "answered: Invalid access token. [ReqId: ",
        "remedy:   Create a new token",
        &format!("token:    {id} of admin@example.com, last used: 2"),
        ": expired (System-User)\n",
    ] {
        assert!(refused.contains(says), "{says}: {refused}");
    }
    assert!(!refused.contains(&value));
    assert!(server.run(&["explain", "no/such?id"]).unwrap_err().contains("Unknown request 'no/such?id'"));
    assert!(server.run(&["explain"]).unwrap_err().contains("REQUEST_ID"));
}

#[test]
fn faults_are_armed_and_cleared_by_a_command() {
    let server = start(&MEMORY);
    let faults = |args: &[&str]| server.run(&[&["faults"], args].concat());
    assert_eq!(faults(&[]).unwrap(), "no faults are armed\n");
    let armed =
        faults(&["arm", "rate_limited", "--times", "2", "--method", "GET", "--path", "/api/2.0/token/*"]).unwrap();
    let about = "method=GET path=/api/2.0/token/*";
    assert_eq!(armed, format!("1  rate_limited  {about}  0 seen  0 fired  2 left\n"));
    assert!(server.list(ADMIN).starts_with("HTTP/1.1 429 "));
    assert_eq!(faults(&[]).unwrap(), format!("1  rate_limited  {about}  1 seen  1 fired  1 left\n"));
    assert!(server.run(&["explain", "--last"]).unwrap().contains("because:  Fault 1 (rate_limited) answered"));
    assert!(faults(&["arm", "oidc_down", "--times", "0"]).unwrap().ends_with("all left\n"));
    assert!(faults(&["arm", "oidc_up"]).unwrap_err().contains("expected one of rate_limited"));
    assert!(faults(&["--workspace", "12"]).unwrap_err().contains("12"));
    assert!(faults(&["catalogue"]).unwrap().contains("reply_lost_after_create   The token is created"));
    assert_eq!(faults(&["clear"]).unwrap(), "all faults cleared\n");
    assert_eq!(faults(&[]).unwrap(), "no faults are armed\n");
    assert!(server.list(ADMIN).starts_with("HTTP/1.1 200 "));
}

#[test]
fn requests_are_shown_verified_and_counted_by_commands() {
    let server = start(&MEMORY);
    let requests = |args: &[&str]| server.run(&[&["requests"], args].concat()).unwrap();
    assert_eq!(requests(&[]), "no requests yet\n");
    assert_eq!(server.run(&["census"]).unwrap(), "no requests yet\n");
    server.list(ADMIN);
    get(&server.address(), "/api/2.0/token/lst", "");
    let lines = requests(&[]);
    let shown = columns(lines.lines().next().unwrap());
    assert_eq!(shown[1..7], ["200", "GET", "/api/2.0/token/list", "pat_bearer", "admin@example.com", "-"], "{lines}");
    assert!(lines.trim_end().ends_with("  NO credential_well_formed"), "{lines}");
    let widths: Vec<usize> = lines.lines().map(|line| line.find("/api/2.0/").unwrap()).collect();
    assert!(widths.len() == 2 && widths[0] == widths[1], "{lines}");
    assert_eq!(requests(&["--principal", "nobody"]), "no matching requests yet\n");
    assert!(requests(&["--refused"]).contains("/api/2.0/token/lst") && requests(&["--refused"]).lines().count() == 1);
    let curl = requests(&["--curl", "--status", "200"]);
    assert!(
        curl.starts_with("curl -sS 'http") && curl.contains(" -H \"Authorization: Bearer $DATABRICKS_TOKEN\""),
        "{curl}"
    );
    assert!(requests(&["--har"]).contains("\"version\":\"1.2\""));
    let census = server.run(&["census", "--by", "credential"]).unwrap();
    assert!(census.contains("pat_bearer  1 requests  0 refused  last "), "{census}");
    let verify = |args: &[&str]| server.run(&[&["verify", "--path", "/api/2.0/token/list"], args].concat());
    assert_eq!(verify(&["--exactly", "1"]).unwrap(), "1 request matches\n");
    assert!(verify(&["--at-least", "2"]).unwrap_err().contains("Expected at least 2 requests with path"));
    assert!(verify(&["--exactly", "1", "--at-most", "1"]).unwrap_err().contains("cannot be used with"));
    assert_eq!(requests(&["--consume"]).lines().count(), 2);
    let port = server.port.to_string();
    let mut follower = command(&server.folder).args(["requests", "--follow", "--port", &port]).spawn().unwrap();
    let mut came = BufReader::new(follower.stdout.take().unwrap()).lines();
    for _ in 0..3 {
        server.list(ADMIN);
        assert!(came.next().unwrap().unwrap().contains("GET  /api/2.0/token/list"), "each new request");
    }
    follower.kill().unwrap();
    follower.wait().unwrap();
}

/// Disabling tokens logs which admins are locked out, and how they get back in.
#[test]
fn locking_admins_out_is_logged() {
    let server = start(&MEMORY);
    let ask = |method: &str, path: &str, body: &Value| -> Value {
        let headers = format!("Host: {}\r\nAuthorization: Bearer {ADMIN}", server.address());
        let answer =
            exchange(&server.address(), &format!("{method} {path} HTTP/1.1\r\n{headers}\r\n"), &body.to_string());
        serde_json::from_str(answer.split("\r\n\r\n").nth(1).unwrap()).unwrap_or_default()
    };
    let scim = "/api/2.0/preview/scim/v2";
    let robot = ask("POST", &format!("{scim}/ServicePrincipals"), &json!({"displayName": "ci"}));
    let admins = &ask("GET", &format!("{scim}/Groups?filter=displayName%20eq%20admins"), &json!({}))["Resources"][0];
    let join = json!({"Operations": [{"op": "add", "path": "members", "value": [{"value": robot["id"]}]}]});
    ask("PATCH", &format!("{scim}/Groups/{}", admins["id"].as_str().unwrap()), &join);
    let application = json!({"application_id": robot["applicationId"]});
    ask("POST", "/api/2.0/token-management/on-behalf-of/tokens", &application);
    ask("PATCH", "/api/2.0/workspace-conf", &json!({"enableTokensConfig": "true", "maxTokenLifetimeDays": "90"}));
    ask("PATCH", "/api/2.0/workspace-conf", &json!({"enableTokensConfig": "false"}));
    let (_, log, _) = server.stop("TERM");
    let warnings: Vec<&str> = log.lines().filter(|line| line.contains("WARN")).collect();
    let name = robot["applicationId"].as_str().unwrap();
    assert!(
        warnings.len() == 1 && warnings[0].contains(&format!("because they have no OAuth secret: {name}. ")),
        "{log}"
    );
    assert!(warnings[0].contains("/_mock/v1/workspaces/3274327432743274/conf"), "{log}");
}

/// A child of `exec` inherits the variable, and is refused with another workspace's token.
#[test]
fn an_inherited_workspace_id_is_explained() {
    let server = start(&MEMORY);
    let made = server.run(&["call", "workspaces.create", "--json", r#"{"id": 42, "port": 0}"#]).unwrap();
    let fork = server.run(&["call", "workspaces.fork", "--json", r#"{"id": 43}"#]).unwrap();
    for (made, id) in [(&made, "42"), (&fork, "43")] {
        let made: Value = serde_json::from_str(made).unwrap();
        let env = made["env"].as_object().unwrap();
        assert_eq!(env.len(), 3, "{made}");
        assert_eq!((&env["DATABRICKS_HOST"], &env["DATABRICKS_TOKEN"]), (&made["host"], &made["admin_token"]));
        assert_eq!(env["DATABRICKS_WORKSPACE_ID"], id);
    }
    let made: Value = serde_json::from_str(&made).unwrap();
    let address = server.address();
    let token = made["admin_token"].as_str().unwrap();
    let answer = |name: &str| {
        let head = format!("GET /api/2.0/token/list HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\n");
        exchange(&address, &format!("{head}X-Databricks-Workspace-Id: {name}\r\n"), "")
    };
    for (name, because) in [("3274327432743274", "set it to 42 or unset it"), ("12", "unset it, or set it to")] {
        assert!(answer(name).contains("Invalid access to Org"), "{name}");
        let said = server.run(&["explain", "--last"]).unwrap();
        let of = |head: &str| said.lines().find(|line| line.starts_with(head)).unwrap_or_default();
        if name != "12" {
            assert!(of("because:").contains("DATABRICKS_WORKSPACE_ID") && of("because:").contains(because), "{said}");
        }
        assert!(of("remedy:").contains("unset DATABRICKS_WORKSPACE_ID"), "{said}");
    }
    assert_eq!(status(&answer("42")), 200, "the remedy works");
    let (_, log, _) = server.stop("TERM");
    assert!(log.contains("refused: the request names workspace 3274327432743274, but the token is valid in workspace 42 only; clients take the workspace from DATABRICKS_WORKSPACE_ID"), "{log}");
}
