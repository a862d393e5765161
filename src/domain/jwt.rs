//! OAuth access tokens: their format, their claims, and whether this server signed them. RS256 only: a token's own
//! statement about its algorithm is compared, never followed. What a token allows is decided in `authorize`.
//! See docs/reference/identity-and-oauth.md#access-tokens.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{AccountId, Millis, WorkspaceId};

/// The lifetime of an access token.
pub const LIFETIME_SECONDS: i64 = 3600;
/// The longest access token that is parsed: one with the most and longest scopes is shorter.
pub const MAX_BYTES: usize = 16 * 1024;

const ALGORITHM: &str = "RS256";
const TYPE: &str = "at+jwt";
/// The public exponent of every key, 65537.
const EXPONENT: [u8; 3] = [1, 0, 1];

#[derive(Debug, Serialize, Deserialize)]
struct Header {
    kid: String,
    typ: String,
    alg: String,
}

/// The claims of an access token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// The OAuth client; for client credentials the service principal's application id.
    pub client_id: String,
    /// Scopes, separated by spaces.
    pub scope: String,
    /// The issuer. Not compared, because a host and its containers reach the server by different addresses.
    pub iss: String,
    /// The workspace's id, or the account's.
    pub aud: String,
    pub sub: String,
    /// When it was issued, in seconds since the Unix epoch.
    pub iat: i64,
    pub exp: i64,
    pub jti: String,
    /// The sign-in that the token came from, if a person signed in; the token is revoked with it. The real service's
    /// tokens have no such claim.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sid: Option<String>,
    /// The [`creation`](crate::domain::identities::Principal::creation) of the principal: a later principal may have
    /// the same name, which is `sub`. The real service's tokens have no such claim.
    #[serde(default)]
    pub creation: i64,
    /// For one workspace and without a sign-in: the creation of that workspace, because a later one may have its id.
    /// The real service's tokens have no such claim.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workspace_creation: Option<i64>,
}

impl Claims {
    /// The token stops working *at* this instant, like a personal access token at its expiry time.
    pub fn expiry(&self) -> Millis {
        Millis(self.exp.saturating_mul(1000))
    }

    /// Where the token is valid; `None` if `aud` is neither a workspace nor an account.
    pub fn audience(&self) -> Option<Audience> {
        let workspace = WorkspaceId::parse(&self.aud).map(Audience::Workspace);
        workspace.or_else(|| AccountId::parse(&self.aud).map(Audience::Account))
    }

    /// The scopes; `None` is all APIs.
    pub fn scopes(&self) -> Option<Vec<String>> {
        let scopes: Vec<String> = self.scope.split_ascii_whitespace().map(str::to_owned).collect();
        (!scopes.iter().any(|scope| scope == crate::domain::scopes::ALL_APIS)).then_some(scopes)
    }
}

/// Where an access token is valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    Workspace(WorkspaceId),
    /// In the account, and in every workspace that the principal is assigned to \[inferred\].
    Account(AccountId),
}

impl fmt::Display for Audience {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Workspace(id) => id.fmt(f),
            Self::Account(id) => id.fmt(f),
        }
    }
}

/// The public half of a signing key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifyingKey {
    kid: String,
    modulus: Vec<u8>,
}

impl VerifyingKey {
    /// The key with this modulus. Its id is its RFC 7638 thumbprint in hex: 64 digits, as on the real service.
    pub fn new(modulus: Vec<u8>) -> Self {
        let mut key = Self { kid: String::new(), modulus };
        let members = format!(r#"{{"e":"{}","kty":"RSA","n":"{}"}}"#, Self::exponent_text(), key.modulus_text());
        key.kid = hex::encode(Sha256::digest(members.as_bytes()));
        key
    }

    /// The key from its JWK's `n`; `None` if that is not base64url.
    pub fn from_modulus_text(text: &str) -> Option<Self> {
        URL_SAFE_NO_PAD.decode(text).ok().map(Self::new)
    }

    pub fn kid(&self) -> &str {
        &self.kid
    }

    pub fn modulus_text(&self) -> String {
        URL_SAFE_NO_PAD.encode(&self.modulus)
    }

    pub fn exponent_text() -> String {
        URL_SAFE_NO_PAD.encode(EXPONENT)
    }
}

/// A signing key. Its `Debug` hides the private half.
#[derive(Clone, PartialEq, Eq)]
pub struct SigningKey {
    pub public: VerifyingKey,
    pub pkcs8: Vec<u8>,
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({}, …)", self.public.kid)
    }
}

/// Why this server does not accept an access token, before any check of its owner or scopes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forgery {
    UnknownKey,
    /// The key that it names did not sign it, or it was changed afterwards.
    Signature,
    /// Signed, but with claims or an audience that this server does not issue.
    Claims,
    /// Signed, but the sign-in that it came from was revoked or has expired.
    SignInEnded,
    /// Signed, but for a removed workspace; another workspace has its id now.
    WorkspaceRemoved,
}

impl Forgery {
    /// The reason in the log and the trace.
    pub const fn because(self) -> &'static str {
        match self {
            Self::UnknownKey => "the access token names a key that this server does not have",
            Self::Signature => "the access token's signature is not valid",
            Self::Claims => "the access token's claims are not those of a token of this server",
            Self::SignInEnded => "the sign-in that the access token came from was revoked or has expired",
            Self::WorkspaceRemoved => {
                "the access token was issued for an earlier workspace with this id, which was removed"
            }
        }
    }
}

/// The text of an access token: a secret, so its `Debug` shows nothing. Its claims are not trusted before
/// [`verify`](Self::verify).
#[derive(Clone, PartialEq, Eq)]
pub struct AccessToken {
    text: String,
    kid: String,
}

impl AccessToken {
    /// Reads a token. It has three base64url parts, and the first one is the header of an RS256 access token with a key
    /// id.
    pub fn parse(text: &str) -> Option<Self> {
        let is_base64url = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        if text.len() > MAX_BYTES || text.bytes().filter(|byte| !is_base64url(*byte)).ne([b'.'; 2]) {
            return None;
        }
        let (header, _) = text.split_once('.')?;
        let header: Header = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).ok()?).ok()?;
        let sound = header.alg == ALGORITHM && header.typ == TYPE && is_kid(&header.kid);
        sound.then(|| Self { text: text.to_owned(), kid: header.kid })
    }

    /// The id of the key that it claims to be signed by.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// Its claims, if its signature is valid.
    pub fn verify(&self, key: &VerifyingKey) -> Result<Claims, Forgery> {
        if self.kid != key.kid {
            return Err(Forgery::UnknownKey);
        }
        let (signed, signature) = self.text.rsplit_once('.').ok_or(Forgery::Signature)?;
        // Strict: with meaningless trailing bits, one token could have several texts.
        let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| Forgery::Signature)?;
        RsaPublicKeyComponents { n: key.modulus.as_slice(), e: EXPONENT.as_slice() }
            .verify(&RSA_PKCS1_2048_8192_SHA256, signed.as_bytes(), &signature)
            .map_err(|_| Forgery::Signature)?;
        let (_, payload) = signed.split_once('.').ok_or(Forgery::Claims)?;
        let payload = URL_SAFE_NO_PAD.decode(payload).map_err(|_| Forgery::Claims)?;
        serde_json::from_slice(&payload).map_err(|_| Forgery::Claims)
    }

    /// The token itself, for the response of the call that issued it.
    pub fn reveal(&self) -> &str {
        &self.text
    }
}

impl fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccessToken(…)")
    }
}

/// Whether it is in the format of [`VerifyingKey::kid`]; nothing else is looked up.
fn is_kid(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// A token without its signature.
#[derive(Clone, Debug)]
pub struct UnsignedToken {
    text: String,
    kid: String,
}

impl UnsignedToken {
    /// The token with these claims, for the key with that id to sign.
    ///
    /// # Errors
    /// Only in theory: serde's signature has an error, which these types cannot cause.
    pub fn new(kid: &str, claims: &Claims) -> Result<Self, serde_json::Error> {
        let header = Header { kid: kid.to_owned(), typ: TYPE.to_owned(), alg: ALGORITHM.to_owned() };
        let part = |json: Vec<u8>| URL_SAFE_NO_PAD.encode(json);
        let text = format!("{}.{}", part(serde_json::to_vec(&header)?), part(serde_json::to_vec(claims)?));
        Ok(Self { text, kid: header.kid })
    }

    pub fn message(&self) -> &[u8] {
        self.text.as_bytes()
    }

    pub fn signed(self, signature: &[u8]) -> AccessToken {
        AccessToken { text: format!("{}.{}", self.text, URL_SAFE_NO_PAD.encode(signature)), kid: self.kid }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claims(aud: &str, scope: &str) -> Claims {
        Claims {
            client_id: "c".into(),
            scope: scope.into(),
            iss: "http://127.0.0.1:3274/oidc".into(),
            aud: aud.into(),
            sub: "c".into(),
            iat: 5,
            exp: 3605,
            jti: "j".into(),
            sid: None,
            creation: 7,
            workspace_creation: None,
        }
    }

    #[test]
    fn only_the_header_of_an_rs256_access_token_is_accepted() {
        let token = |header: &str| format!("{}.e30.AAAA", URL_SAFE_NO_PAD.encode(header));
        let kid = "0f".repeat(32);
        let token = |header: &str| token(&header.replace("KID", &kid));
        let sound = token(r#"{"kid":"KID","typ":"at+jwt","alg":"RS256"}"#);
        assert_eq!(AccessToken::parse(&sound).unwrap().kid(), kid);
        for header in [
            r#"{"kid":"KID","typ":"at+jwt","alg":"none"}"#,
            r#"{"kid":"KID","typ":"at+jwt","alg":"HS256"}"#,
            r#"{"kid":"KID","typ":"at+jwt","alg":"rs256"}"#,
            r#"{"kid":"KID","typ":"at+jwt","alg":["RS256"]}"#,
            r#"{"kid":"KID","typ":"at+jwt"}"#,
            r#"{"kid":"KID","typ":"JWT","alg":"RS256"}"#,
            r#"{"typ":"at+jwt","alg":"RS256"}"#,
            r#"{"kid":"KID0","typ":"at+jwt","alg":"RS256"}"#,
            r#"{"kid":"0","typ":"at+jwt","alg":"RS256"}"#,
            "[]",
            "",
        ] {
            assert_eq!(AccessToken::parse(&token(header)), None, "{header}");
        }
        for text in [
            "",
            "..",
            "a.b",
            &format!("{sound}.x"),
            &format!("{sound}="),
            &sound.replace("e30", "e30.e30"),
            &sound.replace("e30", "e3!"),
        ] {
            assert_eq!(AccessToken::parse(text), None, "{text}");
        }
        let long = |bytes: usize| format!("{}{}", sound, "A".repeat(bytes - sound.len()));
        assert!(AccessToken::parse(&long(MAX_BYTES)).is_some());
        assert!(AccessToken::parse(&long(MAX_BYTES + 1)).is_none());
    }

    #[test]
    fn an_audience_is_a_workspace_or_an_account() {
        let account = "32743274-3274-4274-8274-327432743274";
        assert_eq!(claims("12", "").audience(), Some(Audience::Workspace(WorkspaceId(12))));
        assert_eq!(claims(account, "").audience().unwrap().to_string(), account);
        assert_eq!(claims("https://example.com", "").audience(), None);
    }

    #[test]
    fn all_apis_among_the_scopes_allows_all_apis() {
        assert_eq!(claims("1", "offline_access all-apis").scopes(), None);
        assert_eq!(claims("1", "sql  jobs").scopes(), Some(vec!["sql".into(), "jobs".into()]));
        assert_eq!(claims("1", "").scopes(), Some(vec![]));
    }

    #[test]
    fn debug_shows_no_secrets() {
        let token = UnsignedToken::new("k", &claims("1", "all-apis")).unwrap().signed(b"signature");
        assert_eq!(format!("{token:?}"), "AccessToken(…)");
        let key = SigningKey { public: VerifyingKey::new(vec![1]), pkcs8: b"secret".to_vec() };
        assert!(!format!("{key:?}").contains("115, 101"));
        assert_eq!(key.public.kid().len(), 64);
    }
}
