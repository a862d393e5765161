//! The setting `restrict_workspace_admins` and the rule sets of service principals (governance §2.8).

use axum::extract::State;
use axum::response::Response;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::App;
use super::error::ApiError;
use super::extract::{Body, Called, Parameters, ok};
use crate::domain::Denial;
use crate::domain::rule_sets::GrantRule;
use crate::service::{ALLOW_ALL, Versioned};

/// `restrictWorkspaceAdmins.get`
pub async fn get(State(app): State<App>, called: Called) -> Result<Response, ApiError> {
    Ok(ok(&setting(&app.service.restrict_workspace_admins(called.call()).await?)))
}

/// The body of the update.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct UpdateSetting {
    setting: Option<NewSetting>,
}

#[derive(Debug, Deserialize, JsonSchema)]
struct NewSetting {
    etag: Option<String>,
    restrict_workspace_admins: Option<NewStatus>,
}

#[derive(Debug, Deserialize, JsonSchema)]
struct NewStatus {
    status: Option<String>,
}

/// `restrictWorkspaceAdmins.update`. The field mask can name but the one field.
pub async fn update(
    State(app): State<App>,
    called: Called,
    Body(body): Body<UpdateSetting>,
) -> Result<Response, ApiError> {
    let setting_body = body.setting.ok_or_else(|| Denial::parameter("setting is required."))?;
    let status = setting_body.restrict_workspace_admins.and_then(|value| value.status);
    let status = status.ok_or_else(|| Denial::parameter("setting.restrict_workspace_admins.status is required."))?;
    let etag = setting_body.etag.as_deref();
    Ok(ok(&setting(&app.service.set_restrict_workspace_admins(called.call(), &status, etag).await?)))
}

/// `restrictWorkspaceAdmins.delete`: back to the default.
pub async fn delete(State(app): State<App>, called: Called, parameters: Parameters) -> Result<Response, ApiError> {
    let etag = parameters.get("etag");
    let new = app.service.set_restrict_workspace_admins(called.call(), ALLOW_ALL, etag).await?;
    Ok(ok(&Etag { etag: &new.etag }))
}

/// The version of what was deleted.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Etag<'a> {
    etag: &'a str,
}

/// The setting with its version.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct VersionedSetting<'a> {
    setting_name: &'static str,
    restrict_workspace_admins: Status<'a>,
    etag: &'a str,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Status<'a> {
    status: &'a str,
}

fn setting(stored: &Versioned) -> VersionedSetting<'_> {
    VersionedSetting {
        setting_name: "default",
        restrict_workspace_admins: Status { status: &stored.value },
        etag: &stored.etag,
    }
}

/// A rule set with its version.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct RuleSet<'a> {
    name: &'a str,
    etag: &'a str,
    grant_rules: &'a [GrantRule],
}

/// `accountAccessControlProxy.getRuleSet`
pub async fn get_rule_set(
    State(app): State<App>,
    called: Called,
    parameters: Parameters,
) -> Result<Response, ApiError> {
    let name = parameters.get("name").ok_or_else(|| Denial::parameter("name is required."))?;
    let (rules, etag) = app.service.rule_set(called.call(), name).await?;
    Ok(ok(&RuleSet { name, etag: &etag, grant_rules: &rules }))
}

/// The body of the rule sets' update.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct UpdateRuleSet {
    name: Option<String>,
    rule_set: Option<NewRuleSet>,
}

#[derive(Debug, Deserialize, JsonSchema)]
struct NewRuleSet {
    etag: Option<String>,
    grant_rules: Option<Vec<GrantRule>>,
}

/// `accountAccessControlProxy.updateRuleSet`
pub async fn update_rule_set(
    State(app): State<App>,
    called: Called,
    Body(body): Body<UpdateRuleSet>,
) -> Result<Response, ApiError> {
    let name = body.name.ok_or_else(|| Denial::parameter("name is required."))?;
    let rule_set = body.rule_set.ok_or_else(|| Denial::parameter("rule_set is required."))?;
    let rules = rule_set.grant_rules.unwrap_or_default();
    let etag = app.service.replace_rule_set(called.call(), &name, &rules, rule_set.etag.as_deref()).await?;
    Ok(ok(&RuleSet { name: &name, etag: &etag, grant_rules: &rules }))
}
