//! The ciphers, applied to a whole ESP packet where it lies.

mod aead;
mod cbc;
mod mac;

use wire::ipsec::{EspSuite, Integrity, SaKeys};

use crate::{HEADER_LEN, KeyError};

use aead::AeadKey;
use cbc::{CbcOpener, CbcSealer};
use mac::Mac;

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
    Aead(AeadKey),
    Cbc { key: CbcSealer, mac: Mac },
}

/// Authenticates and decrypts.
pub(crate) enum Opener {
    Aead { key: AeadKey, scratch: Vec<u8> },
    Cbc { key: CbcOpener, mac: Mac },
}

/// Authentication failed, or the cipher did.
#[derive(Debug)]
pub(crate) struct Failed;

impl Sealer {
    pub(crate) fn new(suite: EspSuite, keys: &SaKeys) -> Result<Self, KeyError> {
        let refused = KeyError::Cipher(suite.encryption);
        Ok(match check(suite, keys)? {
            None => Self::Aead(AeadKey::new(suite.encryption, keys.encryption.expose()).ok_or(refused)?),
            Some(integrity) => Self::Cbc {
                key: CbcSealer::new(suite.encryption, keys.encryption.expose()).ok_or(refused)?,
                mac: Mac::new(integrity, keys.integrity.expose()),
            },
        })
    }

    /// Seals `packet`, complete but for IV and ICV, under `sequence`.
    pub(crate) fn seal(&self, packet: &mut [u8], sequence: u64, layout: Layout) -> Result<(), Failed> {
        let (body, icv) = packet.split_at_mut(packet.len() - layout.icv);
        match self {
            Self::Aead(key) => {
                let (head, text) = body.split_at_mut(HEADER_LEN + aead::IV_LEN);
                // RFC 4106 3.1, RFC 7634 2: the IV must never repeat under a key; a counter is enough.
                head[HEADER_LEN..].copy_from_slice(&sequence.to_be_bytes());
                let aad = Aad::new(head, sequence, layout.esn);
                let tag = key.seal(sequence.to_be_bytes(), aad.as_ref(), text).ok_or(Failed)?;
                icv.copy_from_slice(&tag.as_ref()[..layout.icv]);
            }
            Self::Cbc { key, mac } => {
                let iv_and_text = &mut body[HEADER_LEN..];
                // RFC 3602 3: the IV must be unpredictable. NIST SP 800-38A appendix C: so is the encryption of a
                // nonce under the same key. With the sequence number as first block and zeros as IV, that
                // encryption comes out as the first block, which is where the packet carries its IV.
                let nonce_at = layout.iv - 8;
                iv_and_text[..nonce_at].fill(0);
                iv_and_text[nonce_at..layout.iv].copy_from_slice(&sequence.to_be_bytes());
                key.encrypt_from_zero(iv_and_text).ok_or(Failed)?;
                icv.copy_from_slice(&mac.sign(body, sequence, layout.esn).as_ref()[..layout.icv]);
            }
        }
        Ok(())
    }
}

impl Opener {
    pub(crate) fn new(suite: EspSuite, keys: &SaKeys) -> Result<Self, KeyError> {
        let refused = KeyError::Cipher(suite.encryption);
        Ok(match check(suite, keys)? {
            None => Self::Aead {
                key: AeadKey::new(suite.encryption, keys.encryption.expose()).ok_or(refused)?,
                scratch: Vec::new(),
            },
            Some(integrity) => Self::Cbc {
                key: CbcOpener::new(suite.encryption, keys.encryption.expose()).ok_or(refused)?,
                mac: Mac::new(integrity, keys.integrity.expose()),
            },
        })
    }

    /// Authenticates `packet` under `sequence` and decrypts it where it lies.
    pub(crate) fn open(&mut self, packet: &mut [u8], sequence: u64, layout: Layout) -> Result<(), Failed> {
        match self {
            Self::Aead { key, scratch } => {
                let (head, text_and_tag) = packet.split_at_mut(HEADER_LEN + aead::IV_LEN);
                let iv: [u8; aead::IV_LEN] = head[HEADER_LEN..].try_into().map_err(|_| Failed)?;
                let aad = Aad::new(head, sequence, layout.esn);
                key.open(iv, aad.as_ref(), text_and_tag, layout.icv, scratch).ok_or(Failed)
            }
            Self::Cbc { key, mac } => {
                let (body, icv) = packet.split_at_mut(packet.len() - layout.icv);
                if !mac.sign(body, sequence, layout.esn).begins_with(icv) {
                    return Err(Failed);
                }
                let (head, text) = body.split_at_mut(HEADER_LEN + layout.iv);
                key.decrypt(&head[HEADER_LEN..], text).ok_or(Failed)
            }
        }
    }
}

/// RFC 4106 5, RFC 7634 2.1: SPI and sequence number, the latter in full.
struct Aad {
    octets: [u8; 12],
    len: usize,
}

impl Aad {
    fn new(head: &[u8], sequence: u64, esn: bool) -> Self {
        let mut octets = [0; 12];
        octets[..4].copy_from_slice(&head[..4]);
        if esn {
            octets[4..].copy_from_slice(&sequence.to_be_bytes());
            Self { octets, len: 12 }
        } else {
            octets[4..8].copy_from_slice(&head[4..8]);
            Self { octets, len: 8 }
        }
    }
}

impl AsRef<[u8]> for Aad {
    fn as_ref(&self) -> &[u8] {
        &self.octets[..self.len]
    }
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
