//! Stands before every handler: runs the ordered checks, lets armed faults have their effect, and calls the handler or
//! refuses. What the checks ask is decided in `domain::authorize`. Start reading at [`authorize`].

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::extract::{Request, State};
use axum::http::header::DATE;
use axum::http::{HeaderValue, Method, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tokio::time::{sleep, timeout};

use super::context::{Outcome, RequestContext, Verdict};
use super::credential::{Credentials, ORG_ID};
use super::error::{ApiError, wire};
use super::faults::{self, ArmedFaults};
use super::route::{Role, Route};
use super::{App, catalogue, redaction};
use crate::domain::audit::{Action, Origin};
use crate::domain::authorize::{Caller, Decision, Demand, PresentedCredential, Right};
use crate::domain::denial::RequestDenial;
use crate::domain::faults::When;
use crate::domain::oauth::Refusal;
use crate::domain::{Denial, Millis, WorkspaceId};
use crate::service::{Authorized, Error, Refused, StoreError};

/// How long the checks may take, and then what the request is for. Faults that delay a request are not counted.
const LIMIT: Duration = Duration::from_secs(20);

/// Lets a request through to its handler once all checks have passed. See docs/reference/wire.md.
pub async fn authorize(
    State((app, route)): State<(App, Option<&'static Route>)>,
    Extension(context): Extension<RequestContext>,
    request: Request,
    next: Next,
) -> Response {
    // The account's host does not know the API of workspaces, whoever asks.
    if context.host.is_account() && route.is_some_and(|route| !route.is_on_account_host) {
        let (method, path) = (request.method().to_string(), request.uri().path().to_owned());
        let refusal = RequestDenial::NotOnAccountHost { method, path };
        let answered = Box::pin(check(&app, None, context, request, Handler::Refusal(refusal))).await;
        return answered.unwrap_or_else(|error| ApiError::from(error).into_response());
    }
    let role = route.map_or(Role::Api, |route| route.role);
    let answered = match (role, route, context.credentials.repeated) {
        (Role::Health, ..) => Ok(answer_in_time(next, request).await),
        (Role::OAuthEndpoint, _, Some(name)) => {
            let refusal = Refusal::InvalidRequest(format!("{name} is sent twice"));
            Ok(unchecked(ApiError::from(Denial::OAuth(refusal)).into_response(), route, context.origin))
        }
        (_, _, Some(name)) => {
            let refusal = ApiError::from(RequestDenial::RepeatedHeader(name));
            Ok(unchecked(refusal.into_response(), route, context.origin))
        }
        (Role::Discovery, ..) => Ok(unchecked(answer_in_time(next, request).await, route, context.origin)),
        (Role::OAuthEndpoint, Some(route), _) => at_oauth_endpoint(&app, route, context, request, next).await,
        (Role::Api | Role::OAuthEndpoint, ..) => {
            Box::pin(check(&app, route, context, request, Handler::OfPath(next))).await
        }
    };
    answered.unwrap_or_else(|error| ApiError::from(error).into_response())
}

/// The answer to a request for which no check ran, for the journal.
fn unchecked(mut response: Response, route: Option<&'static Route>, origin: Arc<Origin>) -> Response {
    Outcome::of_mut(&mut response).verdict = Some(Arc::new(Verdict::unchecked(route, origin)));
    response
}

/// Answers at an OAuth endpoint, which is open: the faults are those of the workspace that the request names, else of
/// the default one; the principal that they match is the client.
async fn at_oauth_endpoint(
    app: &App,
    route: &'static Route,
    context: RequestContext,
    request: Request,
    next: Next,
) -> Result<Response, Error> {
    let origin = context.origin.clone();
    let workspace = app.service.answering_workspace(&context.credentials.workspace).await?;
    let (client, secrets) = client_and_secrets(&context);
    let mut armed = ArmedFaults::default();
    if let Some(workspace) = workspace.as_ref().filter(|workspace| workspace.has_faults) {
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let described =
            faults::described(method.as_str(), &path, client.as_deref(), &PresentedCredential::Nothing, &origin);
        armed = ArmedFaults::at(app, workspace.id, &described).await?;
        sleep(armed.delay(When::Before)).await;
    }
    let response = match armed.answer(When::Before) {
        Some(response) => response,
        None => answer_in_time(next, request).await,
    };
    let mut response = armed.end(response).await;
    if Outcome::error_of(&response).is_some() {
        for secret in secrets {
            app.service.check_real_credential(&secret, &origin).await?;
        }
    }
    Outcome::of_mut(&mut response).verdict = Some(Arc::new(Verdict {
        incarnation: workspace.as_ref().map_or(0, |workspace| workspace.incarnation),
        workspace: workspace.map(|workspace| workspace.id),
        owner: client.as_deref().map(redaction::line),
        faults: armed.0,
        ..Verdict::unchecked(Some(route), origin)
    }));
    Ok(response)
}

/// The client that asks for an access token, whether it exists or not, and everything that may be its secret.
fn client_and_secrets(context: &RequestContext) -> (Option<String>, Vec<String>) {
    let body = context.body.as_ref().map_or(&[][..], |body| body);
    let form: Vec<_> = form_urlencoded::parse(body).into_owned().collect();
    let in_form = form.iter().find(|(key, _)| key == "client_id").map(|(_, client)| client.clone());
    let basic = context.credentials.basic.clone();
    let client = basic.as_ref().map(|(client, _)| client.clone()).or(in_form);
    let secrets = basic.into_iter().chain(form).map(|(_, value)| value).collect();
    (client, secrets)
}

/// Gives up work that takes too long, so that no request waits for ever. What the work began is undone.
async fn in_time<T>(limit: Duration, work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    timeout(limit, work).await.unwrap_or(Err(Error::Store(StoreError::TimedOut)))
}

/// Lets the handler answer, in time.
async fn answer_in_time(next: Next, request: Request) -> Response {
    let late = |_| ApiError::from(Error::Store(StoreError::TimedOut)).into_response();
    timeout(LIMIT, next.run(request)).await.unwrap_or_else(late)
}

/// What answers a request that has passed the checks.
enum Handler {
    /// The handler of the path, or the one that says that the path has no route.
    OfPath(Next),
    /// The refusal of a path that this host does not have.
    Refusal(RequestDenial),
}

/// Runs the checks, and answers as they decide.
async fn check(
    app: &App,
    route: Option<&'static Route>,
    context: RequestContext,
    request: Request,
    handler: Handler,
) -> Result<Response, Error> {
    let credentials = context.credentials.clone();
    let demand = route.map_or(Demand::UNROUTED, |route| route.demand);
    let Credentials { presented, workspace: named, .. } = &*credentials;
    let mut authorized = in_time(LIMIT, app.service.authorize(presented, named, demand, &context.origin)).await?;
    let mut armed = ArmedFaults::default();
    if let Some(workspace) = authorized.faults_of {
        let owner = authorized.decision.owner.as_deref();
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let described = faults::described(method.as_str(), &path, owner, presented, &context.origin);
        armed = ArmedFaults::at(app, workspace, &described).await?;
        let delay = armed.delay(When::Before);
        if !delay.is_zero() {
            // A reset does not wait for the delay, so the checks have to run again.
            drop(authorized);
            sleep(delay).await;
            authorized = in_time(LIMIT, app.service.authorize(presented, named, demand, &context.origin)).await?;
        }
    }
    // The in-flight guard is held until the request has its answer.
    let Authorized { decision, in_flight, origin, incarnation, decoy_of, .. } = authorized;
    let Decision { trace, outcome, workspace, now, owner, parties, .. } = decision;
    let presented = match &outcome {
        Ok(_) => presented.clone(),
        Err(_) => without_suspect(app, &credentials, decoy_of, &origin).await?,
    };
    let credential = credentials.kind;
    let context = RequestContext { origin: origin.clone(), ..context };
    let faults = armed.0.clone();
    let verdict =
        Verdict { route, presented, credential, workspace, incarnation, now, owner, trace, parties, origin, faults };
    let presented = &verdict.presented;
    armed.revoke(app, When::Before, workspace, presented).await?;
    let response = match (armed.answer(When::Before), outcome) {
        (Some(response), _) => response,
        (None, Ok(mut caller)) => {
            armed.slow_down(&mut caller);
            call(handler, context, caller, request).await
        }
        (None, Err(denial)) => ApiError::from(denial).into_response(),
    };
    if let Some(ApiError::Denied(denial)) = Outcome::error_of(&response) {
        record_refusal(app, &verdict, denial).await?;
    }
    armed.revoke(app, When::After, workspace, presented).await?;
    drop(in_flight);
    let mut response = armed.end(response).await;
    Outcome::of_mut(&mut response).verdict = Some(Arc::new(verdict));
    Ok(response)
}

/// The handler's answer to a caller that may call it, with the headers of the caller's workspace.
async fn call(handler: Handler, context: RequestContext, caller: Caller, mut request: Request) -> Response {
    let (workspace, now) = (caller.workspace.id, caller.now);
    let mut response = match handler {
        Handler::OfPath(next) => {
            request.extensions_mut().insert(RequestContext { caller: Some(Arc::new(caller)), ..context });
            answer_in_time(next, request).await
        }
        Handler::Refusal(denial) => ApiError::from(denial).into_response(),
    };
    response.headers_mut().insert(ORG_ID, HeaderValue::from(workspace.0));
    // On the workspace's clock, so that clients see one time in headers and bodies.
    if let Some(date) = http_date(now) {
        response.headers_mut().insert(DATE, date);
    }
    response
}

/// What was presented, as far as it may be kept: not even a hash of a suspected real credential may be. The use of a
/// decoy is recorded.
async fn without_suspect(
    app: &App,
    credentials: &Credentials,
    decoy_of: Option<WorkspaceId>,
    origin: &Origin,
) -> Result<PresentedCredential, Error> {
    let presented = credentials.presented.clone();
    if let (Some(workspace), PresentedCredential::Token(id)) = (decoy_of, &presented) {
        app.service.record_decoy_use(workspace, id, origin).await?;
        return Ok(presented);
    }
    let Some(secret) = credentials.secret() else { return Ok(presented) };
    let is_suspect = app.service.check_real_credential(secret, origin).await?;
    Ok(if is_suspect && presented != PresentedCredential::Nothing { PresentedCredential::Malformed } else { presented })
}

/// Records in the audit log a failed authentication, or a refused action of those that the audit log records.
async fn record_refusal(app: &App, verdict: &Verdict, denial: &Denial) -> Result<(), Error> {
    let Some(workspace) = verdict.workspace else { return Ok(()) };
    let is_login = verdict.refused_by().is_some_and(|step| step.check.is_of_credential());
    let owner = verdict.owner.as_deref();
    let mut actions = Vec::new();
    if let (PresentedCredential::Token(id), true) = (&verdict.presented, is_login) {
        actions.push(Action::token_login(owner, id));
    } else {
        let audited = verdict.route.and_then(|route| route.audit);
        actions.extend(audited.map(|(service, name)| Action::refused(service, name)));
        if *denial == Denial::QuotaExceeded {
            actions.push(Action::reach_quota());
        }
    }
    let wire = wire(&denial.clone().into(), app.service.error_texts());
    let account_level = verdict.demand().right == Right::AccountApi;
    // The message repeats what was sent, which may be a secret in the place of an id, or what no database takes.
    let message = redaction::line(&wire.message).replace('\0', "\u{fffd}");
    let (origin, status) = (&verdict.origin, wire.status.as_u16());
    let refused = Refused { actor: owner, origin, status, message: &message, account_level };
    app.service.record_refusals(workspace, actions, refused).await
}

/// Answers an authenticated request to a path that has no route.
pub async fn not_found(method: Method, uri: Uri) -> ApiError {
    let path = uri.path();
    if catalogue::is_for_sql_drivers(path) {
        return RequestDenial::SqlNotEmulated.into();
    }
    let (method, path, known) = (method.to_string(), path.to_owned(), catalogue::knowledge_of(path));
    RequestDenial::EndpointNotFound { method, path, known }.into()
}

fn http_date(now: Millis) -> Option<HeaderValue> {
    let at = chrono::DateTime::from_timestamp_millis(now.0)?;
    HeaderValue::from_str(&at.format("%a, %d %b %Y %H:%M:%S GMT").to_string()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::settings::ErrorTexts;

    #[tokio::test]
    async fn what_takes_too_long_is_given_up_and_may_be_tried_again() {
        let never = std::future::pending::<Result<(), Error>>();
        let given_up = in_time(Duration::from_millis(1), never).await.unwrap_err();
        assert_eq!(wire(&given_up.into(), ErrorTexts::default()).status, 503);
        assert!(in_time(LIMIT, async { Ok(()) }).await.is_ok());
    }
}
