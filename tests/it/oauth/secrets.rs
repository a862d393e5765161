//! Client secrets: their life, limits and scopes.

use std::collections::HashSet;

use axum::http::Method;
use dapi_mock::domain::audit::Filter;
use dapi_mock::domain::identities::PrincipalKind;
use dapi_mock::domain::scopes::MAX_SCOPES;
use dapi_mock::domain::{PrincipalId, WorkspaceId};
use futures_util::future::join_all;
use serde_json::{Value, json};

use super::HOME;
use crate::support::{
    BOT, CREATE, GRANT, LIST, ME, TOKEN_ENDPOINT, World, account, invalid_client, oauth_error, on_every_store, part,
    secrets_of, text,
};

on_every_store!(
    a_secret_lives_its_whole_life,
    secrets_have_limits,
    a_secret_grants_its_scopes_and_no_others,
    scopes_of_secrets_come_through_seeds_resets_and_exports,
    secrets_are_out_of_reach_for_others,
);

async fn a_secret_lives_its_whole_life(world: World) {
    let id = world.add_principal(PrincipalKind::ServicePrincipal, BOT).await;
    let created = world.admin().post(&secrets_of(id), &json!({"lifetime": "3600s"})).await;
    assert_eq!(created.status, 200, "{created:?}");
    let mut info = created.json();
    let secret = text(&info["secret"]);
    assert!(secret.starts_with("dose") && secret.len() == 36);
    info.as_object_mut().unwrap().remove("secret");
    let expected = json!({
        "id": info["id"],
        "secret_hash": info["secret_hash"],
        "status": "ACTIVE",
        "create_time": "2026-11-24T08:00:00.000Z",
        "update_time": "2026-11-24T08:00:00.000Z",
        "expire_time": "2026-11-24T09:00:00.000Z",
    });
    assert_eq!((info["secret_hash"].as_str().unwrap().len(), &info), (64, &expected));
    let listed = world.admin().get(&secrets_of(id)).await;
    assert_eq!(listed.json(), json!({"secrets": [info]}));

    let token = world.access_token(BOT, &secret).await;
    let me = world.client(&token).get(ME).await;
    assert_eq!((&me.json()["userName"], me.header("x-databricks-org-id")), (&json!(BOT), HOME));

    let other = world.admin().post(&secrets_of(id), &json!({})).await.json();
    assert_eq!(other["expire_time"], "2028-11-23T08:00:00.000Z");
    let path = format!("{}/{}", secrets_of(id), text(&info["id"]));
    let deleted = world.admin().call(Method::DELETE, &path, "").await;
    assert_eq!((deleted.status.as_u16(), deleted.text.as_str()), (204, ""));
    invalid_client(&world.ask_for_token(TOKEN_ENDPOINT, Some((BOT, &secret)), GRANT).await);
    assert_eq!(world.client(&token).get(ME).await.status, 200, "an access token remains valid for its hour");
    world.admin().call(Method::DELETE, &path, "").await.refused(404, "RESOURCE_DOES_NOT_EXIST", "Secret with ID");
    world.access_token(BOT, other["secret"].as_str().unwrap()).await;
    let mut reader = world.service.store().read().await.unwrap();
    for (action, count) in [("create", 2), ("delete", 1)] {
        let filter = Filter { action: Some(action.into()), limit: 100, ..Filter::default() };
        let events = reader.list_events(WorkspaceId::parse(HOME).unwrap(), &filter).await.unwrap();
        assert_eq!(events.len(), count);
        assert!(events.iter().all(|event| event.service == "servicePrincipalCredentials"), "{events:?}");
    }
}

async fn a_secret_grants_its_scopes_and_no_others(world: World) {
    let id = world.add_principal(PrincipalKind::ServicePrincipal, BOT).await;
    let admin = world.account_oauth().await;
    let of_account = format!("/api/2.0/accounts/{}/servicePrincipals/{id}/credentials/secrets", account());
    for (client, path) in [(world.admin(), secrets_of(id)), (world.client(&admin), of_account)] {
        let create = async |body: Value| client.post(&path, &body).await;
        let created = create(json!({"scopes": ["settings", "sql", "sql"]})).await.json();
        assert_eq!(created["scopes"], json!(["settings", "sql"]), "{created}");
        let unbound = create(json!({"scopes": []})).await.json();
        assert_eq!(unbound.get("scopes"), None, "{unbound}");
        let listed = client.get(&path).await.json();
        let row =
            |id: &Value| listed["secrets"].as_array().unwrap().iter().find(|row| row["id"] == *id).unwrap().clone();
        assert_eq!(row(&created["id"])["scopes"], json!(["settings", "sql"]));
        assert_eq!(row(&unbound["id"]).get("scopes"), None);
        for bad in [json!(["two words"]), json!([""]), json!("sql"), json!([1])] {
            create(json!({"scopes": bad})).await.refused(400, "INVALID_PARAMETER_VALUE", "scopes");
        }
        let many: Vec<String> = (0..=MAX_SCOPES).map(|i| format!("a{i}")).collect();
        create(json!({"scopes": many})).await.refused(400, "INVALID_PARAMETER_VALUE", "at most 100 scopes");

        let secret = text(&created["secret"]);
        let tokens = [TOKEN_ENDPOINT.to_owned(), format!("/oidc/accounts/{}/v1/token", account())];
        for endpoint in &tokens {
            let ask = async |scope: &str| {
                let form = format!("grant_type=client_credentials{scope}");
                world.ask_for_token(endpoint, Some((BOT, &secret)), &form).await
            };
            for (scope, named) in [
                ("&scope=all-apis", "all-apis"),
                ("&scope=sql+all-apis", "all-apis"),
                ("&scope=nonsense", "nonsense"),
                ("&scope=authentication+sql+jobs", "authentication jobs"),
            ] {
                let answer = ask(scope).await;
                oauth_error(&answer, 403, "access_denied", "are not assigned");
                let expected = json!({
                    "error": "access_denied",
                    "request_id": answer.header("x-request-id"),
                    "error_description": format!("Scopes '{named}' are not assigned to the client {BOT}."),
                });
                assert_eq!(answer.json(), expected);
            }
            assert_eq!(ask("").await.json()["scope"], "settings sql", "all of its own where none is named");
            assert_eq!(ask("&scope=").await.json()["scope"], "settings sql");
            let narrow = ask("&scope=sql").await.json();
            assert_eq!(narrow["scope"], "sql");
            let narrow = text(&narrow["access_token"]);
            assert_eq!(part(&narrow, 1)["scope"], "sql");
            // As with scoped personal access tokens, endpoints beyond the scopes are refused.
            world.client(&narrow).get(LIST).await.refused(403, 403, "required scopes: authentication");
            world.client(&narrow).post(CREATE, &json!({})).await.refused(403, 403, "required scopes: authentication");
            let users = world.client(&narrow).get("/api/2.0/preview/scim/v2/Users").await;
            users.refused(403, 403, "required scopes: scim");
        }
        let unbound = text(&unbound["secret"]);
        for (scope, status) in [("all-apis", 200), ("sql+jobs", 200), ("", 200), ("sqll", 403)] {
            let form = format!("grant_type=client_credentials&scope={scope}");
            assert_eq!(
                world.ask_for_token(TOKEN_ENDPOINT, Some((BOT, &unbound)), &form).await.status,
                status,
                "{scope}"
            );
        }
        for row in listed["secrets"].as_array().unwrap() {
            client.call(Method::DELETE, &format!("{path}/{}", text(&row["id"])), "").await;
        }
        invalid_client(
            &world.ask_for_token(TOKEN_ENDPOINT, Some((BOT, &secret)), "grant_type=client_credentials").await,
        );
    }
}

async fn scopes_of_secrets_come_through_seeds_resets_and_exports(world: World) {
    let secret = "dose00000000000000000000000000000051";
    let seed = |scopes: Value| {
        json!({"accounts": [{"service_principals": [{
            "display_name": "bot", "application_id": BOT, "secrets": [{"value": secret, "scopes": scopes}],
        }]}], "workspaces": [{"assigned": [{"principal": BOT}]}]})
    };
    let own = async |method: Method, path: &str, body: &Value| world.admin().own(method, path, body).await;
    let refused = own(Method::POST, "seed", &seed(json!(["two words"]))).await;
    assert!(refused.status == 400 && refused.text.contains("'two words' is not a scope"), "{refused:?}");
    let applied = own(Method::POST, "seed", &seed(json!(["sql", "jobs"]))).await;
    assert_eq!(applied.status, 200, "{applied:?}");
    let scope = async || {
        let answer = world.ask_for_token(TOKEN_ENDPOINT, Some((BOT, secret)), "grant_type=client_credentials").await;
        (answer.status.as_u16(), answer.json()["scope"].clone())
    };
    assert_eq!(scope().await, (200, json!("sql jobs")));
    let exported = world.anonymous().get("/_mock/v1/seed").await.text;
    let hash = &exported[exported.find("secrets:").unwrap()..];
    assert!(hash.contains("scopes:") && !exported.contains(secret), "{exported}");
    assert_eq!(own(Method::PUT, "workspaces/default/checkpoints/kept", &json!({})).await.status, 200);
    let id = world.admin().get("/api/2.0/preview/scim/v2/ServicePrincipals").await.json();
    let id = id["Resources"].as_array().unwrap().iter().find(|row| row["applicationId"] == BOT).unwrap()["id"].clone();
    let path = format!("/api/2.0/accounts/servicePrincipals/{}/credentials/secrets", text(&id));
    let listed = world.admin().get(&path).await.json();
    let one = text(&listed["secrets"][0]["id"]);
    assert_eq!(world.admin().call(Method::DELETE, &format!("{path}/{one}"), "").await.status, 204);
    assert_eq!(scope().await.0, 401);
    assert_eq!(own(Method::POST, "workspaces/default/reset", &json!({"to": "kept"})).await.status, 200);
    assert_eq!(scope().await, (200, json!("sql jobs")), "restored with its scopes");
}

async fn secrets_have_limits(world: World) {
    let id = world.add_principal(PrincipalKind::ServicePrincipal, BOT).await;
    let create = async |body: Value| world.admin().post(&secrets_of(id), &body).await;
    for bad in ["0s", "63072001s", "1h", "-5s"] {
        create(json!({"lifetime": bad})).await.refused(400, "INVALID_PARAMETER_VALUE", "lifetime");
    }
    create(json!({"lifetime": 3600})).await.refused(400, "INVALID_PARAMETER_VALUE", "lifetime");
    let short = text(&create(json!({"lifetime": "60s"})).await.json()["secret"]);
    let answers = join_all((0..8).map(|_| create(json!({"lifetime": "63072000s"})))).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 4, "five in all, also under a race");
    create(json!({})).await.refused(400, "QUOTA_EXCEEDED", "at most 5 secrets");

    let page = world.admin().get(&format!("{}?page_size=2", secrets_of(id))).await.json();
    let next = text(&page["next_page_token"]);
    let rest = world.admin().get(&format!("{}?page_size=3&page_token={next}", secrets_of(id))).await.json();
    let ids: HashSet<String> = [&page, &rest]
        .iter()
        .flat_map(|page| page["secrets"].as_array().unwrap().iter().map(|secret| text(&secret["id"])))
        .collect();
    assert_eq!((ids.len(), rest.get("next_page_token")), (5, None));
    for bad in ["page_token=x", "page_size=x"] {
        let answer = world.admin().get(&format!("{}?{bad}", secrets_of(id))).await;
        answer.refused(400, "INVALID_PARAMETER_VALUE", "page_");
    }

    world.clock.advance(59_999);
    world.access_token(BOT, &short).await;
    world.clock.advance(1);
    invalid_client(&world.ask_for_token(TOKEN_ENDPOINT, Some((BOT, &short)), GRANT).await);
    assert_eq!(create(json!({})).await.status, 200, "an expired one makes room");
}

async fn secrets_are_out_of_reach_for_others(world: World) {
    let (id, secret) = world.add_bot(BOT).await;
    let bot = world.access_token(BOT, &secret).await;
    let (user_id, user) = world.user_with_token("user@example.com").await;
    for (client, name) in [(world.client(&user), "user@example.com"), (world.client(&bot), BOT)] {
        let message = format!("Requesting user '{name}' is not an admin.");
        client.post(&secrets_of(id), &json!({})).await.refused(403, "PERMISSION_DENIED", &message);
        client.get(&secrets_of(id)).await.refused(403, "PERMISSION_DENIED", &message);
    }
    for nobody in [PrincipalId(7), user_id] {
        let answer = world.admin().post(&secrets_of(nobody), &json!({})).await;
        answer.refused(404, "RESOURCE_DOES_NOT_EXIST", &format!("Principal with id {nobody} not found."));
    }
    // A workspace admin manages only the principals of its own workspace.
    let foreign = PrincipalId(77);
    let elsewhere = world.add_sibling(WorkspaceId(12)).await;
    world.insert_bot(&elsewhere, foreign, "0b1c2d3e-0000-4000-8000-000000000009").await;
    world.admin().post(&secrets_of(foreign), &json!({})).await.refused(404, "RESOURCE_DOES_NOT_EXIST", "77");
}
