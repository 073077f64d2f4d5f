//! HMAC (RFC 2104) over each hash that IKE knows. MD5 is RustCrypto's, since aws-lc-rs leaves it out; the others are
//! aws-lc's.

use ::hmac::{Hmac, KeyInit, Mac};
use aws_lc_rs::hmac;
use md5::Md5;

use super::Prf;

/// A key, prepared.
pub(super) struct MacKey(Kind);

enum Kind {
    AwsLc(Box<hmac::Key>),
    Md5(Box<Hmac<Md5>>),
}

/// The keyed hash, not truncated.
#[derive(Clone, Copy)]
pub(super) struct Tag {
    octets: [u8; 64],
    len: usize,
}

impl MacKey {
    /// A key of any length.
    pub(super) fn new(hash: Prf, key: &[u8]) -> Self {
        let algorithm = match hash {
            Prf::HmacMd5 => {
                let key = Hmac::<Md5>::new_from_slice(key).expect("HMAC takes keys of any length");
                return Self(Kind::Md5(Box::new(key)));
            }
            Prf::HmacSha1 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
            Prf::HmacSha256 => hmac::HMAC_SHA256,
            Prf::HmacSha384 => hmac::HMAC_SHA384,
            Prf::HmacSha512 => hmac::HMAC_SHA512,
        };
        Self(Kind::AwsLc(Box::new(hmac::Key::new(algorithm, key))))
    }

    /// The keyed hash over the concatenation of `parts`.
    pub(super) fn sign(&self, parts: &[&[u8]]) -> Tag {
        match &self.0 {
            Kind::AwsLc(key) => {
                let mut context = hmac::Context::with_key(key);
                parts.iter().for_each(|part| context.update(part));
                Tag::new(context.sign().as_ref())
            }
            Kind::Md5(key) => {
                let mut context = (**key).clone();
                parts.iter().for_each(|part| context.update(part));
                Tag::new(&context.finalize().into_bytes())
            }
        }
    }
}

impl Tag {
    fn new(tag: &[u8]) -> Self {
        let mut octets = [0; 64];
        octets[..tag.len()].copy_from_slice(tag);
        Self { octets, len: tag.len() }
    }
}

impl AsRef<[u8]> for Tag {
    fn as_ref(&self) -> &[u8] {
        &self.octets[..self.len]
    }
}
