//! The e-mail addresses of a user: set at creation, and never changed afterwards.

use serde_json::Value;
use strum::EnumString;

use super::change::{Verb, member};
use super::draft::AttributePath;
use super::filter::{Field, Filter};
use super::no_such_attribute;
use super::values::{boolean, mutability, no_target, text, wrong_type};
use crate::domain::Denial;
use crate::domain::identities::{Email, Principal, hidden_character};

/// The maximum number of e-mail addresses of a user \[inferred\].
pub const MAX_EMAILS: usize = 20;

/// What the filter of a path may name in an e-mail address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumString)]
#[strum(serialize_all = "lowercase")]
enum EmailPart {
    Value,
    Type,
    Primary,
}

impl Field for EmailPart {
    fn parse(name: &str) -> Option<Self> {
        name.parse().ok()
    }

    fn is_case_exact(self) -> bool {
        false
    }
}

/// E-mail addresses cannot be changed: an operation on them is only accepted if it leaves them as they are.
pub(super) fn leave_unchanged(
    user: &Principal,
    verb: Verb,
    path: &AttributePath<'_>,
    value: &Value,
) -> Result<(), Denial> {
    let stored = &user.attributes.emails;
    let fixed = || Err(mutability(&format!("The emails of {} cannot be changed.", user.name)));
    let Some(filter) = path.filter.map(Filter::<EmailPart>::parse).transpose()? else {
        if verb == Verb::Remove {
            return if stored.is_empty() { Ok(()) } else { fixed() };
        }
        let given = read_all(Some(value))?;
        let is_there = |given: &Email| stored.iter().any(|email| is_same_email(given, email));
        let same_number = verb == Verb::Add || given.len() == stored.len();
        return if same_number && given.iter().all(is_there) { Ok(()) } else { fixed() };
    };
    let is_selected = |email: &&Email| {
        filter.matches(&|part| match part {
            EmailPart::Value => vec![email.value.as_str().into()],
            EmailPart::Type => email.kind.iter().map(|kind| kind.as_str().into()).collect(),
            EmailPart::Primary => vec![if email.primary { "true" } else { "false" }.into()],
        })
    };
    let selected: Vec<&Email> = stored.iter().filter(is_selected).collect();
    match (path.part.as_deref(), verb) {
        (None | Some("value" | "type" | "primary"), Verb::Remove) => {
            if selected.is_empty() {
                Ok(())
            } else {
                fixed()
            }
        }
        (None | Some("value" | "type" | "primary"), _) if selected.is_empty() => Err(no_target(path.sent)),
        (None, _) => {
            let given = read_all(Some(value))?;
            let is_same = |email: &&Email| matches!(given.as_slice(), [one] if is_same_email(one, email));
            if selected.iter().all(is_same) { Ok(()) } else { fixed() }
        }
        (Some("value"), _) => {
            let given = text("emails", value)?.unwrap_or_default();
            let is_same = |email: &&Email| Principal::is_same_name(&email.value, &given);
            if selected.iter().all(is_same) { Ok(()) } else { fixed() }
        }
        (Some("type"), _) => {
            let given = text("emails", value)?;
            if selected.iter().all(|email| email.kind == given) { Ok(()) } else { fixed() }
        }
        (Some("primary"), _) => {
            let given = boolean("emails", value)?.unwrap_or(false);
            if selected.iter().all(|email| email.primary == given) { Ok(()) } else { fixed() }
        }
        (Some(_), _) => Err(no_such_attribute(path.sent)),
    }
}

/// The e-mail addresses of a new user. The default is the user name; the first address is primary if none is marked.
pub(super) fn of_new_user(given: Option<&Value>, user_name: &str) -> Result<Vec<Email>, Denial> {
    let mut emails = read_all(given)?;
    if emails.is_empty() {
        emails.push(Email { value: user_name.to_owned(), kind: Some("work".into()), primary: true });
    }
    if let (false, Some(first)) = (emails.iter().any(|email| email.primary), emails.first_mut()) {
        first.primary = true;
    }
    Ok(emails)
}

fn read_all(given: Option<&Value>) -> Result<Vec<Email>, Denial> {
    let wrong = || wrong_type("emails", "a list of objects with a value");
    let elements = match given {
        None | Some(Value::Null) => &[],
        Some(Value::Array(elements)) => elements.as_slice(),
        Some(one @ Value::Object(_)) => std::slice::from_ref(one),
        Some(_) => return Err(wrong()),
    };
    if elements.len() > MAX_EMAILS {
        return Err(wrong_type("emails", &format!("at most {MAX_EMAILS} values")));
    }
    let mut emails = Vec::new();
    for element in elements {
        let object = element.as_object().ok_or_else(wrong)?;
        let part = |name: &str| member(object, name).unwrap_or(&Value::Null);
        if let Some(value) = text("emails", part("value"))?.filter(|value| !value.is_empty()) {
            if let Some(found) = hidden_character(&value) {
                let expected = format!("visible characters only, not U+{:04X}", u32::from(found));
                return Err(wrong_type("emails", &expected));
            }
            let primary = boolean("emails", part("primary"))?.unwrap_or(false);
            emails.push(Email { value, kind: text("emails", part("type"))?, primary });
        }
    }
    Ok(emails)
}

/// Whether a given address is the stored one. What it does not say is not compared.
fn is_same_email(given: &Email, stored: &Email) -> bool {
    Principal::is_same_name(&given.value, &stored.value)
        && (given.kind.is_none() || given.kind == stored.kind)
        && (!given.primary || stored.primary)
}
