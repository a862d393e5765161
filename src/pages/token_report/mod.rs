//! *Account console → Security → Token report*: all tokens of the account's workspaces, as the control API reports them.
//! The page's address is that API's query (`address`), and `view` renders the answer. See docs/requirements.md#r18.

mod address;
mod view;

use axum::http::header::{CACHE_CONTROL, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderValue, Method, StatusCode};
use maud::html;
use serde::Deserialize;
use serde_json::{Value, json};

use self::address::{Address, LIMIT, PAGE_TOKEN};
use self::view::{View, grouped};
use super::frame::Question;
use super::visit::{ErrorPage, PageResult, Refusal, Submission, Visit};

pub(super) const PATH: &str = "/account-console/security/token-report";
pub(super) const EXPORT: &str = "/account-console/security/token-report.csv";
pub(super) const REVOKE: &str = "/account-console/security/token-report/revoke";

#[derive(Debug, Deserialize)]
struct Report {
    tokens: Vec<Row>,
    total: usize,
    counts: Counts,
    next_page_token: Option<String>,
    prev_page_token: Option<String>,
}

/// How many tokens the report would have with each button pressed.
#[derive(Debug, Deserialize)]
struct Counts {
    inactive_principals: usize,
    no_expiry: usize,
}

#[derive(Debug, Deserialize)]
struct Row {
    token_id: String,
    workspace_id: i64,
    workspace_name: String,
    owner_id: i64,
    owner_name: Option<String>,
    owner_type: Option<String>,
    owner_active: bool,
    comment: String,
    creation_time: i64,
    expiry_time: Option<i64>,
    last_used_day: Option<i64>,
    long_lived: bool,
    scopes: Option<Vec<String>>,
}

#[derive(Debug, Deserialize)]
struct Workspace {
    workspace_id: i64,
    workspace_name: String,
}

#[derive(Debug, Deserialize)]
struct TokenName {
    workspace_id: i64,
    token_id: String,
}

#[derive(Debug, Deserialize)]
struct Preview {
    would_revoke: Vec<Row>,
    not_found: Vec<TokenName>,
}

#[derive(Debug, Deserialize)]
struct Outcome {
    revoked: Vec<TokenName>,
    not_found: Vec<TokenName>,
}

/// `GET /account-console/security/token-report?` with the control API's parameters
pub(super) async fn show(visit: Visit) -> PageResult {
    visit.person()?;
    // People copy the address, so it is shortened first.
    if Address::has_empty_parameters(&visit.parts.uri) {
        return Ok(visit.go(&Address::of(&visit.parts.uri).at(PATH)));
    }
    report(&visit, None).await
}

/// Makes a single call of the control API, as each call counts as a query of the report. See docs/requirements.md#r19.
async fn report(visit: &Visit, refusal: Option<Refusal>) -> PageResult {
    let address = Address::of(&visit.parts.uri);
    let path = api(visit, "")?;
    let (report, refusal) = match visit.ask(Method::GET, &address.with_counts(&path), None).await {
        Ok(answer) => (Some(serde_json::from_value(answer).map_err(|error| visit.unreadable(&path, &error))?), refusal),
        // The filter is wrong, so it is shown again.
        Err(why) if why.status == StatusCode::BAD_REQUEST => (None, refusal.or(Some(why))),
        Err(why) => return Err(visit.refused_by(&why)),
    };
    let view = View {
        visit,
        address: &address,
        report: report.as_ref(),
        workspaces: &workspaces(visit).await?,
        revoked: revoked(visit),
    };
    let status = refusal.as_ref().map_or(StatusCode::OK, |refusal| refusal.status);
    Ok(visit.page_with(status, "Token report", view.content(refusal.as_ref())))
}

fn api(visit: &Visit, rest: &str) -> Result<String, ErrorPage> {
    Ok(format!("/_mock/v1/accounts/{}/token-report{rest}", visit.person()?.place.workspace.account))
}

/// The workspaces to choose from; none if the API refuses, as the address can still name one.
async fn workspaces(visit: &Visit) -> Result<Vec<Workspace>, ErrorPage> {
    let path = format!("/api/2.0/accounts/{}/workspaces", visit.person()?.place.workspace.account);
    let answer = visit.ask(Method::GET, &path, None).await.unwrap_or_default();
    Ok(serde_json::from_value(answer).unwrap_or_default())
}

/// How many tokens were just revoked, from the address that a revocation leads back to.
fn revoked(visit: &Visit) -> Option<usize> {
    let sent = form_urlencoded::parse(visit.parts.uri.query().unwrap_or_default().as_bytes());
    sent.into_iter().find(|(name, _)| name == "revoked").and_then(|(_, count)| count.parse().ok())
}

/// `GET …/token-report.csv`: passes on the control API's stream.
pub(super) async fn export(visit: Visit) -> PageResult {
    let address = Address::of(&visit.parts.uri).without(&[LIMIT, PAGE_TOKEN]);
    let rows = visit.fetch(Method::GET, &address.at(&api(&visit, ".csv")?), None).await;
    let mut response = rows.map_err(|refusal| visit.refused_by(&refusal))?;
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    Ok(response)
}

/// `GET …/revoke`: reloading the question, or its outcome, leads back to the report.
pub(super) async fn back(visit: Visit) -> PageResult {
    Ok(visit.go(&Address::of(&visit.parts.uri).at(PATH)))
}

/// `POST …/revoke`: asks first; with `confirm`, revokes.
pub(super) async fn revoke(form: Submission) -> PageResult {
    let visit = &form.visit;
    let path = api(visit, "/revoke")?;
    let selected = form.all("token");
    let is_confirmed = form.has("confirm");
    let body =
        json!({ "tokens": selected.iter().map(|text| token_name(text)).collect::<Vec<_>>(), "dry_run": !is_confirmed });
    let answer = match visit.ask(Method::POST, &path, Some(&body)).await {
        Ok(answer) => answer,
        Err(refusal) => return report(visit, Some(refusal)).await,
    };
    let unreadable = |error| visit.unreadable(&path, &error);
    if is_confirmed {
        Ok(outcome_page(visit, &serde_json::from_value(answer).map_err(unreadable)?))
    } else {
        ask(visit, &serde_json::from_value(answer).map_err(unreadable)?).await
    }
}

/// The value of a token's check box.
fn checkbox_value(workspace_id: i64, token_id: &str) -> String {
    format!("{workspace_id}/{token_id}")
}

/// The token that a check box stands for, as the control API names it.
fn token_name(text: &str) -> Value {
    let (workspace, token) = text.split_once('/').unwrap_or_default();
    json!({ "workspace_id": workspace, "token_id": token })
}

async fn ask(visit: &Visit, preview: &Preview) -> PageResult {
    let Preview { would_revoke, not_found } = preview;
    if would_revoke.is_empty() {
        let message = "None of the selected tokens exists any more.".to_owned();
        return report(visit, Some(Refusal { status: StatusCode::NOT_FOUND, message })).await;
    }
    let address = Address::of(&visit.parts.uri);
    let effect = html! {
        p {
            @if let [_] = would_revoke.as_slice() { "It" } @else { "They" } " will stop working immediately and permanently."
        }
        @if !not_found.is_empty() {
            p.warning role="note" { (grouped(not_found.len())) " of the selected tokens no longer exist." }
        }
        (view::would_be_revoked(would_revoke))
    };
    let tokens: Vec<String> = would_revoke.iter().map(|row| checkbox_value(row.workspace_id, &row.token_id)).collect();
    let fields: Vec<(&str, &str)> = tokens.iter().map(|token| ("token", token.as_str())).collect();
    let (action, back) = (address.at(REVOKE), address.at(PATH));
    let question = Question { action: &action, fields: &fields, effect, button: "Revoke", back: &back };
    let title = format!("Revoke {}?", view::tokens(would_revoke.len()));
    Ok(visit.page(&title, question.form(visit)))
}

/// Leads back to the report, unless some tokens were not revoked: a page lists those first.
fn outcome_page(visit: &Visit, outcome: &Outcome) -> axum::response::Response {
    let Outcome { revoked, not_found } = outcome;
    let back = Address::of(&visit.parts.uri).at(PATH);
    if not_found.is_empty() {
        let mark = if back.contains('?') { '&' } else { '?' };
        return visit.go(&format!("{back}{mark}revoked={}", revoked.len()));
    }
    let content = html! {
        div data-once {
            p.warning role="alert" {
                (view::tokens(not_found.len())) " could not be revoked: the account has no such token, it was \
                 revoked in the meantime, or it expired more than 30 days ago."
            }
            ul { @for token in not_found { li { code { (token.token_id) } " in workspace " (token.workspace_id) } } }
        }
        p { a href=(back) { "Back to the report" } }
    };
    visit.page(&format!("{} revoked", view::tokens(revoked.len())), content)
}
