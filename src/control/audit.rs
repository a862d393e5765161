//! `…/audit`: exports the audit log in the three shapes that the real one has, and checks assertions about it. See
//! docs/reference/audit.md#event-shapes.

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Control;
use super::reply::{ControlError, JsonBody, Params, Reply, is_descending, json_answer, ok, workspace_id};
use crate::domain::audit::shape::Shape;
use crate::domain::audit::{Event, Filter};
use crate::domain::identities::Principal;
use crate::domain::{Millis, durations};

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AuditQuery {
    /// `system_table`, `delivery` (the default) or `azure`.
    shape: Option<String>,
    after: Option<i64>,
    before: Option<i64>,
    /// `asc` (the default), in the order of writing, or `desc`.
    order: Option<String>,
    limit: Option<i64>,
    action: Option<String>,
    actor: Option<String>,
    since: Option<String>,
    until: Option<String>,
}

/// Answers with JSON lines. The header `X-Next-After`, or `X-Next-Before` with `desc`, is where the next page begins.
pub(super) async fn export(
    State(control): State<Control>,
    Path(workspace): Path<String>,
    Params(query): Params<AuditQuery>,
) -> Reply {
    let id = workspace_id(&control.service, &workspace).await?;
    let shape = query.shape.as_deref().unwrap_or(Shape::Delivery.as_str());
    let shape = Shape::parse(shape).ok_or_else(|| {
        ControlError::bad_request(format!("unknown shape '{shape}': expected system_table, delivery or azure."))
    })?;
    let time = |name: &str, text: &Option<String>| match text {
        None => Ok(None),
        Some(text) => Millis::parse(text).map(Some).ok_or_else(|| {
            ControlError::bad_request(format!("{name}: invalid instant '{text}': use RFC 3339 or epoch milliseconds."))
        }),
    };
    let filter = Filter {
        after: query.after.unwrap_or(0),
        up_to: query.before.map_or(i64::MAX, |before| before.saturating_sub(1)),
        limit: query.limit.unwrap_or(10_000).clamp(0, 100_000),
        since: time("since", &query.since)?,
        until: time("until", &query.until)?,
        action: query.action,
        actor: query.actor,
        newest_first: is_descending(query.order.as_deref())?,
    };
    // Whatever is due belongs in the log, whether or not the sweep has run since.
    control.service.sweep(id).await?;
    let (events, next) = control.service.audit_events(id, &filter).await?;
    let lines: Vec<String> = events.iter().map(|event| shape.render(event).to_string()).collect();
    let lines = if lines.is_empty() { String::new() } else { lines.join("\n") + "\n" };
    let name = if filter.newest_first { "x-next-before" } else { "x-next-after" };
    let headers = [(CONTENT_TYPE.as_str(), "application/x-ndjson".to_owned()), (name, next.to_string())];
    Ok((headers, Body::from(lines)).into_response())
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "AuditExpectation")]
pub(super) struct Expectation {
    action: String,
    actor: Option<String>,
    /// Exactly N; at least one if absent.
    count: Option<usize>,
    /// A duration such as `1h`: only events within it before now, on the workspace's clock.
    within: Option<String>,
}

/// 200 if the log meets the expectation, else 409 with the newest events of that action.
pub(super) async fn expect(
    State(control): State<Control>,
    Path(workspace): Path<String>,
    JsonBody(expected): JsonBody<Expectation>,
) -> Reply {
    let id = workspace_id(&control.service, &workspace).await?;
    let now = control.service.clock(id).await?.now;
    let within = expected.within.as_deref().map(durations::parse).transpose().map_err(ControlError::bad_request)?;
    let since = within.map(|ms| now.plus(-ms));
    let filter = Filter { action: Some(expected.action.clone()), since, limit: 100_000, ..Filter::default() };
    control.service.sweep(id).await?;
    let (same_action, _) = control.service.audit_events(id, &filter).await?;
    let is_actor = |name: &String| {
        Some(name).zip(expected.actor.as_ref()).is_some_and(|(found, actor)| Principal::is_same_name(found, actor))
    };
    let by_actor = |event: &&Event| expected.actor.is_none() || event.actor.as_ref().is_some_and(is_actor);
    let matching: Vec<&Event> = same_action.iter().filter(by_actor).collect();
    let met = expected.count.map_or(!matching.is_empty(), |count| matching.len() == count);
    if met {
        return Ok(ok(&json!({ "met": true, "count": matching.len() })));
    }
    Ok(unmet(&expected, &matching, &same_action))
}

fn unmet(expected: &Expectation, matching: &[&Event], same_action: &[Event]) -> Response {
    let number = expected.count.map_or("at least one".to_owned(), |count| format!("exactly {count}"));
    let actor = expected.actor.as_ref().map_or(String::new(), |actor| format!(" by {actor}"));
    let mut message = format!("Expected {number} {}{actor}, found {}.", expected.action, matching.len());
    let others: Vec<Value> = same_action
        .iter()
        .rev()
        .take(10)
        .map(|event| json!({ "at": event.at.rfc3339(), "actor": event.actor, "status": event.status }))
        .collect();
    if matching.len() < same_action.len() {
        message.push_str(" Other actors did the same.");
    }
    let body = json!({ "met": false, "error": message, "count": matching.len(), "newest_of_that_action": others });
    json_answer(StatusCode::CONFLICT, &body)
}
