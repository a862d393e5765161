//! *Account console → Security → Token report* as a browser without JavaScript uses it (R18–R25).

use std::collections::BTreeSet;

use axum::http::Method;
use dapi_mock::domain::{Workspace, WorkspaceId};
use dapi_mock::service::{ACCOUNT_ADMIN_USER, ADMIN_USER};
use serde_json::{Value, json};

use crate::support::{
    ADMIN_TOKEN, Answer, ELSEWHERE, ME, START, World, account, goes_to, on_every_store, records, report_path, shows,
};

on_every_store!(
    the_report_is_for_account_admins_only,
    filters_hold_together_and_links_keep_them,
    what_the_api_refuses_is_shown_and_kept_in_the_form,
    each_page_load_is_one_query,
    columns_sort_and_pages_lead_both_ways,
    the_export_has_the_filtered_rows,
    tokens_are_revoked_after_a_question,
    many_are_counted_and_the_missing_named,
    forms_from_elsewhere_revoke_nothing,
    hostile_texts_stay_texts,
);

const REPORT: &str = "/account-console/security/token-report";
const EXPORT: &str = "/account-console/security/token-report.csv";
const REVOKE: &str = "/account-console/security/token-report/revoke";
const LOGIN: &str = "/account-console/login";

/// The tokens on a page, in its order, as its check boxes name them.
fn tokens(page: &Answer) -> Vec<String> {
    let boxes = page.text.split("name=\"token\" value=\"").skip(1);
    boxes.map(|rest| rest.split('"').next().unwrap().to_owned()).collect()
}

/// The address of the link after this text.
fn link(page: &Answer, start: &str) -> Option<String> {
    let (_, rest) = page.text.split_once(&format!("{start} href=\""))?;
    Some(rest.split('"').next().unwrap().replace("&amp;", "&"))
}

/// A column head's link.
#[track_caller]
fn sorts(page: &Answer, column: &str) -> String {
    let heads = page.text.split("<th scope=\"col\"").skip(1);
    let head =
        heads.into_iter().find(|head| head.contains(&format!("\">{column}"))).unwrap_or_else(|| panic!("{page:?}"));
    head.split("href=\"").nth(1).unwrap().split('"').next().unwrap().replace("&amp;", "&")
}

fn comments(page: &Answer) -> BTreeSet<&str> {
    let cells = page.text.split("<td data-label=\"Comment\">").skip(1);
    cells.map(|cell| cell.trim_start_matches("<bdi>").split('<').next().unwrap()).collect()
}

/// A button of the report with its count.
fn button(name: &str, pressed: bool, text: &str, count: usize) -> String {
    let value = if pressed { "" } else { "true" };
    format!(
        "<button name=\"{name}\" value=\"{value}\" aria-pressed=\"{pressed}\">{text} <span class=\"count\">{count}</span>"
    )
}

fn inactive(pressed: bool, count: usize) -> String {
    button("inactive_principals", pressed, "Tokens of inactive principals", count)
}

fn unlimited(pressed: bool, count: usize) -> String {
    button("no_expiry", pressed, "Tokens with no expiration date", count)
}

async fn the_report_is_for_account_admins_only(world: World) {
    let mut browser = world.browser();
    let sent = browser.get(&format!("{REPORT}?no_expiry=true")).await;
    goes_to(&sent, &format!("{LOGIN}?next=%2Faccount-console%2Fsecurity%2Ftoken-report%3Fno_expiry%3Dtrue"));
    let back = browser.sign_in(sent.header("location"), ACCOUNT_ADMIN_USER, &[]).await;
    goes_to(&back, &format!("{REPORT}?no_expiry=true"));
    let page = browser.get(REPORT).await;
    let way = "<span class=\"soft\">Security</span><a href=\"/account-console/security/token-report\" aria-current=\"page\">\
               Token report</a>";
    shows(&page, 200, &["<h1>Token report</h1>", way, &account(), "1 token<"]);
    let chosen = tokens(&page);

    // A workspace admin is not an account admin, and a session of the workspace is not one of the account.
    let mut other = world.console_of(ADMIN_USER).await;
    let before = world.report_statistics().await;
    for path in [REPORT, EXPORT, &format!("{REPORT}?sort=owner")] {
        shows(&other.get(path).await, 403, &["role=\"alert\"", "without account admin status."]);
    }
    for fields in [vec![("token", chosen[0].as_str())], vec![("token", chosen[0].as_str()), ("confirm", "yes")]] {
        shows(&other.submit(REVOKE, &fields).await, 403, &["without account admin status."]);
    }
    let mut workspace = world.browser_of(ACCOUNT_ADMIN_USER).await;
    assert_eq!(workspace.get(REPORT).await.status, 303);
    assert_eq!(world.report_statistics().await, before, "a refused request queries nothing");
    assert_eq!(world.admin().get(ME).await.status, 200);
}

async fn filters_hold_together_and_links_keep_them(world: World) {
    world.fill_report().await;
    let mut browser = world.console_of(ACCOUNT_ADMIN_USER).await;
    let page = browser.get(REPORT).await;
    shows(&page, 200, &["5 tokens", &inactive(false, 2), &unlimited(false, 2), "workspace 77"]);
    shows(&page, 200, &["service principal", "long-lived", ">inactive<", "sql, files", ">2026-11-21</time>"]);

    let page = browser.get(&format!("{REPORT}?inactive_principals=true")).await;
    shows(&page, 200, &["2 tokens", &inactive(true, 2), &unlimited(false, 1)]);
    assert_eq!(comments(&page), BTreeSet::from(["eva forever", "eva old"]));
    let page = browser.get(&format!("{REPORT}?inactive_principals=true&no_expiry=true")).await;
    shows(&page, 200, &["1 token<", &inactive(true, 1), &unlimited(true, 1)]);
    // A pressed button sends the old value, then the new one.
    let sent = browser.get(&format!("{REPORT}?owner=&inactive_principals=true&no_expiry=true&no_expiry=")).await;
    goes_to(&sent, &format!("{REPORT}?inactive_principals=true"));

    let only = [
        ("owner=EVA%40example.com", BTreeSet::from(["eva forever", "eva old"])),
        ("created_to=2026-10-05", BTreeSet::from(["eva old"])),
        ("created_from=2026-10-06&no_expiry=true", BTreeSet::from(["eva forever", "robot forever"])),
        ("expires_from=2026-12-04&expires_to=2026-12-04", BTreeSet::from(["eva old"])),
        ("last_used_from=2026-11-21&last_used_to=2026-11-21", BTreeSet::from(["robot forever"])),
        ("last_used_from=2026-11-22&no_expiry=true", BTreeSet::new()),
        ("workspace_id=77&no_expiry=true", BTreeSet::new()),
    ];
    for (query, expected) in only {
        let page = browser.get(&format!("{REPORT}?{query}")).await;
        assert_eq!(comments(&page), expected, "{query}");
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            let typed = format!("name=\"{name}\" type=\"date\" value=\"{value}\"");
            let kept =
                [typed, format!("name=\"{name}\" value=\"{value}\""), format!("<option value=\"{value}\" selected>")];
            assert!(kept.iter().any(|kept| page.text.contains(kept)), "{name}={value} is not in {}", page.text);
        }
        assert!(page.text.contains(&format!("href=\"{REPORT}\">Clear</a>")), "{query}");
    }
    shows(&browser.get(&format!("{REPORT}?owner=nobody")).await, 200, &["0 tokens", "No tokens match."]);
}

async fn what_the_api_refuses_is_shown_and_kept_in_the_form(world: World) {
    let mut browser = world.console_of(ACCOUNT_ADMIN_USER).await;
    let asked = world.report_statistics().await;
    for (query, says, kept) in [
        (
            "created_from=yesterday&owner=eva",
            "created_from: invalid time &#39;yesterday&#39;",
            "type=\"text\" value=\"yesterday\"",
        ),
        ("expires_to=2026-02-30", "expires_to: ", "type=\"text\" value=\"2026-02-30\""),
        ("workspace_id=x&owner=eva", "workspace_id: ", "<option value=\"x\" selected>"),
        ("limit=1001", "invalid limit 1001: use 1 to 1000", "<option value=\"1001\" selected>"),
        ("sort=colour", "sort: ", "name=\"sort\" value=\"colour\""),
        ("no_expiry=yes", "no_expiry", "name=\"no_expiry\" value=\"yes\""),
        ("page_token=abc", "page_token", "name=\"owner\""),
    ] {
        let page = browser.get(&format!("{REPORT}?{query}")).await;
        shows(&page, 400, &["role=\"alert\"", &says.replace("&#39;", "'"), kept]);
        assert!(!query.contains("owner=eva") || page.text.contains("name=\"owner\" value=\"eva\""), "{query}");
        assert_eq!(tokens(&page), Vec::<String>::new());
    }
    shows(&browser.get(&format!("{EXPORT}?created_from=soon")).await, 400, &["role=\"alert\"", "created_from"]);
    assert_eq!(world.report_statistics().await, asked, "a refused request queries nothing");
}

/// R19: also with the counts of both buttons.
async fn each_page_load_is_one_query(world: World) {
    world.fill_report().await;
    let mut browser = world.console_of(ACCOUNT_ADMIN_USER).await;
    assert_eq!(world.report_statistics().await.0, 0, "signing in queries nothing");
    browser.get("/account-console/login").await;
    for (n, query) in
        ["", "?no_expiry=true", "?no_expiry=true&inactive_principals=true", "?sort=owner"].iter().enumerate()
    {
        assert_eq!(browser.get(&format!("{REPORT}{query}")).await.status, 200);
        assert_eq!(world.report_statistics().await.0, n as u64 + 1, "{query}");
    }
    assert_eq!(browser.get(&format!("{REPORT}?owner=")).await.status, 303);
    assert_eq!(world.report_statistics().await.0, 4, "the redirect to the short address queries nothing");
    browser.get(EXPORT).await;
    assert_eq!(world.report_statistics().await.0, 5);
}

async fn columns_sort_and_pages_lead_both_ways(world: World) {
    world.fill_report().await;
    let admin = world.admin_id().await;
    for n in 0..4 {
        world.mint(admin, |token| token.creation_time = START.plus(n * 1000 - 9000)).await;
    }
    let mut browser = world.console_of(ACCOUNT_ADMIN_USER).await;
    let first = browser.get(&format!("{REPORT}?limit=2")).await;
    shows(
        &first,
        200,
        &[
            "aria-sort=\"ascending\"><a href=\"/account-console/security/token-report?limit=2&amp;sort=created&amp;order=desc\">Created",
        ],
    );
    for column in ["Owner", "Workspace", "Created", "Expires", "Last used"] {
        let once = sorts(&first, column);
        let twice = sorts(&browser.get(&once).await, column);
        for start in [once, twice] {
            let mut page = browser.get(&start).await;
            assert!(link(&page, "rel=\"prev\"").is_none() && !page.text.contains("First page"), "{start}");
            let query = start.split_once('?').unwrap().1.replace("limit=2&", "");
            let expected: Vec<String> = reported(&world.report(&format!("?limit=1000&{query}")).await);
            let (mut pages, mut found, mut first_page) = (vec![tokens(&page)], tokens(&page), start.clone());
            while let Some(next) = link(&page, "rel=\"next\"") {
                page = browser.get(&next).await;
                found.extend(tokens(&page));
                pages.push(tokens(&page));
                let (before, _) = page.text.split_once("\">First page").unwrap();
                first_page = before.rsplit("href=\"").next().unwrap().replace("&amp;", "&");
            }
            assert_eq!(found, expected, "{start}");
            assert_eq!(tokens(&browser.get(&first_page).await), pages[0], "{start}");
            while let Some(previous) = link(&page, "rel=\"prev\"") {
                pages.pop();
                page = browser.get(&previous).await;
                assert_eq!(tokens(&page), *pages.last().unwrap(), "{start}");
            }
            assert_eq!(pages.len(), 1, "{start}");
        }
    }
}

/// The rows of the control API as the page's check boxes name them.
fn reported(report: &Value) -> Vec<String> {
    let name = |row: &Value| format!("{}/{}", row["workspace_id"], row["token_id"].as_str().unwrap());
    report["tokens"].as_array().unwrap().iter().map(name).collect()
}

async fn the_export_has_the_filtered_rows(world: World) {
    world.fill_report().await;
    let mut browser = world.console_of(ACCOUNT_ADMIN_USER).await;
    let page = browser.get(&format!("{REPORT}?inactive_principals=true&sort=expires&order=desc&limit=1")).await;
    let export =
        page.text.split(&format!("{EXPORT}?")).nth(1).unwrap().split('"').next().unwrap().replace("&amp;", "&");
    assert_eq!(export, "inactive_principals=true&sort=expires&order=desc");
    let answer = browser.get(&format!("{EXPORT}?{export}")).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-disposition"), "attachment; filename=\"token-report-2026-11-24.csv\"");
    assert_eq!(answer.header("content-type"), "text/csv; charset=utf-8; header=present");
    assert_eq!((answer.header("cache-control"), answer.header("x-content-type-options")), ("no-store", "nosniff"));
    let rows = records(&answer.text);
    let found: Vec<&str> = rows.iter().map(|row| row["comment"].as_str()).collect();
    assert_eq!(found, ["eva forever", "eva old"]);
    assert_eq!(records(&browser.get(EXPORT).await.text).len(), 5);
}

async fn tokens_are_revoked_after_a_question(world: World) {
    world.fill_report().await;
    let mut browser = world.console_of(ACCOUNT_ADMIN_USER).await;
    let filter = "?sort=owner&limit=100";
    let page = browser.get(&format!("{REPORT}{filter}")).await;
    let action = format!("{REVOKE}{filter}");
    assert!(page.text.contains(&format!("method=\"post\" action=\"{}\"", action.replace('&', "&amp;"))), "{page:?}");
    let all = tokens(&page);
    assert_eq!(all.len(), 5);
    shows(&browser.submit(&action, &[]).await, 400, &["role=\"alert\"", "Select 1 to 1000 tokens", "5 tokens"]);
    let odd = browser.submit(&action, &[("token", "nonsense")]).await;
    shows(&odd, 400, &["role=\"alert\"", "invalid workspace id"]);

    let fields: Vec<(&str, &str)> = all.iter().map(|token| ("token", token.as_str())).collect();
    let question = browser.submit(&action, &fields).await;
    shows(
        &question,
        200,
        &["Revoke 5 tokens?", "eva@example.com", "eva forever", "workspace 77", "admin@77.example.com"],
    );
    for token in &all {
        assert!(question.text.contains(&format!("type=\"hidden\" name=\"token\" value=\"{token}\"")), "{question:?}");
    }
    for value in [ADMIN_TOKEN, ELSEWHERE] {
        assert_eq!(world.client(value).get(ME).await.status, 200, "nothing happened yet");
    }
    // Reloading the question leads back to the report.
    goes_to(&browser.get(&action).await, &format!("{REPORT}{filter}"));

    let confirmed = [&fields[..], &[("confirm", "yes")]].concat();
    let done = browser.submit(&action, &confirmed).await;
    goes_to(&done, &format!("{REPORT}{filter}&revoked=5"));
    let told = browser.get(done.header("location")).await;
    shows(&told, 200, &["role=\"status\"", "5 tokens revoked.", "0 tokens"]);
    assert!(!told.text.contains("&amp;revoked="), "no link says it again");
    for value in [ADMIN_TOKEN, ELSEWHERE] {
        world.client(value).get(ME).await.refused(403, 403, "Invalid access token.");
    }
    let path = "workspaces/77/audit?action=revokeDbToken";
    let log = world.anonymous().own(Method::GET, path, &json!({})).await;
    assert!(log.text.contains(ACCOUNT_ADMIN_USER), "{log:?}");
    let gone = browser.submit(&action, &fields).await;
    shows(&gone, 404, &["role=\"alert\"", "None of the selected tokens exists any more."]);
}

async fn many_are_counted_and_the_missing_named(world: World) {
    let eva = world.add_user("eva@example.com").await;
    for n in 0..60 {
        world.mint(eva, |token| token.comment = format!("number {n}.")).await;
    }
    let mut browser = world.console_of(ACCOUNT_ADMIN_USER).await;
    let page = browser.get(&format!("{REPORT}?owner=eva%40example.com&limit=100")).await;
    let all = tokens(&page);
    let fields: Vec<(&str, &str)> = all.iter().map(|token| ("token", token.as_str())).collect();
    let question = browser.submit(REVOKE, &fields).await;
    shows(&question, 200, &["Revoke 60 tokens?", "And 10 more."]);
    assert_eq!(question.text.matches("<td><bdi>number ").count(), 50);
    // Two of them are revoked in between.
    for token in &all[..2] {
        let (workspace, id) = token.split_once('/').unwrap();
        let body = json!({"tokens": [{"workspace_id": workspace, "token_id": id}]});
        let admin = world.account_oauth().await;
        world.client(&admin).own(Method::POST, &report_path("/revoke"), &body).await;
    }
    let question = browser.submit(REVOKE, &fields).await;
    shows(&question, 200, &["Revoke 58 tokens?", "2 of the selected tokens no longer exist."]);
    let confirmed = [&fields[..], &[("confirm", "yes")]].concat();
    let told = browser.submit(REVOKE, &confirmed).await;
    shows(&told, 200, &["58 tokens revoked", "2 tokens could not be revoked", "revoked in the meantime", REPORT]);
    for token in &all[..2] {
        assert!(told.text.contains(token.split_once('/').unwrap().1), "{told:?}");
    }
    shows(&browser.get(&format!("{REPORT}?owner=eva%40example.com")).await, 200, &["0 tokens"]);
}

async fn forms_from_elsewhere_revoke_nothing(world: World) {
    let mut browser = world.console_of(ACCOUNT_ADMIN_USER).await;
    let mut other = world.console_of(ACCOUNT_ADMIN_USER).await;
    let token = tokens(&browser.get(REPORT).await).remove(0);
    other.get(REPORT).await;
    let (own, others) = (browser.form_token.clone(), other.form_token.clone());
    let fields = [("token", token.as_str()), ("confirm", "yes")];
    for (form_token, headers) in [
        ("", vec![]),
        (others.as_str(), vec![]),
        (own.as_str(), vec![("origin", "http://evil.example.com")]),
        (own.as_str(), vec![("sec-fetch-site", "cross-site")]),
    ] {
        shows(&browser.submit_as(REVOKE, &fields, form_token, &headers).await, 403, &["role=\"alert\""]);
    }
    assert_eq!(world.admin().get(ME).await.status, 200);
    goes_to(&browser.submit_as(REVOKE, &fields, &own, &[]).await, &format!("{REPORT}?revoked=1"));
    assert_eq!(world.admin().get(ME).await.status, 403, "the refused form was valid otherwise");
}

async fn hostile_texts_stay_texts(world: World) {
    const HOSTILE: &str = "\"><script>alert(1)</script><img src=x onerror=alert(2)>";
    let owner = world.add_user(&format!("{HOSTILE}@example.com")).await;
    world.mint(owner, |token| (token.comment, token.scopes) = (HOSTILE.into(), Some(vec![HOSTILE.into()]))).await;
    let named = Workspace { id: WorkspaceId(79), name: HOSTILE.into(), is_default: false, ..world.workspace().await };
    let mut writer = world.service.store().write(dapi_mock::store::Lock::Database).await.unwrap();
    writer.insert_workspace(&named).await.unwrap();
    writer.commit().await.unwrap();
    world.mint(owner, |token| (token.workspace, token.comment) = (named.id, HOSTILE.into())).await;
    let mut browser = world.console_of(ACCOUNT_ADMIN_USER).await;
    let query: String = form_urlencoded::byte_serialize(HOSTILE.as_bytes()).collect();
    let page = browser.get(REPORT).await;
    let fields: Vec<String> = tokens(&page);
    let fields: Vec<(&str, &str)> = fields.iter().map(|token| ("token", token.as_str())).collect();
    let mut pages = vec![page, browser.submit(REVOKE, &fields).await];
    for name in
        ["owner", "workspace_id", "created_from", "sort", "order", "limit", "no_expiry", "page_token", "revoked"]
    {
        pages.push(browser.get(&format!("{REPORT}?{name}={query}")).await);
        pages.push(browser.get(&format!("{EXPORT}?{name}={query}")).await);
    }
    let gone = format!("79/{HOSTILE}");
    pages.push(browser.submit(REVOKE, &[&fields[..1], &[("token", gone.as_str()), ("confirm", "")]].concat()).await);
    assert!(pages.iter().filter(|page| page.text.contains("&lt;script&gt;")).count() >= 10);
    for page in pages {
        let is_page = page.header("content-type").starts_with("text/html");
        assert!(!is_page || !(page.text.contains("<script>") || page.text.contains("<img")), "{page:?}");
        assert!(page.status.as_u16() < 500, "{page:?}");
    }
}
