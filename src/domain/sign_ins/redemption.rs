//! The request to the token endpoint: a code or a refresh token, to be exchanged for tokens.
//! Whether it is granted is decided by `SignIn::judge`.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use super::request::CLI;
use super::ticket::{Ticket, TicketKind};
use crate::domain::oauth::{AUTHORIZATION_CODE, BasicCredentials, REFRESH_TOKEN, Refusal, checked_scope, parameter};

/// A request for tokens with a ticket. The client is public, so it has no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redemption {
    pub client_id: String,
    pub ticket: Ticket,
    pub proof: Proof,
}

/// What must match in addition to the ticket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proof {
    Code {
        /// The redirect URI of the authorization request.
        redirect_uri: String,
        /// Computed from the verifier, which is hashed as it is read.
        challenge: String,
    },
    /// The requested scopes; `None` for all that were granted.
    Refresh(Option<String>),
}

impl Redemption {
    pub fn grant_type(&self) -> &'static str {
        match self.proof {
            Proof::Code { .. } => AUTHORIZATION_CODE,
            Proof::Refresh(_) => REFRESH_TOKEN,
        }
    }

    /// Reads the form of the grant `authorization_code`.
    pub fn read_code(basic: Option<&BasicCredentials>, form: &[(String, String)]) -> Result<Self, Refusal> {
        let client_id = public_client(basic, form)?;
        let required = |name| {
            let missing = || Refusal::InvalidRequest(format!("{name} is missing"));
            parameter(form, name)?.map(str::to_owned).ok_or_else(missing)
        };
        let (code, redirect_uri, verifier) = (required("code")?, required("redirect_uri")?, required("code_verifier")?);
        let ticket = Ticket::parse(TicketKind::Code, &code);
        let ticket = ticket.ok_or(Refusal::InvalidCode("it is not in the format of a code"))?;
        let challenge = challenge_of(&verifier);
        let challenge = challenge.ok_or(Refusal::InvalidCode("the code_verifier is not in the format of RFC 7636"))?;
        Ok(Self { client_id, ticket, proof: Proof::Code { redirect_uri, challenge } })
    }

    /// Reads the form of the grant `refresh_token`.
    pub fn read_refresh(basic: Option<&BasicCredentials>, form: &[(String, String)]) -> Result<Self, Refusal> {
        let client_id = public_client(basic, form)?;
        let missing = || Refusal::InvalidRequest("refresh_token is missing".into());
        let token = parameter(form, "refresh_token")?.ok_or_else(missing)?;
        let ticket = Ticket::parse(TicketKind::Refresh, token);
        let ticket = ticket.ok_or(Refusal::InvalidRefreshToken("it is not in the format of a refresh token"))?;
        let scope = checked_scope(parameter(form, "scope")?.unwrap_or_default())?;
        Ok(Self { client_id, ticket, proof: Proof::Refresh(scope) })
    }
}

fn public_client(basic: Option<&BasicCredentials>, form: &[(String, String)]) -> Result<String, Refusal> {
    if basic.is_some() || parameter(form, "client_secret")?.is_some() {
        return Err(Refusal::InvalidClient("a secret was sent, but a public client has none"));
    }
    match parameter(form, "client_id")? {
        Some(CLI) => Ok(CLI.to_owned()),
        Some(_) => Err(Refusal::InvalidClient("there is no public client of this id")),
        None => Err(Refusal::InvalidClient("no client id was sent")),
    }
}

/// The challenge of a verifier; `None` if the verifier is not in the format of RFC 7636 §4.1.
pub(super) fn challenge_of(verifier: &str) -> Option<String> {
    let formed = (43..=128).contains(&verifier.len())
        && verifier.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~".contains(&b));
    formed.then(|| URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7636, appendix B.
    const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

    #[test]
    fn a_verifier_has_the_format_and_the_challenge_of_the_rfc() {
        assert_eq!(challenge_of(VERIFIER).as_deref(), Some(CHALLENGE));
        for bad in ["", &"a".repeat(42), &"a".repeat(129), &"+".repeat(43), &"é".repeat(43)] {
            assert_eq!(challenge_of(bad), None, "{bad}");
        }
    }
}
