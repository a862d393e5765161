//! OAuth sign-in of users: the page that asks who signs in, the authorization code, and its exchange for tokens. See
//! docs/reference/identity-and-oauth.md#sign-in.

use std::collections::HashSet;

use crate::domain::audit::{Action, Origin};
use crate::domain::authorize::NamedWorkspace;
use crate::domain::identities::{Principal, PrincipalKind};
use crate::domain::oauth::Refusal;
use crate::domain::sign_ins::{
    AuthorizationRequest, Issuer, PEOPLE_SHOWN, PendingSignIn, Person, Proof, Redemption, ReturnAddress, Search,
    SignIn, SignInTarget, Ticket, TicketKind, Verdict,
};
use crate::domain::{Denial, Millis, PrincipalId};
use crate::service::keys::sign;
use crate::service::oauth::{AccessGrant, TokenResponse};
use crate::service::seal::{Purpose, Seal, sealed_payload};
use crate::service::{AuditEntry, Error, Service};
use crate::store::{Lock, PrincipalScope, Reader, StoreError};

/// Users that a search reads with one statement.
const SEARCH_BATCH: usize = 500;

impl Service {
    /// What a user signs in to at an authorization server.
    ///
    /// # Errors
    /// [`Denial::OAuth`] when there is no such workspace.
    pub async fn sign_in_place(&self, issuer: &Issuer) -> Result<SignInTarget, Error> {
        let mut reader = self.store.read().await?;
        let (workspace, whole_account) = match issuer {
            Issuer::Account(account) => (reader.find_workspace_of_account(*account).await?, true),
            Issuer::Workspace(NamedWorkspace::Id(id)) => (reader.find_workspace(*id).await?, false),
            Issuer::Workspace(NamedWorkspace::Unnamed) => (reader.find_default_workspace().await?, false),
            Issuer::Workspace(NamedWorkspace::Unusable(_)) => (None, false),
        };
        let missing = || Refusal::InvalidRequest("There is no such workspace to sign in to".into());
        let workspace = workspace.ok_or_else(|| Denial::from(missing()))?;
        Ok(SignInTarget { workspace, whole_account })
    }

    /// The first active users whose names contain `text`, admins first, and whether there are more.
    pub async fn people(&self, place: &SignInTarget, text: &str) -> Result<(Vec<Person>, bool), Error> {
        let (workspace, kind, search) = (&place.workspace, PrincipalKind::User, Search::new(text));
        let there = if place.whole_account {
            PrincipalScope::Account(workspace.account, kind)
        } else {
            PrincipalScope::Workspace(workspace, kind)
        };
        let mut reader = self.store.read().await?;
        // A search reads all admins; otherwise no more than can be shown.
        let admins_read = if search.is_for_all() { PEOPLE_SHOWN + 1 } else { usize::MAX };
        let mut people = reader.list_sign_in_admins(there, admins_read).await?;
        let admins: HashSet<PrincipalId> = people.iter().map(|admin| admin.id).collect();
        people.retain(|admin| search.finds(admin));
        let limit = if search.is_for_all() { PEOPLE_SHOWN + 1 } else { SEARCH_BATCH };
        let mut after = String::new();
        while people.len() <= PEOPLE_SHOWN {
            let read = reader.list_sign_in_users(there, &after, limit).await?;
            let is_last = read.len() < limit;
            after = read.last().map(|last| Principal::name_key(&last.name)).unwrap_or_default();
            people.extend(read.into_iter().filter(|user| !admins.contains(&user.id) && search.finds(user)));
            if is_last {
                break;
            }
        }
        let more = people.len() > PEOPLE_SHOWN;
        people.truncate(PEOPLE_SHOWN);
        Ok((people, more))
    }

    /// Starts a sign-in on the page. Nothing is stored.
    pub fn begin_sign_in(&self, place: &SignInTarget, request: AuthorizationRequest) -> PendingSignIn {
        PendingSignIn::new(self.entropy.uuid(), place, request, self.now_at(place))
    }

    /// The sealed sign-in that the page's form carries.
    pub async fn page_ticket(
        &self,
        place: &SignInTarget,
        pending: &PendingSignIn,
        policy: Seal,
    ) -> Result<String, Error> {
        let payload = serde_json::to_vec(pending).map_err(|_| Error::Key("cannot write a page's ticket"))?;
        self.seal(place.workspace.account, (Purpose::SignInPage, policy), &payload).await
    }

    /// Signs a user in by name, without the page. `None` when no active user has the name.
    pub async fn sign_in_as(
        &self,
        place: &SignInTarget,
        request: AuthorizationRequest,
        name: &str,
        origin: &Origin,
    ) -> Result<Option<Ticket>, Error> {
        let (account, kind, now) = (place.workspace.account, PrincipalKind::User, self.now_at(place));
        let code = Ticket::new(TicketKind::Code, self.entropy.uuid(), self.entropy.secret());
        let mut writer = self.store.write_in(&place.workspace, Lock::Workspace(place.workspace.id)).await?;
        let Some(user) = writer.find_principal_named(account, None, kind, name).await? else { return Ok(None) };
        let Some(Principal { name, .. }) = active_user(&mut writer, place, user.id).await? else { return Ok(None) };
        let sign_in = SignIn::approved(place, request, user.id, &code, now);
        writer.insert_sign_in(&sign_in, now).await?;
        let action = Action::browser_login(&name);
        self.record(&mut writer, AuditEntry::new(&place.workspace, &name, origin, now, action)).await?;
        writer.commit().await?;
        Ok(Some(code))
    }

    /// The sign-in of a page's ticket.
    ///
    /// # Errors
    /// [`Denial::OAuth`] when the page was used already, or has expired.
    pub async fn pending_sign_in(
        &self,
        issuer: &Issuer,
        ticket: &str,
        policy: Seal,
    ) -> Result<(PendingSignIn, SignInTarget), Error> {
        let payload = sealed_payload(ticket).ok_or_else(page_expired)?;
        let pending: PendingSignIn = serde_json::from_slice(&payload).map_err(|_| page_expired())?;
        let id = pending.id().ok_or_else(page_expired)?;
        let mut reader = self.store.read().await?;
        let workspace = reader.find_workspace(pending.workspace()).await?;
        let place = workspace.and_then(|workspace| pending.target(workspace)).ok_or_else(page_expired)?;
        let is_answered = reader.find_sign_in(id).await?.is_some();
        drop(reader);
        let holds = self.is_sealed(place.workspace.account, (Purpose::SignInPage, policy), ticket).await?;
        if !holds || is_answered || !place.is_of(issuer) || !pending.is_open(self.now_at(&place)) {
            return Err(page_expired().into());
        }
        Ok((pending, place))
    }

    /// Signs in the user who was chosen on the page. Returns the code, and the client's address for it.
    ///
    /// # Errors
    /// [`Denial::OAuth`] when the page was used already, has expired, or the user is not active there.
    pub async fn approve_sign_in(
        &self,
        place: &SignInTarget,
        pending: PendingSignIn,
        person: PrincipalId,
        origin: &Origin,
    ) -> Result<(Ticket, ReturnAddress), Error> {
        let now = self.now_at(place);
        let id = pending.id().filter(|_| pending.is_open(now)).ok_or_else(page_expired)?;
        let code = Ticket::new(TicketKind::Code, id, self.entropy.secret());
        let mut writer = self.store.write_in(&place.workspace, Lock::Workspace(place.workspace.id)).await?;
        // Another tab may have used the page first.
        if writer.find_sign_in(id).await?.is_some() {
            return Err(page_expired().into());
        }
        let name = active_user(&mut writer, place, person).await?.ok_or_else(no_longer_active)?.name;
        let sign_in = SignIn::approved(place, pending.request, person, &code, now);
        writer.insert_sign_in(&sign_in, now).await?;
        let action = Action::browser_login(&name);
        self.record(&mut writer, AuditEntry::new(&place.workspace, &name, origin, now, action)).await?;
        writer.commit().await?;
        Ok((code, sign_in.request.back))
    }

    /// Exchanges a code or a refresh token for tokens. Each works once.
    pub(super) async fn redeem(
        &self,
        issuer: &Issuer,
        iss: &str,
        presented: &Redemption,
        origin: &Origin,
    ) -> Result<TokenResponse, Error> {
        let id = presented.ticket.sign_in();
        let invalid = |cause| {
            Error::from(Denial::from(match presented.proof {
                Proof::Code { .. } => Refusal::InvalidCode(cause),
                Proof::Refresh(_) => Refusal::InvalidRefreshToken(cause),
            }))
        };
        let unknown = || invalid("there is no such sign-in at this endpoint");
        let mut reader = self.store.read().await?;
        let found = reader.find_sign_in(id).await?.filter(|found| found.is_of(issuer)).ok_or_else(unknown)?;
        drop(reader);
        let key = self.signing_key(found.account).await?;

        let next = presented.ticket.next_turn(self.entropy.secret());
        let mut writer = self.store.write(Lock::Workspace(found.workspace)).await?;
        // Another request may have changed the sign-in meanwhile.
        let sign_in = writer.find_sign_in(id).await?.ok_or_else(unknown)?;
        let place = place_of(&mut writer, &sign_in).await?;
        let now = self.now_at(&place);
        let (sign_in, person, scope) = match sign_in.judge(presented, &next, now) {
            Verdict::Granted { sign_in, person, scope } => (sign_in, person, scope),
            Verdict::Refused(refusal) => return Err(Denial::from(refusal).into()),
            Verdict::Revoked(refusal) => {
                writer.delete_sign_in(place.workspace.id, id).await?;
                writer.commit().await?;
                return Err(Denial::from(refusal).into());
            }
        };
        let user = active_user(&mut writer, &place, person).await?;
        let Principal { name, creation, .. } =
            user.ok_or_else(|| invalid("the user is deactivated, or not assigned any more"))?;
        writer.update_sign_in(&sign_in).await?;
        let grant = AccessGrant {
            client_id: &presented.client_id,
            sub: &name,
            scope: &scope,
            audience: place.audience(),
            sid: Some(id.to_string()),
            creation,
            workspace_creation: None,
        };
        let access_token = sign(&key, &self.claims(iss, grant, now))?;
        let action = Action::mint_oauth_token(&presented.client_id, presented.grant_type(), &scope);
        self.record(&mut writer, AuditEntry::new(&place.workspace, &name, origin, now, action)).await?;
        writer.commit().await?;
        Ok(TokenResponse { access_token, scope, refresh_token: sign_in.turn.map(|_| next) })
    }

    fn now_at(&self, place: &SignInTarget) -> Millis {
        place.workspace.clock.at(self.clock.now())
    }
}

fn page_expired() -> Denial {
    Refusal::InvalidRequest("This page was already used or has expired; start again in the application".into()).into()
}

pub(super) fn no_longer_active() -> Denial {
    Refusal::AccessDenied("This user was deactivated, or is not assigned here any more".into()).into()
}

async fn place_of(reader: &mut Reader, sign_in: &SignIn) -> Result<SignInTarget, StoreError> {
    let missing = || StoreError::Unreadable("a sign-in's workspace".into());
    let workspace = reader.find_workspace(sign_in.workspace).await?.ok_or_else(missing)?;
    Ok(SignInTarget { workspace, whole_account: sign_in.whole_account })
}

pub(super) async fn active_user(
    reader: &mut Reader,
    place: &SignInTarget,
    id: PrincipalId,
) -> Result<Option<Principal>, StoreError> {
    let found = if place.whole_account {
        reader.find_principal(place.workspace.account, id).await?
    } else {
        let assigned = reader.find_assigned(&place.workspace, id).await?;
        assigned.filter(|(_, assignment)| assignment.active).map(|(user, _)| user)
    };
    Ok(found.filter(|user| user.active && user.kind == PrincipalKind::User))
}
