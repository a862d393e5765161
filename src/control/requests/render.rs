//! A journal entry as JSON, as a curl command, and in an HTTP archive. Entries are redacted when they are stored, so
//! nothing here has to blank secrets.

use std::sync::Arc;

use axum::body::Body;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::control::explain::why_refused;
use crate::control::reply::ok;
use crate::domain::authorize::Check;
use crate::domain::journal::CredentialKind;
use crate::domain::{Millis, TokenId};
use crate::http::routes;
use crate::service::{Headers, JournalEntry, StoredBody};
use crate::web::curl::Curl;

#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Format {
    #[default]
    Json,
    Curl,
    Har,
}

pub(super) fn nearest_routes(method: &str, path: &str) -> Value {
    routes::nearest(method, path).iter().map(|route| format!("{} {}", route.method, route.path)).collect()
}

fn message_json(headers: &Headers, body: &StoredBody) -> Value {
    let headers: Map<String, Value> =
        headers.iter().map(|(name, value)| (name.to_string(), value.as_str().into())).collect();
    json!({ "headers": headers, "body": body.text, "body_bytes": body.bytes, "body_cut": body.cut })
}

pub(super) fn entry_json(entry: &JournalEntry) -> Map<String, Value> {
    let client = entry.client();
    let json = json!({
        "number": entry.number,
        "request_id": entry.request_id,
        "time": entry.at.rfc3339(),
        "workspace_time": entry.workspace_at.map(Millis::rfc3339),
        "workspace_id": entry.workspace.map(|id| id.to_string()),
        "method": entry.method,
        "path": entry.path,
        "query": entry.query,
        "operation": entry.operation,
        "status": entry.status,
        "duration_us": entry.took_us,
        "credential": entry.credential.as_str(),
        "principal": entry.caller,
        "token_id": entry.token.as_ref().map(TokenId::as_str),
        "client": { "name": client.name, "version": client.version, "sdk": client.sdk, "auth": client.auth },
        "source_ip": entry.source_ip,
        "faults": entry.faults.iter().map(|fault| fault.id).collect::<Vec<_>>(),
        "refused_by": entry.refused_by().map(Check::as_str),
        "because": why_refused(entry),
        "explain": format!("/_mock/v1/explain/{}", entry.request_id),
        "request": message_json(&entry.headers, &entry.body),
        "answer": message_json(&entry.answer_headers, &entry.answer),
    });
    let mut members = match json {
        Value::Object(members) => members,
        _ => Map::new(),
    };
    if entry.operation.is_none() {
        members.insert("nearest_routes".into(), nearest_routes(&entry.method, &entry.path));
    }
    members
}

/// The entries in a format of other programs.
pub(super) fn exported(format: Format, entries: &[Arc<JournalEntry>]) -> Response {
    match format {
        Format::Curl => {
            let commands: String = entries.iter().map(|entry| curl(entry) + "\n").collect();
            ([(CONTENT_TYPE, "text/plain; charset=utf-8")], Body::from(commands)).into_response()
        }
        Format::Har | Format::Json => ok(&har(entries)),
    }
}

fn header<'a>(headers: &'a Headers, wanted: &str) -> Option<&'a str> {
    headers.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.as_str())
}

fn url(entry: &JournalEntry) -> String {
    let host = header(&entry.headers, "host").unwrap_or("127.0.0.1:3274");
    let query = entry.query.as_ref().map_or_else(String::new, |query| format!("?{query}"));
    format!("http://{host}{}{query}", entry.path)
}

/// A command that sends the request again, with the credential from a variable.
fn curl(entry: &JournalEntry) -> String {
    let credential = match (entry.credential, entry.operation.as_deref()) {
        (CredentialKind::PatBasic, _) => Some("-u \"token:$DATABRICKS_TOKEN\""),
        (CredentialKind::None, Some("oauth.token" | "oauth.accountToken")) => {
            Some("-u \"$DATABRICKS_CLIENT_ID:$DATABRICKS_CLIENT_SECRET\"")
        }
        (CredentialKind::None, _) => None,
        _ => Some("-H \"Authorization: Bearer $DATABRICKS_TOKEN\""),
    };
    let names = ["content-type", "accept", "x-databricks-workspace-id", "x-databricks-org-id"];
    let headers: Vec<(&str, &str)> =
        names.iter().filter_map(|name| Some((*name, header(&entry.headers, name)?))).collect();
    let body = Some(entry.body.text.as_str()).filter(|body| !body.is_empty());
    let command = Curl { method: &entry.method, url: &url(entry), credential, headers: &headers, body };
    format!("{command}{}", if entry.body.cut { "  # only the beginning of the body was stored" } else { "" })
}

/// An HTTP Archive 1.2.
fn har(entries: &[Arc<JournalEntry>]) -> Value {
    let creator = json!({ "name": "dapi-mock", "version": env!("CARGO_PKG_VERSION") });
    let entries: Vec<Value> = entries.iter().map(|entry| har_entry(entry)).collect();
    json!({ "log": { "version": "1.2", "creator": creator, "entries": entries } })
}

fn har_entry(entry: &JournalEntry) -> Value {
    #[expect(clippy::cast_precision_loss, reason = "a time of milliseconds")]
    let took_ms = entry.took_us as f64 / 1000.0;
    let status = StatusCode::from_u16(entry.status).ok();
    json!({
        "startedDateTime": entry.at.plus(-i64::try_from(entry.took_us / 1000).unwrap_or(0)).rfc3339(),
        "time": took_ms,
        "request": har_request(entry),
        "response": {
            "status": entry.status,
            "statusText": status.and_then(|status| status.canonical_reason()).unwrap_or_default(),
            "httpVersion": "HTTP/1.1", "cookies": [], "headers": har_headers(&entry.answer_headers),
            "content": {
                "size": entry.answer.bytes,
                "mimeType": header(&entry.answer_headers, "content-type").unwrap_or_default(),
                "text": entry.answer.text,
            },
            "redirectURL": header(&entry.answer_headers, "location").unwrap_or_default(),
            "headersSize": -1, "bodySize": entry.answer.bytes,
        },
        "cache": {},
        "timings": { "send": 0, "wait": took_ms, "receive": 0 },
        "_request_id": entry.request_id,
    })
}

fn har_request(entry: &JournalEntry) -> Value {
    let query = form_urlencoded::parse(entry.query.as_deref().unwrap_or_default().as_bytes());
    let query: Vec<Value> = query.map(|(name, value)| json!({ "name": name, "value": value })).collect();
    let mut request = json!({
        "method": entry.method, "url": url(entry), "httpVersion": "HTTP/1.1", "cookies": [],
        "headers": har_headers(&entry.headers), "queryString": query, "headersSize": -1, "bodySize": entry.body.bytes,
    });
    if let (Some(request), false) = (request.as_object_mut(), entry.body.text.is_empty()) {
        let mime = header(&entry.headers, "content-type").unwrap_or_default();
        request.insert("postData".into(), json!({ "mimeType": mime, "text": entry.body.text }));
    }
    request
}

fn har_headers(headers: &Headers) -> Vec<Value> {
    headers.iter().map(|(name, value)| json!({ "name": name, "value": value })).collect()
}
