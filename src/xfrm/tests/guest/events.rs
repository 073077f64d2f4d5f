//! What the kernel notices, told as events.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use dataplane::{Event, Limit};
use esp::OutboundSa;
use wire::ipsec::{Direction, Encapsulation, SaAction, SaLifetime};

use crate::support::*;

fn peer_sa() -> OutboundSa {
    OutboundSa::new(&association(GCM, Encapsulation::Udp, 1, Direction::Outbound, 1)).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a kernel with ESP: scripts/test-kernel"]
async fn ike_and_esp_are_told_apart_and_strangers_policies_do_not_catch_ike() {
    let lab = Lab::new();
    let mut end = lab.end(0, Kind::Kernel, |_, _| ()).await;
    install_alone(&end, |_| ());
    // Somebody else's policies want everything between the two protected, or not at all.
    lab.sides[0].sh("ip xfrm policy add src 192.0.2.1 dst 192.0.2.2 dir out action block");
    lab.sides[0].sh("ip xfrm policy add src 192.0.2.2 dst 192.0.2.1 dir in action block");
    let (natted, plain) = (bind(&lab, 4500), bind(&lab, 500));
    natted.send_to(&[0xff], engine(4500)).unwrap();
    natted.send_to(b"\0\0\0\0an IKE message", engine(4500)).unwrap();
    plain.send_to(b"another", engine(500)).unwrap();
    let mut came = Vec::new();
    while came.len() < 2 {
        came.push(
            end.event(|event| {
                let Event::Ike { local, remote, datagram } = event else { panic!("{event:?}") };
                Some((local, remote, datagram))
            })
            .await,
        );
    }
    came.sort();
    let remote = |port| SocketAddr::new(OUTSIDE[1], port);
    assert_eq!(came[0], (engine(500), remote(500), b"another".to_vec()));
    assert_eq!(came[1], (engine(4500), remote(4500), b"an IKE message".to_vec()));
    let mut buffer = [0; 100];
    end.kernel().send_ike(engine(4500), remote(4500), b"hello").unwrap();
    let len = natted.recv(&mut buffer).unwrap();
    assert_eq!(&buffer[..len], b"\0\0\0\0hello");
    end.kernel().send_ike(engine(500), remote(500), b"hello").unwrap();
    let len = plain.recv(&mut buffer).unwrap();
    assert_eq!(&buffer[..len], b"hello");
    assert!(end.kernel().send_ike(engine(501), remote(500), b"hello").is_err());
    eventually("both are counted", || end.kernel().engine_counters().ike_in == 2);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a kernel with ESP: scripts/test-kernel"]
async fn replayed_forged_and_unknown_packets_are_refused_and_counted() {
    let lab = Lab::new();
    let end = lab.end(0, Kind::Kernel, |_, _| ()).await;
    install_alone(&end, |_| ());
    let (socket, mut sa) = (bind(&lab, 4500), peer_sa());
    let packet = seal(&mut sa, 0);
    let mut forged = seal(&mut sa, 0);
    forged[30] ^= 1;
    for datagram in [&packet, &packet, &forged] {
        socket.send_to(datagram, engine(4500)).unwrap();
    }
    eventually("all are counted", || {
        let seen = end.counters();
        (seen.packets_in, seen.replay_drops, seen.integrity_drops) == (1, 1, 1)
    });
    for _ in 0..5 {
        // Long enough for the kernel to look at it.
        let mut unknown = [0; 64];
        unknown[..4].copy_from_slice(&[1, 2, 3, 4]);
        socket.send_to(&unknown, engine(4500)).unwrap();
    }
    eventually("those for no SA, too", || end.kernel().engine_counters().unknown_spi == 5);
    // With the window's width between them, the first is too old.
    let late = seal(&mut sa, 0);
    for _ in 0..1100 {
        seal(&mut sa, 0);
    }
    for datagram in [&seal(&mut sa, 0), &late] {
        socket.send_to(datagram, engine(4500)).unwrap();
    }
    // RFC 4303 A2.2: what is that old is taken for what is yet to come, and is not authentic then.
    eventually("what is older than the window", || end.counters().integrity_drops == 2);
    assert_eq!(end.counters().packets_in, 2);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a kernel with ESP: scripts/test-kernel"]
async fn limits_are_reported_and_a_spent_sa_carries_no_more() {
    let lab = Lab::new();
    let mut ends = lab.pair(Kind::User, GCM, Encapsulation::Udp).await;
    let limits = SaLifetime { soft_packets: Some(3), hard_packets: Some(6), ..SaLifetime::default() };
    let mut sa = association(GCM, Encapsulation::Udp, 0, Direction::Outbound, 2);
    let mut inbound = association(GCM, Encapsulation::Udp, 1, Direction::Inbound, 2);
    (sa.lifetime, inbound.lifetime) = (limits, SaLifetime::default());
    let spi = sa.spi;
    ends[1].install(Direction::Inbound, inbound);
    ends[0].install(Direction::Outbound, sa);
    let server = lab.sides[1].run(|| UdpSocket::bind((INSIDE[1], 0)).unwrap());
    let client = lab.sides[0].run(|| UdpSocket::bind((INSIDE[0], 0)).unwrap());
    for _ in 0..12 {
        client.send_to(b"some come through", server.local_addr().unwrap()).unwrap();
        thread::sleep(Duration::from_millis(20));
    }
    for limit in [Limit::Soft, Limit::Hard] {
        let reported = ends[0].event(|event| {
            let Event::SaLimit { tunnel, direction, spi, limit } = event else { panic!("{event:?}") };
            Some((tunnel, direction, spi, limit))
        });
        assert_eq!(reported.await, (TUNNEL, Direction::Outbound, spi, limit));
    }
    eventually("what it carried", || ends[1].counters().packets_in == 6);
    eventually("and what it did not", || ends[0].counters().lifetime_drops >= 5);
    assert!(ends[0].drain().is_empty(), "said once, and no other SA is asked for");
    let left = ends[0].sas().into_iter().find(|usage| usage.spi == spi).unwrap();
    assert_eq!((left.packets, left.remaining_packets), (6, Some(0)));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a kernel with ESP: scripts/test-kernel"]
async fn a_packet_without_an_sa_is_a_demand_at_most_once_a_second() {
    let lab = Lab::new();
    let mut end = lab.end(0, Kind::Kernel, |_, _| ()).await;
    let peer = lab.end(1, Kind::User, |_, _| ()).await;
    let before = Instant::now();
    let client = lab.sides[0].run(|| UdpSocket::bind((INSIDE[0], 0)).unwrap());
    let sender = thread::spawn(move || {
        for _ in 0..25 {
            let _ = client.send_to(b"nobody carries this", (INSIDE[1], 9));
            thread::sleep(Duration::from_millis(100));
        }
    });
    let demand = |event| (event == Event::Demand { tunnel: TUNNEL }).then(|| before.elapsed());
    let mut demands = Vec::new();
    while !sender.is_finished() {
        demands.extend(tokio::time::timeout(Duration::from_millis(100), end.event(demand)).await);
    }
    sender.join().unwrap();
    let most = before.elapsed().as_millis() / 900 + 1;
    assert!((2..=most).contains(&u128::try_from(demands.len()).unwrap()), "{demands:?} in {:?}", before.elapsed());
    eventually("all are counted", || end.counters().no_sa_drops >= 25);
    assert_eq!(end.counters().packets_out, 0);
    // The first packet after an SA is there goes with it.
    let ends = [end, peer];
    install(&ends, |side, direction| association(GCM, Encapsulation::Udp, side, direction, 1));
    lab.sides[0].sh("ping -c 1 -W 2 169.254.10.2");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a kernel with ESP: scripts/test-kernel"]
async fn a_peer_that_moves_is_reported_and_its_sas_go_on_there() {
    let lab = Lab::new();
    let mut end = lab.end(0, Kind::Kernel, |_, _| ()).await;
    install_alone(&end, |_| ());
    let (home, away, mut sa) = (bind(&lab, 4500), bind(&lab, 40_000), peer_sa());
    // Takes what the peer sends inside, so that no ICMP error goes back.
    let _inside = lab.sides[0].run(|| UdpSocket::bind((INSIDE[0], 0x1000)).unwrap());
    let known = seal(&mut sa, 0);
    home.send_to(&known, engine(4500)).unwrap();
    eventually("it comes from where it was", || end.counters().packets_in == 1);
    let mut forged = seal(&mut sa, 0);
    forged[30] ^= 1;
    away.send_to(&forged, engine(4500)).unwrap();
    for _ in 0..3 {
        away.send_to(&seal(&mut sa, 0), engine(4500)).unwrap();
    }
    let moved = end.event(|event| {
        let Event::PeerMoved { tunnel, local, remote } = event else { panic!("{event:?}") };
        Some((tunnel, local, remote))
    });
    let (tunnel, local, remote) = moved.await;
    assert_eq!((tunnel, local, remote), (TUNNEL, engine(4500), SocketAddr::new(OUTSIDE[1], 40_000)));
    let send = |to: &UdpSocket| {
        lab.try_sh(0, "ping -c 1 -W 1 169.254.10.2");
        let mut buffer = [0; 200];
        to.recv(&mut buffer).unwrap();
        u32::from_be_bytes([buffer[4], buffer[5], buffer[6], buffer[7]])
    };
    assert_eq!(send(&home), 1);
    assert_eq!(send(&home), 2);
    end.apply(SaAction::Move { tunnel, local, remote });
    assert_eq!(end.drain(), [], "nothing failed");
    // RFC 4303 3.3.3: no sequence number again under the same keys.
    assert_eq!(send(&away), 3);
    end.apply(SaAction::Move { tunnel, local, remote });
    assert_eq!(send(&away), 4);
    // Nor does the window forget what it has seen.
    away.send_to(&known, engine(4500)).unwrap();
    eventually("seen before", || end.counters().replay_drops == 1);
    away.send_to(&seal(&mut sa, 0), engine(4500)).unwrap();
    eventually("counting goes on", || end.counters().packets_in == 5);
    assert_eq!((end.counters().packets_out, end.counters().integrity_drops), (4, 1));
    assert!(end.drain().is_empty(), "it is where it is known to be");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a kernel with ESP: scripts/test-kernel"]
async fn a_silent_tunnel_keeps_its_mapping() {
    let lab = Lab::new();
    let end = lab.end(0, Kind::Kernel, |config, _| config.nat_keepalive = Some(Duration::from_secs(1))).await;
    let home = bind(&lab, 4500);
    install_alone(&end, |_| ());
    let mut buffer = [0; 100];
    let before = Instant::now();
    for _ in 0..2 {
        let len = home.recv(&mut buffer).unwrap();
        assert_eq!(&buffer[..len], [0xff]);
    }
    assert!(before.elapsed() >= Duration::from_millis(1800), "{:?}", before.elapsed());
    eventually("both are counted", || end.kernel().engine_counters().keepalives_out >= 2);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a kernel with ESP: scripts/test-kernel"]
async fn moving_under_traffic_repeats_no_sequence_number() {
    let lab = Lab::new();
    let mut end = lab.end(0, Kind::Kernel, |config, _| config.nat_keepalive = None).await;
    install_alone(&end, |_| ());
    let sockets = [bind(&lab, 4500), bind(&lab, 40_000)];
    let client = lab.sides[0].run(|| UdpSocket::bind((INSIDE[0], 0)).unwrap());
    let over = Arc::new(AtomicBool::new(false));
    let sender = {
        let over = Arc::clone(&over);
        thread::spawn(move || {
            while !over.load(Ordering::Relaxed) {
                // The socket may hear that there was no SA for a moment.
                let _ = client.send_to(b"here or there", (INSIDE[1], 9));
                thread::sleep(Duration::from_millis(2));
            }
        })
    };
    let mut numbers = Vec::new();
    let mut hear = |socket: &UdpSocket| {
        let mut buffer = [0; 200];
        while let Ok(len) = socket.recv(&mut buffer) {
            assert!(len > 8);
            numbers.push(u32::from_be_bytes([buffer[4], buffer[5], buffer[6], buffer[7]]));
        }
    };
    sockets.iter().for_each(|socket| socket.set_nonblocking(true).unwrap());
    for turn in 0..10 {
        let remote = sockets[1 - turn % 2].local_addr().unwrap();
        end.apply(SaAction::Move { tunnel: TUNNEL, local: engine(4500), remote });
        thread::sleep(Duration::from_millis(20));
        // A socket that nobody reads holds a few hundred packets.
        sockets.iter().for_each(&mut hear);
    }
    over.store(true, Ordering::Relaxed);
    sender.join().unwrap();
    for socket in &sockets {
        socket.set_nonblocking(false).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
        hear(socket);
    }
    let failed: Vec<Event> =
        end.drain().into_iter().filter(|event| *event != Event::Demand { tunnel: TUNNEL }).collect();
    assert_eq!(failed, [], "every move succeeds");
    let (all, most) = (numbers.len(), numbers.iter().max().copied().unwrap());
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers.len(), all, "RFC 4303 3.3.3");
    // Only the port changes: the kernel changes it in place.
    assert!(all >= 20 && all == usize::try_from(most).unwrap(), "{all} of {most}: none is lost");
    eventually("all are counted", || u64::from(most) <= end.counters().packets_out);
}
