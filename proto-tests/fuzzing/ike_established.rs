//! An attacker without keys against an established tunnel (RFC 7296 2.3, 2.4, 2.21, 2.23): it sees everything, repeats,
//! changes and invents datagrams under any source address. The tunnel stays as it is, and can still be renewed.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use isakmp::HEADER_LEN;
use negotiation::TunnelState;

use super::input::{Input, Script};
use super::pair::{Pair, address};

const STEPS: usize = 48;

/// Octets: steps of a kind, a target and source, and what the kind needs.
pub fn body(octets: &[u8]) {
    let mut input = Input::new(octets);
    let mut pair = Pair::up();
    let (before, actions) = (pair.standings(), pair.actions);
    for _ in 0..STEPS {
        if input.is_empty() {
            break;
        }
        step(&mut pair, &mut input);
        assert_eq!(pair.standings(), before, "no datagram without the keys changes the tunnel");
    }
    assert_eq!(pair.actions, actions, "the data planes were told nothing");
    // Past a few liveness checks: message windows are not out of step either.
    pair.pass(Duration::from_secs(25));
    assert_eq!(pair.standings(), before, "the tunnel lives on");
    for child in [true, false] {
        let before = pair.standings();
        pair.rekey(child);
        pair.pass(Duration::from_secs(2));
        let after = pair.standings();
        assert!(after.iter().all(|standing| standing.state == TunnelState::Up), "renewed");
        assert_ne!(after, before, "with other names");
    }
}

fn step(pair: &mut Pair, input: &mut Input<'_>) {
    let (kind, ends) = (input.u8(), input.u8());
    let to = usize::from(ends & 1);
    let port = if ends & 2 == 0 { 4500 } else { 500 };
    let source = match ends >> 2 & 3 {
        0 | 1 => SocketAddr::new(address(1 - to), port),
        2 => SocketAddr::new(address(1 - to), 1024 + u16::from(ends)),
        _ => SocketAddr::from((Ipv4Addr::new(203, 0, 113, 9), port)),
    };
    match kind % 5 {
        0 => pair.inject(to, source, input.piece()),
        1 => repeated(pair, to, source, usize::from(input.u8())),
        2 => changed(pair, to, source, input),
        3 => invented(pair, to, source, input),
        _ => pair.pass(Duration::from_secs(u64::from(input.u8() % 4))),
    }
}

/// A genuine datagram again, unchanged, perhaps to the wrong end.
fn repeated(pair: &mut Pair, to: usize, source: SocketAddr, which: usize) {
    let (_, datagram) = pair.history[which % pair.history.len()].clone();
    pair.inject(to, source, &datagram);
}

/// A genuine datagram with octets changed.
fn changed(pair: &mut Pair, to: usize, source: SocketAddr, input: &mut Input<'_>) {
    let which = usize::from(input.u8()) % pair.history.len();
    let (_, mut datagram) = pair.history[which].clone();
    for _ in 0..1 + input.u8() % 6 {
        let at = usize::from(input.u16()) % datagram.len();
        datagram[at] ^= input.u8();
    }
    pair.inject(to, source, &datagram);
}

/// The header of a datagram that was seen, with another exchange, flags and message ID, and any body.
fn invented(pair: &mut Pair, to: usize, source: SocketAddr, input: &mut Input<'_>) {
    let (_, seen) = &pair.history[pair.history.len() - 1];
    let mut datagram = seen[..HEADER_LEN].to_vec();
    (datagram[16], datagram[18], datagram[19]) = (input.u8(), input.u8(), input.u8());
    datagram[20..24].copy_from_slice(&u32::from(input.u8()).to_be_bytes());
    datagram.extend_from_slice(input.piece());
    let length = u32::try_from(datagram.len()).unwrap_or(u32::MAX);
    datagram[24..28].copy_from_slice(&length.to_be_bytes());
    pair.inject(to, source, &datagram);
}

/// Each kind of step; a notification in the clear that the peer is dead; a Delete in the clear.
#[must_use]
pub fn seeds() -> Vec<Vec<u8>> {
    let invalid_spi = [0, 0, 0, 8, 0, 0, 0, 4];
    let delete = [0, 0, 0, 8, 1, 0, 0, 0];
    let failed = [0, 0, 0, 8, 0, 0, 0, 24];
    vec![
        Script::default().octets(&[0, 0]).piece(&[0; 28]).octets(&[1, 1, 0, 1, 0, 1, 1, 1, 2, 4, 0, 3]).done(),
        Script::default().octets(&[2, 1, 2, 1, 0, 40, 1, 0, 60, 2]).octets(&[2, 0, 3, 0, 0, 19, 32]).done(),
        Script::default().octets(&[3, 0, 41, 37, 0x20, 2]).piece(&invalid_spi).done(),
        Script::default().octets(&[3, 1, 42, 37, 0x08, 2]).piece(&delete).done(),
        Script::default().octets(&[3, 0, 41, 35, 0x20, 1]).piece(&failed).done(),
        Script::default().octets(&[3, 1, 46, 37, 0x08, 2]).piece(&[0, 0, 0, 40, 7, 7, 7]).octets(&[1, 13, 0]).done(),
    ]
}
