//! Writes the inputs that fuzzing begins with: `cargo run -p proto-tests --bin quadspan-fuzz-seeds`.

use std::fs;

use proto_tests::fuzzing::TARGETS;

fn main() -> std::io::Result<()> {
    for target in TARGETS {
        let corpus = target.corpus();
        fs::create_dir_all(&corpus)?;
        for (number, seed) in (target.seeds)().iter().enumerate() {
            fs::write(corpus.join(format!("seed-{number}")), seed)?;
        }
    }
    Ok(())
}
