//! Explains why a request was refused or allowed, and decides about imagined ones. The sentences themselves come from
//! `domain::explain`.

use axum::extract::{Path, State};
use axum::http::{Method, StatusCode};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::Control;
use super::faults::fault_json;
use super::reply::{ControlError, JsonBody, Reply, instant, ok, workspace_id};
use super::tokens::history_json;
use crate::domain::authorize::{Demand, Step};
use crate::domain::explain::{Actor, Explanation, RemedyStep};
use crate::domain::faults::{Fault, When};
use crate::domain::{Denial, TokenId, WorkspaceId};
use crate::http::error::wire;
use crate::http::explanation::why;
use crate::http::routes;
use crate::http::tokens::token_request;
use crate::service::{DryRun, HistoryFilter, JournalEntry};

/// `request_id` is the `X-Request-Id` of an answer, or `last` for the newest refusal.
pub(super) async fn explain(State(control): State<Control>, Path(request_id): Path<String>) -> Reply {
    let (entry, missing) = match request_id.as_str() {
        "last" => (control.service.last_journal_entry().await?, "No request was refused".to_owned()),
        id => (control.service.find_journal_entry(id, None).await?, format!("Unknown request '{id}'")),
    };
    let entry = entry.ok_or_else(|| not_kept(&missing))?;
    let mut out = decision(&entry.trace, entry.why.as_ref(), entry.status);
    describe(&mut out, &entry);
    if let Some(fault) = entry.answered_by() {
        describe_fault(&mut out, fault, entry.workspace);
    }
    if let (Some(workspace), Some(token)) = (entry.workspace, &entry.token)
        && let Some(history) = control.service.token_histories(workspace, HistoryFilter::one(token)).await?.first()
    {
        out.insert("token".into(), history_json(history));
    }
    Ok(ok(&out.into()))
}

/// `None` if neither a rule nor a fault refused the request.
pub(super) fn why_refused(entry: &JournalEntry) -> Option<String> {
    if let Some(fault) = entry.answered_by() {
        return Some(fault_sentence(fault));
    }
    entry.why.as_ref().map(|why| why.because.clone())
}

/// The 404 for a request that the journal has dropped, or never had.
pub(super) fn not_kept(what: &str) -> ControlError {
    let message = format!("{what}; the journal keeps only recent requests (--journal-requests).");
    ControlError::new(StatusCode::NOT_FOUND, message)
}

fn describe(out: &mut Map<String, Value>, entry: &JournalEntry) {
    out.insert("request_id".into(), entry.request_id.as_str().into());
    out.insert("time".into(), entry.at.rfc3339().into());
    out.insert("method".into(), entry.method.as_str().into());
    out.insert("path".into(), entry.path.as_str().into());
    out.insert("workspace_id".into(), entry.workspace.map(|id| id.to_string()).into());
    out.insert("caller".into(), entry.caller.clone().into());
    if !entry.faults.is_empty() {
        out.insert("faults".into(), entry.faults.iter().map(fault_json).collect());
    }
    out.insert("token_id".into(), entry.token.as_ref().map(TokenId::as_str).into());
}

fn fault_sentence(fault: &Fault) -> String {
    let name = fault.rule.name.as_deref().unwrap_or("unnamed");
    let did = match fault.rule.when {
        When::Before => "before the handler, which did not run",
        When::After => "after the handler, whose changes remain",
    };
    format!("Fault {} ({name}) answered {did}.", fault.id)
}

/// A fault that answered is the reason, whatever the rules decided.
fn describe_fault(out: &mut Map<String, Value>, fault: &Fault, workspace: Option<WorkspaceId>) {
    out.insert("allowed".into(), false.into());
    out.insert("decided_by".into(), "a fault".into());
    out.insert("because".into(), fault_sentence(fault).into());
    out.insert("message".into(), fault.rule.effect.message.clone().into());
    let remedy = format!(
        "Clear the fault: DELETE …/faults/{}. If it fires a limited number of times, you can also send the request again.",
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
pub(super) struct ImaginedRequest {
    /// The caller's `userName` or application id.
    #[serde(rename = "as")]
    principal: String,
    method: String,
    path: String,
    body: Option<Value>,
    /// RFC 3339 or epoch milliseconds; defaults to now.
    at: Option<Value>,
    /// Defaults to an imagined new token for all APIs.
    token_id: Option<String>,
}

/// Decides about a request without making it.
pub(super) async fn dry_run(
    State(control): State<Control>,
    Path(workspace): Path<String>,
    JsonBody(request): JsonBody<ImaginedRequest>,
) -> Reply {
    let id = workspace_id(&control.service, &workspace).await?;
    let method: Method = request
        .method
        .parse()
        .map_err(|_| ControlError::bad_request("invalid method: use GET, POST, PATCH, PUT or DELETE."))?;
    let route = routes::find(&method, request.path.split('?').next().unwrap_or_default());
    let body = request.body.map(|body| body.to_string()).unwrap_or_default();
    let creates = route.filter(|route| route.creates_token);
    let run = DryRun {
        principal: request.principal,
        demand: route.map_or(Demand::UNROUTED, |route| route.demand),
        token: request.token_id.map(TokenId::from_text),
        at: request.at.as_ref().map(instant).transpose()?,
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
