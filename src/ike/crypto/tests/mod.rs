//! Published vectors, figures computed by an independent implementation (Python's `hmac`, `pow` and
//! `cryptography`), and properties.

pub(crate) mod cipher;
mod derivation;
mod groups;
mod suite;
mod vectors;

/// A repeatable source of entropy.
pub(crate) fn seeded(mut seed: u64) -> impl FnMut(&mut [u8]) + Send {
    move |out| {
        for octet in out {
            // SplitMix64
            seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut word = seed;
            word = (word ^ word >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            word = (word ^ word >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
            *octet = (word ^ word >> 31).to_be_bytes()[0];
        }
    }
}

/// A source that yields `octets` once.
fn once(octets: &[u8]) -> impl FnMut(&mut [u8]) + Send + use<'_> {
    move |out| out.copy_from_slice(octets)
}
