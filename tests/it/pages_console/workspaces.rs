//! The page of workspaces.

use serde_json::json;

use super::{behind, commands, console, opened, own};
use crate::support::{LIST, World, goes_to, on_every_store};

on_every_store!(
    a_workspace_is_created_and_its_token_shown_once,
    a_workspace_is_forked_saved_and_restored,
    a_workspace_is_deleted_after_a_question_but_not_the_default_one,
    a_locked_out_admin_enables_tokens,
);

async fn a_workspace_is_created_and_its_token_shown_once(world: World) {
    let mut browser = opened(&world).await;
    let path = console("workspaces");
    let fields = [("action", "create"), ("name", "mine"), ("template", "leaky"), ("ttl", "2h")];
    let page = browser.change(&path, &fields).await.text;
    let token = behind(&page, "export DATABRICKS_TOKEN='").split('\'').next().unwrap();
    let id = behind(&page, "export DATABRICKS_WORKSPACE_ID='").split('\'').next().unwrap();
    assert!(page.contains("export DATABRICKS_HOST='http://127.0.0.1:3274'"), "{page}");
    assert!(page.contains(&format!("<option value=\"{id}\">mine ({id})</option>")), "{page}");
    assert_eq!(world.client(token).get(LIST).await.status, 200);
    for command in commands(&page) {
        assert!(!command.contains("dapi") || !command.contains(token), "{command}");
    }
    for path in [path.clone(), format!("/_mock/console/{id}/tokens"), format!("/_mock/console/{id}/requests")] {
        assert!(!browser.shown(&path).await.contains(token), "{path}");
    }
    let made = own(&world, &format!("workspaces/{id}")).await;
    assert_eq!((&made["name"], made["delete_at"].is_string()), (&json!("mine"), true));
    let row = browser.shown(&path).await;
    let counted = format!("data-label=\"Live tokens\">{}<", made["live_tokens"]);
    assert!(made["live_tokens"].as_u64().unwrap() > 1 && row.contains(&counted), "{row}");

    for (field, text, says) in [("ttl", "soon", "invalid duration"), ("template", "none", "expected one of leaky")] {
        let answer = browser.submit(&path, &[("action", "create"), ("name", "kept"), (field, text)]).await;
        assert_eq!(answer.status, 400, "{answer:?}");
        assert!(answer.text.contains(says) && answer.text.contains("value=\"kept\""), "{answer:?}");
    }
}

async fn a_workspace_is_forked_saved_and_restored(world: World) {
    let mut browser = opened(&world).await;
    let path = console("workspaces");
    let copy = browser.change(&path, &[("action", "fork"), ("name", "copy")]).await.text;
    assert!(copy.contains("export DATABRICKS_TOKEN=") && copy.contains("/fork"), "{copy}");

    browser.change(&path, &[("action", "save-checkpoint"), ("checkpoint", "before")]).await;
    assert_eq!(browser.submit(&path, &[("action", "save-checkpoint"), ("checkpoint", "a/b c")]).await.status, 400);
    world.admin().create(&json!({"comment": "soon undone"})).await;
    let live = async || own(&world, "workspaces/default").await["live_tokens"].as_u64().unwrap();
    let reset = [("action", "reset"), ("to", "before")];
    let asked = browser.submit(&path, &reset).await;
    assert!(
        asked.text.contains("Reset this workspace?") && asked.text.contains("{&quot;to&quot;:&quot;before&quot;}"),
        "{asked:?}"
    );
    assert_eq!(live().await, 2);
    browser.change(&path, &[reset[0], reset[1], ("confirm", "yes")]).await;
    assert_eq!(live().await, 1);
    assert_eq!(browser.submit(&path, &[("action", "reset"), ("to", "never"), ("confirm", "yes")]).await.status, 404);

    let forget = [("action", "delete-checkpoint"), ("checkpoint", "before")];
    assert!(browser.submit(&path, &forget).await.text.contains("Delete this checkpoint?"));
    browser.change(&path, &[forget[0], forget[1], ("confirm", "yes")]).await;
    assert!(!browser.shown(&path).await.contains("Delete before"));
    assert_eq!(browser.submit(&path, &[("action", "nonsense")]).await.status, 200);
}

async fn a_workspace_is_deleted_after_a_question_but_not_the_default_one(world: World) {
    world.add_workspace(42, "dapi00000000000000000000000000000042").await;
    let mut browser = opened(&world).await;
    let path = "/_mock/console/42/workspaces";
    let asked = browser.submit(path, &[("action", "delete")]).await;
    assert!(asked.text.contains("Delete this workspace?"), "{asked:?}");
    assert_eq!(own(&world, "workspaces/42").await["id"], "42");
    goes_to(&browser.submit(path, &[("action", "delete"), ("confirm", "yes")]).await, &console("workspaces"));
    assert!(!browser.shown(&console("workspaces")).await.contains("(42)"));
    assert_eq!(browser.get(path).await.status, 404);

    let path = console("workspaces");
    assert!(browser.shown(&path).await.contains("The default workspace cannot be deleted"));
    let refused = browser.submit(&path, &[("action", "delete"), ("confirm", "yes")]).await;
    assert_eq!(refused.status, 400);
    assert!(behind(&refused.text, "role=\"alert\">").contains("default"), "{refused:?}");
}

async fn a_locked_out_admin_enables_tokens(world: World) {
    world.set_conf("enableTokensConfig", "false").await;
    assert_eq!(world.admin().get(LIST).await.status, 404);
    let mut browser = opened(&world).await;
    browser.change(&console("workspaces"), &[("action", "enable-tokens")]).await;
    assert_eq!(world.admin().get(LIST).await.status, 200);
}
