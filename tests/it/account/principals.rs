//! Principals of the account: what they are, and what deactivating or deleting them ends.

use axum::http::Method;
use dapi_mock::domain::audit::Filter;
use dapi_mock::domain::tokens::{EndCause, TokenValue};
use dapi_mock::store::HistoryFilter;
use serde_json::{Value, json};

use super::{Account, GROUPS, HERE, SERVICE_PRINCIPALS, THERE, USERS, in_workspace, no_access, refused};
use crate::support::{INVALID, Kind, ME, World, at, each, on_every_store, text};

on_every_store!(
    principals_live_in_the_account,
    deactivation_holds_in_every_workspace,
    deletion_ends_tokens_in_every_workspace,
);

async fn principals_live_in_the_account(world: World) {
    let a = Account::admin(&world).await;
    let ann = a
        .create(USERS, &json!({"userName": "ann@example.com", "displayName": "Ann", "entitlements": [{}], "roles": []}))
        .await;
    assert_eq!((&ann["active"], &ann["roles"], &ann["groups"]), (&json!(true), &json!([]), &json!([])));
    let path = at(USERS, &ann);
    assert_eq!(a.get(&path).await, ann);
    assert_eq!(world.admin().get(&in_workspace(Kind::User, &ann)).await.status, 404);
    assert!(
        !each(&world.admin().get(Kind::User.collection()).await.json()["Resources"], "id").contains(&text(&ann["id"]))
    );
    let taken = a.call(Method::POST, USERS, &json!({"userName": "ANN@example.com"})).await;
    refused(&taken, 409, None, "User with email ANN@example.com already exists in this account");
    let found = a.get(&format!("{USERS}?filter=userName%20eq%20%22ann@example.com%22")).await;
    assert_eq!(found["Resources"], json!([ann]));

    // A workspace may have its own group of the same name.
    world.admin().group("ops", &[]).await;
    let ops = a.group("ops", &[&ann]).await;
    assert_eq!(ops["meta"], json!({"resourceType": "Group"}));
    assert_eq!(each(&ops["members"], "display"), ["Ann"]);
    assert_eq!(each(&a.get(&path).await["groups"], "display"), ["ops"]);
    refused(
        &a.call(Method::POST, GROUPS, &json!({"displayName": "Ops"})).await,
        409,
        None,
        "Group with name Ops already exists.",
    );
    let other = a.group("other", &[]).await;
    let renamed = a.call(Method::PUT, &at(GROUPS, &other), &json!({"displayName": "ops"})).await;
    refused(&renamed, 409, None, "Group with name ops already exists.");
    let groups = a.get(GROUPS).await["Resources"].clone();
    assert_eq!(each(&groups, "displayName"), ["ops", "other"], "without the workspaces' own groups");
    assert!(groups.as_array().unwrap().contains(&a.get(&at(GROUPS, &ops)).await));
    let local = world.admin().group("local", &[]).await;
    let add = json!({"op": "add", "path": "members", "value": [{"value": local.id}]});
    refused(&a.patch(&at(GROUPS, &ops), &add).await, 404, None, &format!("Principal with id {} not found.", local.id));
    let missing = a.call(Method::GET, &format!("{GROUPS}/{}", local.id), &json!({})).await;
    refused(&missing, 404, None, &format!("Group with id {} not found.", local.id));

    let robot = a.create(SERVICE_PRINCIPALS, &json!({"displayName": "ci"})).await;
    let again = json!({"applicationId": robot["applicationId"]});
    let taken = format!("User with email {} already exists in this account", text(&robot["applicationId"]));
    refused(&a.call(Method::POST, SERVICE_PRINCIPALS, &again).await, 409, None, &taken);

    // Attributes of workspaces do not exist in the account.
    let entitle = json!({"op": "add", "path": "entitlements", "value": [{"value": "workspace-access"}]});
    let unknown = "No such attribute with the name : entitlements in the current resource";
    refused(&a.patch(&path, &entitle).await, 400, Some("invalidPath"), unknown);
    let role = json!({"op": "add", "path": "roles", "value": [{"value": "billing_admin"}]});
    let emulated = "roles: dapi-mock emulates account_admin only, not billing_admin.";
    refused(&a.patch(&path, &role).await, 400, Some("invalidValue"), emulated);

    let put = json!({"userName": "ann@example.com", "displayName": "Anna"});
    assert_eq!(a.call(Method::PUT, &path, &put).await.json()["displayName"], "Anna");
    assert_eq!(a.call(Method::DELETE, &at(GROUPS, &ops), &json!({})).await.status, 204);
    assert_eq!(a.get(&path).await["groups"], json!([]));

    // A workspace adds the account's user under the same id.
    let here = world.admin().post(Kind::User.collection(), &json!({"userName": "ann@example.com"})).await;
    assert_eq!((here.status.as_u16(), &here.json()["id"]), (201, &ann["id"]));
    for kind in ["add", "createGroup", "removeGroup", "addPrincipalToGroup"] {
        let events = world.events_of(HERE, kind).await;
        assert!(
            events.iter().any(|event| event["audit_level"] == "ACCOUNT_LEVEL" && event["workspace_id"] == "0"),
            "{kind}"
        );
    }
    let refused_event = &world.events_of(HERE, "add").await[1];
    assert_eq!(
        (&refused_event["audit_level"], &refused_event["response"]["status_code"]),
        (&json!("ACCOUNT_LEVEL"), &json!("409"))
    );
}

async fn deactivation_holds_in_every_workspace(world: World) {
    world.add_open_workspace(THERE).await;
    let a = Account::admin(&world).await;
    let ann = a.user("ann@example.com").await;
    let mut tokens = Vec::new();
    for workspace in [HERE, THERE] {
        a.assigned(workspace, &ann, "USER").await;
        tokens.push((workspace, world.mint_in(workspace, &ann).await));
    }
    for (_, token) in &tokens {
        assert!(world.client(token).works().await);
    }
    a.set_active(&ann, false).await;
    assert_eq!(a.get(&at(USERS, &ann)).await["active"], false);
    assert_eq!(world.admin().get(&in_workspace(Kind::User, &ann)).await.json()["active"], false);
    for (workspace, token) in &tokens {
        no_access(world.client(token), *workspace).await;
        assert!(a.assignments(*workspace).await.contains(&"ann@example.com USER".to_owned()), "still assigned");
    }
    // A workspace cannot undo it.
    let on = json!({"Operations": [{"op": "replace", "path": "active", "value": true}]});
    assert_eq!(world.admin().patch(&in_workspace(Kind::User, &ann), &on).await.json()["active"], false);
    a.set_active(&ann, true).await;
    for (_, token) in &tokens {
        assert!(world.client(token).works().await, "nothing was lost");
    }
    for (action, level) in [("deactivateUser", "ACCOUNT_LEVEL"), ("activateUser", "ACCOUNT_LEVEL")] {
        let events = world.events_of(HERE, action).await;
        assert_eq!((events.len(), &events[0]["audit_level"]), (1, &json!(level)));
    }
    assert_eq!(world.events_of(THERE, "deactivateUser").await, Vec::<Value>::new());
}

async fn deletion_ends_tokens_in_every_workspace(world: World) {
    let there = world.add_open_workspace(THERE).await;
    let a = Account::admin(&world).await;
    let robot = a.create(SERVICE_PRINCIPALS, &json!({"displayName": "robot"})).await;
    let group = a.group("robots", &[&robot]).await;
    let mut tokens = Vec::new();
    for workspace in [HERE, THERE] {
        a.assigned(workspace, &robot, "ADMIN").await;
        tokens.push((workspace, world.mint_in(workspace, &robot).await));
    }
    let secrets = format!("servicePrincipals/{}/credentials/secrets", text(&robot["id"]));
    let secret = text(&a.call(Method::POST, &secrets, &json!({})).await.json()["secret"]);
    let oauth = world.access_token(&text(&robot["applicationId"]), &secret).await;
    // The two workspaces have different clocks.
    let by_an_hour = json!({"by": "1h"});
    let moved = world.anonymous().own(Method::POST, "workspaces/77/clock/advance", &by_an_hour).await;
    assert_eq!(moved.status, 200, "{moved:?}");

    let path = at(SERVICE_PRINCIPALS, &robot);
    assert_eq!(a.call(Method::DELETE, &path, &json!({})).await.status, 204);
    let gone = a.call(Method::GET, &path, &json!({})).await;
    refused(&gone, 404, None, &format!("Service principal with id {} not found.", text(&robot["id"])));
    assert_eq!(a.get(&at(GROUPS, &group)).await["members"], json!([]));
    no_access(world.client(&oauth), HERE).await;
    let again = world
        .ask_for_token(
            "/oidc/v1/token",
            Some((&text(&robot["applicationId"]), &secret)),
            "grant_type=client_credentials&scope=all-apis",
        )
        .await;
    assert_eq!(again.status, 401);
    let here = world.workspace().await;
    for ((workspace, token), home, at) in
        [(&tokens[0], &here, world.now()), (&tokens[1], &there, world.now().plus(3_600_000))]
    {
        world.client(token).get(ME).await.refused(403, 403, INVALID);
        let id = TokenValue::parse(token).unwrap().id();
        let mut reader = world.service.store().read().await.unwrap();
        let history = reader.list_token_histories(home, HistoryFilter::one(&id), 1).await.unwrap().remove(0);
        let end = history.end.unwrap();
        assert_eq!(
            (end.cause, &*end.actor, end.at),
            (EndCause::OwnerDeleted, &*dapi_mock::service::ADMIN_CLIENT_ID.to_string(), at)
        );
        let filter = Filter { action: Some("revokeDbToken".into()), ..Filter::default() };
        let events = reader.list_events(home.id, &filter).await.unwrap();
        assert_eq!(
            (events.len(), &*events[0].params["tokenId"], events[0].at, events[0].account_level),
            (1, id.as_str(), at, false)
        );
        drop(reader);
        assert!(!a.assignments(*workspace).await.iter().any(|row| row.starts_with("robot")));
    }
    let deleted = world.events_of(HERE, "delete").await;
    assert_eq!((deleted.len(), &deleted[0]["audit_level"]), (1, &json!("ACCOUNT_LEVEL")));
}
