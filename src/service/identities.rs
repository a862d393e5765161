//! Users, service principals and groups of a workspace or of the account: who am I, read, create,
//! change, delete.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::domain::audit::Action;
use crate::domain::identities::{Assignment, Directory, Entry, Member, Principal, PrincipalKind};
use crate::domain::scim::{
    Change, Draft, Sight, built_in, cannot_remove_roles, in_through_a_group, keeps_own_roles, requested_name,
};
use crate::domain::tokens::{EndCause, Visibility};
use crate::domain::{Denial, PrincipalId};
use crate::service::{Call, Error, Service};
use crate::store::{Lock, Reader, StoreError, Writer};

impl Service {
    /// The caller itself.
    ///
    /// # Errors
    /// [`AccessDenial::InvalidAccessToOrg`] when the principal went since the request was authorized.
    pub async fn me(&self, call: Call<'_>) -> Result<Entry, Error> {
        let caller = call.caller;
        let found = self.store.read().await?.find_assigned(&caller.workspace, caller.id).await?;
        let found = found.ok_or_else(|| Denial::org(caller.workspace.id))?;
        let everybody = Some(caller.workspace.users_group);
        Ok(Entry::surrounded(everybody, found, &caller.standing.reach, Vec::new()))
    }

    /// One principal, and how much of it the caller sees.
    ///
    /// # Errors
    /// [`Denial::IdentityNotFound`]
    pub async fn identity(
        &self,
        call: Call<'_>,
        directory: Directory,
        kind: PrincipalKind,
        id: &str,
    ) -> Result<(Entry, Sight), Error> {
        let mut reader = self.store.read().await?;
        let found = find(&mut reader, call, directory, kind, id).await?;
        Ok((load(&mut reader, call, directory, found, true).await?, sight(call, directory)))
    }

    /// Makes a principal in the account, or brings one into the workspace. A user or service principal
    /// that the account has already then keeps its id; one that is new is made in the account too. A
    /// workspace's group is its own.
    ///
    /// # Errors
    /// [`Denial::IdentityExists`], [`Denial::PrincipalNotFound`] for a member, [`Denial::Scim`]
    pub async fn create_identity(
        &self,
        call: Call<'_>,
        directory: Directory,
        kind: PrincipalKind,
        body: &Map<String, Value>,
    ) -> Result<Entry, Error> {
        let workspace = &call.caller.workspace;
        let named = requested_name(kind, body)?;
        let mut writer = self.store.write_in(&call.caller.workspace, lock(call, directory)).await?;
        let entropy = self.draw(&mut writer, workspace).await?;
        let name = named.unwrap_or_else(|| entropy.uuid().to_string());
        let elsewhere = namesake_elsewhere(&mut writer, call, directory, kind, &name).await?;
        let is_new = elsewhere.is_none();
        let fresh = || Principal {
            local_to: (directory == Directory::Workspace && kind == PrincipalKind::Group).then_some(workspace.id),
            creation: self.principal_creation(),
            ..Principal::new(entropy.principal_id(), kind, &name)
        };
        let draft = Draft::create(elsewhere.unwrap_or_else(fresh), body)?.settled(directory)?;
        let principal = &draft.principal;
        let stored = if is_new {
            writer.insert_principal(workspace.account, principal, self.clock.now()).await
        } else {
            writer.update_principal(workspace.account, principal).await
        };
        stored.map_err(|error| exists(error, directory, kind, &name))?;
        if directory == Directory::Workspace {
            writer.put_assignment(workspace.id, principal.id, &draft.assignment()).await?;
        }
        let action = match kind {
            PrincipalKind::Group => Action::set_group(principal, true),
            PrincipalKind::User | PrincipalKind::ServicePrincipal => Action::add(principal),
        };
        self.record(&mut writer, call.entry_in(directory, action)).await?;
        if directory == Directory::Account && principal.account_admin {
            self.record(&mut writer, call.entry_in(directory, Action::set_account_admin(principal, true))).await?;
        }
        self.store_members(&mut writer, call, directory, principal, &BTreeSet::new(), &draft.members).await?;
        self.finish(writer, call, directory, kind, principal.id).await
    }

    /// Changes a principal. Deactivating blocks its tokens, and activating lets them work again.
    ///
    /// # Errors
    /// [`Denial::IdentityNotFound`], [`Denial::IdentityExists`] for a group's new name,
    /// [`Denial::PrincipalNotFound`] for a member, [`Denial::Scim`]
    pub async fn change_identity(
        &self,
        call: Call<'_>,
        directory: Directory,
        kind: PrincipalKind,
        id: &str,
        change: &Change,
    ) -> Result<Entry, Error> {
        let mut writer = self.store.write_in(&call.caller.workspace, lock(call, directory)).await?;
        let (principal, place) = find(&mut writer, call, directory, kind, id).await?;
        let members = list_members(&mut writer, call, directory, &principal).await?;
        let before = Draft::new(principal, &place, members.iter().map(|member| member.id).collect());
        let mut after = before.clone();
        change.apply(&mut after)?;
        let after = after.settled(directory)?;
        match directory {
            Directory::Workspace => after.may_follow(&before, &call.caller.workspace)?,
            Directory::Account => keeps_own_roles(call.caller.id, &before.principal, &after.principal)?,
        }
        self.store_change(&mut writer, call, directory, &before, &after).await?;
        self.finish(writer, call, directory, kind, before.principal.id).await
    }

    async fn store_change(
        &self,
        writer: &mut Writer,
        call: Call<'_>,
        directory: Directory,
        before: &Draft,
        after: &Draft,
    ) -> Result<(), Error> {
        let workspace = &call.caller.workspace;
        let principal = &after.principal;
        let (kind, name) = (principal.kind, &principal.name);
        if Principal::name_key(name) != Principal::name_key(&before.principal.name) {
            namesake_elsewhere(writer, call, directory, kind, name).await?;
        }
        if *principal != before.principal {
            let stored = writer.update_principal(workspace.account, principal).await;
            stored.map_err(|error| exists(error, directory, kind, name))?;
        }
        if directory == Directory::Workspace && after.assignment() != before.assignment() {
            writer.put_assignment_attributes(workspace.id, principal.id, &after.assignment()).await?;
        }
        if after.active != before.active {
            self.record(writer, call.entry_in(directory, Action::set_active(principal, after.active))).await?;
        }
        let admin = principal.account_admin;
        if admin != before.principal.account_admin {
            self.record(writer, call.entry_in(directory, Action::set_account_admin(principal, admin))).await?;
        }
        self.store_members(writer, call, directory, principal, &before.members, &after.members).await
    }

    /// Stores who came into a group and who left it.
    pub(super) async fn store_members(
        &self,
        writer: &mut Writer,
        call: Call<'_>,
        directory: Directory,
        group: &Principal,
        before: &BTreeSet<PrincipalId>,
        after: &BTreeSet<PrincipalId>,
    ) -> Result<(), Error> {
        let workspace = &call.caller.workspace;
        for id in before.symmetric_difference(after) {
            let is_member = after.contains(id);
            let found = find_any(writer, call, directory, *id).await?;
            let (member, _) = found.ok_or(Denial::PrincipalNotFound(*id))?;
            if is_member {
                writer.put_member(workspace.account, group.id, *id).await?;
            } else {
                writer.remove_member(workspace.account, group.id, *id).await?;
            }
            self.record(writer, call.entry_in(directory, Action::set_member(group, &member, is_member))).await?;
            if group.id == workspace.admins_group {
                self.record(writer, call.entry(Action::set_admin(&member, is_member))).await?;
            }
        }
        Ok(())
    }

    /// Takes a principal out of the workspace, or out of the account and all of its workspaces. Its
    /// tokens there end. Tokens that it created on behalf of others go on: they belong to their owners.
    ///
    /// # Errors
    /// [`Denial::IdentityNotFound`]; [`Denial::Scim`] for a built-in group, for who is in the workspace
    /// through a group alone, and for the last account admin
    pub async fn delete_identity(
        &self,
        call: Call<'_>,
        directory: Directory,
        kind: PrincipalKind,
        id: &str,
    ) -> Result<(), Error> {
        let workspace = &call.caller.workspace;
        let mut writer = self.store.write_in(&call.caller.workspace, lock(call, directory)).await?;
        let (principal, _) = find(&mut writer, call, directory, kind, id).await?;
        match directory {
            Directory::Workspace => {
                if workspace.is_built_in(principal.id) {
                    return Err(built_in(&principal.name, "deleted").into());
                }
                if !writer.is_assigned(workspace.id, principal.id).await? {
                    return Err(in_through_a_group(&principal.name).into());
                }
                self.unassign(&mut writer, call, &principal).await?;
                if principal.local_to.is_some() {
                    writer.delete_principal(workspace.account, principal.id).await?;
                }
            }
            Directory::Account => {
                for workspace in writer.list_workspaces(workspace.account).await? {
                    let there = call.caller.acting_in(&workspace, self.clock.now());
                    let there = Call { caller: &there, ..call };
                    self.end_tokens_of(&mut writer, there, principal.id).await?;
                    writer.remove_from_workspace(&workspace, principal.id).await?;
                }
                self.forget_roles(&mut writer, workspace.account, &principal).await?;
                writer.delete_principal(workspace.account, principal.id).await?;
                self.record(&mut writer, call.entry_in(directory, removal(&principal))).await?;
            }
        }
        self.conclude(&mut writer, call, directory, principal.id).await?;
        writer.commit().await?;
        Ok(())
    }

    /// Takes a principal out of the caller's workspace.
    pub(super) async fn unassign(
        &self,
        writer: &mut Writer,
        call: Call<'_>,
        principal: &Principal,
    ) -> Result<(), Error> {
        self.end_tokens_of(writer, call, principal.id).await?;
        writer.remove_from_workspace(&call.caller.workspace, principal.id).await?;
        self.record(writer, call.entry(removal(principal))).await?;
        Ok(())
    }

    /// Sees to what follows from a change, in the workspace or in all of the account, of the principal
    /// that was changed: tokens of who lost the permission, and that an account admin is left.
    async fn conclude(
        &self,
        writer: &mut Writer,
        call: Call<'_>,
        directory: Directory,
        changed: PrincipalId,
    ) -> Result<(), Error> {
        let account = call.caller.account();
        if directory == Directory::Workspace {
            return self.enforce_permission_loss(writer, call, &call.caller.workspace, &BTreeSet::new()).await;
        }
        if !writer.has_account_admin(account).await? {
            return Err(cannot_remove_roles(changed).into());
        }
        for workspace in writer.list_workspaces(account).await? {
            let there = call.caller.acting_in(&workspace, self.clock.now());
            let there = Call { caller: &there, ..call };
            self.enforce_permission_loss(writer, there, &workspace, &BTreeSet::new()).await?;
        }
        Ok(())
    }

    /// Ends all tokens of an owner that a list could still show. Those that ended by themselves
    /// before keep their own cause.
    async fn end_tokens_of(&self, writer: &mut Writer, call: Call<'_>, owner: PrincipalId) -> Result<(), Error> {
        let caller = call.caller;
        let workspace = &caller.workspace;
        let listed = Visibility::with_expired(&workspace.behaviour, caller.now);
        for token in writer.list_tokens_of(workspace.id, owner, listed).await? {
            self.end_token(writer, call, &token, EndCause::OwnerDeleted).await?;
        }
        Ok(())
    }

    /// Ends a change with what the client is answered.
    async fn finish(
        &self,
        mut writer: Writer,
        call: Call<'_>,
        directory: Directory,
        kind: PrincipalKind,
        id: PrincipalId,
    ) -> Result<Entry, Error> {
        self.conclude(&mut writer, call, directory, id).await?;
        let found = find(&mut writer, call, directory, kind, &id.to_string()).await?;
        let entry = load(&mut writer, call, directory, found, true).await?;
        writer.commit().await?;
        Ok(entry)
    }
}

/// What a change of a directory excludes others from.
fn lock(call: Call<'_>, directory: Directory) -> Lock {
    match directory {
        Directory::Workspace => Lock::Workspace(call.caller.workspace.id),
        Directory::Account => Lock::Account(call.caller.account()),
    }
}

/// What the caller sees of others.
pub(super) fn sight(call: Call<'_>, directory: Directory) -> Sight {
    let everything = directory == Directory::Account || call.caller.workspace_admin;
    if everything { Sight::Everything } else { Sight::Names }
}

/// The audit event of who leaves.
fn removal(principal: &Principal) -> Action {
    match principal.kind {
        PrincipalKind::Group => Action::set_group(principal, false),
        PrincipalKind::User | PrincipalKind::ServicePrincipal => Action::delete(principal),
    }
}

fn with_place(principal: Principal) -> (Principal, Assignment) {
    let place = Assignment::in_account(&principal);
    (principal, place)
}

/// A principal of a directory with its place there. The workspaces' own groups are not in the account's.
pub(super) async fn find_any(
    reader: &mut Reader,
    call: Call<'_>,
    directory: Directory,
    id: PrincipalId,
) -> Result<Option<(Principal, Assignment)>, StoreError> {
    let workspace = &call.caller.workspace;
    match directory {
        Directory::Workspace => reader.find_assigned(workspace, id).await,
        Directory::Account => {
            let found = reader.find_principal(workspace.account, id).await?;
            Ok(found.filter(|principal| principal.local_to.is_none()).map(with_place))
        }
    }
}

async fn find(
    reader: &mut Reader,
    call: Call<'_>,
    directory: Directory,
    kind: PrincipalKind,
    id: &str,
) -> Result<(Principal, Assignment), Error> {
    let found = match PrincipalId::parse(id) {
        Some(id) => find_any(reader, call, directory, id).await?,
        None => None,
    };
    let found = found.filter(|(principal, _)| principal.kind == kind);
    Ok(found.ok_or_else(|| Denial::IdentityNotFound(kind, id.to_owned()))?)
}

/// The direct members of a group; of anything else, none.
async fn list_members(
    reader: &mut Reader,
    call: Call<'_>,
    directory: Directory,
    group: &Principal,
) -> Result<Vec<Member>, StoreError> {
    let workspace = &call.caller.workspace;
    match (group.kind, directory) {
        (PrincipalKind::Group, Directory::Workspace) => reader.list_members(workspace, group.id).await,
        (PrincipalKind::Group, Directory::Account) => reader.list_members_in_account(workspace.account, group.id).await,
        (PrincipalKind::User | PrincipalKind::ServicePrincipal, _) => Ok(Vec::new()),
    }
}

pub(super) async fn load(
    reader: &mut Reader,
    call: Call<'_>,
    directory: Directory,
    found: (Principal, Assignment),
    with_members: bool,
) -> Result<Entry, Error> {
    let workspace = &call.caller.workspace;
    let (everybody, reach) = match directory {
        Directory::Workspace => {
            (Some(workspace.users_group), reader.workspace_memberships(workspace, found.0.id).await?.reach)
        }
        Directory::Account => (None, reader.account_memberships(workspace.account, found.0.id).await?),
    };
    let members = if with_members { list_members(reader, call, directory, &found.0).await? } else { Vec::new() };
    Ok(Entry::surrounded(everybody, found, &reach, members))
}

/// The principal of the account that has this name but no place in the workspace.
///
/// # Errors
/// [`Denial::IdentityExists`] when one with this name is in the directory.
async fn namesake_elsewhere(
    reader: &mut Reader,
    call: Call<'_>,
    directory: Directory,
    kind: PrincipalKind,
    name: &str,
) -> Result<Option<Principal>, Error> {
    let workspace = &call.caller.workspace;
    let homes: &[_] = match directory {
        Directory::Workspace => &[None, Some(workspace.id)],
        Directory::Account => &[None],
    };
    let mut found = None;
    for home in homes {
        let Some(namesake) = reader.find_principal_named(workspace.account, *home, kind, name).await? else { continue };
        if find_any(reader, call, directory, namesake.id).await?.is_some() {
            return Err(Denial::IdentityExists(directory, kind, name.to_owned()).into());
        }
        found = Some(namesake);
    }
    // A group of the account is another group than the workspace's own of that name.
    Ok(found.filter(|_| kind != PrincipalKind::Group))
}

/// A name that another workspace took in the meantime.
fn exists(error: StoreError, directory: Directory, kind: PrincipalKind, name: &str) -> Error {
    match error {
        StoreError::Duplicate => Denial::IdentityExists(directory, kind, name.to_owned()).into(),
        other => other.into(),
    }
}
