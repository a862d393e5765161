//! Every "no" that the rules can say, with the facts needed to word it. How it looks on the wire
//! is `http::error`'s business.

use super::oauth::Refusal;
use super::scim::Fault;
use super::{Millis, PrincipalId, TokenId, WorkspaceId};
use crate::domain::identities::{Directory, PrincipalKind};

/// A feature of the premium plan (requirement R17).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Feature {
    /// Token management.
    TokenManagement,
    /// Permissions on tokens.
    TokenPermissions,
    /// A shorter maximum lifetime.
    TokenLifetime,
}

/// What is known of a path that has no route for the request's method.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PathKnowledge {
    /// It has routes for these methods only.
    Methods(Vec<&'static str>),
    /// It is another spelling of this path, which has a route.
    SpelledOtherwise(String),
    /// The real service has this API there.
    RealApi(&'static str),
    /// Nothing.
    Unknown,
}

/// A refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Denial {
    /// No credential, or one of an unsupported kind.
    NoCredential,
    /// The credential is not one that works here; the wire never says why.
    InvalidAccessToken,
    /// The request names a workspace that is unknown, or not the token's own, or in which the
    /// principal is inactive or not assigned.
    InvalidAccessToOrg(String),
    /// Personal access tokens are disabled in the workspace.
    TokensDisabled,
    /// The principal has neither CAN USE nor CAN MANAGE on tokens.
    NoTokenPermission,
    /// A personal access token whose scopes do not cover the endpoint; the scope that it requires.
    MissingScope(&'static str),
    /// A workspace admin is asked for; the name of who asked.
    NotAdmin(String),
    /// An account admin is asked for; the name of who asked.
    NotAccountAdmin(String),
    /// Account endpoints take OAuth only.
    AccountNeedsOauth,
    /// No such route, or one of the real service's that is not emulated.
    EndpointNotFound {
        /// The request's method.
        method: String,
        /// The request's path.
        path: String,
        /// What is known of the path.
        known: PathKnowledge,
    },
    /// A header that has one value came more than once: two readers may go by different ones.
    RepeatedHeader(&'static str),
    /// The endpoint of SQL drivers, which retry any other refusal for minutes.
    SqlNotEmulated,
    /// The body is encoded in a way that is not read; the encoding's name.
    UnsupportedEncoding(String),
    /// The body is not a JSON object.
    MalformedRequest(String),
    /// The body is larger than the limit.
    BodyTooLarge,
    /// The body took too long to arrive.
    BodyTimeout,
    /// A parameter is missing or of the wrong type or value; the sentence says which and why.
    InvalidParameter(String),
    /// An endpoint of workspaces' hosts that the account's host does not have.
    NotOnAccountHost {
        /// The request's method.
        method: String,
        /// Its path.
        path: String,
    },
    /// A lifetime that the real service calls an invalid timeout: zero or negative.
    InvalidTimeout(i64),
    /// A lifetime above the effective cap.
    LifetimeAboveCap {
        /// What was asked for.
        lifetime_seconds: i64,
        /// What is allowed.
        cap_days: i64,
    },
    /// The owner already holds the most live tokens that one may hold.
    QuotaExceeded,
    /// No such token, or not one that the caller may see.
    TokenNotFound(TokenId),
    /// No such token, said by the update endpoints with another code (governance §2.9).
    TokenToUpdateNotFound(TokenId),
    /// No such user, service principal or group.
    PrincipalNotFound(PrincipalId),
    /// No principal of that name is in the workspace; the kind as the real service words it.
    PrincipalNameNotFound(&'static str, String),
    /// The plan does not include the feature.
    NotInTier(Feature),
    /// Keys that the workspace configuration does not have.
    InvalidConfKeys(Vec<String>),
    /// Values that their keys do not take; `None` was no text.
    InvalidConfValues(Vec<(String, Option<String>)>),
    /// The workspace's cloud offers no on-behalf-of tokens.
    OnBehalfOfDisabled,
    /// The service principal may not use tokens.
    ServicePrincipalMayNotUseTokens(String),
    /// Workspace admins are restricted to service principals that they hold the user role on.
    RestrictedAdmin(String),
    /// The workspace has no token yet, and permissions need one (governance §2.6).
    NoTokensYet,
    /// There is no such workspace, or not in the account.
    WorkspaceNotFound(WorkspaceId),
    /// Control API: there is one with that id.
    WorkspaceExists(WorkspaceId),
    /// Control API: the workspace that answers when nothing names one cannot be removed.
    DefaultWorkspaceStays,
    /// Control API: the workspace has no such checkpoint.
    CheckpointNotFound(String),
    /// Control API: the workspace has no such fault.
    FaultNotFound(String),
    /// Control API: a clock cannot be set back.
    TimeGoesForward {
        /// What it shows.
        now: Millis,
        /// What it was to show.
        wanted: Millis,
    },
    /// Control API: no event of that kind, or of that token, is to come.
    NothingComes(String),
    /// The version that the client knows is not the newest; which one is.
    StaleEtag(String),
    /// No such user, service principal or group in the directory; the id as the client wrote it.
    IdentityNotFound(PrincipalKind, String),
    /// The directory has a user, service principal or group of that name; the name as asked for.
    IdentityExists(Directory, PrincipalKind, String),
    /// What the client says in SCIM cannot be done; the sentence says why.
    Scim(Fault, String),
    /// An access token whose scopes do not cover the endpoint; the scope that it asks for.
    MissingOauthScope(&'static str),
    /// No access token is issued.
    OAuth(Refusal),
    /// There is no such account here.
    AccountNotFound(String),
    /// The service principal already has the most secrets that one may have.
    SecretQuotaExceeded,
    /// The service principal has no such secret.
    SecretNotFound(String),
}

impl Denial {
    /// The refusal of a workspace by id.
    pub fn org(id: WorkspaceId) -> Self {
        Self::InvalidAccessToOrg(id.to_string())
    }

    /// The refusal of a parameter.
    pub fn parameter(sentence: impl Into<String>) -> Self {
        Self::InvalidParameter(sentence.into())
    }
}
