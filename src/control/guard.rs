//! Keeps out of the control API whoever has no key, and pages of other sites, also those that reach this machine under
//! a domain of their own.

use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use axum::http::{Extensions, HeaderMap, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tokio::time::timeout;

use super::Control;
use super::reply::{ControlError, received};
use super::route::Who;
use crate::http::credential::repeated;
use crate::http::error::ApiError;
use crate::service::{KeyGuesses, KeyVerdict};
use crate::web::access::{Access, LOCKED};
use crate::web::browser::{UNKNOWN_HOST, has_known_host, is_foreign};
use crate::web::connection::Connection;

pub(super) async fn check(State((control, who)): State<(Control, Who)>, request: Request, next: Next) -> Response {
    let allowed = if Connection::of(request.extensions()).via_pages {
        Ok(())
    } else {
        let guesses = control.service.key_guesses();
        allowed((&control.access, guesses), who, request.method(), request.headers(), request.extensions())
    };
    let received = match allowed {
        Ok(()) => received(request).await,
        Err(error) => Err(error),
    };
    let mut response = match received {
        Ok(request) => match timeout(control.limit, next.run(request)).await {
            Ok(response) => response,
            Err(_) => ControlError::from(ApiError::Unavailable).into_response(),
        },
        Err(error) => error.into_response(),
    };
    response.headers_mut().insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

fn allowed(
    (access, guesses): (&Access, &KeyGuesses),
    who: Who,
    method: &Method,
    headers: &HeaderMap,
    extensions: &Extensions,
) -> Result<(), ControlError> {
    let forbidden = |message: &str| ControlError::new(StatusCode::FORBIDDEN, message);
    if let Some(name) = repeated(headers) {
        return Err(ControlError::bad_request(format!("The header {name} was sent more than once.")));
    }
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    match access {
        // The routes of the emulated account console take an OAuth access token, whatever the settings say about the
        // control API. As with the key, no page of another site can have one.
        Access::Off | Access::Closed | Access::Key(_) if who == Who::AccountAdmin => {}
        Access::Off => {
            return Err(ControlError::new(
                StatusCode::NOT_FOUND,
                "The control API is off: start the server without --control off.",
            ));
        }
        Access::Closed => {
            return Err(forbidden(&format!("The control API is locked {LOCKED}.")));
        }
        Access::Key(key) => {
            let unauthorized = || {
                ControlError::new(
                    StatusCode::UNAUTHORIZED,
                    "Missing or wrong control key: send 'Authorization: Bearer KEY'.",
                )
            };
            let shown = text(AUTHORIZATION).and_then(|value| value.strip_prefix("Bearer ")).ok_or_else(unauthorized)?;
            match guesses.check(Connection::of(extensions).peer, shown, key) {
                KeyVerdict::Right => {}
                KeyVerdict::Wrong => return Err(unauthorized()),
                KeyVerdict::Wait(seconds) => return Err(ControlError::too_many_keys(seconds)),
            }
        }
        // A page that reaches this machine by pointing its own domain at it sends that domain as Host.
        Access::Open if !has_known_host(headers, extensions) => return Err(forbidden(&format!("{UNKNOWN_HOST}."))),
        Access::Open => {}
    }
    if is_foreign(headers) {
        return Err(forbidden("Cross-site request rejected."));
    }
    let reads = matches!(*method, Method::GET | Method::HEAD);
    let is_json = text(CONTENT_TYPE)
        .is_some_and(|value| value.split(';').next().unwrap_or_default().trim() == "application/json");
    if !reads && !is_json {
        return Err(ControlError::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "Unsupported content type: send 'Content-Type: application/json'.",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(access: &Access, method: &Method, pairs: &[(&'static str, &str)]) -> u16 {
        status_for(Who::Operator, access, method, pairs)
    }

    fn status_for(who: Who, access: &Access, method: &Method, pairs: &[(&'static str, &str)]) -> u16 {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, value.parse().unwrap());
        }
        allowed((access, &KeyGuesses::default()), who, method, &headers, &Extensions::new())
            .map_or_else(|error| error.into_response().status().as_u16(), |()| 200)
    }

    #[test]
    fn access_decides_who_gets_in() {
        let get = |access: &Access, pairs: &[(&'static str, &str)]| status(access, &Method::GET, pairs);
        let host = ("host", "127.0.0.1:3274");
        assert_eq!(get(&Access::Off, &[host]), 404);
        assert_eq!(get(&Access::Open, &[host]), 200);
        assert_eq!(get(&Access::Closed, &[host]), 403);
        let keyed = Access::with_key("secret");
        assert_eq!(get(&keyed, &[host]), 401);
        assert_eq!(get(&keyed, &[host, ("authorization", "Bearer wrong")]), 401);
        assert_eq!(get(&keyed, &[("host", "mock.example.com"), ("authorization", "Bearer secret")]), 200);
    }

    #[test]
    fn other_hosts_and_other_sites_are_refused() {
        let open = Access::Open;
        let json = ("content-type", "application/json; charset=utf-8");
        for host in ["127.0.0.1", "[::1]:3274", "localhost:3274", "dapi-mock:3274", "a.localhost"] {
            assert_eq!(status(&open, &Method::POST, &[("host", host), json]), 200, "{host}");
        }
        for host in ["evil.example.com", "127.0.0.1.evil.com:3274", "", "evil.com:x"] {
            assert_eq!(status(&open, &Method::POST, &[("host", host), json]), 403, "{host}");
        }
        let host = ("host", "127.0.0.1:3274");
        for origin in ["http://evil.example.com", "null", "http://127.0.0.1:9999", "https://127.0.0.1:3274.evil.com"] {
            assert_eq!(status(&open, &Method::POST, &[host, json, ("origin", origin)]), 403, "{origin}");
        }
        assert_eq!(status(&open, &Method::POST, &[host, json, ("origin", "http://127.0.0.1:3274")]), 200);
        for site in ["cross-site", "same-site", "nonsense"] {
            assert_eq!(status(&open, &Method::GET, &[host, ("sec-fetch-site", site)]), 403, "{site}");
            assert_eq!(status(&open, &Method::HEAD, &[host, ("sec-fetch-site", site)]), 403, "{site}");
            assert_eq!(status(&open, &Method::DELETE, &[host, json, ("sec-fetch-site", site)]), 403, "{site}");
        }
        assert_eq!(status(&open, &Method::GET, &[host, ("referer", "http://127.0.0.1:9999/")]), 403);
        assert_eq!(status(&open, &Method::POST, &[host, json, ("content-type", "text/plain")]), 400);
        let key = ("authorization", "Bearer secret");
        let keyed = Access::with_key("secret");
        assert_eq!(status(&keyed, &Method::GET, &[host, key, ("authorization", "Bearer x")]), 400);
        for form in ["application/x-www-form-urlencoded", "text/plain", "multipart/form-data"] {
            assert_eq!(status(&open, &Method::POST, &[host, ("content-type", form)]), 415, "{form}");
        }
        assert_eq!(status(&open, &Method::POST, &[host]), 415);
    }

    #[test]
    fn account_admin_routes_need_no_key_and_still_refuse_other_sites() {
        let ask = |access: &Access, method: Method, pairs: &[(&'static str, &str)]| {
            status_for(Who::AccountAdmin, access, &method, pairs)
        };
        let (host, json) = (("host", "mock.example.com"), ("content-type", "application/json"));
        for access in [Access::Off, Access::Closed, Access::with_key("secret")] {
            assert_eq!(ask(&access, Method::GET, &[host, ("authorization", "Bearer eyJ")]), 200, "{access}");
            assert_eq!(ask(&access, Method::POST, &[host, json]), 200, "{access}");
            assert_eq!(ask(&access, Method::POST, &[host]), 415, "{access}");
            assert_eq!(ask(&access, Method::GET, &[host, ("origin", "http://evil.example.com")]), 403, "{access}");
        }
        assert_eq!(ask(&Access::Open, Method::GET, &[host]), 403, "a domain that points to loopback");
        assert_eq!(ask(&Access::Open, Method::GET, &[("host", "127.0.0.1:3274")]), 200);
    }
}
