//! Pseudo-random functions, and `prf+` (RFC 7296 2.13).

use std::fmt;

use wire::Secret;
use wire::ipsec::Integrity;

use super::mac::MacKey;

/// A pseudo-random function: HMAC with a hash, not truncated (RFC 2104, RFC 4868).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Prf {
    /// `PRF_HMAC_MD5`.
    HmacMd5,
    /// `PRF_HMAC_SHA1`.
    HmacSha1,
    /// `PRF_HMAC_SHA2_256`.
    HmacSha256,
    /// `PRF_HMAC_SHA2_384`.
    HmacSha384,
    /// `PRF_HMAC_SHA2_512`.
    HmacSha512,
}

impl Prf {
    /// All, the strongest last.
    pub const ALL: [Self; 5] = [Self::HmacMd5, Self::HmacSha1, Self::HmacSha256, Self::HmacSha384, Self::HmacSha512];

    /// Octets it yields, which is also the length of key it prefers (RFC 7296 2.13).
    #[must_use]
    pub const fn output_len(self) -> usize {
        match self {
            Self::HmacMd5 => 16,
            Self::HmacSha1 => 20,
            Self::HmacSha256 => 32,
            Self::HmacSha384 => 48,
            Self::HmacSha512 => 64,
        }
    }

    /// The function over the concatenation of `parts`.
    #[must_use]
    pub fn mac(self, key: &[u8], parts: &[&[u8]]) -> Secret {
        Secret::from(self.key(key).sign(parts).as_ref())
    }

    /// `prf+`: `len` octets out of the concatenation of `seed`.
    ///
    /// # Panics
    /// Where `len` is more than 255 times [`Self::output_len`]; no suite needs as much.
    #[must_use]
    pub fn plus(self, key: &Secret, seed: &[&[u8]], len: usize) -> Secret {
        // RFC 7296 2.13: prf+ is not defined beyond 255 times the size of the prf output.
        assert!(len <= 255 * self.output_len(), "prf+ asked for {len} octets");
        let key = self.key(key.expose());
        let mut stream = Vec::with_capacity(len.next_multiple_of(self.output_len()));
        let mut counter: u8 = 1;
        while stream.len() < len {
            // RFC 7296 2.13: T1 = prf (K, S | 0x01), T2 = prf (K, T1 | S | 0x02), ...
            let previous = stream.len().saturating_sub(self.output_len());
            let number = [counter];
            let parts: Vec<&[u8]> =
                [&stream[previous..]].into_iter().chain(seed.iter().copied()).chain([&number[..]]).collect();
            let block = key.sign(&parts);
            stream.extend_from_slice(block.as_ref());
            counter = counter.wrapping_add(1);
        }
        stream.truncate(len);
        Secret::new(stream)
    }

    fn key(self, key: &[u8]) -> MacKey {
        MacKey::new(self, key)
    }
}

/// The function of the same hash.
impl From<Integrity> for Prf {
    fn from(integrity: Integrity) -> Self {
        match integrity {
            Integrity::HmacMd5 => Self::HmacMd5,
            Integrity::HmacSha1 => Self::HmacSha1,
            Integrity::HmacSha256 => Self::HmacSha256,
            Integrity::HmacSha384 => Self::HmacSha384,
            Integrity::HmacSha512 => Self::HmacSha512,
        }
    }
}

impl fmt::Display for Prf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::HmacMd5 => "prfmd5",
            Self::HmacSha1 => "prfsha1",
            Self::HmacSha256 => "prfsha256",
            Self::HmacSha384 => "prfsha384",
            Self::HmacSha512 => "prfsha512",
        })
    }
}
