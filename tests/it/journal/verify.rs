//! Verifying what was received, and naming what came nearest.

use axum::body::Body;
use axum::http::Method;
use serde_json::json;

use super::{requests, verify};
use crate::support::{ADMIN_SECRET, Backend, LIST, World};

#[tokio::test]
async fn requests_are_verified_and_the_nearest_ones_named() {
    let world = World::new(Backend::Memory).await;
    world.admin().get(LIST).await;
    world.admin().create(&json!({})).await;
    world.admin().get(LIST).await;
    let lists = json!({"path": LIST, "status": 200});
    for (body, count) in [
        (json!({"match": lists}), 2),
        (json!({"match": lists, "exactly": 2}), 2),
        (json!({"match": lists, "at_least": 1, "at_most": 2}), 2),
        (json!({"match": {"method": "DELETE"}, "exactly": 0}), 0),
        (json!({"match": {"method": "DELETE"}, "at_most": 3}), 0),
        (json!({"in_order": [lists, {"operation": "tokens.create"}, lists]}), 3),
    ] {
        let answer = verify(&world, body.clone()).await;
        assert!(answer.status == 200 && answer.json()["count"] == count, "{body}: {answer:?}");
        assert_eq!(answer.json()["request_ids"].as_array().unwrap().len(), count);
    }
    for (body, says) in [
        (
            json!({"match": lists, "exactly": 1}),
            "Expected exactly 1 request with path /api/2.0/token/list, status 200; found 2 among 3 in the journal.",
        ),
        (json!({"match": {"path": LIST, "method": "POST"}}), "Expected at least 1 request with method POST"),
        (json!({"match": lists, "at_most": 1}), "Expected at most 1 "),
        (json!({"match": lists, "at_least": 3, "at_most": 4}), "Expected 3 to 4 "),
        (
            json!({"in_order": [{"operation": "tokens.create"}, lists, lists]}),
            "Expected in_order[2], a request with path /api/2.0/token/list, status 200, after request number 3; found none.",
        ),
        (json!({"in_order": [{"method": "PUT"}]}), "Expected in_order[0], a request with method PUT; found none."),
    ] {
        let answer = verify(&world, body.clone()).await;
        let json = answer.json();
        assert!(answer.status == 409 && json["met"] == false, "{body}: {answer:?}");
        assert!(json["error"].as_str().unwrap().starts_with(says), "{body}: {json}");
    }
    let near = verify(&world, json!({"match": {"path": LIST, "method": "POST"}})).await.json();
    assert_eq!(near["nearest"][0]["differs"], json!(["method is 'GET', not 'POST'"]));
    assert_eq!(near["nearest"][2]["differs"].as_array().unwrap().len(), 1);
    assert_eq!(near.get("nearest_routes"), None);
    let near = verify(&world, json!({"match": {"path": "/api/2.0/tokens/list", "method": "GET"}})).await.json();
    assert_eq!(near["nearest_routes"][0], "GET /api/2.0/token/list");
    let secret = json!({"match": {"path": format!("/{ADMIN_SECRET}")}});
    for (body, says) in [
        (json!({}), "Give either match"),
        (json!({"match": {}, "exactly": 1, "at_least": 1}), "Give either exactly"),
        (json!({"match": {}, "in_order": []}), "Give either match"),
        (json!({"match": {"pth": "/"}}), "unknown field `pth`"),
        (secret, "contains a token or secret"),
    ] {
        let answer = verify(&world, body.clone()).await;
        assert!(answer.status == 400 && answer.text.contains(says), "{body}: {answer:?}");
    }
}

#[tokio::test]
async fn an_unmatched_route_names_those_that_are_near() {
    let world = World::new(Backend::Memory).await;
    for (method, path, nearest) in [
        (Method::GET, "/api/2.0/token/lists", "GET /api/2.0/token/list"),
        (Method::GET, "/api/2.0/token/create", "POST /api/2.0/token/create"),
        (Method::POST, "/api/2.1/token/create", "POST /api/2.0/token/create"),
        (Method::GET, "/api/2.0/token-managment/tokens/7", "GET /api/2.0/token-management/tokens/{token_id}"),
        (Method::DELETE, "/api/2.0/preview/scim/v2/users/7", "DELETE /api/2.0/preview/scim/v2/Users/{id}"),
    ] {
        let answer = world.admin().call(method, path, Body::empty()).await;
        answer.refused(404, "ENDPOINT_NOT_FOUND", path);
        assert!(!answer.text.contains("nearest"), "the emulated API's answer has no hint");
        let rows = requests(&world, "unmatched=true&limit=1").await;
        assert_eq!(rows[0]["nearest_routes"][0], nearest, "{rows:?}");
    }
    world.admin().get("/nothing/like/any/route/of/ours").await;
    assert_eq!(requests(&world, "limit=1").await[0]["nearest_routes"], json!([]));
}
