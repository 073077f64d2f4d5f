//! AES-GCM with ICVs of 8, 12 and 16 octets (RFC 4106), ChaCha20-Poly1305 (RFC 7634).
//!
//! The library verifies whole tags only. A shortened one is verified by making it again: in a stream cipher sealing
//! and opening are the same step, so that sealing the ciphertext yields the plaintext, and sealing that in turn
//! yields the tag which the sender had. It costs a copy and a second pass, which is why 16 octets are to be preferred.
//!
//! ```text
//!  packet   ciphertext --seal--> plaintext -------------------------------> stays if the tags are equal
//!  scratch                           '--copy, seal--> ciphertext, tag ----> goes back into the packet if not
//! ```

use aws_lc_rs::aead::{self, AES_128_GCM, AES_192_GCM, AES_256_GCM, CHACHA20_POLY1305};
use aws_lc_rs::aead::{LessSafeKey, Nonce, Tag, UnboundKey};
use subtle::ConstantTimeEq;
use wire::ipsec::Encryption;

/// Octets of IV on the wire.
pub(super) const IV_LEN: usize = 8;
const FULL_TAG: usize = 16;

/// A key with its salt.
pub(crate) struct AeadKey {
    key: LessSafeKey,
    salt: [u8; 4],
}

impl AeadKey {
    /// `None` if the cipher is none of these, or `material` has not its length.
    pub(super) fn new(encryption: Encryption, material: &[u8]) -> Option<Self> {
        let algorithm = match encryption {
            Encryption::AesGcm { bits: 128, tag: 8 | 12 | 16 } => &AES_128_GCM,
            Encryption::AesGcm { bits: 192, tag: 8 | 12 | 16 } => &AES_192_GCM,
            Encryption::AesGcm { bits: 256, tag: 8 | 12 | 16 } => &AES_256_GCM,
            Encryption::ChaCha20Poly1305 => &CHACHA20_POLY1305,
            Encryption::AesGcm { .. } | Encryption::AesCbc(_) | Encryption::TripleDesCbc | Encryption::DesCbc => {
                return None;
            }
        };
        let (key, salt) = material.split_last_chunk()?;
        Some(Self { key: LessSafeKey::new(UnboundKey::new(algorithm, key).ok()?), salt: *salt })
    }

    /// Encrypts `text` where it lies; returns the whole tag.
    pub(super) fn seal(&self, iv: [u8; IV_LEN], aad: &[u8], text: &mut [u8]) -> Option<Tag> {
        self.key.seal_in_place_separate_tag(self.nonce(iv), aead::Aad::from(aad), text).ok()
    }

    /// Decrypts the text in front of the tag where it lies, if the first `tag_len` octets of the tag are right. If
    /// not, `text_and_tag` holds no plaintext.
    pub(super) fn open(
        &self,
        iv: [u8; IV_LEN],
        aad: &[u8],
        text_and_tag: &mut [u8],
        tag_len: usize,
        scratch: &mut Vec<u8>,
    ) -> Option<()> {
        if tag_len == FULL_TAG {
            return self.key.open_in_place(self.nonce(iv), aead::Aad::from(aad), text_and_tag).ok().map(drop);
        }
        let (text, tag) = text_and_tag.split_at_mut_checked(text_and_tag.len().checked_sub(tag_len)?)?;
        let _meaningless: Tag = self.seal(iv, aad, text)?;
        scratch.clear();
        scratch.extend_from_slice(text);
        let expected = self.seal(iv, aad, scratch);
        if expected.is_some_and(|expected| expected.as_ref()[..tag_len].ct_eq(tag).into()) {
            return Some(());
        }
        // The second pass has made ciphertext of the copy again: nothing that is not authentic stays readable.
        text.copy_from_slice(scratch);
        None
    }

    fn nonce(&self, iv: [u8; IV_LEN]) -> Nonce {
        let mut nonce = [0; 12];
        nonce[..4].copy_from_slice(&self.salt);
        nonce[4..].copy_from_slice(&iv);
        Nonce::assume_unique_for_key(nonce)
    }
}
