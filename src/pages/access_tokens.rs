//! *Settings → Developer → Access tokens*: lists, generates and revokes the tokens of whoever is signed in. See
//! docs/reference/governance.md#settings-pages.

use std::collections::HashMap;

use axum::http::{Method, StatusCode};
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::frame::{Question, left, time};
use super::visit::{PageResult, Refusal, Submission, Visit};
use crate::domain::Millis;
use crate::domain::ids::DAY_MS;

pub(super) const PATH: &str = "/settings/user/developer/access-tokens";
pub(super) const REVOKE: &str = "/settings/user/developer/access-tokens/revoke";

const TITLE: &str = "Access tokens";
const SENT_BEFORE: &str = "This form was already sent: its token exists, and the value was shown only once. If you did \
     not copy the value, revoke that token and generate another one.";
const SECONDS_OF_A_DAY: i64 = DAY_MS / 1000;

#[derive(Debug, Default, Deserialize)]
struct OwnTokens {
    #[serde(default)]
    token_infos: Vec<OwnToken>,
}

#[derive(Debug, Deserialize)]
struct OwnToken {
    token_id: String,
    creation_time: i64,
    expiry_time: i64,
    comment: String,
    scopes: Option<Vec<String>>,
}

/// What only the control API tells about a token.
#[derive(Debug, Deserialize)]
struct TokenHistory {
    token_id: String,
    last_used: Option<String>,
    idle_at: Option<String>,
}

#[derive(Debug, Deserialize)]
struct TokenHistories {
    tokens: Vec<TokenHistory>,
}

/// The form's fields, to be shown again after a refusal.
#[derive(Debug, Default)]
struct Fields<'a> {
    comment: &'a str,
    days: &'a str,
    scopes: &'a str,
}

enum Outcome<'a> {
    /// No form was sent.
    None,
    /// The value of the new token.
    Generated(&'a str),
    Refused(&'a Refusal, Fields<'a>),
}

/// `GET /settings/user/developer/access-tokens`
pub(super) async fn show(visit: Visit) -> PageResult {
    visit.person()?;
    page(&visit, Outcome::None).await
}

/// `POST`: only this answer contains the new token's value.
pub(super) async fn generate(form: Submission) -> PageResult {
    let visit = &form.visit;
    visit.person()?;
    let typed = Fields { comment: form.text("comment"), days: form.text("days"), scopes: form.text("scopes") };
    let mut request = Map::new();
    request.insert("comment".into(), typed.comment.into());
    if !typed.days.is_empty() {
        // Anything else than a number is passed on unchanged, so that the API explains what is wrong.
        let seconds = typed.days.parse::<i64>().map(|days| Value::from(days.saturating_mul(SECONDS_OF_A_DAY)));
        request.insert("lifetime_seconds".into(), seconds.unwrap_or_else(|_| typed.days.into()));
    }
    let scopes: Vec<&str> = typed.scopes.split([' ', ',']).filter(|scope| !scope.is_empty()).collect();
    if !scopes.is_empty() {
        request.insert("scopes".into(), json!(scopes));
    }
    let (workspace, request) = (visit.person()?.place.workspace.id, request.into());
    let create = visit.ask(Method::POST, "/api/2.0/token/create", Some(&request));
    match form.once(workspace, SENT_BEFORE, create).await {
        Ok(answer) => {
            let value = answer.get("token_value").and_then(Value::as_str).unwrap_or_default();
            page(visit, Outcome::Generated(value)).await
        }
        Err(refusal) => page(visit, Outcome::Refused(&refusal, typed)).await,
    }
}

/// `POST …/revoke`: asks first; with `confirm`, revokes.
pub(super) async fn revoke(form: Submission) -> PageResult {
    let visit = &form.visit;
    visit.person()?;
    let (id, comment) = (form.text("token_id"), form.text("comment"));
    if form.has("confirm") {
        let revoked = visit.ask(Method::POST, "/api/2.0/token/delete", Some(&json!({ "token_id": id }))).await;
        return match revoked {
            Ok(_) => Ok(visit.go(PATH)),
            Err(refusal) => page(visit, Outcome::Refused(&refusal, Fields::default())).await,
        };
    }
    let effect = html! {
        p {
            "The token "
            @if comment.is_empty() { code { (id) } } @else { b { bdi { (comment) } } }
            " will stop working immediately and permanently."
        }
    };
    let fields = [("token_id", id), ("comment", comment)];
    let question = Question { action: REVOKE, fields: &fields, effect, button: "Revoke", back: PATH };
    Ok(visit.page("Revoke this token?", question.form(visit)))
}

async fn page(visit: &Visit, outcome: Outcome<'_>) -> PageResult {
    let person = visit.person()?;
    let listed = visit.ask(Method::GET, "/api/2.0/token/list", None).await;
    let (tokens, unlisted) = match listed {
        Ok(answer) => {
            let tokens = serde_json::from_value::<OwnTokens>(answer);
            (tokens.map_err(|error| visit.unreadable(PATH, &error))?.token_infos, None)
        }
        Err(refusal) => (Vec::new(), Some(refusal)),
    };
    let workspace = person.place.workspace.id;
    let histories: TokenHistories =
        visit.get(&format!("/_mock/v1/workspaces/{workspace}/tokens?state=live&owner_id={}", person.id)).await?;
    let histories: HashMap<&str, &TokenHistory> =
        histories.tokens.iter().map(|history| (history.token_id.as_str(), history)).collect();
    let none = Fields::default();
    let (refusal, typed) = match &outcome {
        Outcome::None | Outcome::Generated(_) => (unlisted.as_ref(), &none),
        Outcome::Refused(refusal, typed) => (Some(*refusal), typed),
    };
    let status = refusal.map_or(StatusCode::OK, |refusal| refusal.status);
    let content = html! {
        @if let Some(refusal) = refusal { p.notice role="alert" { (refusal.message) } }
        @if let Outcome::Generated(value) = outcome { (generated(value)) }
        @if unlisted.is_none() {
            (list(visit, &tokens, &histories, person.now))
            (generator(visit, typed))
        }
    };
    Ok(visit.page_with(status, TITLE, content))
}

fn generated(value: &str) -> Markup {
    html! {
        section.made role="status" data-once {
            h2 { "Your new token" }
            p { "Copy it now: it will not be shown again." }
            div.inline {
                div {
                    label for="value" { "Token value" }
                    input #value.code readonly value=(value) autocomplete="off";
                }
                button type="button" data-copy="value" { "Copy" }
            }
        }
    }
}

fn list(visit: &Visit, tokens: &[OwnToken], histories: &HashMap<&str, &TokenHistory>, now: Millis) -> Markup {
    html! {
        @if tokens.is_empty() { p { "You have no personal access tokens." } }
        @else {
            div.scroll tabindex="0" role="region" aria-label="Your tokens" {
                table.stack {
                    thead { tr {
                        th { "Comment" } th { "Created" } th { "Expires" } th { "Last used" }
                        th { "Revoked if unused" } th { "Scopes" } th { span.hidden { "Change" } }
                    } }
                    tbody { @for token in tokens { (row(visit, token, histories.get(token.token_id.as_str()).copied(), now)) } }
                }
            }
        }
    }
}

fn row(visit: &Visit, token: &OwnToken, history: Option<&TokenHistory>, now: Millis) -> Markup {
    let instant = |text: &Option<String>| text.as_deref().and_then(Millis::parse);
    let last_used = history.and_then(|history| instant(&history.last_used));
    let idle_at = history.and_then(|history| instant(&history.idle_at));
    let expiry = (token.expiry_time >= 0).then_some(Millis(token.expiry_time));
    html! {
        tr {
            td data-label="Comment" { @if token.comment.is_empty() { span.soft { "none" } } @else { bdi { (token.comment) } } }
            td data-label="Created" { (time(Millis(token.creation_time))) }
            td data-label="Expires" { (ending(expiry, now)) }
            td data-label="Last used" { @match last_used { Some(at) => { (time(at)) } None => { span.soft { "never" } } } }
            td data-label="Revoked if unused" { (ending(idle_at, now)) }
            td data-label="Scopes" { @match &token.scopes { Some(scopes) => { (scopes.join(", ")) } None => { span.soft { "all APIs" } } } }
            td {
                form method="post" action=(REVOKE) {
                    (visit.form_token())
                    input type="hidden" name="token_id" value=(token.token_id);
                    input type="hidden" name="comment" value=(token.comment);
                    button.small aria-label={ "Revoke " (token.comment) } { "Revoke" }
                }
            }
        }
    }
}

fn ending(at: Option<Millis>, now: Millis) -> Markup {
    html! {
        @match at {
            Some(at) => { (left(now, at)) br; span.soft { (time(at)) } }
            None => { span.soft { "never" } }
        }
    }
}

fn generator(visit: &Visit, typed: &Fields<'_>) -> Markup {
    html! {
        section aria-labelledby="generate" {
            h2 #generate { "Generate new token" }
            form.stacked method="post" {
                (visit.form_token())
                div {
                    label for="comment" { "Comment" }
                    input #comment name="comment" value=(typed.comment) dir="auto" autocomplete="off" aria-describedby="comment-help";
                    p.soft #comment-help { "What the token is for, in at most 255 characters." }
                }
                div {
                    label for="days" { "Lifetime (days)" }
                    input #days name="days" value=(typed.days) inputmode="numeric" aria-describedby="days-help";
                    p.soft #days-help { "Leave empty for the longest lifetime that the workspace allows." }
                }
                div {
                    label for="scopes" { "Scopes" }
                    input #scopes name="scopes" value=(typed.scopes) autocomplete="off" aria-describedby="scopes-help";
                    p.soft #scopes-help { "Separated by spaces, such as " code { "sql clusters" } ". Leave empty for all APIs." }
                }
                button { "Generate" }
            }
        }
    }
}
