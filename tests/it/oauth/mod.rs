//! OAuth for machines: client secrets and access tokens (docs/reference/identity-and-oauth.md).

mod access_tokens;
mod endpoints;
mod secrets;

const HOME: &str = "3274327432743274";
