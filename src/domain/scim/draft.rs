//! A resource while a client's changes are applied to it. Which operations a body contains is in `change`, how values
//! are read is in `values`. Start with [`Draft::create`] and [`Draft::change_at`].

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::change::{Verb, member, schemas, without_schema};
use super::filter::{Field, Filter};
use super::values::{boolean, built_in, checked_name, ids, mutability, text, texts, wrong_type};
use super::{Fault, emails, no_such_attribute};
use crate::domain::identities::{ACCOUNT_ADMIN, Assignment, Directory, Principal, PrincipalKind, hidden_character};
use crate::domain::{Denial, PrincipalId, Workspace};

/// The maximum number of entitlements or roles of a principal \[inferred\].
pub const MAX_VALUES: usize = 100;

/// The writable attributes of a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    pub principal: Principal,
    /// Whether it is active in the directory.
    pub active: bool,
    pub entitlements: BTreeSet<String>,
    /// Instance profiles in a workspace, roles in the account.
    pub roles: BTreeSet<String>,
    /// A group's direct members.
    pub members: BTreeSet<PrincipalId>,
}

/// An attribute that a body or a path names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ResourceField {
    DisplayName,
    ExternalId,
    Active,
    Name,
    GivenName,
    FamilyName,
    Entitlements,
    Roles,
    Members,
    /// `userName` or `applicationId`: may be sent, but not changed.
    Identifier,
    /// Set when a user is created, and not changed afterwards.
    Emails,
    /// May be sent, but not changed.
    Id,
    /// May be sent, but not changed.
    Schemas,
    /// `meta` and `groups`, which only the service writes.
    ReadOnly,
}

/// The path of an operation, such as `emails[type eq "work"].value`.
#[derive(Clone, Debug)]
pub(super) struct AttributePath<'a> {
    /// The path as it was sent, for error messages.
    pub(super) sent: &'a str,
    /// The attribute, with a dot before a sub-attribute.
    attribute: &'a str,
    /// Selects elements of a list.
    pub(super) filter: Option<&'a str>,
    /// The sub-attribute of each selected element, in lower case.
    pub(super) part: Option<String>,
}

impl<'a> AttributePath<'a> {
    /// Reads a path. `local` is the path without a schema.
    ///
    /// # Errors
    /// [`Fault::InvalidPath`]
    pub(super) fn parse(path: &'a str, local: &'a str) -> Result<Self, Denial> {
        let Some((attribute, rest)) = local.split_once('[') else {
            return Ok(Self { sent: path, attribute: local, filter: None, part: None });
        };
        let (filter, rest) = rest.rsplit_once(']').ok_or_else(|| no_such_attribute(path))?;
        let part = match rest.strip_prefix('.') {
            Some(part) if !part.is_empty() => Some(part.to_lowercase()),
            None if rest.is_empty() => None,
            _ => return Err(no_such_attribute(path)),
        };
        Ok(Self { sent: path, attribute: attribute.trim(), filter: Some(filter), part })
    }

    /// The filter, if the path names the values of the selected elements.
    fn of_values(&self) -> Result<Option<Filter<Element>>, Denial> {
        match self.part.as_deref() {
            None | Some("value") => self.filter.map(Filter::parse).transpose(),
            Some(_) => Err(no_such_attribute(self.sent)),
        }
    }
}

/// What the filter of a path may name: an element's `value`.
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

/// How an attribute is written.
struct Write<'a> {
    verb: Verb,
    value: &'a Value,
    /// Selects elements of a list.
    filter: Option<Filter<Element>>,
    unknown: UnknownParts,
}

/// What happens to unknown sub-attributes: a PATCH refuses them, a POST or PUT ignores them.
#[derive(Clone, Copy, PartialEq)]
enum UnknownParts {
    Refuse,
    Ignore,
}

impl ResourceField {
    /// The attribute of a kind of resource with this lowercase name.
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
    /// A principal as it is in a directory.
    pub fn new(principal: Principal, assignment: &Assignment, members: BTreeSet<PrincipalId>) -> Self {
        Self {
            principal,
            active: assignment.active,
            entitlements: assignment.entitlements.iter().cloned().collect(),
            roles: assignment.roles.iter().cloned().collect(),
            members,
        }
    }

    /// A new principal with the attributes of a POST. The e-mail address defaults to the user name.
    ///
    /// # Errors
    /// As [`Change::apply`](super::Change::apply).
    pub fn create(principal: Principal, body: &Map<String, Value>) -> Result<Self, Denial> {
        let mut draft = Self::new(principal, &Assignment::default(), BTreeSet::new());
        draft.fill(Verb::Add, body)?;
        draft.is_within_bounds()?;
        let principal = &mut draft.principal;
        if principal.kind == PrincipalKind::User && principal.attributes.emails.is_empty() {
            principal.attributes.emails = emails::of_new_user(member(body, "emails"), &principal.name)?;
        }
        Ok(draft)
    }

    /// The draft with its attributes where the directory has them: in the account, the roles and being active belong to
    /// the principal itself.
    ///
    /// # Errors
    /// [`Fault::InvalidPath`] for entitlements in the account, which the real service does not have (tf#2303);
    /// [`Fault::InvalidValue`] for a role that is not emulated.
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

    pub fn assignment(&self) -> Assignment {
        Assignment {
            active: self.active,
            entitlements: self.entitlements.iter().cloned().collect(),
            roles: self.roles.iter().cloned().collect(),
        }
    }

    /// Whether a workspace allows the change from `before` to this draft. The built-in groups keep their names, `users`
    /// always contains every principal, and only the account changes account groups.
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

    /// Unsets everything that a PUT can set, except the identifier and a group's name.
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

    /// Writes all attributes of a POST or PUT. Unknown and read-only attributes are ignored, because clients send back
    /// what they have read.
    pub(super) fn fill(&mut self, verb: Verb, body: &Map<String, Value>) -> Result<(), Denial> {
        let kind = self.principal.kind;
        for (name, value) in body {
            match (without_schema(kind, name), value) {
                (Some(""), Value::Object(body)) if body.keys().all(|key| !key.starts_with("urn:")) => {
                    self.fill(verb, body)?;
                }
                (Some(local), _) => match ResourceField::of(kind, &local.to_lowercase()) {
                    None
                    | Some(
                        ResourceField::Emails | ResourceField::Id | ResourceField::Schemas | ResourceField::ReadOnly,
                    ) => {}
                    Some(ResourceField::Identifier) if value.is_null() => {}
                    Some(field) => {
                        let unknown = UnknownParts::Ignore;
                        self.change(field, &Write { verb, value, filter: None, unknown })?;
                    }
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
    pub(super) fn change_at(&mut self, verb: Verb, path: &AttributePath<'_>, value: &Value) -> Result<(), Denial> {
        let field = ResourceField::of(self.principal.kind, &path.attribute.to_lowercase());
        let write = Write { verb, value, filter: None, unknown: UnknownParts::Refuse };
        match field.ok_or_else(|| no_such_attribute(path.sent))? {
            ResourceField::Emails => emails::leave_unchanged(&self.principal, verb, path, value),
            field if field.is_list() => self.change(field, &Write { filter: path.of_values()?, ..write }),
            _ if path.filter.is_some() => Err(no_such_attribute(path.sent)),
            ResourceField::Id if verb != Verb::Remove && text("id", value)? == Some(self.principal.id.to_string()) => {
                Ok(())
            }
            ResourceField::Schemas if verb != Verb::Remove && self.has_schemas(value) => Ok(()),
            ResourceField::Id | ResourceField::Schemas | ResourceField::ReadOnly => {
                Err(mutability(&format!("{} cannot be changed.", path.sent)))
            }
            field => self.change(field, &write),
        }
    }

    fn has_schemas(&self, value: &Value) -> bool {
        let known = schemas(self.principal.kind);
        let is_known = |value: &Value| {
            value.as_str().is_some_and(|text| known.iter().any(|schema| schema.eq_ignore_ascii_case(text)))
        };
        value.as_array().is_some_and(|schemas| schemas.iter().all(is_known))
    }

    /// Writes one attribute. Adding to an attribute with a single value replaces it.
    fn change(&mut self, field: ResourceField, write: &Write<'_>) -> Result<(), Denial> {
        let verb = write.verb;
        let value = if verb == Verb::Remove && !field.is_list() { &Value::Null } else { write.value };
        match field {
            ResourceField::DisplayName => self.set_display_name(text("displayName", value)?)?,
            ResourceField::ExternalId => self.principal.external_id = text("externalId", value)?,
            ResourceField::Active => match boolean("active", value)? {
                Some(active) => self.active = active,
                None if verb == Verb::Add => {}
                None => self.active = true,
            },
            ResourceField::GivenName => self.principal.attributes.given_name = text("name.givenName", value)?,
            ResourceField::FamilyName => self.principal.attributes.family_name = text("name.familyName", value)?,
            ResourceField::Name => self.set_name(&Write { value, filter: None, ..*write })?,
            ResourceField::Entitlements => {
                change_list(&mut self.entitlements, write, texts("entitlements", value, MAX_VALUES)?)?;
            }
            ResourceField::Roles => change_list(&mut self.roles, write, texts("roles", value, MAX_VALUES)?)?,
            ResourceField::Members => change_list(&mut self.members, write, ids(value)?)?,
            ResourceField::Identifier => self.check_identifier(value)?,
            ResourceField::Emails | ResourceField::Id | ResourceField::Schemas | ResourceField::ReadOnly => {}
        }
        Ok(())
    }

    /// # Errors
    /// [`Fault::InvalidValue`] if it has too many entitlements or roles.
    pub(super) fn is_within_bounds(&self) -> Result<(), Denial> {
        for (attribute, values) in [("entitlements", &self.entitlements), ("roles", &self.roles)] {
            if values.len() > MAX_VALUES {
                return Err(wrong_type(attribute, &format!("at most {MAX_VALUES} values")));
            }
        }
        Ok(())
    }

    fn set_display_name(&mut self, name: Option<String>) -> Result<(), Denial> {
        if let Some(found) = name.as_deref().and_then(hidden_character) {
            let expected = format!("visible characters only, not U+{:04X}", u32::from(found));
            return Err(wrong_type("displayName", &expected));
        }
        let principal = &mut self.principal;
        match (principal.kind, name) {
            (PrincipalKind::Group, name) => {
                principal.name = checked_name(PrincipalKind::Group, name)?;
                principal.display_name.clone_from(&principal.name);
            }
            (_, Some(name)) => principal.display_name = name,
            (_, None) => principal.display_name.clone_from(&principal.name),
        }
        Ok(())
    }

    fn set_name(&mut self, write: &Write<'_>) -> Result<(), Denial> {
        let nothing = Map::new();
        let parts = match write.value {
            Value::Object(parts) => parts,
            Value::Null => &nothing,
            _ => return Err(wrong_type("name", "an object")),
        };
        let is_known = |key: &str| ["givenName", "familyName"].iter().any(|known| known.eq_ignore_ascii_case(key));
        let refuses = write.unknown == UnknownParts::Refuse;
        if let Some(unknown) = parts.keys().find(|key| refuses && !is_known(key)) {
            return Err(no_such_attribute(&format!("name.{unknown}")));
        }
        let attributes = &mut self.principal.attributes;
        let [given, family] = [("givenName", &mut attributes.given_name), ("familyName", &mut attributes.family_name)];
        for (key, stored) in [given, family] {
            match member(parts, key) {
                Some(part) => *stored = text(key, part)?,
                None if write.verb == Verb::Add => {}
                None => *stored = None,
            }
        }
        Ok(())
    }

    fn check_identifier(&self, value: &Value) -> Result<(), Denial> {
        let name = &self.principal.name;
        match text("the identifier", value)? {
            Some(given) if Principal::is_same_name(&given, name) => Ok(()),
            _ => Err(mutability(&format!("The name {name} cannot be changed."))),
        }
    }
}

impl ResourceField {
    fn is_list(self) -> bool {
        matches!(self, Self::Entitlements | Self::Roles | Self::Members)
    }
}

/// Adding a present value and removing an absent one succeed. Removing takes what the filter selects; without a filter,
/// the given values; without values, everything.
fn change_list<T: Ord + ToString>(
    list: &mut BTreeSet<T>,
    write: &Write<'_>,
    values: Option<Vec<T>>,
) -> Result<(), Denial> {
    let Some(filter) = &write.filter else {
        match (write.verb, values) {
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
    let is_selected = |value: &T| filter.matches(&|_| vec![value.to_string().into()]);
    match write.verb {
        // Old Terraform sends an empty value with the filter.
        Verb::Remove => list.retain(|value| !is_selected(value)),
        Verb::Replace => {
            list.retain(|value| !is_selected(value));
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
