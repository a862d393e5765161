//! The only reader of the environment: a lint forbids the others.

use super::{PREFIX, cli};

/// A variable's value; an empty one is an absent one.
#[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Whether a variable is set, and to nothing.
#[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
pub(super) fn is_empty_variable(name: &std::ffi::OsStr) -> bool {
    std::env::var_os(name).is_some_and(|value| value.is_empty())
}

/// Whether text for a terminal may have colour.
pub fn may_color() -> bool {
    variable("NO_COLOR").is_none() && variable("TERM").is_none_or(|terminal| terminal != "dumb")
}

/// `DAPI_MOCK_*` variables that no setting reads: usually a typo.
#[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
pub fn unknown_variables() -> Vec<String> {
    let known = cli::variables();
    let names = std::env::vars_os().filter(|(_, value)| !value.is_empty());
    let names = names.filter_map(|(name, _)| name.into_string().ok());
    names.filter(|name| name.starts_with(PREFIX) && !known.contains(name)).collect()
}
