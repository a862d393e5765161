//! Databases of released schemas are migrated; databases that this program does not know are left alone.
//!
//! `upgrades/NNNN.*.sql` is a small world as a binary of that schema left it, made by `upgrades/make`. Its first line lists
//! the facts that the tests look for.

use std::path::PathBuf;

use axum::http::Method;
use dapi_mock::domain::Millis;
use dapi_mock::store::{Database, OpenError, OpenErrorKind, Store};
use futures_util::future::join_all;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{ADMIN_TOKEN, Backend, World, command, fresh_database, on_lasting_stores, run_sql};

on_lasting_stores!(
    every_released_schema_migrates_with_its_data,
    what_fails_midway_leaves_the_database_as_it_was,
    unknown_migrations_are_refused_and_left_alone,
    one_of_many_simultaneous_starts_migrates,
);

const OLDEST: i64 = 3;

fn fixtures(backend: Backend) -> Vec<(i64, PathBuf)> {
    let ending = if matches!(backend, Backend::Postgres) { ".postgres.sql" } else { ".sqlite.sql" };
    let folder = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/upgrades")).unwrap();
    let paths = folder.map(|entry| entry.unwrap().path());
    let mut found: Vec<_> = paths
        .filter_map(|path| Some((path.file_name()?.to_str()?.strip_suffix(ending)?.parse().ok()?, path)))
        .collect();
    found.sort();
    found
}

/// A database as the binary of that schema left it, and what is in it.
pub(crate) async fn restore(backend: Backend, schema: i64) -> (Database, Option<TempDir>, Value) {
    let (_, path) = fixtures(backend).into_iter().find(|(version, _)| *version == schema).unwrap();
    let text = std::fs::read_to_string(path).unwrap();
    let (facts, sql) = text.split_once('\n').unwrap();
    // Tests run in parallel, each in its own schema.
    let sql = sql.replace("CREATE SCHEMA dapi_mock_fixture;\n", "").replace("dapi_mock_fixture.", "");
    let (database, folder) = fresh_database(backend).await;
    run_sql(&database, sql).await;
    (database, folder, serde_json::from_str(facts.strip_prefix("-- ").unwrap()).unwrap())
}

/// The tables and the migrations with their checksums: what a refused start must not have changed.
async fn structure(database: &Database) -> Vec<String> {
    const MIGRATIONS: &str = "SELECT version || ' ' || success || ' ' || CAST(checksum AS TEXT) FROM _sqlx_migrations";
    let all = |rest: &str| sqlx::AssertSqlSafe(format!("{rest} UNION ALL {MIGRATIONS} ORDER BY 1"));
    match database {
        Database::Postgres(url) => {
            let pool = sqlx::PgPool::connect(url).await.unwrap();
            let columns = "SELECT table_name || '.' || column_name FROM information_schema.columns
                           WHERE table_schema = current_schema()";
            let found = sqlx::query_scalar(all(columns)).fetch_all(&pool).await.unwrap();
            pool.close().await;
            found
        }
        database => {
            let pool = sqlx::SqlitePool::connect(&database.to_string()).await.unwrap();
            let statements = "SELECT name || sql FROM sqlite_schema WHERE sql IS NOT NULL";
            let migrations = MIGRATIONS.replace("CAST(checksum AS TEXT)", "hex(checksum)");
            let sql = sqlx::AssertSqlSafe(format!("{statements} UNION ALL {migrations} ORDER BY 1"));
            let found = sqlx::query_scalar(sql).fetch_all(&pool).await.unwrap();
            pool.close().await;
            found
        }
    }
}

async fn every_released_schema_migrates_with_its_data(backend: Backend) {
    let fixtures = fixtures(backend);
    assert_eq!(fixtures.first().map(|(version, _)| *version), Some(OLDEST));
    for (schema, _) in fixtures {
        let (database, folder, facts) = restore(backend, schema).await;
        let now = Millis(facts["made_at"].as_i64().unwrap());
        let mut world = World::over(backend, database, folder, now).await;
        let text = async |world: &World, path: &str| world.anonymous().get(path).await.text;
        let audit = text(&world, "/_mock/v1/workspaces/default/audit").await;
        assert_eq!(audit.lines().count(), usize::try_from(facts["audit_events"].as_i64().unwrap()).unwrap());
        holds(&world, &facts).await;
        world.restart().await;
        holds_what_later_releases_know(&world, &facts).await;
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

pub(crate) async fn holds(world: &World, facts: &Value) {
    let value = |name: &str| text(&facts[name]["value"]);
    let id = |name: &str| text(&facts[name]["id"]);
    let admin = world.admin();

    let mine = admin.get("/api/2.0/token/list").await.json();
    let comment_of = |id: &str| {
        let rows = mine["token_infos"].as_array().unwrap();
        rows.iter().find(|row| row["token_id"] == id).map(|row| text(&row["comment"]))
    };
    assert_eq!(comment_of(id("live")), Some("with 'quotes' and ünïcode"));
    assert_eq!(comment_of(id("scoped")), Some("scoped"));
    for gone in ["expired", "revoked"] {
        assert_eq!(comment_of(id(gone)), None);
        world.client(value(gone)).get("/api/2.0/token/list").await.refused(403, 403, "Invalid access token");
    }
    assert_eq!(world.client(value("live")).get("/api/2.0/token/list").await.status, 200);
    let scoped = world.client(value("scoped")).get("/api/2.0/token/list").await;
    scoped.refused(403, 403, "does not have required scopes: ");
    assert_eq!(world.client(value("robot")).get("/api/2.0/preview/scim/v2/Me").await.json()["displayName"], "robot");
    let suspended = world.client(value("suspended")).get("/api/2.0/preview/scim/v2/Me").await;
    assert_eq!(suspended.status, 403, "{suspended:?}");

    let ended = admin.own(Method::GET, "workspaces/default/tokens?state=ended", &Value::Null).await.json();
    let causes: Vec<_> = ended["tokens"].as_array().unwrap().iter().map(|row| text(&row["token_id"])).collect();
    assert!(causes.contains(&id("expired")) && causes.contains(&id("revoked")), "{ended}");

    let clock = admin.own(Method::GET, "workspaces/default/clock", &Value::Null).await.json();
    assert_eq!(clock["offset_ms"], 2 * 3_600_000);
    let conf = admin.get("/api/2.0/workspace-conf?keys=maxTokenLifetimeDays").await.json();
    assert_eq!(conf, facts["conf"]);
    let above = admin.post("/api/2.0/token/create", &json!({"lifetime_seconds": 61 * 86_400})).await;
    assert_eq!(above.status, 400, "{above:?}");

    let permissions = admin.get("/api/2.0/permissions/authorization/tokens").await.json();
    let entries = permissions["access_control_list"].as_array().unwrap();
    let groups: Vec<_> = entries.iter().filter_map(|entry| entry["group_name"].as_str()).collect();
    assert_eq!((groups.len(), groups.contains(&"outer")), (entries.len(), true), "{permissions}");
    assert!(!groups.contains(&"users"), "{permissions}");
    let listed = admin.get("/api/2.0/preview/scim/v2/Groups").await.json();
    for (name, expected) in facts["groups"].as_object().unwrap() {
        let group = listed["Resources"].as_array().unwrap().iter().find(|group| group["displayName"] == *name).unwrap();
        let mut members: Vec<_> = group["members"].as_array().unwrap().iter().map(|it| text(&it["value"])).collect();
        let mut expected: Vec<_> = expected.as_array().unwrap().iter().map(text).collect();
        members.sort_unstable();
        expected.sort_unstable();
        assert_eq!(members, expected, "{name}");
    }
    let users = admin.get("/api/2.0/preview/scim/v2/Users").await.text;
    assert!(users.contains(text(&facts["users"][0])), "{users}");

    assert_eq!(world.client(text(&facts["access_token"])).get("/api/2.0/token/list").await.status, 200);
    let renewed = world.access_token(text(&facts["client"][0]), text(&facts["client"][1])).await;
    assert_eq!(world.client(&renewed).get("/api/2.0/preview/scim/v2/Me").await.json()["displayName"], "robot");
    let setting = admin.get("/api/2.0/settings/types/restrict_workspace_admins/names/default").await.json();
    assert_eq!(setting["restrict_workspace_admins"]["status"], facts["setting"]);

    let (fresh, fresh_id) = admin.create(&json!({"comment": "made today"})).await;
    assert!(world.client(&fresh).own_ids().await.contains(&fresh_id));
}

/// A fact that a fixture lacks belongs to a later release.
async fn holds_what_later_releases_know(world: &World, facts: &Value) {
    let of_42 = "dapi00000000000000000000000000000042";
    let list = async |token: &str| world.client(token).get("/api/2.0/token/list").await.status.as_u16();
    if let Some(path) = facts["fault"].as_str() {
        assert_eq!(world.client(of_42).get(path).await.status, 429, "once");
    }
    if let Some(checkpoint) = facts["checkpoint"].as_object() {
        let (kept, later) = (text(&checkpoint["kept"]), text(&checkpoint["lost"]));
        assert_eq!((list(kept).await, list(later).await), (200, 200));
        let reset = world.admin().own(Method::POST, "workspaces/42/reset", &json!({"to": "before"})).await;
        assert_eq!(reset.status, 200, "{reset:?}");
        assert_eq!((list(kept).await, list(later).await), (200, 403));
    }
    if let Some(decoy) = facts["decoy"].as_str() {
        assert_eq!(list(decoy).await, 403);
        let decoys = world.admin().own(Method::GET, "workspaces/default/decoys", &Value::Null).await.json();
        assert_eq!(decoys["decoys"][0]["uses"], 1, "{decoys}");
    }
    if let Some(refresh) = facts["refresh_token"].as_str() {
        let form = format!("grant_type=refresh_token&client_id=databricks-cli&refresh_token={refresh}");
        let answer = world.ask_for_token("/oidc/v1/token", None, &form).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(list(text(&answer.json()["access_token"])).await, 200);
    }
}

/// The second table of a migration exists already, so the migration fails after others, and after its own first statements.
async fn what_fails_midway_leaves_the_database_as_it_was(backend: Backend) {
    let (database, folder, facts) = restore(backend, OLDEST).await;
    run_sql(&database, "CREATE TABLE checkpoint_rows (x TEXT)".to_owned()).await;
    let before = structure(&database).await;
    let refused = Store::open(&database).await.unwrap_err();
    assert!(matches!(refused.kind, OpenErrorKind::Migrate(_)), "{refused}");
    assert!(refused.to_string().contains("was left unchanged: while executing migration 7: "), "{refused}");
    assert_eq!(structure(&database).await, before);
    run_sql(&database, "DROP TABLE checkpoint_rows".to_owned()).await;
    let world = World::over(backend, database, folder, Millis(facts["made_at"].as_i64().unwrap())).await;
    holds(&world, &facts).await;
}

async fn unknown_migrations_are_refused_and_left_alone(backend: Backend) {
    let (newest, _) = fixtures(backend).pop().unwrap();
    for (change, says) in [
        (
            "INSERT INTO _sqlx_migrations SELECT 9999, 'newer', installed_on, success, checksum, execution_time
             FROM _sqlx_migrations WHERE version = 1",
            format!(
                "has schema 9999, written by a newer dapi-mock, but this version only knows schemas up to {newest};"
            ),
        ),
        (
            "UPDATE _sqlx_migrations SET checksum = (SELECT checksum FROM _sqlx_migrations WHERE version = 1)
             WHERE version = 2",
            "has a different migration 2 than this dapi-mock:".to_owned(),
        ),
        ("UPDATE _sqlx_migrations SET success = false WHERE version = 3", "has an unfinished migration 3;".to_owned()),
    ] {
        let (database, _folder, _) = restore(backend, OLDEST).await;
        run_sql(&database, change.to_owned()).await;
        let before = structure(&database).await;
        let refused: OpenError = Store::open(&database).await.unwrap_err();
        assert!(refused.to_string().contains(&says), "{refused}");
        assert_eq!(refused.database, database);
        assert_eq!(structure(&database).await, before);
    }
}

async fn one_of_many_simultaneous_starts_migrates(backend: Backend) {
    let (old, _old_folder, _) = restore(backend, OLDEST).await;
    let (new, _new_folder) = fresh_database(backend).await;
    for database in [old, new] {
        let stores = join_all((0..6).map(|_| Store::open(&database))).await;
        for store in stores {
            store.unwrap().close().await;
        }
    }
}

/// So that no release forgets its fixture, and no migration is changed once it has one: the fixture has its checksum.
#[test]
fn the_newest_schema_has_a_fixture() {
    let folder = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/migrations/sqlite")).unwrap();
    let names = folder.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let newest: i64 = names.map(|name| name.split('_').next().unwrap().parse().unwrap()).max().unwrap();
    for backend in [Backend::File, Backend::Postgres] {
        let (made, path) = fixtures(backend).pop().unwrap();
        assert_eq!(made, newest, "run tests/it/upgrades/make; {} is the newest fixture", path.display());
    }
}

/// The binary prints one sentence and exits.
#[test]
fn the_command_says_why_it_refuses_a_database() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("dapi-mock.db"), "not a database").unwrap();
    let output = command(&folder).args(["--port", "0", "--admin-token", ADMIN_TOKEN]).output().unwrap();
    let says = String::from_utf8(output.stderr).unwrap();
    let expected = "dapi-mock: sqlite:dapi-mock.db is not a SQLite database; give another path to --database\n";
    assert_eq!((output.status.code(), says.as_str()), (Some(1), expected));
}
