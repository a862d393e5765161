//! Users, service principals and groups: their names, their assignments to workspaces, and which group contains which.
//! How clients change them is in `scim`; what they may do is in `access`. Start with [`Principal`].

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};

use serde::{Deserialize, Serialize};
use strum::{EnumString, IntoStaticStr};
use unicode_normalization::UnicodeNormalization;
use unicode_properties::{GeneralCategory, UnicodeGeneralCategory};

use crate::domain::access::Membership;
use crate::domain::{PrincipalId, WorkspaceId};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumString, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum PrincipalKind {
    /// Named by its e-mail address.
    User,
    /// Named by its application id, a UUID.
    ServicePrincipal,
    /// Named by its display name.
    Group,
}

impl PrincipalKind {
    /// The name as stored.
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    pub fn parse(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

/// Which principals a SCIM request addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Directory {
    /// Those assigned to one workspace, and its own groups.
    Workspace,
    Account,
}

/// The role of account admins: the only account role that is emulated.
pub const ACCOUNT_ADMIN: &str = "account_admin";

/// A user, service principal or group of an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// Unique in the account across the three kinds.
    pub id: PrincipalId,
    /// The workspace of a workspace-local group; `None` for principals of the account.
    pub local_to: Option<WorkspaceId>,
    pub kind: PrincipalKind,
    /// `userName`, `applicationId` or a group's `displayName`.
    pub name: String,
    pub display_name: String,
    /// Whether it may authenticate anywhere in the account.
    pub active: bool,
    /// Whether it has the account admin role. A group's role applies to all of its members.
    pub account_admin: bool,
    /// The identity provider's id.
    pub external_id: Option<String>,
    pub attributes: Attributes,
    /// A random number that is chosen when the principal is created. Credentials contain it, so that they do not work
    /// for a later principal with the same id or name.
    pub creation: i64,
}

/// The longest name of a principal, in characters: PostgreSQL's index on names allows 2700 bytes.
pub const MAX_NAME_CHARS: usize = 255;

impl Principal {
    /// An active principal without attributes. Its name is converted to the stored form.
    pub fn new(id: PrincipalId, kind: PrincipalKind, name: &str) -> Self {
        let name = Self::stored_name(kind, name);
        Self {
            id,
            local_to: None,
            kind,
            display_name: name.clone(),
            name,
            active: true,
            account_admin: false,
            external_id: None,
            attributes: Attributes::default(),
            creation: 0,
        }
    }

    /// The form in which names are compared: without case, and with one encoding of accented letters.
    pub fn name_key(name: &str) -> String {
        if name.is_ascii() {
            name.to_ascii_lowercase()
        } else {
            name.nfc().collect::<String>().to_lowercase().nfc().collect()
        }
    }

    /// Whether two texts name the same principal.
    pub fn is_same_name(one: &str, other: &str) -> bool {
        one.eq_ignore_ascii_case(other)
            || (!(one.is_ascii() && other.is_ascii()) && Self::name_key(one) == Self::name_key(other))
    }

    /// The form in which names are stored and shown: `userName` and `applicationId` in lower case, a group's
    /// `displayName` as it was sent.
    pub fn stored_name(kind: PrincipalKind, name: &str) -> String {
        match kind {
            PrincipalKind::User | PrincipalKind::ServicePrincipal => Self::name_key(name),
            PrincipalKind::Group => name.nfc().collect(),
        }
    }

    /// The stored form of a name that a client or a seed gives. Two different names must not look the same, so
    /// invisible characters are refused.
    ///
    /// # Errors
    /// What is expected instead, as the end of a sentence.
    pub fn checked_name(kind: PrincipalKind, name: &str) -> Result<String, String> {
        if name.trim().is_empty() {
            return Err("a name".to_owned());
        }
        // The stored form can be longer or shorter.
        let stored = Self::stored_name(kind, name);
        if name.chars().count() > MAX_NAME_CHARS || stored.chars().count() > MAX_NAME_CHARS {
            return Err(format!("at most {MAX_NAME_CHARS} characters"));
        }
        if stored.trim().len() != stored.len() {
            return Err("no white space at either end".to_owned());
        }
        let is_odd_space = |c: &char| c.is_whitespace() && *c != ' ';
        match hidden_character(&stored).or_else(|| stored.chars().find(is_odd_space)) {
            Some(found) => Err(format!("visible characters and spaces only, not U+{:04X}", u32::from(found))),
            None => Ok(stored),
        }
    }
}

/// The first character of a text that is invisible or changes the direction of others, if there is one.
pub fn hidden_character(text: &str) -> Option<char> {
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return None;
    }
    text.chars().find(|c| is_hidden(*c))
}

fn is_hidden(c: char) -> bool {
    use GeneralCategory::{Control, Format, LineSeparator, ParagraphSeparator};
    matches!(c.general_category(), Control | Format | LineSeparator | ParagraphSeparator)
        || matches!(c,
            // Letters and marks that fonts draw as nothing: the combining grapheme joiner, fillers and vowels of Hangul
            // and Khmer, variation selectors, the blank Braille pattern, and the code points that Unicode reserves for
            // more of them.
            '\u{034F}' | '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}' | '\u{180B}'..='\u{180F}' | '\u{2065}'
            | '\u{2800}' | '\u{3164}' | '\u{FE00}'..='\u{FE0F}' | '\u{FFA0}' | '\u{FFF0}'..='\u{FFF8}'
            | '\u{E0000}'..='\u{E0FFF}')
}

/// SCIM attributes that no rule reads.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Attributes {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub given_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub family_name: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub emails: Vec<Email>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Email {
    pub value: String,
    /// For example `work`.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub primary: bool,
}

/// A principal's attributes in one workspace, or in the account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment {
    /// Whether it may authenticate there.
    pub active: bool,
    /// For example `workspace-access`; none in the account.
    pub entitlements: Vec<String>,
    /// Instance profiles in a workspace, roles in the account.
    pub roles: Vec<String>,
}

impl Assignment {
    /// The default of seeds: users and service principals may use the workspace and SQL.
    pub fn usual(kind: PrincipalKind) -> Self {
        let entitlements = match kind {
            PrincipalKind::Group => Vec::new(),
            _ => vec!["workspace-access".to_owned(), "databricks-sql-access".to_owned()],
        };
        Self { active: true, entitlements, roles: Vec::new() }
    }
}

impl Default for Assignment {
    /// Active, without entitlements.
    fn default() -> Self {
        Self { active: true, entitlements: Vec::new(), roles: Vec::new() }
    }
}

impl Assignment {
    pub fn in_account(principal: &Principal) -> Self {
        let roles = principal.account_admin.then(|| ACCOUNT_ADMIN.to_owned());
        Self { active: principal.active, entitlements: Vec::new(), roles: roles.into_iter().collect() }
    }
}

/// The permission that an assignment to a workspace gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoStaticStr)]
#[strum(serialize_all = "UPPERCASE")]
pub enum WorkspacePermission {
    User,
    /// A direct member of `admins`.
    Admin,
}

/// From whether the principal is in `admins`.
impl From<bool> for WorkspacePermission {
    fn from(admin: bool) -> Self {
        if admin { Self::Admin } else { Self::User }
    }
}

impl WorkspacePermission {
    /// Both permissions, with descriptions in our words.
    pub const ALL: [(Self, &'static str); 2] = [
        (Self::User, "Can access the workspace with basic privileges."),
        (Self::Admin, "Can access the workspace and has workspace admin privileges."),
    ];

    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// The permission that a list of names requests: ADMIN before USER, case-sensitive. Other names are ignored, and
    /// neither means no assignment (databricks-sdk, `WorkspaceAssignmentAPI.update`).
    pub fn requested(names: &[String]) -> Option<Self> {
        [Self::Admin, Self::User].into_iter().find(|permission| names.iter().any(|name| name == permission.as_str()))
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParentGroup {
    pub group: PrincipalId,
    pub name: String,
    /// Whether the principal is a direct member.
    pub direct: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    pub id: PrincipalId,
    pub kind: PrincipalKind,
    pub display_name: String,
}

impl From<&Principal> for Member {
    fn from(principal: &Principal) -> Self {
        Self { id: principal.id, kind: principal.kind, display_name: principal.display_name.clone() }
    }
}

/// A principal in a directory, with its groups and members there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub principal: Principal,
    pub assignment: Assignment,
    /// The groups that contain it, nearest first.
    pub groups: Vec<ParentGroup>,
    /// A group's direct members.
    pub members: Vec<Member>,
}

impl Entry {
    /// A principal with its groups. `everybody` is the workspace's group `users`.
    pub fn surrounded(
        everybody: Option<PrincipalId>,
        (principal, assignment): (Principal, Assignment),
        memberships: &[Membership],
        members: Vec<Member>,
    ) -> Self {
        let mut hierarchy = Hierarchy::default();
        let mut names = HashMap::new();
        for membership in memberships {
            let Some(via) = membership.via else { continue };
            // Every membership list contains `users`, but groups are not members of it.
            let implied = via == principal.id && Some(membership.subject) == everybody;
            if !(implied && principal.kind == PrincipalKind::Group) {
                hierarchy.add(membership.subject, via);
                names.insert(membership.subject, membership.name.as_str());
            }
        }
        let groups = hierarchy.memberships(principal.id, &names);
        Self { principal, assignment, groups, members }
    }

    /// The principals of one kind in a directory, with their groups and members, in the given order. `memberships` are
    /// pairs of group and member; `everybody` is the workspace's group `users`.
    pub fn directory(
        everybody: Option<PrincipalId>,
        kind: PrincipalKind,
        assigned: Vec<(Principal, Assignment)>,
        memberships: &[(PrincipalId, PrincipalId)],
    ) -> Vec<Self> {
        let people = assigned.iter().map(|(principal, _)| principal).filter(|it| it.kind != PrincipalKind::Group);
        let implied = people.filter_map(|principal| Some((everybody?, principal.id)));
        let pairs: Vec<_> = memberships.iter().copied().chain(implied).collect();
        let mut hierarchy = Hierarchy::default();
        let mut members: HashMap<PrincipalId, BTreeSet<PrincipalId>> = HashMap::new();
        for (group, member) in pairs {
            hierarchy.add(group, member);
            members.entry(group).or_default().insert(member);
        }
        let known: HashMap<_, _> =
            assigned.iter().map(|(principal, _)| (principal.id, Member::from(principal))).collect();
        let names: HashMap<_, _> = known.values().map(|member| (member.id, member.display_name.as_str())).collect();
        let of_kind = assigned.into_iter().filter(|(principal, _)| principal.kind == kind);
        let entries = of_kind.map(|(principal, assignment)| Self {
            groups: hierarchy.memberships(principal.id, &names),
            members: members.get(&principal.id).into_iter().flatten().filter_map(|id| known.get(id).cloned()).collect(),
            principal,
            assignment,
        });
        entries.collect()
    }

    pub fn is_active(&self) -> bool {
        self.principal.active && self.assignment.active
    }
}

/// Which principals are direct members of which groups.
#[derive(Clone, Debug, Default)]
pub struct Hierarchy(HashMap<PrincipalId, Vec<PrincipalId>>);

impl Hierarchy {
    pub fn add(&mut self, group: PrincipalId, member: PrincipalId) {
        self.0.entry(member).or_default().push(group);
    }

    /// The groups that contain a principal, nearest first, and whether it is a direct member. Groups may contain each
    /// other in a cycle; no group counts as its own member.
    pub fn groups_of(&self, principal: PrincipalId) -> Vec<(PrincipalId, bool)> {
        let mut seen = HashSet::from([principal]);
        let mut found = Vec::new();
        let mut queue = VecDeque::from([principal]);
        while let Some(at) = queue.pop_front() {
            for group in self.0.get(&at).into_iter().flatten() {
                if seen.insert(*group) {
                    found.push((*group, at == principal));
                    queue.push_back(*group);
                }
            }
        }
        found
    }

    /// The same groups with their names; groups without a name are left out.
    pub fn named(&self, principal: PrincipalId, names: &HashMap<PrincipalId, String>) -> Vec<ParentGroup> {
        let memberships = self
            .groups_of(principal)
            .into_iter()
            .filter_map(|(group, direct)| Some(ParentGroup { group, name: names.get(&group)?.clone(), direct }));
        memberships.collect()
    }

    fn memberships(&self, principal: PrincipalId, names: &HashMap<PrincipalId, &str>) -> Vec<ParentGroup> {
        let memberships = self.groups_of(principal).into_iter().filter_map(|(group, direct)| {
            let name = (*names.get(&group)?).to_owned();
            Some(ParentGroup { group, name, direct })
        });
        memberships.collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_that_look_alike_are_the_same_name_or_refused() {
        use PrincipalKind::{Group, ServicePrincipal, User};
        for (kind, given, stored) in [
            (User, "Alice.Smith@Example.COM", Ok("alice.smith@example.com")),
            (User, "J\u{f6}rg@x", Ok("j\u{f6}rg@x")),
            (User, "Jo\u{308}rg@x", Ok("j\u{f6}rg@x")),
            (User, "JO\u{308}RG@X", Ok("j\u{f6}rg@x")),
            (ServicePrincipal, "0000AAAA-0000-4000-8000-00000000ABCD", Ok("0000aaaa-0000-4000-8000-00000000abcd")),
            (Group, "Data Engineers", Ok("Data Engineers")),
            (Group, "\u{65e5}\u{672c}", Ok("\u{65e5}\u{672c}")),
            (User, "", Err("a name")),
            (User, " \t", Err("a name")),
            (User, " a@x", Err("no white space")),
            (Group, "admins\u{a0}", Err("no white space")),
            (Group, "a\u{a0}b", Err("U+00A0")),
            (Group, "a\tb", Err("U+0009")),
            (User, "a\u{200b}@x", Err("U+200B")),
            (User, "a\u{200d}@x", Err("U+200D")),
            (User, "a\u{ad}@x", Err("U+00AD")),
            (User, "a\u{202e}@x", Err("U+202E")),
            (User, "a\u{2066}@x", Err("U+2066")),
            (User, "\u{feff}a@x", Err("U+FEFF")),
            (User, "a\u{2060}@x", Err("U+2060")),
            (User, "a\u{34f}@x", Err("U+034F")),
            (User, "a\u{fe0f}@x", Err("U+FE0F")),
            (User, "a\u{e0100}@x", Err("U+E0100")),
            (User, "a\u{e0041}@x", Err("U+E0041")),
            (User, "a\u{3164}@x", Err("U+3164")),
            (User, "a\u{115f}@x", Err("U+115F")),
            (User, "a\u{180e}@x", Err("U+180E")),
            (User, "a\u{2800}@x", Err("U+2800")),
            (Group, "a\u{2028}b", Err("U+2028")),
            (Group, "a\u{7f}b", Err("U+007F")),
            (Group, "a\u{0}b", Err("U+0000")),
        ] {
            match (Principal::checked_name(kind, given), stored) {
                (Ok(found), Ok(expected)) => assert_eq!(found, expected, "{given:?}"),
                (Err(found), Err(expected)) => assert!(found.contains(expected), "{given:?}: {found}"),
                (found, _) => panic!("{given:?}: {found:?}"),
            }
        }
        assert!(Principal::checked_name(User, &"x".repeat(MAX_NAME_CHARS)).is_ok());
        assert!(Principal::checked_name(User, &"x".repeat(MAX_NAME_CHARS + 1)).is_err());
        // Each of these becomes two characters in lower case.
        assert!(Principal::checked_name(User, &"\u{130}".repeat(MAX_NAME_CHARS)).is_err());
    }

    proptest! {
        #[test]
        fn the_stored_form_of_a_stored_name_is_itself(name in any::<String>()) {
            for kind in [PrincipalKind::User, PrincipalKind::Group] {
                let stored = Principal::stored_name(kind, &name);
                prop_assert_eq!(Principal::stored_name(kind, &stored), stored.clone());
                prop_assert!(Principal::is_same_name(&name, &stored));
                if let Ok(checked) = Principal::checked_name(kind, &name) {
                    prop_assert_eq!(Principal::checked_name(kind, &checked), Ok(checked.clone()));
                }
            }
        }

        #[test]
        fn same_names_have_the_same_key(one in "[aAbB\u{e4}\u{c4}]{0,3}", other in "[aAbB\u{e4}\u{c4}]{0,3}") {
            let keys = Principal::name_key(&one) == Principal::name_key(&other);
            prop_assert_eq!(Principal::is_same_name(&one, &other), keys);
        }
    }

    #[test]
    fn groups_are_found_through_groups_and_cycles_end() {
        let mut hierarchy = Hierarchy::default();
        for (group, member) in [(2, 1), (3, 2), (2, 3), (4, 3), (4, 1), (3, 3), (9, 8)] {
            hierarchy.add(PrincipalId(group), PrincipalId(member));
        }
        let of = |id| hierarchy.groups_of(PrincipalId(id)).into_iter().map(|(id, direct)| (id.0, direct)).collect();
        let found: Vec<Vec<(i64, bool)>> = [1, 2, 3, 4].map(of).into();
        assert_eq!(found[0], [(2, true), (4, true), (3, false)]);
        assert_eq!(found[1], [(3, true), (4, false)]);
        assert_eq!(found[2], [(2, true), (4, true)]);
        assert_eq!(found[3], []);
    }
}
