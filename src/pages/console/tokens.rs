//! Tokens with their ends: why did my token disappear?

use axum::extract::Path;
use maud::{Markup, html};
use serde::Deserialize;

use super::curl::query;
use super::{Console, Tab, choices, field};
use crate::domain::Millis;
use crate::http::redaction;
use crate::pages::frame::{counted, left, time_of};
use crate::pages::visit::{Shown, Visit};

/// Tokens on a page.
const SHOWN: &str = "100";

/// What can be asked for: as the control API names it, and as people do.
const STATES: [(&str, &str); 10] = [
    ("", "All"),
    ("live", "Live"),
    ("ended", "Ended, for whatever reason"),
    ("expired", "Expired"),
    ("inactive", "Revoked: unused for 90 days"),
    ("revoked_by_owner", "Revoked by the owner"),
    ("revoked_by_admin", "Revoked by an admin"),
    ("revoked_by_account_admin", "Revoked by an account admin"),
    ("owner_deleted", "Owner deleted"),
    ("lost_permission", "Owner lost the permission"),
];

#[derive(Debug, Default, Deserialize)]
pub(super) struct Fates {
    pub(super) tokens: Vec<Fate>,
    total: usize,
    next_page_token: Option<String>,
}

/// A token and what became of it, as the control API tells it.
#[derive(Debug, Deserialize)]
pub(super) struct Fate {
    token_id: String,
    owner: Option<String>,
    created_by: String,
    comment: String,
    creation_time: String,
    expiry_time: Option<String>,
    last_used: Option<String>,
    last_client: Option<String>,
    idle_at: Option<String>,
    state: String,
    ended_at: Option<String>,
    ended_by: Option<String>,
}

impl Fate {
    /// The token by its comment, with its owner, and the way to it.
    pub(super) fn named(&self, console: &Console<'_>) -> Markup {
        let link = format!("{}?{}", console.path_of(Tab::Tokens), query(&[("token_id", &self.token_id)]));
        let short = self.token_id.get(..12).unwrap_or(&self.token_id);
        html! {
            a href=(link) dir="auto" { @if self.comment.is_empty() { code { (short) "…" } } @else { (self.comment) } }
            " " span.soft { "of " bdi { (self.owner()) } }
        }
    }

    fn owner(&self) -> &str {
        self.owner.as_deref().unwrap_or("somebody who is gone")
    }

    /// What became of it, as a sentence.
    pub(super) fn story(&self, now: Millis) -> Markup {
        let by = self.ended_by.as_deref().unwrap_or_default();
        let in_time = |at: &Option<String>| at.as_deref().and_then(Millis::parse).map(|at| left(now, at));
        html! {
            @match self.state.as_str() {
                "live" => {
                    b { "Live." }
                    @if let Some(left) = in_time(&self.expiry_time) { " Expires in " (left) "." } @else { " Never expires." }
                    @if let Some(left) = in_time(&self.idle_at) { " Unused, it is revoked in " (left) "." }
                }
                "expired" => { b { "Expired." } " Its lifetime was over." }
                "inactive" => { b { "Revoked." } " Nobody used it for 90 days." }
                "revoked_by_owner" => { b { "Revoked" } " by its owner, " bdi { (by) } "." }
                "revoked_by_admin" => { b { "Revoked" } " by a workspace admin, " bdi { (by) } "." }
                "revoked_by_account_admin" => { b { "Revoked" } " by an account admin, " bdi { (by) } "." }
                "owner_deleted" => { b { "Deleted" } " with its owner, by " bdi { (by) } "." }
                "lost_permission" => { b { "Deleted:" } " its owner lost the permission to use tokens, by " bdi { (by) } "." }
                other => { (other) }
            }
            @if let Some(at) = &self.ended_at { " " span.soft { (time_of(at)) } }
        }
    }
}

/// `GET …/tokens?state=&owner=&token_id=&page_token=`
pub(super) async fn show(visit: Visit, Path(workspace): Path<String>) -> Shown {
    let console = Console::open(&visit, Tab::Tokens, &workspace).await?;
    let [state, owner, token_id, page_token] =
        ["state", "owner", "token_id", "page_token"].map(|name| redaction::line(&console.asked(name)));
    let filter = [("state", state.as_str()), ("owner", &owner), ("token_id", &token_id)];
    // What ended last comes first where ends are asked for, else what was made last.
    let sort = if matches!(state.as_str(), "" | "live") { "creation_time" } else { "ended_at" };
    let order = [("sort", sort), ("order", "desc"), ("limit", SHOWN), ("page_token", &page_token)];
    let call = console.get("/tokens").with_query(&[&filter[..], &order].concat());
    let (Fates { tokens, total, next_page_token }, refusal) = console.ask(&call).await?;
    let content = html! {
        p { "Every token that there is or was, also those that the Databricks API no longer shows, and what ended them." }
        form.fields method="get" {
            (choices("state", "state", "State", &STATES, &state))
            (field("owner", "owner", "Owner", &owner, ""))
            (field("token_id", "token_id", "Token id", &token_id, ""))
            button { "Show" }
        }
        p.soft { "The id of a token that you hold: " code { "printf %s \"$DATABRICKS_TOKEN\" | sha256sum" } }
        @if tokens.is_empty() { @if refusal.is_none() { p { "There is no such token, and there was none." } } }
        @else { p { (counted(total, "token")) "." } (table(&console, &tokens)) }
        (console.paging(&filter, "page_token", next_page_token.as_deref()))
        (console.as_curl("curl-tokens", &[call]))
    };
    Ok(console.page(refusal.as_ref(), &content))
}

fn table(console: &Console<'_>, tokens: &[Fate]) -> Markup {
    let now = console.clock.now.millis();
    html! {
        div.scroll tabindex="0" role="region" aria-label="Tokens" {
            table.stack {
                thead { tr { th { "Token" } th { "What became of it" } th { "Created" } th { "Last used" } } }
                tbody { @for fate in tokens { (row(console, fate, now)) } }
            }
        }
    }
}

fn row(console: &Console<'_>, fate: &Fate, now: Millis) -> Markup {
    html! {
        tr {
            td data-label="Token" {
                (fate.named(console))
                details {
                    summary.soft { "Id, requests, audit log" }
                    p { code { (fate.token_id) } }
                    ul {
                        li { a href={ (console.path_of(Tab::Requests)) "?" (query(&[("token_id", &fate.token_id)])) } { "Requests with it" } }
                        @if let Some(owner) = &fate.owner {
                            li { a href={ (console.path_of(Tab::Audit)) "?" (query(&[("actor", owner)])) } { "What its owner did" } }
                        }
                    }
                }
            }
            td data-label="What became of it" { (fate.story(now)) }
            td data-label="Created" {
                (time_of(&fate.creation_time))
                @if fate.owner.as_deref() != Some(&fate.created_by) { br; span.soft { "by " (fate.created_by) } }
            }
            td data-label="Last used" {
                @match &fate.last_used { Some(at) => { (time_of(at)) } None => { span.soft { "never" } } }
                @if let Some(client) = &fate.last_client { br; span.soft { (client) } }
            }
        }
    }
}
