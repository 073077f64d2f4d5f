//! The laboratory itself is sound: two peers that are not us reach each other through it.

use std::net::Ipv4Addr;
use std::time::Duration;

use proto_tests::lab::concentrator::{BgpSide, Concentrator, Plan, Speaker};
use proto_tests::lab::layout::{CLOUD_ASN, CLOUD_NETWORK, HOST_B, Layout, ROUTER_ASN, ROUTER_NETWORK, TUNNELS};
use proto_tests::lab::scenario::cloud_plan;
use proto_tests::lab::stream::Stream;
use proto_tests::lab::strongswan::SwanTunnel;
use proto_tests::lab::{Lab, Result, ensure, not_yet, wait_for};

/// strongSwan and `speaker` in our router's place, toward the concentrator of `TUNNELS[index]`.
fn pair(index: usize, speaker: Speaker) -> Result<()> {
    let lab = Lab::new()?;
    let mut layout = Layout::build(&lab)?;
    let tunnel = &TUNNELS[index];
    let cloud_host = layout.clouds.remove(index);
    let mut cloud = Concentrator::new(&lab, cloud_host, cloud_plan(tunnel, false))?;
    let stand_in = Plan {
        swan: SwanTunnel {
            local: tunnel.router_outside,
            remote: tunnel.cloud_outside,
            inside: format!("{}/30", tunnel.router_inside),
            initiate: true,
            ..cloud.plan.swan.clone()
        },
        bgp: BgpSide {
            asn: ROUTER_ASN,
            router_id: tunnel.router_outside,
            local: tunnel.router_inside,
            peer: tunnel.cloud_inside,
            peer_asn: CLOUD_ASN,
            announce: vec![ipnet::Ipv4Net::new_assert(Ipv4Addr::new(10, 1, 0, 0), 16)],
            bfd: false,
            ..cloud.plan.bgp.clone()
        },
        speaker,
    };
    let host = std::mem::replace(&mut layout.router, lab.namespace("unused")?);
    let mut router = Concentrator::new(&lab, host, stand_in)?;
    cloud.start()?;
    router.start()?;
    let outcome = (|| {
        wait_for(Duration::from_secs(30), "both ends are up", || {
            router.expect_up()?;
            cloud.expect_up()
        })?;
        wait_for(Duration::from_secs(10), "both ends learn the other's network", || {
            let (here, there) = (router.learned()?, cloud.learned()?);
            if here == [CLOUD_NETWORK] && there == [ROUTER_NETWORK] {
                Ok(())
            } else {
                not_yet(format!("{here:?} {there:?}"))
            }
        })?;
        wait_for(Duration::from_secs(5), "the kernel has the route", || {
            router.namespace.expect_route(CLOUD_NETWORK, &["ipsec0"])
        })?;
        let stream = Stream::to(HOST_B).start(&layout.host_a, &layout.host_b)?;
        stream.flows_again(500, Duration::from_secs(10))?;
        layout.cut(tunnel)?;
        std::thread::sleep(Duration::from_millis(300));
        layout.mend(tunnel)?;
        stream.flows_again(300, Duration::from_secs(10))?;
        let report = stream.finish();
        ensure((200..=500).contains(&report.lost), "a cut of 0.3 s costs about 300 packets", || report.to_string())
    })();
    outcome.map_err(|error: proto_tests::lab::LabError| proto_tests::lab::LabError::Unexpected {
        what: error.to_string(),
        found: format!("{}{}", router.logs(15), cloud.logs(15)),
    })
}

#[test]
fn strongswan_with_bird_reaches_strongswan_with_bird() -> Result<()> {
    pair(0, Speaker::Bird)
}

#[test]
fn strongswan_with_bird_reaches_strongswan_with_frr() -> Result<()> {
    pair(1, Speaker::Bird)
}

#[test]
fn strongswan_with_frr_reaches_strongswan_with_bird() -> Result<()> {
    pair(2, Speaker::Frr)
}
