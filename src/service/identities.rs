//! Users, service principals and groups, of a workspace or of the account: me, read, create, change, delete. Lists are in
//! `listings`. What a change means is up to `domain::scim`; here it is stored, with everything that follows from it.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::domain::audit::Action;
use crate::domain::identities::{Assignment, Directory, Entry, Member, Principal, PrincipalKind};
use crate::domain::scim::{
    Change, Draft, Sight, built_in, cannot_remove_roles, in_through_a_group, keeps_own_roles, requested_name,
};
use crate::domain::tokens::{EndCause, Visibility};
use crate::domain::{Denial, PrincipalId, WorkspaceId};
use crate::service::{Call, Error, Service};
use crate::store::{Lock, Reader, StoreError, Writer};

/// The SCIM resources of one kind in one directory.
#[derive(Clone, Copy, Debug)]
pub struct Collection {
    pub directory: Directory,
    pub kind: PrincipalKind,
}

/// A call, and the directory that it acts on.
#[derive(Clone, Copy)]
pub(super) struct DirectoryCall<'a> {
    pub(super) call: Call<'a>,
    pub(super) directory: Directory,
}

/// A group's members before and after a change.
pub(super) struct MemberChange<'a> {
    pub(super) before: &'a BTreeSet<PrincipalId>,
    pub(super) after: &'a BTreeSet<PrincipalId>,
}

impl Collection {
    fn by(self, call: Call<'_>) -> DirectoryCall<'_> {
        DirectoryCall { call, directory: self.directory }
    }
}

impl DirectoryCall<'_> {
    fn lock(self) -> Lock {
        match self.directory {
            Directory::Workspace => Lock::Workspace(self.call.caller.workspace.id),
            Directory::Account => Lock::Account(self.call.caller.account()),
        }
    }

    /// What the caller may see of other principals.
    pub(super) fn sight(self) -> Sight {
        let everything = self.directory == Directory::Account || self.call.caller.workspace_admin;
        if everything { Sight::Everything } else { Sight::Names }
    }
}

impl Service {
    /// # Errors
    /// `AccessDenial::InvalidAccessToOrg` when the caller was removed after the request was authorized.
    pub async fn me(&self, call: Call<'_>) -> Result<Entry, Error> {
        let caller = call.caller;
        let found = self.store.read().await?.find_assigned(&caller.workspace, caller.id).await?;
        let found = found.ok_or_else(|| Denial::org(caller.workspace.id))?;
        let everybody = Some(caller.workspace.users_group);
        Ok(Entry::surrounded(everybody, found, &caller.standing.memberships, Vec::new()))
    }

    /// A principal, and how much of it the caller may see.
    ///
    /// # Errors
    /// [`Denial::IdentityNotFound`]
    pub async fn identity(&self, call: Call<'_>, collection: Collection, id: &str) -> Result<(Entry, Sight), Error> {
        let at = collection.by(call);
        let mut reader = self.store.read().await?;
        let found = find(&mut reader, at, collection.kind, id).await?;
        Ok((load(&mut reader, at, found).await?, at.sight()))
    }

    /// Creates a principal, or assigns one of the account to the workspace. A user or service principal that the account
    /// has by name keeps its id; otherwise it is created in the account too. A workspace's group is its own.
    ///
    /// # Errors
    /// [`Denial::IdentityExists`], [`Denial::PrincipalNotFound`] for a member, [`Denial::Scim`]
    pub async fn create_identity(
        &self,
        call: Call<'_>,
        collection: Collection,
        body: &Map<String, Value>,
    ) -> Result<Entry, Error> {
        let Collection { directory, kind } = collection;
        let at = collection.by(call);
        let workspace = &call.caller.workspace;
        let named = requested_name(kind, body)?;
        let mut writer = self.store.write_in(workspace, at.lock()).await?;
        let entropy = self.draw(&mut writer, workspace).await?;
        let name = named.unwrap_or_else(|| entropy.uuid().to_string());
        let elsewhere = namesake_elsewhere(&mut writer, at, kind, &name).await?;
        let is_new = elsewhere.is_none();
        let new = || Principal {
            local_to: (directory == Directory::Workspace && kind == PrincipalKind::Group).then_some(workspace.id),
            creation: self.principal_creation(),
            ..Principal::new(entropy.principal_id(), kind, &name)
        };
        let draft = Draft::create(elsewhere.unwrap_or_else(new), body)?.settled(directory)?;
        let principal = &draft.principal;
        let stored = if is_new {
            writer.insert_principal(workspace.account, principal, self.clock.now()).await
        } else {
            writer.update_principal(workspace.account, principal).await
        };
        stored.map_err(|error| exists(error, collection, &name))?;
        if directory == Directory::Workspace {
            writer.put_assignment(workspace.id, principal.id, &draft.assignment()).await?;
        }
        let action = match kind {
            PrincipalKind::Group => Action::on_group("createGroup", principal),
            PrincipalKind::User | PrincipalKind::ServicePrincipal => Action::add(principal),
        };
        self.record(&mut writer, call.entry_in(directory, action)).await?;
        if directory == Directory::Account && principal.account_admin {
            self.record(&mut writer, call.entry_in(directory, Action::on_principal("setAccountAdmin", principal)))
                .await?;
        }
        let members = MemberChange { before: &BTreeSet::new(), after: &draft.members };
        self.store_members(&mut writer, at, principal, members).await?;
        self.commit_change(writer, at, principal).await
    }

    /// Changes a principal. Deactivating it suspends its tokens until it is activated again.
    ///
    /// # Errors
    /// [`Denial::IdentityNotFound`], [`Denial::IdentityExists`] for a group's new name,
    /// [`Denial::PrincipalNotFound`] for a member, [`Denial::Scim`]
    pub async fn change_identity(
        &self,
        call: Call<'_>,
        collection: Collection,
        id: &str,
        change: &Change,
    ) -> Result<Entry, Error> {
        let at = collection.by(call);
        let mut writer = self.store.write_in(&call.caller.workspace, at.lock()).await?;
        let (principal, assignment) = find(&mut writer, at, collection.kind, id).await?;
        let members = list_members(&mut writer, at, &principal).await?;
        let before = Draft::new(principal, &assignment, members.iter().map(|member| member.id).collect());
        let mut after = before.clone();
        change.apply(&mut after)?;
        let after = after.settled(at.directory)?;
        match at.directory {
            Directory::Workspace => after.may_follow(&before, &call.caller.workspace)?,
            Directory::Account => keeps_own_roles(call.caller.id, &before.principal, &after.principal)?,
        }
        self.store_change(&mut writer, at, &before, &after).await?;
        self.commit_change(writer, at, &before.principal).await
    }

    async fn store_change(
        &self,
        writer: &mut Writer,
        at: DirectoryCall<'_>,
        before: &Draft,
        after: &Draft,
    ) -> Result<(), Error> {
        let DirectoryCall { call, directory } = at;
        let workspace = &call.caller.workspace;
        let principal = &after.principal;
        let (kind, name) = (principal.kind, &principal.name);
        if Principal::name_key(name) != Principal::name_key(&before.principal.name) {
            namesake_elsewhere(writer, at, kind, name).await?;
        }
        if *principal != before.principal {
            let stored = writer.update_principal(workspace.account, principal).await;
            stored.map_err(|error| exists(error, Collection { directory, kind }, name))?;
        }
        if directory == Directory::Workspace && after.assignment() != before.assignment() {
            writer.put_assignment_attributes(workspace.id, principal.id, &after.assignment()).await?;
        }
        if after.active != before.active {
            let name = if after.active { "activateUser" } else { "deactivateUser" };
            self.record(writer, call.entry_in(directory, Action::on_principal(name, principal))).await?;
        }
        let admin = principal.account_admin;
        if admin != before.principal.account_admin {
            let name = if admin { "setAccountAdmin" } else { "removeAccountAdmin" };
            self.record(writer, call.entry_in(directory, Action::on_principal(name, principal))).await?;
        }
        let members = MemberChange { before: &before.members, after: &after.members };
        self.store_members(writer, at, principal, members).await
    }

    pub(super) async fn store_members(
        &self,
        writer: &mut Writer,
        at: DirectoryCall<'_>,
        group: &Principal,
        change: MemberChange<'_>,
    ) -> Result<(), Error> {
        let DirectoryCall { call, directory } = at;
        let workspace = &call.caller.workspace;
        for id in change.before.symmetric_difference(change.after) {
            let is_member = change.after.contains(id);
            let found = find_any(writer, at, *id).await?;
            let (member, _) = found.ok_or(Denial::PrincipalNotFound(*id))?;
            if is_member {
                writer.put_member(workspace.account, group.id, *id).await?;
            } else {
                writer.remove_member(workspace.account, group.id, *id).await?;
            }
            let name = if is_member { "addPrincipalToGroup" } else { "removePrincipalFromGroup" };
            self.record(writer, call.entry_in(directory, Action::on_member(name, group, &member))).await?;
            if group.id == workspace.admins_group {
                let name = if is_member { "setAdmin" } else { "removeAdmin" };
                self.record(writer, call.entry(Action::on_principal(name, &member))).await?;
            }
        }
        Ok(())
    }

    /// Removes a principal from the workspace, or deletes it from the account and all its workspaces. Its tokens there
    /// end. Tokens that it created on behalf of others stay, because they belong to their owners.
    ///
    /// # Errors
    /// [`Denial::IdentityNotFound`]; [`Denial::Scim`] for a built-in group, for a principal that is in the workspace only
    /// through a group, and for the last account admin
    pub async fn delete_identity(&self, call: Call<'_>, collection: Collection, id: &str) -> Result<(), Error> {
        let at = collection.by(call);
        let workspace = &call.caller.workspace;
        let mut writer = self.store.write_in(workspace, at.lock()).await?;
        let (principal, _) = find(&mut writer, at, collection.kind, id).await?;
        match at.directory {
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
                self.record(&mut writer, call.entry_in(at.directory, removal(&principal))).await?;
            }
        }
        self.enforce_consequences(&mut writer, at, principal.id).await?;
        Ok(writer.commit().await?)
    }

    /// Removes a principal from the caller's workspace.
    pub(super) async fn unassign(
        &self,
        writer: &mut Writer,
        call: Call<'_>,
        principal: &Principal,
    ) -> Result<(), Error> {
        self.end_tokens_of(writer, call, principal.id).await?;
        writer.remove_from_workspace(&call.caller.workspace, principal.id).await?;
        Ok(self.record(writer, call.entry(removal(principal))).await?)
    }

    /// Ends the tokens of principals that lost the permission, and refuses a change that leaves no account admin.
    async fn enforce_consequences(
        &self,
        writer: &mut Writer,
        at: DirectoryCall<'_>,
        changed: PrincipalId,
    ) -> Result<(), Error> {
        let call = at.call;
        let account = call.caller.account();
        if at.directory == Directory::Workspace {
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

    /// Ends all tokens of an owner that are live or still listed. Tokens that have ended before keep their cause.
    async fn end_tokens_of(&self, writer: &mut Writer, call: Call<'_>, owner: PrincipalId) -> Result<(), Error> {
        let caller = call.caller;
        let workspace = &caller.workspace;
        let listed = Visibility::with_expired(&workspace.behaviour, caller.now);
        for token in writer.list_tokens_of(workspace.id, owner, listed).await? {
            self.end_token(writer, call, &token, EndCause::OwnerDeleted).await?;
        }
        Ok(())
    }

    /// Commits a change; returns the principal for the answer.
    async fn commit_change(
        &self,
        mut writer: Writer,
        at: DirectoryCall<'_>,
        changed: &Principal,
    ) -> Result<Entry, Error> {
        self.enforce_consequences(&mut writer, at, changed.id).await?;
        let found = find(&mut writer, at, changed.kind, &changed.id.to_string()).await?;
        let entry = load(&mut writer, at, found).await?;
        writer.commit().await?;
        Ok(entry)
    }
}

fn removal(principal: &Principal) -> Action {
    match principal.kind {
        PrincipalKind::Group => Action::on_group("removeGroup", principal),
        PrincipalKind::User | PrincipalKind::ServicePrincipal => Action::delete(principal),
    }
}

/// A principal of a directory with its assignment. The account's directory does not have the workspaces' own groups.
pub(super) async fn find_any(
    reader: &mut Reader,
    at: DirectoryCall<'_>,
    id: PrincipalId,
) -> Result<Option<(Principal, Assignment)>, StoreError> {
    let workspace = &at.call.caller.workspace;
    match at.directory {
        Directory::Workspace => reader.find_assigned(workspace, id).await,
        Directory::Account => {
            let found = reader.find_principal(workspace.account, id).await?;
            Ok(found.filter(|principal| principal.local_to.is_none()).map(|principal| {
                let assignment = Assignment::in_account(&principal);
                (principal, assignment)
            }))
        }
    }
}

async fn find(
    reader: &mut Reader,
    at: DirectoryCall<'_>,
    kind: PrincipalKind,
    id: &str,
) -> Result<(Principal, Assignment), Error> {
    let found = match PrincipalId::parse(id) {
        Some(id) => find_any(reader, at, id).await?,
        None => None,
    };
    let found = found.filter(|(principal, _)| principal.kind == kind);
    Ok(found.ok_or_else(|| Denial::IdentityNotFound(kind, id.to_owned()))?)
}

/// A group's direct members; empty for other principals.
pub(super) async fn list_members(
    reader: &mut Reader,
    at: DirectoryCall<'_>,
    group: &Principal,
) -> Result<Vec<Member>, StoreError> {
    let workspace = &at.call.caller.workspace;
    match (group.kind, at.directory) {
        (PrincipalKind::Group, Directory::Workspace) => reader.list_members(workspace, group.id).await,
        (PrincipalKind::Group, Directory::Account) => reader.list_members_in_account(workspace.account, group.id).await,
        (PrincipalKind::User | PrincipalKind::ServicePrincipal, _) => Ok(Vec::new()),
    }
}

async fn load(reader: &mut Reader, at: DirectoryCall<'_>, found: (Principal, Assignment)) -> Result<Entry, StoreError> {
    let members = list_members(reader, at, &found.0).await?;
    with_groups(reader, at, found, members).await
}

/// Adds the groups that a principal is in.
pub(super) async fn with_groups(
    reader: &mut Reader,
    at: DirectoryCall<'_>,
    found: (Principal, Assignment),
    members: Vec<Member>,
) -> Result<Entry, StoreError> {
    let workspace = &at.call.caller.workspace;
    let (everybody, memberships) = match at.directory {
        Directory::Workspace => {
            (Some(workspace.users_group), reader.workspace_memberships(workspace, found.0.id).await?.memberships)
        }
        Directory::Account => (None, reader.account_memberships(workspace.account, found.0.id).await?),
    };
    Ok(Entry::surrounded(everybody, found, &memberships, members))
}

/// The principal of the account that has this name but is not in the workspace.
///
/// # Errors
/// [`Denial::IdentityExists`] when the directory has one with this name.
async fn namesake_elsewhere(
    reader: &mut Reader,
    at: DirectoryCall<'_>,
    kind: PrincipalKind,
    name: &str,
) -> Result<Option<Principal>, Error> {
    let workspace = &at.call.caller.workspace;
    let homes: &[Option<WorkspaceId>] = match at.directory {
        Directory::Workspace => &[None, Some(workspace.id)],
        Directory::Account => &[None],
    };
    let mut found = None;
    for home in homes {
        let Some(namesake) = reader.find_principal_named(workspace.account, *home, kind, name).await? else { continue };
        if find_any(reader, at, namesake.id).await?.is_some() {
            return Err(Denial::IdentityExists(at.directory, kind, name.to_owned()).into());
        }
        found = Some(namesake);
    }
    // A group of the account and a workspace's own group of the same name are two groups.
    Ok(found.filter(|_| kind != PrincipalKind::Group))
}

/// Handles a name that another workspace took in the meantime.
fn exists(error: StoreError, Collection { directory, kind }: Collection, name: &str) -> Error {
    match error {
        StoreError::Duplicate => Denial::IdentityExists(directory, kind, name.to_owned()).into(),
        other => other.into(),
    }
}
