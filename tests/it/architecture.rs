//! The rooms of the code: who may know whom (ARCHITECTURE.md).

use std::path::{Path, PathBuf};

fn sources(folder: &str) -> Vec<(PathBuf, String)> {
    fn walk(path: &Path, found: &mut Vec<(PathBuf, String)>) {
        for entry in std::fs::read_dir(path).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push((path.clone(), std::fs::read_to_string(&path).unwrap()));
            }
        }
    }
    let mut found = Vec::new();
    walk(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(folder), &mut found);
    assert!(!found.is_empty());
    found
}

/// The lines of a file that are not in its test module.
fn code(text: &str) -> impl Iterator<Item = &str> {
    text.lines().take_while(|line| !line.starts_with("#[cfg(test)]"))
}

fn forbid(folder: &str, needles: &[&str]) {
    for (path, text) in sources(folder) {
        for line in code(&text) {
            let found = needles.iter().find(|needle| line.contains(**needle));
            assert_eq!(found, None, "{}: {line}", path.display());
        }
    }
}

#[test]
fn the_domain_is_pure() {
    forbid("domain", &["sqlx", "axum", "tokio", "tracing", "async ", "crate::store", "crate::service", "crate::http"]);
    forbid("domain", &["crate::clock", "crate::entropy", "std::time", "std::env", "std::fs", "rand::"]);
}

#[test]
fn the_store_knows_no_rules_and_no_http() {
    forbid("store", &["axum", "hyper", "crate::http", "crate::service", "crate::clock", "crate::entropy"]);
}

#[test]
fn the_service_knows_no_http_and_no_sql() {
    forbid("service", &["axum", "hyper", "sqlx", "crate::http", "SELECT ", "INSERT ", "UPDATE ", "DELETE "]);
}

#[test]
fn http_goes_through_the_service() {
    for folder in ["http", "control", "pages"] {
        forbid(folder, &["sqlx", "crate::store", ".store()", "SELECT ", "INSERT ", "UPDATE ", "DELETE FROM"]);
    }
    forbid("http", &["crate::control", "crate::pages"]);
    forbid("control", &["crate::pages"]);
}

/// `packaging/image/check` builds the image with a stand-in for cargo, which would not miss a file.
#[test]
fn the_image_is_built_from_all_that_the_code_includes() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |name: &str| std::fs::read_to_string(root.join(name)).unwrap();
    let (dockerfile, ignored) = (read("Dockerfile"), read(".dockerignore"));
    let mut outside = 0;
    for (path, text) in sources("") {
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
