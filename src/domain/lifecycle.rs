//! What time does to tokens: when a token expires or is revoked for inactivity, and when it leaves the lists.
//! The checks, the lists, the schedule and the sweep agree because they all ask here. Start with [`end_of`].
//! See docs/reference/tokens.md#inactivity.

use strum::{EnumString, IntoStaticStr};

use super::Millis;
use super::ids::DAY_MS;
use super::settings::Behaviour;
use crate::domain::tokens::{EndCause, Token};

/// How a token ends if nobody uses or revokes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    /// [`EndCause::Expired`] or [`EndCause::Inactive`].
    pub cause: EndCause,
    pub at: Millis,
    /// When it leaves every list: at once if it is inactive, some days later if it expired.
    pub gone_at: Millis,
}

/// How the token ends if it is not used again; `None` if it never ends.
pub fn end_of(token: &Token, behaviour: &Behaviour) -> Option<End> {
    let idle = idle_at(token, behaviour);
    let vacuum = token.expiry_time.map(|expiry| (expiry, expiry.plus(days(behaviour.expired_listed_days))));
    match (vacuum, idle) {
        (None, None) => None,
        (None, Some(idle)) => Some(End { cause: EndCause::Inactive, at: idle, gone_at: idle }),
        (Some((expiry, gone_at)), None) => Some(End { cause: EndCause::Expired, at: expiry, gone_at }),
        (Some((expiry, _)), Some(idle)) if idle < expiry => {
            Some(End { cause: EndCause::Inactive, at: idle, gone_at: idle })
        }
        (Some((expiry, vacuum)), Some(idle)) => {
            Some(End { cause: EndCause::Expired, at: expiry, gone_at: vacuum.min(idle) })
        }
    }
}

/// When the token is revoked for inactivity if it is not used before; `None` if it is exempt.
pub fn idle_at(token: &Token, behaviour: &Behaviour) -> Option<Millis> {
    let exempt = !behaviour.never_used_counts_from_creation && token.last_used.is_none();
    (!exempt).then(|| token.idle_from().plus(days(behaviour.inactivity_days)))
}

/// When auto-scoping of a token ends; `None` if it does not run or the token ends first.
pub fn autoscope_end(token: &Token, behaviour: &Behaviour) -> Option<Millis> {
    let until = token.autoscoping_until()?;
    end_of(token, behaviour).is_none_or(|end| until < end.at).then_some(until)
}

/// The token as it is at `now`, whether or not the sweep has stored the outcome of auto-scoping.
pub fn as_of(token: Token, behaviour: &Behaviour, now: Millis) -> Token {
    if autoscope_end(&token, behaviour).is_some_and(|until| now >= until) { token.autoscoped() } else { token }
}

const fn days(days: i64) -> i64 {
    days.saturating_mul(DAY_MS)
}

/// The events in the schedule, and in the response of advancing the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumString, IntoStaticStr)]
pub enum EventKind {
    #[strum(serialize = "token.expired")]
    TokenExpired,
    /// A token is revoked for inactivity.
    #[strum(serialize = "token.auto_revoked")]
    TokenAutoRevoked,
    /// An expired token leaves the lists.
    #[strum(serialize = "token.vacuumed")]
    TokenVacuumed,
    /// Auto-scoping of a token ends.
    #[strum(serialize = "token.autoscoped")]
    TokenAutoscoped,
    /// A changed workspace configuration takes effect.
    #[strum(serialize = "conf.effective")]
    ConfEffective,
}

impl EventKind {
    /// The name in the control API.
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    pub fn parse(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

/// The token's future events, in order.
pub fn events_of(token: &Token, behaviour: &Behaviour) -> Vec<(EventKind, Millis)> {
    let mut events: Vec<_> =
        autoscope_end(token, behaviour).map(|at| (EventKind::TokenAutoscoped, at)).into_iter().collect();
    match end_of(token, behaviour) {
        None => {}
        Some(End { cause: EndCause::Inactive, at, .. }) => events.push((EventKind::TokenAutoRevoked, at)),
        Some(End { at, gone_at, .. }) => {
            events.extend([(EventKind::TokenExpired, at), (EventKind::TokenVacuumed, gone_at)]);
        }
    }
    events
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::tokens::tests::tokens;
    use crate::domain::tokens::{TokenState, Visibility};

    proptest! {
        /// For any token and any two instants, the sweep removes exactly what the lists no longer show, and
        /// authentication gives the same result before and after the sweep.
        #[test]
        fn the_end_agrees_with_the_state_and_the_lists(token in tokens(), exempt in any::<bool>(), ahead in 0..900 * DAY_MS) {
            let behaviour = Behaviour { never_used_counts_from_creation: !exempt, ..Behaviour::default() };
            let now = token.creation_time.plus(ahead);
            let end = end_of(&token, &behaviour);
            let state = token.state(&behaviour, now);
            prop_assert_eq!(state != TokenState::Live, end.is_some_and(|end| now >= end.at));
            prop_assert_eq!(Visibility::with_expired(&behaviour, now).shows(&token), end.is_none_or(|end| now < end.gone_at));
            let watched = Token { autoscope_state: Some("AUTOSCOPE_STATE_RUNNING".into()), ..token.clone() };
            let until = autoscope_end(&watched, &behaviour);
            let is_autoscoping = as_of(watched.clone(), &behaviour, now).is_autoscoping();
            prop_assert_eq!(is_autoscoping, until.is_none_or(|until| now < until));
            prop_assert_eq!(as_of(token.clone(), &behaviour, now), token.clone());
            let events = events_of(&watched, &behaviour);
            prop_assert!(events.is_sorted_by_key(|(_, at)| *at));
            if let Some(end) = end {
                prop_assert!(end.at <= end.gone_at);
                prop_assert!(until.is_none_or(|until| until < end.at));
                prop_assert_eq!(token.state(&behaviour, end.at.plus(-1)), TokenState::Live);
            }
        }
    }
}
