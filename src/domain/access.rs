//! What a principal may do in a workspace: group memberships, permission levels on tokens, admin rights.
//! Changes to the permissions on tokens are in `permissions`; the checks of a request are in `authorize`.
//! Start with [`Standing`].

use std::collections::{HashSet, VecDeque};

use strum::{EnumString, IntoStaticStr};

use super::PrincipalId;

/// Whether users can authenticate without a token. They can: they sign in by OAuth, so disabling tokens locks
/// nobody out.
pub const USERS_SIGN_IN: bool = true;

/// A permission level on tokens. See docs/reference/governance.md#permissions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, EnumString, IntoStaticStr)]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
pub enum PermissionLevel {
    /// Create, use and revoke one's own tokens.
    CanUse,
    /// Manage everyone's tokens. The group `admins` always has this level, and nobody else can.
    CanManage,
}

impl PermissionLevel {
    /// Both levels, lowest first.
    pub const ALL: [Self; 2] = [Self::CanUse, Self::CanManage];

    pub fn as_str(self) -> &'static str {
        self.into()
    }

    pub fn parse(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

/// The principal itself, or a group that contains it directly or through other groups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Membership {
    pub subject: PrincipalId,
    /// The member of `subject` that leads to the principal; `None` for the principal itself.
    pub via: Option<PrincipalId>,
    pub name: String,
    /// The subject's own entry in the access control list of tokens.
    pub level: Option<PermissionLevel>,
    /// Whether the principal is in the workspace because of the subject: the subject is assigned to the workspace,
    /// and is the principal itself or an account group.
    pub assigned: bool,
    /// Whether the subject has the account admin role.
    pub account_admin: bool,
}

/// What a principal is allowed to do in one workspace, by itself and through its groups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The workspace's built-in group `admins`.
    pub admins_group: PrincipalId,
    /// Whether the principal is active both in the account and in the workspace.
    pub active: bool,
    /// The principal and its groups, including nested ones.
    pub memberships: Vec<Membership>,
}

impl Standing {
    /// Whether the principal is a workspace admin: in `admins`, directly or through a nested group.
    pub fn is_workspace_admin(&self) -> bool {
        self.memberships.iter().any(|membership| membership.subject == self.admins_group)
    }

    /// Whether the principal may authenticate in the workspace: it is active, and it or one of its account groups
    /// is assigned to the workspace.
    pub fn is_active(&self) -> bool {
        self.active && self.memberships.iter().any(|membership| membership.assigned)
    }

    /// Whether the principal is an account admin, by itself or through an account group.
    pub fn is_account_admin(&self) -> bool {
        self.memberships.iter().any(|membership| membership.account_admin)
    }

    /// Why the principal may create and use tokens: it is in `admins`, or it or one of its groups has an entry.
    /// `None` if it may not.
    pub fn token_permission(&self) -> Option<(PrincipalId, PermissionLevel)> {
        if self.is_workspace_admin() {
            return Some((self.admins_group, PermissionLevel::CanManage));
        }
        self.memberships.iter().find_map(|membership| membership.level.map(|level| (membership.subject, level)))
    }

    /// The names on a shortest path from the principal up to `subject`, such as
    /// `["ci-bot", "builders", "engineers"]`; empty if the principal is not in `subject`.
    pub fn path_to(&self, subject: PrincipalId) -> Vec<&str> {
        let mut seen = HashSet::new();
        let own = self.memberships.iter().filter(|membership| membership.via.is_none());
        let mut paths: VecDeque<_> =
            own.map(|membership| (membership.subject, vec![membership.name.as_str()])).collect();
        while let Some((at, path)) = paths.pop_front() {
            if at == subject {
                return path;
            }
            for parent in self.memberships.iter().filter(|membership| membership.via == Some(at)) {
                if seen.insert(parent.subject) {
                    paths.push_back((parent.subject, path.iter().copied().chain([parent.name.as_str()]).collect()));
                }
            }
        }
        Vec::new()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn member(subject: i64, via: Option<i64>, level: Option<PermissionLevel>) -> Membership {
        let (subject, via, name) = (PrincipalId(subject), via.map(PrincipalId), format!("p{subject}"));
        Membership { subject, via, name, level, assigned: false, account_admin: false }
    }

    fn standing(memberships: Vec<Membership>) -> Standing {
        Standing { admins_group: PrincipalId(100), active: true, memberships }
    }

    #[test]
    fn assigning_an_account_group_lets_its_members_in() {
        let mut nested = standing(vec![member(1, None, None), member(2, Some(1), None), member(3, Some(2), None)]);
        assert!(!nested.is_active() && !nested.is_account_admin());
        nested.memberships[2] = Membership { assigned: true, account_admin: true, ..nested.memberships[2].clone() };
        assert!(nested.is_active() && nested.is_account_admin());
        nested.active = false;
        assert!(!nested.is_active() && nested.is_account_admin());
    }

    #[test]
    fn admins_can_manage_tokens_without_an_entry() {
        let admin = standing(vec![member(1, None, None), member(2, Some(1), None), member(100, Some(2), None)]);
        assert!(admin.is_workspace_admin());
        assert_eq!(admin.token_permission(), Some((PrincipalId(100), PermissionLevel::CanManage)));
        assert_eq!(admin.path_to(PrincipalId(100)), ["p1", "p2", "p100"]);
    }

    #[test]
    fn an_entry_applies_directly_and_through_nested_groups() {
        assert_eq!(standing(vec![member(1, None, None)]).token_permission(), None);
        let direct = standing(vec![member(1, None, Some(PermissionLevel::CanUse))]);
        assert_eq!(direct.token_permission(), Some((PrincipalId(1), PermissionLevel::CanUse)));
        let nested = standing(vec![
            member(1, None, None),
            member(2, Some(1), None),
            member(3, Some(2), Some(PermissionLevel::CanUse)),
        ]);
        assert_eq!(nested.token_permission(), Some((PrincipalId(3), PermissionLevel::CanUse)));
    }

    #[test]
    fn a_path_is_found_through_a_cycle_of_groups() {
        let cycle = standing(vec![
            member(2, Some(3), None),
            member(3, Some(2), None),
            member(2, Some(9), None),
            member(9, None, None),
            member(3, Some(3), None),
        ]);
        assert_eq!(cycle.path_to(PrincipalId(3)), ["p9", "p2", "p3"]);
        assert_eq!(cycle.path_to(PrincipalId(9)), ["p9"]);
        assert_eq!(cycle.path_to(PrincipalId(4)), Vec::<&str>::new());
    }

    proptest! {
        #[test]
        fn adding_an_entry_never_removes_the_permission(levels in proptest::collection::vec(proptest::option::of(Just(PermissionLevel::CanUse)), 1..6), at in 0..6_usize) {
            let rows: Vec<Membership> = levels.iter().enumerate().map(|(i, level)| {
                let i = i64::try_from(i).unwrap();
                member(i, (i > 0).then(|| i - 1), *level)
            }).collect();
            let before = standing(rows.clone()).token_permission().is_some();
            let mut more = rows;
            let at = at % more.len();
            more[at].level = Some(PermissionLevel::CanUse);
            prop_assert!(!before || standing(more).token_permission().is_some());
        }
    }
}
