//! A resource while a client's attributes are written into it.

use std::collections::BTreeSet;

use serde_json::{Map, Value};
use uuid::Uuid;

use super::change::{Verb, member, schemas, without_schema};
use super::filter::{Field, Filter};
use super::{Fault, no_such_attribute};
use crate::domain::identities::{
    ACCOUNT_ADMIN, Assignment, Directory, Email, Principal, PrincipalKind, hidden_character,
};
use crate::domain::{Denial, PrincipalId, Workspace};

/// Longest text of an attribute, in characters \[inferred\]. Names are shorter.
pub const MAX_TEXT_CHARS: usize = 2_048;
/// Most entitlements or roles of a principal \[inferred\].
pub const MAX_VALUES: usize = 100;
/// Most e-mail addresses of a user \[inferred\].
pub const MAX_EMAILS: usize = 20;
/// Most members that one operation names \[inferred\]. A group may have more.
pub const MAX_MEMBERS_AT_ONCE: usize = 10_000;

/// A resource while it is changed. Attributes that nobody may write are not here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// The principal.
    pub principal: Principal,
    /// Whether it is active in the directory.
    pub active: bool,
    /// Its entitlements there.
    pub entitlements: BTreeSet<String>,
    /// Its instance profiles, or its roles in the account.
    pub roles: BTreeSet<String>,
    /// A group's direct members.
    pub members: BTreeSet<PrincipalId>,
}

/// An attribute that is written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Slot {
    DisplayName,
    ExternalId,
    Active,
    Name,
    GivenName,
    FamilyName,
    Entitlements,
    Roles,
    Members,
    /// `userName` or `applicationId`: may be repeated, but not changed.
    Identifier,
    /// E-mail addresses: set when a user is created, never changed.
    Emails,
    /// May be repeated, but not changed.
    Id,
    /// May be repeated, but not changed.
    Schemas,
    /// What only the service writes: `meta` and `groups`.
    ReadOnly,
}

/// What an operation's path names.
#[derive(Clone, Debug)]
pub(super) struct Target<'a> {
    /// The path as it was sent, for answers.
    path: &'a str,
    /// The attribute, with a dot before what is within it.
    attribute: &'a str,
    /// Which elements of a list.
    filter: Option<&'a str>,
    /// What of each of these elements, in lower case.
    part: Option<String>,
}

impl<'a> Target<'a> {
    /// Reads a path: `local` is what remains of it without a schema.
    ///
    /// # Errors
    /// [`Fault::InvalidPath`]
    pub(super) fn parse(path: &'a str, local: &'a str) -> Result<Self, Denial> {
        let Some((attribute, rest)) = local.split_once('[') else {
            return Ok(Self { path, attribute: local, filter: None, part: None });
        };
        let (filter, rest) = rest.rsplit_once(']').ok_or_else(|| no_such_attribute(path))?;
        let part = match rest.strip_prefix('.') {
            Some(part) if !part.is_empty() => Some(part.to_lowercase()),
            None if rest.is_empty() => None,
            _ => return Err(no_such_attribute(path)),
        };
        Ok(Self { path, attribute: attribute.trim(), filter: Some(filter), part })
    }

    /// The selected elements' filter, where the path is to nothing within them but their value.
    fn of_values(&self) -> Result<Option<Filter<Element>>, Denial> {
        match self.part.as_deref() {
            None | Some("value") => self.filter.map(Filter::parse).transpose(),
            Some(_) => Err(no_such_attribute(self.path)),
        }
    }
}

/// What a filter in a path may speak of: an element's `value`.
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

/// What a filter in a path may speak of in an e-mail address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum EmailPart {
    Value,
    Type,
    Primary,
}

impl Field for EmailPart {
    fn parse(name: &str) -> Option<Self> {
        let parts = [("value", Self::Value), ("type", Self::Type), ("primary", Self::Primary)];
        parts.into_iter().find_map(|(known, part)| (known == name).then_some(part))
    }

    fn is_case_exact(self) -> bool {
        false
    }
}

impl Slot {
    /// The attribute of a kind of resource with this lower-case name.
    pub(super) fn of(kind: PrincipalKind, name: &str) -> Option<Self> {
        use PrincipalKind::{Group, ServicePrincipal, User};
        Some(match (kind, name) {
            (_, "displayname") => Self::DisplayName,
            (_, "externalid") => Self::ExternalId,
            (_, "entitlements") => Self::Entitlements,
            (_, "roles") => Self::Roles,
            (User | ServicePrincipal, "active") => Self::Active,
            (User, "name") => Self::Name,
            (User, "name.givenname") => Self::GivenName,
            (User, "name.familyname") => Self::FamilyName,
            (Group, "members") => Self::Members,
            (User, "username") | (ServicePrincipal, "applicationid") => Self::Identifier,
            (User, "emails") => Self::Emails,
            (_, "id") => Self::Id,
            (_, "schemas") => Self::Schemas,
            (_, "meta" | "groups") => Self::ReadOnly,
            _ => return None,
        })
    }
}

impl Draft {
    /// A principal's place in a directory as it is.
    pub fn new(principal: Principal, assignment: &Assignment, members: BTreeSet<PrincipalId>) -> Self {
        Self {
            principal,
            active: assignment.active,
            entitlements: assignment.entitlements.iter().cloned().collect(),
            roles: assignment.roles.iter().cloned().collect(),
            members,
        }
    }

    /// A principal that comes to a directory with the attributes of a POST. An e-mail address is
    /// taken from the user name when none is given.
    ///
    /// # Errors
    /// As [`Change::apply`](super::Change::apply).
    pub fn create(principal: Principal, body: &Map<String, Value>) -> Result<Self, Denial> {
        let mut draft = Self::new(principal, &Assignment::default(), BTreeSet::new());
        draft.fill(Verb::Add, body)?;
        draft.is_within_bounds()?;
        let principal = &mut draft.principal;
        if principal.kind == PrincipalKind::User && principal.attributes.emails.is_empty() {
            principal.attributes.emails = emails(member(body, "emails"), &principal.name)?;
        }
        Ok(draft)
    }

    /// The draft with all that belongs to the directory where it is meant to be: in the account, being
    /// active and the roles are the principal's own.
    ///
    /// # Errors
    /// [`Fault::InvalidPath`] for entitlements in the account, where the real service knows none
    /// (tf#2303); [`Fault::InvalidValue`] for a role that is not emulated.
    pub fn settled(mut self, directory: Directory) -> Result<Self, Denial> {
        if directory == Directory::Workspace {
            return Ok(self);
        }
        if !self.entitlements.is_empty() {
            return Err(no_such_attribute("entitlements"));
        }
        if let Some(role) = self.roles.iter().find(|role| *role != ACCOUNT_ADMIN) {
            let sentence = format!("roles: dapi-mock emulates {ACCOUNT_ADMIN} only, not {role}.");
            return Err(Denial::Scim(Fault::InvalidValue, sentence));
        }
        self.principal.active = self.active;
        self.principal.account_admin = self.roles.contains(ACCOUNT_ADMIN);
        Ok(self)
    }

    /// The place in the workspace.
    pub fn assignment(&self) -> Assignment {
        Assignment {
            active: self.active,
            entitlements: self.entitlements.iter().cloned().collect(),
            roles: self.roles.iter().cloned().collect(),
        }
    }

    /// Whether the step from `before` to this may be made in a workspace: the built-in groups keep
    /// their names, `users` holds every principal whatever anybody says, and a group of the account
    /// is the account's to change.
    ///
    /// # Errors
    /// [`Fault::Mutability`]
    pub fn may_follow(&self, before: &Self, workspace: &Workspace) -> Result<(), Denial> {
        let group = &before.principal;
        if group.kind != PrincipalKind::Group {
            return Ok(());
        }
        let renamed = self.principal.name != group.name;
        let regrouped = self.members != before.members;
        if renamed && workspace.is_built_in(group.id) {
            return Err(built_in(&group.name, "renamed"));
        }
        if regrouped && group.id == workspace.users_group {
            return Err(mutability("The group users holds every user and service principal of the workspace."));
        }
        if (renamed || regrouped) && group.local_to.is_none() {
            return Err(mutability(&format!("The group {} belongs to the account.", group.name)));
        }
        Ok(())
    }

    /// Unsets everything that a PUT may set. The identifier stays, and so does a group's name.
    pub(super) fn clear(&mut self) {
        let principal = &mut self.principal;
        principal.display_name.clone_from(&principal.name);
        principal.external_id = None;
        principal.attributes.given_name = None;
        principal.attributes.family_name = None;
        self.active = true;
        self.entitlements.clear();
        self.roles.clear();
        self.members.clear();
    }

    /// Writes all attributes of a POST or PUT; unknown ones are ignored, and so are those that cannot be written:
    /// clients send back what they read.
    pub(super) fn fill(&mut self, verb: Verb, body: &Map<String, Value>) -> Result<(), Denial> {
        let kind = self.principal.kind;
        for (name, value) in body {
            match (without_schema(kind, name), value) {
                (Some(""), Value::Object(body)) if body.keys().all(|key| !key.starts_with("urn:")) => {
                    self.fill(verb, body)?;
                }
                (Some(local), _) => match Slot::of(kind, &local.to_lowercase()) {
                    None | Some(Slot::Emails | Slot::Id | Slot::Schemas | Slot::ReadOnly) => {}
                    Some(Slot::Identifier) if value.is_null() => {}
                    Some(slot) => self.change(verb, slot, None, value, false)?,
                },
                (None, _) => {}
            }
        }
        Ok(())
    }

    /// Carries out one operation of a PATCH.
    ///
    /// # Errors
    /// As [`Change::apply`](super::Change::apply).
    pub(super) fn change_at(&mut self, verb: Verb, target: &Target<'_>, value: &Value) -> Result<(), Denial> {
        let slot = Slot::of(self.principal.kind, &target.attribute.to_lowercase());
        match slot.ok_or_else(|| no_such_attribute(target.path))? {
            Slot::Emails => self.keeps_emails(verb, target, value),
            slot if slot.is_list() => self.change(verb, slot, target.of_values()?.as_ref(), value, true),
            _ if target.filter.is_some() => Err(no_such_attribute(target.path)),
            Slot::Id if verb != Verb::Remove && text("id", value)? == Some(self.principal.id.to_string()) => Ok(()),
            Slot::Schemas if verb != Verb::Remove && self.has_schemas(value) => Ok(()),
            Slot::Id | Slot::Schemas | Slot::ReadOnly => {
                Err(mutability(&format!("{} cannot be changed.", target.path)))
            }
            slot => self.change(verb, slot, None, value, true),
        }
    }

    fn has_schemas(&self, value: &Value) -> bool {
        let known = schemas(self.principal.kind);
        let is_known = |value: &Value| {
            value.as_str().is_some_and(|text| known.iter().any(|schema| schema.eq_ignore_ascii_case(text)))
        };
        value.as_array().is_some_and(|schemas| schemas.iter().all(is_known))
    }

    /// Writes one attribute. For one with a single value, adding is replacing. `strict` refuses what a POST or PUT
    /// passes over.
    fn change(
        &mut self,
        verb: Verb,
        slot: Slot,
        selector: Option<&Filter<Element>>,
        value: &Value,
        strict: bool,
    ) -> Result<(), Denial> {
        let value = if verb == Verb::Remove && !slot.is_list() { &Value::Null } else { value };
        match slot {
            Slot::DisplayName => self.set_display_name(text("displayName", value)?)?,
            Slot::ExternalId => self.principal.external_id = text("externalId", value)?,
            Slot::Active => match boolean("active", value)? {
                Some(active) => self.active = active,
                None if verb == Verb::Add => {}
                None => self.active = true,
            },
            Slot::GivenName => self.principal.attributes.given_name = text("name.givenName", value)?,
            Slot::FamilyName => self.principal.attributes.family_name = text("name.familyName", value)?,
            Slot::Name => self.set_name(verb, value, strict)?,
            Slot::Entitlements => {
                change_list(&mut self.entitlements, verb, selector, texts("entitlements", value, MAX_VALUES)?)?;
            }
            Slot::Roles => change_list(&mut self.roles, verb, selector, texts("roles", value, MAX_VALUES)?)?,
            Slot::Members => change_list(&mut self.members, verb, selector, ids(value)?)?,
            Slot::Identifier => self.check_identifier(value)?,
            Slot::Emails | Slot::Id | Slot::Schemas | Slot::ReadOnly => {}
        }
        Ok(())
    }

    /// Whether a principal has no more of anything than it may.
    ///
    /// # Errors
    /// [`Fault::InvalidValue`]
    pub(super) fn is_within_bounds(&self) -> Result<(), Denial> {
        for (attribute, values) in [("entitlements", &self.entitlements), ("roles", &self.roles)] {
            if values.len() > MAX_VALUES {
                return Err(wrong_type(attribute, &format!("at most {MAX_VALUES} values")));
            }
        }
        Ok(())
    }

    /// An operation on the e-mail addresses, which cannot be changed, is only accepted when it leaves them as they are.
    fn keeps_emails(&self, verb: Verb, target: &Target<'_>, value: &Value) -> Result<(), Denial> {
        let stored = &self.principal.attributes.emails;
        let fixed = || Err(mutability(&format!("The emails of {} cannot be changed.", self.principal.name)));
        let Some(filter) = target.filter.map(Filter::<EmailPart>::parse).transpose()? else {
            if verb == Verb::Remove {
                return if stored.is_empty() { Ok(()) } else { fixed() };
            }
            let wanted = given_emails(Some(value))?;
            let is_there = |wanted: &Email| stored.iter().any(|email| is_same_email(wanted, email));
            let same_number = verb == Verb::Add || wanted.len() == stored.len();
            return if same_number && wanted.iter().all(is_there) { Ok(()) } else { fixed() };
        };
        let is_meant = |email: &&Email| {
            filter.matches(&|part| match part {
                EmailPart::Value => vec![email.value.as_str().into()],
                EmailPart::Type => email.kind.iter().map(|kind| kind.as_str().into()).collect(),
                EmailPart::Primary => vec![if email.primary { "true" } else { "false" }.into()],
            })
        };
        let meant: Vec<&Email> = stored.iter().filter(is_meant).collect();
        match (target.part.as_deref(), verb) {
            (None | Some("value" | "type" | "primary"), Verb::Remove) => {
                if meant.is_empty() {
                    Ok(())
                } else {
                    fixed()
                }
            }
            (None | Some("value" | "type" | "primary"), _) if meant.is_empty() => Err(no_target(target.path)),
            (None, _) => {
                let wanted = given_emails(Some(value))?;
                let is_same = |email: &&Email| matches!(wanted.as_slice(), [one] if is_same_email(one, email));
                if meant.iter().all(is_same) { Ok(()) } else { fixed() }
            }
            (Some("value"), _) => {
                let wanted = text("emails", value)?.unwrap_or_default();
                let is_same = |email: &&Email| Principal::is_same_name(&email.value, &wanted);
                if meant.iter().all(is_same) { Ok(()) } else { fixed() }
            }
            (Some("type"), _) => {
                let wanted = text("emails", value)?;
                if meant.iter().all(|email| email.kind == wanted) { Ok(()) } else { fixed() }
            }
            (Some("primary"), _) => {
                let wanted = boolean("emails", value)?.unwrap_or(false);
                if meant.iter().all(|email| email.primary == wanted) { Ok(()) } else { fixed() }
            }
            (Some(_), _) => Err(no_such_attribute(target.path)),
        }
    }

    fn set_display_name(&mut self, wanted: Option<String>) -> Result<(), Denial> {
        if let Some(found) = wanted.as_deref().and_then(hidden_character) {
            let expected = format!("visible characters only, not U+{:04X}", u32::from(found));
            return Err(wrong_type("displayName", &expected));
        }
        let principal = &mut self.principal;
        match (principal.kind, wanted) {
            (PrincipalKind::Group, wanted) => {
                principal.name = checked_name(PrincipalKind::Group, wanted)?;
                principal.display_name.clone_from(&principal.name);
            }
            (_, Some(wanted)) => principal.display_name = wanted,
            (_, None) => principal.display_name.clone_from(&principal.name),
        }
        Ok(())
    }

    fn set_name(&mut self, verb: Verb, value: &Value, strict: bool) -> Result<(), Denial> {
        let nothing = Map::new();
        let parts = match value {
            Value::Object(parts) => parts,
            Value::Null => &nothing,
            _ => return Err(wrong_type("name", "an object")),
        };
        let is_known = |key: &str| ["givenName", "familyName"].iter().any(|known| known.eq_ignore_ascii_case(key));
        if let Some(unknown) = parts.keys().find(|key| strict && !is_known(key)) {
            return Err(no_such_attribute(&format!("name.{unknown}")));
        }
        let attributes = &mut self.principal.attributes;
        let [given, family] = [("givenName", &mut attributes.given_name), ("familyName", &mut attributes.family_name)];
        for (key, place) in [given, family] {
            match member(parts, key) {
                Some(part) => *place = text(key, part)?,
                None if verb == Verb::Add => {}
                None => *place = None,
            }
        }
        Ok(())
    }

    fn check_identifier(&self, value: &Value) -> Result<(), Denial> {
        let name = &self.principal.name;
        match text("the identifier", value)? {
            Some(wanted) if Principal::is_same_name(&wanted, name) => Ok(()),
            _ => Err(mutability(&format!("The name {name} cannot be changed."))),
        }
    }
}

impl Slot {
    fn is_list(self) -> bool {
        matches!(self, Self::Entitlements | Self::Roles | Self::Members)
    }
}

/// The name as it was sent, once it may be one: refusals repeat it, and Terraform compares them with what it sent.
fn given_name(kind: PrincipalKind, name: Option<String>) -> Result<String, Denial> {
    let name = name.unwrap_or_default();
    checked_name(kind, Some(name.clone()))?;
    Ok(name)
}

/// The name that a POST gives: `userName`, `applicationId` or `displayName`. Only a service principal
/// may go without.
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

/// That a built-in group stays as it is; the real wording is unknown.
pub fn built_in(name: &str, what: &str) -> Denial {
    mutability(&format!("The built-in group {name} cannot be {what}."))
}

/// That whoever is in a workspace through a group of the account leaves it by leaving the group
/// \[inferred\].
pub fn in_through_a_group(name: &str) -> Denial {
    mutability(&format!("{name} is in the workspace through a group of the account."))
}

/// Whether an account admin keeps its own role.
///
/// # Errors
/// That of [`cannot_remove_roles`].
pub fn keeps_own_roles(caller: PrincipalId, before: &Principal, after: &Principal) -> Result<(), Denial> {
    let lost = before.account_admin && !after.account_admin;
    if lost && before.id == caller { Err(cannot_remove_roles(caller)) } else { Ok(()) }
}

/// How the account refuses to take one's own role away (tf#1733; its status was not captured). That it
/// is never left without an active account admin is \[inferred\].
pub fn cannot_remove_roles(id: PrincipalId) -> Denial {
    Denial::Scim(Fault::InvalidValue, format!("PERMISSION_DENIED: Cannot remove roles for {id}"))
}

fn mutability(sentence: &str) -> Denial {
    Denial::Scim(Fault::Mutability, sentence.to_owned())
}

fn wrong_type(attribute: &str, wanted: &str) -> Denial {
    Denial::Scim(Fault::InvalidValue, format!("{attribute}: expected {wanted}."))
}

fn no_target(path: &str) -> Denial {
    Denial::Scim(Fault::NoTarget, format!("{path}: nothing matches the filter."))
}

fn checked_name(kind: PrincipalKind, name: Option<String>) -> Result<String, Denial> {
    let attribute = if kind == PrincipalKind::Group { "displayName" } else { "userName" };
    Principal::checked_name(kind, &name.unwrap_or_default()).map_err(|wanted| wrong_type(attribute, &wanted))
}

/// The value inside `[{"value": …}]`, in which Terraform wraps also what is not a list.
fn unwrapped(value: &Value) -> &Value {
    let inner = match value {
        Value::Array(elements) if elements.len() == 1 => elements.first().unwrap_or(value),
        other => other,
    };
    inner.as_object().and_then(|object| member(object, "value")).unwrap_or(inner)
}

fn text(attribute: &str, value: &Value) -> Result<Option<String>, Denial> {
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

fn boolean(attribute: &str, value: &Value) -> Result<Option<bool>, Denial> {
    match unwrapped(value) {
        Value::Null => Ok(None),
        Value::Bool(value) => Ok(Some(*value)),
        Value::String(text) if text.eq_ignore_ascii_case("true") => Ok(Some(true)),
        Value::String(text) if text.eq_ignore_ascii_case("false") => Ok(Some(false)),
        _ => Err(wrong_type(attribute, "true or false")),
    }
}

/// The values of a list; `None` when there is no list. An element without a value is how Terraform
/// says "none"; it is skipped.
fn texts(attribute: &str, value: &Value, most: usize) -> Result<Option<Vec<String>>, Denial> {
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

fn ids(value: &Value) -> Result<Option<Vec<PrincipalId>>, Denial> {
    let parsed = |text: String| PrincipalId::parse(&text).ok_or_else(|| wrong_type("members", "ids of principals"));
    texts("members", value, MAX_MEMBERS_AT_ONCE)?.map(|texts| texts.into_iter().map(parsed).collect()).transpose()
}

/// The e-mail addresses of a new user; the first counts as the primary one when none says so.
fn emails(given: Option<&Value>, user_name: &str) -> Result<Vec<Email>, Denial> {
    let mut emails = given_emails(given)?;
    if emails.is_empty() {
        emails.push(Email { value: user_name.to_owned(), kind: Some("work".into()), primary: true });
    }
    if let (false, Some(first)) = (emails.iter().any(|email| email.primary), emails.first_mut()) {
        first.primary = true;
    }
    Ok(emails)
}

fn given_emails(given: Option<&Value>) -> Result<Vec<Email>, Denial> {
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

/// Whether an address that an operation names is a stored one, as far as it says.
fn is_same_email(wanted: &Email, stored: &Email) -> bool {
    Principal::is_same_name(&wanted.value, &stored.value)
        && (wanted.kind.is_none() || wanted.kind == stored.kind)
        && (!wanted.primary || stored.primary)
}

/// Adding what is there and removing what is not are fine: both are how it should be afterwards.
/// Removing takes what the selector says; without one, the values; without these too, everything.
fn change_list<T: Ord + ToString>(
    list: &mut BTreeSet<T>,
    verb: Verb,
    selector: Option<&Filter<Element>>,
    values: Option<Vec<T>>,
) -> Result<(), Denial> {
    let Some(filter) = selector else {
        match (verb, values) {
            (Verb::Add, values) => list.extend(values.unwrap_or_default()),
            (Verb::Replace, values) => *list = values.into_iter().flatten().collect(),
            (Verb::Remove, Some(values)) => values.iter().for_each(|value| {
                list.remove(value);
            }),
            (Verb::Remove, None) => list.clear(),
        }
        return Ok(());
    };
    let before = list.len();
    let is_meant = |value: &T| filter.matches(&|_| vec![value.to_string().into()]);
    match verb {
        // Old Terraform sends an empty value beside the selector.
        Verb::Remove => list.retain(|value| !is_meant(value)),
        Verb::Replace => {
            list.retain(|value| !is_meant(value));
            if list.len() == before {
                return Err(Denial::Scim(Fault::NoTarget, "Nothing matches the filter of the path.".into()));
            }
            list.extend(values.unwrap_or_default());
        }
        Verb::Add => {
            let sentence = "Nothing can be added to the elements that the filter of the path selects.";
            return Err(Denial::Scim(Fault::InvalidPath, sentence.into()));
        }
    }
    Ok(())
}
