//! Whose packet is it?

use std::net::IpAddr;
use std::time::Instant;

use wire::LinkId;

use super::support::{PEERS, ms, packet};
use crate::session::Event;
use crate::{
    Arrival, Config, ControlPacket, Discard, Endpoint, EndpointEvent, EndpointOutput, Hops, MULTI_HOP_PORT, Path,
    SINGLE_HOP_PORT, SessionId, State,
};

const LOCAL: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(169, 254, 21, 2));
const REMOTE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(169, 254, 21, 1));

fn endpoint() -> Endpoint {
    let mut state = 1u32;
    Endpoint::new(Box::new(move |out: &mut [u8]| {
        for octet in out {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            *octet = state.to_be_bytes()[0];
        }
    }))
}

fn path(link: u32, hops: Hops) -> Path {
    Path { link: Some(LinkId(link)), local: LOCAL, remote: REMOTE, hops }
}

fn arrival(link: u32) -> Arrival {
    Arrival { link: Some(LinkId(link)), local: LOCAL, remote: REMOTE, port: SINGLE_HOP_PORT, ttl: 255 }
}

/// Two tunnels with the same inside addresses, as two clouds may give them.
fn two() -> (Endpoint, Instant) {
    let (mut endpoint, now) = (endpoint(), Instant::now());
    for id in [1, 2] {
        endpoint.add(SessionId(id), path(id, Hops::One), Config::default(), now);
        endpoint.start(SessionId(id), now);
    }
    (endpoint, now)
}

fn sent(endpoint: &mut Endpoint) -> Vec<(u32, Vec<u8>)> {
    let outputs = std::iter::from_fn(|| endpoint.poll_output());
    let packet = |output| match output {
        EndpointOutput::Transmit { session, octets } => Some((session.0, octets)),
        EndpointOutput::Event { .. } => None,
    };
    outputs.filter_map(packet).collect()
}

fn discriminator(endpoint: &Endpoint, id: u32) -> u32 {
    endpoint.statuses().find(|(session, ..)| session.0 == id).map(|(.., status)| status.discriminator).unwrap()
}

fn state(endpoint: &Endpoint, id: u32) -> State {
    endpoint.statuses().find(|(session, ..)| session.0 == id).map(|(.., status)| status.state).unwrap()
}

#[test]
fn a_stranger_is_told_apart_by_its_link_a_known_peer_by_number_and_link() {
    let (mut endpoint, now) = two();
    let down = packet(State::Down, 0).encode();
    assert_eq!(endpoint.handle_datagram(&arrival(2), &down, now), Ok(SessionId(2)));
    assert_eq!((state(&endpoint, 1), state(&endpoint, 2)), (State::Down, State::Init));
    let ours = discriminator(&endpoint, 2);
    let up = packet(State::Up, ours).encode();
    assert_eq!(
        endpoint.handle_datagram(&arrival(1), &up, now),
        Err(Discard::UnknownDiscriminator { discriminator: ours }),
        "it came over the other tunnel"
    );
    let spoofed = Arrival { remote: [192, 0, 2, 9].into(), ..arrival(2) };
    assert!(endpoint.handle_datagram(&spoofed, &up, now).is_err());
    assert_eq!(endpoint.handle_datagram(&spoofed, &down, now), Err(Discard::NoSession));
    assert_eq!(endpoint.handle_datagram(&arrival(2), &up, now), Ok(SessionId(2)));
    assert_eq!(state(&endpoint, 2), State::Up);
    let counted: Vec<_> = endpoint.discarded().iter().map(|(label, count)| (*label, *count)).collect();
    assert_eq!(counted, [("discriminator", 2), ("no-session", 1)]);
}

#[test]
fn what_came_over_a_router_is_not_from_the_neighbour() {
    let (mut endpoint, now) = two();
    let down = packet(State::Down, 0).encode();
    for ttl in [0, 1, 254] {
        let routed = Arrival { ttl, ..arrival(1) };
        let refused = Err(Discard::Ttl { found: ttl, least: 255 });
        assert_eq!(endpoint.handle_datagram(&routed, &down, now), refused);
    }
    assert_eq!(state(&endpoint, 1), State::Down);
}

#[test]
fn sessions_over_several_hops_have_a_port_and_a_distance_of_their_own() {
    let (mut endpoint, now) = two();
    let many = Path { link: None, ..path(0, Hops::Many { least_ttl: 250 }) };
    endpoint.add(SessionId(3), many, Config::default(), now);
    endpoint.start(SessionId(3), now);
    let down = packet(State::Down, 0).encode();
    let from_afar = Arrival { link: None, port: MULTI_HOP_PORT, ttl: 251, ..arrival(0) };
    assert_eq!(endpoint.handle_datagram(&from_afar, &down, now), Ok(SessionId(3)));
    let too_far = Arrival { ttl: 249, ..from_afar };
    assert_eq!(endpoint.handle_datagram(&too_far, &down, now), Err(Discard::Ttl { found: 249, least: 250 }));
    let other_port = Arrival { port: SINGLE_HOP_PORT, ..from_afar };
    assert_eq!(endpoint.handle_datagram(&other_port, &down, now), Err(Discard::NoSession));
}

#[test]
fn a_session_that_is_removed_says_so_before_it_is_gone() {
    let (mut endpoint, now) = two();
    endpoint.handle_timeout(now);
    sent(&mut endpoint);
    endpoint.handle_datagram(&arrival(1), &packet(State::Down, 0).encode(), now).unwrap();
    let now = now + ms(10);
    endpoint.remove(SessionId(1), now);
    let told = sent(&mut endpoint);
    let last = ControlPacket::decode(&told.last().unwrap().1).unwrap();
    assert_eq!((last.state, last.your_discriminator), (State::AdminDown, PEERS));
    assert_eq!(endpoint.statuses().map(|(id, ..)| id.0).collect::<Vec<_>>(), [2], "nobody asks for it any more");
    let mut at = now;
    let mut gone = false;
    while at < now + ms(20_000) && !gone {
        at = endpoint.poll_timeout().unwrap();
        endpoint.handle_timeout(at);
        while let Some(output) = endpoint.poll_output() {
            gone |= output == EndpointOutput::Event { session: SessionId(1), event: EndpointEvent::Gone };
        }
    }
    assert!(gone && at <= now + ms(3100), "{:?}", at - now);
    assert_eq!(endpoint.handle_datagram(&arrival(1), &packet(State::Down, 0).encode(), at), Err(Discard::NoSession));
}

#[test]
fn a_path_has_one_session() {
    let (mut endpoint, now) = two();
    let before = discriminator(&endpoint, 1);
    endpoint.add(SessionId(9), path(1, Hops::One), Config::default(), now);
    endpoint.start(SessionId(9), now);
    assert_eq!(endpoint.statuses().map(|(id, ..)| id.0).collect::<Vec<_>>(), [2, 9]);
    assert_ne!(discriminator(&endpoint, 9), before);
    let stale = packet(State::Up, before).encode();
    assert!(endpoint.handle_datagram(&arrival(1), &stale, now).is_err());
}

#[test]
fn whoever_is_about_to_fail_can_be_looked_for_first() {
    let (mut endpoint, now) = two();
    endpoint.handle_datagram(&arrival(1), &packet(State::Init, discriminator(&endpoint, 1)).encode(), now).unwrap();
    assert_eq!(state(&endpoint, 1), State::Up);
    assert_eq!(endpoint.about_to_fail(now + ms(899)).count(), 0);
    let late = now + ms(900);
    assert_eq!(endpoint.about_to_fail(late).map(|(id, _)| id.0).collect::<Vec<_>>(), [1]);
    // Its packet was waiting all the time.
    endpoint.handle_datagram(&arrival(1), &packet(State::Up, discriminator(&endpoint, 1)).encode(), late).unwrap();
    endpoint.handle_timeout(late);
    assert_eq!(state(&endpoint, 1), State::Up);
}

#[test]
fn hundreds_of_sessions_are_served_in_order_of_their_deadlines() {
    let (mut endpoint, now) = (endpoint(), Instant::now());
    for id in 0..500 {
        endpoint.add(SessionId(id), path(id, Hops::One), Config::default(), now);
        endpoint.start(SessionId(id), now);
    }
    let mut counts = vec![0; 500];
    let mut last = now;
    while let Some(at) = endpoint.poll_timeout().filter(|at| *at <= now + ms(10_000)) {
        assert!(at >= last);
        last = at;
        endpoint.handle_timeout(at);
        for (id, _) in sent(&mut endpoint) {
            counts[id as usize] += 1;
        }
    }
    assert!(counts.iter().all(|count| (10..=14).contains(count)), "{counts:?}");
}

#[test]
fn events_carry_their_session() {
    let (mut endpoint, now) = two();
    while endpoint.poll_output().is_some() {}
    endpoint.handle_datagram(&arrival(2), &packet(State::Down, 0).encode(), now).unwrap();
    let changed = EndpointEvent::Session(Event::StateChanged { from: State::Down, to: State::Init, reason: None });
    let outputs: Vec<_> = std::iter::from_fn(|| endpoint.poll_output()).collect();
    assert!(outputs.contains(&EndpointOutput::Event { session: SessionId(2), event: changed }));
}

/// The first session up, as the peer sees it too, at a later moment.
fn up(endpoint: &mut Endpoint, now: Instant) {
    for said in [State::Down, State::Init, State::Up] {
        let yours = discriminator(endpoint, 1);
        endpoint.handle_datagram(&arrival(1), &packet(said, yours).encode(), now).unwrap();
    }
    assert_eq!(state(endpoint, 1), State::Up);
    sent(endpoint);
}

fn events(endpoint: &mut Endpoint) -> Vec<(u32, EndpointEvent)> {
    let outputs = std::iter::from_fn(|| endpoint.poll_output());
    let event = |output| match output {
        EndpointOutput::Event { session, event } => Some((session.0, event)),
        EndpointOutput::Transmit { .. } => None,
    };
    outputs.filter_map(event).collect()
}

#[test]
fn a_session_that_is_retired_goes_on_for_the_peer_and_ends_with_it() {
    let (mut endpoint, now) = two();
    up(&mut endpoint, now);
    let yours = discriminator(&endpoint, 1);
    endpoint.retire(SessionId(1), now);
    assert_eq!(endpoint.statuses().count(), 1, "nobody here sees it");
    let mut at = now;
    for _ in 0..20 {
        at += ms(200);
        endpoint.handle_datagram(&arrival(1), &packet(State::Up, yours).encode(), at).unwrap();
        endpoint.handle_timeout(at);
        let said = sent(&mut endpoint);
        for (_, octets) in said.iter().filter(|(id, _)| *id == 1) {
            assert_eq!(ControlPacket::decode(octets).unwrap().state, State::Up);
        }
    }
    endpoint.handle_datagram(&arrival(1), &packet(State::AdminDown, yours).encode(), at).unwrap();
    assert_eq!(events(&mut endpoint), [(1, EndpointEvent::Gone)], "and nothing of why");
}

#[test]
fn a_retired_session_ends_with_the_peers_silence_and_one_that_is_not_up_at_once() {
    let (mut endpoint, now) = two();
    up(&mut endpoint, now);
    endpoint.retire(SessionId(1), now);
    endpoint.handle_timeout(now + ms(10_000));
    let gone = |events: Vec<(u32, EndpointEvent)>, id| events.contains(&(id, EndpointEvent::Gone));
    assert!(gone(events(&mut endpoint), 1));
    endpoint.retire(SessionId(2), now + ms(10_000));
    endpoint.handle_timeout(now + ms(60_000));
    assert!(gone(events(&mut endpoint), 2));
}

#[test]
fn what_was_retired_is_taken_up_again_as_it_is() {
    let (mut endpoint, now) = two();
    up(&mut endpoint, now);
    let before = discriminator(&endpoint, 1);
    let resume = |endpoint: &mut Endpoint, id, link| {
        endpoint.resume(SessionId(id), &path(link, Hops::One), &Config::default(), now)
    };
    assert_eq!(resume(&mut endpoint, 1, 1), None, "it is not retired");
    endpoint.retire(SessionId(1), now);
    assert_eq!(resume(&mut endpoint, 1, 3), None, "another path");
    assert_eq!(resume(&mut endpoint, 1, 1), Some(SessionId(1)));
    assert_eq!((discriminator(&endpoint, 1), state(&endpoint, 1)), (before, State::Up));
    let usable = EndpointEvent::Session(Event::Verdict(crate::Verdict::Usable));
    assert_eq!(events(&mut endpoint), [(1, usable)]);
}

#[test]
fn what_was_retired_is_taken_up_again_under_another_number() {
    let (mut endpoint, now) = two();
    up(&mut endpoint, now);
    let before = discriminator(&endpoint, 1);
    endpoint.retire(SessionId(1), now);
    // The number is one that another session has, which ends.
    let resumed = endpoint.resume(SessionId(2), &path(1, Hops::One), &Config::default(), now);
    assert_eq!(resumed, Some(SessionId(1)));
    assert_eq!(endpoint.statuses().map(|(id, path, _)| (id.0, path.link)).collect::<Vec<_>>(), [(2, Some(LinkId(1)))]);
    assert_eq!((discriminator(&endpoint, 2), state(&endpoint, 2)), (before, State::Up));
    let heard = endpoint.handle_datagram(&arrival(1), &packet(State::Up, before).encode(), now);
    assert_eq!(heard, Ok(SessionId(2)));
    events(&mut endpoint);
    // It is sent for, and missed, as before.
    let mut at = now;
    let mut said = 0;
    while state(&endpoint, 2) == State::Up {
        at = endpoint.poll_timeout().unwrap();
        endpoint.handle_timeout(at);
        said += sent(&mut endpoint).iter().filter(|(id, _)| *id == 2).count();
    }
    assert!(said >= 2 && at - now >= ms(900), "{said} {:?}", at - now);
}
