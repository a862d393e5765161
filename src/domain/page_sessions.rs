//! A browser that is signed in to the pages: its cookie, and how long that counts (spec §8).

use std::fmt;

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::domain::ids::DAY_MS;
use crate::domain::oauth::SecretHash;
use crate::domain::{AccountId, Millis, PrincipalId, WorkspaceId};

/// How long a browser stays signed in, on the system's clock: who moves a workspace's clock is not signed out
/// by it.
pub const LIFETIME_MS: i64 = DAY_MS / 2;

const DIGITS: usize = 32;

/// The value of the pages' cookie: 128 random bits. It has no `Display` and no `Serialize`, and its `Debug` is
/// blind.
#[derive(Clone)]
pub struct PageCookie(String);

impl PageCookie {
    /// A new one.
    pub fn from_random(random: [u8; 16]) -> Self {
        Self(hex::encode(random))
    }

    /// Reads what a browser sent: 32 lower-case hex digits.
    pub fn parse(text: &str) -> Option<Self> {
        let formed = text.len() == DIGITS && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        formed.then(|| Self(text.to_owned()))
    }

    /// The value itself, for the header that sets it.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// What is stored of it.
    pub fn hash(&self) -> SecretHash {
        SecretHash::of(&self.0)
    }

    /// What the forms of this browser's pages carry. Another site's page can make a browser send the cookie, but
    /// cannot know this.
    pub fn form_token(&self) -> String {
        hex::encode(Sha256::digest(format!("a form of {}", self.0)))
    }

    /// What is remembered of a form of this browser that was sent, by the number that it carries: it differs from the
    /// hash of every cookie.
    pub fn form_hash(&self, number: &str) -> SecretHash {
        SecretHash::of(&format!("form {number} of {}", self.0))
    }

    /// Whether a form carries it, in constant time.
    pub fn is_of(&self, form_token: &str) -> bool {
        self.form_token().as_bytes().ct_eq(form_token.as_bytes()).into()
    }
}

impl fmt::Debug for PageCookie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PageCookie(…)")
    }
}

/// Who a browser is signed in as, and where; as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageSession {
    /// The hash of the cookie.
    pub hash: SecretHash,
    /// The workspace; of the whole account the one that answers for it.
    pub workspace: WorkspaceId,
    /// The account.
    pub account: AccountId,
    /// Whether it is the account console that is signed in to.
    pub whole_account: bool,
    /// Who.
    pub principal: PrincipalId,
    /// Which of all that had that id.
    pub creation: i64,
    /// Since when, on the system's clock.
    pub began_at: Millis,
}

impl PageSession {
    /// Whether it still counts, at an instant of the system's clock.
    pub fn is_live(&self, now: Millis) -> bool {
        now.since(self.began_at) < LIFETIME_MS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_is_read_back_and_nothing_else_is_one() {
        let cookie = PageCookie::from_random([7; 16]);
        assert_eq!(PageCookie::parse(cookie.reveal()).unwrap().hash(), cookie.hash());
        for text in ["", "07", &"0".repeat(33), &"g".repeat(32), &"A".repeat(32), &"é".repeat(16)] {
            assert!(PageCookie::parse(text).is_none(), "{text}");
        }
        assert!(!format!("{cookie:?}").contains(cookie.reveal()));
    }

    #[test]
    fn a_form_belongs_to_one_cookie() {
        let (mine, other) = (PageCookie::from_random([1; 16]), PageCookie::from_random([2; 16]));
        assert!(mine.is_of(&mine.form_token()));
        assert!(!mine.is_of(&other.form_token()));
        assert!(!mine.is_of(""));
        assert!(!mine.form_token().contains(mine.reveal()));
        assert_ne!(mine.form_token(), mine.hash().as_str());
        assert_eq!(mine.form_hash("1"), mine.form_hash("1"));
        assert_ne!(mine.form_hash("1"), mine.form_hash("2"));
        assert_ne!(mine.form_hash("1"), other.form_hash("1"));
    }

    #[test]
    fn it_ends_at_its_lifetime() {
        let (workspace, began_at) = (WorkspaceId(1), Millis(5));
        let account = AccountId(uuid::Uuid::nil());
        let hash = SecretHash::of("x");
        let session = PageSession {
            hash,
            workspace,
            account,
            whole_account: false,
            principal: PrincipalId(1),
            creation: 7,
            began_at,
        };
        assert!(session.is_live(began_at.plus(LIFETIME_MS - 1)));
        assert!(!session.is_live(began_at.plus(LIFETIME_MS)));
    }
}
