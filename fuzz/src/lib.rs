//! The fuzz targets of dapi-mock; `fuzz/run` builds and runs them.

mod targets;

/// Runs a target on an input.
///
/// # Panics
/// If a check fails, which is a finding.
pub fn run(name: &str, data: &[u8]) {
    let (_, target) = targets::TARGETS.iter().find(|(known, _)| *known == name).expect("a target");
    target(data);
}
