//! The control API's route table: one row a route. It feeds the router, the answer to a path that is none,
//! and the test that `docs/control-api.md` names them all.

use axum::http::Method;
use axum::routing::{MethodRouter, delete, get, patch, post, put};

use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value};

use super::{
    Control, audit, clock, compat, explain, faults, openapi, ports, report, requests, settings, tls, tokens, tripwire,
    what_if, workspaces,
};

use crate::web::openapi::Describe;

/// Who may call a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// Whoever runs the server, as its settings say.
    Operator,
    /// An account admin of the path's account, with an OAuth access token.
    AccountAdmin,
}

/// A route of the control API.
#[derive(Debug)]
pub struct Route {
    /// Its method.
    pub method: Method,
    /// Its path below `/_mock`, in axum's syntax.
    pub path: &'static str,
    /// Its name in the OpenAPI document and for `dapi-mock call`.
    pub operation: &'static str,
    /// What it is for.
    pub purpose: &'static str,
    pub(super) query: Option<Describe>,
    pub(super) body: Option<Describe>,
    /// Who may call it.
    pub who: Who,
    pub(super) handler: fn() -> MethodRouter<Control>,
}

const fn row(
    method: Method,
    path: &'static str,
    operation: &'static str,
    purpose: &'static str,
    handler: fn() -> MethodRouter<Control>,
) -> Route {
    Route { method, path, operation, purpose, who: Who::Operator, query: None, body: None, handler }
}

impl Route {
    /// It is the account console's, not the operator's.
    const fn of_console(mut self) -> Self {
        self.who = Who::AccountAdmin;
        self
    }

    const fn query<T: JsonSchema>(mut self) -> Self {
        self.query = Some(SchemaGenerator::root_schema_for::<T>);
        self
    }

    const fn body<T: JsonSchema>(mut self) -> Self {
        self.body = Some(SchemaGenerator::subschema_for::<T>);
        self
    }
}

/// Every route of the control API.
#[rustfmt::skip] // One row a route.
pub static ROUTES: &[Route] = &[
    row(Method::GET, "/v1/openapi.json", "openapi.get", "this API as an OpenAPI document", || get(openapi::show)),
    row(Method::GET, "/v1/tls/ca.pem", "tls.ca", "the certificate of the own CA", || get(tls::ca)),
    row(Method::GET, "/v1/compat", "compat.get", "what is emulated, how faithfully, and which clients have proved it", || get(compat::ledger)),
    row(Method::GET, "/v1/compat/openapi.json", "compat.openapi", "the emulated API as an OpenAPI document", || get(compat::document)),
    row(Method::POST, "/v1/workspaces", "workspaces.create", "create a workspace", || post(workspaces::create)).body::<workspaces::Wanted>(),
    row(Method::GET, "/v1/workspaces", "workspaces.list", "all workspaces", || get(workspaces::list)).query::<workspaces::Listed>(),
    row(Method::GET, "/v1/workspaces/{workspace}", "workspaces.get", "a workspace", || get(workspaces::show)),
    row(Method::DELETE, "/v1/workspaces/{workspace}", "workspaces.delete", "remove a workspace with all that it holds", || delete(workspaces::remove)),
    row(Method::POST, "/v1/workspaces/{workspace}/fork", "workspaces.fork", "copy a workspace", || post(workspaces::fork)).body::<workspaces::Wanted>(),
    row(Method::POST, "/v1/workspaces/{workspace}/reset", "workspaces.reset", "put a workspace back to seed, empty or a checkpoint", || post(workspaces::reset)).body::<workspaces::Reset>(),
    row(Method::GET, "/v1/workspaces/{workspace}/checkpoints", "checkpoints.list", "the checkpoints of a workspace", || get(workspaces::checkpoints)),
    row(Method::PUT, "/v1/workspaces/{workspace}/checkpoints/{name}", "checkpoints.put", "keep a workspace as it is under a name", || put(workspaces::put_checkpoint)),
    row(Method::DELETE, "/v1/workspaces/{workspace}/checkpoints/{name}", "checkpoints.delete", "forget a checkpoint", || delete(workspaces::delete_checkpoint)),
    row(Method::POST, "/v1/seed", "seed.apply", "add what a seed names and is not there", || post(workspaces::apply_seed)).body::<crate::domain::seeds::Seed>(),
    row(Method::GET, "/v1/seed", "seed.export", "the world as it is, as a seed", || get(workspaces::export_seed)),
    row(Method::GET, "/v1/seed/schema", "seed.schema", "the JSON Schema of seeds", || get(workspaces::seed_schema)),
    row(Method::GET, "/v1/workspaces/{workspace}/clock", "clock.get", "what the clock shows", || get(clock::show)),
    row(Method::POST, "/v1/workspaces/{workspace}/clock", "clock.set", "freeze the clock, set it forward, let it run", || post(clock::set)).body::<clock::SetClock>(),
    row(Method::POST, "/v1/workspaces/{workspace}/clock/advance", "clock.advance", "advance by a span, to an instant, or until an event", || post(clock::advance)).body::<clock::Advance>(),
    row(Method::GET, "/v1/workspaces/{workspace}/clock/upcoming", "clock.upcoming", "what comes next", || get(clock::upcoming)).query::<clock::Limit>(),
    row(Method::POST, "/v1/accounts/{account}/clock/advance", "accountClock.advance", "advance all workspaces of an account", || post(clock::advance_account)).body::<clock::Advance>(),
    row(Method::GET, "/v1/ports", "ports.list", "the ports of workspaces and accounts", || get(ports::list)),
    row(Method::POST, "/v1/accounts/{account}/port", "accountPort.open", "open a port that is the account's host", || post(ports::open)).body::<ports::Wanted>(),
    row(Method::GET, "/v1/accounts/{account}/port", "accountPort.get", "the port of an account", || get(ports::show)),
    row(Method::DELETE, "/v1/accounts/{account}/port", "accountPort.close", "close the port of an account", || delete(ports::close)),
    row(Method::GET, "/v1/workspaces/{workspace}/tokens", "tokens.list", "every token, also those that ended, and why", || get(tokens::list)).query::<tokens::Wanted>(),
    row(Method::GET, "/v1/workspaces/{workspace}/audit", "audit.export", "the audit log as JSON lines", || get(audit::export)).query::<audit::Export>(),
    row(Method::POST, "/v1/workspaces/{workspace}/audit/expect", "audit.expect", "assert that something is in the audit log", || post(audit::expect)).body::<audit::Expectation>(),
    row(Method::POST, "/v1/workspaces/{workspace}/faults", "faults.arm", "arm a fault", || post(faults::arm)).body::<crate::domain::faults::FaultRequest>(),
    row(Method::GET, "/v1/workspaces/{workspace}/faults", "faults.list", "the faults of a workspace, and how often they fired", || get(faults::list)),
    row(Method::DELETE, "/v1/workspaces/{workspace}/faults", "faults.clear", "clear all faults of a workspace", || delete(faults::clear)),
    row(Method::GET, "/v1/workspaces/{workspace}/faults/{id}", "faults.get", "a fault", || get(faults::show)),
    row(Method::DELETE, "/v1/workspaces/{workspace}/faults/{id}", "faults.delete", "clear a fault", || delete(faults::clear_one)),
    row(Method::GET, "/v1/faults/catalogue", "faults.catalogue", "the faults that have a name", || get(faults::catalogue)),
    row(Method::GET, "/v1/workspaces/{workspace}/requests", "requests.list", "the last requests, as JSON, curl or HAR", || get(requests::list)).query::<requests::ListParameters>(),
    row(Method::DELETE, "/v1/workspaces/{workspace}/requests", "requests.clear", "empty the journal of a workspace", || delete(requests::clear)),
    row(Method::POST, "/v1/workspaces/{workspace}/requests/consume", "requests.consume", "take requests out of the journal and return them", || post(requests::consume)).query::<requests::ListParameters>().body::<requests::ListParameters>(),
    row(Method::POST, "/v1/workspaces/{workspace}/requests/verify", "requests.verify", "assert that requests came, how many, in which order", || post(requests::verify)).body::<requests::Expectation>(),
    row(Method::GET, "/v1/workspaces/{workspace}/requests/{request_id}", "requests.get", "a request with its answer", || get(requests::show)).query::<requests::One>(),
    row(Method::GET, "/v1/workspaces/{workspace}/census", "census.get", "who uses which credential with which client", || get(requests::census)).query::<requests::Census>(),
    row(Method::GET, "/v1/tripwire", "tripwire.get", "who sent what looks like a real credential", || get(tripwire::show)),
    row(Method::POST, "/v1/workspaces/{workspace}/decoys", "decoys.create", "make a token value that belongs to nobody", || post(tripwire::make_decoy)).body::<tripwire::Wanted>(),
    row(Method::GET, "/v1/workspaces/{workspace}/decoys", "decoys.list", "the decoys of a workspace, and who used them", || get(tripwire::decoys)),
    row(Method::POST, "/v1/workspaces/{workspace}/decoys/verify", "decoys.verify", "assert that no decoy was used", || post(tripwire::verify_decoys)),
    row(Method::GET, "/v1/explain/{request_id}", "explain.get", "why a request was refused or allowed", || get(explain::explain)),
    row(Method::POST, "/v1/workspaces/{workspace}/explain", "explain.imagine", "whether an imagined request would be allowed", || post(explain::dry_run)).body::<explain::Imagined>(),
    row(Method::POST, "/v1/workspaces/{workspace}/what-if", "whatIf.ask", "what would fail if settings or the time were different", || post(what_if::what_if)).body::<what_if::WhatIf>(),
    row(Method::PATCH, "/v1/workspaces/{workspace}/conf", "conf.change", "change the workspace configuration without a credential", || patch(settings::change_conf)).body::<Map<String, Value>>(),
    row(Method::GET, "/v1/workspaces/{workspace}/behaviour", "behaviour.get", "the mock's own switches", || get(settings::show_behaviour)),
    row(Method::PATCH, "/v1/workspaces/{workspace}/behaviour", "behaviour.change", "change the mock's own switches", || patch(settings::change_behaviour)).body::<crate::domain::settings::BehaviourChange>(),
    row(Method::GET, "/v1/accounts/{account}/token-report", "tokenReport.page", "the account's token report, page by page", || get(report::page)).of_console().query::<report::Wanted>(),
    row(Method::GET, "/v1/accounts/{account}/token-report.csv", "tokenReport.export", "the account's token report as CSV", || get(report::export)).of_console().query::<report::Wanted>(),
    row(Method::POST, "/v1/accounts/{account}/token-report/revoke", "tokenReport.revoke", "revoke tokens of the account's workspaces", || post(report::revoke)).of_console().body::<report::Selection>(),
    row(Method::GET, "/v1/accounts/{account}/token-report/statistics", "tokenReport.statistics", "how often the token report was asked for", || get(report::statistics)),
];
