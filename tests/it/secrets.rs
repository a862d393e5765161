//! Token values, client secrets, codes, refresh tokens and access tokens are in the answer that created
//! them and in the first start's banner, and nowhere else; private keys are in the database only.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use dapi_mock::domain::AccountId;
use dapi_mock::service::{ADMIN_USER, FirstStart};
use dapi_mock::store::{Database, Store};
use reqwest::{Client, Method};
use serde_json::{Value, json};

use crate::oauth::text;
use crate::process::start;
use crate::sign_in::{query, redemption};

#[tokio::test]
async fn no_value_is_in_the_files_the_log_or_another_answer() {
    let server = start(&["--port", "0", "--log-level", "trace"]);
    let base = format!("http://127.0.0.1:{}", server.port);
    let admin = server.export("DATABRICKS_TOKEN");
    let client = Client::new();
    let send = async |token: &str, method: Method, path: &str, body: String| {
        let request = client.request(method, format!("{base}{path}")).bearer_auth(token).body(body);
        let answer = request.send().await.unwrap();
        format!("{:?}\n", answer.headers()) + &answer.text().await.unwrap()
    };
    let (get, post, patch) = (Method::GET, Method::POST, Method::PATCH);
    let mut values = vec![admin.clone()];
    let mut seen = String::new();
    for i in 0..20 {
        let body = json!({"comment": format!("token {i}")}).to_string();
        let created = client.post(format!("{base}/api/2.0/token/create")).bearer_auth(&admin).body(body);
        let created: Value = created.send().await.unwrap().json().await.unwrap();
        let value = created["token_value"].as_str().unwrap().to_owned();
        let id = created["token_info"]["token_id"].as_str().unwrap();
        let update = json!({"token": {"comment": "changed"}, "update_mask": "comment"}).to_string();
        for (method, path, body) in [
            (&get, "/api/2.0/token/list", String::new()),
            (&get, "/api/2.0/preview/scim/v2/Me", String::new()),
            (&patch, &*format!("/api/2.0/token/{id}"), update.clone()),
            (&post, "/api/2.0/token/create", json!({"lifetime_seconds": 0}).to_string()),
            (&get, "/api/2.0/nonsense", String::new()),
            (&post, "/api/2.0/token/create", format!("{{\"comment\": {value}")),
            (&post, "/api/2.0/token/create", format!("{{\"lifetime_seconds\": \"{value}\"").replace(&value, "x")),
            (&post, "/api/2.0/token/delete", json!({"token_id": id}).to_string()),
            (&get, "/api/2.0/token/list", String::new()),
        ] {
            seen.push_str(&send(&value, method.clone(), path, body).await);
        }
        // A secret in the wrong place comes back to its sender, but must not be logged.
        send(&admin, patch.clone(), &format!("/api/2.0/token/{value}"), update.clone()).await;
        send(&admin, post.clone(), "/api/2.0/token/delete", json!({"token_id": value}).to_string()).await;
        send(&admin, post.clone(), "/api/2.0/token/create", json!({"lifetime_seconds": value}).to_string()).await;
        send(&admin, get.clone(), &format!("/api/2.0/token/list?o={value}"), String::new()).await;
        values.push(value);
    }
    // While it runs, so that the write-ahead log is there too.
    let mut files = Vec::new();
    for entry in std::fs::read_dir(server.folder.path()).unwrap() {
        files.extend(std::fs::read(entry.unwrap().path()).unwrap());
    }
    let files = String::from_utf8_lossy(&files).into_owned();
    let (_, log, _folder) = server.stop("TERM");
    assert!(log.contains("refused") && log.contains("answered") && files.contains("token 7"));
    for value in &values {
        for (place, text) in [("an answer", &seen), ("the log", &log), ("the database's files", &files)] {
            let at = text.find(value.as_str()).map(|at| &text[at.saturating_sub(200)..at]);
            assert_eq!(at, None, "a value is in {place}, after this");
        }
    }
}

#[tokio::test]
async fn no_secret_of_oauth_is_in_the_files_the_log_or_another_answer() {
    let server = start(&["--port", "0", "--log-level", "trace"]);
    let base = format!("http://127.0.0.1:{}", server.port);
    let (id, secret) = server.oauth().unwrap();
    let client = Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let authorize = format!("{base}/oidc/v1/authorize?{}", query(&[("login_hint", ADMIN_USER)]));
    let back = client.get(authorize).send().await.unwrap();
    let (_, back) = back.headers()["location"].to_str().unwrap().split_once("?code=").unwrap();
    let code = back.split('&').next().unwrap().to_owned();
    let form = redemption(&code, &[]);
    let signed_in = client.post(format!("{base}/oidc/v1/token")).body(form).send().await.unwrap();
    let signed_in: Value = signed_in.json().await.unwrap();
    let issue = async |path: &str| {
        let form = "grant_type=client_credentials";
        let request = client.post(format!("{base}{path}")).basic_auth(&id, Some(&secret)).body(form);
        let answer: Value = request.send().await.unwrap().json().await.unwrap();
        answer["access_token"].as_str().unwrap().to_owned()
    };
    let account = FirstStart::default().account;
    let tokens = [issue("/oidc/v1/token").await, issue(&format!("/oidc/accounts/{account}/v1/token")).await];
    let me = client.get(format!("{base}/api/2.0/preview/scim/v2/Me")).bearer_auth(&tokens[0]);
    let me: Value = me.send().await.unwrap().json().await.unwrap();
    let me = me["id"].as_str().unwrap();
    let secrets = format!("/api/2.0/accounts/servicePrincipals/{me}/credentials/secrets");
    let created = client.post(format!("{base}{secrets}")).bearer_auth(&tokens[0]).send().await.unwrap();
    let created: Value = created.json().await.unwrap();

    let mut values = vec![secret.clone(), created["secret"].as_str().unwrap().to_owned()];
    values.extend(tokens.clone());
    values.extend([code, text(&signed_in["refresh_token"]), text(&signed_in["access_token"])]);
    let mut seen = String::new();
    for token in &tokens {
        let (get, post, delete) = (Method::GET, Method::POST, Method::DELETE);
        for (method, path, body) in [
            (&get, secrets.clone(), String::new()),
            (&get, "/api/2.0/token/list".to_owned(), String::new()),
            (&get, "/oidc/jwks.json".to_owned(), String::new()),
            (
                &post,
                "/oidc/v1/token".to_owned(),
                format!("grant_type=client_credentials&client_id={id}&client_secret=x"),
            ),
            (&post, "/oidc/v1/token".to_owned(), format!("client_id={id}&client_secret={secret}")),
        ] {
            let request = client.request(method.clone(), format!("{base}{path}")).bearer_auth(token).body(body);
            seen.push_str(&request.send().await.unwrap().text().await.unwrap());
        }
        // A secret in the wrong place comes back to its sender, but must not be logged.
        for value in &values {
            for (method, path, body) in [
                (&delete, format!("{secrets}/{value}"), String::new()),
                (&get, format!("/api/2.0/token/list?o={value}"), String::new()),
                (&get, format!("/oidc/accounts/{value}/jwks.json"), String::new()),
                (&post, "/oidc/v1/token".to_owned(), format!("grant_type={value}")),
                (&post, "/oidc/v1/token".to_owned(), format!("grant_type=client_credentials&scope={value}!")),
                (&post, secrets.clone(), json!({"lifetime": value}).to_string()),
            ] {
                let request = client.request(method.clone(), format!("{base}{path}")).bearer_auth(token).body(body);
                assert!(request.send().await.unwrap().status().is_client_error());
            }
        }
    }
    let private = private_key(&server.folder.path().join("dapi-mock.db"), account).await;
    let mut files = Vec::new();
    for entry in std::fs::read_dir(server.folder.path()).unwrap() {
        files.extend(std::fs::read(entry.unwrap().path()).unwrap());
    }
    let files = String::from_utf8_lossy(&files).into_owned();
    let (_, log, _folder) = server.stop("TERM");
    assert!(log.contains("[redacted]") && files.contains("oauth_secrets"));
    for value in &values {
        for (place, text) in [("an answer", &seen), ("the log", &log), ("the database's files", &files)] {
            let at = text.find(value.as_str()).map(|at| &text[at.saturating_sub(200)..at]);
            assert_eq!(at, None, "a secret is in {place}, after this");
        }
    }
    for form in private {
        assert!(!seen.contains(&form) && !log.contains(&form));
    }
}

/// A stretch of the private exponent, in the forms that it could be written in.
async fn private_key(path: &std::path::Path, account: AccountId) -> [String; 4] {
    let store = Store::open(&Database::SqliteFile(path.to_str().unwrap().to_owned())).await.unwrap();
    let key = store.read().await.unwrap().find_signing_key(account).await.unwrap().unwrap();
    store.close().await;
    let stretch = &key.pkcs8[399..435];
    let numbers: Vec<String> = stretch.iter().map(ToString::to_string).collect();
    [STANDARD.encode(stretch), URL_SAFE_NO_PAD.encode(stretch), hex::encode(stretch), numbers.join(", ")]
}
