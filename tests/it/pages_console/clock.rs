//! The clock's page.

use serde_json::json;

use super::{behind, commands, console, opened, own, value_of};
use crate::support::{World, on_every_store};

on_every_store!(
    the_clock_advances_and_the_page_lists_what_happened,
    what_the_clock_refuses_is_shown_and_kept_in_the_form,
);

async fn the_clock_advances_and_the_page_lists_what_happened(world: World) {
    let mut browser = opened(&world).await;
    world.admin().create(&json!({"comment": "nightly", "lifetime_seconds": 3600})).await;
    let page = browser.shown(&console("clock")).await;
    let next = behind(&page, "Upcoming events</h2>");
    assert!(next.contains("59 minutes") || next.contains("1 hour"), "{next}");
    assert!(
        next.contains("expires") && next.contains("nightly") && next.contains("of <bdi>admin@example.com"),
        "{next}"
    );

    let moved = browser.change(&console("clock"), &[("by", "1h")]).await;
    let notice = moved.text.split("<p class=\"reading\">").next().unwrap();
    assert!(notice.contains("The clock shows <time datetime=\"2026-11-24T09:00:00.000Z\""), "{notice}");
    assert!(
        notice.contains("1 event became due") && notice.contains("nightly") && notice.contains("expired"),
        "{notice}"
    );
    let id = own(&world, "workspaces").await["workspaces"][0]["id"].as_str().unwrap().to_owned();
    let command = format!(
        "curl -sS 'http://127.0.0.1:3274/_mock/v1/workspaces/{id}/clock/advance' -H 'Content-Type: application/json' --data-raw '{{\"by\":\"1h\"}}'"
    );
    assert_eq!(commands(notice), [command], "the page shows the call that was made");
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

async fn what_the_clock_refuses_is_shown_and_kept_in_the_form(world: World) {
    let mut browser = opened(&world).await;
    for (field, text, says) in [
        ("target", "yesterday", "invalid duration"),
        ("target", "2020-01-01T00:00:00Z", "forward"),
        ("by", "-1d", "invalid duration"),
        ("until", "doomsday", "unknown event"),
        ("mode", "backwards", "expected real, offset or frozen"),
    ] {
        let answer = browser.submit(&console("clock"), &[(field, text)]).await;
        assert_eq!(answer.status, 400, "{answer:?}");
        assert!(behind(&answer.text, "role=\"alert\">").contains(says), "{answer:?}");
        assert_eq!(value_of(&answer.text, "target"), if field == "target" { text } else { "" });
    }
    assert_eq!(own(&world, "workspaces/default/clock").await["mode"], "real");
}
