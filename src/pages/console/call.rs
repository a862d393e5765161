//! A call of the control API. The same value makes the call and shows it as a curl command, so that what a page does and
//! what it says that it does cannot differ.

use axum::http::{HeaderMap, Method};
use maud::{Markup, html};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::http::oauth::discovery::BaseUrl;
use crate::http::redaction;
use crate::pages::visit::{ErrorPage, Refusal, Visit, read_bytes};
use crate::web::access::Access;
use crate::web::curl::Curl;

#[derive(Clone, Debug)]
pub(super) struct Call {
    method: Method,
    /// With its query.
    path: String,
    body: Option<Value>,
}

impl Call {
    pub(super) fn new(method: Method, path: String, body: Option<Value>) -> Self {
        Self { method, path, body }
    }

    pub(super) fn get(path: impl Into<String>) -> Self {
        Self::new(Method::GET, path.into(), None)
    }

    /// Adds parameters, except empty ones.
    pub(super) fn with_query(mut self, parameters: &[(&str, &str)]) -> Self {
        let query = query(parameters);
        if !query.is_empty() {
            self.path = format!("{}?{query}", self.path);
        }
        self
    }

    pub(super) async fn make(&self, visit: &Visit) -> Result<Value, Refusal> {
        visit.ask(self.method.clone(), &self.path, self.body.as_ref()).await
    }

    /// For answers that are not JSON.
    pub(super) async fn make_text(&self, visit: &Visit) -> Result<(HeaderMap, String), Refusal> {
        let (parts, body) = visit.fetch(self.method.clone(), &self.path, self.body.as_ref()).await?.into_parts();
        Ok((parts.headers, String::from_utf8_lossy(&read_bytes(body).await).into_owned()))
    }

    pub(super) fn read<T: DeserializeOwned>(&self, visit: &Visit, answer: Value) -> Result<T, ErrorPage> {
        serde_json::from_value(answer).map_err(|error| visit.unreadable(&self.path, &error))
    }

    /// The command holds no secret: the control key is a variable, and a secret that was typed into the wrong field is
    /// blanked.
    fn command(&self, visit: &Visit) -> String {
        let BaseUrl(base) = BaseUrl::of(&visit.parts);
        let needs_key = matches!(*visit.pages.access, Access::Key(_));
        let headers = if self.method == Method::GET { &[][..] } else { &[("Content-Type", "application/json")] };
        let body = self.body.as_ref().map(Value::to_string);
        let command = Curl {
            method: self.method.as_str(),
            url: &format!("{base}{}", self.path),
            credential: needs_key.then_some("-H \"Authorization: Bearer $CONTROL_KEY\""),
            headers,
            body: body.as_deref(),
        };
        redaction::line(&command.to_string())
    }
}

/// The calls as commands, to be opened and copied; `id` is the element's.
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

/// A query of these parameters, except empty ones.
pub(super) fn query(parameters: &[(&str, &str)]) -> String {
    let given = parameters.iter().filter(|(_, value)| !value.is_empty());
    form_urlencoded::Serializer::new(String::new()).extend_pairs(given).finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_parameters_are_left_out() {
        assert_eq!(query(&[("a", ""), ("b", "1 &2")]), "b=1+%262");
        assert_eq!(Call::get("/x").with_query(&[("a", "")]).path, "/x");
    }

    #[test]
    fn a_query_stays_in_its_quotes() {
        let call = Call::get("/x").with_query(&[("a", "'; rm -r /; '&\n")]);
        assert_eq!(call.path, "/x?a=%27%3B+rm+-r+%2F%3B+%27%26%0A");
    }
}
