//! Accounts with their users, service principals, secrets and groups, and who is assigned to a workspace.

use uuid::{Builder, Uuid};

use super::walk::{Mode, Namespace, SeedWalk};
use crate::domain::identities::{Assignment, Attributes, Email, Principal, PrincipalKind};
use crate::domain::oauth::{ClientSecret, Secret, SecretHash, plan_secret, secret_scopes};
use crate::domain::seeds::{
    AccountSeed, GroupSeed, SecretSeed, SeedError, ServicePrincipalSeed, Text, UserSeed, instant,
};
use crate::domain::{AccountId, Denial, PrincipalId, Workspace, WorkspaceId};
use crate::service::Error;

/// A principal that a seed refers to.
pub(super) struct NamedPrincipal {
    pub(super) id: PrincipalId,
    pub(super) kind: PrincipalKind,
    pub(super) name: String,
}

impl From<Principal> for NamedPrincipal {
    fn from(principal: Principal) -> Self {
        Self { id: principal.id, kind: principal.kind, name: principal.name }
    }
}

impl SeedWalk<'_> {
    pub(super) async fn ensure_account(&mut self, id: AccountId) -> Result<(), Error> {
        let now = self.service.clock.now();
        if let Some(writer) = self.writer()?
            && !writer.has_account(id).await?
        {
            writer.insert_account(id, now).await?;
        }
        Ok(())
    }

    pub(super) async fn account(&mut self, id: AccountId, seed: &AccountSeed, field: &str) -> Result<(), Error> {
        self.ensure_account(id).await?;
        for user in &seed.users {
            self.principal(Namespace::account(id), &user_principal(user, field)?).await?;
            self.step().await?;
        }
        for (index, seed) in seed.service_principals.iter().enumerate() {
            self.service_principal(id, seed, &format!("{field}.service_principals[{index}]")).await?;
            self.step().await?;
        }
        self.groups(Namespace::account(id), &seed.groups, field).await
    }

    /// The users and service principals that a seed lists within a workspace.
    pub(super) async fn residents(
        &mut self,
        workspace: &Workspace,
        users: &[UserSeed],
        service_principals: &[ServicePrincipalSeed],
        field: &str,
    ) -> Result<(), Error> {
        let account = workspace.account;
        let usual = Assignment::usual(PrincipalKind::User);
        for user in users {
            let id = self.principal(Namespace::account(account), &user_principal(user, field)?).await?;
            self.assign(workspace.id, id, &Assignment { active: user.active_in_workspace, ..usual.clone() }).await?;
            if user.workspace_admin {
                self.add_admin(workspace, id).await?;
            }
            self.step().await?;
        }
        for (index, seed) in service_principals.iter().enumerate() {
            let id = self.service_principal(account, seed, &format!("{field}.service_principals[{index}]")).await?;
            self.assign(workspace.id, id, &Assignment { active: seed.active_in_workspace, ..usual.clone() }).await?;
            if seed.workspace_admin {
                self.add_admin(workspace, id).await?;
            }
            self.step().await?;
        }
        Ok(())
    }

    pub(super) async fn groups(
        &mut self,
        namespace: Namespace,
        groups: &[GroupSeed],
        field: &str,
    ) -> Result<(), Error> {
        let mut ids = Vec::new();
        for (index, group) in groups.iter().enumerate() {
            let field = format!("{field}.groups[{index}].display_name");
            let name = checked_name(PrincipalKind::Group, &group.display_name, &field)?;
            let principal = Principal {
                local_to: namespace.workspace,
                ..Principal::new(PrincipalId(0), PrincipalKind::Group, &name)
            };
            let id = self.principal(namespace, &principal).await?;
            if let Some(workspace) = namespace.workspace {
                self.assign(workspace, id, &Assignment::usual(PrincipalKind::Group)).await?;
            }
            ids.push(id);
            self.step().await?;
        }
        // Groups may be members of groups that come later.
        for (index, (group, id)) in groups.iter().zip(ids).enumerate() {
            for (member, name) in group.members.iter().enumerate() {
                let field = format!("{field}.groups[{index}].members[{member}]");
                let member = self.find(namespace, name, &field).await?;
                if let Some(writer) = self.writer()? {
                    writer.put_member(namespace.account, id, member.id).await?;
                }
                self.step().await?;
            }
        }
        Ok(())
    }

    /// Adds a principal unless one of that kind and name exists; returns its id.
    async fn principal(&mut self, namespace: Namespace, principal: &Principal) -> Result<PrincipalId, Error> {
        if matches!(self.mode, Mode::Check(_)) {
            self.plan(namespace, principal);
            return Ok(PrincipalId(0));
        }
        let Namespace { account, workspace } = namespace;
        let (kind, name) = (principal.kind, &principal.name);
        if let Some(known) = self.reader()?.find_principal_named(account, workspace, kind, name).await? {
            return Ok(known.id);
        }
        let local = workspace.map_or_else(String::new, |id| id.to_string());
        let bytes = self.chance(&format!("{account} {local} {} {name}", kind.as_str())).below(u64::MAX);
        let creation = self.service.principal_creation();
        let principal = Principal { id: PrincipalId::from_random(bytes), creation, ..principal.clone() };
        let now = self.service.clock.now();
        if let Some(writer) = self.writer()? {
            writer.insert_principal(account, &principal, now).await?;
        }
        self.added.principals += 1;
        Ok(principal.id)
    }

    async fn service_principal(
        &mut self,
        account: AccountId,
        seed: &ServicePrincipalSeed,
        field: &str,
    ) -> Result<PrincipalId, Error> {
        let purpose = format!("{account} application {}", seed.display_name.as_str());
        let drawn = Builder::from_random_bytes(self.chance(&purpose).bytes()).into_uuid();
        let application_id = seed.application_id.as_ref().map_or(Ok(drawn), |text| {
            let invalid = |_| SeedError::at(text, &format!("{field}.application_id"), "use a UUID");
            Uuid::parse_str(text.as_str()).map_err(invalid)
        })?;
        let principal = Principal {
            display_name: seed.display_name.as_str().to_owned(),
            active: seed.active,
            account_admin: seed.account_admin,
            external_id: seed.external_id.clone(),
            ..Principal::new(PrincipalId(0), PrincipalKind::ServicePrincipal, &application_id.to_string())
        };
        let id = self.principal(Namespace::account(account), &principal).await?;
        for (index, secret) in seed.secrets.iter().enumerate() {
            let checked = checked_secret(secret, &seed.display_name, &format!("{field}.secrets[{index}]"))?;
            self.secret(account, id, secret, checked).await?;
        }
        Ok(id)
    }

    async fn secret(
        &mut self,
        account: AccountId,
        principal: PrincipalId,
        seed: &SecretSeed,
        (hash, scopes): (SecretHash, Option<Vec<String>>),
    ) -> Result<(), Error> {
        let now = self.service.clock.now();
        let mut ids = self.chance(&format!("{account} {principal} secret {}", hash.as_str()));
        let Some(writer) = self.writer()? else { return Ok(()) };
        let stored = writer.list_secrets(account, principal).await?;
        if stored.iter().any(|known| known.hash == hash) {
            return Ok(());
        }
        let created_at = instant(seed.created, now).unwrap_or(now);
        let expires_at = match instant(seed.expires, now) {
            Some(at) => at,
            None => plan_secret(None, 0, created_at)?,
        };
        let id = Builder::from_random_bytes(ids.bytes()).into_uuid().to_string();
        Ok(writer.insert_secret(&Secret { id, account, principal, hash, created_at, expires_at, scopes }).await?)
    }

    /// Assigns a principal to a workspace, unless it is assigned already.
    pub(super) async fn assign(
        &mut self,
        workspace: WorkspaceId,
        id: PrincipalId,
        assignment: &Assignment,
    ) -> Result<(), Error> {
        if let Some(writer) = self.writer()?
            && !writer.is_assigned(workspace, id).await?
        {
            writer.put_assignment(workspace, id, assignment).await?;
        }
        Ok(())
    }

    async fn add_admin(&mut self, workspace: &Workspace, id: PrincipalId) -> Result<(), Error> {
        if let Some(writer) = self.writer()? {
            writer.put_member(workspace.account, workspace.admins_group, id).await?;
        }
        Ok(())
    }

    /// Finds a principal by e-mail address, application id, group name, or a service principal's display name.
    pub(super) async fn find(
        &mut self,
        namespace: Namespace,
        name: &Text,
        field: &str,
    ) -> Result<NamedPrincipal, Error> {
        let account = namespace.account;
        let of_account = Namespace::account(account);
        let candidates = [
            (PrincipalKind::User, of_account),
            (PrincipalKind::ServicePrincipal, of_account),
            (PrincipalKind::Group, namespace),
            (PrincipalKind::Group, of_account),
        ];
        for (kind, namespace) in candidates {
            let key = (namespace, kind, Principal::name_key(name.as_str()));
            if self.planned.principals.contains(&key) {
                return Ok(NamedPrincipal { id: PrincipalId(0), kind, name: name.as_str().to_owned() });
            }
            let local_to = namespace.workspace;
            if let Some(found) = self.reader()?.find_principal_named(account, local_to, kind, name.as_str()).await? {
                return Ok(found.into());
            }
        }
        let kind = PrincipalKind::ServicePrincipal;
        let displayed = self.reader()?.list_principals_by_display_name(account, kind, name.as_str()).await?;
        let planned = self.planned.displayed.get(&(account, name.as_str().to_owned()));
        let planned = planned.into_iter().flatten().filter(|key| !displayed.iter().any(|it| it.name == **key));
        let planned = planned.map(|key| NamedPrincipal { id: PrincipalId(0), kind, name: key.clone() });
        let planned = planned.collect::<Vec<_>>();
        let mut found = displayed.into_iter().map(NamedPrincipal::from).chain(planned);
        let name_text = name.as_str();
        let sentence = match (found.next(), found.next()) {
            (Some(found), None) => return Ok(found),
            (Some(_), Some(_)) => {
                format!("several service principals have the name '{name_text}': use the application id")
            }
            (None, _) => format!("there is no user, service principal or group '{name_text}'"),
        };
        Err(SeedError::at(name, field, sentence).into())
    }
}

/// A secret's hash and scopes.
fn checked_secret(seed: &SecretSeed, owner: &Text, field: &str) -> Result<(SecretHash, Option<Vec<String>>), Error> {
    let hash = match (&seed.value, &seed.hash) {
        (Some(text), None) => ClientSecret::parse(text.as_str())
            .map(|secret| secret.hash())
            .ok_or_else(|| SeedError::at(text, &format!("{field}.value"), "use dose and 32 lower-case hex digits"))?,
        (None, Some(text)) => SecretHash::parse(text.as_str())
            .ok_or_else(|| SeedError::at(text, &format!("{field}.hash"), "use 64 lower-case hex digits"))?,
        _ => return Err(SeedError::at(owner, field, "give either value or hash").into()),
    };
    let scopes = secret_scopes(seed.scopes.as_deref()).map_err(|denial| match denial {
        Denial::InvalidParameter(sentence) => Error::from(SeedError::at(owner, field, sentence)),
        denial => denial.into(),
    })?;
    Ok((hash, scopes))
}

/// A principal's name, normalized for storage.
fn checked_name(kind: PrincipalKind, text: &Text, field: &str) -> Result<String, SeedError> {
    Principal::checked_name(kind, text.as_str())
        .map_err(|expected| SeedError::at(text, field, format!("expected {expected}")))
}

fn user_principal(seed: &UserSeed, field: &str) -> Result<Principal, SeedError> {
    let name = &*checked_name(PrincipalKind::User, &seed.user_name, &format!("{field}.users: user_name"))?;
    let email = Email { value: name.to_owned(), kind: Some("work".into()), primary: true };
    Ok(Principal {
        display_name: seed.display_name.clone().unwrap_or_else(|| name.to_owned()),
        active: seed.active,
        account_admin: seed.account_admin,
        external_id: seed.external_id.clone(),
        attributes: Attributes { emails: vec![email], ..Attributes::default() },
        ..Principal::new(PrincipalId(0), PrincipalKind::User, name)
    })
}
