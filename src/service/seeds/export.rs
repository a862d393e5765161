//! The world as a seed that creates the same again: principals, tokens that are live or still listed, permissions and
//! settings. Ended tokens and the audit log are left out.

use std::collections::{HashMap, HashSet};
use std::num::NonZeroU16;

use crate::domain::access::PermissionLevel;
use crate::domain::clock::ClockMode;
use crate::domain::identities::{Assignment, Member, Principal, PrincipalKind};
use crate::domain::lifecycle::as_of;
use crate::domain::seeds::{
    AccountSeed, AssignedSeed, DecoySeed, GroupSeed, Moment, SecretSeed, Seed, ServicePrincipalSeed, Span, Text,
    TokenSeed, UserSeed, WorkspaceSeed,
};
use crate::domain::settings::{Behaviour, BehaviourChange};
use crate::domain::tokens::{Token, Visibility};
use crate::domain::{AccountId, Millis, PrincipalId, Workspace};
use crate::service::{Error, Service};
use crate::store::{Reader, StoreError};

type Names = HashMap<PrincipalId, String>;

impl Service {
    pub async fn export_seed(&self) -> Result<Seed, Error> {
        let mut reader = self.store.read().await?;
        let mut seed = Seed::default();
        for account in reader.list_accounts().await? {
            seed.accounts.push(export_account(&mut reader, account).await?);
        }
        for workspace in reader.list_all_workspaces().await? {
            let now = workspace.clock.at(self.clock.now());
            seed.workspaces.push(export_workspace(&mut reader, &workspace, now).await?);
        }
        Ok(seed)
    }
}

async fn export_account(reader: &mut Reader, account: AccountId) -> Result<AccountSeed, Error> {
    let mut seed = AccountSeed { account_id: Some(account.to_string().into()), ..AccountSeed::default() };
    let mut principals = reader.list_principals(account).await?;
    principals.sort_by(|a, b| a.name.cmp(&b.name));
    let names: Names = principals.iter().map(|it| (it.id, it.name.clone())).collect();
    for principal in principals {
        let Principal { id, name, display_name, active, account_admin, external_id, kind, .. } = principal;
        match kind {
            PrincipalKind::User => seed.users.push(UserSeed {
                display_name: Some(display_name).filter(|shown| *shown != name),
                user_name: name.into(),
                external_id,
                active,
                account_admin,
                workspace_admin: false,
                active_in_workspace: true,
            }),
            PrincipalKind::ServicePrincipal => {
                let secrets = reader.list_secrets(account, id).await?;
                let secrets = secrets.into_iter().map(|secret| SecretSeed {
                    value: None,
                    hash: Some(secret.hash.as_str().to_owned().into()),
                    created: Some(Moment::At(secret.created_at)),
                    expires: Some(Moment::At(secret.expires_at)),
                    scopes: secret.scopes,
                });
                seed.service_principals.push(ServicePrincipalSeed {
                    display_name: display_name.into(),
                    application_id: Some(name.into()),
                    external_id,
                    active,
                    account_admin,
                    workspace_admin: false,
                    active_in_workspace: true,
                    secrets: secrets.collect(),
                });
            }
            PrincipalKind::Group => {
                let members = reader.list_members_in_account(account, id).await?;
                seed.groups.push(GroupSeed { display_name: name.into(), members: by_name(&members, &names) });
            }
        }
    }
    Ok(seed)
}

/// Sorted by name, so that equal worlds have equal exports.
fn by_name(members: &[Member], names: &Names) -> Vec<Text> {
    let mut names: Vec<String> = members.iter().filter_map(|member| names.get(&member.id).cloned()).collect();
    names.sort();
    names.into_iter().map(Text::from).collect()
}

async fn export_workspace(reader: &mut Reader, workspace: &Workspace, now: Millis) -> Result<WorkspaceSeed, Error> {
    let account = workspace.account;
    let of_account = reader.list_principals(account).await?;
    let local = reader.list_local_groups(workspace).await?;
    let names: Names = of_account.iter().chain(&local).map(|it| (it.id, it.name.clone())).collect();
    let mut groups = Vec::new();
    for group in &local {
        let members = reader.list_members_in_account(account, group.id).await?;
        groups.push(GroupSeed { display_name: group.name.clone().into(), members: by_name(&members, &names) });
    }
    let permissions = reader.list_token_permissions(workspace).await?.into_iter();
    let permissions = permissions.filter(|(_, level)| *level == PermissionLevel::CanUse);
    let listed = Visibility::with_expired(&workspace.behaviour, now);
    let tokens = reader.list_tokens(workspace.id, None, None, listed).await?.into_iter();
    let tokens = tokens.map(|token| as_of(token, &workspace.behaviour, now));
    let decoys = reader.list_decoys(workspace.id).await?.into_iter().map(|decoy| DecoySeed {
        value: None,
        decoy_id: Some(decoy.id.as_str().to_owned().into()),
        comment: decoy.comment,
    });
    Ok(WorkspaceSeed {
        workspace_id: Some(workspace.id.to_string().into()),
        account_id: Some(account.to_string().into()),
        name: Some(workspace.name.clone()),
        created: Some(Moment::At(workspace.created_at)),
        entropy_seed: workspace.entropy_seed,
        frozen_at: match workspace.clock.mode() {
            ClockMode::Frozen(at) => Some(Moment::At(at)),
            ClockMode::Real | ClockMode::Offset(_) => None,
        },
        clock_ahead: match workspace.clock.mode() {
            ClockMode::Offset(ms) => Some(Span(ms)),
            ClockMode::Real | ClockMode::Frozen(_) => None,
        },
        behaviour: whole_change(&workspace.behaviour),
        conf: reader.list_conf(workspace.id).await?.into_iter().collect(),
        users: Vec::new(),
        service_principals: Vec::new(),
        groups,
        assigned: export_assigned(reader, workspace).await?,
        may_use_tokens: Some(permissions.map(|(principal, _)| Text::from(principal.name)).collect()),
        tokens: tokens.filter_map(|token| export_token(token, &names)).collect(),
        decoys: decoys.collect(),
        populations: Vec::new(),
    })
}

async fn export_assigned(reader: &mut Reader, workspace: &Workspace) -> Result<Vec<AssignedSeed>, StoreError> {
    let direct = reader.list_direct_assignments(workspace, None).await?;
    let direct: HashSet<PrincipalId> = direct.into_iter().map(|(principal, _)| principal.id).collect();
    let mut assigned = reader.list_assigned(workspace).await?;
    assigned.retain(|(principal, _)| direct.contains(&principal.id));
    assigned.sort_by(|(a, _), (b, _)| a.name.cmp(&b.name));
    let seed = |(principal, Assignment { active, entitlements, roles }): (Principal, Assignment)| AssignedSeed {
        principal: principal.name.into(),
        active,
        entitlements: Some(entitlements),
        roles,
    };
    Ok(assigned.into_iter().map(seed).collect())
}

/// `None` when the owner was deleted.
fn export_token(token: Token, names: &Names) -> Option<TokenSeed> {
    let name = |id: PrincipalId| names.get(&id).map(|name| Text::from(name.clone()));
    Some(TokenSeed {
        owner: name(token.owner)?,
        value: None,
        token_id: Some(token.id.as_str().to_owned().into()),
        comment: token.comment,
        created: Some(Moment::At(token.creation_time)),
        expires: Some(token.expiry_time.map_or(Moment::Never, Moment::At)),
        lifetime: None,
        last_used: token.last_used.map(Moment::At),
        scopes: token.scopes,
        autoscope_state: token.autoscope_state,
        autoscope_until: token.autoscope_until.map(Moment::At),
        inferred_scopes: token.inferred_scopes,
        backfill_scopes: token.backfill_scopes,
        created_by: if token.created_by == token.owner { None } else { name(token.created_by) },
    })
}

/// The change that turns any behaviour into this one.
fn whole_change(behaviour: &Behaviour) -> BehaviourChange {
    BehaviourChange {
        tier: Some(behaviour.tier),
        cloud: Some(behaviour.cloud),
        permission_loss: Some(behaviour.permission_loss),
        propagation_delay_ms: Some(behaviour.propagation_delay_ms),
        token_value_suffix: behaviour.token_value_suffix,
        permissions_need_a_token: Some(behaviour.permissions_need_a_token),
        autoscope_days: u16::try_from(behaviour.autoscope_days).ok().and_then(NonZeroU16::new),
    }
}
