//! Elliptic-curve Diffie-Hellman (RFC 5903, RFC 8031).

pub(super) use aws_lc_rs::agreement::PrivateKey;
use aws_lc_rs::agreement::{self, Algorithm, ECDH_P256, ECDH_P384, ECDH_P521, UnparsedPublicKey};
use wire::{Entropy, Secret};
use zeroize::Zeroizing;

/// A curve.
#[derive(Clone, Copy, Debug)]
pub(super) enum Curve {
    P256,
    P384,
    P521,
    X25519,
}

/// In front of an uncompressed point in the encoding of SEC 1, which IKE leaves out.
const UNCOMPRESSED: u8 = 4;

impl Curve {
    fn algorithm(self) -> &'static Algorithm {
        match self {
            Self::P256 => &ECDH_P256,
            Self::P384 => &ECDH_P384,
            Self::P521 => &ECDH_P521,
            Self::X25519 => &agreement::X25519,
        }
    }

    const fn private_len(self) -> usize {
        match self {
            Self::P256 | Self::X25519 => 32,
            Self::P384 => 48,
            Self::P521 => 66,
        }
    }
}

/// Draws a private key; returns the public value too, as IKE carries it.
pub(super) fn generate(curve: Curve, entropy: &mut dyn Entropy) -> (Vec<u8>, PrivateKey) {
    let mut scalar = Zeroizing::new(vec![0; curve.private_len()]);
    entropy.fill(&mut scalar);
    if matches!(curve, Curve::P521) {
        scalar[0] &= 1;
    }
    let key = PrivateKey::from_private_key(curve.algorithm(), &scalar).unwrap_or_else(|_| {
        // Zero, or not below the order of the curve: one draw in 2^32 or less. Such a scalar is brought into
        // range, which even a broken source of entropy cannot turn into an endless loop.
        scalar[0] = 0;
        scalar[1] &= 0x7f;
        *scalar.last_mut().expect("a scalar has octets") |= 1;
        PrivateKey::from_private_key(curve.algorithm(), &scalar).expect("1 <= scalar < order")
    });
    let public = key.compute_public_key().expect("a valid private key has a public key");
    let public = match curve {
        Curve::P256 | Curve::P384 | Curve::P521 => &public.as_ref()[1..],
        Curve::X25519 => public.as_ref(),
    };
    (public.to_vec(), key)
}

/// `None` if `peer` is not a point of the curve, or the result is the neutral element.
pub(super) fn agree(curve: Curve, key: &PrivateKey, peer: &[u8]) -> Option<Secret> {
    let mut point = Vec::with_capacity(1 + peer.len());
    if !matches!(curve, Curve::X25519) {
        point.push(UNCOMPRESSED);
    }
    point.extend_from_slice(peer);
    // RFC 5903 7: the shared secret is the x coordinate. The library checks that the point is on the curve and,
    // for RFC 8031 3 (an all-zero result), that the result of X25519 is not zero.
    let peer = UnparsedPublicKey::new(curve.algorithm(), point);
    agreement::agree(key, peer, (), |shared| Ok(Secret::from(shared))).ok()
}
