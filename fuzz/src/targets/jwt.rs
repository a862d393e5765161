//! Fuzzes access tokens: only the bytes that the key signed may verify.

use dapi_mock::domain::jwt::{AccessToken, Claims, VerifyingKey};

const SIGNED: &str = include_str!("../../corpus/jwt/signed");
const MODULUS: &str = include_str!("modulus.txt");

pub(super) fn run(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    if let Some(token) = AccessToken::parse(&text) {
        assert_eq!(token.reveal(), text);
        assert!(!format!("{token:?}").contains(token.kid()));
        let key = VerifyingKey::from_modulus_text(MODULUS.trim()).unwrap();
        assert_eq!(token.verify(&key).is_ok(), text == SIGNED);
    }
    if let Ok(claims) = serde_json::from_slice::<Claims>(data) {
        hold(&claims);
    }
}

fn hold(claims: &Claims) {
    if let Some(audience) = claims.audience() {
        let again = Claims { aud: audience.to_string(), ..claims.clone() };
        assert_eq!(again.audience(), Some(audience));
    }
    if let Some(scopes) = claims.scopes() {
        assert!(scopes.iter().all(|scope| !scope.is_empty() && scope != "all-apis"));
    }
    assert!(claims.expiry().0.signum() == claims.exp.signum());
}
