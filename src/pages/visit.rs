//! A browser's request for a page: who is signed in, how the page calls the APIs, and how it answers. Forms are here,
//! too, with their checks against other sites.

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
use crate::domain::WorkspaceId;
use crate::domain::authorize::NamedWorkspace;
use crate::domain::page_sessions::PageCookie;
use crate::domain::settings::ErrorTexts;
use crate::http::context::origin_of;
use crate::http::credential::named_workspace;
use crate::http::error::{Wire, wire};
use crate::service::{Error, PageUser};
use crate::web::access::{Access, LOCKED};
use crate::web::browser::{UNKNOWN_HOST, has_known_host, is_embedded_elsewhere, is_foreign};
use crate::web::connection::Connection;
use crate::web::page::{Page, redirect};

/// The `User-Agent` of the pages' own calls.
const CLIENT: &str = concat!("dapi-mock-pages/", env!("CARGO_PKG_VERSION"));
const FORM_LIMIT: usize = 1024 * 1024;
const ANSWER_LIMIT: usize = 64 * 1024 * 1024;
pub(super) const DEFECT: &str = "Internal error in dapi-mock; see the server log.";

/// What a person signs in to: one browser can be signed in to both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Realm {
    Workspace,
    /// The account console.
    Account,
}

impl Realm {
    fn of(path: &str) -> Self {
        if path.starts_with("/account-console/") { Self::Account } else { Self::Workspace }
    }

    pub(super) fn login(self) -> &'static str {
        match self {
            Self::Workspace => "/login",
            Self::Account => "/account-console/login",
        }
    }

    pub(super) fn logout(self) -> &'static str {
        match self {
            Self::Workspace => "/logout",
            Self::Account => "/account-console/logout",
        }
    }

    /// The name includes the port, because browsers send a host's cookies to all of its ports.
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

#[derive(Debug)]
pub(super) struct Visit {
    pub(super) pages: Pages,
    pub(super) realm: Realm,
    pub(super) person: Option<PageUser>,
    pub(super) cookie: PageCookie,
    /// The browser has no cookie yet.
    is_new: bool,
    pub(super) parts: Parts,
    bearer: OnceCell<HeaderValue>,
}

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

/// Null if the answer is not JSON.
async fn read(response: Response) -> Value {
    serde_json::from_slice(&read_bytes(response.into_body()).await).unwrap_or_default()
}

/// Nothing if the answer exceeds the limit.
pub(super) async fn read_bytes(body: Body) -> Bytes {
    to_bytes(body, ANSWER_LIMIT).await.unwrap_or_default()
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        let Wire { status, message, .. } = wire(&error.into(), ErrorTexts::default());
        Self { status, message: message.into_owned() }
    }
}

/// A page in place of the requested one: a refusal, or the way to sign in.
#[derive(Debug)]
pub(super) struct ErrorPage(Box<Response>);

impl IntoResponse for ErrorPage {
    fn into_response(self) -> Response {
        *self.0
    }
}

impl From<Response> for ErrorPage {
    fn from(response: Response) -> Self {
        Self(Box::new(response))
    }
}

pub(super) type PageResult = Result<Response, ErrorPage>;

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
        let fits = |person: &PageUser| match (realm, &named) {
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

    /// # Errors
    /// Without a sign-in: a redirect to the sign-in page, which leads back here.
    pub(super) fn person(&self) -> Result<&PageUser, ErrorPage> {
        self.person.as_ref().ok_or_else(|| self.to_sign_in())
    }

    fn to_sign_in(&self) -> ErrorPage {
        let back = if self.parts.method == Method::GET { self.parts.uri.path_and_query() } else { None };
        let back = back.map_or("/", |path| path.as_str());
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair("next", back);
        if let NamedWorkspace::Id(id) = named_workspace(&self.parts.headers, &self.parts.uri) {
            query.append_pair("o", &id.to_string());
        }
        self.go(&format!("{}?{}", self.realm.login(), query.finish())).into()
    }

    /// # Errors
    /// If this visit may not use the control API: the page that says why, or a redirect to the sign-in page.
    pub(super) fn operator(&self) -> Result<(), ErrorPage> {
        match *self.pages.access {
            Access::Off => {
                Err(self
                    .refused(StatusCode::NOT_FOUND, "The control API is off: start the server without --control off."))
            }
            Access::Closed => Err(self.refused(StatusCode::FORBIDDEN, &format!("The console is locked {LOCKED}."))),
            Access::Key(_) => self.person().map(|_| ()),
            Access::Open if !has_known_host(&self.parts.headers, &self.parts.extensions) => {
                Err(self.refused(StatusCode::FORBIDDEN, &format!("{UNKNOWN_HOST}.")))
            }
            Access::Open => Ok(()),
        }
    }

    pub(super) fn go(&self, to: &str) -> Response {
        let response = redirect(StatusCode::SEE_OTHER, to);
        self.with_cookie(response.unwrap_or_else(|| StatusCode::INTERNAL_SERVER_ERROR.into_response()), None)
    }

    pub(super) fn page(&self, title: &str, content: Markup) -> Response {
        self.page_with(StatusCode::OK, title, content)
    }

    pub(super) fn page_with(&self, status: StatusCode, title: &str, content: Markup) -> Response {
        let bar = Some(frame::bar(self));
        self.with_cookie(Page { status, bar, ..Page::new(title, content) }.respond(), None)
    }

    pub(super) fn refused(&self, status: StatusCode, message: &str) -> ErrorPage {
        self.page_with(status, "This did not work", html! { p.notice role="alert" { (message) } }).into()
    }

    pub(super) fn failed(&self, error: Error) -> ErrorPage {
        self.refused_by(&Refusal::from(error))
    }

    /// Sets the given cookie, or the browser's first one.
    pub(super) fn with_cookie(&self, mut response: Response, cookie: Option<&PageCookie>) -> Response {
        let Some(cookie) = cookie.or_else(|| self.is_new.then_some(&self.cookie)) else { return response };
        let secure = if Connection::of(&self.parts.extensions).by_tls { "; Secure" } else { "" };
        let name = self.realm.cookie_name(&self.parts.headers);
        let text = format!("{name}={}; Path=/; HttpOnly; SameSite=Lax{secure}", cookie.reveal());
        if let Ok(value) = HeaderValue::from_str(&text) {
            response.headers_mut().append(SET_COOKIE, value);
        }
        response
    }

    /// The hidden fields of every form: the token that ties it to the browser, and a number of its own.
    pub(super) fn form_token(&self) -> Markup {
        let number = hex::encode(self.pages.service.entropy().secret());
        html! {
            input type="hidden" name="form_token" value=(self.cookie.form_token());
            input type="hidden" name="form_number" value=(number);
        }
    }

    pub(super) fn origin(&self) -> crate::domain::audit::Origin {
        origin_of(&self.pages.service, &self.parts.headers, &self.parts.extensions)
    }

    /// Calls the emulated API as whoever is signed in, or the control API as the operator, for JSON.
    pub(super) async fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value, Refusal> {
        Ok(read(self.fetch(method, path, body).await?).await)
    }

    /// Calls an API for an answer in any format.
    pub(super) async fn fetch(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Response, Refusal> {
        let response = self.send(method, path, body).await?;
        if response.status().is_success() { Ok(response) } else { Err(Refusal::read(response).await) }
    }

    /// Reads what the page cannot do without.
    pub(super) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ErrorPage> {
        let answer = self.ask(Method::GET, path, None).await.map_err(|refusal| self.refused_by(&refusal))?;
        serde_json::from_value(answer).map_err(|error| self.unreadable(path, &error))
    }

    pub(super) fn unreadable(&self, path: &str, error: &serde_json::Error) -> ErrorPage {
        tracing::error!("could not read the answer of {path} for a page: {error}");
        self.refused(StatusCode::INTERNAL_SERVER_ERROR, DEFECT)
    }

    pub(super) fn refused_by(&self, refusal: &Refusal) -> ErrorPage {
        self.refused(refusal.status, &refusal.message)
    }

    async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Response, Refusal> {
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
            tracing::error!("could not call {path} for a page: {error}");
            Refusal { status: StatusCode::INTERNAL_SERVER_ERROR, message: DEFECT.into() }
        })?;
        let peer = Connection::of(&self.parts.extensions).peer;
        request.extensions_mut().insert(Connection { peer, via_pages: true, ..Connection::default() });
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
            return Err(Page::error(StatusCode::FORBIDDEN, "Cross-site request rejected."));
        }
        Self::read(parts, pages).await.map_err(|error| {
            let Refusal { status, message } = error.into();
            Page::error(status, &message)
        })
    }
}

fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let texts = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = texts.flat_map(|text| text.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(key, _)| *key == name).map(|(_, value)| value)
}

/// A form that one of our pages sent.
#[derive(Debug)]
pub(super) struct Submission {
    pub(super) visit: Visit,
    fields: Vec<(String, String)>,
}

impl Submission {
    /// A field's trimmed text; empty if it was not sent.
    pub(super) fn text(&self, name: &str) -> &str {
        self.fields.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value.trim())
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.fields.iter().any(|(key, _)| key == name)
    }

    /// Makes the form's call once, however often the browser sends the form: by a second click, or by reloading the
    /// answer. After a refusal, the form may be sent again. A form without a number comes from a script, and its call
    /// is made each time.
    ///
    /// # Errors
    /// The call's refusal, or 409 with the message `again` if the form was sent before.
    pub(super) async fn once<T>(
        &self,
        workspace: WorkspaceId,
        again: &str,
        call: impl Future<Output = Result<T, Refusal>>,
    ) -> Result<T, Refusal> {
        let number = self.text("form_number");
        if number.is_empty() {
            return call.await;
        }
        let (service, form) = (&self.visit.pages.service, self.visit.cookie.form_hash(number));
        if !service.claim_form(workspace, &form).await? {
            return Err(Refusal { status: StatusCode::CONFLICT, message: again.to_owned() });
        }
        let answer = call.await;
        if answer.is_err() {
            service.release_form(workspace, &form).await?;
        }
        answer
    }

    pub(super) fn all(&self, name: &str) -> Vec<&str> {
        self.fields.iter().filter(|(key, _)| key == name).map(|(_, value)| value.as_str()).collect()
    }
}

impl FromRequest<Pages> for Submission {
    type Rejection = ErrorPage;

    async fn from_request(request: Request, pages: &Pages) -> Result<Self, ErrorPage> {
        let (mut parts, body) = request.into_parts();
        let visit = Visit::from_request_parts(&mut parts, pages).await?;
        if is_foreign(&visit.parts.headers) {
            return Err(visit.refused(StatusCode::FORBIDDEN, "Cross-site request rejected."));
        }
        let too_large = || visit.refused(StatusCode::PAYLOAD_TOO_LARGE, "The form exceeds 1 MiB.");
        let body = to_bytes(body, FORM_LIMIT).await.map_err(|_| too_large())?;
        let fields: Vec<(String, String)> = form_urlencoded::parse(&body).into_owned().collect();
        let form_token = fields.iter().find(|(key, _)| key == "form_token").map_or("", |(_, value)| value);
        if visit.is_new || !visit.cookie.is_of(form_token) {
            let why = "This form has expired, or the browser blocks cookies: reload the page.";
            return Err(visit.refused(StatusCode::FORBIDDEN, why));
        }
        Ok(Self { visit, fields })
    }
}
