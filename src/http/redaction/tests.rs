use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use proptest::prelude::*;

use super::*;

const VALUE: &str = "dapi7f3b9c1e5a8d04621bc7e9f2a6305d48";

#[test]
#[expect(clippy::too_many_lines, reason = "one table of cases")]
fn what_has_the_name_of_a_secret_is_blanked() {
    for (text, expected) in [
        (r#"{"token_value": "x", "a":1}"#, r#"{"token_value": "[redacted]", "a":1}"#),
        (r#"{"secret":"a\"b","secret_hash":"c"}"#, r#"{"secret":"[redacted]","secret_hash":"c"}"#),
        (r#"{"password" : 123 }"#, r#"{"password" : [redacted] }"#),
        (r#"{"code": null, "error_code": "X"}"#, r#"{"code": null, "error_code": "X"}"#),
        (r#"{"token_value": "never ends"#, r#"{"token_value": "[redacted]"#),
        (r#"{"pass\u0077ord": "x"}"#, r#"{"pass\u0077ord": "[redacted]"}"#),
        ("client_secret=x%21y&scope=all", "client_secret=[redacted]&scope=all"),
        ("grant_type=a&code=1&client%5Fsecret=2", "grant_type=a&code=[redacted]&client%5Fsecret=[redacted]"),
        ("/x?code=1", "/x?code=[redacted]"),
        ("code=", "code="),
        ("a?b&c\"d", "a?b&c\"d"),
        // In any letters, with any separators, and at the end of a longer name.
        (r#"{"Client_Secret":"x"}"#, r#"{"Client_Secret":"[redacted]"}"#),
        (
            r#"{"clientSecret":"x","CLIENT-SECRET":"y"}"#,
            r#"{"clientSecret":"[redacted]","CLIENT-SECRET":"[redacted]"}"#,
        ),
        (
            r#"{"db.passwd":"x","pwd":1,"aws_secret_access_key":"y"}"#,
            r#"{"db.passwd":"[redacted]","pwd":[redacted],"aws_secret_access_key":"[redacted]"}"#,
        ),
        (
            "api_key=1&apikey=2&api-key=3&X-Api-Key=4",
            "api_key=[redacted]&apikey=[redacted]&api-key=[redacted]&X-Api-Key=[redacted]",
        ),
        ("csrf_token=1&page_token=2&next_page_token=3", "csrf_token=[redacted]&page_token=2&next_page_token=3"),
        ("user[password]=x&a=b", "user[password]=[redacted]&a=b"),
        (r#"{"PRIVATE KEY": "x", "a b": "y"}"#, r#"{"PRIVATE KEY": "[redacted]", "a b": "y"}"#),
        // Whatever the value is.
        (r#"{"password": {"v": "x", "w": ["}"]}, "a": 1}"#, r#"{"password": [redacted], "a": 1}"#),
        (r#"{"passwords": ["x", "y"], "a": 1}"#, r#"{"passwords": [redacted], "a": 1}"#),
        (r#"{"private_key": {"v": "never ends"#, r#"{"private_key": [redacted]"#),
        (
            r#"{"token": {"comment": "c"}, "update_mask": "comment"}"#,
            r#"{"token": {"comment": "c"}, "update_mask": "comment"}"#,
        ),
        (r#"{"token": "x"}"#, r#"{"token": "[redacted]"}"#),
        (r#"{"secrets": [{"id": "1", "status": "ACTIVE"}]}"#, r#"{"secrets": [{"id": "1", "status": "ACTIVE"}]}"#),
        ("password={\"v\":\"x\"}&a=b", "password=[redacted]&a=b"),
        ("password=a\"b&a=b", "password=[redacted]&a=b"),
        // Within other texts.
        (r#"{"a":"{\"password\":\"x y\",\"b\":1}"}"#, r#"{"a":"{\"password\":[redacted]\",\"b\":1}"}"#),
        ("/x?q=%7B%22password%22%3A%22x%22%7D", "/x?q=%7B%22password%22%3A%22[redacted]%22%7D"),
        ("/x?a%26client_secret%3Dx%26b%3Dc", "/x?a%26client_secret%3D[redacted]%26b%3Dc"),
        ("/x?a%2526client_secret%253Dx", "/x?a%2526client_secret%253D[redacted]"),
        (r#"{"path":"password","value":"x"}"#, r#"{"path":"password","value":"[redacted]"}"#),
        (
            r#"{"op":"replace","value":{"a":"x"},"path":"password"}"#,
            r#"{"op":"replace","value":[redacted],"path":"password"}"#,
        ),
        (
            r#"{"name":"X-Api-Key","value":"x"},{"name":"a","value":"b"}"#,
            r#"{"name":"X-Api-Key","value":"[redacted]"},{"name":"a","value":"b"}"#,
        ),
        (
            "--b\r\nContent-Disposition: form-data; name=\"password\"\r\n\r\nx\ny\r\n--b--",
            "--b\r\nContent-Disposition: form-data; name=\"password\"\r\n\r\n[redacted]\r\n--b--",
        ),
        ("<input name=\"password\" value=\"x\">", "<input name=\"password\" value=\"[redacted]\">"),
        ("<a><password>x</password></a>", "<a><password>[redacted]</password></a>"),
        ("X-Api-Key: x y\r\nCookie: a=b; c=d\r\nAccept: e", "X-Api-Key: [redacted]\r\nCookie: [redacted]\r\nAccept: e"),
        ("Send 'Authorization: Bearer <token>' with a token", "Send 'Authorization: Bearer <token>' with a token"),
        ("Authorization: Bearer hunter2", "Authorization: Bearer [redacted]"),
        ("the parameter code: it is missing", "the parameter code: it is missing"),
        ("{'password': 'x', 'a': 'b'}", "{'password': '[redacted]', 'a': 'b'}"),
        // By their form.
        ("https://u:p@h/x http://h:80/ https://t0ken@h", "https://u:[redacted]@h/x http://h:80/ https://[redacted]@h"),
        ("AKIAIOSFODNN7EXAMPLE ghp_0123456789abcdefghij", "AKIA[redacted] ghp_[redacted]"),
        (
            "-----BEGIN RSA PRIVATE KEY-----\nMII=\n-----END RSA PRIVATE KEY-----",
            "-----BEGIN [redacted]-----END RSA PRIVATE KEY-----",
        ),
        ("a Basic dXNlcjpwYXNzd29yZA== b", "a Basic [redacted] b"),
    ] {
        assert_eq!(line(text), expected, "{text}");
        assert_eq!(line(&line(text)), expected, "twice: {text}");
    }
}

#[test]
fn what_may_also_be_an_object_is_blanked_where_it_is_plain() {
    for (text, expected) in [
        (r#"{"credentials": "x", "a": 1}"#, r#"{"credentials": "[redacted]", "a": 1}"#),
        (r#"{"Git_Credential": 7, "a": 1}"#, r#"{"Git_Credential": [redacted], "a": 1}"#),
        (r#"{"credentials": ["x", "y"], "a": 1}"#, r#"{"credentials": [redacted], "a": 1}"#),
        (
            r#"{"credentials": {"password": "x", "a": 1}, "credential_name": "n"}"#,
            r#"{"credentials": {"password": "[redacted]", "a": 1}, "credential_name": "n"}"#,
        ),
        (r#"{"credentials": [{"id": "1", "pwd": "x"}]}"#, r#"{"credentials": [{"id": "1", "pwd": "[redacted]"}]}"#),
        (r#"{"session": "x", "session_id": "y"}"#, r#"{"session": "[redacted]", "session_id": "[redacted]"}"#),
        (
            r#"{"session": {"user": "u"}, "auth": {"type": "t"}}"#,
            r#"{"session": {"user": "u"}, "auth": {"type": "t"}}"#,
        ),
        (
            r#"{"auth": "x", "sid": "y", "auth_type": "t"}"#,
            r#"{"auth": "[redacted]", "sid": "[redacted]", "auth_type": "t"}"#,
        ),
        (
            r#"{"authorization": "x", "cookie": "y", "Set-Cookie": "z"}"#,
            r#"{"authorization": "[redacted]", "cookie": "[redacted]", "Set-Cookie": "[redacted]"}"#,
        ),
        (
            "client_assertion=x&code_verifier=y&credential=z&a=b",
            "client_assertion=[redacted]&code_verifier=[redacted]&credential=[redacted]&a=b",
        ),
        ("grant_type=client_credentials&a=b", "grant_type=client_credentials&a=b"),
        ("the credential: it is missing", "the credential: it is missing"),
    ] {
        assert_eq!(line(text), expected, "{text}");
    }
}

#[test]
fn escapes_hide_nothing() {
    let each = |written: fn(u8) -> String| VALUE.bytes().map(written).collect::<Vec<_>>().concat();
    let hidden = each(|byte| format!("%{byte:02x}"));
    let in_json = each(|byte| format!("\\u{byte:04X}"));
    assert_eq!(line(&format!("/tokens/{hidden}")), "/tokens/%64%61%70%69[redacted]");
    let blanked = "{\"comment\": \"\\u0064\\u0061\\u0070\\u0069[redacted]\"}";
    assert_eq!(line(&format!("{{\"comment\": \"{in_json}\"}}")), blanked);
    for text in ["a%2Fb \\\\u0064 100%", "50% off", "C:\\new", "%", "%%%", "\\", "&#;"] {
        assert_eq!(line(text), text);
    }
    // Escaped again and again, in parts, or between other letters.
    let thrice = each(|byte| format!("%2525{byte:02X}"));
    let split = VALUE.replace('7', "%%33%37");
    let wide: String = VALUE.chars().flat_map(|letter| [letter, '\0']).collect();
    for text in [thrice, split, wide, each(|byte| format!("&#{byte};")), each(|byte| format!("\\\\u{byte:04x}"))] {
        let kept = line(&format!("/x/{text}/y"));
        assert!(kept.ends_with("[redacted]/y"), "{text}: {kept}");
    }
}

#[test]
fn values_are_blanked_wherever_they_stand() {
    assert_eq!(line(&format!("/tokens/{VALUE}/x{VALUE}")), "/tokens/dapi[redacted]/xdapi[redacted]");
    assert_eq!(line("dapi-mock, dapi, a dose of eyJ"), "dapi-mock, dapi, a dose of eyJ");
    assert_eq!(line(&VALUE.replace("dapi", "?o=dose")), "?o=dose[redacted]");
    assert_eq!(line(&VALUE.replace("dapi", "édose dose")), "édose dose[redacted]");
    assert_eq!(line(&format!("{VALUE}{VALUE}-2 a")), "dapi[redacted] a");
    assert_eq!(line(&VALUE.to_uppercase()), "DAPI[redacted]");
    assert_eq!(line("/x/eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2ln_-/y"), "/x/eyJ[redacted]/y");
    let id = "9".repeat(64);
    assert_eq!(line(&id), id, "a token's id is not a secret");
}

#[test]
fn no_text_takes_long() {
    for part in [
        "{\"pwd\":{",
        "\"name\":\"pwd\",",
        "name=\"pwd\" ",
        "%25",
        "-----BEGIN PRIVATE KEY",
        "\"pwd\":\"",
        "://a:b",
        "dapi",
        "&#1",
    ] {
        let text = part.repeat(LIMIT / part.len());
        assert!(line(&text).len() <= text.len() + BLANK.len() * (LIMIT / part.len()));
    }
}

/// A secret in one of the ways that it may be written.
fn encoded(secret: &str, way: usize, choice: u64) -> String {
    let each = |written: &dyn Fn(u8) -> String| -> String {
        let chosen = |place: usize| choice >> (place % 64) & 1 == 1;
        let letters = secret.bytes().enumerate();
        letters.map(|(place, byte)| if chosen(place) { written(byte) } else { char::from(byte).to_string() }).collect()
    };
    match way % 9 {
        0 => secret.to_owned(),
        1 => each(&|byte| format!("%{byte:02x}")),
        2 => each(&|byte| format!("%25{byte:02X}")),
        3 => each(&|byte| format!("\\u{byte:04x}")),
        4 => each(&|byte| format!("\\\\u{byte:04X}")),
        5 => STANDARD.encode(secret),
        6 => URL_SAFE_NO_PAD.encode(format!("{}{secret}", "x".repeat(usize::from(choice.is_multiple_of(2))))),
        7 => hex::encode(secret),
        _ => each(&|byte| format!("&#x{byte:x};")),
    }
}

proptest! {
    #[test]
    fn no_part_of_a_secret_stays_at_the_cut(before in LIMIT - 60..LIMIT + 4, other in 0..3_usize) {
        let secret = [VALUE.to_owned(), VALUE.replace("dapi", "dose"), format!("eyJ{}", "Qx".repeat(40))];
        let secret = &secret[other % 3];
        let kept = body(format!("{} {secret} {}", "a ".repeat(before / 2), "b ".repeat(200)).as_bytes());
        prop_assert!(kept.cut && kept.text.len() <= LIMIT + BLANK.len());
        prop_assert!(!kept.text.contains("7f3b") && !kept.text.contains("QxQ"), "{}", &kept.text[LIMIT - 80..]);
    }

    #[test]
    fn no_way_of_writing_hides_a_secret(
        digits in "[0-9a-f]{32}", way in 0..9_usize, choice in any::<u64>(),
        before in "[a-z]{0,3}[/?&= \"{:]", after in "[/?&= \"}]?[a-z]{0,3}",
    ) {
        for prefix in ["dapi", "dose", "dort"] {
            let written = encoded(&format!("{prefix}{digits}"), way, choice);
            let kept = line(&format!("{before}{written}{after}"));
            prop_assert!(!kept.contains(&written), "{kept}");
            let seen = (0..=digits.len() - 12).any(|at| kept.contains(&digits[at..at + 12]));
            prop_assert!(!seen, "{written}: {kept}");
        }
    }

    #[test]
    fn any_text_is_taken(text in "\\PC*", bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        line(&text);
        line(&format!("%{text}password=\\{text}\"name\":\"pwd\"{text}"));
        prop_assert_eq!(body(&bytes).bytes, bytes.len());
    }
}
