//! R37–R50: permissions, lifetimes, and what an admin sees and revokes.

mod lifetimes;
mod monitoring;
mod permissions;

use serde_json::Value;

use crate::support::{Client, MANAGED};

async fn info(client: Client<'_>, id: &str) -> Value {
    client.get(&format!("{MANAGED}/{id}")).await.json()["token_info"].clone()
}
