//! OAuth for machines: access tokens by client id and secret, and the form of a refusal.

use axum::body::Body;
use axum::http::Method;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use dapi_mock::service::{ADMIN_CLIENT_ID, FirstStart};
use serde_json::{Value, json};

use super::{ADMIN_SECRET, Answer, Person, World};

pub(crate) const GRANT: &str = "grant_type=client_credentials&scope=all-apis";
pub(crate) const BOT: &str = "0b1c2d3e-0000-4000-8000-000000000001";

pub(crate) fn account() -> String {
    FirstStart::default().account.to_string()
}

pub(crate) fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

pub(crate) fn part(token: &str, i: usize) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token.split('.').nth(i).unwrap()).unwrap()).unwrap()
}

#[track_caller]
pub(crate) fn oauth_error(answer: &Answer, status: u16, error: &str, description: &str) {
    let json = answer.json();
    assert_eq!((answer.status.as_u16(), &json["error"]), (status, &json!(error)), "{answer:?}");
    let text = json["error_description"].as_str().unwrap();
    assert!(text.contains(description), "{text:?} does not contain {description:?}");
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(answer.header("content-type"), "application/json; charset=utf-8");
}

#[track_caller]
pub(crate) fn invalid_client(answer: &Answer) {
    oauth_error(answer, 401, "invalid_client", "Client authentication failed");
    assert_eq!(answer.text, r#"{"error":"invalid_client","error_description":"Client authentication failed"}"#);
    assert_eq!(answer.header("www-authenticate"), "Basic realm=\"DatabricksRealm\"");
}

impl World {
    /// Posts a form to a token endpoint; `basic` is the client's id and secret.
    pub(crate) async fn ask_for_token(&self, path: &str, basic: Option<(&str, &str)>, form: &str) -> Answer {
        let mut request = self.anonymous().request(&Method::POST, path);
        if let Some((id, secret)) = basic {
            let pair = base64::engine::general_purpose::STANDARD.encode(format!("{id}:{secret}"));
            request = request.header("authorization", format!("Basic {pair}"));
        }
        self.send(request.body(Body::from(form.to_owned())).unwrap()).await
    }

    /// An access token from the workspace's endpoint.
    pub(crate) async fn access_token(&self, client_id: &str, secret: &str) -> String {
        let form = "grant_type=client_credentials&scope=all-apis";
        let answer = self.ask_for_token("/oidc/v1/token", Some((client_id, secret)), form).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()["access_token"].as_str().unwrap().to_owned()
    }

    /// An access token of a service principal, from a new client secret.
    pub(crate) async fn robot_oauth(&self, robot: &Person) -> String {
        let path = format!("/api/2.0/accounts/servicePrincipals/{}/credentials/secrets", robot.id);
        let created = self.admin().post(&path, &json!({})).await.json();
        self.access_token(&robot.name, created["secret"].as_str().unwrap()).await
    }

    pub(crate) async fn admin_oauth(&self) -> String {
        self.access_token(&ADMIN_CLIENT_ID.to_string(), ADMIN_SECRET).await
    }

    /// The admin service principal's access token for all workspaces of the account.
    pub(crate) async fn account_oauth(&self) -> String {
        self.account_access_token(&ADMIN_CLIENT_ID.to_string(), ADMIN_SECRET).await
    }

    /// An access token from the account's endpoint.
    pub(crate) async fn account_access_token(&self, client_id: &str, secret: &str) -> String {
        let (path, form) =
            (format!("/oidc/accounts/{}/v1/token", account()), "grant_type=client_credentials&scope=all-apis");
        let answer = self.ask_for_token(&path, Some((client_id, secret)), form).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        text(&answer.json()["access_token"])
    }
}
