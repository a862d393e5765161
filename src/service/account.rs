//! The account's workspaces, and who is assigned to them.

use std::collections::BTreeSet;

use super::{Call, Error, Service};
use crate::domain::audit::Action;
use crate::domain::identities::{Directory, Principal, WorkspacePermission};
use crate::domain::{Denial, PrincipalId, Workspace, WorkspaceId};
use crate::store::{Lock, Reader};

impl Service {
    /// The workspaces of the caller's account, by id.
    pub async fn account_workspaces(&self, call: Call<'_>) -> Result<Vec<Workspace>, Error> {
        Ok(self.store.read().await?.list_workspaces(call.caller.account()).await?)
    }

    /// A workspace of the caller's account.
    ///
    /// # Errors
    /// [`Denial::WorkspaceNotFound`]; also for another account's.
    pub async fn account_workspace(&self, call: Call<'_>, id: WorkspaceId) -> Result<Workspace, Error> {
        find_workspace(&mut self.store.read().await?, call, id).await
    }

    /// Who is assigned to a workspace. Who is there through a group is not.
    ///
    /// # Errors
    /// [`Denial::WorkspaceNotFound`]
    pub async fn assignments(
        &self,
        call: Call<'_>,
        id: WorkspaceId,
    ) -> Result<Vec<(Principal, WorkspacePermission)>, Error> {
        let mut reader = self.store.read().await?;
        let workspace = find_workspace(&mut reader, call, id).await?;
        let assigned = reader.list_direct_assignments(&workspace, None).await?;
        Ok(assigned.into_iter().map(|(principal, admin)| (principal, WorkspacePermission::of(admin))).collect())
    }

    /// Assigns a principal of the account to a workspace, as admin or not, or with `None` takes it out, as
    /// a deletion in the workspace does.
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
        let before = assigned.first().map(|(_, admin)| WorkspacePermission::of(*admin));
        match permission {
            Some(permission) => {
                if before.is_none() {
                    let place = writer.find_assigned(&workspace, principal).await?.map(|(_, place)| place);
                    writer.put_assignment(id, principal, &place.unwrap_or_default()).await?;
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
                self.store_members(&mut writer, there, Directory::Workspace, &admins, &members, &after).await?;
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
