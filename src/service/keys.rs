//! The keys that sign access tokens: made when the first one is needed, kept in the database.

use std::sync::Arc;

use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair, RsaPublicKeyComponents};
use rsa::pkcs8::EncodePrivateKey;

use super::{Error, Service};
use crate::domain::AccountId;
use crate::domain::jwt::{AccessToken, Claims, SigningKey, UnsignedToken, VerifyingKey};
use crate::entropy::Entropy;
use crate::store::Lock;

const KEY_BITS: usize = 2048;

impl Service {
    /// The keys that access tokens can be verified with, newest first: an account's, or all.
    pub async fn verifying_keys(&self, account: Option<AccountId>) -> Result<Vec<VerifyingKey>, Error> {
        let at_least = match account {
            Some(account) => account,
            None => self.workspace_of_account(None).await?.account,
        };
        self.signing_key(at_least).await?;
        Ok(self.store.read().await?.list_keys(account).await?)
    }

    /// Makes a new key, which signs from now on. Tokens that older keys signed go on working.
    pub async fn rotate_signing_key(&self, account: AccountId) -> Result<VerifyingKey, Error> {
        let key = self.make_key().await?;
        let mut writer = self.store.write(Lock::Database).await?;
        writer.insert_key(account, &key, self.clock.now()).await?;
        writer.commit().await?;
        Ok(key.public)
    }

    /// The account's newest key. The first caller makes it, which takes a twentieth of a second and
    /// so has no place in the start. Of several processes on one database, the first to store wins.
    pub(super) async fn signing_key(&self, account: AccountId) -> Result<SigningKey, Error> {
        if let Some(key) = self.store.read().await?.find_signing_key(account).await? {
            return Ok(key);
        }
        let _one_at_a_time = self.key_creation.lock().await;
        if let Some(key) = self.store.read().await?.find_signing_key(account).await? {
            return Ok(key);
        }
        let key = self.make_key().await?;
        let mut writer = self.store.write(Lock::Database).await?;
        if let Some(others) = writer.find_signing_key(account).await? {
            return Ok(others);
        }
        writer.insert_key(account, &key, self.clock.now()).await?;
        writer.commit().await?;
        Ok(key)
    }

    async fn make_key(&self) -> Result<SigningKey, Error> {
        let entropy = Arc::clone(&self.entropy);
        let made = tokio::task::spawn_blocking(move || make_key(entropy.as_ref())).await;
        made.map_err(|_| Error::Key("making one was interrupted"))?
    }
}

/// ring signs and verifies but cannot make RSA keys; the `rsa` crate does that, and nothing else.
fn make_key(entropy: &dyn Entropy) -> Result<SigningKey, Error> {
    let key = rsa::PrivateKey::new(&mut entropy.generator(), KEY_BITS).map_err(|_| Error::Key("cannot be made"))?;
    let pkcs8 = key.to_pkcs8_der().map_err(|_| Error::Key("cannot be encoded"))?.as_bytes().to_vec();
    let public = RsaPublicKeyComponents::<Vec<u8>>::from(key_pair(&pkcs8)?.public());
    Ok(SigningKey { public: VerifyingKey::new(public.n), pkcs8 })
}

/// The access token with these claims.
pub(super) fn sign(key: &SigningKey, claims: &Claims) -> Result<AccessToken, Error> {
    let unsigned = UnsignedToken::new(key.public.kid(), claims).map_err(|_| Error::Key("cannot write the claims"))?;
    let pair = key_pair(&key.pkcs8)?;
    let mut signature = vec![0; pair.public().modulus_len()];
    // PKCS#1 v1.5 signatures are not random: ring asks for the generator and does not draw from it.
    pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), unsigned.message(), &mut signature)
        .map_err(|_| Error::Key("cannot sign"))?;
    Ok(unsigned.signed(&signature))
}

fn key_pair(pkcs8: &[u8]) -> Result<RsaKeyPair, Error> {
    RsaKeyPair::from_pkcs8(pkcs8).map_err(|_| Error::Key("cannot be read"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::jwt::Forgery;
    use crate::entropy::SeededEntropy;

    #[test]
    fn a_key_comes_from_the_entropy_and_its_signature_holds() {
        let key = make_key(&SeededEntropy::new(1)).unwrap();
        assert_eq!(make_key(&SeededEntropy::new(1)).unwrap(), key);
        let other = make_key(&SeededEntropy::new(2)).unwrap();
        let claims = Claims {
            client_id: "c".into(),
            scope: "all-apis".into(),
            iss: "i".into(),
            aud: "1".into(),
            sub: "c".into(),
            iat: 1,
            exp: 2,
            jti: "j".into(),
            sid: None,
            creation: 7,
            workspace_creation: None,
        };
        let token = sign(&key, &claims).unwrap();
        let token = AccessToken::parse(token.reveal()).unwrap();
        assert_eq!(token.verify(&key.public), Ok(claims));
        assert_eq!(token.verify(&other.public), Err(Forgery::UnknownKey));
    }
}
