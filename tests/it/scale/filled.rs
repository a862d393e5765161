//! The large world: how many principals and tokens it has, and the statements that insert them.

use dapi_mock::domain::Workspace;
use dapi_mock::service::ADMIN_USER;
use dapi_mock::store::Store;
use sqlx::AssertSqlSafe;

use crate::support::{START, World};

pub(super) const USERS: i64 = 20_000;
pub(super) const GROUPS: i64 = 200;
pub(super) const MEMBERS: i64 = 1000;

/// Users and groups have the ids after these.
pub(super) const FIRST_USER: i64 = 1_000_000;

pub(super) const FIRST_GROUP: i64 = 2_000_000;

/// Live tokens; there are as many ended ones.
pub(super) const TOKENS: i64 = USERS / 10;

/// A group of the workspace's own, with as many members.
pub(super) const LOCAL_GROUP: i64 = 3_000_000;

pub(super) async fn run(world: &World, sql: &str) {
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

/// Half of the users are assigned directly, and all of them through groups of the account, fifty of which are nested in
/// each other. Every tenth user has a live token and an ended one.
pub(super) async fn fill(world: &World) -> Workspace {
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
