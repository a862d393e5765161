//! Files that are refused, disks that are full or read-only, two servers, backups (docs/durability.md).

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs::Permissions;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use clap::Parser;
use dapi_mock::config::Cli;
use dapi_mock::entropy::SystemEntropy;
use dapi_mock::service::Service;
use dapi_mock::store::{Database, Durability, Store};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::commands::ADMIN;
use crate::harness::{Backend, World, fresh_database};
use crate::process::{Server, command, get, start_by, start_in};
use crate::upgrades::run_sql;

const ARGUMENTS: [&str; 4] = ["--port", "0", "--admin-token", ADMIN];

fn database(path: &Path) -> Database {
    Database::SqliteFile(path.to_str().unwrap().to_owned())
}

/// A file of ours, some hundred kilobytes of it.
async fn ours(path: &Path) -> Vec<u8> {
    Store::open(&database(path)).await.unwrap().close().await;
    let mut rows = String::from("PRAGMA wal_checkpoint(TRUNCATE);");
    for n in 0..500 {
        write!(rows, "INSERT INTO accounts VALUES ('account {n} {}', {n});", "x".repeat(300)).unwrap();
    }
    run_sql(&database(path), rows).await;
    std::fs::read(path).unwrap()
}

#[tokio::test]
async fn what_is_no_database_of_ours_is_refused_and_left_alone() {
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
        ("text", "is no SQLite database;"),
        ("short", "is no SQLite database;"),
        ("pipe", "is no SQLite database;"),
        ("folder", "is a folder;"),
        ("missing/x.db", "cannot be made, as there is no folder"),
        ("text/x.db", "cannot be made, as there is no folder"),
        ("foreign", "is a SQLite database of another program;"),
        ("foreign-wal", "is a SQLite database of another program;"),
        ("marked", "is a SQLite database of another program;"),
        ("half", "is damaged ("),
        ("odd", "is damaged ("),
        ("header", "is no SQLite database;"),
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
            assert_eq!(files(), count, "{name}: something is left beside it");
        }
    }

    // And these are taken.
    put("empty", b"");
    for name in ["empty", "new", "ours"] {
        Store::open(&database(&at(name))).await.unwrap().close().await;
    }
}

#[tokio::test]
async fn what_survives_a_power_cut_is_a_setting() {
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

/// The tests' server has it off, so that `None` shows the server's own.
#[cfg_attr(not(postgres_tests), ignore = "TEST_POSTGRES_URL is not set")]
#[tokio::test]
async fn postgres_synchronizes_where_it_is_asked_to() {
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
    // Neither the removal of files beside it nor another name passes the lock by.
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
    // A claim does not outlive its process, however that ends.
    let (_, _, folder) = server.stop("KILL");
    assert_eq!(start_in(folder, &ARGUMENTS).stop("TERM").0, Some(0));
}

/// What another process does to the file is in force at the next request, though the server remembers what it read.
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

/// As a power cut may leave it: of the log, some of the beginning is on the disk. The changes that are lost are
/// the last ones, and nothing is half.
#[tokio::test]
async fn a_log_that_is_cut_off_loses_the_last_changes_alone() {
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

/// What a test may do about the server's disk.
trait Disk {
    /// Lets no file grow any more.
    fn fill(&self, server: &Server);
    fn free(&self, server: &Server);
    /// Where the test finds the server's files.
    fn files(&self, server: &Server) -> PathBuf;
}

/// A limit on the size of files: any user may set it, and SQLite takes it for a broken disk.
struct SizeLimit;

impl SizeLimit {
    fn start(folder: TempDir) -> Server {
        let binary = env!("CARGO_BIN_EXE_dapi-mock");
        let words = [&[binary], &ARGUMENTS[..], &["--log-level", "warn"]].concat();
        start_by(shell(&folder, &words), folder)
    }

    fn set(server: &Server, bytes: &str) {
        let process = format!("--pid={}", server.process_id());
        let set = Command::new("prlimit").args([&process, &format!("--fsize={bytes}:unlimited")]).status();
        assert!(set.unwrap().success());
    }
}

impl Disk for SizeLimit {
    fn fill(&self, server: &Server) {
        let log = std::fs::metadata(server.folder.path().join("dapi-mock.db-wal")).unwrap();
        Self::set(server, &log.len().to_string());
    }

    fn free(&self, server: &Server) {
        Self::set(server, "unlimited");
    }

    fn files(&self, server: &Server) -> PathBuf {
        server.folder.path().to_owned()
    }
}

/// A disk of its own, seen by nobody else; it takes rights that not every environment gives.
struct SmallDisk;

impl SmallDisk {
    fn can_be_had() -> bool {
        let tried = Command::new("unshare").args(["-m", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]).output();
        let had = tried.is_ok_and(|output| output.status.success());
        if !had {
            // Not by the macro, whose text a test that passes keeps to itself.
            std::io::stderr()
                .write_all(b"SKIPPED: a disk of its own takes a mount, which is not allowed here\n")
                .unwrap();
        }
        had
    }

    fn start(folder: TempDir) -> Server {
        let binary = env!("CARGO_BIN_EXE_dapi-mock");
        let arguments = ARGUMENTS.join(" ");
        // The working directory is still the one below the mount until it is entered anew.
        let script =
            format!("mount -t tmpfs -o size=4m tmpfs . && cd \"$PWD\" && exec {binary} {arguments} --log-level warn");
        start_by(shell(&folder, &["unshare", "-m", "sh", "-c", &script]), folder)
    }
}

impl Disk for SmallDisk {
    fn fill(&self, server: &Server) {
        let mut filler = std::fs::File::create(self.files(server).join("filler")).unwrap();
        while filler.write(&[0; 4096]).is_ok_and(|written| written > 0) {}
    }

    fn free(&self, server: &Server) {
        std::fs::remove_file(self.files(server).join("filler")).unwrap();
    }

    fn files(&self, server: &Server) -> PathBuf {
        let inside = server.folder.path().strip_prefix("/").unwrap();
        Path::new("/proc").join(server.process_id().to_string()).join("root").join(inside)
    }
}

/// Another program in the server's place, which becomes it.
fn shell(folder: &TempDir, words: &[&str]) -> Command {
    let mut shell = Command::new(words[0]);
    shell.args(&words[1..]).current_dir(folder.path()).env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    shell.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    shell
}

fn create(server: &Server, comment: &str) -> (String, Option<String>) {
    let answer = server.post("/api/2.0/token/create", &json!({"comment": comment}));
    let body: Option<Value> = answer.split("\r\n\r\n").nth(1).and_then(|body| serde_json::from_str(body).ok());
    let value = body.and_then(|body| body["token_value"].as_str().map(str::to_owned));
    (answer, value)
}

async fn integrity(file: &Path) -> String {
    let pool = sqlx::SqlitePool::connect(&database(file).to_string()).await.unwrap();
    let found = sqlx::query_scalar("PRAGMA integrity_check").fetch_one(&pool).await.unwrap();
    pool.close().await;
    found
}

/// Changes fail cleanly while there is no room, and succeed once there is; what only reads goes on.
async fn outlives_a_full_disk(server: Server, disk: impl Disk, says: &str) {
    let (_, kept) = create(&server, "before");
    let (doomed, doomed_id) = server.create(&json!({"comment": "revoked"}));
    server.post("/api/2.0/token/delete", &json!({"token_id": doomed_id}));
    let mut comments = BTreeSet::from(["before".to_owned()]);
    disk.fill(&server);

    let mut refused = 0;
    for n in 0.. {
        let comment = format!("while it fills {n}");
        let (answer, value) = create(&server, &comment);
        if value.is_some() {
            comments.insert(comment);
            assert!(n < 100, "it does not fill");
            continue;
        }
        assert!(answer.starts_with("HTTP/1.1 503 Service Unavailable\r\n"), "{answer}");
        assert!(answer.contains("retry-after: 1\r\n"), "{answer}");
        assert!(answer.contains("{\"error_code\":\"TEMPORARILY_UNAVAILABLE\","), "{answer}");
        refused += 1;
        // Reads go on, refusals stay refusals, between failures of several kinds.
        assert!(server.list(kept.as_deref().unwrap()).starts_with("HTTP/1.1 200 OK"));
        assert!(server.list(&doomed).starts_with("HTTP/1.1 403 Forbidden"));
        for (path, body) in [
            ("/api/2.0/token/delete", json!({"token_id": "0"})),
            ("/_mock/v1/workspaces", json!({})),
            ("/_mock/v1/workspaces/default/clock/advance", json!({"by": "1s"})),
        ] {
            let answer = server.post(path, &body);
            let status: u16 = answer.split(' ').nth(1).unwrap().parse().unwrap();
            assert!([503, 404, 400].contains(&status), "{path}: {answer}");
        }
        if refused == 5 {
            break;
        }
    }
    assert!(get(&server.address(), "/readyz", "").starts_with("HTTP/1.1 200 OK"));

    disk.free(&server);
    let (answer, after) = create(&server, "after");
    assert!(after.is_some(), "it does not recover: {answer}");
    comments.insert("after".to_owned());
    assert!(server.list(&doomed).starts_with("HTTP/1.1 403 Forbidden"));

    let of = |text: String| -> Value { serde_json::from_str(text.split("\r\n\r\n").nth(1).unwrap()).unwrap() };
    let listed = of(server.list(ADMIN));
    let listed =
        listed["token_infos"].as_array().unwrap().iter().map(|row| row["comment"].as_str().unwrap().to_owned());
    let mut expected = comments.clone();
    expected.extend(listed.clone().filter(|comment| comment.contains("dapi-mock") || comment.is_empty()));
    assert_eq!(listed.collect::<BTreeSet<_>>(), expected);
    let audit = get(&server.address(), "/_mock/v1/workspaces/default/audit?action=generateDbToken", "");
    let audit = audit.split("\r\n\r\n").nth(1).unwrap();
    // The one that was revoked is the one more.
    assert_eq!(audit.lines().filter(|line| line.contains("\"statusCode\":200")).count(), comments.len() + 1, "{audit}");
    // A copy, as SQLite does not find its way to the other's disk; nobody writes any more.
    let copy = tempfile::tempdir().unwrap();
    for name in ["dapi-mock.db", "dapi-mock.db-wal"] {
        std::fs::copy(disk.files(&server).join(name), copy.path().join(name)).unwrap();
    }
    assert_eq!(integrity(&copy.path().join("dapi-mock.db")).await, "ok");
    let (code, log, _) = server.stop("TERM");
    assert_eq!(code, Some(0));
    assert!(log.contains(says), "{log}");
    assert!(!log.contains("defect") && !log.contains("panic"), "{log}");
}

#[tokio::test]
async fn a_limit_on_files_is_outlived() {
    let server = SizeLimit::start(tempfile::tempdir().unwrap());
    outlives_a_full_disk(server, SizeLimit, "the database cannot be written: ").await;
}

#[tokio::test]
async fn a_full_disk_is_outlived() {
    if SmallDisk::can_be_had() {
        let server = SmallDisk::start(tempfile::tempdir().unwrap());
        outlives_a_full_disk(server, SmallDisk, "database or disk is full").await;
    }
}

/// As root, whom no file's mode stops, a disk that is read-only; else a file and a folder that are.
#[test]
fn what_cannot_be_written_is_told_at_the_start() {
    let folder = start_in(tempfile::tempdir().unwrap(), &ARGUMENTS).stop("TERM").2;
    let refused = |mut command: Command| {
        let output = command.output().unwrap();
        let says = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && says.contains("cannot be written: "), "{says}");
        assert!(!says.contains("panic"), "{says}");
    };
    let binary = env!("CARGO_BIN_EXE_dapi-mock");
    let arguments = ARGUMENTS.join(" ");
    if rustix::process::geteuid().is_root() {
        if SmallDisk::can_be_had() {
            std::fs::create_dir(folder.path().join("disk")).unwrap();
            for before in ["cp dapi-mock.db disk", "true"] {
                let script = format!(
                    "mount -t tmpfs tmpfs disk && {before} && mount -o remount,ro disk && cd disk && exec {binary} {arguments}"
                );
                refused(shell(&folder, &["unshare", "-m", "sh", "-c", &script]));
            }
        }
        return;
    }
    let set = |path: &Path, mode: u32| std::fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    for (path, mode, restored) in
        [(folder.path().join("dapi-mock.db"), 0o400, 0o600), (folder.path().into(), 0o500, 0o700)]
    {
        set(&path, mode);
        let mut again = command(&folder);
        again.args(ARGUMENTS);
        refused(again);
        set(&path, restored);
    }
}

fn back_up(folder: &TempDir, args: &[&str]) -> Result<String, String> {
    let output = command(folder).arg("backup").args(args).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) }
}

/// While four clients create and revoke: a copy has all that was acknowledged before it was begun.
#[test]
fn a_backup_under_load_has_all_that_was_acknowledged() {
    let server = start_in(tempfile::tempdir().unwrap(), &ARGUMENTS);
    let (created, stop) = (Mutex::new(Vec::new()), AtomicBool::new(false));
    let mut copies = Vec::new();
    std::thread::scope(|scope| {
        for client in 0..4 {
            let (created, stop, server) = (&created, &stop, &server);
            scope.spawn(move || {
                for n in 0..100 {
                    if stop.load(Ordering::Relaxed) {
                        return;
                    }
                    created.lock().unwrap().push(create(server, &format!("{client} {n}")).1.unwrap());
                }
            });
        }
        for name in ["one.db", "two.db"] {
            std::thread::sleep(Duration::from_millis(200));
            let acknowledged = created.lock().unwrap().clone();
            assert_eq!(back_up(&server.folder, &[name]), Ok(format!("{name} is a copy of sqlite:dapi-mock.db\n")));
            copies.push((name, acknowledged));
        }
        stop.store(true, Ordering::Relaxed);
    });
    let mut folder = server.stop("TERM").2;
    for (name, acknowledged) in copies {
        assert!(!acknowledged.is_empty());
        let mode = std::fs::metadata(folder.path().join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let copy = start_in(folder, &["--port", "0", "--database", &format!("sqlite:{name}")]);
        for value in &acknowledged {
            assert!(copy.list(value).starts_with("HTTP/1.1 200 OK"), "{name}");
        }
        folder = copy.stop("TERM").2;
    }
    let left = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert_eq!(left.filter(|name| name.contains("unfinished")).count(), 0);
}

#[tokio::test]
async fn a_backup_overwrites_nothing_and_says_where_it_is_not_the_way() {
    let folder = tempfile::tempdir().unwrap();
    assert!(back_up(&folder, &["copy.db"]).unwrap_err().contains("sqlite:dapi-mock.db is not there yet"));
    ours(&folder.path().join("dapi-mock.db")).await;
    std::fs::write(folder.path().join("precious"), "mine").unwrap();
    run_sql(&database(&folder.path().join("theirs.db")), "CREATE TABLE theirs (x);".to_owned()).await;
    for (args, says) in [
        (&["precious"][..], "cannot be copied: the target exists, and is left as it is"),
        (&["dapi-mock.db"], "the target exists"),
        (&["no/such/folder/copy.db"], "cannot be copied: No such file or directory"),
        (&["copy.db", "--database", "sqlite:theirs.db"], "of another program"),
        (&["copy.db", "--database", "sqlite:precious"], "is no SQLite database"),
        (&["copy.db", "--database", "sqlite::memory:"], "belongs to its server"),
        (&["copy.db", "--database", "postgres://me:secret@db/mock"], "pg_dump"),
    ] {
        let refused = back_up(&folder, args).unwrap_err();
        assert!(refused.contains(says) && !refused.contains("secret"), "{args:?}: {refused}");
    }
    let script = format!("ulimit -f 128; exec {} backup copy.db", env!("CARGO_BIN_EXE_dapi-mock"));
    let no_room = shell(&folder, &["sh", "-c", &script]).output().unwrap();
    let says = String::from_utf8(no_room.stderr).unwrap();
    assert!(!no_room.status.success() && says.contains("sqlite:dapi-mock.db cannot be copied: "), "{says}");
    assert_eq!(std::fs::read(folder.path().join("precious")).unwrap(), b"mine");
    let left: BTreeSet<_> = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(left, ["dapi-mock.db", "precious", "theirs.db"].map(str::to_owned).into());
}

/// A kill at any moment leaves no copy or a whole one under the name.
#[tokio::test]
async fn a_backup_that_is_killed_leaves_no_half() {
    let folder = tempfile::tempdir().unwrap();
    ours(&folder.path().join("dapi-mock.db")).await;
    let target = folder.path().join("copy.db");
    for after in [0, 2, 4, 6, 8, 12, 16, 24, 400] {
        let mut child = command(&folder).args(["backup", "copy.db"]).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(after));
        child.kill().unwrap();
        child.wait().unwrap();
        if target.exists() {
            assert_eq!(integrity(&target).await, "ok");
            std::fs::remove_file(&target).unwrap();
        }
    }
    assert!(back_up(&folder, &["copy.db"]).is_ok(), "what was begun is not in the way");
}
