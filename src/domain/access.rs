//! Who may do what: membership of groups, permission levels on tokens, admin rights.

use std::collections::{HashSet, VecDeque};

use super::PrincipalId;

/// Whether users have a way in without a token: they sign in by OAuth at the real service, so that disabled
/// tokens lock none of them out.
pub const USERS_SIGN_IN: bool = true;

/// A permission level on tokens (spec §5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PermissionLevel {
    /// Create, use and revoke one's own tokens.
    CanUse,
    /// Everyone's tokens; held by `admins`, always, and by nobody else.
    CanManage,
}

impl PermissionLevel {
    /// Both levels, lowest first.
    pub const ALL: [Self; 2] = [Self::CanUse, Self::CanManage];

    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CanUse => "CAN_USE",
            Self::CanManage => "CAN_MANAGE",
        }
    }

    /// Reads a name from the wire or the store.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|level| level.as_str() == text)
    }
}

/// One way in which a principal is, or belongs to, the subject of access rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Membership {
    /// The principal itself, or a group that holds it directly or through other groups.
    pub subject: PrincipalId,
    /// The member of `subject` through which it is reached; `None` for the principal itself.
    pub via: Option<PrincipalId>,
    /// The subject's name.
    pub name: String,
    /// The subject's direct entry in the access control list of tokens.
    pub level: Option<PermissionLevel>,
    /// Whether the subject brings the principal into the workspace: it is assigned there, and is the
    /// principal itself or a group of the account.
    pub assigned: bool,
    /// Whether the subject holds the account admin role.
    pub account_admin: bool,
}

/// Everything that a principal reaches upwards in one workspace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The workspace's built-in group `admins`.
    pub admins_group: PrincipalId,
    /// Whether the principal is deactivated neither in the account nor in the workspace.
    pub active: bool,
    /// The principal and its groups, nested ones included.
    pub reach: Vec<Membership>,
}

impl Standing {
    /// Whether the principal is a workspace admin: in `admins`, directly or through a nested group.
    pub fn is_workspace_admin(&self) -> bool {
        self.reach.iter().any(|reach| reach.subject == self.admins_group)
    }

    /// Whether the principal may authenticate in the workspace: it is active, and is there by an
    /// assignment of its own or of a group of the account that holds it.
    pub fn is_active(&self) -> bool {
        self.active && self.reach.iter().any(|reach| reach.assigned)
    }

    /// Whether the principal is an account admin, by itself or through a group of the account.
    pub fn is_account_admin(&self) -> bool {
        self.reach.iter().any(|reach| reach.account_admin)
    }

    /// The subject that lets the principal create and use tokens: `admins` always, else an entry
    /// for the principal itself or for one of its groups. `None` means that it may not.
    pub fn token_permission(&self) -> Option<(PrincipalId, PermissionLevel)> {
        if self.is_workspace_admin() {
            return Some((self.admins_group, PermissionLevel::CanManage));
        }
        self.reach.iter().find_map(|reach| reach.level.map(|level| (reach.subject, level)))
    }

    /// The names on a shortest way from the principal up to `subject`, such as
    /// `["ci-bot", "builders", "engineers"]`; empty when `subject` is not reached.
    pub fn path_to(&self, subject: PrincipalId) -> Vec<&str> {
        let mut seen = HashSet::new();
        let own = self.reach.iter().filter(|reach| reach.via.is_none());
        let mut ways: VecDeque<_> = own.map(|reach| (reach.subject, vec![reach.name.as_str()])).collect();
        while let Some((at, path)) = ways.pop_front() {
            if at == subject {
                return path;
            }
            for up in self.reach.iter().filter(|reach| reach.via == Some(at)) {
                if seen.insert(up.subject) {
                    ways.push_back((up.subject, path.iter().copied().chain([up.name.as_str()]).collect()));
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

    fn reach(subject: i64, via: Option<i64>, level: Option<PermissionLevel>) -> Membership {
        let (subject, via, name) = (PrincipalId(subject), via.map(PrincipalId), format!("p{subject}"));
        Membership { subject, via, name, level, assigned: false, account_admin: false }
    }

    fn standing(reach: Vec<Membership>) -> Standing {
        Standing { admins_group: PrincipalId(100), active: true, reach }
    }

    #[test]
    fn a_group_of_the_account_brings_its_members_along() {
        let mut nested = standing(vec![reach(1, None, None), reach(2, Some(1), None), reach(3, Some(2), None)]);
        assert!(!nested.is_active() && !nested.is_account_admin());
        nested.reach[2] = Membership { assigned: true, account_admin: true, ..nested.reach[2].clone() };
        assert!(nested.is_active() && nested.is_account_admin());
        nested.active = false;
        assert!(!nested.is_active() && nested.is_account_admin());
    }

    #[test]
    fn admins_manage_whatever_the_list_says() {
        let admin = standing(vec![reach(1, None, None), reach(2, Some(1), None), reach(100, Some(2), None)]);
        assert!(admin.is_workspace_admin());
        assert_eq!(admin.token_permission(), Some((PrincipalId(100), PermissionLevel::CanManage)));
        assert_eq!(admin.path_to(PrincipalId(100)), ["p1", "p2", "p100"]);
    }

    #[test]
    fn an_entry_counts_directly_and_through_nested_groups() {
        assert_eq!(standing(vec![reach(1, None, None)]).token_permission(), None);
        let direct = standing(vec![reach(1, None, Some(PermissionLevel::CanUse))]);
        assert_eq!(direct.token_permission(), Some((PrincipalId(1), PermissionLevel::CanUse)));
        let nested = standing(vec![
            reach(1, None, None),
            reach(2, Some(1), None),
            reach(3, Some(2), Some(PermissionLevel::CanUse)),
        ]);
        assert_eq!(nested.token_permission(), Some((PrincipalId(3), PermissionLevel::CanUse)));
    }

    #[test]
    fn a_cycle_of_groups_has_an_end_and_hides_no_path() {
        let cycle = standing(vec![
            reach(2, Some(3), None),
            reach(3, Some(2), None),
            reach(2, Some(9), None),
            reach(9, None, None),
            reach(3, Some(3), None),
        ]);
        assert_eq!(cycle.path_to(PrincipalId(3)), ["p9", "p2", "p3"]);
        assert_eq!(cycle.path_to(PrincipalId(9)), ["p9"]);
        assert_eq!(cycle.path_to(PrincipalId(4)), Vec::<&str>::new());
    }

    proptest! {
        #[test]
        fn another_entry_never_takes_ability_away(levels in proptest::collection::vec(proptest::option::of(Just(PermissionLevel::CanUse)), 1..6), at in 0..6_usize) {
            let rows: Vec<Membership> = levels.iter().enumerate().map(|(i, level)| {
                let i = i64::try_from(i).unwrap();
                reach(i, (i > 0).then(|| i - 1), *level)
            }).collect();
            let before = standing(rows.clone()).token_permission().is_some();
            let mut more = rows;
            let at = at % more.len();
            more[at].level = Some(PermissionLevel::CanUse);
            prop_assert!(!before || standing(more).token_permission().is_some());
        }
    }
}
