//! One test for each requirement of docs/requirements.md, named by its number, on every store and through the HTTP API only.
//!
//! Requirements that repeat another one:
//!
//! | requirement | shown by |
//! |---|---|
//! | R3 (how tokens are created is another page) | all of `api.rs` |
//! | R13 (an admin can disable tokens) | R26–R31 in `toggle.rs` |
//! | R14 (an admin controls who creates and uses) | R37, and `permission_matrix.rs` |
//! | R15 (an admin sets the maximum lifetime) | R39–R45 in `governing` |
//! | R27 (the toggle is in the workspace's settings) | R34 and R36 in `toggle.rs` |
//! | R38 (730 days, a second time) | R7 in `purpose.rs` |
//! | R46 (monitor by CLI or API) | R48–R50 in `governing` |
//! | R47 (automatic revocation, a second time) | R10 in `purpose.rs` |
//!
//! What pages must show for R20–R25, R33 and R34 is in `pages` and `pages_report.rs`, and in `tests/clients/browser`; what
//! clients must show is in the other folders there.

mod governing;
mod purpose;
mod report;
mod toggle;

use axum::body::Body;
use axum::http::Method;
use serde_json::{Value, json};

use crate::support::{Answer, CREATE, Client, World};

/// Seconds in a number of days.
const fn days(n: i64) -> i64 {
    n * 86_400
}

impl Client<'_> {
    async fn create_for_days(&self, n: i64) -> (String, String) {
        self.create(&json!({"lifetime_seconds": days(n)})).await
    }

    /// The lifetime of a token created with this body, in milliseconds.
    async fn lifetime(&self, body: &Value) -> i64 {
        let answer = self.post(CREATE, body).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let info = &answer.json()["token_info"];
        info["expiry_time"].as_i64().unwrap() - info["creation_time"].as_i64().unwrap()
    }

    async fn too_long(&self, lifetime_seconds: i64, cap: &str) {
        let answer = self.post(CREATE, &json!({ "lifetime_seconds": lifetime_seconds })).await;
        answer.refused(400, "INVALID_PARAMETER_VALUE", cap);
    }
}

/// A call with additional headers.
async fn with_headers(
    world: &World,
    token: &str,
    (method, path): (Method, &str),
    headers: &[(&str, &str)],
    body: &str,
) -> Answer {
    let mut request = world.client(token).request(&method, path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    world.send(request.body(Body::from(body.to_owned())).unwrap()).await
}
