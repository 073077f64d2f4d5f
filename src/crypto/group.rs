//! Key exchange methods: one interface over MODP, elliptic curves (RFC 7296 2.12, 3.4) and ML-KEM (RFC 9370).
//!
//! ```text
//!  initiator   generate -> KeyPair --- public ---> answer -> KeyPair   responder
//!              agree <---------------- public -------'        agree
//! ```
//!
//! A Diffie-Hellman responder may put the costly half off until [`KeyPair::agree`]; with a KEM the answer holds the
//! secret already.

use std::fmt;

use wire::{Entropy, Secret, code_point};

use super::ecdh::{self, Curve};
use super::mlkem::{self, Kem};
use super::modp::{self, Modulus};

/// A Diffie-Hellman group, or a key encapsulation mechanism in the place of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Group {
    /// Group 1: broken (RFC 7296 B.1).
    Modp768,
    /// Group 2: weak, kept for gateways that default to it (RFC 7296 B.2).
    Modp1024,
    /// Group 5: weak (RFC 3526).
    Modp1536,
    /// Group 14 (RFC 3526).
    Modp2048,
    /// Group 15 (RFC 3526).
    Modp3072,
    /// Group 16 (RFC 3526).
    Modp4096,
    /// Group 17 (RFC 3526).
    Modp6144,
    /// Group 18 (RFC 3526).
    Modp8192,
    /// Group 19, NIST P-256 (RFC 5903).
    Ecp256,
    /// Group 20, NIST P-384 (RFC 5903).
    Ecp384,
    /// Group 21, NIST P-521 (RFC 5903).
    Ecp521,
    /// Group 22: broken; its prime is of unknown origin, as are those of groups 23 and 24 (RFC 5114, RFC 8247 2.4).
    Modp1024s160,
    /// Group 23 (RFC 5114).
    Modp2048s224,
    /// Group 24 (RFC 5114).
    Modp2048s256,
    /// Group 31 (RFC 8031).
    X25519,
    /// Method 35, ML-KEM-512 (FIPS 203).
    MlKem512,
    /// Method 36, ML-KEM-768 (FIPS 203).
    MlKem768,
    /// Method 37, ML-KEM-1024 (FIPS 203).
    MlKem1024,
}

code_point! {
    /// Number of a key exchange method: transform type 4, and what a KE payload names.
    /// <https://www.iana.org/assignments/ikev2-parameters#ikev2-parameters-8>
    pub struct GroupId(u16) {
        NONE = 0;
        MODP_768 = 1;
        MODP_1024 = 2;
        MODP_1536 = 5;
        MODP_2048 = 14;
        MODP_3072 = 15;
        MODP_4096 = 16;
        MODP_6144 = 17;
        MODP_8192 = 18;
        ECP_256 = 19;
        ECP_384 = 20;
        ECP_521 = 21;
        MODP_1024_160 = 22;
        MODP_2048_224 = 23;
        MODP_2048_256 = 24;
        CURVE25519 = 31;
        CURVE448 = 32;
        ML_KEM_512 = 35;
        ML_KEM_768 = 36;
        ML_KEM_1024 = 37;
    }
}

/// Why a peer's public value yields no shared secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyExchangeError {
    /// The value has not the length its group prescribes.
    #[error("a public value of {group} has {expected} octets, the peer sent {found}")]
    Length {
        /// The group.
        group: Group,
        /// Octets it prescribes.
        expected: usize,
        /// Octets received.
        found: usize,
    },
    /// The value is not an element that may be used: out of range, off the curve, of small order.
    #[error("the peer's public value is not a valid element of {0}")]
    Element(Group),
}

/// Our half of an exchange. Used once, then wiped.
pub struct KeyPair {
    group: Group,
    public: Vec<u8>,
    private: Private,
}

enum Private {
    Modp(Modulus, Secret),
    Curve(Curve, ecdh::PrivateKey),
    Kem(mlkem::PrivateKey),
    /// Of a KEM's responder.
    Agreed(Secret),
}

enum Kind {
    Modp(Modulus),
    Curve(Curve),
    Kem(Kem),
}

impl Group {
    /// All, in the order of their numbers.
    pub const ALL: [Self; 18] = [
        Self::Modp768,
        Self::Modp1024,
        Self::Modp1536,
        Self::Modp2048,
        Self::Modp3072,
        Self::Modp4096,
        Self::Modp6144,
        Self::Modp8192,
        Self::Ecp256,
        Self::Ecp384,
        Self::Ecp521,
        Self::Modp1024s160,
        Self::Modp2048s224,
        Self::Modp2048s256,
        Self::X25519,
        Self::MlKem512,
        Self::MlKem768,
        Self::MlKem1024,
    ];

    /// Its number in the registry.
    #[must_use]
    pub const fn id(self) -> GroupId {
        match self {
            Self::Modp768 => GroupId::MODP_768,
            Self::Modp1024 => GroupId::MODP_1024,
            Self::Modp1536 => GroupId::MODP_1536,
            Self::Modp2048 => GroupId::MODP_2048,
            Self::Modp3072 => GroupId::MODP_3072,
            Self::Modp4096 => GroupId::MODP_4096,
            Self::Modp6144 => GroupId::MODP_6144,
            Self::Modp8192 => GroupId::MODP_8192,
            Self::Ecp256 => GroupId::ECP_256,
            Self::Ecp384 => GroupId::ECP_384,
            Self::Ecp521 => GroupId::ECP_521,
            Self::Modp1024s160 => GroupId::MODP_1024_160,
            Self::Modp2048s224 => GroupId::MODP_2048_224,
            Self::Modp2048s256 => GroupId::MODP_2048_256,
            Self::X25519 => GroupId::CURVE25519,
            Self::MlKem512 => GroupId::ML_KEM_512,
            Self::MlKem768 => GroupId::ML_KEM_768,
            Self::MlKem1024 => GroupId::ML_KEM_1024,
        }
    }

    /// The group of a number, if it is one that is known here.
    #[must_use]
    pub fn from_id(id: GroupId) -> Option<Self> {
        Self::ALL.into_iter().find(|group| group.id() == id)
    }

    /// Whether it is a key encapsulation mechanism rather than Diffie-Hellman.
    #[must_use]
    pub const fn is_kem(self) -> bool {
        matches!(self, Self::MlKem512 | Self::MlKem768 | Self::MlKem1024)
    }

    /// Octets of the initiator's public value.
    #[must_use]
    pub const fn public_len(self) -> usize {
        match self {
            Self::Modp768 => 96,
            Self::Modp1024 | Self::Modp1024s160 => 128,
            Self::Modp1536 => 192,
            Self::Modp2048 | Self::Modp2048s224 | Self::Modp2048s256 => 256,
            Self::Modp3072 => 384,
            Self::Modp4096 => 512,
            Self::Modp6144 => 768,
            Self::Modp8192 => 1024,
            // RFC 5903 7: both coordinates, each padded to the size of the field.
            Self::Ecp256 => 64,
            Self::Ecp384 => 96,
            Self::Ecp521 => 132,
            Self::X25519 => 32,
            Self::MlKem512 => Kem::MlKem512.key_len(),
            Self::MlKem768 => Kem::MlKem768.key_len(),
            Self::MlKem1024 => Kem::MlKem1024.key_len(),
        }
    }

    /// Octets of the responder's public value.
    #[must_use]
    pub const fn answer_len(self) -> usize {
        match self.kind() {
            Kind::Modp(_) | Kind::Curve(_) => self.public_len(),
            Kind::Kem(kem) => kem.ciphertext_len(),
        }
    }

    /// Draws a private value, as the exchange's initiator.
    #[must_use]
    pub fn generate(self, entropy: &mut dyn Entropy) -> KeyPair {
        let (public, private) = match self.kind() {
            Kind::Modp(modulus) => {
                let (public, exponent) = modp::generate(modulus, entropy);
                (public, Private::Modp(modulus, exponent))
            }
            Kind::Curve(curve) => {
                let (public, key) = ecdh::generate(curve, entropy);
                (public, Private::Curve(curve, key))
            }
            Kind::Kem(kem) => {
                let (public, key) = mlkem::generate(kem);
                (public, Private::Kem(key))
            }
        };
        KeyPair { group: self, public, private }
    }

    /// The responder's half of an exchange whose initiator sent `peer`, which [`KeyPair::agree`] has to be told again.
    ///
    /// # Errors
    /// [`KeyExchangeError`] if the peer's value must not be used, as far as that shows already.
    pub fn answer(self, peer: &[u8], entropy: &mut dyn Entropy) -> Result<KeyPair, KeyExchangeError> {
        let (group, expected, found) = (self, self.public_len(), peer.len());
        if found != expected {
            return Err(KeyExchangeError::Length { group, expected, found });
        }
        match self.kind() {
            Kind::Modp(_) | Kind::Curve(_) => Ok(self.generate(entropy)),
            Kind::Kem(kem) => {
                let (public, secret) = mlkem::encapsulate(kem, peer).ok_or(KeyExchangeError::Element(group))?;
                Ok(KeyPair { group, public, private: Private::Agreed(secret) })
            }
        }
    }

    const fn kind(self) -> Kind {
        match self {
            Self::Modp768 => Kind::Modp(Modulus::Bits768),
            Self::Modp1024 => Kind::Modp(Modulus::Bits1024),
            Self::Modp1536 => Kind::Modp(Modulus::Bits1536),
            Self::Modp2048 => Kind::Modp(Modulus::Bits2048),
            Self::Modp3072 => Kind::Modp(Modulus::Bits3072),
            Self::Modp4096 => Kind::Modp(Modulus::Bits4096),
            Self::Modp6144 => Kind::Modp(Modulus::Bits6144),
            Self::Modp8192 => Kind::Modp(Modulus::Bits8192),
            Self::Modp1024s160 => Kind::Modp(Modulus::Bits1024Order160),
            Self::Modp2048s224 => Kind::Modp(Modulus::Bits2048Order224),
            Self::Modp2048s256 => Kind::Modp(Modulus::Bits2048Order256),
            Self::Ecp256 => Kind::Curve(Curve::P256),
            Self::Ecp384 => Kind::Curve(Curve::P384),
            Self::Ecp521 => Kind::Curve(Curve::P521),
            Self::X25519 => Kind::Curve(Curve::X25519),
            Self::MlKem512 => Kind::Kem(Kem::MlKem512),
            Self::MlKem768 => Kind::Kem(Kem::MlKem768),
            Self::MlKem1024 => Kind::Kem(Kem::MlKem1024),
        }
    }
}

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Modp768 => "modp768",
            Self::Modp1024 => "modp1024",
            Self::Modp1536 => "modp1536",
            Self::Modp2048 => "modp2048",
            Self::Modp3072 => "modp3072",
            Self::Modp4096 => "modp4096",
            Self::Modp6144 => "modp6144",
            Self::Modp8192 => "modp8192",
            Self::Modp1024s160 => "modp1024s160",
            Self::Modp2048s224 => "modp2048s224",
            Self::Modp2048s256 => "modp2048s256",
            Self::Ecp256 => "ecp256",
            Self::Ecp384 => "ecp384",
            Self::Ecp521 => "ecp521",
            Self::X25519 => "x25519",
            Self::MlKem512 => "mlkem512",
            Self::MlKem768 => "mlkem768",
            Self::MlKem1024 => "mlkem1024",
        })
    }
}

impl KeyPair {
    /// The group.
    #[must_use]
    pub const fn group(&self) -> Group {
        self.group
    }

    /// Our public value, as the KE payload carries it.
    #[must_use]
    pub fn public(&self) -> &[u8] {
        &self.public
    }

    /// Computes the shared secret: g^ir, padded to the length its group prescribes, or what the KEM yields.
    ///
    /// # Errors
    /// [`KeyExchangeError`] if the peer's value must not be used.
    pub fn agree(self, peer: &[u8]) -> Result<Secret, KeyExchangeError> {
        let expected = match self.private {
            Private::Kem(_) => self.group.answer_len(),
            Private::Modp(..) | Private::Curve(..) | Private::Agreed(_) => self.group.public_len(),
        };
        let (group, found) = (self.group, peer.len());
        if found != expected {
            return Err(KeyExchangeError::Length { group, expected, found });
        }
        match &self.private {
            Private::Agreed(secret) => Some(secret.clone()),
            Private::Kem(key) => mlkem::decapsulate(key, peer),
            Private::Modp(modulus, exponent) => modp::agree(*modulus, exponent, peer),
            Private::Curve(curve, key) => ecdh::agree(*curve, key, peer),
        }
        .ok_or(KeyExchangeError::Element(group))
    }
}

impl fmt::Debug for KeyPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyPair").field("group", &self.group).finish_non_exhaustive()
    }
}
