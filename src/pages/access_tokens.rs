//! *Settings → Developer → Access tokens*: one's own tokens (spec §8).

use std::collections::HashMap;

use axum::http::{Method, StatusCode};
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::frame::{Question, left, time};
use super::visit::{Refusal, Shown, Submission, Visit};
use crate::domain::Millis;
use crate::domain::ids::DAY_MS;

pub(super) const PATH: &str = "/settings/user/developer/access-tokens";
pub(super) const REVOKE: &str = "/settings/user/developer/access-tokens/revoke";

const TITLE: &str = "Access tokens";
const SENT_BEFORE: &str = "This form was sent before: its token is already generated, and its value is shown only once. \
     Whoever has not copied it revokes that token and generates another.";
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

/// What the control API knows besides.
#[derive(Debug, Deserialize)]
struct Fate {
    token_id: String,
    last_used: Option<String>,
    idle_at: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Fates {
    tokens: Vec<Fate>,
}

/// What was typed into the form.
#[derive(Debug, Default)]
struct Typed<'a> {
    comment: &'a str,
    days: &'a str,
    scopes: &'a str,
}

/// What came of the form.
enum Outcome<'a> {
    /// It was not sent.
    None,
    /// A new token's value.
    Made(&'a str),
    /// The API refused.
    Refused(&'a Refusal, Typed<'a>),
}

/// `GET /settings/user/developer/access-tokens`
pub(super) async fn show(visit: Visit) -> Shown {
    visit.person()?;
    page(&visit, Outcome::None).await
}

/// `POST`: makes a token. Its value is in this answer and never again.
pub(super) async fn generate(form: Submission) -> Shown {
    let visit = &form.visit;
    visit.person()?;
    let typed = Typed { comment: form.text("comment"), days: form.text("days"), scopes: form.text("scopes") };
    let mut wanted = Map::new();
    wanted.insert("comment".into(), typed.comment.into());
    if !typed.days.is_empty() {
        // What is no number goes as it is, so that the API says what it thinks of it.
        let seconds = typed.days.parse::<i64>().map(|days| Value::from(days.saturating_mul(SECONDS_OF_A_DAY)));
        wanted.insert("lifetime_seconds".into(), seconds.unwrap_or_else(|_| typed.days.into()));
    }
    let scopes: Vec<&str> = typed.scopes.split([' ', ',']).filter(|scope| !scope.is_empty()).collect();
    if !scopes.is_empty() {
        wanted.insert("scopes".into(), json!(scopes));
    }
    let (workspace, wanted) = (visit.person()?.place.workspace.id, wanted.into());
    let create = visit.ask(Method::POST, "/api/2.0/token/create", Some(&wanted));
    match form.once(workspace, SENT_BEFORE, create).await {
        Ok(made) => {
            let value = made.get("token_value").and_then(Value::as_str).unwrap_or_default();
            page(visit, Outcome::Made(value)).await
        }
        Err(refusal) => page(visit, Outcome::Refused(&refusal, typed)).await,
    }
}

/// `POST …/revoke`: asks, and with `confirm` does.
pub(super) async fn revoke(form: Submission) -> Shown {
    let visit = &form.visit;
    visit.person()?;
    let (id, comment) = (form.text("token_id"), form.text("comment"));
    if form.has("confirm") {
        let done = visit.ask(Method::POST, "/api/2.0/token/delete", Some(&json!({ "token_id": id }))).await;
        return match done {
            Ok(_) => Ok(visit.go(PATH)),
            Err(refusal) => page(visit, Outcome::Refused(&refusal, Typed::default())).await,
        };
    }
    let effect = html! {
        p {
            "The token "
            @if comment.is_empty() { code { (id) } } @else { b { bdi { (comment) } } }
            " stops working at once, and for good."
        }
    };
    let fields = [("token_id", id), ("comment", comment)];
    let question = Question { action: REVOKE, fields: &fields, effect, button: "Revoke", back: PATH };
    Ok(visit.page("Revoke this token?", question.form(visit)))
}

async fn page(visit: &Visit, outcome: Outcome<'_>) -> Shown {
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
    let fates: Fates =
        visit.get(&format!("/_mock/v1/workspaces/{workspace}/tokens?state=live&owner_id={}", person.id)).await?;
    let fates: HashMap<&str, &Fate> = fates.tokens.iter().map(|fate| (fate.token_id.as_str(), fate)).collect();
    let none = Typed::default();
    let (refusal, typed) = match &outcome {
        Outcome::None | Outcome::Made(_) => (unlisted.as_ref(), &none),
        Outcome::Refused(refusal, typed) => (Some(*refusal), typed),
    };
    let status = refusal.map_or(StatusCode::OK, |refusal| refusal.status);
    let content = html! {
        @if let Some(refusal) = refusal { p.notice role="alert" { (refusal.message) } }
        @if let Outcome::Made(value) = outcome { (made(value)) }
        @if unlisted.is_none() {
            (list(visit, &tokens, &fates, person.now))
            (generator(visit, typed))
        }
    };
    Ok(visit.page_with(status, TITLE, content))
}

fn made(value: &str) -> Markup {
    html! {
        section.made role="status" data-once {
            h2 { "Your new token" }
            p { "Copy it now: it is not shown again." }
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

fn list(visit: &Visit, tokens: &[OwnToken], fates: &HashMap<&str, &Fate>, now: Millis) -> Markup {
    html! {
        @if tokens.is_empty() { p { "You have no token that works." } }
        @else {
            div.scroll tabindex="0" role="region" aria-label="Your tokens" {
                table.stack {
                    thead { tr {
                        th { "Comment" } th { "Created" } th { "Expires" } th { "Last used" }
                        th { "Revoked if unused" } th { "Scopes" } th { span.hidden { "Change" } }
                    } }
                    tbody { @for token in tokens { (row(visit, token, fates.get(token.token_id.as_str()).copied(), now)) } }
                }
            }
        }
    }
}

fn row(visit: &Visit, token: &OwnToken, fate: Option<&Fate>, now: Millis) -> Markup {
    let instant = |text: &Option<String>| text.as_deref().and_then(Millis::parse);
    let last_used = fate.and_then(|fate| instant(&fate.last_used));
    let idle_at = fate.and_then(|fate| instant(&fate.idle_at));
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

fn generator(visit: &Visit, typed: &Typed<'_>) -> Markup {
    html! {
        section aria-labelledby="generate" {
            h2 #generate { "Generate new token" }
            form.stacked method="post" {
                (visit.form_token())
                div {
                    label for="comment" { "Comment" }
                    input #comment name="comment" value=(typed.comment) dir="auto" autocomplete="off" aria-describedby="comment-help";
                    p.soft #comment-help { "What it is for, in 255 characters at most." }
                }
                div {
                    label for="days" { "Lifetime (days)" }
                    input #days name="days" value=(typed.days) inputmode="numeric" aria-describedby="days-help";
                    p.soft #days-help { "Empty for the longest that the workspace allows." }
                }
                div {
                    label for="scopes" { "Scopes" }
                    input #scopes name="scopes" value=(typed.scopes) autocomplete="off" aria-describedby="scopes-help";
                    p.soft #scopes-help { "Separated by spaces, such as " code { "sql clusters" } "; empty for all APIs." }
                }
                button { "Generate" }
            }
        }
    }
}
