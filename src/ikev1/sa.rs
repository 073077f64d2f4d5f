//! An ISAKMP SA: what phase 1 leaves, and the messages that it protects.
//!
//! ```text
//!  header | encrypted: HASH(1), payloads, zeros up to the block
//!                      '-- prf(SKEYID_a, message ID | payloads)
//! ```

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use crypto::{IkeProposal, Role};
use isakmp::v1::{Chain, Exchange, Flags, Frame, Header, Payload, PayloadKind, Reassembly, assemble, encode_body};
use negotiation::{Cx, Nat, Path};
use wire::Secret;
use wire::ipsec::IkeSpi;

use crate::keys::{Cookies, Keys, holds};
use crate::phase1::{Sent, pieces};
use crate::{Abilities, Tunnel};

/// Message IDs that are remembered as used. None is forgotten, as what it protects could be replayed then: at half of
/// that number the SA is renewed, and beyond it nothing new is taken under the old one.
const REMEMBERED: usize = 65_536;
/// Pauses between the repetitions of what is not acknowledged.
const FAREWELLS: [Duration; 3] = [Duration::from_secs(1), Duration::from_secs(4), Duration::from_secs(12)];

/// An established ISAKMP SA.
#[derive(Debug)]
pub(crate) struct Sa {
    /// Our cookie.
    pub(crate) cookie: IkeSpi,
    pub(crate) cookies: Cookies,
    pub(crate) role: Role,
    pub(crate) path: Path,
    pub(crate) nat: Nat,
    pub(crate) abilities: Abilities,
    pub(crate) suite: IkeProposal,
    pub(crate) keys: Keys,
    /// The last block of phase 1, from which all IVs follow.
    pub(crate) last_block: Vec<u8>,
    /// Our last message of phase 1, which may be asked for again.
    pub(crate) sent: Sent,
    pub(crate) phase: SaPhase,
    pub(crate) began: Instant,
    pub(crate) established_at: Instant,
    pub(crate) rekey_at: Option<Instant>,
    pub(crate) expires_at: Option<Instant>,
    /// The last authentic message.
    pub(crate) last_heard: Instant,
    /// Message IDs used by either end.
    pub(crate) used: BTreeSet<u32>,
    pub(crate) farewells: Vec<Farewell>,
    pub(crate) probe: Option<Probe>,
    /// Sequence numbers of dead peer detection: our last, and the peer's.
    pub(crate) our_sequence: u32,
    pub(crate) peer_sequence: Option<u32>,
    pub(crate) partial: Reassembly,
}

/// Where an ISAKMP SA stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SaPhase {
    /// In use.
    Current,
    /// A newer one is used; deleted at that time unless the peer does it before.
    Superseded {
        /// When.
        delete_at: Instant,
    },
    /// Deleted; only repeats that it is.
    Closing,
}

/// A message that is not acknowledged, hence repeated.
#[derive(Debug)]
pub(crate) struct Farewell {
    datagrams: Vec<Vec<u8>>,
    repeated: usize,
    next: Instant,
}

/// A question whether the peer is there, not yet answered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Probe {
    pub(crate) first_sent: Instant,
    pub(crate) next: Instant,
    pub(crate) tries: u32,
}

/// The message that opens or continues an exchange, encrypted.
pub(crate) struct Sealed {
    pub(crate) datagrams: Vec<Vec<u8>>,
    /// IV of what follows in the exchange.
    pub(crate) last_block: Vec<u8>,
}

impl Sa {
    pub(crate) fn is_current(&self) -> bool {
        self.phase == SaPhase::Current
    }

    /// A message ID that neither end has used.
    pub(crate) fn fresh_message_id(&mut self, cx: &mut Cx<'_>) -> u32 {
        loop {
            let id = cx.entropy.random_u32();
            // RFC 2408 3.1: random, unique under the SA; 0 is phase 1.
            if id != 0 && !self.used.contains(&id) {
                self.remember(id);
                return id;
            }
        }
    }

    /// Whether a message of the peer's may open an exchange under this ID.
    pub(crate) fn is_new(&self, message_id: u32) -> bool {
        self.used.len() < REMEMBERED && !self.used.contains(&message_id)
    }

    /// An ID is used from now on.
    pub(crate) fn remember(&mut self, message_id: u32) {
        if self.used.insert(message_id) && self.used.len() == REMEMBERED / 2 && self.is_current() {
            self.rekey_at = Some(self.established_at);
        }
    }

    /// The IV of the first message of an exchange.
    pub(crate) fn first_iv(&self, message_id: u32) -> Vec<u8> {
        self.keys.phase2_iv(&self.last_block, message_id)
    }

    /// Seals `payloads` behind a hash over them, made by `hash`.
    pub(crate) fn seal(
        &self,
        cx: &mut Cx<'_>,
        (exchange, message_id, iv): (Exchange, u32, &[u8]),
        payloads: Vec<Payload>,
        hash: impl FnOnce(&Keys, &[u8]) -> Secret,
    ) -> Sealed {
        let Cookies { initiator, responder } = self.cookies;
        let flags = Flags { encrypted: true, ..Flags::default() };
        let header = Header { initiator, responder, exchange, flags, message_id };
        let covered = encode_body(&payloads).unwrap_or_default();
        let hash = Payload::Hash(hash(&self.keys, &covered).expose().to_vec());
        let chain: Vec<_> = [hash].into_iter().chain(payloads).collect();
        let mut body = encode_body(&chain).unwrap_or_default();
        let last_block = self.keys.encrypt(iv, &mut body).unwrap_or_default();
        let datagram = assemble(&header, PayloadKind::HASH, &body).unwrap_or_default();
        Sealed { datagrams: pieces(&header, datagram, self.abilities, self.path, cx), last_block }
    }

    /// Seals an informational message.
    pub(crate) fn seal_informational(&mut self, cx: &mut Cx<'_>, payloads: Vec<Payload>) -> Vec<Vec<u8>> {
        let message_id = self.fresh_message_id(cx);
        let iv = self.first_iv(message_id);
        let place = (Exchange::INFORMATIONAL, message_id, &iv[..]);
        self.seal(cx, place, payloads, |keys, covered| keys.hash1(message_id, covered)).datagrams
    }

    /// Sends an informational message.
    pub(crate) fn inform(&mut self, cx: &mut Cx<'_>, payloads: Vec<Payload>) {
        let datagrams = self.seal_informational(cx, payloads);
        cx.transmit(self.path, &datagrams);
    }

    /// Sends an informational message, now and some times more.
    pub(crate) fn bid_farewell(&mut self, cx: &mut Cx<'_>, payloads: Vec<Payload>) {
        let datagrams = self.seal_informational(cx, payloads);
        cx.transmit(self.path, &datagrams);
        self.farewells.push(Farewell { datagrams, repeated: 0, next: cx.now + FAREWELLS[0] });
    }

    /// Repeats what is due.
    pub(crate) fn repeat_farewells(&mut self, cx: &mut Cx<'_>) {
        let path = self.path;
        self.farewells.retain_mut(|farewell| {
            if farewell.next > cx.now {
                return true;
            }
            cx.transmit(path, &farewell.datagrams);
            farewell.repeated += 1;
            match FAREWELLS.get(farewell.repeated) {
                Some(pause) => farewell.next = cx.now + *pause,
                None => return false,
            }
            true
        });
    }

    pub(crate) fn next_farewell(&self) -> Option<Instant> {
        self.farewells.iter().map(|farewell| farewell.next).min()
    }

    /// Decrypts and decodes a message under this SA. Returns its payloads, the octets they are of, and its last block.
    pub(crate) fn open(&self, frame: &Frame<'_>, iv: &[u8]) -> Option<(Chain, Vec<u8>, Vec<u8>)> {
        if !frame.header.flags.encrypted {
            return None;
        }
        let (plaintext, last_block) = self.keys.decrypt(iv, frame.body)?;
        let chain = Chain::decode(frame.first, &plaintext, true).ok()?;
        Some((chain, plaintext, last_block))
    }
}

impl Tunnel {
    /// What the peer announced that it can do, while there is an ISAKMP SA.
    #[must_use]
    pub fn abilities(&self) -> Option<Abilities> {
        self.current().map(|sa| sa.abilities)
    }

    /// A message of ours under the newest ISAKMP SA, in one datagram, with whatever payloads: what a simulated peer says
    /// that has the keys and no manners.
    #[must_use]
    pub fn compose(&self, exchange: Exchange, message_id: u32, payloads: &[Payload]) -> Option<Vec<u8>> {
        let sa = self.current()?;
        let covered = encode_body(payloads).ok()?;
        let hash = Payload::Hash(sa.keys.hash1(message_id, &covered).expose().to_vec());
        let chain: Vec<_> = [hash].into_iter().chain(payloads.iter().cloned()).collect();
        let mut body = encode_body(&chain).ok()?;
        sa.keys.encrypt(&sa.first_iv(message_id), &mut body)?;
        let Cookies { initiator, responder } = sa.cookies;
        let flags = Flags { encrypted: true, ..Flags::default() };
        let header = Header { initiator, responder, exchange, flags, message_id };
        assemble(&header, PayloadKind::HASH, &body).ok()
    }
}

/// Whether a message opens with the hash that `expected` makes of what follows.
pub(crate) fn is_authentic(chain: &Chain, plaintext: &[u8], expected: impl FnOnce(&[u8]) -> Secret) -> bool {
    chain
        .leading_hash()
        .is_some_and(|(hash, covered)| plaintext.get(covered).is_some_and(|covered| holds(&expected(covered), hash)))
}
