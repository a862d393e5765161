//! `/v1/accounts/{account}/token-report…`: the token report of the emulated account console. The real one has no API,
//! so it is part of the control API, but account admins call it, not the operator. See
//! docs/reference/governance.md#token-report.

use std::collections::HashMap;
use std::future::ready;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{FromRequestParts, Path, State};
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::http::request::Parts;
use axum::response::IntoResponse;
use csv::{Terminator, WriterBuilder};
use futures_util::{StreamExt, stream};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Control;
use super::reply::{ControlError, JsonBody, Params, Reply, is_descending, ok};
use crate::domain::audit::Origin;
use crate::domain::authorize::{Caller, Demand, NamedWorkspace, Right};
use crate::domain::report::{DEFAULT_LIMIT, Filter, MAX_LIMIT, Order, Query, Range, SortBy, cell, is_long_lived};
use crate::domain::{AccountId, Denial, Millis, TokenId, WorkspaceId, scopes};
use crate::http::context::origin_of;
use crate::http::credential::Credentials;
use crate::http::error::wire;
use crate::http::exchange::REQUEST_ID;
use crate::http::redaction;
use crate::service::{Authorized, Call, CountMode, Error, NamedRow, PageRequest};

const CONSOLE: Demand =
    Demand { right: Right::AccountApi, scope: scopes::AUTHENTICATION, token_api: false, feature: None };

/// An account admin of the account in the path, authenticated with OAuth.
#[derive(Debug)]
pub(super) struct AccountAdmin {
    caller: Caller,
    origin: Arc<Origin>,
}

impl FromRequestParts<Control> for AccountAdmin {
    type Rejection = ControlError;

    async fn from_request_parts(parts: &mut Parts, control: &Control) -> Result<Self, ControlError> {
        let service = &control.service;
        let origin = Arc::new(origin_of(service, &parts.headers, &parts.extensions));
        let shown = Credentials::of(&parts.headers, &parts.uri).presented;
        let Authorized { decision, origin, .. } =
            service.authorize(&shown, &NamedWorkspace::Unnamed, CONSOLE, &origin).await?;
        let caller = decision.outcome.map_err(|denial| {
            let because = decision.trace.last().map(|step| redaction::line(&step.because)).unwrap_or_default();
            tracing::info!(request_id = origin.request_id, path = parts.uri.path(), "refused: {because}");
            let wire = wire(&denial.into(), service.error_texts());
            ControlError::new(wire.status, wire.message)
        })?;
        let segments = Path::<HashMap<String, String>>::from_request_parts(parts, control).await;
        let account = segments.ok().and_then(|Path(mut segments)| segments.remove("account")).unwrap_or_default();
        if AccountId::parse(&account) != Some(caller.account()) {
            return Err(Denial::AccountNotFound(account).into());
        }
        Ok(Self { caller, origin })
    }
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ReportQuery {
    owner: Option<String>,
    workspace_id: Option<String>,
    created_from: Option<String>,
    created_to: Option<String>,
    expires_from: Option<String>,
    expires_to: Option<String>,
    last_used_from: Option<String>,
    last_used_to: Option<String>,
    #[serde(default)]
    inactive_principals: bool,
    #[serde(default)]
    no_expiry: bool,
    sort: Option<String>,
    order: Option<String>,
    limit: Option<usize>,
    page_token: Option<String>,
    count: Option<bool>,
    #[serde(default)]
    counts: bool,
}

impl ReportQuery {
    fn query(&self) -> Result<Query, ControlError> {
        let range =
            |name: &str, from: &Option<String>, to: &Option<String>| Range::parse(name, from.as_deref(), to.as_deref());
        let descending = is_descending(self.order.as_deref())?;
        let workspace = self.workspace_id.as_deref().map(|text| {
            WorkspaceId::parse(text)
                .ok_or_else(|| ControlError::bad_request(format!("workspace_id: invalid workspace id '{text}'.")))
        });
        Ok(Query {
            filter: Filter {
                owner: self.owner.clone(),
                workspace: workspace.transpose()?,
                created: range("created", &self.created_from, &self.created_to)?,
                expires: range("expires", &self.expires_from, &self.expires_to)?,
                last_used: range("last_used", &self.last_used_from, &self.last_used_to)?,
                inactive_principals: self.inactive_principals,
                no_expiry: self.no_expiry,
            },
            order: Order {
                by: self.sort.as_deref().map_or(Ok(SortBy::default()), SortBy::parse)?,
                descending,
                gone_first: false,
            },
        })
    }
}

pub(super) async fn page(
    State(control): State<Control>,
    admin: AccountAdmin,
    Params(report): Params<ReportQuery>,
) -> Reply {
    let limit = report.limit.unwrap_or(DEFAULT_LIMIT);
    if !(1..=MAX_LIMIT).contains(&limit) {
        return Err(ControlError::bad_request(format!("invalid limit {limit}: use 1 to {MAX_LIMIT}.")));
    }
    let counted = match report.count {
        _ if report.counts => CountMode::Buttons,
        None | Some(true) => CountMode::Total,
        Some(false) => CountMode::Skip,
    };
    let query = report.query()?;
    let request = PageRequest { token: report.page_token.as_deref(), limit, count: counted };
    let page = control.service.token_report(admin.caller.account(), &query, request).await?;
    let mut body = json!({ "tokens": page.rows.iter().map(row_json).collect::<Vec<_>>() });
    if let Some(body) = body.as_object_mut() {
        let counts = page.counts;
        if counted != CountMode::Skip {
            body.insert("total".to_owned(), counts.total.into());
        }
        if counted == CountMode::Buttons {
            let counts = json!({ "inactive_principals": counts.inactive_principals, "no_expiry": counts.no_expiry });
            body.insert("counts".to_owned(), counts);
        }
        body.extend(page.next_page_token.map(|text| ("next_page_token".to_owned(), text.into())));
        body.extend(page.prev_page_token.map(|text| ("prev_page_token".to_owned(), text.into())));
    }
    Ok(ok(&body))
}

const COLUMNS: [&str; 14] = [
    "token_id",
    "workspace_id",
    "workspace_name",
    "owner_id",
    "owner_name",
    "owner_type",
    "owner_active",
    "created_by_username",
    "comment",
    "creation_time",
    "expiry_time",
    "last_used_day",
    "long_lived",
    "scopes",
];

/// The values of [`COLUMNS`]; `instant` says how instants are written.
fn values((row, workspace_name): &NamedRow, instant: fn(Millis) -> Value) -> [Value; 14] {
    let token = &row.token;
    let owner = row.owner.as_ref();
    [
        token.id.as_str().into(),
        token.workspace.0.into(),
        (**workspace_name).into(),
        token.owner.0.into(),
        owner.map(|owner| owner.name.as_str()).into(),
        owner.map(|owner| owner.kind.as_str()).into(),
        owner.is_some_and(|owner| owner.active).into(),
        token.created_by_username.as_str().into(),
        token.comment.as_str().into(),
        instant(token.creation_time),
        token.expiry_time.map_or(Value::Null, instant),
        token.last_used.map_or(Value::Null, |at| instant(at.start_of_utc_day())),
        is_long_lived(token).into(),
        token.scopes.clone().into(),
    ]
}

/// Ids and instants are numbers, as in the token management API.
fn row_json(row: &NamedRow) -> Value {
    let names = COLUMNS.into_iter().map(str::to_owned);
    Value::Object(names.zip(values(row, |at| at.0.into())).collect())
}

/// Instants are in ISO 8601, and absent values empty.
fn row_cells(row: &NamedRow) -> [String; 14] {
    values(row, |at| at.rfc3339().into()).map(|value| match value {
        Value::Null => String::new(),
        Value::String(text) => text,
        Value::Array(items) => items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" "),
        other => other.to_string(),
    })
}

fn csv_lines(header: Option<&[&str]>, rows: &[NamedRow]) -> Result<Bytes, csv::Error> {
    let mut writer = WriterBuilder::new().terminator(Terminator::CRLF).from_writer(Vec::new());
    if let Some(header) = header {
        writer.write_record(header)?;
    }
    for row in rows {
        writer.write_record(row_cells(row).iter().map(|text| cell(text).into_owned()))?;
    }
    Ok(writer.into_inner().map_err(csv::IntoInnerError::into_error)?.into())
}

/// Streams all rows of the filter while they come from the database. If the database fails on the way, the answer ends
/// without its last chunk, so that no client takes it for complete.
pub(super) async fn export(
    State(control): State<Control>,
    admin: AccountAdmin,
    Params(report): Params<ReportQuery>,
) -> Reply {
    for (name, is_given) in [
        ("limit", report.limit.is_some()),
        ("page_token", report.page_token.is_some()),
        ("count", report.count.is_some()),
        ("counts", report.counts),
    ] {
        if is_given {
            return Err(ControlError::bad_request(format!(
                "{name}: the export always has all rows: omit this parameter."
            )));
        }
    }
    let mut export = control.service.export_report(admin.caller.account(), report.query()?).await?;
    let first = csv_lines(Some(&COLUMNS), &export.next_rows().await?).map_err(axum::Error::new);
    let rest = stream::try_unfold(export, |mut export| async {
        let rows = export.next_rows().await.map_err(logged)?;
        if rows.is_empty() {
            return Ok(None);
        }
        Ok(Some((csv_lines(None, &rows).map_err(axum::Error::new)?, export)))
    });
    let day = admin.caller.now.rfc3339();
    let name = format!("attachment; filename=\"token-report-{}.csv\"", day.get(..10).unwrap_or_default());
    let headers = [(CONTENT_TYPE, "text/csv; charset=utf-8; header=present".to_owned()), (CONTENT_DISPOSITION, name)];
    Ok((headers, Body::from_stream(stream::once(ready(first)).chain(rest))).into_response())
}

fn logged(error: Error) -> axum::Error {
    tracing::error!("the export of the token report stopped early: {error}");
    axum::Error::new(error)
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Selection {
    tokens: Vec<Selected>,
    /// Only lists what would be revoked.
    #[serde(default)]
    dry_run: bool,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Selected {
    workspace_id: Value,
    token_id: String,
}

impl Selected {
    fn read(self) -> Result<(WorkspaceId, TokenId), ControlError> {
        let text = self.workspace_id.as_str().map_or_else(|| self.workspace_id.to_string(), ToOwned::to_owned);
        let workspace = WorkspaceId::parse(&text)
            .ok_or_else(|| ControlError::bad_request(format!("invalid workspace id {}.", self.workspace_id)))?;
        Ok((workspace, TokenId::from_text(self.token_id)))
    }
}

/// Answers with the tokens that were revoked, and with those that do not exist.
pub(super) async fn revoke(
    State(control): State<Control>,
    admin: AccountAdmin,
    JsonBody(selection): JsonBody<Selection>,
) -> Reply {
    if !(1..=MAX_LIMIT).contains(&selection.tokens.len()) {
        return Err(ControlError::bad_request(format!("Select 1 to {MAX_LIMIT} tokens.")));
    }
    let tokens = selection.tokens.into_iter().map(Selected::read).collect::<Result<Vec<_>, _>>()?;
    let list = |tokens: &[(WorkspaceId, TokenId)]| -> Vec<Value> {
        tokens.iter().map(|(id, token)| json!({ "workspace_id": id.0, "token_id": token.as_str() })).collect()
    };
    if selection.dry_run {
        let found = control.service.find_reported(admin.caller.account(), &tokens).await?;
        let rows: Vec<Value> = found.rows.iter().map(row_json).collect();
        return Ok(ok(&json!({ "would_revoke": rows, "not_found": list(&found.not_found) })));
    }
    let call = Call { caller: &admin.caller, origin: &admin.origin };
    let outcome = control.service.revoke_reported(call, &tokens).await?;
    let body = json!({ "revoked": list(&outcome.revoked), "not_found": list(&outcome.not_found) });
    let headers = [(REQUEST_ID, admin.origin.request_id.clone())];
    Ok((headers, ok(&body)).into_response())
}

/// Only account admins run report queries. See docs/requirements.md#r19.
pub(super) async fn statistics(State(control): State<Control>, Path(account): Path<String>) -> Reply {
    let account = control.service.account_named(&account).await?;
    let statistics = control.service.report_statistics(account);
    Ok(ok(&json!({
        "report_queries_total": statistics.queries,
        "report_statements_total": statistics.statements,
    })))
}
