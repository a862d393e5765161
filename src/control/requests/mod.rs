//! `…/requests`: lists the request journal, takes entries out of it, empties it. `verify` has the assertions about it,
//! `census` the counts, and `render` an entry as JSON, curl and HAR. Start with [`list`].

mod census;
mod render;
mod verify;

use std::collections::{BTreeMap, HashSet};
use std::fmt::Display;
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::Response;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};

pub(super) use self::census::{CensusQuery, census};
use self::render::{Format, entry_json, exported};
pub(super) use self::verify::{Expectation, verify};
use super::Control;
use super::explain::not_kept;
use super::reply::{ControlError, JsonBody, Params, Reply, ok, workspace_id};
use crate::domain::Workspace;
use crate::domain::journal::RequestFilter;
use crate::http::redaction;
use crate::service::JournalEntry;

/// The parameters of the list that do not say which requests match.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
struct Paging {
    since: u64,
    before: Option<u64>,
    limit: Option<usize>,
    format: Format,
}

/// All parameters of the list, for the OpenAPI document.
#[derive(JsonSchema)]
#[schemars(rename = "RequestSelection")]
#[expect(dead_code, reason = "only described")]
pub(super) struct ListParameters {
    #[serde(flatten)]
    request: RequestFilter,
    #[serde(flatten)]
    paging: Paging,
}

async fn workspace(control: &Control, named: &str) -> Result<Workspace, ControlError> {
    let id = workspace_id(&control.service, named).await?;
    Ok(control.service.workspace(id).await?)
}

/// The condition in words. Answers repeat it, so it must hold no secret.
fn words(wanted: &RequestFilter) -> Result<String, ControlError> {
    let words = wanted.words();
    if redaction::line(&words) == words {
        Ok(words)
    } else {
        Err(ControlError::bad_request("The condition contains a token or secret: refer to a token by its token_id."))
    }
}

/// The newest matching requests, oldest first.
pub(super) async fn list(
    State(control): State<Control>,
    Path(named): Path<String>,
    Params(parameters): Params<BTreeMap<String, String>>,
) -> Reply {
    let workspace = workspace(&control, &named).await?;
    if parameters.contains_key("consume") {
        return Err(ControlError::bad_request(
            "GET does not change the journal: to take requests out of it, use POST …/requests/consume with the same \
             parameters.",
        ));
    }
    let (wanted, paging) = read(parameters)?;
    let selection = select(&control, &workspace, &wanted, &paging).await?;
    Ok(listed(&paging, &selection))
}

/// Takes the same selection out of the journal. A parameter may be in the query or in the body.
pub(super) async fn consume(
    State(control): State<Control>,
    Path(named): Path<String>,
    Params(mut parameters): Params<BTreeMap<String, String>>,
    JsonBody(members): JsonBody<Map<String, Value>>,
) -> Reply {
    let workspace = workspace(&control, &named).await?;
    for (name, value) in members {
        let text = match value {
            Value::Null => continue,
            Value::String(text) => text,
            other => other.to_string(),
        };
        if parameters.insert(name.clone(), text).is_some() {
            return Err(ControlError::bad_request(format!(
                "{name} is both in the query and in the body: give it once."
            )));
        }
    }
    let (wanted, paging) = read(parameters)?;
    let selection = select(&control, &workspace, &wanted, &paging).await?;
    let numbers: HashSet<u64> = selection.entries.iter().map(|entry| entry.number).collect();
    control.service.delete_journal_entries(&workspace, &numbers).await?;
    Ok(listed(&paging, &selection))
}

struct Selection {
    entries: Vec<Arc<JournalEntry>>,
    has_older: bool,
}

async fn select(
    control: &Control,
    workspace: &Workspace,
    wanted: &RequestFilter,
    paging: &Paging,
) -> Result<Selection, ControlError> {
    words(wanted)?;
    let mut entries = control.service.journal_entries(workspace, paging.since).await?;
    entries.retain(|entry| paging.before.is_none_or(|before| entry.number < before) && wanted.takes(&entry.seen()));
    let older = entries.len().saturating_sub(paging.limit.unwrap_or(usize::MAX));
    entries.drain(..older);
    Ok(Selection { entries, has_older: older > 0 })
}

fn listed(paging: &Paging, Selection { entries, has_older }: &Selection) -> Response {
    match paging.format {
        Format::Json => {
            let next = entries.last().map_or(paging.since, |entry| entry.number);
            let requests: Vec<Value> = entries.iter().map(|entry| entry_json(entry).into()).collect();
            let before = entries.first().filter(|_| *has_older).map(|entry| entry.number);
            ok(&json!({ "requests": requests, "next_since": next, "next_before": before }))
        }
        format => exported(format, entries),
    }
}

/// Splits the parameters into those that say which requests match, and the others.
fn read(parameters: BTreeMap<String, String>) -> Result<(RequestFilter, Paging), ControlError> {
    let invalid = |error: &dyn Display| ControlError::bad_request(error.to_string());
    let (mut wanted, mut paging) = (Map::new(), Map::new());
    for (name, text) in parameters {
        match name.as_str() {
            "since" | "before" | "limit" => {
                let number: u64 = text.parse().map_err(|error| invalid(&format!("{name}: {error}")))?;
                paging.insert(name, number.into());
            }
            "format" => drop(paging.insert(name, text.into())),
            _ => drop(wanted.insert(name, text.into())),
        }
    }
    let wanted = serde_json::from_value(wanted.into()).map_err(|error| invalid(&error))?;
    Ok((wanted, serde_json::from_value(paging.into()).map_err(|error| invalid(&error))?))
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct EntryQuery {
    #[serde(default)]
    format: Format,
}

pub(super) async fn show(
    State(control): State<Control>,
    Path((named, request_id)): Path<(String, String)>,
    Params(query): Params<EntryQuery>,
) -> Reply {
    let workspace = workspace(&control, &named).await?;
    let found = control.service.find_journal_entry(&request_id, Some(&workspace)).await?;
    let found = found.ok_or_else(|| not_kept(&format!("The workspace has no request '{request_id}'")))?;
    Ok(match query.format {
        Format::Json => ok(&entry_json(&found).into()),
        format => exported(format, &[found]),
    })
}

pub(super) async fn clear(State(control): State<Control>, Path(named): Path<String>) -> Reply {
    let workspace = workspace(&control, &named).await?;
    control.service.clear_journal(&workspace).await?;
    Ok(ok(&json!({})))
}
