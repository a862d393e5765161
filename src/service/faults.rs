//! Faults: arm and clear them, and find those that a request triggers. `http::faults` carries them out.

use super::{Error, Service};
use crate::domain::audit::{Action, SYSTEM_USER};
use crate::domain::authorize::NamedWorkspace;
use crate::domain::denial::ControlDenial;
use crate::domain::faults::{Fault, MAX_FAULTS, Request, Rule};
use crate::domain::tokens::EndCause;
use crate::domain::{Denial, TokenId, Workspace, WorkspaceId};
use crate::store::Lock;

impl Service {
    /// Arms a fault, after the others of its workspace.
    ///
    /// # Errors
    /// [`Denial::WorkspaceNotFound`]; [`Denial::InvalidParameter`] when there are too many.
    pub async fn arm_fault(&self, workspace: WorkspaceId, rule: Rule) -> Result<Fault, Error> {
        let mut writer = self.store.write(Lock::Workspace(workspace)).await?;
        writer.find_workspace(workspace).await?.ok_or(Denial::WorkspaceNotFound(workspace))?;
        if writer.list_faults(workspace).await?.len() >= MAX_FAULTS {
            return Err(Denial::parameter(format!(
                "A workspace can have at most {MAX_FAULTS} faults: clear some first."
            ))
            .into());
        }
        let id = writer.insert_fault(workspace, &rule).await?;
        writer.commit().await?;
        Ok(Fault { id, rule, seen: 0 })
    }

    /// In the order in which they were armed.
    pub async fn faults(&self, workspace: WorkspaceId) -> Result<Vec<Fault>, Error> {
        let mut reader = self.store.read().await?;
        reader.find_workspace(workspace).await?.ok_or(Denial::WorkspaceNotFound(workspace))?;
        Ok(reader.list_faults(workspace).await?)
    }

    /// # Errors
    /// [`ControlDenial::FaultNotFound`]
    pub async fn clear_fault(&self, workspace: WorkspaceId, id: i64) -> Result<(), Error> {
        let mut writer = self.store.write(Lock::Workspace(workspace)).await?;
        if writer.delete_faults(workspace, Some(id)).await? == 0 {
            return Err(ControlDenial::FaultNotFound(id.to_string()).into());
        }
        Ok(writer.commit().await?)
    }

    pub async fn clear_faults(&self, workspace: WorkspaceId) -> Result<(), Error> {
        let mut writer = self.store.write(Lock::Workspace(workspace)).await?;
        writer.find_workspace(workspace).await?.ok_or(Denial::WorkspaceNotFound(workspace))?;
        writer.delete_faults(workspace, None).await?;
        Ok(writer.commit().await?)
    }

    /// Counts a request at each rule that matches it, up to the first one that produces the answer. Returns the faults
    /// that fire, in order. The database counts, so that the number of failures is exact across processes.
    pub async fn match_faults(&self, workspace: WorkspaceId, request: &Request<'_>) -> Result<Vec<Fault>, Error> {
        let matches = |fault: &Fault| fault.rule.takes(request);
        let mut fired = Vec::new();
        if !self.store.read().await?.list_faults(workspace).await?.iter().any(matches) {
            return Ok(fired);
        }
        let mut writer = self.store.write(Lock::Workspace(workspace)).await?;
        let matching = writer.list_faults(workspace).await?.into_iter().filter(matches);
        for fault in matching {
            let seen = writer.increment_seen(workspace, fault.id).await?;
            if fault.rule.fires(seen) {
                let answers = fault.rule.answers();
                fired.push(Fault { seen, ..fault });
                if answers {
                    break;
                }
            }
        }
        writer.commit().await?;
        Ok(fired)
    }

    /// The workspace whose faults apply to an unauthenticated request: the named one, or the default one.
    pub async fn answering_workspace(&self, named: &NamedWorkspace) -> Result<Option<Workspace>, Error> {
        Ok(super::authorize::answering(&mut self.store.read().await?, named).await?)
    }

    /// Revokes a token, if it exists.
    pub async fn revoke_by_fault(&self, workspace: WorkspaceId, id: &TokenId) -> Result<(), Error> {
        let mut writer = self.store.write(Lock::Workspace(workspace)).await?;
        let found = (writer.find_workspace(workspace).await?, writer.find_token(workspace, id).await?);
        let (Some(workspace), Some(token)) = found else { return Ok(()) };
        let now = workspace.clock.at(self.system_now());
        let token = self.settle_autoscope(&mut writer, &workspace, token, now).await?;
        writer.end_tokens(workspace.id, &[(id, EndCause::RevokedByAdmin, now)], SYSTEM_USER).await?;
        let action = Action::revoke_token(id, token.owner);
        self.record_by_system(&mut writer, &workspace, vec![(action, now)]).await?;
        Ok(writer.commit().await?)
    }
}
