//! The control API's route table, one row a route. It feeds the router, the guard, the OpenAPI document, the 404's list
//! and `dapi-mock call`; a test compares it with `docs/control-api.md`.

use axum::http::Method;
use axum::routing::{delete, get, patch, post, put};
use serde_json::{Map, Value};

use super::reply::ok;
use super::route::Route;
use super::{
    audit, clock, compat, explain, faults, openapi, ports, report, requests, seeds, settings, tls, tokens, tripwire,
    what_if, workspaces,
};
use crate::domain::faults::FaultRequest;
use crate::domain::seeds::Seed;
use crate::domain::settings::BehaviourChange;

#[rustfmt::skip] // One row a route.
pub static ROUTES: &[Route] = &[
    Route::new(Method::GET, "/v1/openapi.json", "openapi.get", "Get this API as an OpenAPI document", || get(async || ok(&openapi::document(ROUTES)))),
    Route::new(Method::GET, "/v1/tls/ca.pem", "tls.ca", "Get the certificate of the server's CA", || get(tls::ca)),
    Route::new(Method::GET, "/v1/compat", "compat.get", "List what is emulated, how faithfully, and which clients have proved it", || get(compat::list)),
    Route::new(Method::GET, "/v1/compat/openapi.json", "compat.openapi", "Get the emulated API as an OpenAPI document", || get(compat::document)),
    Route::new(Method::POST, "/v1/workspaces", "workspaces.create", "Create a workspace", || post(workspaces::create)).body::<workspaces::WorkspaceRequest>(),
    Route::new(Method::GET, "/v1/workspaces", "workspaces.list", "List the workspaces", || get(workspaces::list)).query::<workspaces::WorkspaceQuery>(),
    Route::new(Method::GET, "/v1/workspaces/{workspace}", "workspaces.get", "Get a workspace", || get(workspaces::show)),
    Route::new(Method::DELETE, "/v1/workspaces/{workspace}", "workspaces.delete", "Delete a workspace and everything in it", || delete(workspaces::remove)),
    Route::new(Method::POST, "/v1/workspaces/{workspace}/fork", "workspaces.fork", "Copy a workspace", || post(workspaces::fork)).body::<workspaces::WorkspaceRequest>(),
    Route::new(Method::POST, "/v1/workspaces/{workspace}/reset", "workspaces.reset", "Restore a workspace to its seed, to empty or to a checkpoint", || post(workspaces::reset)).body::<workspaces::Reset>(),
    Route::new(Method::GET, "/v1/workspaces/{workspace}/checkpoints", "checkpoints.list", "List the checkpoints of a workspace", || get(workspaces::checkpoints)),
    Route::new(Method::PUT, "/v1/workspaces/{workspace}/checkpoints/{name}", "checkpoints.put", "Save a checkpoint of a workspace", || put(workspaces::put_checkpoint)),
    Route::new(Method::DELETE, "/v1/workspaces/{workspace}/checkpoints/{name}", "checkpoints.delete", "Delete a checkpoint", || delete(workspaces::delete_checkpoint)),
    Route::new(Method::POST, "/v1/seed", "seed.apply", "Add whatever a seed names and does not exist yet", || post(seeds::apply)).body::<Seed>(),
    Route::new(Method::GET, "/v1/seed", "seed.export", "Export the current state as a seed", || get(seeds::export)),
    Route::new(Method::GET, "/v1/seed/schema", "seed.schema", "Get the JSON Schema of seeds", || get(seeds::schema)),
    Route::new(Method::GET, "/v1/workspaces/{workspace}/clock", "clock.get", "Get the clock of a workspace", || get(clock::show)),
    Route::new(Method::POST, "/v1/workspaces/{workspace}/clock", "clock.set", "Freeze the clock, set it forward, or let it run", || post(clock::set)).body::<clock::SetClock>(),
    Route::new(Method::POST, "/v1/workspaces/{workspace}/clock/advance", "clock.advance", "Advance the clock by a duration, to an instant, or until an event", || post(clock::advance)).body::<clock::Advance>(),
    Route::new(Method::GET, "/v1/workspaces/{workspace}/clock/upcoming", "clock.upcoming", "List upcoming events", || get(clock::upcoming)).query::<clock::UpcomingQuery>(),
    Route::new(Method::POST, "/v1/accounts/{account}/clock/advance", "accountClock.advance", "Advance the clocks of all workspaces of an account", || post(clock::advance_account)).body::<clock::Advance>(),
    Route::new(Method::GET, "/v1/ports", "ports.list", "List the ports of workspaces and accounts", || get(ports::list)),
    Route::new(Method::POST, "/v1/accounts/{account}/port", "accountPort.open", "Open a port that serves the account", || post(ports::open)).body::<ports::PortRequest>(),
    Route::new(Method::GET, "/v1/accounts/{account}/port", "accountPort.get", "Get the port of an account", || get(ports::show)),
    Route::new(Method::DELETE, "/v1/accounts/{account}/port", "accountPort.close", "Close the port of an account", || delete(ports::close)),
    Route::new(Method::GET, "/v1/workspaces/{workspace}/tokens", "tokens.list", "List all tokens, also expired and revoked ones, with what happened to them", || get(tokens::list)).query::<tokens::TokenQuery>(),
    Route::new(Method::GET, "/v1/workspaces/{workspace}/audit", "audit.export", "Export the audit log as JSON lines", || get(audit::export)).query::<audit::AuditQuery>(),
    Route::new(Method::POST, "/v1/workspaces/{workspace}/audit/expect", "audit.expect", "Assert that the audit log contains an event", || post(audit::expect)).body::<audit::Expectation>(),
    Route::new(Method::POST, "/v1/workspaces/{workspace}/faults", "faults.arm", "Arm a fault", || post(faults::arm)).body::<FaultRequest>(),
    Route::new(Method::GET, "/v1/workspaces/{workspace}/faults", "faults.list", "List the armed faults of a workspace, and how often each has fired", || get(faults::list)),
    Route::new(Method::DELETE, "/v1/workspaces/{workspace}/faults", "faults.clear", "Clear all faults of a workspace", || delete(faults::clear)),
    Route::new(Method::GET, "/v1/workspaces/{workspace}/faults/{id}", "faults.get", "Get a fault", || get(faults::show)),
    Route::new(Method::DELETE, "/v1/workspaces/{workspace}/faults/{id}", "faults.delete", "Clear a fault", || delete(faults::clear_one)),
    Route::new(Method::GET, "/v1/faults/catalogue", "faults.catalogue", "List the named faults", || get(faults::catalogue)),
    Route::new(Method::GET, "/v1/workspaces/{workspace}/requests", "requests.list", "List recent requests as JSON, curl commands or HAR", || get(requests::list)).query::<requests::ListParameters>(),
    Route::new(Method::DELETE, "/v1/workspaces/{workspace}/requests", "requests.clear", "Empty the request journal of a workspace", || delete(requests::clear)),
    Route::new(Method::POST, "/v1/workspaces/{workspace}/requests/consume", "requests.consume", "Take requests out of the journal and return them", || post(requests::consume)).query::<requests::ListParameters>().body::<requests::ListParameters>(),
    Route::new(Method::POST, "/v1/workspaces/{workspace}/requests/verify", "requests.verify", "Assert how many requests were received, or in which order", || post(requests::verify)).body::<requests::Expectation>(),
    Route::new(Method::GET, "/v1/workspaces/{workspace}/requests/{request_id}", "requests.get", "Get a request with its answer", || get(requests::show)).query::<requests::EntryQuery>(),
    Route::new(Method::GET, "/v1/workspaces/{workspace}/census", "census.get", "Count who uses which credential with which client", || get(requests::census)).query::<requests::CensusQuery>(),
    Route::new(Method::GET, "/v1/tripwire", "tripwire.get", "List suspected real credentials by kind and client", || get(tripwire::show)),
    Route::new(Method::POST, "/v1/workspaces/{workspace}/decoys", "decoys.create", "Create a decoy: a token value that belongs to nobody", || post(tripwire::create_decoy)).body::<tripwire::DecoyRequest>(),
    Route::new(Method::GET, "/v1/workspaces/{workspace}/decoys", "decoys.list", "List the decoys of a workspace, and who used them", || get(tripwire::decoys)),
    Route::new(Method::POST, "/v1/workspaces/{workspace}/decoys/verify", "decoys.verify", "Assert that no decoy was used", || post(tripwire::verify_decoys)),
    Route::new(Method::GET, "/v1/explain/{request_id}", "explain.get", "Explain why a request was refused or allowed", || get(explain::explain)),
    Route::new(Method::POST, "/v1/workspaces/{workspace}/explain", "explain.imagine", "Decide about an imagined request", || post(explain::dry_run)).body::<explain::ImaginedRequest>(),
    Route::new(Method::POST, "/v1/workspaces/{workspace}/what-if", "whatIf.ask", "List what would fail under other settings or at another time", || post(what_if::what_if)).body::<what_if::WhatIf>(),
    Route::new(Method::PATCH, "/v1/workspaces/{workspace}/conf", "conf.change", "Change the workspace configuration without a credential", || patch(settings::change_conf)).body::<Map<String, Value>>(),
    Route::new(Method::GET, "/v1/workspaces/{workspace}/behaviour", "behaviour.get", "Get the mock's own settings of a workspace", || get(settings::show_behaviour)),
    Route::new(Method::PATCH, "/v1/workspaces/{workspace}/behaviour", "behaviour.change", "Change the mock's own settings of a workspace", || patch(settings::change_behaviour)).body::<BehaviourChange>(),
    Route::new(Method::GET, "/v1/accounts/{account}/token-report", "tokenReport.page", "Get a page of the account's token report", || get(report::page)).for_account_admins().query::<report::ReportQuery>(),
    Route::new(Method::GET, "/v1/accounts/{account}/token-report.csv", "tokenReport.export", "Export the account's token report as CSV", || get(report::export)).for_account_admins().query::<report::ReportQuery>(),
    Route::new(Method::POST, "/v1/accounts/{account}/token-report/revoke", "tokenReport.revoke", "Revoke tokens of the account's workspaces", || post(report::revoke)).for_account_admins().body::<report::Selection>(),
    Route::new(Method::GET, "/v1/accounts/{account}/token-report/statistics", "tokenReport.statistics", "Count the queries of the token report since the server started", || get(report::statistics)),
];
