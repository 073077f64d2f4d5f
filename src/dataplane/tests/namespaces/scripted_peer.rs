//! One engine against a peer that the test plays itself: what must be reported, and what must be refused.

use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use crate::support::{
    End, GCM, INSIDE, Lab, OUTSIDE, TUNNEL, association, bind, engine, eventually, install_alone, seal,
};
use dataplane::{Event, Limit, TunnelCounters};
use esp::{InboundSa, OutboundSa};
use wire::ipsec::{Direction, Encapsulation, SaAction, SaLifetime, Spi};

/// The peer: a socket on side 1 and its SAs.
struct Peer {
    socket: UdpSocket,
    /// Takes what the peer sends inside, so that the kernel sends no ICMP error back.
    inside: UdpSocket,
    outbound: OutboundSa,
    inbound: InboundSa,
}

impl Peer {
    fn new(lab: &Lab) -> Self {
        let sa = |direction| association(GCM, Encapsulation::Udp, 1, direction, 1);
        Self {
            socket: bind(lab, 4500),
            inside: lab.sides[0].run(|| UdpSocket::bind((INSIDE[0], 0x1000)).unwrap()),
            outbound: OutboundSa::new(&sa(Direction::Outbound)).unwrap(),
            inbound: InboundSa::new(&sa(Direction::Inbound)).unwrap(),
        }
    }

    /// A UDP packet to the engine's inside address, sealed.
    fn seal(&mut self, tos: u8) -> Vec<u8> {
        seal(&mut self.outbound, tos)
    }

    fn send(&self, datagram: &[u8]) {
        self.socket.send_to(datagram, engine(4500)).unwrap();
    }
}

async fn pair(lab: &Lab) -> (End, Peer) {
    let end = lab.engine(0, |_, _| ()).await;
    install_alone(&end, |_| ());
    (end, Peer::new(lab))
}

fn counters(end: &End) -> TunnelCounters {
    end.engine.counters(TUNNEL).unwrap()
}

#[tokio::test]
async fn ike_esp_and_keepalives_are_told_apart() {
    let lab = Lab::new();
    let (mut end, mut peer) = pair(&lab).await;
    let packet = peer.seal(0);
    peer.send(&packet);
    peer.send(&[0xff]);
    peer.send(&[0xff, 0xff, 0xff]);
    peer.send(b"\0\0\0\0an IKE message");
    let (local, remote, datagram) = end
        .event(|event| {
            let Event::Ike { local, remote, datagram } = event else { return None };
            Some((local, remote, datagram))
        })
        .await;
    assert_eq!((local, remote, datagram.as_slice()), (engine(4500), (OUTSIDE[1], 4500).into(), &b"an IKE message"[..]));
    let old = bind(&lab, 500);
    old.send_to(b"\0\0\0\0another", engine(500)).unwrap();
    let datagram = end
        .event(|event| {
            let Event::Ike { local, datagram, .. } = event else { return None };
            (local == engine(500)).then_some(datagram)
        })
        .await;
    assert_eq!(datagram, b"\0\0\0\0another");
    eventually("all is counted", || {
        let totals = end.engine.engine_counters();
        (totals.keepalives_in, totals.malformed, totals.ike_in) == (1, 1, 2)
    });
    assert_eq!(counters(&end).packets_in, 1);
}

#[tokio::test]
async fn ike_answers_carry_the_marker_only_on_port_4500() {
    let lab = Lab::new();
    let (end, peer) = pair(&lab).await;
    let mut buffer = [0; 100];
    end.engine.send_ike(engine(4500), (OUTSIDE[1], 4500).into(), b"hello").unwrap();
    let len = peer.socket.recv(&mut buffer).unwrap();
    assert_eq!(&buffer[..len], b"\0\0\0\0hello");
    let old = bind(&lab, 500);
    end.engine.send_ike(engine(500), (OUTSIDE[1], 500).into(), b"hello").unwrap();
    let (len, from) = old.recv_from(&mut buffer).unwrap();
    assert_eq!((&buffer[..len], from), (&b"hello"[..], engine(500)));
    assert!(end.engine.send_ike(engine(501), (OUTSIDE[1], 500).into(), b"hello").is_err());
}

#[tokio::test]
async fn packets_that_come_before_their_sa_are_delivered_once_it_is_there() {
    let lab = Lab::new();
    let end = lab.engine(0, |_, _| ()).await;
    let mut peer = Peer::new(&lab);
    let mut sent: Vec<Vec<u8>> = (0..40).map(|_| peer.seal(0)).collect();
    sent[7][30] ^= 1;
    for packet in sent.iter().chain([&sent[3]]) {
        peer.send(packet);
    }
    eventually("all have come", || end.engine.engine_counters().unknown_spi == 41);
    assert_eq!(counters(&end).packets_in, 0);
    install_alone(&end, |_| ());
    eventually("they are opened", || counters(&end).packets_in == 39);
    assert_eq!(end.engine.engine_counters().early, 41);
    let seen = counters(&end);
    assert_eq!((seen.replay_drops, seen.integrity_drops), (1, 1), "they are judged as any other");
    let last = peer.seal(0);
    peer.send(&last);
    eventually("what comes now goes on", || counters(&end).packets_in == 40);
}

#[tokio::test]
async fn replayed_forged_and_unknown_packets_are_refused() {
    let lab = Lab::new();
    let (mut end, mut peer) = pair(&lab).await;
    let packet = peer.seal(0);
    peer.send(&packet);
    peer.send(&packet);
    let mut forged = peer.seal(0);
    forged[30] ^= 1;
    peer.send(&forged);
    peer.send(&packet[..20]);
    eventually("all four are counted", || counters(&end).malformed_drops == 1);
    let seen = counters(&end);
    assert_eq!((seen.packets_in, seen.replay_drops, seen.integrity_drops), (1, 1, 1));
    for _ in 0..5 {
        peer.send(&[1, 2, 3, 4, 0, 0, 0, 1, 0, 0, 0, 0]);
    }
    let spi = end.event(|event| if let Event::UnknownSpi { spi, .. } = event { Some(spi) } else { None }).await;
    assert_eq!(spi, Spi(0x0102_0304));
    eventually("all five are counted", || end.engine.engine_counters().unknown_spi == 5);
    assert!(end.events.try_recv().is_err(), "one event for five packets");
}

#[tokio::test]
async fn an_authentic_packet_from_elsewhere_reports_the_move_and_a_forged_one_does_not() {
    let lab = Lab::new();
    let (mut end, mut peer) = pair(&lab).await;
    let elsewhere = bind(&lab, 40_000);
    let older = peer.seal(0);
    let mut forged = peer.seal(0);
    forged[30] ^= 1;
    elsewhere.send_to(&forged, engine(4500)).unwrap();
    let packet = peer.seal(0);
    peer.send(&packet);
    eventually("the packet is counted", || counters(&end).packets_in == 1);
    elsewhere.send_to(&older, engine(4500)).unwrap();
    eventually("the older packet is counted", || counters(&end).packets_in == 2);
    assert!(end.events.try_recv().is_err(), "neither a forged nor an older packet moves the peer");
    for _ in 0..2 {
        let packet = peer.seal(0);
        elsewhere.send_to(&packet, engine(4500)).unwrap();
    }
    let moved = end.event(|event| matches!(event, Event::PeerMoved { .. }).then_some(event)).await;
    let remote = SocketAddr::new(OUTSIDE[1], 40_000);
    assert_eq!(moved, Event::PeerMoved { tunnel: TUNNEL, local: engine(4500), remote });
    end.engine.apply(SaAction::Move { tunnel: TUNNEL, local: engine(4500), remote });
    lab.sides[0].run(|| {
        UdpSocket::bind((INSIDE[0], 0)).unwrap().send_to(b"follow", (INSIDE[1], 9)).unwrap();
    });
    let mut buffer = [0; 200];
    let len = elsewhere.recv(&mut buffer).unwrap();
    let inner = peer.inbound.open(&mut buffer[..len]).unwrap().inner.unwrap();
    assert!(buffer[inner].ends_with(b"follow"));
    assert!(end.events.try_recv().is_err(), "said once");
}

#[tokio::test]
async fn limits_are_reported_once_each_and_hold() {
    let lab = Lab::new();
    let mut end = lab.engine(0, |_, _| ()).await;
    let lifetime = SaLifetime { soft_packets: Some(2), hard_packets: Some(3), ..SaLifetime::default() };
    install_alone(&end, |sa| sa.lifetime = lifetime);
    let mut peer = Peer::new(&lab);
    for _ in 0..5 {
        let packet = peer.seal(0);
        peer.send(&packet);
    }
    lab.sides[0].run(|| {
        let socket = UdpSocket::bind((INSIDE[0], 0)).unwrap();
        for _ in 0..5 {
            socket.send_to(b"count", (INSIDE[1], 9)).unwrap();
        }
    });
    let mut limits = Vec::new();
    while limits.len() < 4 {
        let found = |event| {
            let Event::SaLimit { direction, limit, .. } = event else { return None };
            Some((direction, limit))
        };
        limits.push(end.event(found).await);
    }
    for direction in [Direction::Inbound, Direction::Outbound] {
        let of: Vec<Limit> = limits.iter().filter(|limit| limit.0 == direction).map(|limit| limit.1).collect();
        assert_eq!(of, [Limit::Soft, Limit::Hard], "{direction:?}");
    }
    eventually("what is beyond is dropped", || counters(&end).lifetime_drops == 4);
    assert_eq!((counters(&end).packets_in, counters(&end).packets_out), (3, 3));
}

#[tokio::test]
async fn congestion_marks_are_combined() {
    let lab = Lab::new();
    let (end, mut peer) = pair(&lab).await;
    let marked = socket2::SockRef::from(&peer.socket);
    marked.set_tos_v4(3).unwrap();
    peer.inside.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let not_capable = peer.seal(0);
    peer.send(&not_capable);
    let capable = peer.seal(2);
    peer.send(&capable);
    let mut buffer = [0; 10];
    assert_eq!(peer.inside.recv(&mut buffer).unwrap(), 4);
    assert_eq!((counters(&end).ecn_drops, counters(&end).packets_in), (1, 1));
}

#[tokio::test]
async fn an_idle_encapsulated_tunnel_keeps_its_nat_mapping() {
    let lab = Lab::new();
    let end = lab.engine(0, |config, _| config.nat_keepalive = Some(Duration::from_secs(1))).await;
    install_alone(&end, |_| ());
    let peer = Peer::new(&lab);
    let start = Instant::now();
    let mut buffer = [0; 100];
    for _ in 0..2 {
        let len = peer.socket.recv(&mut buffer).unwrap();
        assert_eq!(buffer[..len], [0xff]);
    }
    assert!(start.elapsed() > Duration::from_secs(1));
    eventually("both are counted", || end.engine.engine_counters().keepalives_out >= 2);
}

#[tokio::test]
async fn what_cannot_be_installed_is_reported() {
    let lab = Lab::new();
    let mut end = lab.engine(0, |_, _| ()).await;
    install_alone(&end, |sa| sa.replay_window = 1);
    let failed = end.event(|event| if let Event::Failed { failure, .. } = event { Some(failure) } else { None }).await;
    assert_eq!(failed.to_string(), "cannot use SA 0x00001000: a replay window of 1 packets is not supported");
    install_alone(&end, |sa| sa.local = "192.0.2.77:4500".parse().unwrap());
    let failed = end.event(|event| if let Event::Failed { failure, .. } = event { Some(failure) } else { None }).await;
    assert_eq!(failed.to_string(), "no socket on 192.0.2.77:4500");
}

#[tokio::test]
async fn a_late_packet_is_taken_within_the_window_of_its_tunnel_and_not_beyond() {
    for (window, accepted) in [(64, 100), (4096, 101)] {
        let lab = Lab::new();
        let end = lab.engine(0, |_, _| ()).await;
        install_alone(&end, |sa| sa.replay_window = window);
        let mut peer = Peer::new(&lab);
        let late = peer.seal(0);
        for _ in 0..100 {
            let packet = peer.seal(0);
            peer.send(&packet);
        }
        peer.send(&late);
        // RFC 4303 A2.1: with extended numbers, what is left of the window passes for one of the next round, which nobody
        // authenticated.
        eventually("all have come", || {
            let seen = counters(&end);
            seen.packets_in + seen.integrity_drops == 101
        });
        assert_eq!(counters(&end).packets_in, accepted, "window of {window}");
    }
}

#[tokio::test]
async fn each_sa_says_what_it_carried_and_what_is_left_of_it() {
    let lab = Lab::new();
    let end = lab.engine(0, |_, _| ()).await;
    install_alone(&end, |sa| sa.lifetime = SaLifetime { soft_bytes: Some(1000), ..SaLifetime::default() });
    let mut peer = Peer::new(&lab);
    let usage = |direction| {
        let sas = end.engine.sas(TUNNEL);
        sas.into_iter().find(|usage| usage.direction == direction).unwrap()
    };
    assert_eq!(usage(Direction::Inbound).remaining_bytes, Some(1000));
    let packet = peer.seal(0);
    let mut forged = peer.seal(0);
    forged[30] ^= 1;
    peer.send(&forged);
    peer.send(&packet);
    eventually("the packet is counted", || usage(Direction::Inbound).packets == 1);
    let inbound = usage(Direction::Inbound);
    assert_eq!((inbound.bytes, inbound.remaining_bytes, inbound.remaining_packets), (32, Some(968), None));
    assert_eq!(usage(Direction::Outbound).packets, 0);
    // An SA installed again goes on counting.
    install_alone(&end, |_| ());
    assert_eq!(usage(Direction::Inbound).packets, 1);
    end.engine.apply(SaAction::Remove { tunnel: TUNNEL, direction: Direction::Inbound, spi: inbound.spi });
    eventually("it is forgotten", || end.engine.sas(TUNNEL).len() == 1);
}
