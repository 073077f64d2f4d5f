//! Ciphers that authenticate: AES-GCM with tags of 8, 12 and 16 octets (RFC 5282), ChaCha20-Poly1305 (RFC 7634).
//!
//! The library verifies whole tags only. A shortened one is verified by making it again: in a stream cipher sealing and
//! opening are the same step, so the text is opened by sealing, sealed once more, and the tag of that second pass is
//! the one the sender had. Nothing of the text is returned unless the tags are equal.
//!
//! ```text
//!  ciphertext --seal--> plaintext (tag thrown away) --seal--> ciphertext, tag --compare--> plaintext, or nothing
//! ```

use aws_lc_rs::aead::{AES_128_GCM, AES_192_GCM, AES_256_GCM, Aad, Algorithm, CHACHA20_POLY1305};
use aws_lc_rs::aead::{LessSafeKey, Nonce, Tag, UnboundKey};
use aws_lc_rs::constant_time;
use wire::ipsec::Encryption;
use zeroize::Zeroize;

/// Octets of initialisation vector on the wire.
pub(super) const IV_LEN: usize = 8;
const SALT_LEN: usize = 4;
const FULL_TAG_LEN: usize = 16;

/// A key with its salt.
pub(super) struct AeadKey {
    key: LessSafeKey,
    salt: [u8; SALT_LEN],
    tag_len: usize,
}

impl AeadKey {
    /// `None` if the cipher does not authenticate.
    ///
    /// # Panics
    /// Where the key material has not the length of the cipher.
    pub(super) fn new(encryption: Encryption, material: &[u8]) -> Option<Self> {
        let algorithm = algorithm(encryption)?;
        let (key, salt) = material.split_last_chunk().expect("key material ends with the salt");
        let key = UnboundKey::new(algorithm, key).expect("SK_e has the length of its cipher");
        Some(Self { key: LessSafeKey::new(key), salt: *salt, tag_len: encryption.tag_len() })
    }

    /// Octets of tag on the wire.
    pub(super) const fn tag_len(&self) -> usize {
        self.tag_len
    }

    /// Encrypts `text` where it lies and returns the whole tag, of which [`Self::tag_len`] octets are sent.
    pub(super) fn seal(&self, iv: [u8; IV_LEN], associated: &[u8], text: &mut [u8]) -> [u8; FULL_TAG_LEN] {
        let tag = self.pass(iv, associated, text);
        let mut octets = [0; FULL_TAG_LEN];
        octets.copy_from_slice(tag.as_ref());
        octets
    }

    /// The plaintext of `sealed`, ciphertext and tag; `None` if it is not authentic.
    pub(super) fn open(&self, iv: [u8; IV_LEN], associated: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
        if self.tag_len == FULL_TAG_LEN {
            let mut text = sealed.to_vec();
            let len = self.key.open_in_place(self.nonce(iv), Aad::from(associated), &mut text).ok()?.len();
            text.truncate(len);
            return Some(text);
        }
        let (ciphertext, tag) = sealed.split_at_checked(sealed.len().checked_sub(self.tag_len)?)?;
        let mut text = ciphertext.to_vec();
        let _meaningless: Tag = self.pass(iv, associated, &mut text);
        let mut again = text.clone();
        let expected = self.pass(iv, associated, &mut again);
        if constant_time::verify_slices_are_equal(&expected.as_ref()[..self.tag_len], tag).is_ok() {
            return Some(text);
        }
        text.zeroize();
        None
    }

    fn pass(&self, iv: [u8; IV_LEN], associated: &[u8], text: &mut [u8]) -> Tag {
        self.key
            .seal_in_place_separate_tag(self.nonce(iv), Aad::from(associated), text)
            .expect("an IKE message is below the limits of the cipher")
    }

    /// RFC 5282 4: four octets of salt, eight of IV.
    fn nonce(&self, iv: [u8; IV_LEN]) -> Nonce {
        let mut nonce = [0; SALT_LEN + IV_LEN];
        nonce[..SALT_LEN].copy_from_slice(&self.salt);
        nonce[SALT_LEN..].copy_from_slice(&iv);
        Nonce::assume_unique_for_key(nonce)
    }
}

fn algorithm(encryption: Encryption) -> Option<&'static Algorithm> {
    match encryption {
        Encryption::AesGcm { bits: 128, .. } => Some(&AES_128_GCM),
        Encryption::AesGcm { bits: 192, .. } => Some(&AES_192_GCM),
        Encryption::AesGcm { .. } => Some(&AES_256_GCM),
        Encryption::ChaCha20Poly1305 => Some(&CHACHA20_POLY1305),
        Encryption::AesCbc(_) | Encryption::TripleDesCbc | Encryption::DesCbc => None,
    }
}
