//! The pages of requests, tokens, the audit log and faults, and how long lists are paged.

use axum::body::Body;
use axum::http::Method;
use dapi_mock::domain::tokens::Token;
use serde_json::json;

use super::{behind, check_command, commands, console, opened, own, value_of};
use crate::support::{Browser, LIST, World, on_every_store};

on_every_store!(
    a_refused_request_says_why,
    the_journal_is_emptied_after_a_question,
    tombstones_show_what_ended_a_token,
    the_audit_log_is_paged_from_its_newest_event,
    long_lists_are_paged,
    faults_are_armed_seen_and_cleared,
);

const UNKNOWN: &str = "dapi00000000000000000000000000000000";

async fn a_refused_request_says_why(world: World) {
    let mut browser = opened(&world).await;
    world.admin().get(LIST).await;
    world.client(UNKNOWN).get(LIST).await;
    let page = browser.shown(&console("requests")).await;
    let rows: Vec<&str> = behind(&page, "<tbody>").split("<tr>").skip(1).collect();
    assert_eq!(rows.len(), 2);
    assert!(rows[0].contains("403") && rows[0].contains("has no such token"), "the newest first: {}", rows[0]);
    assert!(rows[1].contains("200") && rows[1].contains("admin@example.com"), "{}", rows[1]);
    let one = rows[0].split("href=\"").nth(1).unwrap().split('"').next().unwrap();
    let page = browser.shown(one).await;
    assert!(page.contains("Why it was refused") && page.contains("Use a live token of this workspace"), "{page}");
    let decided = behind(&page, "<tr class=\"decided\">").split("</tr>").next().unwrap();
    assert!(decided.contains("token known") && decided.contains("refused"), "{decided}");
    assert!(page.contains("Invalid access token.") && page.contains("$DATABRICKS_TOKEN"), "{page}");
    assert!(!page.contains(UNKNOWN), "{page}");
    for command in commands(&page) {
        check_command(&mut browser, &command).await;
    }
    for (query, rows) in [
        ("refused=true", 1),
        ("status=200", 1),
        ("path=/api/2.0/token/*", 2),
        ("principal=admin@example.com", 1),
        ("client=nobody", 0),
        ("limit=1", 1),
    ] {
        let page = browser.shown(&format!("{}?{query}", console("requests"))).await;
        assert_eq!(page.matches("data-label=\"Request\"").count(), rows, "{query}");
    }
    let refused = browser.get(&format!("{}?status=many", console("requests"))).await;
    assert_eq!((refused.status.as_u16(), value_of(&refused.text, "status")), (400, "many"));
    // A token pasted into a field appears neither on the page nor in its command.
    for tab in ["requests", "tokens", "audit"] {
        for field in ["path", "owner", "actor"] {
            let answer = browser.get(&format!("{}?{field}={UNKNOWN}", console(tab))).await;
            assert!(!answer.text.contains(UNKNOWN), "{tab} {field}: {answer:?}");
        }
    }
    assert_eq!(browser.get(&format!("{}/nothing%2F%27", console("requests"))).await.status, 404);
}

async fn the_journal_is_emptied_after_a_question(world: World) {
    let mut browser = opened(&world).await;
    world.admin().get(LIST).await;
    let asked = browser.submit(&console("requests"), &[]).await;
    assert_eq!(asked.status, 200);
    assert!(asked.text.contains("Empty the journal?") && asked.text.contains("-X DELETE"), "{asked:?}");
    let kept = async || own(&world, "workspaces/default/requests").await["requests"].as_array().unwrap().len();
    assert_eq!(kept().await, 1);
    browser.change(&console("requests"), &[("confirm", "yes")]).await;
    assert_eq!(kept().await, 0);
}

async fn tombstones_show_what_ended_a_token(world: World) {
    let mut browser = opened(&world).await;
    let (_, id) = world.admin().create(&json!({"comment": "by hand"})).await;
    world.admin().post("/api/2.0/token/delete", &json!({"token_id": id})).await;
    world.admin().create(&json!({"comment": "left alone"})).await;
    world.admin().advance(&json!({"by": "90d"})).await;
    let ended = browser.shown(&format!("{}?state=ended", console("tokens"))).await;
    let rows: Vec<&str> = behind(&ended, "<tbody>").split("<tr>").skip(1).collect();
    let by_hand = rows.iter().find(|row| row.contains("by hand")).unwrap();
    assert!(by_hand.contains("by its owner, <bdi>admin@example.com"), "{by_hand}");
    let alone = rows.iter().position(|row| row.contains("left alone")).unwrap();
    assert!(rows[alone].contains("unused for 90 days") && rows[alone].contains("2027-02-22 08:00"), "{ended}");
    assert!(alone < rows.iter().position(|row| row.contains("by hand")).unwrap(), "the last one to end comes first");
    for (query, found) in [
        ("state=live", 0),
        ("state=inactive", 2),
        ("state=revoked_by_owner", 1),
        ("owner=ADMIN@example.com", 3),
        ("owner=bob@example.com", 0),
        (&format!("token_id={id}"), 1),
    ] {
        let page = browser.shown(&format!("{}?{query}", console("tokens"))).await;
        assert_eq!(page.matches("data-label=\"Created\"").count(), found, "{query}");
    }
    assert_eq!(browser.get(&format!("{}?state=dead", console("tokens"))).await.status, 400);
}

async fn the_audit_log_is_paged_from_its_newest_event(world: World) {
    let mut browser = opened(&world).await;
    for _ in 0..60 {
        world.anonymous().own(Method::PATCH, "workspaces/default/conf", &json!({"maxTokenLifetimeDays": "90"})).await;
    }
    world.admin().create(&json!({})).await;
    let first = browser.shown(&console("audit")).await;
    assert!(behind(&first, "<tbody>").split("</tr>").next().unwrap().contains("generateDbToken"), "{first}");
    assert_eq!(first.matches("data-label=\"Action\"").count(), 50);
    assert!(first.contains("&quot;request_params&quot;"), "the details: {first}");
    let link = first.split("rel=\"next\" href=\"").nth(1).unwrap().split('"').next().unwrap().replace("&amp;", "&");
    let second = browser.shown(&link).await;
    let all = browser.shown(&format!("{}?action=workspaceConfEdit&actor=System-User", console("audit"))).await;
    assert!((11..50).contains(&second.matches("data-label=\"Action\"").count()), "{second}");
    assert!(!second.contains("rel=\"next\"") && second.contains(">First page</a>"), "{second}");
    assert_eq!(all.matches("data-label=\"Action\"").count(), 50);
    assert_eq!(browser.get(&format!("{}?before=soon", console("audit"))).await.status, 400);
}

/// All pages of a list, each as what stands between two texts in its rows.
async fn all_pages(browser: &mut Browser<'_>, first: &str, around: (&str, &str)) -> Vec<Vec<String>> {
    let (mut pages, mut next) = (Vec::new(), Some(first.to_owned()));
    while let Some(path) = next {
        let page = browser.shown(&path).await;
        assert_eq!(page.contains(">First page</a>"), !pages.is_empty(), "{page}");
        let rows = page.split(around.0).skip(1).map(|rest| rest.split(around.1).next().unwrap().to_owned());
        pages.push(rows.collect());
        let link = page.split("rel=\"next\" href=\"").nth(1).map(|rest| rest.split('"').next().unwrap());
        next = link.map(|link| link.replace("&amp;", "&"));
        assert!(pages.len() < 10, "{next:?}");
    }
    pages
}

async fn long_lists_are_paged(world: World) {
    let eva = world.add_user("eva@example.com").await;
    for number in 0..250 {
        // Several tokens share each instant.
        let age = 1000 * ((250 - number) / 3);
        let made = |token: &mut Token| {
            token.comment = format!("no-{number:03}");
            token.creation_time = token.creation_time.plus(-age);
        };
        world.mint(eva, made).await;
    }
    let mut browser = opened(&world).await;
    let path = format!("{}?state=live&owner=EVA@example.com", console("tokens"));
    let pages = all_pages(&mut browser, &path, (">no-", "</a>")).await;
    assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [100, 100, 50]);
    let mut numbers: Vec<usize> = pages.concat().iter().map(|text| text.parse().unwrap()).collect();
    assert!(numbers.windows(4).all(|some| some[0] > some[3]), "the newest first: {numbers:?}");
    numbers.sort_unstable();
    assert_eq!(numbers, (0..250).collect::<Vec<_>>(), "each once");
    assert!(browser.shown(&path).await.contains("250 tokens"));
    assert_eq!(browser.get(&format!("{path}&page_token=soon")).await.status, 400);
    // Paging continues although the token at its position was deleted.
    let list = async |query: &str| own(&world, &format!("workspaces/default/tokens?state=live&limit=2{query}")).await;
    let first = list("").await;
    let next = format!("&page_token={}", first["next_page_token"].as_str().unwrap());
    let second = list(&next).await;
    let gone = first["tokens"][1]["token_id"].as_str().unwrap();
    let managed = format!("/api/2.0/token-management/tokens/{gone}");
    assert_eq!(world.admin().call(Method::DELETE, &managed, Body::empty()).await.status, 200);
    assert_eq!(list(&next).await["tokens"], second["tokens"]);
    assert!(list("&order=sideways").await["error"].is_string());
    assert!(list("&sort=comment").await["error"].is_string());
    assert!(own(&world, "workspaces/default/tokens?limit=0").await["error"].is_string());

    for number in 0..52 {
        let made =
            world.admin().own(Method::POST, "workspaces", &json!({"name": format!("sandbox-{number:02}")})).await;
        assert_eq!(made.status, 201, "{made:?}");
    }
    let path = format!("{}?q=SANDBOX", console("workspaces"));
    let pages = all_pages(&mut browser, &path, ("data-label=\"Id\"><code>", "</code>")).await;
    assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [50, 2]);
    assert!(browser.shown(&path).await.contains("52 workspaces"));
    let all = own(&world, "workspaces?q=sandbox").await;
    let ids: Vec<&str> = all["workspaces"].as_array().unwrap().iter().map(|it| it["id"].as_str().unwrap()).collect();
    assert_eq!(pages.concat(), ids);
    assert!(browser.shown(&format!("{}?q=nowhere", console("workspaces"))).await.contains("No workspaces match"));
    assert!(own(&world, "workspaces?page_token=soon").await["error"].is_string());

    for number in 0..60 {
        world.anonymous().get(&format!("/api/2.0/number-{number:02}")).await;
    }
    let path = format!("{}?path=/api/2.0/*", console("requests"));
    let pages = all_pages(&mut browser, &path, ("GET /api/2.0/number-", "</a>")).await;
    assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [50, 10]);
    assert_eq!(pages.concat(), (0..60).rev().map(|number| format!("{number:02}")).collect::<Vec<_>>());
    let list =
        async |query: &str| own(&world, &format!("workspaces/default/requests?path=/api/*&limit=30{query}")).await;
    let newest = list("").await;
    let older = list(&format!("&before={}", newest["next_before"])).await;
    assert!(older["requests"][29]["number"].as_u64() < newest["requests"][0]["number"].as_u64(), "{older}");
    assert_eq!(list(&format!("&before={}", older["requests"][0]["number"])).await["next_before"], json!(null));
}

async fn faults_are_armed_seen_and_cleared(world: World) {
    let mut browser = opened(&world).await;
    let path = console("faults");
    let page = browser.shown(&path).await;
    assert!(page.contains("None: requests are answered normally"), "{page}");
    let wrong = browser.submit(&path, &[("name", "rate_limited"), ("times", "many"), ("path", "/api/*")]).await;
    assert_eq!((wrong.status.as_u16(), value_of(&wrong.text, "times")), (400, "many"));
    assert_eq!(value_of(&wrong.text, "path"), "/api/*");
    let fields =
        [("name", "rate_limited"), ("times", "2"), ("path", "/api/2.0/token/*"), ("principal", "admin@example.com")];
    let armed = browser.change(&path, &fields).await.text;
    assert!(
        armed.contains("The fault is armed") && armed.contains("\"times\":2") || armed.contains("&quot;times&quot;:2"),
        "{armed}"
    );
    assert_eq!(world.admin().get(LIST).await.status, 429);
    let row = browser.shown(&path).await;
    let row = behind(&row, "<tbody>").split("</tr>").next().unwrap().to_owned();
    for cell in ["data-label=\"Seen\">1<", "data-label=\"Fired\">1<", "data-label=\"Left\">1<", "/api/2.0/token/*"] {
        assert!(row.contains(cell), "{cell}: {row}");
    }
    let why = browser.shown(&format!("{}?refused=true", console("requests"))).await;
    assert!(why.contains("Fault 1 (rate_limited) answered"), "{why}");
    browser.change(&path, &[("clear", "1")]).await;
    assert_eq!(world.admin().get(LIST).await.status, 200);
    assert_eq!(browser.submit(&path, &[("clear", "1")]).await.status, 404);
    browser.change(&path, &[("name", "slow_body")]).await;
    browser.change(&path, &[("clear_all", "yes")]).await;
    assert_eq!(own(&world, "workspaces/default/faults").await["faults"], json!([]));
}
