//! Key derivation (RFC 7296 2.13 to 2.18, RFC 9370 2.2, RFC 8784 3) and authentication by a shared key (2.15).

use aws_lc_rs::constant_time;
use wire::Secret;
use wire::ipsec::{Encryption, EspSuite, IkeSpi, Integrity, SaKeys};

use super::cipher::SkCipher;
use super::{Prf, Role};
use crate::IkeProposal;

/// The nonces of one exchange.
#[derive(Clone, Copy, Debug)]
pub struct Nonces<'a> {
    /// Ni.
    pub initiator: &'a [u8],
    /// Nr.
    pub responder: &'a [u8],
}

/// The keys of an IKE SA.
#[derive(Clone, Debug)]
pub struct IkeKeys {
    prf: Prf,
    encryption: Encryption,
    integrity: Option<Integrity>,
    sk_d: Secret,
    initiator: EndKeys,
    responder: EndKeys,
}

/// The keys with which one end sends and proves itself.
#[derive(Clone, Debug)]
struct EndKeys {
    sk_a: Secret,
    sk_e: Secret,
    sk_p: Secret,
}

/// The ciphers of an IKE SA, from where we stand.
#[derive(Debug)]
pub struct SkCiphers {
    /// For what we send.
    pub outbound: SkCipher,
    /// For what we receive.
    pub inbound: SkCipher,
}

/// The keys of a CHILD SA. The roles are those of the exchange that made it, not those of the IKE SA.
#[derive(Clone, Debug)]
pub struct ChildKeys {
    /// For what the exchange's initiator sends.
    pub initiator: SaKeys,
    /// For what the exchange's responder sends.
    pub responder: SaKeys,
}

/// What an AUTH payload covers.
#[derive(Clone, Copy, Debug)]
pub struct AuthInput<'a> {
    /// The signer's IKE_SA_INIT message as it was sent, from the header on.
    pub message: &'a [u8],
    /// The other end's nonce.
    pub peer_nonce: &'a [u8],
    /// The signer's ID payload without its generic header.
    pub id_body: &'a [u8],
    /// What `IKE_INTERMEDIATE` exchanges add (RFC 9242 3.3.2); empty if there were none.
    pub intermediate: &'a [u8],
}

impl IkeKeys {
    /// The keys of a first IKE SA.
    #[must_use]
    pub fn derive(
        suite: &IkeProposal,
        shared: &Secret,
        nonces: Nonces<'_>,
        initiator: IkeSpi,
        responder: IkeSpi,
    ) -> Self {
        // RFC 7296 2.14: SKEYSEED = prf(Ni | Nr, g^ir).
        let key = [nonces.initiator, nonces.responder].concat();
        let seed = suite.prf.mac(&key, &[shared.expose()]);
        Self::expand(suite, &seed, nonces, initiator, responder)
    }

    /// The keys of the IKE SA that replaces this one; `additional` are the secrets of further key exchanges. With
    /// none, these are also the keys of this SA after one more `IKE_INTERMEDIATE`.
    #[must_use]
    pub fn rekey(
        &self,
        suite: &IkeProposal,
        shared: &Secret,
        additional: &[Secret],
        nonces: Nonces<'_>,
        initiator: IkeSpi,
        responder: IkeSpi,
    ) -> Self {
        // RFC 7296 2.18: SKEYSEED = prf(SK_d (old), g^ir (new) | Ni | Nr), with the old SA's prf.
        // RFC 9370 2.2.4: ... | SK(1) | ... | SK(n). RFC 9370 2.2.2: SKEYSEED(n) = prf(SK_d(n-1), SK(n) | Ni | Nr).
        let mut parts = vec![shared.expose(), nonces.initiator, nonces.responder];
        parts.extend(additional.iter().map(Secret::expose));
        let seed = self.prf.mac(self.sk_d.expose(), &parts);
        Self::expand(suite, &seed, nonces, initiator, responder)
    }

    /// Ciphers for the end that was `role` in the exchange that made the IKE SA.
    #[must_use]
    pub fn ciphers(&self, role: Role) -> SkCiphers {
        let cipher = |sender| {
            let EndKeys { sk_a, sk_e, .. } = self.end(sender);
            SkCipher::new(self.encryption, self.integrity, sk_e, sk_a)
        };
        SkCiphers { outbound: cipher(role), inbound: cipher(role.other()) }
    }

    /// These keys with a post-quantum pre-shared key mixed in: what CHILD SAs and later IKE SAs stem from, and what
    /// the ends prove themselves with. What protects messages stays.
    #[must_use]
    pub fn with_ppk(&self, ppk: &Secret) -> Self {
        // RFC 8784 3: SK_d = prf+(PPK, SK_d'), SK_pi = prf+(PPK, SK_pi'), SK_pr = prf+(PPK, SK_pr').
        let mix = |key: &Secret| self.prf.plus(ppk, &[key.expose()], key.len());
        let mut mixed = self.clone();
        mixed.sk_d = mix(&self.sk_d);
        mixed.initiator.sk_p = mix(&self.initiator.sk_p);
        mixed.responder.sk_p = mix(&self.responder.sk_p);
        mixed
    }

    /// What `signer` adds to the proof of its identity for one `IKE_INTERMEDIATE` message, from what it added for the
    /// one before and the message without what the encryption adds.
    #[must_use]
    pub fn intermediate_auth(&self, signer: Role, previous: Option<&Secret>, message: &[u8]) -> Secret {
        // RFC 9242 3.3.2: IntAuth_1 = prf(SK_p1, message), IntAuth_n = prf(SK_pn, IntAuth_n-1 | message).
        let previous = previous.map_or(&[][..], Secret::expose);
        self.prf.mac(self.end(signer).sk_p.expose(), &[previous, message])
    }

    /// The keys of a CHILD SA; `shared` is there with perfect forward secrecy, and `additional` with further key
    /// exchanges.
    #[must_use]
    pub fn child(
        &self,
        suite: EspSuite,
        shared: Option<&Secret>,
        additional: &[Secret],
        nonces: Nonces<'_>,
    ) -> ChildKeys {
        let encryption = suite.encryption.key_material_len();
        let integrity = suite.integrity.map_or(0, Integrity::key_len);
        // RFC 7296 2.17: KEYMAT = prf+(SK_d, [g^ir (new) |] Ni | Nr).
        let shared = shared.map_or(&[][..], Secret::expose);
        // RFC 9370 2.2.4: ... | SK(1) | ... | SK(n).
        let mut seed = vec![shared, nonces.initiator, nonces.responder];
        seed.extend(additional.iter().map(Secret::expose));
        let material = self.prf.plus(&self.sk_d, &seed, 2 * (encryption + integrity));
        // RFC 7296 2.17: initiator to responder first; in each direction encryption, then integrity.
        let mut pieces = Pieces(material.expose());
        let mut keys = || SaKeys { encryption: pieces.next(encryption), integrity: pieces.next(integrity) };
        ChildKeys { initiator: keys(), responder: keys() }
    }

    /// The AUTH data with which `signer` proves that it knows the pre-shared key.
    #[must_use]
    pub fn psk_auth(&self, signer: Role, psk: &Secret, input: AuthInput<'_>) -> Secret {
        // RFC 7296 2.15: AUTH = prf(prf(PSK, "Key Pad for IKEv2"), octets to sign).
        let key = self.prf.mac(psk.expose(), &[b"Key Pad for IKEv2"]);
        self.prf.mac(key.expose(), &[&self.signed_octets(signer, input)])
    }

    /// What the AUTH payload of `signer` is made over, whatever its method.
    #[must_use]
    pub fn signed_octets(&self, signer: Role, input: AuthInput<'_>) -> Vec<u8> {
        // RFC 7296 2.15, RFC 9242 3.3.2: message | nonce | prf(SK_p, ID') [| IntAuth].
        let id = self.prf.mac(self.end(signer).sk_p.expose(), &[input.id_body]);
        [input.message, input.peer_nonce, id.expose(), input.intermediate].concat()
    }

    /// Whether `auth` is what `signer` sends if it knows the pre-shared key.
    #[must_use]
    pub fn psk_auth_holds(&self, signer: Role, psk: &Secret, input: AuthInput<'_>, auth: &[u8]) -> bool {
        constant_time::verify_slices_are_equal(self.psk_auth(signer, psk, input).expose(), auth).is_ok()
    }

    fn expand(suite: &IkeProposal, seed: &Secret, nonces: Nonces<'_>, initiator: IkeSpi, responder: IkeSpi) -> Self {
        let IkeProposal { encryption, integrity, prf, group: _, additional: _ } = *suite;
        let (d, a) = (prf.output_len(), integrity.map_or(0, Integrity::key_len));
        let (e, p) = (encryption.key_material_len(), prf.output_len());
        // RFC 7296 2.14: {SK_d | SK_ai | SK_ar | SK_ei | SK_er | SK_pi | SK_pr}
        // = prf+(SKEYSEED, Ni | Nr | SPIi | SPIr).
        let spis = (initiator.to_be_bytes(), responder.to_be_bytes());
        let parts = [nonces.initiator, nonces.responder, &spis.0, &spis.1];
        let material = prf.plus(seed, &parts, d + 2 * (a + e + p));
        let mut pieces = Pieces(material.expose());
        let sk_d = pieces.next(d);
        let [sk_ai, sk_ar, sk_ei, sk_er, sk_pi, sk_pr] = [a, a, e, e, p, p].map(|len| pieces.next(len));
        Self {
            prf,
            encryption,
            integrity,
            sk_d,
            initiator: EndKeys { sk_a: sk_ai, sk_e: sk_ei, sk_p: sk_pi },
            responder: EndKeys { sk_a: sk_ar, sk_e: sk_er, sk_p: sk_pr },
        }
    }

    const fn end(&self, role: Role) -> &EndKeys {
        match role {
            Role::Initiator => &self.initiator,
            Role::Responder => &self.responder,
        }
    }
}

/// Key material, cut from the front.
struct Pieces<'a>(&'a [u8]);

impl Pieces<'_> {
    fn next(&mut self, len: usize) -> Secret {
        let (piece, rest) = self.0.split_at(len);
        self.0 = rest;
        Secret::from(piece)
    }
}
