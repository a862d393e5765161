//! Access control rule sets: who has which role on a service principal.
//! The role lets its holder create tokens for the service principal. See docs/reference/governance.md#rule-sets.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::access::Standing;
use super::{AccountId, Denial};
use crate::domain::identities::{Principal, PrincipalKind};

/// The role that lets its holder act as the service principal, and create tokens on its behalf if workspace admins are
/// restricted.
pub const SERVICE_PRINCIPAL_USER: &str = "roles/servicePrincipal.user";

/// A role and its holders, as on the wire.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct GrantRule {
    /// For example `roles/servicePrincipal.user`.
    pub role: String,
    /// `users/NAME`, `groups/NAME`, `servicePrincipals/APPLICATION_ID`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub principals: Vec<String>,
}

/// The maximum number of rules in a set \[inferred\].
pub const MAX_RULES: usize = 100;
/// The maximum number of principals in all rules of a set together \[inferred\].
pub const MAX_PRINCIPALS: usize = 1_000;
/// The longest name of a rule set, a role or a principal in it, in characters \[inferred\].
pub const MAX_TEXT_CHARS: usize = 512;

/// Whether a rule set is within its limits.
///
/// # Errors
/// [`Denial::InvalidParameter`]
pub fn check(name: &str, rules: &[GrantRule]) -> Result<(), Denial> {
    let principals = || rules.iter().flat_map(|rule| &rule.principals);
    let mut texts = rules.iter().map(|rule| &rule.role).chain(principals());
    let too_much = if rules.len() > MAX_RULES {
        format!("rule_set.grant_rules: at most {MAX_RULES} rules are allowed.")
    } else if principals().count() > MAX_PRINCIPALS {
        format!("rule_set.grant_rules: at most {MAX_PRINCIPALS} principals are allowed.")
    } else if name.chars().count() > MAX_TEXT_CHARS || texts.any(|text| text.chars().count() > MAX_TEXT_CHARS) {
        format!("rule_set: a name of at most {MAX_TEXT_CHARS} characters is allowed.")
    } else {
        return Ok(());
    };
    Err(Denial::parameter(too_much))
}

/// The name of a service principal's rule set.
pub fn name_for_service_principal(account: AccountId, application_id: &str) -> String {
    format!("accounts/{account}/servicePrincipals/{}/ruleSets/default", application_id.to_ascii_lowercase())
}

/// The name of a rule set as it is stored: the application id in lower case.
pub fn stored_name(name: &str) -> String {
    let marker = "/servicePrincipals/";
    match name.split_once(marker) {
        Some((account, rest)) => format!(
            "{account}{marker}{}",
            match rest.split_once('/') {
                Some((id, rest)) => format!("{}/{rest}", id.to_ascii_lowercase()),
                None => rest.to_ascii_lowercase(),
            }
        ),
        None => name.to_owned(),
    }
}

/// Removes a deleted principal from the rules, so that a later principal with its name does not inherit its roles.
/// Returns whether it was in them.
pub fn forget(rules: &mut [GrantRule], kind: PrincipalKind, name: &str) -> bool {
    let before: usize = rules.iter().map(|rule| rule.principals.len()).sum();
    for rule in rules.iter_mut() {
        rule.principals.retain(|principal| !names(principal, prefix(kind), name));
    }
    rules.iter().map(|rule| rule.principals.len()).sum::<usize>() != before
}

const fn prefix(kind: PrincipalKind) -> &'static str {
    match kind {
        PrincipalKind::User => "users/",
        PrincipalKind::ServicePrincipal => "servicePrincipals/",
        PrincipalKind::Group => "groups/",
    }
}

fn names(principal: &str, prefix: &str, name: &str) -> bool {
    principal.strip_prefix(prefix).is_some_and(|named| Principal::is_same_name(named, name))
}

/// Whether a principal has the user role, directly or through a group.
pub fn holds_user_role(rules: &[GrantRule], kind: PrincipalKind, name: &str, standing: &Standing) -> bool {
    let holds = |principal: &String| {
        names(principal, prefix(kind), name)
            || standing
                .memberships
                .iter()
                .any(|group| group.via.is_some() && names(principal, prefix(PrincipalKind::Group), &group.name))
    };
    rules.iter().filter(|rule| rule.role == SERVICE_PRINCIPAL_USER).any(|rule| rule.principals.iter().any(holds))
}

#[cfg(test)]
mod tests {
    use super::super::PrincipalId;
    use super::super::access::Membership;
    use super::*;

    #[test]
    fn a_principal_has_the_role_directly_or_through_a_group() {
        let member = |subject, via, name: &str| Membership {
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
            memberships: vec![member(me, None, "a@example.com"), member(PrincipalId(2), Some(me), "Ops")],
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
