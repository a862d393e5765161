//! Access tokens: issued for a service principal's secret, and looked at on every call.

use super::explain::owner_of;
use super::keys::sign;
use super::{Error, Service};
use crate::domain::authorize::{Demand, Facts, Found, NamedWorkspace, Owner, Right};
use crate::domain::identity::{Principal, PrincipalKind};
use crate::domain::jwt::{AccessToken, Audience, Claims, Forgery, LIFETIME_SECONDS};
use crate::domain::oauth::{Refusal, TokenRequest, find_secret};
use crate::domain::{AccountId, Denial, Millis, Workspace};
use crate::store::Reader;

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

    /// The account that answers where none is named: that of the default workspace.
    ///
    /// # Errors
    /// [`Error::Store`] before the first start's seeding.
    pub async fn default_account(&self) -> Result<AccountId, Error> {
        Ok(default_workspace(&mut self.store.read().await?).await?.account)
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
            Issuer::Account(account) => *account,
            Issuer::Workspace(_) => default_workspace(&mut reader).await?.account,
        };
        let stored = reader.list_client_secrets(account, &request.client_id).await?;
        let Some(secret) = find_secret(&request.secret, &stored) else {
            return Err(refused("there is no such client, or it has no such secret"));
        };
        let principal = reader.find_principal(account, secret.principal).await?;
        let Some(principal) = principal.filter(|principal| principal.active) else {
            return Err(refused("the service principal is deactivated"));
        };
        let (iss, audience, now) = self.terms(&mut reader, issuer, base, account, &principal).await?;
        if !secret.is_live(now) {
            return Err(refused("the secret is expired"));
        }
        drop(reader);
        let key = self.signing_key(account).await?;
        let iat = now.0.div_euclid(1000);
        let claims = Claims {
            client_id: principal.name.clone(),
            scope: request.scope.clone(),
            iss,
            aud: audience.to_string(),
            sub: principal.name,
            iat,
            exp: iat + LIFETIME_SECONDS,
            jti: self.entropy.uuid().to_string(),
        };
        sign(&key, &claims)
    }

    /// The issuer's name, the audience, and the time of whoever issues. An account has no clock of
    /// its own; it takes the default workspace's.
    async fn terms(
        &self,
        reader: &mut Reader,
        issuer: &Issuer,
        base: &str,
        account: AccountId,
        principal: &Principal,
    ) -> Result<(String, Audience, Millis), Error> {
        let system = self.clock.now();
        let named = match issuer {
            Issuer::Account(account) => {
                let clock = default_workspace(reader).await?.clock;
                return Ok((issuer_of(base, Some(*account)), Audience::Account(*account), clock.at(system)));
            }
            Issuer::Workspace(named) => named,
        };
        let assigned = reader.list_assigned_workspaces(account, principal.id).await?;
        let mut assigned = assigned.into_iter();
        let workspace = match named {
            NamedWorkspace::Unnamed => assigned.next(),
            NamedWorkspace::Id(id) => assigned.find(|workspace| workspace.id == *id),
            NamedWorkspace::Unusable(_) => None,
        };
        let Some(workspace) = workspace else {
            return Err(refused("the service principal is not assigned to the workspace, or inactive in it"));
        };
        Ok((issuer_of(base, None), Audience::Workspace(workspace.id), workspace.clock.at(system)))
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
            (NamedWorkspace::Unnamed, Audience::Account(_)) => reader.find_default_workspace().await?,
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

async fn default_workspace(reader: &mut Reader) -> Result<Workspace, Error> {
    let missing = || crate::store::StoreError::Unreadable("there is no default workspace".into());
    Ok(reader.find_default_workspace().await?.ok_or_else(missing)?)
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
