//! A principal is deleted and another one gets its name, or its name and id: no credential, membership, permission or
//! role of the first opens anything for the second.

use axum::body::Body;
use axum::http::Method;
use dapi_mock::domain::PrincipalId;
use dapi_mock::domain::identities::{Principal, PrincipalKind};
use dapi_mock::service::ADMIN_CLIENT_ID;
use dapi_mock::store::Lock;
use serde_json::{Value, json};

use crate::support::{ADMIN_SECRET, Answer, GRANT, ME, PERMISSIONS, World, account, assigned, on_every_store};

on_every_store!(
    nothing_of_a_service_principal_outlives_it,
    nothing_of_a_user_outlives_it,
    a_restored_principal_is_itself,
    nothing_of_a_workspace_outlives_it,
);

const BOT: &str = "0000aaaa-0000-4000-8000-00000000abcd";
const ANN: &str = "ann@example.com";

/// How the name is taken again.
#[derive(Clone, Copy, Debug)]
enum Way {
    /// Through the API, which draws another id.
    Named,
    /// With the same id, as a seed that is applied again derives it.
    NamedWithId,
}

/// Calls the account API as its admin.
async fn account_call(world: &World, method: Method, path: &str, body: &Value) -> Answer {
    let token = world.account_oauth().await;
    let path = format!("/api/2.0/accounts/{}/{path}", account());
    world.client(&token).call(method, &path, body.to_string()).await
}

/// Makes the principal in the account and brings it into the workspace.
async fn create(world: &World, collection: &str, body: &Value) -> PrincipalId {
    let made = account_call(world, Method::POST, &format!("scim/v2/{collection}"), body).await;
    assert_eq!(made.status, 201, "{made:?}");
    let there = world.admin().post(&format!("/api/2.0/preview/scim/v2/{collection}"), body).await;
    assert_eq!(there.status, 201, "{there:?}");
    assert_eq!(there.json()["id"], made.json()["id"]);
    PrincipalId::parse(made.json()["id"].as_str().unwrap()).unwrap()
}

async fn replace(
    world: &World,
    way: Way,
    (collection, id): (&str, PrincipalId),
    kind: PrincipalKind,
    body: &Value,
) -> PrincipalId {
    let path = format!("scim/v2/{collection}/{id}");
    assert_eq!(account_call(world, Method::DELETE, &path, &json!({})).await.status, 204);
    match way {
        Way::Named => create(world, collection, body).await,
        Way::NamedWithId => {
            let name = if kind == PrincipalKind::User { ANN } else { BOT };
            let workspace = world.workspace().await;
            let principal = Principal { creation: 5, ..Principal::new(id, kind, name) };
            let mut writer = world.service.store().write(Lock::Workspace(workspace.id)).await.unwrap();
            writer.insert_principal(workspace.account, &principal, world.now()).await.unwrap();
            writer.put_assignment(workspace.id, id, &assigned(true)).await.unwrap();
            writer.commit().await.unwrap();
            id
        }
    }
}

async fn joins_admins_and_the_list(world: &World, entry: &str, name: &str, id: PrincipalId) {
    let admins = world.workspace().await.admins_group;
    let operation = json!({"op": "add", "path": "members", "value": [{"value": id.to_string()}]});
    let path = format!("/api/2.0/preview/scim/v2/Groups/{admins}");
    assert_eq!(world.admin().patch(&path, &json!({ "Operations": [operation] })).await.status, 200);
    let entries = json!({"access_control_list": [{entry: name, "permission_level": "CAN_USE"}]});
    let answer = world.admin().patch(PERMISSIONS, &entries).await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

/// Asserts that neither the group `admins` nor the permissions on tokens have the name.
async fn is_nobody(world: &World, name: &str, id: PrincipalId) {
    let admins = world.workspace().await.admins_group;
    let group = world.admin().get(&format!("/api/2.0/preview/scim/v2/Groups/{admins}")).await;
    assert!(!group.text.contains(&format!("\"{id}\"")), "{group:?}");
    let list = world.admin().get(PERMISSIONS).await;
    assert!(list.status == 200 && !list.text.contains(name), "{list:?}");
}

async fn nothing_of_a_service_principal_outlives_it(world: World) {
    let body = json!({"applicationId": BOT, "displayName": "bot"});
    let rule_sets = "/api/2.0/preview/accounts/access-control/rule-sets";
    let rule_set = format!("accounts/{}/servicePrincipals/{BOT}/ruleSets/default", account());
    for way in [Way::Named, Way::NamedWithId] {
        let id = create(&world, "ServicePrincipals", &body).await;
        joins_admins_and_the_list(&world, "service_principal_name", BOT, id).await;
        let secrets = format!("servicePrincipals/{id}/credentials/secrets");
        let made = account_call(&world, Method::POST, &secrets, &json!({})).await;
        let secret = made.json()["secret"].as_str().unwrap().to_owned();
        let rules = json!({"name": rule_set.replace(BOT, &BOT.to_uppercase()),
            "rule_set": {"etag": "unset", "grant_rules": [{"role": "roles/servicePrincipal.user",
                "principals": [format!("users/{ANN}")]}]}});
        let stored = world.admin().call(Method::PUT, rule_sets, rules.to_string()).await;
        assert_eq!(stored.status, 200, "{stored:?}");
        let credentials = [
            ("access token of the workspace", world.access_token(BOT, &secret).await),
            ("access token of the account", world.account_access_token(BOT, &secret).await),
            ("personal access token", world.mint(id, |_| {}).await),
        ];
        for (kind, credential) in &credentials {
            assert_eq!(world.client(credential).get(ME).await.status, 200, "{way:?}: {kind}");
        }
        let id = replace(&world, way, ("ServicePrincipals", id), PrincipalKind::ServicePrincipal, &body).await;
        for (kind, credential) in &credentials {
            let answer = world.client(credential).get(ME).await;
            assert_eq!(answer.status, 403, "{way:?}: {kind}: {answer:?}");
        }
        let refused = world.ask_for_token("/oidc/v1/token", Some((BOT, &secret)), GRANT).await;
        assert_eq!(refused.status, 401, "{way:?}: {refused:?}");
        is_nobody(&world, BOT, id).await;
        let rules = world.admin().get(&format!("{rule_sets}?name={rule_set}&etag=")).await;
        assert!(rules.status == 200 && !rules.text.contains(ANN), "{rules:?}");
        // Credentials of the new principal work.
        let secrets = format!("servicePrincipals/{id}/credentials/secrets");
        let made = account_call(&world, Method::POST, &secrets, &json!({})).await;
        let secret = made.json()["secret"].as_str().unwrap().to_owned();
        assert_eq!(world.client(&world.access_token(BOT, &secret).await).get(ME).await.status, 200);
        let path = format!("scim/v2/ServicePrincipals/{id}");
        assert_eq!(account_call(&world, Method::DELETE, &path, &json!({})).await.status, 204);
    }
}

async fn nothing_of_a_user_outlives_it(world: World) {
    let body = json!({ "userName": ANN });
    let robot = "0000aaaa-0000-4000-8000-00000000beef";
    for way in [Way::Named, Way::NamedWithId] {
        let id = create(&world, "Users", &body).await;
        joins_admins_and_the_list(&world, "user_name", ANN, id).await;
        let rule_sets = "/api/2.0/preview/accounts/access-control/rule-sets";
        let name = format!("accounts/{}/servicePrincipals/{robot}/ruleSets/default", account());
        let etag = world.admin().get(&format!("{rule_sets}?name={name}&etag=")).await.json()["etag"].clone();
        let rules = json!({"name": name, "rule_set": {"etag": etag, "grant_rules": [
            {"role": "roles/servicePrincipal.user", "principals": ["users/Ann@Example.com", "groups/ops"]}]}});
        assert_eq!(world.admin().call(Method::PUT, rule_sets, rules.to_string()).await.status, 200);

        let (access, refresh) = world.tokens(ANN).await;
        let code = world.code(ANN).await;
        let mut browser = world.browser_of(ANN).await;
        let token = world.mint(id, |_| {}).await;
        for (kind, credential) in [("access token", &access), ("personal access token", &token)] {
            assert_eq!(world.client(credential).get(ME).await.status, 200, "{way:?}: {kind}");
        }
        assert_eq!(browser.get("/settings/user/developer/access-tokens").await.status, 200);

        let id = replace(&world, way, ("Users", id), PrincipalKind::User, &body).await;
        for (kind, credential) in [("access token", &access), ("personal access token", &token)] {
            let answer = world.client(credential).get(ME).await;
            assert_eq!(answer.status, 403, "{way:?}: {kind}: {answer:?}");
        }
        assert_eq!(world.refresh(&refresh, "all-apis").await.status, 400, "{way:?}: refresh token");
        assert_eq!(world.redeem(&code).await.status, 400, "{way:?}: code");
        let page = browser.get("/settings/user/developer/access-tokens").await;
        assert_eq!(page.status, 303, "{way:?}: page session: {page:?}");
        is_nobody(&world, ANN, id).await;
        let rules = world.admin().get(&format!("{rule_sets}?name={name}&etag=")).await;
        assert!(!rules.text.contains("nn@") && rules.text.contains("groups/ops"), "{rules:?}");
        assert_eq!(world.client(&world.tokens(ANN).await.0).get(ME).await.status, 200);
        assert_eq!(account_call(&world, Method::DELETE, &format!("scim/v2/Users/{id}"), &json!({})).await.status, 204);
    }
}

/// A checkpoint restores its own principals, not others with the same names.
async fn a_restored_principal_is_itself(world: World) {
    let body = json!({"applicationId": BOT, "displayName": "bot"});
    let id = create(&world, "ServicePrincipals", &body).await;
    let secrets = format!("servicePrincipals/{id}/credentials/secrets");
    let made = account_call(&world, Method::POST, &secrets, &json!({})).await;
    let secret = made.json()["secret"].as_str().unwrap().to_owned();
    let before = world.access_token(BOT, &secret).await;
    let workspace = world.workspace().await.id;
    let own = async |method: Method, path: &str, body: Value| {
        let answer = world.anonymous().own(method, &format!("workspaces/{workspace}/{path}"), &body).await;
        assert!(answer.status.is_success(), "{answer:?}");
    };
    own(Method::PUT, "checkpoints/here", json!({})).await;
    let second = replace(&world, Way::Named, ("ServicePrincipals", id), PrincipalKind::ServicePrincipal, &body).await;
    let made =
        account_call(&world, Method::POST, &format!("servicePrincipals/{second}/credentials/secrets"), &json!({}))
            .await;
    let of_the_second = world.access_token(BOT, made.json()["secret"].as_str().unwrap()).await;
    assert_eq!(world.client(&before).get(ME).await.status, 403);
    assert_eq!(world.client(&of_the_second).get(ME).await.status, 200);
    own(Method::POST, "reset", json!({"to": "here"})).await;
    assert_eq!(world.client(&before).get(ME).await.status, 200);
    assert_eq!(world.client(&of_the_second).get(ME).await.status, 403);
}

/// A workspace is deleted and another one of the account gets its id. After a reset it is still the same workspace.
async fn nothing_of_a_workspace_outlives_it(world: World) {
    const GIVEN: &str = "dapi000000000000000000000000000000ee";
    let (id, secret) = (ADMIN_CLIENT_ID.to_string(), ADMIN_SECRET);
    let own = async |method: Method, path: &str, body: Value| {
        let answer = world.anonymous().own(method, path, &body).await;
        assert!(answer.status.is_success(), "{answer:?}");
    };
    let in_it = async |credential: &str| {
        let request = world.client(credential).request(&Method::GET, ME).header("x-databricks-workspace-id", "42");
        world.send(request.body(Body::empty()).unwrap()).await.status.as_u16()
    };
    // With its own entropy seed it draws the same ids again.
    for seed in [Value::Null, json!(7)] {
        let body = json!({"id": 42, "account_id": account(), "admin_token": GIVEN, "entropy_seed": seed});
        own(Method::POST, "workspaces", body.clone()).await;
        let path = "/oidc/v1/token?o=42";
        let access = world.ask_for_token(path, Some((&id, secret)), GRANT).await.json()["access_token"].clone();
        let of_account = world.account_oauth().await;
        let made = world.client(access.as_str().unwrap()).create(&json!({})).await.0;
        let dying = [access.as_str().unwrap(), &made];
        for credential in dying.iter().copied().chain([of_account.as_str(), GIVEN]) {
            assert_eq!(in_it(credential).await, 200);
        }
        own(Method::PUT, "workspaces/42/checkpoints/here", json!({})).await;
        own(Method::POST, "workspaces/42/reset", json!({"to": "here"})).await;
        for credential in dying {
            assert_eq!(in_it(credential).await, 200, "after a reset");
        }
        own(Method::DELETE, "workspaces/42", json!({})).await;
        own(Method::POST, "workspaces", body).await;
        for (kind, credential) in ["access token", "personal access token"].iter().zip(dying) {
            assert_eq!(in_it(credential).await, 403, "{kind}, {seed}");
        }
        assert_eq!(in_it(&of_account).await, 200, "the account is unchanged");
        let again = world.ask_for_token(path, Some((&id, secret)), GRANT).await.json()["access_token"].clone();
        assert_eq!(in_it(again.as_str().unwrap()).await, 200);
        own(Method::DELETE, "workspaces/42", json!({})).await;
    }
}
