//! OAuth for machines: secrets and access tokens (spec §2, §4; research/api-identity-auth.md §3).

use std::collections::HashSet;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use axum::body::Body;
use axum::http::Method;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use dapi_mock::domain::audit::Filter;
use dapi_mock::domain::identities::{Principal, PrincipalKind};
use dapi_mock::domain::scopes::MAX_SCOPES;
use dapi_mock::domain::{PrincipalId, Workspace, WorkspaceId};
use dapi_mock::entropy::SystemEntropy;
use dapi_mock::service::{ADMIN_CLIENT_ID, FirstStart, Service};
use dapi_mock::store::Lock;
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::harness::{ADMIN_SECRET, Answer, Backend, DAY_MS, START, World, assigned, on_every_store};
use crate::process::start;

on_every_store!(
    a_secret_lives_its_whole_life,
    secrets_have_limits,
    a_secret_grants_its_scopes_and_no_others,
    scopes_of_secrets_come_through_seeds_resets_and_exports,
    secrets_are_out_of_reach_for_others,
    clients_of_other_accounts_need_no_names,
    disabled_tokens_leave_oauth_alone,
    a_restart_keeps_keys_and_secrets,
    a_rotated_key_signs_and_older_ones_verify,
    one_key_wins_a_race,
    an_access_token_ends_at_its_instant,
    an_audience_is_one_workspace_or_the_account,
    losing_the_principal_ends_its_access_at_once,
    the_account_api_takes_account_admins_by_oauth,
);

pub(crate) const ME: &str = "/api/2.0/preview/scim/v2/Me";
pub(crate) const LIST: &str = "/api/2.0/token/list";
const CREATE: &str = "/api/2.0/token/create";
const TOKEN: &str = "/oidc/v1/token";
const GRANT: &str = "grant_type=client_credentials&scope=all-apis";
pub(crate) const BOT: &str = "0b1c2d3e-0000-4000-8000-000000000001";
/// The admin's token in the other workspace.
const ELSEWHERE: &str = "dapi00000000000000000000000000000012";
const HOME: &str = "3274327432743274";

pub(crate) fn account() -> String {
    FirstStart::default().account.to_string()
}

fn proxy(id: PrincipalId) -> String {
    format!("/api/2.0/accounts/servicePrincipals/{id}/credentials/secrets")
}

impl World {
    pub(crate) async fn admin_oauth(&self) -> String {
        self.access_token(&ADMIN_CLIENT_ID.to_string(), ADMIN_SECRET).await
    }

    /// The admin service principal's access token for all workspaces of the account.
    pub(crate) async fn account_oauth(&self) -> String {
        self.account_access_token(&ADMIN_CLIENT_ID.to_string(), ADMIN_SECRET).await
    }

    /// An access token from the account's endpoint.
    pub(crate) async fn account_access_token(&self, client_id: &str, secret: &str) -> String {
        let (path, form) =
            (format!("/oidc/accounts/{}/v1/token", account()), "grant_type=client_credentials&scope=all-apis");
        let answer = self.ask_for_token(&path, Some((client_id, secret)), form).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        text(&answer.json()["access_token"])
    }

    /// A service principal without any right but CAN USE, and a secret of its own.
    async fn add_bot(&self, application: &str) -> (PrincipalId, String) {
        let id = self.add_principal(PrincipalKind::ServicePrincipal, application).await;
        let created = self.admin().post(&proxy(id), &json!({})).await;
        (id, text(&created.json()["secret"]))
    }

    /// A second workspace of the same account.
    async fn add_sibling(&self, id: WorkspaceId) -> Workspace {
        let workspace = Workspace { id, is_default: false, ..self.workspace().await };
        let mut writer = self.service.store().write(Lock::Database).await.unwrap();
        writer.insert_workspace(&workspace).await.unwrap();
        writer.commit().await.unwrap();
        workspace
    }

    /// A service principal that is assigned to that workspace alone.
    async fn insert_bot(&self, workspace: &Workspace, id: PrincipalId, application: &str) {
        let principal = Principal::new(id, PrincipalKind::ServicePrincipal, application);
        let mut writer = self.service.store().write(Lock::Database).await.unwrap();
        writer.insert_principal(workspace.account, &principal, START).await.unwrap();
        writer.commit().await.unwrap();
        self.assign(workspace.id, id).await;
    }

    async fn assign(&self, workspace: WorkspaceId, id: PrincipalId) {
        let mut writer = self.service.store().write(Lock::Workspace(workspace)).await.unwrap();
        writer.put_assignment(workspace, id, &assigned(true)).await.unwrap();
        writer.commit().await.unwrap();
    }

    async fn in_workspace(&self, token: &str, id: &str) -> Answer {
        let request = self.client(token).request(&Method::GET, ME).header("x-databricks-workspace-id", id);
        self.send(request.body(Body::empty()).unwrap()).await
    }
}

pub(crate) fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

pub(crate) fn part(token: &str, i: usize) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token.split('.').nth(i).unwrap()).unwrap()).unwrap()
}

#[track_caller]
pub(crate) fn oauth_error(answer: &Answer, status: u16, error: &str, description: &str) {
    let json = answer.json();
    assert_eq!((answer.status.as_u16(), &json["error"]), (status, &json!(error)), "{answer:?}");
    let text = json["error_description"].as_str().unwrap();
    assert!(text.contains(description), "{text:?} does not contain {description:?}");
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(answer.header("content-type"), "application/json; charset=utf-8");
}

#[track_caller]
pub(crate) fn invalid_client(answer: &Answer) {
    oauth_error(answer, 401, "invalid_client", "Client authentication failed");
    assert_eq!(answer.text, r#"{"error":"invalid_client","error_description":"Client authentication failed"}"#);
    assert_eq!(answer.header("www-authenticate"), "Basic realm=\"DatabricksRealm\"");
}

async fn a_secret_lives_its_whole_life(world: World) {
    let id = world.add_principal(PrincipalKind::ServicePrincipal, BOT).await;
    let created = world.admin().post(&proxy(id), &json!({"lifetime": "3600s"})).await;
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
    let listed = world.admin().get(&proxy(id)).await;
    assert_eq!(listed.json(), json!({"secrets": [info]}));

    let token = world.access_token(BOT, &secret).await;
    let me = world.client(&token).get(ME).await;
    assert_eq!((&me.json()["userName"], me.header("x-databricks-org-id")), (&json!(BOT), HOME));

    let other = world.admin().post(&proxy(id), &json!({})).await.json();
    assert_eq!(other["expire_time"], "2028-11-23T08:00:00.000Z");
    let path = format!("{}/{}", proxy(id), text(&info["id"]));
    let deleted = world.admin().call(Method::DELETE, &path, "").await;
    assert_eq!((deleted.status.as_u16(), deleted.text.as_str()), (204, ""));
    invalid_client(&world.ask_for_token(TOKEN, Some((BOT, &secret)), GRANT).await);
    assert_eq!(world.client(&token).get(ME).await.status, 200, "an access token lives out its hour");
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
    for (client, path) in [(world.admin(), proxy(id)), (world.client(&admin), of_account)] {
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
        let tokens = [TOKEN.to_owned(), format!("/oidc/accounts/{}/v1/token", account())];
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
            // One mechanism with scoped personal access tokens: no endpoint beyond the scopes.
            world.client(&narrow).get(LIST).await.refused(403, 403, "required scopes: authentication");
            world.client(&narrow).post(CREATE, &json!({})).await.refused(403, 403, "required scopes: authentication");
            let users = world.client(&narrow).get("/api/2.0/preview/scim/v2/Users").await;
            users.refused(403, 403, "required scopes: scim");
        }
        let unbound = text(&unbound["secret"]);
        for (scope, status) in [("all-apis", 200), ("sql+jobs", 200), ("", 200), ("sqll", 403)] {
            let form = format!("grant_type=client_credentials&scope={scope}");
            assert_eq!(world.ask_for_token(TOKEN, Some((BOT, &unbound)), &form).await.status, status, "{scope}");
        }
        for row in listed["secrets"].as_array().unwrap() {
            client.call(Method::DELETE, &format!("{path}/{}", text(&row["id"])), "").await;
        }
        invalid_client(&world.ask_for_token(TOKEN, Some((BOT, &secret)), "grant_type=client_credentials").await);
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
        let answer = world.ask_for_token(TOKEN, Some((BOT, secret)), "grant_type=client_credentials").await;
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
    assert_eq!(scope().await, (200, json!("sql jobs")), "put back with its scopes");
}

async fn secrets_have_limits(world: World) {
    let id = world.add_principal(PrincipalKind::ServicePrincipal, BOT).await;
    let create = async |body: Value| world.admin().post(&proxy(id), &body).await;
    for bad in ["0s", "63072001s", "1h", "-5s"] {
        create(json!({"lifetime": bad})).await.refused(400, "INVALID_PARAMETER_VALUE", "lifetime");
    }
    create(json!({"lifetime": 3600})).await.refused(400, "INVALID_PARAMETER_VALUE", "lifetime");
    let short = text(&create(json!({"lifetime": "60s"})).await.json()["secret"]);
    let answers = join_all((0..8).map(|_| create(json!({"lifetime": "63072000s"})))).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 4, "five in all, also under a race");
    create(json!({})).await.refused(400, "QUOTA_EXCEEDED", "at most 5 secrets");

    let page = world.admin().get(&format!("{}?page_size=2", proxy(id))).await.json();
    let next = text(&page["next_page_token"]);
    let rest = world.admin().get(&format!("{}?page_size=3&page_token={next}", proxy(id))).await.json();
    let ids: HashSet<String> = [&page, &rest]
        .iter()
        .flat_map(|page| page["secrets"].as_array().unwrap().iter().map(|secret| text(&secret["id"])))
        .collect();
    assert_eq!((ids.len(), rest.get("next_page_token")), (5, None));
    for bad in ["page_token=x", "page_size=x"] {
        let answer = world.admin().get(&format!("{}?{bad}", proxy(id))).await;
        answer.refused(400, "INVALID_PARAMETER_VALUE", "page_");
    }

    world.clock.advance(59_999);
    world.access_token(BOT, &short).await;
    world.clock.advance(1);
    invalid_client(&world.ask_for_token(TOKEN, Some((BOT, &short)), GRANT).await);
    assert_eq!(create(json!({})).await.status, 200, "an expired one makes room");
}

async fn secrets_are_out_of_reach_for_others(world: World) {
    let (id, secret) = world.add_bot(BOT).await;
    let bot = world.access_token(BOT, &secret).await;
    let (user_id, user) = world.user_with_token("user@example.com").await;
    for (client, name) in [(world.client(&user), "user@example.com"), (world.client(&bot), BOT)] {
        let message = format!("Requesting user '{name}' is not an admin.");
        client.post(&proxy(id), &json!({})).await.refused(403, "PERMISSION_DENIED", &message);
        client.get(&proxy(id)).await.refused(403, "PERMISSION_DENIED", &message);
    }
    for nobody in [PrincipalId(7), user_id] {
        let answer = world.admin().post(&proxy(nobody), &json!({})).await;
        answer.refused(404, "RESOURCE_DOES_NOT_EXIST", &format!("Principal with id {nobody} not found."));
    }
    // A workspace admin reaches the principals of its own workspace only.
    let foreign = PrincipalId(77);
    let elsewhere = world.add_sibling(WorkspaceId(12)).await;
    world.insert_bot(&elsewhere, foreign, "0b1c2d3e-0000-4000-8000-000000000009").await;
    world.admin().post(&proxy(foreign), &json!({})).await.refused(404, "RESOURCE_DOES_NOT_EXIST", "77");
}

/// As in tests that make an account and a workspace each, and share the address.
async fn clients_of_other_accounts_need_no_names(world: World) {
    let elsewhere = world.add_workspace(12, ELSEWHERE).await;
    let id = PrincipalId(77);
    world.insert_bot(&elsewhere, id, BOT).await;
    let created = world.client(ELSEWHERE).post(&proxy(id), &json!({})).await.json();
    let secret = text(&created["secret"]);
    let wide = format!("/oidc/accounts/{}/v1/token", elsewhere.account);
    for (path, aud) in [(TOKEN, "12"), (&wide, &*elsewhere.account.to_string())] {
        let answer = world.ask_for_token(path, Some((BOT, &secret)), GRANT).await.json();
        let token = text(&answer["access_token"]);
        assert_eq!(part(&token, 1)["aud"], aud);
        assert_eq!(world.client(&token).get(ME).await.header("x-databricks-org-id"), "12");
        world.in_workspace(&token, HOME).await.refused(403, 403, &format!("Invalid access to Org: {HOME}"));
        let keys = world.anonymous().get("/oidc/jwks.json").await.json();
        let kid = &part(&token, 0)["kid"];
        assert!(keys["keys"].as_array().unwrap().iter().any(|key| &key["kid"] == kid));
    }
    let home = format!("/oidc/accounts/{}/v1/token", account());
    for path in [&home, &format!("{TOKEN}?o={HOME}")] {
        invalid_client(&world.ask_for_token(path, Some((BOT, &secret)), GRANT).await);
    }
}

async fn disabled_tokens_leave_oauth_alone(world: World) {
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
    assert_eq!(oauth.post(&proxy(bot), &body).await.status, 200, "an admin does everything else");
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
    // As another process on the same database would: it has its own idea of who makes the key.
    let another = || Service::new(world.service.store().clone(), world.clock.clone(), Arc::new(SystemEntropy));
    let account = FirstStart::default().account;
    let made = join_all((0..3).map(|_| async { another().verifying_keys(Some(account)).await.unwrap() })).await;
    assert!(made.iter().all(|keys| keys.len() == 1 && keys == &made[0]));
    let tokens = join_all((0..8).map(|_| world.admin_oauth())).await;
    let kids: HashSet<String> = tokens.iter().map(|token| text(&part(token, 0)["kid"])).collect();
    assert_eq!(kids.len(), 1);
    assert_eq!(world.anonymous().get("/oidc/jwks.json").await.json()["keys"].as_array().unwrap().len(), 1);
}

async fn an_access_token_ends_at_its_instant(world: World) {
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
    let (home, wide) = (issue(TOKEN).await, issue(&format!("/oidc/accounts/{}/v1/token", account())).await);
    assert_eq!((&part(&home, 1)["aud"], &part(&wide, 1)["aud"]), (&json!(HOME), &json!(account())));
    let iss = format!("http://127.0.0.1:3274/oidc/accounts/{}", account());
    assert_eq!(part(&wide, 1)["iss"], iss);

    // Assigned to one workspace: both tokens are good there and nowhere else.
    invalid_client(&world.ask_for_token(&format!("{TOKEN}?o=12"), basic, GRANT).await);
    for token in [&home, &wide] {
        assert_eq!(world.client(token).get(ME).await.header("x-databricks-org-id"), HOME);
        assert_eq!(world.in_workspace(token, HOME).await.status, 200);
        for elsewhere in ["12", "13", "x"] {
            let message = format!("Invalid access to Org: {elsewhere}");
            world.in_workspace(token, elsewhere).await.refused(403, 403, &message);
        }
    }

    // Assigned to both: the account's token is good in both, a workspace's in its own.
    world.assign(other, id).await;
    assert_eq!(world.in_workspace(&wide, "12").await.header("x-databricks-org-id"), "12");
    world.in_workspace(&home, "12").await.refused(403, 403, "Invalid access to Org: 12");
    let there = issue(&format!("{TOKEN}?o=12")).await;
    assert_eq!(part(&there, 1)["aud"], "12");
    assert_eq!(world.in_workspace(&there, "12").await.status, 200);
    world.in_workspace(&there, HOME).await.refused(403, 403, &format!("Invalid access to Org: {HOME}"));
    assert_eq!(world.client(&there).get(ME).await.header("x-databricks-org-id"), "12", "the credential picks");
    let unnamed = issue(TOKEN).await;
    assert_eq!(part(&unnamed, 1)["aud"], account(), "clients name the workspace later, with each call");
    assert_eq!(world.in_workspace(&unnamed, "12").await.header("x-databricks-org-id"), "12");
    assert_eq!(world.client(&unnamed).get(ME).await.header("x-databricks-org-id"), HOME, "the default one comes first");
    let advance = json!({"by": "30d"});
    world.anonymous().own(Method::POST, "workspaces/12/clock/advance", &advance).await;
    assert_eq!(world.in_workspace(&unnamed, "12").await.status, 200, "the account's clock has not moved");
    world.in_workspace(&there, "12").await.refused(403, 403, "Invalid access token.");

    // Assigned to the other alone, as in a test's own workspace: no header is needed.
    world.set_active(id, false).await;
    let token = issue(TOKEN).await;
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
    invalid_client(&world.ask_for_token(TOKEN, Some((BOT, &secret)), GRANT).await);
    world.set_active(id, true).await;
    assert_eq!(world.client(&token).get(ME).await.status, 200);

    let path = format!("/api/2.0/preview/scim/v2/ServicePrincipals/{id}");
    assert_eq!(world.admin().call(Method::DELETE, &path, "").await.status, 204);
    world.client(&token).get(ME).await.refused(403, 403, &format!("Invalid access to Org: {HOME}"));
    invalid_client(&world.ask_for_token(TOKEN, Some((BOT, &secret)), GRANT).await);
}

async fn the_account_api_takes_account_admins_by_oauth(world: World) {
    let (id, secret) = world.add_bot(BOT).await;
    let path = format!("/api/2.0/accounts/{}/servicePrincipals/{id}/credentials/secrets", account());
    let refusal = "Account APIs do not accept personal access tokens; use OAuth.";
    world.admin().get(&path).await.refused(401, 401, refusal);
    let bot = world.access_token(BOT, &secret).await;
    let message = "This API is disabled for users without account admin status.";
    world.client(&bot).get(&path).await.refused(403, "PERMISSION_DENIED", message);

    let token = world.admin_oauth().await;
    let admin = world.client(&token);
    let created = admin.post(&path, &json!({"lifetime": "60s"})).await.json();
    world.access_token(BOT, created["secret"].as_str().unwrap()).await;
    assert_eq!(admin.get(&path).await.json()["secrets"].as_array().unwrap().len(), 2);
    let one = format!("{path}/{}", text(&created["id"]));
    assert_eq!(admin.call(Method::DELETE, &one, "").await.status, 204);
    for unknown in ["00000000-0000-4000-8000-000000000000", "x"] {
        let answer = admin.get(&path.replace(&account(), unknown)).await;
        answer.refused(404, "RESOURCE_DOES_NOT_EXIST", &format!("Account {unknown} does not exist"));
    }
    // An account admin need not be assigned to a workspace for that.
    let me = text(&admin.get(ME).await.json()["id"]);
    world.set_active(PrincipalId::parse(&me).unwrap(), false).await;
    admin.get(ME).await.refused(403, 403, "Invalid access to Org");
    assert_eq!(admin.get(&path).await.status, 200);
}

#[tokio::test]
async fn tokens_are_asked_for_in_the_forms_of_every_client() {
    let world = World::new(Backend::Memory).await;
    let id = ADMIN_CLIENT_ID.to_string();
    let basic = Some((id.as_str(), ADMIN_SECRET));
    let in_body = format!("client_secret={ADMIN_SECRET}&client_id={id}&");
    for (basic, form, scope) in [
        (basic, GRANT.to_owned(), "all-apis"),
        (basic, "scope=all-apis&grant_type=client_credentials".to_owned(), "all-apis"),
        (basic, "grant_type=client_credentials".to_owned(), "all-apis"),
        (basic, "grant_type=client_credentials&scope=sql+jobs&resource=x&assume_group=1".to_owned(), "sql jobs"),
        (None, in_body.clone() + GRANT, "all-apis"),
        (basic, format!("client_id={id}&{GRANT}"), "all-apis"),
    ] {
        let answer = world.ask_for_token(TOKEN, basic, &form).await;
        assert_eq!(answer.status, 200, "{form}: {answer:?}");
        assert_eq!(answer.header("cache-control"), "no-store");
        let json = answer.json();
        let token = text(&json["access_token"]);
        let expected = json!({"access_token": token, "scope": scope, "token_type": "Bearer", "expires_in": 3600});
        assert_eq!(json, expected);

        let header = part(&token, 0);
        assert_eq!(header, json!({"kid": header["kid"], "typ": "at+jwt", "alg": "RS256"}));
        assert_eq!(header["kid"].as_str().unwrap().len(), 64);
        let claims = part(&token, 1);
        let expected = json!({
            "client_id": id, "scope": scope, "iss": "http://127.0.0.1:3274/oidc", "aud": HOME, "sub": id,
            "iat": START.0 / 1000, "exp": START.0 / 1000 + 3600, "jti": claims["jti"],
            "creation": claims["creation"], "workspace_creation": claims["workspace_creation"],
        });
        assert_eq!((claims["jti"].as_str().unwrap().len(), &claims), (36, &expected));
        assert!(claims["creation"].is_i64() && claims["workspace_creation"].is_i64());
    }
}

#[tokio::test]
async fn token_requests_are_refused_in_the_terms_of_the_rfc() {
    let world = World::new(Backend::Memory).await;
    let id = ADMIN_CLIENT_ID.to_string();
    let basic = Some((id.as_str(), ADMIN_SECRET));
    let ask = async |basic, form: &str| world.ask_for_token(TOKEN, basic, form).await;
    for wrong in [
        Some((id.as_str(), "dose00000000000000000000000000000002")),
        Some((id.as_str(), "")),
        Some(("unknown", ADMIN_SECRET)),
        Some(("\u{0}", ADMIN_SECRET)),
        None,
    ] {
        invalid_client(&ask(wrong, GRANT).await);
    }
    for (form, error, description) in [
        ("", "invalid_request", "grant_type is missing"),
        ("{\"grant_type\":\"client_credentials\"}", "invalid_request", "grant_type is missing"),
        ("grant_type=client_credentials&scope=%00", "invalid_scope", "is not a scope"),
        ("grant_type=client_credentials&grant_type=client_credentials", "invalid_request", "sent twice"),
        ("grant_type=client_credentials&client_secret=x", "invalid_request", "in the header and in the body"),
        ("grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Atoken-exchange", "unsupported_grant_type", "8693"),
        ("grant_type=urn:ietf:params:oauth:grant-type:jwt-bearer&assertion=a.b.c", "unsupported_grant_type", "7523"),
        ("grant_type=password", "unsupported_grant_type", "There is no grant type password"),
    ] {
        oauth_error(&ask(basic, form).await, 400, error, description);
    }
    let bearer = world.admin().call(Method::POST, TOKEN, GRANT).await;
    invalid_client(&bearer);
}

#[tokio::test]
async fn discovery_speaks_of_the_address_that_was_asked() {
    let world = World::new(Backend::Memory).await;
    let get = async |path: &str| {
        let request = axum::http::Request::get(path).header("host", "dapi.test:80").body(Body::empty()).unwrap();
        world.send(request).await
    };
    let keys = get("/oidc/jwks.json").await.json();
    let key = &keys["keys"][0];
    let expected = json!({"kty": "RSA", "e": "AQAB", "n": key["n"], "use": "sig", "alg": "RS256", "kid": key["kid"]});
    assert_eq!(key, &expected);
    assert!(key["n"].as_str().unwrap().len() > 300 && key["kid"].as_str().unwrap().len() == 64);
    for issuer in ["/oidc".to_owned(), format!("/oidc/accounts/{}", account())] {
        assert_eq!(get(&format!("{issuer}/jwks.json")).await.json(), keys);
        for name in ["oauth-authorization-server", "openid-configuration"] {
            let json = get(&format!("{issuer}/.well-known/{name}")).await.json();
            let base = format!("http://dapi.test:80{issuer}");
            for (member, expected) in [
                ("issuer", base.clone()),
                ("token_endpoint", format!("{base}/v1/token")),
                ("authorization_endpoint", format!("{base}/v1/authorize")),
                ("jwks_uri", format!("{base}/jwks.json")),
            ] {
                assert_eq!(json[member], expected);
            }
            assert_eq!(
                json["grant_types_supported"],
                json!(["client_credentials", "authorization_code", "refresh_token"])
            );
        }
    }
    let unknown = get("/oidc/accounts/x/.well-known/oauth-authorization-server").await;
    unknown.refused(404, "RESOURCE_DOES_NOT_EXIST", "Account x does not exist");
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
    let scoped = world.ask_for_token(TOKEN, Some((&id, ADMIN_SECRET)), form).await.json();
    let scoped = text(&scoped["access_token"]);
    let refused = world.client(&scoped).get(LIST).await;
    refused.refused(403, 403, "Provided OAuth token does not have required scopes: authentication [ReqId: ");
    assert!(refused.text.contains(refused.header("x-request-id")));
    world.client(&scoped).get(ME).await.refused(403, 403, "required scopes: scim [ReqId: ");
    let form = "grant_type=client_credentials&scope=authentication";
    let minting = world.ask_for_token(TOKEN, Some((&id, ADMIN_SECRET)), form).await.json();
    world.client(&text(&minting["access_token"])).create(&json!({})).await;
}

/// The Go SDK, the CLI and Terraform send it so.
#[test]
fn a_chunked_request_is_one_too() {
    let server = start(&["--port", "0", "--database", "sqlite::memory:", "--admin-client-secret", ADMIN_SECRET]);
    let (id, secret) = server.oauth().unwrap();
    assert_eq!(secret, ADMIN_SECRET);
    let mut stream = TcpStream::connect(("127.0.0.1", server.port)).unwrap();
    let pair = STANDARD.encode(format!("{id}:{secret}"));
    write!(
        stream,
        "POST {TOKEN} HTTP/1.1\r\nHost: x\r\nAuthorization: Basic {pair}\r\nConnection: close\r\n\
         Transfer-Encoding: chunked\r\n\r\n7\r\ngrant_t\r\n16\r\nype=client_credentials\r\n0\r\n\r\n"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.contains("access_token"), "{answer}");
    server.stop("TERM");
}
