//! Algorithms as transforms, and back.

use crypto::{Group, GroupId, Prf};
use wire::ipsec::{Encryption, Integrity};

use super::code_points::{EncryptionId, EsnId, IntegrityId, PrfId, TransformType};
use super::proposal::{Attribute, Transform};

impl From<Encryption> for Transform {
    fn from(encryption: Encryption) -> Self {
        let (id, bits) = match encryption {
            Encryption::AesCbc(bits) => (EncryptionId::AES_CBC, Some(bits)),
            Encryption::AesGcm { bits, tag: 8 } => (EncryptionId::AES_GCM_8, Some(bits)),
            Encryption::AesGcm { bits, tag: 12 } => (EncryptionId::AES_GCM_12, Some(bits)),
            Encryption::AesGcm { bits, .. } => (EncryptionId::AES_GCM_16, Some(bits)),
            // RFC 7296 3.3.5: no key length where the algorithm knows only one.
            Encryption::ChaCha20Poly1305 => (EncryptionId::CHACHA20_POLY1305, None),
            Encryption::TripleDesCbc => (EncryptionId::TRIPLE_DES, None),
            Encryption::DesCbc => (EncryptionId::DES, None),
        };
        match bits {
            Some(bits) => Self::with_key_length(TransformType::ENCRYPTION, id.0, bits),
            None => Self::new(TransformType::ENCRYPTION, id.0),
        }
    }
}

impl From<Integrity> for Transform {
    fn from(integrity: Integrity) -> Self {
        let id = match integrity {
            Integrity::HmacMd5 => IntegrityId::HMAC_MD5_96,
            Integrity::HmacSha1 => IntegrityId::HMAC_SHA1_96,
            Integrity::HmacSha256 => IntegrityId::HMAC_SHA2_256_128,
            Integrity::HmacSha384 => IntegrityId::HMAC_SHA2_384_192,
            Integrity::HmacSha512 => IntegrityId::HMAC_SHA2_512_256,
        };
        Self::new(TransformType::INTEGRITY, id.0)
    }
}

impl From<Prf> for Transform {
    fn from(prf: Prf) -> Self {
        let id = match prf {
            Prf::HmacMd5 => PrfId::HMAC_MD5,
            Prf::HmacSha1 => PrfId::HMAC_SHA1,
            Prf::HmacSha256 => PrfId::HMAC_SHA2_256,
            Prf::HmacSha384 => PrfId::HMAC_SHA2_384,
            Prf::HmacSha512 => PrfId::HMAC_SHA2_512,
        };
        Self::new(TransformType::PRF, id.0)
    }
}

impl From<Group> for Transform {
    fn from(group: Group) -> Self {
        Self::new(TransformType::GROUP, group.id().0)
    }
}

impl Transform {
    /// The additional key exchange in a place, 0 for the first: by a method, or none.
    #[must_use]
    pub fn additional(place: usize, group: Option<Group>) -> Self {
        Self::new(TransformType::additional(place), group.map_or(GroupId::NONE, Group::id).0)
    }

    /// Whether extended sequence numbers are used.
    #[must_use]
    pub const fn esn(used: bool) -> Self {
        Self::new(TransformType::ESN, if used { EsnId::ESN.0 } else { EsnId::NO_ESN.0 })
    }

    /// The cipher, if this is one that is known here.
    #[must_use]
    pub fn encryption(&self) -> Option<Encryption> {
        if self.kind != TransformType::ENCRYPTION {
            return None;
        }
        let bits = match self.attributes.as_slice() {
            [] => None,
            &[Attribute::KeyLength(bits @ (128 | 192 | 256))] => Some(bits),
            [_, ..] => return None,
        };
        match (EncryptionId(self.id), bits) {
            (EncryptionId::AES_CBC, Some(bits)) => Some(Encryption::AesCbc(bits)),
            (EncryptionId::AES_GCM_8, Some(bits)) => Some(Encryption::AesGcm { bits, tag: 8 }),
            (EncryptionId::AES_GCM_12, Some(bits)) => Some(Encryption::AesGcm { bits, tag: 12 }),
            (EncryptionId::AES_GCM_16, Some(bits)) => Some(Encryption::gcm16(bits)),
            (EncryptionId::CHACHA20_POLY1305, None) => Some(Encryption::ChaCha20Poly1305),
            (EncryptionId::TRIPLE_DES, None) => Some(Encryption::TripleDesCbc),
            (EncryptionId::DES, None) => Some(Encryption::DesCbc),
            _ => None,
        }
    }

    /// The integrity algorithm, if this is one that is known here.
    #[must_use]
    pub fn integrity(&self) -> Option<Integrity> {
        match IntegrityId(self.plain(TransformType::INTEGRITY)?) {
            IntegrityId::HMAC_MD5_96 => Some(Integrity::HmacMd5),
            IntegrityId::HMAC_SHA1_96 => Some(Integrity::HmacSha1),
            IntegrityId::HMAC_SHA2_256_128 => Some(Integrity::HmacSha256),
            IntegrityId::HMAC_SHA2_384_192 => Some(Integrity::HmacSha384),
            IntegrityId::HMAC_SHA2_512_256 => Some(Integrity::HmacSha512),
            _ => None,
        }
    }

    /// The pseudo-random function, if this is one that is known here.
    #[must_use]
    pub fn prf(&self) -> Option<Prf> {
        match PrfId(self.plain(TransformType::PRF)?) {
            PrfId::HMAC_MD5 => Some(Prf::HmacMd5),
            PrfId::HMAC_SHA1 => Some(Prf::HmacSha1),
            PrfId::HMAC_SHA2_256 => Some(Prf::HmacSha256),
            PrfId::HMAC_SHA2_384 => Some(Prf::HmacSha384),
            PrfId::HMAC_SHA2_512 => Some(Prf::HmacSha512),
            _ => None,
        }
    }

    /// The Diffie-Hellman group, if this is one that is known here.
    #[must_use]
    pub fn group(&self) -> Option<Group> {
        Group::from_id(GroupId(self.plain(TransformType::GROUP)?))
    }

    /// The place of an additional key exchange and its method, if this is one by a method that is known here.
    #[must_use]
    pub fn additional_key_exchange(&self) -> Option<(usize, Group)> {
        Some((self.kind.place()?, Group::from_id(GroupId(self.plain(self.kind)?))?))
    }

    /// The number of a transform of `kind` that carries no attributes.
    fn plain(&self, kind: TransformType) -> Option<u16> {
        (self.kind == kind && self.attributes.is_empty()).then_some(self.id)
    }
}
