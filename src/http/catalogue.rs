//! The API families of the real service that are not emulated, so that a refusal can say "real, but
//! not here" instead of "unknown".

/// Path prefixes behind `/api/<version>/`, and what the real service has there.
const FAMILIES: &[(&str, &str)] = &[
    ("account/", "the account API"),
    ("accounts/", "the account API"),
    ("alerts", "the alerts API"),
    ("apps", "the apps API"),
    ("clean-rooms", "the clean rooms API"),
    ("cluster-policies", "the cluster policies API"),
    ("clusters/", "the clusters API"),
    ("commands/", "the command execution API"),
    ("contexts/", "the command execution API"),
    ("dashboards", "the dashboards API"),
    ("dbfs/", "the DBFS API"),
    ("fs/", "the files API"),
    ("genie/", "the Genie API"),
    ("git-credentials", "the Git credentials API"),
    ("global-init-scripts", "the global init scripts API"),
    ("groups/", "the groups API"),
    ("instance-pools/", "the instance pools API"),
    ("instance-profiles/", "the instance profiles API"),
    ("ip-access-lists", "the IP access lists API"),
    ("jobs/", "the jobs API"),
    ("lakeview/", "the Lakeview API"),
    ("libraries/", "the libraries API"),
    ("marketplace", "the marketplace API"),
    ("mlflow/", "the MLflow API"),
    ("notification-destinations", "the notification destinations API"),
    ("permissions", "the permissions API"),
    ("pipelines", "the pipelines API"),
    ("policies/", "the policies API"),
    ("policy-families", "the policy families API"),
    ("postgres", "the Lakebase API"),
    ("preview/permissions", "the permissions API"),
    ("preview/scim/v2/", "SCIM"),
    ("preview/sql/", "the SQL API"),
    ("preview/workspace-conf", "the workspace configuration API"),
    ("queries", "the queries API"),
    ("query-history", "the query history API"),
    ("quality-monitors", "the quality monitors API"),
    ("repos", "the repos API"),
    ("secrets/", "the secrets API"),
    ("serving-endpoints", "the serving endpoints API"),
    ("settings/", "the settings API"),
    ("sql/", "the SQL API"),
    ("tag-policies", "the tag policies API"),
    ("token-management/", "the token management API"),
    ("tokens/", "the token introspection API"),
    ("unity-catalog/", "Unity Catalog"),
    ("vector-search/", "the vector search API"),
    ("workspace-conf", "the workspace configuration API"),
    ("workspace/", "the workspace API"),
];

/// What the real service has at this path, if anything.
pub fn family_of(path: &str) -> Option<&'static str> {
    if path.starts_with("/oidc/") {
        return Some("OAuth");
    }
    let (_version, rest) = path.strip_prefix("/api/")?.split_once('/')?;
    FAMILIES.iter().find(|(prefix, _)| rest.starts_with(prefix)).map(|(_, family)| *family)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn real_and_unknown_paths_are_told_apart() {
        assert_eq!(family_of("/api/2.0/clusters/spark-versions"), Some("the clusters API"));
        assert_eq!(family_of("/api/2.1/unity-catalog/catalogs"), Some("Unity Catalog"));
        assert_eq!(family_of("/oidc/v1/token"), Some("OAuth"));
        assert_eq!(family_of("/api/2.0/nonsense"), None);
        assert_eq!(family_of("/clusters/list"), None);
    }
}
