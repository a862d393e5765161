//! The rooms of the code and what each may import: ARCHITECTURE.md draws them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// From the bottom up: each room and what it may import. A folder of `src` is a room, and so is a file beside `lib.rs`.
const ROOMS: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("platform", &[]),
    ("clock", &["domain"]),
    ("entropy", &["domain"]),
    ("log", &["platform"]),
    ("store", &["domain", "platform"]),
    ("service", &["domain", "clock", "entropy", "store"]),
    ("web", &["domain", "service"]),
    ("listen", &["domain", "platform", "clock", "entropy", "web"]),
    ("http", &["domain", "service", "web", "listen"]),
    ("control", &["domain", "service", "web", "listen", "http"]),
    ("pages", &["domain", "service", "web", "http", "control"]),
    ("config", &["domain", "store", "service", "web"]),
    ("background", &["domain", "platform", "service", "listen"]),
    (
        "cli",
        &[
            "domain",
            "platform",
            "clock",
            "entropy",
            "log",
            "store",
            "service",
            "web",
            "listen",
            "http",
            "control",
            "pages",
            "config",
            "background",
        ],
    ),
    ("main", &[]),
];

fn sources(folder: &Path) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            found.push((path, text));
        }
    }
    found
}

fn source_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

fn room_of(path: &Path) -> String {
    let inside = path.strip_prefix(source_folder()).unwrap();
    inside.components().next().unwrap().as_os_str().to_str().unwrap().trim_end_matches(".rs").to_owned()
}

/// The lines of a file before its test module, without comments.
fn code(text: &str) -> impl Iterator<Item = &str> {
    let lines = text.lines().take_while(|line| !line.starts_with("#[cfg(test)]"));
    lines.filter(|line| !line.trim_start().starts_with("//"))
}

/// The rooms that a line of code names.
fn imports(line: &str) -> impl Iterator<Item = &str> {
    line.split("crate::").skip(1).map(|rest| {
        let end = rest.find(|letter: char| !letter.is_ascii_lowercase() && letter != '_').unwrap_or(rest.len());
        &rest[..end]
    })
}

#[test]
fn rooms_import_only_from_below() {
    let mut seen = BTreeSet::new();
    for (path, text) in sources(&source_folder()) {
        let room = room_of(&path);
        if room == "lib" {
            continue;
        }
        let allowed = ROOMS.iter().find(|(name, _)| *name == room);
        let (_, allowed) = allowed.unwrap_or_else(|| panic!("{room} is not in the list of rooms"));
        for line in code(&text) {
            assert!(!line.contains("crate::{"), "{}: name the room in the path: {line}", path.display());
            for import in imports(line).filter(|import| !import.is_empty() && *import != room) {
                assert!(allowed.contains(&import), "{} may not import {import}: {line}", path.display());
            }
        }
        seen.insert(room);
    }
    let listed = ROOMS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(seen, listed, "the list has the rooms that there are");
    let below = |place: usize, import: &&str| ROOMS[..place].iter().any(|(name, _)| name == import);
    for (place, (room, allowed)) in ROOMS.iter().enumerate() {
        assert!(allowed.iter().all(|import| below(place, import)), "{room} imports from above");
    }
}

/// What the lines of a room must not contain, beside imports of other rooms.
#[test]
fn rooms_keep_to_their_trade() {
    const SQL: [&str; 5] = ["sqlx", "SELECT ", "INSERT ", "UPDATE ", "DELETE FROM"];
    const HTTP: [&str; 2] = ["axum", "hyper"];
    const EFFECTS: [&str; 7] = ["tokio", "tracing", "async ", "std::time", "std::env", "std::fs", "rand::"];
    let rules: &[(&str, &[&[&str]])] = &[
        ("domain", &[&SQL, &HTTP, &EFFECTS]),
        ("store", &[&HTTP]),
        ("service", &[&SQL, &HTTP]),
        ("http", &[&SQL, &[".store()"]]),
        ("control", &[&SQL, &[".store()"]]),
        ("pages", &[&SQL, &[".store()"]]),
    ];
    for (path, text) in sources(&source_folder()) {
        let words =
            rules.iter().filter(|(room, _)| *room == room_of(&path)).flat_map(|(_, words)| words.iter().copied());
        for word in words.flatten() {
            let found = code(&text).find(|line| line.contains(word));
            assert_eq!(found, None, "{}: {word} does not belong here", path.display());
        }
    }
}

/// A file is read in one sitting.
#[test]
fn no_file_is_longer_than_450_lines() {
    for (path, text) in sources(&source_folder()) {
        let is_test_module = path.file_stem().is_some_and(|name| name == "tests");
        let lines = text.lines().take_while(|line| !line.starts_with("#[cfg(test)]")).count();
        assert!(is_test_module || lines <= 450, "{}: {lines} lines", path.display());
    }
}

/// `packaging/image/check` builds the image with a stand-in for cargo, which would not notice a missing file.
#[test]
fn the_image_is_built_from_all_files_that_the_code_includes() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |name: &str| std::fs::read_to_string(root.join(name)).unwrap();
    let (dockerfile, ignored) = (read("Dockerfile"), read(".dockerignore"));
    let mut outside = 0;
    for (path, text) in sources(&source_folder()) {
        for included in text.split("include_str!(\"").skip(1).filter_map(|rest| rest.split('"').next()) {
            let file = path.parent().unwrap().join(included).canonicalize().unwrap();
            let folder = file.parent().unwrap().strip_prefix(root.canonicalize().unwrap()).unwrap();
            if folder.starts_with("src") {
                continue;
            }
            outside += 1;
            let folder = folder.display();
            assert!(dockerfile.contains(&format!("COPY {folder} {folder}\n")), "{folder}");
            assert!(ignored.contains(&format!("!{folder}\n")), "{folder}");
        }
    }
    assert!(outside > 0);
}
