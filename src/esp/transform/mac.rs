//! HMAC over the packet and the high sequence bits that are not on the wire. MD5 is RustCrypto's (RFC 2403), the others
//! are aws-lc's (RFC 2404, RFC 4868).

use ::hmac::{Hmac, KeyInit, Mac as _};
use aws_lc_rs::hmac;
use md5::Md5;
use subtle::ConstantTimeEq;
use wire::ipsec::Integrity;

/// A key, prepared.
pub(crate) enum Mac {
    AwsLc(Box<hmac::Key>),
    Md5(Box<Hmac<Md5>>),
}

/// An integrity check value before truncation.
pub(super) enum Tag {
    AwsLc(hmac::Tag),
    Md5([u8; 16]),
}

impl Mac {
    pub(super) fn new(integrity: Integrity, key: &[u8]) -> Self {
        let algorithm = match integrity {
            Integrity::HmacMd5 => {
                return Self::Md5(Box::new(Hmac::new_from_slice(key).expect("HMAC takes keys of any length")));
            }
            Integrity::HmacSha1 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
            Integrity::HmacSha256 => hmac::HMAC_SHA256,
            Integrity::HmacSha384 => hmac::HMAC_SHA384,
            Integrity::HmacSha512 => hmac::HMAC_SHA512,
        };
        Self::AwsLc(Box::new(hmac::Key::new(algorithm, key)))
    }

    pub(super) fn sign(&self, body: &[u8], sequence: u64, esn: bool) -> Tag {
        let high = sequence.to_be_bytes();
        // RFC 4303 2.2.1: the high bits are authenticated behind the packet, though not sent.
        let high = if esn { &high[..4] } else { &[] };
        match self {
            Self::AwsLc(key) => {
                let mut context = hmac::Context::with_key(key);
                context.update(body);
                context.update(high);
                Tag::AwsLc(context.sign())
            }
            Self::Md5(key) => {
                let mut context = (**key).clone();
                context.update(body);
                context.update(high);
                Tag::Md5(context.finalize().into_bytes().into())
            }
        }
    }
}

impl Tag {
    /// Whether `icv` is this value, truncated. Takes the same time wherever they differ.
    pub(super) fn begins_with(&self, icv: &[u8]) -> bool {
        self.as_ref().get(..icv.len()).is_some_and(|tag| tag.ct_eq(icv).into())
    }
}

impl AsRef<[u8]> for Tag {
    fn as_ref(&self) -> &[u8] {
        match self {
            Self::AwsLc(tag) => tag.as_ref(),
            Self::Md5(tag) => tag,
        }
    }
}
