//! Every route of the table is called without a credential, and with credentials that do not suffice.

use dapi_mock::domain::authorize::Right;
use dapi_mock::domain::scopes::EndpointScope;
use dapi_mock::http::route::Route;
use dapi_mock::http::routes::ROUTES;
use dapi_mock::service::{ACCOUNT_ADMIN_USER, ADMIN_CLIENT_ID, FirstStart};

use crate::support::{ADMIN_SECRET, Answer, Backend, Client, DAY_MS, World};

async fn ask(client: Client<'_>, route: &Route) -> Answer {
    let mut path = route.path.replace("{account_id}", &FirstStart::default().account.to_string());
    for name in ["{token_id}", "{id}", "{sp_id}", "{secret_id}", "{workspace_id}", "{principal_id}"] {
        path = path.replace(name, "0");
    }
    assert!(!path.contains('{'), "{path}: replace its parameter above");
    client.call(route.method.clone(), &path, "{}").await
}

#[tokio::test]
async fn every_route_asks_for_what_its_row_says() {
    let world = World::new(Backend::Memory).await;
    let (_, user) = world.user_with_token("user@example.com").await;
    let inactive_id = world.add_user("inactive@example.com").await;
    let inactive = world.mint(inactive_id, |_| {}).await;
    world.set_active(inactive_id, false).await;
    let expired = world.mint(world.admin_id().await, |token| token.expiry_time = Some(token.creation_time)).await;
    let idle =
        world.mint(world.admin_id().await, |token| token.creation_time = token.creation_time.plus(-90 * DAY_MS)).await;
    let scoped = world.mint(world.admin_id().await, |token| token.scopes = Some(vec!["elsewhere".into()])).await;

    let by_oauth = world.access_token(&ADMIN_CLIENT_ID.to_string(), ADMIN_SECRET).await;
    let account_admin = world.mint(world.user_id(ACCOUNT_ADMIN_USER).await, |_| {}).await;

    for route in ROUTES.iter() {
        if route.demand.right == Right::Open {
            // OAuth's endpoints are open, but say what is missing in the request.
            let is_oauth = ["/v1/token", "/v1/authorize"].iter().any(|end| route.path.ends_with(end));
            let expected = if is_oauth { 400 } else { 200 };
            assert_eq!(ask(world.anonymous(), route).await.status, expected, "{route:?}");
            continue;
        }
        ask(world.anonymous(), route).await.refused(401, 401, "Credential was not sent");
        for bad in ["nonsense", "dapiffffffffffffffffffffffffffffffff", &expired, &idle] {
            ask(world.client(bad), route).await.refused(403, 403, "Invalid access token.");
        }
        ask(world.client(&inactive), route).await.refused(403, 403, "Invalid access to Org");
        if route.demand.scope != EndpointScope::Any {
            ask(world.client(&scoped), route).await.refused(403, 403, "does not have required scopes: ");
        }
        if route.demand.right == Right::WorkspaceAdmin {
            let message = "Requesting user 'user@example.com' is not an admin.";
            ask(world.client(&user), route).await.refused(403, "PERMISSION_DENIED", message);
        }
        if route.demand.right == Right::AccountAdmin {
            let message = "This API is disabled for users without account admin status.";
            ask(world.admin(), route).await.refused(403, "PERMISSION_DENIED", message);
            assert!(!matches!(ask(world.client(&account_admin), route).await.status.as_u16(), 401 | 403 | 500..));
            continue;
        }
        if route.demand.right == Right::AccountApi {
            let message = "Account APIs do not accept personal access tokens; use OAuth.";
            ask(world.client(&account_admin), route).await.refused(401, 401, message);
            assert!(!matches!(ask(world.client(&by_oauth), route).await.status.as_u16(), 401 | 403 | 500..));
            continue;
        }
        let allowed = ask(world.admin(), route).await;
        assert!(!matches!(allowed.status.as_u16(), 401 | 403 | 500..), "{route:?}: {allowed:?}");
    }

    world.permit_users(false).await;
    for route in ROUTES.iter().filter(|route| route.demand.right != Right::Open) {
        let message = "User does not have permission to use tokens.";
        ask(world.client(&user), route).await.refused(403, "PERMISSION_DENIED", message);
    }
}

#[test]
fn operations_and_paths_are_named_once() {
    let mut seen = std::collections::HashSet::new();
    for route in ROUTES.iter() {
        assert!(seen.insert((route.method.clone(), route.path)), "{} {}", route.method, route.path);
    }
}
