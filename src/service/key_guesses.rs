//! Slows down guessing of the control key: a peer that has sent too many different wrong keys has to wait, whatever it
//! sends next. The table is per process, and bounded.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// Different wrong keys that a peer may send in a [`WINDOW`]. A client that repeats one wrong key is not guessing.
const WRONG_KEYS: usize = 10;
/// Starts with the first wrong key.
const WINDOW: Duration = Duration::from_mins(1);
/// Peers in the table. When it is full, the peer with the oldest window is removed.
const PEERS: usize = 1024;

/// The SHA-256 of a key.
pub type KeyHash = [u8; 32];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyVerdict {
    Right,
    Wrong,
    /// The key was not compared. Retry after this many seconds.
    Wait(u32),
}

/// The wrong keys of each peer.
#[derive(Debug, Default)]
pub struct KeyGuesses {
    peers: Mutex<HashMap<Option<IpAddr>, Guesses>>,
}

#[derive(Debug)]
struct Guesses {
    started_at: Instant,
    keys: Vec<KeyHash>,
}

impl KeyGuesses {
    /// Compares a key in constant time, unless the peer has to wait. The right key has to wait too, or the wait would not
    /// stop a guesser from finding it. Requests without a peer address count as one peer.
    pub fn check(&self, peer: Option<IpAddr>, sent: &str, key: &KeyHash) -> KeyVerdict {
        self.check_at(peer, sent, key, Instant::now())
    }

    fn check_at(&self, peer: Option<IpAddr>, sent: &str, key: &KeyHash, now: Instant) -> KeyVerdict {
        let peer = peer.map(network);
        let mut peers = self.peers.lock().unwrap_or_else(PoisonError::into_inner);
        if peers.get(&peer).is_some_and(|guesses| now.duration_since(guesses.started_at) >= WINDOW) {
            peers.remove(&peer);
        }
        if let Some(guesses) = peers.get(&peer).filter(|guesses| guesses.keys.len() >= WRONG_KEYS) {
            let left = WINDOW.saturating_sub(now.duration_since(guesses.started_at));
            return KeyVerdict::Wait(u32::try_from(left.as_millis().div_ceil(1000)).unwrap_or(u32::MAX));
        }
        let sent: KeyHash = Sha256::digest(sent.as_bytes()).into();
        if sent.ct_eq(key).into() {
            return KeyVerdict::Right;
        }
        if !peers.contains_key(&peer) && peers.len() >= PEERS {
            let oldest = peers.iter().min_by_key(|(_, guesses)| guesses.started_at).map(|(peer, _)| *peer);
            oldest.and_then(|oldest| peers.remove(&oldest));
        }
        let guesses = peers.entry(peer).or_insert_with(|| Guesses { started_at: now, keys: Vec::new() });
        if !guesses.keys.contains(&sent) {
            guesses.keys.push(sent);
        }
        KeyVerdict::Wrong
    }
}

/// What belongs to one client: an IPv4 address, or a 64-bit IPv6 network.
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
    fn only_a_peer_that_guesses_waits() {
        let (guesses, key, now) = (KeyGuesses::default(), key(), Instant::now());
        let check = |from, sent: &str, at| guesses.check_at(from, sent, &key, at);
        for number in 0..WRONG_KEYS {
            // The last key starts the wait.
            for _ in 0..if number + 1 < WRONG_KEYS { 3 } else { 1 } {
                assert_eq!(check(Some(peer(1)), &number.to_string(), now), KeyVerdict::Wrong);
            }
            assert_eq!(check(Some(peer(2)), "always the same", now), KeyVerdict::Wrong);
        }
        for sent in ["the key", "0", "another"] {
            assert_eq!(check(Some(peer(1)), sent, now + SECOND), KeyVerdict::Wait(59), "{sent}");
        }
        assert_eq!(check(Some(peer(2)), "the key", now), KeyVerdict::Right);
        assert_eq!(check(None, "the key", now), KeyVerdict::Right);
        assert_eq!(check(Some(peer(1)), "the key", now + WINDOW), KeyVerdict::Right);
    }

    #[test]
    fn the_right_key_does_not_reset_the_count() {
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
        let check = |address: &str, sent: &str| guesses.check_at(Some(address.parse().unwrap()), sent, &key, now);
        for number in 0..WRONG_KEYS {
            check(&format!("2001:db8::{number}"), &number.to_string());
            check(&format!("::ffff:10.0.0.{number}"), &number.to_string());
        }
        assert!(matches!(check("2001:db8::ffff", "the key"), KeyVerdict::Wait(_)));
        assert_eq!(check("2001:db8:0:1::1", "the key"), KeyVerdict::Right);
        assert_eq!(check("10.0.0.1", "the key"), KeyVerdict::Right, "each IPv4 address is its own peer");
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
