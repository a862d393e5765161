//! What the checks look at: what a request sends, what its endpoint requires, and what the store knows of both.
//! `service::authorize` loads these facts; nothing here decides.

use crate::domain::access::Standing;
use crate::domain::clock::WorkspaceClock;
use crate::domain::denial::Feature;
use crate::domain::identities::PrincipalKind;
use crate::domain::jwt::{AccessToken, Claims, Forgery};
use crate::domain::scopes::EndpointScope;
use crate::domain::tokens::{Token, TokenEnd};
use crate::domain::{PrincipalId, TokenId, Workspace, WorkspaceId};

/// The credential that a request sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PresentedCredential {
    /// No credential, or a scheme that these APIs do not accept.
    Nothing,
    /// A bearer token in an unknown format.
    Malformed,
    /// A well-formed personal access token.
    Token(TokenId),
    /// A well-formed OAuth access token, its signature not yet checked.
    AccessToken(AccessToken),
}

/// The workspace that a request names in a header or its query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NamedWorkspace {
    /// The credential alone determines the workspace.
    Unnamed,
    Id(WorkspaceId),
    /// Text that is not a workspace id, or two ids that disagree; kept for the error message.
    Unusable(String),
}

/// The right that an endpoint requires of its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Right {
    /// Nothing: no check runs.
    Open,
    Authenticated,
    /// Tokens are enabled and the caller may use them: `token/*`.
    TokenUser,
    WorkspaceAdmin,
    /// An account admin who is assigned to the workspace.
    AccountAdmin,
    /// An account admin by OAuth, in any workspace or none: account APIs accept no personal access token.
    AccountApi,
}

/// What an endpoint requires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Demand {
    pub right: Right,
    pub scope: EndpointScope,
    /// Whether it is one of the token endpoints, whose error says that tokens are disabled.
    pub token_api: bool,
    /// The premium feature that the endpoint belongs to.
    pub feature: Option<Feature>,
}

impl Demand {
    /// A path without a route: authentication comes before routing. See docs/reference/errors.md#order-of-checks.
    pub const UNROUTED: Self =
        Self { right: Right::Authenticated, scope: EndpointScope::Any, token_api: false, feature: None };
}

/// The owner of the presented credential, as found in the workspace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    pub id: PrincipalId,
    pub kind: PrincipalKind,
    pub name: String,
    /// Active in the account, and assigned to the workspace and active there. Account endpoints with OAuth require
    /// only that it is active in the account.
    pub active: bool,
    pub account_admin: bool,
    pub standing: Standing,
}

impl Owner {
    pub fn new(id: PrincipalId, kind: PrincipalKind, name: String, standing: Standing) -> Self {
        let (active, account_admin) = (standing.is_active(), standing.is_account_admin());
        Self { id, kind, name, active, account_admin, standing }
    }
}

/// What the server knows of the presented credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CredentialRecord {
    /// The workspace does not know it.
    Nothing,
    /// A personal access token of the workspace.
    Token(Token),
    /// A token that expired or was revoked.
    Ended(Token, TokenEnd),
    /// An access token that this server signed. It is still to be checked for expiry, on the clock of its issuer.
    Access(Claims, WorkspaceClock),
    /// An access token that this server did not issue, or no longer accepts.
    Forged(Forgery),
    /// A decoy of that workspace.
    Decoy(WorkspaceId),
}

/// What the store knows about the request's credential and workspace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// The workspace that answers: the named one, else the token's own, else the default one.
    pub workspace: Option<Workspace>,
    /// The presented token's workspace if it is another one.
    pub token_belongs_to: Option<WorkspaceId>,
    /// The presented credential in that workspace.
    pub found: CredentialRecord,
    /// The credential's owner; `None` if it was deleted.
    pub owner: Option<Owner>,
}
