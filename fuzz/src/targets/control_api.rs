//! Fuzzes input of the control API: faults, journal queries and names.

use dapi_mock::domain::CheckpointName;
use dapi_mock::domain::faults::{self, Rule};
use dapi_mock::domain::journal::{self, Client, CredentialKind, ReceivedRequest, path_distance};
use dapi_mock::http::extract::parse_object;

const PATH: &str = "/api/2.0/token/list";

pub(super) fn run(data: &[u8]) {
    let request = faults::Request { method: "GET", path: PATH, principal: Some("a"), token: None, client: "curl/8" };
    if let Ok(Ok(rule)) = parse_object::<faults::FaultRequest>(data).map(faults::FaultRequest::checked) {
        holds(&rule);
        rule.takes(&request);
    }
    if let Ok(wanted) = parse_object::<journal::RequestFilter>(data) {
        let seen = ReceivedRequest { request, status: 200, credential: CredentialKind::None, operation: None };
        assert_eq!(wanted.takes(&seen), wanted.differences(&seen).is_empty());
        assert!(!wanted.words().is_empty());
    }
    let text = String::from_utf8_lossy(data);
    assert!(!Client::parse(&text).label().is_empty());
    if text.len() < 200 {
        assert_eq!(path_distance(&text, &text) == 0, !text.split('/').any(|segment| segment.starts_with('{')));
        faults::path_fits(&text, PATH);
    }
    if let Some(name) = CheckpointName::parse(&text) {
        assert!(!name.as_str().contains(['/', '\\', '\r', '\n', '%', '\0']));
    }
}

/// Checks that an accepted rule survives storage, and that its counts are consistent.
fn holds(rule: &Rule) {
    let stored = serde_json::to_string(rule).unwrap();
    assert_eq!(&serde_json::from_str::<Rule>(&stored).unwrap(), rule);
    assert!(rule.delay_ms() <= faults::MAX_DELAY_MS);
    for seen in [0, 1, i64::from(rule.offset), i64::from(rule.offset) + 1, 10_000_000] {
        assert!(rule.fired(seen) <= seen && rule.fired(seen) <= rule.fired(seen + 1));
        assert!(rule.remaining(seen).is_none_or(|left| left >= 0));
    }
}
