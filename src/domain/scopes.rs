//! API scopes of tokens: their names, how many a token may have, and whether they cover an endpoint.
//! Every list of scopes that a client, a secret or a seed gives goes through [`checked`] or [`requested`].

use std::collections::HashSet;
use std::fmt;

/// The scope that an endpoint requires of a scoped token. `all-apis` always suffices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndpointScope {
    Any,
    Named(&'static str),
    /// One of these; refusals name the first.
    AnyOf(&'static [&'static str]),
}

impl EndpointScope {
    /// The scope that a refusal names; `None` if any scope suffices.
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

/// The token API and token management.
pub const AUTHENTICATION: EndpointScope = EndpointScope::Named("authentication");
/// Workspace configuration and settings.
pub const SETTINGS: EndpointScope = EndpointScope::Named("settings");
/// The permissions API.
pub const ACCESS_MANAGEMENT: EndpointScope = EndpointScope::Named("access-management");
/// The account API of workspaces.
pub const PROVISIONING: EndpointScope = EndpointScope::Named("provisioning");
pub const SCIM: EndpointScope = EndpointScope::Named("scim");
/// Reading one's own user.
pub const CURRENT_USER: EndpointScope = EndpointScope::AnyOf(&["scim", "iam", "iam.current-user:read"]);

/// The scope that covers every endpoint.
pub const ALL_APIS: &str = "all-apis";

/// Whether a token with these scopes may call the endpoint; `None` is all APIs.
pub fn covers(scopes: Option<&[String]>, endpoint: EndpointScope) -> bool {
    let Some(scopes) = scopes else { return true };
    match endpoint {
        EndpointScope::Any => true,
        EndpointScope::Named(name) => holds(scopes, &[name]),
        EndpointScope::AnyOf(names) => holds(scopes, names),
    }
}

fn holds(scopes: &[String], names: &[&str]) -> bool {
    names.iter().any(|name| grants(scopes, name))
}

/// The maximum number of scopes of one token or secret, without duplicates \[inferred\]: the real service has fewer
/// names.
pub const MAX_SCOPES: usize = 100;
/// The longest name of a scope, in bytes \[inferred\].
pub const MAX_NAME_BYTES: usize = 64;

/// Why a list of scopes is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ScopeFault {
    /// More than [`MAX_SCOPES`].
    TooMany,
    /// Not the name of a scope; shortened if it is long.
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

/// The scopes that a client, a secret or a seed gives, without duplicates, in the order of their first mention.
pub fn checked<T: AsRef<str>>(names: impl IntoIterator<Item = T>) -> Result<Vec<String>, ScopeFault> {
    each_once(names, is_well_formed)
}

/// The same for a request for an access token, where RFC 6749 §3.3 allows more names. Unknown names have their own
/// error, once the client is known.
pub fn requested<T: AsRef<str>>(names: impl IntoIterator<Item = T>) -> Result<Vec<String>, ScopeFault> {
    let is_allowed = |b| matches!(b, 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
    each_once(names, |name| name.len() <= MAX_NAME_BYTES && name.bytes().all(is_allowed))
}

fn each_once<T: AsRef<str>>(
    names: impl IntoIterator<Item = T>,
    is_name: impl Fn(&str) -> bool,
) -> Result<Vec<String>, ScopeFault> {
    let (mut seen, mut scopes) = (HashSet::new(), Vec::new());
    for name in names {
        let name = name.as_ref();
        if !is_name(name) {
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

/// The families of scopes in the API reference, and those of OAuth itself. A name below a family, such as
/// `iam.groups:read`, is known with it. The real list grows; the token endpoint refuses a name that is missing here
/// \[inferred\].
const FAMILIES: &[&str] = &[
    "access-management",
    "account-access-control",
    "alerts",
    "all-apis",
    "apps",
    "authentication",
    "billing",
    "catalog",
    "clean-rooms",
    "cleanrooms",
    "clusters",
    "command-execution",
    "compute",
    "custom-llms",
    "dashboards",
    "data-classification",
    "data-quality",
    "database",
    "dataquality",
    "dbfs",
    "disaster-recovery",
    "email",
    "environments",
    "feature-engineering",
    "feature-store",
    "files",
    "forecasting",
    "genie",
    "git",
    "git-credentials",
    "global-init-scripts",
    "iam",
    "identity",
    "instance-pools",
    "instance-profiles",
    "jobs",
    "knowledge-assistants",
    "libraries",
    "log-delivery",
    "marketplace",
    "mcp",
    "ml",
    "mlflow",
    "model-registry",
    "model-serving",
    "networking",
    "notebooks",
    "notifications",
    "oauth",
    "offline_access",
    "openid",
    "pipelines",
    "policies",
    "postgres",
    "profile",
    "provisioning",
    "quality-monitors",
    "query-history",
    "repos",
    "scim",
    "secrets",
    "serving",
    "settings",
    "sharing",
    "sql",
    "statement-execution",
    "storage",
    "supervisor-agents",
    "tags",
    "tokens",
    "unity-catalog",
    "usage-policies",
    "vector-search",
    "vectorsearch",
    "warehouses",
    "workspace",
];

pub fn is_known(name: &str) -> bool {
    let family = name.split(['.', ':', '/']).next().unwrap_or_default();
    is_well_formed(name) && FAMILIES.contains(&family)
}

/// Whether a client with these scopes may request this one: it is one of them, or a known scope below one of them.
pub fn may_request(granted: &[String], name: &str) -> bool {
    granted.iter().any(|own| own == name) || (is_known(name) && grants(granted, name))
}

/// Whether these scopes include this one: it is one of them or below one of them, or they include all APIs \[inferred
/// for names below others\].
fn grants(granted: &[String], name: &str) -> bool {
    granted.iter().any(|scope| {
        let below = name.strip_prefix(scope.as_str());
        scope == ALL_APIS || below.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', ':', '/']))
    })
}

/// Whether a name is in the format of scopes. The real list is long, changes, and no API returns it, so tokens accept
/// any name in this format \[inferred\].
fn is_well_formed(name: &str) -> bool {
    (1..=MAX_NAME_BYTES).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_.:/".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some(names: &[&str]) -> Vec<String> {
        names.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_scope_includes_the_names_below_it() {
        for (granted, name, expected) in [
            (&["sql"][..], "sql", true),
            (&["sql"], "sql.queries:read", true),
            (&["sql"], "sqlite", false),
            (&["sql.queries:read"], "sql", false),
            (&["sql", "jobs"], "all-apis", false),
            (&["sql", "all-apis"], "jobs", true),
            (&[], "sql", false),
        ] {
            assert_eq!(grants(&some(granted), name), expected, "{granted:?} and {name}");
        }
    }

    #[test]
    fn known_scopes_are_those_of_the_reference_and_the_names_below_them() {
        for name in ["all-apis", "sql", "iam.groups:read", "offline_access", "unity-catalog"] {
            assert!(is_known(name), "{name}");
        }
        for name in ["", "sqll", "All-APIs", "nonsense", "sql queries", ".sql"] {
            assert!(!is_known(name), "{name}");
        }
    }

    #[test]
    fn scopes_are_limited_and_duplicates_do_not_count() {
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
    fn scopes_cover_only_their_endpoints() {
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
