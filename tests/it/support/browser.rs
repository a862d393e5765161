//! A browser without JavaScript: it keeps cookies, loads pages and sends their forms.

use std::collections::BTreeMap;

use axum::body::Body;
use axum::http::{Method, Request};

use super::{Answer, World};

/// A browser: its cookies, and the form token of the page loaded last.
pub(crate) struct Browser<'a> {
    world: &'a World,
    pub(crate) cookies: BTreeMap<String, String>,
    pub(crate) host: String,
    pub(crate) form_token: String,
}

impl Browser<'_> {
    pub(crate) async fn get(&mut self, path: &str) -> Answer {
        self.ask(Method::GET, path, Body::empty(), &[]).await
    }

    /// Sends a form of the page that was loaded last.
    pub(crate) async fn submit(&mut self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let form_token = self.form_token.clone();
        let own = [("sec-fetch-site", "same-origin"), ("origin", &format!("http://{}", self.host))];
        self.submit_as(path, fields, &form_token, &own).await
    }

    /// Sends any form.
    pub(crate) async fn submit_as(
        &mut self,
        path: &str,
        fields: &[(&str, &str)],
        form_token: &str,
        headers: &[(&str, &str)],
    ) -> Answer {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("form_token", form_token).extend_pairs(fields);
        let mut all = vec![("content-type", "application/x-www-form-urlencoded")];
        all.extend(headers);
        self.ask(Method::POST, path, form.finish().into(), &all).await
    }

    pub(crate) async fn ask(&mut self, method: Method, path: &str, body: Body, headers: &[(&str, &str)]) -> Answer {
        let cookies: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let mut request = Request::builder().method(method).uri(path).header("host", &self.host);
        request = request.header("accept", "text/html,application/xhtml+xml").header("cookie", cookies.join("; "));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = self.world.send(request.body(body).unwrap()).await;
        for set in answer.headers.get_all("set-cookie") {
            let (name, value) = set.to_str().unwrap().split(';').next().unwrap().split_once('=').unwrap();
            self.cookies.insert(name.to_owned(), value.to_owned());
        }
        if let Some((_, rest)) = answer.text.split_once("name=\"form_token\" value=\"") {
            rest.split('"').next().unwrap().clone_into(&mut self.form_token);
        }
        answer
    }

    /// Chooses a user on the sign-in page, and returns the answer.
    pub(crate) async fn sign_in(&mut self, login: &str, user: &str, fields: &[(&str, &str)]) -> Answer {
        let page = self.get(login).await;
        let id = choice_of(&page, user);
        let mut all = vec![("user", id)];
        all.extend(fields);
        self.submit(login, &all).await
    }
}

/// The value of a hidden field.
#[track_caller]
pub(crate) fn field_of<'a>(page: &'a Answer, name: &str) -> &'a str {
    let (_, rest) = page.text.split_once(&format!("name=\"{name}\" value=\"")).unwrap_or_else(|| panic!("{page:?}"));
    rest.split('"').next().unwrap()
}

/// The value of a user's button.
#[track_caller]
fn choice_of<'a>(page: &'a Answer, user: &str) -> &'a str {
    let buttons = page.text.split("name=\"user\" value=\"").skip(1);
    let named = |button: &&str| button.split("</button>").next().unwrap().split(['<', '>']).any(|text| text == user);
    let button = buttons.into_iter().find(named).unwrap_or_else(|| panic!("no {user}: {page:?}"));
    button.split('"').next().unwrap()
}

#[track_caller]
pub(crate) fn shows(answer: &Answer, status: u16, texts: &[&str]) {
    assert_eq!(answer.status.as_u16(), status, "{answer:?}");
    assert_eq!(answer.header("content-type"), "text/html; charset=utf-8");
    for text in texts {
        assert!(answer.text.contains(text), "{text:?} is not in {}", answer.text);
    }
}

#[track_caller]
pub(crate) fn goes_to(answer: &Answer, path: &str) {
    assert_eq!((answer.status.as_u16(), answer.header("location")), (303, path), "{answer:?}");
}

impl World {
    pub(crate) fn browser(&self) -> Browser<'_> {
        let host = "127.0.0.1:3274".to_owned();
        Browser { world: self, cookies: BTreeMap::new(), host, form_token: String::new() }
    }

    /// A browser that is signed in to the default workspace.
    pub(crate) async fn browser_of(&self, user: &str) -> Browser<'_> {
        let mut browser = self.browser();
        browser.sign_in("/login", user, &[]).await;
        browser
    }

    /// A browser that is signed in to the account console.
    pub(crate) async fn console_of(&self, user: &str) -> Browser<'_> {
        let mut browser = self.browser();
        goes_to(&browser.sign_in("/account-console/login", user, &[]).await, "/account-console/security/token-report");
        browser
    }
}
