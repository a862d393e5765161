//! `…/audit`: the audit log in the three shapes in which the real one comes (governance §4.2), and
//! assertions about it.

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Control;
use super::reply::{Asked, Input, Problem, Reply, is_descending, ok, workspace_id};
use crate::domain::audit::shape::Shape;
use crate::domain::audit::{Event, Filter};
use crate::domain::identities::Principal;
use crate::domain::{Millis, durations};

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "AuditExport")]
pub(super) struct Export {
    shape: Option<String>,
    after: Option<i64>,
    before: Option<i64>,
    /// `asc`, the order of writing, or `desc`.
    order: Option<String>,
    limit: Option<i64>,
    action: Option<String>,
    actor: Option<String>,
    since: Option<String>,
    until: Option<String>,
}

/// `?shape=system_table|delivery|azure&after=&before=&order=&limit=&action=&actor=&since=&until=`: JSON lines in the
/// order of writing, or with `desc` against it. `X-Next-After` and `X-Next-Before` are where to go on.
pub(super) async fn export(
    State(control): State<Control>,
    Path(workspace): Path<String>,
    Asked(wanted): Asked<Export>,
) -> Reply {
    let id = workspace_id(&control.service, &workspace).await?;
    let shape = wanted.shape.as_deref().unwrap_or(Shape::Delivery.as_str());
    let shape = Shape::parse(shape).ok_or_else(|| {
        Problem::bad_request(format!("shape: '{shape}' is none; use system_table, delivery or azure."))
    })?;
    let time = |name: &str, text: &Option<String>| match text {
        None => Ok(None),
        Some(text) => Millis::parse(text)
            .map(Some)
            .ok_or_else(|| Problem::bad_request(format!("{name}: use RFC 3339 or epoch milliseconds."))),
    };
    let filter = Filter {
        after: wanted.after.unwrap_or(0),
        up_to: wanted.before.map_or(i64::MAX, |before| before.saturating_sub(1)),
        limit: wanted.limit.unwrap_or(10_000).clamp(0, 100_000),
        since: time("since", &wanted.since)?,
        until: time("until", &wanted.until)?,
        action: wanted.action,
        actor: wanted.actor,
        newest_first: is_descending(wanted.order.as_deref())?,
    };
    // What is due is in the log, whether the sweep has come by or not.
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
    /// Exactly so many; at least one when absent.
    count: Option<usize>,
    /// A span such as `1h`: only events of the last so long, on the workspace's clock.
    within: Option<String>,
}

/// `{"action", "actor"?, "count"?, "within"?}`: 200 when the log agrees, else 409 with what is
/// there instead.
pub(super) async fn expect(
    State(control): State<Control>,
    Path(workspace): Path<String>,
    Input(wanted): Input<Expectation>,
) -> Reply {
    let id = workspace_id(&control.service, &workspace).await?;
    let now = control.service.clock(id).await?.now;
    let within = wanted.within.as_deref().map(durations::parse).transpose().map_err(Problem::bad_request)?;
    let since = within.map(|ms| now.plus(-ms));
    let filter = Filter { action: Some(wanted.action.clone()), since, limit: 100_000, ..Filter::default() };
    control.service.sweep(id).await?;
    let (same_action, _) = control.service.audit_events(id, &filter).await?;
    let is_actor = |name: &String| {
        Some(name).zip(wanted.actor.as_ref()).is_some_and(|(found, wanted)| Principal::is_same_name(found, wanted))
    };
    let by_actor = |event: &&Event| wanted.actor.is_none() || event.actor.as_ref().is_some_and(is_actor);
    let matching: Vec<&Event> = same_action.iter().filter(by_actor).collect();
    let met = wanted.count.map_or(!matching.is_empty(), |count| matching.len() == count);
    if met {
        return Ok(ok(&json!({ "met": true, "count": matching.len() })));
    }
    Ok(difference(&wanted, &matching, &same_action))
}

fn difference(wanted: &Expectation, matching: &[&Event], same_action: &[Event]) -> Response {
    let number = wanted.count.map_or("at least one".to_owned(), |count| format!("exactly {count}"));
    let actor = wanted.actor.as_ref().map_or(String::new(), |actor| format!(" by {actor}"));
    let mut message = format!("Expected {number} {}{actor}, found {}.", wanted.action, matching.len());
    let others: Vec<Value> = same_action
        .iter()
        .rev()
        .take(10)
        .map(|event| json!({ "at": event.at.rfc3339(), "actor": event.actor, "status": event.status }))
        .collect();
    if matching.len() < same_action.len() {
        message.push_str(" There are others of that action, by other actors.");
    }
    let body = json!({ "met": false, "error": message, "count": matching.len(), "newest_of_that_action": others });
    super::reply::json_answer(axum::http::StatusCode::CONFLICT, &body)
}
