//! SCIM 2.0: which resources a query selects, and what the bodies of POST, PUT and PATCH change.
//! How resources look on the wire is in `http::scim`. Start with [`Query`] and [`Change`].
//! See docs/reference/scim.md.

mod change;
mod draft;
mod emails;
mod filter;
mod values;

use std::borrow::Cow;

use strum::IntoStaticStr;

use super::{Denial, PrincipalId};
use crate::domain::identities::{Entry, Principal, PrincipalKind};

pub use change::{Change, MAX_OPERATIONS};
pub use draft::{Draft, MAX_VALUES};
pub use emails::MAX_EMAILS;
pub use filter::{Field, Filter, MAX_DEPTH, MAX_NODES};
pub use values::{
    MAX_MEMBERS_AT_ONCE, MAX_TEXT_CHARS, built_in, cannot_remove_roles, in_through_a_group, keeps_own_roles,
    requested_name,
};

/// What is wrong with a SCIM request: the `scimType` of the error (RFC 7644 §3.12).
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoStaticStr)]
#[strum(serialize_all = "camelCase")]
pub enum Fault {
    InvalidFilter,
    /// The body does not have the required structure.
    InvalidSyntax,
    /// The path of an operation is malformed, or names an unknown attribute.
    InvalidPath,
    /// The filter of an operation's path selects no element.
    NoTarget,
    /// A value has the wrong type or content.
    InvalidValue,
    /// The attribute cannot be changed.
    Mutability,
}

impl Fault {
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// An attribute by which resources can be filtered and sorted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attribute {
    Id,
    UserName,
    ApplicationId,
    DisplayName,
    Active,
    ExternalId,
    GivenName,
    FamilyName,
    Emails,
    EmailTypes,
    Entitlements,
    Roles,
    Groups,
    GroupNames,
    Members,
    MemberNames,
    ResourceType,
}

impl Attribute {
    const NAMES: [(&'static str, Self); 22] = [
        ("id", Self::Id),
        ("username", Self::UserName),
        ("applicationid", Self::ApplicationId),
        ("displayname", Self::DisplayName),
        ("active", Self::Active),
        ("externalid", Self::ExternalId),
        ("name.givenname", Self::GivenName),
        ("name.familyname", Self::FamilyName),
        ("emails", Self::Emails),
        ("emails.value", Self::Emails),
        ("emails.type", Self::EmailTypes),
        ("entitlements", Self::Entitlements),
        ("entitlements.value", Self::Entitlements),
        ("roles", Self::Roles),
        ("roles.value", Self::Roles),
        ("groups", Self::Groups),
        ("groups.value", Self::Groups),
        ("groups.display", Self::GroupNames),
        ("members", Self::Members),
        ("members.value", Self::Members),
        ("members.display", Self::MemberNames),
        ("meta.resourcetype", Self::ResourceType),
    ];

    /// The attribute's values in a resource, as text.
    fn of(self, entry: &Entry) -> Vec<Cow<'_, str>> {
        let Entry { principal, assignment, groups, members } = entry;
        let only = |kind| one((principal.kind == kind).then_some(&principal.name));
        let attributes = &principal.attributes;
        match self {
            Self::Id => vec![principal.id.to_string().into()],
            Self::UserName => only(PrincipalKind::User),
            Self::ApplicationId => only(PrincipalKind::ServicePrincipal),
            Self::DisplayName => vec![(&*principal.display_name).into()],
            Self::Active => vec![if entry.is_active() { "true" } else { "false" }.into()],
            Self::ExternalId => one(principal.external_id.as_ref()),
            Self::GivenName => one(attributes.given_name.as_ref()),
            Self::FamilyName => one(attributes.family_name.as_ref()),
            Self::Emails => attributes.emails.iter().map(|email| (&*email.value).into()).collect(),
            Self::EmailTypes => {
                attributes.emails.iter().filter_map(|email| Some(email.kind.as_deref()?.into())).collect()
            }
            Self::Entitlements => assignment.entitlements.iter().map(|name| (&**name).into()).collect(),
            Self::Roles => assignment.roles.iter().map(|name| (&**name).into()).collect(),
            Self::Groups => groups.iter().map(|membership| membership.group.to_string().into()).collect(),
            Self::GroupNames => groups.iter().map(|membership| (&*membership.name).into()).collect(),
            Self::Members => members.iter().map(|member| member.id.to_string().into()).collect(),
            Self::MemberNames => members.iter().map(|member| (&*member.display_name).into()).collect(),
            Self::ResourceType => one(resource_type(entry)),
        }
    }
}

fn one(text: Option<&(impl AsRef<str> + ?Sized)>) -> Vec<Cow<'_, str>> {
    text.map(|text| text.as_ref().into()).into_iter().collect()
}

impl Field for Attribute {
    fn parse(name: &str) -> Option<Self> {
        Self::NAMES.into_iter().find_map(|(known, attribute)| (known == name).then_some(attribute))
    }

    fn is_case_exact(self) -> bool {
        self == Self::ExternalId
    }
}

/// `meta.resourceType`: tells a workspace's own group from an account group.
pub fn resource_type(entry: &Entry) -> Option<&'static str> {
    match (entry.principal.kind, entry.principal.local_to) {
        (PrincipalKind::Group, Some(_)) => Some("WorkspaceGroup"),
        (PrincipalKind::Group, None) => Some("Group"),
        _ => None,
    }
}

/// Which attributes of other principals a caller sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sight {
    /// All attributes, for workspace admins.
    Everything,
    /// Only ids and names. See docs/reference/scim.md#query-parameters.
    Names,
}

impl Sight {
    /// Whether the caller sees the attribute with this name.
    pub fn includes(self, name: &str) -> bool {
        self == Self::Everything
            || Attribute::parse(&name.to_lowercase()).is_some_and(|attribute| self.shows(attribute))
    }

    fn shows(self, attribute: Attribute) -> bool {
        use Attribute::{ApplicationId, DisplayName, Id, UserName};
        self == Self::Everything || matches!(attribute, Id | UserName | ApplicationId | DisplayName)
    }

    fn values(self, entry: &Entry, attribute: Attribute) -> Vec<Cow<'_, str>> {
        if self.shows(attribute) { attribute.of(entry) } else { Vec::new() }
    }
}

/// The query of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    pub filter: Option<Filter<Attribute>>,
    /// `None` sorts by age.
    pub sort_by: Option<Attribute>,
    pub descending: bool,
    /// Counted from 1.
    pub start_index: i64,
    /// The page size. `None` is the maximum, because Terraform never requests a second page.
    pub count: Option<i64>,
}

/// The maximum and default number of resources on a page. The documentation of the real service names this default.
pub const LARGEST_PAGE: usize = 10_000;
/// A page ends once its resources have this many groups and members together. Clients request pages until they get an
/// empty one, so a shorter page only costs them one more request.
pub const REFERENCES_OF_A_PAGE: usize = 100_000;

/// A page of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// The number of resources in the whole list.
    pub total: usize,
    /// The Go SDK finds the next page with it.
    pub start_index: i64,
    pub resources: Vec<T>,
}

/// The key by which a resource is sorted. In ascending order, resources without a value come last (RFC 7644 §3.4.2.3).
pub type SortKey = (bool, Option<String>);

impl Query {
    /// The position of the page's first resource, counted from 1.
    pub fn start(&self) -> i64 {
        self.start_index.max(1)
    }

    /// How many resources come before the page.
    pub fn before(&self) -> usize {
        usize::try_from(self.start() - 1).unwrap_or(usize::MAX)
    }

    /// The maximum number of resources on the page.
    pub fn size(&self) -> usize {
        self.count.map_or(LARGEST_PAGE, |count| usize::try_from(count).unwrap_or_default().min(LARGEST_PAGE))
    }

    /// Whether a resource is in the list. A caller cannot filter by attributes that it does not see.
    pub fn selects(&self, entry: &Entry, sight: Sight) -> bool {
        let filter = self.filter.as_ref();
        filter.is_none_or(|filter| filter.matches(&|attribute| sight.values(entry, attribute)))
    }

    pub fn sort_key(attribute: Attribute, entry: &Entry, sight: Sight) -> SortKey {
        let first = sight.values(entry, attribute).first().map(|value| Principal::name_key(value));
        (first.is_none(), first)
    }

    /// Whether the query filters or sorts by one of these attributes.
    pub fn mentions(&self, is_one: impl Fn(Attribute) -> bool) -> bool {
        self.sort_by.is_some_and(&is_one) || self.filter.as_ref().is_some_and(|filter| filter.mentions(&is_one))
    }

    /// The only principals that the filter can select, if it requires a name or an id.
    pub fn only(&self, kind: PrincipalKind) -> Option<OnlyMatch<'_>> {
        let named = match kind {
            PrincipalKind::User => Attribute::UserName,
            PrincipalKind::ServicePrincipal => Attribute::ApplicationId,
            PrincipalKind::Group => Attribute::DisplayName,
        };
        let (attribute, value) = self.filter.as_ref()?.requires(&|field| field == named || field == Attribute::Id)?;
        Some(if attribute == Attribute::Id {
            OnlyMatch::Id(PrincipalId::parse(value))
        } else {
            OnlyMatch::Named(value)
        })
    }
}

/// The only principals that a filter can select.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnlyMatch<'a> {
    /// The one with this id; none if the filter's value is not an id.
    Id(Option<PrincipalId>),
    Named(&'a str),
}

/// The attribute to sort by.
///
/// # Errors
/// [`Fault::InvalidPath`] if the name is unknown.
pub fn sort_attribute(name: &str) -> Result<Attribute, Denial> {
    Attribute::parse(&name.to_lowercase()).ok_or_else(|| no_such_attribute(name))
}

/// The text of the real service (tf#2303).
fn no_such_attribute(name: &str) -> Denial {
    Denial::Scim(Fault::InvalidPath, format!("No such attribute with the name : {name} in the current resource"))
}
