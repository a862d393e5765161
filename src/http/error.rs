//! THE table: every refusal as status, `error_code` and text; and the envelopes that carry it
//! (spec §6, governance §2.9). No other file decides about a status.

use std::any::Any;
use std::borrow::Cow;

use axum::body::Body;
use axum::http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE,
};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

use crate::domain::Denial;
use crate::domain::denial::{Feature, PathKnowledge};
use crate::domain::faults::Effect;
use crate::domain::identities::{Directory, PrincipalKind};
use crate::domain::oauth::{MAX_SECRETS, Refusal};
use crate::domain::scim::Fault;
use crate::domain::settings::ErrorTexts;
use crate::domain::tokens::QUOTA;
use crate::http::oauth::authorize::refusal_page;
use crate::service::Error;

/// What is in the way of an answer. It travels as a response extension to
/// [`exchange::finish`](crate::http::layers::finish), which knows the request's id and renders it.
#[derive(Clone, Debug)]
pub enum ApiError {
    /// The rules say no.
    Denied(Denial),
    /// A fault that was armed on purpose.
    Injected(Effect),
    /// The database does not answer, or cannot be written.
    Unavailable,
    /// A defect of ours; the cause is in the log.
    Internal,
}

impl From<Denial> for ApiError {
    fn from(denial: Denial) -> Self {
        Self::Denied(denial)
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

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::empty());
        response.extensions_mut().insert(self);
        response
    }
}

/// The answer to a handler's panic. The panic itself is in the log by then.
pub fn panicked(_: Box<dyn Any + Send + 'static>) -> Response {
    ApiError::Internal.into_response()
}

/// An `error_code`. At the edge (authentication) the real service sends the status as a number.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Code {
    Numeric,
    Named(&'static str),
    /// What a fault says.
    Chosen(String),
    /// An `error` of RFC 6749, which has an envelope of its own.
    OAuth(&'static str),
}

const INVALID_PARAMETER_VALUE: Code = Code::Named("INVALID_PARAMETER_VALUE");
const PERMISSION_DENIED: Code = Code::Named("PERMISSION_DENIED");
const FEATURE_DISABLED: Code = Code::Named("FEATURE_DISABLED");
const BAD_REQUEST: Code = Code::Named("BAD_REQUEST");
const RESOURCE_DOES_NOT_EXIST: Code = Code::Named("RESOURCE_DOES_NOT_EXIST");

/// The header in which the edge repeats its message, without the request's id.
const REASON_PHRASE: &str = "x-databricks-reason-phrase";

/// The header that SQL drivers read their endpoint's message from.
const THRIFT_MESSAGE: &str = "x-thriftserver-error-message";

/// Status, code and text of an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wire {
    /// The status.
    pub status: StatusCode,
    code: Code,
    /// The text, without the request's id.
    pub message: Cow<'static, str>,
    /// The request's id, where bodies end in it.
    request_id: Option<String>,
    /// The headers that repeat the message.
    repeated_in: &'static [&'static str],
    details: Option<Value>,
    /// The request's id, where the body has it as a member.
    request_id_member: Option<String>,
    /// Seconds.
    pub retry_after: Option<u32>,
}

/// The table.
#[expect(clippy::too_many_lines, reason = "all wording on one page")]
pub fn wire(error: &ApiError, request_id: &str, texts: ErrorTexts) -> Wire {
    let (status, code, message): (u16, Code, Cow<'static, str>) = match error {
        ApiError::Denied(denial) => match denial {
            Denial::NoCredential => (
                401,
                Code::Numeric,
                "Credential was not sent or was of an unsupported type for this API.".into(),
            ),
            Denial::InvalidAccessToken => (403, Code::Numeric, "Invalid access token.".into()),
            Denial::InvalidAccessToOrg(id) => (403, Code::Numeric, format!("Invalid access to Org: {id}").into()),
            Denial::TokensDisabled => (404, FEATURE_DISABLED, "Tokens are disabled.".into()),
            Denial::NoTokenPermission => {
                (403, PERMISSION_DENIED, "User does not have permission to use tokens.".into())
            }
            Denial::MissingScope(scope) => match texts {
                ErrorTexts::Of2024 => {
                    (403, PERMISSION_DENIED, "Your token is missing the required scopes for this endpoint".into())
                }
                ErrorTexts::Of2026 => (
                    403,
                    Code::Numeric,
                    format!("Provided access token does not have required scopes: {scope}").into(),
                ),
            },
            Denial::NotAdmin(user) => {
                (403, PERMISSION_DENIED, format!("Requesting user '{user}' is not an admin.").into())
            }
            // The code was not captured with the text of 2026.
            Denial::NotAccountAdmin(user) => match texts {
                ErrorTexts::Of2024 => {
                    (403, PERMISSION_DENIED, format!("Requesting user '{user}' is not an account admin.").into())
                }
                ErrorTexts::Of2026 => {
                    (403, PERMISSION_DENIED, "This API is disabled for users without account admin status.".into())
                }
            },
            Denial::AccountNeedsOauth => {
                (401, Code::Numeric, "Account APIs do not accept personal access tokens; use OAuth.".into())
            }
            Denial::EndpointNotFound { method, path, known } => {
                (404, Code::Named("ENDPOINT_NOT_FOUND"), endpoint_not_found(method, path, known).into())
            }
            Denial::NotOnAccountHost { method, path } => (
                404,
                Code::Named("ENDPOINT_NOT_FOUND"),
                format!(
                    "No API found for '{method} {path}' on the account's host. It is an API of workspaces: send the \
                     request to the workspace's host. The account's host has /api/2.0/accounts/{{account_id}}/…"
                )
                .into(),
            ),
            Denial::RepeatedHeader(name) => {
                (400, Code::Named("MALFORMED_REQUEST"), format!("The header {name} was sent more than once.").into())
            }
            Denial::SqlNotEmulated => (
                501,
                Code::Named("NOT_IMPLEMENTED"),
                "dapi-mock does not emulate SQL warehouses and clusters: SQL drivers cannot run statements here.".into(),
            ),
            Denial::UnsupportedEncoding(encoding) => (
                415,
                Code::Named("MALFORMED_REQUEST"),
                format!("The body has the Content-Encoding '{encoding}'. Send it without an encoding.").into(),
            ),
            // What is wrong with it is in the log only.
            Denial::MalformedRequest(_) => (
                400,
                Code::Named("MALFORMED_REQUEST"),
                "Invalid JSON given in the body of the request - failed to parse given JSON".into(),
            ),
            Denial::BodyTooLarge => {
                (413, Code::Named("MALFORMED_REQUEST"), "The body of the request is larger than 1 MiB.".into())
            }
            Denial::BodyTimeout => {
                (408, Code::Named("MALFORMED_REQUEST"), "The body of the request did not arrive in time.".into())
            }
            Denial::InvalidParameter(sentence) | Denial::Scim(_, sentence) => {
                (400, INVALID_PARAMETER_VALUE, sentence.clone().into())
            }
            Denial::InvalidTimeout(seconds) => {
                (400, INVALID_PARAMETER_VALUE, format!("requirement failed: Invalid timeout: {seconds}").into())
            }
            // The real wording is unknown (governance §6.3).
            Denial::LifetimeAboveCap { lifetime_seconds, cap_days } => (
                400,
                INVALID_PARAMETER_VALUE,
                format!(
                    "lifetime_seconds: {lifetime_seconds} exceeds the maximum token lifetime of {cap_days} days ({} seconds) in this workspace.",
                    cap_days * 86_400
                )
                .into(),
            ),
            Denial::QuotaExceeded => (
                400,
                Code::Named("QUOTA_EXCEEDED"),
                format!("The maximum of {QUOTA} tokens per user in this workspace is reached; revoke one first.").into(),
            ),
            Denial::TokenNotFound(id) => {
                (404, RESOURCE_DOES_NOT_EXIST, format!("Token with ID {id} does not exist").into())
            }
            Denial::TokenToUpdateNotFound(id) => {
                (404, Code::Named("NOT_FOUND"), format!("Token with ID {id} does not exist").into())
            }
            Denial::PrincipalNotFound(id) => {
                (404, RESOURCE_DOES_NOT_EXIST, format!("Principal with id {id} not found.").into())
            }
            Denial::PrincipalNameNotFound(kind, name) => {
                (404, RESOURCE_DOES_NOT_EXIST, format!("Principal: {kind}({name}) does not exist").into())
            }
            Denial::NotInTier(feature) => {
                (404, FEATURE_DISABLED, format!("{} is not enabled for this feature tier", feature_name(*feature)).into())
            }
            // Terraform reads what follows the prefix as a JSON array.
            Denial::InvalidConfKeys(keys) => (400, BAD_REQUEST, format!("Invalid keys: {}", json!(keys)).into()),
            // Terraform knows the prefix.
            Denial::InvalidConfValues(offenders) => {
                let offenders: Map<String, Value> =
                    offenders.iter().map(|(key, value)| (key.clone(), value.clone().into())).collect();
                (400, BAD_REQUEST, format!("Some values are not allowed: {}", Value::Object(offenders)).into())
            }
            // The status was not captured (governance §2.9).
            Denial::OnBehalfOfDisabled => (
                404,
                FEATURE_DISABLED,
                "On-behalf-of token creation for service principals is not enabled for this workspace".into(),
            ),
            Denial::ServicePrincipalMayNotUseTokens(name) => (
                403,
                PERMISSION_DENIED,
                format!("Service principal '{name}' does not have permission to use tokens.").into(),
            ),
            Denial::RestrictedAdmin(name) => (
                403,
                PERMISSION_DENIED,
                format!("Workspace admins are restricted: you need the Service Principal User role on '{name}'.").into(),
            ),
            Denial::NoTokensYet => (404, RESOURCE_DOES_NOT_EXIST, "tokens tokens does not exist".into()),
            Denial::WorkspaceNotFound(id) => {
                (404, RESOURCE_DOES_NOT_EXIST, format!("There is no workspace {id}.").into())
            }
            Denial::WorkspaceExists(id) => {
                (409, Code::Named("RESOURCE_ALREADY_EXISTS"), format!("There is a workspace {id} already.").into())
            }
            Denial::DefaultWorkspaceStays => (
                400,
                INVALID_PARAMETER_VALUE,
                "The default workspace answers when nothing names one, and stays; reset it instead.".into(),
            ),
            Denial::CheckpointNotFound(name) => {
                (404, RESOURCE_DOES_NOT_EXIST, format!("The workspace has no checkpoint '{name}'.").into())
            }
            Denial::FaultNotFound(id) => {
                (404, RESOURCE_DOES_NOT_EXIST, format!("The workspace has no fault '{id}'.").into())
            }
            Denial::TimeGoesForward { now, wanted } => (
                400,
                INVALID_PARAMETER_VALUE,
                format!("The clock shows {} and cannot be set back to {}.", now.rfc3339(), wanted.rfc3339()).into(),
            ),
            Denial::NothingComes(what) => (404, RESOURCE_DOES_NOT_EXIST, format!("Nothing is to come of: {what}.").into()),
            Denial::StaleEtag(_) => (
                409,
                Code::Named("RESOURCE_CONFLICT"),
                "The etag is missing or not the newest; read the resource again and retry with its etag.".into(),
            ),
            Denial::IdentityNotFound(kind, id) => {
                (404, RESOURCE_DOES_NOT_EXIST, format!("{} with id {id} not found.", noun(*kind)).into())
            }
            Denial::IdentityExists(directory, kind, name) => {
                (409, Code::Named("RESOURCE_ALREADY_EXISTS"), identity_exists(*directory, *kind, name).into())
            }
            // Observed with the id of the request (research/api-identity-auth.md §4.2), as the edge
            // words things; so with the edge's code [inferred].
            Denial::MissingOauthScope(scope) => (
                403,
                Code::Numeric,
                format!("Provided OAuth token does not have required scopes: {scope}").into(),
            ),
            Denial::OAuth(refusal) => {
                let (status, error, description) = oauth(refusal);
                (status, Code::OAuth(error), description)
            }
            Denial::AccountNotFound(id) => {
                (404, RESOURCE_DOES_NOT_EXIST, format!("Account {id} does not exist").into())
            }
            // The wording and code of these two are ours [inferred].
            Denial::SecretQuotaExceeded => (
                400,
                Code::Named("QUOTA_EXCEEDED"),
                format!("A service principal has at most {MAX_SECRETS} secrets; delete one first.").into(),
            ),
            Denial::SecretNotFound(id) => {
                (404, RESOURCE_DOES_NOT_EXIST, format!("Secret with ID {id} does not exist").into())
            }
        },
        ApiError::Injected(effect) => {
            let status = effect.status.unwrap_or(500);
            let reason = StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason());
            let message = effect.message.clone().map_or(reason.unwrap_or("Injected").into(), Cow::from);
            (status, effect.error_code.clone().map_or(Code::Numeric, Code::Chosen), message)
        }
        ApiError::Unavailable => (
            503,
            Code::Named("TEMPORARILY_UNAVAILABLE"),
            "The service is temporarily unavailable. Please try again later.".into(),
        ),
        ApiError::Internal => {
            (500, Code::Named("INTERNAL_ERROR"), "An internal error occurred.".into())
        }
    };
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let retry_after = match error {
        ApiError::Injected(effect) => effect.retry_after,
        _ => (status == StatusCode::SERVICE_UNAVAILABLE).then_some(1),
    };
    let repeated_in: &[&str] = match error {
        ApiError::Denied(Denial::SqlNotEmulated) => &[THRIFT_MESSAGE, REASON_PHRASE],
        _ if code == Code::Numeric && status == StatusCode::FORBIDDEN => &[REASON_PHRASE],
        _ => &[],
    };
    let details = details(error);
    let in_text = ends_in_request_id(error, texts) && !request_id.is_empty();
    let in_member = matches!(error, ApiError::Denied(Denial::OAuth(Refusal::ScopesNotAssigned { .. })));
    let named = |is_named: bool| is_named.then(|| request_id.to_owned());
    let (request_id, request_id_member) = (named(in_text), named(in_member));
    Wire { status, code, message, request_id, repeated_in, details, request_id_member, retry_after }
}

/// Whether a body's text ends in the request's id.
fn ends_in_request_id(error: &ApiError, texts: ErrorTexts) -> bool {
    match error {
        ApiError::Denied(Denial::InvalidAccessToken) => texts == ErrorTexts::Of2026,
        ApiError::Denied(Denial::NoCredential | Denial::MissingOauthScope(_)) | ApiError::Internal => true,
        _ => false,
    }
}

fn feature_name(feature: Feature) -> &'static str {
    match feature {
        Feature::TokenManagement => "Token management",
        Feature::TokenPermissions => "Token permissions",
        Feature::TokenLifetime => "Maximum token lifetime",
    }
}

/// What goes along with the message: the newest version for whoever sent another, which Terraform
/// and the SDKs read to try again.
fn details(error: &ApiError) -> Option<Value> {
    let ApiError::Denied(Denial::StaleEtag(newest)) = error else { return None };
    Some(json!([{
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": "STALE_ETAG",
        "domain": "databricks.com",
        "metadata": { "etag": newest },
    }]))
}

/// RFC 6749 §4.1.2.1 and §5.2; the status of `invalid_client` is the RFC's \[inferred\]. What caused the
/// terse ones is in the log only.
pub(super) fn oauth(refusal: &Refusal) -> (u16, &'static str, Cow<'static, str>) {
    match refusal {
        Refusal::InvalidClient(_) => (401, "invalid_client", "Client authentication failed".into()),
        Refusal::InvalidRequest(text) => (400, "invalid_request", text.clone().into()),
        Refusal::InvalidScope(text) => (400, "invalid_scope", text.clone().into()),
        Refusal::UnsupportedGrantType(text) => (400, "unsupported_grant_type", text.clone().into()),
        Refusal::UnauthorizedClient(text) => (400, "unauthorized_client", text.clone().into()),
        Refusal::UnsupportedResponseType(text) => (400, "unsupported_response_type", text.clone().into()),
        Refusal::AccessDenied(text) => (403, "access_denied", text.clone().into()),
        // Observed with this body (databricks/databricks-sql-go#476).
        Refusal::ScopesNotAssigned { scopes, client_id } => {
            (403, "access_denied", format!("Scopes '{scopes}' are not assigned to the client {client_id}.").into())
        }
        Refusal::InvalidCode(_) => (400, "invalid_grant", "Authorization code is invalid".into()),
        // The Go SDK and the CLI know this text (research/api-identity-auth.md §3.4).
        Refusal::InvalidRefreshToken(_) => (400, "invalid_grant", "Refresh token is invalid".into()),
    }
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

/// Terraform's `force` compares these texts (research/api-identity-auth.md §7.7).
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

/// The answer, in the envelope of the API that the path belongs to.
pub fn render(error: &ApiError, path: &str, request_id: &str, texts: ErrorTexts) -> Response {
    let wire = wire(error, request_id, texts);
    if path.starts_with("/oidc/") && path.ends_with("/v1/authorize") {
        return refusal_page(wire.status, &wire.text(), request_id);
    }
    match error {
        ApiError::Injected(_) | ApiError::Unavailable | ApiError::Internal if path.starts_with("/oidc/") => {
            wire.render_oauth()
        }
        _ if path.contains("/scim/v2/") && speaks_scim(error) => wire.render_scim(scim_type(error)),
        _ => wire.render(),
    }
}

/// Failures of authentication and authorization, and our defects, keep the REST envelope also under SCIM
/// paths (research/api-identity-auth.md §7.7).
fn speaks_scim(error: &ApiError) -> bool {
    let denial = match error {
        ApiError::Denied(denial) => denial,
        // Without a code it is from the edge.
        ApiError::Injected(effect) => return effect.error_code.is_some(),
        ApiError::Unavailable => return true,
        ApiError::Internal => return false,
    };
    !matches!(
        denial,
        Denial::NoCredential
            | Denial::InvalidAccessToken
            | Denial::InvalidAccessToOrg(_)
            | Denial::TokensDisabled
            | Denial::NoTokenPermission
            | Denial::MissingScope(_)
            | Denial::NotAdmin(_)
            | Denial::NotAccountAdmin(_)
            | Denial::AccountNeedsOauth
            | Denial::RepeatedHeader(_)
            | Denial::EndpointNotFound { .. }
            | Denial::NotOnAccountHost { .. }
            | Denial::SqlNotEmulated
            | Denial::NotInTier(_)
            | Denial::MissingOauthScope(_)
    )
}

/// Conflicts have none: the Go SDK would put it before the text, and Terraform not know it again.
fn scim_type(error: &ApiError) -> Option<&'static str> {
    let ApiError::Denied(denial) = error else { return None };
    match denial {
        Denial::Scim(fault, _) => Some(fault.as_str()),
        Denial::MalformedRequest(_) => Some(Fault::InvalidSyntax.as_str()),
        Denial::InvalidParameter(_) => Some(Fault::InvalidValue.as_str()),
        _ => None,
    }
}

impl Wire {
    /// The text of the body.
    pub fn text(&self) -> Cow<'_, str> {
        match &self.request_id {
            Some(id) => format!("{} [ReqId: {id}]", self.message).into(),
            None => Cow::Borrowed(&self.message),
        }
    }

    /// The answer in the envelope of SCIM. The status is a text: with a number, the Go SDK does not
    /// read it (research/api-identity-auth.md §7.7).
    fn render_scim(&self, scim_type: Option<&'static str>) -> Response {
        // What SCIM passes on of other services keeps its code in the text (databricks-sdk-go#721).
        let detail = match &self.code {
            Code::Chosen(code) => format!("{code}: {}", self.text()),
            _ => self.text().into_owned(),
        };
        let mut body = json!({
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"],
            "detail": detail,
            "status": self.status.as_str(),
        });
        if let (Some(object), Some(scim_type)) = (body.as_object_mut(), scim_type) {
            object.insert("scimType".into(), scim_type.into());
        }
        let mut response = Response::new(Body::from(body.to_string()));
        *response.status_mut() = self.status;
        self.add_headers(response.headers_mut());
        let content_type = HeaderValue::from_static("application/scim+json; charset=utf-8");
        response.headers_mut().insert(CONTENT_TYPE, content_type);
        response
    }

    /// What is not OAuth's own refusal in its envelope, whose codes are in small letters.
    fn render_oauth(&self) -> Response {
        let error = match &self.code {
            Code::Chosen(code) => code.to_ascii_lowercase(),
            Code::Named(name) if self.status == StatusCode::SERVICE_UNAVAILABLE => name.to_ascii_lowercase(),
            _ if self.status.is_server_error() => "server_error".to_owned(),
            _ => "invalid_request".to_owned(),
        };
        self.respond(&json!({ "error": error, "error_description": self.text() }))
    }

    /// The answer in the envelope of the REST APIs, or that of OAuth: compact JSON.
    fn render(&self) -> Response {
        let text = self.text();
        let mut body = match &self.code {
            Code::Numeric => json!({ "error_code": self.status.as_u16(), "message": text }),
            Code::Named(name) => json!({ "error_code": name, "message": text }),
            Code::Chosen(name) => json!({ "error_code": name, "message": text }),
            Code::OAuth(name) => json!({ "error": name, "error_description": text }),
        };
        if let (Some(details), Some(body)) = (&self.details, body.as_object_mut()) {
            body.insert("details".into(), details.clone());
        }
        if let (Some(id), Some(body)) = (&self.request_id_member, body.as_object_mut()) {
            body.insert("request_id".into(), id.as_str().into());
        }
        self.respond(&body)
    }

    fn respond(&self, body: &Value) -> Response {
        let mut response = Response::new(Body::from(body.to_string()));
        *response.status_mut() = self.status;
        self.add_headers(response.headers_mut());
        response
    }

    fn add_headers(&self, headers: &mut HeaderMap) {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
        if self.status == StatusCode::UNAUTHORIZED {
            let challenge = match &self.code {
                Code::OAuth(_) => "Basic realm=\"DatabricksRealm\"",
                Code::Numeric | Code::Named(_) | Code::Chosen(_) => "Bearer realm=\"DatabricksRealm\"",
            };
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        if matches!(self.code, Code::OAuth(_)) {
            headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        }
        if let Some(seconds) = self.retry_after {
            headers.insert(RETRY_AFTER, seconds.into());
        }
        if self.status == StatusCode::UNSUPPORTED_MEDIA_TYPE {
            headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        }
        for name in self.repeated_in {
            // A message that names what the client sent may hold bytes that no header takes.
            if let Ok(phrase) = HeaderValue::from_str(&self.message) {
                headers.insert(HeaderName::from_static(name), phrase);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Millis, PrincipalId, TokenId, WorkspaceId};

    /// One of each.
    fn all() -> Vec<Denial> {
        let id = || TokenId::from_text("0f");
        let endpoint = |known| Denial::EndpointNotFound { method: "GET".into(), path: "/api/2.0/x".into(), known };
        vec![
            Denial::NoCredential,
            Denial::InvalidAccessToken,
            Denial::InvalidAccessToOrg("12".into()),
            Denial::TokensDisabled,
            Denial::NoTokenPermission,
            Denial::MissingScope("authentication"),
            Denial::NotAdmin("u@example.com".into()),
            Denial::NotAccountAdmin("u@example.com".into()),
            Denial::AccountNeedsOauth,
            endpoint(PathKnowledge::Unknown),
            endpoint(PathKnowledge::RealApi("the clusters API")),
            endpoint(PathKnowledge::Methods(vec!["GET", "PATCH"])),
            endpoint(PathKnowledge::SpelledOtherwise("/api/2.0/token/list".into())),
            Denial::NotOnAccountHost { method: "GET".into(), path: "/api/2.0/token/list".into() },
            Denial::UnsupportedEncoding("gzip".into()),
            Denial::MalformedRequest("EOF at line 1 column 1".into()),
            Denial::BodyTooLarge,
            Denial::BodyTimeout,
            Denial::parameter("comment: too long"),
            Denial::InvalidTimeout(0),
            Denial::LifetimeAboveCap { lifetime_seconds: 63_072_001, cap_days: 730 },
            Denial::QuotaExceeded,
            Denial::TokenNotFound(id()),
            Denial::TokenToUpdateNotFound(id()),
            Denial::PrincipalNotFound(PrincipalId(7)),
            Denial::PrincipalNameNotFound("GroupName", "nobody".into()),
            Denial::NotInTier(Feature::TokenManagement),
            Denial::NotInTier(Feature::TokenPermissions),
            Denial::NotInTier(Feature::TokenLifetime),
            Denial::InvalidConfKeys(vec!["k1".into(), "k\"2".into()]),
            Denial::InvalidConfValues(vec![("enableGp3".into(), Some(String::new())), ("enableDcs".into(), None)]),
            Denial::OnBehalfOfDisabled,
            Denial::ServicePrincipalMayNotUseTokens("app".into()),
            Denial::RestrictedAdmin("app".into()),
            Denial::NoTokensYet,
            Denial::StaleEtag("newest".into()),
            Denial::WorkspaceNotFound(WorkspaceId(12)),
            Denial::WorkspaceExists(WorkspaceId(12)),
            Denial::DefaultWorkspaceStays,
            Denial::CheckpointNotFound("before".into()),
            Denial::FaultNotFound("7".into()),
            Denial::TimeGoesForward { now: Millis(2), wanted: Millis(1) },
            Denial::NothingComes("token.expired".into()),
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
            Denial::MissingOauthScope("authentication"),
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
            let wire = wire(&error, "REQ", texts);
            format!("{} {:?} {}", wire.status.as_u16(), wire.code, wire.text())
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
            assert!(wire(&denial.clone().into(), "REQ", ErrorTexts::Of2026).status.is_client_error(), "{denial:?}");
        }
    }

    #[test]
    fn only_the_sql_drivers_endpoint_says_501() {
        let response = render(&Denial::SqlNotEmulated.into(), "/sql/1.0/warehouses/1", "REQ", ErrorTexts::Of2026);
        assert_eq!(response.status(), 501);
        let [thrift, reason] = [THRIFT_MESSAGE, REASON_PHRASE].map(|name| response.headers().get(name).cloned());
        assert!(thrift.is_some() && thrift == reason, "{response:?}");
    }

    #[test]
    fn the_request_id_is_in_the_body_and_not_in_the_header() {
        let wire = wire(&Denial::InvalidAccessToken.into(), "REQ", ErrorTexts::Of2026);
        assert_eq!(wire.text(), "Invalid access token. [ReqId: REQ]");
        assert_eq!(wire.render().headers().get(REASON_PHRASE).unwrap(), "Invalid access token.");
    }
}
