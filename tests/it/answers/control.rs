//! The control API: a few answers of each kind, and its envelope of refusals.

use axum::http::Method;
use insta::assert_snapshot;
use serde_json::json;

use super::world;
use crate::support::LIST;

#[tokio::test]
async fn a_workspace_is_created() {
    let world = world().await;
    let body = json!({"id": 42, "name": "one test", "entropy_seed": 7});
    assert_snapshot!(world.anonymous().own(Method::POST, "workspaces", &body).await.whole(), @r#"
    201 Created
    content-type: application/json

    {
      "account_id": "5ec9e395-fe8d-428d-b253-0d0c8071170c",
      "admin_token": "dapifdd8f563532344401a38264277a9f607",
      "client_id": "32743274-3274-4274-8274-327432743275",
      "client_secret": "dose4ba68855516e58f6e6507ddf97d62636",
      "created_at": "2026-11-24T08:00:00.000Z",
      "delete_at": null,
      "entropy_seed": 7,
      "env": {
        "DATABRICKS_HOST": "http://127.0.0.1:3274",
        "DATABRICKS_TOKEN": "dapifdd8f563532344401a38264277a9f607",
        "DATABRICKS_WORKSPACE_ID": "42"
      },
      "host": "http://127.0.0.1:3274",
      "id": "42",
      "is_default": false,
      "name": "one test",
      "port": null
    }
    "#);
}

#[tokio::test]
async fn the_clock_is_shown_and_advanced() {
    let world = world().await;
    world.admin().create(&json!({"comment": "nightly", "lifetime_seconds": 3600})).await;
    let anyone = world.anonymous();
    assert_snapshot!(anyone.own(Method::GET, "workspaces/default/clock", &json!({})).await.whole(), @r#"
    200 OK
    content-type: application/json

    {
      "mode": "real",
      "now": {
        "ms": 1795507200000,
        "rfc3339": "2026-11-24T08:00:00.000Z"
      },
      "offset_ms": 0
    }
    "#);
    let advanced = anyone.own(Method::POST, "workspaces/default/clock/advance", &json!({"by": "1h"})).await;
    assert_snapshot!(advanced.whole(), @r#"
    200 OK
    content-type: application/json

    {
      "events": [
        {
          "at": {
            "ms": 1795510800000,
            "rfc3339": "2026-11-24T09:00:00.000Z"
          },
          "comment": "nightly",
          "event": "token.expired",
          "owner": "admin@example.com",
          "token_id": "4ded7813cb34fef7484978c6cc48a294b807c454e37aae54ecdceb28f018ae64"
        }
      ],
      "mode": "offset",
      "now": {
        "ms": 1795510800000,
        "rfc3339": "2026-11-24T09:00:00.000Z"
      },
      "offset_ms": 3600000
    }
    "#);
}

#[tokio::test]
async fn a_fault_is_armed() {
    let world = world().await;
    let rule = json!({"name": "rate_limited", "times": 2, "match": {"path": "/api/2.0/token/*"}});
    assert_snapshot!(world.anonymous().own(Method::POST, "workspaces/default/faults", &rule).await.whole(), @r#"
    201 Created
    content-type: application/json

    {
      "fired": 0,
      "id": 1,
      "remaining": 2,
      "rule": {
        "effect": {
          "error_code": "REQUEST_LIMIT_EXCEEDED",
          "message": "Workspace exceeded the concurrent limit of 20 requests.",
          "retry_after": 1,
          "status": 429
        },
        "match": {
          "path": "/api/2.0/token/*"
        },
        "name": "rate_limited",
        "offset": 0,
        "times": 2,
        "when": "before"
      },
      "seen": 0
    }
    "#);
}

#[tokio::test]
async fn an_audit_entry_has_three_formats() {
    let world = world().await;
    world.admin().create(&json!({"comment": "nightly"})).await;
    let shaped = async |shape: &str| {
        let path = format!("workspaces/default/audit?action=generateDbToken&shape={shape}");
        world.anonymous().own(Method::GET, &path, &json!({})).await.whole()
    };
    assert_snapshot!(shaped("delivery").await, @r#"
    200 OK
    content-type: application/x-ndjson
    x-next-after: 2

    {
      "accountId": "32743274-3274-4274-8274-327432743274",
      "actionName": "generateDbToken",
      "auditLevel": "WORKSPACE_LEVEL",
      "orgId": "0",
      "requestId": "5ec9e395-fe8d-428d-b253-0d0c8071170c",
      "requestParams": {
        "tokenCreatedBy": "1007679801069929",
        "tokenExpirationTime": "1858579200000",
        "tokenHash": "4ded7813cb34fef7484978c6cc48a294b807c454e37aae54ecdceb28f018ae64",
        "tokenId": "4ded7813cb34fef7484978c6cc48a294b807c454e37aae54ecdceb28f018ae64",
        "userId": "1007679801069929"
      },
      "response": {
        "errorMessage": null,
        "result": null,
        "statusCode": 200
      },
      "serviceName": "accounts",
      "sessionId": null,
      "sourceIPAddress": "",
      "timestamp": 1795507200000,
      "userAgent": "",
      "userIdentity": {
        "email": "admin@example.com",
        "subjectName": null
      },
      "version": "2.0",
      "workspaceId": "3274327432743274"
    }
    "#);
    assert_snapshot!(shaped("system_table").await, @r#"
    200 OK
    content-type: application/x-ndjson
    x-next-after: 2

    {
      "account_id": "32743274-3274-4274-8274-327432743274",
      "action_name": "generateDbToken",
      "audit_level": "WORKSPACE_LEVEL",
      "event_date": "2026-11-24",
      "event_id": "b1310e7e-e63a-4ef0-ae40-25732d85a075",
      "event_time": "2026-11-24T08:00:00.000Z",
      "identity_metadata": {
        "acting_resource": null,
        "run_as": null,
        "run_by": null
      },
      "request_id": "5ec9e395-fe8d-428d-b253-0d0c8071170c",
      "request_params": {
        "tokenCreatedBy": "1007679801069929",
        "tokenExpirationTime": "1858579200000",
        "tokenHash": "4ded7813cb34fef7484978c6cc48a294b807c454e37aae54ecdceb28f018ae64",
        "tokenId": "4ded7813cb34fef7484978c6cc48a294b807c454e37aae54ecdceb28f018ae64",
        "userId": "1007679801069929"
      },
      "response": {
        "error_message": null,
        "result": null,
        "status_code": "200"
      },
      "service_name": "accounts",
      "session_id": null,
      "source_ip_address": "",
      "user_agent": "",
      "user_identity": {
        "email": "admin@example.com",
        "subject_name": null
      },
      "version": "2.0",
      "workspace_id": "3274327432743274"
    }
    "#);
    assert_snapshot!(shaped("azure").await, @r#"
    200 OK
    content-type: application/x-ndjson
    x-next-after: 2

    {
      "Host": "dapi-mock",
      "category": "accounts",
      "identity": "{\"email\":\"admin@example.com\",\"subjectName\":null}",
      "operationName": "Microsoft.Databricks/accounts/generateDbToken",
      "operationVersion": "1.0.0",
      "properties": {
        "actionName": "generateDbToken",
        "logId": "b1310e7e-e63a-4ef0-ae40-25732d85a075",
        "requestId": "5ec9e395-fe8d-428d-b253-0d0c8071170c",
        "requestParams": "{\"tokenCreatedBy\":\"1007679801069929\",\"tokenExpirationTime\":\"1858579200000\",\"tokenHash\":\"4ded7813cb34fef7484978c6cc48a294b807c454e37aae54ecdceb28f018ae64\",\"tokenId\":\"4ded7813cb34fef7484978c6cc48a294b807c454e37aae54ecdceb28f018ae64\",\"userId\":\"1007679801069929\"}",
        "response": "{\"statusCode\":200}",
        "serviceName": "accounts",
        "sessionId": null,
        "sourceIPAddress": "",
        "userAgent": ""
      },
      "resourceId": "/SUBSCRIPTIONS/32743274-3274-4274-8274-327432743274/RESOURCEGROUPS/DAPI-MOCK/PROVIDERS/MICROSOFT.DATABRICKS/WORKSPACES/3274327432743274",
      "time": "2026-11-24T08:00:00Z"
    }
    "#);
}

#[tokio::test]
async fn a_refused_request_is_explained() {
    let world = world().await;
    world.client("nonsense").get(LIST).await;
    assert_snapshot!(world.anonymous().own(Method::GET, "explain/last", &json!({})).await.whole(), @r#"
    200 OK
    content-type: application/json

    {
      "allowed": false,
      "because": "the credential is neither a personal access token (dapi and 32 lowercase hex digits) nor an RS256 access token",
      "caller": null,
      "checks": [
        {
          "because": "the credential is neither a personal access token (dapi and 32 lowercase hex digits) nor an RS256 access token",
          "check": "credential_well_formed",
          "passed": false
        }
      ],
      "decided_by": "credential_well_formed",
      "message": "Invalid access token. [ReqId: 5ec9e395-fe8d-428d-b253-0d0c8071170c]",
      "method": "GET",
      "path": "/api/2.0/token/list",
      "remedy": "Send 'Authorization: Bearer <token>' once, with a token that this server issued.",
      "remedy_steps": [
        {
          "do": "resend",
          "with": {
            "credential_of": "any_user"
          }
        }
      ],
      "request_id": "5ec9e395-fe8d-428d-b253-0d0c8071170c",
      "status": 403,
      "time": "2026-11-24T08:00:00.000Z",
      "token_id": null,
      "workspace_id": null
    }
    "#);
}

#[tokio::test]
async fn refusals_of_the_control_api_have_an_envelope_of_their_own() {
    let world = world().await;
    let anyone = world.anonymous();
    assert_snapshot!(anyone.own(Method::GET, "workspaces/99/clock", &json!({})).await.whole(), @r#"
    404 Not Found
    content-type: application/json

    {
      "error": "There is no workspace 99."
    }
    "#);
    let wrong = anyone.own(Method::POST, "workspaces/default/clock", &json!({"mode": "backwards"})).await;
    assert_snapshot!(wrong.whole(), @r#"
    400 Bad Request
    content-type: application/json

    {
      "error": "unknown mode 'backwards': expected real, offset or frozen."
    }
    "#);
    let verified =
        anyone.own(Method::POST, "workspaces/default/requests/verify", &json!({"match": {"path": LIST}})).await;
    assert_snapshot!(verified.whole(), @r#"
    409 Conflict
    content-type: application/json

    {
      "error": "Expected at least 1 request with path /api/2.0/token/list; found 0 among 0 in the journal.",
      "found": [],
      "met": false,
      "nearest": []
    }
    "#);
    let form = anyone.call(Method::POST, "/_mock/v1/workspaces/default/clock/advance", r#"{"by": "1h"}"#).await;
    assert_snapshot!(form.whole(), @r#"
    415 Unsupported Media Type
    content-type: application/json

    {
      "error": "Unsupported content type: send 'Content-Type: application/json'."
    }
    "#);
}
