//! The law that the fuzz target looks for, held without a fuzzer: over every seed, and some thousand inputs made from them by
//! chance with a fixed seed.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

#[path = "../fuzz/laws/mllp.rs"]
mod laws;
#[path = "../../formats/fuzz/laws/mutate.rs"]
mod mutate;

#[test]
fn framing_holds_for_every_seed_and_for_inputs_made_by_chance() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds/mllp");
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let seeds: Vec<Vec<u8>> = paths.iter().map(|path| std::fs::read(path).unwrap()).collect();
    assert!(seeds.len() > 4, "the seeds are not where they should be");
    let holds = |bytes: &[u8]| catch_unwind(AssertUnwindSafe(|| laws::framing(bytes))).is_ok();
    for (path, seed) in paths.iter().zip(&seeds) {
        assert!(holds(seed), "{}", path.display());
    }
    let mut chance = mutate::Chance(0x4855_4954_4F4E_4722);
    for nth in 0..10_000 {
        let bytes = mutate::mutated(&seeds, &mut chance);
        assert!(holds(&bytes), "input {nth}: {:?}", String::from_utf8_lossy(&bytes));
    }
}
