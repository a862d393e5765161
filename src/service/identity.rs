//! Users, service principals and groups of a workspace: who am I, read, create, change, delete.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::{Call, Error, Service};
use crate::domain::audit::Action;
use crate::domain::identity::{Assignment, Entry, Principal, PrincipalKind};
use crate::domain::scim::{Change, Draft, Page, Query, Sight, built_in, requested_name};
use crate::domain::token::{EndCause, Horizon};
use crate::domain::{Denial, PrincipalId, Workspace};
use crate::store::{Lock, Reader, StoreError, Writer};

impl Service {
    /// The caller itself.
    ///
    /// # Errors
    /// [`Denial::InvalidAccessToOrg`] when the principal went since the request was authorized.
    pub async fn me(&self, call: Call<'_>) -> Result<Entry, Error> {
        let caller = call.caller;
        let found = self.store.read().await?.find_assigned(&caller.workspace, caller.id).await?;
        let found = found.ok_or_else(|| Denial::org(caller.workspace.id))?;
        Ok(Entry::surrounded(&caller.workspace, found, &caller.standing, Vec::new()))
    }

    /// One principal of the workspace, and how much of it the caller sees.
    ///
    /// # Errors
    /// [`Denial::IdentityNotFound`]
    pub async fn identity(&self, call: Call<'_>, kind: PrincipalKind, id: &str) -> Result<(Entry, Sight), Error> {
        let workspace = &call.caller.workspace;
        let mut reader = self.store.read().await?;
        let found = find(&mut reader, workspace, kind, id).await?;
        Ok((load(&mut reader, workspace, found).await?, sight(call)))
    }

    /// The workspace's principals of a kind that a query asks for, and how much of them the caller sees.
    pub async fn identities(&self, call: Call<'_>, kind: PrincipalKind, query: &Query) -> Result<(Page, Sight), Error> {
        let workspace = &call.caller.workspace;
        let mut reader = self.store.read().await?;
        let assigned = reader.list_assigned(workspace).await?;
        let memberships = reader.list_memberships(workspace).await?;
        let sight = sight(call);
        Ok((query.select(Entry::directory(workspace, kind, assigned, &memberships), sight), sight))
    }

    /// Brings a principal into the workspace. A user or service principal that the account has
    /// already keeps its id; one that is new is made in the account too. A group is the workspace's.
    ///
    /// # Errors
    /// [`Denial::IdentityExists`], [`Denial::PrincipalNotFound`] for a member, [`Denial::Scim`]
    pub async fn create_identity(
        &self,
        call: Call<'_>,
        kind: PrincipalKind,
        body: &Map<String, Value>,
    ) -> Result<Entry, Error> {
        let workspace = &call.caller.workspace;
        let named = requested_name(kind, body)?;
        let mut writer = self.store.write(Lock::Workspace(workspace.id)).await?;
        let entropy = self.draw(&mut writer, workspace).await?;
        let name = named.unwrap_or_else(|| entropy.uuid().to_string());
        let elsewhere = unassigned_namesake(&mut writer, workspace, kind, &name).await?;
        let is_new = elsewhere.is_none();
        let fresh = || Principal {
            local_to: (kind == PrincipalKind::Group).then_some(workspace.id),
            ..Principal::new(entropy.principal_id(), kind, &name)
        };
        let draft = Draft::create(elsewhere.unwrap_or_else(fresh), body)?;
        let principal = &draft.principal;
        let stored = if is_new {
            writer.insert_principal(workspace.account, principal, self.clock.now()).await
        } else {
            writer.update_principal(workspace.account, principal).await
        };
        stored.map_err(|error| exists(error, kind, &name))?;
        writer.put_assignment(workspace.id, principal.id, &draft.assignment()).await?;
        let action = match kind {
            PrincipalKind::Group => Action::set_group(principal, true),
            PrincipalKind::User | PrincipalKind::ServicePrincipal => Action::add(principal),
        };
        self.record(&mut writer, call, action).await?;
        self.store_members(&mut writer, call, principal, &BTreeSet::new(), &draft.members).await?;
        self.enforce_permission_loss(&mut writer, call, workspace, &BTreeSet::new()).await?;
        self.finish(writer, workspace, kind, principal.id).await
    }

    /// Changes a principal. Deactivating blocks its tokens, and activating lets them work again.
    ///
    /// # Errors
    /// [`Denial::IdentityNotFound`], [`Denial::IdentityExists`] for a group's new name,
    /// [`Denial::PrincipalNotFound`] for a member, [`Denial::Scim`]
    pub async fn change_identity(
        &self,
        call: Call<'_>,
        kind: PrincipalKind,
        id: &str,
        change: &Change,
    ) -> Result<Entry, Error> {
        let workspace = &call.caller.workspace;
        let mut writer = self.store.write(Lock::Workspace(workspace.id)).await?;
        let (principal, assignment) = find(&mut writer, workspace, kind, id).await?;
        let members = match kind {
            PrincipalKind::Group => writer.list_members(workspace, principal.id).await?,
            PrincipalKind::User | PrincipalKind::ServicePrincipal => Vec::new(),
        };
        let before = Draft::new(principal, &assignment, members.iter().map(|member| member.id).collect());
        let mut after = before.clone();
        change.apply(&mut after)?;
        after.may_follow(&before, workspace)?;
        self.store_change(&mut writer, call, &before, &after).await?;
        self.enforce_permission_loss(&mut writer, call, workspace, &BTreeSet::new()).await?;
        self.finish(writer, workspace, kind, before.principal.id).await
    }

    async fn store_change(
        &self,
        writer: &mut Writer,
        call: Call<'_>,
        before: &Draft,
        after: &Draft,
    ) -> Result<(), Error> {
        let workspace = &call.caller.workspace;
        let principal = &after.principal;
        let (kind, name) = (principal.kind, &principal.name);
        if Principal::name_key(name) != Principal::name_key(&before.principal.name) {
            unassigned_namesake(writer, workspace, kind, name).await?;
        }
        if *principal != before.principal {
            let stored = writer.update_principal(workspace.account, principal).await;
            stored.map_err(|error| exists(error, kind, name))?;
        }
        writer.put_assignment(workspace.id, principal.id, &after.assignment()).await?;
        if after.active != before.active {
            self.record(writer, call, Action::set_active(principal, after.active)).await?;
        }
        self.store_members(writer, call, principal, &before.members, &after.members).await
    }

    /// Stores who came into a group and who left it.
    async fn store_members(
        &self,
        writer: &mut Writer,
        call: Call<'_>,
        group: &Principal,
        before: &BTreeSet<PrincipalId>,
        after: &BTreeSet<PrincipalId>,
    ) -> Result<(), Error> {
        let workspace = &call.caller.workspace;
        for id in before.symmetric_difference(after) {
            let is_member = after.contains(id);
            let found = writer.find_assigned(workspace, *id).await?;
            let (member, _) = found.ok_or(Denial::PrincipalNotFound(*id))?;
            if is_member {
                writer.put_member(workspace.account, group.id, *id).await?;
            } else {
                writer.remove_member(workspace.account, group.id, *id).await?;
            }
            self.record(writer, call, Action::set_member(group, &member, is_member)).await?;
            if group.id == workspace.admins_group {
                self.record(writer, call, Action::set_admin(&member, is_member)).await?;
            }
        }
        Ok(())
    }

    /// Takes a principal out of the workspace. Its tokens there end. Tokens that it created on
    /// behalf of others go on: they belong to their owners.
    ///
    /// # Errors
    /// [`Denial::IdentityNotFound`]; [`Denial::Scim`] for a built-in group
    pub async fn delete_identity(&self, call: Call<'_>, kind: PrincipalKind, id: &str) -> Result<(), Error> {
        let workspace = &call.caller.workspace;
        let mut writer = self.store.write(Lock::Workspace(workspace.id)).await?;
        let (principal, _) = find(&mut writer, workspace, kind, id).await?;
        if workspace.is_built_in(principal.id) {
            return Err(built_in(&principal.name, "deleted").into());
        }
        self.end_tokens_of(&mut writer, call, principal.id).await?;
        writer.remove_from_workspace(workspace, principal.id).await?;
        if principal.local_to.is_some() {
            writer.delete_group(workspace.account, principal.id).await?;
        }
        let action = match kind {
            PrincipalKind::Group => Action::set_group(&principal, false),
            PrincipalKind::User | PrincipalKind::ServicePrincipal => Action::delete(&principal),
        };
        self.record(&mut writer, call, action).await?;
        self.enforce_permission_loss(&mut writer, call, workspace, &BTreeSet::new()).await?;
        writer.commit().await?;
        Ok(())
    }

    /// Ends all tokens of an owner that a list could still show. Those that ended by themselves
    /// before keep their own cause.
    async fn end_tokens_of(&self, writer: &mut Writer, call: Call<'_>, owner: PrincipalId) -> Result<(), Error> {
        let caller = call.caller;
        let workspace = &caller.workspace;
        let listed = Horizon::with_expired(&workspace.behaviour, caller.now);
        for token in writer.list_tokens_of(workspace.id, owner, listed).await? {
            self.end_token(writer, call, &token, EndCause::OwnerDeleted).await?;
        }
        Ok(())
    }

    /// Ends a change with what the client is answered.
    async fn finish(
        &self,
        mut writer: Writer,
        workspace: &Workspace,
        kind: PrincipalKind,
        id: PrincipalId,
    ) -> Result<Entry, Error> {
        let found = find(&mut writer, workspace, kind, &id.to_string()).await?;
        let entry = load(&mut writer, workspace, found).await?;
        writer.commit().await?;
        Ok(entry)
    }
}

/// What the caller sees of others.
fn sight(call: Call<'_>) -> Sight {
    if call.caller.workspace_admin { Sight::Everything } else { Sight::Names }
}

async fn find(
    reader: &mut Reader,
    workspace: &Workspace,
    kind: PrincipalKind,
    id: &str,
) -> Result<(Principal, Assignment), Error> {
    let found = match PrincipalId::parse(id) {
        Some(id) => reader.find_assigned(workspace, id).await?,
        None => None,
    };
    let found = found.filter(|(principal, _)| principal.kind == kind);
    Ok(found.ok_or_else(|| Denial::IdentityNotFound(kind, id.to_owned()))?)
}

async fn load(reader: &mut Reader, workspace: &Workspace, found: (Principal, Assignment)) -> Result<Entry, Error> {
    let (id, kind) = (found.0.id, found.0.kind);
    let standing = reader.standing(workspace, id).await?;
    let members = match kind {
        PrincipalKind::Group => reader.list_members(workspace, id).await?,
        PrincipalKind::User | PrincipalKind::ServicePrincipal => Vec::new(),
    };
    Ok(Entry::surrounded(workspace, found, &standing, members))
}

/// The principal of the account that has this name but no place in the workspace.
///
/// # Errors
/// [`Denial::IdentityExists`] when one with this name is in the workspace.
async fn unassigned_namesake(
    reader: &mut Reader,
    workspace: &Workspace,
    kind: PrincipalKind,
    name: &str,
) -> Result<Option<Principal>, Error> {
    let mut found = None;
    for home in [None, Some(workspace.id)] {
        let Some(namesake) = reader.find_principal_named(workspace.account, home, kind, name).await? else { continue };
        if reader.find_assignment(workspace.id, namesake.id).await?.is_some() {
            return Err(Denial::IdentityExists(kind, name.to_owned()).into());
        }
        found = Some(namesake);
    }
    // A group of the account is another group than the workspace's own of that name.
    Ok(found.filter(|_| kind != PrincipalKind::Group))
}

/// A name that another workspace took in the meantime.
fn exists(error: StoreError, kind: PrincipalKind, name: &str) -> Error {
    match error {
        StoreError::Duplicate => Denial::IdentityExists(kind, name.to_owned()).into(),
        other => other.into(),
    }
}
