//! Filters, pages, orders and projections, and who sees what.

use serde_json::{Value, json};

use super::{
    GROUPS, ME, SERVICE_PRINCIPALS, USERS, at, created, delete, each, group_with, patched, put, read, refused, user,
};
use crate::harness::{Client, World, on_every_store};

on_every_store!(
    filters_select,
    lists_are_paged_and_sorted,
    attributes_are_projected,
    a_list_says_what_a_get_says,
    others_see_names_only,
);

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
        assert!(!keys(&bob.get(&format!("{path}?attributes=roles,active,members,id")).await.json()).contains("roles"));
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
