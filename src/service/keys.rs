//! The RSA keys that sign access tokens. Each account has its own, created when first needed and stored in the database.

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
    /// The public keys of an account, or of all, newest first.
    pub async fn verifying_keys(&self, account: Option<AccountId>) -> Result<Vec<VerifyingKey>, Error> {
        let with_key = match account {
            Some(account) => account,
            None => self.workspace_of_account(None).await?.account,
        };
        self.signing_key(with_key).await?;
        Ok(self.store.read().await?.list_keys(account).await?)
    }

    /// Creates a new signing key. Access tokens that older keys signed stay valid.
    pub async fn rotate_signing_key(&self, account: AccountId) -> Result<VerifyingKey, Error> {
        let key = self.create_key().await?;
        let mut writer = self.store.write(Lock::Database).await?;
        writer.insert_key(account, &key, self.clock.now()).await?;
        writer.commit().await?;
        Ok(key.public)
    }

    /// The account's newest key. The first call creates it, which takes about 50 ms and would slow down the start. When
    /// several processes create one, the first to store it wins.
    pub(super) async fn signing_key(&self, account: AccountId) -> Result<SigningKey, Error> {
        if let Some(key) = self.store.read().await?.find_signing_key(account).await? {
            return Ok(key);
        }
        let _one_at_a_time = self.key_creation.lock().await;
        if let Some(key) = self.store.read().await?.find_signing_key(account).await? {
            return Ok(key);
        }
        let key = self.create_key().await?;
        let mut writer = self.store.write(Lock::Database).await?;
        if let Some(others) = writer.find_signing_key(account).await? {
            return Ok(others);
        }
        writer.insert_key(account, &key, self.clock.now()).await?;
        writer.commit().await?;
        Ok(key)
    }

    async fn create_key(&self) -> Result<SigningKey, Error> {
        let entropy = Arc::clone(&self.entropy);
        let made = tokio::task::spawn_blocking(move || generate_key(entropy.as_ref())).await;
        made.map_err(|_| Error::Key("creating it was interrupted"))?
    }
}

/// ring signs and verifies but cannot generate RSA keys, so the `rsa` crate does that.
fn generate_key(entropy: &dyn Entropy) -> Result<SigningKey, Error> {
    let key = rsa::PrivateKey::new(&mut entropy.generator(), KEY_BITS).map_err(|_| Error::Key("cannot be created"))?;
    let pkcs8 = key.to_pkcs8_der().map_err(|_| Error::Key("cannot be encoded"))?.as_bytes().to_vec();
    let public = RsaPublicKeyComponents::<Vec<u8>>::from(key_pair(&pkcs8)?.public());
    Ok(SigningKey { public: VerifyingKey::new(public.n), pkcs8 })
}

pub(super) fn sign(key: &SigningKey, claims: &Claims) -> Result<AccessToken, Error> {
    let unsigned = UnsignedToken::new(key.public.kid(), claims).map_err(|_| Error::Key("cannot write the claims"))?;
    let pair = key_pair(&key.pkcs8)?;
    let mut signature = vec![0; pair.public().modulus_len()];
    // PKCS#1 v1.5 signatures are deterministic: ring requires a generator but does not use it.
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
    fn a_key_is_drawn_from_the_entropy_and_its_signature_verifies() {
        let key = generate_key(&SeededEntropy::new(1)).unwrap();
        assert_eq!(generate_key(&SeededEntropy::new(1)).unwrap(), key);
        let other = generate_key(&SeededEntropy::new(2)).unwrap();
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
