//! The pages as a browser without JavaScript uses them: signing in, the workspace's settings, one's own tokens
//! (spec §8, R32–R45). `tests/clients/browser` clicks through them in Chromium.

use std::collections::BTreeMap;

use axum::body::Body;
use axum::http::{Method, Request};
use dapi_mock::domain::WorkspaceId;
use dapi_mock::domain::identities::PrincipalKind;
use dapi_mock::domain::page_sessions::PageCookie;
use dapi_mock::service::{ACCOUNT_ADMIN_USER, ADMIN_USER};
use dapi_mock::web::access::{Access, SignInPolicy};
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::harness::{ADMIN_TOKEN, Answer, DAY_MS, World, on_every_store};
use crate::oauth::{LIST, ME};

on_every_store!(
    a_browser_signs_in_and_out,
    forms_from_elsewhere_change_nothing,
    nothing_changes_before_confirm,
    the_lifetime_is_limited,
    permissions_are_changed_after_a_preview,
    a_token_is_made_shown_once_and_revoked,
    a_form_that_is_sent_again_makes_no_second_token,
    hostile_texts_stay_texts,
    texts_of_users_keep_their_direction_to_themselves,
    what_ends_a_session,
    who_is_no_admin_is_told_so,
    a_shared_server_asks_for_its_key,
    workspaces_and_the_account_are_signed_in_to_apart,
    pages_have_no_way_in_for_scripts,
    clients_are_answered_as_before,
);

const ADVANCED: &str = "/settings/workspace/advanced";
const TOGGLE: &str = "/settings/workspace/advanced/personal-access-tokens";
const LIFETIME: &str = "/settings/workspace/advanced/maximum-lifetime";
const PERMISSIONS: &str = "/settings/workspace/advanced/permissions";
const TOKENS: &str = "/settings/user/developer/access-tokens";
const REVOKE: &str = "/settings/user/developer/access-tokens/revoke";
const CONF: &str = "/api/2.0/workspace-conf?keys=enableTokensConfig,maxTokenLifetimeDays";

/// What a browser keeps.
pub(crate) struct Browser<'a> {
    world: &'a World,
    pub(crate) cookies: BTreeMap<String, String>,
    host: String,
    pub(crate) form_token: String,
}

impl World {
    pub(crate) fn browser(&self) -> Browser<'_> {
        let host = "127.0.0.1:3274".to_owned();
        Browser { world: self, cookies: BTreeMap::new(), host, form_token: String::new() }
    }

    /// A browser that is signed in to the default workspace.
    pub(crate) async fn browser_of(&self, user: &str) -> Browser<'_> {
        let mut browser = self.browser();
        browser.sign_in("/login", user, &[]).await;
        browser
    }
}

impl Browser<'_> {
    pub(crate) async fn get(&mut self, path: &str) -> Answer {
        self.ask(Method::GET, path, Body::empty(), &[]).await
    }

    /// Sends a form of the page that was loaded last.
    pub(crate) async fn submit(&mut self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let form_token = self.form_token.clone();
        let own = [("sec-fetch-site", "same-origin"), ("origin", &format!("http://{}", self.host))];
        self.submit_as(path, fields, &form_token, &own).await
    }

    /// Sends any form.
    pub(crate) async fn submit_as(
        &mut self,
        path: &str,
        fields: &[(&str, &str)],
        form_token: &str,
        headers: &[(&str, &str)],
    ) -> Answer {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("form_token", form_token).extend_pairs(fields);
        let mut all = vec![("content-type", "application/x-www-form-urlencoded")];
        all.extend(headers);
        self.ask(Method::POST, path, form.finish().into(), &all).await
    }

    async fn ask(&mut self, method: Method, path: &str, body: Body, headers: &[(&str, &str)]) -> Answer {
        let cookies: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let mut request = Request::builder().method(method).uri(path).header("host", &self.host);
        request = request.header("accept", "text/html,application/xhtml+xml").header("cookie", cookies.join("; "));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = self.world.send(request.body(body).unwrap()).await;
        for set in answer.headers.get_all("set-cookie") {
            let (name, value) = set.to_str().unwrap().split(';').next().unwrap().split_once('=').unwrap();
            self.cookies.insert(name.to_owned(), value.to_owned());
        }
        if let Some((_, rest)) = answer.text.split_once("name=\"form_token\" value=\"") {
            rest.split('"').next().unwrap().clone_into(&mut self.form_token);
        }
        answer
    }

    /// Chooses a user on the sign-in page; answers what came of it.
    pub(crate) async fn sign_in(&mut self, login: &str, user: &str, fields: &[(&str, &str)]) -> Answer {
        let page = self.get(login).await;
        let id = choice_of(&page, user);
        let mut all = vec![("user", id)];
        all.extend(fields);
        self.submit(login, &all).await
    }
}

/// The value of a hidden field.
#[track_caller]
fn field_of<'a>(page: &'a Answer, name: &str) -> &'a str {
    let (_, rest) = page.text.split_once(&format!("name=\"{name}\" value=\"")).unwrap_or_else(|| panic!("{page:?}"));
    rest.split('"').next().unwrap()
}

/// The value of a user's button.
#[track_caller]
fn choice_of<'a>(page: &'a Answer, user: &str) -> &'a str {
    let buttons = page.text.split("name=\"user\" value=\"").skip(1);
    let named = |button: &&str| button.split("</button>").next().unwrap().split(['<', '>']).any(|text| text == user);
    let button = buttons.into_iter().find(named).unwrap_or_else(|| panic!("no {user}: {page:?}"));
    button.split('"').next().unwrap()
}

#[track_caller]
pub(crate) fn shows(answer: &Answer, status: u16, texts: &[&str]) {
    assert_eq!(answer.status.as_u16(), status, "{answer:?}");
    assert_eq!(answer.header("content-type"), "text/html; charset=utf-8");
    for text in texts {
        assert!(answer.text.contains(text), "{text:?} is not in {}", answer.text);
    }
}

#[track_caller]
pub(crate) fn goes_to(answer: &Answer, path: &str) {
    assert_eq!((answer.status.as_u16(), answer.header("location")), (303, path), "{answer:?}");
}

async fn a_browser_signs_in_and_out(world: World) {
    let mut browser = world.browser();
    let sent = browser.get(&format!("{ADVANCED}?a=b%26c")).await;
    goes_to(&sent, "/login?next=%2Fsettings%2Fworkspace%2Fadvanced%3Fa%3Db%2526c");
    let first = browser.cookies.clone();

    let answer = browser.sign_in(sent.header("location"), ADMIN_USER, &[]).await;
    goes_to(&answer, &format!("{ADVANCED}?a=b%26c"));
    let cookie = answer.header("set-cookie");
    assert!(cookie.starts_with("dapi_mock_3274=") && cookie.ends_with("; Path=/; HttpOnly; SameSite=Lax"), "{cookie}");
    assert_ne!(browser.cookies, first, "nobody may have laid the cookie there before");
    shows(&browser.get(ADVANCED).await, 200, &["Personal Access Tokens", ADMIN_USER, "2026-11-24 08:00 UTC"]);

    let signed_in = browser.cookies.clone();
    goes_to(&browser.submit("/logout", &[]).await, "/login");
    goes_to(&browser.get(ADVANCED).await, "/login?next=%2Fsettings%2Fworkspace%2Fadvanced");
    browser.cookies = signed_in;
    assert_eq!(browser.get(ADVANCED).await.status, 303, "a copy of the cookie has ended too");

    // No way out of here.
    for elsewhere in ["//evil.example.com/", "https://evil.example.com/", "/\\evil.example.com"] {
        let query: String = form_urlencoded::Serializer::new(String::new()).append_pair("next", elsewhere).finish();
        goes_to(&browser.sign_in(&format!("/login?{query}"), ADMIN_USER, &[]).await, "/");
    }
    let log = world.admin().own(Method::GET, "workspaces/default/audit?action=oidcBrowserLogin", &json!({})).await;
    assert_eq!(log.text.lines().count(), 4, "{log:?}");
}

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
    shows(&browser.submit_as(TOGGLE, &fields, &own, &[]).await, 403, &["too old"]);
    browser.cookies = cookies;
    assert_eq!(world.admin().get(CONF).await.json()["enableTokensConfig"], json!(null));
    goes_to(&browser.submit_as(TOGGLE, &fields, &own, &[]).await, ADVANCED);
    assert_eq!(world.admin().get(LIST).await.status, 404, "the form that was refused was a good one");
}

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
    // The page of one's tokens says what the API says.
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
    // Also who has no token: eva, zoe and the account admin.
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

async fn a_token_is_made_shown_once_and_revoked(world: World) {
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

async fn a_form_that_is_sent_again_makes_no_second_token(world: World) {
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
            &["already generated, and its value is shown only once", "data-label=\"Comment\"><bdi>laptop<"],
        );
        assert!(!again.text.contains(value) && !again.text.contains("readonly"), "{again:?}");
    }
    assert_eq!(world.client(value).own_ids().await.len(), 1);
    // The number is this browser's: another one's form of the same number is another form.
    let mut other = world.browser_of("eva@example.com").await;
    other.get(TOKENS).await;
    shows(&other.submit(TOKENS, &form("30")).await, 200, &["it will not be shown again"]);

    // Two clicks at once, through whichever process.
    let (id, cookie) = (world.workspace().await.id, PageCookie::parse(&browser.cookies["dapi_mock_3274"]).unwrap());
    let hash = cookie.form_hash("another");
    let (one, two) = tokio::join!(world.service.take_form(id, &hash), world.service.take_form(id, &hash));
    assert_ne!(one.unwrap(), two.unwrap());
    // It is remembered as long as a browser stays signed in.
    let kept = async || world.service.store().read().await.unwrap().find_page_session(&hash).await.unwrap().is_some();
    world.clock.advance(DAY_MS / 2 + 1);
    assert!(kept().await);
    world.browser_of("eva@example.com").await;
    assert!(!kept().await);
}

/// A comment may turn the direction of letters: it ends with the comment, on every page that shows it.
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
    assert_eq!(browser.get(ADVANCED).await.status, 303, "half a day is over");
    world.clock.advance(1);
    let cookie = PageCookie::parse(&browser.cookies["dapi_mock_3274"]).unwrap();
    let kept = async || world.service.store().read().await.unwrap().find_page_session(&cookie.hash()).await.unwrap();
    assert!(kept().await.is_some());
    world.browser_of(ADMIN_USER).await;
    assert_eq!(kept().await, None, "the next one clears it away");

    let eva = world.add_user("eva@example.com").await;
    let mut browser = world.browser_of("eva@example.com").await;
    assert_eq!(browser.get(TOKENS).await.status, 200);
    world.set_active(eva, false).await;
    assert_eq!(browser.get(TOKENS).await.status, 303);
    world.set_active(eva, true).await;
    assert_eq!(browser.get(TOKENS).await.status, 200);
}

async fn who_is_no_admin_is_told_so(world: World) {
    world.add_user("eva@example.com").await;
    let mut browser = world.browser_of("eva@example.com").await;
    // As the API does, the page shows everybody who may use tokens, but not whom a change would hit.
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
            shows(&answer, 403, &["This is not the control key."]);
            names_nobody(&answer);
            assert_eq!(browser.get(ADVANCED).await.status, 303);
        }
    }
    // The key, a search, and the choice, as without JavaScript.
    browser.get("/login").await;
    let people = browser.submit("/login", &[("control_key", "the key")]).await;
    shows(&people, 200, &[ADMIN_USER, ACCOUNT_ADMIN_USER, "<form class=\"search\" method=\"post\""]);
    let admission = field_of(&people, "admission").to_owned();
    let found = browser.submit("/login", &[("admission", &admission), ("q", "workspace admin")]).await;
    assert!(found.text.contains(ADMIN_USER) && !found.text.contains(ACCOUNT_ADMIN_USER), "{found:?}");
    // It is this browser's.
    let mut other = world.browser();
    other.get("/login").await;
    let stolen = other.submit("/login", &[("admission", &admission), ("user", &admin)]).await;
    shows(&stolen, 403, &["This is not the control key."]);
    goes_to(&browser.submit("/login", &[("admission", &admission), ("user", &admin)]).await, "/");
    assert_eq!(browser.get(ADVANCED).await.status, 200);
    // Whoever knows the user's id may say all at once.
    other.get("/login").await;
    goes_to(&other.submit("/login", &[("control_key", "the key"), ("user", &admin)]).await, "/");

    world.set_policy(SignInPolicy::Closed);
    shows(&world.browser().get("/login").await, 403, &["Sign-in is locked"]);
    world.set_policy(SignInPolicy::Open(None));
    let mut rebound = world.browser();
    "evil.example.com:3274".clone_into(&mut rebound.host);
    shows(&rebound.get("/login").await, 403, &["Host header"]);
}

async fn workspaces_and_the_account_are_signed_in_to_apart(world: World) {
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
    shows(&browser.get("/account-console/login?account=42").await, 404, &["no such account"]);
    let gone = world.anonymous().own(Method::DELETE, "workspaces/42", &json!({})).await;
    assert_eq!(gone.status, 200, "{gone:?}");
    assert_eq!(world.service.find_workspace(WorkspaceId(42)).await.unwrap(), None);
    assert_eq!(browser.get(ADVANCED).await.status, 303, "it went with its workspace");
}

async fn pages_have_no_way_in_for_scripts(world: World) {
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

async fn clients_are_answered_as_before(world: World) {
    world.anonymous().get("/").await.refused(401, 401, "Credential was not sent");
    world.admin().get("/").await.refused(404, "ENDPOINT_NOT_FOUND", "/");
    shows(&world.browser().get("/").await, 200, &["Welcome"]);
    world.anonymous().get("/settings/workspace").await.refused(401, 401, "Credential was not sent");
}
