//! Access tokens: their keys, their audience, and what ends them.

use std::collections::HashSet;
use std::sync::Arc;

use axum::body::Body;
use axum::http::Method;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use dapi_mock::domain::WorkspaceId;
use dapi_mock::domain::identities::PrincipalKind;
use dapi_mock::entropy::SystemEntropy;
use dapi_mock::service::{ADMIN_CLIENT_ID, FirstStart, Service};
use futures_util::future::join_all;
use serde_json::json;

use super::HOME;
use crate::support::{
    ADMIN_SECRET, BOT, Backend, CREATE, DAY_MS, GRANT, LIST, ME, START, TOKEN_ENDPOINT, World, account, invalid_client,
    on_every_store, part, secrets_of, text,
};

on_every_store!(
    disabling_tokens_does_not_affect_oauth,
    a_restart_keeps_keys_and_secrets,
    a_rotated_key_signs_and_older_ones_verify,
    one_key_wins_a_race,
    an_access_token_expires_at_its_instant,
    an_audience_is_one_workspace_or_the_account,
    losing_the_principal_ends_its_access_at_once,
);

async fn disabling_tokens_does_not_affect_oauth(world: World) {
    let admin_token = world.admin_oauth().await;
    let oauth = world.client(&admin_token);
    let (value, id) = oauth.create(&json!({"comment": "by OAuth"})).await;
    assert_eq!(world.client(&value).get(ME).await.json(), oauth.get(ME).await.json());
    assert!(oauth.own_ids().await.contains(&id));

    world.set_conf("enableTokensConfig", "false").await;
    world.client(&value).get(ME).await.refused(403, 403, "Invalid access token.");
    assert_eq!(oauth.get(ME).await.status, 200);
    let body = json!({});
    for answer in [oauth.get(LIST).await, oauth.post(CREATE, &body).await, world.client(&value).get(LIST).await] {
        answer.refused(404, "FEATURE_DISABLED", "Tokens are disabled.");
    }
    let bot = world.add_principal(PrincipalKind::ServicePrincipal, BOT).await;
    assert_eq!(oauth.post(&secrets_of(bot), &body).await.status, 200, "an admin does everything else");
    oauth.get("/api/2.0/nonsense").await.refused(404, "ENDPOINT_NOT_FOUND", "");

    world.set_conf("enableTokensConfig", "true").await;
    assert_eq!(world.client(&value).get(ME).await.status, 200);
    assert_eq!(oauth.post("/api/2.0/token/delete", &json!({"token_id": id})).await.status, 200);
}

async fn a_restart_keeps_keys_and_secrets(mut world: World) {
    let token = world.admin_oauth().await;
    let keys = world.anonymous().get("/oidc/jwks.json").await.json();
    world.restart().await;
    assert_eq!(world.client(&token).get(ME).await.status, 200);
    assert_eq!(world.anonymous().get("/oidc/jwks.json").await.json(), keys);
    world.admin_oauth().await;
}

async fn a_rotated_key_signs_and_older_ones_verify(world: World) {
    let before = world.admin_oauth().await;
    let key = world.service.rotate_signing_key(FirstStart::default().account).await.unwrap();
    let after = world.admin_oauth().await;
    assert_ne!(part(&before, 0)["kid"], part(&after, 0)["kid"]);
    assert_eq!(part(&after, 0)["kid"], key.kid());
    for token in [&before, &after] {
        assert_eq!(world.client(token).get(ME).await.status, 200);
    }
    let keys = world.anonymous().get("/oidc/jwks.json").await.json();
    assert_eq!((keys["keys"].as_array().unwrap().len(), &keys["keys"][0]["kid"]), (2, &json!(key.kid())));
}

async fn one_key_wins_a_race(world: World) {
    // Another process on the same database may create the key at the same time.
    let another = || Service::new(world.service.store().clone(), world.clock.clone(), Arc::new(SystemEntropy));
    let account = FirstStart::default().account;
    let made = join_all((0..3).map(|_| async { another().verifying_keys(Some(account)).await.unwrap() })).await;
    assert!(made.iter().all(|keys| keys.len() == 1 && keys == &made[0]));
    let tokens = join_all((0..8).map(|_| world.admin_oauth())).await;
    let kids: HashSet<String> = tokens.iter().map(|token| text(&part(token, 0)["kid"])).collect();
    assert_eq!(kids.len(), 1);
    assert_eq!(world.anonymous().get("/oidc/jwks.json").await.json()["keys"].as_array().unwrap().len(), 1);
}

async fn an_access_token_expires_at_its_instant(world: World) {
    world.clock.advance(500);
    let token = world.admin_oauth().await;
    let claims = part(&token, 1);
    assert_eq!(claims["iat"], START.0 / 1000);
    assert_eq!(claims["exp"], START.0 / 1000 + 3600);
    world.clock.advance(3_600_000 - 501);
    assert_eq!(world.client(&token).get(ME).await.status, 200);
    world.clock.advance(1);
    world.client(&token).get(ME).await.refused(403, 403, "Invalid access token.");
    world.clock.advance(729 * DAY_MS);
    world.admin_oauth().await;
}

async fn an_audience_is_one_workspace_or_the_account(world: World) {
    let (id, secret) = world.add_bot(BOT).await;
    let basic = Some((BOT, secret.as_str()));
    let other = world.add_sibling(WorkspaceId(12)).await.id;
    let issue = async |path: &str| text(&world.ask_for_token(path, basic, GRANT).await.json()["access_token"]);
    let (home, wide) = (issue(TOKEN_ENDPOINT).await, issue(&format!("/oidc/accounts/{}/v1/token", account())).await);
    assert_eq!((&part(&home, 1)["aud"], &part(&wide, 1)["aud"]), (&json!(HOME), &json!(account())));
    let iss = format!("http://127.0.0.1:3274/oidc/accounts/{}", account());
    assert_eq!(part(&wide, 1)["iss"], iss);

    // Assigned to one workspace, both tokens work there and nowhere else.
    invalid_client(&world.ask_for_token(&format!("{TOKEN_ENDPOINT}?o=12"), basic, GRANT).await);
    for token in [&home, &wide] {
        assert_eq!(world.client(token).get(ME).await.header("x-databricks-org-id"), HOME);
        assert_eq!(world.in_workspace(token, HOME).await.status, 200);
        for elsewhere in ["12", "13", "x"] {
            let message = format!("Invalid access to Org: {elsewhere}");
            world.in_workspace(token, elsewhere).await.refused(403, 403, &message);
        }
    }

    // Assigned to both workspaces, the account's token works in both, and a workspace's token in its own.
    world.assign(other, id).await;
    assert_eq!(world.in_workspace(&wide, "12").await.header("x-databricks-org-id"), "12");
    world.in_workspace(&home, "12").await.refused(403, 403, "Invalid access to Org: 12");
    let there = issue(&format!("{TOKEN_ENDPOINT}?o=12")).await;
    assert_eq!(part(&there, 1)["aud"], "12");
    assert_eq!(world.in_workspace(&there, "12").await.status, 200);
    world.in_workspace(&there, HOME).await.refused(403, 403, &format!("Invalid access to Org: {HOME}"));
    assert_eq!(world.client(&there).get(ME).await.header("x-databricks-org-id"), "12", "the credential picks");
    let unnamed = issue(TOKEN_ENDPOINT).await;
    assert_eq!(part(&unnamed, 1)["aud"], account(), "clients name the workspace later, with each call");
    assert_eq!(world.in_workspace(&unnamed, "12").await.header("x-databricks-org-id"), "12");
    assert_eq!(world.client(&unnamed).get(ME).await.header("x-databricks-org-id"), HOME, "the default one comes first");
    let advance = json!({"by": "30d"});
    world.anonymous().own(Method::POST, "workspaces/12/clock/advance", &advance).await;
    assert_eq!(world.in_workspace(&unnamed, "12").await.status, 200, "the account's clock has not moved");
    world.in_workspace(&there, "12").await.refused(403, 403, "Invalid access token.");

    // Assigned only to the other workspace, as with a workspace per test, no header is required.
    world.set_active(id, false).await;
    let token = issue(TOKEN_ENDPOINT).await;
    assert_eq!(part(&token, 1)["aud"], "12");
    assert_eq!(world.client(&unnamed).get(ME).await.header("x-databricks-org-id"), "12");
    let unknown = "/oidc/accounts/00000000-0000-4000-8000-000000000000/v1/token";
    world.ask_for_token(unknown, basic, GRANT).await.refused(404, "RESOURCE_DOES_NOT_EXIST", "Account 00000000");
}

async fn losing_the_principal_ends_its_access_at_once(world: World) {
    let (id, secret) = world.add_bot(BOT).await;
    let token = world.access_token(BOT, &secret).await;
    assert_eq!(world.client(&token).get(LIST).await.status, 200);
    world.permit_users(false).await;
    let message = "User does not have permission to use tokens.";
    world.client(&token).get(LIST).await.refused(403, "PERMISSION_DENIED", message);
    world.client(&token).post(CREATE, &json!({})).await.refused(403, "PERMISSION_DENIED", message);
    assert_eq!(world.client(&token).get(ME).await.status, 200, "the permission is about tokens, not OAuth");

    world.set_active(id, false).await;
    world.client(&token).get(ME).await.refused(403, 403, &format!("Invalid access to Org: {HOME}"));
    invalid_client(&world.ask_for_token(TOKEN_ENDPOINT, Some((BOT, &secret)), GRANT).await);
    world.set_active(id, true).await;
    assert_eq!(world.client(&token).get(ME).await.status, 200);

    let path = format!("/api/2.0/preview/scim/v2/ServicePrincipals/{id}");
    assert_eq!(world.admin().call(Method::DELETE, &path, "").await.status, 204);
    world.client(&token).get(ME).await.refused(403, 403, &format!("Invalid access to Org: {HOME}"));
    invalid_client(&world.ask_for_token(TOKEN_ENDPOINT, Some((BOT, &secret)), GRANT).await);
}

#[tokio::test]
async fn basic_and_scopes_work_as_with_tokens() {
    let world = World::new(Backend::Memory).await;
    let id = ADMIN_CLIENT_ID.to_string();
    let token = world.admin_oauth().await;
    let pair = STANDARD.encode(format!("token:{token}"));
    let request = axum::http::Request::get(ME).header("authorization", format!("Basic {pair}"));
    assert_eq!(world.send(request.body(Body::empty()).unwrap()).await.status, 200);

    let form = "grant_type=client_credentials&scope=sql";
    let scoped = world.ask_for_token(TOKEN_ENDPOINT, Some((&id, ADMIN_SECRET)), form).await.json();
    let scoped = text(&scoped["access_token"]);
    let refused = world.client(&scoped).get(LIST).await;
    refused.refused(403, 403, "Provided OAuth token does not have required scopes: authentication [ReqId: ");
    assert!(refused.text.contains(refused.header("x-request-id")));
    world.client(&scoped).get(ME).await.refused(403, 403, "required scopes: scim [ReqId: ");
    let form = "grant_type=client_credentials&scope=authentication";
    let minting = world.ask_for_token(TOKEN_ENDPOINT, Some((&id, ADMIN_SECRET)), form).await.json();
    world.client(&text(&minting["access_token"])).create(&json!({})).await;
}
