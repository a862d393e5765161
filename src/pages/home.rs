//! `/`: the page for a browser that knows only the server's address.

use axum::extract::{FromRequestParts, Request, State};
use axum::http::Method;
use axum::response::{IntoResponse, Response};
use maud::html;

use super::visit::Visit;
use super::{Pages, access_tokens, advanced, token_report, wants_page};

/// Other clients than browsers get the APIs' answer.
pub(super) async fn show(State(pages): State<Pages>, request: Request) -> Response {
    if !matches!(*request.method(), Method::GET) || !wants_page(request.headers()) {
        return pages.pass_on(request).await;
    }
    let (mut parts, _) = request.into_parts();
    let visit = match Visit::from_request_parts(&mut parts, &pages).await {
        Ok(visit) => visit,
        Err(response) => return response.into_response(),
    };
    let content = html! {
        p { "The personal-access-token service of Databricks, on your own machine. Clients use this same address." }
        dl.cards {
            div { dt { a href=(advanced::PATH) { "Workspace settings" } } dd { "Turn personal access tokens on and off, limit their lifetime, choose who can use them." } }
            div { dt { a href=(access_tokens::PATH) { "Access tokens" } } dd { "Generate your own tokens, see when they expire, revoke them." } }
            div { dt { a href=(token_report::PATH) { "Token report" } } dd { "See all tokens of the account's workspaces, as an account admin." } }
            div { dt { a href="/_mock/" { "Console" } } dd { "Move the clock, see requests and why they were refused, arm faults, reset workspaces." } }
        }
    };
    visit.page("Welcome", content)
}
