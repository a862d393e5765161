//! The route table: one row a route. It feeds the router, and everything that speaks about routes.

use axum::http::Method;
use axum::routing::{MethodRouter, delete, get, patch, post};

use super::{App, discovery, health, oidc, scim, secrets, token};
use crate::domain::authorize::{Demand, Right};
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
/// Secrets are part of a principal, so their scope is SCIM's \[inferred\].
const SECRETS: Demand = Demand { right: Right::AccountAdmin, scope: scope::SCIM, token_api: false };
const SECRETS_PROXY: Demand = Demand { right: Right::WorkspaceAdmin, ..SECRETS };

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
        path: "/oidc/.well-known/oauth-authorization-server",
        operation: "oauth.metadata",
        demand: OPEN,
        level: Level::Partial,
        handler: || get(oidc::metadata),
    },
    Route {
        method: Method::GET,
        path: "/oidc/.well-known/openid-configuration",
        operation: "oauth.openidConfiguration",
        demand: OPEN,
        level: Level::Partial,
        handler: || get(oidc::metadata),
    },
    Route {
        method: Method::GET,
        path: "/oidc/accounts/{account_id}/.well-known/oauth-authorization-server",
        operation: "oauth.accountMetadata",
        demand: OPEN,
        level: Level::Partial,
        handler: || get(oidc::account_metadata),
    },
    Route {
        method: Method::GET,
        path: "/oidc/accounts/{account_id}/.well-known/openid-configuration",
        operation: "oauth.accountOpenidConfiguration",
        demand: OPEN,
        level: Level::Partial,
        handler: || get(oidc::account_metadata),
    },
    Route {
        method: Method::GET,
        path: "/oidc/jwks.json",
        operation: "oauth.jwks",
        demand: OPEN,
        level: Level::Exact,
        handler: || get(oidc::jwks),
    },
    Route {
        method: Method::GET,
        path: "/oidc/accounts/{account_id}/jwks.json",
        operation: "oauth.accountJwks",
        demand: OPEN,
        level: Level::Exact,
        handler: || get(oidc::account_jwks),
    },
    Route {
        method: Method::POST,
        path: "/oidc/v1/token",
        operation: "oauth.token",
        demand: OPEN,
        level: Level::Partial,
        handler: || post(oidc::token),
    },
    Route {
        method: Method::POST,
        path: "/oidc/accounts/{account_id}/v1/token",
        operation: "oauth.accountToken",
        demand: OPEN,
        level: Level::Partial,
        handler: || post(oidc::account_token),
    },
    Route {
        method: Method::POST,
        path: "/api/2.0/accounts/servicePrincipals/{sp_id}/credentials/secrets",
        operation: "servicePrincipalSecretsProxy.create",
        demand: SECRETS_PROXY,
        level: Level::Partial,
        handler: || post(secrets::create),
    },
    Route {
        method: Method::GET,
        path: "/api/2.0/accounts/servicePrincipals/{sp_id}/credentials/secrets",
        operation: "servicePrincipalSecretsProxy.list",
        demand: SECRETS_PROXY,
        level: Level::Partial,
        handler: || get(secrets::list),
    },
    Route {
        method: Method::DELETE,
        path: "/api/2.0/accounts/servicePrincipals/{sp_id}/credentials/secrets/{secret_id}",
        operation: "servicePrincipalSecretsProxy.delete",
        demand: SECRETS_PROXY,
        level: Level::Partial,
        handler: || delete(secrets::delete),
    },
    Route {
        method: Method::POST,
        path: "/api/2.0/accounts/{account_id}/servicePrincipals/{sp_id}/credentials/secrets",
        operation: "servicePrincipalSecrets.create",
        demand: SECRETS,
        level: Level::Partial,
        handler: || post(secrets::create),
    },
    Route {
        method: Method::GET,
        path: "/api/2.0/accounts/{account_id}/servicePrincipals/{sp_id}/credentials/secrets",
        operation: "servicePrincipalSecrets.list",
        demand: SECRETS,
        level: Level::Partial,
        handler: || get(secrets::list),
    },
    Route {
        method: Method::DELETE,
        path: "/api/2.0/accounts/{account_id}/servicePrincipals/{sp_id}/credentials/secrets/{secret_id}",
        operation: "servicePrincipalSecrets.delete",
        demand: SECRETS,
        level: Level::Partial,
        handler: || delete(secrets::delete),
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
