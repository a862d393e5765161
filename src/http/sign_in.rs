//! `/oidc/v1/authorize` and its twin of the account: the page that asks a person who they are, and the
//! way back to the client (research/api-identity-auth.md §3.5).

use axum::extract::{Extension, State};
use axum::http::{Extensions, HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use maud::html;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::App;
use super::error::{ApiError, oauth};
use super::exchange::{Received, RequestOrigin};
use super::extract::Parameters;
use super::oidc::Server;
use crate::browser::{UNKNOWN_HOST, has_known_host, is_foreign};
use crate::domain::oauth::Refusal;
use crate::domain::sign_in::{AuthorizationRequest, Place, Rejected, ReturnAddress, Ticket};
use crate::domain::{Denial, PrincipalId};
use crate::page::{self, Page, PeopleChoice};
use crate::service::Error;

/// Who may sign in as whom.
#[derive(Clone, Debug)]
pub enum SignInPolicy {
    /// Whoever reaches the server chooses; this user is taken without a question.
    Open(Option<String>),
    /// Whoever knows the key of which this is the SHA-256: the server is shared.
    Key([u8; 32]),
    /// Nobody: the server is reachable from elsewhere and there is no key.
    Closed,
}

impl SignInPolicy {
    /// Whether anybody may be signed in by whoever sent this.
    ///
    /// # Errors
    /// Why not.
    pub fn admits(&self, headers: &HeaderMap, extensions: &Extensions) -> Result<(), Refusal> {
        let text = match self {
            Self::Closed => "The server is reachable from elsewhere: give it --control-key or --allow-open-control",
            // A page whose domain was pointed at this machine has that domain as host.
            Self::Open(_) if !has_known_host(headers, extensions) => UNKNOWN_HOST,
            Self::Open(_) | Self::Key(_) => return Ok(()),
        };
        Err(Refusal::AccessDenied(text.into()))
    }

    /// Whether what was typed as the control key is it, in constant time; where there is none, anything.
    pub fn takes(&self, typed: &str) -> bool {
        let typed: [u8; 32] = Sha256::digest(typed.as_bytes()).into();
        match self {
            Self::Open(_) => true,
            Self::Key(key) => typed.ct_eq(key).into(),
            Self::Closed => false,
        }
    }
}

/// `GET …/authorize`
pub async fn authorize(
    State(app): State<App>,
    server: Server,
    parameters: Parameters,
    headers: HeaderMap,
    extensions: Extensions,
    Extension(RequestOrigin(origin)): Extension<RequestOrigin>,
) -> Result<Response, ApiError> {
    let request = match AuthorizationRequest::read(parameters.pairs()) {
        Ok(request) => request,
        Err(Rejected::Here(refusal)) => return Err(Denial::from(refusal).into()),
        Err(Rejected::Back(back, refusal)) => return Ok(refuse(&back, &refusal, &server)),
    };
    let back = request.back.clone();
    let place = match app.sign_in.admits(&headers, &extensions) {
        Ok(()) => app.service.sign_in_place(&server.issuer).await,
        Err(refusal) => Err(Denial::from(refusal).into()),
    };
    let place = match place {
        Ok(place) => place,
        Err(Error::Denied(Denial::OAuth(refusal))) => return Ok(refuse(&back, &refusal, &server)),
        Err(error) => return Err(error.into()),
    };
    let hint = parameters.get("login_hint");
    if let SignInPolicy::Open(at_once) = &app.sign_in
        && let Some(name) = hint.or(at_once.as_deref())
    {
        match app.service.sign_in_as(&place, request.clone(), name, &origin).await? {
            Some(code) => return Ok(send_back(&back, &code, &server)),
            // Nobody may be there to choose another one.
            None if hint.is_none() => {
                let text = format!("{name} (--sign-in-as) is not an active user here");
                return Ok(refuse(&back, &Refusal::AccessDenied(text), &server));
            }
            None => {}
        }
    }
    let notice = hint.filter(|_| matches!(app.sign_in, SignInPolicy::Open(_)));
    let notice = notice.map(|name| format!("{name} is not an active user here."));
    let ticket = app.service.ask_who(&place, request.clone()).await?;
    let question = Question { place: &place, request: &request, ticket: &ticket, notice };
    question.page(&app, StatusCode::OK, parameters.get("q").unwrap_or_default()).await
}

/// `POST …/authorize`: the page's form.
pub async fn choose(
    State(app): State<App>,
    server: Server,
    headers: HeaderMap,
    extensions: Extensions,
    Extension(RequestOrigin(origin)): Extension<RequestOrigin>,
    Extension(Received(body)): Extension<Received>,
) -> Result<Response, ApiError> {
    if is_foreign(&headers) {
        return Err(denied("The form is another site's").into());
    }
    app.sign_in.admits(&headers, &extensions).map_err(Denial::from)?;
    let body = body?;
    let field = |name: &str| form_urlencoded::parse(&body).find(|(key, _)| key == name).map(|(_, value)| value);
    let ticket = field("ticket").unwrap_or_default();
    let (ticket, place, request) = app.service.asked(&server.issuer, &ticket).await?;
    if !app.sign_in.takes(&field("control_key").unwrap_or_default()) {
        tracing::info!("refused to sign anybody in: a wrong control key");
        let notice = Some("This is not the control key.".to_owned());
        let question = Question { place: &place, request: &request, ticket: &ticket, notice };
        return question.page(&app, StatusCode::FORBIDDEN, "").await;
    }
    let person = field("user").and_then(|id| PrincipalId::parse(&id)).ok_or_else(|| denied("No user was chosen"))?;
    let (code, back) = app.service.choose(&place, &ticket, person, &origin).await?;
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

/// 302: the CLI's own tests follow it and 301 only. Browsers go on with GET after a form, too.
fn redirect(url: &str) -> Response {
    page::redirect(StatusCode::FOUND, url).unwrap_or_else(|| ApiError::Internal.into_response())
}

/// The page's question: who are you?
struct Question<'a> {
    place: &'a Place,
    request: &'a AuthorizationRequest,
    ticket: &'a Ticket,
    notice: Option<String>,
}

impl Question<'_> {
    async fn page(self, app: &App, status: StatusCode, text: &str) -> Result<Response, ApiError> {
        let (people, found) = app.service.people(self.place, text).await?;
        let workspace = &self.place.workspace;
        let named = (!self.place.whole_account).then(|| workspace.id.to_string());
        let mut search = self.request.query();
        search.extend(named.as_deref().map(|id| ("o", id)));
        let ticket = self.ticket.reveal();
        let choice = PeopleChoice {
            people: &people,
            found,
            text,
            asks_key: matches!(app.sign_in, SignInPolicy::Key(_)),
            search: &search,
            choice: &[("ticket", &ticket)],
        };
        let content = html! {
            p {
                b { (self.request.client_id) } " asks to act for you in "
                @match &named {
                    Some(id) => { "workspace " b { (workspace.name) } " (" (id) ")" }
                    None => { "account " (workspace.account) }
                }
                ". It asks for: " (self.request.scope) "."
            }
            @if let Some(notice) = &self.notice { p.notice role="alert" { (notice) } }
            (choice.forms())
        };
        let leads_to = Some(self.request.back.origin());
        Ok(Page { status, leads_to, ..Page::new("Who are you?", content) }.respond())
    }
}

/// A refusal as a page, for whoever came with a browser and cannot be sent back.
pub(super) fn refusal_page(status: StatusCode, message: &str, request_id: &str) -> Response {
    let content = html! {
        p.notice role="alert" { (message) }
        p.soft { "Request " (request_id) }
    };
    Page { status, ..Page::new("Nobody was signed in", content) }.respond()
}
