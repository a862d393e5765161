//! Creating, changing and deleting resources, and the refusals.

use axum::http::Method;
use dapi_mock::domain::audit::Filter;
use futures_util::future::join_all;
use serde_json::{Value, json};

use super::{created, delete, group_with, patched, put, read, refused, user};
use crate::support::{GROUPS, ME, SERVICE_PRINCIPALS, USERS, World, at, each, on_every_store};

on_every_store!(
    a_user_lives_its_whole_life,
    a_service_principal_lives_its_whole_life,
    a_group_lives_its_whole_life,
    terraforms_bodies_are_understood,
    conflicts_have_the_texts_that_terraform_compares,
    one_of_two_creations_at_once_succeeds,
    what_is_not_there_is_not_found,
    names_cannot_be_changed_or_be_nothing,
    refusals_have_scims_envelope_except_for_authentication,
    a_refused_change_did_not_happen,
    names_are_the_same_in_every_case,
    names_that_look_the_same_are_refused,
    a_patch_says_when_it_does_nothing,
);

async fn a_user_lives_its_whole_life(world: World) {
    let body = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": "Ann@example.com", "displayName": "Ann",
        "name": {"givenName": "Ann", "familyName": "Lee"}, "externalId": "ext-1",
        "entitlements": [{"value": "workspace-access"}, {"value": "allow-cluster-create"}],
        "roles": [{"value": "arn:aws:iam::1:instance-profile/a"}], "unknown": {"a": [1]}, "groups": [{"value": "1"}],
    });
    let made = created(&world, USERS, &body).await;
    let id = made["id"].as_str().unwrap().to_owned();
    let users = world.workspace().await.users_group.to_string();
    let expected = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User", "urn:ietf:params:scim:schemas:extension:workspace:2.0:User"],
        "id": id, "userName": "ann@example.com", "displayName": "Ann", "active": true, "externalId": "ext-1",
        "name": {"givenName": "Ann", "familyName": "Lee"},
        "emails": [{"value": "ann@example.com", "type": "work", "primary": true}],
        "entitlements": [{"value": "allow-cluster-create"}, {"value": "workspace-access"}],
        "roles": [{"value": "arn:aws:iam::1:instance-profile/a"}],
        "groups": [{"display": "users", "value": users, "type": "direct", "$ref": format!("Groups/{users}")}],
    });
    assert_eq!((made.clone(), id.len()), (expected, 16));
    let path = at(USERS, &made);
    assert_eq!(read(&world, &path).await, made);

    let answer = put(world.admin(), &path, &json!({"userName": "ann@EXAMPLE.com", "externalId": "ext-2"})).await;
    let replaced = answer.json();
    assert_eq!((answer.status.as_u16(), &replaced), (200, &read(&world, &path).await));
    assert_eq!((&replaced["displayName"], &replaced["externalId"]), (&json!("ann@example.com"), &json!("ext-2")));
    assert_eq!(
        (replaced.get("name"), &replaced["entitlements"], &replaced["active"]),
        (None, &json!([]), &json!(true))
    );
    assert_eq!(replaced["emails"], made["emails"]);

    let operations =
        json!([{"op": "replace", "path": "displayName", "value": "Anna"}, {"op": "remove", "path": "externalId"}]);
    let changed = patched(&world, &path, &operations).await;
    assert_eq!((&changed["displayName"], changed.get("externalId")), (&json!("Anna"), None));
    assert_eq!(read(&world, &path).await, changed);

    let answer = delete(world.admin(), &path).await;
    assert_eq!((answer.status.as_u16(), &*answer.text), (204, ""));
    refused(&world.admin().get(&path).await, 404, None, &format!("User with id {id} not found."));
    assert_eq!(
        read(&world, &format!("{USERS}?filter=userName+eq+%22ann@example.com%22")).await["Resources"],
        json!([])
    );
}

async fn a_service_principal_lives_its_whole_life(world: World) {
    let made = created(&world, SERVICE_PRINCIPALS, &json!({"displayName": "ci", "active": true})).await;
    let application = made["applicationId"].as_str().unwrap().to_owned();
    assert_eq!((application.len(), &made["displayName"], made.get("userName")), (36, &json!("ci"), None));
    assert_eq!(made["schemas"], json!(["urn:ietf:params:scim:schemas:core:2.0:ServicePrincipal"]));
    assert_eq!(each(&made["groups"], "display"), ["users"]);
    let path = at(SERVICE_PRINCIPALS, &made);
    assert_eq!(read(&world, &path).await, made);

    // Terraform leaves out the application id unless it assumes Azure.
    let replaced = put(world.admin(), &path, &json!({"displayName": "cd", "active": true})).await.json();
    assert_eq!((&replaced["applicationId"], &replaced["displayName"]), (&json!(application), &json!("cd")));
    let body = json!({"applicationId": application, "displayName": "ce", "active": true});
    assert_eq!(put(world.admin(), &path, &body).await.json()["displayName"], "ce");

    let chosen = json!({"applicationId": "0B1C2D3E-0000-4000-8000-000000000001", "displayName": "x"});
    let stored = created(&world, SERVICE_PRINCIPALS, &chosen).await;
    assert_eq!(stored["applicationId"], "0b1c2d3e-0000-4000-8000-000000000001");
    let bad = world.admin().post(SERVICE_PRINCIPALS, &json!({"applicationId": "no-uuid"})).await;
    refused(&bad, 400, Some("invalidValue"), "applicationId");

    assert_eq!(delete(world.admin(), &path).await.status, 204);
    let id = made["id"].as_str().unwrap();
    refused(&world.admin().get(&path).await, 404, None, &format!("Service principal with id {id} not found."));
}

async fn a_group_lives_its_whole_life(world: World) {
    let (ann, bob) = (user(&world, "ann@example.com").await, user(&world, "bob@example.com").await);
    let robot = created(&world, SERVICE_PRINCIPALS, &json!({"displayName": "robot"})).await;
    let inner = group_with(&world, "inner", &[&bob]).await;
    let made = group_with(&world, "outer", &[&ann, &robot, &inner, &ann]).await;
    assert_eq!(made["schemas"], json!(["urn:ietf:params:scim:schemas:core:2.0:Group"]));
    assert_eq!(made["meta"], json!({"resourceType": "WorkspaceGroup"}));
    assert_eq!((each(&made["groups"], "display"), made.get("active")), (vec![], None));
    let references: Vec<String> = [(&ann, "Users"), (&robot, "ServicePrincipals"), (&inner, "Groups")]
        .map(|(member, collection)| at(collection, member))
        .into();
    let mut found = each(&made["members"], "$ref");
    let mut wanted = references.clone();
    found.sort();
    wanted.sort();
    assert_eq!(found, wanted);
    assert_eq!(each(&made["members"], "display"), ["ann@example.com", "inner", "robot"]);

    let bobs = read(&world, &at(USERS, &bob)).await;
    let groups = bobs["groups"].as_array().unwrap();
    let kind = |name: &str| groups.iter().find(|group| group["display"] == name).map(|group| group["type"].clone());
    assert_eq!(
        (kind("inner"), kind("outer"), kind("users")),
        (Some("direct".into()), Some("indirect".into()), Some("direct".into()))
    );
    assert_eq!(each(&read(&world, &at(GROUPS, &inner)).await["groups"], "display"), ["outer"]);

    let path = at(GROUPS, &made);
    let select = format!("members[value eq \"{}\"]", ann["id"].as_str().unwrap());
    for _ in 0..2 {
        let after = patched(&world, &path, &json!([{"op": "remove", "path": select}])).await;
        assert_eq!(each(&after["members"], "display"), ["inner", "robot"], "even if it is already deleted");
    }
    for _ in 0..2 {
        let operation = json!([{"op": "add", "path": "members", "value": [{"value": ann["id"]}]}]);
        let after = patched(&world, &path, &operation).await;
        assert_eq!(
            each(&after["members"], "display"),
            ["ann@example.com", "inner", "robot"],
            "even if it is already there"
        );
    }
    let body = json!({"displayName": "renamed", "externalId": "e", "members": [{"value": robot["id"]}], "entitlements": [{"value": "workspace-access"}]});
    let replaced = put(world.admin(), &path, &body).await.json();
    assert_eq!(
        (each(&replaced["members"], "display"), &replaced["displayName"]),
        (vec!["robot".to_owned()], &json!("renamed"))
    );
    assert_eq!(
        (&replaced["externalId"], &replaced["entitlements"]),
        (&json!("e"), &json!([{"value": "workspace-access"}]))
    );
    assert_eq!(each(&read(&world, &at(USERS, &ann)).await["groups"], "display"), ["users"]);

    let unknown = world
        .admin()
        .patch(&path, &json!({"Operations": [{"op": "add", "path": "members", "value": [{"value": "5"}]}]}))
        .await;
    refused(&unknown, 404, None, "Principal with id 5 not found.");
    assert_eq!(delete(world.admin(), &path).await.status, 204);
    refused(&world.admin().get(&path).await, 404, None, "Group with id");
    assert_eq!(each(&read(&world, &at(SERVICE_PRINCIPALS, &robot)).await["groups"], "display"), ["users"]);
    group_with(&world, "renamed", &[]).await;
}

async fn terraforms_bodies_are_understood(world: World) {
    let user =
        created(&world, USERS, &json!({"userName": "tf@example.com", "active": true, "entitlements": [{}]})).await;
    assert_eq!(user["entitlements"], json!([]));
    let path = at(USERS, &user);
    let entitle = json!([{"op": "add", "path": "entitlements", "value": [{"value": "allow-cluster-create"}, {"value": "workspace-access"}]}]);
    assert_eq!(
        each(&patched(&world, &path, &entitle).await["entitlements"], "value"),
        ["allow-cluster-create", "workspace-access"]
    );
    let take = json!([{"op": "remove", "path": "entitlements", "value": [{"value": "allow-cluster-create"}]}, {"op": "add", "path": "entitlements", "value": [{}]}]);
    assert_eq!(each(&patched(&world, &path, &take).await["entitlements"], "value"), ["workspace-access"]);
    let role = json!([{"op": "add", "path": "roles", "value": [{"value": "arn:x"}]}]);
    assert_eq!(each(&patched(&world, &path, &role).await["roles"], "value"), ["arn:x"]);

    // An update is a GET of groups and roles, and a PUT with them in it.
    let before = read(&world, &format!("{path}?attributes=groups,roles")).await;
    let body = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": "tf@example.com", "active": false,
        "entitlements": [{}], "groups": before["groups"], "roles": before["roles"],
    });
    let after = put(world.admin(), &path, &body).await.json();
    assert_eq!((&after["active"], &after["entitlements"]), (&json!(false), &json!([])));
    assert_eq!((&after["roles"], &after["groups"]), (&before["roles"], &before["groups"]));
    let path = at(USERS, &user);
    assert_eq!(
        patched(&world, &path, &json!([{"op": "replace", "path": "active", "value": [{"value": "true"}]}])).await["active"],
        true
    );
    let unset = json!([{"op": "remove", "path": "roles[value eq \"arn:x\"]"}]);
    assert_eq!(patched(&world, &path, &unset).await["roles"], json!([]));
    // `force` looks for whom it found to be there; an earlier version used single quotes.
    for filter in ["userName%20eq%20%22TF@example.com%22", "userName+eq+'tf@example.com'"] {
        let found = read(&world, &format!("{USERS}?excludedAttributes=roles&filter={filter}")).await;
        assert_eq!(
            (each(&found["Resources"], "id"), found["Resources"][0].get("roles")),
            (vec![user["id"].as_str().unwrap().to_owned()], None)
        );
    }
}

async fn conflicts_have_the_texts_that_terraform_compares(world: World) {
    user(&world, "ann@example.com").await;
    let answer = world.admin().post(USERS, &json!({"userName": "ANN@example.com"})).await;
    refused(&answer, 409, None, "");
    assert_eq!(answer.json()["detail"], "User with username ANN@example.com already exists.");
    let robot = created(&world, SERVICE_PRINCIPALS, &json!({"displayName": "robot"})).await;
    let answer = world.admin().post(SERVICE_PRINCIPALS, &json!({"applicationId": robot["applicationId"]})).await;
    let text =
        format!("Service principal with application ID {} already exists.", robot["applicationId"].as_str().unwrap());
    refused(&answer, 409, None, "");
    assert_eq!(answer.json()["detail"], text);
    let group = group_with(&world, "ops", &[]).await;
    for name in ["ops", "admins", "users", "Admins"] {
        let answer = world.admin().post(GROUPS, &json!({"displayName": name})).await;
        refused(&answer, 409, None, "");
        assert_eq!(answer.json()["detail"], format!("Group with name {name} already exists."));
    }
    group_with(&world, "taken", &[]).await;
    let rename = |name: &str| json!({"Operations": [{"op": "replace", "path": "displayName", "value": name}]});
    refused(
        &world.admin().patch(&at(GROUPS, &group), &rename("TAKEN")).await,
        409,
        None,
        "Group with name TAKEN already exists.",
    );
    assert_eq!(world.admin().patch(&at(GROUPS, &group), &rename("OPS")).await.json()["displayName"], "OPS");
}

async fn one_of_two_creations_at_once_succeeds(world: World) {
    let body = json!({"userName": "race@example.com"});
    let answers = join_all((0..8).map(|_| async { world.admin().post(USERS, &body).await.status.as_u16() })).await;
    assert_eq!(answers.iter().filter(|status| **status == 201).count(), 1, "{answers:?}");
    assert_eq!(answers.iter().filter(|status| **status == 409).count(), 7, "{answers:?}");
}

async fn what_is_not_there_is_not_found(world: World) {
    let ann = user(&world, "ann@example.com").await;
    let anns = ann["id"].as_str().unwrap().to_owned();
    for (collection, noun) in [(USERS, "User"), (GROUPS, "Group"), (SERVICE_PRINCIPALS, "Service principal")] {
        let foreign = if collection == USERS { "7".to_owned() } else { anns.clone() };
        for id in ["1", "abc", "99999999999999999999", "%00", &foreign] {
            let path = format!("{collection}/{id}");
            let shown = id.replace("%00", "\0");
            let says = format!("{noun} with id {shown} not found.");
            refused(&world.admin().get(&path).await, 404, None, &says);
            refused(&put(world.admin(), &path, &json!({"displayName": "x"})).await, 404, None, &says);
            let body = json!({"Operations": [{"op": "add", "path": "displayName", "value": "x"}]});
            refused(&world.admin().patch(&path, &body).await, 404, None, &says);
            refused(&delete(world.admin(), &path).await, 404, None, &says);
        }
    }
}

async fn names_cannot_be_changed_or_be_nothing(world: World) {
    let ann = user(&world, "ann@example.com").await;
    let path = at(USERS, &ann);
    refused(
        &put(world.admin(), &path, &json!({"userName": "bob@example.com"})).await,
        400,
        Some("mutability"),
        "ann@example.com",
    );
    assert_eq!(put(world.admin(), &path, &json!({"displayName": "A"})).await.json()["userName"], "ann@example.com");
    for (collection, body) in [
        (USERS, json!({})),
        (USERS, json!({"userName": ""})),
        (USERS, json!({"userName": 5})),
        (USERS, json!({"userName": "a\u{0}b"})),
        (USERS, json!({"userName": "é".repeat(256)})),
        (USERS, json!({"userName": "x@example.com", "active": "maybe"})),
        (USERS, json!({"userName": "x@example.com", "entitlements": [5]})),
        (USERS, json!({"userName": "x@example.com", "roles": [{"value": "\u{0}"}]})),
        (USERS, json!({"userName": "x@example.com", "emails": "x"})),
        (GROUPS, json!({"displayName": null})),
        (GROUPS, json!({"displayName": "x", "members": [{"value": "abc"}]})),
    ] {
        let answer = world.admin().post(collection, &body).await;
        refused(&answer, 400, Some("invalidValue"), "expected");
    }
    let longest = "É".repeat(255);
    assert_eq!(user(&world, &longest).await["userName"], longest.to_lowercase());
    assert_eq!(group_with(&world, &longest, &[]).await["displayName"], longest.as_str());
}

async fn refusals_have_scims_envelope_except_for_authentication(world: World) {
    for (body, scim_type) in
        [("{", "invalidSyntax"), ("[]", "invalidSyntax"), ("{\"userName\": [1, 2]}", "invalidValue")]
    {
        refused(&world.admin().call(Method::POST, USERS, body).await, 400, Some(scim_type), "");
    }
    let large = format!("{{\"x\":\"{}\"}}", "x".repeat(1024 * 1024));
    refused(&world.admin().call(Method::POST, USERS, large).await, 413, None, "1 MiB");
    let ann = user(&world, "ann@example.com").await;
    let bad = world
        .admin()
        .patch(&at(USERS, &ann), &json!({"Operations": [{"op": "add", "path": "color", "value": 1}]}))
        .await;
    refused(&bad, 400, Some("invalidPath"), "No such attribute with the name : color in the current resource");
    refused(&world.admin().patch(&at(USERS, &ann), &json!({})).await, 400, Some("invalidSyntax"), "Operations");
    world.anonymous().get(USERS).await.refused(401, 401, "Credential was not sent");
    world.client("dapi00").get(USERS).await.refused(403, 403, "Invalid access token.");
    world.admin().get("/api/2.0/preview/scim/v2/Nonsense").await.refused(
        404,
        "ENDPOINT_NOT_FOUND",
        "The real service has SCIM there",
    );
    let scoped = world.mint(world.admin_id().await, |token| token.scopes = Some(vec!["sql".into()])).await;
    world.client(&scoped).get(USERS).await.refused(403, 403, "does not have required scopes: scim");
    let scoped = world.mint(world.admin_id().await, |token| token.scopes = Some(vec!["scim".into()])).await;
    assert_eq!(world.client(&scoped).get(USERS).await.status, 200);
}

async fn a_refused_change_did_not_happen(world: World) {
    let ann = user(&world, "ann@example.com").await;
    let ops = group_with(&world, "ops", &[]).await;
    let (path, before) = (at(GROUPS, &ops), read(&world, &at(GROUPS, &ops)).await);
    let operations = json!({"Operations": [
        {"op": "replace", "path": "displayName", "value": "renamed"},
        {"op": "add", "path": "members", "value": [{"value": ann["id"]}, {"value": "5"}]},
    ]});
    refused(&world.admin().patch(&path, &operations).await, 404, None, "Principal with id 5");
    assert_eq!(read(&world, &path).await, before);
    let body = json!({"displayName": "new", "members": [{"value": ann["id"]}, {"value": "5"}]});
    refused(&world.admin().post(GROUPS, &body).await, 404, None, "Principal with id 5");
    assert_eq!(read(&world, &format!("{GROUPS}?filter=displayName+eq+new")).await["Resources"], json!([]));
    let workspace = world.workspace().await.id;
    let mut reader = world.service.store().read().await.unwrap();
    assert_eq!(
        reader
            .list_events(workspace, &Filter { action: Some("addPrincipalToGroup".to_owned()), ..Filter::default() })
            .await
            .unwrap(),
        []
    );
}

/// Names are compared without regard to case everywhere.
async fn names_are_the_same_in_every_case(world: World) {
    let ann = created(&world, USERS, &json!({"userName": "Alice.Smith@Example.COM"})).await;
    assert_eq!(ann["userName"], "alice.smith@example.com");
    assert_eq!(ann["emails"][0]["value"], "alice.smith@example.com");
    let again = world.admin().post(USERS, &json!({"userName": "ALICE.smith@example.com"})).await;
    assert_eq!(again.status, 409, "{again:?}");
    created(&world, GROUPS, &json!({"displayName": "Ops"})).await;
    assert_eq!(world.admin().post(GROUPS, &json!({"displayName": "OPS"})).await.status, 409);
    let (_, id) = world.admin().create(&json!({"comment": "mine"})).await;
    for name in ["admin@example.com", "ADMIN@example.com"] {
        let list = read(&world, &format!("/api/2.0/token-management/tokens?created_by_username={name}")).await;
        assert!(each(&list["token_infos"], "token_id").contains(&id), "{name}: {list}");
    }
    let entries =
        json!({"access_control_list": [{"user_name": "ALICE.Smith@example.com", "permission_level": "CAN_USE"}]});
    let acl = world.admin().patch("/api/2.0/permissions/authorization/tokens", &entries).await;
    assert!(acl.status == 200 && acl.text.contains("alice.smith@example.com"), "{acl:?}");
    let (access, _) = world.tokens("ALICE.Smith@Example.com").await;
    assert_eq!(world.client(&access).get(ME).await.json()["userName"], "alice.smith@example.com");

    let own = async |path: &str| {
        let answer = world.anonymous().get(&format!("/_mock/v1/workspaces/default/{path}")).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.text
    };
    assert!(own("audit?actor=ADMIN@Example.com&action=generateDbToken").await.contains(&id));
    assert!(own("tokens?owner=ADMIN@Example.com").await.contains(&id));
    let expected = json!({"action": "generateDbToken", "actor": "Admin@Example.com"});
    let met = world.anonymous().own(Method::POST, "workspaces/default/audit/expect", &expected).await;
    assert_eq!(met.status, 200, "{met:?}");
}

/// Names that differ from others only by invisible characters are refused.
async fn names_that_look_the_same_are_refused(world: World) {
    for hidden in
        ["\u{200b}", "\u{200d}", "\u{202e}", "\u{2066}", "\u{feff}", "\u{ad}", "\u{3164}", "\u{fe0f}", "\u{e0041}"]
    {
        let code = format!("U+{:04X}", u32::from(hidden.chars().next().unwrap()));
        for (collection, attribute, name) in [
            (USERS, "userName", format!("ad{hidden}min@example.com")),
            (USERS, "userName", format!("{hidden}admin@example.com")),
            (GROUPS, "displayName", format!("admins{hidden}")),
            (SERVICE_PRINCIPALS, "displayName", format!("ro{hidden}bot")),
        ] {
            let answer = world.admin().post(collection, &json!({ attribute: name })).await;
            refused(&answer, 400, Some("invalidValue"), &code);
        }
        let group = created(&world, GROUPS, &json!({"displayName": "Ops"})).await;
        let rename =
            json!({"Operations": [{"op": "replace", "path": "displayName", "value": format!("admins{hidden}")}]});
        refused(&world.admin().patch(&at(GROUPS, &group), &rename).await, 400, Some("invalidValue"), &code);
        assert_eq!(delete(world.admin(), &at(GROUPS, &group)).await.status, 204);
    }
    for name in [" admin@example.com", "admin@example.com ", "admin\u{a0}@example.com", "a\tb@example.com"] {
        refused(&world.admin().post(USERS, &json!({ "userName": name })).await, 400, Some("invalidValue"), "userName");
    }
    // Composed and decomposed are one name.
    created(&world, USERS, &json!({"userName": "j\u{f6}rg@example.com"})).await;
    assert_eq!(world.admin().post(USERS, &json!({"userName": "jo\u{308}rg@example.com"})).await.status, 409);
}

async fn a_patch_says_when_it_does_nothing(world: World) {
    let ann = user(&world, "ann@example.com").await;
    let path = at(USERS, &ann);
    let change = async |operation: Value| world.admin().patch(&path, &json!({ "Operations": [operation] })).await;
    for (operation, scim_type) in [
        (json!({"op": "replace", "path": "emails[type eq \"work\"].value", "value": "b@example.com"}), "mutability"),
        (json!({"op": "replace", "path": "emails[type eq \"home\"].value", "value": "b@example.com"}), "noTarget"),
        (json!({"op": "replace", "path": "roles[value eq \"x\"]", "value": "y"}), "noTarget"),
        (json!({"op": "replace", "path": "nickName", "value": "A"}), "invalidPath"),
        (json!({"op": "replace", "value": {"nickName": "A"}}), "invalidPath"),
        (json!({"op": "replace", "path": "userName", "value": "b@example.com"}), "mutability"),
        (json!({"op": "replace", "path": "groups", "value": []}), "mutability"),
    ] {
        let answer = change(operation.clone()).await;
        refused(&answer, 400, Some(scim_type), "");
        let now = read(&world, &path).await;
        assert_eq!(now["emails"], ann["emails"], "{operation}");
    }
    let urn = "urn:ietf:params:scim:schemas:core:2.0:User:active";
    let answer = change(json!({"op": "replace", "path": urn, "value": false})).await;
    assert_eq!((answer.status.as_u16(), &answer.json()["active"]), (200, &json!(false)), "{answer:?}");
}
