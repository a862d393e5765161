//! The keys of the workspace configuration, and which values they accept.
//! What the values of the token keys mean is in `settings`. Start with [`plan_change`].
//! See docs/reference/governance.md#configuration-keys.

use super::Denial;
use super::settings::{self, MAX_TOKEN_LIFETIME_DAYS, PLATFORM_MAX_LIFETIME_DAYS};

/// Which values a key accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// `true` or `false` in any letter case.
    Boolean,
    /// `""`, `"0"` or a number of days up to the platform's maximum.
    LifetimeDays,
    /// Anything.
    Text,
}

/// Every key that the real service is known to accept: the SDKs, Terraform's provider and exporter, or the Security
/// Analysis Tool name it.
const KEYS: &[(&str, Kind)] = &[
    ("customerApprovedWSLoginExpirationTime", Kind::Text),
    ("enable-X-Content-Type-Options", Kind::Boolean),
    ("enable-X-Frame-Options", Kind::Boolean),
    ("enable-X-XSS-Protection", Kind::Boolean),
    ("enableAclsConfig", Kind::Boolean),
    ("enableClusterAclsConfig", Kind::Boolean),
    ("enableDatabricksAutologgingAdminConf", Kind::Boolean),
    ("enableDbfsFileBrowser", Kind::Boolean),
    ("enableDcs", Kind::Boolean),
    ("enableDeprecatedClusterNamedInitScripts", Kind::Boolean),
    ("enableDeprecatedGlobalInitScripts", Kind::Boolean),
    ("enableEnforceImdsV2", Kind::Boolean),
    ("enableExportNotebook", Kind::Boolean),
    ("enableFileStoreEndpoint", Kind::Boolean),
    ("enableGp3", Kind::Boolean),
    ("enableHlsRuntime", Kind::Boolean),
    ("enableIpAccessLists", Kind::Boolean),
    ("enableJobViewAcls", Kind::Boolean),
    ("enableJobsEmailsV2", Kind::Boolean),
    ("enableLegacyNotebookVisualizations", Kind::Text),
    ("enableLibraryAndInitScriptOnSharedCluster", Kind::Boolean),
    ("enableNotebookGitVersioning", Kind::Boolean),
    ("enableNotebookTableClipboard", Kind::Boolean),
    ("enablePipelinesDataSample", Kind::Boolean),
    ("enableProjectTypeInWorkspace", Kind::Boolean),
    ("enableProjectsAllowList", Kind::Boolean),
    ("enableResultsDownloading", Kind::Boolean),
    ("enableTableAclsConfig", Kind::Boolean),
    ("enableTokensConfig", Kind::Boolean),
    ("enableUploadDataUis", Kind::Boolean),
    ("enableVerboseAuditLogs", Kind::Boolean),
    ("enableWebTerminal", Kind::Boolean),
    ("enableWorkspaceAclsConfig", Kind::Boolean),
    ("enableWorkspaceFilesystem", Kind::Boolean),
    ("enforceClusterViewAcls", Kind::Boolean),
    ("enforceUserIsolation", Kind::Boolean),
    ("enforceWorkspaceViewAcls", Kind::Boolean),
    ("heapAnalyticsAdminConsent", Kind::Boolean),
    ("intercomAdminConsent", Kind::Boolean),
    ("jobsListBackendPaginationEnabled", Kind::Boolean),
    ("loginLogo", Kind::Text),
    ("loginLogoWidth", Kind::Text),
    ("maxTokenLifetimeDays", Kind::LifetimeDays),
    ("mlflowModelRegistryEmailNotificationsEnabled", Kind::Boolean),
    ("mlflowModelServingEndpointCreationEnabled", Kind::Boolean),
    ("mlflowRunArtifactDownloadEnabled", Kind::Boolean),
    ("productName", Kind::Text),
    ("projectsAllowList", Kind::Text),
    ("projectsAllowListPermissions", Kind::Text),
    ("rStudioUserDefaultHomeBase", Kind::Text),
    ("reposIpynbResultsExportPermissions", Kind::Text),
    ("storeInteractiveNotebookResultsInCustomerAccount", Kind::Boolean),
];

/// The names of all keys, in alphabetical order.
pub fn known_keys() -> impl Iterator<Item = &'static str> {
    KEYS.iter().map(|(key, _)| *key)
}

fn kind_of(key: &str) -> Option<Kind> {
    KEYS.iter().find(|(known, _)| *known == key).map(|(_, kind)| *kind)
}

/// Refuses unknown keys and names all of them: Terraform reads the list.
///
/// # Errors
/// [`Denial::InvalidConfKeys`]
pub fn check_keys<'a>(keys: impl Iterator<Item = &'a str>) -> Result<(), Denial> {
    let unknown: Vec<String> = keys.filter(|key| kind_of(key).is_none()).map(ToOwned::to_owned).collect();
    if unknown.is_empty() { Ok(()) } else { Err(Denial::InvalidConfKeys(unknown)) }
}

/// The longest value of a key that accepts any text \[inferred\].
pub const MAX_VALUE_CHARS: usize = 4_096;

/// Accepts a change of several keys as a whole, or refuses all of it. `None` is a value that is not a string. Values
/// are stored as sent, even `"TRue"`, because clients compare them with what they sent.
///
/// # Errors
/// [`Denial::InvalidParameter`] if the change is empty, [`Denial::InvalidConfKeys`], then
/// [`Denial::InvalidConfValues`] with every invalid value.
pub fn plan_change(changes: &[(String, Option<String>)]) -> Result<Vec<(&str, &str)>, Denial> {
    if changes.is_empty() {
        return Err(Denial::parameter("The body of the request names no workspace configuration."));
    }
    check_keys(changes.iter().map(|(key, _)| key.as_str()))?;
    let allowed = |key: &str, value: &str| match kind_of(key) {
        Some(Kind::Boolean) => settings::parse_bool(value).is_some(),
        Some(Kind::LifetimeDays) => value.is_empty() || is_lifetime(value),
        Some(Kind::Text) | None => value.chars().count() <= MAX_VALUE_CHARS,
    };
    let mut plan = Vec::with_capacity(changes.len());
    let mut invalid = Vec::new();
    for (key, value) in changes {
        match value.as_deref().filter(|value| allowed(key, value)) {
            Some(value) => plan.push((key.as_str(), value)),
            None => invalid.push((key.clone(), value.clone())),
        }
    }
    if invalid.is_empty() { Ok(plan) } else { Err(Denial::InvalidConfValues(invalid)) }
}

fn is_lifetime(value: &str) -> bool {
    value.bytes().all(|b| b.is_ascii_digit())
        && value.parse::<i64>().is_ok_and(|days| (0..=PLATFORM_MAX_LIFETIME_DAYS).contains(&days))
}

/// Whether the key belongs to a feature that the standard tier does not have. See docs/requirements.md#r17.
pub fn is_premium(key: &str) -> bool {
    key == MAX_TOKEN_LIFETIME_DAYS
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(changes: &[(&str, Option<&str>)]) -> Result<usize, Denial> {
        let changes: Vec<_> =
            changes.iter().map(|(key, value)| ((*key).to_owned(), value.map(ToOwned::to_owned))).collect();
        plan_change(&changes).map(|plan| plan.len())
    }

    #[test]
    fn keys_are_sorted_and_unique() {
        let keys: Vec<_> = known_keys().collect();
        assert!(keys.len() >= 40 && keys.is_sorted() && keys.windows(2).all(|pair| pair[0] != pair[1]));
    }

    #[test]
    fn values_are_checked_by_kind() {
        for value in ["", "0", "1", "90", "730"] {
            assert_eq!(plan(&[("maxTokenLifetimeDays", Some(value))]), Ok(1), "{value:?}");
        }
        for value in ["-1", "+1", "1.5", "731", "ninety", " 90", "false", "99999999999999999999"] {
            assert!(
                matches!(plan(&[("maxTokenLifetimeDays", Some(value))]), Err(Denial::InvalidConfValues(_))),
                "{value:?}"
            );
        }
        assert_eq!(plan(&[("enableTokensConfig", Some("TRue")), ("productName", Some("x"))]), Ok(2));
        assert!(plan(&[("enableTokensConfig", Some(""))]).is_err());
        assert!(plan(&[("enableTokensConfig", None)]).is_err());
        assert!(plan(&[]).is_err());
    }

    #[test]
    fn every_invalid_value_is_named_after_the_unknown_keys() {
        let changes = [("enableGp3", Some("")), ("nope", Some("")), ("enableDcs", Some("x")), ("other", None)];
        assert_eq!(plan(&changes), Err(Denial::InvalidConfKeys(vec!["nope".into(), "other".into()])));
        let invalid = vec![("enableGp3".into(), Some(String::new())), ("enableDcs".into(), Some("x".into()))];
        assert_eq!(
            plan(&[changes[0], ("enableVerboseAuditLogs", Some("true")), changes[2]]),
            Err(Denial::InvalidConfValues(invalid))
        );
    }
}
