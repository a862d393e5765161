//! The setting that restricts workspace admins, and the rule sets that it refers to. See
//! docs/reference/governance.md#restricted-admins and docs/reference/governance.md#rule-sets.

use super::{Call, Error, Service};
use crate::domain::audit::Action;
use crate::domain::identities::{Principal, PrincipalKind};
use crate::domain::rule_sets::{GrantRule, check, forget, name_for_service_principal, stored_name};
use crate::domain::{AccountId, Denial, WorkspaceId};
use crate::store::{Lock, Reader, StoreError, VersionedValue, Writer};

/// The setting's name in paths and in the audit log.
const RESTRICT_WORKSPACE_ADMINS: &str = "restrict_workspace_admins";
/// No restriction, the default.
const ALLOW_ALL: &str = "ALLOW_ALL";
/// On-behalf-of tokens only for service principals on which the admin holds the user role.
const RESTRICT_TOKENS: &str = "RESTRICT_TOKENS_AND_JOB_RUN_AS";
/// Forbids workspace admins to create governed tags. A member of the same setting, with the same version.
const DISABLE_GOV_TAG_CREATION: &str = "restrict_workspace_admins.disable_gov_tag_creation";
/// The version of a value that was never set.
const UNSET_ETAG: &str = "unset";

/// The setting that restricts workspace admins.
#[derive(Clone, Debug)]
pub struct AdminRestriction {
    /// `ALLOW_ALL` or `RESTRICT_TOKENS_AND_JOB_RUN_AS`.
    pub status: String,
    /// Stored for clients; it has no effect here.
    pub disable_gov_tag_creation: bool,
    pub etag: String,
}

/// A change of [`AdminRestriction`]; absent members stay as they are.
#[derive(Clone, Debug)]
pub struct AdminRestrictionChange {
    pub status: Option<String>,
    pub disable_gov_tag_creation: Option<bool>,
}

impl AdminRestrictionChange {
    /// Restores the defaults.
    pub fn reset() -> Self {
        Self { status: Some(ALLOW_ALL.to_owned()), disable_gov_tag_creation: Some(false) }
    }
}

impl Service {
    pub async fn admin_restriction(&self, call: Call<'_>) -> Result<AdminRestriction, Error> {
        let mut reader = self.store.read().await?;
        Ok(restriction(&mut reader, call.caller.workspace.id).await?)
    }

    /// Changes the setting, if the client has its newest version.
    ///
    /// # Errors
    /// [`Denial::InvalidParameter`] for an unknown status, [`Denial::StaleEtag`].
    pub async fn change_admin_restriction(
        &self,
        call: Call<'_>,
        change: &AdminRestrictionChange,
        etag: Option<&str>,
    ) -> Result<AdminRestriction, Error> {
        let (caller, workspace) = (call.caller, call.caller.workspace.id);
        if let Some(wanted) = change.status.as_deref().filter(|text| ![ALLOW_ALL, RESTRICT_TOKENS].contains(text)) {
            let sentence = format!("status: '{wanted}' is neither {ALLOW_ALL} nor {RESTRICT_TOKENS}.");
            return Err(Denial::InvalidParameter(sentence).into());
        }
        let mut writer = self.store.write_in(&caller.workspace, Lock::Workspace(workspace)).await?;
        demand_newest(&status(&mut writer, workspace).await?, etag)?;
        let old = restriction(&mut writer, workspace).await?;
        let new = AdminRestriction {
            status: change.status.clone().unwrap_or(old.status),
            disable_gov_tag_creation: change.disable_gov_tag_creation.unwrap_or(old.disable_gov_tag_creation),
            etag: self.draw(&mut writer, &caller.workspace).await?.uuid().to_string(),
        };
        let versioned = |value: String| VersionedValue { value, etag: new.etag.clone() };
        writer.put_setting(workspace, RESTRICT_WORKSPACE_ADMINS, &versioned(new.status.clone())).await?;
        let tags = versioned(new.disable_gov_tag_creation.to_string());
        writer.put_setting(workspace, DISABLE_GOV_TAG_CREATION, &tags).await?;
        self.record(&mut writer, call.entry(Action::set_setting(RESTRICT_WORKSPACE_ADMINS, &new.status))).await?;
        writer.commit().await?;
        Ok(new)
    }

    pub(super) async fn admins_are_restricted(
        &self,
        reader: &mut Reader,
        workspace: WorkspaceId,
    ) -> Result<bool, StoreError> {
        Ok(status(reader, workspace).await?.value == RESTRICT_TOKENS)
    }

    /// The rules and the version of a rule set.
    pub async fn rule_set(&self, call: Call<'_>, name: &str) -> Result<(Vec<GrantRule>, String), Error> {
        let stored = self.store.read().await?.find_rule_set(call.caller.account(), &stored_name(name)).await?;
        let Some(stored) = stored else { return Ok((Vec::new(), UNSET_ETAG.to_owned())) };
        let rules = serde_json::from_str(&stored.value);
        Ok((rules.map_err(|_| StoreError::Unreadable(format!("rule set {name}")))?, stored.etag))
    }

    /// Replaces a rule set, if the client has its newest version.
    ///
    /// # Errors
    /// [`Denial::StaleEtag`], and those of [`check`].
    pub async fn replace_rule_set(
        &self,
        call: Call<'_>,
        name: &str,
        rules: &[GrantRule],
        etag: Option<&str>,
    ) -> Result<String, Error> {
        check(name, rules)?;
        let (account, name) = (call.caller.account(), &*stored_name(name));
        let mut writer = self.store.write_in(&call.caller.workspace, Lock::Workspace(call.caller.workspace.id)).await?;
        let unset = || VersionedValue { value: "[]".to_owned(), etag: UNSET_ETAG.to_owned() };
        demand_newest(&writer.find_rule_set(account, name).await?.unwrap_or_else(unset), etag)?;
        let value = serde_json::to_string(rules).map_err(|error| StoreError::Unreadable(error.to_string()))?;
        let etag = self.draw(&mut writer, &call.caller.workspace).await?.uuid().to_string();
        let new = VersionedValue { value, etag };
        writer.put_rule_set(account, name, &new).await?;
        writer.commit().await?;
        Ok(new.etag)
    }

    /// Removes a deleted principal from all rule sets of its account, and deletes a service principal's own rule set.
    pub(super) async fn forget_roles(
        &self,
        writer: &mut Writer,
        account: AccountId,
        deleted: &Principal,
    ) -> Result<(), Error> {
        if deleted.kind == PrincipalKind::ServicePrincipal {
            writer.delete_rule_set(account, &name_for_service_principal(account, &deleted.name)).await?;
        }
        for (name, value) in writer.list_rule_sets(account).await? {
            let unreadable = |_| StoreError::Unreadable(format!("rule set {name}"));
            let mut rules: Vec<GrantRule> = serde_json::from_str(&value).map_err(unreadable)?;
            if forget(&mut rules, deleted.kind, &deleted.name) {
                let value = serde_json::to_string(&rules).map_err(unreadable)?;
                let new = VersionedValue { value, etag: self.entropy.uuid().to_string() };
                writer.put_rule_set(account, &name, &new).await?;
            }
        }
        Ok(())
    }
}

async fn status(reader: &mut Reader, workspace: WorkspaceId) -> Result<VersionedValue, StoreError> {
    let unset = || VersionedValue { value: ALLOW_ALL.to_owned(), etag: UNSET_ETAG.to_owned() };
    Ok(reader.find_setting(workspace, RESTRICT_WORKSPACE_ADMINS).await?.unwrap_or_else(unset))
}

async fn restriction(reader: &mut Reader, workspace: WorkspaceId) -> Result<AdminRestriction, StoreError> {
    let VersionedValue { value: status, etag } = status(reader, workspace).await?;
    let tags = reader.find_setting(workspace, DISABLE_GOV_TAG_CREATION).await?;
    let disable_gov_tag_creation = tags.is_some_and(|tags| tags.value == "true");
    Ok(AdminRestriction { status, disable_gov_tag_creation, etag })
}

fn demand_newest(stored: &VersionedValue, etag: Option<&str>) -> Result<(), Denial> {
    if etag == Some(&stored.etag) { Ok(()) } else { Err(Denial::StaleEtag(stored.etag.clone())) }
}
