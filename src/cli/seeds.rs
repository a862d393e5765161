//! The seeds that the settings name: reads and applies them in order.

use std::io;
use std::path::PathBuf;

use super::failure_of;
use super::progress::SeedBar;
use crate::Failure;
use crate::config::ServeArgs;
use crate::domain::seeds::{self, Seed};
use crate::log::Output;
use crate::service::{self, SeedCounts, Service};

/// Reads the seeds in order, each with the name of its file.
pub(super) fn read(args: &ServeArgs) -> Result<Vec<(String, Seed)>, Failure> {
    let mut texts: Vec<_> =
        args.profile_seed().map(|text| ("the lab's seed".to_owned(), text.to_owned())).into_iter().collect();
    if let Some(path) = &args.seed {
        let named = |error: io::Error| format!("cannot read the seed {}: {error}", path.display());
        let mut files = vec![path.clone()];
        if path.is_dir() {
            let entries = std::fs::read_dir(path).and_then(Iterator::collect::<io::Result<Vec<_>>>).map_err(named)?;
            let is_seed = |path: &PathBuf| {
                path.extension().is_some_and(|ending| ["yaml", "yml", "json"].iter().any(|known| ending == *known))
            };
            files = entries.into_iter().map(|entry| entry.path()).filter(is_seed).collect();
            files.sort();
        }
        for file in files {
            texts.push((file.display().to_string(), std::fs::read_to_string(&file).map_err(named)?));
        }
    }
    texts.extend(args.seed_json.as_ref().map(|json| ("DAPI_MOCK_SEED_JSON".to_owned(), json.0.clone())));
    let parse = |(file, text): (String, String)| match seeds::parse(&text) {
        Ok(seed) => Ok((file, seed)),
        Err(error) => Err(error.in_file(&file).into()),
    };
    texts.into_iter().map(parse).collect()
}

pub(super) async fn apply(service: &Service, file: &str, seed: &Seed, log: &Output) -> Result<(), Failure> {
    let bar = SeedBar::below(log.clone());
    let added = service.apply_seed_with(seed, |progress| bar.show(progress)).await;
    drop(bar);
    let added = added.map_err(|error| match error {
        service::Error::Seed(error) => Failure::from(error.in_file(file)),
        error => failure_of(error),
    })?;
    let SeedCounts { workspaces, principals, tokens } = added;
    tracing::info!(workspaces, principals, tokens, "added from the seed {file}");
    Ok(())
}
