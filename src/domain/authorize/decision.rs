//! The outcome of the checks: the trace, the caller or the refusal, and the workspace and owner that a remedy names.
//! `explain`, the log and the audit log read a [`Decision`]; nothing here decides.

use serde::{Deserialize, Serialize};
use strum::IntoStaticStr;

use super::facts::{CredentialRecord, Demand, Facts, Owner, PresentedCredential, Right};
use crate::domain::access::Standing;
use crate::domain::denial::AccessDenial;
use crate::domain::identities::PrincipalKind;
use crate::domain::scopes::{self, EndpointScope};
use crate::domain::settings::Tier;
use crate::domain::{AccountId, Millis, PrincipalId, TokenId, Workspace, WorkspaceId};

/// The checks, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, IntoStaticStr)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Check {
    /// 1. The request has a well-formed credential.
    CredentialWellFormed,
    /// 2. The workspace exists, and the credential is valid in it.
    WorkspaceAgrees,
    /// 3. The workspace has personal access tokens enabled.
    TokensEnabled,
    /// 4. The workspace has the token.
    TokenKnown,
    /// 5. The token has not expired.
    NotExpired,
    /// 6. The token was not revoked after 90 days without use.
    NotInactive,
    /// 7. The owner is active and assigned to the workspace.
    OwnerActive,
    /// 8. The owner may use tokens.
    MayUseTokens,
    /// 9. The credential's scopes cover the endpoint.
    ScopeCovers,
    /// 10. The caller has the right that the endpoint requires.
    HasRight,
    /// After the ten, on endpoints of the premium tier: the workspace has that tier.
    FeatureInTier,
}

impl Check {
    /// Whether its failure is a failed authentication, and not a missing right.
    pub const fn is_of_credential(self) -> bool {
        !matches!(self, Self::ScopeCovers | Self::HasRight | Self::FeatureInTier)
    }

    /// The name in logs and explanations.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// A check that ran.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    pub check: Check,
    /// Only the last step of a trace can have failed.
    pub passed: bool,
    /// The setting, entry, time or group path that decided, in words; empty if there is nothing to say.
    pub because: String,
}

/// The authenticated caller of a request that passed every check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    pub workspace: Workspace,
    pub id: PrincipalId,
    pub kind: PrincipalKind,
    pub name: String,
    pub workspace_admin: bool,
    pub account_admin: bool,
    pub standing: Standing,
    /// The personal access token; `None` if the caller used OAuth.
    pub token: Option<TokenId>,
    /// The one instant of this request, on the workspace's clock.
    pub now: Millis,
}

impl Caller {
    pub fn account(&self) -> AccountId {
        self.workspace.account
    }

    /// The same caller, acting in another workspace of the account on that workspace's clock. Rights are not checked
    /// again.
    pub fn acting_in(&self, workspace: &Workspace, system: Millis) -> Self {
        Self { workspace: workspace.clone(), now: workspace.clock.at(system), ..self.clone() }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The checks that ran, in order.
    pub trace: Vec<Step>,
    pub outcome: Result<Caller, AccessDenial>,
    /// What has to be recorded of this use of the token.
    pub used: Option<Use>,
    /// The workspace that answers, once it is known.
    pub workspace: Option<WorkspaceId>,
    /// The time on that workspace's clock.
    pub now: Option<Millis>,
    /// The name of the credential's owner, once it is known.
    pub owner: Option<String>,
    pub parties: Parties,
}

/// The workspace and the owner that a remedy has to name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parties {
    /// The workspace that answers.
    pub workspace: Option<WorkspaceIds>,
    /// The credential's owner.
    pub owner: Option<Party>,
    /// Whether the credential is an access token.
    pub by_oauth: bool,
    /// The workspace in which the presented token is valid if another one answers.
    pub belongs_to: Option<WorkspaceId>,
    /// Checks that the workspace or the credential would also fail, whichever check decided.
    pub deficits: Vec<Check>,
}

/// A workspace, its account and its group `admins`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WorkspaceIds {
    pub id: WorkspaceId,
    pub account: AccountId,
    pub admins_group: PrincipalId,
}

impl Parties {
    pub(super) fn of(presented: &PresentedCredential, demand: Demand, facts: &Facts, system: Millis) -> Self {
        let workspace = facts.workspace.as_ref();
        let by_oauth = matches!(presented, PresentedCredential::AccessToken(_));
        let uses_tokens = !by_oauth || demand.right == Right::TokenUser;
        let scopes = match &facts.found {
            CredentialRecord::Token(token) | CredentialRecord::Ended(token, _) => token.scopes.clone(),
            CredentialRecord::Access(claims, _) => claims.scopes(),
            CredentialRecord::Nothing | CredentialRecord::Forged(_) | CredentialRecord::Decoy(_) => None,
        };
        let disabled = workspace.is_some_and(|workspace| !workspace.tokens_enabled(workspace.clock.at(system)));
        let standard = workspace.is_some_and(|workspace| workspace.behaviour.tier == Tier::Standard);
        let deficits = [
            (Check::TokensEnabled, uses_tokens && disabled),
            (Check::ScopeCovers, !scopes::covers(scopes.as_deref(), demand.scope)),
            (Check::FeatureInTier, demand.feature.is_some() && standard),
        ];
        Self {
            deficits: deficits.into_iter().filter(|(_, fails)| *fails).map(|(check, _)| check).collect(),
            workspace: workspace.map(|workspace| WorkspaceIds {
                id: workspace.id,
                account: workspace.account,
                admins_group: workspace.admins_group,
            }),
            owner: facts.owner.as_ref().map(Party::of),
            by_oauth,
            belongs_to: facts.token_belongs_to,
        }
    }
}

/// The owner of a credential.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub struct Party {
    pub id: PrincipalId,
    pub kind: PrincipalKind,
    pub name: String,
    /// Active both in the account and in the workspace.
    pub active: bool,
    pub assigned: bool,
    pub may_use_tokens: bool,
    pub workspace_admin: bool,
    pub account_admin: bool,
}

impl Party {
    fn of(owner: &Owner) -> Self {
        let standing = &owner.standing;
        Self {
            id: owner.id,
            kind: owner.kind,
            name: owner.name.clone(),
            active: standing.active,
            assigned: standing.memberships.iter().any(|membership| membership.assigned),
            may_use_tokens: standing.token_permission().is_some(),
            workspace_admin: standing.is_workspace_admin(),
            account_admin: owner.account_admin,
        }
    }
}

/// What has to be recorded of a token's use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Use {
    /// The endpoint's scope if auto-scoping has not seen it yet.
    pub inferred_scope: Option<EndpointScope>,
}
