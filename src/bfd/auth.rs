//! Keyed SHA1 and meticulous keyed SHA1 (RFC 5880 4.4, 6.7.4).
//!
//! ```text
//!   | Auth Type 4/5 | Auth Len 28 |  Key ID  | Reserved |
//!   |                   Sequence Number                  |
//!   |   SHA1 over the whole packet, the key in this place (20 octets)
//! ```
//!
//! Passwords in the clear and MD5 are not offered: they prove nothing to whoever can read or compute.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use wire::{Decoder, Secret};

use crate::discard::Discard;
use crate::packet::{AuthSection, AuthType, ControlPacket};

/// Octets of the longest key.
pub const MAX_KEY_LEN: usize = 20;
/// Octets behind type and length: key ID, reserved, sequence number, digest.
const DATA_LEN: usize = 26;

/// Which proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthKind {
    /// A packet may be sent again within a few packets.
    KeyedSha1,
    /// Each packet has its own number and counts once.
    MeticulousKeyedSha1,
}

impl AuthKind {
    /// As on the wire.
    #[must_use]
    pub const fn auth_type(self) -> AuthType {
        match self {
            Self::KeyedSha1 => AuthType::KEYED_SHA1,
            Self::MeticulousKeyedSha1 => AuthType::METICULOUS_KEYED_SHA1,
        }
    }
}

/// What both ends know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authentication {
    /// How it is used.
    pub kind: AuthKind,
    /// The key's number.
    pub key_id: u8,
    /// 1 to 20 octets.
    pub key: Secret,
}

/// One session's sequence numbers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sequence {
    /// Of the next packet sent.
    next: u32,
    /// Of the last packet accepted; `None` after a long silence.
    received: Option<u32>,
}

impl Sequence {
    /// RFC 5880 6.8.1: begins at random.
    pub(crate) const fn new(first: u32) -> Self {
        Self { next: first, received: None }
    }

    /// RFC 5880 6.8.1, bfd.AuthSeqKnown: nothing came for twice the detection time.
    pub(crate) const fn forget(&mut self) {
        self.received = None;
    }
}

impl Authentication {
    /// The packet's octets with its proof.
    pub(crate) fn seal(&self, packet: &ControlPacket<'_>, sequence: &mut Sequence) -> Vec<u8> {
        let mut data = [0; DATA_LEN];
        data[0] = self.key_id;
        data[2..6].copy_from_slice(&sequence.next.to_be_bytes());
        sequence.next = sequence.next.wrapping_add(1);
        let section = AuthSection { kind: self.kind.auth_type(), data: &data };
        let mut octets = ControlPacket { authentication: Some(section), ..*packet }.encode();
        let at = octets.len() - MAX_KEY_LEN;
        octets[at..].copy_from_slice(&self.padded());
        let proof = digest(&SHA1_FOR_LEGACY_USE_ONLY, &octets);
        octets[at..].copy_from_slice(proof.as_ref());
        octets
    }

    /// Whether `packet`, decoded from `octets`, comes from who knows the key, and is new.
    pub(crate) fn check(
        &self,
        packet: &ControlPacket<'_>,
        octets: &[u8],
        sequence: &mut Sequence,
    ) -> Result<(), Discard> {
        let expected = self.kind.auth_type();
        let Some(section) = packet.authentication else { return Err(Discard::AuthMissing { expected }) };
        if section.kind != expected {
            return Err(Discard::AuthKind { found: section.kind, expected });
        }
        let (key_id, found, proof) = fields(section)?;
        if key_id != self.key_id {
            return Err(Discard::AuthKey { found: key_id, expected: self.key_id });
        }
        if let Some(last) = sequence.received.filter(|last| !self.is_next(*last, found, packet.detect_multiplier)) {
            return Err(Discard::AuthSequence { found, last });
        }
        // What stands behind the packet is not part of it.
        let length = 24 + 2 + DATA_LEN;
        let mut digested = octets[..length].to_vec();
        digested[length - MAX_KEY_LEN..].copy_from_slice(&self.padded());
        let own = digest(&SHA1_FOR_LEGACY_USE_ONLY, &digested);
        verify_slices_are_equal(own.as_ref(), proof).map_err(|_| Discard::AuthDigest)?;
        sequence.received = Some(found);
        Ok(())
    }

    /// RFC 5880 6.7.4: within three times the detect multiplier, on a circle.
    fn is_next(&self, last: u32, found: u32, multiplier: u8) -> bool {
        let least = match self.kind {
            AuthKind::KeyedSha1 => 0,
            AuthKind::MeticulousKeyedSha1 => 1,
        };
        (least..=3 * u32::from(multiplier)).contains(&found.wrapping_sub(last))
    }

    /// The key with zeros behind it.
    fn padded(&self) -> [u8; MAX_KEY_LEN] {
        let mut padded = [0; MAX_KEY_LEN];
        let key = self.key.expose();
        let length = key.len().min(MAX_KEY_LEN);
        padded[..length].copy_from_slice(&key[..length]);
        padded
    }
}

/// Key ID, sequence number, digest.
fn fields<'a>(section: AuthSection<'a>) -> Result<(u8, u32, &'a [u8]), Discard> {
    if section.data.len() != DATA_LEN {
        let length = u8::try_from(section.data.len() + 2).unwrap_or(u8::MAX);
        return Err(Discard::AuthLength { length, available: DATA_LEN + 2 });
    }
    let mut data = Decoder::new(section.data);
    let key_id = data.u8("key id")?;
    data.u8("reserved")?;
    Ok((key_id, data.u32("sequence number")?, data.take_rest()))
}
