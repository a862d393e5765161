//! The request journal: entries are found, counted, verified, taken out, and exported as curl and HAR, never with a secret.

mod entries;
mod formats;
mod secrets;
mod verify;

use axum::body::Body;
use axum::http::{Method, Request};
use serde_json::{Value, json};

use crate::support::{Answer, World};

const SDK: &str = "unknown/0.0.0 databricks-sdk-py/0.162.0 python/3.11.7 os/linux auth/pat";

async fn own(world: &World, method: Method, path: &str, body: &Value) -> Answer {
    world.anonymous().own(method, &format!("workspaces/{path}"), body).await
}

async fn rows(world: &World, path: &str) -> Vec<Value> {
    let answer = own(world, Method::GET, path, &json!({})).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()["requests"].as_array().unwrap().clone()
}

async fn requests(world: &World, query: &str) -> Vec<Value> {
    rows(world, &format!("default/requests?{query}")).await
}

async fn verify(world: &World, body: Value) -> Answer {
    own(world, Method::POST, "default/requests/verify", &body).await
}

fn texts<'a>(rows: &'a [Value], member: &str) -> Vec<&'a str> {
    rows.iter().map(|row| row[member].as_str().unwrap()).collect()
}

async fn send_as(world: &World, client: &str, authorization: &str, method: Method, path: &str, body: &str) -> Answer {
    let request = Request::builder().method(method).uri(path).header("host", "127.0.0.1:3274");
    let request = request.header("user-agent", client).header("authorization", authorization);
    world.send(request.body(Body::from(body.to_owned())).unwrap()).await
}
