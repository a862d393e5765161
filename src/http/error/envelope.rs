//! The bodies that carry a refusal: REST, SCIM, OAuth, and a page for people. Each route says in its row which one
//! it has; what the refusal says is decided in the table. Start reading at [`render`].

use axum::body::Body;
use axum::http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE,
};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use maud::html;
use serde_json::{Value, json};

use super::{ApiError, Label, RequestIdIn, Wire, wire};
use crate::domain::Denial;
use crate::domain::denial::RequestDenial;
use crate::domain::scim::Fault;
use crate::domain::settings::ErrorTexts;
use crate::http::route::Envelope;
use crate::web::page::Page;

pub fn render(error: &ApiError, envelope: Envelope, request_id: &str, texts: ErrorTexts) -> Response {
    let wire = wire(error, texts);
    match (envelope, error) {
        (Envelope::Page, _) => refusal_page(&wire, request_id),
        (Envelope::OAuth, ApiError::Injected(_) | ApiError::Unavailable | ApiError::Internal) => {
            wire.render_oauth(request_id)
        }
        (Envelope::Scim, _) if speaks_scim(error) => wire.render_scim(scim_type(error), request_id),
        _ => wire.render_rest(request_id),
    }
}

fn refusal_page(wire: &Wire, request_id: &str) -> Response {
    let content = html! {
        p.notice role="alert" { (wire.text(request_id)) }
        p.soft { "Request " (request_id) }
    };
    Page { status: wire.status, ..Page::new("Nobody was signed in", content) }.respond()
}

/// Refusals of authentication and authorization, and our defects, keep the REST envelope also at SCIM's routes.
/// See docs/reference/scim.md.
fn speaks_scim(error: &ApiError) -> bool {
    match error {
        ApiError::Denied(Denial::Access(_)) | ApiError::Internal => false,
        ApiError::Denied(Denial::Request(denial)) => !matches!(
            denial,
            RequestDenial::RepeatedHeader(_)
                | RequestDenial::EndpointNotFound { .. }
                | RequestDenial::NotOnAccountHost { .. }
                | RequestDenial::SqlNotEmulated
        ),
        // Without a code it is from the edge.
        ApiError::Injected(effect) => effect.error_code.is_some(),
        ApiError::Denied(_) | ApiError::Unavailable => true,
    }
}

/// Conflicts have none: the Go SDK would put it before the text, which Terraform would then not recognize.
fn scim_type(error: &ApiError) -> Option<&'static str> {
    let ApiError::Denied(denial) = error else { return None };
    match denial {
        Denial::Scim(fault, _) => Some(fault.as_str()),
        Denial::Request(RequestDenial::MalformedBody(_)) => Some(Fault::InvalidSyntax.as_str()),
        Denial::InvalidParameter(_) => Some(Fault::InvalidValue.as_str()),
        _ => None,
    }
}

impl Wire {
    /// SCIM's status is a text: the Go SDK does not read a number.
    fn render_scim(&self, scim_type: Option<&'static str>, request_id: &str) -> Response {
        // What SCIM passes on of other services keeps its code in the text (databricks-sdk-go#721).
        let detail = match &self.label {
            Label::Chosen(code) => format!("{code}: {}", self.text(request_id)),
            _ => self.text(request_id).into_owned(),
        };
        let mut body = json!({
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"],
            "detail": detail,
            "status": self.status.as_str(),
        });
        if let (Some(object), Some(scim_type)) = (body.as_object_mut(), scim_type) {
            object.insert("scimType".into(), scim_type.into());
        }
        let mut response = self.respond(&body);
        let content_type = HeaderValue::from_static("application/scim+json; charset=utf-8");
        response.headers_mut().insert(CONTENT_TYPE, content_type);
        response
    }

    /// Errors that are not OAuth's own, in its envelope, whose codes are in small letters.
    fn render_oauth(&self, request_id: &str) -> Response {
        let error = match &self.label {
            Label::Chosen(code) => code.to_ascii_lowercase(),
            Label::Named(name) if self.status == StatusCode::SERVICE_UNAVAILABLE => name.to_ascii_lowercase(),
            _ if self.status.is_server_error() => "server_error".to_owned(),
            _ => "invalid_request".to_owned(),
        };
        self.respond(&json!({ "error": error, "error_description": self.text(request_id) }))
    }

    /// Also OAuth's own refusals, which bring their envelope with them.
    pub(super) fn render_rest(&self, request_id: &str) -> Response {
        let text = self.text(request_id);
        let mut body = match &self.label {
            Label::Numeric => json!({ "error_code": self.status.as_u16(), "message": text }),
            Label::Named(name) => json!({ "error_code": name, "message": text }),
            Label::Chosen(name) => json!({ "error_code": name, "message": text }),
            Label::OAuth(name) => json!({ "error": name, "error_description": text }),
        };
        if let (Some(details), Some(body)) = (&self.details, body.as_object_mut()) {
            body.insert("details".into(), details.clone());
        }
        if let (RequestIdIn::Member, Some(body)) = (self.request_id_in, body.as_object_mut()) {
            body.insert("request_id".into(), request_id.into());
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
        let is_oauth = matches!(self.label, Label::OAuth(_));
        if self.status == StatusCode::UNAUTHORIZED {
            let scheme = if is_oauth { "Basic realm=\"DatabricksRealm\"" } else { "Bearer realm=\"DatabricksRealm\"" };
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(scheme));
        }
        if is_oauth {
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
