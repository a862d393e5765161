//! Tickets: the authorization codes and refresh tokens that continue a sign-in.

use std::fmt;

use uuid::Uuid;

use crate::domain::oauth::SecretHash;

/// The prefix of what the server seals into its own forms, by which logs blank it.
pub const SEALED_PREFIX: &str = "dosi";

/// What continues a sign-in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TicketKind {
    Code,
    Refresh,
}

impl TicketKind {
    /// The prefix, by which logs blank them. The format of the real ones is not known.
    pub const fn prefix(self) -> &'static str {
        match self {
            Self::Code => "doac",
            Self::Refresh => "dort",
        }
    }
}

/// An authorization code or a refresh token: the sign-in's id and a secret. A refresh token also has a second secret,
/// which changes at each use, so that an older one is recognised without being stored. It has no `Display` and no
/// `Serialize`, and its `Debug` shows nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct Ticket {
    kind: TicketKind,
    id: Uuid,
    secret: String,
    turn: String,
}

impl Ticket {
    pub fn new(kind: TicketKind, id: Uuid, random: [u8; 16]) -> Self {
        Self { kind, id, secret: hex::encode(random), turn: String::new() }
    }

    /// The next refresh token after this code or refresh token.
    #[must_use]
    pub fn next_turn(&self, random: [u8; 16]) -> Self {
        Self { kind: TicketKind::Refresh, turn: hex::encode(random), ..self.clone() }
    }

    pub fn parse(kind: TicketKind, text: &str) -> Option<Self> {
        let digits = text.strip_prefix(kind.prefix())?;
        let hex = digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        let length = if kind == TicketKind::Refresh { 96 } else { 64 };
        if !hex || digits.len() != length {
            return None;
        }
        let id = Uuid::try_parse(digits.get(..32)?).ok()?;
        Some(Self { kind, id, secret: digits.get(32..64)?.to_owned(), turn: digits.get(64..)?.to_owned() })
    }

    pub fn sign_in(&self) -> Uuid {
        self.id
    }

    /// The hash of the part that does not change.
    pub fn secret_hash(&self) -> SecretHash {
        SecretHash::of(&self.secret)
    }

    /// The hash of the part that changes at each use.
    pub(super) fn turn_hash(&self) -> SecretHash {
        SecretHash::of(&self.turn)
    }

    /// The ticket itself, for the page, the redirect or the response that issues it.
    pub fn reveal(&self) -> String {
        format!("{}{}{}{}", self.kind.prefix(), self.id.simple(), self.secret, self.turn)
    }
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ticket(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tickets_round_trip() {
        let code = Ticket::new(TicketKind::Code, Uuid::from_u128(7), [3; 16]);
        let refresh = code.next_turn([9; 16]);
        for (kind, ticket) in [(TicketKind::Code, &code), (TicketKind::Refresh, &refresh)] {
            assert_eq!(Ticket::parse(kind, &ticket.reveal()).as_ref(), Some(ticket));
            assert_eq!(format!("{ticket:?}"), "Ticket(…)");
        }
        assert_ne!(refresh.reveal(), code.next_turn([8; 16]).reveal());
        let text = code.reveal();
        for bad in [
            "",
            "doac",
            &text[..67],
            &format!("{text}0"),
            &text.to_uppercase(),
            &text.replace("doac", "dosi"),
            &text.replace('3', "é"),
        ] {
            assert_eq!(Ticket::parse(TicketKind::Code, bad), None, "{bad}");
        }
    }
}
