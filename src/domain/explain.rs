//! What would turn a refusal into a yes: the smallest change, in words.

use serde::{Deserialize, Serialize};

use super::Denial;
use super::authorize::{Check, Step};

/// Why a request was refused, in words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Why {
    /// What the wire says.
    pub message: String,
    /// The setting, entry, time or group path behind it; the message where nothing more is known.
    pub because: String,
    /// The smallest change that would allow the request.
    pub remedy: String,
}

/// The smallest change that would allow the request. `step` is the deciding check, when one of the
/// ordered checks decided; otherwise the operation itself refused.
pub fn remedy(denial: &Denial, step: Option<&Step>) -> String {
    match step.map(|step| step.check) {
        Some(check) => of_check(check, denial).to_owned(),
        None => of_operation(denial),
    }
}

fn of_check(check: Check, denial: &Denial) -> &'static str {
    match check {
        Check::CredentialWellFormed => "Send 'Authorization: Bearer <token>' with a token that this server issued.",
        Check::WorkspaceAgrees => {
            "Name the workspace that the token belongs to, or none. Clients take it from DATABRICKS_WORKSPACE_ID, which \
             `dapi-mock exec` sets and child processes inherit: with another workspace's host and token, set all three \
             variables (DATABRICKS_HOST, DATABRICKS_TOKEN, DATABRICKS_WORKSPACE_ID) from the `env` of its answer, or \
             unset DATABRICKS_WORKSPACE_ID. Others send X-Databricks-Workspace-Id or ?o=."
        }
        Check::TokensEnabled => {
            "Enable tokens: PATCH /api/2.0/workspace-conf {\"enableTokensConfig\": \"true\"} as a workspace admin with an \
             OAuth access token (POST /oidc/v1/token with grant_type=client_credentials&scope=all-apis and a service \
             principal's client id and secret as Basic), or PATCH /_mock/v1/workspaces/default/conf without one (the \
             workspace's id in place of 'default', where it is another)."
        }
        Check::TokenKnown => {
            "Use a live token of this workspace; the tombstone, if there is one, says what ended this one."
        }
        Check::NotExpired => "Create a new token; an expired one never works again.",
        Check::NotInactive => {
            "Create a new token, and use it at least once in 90 days; a revoked one never works again."
        }
        Check::OwnerActive => "Set the owner active again, and assign it to the workspace, by SCIM.",
        Check::MayUseTokens => {
            "Give CAN_USE to the owner or to one of its groups: PATCH /api/2.0/permissions/authorization/tokens."
        }
        Check::ScopeCovers => "Use a token without scopes, or one whose scopes hold the endpoint's.",
        Check::HasRight if matches!(denial, Denial::NotAccountAdmin(_)) => "Call as an account admin.",
        Check::HasRight => "Call as a member of the group 'admins', or add the caller to it.",
        Check::FeatureInTier => "Put the workspace on the premium tier: --tier premium.",
    }
}

fn of_operation(denial: &Denial) -> String {
    match denial {
        Denial::LifetimeAboveCap { cap_days, .. } => {
            format!("Ask for at most {} seconds, or raise maxTokenLifetimeDays (730 at most).", cap_days * 86_400)
        }
        Denial::InvalidTimeout(_) => "Ask for at least one second, or leave lifetime_seconds away.".to_owned(),
        Denial::QuotaExceeded => "Revoke one of the owner's live tokens first.".to_owned(),
        Denial::TokenNotFound(_) | Denial::TokenToUpdateNotFound(_) => {
            "Name a live token that the caller may see; the tombstones list those that ended.".to_owned()
        }
        Denial::TokensDisabled => of_check(Check::TokensEnabled, denial).to_owned(),
        Denial::ServicePrincipalMayNotUseTokens(name) => format!("Give CAN_USE on tokens to '{name}' first."),
        Denial::RestrictedAdmin(name) => {
            format!("Give the caller the role servicePrincipal.user on '{name}', or lift the restriction.")
        }
        Denial::OnBehalfOfDisabled => {
            "On Azure the service principal creates the token itself, with its OAuth credential.".to_owned()
        }
        Denial::EndpointNotFound { .. } => "Call a route that is emulated: docs/compatibility.md.".to_owned(),
        Denial::StaleEtag(etag) => format!("Send the newest etag: {etag}"),
        Denial::MalformedRequest(detail) => format!("Send a JSON object: {detail}"),
        _ => "Change the request as the message says.".to_owned(),
    }
}
