//! Block ciphers in CBC mode: AES of aws-lc (RFC 3602); 3DES and DES of RustCrypto (RFC 2451, RFC 2405).

use ::cbc::cipher::block_padding::NoPadding;
use ::cbc::cipher::{BlockModeDecrypt, BlockModeEncrypt, InnerIvInit, KeyInit};
use ::cbc::{Decryptor, Encryptor};
use aws_lc_rs::cipher::{
    AES_128, AES_192, AES_256, Algorithm, DecryptingKey, DecryptionContext, EncryptingKey, EncryptionContext,
    UnboundCipherKey,
};
use aws_lc_rs::iv::FixedLength;
use des::{Des, TdesEde3};
use wire::ipsec::Encryption;

/// A key of a block cipher, prepared for both ways.
pub struct CbcKey(Kind);

enum Kind {
    Aes { encrypt: Box<EncryptingKey>, decrypt: Box<DecryptingKey> },
    TripleDes(Box<TdesEde3>),
    Des(Box<Des>),
}

impl CbcKey {
    /// `None` if it is not a block cipher, or `key` has not its length.
    #[must_use]
    pub fn new(encryption: Encryption, key: &[u8]) -> Option<Self> {
        Some(Self(match encryption {
            Encryption::AesCbc(128) => Self::aes(&AES_128, key)?,
            Encryption::AesCbc(192) => Self::aes(&AES_192, key)?,
            Encryption::AesCbc(256) => Self::aes(&AES_256, key)?,
            Encryption::TripleDesCbc => Kind::TripleDes(Box::new(TdesEde3::new_from_slice(key).ok()?)),
            Encryption::DesCbc => Kind::Des(Box::new(Des::new_from_slice(key).ok()?)),
            Encryption::AesCbc(_) | Encryption::AesGcm { .. } | Encryption::ChaCha20Poly1305 => return None,
        }))
    }

    fn aes(algorithm: &'static Algorithm, key: &[u8]) -> Option<Kind> {
        let key = || UnboundCipherKey::new(algorithm, key).ok();
        let (encrypt, decrypt) = (EncryptingKey::cbc(key()?).ok()?, DecryptingKey::cbc(key()?).ok()?);
        Some(Kind::Aes { encrypt: Box::new(encrypt), decrypt: Box::new(decrypt) })
    }

    /// Encrypts `text` where it lies; `None` if it is not whole blocks, or `iv` is not one.
    #[must_use]
    pub fn encrypt(&self, iv: &[u8], text: &mut [u8]) -> Option<()> {
        let len = text.len();
        match &self.0 {
            Kind::Aes { encrypt, .. } => {
                let iv = EncryptionContext::Iv128(FixedLength::from(<[u8; 16]>::try_from(iv).ok()?));
                encrypt.less_safe_encrypt(text, iv).ok().map(drop)
            }
            Kind::TripleDes(key) => {
                let mode = Encryptor::inner_iv_slice_init(&**key, iv).ok()?;
                mode.encrypt_padded::<NoPadding>(text, len).ok().map(drop)
            }
            Kind::Des(key) => {
                let mode = Encryptor::inner_iv_slice_init(&**key, iv).ok()?;
                mode.encrypt_padded::<NoPadding>(text, len).ok().map(drop)
            }
        }
    }

    /// Decrypts `text` where it lies; `None` if it is not whole blocks, or `iv` is not one.
    #[must_use]
    pub fn decrypt(&self, iv: &[u8], text: &mut [u8]) -> Option<()> {
        match &self.0 {
            Kind::Aes { decrypt, .. } => {
                let iv = DecryptionContext::Iv128(FixedLength::from(<[u8; 16]>::try_from(iv).ok()?));
                decrypt.decrypt(text, iv).ok().map(drop)
            }
            Kind::TripleDes(key) => {
                let mode = Decryptor::inner_iv_slice_init(&**key, iv).ok()?;
                mode.decrypt_padded::<NoPadding>(text).ok().map(drop)
            }
            Kind::Des(key) => {
                let mode = Decryptor::inner_iv_slice_init(&**key, iv).ok()?;
                mode.decrypt_padded::<NoPadding>(text).ok().map(drop)
            }
        }
    }
}
