//! Stands before every handler: runs the ordered checks, hands the caller on, or refuses.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::extract::{Request, State};
use axum::http::header::DATE;
use axum::http::{HeaderMap, HeaderValue, Method, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tokio::time::timeout;

use super::error::{ApiError, wire};
use super::faults::{self, ArmedFaults};
use super::host::AskedHost;
use super::routes::Route;
use super::{App, catalogue, credential, redaction};
use crate::domain::audit::{Action, Origin};
use crate::domain::authorize::{Decision, Demand, Parties, PresentedCredential, Right, Step};
use crate::domain::faults::When;
use crate::domain::journal::CredentialKind;
use crate::domain::oauth::Refusal;
use crate::domain::{Denial, Millis, WorkspaceId};
use crate::http::layers::RequestOrigin;
use crate::service::{Authorized, Error, Refused, StoreError};

/// How long the checks may take, and then what the request is for. Faults that delay a request are not counted.
const LIMIT: Duration = Duration::from_secs(20);

/// What was decided about a request; goes with the answer to [`finish`](crate::http::layers::finish).
#[derive(Clone, Debug)]
pub struct Decided {
    /// The route, if the path has one.
    pub route: Option<&'static Route>,
    /// What was shown as credential.
    pub presented: PresentedCredential,
    /// Of what kind that is.
    pub credential: CredentialKind,
    /// The workspace that answers.
    pub workspace: Option<WorkspaceId>,
    /// Which one that is, of all that had its id.
    pub incarnation: i64,
    /// What its clock showed.
    pub now: Option<Millis>,
    /// The owner of the credential, where it is known.
    pub owner: Option<String>,
    /// The checks that ran.
    pub trace: Vec<Step>,
    /// Whom and what they were about.
    pub parties: Parties,
    /// Where the request came from, with the id that it has once its workspace is known.
    pub origin: Arc<Origin>,
    /// The faults that fired.
    pub met: ArmedFaults,
}

impl Decided {
    /// About an open route, or a request that comes to no check.
    pub fn open(route: impl Into<Option<&'static Route>>, workspace: Option<WorkspaceId>, origin: Arc<Origin>) -> Self {
        Self {
            route: route.into(),
            presented: PresentedCredential::Nothing,
            credential: CredentialKind::None,
            workspace,
            incarnation: 0,
            now: None,
            owner: None,
            trace: Vec::new(),
            parties: Parties::default(),
            origin,
            met: ArmedFaults::default(),
        }
    }

    /// What the path demands.
    pub fn demand(&self) -> Demand {
        self.route.map_or(Demand::UNROUTED, |route| route.demand)
    }

    /// The check that refused, if one did.
    pub fn refused_by(&self) -> Option<&Step> {
        self.trace.last().filter(|step| !step.passed)
    }
}

/// Lets a request through to its handler once all checks of spec §4 have passed.
pub async fn authorize(
    State((app, route)): State<(App, Option<&'static Route>)>,
    Extension(RequestOrigin(origin)): Extension<RequestOrigin>,
    request: Request,
    next: Next,
) -> Response {
    // The account's host does not know the API of workspaces, whoever asks.
    let is_elsewhere = AskedHost::of(request.headers(), request.extensions()).is_account()
        && route.is_some_and(|route| !route.is_on_account_host());
    if is_elsewhere {
        let answered = check(&app, None, Demand::UNROUTED, &origin, request, Behind::OtherHost).await;
        return answered.unwrap_or_else(|error| ApiError::from(error).into_response());
    }
    let demand = route.map_or(Demand::UNROUTED, |route| route.demand);
    let repeated = credential::repeated(request.headers()).filter(|_| !route.is_some_and(Route::is_of_health));
    if let Some(name) = repeated {
        let denial = match route {
            Some(route) if route.is_oauth_endpoint() => Refusal::InvalidRequest(format!("{name} is sent twice")).into(),
            _ => Denial::RepeatedHeader(name),
        };
        let mut response = ApiError::from(denial).into_response();
        response.extensions_mut().insert(Arc::new(Decided::open(route, None, origin)));
        return response;
    }
    let answered = match route {
        _ if demand.right != Right::Open => check(&app, route, demand, &origin, request, Behind::Handler(next)).await,
        Some(route) if route.is_oauth_endpoint() => faults::at_oauth_endpoint(&app, route, origin, request, next).await,
        Some(route) if !route.is_of_health() => {
            let mut response = answer_in_time(next, request).await;
            response.extensions_mut().insert(Arc::new(Decided::open(route, None, origin)));
            Ok(response)
        }
        _ => Ok(answer_in_time(next, request).await),
    };
    answered.unwrap_or_else(|error| ApiError::from(error).into_response())
}

/// Gives up what takes too long, so that no request waits for ever; what it began is undone.
async fn in_time<T>(limit: Duration, work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    timeout(limit, work).await.unwrap_or(Err(Error::Store(StoreError::TimedOut)))
}

/// Lets the handler answer, in time.
pub(super) async fn answer_in_time(next: Next, request: Request) -> Response {
    let answered = in_time(LIMIT, async { Ok(next.run(request).await) }).await;
    answered.unwrap_or_else(|error| ApiError::from(error).into_response())
}

/// What answers a request that has passed the checks.
enum Behind {
    /// The handler of the path, or what says that there is none.
    Handler(Next),
    /// Nothing on this host: the path is known on workspaces' hosts.
    OtherHost,
}

impl Behind {
    async fn answer(self, request: Request) -> Response {
        match self {
            Self::Handler(next) => answer_in_time(next, request).await,
            Self::OtherHost => {
                let (method, path) = (request.method().to_string(), request.uri().path().to_owned());
                ApiError::from(Denial::NotOnAccountHost { method, path }).into_response()
            }
        }
    }
}

/// Runs the checks and lets the request meet its workspace's faults.
async fn check(
    app: &App,
    route: Option<&'static Route>,
    demand: Demand,
    origin: &Arc<Origin>,
    request: Request,
    behind: Behind,
) -> Result<Response, Error> {
    let presented = credential::presented(request.headers());
    let named = credential::named_workspace(request.headers(), request.uri());
    let mut authorized = in_time(LIMIT, app.service.authorize(&presented, &named, demand, origin)).await?;
    let mut met = ArmedFaults::default();
    if let Some(workspace) = authorized.faults_of {
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let owner = authorized.decision.owner.as_deref();
        let asked = faults::described(method.as_str(), &path, owner, &presented, origin);
        met = ArmedFaults::at(app, workspace, &asked).await?;
        let delay = met.delay(When::Before);
        if !delay.is_zero() {
            // A reset does not wait for it, so the checks have to look again.
            drop(authorized);
            tokio::time::sleep(delay).await;
            authorized = in_time(LIMIT, app.service.authorize(&presented, &named, demand, origin)).await?;
        }
    }
    pass(app, route, presented, authorized, met, request, behind).await
}

/// Answers a request about which the checks have decided.
async fn pass(
    app: &App,
    route: Option<&'static Route>,
    presented: PresentedCredential,
    authorized: Authorized,
    met: ArmedFaults,
    mut request: Request,
    behind: Behind,
) -> Result<Response, Error> {
    // Held until the request has its answer.
    let Authorized { decision, inside, origin, incarnation, decoy_of, .. } = authorized;
    request.extensions_mut().insert(RequestOrigin(origin.clone()));
    let Decision { trace, outcome, workspace, now, owner, parties, .. } = decision;
    let credential = credential::kind(request.headers(), &presented);
    let presented = if outcome.is_err() {
        without_strangers(app, request.headers(), presented, decoy_of, &origin).await?
    } else {
        presented
    };
    let decided =
        Decided { route, presented, credential, workspace, incarnation, now, owner, trace, parties, origin, met };
    let Decided { met, origin, presented, .. } = &decided;
    met.revoke(app, When::Before, workspace, presented).await?;
    let response = match (met.answer(When::Before), outcome) {
        (Some(response), _) => response,
        (None, Ok(mut caller)) => {
            met.slow_down(&mut caller);
            let (workspace, now) = (caller.workspace.id, caller.now);
            request.extensions_mut().insert(Arc::new(caller));
            let mut response = behind.answer(request).await;
            response.headers_mut().insert(credential::ORG_ID, HeaderValue::from(workspace.0));
            if let Some(date) = http_date(now) {
                response.headers_mut().insert(DATE, date);
            }
            response
        }
        (None, Err(denial)) => ApiError::from(denial).into_response(),
    };
    if let Some(ApiError::Denied(denial)) = response.extensions().get() {
        record_refusal(app, &decided, denial, origin).await?;
    }
    met.revoke(app, When::After, workspace, presented).await?;
    drop(inside);
    let mut response = met.end(response).await;
    response.extensions_mut().insert(Arc::new(decided));
    Ok(response)
}

/// What was presented, as far as it may be kept: of somebody's real credential not even a hash is. The use of a
/// decoy is recorded.
async fn without_strangers(
    app: &App,
    headers: &HeaderMap,
    presented: PresentedCredential,
    decoy_of: Option<WorkspaceId>,
    origin: &Origin,
) -> Result<PresentedCredential, Error> {
    if let (Some(workspace), PresentedCredential::Token(id)) = (decoy_of, &presented) {
        app.service.record_decoy_use(workspace, id, origin).await?;
        return Ok(presented);
    }
    let Some(secret) = credential::secret(headers) else { return Ok(presented) };
    let is_stranger = app.service.check_real_credential(&secret, origin).await?;
    Ok(if is_stranger && presented != PresentedCredential::Nothing {
        PresentedCredential::Malformed
    } else {
        presented
    })
}

/// Tells the audit log of a failed authentication, or of a refused action that it would tell of.
async fn record_refusal(app: &App, decided: &Decided, denial: &Denial, origin: &Origin) -> Result<(), Error> {
    let Some(workspace) = decided.workspace else { return Ok(()) };
    let login = decided.refused_by().is_some_and(|step| step.check.is_of_credential());
    let owner = decided.owner.as_deref();
    let mut actions = Vec::new();
    if let (PresentedCredential::Token(id), true) = (&decided.presented, login) {
        actions.push(Action::token_login(owner, id));
    } else {
        let audited = decided.route.and_then(Route::audited_as);
        actions.extend(audited.map(|(service, name)| Action::refused(service, name)));
        if *denial == Denial::QuotaExceeded {
            actions.push(Action::reach_quota());
        }
    }
    let wire = wire(&ApiError::Denied(denial.clone()), &origin.request_id, app.service.error_texts());
    let account_level = decided.demand().right == Right::AccountApi;
    // Somebody may have put a secret where an id belongs, or what no database takes, and the message
    // repeats it.
    let message = redaction::line(&wire.message).replace('\0', "\u{fffd}");
    let status = wire.status.as_u16();
    let refused = Refused { actor: owner, origin, status, message: &message, account_level };
    app.service.record_refusals(workspace, actions, refused).await
}

/// Any authenticated request to a path that has no route.
pub async fn not_found(method: Method, uri: Uri) -> ApiError {
    let path = uri.path();
    if catalogue::is_for_sql_drivers(path) {
        return Denial::SqlNotEmulated.into();
    }
    let (method, path, known) = (method.to_string(), path.to_owned(), catalogue::knowledge_of(path));
    Denial::EndpointNotFound { method, path, known }.into()
}

/// `Date` on the workspace's clock, so that clients see one time in headers and bodies.
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
        assert_eq!(wire(&given_up.into(), "", ErrorTexts::default()).status, 503);
        assert!(in_time(LIMIT, async { Ok(()) }).await.is_ok());
    }
}
