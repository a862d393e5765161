//! One's own tokens.

use dapi_mock::domain::page_sessions::PageCookie;
use serde_json::json;

use super::{REVOKE, TOKENS};
use crate::support::{Answer, DAY_MS, ME, World, goes_to, on_every_store, shows};

on_every_store!(a_token_is_created_shown_once_and_revoked, a_form_that_is_sent_again_creates_no_second_token,);

async fn a_token_is_created_shown_once_and_revoked(world: World) {
    world.add_user("eva@example.com").await;
    let mut browser = world.browser_of("eva@example.com").await;
    shows(&browser.get(TOKENS).await, 200, &["You have no personal access tokens."]);
    let made = browser.submit(TOKENS, &[("comment", "laptop"), ("days", "30"), ("scopes", "scim, sql")]).await;
    shows(&made, 200, &["it will not be shown again", "30 days", "90 days", "scim, sql"]);
    let (_, rest) = made.text.split_once("readonly value=\"").unwrap();
    let value = rest.split('"').next().unwrap();
    assert_eq!(world.client(value).get(ME).await.status, 200);
    assert!(!browser.get(TOKENS).await.text.contains(value));

    world.admin().advance(&json!({ "by": "29d" })).await;
    shows(&browser.get(TOKENS).await, 200, &["laptop", "1 day<", "61 days"]);
    world.admin().advance(&json!({ "by": "1d" })).await;
    shows(&browser.get(TOKENS).await, 200, &["You have no personal access tokens."]);

    for (days, why) in [("731", "730"), ("0", "Invalid timeout: 0"), ("soon", "lifetime_seconds")] {
        let answer = browser.submit(TOKENS, &[("comment", "kept"), ("days", days), ("scopes", "")]).await;
        let typed = format!("name=\"days\" value=\"{days}\"");
        shows(&answer, 400, &["role=\"alert\"", why, "value=\"kept\"", &typed]);
    }

    let made = browser.submit(TOKENS, &[("comment", ""), ("days", ""), ("scopes", "")]).await;
    shows(&made, 200, &["730 days", "all APIs"]);
    let id = made.text.split("name=\"token_id\" value=\"").nth(1).unwrap().split('"').next().unwrap();
    let (_, rest) = made.text.split_once("readonly value=\"").unwrap();
    let value = rest.split('"').next().unwrap();
    shows(&browser.submit(REVOKE, &[("token_id", id)]).await, 200, &["Revoke this token?", id]);
    assert_eq!(world.client(value).get(ME).await.status, 200);
    goes_to(&browser.submit(REVOKE, &[("token_id", id), ("confirm", "yes")]).await, TOKENS);
    assert_eq!(world.client(value).get(ME).await.status, 403);
    let again = browser.submit(REVOKE, &[("token_id", id), ("confirm", "yes")]).await;
    shows(&again, 404, &["role=\"alert\"", "does not exist"]);
}

async fn a_form_that_is_sent_again_creates_no_second_token(world: World) {
    world.add_user("eva@example.com").await;
    let mut browser = world.browser_of("eva@example.com").await;
    let number_of = |page: &Answer| {
        let (_, rest) = page.text.split_once("action=\"/logout\"").unwrap();
        rest.split("name=\"form_number\" value=\"").nth(2).unwrap().split('"').next().unwrap().to_owned()
    };
    let number = number_of(&browser.get(TOKENS).await);
    assert_ne!(number, number_of(&browser.get(TOKENS).await));
    let form = |days| [("comment", "laptop"), ("days", days), ("form_number", number.as_str())];
    for _ in 0..2 {
        shows(&browser.submit(TOKENS, &form("731")).await, 400, &["730"]);
    }
    let made = browser.submit(TOKENS, &form("30")).await;
    shows(&made, 200, &["it will not be shown again"]);
    let value = made.text.split("readonly value=\"").nth(1).unwrap().split('"').next().unwrap();
    for _ in 0..2 {
        let again = browser.submit(TOKENS, &form("30")).await;
        shows(
            &again,
            409,
            &["its token exists, and the value was shown only once", "data-label=\"Comment\"><bdi>laptop<"],
        );
        assert!(!again.text.contains(value) && !again.text.contains("readonly"), "{again:?}");
    }
    assert_eq!(world.client(value).own_ids().await.len(), 1);
    // The form number belongs to this browser; the same number in another browser is another form.
    let mut other = world.browser_of("eva@example.com").await;
    other.get(TOKENS).await;
    shows(&other.submit(TOKENS, &form("30")).await, 200, &["it will not be shown again"]);

    // Two clicks at once, possibly through two processes.
    let (id, cookie) = (world.workspace().await.id, PageCookie::parse(&browser.cookies["dapi_mock_3274"]).unwrap());
    let hash = cookie.form_hash("another");
    let (one, two) = tokio::join!(world.service.claim_form(id, &hash), world.service.claim_form(id, &hash));
    assert_ne!(one.unwrap(), two.unwrap());
    // The number is remembered as long as a browser stays signed in.
    let kept = async || world.service.store().read().await.unwrap().find_page_session(&hash).await.unwrap().is_some();
    world.clock.advance(DAY_MS / 2 + 1);
    assert!(kept().await);
    world.browser_of("eva@example.com").await;
    assert!(!kept().await);
}
