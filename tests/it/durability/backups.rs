//! Backups, under load and killed in the middle.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tempfile::TempDir;

use super::{ARGUMENTS, create, database, integrity, ours, shell};
use crate::support::{command, run_sql, start_in};

fn back_up(folder: &TempDir, args: &[&str]) -> Result<String, String> {
    let output = command(folder).arg("backup").args(args).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) }
}

/// While four clients create tokens, a copy has all changes acknowledged before it began.
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
    assert!(back_up(&folder, &["copy.db"]).unwrap_err().contains("sqlite:dapi-mock.db does not exist"));
    ours(&folder.path().join("dapi-mock.db")).await;
    std::fs::write(folder.path().join("precious"), "mine").unwrap();
    run_sql(&database(&folder.path().join("theirs.db")), "CREATE TABLE theirs (x);".to_owned()).await;
    for (args, says) in [
        (&["precious"][..], "cannot be copied: the target exists and was left unchanged"),
        (&["dapi-mock.db"], "the target exists"),
        (&["no/such/folder/copy.db"], "cannot be copied: No such file or directory"),
        (&["copy.db", "--database", "sqlite:theirs.db"], "of another program"),
        (&["copy.db", "--database", "sqlite:precious"], "is not a SQLite database"),
        (&["copy.db", "--database", "sqlite::memory:"], "exists only inside its server"),
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

/// A kill at any moment leaves either no copy or a whole one.
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
    assert!(back_up(&folder, &["copy.db"]).is_ok(), "an unfinished copy does not block the next one");
}
