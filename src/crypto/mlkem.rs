//! ML-KEM (FIPS 203), a key encapsulation mechanism in the place of a Diffie-Hellman group.
//!
//! ```text
//!  initiator                                      responder
//!  (ek, dk) = generate        --- KEi: ek --->    (ct, secret) = encapsulate(ek)
//!  secret = decapsulate(dk)   <--- KEr: ct ---
//! ```
//!
//! The two public values differ in kind and length, and the responder's depends on the initiator's.
//!
//! Key generation and encapsulation draw their randomness inside of the library, whose interface takes none: these
//! are the octets of a run that a seeded source of entropy does not repeat.

use aws_lc_rs::kem::{Algorithm, DecapsulationKey, EncapsulationKey, ML_KEM_512, ML_KEM_768, ML_KEM_1024};
use wire::Secret;

/// A parameter set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kem {
    MlKem512,
    MlKem768,
    MlKem1024,
}

/// What the initiator keeps until the ciphertext comes. Wiped by the library when dropped.
pub(super) type PrivateKey = DecapsulationKey;

impl Kem {
    pub(super) fn algorithm(self) -> &'static Algorithm {
        match self {
            Self::MlKem512 => &ML_KEM_512,
            Self::MlKem768 => &ML_KEM_768,
            Self::MlKem1024 => &ML_KEM_1024,
        }
    }

    /// Octets of an encapsulation key (FIPS 203 8, table 3).
    pub(super) const fn key_len(self) -> usize {
        match self {
            Self::MlKem512 => 800,
            Self::MlKem768 => 1184,
            Self::MlKem1024 => 1568,
        }
    }

    /// Octets of a ciphertext (FIPS 203 8, table 3).
    pub(super) const fn ciphertext_len(self) -> usize {
        match self {
            Self::MlKem512 => 768,
            Self::MlKem768 => 1088,
            Self::MlKem1024 => 1568,
        }
    }
}

/// Draws a key pair; returns the encapsulation key too, as IKE carries it.
pub(super) fn generate(kem: Kem) -> (Vec<u8>, PrivateKey) {
    let key = DecapsulationKey::generate(kem.algorithm()).expect("the library has randomness");
    let public = key.encapsulation_key().and_then(|public| public.key_bytes()).expect("a fresh key has both halves");
    (public.as_ref().to_vec(), key)
}

/// The ciphertext for whoever has the other half of `key`, and the secret in it; `None` if `key` is not one.
pub(super) fn encapsulate(kem: Kem, key: &[u8]) -> Option<(Vec<u8>, Secret)> {
    if !is_reduced(key, kem) {
        return None;
    }
    let key = EncapsulationKey::new(kem.algorithm(), key).ok()?;
    let (ciphertext, secret) = key.encapsulate().ok()?;
    Some((ciphertext.as_ref().to_vec(), Secret::from(secret.as_ref())))
}

/// The secret in a ciphertext of the right length. A wrong one yields another secret (FIPS 203 6.3): that the ends
/// differ shows when the first message under it is not authentic.
pub(super) fn decapsulate(key: &PrivateKey, ciphertext: &[u8]) -> Option<Secret> {
    key.decapsulate(ciphertext.into()).ok().map(|secret| Secret::from(secret.as_ref()))
}

/// FIPS 203 7.2: every coefficient of an encapsulation key is below q. Twelve bits each; a seed of 32 octets follows.
fn is_reduced(key: &[u8], kem: Kem) -> bool {
    const Q: u16 = 3329;
    const SEED_LEN: usize = 32;
    let below = |octets: &[u8]| {
        let [a, b, c] = [octets[0], octets[1], octets[2]].map(u16::from);
        (a | (b & 0x0f) << 8) < Q && (b >> 4 | c << 4) < Q
    };
    key.len() == kem.key_len() && key[..key.len() - SEED_LEN].chunks_exact(3).all(below)
}
