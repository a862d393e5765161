//! Users, groups and service principals over SCIM (docs/reference/scim.md).

mod access;
mod lists;
mod resources;

use axum::http::Method;
use serde_json::{Value, json};

use crate::support::{Answer, Client, GROUPS, ME, USERS, World};

async fn put(client: Client<'_>, path: &str, body: &Value) -> Answer {
    client.call(Method::PUT, path, body.to_string()).await
}

async fn delete(client: Client<'_>, path: &str) -> Answer {
    client.call(Method::DELETE, path, "").await
}

/// Creates a resource as the admin and answers it.
async fn created(world: &World, path: &str, body: &Value) -> Value {
    let answer = world.admin().post(path, body).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    answer.json()
}

async fn read(world: &World, path: &str) -> Value {
    let answer = world.admin().get(path).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

/// Patches as the admin and answers the resource.
async fn patched(world: &World, path: &str, operations: &Value) -> Value {
    let answer = world.admin().patch(path, &json!({ "Operations": operations })).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

async fn group_with(world: &World, name: &str, members: &[&Value]) -> Value {
    let members: Vec<Value> = members.iter().map(|member| json!({ "value": member["id"] })).collect();
    created(world, GROUPS, &json!({"displayName": name, "members": members})).await
}

async fn user(world: &World, name: &str) -> Value {
    created(world, USERS, &json!({ "userName": name })).await
}

async fn works(world: &World, token: &str) -> bool {
    world.client(token).get(ME).await.status == 200
}

/// Asserts an error in SCIM's envelope.
#[track_caller]
fn refused(answer: &Answer, status: u16, scim_type: Option<&str>, detail: &str) {
    let json = answer.json();
    assert_eq!(answer.status.as_u16(), status, "{answer:?}");
    assert_eq!(json["schemas"], json!(["urn:ietf:params:scim:api:messages:2.0:Error"]));
    assert_eq!(json["status"], status.to_string(), "a text");
    assert_eq!(json.get("scimType").and_then(Value::as_str), scim_type, "{answer:?}");
    assert!(json["detail"].as_str().unwrap().contains(detail), "{answer:?}");
    assert_eq!(answer.header("content-type"), "application/scim+json; charset=utf-8");
}
