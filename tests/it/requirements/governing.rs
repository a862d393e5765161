//! R37–R50: permissions, lifetimes, and what an admin sees and revokes.

use axum::http::Method;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::{days, with_headers};
use crate::harness::{ADMIN_TOKEN, Answer, Client, DAY_MS, START, World, on_every_store};
use crate::people::{
    CONF, CREATE, INVALID, Kind, LIST, MANAGED, ME, NO_PERMISSION, ON_BEHALF_OF, PERMISSIONS, Person, admins_may_manage,
};

on_every_store!(
    r37_permissions_govern_creating_and_using,
    r37_oauth_gives_no_token_without_permission,
    r37_the_list_of_permissions,
    r37_what_a_list_of_permissions_cannot_say,
    r39_a_shorter_maximum_by_both_ways,
    r40_a_shorter_maximum_is_for_new_tokens,
    r41_the_maximum_is_a_whole_number_of_days,
    r41_a_change_happens_whole_or_not_at_all,
    r42_the_clis_call_sets_the_maximum,
    r43_curl_with_a_netrc_sets_the_maximum,
    r44_zero_is_730_days,
    r45_terraform_applies_changes_and_destroys,
    r48_a_list_sorts_by_creation_time,
    r49_a_list_is_filtered_by_creator,
    r50_a_token_is_revoked_once,
    restricted_admins_create_for_whom_they_may_act,
    an_owners_tokens_rest_and_go_with_it,
);

const CAP: &str = "/api/2.0/workspace-conf?keys=maxTokenLifetimeDays";

/// Briefly; `permission_matrix.rs` has all of it.
async fn r37_permissions_govern_creating_and_using(world: World) {
    let admin = world.admin();
    for kind in [Kind::User, Kind::ServicePrincipal] {
        for depth in 0..3 {
            let owner = admin.principal(kind, &format!("owner{depth}")).await;
            let mut entry = owner.clone();
            for level in 0..depth {
                entry = admin.group(&format!("{kind:?}{depth}{level}"), &[&entry]).await;
            }
            let token = world.first_token(&owner).await;
            let client = world.client(&token);
            let holders = [&entry];
            for permitted in [true, false, true] {
                admin.permit_only(if permitted { &holders } else { &[] }).await;
                for answer in [client.post(CREATE, &json!({})).await, client.get(ME).await, client.get(LIST).await] {
                    if permitted {
                        assert_eq!(answer.status, 200, "{kind:?}, {depth} groups: {answer:?}");
                    } else {
                        answer.refused(403, "PERMISSION_DENIED", NO_PERMISSION);
                    }
                }
            }
            let everybody = json!({"group_name": "users", "permission_level": "CAN_USE"});
            let everybody = json!({"access_control_list": [everybody, admins_may_manage()]});
            assert_eq!(admin.call(Method::PUT, PERMISSIONS, everybody.to_string()).await.status, 200);
        }
    }
}

/// OAuth itself needs no permission on tokens; what it is used for at the token endpoints does.
async fn r37_oauth_gives_no_token_without_permission(world: World) {
    let admin = world.admin();
    let ci = admin.robot("ci").await;
    let oauth = world.robot_oauth(&ci).await;
    let robot = world.client(&oauth);
    let holders = [&ci];
    for permitted in [true, false, true] {
        admin.permit_only(if permitted { &holders } else { &[] }).await;
        let on_behalf_of = admin.post(ON_BEHALF_OF, &json!({"application_id": ci.name})).await;
        for answer in [robot.post(CREATE, &json!({})).await, robot.get(LIST).await] {
            if permitted {
                assert_eq!(answer.status, 200, "{answer:?}");
            } else {
                answer.refused(403, "PERMISSION_DENIED", NO_PERMISSION);
            }
        }
        if permitted {
            assert_eq!(on_behalf_of.status, 200, "{on_behalf_of:?}");
        } else {
            let text = format!("Service principal '{}' does not have permission to use tokens.", ci.name);
            on_behalf_of.refused(403, "PERMISSION_DENIED", &text);
        }
        assert!(robot.works().await);
    }
}

async fn r37_the_list_of_permissions(world: World) {
    let admin = world.admin();
    let (ann, ci) = (admin.user("ann@example.com").await, admin.robot("ci").await);
    let team = admin.group("team", &[]).await;
    let levels = admin.get(&format!("{PERMISSIONS}/permissionLevels")).await.json();
    let levels: Vec<&str> = levels["permission_levels"]
        .as_array()
        .unwrap()
        .iter()
        .map(|level| level["permission_level"].as_str().unwrap())
        .collect();
    assert_eq!(levels, ["CAN_USE", "CAN_MANAGE"]);

    let names = |list: &Value| -> Vec<String> {
        assert_eq!((&list["object_id"], &list["object_type"]), (&json!("/authorization/tokens"), &json!("tokens")));
        let rows = list["access_control_list"].as_array().unwrap().iter();
        let mut names: Vec<String> = rows
            .map(|row| {
                let key = ["user_name", "group_name", "service_principal_name"]
                    .into_iter()
                    .find(|key| row.get(key).is_some());
                let [permission] = row["all_permissions"].as_array().unwrap().as_slice() else { panic!("{row}") };
                let is_admins = row["group_name"] == "admins";
                assert_eq!(permission["permission_level"], if is_admins { "CAN_MANAGE" } else { "CAN_USE" });
                assert_eq!(permission["inherited"], false);
                assert_eq!(permission.get("inherited_from_object"), None);
                row[key.unwrap()].as_str().unwrap().to_owned()
            })
            .collect();
        names.sort();
        names
    };
    let sorted = |names: &[&str]| {
        let mut names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        names.sort();
        names
    };
    assert_eq!(names(&admin.get(PERMISSIONS).await.json()), sorted(&["admins", "users"]), "the default");
    // PUT replaces: without users they go. PATCH adds.
    assert_eq!(names(&admin.permit_only(&[&ann, &team]).await), sorted(&["admins", &ann.name, "team"]));
    assert_eq!(names(&admin.permit(&[&ci]).await), sorted(&["admins", &ann.name, &ci.name, "team"]));
    assert_eq!(names(&admin.permit(&[&ci]).await).len(), 4, "once more changes nothing");
    assert_eq!(names(&admin.permit_only(&[&ci]).await), sorted(&["admins", &ci.name]));
    assert_eq!(names(&admin.get(PERMISSIONS).await.json()), sorted(&["admins", &ci.name]));
    // As Terraform sends it, and as it deletes.
    let list = json!([ann.may("CAN_USE"), {"group_name": "admins", "permission_level": "CAN_MANAGE"}]);
    let answer = admin.call(Method::PUT, PERMISSIONS, json!({"access_control_list": list}).to_string()).await;
    assert_eq!(names(&answer.json()), sorted(&["admins", &ann.name]));
    for body in ["{}", "", r#"{"access_control_list":[]}"#] {
        let refused = admin.call(Method::PUT, PERMISSIONS, body).await;
        refused.refused(400, "INVALID_PARAMETER_VALUE", "Cannot change permissions for group 'admins' to None.");
    }
    assert_eq!(names(&admin.permit_only(&[]).await), ["admins"]);
    // As the provider recorded it of the real service, in get-tokens-permissions.json.
    let recorded = json!({
        "access_control_list": [
            {"all_permissions": [{"inherited": false, "permission_level": "CAN_MANAGE"}], "group_name": "admins"},
        ],
        "object_id": "/authorization/tokens",
        "object_type": "tokens",
    });
    assert_eq!(admin.get(PERMISSIONS).await.json(), recorded);
    // The older address is the same list.
    let preview = "/api/2.0/preview/permissions/authorization/tokens";
    assert_eq!(admin.get(preview).await.json(), recorded);
    let levels = async |path: &str| admin.get(&format!("{path}/permissionLevels")).await.json();
    assert_eq!(levels(preview).await, levels(PERMISSIONS).await);
    let list = |person: &Person| json!({"access_control_list": [person.may("CAN_USE"), admins_may_manage()]});
    let put = admin.call(Method::PUT, preview, list(&ann).to_string()).await;
    assert_eq!(names(&put.json()), sorted(&["admins", &ann.name]));
    assert_eq!(names(&admin.patch(preview, &list(&ci)).await.json()), sorted(&["admins", &ann.name, &ci.name]));
    assert_eq!(admin.get(PERMISSIONS).await.json(), admin.get(preview).await.json());
    let without_admins = json!({"access_control_list": [ann.may("CAN_USE")]});
    let refused = admin.call(Method::PUT, preview, without_admins.to_string()).await;
    refused.refused(400, "INVALID_PARAMETER_VALUE", "Cannot change permissions for group 'admins' to None.");
    assert!(admin.works().await && !admin.own_ids().await.is_empty(), "admins need no entry");
}

async fn r37_what_a_list_of_permissions_cannot_say(world: World) {
    let admin = world.admin();
    let ann = admin.user("ann@example.com").await;
    let entry = |entry: Value| json!({ "access_control_list": [ann.may("CAN_USE"), entry, admins_may_manage()] });
    for (list, status, code, text) in [
        (entry(ann.may("CAN_MANAGE")), 400, "INVALID_PARAMETER_VALUE", "held by the group 'admins' only"),
        (entry(ann.may("CAN_RUN")), 400, "INVALID_PARAMETER_VALUE", "'CAN_RUN' is not a permission level of tokens"),
        (entry(json!({"user_name": ann.name})), 400, "INVALID_PARAMETER_VALUE", "permission_level"),
        (entry(json!({"permission_level": "CAN_USE"})), 400, "INVALID_PARAMETER_VALUE", "exactly one"),
        (
            entry(json!({"group_name": "admins", "permission_level": "CAN_USE"})),
            400,
            "INVALID_PARAMETER_VALUE",
            "Cannot change permissions for group 'admins'",
        ),
        (
            entry(json!({"user_name": "nobody@example.com", "permission_level": "CAN_USE"})),
            404,
            "RESOURCE_DOES_NOT_EXIST",
            "UserName(nobody@example.com) does not exist",
        ),
    ] {
        for method in [Method::PUT, Method::PATCH] {
            let before = admin.get(PERMISSIONS).await.text;
            admin.call(method, PERMISSIONS, list.to_string()).await.refused(status, code, text);
            assert_eq!(admin.get(PERMISSIONS).await.text, before, "nothing of a refused list is stored");
        }
    }
    // tf#1122: the real service has no permissions while there is no token.
    world.behave(&json!({"permissions_need_a_token": true})).await;
    let oauth = world.admin_oauth().await;
    for id in admin.managed_ids().await {
        world.client(&oauth).revoke(&id).await;
    }
    let only_admins = json!({"access_control_list": [admins_may_manage()]});
    let answer = world.client(&oauth).call(Method::PUT, PERMISSIONS, only_admins.to_string()).await;
    answer.refused(404, "RESOURCE_DOES_NOT_EXIST", "tokens tokens does not exist");
    world.client(&oauth).create(&json!({})).await;
    world.client(&oauth).permit_only(&[&ann]).await;
}

async fn r39_a_shorter_maximum_by_both_ways(world: World) {
    let admin = world.admin();
    // The Go SDK in the CLI says what it sends; curl -d says a form.
    for (content_type, cap) in [("application/json", 90), ("application/x-www-form-urlencoded", 30)] {
        let body = json!({"maxTokenLifetimeDays": cap.to_string()}).to_string();
        let headers = [("content-type", content_type)];
        let answer = with_headers(&world, ADMIN_TOKEN, (Method::PATCH, CONF), &headers, &body).await;
        assert_eq!((answer.status.as_u16(), answer.text.as_str()), (204, ""));
        assert_eq!(admin.get(CAP).await.json(), json!({"maxTokenLifetimeDays": cap.to_string()}));
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

async fn info(client: Client<'_>, id: &str) -> Value {
    client.get(&format!("{MANAGED}/{id}")).await.json()["token_info"].clone()
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
        assert_eq!(admin.get(CAP).await.json(), json!({"maxTokenLifetimeDays": shown}), "as it was sent");
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
        assert_eq!(admin.get(CAP).await.json(), json!({"maxTokenLifetimeDays": "7"}));
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

/// The request of `databricks workspace-conf set-status --json '…'`; the CLI itself comes with its suite
/// in tests/clients. It prints nothing because nothing is answered.
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
    assert_eq!(admin.get(CAP).await.json(), json!({"maxTokenLifetimeDays": "0"}));
    assert_eq!(admin.lifetime(&json!({})).await, 730 * DAY_MS);
    assert_eq!(admin.lifetime(&json!({"lifetime_seconds": days(730)})).await, 730 * DAY_MS);
    admin.too_long(days(731), "730 days").await;
}

/// The requests of Terraform's `databricks_workspace_conf` (api-identity-auth.md §9.3), by OAuth because
/// destroying a toggle that was "true" sends "false". The provider itself comes with its suite.
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
    // A key that the workspace does not know: the provider parses the list and goes on without it.
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
    assert_eq!(send(Method::GET, CAP, "").await.json(), json!({"maxTokenLifetimeDays": ""}));
    assert_eq!(world.admin().lifetime(&json!({})).await, 730 * DAY_MS, "unset again");
}

/// As the article's Python does with `as_dict()`; tests/clients/python runs that itself.
async fn r48_a_list_sorts_by_creation_time(world: World) {
    let admin = world.admin();
    let ci = admin.robot("ci").await;
    let mut expected: Vec<(i64, String)> = Vec::new();
    for second in [30, 10, 20] {
        world.anonymous().advance(&json!({"by": format!("{second}s")})).await;
        let (_, id) = if second == 10 { admin.create_for(&ci, None).await } else { admin.create(&json!({})).await };
        let at = info(admin, &id).await["creation_time"].as_i64().unwrap();
        expected.push((at, id));
    }
    let mut rows = admin.managed("").await;
    for row in &rows {
        for key in ["creation_time", "expiry_time", "created_by_id", "owner_id", "workspace_id"] {
            assert!(row[key].is_i64(), "{key}: {row}");
        }
        assert!(row["comment"].is_string() && row["created_by_username"] == "admin@example.com", "{row}");
        let used = row.get("last_used_day").map(|day| day.as_i64().unwrap());
        assert!(used.is_none_or(|day| day % DAY_MS == 0 && day == START.0 - START.0 % DAY_MS), "{row}");
        assert_eq!(info(admin, row["token_id"].as_str().unwrap()).await, *row, "one row, both ways");
    }
    rows.sort_by_key(|row| row["creation_time"].as_i64().unwrap());
    let listed: Vec<(i64, String)> = rows
        .iter()
        .skip(1) // The admin's own, of the start.
        .map(|row| (row["creation_time"].as_i64().unwrap(), row["token_id"].as_str().unwrap().to_owned()))
        .collect();
    assert_eq!(listed, expected);
    assert!(expected.is_sorted() && expected[0].0 == START.0 + 30_000);
}

async fn r49_a_list_is_filtered_by_creator(world: World) {
    let admin = world.admin();
    let (ann, ci) = (admin.user("ann@example.com").await, admin.robot("ci").await);
    let first = world.first_token(&ann).await;
    let (_, anns) = world.client(&first).create(&json!({})).await;
    let (_, robots) = admin.create_for(&ci, None).await;
    let admin_id = world.admin_id().await;
    let listed = async |query: &str| -> Vec<String> {
        let rows = admin.managed(query).await;
        rows.iter().map(|row| row["token_id"].as_str().unwrap().to_owned()).collect()
    };
    for (query, has_anns, has_robots) in [
        (String::new(), true, true),
        (format!("?created_by_id={}", ann.id), true, false),
        // The service principal's token was created by the admin, so it is found there and not by its owner.
        (format!("?created_by_id={admin_id}"), false, true),
        (format!("?created_by_id={}", ci.id), false, false),
        ("?created_by_username=ann@example.com".into(), true, false),
        ("?created_by_username=ann%40example.com".into(), true, false),
        ("?created_by_username=admin@example.com".into(), false, true),
        (format!("?created_by_username={}", ci.name), false, false),
        (format!("?created_by_id={}&created_by_username=ann@example.com", ann.id), true, false),
        (format!("?created_by_id={}&created_by_username=admin@example.com", ann.id), false, false),
        ("?created_by_id=1&created_by_username=nobody@example.com".into(), false, false),
        ("?created_by_username=nobody@example.com".into(), false, false),
    ] {
        let ids = listed(&query).await;
        assert_eq!((ids.contains(&anns), ids.contains(&robots)), (has_anns, has_robots), "{query}");
    }
    assert_eq!(admin.get(&format!("{MANAGED}?created_by_username=nobody")).await.text, r#"{"token_infos":[]}"#);
    let row = info(admin, &robots).await;
    assert_eq!((&row["owner_id"], &row["created_by_id"]), (&json!(ci.principal_id().0), &json!(admin_id.0)));
}

async fn r50_a_token_is_revoked_once(world: World) {
    let admin = world.admin();
    let ci = admin.robot("ci").await;
    let (value, id) = admin.create_for(&ci, None).await;
    let answer = admin.revoke(&id).await;
    assert_eq!((answer.status.as_u16(), answer.text.as_str()), (200, "{}"));
    world.client(&value).get(ME).await.refused(403, 403, INVALID);
    assert!(!admin.managed_ids().await.contains(&id));
    for unknown in [id.as_str(), "nonsense", &"0".repeat(64)] {
        let text = format!("Token with ID {unknown} does not exist");
        admin.revoke(unknown).await.refused(404, "RESOURCE_DOES_NOT_EXIST", &text);
        admin.get(&format!("{MANAGED}/{unknown}")).await.refused(404, "RESOURCE_DOES_NOT_EXIST", &text);
    }
}

/// Governance §2.8, which the article's page refers to: the setting, its etags and its effect.
async fn restricted_admins_create_for_whom_they_may_act(world: World) {
    let path = "/api/2.0/settings/types/restrict_workspace_admins/names/default";
    let admin = world.admin();
    let (free, granted) = (admin.robot("free").await, admin.robot("granted").await);
    let oauth = world.admin_oauth().await;
    let account_admin = world.client(&oauth);
    let setting = admin.get(path).await.json();
    assert_eq!(setting["restrict_workspace_admins"]["status"], "ALLOW_ALL");
    admin.create_for(&free, None).await;
    let restrict = |status: &str, etag: &Value| {
        json!({"allow_missing": true, "field_mask": "restrict_workspace_admins.status", "setting": {
            "setting_name": "default", "etag": etag, "restrict_workspace_admins": {"status": status}}})
    };
    let body = restrict("RESTRICT_TOKENS_AND_JOB_RUN_AS", &setting["etag"]);
    admin.patch(path, &body).await.refused(403, "PERMISSION_DENIED", "without account admin status.");
    let stale = restrict("RESTRICT_TOKENS_AND_JOB_RUN_AS", &json!("stale"));
    account_admin.patch(path, &stale).await.refused(409, "RESOURCE_CONFLICT", "etag");
    account_admin.patch(path, &restrict("SOME", &setting["etag"])).await.refused(
        400,
        "INVALID_PARAMETER_VALUE",
        "status",
    );
    admin.create_for(&free, None).await;
    let restricted = account_admin.patch(path, &body).await.json();
    assert_eq!(restricted["restrict_workspace_admins"]["status"], "RESTRICT_TOKENS_AND_JOB_RUN_AS");
    assert_eq!(admin.get(path).await.json(), restricted);

    let obo = json!({"application_id": granted.name});
    admin.post(ON_BEHALF_OF, &obo).await.refused(403, "PERMISSION_DENIED", "Service Principal User role");
    let name = format!("accounts/{}/servicePrincipals/{}/ruleSets/default", crate::oauth::account(), granted.name);
    let rule_sets = "/api/2.0/preview/accounts/access-control/rule-sets";
    let etag = admin.get(&format!("{rule_sets}?name={name}&etag=")).await.json()["etag"].clone();
    let rule = json!({"role": "roles/servicePrincipal.user", "principals": ["users/admin@example.com"]});
    let body = json!({"name": name, "rule_set": {"name": name, "etag": etag, "grant_rules": [rule]}});
    assert_eq!(admin.call(Method::PUT, rule_sets, body.to_string()).await.status, 200);
    admin.create_for(&granted, None).await;
    let obo = json!({"application_id": free.name});
    admin.post(ON_BEHALF_OF, &obo).await.refused(403, "PERMISSION_DENIED", "Service Principal User role");

    let etag = restricted["etag"].as_str().unwrap();
    let back = account_admin.call(Method::DELETE, &format!("{path}?etag={etag}"), "").await;
    assert_eq!(back.status, 200, "{back:?}");
    admin.create_for(&free, None).await;
}

/// Governance §2.7: an inactive owner's tokens are kept and blocked, a deleted one's are gone for good, and
/// of its permission nothing is left. `scim/access.rs` has more.
async fn an_owners_tokens_rest_and_go_with_it(world: World) {
    let admin = world.admin();
    for kind in [Kind::User, Kind::ServicePrincipal] {
        let owner = admin.principal(kind, "owner").await;
        let team = admin.group(&format!("team {kind:?}"), &[&owner]).await;
        let first = world.first_token(&owner).await;
        let (own, id) = world.client(&first).create(&json!({})).await;
        let set_active = async |value: Value| {
            let operation = json!({"op": "replace", "path": "active", "value": value});
            assert_eq!(admin.patch(&owner.path(), &json!({"Operations": [operation]})).await.status, 200);
        };
        for (off, on) in [(json!([{"value": "false"}]), json!([{"value": "true"}])), (json!(false), json!(true))] {
            set_active(off).await;
            for token in [&first, &own] {
                world.client(token).get(ME).await.refused(403, 403, "Invalid access to Org: 3274327432743274");
            }
            assert!(admin.managed_ids().await.contains(&id));
            set_active(on).await;
            assert!(world.client(&first).works().await && world.client(&own).works().await);
        }

        // Who comes back is known to the account, and has nothing: no token, no entry, no group.
        admin.permit_only(&[&owner, &team]).await;
        admin.remove(&owner).await;
        assert!(!admin.managed_ids().await.contains(&id));
        let back = admin.post(kind.collection(), &json!({kind.name_attribute(): owner.name})).await;
        assert_eq!((back.status.as_u16(), &back.json()["id"]), (201, &json!(owner.id)));
        for token in [&first, &own] {
            world.client(token).get(ME).await.refused(403, 403, INVALID);
        }
        let fresh = world.mint(owner.principal_id(), |_| {}).await;
        world.client(&fresh).get(ME).await.refused(403, "PERMISSION_DENIED", NO_PERMISSION);
        assert!(!admin.get(PERMISSIONS).await.text.contains(&owner.name));
        let everybody = json!({"group_name": "users", "permission_level": "CAN_USE"});
        let everybody = json!({"access_control_list": [everybody, admins_may_manage()]});
        assert_eq!(admin.call(Method::PUT, PERMISSIONS, everybody.to_string()).await.status, 200);
        assert!(world.client(&fresh).works().await);
    }
}
