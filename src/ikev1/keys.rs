//! Key derivation and authentication (RFC 2409 5, appendix B).
//!
//! ```text
//!  PSK, nonces --> SKEYID --+-- g^xy, cookies --> SKEYID_d --> KEYMAT of each ESP SA
//!                           |                 --> SKEYID_a --> HASH(1), HASH(2), HASH(3)
//!                           |                 --> SKEYID_e --> cipher key
//!                           +-- HASH_I, HASH_R
//!
//!  IV: hash(g^xi | g^xr) --> last block of each message of phase 1 --> hash(last block | message ID), per exchange
//! ```

use aws_lc_rs::{constant_time, digest};
use crypto::{CbcKey, IkeProposal, Nonces, Prf, Role};
use isakmp::v1::Protocol;
use md5::{Digest as _, Md5};
use wire::Secret;
use wire::ipsec::{EspSuite, IkeSpi, Integrity, SaKeys, Spi};

/// Both cookies, in the order of the header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Cookies {
    pub(crate) initiator: IkeSpi,
    pub(crate) responder: IkeSpi,
}

impl Cookies {
    fn octets(self) -> [[u8; 8]; 2] {
        [self.initiator.to_be_bytes(), self.responder.to_be_bytes()]
    }
}

/// The public values of phase 1.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Publics<'a> {
    pub(crate) initiator: &'a [u8],
    pub(crate) responder: &'a [u8],
}

/// The keys of an ISAKMP SA.
pub(crate) struct Keys {
    prf: Prf,
    skeyid: Secret,
    d: Secret,
    a: Secret,
    cipher: CbcKey,
    block: usize,
}

impl Keys {
    /// The keys that follow from phase 1 under a pre-shared key. `None` if the suite has no block cipher, which the
    /// configuration excludes.
    pub(crate) fn derive(
        suite: &IkeProposal,
        psk: &Secret,
        nonces: Nonces<'_>,
        shared: &Secret,
        cookies: Cookies,
    ) -> Option<Self> {
        let prf = suite.prf;
        let [cky_i, cky_r] = cookies.octets();
        // RFC 2409 5: for pre-shared keys, SKEYID = prf(pre-shared-key, Ni_b | Nr_b).
        let skeyid = prf.mac(psk.expose(), &[nonces.initiator, nonces.responder]);
        let expand = |previous: &[u8], number: u8| {
            prf.mac(skeyid.expose(), &[previous, shared.expose(), &cky_i, &cky_r, &[number]])
        };
        // RFC 2409 5: SKEYID_d, SKEYID_a and SKEYID_e each take in the one before.
        let d = expand(&[], 0);
        let a = expand(d.expose(), 1);
        let e = expand(a.expose(), 2);
        let key = cipher_key(prf, &e, suite.encryption.key_material_len());
        let cipher = CbcKey::new(suite.encryption, key.expose())?;
        Some(Self { prf, skeyid, d, a, cipher, block: suite.encryption.block_len() })
    }

    /// HASH_I or HASH_R: what `signer` proves itself with (RFC 2409 5). `sa` and `id` are payload bodies.
    pub(crate) fn phase1_hash(
        &self,
        signer: Role,
        publics: Publics<'_>,
        cookies: Cookies,
        sa: &[u8],
        id: &[u8],
    ) -> Secret {
        let [cky_i, cky_r] = cookies.octets();
        let parts: [&[u8]; 6] = match signer {
            Role::Initiator => [publics.initiator, publics.responder, &cky_i, &cky_r, sa, id],
            Role::Responder => [publics.responder, publics.initiator, &cky_r, &cky_i, sa, id],
        };
        self.prf.mac(self.skeyid.expose(), &parts)
    }

    /// HASH(1): of the first message of an exchange under the ISAKMP SA. `rest` is what follows the hash payload.
    pub(crate) fn hash1(&self, message_id: u32, rest: &[u8]) -> Secret {
        self.prf.mac(self.a.expose(), &[&message_id.to_be_bytes(), rest])
    }

    /// HASH(2): of the answer.
    pub(crate) fn hash2(&self, message_id: u32, initiator_nonce: &[u8], rest: &[u8]) -> Secret {
        self.prf.mac(self.a.expose(), &[&message_id.to_be_bytes(), initiator_nonce, rest])
    }

    /// HASH(3): of the message that completes quick mode.
    pub(crate) fn hash3(&self, message_id: u32, nonces: Nonces<'_>) -> Secret {
        self.prf.mac(self.a.expose(), &[&[0], &message_id.to_be_bytes(), nonces.initiator, nonces.responder])
    }

    /// The keys of the ESP SA whose receiver named it `spi`; `shared` is there with perfect forward secrecy.
    pub(crate) fn esp(&self, suite: EspSuite, shared: Option<&Secret>, nonces: Nonces<'_>, spi: Spi) -> SaKeys {
        let encryption = suite.encryption.key_material_len();
        let integrity = suite.integrity.map_or(0, Integrity::key_len);
        let shared = shared.map_or(&[][..], Secret::expose);
        let (protocol, spi) = ([Protocol::ESP.0], spi.0.to_be_bytes());
        let seed: [&[u8]; 5] = [shared, &protocol, &spi, nonces.initiator, nonces.responder];
        // RFC 2409 5.5: KEYMAT = K1 | K2 | ..., each K taking in the one before.
        let mut material: Vec<u8> = Vec::new();
        let mut previous = Secret::default();
        while material.len() < encryption + integrity {
            let parts: Vec<&[u8]> = [previous.expose()].into_iter().chain(seed).collect();
            let block = self.prf.mac(self.d.expose(), &parts);
            material.extend_from_slice(block.expose());
            previous = block;
        }
        let material = Secret::new(material);
        let (cipher, rest) = material.expose().split_at(encryption);
        SaKeys { encryption: cipher.into(), integrity: rest[..integrity].into() }
    }

    /// The IV of the first encrypted message of phase 1.
    pub(crate) fn phase1_iv(&self, publics: Publics<'_>) -> Vec<u8> {
        // RFC 2409 appendix B: from the hash of the concatenated public values.
        self.iv(&[publics.initiator, publics.responder])
    }

    /// The IV of the first message of an exchange under the ISAKMP SA.
    pub(crate) fn phase2_iv(&self, phase1_last: &[u8], message_id: u32) -> Vec<u8> {
        // RFC 2409 appendix B: from the hash of the last block of phase 1 and the message ID.
        self.iv(&[phase1_last, &message_id.to_be_bytes()])
    }

    fn iv(&self, parts: &[&[u8]]) -> Vec<u8> {
        let mut hash = digest(self.prf, parts);
        hash.truncate(self.block);
        hash
    }

    /// Pads and encrypts a payload chain. Returns the last block, which is the IV of what follows.
    pub(crate) fn encrypt(&self, iv: &[u8], body: &mut Vec<u8>) -> Option<Vec<u8>> {
        // RFC 2409 appendix B: zeros up to the block.
        body.resize(body.len().next_multiple_of(self.block).max(self.block), 0);
        self.cipher.encrypt(iv, body)?;
        Some(body[body.len() - self.block..].to_vec())
    }

    /// Decrypts the body of a message. Returns it and its last block of ciphertext.
    pub(crate) fn decrypt(&self, iv: &[u8], body: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
        if body.is_empty() || !body.len().is_multiple_of(self.block) {
            return None;
        }
        let mut plaintext = body.to_vec();
        self.cipher.decrypt(iv, &mut plaintext)?;
        Some((plaintext, body[body.len() - self.block..].to_vec()))
    }
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keys(..)")
    }
}

/// Whether a hash is the one expected.
pub(crate) fn holds(expected: &Secret, found: &[u8]) -> bool {
    constant_time::verify_slices_are_equal(expected.expose(), found).is_ok()
}

/// What a NAT-D payload carries (RFC 3947 3.2): the negotiated hash over cookies, address and port.
pub(crate) fn nat_hash(prf: Prf, cookies: Cookies, address: std::net::SocketAddr) -> Vec<u8> {
    let [cky_i, cky_r] = cookies.octets();
    let port = address.port().to_be_bytes();
    match address.ip() {
        std::net::IpAddr::V4(ip) => digest(prf, &[&cky_i, &cky_r, &ip.octets(), &port]),
        std::net::IpAddr::V6(ip) => digest(prf, &[&cky_i, &cky_r, &ip.octets(), &port]),
    }
}

/// The key of the cipher that protects messages, out of SKEYID_e.
fn cipher_key(prf: Prf, e: &Secret, len: usize) -> Secret {
    if len <= e.len() {
        return Secret::from(&e.expose()[..len]);
    }
    // RFC 2409 appendix B: where SKEYID_e is too short, Ka = K1 | K2 | ..., K1 = prf(SKEYID_e, 0), K2 = prf(SKEYID_e, K1).
    let mut material = Vec::new();
    let mut previous = Secret::from([0].as_slice());
    while material.len() < len {
        previous = prf.mac(e.expose(), &[previous.expose()]);
        material.extend_from_slice(previous.expose());
    }
    material.truncate(len);
    Secret::new(material)
}

/// The hash of a PRF, without a key.
fn digest(prf: Prf, parts: &[&[u8]]) -> Vec<u8> {
    let algorithm = match prf {
        Prf::HmacMd5 => {
            let mut context = Md5::new();
            parts.iter().for_each(|part| context.update(part));
            return context.finalize().to_vec();
        }
        Prf::HmacSha1 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
        Prf::HmacSha256 => &digest::SHA256,
        Prf::HmacSha384 => &digest::SHA384,
        Prf::HmacSha512 => &digest::SHA512,
    };
    let mut context = digest::Context::new(algorithm);
    parts.iter().for_each(|part| context.update(part));
    context.finish().as_ref().to_vec()
}
