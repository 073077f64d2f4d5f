//! Datagrams from anybody to an endpoint that has no SA: one tunnel that begins, one that waits (RFC 7296 2.6, 2.21).
//! Without the pre-shared key nothing comes up, and what one datagram causes is bounded.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use ike::Endpoint;
use negotiation::{Event, Output, StartAction};
use wire::ipsec::TunnelId;

use super::datagrams::{ADDRESS_A, ADDRESS_B, authentication, config, first_request};
use super::entropy::Seeded;
use super::input::{Input, Script};

const STEPS: usize = 64;
/// The peer of the tunnel that waits.
const ADDRESS_C: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 12));
/// Half-open exchanges that an endpoint keeps at most.
const MOST_HALF_OPEN: usize = 4096;

/// Octets: steps of a source, of what to copy from our last datagram, and a datagram.
pub fn body(octets: &[u8]) {
    let mut input = Input::new(octets);
    let mut now = Instant::now();
    let mut endpoint = Endpoint::new(Box::new(Seeded::new(1)));
    endpoint.add_tunnel(TunnelId(1), config(ADDRESS_A, ADDRESS_B, StartAction::Initiate), now);
    endpoint.add_tunnel(TunnelId(2), config(ADDRESS_A, ADDRESS_C, StartAction::Respond), now);
    let mut last = drain(&mut endpoint);
    for _ in 0..STEPS {
        if input.is_empty() {
            break;
        }
        let (from, copy) = (input.u8(), input.u8());
        let mut datagram = input.piece().to_vec();
        if copy & 1 != 0 {
            copy_spis(&mut datagram, &last);
        }
        if copy & 2 != 0 {
            declare_length(&mut datagram);
        }
        let port = if copy & 4 == 0 { 500 } else { 4500 };
        endpoint.handle_datagram(SocketAddr::new(ADDRESS_A, port), source(from, port), &datagram, now);
        last = drain(&mut endpoint).or(last);
        if copy & 8 != 0 {
            now += Duration::from_millis(u64::from(from) * 50);
            endpoint.handle_timeout(now);
            last = drain(&mut endpoint).or(last);
        }
    }
    assert!(endpoint.counters().half_open <= MOST_HALF_OPEN, "half-open exchanges are bounded");
    now += Duration::from_secs(60);
    endpoint.handle_timeout(now);
    drain(&mut endpoint);
    assert_eq!(endpoint.counters().half_open, 0, "and forgotten");
}

/// What was sent last, if anything was.
fn drain(endpoint: &mut Endpoint) -> Option<Vec<u8>> {
    let (mut last, mut count) = (None, 0);
    while let Some(output) = endpoint.poll_output() {
        match output {
            Output::Transmit { datagram, .. } => {
                last = Some(datagram);
                count += 1;
            }
            Output::Sa(action) => panic!("no SA without the key: {action:?}"),
            Output::Event(Event::IkeUp { .. } | Event::TunnelUp { .. }) => panic!("up without the key"),
            Output::Event(_) => {}
        }
    }
    assert!(count <= 8, "{count} datagrams at once");
    last
}

fn source(from: u8, port: u16) -> SocketAddr {
    match from % 4 {
        0 | 1 => SocketAddr::new(ADDRESS_B, port),
        2 => SocketAddr::new(ADDRESS_C, port),
        _ => SocketAddr::from((Ipv4Addr::new(203, 0, 113, from), port)),
    }
}

/// The initiator's SPI of a message of ours, and its responder's where there is one.
fn copy_spis(datagram: &mut [u8], last: &Option<Vec<u8>>) {
    if let (Some(start), Some(spis)) = (datagram.get_mut(..16), last.as_ref().and_then(|last| last.get(..16))) {
        start[..8].copy_from_slice(&spis[..8]);
        if spis[8..] != [0; 8] {
            start[8..].copy_from_slice(&spis[8..]);
        }
    }
}

fn declare_length(datagram: &mut [u8]) {
    let length = u32::try_from(datagram.len()).unwrap_or(u32::MAX);
    if let Some(field) = datagram.get_mut(24..28) {
        field.copy_from_slice(&length.to_be_bytes());
    }
}

/// A request to begin from a peer, from a stranger and many times; answers to ours: no proposal, another group, a cookie;
/// `IKE_AUTH` out of nowhere; IKEv1.
#[must_use]
pub fn seeds() -> Vec<Vec<u8>> {
    let request = first_request();
    let step = |script: Script, from: u8, copy: u8, datagram: &[u8]| script.octets(&[from, copy]).piece(datagram);
    let notify = |kind: u16, data: &[u8]| {
        let mut datagram = vec![0; 28];
        (datagram[7], datagram[15], datagram[16], datagram[17], datagram[18]) = (1, 2, 41, 0x20, 34);
        datagram[19] = 0x20;
        let length = u16::try_from(8 + data.len()).unwrap_or(u16::MAX).to_be_bytes();
        [&datagram, &[0, 0][..], &length, &[0, 0], &kind.to_be_bytes(), data].concat()
    };
    let mut version_one = request.clone();
    version_one[17] = 0x10;
    let answer = {
        let mut answer = request.clone();
        (answer[15], answer[19]) = (9, 0x20);
        answer
    };
    vec![
        step(step(Script::default(), 2, 2, &request), 2, 3, &authentication()).done(),
        (0..6).fold(Script::default(), |script, number| step(script, 3 + 4 * number, 2, &request)).done(),
        step(Script::default(), 0, 3, &notify(14, &[])).done(),
        step(Script::default(), 0, 11, &notify(17, &[0, 19])).done(),
        step(Script::default(), 0, 3, &notify(16390, &[7; 16])).done(),
        step(Script::default(), 0, 3, &answer).done(),
        step(Script::default(), 2, 2, &authentication()).done(),
        step(Script::default(), 2, 2, &version_one).done(),
    ]
}
