//! Sessions of the pages: a browser signs in as a user, and the pages then call the APIs with an access token of that
//! user. The table of sessions also remembers which forms were sent.

use crate::domain::audit::{Action, Origin};
use crate::domain::jwt::AccessToken;
use crate::domain::oauth::SecretHash;
use crate::domain::page_sessions::{LIFETIME_MS, PageCookie, PageSession};
use crate::domain::scopes::ALL_APIS;
use crate::domain::sign_ins::SignInTarget;
use crate::domain::{Denial, Millis, PrincipalId, WorkspaceId};
use crate::service::keys::sign;
use crate::service::oauth::AccessGrant;
use crate::service::sign_ins::{active_user, no_longer_active};
use crate::service::{AuditEntry, Error, Service};
use crate::store::Lock;

/// The pages' OAuth client id.
const CLIENT: &str = "dapi-mock-pages";

/// A signed-in user of the pages.
#[derive(Clone, Debug)]
pub struct PageUser {
    pub place: SignInTarget,
    pub id: PrincipalId,
    /// The `userName`.
    pub name: String,
    /// The time on the workspace's clock.
    pub now: Millis,
    session: PageSession,
}

impl Service {
    /// Signs a browser in as a user. The cookie is always new, which prevents session fixation.
    ///
    /// # Errors
    /// [`Denial::OAuth`] when the user is not active there.
    pub async fn sign_in_to_pages(
        &self,
        place: &SignInTarget,
        person: PrincipalId,
        origin: &Origin,
    ) -> Result<PageCookie, Error> {
        let cookie = PageCookie::from_random(self.entropy.secret());
        let (system, workspace) = (self.system_now(), &place.workspace);
        let mut writer = self.store.write_in(workspace, Lock::Workspace(workspace.id)).await?;
        let user = active_user(&mut writer, place, person).await?.ok_or_else(no_longer_active)?;
        let name = user.name;
        let session = PageSession {
            hash: cookie.hash(),
            workspace: workspace.id,
            account: workspace.account,
            whole_account: place.whole_account,
            principal: person,
            creation: user.creation,
            began_at: system,
        };
        writer.insert_page_session(&session, system.plus(-LIFETIME_MS)).await?;
        let action = Action::browser_login(&name);
        self.record(&mut writer, AuditEntry::new(workspace, &name, origin, workspace.clock.at(system), action)).await?;
        writer.commit().await?;
        Ok(cookie)
    }

    /// The user of the session with this cookie, while active.
    pub async fn signed_in(&self, cookie: &PageCookie) -> Result<Option<PageUser>, Error> {
        let system = self.system_now();
        let mut reader = self.store.read().await?;
        let session = reader.find_page_session(&cookie.hash()).await?.filter(|session| session.is_live(system));
        let Some(session) = session else { return Ok(None) };
        let Some(workspace) = reader.find_workspace(session.workspace).await? else { return Ok(None) };
        let place = SignInTarget { workspace, whole_account: session.whole_account };
        let user = active_user(&mut reader, &place, session.principal).await?;
        let name = user.filter(|user| user.creation == session.creation).map(|user| user.name);
        let now = place.workspace.clock.at(system);
        Ok(name.map(|name| PageUser { place, id: session.principal, name, now, session }))
    }

    /// An access token with which the pages act for a user. It does not leave the process, and ends with the session.
    pub async fn access_token_of(&self, user: &PageUser) -> Result<AccessToken, Error> {
        let key = self.signing_key(user.session.account).await?;
        let grant = AccessGrant {
            client_id: CLIENT,
            sub: &user.name,
            scope: ALL_APIS,
            audience: user.place.audience(),
            sid: Some(user.session.hash.as_str().to_owned()),
            creation: user.session.creation,
            workspace_creation: None,
        };
        sign(&key, &self.claims(CLIENT, grant, user.now))
    }

    pub async fn sign_out_of_pages(&self, cookie: &PageCookie) -> Result<(), Error> {
        let hash = cookie.hash();
        let Some(session) = self.store.read().await?.find_page_session(&hash).await? else { return Ok(()) };
        self.forget_page_session(session.workspace, &hash).await
    }

    /// Records, for all processes, that a form was sent; returns whether it is the first time. The record is a session
    /// without a user, and lives as long as one; no cookie has the hash of a form.
    pub async fn claim_form(&self, id: WorkspaceId, form: &SecretHash) -> Result<bool, Error> {
        let system = self.system_now();
        let mut writer = self.store.write(Lock::Workspace(id)).await?;
        let workspace = writer.find_workspace(id).await?.ok_or(Denial::WorkspaceNotFound(id))?;
        let sent = PageSession {
            hash: form.clone(),
            workspace: id,
            account: workspace.account,
            whole_account: false,
            principal: PrincipalId(0),
            creation: 0,
            began_at: system,
        };
        let is_first = writer.insert_page_session(&sent, system.plus(-LIFETIME_MS)).await?;
        writer.commit().await?;
        Ok(is_first)
    }

    /// Allows a form to be sent again, because its request failed.
    pub async fn release_form(&self, id: WorkspaceId, form: &SecretHash) -> Result<(), Error> {
        self.forget_page_session(id, form).await
    }

    async fn forget_page_session(&self, id: WorkspaceId, hash: &SecretHash) -> Result<(), Error> {
        let mut writer = self.store.write(Lock::Workspace(id)).await?;
        writer.delete_page_session(hash).await?;
        Ok(writer.commit().await?)
    }
}
