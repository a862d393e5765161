//! The account API: workspaces, principals of the account, who is assigned where.

use axum::http::Method;
use dapi_mock::domain::access::PermissionLevel;
use dapi_mock::domain::audit::Filter;
use dapi_mock::domain::identities::PrincipalKind;
use dapi_mock::domain::tokens::{EndCause, TokenValue};
use dapi_mock::domain::{PrincipalId, Workspace, WorkspaceId};
use dapi_mock::service::ACCOUNT_ADMIN_USER;
use dapi_mock::store::{HistoryFilter, Lock};
use serde_json::{Value, json};

use crate::harness::{ADMIN_TOKEN, Answer, Client, DAY_MS, World, on_every_store};
use crate::oauth::{account, text};
use crate::people::{INVALID, Kind, ME};

on_every_store!(
    workspaces_are_listed,
    principals_live_in_the_account,
    account_roles_come_and_go_in_every_shape,
    an_account_keeps_an_admin,
    deactivation_holds_in_every_workspace,
    deletion_ends_tokens_in_every_workspace,
    principals_are_assigned,
    who_leaves_a_workspace_loses_its_tokens_there,
    groups_bring_their_members,
    a_place_of_ones_own_is_no_assignment,
    nested_groups_and_circles_bring_members_too,
    a_service_principal_signs_in_through_a_group,
    losing_a_group_of_the_account_may_delete_tokens,
    personal_tokens_reach_the_account_through_a_workspace_only,
    an_account_admin_is_no_workspace_admin,
    accounts_are_apart,
);

const ELSEWHERE: &str = "dapi00000000000000000000000000000077";
const HERE: i64 = 3_274_327_432_743_274;
const THERE: i64 = 77;
const USERS: &str = "scim/v2/Users";
const GROUPS: &str = "scim/v2/Groups";
const SERVICE_PRINCIPALS: &str = "scim/v2/ServicePrincipals";
/// The role as a list that SCIM takes.
fn admin_role() -> Value {
    json!([{"value": "account_admin"}])
}

/// Who calls the account API.
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

    /// Names of who is assigned to a workspace, and how.
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

    /// Whether the caller is let in.
    async fn is_admin(&self) -> bool {
        let answer = self.call(Method::GET, "workspaces", &json!({})).await;
        if answer.status == 403 {
            answer.refused(403, "PERMISSION_DENIED", "without account admin status.");
        }
        answer.status == 200
    }

    /// A service principal of the account alone, as caller.
    async fn robot(&self, name: &str) -> (Value, Account<'_>) {
        let robot = self.create(SERVICE_PRINCIPALS, &json!({ "displayName": name })).await;
        let path = format!("servicePrincipals/{}/credentials/secrets", text(&robot["id"]));
        let secret = text(&self.call(Method::POST, &path, &json!({})).await.json()["secret"]);
        let token = self.world.account_access_token(&text(&robot["applicationId"]), &secret).await;
        (robot, Account { world: self.world, token })
    }
}

impl World {
    /// A second workspace in which everybody may use tokens, too.
    async fn add_there(&self) -> Workspace {
        let workspace = self.add_second_workspace(THERE, self.now(), ELSEWHERE).await;
        let mut writer = self.service.store().write(Lock::Workspace(workspace.id)).await.unwrap();
        let level = Some(PermissionLevel::CanUse);
        writer.put_token_permission(workspace.id, workspace.users_group, level).await.unwrap();
        writer.commit().await.unwrap();
        workspace
    }

    async fn mint_in(&self, workspace: i64, owner: &Value) -> String {
        self.mint(id_of(owner), |token| token.workspace = WorkspaceId(workspace)).await
    }

    async fn events_of(&self, workspace: i64, action: &str) -> Vec<Value> {
        let path = format!("workspaces/{workspace}/audit?shape=system_table&action={action}");
        let answer = self.anonymous().own(Method::GET, &path, &json!({})).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

fn id_of(resource: &Value) -> PrincipalId {
    PrincipalId::parse(resource["id"].as_str().unwrap()).unwrap()
}

fn at(collection: &str, resource: &Value) -> String {
    format!("{collection}/{}", text(&resource["id"]))
}

fn in_workspace(kind: Kind, resource: &Value) -> String {
    format!("{}/{}", kind.collection(), text(&resource["id"]))
}

/// One key of each element, sorted.
fn each(list: &Value, key: &str) -> Vec<String> {
    let list = list.as_array().map(Vec::as_slice).unwrap_or_default();
    let mut values: Vec<String> = list.iter().map(|element| text(&element[key])).collect();
    values.sort();
    values
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

async fn workspaces_are_listed(world: World) {
    let a = Account::admin(&world).await;
    let here = world.workspace().await;
    let expected = json!({
        "account_id": account(), "workspace_id": HERE, "workspace_name": "dapi-mock", "deployment_name": "dapi-mock",
        "workspace_status": "RUNNING", "workspace_status_message": "Workspace is running.",
        "creation_time": here.created_at.0, "pricing_tier": "PREMIUM", "cloud": "aws", "aws_region": "us-west-2",
    });
    assert_eq!(a.get("workspaces").await, json!([expected]));
    world.add_second_workspace(THERE, world.now().plus(-DAY_MS), ELSEWHERE).await;
    let list = a.get("workspaces").await;
    assert_eq!(
        list.as_array().unwrap().iter().map(|row| row["workspace_id"].as_i64()).collect::<Vec<_>>(),
        [Some(THERE), Some(HERE)]
    );
    assert_eq!(list[1], expected);
    assert_eq!(list[0], a.get(&format!("workspaces/{THERE}")).await);
    world.behave(&json!({"cloud": "azure", "tier": "standard"})).await;
    let azure = a.get(&format!("workspaces/{HERE}")).await;
    assert_eq!((&azure["cloud"], &azure["pricing_tier"]), (&json!("azure"), &json!("STANDARD")));
    assert!(azure["location"].is_string() && azure.get("aws_region").is_none());

    let missing = a.call(Method::GET, "workspaces/99", &json!({})).await;
    missing.refused(404, "RESOURCE_DOES_NOT_EXIST", "There is no workspace 99.");
    a.call(Method::GET, "workspaces/x", &json!({})).await.refused(400, "INVALID_PARAMETER_VALUE", "number");
    let permissions = a.get(&format!("workspaces/{HERE}/permissionassignments/permissions")).await;
    assert_eq!(each(&permissions["permissions"], "permission_level"), ["ADMIN", "USER"]);
}

async fn principals_live_in_the_account(world: World) {
    let a = Account::admin(&world).await;
    let ann = a
        .create(USERS, &json!({"userName": "ann@example.com", "displayName": "Ann", "entitlements": [{}], "roles": []}))
        .await;
    assert_eq!((&ann["active"], &ann["roles"], &ann["groups"]), (&json!(true), &json!([]), &json!([])));
    let path = at(USERS, &ann);
    assert_eq!(a.get(&path).await, ann);
    assert_eq!(world.admin().get(&in_workspace(Kind::User, &ann)).await.status, 404);
    assert!(
        !each(&world.admin().get(Kind::User.collection()).await.json()["Resources"], "id").contains(&text(&ann["id"]))
    );
    let taken = a.call(Method::POST, USERS, &json!({"userName": "ANN@example.com"})).await;
    refused(&taken, 409, None, "User with email ANN@example.com already exists in this account");
    let found = a.get(&format!("{USERS}?filter=userName%20eq%20%22ann@example.com%22")).await;
    assert_eq!(found["Resources"], json!([ann]));

    // A workspace's own group of that name is another group.
    world.admin().group("ops", &[]).await;
    let ops = a.group("ops", &[&ann]).await;
    assert_eq!(ops["meta"], json!({"resourceType": "Group"}));
    assert_eq!(each(&ops["members"], "display"), ["Ann"]);
    assert_eq!(each(&a.get(&path).await["groups"], "display"), ["ops"]);
    refused(
        &a.call(Method::POST, GROUPS, &json!({"displayName": "Ops"})).await,
        409,
        None,
        "Group with name Ops already exists.",
    );
    let other = a.group("other", &[]).await;
    let renamed = a.call(Method::PUT, &at(GROUPS, &other), &json!({"displayName": "ops"})).await;
    refused(&renamed, 409, None, "Group with name ops already exists.");
    let groups = a.get(GROUPS).await["Resources"].clone();
    assert_eq!(each(&groups, "displayName"), ["ops", "other"], "none of the workspaces' own");
    assert!(groups.as_array().unwrap().contains(&a.get(&at(GROUPS, &ops)).await));
    let local = world.admin().group("local", &[]).await;
    let add = json!({"op": "add", "path": "members", "value": [{"value": local.id}]});
    refused(&a.patch(&at(GROUPS, &ops), &add).await, 404, None, &format!("Principal with id {} not found.", local.id));
    let missing = a.call(Method::GET, &format!("{GROUPS}/{}", local.id), &json!({})).await;
    refused(&missing, 404, None, &format!("Group with id {} not found.", local.id));

    let robot = a.create(SERVICE_PRINCIPALS, &json!({"displayName": "ci"})).await;
    let again = json!({"applicationId": robot["applicationId"]});
    let taken = format!("User with email {} already exists in this account", text(&robot["applicationId"]));
    refused(&a.call(Method::POST, SERVICE_PRINCIPALS, &again).await, 409, None, &taken);

    // What is a workspace's is not there.
    let entitle = json!({"op": "add", "path": "entitlements", "value": [{"value": "workspace-access"}]});
    let unknown = "No such attribute with the name : entitlements in the current resource";
    refused(&a.patch(&path, &entitle).await, 400, Some("invalidPath"), unknown);
    let role = json!({"op": "add", "path": "roles", "value": [{"value": "billing_admin"}]});
    let emulated = "roles: dapi-mock emulates account_admin only, not billing_admin.";
    refused(&a.patch(&path, &role).await, 400, Some("invalidValue"), emulated);

    let put = json!({"userName": "ann@example.com", "displayName": "Anna"});
    assert_eq!(a.call(Method::PUT, &path, &put).await.json()["displayName"], "Anna");
    assert_eq!(a.call(Method::DELETE, &at(GROUPS, &ops), &json!({})).await.status, 204);
    assert_eq!(a.get(&path).await["groups"], json!([]));

    // The workspace brings in whom the account has, with its id.
    let here = world.admin().post(Kind::User.collection(), &json!({"userName": "ann@example.com"})).await;
    assert_eq!((here.status.as_u16(), &here.json()["id"]), (201, &ann["id"]));
    for kind in ["add", "createGroup", "removeGroup", "addPrincipalToGroup"] {
        let events = world.events_of(HERE, kind).await;
        assert!(
            events.iter().any(|event| event["audit_level"] == "ACCOUNT_LEVEL" && event["workspace_id"] == "0"),
            "{kind}"
        );
    }
    let refused_event = &world.events_of(HERE, "add").await[1];
    assert_eq!(
        (&refused_event["audit_level"], &refused_event["response"]["status_code"]),
        (&json!("ACCOUNT_LEVEL"), &json!("409"))
    );
}

async fn account_roles_come_and_go_in_every_shape(world: World) {
    let a = Account::admin(&world).await;
    let (robot, r) = a.robot("robot").await;
    let path = at(SERVICE_PRINCIPALS, &robot);
    let name = &robot["applicationId"];
    assert!(!r.is_admin().await);
    let ways = [
        (
            json!({"op": "add", "path": "roles", "value": admin_role()}),
            json!({"op": "remove", "path": "roles[value eq \"account_admin\"]"}),
        ),
        (
            json!({"op": "Add", "value": {"roles": admin_role()}}),
            json!({"op": "remove", "path": "roles", "value": admin_role()}),
        ),
        (
            json!({"op": "replace", "path": "roles", "value": admin_role()}),
            json!({"op": "replace", "path": "roles", "value": []}),
        ),
        (json!({"op": "replace", "value": {"roles": admin_role()}}), json!({"op": "remove", "path": "roles"})),
    ];
    for (give, take) in &ways {
        assert_eq!(a.patched(&path, give).await["roles"], admin_role());
        assert!(r.is_admin().await, "{give}");
        assert_eq!(
            a.get(&format!("{SERVICE_PRINCIPALS}?filter=roles.value%20eq%20%22account_admin%22")).await["totalResults"],
            2
        );
        assert_eq!(a.patched(&path, take).await["roles"], json!([]));
        assert!(!r.is_admin().await, "{take}");
    }
    let replaced = a.call(Method::PUT, &path, &json!({"applicationId": name, "roles": admin_role()})).await;
    assert_eq!(replaced.json()["roles"], admin_role());
    assert!(r.is_admin().await);
    a.call(Method::PUT, &path, &json!({ "applicationId": name })).await;
    assert!(!r.is_admin().await);
    let born = a.create(USERS, &json!({"userName": "born@example.com", "roles": admin_role()})).await;
    assert_eq!(born["roles"], admin_role());

    // A group that has the role gives it to all that it holds.
    let inner = a.group("inner", &[&robot]).await;
    let outer = a
        .create(GROUPS, &json!({"displayName": "outer", "roles": admin_role(), "members": [{"value": inner["id"]}]}))
        .await;
    assert!(r.is_admin().await);
    assert_eq!(a.get(&path).await["roles"], json!([]), "of its own it has none");
    a.leave(&outer, &inner).await;
    assert!(!r.is_admin().await);

    // In a workspace, roles are instance profiles and give nothing.
    a.assigned(HERE, &robot, "USER").await;
    let here = in_workspace(Kind::ServicePrincipal, &robot);
    let add = json!({"Operations": [{"op": "add", "path": "roles", "value": admin_role()}]});
    assert_eq!(world.admin().patch(&here, &add).await.json()["roles"], admin_role());
    assert!(!r.is_admin().await);
    assert_eq!(a.get(&path).await["roles"], json!([]));

    let events = world.events_of(HERE, "setAccountAdmin").await;
    assert_eq!(events.len(), ways.len() + 3);
    assert_eq!(events[0]["request_params"]["targetUserName"], *name);
    assert_eq!(events[0]["audit_level"], "ACCOUNT_LEVEL");
    assert_eq!(world.events_of(HERE, "removeAccountAdmin").await.len(), ways.len() + 1);
}

async fn an_account_keeps_an_admin(world: World) {
    let a = Account::admin(&world).await;
    let list = a.get(&format!("{SERVICE_PRINCIPALS}?filter=displayName%20eq%20admin-service-principal")).await;
    let own = at(SERVICE_PRINCIPALS, &list["Resources"][0]);
    let cannot = format!("PERMISSION_DENIED: Cannot remove roles for {}", text(&list["Resources"][0]["id"]));
    let take = json!({"op": "remove", "path": "roles[value eq \"account_admin\"]"});
    refused(&a.patch(&own, &take).await, 400, Some("invalidValue"), &cannot);

    let person = world.user_id(ACCOUNT_ADMIN_USER).await;
    a.patched(&format!("{USERS}/{person}"), &take).await;
    let off = json!({"op": "replace", "path": "active", "value": false});
    refused(&a.patch(&own, &off).await, 400, Some("invalidValue"), &cannot);
    refused(&a.call(Method::DELETE, &own, &json!({})).await, 400, Some("invalidValue"), &cannot);
    assert!(a.is_admin().await);

    // With another one left it may go.
    let (_, r) = a.robot("robot").await;
    let robots = a.get(&format!("{SERVICE_PRINCIPALS}?filter=displayName%20eq%20robot")).await["Resources"][0].clone();
    a.patched(&at(SERVICE_PRINCIPALS, &robots), &json!({"op": "add", "path": "roles", "value": admin_role()})).await;
    assert_eq!(a.call(Method::DELETE, &own, &json!({})).await.status, 204);
    let gone = a.call(Method::GET, "workspaces", &json!({})).await;
    gone.refused(403, 403, &format!("Invalid access to Org: {HERE}"));
    assert!(r.is_admin().await);
}

async fn deactivation_holds_in_every_workspace(world: World) {
    world.add_there().await;
    let a = Account::admin(&world).await;
    let ann = a.user("ann@example.com").await;
    let mut tokens = Vec::new();
    for workspace in [HERE, THERE] {
        a.assigned(workspace, &ann, "USER").await;
        tokens.push((workspace, world.mint_in(workspace, &ann).await));
    }
    for (_, token) in &tokens {
        assert!(world.client(token).works().await);
    }
    a.set_active(&ann, false).await;
    assert_eq!(a.get(&at(USERS, &ann)).await["active"], false);
    assert_eq!(world.admin().get(&in_workspace(Kind::User, &ann)).await.json()["active"], false);
    for (workspace, token) in &tokens {
        no_access(world.client(token), *workspace).await;
        assert!(a.assignments(*workspace).await.contains(&"ann@example.com USER".to_owned()), "still assigned");
    }
    // A workspace cannot undo it.
    let on = json!({"Operations": [{"op": "replace", "path": "active", "value": true}]});
    assert_eq!(world.admin().patch(&in_workspace(Kind::User, &ann), &on).await.json()["active"], false);
    a.set_active(&ann, true).await;
    for (_, token) in &tokens {
        assert!(world.client(token).works().await, "nothing of it was lost");
    }
    for (action, level) in [("deactivateUser", "ACCOUNT_LEVEL"), ("activateUser", "ACCOUNT_LEVEL")] {
        let events = world.events_of(HERE, action).await;
        assert_eq!((events.len(), &events[0]["audit_level"]), (1, &json!(level)));
    }
    assert_eq!(world.events_of(THERE, "deactivateUser").await, Vec::<Value>::new());
}

async fn deletion_ends_tokens_in_every_workspace(world: World) {
    let there = world.add_there().await;
    let a = Account::admin(&world).await;
    let robot = a.create(SERVICE_PRINCIPALS, &json!({"displayName": "robot"})).await;
    let group = a.group("robots", &[&robot]).await;
    let mut tokens = Vec::new();
    for workspace in [HERE, THERE] {
        a.assigned(workspace, &robot, "ADMIN").await;
        tokens.push((workspace, world.mint_in(workspace, &robot).await));
    }
    let secrets = format!("servicePrincipals/{}/credentials/secrets", text(&robot["id"]));
    let secret = text(&a.call(Method::POST, &secrets, &json!({})).await.json()["secret"]);
    let oauth = world.access_token(&text(&robot["applicationId"]), &secret).await;
    // The clocks of the two differ.
    let by_an_hour = json!({"by": "1h"});
    let moved = world.anonymous().own(Method::POST, "workspaces/77/clock/advance", &by_an_hour).await;
    assert_eq!(moved.status, 200, "{moved:?}");

    let path = at(SERVICE_PRINCIPALS, &robot);
    assert_eq!(a.call(Method::DELETE, &path, &json!({})).await.status, 204);
    let gone = a.call(Method::GET, &path, &json!({})).await;
    refused(&gone, 404, None, &format!("Service principal with id {} not found.", text(&robot["id"])));
    assert_eq!(a.get(&at(GROUPS, &group)).await["members"], json!([]));
    no_access(world.client(&oauth), HERE).await;
    let again = world
        .ask_for_token(
            "/oidc/v1/token",
            Some((&text(&robot["applicationId"]), &secret)),
            "grant_type=client_credentials&scope=all-apis",
        )
        .await;
    assert_eq!(again.status, 401);
    let here = world.workspace().await;
    for ((workspace, token), home, at) in
        [(&tokens[0], &here, world.now()), (&tokens[1], &there, world.now().plus(3_600_000))]
    {
        world.client(token).get(ME).await.refused(403, 403, INVALID);
        let id = TokenValue::parse(token).unwrap().id();
        let mut reader = world.service.store().read().await.unwrap();
        let fate = reader.list_fates(home, HistoryFilter::one(&id), 1).await.unwrap().remove(0);
        let end = fate.end.unwrap();
        assert_eq!(
            (end.cause, &*end.actor, end.at),
            (EndCause::OwnerDeleted, &*dapi_mock::service::ADMIN_CLIENT_ID.to_string(), at)
        );
        let filter = Filter { action: Some("revokeDbToken".into()), ..Filter::default() };
        let events = reader.list_events(home.id, &filter).await.unwrap();
        assert_eq!(
            (events.len(), &*events[0].params["tokenId"], events[0].at, events[0].account_level),
            (1, id.as_str(), at, false)
        );
        drop(reader);
        assert!(!a.assignments(*workspace).await.iter().any(|row| row.starts_with("robot")));
    }
    let deleted = world.events_of(HERE, "delete").await;
    assert_eq!((deleted.len(), &deleted[0]["audit_level"]), (1, &json!("ACCOUNT_LEVEL")));
}

async fn principals_are_assigned(world: World) {
    let a = Account::admin(&world).await;
    let before = a.assignments(HERE).await;
    assert_eq!(before, ["Account Admin USER", "Workspace Admin ADMIN", "admin-service-principal ADMIN"]);
    let ann = a.create(USERS, &json!({"userName": "ann@example.com", "displayName": "Ann"})).await;
    let robot = a.create(SERVICE_PRINCIPALS, &json!({"displayName": "ci"})).await;
    let team = a.group("team", &[]).await;
    for (principal, key, name) in [
        (&ann, "user_name", json!("ann@example.com")),
        (&robot, "service_principal_name", robot["applicationId"].clone()),
        (&team, "group_name", json!("team")),
    ] {
        let answer = a.assign(HERE, principal, &json!(["USER"])).await.json();
        let expected = json!({"principal_id": id_of(principal).0, key: name, "display_name": principal["displayName"]});
        assert_eq!(answer, json!({"principal": expected, "permissions": ["USER"]}));
        let list = a.get(&format!("workspaces/{HERE}/permissionassignments")).await;
        assert!(list["permission_assignments"].as_array().unwrap().contains(&answer));
    }
    let token = world.mint(id_of(&ann), |_| {}).await;
    let manages = async || world.client(&token).get(crate::people::MANAGED).await.status == 200;
    for (permissions, shown, admin) in [
        (json!(["ADMIN"]), json!(["ADMIN"]), true),
        (json!(["USER"]), json!(["USER"]), false),
        (json!(["USER", "ADMIN"]), json!(["ADMIN"]), true),
        (json!(["USER", "UNKNOWN"]), json!(["USER"]), false),
    ] {
        assert_eq!(a.assign(HERE, &ann, &permissions).await.json()["permissions"], shown);
        assert_eq!(manages().await, admin, "{permissions}");
    }
    // An admin group's members are admins.
    a.join(&team, &ann).await;
    a.assigned(HERE, &team, "ADMIN").await;
    assert!(manages().await);
    assert_eq!(world.events_of(HERE, "setAdmin").await.len(), 3);
    assert_eq!(
        world.events_of(HERE, "add").await.iter().filter(|event| event["audit_level"] == "WORKSPACE_LEVEL").count(),
        3
    );

    let nobody = json!({"id": "12345"});
    a.assign(HERE, &nobody, &json!(["USER"])).await.refused(
        404,
        "RESOURCE_DOES_NOT_EXIST",
        "Principal with id 12345 not found.",
    );
    let local = json!({"id": world.workspace().await.admins_group.to_string()});
    a.assign(HERE, &local, &json!(["USER"])).await.refused(404, "RESOURCE_DOES_NOT_EXIST", "not found");
    a.assign(99, &ann, &json!(["USER"])).await.refused(404, "RESOURCE_DOES_NOT_EXIST", "There is no workspace 99.");
    a.assign(HERE, &json!({"id": "x"}), &json!(["USER"])).await.refused(400, "INVALID_PARAMETER_VALUE", "number");
    a.assign(HERE, &ann, &json!("USER")).await.refused(400, "INVALID_PARAMETER_VALUE", "permissions");
}

async fn who_leaves_a_workspace_loses_its_tokens_there(world: World) {
    world.add_there().await;
    let a = Account::admin(&world).await;
    for (number, take) in [json!([]), json!(["admin"]), Value::Null].into_iter().enumerate() {
        let ann = a.user(&format!("ann{number}@example.com")).await;
        a.assigned(HERE, &ann, "ADMIN").await;
        a.assigned(THERE, &ann, "USER").await;
        let (here, there) = (world.mint_in(HERE, &ann).await, world.mint_in(THERE, &ann).await);
        if number == 0 {
            a.unassigned(HERE, &ann).await;
            a.unassigned(HERE, &ann).await;
        } else {
            let answer = a.assign(HERE, &ann, &take).await;
            assert_eq!((answer.status.as_u16(), &answer.json()["permissions"]), (200, &json!([])));
        }
        world.client(&here).get(ME).await.refused(403, 403, INVALID);
        assert!(world.client(&there).works().await);
        assert_eq!(world.events_of(HERE, "revokeDbToken").await.len(), number + 1);
        // Who comes back is no admin and has no token.
        a.assigned(HERE, &ann, "USER").await;
        assert!(!world.client(&here).works().await);
        let groups = world.admin().get(&in_workspace(Kind::User, &ann)).await.json()["groups"].clone();
        assert_eq!(each(&groups, "display"), ["users"]);
    }
    assert_eq!(world.events_of(HERE, "delete").await.len(), 3);
}

async fn groups_bring_their_members(world: World) {
    let a = Account::admin(&world).await;
    let ann = a.user("ann@example.com").await;
    let team = a.group("team", &[&ann]).await;
    let token = world.mint(id_of(&ann), |_| {}).await;
    no_access(world.client(&token), HERE).await;
    a.assigned(HERE, &team, "USER").await;
    assert!(world.client(&token).works().await);
    world.client(&token).create(&json!({})).await;

    // They are in every list of the workspace, but are not assigned themselves.
    let path = in_workspace(Kind::User, &ann);
    let seen = world.admin().get(&path).await.json();
    assert_eq!(each(&seen["groups"], "display"), ["team", "users"]);
    let listed =
        world.admin().get(&format!("{}?filter=userName%20eq%20ann@example.com", Kind::User.collection())).await;
    let listed = listed.json()["Resources"][0].clone();
    assert_eq!((&listed["id"], each(&listed["groups"], "type")), (&seen["id"], each(&seen["groups"], "type")));
    let team_here = world.admin().get(&in_workspace(Kind::Group, &team)).await.json();
    assert_eq!(
        (each(&team_here["members"], "display"), &team_here["meta"]["resourceType"]),
        (vec!["ann@example.com".into()], &json!("Group"))
    );
    let everybody =
        world.admin().get(&format!("{}/{}", Kind::Group.collection(), world.workspace().await.users_group)).await;
    assert!(each(&everybody.json()["members"], "value").contains(&text(&ann["id"])));
    assert_eq!(world.client(&token).get(ME).await.json()["id"], ann["id"]);
    assert!(!a.assignments(HERE).await.contains(&"ann@example.com USER".to_owned()));
    assert!(a.assignments(HERE).await.contains(&"team USER".to_owned()));
    let conflict = world.admin().post(Kind::User.collection(), &json!({"userName": "ann@example.com"})).await;
    refused(&conflict, 409, None, "User with username ann@example.com already exists.");
    let stays = world.admin().call(Method::DELETE, &path, "").await;
    refused(&stays, 400, Some("mutability"), "ann@example.com is in the workspace through a group of the account.");

    // The permission on tokens comes through the group as well.
    world.permit_users(false).await;
    assert!(!world.client(&token).works().await);
    let entry = json!({"access_control_list": [{"group_name": "team", "permission_level": "CAN_USE"}]});
    assert_eq!(world.admin().patch(crate::people::PERMISSIONS, &entry).await.status, 200);
    assert!(world.client(&token).works().await);

    // Who leaves the group keeps its tokens, but they are of no use until it is there again.
    a.leave(&team, &ann).await;
    no_access(world.client(&token), HERE).await;
    refused(&world.admin().get(&path).await, 404, None, &format!("User with id {} not found.", text(&ann["id"])));
    a.join(&team, &ann).await;
    assert!(world.client(&token).works().await);
    a.unassigned(HERE, &team).await;
    no_access(world.client(&token), HERE).await;
    a.assigned(HERE, &team, "USER").await;
    world.client(&token).get(ME).await.refused(403, "PERMISSION_DENIED", "permission to use tokens");
    world.permit_users(true).await;
    assert!(world.client(&token).works().await);
    assert_eq!(a.call(Method::DELETE, &at(GROUPS, &team), &json!({})).await.status, 204);
    no_access(world.client(&token), HERE).await;
}

/// Whoever is there through a group can be deactivated in the workspace, or be given something there.
async fn a_place_of_ones_own_is_no_assignment(world: World) {
    world.add_there().await;
    let a = Account::admin(&world).await;
    let ann = a.user("ann@example.com").await;
    let team = a.group("team", &[&ann]).await;
    a.assigned(HERE, &team, "USER").await;
    a.assigned(THERE, &team, "USER").await;
    let (here, there) = (world.mint_in(HERE, &ann).await, world.mint_in(THERE, &ann).await);
    let path = in_workspace(Kind::User, &ann);
    let switch = async |active: bool| {
        let operation = json!({"Operations": [{"op": "replace", "path": "active", "value": active}]});
        let answer = world.admin().patch(&path, &operation).await;
        assert_eq!(answer.json()["active"], active, "{answer:?}");
    };
    switch(false).await;
    no_access(world.client(&here), HERE).await;
    assert!(world.client(&there).works().await);
    let caller_creates = world.client(&here).post(crate::people::CREATE, &json!({})).await;
    caller_creates.refused(403, 403, "Invalid access to Org");
    switch(true).await;
    assert!(world.client(&here).works().await);
    let entitle =
        json!({"Operations": [{"op": "add", "path": "entitlements", "value": [{"value": "allow-cluster-create"}]}]});
    assert_eq!(world.admin().patch(&path, &entitle).await.status, 200);
    a.leave(&team, &ann).await;
    no_access(world.client(&here), HERE).await;
    assert!(!a.assignments(HERE).await.contains(&"ann@example.com USER".to_owned()));

    // Assigned and in the group: each by itself is enough.
    a.join(&team, &ann).await;
    switch(false).await;
    a.assigned(HERE, &ann, "USER").await;
    no_access(world.client(&here), HERE).await;
    switch(true).await;
    a.leave(&team, &ann).await;
    assert!(world.client(&here).works().await);
    a.join(&team, &ann).await;
    a.unassigned(HERE, &ann).await;
    world.client(&here).get(ME).await.refused(403, 403, INVALID);
    let fresh = world.mint_in(HERE, &ann).await;
    assert!(world.client(&fresh).works().await, "through the group it is still there");
}

async fn nested_groups_and_circles_bring_members_too(world: World) {
    let a = Account::admin(&world).await;
    let ann = a.user("ann@example.com").await;
    let inner = a.group("inner", &[&ann]).await;
    let middle = a.group("middle", &[&inner]).await;
    let outer = a.group("outer", &[&middle]).await;
    a.join(&inner, &outer).await;
    a.join(&inner, &inner).await;
    let token = world.mint(id_of(&ann), |_| {}).await;
    no_access(world.client(&token), HERE).await;
    assert_eq!(each(&a.get(&at(USERS, &ann)).await["groups"], "display"), ["inner", "middle", "outer"]);
    a.assigned(HERE, &outer, "USER").await;
    assert!(world.client(&token).works().await);
    let groups = world.admin().get(Kind::Group.collection()).await.json()["Resources"].clone();
    assert_eq!(each(&groups, "displayName"), ["admins", "inner", "middle", "outer", "users"]);
    let seen = world.admin().get(&in_workspace(Kind::User, &ann)).await.json();
    assert_eq!(each(&seen["groups"], "display"), ["inner", "middle", "outer", "users"]);
    let listed =
        world.admin().get(&format!("{}?filter=userName%20eq%20ann@example.com", Kind::User.collection())).await;
    let listed = listed.json()["Resources"][0].clone();
    assert_eq!((&listed["id"], each(&listed["groups"], "type")), (&seen["id"], each(&seen["groups"], "type")));

    // A workspace's own group is assigned to it, but brings nobody along.
    a.unassigned(HERE, &outer).await;
    no_access(world.client(&token), HERE).await;
    let bob = world.add_user("bob@example.com").await;
    let local = world.admin().group("local", &[]).await;
    let add = json!({"Operations": [{"op": "add", "path": "members", "value": [{"value": bob.to_string()}]}]});
    assert_eq!(world.admin().patch(&local.path(), &add).await.status, 200);
    let theirs = world.mint(bob, |_| {}).await;
    assert!(world.client(&theirs).works().await);
    let account = world.workspace().await.account;
    let mut writer = world.service.store().write(Lock::Database).await.unwrap();
    writer.put_member(account, local.principal_id(), id_of(&ann)).await.unwrap();
    writer.commit().await.unwrap();
    no_access(world.client(&token), HERE).await;
}

async fn a_service_principal_signs_in_through_a_group(world: World) {
    world.add_there().await;
    let a = Account::admin(&world).await;
    let robot = a.create(SERVICE_PRINCIPALS, &json!({"displayName": "robot"})).await;
    let robots = a.group("robots", &[&robot]).await;
    let path = format!("servicePrincipals/{}/credentials/secrets", text(&robot["id"]));
    let secret = text(&a.call(Method::POST, &path, &json!({})).await.json()["secret"]);
    let name = text(&robot["applicationId"]);
    let form = "grant_type=client_credentials&scope=all-apis";
    let ask = async || world.ask_for_token("/oidc/v1/token", Some((&name, &secret)), form).await;
    assert_eq!(ask().await.status, 401);
    a.assigned(THERE, &robots, "USER").await;
    let token = text(&ask().await.json()["access_token"]);
    let me = world.client(&token).get(ME).await;
    assert_eq!((me.status.as_u16(), me.header("x-databricks-org-id")), (200, "77"));
    let off = json!({"Operations": [{"op": "replace", "path": "active", "value": false}]});
    let there = world.client(ELSEWHERE).patch(&in_workspace(Kind::ServicePrincipal, &robot), &off).await;
    assert_eq!(there.json()["active"], false);
    assert_eq!(ask().await.status, 401);
    no_access(world.client(&token), THERE).await;
}

async fn losing_a_group_of_the_account_may_delete_tokens(world: World) {
    world.behave(&json!({"permission_loss": "delete"})).await;
    let a = Account::admin(&world).await;
    let ann = a.user("ann@example.com").await;
    a.assigned(HERE, &ann, "USER").await;
    let team = a.group("team", &[&ann]).await;
    a.assigned(HERE, &team, "USER").await;
    let entry = json!({"group_name": "team", "permission_level": "CAN_USE"});
    let entry = json!({"access_control_list": [entry, crate::people::admins_may_manage()]});
    assert_eq!(world.admin().call(Method::PUT, crate::people::PERMISSIONS, entry.to_string()).await.status, 200);
    let token = world.mint(id_of(&ann), |_| {}).await;
    assert!(world.client(&token).works().await);
    a.leave(&team, &ann).await;
    world.client(&token).get(ME).await.refused(403, 403, INVALID);
    assert_eq!(world.events_of(HERE, "revokeDbToken").await.len(), 1);
}

async fn personal_tokens_reach_the_account_through_a_workspace_only(world: World) {
    let token = world.mint(world.user_id(ACCOUNT_ADMIN_USER).await, |_| {}).await;
    let account_path = format!("/api/2.0/accounts/{}/{USERS}", account());
    let direct = world.client(&token).get(&account_path).await;
    direct.refused(401, 401, "Account APIs do not accept personal access tokens; use OAuth.");
    let through = "/api/2.0/account/scim/v2/Users";
    let made = world.client(&token).post(through, &json!({"userName": "ann@example.com"})).await;
    assert_eq!(made.status, 201, "{made:?}");
    let path = format!("{through}/{}", text(&made.json()["id"]));
    let on = json!({"Operations": [{"op": "replace", "path": "active", "value": [{"value": "false"}]}]});
    assert_eq!(world.client(&token).patch(&path, &on).await.json()["active"], false);
    let a = Account::admin(&world).await;
    assert_eq!(a.get(&at(USERS, &made.json())).await["active"], false, "it is the account's");
    let admin = world.client(ADMIN_TOKEN).get(through).await;
    admin.refused(403, "PERMISSION_DENIED", "This API is disabled for users without account admin status.");
}

async fn an_account_admin_is_no_workspace_admin(world: World) {
    let a = Account::admin(&world).await;
    let (robot, r) = a.robot("robot").await;
    a.patched(&at(SERVICE_PRINCIPALS, &robot), &json!({"op": "add", "path": "roles", "value": admin_role()})).await;
    assert!(r.is_admin().await);
    r.user("ann@example.com").await;
    no_access(world.client(&r.token), HERE).await;
    world.client(&r.token).get(crate::people::MANAGED).await.refused(403, 403, "Invalid access to Org");
    r.assigned(HERE, &robot, "USER").await;
    let managed = world.client(&r.token).get(crate::people::MANAGED).await;
    managed.refused(403, "PERMISSION_DENIED", "is not an admin.");
    r.assigned(HERE, &robot, "ADMIN").await;
    assert_eq!(world.client(&r.token).get(crate::people::MANAGED).await.status, 200);
}

async fn accounts_are_apart(world: World) {
    let other = world.add_workspace(88, "dapi00000000000000000000000000000088").await;
    let a = Account::admin(&world).await;
    let stranger = json!({"id": "883"});
    assert!(!a.get("workspaces").await.to_string().contains("88,"));
    for (method, path) in [
        (Method::GET, "workspaces/88".to_owned()),
        (Method::GET, "workspaces/88/permissionassignments".to_owned()),
        (Method::GET, "workspaces/88/permissionassignments/permissions".to_owned()),
        (Method::PUT, "workspaces/88/permissionassignments/principals/883".to_owned()),
        (Method::DELETE, "workspaces/88/permissionassignments/principals/883".to_owned()),
    ] {
        a.call(method, &path, &json!({})).await.refused(404, "RESOURCE_DOES_NOT_EXIST", "There is no workspace 88.");
    }
    a.assign(HERE, &stranger, &json!(["USER"])).await.refused(404, "RESOURCE_DOES_NOT_EXIST", "Principal with id 883");
    refused(&a.call(Method::GET, &at(USERS, &stranger), &json!({})).await, 404, None, "User with id 883 not found.");
    refused(&a.call(Method::DELETE, &at(USERS, &stranger), &json!({})).await, 404, None, "User with id 883 not found.");
    let names = each(&a.get(USERS).await["Resources"], "id");
    assert!(!names.contains(&"883".to_owned()));

    // Neither another account's path nor one that there is not; and the other account is as it was.
    for account in [other.account.to_string(), "00000000-0000-4000-8000-000000000000".into(), "x".into()] {
        for (method, path) in [
            (Method::GET, "workspaces"),
            (Method::GET, "workspaces/88"),
            (Method::GET, "workspaces/88/permissionassignments"),
            (Method::GET, "workspaces/88/permissionassignments/permissions"),
            (Method::PUT, "workspaces/88/permissionassignments/principals/883"),
            (Method::DELETE, "workspaces/88/permissionassignments/principals/883"),
            (Method::GET, USERS),
            (Method::POST, USERS),
            (Method::GET, "scim/v2/Users/883"),
            (Method::PUT, "scim/v2/Users/883"),
            (Method::PATCH, "scim/v2/Users/883"),
            (Method::DELETE, "scim/v2/Users/883"),
        ] {
            let body = json!({"userName": "x@example.com", "Operations": [], "permissions": ["ADMIN"]}).to_string();
            let path = format!("/api/2.0/accounts/{account}/{path}");
            let answer = world.client(&a.token).call(method, &path, body).await;
            let said = answer.json();
            let said = said.get("message").or(said.get("detail")).unwrap();
            assert_eq!(
                (answer.status.as_u16(), said),
                (404, &json!(format!("Account {account} does not exist"))),
                "{path}"
            );
        }
    }
    let mut reader = world.service.store().read().await.unwrap();
    assert_eq!(reader.list_principals(other.account).await.unwrap().len(), 1);
    assert!(
        reader.find_principal_named(other.account, None, PrincipalKind::User, "x@example.com").await.unwrap().is_none()
    );
    assert!(reader.is_assigned(other.id, PrincipalId(883)).await.unwrap());
    drop(reader);
    assert!(world.client("dapi00000000000000000000000000000088").works().await);
}
