//! A browser that asks for a page: who it is signed in as, and how the page reaches the APIs for it.

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, COOKIE, HOST, SET_COOKIE, USER_AGENT};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::OnceCell;

use super::{Pages, frame};
use crate::control::{Access, ByPages};
use crate::domain::WorkspaceId;
use crate::domain::authorize::NamedWorkspace;
use crate::domain::page_sessions::PageCookie;
use crate::domain::settings::ErrorTexts;
use crate::http::credential::named_workspace;
use crate::http::error::{Wire, wire};
use crate::http::layers::origin_of;
use crate::service::{Error, SignedIn};
use crate::web::browser::{UNKNOWN_HOST, has_known_host, is_embedded_elsewhere, is_foreign};
use crate::web::connection::Connection;
use crate::web::page::{Page, redirect};

/// The `User-Agent` of what the pages ask the APIs.
const CLIENT: &str = concat!("dapi-mock-pages/", env!("CARGO_PKG_VERSION"));
/// Largest form, and largest answer of the APIs, that a page reads.
const FORM_LIMIT: usize = 1024 * 1024;
const ANSWER_LIMIT: usize = 64 * 1024 * 1024;
/// What is said where the pages themselves are wrong.
const DEFECT: &str = "A defect of dapi-mock; the log has its cause.";

/// What is signed in to: one browser can be signed in to both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Realm {
    /// A workspace.
    Workspace,
    /// The account console.
    Account,
}

impl Realm {
    fn of(path: &str) -> Self {
        if path.starts_with("/account-console/") { Self::Account } else { Self::Workspace }
    }

    /// Where somebody signs in.
    pub(super) fn login(self) -> &'static str {
        match self {
            Self::Workspace => "/login",
            Self::Account => "/account-console/login",
        }
    }

    /// Where somebody signs out.
    pub(super) fn logout(self) -> &'static str {
        match self {
            Self::Workspace => "/logout",
            Self::Account => "/account-console/logout",
        }
    }

    /// The cookie's name. Browsers send a host's cookies to all of its ports, so the port is in it.
    fn cookie_name(self, headers: &HeaderMap) -> String {
        let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        let port = host.rsplit_once(':').map_or("", |(_, port)| port);
        let port = if port.bytes().all(|b| b.is_ascii_digit()) { port } else { "" };
        match self {
            Self::Workspace => format!("dapi_mock_{port}"),
            Self::Account => format!("dapi_mock_account_{port}"),
        }
    }
}

/// A browser's request for a page.
#[derive(Debug)]
pub(super) struct Visit {
    pub(super) pages: Pages,
    pub(super) realm: Realm,
    pub(super) person: Option<SignedIn>,
    pub(super) cookie: PageCookie,
    /// Whether the browser has no cookie yet.
    is_new: bool,
    pub(super) parts: Parts,
    bearer: OnceCell<HeaderValue>,
}

/// Why an API said no.
#[derive(Clone, Debug)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    pub(super) message: String,
}

impl Refusal {
    async fn read(response: Response) -> Self {
        let status = response.status();
        let answer = read(response).await;
        let text = ["message", "error", "detail"].iter().find_map(|name| answer.get(name)?.as_str());
        let message = text.map_or_else(|| format!("The API answered {status}."), ToOwned::to_owned);
        Self { status, message }
    }
}

/// An API's answer; nothing where it is no JSON.
async fn read(response: Response) -> Value {
    serde_json::from_slice(&read_bytes(response.into_body()).await).unwrap_or_default()
}

/// What an API answered; nothing where it is too much.
pub(super) async fn read_bytes(body: Body) -> Bytes {
    to_bytes(body, ANSWER_LIMIT).await.unwrap_or_default()
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        let Wire { status, message, .. } = wire(&error.into(), "", ErrorTexts::default());
        Self { status, message: message.into_owned() }
    }
}

/// A page that is not the one that was asked for.
#[derive(Debug)]
pub(super) struct Stop(Box<Response>);

impl IntoResponse for Stop {
    fn into_response(self) -> Response {
        *self.0
    }
}

impl From<Response> for Stop {
    fn from(response: Response) -> Self {
        Self(Box::new(response))
    }
}

/// What a page comes to.
pub(super) type Shown = Result<Response, Stop>;

impl Visit {
    async fn read(parts: &Parts, pages: &Pages) -> Result<Self, Error> {
        let realm = Realm::of(parts.uri.path());
        let name = realm.cookie_name(&parts.headers);
        let sent = cookie(&parts.headers, &name).and_then(PageCookie::parse);
        let found = match &sent {
            Some(cookie) => pages.service.signed_in(cookie).await?,
            None => None,
        };
        let named = named_workspace(&parts.headers, &parts.uri);
        let fits = |person: &SignedIn| match (realm, &named) {
            (Realm::Account, _) => person.place.whole_account,
            (Realm::Workspace, NamedWorkspace::Unnamed) => !person.place.whole_account,
            (Realm::Workspace, NamedWorkspace::Id(id)) => {
                !person.place.whole_account && person.place.workspace.id == *id
            }
            (Realm::Workspace, NamedWorkspace::Unusable(_)) => false,
        };
        let is_new = sent.is_none();
        let cookie = sent.unwrap_or_else(|| PageCookie::from_random(pages.service.entropy().secret()));
        let (person, parts) = (found.filter(fits), parts.clone());
        Ok(Self { pages: pages.clone(), realm, person, cookie, is_new, parts, bearer: OnceCell::new() })
    }

    /// Who is signed in.
    ///
    /// # Errors
    /// The way to the page where one signs in, and back.
    pub(super) fn person(&self) -> Result<&SignedIn, Stop> {
        self.person.as_ref().ok_or_else(|| self.to_sign_in())
    }

    fn to_sign_in(&self) -> Stop {
        let back = if self.parts.method == Method::GET { self.parts.uri.path_and_query() } else { None };
        let back = back.map_or("/", |path| path.as_str());
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair("next", back);
        if let NamedWorkspace::Id(id) = named_workspace(&self.parts.headers, &self.parts.uri) {
            query.append_pair("o", &id.to_string());
        }
        self.go(&format!("{}?{}", self.realm.login(), query.finish())).into()
    }

    /// Whether whoever looks may do what the control API does.
    ///
    /// # Errors
    /// The page that says why not, or where one signs in.
    pub(super) fn operator(&self) -> Result<(), Stop> {
        match *self.pages.access {
            Access::Off => Err(self.refused(StatusCode::NOT_FOUND, "The control API is off (--control off).")),
            Access::Closed => Err(self.refused(
                StatusCode::FORBIDDEN,
                "The server is reachable from elsewhere, so the console wants --control-key KEY, or \
                 --allow-open-control.",
            )),
            Access::Key(_) => self.person().map(|_| ()),
            Access::Open if !has_known_host(&self.parts.headers, &self.parts.extensions) => {
                Err(self.refused(StatusCode::FORBIDDEN, &format!("{UNKNOWN_HOST}.")))
            }
            Access::Open => Ok(()),
        }
    }

    /// Sends the browser to another page.
    pub(super) fn go(&self, to: &str) -> Response {
        let response = redirect(StatusCode::SEE_OTHER, to);
        self.with_cookie(response.unwrap_or_else(|| StatusCode::INTERNAL_SERVER_ERROR.into_response()), None)
    }

    /// A page in the frame.
    pub(super) fn page(&self, title: &str, content: Markup) -> Response {
        self.page_with(StatusCode::OK, title, content)
    }

    /// A page in the frame with another status.
    pub(super) fn page_with(&self, status: StatusCode, title: &str, content: Markup) -> Response {
        let bar = Some(frame::bar(self));
        self.with_cookie(Page { status, bar, ..Page::new(title, content) }.respond(), None)
    }

    /// The page that says why not.
    pub(super) fn refused(&self, status: StatusCode, message: &str) -> Stop {
        self.page_with(status, "This did not work", html! { p.notice role="alert" { (message) } }).into()
    }

    /// The same for a failure of the service.
    pub(super) fn failed(&self, error: Error) -> Stop {
        self.refused_by(&Refusal::from(error))
    }

    /// The answer, with the browser's cookie: the given one, or its first.
    pub(super) fn with_cookie(&self, mut response: Response, cookie: Option<&PageCookie>) -> Response {
        let Some(cookie) = cookie.or_else(|| self.is_new.then_some(&self.cookie)) else { return response };
        let secure = if self.parts.extensions.get::<Connection>().is_some_and(|connection| connection.tls) {
            "; Secure"
        } else {
            ""
        };
        let name = self.realm.cookie_name(&self.parts.headers);
        let text = format!("{name}={}; Path=/; HttpOnly; SameSite=Lax{secure}", cookie.reveal());
        if let Ok(value) = HeaderValue::from_str(&text) {
            response.headers_mut().append(SET_COOKIE, value);
        }
        response
    }

    /// The hidden fields that every form carries: whose it is, and a number of its own.
    pub(super) fn form_token(&self) -> Markup {
        let number = hex::encode(self.pages.service.entropy().secret());
        html! {
            input type="hidden" name="form_token" value=(self.cookie.form_token());
            input type="hidden" name="form_number" value=(number);
        }
    }

    /// Where the request comes from, for the audit log.
    pub(super) fn origin(&self) -> crate::domain::audit::Origin {
        origin_of(&self.pages.service, &self.parts.headers, &self.parts.extensions)
    }

    /// Asks the APIs: the emulated one as whoever is signed in, the own one as the operator.
    ///
    /// # Errors
    /// What it refused.
    pub(super) async fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value, Refusal> {
        Ok(read(self.fetch(method, path, body).await?).await)
    }

    /// The same as it comes.
    ///
    /// # Errors
    /// What the API refused.
    pub(super) async fn fetch(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Response, Refusal> {
        let response = self.exchange(method, path, body).await?;
        if response.status().is_success() { Ok(response) } else { Err(Refusal::read(response).await) }
    }

    /// The same, as a type; what cannot be had is a page of its own.
    ///
    /// # Errors
    /// That page.
    pub(super) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Stop> {
        let answer = self.ask(Method::GET, path, None).await.map_err(|refusal| self.refused_by(&refusal))?;
        serde_json::from_value(answer).map_err(|error| self.unreadable(path, &error))
    }

    /// The page that says that an API's answer is not what it should be.
    pub(super) fn unreadable(&self, path: &str, error: &serde_json::Error) -> Stop {
        tracing::error!("a page cannot read the answer of {path}: {error}");
        self.refused(StatusCode::INTERNAL_SERVER_ERROR, DEFECT)
    }

    /// The page that says why an API refused.
    pub(super) fn refused_by(&self, refusal: &Refusal) -> Stop {
        self.refused(refusal.status, &refusal.message)
    }

    /// The API's answer, whatever it is.
    pub(super) async fn exchange(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Response, Refusal> {
        let mut request = Request::builder().method(method).uri(path).header(USER_AGENT, CLIENT);
        if let Some(host) = self.parts.headers.get(HOST) {
            request = request.header(HOST, host);
        }
        if self.person.is_some() {
            request = request.header(AUTHORIZATION, self.bearer().await?);
        }
        request = request.header(CONTENT_TYPE, "application/json");
        let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
        let mut request = request.body(body).map_err(|error| {
            tracing::error!("a page cannot ask for {path}: {error}");
            Refusal { status: StatusCode::INTERNAL_SERVER_ERROR, message: DEFECT.into() }
        })?;
        request.extensions_mut().insert(ByPages);
        if let Some(connection) = self.parts.extensions.get::<Connection>() {
            request.extensions_mut().insert(Connection { tls: false, port_of: None, ..*connection });
        }
        Ok(self.pages.pass_on(request).await)
    }

    async fn bearer(&self) -> Result<HeaderValue, Error> {
        let make = async || {
            let Some(person) = &self.person else { return Ok(HeaderValue::from_static("")) };
            let token = self.pages.service.access_token_of(person).await?;
            Ok::<_, Error>(
                HeaderValue::try_from(format!("Bearer {}", token.reveal())).unwrap_or(HeaderValue::from_static("")),
            )
        };
        self.bearer.get_or_try_init(make).await.cloned()
    }
}

impl FromRequestParts<Pages> for Visit {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, pages: &Pages) -> Result<Self, Response> {
        if is_embedded_elsewhere(&parts.headers) {
            let content = html! { p.notice role="alert" { "The request comes from another site's page." } };
            let status = StatusCode::FORBIDDEN;
            return Err(Page { status, ..Page::new("This did not work", content) }.respond());
        }
        Self::read(parts, pages).await.map_err(|error| {
            let Refusal { status, message } = error.into();
            let content = html! { p.notice role="alert" { (message) } };
            Page { status, ..Page::new("This did not work", content) }.respond()
        })
    }
}

fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let texts = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = texts.flat_map(|text| text.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(key, _)| *key == name).map(|(_, value)| value)
}

/// A form of one of our pages, sent from there.
#[derive(Debug)]
pub(super) struct Submission {
    pub(super) visit: Visit,
    fields: Vec<(String, String)>,
}

impl Submission {
    /// A field's text without white space around it; empty when it was not sent.
    pub(super) fn text(&self, name: &str) -> &str {
        self.fields.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value.trim())
    }

    /// Whether a box was ticked or a button pressed.
    pub(super) fn has(&self, name: &str) -> bool {
        self.fields.iter().any(|(key, _)| key == name)
    }

    /// Asks an API for what the form wants, once, however often this very form is sent: by a second click, or by a
    /// browser that loads its answer again. What is refused may be sent again. A form without a number is no page's
    /// but a script's, and is taken at its word each time.
    ///
    /// # Errors
    /// What the API refuses; 409 and the sentence `again` where the form was sent before.
    pub(super) async fn once<T>(
        &self,
        workspace: WorkspaceId,
        again: &str,
        ask: impl Future<Output = Result<T, Refusal>>,
    ) -> Result<T, Refusal> {
        let number = self.text("form_number");
        if number.is_empty() {
            return ask.await;
        }
        let (service, form) = (&self.visit.pages.service, self.visit.cookie.form_hash(number));
        if !service.take_form(workspace, &form).await? {
            return Err(Refusal { status: StatusCode::CONFLICT, message: again.to_owned() });
        }
        let answer = ask.await;
        if answer.is_err() {
            service.give_form_back(workspace, &form).await?;
        }
        answer
    }

    /// All texts of a field.
    pub(super) fn all(&self, name: &str) -> Vec<&str> {
        self.fields.iter().filter(|(key, _)| key == name).map(|(_, value)| value.as_str()).collect()
    }
}

impl FromRequest<Pages> for Submission {
    type Rejection = Stop;

    async fn from_request(request: Request, pages: &Pages) -> Result<Self, Stop> {
        let (mut parts, body) = request.into_parts();
        let visit = Visit::from_request_parts(&mut parts, pages).await?;
        if is_foreign(&visit.parts.headers) {
            return Err(visit.refused(StatusCode::FORBIDDEN, "The form is another site's."));
        }
        let too_large = || visit.refused(StatusCode::PAYLOAD_TOO_LARGE, "The form is larger than 1 MiB.");
        let body = to_bytes(body, FORM_LIMIT).await.map_err(|_| too_large())?;
        let fields: Vec<(String, String)> = form_urlencoded::parse(&body).into_owned().collect();
        let form_token = fields.iter().find(|(key, _)| key == "form_token").map_or("", |(_, value)| value);
        if visit.is_new || !visit.cookie.is_of(form_token) {
            let why = "This form is too old, or the browser keeps no cookies; load the page again.";
            return Err(visit.refused(StatusCode::FORBIDDEN, why));
        }
        Ok(Self { visit, fields })
    }
}
