//! R18–R25: the token report of the account console, through the API that its page uses (`pages_report.rs`).

use axum::http::Method;
use serde_json::{Value, json};

use crate::support::{DAY_MS, ELSEWHERE, ME, START, World, ids, on_every_store, records, report_path};

on_every_store!(
    r18_the_account_admin_monitors_and_revokes,
    r19_queries_run_only_while_the_report_is_used,
    r20_signing_in_as_account_admin_is_another_thing,
    r21_the_report_is_found_where_it_is_said_to_be,
    r22_filters_narrow_alone_and_together,
    r23_two_toggles_show_inactive_principals_and_no_expiry,
    r24_the_export_has_the_filtered_rows,
    r25_selected_tokens_are_revoked,
    an_admin_with_oauth_is_never_locked_out,
);

async fn r18_the_account_admin_monitors_and_revokes(world: World) {
    let ann = world.admin().user("ann@example.com").await;
    let token = world.first_token(&ann).await;
    let report = world.report("?owner=ann@example.com").await;
    let row = &report["tokens"][0];
    assert_eq!(
        (&report["total"], &row["owner_name"], &row["owner_type"]),
        (&json!(1), &json!(ann.name), &json!("user"))
    );
    assert_eq!(row["workspace_name"], world.workspace().await.name);
    let selected = json!([{"workspace_id": row["workspace_id"], "token_id": row["token_id"]}]);
    assert_eq!(world.revoke_reported(&selected).await.json(), json!({"revoked": selected, "not_found": []}));
    assert!(!world.client(&token).works().await);

    let body = json!({ "tokens": selected });
    for (who, status) in [(world.admin(), 401), (world.anonymous(), 401)] {
        for (method, rest) in [(Method::GET, ""), (Method::GET, ".csv"), (Method::POST, "/revoke")] {
            assert_eq!(who.own(method, &report_path(rest), &body).await.status, status, "{rest}");
        }
    }
}

async fn r19_queries_run_only_while_the_report_is_used(world: World) {
    let admin = world.admin_oauth().await;
    for _ in 0..3 {
        world.admin().create(&json!({})).await;
        world.client(&admin).managed("").await;
    }
    world.anonymous().advance(&json!({"by": "1h"})).await;
    world.service.sweep_all().await.unwrap();
    assert_eq!(world.report_statistics().await, (0, 0));
    for (n, filter) in ["", "?no_expiry=true", ".csv", "?owner=nobody"].iter().enumerate() {
        assert_eq!(world.report_answer(filter).await.status, 200);
        assert_eq!(world.report_statistics().await.0, 1 + n as u64, "one more row for {filter:?}");
    }
    let before = world.report_statistics().await;
    assert_eq!(world.admin().own(Method::GET, &report_path(""), &json!({})).await.status, 401);
    assert_eq!(world.report_statistics().await, before);
}

/// A token opens a workspace only, whatever its owner's rights. `pages` covers the sign-in page.
async fn r20_signing_in_as_account_admin_is_another_thing(world: World) {
    let token = world.mint(world.user_id(dapi_mock::service::ACCOUNT_ADMIN_USER).await, |_| {}).await;
    assert!(world.client(&token).works().await);
    let refused = world.client(&token).own(Method::GET, &report_path(""), &json!({})).await;
    assert!(refused.status == 401 && refused.text.contains("use OAuth"), "{refused:?}");
    assert_eq!(world.report_answer("").await.status, 200);
}

/// `pages_report.rs` covers labels and links; the routes behind them are in the control API's list.
async fn r21_the_report_is_found_where_it_is_said_to_be(world: World) {
    let answer = world.anonymous().own(Method::GET, "token-report", &json!({})).await;
    assert_eq!(answer.status, 404);
    assert!(answer.text.contains("GET /_mock/v1/accounts/{account}/token-report\""), "{answer:?}");
}

const MIDNIGHT: i64 = START.0 - START.0 % DAY_MS;

/// Tokens of two owners in two workspaces, named by their comments, at and around midnight UTC.
async fn seeded(world: &World) {
    world.add_second_workspace(77, world.now(), ELSEWHERE).await;
    let ann = world.admin().user("ann@example.com").await.principal_id();
    let ben = world.admin().user("ben@example.com").await.principal_id();
    let day = |n: i64| dapi_mock::domain::Millis(MIDNIGHT + n * DAY_MS);
    for (comment, owner, there, created, expiry, used) in [
        ("before", ann, false, day(-1).plus(-1), Some(day(5).plus(-1)), Some(day(-1).plus(-1))),
        ("first", ann, false, day(-1), Some(day(5)), Some(day(-1))),
        ("last", ben, false, day(0).plus(-1), Some(day(6).plus(-1)), Some(day(0).plus(-1))),
        ("after", ben, true, day(0), Some(day(6)), Some(day(0))),
        ("never", ann, true, day(-3), None, None),
    ] {
        world
            .mint(owner, |token| {
                token.comment = comment.into();
                token.creation_time = created;
                token.expiry_time = expiry;
                token.last_used = used;
                if there {
                    token.workspace = dapi_mock::domain::WorkspaceId(77);
                }
            })
            .await;
    }
}

/// The comments that a query shows, by age; those of the admins' own tokens, which have none, are left out.
async fn comments(world: &World, query: &str) -> Vec<String> {
    let report = world.report(&format!("?limit=1000&{query}")).await;
    let text = |row: &Value| row["comment"].as_str().unwrap().to_owned();
    let all = report["tokens"].as_array().unwrap().iter().map(text);
    all.filter(|comment| !comment.is_empty() && !comment.contains("dapi-mock")).collect()
}

async fn r22_filters_narrow_alone_and_together(world: World) {
    seeded(&world).await;
    let ann = world.user_id("ann@example.com").await;
    let yesterday = &dapi_mock::domain::Millis(MIDNIGHT - DAY_MS).rfc3339()[..10];
    let fifth = &dapi_mock::domain::Millis(MIDNIGHT + 5 * DAY_MS).rfc3339()[..10];
    let midnight = MIDNIGHT;
    for (query, expected) in [
        ("owner=ann@example.com".to_owned(), "never before first"),
        ("owner=ANN@example.com".to_owned(), "never before first"),
        (format!("owner={ann}"), "never before first"),
        ("owner=ann".to_owned(), ""),
        ("workspace_id=77".to_owned(), "never after"),
        ("workspace_id=78".to_owned(), ""),
        // A day includes its whole length and nothing of its neighbours.
        (format!("created_from={yesterday}&created_to={yesterday}"), "first last"),
        (format!("expires_from={fifth}&expires_to={fifth}"), "first last"),
        (format!("last_used_from={yesterday}&last_used_to={yesterday}"), "first last"),
        // Instants are half-open.
        (format!("created_from={midnight}"), "after"),
        (format!("created_to={midnight}"), "never before first last"),
        (format!("created_to={}", midnight + 1), "never before first last after"),
        (format!("created_from={midnight}&created_to={midnight}"), ""),
        (format!("created_from={}Z", &START.start_of_utc_day().rfc3339()[..19]), "after"),
        // Tokens that never expire, or were never used, are in no range of that time.
        ("expires_from=1970-01-01".to_owned(), "before first last after"),
        ("last_used_to=2999-01-01".to_owned(), "before first last after"),
        // All filters together: each removes something.
        (
            format!(
                "owner=ann@example.com&workspace_id=3274327432743274&created_from={yesterday}&created_to={yesterday}\
                 &expires_from={fifth}&expires_to={fifth}&last_used_from={yesterday}&last_used_to={yesterday}"
            ),
            "first",
        ),
        (format!("owner=ann@example.com&created_from={midnight}"), ""),
        ("sort=created&order=desc".to_owned(), "after last first before never"),
    ] {
        assert_eq!(comments(&world, &query).await.join(" "), expected, "{query}");
    }
}

async fn r23_two_toggles_show_inactive_principals_and_no_expiry(world: World) {
    seeded(&world).await;
    let ben = world.user_id("ben@example.com").await;
    let retired = world.admin().robot("retired").await;
    world.mint(retired.principal_id(), |token| (token.comment, token.expiry_time) = ("robot".into(), None)).await;
    assert_eq!(comments(&world, "inactive_principals=true").await.join(" "), "never after", "not in workspace 77");
    world.set_active(ben, false).await;
    world.set_active(retired.principal_id(), false).await;
    for (query, expected) in [
        ("inactive_principals=true", "never last after robot"),
        ("no_expiry=true", "never robot"),
        ("inactive_principals=true&no_expiry=true", "never robot"),
        ("inactive_principals=true&workspace_id=3274327432743274", "last robot"),
        ("inactive_principals=false&no_expiry=false", "never before first last after robot"),
    ] {
        assert_eq!(comments(&world, query).await.join(" "), expected, "{query}");
    }
    for row in world.report("?limit=1000").await["tokens"].as_array().unwrap() {
        let shown = ["never", "last", "after", "robot"].contains(&row["comment"].as_str().unwrap());
        assert_eq!(row["owner_active"] == false, shown, "{row}");
        let long = row["expiry_time"].is_null() || row["comment"] == "dapi-mock admin token" || row["comment"] == "";
        assert_eq!(row["long_lived"] == true, long, "{row}");
    }
}

async fn r24_the_export_has_the_filtered_rows(world: World) {
    seeded(&world).await;
    let nasty = "=1+1, \"quoted\"\nand more";
    let owner = world.user_id("ann@example.com").await;
    world.mint(owner, |token| token.comment = nasty.into()).await;
    for query in ["", "owner=ann@example.com", "no_expiry=true", "workspace_id=78"] {
        let answer = world.report_answer(&format!(".csv?{query}")).await;
        assert!(answer.header("content-disposition").starts_with("attachment; filename="), "{answer:?}");
        let exported: Vec<String> = records(&answer.text).iter().map(|row| row["token_id"].clone()).collect();
        assert_eq!(exported, ids(&world.report(&format!("?limit=1000&{query}")).await), "{query}");
    }
    let read = records(&world.report_answer(".csv?owner=ann@example.com").await.text);
    assert!(read.iter().any(|row| row["comment"] == format!("'{nasty}")));
}

async fn r25_selected_tokens_are_revoked(world: World) {
    world.add_second_workspace(77, world.now(), ELSEWHERE).await;
    let (here, there) = (world.admin().create(&json!({})).await, world.client(ELSEWHERE).create(&json!({})).await);
    let selected = json!([{"workspace_id": 3_274_327_432_743_274_i64, "token_id": here.1},
        {"workspace_id": 77, "token_id": there.1}]);
    let answer = world.revoke_reported(&selected).await.json();
    assert_eq!(answer["not_found"], json!([]));
    let rest = ids(&world.report("?limit=1000").await);
    for (value, id) in [here, there] {
        assert!(!rest.contains(&id), "the row is gone");
        world.client(&value).get(ME).await.refused(403, 403, "Invalid access token.");
    }
    for workspace in ["default", "77"] {
        let expectation =
            json!({"action": "revokeDbToken", "actor": dapi_mock::service::ADMIN_CLIENT_ID.to_string(), "count": 1});
        let path = format!("workspaces/{workspace}/audit/expect");
        let answer = world.anonymous().own(Method::POST, &path, &expectation).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
}

/// An admin with OAuth can enable tokens again; admins without OAuth are warned about beforehand.
async fn an_admin_with_oauth_is_never_locked_out(world: World) {
    let (with, without) = (world.admin().robot("with a secret").await, world.admin().robot("without").await);
    let bystander = world.admin().robot("no admin").await;
    let admins = world.workspace().await.admins_group;
    for robot in [&with, &without] {
        let path = format!("/api/2.0/preview/scim/v2/Groups/{admins}");
        let join = json!({"Operations": [{"op": "add", "path": "members", "value": [{"value": robot.id}]}]});
        assert_eq!(world.admin().patch(&path, &join).await.status, 200);
    }
    let mut tokens = Vec::new();
    for robot in [&with, &without, &bystander] {
        tokens.push(world.first_token(robot).await);
    }
    assert!(world.client(&tokens[1]).works().await);
    let by_oauth = world.robot_oauth(&with).await;
    let question =
        async |body: Value| world.anonymous().own(Method::POST, "workspaces/default/what-if", &body).await.json();
    let impact = question(json!({"enableTokensConfig": "false"})).await;
    assert_eq!(impact["locked_out"], json!([without.name]), "{impact}");
    assert_eq!((&impact["impact"]["tokens"], &impact["impact"]["owners"]), (&json!(4), &json!(4)));
    assert_eq!(impact["impact"]["clients"][0]["tokens"], 2, "the admin's token and the one that worked: {impact}");
    assert_eq!(question(json!({"maxTokenLifetimeDays": 90})).await["locked_out"], json!([]));

    world.client(&by_oauth).enable_tokens(false).await;
    let refused = world.client(&tokens[1]).get(ME).await;
    let path = format!("explain/{}", refused.header("x-request-id"));
    let explained = world.anonymous().own(Method::GET, &path, &json!({})).await.json();
    let remedy = explained["remedy"].as_str().unwrap();
    for way in [
        "POST /oidc/v1/token with grant_type=client_credentials&scope=all-apis",
        "PATCH /api/2.0/workspace-conf {\"enableTokensConfig\": \"true\"}",
        "PATCH /_mock/v1/workspaces/default/conf",
    ] {
        assert!(remedy.contains(way), "{remedy}");
    }
    // The first way, as it is described.
    world.client(&by_oauth).enable_tokens(true).await;
    assert!(world.client(&tokens[1]).works().await);
    // The second.
    world.client(&tokens[1]).enable_tokens(false).await;
    assert!(!world.client(&tokens[1]).works().await);
    let body = json!({"enableTokensConfig": "true"});
    assert_eq!(world.anonymous().own(Method::PATCH, "workspaces/default/conf", &body).await.status, 200);
    assert!(world.client(&tokens[1]).works().await);

    // An admin with its own client secret is not locked out until the secret expires; former and inactive admins are not listed.
    let secrets = format!("/api/2.0/accounts/servicePrincipals/{}/credentials/secrets", without.id);
    assert_eq!(world.admin().post(&secrets, &json!({"lifetime": "60s"})).await.status, 200);
    assert_eq!(question(json!({"enableTokensConfig": "false"})).await["locked_out"], json!([]));
    world.anonymous().advance(&json!({"by": "60s"})).await;
    assert_eq!(question(json!({"enableTokensConfig": "false"})).await["locked_out"], json!([without.name]));
    world.set_active(without.principal_id(), false).await;
    assert_eq!(question(json!({"enableTokensConfig": "false"})).await["locked_out"], json!([]));
}
