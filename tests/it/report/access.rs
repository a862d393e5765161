//! Who may ask for the report, and of which account.

use axum::body::Body;
use axum::http::Method;
use dapi_mock::cli::surface;
use dapi_mock::control::route::Who;
use dapi_mock::control::routes::ROUTES;
use dapi_mock::domain::identities::{Principal, PrincipalKind};
use dapi_mock::domain::oauth::{ClientSecret, Secret};
use dapi_mock::domain::{AccountId, PrincipalId, Workspace};
use dapi_mock::service::ADMIN_CLIENT_ID;
use dapi_mock::store::Lock;
use dapi_mock::web::access::{Access, SignInPolicy};
use serde_json::json;
use tower::ServiceExt;

use crate::support::{
    ADMIN_SECRET, ADMIN_TOKEN, Backend, CREATE, DAY_MS, ELSEWHERE, Kind, ME, Person, START, World, account, assigned,
    ids, on_every_store, report_path,
};

on_every_store!(accounts_do_not_see_each_other,);

/// An account admin of another account, with a secret of its own.
async fn foreign_admin(world: &World, workspace: &Workspace) -> String {
    let (id, name) = (PrincipalId(7_700), "7e57ab1e-0000-4000-8000-000000000001");
    let value = ClientSecret::parse("dose00000000000000000000000000000077").unwrap();
    let principal = Principal { account_admin: true, ..Principal::new(id, PrincipalKind::ServicePrincipal, name) };
    let secret = Secret {
        id: "s".into(),
        account: workspace.account,
        principal: id,
        hash: value.hash(),
        created_at: START,
        expires_at: START.plus(DAY_MS),
        scopes: None,
    };
    let mut writer = world.service.store().write(Lock::Database).await.unwrap();
    writer.insert_principal(workspace.account, &principal, START).await.unwrap();
    writer.put_assignment(workspace.id, id, &assigned(true)).await.unwrap();
    writer.insert_secret(&secret).await.unwrap();
    writer.commit().await.unwrap();
    let path = format!("/oidc/accounts/{}/v1/token", workspace.account);
    let form = "grant_type=client_credentials&scope=all-apis";
    let answer = world.ask_for_token(&path, Some((name, value.reveal())), form).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()["access_token"].as_str().unwrap().to_owned()
}

async fn accounts_do_not_see_each_other(world: World) {
    let theirs = world.add_workspace(77, ELSEWHERE).await;
    let admin = foreign_admin(&world, &theirs).await;
    let admin = world.client(&admin);
    let (value, id) = world.admin().create(&json!({})).await;
    for (method, rest) in [(Method::GET, ""), (Method::GET, ".csv"), (Method::POST, "/revoke")] {
        let body = json!({"tokens": [{"workspace_id": 3_274_327_432_743_274_i64, "token_id": id}]});
        let refused = admin.own(method, &report_path(rest), &body).await;
        assert_eq!(refused.status, 404, "{rest}: {refused:?}");
    }
    let own = format!("accounts/{}/token-report", theirs.account);
    let report = admin.own(Method::GET, &own, &json!({})).await.json();
    assert_eq!((&report["total"], &report["tokens"][0]["workspace_id"]), (&json!(1), &json!(77)));
    let named = admin.own(Method::GET, &format!("{own}?workspace_id=3274327432743274"), &json!({})).await;
    assert_eq!(named.json(), json!({"tokens": [], "total": 0}));
    let body = json!({"tokens": [{"workspace_id": 3_274_327_432_743_274_i64, "token_id": id}]});
    let nothing = admin.own(Method::POST, &format!("{own}/revoke"), &body).await;
    assert_eq!(
        (&nothing.json()["revoked"], nothing.json()["not_found"][0]["token_id"].as_str()),
        (&json!([]), Some(&*id))
    );
    assert_eq!(world.client(&value).get(ME).await.status, 200);
    assert!(!ids(&world.report("").await).is_empty());
    assert!(world.reported("workspace_id=77").await.is_empty());
    assert_eq!(world.report_statistics().await.0, 2);
}

#[tokio::test]
async fn only_account_admins_by_oauth_are_let_in() {
    let world = World::new(Backend::Memory).await;
    let robot = world.admin().robot("admin of the workspace").await;
    let admins =
        Person { kind: Kind::Group, id: world.workspace().await.admins_group.to_string(), name: "admins".into() };
    world.admin().join(&admins, &robot).await;
    let by_oauth = world.robot_oauth(&robot).await;
    assert_eq!(world.client(&by_oauth).managed("").await.len(), 1, "a workspace admin");
    let account_admins_token = world.mint(world.user_id(dapi_mock::service::ACCOUNT_ADMIN_USER).await, |_| {}).await;
    let account_admin = world.account_oauth().await;
    let scoped = {
        let (id, secret) = (ADMIN_CLIENT_ID.to_string(), ADMIN_SECRET);
        let form = "grant_type=client_credentials&scope=sql";
        let answer = world.ask_for_token("/oidc/v1/token", Some((&id, secret)), form).await;
        answer.json()["access_token"].as_str().unwrap().to_owned()
    };
    let expected = [
        (None, 401, "Credential was not sent"),
        (Some("nonsense"), 403, "Invalid access token."),
        (Some(ADMIN_TOKEN), 401, "Account APIs do not accept personal access tokens; use OAuth."),
        (Some(&*account_admins_token), 401, "Account APIs do not accept personal access tokens; use OAuth."),
        (Some(&*by_oauth), 403, "without account admin status."),
        (Some(&*scoped), 403, "required scopes: authentication"),
        (Some(&*account_admin), 200, ""),
    ];
    let body = json!({"tokens": [{"workspace_id": 1, "token_id": "none"}]});
    let console: Vec<_> = ROUTES.iter().filter(|route| route.who == Who::AccountAdmin).collect();
    assert_eq!(console.len(), 3);
    // Whether the control API is open, requires a key, is locked or off makes no difference to the account console.
    for access in [Access::Open, Access::with_key("key"), Access::Closed, Access::Off] {
        let router = surface(&world.service, access.clone(), SignInPolicy::Open(None), None);
        let ask = async |method: &Method, path: &str, token: Option<&str>, more: (&str, &str)| {
            let client = token.map_or_else(|| world.anonymous(), |token| world.client(token));
            let request = client.request(method, &format!("/_mock{path}")).header("content-type", "application/json");
            let request = request.header(more.0, more.1).body(Body::from(body.to_string())).unwrap();
            let response = router.clone().oneshot(request).await.unwrap();
            let status = response.status().as_u16();
            let bytes = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap();
            (status, String::from_utf8(bytes.to_vec()).unwrap())
        };
        for route in &console {
            let path = route.path.replace("{account}", &account());
            for (token, status, says) in expected {
                let (found, text) = ask(&route.method, &path, token, ("x", "")).await;
                assert_eq!(found, status, "{access}, {path}, {token:?}: {text}");
                assert!(status == 200 || (text.starts_with("{\"error\":") && text.contains(says)), "{text}");
            }
            let (key, _) = ask(&route.method, &path, Some("key"), ("x", "")).await;
            assert_eq!(key, 403, "the control key is not a credential here");
            let page = ("origin", "http://evil.example.com");
            assert_eq!(ask(&route.method, &path, Some(&account_admin), page).await.0, 403, "{path}");
        }
        // The statistics beside them are for the operator only.
        let statistics = format!("/v1/accounts/{}/token-report/statistics", account());
        let (status, _) = ask(&Method::GET, &statistics, Some(&account_admin), ("x", "")).await;
        assert_eq!(status == 200, matches!(access, Access::Open), "{access}");
    }
    let nobody = AccountId(uuid::Uuid::nil());
    for account in [nobody.to_string(), "x".to_owned()] {
        let path = format!("accounts/{account}/token-report");
        assert_eq!(world.client(&account_admin).own(Method::GET, &path, &json!({})).await.status, 404);
    }
    assert_eq!(world.admin().post(CREATE, &json!({})).await.status, 200, "nothing was changed");
}
