//! Token values are in the answer that created them and in the first start's banner, and nowhere else.

use reqwest::{Client, Method};
use serde_json::{Value, json};

use crate::process::start;

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
