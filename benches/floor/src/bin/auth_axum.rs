//! The floor of an authenticated list, all in memory: `GET /api/2.0/token/list` hashes the bearer secret, looks up its
//! owner, and renders the owner's ten tokens for each request.
//!
//!     auth_axum --port 9101
//!     auth_axum --print-token    prints the secret that the floors accept

use axum::{
    Json, Router,
    extract::State,
    http::{HeaderMap, StatusCode},
    routing::get,
};
use dapi_mock_floor::{Outcome, Owners, TokenInfo, has_flag, hash, numbered_secret, serve};
use serde::Serialize;
use std::{collections::HashMap, sync::Arc};

struct Store {
    owners: Owners,
    tokens: HashMap<i64, Vec<TokenInfo>>,
}

#[derive(Serialize)]
struct TokenList {
    token_infos: Vec<TokenInfo>,
}

async fn list(State(store): State<Arc<Store>>, headers: HeaderMap) -> Result<Json<TokenList>, StatusCode> {
    let owner = store.owners.authenticate(&headers)?;
    Ok(Json(TokenList { token_infos: store.tokens.get(&owner).cloned().unwrap_or_default() }))
}

fn main() -> Outcome {
    if has_flag("print-token") {
        println!("{}", numbered_secret(0));
        return Ok(());
    }
    let mut owners = HashMap::new();
    let mut tokens: HashMap<i64, Vec<TokenInfo>> = HashMap::new();
    for number in 0..10 {
        let token = TokenInfo::numbered(number);
        owners.insert(hash(numbered_secret(number).as_bytes()), token.owner_id);
        tokens.entry(token.owner_id).or_default().push(token);
    }
    let store = Store { owners: Owners::new(owners), tokens };
    serve(Router::new().route("/api/2.0/token/list", get(list)).with_state(Arc::new(store)))
}
