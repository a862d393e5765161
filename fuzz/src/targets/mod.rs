//! What each fuzz target does with its bytes: parse them, and hold what came of it against what must be true of
//! it. Pure functions of the bytes, so that an input that failed once fails again; `tests/it/fuzz_corpus.rs` runs
//! the same over the corpus, without libFuzzer.

mod credentials;
mod json_bodies;
mod jwt;
mod oauth;
mod own_api;
mod redaction;
mod report;
mod scim_filter;
mod scim_patch;
mod seed;
mod span;
mod workspace_conf;

use std::hash::{DefaultHasher, Hash, Hasher};

pub(crate) type Target = fn(&[u8]);

/// Every target, by the name of its corpus.
pub(crate) const TARGETS: [(&str, Target); 12] = [
    ("credentials", credentials::run),
    ("json_bodies", json_bodies::run),
    ("jwt", jwt::run),
    ("oauth", oauth::run),
    ("own_api", own_api::run),
    ("redaction", redaction::run),
    ("report", report::run),
    ("scim_filter", scim_filter::run),
    ("scim_patch", scim_patch::run),
    ("seed", seed::run),
    ("span", span::run),
    ("workspace_conf", workspace_conf::run),
];

/// The lines of the input; a missing one is empty.
fn lines<const COUNT: usize>(data: &[u8]) -> [&[u8]; COUNT] {
    let mut rest = data.split(|byte| *byte == b'\n');
    std::array::from_fn(|_| rest.next().unwrap_or_default())
}

/// The same, as text.
fn texts<const COUNT: usize>(data: &[u8]) -> [&str; COUNT] {
    lines(data).map(|line| std::str::from_utf8(line).unwrap_or_default())
}

/// 32 hex digits that the input cannot hold but by chance, as they follow from it.
fn digits_of(data: &[u8]) -> String {
    let half = |salt: u8| {
        let mut hasher = DefaultHasher::new();
        (salt, data).hash(&mut hasher);
        hasher.finish()
    };
    format!("{:016x}{:016x}", half(0), half(1))
}
