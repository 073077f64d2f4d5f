//! Files of a strongSwan host: swanctl's blocks, BIRD's statements, FRR's lines.

use import::Format;

use super::imports::judge;

/// Octets: a file.
pub fn body(octets: &[u8]) {
    judge(Some(Format::Swanctl), octets);
}

/// The samples.
#[must_use]
pub fn seeds() -> Vec<Vec<u8>> {
    [
        include_str!("../../src/import/tests/samples/swanctl.conf"),
        include_str!("../../src/import/tests/samples/bird.conf"),
        include_str!("../../src/import/tests/samples/frr.conf"),
    ]
    .map(|text| text.as_bytes().to_vec())
    .to_vec()
}
