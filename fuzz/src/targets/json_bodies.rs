//! Fuzzes JSON bodies, parsed as the handlers parse them.

use dapi_mock::domain::denial::RequestDenial;
use dapi_mock::domain::settings::{ErrorTexts, PLATFORM_MAX_LIFETIME_DAYS};
use dapi_mock::domain::tokens::{ScopesUpdate, TokenFacts, TokenUpdate, plan_create};
use dapi_mock::domain::{Denial, Millis};
use dapi_mock::http::account::NewAssignment;
use dapi_mock::http::error::{ApiError, wire};
use dapi_mock::http::extract::parse_object;
use dapi_mock::http::oauth::client_secrets::CreateSecret;
use dapi_mock::http::permissions::ChangeList;
use dapi_mock::http::settings::{UpdateRuleSet, UpdateSetting};
use dapi_mock::http::tokens::{CreateToken, DeleteToken, UpdateToken, token_request};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// The maximum lifetimes, in days, with which to plan a token.
const CAPS: [i64; 3] = [1, 90, PLATFORM_MAX_LIFETIME_DAYS];
const NOW: Millis = Millis(1_800_000_000_000);

pub(super) fn run(data: &[u8]) {
    let is_object = parse_object::<Map<String, Value>>(data).is_ok();
    let read = [
        read_as::<CreateToken>(data),
        read_as::<DeleteToken>(data),
        read_as::<UpdateToken>(data),
        read_as::<CreateSecret>(data),
        read_as::<UpdateSetting>(data),
        read_as::<UpdateRuleSet>(data),
        read_as::<ChangeList>(data),
        read_as::<NewAssignment>(data),
    ];
    for result in read {
        match result {
            Ok(()) | Err(Denial::InvalidParameter(_)) => {}
            Err(other) => {
                assert!(matches!(other, Denial::Request(RequestDenial::MalformedBody(_))) && !is_object, "{other:?}");
                assert_eq!(wire(&ApiError::from(other), ErrorTexts::default()).status, 400);
            }
        }
    }
    is_planned(data);
}

fn read_as<T: DeserializeOwned>(data: &[u8]) -> Result<(), Denial> {
    parse_object::<T>(data).map(drop)
}

/// A new token is within the maximum lifetime, or the create is refused with a 4xx.
fn is_planned(data: &[u8]) {
    if let Ok(request) = token_request(data) {
        for cap_days in CAPS {
            match plan_create(&request, TokenFacts { cap_days, live_tokens: 0, autoscope_days: 30 }, NOW) {
                Ok(plan) => {
                    let lifetime = plan.expiry_time.since(NOW);
                    assert!(0 < lifetime && lifetime <= cap_days * 86_400_000, "{lifetime}");
                    assert!(!plan.comment.contains('\0'));
                }
                Err(denial) => {
                    assert_eq!(wire(&ApiError::from(denial), ErrorTexts::default()).status.as_u16() / 100, 4);
                }
            }
        }
    }
    if let Ok(Ok(update)) = parse_object::<UpdateToken>(data).map(TokenUpdate::try_from) {
        assert!(update.comment.is_some() || update.scopes != ScopesUpdate::Keep);
    }
}
