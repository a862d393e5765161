//! Every route of both APIs and every page is asked, and held to its limit.

use std::time::Duration;

use axum::http::Method;
use dapi_mock::control::route::Who;
use dapi_mock::control::routes::ROUTES as CONTROL_ROUTES;
use dapi_mock::domain::PrincipalId;
use dapi_mock::domain::identities::PrincipalKind;
use dapi_mock::http::routes::ROUTES;
use dapi_mock::service::{ACCOUNT_ADMIN_USER, ADMIN_USER};
use dapi_mock::store::{Limits, Lock};
use serde_json::json;
use tokio::time::timeout;

use super::HANGS;
use super::cost::{FOR_ALL, FOR_COUNT, FOR_GROUP, FOR_ONE, FOR_TOKENS, Judge, ask, work};
use super::filled::{FIRST_USER, fill, run};
use super::requests::{CODE_REQUEST, follow_up, limit, request};
use crate::reads::PAGES;
use crate::support::{ADMIN_TOKEN, Backend, START, World, fresh_postgres_database};

const LONELY_TOKEN: &str = "dapi00000000000000000000000000000007";

/// These operations copy or change the whole world on purpose.
const COPY_OR_END_A_WORLD: [&str; 8] = [
    "workspaces.fork",
    "workspaces.reset",
    "workspaces.delete",
    "checkpoints.put",
    "seed.export",
    "clock.set",
    "clock.advance",
    "accountClock.advance",
];

/// Operations that this server without ports and certificates refuses. Even the refusal has a limit.
const REFUSED: [&str; 4] = ["accountPort.close", "accountPort.get", "accountPort.open", "tls.ca"];

async fn read_lists(world: &World, judge: &mut Judge) {
    let tokens = "/api/2.0/token-management/tokens";
    let scim = "/api/2.0/preview/scim/v2";
    for (path, limit) in [
        (format!("{tokens}?created_by_id=1000007"), FOR_ONE),
        (format!("{tokens}?created_by_username=user7@scale.example"), FOR_ONE),
        (format!("{scim}/Users?filter=userName+eq+%22user7@scale.example%22"), FOR_ONE),
        (format!("{scim}/Groups?filter=displayName+eq+%22group+7%22&count=10"), FOR_GROUP),
        // All names are looked through.
        (format!("{scim}/Users?filter=displayName+co+%22r+77%22&count=10"), FOR_ALL),
        (format!("{scim}/Users?sortBy=userName&sortOrder=descending&count=10"), FOR_ALL),
        ("/oidc/v1/authorize?q=nobody".to_owned() + &CODE_REQUEST.replace('?', "&"), FOR_ALL),
        (format!("{scim}/Users"), FOR_ALL),
        ("/_mock/v1/workspaces/default/tokens?owner_id=1000007".to_owned(), FOR_ONE),
        // A known exception: tokens of deleted owners have an owner's name, too, so the name is compared with each token's.
        ("/_mock/v1/workspaces/default/tokens?owner=user7@scale.example".to_owned(), FOR_ALL),
        ("/_mock/v1/workspaces/default/tokens?token_id=live8".to_owned(), FOR_ONE),
    ] {
        let (answer, cost) = ask(world, world.admin(), &Method::GET, &path, &json!({})).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text);
        judge.judge(&path, &path, &answer, cost, limit);
    }
    // Another workspace of the account, with hardly any members.
    world.add_second_workspace(7, START, LONELY_TOKEN).await;
    for list in ["Users", "Groups", "ServicePrincipals"] {
        let path = format!("{scim}/{list}?count=10");
        let (answer, cost) = ask(world, world.client(LONELY_TOKEN), &Method::GET, &path, &json!({})).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text);
        assert!(answer.json()["totalResults"].as_i64().unwrap() <= 2, "{}", answer.text);
        judge.judge(&path, &format!("almost alone {path}"), &answer, cost, FOR_ALL);
    }
}

async fn read_pages(world: &World, judge: &mut Judge) {
    let mut browser = world.browser_of(ADMIN_USER).await;
    browser.sign_in("/account-console/login", ACCOUNT_ADMIN_USER, &[]).await;
    for page in PAGES {
        world.permit_users(true).await;
        let before = work(world).await;
        let answer = timeout(HANGS, browser.get(page)).await.unwrap_or_else(|_| panic!("{page} hangs"));
        let limit = match page {
            // The report is one of all tokens, and so is the list.
            page if page.contains("token-report") || page.ends_with("/tokens") => FOR_ALL,
            // Users to choose from come with their number, and groups with their members.
            page if page.ends_with("/permissions") => FOR_COUNT,
            page if page.contains("/console") => FOR_TOKENS,
            _ => FOR_ONE,
        };
        judge.judge(page, &format!("page {page}"), &answer, work(world).await - before, limit);
    }
}

async fn no_request_reads_more_than_it_answers_or_changes(world: World) {
    let workspace = world.workspace().await;
    let fault = json!({"match": {"path": "/api/2.0/nowhere"}, "effect": {"status": 429}});
    let mut judge = Judge::of(&world);
    let plain = world.mint(PrincipalId(FIRST_USER + 4), |_| {}).await;
    let oauth = world.account_oauth().await;
    let callers = [("plain", plain.as_str()), ("admin", ADMIN_TOKEN), ("oauth", &oauth)];
    let mut number = 60;

    read_lists(&world, &mut judge).await;
    read_pages(&world, &mut judge).await;

    let checkpoint = "INSERT INTO checkpoints (workspace_id, checkpoint_name, created_at, has_account)";
    run(
        &world,
        &format!("{checkpoint} SELECT workspace_id, 'one', 0, NOT is_default FROM workspaces WHERE is_default"),
    )
    .await;
    for route in CONTROL_ROUTES.iter().filter(|it| !COPY_OR_END_A_WORLD.contains(&it.operation)) {
        // Routes before it may have emptied the journal, and cleared the faults.
        let listed = world.client(&plain).get("/api/2.0/token/list").await;
        let armed = world.admin().own(Method::POST, "workspaces/default/faults", &fault).await.json();
        let path = route
            .path
            .replace("{workspace}", "default")
            .replace("{account}", &workspace.account.to_string())
            .replace("{request_id}", listed.header("x-request-id"))
            .replace("{name}", "one")
            .replace("{id}", &armed["id"].to_string());
        let body = match route.operation {
            "whatIf.ask" => {
                json!({"access_control_list": [{"group_name": "group7@scale.example", "permission_level": "CAN_USE"}]})
            }
            "explain.imagine" => {
                json!({"as": "user7@scale.example", "method": "POST", "path": "/api/2.0/token/create"})
            }
            "audit.expect" => json!({"action": "oidcBrowserLogin"}),
            "faults.arm" => fault.clone(),
            "requests.verify" => json!({"match": {"path": "/api/2.0/token/list"}}),
            "tokenReport.revoke" => json!({"tokens": [{"workspace_id": workspace.id.0, "token_id": "live6"}]}),
            "conf.change" => json!({"maxTokenLifetimeDays": "90"}),
            "workspaces.create" => json!({"name": "another"}),
            _ => json!({}),
        };
        let client = world.client(if route.who == Who::AccountAdmin { &oauth } else { ADMIN_TOKEN });
        let (answer, cost) = ask(&world, client, &route.method, &format!("/_mock{path}"), &body).await;
        let limit = match route.operation {
            "tokens.list" | "whatIf.ask" => FOR_ALL,
            operation if operation.starts_with("tokenReport.") => FOR_ALL,
            operation if operation.starts_with("workspaces.") || operation == "clock.upcoming" => FOR_TOKENS,
            _ => FOR_ONE,
        };
        judge.judge(route.operation, &format!("{} /_mock{path}", route.method), &answer, cost, limit);
    }

    let mut routes: Vec<_> = ROUTES.iter().collect();
    routes.sort_by_key(|route| route.method == Method::DELETE || route.path.ends_with("/token/delete"));
    for route in routes {
        for (who, token) in callers {
            number += 1;
            let robot = if route.path.to_lowercase().contains("/serviceprincipals/{") {
                let name = format!("00000000-0000-4000-8000-{number:012}");
                world.add_principal(PrincipalKind::ServicePrincipal, &name).await
            } else {
                PrincipalId(0)
            };
            let (mut path, mut body) = request(&route.method, route.path, &workspace, number, robot);
            follow_up(&world, route.operation, &mut path, &mut body, robot).await;
            // At the OAuth endpoints a client has no token yet.
            let client = if route.path.starts_with("/oidc/") { world.anonymous() } else { world.client(token) };
            let (answer, cost) = ask(&world, client, &route.method, &path, &body).await;
            let limit = limit(&route.method, route.path);
            judge.judge(route.operation, &format!("{who} {} {path}", route.method), &answer, cost, limit);
        }
    }
    // Removes the permission of the group `users`, and so suspends the tokens of every tenth user.
    let path = "/api/2.0/permissions/authorization/tokens";
    let body = json!({"access_control_list": [{"group_name": "admins", "permission_level": "CAN_MANAGE"}]});
    let (answer, cost) = ask(&world, world.admin(), &Method::PUT, path, &body).await;
    judge.judge(path, &format!("PUT {path} {body}"), &answer, cost, FOR_ALL);

    let refused: Vec<&str> = judge.refused.difference(&judge.served).map(String::as_str).collect();
    assert_eq!(refused, REFUSED, "a refused request is not measured");
    assert!(judge.wrong.is_empty(), "too much:\n{}\n\nof all:\n{}", judge.wrong.join("\n"), judge.told.join("\n"));
}

#[tokio::test]
async fn no_request_reads_more_than_it_answers_or_changes_on_sqlite() {
    let world = World::new(Backend::Memory).await;
    // Without statistics: a server never makes them.
    fill(&world).await;
    no_request_reads_more_than_it_answers_or_changes(world).await;
}

/// With one connection, as each has counts of its own, and in a database that no other test uses: while a statement
/// runs in one, versions of rows that it might still see stay in the indexes, and are read.
async fn on_one_connection() -> World {
    let database = fresh_postgres_database("scale").await;
    let (acquire, statement) = (Duration::from_secs(30), Duration::from_mins(1));
    World::on(database, Limits { connections: 1, acquire, statement, ..Limits::default() }).await
}

/// With plans that PostgreSQL made for a handful of rows, before a seed added many.
#[cfg_attr(not(postgres_tests), ignore = "TEST_POSTGRES_URL is not set")]
#[tokio::test]
async fn no_request_reads_more_than_it_answers_or_changes_on_postgres() {
    let world = on_one_connection().await;
    // From the sixth time on a statement's plan is kept.
    for _ in 0..10 {
        world.admin().create(&json!({})).await;
        for path in ["Users", "Groups", "ServicePrincipals", "Me"] {
            let answer = world.admin().get(&format!("/api/2.0/preview/scim/v2/{path}")).await;
            assert_eq!(answer.status, 200, "{path}: {answer:?}");
        }
        assert_eq!(world.admin().get("/api/2.0/token-management/tokens").await.status, 200);
    }
    fill(&world).await;
    let mut writer = world.service.store().write(Lock::Database).await.unwrap();
    writer.gather_statistics().await.unwrap();
    writer.commit().await.unwrap();
    no_request_reads_more_than_it_answers_or_changes(world).await;
}
