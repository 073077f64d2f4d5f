//! What comes to the ports of BFD: each packet alone, and all in a row to an endpoint with sessions.

use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use bfd::{
    Arrival, AuthKind, AuthSection, Authentication, Config, ControlPacket, Diagnostic, Endpoint, EndpointOutput, Hops,
    Path, SINGLE_HOP_PORT, SessionId, State,
};
use wire::{LinkId, Secret};

use super::entropy::Seeded;

const LOCAL: IpAddr = IpAddr::V4(Ipv4Addr::new(169, 254, 21, 2));
const PEER: IpAddr = IpAddr::V4(Ipv4Addr::new(169, 254, 21, 1));

/// Octets: chunks, each behind a control octet: its length in the low six bits, the session's link in the seventh, and
/// with the eighth a second passes before.
pub fn body(octets: &[u8]) {
    let start = Instant::now();
    let mut now = start;
    let mut endpoint = endpoint(now);
    let mut rest = octets;
    while let Some((control, after)) = rest.split_first() {
        let (chunk, after) = after.split_at(after.len().min(usize::from(control & 0x3f)));
        rest = after;
        alone(chunk);
        if control & 0x80 != 0 {
            now += Duration::from_secs(1);
            endpoint.handle_timeout(now);
        }
        let link = Some(LinkId(u32::from(control >> 6 & 1)));
        let arrival = Arrival { link, local: LOCAL, remote: PEER, port: SINGLE_HOP_PORT, ttl: 255 };
        if let Err(discard) = endpoint.handle_datagram(&arrival, chunk, now) {
            assert!(!discard.to_string().is_empty() && !discard.label().is_empty(), "a refusal says why");
        }
        // Nobody can make it say more than an answer and a change per packet, beside its own pace.
        let sent = drain(&mut endpoint);
        let seconds = usize::try_from(now.duration_since(start).as_secs()).unwrap_or(usize::MAX);
        assert!(sent <= 8 + 2 * seconds, "{sent} packets at once");
    }
}

fn alone(octets: &[u8]) {
    let Ok(packet) = ControlPacket::decode(octets) else { return };
    assert!(packet.detect_multiplier != 0 && packet.my_discriminator != 0, "what RFC 5880 6.8.6 asks for");
    let encoded = packet.encode();
    assert_eq!(ControlPacket::decode(&encoded), Ok(packet), "the same packet");
}

/// One session without authentication, one with.
fn endpoint(now: Instant) -> Endpoint {
    let mut endpoint = Endpoint::new(Box::new(Seeded::new(7)));
    for id in [0, 1] {
        let path = Path { link: Some(LinkId(id)), local: LOCAL, remote: PEER, hops: Hops::One };
        let authentication = (id == 1).then(|| Authentication {
            kind: AuthKind::KeyedSha1,
            key_id: 1,
            key: Secret::from(b"key".as_slice()),
        });
        endpoint.add(SessionId(id), path, Config { authentication, ..Config::default() }, now);
        endpoint.start(SessionId(id), now);
    }
    drain(&mut endpoint);
    endpoint
}

fn drain(endpoint: &mut Endpoint) -> usize {
    let outputs = std::iter::from_fn(|| endpoint.poll_output());
    outputs.filter(|output| matches!(output, EndpointOutput::Transmit { .. })).count()
}

/// A session's life, with and without authentication.
#[must_use]
pub fn seeds() -> Vec<Vec<u8>> {
    let packet = |state: State, your_discriminator: u32| ControlPacket {
        diagnostic: Diagnostic::NONE,
        state,
        poll: true,
        last: false,
        control_plane_independent: false,
        demand: false,
        detect_multiplier: 3,
        my_discriminator: 9,
        your_discriminator,
        desired_min_tx: 300_000,
        required_min_rx: 300_000,
        required_min_echo_rx: 0,
        authentication: None,
    };
    let ours = endpoint(Instant::now()).statuses().map(|(.., status)| status.discriminator).next().unwrap_or_default();
    let chunk = |control: u8, octets: Vec<u8>| {
        let length = u8::try_from(octets.len()).unwrap_or_default();
        [vec![control | length], octets].concat()
    };
    let data = [0; 26];
    let sealed = ControlPacket {
        authentication: Some(AuthSection { kind: AuthKind::KeyedSha1.auth_type(), data: &data }),
        ..packet(State::Down, 0)
    };
    let life = [State::Down, State::Init, State::Up, State::Down, State::AdminDown];
    let life = life.map(|state| chunk(0x80, packet(state, ours).encode())).concat();
    vec![chunk(0, packet(State::Down, 0).encode()), chunk(0x40, sealed.encode()), life]
}
