//! A workspace's configuration, typed: what the conf strings mean, and the mock's own switches.

use std::num::NonZeroU16;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Millis;

/// The conf key that turns personal access tokens on and off.
pub const ENABLE_TOKENS: &str = "enableTokensConfig";
/// The conf key with the longest lifetime of new tokens, in days.
pub const MAX_TOKEN_LIFETIME_DAYS: &str = "maxTokenLifetimeDays";

/// The platform's own maximum (requirements R7, R38, R44).
pub const PLATFORM_MAX_LIFETIME_DAYS: i64 = 730;

/// 2018-01-01T00:00:00Z. Workspaces created before it start with tokens disabled; only "on by
/// default from 2018" is stated, so this is \[inferred\] (requirement R26).
pub const TOKENS_ON_BY_DEFAULT_SINCE: Millis = Millis(1_514_764_800_000);

/// Days that auto-scoping watches a new token, unless the workspace's switch says otherwise \[inferred\].
pub const AUTOSCOPE_DAYS: i64 = 30;

/// Whether tokens are enabled, given the stored value of `enableTokensConfig`. `None` (unset)
/// means the default of the workspace's age. Any letter case, as values are stored as sent.
pub fn tokens_enabled(value: Option<&str>, workspace_created: Millis) -> bool {
    match value.and_then(parse_bool) {
        Some(enabled) => enabled,
        None => workspace_created >= TOKENS_ON_BY_DEFAULT_SINCE,
    }
}

/// The effective cap on new tokens' lifetimes in days: the conf value when it is an integer in
/// 1…730, else 730 (spec §3; unset, `""` and `"0"` are the documented ways to say "default").
pub fn effective_cap_days(value: Option<&str>) -> i64 {
    value
        .and_then(|v| v.parse::<i64>().ok())
        .filter(|days| (1..=PLATFORM_MAX_LIFETIME_DAYS).contains(days))
        .unwrap_or(PLATFORM_MAX_LIFETIME_DAYS)
}

/// Reads a boolean-like conf value.
pub fn parse_bool(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" => Some(true),
        "false" => Some(false),
        _ => None,
    }
}

/// One conf value with its propagation: the new value applies from `effective_at` on (R35).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfValue {
    /// What GET shows at once.
    pub value: String,
    /// What applies until `effective_at`; `None` is unset.
    pub previous: Option<String>,
    /// When `value` takes effect.
    pub effective_at: Millis,
}

impl ConfValue {
    /// The value in effect at `now`.
    pub fn in_effect(&self, now: Millis) -> Option<&str> {
        if now >= self.effective_at { Some(&self.value) } else { self.previous.as_deref() }
    }
}

/// The plan of the workspace (requirement R17).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Tier {
    /// Everything.
    #[default]
    Premium,
    /// Management endpoints answer 404 `FEATURE_DISABLED`.
    Standard,
}

/// The cloud whose flavour the workspace shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Cloud {
    /// On-behalf-of tokens are offered.
    #[default]
    Aws,
    /// On-behalf-of tokens are refused.
    Azure,
    /// As on AWS.
    Gcp,
}

impl Cloud {
    /// The name in discovery documents and account answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Aws => "AWS",
            Self::Azure => "Azure",
            Self::Gcp => "GCP",
        }
    }
}

/// What happens to the tokens of a principal that loses CAN USE; three versions of the official
/// documentation disagree (governance §2.6).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PermissionLoss {
    /// They stop working and work again when it is restored (newest copy).
    #[default]
    Suspend,
    /// They are deleted at once (oldest copy).
    Delete,
    /// Deleted when a direct entry is removed, suspended when it was lost through a group.
    Mixed,
}

/// Of which year the texts of refusals are: the real service changed some between 2024 and 2026.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum ErrorTexts {
    /// As captured in 2023 and 2024.
    #[serde(rename = "2024")]
    Of2024,
    /// As captured in 2026.
    #[default]
    #[serde(rename = "2026")]
    Of2026,
}

/// Switches of the mock itself for one workspace. Each stands for something that the real service
/// leaves open or that differs between its flavours; the defaults are spec §9's decisions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Behaviour {
    /// The plan.
    pub tier: Tier,
    /// The cloud flavour.
    pub cloud: Cloud,
    /// What losing CAN USE does.
    pub permission_loss: PermissionLoss,
    /// Days without use after which a token is revoked.
    pub inactivity_days: i64,
    /// Whether a token that was never used counts its days from creation (else it is exempt).
    pub never_used_counts_from_creation: bool,
    /// Milliseconds until a changed workspace configuration takes effect.
    pub propagation_delay_ms: i64,
    /// A shard suffix such as `-2` on new token values, as Azure shows it.
    pub token_value_suffix: Option<u8>,
    /// Permissions on tokens answer 404 while the workspace has no token (tf#1122).
    pub permissions_need_a_token: bool,
    /// Days that expired tokens stay in token management's list before they are vacuumed.
    pub expired_listed_days: i64,
    /// Days that auto-scoping watches a token before it narrows the scopes; of tokens created from now on.
    pub autoscope_days: i64,
}

/// Switches to be set; absent ones stay as they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(inline)]
pub struct BehaviourChange {
    /// See [`Behaviour::tier`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tier: Option<Tier>,
    /// See [`Behaviour::cloud`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cloud: Option<Cloud>,
    /// See [`Behaviour::permission_loss`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub permission_loss: Option<PermissionLoss>,
    /// See [`Behaviour::propagation_delay_ms`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub propagation_delay_ms: Option<i64>,
    /// See [`Behaviour::token_value_suffix`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_value_suffix: Option<u8>,
    /// See [`Behaviour::permissions_need_a_token`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub permissions_need_a_token: Option<bool>,
    /// See [`Behaviour::autoscope_days`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub autoscope_days: Option<NonZeroU16>,
}

impl BehaviourChange {
    /// The switches after the change.
    pub fn apply(self, mut to: Behaviour) -> Behaviour {
        to.tier = self.tier.unwrap_or(to.tier);
        to.cloud = self.cloud.unwrap_or(to.cloud);
        to.permission_loss = self.permission_loss.unwrap_or(to.permission_loss);
        to.propagation_delay_ms = self.propagation_delay_ms.unwrap_or(to.propagation_delay_ms);
        to.token_value_suffix = self.token_value_suffix.or(to.token_value_suffix);
        to.permissions_need_a_token = self.permissions_need_a_token.unwrap_or(to.permissions_need_a_token);
        to.autoscope_days = self.autoscope_days.map_or(to.autoscope_days, |days| days.get().into());
        to
    }
}

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            tier: Tier::default(),
            cloud: Cloud::default(),
            permission_loss: PermissionLoss::default(),
            inactivity_days: 90,
            never_used_counts_from_creation: true,
            propagation_delay_ms: 0,
            token_value_suffix: None,
            permissions_need_a_token: false,
            expired_listed_days: 30,
            autoscope_days: AUTOSCOPE_DAYS,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cap_is_730_days_unless_a_valid_number_says_less() {
        for (value, days) in [
            (None, 730),
            (Some(""), 730),
            (Some("0"), 730),
            (Some("1"), 1),
            (Some("90"), 90),
            (Some("730"), 730),
            (Some("731"), 730),
            (Some("-1"), 730),
            (Some("ninety"), 730),
        ] {
            assert_eq!(effective_cap_days(value), days, "{value:?}");
        }
    }

    #[test]
    fn tokens_are_on_by_default_from_2018() {
        let first_day = TOKENS_ON_BY_DEFAULT_SINCE;
        assert!(tokens_enabled(None, first_day));
        assert!(!tokens_enabled(None, first_day.plus(-1)));
        assert!(tokens_enabled(Some("TRue"), first_day.plus(-1)));
        assert!(!tokens_enabled(Some("false"), first_day));
    }

    #[test]
    fn a_change_takes_effect_at_its_instant() {
        let conf = ConfValue { value: "false".into(), previous: Some("true".into()), effective_at: Millis(10) };
        assert_eq!(conf.in_effect(Millis(9)), Some("true"));
        assert_eq!(conf.in_effect(Millis(10)), Some("false"));
    }
}
