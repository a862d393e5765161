//! The only source of randomness; a lint forbids others. Tests and seeded worlds use [`SeededEntropy`].

use std::fmt;
use std::sync::{Mutex, PoisonError};

use rand::Rng;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;
use sha2::{Digest, Sha256};
use uuid::{Builder, Uuid};

use crate::domain::oauth::ClientSecret;
use crate::domain::tokens::TokenValue;
use crate::domain::{PrincipalId, WorkspaceId};

pub trait Entropy: Send + Sync + fmt::Debug {
    fn fill(&self, bytes: &mut [u8]);
}

impl dyn Entropy + '_ {
    fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.fill(&mut bytes);
        bytes
    }

    pub fn token_value(&self, suffix: Option<u8>) -> TokenValue {
        TokenValue::from_random(self.bytes(), suffix)
    }

    pub fn client_secret(&self) -> ClientSecret {
        ClientSecret::from_random(self.bytes())
    }

    /// 128 bits for a secret.
    pub fn secret(&self) -> [u8; 16] {
        self.bytes()
    }

    /// A generator, seeded from this source, for keys and others that need many bytes.
    pub fn generator(&self) -> ChaCha20Rng {
        ChaCha20Rng::from_seed(self.bytes())
    }

    /// A UUID of version 4.
    pub fn uuid(&self) -> Uuid {
        Builder::from_random_bytes(self.bytes()).into_uuid()
    }

    pub fn principal_id(&self) -> PrincipalId {
        PrincipalId::from_random(u64::from_le_bytes(self.bytes()))
    }
}

/// The operating system's randomness, through a thread-local cipher.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    #[expect(clippy::disallowed_methods, reason = "the one place that draws")]
    fn fill(&self, bytes: &mut [u8]) {
        rand::rng().fill_bytes(bytes);
    }
}

/// The same bytes for the same seed, for tests and reproducible sandboxes. Never for secrets that matter.
pub struct SeededEntropy(Mutex<ChaCha20Rng>);

impl SeededEntropy {
    pub fn new(seed: u64) -> Self {
        Self(Mutex::new(ChaCha20Rng::seed_from_u64(seed)))
    }

    /// A source for one purpose of a workspace: no two purposes, numbers or workspaces share values.
    pub fn of(seed: i64, workspace: WorkspaceId, purpose: &str, number: i64) -> Self {
        let text = format!("{seed} {workspace} {purpose} {number}");
        Self(Mutex::new(ChaCha20Rng::from_seed(Sha256::digest(text.as_bytes()).into())))
    }
}

impl fmt::Debug for SeededEntropy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SeededEntropy")
    }
}

impl Entropy for SeededEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).fill_bytes(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::MAX_NUMERIC_ID;

    #[test]
    fn a_seed_gives_the_same_values_and_ids_have_16_digits() {
        let draw = |seed| -> (String, PrincipalId) {
            let entropy: Box<dyn Entropy> = Box::new(SeededEntropy::new(seed));
            (entropy.token_value(None).reveal().to_owned(), entropy.principal_id())
        };
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
        let entropy: Box<dyn Entropy> = Box::new(SystemEntropy);
        for _ in 0..1000 {
            let id = entropy.principal_id();
            assert!(id.to_string().len() == 16 && id.0 <= MAX_NUMERIC_ID);
        }
    }
}
