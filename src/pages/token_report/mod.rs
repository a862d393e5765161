//! *Account console → Security → Token report*: all tokens of the account's workspaces (spec §8, requirements
//! R18–R25). Its address is the control API's query.

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
use super::visit::{Refusal, Shown, Stop, Submission, Visit};

pub(super) const PATH: &str = "/account-console/security/token-report";
pub(super) const EXPORT: &str = "/account-console/security/token-report.csv";
pub(super) const REVOKE: &str = "/account-console/security/token-report/revoke";

/// The control API's answer.
#[derive(Debug, Deserialize)]
struct Report {
    tokens: Vec<Row>,
    total: usize,
    counts: Counts,
    next_page_token: Option<String>,
    prev_page_token: Option<String>,
}

/// How many tokens there would be with each button pressed.
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

/// A workspace of the account.
#[derive(Debug, Deserialize)]
struct Choice {
    workspace_id: i64,
    workspace_name: String,
}

/// Which tokens an answer names.
#[derive(Debug, Deserialize)]
struct Named {
    workspace_id: i64,
    token_id: String,
}

#[derive(Debug, Deserialize)]
struct Preview {
    would_revoke: Vec<Row>,
    not_found: Vec<Named>,
}

#[derive(Debug, Deserialize)]
struct Outcome {
    revoked: Vec<Named>,
    not_found: Vec<Named>,
}

/// `GET /account-console/security/token-report?` with the control API's parameters
pub(super) async fn show(visit: Visit) -> Shown {
    visit.person()?;
    // Before anything is asked: what people copy from the address bar is short.
    if Address::is_wordy(&visit.parts.uri) {
        return Ok(visit.go(&Address::of(&visit.parts.uri).at(PATH)));
    }
    report(&visit, None).await
}

/// The report that the address asks for, with what an API refused before. It is one call of the control API, and
/// so counts as one (R19).
async fn report(visit: &Visit, refusal: Option<Refusal>) -> Shown {
    let address = Address::of(&visit.parts.uri);
    let path = api(visit, "")?;
    let (report, refusal) = match visit.ask(Method::GET, &address.with_counts(&path), None).await {
        Ok(answer) => (Some(serde_json::from_value(answer).map_err(|error| visit.unreadable(&path, &error))?), refusal),
        // It is about what was typed, so what was typed stays.
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

/// The control API's path for the account that is signed in to.
fn api(visit: &Visit, rest: &str) -> Result<String, Stop> {
    Ok(format!("/_mock/v1/accounts/{}/token-report{rest}", visit.person()?.place.workspace.account))
}

/// The workspaces to choose from. Without them one can still be named in the address.
async fn workspaces(visit: &Visit) -> Result<Vec<Choice>, Stop> {
    let path = format!("/api/2.0/accounts/{}/workspaces", visit.person()?.place.workspace.account);
    let answer = visit.ask(Method::GET, &path, None).await.unwrap_or_default();
    Ok(serde_json::from_value(answer).unwrap_or_default())
}

/// How many tokens were just revoked, as the way back from there says.
fn revoked(visit: &Visit) -> Option<usize> {
    let sent = form_urlencoded::parse(visit.parts.uri.query().unwrap_or_default().as_bytes());
    sent.into_iter().find(|(name, _)| name == "revoked").and_then(|(_, count)| count.parse().ok())
}

/// `GET …/token-report.csv`: the filtered rows, as the control API streams them.
pub(super) async fn export(visit: Visit) -> Shown {
    let address = Address::of(&visit.parts.uri).without(&[LIMIT, PAGE_TOKEN]);
    let rows = visit.fetch(Method::GET, &address.at(&api(&visit, ".csv")?), None).await;
    let mut response = rows.map_err(|refusal| visit.refused_by(&refusal))?;
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    Ok(response)
}

/// `GET …/revoke`: whoever loads the question or its outcome again comes back to the report.
pub(super) async fn back(visit: Visit) -> Shown {
    Ok(visit.go(&Address::of(&visit.parts.uri).at(PATH)))
}

/// `POST …/revoke`: asks, and with `confirm` does.
pub(super) async fn revoke(form: Submission) -> Shown {
    let visit = &form.visit;
    let path = api(visit, "/revoke")?;
    let chosen = form.all("token");
    let is_confirmed = form.has("confirm");
    let body = json!({ "tokens": chosen.iter().map(|text| named(text)).collect::<Vec<_>>(), "dry_run": !is_confirmed });
    let answer = match visit.ask(Method::POST, &path, Some(&body)).await {
        Ok(answer) => answer,
        Err(refusal) => return report(visit, Some(refusal)).await,
    };
    let unreadable = |error| visit.unreadable(&path, &error);
    if is_confirmed {
        Ok(told(visit, &serde_json::from_value(answer).map_err(unreadable)?))
    } else {
        ask(visit, &serde_json::from_value(answer).map_err(unreadable)?).await
    }
}

/// A token as a check box names it.
fn chosen(workspace_id: i64, token_id: &str) -> String {
    format!("{workspace_id}/{token_id}")
}

/// The same for the control API.
fn named(text: &str) -> Value {
    let (workspace, token) = text.split_once('/').unwrap_or_default();
    json!({ "workspace_id": workspace, "token_id": token })
}

/// The question, which names what would be revoked.
async fn ask(visit: &Visit, preview: &Preview) -> Shown {
    let Preview { would_revoke, not_found } = preview;
    if would_revoke.is_empty() {
        let message = "None of the tokens that you selected is there any longer.".to_owned();
        return report(visit, Some(Refusal { status: StatusCode::NOT_FOUND, message })).await;
    }
    let address = Address::of(&visit.parts.uri);
    let effect = html! {
        p {
            @if let [_] = would_revoke.as_slice() { "It stops working at once, and for good." }
            @else { "They stop working at once, and for good." }
        }
        @if !not_found.is_empty() {
            p.warning role="note" { (grouped(not_found.len())) " of those that you selected are no longer there." }
        }
        (view::would_be_revoked(would_revoke))
    };
    let tokens: Vec<String> = would_revoke.iter().map(|row| chosen(row.workspace_id, &row.token_id)).collect();
    let fields: Vec<(&str, &str)> = tokens.iter().map(|token| ("token", token.as_str())).collect();
    let (action, back) = (address.at(REVOKE), address.at(PATH));
    let question = Question { action: &action, fields: &fields, effect, button: "Revoke", back: &back };
    let title = format!("Revoke {}?", view::tokens(would_revoke.len()));
    Ok(visit.page(&title, question.form(visit)))
}

/// The way back to the report; where some were not revoked, first a page that names them.
fn told(visit: &Visit, outcome: &Outcome) -> axum::response::Response {
    let Outcome { revoked, not_found } = outcome;
    let back = Address::of(&visit.parts.uri).at(PATH);
    if not_found.is_empty() {
        let mark = if back.contains('?') { '&' } else { '?' };
        return visit.go(&format!("{back}{mark}revoked={}", revoked.len()));
    }
    let content = html! {
        div data-once {
            p.warning role="alert" {
                (view::tokens(not_found.len())) " could not be revoked, because the account has no such token, or \
                 no longer: revoked in the meantime, or expired for more than 30 days."
            }
            ul { @for token in not_found { li { code { (token.token_id) } " in workspace " (token.workspace_id) } } }
        }
        p { a href=(back) { "Back to the report" } }
    };
    visit.page(&format!("{} revoked", view::tokens(revoked.len())), content)
}
