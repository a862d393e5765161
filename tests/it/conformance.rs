//! Real answers are checked against the OpenAPI document of the emulated API: every operation's success, and refusals of
//! each envelope. The validator knows the keywords that the document uses, and panics on any other.

use std::collections::HashSet;

use axum::http::Method;
use dapi_mock::domain::AccountId;
use dapi_mock::http::openapi::document;
use dapi_mock::http::routes::{ROUTES, find};
use dapi_mock::service::{ACCOUNT_ADMIN_USER, ADMIN_CLIENT_ID, FirstStart};
use serde_json::{Value, json};

use crate::support::{ADMIN_SECRET, ADMIN_TOKEN, Answer, Backend, Client, World};

/// Pages for people, which the document describes as text only; `sign_in` checks their content.
const PAGES: &[&str] = &["oauth.authorize", "oauth.chooseUser", "oauth.accountAuthorize", "oauth.accountChooseUser"];

/// What is wrong with a value, and where.
fn faults(document: &Value, schema: &Value, value: &Value, at: &str) -> Vec<String> {
    let Some(keywords) = schema.as_object() else { panic!("{at}: {schema} is no schema") };
    let mut found = Vec::new();
    for (keyword, wanted) in keywords {
        match keyword.as_str() {
            "$ref" => {
                let target = document.pointer(wanted.as_str().unwrap().trim_start_matches('#')).unwrap();
                found.extend(faults(document, target, value, at));
            }
            "type" => {
                let kinds = wanted.as_array().map_or_else(|| vec![wanted], |kinds| kinds.iter().collect());
                if !kinds.iter().any(|kind| is(kind.as_str().unwrap(), value)) {
                    found.push(format!("{at}: {value} is not of {wanted}"));
                }
            }
            "required" => {
                for name in wanted.as_array().unwrap().iter().filter_map(Value::as_str) {
                    if value.get(name).is_none() {
                        found.push(format!("{at}: there is no {name}"));
                    }
                }
            }
            "properties" => {
                for (name, member) in value.as_object().into_iter().flatten() {
                    if let Some(schema) = wanted.get(name) {
                        found.extend(faults(document, schema, member, &format!("{at}.{name}")));
                    }
                }
            }
            "additionalProperties" => {
                for (name, member) in value.as_object().into_iter().flatten() {
                    found.extend(faults(document, wanted, member, &format!("{at}.{name}")));
                }
            }
            "items" => {
                for item in value.as_array().into_iter().flatten() {
                    found.extend(faults(document, wanted, item, &format!("{at}[]")));
                }
            }
            "anyOf" => {
                let alternatives = wanted.as_array().unwrap();
                if alternatives.iter().all(|schema| !faults(document, schema, value, at).is_empty()) {
                    found.push(format!("{at}: {value} is none of {wanted}"));
                }
            }
            "minItems" | "maxItems" => {
                let (length, bound) = (value.as_array().unwrap().len() as u64, wanted.as_u64().unwrap());
                if if keyword == "minItems" { length < bound } else { length > bound } {
                    found.push(format!("{at}: {length} items"));
                }
            }
            "description" | "format" | "default" => {}
            _ => panic!("the validator does not know {keyword}"),
        }
    }
    found
}

fn is(kind: &str, value: &Value) -> bool {
    match kind {
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "boolean" => value.is_boolean(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        "null" => value.is_null(),
        _ => panic!("the validator does not know the type {kind}"),
    }
}

#[test]
fn the_validator_finds_faults() {
    let schema = json!({ "type": "object", "required": ["a"], "properties": {
        "a": { "type": ["integer", "null"] }, "b": { "type": "array", "items": { "anyOf": [{ "type": "string" }] } } } });
    for (value, wrong) in [
        (json!({"a": 1, "b": ["x"]}), 0),
        (json!({"a": null, "c": 1}), 0),
        (json!([]), 2),
        (json!({"b": []}), 1),
        (json!({"a": 1.5, "b": [1, "x", {}]}), 3),
    ] {
        assert_eq!(faults(&Value::Null, &schema, &value, "").len(), wrong, "{value}");
    }
}

/// Calls the API and checks each answer against the document.
struct Checked {
    world: World,
    document: Value,
    /// Method and path of each route that has answered with success.
    succeeded: HashSet<(Method, &'static str)>,
    refused: usize,
}

impl Checked {
    async fn call(&mut self, token: &str, method: Method, path: &str, body: &Value) -> Answer {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let client: Client<'_> = self.world.client(token);
        let answer = client.call(method.clone(), path, body).await;
        self.look(&method, path, &answer);
        answer
    }

    fn look(&mut self, method: &Method, path: &str, answer: &Answer) {
        let route = find(method, path.split('?').next().unwrap()).unwrap_or_else(|| panic!("{path} has no route"));
        let at = format!("{method} {path}: {}", answer.status.as_u16());
        let responses = &self.document["paths"][route.path][method.as_str().to_lowercase()]["responses"];
        let mut response = &responses[answer.status.as_str()];
        if let Some(reference) = response["$ref"].as_str() {
            response = self.document.pointer(reference.trim_start_matches('#')).unwrap();
        }
        assert!(response.is_object(), "{at} is not documented: {answer:?}");
        if let Some(content) = response.get("content") {
            let media_type = answer.header("content-type").split(';').next().unwrap();
            let schema = content.get(media_type).unwrap_or_else(|| panic!("{at}: {media_type} is not documented"));
            let found = faults(&self.document, &schema["schema"], &answer.json(), "");
            assert!(found.is_empty(), "{at}: {found:?} in {}", answer.text);
        } else {
            assert_eq!(answer.text, "", "{at}");
        }
        if answer.status.is_success() {
            self.succeeded.insert((route.method.clone(), route.path));
        } else {
            self.refused += 1;
        }
    }
}

fn id_in(answer: &Answer) -> String {
    assert!(answer.status.is_success(), "{answer:?}");
    answer.json()["id"].as_str().unwrap().to_owned()
}

/// A kind of SCIM resource in a directory, from its creation to its removal.
async fn scim(checked: &mut Checked, token: &str, base: &str, collection: &str, new: &Value) {
    let list = format!("{base}/{collection}");
    let created = checked.call(token, Method::POST, &list, new).await;
    let one = format!("{list}/{}", id_in(&created));
    checked.call(token, Method::GET, &format!("{list}?count=5&filter=displayName%20pr"), &Value::Null).await;
    checked.call(token, Method::GET, &list, &Value::Null).await;
    checked.call(token, Method::GET, &format!("{one}?attributes=displayName"), &Value::Null).await;
    checked.call(token, Method::GET, &one, &Value::Null).await;
    checked.call(token, Method::PUT, &one, new).await;
    let patch = json!({"Operations": [{"op": "replace", "path": "displayName", "value": "new name"}]});
    checked.call(token, Method::PATCH, &one, &patch).await;
    // A duplicate, a wrong body, a malformed body, an invalid filter, a missing resource.
    checked.call(token, Method::POST, &list, new).await;
    checked.call(token, Method::POST, &list, &json!({"displayName": 7})).await;
    checked.call(token, Method::PATCH, &one, &json!([])).await;
    checked.call(token, Method::GET, &format!("{list}?filter=x"), &Value::Null).await;
    checked.call(token, Method::DELETE, &one, &Value::Null).await;
    checked.call(token, Method::GET, &one, &Value::Null).await;
    checked.call("nonsense", Method::GET, &list, &Value::Null).await;
}

/// The three kinds in a directory; the number makes their names, which the directories share.
async fn directory(checked: &mut Checked, token: &str, base: &str, number: u8) {
    scim(checked, token, base, "Users", &json!({"userName": format!("u{number}@example.com"), "displayName": "u"}))
        .await;
    scim(checked, token, base, "Groups", &json!({"displayName": format!("g{number}")})).await;
    let robot = format!("00000000-0000-4000-8000-00000000000{number}");
    scim(checked, token, base, "ServicePrincipals", &json!({"applicationId": robot, "displayName": "r"})).await;
}

async fn own_tokens(checked: &mut Checked, token: &str) {
    let created =
        checked.call(token, Method::POST, "/api/2.0/token/create", &json!({"comment": "a", "scopes": ["scim"]})).await;
    let id = created.json()["token_info"]["token_id"].clone();
    let change = json!({"token": {"comment": "b"}, "update_mask": "comment"});
    checked.call(token, Method::GET, "/api/2.0/token/list", &Value::Null).await;
    for prefix in ["/api/2.0/token", "/api/2.0/token-management/tokens"] {
        checked.call(token, Method::PATCH, &format!("{prefix}/{}", id.as_str().unwrap()), &change).await;
        checked.call(token, Method::PATCH, &format!("{prefix}/none"), &change).await;
    }
    checked.call(token, Method::GET, "/api/2.0/token-management/tokens", &Value::Null).await;
    checked.call(token, Method::GET, "/api/2.0/token-management/tokens?created_by_id=x", &Value::Null).await;
    checked
        .call(token, Method::GET, &format!("/api/2.0/token-management/tokens/{}", id.as_str().unwrap()), &Value::Null)
        .await;
    checked.call(token, Method::POST, "/api/2.0/token/delete", &json!({"token_id": id})).await;
    for refused in [json!({"lifetime_seconds": 0}), json!({"lifetime_seconds": "x"}), json!([])] {
        checked.call(token, Method::POST, "/api/2.0/token/create", &refused).await;
    }
    let robot = json!({"application_id": ADMIN_CLIENT_ID.to_string(), "lifetime_seconds": 60});
    let made = checked.call(token, Method::POST, "/api/2.0/token-management/on-behalf-of/tokens", &robot).await;
    let id = made.json()["token_info"]["token_id"].as_str().unwrap().to_owned();
    checked.call(token, Method::DELETE, &format!("/api/2.0/token-management/tokens/{id}"), &Value::Null).await;
    checked.call(token, Method::DELETE, &format!("/api/2.0/token-management/tokens/{id}"), &Value::Null).await;
}

async fn settings(checked: &mut Checked, admin: &str, account_admin: &str, account: AccountId) {
    for path in ["/api/2.0/workspace-conf", "/api/2.0/preview/workspace-conf"] {
        checked
            .call(admin, Method::GET, &format!("{path}?keys=enableTokensConfig,maxTokenLifetimeDays"), &Value::Null)
            .await;
        checked.call(admin, Method::PATCH, path, &json!({"maxTokenLifetimeDays": "90"})).await;
        checked.call(admin, Method::PATCH, path, &json!({"noSuchKey": "1"})).await;
        checked.call(admin, Method::GET, path, &Value::Null).await;
    }
    let users = json!({"group_name": "users", "permission_level": "CAN_USE"});
    let admins = json!({"group_name": "admins", "permission_level": "CAN_MANAGE"});
    for family in ["permissions", "preview/permissions"] {
        let path = format!("/api/2.0/{family}/authorization/tokens");
        checked.call(admin, Method::GET, &path, &Value::Null).await;
        checked.call(admin, Method::PUT, &path, &json!({"access_control_list": [users, admins]})).await;
        checked.call(admin, Method::PUT, &path, &json!({"access_control_list": [users]})).await;
        checked.call(admin, Method::PATCH, &path, &json!({"access_control_list": [users]})).await;
        checked.call(admin, Method::PATCH, &path, &json!({"access_control_list": [{}]})).await;
        checked.call(admin, Method::GET, &format!("{path}/permissionLevels"), &Value::Null).await;
    }

    let path = "/api/2.0/settings/types/restrict_workspace_admins/names/default";
    let found = checked.call(admin, Method::GET, path, &Value::Null).await.json();
    let setting = json!({"etag": found["etag"], "restrict_workspace_admins": {"status": "ALLOW_ALL"}});
    let change = json!({"setting": setting, "allow_missing": true, "field_mask": "restrict_workspace_admins.status"});
    let changed = checked.call(account_admin, Method::PATCH, path, &change).await.json();
    checked
        .call(
            account_admin,
            Method::PATCH,
            path,
            &json!({"setting": {"etag": "old", "restrict_workspace_admins": {"status": "ALLOW_ALL"}}}),
        )
        .await;
    let path = format!("{path}?etag={}", changed["etag"].as_str().unwrap());
    checked.call(account_admin, Method::DELETE, &path, &Value::Null).await;

    let path = "/api/2.0/preview/accounts/access-control/rule-sets";
    let name = format!("accounts/{account}/servicePrincipals/{ADMIN_CLIENT_ID}/ruleSets/default");
    let found = checked.call(admin, Method::GET, &format!("{path}?name={name}&etag="), &Value::Null).await.json();
    let rules = json!([{"role": "roles/servicePrincipal.user", "principals": ["groups/admins"]}]);
    let body = json!({"name": name, "rule_set": {"name": name, "etag": found["etag"], "grant_rules": rules}});
    checked.call(admin, Method::PUT, path, &body).await;
    checked.call(admin, Method::PUT, path, &body).await;
}

async fn account(checked: &mut Checked, oauth: &str, admin: &str, account: AccountId) {
    let base = format!("/api/2.0/accounts/{account}");
    let workspace = checked.world.workspace().await.id;
    let robots =
        checked.call(admin, Method::GET, "/api/2.0/preview/scim/v2/ServicePrincipals", &Value::Null).await.json();
    let robot = robots["Resources"][0]["id"].as_str().unwrap().to_owned();
    for (token, prefix) in [(oauth, base.as_str()), (admin, "/api/2.0/accounts")] {
        let path = format!("{prefix}/servicePrincipals/{robot}/credentials/secrets");
        let secret = id_in(&checked.call(token, Method::POST, &path, &json!({"lifetime": "60s"})).await);
        checked.call(token, Method::POST, &path, &json!({"lifetime": "x"})).await;
        checked.call(token, Method::GET, &format!("{path}?page_size=1"), &Value::Null).await;
        checked.call(token, Method::DELETE, &format!("{path}/{secret}"), &Value::Null).await;
        checked.call(token, Method::DELETE, &format!("{path}/{secret}"), &Value::Null).await;
    }
    checked.call(oauth, Method::GET, &format!("{base}/workspaces"), &Value::Null).await;
    checked.call(admin, Method::GET, &format!("{base}/workspaces"), &Value::Null).await;
    checked.call(oauth, Method::GET, &format!("{base}/workspaces/{workspace}"), &Value::Null).await;
    checked.call(oauth, Method::GET, &format!("{base}/workspaces/1"), &Value::Null).await;
    let assignments = format!("{base}/workspaces/{workspace}/permissionassignments");
    checked.call(oauth, Method::GET, &assignments, &Value::Null).await;
    checked.call(oauth, Method::GET, &format!("{assignments}/permissions"), &Value::Null).await;
    let person = json!({"userName": "assigned@example.com"});
    let person = id_in(&checked.call(oauth, Method::POST, &format!("{base}/scim/v2/Users"), &person).await);
    let person = format!("{assignments}/principals/{person}");
    checked.call(oauth, Method::PUT, &person, &json!({"permissions": ["USER"]})).await;
    checked.call(oauth, Method::DELETE, &person, &Value::Null).await;
    checked.call(oauth, Method::PUT, &format!("{assignments}/principals/x"), &json!({"permissions": ["USER"]})).await;
}

async fn open(checked: &mut Checked, account: AccountId) {
    let mut paths =
        vec!["/.well-known/databricks-config".to_owned(), "/livez".into(), "/readyz".into(), "/health".into()];
    for issuer in ["/oidc".to_owned(), format!("/oidc/accounts/{account}")] {
        for end in [".well-known/oauth-authorization-server", ".well-known/openid-configuration", "jwks.json"] {
            paths.push(format!("{issuer}/{end}"));
        }
        let path = format!("{issuer}/v1/token");
        let (client, form) = (ADMIN_CLIENT_ID.to_string(), "grant_type=client_credentials&scope=all-apis");
        for (secret, form) in
            [(ADMIN_SECRET, form), ("wrong", form), (ADMIN_SECRET, "grant_type=none"), (ADMIN_SECRET, "")]
        {
            let answer = checked.world.ask_for_token(&path, Some((&client, secret)), form).await;
            checked.look(&Method::POST, &path, &answer);
        }
    }
    paths.push("/oidc/accounts/none/jwks.json".into());
    for path in paths {
        checked.call("", Method::GET, &path, &Value::Null).await;
    }
}

#[tokio::test]
async fn answers_are_as_the_document_says() {
    let world = World::new(Backend::Memory).await;
    let account_id = FirstStart::default().account;
    let admin = ADMIN_TOKEN;
    let account_admin = world.mint(world.user_id(ACCOUNT_ADMIN_USER).await, |_| {}).await;
    let oauth = world.access_token(&ADMIN_CLIENT_ID.to_string(), ADMIN_SECRET).await;
    let mut checked = Checked { world, document: document(), succeeded: HashSet::new(), refused: 0 };

    open(&mut checked, account_id).await;
    own_tokens(&mut checked, admin).await;
    settings(&mut checked, admin, &account_admin, account_id).await;
    for path in ["/api/2.0/preview/scim/v2/Me", "/api/2.0/tokens/introspect"] {
        checked.call(admin, Method::GET, path, &Value::Null).await;
        checked.call("", Method::GET, path, &Value::Null).await;
    }
    directory(&mut checked, admin, "/api/2.0/preview/scim/v2", 1).await;
    directory(&mut checked, &account_admin, "/api/2.0/account/scim/v2", 2).await;
    directory(&mut checked, &oauth, &format!("/api/2.0/accounts/{account_id}/scim/v2"), 3).await;
    account(&mut checked, &oauth, admin, account_id).await;

    let missing: Vec<&str> = ROUTES
        .iter()
        .filter(|route| !checked.succeeded.contains(&(route.method.clone(), route.path)))
        .map(|route| route.operation)
        .filter(|operation| !PAGES.contains(operation))
        .collect();
    assert!(missing.is_empty(), "these operations had no checked success: {missing:?}");
    assert!(checked.refused > 50, "{} refusals", checked.refused);
}
