//! `…/clock`: a workspace's time.

use axum::extract::{Path, State};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Control;
use super::reply::{Asked, Input, Problem, Reply, instant, ok, show_instant, workspace_id};
use crate::domain::clock::ClockMode;
use crate::domain::lifecycle::EventKind;
use crate::domain::{AccountId, TokenId, span};
use crate::service::{Advanced, ClockState, Event, Target};

pub(super) async fn show(State(control): State<Control>, Path(workspace): Path<String>) -> Reply {
    let id = workspace_id(&control.service, &workspace).await?;
    Ok(ok(&clock_json(control.service.clock(id).await?)))
}

fn clock_json(state: ClockState) -> Value {
    let (mode, offset_ms) = match state.clock.mode() {
        ClockMode::Real => ("real", 0),
        ClockMode::Offset(ms) => ("offset", ms),
        ClockMode::Frozen(_) => ("frozen", 0),
    };
    json!({ "mode": mode, "now": show_instant(state.now), "offset_ms": offset_ms })
}

fn event_json(event: &Event) -> Value {
    let mut out = json!({ "event": event.kind.as_str(), "at": show_instant(event.at) });
    if let Some(object) = out.as_object_mut() {
        object.extend(event.token.as_ref().map(|id| ("token_id".to_owned(), id.as_str().into())));
        object.extend(event.conf_key.as_ref().map(|key| ("key".to_owned(), key.as_str().into())));
    }
    out
}

fn advanced_json(advanced: &Advanced) -> Value {
    let mut out = clock_json(advanced.state);
    if let Some(object) = out.as_object_mut() {
        object.insert("events".into(), advanced.events.iter().map(event_json).collect());
    }
    out
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SetClock {
    mode: String,
    at: Option<Value>,
}

/// `{"mode": "real" | "offset" | "frozen", "at"?}`: `at` is what the clock is to show.
pub(super) async fn set(
    State(control): State<Control>,
    Path(workspace): Path<String>,
    Input(body): Input<SetClock>,
) -> Reply {
    let id = workspace_id(&control.service, &workspace).await?;
    let at = body.at.as_ref().map(instant).transpose()?;
    let mode = body.mode;
    if !["real", "offset", "frozen"].contains(&mode.as_str()) {
        return Err(Problem::bad_request(format!("mode: '{mode}' is none; use real, offset or frozen.")));
    }
    if mode == "real" && at.is_some() {
        return Err(Problem::bad_request("at: the real clock shows the system's time; use offset or frozen."));
    }
    let advanced = control.service.set_clock(id, |now, system| {
        let at = at.unwrap_or(now);
        match mode.as_str() {
            "frozen" => ClockMode::Frozen(at),
            "offset" => ClockMode::Offset(at.since(system)),
            _ => ClockMode::Real,
        }
    });
    Ok(ok(&advanced_json(&advanced.await?)))
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Advance {
    by: Option<String>,
    to: Option<Value>,
    until: Option<String>,
}

impl Advance {
    fn target(&self) -> Result<Target, Problem> {
        match (&self.by, &self.to, &self.until) {
            (Some(by), None, None) => {
                span::parse(by).map(Target::By).map_err(|e| Problem::bad_request(format!("by: {e}")))
            }
            (None, Some(to), None) => Ok(Target::To(instant(to)?)),
            (None, None, Some(until)) => match (EventKind::parse(until), until.strip_prefix("token:")) {
                (Some(kind), _) => Ok(Target::Next(kind)),
                (None, Some(id)) => Ok(Target::Token(TokenId::from_text(id))),
                (None, None) => Err(Problem::bad_request(format!(
                    "until: '{until}' is none; use token.expired, token.auto_revoked, token.vacuumed, conf.effective or token:<token_id>."
                ))),
            },
            _ => Err(Problem::bad_request("Say one of by (\"90d\"), to (RFC 3339) and until (an event).")),
        }
    }
}

/// `{"by" | "to" | "until"}`: answers once everything that is due has happened, and tells of it.
pub(super) async fn advance(
    State(control): State<Control>,
    Path(workspace): Path<String>,
    Input(body): Input<Advance>,
) -> Reply {
    let id = workspace_id(&control.service, &workspace).await?;
    Ok(ok(&advanced_json(&control.service.advance(id, &body.target()?).await?)))
}

/// The same for all workspaces of an account, by a span or to an instant.
pub(super) async fn advance_account(
    State(control): State<Control>,
    Path(account): Path<String>,
    Input(body): Input<Advance>,
) -> Reply {
    let account = account.parse().map(AccountId);
    let account = account.map_err(|_| Problem::bad_request("The account's id is a UUID."))?;
    let target = body.target()?;
    if matches!(target, Target::Next(_) | Target::Token(_)) {
        return Err(Problem::bad_request("until: an event belongs to one workspace; use by or to for an account."));
    }
    let mut workspaces = Vec::new();
    for id in control.service.workspaces_of(account).await? {
        let advanced = control.service.advance(id, &target).await?;
        workspaces.push(json!({ "workspace_id": id.to_string(), "clock": advanced_json(&advanced) }));
    }
    Ok(ok(&json!({ "workspaces": workspaces })))
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Limit {
    limit: Option<usize>,
}

/// What comes next, in order.
pub(super) async fn upcoming(
    State(control): State<Control>,
    Path(workspace): Path<String>,
    Asked(limit): Asked<Limit>,
) -> Reply {
    let id = workspace_id(&control.service, &workspace).await?;
    let events = control.service.upcoming(id, limit.limit.unwrap_or(100)).await?;
    Ok(ok(&json!({ "events": events.iter().map(event_json).collect::<Vec<_>>() })))
}
