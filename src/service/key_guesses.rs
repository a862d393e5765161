//! Slows guessing of the control key: a peer that showed too many different wrong keys has to wait, whatever it shows
//! next. The table is this process's own and bounded.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// Different wrong keys that a peer may show in a [`WINDOW`]. A client that repeats its one wrong key does not guess.
const WRONG_KEYS: usize = 10;
/// It begins with the first wrong key.
const WINDOW: Duration = Duration::from_mins(1);
/// Peers that are remembered. When there are more, those that began first are forgotten.
const PEERS: usize = 1024;

/// The SHA-256 of a key.
pub type KeyHash = [u8; 32];

/// What a shown key comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyVerdict {
    /// It is the control key.
    Right,
    /// It is not.
    Wrong,
    /// It was not looked at: the peer has to wait for so many seconds.
    Wait(u32),
}

/// Who showed wrong keys.
#[derive(Debug, Default)]
pub struct KeyGuesses {
    peers: Mutex<HashMap<Option<IpAddr>, Guesses>>,
}

#[derive(Debug)]
struct Guesses {
    began: Instant,
    keys: Vec<KeyHash>,
}

impl KeyGuesses {
    /// Compares a key in constant time, unless the peer has to wait. Also the right key has to: whoever guesses would
    /// otherwise find it all the same. Requests without a peer's address count as one peer.
    pub fn check(&self, peer: Option<IpAddr>, shown: &str, key: &KeyHash) -> KeyVerdict {
        self.check_at(peer, shown, key, Instant::now())
    }

    fn check_at(&self, peer: Option<IpAddr>, shown: &str, key: &KeyHash, now: Instant) -> KeyVerdict {
        let peer = peer.map(network);
        let mut peers = self.peers.lock().unwrap_or_else(PoisonError::into_inner);
        if peers.get(&peer).is_some_and(|guesses| now.duration_since(guesses.began) >= WINDOW) {
            peers.remove(&peer);
        }
        if let Some(guesses) = peers.get(&peer).filter(|guesses| guesses.keys.len() >= WRONG_KEYS) {
            let left = WINDOW.saturating_sub(now.duration_since(guesses.began));
            return KeyVerdict::Wait(u32::try_from(left.as_millis().div_ceil(1000)).unwrap_or(u32::MAX));
        }
        let shown: KeyHash = Sha256::digest(shown.as_bytes()).into();
        if shown.ct_eq(key).into() {
            return KeyVerdict::Right;
        }
        if !peers.contains_key(&peer) && peers.len() >= PEERS {
            let oldest = peers.iter().min_by_key(|(_, guesses)| guesses.began).map(|(peer, _)| *peer);
            oldest.and_then(|oldest| peers.remove(&oldest));
        }
        let guesses = peers.entry(peer).or_insert_with(|| Guesses { began: now, keys: Vec::new() });
        if !guesses.keys.contains(&shown) {
            guesses.keys.push(shown);
        }
        KeyVerdict::Wrong
    }
}

/// What one client has to itself: an IPv4 address, or an IPv6 network of 64 bits.
fn network(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn key() -> KeyHash {
        Sha256::digest("the key").into()
    }

    fn peer(number: u32) -> IpAddr {
        std::net::Ipv4Addr::from_bits(number).into()
    }

    #[test]
    fn whoever_guesses_waits_and_nobody_else_does() {
        let (guesses, key, now) = (KeyGuesses::default(), key(), Instant::now());
        let check = |from, shown: &str, at| guesses.check_at(from, shown, &key, at);
        for number in 0..WRONG_KEYS {
            // The last of them ends it.
            for _ in 0..if number + 1 < WRONG_KEYS { 3 } else { 1 } {
                assert_eq!(check(Some(peer(1)), &number.to_string(), now), KeyVerdict::Wrong);
            }
            assert_eq!(check(Some(peer(2)), "always the same", now), KeyVerdict::Wrong);
        }
        for shown in ["the key", "0", "another"] {
            assert_eq!(check(Some(peer(1)), shown, now + SECOND), KeyVerdict::Wait(59), "{shown}");
        }
        assert_eq!(check(Some(peer(2)), "the key", now), KeyVerdict::Right);
        assert_eq!(check(None, "the key", now), KeyVerdict::Right);
        assert_eq!(check(Some(peer(1)), "the key", now + WINDOW), KeyVerdict::Right);
    }

    #[test]
    fn the_right_key_forgives_nothing() {
        let (guesses, key, now) = (KeyGuesses::default(), key(), Instant::now());
        for number in 0..WRONG_KEYS {
            assert_eq!(guesses.check_at(None, "the key", &key, now), KeyVerdict::Right);
            assert_eq!(guesses.check_at(None, &number.to_string(), &key, now), KeyVerdict::Wrong);
        }
        assert!(matches!(guesses.check_at(None, "the key", &key, now), KeyVerdict::Wait(_)));
    }

    #[test]
    fn one_network_is_one_peer() {
        let (guesses, key, now) = (KeyGuesses::default(), key(), Instant::now());
        let check = |address: &str, shown: &str| guesses.check_at(Some(address.parse().unwrap()), shown, &key, now);
        for number in 0..WRONG_KEYS {
            check(&format!("2001:db8::{number}"), &number.to_string());
            check(&format!("::ffff:10.0.0.{number}"), &number.to_string());
        }
        assert!(matches!(check("2001:db8::ffff", "the key"), KeyVerdict::Wait(_)));
        assert_eq!(check("2001:db8:0:1::1", "the key"), KeyVerdict::Right);
        assert_eq!(check("10.0.0.1", "the key"), KeyVerdict::Right, "each IPv4 address is a peer of its own");
    }

    #[test]
    fn the_table_is_bounded() {
        let (guesses, key, now) = (KeyGuesses::default(), key(), Instant::now());
        for number in 0..5000 {
            guesses.check_at(Some(peer(number)), "wrong", &key, now + Duration::from_millis(number.into()));
        }
        let peers = guesses.peers.lock().unwrap();
        assert_eq!(peers.len(), PEERS);
        assert!(peers.contains_key(&Some(peer(4999))) && !peers.contains_key(&Some(peer(0))));
    }
}
