//! Token values, client secrets, codes, refresh tokens and access tokens appear only in the answer that created them and in
//! the banner of the first start; private keys are in the database only.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use dapi_mock::domain::AccountId;
use dapi_mock::service::{ADMIN_USER, FirstStart};
use dapi_mock::store::{Database, Store};
use reqwest::{Client, Method};
use serde_json::{Value, json};

use crate::support::{query, redemption, start, text};

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
    // While the server runs, so that the write-ahead log is there, too.
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
            assert_eq!(at, None, "{place} contains a token value after this");
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
            assert_eq!(at, None, "{place} contains a secret after this");
        }
    }
    for form in private {
        assert!(!seen.contains(&form) && !log.contains(&form));
    }
}

/// Numbers that look random, the same at every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % limit
    }
}

/// A secret in one of the ways in which it may be written.
fn written(secret: &str, numbers: &mut Numbers, in_address: bool) -> String {
    let way = numbers.below(if in_address { 6 } else { 9 });
    let mut each = |form: &dyn Fn(u8) -> String| -> String {
        let mut letter = |byte| if numbers.below(3) == 0 { char::from(byte).to_string() } else { form(byte) };
        secret.bytes().map(&mut letter).collect()
    };
    match way {
        0 => secret.to_owned(),
        1 => each(&|byte| format!("%{byte:02x}")),
        2 => each(&|byte| format!("%25{byte:02X}")),
        3 => URL_SAFE_NO_PAD.encode(format!("token:{secret}")),
        4 => hex::encode(secret),
        5 => each(&|byte| format!("%2525{byte:02x}")),
        6 => each(&|byte| format!("\\u{byte:04x}")),
        7 => each(&|byte| format!("\\\\u{byte:04X}")),
        _ => STANDARD.encode(secret),
    }
}

/// Wherever a secret stands in a request and however it is written, no record of the request contains it.
#[tokio::test]
async fn nothing_recorded_of_a_request_has_a_secret_that_was_in_it() {
    let server = start(&["--port", "0", "--log-level", "trace"]);
    let base = format!("http://127.0.0.1:{}", server.port);
    let admin = server.export("DATABRICKS_TOKEN");
    let client = Client::new();
    let mut numbers = Numbers(14);
    let mut digits = Vec::new();
    let mut ids = Vec::new();
    for number in 0..240 {
        let random: String = (0..32).map(|_| char::from(b"0123456789abcdef"[numbers.below(16)])).collect();
        let prefix = ["dapi", "dose", "dort", "dkea"][numbers.below(4)];
        let secret = format!("{prefix}{random}");
        let plain = format!("hunter{random}");
        digits.push(random);
        let (in_address, in_body) = (written(&secret, &mut numbers, true), written(&secret, &mut numbers, false));
        let path = match number % 6 {
            0 => format!("/api/2.0/token/{in_address}"),
            1 => format!("/api/2.0/token/list?o={in_address}"),
            2 => format!("/nowhere/{in_address}/x?Client_Secret={plain}"),
            3 => format!("/api/2.0/preview/scim/v2/Users?filter=a%26api%2Dkey%3D{plain}"),
            4 => format!("/oidc/accounts/{in_address}/jwks.json?x=https://u:{plain}@h"),
            _ => "/api/2.0/token/create".to_owned(),
        };
        let body = match number % 8 {
            0 => format!("{{\"lifetime_seconds\": \"{in_body}\"}}"),
            1 => format!("{{\"Password\": {{\"v\": [\"{plain}\", 1]}}, \"x\": \"{in_body}\"}}"),
            2 => format!("private_key={plain}&x={in_body}"),
            3 => format!("--b\r\nContent-Disposition: form-data; name=\"passwd\"\r\n\r\n{plain}\r\n--b--"),
            4 => format!("{{\"Operations\": [{{\"op\": \"add\", \"value\": \"{plain}\", \"path\": \"password\"}}]}}"),
            5 => format!("{{\"x\": \"{{\\\"api_key\\\": \\\"{plain}\\\"}}\"}}"),
            6 => format!("x-api-key: {plain}\nAuthorization: Basic {plain}"),
            _ => format!("-----BEGIN PRIVATE KEY-----\n{plain}\n-----END PRIVATE KEY-----"),
        };
        let method = if path.contains("create") || number % 2 == 0 { Method::POST } else { Method::GET };
        let mut request = client.request(method, format!("{base}{path}")).body(body);
        request = match number % 5 {
            0 => request.bearer_auth(&secret),
            1 => request.basic_auth("me", Some(&secret)),
            2 => request.bearer_auth(&admin).header("user-agent", format!("x/1 ({in_address})")),
            3 => request.bearer_auth(&admin).header("x-databricks-workspace-id", &in_address),
            _ => request.bearer_auth(&admin).header("x-api-key", &secret).header("cookie", format!("a={secret}")),
        };
        let answer = request.send().await.unwrap();
        assert!(answer.status().as_u16() < 500, "{path}: {answer:?}");
        ids.push(answer.headers()["x-request-id"].to_str().unwrap().to_owned());
    }
    let mut told = Vec::new();
    let mut paths: Vec<String> = ids.iter().map(|id| format!("/_mock/v1/explain/{id}")).collect();
    let own = "/_mock/v1/workspaces/default";
    for query in
        ["requests", "requests?format=curl", "requests?format=har", "census?by=client", "census?by=principal", "audit"]
    {
        paths.push(format!("{own}/{query}"));
    }
    paths.push("/_mock/v1/tripwire".to_owned());
    paths.push("/_mock/console/default/requests".to_owned());
    paths.extend(ids.iter().step_by(20).map(|id| format!("/_mock/console/default/requests/{id}")));
    for path in paths {
        let answer = client.get(format!("{base}{path}")).send().await.unwrap();
        assert!(answer.status().is_success() || answer.status() == 404, "{path}: {answer:?}");
        told.push((path, answer.text().await.unwrap()));
    }
    let (_, log, _folder) = server.stop("TERM");
    assert!(log.contains("[redacted]") && log.contains("refused"));
    told.push(("the log".to_owned(), log));
    let hidden = |digits: &str| {
        let secret = format!("dapi{digits}");
        [digits.to_owned(), hex::encode(&secret)[16..40].to_owned(), STANDARD.encode(&secret)[12..32].to_owned()]
    };
    for (place, text) in &told {
        for digits in &digits {
            for form in hidden(digits) {
                let at = text.find(&form).map(|at| text[..at].chars().rev().take(120).collect::<String>());
                let before = at.map(|before| before.chars().rev().collect::<String>());
                assert_eq!(before, None, "{place} contains {form} after this");
            }
        }
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
