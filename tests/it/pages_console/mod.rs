//! The console of the mock: it does what the control API does, shows each call as curl, and is closed to others.

mod clock;
mod records;
mod safety;
mod workspaces;

use axum::http::Method;
use dapi_mock::control::routes::ROUTES;
use dapi_mock::domain::faults::path_fits;
use serde_json::{Value, json};

use crate::support::{Answer, Browser, World, shows};

fn console(tab: &str) -> String {
    format!("/_mock/console/default/{tab}")
}

/// A browser that has loaded a page and so has a cookie; nobody is signed in.
async fn opened(world: &World) -> Browser<'_> {
    let mut browser = world.browser();
    browser.get("/login").await;
    browser
}

impl Browser<'_> {
    /// Sends a form that changes something, and asserts that the answer confirms it.
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

/// The part of the page after a text.
fn behind<'a>(page: &'a str, text: &str) -> &'a str {
    page.split_once(text).unwrap_or_else(|| panic!("no {text:?}: {page}")).1
}

/// Asserts that a command on a page calls the documented control API, and that it works if it only reads.
async fn check_command(browser: &mut Browser<'_>, command: &str) {
    let url = command.split('\'').nth(1).unwrap();
    let path = url.strip_prefix("http://127.0.0.1:3274").unwrap_or_else(|| panic!("{command}"));
    let sends = command.contains(" --data-raw ");
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
