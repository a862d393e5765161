//! A call of the control API: one value makes it and shows it as a command, so that what a page does and what it says
//! that it does are the same.

use axum::http::{HeaderMap, Method};
use maud::{Markup, html};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::control::Access;
use crate::http::oauth::discovery::BaseUrl;
use crate::http::redaction;
use crate::pages::visit::{Refusal, Stop, Visit, read_bytes};
use crate::web::shell::quoted;

/// A call.
#[derive(Clone, Debug)]
pub(super) struct Call {
    method: Method,
    path: String,
    body: Option<Value>,
}

impl Call {
    /// A call; the path with its query.
    pub(super) fn new(method: Method, path: String, body: Option<Value>) -> Self {
        Self { method, path, body }
    }

    /// A question.
    pub(super) fn get(path: impl Into<String>) -> Self {
        Self::new(Method::GET, path.into(), None)
    }

    /// The same with parameters; those that are empty are left out.
    pub(super) fn with_query(mut self, parameters: &[(&str, &str)]) -> Self {
        let query = query(parameters);
        if !query.is_empty() {
            self.path = format!("{}?{query}", self.path);
        }
        self
    }

    /// Makes it.
    ///
    /// # Errors
    /// What the control API refused.
    pub(super) async fn make(&self, visit: &Visit) -> Result<Value, Refusal> {
        visit.ask(self.method.clone(), &self.path, self.body.as_ref()).await
    }

    /// Makes it, where the answer is text.
    ///
    /// # Errors
    /// What the control API refused.
    pub(super) async fn make_text(&self, visit: &Visit) -> Result<(HeaderMap, String), Refusal> {
        let (parts, body) = visit.fetch(self.method.clone(), &self.path, self.body.as_ref()).await?.into_parts();
        Ok((parts.headers, String::from_utf8_lossy(&read_bytes(body).await).into_owned()))
    }

    /// The answer as what it is.
    ///
    /// # Errors
    /// The page that says that it is something else.
    pub(super) fn read<T: DeserializeOwned>(&self, visit: &Visit, answer: Value) -> Result<T, Stop> {
        serde_json::from_value(answer).map_err(|error| visit.unreadable(&self.path, &error))
    }

    /// The command that makes the same call. It has no secret: the control key is a variable, and what somebody
    /// typed where it does not belong is blanked.
    fn command(&self, visit: &Visit) -> String {
        let BaseUrl(base) = BaseUrl::of(&visit.parts);
        let mut words = vec!["curl -sS".to_owned()];
        if !matches!((&self.method, &self.body), (&Method::GET, _) | (&Method::POST, Some(_))) {
            words.push(format!("-X {}", self.method));
        }
        words.push(quoted(&format!("{base}{}", self.path)));
        if matches!(*visit.pages.access, Access::Key(_)) {
            words.push("-H \"Authorization: Bearer $CONTROL_KEY\"".to_owned());
        }
        if self.method != Method::GET {
            words.push("-H 'Content-Type: application/json'".to_owned());
        }
        if let Some(body) = &self.body {
            words.push(format!("-d {}", quoted(&body.to_string())));
        }
        redaction::line(&words.join(" "))
    }
}

/// Calls as commands, to be opened and copied. `id` is the one of the text on its page.
pub(super) fn as_curl(visit: &Visit, id: &str, calls: &[Call]) -> Markup {
    let commands: Vec<String> = calls.iter().map(|call| call.command(visit)).collect();
    html! {
        details.curl {
            summary { "As curl" }
            pre #(id) { (commands.join("\n")) }
            button.small type="button" data-copy=(id) { "Copy" }
        }
    }
}

/// Parameters as a query, without those that are empty.
pub(super) fn query(parameters: &[(&str, &str)]) -> String {
    let said = parameters.iter().filter(|(_, value)| !value.is_empty());
    form_urlencoded::Serializer::new(String::new()).extend_pairs(said).finish()
}

/// A part of a path as it stands between two slashes.
pub(super) fn segment(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.push_str(&hex::encode_upper([byte]));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_stays_one() {
        for (text, path) in [("a-b_c.1", "a-b_c.1"), ("a/b?c#d", "a%2Fb%3Fc%23d"), ("ü %", "%C3%BC%20%25")] {
            assert_eq!(segment(text), path);
        }
    }

    #[test]
    fn what_is_empty_is_not_asked_for() {
        assert_eq!(query(&[("a", ""), ("b", "1 &2")]), "b=1+%262");
        let call = Call::get("/x").with_query(&[("a", "")]);
        assert_eq!(call.path, "/x");
    }

    #[test]
    fn a_query_stays_in_its_quotes() {
        let call = Call::get("/x").with_query(&[("a", "'; rm -r /; '&\n")]);
        assert_eq!(call.path, "/x?a=%27%3B+rm+-r+%2F%3B+%27%26%0A");
    }
}
