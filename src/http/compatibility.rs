//! The compatibility page: how faithful each route is, by what evidence, and which clients proved it. Its rows come
//! from the route table, its proofs from what the official clients did in the tests.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use super::route::Route;
use super::routes::ROUTES;

/// A client whose suite went through an operation.
#[derive(Debug, Deserialize, Serialize)]
pub struct Proof {
    /// As in `User-Agent`, such as `databricks-sdk-py`.
    pub client: String,
    pub version: String,
    /// Such as 2026-11-24.
    pub date: String,
}

/// By operation. `tests/clients/prove` writes the file.
static PROOFS: LazyLock<BTreeMap<String, Vec<Proof>>> =
    LazyLock::new(|| serde_json::from_str(include_str!("proofs.json")).unwrap_or_default());

#[derive(Debug, Serialize)]
pub struct Row {
    method: &'static str,
    path: &'static str,
    operation: &'static str,
    level: String,
    evidence: &'static str,
    clients: &'static [Proof],
}

impl From<&'static Route> for Row {
    fn from(route: &'static Route) -> Self {
        Self {
            method: route.method.as_str(),
            path: route.path,
            operation: route.operation,
            level: route.level.to_string(),
            evidence: route.evidence,
            clients: PROOFS.get(route.operation).map_or(&[], Vec::as_slice),
        }
    }
}

pub fn rows() -> Vec<Row> {
    ROUTES.iter().map(Row::from).collect()
}

/// The operations that have a proof.
pub fn proved() -> impl Iterator<Item = &'static str> {
    PROOFS.keys().map(String::as_str)
}

/// `docs/compatibility.md`.
pub fn page() -> String {
    let mut text = String::from(HEAD);
    for Row { method, path, operation, level, evidence, clients } in rows() {
        let clients = clients.iter().map(|proof| format!("{} {} ({})", proof.client, proof.version, proof.date));
        let clients = clients.collect::<Vec<_>>().join(", ");
        // Writing to a string cannot fail.
        let _ = writeln!(text, "| {method} | `{path}` | {operation} | {level} | {evidence} | {clients} |");
    }
    text
}

const HEAD: &str = "# What is emulated

For anyone who asks whether a route is emulated, and how faithfully.

This page is generated from the route table (`src/http/routes/`) and from what the official clients did in the tests
(`src/http/proofs.json`, written by `tests/clients/prove`); `GET /_mock/v1/compat` has it as JSON. Any other path answers
404 `ENDPOINT_NOT_FOUND` and says whether the real service has it.

| level | meaning |
|---|---|
| exact | A recording of the real service, or an official client's own acceptance test, shows the answers. |
| documented | The documentation, or the code of clients, describes the route; no recording shows its answers. |
| partial | The route covers a part of the real one. |
| inferred | The route is known; what it does was concluded. |
| own | The real service has no such route. |

Evidence: [documented] the official documentation, [client] code of real clients that depends on it, or their own acceptance
tests, [observed] recorded from the real service, [inferred] concluded. *Proved by* names the
clients whose own calls in `tests/clients` succeeded, and the day. Whether they got the right answers is for their suites to
say, not for this table.

| method | path | operation | level | evidence | proved by |
|---|---|---|---|---|---|
";
