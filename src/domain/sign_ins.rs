//! Signing in of people: an authorization code with PKCE, then access and refresh tokens
//! (research/api-identity-auth.md §3.5; RFC 6749, 7636 and 8252). A [`PendingSignIn`] waits in the page's form until
//! somebody is chosen; from then on one [`SignIn`] lasts to the end of its last token.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use uuid::Uuid;

use crate::domain::authorize::NamedWorkspace;
use crate::domain::ids::DAY_MS;
use crate::domain::jwt::{Audience, LIFETIME_SECONDS};
use crate::domain::oauth::{
    AUTHORIZATION_CODE, REFRESH_TOKEN, Refusal, SecretHash, checked_scope, parameter, scope_of_public_client,
};
use crate::domain::{AccountId, Millis, PrincipalId, Workspace, WorkspaceId, scopes};

/// The one public client that is emulated: that of the CLI and, by default, of the SDKs.
pub const CLI: &str = "databricks-cli";
/// Other public clients of the real service, and whose they are.
const OTHER_CLIENTS: &[(&str, &str)] = &[
    ("databricks-sql-connector", "SQL driver for Node.js"),
    ("databricks-sql-jdbc", "JDBC driver"),
    ("databricks-sql-python", "SQL connector for Python"),
    ("dbt-databricks", "dbt adapter"),
];

/// The scope that asks for a refresh token.
pub const OFFLINE_ACCESS: &str = "offline_access";
/// The only method by which a code is bound to its client: `plain` proves nothing.
pub const S256: &str = "S256";

/// How long the page may wait for a choice \[inferred\].
pub const CHOICE_LIFETIME_MS: i64 = 10 * 60_000;
/// How long a code can be redeemed \[inferred\]; RFC 6749 advises ten minutes at most.
const CODE_LIFETIME_MS: i64 = 5 * 60_000;
/// How long a refresh token can be used; each use gives a new one \[inferred\].
pub const REFRESH_LIFETIME_MS: i64 = 7 * DAY_MS;
/// Longest redirect URI or state that is taken.
const MAX_PARAMETER_BYTES: usize = 4096;
/// Most users that the page shows at a time.
pub const PEOPLE_SHOWN: usize = 50;

/// The authorization server that was asked: the workspace's or the account's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Issuer {
    /// For one workspace: the named one, else one that what is presented picks, else the default one.
    Workspace(NamedWorkspace),
    /// For all of the account.
    Account(AccountId),
}

impl Issuer {
    fn serves(&self, workspace: WorkspaceId, account: AccountId, whole_account: bool) -> bool {
        match self {
            Self::Account(id) => whole_account && account == *id,
            Self::Workspace(NamedWorkspace::Unnamed) => !whole_account,
            Self::Workspace(NamedWorkspace::Id(id)) => !whole_account && workspace == *id,
            Self::Workspace(NamedWorkspace::Unusable(_)) => false,
        }
    }
}

/// Where an answer goes: to a loopback address, so that there is no open redirect.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReturnAddress {
    /// The client's redirect URI, without a query.
    pub redirect_uri: String,
    /// What the client wants to see again.
    pub state: Option<String>,
}

impl ReturnAddress {
    /// The URL that takes the answer to the client. `issuer` is the server's name (RFC 9207).
    pub fn url(&self, answer: &[(&str, &str)], issuer: &str) -> String {
        let state = self.state.as_deref().map(|state| ("state", state));
        let query = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(answer.iter().copied().chain(state).chain([("iss", issuer)]))
            .finish();
        format!("{}?{query}", self.redirect_uri)
    }

    /// Scheme, host and port of the redirect URI.
    pub fn origin(&self) -> &str {
        let host = SCHEME.len();
        let end = self.redirect_uri.get(host..).and_then(|rest| rest.find('/')).map_or(usize::MAX, |at| host + at);
        self.redirect_uri.get(..end).unwrap_or(&self.redirect_uri)
    }
}

const SCHEME: &str = "http://";

/// Whether it is a loopback address with any port and path (RFC 8252 §7.3), and plain enough to stand
/// in headers.
fn is_loopback(uri: &str) -> bool {
    let Some(rest) = uri.strip_prefix(SCHEME) else { return false };
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (host, port) = authority.split_once(':').unwrap_or((authority, "80"));
    let is_port = !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok();
    let is_path = path.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~%!$&'()*+,;=:@/".contains(&b));
    matches!(host, "localhost" | "127.0.0.1") && is_port && is_path && uri.len() <= MAX_PARAMETER_BYTES
}

/// Why nobody is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuthorizationError {
    /// Told to the person: where the client is to be answered is not known or not trusted.
    ShowToPerson(Refusal),
    /// Told to the client.
    RedirectToClient(ReturnAddress, Refusal),
}

/// A client's request that somebody sign in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuthorizationRequest {
    /// The client.
    pub client_id: String,
    /// Where it is answered.
    pub back: ReturnAddress,
    /// The scopes that it asks for, separated by spaces.
    pub scope: String,
    /// The SHA-256 of its verifier in base64url.
    pub challenge: String,
}

impl AuthorizationRequest {
    /// Reads the query. Unknown parameters are ignored, as RFC 6749 asks.
    ///
    /// # Errors
    /// See [`AuthorizationError`].
    pub fn read(query: &[(String, String)]) -> Result<Self, AuthorizationError> {
        let (client_id, redirect_uri) = Self::read_client(query).map_err(AuthorizationError::ShowToPerson)?;
        let state = parameter(query, "state").map(|state| state.map(str::to_owned));
        let back = ReturnAddress { redirect_uri, state: state.clone().unwrap_or_default() };
        let rest = state.and_then(|state| Self::read_rest(query, state.as_deref()));
        match rest {
            Ok((scope, challenge)) => Ok(Self { client_id, back, scope, challenge }),
            Err(refusal) => Err(AuthorizationError::RedirectToClient(back, refusal)),
        }
    }

    fn read_client(query: &[(String, String)]) -> Result<(String, String), Refusal> {
        let missing = |name| Refusal::InvalidRequest(format!("{name} is missing"));
        let client_id = parameter(query, "client_id")?.ok_or_else(|| missing("client_id"))?;
        if client_id != CLI {
            return Err(Refusal::UnauthorizedClient(unknown_client(client_id)));
        }
        let redirect_uri = parameter(query, "redirect_uri")?.ok_or_else(|| missing("redirect_uri"))?;
        if !is_loopback(redirect_uri) {
            let text =
                "redirect_uri must be http://localhost:PORT or http://127.0.0.1:PORT, with any path and no query";
            return Err(Refusal::InvalidRequest(text.into()));
        }
        Ok((client_id.to_owned(), redirect_uri.to_owned()))
    }

    fn read_rest(query: &[(String, String)], state: Option<&str>) -> Result<(String, String), Refusal> {
        let invalid = |text: &str| Refusal::InvalidRequest(text.into());
        let is_plain =
            |text: &str| text.len() <= MAX_PARAMETER_BYTES && text.bytes().all(|b| (0x20..0x7f).contains(&b));
        if !state.is_none_or(is_plain) {
            return Err(invalid("state may hold at most 4096 printable ASCII characters"));
        }
        match parameter(query, "response_type")? {
            None => return Err(invalid("response_type is missing")),
            Some("code") => {}
            Some(_) => return Err(Refusal::UnsupportedResponseType("Only response_type=code is emulated".into())),
        }
        if !matches!(parameter(query, "response_mode")?, None | Some("query")) {
            return Err(invalid("Only response_mode=query is emulated"));
        }
        let challenge = parameter(query, "code_challenge")?;
        let challenge = challenge.ok_or_else(|| invalid("code_challenge is missing; PKCE is required (RFC 7636)"))?;
        if parameter(query, "code_challenge_method")? != Some(S256) {
            return Err(invalid("code_challenge_method must be S256"));
        }
        if URL_SAFE_NO_PAD.decode(challenge).map(|bytes| bytes.len()) != Ok(32) {
            return Err(invalid("code_challenge is not the base64url form of a SHA-256"));
        }
        let scope = scope_of_public_client(parameter(query, "scope")?.unwrap_or_default(), CLI)?;
        if words(&scope).any(|name| name == "openid") {
            return Err(Refusal::InvalidScope("The scope openid (id tokens) is not emulated".into()));
        }
        Ok((scope, challenge.to_owned()))
    }

    /// The query that asks for the same again.
    pub fn query(&self) -> Vec<(&'static str, &str)> {
        let state = self.back.state.as_deref().map(|state| ("state", state));
        let rest = [
            ("response_type", "code"),
            ("client_id", self.client_id.as_str()),
            ("redirect_uri", self.back.redirect_uri.as_str()),
            ("scope", self.scope.as_str()),
            ("code_challenge", self.challenge.as_str()),
            ("code_challenge_method", S256),
        ];
        rest.into_iter().chain(state).collect()
    }
}

fn unknown_client(id: &str) -> String {
    match OTHER_CLIENTS.iter().find(|(name, _)| *name == id) {
        Some((name, what)) => format!("The client {name} ({what}) is not emulated; {CLI} is"),
        None => format!("There is no public client of this id; {CLI} is one"),
    }
}

fn words(scope: &str) -> impl Iterator<Item = &str> {
    scope.split(' ')
}

/// How what the server seals into its own forms begins, so that logs can blank it.
pub const SEALED_PREFIX: &str = "dosi";

/// What a sign-in is continued with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TicketKind {
    /// The authorization code.
    Code,
    /// A refresh token.
    Refresh,
}

impl TicketKind {
    /// How they begin, so that logs can blank them; the real ones' form is not known.
    pub const fn prefix(self) -> &'static str {
        match self {
            Self::Code => "doac",
            Self::Refresh => "dort",
        }
    }
}

/// The value that continues a sign-in: its id, a secret, and with a refresh token a second secret
/// that changes at each turn, so that an older one is known for what it is without being kept. It has
/// no `Display` and no `Serialize`, and its `Debug` is blind.
#[derive(Clone, PartialEq, Eq)]
pub struct Ticket {
    kind: TicketKind,
    id: Uuid,
    secret: String,
    turn: String,
}

impl Ticket {
    /// A code's ticket.
    pub fn new(kind: TicketKind, id: Uuid, random: [u8; 16]) -> Self {
        Self { kind, id, secret: hex::encode(random), turn: String::new() }
    }

    /// The refresh token that follows a code or a refresh token.
    #[must_use]
    pub fn next_turn(&self, random: [u8; 16]) -> Self {
        Self { kind: TicketKind::Refresh, turn: hex::encode(random), ..self.clone() }
    }

    /// Reads a ticket; `None` when it has not the form of one.
    pub fn parse(kind: TicketKind, text: &str) -> Option<Self> {
        let digits = text.strip_prefix(kind.prefix())?;
        let hex = digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        let length = if kind == TicketKind::Refresh { 96 } else { 64 };
        if !hex || digits.len() != length {
            return None;
        }
        let id = Uuid::try_parse(digits.get(..32)?).ok()?;
        Some(Self { kind, id, secret: digits.get(32..64)?.to_owned(), turn: digits.get(64..)?.to_owned() })
    }

    /// The id of its sign-in.
    pub fn sign_in(&self) -> Uuid {
        self.id
    }

    /// What is stored of its lasting part.
    pub fn secret_hash(&self) -> SecretHash {
        SecretHash::of(&self.secret)
    }

    fn turn_hash(&self) -> SecretHash {
        SecretHash::of(&self.turn)
    }

    /// The ticket itself: for the page, the redirect or the answer that gives it.
    pub fn reveal(&self) -> String {
        format!("{}{}{}{}", self.kind.prefix(), self.id.simple(), self.secret, self.turn)
    }
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ticket(…)")
    }
}

/// What a client shows to get tokens for a sign-in. It is public, so that is all that it shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redemption {
    /// The client.
    pub client_id: String,
    /// The code or the refresh token.
    pub ticket: Ticket,
    /// What must fit besides.
    pub proof: Proof,
}

/// What must fit besides the ticket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proof {
    /// Of a code.
    Code {
        /// The redirect URI of the request for it.
        redirect_uri: String,
        /// The challenge that its verifier makes; the verifier is hashed as it is read.
        challenge: String,
    },
    /// Of a refresh token: the scopes to narrow to, or all that were granted.
    Refresh(Option<String>),
}

impl Redemption {
    /// The grant that it is for.
    pub fn grant_type(&self) -> &'static str {
        match self.proof {
            Proof::Code { .. } => AUTHORIZATION_CODE,
            Proof::Refresh(_) => REFRESH_TOKEN,
        }
    }

    /// The form of the grant `authorization_code`.
    ///
    /// # Errors
    /// [`Refusal`]
    pub fn read_code(authenticates: bool, form: &[(String, String)]) -> Result<Self, Refusal> {
        let client_id = public_client(authenticates, form)?;
        let required = |name| {
            let missing = || Refusal::InvalidRequest(format!("{name} is missing"));
            parameter(form, name)?.map(str::to_owned).ok_or_else(missing)
        };
        let (code, redirect_uri, verifier) = (required("code")?, required("redirect_uri")?, required("code_verifier")?);
        let ticket = Ticket::parse(TicketKind::Code, &code);
        let ticket = ticket.ok_or(Refusal::InvalidCode("it has not the form of a code"))?;
        let challenge = challenge_of(&verifier);
        let challenge = challenge.ok_or(Refusal::InvalidCode("the code_verifier has not the form of one"))?;
        Ok(Self { client_id, ticket, proof: Proof::Code { redirect_uri, challenge } })
    }

    /// The form of the grant `refresh_token`.
    ///
    /// # Errors
    /// [`Refusal`]
    pub fn read_refresh(authenticates: bool, form: &[(String, String)]) -> Result<Self, Refusal> {
        let client_id = public_client(authenticates, form)?;
        let missing = || Refusal::InvalidRequest("refresh_token is missing".into());
        let token = parameter(form, "refresh_token")?.ok_or_else(missing)?;
        let ticket = Ticket::parse(TicketKind::Refresh, token);
        let ticket = ticket.ok_or(Refusal::InvalidRefreshToken("it has not the form of a refresh token"))?;
        let scope = checked_scope(parameter(form, "scope")?.unwrap_or_default())?;
        Ok(Self { client_id, ticket, proof: Proof::Refresh(scope) })
    }
}

/// The public client that asks. `authenticates` tells whether it sent credentials in the header.
fn public_client(authenticates: bool, form: &[(String, String)]) -> Result<String, Refusal> {
    if authenticates || parameter(form, "client_secret")?.is_some() {
        return Err(Refusal::InvalidClient("a public client has no secret, and one was sent"));
    }
    match parameter(form, "client_id")? {
        Some(CLI) => Ok(CLI.to_owned()),
        Some(_) => Err(Refusal::InvalidClient("there is no public client of this id")),
        None => Err(Refusal::InvalidClient("no client id was sent")),
    }
}

/// How far a sign-in has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Somebody was chosen, and the client has a code.
    Approved(PrincipalId),
    /// The client has tokens.
    Redeemed(PrincipalId),
}

/// A sign-in, as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignIn {
    /// Its id; `sid` in its access tokens.
    pub id: Uuid,
    /// The workspace that it is for, or whose clock it goes by where it is for the whole account.
    pub workspace: WorkspaceId,
    /// The account.
    pub account: AccountId,
    /// Whether its tokens are for the whole account.
    pub whole_account: bool,
    /// What the client asked for.
    pub request: AuthorizationRequest,
    /// How far it has come.
    pub stage: Stage,
    /// What is stored of the ticket that continues it.
    pub secret: SecretHash,
    /// What is stored of the newest refresh token's changing part.
    pub turn: Option<SecretHash>,
    /// When its ticket stops working, and with tokens, when the last of them does.
    pub expires_at: Millis,
}

/// What comes of a ticket at the token endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Tokens; the sign-in goes on so.
    Granted {
        /// What is to be stored.
        sign_in: Box<SignIn>,
        /// Whom they are for.
        person: PrincipalId,
        /// The scopes of the access token.
        scope: String,
    },
    /// None.
    Refused(Refusal),
    /// None, and the sign-in ends with all that it gave: its ticket is in two hands.
    Revoked(Refusal),
}

/// A sign-in whose page asks who somebody is. It travels in the page's form, sealed: nothing is stored for whoever
/// only asks, so nobody can crowd out the others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingSignIn {
    id: String,
    workspace: i64,
    incarnation: i64,
    whole_account: bool,
    /// What the client asked for.
    pub request: AuthorizationRequest,
    expires_at: i64,
    /// Whether whoever has the form has shown the control key.
    pub admitted: bool,
}

impl PendingSignIn {
    /// The question, asked now.
    pub fn new(id: Uuid, place: &SignInTarget, request: AuthorizationRequest, now: Millis) -> Self {
        Self {
            id: id.to_string(),
            workspace: place.workspace.id.0,
            incarnation: place.workspace.incarnation,
            whole_account: place.whole_account,
            request,
            expires_at: now.plus(CHOICE_LIFETIME_MS).0,
            admitted: false,
        }
    }

    /// The id of the sign-in that comes of it.
    pub fn id(&self) -> Option<Uuid> {
        Uuid::try_parse(&self.id).ok()
    }

    /// The workspace whose clock it goes by.
    pub fn workspace(&self) -> WorkspaceId {
        WorkspaceId(self.workspace)
    }

    /// Where it was asked, if that is still the same workspace: none that was reset in between.
    pub fn place(&self, workspace: Workspace) -> Option<SignInTarget> {
        let is_same = workspace.id.0 == self.workspace && workspace.incarnation == self.incarnation;
        is_same.then_some(SignInTarget { workspace, whole_account: self.whole_account })
    }

    /// Whether somebody may still be chosen.
    pub fn is_open(&self, now: Millis) -> bool {
        now.0 < self.expires_at
    }
}

impl SignIn {
    /// The sign-in of that person, with the code for the client.
    pub fn approved(
        place: &SignInTarget,
        request: AuthorizationRequest,
        person: PrincipalId,
        code: &Ticket,
        now: Millis,
    ) -> Self {
        Self {
            id: code.id,
            workspace: place.workspace.id,
            account: place.workspace.account,
            whole_account: place.whole_account,
            request,
            stage: Stage::Approved(person),
            secret: code.secret_hash(),
            turn: None,
            expires_at: now.plus(CODE_LIFETIME_MS),
        }
    }

    /// Whether it was begun at this authorization server.
    pub fn is_of(&self, issuer: &Issuer) -> bool {
        issuer.serves(self.workspace, self.account, self.whole_account)
    }

    /// Decides about what a client presents; `next` is the refresh token that it would get.
    pub fn judge(self, presented: &Redemption, next: &Ticket, now: Millis) -> Verdict {
        let ticket = &presented.ticket;
        let known = self.secret.matches(&ticket.secret_hash());
        let fits = self.request.client_id == presented.client_id;
        match (&presented.proof, self.stage) {
            (Proof::Code { .. }, Stage::Redeemed(_)) if known => {
                Verdict::Revoked(Refusal::InvalidCode("it was used before; what it gave is revoked"))
            }
            (Proof::Code { redirect_uri, challenge }, Stage::Approved(person)) if known => {
                let because = if now >= self.expires_at {
                    "it is expired"
                } else if !fits || *redirect_uri != self.request.back.redirect_uri {
                    "it was given to another client or redirect_uri"
                } else if !bool::from(challenge.as_bytes().ct_eq(self.request.challenge.as_bytes())) {
                    "the code_verifier is not the one that the code_challenge was made from"
                } else {
                    let scope = self.request.scope.clone();
                    return self.grant(person, scope, next, now);
                };
                Verdict::Refused(Refusal::InvalidCode(because))
            }
            (Proof::Code { .. }, _) => Verdict::Refused(Refusal::InvalidCode("there is no such code")),
            (Proof::Refresh(scope), Stage::Redeemed(person)) if known && fits => {
                self.judge_turn(person, scope.as_deref(), ticket, next, now)
            }
            (Proof::Refresh(_), _) => Verdict::Refused(Refusal::InvalidRefreshToken("there is no such refresh token")),
        }
    }

    fn judge_turn(
        self,
        person: PrincipalId,
        scope: Option<&str>,
        ticket: &Ticket,
        next: &Ticket,
        now: Millis,
    ) -> Verdict {
        if !self.turn.as_ref().is_some_and(|turn| turn.matches(&ticket.turn_hash())) {
            let because = "it was used before; the whole sign-in is revoked";
            return Verdict::Revoked(Refusal::InvalidRefreshToken(because));
        }
        if now >= self.expires_at {
            return Verdict::Refused(Refusal::InvalidRefreshToken("it is expired"));
        }
        let granted = &self.request.scope;
        let own: Vec<String> = words(granted).map(str::to_owned).collect();
        let wider = |name: &&str| !scopes::may_ask(&own, name);
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
            // Its access token is looked up by it as long as it works.
            (None, LIFETIME_SECONDS * 1000)
        };
        let sign_in = Self { stage: Stage::Redeemed(person), turn, expires_at: now.plus(lifetime), ..self };
        Verdict::Granted { sign_in: Box::new(sign_in), person, scope }
    }
}

/// The challenge that a verifier makes, if it has the form of RFC 7636 §4.1.
fn challenge_of(verifier: &str) -> Option<String> {
    let formed = (43..=128).contains(&verifier.len())
        && verifier.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~".contains(&b));
    formed.then(|| URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes())))
}

/// Where somebody signs in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignInTarget {
    /// The workspace; of the whole account the one that answers for it.
    pub workspace: Workspace,
    /// Whether it is the whole account.
    pub whole_account: bool,
}

impl SignInTarget {
    /// Whether that authorization server signs people in here.
    pub fn is_of(&self, issuer: &Issuer) -> bool {
        issuer.serves(self.workspace.id, self.workspace.account, self.whole_account)
    }

    /// Where the tokens will be good.
    pub fn audience(&self) -> Audience {
        if self.whole_account {
            Audience::Account(self.workspace.account)
        } else {
            Audience::Workspace(self.workspace.id)
        }
    }
}

/// Somebody who may be chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// Their id.
    pub id: PrincipalId,
    /// Their `userName`.
    pub name: String,
    /// What people read.
    pub display_name: String,
    /// Whether they administer the workspace; where it is for the whole account, the account.
    pub admin: bool,
}

/// A search for people by a part of a name, in any case.
#[derive(Clone, Debug)]
pub struct Search(String);

impl Search {
    /// A search for what was typed.
    pub fn new(text: &str) -> Self {
        Self(text.trim().to_lowercase())
    }

    /// Whether it finds everybody.
    pub fn is_for_all(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether it finds somebody.
    pub fn finds(&self, person: &Person) -> bool {
        [&person.name, &person.display_name].iter().any(|name| name.to_lowercase().contains(&self.0))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: Millis = Millis(1_790_000_000_000);
    /// RFC 7636, appendix B.
    const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
    const BACK: &str = "http://localhost:8020";

    fn query(changes: &[(&str, &str)]) -> Vec<(String, String)> {
        let pairs = [
            ("response_type", "code"),
            ("client_id", CLI),
            ("redirect_uri", BACK),
            ("scope", "offline_access all-apis"),
            ("state", "s"),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
        ];
        let kept = pairs.iter().filter(|(name, _)| !changes.iter().any(|(changed, _)| changed == name));
        kept.chain(changes).map(|(name, value)| ((*name).into(), (*value).into())).collect()
    }

    fn request() -> AuthorizationRequest {
        AuthorizationRequest::read(&query(&[])).unwrap()
    }

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
    fn only_plain_loopback_addresses_are_answered() {
        for good in
            ["http://localhost:8020", "http://127.0.0.1:1/", "http://localhost/callback", "http://localhost:80/a/b"]
        {
            assert!(is_loopback(good), "{good}");
        }
        for bad in [
            "",
            "localhost:8020",
            "https://localhost:8020",
            "HTTP://localhost:8020",
            "http://localhost.evil.com",
            "http://localhost@evil.com",
            "http://localhost:8020@evil.com/",
            "http://evil.com/localhost",
            "http://localhost:",
            "http://localhost:x",
            "http://localhost:+1",
            "http://localhost:65536",
            "http://localhost\\@evil.com",
            "http://127.1:80",
            "http://[::1]:80",
            "http://localhost:80/?code=x",
            "http://localhost:80/#f",
            "http://localhost:80/a b",
            "http://localhost:80/\r\nX: y",
            "http://localhost:80/é",
            "http:///localhost",
        ] {
            assert!(!is_loopback(bad), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn what_is_answered_is_a_loopback_origin(uri in "http://[a-z0-9.:@/\\\\?#\\[\\]%-]{0,40}|http://(localhost|127\\.0\\.0\\.1)[:@./a-z0-9-]{0,12}") {
            if is_loopback(&uri) {
                let back = ReturnAddress { redirect_uri: uri.clone(), state: None };
                let host = back.origin().strip_prefix("http://").unwrap().split(':').next().unwrap();
                prop_assert!(["localhost", "127.0.0.1"].contains(&host), "{}", uri);
                prop_assert!(uri.starts_with(back.origin()));
            }
        }
    }

    #[test]
    fn a_request_is_refused_where_its_client_can_hear_it() {
        use AuthorizationError::{RedirectToClient, ShowToPerson};
        let read = |changes: &[(&str, &str)]| AuthorizationRequest::read(&query(changes));
        for changes in [
            ("client_id", ""),
            ("client_id", "dbt-databricks"),
            ("redirect_uri", ""),
            ("redirect_uri", "http://evil.com"),
        ] {
            assert!(matches!(read(&[changes]), Err(ShowToPerson(_))), "{changes:?}");
        }
        assert!(
            matches!(read(&[("client_id", "dbt-databricks")]), Err(ShowToPerson(Refusal::UnauthorizedClient(s))) if s.contains("dbt adapter"))
        );
        for changes in [
            ("response_type", ""),
            ("response_type", "token"),
            ("response_mode", "form_post"),
            ("code_challenge", ""),
            ("code_challenge", "short"),
            ("code_challenge", &CHALLENGE.replace('-', "+")),
            ("code_challenge_method", ""),
            ("code_challenge_method", "plain"),
            ("scope", "\""),
            ("scope", "openid all-apis"),
            ("state", "\0"),
        ] {
            let Err(RedirectToClient(back, _)) = read(&[changes]) else { panic!("{changes:?}") };
            assert_eq!(back.redirect_uri, BACK);
        }
        assert_eq!(read(&[("state", "")]).unwrap().back.state, None);
        assert_eq!(
            AuthorizationRequest::read(
                &request().query().into_iter().map(|(n, v)| (n.into(), v.into())).collect::<Vec<_>>()
            ),
            Ok(request())
        );
    }

    #[test]
    fn a_verifier_has_the_form_and_the_hash_of_the_rfc() {
        assert_eq!(challenge_of(VERIFIER).as_deref(), Some(CHALLENGE));
        for bad in ["", &"a".repeat(42), &"a".repeat(129), &"+".repeat(43), &"é".repeat(43)] {
            assert_eq!(challenge_of(bad), None, "{bad}");
        }
    }

    #[test]
    fn answers_are_encoded() {
        let back = ReturnAddress { redirect_uri: BACK.into(), state: Some("a&b=c d\r\n".into()) };
        let url = back.url(&[("code", "x")], "http://h/oidc");
        assert_eq!(url, "http://localhost:8020?code=x&state=a%26b%3Dc+d%0D%0A&iss=http%3A%2F%2Fh%2Foidc");
    }

    #[test]
    fn tickets_are_read_as_they_are_written() {
        let code = ticket(TicketKind::Code);
        let refresh = code.next_turn([9; 16]);
        for (kind, ticket) in [(TicketKind::Code, &code), (TicketKind::Refresh, &refresh)] {
            assert_eq!(Ticket::parse(kind, &ticket.reveal()).as_ref(), Some(ticket));
            assert_eq!(format!("{ticket:?}"), "Ticket(…)");
        }
        assert_ne!(refresh.reveal(), code.next_turn([8; 16]).reveal());
        let text = code.reveal();
        for bad in [
            "",
            "doac",
            &text[..67],
            &format!("{text}0"),
            &text.to_uppercase(),
            &text.replace("doac", "dosi"),
            &text.replace('3', "é"),
        ] {
            assert_eq!(Ticket::parse(TicketKind::Code, bad), None, "{bad}");
        }
    }

    #[test]
    fn a_code_works_once_for_whom_it_was_given_to() {
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
    fn a_refresh_token_turns_at_each_use_and_an_old_one_ends_all() {
        let first = ticket(TicketKind::Code).next_turn([1; 16]);
        let second = first.next_turn([2; 16]);
        let (redeemed, _) = granted(approved().judge(&code(BACK, VERIFIER), &first, NOW));
        let (turned, scope) = granted(redeemed.clone().judge(&refresh(&first, Some("all-apis")), &second, NOW));
        assert_eq!(scope, "all-apis");
        let (_, scope) = granted(turned.clone().judge(&refresh(&second, None), &first, NOW));
        assert_eq!(scope, "offline_access all-apis", "narrowing holds for one access token");
        assert!(matches!(turned.clone().judge(&refresh(&first, None), &first, NOW), Verdict::Revoked(_)));
        let wider = turned.clone().judge(&refresh(&second, Some("all-apis sql nonsense")), &first, NOW);
        assert!(matches!(wider, Verdict::Refused(Refusal::ScopesNotAssigned { scopes, .. }) if scopes == "nonsense"));
        let late = turned.clone().judge(&refresh(&second, None), &first, NOW.plus(REFRESH_LIFETIME_MS));
        assert_eq!(late, Verdict::Refused(Refusal::InvalidRefreshToken("it is expired")));
        let stranger = Ticket::new(TicketKind::Code, Uuid::from_u128(7), [4; 16]).next_turn([1; 16]);
        assert!(
            matches!(turned.judge(&refresh(&stranger, None), &first, NOW), Verdict::Refused(_)),
            "the id alone ends nothing"
        );
        assert!(matches!(approved().judge(&refresh(&first, None), &second, NOW), Verdict::Refused(_)));
    }

    #[test]
    fn no_refresh_token_without_being_asked_for() {
        let online = AuthorizationRequest { scope: "all-apis".into(), ..request() };
        let next = ticket(TicketKind::Code).next_turn([1; 16]);
        let (redeemed, _) = granted(SignIn { request: online, ..approved() }.judge(&code(BACK, VERIFIER), &next, NOW));
        assert_eq!((redeemed.turn, redeemed.expires_at), (None, NOW.plus(LIFETIME_SECONDS * 1000)));
    }

    #[test]
    fn names_are_searched_without_case_and_without_wildcards() {
        let person = Person { id: PrincipalId(7), name: "User07@x".into(), display_name: "N7".into(), admin: false };
        for (text, finds) in [("", true), (" uSER07 ", true), ("n7", true), ("n8", false), ("%", false), ("_", false)] {
            assert_eq!(Search::new(text).finds(&person), finds, "{text}");
        }
        assert!(Search::new(" ").is_for_all() && !Search::new("n").is_for_all());
    }
}
