//! The bodies of PUT and PATCH (research/api-identity-auth.md §7.5, §7.6).

use serde_json::{Map, Value};

use super::draft::{Draft, Slot};
use super::filter::{Field, Filter};
use super::{Fault, no_such_attribute};
use crate::domain::Denial;

/// What an update asks for.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// PUT: what the body does not name is unset.
    Replace(Map<String, Value>),
    /// PATCH: these operations, in order.
    Patch(Vec<Operation>),
}

impl Change {
    /// Reads the body of a PATCH. `schemas` may be missing.
    ///
    /// # Errors
    /// [`Fault::InvalidSyntax`], [`Fault::InvalidPath`], [`Fault::InvalidFilter`]
    pub fn patch(body: &Map<String, Value>) -> Result<Self, Denial> {
        let operations = member(body, "operations").and_then(Value::as_array);
        let operations = operations.ok_or_else(|| syntax("Operations is required, and is a list"))?;
        Ok(Self::Patch(operations.iter().map(Operation::parse).collect::<Result<_, _>>()?))
    }

    /// Carries it out on a draft.
    ///
    /// # Errors
    /// [`Fault::InvalidPath`], [`Fault::InvalidValue`] or [`Fault::Mutability`]; the draft is then of no use.
    pub fn apply(&self, draft: &mut Draft) -> Result<(), Denial> {
        match self {
            Self::Replace(body) => {
                draft.clear();
                draft.fill(Verb::Replace, body)
            }
            Self::Patch(operations) => operations.iter().try_for_each(|operation| operation.apply(draft)),
        }
    }
}

/// What an operation does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    Add,
    Remove,
    Replace,
}

/// One operation of a PATCH.
#[derive(Clone, Debug, PartialEq)]
pub struct Operation {
    verb: Verb,
    /// `members`, `name.givenName` or `members[value eq "…"]`. Without one, the value is an object of
    /// attributes.
    path: Option<String>,
    value: Value,
}

/// What a selector may speak of: an element's `value`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Element;

impl Field for Element {
    fn parse(name: &str) -> Option<Self> {
        (name == "value").then_some(Self)
    }

    fn is_case_exact(self) -> bool {
        true
    }
}

impl Operation {
    fn parse(operation: &Value) -> Result<Self, Denial> {
        let operation = operation.as_object().ok_or_else(|| syntax("an operation is an object"))?;
        let verb = member(operation, "op").and_then(Value::as_str).unwrap_or_default();
        // Azure's provisioning writes them with capitals.
        let verb = match verb.to_ascii_lowercase().as_str() {
            "add" => Verb::Add,
            "remove" => Verb::Remove,
            "replace" => Verb::Replace,
            _ => return Err(syntax("op is add, remove or replace")),
        };
        let path = match member(operation, "path") {
            None | Some(Value::Null) => None,
            Some(Value::String(path)) if path.is_empty() => None,
            Some(Value::String(path)) => Some(path.clone()),
            Some(_) => return Err(syntax("path is a text")),
        };
        let value = member(operation, "value");
        if let (None, Some(path), Verb::Add | Verb::Replace) = (value, &path, verb) {
            return Err(Denial::Scim(Fault::InvalidValue, format!("{path}: a value is required.")));
        }
        Ok(Self { verb, path, value: value.cloned().unwrap_or_default() })
    }

    fn apply(&self, draft: &mut Draft) -> Result<(), Denial> {
        match (&self.path, self.verb, &self.value) {
            (Some(path), ..) => self.apply_to(path, draft),
            (None, Verb::Remove, _) => {
                Err(Denial::Scim(Fault::InvalidPath, "An operation that removes needs a path.".into()))
            }
            (None, verb, Value::Object(body)) => draft.fill(verb, body),
            (None, ..) => Err(syntax("value is an object of attributes when there is no path")),
        }
    }

    fn apply_to(&self, path: &str, draft: &mut Draft) -> Result<(), Denial> {
        let (attribute, rest) = split(path);
        let slot = Slot::of(draft.principal.kind, &attribute.to_lowercase());
        match slot.ok_or_else(|| no_such_attribute(attribute))? {
            // Whatever of it is meant, as in `emails[type eq "work"].value`.
            Slot::ReadOnly => Ok(()),
            slot => {
                let selector = rest.map(|rest| selector(path, rest)).transpose()?;
                draft.change(self.verb, slot, selector.as_ref(), &self.value)
            }
        }
    }
}

/// The attribute that a path names, and what follows the bracket when there is one.
fn split(path: &str) -> (&str, Option<&str>) {
    match path.split_once('[') {
        Some((attribute, rest)) => (attribute.trim(), Some(rest)),
        None => (path.trim(), None),
    }
}

fn selector(path: &str, rest: &str) -> Result<Filter<Element>, Denial> {
    match rest.rsplit_once(']') {
        Some((filter, "" | ".value")) => Filter::parse(filter),
        _ => Err(no_such_attribute(path)),
    }
}

/// A member of an object, whatever the case of its name.
pub(super) fn member<'a>(object: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    object.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

fn syntax(why: &str) -> Denial {
    let sentence = "Request is unparsable, syntactically incorrect, or violates schema";
    Denial::Scim(Fault::InvalidSyntax, format!("{sentence}: {why}."))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::domain::PrincipalId;
    use crate::domain::identity::{Principal, PrincipalKind};

    fn object(value: &Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    fn draft(kind: PrincipalKind, name: &str, body: &Value) -> Draft {
        Draft::create(Principal::new(PrincipalId(7), kind, name), &object(body)).unwrap()
    }

    fn user() -> Draft {
        let body = json!({"displayName": "Ann", "externalId": "x", "entitlements": [{"value": "a"}, {"value": "b"}],
            "name": {"givenName": "A", "familyName": "B"}});
        draft(PrincipalKind::User, "ann@example.com", &body)
    }

    fn group() -> Draft {
        draft(PrincipalKind::Group, "g", &json!({"displayName": "g", "members": [{"value": "1"}, {"value": "2"}]}))
    }

    fn patched(draft: &Draft, operations: &Value) -> Result<Draft, Denial> {
        let mut draft = draft.clone();
        Change::patch(&object(&json!({ "Operations": operations })))?.apply(&mut draft)?;
        Ok(draft)
    }

    fn members(draft: &Draft) -> Vec<i64> {
        draft.members.iter().map(|id| id.0).collect()
    }

    #[test]
    fn members_come_and_go_in_every_shape() {
        for (operation, expected) in [
            (json!({"op": "add", "path": "members", "value": [{"value": "3"}]}), vec![1, 2, 3]),
            (json!({"op": "Add", "value": {"members": [{"value": "3"}, {"value": "1"}]}}), vec![1, 2, 3]),
            (json!({"op": "add", "path": "members", "value": {"value": "3"}}), vec![1, 2, 3]),
            (json!({"op": "add", "path": "members", "value": [{}]}), vec![1, 2]),
            (json!({"op": "remove", "path": "members[value eq \"1\"]"}), vec![2]),
            (json!({"op": "REMOVE", "path": "Members[value eq 1]", "value": ""}), vec![2]),
            (json!({"op": "remove", "path": "members[value eq \"9\"]"}), vec![1, 2]),
            (json!({"op": "remove", "path": "members[value eq \"1\" or value eq \"2\"].value"}), vec![]),
            (json!({"op": "remove", "path": "members", "value": [{"value": "2"}]}), vec![1]),
            (json!({"op": "remove", "path": "members", "value": [{}]}), vec![1, 2]),
            (json!({"op": "remove", "path": "members"}), vec![]),
            (json!({"op": "replace", "path": "members", "value": [{"value": "5"}]}), vec![5]),
            (json!({"op": "replace", "value": {"members": [{"value": "5"}]}}), vec![5]),
            (json!({"op": "replace", "path": "members[value eq \"1\"]", "value": [{"value": "5"}]}), vec![2, 5]),
        ] {
            let after =
                patched(&group(), &json!([operation])).unwrap_or_else(|denial| panic!("{operation}: {denial:?}"));
            assert_eq!(members(&after), expected, "{operation}");
        }
    }

    #[test]
    fn switches_and_names_come_in_every_shape() {
        for value in
            [json!(false), json!("false"), json!("False"), json!([{"value": "false"}]), json!({"value": false})]
        {
            for operation in [
                json!({"op": "replace", "path": "active", "value": value}),
                json!({"op": "Replace", "path": "Active", "value": value}),
                json!({"op": "replace", "value": {"active": value}}),
                json!({"op": "add", "value": {"ACTIVE": value}}),
            ] {
                assert!(!patched(&user(), &json!([operation])).unwrap().active, "{operation}");
            }
        }
        let after = patched(
            &user(),
            &json!([
                {"op": "replace", "path": "displayName", "value": "Anna"},
                {"op": "replace", "path": "name.givenName", "value": "Z"},
                {"op": "remove", "path": "externalId"},
                {"op": "replace", "value": {"userName": "ANN@example.com", "unknown": 5}},
                {"op": "add", "path": "roles", "value": [{"value": "arn:1"}, {"value": "arn:1"}]},
                {"op": "remove", "path": "entitlements", "value": [{"value": "a"}, {"value": "z"}]},
                {"op": "replace", "path": "emails[type eq \"work\"].value", "value": "other@example.com"},
            ]),
        )
        .unwrap();
        let attributes = &after.principal.attributes;
        assert_eq!((&*after.principal.name, &*after.principal.display_name), ("ann@example.com", "Anna"));
        assert_eq!((attributes.given_name.as_deref(), attributes.family_name.as_deref()), (Some("Z"), Some("B")));
        assert_eq!(after.principal.external_id, None);
        assert_eq!(after.entitlements, BTreeSet::from(["b".to_owned()]));
        assert_eq!(after.roles, BTreeSet::from(["arn:1".to_owned()]));
    }

    #[test]
    fn a_put_unsets_what_it_does_not_name() {
        let mut after = Draft { active: false, ..user() };
        let body =
            json!({"schemas": [], "userName": "ann@example.com", "entitlements": [{}], "groups": [{"value": "9"}]});
        Change::Replace(object(&body)).apply(&mut after).unwrap();
        let bare = draft(PrincipalKind::User, "ann@example.com", &json!({}));
        assert_eq!(after, bare);
        let mut after = group();
        Change::Replace(object(&json!({"displayName": "renamed"}))).apply(&mut after).unwrap();
        assert_eq!((&*after.principal.name, &*after.principal.display_name), ("renamed", "renamed"));
        assert_eq!(members(&after), [0; 0]);
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let user_says = |operations: Value| patched(&user(), &operations).unwrap_err();
        for (operations, fault, says) in [
            (json!({}), Fault::InvalidSyntax, "Operations"),
            (json!([5]), Fault::InvalidSyntax, "object"),
            (json!([{"op": "move", "path": "active"}]), Fault::InvalidSyntax, "op is"),
            (json!([{"path": "active", "value": true}]), Fault::InvalidSyntax, "op is"),
            (json!([{"op": "add", "path": 5, "value": true}]), Fault::InvalidSyntax, "path"),
            (json!([{"op": "add", "value": 5}]), Fault::InvalidSyntax, "value is an object"),
            (json!([{"op": "remove"}]), Fault::InvalidPath, "needs a path"),
            (
                json!([{"op": "add", "path": "color", "value": 5}]),
                Fault::InvalidPath,
                "No such attribute with the name : color",
            ),
            (json!([{"op": "add", "path": "members", "value": []}]), Fault::InvalidPath, "members"),
            (json!([{"op": "remove", "path": "roles[value eq \"x\""}]), Fault::InvalidPath, "roles"),
            (json!([{"op": "remove", "path": "roles[value eq \"x\"].color"}]), Fault::InvalidPath, "roles"),
            (json!([{"op": "remove", "path": "roles[value]"}]), Fault::InvalidFilter, "operator"),
            (json!([{"op": "replace", "path": "active"}]), Fault::InvalidValue, "a value is required"),
            (json!([{"op": "replace", "path": "active", "value": "maybe"}]), Fault::InvalidValue, "active"),
            (json!([{"op": "replace", "path": "displayName", "value": 5}]), Fault::InvalidValue, "displayName"),
            (json!([{"op": "replace", "path": "displayName", "value": "a\u{0}b"}]), Fault::InvalidValue, "U+0000"),
            (json!([{"op": "add", "path": "roles", "value": [5]}]), Fault::InvalidValue, "roles"),
            (
                json!([{"op": "replace", "path": "userName", "value": "bob@example.com"}]),
                Fault::Mutability,
                "ann@example.com",
            ),
        ] {
            match user_says(operations.clone()) {
                Denial::Scim(found, sentence) if found == fault => {
                    assert!(sentence.contains(says), "{operations}: {sentence}");
                }
                other => panic!("{operations}: {other:?}"),
            }
        }
        for value in [json!("x"), json!("-1"), json!("12345678901234567")] {
            let operations = json!([{"op": "add", "path": "members", "value": [{ "value": value }]}]);
            assert!(matches!(patched(&group(), &operations), Err(Denial::Scim(Fault::InvalidValue, _))));
        }
        for name in [json!(""), json!(" "), json!("x".repeat(256)), json!(null)] {
            let operations = json!([{"op": "replace", "path": "displayName", "value": name}]);
            assert!(matches!(patched(&group(), &operations), Err(Denial::Scim(Fault::InvalidValue, _))), "{name}");
        }
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            "[a-z0-9 \"\\[\\]\\.]{0,12}".prop_map(Value::from),
            Just("members[value eq \"1\"]".into()),
        ];
        let key =
            prop::sample::select(vec!["op", "path", "value", "members", "active", "displayName", "roles", "name"]);
        leaf.prop_recursive(3, 16, 3, move |inner| {
            let pairs = prop::collection::vec((key.clone().prop_map(str::to_owned), inner.clone()), 0..4);
            prop_oneof![
                prop::collection::vec(inner, 0..3).prop_map(Value::from),
                pairs.prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
            ]
        })
    }

    fn any_operation() -> impl Strategy<Value = Value> {
        let verb = prop::sample::select(vec!["add", "remove", "replace"]);
        let path = prop::sample::select(vec![
            "members",
            "members[value eq \"1\"]",
            "members[value ne 1]",
            "displayName",
            "entitlements",
            "roles",
            "groups",
        ]);
        (verb, path, any_json()).prop_map(|(op, path, value)| json!({"op": op, "path": path, "value": value}))
    }

    proptest! {
        #[test]
        fn no_body_makes_a_patch_panic(operations in any_json()) {
            for draft in [user(), group()] {
                drop(patched(&draft, &operations));
            }
        }

        #[test]
        fn a_patch_twice_is_a_patch_once(operation in any_operation()) {
            if let Ok(once) = patched(&group(), &json!([operation])) {
                prop_assert_eq!(patched(&once, &json!([operation])), Ok(once));
            }
        }
    }
}
