//! What the four senders announce: the same prefixes, ten with each set of attributes, paths of their own.

use crate::dut::Duty;
use crate::site::{BEST, Seat};

/// The first prefix; no other address of the laboratory is in its network. All are /24.
const FIRST: u32 = 0x1400_0000;
/// More than are ever announced.
const MOST: u32 = 1 << 20;
/// Prefixes with the same attributes.
const SHARING: u32 = 10;
/// Autonomous systems of the paths' ends, behind those of the peers.
const ORIGINS: u32 = 1_000_000;

/// Where a prefix stands in the feed.
pub(crate) fn position(address: u32) -> Option<u32> {
    address.checked_sub(FIRST).map(|distance| distance >> 8).filter(|position| *position < MOST)
}

/// Everything one sender says, as it goes onto the wire. What is to be reflected is best from [`BEST`], what goes into the
/// kernel is as good from each.
pub(crate) fn updates(seat: Seat, prefixes: u32, duty: Duty) -> Vec<u8> {
    let mut wire = Vec::with_capacity(usize::try_from(prefixes / SHARING * 100).unwrap_or_default());
    for first in (0..prefixes).step_by(SHARING as usize) {
        let attributes = attributes(seat, first / SHARING, duty);
        let count = SHARING.min(prefixes - first);
        let nlri = (first..first + count).flat_map(|number| {
            let [a, b, c, _] = (FIRST + (number << 8)).to_be_bytes();
            [24, a, b, c]
        });
        let mut body = vec![0, 0];
        body.extend(length(attributes.len()));
        body.extend(&attributes);
        body.extend(nlri);
        wire.extend(message(2, &body));
    }
    wire
}

/// A message of this type: marker, length, type, body.
pub(crate) fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut message = vec![0xff; 16];
    message.extend(length(19 + body.len()));
    message.push(kind);
    message.extend(body);
    message
}

fn attributes(seat: Seat, set: u32, duty: Duty) -> Vec<u8> {
    let mut path = vec![seat.asn(duty), ORIGINS + set];
    if duty == Duty::Reflect && seat != BEST {
        path.insert(1, ORIGINS / 2 + set % 5000);
    }
    let mut octets = vec![0x40, 1, 1, 0, 0x40, 2];
    let count = u8::try_from(path.len()).expect("a path of two or three");
    octets.extend([2 + 4 * count, 2, count]);
    octets.extend(path.iter().flat_map(|asn| asn.to_be_bytes()));
    octets.extend([0x40, 3, 4]);
    octets.extend(seat.address().octets());
    octets
}

fn length(length: usize) -> [u8; 2] {
    u16::try_from(length).expect("small messages only").to_be_bytes()
}
