//! What `explain` advises works: for every kind of refusal its remedy is carried out as a program would, and the same
//! request then succeeds.

use std::sync::atomic::{AtomicUsize, Ordering};

use axum::body::Body;
use axum::http::Method;
use dapi_mock::domain::PrincipalId;
use dapi_mock::domain::identities::PrincipalKind;
use dapi_mock::domain::tokens::TokenValue;
use dapi_mock::service::{ACCOUNT_ADMIN_USER, ADMIN_CLIENT_ID};
use dapi_mock::store::Lock;
use serde_json::{Value, json};

use crate::support::{
    ADMIN_SECRET, ADMIN_TOKEN, Answer, Backend, CONF, CREATE, DAY_MS, DELETE, Kind, LIST, MANAGED, ME, ON_BEHALF_OF,
    Person, RESTRICTION, World, account, assigned, on_every_store,
};

on_every_store!(
    the_remedies_of_credentials_work,
    the_remedies_of_workspaces_work,
    the_remedies_of_owners_work,
    the_remedies_of_scopes_and_rights_work,
    the_remedies_of_operations_work,
    one_remedy_repairs_several_things_at_once,
    the_remedy_of_a_deleted_owner_is_another_credential,
    the_remedies_in_words_work,
);

/// A refused request, and its caller.
pub(crate) struct Case<'a> {
    world: &'a World,
    method: Method,
    path: String,
    body: Value,
    credential: Option<String>,
    workspace: Option<String>,
    /// Whose the credential is.
    owner: Option<PrincipalId>,
    /// Application id and secret, if the caller uses OAuth.
    client: Option<(String, String)>,
    /// The principal for whom the request creates a token.
    makes_for: Option<PrincipalId>,
}

impl<'a> Case<'a> {
    pub(crate) fn new(world: &'a World, method: Method, path: &str) -> Self {
        Self {
            world,
            method,
            path: path.to_owned(),
            body: json!({}),
            credential: None,
            workspace: None,
            owner: None,
            client: None,
            makes_for: None,
        }
    }

    fn get(world: &'a World, path: &str) -> Self {
        Self::new(world, Method::GET, path)
    }

    fn create(world: &'a World) -> Self {
        Self::new(world, Method::POST, CREATE)
    }

    pub(crate) fn by(self, owner: PrincipalId, token: &str) -> Self {
        Self { owner: Some(owner), makes_for: Some(owner), credential: Some(token.to_owned()), ..self }
    }

    async fn by_oauth(self, owner: PrincipalId, client: &(String, String)) -> Self {
        let token = self.world.access_token(&client.0, &client.1).await;
        Self { client: Some(client.clone()), ..self.by(owner, &token) }
    }

    fn with(self, body: Value) -> Self {
        Self { body, ..self }
    }

    fn naming(self, workspace: &str) -> Self {
        Self { workspace: Some(workspace.to_owned()), ..self }
    }

    async fn send(&self) -> Answer {
        let client = match &self.credential {
            Some(token) => self.world.client(token),
            None => self.world.anonymous(),
        };
        let mut request = client.request(&self.method, &self.path);
        if let Some(workspace) = &self.workspace {
            request = request.header("x-databricks-workspace-id", workspace);
        }
        let body = if self.method == Method::GET { String::new() } else { self.body.to_string() };
        self.world.send(request.body(Body::from(body)).unwrap()).await
    }

    async fn explained(&self) -> (Answer, Value) {
        let refused = self.send().await;
        assert!(refused.status.is_client_error() || refused.status.as_u16() == 503, "{refused:?}");
        let path = format!("explain/{}", refused.header("x-request-id"));
        let explained = self.world.admin().own(Method::GET, &path, &json!({})).await;
        assert_eq!(explained.status, 200, "{explained:?}");
        (refused, explained.json())
    }

    /// Asserts that this check refuses the request, and that the request succeeds after the remedy.
    pub(crate) async fn remedied(mut self, decided_by: &str) {
        let (refused, explained) = self.explained().await;
        assert_eq!(explained["decided_by"], decided_by, "{explained}");
        let steps = explained["remedy_steps"].as_array().unwrap();
        assert!(!steps.is_empty(), "{explained}");
        for step in steps {
            self.carry_out(step, &explained).await;
        }
        let answer = self.send().await;
        assert!(answer.status.is_success(), "{refused:?}\n{explained}\n{answer:?}");
    }

    async fn carry_out(&mut self, step: &Value, explained: &Value) {
        match step["do"].as_str().unwrap() {
            "call" => {
                let (method, path) = (step["method"].as_str().unwrap(), step["path"].as_str().unwrap());
                let token = match step["as"].as_str().unwrap() {
                    "operator" => ADMIN_TOKEN.to_owned(),
                    "workspace_admin" => self.world.admin_oauth().await,
                    "account_admin" => self.world.account_oauth().await,
                    other => panic!("{other}"),
                };
                let client = self.world.client(&token);
                let request = client.request(&method.parse().unwrap(), path).header("content-type", "application/json");
                let done = self.world.send(request.body(Body::from(step["body"].to_string())).unwrap()).await;
                assert!(done.status.is_success(), "{step}: {done:?}");
            }
            "revoke_one_token" => {
                let owner = self.makes_for.unwrap().0;
                let rows = self.world.admin().managed("").await;
                let used = self.credential.as_deref().and_then(TokenValue::parse).map(|value| value.id());
                let used = used.as_ref().map_or("", |id| id.as_str());
                let row = rows.iter().find(|row| row["owner_id"] == owner && row["token_id"] != used).unwrap();
                self.world.admin().revoke(row["token_id"].as_str().unwrap()).await;
            }
            "resend" => self.differ(&step["with"]).await,
            other => panic!("{other}: {explained}"),
        }
    }

    async fn differ(&mut self, with: &Value) {
        let world = self.world;
        match with.as_str() {
            Some("new_credential") => {
                self.credential = Some(match (&self.client, self.owner) {
                    (Some((id, secret)), _) => world.access_token(id, secret).await,
                    (None, Some(owner)) => world.mint(owner, |token| token.creation_time = world.now()).await,
                    (None, None) => ADMIN_TOKEN.to_owned(),
                });
                return;
            }
            Some("no_workspace") => return self.workspace = None,
            _ => {}
        }
        if let Some(workspace) = with["workspace"].as_str() {
            self.workspace = Some(workspace.to_owned());
        } else if let Some(members) = with["body"].as_object() {
            self.body.as_object_mut().unwrap().extend(members.clone());
        } else if let Some(actor) = with["credential_of"].as_str() {
            self.credential = Some(match actor {
                "workspace_admin" => ADMIN_TOKEN.to_owned(),
                "account_admin" => world.mint(world.user_id(ACCOUNT_ADMIN_USER).await, |_| {}).await,
                "any_user" => {
                    static NUMBER: AtomicUsize = AtomicUsize::new(0);
                    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
                    world.user_with_token(&format!("anybody{number}@example.com")).await.1
                }
                other => panic!("{other}"),
            });
        } else if with["access_token_of"] == "account_admin" {
            self.credential = Some(world.account_oauth().await);
        } else {
            panic!("{with}");
        }
    }
}

/// A service principal without rights but CAN USE through `users`, and its secret.
async fn robot(world: &World, name: &str) -> (PrincipalId, (String, String)) {
    let robot = world.admin().robot(name).await;
    let path = format!("/api/2.0/accounts/servicePrincipals/{}/credentials/secrets", robot.id);
    let secret = world.admin().post(&path, &json!({})).await.json()["secret"].as_str().unwrap().to_owned();
    (robot.principal_id(), (robot.name, secret))
}

fn account_path() -> String {
    format!("/api/2.0/accounts/{}/workspaces", account())
}

async fn the_remedies_of_credentials_work(world: World) {
    let (user, token) = world.user_with_token("alice@example.com").await;
    for path in [LIST, ME, MANAGED, RESTRICTION, &account_path()] {
        Case::get(&world, path).remedied("credential_well_formed").await;
    }
    let nonsense = Case { credential: Some("nonsense".into()), ..Case::get(&world, MANAGED) };
    nonsense.remedied("credential_well_formed").await;
    Case::get(&world, LIST).by(user, &format!("dapi{}", "f".repeat(32))).remedied("token_known").await;
    let (revoked, id) = world.client(&token).create(&json!({})).await;
    world.admin().revoke(&id).await;
    Case::get(&world, LIST).by(user, &revoked).remedied("token_known").await;
    let decoy = world.admin().own(Method::POST, "workspaces/default/decoys", &json!({})).await.json();
    let decoy = decoy["token_value"].as_str().unwrap_or_else(|| panic!("{decoy}"));
    Case::get(&world, LIST).by(user, decoy).remedied("token_known").await;
    let expired = world.mint(user, |token| token.expiry_time = Some(token.creation_time)).await;
    Case::get(&world, LIST).by(user, &expired).remedied("not_expired").await;
    let idle = world.mint(user, |token| token.creation_time = token.creation_time.plus(-90 * DAY_MS)).await;
    Case::get(&world, LIST).by(user, &idle).remedied("not_inactive").await;
    let (id, client) = robot(&world, "robot").await;
    let late = Case::get(&world, ME).by_oauth(id, &client).await;
    world.clock.advance(2 * 3_600_000);
    late.remedied("not_expired").await;
}

async fn the_remedies_of_workspaces_work(world: World) {
    world.add_second_workspace(42, world.now(), "dapi00000000000000000000000000000042").await;
    let (user, token) = world.user_with_token("alice@example.com").await;
    let (id, client) = robot(&world, "robot").await;
    for named in ["42", "99", "twelve", "0"] {
        Case::get(&world, LIST).by(user, &token).naming(named).remedied("workspace_agrees").await;
    }
    for named in ["99", "twelve"] {
        Case::get(&world, ME).by_oauth(id, &client).await.naming(named).remedied("workspace_agrees").await;
    }
    world.set_conf("enableTokensConfig", "false").await;
    Case::get(&world, LIST).by(user, &token).remedied("tokens_enabled").await;
    world.set_conf("enableTokensConfig", "false").await;
    Case::get(&world, ME).by(user, &token).remedied("tokens_enabled").await;
    world.set_conf("enableTokensConfig", "false").await;
    Case::create(&world).by_oauth(id, &client).await.remedied("has_right").await;
    world.behave(&json!({"tier": "standard"})).await;
    Case::get(&world, MANAGED).by(world.admin_id().await, ADMIN_TOKEN).remedied("feature_in_tier").await;
    world.behave(&json!({"tier": "standard"})).await;
    let admin_client = (ADMIN_CLIENT_ID.to_string(), ADMIN_SECRET.to_owned());
    Case::get(&world, MANAGED).by_oauth(id, &admin_client).await.remedied("feature_in_tier").await;
}

async fn the_remedies_of_owners_work(world: World) {
    let workspace = world.workspace().await;
    let (user, token) = world.user_with_token("alice@example.com").await;
    let (id, client) = robot(&world, "robot").await;
    for (by_oauth, owner) in [(false, user), (true, id)] {
        for in_account in [false, true] {
            let case = Case::get(&world, ME);
            let case = if by_oauth { case.by_oauth(owner, &client).await } else { case.by(owner, &token) };
            if in_account {
                let kind = if by_oauth { "ServicePrincipals" } else { "Users" };
                let path = format!("/api/2.0/accounts/{}/scim/v2/{kind}/{owner}", account());
                let off = json!({"Operations": [{"op": "replace", "path": "active", "value": false}]});
                let done = world.client(&world.account_oauth().await).patch(&path, &off).await;
                assert!(done.status.is_success(), "{done:?}");
            } else {
                world.set_active(owner, false).await;
            }
            case.remedied("owner_active").await;
        }
    }
    let unassigned = Case::get(&world, ME).by_oauth(id, &client).await;
    let account_admin = world.account_oauth().await;
    let path =
        format!("/api/2.0/accounts/{}/workspaces/{}/permissionassignments/principals/{id}", account(), workspace.id);
    let done = world.client(&account_admin).call(Method::DELETE, &path, "").await;
    assert!(done.status.is_success(), "{done:?}");
    unassigned.remedied("owner_active").await;
    world.permit_users(false).await;
    for path in [LIST, ME] {
        Case::get(&world, path).by(user, &token).remedied("may_use_tokens").await;
        world.admin().permit_only(&[]).await;
    }
    // CAN_USE alone is enough; nobody has to join `admins`.
    for case in [Case::create(&world), Case::get(&world, LIST)] {
        let case = case.by_oauth(id, &client).await;
        let (_, explained) = case.explained().await;
        assert!(explained["remedy"].as_str().unwrap().starts_with("Give CAN_USE"), "{explained}");
        assert!(!explained["remedy"].as_str().unwrap().contains("admins"), "{explained}");
        case.remedied("has_right").await;
        world.admin().permit_only(&[]).await;
    }
}

async fn the_remedies_of_scopes_and_rights_work(world: World) {
    let (user, token) = world.user_with_token("alice@example.com").await;
    let scoped = world.mint(user, |token| token.scopes = Some(vec!["sql".into()])).await;
    Case::get(&world, LIST).by(user, &scoped).remedied("scope_covers").await;
    let (id, client) = robot(&world, "robot").await;
    let form = "grant_type=client_credentials&scope=sql";
    let narrow = world.ask_for_token("/oidc/v1/token", Some((&client.0, &client.1)), form).await.json();
    let narrow = narrow["access_token"].as_str().unwrap();
    let case = Case { client: Some(client.clone()), ..Case::get(&world, LIST).by(id, narrow) };
    case.remedied("scope_covers").await;
    // Each case has its own caller, because the remedy gives the right permanently.
    let conf = json!({"maxTokenLifetimeDays": "90"});
    Case::new(&world, Method::PATCH, CONF).with(conf.clone()).by(user, &token).remedied("has_right").await;
    Case::get(&world, MANAGED).by_oauth(id, &client).await.remedied("has_right").await;
    let (bob, bobs) = world.user_with_token("bob@example.com").await;
    Case::get(&world, RESTRICTION).by(bob, &bobs).remedied("has_right").await;
    let (carol, carols) = world.user_with_token("carol@example.com").await;
    Case::get(&world, &account_path()).by(carol, &carols).remedied("has_right").await;
    let (other, other_client) = robot(&world, "other").await;
    let token = world.account_access_token(&other_client.0, &other_client.1).await;
    let case = Case { client: Some(other_client), ..Case::get(&world, &account_path()).by(other, &token) };
    case.remedied("has_right").await;
}

async fn the_remedies_of_operations_work(world: World) {
    let (user, token) = world.user_with_token("alice@example.com").await;
    for lifetime in [63_072_001_i64, i64::MAX, 0, -5] {
        let create = Case::create(&world).with(json!({"lifetime_seconds": lifetime}));
        create.by(user, &token).remedied("the operation itself").await;
    }
    world.set_conf("maxTokenLifetimeDays", "30").await;
    let create = Case::create(&world).with(json!({"lifetime_seconds": 31 * 86_400}));
    create.by(user, &token).remedied("the operation itself").await;
    for fault in [
        json!({"match": {"path": LIST}, "times": null, "effect": {"status": 503}}),
        json!({"match": {"path": LIST}, "times": null, "effect": {"status": 403, "message": "no"}}),
    ] {
        let armed = world.admin().own(Method::POST, "workspaces/default/faults", &fault).await;
        assert_eq!(armed.status, 201, "{armed:?}");
        Case::get(&world, LIST).by(user, &token).remedied("a fault").await;
    }
    let robot = world.admin().robot("ci").await;
    world.admin().permit_only(&[]).await;
    let on_behalf = |world| {
        let case = Case::new(world, Method::POST, ON_BEHALF_OF).with(json!({"application_id": robot.name}));
        let case = Case { owner: None, credential: Some(ADMIN_TOKEN.into()), ..case };
        Case { makes_for: Some(robot.principal_id()), ..case }
    };
    on_behalf(&world).remedied("the operation itself").await;
    for owner in [user, robot.principal_id()] {
        let rows = world.admin().managed("").await;
        for _ in rows.iter().filter(|row| row["owner_id"] == owner.0).count()..600 {
            world.mint(owner, |_| {}).await;
        }
    }
    world.admin().permit(&[&Person { kind: Kind::User, id: user.to_string(), name: "alice@example.com".into() }]).await;
    Case::create(&world).by(user, &token).remedied("the operation itself").await;
    on_behalf(&world).remedied("the operation itself").await;
    world.behave(&json!({"cloud": "azure"})).await;
    let (_, explained) = on_behalf(&world).explained().await;
    assert_eq!(explained["remedy_steps"], json!([]), "{explained}");
    assert!(
        explained["remedy"].as_str().unwrap().starts_with("Workspaces on Azure have no on-behalf-of tokens"),
        "{explained}"
    );
}

/// A remedy repairs everything that is wrong, not only what the first check found.
async fn one_remedy_repairs_several_things_at_once(world: World) {
    let (user, _) = world.user_with_token("alice@example.com").await;
    let expired = world
        .mint(user, |token| {
            token.expiry_time = Some(token.creation_time);
            token.scopes = Some(vec!["sql".into()]);
        })
        .await;
    world.set_active(user, false).await;
    world.permit_users(false).await;
    world.behave(&json!({"tier": "standard"})).await;
    world.set_conf("enableTokensConfig", "false").await;
    Case::get(&world, MANAGED).by(user, &expired).remedied("tokens_enabled").await;

    let (id, client) = robot(&world, "robot").await;
    let case = Case::create(&world).by_oauth(id, &client).await;
    world.set_conf("enableTokensConfig", "false").await;
    world.set_active(id, false).await;
    case.remedied("owner_active").await;

    // One that was removed from the workspace.
    let gone = world.add_principal(PrincipalKind::User, "gone@example.com").await;
    let token = world.mint(gone, |_| {}).await;
    let workspace = world.workspace().await.id;
    let mut writer = world.service.store().write(Lock::Workspace(workspace)).await.unwrap();
    writer.put_assignment(workspace, gone, &assigned(false)).await.unwrap();
    writer.commit().await.unwrap();
    world.admin().permit_only(&[]).await;
    Case::get(&world, LIST).by(gone, &token).remedied("owner_active").await;
}

/// The credential of a deleted owner never works again; the remedy is another credential.
async fn the_remedy_of_a_deleted_owner_is_another_credential(world: World) {
    let (id, client) = robot(&world, "robot").await;
    for path in [LIST, MANAGED, RESTRICTION] {
        let late = Case::get(&world, path).by_oauth(id, &client).await;
        // Only here an access token outlives its owner's row, because the account's key signed it.
        let account = account();
        let gone = format!("/api/2.0/accounts/{account}/scim/v2/ServicePrincipals/{id}");
        let admin = world.account_oauth().await;
        let deleted = world.client(&admin).call(Method::DELETE, &gone, "").await;
        assert!(deleted.status == 204 || deleted.status == 404, "{deleted:?}");
        let (_, explained) = late.explained().await;
        assert!(explained["remedy"].as_str().unwrap().contains("was deleted"), "{explained}");
        Case { client: None, owner: None, ..late }.remedied("owner_active").await;
        if path != RESTRICTION {
            break;
        }
    }
}

/// Two remedies are words only, because the caller has to choose or read something; every way they name works.
async fn the_remedies_in_words_work(world: World) {
    let (user, token) = world.user_with_token("alice@example.com").await;
    let delete = |id: &str| Case::new(&world, Method::POST, DELETE).with(json!({ "token_id": id })).by(user, &token);
    let (_, explained) = delete(&"0".repeat(64)).explained().await;
    assert_eq!(explained["decided_by"], "the operation itself", "{explained}");
    assert!(explained["remedy"].as_str().unwrap().contains("Name a live token that the caller may see"), "{explained}");
    let (_, live) = world.client(&token).create(&json!({})).await;
    assert_eq!(delete(&live).send().await.status, 200);

    let account_admin = world.account_oauth().await;
    let admins = world.client(&account_admin);
    let restrict = async |status: &str| {
        let etag = admins.get(RESTRICTION).await.json()["etag"].clone();
        let body = json!({"allow_missing": true, "field_mask": "restrict_workspace_admins.status", "setting": {
            "setting_name": "default", "etag": etag, "restrict_workspace_admins": {"status": status}}});
        assert_eq!(admins.patch(RESTRICTION, &body).await.status, 200);
    };
    for lifts in [false, true] {
        let robot = world.admin().robot(if lifts { "first" } else { "second" }).await;
        world.admin().permit(&[&robot]).await;
        restrict("RESTRICT_TOKENS_AND_JOB_RUN_AS").await;
        let case = Case::new(&world, Method::POST, ON_BEHALF_OF).with(json!({"application_id": robot.name}));
        let case = Case { credential: Some(ADMIN_TOKEN.into()), ..case };
        let (_, explained) = case.explained().await;
        let remedy = explained["remedy"].as_str().unwrap();
        assert!(
            remedy.contains(&format!("the role servicePrincipal.user on '{}', or lift", robot.name)),
            "{explained}"
        );
        if lifts {
            restrict("ALLOW_ALL").await;
        } else {
            let name = format!("accounts/{}/servicePrincipals/{}/ruleSets/default", account(), robot.name);
            let path = "/api/2.0/preview/accounts/access-control/rule-sets";
            let etag = world.admin().get(&format!("{path}?name={name}&etag=")).await.json()["etag"].clone();
            let rule = json!({"role": "roles/servicePrincipal.user", "principals": ["users/admin@example.com"]});
            let body = json!({"name": name, "rule_set": {"name": name, "etag": etag, "grant_rules": [rule]}});
            assert_eq!(world.admin().call(Method::PUT, path, body.to_string()).await.status, 200);
        }
        assert_eq!(case.send().await.status, 200, "lifts: {lifts}");
    }
}

#[tokio::test]
async fn a_name_that_looks_like_a_secret_is_in_no_step() {
    const NAME: &str = "dapi7f3b9c1e5a8d04621bc7e9f2a6305d48";
    let world = World::new(Backend::Memory).await;
    let (user, token) = world.user_with_token(NAME).await;
    world.permit_users(false).await;
    let (_, explained) = Case::get(&world, LIST).by(user, &token).explained().await;
    assert_eq!(explained["remedy_steps"], json!([]));
}
