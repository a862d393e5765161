//! Auto-scoping: a watched token may use all APIs, and is then narrowed to the scopes that it has used.

use axum::http::Method;
use dapi_mock::domain::clock::WorkspaceClock;
use dapi_mock::store::Lock;
use serde_json::{Value, json};

use crate::support::{ADMIN_TOKEN, DAY_MS, LIST, MANAGED, MAXIMUM_LIFETIME, START, World, on_every_store};

on_every_store!(
    all_apis_apply_until_the_scopes_are_narrowed_to_what_was_used,
    a_token_that_used_nothing_keeps_all_apis,
    scopes_that_were_chosen_are_kept_and_do_not_bind_before,
    the_timing_of_the_sweep_has_no_visible_effect,
    the_switch_says_how_long_new_tokens_are_watched,
    a_token_that_ends_first_is_not_narrowed,
    requests_at_the_same_time_infer_all_their_scopes,
    resets_copies_and_exports_keep_it,
    seeds_have_every_state,
);

async fn watched(world: &World) -> (String, String) {
    world.admin().create(&json!({"autoscope_enabled": true})).await
}

async fn info(world: &World, id: &str) -> Value {
    world.admin().get(&format!("{MANAGED}/{id}")).await.json()["token_info"].clone()
}

#[track_caller]
fn is_narrowed(info: &Value, scopes: &[&str]) {
    let expected = json!([scopes, scopes, "AUTOSCOPE_STATE_COMPLETED"]);
    assert_eq!(json!([info["scopes"], info["inferred_scopes"], info["autoscope_state"]]), expected, "{info}");
}

/// Moves the clock without the sweep that an advance brings.
async fn pass_without_sweep(world: &World, days: i64) {
    let id = world.workspace().await.id;
    let clock = world.workspace().await.clock.advanced(days * DAY_MS);
    let mut writer = world.service.store().write(Lock::Workspace(id)).await.unwrap();
    writer.update_clock(id, clock).await.unwrap();
    writer.commit().await.unwrap();
}

/// The updates in the audit log, without their random parts.
async fn updates(world: &World) -> Vec<Value> {
    let text = world.anonymous().get("/_mock/v1/workspaces/default/audit").await.text;
    let events = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    events.filter(|event| event["actionName"] == "updateDbToken").collect()
}

async fn all_apis_apply_until_the_scopes_are_narrowed_to_what_was_used(world: World) {
    let admin = world.admin();
    let (value, id) = watched(&world).await;
    for path in [MAXIMUM_LIFETIME, LIST, "/api/2.0/preview/scim/v2/Groups", MAXIMUM_LIFETIME] {
        assert_eq!(world.client(&value).get(path).await.status, 200, "{path}");
    }
    let running = info(&world, &id).await;
    assert_eq!(running["inferred_scopes"], json!(["authentication", "scim", "settings"]));
    assert_eq!(json!([running.get("scopes"), running["autoscope_state"]]), json!([null, "AUTOSCOPE_STATE_RUNNING"]));

    let upcoming = admin.own(Method::GET, "workspaces/default/clock/upcoming?limit=1", &json!({})).await.json();
    let event = &upcoming["events"][0];
    assert_eq!(json!([event["event"], event["token_id"]]), json!(["token.autoscoped", id]));
    assert_eq!(event["at"]["ms"], START.0 + 30 * DAY_MS);
    let advanced = admin.advance(&json!({"until": "token.autoscoped"})).await;
    assert_eq!(
        json!([advanced["now"]["ms"], advanced["events"][0]["event"]]),
        json!([START.0 + 30 * DAY_MS, "token.autoscoped"])
    );

    is_narrowed(&info(&world, &id).await, &["authentication", "scim", "settings"]);
    assert_eq!(world.client(&value).get(MAXIMUM_LIFETIME).await.status, 200);
    let refused = world.client(&value).get("/api/2.0/permissions/authorization/tokens").await;
    assert_eq!(refused.status, 403, "{refused:?}");
    let path = format!("explain/{}", refused.header("x-request-id"));
    let explained = admin.own(Method::GET, &path, &json!({})).await.json();
    let because = explained["because"].as_str().unwrap();
    assert!(because.contains("auto-scoping narrowed them at 2026-12-24T08:00:00.000Z"), "{explained}");
    let own = world.client(&value).get(LIST).await.json();
    let own = own["token_infos"].as_array().unwrap().iter().find(|row| row["token_id"] == id).unwrap().clone();
    is_narrowed(&own, &["authentication", "scim", "settings"]);

    let told = updates(&world).await;
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(told[0]["userIdentity"]["email"], "System-User");
    assert_eq!(told[0]["requestParams"]["scopes"], "authentication scim settings");
    let later =
        admin.own(Method::POST, "workspaces/default/clock/advance", &json!({"until": "token.autoscoped"})).await;
    assert_eq!(later.status, 404, "narrowing happens once: {later:?}");
}

async fn a_token_that_used_nothing_keeps_all_apis(world: World) {
    let (value, id) = watched(&world).await;
    assert_eq!(world.client(&value).get("/api/2.0/tokens/introspect").await.status, 200);
    world.admin().advance(&json!({"by": "30d"})).await;
    let ended = info(&world, &id).await;
    assert_eq!(ended["autoscope_state"], "AUTOSCOPE_STATE_API_NOT_COVERED");
    assert_eq!((ended.get("scopes"), ended.get("inferred_scopes")), (None, None));
    for path in [MAXIMUM_LIFETIME, LIST] {
        assert_eq!(world.client(&value).get(path).await.status, 200, "{path}");
    }
    assert_eq!(info(&world, &id).await.get("inferred_scopes"), None, "no more scopes are inferred");
}

async fn scopes_that_were_chosen_are_kept_and_do_not_bind_before(world: World) {
    let (value, id) = world.admin().create(&json!({"autoscope_enabled": true, "scopes": ["sql"]})).await;
    assert_eq!(world.client(&value).get(LIST).await.status, 200, "all APIs while it is watched");
    world.admin().advance(&json!({"by": "30d"})).await;
    is_narrowed(&info(&world, &id).await, &["authentication", "sql"]);
    assert_eq!(world.client(&value).get(LIST).await.status, 200);
    assert_eq!(world.client(&value).get(MAXIMUM_LIFETIME).await.status, 403);
    let changed = json!({"token": {"scopes": ["settings"]}, "update_mask": "scopes"});
    world.admin().patch(&format!("{MANAGED}/{id}"), &changed).await;
    let chosen = info(&world, &id).await;
    assert_eq!(
        json!([chosen["scopes"], chosen["autoscope_state"]]),
        json!([["settings"], "AUTOSCOPE_STATE_USER_SELECTED"])
    );
    assert_eq!(world.client(&value).get(MAXIMUM_LIFETIME).await.status, 200);
}

async fn the_timing_of_the_sweep_has_no_visible_effect(world: World) {
    let mut values = Vec::new();
    for _ in 0..4 {
        let (value, id) = watched(&world).await;
        assert_eq!(world.client(&value).get(LIST).await.status, 200);
        values.push((value, id));
    }
    pass_without_sweep(&world, 31).await;
    let admin = world.admin();
    is_narrowed(&info(&world, &values[0].1).await, &["authentication"]);
    assert_eq!(world.client(&values[0].0).get(MAXIMUM_LIFETIME).await.status, 403, "before the sweep");
    // A token changed or revoked before the sweep has its event, too. Reading the audit log would sweep.
    let comment = json!({"token": {"comment": "c"}, "update_mask": "comment"});
    assert_eq!(admin.patch(&format!("/api/2.0/token/{}", values[1].1), &comment).await.status, 200);
    assert_eq!(admin.post("/api/2.0/token/delete", &json!({"token_id": values[2].1})).await.status, 200);
    let id = world.workspace().await.id;
    assert_eq!(world.service.sweep(id).await.unwrap(), 2);
    assert_eq!(world.service.sweep(id).await.unwrap(), 0);
    let told = updates(&world).await;
    let narrowed: Vec<&Value> =
        told.iter().filter(|event| event["requestParams"].get("autoscopeState").is_some()).collect();
    assert_eq!((narrowed.len(), told.len()), (4, 5), "{told:?}");
    let at: Vec<&Value> = narrowed.iter().map(|event| &event["timestamp"]).collect();
    assert!(at.iter().all(|time| *time == at[0]), "all at the end of their thirty days: {at:?}");
    is_narrowed(&info(&world, &values[0].1).await, &["authentication"]);
    is_narrowed(&info(&world, &values[1].1).await, &["authentication"]);
    assert_eq!(world.client(&values[3].0).get(MAXIMUM_LIFETIME).await.status, 403, "after the sweep");
}

async fn the_switch_says_how_long_new_tokens_are_watched(world: World) {
    let behave = async |body: Value| world.admin().own(Method::PATCH, "workspaces/default/behaviour", &body).await;
    let (_, before) = watched(&world).await;
    assert_eq!(behave(json!({"autoscope_days": 7})).await.json()["autoscope_days"], 7);
    for bad in [json!(0), json!(-1), json!(65_536), json!("7")] {
        assert_eq!(behave(json!({ "autoscope_days": bad })).await.status, 400, "{bad}");
    }
    let (_, after) = watched(&world).await;
    let upcoming = world.admin().own(Method::GET, "workspaces/default/clock/upcoming", &json!({})).await.json();
    let narrowed = upcoming["events"].as_array().unwrap().iter().filter(|event| event["event"] == "token.autoscoped");
    let narrowed: Vec<Value> = narrowed.map(|event| json!([event["token_id"], event["at"]["ms"]])).collect();
    assert_eq!(narrowed, [json!([after, START.0 + 7 * DAY_MS]), json!([before, START.0 + 30 * DAY_MS])]);
}

async fn a_token_that_ends_first_is_not_narrowed(world: World) {
    let body = json!({"autoscope_enabled": true, "lifetime_seconds": 86_400 * 30});
    let (value, id) = world.admin().create(&body).await;
    assert_eq!(world.client(&value).get(LIST).await.status, 200);
    let events = world.admin().advance(&json!({"by": "31d"})).await["events"].clone();
    assert!(!events.to_string().contains("autoscoped"), "{events}");
    assert_eq!(info(&world, &id).await["autoscope_state"], "AUTOSCOPE_STATE_RUNNING");
    assert_eq!(updates(&world).await.len(), 0);
}

async fn requests_at_the_same_time_infer_all_their_scopes(world: World) {
    let (value, id) = watched(&world).await;
    let client = world.client(&value);
    let paths =
        [LIST, MAXIMUM_LIFETIME, "/api/2.0/preview/scim/v2/Groups", "/api/2.0/permissions/authorization/tokens"];
    let answers = futures_util::future::join_all(paths.map(|path| client.get(path))).await;
    assert!(answers.iter().all(|answer| answer.status == 200), "{answers:?}");
    let inferred = info(&world, &id).await["inferred_scopes"].clone();
    assert_eq!(inferred, json!(["access-management", "authentication", "scim", "settings"]));
}

async fn resets_copies_and_exports_keep_it(world: World) {
    let own = async |method: Method, path: &str, body: Value| {
        let answer = world.admin().own(method, path, &body).await;
        assert!(answer.status.is_success(), "{answer:?}");
        answer
    };
    let (value, id) = watched(&world).await;
    assert_eq!(world.client(&value).get(LIST).await.status, 200);
    own(Method::PUT, "workspaces/default/checkpoints/before", json!({})).await;
    let exported = world.anonymous().get("/_mock/v1/seed").await.text;
    assert!(exported.contains("autoscope_state: AUTOSCOPE_STATE_RUNNING"), "{exported}");
    assert!(exported.contains("inferred_scopes:"), "{exported}");
    let copy = own(Method::POST, "workspaces/default/fork", json!({})).await.json()["id"].as_str().unwrap().to_owned();
    world.admin().advance(&json!({"by": "30d"})).await;
    is_narrowed(&info(&world, &id).await, &["authentication"]);
    own(Method::POST, "workspaces/default/reset", json!({"to": "before"})).await;
    let tokens = own(Method::GET, &format!("workspaces/{copy}/tokens?token_id={id}"), json!({})).await.json();
    assert_eq!(tokens["tokens"][0]["autoscope_until"], "2026-12-24T08:00:00.000Z", "{tokens}");
    assert_eq!(info(&world, &id).await["inferred_scopes"], json!(["authentication"]));
    assert_ne!(world.workspace().await.clock, WorkspaceClock::frozen(START));
}

async fn seeds_have_every_state(world: World) {
    let token = |number: u8, rest: Value| {
        let mut seed =
            json!({"owner": "admin@example.com", "value": format!("dapi000000000000000000000000000001{number:02}")});
        seed.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        seed
    };
    let apply = async |tokens: Value| {
        let body = json!({"workspaces": [{"workspace_id": "3274327432743274", "tokens": tokens}]});
        world.admin().own(Method::POST, "seed", &body).await
    };
    let seeded = apply(json!([
        token(1, json!({"backfill_scopes": ["jobs", "sql"]})),
        token(2, json!({"created": "-29d", "last_used": "-1d", "autoscope_state": "AUTOSCOPE_STATE_RUNNING", "inferred_scopes": ["sql"]})),
        token(3, json!({"scopes": ["sql"], "inferred_scopes": ["sql"], "autoscope_state": "AUTOSCOPE_STATE_COMPLETED"})),
    ]))
    .await;
    assert_eq!(seeded.status, 200, "{seeded:?}");
    world.admin().advance(&json!({"by": "1d"})).await;
    let tokens = world.admin().get(MANAGED).await.json();
    let mut states: Vec<Value> = tokens["token_infos"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| json!([row["autoscope_state"], row["scopes"], row["inferred_scopes"], row["backfill_scopes"]]))
        .collect();
    states.sort_by_key(Value::to_string);
    assert_eq!(
        states,
        [
            json!(["AUTOSCOPE_STATE_BACKFILLED", null, null, ["jobs", "sql"]]),
            json!(["AUTOSCOPE_STATE_COMPLETED", ["sql"], ["sql"], null]),
            json!(["AUTOSCOPE_STATE_COMPLETED", ["sql"], ["sql"], null]),
            json!([null, null, null, null]),
        ]
    );
    for (wrong, says) in [
        (json!({"autoscope_state": "RUNNING"}), "unknown state 'RUNNING'"),
        (json!({"inferred_scopes": ["two words"]}), "inferred_scopes: 'two words' is not a scope"),
        (json!({"backfill_scopes": [""]}), "backfill_scopes: '' is not a scope"),
    ] {
        let refused = apply(json!([token(9, wrong)])).await;
        assert!(refused.status == 400 && refused.text.contains(says), "{refused:?}");
    }
    assert_eq!(world.client(ADMIN_TOKEN).get(LIST).await.status, 200);
}
