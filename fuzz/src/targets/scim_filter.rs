//! Fuzzes SCIM filters: their size is bounded, and their logic is consistent.

use std::borrow::Cow;

use dapi_mock::domain::Denial;
use dapi_mock::domain::scim::{Attribute, Fault, Filter};

/// The values of a resource that has every attribute, with no, one or two values.
fn values(attribute: Attribute) -> Vec<Cow<'static, str>> {
    let all = ["ann@example.com", "1", "true", ""];
    all.iter().skip(attribute as usize % 4).step_by(2).map(|value| (*value).into()).collect()
}

pub(super) fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match Filter::<Attribute>::parse(text) {
        Ok(filter) => {
            let holds = filter.matches(&values);
            for (around, expected) in [
                (format!("not ({text})"), !holds),
                (format!("({text}) or id pr"), holds || !values(Attribute::Id).is_empty()),
            ] {
                // Negating could exceed the bound.
                if let Ok(other) = Filter::<Attribute>::parse(&around) {
                    assert_eq!(other.matches(&values), expected, "{around}");
                }
            }
        }
        Err(denial) => {
            assert!(matches!(&denial, Denial::Scim(Fault::InvalidFilter, why) if why.len() < 600), "{denial:?}");
        }
    }
    let quoted = serde_json::to_string(text).unwrap();
    let exact = Filter::<Attribute>::parse(&format!("externalId eq {quoted}")).unwrap();
    assert!(exact.matches(&|_| vec![text.into()]));
    assert!(!exact.matches(&|_| vec![format!("{text}x").into()]));
}
