//! `/oidc/v1/authorize` and its twin of the account: the page that asks a person who they are, and the redirection back
//! to the client. See docs/reference/identity-and-oauth.md#sign-in.

use axum::extract::{Extension, State};
use axum::http::header::RETRY_AFTER;
use axum::http::request::Parts;
use axum::http::{Extensions, HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use maud::html;

use crate::domain::oauth::Refusal;
use crate::domain::sign_ins::{
    AuthorizationError, AuthorizationRequest, PendingSignIn, ReturnAddress, SignInTarget, Ticket,
};
use crate::domain::{Denial, PrincipalId};
use crate::http::App;
use crate::http::context::RequestContext;
use crate::http::error::{ApiError, oauth};
use crate::http::extract::Parameters;
use crate::http::oauth::oidc::Server;
use crate::service::{Error, KeyVerdict, Seal};
use crate::web::access::SignInPolicy;
use crate::web::browser::is_foreign;
use crate::web::page::{self, Page, PeopleChoice, Search, key_form};

/// The seal of forms: a form is not valid after the control key changed.
pub fn seal(policy: &SignInPolicy) -> Seal {
    policy.key().copied().unwrap_or_default()
}

pub fn too_many_wrong_keys(seconds: u32) -> String {
    format!("Too many wrong control keys came from this address: try again in {seconds} seconds.")
}

pub async fn authorize(
    State(app): State<App>,
    server: Server,
    parameters: Parameters,
    Extension(RequestContext { origin, .. }): Extension<RequestContext>,
    parts: Parts,
) -> Result<Response, ApiError> {
    let request = match AuthorizationRequest::read(parameters.pairs()) {
        Ok(request) => request,
        Err(AuthorizationError::ShowToPerson(refusal)) => return Err(Denial::from(refusal).into()),
        Err(AuthorizationError::RedirectToClient(back, refusal)) => return Ok(refuse(&back, &refusal, &server)),
    };
    let back = request.back.clone();
    let place = match app.sign_in.check(&parts.headers, &parts.extensions) {
        Ok(()) => app.service.sign_in_place(&server.issuer).await,
        Err(why) => Err(denied(&why).into()),
    };
    let place = match place {
        Ok(place) => place,
        Err(Error::Denied(Denial::OAuth(refusal))) => return Ok(refuse(&back, &refusal, &server)),
        Err(error) => return Err(error.into()),
    };
    let hint = parameters.get("login_hint");
    // HEAD must not sign anybody in.
    if let SignInPolicy::Open(at_once) = &app.sign_in
        && parts.method != Method::HEAD
        && let Some(name) = hint.or(at_once.as_deref())
    {
        match app.service.sign_in_as(&place, request.clone(), name, &origin).await? {
            Some(code) => return Ok(send_back(&back, &code, &server)),
            // There may be nobody to choose another user.
            None if hint.is_none() => {
                let text = format!("{name} (--sign-in-as) is not an active user here");
                return Ok(refuse(&back, &Refusal::AccessDenied(text), &server));
            }
            None => {}
        }
    }
    let notice = hint.filter(|_| matches!(app.sign_in, SignInPolicy::Open(_)));
    let notice = notice.map(|name| format!("{name} is not an active user here."));
    let pending = app.service.begin_sign_in(&place, request);
    let question = Question { place: &place, pending: &pending, notice };
    question.page(&app, StatusCode::OK, parameters.get("q").unwrap_or_default()).await
}

/// Takes the page's form.
pub async fn choose(
    State(app): State<App>,
    server: Server,
    headers: HeaderMap,
    extensions: Extensions,
    Extension(context): Extension<RequestContext>,
) -> Result<Response, ApiError> {
    if is_foreign(&headers) {
        return Err(denied("Cross-site request rejected").into());
    }
    app.sign_in.check(&headers, &extensions).map_err(|why| denied(&why))?;
    let RequestContext { origin, connection, body, .. } = context;
    let body = body?;
    let field = |name: &str| form_urlencoded::parse(&body).find(|(key, _)| key == name).map(|(_, value)| value);
    let ticket = field("ticket").unwrap_or_default();
    let (mut pending, place) = app.service.pending_sign_in(&server.issuer, &ticket, seal(&app.sign_in)).await?;
    if let Some(key) = app.sign_in.key()
        && !pending.admitted
    {
        let typed = field("control_key").unwrap_or_default();
        let (status, notice, wait) = match app.service.key_guesses().check(connection.peer, &typed, key) {
            KeyVerdict::Right => (StatusCode::OK, None, None),
            KeyVerdict::Wrong => (StatusCode::FORBIDDEN, Some("Wrong control key: try again.".to_owned()), None),
            KeyVerdict::Wait(seconds) => {
                (StatusCode::TOO_MANY_REQUESTS, Some(too_many_wrong_keys(seconds)), Some(seconds))
            }
        };
        if notice.is_some() {
            tracing::info!("refused to sign anybody in: a wrong control key");
            let question = Question { place: &place, pending: &pending, notice };
            let mut response = question.page(&app, status, "").await?;
            response.headers_mut().extend(wait.map(|seconds| (RETRY_AFTER, seconds.into())));
            return Ok(response);
        }
        pending.admitted = true;
    }
    let user = field("user");
    if app.sign_in.key().is_some() && user.is_none() {
        let question = Question { place: &place, pending: &pending, notice: None };
        return question.page(&app, StatusCode::OK, &field("q").unwrap_or_default()).await;
    }
    let person = user.and_then(|id| PrincipalId::parse(&id)).ok_or_else(|| denied("No user was chosen"))?;
    let (code, back) = app.service.approve_sign_in(&place, pending, person, &origin).await?;
    Ok(send_back(&back, &code, &server))
}

fn denied(text: &str) -> Denial {
    Refusal::AccessDenied(text.into()).into()
}

fn send_back(back: &ReturnAddress, code: &Ticket, server: &Server) -> Response {
    redirect(&back.url(&[("code", &code.reveal())], &server.url))
}

fn refuse(back: &ReturnAddress, refusal: &Refusal, server: &Server) -> Response {
    let (_, error, description) = oauth(refusal);
    tracing::info!("refused to sign anybody in: {description}");
    redirect(&back.url(&[("error", error), ("error_description", &description)], &server.url))
}

/// With 302, because the CLI's own tests follow only 301 and 302. Browsers follow it with GET, also after a form.
fn redirect(url: &str) -> Response {
    page::redirect(StatusCode::FOUND, url).unwrap_or_else(|| ApiError::Internal.into_response())
}

/// The page that asks who the person is.
struct Question<'a> {
    place: &'a SignInTarget,
    pending: &'a PendingSignIn,
    notice: Option<String>,
}

impl Question<'_> {
    async fn page(self, app: &App, status: StatusCode, text: &str) -> Result<Response, ApiError> {
        let Self { place, pending, notice } = self;
        let request = &pending.request;
        let workspace = &place.workspace;
        let named = (!place.whole_account).then(|| workspace.id.to_string());
        let ticket = app.service.page_ticket(place, pending, seal(&app.sign_in)).await?;
        let hidden = [("ticket", ticket.as_str())];
        let shows_names = pending.admitted || app.sign_in.key().is_none();
        let form = if shows_names {
            let (people, more) = app.service.people(place, text).await?;
            let mut address = request.query();
            address.extend(named.as_deref().map(|id| ("o", id)));
            let search = if pending.admitted { Search::ByForm(&hidden) } else { Search::ByAddress(&address) };
            PeopleChoice { people: &people, more, text, search, choice: &hidden }.forms()
        } else {
            key_form(&hidden)
        };
        let content = html! {
            p {
                b { (request.client_id) } " asks to act for you in "
                @match &named {
                    Some(id) if shows_names => { "workspace " b { bdi { (workspace.name) } } " (" (id) ")" }
                    Some(id) => { "workspace " (id) }
                    None => { "account " (workspace.account) }
                }
                ". It asks for: " (request.scope) "."
            }
            @if let Some(notice) = &notice { p.notice role="alert" { (notice) } }
            (form)
        };
        let leads_to = Some(request.back.origin());
        Ok(Page { status, leads_to, ..Page::new("Who are you?", content) }.respond())
    }
}
