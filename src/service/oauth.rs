//! OAuth access tokens: issued to service principals, and verified on every call. Sign-ins of users are in `sign_ins`.
//! See docs/reference/identity-and-oauth.md#access-tokens.

use super::explain::owner_of;
use super::keys::sign;
use super::{AuditEntry, Error, Service};
use crate::domain::audit::{Action, Origin};
use crate::domain::authorize::{CredentialRecord, Demand, Facts, NamedWorkspace, Owner, Right};
use crate::domain::clock::WorkspaceClock;
use crate::domain::identities::{Principal, PrincipalKind};
use crate::domain::jwt::{AccessToken, Audience, Claims, Forgery, LIFETIME_SECONDS};
use crate::domain::oauth::{CLIENT_CREDENTIALS, ClientCredentials, Refusal, Secret, TokenRequest, find_secret};
use crate::domain::sign_ins::{Issuer, Ticket};
use crate::domain::{AccountId, Denial, Millis, Workspace};
use crate::store::{Lock, Reader, StoreError};

/// The answer of the token endpoint.
#[derive(Clone, Debug)]
pub struct TokenResponse {
    pub access_token: AccessToken,
    /// Separated by spaces.
    pub scope: String,
    pub refresh_token: Option<Ticket>,
}

/// The claims of an access token that depend on the grant.
pub(super) struct AccessGrant<'a> {
    pub(super) client_id: &'a str,
    pub(super) sub: &'a str,
    pub(super) scope: &'a str,
    pub(super) audience: Audience,
    pub(super) sid: Option<String>,
    /// Tells apart principals that reused a name.
    pub(super) creation: i64,
    /// Tells apart workspaces that reused an id. Not for sign-ins, which end with their workspace.
    pub(super) workspace_creation: Option<i64>,
}

impl Service {
    /// Issues an access token. `iss` is the issuer's URL at the address that the client used.
    ///
    /// # Errors
    /// [`Denial::OAuth`]
    pub async fn issue_access_token(
        &self,
        issuer: &Issuer,
        iss: &str,
        request: &TokenRequest,
        origin: &Origin,
    ) -> Result<TokenResponse, Error> {
        match request {
            TokenRequest::ClientCredentials(credentials) => {
                self.issue_to_service_principal(issuer, iss, credentials, origin).await
            }
            TokenRequest::SignIn(redemption) => self.redeem(issuer, iss, redemption, origin).await,
        }
    }

    /// An inactive or unassigned service principal gets no token \[inferred\]; every call would be refused anyway.
    async fn issue_to_service_principal(
        &self,
        issuer: &Issuer,
        iss: &str,
        presented: &ClientCredentials,
        origin: &Origin,
    ) -> Result<TokenResponse, Error> {
        let mut reader = self.store.read().await?;
        let account = match issuer {
            Issuer::Account(account) => Some(*account),
            Issuer::Workspace(NamedWorkspace::Id(id)) => reader.find_workspace(*id).await?.map(|found| found.account),
            Issuer::Workspace(_) => None,
        };
        let stored = reader.list_client_secrets(account, &presented.client_id).await?;
        let Some(secret) = find_secret(&presented.secret, &stored) else {
            return Err(refused("there is no such client, or it has no such secret"));
        };
        let principal = reader.find_principal(secret.account, secret.principal).await?;
        let Some(principal) = principal.filter(|principal| principal.active) else {
            return Err(refused("the service principal is deactivated"));
        };
        let (audience, workspace) = audience(&mut reader, issuer, secret).await?;
        let workspace_creation = match (audience, &workspace) {
            (Audience::Workspace(_), Some(workspace)) => Some(creation_of(&mut reader, workspace).await?),
            _ => None,
        };
        drop(reader);
        let clock = workspace.as_ref().map_or(WorkspaceClock::REAL, |workspace| workspace.clock);
        let now = clock.at(self.clock.now());
        if !secret.is_live(now) {
            return Err(refused("the secret is expired"));
        }
        let name = principal.name.as_str();
        let scope = secret.grant(name, presented.scope.as_deref()).map_err(Denial::from)?;
        let key = self.signing_key(secret.account).await?;
        let creation = principal.creation;
        let grant = AccessGrant {
            client_id: name,
            sub: name,
            scope: &scope,
            audience,
            sid: None,
            creation,
            workspace_creation,
        };
        let access_token = sign(&key, &self.claims(iss, grant, now))?;
        if let Some(workspace) = workspace {
            let mut writer = self.store.write_in(&workspace, Lock::Owner(workspace.id, principal.id)).await?;
            let action = Action::mint_oauth_token(name, CLIENT_CREDENTIALS, &scope);
            self.record(&mut writer, AuditEntry::new(&workspace, name, origin, now, action)).await?;
            writer.commit().await?;
        }
        Ok(TokenResponse { access_token, scope, refresh_token: None })
    }

    pub(super) fn claims(&self, iss: &str, grant: AccessGrant<'_>, now: Millis) -> Claims {
        let iat = now.0.div_euclid(1000);
        Claims {
            client_id: grant.client_id.to_owned(),
            scope: grant.scope.to_owned(),
            iss: iss.to_owned(),
            aud: grant.audience.to_string(),
            sub: grant.sub.to_owned(),
            iat,
            exp: iat + LIFETIME_SECONDS,
            jti: self.entropy.uuid().to_string(),
            sid: grant.sid,
            creation: grant.creation,
            workspace_creation: grant.workspace_creation,
        }
    }

    /// The facts about a presented access token that the checks need.
    pub(super) async fn access_token_facts(
        &self,
        token: &AccessToken,
        named: &NamedWorkspace,
        demand: Demand,
    ) -> Result<Facts, Error> {
        let forged = |forgery| Facts {
            workspace: None,
            token_belongs_to: None,
            found: CredentialRecord::Forged(forgery),
            owner: None,
        };
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
        let is_the_same = |found: &Principal| found.creation == claims.creation;
        let principal = if let Some(sid) = &claims.sid {
            let Some(user) = reader.find_signed_in_principal(account, sid).await?.filter(is_the_same) else {
                return Ok(forged(Forgery::SignInEnded));
            };
            Some(user)
        } else {
            let kind = PrincipalKind::ServicePrincipal;
            reader.find_principal_named(account, None, kind, &claims.sub).await?.filter(is_the_same)
        };
        let issuing = match audience {
            Audience::Workspace(own) => reader.find_workspace(own).await?,
            Audience::Account(_) => reader.find_workspace_of_account(account).await?,
        };
        // A token without the claim is from an earlier release, or ends with its sign-in.
        if let (Some(creation), Some(issuing)) = (claims.workspace_creation, &issuing)
            && creation_of(&mut reader, issuing).await? != creation
        {
            return Ok(forged(Forgery::WorkspaceRemoved));
        }
        let clock = issuing.as_ref().map_or(WorkspaceClock::REAL, |workspace| workspace.clock);
        let workspace = match (named, audience, &principal) {
            (NamedWorkspace::Id(id), ..) => reader.find_workspace(*id).await?,
            (NamedWorkspace::Unnamed, Audience::Account(_), Some(principal)) => {
                let assigned = reader.list_assigned_workspaces(account, principal.id).await?;
                assigned.into_iter().next().or(issuing)
            }
            (NamedWorkspace::Unnamed, ..) => issuing,
            (NamedWorkspace::Unusable(_), ..) => None,
        };
        // The keys of one account are not valid in another one's workspaces.
        let workspace = workspace.filter(|workspace| workspace.account == account);
        let token_belongs_to = match (audience, &workspace) {
            (Audience::Workspace(own), Some(workspace)) if workspace.id != own => Some(own),
            _ => None,
        };
        let owner = match (&workspace, principal) {
            (Some(workspace), Some(principal)) => Some(oauth_owner(&mut reader, workspace, principal, demand).await?),
            _ => None,
        };
        Ok(Facts { workspace, token_belongs_to, found: CredentialRecord::Access(claims, clock), owner })
    }
}

/// The audience of a token, and the workspace whose clock it uses: an account uses that of one of its workspaces.
async fn audience(
    reader: &mut Reader,
    issuer: &Issuer,
    secret: &Secret,
) -> Result<(Audience, Option<Workspace>), Error> {
    let named = match issuer {
        Issuer::Account(account) => {
            return Ok((Audience::Account(*account), reader.find_workspace_of_account(*account).await?));
        }
        Issuer::Workspace(named) => named,
    };
    let mut assigned = reader.list_assigned_workspaces(secret.account, secret.principal).await?;
    if *named == NamedWorkspace::Unnamed && assigned.len() > 1 {
        // Clients name the workspace with each call, but not here. At the real service, each workspace has its own host.
        let workspace = reader.find_workspace_of_account(secret.account).await?;
        return Ok((Audience::Account(secret.account), workspace));
    }
    match named {
        NamedWorkspace::Unnamed => {}
        NamedWorkspace::Id(id) => assigned.retain(|workspace| workspace.id == *id),
        NamedWorkspace::Unusable(_) => assigned.clear(),
    }
    let Some(workspace) = assigned.pop() else {
        return Err(refused("the service principal is not assigned to the workspace, or inactive in it"));
    };
    Ok((Audience::Workspace(workspace.id), Some(workspace)))
}

/// A number that tells apart workspaces that reuse an id, but does not change with a reset: the creation of the group
/// `admins`, which is created and deleted with the workspace.
async fn creation_of(reader: &mut Reader, workspace: &Workspace) -> Result<i64, StoreError> {
    let group = reader.find_principal(workspace.account, workspace.admins_group).await?;
    Ok(group.map_or(0, |group| group.creation))
}

/// The principal of an access token, with its current memberships.
async fn oauth_owner(
    reader: &mut Reader,
    workspace: &Workspace,
    principal: Principal,
    demand: Demand,
) -> Result<Owner, Error> {
    let active = principal.active;
    let mut owner = owner_of(reader, workspace, principal).await?;
    if demand.right == Right::AccountApi {
        owner.active = active;
    }
    Ok(owner)
}

/// The issuer in access tokens and discovery documents.
pub fn issuer_of(base: &str, account: Option<AccountId>) -> String {
    match account {
        None => format!("{base}/oidc"),
        Some(account) => format!("{base}/oidc/accounts/{account}"),
    }
}

fn refused(cause: &'static str) -> Error {
    Denial::from(Refusal::InvalidClient(cause)).into()
}
