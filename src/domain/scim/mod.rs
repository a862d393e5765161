//! SCIM 2.0 (research/api-identity-auth.md §7): what queries select, and what changes do. How
//! resources look on the wire is `http::scim`'s business.

mod change;
mod draft;
mod filter;

use std::borrow::Cow;

use super::{Denial, PrincipalId};
use crate::domain::identities::{Entry, Principal, PrincipalKind};

pub use change::{Change, MAX_OPERATIONS};
pub use draft::{
    Draft, MAX_EMAILS, MAX_MEMBERS_AT_ONCE, MAX_TEXT_CHARS, MAX_VALUES, built_in, cannot_remove_roles,
    in_through_a_group, keeps_own_roles, requested_name,
};
pub use filter::{Field, Filter, MAX_DEPTH, MAX_NODES};

/// What is wrong with a SCIM request (RFC 7644 §3.12).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The filter.
    InvalidFilter,
    /// The structure of the body.
    InvalidSyntax,
    /// The path of an operation, or an attribute that is no attribute.
    InvalidPath,
    /// No element is what an operation's filter selects.
    NoTarget,
    /// A value's type or content.
    InvalidValue,
    /// What it would change cannot be changed.
    Mutability,
}

impl Fault {
    /// The `scimType`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidFilter => "invalidFilter",
            Self::InvalidSyntax => "invalidSyntax",
            Self::InvalidPath => "invalidPath",
            Self::NoTarget => "noTarget",
            Self::InvalidValue => "invalidValue",
            Self::Mutability => "mutability",
        }
    }
}

/// An attribute by which resources are filtered and sorted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attribute {
    /// `id`
    Id,
    /// `userName`
    UserName,
    /// `applicationId`
    ApplicationId,
    /// `displayName`
    DisplayName,
    /// `active`
    Active,
    /// `externalId`
    ExternalId,
    /// `name.givenName`
    GivenName,
    /// `name.familyName`
    FamilyName,
    /// `emails.value`
    Emails,
    /// `emails.type`
    EmailTypes,
    /// `entitlements.value`
    Entitlements,
    /// `roles.value`
    Roles,
    /// `groups.value`
    Groups,
    /// `groups.display`
    GroupNames,
    /// `members.value`
    Members,
    /// `members.display`
    MemberNames,
    /// `meta.resourceType`
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

    /// The values of a resource, as text.
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

/// `meta.resourceType`: what tells a workspace's own group from one of the account.
pub fn resource_type(entry: &Entry) -> Option<&'static str> {
    match (entry.principal.kind, entry.principal.local_to) {
        (PrincipalKind::Group, Some(_)) => Some("WorkspaceGroup"),
        (PrincipalKind::Group, None) => Some("Group"),
        _ => None,
    }
}

/// How much of other principals a caller sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sight {
    /// Everything: workspace admins.
    Everything,
    /// Ids and names (research/api-identity-auth.md §7.4).
    Names,
}

impl Sight {
    /// Whether it reaches the attribute with this name.
    pub fn reaches(self, name: &str) -> bool {
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

/// What a client asks of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// Which resources; all when `None`.
    pub filter: Option<Filter<Attribute>>,
    /// What to order by; by age when `None`.
    pub sort_by: Option<Attribute>,
    /// Whether the last comes first.
    pub descending: bool,
    /// Where the page begins, from 1.
    pub start_index: i64,
    /// The most resources of a page; as many as there can be when `None`, as Terraform never asks for a second one.
    pub count: Option<i64>,
}

/// Most resources of one page, and how many one has unless a client asks for fewer. The real service's documentation
/// names it as the default.
pub const LARGEST_PAGE: usize = 10_000;
/// Most groups and members, of all its resources together, with which a page goes on. Clients ask for the next page
/// until they get an empty one, so that a shorter one costs them a request and nothing else.
pub const REFERENCES_OF_A_PAGE: usize = 100_000;

/// A part of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// How many resources the whole list has.
    pub total: usize,
    /// Where this part begins; the Go SDK finds the next part with it.
    pub start_index: i64,
    /// This part.
    pub resources: Vec<T>,
}

/// A resource's place in the order of a list: what has no value comes last when ascending (RFC 7644 §3.4.2.3).
pub type SortKey = (bool, Option<String>);

impl Query {
    /// Where the page begins, from 1.
    pub fn start(&self) -> i64 {
        self.start_index.max(1)
    }

    /// How many resources come before the page.
    pub fn before(&self) -> usize {
        usize::try_from(self.start() - 1).unwrap_or(usize::MAX)
    }

    /// How many resources the page has at most.
    pub fn size(&self) -> usize {
        self.count.map_or(LARGEST_PAGE, |count| usize::try_from(count).unwrap_or_default().min(LARGEST_PAGE))
    }

    /// Whether a resource is one of the list. What a caller cannot see, it cannot find out by filtering either.
    pub fn selects(&self, entry: &Entry, sight: Sight) -> bool {
        let filter = self.filter.as_ref();
        filter.is_none_or(|filter| filter.matches(&|attribute| sight.values(entry, attribute)))
    }

    /// Where a resource stands when the list is sorted by an attribute.
    pub fn sort_key(attribute: Attribute, entry: &Entry, sight: Sight) -> SortKey {
        let first = sight.values(entry, attribute).first().map(|value| Principal::name_key(value));
        (first.is_none(), first)
    }

    /// Whether it takes one of these attributes to find the resources and their order.
    pub fn mentions(&self, is_asked_for: impl Fn(Attribute) -> bool) -> bool {
        self.sort_by.is_some_and(&is_asked_for)
            || self.filter.as_ref().is_some_and(|filter| filter.mentions(&is_asked_for))
    }

    /// The only principals that the filter can select, where it says so by a name or an id of theirs.
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
    /// The one with this id; nobody has what is not an id.
    Id(Option<PrincipalId>),
    /// Those with this name.
    Named(&'a str),
}

/// The attribute to sort by.
///
/// # Errors
/// [`Fault::InvalidPath`] when there is none of that name.
pub fn sort_attribute(name: &str) -> Result<Attribute, Denial> {
    Attribute::parse(&name.to_lowercase()).ok_or_else(|| no_such_attribute(name))
}

/// In the words of the real service (tf#2303).
fn no_such_attribute(name: &str) -> Denial {
    Denial::Scim(Fault::InvalidPath, format!("No such attribute with the name : {name} in the current resource"))
}
