//! OAuth for machines: secrets and access tokens (spec §2, §4; research/api-identity-auth.md §3).

mod access_tokens;
mod endpoints;
mod secrets;

const HOME: &str = "3274327432743274";
