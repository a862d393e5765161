//! All tokens with their history: why did my token disappear?

use axum::extract::Path;
use maud::{Markup, html};
use serde::Deserialize;

use super::call::query;
use super::{Console, Tab, choices, field};
use crate::domain::Millis;
use crate::pages::frame::{counted, left, time_of};
use crate::pages::visit::{PageResult, Visit};

const PAGE_SIZE: &str = "100";

/// The states to filter by: the control API's name, and the label.
const STATES: [(&str, &str); 10] = [
    ("", "All"),
    ("live", "Live"),
    ("ended", "Expired, revoked or deleted"),
    ("expired", "Expired"),
    ("inactive", "Revoked: unused for 90 days"),
    ("revoked_by_owner", "Revoked by the owner"),
    ("revoked_by_admin", "Revoked by an admin"),
    ("revoked_by_account_admin", "Revoked by an account admin"),
    ("owner_deleted", "Owner deleted"),
    ("lost_permission", "Owner lost the permission"),
];

#[derive(Debug, Default, Deserialize)]
pub(super) struct TokenList {
    pub(super) tokens: Vec<TokenHistory>,
    total: usize,
    next_page_token: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct TokenHistory {
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

impl TokenHistory {
    /// The token's comment as a link, and its owner.
    pub(super) fn named(&self, console: &Console<'_>) -> Markup {
        let link = format!("{}?{}", console.path_of(Tab::Tokens), query(&[("token_id", &self.token_id)]));
        let short = self.token_id.get(..12).unwrap_or(&self.token_id);
        html! {
            a href=(link) dir="auto" { @if self.comment.is_empty() { code { (short) "…" } } @else { (self.comment) } }
            " " span.soft { "of " bdi { (self.owner()) } }
        }
    }

    fn owner(&self) -> &str {
        self.owner.as_deref().unwrap_or("a deleted owner")
    }

    /// The state as a sentence.
    pub(super) fn story(&self, now: Millis) -> Markup {
        let by = self.ended_by.as_deref().unwrap_or_default();
        let in_time = |at: &Option<String>| at.as_deref().and_then(Millis::parse).map(|at| left(now, at));
        html! {
            @match self.state.as_str() {
                "live" => {
                    b { "Live." }
                    @if let Some(left) = in_time(&self.expiry_time) { " Expires in " (left) "." } @else { " Never expires." }
                    @if let Some(left) = in_time(&self.idle_at) { " If unused, it is revoked in " (left) "." }
                }
                "expired" => { b { "Expired." } }
                "inactive" => { b { "Revoked:" } " unused for 90 days." }
                "revoked_by_owner" => { b { "Revoked" } " by its owner, " bdi { (by) } "." }
                "revoked_by_admin" => { b { "Revoked" } " by a workspace admin, " bdi { (by) } "." }
                "revoked_by_account_admin" => { b { "Revoked" } " by an account admin, " bdi { (by) } "." }
                "owner_deleted" => { b { "Deleted" } " with its owner, by " bdi { (by) } "." }
                "lost_permission" => { b { "Deleted" } " when " bdi { (by) } " took the permission to use tokens from its owner." }
                other => { (other) }
            }
            @if let Some(at) = &self.ended_at { " " span.soft { (time_of(at)) } }
        }
    }
}

/// `GET …/tokens?state=&owner=&token_id=&page_token=`
pub(super) async fn show(visit: Visit, Path(workspace): Path<String>) -> PageResult {
    let console = Console::open(&visit, Tab::Tokens, &workspace).await?;
    let [state, owner, token_id, page_token] =
        ["state", "owner", "token_id", "page_token"].map(|name| console.parameter(name));
    let filter = [("state", state.as_str()), ("owner", &owner), ("token_id", &token_id)];
    // The newest first: by creation for live tokens, else by when they expired or were revoked.
    let sort = if matches!(state.as_str(), "" | "live") { "creation_time" } else { "ended_at" };
    let order = [("sort", sort), ("order", "desc"), ("limit", PAGE_SIZE), ("page_token", &page_token)];
    let call = console.get("/tokens").with_query(&[&filter[..], &order].concat());
    let (TokenList { tokens, total, next_page_token }, refusal) = console.ask(&call).await?;
    let content = html! {
        p { "All tokens of the workspace and their history, also expired and revoked ones that the Databricks API no longer shows." }
        form.fields method="get" {
            (choices("state", "state", "State", &STATES, &state))
            (field("owner", "owner", "Owner", &owner, ""))
            (field("token_id", "token_id", "Token id", &token_id, ""))
            button { "Show" }
        }
        p.soft { "To get the id of a token that you have: " code { "printf %s \"$DATABRICKS_TOKEN\" | sha256sum" } }
        @if tokens.is_empty() { @if refusal.is_none() { p { "No tokens match." } } }
        @else { p { (counted(total, "token")) "." } (table(&console, &tokens)) }
        (console.paging(&filter, "page_token", next_page_token.as_deref()))
        (console.as_curl("curl-tokens", &[call]))
    };
    Ok(console.page(refusal.as_ref(), &content))
}

fn table(console: &Console<'_>, tokens: &[TokenHistory]) -> Markup {
    let now = console.clock.now.millis();
    html! {
        div.scroll tabindex="0" role="region" aria-label="Tokens" {
            table.stack {
                thead { tr { th { "Token" } th { "History" } th { "Created" } th { "Last used" } } }
                tbody { @for history in tokens { (row(console, history, now)) } }
            }
        }
    }
}

fn row(console: &Console<'_>, history: &TokenHistory, now: Millis) -> Markup {
    html! {
        tr {
            td data-label="Token" {
                (history.named(console))
                details {
                    summary.soft { "Id, requests, audit log" }
                    p { code { (history.token_id) } }
                    ul {
                        li { a href={ (console.path_of(Tab::Requests)) "?" (query(&[("token_id", &history.token_id)])) } { "Requests with it" } }
                        @if let Some(owner) = &history.owner {
                            li { a href={ (console.path_of(Tab::Audit)) "?" (query(&[("actor", owner)])) } { "What its owner did" } }
                        }
                    }
                }
            }
            td data-label="History" { (history.story(now)) }
            td data-label="Created" {
                (time_of(&history.creation_time))
                @if history.owner.as_deref() != Some(&history.created_by) { br; span.soft { "by " (history.created_by) } }
            }
            td data-label="Last used" {
                @match &history.last_used { Some(at) => { (time_of(at)) } None => { span.soft { "never" } } }
                @if let Some(client) = &history.last_client { br; span.soft { (client) } }
            }
        }
    }
}
