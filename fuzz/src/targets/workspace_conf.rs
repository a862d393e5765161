//! Fuzzes bodies of the workspace configuration.

use dapi_mock::domain::conf::{known_keys, plan_change};
use dapi_mock::domain::settings::{PLATFORM_MAX_LIFETIME_DAYS, effective_cap_days};
use dapi_mock::http::extract::parse_object;
use dapi_mock::http::workspace_conf::changes_from;
use serde_json::{Map, Value};

pub(super) fn run(data: &[u8]) {
    let Ok(body) = parse_object::<Map<String, Value>>(data) else { return };
    let changes = changes_from(body);
    let Ok(plan) = plan_change(&changes) else { return };
    assert_eq!(plan.len(), changes.len());
    for (key, value) in plan {
        assert!(known_keys().any(|known| known == key));
        if key == "maxTokenLifetimeDays" {
            let days = effective_cap_days(Some(value));
            assert!((1..=PLATFORM_MAX_LIFETIME_DAYS).contains(&days), "{value:?} is {days}");
        }
    }
}
