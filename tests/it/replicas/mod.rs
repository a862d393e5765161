//! Several processes on one PostgreSQL act as one server: a change through one applies to all at their next request, and
//! what should happen once happens once.

/// Stamps each test on two processes.
macro_rules! on_two_replicas {
    ($($name:ident),* $(,)?) => {
        mod on_postgres {
            $(#[cfg_attr(not(postgres_tests), ignore = "TEST_POSTGRES_URL is not set")]
            #[tokio::test]
            async fn $name() {
                let one = $crate::support::World::new($crate::support::Backend::Postgres).await;
                let other = one.replica().await;
                super::$name(one, other).await;
            })*
        }
    };
}

mod changes;
mod incarnations;
mod journal;
mod start;

use axum::http::Method;
use serde_json::Value;

use crate::support::{Answer, World};

async fn send(world: &World, method: Method, path: &str, body: &Value) -> Answer {
    let answer = match path.strip_prefix("own:") {
        Some(path) => world.admin().own(method, path, body).await,
        None => world.admin().call(method, path, body.to_string()).await,
    };
    assert!(answer.status.is_success(), "{path}: {answer:?}");
    answer
}

async fn own(world: &World, method: Method, path: &str, body: &Value) -> Answer {
    world.anonymous().own(method, path, body).await
}
