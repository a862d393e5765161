//! A browser that is signed in to the pages: its cookie, the tokens of its forms, and how long the session lasts.
//! Signing in itself is in `sign_ins`. See docs/pages.md.

use std::fmt;

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::domain::ids::DAY_MS;
use crate::domain::oauth::SecretHash;
use crate::domain::{AccountId, Millis, PrincipalId, WorkspaceId};

/// How long a browser stays signed in, on the system's clock: moving a workspace's clock signs nobody out.
pub const LIFETIME_MS: i64 = DAY_MS / 2;

const DIGITS: usize = 32;

/// The value of the pages' cookie: 128 random bits. It has no `Display` and no `Serialize`, and its `Debug` shows
/// nothing.
#[derive(Clone)]
pub struct PageCookie(String);

impl PageCookie {
    pub fn from_random(random: [u8; 16]) -> Self {
        Self(hex::encode(random))
    }

    /// Reads what a browser sent: 32 lowercase hex digits.
    pub fn parse(text: &str) -> Option<Self> {
        let formed = text.len() == DIGITS && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        formed.then(|| Self(text.to_owned()))
    }

    /// The value itself, for the header that sets the cookie.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    pub fn hash(&self) -> SecretHash {
        SecretHash::of(&self.0)
    }

    /// The token in every form of this browser's pages. Another site can make a browser send the cookie, but cannot
    /// know this token.
    pub fn form_token(&self) -> String {
        hex::encode(Sha256::digest(format!("a form of {}", self.0)))
    }

    /// Identifies a submitted form of this browser by the number in it. It differs from the hash of every cookie.
    pub fn form_hash(&self, number: &str) -> SecretHash {
        SecretHash::of(&format!("form {number} of {}", self.0))
    }

    /// Compares a form's token in constant time.
    pub fn is_of(&self, form_token: &str) -> bool {
        self.form_token().as_bytes().ct_eq(form_token.as_bytes()).into()
    }
}

impl fmt::Debug for PageCookie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PageCookie(…)")
    }
}

/// Who a browser is signed in as, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageSession {
    pub hash: SecretHash,
    /// The workspace; for the account console, the workspace whose clock it uses.
    pub workspace: WorkspaceId,
    pub account: AccountId,
    /// Whether the browser is signed in to the account console.
    pub whole_account: bool,
    pub principal: PrincipalId,
    /// Tells apart principals that reused an id.
    pub creation: i64,
    /// On the system's clock.
    pub began_at: Millis,
}

impl PageSession {
    /// `now` is on the system's clock.
    pub fn is_live(&self, now: Millis) -> bool {
        now.since(self.began_at) < LIFETIME_MS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_round_trips_and_nothing_else_is_read() {
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
    fn a_session_ends_at_its_lifetime() {
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
