//! The sign-in page: whom it shows, to whom, and what it refuses.

use axum::body::Body;
use axum::http::Method;
use dapi_mock::domain::identities::PrincipalKind;
use dapi_mock::service::ADMIN_USER;
use dapi_mock::web::access::SignInPolicy;
use serde_json::{Value, json};

use super::{EVA, page_refused};
use crate::support::{
    AUTHORIZE, BACK, Backend, ME, START, World, account, both, on_every_store, parameter, part, query, sent_back,
    value_of,
};

on_every_store!(a_person_signs_in_by_the_page,);

async fn a_person_signs_in_by_the_page(world: World) {
    let eva = world.add_user(EVA).await;
    world.add_principal(PrincipalKind::ServicePrincipal, "robot").await;
    let page = world.authorize(&[("q", "EVA")]).await;
    assert_eq!(page.status, 200, "{page:?}");
    let policy = page.header("content-security-policy");
    assert!(
        policy.contains("default-src 'none'") && policy.contains(&format!("form-action 'self' {BACK};")),
        "{policy}"
    );
    assert_eq!((page.header("cache-control"), page.header("referrer-policy")), ("no-store", "same-origin"));
    assert!(page.text.contains(EVA) && !page.text.contains(ADMIN_USER) && !page.text.contains("control_key"));
    assert!(!world.authorize(&[("q", "robot")]).await.text.contains("name=\"user\""), "people only");
    let all = world.authorize(&[]).await.text;
    assert!(all.find("Workspace Admin").unwrap() < all.find(EVA).unwrap(), "admins come first");

    let (ticket, user) = (value_of(&page, "ticket"), value_of(&page, "user"));
    assert_eq!(user, eva.to_string());
    let fields = [("ticket", ticket), ("user", user)];
    let own = Some("http://127.0.0.1:3274");
    for origin in ["http://evil.example.com", "null", "http://127.0.0.1:8020"] {
        page_refused(&world.submit(AUTHORIZE, &fields, Some(origin)).await, 403, "Cross-site request rejected");
    }
    let somebody = world.add_principal(PrincipalKind::Group, "team").await.to_string();
    for nobody in ["", "x", "7", &somebody] {
        let answer = world.submit(AUTHORIZE, &[("ticket", ticket), ("user", nobody)], own).await;
        assert_eq!(answer.status, 403, "{nobody}: {answer:?}");
    }
    for bad in ["", "x", &format!("dosi{}", "0".repeat(64)), &ticket.replace("dosi", "doac")] {
        page_refused(
            &world.submit(AUTHORIZE, &[("ticket", bad), ("user", user)], own).await,
            400,
            "used or has expired",
        );
    }
    let answer = world.submit(AUTHORIZE, &fields, own).await;
    let pairs = sent_back(&answer);
    let names: Vec<&str> = pairs.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["code", "state", "iss"]);
    assert_eq!((pairs[1].1.as_str(), pairs[2].1.as_str()), ("st ate", "http://127.0.0.1:3274/oidc"));
    page_refused(&world.submit(AUTHORIZE, &fields, own).await, 400, "used or has expired");

    let issued = world.redeem(&pairs[0].1).await;
    assert_eq!(issued.header("cache-control"), "no-store");
    let json = issued.json();
    let (token, refresh) = both(&issued);
    let scope = "offline_access all-apis";
    let expected = json!({"access_token": token, "refresh_token": refresh, "scope": scope, "token_type": "Bearer", "expires_in": 3600});
    assert_eq!(json, expected);
    let claims = part(&token, 1);
    let expected = json!({
        "client_id": "databricks-cli", "scope": scope, "iss": "http://127.0.0.1:3274/oidc", "aud": "3274327432743274",
        "sub": EVA, "iat": START.0 / 1000, "exp": START.0 / 1000 + 3600, "jti": claims["jti"], "sid": claims["sid"],
        "creation": claims["creation"],
    });
    assert_eq!(claims, expected);
    let me = world.client(&token).get(ME).await.json();
    assert_eq!(me["userName"], EVA);
    world.client(&token).create(&json!({})).await;
    let scope = world.client(&token).get("/api/2.0/tokens/introspect").await.json();
    let scope = &scope["principal_context"]["authentication_scope"];
    assert_eq!(*scope, json!({"account_id": account(), "workspace_id": 3_274_327_432_743_274_i64}));

    let log = world.admin().own(Method::GET, "workspaces/default/audit?actor=eva@example.com", &json!({})).await.text;
    let log: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let seen: Vec<_> = log.iter().map(|line| (line["actionName"].as_str().unwrap(), &line["requestParams"])).collect();
    assert_eq!(seen[0], ("oidcBrowserLogin", &json!({"user": EVA})));
    let params = json!({"client_id": "databricks-cli", "grant_type": "authorization_code", "scope": "offline_access all-apis", "expires_in": "3600"});
    assert_eq!(seen[1], ("mintOAuthToken", &params));
}

#[tokio::test]
async fn requests_are_refused_to_the_client_or_to_the_person() {
    let world = World::new(Backend::Memory).await;
    for (changes, error, description) in [
        (("response_type", "token"), "unsupported_response_type", "response_type=code"),
        (("code_challenge", ""), "invalid_request", "PKCE is required"),
        (("code_challenge_method", "plain"), "invalid_request", "must be S256"),
        (("code_challenge_method", ""), "invalid_request", "must be S256"),
        (("scope", "openid all-apis"), "invalid_scope", "not emulated"),
        (("scope", "all-apis \""), "invalid_scope", "is not a scope"),
        (
            ("scope", "all-apis nonsense"),
            "access_denied",
            "Scopes 'nonsense' are not assigned to the client databricks-cli.",
        ),
        (("response_mode", "form_post"), "invalid_request", "response_mode"),
    ] {
        let answer = world.authorize(&[changes, ("login_hint", ADMIN_USER)]).await;
        assert_eq!(parameter(&answer, "error"), error, "{changes:?}");
        assert!(parameter(&answer, "error_description").contains(description), "{answer:?}");
        assert_eq!(
            (parameter(&answer, "state").as_str(), parameter(&answer, "iss").as_str()),
            ("st ate", "http://127.0.0.1:3274/oidc")
        );
    }
    for (changes, message) in [
        (("client_id", ""), "client_id is missing"),
        (("client_id", "dbt-databricks"), "dbt adapter"),
        (("client_id", "<script>"), "There is no public client"),
        (("redirect_uri", ""), "redirect_uri is missing"),
        (("redirect_uri", "https://evil.example.com/"), "redirect_uri must be"),
        (("redirect_uri", "http://localhost@evil.example.com/"), "redirect_uri must be"),
        (("redirect_uri", "//evil.example.com"), "redirect_uri must be"),
    ] {
        let answer = world.authorize(&[changes, ("login_hint", ADMIN_USER)]).await;
        page_refused(&answer, 400, message);
        assert!(!answer.headers.contains_key("location") && !answer.text.contains("<script"), "{answer:?}");
    }
    let twice = format!("{AUTHORIZE}?{}&redirect_uri=http://localhost:1", query(&[]));
    page_refused(&world.anonymous().get(&twice).await, 400, "redirect_uri is sent twice");
    let request = axum::http::Request::get(format!("{AUTHORIZE}?{}", query(&[("login_hint", ADMIN_USER)])));
    let rebound = world.send(request.header("host", "evil.example.com").body(Body::empty()).unwrap()).await;
    assert_eq!(parameter(&rebound, "error"), "access_denied");
}

#[tokio::test]
async fn what_people_and_clients_wrote_is_only_text_on_the_page() {
    let world = World::new(Backend::Memory).await;
    let hostile = "<script>alert(1)</script>\"'><img src=x onerror=y>&amp;";
    world.add_user(hostile).await;
    for changes in [("state", hostile), ("q", hostile), ("login_hint", "\"><script>"), ("scope", "sql"), ("o", "")] {
        let page = world.authorize(&[changes]).await;
        assert_eq!(page.status, 200, "{page:?}");
        assert!(!page.text.contains("<script") && !page.text.contains("<img"), "{page:?}");
    }
    let page = world.authorize(&[("q", hostile)]).await;
    let fields = [("ticket", value_of(&page, "ticket")), ("user", value_of(&page, "user"))];
    let (token, _) = both(&world.redeem(&parameter(&world.submit(AUTHORIZE, &fields, None).await, "code")).await);
    assert_eq!(world.client(&token).get(ME).await.json()["userName"], hostile);
}

#[tokio::test]
async fn the_page_shows_fifty_of_many_users() {
    let world = World::new(Backend::Memory).await;
    for i in 0..200 {
        world.add_user(&format!("user{i:03}@example.com")).await;
    }
    let page = world.authorize(&[]).await;
    assert_eq!(page.text.matches("name=\"user\"").count(), 50);
    assert!(page.text.contains("These are the first 50 users.") && page.text.contains("Workspace Admin"));
    let page = world.authorize(&[("q", "USER19")]).await;
    assert_eq!(page.text.matches("name=\"user\"").count(), 10);
    assert!(page.text.contains("value=\"USER19\"") && !page.text.contains("the first 50"));

    // Admins come first, even if there are more of them than the page shows; a search finds the others.
    for i in 100..160 {
        let users = format!("/api/2.0/preview/scim/v2/Users?filter=userName+eq+%22user{i}@example.com%22");
        let found = world.admin().get(&users).await.json();
        let member = json!([{"value": found["Resources"][0]["id"]}]);
        let change = json!({"Operations": [{"op": "add", "path": "members", "value": member}]});
        let group = world.workspace().await.admins_group;
        let path = format!("/api/2.0/preview/scim/v2/Groups/{group}");
        assert_eq!(world.admin().call(Method::PATCH, &path, change.to_string()).await.status, 200);
    }
    let page = world.authorize(&[]).await;
    assert_eq!(page.text.matches(">admin</span>").count(), 50);
    assert!(page.text.contains("user148@") && !page.text.contains("user149@") && page.text.contains("first 50 users"));
    let page = world.authorize(&[("q", "USER15")]).await;
    assert_eq!((page.text.matches("name=\"user\"").count(), page.text.matches(">admin</span>").count()), (10, 10));
    assert_eq!(world.authorize(&[("q", "USER16")]).await.text.matches(">admin</span>").count(), 0);
}

#[tokio::test]
async fn pages_of_other_sites_sign_nobody_in() {
    let world = World::new(Backend::Memory).await;
    let path = format!("{AUTHORIZE}?{}", query(&[("login_hint", ADMIN_USER)]));
    for site in ["cross-site", "same-site"] {
        for mode in ["no-cors", "cors", "navigate"] {
            let image = world.anonymous().request(&Method::GET, &path).header("sec-fetch-site", site);
            let image = image.header("sec-fetch-mode", mode).header("sec-fetch-dest", "image");
            let answer = world.send(image.body(Body::empty()).unwrap()).await;
            assert_eq!(parameter(&answer, "error"), "access_denied");
        }
    }
    assert_eq!(world.anonymous().call(Method::HEAD, &path, "").await.status, 200, "HEAD signs nobody in");
    assert_eq!(world.sign_ins().await, 0);
    let link = world.anonymous().request(&Method::GET, &path).header("sec-fetch-site", "cross-site");
    let link = link.header("sec-fetch-mode", "navigate").header("sec-fetch-dest", "document");
    let answer = world.send(link.body(Body::empty()).unwrap()).await;
    both(&world.redeem(&parameter(&answer, "code")).await);
}

#[tokio::test]
async fn a_setting_signs_in_without_the_page() {
    let mut world = World::new(Backend::Memory).await;
    let id = world.add_user(EVA).await;
    world.set_policy(SignInPolicy::Open(Some("Eva@Example.com".into())));
    let sub = async |changes: &[(&str, &str)]| {
        let code = parameter(&world.authorize(changes).await, "code");
        part(&both(&world.redeem(&code).await).0, 1)["sub"].clone()
    };
    assert_eq!(sub(&[]).await, EVA);
    assert_eq!(sub(&[("login_hint", ADMIN_USER)]).await, ADMIN_USER, "the client's hint wins");
    assert_eq!(world.authorize(&[("login_hint", "nobody")]).await.status, 200, "a page");
    world.set_active(id, false).await;
    let answer = world.authorize(&[]).await;
    assert_eq!(parameter(&answer, "error"), "access_denied");
    assert!(parameter(&answer, "error_description").contains("--sign-in-as"));
}
