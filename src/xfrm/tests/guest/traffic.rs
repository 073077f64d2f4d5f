//! Packets of every suite over every carrier, between two kernels and between the kernel and user space.

use std::net::UdpSocket;
use std::thread;
use std::time::Duration;

use dataplane::TunnelCounters;
use wire::ipsec::{Direction, Encapsulation, Encryption, EspSuite, Integrity, SaAction, TrafficSelector};

use crate::support::*;

const TCP_OCTETS: usize = 300_000;

fn suites() -> Vec<EspSuite> {
    let aead = |encryption, esn| EspSuite { encryption, integrity: None, esn };
    let cbc = |encryption, integrity, esn| EspSuite { encryption, integrity: Some(integrity), esn };
    vec![
        aead(Encryption::gcm16(128), true),
        aead(Encryption::AesGcm { bits: 256, tag: 8 }, false),
        aead(Encryption::AesGcm { bits: 192, tag: 12 }, true),
        aead(Encryption::ChaCha20Poly1305, false),
        cbc(Encryption::AesCbc(128), Integrity::HmacSha1, true),
        CBC,
        cbc(Encryption::AesCbc(192), Integrity::HmacSha384, true),
        cbc(Encryption::AesCbc(256), Integrity::HmacSha512, false),
        cbc(Encryption::TripleDesCbc, Integrity::HmacMd5, false),
    ]
}

/// Every suite after the other in one tunnel, and one of each kind over both families and both carriers.
async fn every_suite(other: Kind) {
    let lab = Lab::new();
    let ends = [lab.end(0, Kind::Kernel, |_, _| ()).await, lab.end(1, other, |_, _| ()).await];
    let mut generation = 0;
    let mut before = 0;
    for v6 in [false, true] {
        for encapsulation in [Encapsulation::Udp, Encapsulation::Esp] {
            let all = other == Kind::User && !v6 && encapsulation == Encapsulation::Udp;
            for suite in if all { suites() } else { vec![GCM, CBC] } {
                generation += 1;
                install(&ends, |side, direction| {
                    let sa = association(suite, encapsulation, side, direction, generation);
                    if v6 { over_ipv6(sa, side) } else { sa }
                });
                let case = format!("{suite} {encapsulation:?} IPv6 {v6}");
                let inner = if generation % 2 == 0 { "fd00::2" } else { "169.254.10.2" };
                let (passed, said) = lab.try_sh(0, &format!("ping -c 3 -i 0.05 -W 2 -s 1200 {inner}"));
                assert!(passed, "{case}: {said}");
                let is_counted = |seen: TunnelCounters| seen.packets_in.min(seen.packets_out) >= before + 3;
                eventually("all is counted", || ends.iter().all(|end| is_counted(end.counters())));
                before += 3;
            }
        }
    }
    for end in &ends {
        let seen = end.counters();
        assert_eq!((seen.packets_in, seen.packets_out), (before, before));
        assert_eq!((seen.bytes_in, seen.bytes_out), (seen.bytes_out, seen.bytes_in));
        assert_eq!((seen.replay_drops, seen.integrity_drops, seen.malformed_drops, seen.no_sa_drops), (0, 0, 0, 0));
        assert!(seen.last_inbound.is_some());
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a kernel with ESP: scripts/test-kernel"]
async fn every_suite_passes_between_the_kernel_and_user_space() {
    every_suite(Kind::User).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a kernel with ESP: scripts/test-kernel"]
async fn every_suite_passes_between_two_kernels() {
    every_suite(Kind::Kernel).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a kernel with ESP: scripts/test-kernel"]
async fn connections_pass_at_full_size_and_the_mtu_is_the_suites() {
    for (encapsulation, mtu) in [(Encapsulation::Udp, 1438), (Encapsulation::Esp, 1446)] {
        let lab = Lab::new();
        let ends = lab.pair(Kind::User, GCM, encapsulation).await;
        eventually("the MTU follows", || lab.sides[0].sh("ip -o link show tun0").contains(&format!("mtu {mtu} ")));
        let info = ends[0].kernel().interface(TUNNEL).unwrap();
        assert_eq!((info.mtu, u32::from(info.mss)), (mtu, mtu - 40));
        let full = format!("ping -c 2 -i 0.05 -W 2 -M do -s {} 169.254.10.2", mtu - 28);
        lab.sides[0].sh(&full);
        tcp(&lab, INSIDE[1], TCP_OCTETS);
        tcp(&lab, "fd00::2".parse().unwrap(), TCP_OCTETS);
        let seen = ends[1].counters();
        assert!(seen.bytes_in > 2 * TCP_OCTETS as u64);
        eventually("both count alike", || ends[0].counters().bytes_out == ends[1].counters().bytes_in);
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a kernel with ESP: scripts/test-kernel"]
async fn a_switch_of_sas_under_traffic_loses_nothing() {
    const COUNT: u32 = 1500;
    let lab = Lab::new();
    let ends = lab.pair(Kind::Kernel, GCM, Encapsulation::Udp).await;
    let server = lab.sides[1].run(|| UdpSocket::bind((INSIDE[1], 0)).unwrap());
    server.set_read_timeout(Some(Duration::from_secs(3))).unwrap();
    let address = server.local_addr().unwrap();
    let client = lab.sides[0].run(|| UdpSocket::bind((INSIDE[0], 0)).unwrap());
    let sender = thread::spawn(move || {
        for number in 0..COUNT {
            client.send_to(&number.to_be_bytes(), address).unwrap();
            thread::sleep(Duration::from_millis(1));
        }
    });
    let receiver = thread::spawn(move || {
        let (mut numbers, mut buffer) = (Vec::new(), [0; 4]);
        while numbers.len() < COUNT as usize && server.recv(&mut buffer).is_ok() {
            numbers.push(u32::from_be_bytes(buffer));
        }
        numbers
    });
    for generation in 2..7 {
        let rekeyed = |side, direction| association(GCM, Encapsulation::Udp, side, direction, generation);
        install(&ends, rekeyed);
        install(&ends, rekeyed);
        thread::sleep(Duration::from_millis(150));
        for direction in [Direction::Outbound, Direction::Inbound] {
            for end in &ends {
                let spi = association(GCM, Encapsulation::Udp, end.side, direction, generation - 1).spi;
                end.apply(SaAction::Remove { tunnel: TUNNEL, direction, spi });
            }
        }
        // A new SA has all traffic at once: the one before it counted no more.
        let sas = ends[0].sas();
        assert_eq!(sas.len(), 2, "{sas:?}");
    }
    sender.join().unwrap();
    // The kernel's ciphers work beside each other: one may overtake another.
    let mut numbers = receiver.join().unwrap();
    numbers.sort_unstable();
    assert_eq!(numbers, (0..COUNT).collect::<Vec<_>>());
    eventually("nothing is lost from the count", || ends[1].counters().packets_in == u64::from(COUNT));
    eventually("at either end", || ends[0].counters().packets_out == u64::from(COUNT));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a kernel with ESP: scripts/test-kernel"]
async fn each_packet_takes_the_sa_that_is_for_it_and_no_other_is_let_in() {
    let lab = Lab::new();
    let ends = [lab.end(0, Kind::Kernel, |_, _| ()).await, lab.end(1, Kind::Kernel, |_, _| ()).await];
    two_pairs(&lab, &ends);
    let ping = |from: &str, to: &str| lab.try_sh(0, &format!("ping -c 2 -i 0.1 -W 1 -I {from} {to}")).0;
    let sent = || -> Vec<(u32, u64)> {
        let outbound = ends[0].sas().into_iter().filter(|usage| usage.direction == Direction::Outbound);
        outbound.map(|usage| (usage.spi.0 >> 12, usage.packets)).collect()
    };
    assert!(ping("10.1.0.1", "10.2.0.1"));
    eventually("the first pair's SA", || sent() == [(1, 2), (2, 0)]);
    assert!(ping("10.3.0.1", "10.4.0.1"));
    eventually("the second pair's SA", || sent() == [(1, 2), (2, 2)]);
    assert!(!ping("10.1.0.1", "10.4.0.1"), "no SA is for this");
    eventually("refused", || ends[0].counters().selector_drops == 2);
    // A new SA for the same traffic takes over; the other one is left alone.
    install(&ends, |side, direction| narrow(side, direction, 0, 3));
    assert!(ping("10.1.0.1", "10.2.0.1"));
    eventually("the new one", || sent() == [(1, 2), (2, 2), (3, 2)]);
    // Side 0 believes that its second SA is for everything: the receiver refuses what is not (RFC 4301 5.2 step 4).
    let mut wide = narrow(0, Direction::Outbound, 1, 2);
    for generation in [1, 2, 3] {
        let spi = narrow(0, Direction::Outbound, 0, generation).spi;
        ends[0].apply(SaAction::Remove { tunnel: TUNNEL, direction: Direction::Outbound, spi });
    }
    (wide.local_selectors, wide.remote_selectors) = (vec![TrafficSelector::ANY_V4], vec![TrafficSelector::ANY_V4]);
    ends[0].install(Direction::Outbound, wide);
    assert!(!ping("10.1.0.1", "10.2.0.1"), "on the SA of the other pair");
    assert!(ping("10.3.0.1", "10.4.0.1"));
}
