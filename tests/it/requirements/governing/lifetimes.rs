//! R39 to R45: the maximum lifetime of new tokens.

use axum::http::Method;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::super::{days, with_headers};
use super::info;
use crate::support::{
    ADMIN_TOKEN, Answer, CONF, DAY_MS, INVALID, LIST, MAXIMUM_LIFETIME, ME, ON_BEHALF_OF, START, World, on_every_store,
};

on_every_store!(
    r39_a_shorter_maximum_by_both_ways,
    r40_a_shorter_maximum_is_for_new_tokens,
    r41_the_maximum_is_a_whole_number_of_days,
    r41_a_change_happens_whole_or_not_at_all,
    r42_the_clis_call_sets_the_maximum,
    r43_curl_with_a_netrc_sets_the_maximum,
    r44_zero_is_730_days,
    r45_terraform_applies_changes_and_destroys,
);

async fn r39_a_shorter_maximum_by_both_ways(world: World) {
    let admin = world.admin();
    // The Go SDK in the CLI declares JSON; `curl -d` declares a form.
    for (content_type, cap) in [("application/json", 90), ("application/x-www-form-urlencoded", 30)] {
        let body = json!({"maxTokenLifetimeDays": cap.to_string()}).to_string();
        let headers = [("content-type", content_type)];
        let answer = with_headers(&world, ADMIN_TOKEN, (Method::PATCH, CONF), &headers, &body).await;
        assert_eq!((answer.status.as_u16(), answer.text.as_str()), (204, ""));
        assert_eq!(admin.get(MAXIMUM_LIFETIME).await.json(), json!({"maxTokenLifetimeDays": cap.to_string()}));
        assert_eq!(admin.lifetime(&json!({})).await, cap * DAY_MS, "the default is the cap");
        assert_eq!(admin.lifetime(&json!({"lifetime_seconds": days(cap)})).await, cap * DAY_MS);
        admin.too_long(days(cap) + 1, &format!("{cap} days")).await;
    }
    // Service principals' tokens are new tokens too.
    let ci = admin.robot("ci").await;
    let (_, id) = admin.create_for(&ci, None).await;
    assert_eq!(info(admin, &id).await["expiry_time"], START.0 + 30 * DAY_MS);
    let body = json!({"application_id": ci.name, "lifetime_seconds": days(30) + 1});
    admin.post(ON_BEHALF_OF, &body).await.refused(400, "INVALID_PARAMETER_VALUE", "30 days");
}

async fn r40_a_shorter_maximum_is_for_new_tokens(world: World) {
    let admin = world.admin();
    let (old, id) = admin.create_for_days(400).await;
    admin.configure(&json!({"maxTokenLifetimeDays": "90"})).await;
    assert_eq!(info(admin, &id).await["expiry_time"], START.0 + 400 * DAY_MS);
    for day in [89, 178, 267, 356, 399] {
        world.at(day * DAY_MS).await;
        assert!(world.client(&old).works().await, "day {day}");
        let own = world.client(&old).get(LIST).await.json();
        let rows = own["token_infos"].as_array().unwrap();
        let row = rows.iter().find(|row| row["token_id"] == id.as_str()).unwrap();
        assert_eq!(row["expiry_time"], START.0 + 400 * DAY_MS);
    }
    world.at(400 * DAY_MS - 1).await;
    assert!(world.client(&old).works().await);
    world.at(400 * DAY_MS).await;
    world.client(&old).get(ME).await.refused(403, 403, INVALID);
}

async fn r41_the_maximum_is_a_whole_number_of_days(world: World) {
    let admin = world.admin();
    for (value, cap) in [
        (json!("90"), 90),
        (json!("1"), 1),
        (json!("730"), 730),
        (json!("365"), 365),
        (json!(45), 45),
        (json!(""), 730),
        (json!("7"), 7),
    ] {
        admin.configure(&json!({ "maxTokenLifetimeDays": value })).await;
        let shown = value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
        assert_eq!(admin.get(MAXIMUM_LIFETIME).await.json(), json!({"maxTokenLifetimeDays": shown}), "as it was sent");
        assert_eq!(admin.lifetime(&json!({})).await, cap * DAY_MS, "{value}");
        admin.too_long(days(cap) + 1, &format!("{cap} days")).await;
    }
    for value in [json!("ninety"), json!("-1"), json!("1.5"), json!("731"), json!(731), json!(-1), json!(null)] {
        let answer = admin.patch(CONF, &json!({ "maxTokenLifetimeDays": value })).await;
        let text = answer.json()["message"].as_str().unwrap().to_owned();
        answer.refused(400, "BAD_REQUEST", "Some values are not allowed: ");
        let offenders: Value =
            serde_json::from_str(text.strip_prefix("Some values are not allowed: ").unwrap()).unwrap();
        assert!(offenders.as_object().unwrap().contains_key("maxTokenLifetimeDays"));
        assert_eq!(admin.get(MAXIMUM_LIFETIME).await.json(), json!({"maxTokenLifetimeDays": "7"}));
        assert_eq!(admin.lifetime(&json!({})).await, 7 * DAY_MS, "{value}");
    }
}

async fn r41_a_change_happens_whole_or_not_at_all(world: World) {
    let admin = world.admin();
    let both = "/api/2.0/workspace-conf?keys=enableTokensConfig%2CmaxTokenLifetimeDays";
    for (body, text) in [
        (
            json!({"enableTokensConfig": "false", "maxTokenLifetimeDays": "731"}),
            r#"Some values are not allowed: {"maxTokenLifetimeDays":"731"}"#,
        ),
        (
            json!({"enableTokensConfig": "no", "maxTokenLifetimeDays": "731", "enableDcs": "true"}),
            r#"Some values are not allowed: {"enableTokensConfig":"no","maxTokenLifetimeDays":"731"}"#,
        ),
        (
            json!({"enableTokensConfig": "false", "maxTokenLifetimeDays": "30", "nope": "1", "neither": "1"}),
            r#"Invalid keys: ["neither","nope"]"#,
        ),
    ] {
        let answer = admin.patch(CONF, &body).await;
        assert_eq!((answer.status.as_u16(), &answer.json()["message"]), (400, &json!(text)));
        let status = admin.get(both).await.json();
        assert_eq!(status, json!({"enableTokensConfig": null, "maxTokenLifetimeDays": null}));
        assert_eq!(admin.lifetime(&json!({})).await, 730 * DAY_MS);
    }
    let answer = admin.get("/api/2.0/workspace-conf?keys=maxTokenLifetimeDays,nope").await;
    assert_eq!((answer.status.as_u16(), &answer.json()["message"]), (400, &json!(r#"Invalid keys: ["nope"]"#)));
    // Every key that clients name, in one request and one by one.
    let all: Vec<&str> = dapi_mock::domain::conf::known_keys().collect();
    let status = admin.get(&format!("{CONF}?keys={}", all.join(","))).await.json();
    assert_eq!(status.as_object().unwrap().len(), all.len());
}

/// The request of `databricks workspace-conf set-status --json '…'`; tests/clients runs the CLI itself. The CLI prints
/// nothing, because the answer is empty.
async fn r42_the_clis_call_sets_the_maximum(world: World) {
    let headers = [
        ("content-type", "application/json"),
        ("accept", "application/json"),
        ("user-agent", "cli/0.260.0 databricks-sdk-go/0.80.0 go/1.24.0 os/linux cmd/workspace-conf_set-status"),
        ("x-databricks-workspace-id", "3274327432743274"),
    ];
    let body = r#"{"maxTokenLifetimeDays":"90"}"#;
    let answer = with_headers(&world, ADMIN_TOKEN, (Method::PATCH, CONF), &headers, body).await;
    assert_eq!((answer.status.as_u16(), answer.text.as_str()), (204, ""));
    assert_eq!(world.admin().lifetime(&json!({})).await, 90 * DAY_MS);
}

/// The request of the article's `curl -n -X PATCH … -d '{…}'`; tests/clients/curl runs the line itself.
async fn r43_curl_with_a_netrc_sets_the_maximum(world: World) {
    let pair = STANDARD.encode(format!("token:{ADMIN_TOKEN}"));
    let request = world.anonymous().request(&Method::PATCH, CONF);
    let request = request.header("authorization", format!("Basic {pair}")).header("accept", "*/*");
    let request = request.header("content-type", "application/x-www-form-urlencoded");
    let answer = world.send(request.body(r#"{"maxTokenLifetimeDays": "90"}"#.into()).unwrap()).await;
    assert_eq!((answer.status.as_u16(), answer.text.as_str()), (204, ""));
    assert_eq!(world.admin().lifetime(&json!({})).await, 90 * DAY_MS);
}

async fn r44_zero_is_730_days(world: World) {
    let admin = world.admin();
    admin.configure(&json!({"maxTokenLifetimeDays": "90"})).await;
    admin.configure(&json!({"maxTokenLifetimeDays": "0"})).await;
    assert_eq!(admin.get(MAXIMUM_LIFETIME).await.json(), json!({"maxTokenLifetimeDays": "0"}));
    assert_eq!(admin.lifetime(&json!({})).await, 730 * DAY_MS);
    assert_eq!(admin.lifetime(&json!({"lifetime_seconds": days(730)})).await, 730 * DAY_MS);
    admin.too_long(days(731), "730 days").await;
}

/// The requests of Terraform's `databricks_workspace_conf`, with OAuth because destroying a toggle that was "true" sends
/// "false". tests/clients runs the provider itself.
async fn r45_terraform_applies_changes_and_destroys(world: World) {
    let oauth = world.admin_oauth().await;
    let agent = "databricks-tf-provider/1.90.0 databricks-sdk-go/0.80.0 go/1.24.0 os/linux terraform/1.13.0";
    let send = async |method: Method, path: &str, body: &str| {
        let headers = [("user-agent", agent), ("x-databricks-workspace-id", "3274327432743274")];
        with_headers(&world, &oauth, (method, path), &headers, body).await
    };
    let patch = async |body: Value| send(Method::PATCH, CONF, &body.to_string()).await;
    let done = |answer: &Answer| assert_eq!((answer.status.as_u16(), answer.text.as_str()), (204, ""));
    let both = "/api/2.0/workspace-conf?keys=enableTokensConfig%2CmaxTokenLifetimeDays";

    // Apply, and a plan that is empty because each value comes back as it was sent.
    let wanted = json!({"enableTokensConfig": "true", "maxTokenLifetimeDays": "90"});
    done(&patch(wanted.clone()).await);
    assert_eq!(send(Method::GET, both, "").await.json(), wanted);
    assert_eq!(world.admin().lifetime(&json!({})).await, 90 * DAY_MS);
    // A change.
    let wanted = json!({"enableTokensConfig": "true", "maxTokenLifetimeDays": "0"});
    done(&patch(wanted.clone()).await);
    assert_eq!(send(Method::GET, both, "").await.json(), wanted);
    assert_eq!(world.admin().lifetime(&json!({})).await, 730 * DAY_MS);
    // The provider parses the list of unknown keys and continues without them.
    let unknown = send(Method::GET, &format!("{both}%2CenableNothing"), "").await;
    unknown.refused(400, "BAD_REQUEST", r#"Invalid keys: ["enableNothing"]"#);
    // Destroy: one request for each key, in alphabetical order; "false" where the value reads as a boolean,
    // as "0" does, else "". A value that is not allowed for a key is tolerated if the message begins so.
    done(&patch(json!({"enableTokensConfig": "false"})).await);
    assert!(!world.admin().works().await, "as the real provider's users find out");
    let tolerated = patch(json!({"maxTokenLifetimeDays": "false"})).await;
    assert_eq!(tolerated.status, 400);
    assert!(tolerated.json()["message"].as_str().unwrap().starts_with("Some values are not allowed"));
    done(&patch(json!({"enableTokensConfig": "true", "maxTokenLifetimeDays": "90"})).await);
    done(&patch(json!({"maxTokenLifetimeDays": ""})).await);
    assert_eq!(send(Method::GET, MAXIMUM_LIFETIME, "").await.json(), json!({"maxTokenLifetimeDays": ""}));
    assert_eq!(world.admin().lifetime(&json!({})).await, 730 * DAY_MS, "unset again");
}
