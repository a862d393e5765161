//! No answer of the journal shows a secret.

use axum::http::Method;
use dapi_mock::service::{ADMIN_CLIENT_ID, ADMIN_USER};
use serde_json::{Value, json};

use super::{own, requests, send_as, verify};
use crate::support::{ADMIN_SECRET, ADMIN_TOKEN, Backend, LIST, World, query, redemption};

fn each_byte(text: &str, written: fn(u8) -> String) -> String {
    text.bytes().map(written).collect::<Vec<_>>().concat()
}

/// Sends every kind of secret in every place, and looks for it in all answers of the journal.
#[tokio::test]
async fn no_secret_is_in_any_answer_of_the_journal() {
    let world = World::new(Backend::Memory).await;
    let client_id = ADMIN_CLIENT_ID.to_string();
    let (value, id) = world.admin().create(&json!({})).await;
    let access = world.access_token(&client_id, ADMIN_SECRET).await;
    let form = format!("grant_type=client_credentials&client_id={client_id}&client_secret={ADMIN_SECRET}");
    let in_form = world.ask_for_token("/oidc/v1/token", None, &form).await.json();
    let me = world.client(&access).get("/api/2.0/preview/scim/v2/Me").await.json();
    let secrets = format!("/api/2.0/accounts/servicePrincipals/{}/credentials/secrets", me["id"].as_str().unwrap());
    let secret = world.client(&access).post(&secrets, &json!({})).await.json();
    let authorize = format!("/oidc/v1/authorize?{}", query(&[("login_hint", ADMIN_USER)]));
    let back = world.anonymous().get(&authorize).await;
    let (_, code) = back.header("location").split_once("?code=").unwrap();
    let code = code.split('&').next().unwrap().to_owned();
    let redeemed = world.ask_for_token("/oidc/v1/token", None, &redemption(&code, &[])).await.json();
    let page = world.anonymous().get(&format!("/oidc/v1/authorize?{}", query(&[]))).await;
    let (_, ticket) = page.text.split_once("name=\"ticket\" value=\"").unwrap();
    let ticket = ticket.split('"').next().unwrap().to_owned();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let refresh = text(&redeemed["refresh_token"]);
    let all = [
        value.clone(),
        ADMIN_TOKEN.into(),
        ADMIN_SECRET.into(),
        text(&secret["secret"]),
        access.clone(),
        text(&in_form["access_token"]),
        text(&redeemed["access_token"]),
        refresh.clone(),
        code,
        ticket.clone(),
        "my-control-key".into(),
        "hunter2".into(),
    ];
    let form = format!("ticket={ticket}&control_key=my-control-key&user=1");
    world.anonymous().call(Method::POST, "/oidc/v1/authorize", form).await;
    let form = format!("grant_type=refresh_token&client_id=databricks-cli&refresh_token={refresh}");
    world.ask_for_token("/oidc/v1/token", None, &form).await;
    for secret in &all {
        let (percent, escaped) =
            (each_byte(secret, |byte| format!("%{byte:02X}")), each_byte(secret, |byte| format!("\\u{byte:04x}")));
        for path in [
            format!("/api/2.0/token/{secret}"),
            format!("/api/2.0/token/{percent}"),
            format!("{LIST}?password={secret}"),
            format!("/x/{secret}?code={percent}"),
        ] {
            if !["hunter2", "my-control-key"].contains(&secret.as_str()) || path.contains("password") {
                world.admin().get(&path).await;
            }
        }
        for body in [
            json!({ "secret": secret }).to_string(),
            json!({ "client_secret": { "token_value": secret } }).to_string(),
            format!("{{\"password\": \"{escaped}\", \"access_token\": \"{secret}"),
        ] {
            world.admin().call(Method::POST, "/api/2.0/token/create", body).await;
        }
    }
    let bearer = format!("Bearer {value}");
    send_as(&world, &format!("tool/{value}"), &bearer, Method::GET, LIST, "").await;
    world.admin().post("/api/2.0/token/delete", &json!({ "token_id": id })).await;
    world.client(&value).get(LIST).await;

    let mut told = String::new();
    let ids = requests(&world, "").await;
    assert!(ids.len() > 80, "{}", ids.len());
    for row in &ids {
        let id = row["request_id"].as_str().unwrap();
        for path in [format!("workspaces/default/requests/{id}"), format!("explain/{id}")] {
            told.push_str(&world.admin().own(Method::GET, &path, &json!({})).await.text);
        }
    }
    for path in [
        "requests",
        "requests?format=curl",
        "requests?format=har",
        "census?by=client",
        "census?by=principal",
        "census?by=token",
    ] {
        told.push_str(&own(&world, Method::GET, &format!("default/{path}"), &json!({})).await.text);
    }
    told.push_str(&verify(&world, json!({"match": {"path": "/none"}})).await.text);
    for secret in &all {
        let percent = each_byte(secret, |byte| format!("%{byte:02X}"));
        for form in [secret, &percent] {
            let at = told.find(form.as_str()).map(|at| &told[at.saturating_sub(300)..at]);
            assert_eq!(at, None, "a secret ({}…) is there, after this", &secret[..4]);
        }
    }
    assert!(told.contains("dapi[redacted]") && told.contains("\\\"token_value\\\":\\\"[redacted]\\\""));
}
