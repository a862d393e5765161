//! Signing in to the pages and out, and what ends a session.

use axum::http::Method;
use dapi_mock::domain::WorkspaceId;
use dapi_mock::domain::page_sessions::PageCookie;
use dapi_mock::service::{ACCOUNT_ADMIN_USER, ADMIN_USER};
use dapi_mock::web::access::SignInPolicy;
use serde_json::json;
use sha2::{Digest, Sha256};

use super::{ADVANCED, TOGGLE, TOKENS};
use crate::support::{ADMIN_TOKEN, Answer, DAY_MS, ME, World, field_of, goes_to, on_every_store, shows};

on_every_store!(
    a_browser_signs_in_and_out,
    what_ends_a_session,
    a_shared_server_asks_for_its_key,
    workspaces_and_the_account_have_separate_sign_ins,
);

async fn a_browser_signs_in_and_out(world: World) {
    let mut browser = world.browser();
    let sent = browser.get(&format!("{ADVANCED}?a=b%26c")).await;
    goes_to(&sent, "/login?next=%2Fsettings%2Fworkspace%2Fadvanced%3Fa%3Db%2526c");
    let first = browser.cookies.clone();

    let answer = browser.sign_in(sent.header("location"), ADMIN_USER, &[]).await;
    goes_to(&answer, &format!("{ADVANCED}?a=b%26c"));
    let cookie = answer.header("set-cookie");
    assert!(cookie.starts_with("dapi_mock_3274=") && cookie.ends_with("; Path=/; HttpOnly; SameSite=Lax"), "{cookie}");
    assert_ne!(browser.cookies, first, "signing in replaces a planted cookie");
    shows(&browser.get(ADVANCED).await, 200, &["Personal Access Tokens", ADMIN_USER, "2026-11-24 08:00 UTC"]);

    let signed_in = browser.cookies.clone();
    goes_to(&browser.submit("/logout", &[]).await, "/login");
    goes_to(&browser.get(ADVANCED).await, "/login?next=%2Fsettings%2Fworkspace%2Fadvanced");
    browser.cookies = signed_in;
    assert_eq!(browser.get(ADVANCED).await.status, 303, "a copy of the cookie is invalid, too");

    // A redirect never leaves the server.
    for elsewhere in ["//evil.example.com/", "https://evil.example.com/", "/\\evil.example.com"] {
        let query: String = form_urlencoded::Serializer::new(String::new()).append_pair("next", elsewhere).finish();
        goes_to(&browser.sign_in(&format!("/login?{query}"), ADMIN_USER, &[]).await, "/");
    }
    let log = world.admin().own(Method::GET, "workspaces/default/audit?action=oidcBrowserLogin", &json!({})).await;
    assert_eq!(log.text.lines().count(), 4, "{log:?}");
}

async fn what_ends_a_session(world: World) {
    let mut browser = world.browser_of("admin@example.com").await;
    world.admin().advance(&json!({ "by": "400d" })).await;
    shows(&browser.get(ADVANCED).await, 200, &["2027-12-29"]);
    let reset = world.anonymous().own(Method::POST, "workspaces/default/reset", &json!({})).await;
    assert_eq!(reset.status, 200, "{reset:?}");
    shows(&browser.get(ADVANCED).await, 200, &["2026-11-24"]);

    world.clock.advance(DAY_MS / 2 - 1);
    assert_eq!(browser.get(ADVANCED).await.status, 200);
    world.clock.advance(1);
    assert_eq!(browser.get(ADVANCED).await.status, 303, "the session expires after half a day");
    world.clock.advance(1);
    let cookie = PageCookie::parse(&browser.cookies["dapi_mock_3274"]).unwrap();
    let kept = async || world.service.store().read().await.unwrap().find_page_session(&cookie.hash()).await.unwrap();
    assert!(kept().await.is_some());
    world.browser_of(ADMIN_USER).await;
    assert_eq!(kept().await, None, "the next sign-in deletes it");

    let eva = world.add_user("eva@example.com").await;
    let mut browser = world.browser_of("eva@example.com").await;
    assert_eq!(browser.get(TOKENS).await.status, 200);
    world.set_active(eva, false).await;
    assert_eq!(browser.get(TOKENS).await.status, 303);
    world.set_active(eva, true).await;
    assert_eq!(browser.get(TOKENS).await.status, 200);
}

async fn a_shared_server_asks_for_its_key(mut world: World) {
    world.set_policy(SignInPolicy::Key(Sha256::digest("the key").into()));
    let mut browser = world.browser();
    let admin = world.admin_id().await.to_string();
    let names_nobody = |page: &Answer| {
        let shown = ["name=\"user\"", ADMIN_USER, "Workspace Admin", "name=\"q\"", &admin, "default"];
        assert!(!shown.iter().any(|text| page.text.contains(text)), "{page:?}");
    };
    for login in ["/login", "/login?q=admin", "/login?q=nobody", "/account-console/login?q=a"] {
        let page = browser.get(login).await;
        shows(&page, 200, &["Control key"]);
        names_nobody(&page);
    }
    browser.get("/login").await;
    for wrong in ["", "a key", "THE KEY"] {
        for user in [None, Some(admin.as_str()), Some("7")] {
            let fields = [("control_key", wrong), ("admission", "dosi00"), ("q", "admin")];
            let fields: Vec<_> = fields.into_iter().chain(user.map(|user| ("user", user))).collect();
            let answer = browser.submit("/login", &fields).await;
            shows(&answer, 403, &["Wrong control key: try again."]);
            names_nobody(&answer);
            assert_eq!(browser.get(ADVANCED).await.status, 303);
        }
    }
    // The steps without JavaScript: the key, a search, the choice.
    browser.get("/login").await;
    let people = browser.submit("/login", &[("control_key", "the key")]).await;
    shows(&people, 200, &[ADMIN_USER, ACCOUNT_ADMIN_USER, "<form class=\"search\" method=\"post\""]);
    let admission = field_of(&people, "admission").to_owned();
    let found = browser.submit("/login", &[("admission", &admission), ("q", "workspace admin")]).await;
    assert!(found.text.contains(ADMIN_USER) && !found.text.contains(ACCOUNT_ADMIN_USER), "{found:?}");
    // The admission is bound to this browser.
    let mut other = world.browser();
    other.get("/login").await;
    let stolen = other.submit("/login", &[("admission", &admission), ("user", &admin)]).await;
    shows(&stolen, 403, &["Wrong control key: try again."]);
    goes_to(&browser.submit("/login", &[("admission", &admission), ("user", &admin)]).await, "/");
    assert_eq!(browser.get(ADVANCED).await.status, 200);
    // A client that knows the user's id may send everything at once.
    other.get("/login").await;
    goes_to(&other.submit("/login", &[("control_key", "the key"), ("user", &admin)]).await, "/");

    world.set_policy(SignInPolicy::Closed);
    shows(&world.browser().get("/login").await, 403, &["Sign-in is locked"]);
    world.set_policy(SignInPolicy::Open(None));
    let mut rebound = world.browser();
    "evil.example.com:3274".clone_into(&mut rebound.host);
    shows(&rebound.get("/login").await, 403, &["Host header"]);
}

async fn workspaces_and_the_account_have_separate_sign_ins(world: World) {
    const OTHER: &str = "dapi00000000000000000000000000000002";
    world.add_workspace(42, OTHER).await;
    let mut browser = world.browser_of(ADMIN_USER).await;
    goes_to(
        &browser.get(&format!("{ADVANCED}?o=42")).await,
        "/login?next=%2Fsettings%2Fworkspace%2Fadvanced%3Fo%3D42&o=42",
    );
    browser.sign_in("/login?o=42", ADMIN_USER, &[]).await;
    shows(&browser.get(ADVANCED).await, 200, &["workspace 42"]);
    browser.submit(TOGGLE, &[("enable", "false"), ("confirm", "yes")]).await;
    world.client(OTHER).get(ME).await.refused(403, 403, "Invalid access token.");
    assert_eq!(world.client(ADMIN_TOKEN).get(ME).await.status, 200);
    shows(&browser.get("/login?o=43").await, 403, &["no such workspace"]);

    // The account has a sign-in of its own, with account admins first.
    let page = browser.get("/account-console/login").await;
    shows(&page, 200, &["account console", ACCOUNT_ADMIN_USER]);
    browser.sign_in("/account-console/login", ACCOUNT_ADMIN_USER, &[]).await;
    assert_eq!(browser.cookies.len(), 2);
    shows(&browser.get(ADVANCED).await, 200, &["workspace 42"]);
    shows(&browser.get("/account-console/login?account=42").await, 404, &["No such account"]);
    let gone = world.anonymous().own(Method::DELETE, "workspaces/42", &json!({})).await;
    assert_eq!(gone.status, 200, "{gone:?}");
    assert_eq!(world.service.find_workspace(WorkspaceId(42)).await.unwrap(), None);
    assert_eq!(browser.get(ADVANCED).await.status, 303, "the session was deleted with its workspace");
}
