//! `…/requests`: the journal, as JSON, curl or HAR; assertions about it; and the census of who comes with what.

use std::collections::{BTreeMap, HashSet};
use std::fmt::Write;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::Control;
use super::explain::{not_kept, why_refused};
use super::reply::{Asked, Input, Problem, Reply, json_answer, ok, workspace_id};
use crate::domain::authorize::Check;
use crate::domain::faults::path_fits;
use crate::domain::journal::{CredentialKind, RequestFilter};
use crate::domain::{Millis, TokenId, Workspace};
use crate::http::redaction;
use crate::http::routes::{self, ROUTES};
use crate::service::{Headers, JournalEntry, StoredBody};
use crate::web::shell::quoted;

/// How many requests an answer names beside those that were asked for.
const NAMED: usize = 5;

/// How exchanges are told.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Format {
    #[default]
    Json,
    Curl,
    Har,
}

/// Parameters of the list that are not about which requests.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
struct Listing {
    since: u64,
    before: Option<u64>,
    limit: Option<usize>,
    format: Format,
}

/// The parameters of the list, both kinds together, for the OpenAPI document.
#[derive(JsonSchema)]
#[schemars(rename = "RequestSelection")]
#[expect(dead_code, reason = "only described")]
pub(super) struct ListParameters {
    #[serde(flatten)]
    wanted: RequestFilter,
    #[serde(flatten)]
    listing: Listing,
}

async fn workspace(control: &Control, named: &str) -> Result<Workspace, Problem> {
    let id = workspace_id(&control.service, named).await?;
    Ok(control.service.workspace(id).await?)
}

/// What is asked for. It is told again in answers, so it may hold no secret.
fn words(wanted: &RequestFilter) -> Result<String, Problem> {
    let words = wanted.words();
    if redaction::line(&words) == words {
        Ok(words)
    } else {
        Err(Problem::bad_request("The question holds a token or secret; name a token by its token_id."))
    }
}

/// `?method=&path=&principal=&token_id=&client=&status=&credential=&operation=&unmatched=&refused=&since=&before=&limit=&format=`:
/// the newest of those that are meant, oldest first.
pub(super) async fn list(
    State(control): State<Control>,
    Path(named): Path<String>,
    Asked(parameters): Asked<BTreeMap<String, String>>,
) -> Reply {
    let workspace = workspace(&control, &named).await?;
    if parameters.contains_key("consume") {
        return Err(Problem::bad_request(
            "GET changes nothing: to take requests out of the journal, use POST …/requests/consume with the same \
             parameters.",
        ));
    }
    let (wanted, listing) = read(parameters)?;
    let selection = select(&control, &workspace, &wanted, &listing).await?;
    Ok(listed(&listing, &selection))
}

/// The same selection, taken out of the journal. A parameter may be in the query or in the body.
pub(super) async fn consume(
    State(control): State<Control>,
    Path(named): Path<String>,
    Asked(mut parameters): Asked<BTreeMap<String, String>>,
    Input(members): Input<Map<String, Value>>,
) -> Reply {
    let workspace = workspace(&control, &named).await?;
    for (name, value) in members {
        let text = match value {
            Value::Null => continue,
            Value::String(text) => text,
            other => other.to_string(),
        };
        if parameters.insert(name.clone(), text).is_some() {
            return Err(Problem::bad_request(format!("{name} is in the query and in the body: give it once.")));
        }
    }
    let (wanted, listing) = read(parameters)?;
    let selection = select(&control, &workspace, &wanted, &listing).await?;
    let numbers: HashSet<u64> = selection.found.iter().map(|exchange| exchange.number).collect();
    control.service.delete_journal_entries(&workspace, &numbers).await?;
    Ok(listed(&listing, &selection))
}

/// The newest requests that match, oldest first.
struct Selection {
    found: Vec<Arc<JournalEntry>>,
    /// Whether older ones match, too.
    has_older: bool,
}

async fn select(
    control: &Control,
    workspace: &Workspace,
    wanted: &RequestFilter,
    listing: &Listing,
) -> Result<Selection, Problem> {
    words(wanted)?;
    let mut found = control.service.journal_entries(workspace, listing.since).await?;
    found.retain(|exchange| {
        listing.before.is_none_or(|before| exchange.number < before) && wanted.takes(&exchange.seen())
    });
    let older = found.len().saturating_sub(listing.limit.unwrap_or(usize::MAX));
    found.drain(..older);
    Ok(Selection { found, has_older: older > 0 })
}

fn listed(listing: &Listing, Selection { found, has_older }: &Selection) -> Response {
    match listing.format {
        Format::Json => {
            let next = found.last().map_or(listing.since, |exchange| exchange.number);
            let requests: Vec<Value> = found.iter().map(|exchange| exchange_json(exchange).into()).collect();
            let before = found.first().filter(|_| *has_older).map(|exchange| exchange.number);
            ok(&json!({ "requests": requests, "next_since": next, "next_before": before }))
        }
        format => rendered(format, found),
    }
}

/// Tells the parameters that are about which requests from the others.
fn read(parameters: BTreeMap<String, String>) -> Result<(RequestFilter, Listing), Problem> {
    let wrong = |error: &dyn std::fmt::Display| Problem::bad_request(error.to_string());
    let (mut wanted, mut listing) = (Map::new(), Map::new());
    for (name, text) in parameters {
        match name.as_str() {
            "since" | "before" | "limit" => {
                let number: u64 = text.parse().map_err(|error| wrong(&format!("{name}: {error}")))?;
                listing.insert(name, number.into());
            }
            "format" => drop(listing.insert(name, text.into())),
            _ => drop(wanted.insert(name, text.into())),
        }
    }
    let wanted = serde_json::from_value(wanted.into()).map_err(|error| wrong(&error))?;
    Ok((wanted, serde_json::from_value(listing.into()).map_err(|error| wrong(&error))?))
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct One {
    #[serde(default)]
    format: Format,
}

/// One exchange by the request's id.
pub(super) async fn show(
    State(control): State<Control>,
    Path((named, request_id)): Path<(String, String)>,
    Asked(one): Asked<One>,
) -> Reply {
    let workspace = workspace(&control, &named).await?;
    let found = control.service.find_journal_entry(&request_id, Some(&workspace)).await?;
    let found = found.ok_or_else(|| not_kept(&format!("The workspace has no request '{request_id}'")))?;
    Ok(match one.format {
        Format::Json => ok(&exchange_json(&found).into()),
        format => rendered(format, &[found]),
    })
}

/// Empties the journal of a workspace.
pub(super) async fn clear(State(control): State<Control>, Path(named): Path<String>) -> Reply {
    let workspace = workspace(&control, &named).await?;
    control.service.clear_journal(&workspace).await?;
    Ok(ok(&json!({})))
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "RequestExpectation")]
pub(super) struct Expectation {
    r#match: Option<RequestFilter>,
    at_least: Option<usize>,
    at_most: Option<usize>,
    exactly: Option<usize>,
    in_order: Option<Vec<RequestFilter>>,
}

/// `{"match", "at_least"?, "at_most"?, "exactly"?}` or `{"in_order": [match, …]}`: 200 when the journal agrees,
/// else 409 with what is nearest.
pub(super) async fn verify(
    State(control): State<Control>,
    Path(named): Path<String>,
    Input(expected): Input<Expectation>,
) -> Reply {
    let workspace = workspace(&control, &named).await?;
    let kept = control.service.journal_entries(&workspace, 0).await?;
    let counts = [expected.at_least, expected.at_most, expected.exactly];
    let has_counts = counts.iter().any(Option::is_some);
    match (expected.r#match, expected.in_order) {
        (None, Some(steps)) if !has_counts => in_order(&kept, &steps),
        (Some(_), None) if expected.exactly.is_some() && counts.iter().flatten().count() > 1 => {
            Err(Problem::bad_request("Say exactly, or at_least and at_most."))
        }
        (Some(wanted), None) => {
            let least = expected.exactly.or(expected.at_least).unwrap_or(usize::from(!has_counts));
            let most = expected.exactly.or(expected.at_most).unwrap_or(usize::MAX);
            counted(&kept, &wanted, least, most)
        }
        _ => Err(Problem::bad_request("Say match, with at_least, at_most or exactly, or in_order.")),
    }
}

fn counted(kept: &[Arc<JournalEntry>], wanted: &RequestFilter, least: usize, most: usize) -> Reply {
    let words = words(wanted)?;
    let matching: Vec<&Arc<JournalEntry>> = kept.iter().filter(|exchange| wanted.takes(&exchange.seen())).collect();
    if (least..=most).contains(&matching.len()) {
        return Ok(met(&matching));
    }
    let expected = match (least, most) {
        (least, usize::MAX) => format!("at least {least}"),
        (least, most) if least == most => format!("exactly {least}"),
        (0, most) => format!("at most {most}"),
        (least, most) => format!("from {least} to {most}"),
    };
    let error = format!("Expected {expected} of the requests {words}; found {} among {}.", matching.len(), kept.len());
    Ok(unmet(&error, &matching, kept, wanted))
}

fn in_order(kept: &[Arc<JournalEntry>], steps: &[RequestFilter]) -> Reply {
    let mut rest = kept.iter();
    let mut found: Vec<&Arc<JournalEntry>> = Vec::new();
    for (index, wanted) in steps.iter().enumerate() {
        let words = words(wanted)?;
        let Some(exchange) = rest.find(|exchange| wanted.takes(&exchange.seen())) else {
            let after = found.last().map_or_else(String::new, |last| format!(", after number {}", last.number));
            let error = format!("Expected in_order[{index}], a request {words}{after}; there is none.");
            return Ok(unmet(&error, &found, kept, wanted));
        };
        found.push(exchange);
    }
    Ok(met(&found))
}

fn met(matching: &[&Arc<JournalEntry>]) -> Response {
    let ids: Vec<&str> = matching.iter().map(|exchange| exchange.request_id.as_str()).collect();
    ok(&json!({ "met": true, "count": ids.len(), "request_ids": ids }))
}

/// The requests that fit, and those that fit but for the least.
fn unmet(error: &str, matching: &[&Arc<JournalEntry>], kept: &[Arc<JournalEntry>], wanted: &RequestFilter) -> Response {
    let brief = |exchange: &JournalEntry, differs: &[String]| {
        json!({
            "number": exchange.number, "request_id": exchange.request_id, "method": exchange.method,
            "path": exchange.path, "status": exchange.status, "differs": differs,
        })
    };
    let mut near: Vec<(Vec<String>, &Arc<JournalEntry>)> =
        kept.iter().rev().map(|exchange| (wanted.differences(&exchange.seen()), exchange)).collect();
    near.retain(|(differs, _)| !differs.is_empty());
    near.sort_by_key(|(differs, _)| differs.len());
    let near: Vec<Value> = near.iter().take(NAMED).map(|(differs, exchange)| brief(exchange, differs)).collect();
    let matching: Vec<Value> = matching.iter().rev().take(NAMED).map(|exchange| brief(exchange, &[])).collect();
    let mut out = json!({ "met": false, "error": error, "found": matching, "nearest": near });
    let path = wanted.path.as_deref().filter(|path| !path.contains('*'));
    if let (Some(path), Some(out)) = (path, out.as_object_mut())
        && !ROUTES.iter().any(|route| path_fits(route.path, path))
    {
        out.insert("nearest_routes".into(), nearest_routes(wanted.method.as_deref().unwrap_or_default(), path));
    }
    json_answer(StatusCode::CONFLICT, &out)
}

fn nearest_routes(method: &str, path: &str) -> Value {
    routes::nearest(method, path).iter().map(|route| format!("{} {}", route.method, route.path)).collect()
}

fn headers_json(headers: &Headers) -> Value {
    Value::Object(headers.iter().map(|(name, value)| (name.to_string(), value.as_str().into())).collect())
}

fn kept_json(headers: &Headers, body: &StoredBody) -> Value {
    json!({ "headers": headers_json(headers), "body": body.text, "body_bytes": body.bytes, "body_cut": body.cut })
}

fn exchange_json(exchange: &JournalEntry) -> Map<String, Value> {
    let client = exchange.client();
    let entry = json!({
        "number": exchange.number,
        "request_id": exchange.request_id,
        "time": exchange.at.rfc3339(),
        "workspace_time": exchange.workspace_at.map(Millis::rfc3339),
        "workspace_id": exchange.workspace.map(|id| id.to_string()),
        "method": exchange.method,
        "path": exchange.path,
        "query": exchange.query,
        "operation": exchange.operation,
        "status": exchange.status,
        "duration_us": exchange.took_us,
        "credential": exchange.credential.as_str(),
        "principal": exchange.caller,
        "token_id": exchange.token.as_ref().map(TokenId::as_str),
        "client": { "name": client.name, "version": client.version, "sdk": client.sdk, "auth": client.auth },
        "source_ip": exchange.source_ip,
        "faults": exchange.faults.iter().map(|fault| fault.id).collect::<Vec<_>>(),
        "refused_by": exchange.refused_by().map(Check::as_str),
        "because": why_refused(exchange),
        "explain": format!("/_mock/v1/explain/{}", exchange.request_id),
        "request": kept_json(&exchange.headers, &exchange.body),
        "answer": kept_json(&exchange.answer_headers, &exchange.answer),
    });
    let mut entry = match entry {
        Value::Object(entry) => entry,
        _ => Map::new(),
    };
    if exchange.operation.is_none() {
        entry.insert("nearest_routes".into(), nearest_routes(&exchange.method, &exchange.path));
    }
    entry
}

fn rendered(format: Format, exchanges: &[Arc<JournalEntry>]) -> Response {
    match format {
        Format::Curl => {
            let commands: String = exchanges.iter().map(|exchange| curl(exchange) + "\n").collect();
            ([(CONTENT_TYPE, "text/plain; charset=utf-8")], Body::from(commands)).into_response()
        }
        Format::Har | Format::Json => ok(&har(exchanges)),
    }
}

fn header<'a>(headers: &'a Headers, wanted: &str) -> Option<&'a str> {
    headers.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.as_str())
}

fn url(exchange: &JournalEntry) -> String {
    let host = header(&exchange.headers, "host").unwrap_or("127.0.0.1:3274");
    let query = exchange.query.as_ref().map_or_else(String::new, |query| format!("?{query}"));
    format!("http://{host}{}{query}", exchange.path)
}

/// A command that sends the request again, with the credential from a variable.
fn curl(exchange: &JournalEntry) -> String {
    let mut out = "curl -sS".to_owned();
    let method = match exchange.method.as_str() {
        "HEAD" => " -I".to_owned(),
        word if word.bytes().all(|byte| byte.is_ascii_alphabetic()) => format!(" -X {word}"),
        // A method may hold what means something to a shell.
        other => format!(" -X {}", quoted(other)),
    };
    out.push_str(&method);
    out.push_str(match (exchange.credential, exchange.operation.as_deref()) {
        (CredentialKind::PatBasic, _) => " -u \"token:$DATABRICKS_TOKEN\"",
        (CredentialKind::None, Some("oauth.token" | "oauth.accountToken")) => {
            " -u \"$DATABRICKS_CLIENT_ID:$DATABRICKS_CLIENT_SECRET\""
        }
        (CredentialKind::None, _) => "",
        _ => " -H \"Authorization: Bearer $DATABRICKS_TOKEN\"",
    });
    for name in ["content-type", "accept", "x-databricks-workspace-id", "x-databricks-org-id"] {
        if let Some(value) = header(&exchange.headers, name) {
            let _ = write!(out, " -H {}", quoted(&format!("{name}: {value}")));
        }
    }
    if !exchange.body.text.is_empty() {
        let _ = write!(out, " --data-raw {}", quoted(&exchange.body.text));
    }
    let _ = write!(out, " {}", quoted(&url(exchange)));
    out.push_str(if exchange.body.cut { "  # the body is longer" } else { "" });
    out
}

/// HTTP Archive 1.2.
fn har(exchanges: &[Arc<JournalEntry>]) -> Value {
    let pairs = |headers: &Headers| -> Vec<Value> {
        headers.iter().map(|(name, value)| json!({ "name": name, "value": value })).collect()
    };
    let entry = |exchange: &Arc<JournalEntry>| {
        #[expect(clippy::cast_precision_loss, reason = "a time of milliseconds")]
        let took_ms = exchange.took_us as f64 / 1000.0;
        let query = exchange.query.as_deref().unwrap_or_default();
        let query: Vec<Value> = form_urlencoded::parse(query.as_bytes())
            .map(|(name, value)| json!({ "name": name, "value": value }))
            .collect();
        let mut request = json!({
            "method": exchange.method, "url": url(exchange), "httpVersion": "HTTP/1.1", "cookies": [],
            "headers": pairs(&exchange.headers), "queryString": query, "headersSize": -1,
            "bodySize": exchange.body.bytes,
        });
        if let (Some(request), false) = (request.as_object_mut(), exchange.body.text.is_empty()) {
            let mime = header(&exchange.headers, "content-type").unwrap_or_default();
            request.insert("postData".into(), json!({ "mimeType": mime, "text": exchange.body.text }));
        }
        let status = StatusCode::from_u16(exchange.status).ok();
        json!({
            "startedDateTime": exchange.at.plus(-i64::try_from(exchange.took_us / 1000).unwrap_or(0)).rfc3339(),
            "time": took_ms,
            "request": request,
            "response": {
                "status": exchange.status,
                "statusText": status.and_then(|status| status.canonical_reason()).unwrap_or_default(),
                "httpVersion": "HTTP/1.1", "cookies": [], "headers": pairs(&exchange.answer_headers),
                "content": {
                    "size": exchange.answer.bytes,
                    "mimeType": header(&exchange.answer_headers, "content-type").unwrap_or_default(),
                    "text": exchange.answer.text,
                },
                "redirectURL": header(&exchange.answer_headers, "location").unwrap_or_default(),
                "headersSize": -1, "bodySize": exchange.answer.bytes,
            },
            "cache": {},
            "timings": { "send": 0, "wait": took_ms, "receive": 0 },
            "_request_id": exchange.request_id,
        })
    };
    let creator = json!({ "name": "dapi-mock", "version": env!("CARGO_PKG_VERSION") });
    let entries: Vec<Value> = exchanges.iter().map(entry).collect();
    json!({ "log": { "version": "1.2", "creator": creator, "entries": entries } })
}

/// What a census groups by.
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
pub(super) struct Census {
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

/// `?by=client|principal|credential|token`: who comes with which credential and client, those with the most
/// requests first.
pub(super) async fn census(
    State(control): State<Control>,
    Path(named): Path<String>,
    Asked(census): Asked<Census>,
) -> Reply {
    let workspace = workspace(&control, &named).await?;
    let mut groups: BTreeMap<String, Group> = BTreeMap::new();
    for exchange in control.service.journal_entries(&workspace, 0).await? {
        let (client, credential) = (exchange.client().label(), exchange.credential.as_str());
        let key = match census.by {
            By::Client => client.clone(),
            By::Principal => exchange.caller.clone().unwrap_or_else(|| "(nobody)".to_owned()),
            By::Credential => credential.to_owned(),
            By::Token => exchange.token.as_ref().map_or("(none)", TokenId::as_str).to_owned(),
        };
        let group = groups.entry(key).or_default();
        group.requests += 1;
        group.refused += u64::from(exchange.status >= 400);
        group.first = group.first.or(Some(exchange.at));
        group.last = Some(exchange.at);
        *group.credentials.entry(credential).or_default() += 1;
        *group.clients.entry(client).or_default() += 1;
        let principal = exchange.caller.clone();
        *group.principals.entry(principal.unwrap_or_else(|| "(nobody)".to_owned())).or_default() += 1;
    }
    let mut groups: Vec<(String, Group)> = groups.into_iter().collect();
    groups.sort_by_key(|(_, group)| std::cmp::Reverse(group.requests));
    let row = |(name, group): (String, Group)| {
        json!({
            "name": name, "requests": group.requests, "refused": group.refused,
            "first": group.first.map(Millis::rfc3339), "last": group.last.map(Millis::rfc3339),
            "credentials": group.credentials, "clients": group.clients, "principals": group.principals,
        })
    };
    Ok(ok(&json!({ "census": groups.into_iter().map(row).collect::<Vec<_>>() })))
}
