//! The own API's route table: one row a route. It feeds the router, the answer to a path that is none,
//! and the test that `docs/own-api.md` names them all.

use axum::http::Method;
use axum::routing::{MethodRouter, delete, get, patch, post, put};

use super::{Control, audit, clock, explain, faults, requests, settings, tokens, tripwire, what_if, workspaces};

/// A route of the own API.
#[derive(Debug)]
pub struct Route {
    /// Its method.
    pub method: Method,
    /// Its path below `/_mock`, in axum's syntax.
    pub path: &'static str,
    /// What it is for.
    pub purpose: &'static str,
    pub(super) handler: fn() -> MethodRouter<Control>,
}

const fn row(
    method: Method,
    path: &'static str,
    purpose: &'static str,
    handler: fn() -> MethodRouter<Control>,
) -> Route {
    Route { method, path, purpose, handler }
}

/// Every route of the own API.
#[rustfmt::skip] // One row a route.
pub static ROUTES: &[Route] = &[
    row(Method::POST, "/v1/workspaces", "create a workspace", || post(workspaces::create)),
    row(Method::GET, "/v1/workspaces", "all workspaces", || get(workspaces::list)),
    row(Method::GET, "/v1/workspaces/{workspace}", "a workspace", || get(workspaces::show)),
    row(Method::DELETE, "/v1/workspaces/{workspace}", "remove a workspace with all that it holds", || delete(workspaces::remove)),
    row(Method::POST, "/v1/workspaces/{workspace}/fork", "copy a workspace", || post(workspaces::fork)),
    row(Method::POST, "/v1/workspaces/{workspace}/reset", "put a workspace back to seed, empty or a checkpoint", || post(workspaces::reset)),
    row(Method::GET, "/v1/workspaces/{workspace}/checkpoints", "the checkpoints of a workspace", || get(workspaces::checkpoints)),
    row(Method::PUT, "/v1/workspaces/{workspace}/checkpoints/{name}", "keep a workspace as it is under a name", || put(workspaces::put_checkpoint)),
    row(Method::DELETE, "/v1/workspaces/{workspace}/checkpoints/{name}", "forget a checkpoint", || delete(workspaces::delete_checkpoint)),
    row(Method::POST, "/v1/seed", "add what a seed names and is not there", || post(workspaces::apply_seed)),
    row(Method::GET, "/v1/seed", "the world as it is, as a seed", || get(workspaces::export_seed)),
    row(Method::GET, "/v1/seed/schema", "the JSON Schema of seeds", || get(workspaces::seed_schema)),
    row(Method::GET, "/v1/workspaces/{workspace}/clock", "what the clock shows", || get(clock::show)),
    row(Method::POST, "/v1/workspaces/{workspace}/clock", "freeze the clock, set it forward, let it run", || post(clock::set)),
    row(Method::POST, "/v1/workspaces/{workspace}/clock/advance", "advance by a span, to an instant, or until an event", || post(clock::advance)),
    row(Method::GET, "/v1/workspaces/{workspace}/clock/upcoming", "what comes next", || get(clock::upcoming)),
    row(Method::POST, "/v1/accounts/{account}/clock/advance", "advance all workspaces of an account", || post(clock::advance_account)),
    row(Method::GET, "/v1/workspaces/{workspace}/tokens", "every token, also those that ended, and why", || get(tokens::list)),
    row(Method::GET, "/v1/workspaces/{workspace}/audit", "the audit log as JSON lines", || get(audit::export)),
    row(Method::POST, "/v1/workspaces/{workspace}/audit/expect", "assert that something is in the audit log", || post(audit::expect)),
    row(Method::POST, "/v1/workspaces/{workspace}/faults", "arm a fault", || post(faults::arm)),
    row(Method::GET, "/v1/workspaces/{workspace}/faults", "the faults of a workspace, and how often they fired", || get(faults::list)),
    row(Method::DELETE, "/v1/workspaces/{workspace}/faults", "clear all faults of a workspace", || delete(faults::clear)),
    row(Method::GET, "/v1/workspaces/{workspace}/faults/{id}", "a fault", || get(faults::show)),
    row(Method::DELETE, "/v1/workspaces/{workspace}/faults/{id}", "clear a fault", || delete(faults::clear_one)),
    row(Method::GET, "/v1/faults/catalogue", "the faults that have a name", || get(faults::catalogue)),
    row(Method::GET, "/v1/workspaces/{workspace}/requests", "the last requests, as JSON, curl or HAR", || get(requests::list)),
    row(Method::DELETE, "/v1/workspaces/{workspace}/requests", "empty the journal of a workspace", || delete(requests::clear)),
    row(Method::POST, "/v1/workspaces/{workspace}/requests/verify", "assert that requests came, how many, in which order", || post(requests::verify)),
    row(Method::GET, "/v1/workspaces/{workspace}/requests/{request_id}", "a request with its answer", || get(requests::show)),
    row(Method::GET, "/v1/workspaces/{workspace}/census", "who uses which credential with which client", || get(requests::census)),
    row(Method::GET, "/v1/tripwire", "who sent what looks like a real credential", || get(tripwire::show)),
    row(Method::POST, "/v1/workspaces/{workspace}/decoys", "make a token value that belongs to nobody", || post(tripwire::make_decoy)),
    row(Method::GET, "/v1/workspaces/{workspace}/decoys", "the decoys of a workspace, and who used them", || get(tripwire::decoys)),
    row(Method::POST, "/v1/workspaces/{workspace}/decoys/verify", "assert that no decoy was used", || post(tripwire::verify_decoys)),
    row(Method::GET, "/v1/explain/{request_id}", "why a request was refused or allowed", || get(explain::explain)),
    row(Method::POST, "/v1/workspaces/{workspace}/explain", "whether an imagined request would be allowed", || post(explain::dry_run)),
    row(Method::POST, "/v1/workspaces/{workspace}/what-if", "what would fail if settings or the time were different", || post(what_if::what_if)),
    row(Method::PATCH, "/v1/workspaces/{workspace}/conf", "change the workspace configuration without a credential", || patch(settings::change_conf)),
    row(Method::GET, "/v1/workspaces/{workspace}/behaviour", "the mock's own switches", || get(settings::show_behaviour)),
    row(Method::PATCH, "/v1/workspaces/{workspace}/behaviour", "change the mock's own switches", || patch(settings::change_behaviour)),
];
