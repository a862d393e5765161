//! Lists: filters, pages, orders, projections, and who sees what.

use dapi_mock::domain::PrincipalId;
use serde_json::{Value, json};

use super::{created, delete, group_with, patched, put, read, refused, user};
use crate::support::{
    Backend, Client, GROUPS, ME, SERVICE_PRINCIPALS, USERS, World, account, assigned, at, each, on_every_store,
};

on_every_store!(
    filters_select,
    lists_are_paged_and_sorted,
    attributes_are_projected,
    a_list_says_what_a_get_says,
    others_see_names_only,
    pages_end_to_end_are_the_whole_list,
    filters_find_names_in_every_spelling,
);

#[tokio::test]
async fn a_page_has_a_largest_size() {
    use dapi_mock::domain::identities::{Principal, PrincipalKind};
    use dapi_mock::domain::scim::LARGEST_PAGE;
    use dapi_mock::store::Lock;

    let world = World::new(Backend::Memory).await;
    let workspace = world.workspace().await;
    let mut writer = world.service.store().write(Lock::Workspace(workspace.id)).await.unwrap();
    for n in 0..i64::try_from(LARGEST_PAGE).unwrap() {
        let principal = Principal::new(PrincipalId(1_000 + n), PrincipalKind::User, &format!("u{n}@example.com"));
        writer.insert_principal(workspace.account, &principal, world.now()).await.unwrap();
        writer.put_assignment(workspace.id, principal.id, &assigned(true)).await.unwrap();
    }
    writer.commit().await.unwrap();
    let total = LARGEST_PAGE + 2;
    for (query, expected) in [
        ("", LARGEST_PAGE),
        ("count=1000000", LARGEST_PAGE),
        ("filter=userName+sw+u&count=1000000", LARGEST_PAGE),
        ("sortBy=userName", LARGEST_PAGE),
        ("startIndex=10001", 2),
        ("count=10", 10),
        ("count=10&startIndex=10000", 3),
    ] {
        let list = read(&world, &format!("{USERS}?attributes=userName&{query}")).await;
        assert_eq!(list["itemsPerPage"], expected, "{query}");
        assert_eq!(list["Resources"].as_array().unwrap().len(), expected, "{query}");
        assert_eq!(list["totalResults"], if query.contains("filter") { LARGEST_PAGE } else { total }, "{query}");
    }
}

/// Reads small pages as the SDKs' iterators do: no resource is left out or repeated, in the workspace, in the account, and
/// in the account through the workspace.
async fn pages_end_to_end_are_the_whole_list(world: World) {
    for n in 0..7 {
        // Of the same age, too.
        world.clock.advance(n % 2);
        user(&world, &format!("u{n}@example.com")).await;
        created(&world, SERVICE_PRINCIPALS, &json!({"displayName": format!("robot {n}")})).await;
    }
    let some = read(&world, USERS).await["Resources"].as_array().unwrap().clone();
    let members: Vec<&Value> = some.iter().collect();
    let outer = group_with(&world, "g0", &members).await;
    for (n, member) in members.iter().enumerate().skip(1) {
        group_with(&world, &format!("g{n}"), &[&outer, member]).await;
    }
    let oauth = world.account_oauth().await;
    let account = account();
    for kind in ["Users", "ServicePrincipals", "Groups"] {
        for collection in [
            format!("/api/2.0/preview/scim/v2/{kind}"),
            format!("/api/2.0/accounts/{account}/scim/v2/{kind}"),
            format!("/api/2.0/account/scim/v2/{kind}"),
        ] {
            let client = world.client(&oauth);
            for query in
                ["", "sortBy=displayName&sortOrder=descending", "filter=displayName+pr", "filter=id+pr&sortBy=id"]
            {
                let whole = client.get(&format!("{collection}?{query}")).await;
                assert_eq!(whole.status, 200, "{collection}?{query}: {whole:?}");
                let whole = whole.json()["Resources"].as_array().unwrap().clone();
                let (mut pages, mut start) = (Vec::new(), 1);
                loop {
                    let page = client.get(&format!("{collection}?{query}&startIndex={start}&count=3")).await.json();
                    assert_eq!((&page["totalResults"], &page["startIndex"]), (&json!(whole.len()), &json!(start)));
                    let resources = page["Resources"].as_array().unwrap().clone();
                    if resources.is_empty() {
                        break;
                    }
                    start += resources.len();
                    pages.extend(resources);
                }
                assert_eq!(pages, whole, "{collection}?{query}");
                for resource in whole.iter().take(4) {
                    let one = client.get(&format!("{collection}/{}", resource["id"].as_str().unwrap())).await.json();
                    for key in ["members", "groups"] {
                        assert_eq!(each(&one[key], "value"), each(&resource[key], "value"), "{collection}: {key}");
                    }
                }
            }
        }
    }
}

async fn filters_find_names_in_every_spelling(world: World) {
    let robot = created(
        &world,
        SERVICE_PRINCIPALS,
        &json!({"applicationId": "0000AAAA-0000-4000-8000-00000000ABCD", "displayName": "Robot"}),
    )
    .await;
    assert_eq!(robot["applicationId"], "0000aaaa-0000-4000-8000-00000000abcd");
    let ann = user(&world, "Ann.Ärz@Example.COM").await;
    assert_eq!(ann["userName"], "ann.ärz@example.com");
    let ops = group_with(&world, "Ops", &[&ann]).await;
    let found = async |collection: &str, filter: &str| {
        let encoded: String = form_urlencoded::byte_serialize(filter.as_bytes()).collect();
        let json = read(&world, &format!("{collection}?filter={encoded}")).await;
        assert_eq!(json["totalResults"], json["Resources"].as_array().unwrap().len());
        each(&json["Resources"], "id")
    };
    for (collection, filter, expected) in [
        (USERS, "userName eq \"ANN.ÄRZ@EXAMPLE.com\"".to_owned(), Some(&ann)),
        (USERS, "userName eq \"Ann.A\u{308}rz@example.com\"".to_owned(), Some(&ann)),
        (USERS, "emails.value eq \"ANN.ÄRZ@example.com\"".to_owned(), Some(&ann)),
        (USERS, "userName sw \"ANN.Ä\"".to_owned(), Some(&ann)),
        (USERS, format!("id eq \"{}\"", ann["id"].as_str().unwrap()), Some(&ann)),
        (USERS, format!("id eq {} and userName co nobody", ann["id"].as_str().unwrap()), None),
        (USERS, "id eq \"x\"".to_owned(), None),
        (USERS, format!("id eq \"{}\"", ops["id"].as_str().unwrap()), None),
        (SERVICE_PRINCIPALS, "applicationId eq \"0000AAAA-0000-4000-8000-00000000abcd\"".to_owned(), Some(&robot)),
        (GROUPS, "displayName eq \"OPS\"".to_owned(), Some(&ops)),
        (GROUPS, "displayName eq \"OPS\" and members.display co ann".to_owned(), Some(&ops)),
        (GROUPS, "displayName eq \"OPS\" and not (members pr)".to_owned(), None),
    ] {
        let expected: Vec<String> = expected.map(|it| it["id"].as_str().unwrap().to_owned()).into_iter().collect();
        assert_eq!(found(collection, &filter).await, expected, "{filter}");
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
        let resources = json["Resources"].as_array().expect("an array, even if it is empty").clone();
        assert_eq!(json["itemsPerPage"], resources.len());
        let names =
            resources.iter().map(|user| user["userName"].as_str().unwrap().split('@').next().unwrap().to_owned());
        (json["startIndex"].as_i64().unwrap(), names.collect::<String>())
    };
    for (query, expected) in [
        ("sortBy=userName", (1, "abc")),
        ("sortBy=USERNAME&sortOrder=descending", (1, "cba")),
        ("sortBy=userName&startIndex=1&count=2", (1, "ab")),
        ("sortBy=userName&startIndex=2&count=1", (2, "b")),
        ("sortBy=userName&startIndex=3&count=10000", (3, "c")),
        ("startIndex=4&count=10000", (4, "")),
        ("startIndex=9223372036854775807", (i64::MAX, "")),
        ("sortBy=userName&startIndex=0&count=1", (1, "a")),
        ("sortBy=userName&startIndex=-9&count=1", (1, "a")),
        ("count=0", (1, "")),
        ("count=-1", (1, "")),
    ] {
        let (start, names) = page(query).await;
        assert_eq!((start, names.as_str()), expected, "{query}");
    }
    // The default order is by age, so a user added while a client pages does not move the others.
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
    // A filter does not reveal hidden attributes, either.
    let count = async |client: Client<'_>, filter: &str| {
        client.get(&format!("{USERS}?filter={filter}")).await.json()["totalResults"].clone()
    };
    assert_eq!(count(world.admin(), "externalId+sw+sec").await, 1);
    assert_eq!(count(bob, "externalId+sw+sec").await, 0);
    assert_eq!(count(bob, "userName+eq+ann@example.com").await, 1);
    let me = bob.get(ME).await.json();
    assert!(me["active"] == true && me["groups"].is_array(), "callers see all of themselves");
}
