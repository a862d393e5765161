//! The fuzz targets run over their corpus, so that a failure found once does not return. `fuzz/run` looks for more.

use std::fs;
use std::path::Path;

#[path = "../../fuzz/src/targets/mod.rs"]
mod targets;

#[test]
fn the_corpus_holds() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    for (name, target) in targets::TARGETS {
        let inputs: Vec<_> =
            fs::read_dir(corpus.join(name)).unwrap().map(|entry| fs::read(entry.unwrap().path()).unwrap()).collect();
        assert!((1..200).contains(&inputs.len()) && inputs.iter().map(Vec::len).sum::<usize>() < 100_000, "{name}");
        for input in inputs {
            target(&input);
        }
    }
    let folders = fs::read_dir(corpus).unwrap().count();
    assert_eq!(folders, targets::TARGETS.len(), "every corpus has a target");
}
