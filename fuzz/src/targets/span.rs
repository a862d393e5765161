//! Fuzzes durations, the lifetimes of secrets, and instants.

use dapi_mock::domain::oauth::plan_secret;
use dapi_mock::domain::{Millis, durations};

pub(super) fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(ms) = durations::parse(text) {
        assert!(ms >= 0);
        assert_eq!(durations::parse(&format!("{ms}ms")), Ok(ms));
        assert_eq!(durations::parse(&format!(" {} ", text.to_ascii_lowercase())), Ok(ms));
    }
    if let Ok(expiry) = plan_secret(Some(text), 0, Millis(0)) {
        assert!(0 < expiry.0 && text.ends_with('s'));
        // At most two years, regardless of the request.
        assert!(expiry <= plan_secret(None, 0, Millis(0)).unwrap());
    }
    if let Some(instant) = Millis::parse(text) {
        assert_eq!(Millis::parse(&instant.rfc3339()), Some(instant), "{text}: {}", instant.rfc3339());
    }
}
