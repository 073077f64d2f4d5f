//! Protection of IKE messages (RFC 7296 3.14, RFC 5282, RFC 7383 2.5).
//!
//! ```text
//!  header ... generic header [fragment number, total] | IV | ciphertext of (payloads, padding, pad length) | ICV
//!  '------------- GCM: associated data -------------'        '----------- GCM: encrypted ----------------'
//!  '------------------------ CBC + HMAC: what the ICV covers ------------------------------------------'
//! ```

use std::fmt;

use aws_lc_rs::aead::{self, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::cipher::{self, DecryptingKey, DecryptionContext, EncryptingKey, EncryptionContext, UnboundCipherKey};
use aws_lc_rs::iv::FixedLength;
use aws_lc_rs::{constant_time, hmac};
use wire::ipsec::{Encryption, Integrity};
use wire::{Entropy, Secret};

use super::prf::sign;

const GCM_SALT_LEN: usize = 4;
const GCM_IV_LEN: usize = 8;
const GCM_TAG_LEN: usize = 16;
const CBC_IV_LEN: usize = 16;
const BLOCK: usize = 16;

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
    Gcm(Gcm),
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
        Self(match encryption {
            Encryption::AesGcm16(bits) => Kind::Gcm(Gcm::new(gcm(bits), sk_e)),
            Encryption::AesCbc(bits) => {
                let integrity = integrity.expect("a cipher that is no AEAD has an integrity algorithm");
                Kind::Cbc(Box::new(Cbc::new(cbc(bits), sk_e, integrity, sk_a)))
            }
        })
    }

    /// Octets that `plaintext` octets take when sealed, from the initialisation vector to the check value.
    #[must_use]
    pub const fn sealed_len(&self, plaintext: usize) -> usize {
        match &self.0 {
            Kind::Gcm(_) => GCM_IV_LEN + plaintext + 1 + GCM_TAG_LEN,
            Kind::Cbc(cbc) => CBC_IV_LEN + (plaintext + 1).next_multiple_of(BLOCK) + cbc.icv_len,
        }
    }

    /// The longest plaintext whose sealed form fits `room` octets.
    #[must_use]
    pub const fn plaintext_room(&self, room: usize) -> usize {
        match &self.0 {
            Kind::Gcm(_) => room.saturating_sub(GCM_IV_LEN + 1 + GCM_TAG_LEN),
            Kind::Cbc(cbc) => {
                let blocks = room.saturating_sub(CBC_IV_LEN + cbc.icv_len) / BLOCK;
                (blocks * BLOCK).saturating_sub(1)
            }
        }
    }

    /// Appends `plaintext`, sealed, to `message`: all of the message that precedes the initialisation vector,
    /// with lengths that count [`Self::sealed_len`] octets to come.
    pub fn seal(&mut self, message: &mut Vec<u8>, plaintext: &[u8], entropy: &mut dyn Entropy) {
        message.reserve(self.sealed_len(plaintext.len()));
        match &mut self.0 {
            Kind::Gcm(gcm) => gcm.seal(message, plaintext),
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
            Kind::Gcm(gcm) => gcm.open(message, iv_at)?,
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
            Kind::Gcm(_) => "SkCipher(GCM)",
            Kind::Cbc(_) => "SkCipher(CBC)",
        })
    }
}

/// AES-GCM with a counter as initialisation vector.
struct Gcm {
    key: LessSafeKey,
    salt: [u8; GCM_SALT_LEN],
    next_iv: u64,
}

impl Gcm {
    fn new(algorithm: &'static aead::Algorithm, sk_e: &Secret) -> Self {
        let (key, salt) = sk_e.expose().split_at(sk_e.len() - GCM_SALT_LEN);
        let key = UnboundKey::new(algorithm, key).expect("SK_e has the length of its cipher");
        let salt = salt.try_into().expect("split at the salt's length");
        Self { key: LessSafeKey::new(key), salt, next_iv: 0 }
    }

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
        let associated = Aad::from(&head[..content_at - GCM_IV_LEN]);
        let tag = self
            .key
            .seal_in_place_separate_tag(nonce(self.salt, iv), associated, content)
            .expect("an IKE message is below the limits of GCM");
        message.extend_from_slice(tag.as_ref());
    }

    fn open(&self, message: &[u8], iv_at: usize) -> Result<Vec<u8>, OpenError> {
        let (associated, sealed) = message.split_at(iv_at);
        let (iv, sealed) = sealed.split_first_chunk().expect("as long as the empty message at least");
        let mut content = sealed.to_vec();
        let len = self
            .key
            .open_in_place(nonce(self.salt, *iv), Aad::from(associated), &mut content)
            .map_err(|_| OpenError::NotAuthentic)?
            .len();
        content.truncate(len);
        Ok(content)
    }
}

/// AES-CBC, then HMAC over everything.
struct Cbc {
    encrypt: EncryptingKey,
    decrypt: DecryptingKey,
    mac: hmac::Key,
    icv_len: usize,
}

impl Cbc {
    fn new(algorithm: &'static cipher::Algorithm, sk_e: &Secret, integrity: Integrity, sk_a: &Secret) -> Self {
        let key = || UnboundCipherKey::new(algorithm, sk_e.expose()).expect("SK_e has the length of its cipher");
        Self {
            encrypt: EncryptingKey::cbc(key()).expect("AES has a CBC mode"),
            decrypt: DecryptingKey::cbc(key()).expect("AES has a CBC mode"),
            mac: hmac::Key::new(mac(integrity), sk_a.expose()),
            icv_len: integrity.icv_len(),
        }
    }

    fn seal(&self, message: &mut Vec<u8>, plaintext: &[u8], entropy: &mut dyn Entropy) {
        // RFC 7296 3.14: the IV is unpredictable.
        let mut iv = [0; CBC_IV_LEN];
        entropy.fill(&mut iv);
        message.extend_from_slice(&iv);
        let content_at = message.len();
        message.extend_from_slice(plaintext);
        let padding = (plaintext.len() + 1).next_multiple_of(BLOCK) - plaintext.len() - 1;
        message.resize(message.len() + padding, 0);
        message.push(u8::try_from(padding).expect("less than a block"));
        let context = EncryptionContext::Iv128(FixedLength::from(iv));
        self.encrypt
            .less_safe_encrypt(&mut message[content_at..], context)
            .expect("the content is a multiple of the block");
        let icv = sign(&self.mac, &[message]);
        message.extend_from_slice(&icv.as_ref()[..self.icv_len]);
    }

    fn open(&self, message: &[u8], iv_at: usize) -> Result<Vec<u8>, OpenError> {
        // RFC 7296 3.14: authenticity is checked first; only what is authentic is decrypted.
        let (covered, icv) = message.split_at(message.len() - self.icv_len);
        let expected = sign(&self.mac, &[covered]);
        constant_time::verify_slices_are_equal(&expected.as_ref()[..self.icv_len], icv)
            .map_err(|_| OpenError::NotAuthentic)?;
        let (iv, ciphertext) = covered[iv_at..].split_first_chunk().expect("longer than the empty message");
        let mut content = ciphertext.to_vec();
        let context = DecryptionContext::Iv128(FixedLength::from(*iv));
        // A peer with our keys that does not fill its blocks: nothing that could be opened.
        self.decrypt.decrypt(&mut content, context).map_err(|_| OpenError::Padding)?;
        Ok(content)
    }
}

/// RFC 5282 4: four octets of salt, eight of IV.
fn nonce(salt: [u8; GCM_SALT_LEN], iv: [u8; GCM_IV_LEN]) -> Nonce {
    let mut nonce = [0; GCM_SALT_LEN + GCM_IV_LEN];
    nonce[..GCM_SALT_LEN].copy_from_slice(&salt);
    nonce[GCM_SALT_LEN..].copy_from_slice(&iv);
    Nonce::assume_unique_for_key(nonce)
}

fn gcm(bits: u16) -> &'static aead::Algorithm {
    match bits {
        128 => &aead::AES_128_GCM,
        192 => &aead::AES_192_GCM,
        _ => &aead::AES_256_GCM,
    }
}

fn cbc(bits: u16) -> &'static cipher::Algorithm {
    match bits {
        128 => &cipher::AES_128,
        192 => &cipher::AES_192,
        _ => &cipher::AES_256,
    }
}

fn mac(integrity: Integrity) -> hmac::Algorithm {
    match integrity {
        Integrity::HmacSha1 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
        Integrity::HmacSha256 => hmac::HMAC_SHA256,
        Integrity::HmacSha384 => hmac::HMAC_SHA384,
        Integrity::HmacSha512 => hmac::HMAC_SHA512,
    }
}
