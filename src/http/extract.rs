//! What handlers take of a request (the caller, the body, a path segment, the query) and how they answer. A rejection is
//! an [`ApiError`], so that it looks like every other refusal.

use std::fmt;
use std::sync::Arc;

use axum::Json;
use axum::extract::{FromRequestParts, Path, Query};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use serde::de::{DeserializeOwned, Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use super::error::ApiError;
use crate::domain::audit::Origin;
use crate::domain::authorize::Caller;
use crate::domain::denial::RequestDenial;
use crate::domain::plain_words::in_plain_words;
use crate::domain::{AccountId, Denial, PrincipalId};
use crate::http::context::RequestContext;
use crate::service::Call;

/// The authorized caller, and where it calls from.
#[derive(Clone, Debug)]
pub struct ApiCall {
    caller: Arc<Caller>,
    origin: Arc<Origin>,
}

impl ApiCall {
    pub fn as_call(&self) -> Call<'_> {
        Call { caller: &self.caller, origin: &self.origin }
    }

    /// Checks that the account in the path is the caller's own.
    ///
    /// # Errors
    /// [`Denial::AccountNotFound`]
    pub fn in_own_account(&self, named: &str) -> Result<(), Denial> {
        let own = AccountId::parse(named) == Some(self.caller.account());
        if own { Ok(()) } else { Err(Denial::AccountNotFound(named.to_owned())) }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for ApiCall {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let RequestContext { caller, origin, .. } = parts.extensions.get().ok_or(ApiError::Internal)?;
        // Missing only if a route that needs a caller were marked open: a defect.
        let caller = caller.clone().ok_or(ApiError::Internal)?;
        Ok(Self { caller, origin: origin.clone() })
    }
}

/// A JSON object, whatever its `Content-Type`: `curl -d` sends form-urlencoded, one client `text/json`, one nothing.
/// An empty body counts as `{}`. See docs/reference/wire.md#bodies.
#[derive(Clone, Debug)]
pub struct Body<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Body<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let RequestContext { body, .. } = parts.extensions.get().ok_or(ApiError::Internal)?;
        Ok(Self(parse_object(body.as_ref().map_err(Denial::clone)?)?))
    }
}

/// The members of a JSON object. A repeated name is refused, because the last member would win unnoticed.
#[derive(Clone, Debug, Default)]
pub struct Members(pub Map<String, Value>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OnceEach;

        impl<'de> Visitor<'de> for OnceEach {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Members, A::Error> {
                let mut members = Map::new();
                while let Some((name, value)) = access.next_entry::<String, Value>()? {
                    if members.contains_key(&name) {
                        return Err(A::Error::custom(format!("duplicate field `{name}`")));
                    }
                    members.insert(name, value);
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(OnceEach)
    }
}

/// Reads a JSON object.
///
/// # Errors
/// [`RequestDenial::MalformedBody`] for anything else; [`Denial::InvalidParameter`] for a field of a wrong type.
pub fn parse_object<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Denial> {
    let text = bytes.trim_ascii();
    let text = if text.is_empty() { b"{}" } else { text };
    // serde would take an array for a struct, field by field.
    if text.first() != Some(&b'{') {
        return Err(RequestDenial::MalformedBody("expected a JSON object".into()).into());
    }
    let mut reader = serde_json::Deserializer::from_slice(text);
    let parsed = serde_path_to_error::deserialize::<_, T>(&mut reader);
    let parsed = match parsed {
        Ok(parsed) => parsed,
        Err(error) if error.inner().is_data() => {
            // A wrong type may precede a syntax error, which is reported first.
            serde_json::from_slice::<serde::de::IgnoredAny>(text).map_err(malformed)?;
            return Err(Denial::parameter(wrong_type(&error)));
        }
        Err(error) => return Err(malformed(error.into_inner())),
    };
    reader.end().map_err(malformed)?;
    Ok(parsed)
}

#[expect(clippy::needless_pass_by_value, reason = "it is what map_err gives")]
fn malformed(error: serde_json::Error) -> Denial {
    RequestDenial::MalformedBody(error.to_string()).into()
}

fn wrong_type(error: &serde_path_to_error::Error<serde_json::Error>) -> String {
    let cause = error.inner().to_string();
    let cause = in_plain_words(cause.rsplit_once(" at line ").map_or(cause.as_str(), |(cause, _)| cause));
    match error.path().to_string().as_str() {
        "." => cause,
        path => format!("{path}: {cause}"),
    }
}

/// The variable segments of the path, percent-decoded: by name, or a single one as a text.
#[derive(Clone, Debug)]
pub struct Segments<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Segments<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        match <Path<T> as FromRequestParts<S>>::from_request_parts(parts, state).await {
            Ok(Path(segments)) => Ok(Self(segments)),
            Err(_) => Err(Denial::parameter("The path holds a segment that is not UTF-8.").into()),
        }
    }
}

/// The query's parameters, percent-decoded.
#[derive(Clone, Debug)]
pub struct Parameters(Vec<(String, String)>);

impl Parameters {
    pub fn pairs(&self) -> &[(String, String)] {
        &self.0
    }

    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// An empty value counts as absent.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, value)| key == name && !value.is_empty()).map(|(_, value)| value.as_str())
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Parameters {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let Ok(Query(pairs)) = Query::try_from_uri(&parts.uri) else {
            return Err(Denial::parameter("The query cannot be read.").into());
        };
        Ok(Self(pairs))
    }
}

/// The parameters of a GET or DELETE: in the query, or as members of a JSON object in the body, where old
/// documentation has them (`curl -X GET -d`).
#[derive(Clone, Debug)]
pub struct Arguments {
    query: Parameters,
    body: Map<String, Value>,
}

impl Arguments {
    pub fn query(&self) -> &Parameters {
        &self.query
    }

    /// An empty text and null count as absent.
    ///
    /// # Errors
    /// [`Denial::InvalidParameter`] for another type, and if the query and the body differ.
    pub fn text(&self, name: &str) -> Result<Option<String>, Denial> {
        let of_body = match self.body.get(name) {
            None | Some(Value::Null) => None,
            Some(Value::String(text)) => Some(text.clone()),
            Some(other) => return Err(Denial::parameter(format!("{name}: {other} is not a string."))),
        };
        self.single(name, of_body)
    }

    /// An id: a number, or a string of its digits.
    ///
    /// # Errors
    /// Those of [`text`](Self::text), and for a text that is not an id.
    pub fn id(&self, name: &str) -> Result<Option<PrincipalId>, Denial> {
        let of_body = match self.body.get(name) {
            None | Some(Value::Null) => None,
            Some(Value::String(text)) => Some(text.clone()),
            Some(Value::Number(number)) => Some(number.to_string()),
            Some(other) => return Err(Denial::parameter(format!("{name}: {other} is not a number."))),
        };
        let wrong = |text: &str| Denial::parameter(format!("{name}: '{text}' is not an id."));
        self.single(name, of_body)?.map(|text| PrincipalId::parse(&text).ok_or_else(|| wrong(&text))).transpose()
    }

    /// If the query and the body differ, it would be a guess which is meant.
    fn single(&self, name: &str, of_body: Option<String>) -> Result<Option<String>, Denial> {
        match (self.query.get(name), of_body.filter(|text| !text.is_empty())) {
            (Some(query), Some(body)) if query != body => {
                let sentence = format!("{name}: the query says '{query}', and the body says '{body}'.");
                Err(Denial::InvalidParameter(sentence))
            }
            (Some(query), _) => Ok(Some(query.to_owned())),
            (None, of_body) => Ok(of_body),
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Arguments {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let query = Parameters::from_request_parts(parts, state).await?;
        let RequestContext { body, .. } = parts.extensions.get().ok_or(ApiError::Internal)?;
        let body = body.as_ref().map_err(Denial::clone)?;
        // Some clients send null for an empty body.
        let is_null = body.trim_ascii() == b"null";
        let Members(body) = if is_null { Members::default() } else { parse_object(body)? };
        Ok(Self { query, body })
    }
}

pub fn ok<T: Serialize>(body: &T) -> Response {
    answer(StatusCode::OK, body)
}

pub fn answer<T: Serialize>(status: StatusCode, body: &T) -> Response {
    (status, Json(body)).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    struct Sample {
        n: Option<i64>,
        text: Option<String>,
    }

    #[test]
    fn malformed_bodies_and_wrong_types_are_distinguished() {
        let parse = |text: &str| parse_object::<Sample>(text.as_bytes());
        let empty = Sample { n: None, text: None };
        for text in ["", "  ", "{}", "{\"n\":null}", "{\"other\":[1]}"] {
            assert_eq!(parse(text), Ok(Sample { n: None, text: None }), "{text:?}");
        }
        assert_eq!(parse("{\"n\":5}").unwrap(), Sample { n: Some(5), ..empty });
        for text in [
            "{",
            "[]",
            "[5,\"x\"]",
            "null",
            "5",
            "\"x\"",
            "{} {}",
            "{\"n\":\"x\",}",
            "{\"n\":1e999999}",
            "{\"text\":\"\\ud800\"}",
        ] {
            assert!(
                matches!(parse(text), Err(Denial::Request(RequestDenial::MalformedBody(_)))),
                "{text:?}: {:?}",
                parse(text)
            );
        }
        assert!(matches!(
            parse_object::<Sample>(b"{\"text\":\"\xff\"}"),
            Err(Denial::Request(RequestDenial::MalformedBody(_)))
        ));
        for text in ["{\"n\":\"5\"}", "{\"n\":5.5}", "{\"n\":99999999999999999999}", "{\"n\":{}}", "{\"n\":1,\"n\":2}"]
        {
            assert!(
                matches!(parse(text), Err(Denial::InvalidParameter(ref s)) if s.contains('n')),
                "{text:?}: {:?}",
                parse(text)
            );
        }
        assert_eq!(parse("{\"n\":\"5\"}"), Err(Denial::parameter("n: invalid type: string \"5\", expected a number")));
        assert_eq!(parse("{\"text\":7}"), Err(Denial::parameter("text: invalid type: integer `7`, expected a string")));
    }
}
