//! Users, groups and service principals over SCIM (research/api-identity-auth.md §7).

use axum::http::Method;
use dapi_mock::domain::PrincipalId;
use dapi_mock::domain::access::PermissionLevel;
use dapi_mock::domain::identity::{Principal, PrincipalKind};
use dapi_mock::domain::token::{EndCause, TokenValue};
use dapi_mock::entropy::{Entropy, SystemEntropy};
use dapi_mock::store::Lock;
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::harness::{Answer, Client, DAY_MS, START, World, assigned, on_every_store};

on_every_store!(
    a_user_lives_its_whole_life,
    a_service_principal_lives_its_whole_life,
    a_group_lives_its_whole_life,
    terraforms_bodies_are_understood,
    filters_select,
    lists_are_paged_and_sorted,
    attributes_are_projected,
    a_list_says_what_a_get_says,
    conflicts_have_the_texts_that_terraform_compares,
    one_of_two_creations_at_once_succeeds,
    what_is_not_there_is_not_found,
    names_cannot_be_changed_or_be_nothing,
    built_in_groups_stay,
    users_holds_everybody,
    admins_are_who_is_in_admins,
    circles_of_groups_are_tolerated,
    deactivation_blocks_tokens_and_activation_restores_them,
    deletion_ends_tokens_for_good,
    the_creator_of_a_token_may_go,
    a_deleted_group_takes_its_permission_along,
    leaving_a_group_suspends,
    users_of_the_account_keep_their_id,
    groups_of_the_account_are_the_accounts,
    the_last_admin_may_go,
    others_see_names_only,
    refusals_are_scims_but_for_authentication,
    a_refused_change_did_not_happen,
    events_name_who_and_whom,
);

const ME: &str = "/api/2.0/preview/scim/v2/Me";
const USERS: &str = "/api/2.0/preview/scim/v2/Users";
const GROUPS: &str = "/api/2.0/preview/scim/v2/Groups";
const SERVICE_PRINCIPALS: &str = "/api/2.0/preview/scim/v2/ServicePrincipals";

async fn put(client: Client<'_>, path: &str, body: &Value) -> Answer {
    client.call(Method::PUT, path, body.to_string()).await
}

async fn delete(client: Client<'_>, path: &str) -> Answer {
    client.call(Method::DELETE, path, "").await
}

/// Creates a resource as the admin and answers it.
async fn created(world: &World, path: &str, body: &Value) -> Value {
    let answer = world.admin().post(path, body).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    answer.json()
}

fn id_of(resource: &Value) -> PrincipalId {
    PrincipalId::parse(resource["id"].as_str().unwrap()).unwrap()
}

fn at(collection: &str, resource: &Value) -> String {
    format!("{collection}/{}", resource["id"].as_str().unwrap())
}

async fn read(world: &World, path: &str) -> Value {
    let answer = world.admin().get(path).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

/// Patches as the admin and answers the resource.
async fn patched(world: &World, path: &str, operations: &Value) -> Value {
    let answer = world.admin().patch(path, &json!({ "Operations": operations })).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

async fn group_with(world: &World, name: &str, members: &[&Value]) -> Value {
    let members: Vec<Value> = members.iter().map(|member| json!({ "value": member["id"] })).collect();
    created(world, GROUPS, &json!({"displayName": name, "members": members})).await
}

async fn user(world: &World, name: &str) -> Value {
    created(world, USERS, &json!({ "userName": name })).await
}

async fn works(world: &World, token: &str) -> bool {
    world.client(token).get(ME).await.status == 200
}

/// The values of one key of each element, sorted.
fn each(list: &Value, key: &str) -> Vec<String> {
    let list = list.as_array().map(Vec::as_slice).unwrap_or_default();
    let mut values: Vec<String> = list.iter().map(|element| element[key].as_str().unwrap().to_owned()).collect();
    values.sort();
    values
}

/// Asserts an error in SCIM's envelope.
#[track_caller]
fn refused(answer: &Answer, status: u16, scim_type: Option<&str>, detail: &str) {
    let json = answer.json();
    assert_eq!(answer.status.as_u16(), status, "{answer:?}");
    assert_eq!(json["schemas"], json!(["urn:ietf:params:scim:api:messages:2.0:Error"]));
    assert_eq!(json["status"], status.to_string(), "a text");
    assert_eq!(json.get("scimType").and_then(Value::as_str), scim_type, "{answer:?}");
    assert!(json["detail"].as_str().unwrap().contains(detail), "{answer:?}");
    assert_eq!(answer.header("content-type"), "application/scim+json; charset=utf-8");
}

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
        "id": id, "userName": "Ann@example.com", "displayName": "Ann", "active": true, "externalId": "ext-1",
        "name": {"givenName": "Ann", "familyName": "Lee"},
        "emails": [{"value": "Ann@example.com", "type": "work", "primary": true}],
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
    assert_eq!((&replaced["displayName"], &replaced["externalId"]), (&json!("Ann@example.com"), &json!("ext-2")));
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

    // Terraform leaves the application id out unless it believes to be on Azure.
    let replaced = put(world.admin(), &path, &json!({"displayName": "cd", "active": true})).await.json();
    assert_eq!((&replaced["applicationId"], &replaced["displayName"]), (&json!(application), &json!("cd")));
    let body = json!({"applicationId": application, "displayName": "ce", "active": true});
    assert_eq!(put(world.admin(), &path, &body).await.json()["displayName"], "ce");

    let chosen = json!({"applicationId": "0B1C2D3E-0000-4000-8000-000000000001", "displayName": "x"});
    assert_eq!(created(&world, SERVICE_PRINCIPALS, &chosen).await["applicationId"], chosen["applicationId"]);
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
    (found.sort(), wanted.sort());
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
        assert_eq!(each(&after["members"], "display"), ["inner", "robot"], "also when it is gone already");
    }
    for _ in 0..2 {
        let operation = json!([{"op": "add", "path": "members", "value": [{"value": ann["id"]}]}]);
        let after = patched(&world, &path, &operation).await;
        assert_eq!(
            each(&after["members"], "display"),
            ["ann@example.com", "inner", "robot"],
            "also when it is there already"
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

async fn filters_select(world: World) {
    for (name, display, active) in
        [("ann@x.org", "Ann", true), ("bob@x.org", "Bob (ops)", false), ("carol@y.org", "Carol", true)]
    {
        created(
            &world,
            USERS,
            &json!({"userName": name, "displayName": display, "active": active, "externalId": display}),
        )
        .await;
    }
    let robot = created(&world, SERVICE_PRINCIPALS, &json!({"displayName": "robot"})).await;
    let ops = group_with(&world, "ops", &[&robot]).await;
    let found = async |collection: &str, filter: &str, key: &str| {
        let answer =
            world.admin().get(&format!("{collection}?filter={}", filter.replace(' ', "+").replace('"', "%22"))).await;
        assert_eq!(answer.status, 200, "{filter}: {answer:?}");
        let json = answer.json();
        assert_eq!(json["totalResults"], json["Resources"].as_array().unwrap().len());
        each(&json["Resources"], key)
    };
    for (filter, expected) in [
        ("userName eq \"ANN@x.org\"", vec!["ann@x.org"]),
        ("username EQ ann@x.org", vec!["ann@x.org"]),
        ("userName eq \"nobody\"", vec![]),
        ("userName sw ann or userName ew y.org", vec!["ann@x.org", "carol@y.org"]),
        ("userName co \"x.org\" and not (displayName co ann)", vec!["bob@x.org"]),
        ("displayName eq \"Bob (ops)\"", vec!["bob@x.org"]),
        ("userName co .org and active eq false", vec!["bob@x.org"]),
        ("externalId pr", vec!["ann@x.org", "bob@x.org", "carol@y.org"]),
        ("externalId eq ann", vec![]),
        ("(userName ne ann@x.org) and userName co .org", vec!["bob@x.org", "carol@y.org"]),
        ("emails.value sw bob@", vec!["bob@x.org"]),
    ] {
        assert_eq!(found(USERS, filter, "userName").await, expected, "{filter}");
    }
    let application = robot["applicationId"].as_str().unwrap();
    assert_eq!(
        found(SERVICE_PRINCIPALS, &format!("applicationId eq \"{application}\""), "displayName").await,
        ["robot"]
    );
    assert_eq!(found(SERVICE_PRINCIPALS, "groups.display eq ops", "displayName").await, ["robot"]);
    assert_eq!(found(GROUPS, "displayName eq \"ops\"", "id").await, [ops["id"].as_str().unwrap()]);
    let list = read(&world, &format!("{GROUPS}?filter=displayName+eq+ops")).await;
    assert_eq!(each(&list["Resources"][0]["members"], "display"), ["robot"], "Terraform expects members in a list");

    for bad in [
        "userName",
        "userName%20eq",
        "userName%20lt%205",
        "color%20eq%205",
        "(userName%20pr",
        "userName%20eq%20%22x",
        &"(".repeat(5000),
    ] {
        refused(
            &world.admin().get(&format!("{USERS}?filter={bad}")).await,
            400,
            Some("invalidFilter"),
            "The filter cannot be read",
        );
    }
}

async fn lists_are_paged_and_sorted(world: World) {
    for name in ["c@example.org", "A@example.org", "b@example.org"] {
        user(&world, name).await;
    }
    let page = async |query: &str| {
        let json = read(&world, &format!("{USERS}?filter=userName+ew+example.org&{query}")).await;
        assert_eq!(
            (&json["totalResults"], &json["schemas"][0]),
            (&json!(3), &json!("urn:ietf:params:scim:api:messages:2.0:ListResponse"))
        );
        let resources = json["Resources"].as_array().expect("there, also when it is empty").clone();
        assert_eq!(json["itemsPerPage"], resources.len());
        let names =
            resources.iter().map(|user| user["userName"].as_str().unwrap().split('@').next().unwrap().to_owned());
        (json["startIndex"].as_i64().unwrap(), names.collect::<String>())
    };
    for (query, expected) in [
        ("sortBy=userName", (1, "Abc")),
        ("sortBy=USERNAME&sortOrder=descending", (1, "cbA")),
        ("sortBy=userName&startIndex=1&count=2", (1, "Ab")),
        ("sortBy=userName&startIndex=2&count=1", (2, "b")),
        ("sortBy=userName&startIndex=3&count=10000", (3, "c")),
        ("startIndex=4&count=10000", (4, "")),
        ("startIndex=9223372036854775807", (i64::MAX, "")),
        ("sortBy=userName&startIndex=0&count=1", (1, "A")),
        ("sortBy=userName&startIndex=-9&count=1", (1, "A")),
        ("count=0", (1, "")),
        ("count=-1", (1, "")),
    ] {
        let (start, names) = page(query).await;
        assert_eq!((start, names.as_str()), expected, "{query}");
    }
    // By age where nothing else is said: a user that comes while a client pages does not move the others.
    world.clock.advance(1);
    user(&world, "0@example.com").await;
    let all = read(&world, USERS).await["Resources"].as_array().unwrap().clone();
    assert_eq!(all.last().unwrap()["userName"], "0@example.com");
    for bad in ["startIndex=x", "count=1.5", "sortOrder=up"] {
        refused(&world.admin().get(&format!("{USERS}?{bad}")).await, 400, Some("invalidValue"), "expected");
    }
    refused(&world.admin().get(&format!("{USERS}?sortBy=color")).await, 400, Some("invalidPath"), "No such attribute");
}

async fn attributes_are_projected(world: World) {
    let robot = created(&world, SERVICE_PRINCIPALS, &json!({"displayName": "robot"})).await;
    let keys = |resource: &Value| resource.as_object().unwrap().keys().cloned().collect::<Vec<_>>().join(",");
    let path = at(SERVICE_PRINCIPALS, &robot);
    let projected =
        read(&world, &format!("{path}?attributes=userName,displayName,active,externalId,entitlements")).await;
    assert_eq!(keys(&projected), "active,applicationId,displayName,entitlements,id,schemas");
    let projected = read(&world, &format!("{path}?excludedAttributes=groups%2Croles%2Cid")).await;
    assert_eq!(keys(&projected), "active,applicationId,displayName,entitlements,id,schemas");
    let me = read(&world, &format!("{ME}?excludedAttributes=entitlements")).await;
    assert!(me.get("entitlements").is_none() && me["userName"] == "admin@example.com");
    let list = read(&world, &format!("{GROUPS}?attributes=members")).await;
    assert_eq!(keys(&list["Resources"][0]), "id,members,schemas");
}

async fn a_list_says_what_a_get_says(world: World) {
    let (ann, bob) = (user(&world, "ann@example.com").await, user(&world, "bob@example.com").await);
    let inner = group_with(&world, "inner", &[&ann]).await;
    let outer = group_with(&world, "outer", &[&inner, &bob]).await;
    let users = world.workspace().await.users_group;
    let everybody = group_with(&world, "everybody", &[&json!({"id": users.to_string()})]).await;
    let back = json!([{"op": "add", "path": "members", "value": [{"value": outer["id"]}]}]);
    patched(&world, &at(GROUPS, &inner), &back).await;
    for collection in [USERS, GROUPS, SERVICE_PRINCIPALS] {
        for listed in read(&world, collection).await["Resources"].as_array().unwrap() {
            let got = read(&world, &at(collection, listed)).await;
            for key in listed.as_object().unwrap().keys() {
                if key == "groups" {
                    assert_eq!(each(&listed[key], "$ref"), each(&got[key], "$ref"), "{listed} and {got}");
                    assert_eq!(each(&listed[key], "type"), each(&got[key], "type"), "{listed} and {got}");
                } else {
                    assert_eq!(listed[key], got[key], "{listed} and {got}");
                }
            }
        }
    }
    assert_eq!(
        each(&read(&world, &at(USERS, &ann)).await["groups"], "display"),
        ["everybody", "inner", "outer", "users"]
    );
    assert_eq!(each(&read(&world, &at(GROUPS, &everybody)).await["members"], "display"), ["users"]);
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
            let patch = json!({"Operations": [{"op": "add", "path": "displayName", "value": "x"}]});
            refused(&world.admin().patch(&path, &patch).await, 404, None, &says);
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
    assert_eq!(user(&world, &longest).await["userName"], longest.as_str());
    assert_eq!(group_with(&world, &longest, &[]).await["displayName"], longest.as_str());
}

async fn built_in_groups_stay(world: World) {
    let workspace = world.workspace().await;
    for (id, name) in [(workspace.admins_group, "admins"), (workspace.users_group, "users")] {
        let path = format!("{GROUPS}/{id}");
        refused(
            &delete(world.admin(), &path).await,
            400,
            Some("mutability"),
            &format!("The built-in group {name} cannot be deleted."),
        );
        let rename = json!({"Operations": [{"op": "replace", "path": "displayName", "value": "other"}]});
        refused(&world.admin().patch(&path, &rename).await, 400, Some("mutability"), "cannot be renamed");
        let entitle = json!([{"op": "add", "path": "entitlements", "value": [{"value": "workspace-access"}]}]);
        assert_eq!(patched(&world, &path, &entitle).await["entitlements"], json!([{"value": "workspace-access"}]));
        assert_eq!(read(&world, &path).await["displayName"], name);
    }
}

async fn users_holds_everybody(world: World) {
    let path = format!("{GROUPS}/{}", world.workspace().await.users_group);
    let count = async || read(&world, &path).await["members"].as_array().unwrap().len();
    let before = count().await;
    let ann = user(&world, "ann@example.com").await;
    created(&world, SERVICE_PRINCIPALS, &json!({"displayName": "robot"})).await;
    let ops = group_with(&world, "ops", &[]).await;
    assert_eq!(count().await, before + 2, "users and service principals, not groups");

    let operation = |op: &str, member: &Value| json!({"Operations": [{"op": op, "path": "members", "value": [{"value": member["id"]}]}]});
    assert_eq!(world.admin().patch(&path, &operation("add", &ann)).await.status, 200, "who is there already");
    refused(&world.admin().patch(&path, &operation("remove", &ann)).await, 400, Some("mutability"), "every user");
    refused(&world.admin().patch(&path, &operation("add", &ops)).await, 400, Some("mutability"), "every user");
    refused(&put(world.admin(), &path, &json!({"displayName": "users"})).await, 400, Some("mutability"), "every user");
    assert_eq!(delete(world.admin(), &at(USERS, &ann)).await.status, 204);
    assert_eq!(count().await, before + 1);
}

async fn admins_are_who_is_in_admins(world: World) {
    let ann = user(&world, "ann@example.com").await;
    let token = world.mint(id_of(&ann), |_| {}).await;
    let workspace = world.workspace().await;
    let path = format!("{GROUPS}/{}", workspace.admins_group);
    let may_create =
        async |name: &str| world.client(&token).post(GROUPS, &json!({ "displayName": name })).await.status == 201;
    assert!(!may_create("g1").await);
    let add = |id: &Value| json!([{"op": "add", "path": "members", "value": [{ "value": id }]}]);
    let remove =
        |id: &Value| json!([{"op": "remove", "path": format!("members[value eq \"{}\"]", id.as_str().unwrap())}]);
    patched(&world, &path, &add(&ann["id"])).await;
    assert!(may_create("g1").await);
    patched(&world, &path, &remove(&ann["id"])).await;
    assert!(!may_create("g2").await);
    let team = group_with(&world, "team", &[&ann]).await;
    patched(&world, &path, &add(&team["id"])).await;
    assert!(may_create("g2").await, "through a nested group");
    assert_eq!(delete(world.admin(), &at(GROUPS, &team)).await.status, 204);
    assert!(!may_create("g3").await);
    let mut reader = world.service.store().read().await.unwrap();
    assert_eq!(reader.count_events(workspace.id, "setAdmin").await.unwrap(), 2);
    assert_eq!(reader.count_events(workspace.id, "removeAdmin").await.unwrap(), 1);
}

async fn circles_of_groups_are_tolerated(world: World) {
    let ann = user(&world, "ann@example.com").await;
    let a = group_with(&world, "a", &[&ann]).await;
    let b = group_with(&world, "b", &[&a]).await;
    let operation = |member: &Value| json!([{"op": "add", "path": "members", "value": [{"value": member["id"]}]}]);
    patched(&world, &at(GROUPS, &a), &operation(&b)).await;
    let own = patched(&world, &at(GROUPS, &a), &operation(&a)).await;
    assert_eq!(
        (each(&own["members"], "display"), each(&own["groups"], "display")),
        (vec!["a".into(), "ann@example.com".into(), "b".into()], vec!["b".to_owned()])
    );
    assert_eq!(each(&read(&world, &at(USERS, &ann)).await["groups"], "display"), ["a", "b", "users"]);
    let token = world.mint(id_of(&ann), |_| {}).await;
    assert_eq!(each(&world.client(&token).get(ME).await.json()["groups"], "display"), ["a", "b", "users"]);
    assert_eq!(delete(world.admin(), &at(GROUPS, &a)).await.status, 204);
    assert_eq!(read(&world, &at(GROUPS, &b)).await["members"], json!([]));
}

async fn deactivation_blocks_tokens_and_activation_restores_them(world: World) {
    let robot = created(&world, SERVICE_PRINCIPALS, &json!({"displayName": "robot"})).await;
    let ann = user(&world, "ann@example.com").await;
    for (resource, collection) in [(&robot, SERVICE_PRINCIPALS), (&ann, USERS)] {
        let token = world.mint(id_of(resource), |_| {}).await;
        assert!(works(&world, &token).await);
        let path = at(collection, resource);
        for (off, on) in [
            (json!([{"value": "false"}]), json!([{"value": "true"}])),
            (json!("false"), json!("True")),
            (json!(false), json!(true)),
        ] {
            let set = |value: &Value| json!([{"op": "replace", "path": "active", "value": value}]);
            assert_eq!(patched(&world, &path, &set(&off)).await["active"], false);
            world.client(&token).get(ME).await.refused(403, 403, "Invalid access to Org");
            assert_eq!(patched(&world, &path, &set(&on)).await["active"], true);
            assert!(works(&world, &token).await);
        }
        put(world.admin(), &path, &json!({"active": false})).await;
        assert!(!works(&world, &token).await);
        put(world.admin(), &path, &json!({})).await;
        assert!(works(&world, &token).await, "a PUT that does not say so activates");
    }
    let asleep = created(&world, USERS, &json!({"userName": "asleep@example.com", "active": false})).await;
    let token = world.mint(id_of(&asleep), |_| {}).await;
    assert!(!works(&world, &token).await);
}

async fn deletion_ends_tokens_for_good(world: World) {
    let workspace = world.workspace().await;
    let ann = user(&world, "ann@example.com").await;
    let (id, path) = (id_of(&ann), at(USERS, &ann));
    let team = group_with(&world, "team", &[&ann]).await;
    let (first, second) = (world.mint(id, |_| {}).await, world.mint(id, |_| {}).await);
    let expired = world.mint(id, |token| token.expiry_time = Some(START)).await;
    let idle = world.mint(id, |token| token.creation_time = START.plus(-90 * DAY_MS)).await;
    let others = world.mint(world.admin_id().await, |_| {}).await;
    let mut writer = world.service.store().write(Lock::Workspace(workspace.id)).await.unwrap();
    writer.put_token_permission(workspace.id, id, Some(PermissionLevel::CanUse)).await.unwrap();
    writer.commit().await.unwrap();

    assert_eq!(delete(world.admin(), &path).await.status, 204);
    for token in [&first, &second] {
        world.client(token).get(ME).await.refused(403, 403, "Invalid access token.");
    }
    assert!(works(&world, &others).await);
    let mut reader = world.service.store().read().await.unwrap();
    let end = Some((EndCause::OwnerDeleted, "admin@example.com".to_owned(), START));
    for (token, expected) in [(&first, &end), (&second, &end), (&expired, &end), (&idle, &None)] {
        let id = TokenValue::parse(token).unwrap().id();
        assert_eq!(&reader.find_tombstone(workspace.id, &id).await.unwrap(), expected);
    }
    let events = reader.list_events(workspace.id, "revokeDbToken").await.unwrap();
    assert_eq!(events.len(), 3);
    for (actor, params) in events {
        assert_eq!(actor.as_deref(), Some("admin@example.com"));
        assert_eq!(serde_json::from_str::<Value>(&params).unwrap()["userId"], id.to_string());
    }
    drop(reader);
    assert_eq!(read(&world, &at(GROUPS, &team)).await["members"], json!([]));

    // Who comes back is the same principal, with nothing of what it had.
    let again = user(&world, "ANN@example.com").await;
    assert_eq!(again["id"], ann["id"]);
    assert_eq!(each(&again["groups"], "display"), ["users"]);
    for token in [&first, &second, &expired, &idle] {
        assert!(!works(&world, token).await);
    }
    world.permit_users(false).await;
    let fresh = world.mint(id, |_| {}).await;
    world.client(&fresh).get(ME).await.refused(
        403,
        "PERMISSION_DENIED",
        "User does not have permission to use tokens.",
    );
}

async fn the_creator_of_a_token_may_go(world: World) {
    let creator = user(&world, "creator@example.com").await;
    let robot = created(&world, SERVICE_PRINCIPALS, &json!({"displayName": "robot"})).await;
    let on_behalf = world
        .mint(id_of(&robot), |token| {
            token.created_by = id_of(&creator);
            token.created_by_username = "creator@example.com".to_owned();
        })
        .await;
    assert_eq!(delete(world.admin(), &at(USERS, &creator)).await.status, 204);
    assert!(works(&world, &on_behalf).await);
    let workspace = world.workspace().await.id;
    let id = TokenValue::parse(&on_behalf).unwrap().id();
    let token = world.service.store().read().await.unwrap().find_token(workspace, &id).await.unwrap().unwrap();
    assert_eq!((token.created_by, &*token.created_by_username), (id_of(&creator), "creator@example.com"));
}

/// A user who may use tokens only through a group.
async fn member_of_the_permitted(world: &World) -> (Value, Value, String) {
    let ann = user(world, "ann@example.com").await;
    let group = group_with(world, "permitted", &[&ann]).await;
    world.permit_users(false).await;
    let workspace = world.workspace().await.id;
    let mut writer = world.service.store().write(Lock::Workspace(workspace)).await.unwrap();
    writer.put_token_permission(workspace, id_of(&group), Some(PermissionLevel::CanUse)).await.unwrap();
    writer.commit().await.unwrap();
    let token = world.mint(id_of(&ann), |_| {}).await;
    assert!(works(world, &token).await);
    (ann, group, token)
}

async fn a_deleted_group_takes_its_permission_along(world: World) {
    let (_, group, token) = member_of_the_permitted(&world).await;
    assert_eq!(delete(world.admin(), &at(GROUPS, &group)).await.status, 204);
    world.client(&token).get(ME).await.refused(
        403,
        "PERMISSION_DENIED",
        "User does not have permission to use tokens.",
    );
}

async fn leaving_a_group_suspends(world: World) {
    let (ann, group, token) = member_of_the_permitted(&world).await;
    let path = at(GROUPS, &group);
    patched(&world, &path, &json!([{"op": "remove", "path": "members"}])).await;
    assert!(!works(&world, &token).await);
    patched(&world, &path, &json!([{"op": "add", "value": {"members": [{"value": ann["id"]}]}}])).await;
    assert!(works(&world, &token).await);
}

/// Adds a principal to the account alone.
async fn add_to_account(world: &World, kind: PrincipalKind, name: &str) -> PrincipalId {
    let workspace = world.workspace().await;
    let id = (&SystemEntropy as &dyn Entropy).principal_id();
    let mut writer = world.service.store().write(Lock::Workspace(workspace.id)).await.unwrap();
    writer.insert_principal(workspace.account, &Principal::new(id, kind, name), world.now()).await.unwrap();
    writer.commit().await.unwrap();
    id
}

async fn users_of_the_account_keep_their_id(world: World) {
    let application = "0b1c2d3e-0000-4000-8000-000000000001";
    for (kind, collection, name, key) in [
        (PrincipalKind::User, USERS, "ann@example.com", "userName"),
        (PrincipalKind::ServicePrincipal, SERVICE_PRINCIPALS, application, "applicationId"),
    ] {
        let id = add_to_account(&world, kind, name).await;
        let path = format!("{collection}/{id}");
        refused(&world.admin().get(&path).await, 404, None, "not found");
        let list = read(&world, collection).await;
        assert!(!each(&list["Resources"], "id").contains(&id.to_string()));
        let member = json!({"displayName": "g", "members": [{"value": id.to_string()}]});
        refused(&world.admin().post(GROUPS, &member).await, 404, None, "Principal with id");
        let made = created(&world, collection, &json!({key: name.to_uppercase(), "displayName": "Ann"})).await;
        assert_eq!((id_of(&made), &made[key], &made["displayName"]), (id, &json!(name), &json!("Ann")));
    }
}

async fn groups_of_the_account_are_the_accounts(world: World) {
    let workspace = world.workspace().await.id;
    let id = add_to_account(&world, PrincipalKind::Group, "company").await;
    group_with(&world, "Company", &[]).await;
    let mut writer = world.service.store().write(Lock::Workspace(workspace)).await.unwrap();
    writer.put_assignment(workspace, id, &assigned(true)).await.unwrap();
    writer.commit().await.unwrap();
    let path = format!("{GROUPS}/{id}");
    assert_eq!(read(&world, &path).await["meta"], json!({"resourceType": "Group"}));
    let ann = user(&world, "ann@example.com").await;
    for operation in [
        json!({"op": "add", "path": "members", "value": [{"value": ann["id"]}]}),
        json!({"op": "replace", "path": "displayName", "value": "x"}),
    ] {
        let answer = world.admin().patch(&path, &json!({"Operations": [operation]})).await;
        refused(&answer, 400, Some("mutability"), "The group company belongs to the account.");
    }
    let entitle = json!([{"op": "add", "path": "entitlements", "value": [{"value": "workspace-access"}]}]);
    patched(&world, &path, &entitle).await;
    assert_eq!(delete(world.admin(), &path).await.status, 204);
    let account = world.workspace().await.account;
    let mut reader = world.service.store().read().await.unwrap();
    assert!(reader.find_principal(account, id).await.unwrap().is_some(), "it left the workspace, not the account");
}

async fn the_last_admin_may_go(world: World) {
    let admin = world.admin_id().await;
    let path = format!("{GROUPS}/{}", world.workspace().await.admins_group);
    let answer = put(world.admin(), &path, &json!({"displayName": "admins"})).await;
    assert_eq!((answer.status.as_u16(), &answer.json()["members"]), (200, &json!([])));
    assert!(works(&world, crate::harness::ADMIN_TOKEN).await);
    put(world.admin(), &path, &json!({})).await.refused(403, "PERMISSION_DENIED", "is not an admin");
    let workspace = world.workspace().await;
    let mut writer = world.service.store().write(Lock::Workspace(workspace.id)).await.unwrap();
    writer.put_member(workspace.account, workspace.admins_group, admin).await.unwrap();
    writer.commit().await.unwrap();
    let own = format!("{USERS}/{admin}");
    let off = json!({"Operations": [{"op": "replace", "path": "active", "value": false}]});
    assert_eq!(world.admin().patch(&own, &off).await.json()["active"], false);
    assert!(!works(&world, crate::harness::ADMIN_TOKEN).await);
    world.set_active(admin, true).await;
    assert_eq!(delete(world.admin(), &own).await.status, 204);
    world.admin().get(ME).await.refused(403, 403, "Invalid access token.");
}

async fn others_see_names_only(world: World) {
    let (_, token) = world.user_with_token("bob@example.com").await;
    let bob = world.client(&token);
    let ann = created(
        &world,
        USERS,
        &json!({"userName": "ann@example.com", "externalId": "secret", "roles": [{"value": "arn:x"}]}),
    )
    .await;
    let ops = group_with(&world, "ops", &[&ann]).await;
    let robot = created(&world, SERVICE_PRINCIPALS, &json!({"displayName": "robot"})).await;
    let keys = |resource: &Value| resource.as_object().unwrap().keys().cloned().collect::<Vec<_>>().join(",");
    for (collection, resource, expected) in [
        (USERS, &ann, "displayName,id,schemas,userName"),
        (GROUPS, &ops, "displayName,id,schemas"),
        (SERVICE_PRINCIPALS, &robot, "applicationId,displayName,id,schemas"),
    ] {
        let path = at(collection, resource);
        assert_eq!(keys(&bob.get(&path).await.json()), expected);
        assert_eq!(
            keys(&bob.get(&format!("{path}?attributes=roles,active,members,id")).await.json()).contains("roles"),
            false
        );
        for listed in bob.get(collection).await.json()["Resources"].as_array().unwrap() {
            assert_eq!(keys(listed), expected);
        }
        let not_admin = "Requesting user 'bob@example.com' is not an admin.";
        bob.post(collection, &json!({})).await.refused(403, "PERMISSION_DENIED", not_admin);
        bob.patch(&path, &json!({})).await.refused(403, "PERMISSION_DENIED", not_admin);
        put(bob, &path, &json!({})).await.refused(403, "PERMISSION_DENIED", not_admin);
        delete(bob, &path).await.refused(403, "PERMISSION_DENIED", not_admin);
    }
    // Nor can they find out by asking for it.
    let count = async |client: Client<'_>, filter: &str| {
        client.get(&format!("{USERS}?filter={filter}")).await.json()["totalResults"].clone()
    };
    assert_eq!(count(world.admin(), "externalId+sw+sec").await, 1);
    assert_eq!(count(bob, "externalId+sw+sec").await, 0);
    assert_eq!(count(bob, "userName+eq+ann@example.com").await, 1);
    let me = bob.get(ME).await.json();
    assert!(me["active"] == true && me["groups"].is_array(), "oneself one sees whole");
}

async fn refusals_are_scims_but_for_authentication(world: World) {
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
    world.client(&scoped).get(USERS).await.refused(403, "PERMISSION_DENIED", "missing the required scopes");
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
    assert_eq!(reader.count_events(workspace, "addPrincipalToGroup").await.unwrap(), 0);
}

async fn events_name_who_and_whom(world: World) {
    let workspace = world.workspace().await;
    let ann = user(&world, "ann@example.com").await;
    let ops = group_with(&world, "ops", &[&ann]).await;
    let path = at(USERS, &ann);
    for active in [false, false, true, true] {
        patched(&world, &path, &json!([{"op": "replace", "path": "active", "value": active}])).await;
    }
    patched(&world, &at(GROUPS, &ops), &json!([{"op": "remove", "path": "members"}])).await;
    let admins = format!("{GROUPS}/{}", workspace.admins_group);
    for op in ["add", "remove"] {
        let value = json!([{"value": ann["id"]}]);
        patched(&world, &admins, &json!([{"op": op, "path": "members", "value": value}])).await;
    }
    delete(world.admin(), &at(GROUPS, &ops)).await;
    delete(world.admin(), &path).await;

    let on_user = json!({"targetUserName": "ann@example.com", "endpoint": "scim", "targetUserId": ann["id"]});
    let on_group = json!({"endpoint": "scim", "targetGroupId": ops["id"], "targetGroupName": "ops"});
    let both = |group: &Value| {
        let mut params = on_user.clone();
        params.as_object_mut().unwrap().extend(group.as_object().unwrap().clone());
        params
    };
    let in_admins = both(&json!({"targetGroupId": workspace.admins_group.to_string(), "targetGroupName": "admins"}));
    let mut reader = world.service.store().read().await.unwrap();
    for (action, expected) in [
        ("add", vec![on_user.clone()]),
        ("deactivateUser", vec![on_user.clone()]),
        ("activateUser", vec![on_user.clone()]),
        ("createGroup", vec![on_group.clone()]),
        ("addPrincipalToGroup", vec![both(&on_group), in_admins.clone()]),
        ("removePrincipalFromGroup", vec![both(&on_group), in_admins]),
        ("setAdmin", vec![on_user.clone()]),
        ("removeAdmin", vec![on_user.clone()]),
        ("removeGroup", vec![on_group.clone()]),
        ("delete", vec![on_user.clone()]),
    ] {
        let events = reader.list_events(workspace.id, action).await.unwrap();
        assert_eq!(events.len(), expected.len(), "{action}");
        for (actor, params) in events {
            assert_eq!(actor.as_deref(), Some("admin@example.com"));
            let params: Value = serde_json::from_str(&params).unwrap();
            assert!(expected.contains(&params), "{action}: {params}");
        }
    }
}
