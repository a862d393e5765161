//! What clients are answered during an outage, and what the journal keeps.

use std::time::Duration;

use axum::http::Method;
use dapi_mock::service::ADMIN_CLIENT_ID;
use dapi_mock::store::Limits;
use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use super::line::{Line, State};
use super::{LIMITS, create, is_ready, unavailable};
use crate::support::{ADMIN_SECRET, LIST, World, eventually, in_time};

#[cfg_attr(not(postgres_tests), ignore = "TEST_POSTGRES_URL is not set")]
#[tokio::test]
async fn an_outage_is_answered_in_the_envelope_of_each_api_and_ends_by_itself() {
    let mut line = Line::new("told").await;
    let world = World::on(line.database(), LIMITS).await;
    let client = ADMIN_CLIENT_ID.to_string();
    for outage in [None, Some(State::Cut), Some(State::Silent)] {
        // Opens connections that the outage will break.
        join_all((0..4).map(async |_| world.admin().get(LIST).await)).await;
        match outage {
            None => line.refuse().await,
            Some(state) => line.set(state),
        }
        let (admin, nobody, nothing) = (world.admin(), world.anonymous(), json!({}));
        let form = "grant_type=client_credentials&scope=all-apis";
        let (list, created, ready, scim, oauth, own) = in_time(async {
            tokio::join!(
                admin.get(LIST),
                create(&world),
                nobody.get("/readyz"),
                admin.get("/api/2.0/preview/scim/v2/Users"),
                world.ask_for_token("/oidc/v1/token", Some((&client, ADMIN_SECRET)), form),
                nobody.own(Method::GET, "workspaces", &nothing),
            )
        })
        .await;
        for answer in [list, created, ready] {
            unavailable(&answer, &[("error_code", json!("TEMPORARILY_UNAVAILABLE"))]);
        }
        let schema = json!(["urn:ietf:params:scim:api:messages:2.0:Error"]);
        unavailable(&scim, &[("schemas", schema), ("status", json!("503"))]);
        unavailable(&oauth, &[("error", json!("temporarily_unavailable"))]);
        unavailable(&own, &[("error_code", Value::Null)]);
        assert!(own.json()["error"].is_string(), "{own:?}");
        assert_eq!(world.anonymous().get("/livez").await.status, 200);

        line.restore().await;
        eventually(async || is_ready(&world).await).await;
        eventually(async || world.admin().get(LIST).await.status == 200).await;
        let (token, _) = world.admin().create(&json!({})).await;
        assert_eq!(world.client(&token).get(LIST).await.status, 200);
    }
}

/// Entries that a process could not write to the shared journal stay in its memory until it can.
#[cfg_attr(not(postgres_tests), ignore = "TEST_POSTGRES_URL is not set")]
#[tokio::test]
async fn the_journal_outlives_an_outage_and_is_shared_after_it() {
    let mut line = Line::new("journal").await;
    let world = World::on(line.database(), LIMITS).await;
    let other = World::on(line.database.clone(), Limits::default()).await;
    let mut refused = Vec::new();
    let explained = async |world: &World, id: &str| {
        in_time(world.anonymous().own(Method::GET, &format!("explain/{id}"), &json!({}))).await
    };
    for outage in [State::Cut, State::Silent] {
        // One refusal before the outage, not written yet, and some during it, which require no database.
        refused.push(world.client("nonsense").get(LIST).await.header("x-request-id").to_owned());
        line.set(outage);
        for _ in 0..10 {
            let answer = timeout(Duration::from_millis(300), world.anonymous().get(LIST)).await.expect("nobody waits");
            assert_eq!(answer.status, 401, "{answer:?}");
            refused.push(answer.header("x-request-id").to_owned());
        }
        sleep(Duration::from_millis(300)).await;
        for id in &refused[refused.len() - 11..] {
            assert_eq!(explained(&world, id).await.json()["allowed"], false, "{id}");
        }
        let last = explained(&world, "last").await.json();
        assert_eq!(&last["request_id"], refused.last().unwrap());
        line.restore().await;
        eventually(async || is_ready(&world).await).await;
        // The journal is shared by itself, and each entry once, even if a commit was not answered.
        eventually(async || explained(&other, refused.last().unwrap()).await.status == 200).await;
        let path = "workspaces/default/requests";
        let listed = other.anonymous().own(Method::GET, path, &json!({})).await.json();
        let ids: Vec<&str> =
            listed["requests"].as_array().unwrap().iter().map(|row| row["request_id"].as_str().unwrap()).collect();
        assert_eq!(ids, refused);
    }
}
