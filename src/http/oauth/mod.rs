//! OAuth as the workspace and the account speak it: discovery, the token endpoints, sign-in, client secrets.

pub mod authorize;
pub mod client_secrets;
pub mod discovery;
pub mod oidc;
