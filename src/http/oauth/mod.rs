//! OAuth of workspaces and accounts: discovery, the token endpoints, sign-in, client secrets.

pub mod authorize;
pub mod client_secrets;
pub mod discovery;
pub mod oidc;
