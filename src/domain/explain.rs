//! The remedy of a refusal: the smallest change that would allow the request, as a sentence and as API calls.
//! People read these sentences in errors, logs and on the pages. Start with [`RefusedRequest::remedy`].
//! The reason of a refusal is the failed step's `because` in `authorize`.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::Denial;
use super::authorize::{Check, Demand, Parties, Party, Right, Step, WorkspaceIds};
use super::denial::{AccessDenial, Feature, RequestDenial};
use crate::domain::identities::PrincipalKind;

/// Why a request was refused, in words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explanation {
    /// The error message of the emulated API.
    pub message: String,
    /// The setting, entry, time or group path that decided; the message if nothing more is known.
    pub because: String,
    /// The smallest change that would allow the request.
    pub remedy: String,
    /// The remedy as steps, in order; empty if nothing would allow this request.
    #[serde(default)]
    pub steps: Vec<RemedyStep>,
}

/// Who carries out a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Actor {
    /// A client of the control API.
    Operator,
    WorkspaceAdmin,
    /// An account admin with an OAuth access token.
    AccountAdmin,
    /// Any principal that may use tokens.
    AnyUser,
}

/// A step of a remedy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum RemedyStep {
    /// A call to make first.
    Call { r#as: Actor, method: String, path: String, body: Value },
    /// Revoke one live token of the principal for which the request creates a token.
    RevokeOneToken,
    /// Send the request again with a difference.
    Resend { with: Difference },
}

/// How the request has to differ.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Difference {
    /// A new token or access token of the same principal, for all APIs.
    NewCredential,
    /// A valid credential of such a principal.
    CredentialOf(Actor),
    AccessTokenOf(Actor),
    /// No workspace in a header or in the query.
    NoWorkspace,
    /// This workspace in the header.
    Workspace(String),
    /// These members in the body.
    Body(Map<String, Value>),
}

/// The smallest change that would allow a request, as a sentence and as steps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remedy {
    pub text: String,
    pub steps: Vec<RemedyStep>,
}

impl Remedy {
    fn new(text: impl Into<String>, steps: Vec<RemedyStep>) -> Self {
        Self { text: text.into(), steps }
    }

    fn resend(text: impl Into<String>, with: Difference) -> Self {
        Self::new(text, vec![RemedyStep::Resend { with }])
    }

    /// A remedy that no call can carry out.
    fn words(text: impl Into<String>) -> Self {
        Self::new(text, Vec::new())
    }
}

#[derive(Clone, Copy, Debug)]
pub struct RefusedRequest<'a> {
    pub denial: &'a Denial,
    /// The ordered check that failed; `None` if the operation itself refused.
    pub step: Option<&'a Step>,
    pub demand: Demand,
    pub parties: &'a Parties,
}

impl RefusedRequest<'_> {
    /// The smallest change that would allow the request. It includes what the checks after the failed one would find.
    pub fn remedy(self) -> Remedy {
        let Some(check) = self.step.map(|step| step.check) else { return self.of_operation() };
        let mut remedy = self.of_check(check);
        let ends_here = match check {
            Check::CredentialWellFormed | Check::WorkspaceAgrees => true,
            Check::OwnerActive => self.parties.owner.is_none(),
            _ => self.demand.right == Right::AccountApi && !self.parties.by_oauth,
        };
        if ends_here {
            return remedy;
        }
        for other in self.others() {
            if other.steps.iter().all(|step| remedy.steps.contains(step)) {
                continue;
            }
            remedy.text = format!("{} Also: {}", remedy.text, other.text);
            remedy.steps.extend(other.steps);
        }
        // The new credential comes last, once its owner may have one.
        remedy.steps.sort_by_key(|step| matches!(step, RemedyStep::Resend { .. }));
        remedy
    }

    /// The remedies of the checks that the request would fail next.
    fn others(self) -> Vec<Remedy> {
        let Parties { owner, by_oauth, deficits, .. } = self.parties;
        let mut others = Vec::new();
        if deficits.contains(&Check::TokensEnabled) {
            others.push(self.enable_tokens());
        }
        if let Some(owner) = owner {
            if !owner.active || !owner.assigned && self.demand.right != Right::AccountApi {
                others.push(self.activate_owner());
            }
            let asks_tokens = !by_oauth || self.demand.right == Right::TokenUser;
            match self.demand.right {
                Right::WorkspaceAdmin if !owner.workspace_admin => others.push(self.join_admins()),
                _ if asks_tokens && !owner.may_use_tokens => others.push(self.permit_owner()),
                _ => {}
            }
            if matches!(self.demand.right, Right::AccountAdmin | Right::AccountApi) && !owner.account_admin {
                others.push(self.make_account_admin());
            }
        }
        if deficits.contains(&Check::FeatureInTier) {
            others.push(self.premium());
        }
        if deficits.contains(&Check::ScopeCovers) {
            others.push(self.of_check(Check::ScopeCovers));
        }
        others
    }

    fn of_check(self, check: Check) -> Remedy {
        // Whatever else is wrong with a personal access token: account APIs do not accept one.
        if self.demand.right == Right::AccountApi && !self.parties.by_oauth && check != Check::WorkspaceAgrees {
            return self.other_credential();
        }
        match check {
            Check::CredentialWellFormed => self.other_credential(),
            Check::WorkspaceAgrees => self.right_workspace(),
            Check::TokensEnabled => self.enable_tokens(),
            Check::TokenKnown => Remedy::resend(
                "Use a live token of this workspace. If this token once worked, its history says how it ended.",
                Difference::NewCredential,
            ),
            Check::NotExpired if self.parties.by_oauth => Remedy::resend(
                "Get a new access token from the token endpoint; an expired one never works again.",
                Difference::NewCredential,
            ),
            Check::NotExpired => {
                Remedy::resend("Create a new token; an expired one never works again.", Difference::NewCredential)
            }
            Check::NotInactive => Remedy::resend(
                "Create a new token and use it at least once every 90 days; a revoked one never works again.",
                Difference::NewCredential,
            ),
            Check::OwnerActive => self.activate_owner(),
            Check::MayUseTokens if self.demand.right == Right::WorkspaceAdmin => self.join_admins(),
            Check::MayUseTokens => self.permit_owner(),
            Check::ScopeCovers if self.parties.by_oauth => Remedy::resend(
                "Get an access token with the scope all-apis or with the endpoint's scope.",
                Difference::NewCredential,
            ),
            Check::ScopeCovers => Remedy::resend(
                "Use a token without scopes, or one whose scopes include the endpoint's.",
                Difference::NewCredential,
            ),
            Check::HasRight => self.has_right(),
            Check::FeatureInTier => self.premium(),
        }
    }

    fn has_right(self) -> Remedy {
        match self.denial {
            Denial::Access(AccessDenial::AccountNeedsOauth) => self.other_credential(),
            Denial::Access(AccessDenial::NotAccountAdmin(_)) => self.make_account_admin(),
            Denial::Access(AccessDenial::TokensDisabled) => self.enable_tokens(),
            Denial::Access(AccessDenial::NoTokenPermission) => self.permit_owner(),
            _ => self.join_admins(),
        }
    }

    fn of_operation(self) -> Remedy {
        match self.denial {
            Denial::LifetimeAboveCap { cap_days, .. } => {
                let seconds = cap_days * 86_400;
                let raise = if *cap_days < 730 { ", or raise maxTokenLifetimeDays (730 at most)" } else { "" };
                lifetime(format!("Ask for at most {seconds} seconds{raise}."), seconds)
            }
            Denial::InvalidTimeout(_) => lifetime("Ask for at least one second, or omit lifetime_seconds.", 1),
            Denial::QuotaExceeded => {
                Remedy::new("Revoke one of the owner's live tokens first.", vec![RemedyStep::RevokeOneToken])
            }
            Denial::TokenNotFound(_) | Denial::TokenToUpdateNotFound(_) => Remedy::words(
                "Name a live token that the caller may see. A token that expired or was revoked cannot be restored; \
                 its history says how it ended.",
            ),
            Denial::Access(AccessDenial::TokensDisabled) => self.enable_tokens(),
            Denial::Access(AccessDenial::NoTokenPermission) => self.permit_owner(),
            Denial::Access(AccessDenial::NotAdmin(_)) => self.join_admins(),
            Denial::Access(AccessDenial::NotAccountAdmin(_)) => self.make_account_admin(),
            Denial::Access(AccessDenial::NotInTier(_)) => self.premium(),
            Denial::ServicePrincipalMayNotUseTokens(name) => {
                let text = format!("Give CAN_USE on tokens to '{name}' first.");
                Remedy::new(text, vec![permit("service_principal_name", name)])
            }
            Denial::RestrictedAdmin(name) => Remedy::words(format!(
                "Give the caller the role servicePrincipal.user on '{name}', or lift the restriction \
                 (restrict_workspace_admins) as an account admin."
            )),
            Denial::OnBehalfOfDisabled => Remedy::words(
                "Workspaces on Azure have no on-behalf-of tokens: let the service principal create the token itself, \
                 with an OAuth access token.",
            ),
            Denial::Request(RequestDenial::EndpointNotFound { .. }) => {
                Remedy::words("Call an emulated route; docs/compatibility.md lists them.")
            }
            Denial::StaleEtag(etag) => Remedy::words(format!("Send the current etag: {etag}")),
            Denial::Request(RequestDenial::MalformedBody(detail)) => {
                Remedy::words(format!("Send a JSON object: {detail}"))
            }
            _ => Remedy::words("Change the request as the message says."),
        }
    }

    fn other_credential(self) -> Remedy {
        match self.demand.right {
            Right::AccountApi => Remedy::resend(
                "Send 'Authorization: Bearer <access token>' with an OAuth access token of an account admin: account \
                 APIs accept no personal access token.",
                Difference::AccessTokenOf(Actor::AccountAdmin),
            ),
            right => {
                let (actor, of) = match right {
                    Right::WorkspaceAdmin => (Actor::WorkspaceAdmin, " of a workspace admin"),
                    Right::AccountAdmin => (Actor::AccountAdmin, " of an account admin"),
                    Right::Open | Right::Authenticated | Right::TokenUser | Right::AccountApi => (Actor::AnyUser, ""),
                };
                let text =
                    format!("Send 'Authorization: Bearer <token>' once, with a token{of} that this server issued.");
                Remedy::resend(text, Difference::CredentialOf(actor))
            }
        }
    }

    fn right_workspace(self) -> Remedy {
        const CLIENTS: &str = "Clients take the workspace from DATABRICKS_WORKSPACE_ID, which `dapi-mock exec` sets and child processes \
             inherit. To use another workspace, set DATABRICKS_HOST, DATABRICKS_TOKEN and DATABRICKS_WORKSPACE_ID from \
             the `env` of the response that created it, or unset DATABRICKS_WORKSPACE_ID. Other clients send \
             X-Databricks-Workspace-Id or ?o=.";
        match self.parties.belongs_to {
            Some(own) => Remedy::resend(
                format!("Name workspace {own}, in which the token is valid, or name no workspace. {CLIENTS}"),
                Difference::Workspace(own.to_string()),
            ),
            None => Remedy::resend(
                format!("Name the workspace that the token belongs to, or name no workspace. {CLIENTS}"),
                Difference::NoWorkspace,
            ),
        }
    }

    fn enable_tokens(self) -> Remedy {
        let text = "Enable tokens: PATCH /api/2.0/workspace-conf {\"enableTokensConfig\": \"true\"} as a workspace \
                    admin with an OAuth access token (POST /oidc/v1/token with \
                    grant_type=client_credentials&scope=all-apis and a service principal's client id and secret as \
                    Basic authentication). Or PATCH /_mock/v1/workspaces/default/conf, which requires no token; \
                    replace 'default' with the id of the workspace if it is another one.";
        Remedy::new(text, self.control("conf", json!({ "enableTokensConfig": "true" })))
    }

    fn premium(self) -> Remedy {
        let feature = match self.denial {
            Denial::Access(AccessDenial::NotInTier(Feature::TokenLifetime)) => "A maximum lifetime is",
            Denial::Access(AccessDenial::NotInTier(Feature::TokenPermissions)) => "Permissions on tokens are",
            _ => "Token management is",
        };
        let text = format!(
            "{feature} part of the premium tier: PATCH /_mock/v1/workspaces/default/behaviour {{\"tier\": \"premium\"}}, \
             or start the server with --tier premium."
        );
        Remedy::new(text, self.control("behaviour", json!({ "tier": "premium" })))
    }

    fn activate_owner(self) -> Remedy {
        let (Some(owner), Some(workspace)) = (&self.parties.owner, self.parties.workspace) else {
            let text = "The credential's owner was deleted, so the credential will never work again: use one of \
                        another principal.";
            let actor = match self.demand.right {
                Right::WorkspaceAdmin => Actor::WorkspaceAdmin,
                Right::AccountAdmin | Right::AccountApi => Actor::AccountAdmin,
                Right::Open | Right::Authenticated | Right::TokenUser => Actor::AnyUser,
            };
            return Remedy::resend(text, Difference::CredentialOf(actor));
        };
        let WorkspaceIds { id: workspace, account, .. } = workspace;
        let directory = format!("{}/{}", collection(owner.kind), owner.id);
        let activate = json!({ "op": "replace", "path": "active", "value": true });
        let mut steps = Vec::new();
        if !owner.active {
            let path = format!("/api/2.0/accounts/{account}/scim/v2/{directory}");
            steps.push(scim(Actor::AccountAdmin, path, &activate));
        }
        if !owner.assigned && self.demand.right != Right::AccountApi {
            steps.push(RemedyStep::Call {
                r#as: Actor::AccountAdmin,
                method: "PUT".into(),
                path: format!(
                    "/api/2.0/accounts/{account}/workspaces/{workspace}/permissionassignments/principals/{}",
                    owner.id
                ),
                body: json!({ "permissions": ["USER"] }),
            });
        }
        if !owner.active && self.demand.right != Right::AccountApi {
            let path = format!("/api/2.0/preview/scim/v2/{directory}");
            steps.push(scim(Actor::WorkspaceAdmin, path, &activate));
        }
        Remedy::new("Activate the owner again and assign it to the workspace, through SCIM.", steps)
    }

    fn permit_owner(self) -> Remedy {
        let text = "Give CAN_USE to the owner or to one of its groups: PATCH \
                    /api/2.0/permissions/authorization/tokens.";
        let step = |owner: &Party| {
            let member =
                if owner.kind == PrincipalKind::ServicePrincipal { "service_principal_name" } else { "user_name" };
            permit(member, &owner.name)
        };
        Remedy::new(text, self.parties.owner.iter().map(step).collect())
    }

    fn join_admins(self) -> Remedy {
        let text = "Call as a member of the group 'admins', or add the caller to that group.";
        let step = self.parties.owner.as_ref().zip(self.parties.workspace).map(|(owner, workspace)| {
            let join = json!({ "op": "add", "path": "members", "value": [{ "value": owner.id.to_string() }] });
            let path = format!("/api/2.0/preview/scim/v2/Groups/{}", workspace.admins_group);
            scim(Actor::WorkspaceAdmin, path, &join)
        });
        Remedy::new(text, step.into_iter().collect())
    }

    fn make_account_admin(self) -> Remedy {
        let text = "Call as an account admin, or give the caller the role account_admin.";
        let step = self.parties.owner.as_ref().zip(self.parties.workspace).map(|(owner, workspace)| {
            let role = json!({ "op": "add", "path": "roles", "value": [{ "value": "account_admin" }] });
            let (account, collection) = (workspace.account, collection(owner.kind));
            let path = format!("/api/2.0/accounts/{account}/scim/v2/{collection}/{}", owner.id);
            scim(Actor::AccountAdmin, path, &role)
        });
        Remedy::new(text, step.into_iter().collect())
    }

    /// A call of the control API.
    fn control(self, what: &str, body: Value) -> Vec<RemedyStep> {
        let call = |workspace: WorkspaceIds| RemedyStep::Call {
            r#as: Actor::Operator,
            method: "PATCH".into(),
            path: format!("/_mock/v1/workspaces/{}/{what}", workspace.id),
            body,
        };
        self.parties.workspace.map(call).into_iter().collect()
    }
}

fn lifetime(text: impl Into<String>, seconds: i64) -> Remedy {
    let members = Map::from_iter([("lifetime_seconds".to_owned(), seconds.into())]);
    Remedy::resend(text, Difference::Body(members))
}

fn permit(member: &str, name: &str) -> RemedyStep {
    RemedyStep::Call {
        r#as: Actor::WorkspaceAdmin,
        method: "PATCH".into(),
        path: "/api/2.0/permissions/authorization/tokens".into(),
        body: json!({ "access_control_list": [{ member: name, "permission_level": "CAN_USE" }] }),
    }
}

fn scim(actor: Actor, path: String, operation: &Value) -> RemedyStep {
    let body = json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
        "Operations": [operation],
    });
    RemedyStep::Call { r#as: actor, method: "PATCH".into(), path, body }
}

fn collection(kind: PrincipalKind) -> &'static str {
    match kind {
        PrincipalKind::User => "Users",
        PrincipalKind::ServicePrincipal => "ServicePrincipals",
        PrincipalKind::Group => "Groups",
    }
}
