//! Forms from elsewhere, hostile texts, scripts, and clients that are no browsers.

use dapi_mock::domain::identities::PrincipalKind;
use dapi_mock::service::{ACCOUNT_ADMIN_USER, ADMIN_USER};
use serde_json::json;

use super::{ADVANCED, CONF, LIFETIME, PERMISSIONS, REVOKE, TOGGLE, TOKENS};
use crate::support::{LIST, World, goes_to, on_every_store, shows};

on_every_store!(
    forms_from_elsewhere_change_nothing,
    hostile_texts_stay_texts,
    texts_of_users_keep_their_direction_to_themselves,
    pages_run_no_script_but_their_own,
    clients_that_are_not_browsers_get_the_apis_answers,
);

async fn forms_from_elsewhere_change_nothing(world: World) {
    let mut browser = world.browser_of(ADMIN_USER).await;
    let mut other = world.browser_of(ADMIN_USER).await;
    browser.get(ADVANCED).await;
    other.get(ADVANCED).await;
    let (own, others) = (browser.form_token.clone(), other.form_token.clone());
    assert_ne!(own, others);
    let fields = [("enable", "false"), ("confirm", "yes")];
    let evil = ("origin", "http://evil.example.com");
    for (form_token, headers) in [
        ("", vec![]),
        (others.as_str(), vec![]),
        (own.as_str(), vec![evil]),
        (own.as_str(), vec![("origin", "null")]),
        (own.as_str(), vec![("origin", "http://127.0.0.1:9999")]),
        (own.as_str(), vec![("sec-fetch-site", "cross-site")]),
    ] {
        let answer = browser.submit_as(TOGGLE, &fields, form_token, &headers).await;
        shows(&answer, 403, &["role=\"alert\""]);
    }
    let cookies = std::mem::take(&mut browser.cookies);
    shows(&browser.submit_as(TOGGLE, &fields, &own, &[]).await, 403, &["has expired"]);
    browser.cookies = cookies;
    assert_eq!(world.admin().get(CONF).await.json()["enableTokensConfig"], json!(null));
    goes_to(&browser.submit_as(TOGGLE, &fields, &own, &[]).await, ADVANCED);
    assert_eq!(world.admin().get(LIST).await.status, 404, "the refused form was valid otherwise");
}

/// A comment may reverse the direction of text; on every page the reversal ends with the comment.
async fn texts_of_users_keep_their_direction_to_themselves(world: World) {
    const TURNED: &str = "safe\u{202e}evas";
    let admin = world.admin_id().await;
    let id = world.mint(admin, |token| TURNED.clone_into(&mut token.comment)).await;
    let id = dapi_mock::domain::tokens::TokenValue::parse(&id).unwrap().id().to_string();
    let create = json!({"userName": "turned@example.com", "displayName": "\u{5d0}\u{5d1} 1"});
    assert_eq!(world.admin().post("/api/2.0/preview/scim/v2/Users", &create).await.status, 201);
    let mut browser = world.browser_of(ADMIN_USER).await;
    let mut pages = vec![browser.get(TOKENS).await];
    pages.push(browser.submit(REVOKE, &[("token_id", &id), ("comment", TURNED)]).await);
    pages.push(browser.get("/login").await);
    let mut console = world.browser();
    console.sign_in("/account-console/login", ACCOUNT_ADMIN_USER, &[]).await;
    pages.push(console.get("/account-console/security/token-report").await);
    pages.push(browser.get("/_mock/console/default/tokens").await);
    for page in &pages {
        let text = &page.text;
        let shown: Vec<usize> = [TURNED, "\u{5d0}\u{5d1} 1"]
            .iter()
            .flat_map(|text_of_user| text.match_indices(text_of_user).map(|(at, _)| at))
            .filter(|at| text[..*at].rfind('<') < text[..*at].rfind('>'))
            .collect();
        assert!(!shown.is_empty(), "{page:?}");
        for at in shown {
            let element = &text[text[..at].rfind('<').unwrap()..at];
            assert!(element.starts_with("<bdi") || element.contains("dir=\"auto\""), "{element}: {page:?}");
        }
    }
}

async fn hostile_texts_stay_texts(world: World) {
    const HOSTILE: &str = "\"><script>alert(1)</script><img src=x onerror=alert(2)>";
    let id = world.add_user(&format!("{HOSTILE}@example.com")).await;
    world.mint(id, |token| HOSTILE.clone_into(&mut token.comment)).await;
    world.add_principal(PrincipalKind::Group, HOSTILE).await;
    let mut browser = world.browser();
    let login = browser.get(&format!("/login?q={}", "%22%3E%3Cscript%3E")).await;
    let path = format!("/login?next={}", "%22%3E%3Cscript%3Ealert(1)%3C/script%3E");
    let mut pages = vec![login, browser.get(&path).await];
    let choice = pages[1].text.split("name=\"user\" value=\"").skip(1).find(|button| button.contains("&lt;script&gt;"));
    let id = choice.unwrap().split('"').next().unwrap().to_owned();
    goes_to(&browser.submit("/login", &[("user", &id)]).await, "/");
    for field in ["comment", "days", "scopes"] {
        browser.get(TOKENS).await;
        pages.push(browser.submit(TOKENS, &[(field, HOSTILE)]).await);
    }
    pages.push(browser.get(TOKENS).await);
    pages.push(browser.submit(REVOKE, &[("token_id", HOSTILE), ("comment", HOSTILE)]).await);
    pages.push(browser.submit(REVOKE, &[("token_id", HOSTILE), ("confirm", "")]).await);
    pages.push(browser.get(ADVANCED).await);
    let mut admin = world.browser_of(ADMIN_USER).await;
    pages.push(admin.get(PERMISSIONS).await);
    for kind in ["group_name", HOSTILE] {
        for confirm in [&[][..], &[("confirm", "")]] {
            let fields =
                [&[("change", "add"), ("kind", kind), ("name", HOSTILE), ("level", "CAN_USE")], confirm].concat();
            pages.push(admin.submit(PERMISSIONS, &fields).await);
        }
    }
    pages.push(admin.get(PERMISSIONS).await);
    pages.push(admin.submit(PERMISSIONS, &[("change", "remove"), ("kind", "group_name"), ("name", "users")]).await);
    pages.push(admin.submit(LIFETIME, &[("days", HOSTILE)]).await);
    let hostile = pages.iter().filter(|page| page.text.contains("&lt;script&gt;")).count();
    assert!(hostile >= 10, "{hostile}");
    for page in pages {
        assert!(!page.text.contains("<script>") && !page.text.contains("<img"), "{page:?}");
        assert!(page.status.as_u16() < 500, "{page:?}");
    }
}

async fn pages_run_no_script_but_their_own(world: World) {
    let mut browser = world.browser_of(ADMIN_USER).await;
    for path in ["/", "/login", ADVANCED, PERMISSIONS, TOKENS] {
        let answer = browser.get(path).await;
        let policy = answer.header("content-security-policy");
        for part in ["default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "base-uri 'none'"] {
            assert!(policy.contains(part), "{policy}");
        }
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert_eq!(answer.header("cache-control"), "no-store");
        for inline in [" style=\"", " onclick", "javascript:"] {
            assert!(!answer.text.contains(inline), "{path}: {inline}");
        }
    }
    let script = browser.get("/_mock/page.js").await;
    assert_eq!(script.header("content-type"), "text/javascript; charset=utf-8");
}

async fn clients_that_are_not_browsers_get_the_apis_answers(world: World) {
    world.anonymous().get("/").await.refused(401, 401, "Credential was not sent");
    world.admin().get("/").await.refused(404, "ENDPOINT_NOT_FOUND", "/");
    shows(&world.browser().get("/").await, 200, &["Welcome"]);
    world.anonymous().get("/settings/workspace").await.refused(401, 401, "Credential was not sent");
}
