//! Fuzzes SCIM's POST, PUT and PATCH: the result must be a principal of the same kind, id and name.

use dapi_mock::domain::PrincipalId;
use dapi_mock::domain::identities::{Directory, MAX_NAME_CHARS, Principal, PrincipalKind};
use dapi_mock::domain::scim::{Change, Draft, requested_name};
use dapi_mock::http::extract::parse_object;
use serde_json::{Map, Value};

const KINDS: [(PrincipalKind, &str); 3] = [
    (PrincipalKind::User, "ann@example.com"),
    (PrincipalKind::ServicePrincipal, "6e4b4b0e-5a5b-4f7e-9d3e-1f0a2b3c4d5e"),
    (PrincipalKind::Group, "readers"),
];

pub(super) fn run(data: &[u8]) {
    let Ok(body) = parse_object::<Map<String, Value>>(data) else { return };
    for (kind, name) in KINDS {
        let principal = Principal::new(PrincipalId(7), kind, name);
        let before = Draft::create(principal.clone(), &Map::new()).unwrap();
        if let Ok(Some(name)) = requested_name(kind, &body) {
            assert!(!name.trim().is_empty() && name.chars().count() <= MAX_NAME_CHARS && !name.contains('\0'));
        }
        if let Ok(created) = Draft::create(principal, &body) {
            holds(&before, &created);
        }
        for change in [Ok(Change::Replace(body.clone())), Change::patch(&body)].into_iter().flatten() {
            applies(&before, &change);
        }
    }
}

fn applies(before: &Draft, change: &Change) {
    let mut once = before.clone();
    if change.apply(&mut once).is_err() {
        return;
    }
    holds(before, &once);
    let is_one = match change {
        Change::Replace(_) => true,
        Change::Patch(operations) => operations.len() == 1,
    };
    if is_one {
        // The first patch may have removed what the filter selects.
        let mut twice = once.clone();
        if change.apply(&mut twice).is_ok() {
            assert_eq!(twice, once);
        }
    }
}

fn holds(before: &Draft, after: &Draft) {
    let (was, is) = (&before.principal, &after.principal);
    assert_eq!((was.id, was.kind), (is.id, is.kind));
    if is.kind == PrincipalKind::Group {
        assert_eq!(is.name, is.display_name);
    } else {
        assert_eq!(was.name, is.name);
    }
    assert!(!is.name.trim().is_empty() && is.name.chars().count() <= MAX_NAME_CHARS);
    // PostgreSQL refuses text with a NUL.
    let attributes = &is.attributes;
    let optional = [&is.external_id, &attributes.given_name, &attributes.family_name];
    let emails = attributes.emails.iter().flat_map(|email| email.kind.iter().chain([&email.value]));
    let lists = after.entitlements.iter().chain(&after.roles).chain(emails);
    let texts = [&is.name, &is.display_name].into_iter().chain(optional.into_iter().flatten()).chain(lists);
    assert!(texts.into_iter().all(|text| !text.contains('\0')));
    assert!(after.members.iter().all(|id| PrincipalId::parse(&id.to_string()) == Some(*id)));
    if let Ok(settled) = after.clone().settled(Directory::Account) {
        assert!(settled.entitlements.is_empty() && settled.principal.active == settled.active);
    }
}
