//! The mock's own console: it shows and does what the control API does, says so as curl, and nobody else can use it.

use axum::body::Body;
use axum::http::{Method, Request};
use dapi_mock::control::routes::ROUTES;
use dapi_mock::domain::faults::path_fits;
use dapi_mock::domain::tokens::Token;
use dapi_mock::web::access::{Access, SignInPolicy};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::harness::{Answer, Backend, World, on_every_store};
use crate::pages::{Browser, goes_to, shows};

on_every_store!(
    every_page_is_there_and_about_its_workspace,
    the_clock_moves_and_tells_what_happened,
    what_the_clock_refuses_is_told_and_kept_in_the_form,
    a_refused_request_says_why,
    the_journal_is_emptied_after_a_question,
    tombstones_tell_what_ended_a_token,
    the_audit_log_is_paged_from_its_newest_event,
    long_lists_are_paged,
    a_form_that_is_sent_again_changes_nothing,
    faults_are_armed_seen_and_cleared,
    a_workspace_is_made_and_its_token_shown_once,
    a_workspace_is_copied_kept_and_put_back,
    a_workspace_is_deleted_after_a_question_but_not_the_default_one,
    whoever_is_locked_out_turns_tokens_on,
    forms_of_others_change_nothing,
    hostile_text_stays_text,
);

const TABS: [&str; 6] = ["clock", "requests", "tokens", "audit", "faults", "workspaces"];
const LIST: &str = "/api/2.0/token/list";
const UNKNOWN: &str = "dapi00000000000000000000000000000000";
const KEY: &str = "the-control-key";

fn console(tab: &str) -> String {
    format!("/_mock/console/default/{tab}")
}

/// A browser that has been at a page, and so has a cookie; nobody is signed in.
async fn opened(world: &World) -> Browser<'_> {
    let mut browser = world.browser();
    browser.get("/login").await;
    browser
}

impl Browser<'_> {
    /// Sends a form that changes something; the answer tells of it.
    async fn change(&mut self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let answer = self.submit(path, fields).await;
        shows(&answer, 200, &["role=\"status\" data-once"]);
        answer
    }

    async fn shown(&mut self, path: &str) -> String {
        let answer = self.get(path).await;
        shows(&answer, 200, &[]);
        answer.text
    }
}

/// The value of the first field of a name.
fn value_of<'a>(page: &'a str, name: &str) -> &'a str {
    let (_, rest) = page.split_once(&format!("name=\"{name}\" value=\"")).unwrap_or_else(|| panic!("{name}: {page}"));
    rest.split('"').next().unwrap()
}

/// The commands on a page, as a shell would read them.
fn commands(page: &str) -> Vec<String> {
    let parts = page.split("As curl</summary><pre id=\"").skip(1);
    let texts = parts.map(|part| part.split_once('>').unwrap().1.split("</pre>").next().unwrap());
    let plain =
        |text: &str| text.replace("&quot;", "\"").replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&");
    texts.flat_map(|text| plain(text).lines().map(ToOwned::to_owned).collect::<Vec<_>>()).collect()
}

async fn own(world: &World, path: &str) -> Value {
    world.admin().own(Method::GET, path, &json!({})).await.json()
}

/// The page's part behind a heading's or an element's text.
fn behind<'a>(page: &'a str, text: &str) -> &'a str {
    page.split_once(text).unwrap_or_else(|| panic!("no {text:?}: {page}")).1
}

async fn every_page_is_there_and_about_its_workspace(world: World) {
    world.add_workspace(42, "dapi00000000000000000000000000000042").await;
    let mut browser = opened(&world).await;
    for path in ["/_mock/", "/_mock", "/_mock/console"] {
        assert_eq!(browser.get(path).await.header("location"), console("clock"), "{path}");
    }
    let chosen = browser.get("/_mock/?workspace=42&page=faults").await;
    assert_eq!(chosen.header("location"), "/_mock/console/42/faults");
    for tab in TABS {
        let page = browser.shown(&format!("/_mock/console/42/{tab}")).await;
        assert!(page.contains("<option value=\"42\" selected>workspace 42 (42)</option>"), "{page}");
        assert!(page.contains("2026-11-24 08:00 UTC"), "the workspace's time: {page}");
        assert!(
            page.contains(&format!("aria-current=\"page\" href=\"/_mock/console/42/{tab}\""))
                || page.contains(&format!("href=\"/_mock/console/42/{tab}\" aria-current=\"page\"")),
            "{page}"
        );
        let commands = commands(&page);
        assert!(!commands.is_empty(), "{tab}");
        for command in commands {
            check_command(&mut browser, &command).await;
        }
    }
    assert_eq!(browser.get("/_mock/console/43/clock").await.status, 404);
    for path in ["/_mock/nope", "/_mock/console/default/nope", "/_mock/v1/nope"] {
        let answer = browser.get(path).await;
        assert_eq!((answer.status.as_u16(), answer.json()["routes"].is_object()), (404, true), "{path}");
    }
}

/// A command on a page is a call of the documented control API, and one that reads is answered.
async fn check_command(browser: &mut Browser<'_>, command: &str) {
    let url = command.split('\'').nth(1).unwrap();
    let path = url.strip_prefix("http://127.0.0.1:3274").unwrap_or_else(|| panic!("{command}"));
    let sends = command.contains(" -d ");
    let method = match command.split_once(" -X ") {
        Some((_, rest)) => rest.split(' ').next().unwrap(),
        None if sends => "POST",
        None => "GET",
    };
    let own = path.split('?').next().unwrap().strip_prefix("/_mock").unwrap();
    assert!(ROUTES.iter().any(|route| route.method == *method && path_fits(route.path, own)), "{command}");
    assert_eq!(method != "GET", command.contains("-H 'Content-Type: application/json'"), "{command}");
    if method == "GET" {
        assert_eq!(browser.get(path).await.status, 200, "{command}");
    }
}

async fn the_clock_moves_and_tells_what_happened(world: World) {
    let mut browser = opened(&world).await;
    world.admin().create(&json!({"comment": "nightly", "lifetime_seconds": 3600})).await;
    let page = browser.shown(&console("clock")).await;
    let next = behind(&page, "What comes next</h2>");
    assert!(next.contains("59 minutes") || next.contains("1 hour"), "{next}");
    assert!(
        next.contains("expires") && next.contains("nightly") && next.contains("of <bdi>admin@example.com"),
        "{next}"
    );

    let moved = browser.change(&console("clock"), &[("by", "1h")]).await;
    let notice = moved.text.split("<p class=\"reading\">").next().unwrap();
    assert!(notice.contains("The clock shows <time datetime=\"2026-11-24T09:00:00.000Z\""), "{notice}");
    assert!(
        notice.contains("1 event on the way") && notice.contains("nightly") && notice.contains("expired"),
        "{notice}"
    );
    let id = own(&world, "workspaces").await["workspaces"][0]["id"].as_str().unwrap().to_owned();
    let command = format!(
        "curl -sS 'http://127.0.0.1:3274/_mock/v1/workspaces/{id}/clock/advance' -H 'Content-Type: application/json' --data-raw '{{\"by\":\"1h\"}}'"
    );
    assert_eq!(commands(notice), [command], "what was done is what is shown");
    let again = browser.shown(&console("clock")).await;
    assert!(!again.contains("The clock shows"), "{again}");
    assert_eq!(own(&world, "workspaces/default/clock").await["now"]["rfc3339"], "2026-11-24T09:00:00.000Z");

    let until = value_of(&again, "until").to_owned();
    assert_eq!(until, "token.vacuumed");
    assert!(browser.change(&console("clock"), &[("until", &until)]).await.text.contains("disappeared from lists"));
    assert_eq!(own(&world, "workspaces/default/clock").await["now"]["rfc3339"], "2026-12-24T09:00:00.000Z");
    for (target, now) in [("2w", "2027-01-07T09:00:00.000Z"), ("2027-01-08T00:00:00Z", "2027-01-08T00:00:00.000Z")] {
        browser.change(&console("clock"), &[("target", target)]).await;
        assert_eq!(own(&world, "workspaces/default/clock").await["now"]["rfc3339"], now);
    }
    for (mode, says) in [("frozen", "The clock is <b>frozen</b>"), ("offset", "runs at an <b>offset</b>")] {
        assert!(browser.change(&console("clock"), &[("mode", mode)]).await.text.contains(says));
        assert_eq!(own(&world, "workspaces/default/clock").await["mode"], mode);
    }
}

async fn what_the_clock_refuses_is_told_and_kept_in_the_form(world: World) {
    let mut browser = opened(&world).await;
    for (field, text, says) in [
        ("target", "yesterday", "is no span of time"),
        ("target", "2020-01-01T00:00:00Z", "forward"),
        ("by", "-1d", "is no span of time"),
        ("until", "doomsday", "until: unknown event"),
        ("mode", "backwards", "expected real, offset or frozen"),
    ] {
        let answer = browser.submit(&console("clock"), &[(field, text)]).await;
        assert_eq!(answer.status, 400, "{answer:?}");
        assert!(behind(&answer.text, "role=\"alert\">").contains(says), "{answer:?}");
        assert_eq!(value_of(&answer.text, "target"), if field == "target" { text } else { "" });
    }
    assert_eq!(own(&world, "workspaces/default/clock").await["mode"], "real");
}

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
    // A token that somebody pastes into a field goes neither into the page nor into its command.
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

async fn tombstones_tell_what_ended_a_token(world: World) {
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
    assert!(alone < rows.iter().position(|row| row.contains("by hand")).unwrap(), "what ended last comes first");
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

/// The rows of all pages of a list, page by page, by what stands between two texts in each.
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
        // Several of each instant.
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
    // A page goes on where it was although the token there has gone.
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

async fn a_form_that_is_sent_again_changes_nothing(world: World) {
    let mut browser = opened(&world).await;
    let state = async || {
        let clock = own(&world, "workspaces/default/clock").await["offset_ms"].clone();
        (clock, own(&world, "workspaces").await["total"].clone(), own(&world, "workspaces/default/faults").await)
    };
    for (tab, fields) in [
        ("clock", vec![("by", "1d")]),
        ("faults", vec![("name", "rate_limited")]),
        ("workspaces", vec![("action", "create"), ("name", "mine")]),
        ("workspaces", vec![("action", "fork"), ("name", "copy")]),
    ] {
        let page = browser.shown(&console(tab)).await;
        let fields = [&fields[..], &[("form_number", value_of(&page, "form_number"))]].concat();
        let before = state().await;
        browser.change(&console(tab), &fields).await;
        let after = state().await;
        assert_ne!(before, after, "{tab}");
        let again = browser.submit(&console(tab), &fields).await;
        shows(&again, 409, &["role=\"alert\"", "This form was already sent"]);
        assert_eq!(state().await, after, "{tab}");
        assert!(!again.text.contains("DATABRICKS_TOKEN='"), "{again:?}");
    }
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

async fn a_workspace_is_made_and_its_token_shown_once(world: World) {
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

    for (field, text, says) in [("ttl", "soon", "is no span of time"), ("template", "none", "there are leaky")] {
        let answer = browser.submit(&path, &[("action", "create"), ("name", "kept"), (field, text)]).await;
        assert_eq!(answer.status, 400, "{answer:?}");
        assert!(answer.text.contains(says) && answer.text.contains("value=\"kept\""), "{answer:?}");
    }
}

async fn a_workspace_is_copied_kept_and_put_back(world: World) {
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

async fn whoever_is_locked_out_turns_tokens_on(world: World) {
    world.set_conf("enableTokensConfig", "false").await;
    assert_eq!(world.admin().get(LIST).await.status, 404);
    let mut browser = opened(&world).await;
    browser.change(&console("workspaces"), &[("action", "enable-tokens")]).await;
    assert_eq!(world.admin().get(LIST).await.status, 200);
}

async fn forms_of_others_change_nothing(world: World) {
    let (mut browser, mut other) = (opened(&world).await, opened(&world).await);
    world.admin().get(LIST).await;
    let state = async || {
        let (mut clock, workspaces) = (own(&world, "workspaces/default/clock").await, own(&world, "workspaces").await);
        clock["requests"] =
            own(&world, "workspaces/default/requests").await["requests"].as_array().unwrap().len().into();
        (clock, workspaces, own(&world, "workspaces/default/faults").await)
    };
    let before = state().await;
    let mine = value_of(&browser.shown(&console("clock")).await, "form_token").to_owned();
    let theirs = value_of(&other.shown(&console("clock")).await, "form_token").to_owned();
    for (tab, field, value) in [
        ("clock", "by", "90d"),
        ("requests", "confirm", "yes"),
        ("faults", "name", "rate_limited"),
        ("workspaces", "action", "create"),
    ] {
        let (path, fields) = (console(tab), [(field, value)]);
        for (form_token, headers) in [
            ("", vec![]),
            (theirs.as_str(), vec![]),
            (mine.as_str(), vec![("origin", "http://evil.example.com")]),
            (mine.as_str(), vec![("origin", "null")]),
            (mine.as_str(), vec![("sec-fetch-site", "cross-site")]),
        ] {
            let answer = browser.submit_as(&path, &fields, form_token, &headers).await;
            assert_eq!(answer.status, 403, "{tab} {headers:?}: {answer:?}");
        }
        let without_cookie = world.browser().submit_as(&path, &fields, &mine, &[]).await;
        assert_eq!(without_cookie.status, 403, "{without_cookie:?}");
    }
    assert_eq!(state().await, before);
}

/// What must never be in a page as it is.
const HOSTILE: [&str; 3] = ["<script>alert(1)</script>", "\"><img src=x onerror=alert(1)>", "'; onclick='alert(1)"];

async fn hostile_text_stays_text(world: World) {
    for text in HOSTILE {
        world.admin().create(&json!({"comment": text, "lifetime_seconds": 3600})).await;
        let made = world.admin().own(Method::POST, "workspaces", &json!({"name": text})).await;
        assert_eq!(made.status, 201, "{made:?}");
        let rule = json!({
            "match": {"path": format!("/{text}"), "client": text}, "effect": {"status": 503, "message": text}, "times": 3,
        });
        assert_eq!(world.admin().own(Method::POST, "workspaces/default/faults", &rule).await.status, 201);
        let path: String = form_urlencoded::byte_serialize(text.as_bytes()).collect();
        let request =
            world.admin().request(&Method::GET, &format!("/api/2.0/{path}?q={path}")).header("user-agent", text);
        world.send(request.body(Body::from(text)).unwrap()).await;
        world.client(text).get(LIST).await;
    }
    world.add_user("<b onmouseover=alert(1)>@example.com").await;
    let mut browser = opened(&world).await;
    let mut pages = Vec::new();
    for tab in TABS {
        pages.push(console(tab));
        for text in HOSTILE {
            let query: String = form_urlencoded::byte_serialize(text.as_bytes()).collect();
            let names = ["path", "principal", "client", "status", "owner", "token_id", "state", "action", "q", "limit"];
            let query: Vec<String> = names.iter().map(|name| format!("{name}={query}")).collect();
            pages.push(format!("{}?{}", console(tab), query.join("&")));
        }
    }
    for request in own(&world, "workspaces/default/requests").await["requests"].as_array().unwrap() {
        pages.push(format!("{}/{}", console("requests"), request["request_id"].as_str().unwrap()));
    }
    let workspaces = own(&world, "workspaces").await;
    for workspace in workspaces["workspaces"].as_array().unwrap() {
        pages.push(format!("/_mock/console/{}/workspaces", workspace["id"].as_str().unwrap()));
    }
    for page in &pages {
        harmless(page, &browser.get(page).await);
    }
    for text in HOSTILE {
        for (tab, fields) in [
            ("clock", vec![("target", text)]),
            ("faults", vec![("name", text), ("times", text), ("path", text), ("principal", text)]),
            ("faults", vec![("clear", text)]),
            ("workspaces", vec![("action", "create"), ("name", text), ("ttl", text)]),
            ("workspaces", vec![("action", "save-checkpoint"), ("checkpoint", text)]),
            ("workspaces", vec![("action", "delete-checkpoint"), ("checkpoint", text)]),
            ("workspaces", vec![("action", "reset"), ("to", text)]),
        ] {
            harmless(tab, &browser.submit(&console(tab), &fields).await);
        }
    }
    let advanced = browser.change(&console("clock"), &[("by", "1h")]).await;
    assert!(advanced.text.contains("&lt;script&gt;alert(1)&lt;/script&gt;"), "{advanced:?}");
    harmless("advanced", &advanced);
}

fn harmless(page: &str, answer: &Answer) {
    assert_ne!(answer.status, 500, "{page}: {answer:?}");
    // The head is the same everywhere, and has the one script and the one style that there may be.
    let text = answer.text.split_once("</head>").map_or(answer.text.as_str(), |(_, body)| body);
    for hostile in ["<script", "<style", "<img", "<b onmouseover"] {
        assert!(!text.contains(hostile), "{page}: {text}");
    }
    let policy = answer.header("content-security-policy");
    assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
}

#[tokio::test]
async fn with_a_key_the_console_asks_for_a_session_and_shows_no_key() {
    let mut world = World::new(Backend::Memory).await;
    world.set_access(Access::with_key(KEY), SignInPolicy::Key(Sha256::digest(KEY).into()));
    let mut browser = opened(&world).await;
    for tab in TABS {
        let answer = browser.get(&console(tab)).await;
        assert!(answer.header("location").starts_with("/login?next="), "{answer:?}");
        assert!(!browser.submit(&console(tab), &[("by", "1h"), ("confirm", "yes")]).await.status.is_success());
    }
    assert_eq!(browser.get("/_mock/").await.status, 303);
    let admin = world.admin_id().await.to_string();
    for (key, status) in [("guess", 403), (KEY, 303)] {
        browser.get("/login").await;
        let answer = browser.submit("/login", &[("user", &admin), ("control_key", key)]).await;
        assert_eq!(answer.status.as_u16(), status, "{answer:?}");
    }
    for tab in TABS {
        let page = browser.shown(&console(tab)).await;
        for command in commands(&page) {
            assert!(command.contains("-H \"Authorization: Bearer $CONTROL_KEY\""), "{command}");
        }
        assert!(!page.contains(KEY), "{page}");
    }
}

#[tokio::test]
async fn the_console_is_closed_where_the_control_api_is() {
    let mut world = World::new(Backend::Memory).await;
    for (access, status) in [(Access::Off, 404), (Access::Closed, 403)] {
        world.set_access(access, SignInPolicy::Open(None));
        let mut browser = opened(&world).await;
        for tab in TABS {
            assert_eq!(browser.get(&console(tab)).await.status, status, "{tab}");
            let answer = browser.submit(&console(tab), &[("by", "1h"), ("confirm", "yes")]).await;
            assert!(answer.status.is_client_error(), "{tab}: {answer:?}");
        }
        assert_eq!(browser.get("/_mock/").await.status, status);
    }
    world.set_policy(SignInPolicy::Open(None));
    for tab in TABS {
        let request = Request::builder().uri(console(tab)).header("host", "evil.example.com");
        let answer = world.send(request.body(Body::empty()).unwrap()).await;
        assert_eq!(answer.status, 403, "a domain that points here");
    }
    assert_eq!(own(&world, "workspaces/default/clock").await["mode"], "real");
}
