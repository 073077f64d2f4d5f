//! Protection of IKE messages (RFC 7296 3.14, RFC 5282, RFC 7383 2.5).
//!
//! ```text
//!  header ... generic header [fragment number, total] | IV | ciphertext of (payloads, padding, pad length) | ICV
//!  '------------ AEAD: associated data -------------'        '---------- AEAD: encrypted -----------------'
//!  '------------------------ CBC + HMAC: what the ICV covers ------------------------------------------'
//! ```

use std::fmt;

use aws_lc_rs::constant_time;
use wire::ipsec::{Encryption, Integrity};
use wire::{Entropy, Secret};

use super::aead::{self, AeadKey};
use super::cbc::CbcKey;
use super::mac::MacKey;

/// Why a protected message is not accepted. It is then as if it had not been received.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// No room for an initialisation vector, one block and the integrity check value.
    #[error("an encrypted payload of {0} octets is too short")]
    TooShort(usize),
    /// It was not made with our keys, or was changed on its way.
    #[error("the integrity check failed")]
    NotAuthentic,
    /// It is authentic, but its padding is longer than its content.
    #[error("the padding is longer than the content")]
    Padding,
}

/// One direction of an IKE SA.
pub struct SkCipher(Kind);

enum Kind {
    Aead(Aead),
    Cbc(Box<Cbc>),
}

impl SkCipher {
    /// A cipher with the keys of one end.
    ///
    /// # Panics
    /// Where the keys have not the lengths of the algorithms, or a cipher comes without its integrity
    /// algorithm.
    #[must_use]
    pub(super) fn new(encryption: Encryption, integrity: Option<Integrity>, sk_e: &Secret, sk_a: &Secret) -> Self {
        Self(match AeadKey::new(encryption, sk_e.expose()) {
            Some(key) => Kind::Aead(Aead { key, next_iv: 0 }),
            None => {
                let integrity = integrity.expect("a cipher that is no AEAD has an integrity algorithm");
                Kind::Cbc(Box::new(Cbc::new(encryption, sk_e, integrity, sk_a)))
            }
        })
    }

    /// Octets that `plaintext` octets take when sealed, from the initialisation vector to the check value.
    #[must_use]
    pub const fn sealed_len(&self, plaintext: usize) -> usize {
        match &self.0 {
            Kind::Aead(aead) => aead::IV_LEN + plaintext + 1 + aead.key.tag_len(),
            Kind::Cbc(cbc) => cbc.block + (plaintext + 1).next_multiple_of(cbc.block) + cbc.icv_len,
        }
    }

    /// The longest plaintext whose sealed form fits `room` octets.
    #[must_use]
    pub const fn plaintext_room(&self, room: usize) -> usize {
        match &self.0 {
            Kind::Aead(aead) => room.saturating_sub(aead::IV_LEN + 1 + aead.key.tag_len()),
            Kind::Cbc(cbc) => {
                let blocks = room.saturating_sub(cbc.block + cbc.icv_len) / cbc.block;
                (blocks * cbc.block).saturating_sub(1)
            }
        }
    }

    /// Appends `plaintext`, sealed, to `message`: all of the message that precedes the initialisation vector,
    /// with lengths that count [`Self::sealed_len`] octets to come.
    pub fn seal(&mut self, message: &mut Vec<u8>, plaintext: &[u8], entropy: &mut dyn Entropy) {
        message.reserve(self.sealed_len(plaintext.len()));
        match &mut self.0 {
            Kind::Aead(aead) => aead.seal(message, plaintext),
            Kind::Cbc(cbc) => cbc.seal(message, plaintext, entropy),
        }
    }

    /// Opens the encrypted payload of `message`, a whole datagram, whose initialisation vector is at `iv_at`.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(&self, message: &[u8], iv_at: usize) -> Result<Vec<u8>, OpenError> {
        let sealed = message.len().saturating_sub(iv_at);
        if sealed < self.sealed_len(0) {
            return Err(OpenError::TooShort(sealed));
        }
        let mut content = match &self.0 {
            Kind::Aead(aead) => aead.open(message, iv_at)?,
            Kind::Cbc(cbc) => cbc.open(message, iv_at)?,
        };
        let padding = content.pop().map_or(0, usize::from);
        let len = content.len().checked_sub(padding).ok_or(OpenError::Padding)?;
        content.truncate(len);
        Ok(content)
    }
}

impl fmt::Debug for SkCipher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.0 {
            Kind::Aead(_) => "SkCipher(AEAD)",
            Kind::Cbc(_) => "SkCipher(CBC)",
        })
    }
}

/// An AEAD with a counter as initialisation vector.
struct Aead {
    key: AeadKey,
    next_iv: u64,
}

impl Aead {
    fn seal(&mut self, message: &mut Vec<u8>, plaintext: &[u8]) {
        // RFC 5282 3.1: an IV must not repeat under one key; a counter does not.
        let iv = self.next_iv.to_be_bytes();
        self.next_iv += 1;
        message.extend_from_slice(&iv);
        let content_at = message.len();
        message.extend_from_slice(plaintext);
        // RFC 5282 3: no padding is needed; the pad length says so.
        message.push(0);
        let (head, content) = message.split_at_mut(content_at);
        let tag = self.key.seal(iv, &head[..content_at - aead::IV_LEN], content);
        message.extend_from_slice(&tag[..self.key.tag_len()]);
    }

    fn open(&self, message: &[u8], iv_at: usize) -> Result<Vec<u8>, OpenError> {
        let (associated, sealed) = message.split_at(iv_at);
        let (iv, sealed) = sealed.split_first_chunk().expect("as long as the empty message at least");
        self.key.open(*iv, associated, sealed).ok_or(OpenError::NotAuthentic)
    }
}

/// A block cipher in CBC mode, then HMAC over everything.
struct Cbc {
    cipher: CbcKey,
    mac: MacKey,
    /// Of the cipher; its initialisation vector is as long.
    block: usize,
    icv_len: usize,
}

impl Cbc {
    fn new(encryption: Encryption, sk_e: &Secret, integrity: Integrity, sk_a: &Secret) -> Self {
        Self {
            cipher: CbcKey::new(encryption, sk_e.expose()).expect("SK_e has the length of its cipher"),
            mac: MacKey::new(integrity.into(), sk_a.expose()),
            block: encryption.block_len(),
            icv_len: integrity.icv_len(),
        }
    }

    fn seal(&self, message: &mut Vec<u8>, plaintext: &[u8], entropy: &mut dyn Entropy) {
        let iv_at = message.len();
        let content_at = iv_at + self.block;
        message.resize(content_at, 0);
        // RFC 7296 3.14: the IV is unpredictable.
        entropy.fill(&mut message[iv_at..]);
        message.extend_from_slice(plaintext);
        let padding = (plaintext.len() + 1).next_multiple_of(self.block) - plaintext.len() - 1;
        message.resize(message.len() + padding, 0);
        message.push(u8::try_from(padding).expect("less than a block"));
        let (head, content) = message.split_at_mut(content_at);
        self.cipher.encrypt(&head[iv_at..], content).expect("the content is a multiple of the block");
        let icv = self.mac.sign(&[message]);
        message.extend_from_slice(&icv.as_ref()[..self.icv_len]);
    }

    fn open(&self, message: &[u8], iv_at: usize) -> Result<Vec<u8>, OpenError> {
        // RFC 7296 3.14: authenticity is checked first; only what is authentic is decrypted.
        let (covered, icv) = message.split_at(message.len() - self.icv_len);
        let expected = self.mac.sign(&[covered]);
        constant_time::verify_slices_are_equal(&expected.as_ref()[..self.icv_len], icv)
            .map_err(|_| OpenError::NotAuthentic)?;
        let (iv, ciphertext) = covered[iv_at..].split_at(self.block);
        let mut content = ciphertext.to_vec();
        // A peer with our keys that does not fill its blocks: nothing that could be opened.
        self.cipher.decrypt(iv, &mut content).ok_or(OpenError::Padding)?;
        Ok(content)
    }
}
