//! Roles on a service principal, as access control rule sets give them (governance §2.8).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::AccountId;
use super::access::Standing;
use super::identity::PrincipalKind;

/// The role that lets its holder act as the service principal, and create tokens on its behalf
/// where workspace admins are restricted.
pub const SERVICE_PRINCIPAL_USER: &str = "roles/servicePrincipal.user";

/// A role and who holds it, as on the wire.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct GrantRule {
    /// Such as `roles/servicePrincipal.user`.
    pub role: String,
    /// `users/NAME`, `groups/NAME`, `servicePrincipals/APPLICATION_ID`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub principals: Vec<String>,
}

/// The name of a service principal's rule set.
pub fn name_for_service_principal(account: AccountId, application_id: &str) -> String {
    format!("accounts/{account}/servicePrincipals/{application_id}/ruleSets/default")
}

/// Whether a principal, itself or through a group, holds the user role.
pub fn holds_user_role(rules: &[GrantRule], kind: PrincipalKind, name: &str, standing: &Standing) -> bool {
    let own = match kind {
        PrincipalKind::User => "users/",
        PrincipalKind::ServicePrincipal => "servicePrincipals/",
        PrincipalKind::Group => "groups/",
    };
    let is = |principal: &str, prefix: &str, name: &str| {
        principal.strip_prefix(prefix).is_some_and(|named| named.eq_ignore_ascii_case(name))
    };
    let holds = |principal: &String| {
        is(principal, own, name)
            || standing.reach.iter().any(|reach| reach.via.is_some() && is(principal, "groups/", &reach.name))
    };
    rules.iter().filter(|rule| rule.role == SERVICE_PRINCIPAL_USER).any(|rule| rule.principals.iter().any(holds))
}

#[cfg(test)]
mod tests {
    use super::super::PrincipalId;
    use super::super::access::Reach;
    use super::*;

    #[test]
    fn the_role_is_held_directly_or_through_a_group() {
        let reach = |subject, via, name: &str| Reach {
            subject,
            via,
            name: name.into(),
            level: None,
            assigned: true,
            account_admin: false,
        };
        let me = PrincipalId(1);
        let standing = Standing {
            admins_group: PrincipalId(9),
            active: true,
            reach: vec![reach(me, None, "a@example.com"), reach(PrincipalId(2), Some(me), "Ops")],
        };
        let holds = |role: &str, principal: &str| {
            let rule = GrantRule { role: role.into(), principals: vec!["users/x".into(), principal.into()] };
            holds_user_role(&[rule], PrincipalKind::User, "a@example.com", &standing)
        };
        assert!(holds(SERVICE_PRINCIPAL_USER, "users/A@example.com"));
        assert!(holds(SERVICE_PRINCIPAL_USER, "groups/Ops"));
        assert!(!holds(SERVICE_PRINCIPAL_USER, "groups/a@example.com"));
        assert!(!holds(SERVICE_PRINCIPAL_USER, "servicePrincipals/a@example.com"));
        assert!(!holds("roles/servicePrincipal.manager", "users/a@example.com"));
    }
}
