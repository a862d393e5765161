//! Who may use the control API, and who may sign in as whom: two readings of the same settings. Keys are kept as
//! hashes only. `config` decides which one holds; the guard and the sign-in pages ask here.

use std::fmt;

use axum::http::{Extensions, HeaderMap};
use sha2::{Digest, Sha256};

use super::browser::{UNKNOWN_HOST, has_known_host, is_embedded_elsewhere};

/// What is said where the server listens beyond loopback without a key.
pub(crate) const LOCKED: &str = "because the server listens beyond loopback: set --control-key KEY, or \
     --allow-open-control";

/// Who may use the control API.
#[derive(Clone, Debug)]
pub enum Access {
    Off,
    /// Whoever sends the key with this SHA-256 as a bearer token.
    Key([u8; 32]),
    /// Anyone who can reach it: the server listens on loopback only, or was opened on purpose.
    Open,
    /// Nobody: the server listens beyond loopback and has no key.
    Closed,
}

impl Access {
    pub fn with_key(key: &str) -> Self {
        Self::Key(Sha256::digest(key.as_bytes()).into())
    }
}

/// For the banner.
impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Off => "off",
            Self::Key(_) => "requires the control key",
            Self::Open => "open to anyone who can reach it",
            Self::Closed => "locked: set --control-key or --allow-open-control",
        })
    }
}

/// Who may sign in as whom.
#[derive(Clone, Debug)]
pub enum SignInPolicy {
    /// Anyone who can reach the server, as any user; without a question as this user, if there is one.
    Open(Option<String>),
    /// Whoever knows the key with this SHA-256.
    Key([u8; 32]),
    /// Nobody: the server listens beyond loopback and has no key.
    Closed,
}

impl SignInPolicy {
    /// # Errors
    /// Why nobody is signed in at the request of whoever sent this.
    pub fn check(&self, headers: &HeaderMap, extensions: &Extensions) -> Result<(), String> {
        match self {
            Self::Closed => Err(format!("Sign-in is locked {LOCKED}")),
            // A page whose domain was pointed at this machine has that domain as host.
            Self::Open(_) if !has_known_host(headers, extensions) => Err(UNKNOWN_HOST.to_owned()),
            // An image or a script of another page must not sign anybody in.
            Self::Open(_) | Self::Key(_) if is_embedded_elsewhere(headers) => {
                Err("Cross-site request rejected".to_owned())
            }
            Self::Open(_) | Self::Key(_) => Ok(()),
        }
    }

    /// The hash of the key that must be shown before any user's name is.
    pub fn key(&self) -> Option<&[u8; 32]> {
        match self {
            Self::Key(key) => Some(key),
            Self::Open(_) | Self::Closed => None,
        }
    }
}
