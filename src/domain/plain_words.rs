//! The error messages of deserializers in the words of JSON: no names of Rust types.
//! Every parser of what clients and users write passes its errors through [`in_plain_words`].

/// A deserializer's error message with the names of Rust types replaced.
pub fn in_plain_words(sentence: &str) -> String {
    let (start, end) = sentence.rsplit_once(": ").unwrap_or(("", sentence));
    match end {
        "invalid digit found in string" | "invalid float literal" | "cannot parse integer from empty string" => {
            return format!("{start}: expected a number");
        }
        "number too large to fit in target type" | "number too small to fit in target type" => {
            return format!("{start}: the number is out of range");
        }
        _ => {}
    }
    let Some((found, expected)) = sentence.rsplit_once(", expected ") else { return sentence.to_owned() };
    let is_of_type = ["invalid type: ", "invalid value: ", "invalid length "].iter().any(|kind| found.contains(kind));
    if !is_of_type {
        return sentence.to_owned();
    }
    let expected = plain_type(expected, found);
    let of_json = [(": map", ": object"), (": sequence", ": array"), (": unit value", ": null")];
    let renamed = of_json.iter().find_map(|(rust, json)| Some(format!("{}{json}", found.strip_suffix(rust)?)));
    let found = renamed.unwrap_or_else(|| found.to_owned());
    format!("{found}, expected {expected}")
}

/// The expected type, as serde names it, in the words of JSON.
fn plain_type(expected: &str, found: &str) -> String {
    let least_and_most: Option<(i128, i128)> = match expected {
        "i8" => Some((i8::MIN.into(), i8::MAX.into())),
        "i16" => Some((i16::MIN.into(), i16::MAX.into())),
        "i32" => Some((i32::MIN.into(), i32::MAX.into())),
        "i64" | "isize" => Some((i64::MIN.into(), i64::MAX.into())),
        "u8" => Some((0, u8::MAX.into())),
        "u16" => Some((0, u16::MAX.into())),
        "u32" => Some((0, u32::MAX.into())),
        "u64" | "usize" => Some((0, u64::MAX.into())),
        _ => None,
    };
    if let Some((least, most)) = least_and_most {
        let range = format!("a number without a fraction, from {least} to {most}");
        let is_number = found.contains(": floating point ") || found.contains(": integer ");
        return if is_number { range } else { "a number".to_owned() };
    }
    let plain = match expected {
        "i128" | "u128" | "f32" | "f64" => "a number",
        "a borrowed string" => "a string",
        "a boolean" => "true or false",
        "a sequence" => "an array",
        "a map" => "an object",
        "unit" => "null",
        "a nonzero u8" | "a nonzero u16" | "a nonzero u32" | "a nonzero u64" | "a nonzero usize" => "a number above 0",
        "string or map" | "variant identifier" => "a known name",
        _ if expected.starts_with("struct ") || expected.starts_with("internally tagged enum ") => "an object",
        _ if expected.starts_with("tuple ") || expected.starts_with("a tuple of size ") => "an array",
        _ if expected.starts_with("an array of length ") => "an array",
        _ if expected.starts_with("enum ") => "a known name",
        _ => expected,
    };
    plain.to_owned()
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    /// Every type that a body may have.
    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "only its errors are looked at")]
    struct Everything {
        int: Option<i64>,
        small: Option<u8>,
        size: Option<usize>,
        float: Option<f64>,
        flag: Option<bool>,
        text: Option<String>,
        list: Option<Vec<String>>,
        object: Option<Object>,
        map: Option<std::collections::BTreeMap<String, String>>,
        pair: Option<(i64, i64)>,
        name: Option<Name>,
    }

    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "only its errors are looked at")]
    struct Object {
        n: Option<i64>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Name {
        One,
    }

    #[test]
    fn messages_name_no_rust_type() {
        let fields = ["int", "small", "size", "float", "flag", "text", "list", "object", "map", "pair", "name"];
        let values = ["\"x\"", "5", "-5", "5.5", "99999999999999999999", "true", "[]", "[true]", "{}", "{\"n\":[]}"];
        for (field, value) in fields.into_iter().flat_map(|field| values.map(|value| (field, value))) {
            let Err(error) = serde_json::from_str::<Everything>(&format!("{{\"{field}\":{value}}}")) else { continue };
            let text = in_plain_words(error.to_string().split(" at line ").next().unwrap());
            let words = text.split(|letter: char| !letter.is_ascii_alphanumeric());
            let of_rust = ["i64", "u8", "u64", "usize", "f64", "struct", "map", "sequence", "tuple", "enum", "unit"];
            let found: Vec<_> = words.skip(1).filter(|word| of_rust.contains(word)).collect();
            assert!(found.is_empty(), "{field} {value}: {text}");
        }
        let query = "Failed to deserialize query string: limit: invalid digit found in string";
        assert_eq!(in_plain_words(query), "Failed to deserialize query string: limit: expected a number");
        let quoted = "invalid type: string \"a, expected map\", expected i64";
        assert_eq!(in_plain_words(quoted), "invalid type: string \"a, expected map\", expected a number");
        let unknown = "unknown field `a`, expected one of `map`, `b`";
        assert_eq!(in_plain_words(unknown), unknown);
    }
}
