//! What a query reads, how paging continues, and which parameters are refused.

use std::collections::BTreeMap;

use axum::http::Method;
use dapi_mock::service::ADMIN_CLIENT_ID;
use rand::SeedableRng;
use rand_chacha::ChaCha20Rng;
use serde_json::{Value, json};

use super::model;
use crate::support::{ADMIN_SECRET, Backend, DAY_MS, ELSEWHERE, START, World, ids, on_every_store, report_path};

on_every_store!(
    rows_are_counted_as_each_workspace_shows_them,
    only_the_report_queries_the_tokens_of_all,
    paging_continues_while_tokens_come_and_go,
);

/// What people do without the report: a loop over all workspaces with token management.
async fn rows_are_counted_as_each_workspace_shows_them(world: World) {
    let mut random = ChaCha20Rng::seed_from_u64(32);
    model(&world, &mut random).await;
    let mut looped: BTreeMap<(u64, u64), usize> = BTreeMap::new();
    let mut reported = looped.clone();
    let key = |row: &Value| (row["workspace_id"].as_u64().unwrap(), row["owner_id"].as_u64().unwrap());
    let mut same = Vec::new();
    for id in ["3274327432743274", "77"] {
        // An access token expires by its workspace's clock.
        let (client, form) = (ADMIN_CLIENT_ID.to_string(), "grant_type=client_credentials&scope=all-apis");
        let path = format!("/oidc/v1/token?o={id}");
        let answer = world.ask_for_token(&path, Some((&client, ADMIN_SECRET)), form).await.json();
        let admin = answer["access_token"].as_str().unwrap();
        for row in world.client(admin).managed(&format!("?o={id}")).await {
            *looped.entry(key(&row)).or_default() += 1;
            same.push(row);
        }
    }
    let report = world.report("?limit=1000").await;
    for row in report["tokens"].as_array().unwrap() {
        *reported.entry(key(row)).or_default() += 1;
        let managed = same.iter().find(|managed| managed["token_id"] == row["token_id"]).unwrap();
        let expiry = managed["expiry_time"].as_i64().filter(|at| *at != -1);
        assert_eq!((&managed["creation_time"], json!(expiry)), (&row["creation_time"], row["expiry_time"].clone()));
        assert_eq!(managed.get("last_used_day").unwrap_or(&Value::Null), &row["last_used_day"]);
        assert_eq!(
            (&managed["comment"], &managed["created_by_username"]),
            (&row["comment"], &row["created_by_username"])
        );
    }
    assert_eq!(reported, looped);
    assert!(looped.len() > 8, "{looped:?}");
}

/// R19: only the report reads for the report, and it has no cache.
async fn only_the_report_queries_the_tokens_of_all(world: World) {
    world.add_second_workspace(77, world.now(), ELSEWHERE).await;
    for _ in 0..5 {
        world.admin().create(&json!({"lifetime_seconds": 600})).await;
        world.admin().own_ids().await;
        world.admin().managed("").await;
    }
    world.anonymous().advance(&json!({"by": "1h"})).await;
    world.service.sweep_all().await.unwrap();
    assert_eq!(world.report_statistics().await, (0, 0));

    world.report("").await;
    // For each workspace a count and the rows.
    assert_eq!(world.report_statistics().await, (1, 4));
    world.report("?count=false").await;
    assert_eq!(world.report_statistics().await, (2, 6));
    world.report("?count=false&workspace_id=77").await;
    assert_eq!(world.report_statistics().await, (3, 7));
    assert_eq!(world.report_answer(".csv").await.status, 200);
    assert_eq!(world.report_statistics().await, (4, 9));
    // Two more counts for each workspace; a pressed button requires none of its own.
    world.report("?counts=true").await;
    assert_eq!(world.report_statistics().await, (5, 17));
    world.report("?counts=true&no_expiry=true").await;
    assert_eq!(world.report_statistics().await, (6, 19), "there are no rows, so nothing more to count");

    let before = world.report_statistics().await;
    for refused in ["?limit=0", "?x=1", "?page_token=abc", "?sort=colour", ".csv?created_from=soon"] {
        assert_eq!(world.report_answer(refused).await.status, 400, "{refused}");
    }
    assert_eq!(world.admin().own(Method::GET, &report_path(""), &json!({})).await.status, 401);
    world.anonymous().own(Method::GET, &report_path(".csv"), &json!({})).await;
    assert_eq!(world.report_statistics().await, before, "a refused request queries nothing");

    // The answer is current: a token created in between is there.
    let (_, id) = world.admin().create(&json!({})).await;
    assert!(ids(&world.report("?limit=1000").await).contains(&id));
}

async fn paging_continues_while_tokens_come_and_go(world: World) {
    let admin = world.admin_id().await;
    for n in 0..6 {
        world.mint(admin, |token| token.creation_time = START.plus(n * 1000 - 9000)).await;
    }
    let all = world.reported("").await;
    let first = world.report("?limit=3").await;
    // The last token of the page is revoked, and tokens are created before and after its position.
    let gone = json!([{"workspace_id": 3_274_327_432_743_274_i64, "token_id": all[2]}]);
    assert_eq!(world.revoke_reported(&gone).await.json()["revoked"], gone);
    let earlier = world.mint(admin, |token| token.creation_time = START.plus(-20_000)).await;
    let later = world.mint(admin, |token| token.creation_time = START.plus(DAY_MS)).await;
    let id = |value: &str| dapi_mock::domain::tokens::TokenValue::parse(value).unwrap().id().to_string();
    let next = first["next_page_token"].as_str().unwrap();
    let rest = ids(&world.report(&format!("?limit=1000&page_token={next}")).await);
    assert_eq!(rest, [&all[3..], &[id(&later)]].concat());
    assert!(!rest.contains(&id(&earlier)));
    for wrong in [format!("{next}&sort=expires"), format!("{next}&no_expiry=true"), "bm9uZQ".to_owned()] {
        let refused = world.report_answer(&format!("?page_token={wrong}")).await;
        assert!(refused.status == 400 && refused.text.contains("page_token"), "{refused:?}");
    }
}

#[tokio::test]
async fn typos_in_parameters_are_named() {
    let world = World::new(Backend::Memory).await;
    for (query, says) in [
        ("owners=x", "unknown field `owners`"),
        ("limit=0", ": use 1 to 1000"),
        ("limit=1001", ": use 1 to 1000"),
        ("limit=ten", "limit: expected a number"),
        ("sort=colour", "sort: unknown order 'colour'"),
        ("order=up", "order: unknown order 'up'"),
        ("workspace_id=default", "workspace_id: invalid workspace id 'default'"),
        ("created_from=yesterday", "created_from: invalid time 'yesterday'"),
        ("last_used_to=2026-02-30", "last_used_to: invalid time '2026-02-30'"),
        ("no_expiry=yes", "no_expiry: provided string was not"),
        ("owner=a&owner=b", "duplicate field `owner`"),
        ("owner=%00", "U+0000"),
    ] {
        let refused = world.report_answer(&format!("?{query}")).await;
        assert!(refused.status == 400 && refused.text.contains(says), "{query}: {refused:?}");
    }
}
