//! What is known of paths that have no route: whether the real service has an API there, or a route is spelled
//! differently. Refusals say so, so that nobody takes a route that is not emulated for a feature that is off.

use super::routes::ROUTES;
use crate::domain::denial::PathKnowledge;
use crate::domain::faults::path_fits;

/// Every path in the code of official clients, one per line; `tests/clients/paths/collect` writes the file.
const PATHS: &str = include_str!("paths.txt");

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
    ("identity/", "the identity API"),
    ("instance-pools/", "the instance pools API"),
    ("instance-profiles/", "the instance profiles API"),
    ("ip-access-lists", "the IP access lists API"),
    ("jobs/", "the jobs API"),
    ("lakeview/", "the Lakeview API"),
    ("libraries/", "the libraries API"),
    ("marketplace", "the marketplace API"),
    ("mlflow/", "the MLflow API"),
    ("notification-destinations", "the notification destinations API"),
    ("permissionmigration", "the permission migration API"),
    ("permissions", "the permissions API"),
    ("pipelines", "the pipelines API"),
    ("policies/", "the policies API"),
    ("policy-families", "the policy families API"),
    ("postgres", "the Lakebase API"),
    ("preview/permissionassignments", "the workspace assignment API"),
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
    ("settings-metadata", "the settings API"),
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

/// What the real service has outside `/api/`.
const OUTSIDE_API: &[(&str, &str)] = &[
    ("/oidc/", "OAuth"),
    ("/serving-endpoints", "the serving endpoints API"),
    ("/telemetry-", "the telemetry endpoint"),
];

/// Where SQL drivers speak Thrift: warehouses, the endpoints that preceded them, and clusters.
const SQL_DRIVER_PATHS: [&str; 2] = ["/sql/1.0/", "/sql/protocolv1/"];

pub fn is_for_sql_drivers(path: &str) -> bool {
    SQL_DRIVER_PATHS.iter().any(|prefix| path.starts_with(prefix))
}

pub fn knowledge_of(path: &str) -> PathKnowledge {
    let methods = methods_at(path);
    if !methods.is_empty() {
        return PathKnowledge::Methods(methods);
    }
    if is_listed(path) {
        return PathKnowledge::RealApi(family_of(path).unwrap_or("an API"));
    }
    match (spelling_of(path), family_of(path)) {
        (Some(path), _) => PathKnowledge::SpelledOtherwise(path),
        (None, Some(family)) => PathKnowledge::RealApi(family),
        (None, None) => PathKnowledge::Unknown,
    }
}

/// The methods of a path's routes, in the table's order. A route with a variable does not count where another has
/// the path itself.
fn methods_at(path: &str) -> Vec<&'static str> {
    let is_literal = ROUTES.iter().any(|route| route.path == path);
    let fits = |pattern: &str| if is_literal { pattern == path } else { path_fits(pattern, path) };
    ROUTES.iter().filter(|route| fits(route.path)).map(|route| route.method.as_str()).collect()
}

fn is_listed(path: &str) -> bool {
    listed().any(|template| path_fits(template, path))
}

fn listed() -> impl Iterator<Item = &'static str> {
    PATHS.lines().filter(|line| line.starts_with('/'))
}

/// The real service's API under the beginning of a path.
fn family_of(path: &str) -> Option<&'static str> {
    if let Some((_, family)) = OUTSIDE_API.iter().find(|(prefix, _)| path.starts_with(prefix)) {
        return Some(family);
    }
    let (_version, rest) = path.strip_prefix("/api/")?.split_once('/')?;
    FAMILIES.iter().find(|(prefix, _)| rest.starts_with(prefix)).map(|(_, family)| *family)
}

/// The right spelling of a route's path of which `path` is another: with a slash at its end or twice, escaped letters,
/// another case, another version, or without its beginning.
fn spelling_of(path: &str) -> Option<String> {
    // No path of a route is as long, and decoding takes time.
    const LONGEST: usize = 512;
    if path.len() > LONGEST {
        return None;
    }
    let decoded = percent_encoding::percent_decode_str(path).decode_utf8().ok()?;
    let segments: Vec<&str> = decoded.split('/').filter(|segment| !segment.is_empty()).collect();
    let plain = segments.join("/");
    let version = |text: &str| text.split_once('.').is_some_and(|(major, minor)| is_number(major) && is_number(minor));
    let rest = match segments.as_slice() {
        [api, number, rest @ ..] if api.eq_ignore_ascii_case("api") && version(number) => rest,
        [api, rest @ ..] if api.eq_ignore_ascii_case("api") => rest,
        [number, rest @ ..] if version(number) => rest,
        all => all,
    }
    .join("/");
    let candidates =
        [format!("/{plain}"), format!("/api/2.0/{rest}"), format!("/api/2.0/preview/{rest}"), format!("/{rest}")];
    candidates.iter().find_map(|candidate| ROUTES.iter().find_map(|route| spelled_as(route.path, candidate)))
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The path in the route's own case, if it differs in case at most.
fn spelled_as(pattern: &str, path: &str) -> Option<String> {
    let (expected, parts) = (pattern.split('/'), path.split('/'));
    if expected.clone().count() != parts.clone().count() {
        return None;
    }
    let segments = expected.zip(parts).map(|(expected, part)| {
        if expected.starts_with('{') {
            (!part.is_empty()).then_some(part)
        } else {
            expected.eq_ignore_ascii_case(part).then_some(expected)
        }
    });
    Some(segments.collect::<Option<Vec<_>>>()?.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn real_and_unknown_paths_are_distinguished() {
        assert_eq!(family_of("/api/2.0/clusters/spark-versions"), Some("the clusters API"));
        assert_eq!(family_of("/api/2.1/unity-catalog/catalogs"), Some("Unity Catalog"));
        assert_eq!(family_of("/oidc/v1/token"), Some("OAuth"));
        for unknown in ["/api/2.0/nonsense", "/clusters/list", "/", "", "/api", "//", "/%ff", "/api/2.0/"] {
            assert_eq!(knowledge_of(unknown), PathKnowledge::Unknown, "{unknown}");
        }
    }

    #[test]
    fn every_path_of_the_official_clients_is_emulated_or_known_to_be_real() {
        assert!(listed().count() > 700);
        for template in listed() {
            let path = template.replace("{}", "x");
            let known = knowledge_of(&path);
            let is_known = matches!(known, PathKnowledge::Methods(_) | PathKnowledge::RealApi(_));
            assert!(is_known, "{path}: {known:?}");
        }
        for path in [
            "/api/2.0/identity/groups/resolveByExternalId",
            "/api/2.1/settings-metadata",
            "/telemetry-ext",
            "/api/2.0/permissionmigration",
            "/api/2.0/preview/permissionassignments/principals/7",
            "/api/2.0/sql/warehouses",
        ] {
            assert!(matches!(knowledge_of(path), PathKnowledge::RealApi(_)), "{path}");
        }
    }

    #[test]
    fn a_path_with_another_method_names_the_methods_it_has() {
        for (path, methods) in [
            ("/api/2.0/workspace-conf", &["GET", "PATCH"][..]),
            ("/api/2.0/token/list", &["GET"]),
            ("/api/2.0/token/abc", &["PATCH"]),
            ("/api/2.0/token-management/tokens/abc", &["GET", "PATCH", "DELETE"]),
            ("/api/2.0/preview/permissions/authorization/tokens", &["GET", "PUT", "PATCH"]),
        ] {
            assert_eq!(knowledge_of(path), PathKnowledge::Methods(methods.to_vec()), "{path}");
        }
    }

    #[test]
    fn another_spelling_names_the_right_one() {
        let list = "/api/2.0/token/list";
        for (path, spelled) in [
            ("/api/2.0/token/list/", list),
            ("/api/2.0/token//list", list),
            ("//api/2.0/token/list", list),
            ("/API/2.0/Token/LIST", list),
            ("/api/2.1/token/list", list),
            ("/api/1.2/token/list", list),
            ("/api/token/list", list),
            ("/2.0/token/list", list),
            ("/token/list", list),
            ("/api/2.0/token%2Flist", list),
            ("/api/2.0/%74oken/list", list),
            ("/api/2.1/preview/scim/v2/me/", "/api/2.0/preview/scim/v2/Me"),
            ("/api/2.0/scim/v2/Me", "/api/2.0/preview/scim/v2/Me"),
            ("/api/2.0/token-management/tokens/", "/api/2.0/token-management/tokens"),
            ("/api/2.0/token-management/tokens/AbC/", "/api/2.0/token-management/tokens/AbC"),
            ("/api/2.0/workspace-conf/", "/api/2.0/workspace-conf"),
            ("/api/2.0/preview/permissions/authorization/tokens/", "/api/2.0/preview/permissions/authorization/tokens"),
        ] {
            assert_eq!(knowledge_of(path), PathKnowledge::SpelledOtherwise(spelled.into()), "{path}");
        }
        assert_eq!(spelling_of(&format!("/api/2.0/token/{}", "/".repeat(100_000))), None);
    }

    #[test]
    fn the_endpoints_of_sql_drivers_are_recognized() {
        for path in ["/sql/1.0/warehouses/abc", "/sql/1.0/endpoints/abc", "/sql/protocolv1/o/1/0101-abc"] {
            assert!(is_for_sql_drivers(path), "{path}");
        }
        assert!(!is_for_sql_drivers("/api/2.0/sql/warehouses") && !is_for_sql_drivers("/sql/queries"));
    }
}
