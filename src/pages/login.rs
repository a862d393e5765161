//! `/login` and `/account-console/login`: a person signs in to the pages by choosing a user. With a control key, the page
//! asks for it first and names no user before. OAuth's sign-in page is another one, in `http::oauth::authorize`.

use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::http::header::RETRY_AFTER;
use axum::response::IntoResponse;
use maud::html;
use serde::Deserialize;

use crate::domain::authorize::NamedWorkspace;
use crate::domain::oauth::Refusal;
use crate::domain::sign_ins::{Issuer, SignInTarget};
use crate::domain::{AccountId, Denial, PrincipalId};
use crate::http::credential::named_workspace;
use crate::http::oauth::authorize::{seal, too_many_wrong_keys};
use crate::pages::visit::{ErrorPage, PageResult, Realm, Submission, Visit};
use crate::pages::{Pages, token_report};
use crate::service::{Error, KeyVerdict};
use crate::web::connection::Connection;
use crate::web::page::{PeopleChoice, Search, key_form};

#[derive(Debug, Default, Deserialize)]
pub(super) struct LoginQuery {
    /// The user to search for.
    #[serde(default)]
    q: String,
    /// The page to return to.
    #[serde(default)]
    next: String,
    /// Defaults to the account of the default workspace.
    account: Option<String>,
}

/// `GET …/login?q=&next=&o=&account=`
pub(super) async fn ask(State(pages): State<Pages>, visit: Visit, Query(query): Query<LoginQuery>) -> PageResult {
    let place = place(&pages, &visit, query.account.as_deref()).await?;
    question(&pages, &visit, &place, &query, Progress { text: &query.q, admission: None, notice: None }).await
}

/// `POST …/login`
pub(super) async fn choose(
    State(pages): State<Pages>,
    Query(query): Query<LoginQuery>,
    form: Submission,
) -> PageResult {
    let visit = &form.visit;
    let place = place(&pages, visit, query.account.as_deref()).await?;
    let mut admission = None;
    if pages.sign_in.key().is_some() {
        let (verdict, proof) = admitted(&pages, &form, &place).await.map_err(|error| visit.failed(error))?;
        admission = proof;
        if admission.is_none() {
            tracing::info!("refused a sign-in to the pages: wrong control key");
            if let KeyVerdict::Wait(seconds) = verdict {
                let mut response =
                    visit.refused(StatusCode::TOO_MANY_REQUESTS, &too_many_wrong_keys(seconds)).into_response();
                response.headers_mut().insert(RETRY_AFTER, seconds.into());
                return Ok(response);
            }
            let notice = Some("Wrong control key: try again.");
            return question(&pages, visit, &place, &query, Progress { text: "", admission, notice }).await;
        }
        if !form.has("user") {
            let text = form.text("q");
            return question(&pages, visit, &place, &query, Progress { text, admission, notice: None }).await;
        }
    }
    let Some(person) = PrincipalId::parse(form.text("user")) else {
        let notice = Some("No user was chosen: choose one.");
        return question(&pages, visit, &place, &query, Progress { text: &query.q, admission, notice }).await;
    };
    let signed_in = pages.service.sign_in_to_pages(&place, person, &visit.origin()).await;
    let cookie = signed_in.map_err(|error| sign_in_refused(visit, error))?;
    // The browser's previous sign-in ends.
    pages.service.sign_out_of_pages(&visit.cookie).await.map_err(|error| visit.failed(error))?;
    let next = Some(query.next.as_str()).filter(|next| is_own_page(next)).unwrap_or(match visit.realm {
        Realm::Workspace => "/",
        Realm::Account => token_report::PATH,
    });
    Ok(visit.with_cookie(visit.go(next), Some(&cookie)))
}

/// `POST …/logout`
pub(super) async fn end(State(pages): State<Pages>, form: Submission) -> PageResult {
    pages.service.sign_out_of_pages(&form.visit.cookie).await.map_err(|error| form.visit.failed(error))?;
    Ok(form.visit.go(form.visit.realm.login()))
}

async fn place(pages: &Pages, visit: &Visit, account: Option<&str>) -> Result<SignInTarget, ErrorPage> {
    pages
        .sign_in
        .check(&visit.parts.headers, &visit.parts.extensions)
        .map_err(|why| visit.refused(StatusCode::FORBIDDEN, &format!("{why}.")))?;
    let issuer = match (visit.realm, account) {
        (Realm::Workspace, _) => Issuer::Workspace(named_workspace(&visit.parts.headers, &visit.parts.uri)),
        (Realm::Account, Some(text)) => Issuer::Account(AccountId::parse(text).ok_or_else(|| no_account(visit))?),
        (Realm::Account, None) => {
            let home = pages.service.sign_in_place(&Issuer::Workspace(NamedWorkspace::Unnamed)).await;
            Issuer::Account(home.map_err(|error| sign_in_refused(visit, error))?.workspace.account)
        }
    };
    pages.service.sign_in_place(&issuer).await.map_err(|error| sign_in_refused(visit, error))
}

fn no_account(visit: &Visit) -> ErrorPage {
    visit.refused(StatusCode::NOT_FOUND, "No such account.")
}

/// The refusals of OAuth's sign-in, without their error codes.
fn sign_in_refused(visit: &Visit, error: Error) -> ErrorPage {
    let message = match &error {
        Error::Denied(Denial::OAuth(Refusal::AccessDenied(text) | Refusal::InvalidRequest(text))) => text.clone(),
        _ => return visit.failed(error),
    };
    visit.refused(StatusCode::FORBIDDEN, &format!("{message}."))
}

/// Checks the typed control key. If it is right, the result includes a proof of it for the browser's next form.
async fn admitted(
    pages: &Pages,
    form: &Submission,
    place: &SignInTarget,
) -> Result<(KeyVerdict, Option<String>), Error> {
    let (account, form_token, seal) = (place.workspace.account, form.visit.cookie.form_token(), seal(&pages.sign_in));
    let admission = form.text("admission");
    if pages.service.is_admitted(account, &form_token, seal, admission).await? {
        return Ok((KeyVerdict::Right, Some(admission.to_owned())));
    }
    let Some(key) = pages.sign_in.key() else { return Ok((KeyVerdict::Right, None)) };
    let peer = Connection::of(&form.visit.parts.extensions).peer;
    let verdict = pages.service.key_guesses().check(peer, form.text("control_key"), key);
    if verdict != KeyVerdict::Right {
        return Ok((verdict, None));
    }
    Ok((verdict, Some(pages.service.admit(account, &form_token, seal).await?)))
}

/// How far the sign-in has come.
struct Progress<'a> {
    /// The user to search for.
    text: &'a str,
    /// The proof that the browser has shown the control key.
    admission: Option<String>,
    notice: Option<&'a str>,
}

/// The page: the choice of a user, or first the control key.
async fn question(
    pages: &Pages,
    visit: &Visit,
    place: &SignInTarget,
    query: &LoginQuery,
    progress: Progress<'_>,
) -> PageResult {
    let Progress { text, admission, notice } = progress;
    let shows_names = admission.is_some() || pages.sign_in.key().is_none();
    let id = place.workspace.id.to_string();
    let mut search = vec![("next", query.next.as_str())];
    match visit.realm {
        Realm::Workspace => search.push(("o", &id)),
        Realm::Account => search.extend(query.account.as_deref().map(|account| ("account", account))),
    }
    let form_token = visit.cookie.form_token();
    let mut hidden = vec![("form_token", form_token.as_str())];
    hidden.extend(admission.as_deref().map(|admission| ("admission", admission)));
    let form = if shows_names {
        let (people, more) = pages.service.people(place, text).await.map_err(|error| visit.failed(error))?;
        let search = if admission.is_some() { Search::ByForm(&hidden) } else { Search::ByAddress(&search) };
        PeopleChoice { people: &people, more, text, search, choice: &hidden }.forms()
    } else {
        key_form(&hidden)
    };
    let content = html! {
        p {
            @match visit.realm {
                Realm::Workspace if shows_names => {
                    "Sign in to workspace " b { bdi { (place.workspace.name) } } " (" (id) ")."
                }
                Realm::Workspace => { "Sign in to workspace " (id) "." }
                Realm::Account => { "Sign in to the account console of account " (place.workspace.account) "." }
            }
        }
        @if let Some(notice) = notice { p.notice role="alert" { (notice) } }
        div.narrow { (form) }
    };
    let status = if notice.is_some() { StatusCode::FORBIDDEN } else { StatusCode::OK };
    Ok(visit.page_with(status, "Who are you?", content))
}

/// Refuses anything that leads to another host: browsers read `//host` and `/\host` as one.
fn is_own_page(next: &str) -> bool {
    next.starts_with('/')
        && !next.starts_with("//")
        && !next.contains(['\\', '\r', '\n', '\t'])
        && next.parse::<axum::http::Uri>().is_ok_and(|uri| uri.host().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sign_in_never_leads_to_another_host() {
        for next in ["/", "/settings/workspace/advanced?a=b", "/_mock/"] {
            assert!(is_own_page(next), "{next}");
        }
        for next in ["", "//evil.com", "/\\evil.com", "https://evil.com/", "evil", "/\t/evil.com", "/a\r\nb", "/ a"] {
            assert!(!is_own_page(next), "{next}");
        }
    }
}
