//! Access tokens that this server did not issue, or that were changed afterwards, are refused.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use dapi_mock::domain::jwt::{AccessToken, VerifyingKey};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use ring::hmac;
use serde_json::{Value, json};

use crate::support::{BOT, Backend, Client, LIST, ME, START, World, account, part, text};

fn encoded(json: &Value) -> String {
    URL_SAFE_NO_PAD.encode(json.to_string())
}

async fn is_forged(client: Client<'_>) {
    for path in [ME, LIST, "/nonsense"] {
        let answer = client.get(path).await;
        let id = answer.header("x-request-id");
        let text = format!(r#"{{"error_code":403,"message":"Invalid access token. [ReqId: {id}]"}}"#);
        assert_eq!(answer.text, text);
        assert_eq!(answer.status, 403);
    }
}

#[tokio::test]
async fn forged_tokens_are_refused() {
    let world = World::new(Backend::Memory).await;
    let token = world.admin_oauth().await;
    let (header, claims) = (part(&token, 0), part(&token, 1));
    let [_, payload, signature] = token.split('.').collect::<Vec<_>>()[..] else { panic!() };
    let jwk = world.anonymous().get("/oidc/jwks.json").await.json();
    let modulus = text(&jwk["keys"][0]["n"]);
    let with = |json: &Value, member: &str, value: Value| {
        let mut json = json.clone();
        json[member] = value;
        encoded(&json)
    };
    let mut forged = Vec::new();
    for alg in ["none", "None", "NONE", "", "HS256", "RS384", "PS256", "ES256", "rs256"] {
        let header = with(&header, "alg", json!(alg));
        forged.extend([format!("{header}.{payload}."), format!("{header}.{payload}.{signature}")]);
    }
    // Key confusion: the public key, in each of its usual forms, as an HMAC secret.
    let public = [
        modulus.clone().into_bytes(),
        URL_SAFE_NO_PAD.decode(&modulus).unwrap(),
        jwk["keys"][0].to_string().into_bytes(),
    ];
    for secret in &public {
        for alg in ["HS256", "RS256"] {
            let signed = format!("{}.{payload}", with(&header, "alg", json!(alg)));
            let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), signed.as_bytes());
            forged.push(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(tag)));
        }
    }
    for (member, value) in [
        ("sub", json!(BOT)),
        ("aud", json!("12")),
        ("aud", json!(account())),
        ("exp", json!(START.0)),
        ("scope", json!("sql")),
        ("client_id", json!("x")),
    ] {
        forged.push(format!("{}.{}.{signature}", encoded(&header), with(&claims, member, value)));
    }
    // A valid signature with the key of another server.
    let foreign = World::unrelated(Backend::Memory).await.admin_oauth().await;
    let borrowed = with(&part(&foreign, 0), "kid", header["kid"].clone());
    forged.extend([foreign.clone(), foreign.replacen(foreign.split('.').next().unwrap(), &borrowed, 1)]);
    for (member, value) in [
        ("kid", json!("0".repeat(64))),
        ("kid", json!("")),
        ("kid", json!("' OR 1=1 --")),
        ("kid", json!("\u{0}")),
        ("kid", Value::Null),
        ("typ", json!("JWT")),
        ("typ", Value::Null),
        ("jwk", jwk["keys"][0].clone()),
        ("crit", json!(["x"])),
    ] {
        forged.push(format!("{}.{payload}.{signature}", with(&header, member, value)));
    }
    forged.extend([
        format!("{token}="),
        format!("{token}A"),
        format!("{token}.{signature}"),
        format!("{}.{payload}.", encoded(&header)),
        format!("{}..{signature}", encoded(&header)),
        token.trim_end_matches(signature).trim_end_matches('.').to_owned(),
        format!("{token}{}", "A".repeat(8 * 1024)),
        format!("{}.{}.{}", "A".repeat(4000), "A".repeat(4000), "A".repeat(4000)),
    ]);
    for text in &forged {
        is_forged(world.client(text)).await;
    }
    assert_eq!(world.client(&token).get(ME).await.status, 200);
}

/// Changes one byte at every position and sends the token to the server; many more changes go to the signature check alone.
#[tokio::test]
async fn any_changed_byte_is_refused() {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.=";
    let world = World::new(Backend::Memory).await;
    let token = world.admin_oauth().await;
    for at in 0..token.len() {
        let mut changed = token.clone().into_bytes();
        let seat = ALPHABET.iter().position(|byte| *byte == changed[at]).unwrap();
        // The next letter of the alphabet differs in the lowest bits, which padding might hide.
        changed[at] = ALPHABET[if seat % 2 == 0 { seat + 1 } else { seat - 1 }];
        let changed = String::from_utf8(changed).unwrap();
        let answer = world.client(&changed).get(ME).await;
        assert_eq!(answer.status, 403, "byte {at}: {answer:?}");
    }

    let jwk = world.anonymous().get("/oidc/jwks.json").await.json();
    let key = VerifyingKey::from_modulus_text(jwk["keys"][0]["n"].as_str().unwrap()).unwrap();
    assert!(AccessToken::parse(&token).unwrap().verify(&key).is_ok());
    let change = (0..token.len(), any::<char>());
    let mut runner = TestRunner::new(Config::with_cases(4000));
    runner
        .run(&change, |(at, other)| {
            let mut changed: Vec<char> = token.chars().collect();
            prop_assume!(changed[at] != other);
            changed[at] = other;
            let changed: String = changed.into_iter().collect();
            prop_assert!(AccessToken::parse(&changed).is_none_or(|token| token.verify(&key).is_err()));
            Ok(())
        })
        .unwrap();
}
