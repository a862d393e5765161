//! The floor of the framework: axum with one route, `GET /hello`, which answers a fixed JSON object.
//!
//!     hello_axum --port 9101

use axum::{Json, Router, routing::get};
use dapi_mock_floor::{Outcome, serve};
use serde_json::{Value, json};

async fn hello() -> Json<Value> {
    Json(json!({"message": "hello"}))
}

fn main() -> Outcome {
    serve(Router::new().route("/hello", get(hello)))
}
