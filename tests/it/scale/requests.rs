//! A valid request for each route, and its limit.

use axum::http::Method;
use dapi_mock::domain::{PrincipalId, Workspace};
use dapi_mock::service::{ADMIN_CLIENT_ID, ADMIN_USER};
use serde_json::{Value, json};

use super::cost::{FOR_ALL, FOR_COUNT, FOR_GROUP, FOR_ONE, FOR_TEN_GROUPS, Limit};
use super::filled::{FIRST_GROUP, FIRST_USER, GROUPS, LOCAL_GROUP};
use crate::support::{ADMIN_SECRET, World, value_of};

pub(super) const CODE_REQUEST: &str = "?response_type=code&client_id=databricks-cli&redirect_uri=http://localhost:8020\
    &code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256";

/// The path and body of a request about existing users and groups.
pub(super) fn request(
    method: &Method,
    path: &str,
    workspace: &Workspace,
    number: i64,
    robot: PrincipalId,
) -> (String, Value) {
    let (user, group) = (FIRST_USER + 2 * number, FIRST_GROUP + 1 + number % GROUPS);
    let is_group = path.contains("/Groups/");
    let id = match path {
        path if path.contains("/ServicePrincipals/") => robot.0,
        path if method != Method::GET && method != Method::DELETE && path.contains("/preview/scim/v2/Groups/") => {
            LOCAL_GROUP
        }
        _ if is_group => group,
        _ => user,
    };
    let mut filled = path.replace("{account_id}", &workspace.account.to_string());
    for (name, value) in [
        ("{workspace_id}", workspace.id.to_string()),
        ("{token_id}", if path.contains("/token/") { "live4".to_owned() } else { format!("live{}", 2 * number) }),
        ("{id}", id.to_string()),
        ("{principal_id}", id.to_string()),
        ("{sp_id}", robot.to_string()),
        ("{secret_id}", "none".to_owned()),
    ] {
        filled = filled.replace(name, &value);
    }
    if method == Method::GET && path.contains("/scim/v2/") && !path.contains("{id}") && !path.ends_with("/Me") {
        filled.push_str("?count=10");
    }
    if method == Method::GET && path.ends_with("/authorize") {
        filled.push_str(CODE_REQUEST);
    }
    if method == Method::GET && path.ends_with("workspace-conf") {
        filled.push_str("?keys=enableTokensConfig");
    }
    let member = json!([{"value": user.to_string()}]);
    let body = match (method, path) {
        (&Method::POST, path) if path.ends_with("/token/create") => json!({"lifetime_seconds": 3600}),
        (&Method::POST, path) if path.ends_with("/token/delete") => json!({"token_id": "live4"}),
        (&Method::POST, path) if path.ends_with("/Groups") => json!({"displayName": format!("new{number}")}),
        (&Method::POST, path) if path.ends_with("/Users") => json!({"userName": format!("new{number}@scale.example")}),
        (&Method::POST, path) if path.ends_with("/ServicePrincipals") => json!({"displayName": format!("s{number}")}),
        (&Method::POST, path) if path.ends_with("/on-behalf-of/tokens") => {
            json!({"application_id": ADMIN_CLIENT_ID.to_string(), "lifetime_seconds": 3600})
        }
        (&Method::PUT, path) if path.contains("/Users/") => {
            json!({"userName": format!("user{}@scale.example", 2 * number)})
        }
        (&Method::PUT, _) if is_group => {
            let name = match id {
                LOCAL_GROUP => "local".to_owned(),
                _ => format!("group{}@scale.example", 1 + number % GROUPS),
            };
            json!({"displayName": name, "members": member})
        }
        (&Method::PUT, path) if path.contains("/ServicePrincipals/") => json!({"displayName": "another"}),
        (&Method::PUT, path) if path.contains("principals/") => json!({"permissions": ["USER"]}),
        (&Method::PATCH, path) if path.contains("/Users/") || path.contains("/ServicePrincipals/") => {
            json!({"Operations": [{"op": "replace", "path": "active", "value": false}]})
        }
        (&Method::PATCH, _) if is_group => json!({"Operations": [{"op": "add", "value": {"members": member}}]}),
        (&Method::PUT | &Method::PATCH, path) if path.ends_with("/authorization/tokens") => {
            let users = json!({"group_name": "users", "permission_level": "CAN_USE"});
            let user = json!({"user_name": format!("user{}@scale.example", 2 * number), "permission_level": "CAN_USE"});
            let admins = json!({"group_name": "admins", "permission_level": "CAN_MANAGE"});
            if method == Method::PUT {
                json!({"access_control_list": [admins, users, user]})
            } else {
                json!({"access_control_list": [users, user]})
            }
        }
        (&Method::PATCH, path) if path.ends_with("workspace-conf") => json!({"maxTokenLifetimeDays": "90"}),
        (&Method::PATCH, path) if path.contains("/tokens/") || path.contains("/token/") => {
            json!({"token": {"comment": "changed"}, "update_mask": "comment"})
        }
        _ => json!({}),
    };
    (filled, body)
}

/// Fetches the id, version or ticket that an operation requires from another request.
pub(super) async fn follow_up(world: &World, operation: &str, path: &mut String, body: &mut Value, robot: PrincipalId) {
    let account = world.workspace().await.account;
    let oauth = world.account_oauth().await;
    let rule_set = format!("accounts/{account}/servicePrincipals/{ADMIN_CLIENT_ID}/ruleSets/default");
    let restriction = async || {
        let found = world.client(&oauth).get("/api/2.0/settings/types/restrict_workspace_admins/names/default").await;
        found.json()["etag"].as_str().unwrap().to_owned()
    };
    match operation {
        "accountAccessControlProxy.getRuleSet" => *path = format!("{path}?name={rule_set}&etag="),
        "accountAccessControlProxy.updateRuleSet" => {
            let read = format!("/api/2.0/preview/accounts/access-control/rule-sets?name={rule_set}&etag=");
            let etag = world.client(&oauth).get(&read).await.json()["etag"].clone();
            let rule = json!({"role": "roles/servicePrincipal.user", "principals": [format!("users/{ADMIN_USER}")]});
            *body = json!({"name": rule_set, "rule_set": {"name": rule_set, "etag": etag, "grant_rules": [rule]}});
        }
        "restrictWorkspaceAdmins.update" => {
            let setting = json!({"etag": restriction().await, "restrict_workspace_admins": {"status": "ALLOW_ALL"}});
            *body =
                json!({"setting": setting, "allow_missing": true, "field_mask": "restrict_workspace_admins.status"});
        }
        "restrictWorkspaceAdmins.delete" => *path = format!("{path}?etag={}", restriction().await),
        "servicePrincipalSecrets.delete" | "servicePrincipalSecretsProxy.delete" => {
            let secrets = format!("/api/2.0/accounts/{account}/servicePrincipals/{robot}/credentials/secrets");
            let made = world.client(&oauth).post(&secrets, &json!({})).await.json();
            *path = path.replace("none", made["id"].as_str().unwrap());
        }
        "oauth.token" | "oauth.accountToken" => {
            let client = format!("client_id={ADMIN_CLIENT_ID}&client_secret={ADMIN_SECRET}");
            *body = format!("grant_type=client_credentials&scope=all-apis&{client}").into();
        }
        "oauth.chooseUser" | "oauth.accountChooseUser" => {
            let page = world.anonymous().get(&format!("{path}{CODE_REQUEST}")).await;
            let (ticket, user) = (value_of(&page, "ticket"), value_of(&page, "user"));
            *body = form_urlencoded::Serializer::new(String::new())
                .extend_pairs([("ticket", ticket), ("user", user)])
                .finish()
                .into();
        }
        _ => {}
    }
}

pub(super) fn limit(method: &Method, path: &str) -> Limit {
    let lists_all = method == Method::GET
        && (path.ends_with("/token-management/tokens") || path.ends_with("/permissionassignments"))
        // Finding whose tokens a change affects requires reading everybody.
        || method != Method::GET && path.ends_with("/authorization/tokens");
    match path {
        _ if lists_all => FOR_ALL,
        path if method == Method::GET && path.ends_with("/scim/v2/Users") => FOR_COUNT,
        path if method == Method::GET && path.ends_with("/scim/v2/Groups") => FOR_TEN_GROUPS,
        path if path.contains("/Groups/") => FOR_GROUP,
        _ => FOR_ONE,
    }
}
