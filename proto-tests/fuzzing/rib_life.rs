//! The routing tables through any sequence of events: what the kernel and the peers are told stays consistent, and
//! nothing forbidden comes out whatever came in (RFC 4271 9).

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use bgp::{AddPath, Announcement, AsPath, AsPathSegment, Attributes, Family, Nlri, Origin, Update};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use policy::{Chain, PrefixRule, RuleAction};
use rib::{
    ConnectedRule, FibChange, GracefulShutdown, Inside6, LinkState, NextHopSet, Output, PeerId, PeerPolicy,
    PeerSession, Rib, RibConfig, SendPaths, StaticRoute, StaticTarget, Treatment,
};
use wire::LinkId;
use wire::{Asn, RouterId};

use super::input::{Input, Script};

const STEPS: usize = 200;
const OWN: Asn = Asn(65000);
/// Sessions 0 and 1 to one AS, 2 to another, 3 internal.
const AS_OF: [u32; 4] = [64512, 64512, 65515, 65000];
const PROTECTED: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 11);
/// The link beside the second session's.
const INSIDE6: Inside6 =
    Inside6 { local: Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 2), peer: Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 1) };
const FAMILIES: [Family; 2] = [Family::Ipv4Unicast, Family::Ipv6Unicast];
/// Where no route may lead, whoever announces it.
const FORBIDDEN: [&str; 7] =
    ["127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4", "240.0.0.0/4", "fe80::/10", "ff00::/8", "::1/128"];

/// Octets: steps of a kind, a session, and what the kind needs.
pub fn body(octets: &[u8]) {
    let mut input = Input::new(octets);
    let mut world = World::new();
    for _ in 0..STEPS {
        if input.is_empty() {
            break;
        }
        world.step(&mut input);
    }
    world.rib.set_sources(Vec::new(), ConnectedRule::default());
    world.drain();
    world.agrees();
    for session in 0..AS_OF.len() {
        world.rib.handle_link(LinkId(number(session)), LinkState::Down);
    }
    world.drain();
    assert!(world.kernel.is_empty(), "without tunnels there are no routes: {:?}", world.kernel);
}

struct World {
    rib: Rib,
    policies: Vec<PeerPolicy>,
    tunnels: BTreeSet<LinkId>,
    up: BTreeSet<PeerId>,
    /// Their routes outlive their sessions.
    retained: BTreeSet<PeerId>,
    kernel: BTreeMap<IpNet, NextHopSet>,
    told: BTreeMap<PeerId, BTreeSet<Nlri>>,
}

impl World {
    fn new() -> Self {
        let rib = Rib::new(RibConfig {
            asn: OWN,
            router_id: RouterId(Ipv4Addr::new(198, 51, 100, 1)),
            originated: vec![IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(10, 1, 0, 0), 16))],
            aggregates: Vec::new(),
            decision: rib::DecisionRules::default(),
            ecmp_width: 4,
            protected: vec![PROTECTED.into()],
        });
        let policies: Vec<PeerPolicy> = (0..AS_OF.len()).map(|session| policy(session, 0)).collect();
        let (tunnels, up, kernel, told) = (BTreeSet::new(), BTreeSet::new(), BTreeMap::new(), BTreeMap::new());
        let mut world = Self { rib, policies, tunnels, up, retained: BTreeSet::new(), kernel, told };
        for (session, policy) in world.policies.iter().enumerate() {
            world.rib.add_peer(PeerId(number(session)), policy.clone());
        }
        world
    }

    fn step(&mut self, input: &mut Input<'_>) {
        let (kind, session) = (input.u8(), input.index(AS_OF.len()));
        let peer = PeerId(number(session));
        match kind % 16 {
            0..=3 => self.rib.handle_update(peer, update(input, &self.policies[session])),
            4 => self.peer_up(peer, false),
            5 => self.peer_down(peer),
            6 | 7 => self.tunnel(self.policies[session].link, kind % 16 == 6),
            8 => {
                self.policies[session] = policy(session, input.u8());
                self.rib.set_policy(peer, self.policies[session].clone());
                // What was announced before the policy may exceed its limit until it is drained.
            }
            9 => self.rib.handle_refresh(peer, Family::Ipv4Unicast),
            10 => {
                self.rib.set_originated(vec![prefix(input), prefix(input)]);
                self.rib.set_ecmp_width(1 + input.index(4));
            }
            11 => self.drain(),
            12 => self.restart(peer),
            13 => self.repeat(peer, input.u8()),
            14 => self.blackholes(input),
            _ => self.peer_up(peer, true),
        }
    }

    fn peer_up(&mut self, peer: PeerId, paths: bool) {
        let both = AddPath { receive: true, send: true };
        let mut session = PeerSession::new(FAMILIES.to_vec(), RouterId([192, 0, 2, 1].into()));
        if paths {
            session.add_path = FAMILIES.map(|family| (family, both)).to_vec();
        }
        self.rib.handle_peer_up(peer, session);
        self.up.insert(peer);
        self.retained.remove(&peer);
        self.told.insert(peer, BTreeSet::new());
    }

    fn peer_down(&mut self, peer: PeerId) {
        self.rib.handle_peer_down(peer);
        self.up.remove(&peer);
        self.retained.remove(&peer);
        self.told.remove(&peer);
    }

    /// A session is lost, and the peer said that it would be back (RFC 4724).
    fn restart(&mut self, peer: PeerId) {
        self.drain();
        self.rib.handle_peer_restarting(peer, &FAMILIES);
        if self.up.remove(&peer) && self.tunnels.contains(&LinkId(peer.0)) {
            self.retained.insert(peer);
        }
        self.told.remove(&peer);
    }

    /// Routes are to be repeated, have been, or are not waited for any more (RFC 4724, RFC 7313).
    fn repeat(&mut self, peer: PeerId, how: u8) {
        let family = FAMILIES[usize::from(how >> 4 & 1)];
        match how % 4 {
            0 => self.rib.handle_refresh_begun(peer, family),
            1 => self.rib.handle_refresh_ended(peer, family),
            2 => self.rib.handle_update(peer, Update { end_of_rib: Some(family), ..Update::default() }),
            _ => self.rib.handle_stale_expired(peer, &FAMILIES),
        }
    }

    /// Static routes into the void, which need no way.
    fn blackholes(&mut self, input: &mut Input<'_>) {
        let count = input.u8() & 3;
        let route = |_| StaticRoute {
            prefix: prefix(input).trunc(),
            target: StaticTarget::Blackhole,
            distance: 1 + input.u8() % 250,
            announce: input.u8() & 1 == 1,
        };
        self.rib.set_sources((0..count).map(route).collect(), ConnectedRule::default());
    }

    fn tunnel(&mut self, link: LinkId, up: bool) {
        if up {
            self.tunnels.insert(link)
        } else {
            self.tunnels.remove(&link)
        };
        self.rib.handle_link(link, if up { LinkState::Up } else { LinkState::Down });
    }

    fn drain(&mut self) {
        while let Some(output) = self.rib.poll_output() {
            match output {
                Output::Fib(change) => self.install(change),
                Output::Send { peer, updates } => updates.iter().for_each(|update| self.send(peer, update)),
                Output::PrefixLimit { peer, limit, count } => {
                    assert!(count > limit, "a limit that is not exceeded");
                    self.peer_down(peer);
                }
                Output::PrefixWarning { .. }
                | Output::HeldBack { .. }
                | Output::Forgotten { .. }
                | Output::EndOfRib { .. }
                | Output::RequestRefresh { .. } => {}
            }
        }
        self.is_sound();
    }

    fn install(&mut self, FibChange { prefix, next_hops }: FibChange) {
        let known = if next_hops.is_empty() {
            self.kernel.remove(&prefix)
        } else {
            self.kernel.insert(prefix, next_hops.clone())
        };
        assert_ne!(known.unwrap_or_default(), next_hops, "{prefix}: a change that changes nothing");
    }

    fn send(&mut self, peer: PeerId, update: &Update) {
        let policy = &self.policies[usize::try_from(peer.0).unwrap_or(0)];
        let told = self.told.get_mut(&peer).unwrap_or_else(|| panic!("{peer:?} is down"));
        for nlri in &update.withdrawn {
            assert!(told.remove(nlri), "{nlri} withdrawn from {peer:?}, which does not have it");
        }
        for announcement in &update.announced {
            assert!(
                !announcement.next_hop.is_ipv4() || announcement.next_hop == policy.local_address,
                "our own address"
            );
            for nlri in &announcement.prefixes {
                allowed(&nlri.prefix);
                told.insert(*nlri);
            }
        }
        if policy.peer_asn != OWN && !update.announced.is_empty() {
            let first = update.attributes.as_path.0.first();
            let ours = matches!(first, Some(AsPathSegment::Sequence(path)) if path.first() == Some(&OWN));
            assert!(ours, "announced to another AS without ours in front: {:?}", update.attributes.as_path);
            assert_eq!(update.attributes.local_preference, None, "LOCAL_PREF stays inside");
        }
    }

    /// What holds after every drain.
    fn is_sound(&self) {
        for (prefix, hops) in &self.kernel {
            allowed(prefix);
            let leads = !hops.as_slice().is_empty();
            let captures = prefix.prefix_len() > 0 && prefix.contains(&IpAddr::V4(PROTECTED));
            assert!(!leads || !captures, "{prefix} captures a peer");
            assert!(hops.as_slice().len() <= 4, "{prefix}: {hops:?}");
            for hop in hops.as_slice() {
                assert!(self.tunnels.contains(&hop.link), "{prefix} leads into a dead tunnel");
                let owner = self.policies.iter().find(|policy| policy.link == hop.link);
                assert!(
                    owner.is_some_and(|policy| peers(policy).contains(&hop.address)),
                    "{prefix}: a foreign next hop"
                );
                let peer = PeerId(hop.link.0);
                assert!(self.up.contains(&peer) || self.retained.contains(&peer), "{prefix} without a session");
            }
        }
        for (peer, told) in &self.told {
            let limit = self.policies[usize::try_from(peer.0).unwrap_or(0)].max_prefix_out.unwrap_or(u32::MAX);
            let prefixes = told.iter().map(|nlri| nlri.prefix).collect::<BTreeSet<_>>().len();
            assert!(u32::try_from(prefixes).unwrap_or(u32::MAX) <= limit, "{peer:?} has more than {limit} prefixes");
        }
    }

    /// What the tables show is what they told.
    fn agrees(&self) {
        let shown: BTreeMap<IpNet, NextHopSet> =
            self.rib.fib().map(|change| (change.prefix, change.next_hops)).collect();
        assert_eq!(shown, self.kernel, "the kernel has what the tables show");
        for (peer, told) in &self.told {
            let nlri = |route: rib::Advertised<'_>| Nlri { prefix: route.prefix, path_id: route.path_id };
            let shown: BTreeSet<Nlri> = self.rib.adj_out(*peer).map(nlri).collect();
            assert_eq!(&shown, told, "{peer:?} has what the tables show");
        }
        assert!(self.rib.routes().all(|route| self.rib.route(&route.prefix).is_some()), "every route is found");
    }
}

/// The ends of a session's links where its peer is.
fn peers(policy: &PeerPolicy) -> Vec<IpAddr> {
    [policy.peer_address].into_iter().chain(policy.inside6.map(|inside| inside.peer.into())).collect()
}

fn allowed(prefix: &IpNet) {
    let forbidden = FORBIDDEN.iter().find(|block| block.parse::<IpNet>().is_ok_and(|block| block.contains(prefix)));
    assert_eq!(forbidden, None, "{prefix} is never announced nor installed");
}

fn policy(session: usize, variant: u8) -> PeerPolicy {
    let base = u8::try_from(session * 4).unwrap_or(0);
    let all = |zero: IpNet, max_len| PrefixRule { action: RuleAction::Permit, prefix: zero, min_len: 0, max_len };
    let everything = vec![all(IpNet::V4(Ipv4Net::default()), 32), all(IpNet::V6(Ipv6Net::default()), 128)];
    PeerPolicy {
        name: format!("tunnel-{session}"),
        link: LinkId(number(session)),
        reach: rib::Reach::Tunnel,
        peer_asn: Asn(AS_OF[session]),
        local_address: [169, 254, 21, base + 2].into(),
        peer_address: [169, 254, 21, base + 1].into(),
        inside6: (session == 1).then_some(INSIDE6),
        import: if variant & 1 != 0 { Chain::lines(everything.clone()) } else { Chain::everything() },
        export: if variant & 2 != 0 { Chain::lines(everything) } else { Chain::networks() },
        graceful_shutdown: GracefulShutdown { honor: variant & 64 != 0, drain: variant & 128 != 0 },
        max_prefix_in: (variant & 4 != 0).then_some(5),
        max_prefix_out: (variant & 8 != 0).then_some(3),
        local_preference: 100 + u32::from(variant >> 4 & 1),
        med: (variant & 32 != 0).then_some(7),
        prepend: variant >> 6,
        treatment: Treatment {
            send_paths: if variant & 16 != 0 { SendPaths::All } else { SendPaths::First(2) },
            ..Treatment::default()
        },
    }
}

fn update(input: &mut Input<'_>, policy: &PeerPolicy) -> Update {
    let counts = input.u8();
    let flags = input.u8();
    // A session without path identifiers has none but zero.
    let path_id = u32::from(counts >> 5 & 3);
    let withdrawn = (0..counts & 3).map(|_| Nlri { prefix: prefix(input), path_id }).collect();
    let prefixes = (0..counts >> 2 & 7).map(|_| Nlri { prefix: prefix(input), path_id }).collect();
    let next_hop = match (flags >> 6, policy.inside6) {
        (3, _) => IpAddr::from(input.array::<4>()),
        (2, Some(inside)) => inside.peer.into(),
        _ => policy.peer_address,
    };
    let mut path: Vec<Asn> = (0..flags & 3).map(|_| Asn(input.u32() % 70_000)).collect();
    path.insert(0, policy.peer_asn);
    let attributes = Attributes {
        origin: if flags & 4 == 0 { Origin::Igp } else { Origin::Incomplete },
        as_path: AsPath(vec![AsPathSegment::Sequence(path)]),
        med: (flags & 8 != 0).then(|| input.u8().into()),
        local_preference: (flags & 16 != 0).then(|| input.u8().into()),
        communities: if flags & 32 == 0 { Vec::new() } else { vec![0xffff_ff00 | u32::from(input.u8())] },
        ..Attributes::default()
    };
    let end_of_rib = (counts & 0x80 != 0).then_some(Family::Ipv4Unicast);
    Update {
        withdrawn,
        announced: vec![Announcement { next_hop, prefixes }],
        attributes: attributes.into(),
        end_of_rib,
        end_of_refresh: None,
    }
}

/// Any prefix, often one of a few; host bits may be set.
fn prefix(input: &mut Input<'_>) -> IpNet {
    let kind = input.u8();
    let v4 = |address: [u8; 4], length| IpNet::V4(Ipv4Net::new_assert(address.into(), length));
    match kind % 4 {
        0 | 1 => v4([10, kind >> 2, 0, 0], 16 + (kind & 1)),
        2 => v4(input.array(), input.u8() % 33),
        _ => IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::from(input.array::<16>()), input.u8() % 129)),
    }
}

fn number(session: usize) -> u32 {
    u32::try_from(session).unwrap_or(u32::MAX)
}

/// Four tunnels with sessions and the same route by each; losses; policies; forbidden prefixes.
#[must_use]
pub fn seeds() -> Vec<Vec<u8>> {
    let all_up =
        || (0..4_u8).fold(Script::default(), |script, session| script.octets(&[8, session, 3, 6, session, 4, session]));
    let route = |script: Script, session: u8| script.octets(&[0, session, 4, 0, 8]);
    let routes = (0..4).fold(all_up(), route).octets(&[11, 0]);
    let lost = (0..4).fold(all_up(), route).octets(&[11, 0, 7, 0, 11, 0, 5, 1, 11, 0, 6, 0, 11, 0, 9, 2, 11, 0]);
    let limits =
        (0..4).fold(all_up(), route).octets(&[8, 2, 11, 0, 2, 28, 9, 8, 12, 16, 20, 24, 28, 32, 8, 0, 7, 11, 0]);
    let forbidden = all_up()
        .octets(&[0, 0, 8, 0, 2, 169, 254, 169, 254, 32, 2, 203, 0, 113, 0, 24, 11, 0, 1, 0, 4, 0, 2, 0, 0, 0, 0, 0]);
    let v6 = all_up()
        .octets(&[0, 0, 4, 0, 3, 0x20, 1, 0xd, 0xb8])
        .octets(&[0; 12])
        .octets(&[32, 10, 0, 8, 12, 2, 11, 0])
        .octets(&[0, 1, 4, 0x80, 3, 0x20, 1, 0xd, 0xb8])
        .octets(&[0; 12])
        .octets(&[32, 11, 0]);
    // Path identifiers, a restart, what is repeated, a refresh, and static routes into the void.
    let several = (0..4_u8)
        .fold(Script::default(), |script, session| script.octets(&[8, session, 19, 6, session, 15, session]))
        .octets(&[0, 0, 0x24, 0, 8, 0, 0, 0x44, 0, 8, 0, 1, 0x24, 0, 8, 11, 0]);
    let restart = (0..4).fold(all_up(), route).octets(&[
        11, 0, 12, 0, 11, 0, 4, 0, 0, 0, 4, 0, 12, 13, 0, 2, 11, 0, 13, 1, 0, 13, 1, 1, 11, 0, 12, 2, 7, 2, 11, 0,
    ]);
    let statics = (0..4).fold(all_up(), route).octets(&[14, 0, 2, 8, 9, 1, 12, 200, 0, 11, 0, 14, 0, 0, 11, 0]);
    let more = [several.done(), restart.done(), statics.done()];
    [routes.done(), lost.done(), limits.done(), forbidden.done(), v6.done()].into_iter().chain(more).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_seed_fills_the_kernel_and_the_peers() {
        let seed = seeds().swap_remove(0);
        let mut input = Input::new(&seed);
        let mut world = World::new();
        while !input.is_empty() {
            world.step(&mut input);
        }
        let (prefix, hops) = world.kernel.first_key_value().unwrap();
        assert_eq!((prefix.to_string().as_str(), hops.as_slice().len()), ("10.2.0.0/16", 2), "both tunnels to one AS");
        let told: Vec<usize> = world.told.values().map(BTreeSet::len).collect();
        assert_eq!(told, [1, 1, 2, 2], "what was learned from one AS goes to the others");
    }
}
