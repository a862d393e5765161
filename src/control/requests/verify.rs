//! Assertions about the request journal: how many requests match a condition, or in which order they came.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::render::nearest_routes;
use super::{words, workspace};
use crate::control::Control;
use crate::control::reply::{ControlError, JsonBody, Reply, json_answer, ok};
use crate::domain::faults::path_fits;
use crate::domain::journal::RequestFilter;
use crate::http::routes::ROUTES;
use crate::service::JournalEntry;

/// How many of the found and of the nearest requests an answer lists.
const LISTED: usize = 5;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "RequestExpectation")]
pub(crate) struct Expectation {
    r#match: Option<RequestFilter>,
    /// Defaults to 1 if neither `at_most` nor `exactly` is given.
    at_least: Option<usize>,
    at_most: Option<usize>,
    exactly: Option<usize>,
    /// Conditions that requests must have met in this order.
    in_order: Option<Vec<RequestFilter>>,
}

/// 200 if the journal meets the expectation, else 409 with the requests that come nearest.
pub(crate) async fn verify(
    State(control): State<Control>,
    Path(named): Path<String>,
    JsonBody(expected): JsonBody<Expectation>,
) -> Reply {
    let workspace = workspace(&control, &named).await?;
    let journal = control.service.journal_entries(&workspace, 0).await?;
    let counts = [expected.at_least, expected.at_most, expected.exactly];
    let has_counts = counts.iter().any(Option::is_some);
    match (expected.r#match, expected.in_order) {
        (None, Some(steps)) if !has_counts => verify_order(&journal, &steps),
        (Some(_), None) if expected.exactly.is_some() && counts.iter().flatten().count() > 1 => {
            Err(ControlError::bad_request("Give either exactly, or at_least and at_most, not both."))
        }
        (Some(wanted), None) => {
            let least = expected.exactly.or(expected.at_least).unwrap_or(usize::from(!has_counts));
            let most = expected.exactly.or(expected.at_most).unwrap_or(usize::MAX);
            verify_count(&journal, &wanted, least, most)
        }
        _ => Err(ControlError::bad_request("Give either match (with at_least, at_most or exactly) or in_order.")),
    }
}

fn verify_count(journal: &[Arc<JournalEntry>], wanted: &RequestFilter, least: usize, most: usize) -> Reply {
    let words = words(wanted)?;
    let matching: Vec<&Arc<JournalEntry>> = journal.iter().filter(|entry| wanted.takes(&entry.seen())).collect();
    if (least..=most).contains(&matching.len()) {
        return Ok(met(&matching));
    }
    let expected = match (least, most) {
        (least, usize::MAX) => format!("at least {least}"),
        (least, most) if least == most => format!("exactly {least}"),
        (0, most) => format!("at most {most}"),
        (least, most) => format!("{least} to {most}"),
    };
    let noun = if expected.ends_with(" 1") { "request" } else { "requests" };
    let (found, all) = (matching.len(), journal.len());
    let error = format!("Expected {expected} {noun} {words}; found {found} among {all} in the journal.");
    Ok(unmet(&error, &matching, journal, wanted))
}

fn verify_order(journal: &[Arc<JournalEntry>], steps: &[RequestFilter]) -> Reply {
    let mut rest = journal.iter();
    let mut found: Vec<&Arc<JournalEntry>> = Vec::new();
    for (index, wanted) in steps.iter().enumerate() {
        let words = words(wanted)?;
        let Some(entry) = rest.find(|entry| wanted.takes(&entry.seen())) else {
            let after = found.last().map_or_else(String::new, |last| format!(", after request number {}", last.number));
            let error = format!("Expected in_order[{index}], a request {words}{after}; found none.");
            return Ok(unmet(&error, &found, journal, wanted));
        };
        found.push(entry);
    }
    Ok(met(&found))
}

fn met(matching: &[&Arc<JournalEntry>]) -> Response {
    let ids: Vec<&str> = matching.iter().map(|entry| entry.request_id.as_str()).collect();
    ok(&json!({ "met": true, "count": ids.len(), "request_ids": ids }))
}

/// Lists the requests that match, and those that differ least.
fn unmet(
    error: &str,
    matching: &[&Arc<JournalEntry>],
    journal: &[Arc<JournalEntry>],
    wanted: &RequestFilter,
) -> Response {
    let brief = |entry: &JournalEntry, differs: &[String]| {
        json!({
            "number": entry.number, "request_id": entry.request_id, "method": entry.method,
            "path": entry.path, "status": entry.status, "differs": differs,
        })
    };
    let mut near: Vec<(Vec<String>, &Arc<JournalEntry>)> =
        journal.iter().rev().map(|entry| (wanted.differences(&entry.seen()), entry)).collect();
    near.retain(|(differs, _)| !differs.is_empty());
    near.sort_by_key(|(differs, _)| differs.len());
    let near: Vec<Value> = near.iter().take(LISTED).map(|(differs, entry)| brief(entry, differs)).collect();
    let matching: Vec<Value> = matching.iter().rev().take(LISTED).map(|entry| brief(entry, &[])).collect();
    let mut out = json!({ "met": false, "error": error, "found": matching, "nearest": near });
    let path = wanted.path.as_deref().filter(|path| !path.contains('*'));
    if let (Some(path), Some(out)) = (path, out.as_object_mut())
        && !ROUTES.iter().any(|route| path_fits(route.path, path))
    {
        out.insert("nearest_routes".into(), nearest_routes(wanted.method.as_deref().unwrap_or_default(), path));
    }
    json_answer(StatusCode::CONFLICT, &out)
}
