//! The workspace's settings: tokens on or off, the maximum lifetime, permissions.

use axum::body::Body;
use axum::http::Method;
use dapi_mock::service::ADMIN_USER;
use serde_json::json;

use super::{ADVANCED, CONF, LIFETIME, PERMISSIONS, TOGGLE, TOKENS};
use crate::support::{LIST, ME, World, goes_to, on_every_store, shows};

on_every_store!(
    nothing_changes_before_confirm,
    the_lifetime_is_limited,
    permissions_are_changed_after_a_preview,
    a_user_who_is_not_an_admin_is_told_so,
);

async fn nothing_changes_before_confirm(world: World) {
    let (_, value) = world.user_with_token("eva@example.com").await;
    world
        .send(
            world
                .client(&value)
                .request(&Method::GET, ME)
                .header("user-agent", "partner-tool/7")
                .body(Body::empty())
                .unwrap(),
        )
        .await;
    let mut browser = world.browser_of(ADMIN_USER).await;
    shows(&browser.get(ADVANCED).await, 200, &["role=\"switch\" aria-checked=\"true\""]);

    let question = browser.submit(TOGGLE, &[("enable", "false")]).await;
    let effect =
        ["Disable personal access tokens?", "Partner Connect", "2 tokens of 2 owners", "partner-tool", "Confirm"];
    shows(&question, 200, &effect);
    assert_eq!(world.client(&value).get(ME).await.status, 200);

    goes_to(&browser.submit(TOGGLE, &[("enable", "false"), ("confirm", "yes")]).await, ADVANCED);
    shows(&browser.get(ADVANCED).await, 200, &["aria-checked=\"false\"", "disabled"]);
    world.client(&value).get(ME).await.refused(403, 403, "Invalid access token.");
    // The page of one's own tokens says what the API says.
    shows(&browser.get(TOKENS).await, 404, &["Tokens are disabled."]);

    shows(&browser.submit(TOGGLE, &[("enable", "true")]).await, 200, &["works again"]);
    assert_eq!(world.client(&value).get(ME).await.status, 403);
    goes_to(&browser.submit(TOGGLE, &[("enable", "true"), ("confirm", "yes")]).await, ADVANCED);
    assert_eq!(world.client(&value).get(ME).await.status, 200);
}

async fn the_lifetime_is_limited(world: World) {
    let mut browser = world.browser_of(ADMIN_USER).await;
    browser.get(ADVANCED).await;
    goes_to(&browser.submit(LIFETIME, &[("days", " 90 ")]).await, ADVANCED);
    assert_eq!(world.admin().get(CONF).await.json()["maxTokenLifetimeDays"], "90");
    shows(&browser.get(ADVANCED).await, 200, &["name=\"days\" value=\"90\""]);
    for wrong in ["731", "-1", "ninety", "1.5"] {
        let answer = browser.submit(LIFETIME, &[("days", wrong)]).await;
        let kept = format!("name=\"days\" value=\"{wrong}\"");
        shows(&answer, 400, &["role=\"alert\"", "Some values are not allowed", &kept]);
    }
    assert_eq!(world.admin().get(CONF).await.json()["maxTokenLifetimeDays"], "90");
    goes_to(&browser.submit(LIFETIME, &[("days", "")]).await, ADVANCED);
    shows(&browser.get(ADVANCED).await, 200, &["name=\"days\" value=\"\""]);
}

async fn permissions_are_changed_after_a_preview(world: World) {
    let (_, value) = world.user_with_token("eva@example.com").await;
    world.add_user("zoe@example.com").await;
    let mut browser = world.browser_of(ADMIN_USER).await;
    shows(&browser.get(PERMISSIONS).await, 200, &["Can Manage", "Remove users", "eva@example.com"]);
    assert!(!browser.get(PERMISSIONS).await.text.contains("Remove admins"));

    let remove = [("change", "remove"), ("kind", "group_name"), ("name", "users")];
    let preview = browser.submit(PERMISSIONS, &remove).await;
    shows(&preview, 200, &["Remove this permission?", "1 token of 1 owner", "eva@example.com"]);
    // Principals without a token are listed, too: eva, zoe and the account admin.
    shows(&preview, 200, &["Who could no longer create or use tokens (3)", "<li><bdi>zoe@example.com</bdi></li>"]);
    assert!(!preview.text.contains("<li><bdi>admin@example.com"), "{preview:?}");
    assert_eq!(world.client(&value).get(ME).await.status, 200);
    let confirmed = [&remove[..], &[("confirm", "yes")]].concat();
    goes_to(&browser.submit(PERMISSIONS, &confirmed).await, PERMISSIONS);
    assert_eq!(world.client(&value).get(ME).await.status, 403);

    let ask = |name| [("change", "add"), ("kind", "user_name"), ("name", name), ("level", "CAN_USE")];
    let preview = browser.submit(PERMISSIONS, &ask("zoe@example.com")).await;
    shows(
        &preview,
        200,
        &["Who could create and use tokens again or for the first time (1)", "<li><bdi>zoe@example.com</bdi></li>"],
    );
    shows(&browser.submit(PERMISSIONS, &ask(ADMIN_USER)).await, 200, &["Nobody would gain or lose the permission"]);
    let add =
        |name, level| [("change", "add"), ("kind", "user_name"), ("name", name), ("level", level), ("confirm", "yes")];
    for (name, level) in
        [("nobody@example.com", "CAN_USE"), ("eva@example.com", "CAN_MANAGE"), ("eva@example.com", "CAN_FLY")]
    {
        let refused = browser.submit(PERMISSIONS, &add(name, level)).await;
        shows(&refused, refused.status.as_u16(), &["role=\"alert\"", &format!("value=\"{name}\"")]);
        assert!(refused.status.is_client_error(), "{refused:?}");
    }
    assert_eq!(world.client(&value).get(ME).await.status, 403);
    goes_to(&browser.submit(PERMISSIONS, &add("eva@example.com", "CAN_USE")).await, PERMISSIONS);
    assert_eq!(world.client(&value).get(ME).await.status, 200);
    let log = world.admin().own(Method::GET, "workspaces/default/audit?action=changeDbTokenAcl", &json!({})).await;
    assert!(log.text.contains(ADMIN_USER), "{log:?}");
}

async fn a_user_who_is_not_an_admin_is_told_so(world: World) {
    world.add_user("eva@example.com").await;
    let mut browser = world.browser_of("eva@example.com").await;
    // Like the API, the page shows everybody who may use tokens, but not whom a change would affect.
    shows(&browser.get(PERMISSIONS).await, 200, &["Can Use"]);
    let remove = [("change", "remove"), ("kind", "group_name"), ("name", "users")];
    let pages = [
        browser.get(ADVANCED).await,
        browser.submit(TOGGLE, &[("enable", "false")]).await,
        browser.submit(TOGGLE, &[("enable", "true")]).await,
        browser.submit(PERMISSIONS, &remove).await,
    ];
    for page in pages {
        shows(&page, 403, &["role=\"alert\""]);
    }
    browser.get(TOKENS).await;
    for (path, fields) in [
        (TOGGLE, &[("enable", "false"), ("confirm", "yes")][..]),
        (LIFETIME, &[("days", "5")]),
        (PERMISSIONS, &[("change", "remove"), ("kind", "group_name"), ("name", "users"), ("confirm", "yes")]),
    ] {
        shows(&browser.submit(path, fields).await, 403, &["role=\"alert\""]);
    }
    assert_eq!(world.admin().get(CONF).await.json()["maxTokenLifetimeDays"], json!(null));
    assert_eq!(world.admin().get(LIST).await.status, 200);
}
