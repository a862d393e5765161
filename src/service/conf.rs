//! The workspace configuration (`enableTokensConfig`, `maxTokenLifetimeDays`, …) and the mock's own behaviour settings.
//! See docs/reference/governance.md#configuration-keys.

use super::what_if::locked_out;
use super::{Call, Error, Service};
use crate::domain::audit::Action;
use crate::domain::conf::{check_keys, is_premium, plan_change};
use crate::domain::denial::{AccessDenial, Feature};
use crate::domain::settings::{Behaviour, BehaviourChange, ConfValue, ENABLE_TOKENS, Tier, parse_bool};
use crate::domain::{Denial, Millis, Workspace, WorkspaceId};
use crate::store::{Lock, StoreError, Writer};

impl Service {
    /// The values of keys, in the order of `keys`; `None` for one that was never set.
    ///
    /// # Errors
    /// [`Denial::InvalidConfKeys`]; [`AccessDenial::NotInTier`] for the lifetime on the standard tier.
    pub async fn conf<'a>(&self, call: Call<'_>, keys: &[&'a str]) -> Result<Vec<(&'a str, Option<String>)>, Error> {
        check_keys(keys.iter().copied())?;
        demand_tier(&call.caller.workspace, keys.iter().copied())?;
        let mut reader = self.store.read().await?;
        let stored = reader.list_conf(call.caller.workspace.id).await?;
        let value = |key: &str| stored.iter().find(|(known, _)| known == key).map(|(_, value)| value.clone());
        Ok(keys.iter().map(|key| (*key, value(key))).collect())
    }

    /// Changes all the keys, or none when one is refused. Reads return the new values at once; they take effect after the
    /// workspace's propagation delay. See docs/requirements.md#r35.
    ///
    /// # Errors
    /// Those of [`plan_change`]; [`AccessDenial::NotInTier`].
    pub async fn change_conf(&self, call: Call<'_>, changes: &[(String, Option<String>)]) -> Result<(), Error> {
        let plan = plan_change(changes)?;
        let (id, now) = (call.caller.workspace.id, call.caller.now);
        let mut writer = self.store.write_in(&call.caller.workspace, Lock::Workspace(id)).await?;
        let workspace = writer.find_workspace(id).await?.ok_or_else(|| Denial::org(id))?;
        demand_tier(&workspace, plan.iter().map(|(key, _)| *key))?;
        // The caller's workspace, because a fault may have set a delay there.
        let delay = call.caller.workspace.behaviour.propagation_delay_ms;
        put_all(&mut writer, id, &plan, now, delay).await?;
        self.record(&mut writer, call.entry(Action::edit_workspace_conf(&plan))).await?;
        let locked_out = newly_locked_out(&mut writer, &workspace, &plan, now).await?;
        writer.commit().await?;
        warn_of_lock_out(id, &locked_out);
        Ok(())
    }

    /// The same for the operator, for example to enable tokens again. The audit log names the system as the actor.
    ///
    /// # Errors
    /// [`Denial::WorkspaceNotFound`]; those of [`plan_change`].
    pub async fn change_conf_as_operator(
        &self,
        id: WorkspaceId,
        changes: &[(String, Option<String>)],
    ) -> Result<(), Error> {
        let plan = plan_change(changes)?;
        let mut writer = self.store.write(Lock::Workspace(id)).await?;
        let workspace = writer.find_workspace(id).await?.ok_or(Denial::WorkspaceNotFound(id))?;
        let now = workspace.clock.at(self.system_now());
        put_all(&mut writer, id, &plan, now, workspace.behaviour.propagation_delay_ms).await?;
        self.record_by_system(&mut writer, &workspace, vec![(Action::edit_workspace_conf(&plan), now)]).await?;
        let locked_out = newly_locked_out(&mut writer, &workspace, &plan, now).await?;
        writer.commit().await?;
        warn_of_lock_out(id, &locked_out);
        Ok(())
    }

    /// Changes the mock's own settings of a workspace; returns all of them.
    pub async fn change_behaviour(&self, id: WorkspaceId, change: BehaviourChange) -> Result<Behaviour, Error> {
        let mut writer = self.store.write(Lock::Workspace(id)).await?;
        let workspace = writer.find_workspace(id).await?.ok_or(Denial::WorkspaceNotFound(id))?;
        let behaviour = change.apply(workspace.behaviour);
        writer.update_behaviour(id, &behaviour).await?;
        writer.commit().await?;
        Ok(behaviour)
    }
}

/// Stores the new values; the old ones stay in effect until the propagation delay is over.
async fn put_all(
    writer: &mut Writer,
    workspace: WorkspaceId,
    plan: &[(&str, &str)],
    now: Millis,
    delay_ms: i64,
) -> Result<(), StoreError> {
    for (key, value) in plan {
        let old = writer.find_conf(workspace, key).await?;
        let conf = ConfValue {
            value: (*value).to_owned(),
            previous: old.as_ref().and_then(|old| old.in_effect(now)).map(ToOwned::to_owned),
            effective_at: now.plus(delay_ms),
        };
        writer.put_conf(workspace, key, &conf).await?;
    }
    Ok(())
}

/// The names of the admins that a change locks out.
async fn newly_locked_out(
    writer: &mut Writer,
    workspace: &Workspace,
    plan: &[(&str, &str)],
    now: Millis,
) -> Result<Vec<String>, StoreError> {
    let disables = plan.iter().any(|(key, value)| *key == ENABLE_TOKENS && parse_bool(value) == Some(false));
    if disables { locked_out(writer, workspace, now).await } else { Ok(Vec::new()) }
}

fn warn_of_lock_out(id: WorkspaceId, names: &[String]) {
    if !names.is_empty() {
        tracing::warn!(
            "tokens are disabled in workspace {id}, which locks out these admins, because they have no OAuth secret: {}. To \
             enable tokens again, PATCH /api/2.0/workspace-conf {{\"enableTokensConfig\": \"true\"}} with an OAuth access \
             token, or PATCH /_mock/v1/workspaces/{id}/conf",
            names.join(", ")
        );
    }
}

fn demand_tier<'a>(workspace: &Workspace, mut keys: impl Iterator<Item = &'a str>) -> Result<(), Denial> {
    if workspace.behaviour.tier == Tier::Standard && keys.any(is_premium) {
        return Err(AccessDenial::NotInTier(Feature::TokenLifetime).into());
    }
    Ok(())
}
