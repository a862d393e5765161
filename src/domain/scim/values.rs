//! Values of SCIM attributes: reading and checking them, and the errors of those that are refused.

use serde_json::{Map, Value};
use uuid::Uuid;

use super::Fault;
use super::change::member;
use crate::domain::identities::{Principal, PrincipalKind};
use crate::domain::{Denial, PrincipalId};

/// The longest text of an attribute, in characters \[inferred\]. Names are shorter.
pub const MAX_TEXT_CHARS: usize = 2_048;
/// The maximum number of members in one operation \[inferred\]. A group may have more.
pub const MAX_MEMBERS_AT_ONCE: usize = 10_000;

/// A valid name, as it was sent: error messages repeat it, and Terraform compares them with what it sent.
fn given_name(kind: PrincipalKind, name: Option<String>) -> Result<String, Denial> {
    let name = name.unwrap_or_default();
    checked_name(kind, Some(name.clone()))?;
    Ok(name)
}

/// The name in a POST: `userName`, `applicationId` or `displayName`. Only a service principal may omit it.
///
/// # Errors
/// [`Fault::InvalidValue`]
pub fn requested_name(kind: PrincipalKind, body: &Map<String, Value>) -> Result<Option<String>, Denial> {
    let named = |attribute: &str| text(attribute, member(body, attribute).unwrap_or(&Value::Null));
    match kind {
        PrincipalKind::User => given_name(kind, named("userName")?).map(Some),
        PrincipalKind::Group => given_name(kind, named("displayName")?).map(Some),
        PrincipalKind::ServicePrincipal => match named("applicationId")?.filter(|id| !id.is_empty()) {
            Some(id) if Uuid::try_parse(&id).is_err() || id.len() != 36 => Err(wrong_type("applicationId", "a UUID")),
            id => Ok(id),
        },
    }
}

/// The refusal to change a built-in group; the real text is unknown.
pub fn built_in(name: &str, what: &str) -> Denial {
    mutability(&format!("The built-in group {name} cannot be {what}."))
}

/// The refusal to remove a principal that is in the workspace through an account group \[inferred\].
pub fn in_through_a_group(name: &str) -> Denial {
    mutability(&format!("{name} is in the workspace through a group of the account."))
}

/// Refuses that account admins remove their own role.
pub fn keeps_own_roles(caller: PrincipalId, before: &Principal, after: &Principal) -> Result<(), Denial> {
    let lost = before.account_admin && !after.account_admin;
    if lost && before.id == caller { Err(cannot_remove_roles(caller)) } else { Ok(()) }
}

/// The refusal to remove one's own role (tf#1733; its status was not captured). It is \[inferred\] that the last active
/// account admin cannot be removed either.
pub fn cannot_remove_roles(id: PrincipalId) -> Denial {
    Denial::Scim(Fault::InvalidValue, format!("PERMISSION_DENIED: Cannot remove roles for {id}"))
}

pub(super) fn mutability(sentence: &str) -> Denial {
    Denial::Scim(Fault::Mutability, sentence.to_owned())
}

pub(super) fn wrong_type(attribute: &str, expected: &str) -> Denial {
    Denial::Scim(Fault::InvalidValue, format!("{attribute}: expected {expected}."))
}

pub(super) fn no_target(path: &str) -> Denial {
    Denial::Scim(Fault::NoTarget, format!("{path}: nothing matches the filter."))
}

pub(super) fn checked_name(kind: PrincipalKind, name: Option<String>) -> Result<String, Denial> {
    let attribute = if kind == PrincipalKind::Group { "displayName" } else { "userName" };
    Principal::checked_name(kind, &name.unwrap_or_default()).map_err(|expected| wrong_type(attribute, &expected))
}

/// The value inside `[{"value": …}]`: Terraform wraps single values in it, too.
fn unwrapped(value: &Value) -> &Value {
    let inner = match value {
        Value::Array(elements) if elements.len() == 1 => elements.first().unwrap_or(value),
        other => other,
    };
    inner.as_object().and_then(|object| member(object, "value")).unwrap_or(inner)
}

pub(super) fn text(attribute: &str, value: &Value) -> Result<Option<String>, Denial> {
    match unwrapped(value) {
        Value::Null => Ok(None),
        Value::String(text) if text.contains('\0') => Err(wrong_type(attribute, "no character U+0000")),
        Value::String(text) if text.chars().count() > MAX_TEXT_CHARS => {
            Err(wrong_type(attribute, &format!("at most {MAX_TEXT_CHARS} characters")))
        }
        Value::String(text) => Ok(Some(text.clone())),
        _ => Err(wrong_type(attribute, "a text")),
    }
}

pub(super) fn boolean(attribute: &str, value: &Value) -> Result<Option<bool>, Denial> {
    match unwrapped(value) {
        Value::Null => Ok(None),
        Value::Bool(value) => Ok(Some(*value)),
        Value::String(text) if text.eq_ignore_ascii_case("true") => Ok(Some(true)),
        Value::String(text) if text.eq_ignore_ascii_case("false") => Ok(Some(false)),
        _ => Err(wrong_type(attribute, "true or false")),
    }
}

/// The values of a list; `None` if there is no list. An element without a value, by which Terraform means "none", is
/// skipped.
pub(super) fn texts(attribute: &str, value: &Value, most: usize) -> Result<Option<Vec<String>>, Denial> {
    let elements = match value {
        Value::Array(elements) => elements.as_slice(),
        Value::Null => return Ok(None),
        single => std::slice::from_ref(single),
    };
    if elements.len() > most {
        return Err(wrong_type(attribute, &format!("at most {most} values")));
    }
    let mut values = Vec::with_capacity(elements.len());
    for element in elements {
        let value = match element {
            Value::Object(object) => member(object, "value").unwrap_or(&Value::Null),
            Value::String(_) => element,
            _ => return Err(wrong_type(attribute, "a list of objects with a value")),
        };
        values.extend(text(attribute, value)?.filter(|value| !value.is_empty()));
    }
    Ok(Some(values))
}

pub(super) fn ids(value: &Value) -> Result<Option<Vec<PrincipalId>>, Denial> {
    let parsed = |text: String| PrincipalId::parse(&text).ok_or_else(|| wrong_type("members", "ids of principals"));
    texts("members", value, MAX_MEMBERS_AT_ONCE)?.map(|texts| texts.into_iter().map(parsed).collect()).transpose()
}
