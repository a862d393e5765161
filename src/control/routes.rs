//! The own API's route table: one row a route. It feeds the router, the answer to a path that is none,
//! and the test that `docs/own-api.md` names them all.

use axum::http::Method;
use axum::routing::{MethodRouter, get, patch, post};

use super::{Control, audit, clock, explain, report, settings, tokens, what_if};

/// Who may call a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// Whoever runs the server, as its settings say.
    Operator,
    /// An account admin of the path's account, with an OAuth access token.
    AccountAdmin,
}

/// A route of the own API.
#[derive(Debug)]
pub struct Route {
    /// Its method.
    pub method: Method,
    /// Its path below `/_mock`, in axum's syntax.
    pub path: &'static str,
    /// What it is for.
    pub purpose: &'static str,
    /// Who may call it.
    pub who: Who,
    pub(super) handler: fn() -> MethodRouter<Control>,
}

const fn row(
    method: Method,
    path: &'static str,
    purpose: &'static str,
    handler: fn() -> MethodRouter<Control>,
) -> Route {
    Route { method, path, purpose, who: Who::Operator, handler }
}

const fn console(
    method: Method,
    path: &'static str,
    purpose: &'static str,
    handler: fn() -> MethodRouter<Control>,
) -> Route {
    Route { method, path, purpose, who: Who::AccountAdmin, handler }
}

/// Every route of the own API.
#[rustfmt::skip] // One row a route.
pub static ROUTES: &[Route] = &[
    row(Method::GET, "/v1/workspaces/{workspace}/clock", "what the clock shows", || get(clock::show)),
    row(Method::POST, "/v1/workspaces/{workspace}/clock", "freeze the clock, set it forward, let it run", || post(clock::set)),
    row(Method::POST, "/v1/workspaces/{workspace}/clock/advance", "advance by a span, to an instant, or until an event", || post(clock::advance)),
    row(Method::GET, "/v1/workspaces/{workspace}/clock/upcoming", "what comes next", || get(clock::upcoming)),
    row(Method::POST, "/v1/accounts/{account}/clock/advance", "advance all workspaces of an account", || post(clock::advance_account)),
    row(Method::GET, "/v1/workspaces/{workspace}/tokens", "every token, also those that ended, and why", || get(tokens::list)),
    row(Method::GET, "/v1/workspaces/{workspace}/audit", "the audit log as JSON lines", || get(audit::export)),
    row(Method::POST, "/v1/workspaces/{workspace}/audit/expect", "assert that something is in the audit log", || post(audit::expect)),
    row(Method::GET, "/v1/explain/{request_id}", "why a request was refused or allowed", || get(explain::explain)),
    row(Method::POST, "/v1/workspaces/{workspace}/explain", "whether an imagined request would be allowed", || post(explain::dry_run)),
    row(Method::POST, "/v1/workspaces/{workspace}/what-if", "what would fail if settings or the time were different", || post(what_if::what_if)),
    row(Method::PATCH, "/v1/workspaces/{workspace}/conf", "change the workspace configuration without a credential", || patch(settings::change_conf)),
    row(Method::GET, "/v1/workspaces/{workspace}/behaviour", "the mock's own switches", || get(settings::show_behaviour)),
    row(Method::PATCH, "/v1/workspaces/{workspace}/behaviour", "change the mock's own switches", || patch(settings::change_behaviour)),
    console(Method::GET, "/v1/accounts/{account}/token-report", "the account's token report, page by page", || get(report::page)),
    console(Method::GET, "/v1/accounts/{account}/token-report.csv", "the account's token report as CSV", || get(report::export)),
    console(Method::POST, "/v1/accounts/{account}/token-report/revoke", "revoke tokens of the account's workspaces", || post(report::revoke)),
    row(Method::GET, "/v1/accounts/{account}/token-report/statistics", "how often the token report was asked for", || get(report::statistics)),
];
