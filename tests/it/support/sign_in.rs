//! OAuth for people: the authorization request, the sign-in page, and redeeming codes and refresh tokens.

use axum::body::Body;
use axum::http::Method;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use super::{AUTHORIZE, Answer, ME, TOKEN_ENDPOINT, World, text};

pub(crate) const BACK: &str = "http://localhost:8020";
const VERIFIER: &str = "a-verifier-of-forty-three-characters-or-more";

fn encoded(pairs: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

pub(crate) fn challenge() -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(VERIFIER))
}

/// The query that the CLI sends, with other values for some parameters; an empty one leaves it out.
pub(crate) fn query(changes: &[(&str, &str)]) -> String {
    let challenge = challenge();
    let pairs = [
        ("response_type", "code"),
        ("client_id", "databricks-cli"),
        ("redirect_uri", BACK),
        ("scope", "offline_access all-apis"),
        ("state", "st ate"),
        ("code_challenge", challenge.as_str()),
        ("code_challenge_method", "S256"),
    ];
    let kept = pairs.iter().filter(|(name, _)| !changes.iter().any(|(changed, _)| changed == name));
    encoded(&kept.chain(changes).filter(|(_, value)| !value.is_empty()).copied().collect::<Vec<_>>())
}

pub(crate) fn redemption(code: &str, changes: &[(&str, &str)]) -> String {
    let pairs = [
        ("grant_type", "authorization_code"),
        ("code", code),
        ("code_verifier", VERIFIER),
        ("redirect_uri", BACK),
        ("client_id", "databricks-cli"),
    ];
    let kept = pairs.iter().filter(|(name, _)| !changes.iter().any(|(changed, _)| changed == name));
    encoded(&kept.chain(changes).filter(|(_, value)| !value.is_empty()).copied().collect::<Vec<_>>())
}

/// The parameters of the redirect.
#[track_caller]
pub(crate) fn sent_back(answer: &Answer) -> Vec<(String, String)> {
    assert_eq!(answer.status, 302, "{answer:?}");
    assert_eq!(answer.header("cache-control"), "no-store");
    let (uri, query) = answer.header("location").split_once('?').unwrap();
    assert_eq!(uri, BACK);
    form_urlencoded::parse(query.as_bytes()).into_owned().collect()
}

#[track_caller]
pub(crate) fn parameter(answer: &Answer, name: &str) -> String {
    let pairs = sent_back(answer);
    pairs.iter().find(|(key, _)| key == name).unwrap_or_else(|| panic!("no {name}: {pairs:?}")).1.clone()
}

/// The value of an element with this name.
pub(crate) fn value_of<'a>(page: &'a Answer, name: &str) -> &'a str {
    let (_, rest) = page.text.split_once(&format!("name=\"{name}\" value=\"")).unwrap_or_else(|| panic!("{page:?}"));
    rest.split('"').next().unwrap()
}

#[track_caller]
pub(crate) fn both(answer: &Answer) -> (String, String) {
    assert_eq!(answer.status, 200, "{answer:?}");
    let json = answer.json();
    (text(&json["access_token"]), text(&json["refresh_token"]))
}

impl World {
    pub(crate) async fn authorize(&self, changes: &[(&str, &str)]) -> Answer {
        self.anonymous().get(&format!("{AUTHORIZE}?{}", query(changes))).await
    }

    /// Posts a form as a browser does.
    pub(crate) async fn submit(&self, path: &str, fields: &[(&str, &str)], origin: Option<&str>) -> Answer {
        let mut request = self.anonymous().request(&Method::POST, path);
        if let Some(origin) = origin {
            request = request.header("origin", origin).header("sec-fetch-site", "same-origin");
        }
        self.send(request.body(Body::from(encoded(fields))).unwrap()).await
    }

    pub(crate) async fn code(&self, user: &str) -> String {
        parameter(&self.authorize(&[("login_hint", user)]).await, "code")
    }

    pub(crate) async fn redeem(&self, code: &str) -> Answer {
        self.ask_for_token(TOKEN_ENDPOINT, None, &redemption(code, &[])).await
    }

    /// Access token and refresh token.
    pub(crate) async fn tokens(&self, user: &str) -> (String, String) {
        both(&self.redeem(&self.code(user).await).await)
    }

    pub(crate) async fn refresh(&self, token: &str, scope: &str) -> Answer {
        let form = encoded(&[
            ("grant_type", "refresh_token"),
            ("refresh_token", token),
            ("client_id", "databricks-cli"),
            ("scope", scope),
        ]);
        self.ask_for_token(TOKEN_ENDPOINT, None, &form).await
    }

    pub(crate) async fn is_let_in(&self, token: &str) -> bool {
        let answer = self.client(token).get(ME).await;
        assert!([200, 403].contains(&answer.status.as_u16()), "{answer:?}");
        answer.status == 200
    }

    pub(crate) async fn sign_ins(&self) -> i64 {
        let workspace = self.workspace().await.id;
        self.service.store().read().await.unwrap().count_sign_ins(workspace).await.unwrap()
    }
}
