//! The access control list of `authorization/tokens`: who may use tokens, and what happens to a principal's tokens when
//! it loses the permission. See docs/reference/governance.md#permissions.

use std::collections::BTreeSet;

use super::{Call, Error, Service};
use crate::domain::access::PermissionLevel;
use crate::domain::audit::Action;
use crate::domain::identities::{Principal, PrincipalKind};
use crate::domain::permissions::{ChangeMode, Entries, RequestedEntry, apply, loses_tokens};
use crate::domain::settings::PermissionLoss;
use crate::domain::tokens::{EndCause, Visibility};
use crate::domain::{Denial, PrincipalId, Workspace};
use crate::store::{Lock, Reader, Writer};

impl Service {
    /// The direct entries, users first. `admins` hold CAN MANAGE without an entry.
    pub async fn token_permissions(&self, call: Call<'_>) -> Result<Vec<(Principal, PermissionLevel)>, Error> {
        Ok(self.store.read().await?.list_token_permissions(&call.caller.workspace).await?)
    }

    /// Replaces the list or adds to it; returns the new list.
    ///
    /// # Errors
    /// [`Denial::PrincipalNameNotFound`], [`Denial::InvalidParameter`], [`Denial::NoTokensYet`]
    pub async fn change_token_permissions(
        &self,
        call: Call<'_>,
        requested: &[RequestedEntry],
        mode: ChangeMode,
    ) -> Result<Vec<(Principal, PermissionLevel)>, Error> {
        let id = call.caller.workspace.id;
        let mut writer = self.store.write_in(&call.caller.workspace, Lock::Workspace(id)).await?;
        let workspace = writer.find_workspace(id).await?.ok_or_else(|| Denial::org(id))?;
        let shown = Visibility::with_expired(&workspace.behaviour, call.caller.now);
        if workspace.behaviour.permissions_need_a_token && writer.list_token_owners(id, shown).await?.is_empty() {
            return Err(Denial::NoTokensYet.into());
        }
        let mut change = Vec::with_capacity(requested.len());
        for entry in requested {
            change.push(resolve_entry(&mut writer, &workspace, entry).await?);
        }
        let listed = writer.list_token_permissions(&workspace).await?;
        let old: Entries = listed.into_iter().map(|(principal, level)| (principal.id, level)).collect();
        let new = apply(&old, &change, mode, workspace.admins_group)?;
        writer.replace_token_permissions(id, &new).await?;
        let mut removed = BTreeSet::new();
        for principal in old.keys().chain(new.keys()).collect::<BTreeSet<_>>() {
            let level = new.get(principal).copied();
            if old.get(principal).copied() != level {
                self.record(&mut writer, call.entry(Action::change_token_acl(*principal, level))).await?;
            }
            if level.is_none() {
                removed.insert(*principal);
            }
        }
        self.enforce_permission_loss(&mut writer, call, &workspace, &removed).await?;
        let listed = writer.list_token_permissions(&workspace).await?;
        writer.commit().await?;
        Ok(listed)
    }

    /// Ends the tokens of principals that may no longer use any, if the workspace's behaviour says so. `removed` are the
    /// principals whose own entry was removed just now.
    pub(super) async fn enforce_permission_loss(
        &self,
        writer: &mut Writer,
        call: Call<'_>,
        workspace: &Workspace,
        removed: &BTreeSet<PrincipalId>,
    ) -> Result<(), Error> {
        let loss = workspace.behaviour.permission_loss;
        if loss == PermissionLoss::Suspend {
            return Ok(());
        }
        let live = Visibility::new(&workspace.behaviour, call.caller.now);
        for owner in writer.list_token_owners(workspace.id, live).await? {
            if !loses_tokens(loss, owner, removed) {
                continue;
            }
            if writer.workspace_memberships(workspace, owner).await?.token_permission().is_some() {
                continue;
            }
            for token in writer.list_tokens_of(workspace.id, owner, live).await? {
                self.end_token(writer, call, &token, EndCause::LostPermission).await?;
            }
        }
        Ok(())
    }
}

pub(super) async fn resolve_entry(
    reader: &mut Reader,
    workspace: &Workspace,
    entry: &RequestedEntry,
) -> Result<(PrincipalId, PermissionLevel), Error> {
    let (kind, name) = entry.principal()?;
    let level = entry.level()?;
    let found = reader.find_assigned_named(workspace, kind, name).await?;
    let missing = || Denial::PrincipalNameNotFound(kind_on_the_wire(kind), name.to_owned());
    Ok((found.ok_or_else(missing)?.id, level))
}

/// How the real service names the kind of a principal that it does not find.
fn kind_on_the_wire(kind: PrincipalKind) -> &'static str {
    match kind {
        PrincipalKind::User => "UserName",
        PrincipalKind::Group => "GroupName",
        PrincipalKind::ServicePrincipal => "ServicePrincipalName",
    }
}
