//! The census: who uses which credential with which client, counted from the request journal.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use axum::extract::{Path, State};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::workspace;
use crate::control::Control;
use crate::control::reply::{Params, Reply, ok};
use crate::domain::{Millis, TokenId};
use crate::service::JournalEntry;

#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum By {
    #[default]
    Client,
    Principal,
    Credential,
    Token,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Census")]
pub(crate) struct CensusQuery {
    #[serde(default)]
    by: By,
}

#[derive(Default)]
struct Group {
    requests: u64,
    refused: u64,
    first: Option<Millis>,
    last: Option<Millis>,
    credentials: BTreeMap<&'static str, u64>,
    clients: BTreeMap<String, u64>,
    principals: BTreeMap<String, u64>,
}

impl Group {
    fn add(&mut self, entry: &JournalEntry) {
        self.requests += 1;
        self.refused += u64::from(entry.status >= 400);
        self.first = self.first.or(Some(entry.at));
        self.last = Some(entry.at);
        *self.credentials.entry(entry.credential.as_str()).or_default() += 1;
        *self.clients.entry(entry.client().label()).or_default() += 1;
        *self.principals.entry(principal(entry)).or_default() += 1;
    }

    fn json(&self, name: &str) -> Value {
        json!({
            "name": name, "requests": self.requests, "refused": self.refused,
            "first": self.first.map(Millis::rfc3339), "last": self.last.map(Millis::rfc3339),
            "credentials": self.credentials, "clients": self.clients, "principals": self.principals,
        })
    }
}

fn principal(entry: &JournalEntry) -> String {
    entry.caller.clone().unwrap_or_else(|| "(nobody)".to_owned())
}

/// The groups with the most requests come first.
pub(crate) async fn census(
    State(control): State<Control>,
    Path(named): Path<String>,
    Params(query): Params<CensusQuery>,
) -> Reply {
    let workspace = workspace(&control, &named).await?;
    let mut groups: BTreeMap<String, Group> = BTreeMap::new();
    for entry in control.service.journal_entries(&workspace, 0).await? {
        let key = match query.by {
            By::Client => entry.client().label(),
            By::Principal => principal(&entry),
            By::Credential => entry.credential.as_str().to_owned(),
            By::Token => entry.token.as_ref().map_or("(none)", TokenId::as_str).to_owned(),
        };
        groups.entry(key).or_default().add(&entry);
    }
    let mut groups: Vec<(String, Group)> = groups.into_iter().collect();
    groups.sort_by_key(|(_, group)| Reverse(group.requests));
    let rows: Vec<Value> = groups.iter().map(|(name, group)| group.json(name)).collect();
    Ok(ok(&json!({ "census": rows })))
}
