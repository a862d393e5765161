//! Nothing changes by GET or HEAD: every such route of the emulated API, of the control API and of the pages is asked,
//! and the database and the journal are compared.

use std::collections::BTreeMap;

use axum::body::Body;
use axum::http::Method;
use dapi_mock::control::routes::ROUTES as CONTROL_ROUTES;
use dapi_mock::domain::tripwire::Reaction;
use dapi_mock::http::routes::ROUTES;
use dapi_mock::service::{ACCOUNT_ADMIN_USER, ADMIN_USER, FirstStart, JournalLimits};
use dapi_mock::store::Database;
use serde_json::{Value, json};
use sqlx::{Connection, Row};

use crate::support::{Backend, Browser, DAY_MS, World};

/// Every page; `pages_are_all_walked` holds it against the router's source.
pub(crate) const PAGES: [&str; 18] = [
    "/",
    "/login",
    "/account-console/login",
    "/settings/workspace/advanced",
    "/settings/workspace/advanced/permissions",
    "/settings/user/developer/access-tokens",
    "/account-console/security/token-report",
    "/account-console/security/token-report.csv",
    "/account-console/security/token-report/revoke",
    "/_mock",
    "/_mock/console",
    "/_mock/console/default",
    "/_mock/console/default/clock",
    "/_mock/console/default/requests",
    "/_mock/console/default/tokens",
    "/_mock/console/default/audit",
    "/_mock/console/default/faults",
    "/_mock/console/default/workspaces",
];

/// Parameters that might do something.
const QUERIES: [&str; 6] = ["", "?consume=true", "?limit=1", "?q=a", "?format=har", "?confirm=yes&by=1d"];

/// The rows of every table but the audit log, which records refusals and reads.
async fn dump(world: &World) -> BTreeMap<String, Vec<String>> {
    const MAY_GROW: [&str; 1] = ["audit_events"];
    let Database::SqliteFile(path) = world.database() else { panic!("a file") };
    let mut database = sqlx::SqliteConnection::connect(&format!("sqlite:{path}")).await.unwrap();
    let sql = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'";
    let tables: Vec<String> = sqlx::query_scalar(sql).fetch_all(&mut database).await.unwrap();
    let mut dump = BTreeMap::new();
    for table in tables.iter().filter(|table| !MAY_GROW.contains(&table.as_str())) {
        let columns = sqlx::query(sqlx::AssertSqlSafe(format!("PRAGMA table_info({table})")));
        let columns = columns.fetch_all(&mut database).await.unwrap();
        let columns: Vec<String> =
            columns.iter().map(|column| format!("quote({})", column.get::<String, _>("name"))).collect();
        let rows = format!("SELECT {} FROM {table}", columns.join(" || ',' || "));
        let mut rows: Vec<String> =
            sqlx::query_scalar(sqlx::AssertSqlSafe(rows)).fetch_all(&mut database).await.unwrap();
        rows.sort();
        dump.insert(table.clone(), rows);
    }
    database.close().await.unwrap();
    dump
}

#[track_caller]
fn unchanged(before: &BTreeMap<String, Vec<String>>, after: &BTreeMap<String, Vec<String>>, by: &str) {
    for (table, rows) in before {
        assert_eq!(rows, &after[table], "{table} changed by {by}");
    }
}

/// The entries of the journal, without those of the test's own requests.
async fn kept(world: &World) -> Vec<u64> {
    let answer = world.admin().own(Method::GET, "workspaces/default/requests", &json!({})).await.json();
    answer["requests"].as_array().unwrap().iter().map(|row| row["number"].as_u64().unwrap()).collect()
}

#[tokio::test]
async fn nothing_changes_by_get_or_head() {
    let mut world = World::new(Backend::File).await;
    // Large enough for all that is asked here.
    world.watch(JournalLimits { requests: 100_000, bytes: 1 << 30 }, Reaction::Off);
    let account = FirstStart::default().account.to_string();
    let (user, token) = world.user_with_token("alice@example.com").await;
    let (_, token_id) = world.admin().create(&json!({"comment": "read me"})).await;
    // Tokens that have expired but were not swept yet; a read must not sweep them.
    world.mint(user, |token| token.expiry_time = Some(token.creation_time.plus(-1))).await;
    world.mint(user, |token| token.creation_time = token.creation_time.plus(-91 * DAY_MS)).await;
    let fault = json!({"name": "throttled", "match": {"path": "/nowhere"}});
    let fault = world.admin().own(Method::POST, "workspaces/default/faults", &fault).await.json();
    assert_eq!(
        world.admin().own(Method::PUT, "workspaces/default/checkpoints/one", &json!({})).await.status.as_u16() / 100,
        2
    );
    let request_id = world.client(&token).get("/api/2.0/token/list").await.header("x-request-id").to_owned();
    let oauth = world.account_oauth().await;
    let mut browser = world.browser_of(ADMIN_USER).await;
    browser.sign_in("/account-console/login", ACCOUNT_ADMIN_USER, &[]).await;
    let fill = |path: &str| {
        let mut path = path.to_owned();
        for (name, value) in [
            ("{account_id}", account.as_str()),
            ("{account}", &account),
            ("{workspace}", "default"),
            ("{workspace_id}", "3274327432743274"),
            ("{token_id}", &token_id),
            ("{sp_id}", "1"),
            ("{request_id}", &request_id),
            ("{name}", "one"),
        ] {
            path = path.replace(name, value);
        }
        let id = if path.contains("/faults/") { fault["id"].to_string() } else { user.to_string() };
        path = path.replace("{id}", &id);
        assert!(!path.contains('{'), "{path}: replace its parameter above");
        path
    };
    let mut paths: Vec<String> = ROUTES.iter().filter(|it| it.method == Method::GET).map(|it| fill(it.path)).collect();
    let control = CONTROL_ROUTES.iter().filter(|it| it.method == Method::GET);
    paths.extend(control.map(|it| format!("/_mock{}", fill(it.path))));
    // The use of each credential is recorded once a second, and an account's signing key is made when it is first
    // needed: both are done before.
    for token in [&token, &oauth] {
        world.client(token).get("/api/2.0/token/list").await;
    }
    world.admin().get("/api/2.0/token/list").await;
    world.anonymous().get("/oidc/jwks.json").await;
    walk_pages(&mut browser).await;

    let (before, requests) = (dump(&world).await, kept(&world).await);
    let mut answered = 0;
    for path in &paths {
        for query in QUERIES {
            for method in [Method::GET, Method::HEAD] {
                for client in [world.admin(), world.client(&token), world.client(&oauth), world.anonymous()] {
                    let answer = client.call(method.clone(), &format!("{path}{query}"), Body::empty()).await;
                    assert!(answer.status.as_u16() < 500, "{path}{query}: {answer:?}");
                    answered += usize::from(answer.status == 200);
                }
            }
        }
        unchanged(&before, &dump(&world).await, path);
    }
    assert!(answered > paths.len() * 6, "most routes answer with content: {answered} of {}", paths.len());
    walk_pages(&mut browser).await;
    unchanged(&before, &dump(&world).await, "a page");
    let after = kept(&world).await;
    let oldest = after[0];
    let expected: Vec<u64> = requests.into_iter().filter(|number| *number >= oldest).collect();
    assert_eq!(after[..expected.len()], expected, "the journal keeps its entries");
}

async fn walk_pages(browser: &mut Browser<'_>) {
    for page in PAGES {
        for query in QUERIES {
            let answer = browser.get(&format!("{page}{query}")).await;
            assert!(answer.status.as_u16() < 500, "{page}: {answer:?}");
        }
    }
}

/// A new page must be added to `PAGES`.
#[test]
fn pages_are_all_walked() {
    let console = include_str!("../../src/pages/console/mod.rs");
    let own: Vec<&str> = console
        .lines()
        .filter_map(|line| line.trim().strip_prefix(".route(\""))
        .filter(|line| line.contains("get("))
        .filter_map(|line| line.split('"').next())
        .collect();
    assert!(own.len() > 8);
    for path in own {
        let path = path.replace("{workspace}", "default");
        let path = path.replace("/{request_id}", "");
        assert!(PAGES.contains(&path.trim_end_matches('/')), "{path}");
    }
    let router = include_str!("../../src/pages/mod.rs");
    assert_eq!(router.matches("get(").count(), 10, "add the new page to PAGES");
}

#[tokio::test]
async fn a_page_at_another_port_of_this_machine_changes_and_reads_nothing() {
    let world = World::new(Backend::Memory).await;
    world.admin().get("/api/2.0/token/list").await;
    let sent = async |method: Method, path: &str, headers: &[(&str, &str)]| {
        let mut request = world.admin().request(&method, path).header("content-type", "application/json");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        world.send(request.body(Body::from("{}")).unwrap()).await
    };
    for headers in [
        &[("sec-fetch-site", "same-site")][..],
        &[("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")],
        &[("origin", "http://127.0.0.1:9999"), ("sec-fetch-site", "same-site")],
        &[("origin", "null")],
        &[("referer", "http://127.0.0.1:9999/page")],
        &[("upgrade", "websocket"), ("connection", "upgrade"), ("origin", "http://localhost:9999")],
    ] {
        for route in CONTROL_ROUTES {
            let mut path = format!("/_mock{}", route.path.replace("{workspace}", "default"));
            for name in ["{account}", "{name}", "{id}", "{request_id}"] {
                path = path.replace(name, "1");
            }
            let answer = sent(route.method.clone(), &path, headers).await;
            assert_eq!(answer.status, 403, "{} {path} {headers:?}: {answer:?}", route.method);
        }
    }
    for page in PAGES {
        let answer = sent(Method::GET, page, &[("sec-fetch-site", "same-site"), ("accept", "text/html")]).await;
        assert!(page == "/" || answer.status == 403, "{page}: {answer:?}");
    }
    let rows: Value = world.admin().own(Method::GET, "workspaces/default/requests", &json!({})).await.json();
    assert_eq!(rows["requests"].as_array().unwrap().len(), 1);
}
