//! An audit event in the three formats of the real log: a row of `system.access.audit`, a line of delivered JSON,
//! and an Azure diagnostic record. What an event records is in `audit`.
//! See docs/reference/audit.md#event-shapes.

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Value, json};
use strum::{EnumString, IntoStaticStr};

use crate::domain::audit::Event;

#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumString, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Shape {
    /// A row of `system.access.audit`: snake case, times as text.
    SystemTable,
    /// A line of the delivered files: camel case, times as numbers.
    Delivery,
    /// An Azure diagnostic record: JSON inside strings.
    Azure,
}

impl Shape {
    /// The name in settings and in the control API.
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    pub fn parse(text: &str) -> Option<Self> {
        text.parse().ok()
    }

    pub fn render(self, event: &Event) -> Value {
        match self {
            Self::SystemTable => system_table(event),
            Self::Delivery => delivery(event),
            Self::Azure => azure(event),
        }
    }
}

/// The user in the log if the caller could not be identified \[inferred\].
/// See docs/reference/audit.md#unknown-callers.
const UNKNOWN: &str = "unknown";

fn time(event: &Event) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(event.at.0).unwrap_or_default()
}

/// The level, and the workspace that the log names: 0 for events that concern the account.
fn level_and_workspace(event: &Event) -> (&'static str, String) {
    if event.account_level { ("ACCOUNT_LEVEL", "0".into()) } else { ("WORKSPACE_LEVEL", event.workspace.to_string()) }
}

fn system_table(event: &Event) -> Value {
    let at = time(event);
    let (level, workspace) = level_and_workspace(event);
    json!({
        "version": "2.0",
        "event_id": event.id,
        "event_time": at.to_rfc3339_opts(SecondsFormat::Millis, true),
        "event_date": at.format("%Y-%m-%d").to_string(),
        "account_id": event.account.to_string(),
        "workspace_id": workspace,
        "audit_level": level,
        "service_name": event.service,
        "action_name": event.action,
        "request_id": event.request_id,
        "source_ip_address": event.source_ip,
        "user_agent": event.user_agent,
        "session_id": null,
        "user_identity": { "email": event.actor.as_deref().unwrap_or(UNKNOWN), "subject_name": null },
        "identity_metadata": { "run_by": null, "run_as": null, "acting_resource": null },
        "request_params": event.params,
        "response": { "status_code": event.status.to_string(), "error_message": event.error, "result": null },
    })
}

fn delivery(event: &Event) -> Value {
    let (level, workspace) = level_and_workspace(event);
    json!({
        "version": "2.0",
        "auditLevel": level,
        "timestamp": event.at.0,
        "orgId": "0",
        "accountId": event.account.to_string(),
        "workspaceId": workspace,
        "sourceIPAddress": event.source_ip,
        "userAgent": event.user_agent,
        "sessionId": null,
        "userIdentity": { "email": event.actor.as_deref().unwrap_or(UNKNOWN), "subjectName": null },
        "serviceName": event.service,
        "actionName": event.action,
        "requestId": event.request_id,
        "requestParams": event.params,
        "response": { "statusCode": event.status, "errorMessage": event.error, "result": null },
    })
}

fn azure(event: &Event) -> Value {
    let identity = json!({ "email": event.actor.as_deref().unwrap_or(UNKNOWN), "subjectName": null });
    let mut response = json!({ "statusCode": event.status });
    if let (Some(error), Some(object)) = (&event.error, response.as_object_mut()) {
        object.insert("errorMessage".into(), error.as_str().into());
    }
    let workspace = format!(
        "/SUBSCRIPTIONS/{}/RESOURCEGROUPS/DAPI-MOCK/PROVIDERS/MICROSOFT.DATABRICKS/WORKSPACES/{}",
        event.account.to_string().to_uppercase(),
        event.workspace
    );
    json!({
        "resourceId": workspace,
        "operationVersion": "1.0.0",
        "operationName": format!("Microsoft.Databricks/{}/{}", event.service, event.action),
        "time": time(event).to_rfc3339_opts(SecondsFormat::Secs, true),
        "category": event.service,
        "identity": identity.to_string(),
        "properties": {
            "sourceIPAddress": event.source_ip,
            "logId": event.id,
            "serviceName": event.service,
            "userAgent": event.user_agent,
            "response": response.to_string(),
            "sessionId": null,
            "actionName": event.action,
            "requestId": event.request_id,
            "requestParams": json!(event.params).to_string(),
        },
        "Host": "dapi-mock",
    })
}
