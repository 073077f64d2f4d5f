//! Two engines, each in a network namespace, with fixed SAs: traffic of all kinds through the tunnel.

use std::net::{IpAddr, UdpSocket};
use std::thread;
use std::time::Duration;

use crate::support::{CBC, End, GCM, INSIDE, Lab, TUNNEL, association, eventually, install, octet, over_ipv6, tcp};
use dataplane::{TunnelCounters, TunnelInterface};
use wire::ipsec::{Direction, Encapsulation, EspSuite, SaAction};
use wire::outer::OuterHeader;

const TCP_OCTETS: usize = 20 << 20;

fn counters(end: &End) -> TunnelCounters {
    end.engine.counters(TUNNEL).expect("the tunnel exists")
}

fn drops(counters: &TunnelCounters) -> [u64; 10] {
    [
        counters.replay_drops,
        counters.integrity_drops,
        counters.malformed_drops,
        counters.selector_drops,
        counters.lifetime_drops,
        counters.loop_drops,
        counters.too_big_drops,
        counters.send_drops,
        counters.interface_drops,
        counters.ecn_drops,
    ]
}

/// An echo of datagrams of many lengths.
fn udp(lab: &Lab, to: IpAddr, from: IpAddr, mtu: usize) {
    let server = lab.sides[1].run(|| UdpSocket::bind((to, 0)).unwrap());
    let address = server.local_addr().unwrap();
    let client = lab.sides[0].run(|| UdpSocket::bind((from, 0)).unwrap());
    for socket in [&server, &client] {
        socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    }
    let headers = if to.is_ipv4() { 28 } else { 48 };
    let (mut there, mut back) = ([0; 2000], [0; 2000]);
    for len in (0..mtu - headers).step_by(97).chain([mtu - headers]) {
        let data: Vec<u8> = (0..len).map(octet).collect();
        client.send_to(&data, address).unwrap();
        let (got, peer) = server.recv_from(&mut there).unwrap();
        server.send_to(&there[..got], peer).unwrap();
        let got = client.recv(&mut back).unwrap();
        assert_eq!(back[..got], data);
    }
}

async fn everything_passes(suite: EspSuite, encapsulation: Encapsulation, mtu: u32) {
    let lab = Lab::new();
    let [a, b] = lab.tunnel(suite, encapsulation).await;
    assert_eq!(a.engine.interface(TUNNEL).unwrap().mtu, mtu);
    eventually("the kernel's MTU follows", || lab.sides[0].sh("ip -o link show tun0").contains(&format!("mtu {mtu} ")));
    lab.sides[0].sh("ping -c 3 -i 0.05 -W 2 169.254.10.2");
    lab.sides[0].sh("ping -c 3 -i 0.05 -W 2 fd00::2");
    // The kernel cuts what is larger before it gets to us.
    lab.sides[0].sh("ping -c 2 -i 0.05 -W 2 -s 4000 169.254.10.2");
    udp(&lab, INSIDE[1], INSIDE[0], mtu as usize);
    udp(&lab, "fd00::2".parse().unwrap(), "fd00::1".parse().unwrap(), mtu as usize);
    tcp(&lab, INSIDE[1], TCP_OCTETS);
    tcp(&lab, "fd00::2".parse().unwrap(), TCP_OCTETS);
    let (a_counters, b_counters) = (counters(&a), counters(&b));
    assert_eq!(drops(&a_counters), [0; 10], "{a_counters:?}");
    assert_eq!(drops(&b_counters), [0; 10], "{b_counters:?}");
    assert_eq!(a_counters.packets_out, b_counters.packets_in);
    assert_eq!(a_counters.bytes_out, b_counters.bytes_in);
    assert!(b_counters.bytes_in > 2 * TCP_OCTETS as u64);
    assert!(b_counters.last_inbound.is_some());
    a.engine.stop().await;
    b.engine.stop().await;
}

#[tokio::test]
async fn gcm_in_udp_carries_everything() {
    everything_passes(GCM, Encapsulation::Udp, 1438).await;
}

#[tokio::test]
async fn gcm_in_raw_esp_carries_everything() {
    everything_passes(GCM, Encapsulation::Esp, 1446).await;
}

#[tokio::test]
async fn cbc_in_udp_carries_everything() {
    everything_passes(CBC, Encapsulation::Udp, 1422).await;
}

#[tokio::test]
async fn cbc_in_raw_esp_carries_everything() {
    everything_passes(CBC, Encapsulation::Esp, 1438).await;
}

#[tokio::test]
async fn ipv6_carries_the_tunnel_too() {
    for encapsulation in [Encapsulation::Udp, Encapsulation::Esp] {
        let lab = Lab::new();
        let ends = [lab.engine(0, |_, _| ()).await, lab.engine(1, |_, _| ()).await];
        install(&ends, |side, direction| over_ipv6(association(GCM, encapsulation, side, direction, 1), side));
        lab.sides[0].sh("ping -c 3 -i 0.05 -W 2 169.254.10.2");
        tcp(&lab, INSIDE[1], TCP_OCTETS);
        let (a, b) = (counters(&ends[0]), counters(&ends[1]));
        assert_eq!((drops(&a), drops(&b)), ([0; 10], [0; 10]));
    }
}

#[tokio::test]
async fn a_switch_of_sas_under_traffic_loses_nothing() {
    let lab = Lab::new();
    let ends = lab.tunnel(GCM, Encapsulation::Udp).await;
    let server = lab.sides[1].run(|| UdpSocket::bind((INSIDE[1], 0)).unwrap());
    server.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
    let address = server.local_addr().unwrap();
    let client = lab.sides[0].run(|| UdpSocket::bind((INSIDE[0], 0)).unwrap());
    let sender = thread::spawn(move || {
        for number in 0..4000u32 {
            client.send_to(&number.to_be_bytes(), address).unwrap();
            if number % 4 == 0 {
                thread::sleep(Duration::from_micros(500));
            }
        }
    });
    let receiver = thread::spawn(move || {
        let mut numbers = Vec::new();
        let mut buffer = [0; 4];
        while numbers.len() < 4000 && server.recv(&mut buffer).is_ok() {
            numbers.push(u32::from_be_bytes(buffer));
        }
        numbers
    });
    for generation in 2..8 {
        let rekeyed = |side, direction| association(GCM, Encapsulation::Udp, side, direction, generation);
        let old = |side, direction| association(GCM, Encapsulation::Udp, side, direction, generation - 1).spi;
        install(&ends, rekeyed);
        install(&ends, rekeyed);
        thread::sleep(Duration::from_millis(60));
        for direction in [Direction::Outbound, Direction::Inbound] {
            for end in &ends {
                let spi = old(end.side, direction);
                end.engine.apply(SaAction::Remove { tunnel: TUNNEL, direction, spi });
            }
        }
    }
    sender.join().unwrap();
    let numbers = receiver.join().unwrap();
    assert_eq!(numbers, (0..4000).collect::<Vec<_>>());
    assert_eq!(drops(&counters(&ends[1])), [0; 10]);
}

#[tokio::test]
async fn connections_agree_on_segments_that_fit() {
    let lab = Lab::new();
    // The interfaces lie about what fits.
    let wide = |_: &mut dataplane::Config, interface: &mut TunnelInterface| interface.mtu = Some(1500);
    let ends = [lab.engine(0, wide).await, lab.engine(1, |_, _| ()).await];
    install(&ends, |side, direction| association(GCM, Encapsulation::Udp, side, direction, 1));
    for end in &ends {
        assert_eq!(end.engine.interface(TUNNEL).unwrap().mss, 1398);
    }
    tcp(&lab, INSIDE[1], TCP_OCTETS);
    assert_eq!(counters(&ends[0]).too_big_drops, 0, "segments are cut to the tunnel, not refused");
    // A datagram that must not be fragmented is answered, and the kernel learns the MTU.
    lab.sides[0].run(|| {
        let output = std::process::Command::new("ping")
            .args(["-c", "3", "-i", "0.1", "-W", "1", "-M", "do", "-s", "1460", "169.254.10.2"])
            .output()
            .unwrap();
        assert!(!output.status.success());
    });
    let learnt = lab.sides[0].sh("ip route get 169.254.10.2");
    assert!(learnt.contains("mtu 1438"), "{learnt}");
    assert!(counters(&ends[0]).too_big_drops > 0);
}

#[tokio::test]
async fn an_interface_stays_up_without_sas_and_is_gone_after_stop() {
    let lab = Lab::new();
    let end = lab.engine(0, |_, _| ()).await;
    let link = lab.sides[0].sh("ip -o -d link show tun0");
    assert!(link.contains("LOWER_UP") && link.contains("mtu 1390 ") && link.contains("NOARP"), "{link}");
    let address = lab.sides[0].sh("ip -o addr show tun0");
    assert!(address.contains("169.254.10.1/30") && address.contains("scope link"), "{address}");
    assert!(address.contains("fd00::1/126") && !address.contains("fe80::"), "{address}");
    assert_eq!(lab.sides[0].sh("cat /proc/sys/net/ipv4/conf/tun0/rp_filter").trim(), "2");
    lab.sides[0].run(|| {
        let socket = UdpSocket::bind((INSIDE[0], 0)).unwrap();
        socket.send_to(b"nobody carries this", (INSIDE[1], 9)).unwrap();
    });
    eventually("the packet is counted", || counters(&end).no_sa_drops == 1);
    let handle = end.engine.clone();
    end.engine.stop().await;
    assert!(!lab.sides[0].sh("ip -o link").contains("tun0"));
    assert!(handle.counters(TUNNEL).is_none());
    assert!(handle.remove_tunnel(TUNNEL).await.is_err());
    drop(handle);
    eventually("the sockets are closed", || lab.sides[0].sh("ss -Hlnu").trim().is_empty());
}

#[tokio::test]
async fn a_removed_tunnel_leaves_nothing_and_its_name_can_be_used_again() {
    let lab = Lab::new();
    let end = lab.engine(0, |_, _| ()).await;
    for _ in 0..3 {
        end.engine.remove_tunnel(TUNNEL).await.unwrap();
        assert!(!lab.sides[0].sh("ip -o link").contains("tun0"));
        let interface = TunnelInterface {
            name: "tun0".into(),
            addresses: vec![],
            peer: Some(INSIDE[1]),
            mtu: Some(1400),
            outer: OuterHeader::default(),
        };
        let info = end.engine.add_tunnel(TUNNEL, interface.clone()).await.unwrap();
        assert_eq!((info.mtu, info.mss), (1400, 1360));
        assert!(lab.sides[0].sh("ip route").contains("169.254.10.2 dev tun0"));
        assert!(end.engine.add_tunnel(TUNNEL, interface).await.is_err());
    }
}

#[tokio::test]
async fn a_tunnel_routed_into_itself_does_not_run_away() {
    let lab = Lab::new();
    let ends = lab.tunnel(GCM, Encapsulation::Udp).await;
    lab.sides[0].sh("ip route add 192.0.2.2/32 dev tun0");
    lab.sides[0].run(|| {
        let socket = UdpSocket::bind((INSIDE[0], 0)).unwrap();
        socket.send_to(b"round and round", (INSIDE[1], 9)).unwrap();
    });
    eventually("the outer packet is refused", || counters(&ends[0]).loop_drops >= 1);
    thread::sleep(Duration::from_millis(100));
    assert!(counters(&ends[0]).packets_out <= 3, "{:?}", counters(&ends[0]));
}
