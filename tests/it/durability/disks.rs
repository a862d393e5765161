//! Disks that are full or read-only.

use std::collections::BTreeSet;
use std::fs::Permissions;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{ARGUMENTS, create, integrity, shell};
use crate::support::{ADMIN, Server, command, get, start_by, start_in};

/// What a test may do about the server's disk.
trait Disk {
    /// Stops all files from growing.
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

/// A separate small disk. Mounting it requires rights that not every environment gives.
struct SmallDisk;

impl SmallDisk {
    fn can_be_had() -> bool {
        let tried = Command::new("unshare").args(["-m", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]).output();
        let had = tried.is_ok_and(|output| output.status.success());
        if !had {
            // `eprintln!` would be captured if the test passes.
            std::io::stderr()
                .write_all(b"SKIPPED: a disk of its own takes a mount, which is not allowed here\n")
                .unwrap();
        }
        had
    }

    fn start(folder: TempDir) -> Server {
        let binary = env!("CARGO_BIN_EXE_dapi-mock");
        let arguments = ARGUMENTS.join(" ");
        // The shell is still in the folder below the mount until it enters the folder again.
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

/// Changes fail cleanly while the disk is full and succeed once it is not; reads continue throughout.
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
            assert!(n < 100, "the disk does not fill");
            continue;
        }
        assert!(answer.starts_with("HTTP/1.1 503 Service Unavailable\r\n"), "{answer}");
        assert!(answer.contains("retry-after: 1\r\n"), "{answer}");
        assert!(answer.contains("{\"error_code\":\"TEMPORARILY_UNAVAILABLE\","), "{answer}");
        refused += 1;
        // Between failures of several kinds reads continue, and refusals stay refusals.
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
    assert!(after.is_some(), "the server does not recover: {answer}");
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
    // A copy, because SQLite cannot open a file on the other process's disk; nobody writes any more.
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
async fn the_server_survives_a_limit_on_file_sizes() {
    let server = SizeLimit::start(tempfile::tempdir().unwrap());
    outlives_a_full_disk(server, SizeLimit, "the database cannot be written: ").await;
}

#[tokio::test]
async fn the_server_survives_a_full_disk() {
    if SmallDisk::can_be_had() {
        let server = SmallDisk::start(tempfile::tempdir().unwrap());
        outlives_a_full_disk(server, SmallDisk, "database or disk is full").await;
    }
}

/// A read-only disk if the tests run as root, whom no file mode stops; otherwise a read-only file and folder.
#[test]
fn a_database_that_cannot_be_written_refuses_the_start() {
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
