//! Seals the state that forms carry, so that nothing is stored for anonymous visitors. A seal is an HMAC whose key comes
//! from the account's signing key, so it is valid on every replica and after a restart.

use ring::hmac;
use serde::{Deserialize, Serialize};

use super::{Error, Service};
use crate::domain::AccountId;
use crate::domain::sign_ins::{CHOICE_LIFETIME_MS, SEALED_PREFIX};

/// The hash of the server's control key, or zeros. Another control key invalidates the seals.
pub type Seal = [u8; 32];

const MAC_DIGITS: usize = 64;

/// The kind of form. A seal of one kind is invalid in another.
#[derive(Clone, Copy, Debug)]
pub(super) enum Purpose {
    SignInPage,
    Admission,
}

impl Purpose {
    const fn label(self) -> &'static [u8] {
        match self {
            Self::SignInPage => b"dapi-mock sign-in page\0",
            Self::Admission => b"dapi-mock admission\0",
        }
    }
}

/// Proof that a browser has sent the control key.
#[derive(Serialize, Deserialize)]
struct Admission {
    form_token: String,
    expires_at: i64,
}

impl Service {
    pub(super) async fn seal(
        &self,
        account: AccountId,
        (purpose, policy): (Purpose, Seal),
        payload: &[u8],
    ) -> Result<String, Error> {
        let key = self.sealing_key(account).await?;
        let mac = hmac::sign(&key, &[purpose.label(), &policy, payload].concat());
        Ok(format!("{SEALED_PREFIX}{}{}", hex::encode(payload), hex::encode(mac)))
    }

    pub(super) async fn is_sealed(
        &self,
        account: AccountId,
        (purpose, policy): (Purpose, Seal),
        text: &str,
    ) -> Result<bool, Error> {
        let Some((payload, mac)) = parts(text) else { return Ok(false) };
        let key = self.sealing_key(account).await?;
        Ok(hmac::verify(&key, &[purpose.label(), &policy, payload.as_slice()].concat(), &mac).is_ok())
    }

    async fn sealing_key(&self, account: AccountId) -> Result<hmac::Key, Error> {
        Ok(hmac::Key::new(hmac::HMAC_SHA256, &self.signing_key(account).await?.pkcs8))
    }

    /// The proof for the next form of a browser that has sent the control key.
    pub async fn admit(&self, account: AccountId, form_token: &str, policy: Seal) -> Result<String, Error> {
        let expires_at = self.system_now().plus(CHOICE_LIFETIME_MS).0;
        let admission = Admission { form_token: form_token.to_owned(), expires_at };
        let payload = serde_json::to_vec(&admission).map_err(|_| Error::Key("cannot write an admission"))?;
        self.seal(account, (Purpose::Admission, policy), &payload).await
    }

    /// Whether `text` proves that this browser has sent the control key.
    pub async fn is_admitted(
        &self,
        account: AccountId,
        form_token: &str,
        policy: Seal,
        text: &str,
    ) -> Result<bool, Error> {
        let payload = sealed_payload(text);
        let admission: Option<Admission> = payload.and_then(|payload| serde_json::from_slice(&payload).ok());
        let now = self.system_now().0;
        let matches = admission.is_some_and(|it| it.form_token == form_token && now < it.expires_at);
        Ok(matches && self.is_sealed(account, (Purpose::Admission, policy), text).await?)
    }
}

/// The sealed payload. It is not to be trusted until [`Service::is_sealed`] has confirmed it.
pub(super) fn sealed_payload(text: &str) -> Option<Vec<u8>> {
    parts(text).map(|(payload, _)| payload)
}

fn parts(text: &str) -> Option<(Vec<u8>, Vec<u8>)> {
    let digits = text.strip_prefix(SEALED_PREFIX)?;
    let (payload, mac) = digits.split_at_checked(digits.len().checked_sub(MAC_DIGITS)?)?;
    Some((hex::decode(payload).ok()?, hex::decode(mac).ok()?))
}
