//! The command `dapi-mock admin-token`: it prints a token that works, or says what to do.

use dapi_mock::domain::Denial;
use dapi_mock::service::Error;
use dapi_mock::store::Lock;

use crate::support::{World, on_every_store};

on_every_store!(an_admin_token_goes_to_somebody_who_can_use_it, no_admin_token_is_made_that_cannot_work);

async fn mint(world: &World) -> Result<(String, String), String> {
    match world.service.mint_admin_token().await {
        Ok((value, owner)) => Ok((value.reveal().to_owned(), owner)),
        Err(Error::Denied(Denial::InvalidParameter(sentence))) => Err(sentence),
        Err(error) => panic!("{error}"),
    }
}

async fn works(world: &World, value: &str) -> bool {
    world.client(value).get("/api/2.0/token-management/tokens").await.status == 200
}

async fn make_admin(world: &World, name: &str) -> dapi_mock::domain::PrincipalId {
    let (id, workspace) = (world.add_user(name).await, world.workspace().await);
    let mut writer = world.service.store().write(Lock::Workspace(workspace.id)).await.unwrap();
    writer.put_member(workspace.account, workspace.admins_group, id).await.unwrap();
    writer.commit().await.unwrap();
    id
}

async fn an_admin_token_goes_to_somebody_who_can_use_it(world: World) {
    let (value, owner) = mint(&world).await.unwrap();
    assert!(owner == "admin@example.com" && works(&world, &value).await, "{owner}");
    let inactive = make_admin(&world, "away@example.com").await;
    world.set_active(inactive, false).await;
    make_admin(&world, "second@example.com").await;
    world.add_user("no-admin@example.com").await;
    world.set_active(world.admin_id().await, false).await;
    assert!(!works(&world, &value).await);
    let (value, owner) = mint(&world).await.unwrap();
    assert!(owner == "second@example.com" && works(&world, &value).await, "{owner}");
}

async fn no_admin_token_is_made_that_cannot_work(world: World) {
    let admin = world.admin_id().await;
    world.set_active(admin, false).await;
    let sentence = mint(&world).await.unwrap_err();
    assert!(sentence.contains("activate admin@example.com"), "{sentence}");
    world.set_active(admin, true).await;
    world.set_conf("enableTokensConfig", "false").await;
    let sentence = mint(&world).await.unwrap_err();
    assert!(sentence.contains("tokens are disabled"), "{sentence}");
    world.set_conf("enableTokensConfig", "true").await;
    assert!(works(&world, &mint(&world).await.unwrap().0).await);
}
