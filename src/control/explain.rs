//! Why was a request refused, or allowed; and would an imagined one be.

use axum::extract::{Path, State};
use axum::http::{Method, StatusCode};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::Control;
use super::faults::fault_json;
use super::reply::{Input, Problem, Reply, instant, ok, workspace_id};
use super::tokens::fate_json;
use crate::domain::authorize::{Demand, Step};
use crate::domain::explain::{Actor, Explanation, RemedyStep};
use crate::domain::faults::{Fault, When};
use crate::domain::{Denial, TokenId, WorkspaceId};
use crate::http::error::wire;
use crate::http::explanation::why;
use crate::http::routes;
use crate::http::tokens::token_request;
use crate::service::{DryRun, HistoryFilter, JournalEntry};

/// The decision about a request by the `X-Request-Id` of its answer; `last` is the newest refusal.
pub(super) async fn explain(State(control): State<Control>, Path(request_id): Path<String>) -> Reply {
    let found = match request_id.as_str() {
        "last" => control.service.last_journal_entry().await?,
        id => control.service.find_journal_entry(id, None).await?,
    };
    let missing = || match request_id.as_str() {
        "last" => not_kept("No request was refused"),
        id => not_kept(&format!("Unknown request '{id}'")),
    };
    let found = found.ok_or_else(missing)?;
    let mut out = decision(&found.trace, found.why.as_ref(), found.status);
    describe(&mut out, &found);
    if let Some(fault) = found.answered_by() {
        describe_fault(&mut out, fault, found.workspace);
    }
    if let (Some(workspace), Some(token)) = (found.workspace, &found.token)
        && let Some(fate) = control.service.token_histories(workspace, HistoryFilter::one(token)).await?.first()
    {
        out.insert("token".into(), fate_json(fate));
    }
    Ok(ok(&out.into()))
}

/// Why a request was refused, in words; `None` where no rule refused it.
pub(super) fn why_refused(exchange: &JournalEntry) -> Option<String> {
    if let Some(fault) = exchange.answered_by() {
        return Some(blame(fault));
    }
    exchange.why.as_ref().map(|why| why.because.clone())
}

/// The journal's 404.
pub(super) fn not_kept(what: &str) -> Problem {
    Problem::new(StatusCode::NOT_FOUND, format!("{what}; the journal has the last ones only (--journal-requests)."))
}

fn describe(out: &mut Map<String, Value>, found: &JournalEntry) {
    out.insert("request_id".into(), found.request_id.as_str().into());
    out.insert("time".into(), found.at.rfc3339().into());
    out.insert("method".into(), found.method.as_str().into());
    out.insert("path".into(), found.path.as_str().into());
    out.insert("workspace_id".into(), found.workspace.map(|id| id.to_string()).into());
    out.insert("caller".into(), found.caller.clone().into());
    if !found.faults.is_empty() {
        out.insert("faults".into(), found.faults.iter().map(fault_json).collect());
    }
    out.insert("token_id".into(), found.token.as_ref().map(TokenId::as_str).into());
}

/// That a fault answered.
fn blame(fault: &Fault) -> String {
    let name = fault.rule.name.as_deref().unwrap_or("without a name");
    let did = match fault.rule.when {
        When::Before => "in place of the handler, which did not run",
        When::After => "after the handler, whose effect stays",
    };
    format!("Fault {} ({name}) answered {did}.", fault.id)
}

/// Says that a fault answered, whatever else would have been.
fn describe_fault(out: &mut Map<String, Value>, fault: &Fault, workspace: Option<WorkspaceId>) {
    out.insert("allowed".into(), false.into());
    out.insert("decided_by".into(), "a fault".into());
    out.insert("because".into(), blame(fault).into());
    out.insert("message".into(), fault.rule.effect.message.clone().into());
    let remedy = format!(
        "Clear the fault: DELETE …/faults/{}. If it fires a number of times, send the request again.",
        fault.id
    );
    out.insert("remedy".into(), remedy.into());
    let clear = workspace.map(|workspace| RemedyStep::Call {
        r#as: Actor::Operator,
        method: "DELETE".into(),
        path: format!("/_mock/v1/workspaces/{workspace}/faults/{}", fault.id),
        body: json!({}),
    });
    out.insert("remedy_steps".into(), json!(clear.into_iter().collect::<Vec<_>>()));
}

/// The ordered checks, the deciding one, and the smallest change that would allow the request.
fn decision(trace: &[Step], why: Option<&Explanation>, status: u16) -> Map<String, Value> {
    let checks: Vec<Value> = trace
        .iter()
        .map(|step| json!({ "check": step.check.as_str(), "passed": step.passed, "because": step.because }))
        .collect();
    let mut out = Map::new();
    out.insert("allowed".into(), why.is_none().into());
    out.insert("status".into(), status.into());
    out.insert("checks".into(), checks.into());
    if let Some(why) = why {
        let deciding = trace.last().filter(|step| !step.passed);
        let decided_by = deciding.map_or("the operation itself", |step| step.check.as_str());
        out.insert("decided_by".into(), decided_by.into());
        out.insert("because".into(), why.because.as_str().into());
        out.insert("message".into(), why.message.as_str().into());
        out.insert("remedy".into(), why.remedy.as_str().into());
        out.insert("remedy_steps".into(), json!(why.steps));
    }
    out
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Imagined {
    #[serde(rename = "as")]
    principal: String,
    method: String,
    path: String,
    body: Option<Value>,
    at: Option<Value>,
    token_id: Option<String>,
}

/// `{"as", "method", "path", "body"?, "at"?, "token_id"?}`: what would be decided; nothing changes.
pub(super) async fn dry_run(
    State(control): State<Control>,
    Path(workspace): Path<String>,
    Input(wanted): Input<Imagined>,
) -> Reply {
    let id = workspace_id(&control.service, &workspace).await?;
    let method: Method = wanted.method.parse().map_err(|_| Problem::bad_request("method: use GET, POST and so on."))?;
    let route = routes::find(&method, wanted.path.split('?').next().unwrap_or_default());
    let body = wanted.body.map(|body| body.to_string()).unwrap_or_default();
    let creates = route.filter(|route| route.creates_token);
    let run = DryRun {
        principal: wanted.principal,
        demand: route.map_or(Demand::UNROUTED, |route| route.demand),
        token: wanted.token_id.map(TokenId::from_text),
        at: wanted.at.as_ref().map(instant).transpose()?,
        creates: creates.map(|_| token_request(body.as_bytes())).transpose()?,
    };
    let outcome = control.service.dry_run(id, &run).await?;
    let texts = control.service.error_texts();
    let status = |denial: &Denial| wire(&denial.clone().into(), texts).status.as_u16();
    let status = outcome.denial.as_ref().map_or(200, status);
    let reason = |denial: &Denial| why(denial, &outcome.trace, run.demand, &outcome.parties, ("", texts));
    let why = outcome.denial.as_ref().map(reason);
    Ok(ok(&decision(&outcome.trace, why.as_ref(), status).into()))
}
