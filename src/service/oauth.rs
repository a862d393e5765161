//! Access tokens: issued for a service principal's secret, and looked at on every call.

use super::explain::owner_of;
use super::keys::sign;
use super::{Error, Service};
use crate::domain::authorize::{Demand, Facts, Found, NamedWorkspace, Owner, Right};
use crate::domain::clock::WorkspaceClock;
use crate::domain::identity::PrincipalKind;
use crate::domain::jwt::{AccessToken, Audience, Claims, Forgery, LIFETIME_SECONDS};
use crate::domain::oauth::{Refusal, Secret, TokenRequest, find_secret};
use crate::domain::{AccountId, Denial, Workspace};
use crate::store::{Reader, StoreError};

/// The token endpoint that was asked: the workspace's or the account's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Issuer {
    /// For one workspace: the named one, else the first that the principal is assigned to.
    Workspace(NamedWorkspace),
    /// For all of the account.
    Account(AccountId),
}

impl Service {
    /// The account that an account path names.
    ///
    /// # Errors
    /// [`Denial::AccountNotFound`]
    pub async fn account_named(&self, text: &str) -> Result<AccountId, Error> {
        let not_found = || Denial::AccountNotFound(text.to_owned());
        let id = AccountId::parse(text).ok_or_else(not_found)?;
        if !self.store.read().await?.has_account(id).await? {
            return Err(not_found().into());
        }
        Ok(id)
    }

    /// The account of the default workspace.
    pub(super) async fn default_account(&self) -> Result<AccountId, Error> {
        let missing = || StoreError::Unreadable("there is no default workspace".into());
        let workspace = self.store.read().await?.find_default_workspace().await?;
        Ok(workspace.ok_or_else(missing)?.account)
    }

    /// Issues an access token. An inactive or unassigned service principal gets none \[inferred\]; the
    /// checks of each call would refuse it anyway. `base` is the address that the client reached.
    ///
    /// # Errors
    /// [`Denial::OAuth`]
    pub async fn issue_access_token(
        &self,
        issuer: &Issuer,
        base: &str,
        request: &TokenRequest,
    ) -> Result<AccessToken, Error> {
        let mut reader = self.store.read().await?;
        let account = match issuer {
            Issuer::Account(account) => Some(*account),
            Issuer::Workspace(NamedWorkspace::Id(id)) => reader.find_workspace(*id).await?.map(|found| found.account),
            Issuer::Workspace(_) => None,
        };
        let stored = reader.list_client_secrets(account, &request.client_id).await?;
        let Some(secret) = find_secret(&request.secret, &stored) else {
            return Err(refused("there is no such client, or it has no such secret"));
        };
        let principal = reader.find_principal(secret.account, secret.principal).await?;
        let Some(principal) = principal.filter(|principal| principal.active) else {
            return Err(refused("the service principal is deactivated"));
        };
        let (audience, clock) = audience(&mut reader, issuer, secret).await?;
        drop(reader);
        let now = clock.at(self.clock.now());
        if !secret.is_live(now) {
            return Err(refused("the secret is expired"));
        }
        let key = self.signing_key(secret.account).await?;
        let iat = now.0.div_euclid(1000);
        let claims = Claims {
            client_id: principal.name.clone(),
            scope: request.scope.clone(),
            iss: match issuer {
                Issuer::Account(account) => issuer_of(base, Some(*account)),
                Issuer::Workspace(_) => issuer_of(base, None),
            },
            aud: audience.to_string(),
            sub: principal.name,
            iat,
            exp: iat + LIFETIME_SECONDS,
            jti: self.entropy.uuid().to_string(),
        };
        sign(&key, &claims)
    }

    /// What the checks need to know about a presented access token.
    pub(super) async fn access_token_facts(
        &self,
        token: &AccessToken,
        named: &NamedWorkspace,
        demand: Demand,
    ) -> Result<Facts, Error> {
        let forged =
            |forgery| Facts { workspace: None, token_belongs_to: None, found: Found::Forged(forgery), owner: None };
        let mut reader = self.store.read().await?;
        let Some((account, key)) = reader.find_key(token.kid()).await? else {
            return Ok(forged(Forgery::UnknownKey));
        };
        let claims = match token.verify(&key) {
            Ok(claims) => claims,
            Err(forgery) => return Ok(forged(forgery)),
        };
        let audience = match claims.audience() {
            Some(Audience::Account(other)) if other != account => None,
            audience => audience,
        };
        let Some(audience) = audience else { return Ok(forged(Forgery::Claims)) };
        let workspace = match (named, audience) {
            (NamedWorkspace::Id(id), _) => reader.find_workspace(*id).await?,
            (NamedWorkspace::Unnamed, Audience::Workspace(own)) => reader.find_workspace(own).await?,
            (NamedWorkspace::Unnamed, Audience::Account(_)) => reader.find_workspace_of_account(account).await?,
            (NamedWorkspace::Unusable(_), _) => None,
        };
        // The keys of one account say nothing in another's workspaces.
        let workspace = workspace.filter(|workspace| workspace.account == account);
        let token_belongs_to = match (audience, &workspace) {
            (Audience::Workspace(own), Some(workspace)) if workspace.id != own => Some(own),
            _ => None,
        };
        let owner = match &workspace {
            Some(workspace) => oauth_owner(&mut reader, workspace, &claims, demand).await?,
            None => None,
        };
        Ok(Facts { workspace, token_belongs_to, found: Found::Access(claims), owner })
    }
}

/// Where the token will be good, and the clock that it goes by. An account has no clock of its own;
/// it takes that of the workspace that answers for it.
async fn audience(reader: &mut Reader, issuer: &Issuer, secret: &Secret) -> Result<(Audience, WorkspaceClock), Error> {
    let named = match issuer {
        Issuer::Account(account) => {
            let workspace = reader.find_workspace_of_account(*account).await?;
            return Ok((Audience::Account(*account), workspace.map_or(WorkspaceClock::Real, |found| found.clock)));
        }
        Issuer::Workspace(named) => named,
    };
    let mut assigned = reader.list_assigned_workspaces(secret.account, secret.principal).await?.into_iter();
    let workspace = match named {
        NamedWorkspace::Unnamed => assigned.next(),
        NamedWorkspace::Id(id) => assigned.find(|workspace| workspace.id == *id),
        NamedWorkspace::Unusable(_) => None,
    };
    let Some(workspace) = workspace else {
        return Err(refused("the service principal is not assigned to the workspace, or inactive in it"));
    };
    Ok((Audience::Workspace(workspace.id), workspace.clock))
}

/// Whom an access token authenticates, as its workspace knows it now.
async fn oauth_owner(
    reader: &mut Reader,
    workspace: &Workspace,
    claims: &Claims,
    demand: Demand,
) -> Result<Option<Owner>, Error> {
    let kind = PrincipalKind::ServicePrincipal;
    let Some(principal) = reader.find_principal_named(workspace.account, None, kind, &claims.sub).await? else {
        return Ok(None);
    };
    let active = principal.active;
    let mut owner = owner_of(reader, workspace, principal).await?;
    if demand.right == Right::AccountApi {
        owner.active = active;
    }
    Ok(Some(owner))
}

/// `iss` and the issuer in discovery documents.
pub fn issuer_of(base: &str, account: Option<AccountId>) -> String {
    match account {
        None => format!("{base}/oidc"),
        Some(account) => format!("{base}/oidc/accounts/{account}"),
    }
}

fn refused(cause: &'static str) -> Error {
    Denial::from(Refusal::InvalidClient(cause)).into()
}
