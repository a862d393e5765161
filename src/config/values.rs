//! Parsers for the values of flags and variables. Their errors say what is wrong and then what to use; clap puts the flag's
//! name in front.

use std::fmt::Display;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::str::FromStr;

use axum::http::Method;
use clap::ValueEnum;
use serde_json::Value;
use tokio_rustls::rustls::pki_types::ServerName;
use uuid::Uuid;

use crate::domain::audit::shape::Shape;
use crate::domain::ids::MAX_NUMERIC_ID;
use crate::domain::lifecycle::EventKind;
use crate::domain::oauth::ClientSecret;
use crate::domain::tokens::TokenValue;
use crate::domain::{AccountId, Millis, WorkspaceId, durations};
use crate::web::browser::AllowedHost;

pub(super) fn number<T>(range: RangeInclusive<T>) -> impl Fn(&str) -> Result<T, String> + Clone + Send + Sync + 'static
where
    T: FromStr + PartialOrd + Display + Clone + Send + Sync + 'static,
{
    move |text| {
        let digits = text.strip_prefix('-').unwrap_or(text);
        let is_number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
        let (low, high) = (range.start(), range.end());
        let found = text.parse::<T>().ok().filter(|number| range.contains(number));
        let wrong = if is_number { "out of range" } else { "not a number" };
        found.ok_or_else(|| format!("{wrong}: use a number from {low} to {high}"))
    }
}

pub(super) fn port(text: &str) -> Result<u16, String> {
    number(1..=u16::MAX)(text)
}

/// 0 picks a free port.
pub(super) fn listening_port(text: &str) -> Result<u16, String> {
    number(0..=u16::MAX)(text)
}

pub(super) fn address(text: &str) -> Result<IpAddr, String> {
    text.parse().map_err(|_| "not an IP address: use one such as 127.0.0.1, 0.0.0.0 or ::1".into())
}

pub(super) fn token(text: &str) -> Result<TokenValue, String> {
    TokenValue::parse(text).ok_or_else(|| "not in the format of a token: use dapi and 32 lower-case hex digits".into())
}

pub(super) fn client_secret(text: &str) -> Result<ClientSecret, String> {
    ClientSecret::parse(text)
        .ok_or_else(|| "not in the format of a secret: use dose and 32 lower-case hex digits".into())
}

pub(super) fn workspace_id(text: &str) -> Result<WorkspaceId, String> {
    let id = WorkspaceId::parse(text).filter(|id| (1..=MAX_NUMERIC_ID).contains(&id.0));
    id.ok_or_else(|| format!("not a workspace id: use a number from 1 to {MAX_NUMERIC_ID}"))
}

/// The server resolves names.
pub(super) fn workspace(text: &str) -> Result<String, String> {
    let named = !text.trim().is_empty();
    named.then(|| text.to_owned()).ok_or_else(|| "empty: use a workspace's id or name, or default".into())
}

pub(super) fn account_id(text: &str) -> Result<AccountId, String> {
    Uuid::parse_str(text)
        .map(AccountId)
        .map_err(|_| "not a UUID: use one such as 12345678-9abc-4def-8123-456789abcdef".into())
}

pub(super) fn shape(text: &str) -> Result<Shape, String> {
    Shape::parse(text).ok_or_else(|| "unknown shape: use delivery, system_table or azure".into())
}

pub(super) fn day(text: &str) -> Result<Millis, String> {
    let day = text.parse::<chrono::NaiveDate>().map_err(|_| "not a day: use one such as 2017-06-01")?;
    Ok(Millis(day.and_time(chrono::NaiveTime::MIN).and_utc().timestamp_millis()))
}

/// Reads a name as the control API spells it; the error lists the possible ones.
pub(super) fn name<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, String> {
    serde_json::from_value(text.into()).map_err(|error| error.to_string())
}

pub(super) fn tls_name(text: &str) -> Result<String, String> {
    let name = ServerName::try_from(text)
        .map_err(|_| "neither a host name nor an IP address: use one such as mock.example.com or 10.0.0.1")?;
    Ok(name.to_str().into_owned())
}

pub(super) fn allowed_host(text: &str) -> Result<AllowedHost, String> {
    AllowedHost::parse(text)
        .ok_or_else(|| "not a host name: use one such as mock.example.com, or *.example.com, without a port".into())
}

pub(super) fn span(text: &str) -> Result<String, String> {
    let advice = || "not a duration: use one such as 90d, 1h30m, 500ms or PT2H".to_owned();
    durations::parse(text).map(|_| text.to_owned()).map_err(|_| advice())
}

pub(super) fn instant(text: &str) -> Result<String, String> {
    let advice = || "not an instant: use RFC 3339, such as 2027-01-01T00:00:00Z, or epoch milliseconds".to_owned();
    Millis::parse(text).map(|_| text.to_owned()).ok_or_else(advice)
}

pub(super) fn event(text: &str) -> Result<String, String> {
    let of_token = text.strip_prefix("token:").is_some_and(|id| !id.is_empty());
    let known = of_token || EventKind::parse(text).is_some();
    let names = "token.expired, token.auto_revoked, token.vacuumed, token.autoscoped, conf.effective or token:TOKEN_ID";
    known.then(|| text.to_owned()).ok_or_else(|| format!("unknown event: use {names}"))
}

pub(super) fn method(text: &str) -> Result<String, String> {
    let is_word = !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphabetic());
    let method = text.to_ascii_uppercase();
    let known = is_word && method.parse::<Method>().is_ok();
    known.then_some(method).ok_or_else(|| "not an HTTP method: use GET, POST, PUT, PATCH, DELETE or HEAD".into())
}

pub(super) fn path(text: &str) -> Result<String, String> {
    let advice = "use one that begins with /, such as '/api/2.0/token/*', without a query";
    match text.strip_prefix('/') {
        _ if text.contains(['?', '#']) || text.contains(char::is_whitespace) => Err(format!("not a path: {advice}")),
        // `*` alone matches any path.
        None if text != "*" => Err(format!("not a path: {advice}")),
        _ => Ok(text.to_owned()),
    }
}

pub(super) fn json(text: &str) -> Result<Value, String> {
    serde_json::from_str(text).map_err(|error| format!("not valid JSON: {error}"))
}

pub(super) fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) =
        text.split_once('=').filter(|(name, _)| !name.is_empty()).ok_or("not a parameter: use NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum CredentialName {
    None,
    PatBearer,
    PatBasic,
    Oauth,
    Malformed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum CensusBy {
    Client,
    Principal,
    Credential,
    Token,
}

pub fn name_of(value: &impl ValueEnum) -> String {
    value.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_says_what_is_wrong_and_what_to_use() {
        let words = |error: Result<String, String>| error.unwrap_err();
        assert_eq!(number(1..=5)("x").unwrap_err(), "not a number: use a number from 1 to 5");
        assert_eq!(number(1..=5)("").unwrap_err(), "not a number: use a number from 1 to 5");
        assert_eq!(number(1..=5)("6").unwrap_err(), "out of range: use a number from 1 to 5");
        assert_eq!(number(0_u8..=5)("-1").unwrap_err(), "out of range: use a number from 0 to 5");
        assert_eq!(number(1..=5)("5"), Ok(5));
        assert!(words(span("soon")).starts_with("not a duration: use"));
        assert!(words(instant("soon")).starts_with("not an instant: use RFC 3339"));
        assert!(words(event("token.gone")).starts_with("unknown event: use token.expired"));
        assert!(words(event("token:")).starts_with("unknown event"));
        assert!(words(method("GE T")).starts_with("not an HTTP method"));
        assert_eq!(method("get"), Ok("GET".to_owned()));
        for wrong in ["api", "", "/a?b=c", "/a b"] {
            assert!(words(path(wrong)).starts_with("not a path"), "{wrong}");
        }
        assert!(path("/api/2.0/token/*").is_ok() && path("*").is_ok());
        assert!(json("{").is_err() && pair("=x").is_err() && pair("x").is_err());
        assert_eq!(pair("a=b=c"), Ok(("a".to_owned(), "b=c".to_owned())));
        assert_eq!(name_of(&CredentialName::PatBearer), "pat_bearer");
    }
}
