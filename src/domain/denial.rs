//! Every refusal that the rules know, with the facts that its text needs, grouped by who refuses. How a refusal looks
//! on the wire is decided by the table in `http::error`, nowhere else. Start reading at [`Denial`].

use super::oauth::Refusal;
use super::scim::Fault;
use super::{Millis, PrincipalId, TokenId, WorkspaceId};
use crate::domain::identities::{Directory, PrincipalKind};

/// A feature of the premium plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Feature {
    TokenManagement,
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
    Unknown,
}

/// Why an operation was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Denial {
    /// By one of the ordered checks that precede every operation.
    Access(AccessDenial),
    /// Because of how the request is put together, or where it was sent.
    Request(RequestDenial),
    /// By an operation of the control API.
    Control(ControlDenial),
    /// By the authorization server.
    OAuth(Refusal),
    /// SCIM cannot do what the client asks for; the sentence says why.
    Scim(Fault, String),
    /// A parameter is missing, or has the wrong type or an invalid value; the sentence says which and why.
    InvalidParameter(String),
    /// A lifetime that the real service calls an invalid timeout: zero or negative.
    InvalidTimeout(i64),
    LifetimeAboveCap {
        lifetime_seconds: i64,
        cap_days: i64,
    },
    /// The owner already has as many live tokens as one principal may have.
    QuotaExceeded,
    /// The token does not exist, or the caller may not see it.
    TokenNotFound(TokenId),
    /// The same at the update endpoints, which have another code for it.
    TokenToUpdateNotFound(TokenId),
    /// The workspace has no token yet, and permissions require one.
    NoTokensYet,
    /// The workspace's cloud has no on-behalf-of tokens.
    OnBehalfOfDisabled,
    ServicePrincipalMayNotUseTokens(String),
    /// Workspace admins are restricted to the service principals on which they have the user role.
    RestrictedAdmin(String),
    PrincipalNotFound(PrincipalId),
    /// No principal of that name is in the workspace; the kind in the real service's words.
    PrincipalNameNotFound(&'static str, String),
    /// The id as the client wrote it.
    IdentityNotFound(PrincipalKind, String),
    /// The name as the client wrote it.
    IdentityExists(Directory, PrincipalKind, String),
    AccountNotFound(String),
    /// The workspace does not exist, or belongs to another account.
    WorkspaceNotFound(WorkspaceId),
    InvalidConfKeys(Vec<String>),
    /// Values that their keys do not take; `None` stands for a value that is not a string.
    InvalidConfValues(Vec<(String, Option<String>)>),
    /// The client's version is not the newest, which is this one.
    StaleEtag(String),
    /// The service principal already has as many secrets as one may have.
    SecretQuotaExceeded,
    SecretNotFound(String),
}

/// Why the ordered checks refused. See docs/reference/errors.md.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccessDenial {
    /// No credential, or one of an unsupported kind.
    NoCredential,
    /// The credential does not work here; the wire never says why.
    InvalidAccessToken,
    /// The request names a workspace that is unknown, or not the token's own, or in which the
    /// principal is inactive or not assigned.
    InvalidAccessToOrg(String),
    /// Personal access tokens are disabled in the workspace.
    TokensDisabled,
    /// The principal has neither CAN USE nor CAN MANAGE on tokens.
    NoTokenPermission,
    /// The scopes of the personal access token do not cover the endpoint, which requires this one.
    MissingScope(&'static str),
    /// The same for an access token.
    MissingOauthScope(&'static str),
    /// The endpoint requires a workspace admin; the caller's name.
    NotAdmin(String),
    /// The endpoint requires an account admin; the caller's name.
    NotAccountAdmin(String),
    /// Account endpoints take OAuth access tokens only.
    AccountNeedsOauth,
    /// The plan does not include the feature.
    NotInTier(Feature),
}

/// Why a request was refused for its form or its address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RequestDenial {
    /// No such route, or one of the real service's that is not emulated.
    EndpointNotFound {
        method: String,
        path: String,
        known: PathKnowledge,
    },
    /// An endpoint of workspaces' hosts that the account's host does not have.
    NotOnAccountHost {
        method: String,
        path: String,
    },
    /// A header that has one value was sent more than once: two readers may choose different ones.
    RepeatedHeader(&'static str),
    /// The endpoint of SQL drivers, which retry any other refusal for minutes.
    SqlNotEmulated,
    /// The body has this Content-Encoding.
    UnsupportedEncoding(String),
    /// The body is not a JSON object; the parser's message.
    MalformedBody(String),
    BodyTooLarge,
    /// The body took too long to arrive.
    BodyTimeout,
}

/// Why the control API refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ControlDenial {
    WorkspaceExists(WorkspaceId),
    /// The workspace that answers when a request names none cannot be deleted.
    DefaultWorkspaceStays,
    CheckpointNotFound(String),
    FaultNotFound(String),
    /// A clock cannot be set back.
    TimeGoesForward {
        now: Millis,
        wanted: Millis,
    },
    /// No event of that kind, or of that token, is upcoming.
    NothingComes(String),
}

impl Denial {
    /// The refusal of a workspace.
    pub fn org(id: WorkspaceId) -> Self {
        AccessDenial::org(id).into()
    }

    pub fn parameter(sentence: impl Into<String>) -> Self {
        Self::InvalidParameter(sentence.into())
    }
}

impl AccessDenial {
    /// The refusal of a workspace.
    pub fn org(id: WorkspaceId) -> Self {
        Self::InvalidAccessToOrg(id.to_string())
    }
}

impl From<AccessDenial> for Denial {
    fn from(denial: AccessDenial) -> Self {
        Self::Access(denial)
    }
}

impl From<RequestDenial> for Denial {
    fn from(denial: RequestDenial) -> Self {
        Self::Request(denial)
    }
}

impl From<ControlDenial> for Denial {
    fn from(denial: ControlDenial) -> Self {
        Self::Control(denial)
    }
}
