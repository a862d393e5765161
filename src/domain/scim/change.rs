//! The bodies of PUT and PATCH: which operations they contain. `draft` carries them out. A PATCH does what it says or
//! is refused; nothing in it is ignored. Start with [`Change`]. See docs/reference/scim.md#writes.

use serde_json::{Map, Value};

use super::draft::{AttributePath, Draft};
use super::{Fault, no_such_attribute};
use crate::domain::Denial;
use crate::domain::identities::PrincipalKind;

/// The maximum number of operations in one PATCH \[inferred\].
pub const MAX_OPERATIONS: usize = 1_000;

/// An update of a resource.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// PUT: attributes that the body does not name are unset.
    Replace(Map<String, Value>),
    /// PATCH
    Patch(Vec<Operation>),
}

impl Change {
    /// Reads the body of a PATCH. `schemas` is optional.
    ///
    /// # Errors
    /// [`Fault::InvalidSyntax`], [`Fault::InvalidValue`]
    pub fn patch(body: &Map<String, Value>) -> Result<Self, Denial> {
        let operations = member(body, "operations").and_then(Value::as_array);
        let operations = operations.ok_or_else(|| syntax("Operations is required, and is a list"))?;
        if operations.len() > MAX_OPERATIONS {
            let sentence = format!("Operations: expected at most {MAX_OPERATIONS} operations.");
            return Err(Denial::Scim(Fault::InvalidValue, sentence));
        }
        Ok(Self::Patch(operations.iter().map(Operation::parse).collect::<Result<_, _>>()?))
    }

    /// Applies the change to a draft. After an error the draft must be discarded.
    ///
    /// # Errors
    /// [`Fault::InvalidPath`], [`Fault::InvalidFilter`], [`Fault::NoTarget`], [`Fault::InvalidValue`] or
    /// [`Fault::Mutability`]
    pub fn apply(&self, draft: &mut Draft) -> Result<(), Denial> {
        match self {
            Self::Replace(body) => {
                draft.clear();
                draft.fill(Verb::Replace, body)?;
            }
            Self::Patch(operations) => operations.iter().try_for_each(|operation| operation.apply(draft))?,
        }
        draft.is_within_bounds()
    }
}

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
    /// For example `members`, `name.givenName` or `members[value eq "…"]`. Without a path, the value is an object of
    /// attributes.
    path: Option<String>,
    value: Value,
}

impl Operation {
    fn parse(operation: &Value) -> Result<Self, Denial> {
        let operation = operation.as_object().ok_or_else(|| syntax("an operation is an object"))?;
        let verb = member(operation, "op").and_then(Value::as_str).unwrap_or_default();
        // Azure's provisioning writes them in upper case.
        let verb = match verb.to_ascii_lowercase().as_str() {
            "add" => Verb::Add,
            "remove" => Verb::Remove,
            "replace" => Verb::Replace,
            _ => return Err(syntax("op is add, remove or replace")),
        };
        let path = match member(operation, "path") {
            None | Some(Value::Null) => None,
            Some(Value::String(path)) if path.trim().is_empty() => None,
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
            (Some(path), verb, value) => apply_at(verb, path, value, draft),
            (None, Verb::Remove, _) => {
                Err(Denial::Scim(Fault::InvalidPath, "An operation that removes needs a path.".into()))
            }
            (None, verb, Value::Object(body)) => apply_all(verb, body, draft),
            (None, ..) => Err(syntax("value is an object of attributes when there is no path")),
        }
    }
}

/// Writes the attributes of an object. Its keys are paths: Azure's provisioning sends dotted paths and filters.
fn apply_all(verb: Verb, body: &Map<String, Value>, draft: &mut Draft) -> Result<(), Denial> {
    body.iter().try_for_each(|(path, value)| apply_at(verb, path, value, draft))
}

fn apply_at(verb: Verb, path: &str, value: &Value, draft: &mut Draft) -> Result<(), Denial> {
    let Some(local) = without_schema(draft.principal.kind, path) else { return Err(no_such_attribute(path)) };
    match (local, verb, value) {
        // An object with the attributes of one schema.
        ("", Verb::Add | Verb::Replace, Value::Object(body)) => apply_all(verb, body, draft),
        ("", ..) => Err(no_such_attribute(path)),
        (local, ..) => draft.change_at(verb, &AttributePath::parse(path, local)?, value),
    }
}

/// A path without the URN of a schema before it; `None` if the schema is not one of the resource.
pub(super) fn without_schema(kind: PrincipalKind, path: &str) -> Option<&str> {
    let path = path.trim();
    let begins_with = |prefix: &str| path.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix));
    if !begins_with("urn:") {
        return Some(path);
    }
    schemas(kind).iter().filter(|schema| begins_with(schema)).find_map(|schema| {
        let rest = path.get(schema.len()..)?;
        if rest.is_empty() { Some(rest) } else { rest.strip_prefix(':').filter(|local| !local.is_empty()) }
    })
}

pub(super) const fn schemas(kind: PrincipalKind) -> &'static [&'static str] {
    match kind {
        PrincipalKind::User => &[
            "urn:ietf:params:scim:schemas:core:2.0:User",
            "urn:ietf:params:scim:schemas:extension:workspace:2.0:User",
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User",
        ],
        PrincipalKind::ServicePrincipal => &["urn:ietf:params:scim:schemas:core:2.0:ServicePrincipal"],
        PrincipalKind::Group => &["urn:ietf:params:scim:schemas:core:2.0:Group"],
    }
}

/// A member of an object, by its name in any letter case.
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
    use crate::domain::identities::{Principal, PrincipalKind};

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
    fn members_are_added_and_removed_in_every_notation() {
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
    fn active_and_names_are_changed_in_every_notation() {
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
                {"op": "replace", "value": {"userName": "ANN@example.com"}},
                {"op": "add", "path": "roles", "value": [{"value": "arn:1"}, {"value": "arn:1"}]},
                {"op": "remove", "path": "entitlements", "value": [{"value": "a"}, {"value": "z"}]},
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
    fn invalid_operations_are_refused() {
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

    #[test]
    #[expect(clippy::too_many_lines, reason = "one table of cases")]
    fn a_patch_does_what_it_says_or_is_refused() {
        let core = "urn:ietf:params:scim:schemas:core:2.0:User";
        let extension = "urn:ietf:params:scim:schemas:extension:workspace:2.0:User";
        let enterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
        let refused = |operation: Value| match patched(&user(), &json!([operation])) {
            Err(Denial::Scim(fault, _)) => fault,
            other => panic!("{operation}: {other:?}"),
        };
        for (operation, fault) in [
            (json!({"op": "replace", "path": "emails[type eq \"work\"].value", "value": "b@x"}), Fault::Mutability),
            (json!({"op": "replace", "path": "emails[primary eq true]", "value": {"value": "b@x"}}), Fault::Mutability),
            (json!({"op": "replace", "path": "emails[type eq \"work\"].type", "value": "home"}), Fault::Mutability),
            (json!({"op": "replace", "path": "emails[type eq \"work\"].primary", "value": false}), Fault::Mutability),
            (json!({"op": "remove", "path": "emails[type eq \"work\"]"}), Fault::Mutability),
            (json!({"op": "remove", "path": "emails"}), Fault::Mutability),
            (json!({"op": "add", "path": "emails", "value": [{"value": "b@x"}]}), Fault::Mutability),
            (json!({"op": "replace", "value": {"emails": [{"value": "b@x", "type": "work"}]}}), Fault::Mutability),
            (json!({"op": "replace", "value": {"emails[type eq \"work\"].value": "b@x"}}), Fault::Mutability),
            (json!({"op": "replace", "path": "emails[type eq \"home\"].value", "value": "b@x"}), Fault::NoTarget),
            (json!({"op": "replace", "path": "emails[color eq \"red\"].value", "value": "b@x"}), Fault::InvalidFilter),
            (json!({"op": "replace", "path": "emails[type eq \"work\"].color", "value": "b@x"}), Fault::InvalidPath),
            (json!({"op": "replace", "path": "emails.value", "value": "b@x"}), Fault::InvalidPath),
            (json!({"op": "remove", "path": "userName"}), Fault::Mutability),
            (json!({"op": "replace", "path": "userName", "value": null}), Fault::Mutability),
            (json!({"op": "replace", "path": "id", "value": "8"}), Fault::Mutability),
            (json!({"op": "remove", "path": "id"}), Fault::Mutability),
            (json!({"op": "add", "path": "groups", "value": [{"value": "9"}]}), Fault::Mutability),
            (json!({"op": "add", "value": {"groups": [{"value": "9"}]}}), Fault::Mutability),
            (json!({"op": "replace", "path": "meta", "value": {}}), Fault::Mutability),
            (json!({"op": "replace", "path": "schemas", "value": ["urn:x"]}), Fault::Mutability),
            (json!({"op": "replace", "value": {"unknown": 5}}), Fault::InvalidPath),
            (json!({"op": "replace", "path": "name.middleName", "value": "M"}), Fault::InvalidPath),
            (json!({"op": "replace", "path": "name", "value": {"middleName": "M"}}), Fault::InvalidPath),
            (json!({"op": "replace", "path": "displayName[value eq \"x\"]", "value": "y"}), Fault::InvalidPath),
            (json!({"op": "replace", "path": "active[value eq true]", "value": false}), Fault::InvalidPath),
            (json!({"op": "replace", "path": "roles[value eq \"x\"]", "value": "y"}), Fault::NoTarget),
            (json!({"op": "add", "path": "entitlements[value eq \"a\"]", "value": "y"}), Fault::InvalidPath),
            (json!({"op": "replace", "path": "entitlements[type eq \"a\"]", "value": "y"}), Fault::InvalidFilter),
            (json!({"op": "replace", "path": format!("{enterprise}:department"), "value": "D"}), Fault::InvalidPath),
            (json!({"op": "replace", "value": {enterprise: {"department": "D"}}}), Fault::InvalidPath),
            (json!({"op": "replace", "path": "urn:x:active", "value": false}), Fault::InvalidPath),
            (json!({"op": "replace", "path": format!("{core}active"), "value": false}), Fault::InvalidPath),
            (json!({"op": "replace", "path": format!("{core}:"), "value": {}}), Fault::InvalidPath),
            (
                json!({"op": "replace", "path": "urn:ietf:params:scim:schemas:core:2.0:Group:displayName", "value": "x"}),
                Fault::InvalidPath,
            ),
        ] {
            assert_eq!(refused(operation.clone()), fault, "{operation}");
        }
        for operation in [
            json!({"op": "replace", "path": format!("{core}:active"), "value": false}),
            json!({"op": "replace", "path": format!("{}:ACTIVE", core.to_uppercase()), "value": "False"}),
            json!({"op": "replace", "path": format!("{extension}:active"), "value": false}),
            json!({"op": "replace", "value": {format!("{core}:active"): false}}),
            json!({"op": "replace", "value": {core: {"active": false}}}),
            json!({"op": "add", "path": core, "value": {"active": false}}),
            json!({"op": "replace", "path": " active ", "value": false}),
        ] {
            let expected = Draft { active: false, ..user() };
            assert_eq!(patched(&user(), &json!([operation])).as_ref(), Ok(&expected), "{operation}");
        }
        for operation in [
            json!({"op": "replace", "path": "emails[type eq \"work\"].value", "value": "Ann@Example.com"}),
            json!({"op": "replace", "path": "emails[not (type eq \"home\") and primary eq true].type", "value": "work"}),
            json!({"op": "replace", "path": "emails", "value": [{"value": "ann@example.com", "primary": true}]}),
            json!({"op": "add", "value": {"emails": [{"value": "ann@example.com", "type": "work"}]}}),
            json!({"op": "remove", "path": "emails[type eq \"home\" or value eq \"b@x\"]"}),
            json!({"op": "replace", "value": {"id": "7", "schemas": [core], "userName": "ANN@example.com"}}),
            json!({"op": "remove", "path": "roles[value sw \"arn\"]"}),
            json!({"op": "add", "value": {}}),
        ] {
            assert_eq!(patched(&user(), &json!([operation])).as_ref(), Ok(&user()), "{operation}");
        }
        let after = patched(
            &user(),
            &json!([
                {"op": "replace", "path": "entitlements[value eq \"a\" or (value eq \"z\")].VALUE", "value": "c"},
                {"op": "add", "value": {"name.givenName": "Z", format!("{core}:name.familyName"): "Y"}},
                {"op": "add", "path": format!("{extension}:roles"), "value": "r"},
            ]),
        )
        .unwrap();
        assert_eq!(after.entitlements, BTreeSet::from(["b".to_owned(), "c".to_owned()]));
        assert_eq!(after.principal.attributes.given_name.as_deref(), Some("Z"));
        assert_eq!(after.principal.attributes.family_name.as_deref(), Some("Y"));
        assert_eq!(after.roles, BTreeSet::from(["r".to_owned()]));
    }

    #[test]
    fn resources_have_limits() {
        use crate::domain::scim::{MAX_EMAILS, MAX_MEMBERS_AT_ONCE, MAX_TEXT_CHARS, MAX_VALUES};
        let many = |n: usize| (1..=n).map(|n| json!({ "value": n.to_string() })).collect::<Value>();
        let set = |path: &str, value: Value| json!([{"op": "replace", "path": path, "value": value}]);
        let long = |n: usize| Value::from("x".repeat(n));
        for (draft, path, fits, too_much) in [
            (user(), "entitlements", many(MAX_VALUES), many(MAX_VALUES + 1)),
            (user(), "roles", many(MAX_VALUES), many(MAX_VALUES + 1)),
            (group(), "roles", many(MAX_VALUES), many(MAX_VALUES + 1)),
            (group(), "members", many(MAX_MEMBERS_AT_ONCE), many(MAX_MEMBERS_AT_ONCE + 1)),
            (user(), "displayName", long(MAX_TEXT_CHARS), long(MAX_TEXT_CHARS + 1)),
            (user(), "externalId", long(MAX_TEXT_CHARS), long(MAX_TEXT_CHARS + 1)),
            (user(), "name.givenName", long(MAX_TEXT_CHARS), long(MAX_TEXT_CHARS + 1)),
            (user(), "name.familyName", long(MAX_TEXT_CHARS), long(MAX_TEXT_CHARS + 1)),
            (user(), "roles", json!([long(MAX_TEXT_CHARS)]), json!([long(MAX_TEXT_CHARS + 1)])),
            (group(), "displayName", long(255), long(256)),
        ] {
            assert!(patched(&draft, &set(path, fits.clone())).is_ok(), "{path}");
            let refusal = patched(&draft, &set(path, too_much.clone())).unwrap_err();
            assert!(
                matches!(&refusal, Denial::Scim(Fault::InvalidValue, said) if said.contains("at most")),
                "{refusal:?}"
            );
            let mut put = draft.clone();
            let body =
                json!({ path: too_much, "displayName": if path == "displayName" { &too_much } else { &Value::Null } });
            let body = if path.contains('.') { json!({"name": {&path[5..]: too_much}}) } else { body };
            assert!(Change::Replace(object(&body)).apply(&mut put).is_err(), "PUT {path}");
        }
        // The limit also applies to several operations together.
        let one_more = json!([
            {"op": "add", "path": "roles", "value": many(MAX_VALUES)},
            {"op": "add", "path": "roles", "value": "another"},
        ]);
        assert!(patched(&user(), &one_more).is_err());
        let operations = |n: usize| vec![json!({"op": "replace", "path": "active", "value": true}); n];
        assert!(patched(&user(), &operations(MAX_OPERATIONS).into()).is_ok());
        assert!(patched(&user(), &operations(MAX_OPERATIONS + 1).into()).is_err());
        let create = |emails: Value| {
            let principal = Principal::new(PrincipalId(7), PrincipalKind::User, "a@x");
            Draft::create(principal, &object(&json!({ "emails": emails })))
        };
        assert!(create(many(MAX_EMAILS)).is_ok());
        assert!(create(many(MAX_EMAILS + 1)).is_err());
    }

    /// A user, as a client that only reads JSON would model it.
    #[derive(Clone, Debug, Default, PartialEq)]
    struct Model {
        single: std::collections::BTreeMap<&'static str, Option<String>>,
        active: bool,
        lists: std::collections::BTreeMap<&'static str, BTreeSet<String>>,
    }

    fn model(draft: &Draft) -> Model {
        let Draft { principal, active, entitlements, roles, .. } = draft;
        Model {
            single: [
                ("displayName", Some(principal.display_name.clone())),
                ("externalId", principal.external_id.clone()),
                ("name.givenName", principal.attributes.given_name.clone()),
                ("name.familyName", principal.attributes.family_name.clone()),
            ]
            .into(),
            active: *active,
            lists: [("entitlements", entitlements.clone()), ("roles", roles.clone())].into(),
        }
    }

    /// An operation in one of its notations, with its verb, path and values for the model.
    fn any_operation() -> impl Strategy<Value = (Value, &'static str, &'static str, Vec<String>)> {
        let verb = prop::sample::select(vec!["add", "remove", "replace"]);
        let path = prop::sample::select(vec![
            "displayName",
            "externalId",
            "name.givenName",
            "name.familyName",
            "active",
            "entitlements",
            "roles",
            "entitlements[value eq \"a\"]",
            "roles[value sw \"a\"]",
            "userName",
            "groups",
            "emails",
            "color",
        ]);
        let values = prop::collection::vec("[abc]{1,2}", 1..4);
        let spelling = (any::<bool>(), any::<bool>(), 0..3_usize);
        (verb, path, values, spelling).prop_map(|(verb, path, values, (upper_verb, upper_path, form))| {
            let value: Value = match path.split('[').next().unwrap() {
                "active" => json!(values.len().is_multiple_of(2)),
                "entitlements" | "roles" | "groups" | "emails" => {
                    values.iter().map(|value| json!({ "value": value })).collect()
                }
                _ => json!(values[0]),
            };
            let op = if upper_verb { verb.to_uppercase() } else { verb.to_owned() };
            // The value of a filter is compared by its case, so only names change theirs.
            let named = if upper_path && !path.contains('[') { path.to_uppercase() } else { path.to_owned() };
            let named = if form == 1 { format!("urn:ietf:params:scim:schemas:core:2.0:User:{named}") } else { named };
            let operation = match (verb, form) {
                ("remove", _) => json!({"op": op, "path": named}),
                (_, 2) => json!({"op": op, "value": { named: value }}),
                _ => json!({"op": op, "path": named, "value": value}),
            };
            (operation, verb, path, values)
        })
    }

    /// The model after an operation; `None` if the operation must be refused.
    fn expected(mut model: Model, verb: &str, path: &str, values: &[String]) -> Option<Model> {
        if path == "active" {
            model.active = verb == "remove" || values.len().is_multiple_of(2);
            return Some(model);
        }
        if let Some(single) = model.single.get_mut(path) {
            *single = (verb != "remove").then(|| values[0].clone());
            if path == "displayName" && verb == "remove" {
                *single = Some("ann@example.com".to_owned());
            }
            return Some(model);
        }
        let (name, filter) = path.split_once('[').map_or((path, None), |(name, filter)| (name, Some(filter)));
        let list = model.lists.get_mut(name)?;
        let is_meant = |value: &String| match filter {
            Some("value eq \"a\"]") => value == "a",
            Some(_) => value.starts_with('a'),
            None => true,
        };
        match (verb, filter) {
            ("add", Some(_)) => return None,
            ("add", None) => {}
            ("replace", Some(_)) if !list.iter().any(is_meant) => return None,
            _ => list.retain(|value| !is_meant(value)),
        }
        if verb != "remove" {
            list.extend(values.iter().cloned());
        }
        Some(model)
    }

    proptest! {
        #[test]
        fn no_body_makes_a_patch_panic(operations in any_json()) {
            for draft in [user(), group()] {
                drop(patched(&draft, &operations));
            }
        }

        #[test]
        fn a_patch_agrees_with_a_simple_model(operations in prop::collection::vec(any_operation(), 1..6)) {
            let (mut before, mut draft) = (model(&user()), user());
            for (operation, verb, path, values) in operations {
                let after = patched(&draft, &json!([operation]));
                match expected(before.clone(), verb, path, &values) {
                    Some(expected) => {
                        prop_assert!(after.is_ok(), "{} {:?}", operation, after);
                        draft = after.unwrap();
                        prop_assert_eq!(model(&draft), expected.clone(), "{}", operation);
                        before = expected;
                    }
                    None => prop_assert!(after.is_err(), "{}", operation),
                }
            }
        }
    }
}
