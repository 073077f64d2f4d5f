//! Every input that fuzzing ever found worth keeping goes through its body, as do the beginnings of all seeds.

use std::fs;

use proto_tests::fuzzing::TARGETS;

#[test]
fn every_input_of_the_corpora_holds() {
    for target in TARGETS {
        let corpus = target.corpus();
        let inputs = fs::read_dir(&corpus).unwrap_or_else(|error| panic!("{}: {error}", corpus.display()));
        let paths: Vec<_> = inputs.map(|input| input.unwrap().path()).collect();
        assert!(!paths.is_empty(), "{} is empty", corpus.display());
        for path in paths {
            replay(&path.display().to_string(), target.body, &fs::read(&path).unwrap());
        }
    }
}

#[test]
fn every_beginning_of_a_seed_holds() {
    for target in TARGETS {
        for (number, seed) in (target.seeds)().iter().enumerate() {
            for length in (0..seed.len()).filter(|length| *length < 64 || length % 23 == 0) {
                replay(&format!("{} seed {number} cut to {length}", target.name), target.body, &seed[..length]);
            }
        }
    }
}

#[test]
fn the_corpora_hold_the_seeds_of_today() {
    for target in TARGETS {
        for (number, seed) in (target.seeds)().iter().enumerate() {
            let path = target.corpus().join(format!("seed-{number}"));
            let found = fs::read(&path).unwrap_or_default();
            assert!(found == *seed, "{} is old: `cargo run -p proto-tests --bin quadspan-fuzz-seeds`", path.display());
        }
    }
}

#[test]
fn every_target_is_built_by_cargo_fuzz() {
    let manifest = include_str!("../fuzz/Cargo.toml");
    for target in TARGETS {
        assert!(manifest.contains(&format!("name = \"{}\"", target.name)), "{} is not in fuzz/Cargo.toml", target.name);
    }
}

/// Adds to a panic which input it was.
fn replay(name: &str, body: fn(&[u8]), input: &[u8]) {
    let outcome = std::panic::catch_unwind(|| body(input));
    assert!(outcome.is_ok(), "{name}: {input:02x?}");
}
