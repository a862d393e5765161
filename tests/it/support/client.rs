//! Callers of the router, and what they are answered. No socket is involved.

use axum::body::Body;
use axum::http::{HeaderMap, Method, Request, StatusCode};
use axum::response::Response;
use http_body_util::BodyExt;
use serde_json::Value;
use tower::ServiceExt;

use super::{ADMIN_TOKEN, ME, World};

/// A caller with its token, or without one.
#[derive(Clone, Copy)]
pub(crate) struct Client<'a> {
    world: &'a World,
    token: Option<&'a str>,
}

impl Client<'_> {
    pub(crate) fn request(&self, method: &Method, path: &str) -> axum::http::request::Builder {
        let builder = Request::builder().method(method).uri(path).header("host", "127.0.0.1:3274");
        match self.token {
            Some(token) => builder.header("authorization", format!("Bearer {token}")),
            None => builder,
        }
    }

    pub(crate) async fn call(&self, method: Method, path: &str, body: impl Into<Body>) -> Answer {
        self.world.send(self.request(&method, path).body(body.into()).unwrap()).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.call(Method::GET, path, Body::empty()).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        self.call(Method::POST, path, body.to_string()).await
    }

    pub(crate) async fn patch(&self, path: &str, body: &Value) -> Answer {
        self.call(Method::PATCH, path, body.to_string()).await
    }

    /// Creates a token, and returns its value and id.
    pub(crate) async fn create(&self, body: &Value) -> (String, String) {
        let answer = self.post("/api/2.0/token/create", body).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let json = answer.json();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        (text(&json["token_value"]), text(&json["token_info"]["token_id"]))
    }

    /// Calls the control API.
    pub(crate) async fn own(&self, method: Method, path: &str, body: &Value) -> Answer {
        let request = self.request(&method, &format!("/_mock/v1/{path}")).header("content-type", "application/json");
        self.world.send(request.body(Body::from(body.to_string())).unwrap()).await
    }

    /// Advances the default workspace's clock, and returns the answer.
    pub(crate) async fn advance(&self, body: &Value) -> Value {
        let answer = self.own(Method::POST, "workspaces/default/clock/advance", body).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()
    }

    /// The ids of the caller's own tokens.
    pub(crate) async fn own_ids(&self) -> Vec<String> {
        let json = self.get("/api/2.0/token/list").await.json();
        json["token_infos"].as_array().unwrap().iter().map(|row| row["token_id"].as_str().unwrap().to_owned()).collect()
    }
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) async fn of(response: Response) -> Self {
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        Self { status: parts.status, headers: parts.headers, text: String::from_utf8(bytes.to_vec()).unwrap() }
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).unwrap_or_else(|| panic!("no {name}: {self:?}")).to_str().unwrap()
    }

    /// The status, the headers that clients read, and the body: what a snapshot shows.
    pub(crate) fn whole(&self) -> String {
        const SHOWN: [&str; 9] = [
            "content-type",
            "cache-control",
            "location",
            "retry-after",
            "set-cookie",
            "www-authenticate",
            "x-databricks-org-id",
            "x-databricks-reason-phrase",
            "x-next-after",
        ];
        let mut lines = vec![self.status.to_string()];
        for name in SHOWN {
            lines.extend(self.headers.get_all(name).iter().map(|value| format!("{name}: {}", value.to_str().unwrap())));
        }
        let body = match serde_json::from_str::<Value>(&self.text) {
            Ok(json) => format!("{:#}", shortened(json)),
            Err(_) if self.text.starts_with("<!DOCTYPE") => words(&self.text),
            Err(_) => self.text.clone(),
        };
        lines.extend([String::new(), body]);
        lines.join("\n").trim_end().to_owned()
    }

    /// Asserts the error's status, code (text or number) and message.
    #[track_caller]
    pub(crate) fn refused(&self, status: u16, code: impl Into<Value>, message: &str) {
        let json = self.json();
        assert_eq!((self.status.as_u16(), &json["error_code"]), (status, &code.into()), "{self:?}");
        let text = json["message"].as_str().unwrap();
        assert!(text.contains(message), "{text:?} does not contain {message:?}");
        assert_eq!(self.header("content-type"), "application/json; charset=utf-8");
    }
}

/// The same without the middle of access tokens and keys, which nobody reads.
fn shortened(value: Value) -> Value {
    match value {
        Value::String(text) if text.len() > 300 => format!("{:.20}… ({} characters)", text, text.len()).into(),
        Value::Array(elements) => elements.into_iter().map(shortened).collect(),
        Value::Object(members) => members.into_iter().map(|(name, value)| (name, shortened(value))).collect(),
        other => other,
    }
}

/// The words of a page, a line for each piece of text.
fn words(page: &str) -> String {
    let body = page.split_once("<body").map_or(page, |(_, body)| body);
    let pieces = body.split('<').filter_map(|piece| piece.split_once('>')).map(|(_, text)| text.trim());
    pieces.filter(|text| !text.is_empty()).collect::<Vec<_>>().join("\n")
}

impl World {
    pub(crate) fn client<'a>(&'a self, token: &'a str) -> Client<'a> {
        Client { world: self, token: Some(token) }
    }

    pub(crate) fn admin(&self) -> Client<'_> {
        self.client(ADMIN_TOKEN)
    }

    pub(crate) fn anonymous(&self) -> Client<'_> {
        Client { world: self, token: None }
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        Answer::of(self.router.clone().oneshot(request).await.unwrap()).await
    }

    pub(crate) async fn in_workspace(&self, token: &str, id: &str) -> Answer {
        let request = self.client(token).request(&Method::GET, ME).header("x-databricks-workspace-id", id);
        self.send(request.body(Body::empty()).unwrap()).await
    }

    /// Sends a request with this `Host` header.
    pub(crate) async fn send_to(
        &self,
        host: &str,
        method: Method,
        path: &str,
        token: Option<&str>,
        body: &str,
    ) -> Answer {
        let mut request = Request::builder().method(method).uri(path).header("host", host);
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        self.send(request.header("content-type", "application/json").body(Body::from(body.to_owned())).unwrap()).await
    }
}
