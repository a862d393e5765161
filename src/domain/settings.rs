//! A workspace's configuration: what the values of the token keys mean, and the mock's own switches ([`Behaviour`]).
//! Which keys and values the configuration accepts is in `conf`.

use std::num::NonZeroU16;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Millis;

/// The conf key that turns personal access tokens on and off.
pub const ENABLE_TOKENS: &str = "enableTokensConfig";
/// The conf key with the longest lifetime of new tokens, in days.
pub const MAX_TOKEN_LIFETIME_DAYS: &str = "maxTokenLifetimeDays";

/// The platform's own maximum. See docs/requirements.md#r7.
pub const PLATFORM_MAX_LIFETIME_DAYS: i64 = 730;

/// 2018-01-01T00:00:00Z. Workspaces created before then start with tokens disabled. The documentation only says "on by
/// default from 2018", so the instant is \[inferred\]. See docs/requirements.md#r26.
pub const TOKENS_ON_BY_DEFAULT_SINCE: Millis = Millis(1_514_764_800_000);

/// For how many days auto-scoping watches a new token, unless the workspace's switch says otherwise \[inferred\].
pub const AUTOSCOPE_DAYS: i64 = 30;

/// Whether tokens are enabled, given the stored value of `enableTokensConfig` in any letter case. If it is unset
/// (`None`), the age of the workspace decides.
pub fn tokens_enabled(value: Option<&str>, workspace_created: Millis) -> bool {
    match value.and_then(parse_bool) {
        Some(enabled) => enabled,
        None => workspace_created >= TOKENS_ON_BY_DEFAULT_SINCE,
    }
}

/// The maximum lifetime of new tokens in days: the configured value if it is an integer from 1 to 730, else 730. Unset,
/// `""` and `"0"` are the documented ways to set the default. See docs/reference/tokens.md#token-lifetimes.
pub fn effective_cap_days(value: Option<&str>) -> i64 {
    value
        .and_then(|v| v.parse::<i64>().ok())
        .filter(|days| (1..=PLATFORM_MAX_LIFETIME_DAYS).contains(days))
        .unwrap_or(PLATFORM_MAX_LIFETIME_DAYS)
}

pub fn parse_bool(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" => Some(true),
        "false" => Some(false),
        _ => None,
    }
}

/// A configuration value that takes effect at a given time. See docs/requirements.md#r35.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfValue {
    /// The new value, which GET shows at once.
    pub value: String,
    /// The value until `effective_at`; `None` is unset.
    pub previous: Option<String>,
    pub effective_at: Millis,
}

impl ConfValue {
    pub fn in_effect(&self, now: Millis) -> Option<&str> {
        if now >= self.effective_at { Some(&self.value) } else { self.previous.as_deref() }
    }
}

/// The pricing tier of the workspace. See docs/requirements.md#r17.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Tier {
    /// All features.
    #[default]
    Premium,
    /// Management endpoints return 404 `FEATURE_DISABLED`.
    Standard,
}

/// The cloud that the workspace appears to run on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Cloud {
    /// On-behalf-of tokens are available.
    #[default]
    Aws,
    /// On-behalf-of tokens are refused.
    Azure,
    /// Like AWS.
    Gcp,
}

impl Cloud {
    /// The name in discovery documents and account responses.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Aws => "AWS",
            Self::Azure => "Azure",
            Self::Gcp => "GCP",
        }
    }
}

/// What happens to the tokens of a principal that loses CAN USE. Three versions of the official documentation disagree.
/// See docs/reference/governance.md#losing-permission.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PermissionLoss {
    /// The tokens stop working until the permission is restored (newest version).
    #[default]
    Suspend,
    /// The tokens are deleted at once (oldest version).
    Delete,
    /// The tokens are deleted if a direct entry was removed, and suspended if the permission came from a group.
    Mixed,
}

/// From which year the error texts are: the real service changed some between 2024 and 2026.
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

/// The mock's own switches for one workspace. Each is for something that is not known of the real service or that
/// differs between its clouds. The defaults follow the decisions in docs/reference/governance.md#unknowns.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Behaviour {
    pub tier: Tier,
    pub cloud: Cloud,
    pub permission_loss: PermissionLoss,
    /// Days without use after which a token is revoked.
    pub inactivity_days: i64,
    /// Whether an unused token is revoked that many days after its creation; otherwise it is exempt.
    pub never_used_counts_from_creation: bool,
    /// Milliseconds until a changed workspace configuration takes effect.
    pub propagation_delay_ms: i64,
    /// The shard suffix on new token values, such as `-2` on Azure.
    pub token_value_suffix: Option<u8>,
    /// Whether the permissions on tokens return 404 while the workspace has no token (tf#1122).
    pub permissions_need_a_token: bool,
    /// For how many days token management still lists expired tokens.
    pub expired_listed_days: i64,
    /// For how many days auto-scoping watches a new token before it narrows the token's scopes.
    pub autoscope_days: i64,
}

/// The switches to set. Absent ones do not change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(inline)]
pub struct BehaviourChange {
    /// The pricing tier of the workspace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tier: Option<Tier>,
    /// The cloud that the workspace appears to run on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cloud: Option<Cloud>,
    /// What happens to the tokens of a principal that loses CAN USE.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub permission_loss: Option<PermissionLoss>,
    /// Milliseconds until a changed workspace configuration takes effect.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub propagation_delay_ms: Option<i64>,
    /// The number of the shard suffix on new token values, such as `-2` on Azure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_value_suffix: Option<u8>,
    /// Whether the permissions on tokens return 404 while the workspace has no token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub permissions_need_a_token: Option<bool>,
    /// For how many days auto-scoping watches a new token before it narrows the token's scopes.
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
    fn the_maximum_lifetime_is_730_days_unless_a_valid_number_is_set() {
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
    fn tokens_are_enabled_by_default_from_2018() {
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
