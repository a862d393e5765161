//! What a request costs in a large world: SQLite's instructions or PostgreSQL's rows, never time. And a statement that
//! nobody waits for any more ends.

use std::collections::BTreeSet;
use std::time::Duration;

use axum::http::Method;
use dapi_mock::control::routes::{ROUTES as CONTROL_ROUTES, Who};
use dapi_mock::domain::identities::PrincipalKind;
use dapi_mock::domain::{PrincipalId, Workspace};
use dapi_mock::http::routes::ROUTES;
use dapi_mock::service::{ACCOUNT_ADMIN_USER, ADMIN_CLIENT_ID, ADMIN_USER};
use dapi_mock::store::{Limits, Lock, Store};
use serde_json::{Value, json};
use sqlx::AssertSqlSafe;
use tokio::time::timeout;

use crate::harness::{
    ADMIN_SECRET, ADMIN_TOKEN, Answer, Backend, Client, START, World, fresh_postgres_database, on_every_store,
};
use crate::reads::PAGES;
use crate::sign_in::value_of;

on_every_store!(what_is_given_up_is_interrupted);

/// No failure of these tests depends on it: it ends what would otherwise hang.
const HANGS: Duration = Duration::from_mins(2);

const USERS: i64 = 20_000;
const GROUPS: i64 = 200;
const MEMBERS: i64 = 1000;
/// Users and groups have the ids after these.
const FIRST_USER: i64 = 1_000_000;
const FIRST_GROUP: i64 = 2_000_000;

/// Live tokens; as many have ended.
const TOKENS: i64 = USERS / 10;
/// A group of the workspace's own, with as many members.
const LOCAL_GROUP: i64 = 3_000_000;

/// What a request may cost: instructions of SQLite, of which a row takes some tens and the smallest request 50,000, or
/// rows that PostgreSQL finds in its indexes and tables.
#[derive(Clone, Copy, Debug)]
struct Limit {
    instructions: u64,
    rows: u64,
}

const fn limit_of(instructions: i64, rows: i64) -> Limit {
    Limit { instructions: instructions.unsigned_abs(), rows: rows.unsigned_abs() }
}

/// What is about one thing, or shows one page of a list. Some hundreds of rows, and now and then a thousand more, when
/// the journal that processes share is trimmed.
const FOR_ONE: Limit = limit_of(200_000, 2000);
/// What is about one group with all its members.
const FOR_GROUP: Limit = limit_of(600 * MEMBERS, 10 * MEMBERS);
/// A page of ten groups with all their members.
const FOR_TEN_GROUPS: Limit = limit_of(1000 * MEMBERS, 30 * MEMBERS);
/// Known to look through all live tokens: `live_tokens` of a workspace is their number, and what comes next is sorted
/// out of the first ten thousand.
const FOR_TOKENS: Limit = limit_of(250 * TOKENS, 3 * TOKENS);
/// Known to look through all users for a page of ten: `totalResults` is how many of them are in the workspace, directly
/// or by nested groups.
const FOR_COUNT: Limit = limit_of(100 * USERS, 5 * USERS);
/// What has to look through all users, and the groups of each, once. Each user with each other would take 400,000,000.
const FOR_ALL: Limit = limit_of(800 * USERS, 30 * USERS);

async fn run(world: &World, sql: &str) {
    let sql = AssertSqlSafe(sql.to_owned());
    match world.service.store() {
        Store::Sqlite { write, .. } => {
            let mut connection = write.acquire().await.unwrap();
            // It would interrupt what runs outside of a session.
            connection.lock_handle().await.unwrap().remove_progress_handler();
            sqlx::raw_sql(sql).execute(&mut *connection).await.unwrap();
        }
        Store::Postgres(pool) => drop(sqlx::raw_sql(sql).execute(pool.unlimited()).await.unwrap()),
    }
}

fn up_to(last: i64) -> String {
    format!("WITH RECURSIVE n (n) AS (SELECT CAST(1 AS BIGINT) UNION ALL SELECT n + 1 FROM n WHERE n < {last})")
}

/// Half of the users are in the workspace by themselves, all of them through groups of the account, fifty of which are
/// nested one in the other. Each tenth has a token and had another.
async fn fill(world: &World) -> Workspace {
    let workspace = world.workspace().await;
    let (account, id) = (workspace.account, workspace.id);
    let principals =
        "INSERT INTO principals (account_id, principal_id, workspace_id, kind, name, name_key, display_name,
       active, account_admin, external_id, attributes, created_at)";
    let assignments =
        "INSERT INTO workspace_assignments (workspace_id, principal_id, active, entitlements, roles, direct)";
    let members = "INSERT INTO group_members (account_id, group_id, member_id)";
    let token = "token_id, workspace_id, owner_id, created_by_id, created_by_username, comment, creation_time";
    for (kind, first, count) in [("user", FIRST_USER, USERS), ("group", FIRST_GROUP, GROUPS)] {
        let numbers = up_to(count);
        run(
            world,
            &format!(
                "{principals} {numbers} SELECT p.account_id, {first} + n, 0, '{kind}', '{kind}' || n || '@scale.example',
                   '{kind}' || n || '@scale.example', '{kind} ' || n, p.active, NOT p.active, NULL, p.attributes,
                   p.created_at
                 FROM n CROSS JOIN principals p WHERE p.account_id = '{account}' AND p.name_key = '{ADMIN_USER}';
                 {assignments} {numbers} SELECT {id}, {first} + n, a.active, '[]', '[]', a.direct
                 FROM n CROSS JOIN workspace_assignments a CROSS JOIN principals p
                 WHERE a.workspace_id = {id} AND a.principal_id = p.principal_id AND p.account_id = '{account}'
                   AND p.name_key = '{ADMIN_USER}' AND ('{kind}' = 'group' OR n % 2 = 0)"
            ),
        )
        .await;
    }
    run(
        world,
        &format!(
            "{principals} SELECT p.account_id, {LOCAL_GROUP}, {id}, 'group', 'local', 'local', 'local', p.active,
               NOT p.active, NULL, p.attributes, p.created_at
             FROM principals p WHERE p.account_id = '{account}' AND p.name_key = '{ADMIN_USER}';
             {assignments} SELECT {id}, {LOCAL_GROUP}, a.active, '[]', '[]', a.direct
             FROM workspace_assignments a CROSS JOIN principals p
             WHERE a.workspace_id = {id} AND a.principal_id = p.principal_id AND p.account_id = '{account}'
               AND p.name_key = '{ADMIN_USER}';
             {members} {numbers} SELECT '{account}', {LOCAL_GROUP}, {FIRST_USER} + 2 * n FROM n",
            numbers = up_to(MEMBERS)
        ),
    )
    .await;
    let step = USERS / MEMBERS;
    run(
        world,
        &format!(
            "{members} {numbers} SELECT '{account}', g.principal_id,
               {FIRST_USER} + 1 + ((g.principal_id - {FIRST_GROUP}) * 97 + n * {step}) % {USERS}
             FROM principals g CROSS JOIN n WHERE g.account_id = '{account}' AND g.workspace_id = 0 AND g.kind = 'group';
             {members} {nested} SELECT '{account}', {FIRST_GROUP} + n + 1, {FIRST_GROUP} + n FROM n",
            numbers = up_to(MEMBERS),
            nested = up_to(50),
        ),
    )
    .await;
    let numbers = up_to(TOKENS);
    run(
        world,
        &format!(
            "INSERT INTO tokens ({token}, idle_from) {numbers} SELECT 'live' || n, {id}, {FIRST_USER} + n, {FIRST_USER} + n,
               'user' || n || '@scale.example', '', {START}, {START} FROM n;
             INSERT INTO tombstones ({token}, ended_at, cause, actor) {numbers} SELECT 'gone' || n, {id}, {FIRST_USER} + n,
               {FIRST_USER} + n, 'user' || n || '@scale.example', '', {START}, {START}, 'revoked_by_owner', 'user' FROM n",
            START = START.0
        ),
    )
    .await;
    workspace
}

/// Instructions of SQLite or rows of PostgreSQL so far.
async fn work(world: &World) -> u64 {
    // The functions behind `seq_tup_read` and `idx_tup_read`: their views go through the schemas of all other tests.
    const ROWS: &str = "SELECT CAST(SUM(pg_stat_get_tuples_returned(c.oid)) AS BIGINT) FROM pg_class c
         WHERE c.relnamespace = CAST(current_schema() AS regnamespace) AND c.relkind IN ('r', 'i')";
    match world.service.store() {
        Store::Postgres(pool) => {
            // The counts are each connection's, and here there is one.
            sqlx::raw_sql("SELECT pg_stat_force_next_flush()").execute(pool.unlimited()).await.unwrap();
            let rows: i64 = sqlx::query_scalar(ROWS).fetch_one(pool.unlimited()).await.unwrap();
            rows.unsigned_abs()
        }
        store @ Store::Sqlite { .. } => store.sqlite_instructions().unwrap(),
    }
}

/// What everything cost.
struct Judge {
    backend: Backend,
    told: Vec<String>,
    wrong: Vec<String>,
    refused: BTreeSet<String>,
    served: BTreeSet<String>,
}

impl Judge {
    fn of(world: &World) -> Self {
        let (told, wrong, refused, served) = Default::default();
        Self { backend: world.backend, told, wrong, refused, served }
    }

    fn judge(&mut self, operation: &str, what: &str, answer: &Answer, cost: u64, limit: Limit) {
        let limit = if matches!(self.backend, Backend::Postgres) { limit.rows } else { limit.instructions };
        let line = format!("{cost:>10} of {limit:>9} {} {what}", answer.status.as_u16());
        // Shown with --nocapture.
        println!("{line}");
        if cost > limit || answer.status.as_u16() == 500 || answer.status.as_u16() == 503 {
            self.wrong.push(line.clone());
        }
        let done = if answer.status.as_u16() < 400 { &mut self.served } else { &mut self.refused };
        done.insert(operation.to_owned());
        self.told.push(line);
    }
}

/// Sends one request to a server that remembers nothing of what there is.
async fn ask(world: &World, client: Client<'_>, method: &Method, path: &str, body: &Value) -> (Answer, u64) {
    // Every change has it forget. This one gives what earlier requests may have taken.
    world.permit_users(true).await;
    let before = work(world).await;
    // A text is a form.
    let (kind, body) = match body {
        Value::String(form) => ("application/x-www-form-urlencoded", form.clone()),
        body => ("application/json", body.to_string()),
    };
    let request = client.request(method, path).header("content-type", kind);
    let sent = world.send(request.body(body.into()).unwrap());
    let answer = timeout(HANGS, sent).await.unwrap_or_else(|_| panic!("{method} {path} hangs"));
    (answer, work(world).await - before)
}

const LONELY_TOKEN: &str = "dapi00000000000000000000000000000007";

const CODE_REQUEST: &str = "?response_type=code&client_id=databricks-cli&redirect_uri=http://localhost:8020\
    &code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256";

/// The path and body of a request about what exists: users in the workspace by themselves, groups of the account.
fn request(method: &Method, path: &str, workspace: &Workspace, number: i64, robot: PrincipalId) -> (String, Value) {
    let (user, group) = (FIRST_USER + 2 * number, FIRST_GROUP + 1 + number % GROUPS);
    let is_group = path.contains("/Groups/");
    let id = match path {
        path if path.contains("/ServicePrincipals/") => robot.0,
        path if method != Method::GET && method != Method::DELETE && path.contains("/preview/scim/v2/Groups/") => {
            LOCAL_GROUP
        }
        _ if is_group => group,
        _ => user,
    };
    let mut filled = path.replace("{account_id}", &workspace.account.to_string());
    for (name, value) in [
        ("{workspace_id}", workspace.id.to_string()),
        ("{token_id}", if path.contains("/token/") { "live4".to_owned() } else { format!("live{}", 2 * number) }),
        ("{id}", id.to_string()),
        ("{principal_id}", id.to_string()),
        ("{sp_id}", robot.to_string()),
        ("{secret_id}", "none".to_owned()),
    ] {
        filled = filled.replace(name, &value);
    }
    if method == Method::GET && path.contains("/scim/v2/") && !path.contains("{id}") && !path.ends_with("/Me") {
        filled.push_str("?count=10");
    }
    if method == Method::GET && path.ends_with("/authorize") {
        filled.push_str(CODE_REQUEST);
    }
    if method == Method::GET && path.ends_with("workspace-conf") {
        filled.push_str("?keys=enableTokensConfig");
    }
    let member = json!([{"value": user.to_string()}]);
    let body = match (method, path) {
        (&Method::POST, path) if path.ends_with("/token/create") => json!({"lifetime_seconds": 3600}),
        (&Method::POST, path) if path.ends_with("/token/delete") => json!({"token_id": "live4"}),
        (&Method::POST, path) if path.ends_with("/Groups") => json!({"displayName": format!("new{number}")}),
        (&Method::POST, path) if path.ends_with("/Users") => json!({"userName": format!("new{number}@scale.example")}),
        (&Method::POST, path) if path.ends_with("/ServicePrincipals") => json!({"displayName": format!("s{number}")}),
        (&Method::POST, path) if path.ends_with("/on-behalf-of/tokens") => {
            json!({"application_id": ADMIN_CLIENT_ID.to_string(), "lifetime_seconds": 3600})
        }
        (&Method::PUT, path) if path.contains("/Users/") => {
            json!({"userName": format!("user{}@scale.example", 2 * number)})
        }
        (&Method::PUT, _) if is_group => {
            let name = match id {
                LOCAL_GROUP => "local".to_owned(),
                _ => format!("group{}@scale.example", 1 + number % GROUPS),
            };
            json!({"displayName": name, "members": member})
        }
        (&Method::PUT, path) if path.contains("/ServicePrincipals/") => json!({"displayName": "another"}),
        (&Method::PUT, path) if path.contains("principals/") => json!({"permissions": ["USER"]}),
        (&Method::PATCH, path) if path.contains("/Users/") || path.contains("/ServicePrincipals/") => {
            json!({"Operations": [{"op": "replace", "path": "active", "value": false}]})
        }
        (&Method::PATCH, _) if is_group => json!({"Operations": [{"op": "add", "value": {"members": member}}]}),
        (&Method::PUT | &Method::PATCH, path) if path.ends_with("/authorization/tokens") => {
            let users = json!({"group_name": "users", "permission_level": "CAN_USE"});
            let user = json!({"user_name": format!("user{}@scale.example", 2 * number), "permission_level": "CAN_USE"});
            let admins = json!({"group_name": "admins", "permission_level": "CAN_MANAGE"});
            if method == Method::PUT {
                json!({"access_control_list": [admins, users, user]})
            } else {
                json!({"access_control_list": [users, user]})
            }
        }
        (&Method::PATCH, path) if path.ends_with("workspace-conf") => json!({"maxTokenLifetimeDays": "90"}),
        (&Method::PATCH, path) if path.contains("/tokens/") || path.contains("/token/") => {
            json!({"token": {"comment": "changed"}, "update_mask": "comment"})
        }
        _ => json!({}),
    };
    (filled, body)
}

/// What takes an id, version or ticket that only another request gives: that is asked for here.
async fn follow_up(world: &World, operation: &str, path: &mut String, body: &mut Value, robot: PrincipalId) {
    let account = world.workspace().await.account;
    let oauth = world.account_oauth().await;
    let rule_set = format!("accounts/{account}/servicePrincipals/{ADMIN_CLIENT_ID}/ruleSets/default");
    let restriction = async || {
        let found = world.client(&oauth).get("/api/2.0/settings/types/restrict_workspace_admins/names/default").await;
        found.json()["etag"].as_str().unwrap().to_owned()
    };
    match operation {
        "accountAccessControlProxy.getRuleSet" => *path = format!("{path}?name={rule_set}&etag="),
        "accountAccessControlProxy.updateRuleSet" => {
            let read = format!("/api/2.0/preview/accounts/access-control/rule-sets?name={rule_set}&etag=");
            let etag = world.client(&oauth).get(&read).await.json()["etag"].clone();
            let rule = json!({"role": "roles/servicePrincipal.user", "principals": [format!("users/{ADMIN_USER}")]});
            *body = json!({"name": rule_set, "rule_set": {"name": rule_set, "etag": etag, "grant_rules": [rule]}});
        }
        "restrictWorkspaceAdmins.update" => {
            let setting = json!({"etag": restriction().await, "restrict_workspace_admins": {"status": "ALLOW_ALL"}});
            *body =
                json!({"setting": setting, "allow_missing": true, "field_mask": "restrict_workspace_admins.status"});
        }
        "restrictWorkspaceAdmins.delete" => *path = format!("{path}?etag={}", restriction().await),
        "servicePrincipalSecrets.delete" | "servicePrincipalSecretsProxy.delete" => {
            let secrets = format!("/api/2.0/accounts/{account}/servicePrincipals/{robot}/credentials/secrets");
            let made = world.client(&oauth).post(&secrets, &json!({})).await.json();
            *path = path.replace("none", made["id"].as_str().unwrap());
        }
        "oauth.token" | "oauth.accountToken" => {
            let client = format!("client_id={ADMIN_CLIENT_ID}&client_secret={ADMIN_SECRET}");
            *body = format!("grant_type=client_credentials&scope=all-apis&{client}").into();
        }
        "oauth.chooseUser" | "oauth.accountChooseUser" => {
            let page = world.anonymous().get(&format!("{path}{CODE_REQUEST}")).await;
            let (ticket, user) = (value_of(&page, "ticket"), value_of(&page, "user"));
            *body = form_urlencoded::Serializer::new(String::new())
                .extend_pairs([("ticket", ticket), ("user", user)])
                .finish()
                .into();
        }
        _ => {}
    }
}

fn limit(method: &Method, path: &str) -> Limit {
    let lists_all = method == Method::GET
        && (path.ends_with("/token-management/tokens") || path.ends_with("/permissionassignments"))
        // Whose tokens a change ends is a question about everybody.
        || method != Method::GET && path.ends_with("/authorization/tokens");
    match path {
        _ if lists_all => FOR_ALL,
        path if method == Method::GET && path.ends_with("/scim/v2/Users") => FOR_COUNT,
        path if method == Method::GET && path.ends_with("/scim/v2/Groups") => FOR_TEN_GROUPS,
        path if path.contains("/Groups/") => FOR_GROUP,
        _ => FOR_ONE,
    }
}

/// What they do to the whole world is their purpose.
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

/// What this server without ports and certificates of its own refuses. It is asked nevertheless, and its refusal has a
/// limit.
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
        // A known exception: tokens whose owner is gone have a name, too, so it is compared with that of each.
        ("/_mock/v1/workspaces/default/tokens?owner=user7@scale.example".to_owned(), FOR_ALL),
        ("/_mock/v1/workspaces/default/tokens?token_id=live8".to_owned(), FOR_ONE),
    ] {
        let (answer, cost) = ask(world, world.admin(), &Method::GET, &path, &json!({})).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text);
        judge.judge(&path, &path, &answer, cost, limit);
    }
    // One of the account's workspaces, in which hardly anybody is.
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
            // There a client has no token yet.
            let client = if route.path.starts_with("/oidc/") { world.anonymous() } else { world.client(token) };
            let (answer, cost) = ask(&world, client, &route.method, &path, &body).await;
            let limit = limit(&route.method, route.path);
            judge.judge(route.operation, &format!("{who} {} {path}", route.method), &answer, cost, limit);
        }
    }
    // Takes the permission from everybody who has it by the group of all users, and so ends tokens of each tenth.
    let path = "/api/2.0/permissions/authorization/tokens";
    let body = json!({"access_control_list": [{"group_name": "admins", "permission_level": "CAN_MANAGE"}]});
    let (answer, cost) = ask(&world, world.admin(), &Method::PUT, path, &body).await;
    judge.judge(path, &format!("PUT {path} {body}"), &answer, cost, FOR_ALL);

    let refused: Vec<&str> = judge.refused.difference(&judge.served).map(String::as_str).collect();
    assert_eq!(refused, REFUSED, "what is refused at once is not measured");
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

/// With plans that were made for a handful of rows, which then grew as by a seed.
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

/// Statements that would run for ever, read and written; their requests end in the middle.
async fn what_is_given_up_is_interrupted(world: World) {
    const SOON: Duration = Duration::from_millis(200);
    let (store, workspace) = (world.service.store(), world.workspace().await);
    for round in 0..3 {
        {
            let mut reader = store.read().await.unwrap();
            timeout(SOON, reader.run_for_ever()).await.unwrap_err();
        }
        let tokens = timeout(HANGS, world.admin().get("/api/2.0/token/list")).await.unwrap();
        assert_eq!(tokens.status, 200, "{tokens:?}");
        {
            let mut writer = store.write(Lock::Database).await.unwrap();
            writer.put_member(workspace.account, PrincipalId(1), PrincipalId(2)).await.unwrap();
            timeout(SOON, writer.write_for_ever()).await.unwrap_err();
        }
        let made = timeout(HANGS, world.admin().post("/api/2.0/token/create", &json!({}))).await.unwrap();
        assert_eq!(made.status, 200, "{made:?}");
        assert_eq!(world.admin().own_ids().await.len(), round + 2, "everything that was committed is there");
        let below = store.read().await.unwrap().list_below(workspace.account, PrincipalId(1)).await.unwrap();
        assert_eq!(below, [PrincipalId(1)], "what was given up has changed nothing");
    }
    let Store::Postgres(pool) = store else { return };
    let runs = "SELECT COUNT(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%% 1000 FROM n%'
         AND pid <> pg_backend_pid()";
    let ended = async {
        while sqlx::query_scalar::<_, i64>(runs).fetch_one(pool.unlimited()).await.unwrap() > 0 {
            tokio::time::sleep(SOON).await;
        }
    };
    timeout(Duration::from_secs(40), ended).await.expect("the server ends them before the limit of a minute");
}
