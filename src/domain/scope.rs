//! API scopes of tokens: their names, how many a token may have, and whether they cover an endpoint.

use std::collections::HashSet;
use std::fmt;

/// The scope that an endpoint asks of a scoped token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndpointScope {
    /// Any scope will do (`Me` is reachable under many scopes).
    Any,
    /// This one, or `all-apis`.
    Named(&'static str),
}

impl fmt::Display for EndpointScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("any scope"),
            Self::Named(name) => f.write_str(name),
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

/// The scope that covers every endpoint.
pub const ALL_APIS: &str = "all-apis";

/// Whether a token with these scopes may call the endpoint; `None` is a token for all APIs.
pub fn covers(scopes: Option<&[String]>, endpoint: EndpointScope) -> bool {
    let Some(scopes) = scopes else { return true };
    match endpoint {
        EndpointScope::Any => true,
        EndpointScope::Named(name) => scopes.iter().any(|scope| scope == name || scope == ALL_APIS),
    }
}

/// Most scopes of one token or secret, repeated ones not counted \[inferred\]: the real service knows fewer names.
pub const MAX_SCOPES: usize = 100;
/// Longest name of a scope, in bytes \[inferred\].
pub const MAX_NAME_BYTES: usize = 64;

/// Why scopes are refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ScopeFault {
    /// There are more than [`MAX_SCOPES`].
    TooMany,
    /// This is not the name of a scope; the beginning of it where it is long.
    Malformed(String),
}

impl fmt::Display for ScopeFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooMany => write!(f, "at most {MAX_SCOPES} scopes are allowed"),
            Self::Malformed(name) => write!(f, "'{name}' is not a scope"),
        }
    }
}

/// The scopes that a client, a secret or a seed asks for, each once, in the order of their first mention. Whoever
/// takes scopes takes them through here.
///
/// # Errors
/// See [`ScopeFault`].
pub fn checked<T: AsRef<str>>(names: impl IntoIterator<Item = T>) -> Result<Vec<String>, ScopeFault> {
    let (mut seen, mut scopes) = (HashSet::new(), Vec::new());
    for name in names {
        let name = name.as_ref();
        if !is_well_formed(name) {
            return Err(ScopeFault::Malformed(name.chars().take(MAX_NAME_BYTES).collect()));
        }
        if seen.insert(name.to_owned()) {
            scopes.push(name.to_owned());
        }
        if scopes.len() > MAX_SCOPES {
            return Err(ScopeFault::TooMany);
        }
    }
    Ok(scopes)
}

/// Whether a client may ask for this scope name. The real list is long, changes, and has no
/// endpoint, so the mock takes any name of that form \[inferred\].
fn is_well_formed(name: &str) -> bool {
    (1..=MAX_NAME_BYTES).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_.:/".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_have_a_number_and_a_length_and_count_once() {
        let many = |n: usize| (0..n).map(|n| format!("s{n}")).collect::<Vec<_>>();
        assert_eq!(checked(many(MAX_SCOPES)), Ok(many(MAX_SCOPES)));
        assert_eq!(checked(many(MAX_SCOPES + 1)), Err(ScopeFault::TooMany));
        assert_eq!(checked(vec!["sql"; 14_000]), Ok(vec!["sql".to_owned()]));
        assert_eq!(checked(["b", "a", "b"]), Ok(vec!["b".to_owned(), "a".to_owned()]));
        assert!(checked(["x".repeat(MAX_NAME_BYTES)]).is_ok());
        for bad in [String::new(), "SQL".into(), "a b".into(), "\u{e4}".into(), "x".repeat(100_000)] {
            let ScopeFault::Malformed(told) = checked([&bad]).unwrap_err() else { panic!("{bad}") };
            assert!(told.len() <= MAX_NAME_BYTES && bad.starts_with(&told), "{told}");
        }
    }

    #[test]
    fn scopes_cover_their_endpoints_only() {
        let some = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
        for (scopes, endpoint, expected) in [
            (None, AUTHENTICATION, true),
            (Some(some(&["authentication"])), AUTHENTICATION, true),
            (Some(some(&["sql"])), AUTHENTICATION, false),
            (Some(some(&["sql", "all-apis"])), SETTINGS, true),
            (Some(some(&["sql"])), EndpointScope::Any, true),
            (Some(some(&[])), SCIM, false),
        ] {
            assert_eq!(covers(scopes.as_deref(), endpoint), expected, "{scopes:?} on {endpoint:?}");
        }
    }
}
