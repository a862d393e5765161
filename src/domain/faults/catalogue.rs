//! The catalogue of named faults: failures that clients of the real service have seen, with their sources.
//! docs/faults.md lists it. How a fault applies is in `faults`.

use super::{FaultRequest, Rule};

#[derive(Clone, Copy, Debug)]
pub struct CatalogueFault {
    pub name: &'static str,
    pub stands_for: &'static str,
    /// Where the failure was seen, or that it is our own.
    pub source: &'static str,
    /// The same fault as a request without a name, as JSON.
    request: &'static str,
}

impl CatalogueFault {
    /// # Errors
    /// A sentence that lists the names.
    pub fn find(name: &str) -> Result<&'static Self, String> {
        if let Some((_, why)) = NOT_EMULATED.iter().find(|(known, _)| *known == name) {
            return Err(format!("name: '{name}' is not emulated: {why}"));
        }
        CATALOGUE.iter().find(|named| named.name == name).ok_or_else(|| {
            let names: Vec<&str> = CATALOGUE.iter().map(|named| named.name).collect();
            format!("name: unknown fault '{name}': expected one of {}.", names.join(", "))
        })
    }

    pub(super) fn request(&self) -> Result<FaultRequest, String> {
        serde_json::from_str(self.request).map_err(|error| format!("{}: {error}", self.name))
    }

    /// The rule of a request that has only the name.
    ///
    /// # Errors
    /// Only if the catalogue is wrong.
    pub fn rule(&self) -> Result<Rule, String> {
        FaultRequest { name: Some(self.name.to_owned()), ..FaultRequest::default() }.checked()
    }
}

/// Failures of the real service that are not in the catalogue, and why.
const NOT_EMULATED: [(&str, &str); 1] =
    [("cold_workspace", "its error message is not known; arm an error of your own.")];

/// Failures that clients of the real service have seen.
pub static CATALOGUE: &[CatalogueFault] = &[
    CatalogueFault {
        name: "rate_limited",
        stands_for: "Too many concurrent requests; retry after one second.",
        source: "text: databrickslabs/ucx#401; Retry-After as the clients read it",
        request: r#"{"effect": {"status": 429, "error_code": "REQUEST_LIMIT_EXCEEDED", "retry_after": 1,
            "message": "Workspace exceeded the concurrent limit of 20 requests."}}"#,
    },
    CatalogueFault {
        name: "rpc_bucket",
        stands_for: "A limit inside the service, whose error has no Retry-After.",
        source: "databrickslabs/pytester#77, ssc-sp/datahub-portal#362; the status is inferred",
        request: r#"{"effect": {"status": 429, "error_code": "REQUEST_LIMIT_EXCEEDED",
            "message": "GetUserPermissionsRequest RPC token bucket limit has been exceeded."}}"#,
    },
    CatalogueFault {
        name: "scim_overloaded",
        stands_for: "SCIM's own lower limit, reported as 500: clients recognise it by its text or do not retry.",
        source: "databricks/databricks-sdk-go#721",
        request: r#"{"match": {"path": "/api/2.0/preview/scim/v2/*"}, "effect": {"status": 500,
            "error_code": "REQUEST_LIMIT_EXCEEDED", "message": "Workspace exceeded the concurrent limit of 4 requests."}}"#,
    },
    CatalogueFault {
        name: "temporarily_unavailable",
        stands_for: "Authentication is briefly unavailable.",
        source: "Microsoft's Databricks task for Azure DevOps, issue 31",
        request: r#"{"effect": {"status": 503, "error_code": "TEMPORARILY_UNAVAILABLE",
            "message": "Authentication is temporarily unavailable. Please try again later."}}"#,
    },
    CatalogueFault {
        name: "quota_exceeded",
        stands_for: "The caller has reached the limit of 600 tokens, without creating them.",
        source: "code: the API reference; the text is ours",
        request: r#"{"match": {"method": "POST", "path": "/api/2.0/token/create"}, "effect": {"status": 400,
            "error_code": "QUOTA_EXCEEDED",
            "message": "The maximum of 600 tokens per user in this workspace is reached; revoke one first."}}"#,
    },
    CatalogueFault {
        name: "token_revoked_mid_flight",
        stands_for: "Somebody revokes the token after its check: this request succeeds, the next one is refused.",
        source: "ours; System-User really revokes the token",
        request: r#"{"effect": {"kind": "revoke_token"}}"#,
    },
    CatalogueFault {
        name: "toggle_takes_seconds",
        stands_for: "A changed workspace configuration takes effect after a few seconds; reads show it at once.",
        source: "the article on monitoring and managing personal access tokens",
        request: r#"{"match": {"method": "PATCH", "path": "/api/2.0/workspace-conf"},
            "effect": {"kind": "delay_propagation", "delay_ms": 3000}}"#,
    },
    CatalogueFault {
        name: "acl_propagation",
        stands_for: "A new permission on tokens is not in effect yet; `times` says for how many calls.",
        source: "text: terraform-databricks-examples#196; that it lasts a few calls is inferred",
        request: r#"{"match": {"path": "/api/2.0/token/*"}, "effect": {"status": 403,
            "error_code": "PERMISSION_DENIED", "message": "User does not have permission to use tokens."}}"#,
    },
    CatalogueFault {
        name: "login_html_page",
        stands_for: "200 with the log-in page in place of JSON, as a host responds that cannot tell whose request it is.",
        source: "databrickslabs/dbx#85, databricks/cli#5354",
        request: r#"{"effect": {"kind": "login_page"}}"#,
    },
    CatalogueFault {
        name: "oidc_down",
        stands_for: "The token endpoint issues no access tokens.",
        source: "ours; the code is RFC 6749's",
        request: r#"{"match": {"path": "/oidc/*"}, "effect": {"status": 503, "error_code": "TEMPORARILY_UNAVAILABLE",
            "message": "Authentication is temporarily unavailable. Please try again later."}}"#,
    },
    CatalogueFault {
        name: "reply_lost_after_create",
        stands_for: "The token is created but its value is lost; a retry creates a second token.",
        source: "databricks/cli libs/testserver/fault.go",
        request: r#"{"match": {"method": "POST", "path": "/api/2.0/token/create"}, "when": "after",
            "effect": {"kind": "drop_connection"}}"#,
    },
    CatalogueFault {
        name: "truncated_body",
        stands_for: "The connection breaks in the middle of the response.",
        source: "ours",
        request: r#"{"effect": {"kind": "truncate_body"}}"#,
    },
    CatalogueFault {
        name: "slow_body",
        stands_for: "The response starts at once and stalls for five seconds in its middle.",
        source: "ours",
        request: r#"{"effect": {"kind": "slow_body", "delay_ms": 5000}}"#,
    },
];
