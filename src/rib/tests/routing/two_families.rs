//! Sessions over IPv4 that carry IPv6 too (RFC 4760), through tunnels with an IPv6 link inside.

use std::net::{IpAddr, Ipv6Addr};

use bgp::{Announcement, Family, Update};
use policy::Chain;
use rib::{Inside6, LinkState, NextHop, PeerId, PeerPolicy, PeerSession, Refusal, Verdict, Withheld};
use wire::LinkId;

use crate::router::{Router, V4, attributes, config, net, nlris, permit, policy, sends, session};

const V6: Family = Family::Ipv6Unicast;
const AWS: u32 = 64512;
const AZURE: u32 = 65515;
const HUB: PeerId = PeerId(2);

fn with_link(number: u32, peer_asn: u32) -> PeerPolicy {
    PeerPolicy { inside6: Some(link(number)), ..policy(number, peer_asn) }
}

fn link(number: u32) -> Inside6 {
    let end = |last| Ipv6Addr::new(0xfd00, 0x21, 0, 0, 0, 0, u16::try_from(number).unwrap(), last);
    Inside6 { local: end(2), peer: end(1) }
}

fn both_families(number: u32) -> PeerSession {
    PeerSession { families: vec![V4, V6], ..session(number) }
}

/// What a cloud with a network of each family says.
fn cloud_networks(number: u32) -> Update {
    let address: IpAddr = policy(number, AWS).peer_address;
    Update {
        announced: vec![
            Announcement { next_hop: address, prefixes: vec![net("10.2.0.0/16").into()] },
            Announcement { next_hop: link(number).peer.into(), prefixes: vec![net("2001:db8:2::/48").into()] },
        ],
        attributes: attributes(&[AWS]).into(),
        ..Update::default()
    }
}

/// Two tunnels to one cloud and one to a hub, which is told everything.
fn router() -> Router {
    let mut router =
        Router::new(rib::RibConfig { originated: vec![net("10.1.0.0/16"), net("2001:db8:1::/48")], ..config() });
    let export = Chain::lines(vec![permit("0.0.0.0/0", 32), permit("::/0", 128)]);
    router.rib.add_peer(PeerId(0), with_link(0, AWS));
    router.rib.add_peer(PeerId(1), with_link(1, AWS));
    router.rib.add_peer(HUB, PeerPolicy { export, ..with_link(2, AZURE) });
    for number in 0..3 {
        router.rib.handle_link(LinkId(number), LinkState::Up);
        router.peer_up(PeerId(number), both_families(number));
    }
    for number in 0..2 {
        router.rib.handle_update(PeerId(number), cloud_networks(number));
    }
    router
}

fn told(router: &Router, prefix: &str) -> Option<IpAddr> {
    router.told[&HUB].get(&net(prefix)).map(|(next_hop, _)| *next_hop)
}

#[test]
fn each_family_has_next_hops_of_its_own() {
    let mut router = router();
    router.drain();
    let hops = |address: fn(u32) -> IpAddr| [0, 1].map(|n| NextHop { link: LinkId(n), address: address(n) });
    assert_eq!(router.kernel[&net("10.2.0.0/16")], hops(|n| policy(n, AWS).peer_address));
    assert_eq!(router.kernel[&net("2001:db8:2::/48")], hops(|n| link(n).peer.into()));

    router.rib.handle_link(LinkId(0), LinkState::Down);
    router.drain();
    assert_eq!((router.tunnels_of("10.2.0.0/16"), router.tunnels_of("2001:db8:2::/48")), (vec![1], vec![1]));
}

#[test]
fn prefixes_of_both_families_share_an_update_and_not_a_next_hop() {
    let mut router = router();
    let outputs = router.drain();
    let to_hub: Vec<&Update> =
        sends(&outputs).into_iter().filter(|(peer, _)| *peer == HUB).map(|(_, update)| update).collect();
    let (v4, v6) = (policy(2, AZURE).local_address, link(2).local.into());
    let announced = |prefixes: [&str; 2]| {
        let announcement = |next_hop, prefix| Announcement { next_hop, prefixes: vec![net(prefix).into()] };
        vec![announcement(v4, prefixes[0]), announcement(v6, prefixes[1])]
    };
    let expected = [announced(["10.1.0.0/16", "2001:db8:1::/48"]), announced(["10.2.0.0/16", "2001:db8:2::/48"])];
    assert_eq!(to_hub.iter().map(|update| update.announced.clone()).take(2).collect::<Vec<_>>(), expected);
    assert_eq!(to_hub[2..].iter().filter_map(|update| update.end_of_rib).collect::<Vec<_>>(), [V4, V6]);
    let advertised: Vec<_> = router.rib.adj_out(HUB).map(|entry| (entry.prefix, entry.next_hop)).collect();
    assert_eq!(advertised[0], (net("10.1.0.0/16"), v4));
    assert_eq!(advertised[2], (net("2001:db8:1::/48"), v6));
}

#[test]
fn without_the_link_its_family_is_refused_and_withheld_with_the_reason() {
    let mut router = router();
    router.rib.set_policy(PeerId(0), PeerPolicy { inside6: None, ..with_link(0, AWS) });
    router.rib.set_policy(HUB, PeerPolicy { export: Chain::networks(), ..policy(2, AZURE) });
    router.drain();
    assert_eq!((router.tunnels_of("10.2.0.0/16"), router.tunnels_of("2001:db8:2::/48")), (vec![0, 1], vec![1]));
    let route = router.rib.route(&net("2001:db8:2::/48")).unwrap();
    assert_eq!(route.candidates[1].verdict, Verdict::Refused(Refusal::NoAddressOfFamily(V6)));
    let verdict = router.rib.export_verdict(HUB, &net("2001:db8:1::/48"));
    assert_eq!(verdict, Some(Err(Withheld::NoAddressOfFamily(V6))));

    router.rib.set_policy(PeerId(0), with_link(0, AWS));
    router.drain();
    assert_eq!(router.tunnels_of("2001:db8:2::/48"), [0, 1]);
}

#[test]
fn a_moved_link_is_told_to_the_peer() {
    let mut router = router();
    router.drain();
    let before = (told(&router, "2001:db8:1::/48"), told(&router, "10.1.0.0/16"));
    let export = Chain::lines(vec![permit("0.0.0.0/0", 32), permit("::/0", 128)]);
    let moved = PeerPolicy { inside6: Some(link(9)), export, ..policy(2, AZURE) };
    router.rib.set_policy(HUB, moved);
    router.drain();
    assert_eq!(told(&router, "2001:db8:1::/48"), Some(link(9).local.into()));
    assert_ne!(told(&router, "2001:db8:1::/48"), before.0);
    assert_eq!(told(&router, "10.1.0.0/16"), before.1);
}

#[test]
fn the_links_themselves_are_not_learned() {
    let mut router = router();
    let next_hop = link(0).peer.into();
    let announced = vec![Announcement { next_hop, prefixes: nlris(&[net("fd00:21::1:0/126"), net("fd00:21::/64")]) }];
    router
        .rib
        .handle_update(PeerId(0), Update { announced, attributes: attributes(&[AWS]).into(), ..Update::default() });
    router.drain();
    let verdict = |prefix: &str| router.rib.route(&net(prefix)).unwrap().candidates[0].verdict.clone();
    let inside = Refusal::InsideLink { prefix: net("fd00:21::1:0/126"), link: LinkId(1) };
    assert_eq!(verdict("fd00:21::1:0/126"), Verdict::Refused(inside));
    assert_eq!(verdict("fd00:21::/64"), Verdict::Best);
}

#[test]
fn a_peer_has_a_next_hop_of_each_family_on_its_link() {
    let router = router();
    let hop = |address| NextHop { link: LinkId(1), address };
    let expected = vec![hop(policy(1, AWS).peer_address), hop(link(1).peer.into())];
    assert_eq!(router.rib.next_hops_at(PeerId(1)), expected);
    assert_eq!(router.rib.next_hops_at(PeerId(9)), []);
}
