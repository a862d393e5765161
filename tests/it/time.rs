//! A workspace's clock, the sweep, and the tombstones and events that they leave.

use axum::http::Method;
use dapi_mock::domain::clock::WorkspaceClock;
use dapi_mock::domain::lifecycle::EventKind;
use dapi_mock::domain::{Millis, WorkspaceId};
use dapi_mock::service::{ADMIN_CLIENT_ID, AdvanceTarget, HistoryFilter};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};

use crate::support::{ADMIN_SECRET, ADMIN_TOKEN, Backend, DAY_MS, LIST, MANAGED, START, World, on_every_store};

on_every_store!(
    advancing_carries_out_what_is_due_in_order,
    the_article_of_ninety_days,
    two_workspaces_have_independent_clocks,
    a_clock_is_frozen_and_resumed_but_never_set_back,
    the_clock_survives_a_restart,
    a_system_clock_that_is_set_back_revives_nothing,
    a_workspace_expires_once,
    sweeping_changes_nothing_that_a_client_sees,
    every_ended_token_has_a_tombstone,
);

const CLOCK: &str = "workspaces/default/clock";

fn told(answer: &Value) -> Vec<(String, i64)> {
    let events = answer["events"].as_array().unwrap().iter();
    events
        .map(|event| (event["event"].as_str().unwrap().to_owned(), event["at"]["ms"].as_i64().unwrap() - START.0))
        .collect()
}

async fn advancing_carries_out_what_is_due_in_order(world: World) {
    let admin = world.admin();
    let (_, short) = admin.create(&json!({"lifetime_seconds": 3600})).await;
    let (_, idle) = admin.create(&json!({})).await;
    let upcoming = admin.own(Method::GET, &format!("{CLOCK}/upcoming"), &json!({})).await.json();
    assert_eq!(
        upcoming["events"][0],
        json!({"event": "token.expired", "at": {"ms": START.0 + 3_600_000, "rfc3339": "2026-11-24T09:00:00.000Z"}, "token_id": short, "owner": "admin@example.com", "comment": ""})
    );

    let advanced = admin.advance(&json!({"until": "token.expired"})).await;
    assert_eq!(advanced["now"]["ms"], START.0 + 3_600_000);
    assert_eq!(told(&advanced), [("token.expired".into(), 3_600_000)]);
    let headers = admin.get(LIST).await;
    assert_eq!(headers.header("date"), "Tue, 24 Nov 2026 09:00:00 GMT");

    let advanced = admin.advance(&json!({"by": "89d"})).await;
    assert_eq!(
        told(&advanced),
        [("token.vacuumed".into(), 30 * DAY_MS + 3_600_000)],
        "the expired one leaves the lists"
    );
    let advanced = admin.advance(&json!({"until": format!("token:{idle}")})).await;
    assert_eq!(advanced["now"]["ms"], START.0 + 90 * DAY_MS);
    // The admin's own token was used when the clock showed nine o'clock.
    assert_eq!(told(&advanced), [("token.auto_revoked".into(), 90 * DAY_MS)]);
    let advanced = admin.advance(&json!({"to": "2027-03-01T00:00:00Z"})).await;
    assert_eq!(told(&advanced), [("token.auto_revoked".into(), 90 * DAY_MS + 3_600_000)], "and then it was refused");
    admin.get(LIST).await.refused(403, 403, "Invalid access token.");
}

/// What the ten lines of docs/ninety-days.sh show, on the three stores.
async fn the_article_of_ninety_days(world: World) {
    let admin = world.admin();
    let (used, used_id) = admin.create(&json!({"comment": "used"})).await;
    let (_, unused_id) = admin.create(&json!({"comment": "unused"})).await;
    admin.advance(&json!({"by": "89d"})).await;
    assert_eq!(world.client(&used).get(LIST).await.status, 200);
    assert_eq!(admin.get(LIST).await.status, 200);
    admin.advance(&json!({"by": "1d"})).await;
    let own = admin.own_ids().await;
    let managed = admin.get(MANAGED).await.json();
    let managed: Vec<&str> =
        managed["token_infos"].as_array().unwrap().iter().map(|row| row["token_id"].as_str().unwrap()).collect();
    assert!(own.contains(&used_id) && managed.contains(&used_id.as_str()), "a token used at day 89 lives");
    assert!(!own.contains(&unused_id) && !managed.contains(&unused_id.as_str()), "an unused one is in neither list");
    admin.get(&format!("{MANAGED}/{unused_id}")).await.refused(404, "RESOURCE_DOES_NOT_EXIST", &unused_id);
}

async fn two_workspaces_have_independent_clocks(world: World) {
    let other = "dapi00000000000000000000000000000002";
    world.add_workspace(77, other).await;
    let date = async |token: &str| world.client(token).get(LIST).await.header("date").to_owned();
    world.admin().own(Method::POST, "workspaces/77/clock/advance", &json!({"by": "10d"})).await;
    assert_eq!(date(ADMIN_TOKEN).await, "Tue, 24 Nov 2026 08:00:00 GMT");
    assert_eq!(date(other).await, "Fri, 04 Dec 2026 08:00:00 GMT");
    let account = world.workspace().await.account;
    let path = format!("accounts/{account}/clock/advance");
    let answer = world.admin().own(Method::POST, &path, &json!({"by": "1d"})).await.json();
    assert_eq!(answer["workspaces"].as_array().unwrap().len(), 1);
    assert_eq!(date(ADMIN_TOKEN).await, "Wed, 25 Nov 2026 08:00:00 GMT");
    assert_eq!(date(other).await, "Fri, 04 Dec 2026 08:00:00 GMT");
}

async fn a_clock_is_frozen_and_resumed_but_never_set_back(world: World) {
    let admin = world.admin();
    let set = async |body: Value| admin.own(Method::POST, CLOCK, &body).await;
    let now = async || admin.own(Method::GET, CLOCK, &json!({})).await.json()["now"]["ms"].as_i64().unwrap() - START.0;
    assert_eq!(set(json!({"mode": "frozen"})).await.json()["mode"], "frozen");
    world.clock.advance(5000);
    assert_eq!(now().await, 0);
    assert_eq!(set(json!({"mode": "real"})).await.status, 200);
    assert_eq!(now().await, 5000);
    assert_eq!(set(json!({"mode": "frozen", "at": START.0 + 60_000})).await.status, 200);
    admin.advance(&json!({"by": "PT1M"})).await;
    assert_eq!(now().await, 120_000);
    assert_eq!(set(json!({"mode": "offset"})).await.status, 200);
    world.clock.advance(1000);
    assert_eq!(now().await, 121_000);
    for (path, body) in [
        (CLOCK, json!({"mode": "real"})),
        (CLOCK, json!({"mode": "frozen", "at": START.0})),
        ("workspaces/default/clock/advance", json!({"to": "2020-01-01T00:00:00Z"})),
    ] {
        let answer = admin.own(Method::POST, path, &body).await;
        assert_eq!(answer.status, 400, "{body}: {answer:?}");
        assert!(answer.text.contains("cannot be set back"), "{answer:?}");
    }
    for (body, says) in [
        (json!({"by": "soon"}), "use one such as 90d"),
        (json!({"to": "soon"}), "use RFC 3339"),
        (json!({"until": "soon"}), "expected token.expired"),
        (json!({}), "Give exactly one of by"),
        (json!({"by": "1d", "to": 5}), "Give exactly one of by"),
        (json!({"by": 5}), "expected a string"),
    ] {
        let answer = admin.own(Method::POST, "workspaces/default/clock/advance", &body).await;
        assert!(answer.status == 400 && answer.text.contains(says), "{body}: {answer:?}");
    }
    assert_eq!(admin.own(Method::GET, "workspaces/12/clock", &json!({})).await.status, 404);
    let nothing =
        admin.own(Method::POST, "workspaces/default/clock/advance", &json!({"until": "conf.effective"})).await;
    assert!(nothing.status == 404 && nothing.text.contains("No upcoming conf.effective event"), "{nothing:?}");
    assert_eq!(now().await, 121_000, "what was refused changed nothing");
}

async fn a_system_clock_that_is_set_back_revives_nothing(mut world: World) {
    let now = async |world: &World| world.service.clock(world.workspace().await.id).await.unwrap().now.since(START);
    let (real, _) = world.admin().create(&json!({"lifetime_seconds": 60})).await;
    world.clock.advance(60_000);
    assert_eq!(world.client(&real).get("/api/2.0/token/list").await.status, 403);
    world.clock.advance(-3_600_000);
    assert_eq!(now(&world).await, 60_000);
    assert_eq!(world.client(&real).get("/api/2.0/token/list").await.status, 403);
    world.restart().await;
    assert_eq!(now(&world).await, 60_000);
    assert_eq!(world.client(&real).get("/api/2.0/token/list").await.status, 403);
    // The clock does not stand still meanwhile, and follows the system's clock again once that has caught up.
    world.clock.advance(1_000_000);
    assert_eq!(now(&world).await, 560_000);
    world.clock.advance(6_200_000);
    assert_eq!(now(&world).await, 3_660_000);

    world.admin().advance(&json!({"by": "1h"})).await;
    let (offset, _) = world.admin().create(&json!({"lifetime_seconds": 60})).await;
    let access = world.access_token(&ADMIN_CLIENT_ID.to_string(), ADMIN_SECRET).await;
    let shown = now(&world).await;
    world.clock.advance(3_600_000);
    for credential in [&offset, &access] {
        assert_eq!(world.client(credential).get("/api/2.0/token/list").await.status, 403);
    }
    world.clock.advance(-3_600_000);
    world.restart().await;
    assert_eq!(now(&world).await, shown + 3_600_000);
    for credential in [&offset, &access] {
        assert_eq!(world.client(credential).get("/api/2.0/token/list").await.status, 403);
    }
}

/// What expires by the system's clock does not come back, either: workspaces with a TTL, and sessions of the pages.
async fn a_workspace_expires_once(mut world: World) {
    let body = json!({"id": 42, "ttl": "1h"});
    assert_eq!(world.anonymous().own(Method::POST, "workspaces", &body).await.status, 201);
    world.clock.advance(3_600_000);
    world.service.system_now();
    world.service.persist_time().await.unwrap();
    world.clock.advance(-3_600_000);
    world.restart().await;
    let gone = world.service.delete_expired_workspaces().await.unwrap();
    assert_eq!(gone.len(), 1);
}

async fn the_clock_survives_a_restart(mut world: World) {
    world.admin().advance(&json!({"by": "40d"})).await;
    world.restart().await;
    let id = world.workspace().await.id;
    assert_eq!(world.service.clock(id).await.unwrap().now, START.plus(40 * DAY_MS));
}

async fn every_ended_token_has_a_tombstone(world: World) {
    let admin = world.admin();
    let (_, by_owner) = admin.create(&json!({})).await;
    let (_, by_admin) = admin.create(&json!({})).await;
    let (_, expired) = admin.create(&json!({"lifetime_seconds": 60})).await;
    let (_, idle) = admin.create(&json!({})).await;
    admin.post("/api/2.0/token/delete", &json!({"token_id": by_owner})).await;
    admin.call(Method::DELETE, &format!("{MANAGED}/{by_admin}"), "").await;
    admin.advance(&json!({"by": "60s"})).await;
    let state = async |id: &str| {
        let path = format!("workspaces/default/tokens?token_id={id}");
        world.admin().own(Method::GET, &path, &json!({})).await.json()["tokens"][0].clone()
    };
    for (id, cause, by, seconds) in [
        (&by_owner, "revoked_by_owner", "admin@example.com", 0),
        (&by_admin, "revoked_by_admin", "admin@example.com", 0),
        (&expired, "expired", "System-User", 60),
    ] {
        let token = state(id).await;
        assert_eq!((&token["state"], &token["ended_by"]), (&json!(cause), &json!(by)));
        let at = chrono::DateTime::parse_from_rfc3339(token["ended_at"].as_str().unwrap()).unwrap();
        assert_eq!(at.timestamp_millis(), START.0 + seconds * 1000, "{cause}");
    }
    assert_eq!(state(&idle).await["state"], "live");
    admin.advance(&json!({"by": "90d"})).await;
    let token = state(&idle).await;
    assert_eq!((&token["state"], &token["ended_at"]), (&json!("inactive"), &json!("2027-02-22T08:00:00.000Z")));
    assert_eq!(state(&expired).await["ended_at"], "2026-11-24T08:01:00.000Z", "the vacuum changes nothing of it");
}

/// The same history with a sweep after every step and with none: what clients see is the same.
async fn sweeping_changes_nothing_that_a_client_sees(world: World) {
    let workspace = world.workspace().await;
    let owner = world.add_user("swept@example.com").await;
    let strategy =
        prop::collection::vec((0..200_i64, prop::option::of(0..200_i64), prop::option::of(0..200_i64)), 1..25);
    let mut runner = TestRunner::deterministic();
    let mut values = Vec::new();
    for (age, life, used) in strategy.new_tree(&mut runner).unwrap().current() {
        let value = world.mint(owner, |token| {
            token.creation_time = START.plus(-age * DAY_MS);
            token.expiry_time = life.map(|days| token.creation_time.plus(days * DAY_MS + 1));
            token.last_used = used.map(|days| token.creation_time.plus(days.min(age) * DAY_MS));
        });
        values.push(value.await);
    }
    let id = workspace.id;
    let observe = async || {
        let mut seen = Vec::new();
        let histories = world.service.token_histories(id, HistoryFilter::default()).await.unwrap();
        for history in histories.iter().filter(|history| history.token.owner == owner) {
            let end = history.end.as_ref().map(|end| (end.cause, end.at));
            seen.push((history.token.id.clone(), end));
        }
        seen
    };
    for _ in 0..14 {
        let target = AdvanceTarget::By(15 * DAY_MS);
        // Moves the clock without a sweep, compares, sweeps, and compares again.
        let clock = world.workspace().await.clock.advanced(15 * DAY_MS);
        let mut writer = world.service.store().write(dapi_mock::store::Lock::Workspace(id)).await.unwrap();
        writer.update_clock(id, clock).await.unwrap();
        writer.commit().await.unwrap();
        let before = observe().await;
        let mut listed_before = Vec::new();
        for value in &values {
            let presented = dapi_mock::domain::tokens::TokenValue::parse(value).unwrap().id();
            listed_before.push((presented, works(&world, value).await));
        }
        world.service.sweep(id).await.unwrap();
        assert_eq!(observe().await, before, "{target:?}");
        for (value, (_, worked)) in values.iter().zip(&listed_before) {
            assert_eq!(works(&world, value).await, *worked);
        }
    }
}

/// Whether the token would authenticate, without recording a use.
async fn works(world: &World, value: &str) -> bool {
    let id = dapi_mock::domain::tokens::TokenValue::parse(value).unwrap().id();
    let mut reader = world.service.store().read().await.unwrap();
    let workspace = reader.find_default_workspace().await.unwrap().unwrap();
    let now = workspace.clock.at(world.now());
    let token = reader.find_token(workspace.id, &id).await.unwrap();
    token.is_some_and(|token| token.state(&workspace.behaviour, now) == dapi_mock::domain::tokens::TokenState::Live)
}

#[tokio::test]
async fn a_sweep_ends_many_in_batches() {
    let world = World::new(Backend::Memory).await;
    let owner = world.add_user("many@example.com").await;
    for _ in 0..501 {
        world.mint(owner, |_| {}).await;
    }
    let id = world.workspace().await.id;
    assert_eq!(world.service.sweep_all().await.unwrap(), 0);
    let advanced = world.service.advance(id, &AdvanceTarget::By(90 * DAY_MS)).await.unwrap();
    // And the admin's own token.
    assert_eq!(advanced.events.len(), 502);
    assert!(
        advanced
            .events
            .iter()
            .all(|event| event.kind == EventKind::TokenAutoRevoked && event.at == START.plus(90 * DAY_MS))
    );
    assert_eq!(world.service.sweep_all().await.unwrap(), 0, "the sweep ran before the advance answered");
    let histories = world.service.token_histories(id, HistoryFilter::default()).await.unwrap();
    assert_eq!(histories.iter().filter(|history| history.end.is_some()).count(), 502);
}

#[tokio::test]
async fn no_clock_overflows() {
    let world = World::new(Backend::Memory).await;
    let id = world.workspace().await.id;
    for target in [AdvanceTarget::By(i64::MAX), AdvanceTarget::To(Millis(i64::MAX)), AdvanceTarget::By(i64::MAX)] {
        world.service.advance(id, &target).await.unwrap();
    }
    assert_eq!(world.service.clock(id).await.unwrap().now, Millis(i64::MAX));
    world.admin().get(LIST).await.refused(403, 403, "Invalid access token.");
    assert!(world.service.clock(WorkspaceId(5)).await.is_err());
    assert_eq!(WorkspaceClock::offset(i64::MAX).advanced(i64::MAX).at(START), Millis(i64::MAX));
}
