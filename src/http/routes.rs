//! The route table: one row a route. It feeds the router, and everything that speaks about routes.

use axum::http::Method;
use axum::routing::{MethodRouter, get, patch, post};

use super::{App, discovery, health, scim, token};
use crate::domain::authorize::{Demand, Right};
use crate::domain::identity::PrincipalKind;
use crate::domain::scope::{self, EndpointScope};

/// How sure we are that a route behaves as the real one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Documented or observed in every point that a client can see.
    Exact,
    /// A part of the real route.
    Partial,
    /// The mock's own; the real service has no such route.
    Own,
}

/// A route.
#[derive(Debug)]
pub struct Route {
    /// Its method.
    pub method: Method,
    /// Its path, in axum's syntax.
    pub path: &'static str,
    /// The operation's name in the Databricks reference, or ours.
    pub operation: &'static str,
    /// What it demands of the caller and of a scoped token.
    pub demand: Demand,
    /// How faithful it is.
    pub level: Level,
    /// Makes its handler.
    pub handler: fn() -> MethodRouter<App>,
}

const OPEN: Demand = Demand { right: Right::Open, scope: EndpointScope::Any, token_api: false };
const OWN_TOKENS: Demand = Demand { right: Right::TokenUser, scope: scope::AUTHENTICATION, token_api: true };
const ANY_CALLER: Demand = Demand { right: Right::Authenticated, scope: EndpointScope::Any, token_api: false };
const SCIM_READ: Demand = Demand { right: Right::Authenticated, scope: scope::SCIM, token_api: false };
const SCIM_WRITE: Demand = Demand { right: Right::WorkspaceAdmin, scope: scope::SCIM, token_api: false };

/// A row of SCIM; partial, since the wording of many refusals is unknown.
const fn identities(
    method: Method,
    path: &'static str,
    operation: &'static str,
    demand: Demand,
    handler: fn() -> MethodRouter<App>,
) -> Route {
    Route { method, path, operation, demand, level: Level::Partial, handler }
}

const USERS: &str = "/api/2.0/preview/scim/v2/Users";
const USER: &str = "/api/2.0/preview/scim/v2/Users/{id}";
const GROUPS: &str = "/api/2.0/preview/scim/v2/Groups";
const GROUP: &str = "/api/2.0/preview/scim/v2/Groups/{id}";
const SERVICE_PRINCIPALS: &str = "/api/2.0/preview/scim/v2/ServicePrincipals";
const SERVICE_PRINCIPAL: &str = "/api/2.0/preview/scim/v2/ServicePrincipals/{id}";

/// Every route, emulated or our own.
pub static ROUTES: &[Route] = &[
    Route {
        method: Method::POST,
        path: "/api/2.0/token/create",
        operation: "tokens.create",
        demand: OWN_TOKENS,
        level: Level::Exact,
        handler: || post(token::create),
    },
    Route {
        method: Method::GET,
        path: "/api/2.0/token/list",
        operation: "tokens.list",
        demand: OWN_TOKENS,
        level: Level::Exact,
        handler: || get(token::list),
    },
    Route {
        method: Method::POST,
        path: "/api/2.0/token/delete",
        operation: "tokens.delete",
        demand: OWN_TOKENS,
        level: Level::Exact,
        handler: || post(token::delete),
    },
    Route {
        method: Method::PATCH,
        path: "/api/2.0/token/{token_id}",
        operation: "tokens.update",
        demand: OWN_TOKENS,
        level: Level::Exact,
        handler: || patch(token::update),
    },
    Route {
        method: Method::GET,
        path: "/api/2.0/preview/scim/v2/Me",
        operation: "currentUser.me",
        demand: ANY_CALLER,
        level: Level::Exact,
        handler: || get(scim::me),
    },
    identities(Method::GET, USERS, "users.list", SCIM_READ, || scim::list(PrincipalKind::User)),
    identities(Method::POST, USERS, "users.create", SCIM_WRITE, || scim::create(PrincipalKind::User)),
    identities(Method::GET, USER, "users.get", SCIM_READ, || scim::get(PrincipalKind::User)),
    identities(Method::PUT, USER, "users.update", SCIM_WRITE, || scim::replace(PrincipalKind::User)),
    identities(Method::PATCH, USER, "users.patch", SCIM_WRITE, || scim::patch(PrincipalKind::User)),
    identities(Method::DELETE, USER, "users.delete", SCIM_WRITE, || scim::delete(PrincipalKind::User)),
    identities(Method::GET, GROUPS, "groups.list", SCIM_READ, || scim::list(PrincipalKind::Group)),
    identities(Method::POST, GROUPS, "groups.create", SCIM_WRITE, || scim::create(PrincipalKind::Group)),
    identities(Method::GET, GROUP, "groups.get", SCIM_READ, || scim::get(PrincipalKind::Group)),
    identities(Method::PUT, GROUP, "groups.update", SCIM_WRITE, || scim::replace(PrincipalKind::Group)),
    identities(Method::PATCH, GROUP, "groups.patch", SCIM_WRITE, || scim::patch(PrincipalKind::Group)),
    identities(Method::DELETE, GROUP, "groups.delete", SCIM_WRITE, || scim::delete(PrincipalKind::Group)),
    identities(Method::GET, SERVICE_PRINCIPALS, "servicePrincipals.list", SCIM_READ, || {
        scim::list(PrincipalKind::ServicePrincipal)
    }),
    identities(Method::POST, SERVICE_PRINCIPALS, "servicePrincipals.create", SCIM_WRITE, || {
        scim::create(PrincipalKind::ServicePrincipal)
    }),
    identities(Method::GET, SERVICE_PRINCIPAL, "servicePrincipals.get", SCIM_READ, || {
        scim::get(PrincipalKind::ServicePrincipal)
    }),
    identities(Method::PUT, SERVICE_PRINCIPAL, "servicePrincipals.update", SCIM_WRITE, || {
        scim::replace(PrincipalKind::ServicePrincipal)
    }),
    identities(Method::PATCH, SERVICE_PRINCIPAL, "servicePrincipals.patch", SCIM_WRITE, || {
        scim::patch(PrincipalKind::ServicePrincipal)
    }),
    identities(Method::DELETE, SERVICE_PRINCIPAL, "servicePrincipals.delete", SCIM_WRITE, || {
        scim::delete(PrincipalKind::ServicePrincipal)
    }),
    Route {
        method: Method::GET,
        path: "/.well-known/databricks-config",
        operation: "hostMetadata",
        demand: OPEN,
        level: Level::Exact,
        handler: || get(discovery::host_metadata),
    },
    Route {
        method: Method::GET,
        path: "/livez",
        operation: "livez",
        demand: OPEN,
        level: Level::Own,
        handler: || get(health::live),
    },
    Route {
        method: Method::GET,
        path: "/readyz",
        operation: "readyz",
        demand: OPEN,
        level: Level::Own,
        handler: || get(health::ready),
    },
    Route {
        method: Method::GET,
        path: "/health",
        operation: "health",
        demand: OPEN,
        level: Level::Own,
        handler: || get(health::summary),
    },
];
