//! A resource while a client's attributes are written into it.

use std::collections::BTreeSet;

use serde_json::{Map, Value};
use uuid::Uuid;

use super::change::{Element, Verb, member};
use super::filter::Filter;
use super::{Fault, no_such_attribute};
use crate::domain::identity::{ACCOUNT_ADMIN, Assignment, Directory, Email, Principal, PrincipalKind};
use crate::domain::{Denial, PrincipalId, Workspace};

/// Longest name of a principal, in characters: PostgreSQL's index on it holds no more than 2700 bytes.
pub const MAX_NAME_CHARS: usize = 255;

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
    /// Accepted and ignored: echoes of what was read, and e-mail addresses, which cannot be changed.
    ReadOnly,
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
            (User, "emails") | (_, "id" | "schemas" | "meta" | "groups") => Self::ReadOnly,
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

    /// Writes all attributes of an object; unknown ones are ignored.
    pub(super) fn fill(&mut self, verb: Verb, body: &Map<String, Value>) -> Result<(), Denial> {
        for (name, value) in body {
            if let Some(slot) = Slot::of(self.principal.kind, &name.to_lowercase()) {
                self.change(verb, slot, None, value)?;
            }
        }
        Ok(())
    }

    /// Writes one attribute. For one with a single value, adding is replacing.
    pub(super) fn change(
        &mut self,
        verb: Verb,
        slot: Slot,
        selector: Option<&Filter<Element>>,
        value: &Value,
    ) -> Result<(), Denial> {
        let value = if verb == Verb::Remove && !slot.is_list() { &Value::Null } else { value };
        match slot {
            Slot::DisplayName => self.set_display_name(text("displayName", value)?)?,
            Slot::ExternalId => self.principal.external_id = text("externalId", value)?,
            Slot::Active if verb == Verb::Remove => self.active = true,
            Slot::Active => self.active = boolean("active", value)?.unwrap_or(self.active),
            Slot::GivenName => self.principal.attributes.given_name = text("name.givenName", value)?,
            Slot::FamilyName => self.principal.attributes.family_name = text("name.familyName", value)?,
            Slot::Name => self.set_name(verb, value)?,
            Slot::Entitlements => change_list(&mut self.entitlements, verb, selector, texts("entitlements", value)?),
            Slot::Roles => change_list(&mut self.roles, verb, selector, texts("roles", value)?),
            Slot::Members => change_list(&mut self.members, verb, selector, ids(value)?),
            Slot::Identifier => self.check_identifier(value)?,
            Slot::ReadOnly => {}
        }
        Ok(())
    }

    fn set_display_name(&mut self, wanted: Option<String>) -> Result<(), Denial> {
        let principal = &mut self.principal;
        match (principal.kind, wanted) {
            (PrincipalKind::Group, wanted) => {
                principal.name = checked_name("displayName", wanted)?;
                principal.display_name.clone_from(&principal.name);
            }
            (_, Some(wanted)) => principal.display_name = wanted,
            (_, None) => principal.display_name.clone_from(&principal.name),
        }
        Ok(())
    }

    fn set_name(&mut self, verb: Verb, value: &Value) -> Result<(), Denial> {
        let nothing = Map::new();
        let parts = match value {
            Value::Object(parts) => parts,
            Value::Null => &nothing,
            _ => return Err(wrong_type("name", "an object")),
        };
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
            Some(wanted) if Principal::name_key(&wanted) != Principal::name_key(name) => {
                Err(mutability(&format!("The name {name} cannot be changed.")))
            }
            _ => Ok(()),
        }
    }
}

impl Slot {
    fn is_list(self) -> bool {
        matches!(self, Self::Entitlements | Self::Roles | Self::Members)
    }
}

/// The name that a POST gives: `userName`, `applicationId` or `displayName`. Only a service principal
/// may go without.
///
/// # Errors
/// [`Fault::InvalidValue`]
pub fn requested_name(kind: PrincipalKind, body: &Map<String, Value>) -> Result<Option<String>, Denial> {
    let named = |attribute: &str| text(attribute, member(body, attribute).unwrap_or(&Value::Null));
    match kind {
        PrincipalKind::User => checked_name("userName", named("userName")?).map(Some),
        PrincipalKind::Group => checked_name("displayName", named("displayName")?).map(Some),
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

fn checked_name(attribute: &str, name: Option<String>) -> Result<String, Denial> {
    let name = name.filter(|name| !name.trim().is_empty()).ok_or_else(|| wrong_type(attribute, "a name"))?;
    if name.chars().count() > MAX_NAME_CHARS {
        return Err(wrong_type(attribute, &format!("at most {MAX_NAME_CHARS} characters")));
    }
    Ok(name)
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
fn texts(attribute: &str, value: &Value) -> Result<Option<Vec<String>>, Denial> {
    let elements = match value {
        Value::Array(elements) => elements.as_slice(),
        Value::Null => return Ok(None),
        single => std::slice::from_ref(single),
    };
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
    texts("members", value)?.map(|texts| texts.into_iter().map(parsed).collect()).transpose()
}

/// The e-mail addresses of a new user; the first counts as the primary one when none says so.
fn emails(given: Option<&Value>, user_name: &str) -> Result<Vec<Email>, Denial> {
    let wrong = || wrong_type("emails", "a list of objects with a value");
    let elements = match given {
        None | Some(Value::Null) => &[],
        Some(Value::Array(elements)) => elements.as_slice(),
        Some(_) => return Err(wrong()),
    };
    let mut emails = Vec::new();
    for element in elements {
        let object = element.as_object().ok_or_else(wrong)?;
        let part = |name: &str| member(object, name).unwrap_or(&Value::Null);
        if let Some(value) = text("emails", part("value"))?.filter(|value| !value.is_empty()) {
            let primary = boolean("emails", part("primary"))?.unwrap_or(false);
            emails.push(Email { value, kind: text("emails", part("type"))?, primary });
        }
    }
    if emails.is_empty() {
        emails.push(Email { value: user_name.to_owned(), kind: Some("work".into()), primary: true });
    }
    if let (false, Some(first)) = (emails.iter().any(|email| email.primary), emails.first_mut()) {
        first.primary = true;
    }
    Ok(emails)
}

/// Adding what is there and removing what is not are fine: both are how it should be afterwards.
/// Removing takes what the selector says; without one, the values; without these too, everything.
fn change_list<T: Ord + ToString>(
    list: &mut BTreeSet<T>,
    verb: Verb,
    selector: Option<&Filter<Element>>,
    values: Option<Vec<T>>,
) {
    let stays = |value: &T| selector.is_some_and(|filter| !filter.matches(&|_| vec![value.to_string().into()]));
    match (verb, selector, values) {
        (Verb::Remove, None, Some(values)) => {
            for value in values {
                list.remove(&value);
            }
        }
        // Old Terraform sends an empty value beside the selector.
        (Verb::Remove, ..) => list.retain(stays),
        (Verb::Add, _, values) => list.extend(values.unwrap_or_default()),
        (Verb::Replace, _, values) => {
            list.retain(stays);
            list.extend(values.unwrap_or_default());
        }
    }
}
