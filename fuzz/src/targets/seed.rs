//! Fuzzes seeds in YAML and JSON: a seed that is parsed, written and parsed again must not change.

use dapi_mock::domain::seeds::{Seed, parse, parse_workspace, to_yaml};

/// Skips larger populations, which are slow by nature.
const MOST: usize = 1000;

pub(super) fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match parse(text) {
        Ok(seed) => is_written(&seed),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    if let Ok(workspace) = parse_workspace(text) {
        for population in &workspace.populations {
            if population.users.saturating_mul(population.tokens_per_user.max(1)) <= MOST
                && let Ok((users, tokens)) = population.expand(7, "fuzz")
            {
                assert_eq!(
                    (users.len(), tokens.len()),
                    (population.users, population.users * population.tokens_per_user)
                );
            }
        }
        is_written(&Seed { workspaces: vec![workspace], ..Seed::default() });
    }
}

fn is_written(seed: &Seed) {
    let yaml = to_yaml(seed).unwrap();
    let again = parse(&yaml).unwrap_or_else(|error| panic!("{error} in {yaml}"));
    assert_eq!(to_yaml(&again).unwrap(), yaml);
    let json = serde_json::to_string(seed).unwrap();
    let again = parse(&json).unwrap_or_else(|error| panic!("{error} in {json}"));
    assert_eq!(to_yaml(&again).unwrap(), yaml);
}
