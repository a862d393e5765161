//! Generated parts of the documents. `DAPI_MOCK_UPDATE_DOCUMENTS=1 cargo test documents` writes them.

use std::path::Path;

use dapi_mock::config::settings_table;
use dapi_mock::control::routes as control;
use dapi_mock::http::compatibility;
use dapi_mock::http::routes::ROUTES;

#[expect(clippy::disallowed_methods, reason = "the tests' own setting")]
fn check(path: &str, wanted: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    if std::env::var_os("DAPI_MOCK_UPDATE_DOCUMENTS").is_some() {
        std::fs::write(&path, wanted).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(found == wanted, "{} is out of date: DAPI_MOCK_UPDATE_DOCUMENTS=1 cargo test documents", path.display());
}

#[test]
fn the_page_of_settings_has_those_of_the_flags() {
    let page = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/settings.md")).unwrap();
    let (before, rest) = page.split_once("<!-- settings -->\n").expect("the marker before the settings");
    let (_, after) = rest.split_once("<!-- /settings -->").expect("the marker after the settings");
    check("docs/settings.md", &format!("{before}<!-- settings -->\n{}\n<!-- /settings -->{after}", settings_table()));
}

#[test]
fn the_compatibility_ledger_has_the_routes_of_the_table() {
    check("docs/compatibility.md", &compatibility::page());
    for route in ROUTES.iter() {
        assert!(!route.evidence.is_empty(), "{} {}", route.method, route.path);
    }
    let proofs: serde_json::Value = serde_json::from_str(include_str!("../../src/http/proofs.json")).unwrap();
    assert_eq!(compatibility::proved().count(), proofs.as_object().unwrap().len(), "each proof is read");
    for operation in compatibility::proved() {
        assert!(ROUTES.iter().any(|route| route.operation == operation), "unknown operation {operation}");
    }
}

#[test]
fn the_schema_of_seeds_is_that_of_the_code() {
    let schema = serde_json::to_string_pretty(&dapi_mock::domain::seeds::json_schema()).unwrap();
    check("docs/schemas/seed.schema.json", &format!("{schema}\n"));
}

#[test]
fn the_openapi_documents_are_those_of_the_route_tables() {
    for (name, document, routes) in [
        ("control-api", dapi_mock::control::openapi::document(control::ROUTES), control::ROUTES.len()),
        ("emulated", dapi_mock::http::openapi::document(), ROUTES.len()),
    ] {
        let text = serde_json::to_string_pretty(&document).unwrap();
        check(&format!("docs/schemas/{name}.openapi.json"), &format!("{text}\n"));
        let paths = document["paths"].as_object().unwrap();
        let operations = paths.values().flat_map(|path| path.as_object().unwrap().values());
        let operations: std::collections::HashSet<&str> =
            operations.map(|operation| operation["operationId"].as_str().unwrap()).collect();
        assert_eq!(operations.len(), routes, "each has a name of its own");
        for reference in references(&document) {
            assert!(document.pointer(reference.trim_start_matches('#')).is_some(), "{reference}");
        }
    }
}

/// Every command of the README and of docs/, each page in one shell, in order, with what it prints; every link.
#[test]
fn every_command_of_the_documents_does_what_the_text_shows() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/documents/run");
    let mut run = std::process::Command::new(script);
    let output = run.env("DAPI_MOCK_BIN", env!("CARGO_BIN_EXE_dapi-mock")).output().expect("Python 3");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    println!("{}", text(&output.stdout));
    assert!(output.status.success(), "{}", text(&output.stderr));
}

#[test]
fn every_channel_has_the_same_version() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/version");
    let output = std::process::Command::new(script).arg("--check").output().expect("Python 3");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.stdout.starts_with(env!("CARGO_PKG_VERSION").as_bytes()));
}

/// Every reference to a part of the document.
fn references(value: &serde_json::Value) -> Vec<&str> {
    match value {
        serde_json::Value::Object(members) => {
            let here = members.get("$ref").and_then(|reference| reference.as_str());
            here.into_iter().chain(members.values().flat_map(references)).collect()
        }
        serde_json::Value::Array(items) => items.iter().flat_map(references).collect(),
        _ => Vec::new(),
    }
}

#[test]
fn the_control_api_is_documented_route_by_route() {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/control-api.md")).unwrap();
    for route in control::ROUTES {
        let heading = format!("**`{} /_mock{}`**", route.method, route.path);
        assert_eq!(text.matches(&heading).count(), 1, "{heading}");
    }
    let headings = text.lines().filter(|line| line.starts_with("**`") && line.contains(" /_mock")).count();
    assert_eq!(headings, control::ROUTES.len(), "it has no other routes");
}

/// Each requirement is there, in order, with tests that exist, or with the requirement that it repeats.
#[test]
fn the_requirements_name_tests_that_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = std::fs::read_to_string(root.join("docs/requirements.md")).unwrap();
    let sections: Vec<&str> = page.split("\n### R").skip(1).collect();
    assert_eq!(sections.len(), 50);
    for (number, section) in (1..).zip(sections) {
        let (heading, text) = section.split_once('\n').unwrap();
        assert_eq!(heading, format!("{number}"), "they are in order");
        let mut is_shown = text.contains("](#r");
        for line in text.lines().filter_map(|line| line.strip_prefix("- [")) {
            let (link, names) = line.split_once("](../").and_then(|(_, rest)| rest.split_once("): ")).expect(line);
            let code = std::fs::read_to_string(root.join(link)).unwrap_or_else(|error| panic!("{link}: {error}"));
            for name in names.split('`').skip(1).step_by(2) {
                let defined = ["fn", "def", "func", "void"].map(|word| format!("{word} {name}("));
                assert!(defined.iter().any(|text| code.contains(text)), "R{number}: {link} has no test {name}");
                is_shown = true;
            }
        }
        assert!(is_shown, "R{number} names no test");
    }
}
