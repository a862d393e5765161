//! The journal as curl commands, as an HTTP archive and as a census.

use std::process::Command;

use axum::body::Body;
use axum::http::{Method, Request};
use dapi_mock::service::ADMIN_CLIENT_ID;
use serde_json::{Value, json};

use super::{SDK, own, send_as, texts};
use crate::support::{ADMIN_SECRET, ADMIN_TOKEN, Backend, LIST, START, World};

#[tokio::test]
async fn curl_commands_do_the_same_again() {
    let world = World::new(Backend::Memory).await;
    let request = Request::builder().method(Method::POST).uri("/api/2.0/token/create?a=%27b").header("host", "h:1");
    let request = request.header("authorization", format!("Bearer {ADMIN_TOKEN}")).header("content-type", "text/json");
    world.send(request.body(Body::from(r#"{"comment": "it's $HOME `id`"}"#)).unwrap()).await;
    world.anonymous().call(Method::HEAD, LIST, Body::empty()).await;
    world.access_token(&ADMIN_CLIENT_ID.to_string(), ADMIN_SECRET).await;
    let commands = own(&world, Method::GET, "default/requests?format=curl", &json!({})).await;
    assert_eq!(commands.header("content-type"), "text/plain; charset=utf-8");
    let script = format!(
        "curl() {{ printf '%s\\n' \"$@\"; }}\nDATABRICKS_TOKEN=T DATABRICKS_CLIENT_ID=I DATABRICKS_CLIENT_SECRET=S\n{}",
        commands.text
    );
    let output = Command::new("bash").args(["-euc", &script]).output().unwrap();
    let words = String::from_utf8(output.stdout).unwrap();
    let words: Vec<&str> = words.lines().collect();
    assert_eq!(
        words,
        [
            "-sS",
            "http://h:1/api/2.0/token/create?a=%27b",
            "-H",
            "Authorization: Bearer T",
            "-H",
            "content-type: text/json",
            "--data-raw",
            r#"{"comment": "it's $HOME `id`"}"#,
            "-sS",
            "-I",
            "http://127.0.0.1:3274/api/2.0/token/list",
            "-sS",
            "http://127.0.0.1:3274/oidc/v1/token",
            "-u",
            "I:S",
            "--data-raw",
            "grant_type=client_credentials&scope=all-apis",
        ]
    );
}

#[tokio::test]
async fn an_http_archive_has_the_form_that_tools_read() {
    let world = World::new(Backend::Memory).await;
    world.admin().create(&json!({"comment": "x"})).await;
    world.admin().get("/api/2.0/workspace-conf?keys=enableTokensConfig%2CmaxTokenLifetimeDays").await;
    let har = own(&world, Method::GET, "default/requests?format=har", &json!({})).await.json();
    let log = &har["log"];
    assert_eq!((&log["version"], &log["creator"]["name"]), (&json!("1.2"), &json!("dapi-mock")));
    let entries = log["entries"].as_array().unwrap();
    assert_eq!(entries.len(), 2);
    for entry in entries {
        // Every member that HAR 1.2 requires, and its type.
        for (pointer, is_right) in [
            ("/startedDateTime", Value::is_string as fn(&Value) -> bool),
            ("/time", Value::is_number),
            ("/request/method", Value::is_string),
            ("/request/url", Value::is_string),
            ("/request/httpVersion", Value::is_string),
            ("/request/cookies", Value::is_array),
            ("/request/headers", Value::is_array),
            ("/request/queryString", Value::is_array),
            ("/request/headersSize", Value::is_i64),
            ("/request/bodySize", Value::is_i64),
            ("/response/status", Value::is_i64),
            ("/response/statusText", Value::is_string),
            ("/response/httpVersion", Value::is_string),
            ("/response/cookies", Value::is_array),
            ("/response/headers", Value::is_array),
            ("/response/content/size", Value::is_i64),
            ("/response/content/mimeType", Value::is_string),
            ("/response/redirectURL", Value::is_string),
            ("/response/headersSize", Value::is_i64),
            ("/response/bodySize", Value::is_i64),
            ("/cache", Value::is_object),
            ("/timings/send", Value::is_number),
            ("/timings/wait", Value::is_number),
            ("/timings/receive", Value::is_number),
        ] {
            assert!(entry.pointer(pointer).is_some_and(is_right), "{pointer}: {entry}");
        }
    }
    assert_eq!(entries[0]["request"]["postData"]["text"], r#"{"comment":"x"}"#);
    assert_eq!(
        entries[1]["request"]["queryString"][0],
        json!({"name": "keys", "value": "enableTokensConfig,maxTokenLifetimeDays"})
    );
    assert_eq!(entries[1]["response"]["statusText"], "OK");
}

#[tokio::test]
async fn a_census_counts_clients_and_their_credentials() {
    let world = World::new(Backend::Memory).await;
    let (_, alice) = world.user_with_token("alice@example.com").await;
    let bearer = |token: &str| format!("Bearer {token}");
    for _ in 0..3 {
        send_as(&world, SDK, &bearer(&alice), Method::GET, LIST, "").await;
    }
    let access = world.access_token(&ADMIN_CLIENT_ID.to_string(), ADMIN_SECRET).await;
    let m2m = SDK.replace("auth/pat", "auth/oauth-m2m");
    send_as(&world, &m2m, &bearer(&access), Method::GET, LIST, "").await;
    send_as(&world, "curl/8.5.0", &bearer(&alice), Method::GET, "/api/2.0/workspace-conf?keys=x", "").await;
    let census = async |by: &str| {
        let answer = own(&world, Method::GET, &format!("default/census?by={by}"), &json!({})).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()["census"].as_array().unwrap().clone()
    };
    let by_client = census("client").await;
    assert_eq!(
        texts(&by_client, "name"),
        ["databricks-sdk-py/0.162.0 auth/pat", "(none)", "curl/8.5.0", "databricks-sdk-py/0.162.0 auth/oauth-m2m"]
    );
    assert_eq!(by_client[0]["credentials"], json!({"pat_bearer": 3}));
    assert_eq!(by_client[3]["credentials"], json!({"oauth": 1}));
    assert_eq!((&by_client[0]["first"], &by_client[2]["refused"]), (&json!(START.rfc3339()), &json!(1)));
    let by_principal = census("principal").await;
    assert_eq!(by_principal[0]["name"], "alice@example.com");
    assert_eq!(by_principal[0]["clients"], json!({"curl/8.5.0": 1, "databricks-sdk-py/0.162.0 auth/pat": 3}));
    assert_eq!(texts(&census("credential").await, "name"), ["pat_bearer", "none", "oauth"]);
    assert_eq!(census("token").await[0]["requests"], 4);
    assert_eq!(own(&world, Method::GET, "default/census?by=age", &json!({})).await.status, 400);
}
