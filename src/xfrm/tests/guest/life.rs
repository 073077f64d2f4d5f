//! How interfaces, states and policies come and go.

use std::net::UdpSocket;
use std::time::Duration;

use dataplane::{Error, Event, Failure, Limit};
use wire::ipsec::{Direction, Encapsulation, Encryption, EspSuite, Integrity, TunnelId};
use wire::outer::{DontFragment, Dscp, OuterHeader};
use xfrm::Xfrm;

use crate::support::*;

/// Interfaces of ours, states and policies of anybody.
fn found(lab: &Lab, side: usize) -> String {
    let policies = lab.sides[side].sh("ip xfrm policy show nosock");
    lab.sides[side].sh("ip -o link show type xfrm") + &lab.sides[side].sh("ip xfrm state") + &policies
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a kernel with ESP: scripts/test-kernel"]
async fn an_interface_stays_up_without_sas_and_a_clean_stop_leaves_nothing() {
    let lab = Lab::new();
    let end = lab.end(0, Kind::Kernel, |_, _| ()).await;
    let link = lab.sides[0].sh("ip -o -d link show tun0");
    assert!(link.contains("LOWER_UP") && link.contains("mtu 1390 ") && link.contains("NOARP"), "{link}");
    let address = lab.sides[0].sh("ip -o addr show tun0");
    assert!(address.contains("169.254.10.1/30") && address.contains("scope link"), "{address}");
    assert!(address.contains("fd00::1/126") && !address.contains("fe80::"), "{address}");
    assert_eq!(lab.sides[0].sh("cat /proc/sys/net/ipv4/conf/tun0/rp_filter").trim(), "2");
    let handle = end.kernel().clone();
    end.stop().await;
    assert_eq!(found(&lab, 0), "");
    assert!(handle.counters(TUNNEL).is_none());
    assert!(handle.remove_tunnel(TUNNEL).await.is_err());
    drop(handle);
    eventually("the sockets are closed", || lab.sides[0].sh("ss -Hlnu").trim().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a kernel with ESP: scripts/test-kernel"]
async fn a_removed_tunnel_leaves_nothing_and_its_name_can_be_used_again() {
    let lab = Lab::new();
    let ends = lab.pair(Kind::Kernel, GCM, Encapsulation::Udp).await;
    lab.sides[0].sh("ping -c 1 -W 2 169.254.10.2");
    let (_, interface) = settings(0);
    for _ in 0..2 {
        ends[0].kernel().remove_tunnel(TUNNEL).await.unwrap();
        assert_eq!(found(&lab, 0), "");
        ends[0].kernel().add_tunnel(TUNNEL, interface.clone()).await.unwrap();
        let again = ends[0].kernel().add_tunnel(TUNNEL, interface.clone()).await;
        assert!(matches!(again, Err(Error::TunnelExists(TUNNEL))));
        let same_name = ends[0].kernel().add_tunnel(TunnelId(8), interface.clone()).await;
        assert!(matches!(same_name, Err(Error::Interface { action: "create", .. })), "{same_name:?}");
    }
    let mut ends = ends;
    lab.sides[0].sh("ip link del tun0");
    let lost = ends[0].event(|event| {
        let Event::Failed { tunnel, failure } = event else { panic!("{event:?}") };
        Some((tunnel, failure))
    });
    assert_eq!(lost.await, (Some(TUNNEL), Failure::InterfaceLost("tun0".into())));
    let again = ends[0].event(|event| matches!(event, Event::Failed { .. }).then_some(()));
    again.await;
    ends[0].kernel().remove_tunnel(TUNNEL).await.unwrap();
    ends[0].drain();
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert_eq!(ends[0].drain(), [], "it is no longer a tunnel");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a kernel with ESP: scripts/test-kernel"]
async fn what_a_killed_process_left_is_removed_and_what_is_others_is_not() {
    let lab = Lab::new();
    // A slot that nobody holds, a foreign interface, state and policy.
    for (name, if_id) in [("dead0", "0x51f00007"), ("foreign0", "0x42")] {
        lab.sides[0].sh(&format!("ip link add {name} type xfrm dev lo if_id {if_id}"));
        lab.sides[0].sh(&format!(
            "ip xfrm state add src 192.0.2.2 dst 192.0.2.1 proto esp spi {if_id} mode tunnel reqid 1 if_id {if_id} \
             aead 'rfc4106(gcm(aes))' 0x0101010101010101010101010101010101010101 128"
        ));
        lab.sides[0]
            .sh(&format!("ip xfrm policy add src 10.9.0.0/16 dst 10.8.0.0/16 dir out if_id {if_id} action block"));
    }
    let end = lab.end(0, Kind::Kernel, |_, _| ()).await;
    let now = found(&lab, 0);
    assert!(!now.contains("dead0") && !now.contains("0x51f00007"), "{now}");
    assert!(now.contains("foreign0") && now.matches("if_id 0x42").count() >= 2, "{now}");
    assert!(now.contains("tun0"), "{now}");
    // A second router in the same namespace has identifiers of its own, and leaves the first one alone.
    let (mut config, mut interface) = settings(0);
    config.local_addresses = vec!["127.0.0.1".parse().unwrap()];
    interface.name = "tun1".into();
    interface.addresses.clear();
    let (sender, _events) = tokio::sync::mpsc::channel(16);
    let second = lab.sides[0].run(|| Xfrm::start(config, &[], sender).unwrap());
    second.add_tunnel(TunnelId(1), interface).await.unwrap();
    assert!(found(&lab, 0).contains("tun0") && found(&lab, 0).contains("tun1"));
    second.stop().await;
    end.stop().await;
    let now = found(&lab, 0);
    assert!(
        now.contains("foreign0") && !now.contains("tun0") && !now.contains("tun1") && !now.contains("if_id 0x51"),
        "{now}"
    );
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a kernel with ESP: scripts/test-kernel"]
async fn what_the_kernel_cannot_write_into_outer_headers_is_refused() {
    let lab = Lab::new();
    let end = lab.end(0, Kind::Kernel, |_, _| ()).await;
    for outer in [
        OuterHeader { dscp: Dscp::Fixed(46), ..OuterHeader::default() },
        OuterHeader { dont_fragment: DontFragment::Set, ..OuterHeader::default() },
    ] {
        let (_, mut interface) = settings(0);
        (interface.name, interface.outer) = ("tun1".into(), outer);
        let refused = end.kernel().add_tunnel(TunnelId(8), interface).await;
        assert!(matches!(refused, Err(Error::Unsupported { .. })), "{refused:?}");
    }
}

#[test]
#[ignore = "needs a kernel with ESP: scripts/test-kernel"]
fn the_probe_finds_everything_and_leaves_nothing() {
    let lab = Lab::new();
    let des = EspSuite { encryption: Encryption::TripleDesCbc, integrity: Some(Integrity::HmacMd5), esn: true };
    // What another one, killed or beside it, has under the name that was once everybody's.
    lab.sides[0].sh("ip link add quadspan-probe type xfrm dev lo if_id 0x51f00009");
    lab.sides[0].run(|| xfrm::probe(&[GCM, CBC, des]).unwrap());
    lab.sides[0].sh("ip link del quadspan-probe");
    assert_eq!(found(&lab, 0), "");
    // An algorithm that no kernel has with these lengths.
    let none = EspSuite { encryption: Encryption::AesGcm { bits: 128, tag: 5 }, integrity: None, esn: true };
    let missing = lab.sides[0].run(|| xfrm::probe(&[GCM, none]).unwrap_err());
    assert!(missing.what.contains(&none.to_string()) && missing.remedy.contains("`esp`"), "{missing}");
    assert_eq!(found(&lab, 0), "");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a kernel with ESP: scripts/test-kernel"]
async fn an_sa_that_the_kernel_refuses_is_at_its_end_for_ike() {
    let lab = Lab::new();
    let mut end = lab.end(0, Kind::Kernel, |_, _| ()).await;
    let sa = association(GCM, Encapsulation::Udp, 0, Direction::Inbound, 1);
    // Somebody else has its SPI.
    lab.sides[0].sh(&format!(
        "ip xfrm state add src 192.0.2.2 dst 192.0.2.1 proto esp spi {:#x} mode tunnel reqid 1 if_id 0x42 \
         aead 'rfc4106(gcm(aes))' 0x0101010101010101010101010101010101010101 128",
        sa.spi.0
    ));
    let spi = sa.spi;
    end.install(Direction::Inbound, sa);
    let mut told = end.drain();
    told.sort_by_key(|event| matches!(event, Event::Failed { .. }));
    let [limit, Event::Failed { tunnel: Some(TUNNEL), failure: Failure::Refused { spi: refused, .. } }] = &told[..]
    else {
        panic!("{told:?}")
    };
    assert_eq!(*refused, spi);
    assert_eq!(*limit, Event::SaLimit { tunnel: TUNNEL, direction: Direction::Inbound, spi, limit: Limit::Hard });
    assert!(end.sas().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a kernel with ESP: scripts/test-kernel"]
async fn policies_that_somebody_removes_are_put_back() {
    let lab = Lab::new();
    let ends = lab.pair(Kind::Kernel, GCM, Encapsulation::Udp).await;
    let policies = || lab.sides[0].sh("ip xfrm policy show nosock");
    let (whole, pings) = (policies(), || lab.try_sh(0, "ping -c 1 -W 1 169.254.10.2").0);
    assert!(pings());
    for harm in ["ip xfrm policy flush", "ip xfrm policy deleteall dir out"] {
        lab.sides[0].sh(harm);
        eventually("they are back", || policies().lines().count() == whole.lines().count());
        assert!(pings(), "{harm}");
    }
    for end in ends {
        end.stop().await;
    }
    assert_eq!(found(&lab, 0), "");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a kernel with ESP: scripts/test-kernel"]
async fn a_stop_while_a_packet_waits_leaves_no_place_for_its_sa() {
    let lab = Lab::new();
    let end = lab.end(0, Kind::Kernel, |_, _| ()).await;
    let client = lab.sides[0].run(|| UdpSocket::bind((INSIDE[0], 0)).unwrap());
    let knock = || client.send_to(b"nobody carries this", (INSIDE[1], 9)).is_ok();
    eventually("the kernel keeps a place", || knock() && lab.sides[0].sh("ip xfrm state").contains("0.0.0.0"));
    end.stop().await;
    assert_eq!(found(&lab, 0), "");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a kernel with ESP: scripts/test-kernel"]
async fn a_place_that_a_killed_process_left_keeps_no_packet_from_asking() {
    let lab = Lab::new();
    // The first identifier of the first slot, with what its owner left: the place of an SA that was asked for, alone.
    lab.sides[0]
        .sh("ip xfrm state allocspi src 127.0.0.1 dst 0.0.0.0 proto esp mode tunnel min 0x51000001 max 0x51000001");
    let mut end = lab.end(0, Kind::Kernel, |_, _| ()).await;
    let client = lab.sides[0].run(|| UdpSocket::bind((INSIDE[0], 0)).unwrap());
    let sender = tokio::spawn(async move {
        loop {
            let _ = client.send_to(b"nobody carries this", (INSIDE[1], 9));
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    });
    end.event(|event| (event == Event::Demand { tunnel: TUNNEL }).then_some(())).await;
    sender.abort();
}
