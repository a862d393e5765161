//! Populations: many users and tokens from a few numbers. Shares are exact; the seed's `random_seed` chooses who is in
//! them, so a seed always describes the same world. Start with [`Population::expand`].

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::domain::ids::DAY_MS;
use crate::domain::seeds::{Moment, Share, Span, TokenSeed, UserSeed, is_default};

/// The maximum number of users in a population, and of tokens.
const MOST: usize = 1_000_000;

/// Many users, and their tokens.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Population {
    /// The number of users.
    pub users: usize,
    /// The users' e-mail addresses. `{n}` is the number of the user, from 1.
    #[serde(default = "user_name")]
    pub user_name: String,
    /// The number of tokens of each user.
    #[serde(default = "one")]
    pub tokens_per_user: usize,
    /// The tokens were created within this time before now.
    #[serde(default = "quarter")]
    pub created_within: Span,
    /// The share of users who are deactivated.
    #[serde(default, skip_serializing_if = "is_default")]
    pub inactive_users: Share,
    /// The share of tokens that never expire.
    #[serde(default, skip_serializing_if = "is_default")]
    pub without_expiry: Share,
    /// The share of tokens that were never used.
    #[serde(default, skip_serializing_if = "is_default")]
    pub never_used: Share,
    /// The share of tokens that were last used between `unused_from` and `unused_to` ago.
    #[serde(default, skip_serializing_if = "is_default")]
    pub unused: Share,
    /// The shortest time since the last use of an `unused` token.
    #[serde(default = "eighty_days")]
    pub unused_from: Span,
    /// The longest time since the last use of an `unused` token.
    #[serde(default = "ninety_five_days")]
    pub unused_to: Span,
}

fn user_name() -> String {
    "user{n}@example.com".into()
}

fn one() -> usize {
    1
}

const fn days(count: i64) -> Span {
    Span(count * DAY_MS)
}

fn quarter() -> Span {
    days(90)
}

fn eighty_days() -> Span {
    days(80)
}

fn ninety_five_days() -> Span {
    days(95)
}

/// Random numbers that depend only on a seed and a purpose.
#[derive(Debug)]
pub struct SeededRandom {
    key: [u8; 32],
    drawn: u64,
}

impl SeededRandom {
    pub fn new(random_seed: u32, purpose: &str) -> Self {
        Self { key: Sha256::digest(format!("{random_seed} {purpose}").as_bytes()).into(), drawn: 0 }
    }

    pub fn bytes(&mut self) -> [u8; 16] {
        self.drawn += 1;
        let digest: [u8; 32] =
            Sha256::new().chain_update(self.key).chain_update(self.drawn.to_le_bytes()).finalize().into();
        let mut bytes = [0; 16];
        bytes.copy_from_slice(digest.split_at(16).0);
        bytes
    }

    /// The next number below `bound`; 0 if `bound` is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        let bytes = self.bytes();
        let number = u128::from_le_bytes(bytes);
        u64::try_from(number % u128::from(bound.max(1))).unwrap_or_default()
    }

    /// Chooses `chosen` of `count` things.
    fn choose(&mut self, count: usize, chosen: usize) -> Vec<bool> {
        self.order(count).into_iter().map(|place| place < chosen).collect()
    }

    /// A shuffled order of `count` places.
    fn order(&mut self, count: usize) -> Vec<usize> {
        let mut places: Vec<usize> = (0..count).collect();
        for index in (1..count).rev() {
            let other = self.below(index as u64 + 1);
            places.swap(index, usize::try_from(other).unwrap_or_default());
        }
        places
    }

    /// A duration between two.
    fn ago(&mut self, from: i64, to: i64) -> i64 {
        let range = to.saturating_sub(from).max(0).unsigned_abs();
        let more = i64::try_from(self.below(range.saturating_add(1))).unwrap_or_default();
        from.saturating_add(more)
    }
}

impl Population {
    /// The users and their tokens. They only depend on the seed and the purpose.
    ///
    /// # Errors
    /// A sentence if the population is too large.
    pub fn expand(&self, random_seed: u32, purpose: &str) -> Result<(Vec<UserSeed>, Vec<TokenSeed>), String> {
        let count = self.users.checked_mul(self.tokens_per_user).filter(|count| *count <= MOST);
        let count = count.filter(|_| self.users <= MOST).ok_or_else(|| format!("at most {MOST} users and tokens"))?;
        if self.users > 1 && !self.user_name.contains("{n}") {
            return Err("user_name: put {n} where the number goes".into());
        }
        let mut chance = SeededRandom::new(random_seed, purpose);
        let inactive = chance.choose(self.users, self.inactive_users.of(self.users));
        let users: Vec<UserSeed> = (1..=self.users)
            .zip(inactive)
            .map(|(number, inactive)| UserSeed {
                user_name: self.user_name.replace("{n}", &number.to_string()).into(),
                display_name: None,
                external_id: None,
                active: !inactive,
                account_admin: false,
                workspace_admin: false,
                active_in_workspace: true,
            })
            .collect();
        let unending = chance.choose(count, self.without_expiry.of(count));
        let idle = self.unused.of(count);
        // One order decides about both, so that no token is of both kinds.
        let order = chance.order(count);
        let never = idle..idle.saturating_add(self.never_used.of(count));
        let tokens = (0..count).zip(unending).zip(order).map(|((index, unending), place)| {
            let owner = users.get(index / self.tokens_per_user.max(1)).map(|user| user.user_name.clone());
            let used_ago = if place < idle {
                Some(chance.ago(self.unused_from.0, self.unused_to.0))
            } else if never.contains(&place) {
                None
            } else {
                Some(chance.ago(0, self.unused_from.0.min(self.created_within.0)))
            };
            let created_ago =
                chance.ago(used_ago.unwrap_or_default(), self.created_within.0.max(used_ago.unwrap_or_default()));
            TokenSeed {
                owner: owner.unwrap_or_default(),
                value: None,
                token_id: None,
                comment: format!("token {}", index + 1),
                created: Some(Moment::FromNow(-created_ago)),
                expires: unending.then_some(Moment::Never),
                lifetime: None,
                last_used: used_ago.map(|ago| Moment::FromNow(-ago)),
                scopes: None,
                autoscope_state: None,
                autoscope_until: None,
                inferred_scopes: None,
                backfill_scopes: None,
                created_by: None,
            }
        });
        let tokens = tokens.collect();
        Ok((users, tokens))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::seeds::parse_workspace;

    fn population(text: &str) -> Population {
        parse_workspace(&format!("populations: [{{{text}}}]")).unwrap().populations.remove(0)
    }

    #[test]
    fn shares_are_exact() {
        let population = population("users: 200, inactive_users: 5%, without_expiry: 30%, unused: 10%, never_used: 5%");
        let (users, tokens) = population.expand(7, "w").unwrap();
        assert_eq!((users.len(), tokens.len()), (200, 200));
        assert_eq!(users.iter().filter(|user| !user.active).count(), 10);
        assert_eq!(tokens.iter().filter(|token| token.expires == Some(Moment::Never)).count(), 60);
        assert_eq!(tokens.iter().filter(|token| token.last_used.is_none()).count(), 10);
        let ago = |moment: Option<Moment>| match moment {
            Some(Moment::FromNow(ms)) => -ms,
            _ => 0,
        };
        let day = DAY_MS;
        let idle = tokens.iter().filter(|token| (80 * day..=95 * day).contains(&ago(token.last_used))).count();
        assert_eq!(idle, 20);
        assert!(tokens.iter().all(|token| ago(token.created) >= ago(token.last_used)));
    }

    proptest! {
        #[test]
        fn the_same_seed_gives_the_same_population(seed: u32, users in 0_usize..40, per in 0_usize..4) {
            let population = Population { users, tokens_per_user: per, ..population("users: 1, unused: 0.5, without_expiry: 0.5") };
            let names = |(users, tokens): (Vec<UserSeed>, Vec<TokenSeed>)| format!("{users:?} {tokens:?}");
            let first = population.expand(seed, "w").map(names);
            prop_assert_eq!(&first, &population.expand(seed, "w").map(names));
            if users * per > 8 {
                prop_assert_ne!(&first, &population.expand(seed.wrapping_add(1), "w").map(names));
                prop_assert_ne!(&first, &population.expand(seed, "v").map(names));
            }
        }
    }

    #[test]
    fn impossible_populations_are_refused() {
        assert!(population("users: 2, user_name: same").expand(1, "w").is_err());
        assert!(population("users: 1000001").expand(1, "w").is_err());
        assert!(population("users: 1000000, tokens_per_user: 18446744073709551615").expand(1, "w").is_err());
    }
}
