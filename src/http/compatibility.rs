//! The compatibility ledger: how faithful each route is, by what evidence, and which clients have proved it.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use super::routes::{ROUTES, Route};

/// A client whose suite went through an operation.
#[derive(Debug, Deserialize, Serialize)]
pub struct Proof {
    /// Its name in `User-Agent`, such as `databricks-sdk-py`.
    pub client: String,
    /// Its version.
    pub version: String,
    /// The day, such as 2026-11-24.
    pub date: String,
}

/// By operation; `tests/clients/prove` writes the file.
static PROOFS: LazyLock<BTreeMap<String, Vec<Proof>>> =
    LazyLock::new(|| serde_json::from_str(include_str!("proofs.json")).unwrap_or_default());

/// The ledger's row of a route.
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

/// The ledger.
pub fn rows() -> Vec<Row> {
    ROUTES.iter().map(Row::from).collect()
}

/// The operations that the proofs are of.
pub fn proved() -> impl Iterator<Item = &'static str> {
    PROOFS.keys().map(String::as_str)
}

/// `docs/compatibility.md`.
pub fn page() -> String {
    let mut text = String::from(HEAD);
    for Row { method, path, operation, level, evidence, clients } in rows() {
        let clients = clients.iter().map(|proof| format!("{} {} ({})", proof.client, proof.version, proof.date));
        let clients = clients.collect::<Vec<_>>().join(", ");
        // Writing to a text cannot fail.
        let _ = writeln!(text, "| {method} | `{path}` | {operation} | {level} | {evidence} | {clients} |");
    }
    text
}

const HEAD: &str = "# What is emulated

Generated from the route table (`src/http/routes.rs`) and the clients' proofs (`src/http/proofs.json`, written by
`tests/clients/prove`); as JSON at `GET /_mock/v1/compat`. Any other path answers 404 `ENDPOINT_NOT_FOUND` and says
whether the real service has something there.

*exact*: a capture of the real service, or an official client's own acceptance test, shows its answers. *documented*: the
documentation or the code of clients describes it, and no capture shows its answers. *partial*: a part of the real route.
*inferred*: the route is known, what it does was concluded. *own*: the real service has no such route.

Evidence: [acceptance] an official client's own test against the real service, [doc] the official documentation, [client] the code of real clients depends on it, [observed] recorded from
the real service, [inferred] concluded. *proved by*: that client's own calls in `tests/clients` were answered with
success, on that day. Whether all that it relies on is right, its suite says, not this table.

| method | path | operation | level | evidence | proved by |
|---|---|---|---|---|---|
";
