//! Database files: which are refused, who has the lock, and what survives a power cut.

use std::collections::BTreeSet;
use std::process::Command;
use std::sync::Arc;

use clap::Parser;
use dapi_mock::config::Cli;
use dapi_mock::entropy::SystemEntropy;
use dapi_mock::service::Service;
use dapi_mock::store::{Durability, Store};
use serde_json::json;

use super::{ARGUMENTS, create, database, integrity, ours};
use crate::support::{ADMIN, Backend, World, command, fresh_database, run_sql, start_in};

#[tokio::test]
async fn foreign_and_damaged_databases_are_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let theirs = "CREATE TABLE theirs (x); INSERT INTO theirs VALUES (1);";
    let whole = ours(&at("ours")).await;
    let put = |name: &str, bytes: &[u8]| std::fs::write(at(name), bytes).unwrap();
    put("text", "not a database, but long enough to look at: ".repeat(99).as_bytes());
    put("short", b"x");
    put("half", &whole[..whole.len() / 8192 * 4096]);
    put("odd", &whole[..whole.len() - 1000]);
    put("header", &whole[..100]);
    let damage = |byte: u8| {
        let mut bytes = whole.clone();
        let middle = bytes.len() / 8192 * 4096;
        bytes[middle..middle + 4096].fill(byte);
        bytes
    };
    put("zeroes", &damage(0));
    put("garbage", &damage(0xa5));
    std::fs::create_dir(at("folder")).unwrap();
    for (name, journal) in [("foreign", "DELETE"), ("foreign-wal", "WAL")] {
        run_sql(&database(&at(name)), format!("PRAGMA journal_mode = {journal}; {theirs}")).await;
    }
    run_sql(&database(&at("marked")), "PRAGMA application_id = 7;".to_owned()).await;
    assert!(Command::new("mkfifo").arg(at("pipe")).status().unwrap().success());

    for (name, says) in [
        ("text", "is not a SQLite database;"),
        ("short", "is not a SQLite database;"),
        ("pipe", "is not a SQLite database;"),
        ("folder", "is a folder;"),
        ("missing/x.db", "cannot be created because the folder"),
        ("text/x.db", "cannot be created because the folder"),
        ("foreign", "is a SQLite database of another program;"),
        ("foreign-wal", "is a SQLite database of another program;"),
        ("marked", "is a SQLite database of another program;"),
        ("half", "is damaged ("),
        ("odd", "is damaged ("),
        ("header", "is not a SQLite database;"),
        ("zeroes", "is damaged ("),
        ("garbage", "is damaged ("),
    ] {
        let before = at(name).is_file().then(|| std::fs::read(at(name)).unwrap());
        let files = || std::fs::read_dir(folder.path()).unwrap().count();
        let count = files();
        let refused = Store::open(&database(&at(name))).await.expect_err(name).to_string();
        assert!(refused.contains(says), "{name}: {refused}");
        assert!(refused.starts_with(&format!("sqlite:{} ", at(name).display())), "{refused}");
        assert_eq!(before, at(name).is_file().then(|| std::fs::read(at(name)).unwrap()), "{name}");
        if !says.contains("damaged") {
            assert_eq!(files(), count, "{name}: a file was left beside it");
        }
    }

    // These are accepted.
    put("empty", b"");
    for name in ["empty", "new", "ours"] {
        Store::open(&database(&at(name))).await.unwrap().close().await;
    }
}

#[tokio::test]
async fn a_setting_decides_what_survives_a_power_cut() {
    let asked = |args: &[&str]| Cli::parse_from([&["dapi-mock"], args].concat()).serve.durability();
    assert_eq!((asked(&[]), asked(&["--durable"])), (Durability::SurvivesKill, Durability::SurvivesPowerCut));
    let folder = tempfile::tempdir().unwrap();
    let database = database(&folder.path().join("mock.db"));
    // NORMAL is 1, FULL is 2.
    for (durability, expected) in [(Durability::SurvivesKill, 1), (Durability::SurvivesPowerCut, 2)] {
        let store = Store::open_to_serve(&database, durability).await.unwrap();
        let Store::Sqlite { write, .. } = &store else { panic!("{store:?}") };
        let synchronous: i64 = sqlx::query_scalar("PRAGMA synchronous").fetch_one(write).await.unwrap();
        let journal: String = sqlx::query_scalar("PRAGMA journal_mode").fetch_one(write).await.unwrap();
        assert_eq!((synchronous, journal.as_str()), (expected, "wal"));
        store.close().await;
    }
}

/// The tests' PostgreSQL has it off, so `None` stands for PostgreSQL's own setting.
#[cfg_attr(not(postgres_tests), ignore = "TEST_POSTGRES_URL is not set")]
#[tokio::test]
async fn postgres_commits_synchronously_if_it_is_asked_to() {
    let (database, _) = fresh_database(Backend::Postgres).await;
    for (durability, expected) in [(Durability::SurvivesKill, None), (Durability::SurvivesPowerCut, Some("on"))] {
        let store = Store::open_to_serve(&database, durability).await.unwrap();
        let Store::Postgres(pool) = &store else { panic!("{store:?}") };
        let shown: String = sqlx::query_scalar("SHOW synchronous_commit").fetch_one(pool.unlimited()).await.unwrap();
        let usual: String = sqlx::query_scalar("SELECT reset_val FROM pg_settings WHERE name = 'synchronous_commit'")
            .fetch_one(pool.unlimited())
            .await
            .unwrap();
        assert_eq!(shown, expected.map_or(usual, str::to_owned));
        store.close().await;
    }
}

#[test]
fn a_file_has_one_server() {
    let server = start_in(tempfile::tempdir().unwrap(), &ARGUMENTS);
    let beside = |args: &[&str]| command(&server.folder).args(args).output().unwrap();
    let second = beside(&ARGUMENTS);
    let says = String::from_utf8(second.stderr).unwrap();
    assert!(!second.status.success() && says.contains("sqlite:dapi-mock.db is used by another server"), "{says}");
    if cfg!(target_os = "linux") {
        assert!(says.contains(&format!("(process {}); stop that one", server.process_id())), "{says}");
    }
    let before = server.list(ADMIN);
    let minted = String::from_utf8(beside(&["admin-token"]).stdout).unwrap();
    let token = minted.trim().trim_start_matches("export DATABRICKS_TOKEN=").trim_matches('\'');
    let with_it = server.list(token);
    assert_eq!(with_it.matches("token_id").count(), before.matches("token_id").count() + 1, "{minted} {with_it}");
    std::os::unix::fs::symlink("dapi-mock.db", server.folder.path().join("link.db")).unwrap();
    let by_link = beside(&[&ARGUMENTS[..], &["--database", "sqlite:link.db"]].concat());
    assert!(String::from_utf8(by_link.stderr).unwrap().contains("sqlite:link.db is used by another server"));
    // Neither removing the lock file nor using another name bypasses the lock.
    drop(std::fs::remove_file(server.folder.path().join("dapi-mock.db-server")));
    let hard = server.folder.path().join("hard.db");
    std::fs::hard_link(server.folder.path().join("dapi-mock.db"), &hard).unwrap();
    let by_name = |args: &[&str]| {
        let done = beside(args);
        assert!(!done.status.success());
        String::from_utf8(done.stderr).unwrap()
    };
    for name in ["hard.db", "dapi-mock.db"] {
        let says = by_name(&[&ARGUMENTS[..], &["--database", &format!("sqlite:{name}")]].concat());
        assert!(says.contains(&format!("sqlite:{name} is used by another server")), "{says}");
    }
    // A command would look for the log under the wrong name.
    for args in [&["admin-token", "--database", "sqlite:hard.db"][..], &["backup", "--database", "sqlite:hard.db", "c"]]
    {
        let says = by_name(args);
        assert!(says.contains("has several names (hard links)"), "{says}");
    }
    std::fs::remove_file(&hard).unwrap();
    let moved = server.folder.path().join("moved.db");
    std::fs::rename(server.folder.path().join("dapi-mock.db"), &moved).unwrap();
    let says = by_name(&[&ARGUMENTS[..], &["--database", "sqlite:moved.db"]].concat());
    assert!(says.contains("sqlite:moved.db is used by another server"), "{says}");
    let says = by_name(&["admin-token", "--database", "sqlite:moved.db"]);
    assert!(says.contains("is used by a server under another name"), "{says}");
    std::fs::rename(&moved, server.folder.path().join("dapi-mock.db")).unwrap();
    assert!(server.list(ADMIN).starts_with("HTTP/1.1 200 OK"));
    // The lock does not outlive its process, however the process ends.
    let (_, _, folder) = server.stop("KILL");
    assert_eq!(start_in(folder, &ARGUMENTS).stop("TERM").0, Some(0));
}

/// Another process's change to the file applies at the next request, despite the server's cache.
#[tokio::test]
async fn what_another_process_changes_is_seen_at_once() {
    let world = World::new(Backend::File).await;
    let admin = world.admin();
    let (other, id) = admin.create(&json!({})).await;
    // The clock stands still, so that no use is recorded, which would make the server forget.
    for client in [admin, world.client(&other)] {
        for _ in 0..3 {
            assert_eq!(client.own_ids().await.len(), 2);
        }
    }
    let store = Store::open(world.database()).await.unwrap();
    let beside = Service::new(store, world.clock.clone(), Arc::new(SystemEntropy));
    let (value, owner) = beside.mint_admin_token().await.unwrap();
    assert_eq!(owner, "admin@example.com");
    assert_eq!(admin.own_ids().await.len(), 3);
    assert_eq!(world.client(value.reveal()).own_ids().await.len(), 3);
    run_sql(world.database(), format!("DELETE FROM tokens WHERE token_id = '{id}'")).await;
    assert_eq!(world.client(&other).get("/api/2.0/token/list").await.status, 403);
    assert_eq!(admin.own_ids().await.len(), 2);
    beside.store().close().await;
}

/// A power cut may leave only the beginning of the write-ahead log on the disk. Then the last changes are lost, and none
/// is half done.
#[tokio::test]
async fn a_truncated_write_ahead_log_loses_only_the_last_changes() {
    let server = start_in(tempfile::tempdir().unwrap(), &ARGUMENTS);
    let comments: Vec<String> = (0..20).map(|n| format!("change {n:02}")).collect();
    for comment in &comments {
        assert!(create(&server, comment).1.is_some());
    }
    let (_, _, killed) = server.stop("KILL");
    let log = std::fs::read(killed.path().join("dapi-mock.db-wal")).unwrap();
    let mut found = BTreeSet::new();
    for sixteenths in 0..=16 {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("dapi-mock.db");
        std::fs::copy(killed.path().join("dapi-mock.db"), &path).unwrap();
        std::fs::write(folder.path().join("dapi-mock.db-wal"), &log[..log.len() * sixteenths / 16]).unwrap();
        let store = Store::open(&database(&path)).await.unwrap();
        let Store::Sqlite { write, .. } = &store else { panic!("{store:?}") };
        let select = "SELECT comment FROM tokens WHERE comment LIKE 'change %' ORDER BY comment";
        let left: Vec<String> = sqlx::query_scalar(select).fetch_all(write).await.unwrap();
        assert_eq!(left, comments[..left.len()]);
        let told = "SELECT COUNT(*) FROM audit_events WHERE action_name = 'generateDbToken'";
        let told: i64 = sqlx::query_scalar(told).fetch_one(write).await.unwrap();
        assert_eq!(usize::try_from(told).unwrap(), left.len());
        found.insert(left.len());
        store.close().await;
        assert_eq!(integrity(&path).await, "ok");
    }
    assert!(found.len() > 3 && found.contains(&20), "{found:?}");
}
