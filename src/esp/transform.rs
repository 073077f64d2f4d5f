//! The ciphers, applied to a whole ESP packet where it lies.

use aws_lc_rs::aead::{AES_128_GCM, AES_192_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::cipher::{
    self, AES_128, AES_192, AES_256, DecryptingKey, DecryptionContext, EncryptingKey, EncryptionContext,
    UnboundCipherKey,
};
use aws_lc_rs::hmac;
use aws_lc_rs::iv::FixedLength;
use subtle::ConstantTimeEq;
use wire::ipsec::{Encryption, EspSuite, Integrity, SaKeys};

use crate::{HEADER_LEN, KeyError};

const GCM_IV: usize = 8;
const GCM_TAG: usize = 16;
const CBC_IV: usize = 16;

/// Octets lengths of a suite's parts of the packet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Layout {
    pub(crate) iv: usize,
    pub(crate) block: usize,
    pub(crate) icv: usize,
    pub(crate) esn: bool,
}

impl Layout {
    pub(crate) const fn of(suite: EspSuite) -> Self {
        Self {
            iv: suite.encryption.iv_len(),
            block: suite.encryption.block_len(),
            icv: suite.icv_len(),
            esn: suite.esn,
        }
    }
}

/// Encrypts and authenticates.
pub(crate) enum Sealer {
    Gcm { key: LessSafeKey, salt: [u8; 4] },
    Cbc { key: Box<EncryptingKey>, mac: Box<Mac> },
}

/// Authenticates and decrypts.
pub(crate) enum Opener {
    Gcm { key: LessSafeKey, salt: [u8; 4] },
    Cbc { key: Box<DecryptingKey>, mac: Box<Mac> },
}

/// Authentication failed, or the cipher did.
#[derive(Debug)]
pub(crate) struct Failed;

impl Sealer {
    pub(crate) fn new(suite: EspSuite, keys: &SaKeys) -> Result<Self, KeyError> {
        Ok(match check(suite, keys)? {
            None => {
                let (key, salt) = gcm(suite.encryption, keys)?;
                Self::Gcm { key, salt }
            }
            Some(integrity) => {
                let key = cbc(suite.encryption, keys)?;
                let key = EncryptingKey::cbc(key).map_err(|_| KeyError::Cipher(suite.encryption))?;
                Self::Cbc { key: Box::new(key), mac: Box::new(Mac::new(integrity, keys)) }
            }
        })
    }

    /// Seals `packet`, complete but for IV and ICV, under `sequence`.
    pub(crate) fn seal(&self, packet: &mut [u8], sequence: u64, layout: Layout) -> Result<(), Failed> {
        let (body, icv) = packet.split_at_mut(packet.len() - layout.icv);
        match self {
            Self::Gcm { key, salt } => {
                let (head, text) = body.split_at_mut(HEADER_LEN + GCM_IV);
                // RFC 4106 3.1: the IV must never repeat under a key; a counter is enough.
                head[HEADER_LEN..].copy_from_slice(&sequence.to_be_bytes());
                let nonce = nonce(*salt, sequence.to_be_bytes());
                let tag = with_aad(head, sequence, layout.esn, |aad| {
                    key.seal_in_place_separate_tag(nonce, Aad::from(aad), text)
                })
                .map_err(|_| Failed)?;
                icv.copy_from_slice(tag.as_ref());
            }
            Self::Cbc { key, mac } => {
                let iv_and_text = &mut body[HEADER_LEN..];
                // RFC 3602 3: the IV must be unpredictable. NIST SP 800-38A appendix C: so is the encryption of a
                // nonce under the same key. With the sequence number as first block and zeros as IV, that
                // encryption comes out as the first block, which is where the packet carries its IV.
                iv_and_text[..8].fill(0);
                iv_and_text[8..CBC_IV].copy_from_slice(&sequence.to_be_bytes());
                let zeros = EncryptionContext::Iv128(FixedLength::from([0; CBC_IV]));
                key.less_safe_encrypt(iv_and_text, zeros).map_err(|_| Failed)?;
                icv.copy_from_slice(&mac.sign(body, sequence, layout.esn).as_ref()[..layout.icv]);
            }
        }
        Ok(())
    }
}

impl Opener {
    pub(crate) fn new(suite: EspSuite, keys: &SaKeys) -> Result<Self, KeyError> {
        Ok(match check(suite, keys)? {
            None => {
                let (key, salt) = gcm(suite.encryption, keys)?;
                Self::Gcm { key, salt }
            }
            Some(integrity) => {
                let key = cbc(suite.encryption, keys)?;
                let key = DecryptingKey::cbc(key).map_err(|_| KeyError::Cipher(suite.encryption))?;
                Self::Cbc { key: Box::new(key), mac: Box::new(Mac::new(integrity, keys)) }
            }
        })
    }

    /// Authenticates `packet` under `sequence` and decrypts it where it lies.
    pub(crate) fn open(&self, packet: &mut [u8], sequence: u64, layout: Layout) -> Result<(), Failed> {
        match self {
            Self::Gcm { key, salt } => {
                let (head, text_and_tag) = packet.split_at_mut(HEADER_LEN + GCM_IV);
                let iv: [u8; GCM_IV] = head[HEADER_LEN..].try_into().map_err(|_| Failed)?;
                let nonce = nonce(*salt, iv);
                with_aad(head, sequence, layout.esn, |aad| {
                    key.open_in_place(nonce, Aad::from(aad), text_and_tag).map(drop)
                })
                .map_err(|_| Failed)
            }
            Self::Cbc { key, mac } => {
                let (body, icv) = packet.split_at_mut(packet.len() - layout.icv);
                let expected = mac.sign(body, sequence, layout.esn);
                if !bool::from(expected.as_ref()[..layout.icv].ct_eq(icv)) {
                    return Err(Failed);
                }
                let (head, text) = body.split_at_mut(HEADER_LEN + CBC_IV);
                let iv: [u8; CBC_IV] = head[HEADER_LEN..].try_into().map_err(|_| Failed)?;
                key.decrypt(text, DecryptionContext::Iv128(FixedLength::from(iv))).map(drop).map_err(|_| Failed)
            }
        }
    }
}

/// HMAC over the packet and the high sequence bits that are not on the wire.
pub(crate) struct Mac(hmac::Key);

impl Mac {
    fn new(integrity: Integrity, keys: &SaKeys) -> Self {
        let algorithm = match integrity {
            Integrity::HmacSha1 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
            Integrity::HmacSha256 => hmac::HMAC_SHA256,
            Integrity::HmacSha384 => hmac::HMAC_SHA384,
            Integrity::HmacSha512 => hmac::HMAC_SHA512,
        };
        Self(hmac::Key::new(algorithm, keys.integrity.expose()))
    }

    fn sign(&self, body: &[u8], sequence: u64, esn: bool) -> hmac::Tag {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(body);
        if esn {
            // RFC 4303 2.2.1: the high bits are authenticated behind the packet, though not sent.
            context.update(&sequence.to_be_bytes()[..4]);
        }
        context.sign()
    }
}

/// RFC 4106 5: SPI and sequence number, the latter in full.
fn with_aad<R>(head: &[u8], sequence: u64, esn: bool, run: impl FnOnce(&[u8]) -> R) -> R {
    let mut aad = [0; 12];
    aad[..4].copy_from_slice(&head[..4]);
    if esn {
        aad[4..].copy_from_slice(&sequence.to_be_bytes());
        run(&aad)
    } else {
        aad[4..8].copy_from_slice(&head[4..8]);
        run(&aad[..8])
    }
}

fn nonce(salt: [u8; 4], iv: [u8; GCM_IV]) -> Nonce {
    let mut nonce = [0; 12];
    nonce[..4].copy_from_slice(&salt);
    nonce[4..].copy_from_slice(&iv);
    Nonce::assume_unique_for_key(nonce)
}

fn check(suite: EspSuite, keys: &SaKeys) -> Result<Option<Integrity>, KeyError> {
    let need = suite.encryption.key_material_len();
    let got = keys.encryption.len();
    if got != need {
        return Err(KeyError::EncryptionKey { got, need });
    }
    match (suite.encryption.is_aead(), suite.integrity) {
        (true, Some(integrity)) => return Err(KeyError::RedundantIntegrity(integrity)),
        (false, None) => return Err(KeyError::MissingIntegrity(suite.encryption)),
        (true, None) | (false, Some(_)) => {}
    }
    let need = suite.integrity.map_or(0, Integrity::key_len);
    let got = keys.integrity.len();
    if got == need { Ok(suite.integrity) } else { Err(KeyError::IntegrityKey { got, need }) }
}

fn gcm(encryption: Encryption, keys: &SaKeys) -> Result<(LessSafeKey, [u8; 4]), KeyError> {
    let unsupported = KeyError::Cipher(encryption);
    let algorithm = match encryption {
        Encryption::AesGcm16(128) => &AES_128_GCM,
        Encryption::AesGcm16(192) => &AES_192_GCM,
        Encryption::AesGcm16(256) => &AES_256_GCM,
        Encryption::AesGcm16(_) | Encryption::AesCbc(_) => return Err(unsupported),
    };
    debug_assert_eq!(algorithm.tag_len(), GCM_TAG, "GCM-16");
    let (key, salt) = keys.encryption.expose().split_last_chunk().ok_or(unsupported)?;
    let key = UnboundKey::new(algorithm, key).map_err(|_| unsupported)?;
    Ok((LessSafeKey::new(key), *salt))
}

fn cbc(encryption: Encryption, keys: &SaKeys) -> Result<UnboundCipherKey, KeyError> {
    let algorithm: &'static cipher::Algorithm = match encryption {
        Encryption::AesCbc(128) => &AES_128,
        Encryption::AesCbc(192) => &AES_192,
        Encryption::AesCbc(256) => &AES_256,
        Encryption::AesCbc(_) | Encryption::AesGcm16(_) => return Err(KeyError::Cipher(encryption)),
    };
    UnboundCipherKey::new(algorithm, keys.encryption.expose()).map_err(|_| KeyError::Cipher(encryption))
}
