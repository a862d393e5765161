//! The account API's workspaces and assignments: who is in a workspace directly, as user or admin.

use std::collections::BTreeSet;

use super::{Call, Error, Service};
use crate::domain::audit::Action;
use crate::domain::identities::{Directory, Principal, WorkspacePermission};
use crate::domain::{Denial, PrincipalId, Workspace, WorkspaceId};
use crate::service::identities::{DirectoryCall, MemberChange};
use crate::store::{Lock, Reader};

impl Service {
    /// The workspaces of the caller's account, sorted by id.
    pub async fn account_workspaces(&self, call: Call<'_>) -> Result<Vec<Workspace>, Error> {
        Ok(self.store.read().await?.list_workspaces(call.caller.account()).await?)
    }

    /// A workspace of the caller's account.
    ///
    /// # Errors
    /// [`Denial::WorkspaceNotFound`], also for another account's workspace.
    pub async fn account_workspace(&self, call: Call<'_>, id: WorkspaceId) -> Result<Workspace, Error> {
        find_workspace(&mut self.store.read().await?, call, id).await
    }

    /// The principals that are assigned directly. Members of assigned groups are left out.
    pub async fn assignments(
        &self,
        call: Call<'_>,
        id: WorkspaceId,
    ) -> Result<Vec<(Principal, WorkspacePermission)>, Error> {
        let mut reader = self.store.read().await?;
        let workspace = find_workspace(&mut reader, call, id).await?;
        let assigned = reader.list_direct_assignments(&workspace, None).await?;
        Ok(assigned.into_iter().map(|(principal, admin)| (principal, admin.into())).collect())
    }

    /// Assigns a principal of the account to a workspace. `None` removes it, as its deletion in the workspace does.
    ///
    /// # Errors
    /// [`Denial::WorkspaceNotFound`], [`Denial::PrincipalNotFound`]
    pub async fn assign(
        &self,
        call: Call<'_>,
        id: WorkspaceId,
        principal: PrincipalId,
        permission: Option<WorkspacePermission>,
    ) -> Result<Principal, Error> {
        let mut writer = self.store.write(Lock::Workspace(id)).await?;
        let workspace = find_workspace(&mut writer, call, id).await?;
        let there = call.caller.acting_in(&workspace, self.clock.now());
        let there = Call { caller: &there, ..call };
        let found = writer.find_principal(workspace.account, principal).await?;
        let found = found.filter(|found| found.local_to.is_none()).ok_or(Denial::PrincipalNotFound(principal))?;
        let assigned = writer.list_direct_assignments(&workspace, Some(principal)).await?;
        let before = assigned.first().map(|(_, admin)| WorkspacePermission::from(*admin));
        match permission {
            Some(permission) => {
                if before.is_none() {
                    let indirect = writer.find_assigned(&workspace, principal).await?.map(|(_, it)| it);
                    writer.put_assignment(id, principal, &indirect.unwrap_or_default()).await?;
                    self.record(&mut writer, there.entry(Action::add(&found))).await?;
                }
                let admins = writer.find_principal(workspace.account, workspace.admins_group).await?;
                let admins = admins.ok_or(Denial::PrincipalNotFound(workspace.admins_group))?;
                let members = writer.list_members(&workspace, admins.id).await?;
                let members: BTreeSet<_> = members.iter().map(|member| member.id).collect();
                let mut after = members.clone();
                match permission {
                    WorkspacePermission::Admin => after.insert(principal),
                    WorkspacePermission::User => after.remove(&principal),
                };
                let at = DirectoryCall { call: there, directory: Directory::Workspace };
                let change = MemberChange { before: &members, after: &after };
                self.store_members(&mut writer, at, &admins, change).await?;
            }
            None if before.is_some() => self.unassign(&mut writer, there, &found).await?,
            None => {}
        }
        self.enforce_permission_loss(&mut writer, there, &workspace, &BTreeSet::new()).await?;
        writer.commit().await?;
        Ok(found)
    }
}

async fn find_workspace(reader: &mut Reader, call: Call<'_>, id: WorkspaceId) -> Result<Workspace, Error> {
    let workspace = reader.find_workspace(id).await?.filter(|found| found.account == call.caller.account());
    Ok(workspace.ok_or(Denial::WorkspaceNotFound(id))?)
}
