//! ESP that comes before its SA.
//!
//! ```text
//!   peer: answer to CREATE_CHILD_SA, then ESP with the new SA --> here: ESP is read while IKE still derives the keys
//!           unknown SPI --> kept (bounded, 2 s) --> Install of that SPI --> opened in the order it came
//! ```
//!
//! RFC 7296 2.8 lets a responder send on an SA as soon as its answer is sent, and some do: without this, each renewal that
//! we begin would cost what comes until the answer has been processed. Anybody can fill the store with invented SPIs: it
//! takes the place of older packets, and what is lost is what would have been lost anyway.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use wire::ipsec::Spi;

use super::deliver::Outer;

/// Packets kept.
const MOST_PACKETS: usize = 1024;
/// Octets kept.
const MOST_OCTETS: usize = 2 << 20;
/// What is older is of no use to anybody.
const LONGEST: Duration = Duration::from_secs(2);

/// A packet and where it came from.
#[derive(Debug)]
pub(super) struct EarlyPacket {
    spi: Spi,
    pub(super) outer: Outer,
    pub(super) packet: Vec<u8>,
}

/// The packets, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Early {
    packets: VecDeque<EarlyPacket>,
    octets: usize,
}

impl Early {
    /// Keeps `packet`, in place of the oldest where there is no room.
    pub(super) fn keep(&mut self, spi: Spi, outer: Outer, packet: &[u8]) {
        if packet.len() > MOST_OCTETS {
            return;
        }
        let mut room = Vec::new();
        while self.packets.len() >= MOST_PACKETS || self.octets + packet.len() > MOST_OCTETS {
            let Some(oldest) = self.packets.pop_front() else { break };
            self.octets -= oldest.packet.len();
            room = oldest.packet;
        }
        room.clear();
        room.extend_from_slice(packet);
        self.octets += room.len();
        self.packets.push_back(EarlyPacket { spi, outer, packet: room });
    }

    /// Takes out what came for `spi` and is not too old.
    pub(super) fn take(&mut self, spi: Spi, now: Instant) -> Vec<EarlyPacket> {
        if !self.packets.iter().any(|early| early.spi == spi) {
            return Vec::new();
        }
        let (mut taken, rest): (Vec<_>, Vec<_>) = self.packets.drain(..).partition(|early| early.spi == spi);
        self.packets.extend(rest);
        self.octets = self.packets.iter().map(|early| early.packet.len()).sum();
        taken.retain(|early| now.saturating_duration_since(early.outer.now) <= LONGEST);
        taken
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use wire::ipsec::Encapsulation;

    use super::*;

    fn outer(now: Instant) -> Outer {
        let end = SocketAddr::from(([192, 0, 2, 1], 0));
        Outer { local: end, from: end, encapsulation: Encapsulation::Esp, tos: 0, now }
    }

    fn kept(early: &mut Early, spi: u32, now: Instant) -> Vec<Vec<u8>> {
        early.take(Spi(spi), now).into_iter().map(|early| early.packet).collect()
    }

    #[test]
    fn packets_come_out_by_spi_in_their_order_and_once() {
        let (mut early, now) = (Early::default(), Instant::now());
        for (spi, octet) in [(1, 10), (2, 20), (1, 11), (2, 21)] {
            early.keep(Spi(spi), outer(now), &[octet; 5]);
        }
        assert_eq!(kept(&mut early, 1, now), [vec![10; 5], vec![11; 5]]);
        assert!(kept(&mut early, 1, now).is_empty());
        assert_eq!(early.octets, 10);
        assert_eq!(kept(&mut early, 2, now), [vec![20; 5], vec![21; 5]]);
        assert_eq!(early.octets, 0);
    }

    #[test]
    fn what_is_too_old_is_not_delivered() {
        let (mut early, now) = (Early::default(), Instant::now());
        early.keep(Spi(1), outer(now), &[1]);
        early.keep(Spi(1), outer(now + LONGEST), &[2]);
        assert_eq!(kept(&mut early, 1, now + LONGEST + Duration::from_millis(1)), [vec![2]]);
    }

    #[test]
    fn a_flood_takes_the_place_of_what_is_older_and_no_more_room() {
        let (mut early, now) = (Early::default(), Instant::now());
        early.keep(Spi(1), outer(now), &[1; 100]);
        for spi in 0..5000 {
            early.keep(Spi(0x1_0000 + spi), outer(now), &[0; 1400]);
            assert!(early.packets.len() <= MOST_PACKETS && early.octets <= MOST_OCTETS);
        }
        for spi in 0..5000 {
            early.keep(Spi(0x2_0000 + spi), outer(now), &[0; 65_000]);
            assert!(early.packets.len() <= MOST_PACKETS && early.octets <= MOST_OCTETS);
        }
        assert!(kept(&mut early, 1, now).is_empty());
        early.keep(Spi(1), outer(now), &[1; 100]);
        assert_eq!(kept(&mut early, 1, now), [vec![1; 100]]);
    }
}
