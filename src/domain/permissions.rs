//! Changes to the access control list of tokens, and what losing the permission does to tokens.
//! Who has which permission is in `access`. Start with [`apply`].
//! See docs/reference/governance.md#permissions.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::Deserialize;

use super::access::PermissionLevel;
use super::settings::PermissionLoss;
use super::{Denial, PrincipalId};
use crate::domain::identities::PrincipalKind;

/// One entry of a request. Its principal is not looked up yet.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default)]
pub struct RequestedEntry {
    /// A user, by `userName`.
    pub user_name: Option<String>,
    /// A group, by `displayName`.
    pub group_name: Option<String>,
    /// A service principal, by `applicationId`.
    pub service_principal_name: Option<String>,
    /// `CAN_USE` or `CAN_MANAGE`.
    pub permission_level: Option<String>,
}

impl RequestedEntry {
    /// The kind and name of the principal.
    ///
    /// # Errors
    /// [`Denial::InvalidParameter`] unless exactly one is named.
    pub fn principal(&self) -> Result<(PrincipalKind, &str), Denial> {
        let named = [
            (PrincipalKind::User, &self.user_name),
            (PrincipalKind::Group, &self.group_name),
            (PrincipalKind::ServicePrincipal, &self.service_principal_name),
        ];
        let mut named = named.into_iter().filter_map(|(kind, name)| Some((kind, name.as_deref()?)));
        match (named.next(), named.next()) {
            (Some(one), None) => Ok(one),
            _ => Err(Denial::parameter(
                "access_control_list: an entry names exactly one of user_name, group_name and service_principal_name.",
            )),
        }
    }

    /// # Errors
    /// [`Denial::InvalidParameter`] if the level is missing or unknown.
    pub fn level(&self) -> Result<PermissionLevel, Denial> {
        let text = self.permission_level.as_deref().unwrap_or_default();
        PermissionLevel::parse(text).ok_or_else(|| {
            Denial::parameter(format!(
                "permission_level: '{text}' is not a permission level of tokens; they are CAN_USE and CAN_MANAGE."
            ))
        })
    }
}

/// The maximum number of entries in one request \[inferred\].
pub const MAX_ENTRIES: usize = 1_000;

/// How a request changes the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeMode {
    /// PUT: the request replaces the list.
    Replace,
    /// PATCH: the request is added to the list.
    Merge,
}

/// The level of each principal with an entry. The group `admins` has CAN MANAGE without an entry.
pub type Entries = BTreeMap<PrincipalId, PermissionLevel>;

/// The text is observed for other objects of the permissions API, whose lists work alike; the status 400 is
/// \[inferred\].
const ADMINS_REQUIRED: &str = "Cannot change permissions for group 'admins' to None.";

/// The list after a change. Only `admins` has CAN MANAGE, and cannot lose it: a request that replaces the list must
/// name it, and no other principal can get it.
///
/// # Errors
/// [`Denial::InvalidParameter`]
pub fn apply(
    old: &Entries,
    change: &[(PrincipalId, PermissionLevel)],
    mode: ChangeMode,
    admins_group: PrincipalId,
) -> Result<Entries, Denial> {
    let names_admins = change.iter().any(|(principal, _)| *principal == admins_group);
    let mut new = match mode {
        ChangeMode::Replace if !names_admins => return Err(Denial::parameter(ADMINS_REQUIRED)),
        ChangeMode::Replace => Entries::new(),
        ChangeMode::Merge => old.clone(),
    };
    for (principal, level) in change {
        match (*principal == admins_group, level) {
            (true, PermissionLevel::CanManage) => {}
            (true, PermissionLevel::CanUse) => {
                return Err(Denial::parameter("Cannot change permissions for group 'admins' to CAN_USE."));
            }
            (false, PermissionLevel::CanManage) => {
                return Err(Denial::parameter("CAN_MANAGE on tokens is held by the group 'admins' only."));
            }
            (false, PermissionLevel::CanUse) => drop(new.insert(*principal, *level)),
        }
    }
    Ok(new)
}

/// Whether the tokens of a principal that may no longer use tokens are deleted. `removed` are the principals whose own
/// entry was removed just now. See docs/reference/governance.md#losing-permission.
pub fn loses_tokens(loss: PermissionLoss, owner: PrincipalId, removed: &BTreeSet<PrincipalId>) -> bool {
    match loss {
        PermissionLoss::Suspend => false,
        PermissionLoss::Delete => true,
        PermissionLoss::Mixed => removed.contains(&owner),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ADMINS: PrincipalId = PrincipalId(100);

    fn entries() -> impl Strategy<Value = Entries> {
        prop::collection::btree_map((0..20_i64).prop_map(PrincipalId), Just(PermissionLevel::CanUse), 0..10)
    }

    fn list(entries: &Entries) -> Vec<(PrincipalId, PermissionLevel)> {
        entries.iter().map(|(id, level)| (*id, *level)).collect()
    }

    fn with_admins(entries: &Entries) -> Vec<(PrincipalId, PermissionLevel)> {
        list(entries).into_iter().chain([(ADMINS, PermissionLevel::CanManage)]).collect()
    }

    #[test]
    fn only_admins_can_manage_tokens_and_always_can() {
        let change = |id, level| apply(&Entries::new(), &[(id, level)], ChangeMode::Replace, ADMINS);
        assert_eq!(change(ADMINS, PermissionLevel::CanManage), Ok(Entries::new()));
        assert!(change(ADMINS, PermissionLevel::CanUse).is_err());
        assert!(change(PrincipalId(1), PermissionLevel::CanManage).is_err());
        for without_admins in [vec![], vec![(PrincipalId(1), PermissionLevel::CanUse)]] {
            let refused = apply(&Entries::new(), &without_admins, ChangeMode::Replace, ADMINS);
            assert_eq!(refused, Err(Denial::parameter(ADMINS_REQUIRED)));
            assert!(apply(&Entries::new(), &without_admins, ChangeMode::Merge, ADMINS).is_ok());
        }
    }

    #[test]
    fn an_entry_names_one_principal_and_a_level() {
        let user = RequestedEntry { user_name: Some("u".into()), ..RequestedEntry::default() };
        assert_eq!(user.principal(), Ok((PrincipalKind::User, "u")));
        assert!(user.level().is_err());
        let two = RequestedEntry { group_name: Some("g".into()), ..user };
        assert!(two.principal().is_err() && RequestedEntry::default().principal().is_err());
        let level = |text: &str| RequestedEntry { permission_level: Some(text.into()), ..two.clone() }.level();
        assert_eq!(level("CAN_USE"), Ok(PermissionLevel::CanUse));
        assert!(level("can_use").is_err() && level("CAN_RUN").is_err());
    }

    proptest! {
        #[test]
        fn replacing_sets_the_list_and_merging_keeps_the_rest(old in entries(), change in entries()) {
            prop_assert_eq!(apply(&old, &with_admins(&change), ChangeMode::Replace, ADMINS).unwrap(), change.clone());
            let merged = apply(&old, &list(&change), ChangeMode::Merge, ADMINS).unwrap();
            let mut union = old.clone();
            union.extend(change.clone());
            prop_assert_eq!(&merged, &union);
            prop_assert_eq!(apply(&merged, &list(&change), ChangeMode::Merge, ADMINS).unwrap(), merged.clone());
        }
    }
}
