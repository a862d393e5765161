//! PostgreSQL unreachable, silent, slow or full: every request is answered within a known time, nothing is half done, and
//! the server recovers by itself. A proxy between the server and PostgreSQL, the `line`, breaks the connection.

mod during;
mod line;
mod load;
mod start;

use std::time::Duration;

use dapi_mock::store::Limits;
use serde_json::{Value, json};

use crate::support::{Answer, CREATE, World, in_time};

/// Short limits keep the tests short.
const LIMITS: Limits =
    Limits { connections: 4, waiting: 8, acquire: Duration::from_millis(400), statement: Duration::from_millis(600) };

async fn is_ready(world: &World) -> bool {
    in_time(world.anonymous().get("/readyz")).await.status == 200
}

/// Asserts a 503 with `Retry-After`.
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
