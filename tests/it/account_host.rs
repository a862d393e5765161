//! The account's host, reached by its own port or by the name in `Host`: its metadata and its routes.

use axum::body::Body;
use axum::http::{Method, Request};
use dapi_mock::http::HostType;
use dapi_mock::service::ADMIN_CLIENT_ID;
use dapi_mock::web::access::SignInPolicy;
use serde_json::{Value, json};

use crate::support::{
    ADMIN_SECRET, ADMIN_TOKEN, LIST, World, account, command, exchange, get, on_every_store, part, start, text,
};

on_every_store!(
    a_name_that_begins_with_accounts_is_the_accounts_host,
    the_accounts_host_has_the_accounts_api_and_no_other,
    the_accounts_host_issues_tokens_for_the_account,
    one_host_for_the_account_and_its_workspaces_says_so,
);

const METADATA: &str = "/.well-known/databricks-config";

async fn a_name_that_begins_with_accounts_is_the_accounts_host(world: World) {
    for host in ["accounts.localhost:3274", "accounts.cloud.example.com", "Accounts.test:80", "accounts"] {
        let metadata = world.send_to(host, Method::GET, METADATA, None, "").await.json();
        let expected = json!({
            "oidc_endpoint": format!("http://{host}/oidc/accounts/{}", account()),
            "account_id": account(),
            "cloud": "AWS",
            "host_type": "account",
            "token_federation_default_oidc_audiences": [account()],
        });
        assert_eq!(metadata, expected, "{host}");
    }
    for host in ["127.0.0.1:3274", "localhost", "my-accounts.test", "x.accounts.test", "accounting.test"] {
        let metadata = world.send_to(host, Method::GET, METADATA, None, "").await.json();
        let expected = json!(["workspace", format!("http://{host}/oidc"), "3274327432743274"]);
        assert_eq!(json!([metadata["host_type"], metadata["oidc_endpoint"], metadata["workspace_id"]]), expected);
    }
    // The guard of the control API allows no further names.
    for (host, status) in [("accounts.evil.com", 403), ("accounts.localhost", 200), ("accounts", 200)] {
        let answer = world.send_to(host, Method::GET, "/_mock/v1/workspaces", None, "").await;
        assert_eq!(answer.status, status, "{host}: {answer:?}");
    }
}

async fn the_accounts_host_has_the_accounts_api_and_no_other(world: World) {
    let host = "accounts.test";
    let admin = world.account_oauth().await;
    let users = format!("/api/2.0/accounts/{}/scim/v2/Users", account());
    let workspaces = format!("/api/2.0/accounts/{}/workspaces", account());
    for path in [&users, &workspaces] {
        let answer = world.send_to(host, Method::GET, path, Some(&admin), "").await;
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
    }
    for (method, path) in [
        (Method::GET, LIST),
        (Method::POST, "/api/2.0/token/create"),
        (Method::GET, "/api/2.0/preview/scim/v2/Me"),
        (Method::GET, "/api/2.0/account/scim/v2/Users"),
        (Method::GET, "/api/2.0/workspace-conf?keys=enableTokensConfig"),
        (Method::GET, "/api/2.0/token-management/tokens"),
        (Method::GET, "/api/2.0/accounts/servicePrincipals/1/credentials/secrets"),
    ] {
        for token in [ADMIN_TOKEN, &admin] {
            let answer = world.send_to(host, method.clone(), path, Some(token), "").await;
            answer.refused(404, "ENDPOINT_NOT_FOUND", "on the account's host. It is an API of workspaces");
        }
        // Authentication comes before routing, here too.
        let answer = world.send_to(host, method, path, None, "").await;
        assert_eq!(answer.status, 401, "{path}: {answer:?}");
    }
    let tokens = world.admin().get(LIST).await.json();
    assert_eq!(tokens["token_infos"].as_array().unwrap().len(), 1, "refused requests did nothing");
    let unknown = world.send_to(host, Method::GET, "/api/2.0/nothing", Some(&admin), "").await;
    unknown.refused(404, "ENDPOINT_NOT_FOUND", "/api/2.0/nothing");
    for path in ["/livez", "/readyz", "/oidc/jwks.json"] {
        assert_eq!(world.send_to(host, Method::GET, path, None, "").await.status, 200, "{path}");
    }
}

async fn the_accounts_host_issues_tokens_for_the_account(world: World) {
    let host = "accounts.test";
    for path in ["/oidc".to_owned(), format!("/oidc/accounts/{}", account())] {
        let metadata = format!("{path}/.well-known/oauth-authorization-server");
        let metadata = world.send_to(host, Method::GET, &metadata, None, "").await.json();
        assert_eq!(metadata["token_endpoint"], format!("http://{host}{path}/v1/token"));
        let form = format!("grant_type=client_credentials&client_id={ADMIN_CLIENT_ID}&client_secret={ADMIN_SECRET}");
        let answer = world.send_to(host, Method::POST, &format!("{path}/v1/token"), None, &form).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let token = text(&answer.json()["access_token"]);
        assert_eq!(part(&token, 1)["aud"], account(), "for all workspaces of the account");
        let users = format!("/api/2.0/accounts/{}/scim/v2/Users", account());
        assert_eq!(world.send_to(host, Method::GET, &users, Some(&token), "").await.status, 200);
        assert_eq!(world.client(&token).get(LIST).await.status, 200);
    }
}

async fn one_host_for_the_account_and_its_workspaces_says_so(mut world: World) {
    world.router = dapi_mock::cli::surface_as(
        HostType::Unified,
        &world.service,
        dapi_mock::web::access::Access::Open,
        SignInPolicy::Open(None),
        None,
    );
    let host = "127.0.0.1:3274";
    let metadata = world.send_to(host, Method::GET, METADATA, None, "").await.json();
    let expected = json!(["unified", account(), format!("http://{host}/oidc/accounts/{}", account())]);
    assert_eq!(json!([metadata["host_type"], metadata["account_id"], metadata["oidc_endpoint"]]), expected);
    assert_eq!(metadata.get("workspace_id"), None);
    let admin = world.account_oauth().await;
    for path in [LIST.to_owned(), format!("/api/2.0/accounts/{}/workspaces", account())] {
        assert_eq!(world.send_to(host, Method::GET, &path, Some(&admin), "").await.status, 200, "{path}");
    }
    let request = Request::get(METADATA).header("host", host).header("x-databricks-workspace-id", "3274327432743274");
    let named = world.send(request.body(Body::empty()).unwrap()).await.json();
    assert_eq!(named["host_type"], "workspace", "a workspace's own port names it so");
}

fn json_of(answer: &str) -> (u16, Value) {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{answer}"));
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, serde_json::from_str(body).unwrap_or_else(|_| panic!("{answer}")))
}

/// The status and body of a request to the control API at the shared port.
fn control(address: &str, method: &str, path: &str, body: &str) -> (u16, Value) {
    let head = format!("{method} /_mock/v1/{path} HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n");
    json_of(&exchange(address, &head, body))
}

/// Whether the port is closed, possibly a moment after the answer.
fn closes(address: &str) -> bool {
    (0..400).any(|_| {
        let is_closed = std::net::TcpStream::connect(address).is_err();
        std::thread::sleep(std::time::Duration::from_millis(if is_closed { 0 } else { 25 }));
        is_closed
    })
}

#[test]
fn an_account_gets_a_port_at_the_start_and_by_the_control_api() {
    let server = start(&["--port", "0", "--host", "127.0.0.1", "--database", "sqlite::memory:", "--account-port", "0"]);
    let shared = format!("127.0.0.1:{}", server.port);
    let path = format!("accounts/{}/port", account());
    let (status, port) = control(&shared, "GET", &path, "");
    assert_eq!((status, &port["account_id"]), (200, &json!(account())), "{port}");
    let host = text(&port["host"]);
    assert_eq!(port["env"], json!({"DATABRICKS_HOST": host, "DATABRICKS_ACCOUNT_ID": account()}));
    let address = host.strip_prefix("http://").unwrap().to_owned();
    assert_ne!(address, shared);
    let (_, metadata) = json_of(&get(&address, METADATA, ""));
    let expected = json!(["account", account(), format!("{host}/oidc/accounts/{}", account())]);
    assert_eq!(json!([metadata["host_type"], metadata["account_id"], metadata["oidc_endpoint"]]), expected);
    let refused = get(&address, LIST, &server.export("DATABRICKS_TOKEN"));
    assert!(refused.starts_with("HTTP/1.1 404") && refused.contains("on the account's host"), "{refused}");
    assert_eq!(json_of(&get(&shared, METADATA, "")).1["host_type"], "workspace");

    let again = control(&shared, "POST", "accounts/default/port", "{}");
    assert_eq!(again, (200, port.clone()), "it has a port already");
    let (_, made) = control(&shared, "POST", "workspaces", r#"{"port": 0}"#);
    let other = text(&made["account_id"]);
    let (status, theirs) = control(&shared, "POST", &format!("accounts/{other}/port"), "{}");
    assert_eq!(status, 200, "{theirs}");
    let their_address = text(&theirs["host"]).strip_prefix("http://").unwrap().to_owned();
    assert_eq!(json_of(&get(&their_address, METADATA, "")).1["account_id"], other);
    let (_, all) = control(&shared, "GET", "ports", "");
    let mut listed: Vec<String> = all["ports"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row.get("account_id").or_else(|| row.get("workspace_id")).map(text).unwrap())
        .collect();
    let mut expected = vec![account(), other.clone(), text(&made["id"])];
    listed.sort();
    expected.sort();
    assert_eq!(listed, expected, "{all}");

    for (account, body, status) in [
        ("00000000-0000-4000-8000-000000000000", "{}", 404),
        ("nonsense", "{}", 404),
        ("default", r#"{"ports": 1}"#, 400),
        ("default", r#"{"port": 70000}"#, 400),
    ] {
        let (answered, problem) = control(&shared, "POST", &format!("accounts/{account}/port"), body);
        assert_eq!(answered, status, "{problem}");
    }
    control(&shared, "DELETE", &format!("workspaces/{}", text(&made["id"])), "{}");
    assert!(closes(&their_address), "the account is gone, and its port with it");
    assert_eq!(control(&shared, "DELETE", &path, "{}").0, 200);
    assert!(closes(&address), "its port is closed");
    assert_eq!((control(&shared, "DELETE", &path, "{}").0, control(&shared, "GET", &path, "").0), (404, 404));
    let in_use = format!(r#"{{"port": {}}}"#, server.port);
    assert_eq!(control(&shared, "POST", &path, &in_use).0, 409);
}

#[test]
fn an_account_port_that_is_in_use_refuses_the_start() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let folder = tempfile::tempdir().unwrap();
    let output = command(&folder)
        .args(["--port", "0", "--host", "127.0.0.1", "--database", "sqlite::memory:", "--account-port", &port])
        .output()
        .unwrap();
    let says = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && says.contains("--account-port: cannot listen on"), "{says}");
}
