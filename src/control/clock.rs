//! `…/clock`: shows and moves the clock of a workspace, and lists what is due next.

use axum::extract::{Path, State};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Control;
use super::reply::{ControlError, JsonBody, Params, Reply, instant, ok, show_instant, workspace_id};
use crate::domain::clock::ClockMode;
use crate::domain::lifecycle::EventKind;
use crate::domain::{AccountId, TokenId, WorkspaceId, durations};
use crate::service::{AdvanceOutcome, AdvanceTarget, ClockState, Event};

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

async fn events_json(control: &Control, workspace: WorkspaceId, events: &[Event]) -> Result<Vec<Value>, ControlError> {
    let owners = control.service.owner_names(workspace, events).await?;
    let json = |event: &Event| event_json(event, event.owner.and_then(|owner| owners.get(&owner)));
    Ok(events.iter().map(json).collect())
}

fn event_json(event: &Event, owner: Option<&String>) -> Value {
    let mut out = json!({ "event": event.kind.as_str(), "at": show_instant(event.at) });
    if let Some(object) = out.as_object_mut() {
        if let Some(id) = &event.token {
            object.insert("token_id".into(), id.as_str().into());
            object.insert("owner".into(), owner.cloned().into());
            object.insert("comment".into(), event.comment.clone().into());
        }
        object.extend(event.conf_key.as_ref().map(|key| ("key".to_owned(), key.as_str().into())));
    }
    out
}

/// Warns when the admin token that came with a workspace has expired or been revoked: clients most likely use it.
async fn admin_token_warning(control: &Control, workspace: WorkspaceId) -> Result<String, ControlError> {
    Ok(if control.service.workspace(workspace).await?.is_default {
        "The admin token of the first start has expired or been revoked, so clients that use it are refused from now \
         on: `dapi-mock admin-token` creates another one, and `dapi-mock call workspaces.reset` restores the workspace \
         with its clock and this token."
            .to_owned()
    } else {
        format!(
            "The admin token of workspace {workspace} has expired or been revoked, so clients that use it are refused \
             from now on: `dapi-mock call workspaces.reset --workspace {workspace}` restores the workspace with its \
             clock and this token."
        )
    })
}

async fn advanced_json(
    control: &Control,
    workspace: WorkspaceId,
    advanced: &AdvanceOutcome,
) -> Result<Value, ControlError> {
    let mut out = clock_json(advanced.state);
    let events = events_json(control, workspace, &advanced.events).await?;
    if let Some(object) = out.as_object_mut() {
        object.insert("events".into(), events.into());
        if advanced.events.iter().any(Event::ends_admin_token) {
            object.insert("warnings".into(), json!([admin_token_warning(control, workspace).await?]));
        }
    }
    Ok(out)
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SetClock {
    /// `real`, `offset` or `frozen`.
    mode: String,
    /// What the clock is to show: RFC 3339 or epoch milliseconds; defaults to its current time.
    at: Option<Value>,
}

pub(super) async fn set(
    State(control): State<Control>,
    Path(workspace): Path<String>,
    JsonBody(body): JsonBody<SetClock>,
) -> Reply {
    let id = workspace_id(&control.service, &workspace).await?;
    let at = body.at.as_ref().map(instant).transpose()?;
    let mode = body.mode;
    if !["real", "offset", "frozen"].contains(&mode.as_str()) {
        return Err(ControlError::bad_request(format!("unknown mode '{mode}': expected real, offset or frozen.")));
    }
    if mode == "real" && at.is_some() {
        return Err(ControlError::bad_request("at: a real clock shows the system's time: use mode offset or frozen."));
    }
    let advanced = control.service.set_clock(id, |now, system| {
        let at = at.unwrap_or(now);
        match mode.as_str() {
            "frozen" => ClockMode::Frozen(at),
            "offset" => ClockMode::Offset(at.since(system)),
            _ => ClockMode::Real,
        }
    });
    Ok(ok(&advanced_json(&control, id, &advanced.await?).await?))
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Advance {
    /// A duration, such as `90d` or `PT2H`.
    by: Option<String>,
    /// RFC 3339 or epoch milliseconds.
    to: Option<Value>,
    /// The next event of a kind, such as `token.expired`, or `token:<token_id>`: that token's next event.
    until: Option<String>,
}

impl Advance {
    fn target(&self) -> Result<AdvanceTarget, ControlError> {
        match (&self.by, &self.to, &self.until) {
            (Some(by), None, None) => {
                durations::parse(by).map(AdvanceTarget::By).map_err(|e| ControlError::bad_request(format!("by: {e}")))
            }
            (None, Some(to), None) => Ok(AdvanceTarget::To(instant(to)?)),
            (None, None, Some(until)) => match (EventKind::parse(until), until.strip_prefix("token:")) {
                (Some(kind), _) => Ok(AdvanceTarget::Next(kind)),
                (None, Some(id)) => Ok(AdvanceTarget::Token(TokenId::from_text(id))),
                (None, None) => Err(ControlError::bad_request(format!(
                    "unknown event '{until}': expected token.expired, token.auto_revoked, token.vacuumed, token.autoscoped, conf.effective or token:<token_id>."
                ))),
            },
            _ => Err(ControlError::bad_request(
                "Give exactly one of by (such as \"90d\"), to (an instant) and until (an event).",
            )),
        }
    }
}

/// Answers once everything that became due has happened, and lists it.
pub(super) async fn advance(
    State(control): State<Control>,
    Path(workspace): Path<String>,
    JsonBody(body): JsonBody<Advance>,
) -> Reply {
    let id = workspace_id(&control.service, &workspace).await?;
    let advanced = control.service.advance(id, &body.target()?).await?;
    Ok(ok(&advanced_json(&control, id, &advanced).await?))
}

/// Without `until`, as an event belongs to one workspace.
pub(super) async fn advance_account(
    State(control): State<Control>,
    Path(account): Path<String>,
    JsonBody(body): JsonBody<Advance>,
) -> Reply {
    let account = account.parse().map(AccountId);
    let account = account.map_err(|_| ControlError::bad_request("invalid account id: use its UUID."))?;
    let target = body.target()?;
    if matches!(target, AdvanceTarget::Next(_) | AdvanceTarget::Token(_)) {
        return Err(ControlError::bad_request(
            "until: an event belongs to one workspace: use by or to for an account.",
        ));
    }
    let mut workspaces = Vec::new();
    for id in control.service.workspaces_of(account).await? {
        let advanced = control.service.advance(id, &target).await?;
        let clock = advanced_json(&control, id, &advanced).await?;
        workspaces.push(json!({ "workspace_id": id.to_string(), "clock": clock }));
    }
    Ok(ok(&json!({ "workspaces": workspaces })))
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct UpcomingQuery {
    /// Defaults to 100.
    limit: Option<usize>,
}

pub(super) async fn upcoming(
    State(control): State<Control>,
    Path(workspace): Path<String>,
    Params(query): Params<UpcomingQuery>,
) -> Reply {
    let id = workspace_id(&control.service, &workspace).await?;
    let events = control.service.upcoming(id, query.limit.unwrap_or(100)).await?;
    Ok(ok(&json!({ "events": events_json(&control, id, &events).await? })))
}
