//! The fuzz targets. Each parses its input and asserts what must be true of the result. They are pure functions, so
//! that an input that failed once fails again. `tests/it/fuzz_corpus.rs` runs them over the corpus without libFuzzer.

mod control_api;
mod credentials;
mod json_bodies;
mod jwt;
mod oauth;
mod redaction;
mod report;
mod scim_filter;
mod scim_patch;
mod seed;
mod span;
mod workspace_conf;

use std::hash::{DefaultHasher, Hash, Hasher};

pub(crate) type Target = fn(&[u8]);

/// Every target, under the name of its corpus.
pub(crate) const TARGETS: [(&str, Target); 12] = [
    ("control_api", control_api::run),
    ("credentials", credentials::run),
    ("json_bodies", json_bodies::run),
    ("jwt", jwt::run),
    ("oauth", oauth::run),
    ("redaction", redaction::run),
    ("report", report::run),
    ("scim_filter", scim_filter::run),
    ("scim_patch", scim_patch::run),
    ("seed", seed::run),
    ("span", span::run),
    ("workspace_conf", workspace_conf::run),
];

/// Splits the input into lines. A missing line is empty.
fn lines<const COUNT: usize>(data: &[u8]) -> [&[u8]; COUNT] {
    let mut rest = data.split(|byte| *byte == b'\n');
    std::array::from_fn(|_| rest.next().unwrap_or_default())
}

/// Splits the input into lines of text. A line that is not UTF-8 is empty.
fn texts<const COUNT: usize>(data: &[u8]) -> [&str; COUNT] {
    lines(data).map(|line| std::str::from_utf8(line).unwrap_or_default())
}

/// 32 hex digits that are derived from the input, so that the input contains them only by chance.
fn digits_of(data: &[u8]) -> String {
    let half = |salt: u8| {
        let mut hasher = DefaultHasher::new();
        (salt, data).hash(&mut hasher);
        hasher.finish()
    };
    format!("{:016x}{:016x}", half(0), half(1))
}
