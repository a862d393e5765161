//! The account API: workspaces, principals of the account, and assignments to workspaces.

mod admins;
mod assignments;
mod principals;
mod workspaces;

use axum::http::Method;
use serde_json::{Value, json};

use crate::support::{Answer, Client, Kind, ME, World, account, at, text};

const HERE: i64 = 3_274_327_432_743_274;
const THERE: i64 = 77;
const USERS: &str = "scim/v2/Users";
const GROUPS: &str = "scim/v2/Groups";
const SERVICE_PRINCIPALS: &str = "scim/v2/ServicePrincipals";

/// A caller of the account API.
struct Account<'a> {
    world: &'a World,
    token: String,
}

impl Account<'_> {
    async fn admin(world: &World) -> Account<'_> {
        Account { world, token: world.account_oauth().await }
    }

    async fn call(&self, method: Method, path: &str, body: &Value) -> Answer {
        let path = format!("/api/2.0/accounts/{}/{path}", account());
        self.world.client(&self.token).call(method, &path, body.to_string()).await
    }

    async fn get(&self, path: &str) -> Value {
        let answer = self.call(Method::GET, path, &json!({})).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()
    }

    async fn create(&self, collection: &str, body: &Value) -> Value {
        let answer = self.call(Method::POST, collection, body).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        answer.json()
    }

    async fn user(&self, name: &str) -> Value {
        self.create(USERS, &json!({ "userName": name })).await
    }

    async fn group(&self, name: &str, members: &[&Value]) -> Value {
        let members: Vec<Value> = members.iter().map(|member| json!({ "value": member["id"] })).collect();
        self.create(GROUPS, &json!({"displayName": name, "members": members})).await
    }

    async fn patch(&self, path: &str, operation: &Value) -> Answer {
        self.call(Method::PATCH, path, &json!({ "Operations": [operation] })).await
    }

    async fn patched(&self, path: &str, operation: &Value) -> Value {
        let answer = self.patch(path, operation).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()
    }

    async fn join(&self, group: &Value, member: &Value) {
        let add = json!({"op": "add", "path": "members", "value": [{"value": member["id"]}]});
        self.patched(&at(GROUPS, group), &add).await;
    }

    async fn leave(&self, group: &Value, member: &Value) {
        let path = format!("members[value eq \"{}\"]", text(&member["id"]));
        self.patched(&at(GROUPS, group), &json!({"op": "remove", "path": path})).await;
    }

    async fn set_active(&self, user: &Value, active: bool) {
        let value = json!([{"value": active.to_string()}]);
        self.patched(&at(USERS, user), &json!({"op": "replace", "path": "active", "value": value})).await;
    }

    async fn assign(&self, workspace: i64, principal: &Value, permissions: &Value) -> Answer {
        let path = format!("workspaces/{workspace}/permissionassignments/principals/{}", text(&principal["id"]));
        self.call(Method::PUT, &path, &json!({ "permissions": permissions })).await
    }

    async fn assigned(&self, workspace: i64, principal: &Value, permission: &str) {
        let answer = self.assign(workspace, principal, &json!([permission])).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }

    async fn unassigned(&self, workspace: i64, principal: &Value) {
        let path = format!("workspaces/{workspace}/permissionassignments/principals/{}", text(&principal["id"]));
        let answer = self.call(Method::DELETE, &path, &json!({})).await;
        assert_eq!((answer.status.as_u16(), &*answer.text), (200, "{}"), "{answer:?}");
    }

    /// The names of the principals assigned to a workspace, with their permission.
    async fn assignments(&self, workspace: i64) -> Vec<String> {
        let list = self.get(&format!("workspaces/{workspace}/permissionassignments")).await;
        let list = list["permission_assignments"].as_array().unwrap().clone();
        let mut rows: Vec<String> = list
            .iter()
            .map(|row| format!("{} {}", text(&row["principal"]["display_name"]), text(&row["permissions"][0])))
            .collect();
        rows.sort();
        rows
    }

    /// Whether the caller is an account admin.
    async fn is_admin(&self) -> bool {
        let answer = self.call(Method::GET, "workspaces", &json!({})).await;
        if answer.status == 403 {
            answer.refused(403, "PERMISSION_DENIED", "without account admin status.");
        }
        answer.status == 200
    }

    /// A service principal that is in the account only, as a caller.
    async fn robot(&self, name: &str) -> (Value, Account<'_>) {
        let robot = self.create(SERVICE_PRINCIPALS, &json!({ "displayName": name })).await;
        let path = format!("servicePrincipals/{}/credentials/secrets", text(&robot["id"]));
        let secret = text(&self.call(Method::POST, &path, &json!({})).await.json()["secret"]);
        let token = self.world.account_access_token(&text(&robot["applicationId"]), &secret).await;
        (robot, Account { world: self.world, token })
    }
}

fn in_workspace(kind: Kind, resource: &Value) -> String {
    format!("{}/{}", kind.collection(), text(&resource["id"]))
}

/// Asserts an error in SCIM's envelope.
#[track_caller]
fn refused(answer: &Answer, status: u16, scim_type: Option<&str>, detail: &str) {
    let json = answer.json();
    assert_eq!(
        (answer.status.as_u16(), json.get("scimType").and_then(Value::as_str)),
        (status, scim_type),
        "{answer:?}"
    );
    assert_eq!(json["detail"], detail, "{answer:?}");
}

async fn no_access(client: Client<'_>, workspace: i64) {
    client.get(ME).await.refused(403, 403, &format!("Invalid access to Org: {workspace}"));
}
