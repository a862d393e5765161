//! The table of refusals: status, `error_code` and text of each, one per line. No other file decides about a status.
//! `envelope` puts a row into the body of the API that was called. Start reading at [`wire`].
//! See docs/reference/errors.md.

mod envelope;

use std::any::Any;
use std::borrow::Cow;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

pub use envelope::render;

use crate::domain::Denial;
use crate::domain::denial::{AccessDenial, ControlDenial, Feature, PathKnowledge, RequestDenial};
use crate::domain::faults::Effect;
use crate::domain::identities::{Directory, PrincipalKind};
use crate::domain::oauth::{MAX_SECRETS, Refusal};
use crate::domain::settings::ErrorTexts;
use crate::domain::tokens::QUOTA;
use crate::service::Error;

/// Why a request has no answer of its own. It travels in the
/// [`Outcome`](crate::http::context::Outcome) to [`finish`](crate::http::exchange::finish), which knows the request's id and renders it.
#[derive(Clone, Debug)]
pub enum ApiError {
    /// A rule said no.
    Denied(Denial),
    /// A fault that was armed on purpose.
    Injected(Effect),
    /// The database does not answer, or cannot be written.
    Unavailable,
    /// An internal error in dapi-mock; the log has its cause.
    Internal,
}

impl<D: Into<Denial>> From<D> for ApiError {
    fn from(denial: D) -> Self {
        Self::Denied(denial.into())
    }
}

impl From<Error> for ApiError {
    fn from(error: Error) -> Self {
        match error {
            Error::Denied(denial) => Self::Denied(denial),
            Error::Seed(error) => Self::Denied(Denial::parameter(error.to_string())),
            Error::Store(error) if error.is_transient() => {
                tracing::error!("{error}");
                Self::Unavailable
            }
            error @ (Error::Store(_) | Error::Key(_)) => {
                tracing::error!("defect: {error}");
                Self::Internal
            }
        }
    }
}

/// The answer to a handler's panic, which is in the log by then.
pub fn panicked(_: Box<dyn Any + Send + 'static>) -> Response {
    ApiError::Internal.into_response()
}

/// An `error_code` of the REST APIs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Code {
    BadRequest,
    EndpointNotFound,
    FeatureDisabled,
    InternalError,
    InvalidParameterValue,
    MalformedRequest,
    NotFound,
    NotImplemented,
    PermissionDenied,
    QuotaExceeded,
    ResourceAlreadyExists,
    ResourceConflict,
    ResourceDoesNotExist,
    TemporarilyUnavailable,
}

impl Code {
    /// Its status and its name.
    const fn row(self) -> (u16, &'static str) {
        match self {
            Self::BadRequest => (400, "BAD_REQUEST"),
            Self::InvalidParameterValue => (400, "INVALID_PARAMETER_VALUE"),
            Self::MalformedRequest => (400, "MALFORMED_REQUEST"),
            Self::QuotaExceeded => (400, "QUOTA_EXCEEDED"),
            Self::PermissionDenied => (403, "PERMISSION_DENIED"),
            Self::EndpointNotFound => (404, "ENDPOINT_NOT_FOUND"),
            Self::FeatureDisabled => (404, "FEATURE_DISABLED"),
            Self::NotFound => (404, "NOT_FOUND"),
            Self::ResourceDoesNotExist => (404, "RESOURCE_DOES_NOT_EXIST"),
            Self::ResourceAlreadyExists => (409, "RESOURCE_ALREADY_EXISTS"),
            Self::ResourceConflict => (409, "RESOURCE_CONFLICT"),
            Self::InternalError => (500, "INTERNAL_ERROR"),
            Self::NotImplemented => (501, "NOT_IMPLEMENTED"),
            Self::TemporarilyUnavailable => (503, "TEMPORARILY_UNAVAILABLE"),
        }
    }
}

/// What a body has as its code.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Label {
    /// The status as a number, as the edge (authentication) of the real service has it.
    Numeric,
    Named(&'static str),
    /// A fault's own text.
    Chosen(String),
    /// An `error` of RFC 6749, which has an envelope of its own.
    OAuth(&'static str),
}

/// Where a body shows the request's id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RequestIdIn {
    Nowhere,
    /// At the end of the text.
    Text,
    /// In a member of its own.
    Member,
}

/// The header in which the edge repeats its message, without the request's id.
const REASON_PHRASE: &str = "x-databricks-reason-phrase";

/// The header that SQL drivers read their endpoint's message from.
const THRIFT_MESSAGE: &str = "x-thriftserver-error-message";

type Text = Cow<'static, str>;

/// A row of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wire {
    pub status: StatusCode,
    label: Label,
    /// The text, without the request's id.
    pub message: Text,
    request_id_in: RequestIdIn,
    /// The headers that repeat the message.
    repeated_in: &'static [&'static str],
    details: Option<Value>,
    /// Seconds.
    pub retry_after: Option<u32>,
}

impl Wire {
    fn new(status: u16, label: Label, message: impl Into<Text>) -> Self {
        let is_edge = label == Label::Numeric && status == 403;
        Self {
            status: StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
            label,
            message: message.into(),
            request_id_in: RequestIdIn::Nowhere,
            repeated_in: if is_edge { &[REASON_PHRASE] } else { &[] },
            details: None,
            retry_after: (status == 503).then_some(1),
        }
    }

    fn status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    fn with_request_id(mut self) -> Self {
        self.request_id_in = RequestIdIn::Text;
        self
    }

    /// The text of the body.
    pub fn text(&self, request_id: &str) -> Cow<'_, str> {
        match self.request_id_in {
            RequestIdIn::Text if !request_id.is_empty() => format!("{} [ReqId: {request_id}]", self.message).into(),
            _ => Cow::Borrowed(&self.message),
        }
    }
}

fn row(code: Code, message: impl Into<Text>) -> Wire {
    let (status, name) = code.row();
    Wire::new(status, Label::Named(name), message)
}

/// From the edge, before any API.
fn edge(status: u16, message: impl Into<Text>) -> Wire {
    Wire::new(status, Label::Numeric, message)
}

fn not_found(message: impl Into<Text>) -> Wire {
    row(Code::ResourceDoesNotExist, message)
}

fn invalid(message: impl Into<Text>) -> Wire {
    row(Code::InvalidParameterValue, message)
}

fn malformed(message: impl Into<Text>) -> Wire {
    row(Code::MalformedRequest, message)
}

fn permission_denied(message: impl Into<Text>) -> Wire {
    row(Code::PermissionDenied, message)
}

fn feature_disabled(message: impl Into<Text>) -> Wire {
    row(Code::FeatureDisabled, message)
}

fn exists(message: impl Into<Text>) -> Wire {
    row(Code::ResourceAlreadyExists, message)
}

/// The table's row of an error.
pub fn wire(error: &ApiError, texts: ErrorTexts) -> Wire {
    match error {
        ApiError::Denied(denial) => denied(denial, texts),
        ApiError::Injected(effect) => injected(effect),
        ApiError::Unavailable => {
            row(Code::TemporarilyUnavailable, "The service is temporarily unavailable. Please try again later.")
        }
        ApiError::Internal => row(Code::InternalError, "An internal error occurred.").with_request_id(),
    }
}

fn injected(effect: &Effect) -> Wire {
    let status = effect.status.unwrap_or(500);
    let reason = StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason());
    let message = effect.message.clone().map_or(reason.unwrap_or("Injected").into(), Cow::from);
    let label = effect.error_code.clone().map_or(Label::Numeric, Label::Chosen);
    Wire { retry_after: effect.retry_after, ..Wire::new(status, label, message) }
}

#[rustfmt::skip] // One refusal a line.
fn denied(denial: &Denial, texts: ErrorTexts) -> Wire {
    match denial {
        Denial::Access(denial) => access(denial, texts),
        Denial::Request(denial) => request(denial),
        Denial::Control(denial) => control(denial),
        Denial::OAuth(refusal) => refused_by_oauth(refusal),
        Denial::InvalidParameter(sentence) | Denial::Scim(_, sentence) => invalid(sentence.clone()),
        Denial::InvalidTimeout(seconds) => invalid(format!("requirement failed: Invalid timeout: {seconds}")),
        // The real wording is unknown [inferred].
        Denial::LifetimeAboveCap { lifetime_seconds, cap_days } => invalid(format!("lifetime_seconds: {lifetime_seconds} exceeds the maximum token lifetime of {cap_days} days ({} seconds) in this workspace.", cap_days * 86_400)),
        Denial::QuotaExceeded => row(Code::QuotaExceeded, format!("The maximum of {QUOTA} tokens per user in this workspace is reached; revoke one first.")),
        Denial::TokenNotFound(id) => not_found(format!("Token with ID {id} does not exist")),
        Denial::TokenToUpdateNotFound(id) => row(Code::NotFound, format!("Token with ID {id} does not exist")),
        Denial::NoTokensYet => not_found("tokens tokens does not exist"),
        // The status was not recorded [inferred].
        Denial::OnBehalfOfDisabled => feature_disabled("On-behalf-of token creation for service principals is not enabled for this workspace"),
        Denial::ServicePrincipalMayNotUseTokens(name) => permission_denied(format!("Service principal '{name}' does not have permission to use tokens.")),
        Denial::RestrictedAdmin(name) => permission_denied(format!("Workspace admins are restricted: you need the Service Principal User role on '{name}'.")),
        Denial::PrincipalNotFound(id) => not_found(format!("Principal with id {id} not found.")),
        Denial::PrincipalNameNotFound(kind, name) => not_found(format!("Principal: {kind}({name}) does not exist")),
        Denial::IdentityNotFound(kind, id) => not_found(format!("{} with id {id} not found.", noun(*kind))),
        Denial::IdentityExists(directory, kind, name) => exists(identity_exists(*directory, *kind, name)),
        Denial::AccountNotFound(id) => not_found(format!("Account {id} does not exist")),
        Denial::WorkspaceNotFound(id) => not_found(format!("There is no workspace {id}.")),
        // Terraform reads what follows the prefix as a JSON array.
        Denial::InvalidConfKeys(keys) => row(Code::BadRequest, format!("Invalid keys: {}", json!(keys))),
        // Terraform knows the prefix.
        Denial::InvalidConfValues(offenders) => row(Code::BadRequest, format!("Some values are not allowed: {}", Value::Object(offenders.iter().map(|(key, value)| (key.clone(), value.clone().into())).collect::<Map<_, _>>()))),
        Denial::StaleEtag(newest) => Wire { details: Some(newest_version(newest)), ..row(Code::ResourceConflict, "The etag is missing or not the newest; read the resource again and retry with its etag.") },
        // The wording and code of these two are ours [inferred].
        Denial::SecretQuotaExceeded => row(Code::QuotaExceeded, format!("A service principal has at most {MAX_SECRETS} secrets; delete one first.")),
        Denial::SecretNotFound(id) => not_found(format!("Secret with ID {id} does not exist")),
    }
}

#[rustfmt::skip] // One refusal a line.
fn access(denial: &AccessDenial, texts: ErrorTexts) -> Wire {
    use ErrorTexts::{Of2024, Of2026};
    match (denial, texts) {
        (AccessDenial::NoCredential, _) => edge(401, "Credential was not sent or was of an unsupported type for this API.").with_request_id(),
        (AccessDenial::InvalidAccessToken, Of2024) => edge(403, "Invalid access token."),
        (AccessDenial::InvalidAccessToken, Of2026) => edge(403, "Invalid access token.").with_request_id(),
        (AccessDenial::InvalidAccessToOrg(id), _) => edge(403, format!("Invalid access to Org: {id}")),
        (AccessDenial::TokensDisabled, _) => feature_disabled("Tokens are disabled."),
        (AccessDenial::NoTokenPermission, _) => permission_denied("User does not have permission to use tokens."),
        (AccessDenial::MissingScope(_), Of2024) => permission_denied("Your token is missing the required scopes for this endpoint"),
        (AccessDenial::MissingScope(scope), Of2026) => edge(403, format!("Provided access token does not have required scopes: {scope}")),
        // Observed with the request's id, as the edge words things; so with the edge's code [inferred].
        (AccessDenial::MissingOauthScope(scope), _) => edge(403, format!("Provided OAuth token does not have required scopes: {scope}")).with_request_id(),
        (AccessDenial::NotAdmin(user), _) => permission_denied(format!("Requesting user '{user}' is not an admin.")),
        // The code was not recorded with the text of 2026.
        (AccessDenial::NotAccountAdmin(user), Of2024) => permission_denied(format!("Requesting user '{user}' is not an account admin.")),
        (AccessDenial::NotAccountAdmin(_), Of2026) => permission_denied("This API is disabled for users without account admin status."),
        (AccessDenial::AccountNeedsOauth, _) => edge(401, "Account APIs do not accept personal access tokens; use OAuth."),
        (AccessDenial::NotInTier(feature), _) => feature_disabled(format!("{} is not enabled for this feature tier", feature_name(*feature))),
    }
}

#[rustfmt::skip] // One refusal a line.
fn request(denial: &RequestDenial) -> Wire {
    match denial {
        RequestDenial::EndpointNotFound { method, path, known } => row(Code::EndpointNotFound, endpoint_not_found(method, path, known)),
        RequestDenial::NotOnAccountHost { method, path } => row(Code::EndpointNotFound, format!("No API found for '{method} {path}' on the account's host. It is an API of workspaces: send the request to the workspace's host. The account's host has /api/2.0/accounts/{{account_id}}/…")),
        RequestDenial::RepeatedHeader(name) => malformed(format!("The header {name} was sent more than once.")),
        RequestDenial::SqlNotEmulated => Wire { repeated_in: &[THRIFT_MESSAGE, REASON_PHRASE], ..row(Code::NotImplemented, "dapi-mock does not emulate SQL warehouses and clusters: SQL drivers cannot run statements here.") },
        RequestDenial::UnsupportedEncoding(encoding) => malformed(format!("The body has the Content-Encoding '{encoding}'. Send it without an encoding.")).status(StatusCode::UNSUPPORTED_MEDIA_TYPE),
        // The log alone says what is wrong with it.
        RequestDenial::MalformedBody(_) => malformed("Invalid JSON given in the body of the request - failed to parse given JSON"),
        RequestDenial::BodyTooLarge => malformed("The body of the request is larger than 1 MiB.").status(StatusCode::PAYLOAD_TOO_LARGE),
        RequestDenial::BodyTimeout => malformed("The body of the request did not arrive in time.").status(StatusCode::REQUEST_TIMEOUT),
    }
}

#[rustfmt::skip] // One refusal a line.
fn control(denial: &ControlDenial) -> Wire {
    match denial {
        ControlDenial::WorkspaceExists(id) => exists(format!("There is a workspace {id} already.")),
        ControlDenial::DefaultWorkspaceStays => invalid("The default workspace answers when nothing names one, and stays; reset it instead."),
        ControlDenial::CheckpointNotFound(name) => not_found(format!("The workspace has no checkpoint '{name}'.")),
        ControlDenial::FaultNotFound(id) => not_found(format!("The workspace has no fault '{id}'.")),
        ControlDenial::TimeGoesForward { now, wanted } => invalid(format!("The clock shows {} and cannot be set back to {}.", now.rfc3339(), wanted.rfc3339())),
        ControlDenial::NothingComes(what) => not_found(format!("No upcoming {what} event.")),
    }
}

fn refused_by_oauth(refusal: &Refusal) -> Wire {
    let (status, error, description) = oauth(refusal);
    let wire = Wire::new(status, Label::OAuth(error), description);
    match refusal {
        Refusal::ScopesNotAssigned { .. } => Wire { request_id_in: RequestIdIn::Member, ..wire },
        _ => wire,
    }
}

/// RFC 6749 §4.1.2.1 and §5.2; the status of `invalid_client` is the RFC's \[inferred\]. The log alone has the cause
/// of the terse ones.
#[rustfmt::skip] // One refusal a line.
pub(super) fn oauth(refusal: &Refusal) -> (u16, &'static str, Text) {
    match refusal {
        Refusal::InvalidClient(_) => (401, "invalid_client", "Client authentication failed".into()),
        Refusal::InvalidRequest(text) => (400, "invalid_request", text.clone().into()),
        Refusal::InvalidScope(text) => (400, "invalid_scope", text.clone().into()),
        Refusal::UnsupportedGrantType(text) => (400, "unsupported_grant_type", text.clone().into()),
        Refusal::UnauthorizedClient(text) => (400, "unauthorized_client", text.clone().into()),
        Refusal::UnsupportedResponseType(text) => (400, "unsupported_response_type", text.clone().into()),
        Refusal::AccessDenied(text) => (403, "access_denied", text.clone().into()),
        // Observed with this body (databricks/databricks-sql-go#476).
        Refusal::ScopesNotAssigned { scopes, client_id } => (403, "access_denied", format!("Scopes '{scopes}' are not assigned to the client {client_id}.").into()),
        Refusal::InvalidCode(_) => (400, "invalid_grant", "Authorization code is invalid".into()),
        // The Go SDK and the CLI know this text.
        Refusal::InvalidRefreshToken(_) => (400, "invalid_grant", "Refresh token is invalid".into()),
    }
}

fn feature_name(feature: Feature) -> &'static str {
    match feature {
        Feature::TokenManagement => "Token management",
        Feature::TokenPermissions => "Token permissions",
        Feature::TokenLifetime => "Maximum token lifetime",
    }
}

/// The newest version, for a client that sent another: Terraform and the SDKs read it and try again.
fn newest_version(etag: &str) -> Value {
    json!([{
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": "STALE_ETAG",
        "domain": "databricks.com",
        "metadata": { "etag": etag },
    }])
}

/// Says what the path is: emulated for other methods, misspelled, real but not emulated, or nothing.
fn endpoint_not_found(method: &str, path: &str, known: &PathKnowledge) -> String {
    let which = match known {
        PathKnowledge::Methods(methods) => format!("dapi-mock has this path for {} only.", methods.join(", ")),
        PathKnowledge::SpelledOtherwise(path) => format!("The path is spelled '{path}'."),
        PathKnowledge::RealApi(family) => {
            format!("The real service has {family} there; dapi-mock does not emulate it.")
        }
        PathKnowledge::Unknown => "dapi-mock does not know this path.".to_owned(),
    };
    format!("No API found for '{method} {path}'. {which} What it emulates: docs/compatibility.md")
}

fn noun(kind: PrincipalKind) -> &'static str {
    match kind {
        PrincipalKind::User => "User",
        PrincipalKind::ServicePrincipal => "Service principal",
        PrincipalKind::Group => "Group",
    }
}

/// Terraform's `force` compares these texts.
fn identity_exists(directory: Directory, kind: PrincipalKind, name: &str) -> String {
    if directory == Directory::Account && kind != PrincipalKind::Group {
        return format!("User with email {name} already exists in this account");
    }
    let by = match kind {
        PrincipalKind::User => "username",
        PrincipalKind::ServicePrincipal => "application ID",
        PrincipalKind::Group => "name",
    };
    format!("{} with {by} {name} already exists.", noun(kind))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::scim::Fault;
    use crate::domain::{Millis, PrincipalId, TokenId, WorkspaceId};
    use crate::http::route::Envelope;

    /// One of each.
    #[expect(clippy::too_many_lines, reason = "one list of cases")]
    fn all() -> Vec<Denial> {
        let id = || TokenId::from_text("0f");
        let endpoint =
            |known| RequestDenial::EndpointNotFound { method: "GET".into(), path: "/api/2.0/x".into(), known }.into();
        vec![
            AccessDenial::NoCredential.into(),
            AccessDenial::InvalidAccessToken.into(),
            AccessDenial::InvalidAccessToOrg("12".into()).into(),
            AccessDenial::TokensDisabled.into(),
            AccessDenial::NoTokenPermission.into(),
            AccessDenial::MissingScope("authentication").into(),
            AccessDenial::NotAdmin("u@example.com".into()).into(),
            AccessDenial::NotAccountAdmin("u@example.com".into()).into(),
            AccessDenial::AccountNeedsOauth.into(),
            endpoint(PathKnowledge::Unknown),
            endpoint(PathKnowledge::RealApi("the clusters API")),
            endpoint(PathKnowledge::Methods(vec!["GET", "PATCH"])),
            endpoint(PathKnowledge::SpelledOtherwise("/api/2.0/token/list".into())),
            RequestDenial::NotOnAccountHost { method: "GET".into(), path: "/api/2.0/token/list".into() }.into(),
            RequestDenial::UnsupportedEncoding("gzip".into()).into(),
            RequestDenial::MalformedBody("EOF at line 1 column 1".into()).into(),
            RequestDenial::BodyTooLarge.into(),
            RequestDenial::BodyTimeout.into(),
            Denial::parameter("comment: too long"),
            Denial::InvalidTimeout(0),
            Denial::LifetimeAboveCap { lifetime_seconds: 63_072_001, cap_days: 730 },
            Denial::QuotaExceeded,
            Denial::TokenNotFound(id()),
            Denial::TokenToUpdateNotFound(id()),
            Denial::PrincipalNotFound(PrincipalId(7)),
            Denial::PrincipalNameNotFound("GroupName", "nobody".into()),
            AccessDenial::NotInTier(Feature::TokenManagement).into(),
            AccessDenial::NotInTier(Feature::TokenPermissions).into(),
            AccessDenial::NotInTier(Feature::TokenLifetime).into(),
            Denial::InvalidConfKeys(vec!["k1".into(), "k\"2".into()]),
            Denial::InvalidConfValues(vec![("enableGp3".into(), Some(String::new())), ("enableDcs".into(), None)]),
            Denial::OnBehalfOfDisabled,
            Denial::ServicePrincipalMayNotUseTokens("app".into()),
            Denial::RestrictedAdmin("app".into()),
            Denial::NoTokensYet,
            Denial::StaleEtag("newest".into()),
            Denial::WorkspaceNotFound(WorkspaceId(12)),
            ControlDenial::WorkspaceExists(WorkspaceId(12)).into(),
            ControlDenial::DefaultWorkspaceStays.into(),
            ControlDenial::CheckpointNotFound("before".into()).into(),
            ControlDenial::FaultNotFound("7".into()).into(),
            ControlDenial::TimeGoesForward { now: Millis(2), wanted: Millis(1) }.into(),
            ControlDenial::NothingComes("token.expired".into()).into(),
            Denial::IdentityNotFound(PrincipalKind::User, "7".into()),
            Denial::IdentityNotFound(PrincipalKind::Group, "x".into()),
            Denial::IdentityExists(Directory::Workspace, PrincipalKind::User, "u@example.com".into()),
            Denial::IdentityExists(
                Directory::Workspace,
                PrincipalKind::ServicePrincipal,
                "0b1c2d3e-0000-4000-8000-000000000001".into(),
            ),
            Denial::IdentityExists(Directory::Workspace, PrincipalKind::Group, "engineers".into()),
            Denial::IdentityExists(Directory::Account, PrincipalKind::User, "u@example.com".into()),
            Denial::IdentityExists(Directory::Account, PrincipalKind::Group, "engineers".into()),
            Denial::Scim(Fault::InvalidFilter, "The filter cannot be read: a value is missing.".into()),
            AccessDenial::MissingOauthScope("authentication").into(),
            Refusal::InvalidClient("the log's business").into(),
            Refusal::InvalidRequest("grant_type is missing".into()).into(),
            Refusal::InvalidScope("'\"' is not a scope".into()).into(),
            Refusal::UnsupportedGrantType("There is no grant type x".into()).into(),
            Refusal::UnauthorizedClient("The client x is not emulated".into()).into(),
            Refusal::UnsupportedResponseType("Only response_type=code is emulated".into()).into(),
            Refusal::AccessDenied("No user was chosen".into()).into(),
            Refusal::ScopesNotAssigned { scopes: "all-apis".into(), client_id: "app".into() }.into(),
            Refusal::InvalidCode("the log's business").into(),
            Refusal::InvalidRefreshToken("the log's business").into(),
            Denial::AccountNotFound("a".into()),
            Denial::SecretQuotaExceeded,
            Denial::SecretNotFound("s".into()),
        ]
    }

    #[test]
    fn the_table_is_as_reviewed() {
        let errors = || all().into_iter().map(ApiError::Denied).chain([ApiError::Unavailable, ApiError::Internal]);
        let row = |error: ApiError, texts| {
            let wire = wire(&error, texts);
            format!("{} {:?} {}", wire.status.as_u16(), wire.label, wire.text("REQ"))
        };
        let rows = errors().map(|error| row(error, ErrorTexts::Of2026));
        insta::assert_snapshot!(rows.collect::<Vec<_>>().join("\n"));
        let differ =
            |error: &ApiError| row(error.clone(), ErrorTexts::Of2024) != row(error.clone(), ErrorTexts::Of2026);
        let rows = errors().filter(differ).map(|error| row(error, ErrorTexts::Of2024));
        insta::assert_snapshot!("texts_of_2024", rows.collect::<Vec<_>>().join("\n"));
    }

    #[test]
    fn every_denial_is_the_clients_business_and_never_501() {
        for denial in all() {
            assert!(wire(&denial.clone().into(), ErrorTexts::Of2026).status.is_client_error(), "{denial:?}");
        }
    }

    #[test]
    fn only_the_sql_drivers_endpoint_says_501() {
        let response = render(&RequestDenial::SqlNotEmulated.into(), Envelope::Rest, "REQ", ErrorTexts::Of2026);
        assert_eq!(response.status(), 501);
        let [thrift, reason] = [THRIFT_MESSAGE, REASON_PHRASE].map(|name| response.headers().get(name).cloned());
        assert!(thrift.is_some() && thrift == reason, "{response:?}");
    }

    #[test]
    fn the_request_id_is_in_the_body_and_not_in_the_header() {
        let wire = wire(&AccessDenial::InvalidAccessToken.into(), ErrorTexts::Of2026);
        assert_eq!(wire.text("REQ"), "Invalid access token. [ReqId: REQ]");
        assert_eq!(wire.render_rest("REQ").headers().get(REASON_PHRASE).unwrap(), "Invalid access token.");
    }
}
