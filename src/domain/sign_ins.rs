//! Sign-in of people: an authorization code with PKCE, then access and refresh tokens (RFC 6749, 7636 and 8252).
//! A [`PendingSignIn`] waits in the page's form until a user is chosen; a [`SignIn`] then lasts until its last token
//! expires. `request`, `ticket` and `redemption` are what a client sends. Start with [`SignIn::judge`].
//! See docs/reference/identity-and-oauth.md#sign-in.

mod people;
mod redemption;
mod request;
mod ticket;

use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;
use uuid::Uuid;

use self::request::words;
use crate::domain::authorize::NamedWorkspace;
use crate::domain::ids::DAY_MS;
use crate::domain::jwt::{Audience, LIFETIME_SECONDS};
use crate::domain::oauth::{Refusal, SecretHash};
use crate::domain::{AccountId, Millis, PrincipalId, Workspace, WorkspaceId, scopes};

pub use people::{PEOPLE_SHOWN, Person, Search};
pub use redemption::{Proof, Redemption};
pub use request::{AuthorizationError, AuthorizationRequest, CLI, OFFLINE_ACCESS, ReturnAddress, S256};
pub use ticket::{SEALED_PREFIX, Ticket, TicketKind};

/// How long the page waits until a user is chosen \[inferred\].
pub const CHOICE_LIFETIME_MS: i64 = 10 * 60_000;
/// How long a code is valid \[inferred\]; RFC 6749 recommends at most ten minutes.
const CODE_LIFETIME_MS: i64 = 5 * 60_000;
/// How long a refresh token is valid \[inferred\]. Each use returns a new one.
pub const REFRESH_LIFETIME_MS: i64 = 7 * DAY_MS;

/// The authorization server that a request is sent to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Issuer {
    /// One workspace's: the named one, else the one that the credential determines, else the default one.
    Workspace(NamedWorkspace),
    Account(AccountId),
}

impl Issuer {
    fn serves(&self, audience: Audience) -> bool {
        match (self, audience) {
            (Self::Account(id), Audience::Account(account)) => account == *id,
            (Self::Workspace(NamedWorkspace::Unnamed), Audience::Workspace(_)) => true,
            (Self::Workspace(NamedWorkspace::Id(id)), Audience::Workspace(workspace)) => workspace == *id,
            _ => false,
        }
    }
}

/// The progress of a sign-in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// A user was chosen, and the client has a code.
    Approved(PrincipalId),
    /// The client has tokens.
    Redeemed(PrincipalId),
}

/// A stored sign-in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignIn {
    /// `sid` in its access tokens.
    pub id: Uuid,
    /// The workspace that it is for; for the whole account, the workspace whose clock it uses.
    pub workspace: WorkspaceId,
    pub account: AccountId,
    /// Whether its tokens are for the whole account.
    pub whole_account: bool,
    pub request: AuthorizationRequest,
    pub stage: Stage,
    /// The hash of the ticket that continues it.
    pub secret: SecretHash,
    /// The hash of the changing part of the newest refresh token.
    pub turn: Option<SecretHash>,
    /// When its code or its last token expires.
    pub expires_at: Millis,
}

/// The outcome of a ticket at the token endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Tokens are issued.
    Granted {
        /// The sign-in as it has to be stored.
        sign_in: Box<SignIn>,
        person: PrincipalId,
        /// The scopes of the access token.
        scope: String,
    },
    Refused(Refusal),
    /// The ticket was used twice, so the sign-in and all of its tokens are revoked.
    Revoked(Refusal),
}

/// A sign-in whose page waits for a choice. It travels in the page's form, sealed. Nothing is stored before a user is
/// chosen, so that anonymous visitors cannot fill a table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingSignIn {
    id: String,
    workspace: i64,
    incarnation: i64,
    whole_account: bool,
    pub request: AuthorizationRequest,
    expires_at: i64,
    /// Whether the visitor has entered the control key.
    pub admitted: bool,
}

impl PendingSignIn {
    pub fn new(id: Uuid, target: &SignInTarget, request: AuthorizationRequest, now: Millis) -> Self {
        Self {
            id: id.to_string(),
            workspace: target.workspace.id.0,
            incarnation: target.workspace.incarnation,
            whole_account: target.whole_account,
            request,
            expires_at: now.plus(CHOICE_LIFETIME_MS).0,
            admitted: false,
        }
    }

    /// The id of the sign-in after a user is chosen.
    pub fn id(&self) -> Option<Uuid> {
        Uuid::try_parse(&self.id).ok()
    }

    /// The workspace whose clock it uses.
    pub fn workspace(&self) -> WorkspaceId {
        WorkspaceId(self.workspace)
    }

    /// The target of the sign-in; `None` if the workspace was reset in between.
    pub fn target(&self, workspace: Workspace) -> Option<SignInTarget> {
        let is_same = workspace.id.0 == self.workspace && workspace.incarnation == self.incarnation;
        is_same.then_some(SignInTarget { workspace, whole_account: self.whole_account })
    }

    /// Whether a user can still be chosen.
    pub fn is_open(&self, now: Millis) -> bool {
        now.0 < self.expires_at
    }
}

impl SignIn {
    /// The sign-in of a person, with the code for the client.
    pub fn approved(
        target: &SignInTarget,
        request: AuthorizationRequest,
        person: PrincipalId,
        code: &Ticket,
        now: Millis,
    ) -> Self {
        Self {
            id: code.sign_in(),
            workspace: target.workspace.id,
            account: target.workspace.account,
            whole_account: target.whole_account,
            request,
            stage: Stage::Approved(person),
            secret: code.secret_hash(),
            turn: None,
            expires_at: now.plus(CODE_LIFETIME_MS),
        }
    }

    /// Whether it began at this authorization server.
    pub fn is_of(&self, issuer: &Issuer) -> bool {
        issuer.serves(if self.whole_account {
            Audience::Account(self.account)
        } else {
            Audience::Workspace(self.workspace)
        })
    }

    /// Decides about a client's ticket. `next` is the refresh token that the client would get.
    pub fn judge(self, presented: &Redemption, next: &Ticket, now: Millis) -> Verdict {
        let ticket = &presented.ticket;
        let known = self.secret.matches(&ticket.secret_hash());
        let fits = self.request.client_id == presented.client_id;
        match (&presented.proof, self.stage) {
            (Proof::Code { .. }, Stage::Redeemed(_)) if known => {
                Verdict::Revoked(Refusal::InvalidCode("the code was used before; its tokens are revoked"))
            }
            (Proof::Code { redirect_uri, challenge }, Stage::Approved(person)) if known => {
                let because = if now >= self.expires_at {
                    "the code has expired"
                } else if !fits || *redirect_uri != self.request.back.redirect_uri {
                    "the code was issued to another client or redirect_uri"
                } else if !bool::from(challenge.as_bytes().ct_eq(self.request.challenge.as_bytes())) {
                    "the code_verifier does not match the code_challenge"
                } else {
                    let scope = self.request.scope.clone();
                    return self.grant(person, scope, next, now);
                };
                Verdict::Refused(Refusal::InvalidCode(because))
            }
            (Proof::Code { .. }, _) => Verdict::Refused(Refusal::InvalidCode("there is no such code")),
            (Proof::Refresh(scope), Stage::Redeemed(person)) if known && fits => {
                let is_newest = self.turn.as_ref().is_some_and(|turn| turn.matches(&ticket.turn_hash()));
                if !is_newest {
                    let because = "the refresh token was used before; the whole sign-in is revoked";
                    return Verdict::Revoked(Refusal::InvalidRefreshToken(because));
                }
                self.refresh(person, scope.as_deref(), next, now)
            }
            (Proof::Refresh(_), _) => Verdict::Refused(Refusal::InvalidRefreshToken("there is no such refresh token")),
        }
    }

    fn refresh(self, person: PrincipalId, scope: Option<&str>, next: &Ticket, now: Millis) -> Verdict {
        if now >= self.expires_at {
            return Verdict::Refused(Refusal::InvalidRefreshToken("the refresh token has expired"));
        }
        let granted = &self.request.scope;
        let own: Vec<String> = words(granted).map(str::to_owned).collect();
        let wider = |name: &&str| !scopes::may_request(&own, name);
        let missing: Vec<&str> = scope.into_iter().flat_map(words).filter(wider).collect();
        if !missing.is_empty() {
            let (scopes, client_id) = (missing.join(" "), self.request.client_id);
            return Verdict::Refused(Refusal::ScopesNotAssigned { scopes, client_id });
        }
        let scope = scope.unwrap_or(granted).to_owned();
        self.grant(person, scope, next, now)
    }

    fn grant(self, person: PrincipalId, scope: String, next: &Ticket, now: Millis) -> Verdict {
        let offline = words(&self.request.scope).any(|name| name == OFFLINE_ACCESS);
        let (turn, lifetime) = if offline {
            (Some(next.turn_hash()), REFRESH_LIFETIME_MS)
        } else {
            // The access token is valid only while its sign-in is stored.
            (None, LIFETIME_SECONDS * 1000)
        };
        let sign_in = Self { stage: Stage::Redeemed(person), turn, expires_at: now.plus(lifetime), ..self };
        Verdict::Granted { sign_in: Box::new(sign_in), person, scope }
    }
}

/// What a person signs in to: a workspace, or the whole account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignInTarget {
    /// The workspace; for the whole account, the workspace whose clock is used.
    pub workspace: Workspace,
    pub whole_account: bool,
}

impl SignInTarget {
    /// Whether that authorization server is responsible for it.
    pub fn is_of(&self, issuer: &Issuer) -> bool {
        issuer.serves(self.audience())
    }

    /// The audience of the access tokens.
    pub fn audience(&self) -> Audience {
        if self.whole_account {
            Audience::Account(self.workspace.account)
        } else {
            Audience::Workspace(self.workspace.id)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::redemption::challenge_of;
    use super::request::tests::{BACK, request};
    use super::*;

    const NOW: Millis = Millis(1_790_000_000_000);
    /// RFC 7636, appendix B.
    const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

    fn ticket(kind: TicketKind) -> Ticket {
        Ticket::new(kind, Uuid::from_u128(7), [3; 16])
    }

    fn approved() -> SignIn {
        SignIn {
            id: Uuid::from_u128(7),
            workspace: WorkspaceId(1),
            account: AccountId(Uuid::nil()),
            whole_account: false,
            request: request(),
            stage: Stage::Approved(PrincipalId(5)),
            secret: ticket(TicketKind::Code).secret_hash(),
            turn: None,
            expires_at: NOW.plus(CODE_LIFETIME_MS),
        }
    }

    fn code(redirect_uri: &str, verifier: &str) -> Redemption {
        let proof = Proof::Code { redirect_uri: redirect_uri.into(), challenge: challenge_of(verifier).unwrap() };
        Redemption { client_id: CLI.into(), ticket: ticket(TicketKind::Code), proof }
    }

    fn refresh(ticket: &Ticket, scope: Option<&str>) -> Redemption {
        let proof = Proof::Refresh(scope.map(str::to_owned));
        Redemption { client_id: CLI.into(), ticket: ticket.clone(), proof }
    }

    fn granted(verdict: Verdict) -> (SignIn, String) {
        match verdict {
            Verdict::Granted { sign_in, person: PrincipalId(5), scope } => (*sign_in, scope),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_code_works_once_and_only_for_its_client() {
        let next = ticket(TicketKind::Code).next_turn([1; 16]);
        let judge = |presented: &Redemption, now| approved().judge(presented, &next, now);
        let good = code(BACK, VERIFIER);
        let end = NOW.plus(CODE_LIFETIME_MS);
        for (presented, now) in [
            (code(BACK, &VERIFIER.replace('d', "e")), NOW),
            (code("http://localhost:8021", VERIFIER), NOW),
            (Redemption { client_id: "x".into(), ..good.clone() }, NOW),
            (Redemption { ticket: Ticket::new(TicketKind::Code, Uuid::from_u128(7), [4; 16]), ..good.clone() }, NOW),
            (good.clone(), end),
        ] {
            assert!(matches!(judge(&presented, now), Verdict::Refused(Refusal::InvalidCode(_))), "{presented:?}");
        }
        let (redeemed, scope) = granted(judge(&good, end.plus(-1)));
        assert_eq!(scope, "offline_access all-apis");
        assert!(matches!(redeemed.judge(&good, &next, NOW), Verdict::Revoked(Refusal::InvalidCode(_))));
    }

    #[test]
    fn each_use_replaces_the_refresh_token_and_an_old_one_revokes_all() {
        let first = ticket(TicketKind::Code).next_turn([1; 16]);
        let second = first.next_turn([2; 16]);
        let (redeemed, _) = granted(approved().judge(&code(BACK, VERIFIER), &first, NOW));
        let (turned, scope) = granted(redeemed.clone().judge(&refresh(&first, Some("all-apis")), &second, NOW));
        assert_eq!(scope, "all-apis");
        let (_, scope) = granted(turned.clone().judge(&refresh(&second, None), &first, NOW));
        assert_eq!(scope, "offline_access all-apis", "narrowing applies to one access token only");
        assert!(matches!(turned.clone().judge(&refresh(&first, None), &first, NOW), Verdict::Revoked(_)));
        let wider = turned.clone().judge(&refresh(&second, Some("all-apis sql nonsense")), &first, NOW);
        assert!(matches!(wider, Verdict::Refused(Refusal::ScopesNotAssigned { scopes, .. }) if scopes == "nonsense"));
        let late = turned.clone().judge(&refresh(&second, None), &first, NOW.plus(REFRESH_LIFETIME_MS));
        assert_eq!(late, Verdict::Refused(Refusal::InvalidRefreshToken("the refresh token has expired")));
        let wrong = Ticket::new(TicketKind::Code, Uuid::from_u128(7), [4; 16]).next_turn([1; 16]);
        assert!(
            matches!(turned.judge(&refresh(&wrong, None), &first, NOW), Verdict::Refused(_)),
            "the id alone revokes nothing"
        );
        assert!(matches!(approved().judge(&refresh(&first, None), &second, NOW), Verdict::Refused(_)));
    }

    #[test]
    fn a_refresh_token_is_only_issued_on_request() {
        let online = AuthorizationRequest { scope: "all-apis".into(), ..request() };
        let next = ticket(TicketKind::Code).next_turn([1; 16]);
        let (redeemed, _) = granted(SignIn { request: online, ..approved() }.judge(&code(BACK, VERIFIER), &next, NOW));
        assert_eq!((redeemed.turn, redeemed.expires_at), (None, NOW.plus(LIFETIME_SECONDS * 1000)));
    }
}
