//! OAuth for service principals: their secrets, and requests for access tokens at the token endpoint.
//! Sign-in of people is in `sign_ins`, the access tokens themselves are in `jwt`. Start with [`TokenRequest::read`].
//! See docs/reference/identity-and-oauth.md#client-credentials.

use std::fmt;

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::ids::DAY_MS;
use super::settings::PLATFORM_MAX_LIFETIME_DAYS;
use super::{AccountId, Denial, Millis, PrincipalId};
use crate::domain::scopes;
use crate::domain::sign_ins::{OFFLINE_ACCESS, Redemption};
use crate::domain::tripwire::marked;

/// The maximum number of live secrets of one service principal.
pub const MAX_SECRETS: usize = 5;
/// The longest and the default lifetime of a secret: two years, like a token's.
const MAX_LIFETIME_MS: i64 = PLATFORM_MAX_LIFETIME_DAYS * DAY_MS;

pub const CLIENT_CREDENTIALS: &str = "client_credentials";
pub const AUTHORIZATION_CODE: &str = "authorization_code";
pub const REFRESH_TOKEN: &str = "refresh_token";

/// Grant types of the real service that are not emulated, and what they are for.
const OTHER_GRANTS: &[(&str, &str)] = &[
    ("urn:ietf:params:oauth:grant-type:token-exchange", "token exchange, RFC 8693"),
    ("urn:ietf:params:oauth:grant-type:jwt-bearer", "JWT bearer, RFC 7523"),
];

/// A client secret: `dose` and 32 lowercase hex digits. It has no `Display` and no `Serialize`, and its `Debug` shows
/// nothing. See docs/reference/tokens.md#token-format.
#[derive(Clone, PartialEq, Eq)]
pub struct ClientSecret(String);

impl ClientSecret {
    /// A secret from 16 random bytes, two of which become a mark (see [`marked`]).
    pub fn from_random(bytes: [u8; 16]) -> Self {
        Self(format!("dose{}", hex::encode(marked(bytes))))
    }

    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix("dose")?;
        let hex = digits.len() == 32 && digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        hex.then(|| Self(text.to_owned()))
    }

    pub fn hash(&self) -> SecretHash {
        SecretHash::of(&self.0)
    }

    /// The secret itself, for the response of the call that created it and the banner of the first start.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ClientSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientSecret(…)")
    }
}

/// The lowercase hex SHA-256 of a secret. Secrets are 128 random bits, which nobody can guess, so a slow hash would
/// protect nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretHash(String);

impl SecretHash {
    pub fn of(secret: &str) -> Self {
        Self(hex::encode(Sha256::digest(secret.as_bytes())))
    }

    /// Reads a hash: 64 lowercase hex digits.
    pub fn parse(text: &str) -> Option<Self> {
        super::ids::is_sha256(text).then(|| Self(text.to_owned()))
    }

    /// A hash as it was stored, unchecked.
    pub fn from_text(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The hash as text: `secret_hash` on the wire.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Compares in constant time.
    pub fn matches(&self, other: &Self) -> bool {
        self.0.as_bytes().ct_eq(other.0.as_bytes()).into()
    }
}

/// A stored secret of a service principal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Secret {
    pub id: String,
    pub account: AccountId,
    pub principal: PrincipalId,
    pub hash: SecretHash,
    pub created_at: Millis,
    pub expires_at: Millis,
    /// The scopes that its access tokens cannot exceed; `None` is all APIs.
    pub scopes: Option<Vec<String>>,
}

impl Secret {
    /// The scopes of an access token, separated by spaces. `requested` is `None` if the client named no scope.
    ///
    /// # Errors
    /// [`Refusal::ScopesNotAssigned`] with the names that are unknown or that the secret does not have.
    pub fn grant(&self, client_id: &str, requested: Option<&str>) -> Result<String, Refusal> {
        let Some(requested) = requested else { return Ok(self.default_scope()) };
        let is_assigned = |name: &&str| match &self.scopes {
            // It requests a refresh token and concerns no API.
            _ if *name == OFFLINE_ACCESS => true,
            None => scopes::is_known(name),
            Some(granted) => scopes::may_request(granted, name),
        };
        let missing: Vec<&str> = requested.split(' ').filter(|name| !is_assigned(name)).collect();
        if missing.is_empty() {
            return Ok(requested.to_owned());
        }
        Err(Refusal::ScopesNotAssigned { scopes: missing.join(" "), client_id: client_id.to_owned() })
    }

    /// The scopes for a client that names none: all of the secret's \[inferred\].
    fn default_scope(&self) -> String {
        self.scopes.as_ref().map_or_else(|| scopes::ALL_APIS.to_owned(), |names| names.join(" "))
    }

    /// It expires *at* `expires_at`, like a token.
    pub fn is_live(&self, now: Millis) -> bool {
        now < self.expires_at
    }
}

/// The stored secret with this hash. The number of comparisons, each in constant time, does not depend on whether the
/// client is known or how many secrets it has.
pub fn find_secret<'a>(presented: &SecretHash, stored: &'a [Secret]) -> Option<&'a Secret> {
    let nothing = SecretHash::of("");
    let mut found = None;
    for i in 0..stored.len().max(MAX_SECRETS) {
        let candidate = stored.get(i);
        let hash = candidate.map_or(&nothing, |secret| &secret.hash);
        if hash.matches(presented) {
            found = candidate;
        }
    }
    found
}

/// The expiry time of a new secret.
///
/// # Errors
/// [`Denial::InvalidParameter`] for the lifetime, [`Denial::SecretQuotaExceeded`].
pub fn plan_secret(lifetime: Option<&str>, live_secrets: usize, now: Millis) -> Result<Millis, Denial> {
    let lifetime_ms = match lifetime {
        None => MAX_LIFETIME_MS,
        Some(text) => match duration_ms(text) {
            Some(ms) if (1..=MAX_LIFETIME_MS).contains(&ms) => ms,
            Some(_) => {
                return Err(Denial::parameter(format!(
                    "lifetime: '{text}' is not above zero and at most {}s ({PLATFORM_MAX_LIFETIME_DAYS} days).",
                    MAX_LIFETIME_MS / 1000
                )));
            }
            None => {
                return Err(Denial::parameter(format!("lifetime: '{text}' is not a duration such as '3600s'.")));
            }
        },
    };
    if live_secrets >= MAX_SECRETS {
        return Err(Denial::SecretQuotaExceeded);
    }
    Ok(now.plus(lifetime_ms))
}

/// The scopes of a new secret, without duplicates; `None` (all APIs) if none is named.
///
/// # Errors
/// [`Denial::InvalidParameter`] for an invalid name or too many names.
pub fn secret_scopes(names: Option<&[String]>) -> Result<Option<Vec<String>>, Denial> {
    let scopes = scopes::checked(names.unwrap_or_default());
    let scopes = scopes.map_err(|fault| Denial::parameter(format!("scopes: {fault}.")))?;
    Ok(Some(scopes).filter(|scopes| !scopes.is_empty()))
}

/// Reads the JSON format of protobuf durations, such as `3600s` or `0.5s`, in whole milliseconds.
fn duration_ms(text: &str) -> Option<i64> {
    let number = text.strip_suffix('s')?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let (sign, whole) = whole.strip_prefix('-').map_or((1, whole), |whole| (-1, whole));
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(fraction) || fraction.len() > 9 {
        return None;
    }
    let seconds: i64 = whole.parse().ok()?;
    let thousandths: i64 = format!("{fraction:0<3}").get(..3)?.parse().ok()?;
    seconds.checked_mul(1000)?.checked_add(thousandths)?.checked_mul(sign)
}

/// A page of a list of secrets, and the token of the next page.
///
/// # Errors
/// [`Denial::InvalidParameter`] if the token is not of this list.
pub fn page(
    secrets: &[Secret],
    size: Option<usize>,
    token: Option<&str>,
) -> Result<(Vec<Secret>, Option<String>), Denial> {
    let begin = match token.filter(|token| !token.is_empty()) {
        None => 0,
        Some(token) => {
            let at = secrets.iter().position(|secret| secret.id == token);
            at.ok_or_else(|| Denial::parameter("page_token is not of this list."))?
        }
    };
    let size = size.filter(|size| *size > 0).unwrap_or(usize::MAX);
    let rest = secrets.iter().skip(begin);
    let next = rest.clone().nth(size).map(|secret| secret.id.clone());
    Ok((rest.take(size).cloned().collect(), next))
}

/// Why a sign-in or a request for an access token was refused, in the terms of RFC 6749.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// `invalid_client`. The response does not contain the cause, which is for the log.
    InvalidClient(&'static str),
    InvalidRequest(String),
    InvalidScope(String),
    UnsupportedGrantType(String),
    /// `unauthorized_client`: not a public client that is emulated.
    UnauthorizedClient(String),
    UnsupportedResponseType(String),
    AccessDenied(String),
    /// `access_denied` for scopes that the client does not have.
    ScopesNotAssigned {
        /// Separated by spaces.
        scopes: String,
        client_id: String,
    },
    /// `invalid_grant` for a code. The cause is for the log.
    InvalidCode(&'static str),
    /// `invalid_grant` for a refresh token. The cause is for the log: clients compare the one text.
    InvalidRefreshToken(&'static str),
}

impl Refusal {
    /// The cause that the response does not contain.
    pub fn cause(&self) -> Option<&'static str> {
        match self {
            Self::InvalidClient(cause) | Self::InvalidCode(cause) | Self::InvalidRefreshToken(cause) => Some(cause),
            _ => None,
        }
    }
}

impl From<Refusal> for Denial {
    fn from(refusal: Refusal) -> Self {
        Self::OAuth(refusal)
    }
}

/// A request for an access token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenRequest {
    /// From a service principal.
    ClientCredentials(ClientCredentials),
    /// From the client that a person signed in with.
    SignIn(Redemption),
}

/// Client id and secret from the `Authorization` header.
pub type BasicCredentials = (String, String);

impl TokenRequest {
    /// Reads the form. Unknown parameters are ignored, as RFC 6749 requires.
    ///
    /// # Errors
    /// The grant type is checked before the client, because clients of other grants authenticate differently.
    pub fn read(basic: Option<BasicCredentials>, form: &[(String, String)]) -> Result<Self, Refusal> {
        match parameter(form, "grant_type")? {
            None => Err(Refusal::InvalidRequest("grant_type is missing".into())),
            Some(CLIENT_CREDENTIALS) => ClientCredentials::read(basic, form).map(Self::ClientCredentials),
            Some(AUTHORIZATION_CODE) => Redemption::read_code(basic.as_ref(), form).map(Self::SignIn),
            Some(REFRESH_TOKEN) => Redemption::read_refresh(basic.as_ref(), form).map(Self::SignIn),
            Some(other) => Err(Refusal::UnsupportedGrantType(unsupported(other))),
        }
    }

    pub fn grant_type(&self) -> &'static str {
        match self {
            Self::ClientCredentials(_) => CLIENT_CREDENTIALS,
            Self::SignIn(redemption) => redemption.grant_type(),
        }
    }
}

/// The credentials of a service principal. The secret is hashed as it is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCredentials {
    /// The service principal's application id.
    pub client_id: String,
    pub secret: SecretHash,
    /// The requested scopes, separated by spaces; `None` if none is named.
    pub scope: Option<String>,
}

impl ClientCredentials {
    fn read(basic: Option<(String, String)>, form: &[(String, String)]) -> Result<Self, Refusal> {
        let (id, secret) = (parameter(form, "client_id")?, parameter(form, "client_secret")?);
        let (client_id, secret) = match (basic, id, secret) {
            (Some(_), _, Some(_)) => {
                return Err(Refusal::InvalidRequest("The client authenticates in the header and in the body".into()));
            }
            (Some((basic, _)), Some(id), None) if basic != id => {
                return Err(Refusal::InvalidRequest("The header and the body name different clients".into()));
            }
            (Some(pair), _, None) => pair,
            (None, Some(id), Some(secret)) => (id.to_owned(), secret.to_owned()),
            (None, ..) => return Err(Refusal::InvalidClient("no client id and secret were sent")),
        };
        if client_id.contains('\0') {
            // PostgreSQL cannot store this character, so no database is asked for it.
            return Err(Refusal::InvalidClient("the client id holds the character U+0000"));
        }
        let scope = checked_scope(parameter(form, "scope")?.unwrap_or_default())?;
        Ok(Self { client_id, secret: SecretHash::of(&secret), scope })
    }
}

fn unsupported(grant: &str) -> String {
    match OTHER_GRANTS.iter().find(|(name, _)| *name == grant) {
        Some((name, what)) => format!("The grant type {name} ({what}) is not emulated"),
        None => format!("There is no grant type {grant}"),
    }
}

/// A parameter's value. An empty value counts as absent; a repeated parameter is an error (RFC 6749 §3.2).
pub(super) fn parameter<'a>(form: &'a [(String, String)], name: &str) -> Result<Option<&'a str>, Refusal> {
    let mut values = form.iter().filter(|(key, value)| key == name && !value.is_empty()).map(|(_, value)| value);
    match (values.next(), values.next()) {
        (value, None) => Ok(value.map(String::as_str)),
        (_, Some(_)) => Err(Refusal::InvalidRequest(format!("{name} is sent twice"))),
    }
}

/// Reads a list of scopes, without duplicates; `None` if it is empty. Whether the client has them is checked later.
pub(super) fn checked_scope(text: &str) -> Result<Option<String>, Refusal> {
    let names = text.split(' ').filter(|name| !name.is_empty());
    let names = scopes::requested(names).map_err(|fault| Refusal::InvalidScope(fault.to_string()))?;
    Ok(Some(names.join(" ")).filter(|scope| !scope.is_empty()))
}

/// The scopes that a sign-in requests: any known ones; all APIs if it names none.
pub(super) fn scope_of_public_client(text: &str, client_id: &str) -> Result<String, Refusal> {
    let scope = checked_scope(text)?.unwrap_or_else(|| scopes::ALL_APIS.to_owned());
    let unknown: Vec<&str> = scope.split(' ').filter(|name| !scopes::is_known(name)).collect();
    if unknown.is_empty() {
        return Ok(scope);
    }
    Err(Refusal::ScopesNotAssigned { scopes: unknown.join(" "), client_id: client_id.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Millis = Millis(1_790_000_000_000);

    fn form(text: &str) -> Vec<(String, String)> {
        form_urlencoded::parse(text.as_bytes()).into_owned().collect()
    }

    fn basic(id: &str, secret: &str) -> (String, String) {
        (id.into(), secret.into())
    }

    fn secret(id: &str, value: &str) -> Secret {
        Secret {
            id: id.into(),
            account: AccountId(uuid::Uuid::nil()),
            principal: PrincipalId(1),
            hash: SecretHash::of(value),
            created_at: NOW,
            expires_at: NOW.plus(1),
            scopes: None,
        }
    }

    #[test]
    fn a_secret_is_in_the_format_of_real_ones() {
        let secret = ClientSecret::from_random([0xab; 16]);
        assert_eq!(ClientSecret::parse(secret.reveal()), Some(secret.clone()));
        assert_eq!((secret.hash().as_str().len(), format!("{secret:?}").as_str()), (64, "ClientSecret(…)"));
        for bad in ["", "dose", "dosE00000000000000000000000000000000", "dapi00000000000000000000000000000001"] {
            assert_eq!(ClientSecret::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_secret_is_found_at_any_place_and_a_wrong_one_is_not() {
        let stored: Vec<Secret> = (0..7).map(|i| secret(&i.to_string(), &format!("s{i}"))).collect();
        for expected in &stored {
            assert_eq!(find_secret(&expected.hash, &stored), Some(expected));
        }
        for count in 0..stored.len() {
            assert_eq!(find_secret(&SecretHash::of("wrong"), &stored[..count]), None);
            assert_eq!(find_secret(&SecretHash::of(""), &stored[..count]), None);
        }
    }

    #[test]
    fn lifetimes_of_secrets_are_limited() {
        let expiry = |lifetime| plan_secret(lifetime, 0, NOW).map(|at| at.since(NOW));
        assert_eq!(expiry(None), Ok(730 * DAY_MS));
        assert_eq!(expiry(Some("63072000s")), Ok(730 * DAY_MS));
        assert_eq!(expiry(Some("3600s")), Ok(3_600_000));
        assert_eq!(expiry(Some("0.5s")), Ok(500));
        assert_eq!(expiry(Some("1.000000001s")), Ok(1000));
        for bad in ["63072001s", "63072000.001s", "0s", "-1s", "3600", "1h", "s", "1e3s", "", "99999999999999999999s"] {
            assert!(matches!(expiry(Some(bad)), Err(Denial::InvalidParameter(_))), "{bad:?}");
        }
        assert_eq!(plan_secret(None, 5, NOW), Err(Denial::SecretQuotaExceeded));
        assert!(plan_secret(None, 4, NOW).is_ok());
    }

    #[test]
    fn pages_cover_the_list() {
        let all: Vec<Secret> = (0..5).map(|i| secret(&i.to_string(), "x")).collect();
        assert_eq!(page(&all, None, None), Ok((all.clone(), None)));
        assert_eq!(page(&all, Some(5), Some("")), Ok((all.clone(), None)));
        assert_eq!(page(&all, Some(2), None), Ok((all[..2].to_vec(), Some("2".into()))));
        assert_eq!(page(&all, Some(2), Some("4")), Ok((all[4..].to_vec(), None)));
        assert!(page(&all, Some(2), Some("9")).is_err());
    }

    #[test]
    fn clients_authenticate_in_the_header_or_in_the_body() {
        let expected = |scope: Option<&str>| {
            let (client_id, secret) = ("c".into(), SecretHash::of("s"));
            TokenRequest::ClientCredentials(ClientCredentials { client_id, secret, scope: scope.map(str::to_owned) })
        };
        for (header, body, scope) in [
            (Some(basic("c", "s")), "grant_type=client_credentials&scope=all-apis", Some("all-apis")),
            (Some(basic("c", "s")), "scope=all-apis&grant_type=client_credentials", Some("all-apis")),
            (Some(basic("c", "s")), "grant_type=client_credentials&client_id=c&resource=x&scope=", None),
            (None, "client_secret=s&grant_type=client_credentials&client_id=c&authorization_details=%5B%5D", None),
            (Some(basic("c", "s")), "grant_type=client_credentials&scope=+sql+jobs%20sql+x", Some("sql jobs x")),
        ] {
            assert_eq!(TokenRequest::read(header, &form(body)), Ok(expected(scope)), "{body}");
        }
    }

    #[test]
    fn a_secret_grants_its_own_scopes_and_nothing_beyond() {
        let with = |scopes: &[&str]| {
            let scopes: Vec<String> = scopes.iter().map(ToString::to_string).collect();
            Secret { scopes: secret_scopes(Some(&scopes)).unwrap(), ..secret("id", "s") }
        };
        let missing = |scopes: &str| Err(Refusal::ScopesNotAssigned { scopes: scopes.into(), client_id: "c".into() });
        for (own, asked, expected) in [
            (&[][..], None, Ok("all-apis".to_owned())),
            (&[], Some("all-apis"), Ok("all-apis".into())),
            (&[], Some("sql jobs"), Ok("sql jobs".into())),
            (&[], Some("sql nonsense"), missing("nonsense")),
            (&["sql", "jobs", "sql"], None, Ok("sql jobs".into())),
            (&["sql"], Some("sql"), Ok("sql".into())),
            (&["sql"], Some("sql offline_access"), Ok("sql offline_access".into())),
            (&["sql"], Some("all-apis"), missing("all-apis")),
            (&["sql"], Some("jobs sql all-apis"), missing("jobs all-apis")),
            (&["iam"], Some("iam.groups:read"), Ok("iam.groups:read".into())),
            (&["iam.groups:read"], Some("iam"), missing("iam")),
            (&["all-apis"], Some("sql"), Ok("sql".into())),
            (&["all-apis"], Some("nonsense"), missing("nonsense")),
            (&["of-tomorrow"], Some("of-tomorrow"), Ok("of-tomorrow".into())),
        ] {
            assert_eq!(with(own).grant("c", asked), expected, "{own:?} asked for {asked:?}");
        }
    }

    #[test]
    fn scopes_of_secrets_are_limited() {
        let names = |count: usize| (0..count).map(|i| format!("a{i}")).collect::<Vec<_>>();
        assert_eq!(secret_scopes(None), Ok(None));
        assert_eq!(secret_scopes(Some(&[])), Ok(None));
        assert_eq!(secret_scopes(Some(&names(scopes::MAX_SCOPES))), Ok(Some(names(scopes::MAX_SCOPES))));
        assert!(matches!(secret_scopes(Some(&names(scopes::MAX_SCOPES + 1))), Err(Denial::InvalidParameter(_))));
        for bad in ["", "two words", "UPPER", "\0", &"a".repeat(65)] {
            assert!(matches!(secret_scopes(Some(&[bad.to_owned()])), Err(Denial::InvalidParameter(_))), "{bad:?}");
        }
    }

    #[test]
    fn other_requests_are_refused_in_the_terms_of_the_rfc() {
        let read = |header, body: &str| TokenRequest::read(header, &form(body)).unwrap_err();
        let exchange = "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Atoken-exchange&subject_token=a.b.c";
        assert!(matches!(read(None, exchange), Refusal::UnsupportedGrantType(s) if s.contains("token exchange")));
        assert!(matches!(read(None, "grant_type=x"), Refusal::UnsupportedGrantType(s) if s.ends_with("grant type x")));
        assert!(matches!(read(Some(basic("c", "s")), ""), Refusal::InvalidRequest(s) if s.contains("grant_type")));
        let grant = "grant_type=client_credentials";
        assert!(matches!(read(None, grant), Refusal::InvalidClient(_)));
        assert!(matches!(read(None, &format!("{grant}&client_id=c")), Refusal::InvalidClient(_)));
        assert!(matches!(read(Some(basic("c", "s")), &format!("{grant}&{grant}")), Refusal::InvalidRequest(_)));
        assert!(matches!(read(Some(basic("c", "s")), &format!("{grant}&client_secret=s")), Refusal::InvalidRequest(_)));
        assert!(matches!(read(Some(basic("c", "s")), &format!("{grant}&client_id=d")), Refusal::InvalidRequest(_)));
        let names: Vec<String> = (0..=scopes::MAX_SCOPES).map(|n| format!("s{n}")).collect();
        let many = format!("{grant}&scope={}", names.join("+"));
        let long = format!("{grant}&scope={}", "a".repeat(scopes::MAX_NAME_BYTES + 1));
        for bad in [&format!("{grant}&scope=all-apis+%22"), &format!("{grant}&scope=a%00"), &many, &long] {
            assert!(matches!(read(Some(basic("c", "s")), bad), Refusal::InvalidScope(_)), "{bad}");
        }
    }
}
