//! PostgreSQL gone, silent, slow and full: every request has its answer in a known time, nothing is half done, and
//! the server recovers by itself. Between the server and PostgreSQL stands a line that can be broken.

mod during;
mod line;
mod load;
mod start;

use std::time::Duration;

use dapi_mock::store::Limits;
use serde_json::{Value, json};

use crate::support::{Answer, CREATE, World, in_time};

/// Short, so that the tests are.
const LIMITS: Limits =
    Limits { connections: 4, waiting: 8, acquire: Duration::from_millis(400), statement: Duration::from_millis(600) };

async fn is_ready(world: &World) -> bool {
    in_time(world.anonymous().get("/readyz")).await.status == 200
}

/// 503, and when to come again.
#[track_caller]
fn unavailable(answer: &Answer, says: &[(&str, Value)]) {
    assert_eq!(answer.status, 503, "{answer:?}");
    assert_eq!(answer.header("retry-after"), "1");
    for (member, value) in says {
        assert_eq!(&answer.json()[member], value, "{answer:?}");
    }
}

async fn create(world: &World) -> Answer {
    world.admin().post(CREATE, &json!({})).await
}
