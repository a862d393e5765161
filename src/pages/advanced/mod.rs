//! *Settings → Advanced*: turns personal access tokens on and off and limits the lifetime of new ones. `permissions` is
//! the page of the people who can use them, and `impact` the preview of a change. See docs/requirements.md#r32.

mod impact;
mod permissions;

use axum::http::{Method, StatusCode};
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::{Value, json};

use self::impact::Impact;
pub(super) use self::permissions::{change_permissions, show_permissions};
use super::frame::Question;
use super::visit::{ErrorPage, PageResult, Refusal, Submission, Visit};

pub(super) const PATH: &str = "/settings/workspace/advanced";
pub(super) const TOGGLE: &str = "/settings/workspace/advanced/personal-access-tokens";
pub(super) const LIFETIME: &str = "/settings/workspace/advanced/maximum-lifetime";
pub(super) const PERMISSIONS: &str = "/settings/workspace/advanced/permissions";

const CONF: &str = "/api/2.0/workspace-conf?keys=enableTokensConfig,maxTokenLifetimeDays";
const TITLE: &str = "Advanced settings";
/// The maximum if no shorter one is set. See docs/reference/tokens.md#token-lifetimes.
const LONGEST_DAYS: &str = "730";

#[derive(Debug, Deserialize)]
struct Conf {
    #[serde(rename = "enableTokensConfig")]
    enabled: Option<String>,
    #[serde(rename = "maxTokenLifetimeDays")]
    max_days: Option<String>,
}

impl Conf {
    fn is_enabled(&self) -> bool {
        self.enabled.as_deref().is_none_or(|value| !value.eq_ignore_ascii_case("false"))
    }

    /// Empty if the longest possible lifetime applies.
    fn days(&self) -> &str {
        self.max_days.as_deref().filter(|days| *days != "0").unwrap_or_default()
    }
}

/// `GET /settings/workspace/advanced`
pub(super) async fn show(visit: Visit) -> PageResult {
    visit.person()?;
    settings(&visit, None, None).await
}

/// After a refusal, the page shows it with the days that were typed.
async fn settings(visit: &Visit, refusal: Option<&Refusal>, days: Option<&str>) -> PageResult {
    let conf: Conf = visit.get(CONF).await?;
    let enabled = conf.is_enabled();
    let content = html! {
        (refused(refusal))
        section aria-labelledby="pat" {
            h2 #pat { "Personal Access Tokens" }
            p #pat-state {
                @if enabled { "Personal access tokens are " b { "enabled" } ": everyone with the permission can create and use them." }
                @else { "Personal access tokens are " b { "disabled" } ": no token can be created or used. Existing tokens are not deleted." }
            }
            form.actions method="post" action=(TOGGLE) {
                (visit.form_token())
                input type="hidden" name="enable" value=(!enabled);
                button.switch role="switch" aria-checked=(enabled) aria-labelledby="pat" aria-describedby="pat-state" {
                    @if enabled { "On" } @else { "Off" }
                }
                a.button href=(PERMISSIONS) { "Permission Settings" }
            }
        }
        section aria-labelledby="lifetime" {
            h2 #lifetime { "Maximum lifetime" }
            form.inline method="post" action=(LIFETIME) {
                (visit.form_token())
                div {
                    label for="days" { "Maximum lifetime of new tokens, in days" }
                    input #days name="days" value=(days.unwrap_or(conf.days())) inputmode="numeric" placeholder=(LONGEST_DAYS)
                        aria-describedby="days-help";
                }
                button { "Save" }
            }
            p.soft #days-help { "1 to " (LONGEST_DAYS) "; defaults to " (LONGEST_DAYS) ". Existing tokens keep their expiration date." }
        }
    };
    let status = refusal.map_or(StatusCode::OK, |refusal| refusal.status);
    Ok(visit.page_with(status, TITLE, content))
}

fn refused(refusal: Option<&Refusal>) -> Markup {
    html! { @if let Some(refusal) = refusal { p.notice role="alert" { (refusal.message) } } }
}

/// `POST …/personal-access-tokens`: asks first; with `confirm`, changes the setting.
pub(super) async fn toggle(form: Submission) -> PageResult {
    let visit = &form.visit;
    visit.person()?;
    let enable = if form.text("enable") == "true" { "true" } else { "false" };
    if form.has("confirm") {
        return change_conf(visit, &json!({ "enableTokensConfig": enable }), None).await;
    }
    require_admin(visit).await?;
    let fields = [("enable", enable)];
    let question = |effect: Markup| Question { action: TOGGLE, fields: &fields, effect, button: "Confirm", back: PATH };
    if enable == "true" {
        let effect = html! { p { "Every token that has neither expired nor been revoked works again." } };
        return Ok(visit.page("Enable personal access tokens?", question(effect).form(visit)));
    }
    let impact = Impact::of(visit, &json!({ "enableTokensConfig": "false" })).await?;
    let impact = impact.map_err(|refusal| visit.refused_by(&refusal))?;
    let effect = html! {
        p.warning role="note" {
            b { "Partner Connect" } " and partner integrations require personal access tokens to be enabled. \
             While they are disabled, those integrations do not work."
        }
        (impact.summary())
        p.soft { "No token is deleted: once tokens are enabled again, those that have not expired work again." }
    };
    Ok(visit.page("Disable personal access tokens?", question(effect).form(visit)))
}

/// `POST …/maximum-lifetime`
pub(super) async fn change_lifetime(form: Submission) -> PageResult {
    form.visit.person()?;
    let days = form.text("days");
    change_conf(&form.visit, &json!({ "maxTokenLifetimeDays": days }), Some(days)).await
}

async fn change_conf(visit: &Visit, change: &Value, days: Option<&str>) -> PageResult {
    match visit.ask(Method::PATCH, "/api/2.0/workspace-conf", Some(change)).await {
        Ok(_) => Ok(visit.go(PATH)),
        Err(refusal) => settings(visit, Some(&refusal), days).await,
    }
}

/// Previews name the tokens of others, so they are for those who can see the settings.
async fn require_admin(visit: &Visit) -> Result<(), ErrorPage> {
    visit.get::<Conf>(CONF).await.map(|_| ())
}
