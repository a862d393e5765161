//! The only reader of the environment; a lint forbids others.

use super::{PREFIX, cli};

/// Returns the value of a variable. An empty one counts as absent.
#[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Whether a variable is set to nothing.
#[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
pub(super) fn is_empty_variable(name: &std::ffi::OsStr) -> bool {
    std::env::var_os(name).is_some_and(|value| value.is_empty())
}

/// Whether the user allows colours at a terminal.
pub fn may_color() -> bool {
    variable("NO_COLOR").is_none() && variable("TERM").is_none_or(|terminal| terminal != "dumb")
}

/// `DAPI_MOCK_*` variables that no setting reads, usually a typo.
#[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
pub fn unknown_variables() -> Vec<String> {
    let known = cli::variables();
    let names = std::env::vars_os().filter(|(_, value)| !value.is_empty());
    let names = names.filter_map(|(name, _)| name.into_string().ok());
    names.filter(|name| name.starts_with(PREFIX) && !known.contains(name)).collect()
}
