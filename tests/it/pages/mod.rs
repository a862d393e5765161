//! The pages as a browser without JavaScript uses them: signing in, the workspace's settings, and one's own tokens.
//! `tests/clients/browser` clicks through them in Chromium.

mod safety;
mod settings;
mod sign_in;
mod tokens;

const ADVANCED: &str = "/settings/workspace/advanced";
const TOGGLE: &str = "/settings/workspace/advanced/personal-access-tokens";
const LIFETIME: &str = "/settings/workspace/advanced/maximum-lifetime";
const PERMISSIONS: &str = "/settings/workspace/advanced/permissions";
const TOKENS: &str = "/settings/user/developer/access-tokens";
const REVOKE: &str = "/settings/user/developer/access-tokens/revoke";
const CONF: &str = "/api/2.0/workspace-conf?keys=enableTokensConfig,maxTokenLifetimeDays";
