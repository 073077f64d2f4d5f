//! Block ciphers in CBC mode: AES of aws-lc (RFC 3602); 3DES and DES of RustCrypto (RFC 2451, RFC 2405).

use ::cbc::cipher::block_padding::NoPadding;
use ::cbc::cipher::{BlockModeDecrypt, BlockModeEncrypt, InnerIvInit, KeyInit};
use ::cbc::{Decryptor, Encryptor};
use aws_lc_rs::cipher::{
    AES_128, AES_192, AES_256, DecryptingKey, DecryptionContext, EncryptingKey, EncryptionContext, UnboundCipherKey,
};
use aws_lc_rs::iv::FixedLength;
use des::{Des, TdesEde3};
use wire::ipsec::Encryption;

const AES_BLOCK: usize = 16;

/// A key that encrypts.
pub(crate) enum CbcSealer {
    Aes(Box<EncryptingKey>),
    TripleDes(Box<TdesEde3>),
    Des(Box<Des>),
}

/// A key that decrypts.
pub(crate) enum CbcOpener {
    Aes(Box<DecryptingKey>),
    TripleDes(Box<TdesEde3>),
    Des(Box<Des>),
}

impl CbcSealer {
    /// `None` if the cipher is none of these, or `key` has not its length.
    pub(super) fn new(encryption: Encryption, key: &[u8]) -> Option<Self> {
        Some(match encryption {
            Encryption::TripleDesCbc => Self::TripleDes(Box::new(TdesEde3::new_from_slice(key).ok()?)),
            Encryption::DesCbc => Self::Des(Box::new(Des::new_from_slice(key).ok()?)),
            Encryption::AesCbc(_) | Encryption::AesGcm { .. } | Encryption::ChaCha20Poly1305 => {
                Self::Aes(Box::new(EncryptingKey::cbc(aes(encryption, key)?).ok()?))
            }
        })
    }

    /// Encrypts `text` where it lies, with an IV of zeros; `None` if it is not whole blocks.
    pub(super) fn encrypt_from_zero(&self, text: &mut [u8]) -> Option<()> {
        let len = text.len();
        match self {
            Self::Aes(key) => {
                let zeros = EncryptionContext::Iv128(FixedLength::from([0; AES_BLOCK]));
                key.less_safe_encrypt(text, zeros).ok().map(drop)
            }
            Self::TripleDes(key) => {
                let mode = Encryptor::inner_iv_init(&**key, &[0; 8].into());
                mode.encrypt_padded::<NoPadding>(text, len).ok().map(drop)
            }
            Self::Des(key) => {
                let mode = Encryptor::inner_iv_init(&**key, &[0; 8].into());
                mode.encrypt_padded::<NoPadding>(text, len).ok().map(drop)
            }
        }
    }
}

impl CbcOpener {
    /// `None` if the cipher is none of these, or `key` has not its length.
    pub(super) fn new(encryption: Encryption, key: &[u8]) -> Option<Self> {
        Some(match encryption {
            Encryption::TripleDesCbc => Self::TripleDes(Box::new(TdesEde3::new_from_slice(key).ok()?)),
            Encryption::DesCbc => Self::Des(Box::new(Des::new_from_slice(key).ok()?)),
            Encryption::AesCbc(_) | Encryption::AesGcm { .. } | Encryption::ChaCha20Poly1305 => {
                Self::Aes(Box::new(DecryptingKey::cbc(aes(encryption, key)?).ok()?))
            }
        })
    }

    /// Decrypts `text` where it lies; `None` if it is not whole blocks, or `iv` is not one.
    pub(super) fn decrypt(&self, iv: &[u8], text: &mut [u8]) -> Option<()> {
        match self {
            Self::Aes(key) => {
                let iv: [u8; AES_BLOCK] = iv.try_into().ok()?;
                key.decrypt(text, DecryptionContext::Iv128(FixedLength::from(iv))).ok().map(drop)
            }
            Self::TripleDes(key) => {
                let mode = Decryptor::inner_iv_slice_init(&**key, iv).ok()?;
                mode.decrypt_padded::<NoPadding>(text).ok().map(drop)
            }
            Self::Des(key) => {
                let mode = Decryptor::inner_iv_slice_init(&**key, iv).ok()?;
                mode.decrypt_padded::<NoPadding>(text).ok().map(drop)
            }
        }
    }
}

fn aes(encryption: Encryption, key: &[u8]) -> Option<UnboundCipherKey> {
    let algorithm = match encryption {
        Encryption::AesCbc(128) => &AES_128,
        Encryption::AesCbc(192) => &AES_192,
        Encryption::AesCbc(256) => &AES_256,
        Encryption::AesCbc(_)
        | Encryption::AesGcm { .. }
        | Encryption::ChaCha20Poly1305
        | Encryption::TripleDesCbc
        | Encryption::DesCbc => return None,
    };
    UnboundCipherKey::new(algorithm, key).ok()
}
