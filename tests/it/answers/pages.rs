//! Pages: what a browser is told where it may not go, and the words that it then shows.

use dapi_mock::service::ADMIN_USER;
use insta::assert_snapshot;

use super::world;

#[tokio::test]
async fn a_browser_that_is_not_signed_in_is_sent_to_the_sign_in_page() {
    let world = world().await;
    assert_snapshot!(world.browser().get("/settings/workspace/advanced").await.whole(), @r#"
    303 See Other
    cache-control: no-store
    location: /login?next=%2Fsettings%2Fworkspace%2Fadvanced
    set-cookie: dapi_mock_3274=5ec9e395fe8d028db2530d0c8071170c; Path=/; HttpOnly; SameSite=Lax
    "#);
}

#[tokio::test]
async fn a_workspace_that_does_not_exist_has_a_page_that_says_so() {
    let world = world().await;
    assert_snapshot!(world.browser().get("/login?o=43").await.whole(), @r#"
    403 Forbidden
    content-type: text/html; charset=utf-8
    cache-control: no-store
    set-cookie: dapi_mock_3274=5ec9e395fe8d028db2530d0c8071170c; Path=/; HttpOnly; SameSite=Lax

    Skip to the content
    dapi-mock
    Settings
    Advanced
    Developer: Access tokens
    Security
    Token report
    Mock
    Console
    This did not work
    There is no such workspace to sign in to.
    "#);
}

#[tokio::test]
async fn a_form_from_elsewhere_is_refused_with_a_page() {
    let world = world().await;
    let mut browser = world.browser_of(ADMIN_USER).await;
    let path = "/settings/workspace/advanced/personal-access-tokens";
    let headers = [("origin", "http://evil.example.com")];
    let answer = browser.submit_as(path, &[("enable", "false")], "", &headers).await;
    assert_snapshot!(answer.whole(), @r#"
    403 Forbidden
    content-type: text/html; charset=utf-8
    cache-control: no-store

    Skip to the content
    dapi-mock
    Workspace
    dapi-mock
    3274327432743274
    2026-11-24 08:00 UTC
    admin@example.com
    Sign out
    Settings
    Advanced
    Developer: Access tokens
    Security
    Token report
    Mock
    Console
    This did not work
    Cross-site request rejected.
    "#);
}

#[tokio::test]
async fn an_authorization_request_with_a_foreign_redirect_is_refused_with_a_page() {
    let world = world().await;
    let answer = world.authorize(&[("redirect_uri", "https://evil.example.com/")]).await;
    assert_snapshot!(answer.whole(), @r#"
    400 Bad Request
    content-type: text/html; charset=utf-8
    cache-control: no-store

    Nobody was signed in
    redirect_uri must be http://localhost:PORT or http://127.0.0.1:PORT, with any path and no query
    Request 5ec9e395-fe8d-428d-b253-0d0c8071170c
    "#);
}
