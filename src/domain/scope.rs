//! API scopes of tokens: their names and whether they cover an endpoint (governance §2.4).

use std::fmt;

/// The scope that an endpoint asks of a scoped token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndpointScope {
    /// Any scope will do.
    Any,
    /// This one, or `all-apis`.
    Named(&'static str),
    /// Any of these, or `all-apis`; refusals name the first.
    AnyOf(&'static [&'static str]),
}

impl EndpointScope {
    /// The scope that a refusal names, unless any will do.
    pub fn name(self) -> Option<&'static str> {
        match self {
            Self::Any => None,
            Self::Named(name) => Some(name),
            Self::AnyOf(names) => names.first().copied(),
        }
    }
}

impl fmt::Display for EndpointScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("any scope"),
            Self::Named(name) => f.write_str(name),
            Self::AnyOf(names) => f.write_str(&names.join(" or ")),
        }
    }
}

/// Tokens and token management.
pub const AUTHENTICATION: EndpointScope = EndpointScope::Named("authentication");
/// Workspace configuration and settings.
pub const SETTINGS: EndpointScope = EndpointScope::Named("settings");
/// The permissions API.
pub const ACCESS_MANAGEMENT: EndpointScope = EndpointScope::Named("access-management");
/// The account's workspaces.
pub const PROVISIONING: EndpointScope = EndpointScope::Named("provisioning");
/// Users, groups and service principals.
pub const SCIM: EndpointScope = EndpointScope::Named("scim");
/// The caller itself.
pub const CURRENT_USER: EndpointScope = EndpointScope::AnyOf(&["scim", "iam", "iam.current-user:read"]);

/// The scope that covers every endpoint.
pub const ALL_APIS: &str = "all-apis";

/// Whether a token with these scopes may call the endpoint; `None` is a token for all APIs.
pub fn covers(scopes: Option<&[String]>, endpoint: EndpointScope) -> bool {
    let Some(scopes) = scopes else { return true };
    match endpoint {
        EndpointScope::Any => true,
        EndpointScope::Named(name) => holds(scopes, &[name]),
        EndpointScope::AnyOf(names) => holds(scopes, names),
    }
}

fn holds(scopes: &[String], names: &[&str]) -> bool {
    scopes.iter().any(|scope| scope == ALL_APIS || names.contains(&scope.as_str()))
}

/// Whether a client may ask for this scope name. The real list is long, changes, and has no
/// endpoint, so the mock takes any name of that form \[inferred\].
pub fn is_well_formed(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_.:/".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_cover_their_endpoints_only() {
        let some = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
        for (scopes, endpoint, expected) in [
            (None, AUTHENTICATION, true),
            (Some(some(&["authentication"])), AUTHENTICATION, true),
            (Some(some(&["sql"])), AUTHENTICATION, false),
            (Some(some(&["sql", "all-apis"])), SETTINGS, true),
            (Some(some(&["sql"])), EndpointScope::Any, true),
            (Some(some(&["sql"])), CURRENT_USER, false),
            (Some(some(&["sql", "iam.current-user:read"])), CURRENT_USER, true),
            (Some(some(&["iam"])), CURRENT_USER, true),
            (Some(some(&["iam"])), SCIM, false),
            (None, CURRENT_USER, true),
            (Some(some(&[])), SCIM, false),
        ] {
            assert_eq!(covers(scopes.as_deref(), endpoint), expected, "{scopes:?} on {endpoint:?}");
        }
    }
}
