//! The preview of a change: which tokens would stop working, whose permission would change, who would be locked out.
//! The facts come from the control API's what-if.

use std::collections::BTreeMap;

use axum::http::Method;
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::Value;

use crate::pages::frame::counted;
use crate::pages::visit::{ErrorPage, Refusal, Visit};

const TOKENS_LISTED: usize = 50;

/// The control API's answer.
#[derive(Debug, Deserialize)]
pub(super) struct Impact {
    #[serde(rename = "impact")]
    counts: Counts,
    permission_lost: Principals,
    permission_gained: Principals,
    locked_out: Vec<String>,
    tokens_that_would_fail: Vec<FailingToken>,
}

#[derive(Debug, Deserialize)]
struct Counts {
    tokens: usize,
    owners: usize,
    clients: Vec<ClientCount>,
}

#[derive(Debug, Deserialize)]
struct ClientCount {
    client: String,
    tokens: usize,
}

/// Lists only the first of them.
#[derive(Debug, Deserialize)]
struct Principals {
    count: usize,
    principals: Vec<NamedPrincipal>,
}

#[derive(Debug, Deserialize)]
struct NamedPrincipal {
    kind: String,
    name: String,
    display_name: String,
}

impl Principals {
    fn listed(&self, id: &str, heading: &str, note: &str) -> Markup {
        html! {
            @if self.count > 0 {
                section aria-labelledby=(id) {
                    h2 #(id) { (heading) " (" (self.count) ")" }
                    ul.names {
                        @for it in &self.principals {
                            li {
                                @if it.kind == "user" { bdi { (it.name) } }
                                @else { bdi { (it.display_name) } " " span.soft { "service principal " (it.name) } }
                            }
                        }
                        @let more = self.count - self.principals.len();
                        @if more > 0 { li.soft { "and " (more) " more" } }
                    }
                    p.soft { (note) }
                }
            }
        }
    }
}

#[derive(Debug, Deserialize)]
struct FailingToken {
    owner: Option<String>,
    comment: String,
}

impl Impact {
    /// `Err` inside is a change that the control API refuses.
    pub(super) async fn of(visit: &Visit, change: &Value) -> Result<Result<Self, Refusal>, ErrorPage> {
        let path = format!("/_mock/v1/workspaces/{}/what-if", visit.person()?.place.workspace.id);
        match visit.ask(Method::POST, &path, Some(change)).await {
            Ok(answer) => serde_json::from_value(answer).map(Ok).map_err(|error| visit.unreadable(&path, &error)),
            Err(refusal) => Ok(Err(refusal)),
        }
    }

    pub(super) fn summary(&self) -> Markup {
        let Counts { tokens, owners, clients } = &self.counts;
        html! {
            p {
                @if *tokens == 0 { "No token would stop working." }
                @else { b { (counted(*tokens, "token")) " of " (counted(*owners, "owner")) } " would stop working." }
            }
            @if !clients.is_empty() {
                div.scroll tabindex="0" role="region" aria-label="Recent clients" {
                    table {
                        caption { "Recent clients that would stop working" }
                        thead { tr { th { "Client" } th.number { "Tokens" } } }
                        tbody { @for it in clients { tr { td { (it.client) } td.number { (it.tokens) } } } }
                    }
                }
            }
            @if !self.locked_out.is_empty() {
                p.warning role="note" {
                    "Admins who only use tokens and would be locked out: " (self.locked_out.join(", ")) "."
                }
            }
        }
    }

    /// The name of a service principal is an application id, which people do not recognize.
    fn display_name(&self, owner: &str) -> Option<&str> {
        let found = self.permission_lost.principals.iter().find(|it| it.kind != "user" && it.name == owner);
        found.map(|it| it.display_name.as_str())
    }

    /// Whose permission would change, with or without tokens.
    pub(super) fn permission(&self) -> Markup {
        let (lost, gained) = (&self.permission_lost, &self.permission_gained);
        html! {
            @if lost.count == 0 && gained.count == 0 {
                p { "Nobody would gain or lose the permission: the principals concerned have it in another way, or not at all." }
            }
            (lost.listed("lost", "Who could no longer create or use tokens", "Admins always can."))
            (gained.listed("gained", "Who could create and use tokens again or for the first time", "Tokens that they still have would work again."))
        }
    }

    pub(super) fn by_owner(&self) -> Markup {
        let mut owners: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for token in self.tokens_that_would_fail.iter().take(TOKENS_LISTED) {
            owners.entry(token.owner.as_deref().unwrap_or("deleted owner")).or_default().push(&token.comment);
        }
        html! {
            @if !owners.is_empty() {
                div.scroll tabindex="0" role="region" aria-label="Tokens that would stop working" {
                    table.stack {
                        caption { "Tokens that would stop working" }
                        thead { tr { th { "Owner" } th { "Tokens, by comment" } } }
                        tbody {
                            @for (owner, comments) in owners {
                                tr {
                                    td data-label="Owner" {
                                        bdi { (owner) }
                                        @if let Some(name) = self.display_name(owner) { br; bdi.soft { (name) } }
                                    }
                                    td data-label="Tokens" {
                                        @for (index, comment) in comments.iter().enumerate() {
                                            @if index > 0 { ", " }
                                            bdi { (comment) }
                                        }
                                    }
                                }
                            }
                        }
                    }
                }
                @if self.tokens_that_would_fail.len() > TOKENS_LISTED {
                    p.soft { "The first " (TOKENS_LISTED) " of " (self.tokens_that_would_fail.len()) "." }
                }
            }
        }
    }
}
