//! The setting `restrict_workspace_admins` and the rule sets of service principals. See
//! docs/reference/governance.md#restricted-admins and docs/reference/governance.md#rule-sets.

use axum::extract::State;
use axum::response::Response;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::App;
use super::error::ApiError;
use super::extract::{ApiCall, Arguments, Body, ok};
use crate::domain::Denial;
use crate::domain::rule_sets::GrantRule;
use crate::service::{AdminRestriction, AdminRestrictionChange};

pub async fn get(State(app): State<App>, call: ApiCall) -> Result<Response, ApiError> {
    Ok(ok(&setting(&app.service.admin_restriction(call.as_call()).await?)))
}

#[derive(Debug, Deserialize, JsonSchema)]
pub struct UpdateSetting {
    setting: Option<NewSetting>,
    /// The members to change, such as `restrict_workspace_admins.status`; defaults to all of them.
    field_mask: Option<String>,
}

#[derive(Debug, Deserialize, JsonSchema)]
struct NewSetting {
    etag: Option<String>,
    restrict_workspace_admins: Option<NewStatus>,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
struct NewStatus {
    status: Option<String>,
    disable_gov_tag_creation: Option<bool>,
}

const STATUS: &str = "restrict_workspace_admins.status";
const GOV_TAGS: &str = "restrict_workspace_admins.disable_gov_tag_creation";
const WHOLE: [&str; 2] = ["restrict_workspace_admins", "*"];

pub async fn update(
    State(app): State<App>,
    call: ApiCall,
    Body(body): Body<UpdateSetting>,
) -> Result<Response, ApiError> {
    let setting_body = body.setting.ok_or_else(|| Denial::parameter("setting is required."))?;
    let mask = body.field_mask.as_deref().unwrap_or_default();
    let fields: Vec<&str> = mask.split(',').map(str::trim).filter(|field| !field.is_empty()).collect();
    let known = |field: &&&str| [STATUS, GOV_TAGS].contains(field) || WHOLE.contains(field);
    if let Some(field) = fields.iter().find(|field| !known(field)) {
        return Err(Denial::parameter(format!("field_mask: '{field}' is not a field of the setting.")).into());
    }
    let changes = |field| fields.is_empty() || fields.iter().any(|named| *named == field || WHOLE.contains(named));
    let value = setting_body.restrict_workspace_admins.unwrap_or_default();
    let status = value.status.filter(|_| changes(STATUS));
    if changes(STATUS) && status.is_none() {
        return Err(Denial::parameter("setting.restrict_workspace_admins.status is required.").into());
    }
    // Clients omit false.
    let disable_gov_tag_creation = changes(GOV_TAGS).then(|| value.disable_gov_tag_creation.unwrap_or(false));
    let change = AdminRestrictionChange { status, disable_gov_tag_creation };
    let etag = setting_body.etag.as_deref();
    Ok(ok(&setting(&app.service.change_admin_restriction(call.as_call(), &change, etag).await?)))
}

/// Resets the setting to its default.
pub async fn delete(State(app): State<App>, call: ApiCall, arguments: Arguments) -> Result<Response, ApiError> {
    let etag = arguments.text("etag")?;
    let new =
        app.service.change_admin_restriction(call.as_call(), &AdminRestrictionChange::reset(), etag.as_deref()).await?;
    Ok(ok(&Etag { etag: &new.etag }))
}

/// The version of the setting after it was reset.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Etag<'a> {
    etag: &'a str,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct VersionedSetting<'a> {
    setting_name: &'static str,
    restrict_workspace_admins: Status<'a>,
    etag: &'a str,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Status<'a> {
    status: &'a str,
    /// Absent while it is false, because protocol buffers omit defaults \[inferred\].
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    disable_gov_tag_creation: bool,
}

fn setting(stored: &AdminRestriction) -> VersionedSetting<'_> {
    VersionedSetting {
        setting_name: "default",
        restrict_workspace_admins: Status {
            status: &stored.status,
            disable_gov_tag_creation: stored.disable_gov_tag_creation,
        },
        etag: &stored.etag,
    }
}

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct RuleSet<'a> {
    name: &'a str,
    etag: &'a str,
    grant_rules: &'a [GrantRule],
}

pub async fn get_rule_set(State(app): State<App>, call: ApiCall, arguments: Arguments) -> Result<Response, ApiError> {
    let name = arguments.text("name")?.ok_or_else(|| Denial::parameter("name is required."))?;
    let (rules, etag) = app.service.rule_set(call.as_call(), &name).await?;
    Ok(ok(&RuleSet { name: &name, etag: &etag, grant_rules: &rules }))
}

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

pub async fn update_rule_set(
    State(app): State<App>,
    call: ApiCall,
    Body(body): Body<UpdateRuleSet>,
) -> Result<Response, ApiError> {
    let name = body.name.ok_or_else(|| Denial::parameter("name is required."))?;
    let rule_set = body.rule_set.ok_or_else(|| Denial::parameter("rule_set is required."))?;
    let rules = rule_set.grant_rules.unwrap_or_default();
    let etag = app.service.replace_rule_set(call.as_call(), &name, &rules, rule_set.etag.as_deref()).await?;
    Ok(ok(&RuleSet { name: &name, etag: &etag, grant_rules: &rules }))
}
