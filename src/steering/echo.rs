//! Echo request and reply (RFC 792, RFC 4443 4).
//!
//! ```text
//!    0                   1                   2                   3
//!    0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//!   +---------------+---------------+-------------------------------+
//!   |     Type      |     Code      |          Checksum             |
//!   +---------------+---------------+-------------------------------+
//!   |           Identifier          |        Sequence Number        |
//!   +-------------------------------+-------------------------------+
//!   |     Data ...
//! ```
//!
//! The data begins with a token that nobody else can guess, so that only who saw the request can answer it.

use std::net::IpAddr;

/// Which request an answer belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Echo {
    /// Tells requesters apart.
    pub identifier: u16,
    /// Tells requests apart.
    pub sequence: u16,
    /// What the answer has to repeat.
    pub token: [u8; TOKEN],
    /// Octets of data after the token, where the packet is to be of some size.
    pub padding: usize,
}

/// Octets of data that tell an answer from what only looks like one.
pub const TOKEN: usize = 16;
const HEADER: usize = 8;
const LENGTH: usize = HEADER + TOKEN;
/// Octets of a request without padding, and of the IPv4 header before it.
pub const LEAST: usize = 20 + LENGTH;

mod kind {
    pub(super) const REPLY_V4: u8 = 0;
    pub(super) const UNREACHABLE_V4: u8 = 3;
    pub(super) const REQUEST_V4: u8 = 8;
    pub(super) const REQUEST_V6: u8 = 128;
    pub(super) const REPLY_V6: u8 = 129;
}

impl Echo {
    /// The request to `target`. Over IPv6 the kernel fills the checksum in, which covers addresses (RFC 4443 2.3).
    #[must_use]
    pub fn request(&self, target: IpAddr) -> Vec<u8> {
        let mut octets = vec![0; LENGTH + self.padding];
        octets[0] = if target.is_ipv4() { kind::REQUEST_V4 } else { kind::REQUEST_V6 };
        octets[4..6].copy_from_slice(&self.identifier.to_be_bytes());
        octets[6..8].copy_from_slice(&self.sequence.to_be_bytes());
        octets[HEADER..LENGTH].copy_from_slice(&self.token);
        if target.is_ipv4() {
            let sum = checksum(&octets);
            octets[2..4].copy_from_slice(&sum.to_be_bytes());
        }
        octets
    }

    /// Whether what a raw socket received from `from` answers this request. Over IPv4 its header comes first.
    #[must_use]
    pub fn is_answered_by(&self, from: IpAddr, received: &[u8]) -> bool {
        let (message, reply) = match from {
            IpAddr::V4(_) => (behind_header(received), kind::REPLY_V4),
            IpAddr::V6(_) => (Some(received), kind::REPLY_V6),
        };
        let Some(message) = message else { return false };
        let [identifier, sequence] = [self.identifier, self.sequence].map(u16::to_be_bytes);
        let expected = [&[reply, 0][..], &identifier, &sequence, &self.token].concat();
        let found = message.get(..2).zip(message.get(4..LENGTH)).map(|(kind, rest)| [kind, rest].concat());
        // RFC 792: all data comes back, and a checksum over all of it comes to nothing.
        found == Some(expected) && message.len() == LENGTH + self.padding && (from.is_ipv6() || checksum(message) == 0)
    }

    /// Whether what a raw socket received over IPv4 says that this request is too large for the way (RFC 1191 4): "must
    /// not be fragmented", and behind it the beginning of the packet.
    #[must_use]
    pub fn is_too_large_by(&self, received: &[u8]) -> bool {
        const NEEDS_FRAGMENTS: u8 = 4;
        let Some(message) = behind_header(received).filter(|message| checksum(message) == 0) else { return false };
        let [identifier, sequence] = [self.identifier, self.sequence].map(u16::to_be_bytes);
        let request = message.get(HEADER..).and_then(behind_header);
        message.starts_with(&[kind::UNREACHABLE_V4, NEEDS_FRAGMENTS])
            && request.is_some_and(|request| {
                request.starts_with(&[kind::REQUEST_V4, 0])
                    && request.get(4..8) == Some(&[identifier, sequence].concat())
            })
    }
}

/// What follows an IPv4 header, if all of it is there.
fn behind_header(packet: &[u8]) -> Option<&[u8]> {
    let first = packet.first().filter(|first| *first >> 4 == 4)?;
    packet.get(usize::from(first & 0x0f) * 4..)
}

/// RFC 1071.
fn checksum(octets: &[u8]) -> u16 {
    let words =
        octets.chunks(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair.get(1).copied().unwrap_or(0)])));
    let mut sum = words.fold(0_u32, |sum, word| {
        let sum = sum + word;
        (sum & 0xffff) + (sum >> 16)
    });
    sum = (sum & 0xffff) + (sum >> 16);
    !u16::try_from(sum & 0xffff).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const V4: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 2, 0, 10));
    const V6: IpAddr = IpAddr::V6(std::net::Ipv6Addr::LOCALHOST);

    fn echo() -> Echo {
        Echo { identifier: 0x1234, sequence: 7, token: *b"0123456789abcdef", padding: 3 }
    }

    /// What a host makes of the request.
    fn reply(target: IpAddr) -> Vec<u8> {
        let mut octets = echo().request(target).to_vec();
        octets[0] = if target.is_ipv4() { 0 } else { 129 };
        if target.is_ipv4() {
            octets[2..4].copy_from_slice(&[0, 0]);
            let sum = checksum(&octets);
            octets[2..4].copy_from_slice(&sum.to_be_bytes());
            let mut packet = vec![0x45; 20];
            packet.append(&mut octets);
            return packet;
        }
        octets
    }

    #[test]
    fn a_request_has_the_octets_of_the_rfc() {
        let octets = echo().request(V4);
        assert_eq!(octets[..2], [8, 0]);
        assert_eq!(octets[4..8], [0x12, 0x34, 0, 7]);
        assert_eq!(checksum(&octets), 0, "its checksum comes out even");
        assert_eq!(echo().request(V6)[..4], [128, 0, 0, 0], "the kernel fills in that of IPv6");
    }

    #[test]
    fn only_the_right_answer_is_one() {
        for target in [V4, V6] {
            let good = reply(target);
            assert!(echo().is_answered_by(target, &good));
            for at in 0..good.len() {
                assert!(!echo().is_answered_by(target, &good[..at]), "cut at {at}");
            }
            assert!(!Echo { sequence: 8, ..echo() }.is_answered_by(target, &good));
            assert!(!Echo { identifier: 8, ..echo() }.is_answered_by(target, &good));
            assert!(!Echo { token: [0; TOKEN], ..echo() }.is_answered_by(target, &good));
            assert!(!echo().is_answered_by(target, &echo().request(target)), "our own request is none");
        }
        let mut damaged = reply(V4);
        damaged[23] ^= 1;
        assert!(!echo().is_answered_by(V4, &damaged), "a wrong checksum");
        for padding in [2, 4] {
            assert!(!Echo { padding, ..echo() }.is_answered_by(V6, &reply(V6)), "{padding}: another length");
        }
    }

    /// `inner` quoted by a router, behind its own header.
    fn complaint(code: u8, inner: &[u8]) -> Vec<u8> {
        let mut message = [&[3, code, 0, 0, 0, 0, 5, 0][..], inner].concat();
        let sum = checksum(&message);
        message[2..4].copy_from_slice(&sum.to_be_bytes());
        [&[0x45; 20][..], &message].concat()
    }

    #[test]
    fn a_packet_that_is_too_large_is_told_by_its_beginning() {
        let packet = [&[0x45; 20][..], &echo().request(V4)[..8]].concat();
        let told = complaint(4, &packet);
        assert!(echo().is_too_large_by(&told));
        assert!(!echo().is_too_large_by(&complaint(1, &packet)), "a host that is not there");
        assert!(!Echo { sequence: 8, ..echo() }.is_too_large_by(&told), "another request");
        assert!(!echo().is_too_large_by(&reply(V4)));
        for at in 0..told.len() {
            assert!(!echo().is_too_large_by(&told[..at]), "cut at {at}");
        }
        let mut damaged = told;
        damaged[25] ^= 1;
        assert!(!echo().is_too_large_by(&damaged), "a wrong checksum");
    }

    proptest! {
        #[test]
        fn any_octets_can_be_looked_at(octets in proptest::collection::vec(any::<u8>(), 0..80)) {
            prop_assert!(!echo().is_answered_by(V4, &octets));
            prop_assert!(!echo().is_answered_by(V6, &octets));
            prop_assert!(!echo().is_too_large_by(&octets));
        }
    }
}
