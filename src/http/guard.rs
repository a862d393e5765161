//! Stands before every handler: runs the ordered checks, hands the caller on, or refuses.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::DATE;
use axum::http::{HeaderName, HeaderValue, Method, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::error::ApiError;
use super::{App, catalogue, credential};
use crate::domain::authorize::{Demand, Right};
use crate::domain::{Denial, Millis};

/// The header in which every answer names its workspace.
pub const ORG_ID: HeaderName = HeaderName::from_static("x-databricks-org-id");

/// Lets a request through to its handler once all checks of spec §4 have passed. A refusal carries
/// the deciding step as a response extension.
pub async fn authorize(State((app, demand)): State<(App, Demand)>, mut request: Request, next: Next) -> Response {
    if demand.right == Right::Open {
        return next.run(request).await;
    }
    let presented = credential::presented(request.headers());
    let named = credential::named_workspace(request.headers(), request.uri());
    let decision = match app.service.authorize(&presented, &named, demand).await {
        Ok(decision) => decision,
        Err(error) => return ApiError::from(error).into_response(),
    };
    match decision.outcome {
        Ok(caller) => {
            let (workspace, now) = (caller.workspace.id, caller.now);
            request.extensions_mut().insert(Arc::new(caller));
            let mut response = next.run(request).await;
            response.headers_mut().insert(ORG_ID, HeaderValue::from(workspace.0));
            if let Some(date) = http_date(now) {
                response.headers_mut().insert(DATE, date);
            }
            response
        }
        Err(denial) => {
            let mut response = ApiError::from(denial).into_response();
            if let Some(step) = decision.trace.into_iter().last() {
                response.extensions_mut().insert(step);
            }
            response
        }
    }
}

/// Any authenticated request to a path that has no route.
pub async fn not_found(method: Method, uri: Uri) -> ApiError {
    let path = uri.path().to_owned();
    Denial::EndpointNotFound { method: method.to_string(), family: catalogue::family_of(&path), path }.into()
}

/// `Date` on the workspace's clock, so that clients see one time in headers and bodies.
fn http_date(now: Millis) -> Option<HeaderValue> {
    let at = chrono::DateTime::from_timestamp_millis(now.0)?;
    HeaderValue::from_str(&at.format("%a, %d %b %Y %H:%M:%S GMT").to_string()).ok()
}
