//! Random lives of a router, against a model that computes everything from scratch.
//!
//! The model keeps what happened (routes by peer and prefix, what is up, what is configured) and nothing derived.
//! After any sequence of events, with polls at any place in it, the kernel and every peer must have exactly what the
//! model computes.

mod checks;
mod own;
mod reference;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv6Addr};

use bgp::{AddPath, Announcement, Attributes, Family, Origin, Update};
use ipnet::IpNet;
use policy::{Chain, PrefixRule, RuleAction};
use proptest::prelude::*;
use rib::{
    ConnectedRule, DecisionRules, Inside6, Interface, LinkState, MultipathPaths, NextHop, PeerId, PeerPolicy,
    PeerSession, RibConfig, SendPaths,
};
use wire::LinkId;

use checks::poll;
use own::{aggregates, fast, slow, statics};
use reference::Model;

use crate::router::{Router, attributes, config, net, nlris, permit, policy, session};

const OWN: u32 = 65000;
/// Takes several paths to IPv4 prefixes (RFC 7911).
const COLLECTOR: usize = 2;
/// Sessions 0 and 1 to one AS, 2 to another, 3 internal, 4 over IPv6; 0, 1 and 3 have an IPv6 link beside them.
const AS_OF: [u32; 5] = [64512, 64512, 65515, OWN, 64512];
const PREFIXES: [&str; 14] = [
    "10.0.0.0/8",
    "10.1.0.0/16",
    "10.2.0.0/16",
    "10.2.0.0/17",
    "10.3.0.0/16",
    "10.4.0.0/24",
    "10.5.0.0/24",
    "172.16.0.0/12",
    "0.0.0.0/0",
    "169.254.21.0/30",
    "203.0.113.0/24",
    "2001:db8:1::/48",
    "2001:db8:2::/48",
    "fd00::1:0/127",
];

#[derive(Clone, Debug)]
enum Event {
    Update {
        peer: usize,
        withdrawn: Vec<usize>,
        announced: Vec<usize>,
        variant: usize,
    },
    Up(usize),
    Down(usize),
    Tunnel(usize, LinkState),
    Originate(Vec<usize>),
    Policy {
        peer: usize,
        variant: usize,
    },
    Refresh(usize),
    Width(usize),
    Protect(bool),
    /// The peer restarts, and says so in its OPEN; it says all again, or not.
    Restart(usize),
    StaleExpired(usize),
    EndOfRib(usize, Family),
    RefreshBegun(usize, Family),
    RefreshEnded(usize, Family),
    /// MEDs compare across ASes; other ASes may be used beside the best; link bandwidths count.
    Rules(bool, bool, bool),
    /// Which static routes there are, a bit for each.
    Statics(usize),
    /// What BFD says of a next hop of static routes.
    Hop(usize, LinkState),
    Aggregates(usize),
    Poll,
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let peer = 0..AS_OF.len();
    let prefixes = || prop::collection::vec(0..PREFIXES.len(), 0..5);
    let state = prop_oneof![Just(LinkState::Up), Just(LinkState::Down)];
    let family = prop_oneof![Just(Family::Ipv4Unicast), Just(Family::Ipv6Unicast)];
    let marked = || (0..AS_OF.len(), family.clone());
    let event = prop_oneof![
        8 => (peer.clone(), prefixes(), prefixes(), 0usize..13)
            .prop_map(|(peer, withdrawn, announced, variant)| Event::Update { peer, withdrawn, announced, variant }),
        2 => peer.clone().prop_map(Event::Up),
        1 => peer.clone().prop_map(Event::Down),
        2 => (peer.clone(), state.clone()).prop_map(|(peer, state)| Event::Tunnel(peer, state)),
        1 => prefixes().prop_map(Event::Originate),
        2 => (peer.clone(), 0usize..10).prop_map(|(peer, variant)| Event::Policy { peer, variant }),
        1 => peer.clone().prop_map(Event::Refresh),
        1 => (1usize..4).prop_map(Event::Width),
        1 => any::<bool>().prop_map(Event::Protect),
        2 => peer.clone().prop_map(Event::Restart),
        1 => peer.clone().prop_map(Event::StaleExpired),
        1 => marked().prop_map(|(peer, family)| Event::EndOfRib(peer, family)),
        1 => marked().prop_map(|(peer, family)| Event::RefreshBegun(peer, family)),
        1 => marked().prop_map(|(peer, family)| Event::RefreshEnded(peer, family)),
        1 => any::<(bool, bool, bool)>().prop_map(|(always, relaxed, weighted)| Event::Rules(always, relaxed, weighted)),
        2 => (0usize..16).prop_map(Event::Statics),
        1 => (peer.clone(), state).prop_map(|(peer, state)| Event::Hop(peer, state)),
        2 => (0usize..5).prop_map(Event::Aggregates),
        4 => Just(Event::Poll),
    ];
    prop::collection::vec(event, 1..60)
}

fn route_variant(peer: usize, variant: usize) -> Attributes {
    let asn = AS_OF[peer];
    let plain = if asn == OWN { attributes(&[64999]) } else { attributes(&[asn]) };
    let change = |change: fn(&mut Attributes)| {
        let mut attributes = plain.clone();
        change(&mut attributes);
        attributes
    };
    match variant {
        0..=2 => plain,
        3 => change(|route| route.med = Some(10)),
        4 => change(|route| route.origin = Origin::Incomplete),
        5 => attributes(&[asn, 65515]),
        6 => attributes(&[asn, OWN]),
        7 => change(|route| route.communities = vec![0xffff_ff01]),
        8 => change(|route| route.communities = vec![0xffff_ff02, 7]),
        9 | 10 => change(|route| route.extended_communities = vec![slow()]),
        11 => change(|route| route.extended_communities = vec![fast()]),
        _ => change(|route| route.local_preference = Some(300)),
    }
}

fn base_policy(peer: usize) -> PeerPolicy {
    let mut policy = policy(u32::try_from(peer).unwrap(), AS_OF[peer]);
    if peer == 4 {
        policy.local_address = "2001:db8:f::2".parse().unwrap();
        policy.peer_address = "2001:db8:f::1".parse().unwrap();
    } else if peer != 2 {
        policy.inside6 = Some(beside(peer));
    }
    policy
}

fn beside(peer: usize) -> Inside6 {
    let end = |last| Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, u16::try_from(peer).unwrap(), last);
    Inside6 { local: end(2), peer: end(1) }
}

/// The next hop that a peer sends, whatever we think of it.
fn next_hop(peer: usize, prefix: &IpNet) -> IpAddr {
    match prefix {
        IpNet::V6(_) if peer != 4 => beside(peer).peer.into(),
        IpNet::V4(_) | IpNet::V6(_) => base_policy(peer).peer_address,
    }
}

/// Our and the peer's address for routes to `prefix`.
fn ends(policy: &PeerPolicy, prefix: &IpNet) -> Option<(IpAddr, IpAddr)> {
    let session = (policy.local_address, policy.peer_address);
    let beside = policy.inside6.map(|link| (link.local.into(), link.peer.into()));
    [Some(session), beside].into_iter().flatten().find(|(local, _)| local.is_ipv6() == is_v6(prefix))
}

fn is_v6(prefix: &IpNet) -> bool {
    matches!(prefix, IpNet::V6(_))
}

fn policy_variant(peer: usize, variant: usize) -> PeerPolicy {
    let mut base = base_policy(peer);
    if peer == COLLECTOR {
        base.treatment.send_paths =
            [SendPaths::First(2), SendPaths::All, SendPaths::Ecmp, SendPaths::Best][variant % 4];
    }
    let all = || Chain::lines(vec![permit("0.0.0.0/0", 32), permit("::/0", 128)]);
    let deny = |prefix: &str| PrefixRule { action: RuleAction::Deny, ..permit(prefix, 32) };
    match variant {
        0 => base,
        1 => PeerPolicy { export: all(), ..base },
        2 => PeerPolicy { export: all(), max_prefix_out: Some(2), ..base },
        3 => PeerPolicy { export: Chain::lines(vec![deny("10.2.0.0/16"), permit("0.0.0.0/0", 32)]), ..base },
        4 => PeerPolicy {
            import: Chain::lines(vec![deny("10.4.0.0/24"), permit("0.0.0.0/0", 32)]),
            export: all(),
            ..base
        },
        5 => PeerPolicy { import: Chain::lines(vec![permit("0.0.0.0/0", 0), permit("10.0.0.0/8", 24)]), ..base },
        6 => PeerPolicy { local_preference: 200, med: Some(5), prepend: 2, export: all(), ..base },
        7 => PeerPolicy { max_prefix_in: Some(2), export: all(), ..base },
        8 => PeerPolicy { max_prefix_out: Some(0), export: all(), ..base },
        _ => PeerPolicy { inside6: None, export: all(), ..base },
    }
}

fn session_of(peer: usize) -> PeerSession {
    let families = vec![Family::Ipv4Unicast, Family::Ipv6Unicast];
    let several = (Family::Ipv4Unicast, AddPath { receive: false, send: true });
    let add_path = if peer == COLLECTOR { vec![several] } else { vec![] };
    PeerSession { families, add_path, ..session(u32::try_from(peer).unwrap()) }
}

/// How the others name what leads to a peer in a tunnel.
fn hop(peer: usize) -> NextHop {
    NextHop { link: LinkId(u32::try_from(peer).unwrap()), address: base_policy(peer).peer_address }
}

fn peer_id(peer: usize) -> PeerId {
    PeerId(u32::try_from(peer).unwrap())
}

fn pick(indices: &[usize]) -> Vec<IpNet> {
    indices.iter().map(|at| net(PREFIXES[*at])).collect()
}

/// A peer announces and withdraws.
fn update(model: &mut Model, router: &mut Router, peer: usize, what: (&[usize], &[usize]), variant: usize) {
    let (withdrawn, announced) = what;
    let attributes = route_variant(peer, variant);
    let (withdrawn, mut announced) = (pick(withdrawn), pick(announced));
    announced.sort_by_key(is_v6);
    let announcements = announced
        .chunk_by(|a, b| is_v6(a) == is_v6(b))
        .map(|prefixes| Announcement { next_hop: next_hop(peer, &prefixes[0]), prefixes: nlris(prefixes) });
    let update = Update {
        withdrawn: nlris(&withdrawn),
        announced: announcements.collect(),
        attributes: attributes.clone().into(),
        ..Update::default()
    };
    router.rib.handle_update(peer_id(peer), update);
    if model.up.contains(&peer) && !model.closed.contains(&peer) {
        for prefix in withdrawn {
            model.withdraw(peer, prefix);
        }
        for prefix in announced {
            model.routes.insert((peer, prefix), attributes.clone());
            model.stale.remove(&(peer, prefix));
            model.check_limit(peer);
        }
    }
}

/// Other rules of the decision.
fn decide_by(model: &mut Model, router: &mut Router, rules: DecisionRules) {
    model.rules = rules;
    router.rib.reconfigure(RibConfig {
        aggregates: model.aggregates.clone(),
        originated: model.originated.iter().copied().collect(),
        ecmp_width: model.width,
        protected: model.protected.clone(),
        decision: model.rules,
        ..config()
    });
}

/// BFD of a next hop of static routes has an opinion.
fn hear(model: &mut Model, router: &mut Router, hop: NextHop, state: LinkState) {
    match state {
        LinkState::Up => model.dead.remove(&hop),
        LinkState::Down => model.dead.insert(hop),
    };
    router.rib.handle_hop(hop, state);
}

fn happen(model: &mut Model, router: &mut Router, event: Event) {
    match event {
        Event::Update { peer, withdrawn, announced, variant } => {
            update(model, router, peer, (&withdrawn, &announced), variant);
        }
        Event::Up(peer) => {
            if !model.retained.remove(&peer) {
                model.down(peer);
            }
            model.up.insert(peer);
            router.peer_up(peer_id(peer), session_of(peer));
            model.check_limit(peer);
        }
        Event::Down(peer) => {
            model.down(peer);
            router.peer_down(peer_id(peer));
        }
        Event::Tunnel(tunnel, state) => {
            match state {
                LinkState::Up => model.tunnels.insert(tunnel),
                LinkState::Down => model.tunnels.remove(&tunnel),
            };
            // The state of the link wins.
            if state == LinkState::Down && model.retained.contains(&tunnel) {
                model.down(tunnel);
            }
            router.rib.handle_link(LinkId(u32::try_from(tunnel).unwrap()), state);
        }
        Event::Originate(prefixes) => {
            model.originated = pick(&prefixes).into_iter().collect();
            router.rib.set_originated(pick(&prefixes));
        }
        Event::Policy { peer, variant } => {
            let policy = policy_variant(peer, variant);
            model.policies[peer] = policy.clone();
            // A lower limit takes effect in steps; from the next poll on it holds at every step.
            router.limits.remove(&peer_id(peer));
            // The links of one tunnel matter to all.
            for peer in 0..AS_OF.len() {
                model.check_limit(peer);
            }
            router.rib.set_policy(peer_id(peer), policy);
        }
        Event::Refresh(peer) => {
            for family in [Family::Ipv4Unicast, Family::Ipv6Unicast] {
                router.rib.handle_refresh(peer_id(peer), family);
            }
        }
        Event::Width(width) => {
            model.width = width;
            router.rib.set_ecmp_width(width);
        }
        Event::Protect(on) => {
            let protected = if on { config().protected } else { vec![] };
            model.protected = protected.clone();
            for peer in 0..AS_OF.len() {
                model.check_limit(peer);
            }
            router.rib.set_protected(protected);
        }
        Event::Restart(_)
        | Event::StaleExpired(_)
        | Event::EndOfRib(..)
        | Event::RefreshBegun(..)
        | Event::RefreshEnded(..) => outlive(model, router, &event),
        Event::Rules(always_compare_med, relaxed, weighted) => {
            let multipath = if relaxed { MultipathPaths::SameLength } else { MultipathPaths::SameNeighbour };
            decide_by(model, router, DecisionRules { always_compare_med, multipath, weighted });
        }
        Event::Statics(which) => {
            model.statics = statics(which);
            router.rib.set_sources(statics(which), ConnectedRule::default());
        }
        Event::Hop(peer, state) => hear(model, router, hop(peer), state),
        Event::Aggregates(variant) => {
            model.aggregates = aggregates(variant);
            router.rib.set_aggregates(aggregates(variant));
        }
        Event::Poll => poll(model, router),
    }
}

/// What concerns routes that outlive their session, or are to be repeated.
fn outlive(model: &mut Model, router: &mut Router, event: &Event) {
    let of = |family: Family| move |prefix: &IpNet| Family::of(prefix) == family;
    match *event {
        Event::Restart(peer) => {
            // The process acts on a limit before anything else can happen to the session.
            poll(model, router);
            model.restart(peer);
            router.told.remove(&peer_id(peer));
            router.up.remove(&peer_id(peer));
            router.rib.handle_peer_restarting(peer_id(peer), &[Family::Ipv4Unicast, Family::Ipv6Unicast]);
        }
        Event::StaleExpired(peer) => {
            model.sweep(peer, |_| true);
            router.rib.handle_stale_expired(peer_id(peer), &[Family::Ipv4Unicast, Family::Ipv6Unicast]);
        }
        Event::EndOfRib(peer, family) => {
            if model.up.contains(&peer) && !model.closed.contains(&peer) {
                model.sweep(peer, of(family));
            }
            router.rib.handle_update(peer_id(peer), Update { end_of_rib: Some(family), ..Update::default() });
        }
        Event::RefreshBegun(peer, family) => {
            if model.up.contains(&peer) {
                model.mark(peer, of(family));
            }
            router.rib.handle_refresh_begun(peer_id(peer), family);
        }
        Event::RefreshEnded(peer, family) => {
            if model.up.contains(&peer) {
                model.sweep(peer, of(family));
            }
            router.rib.handle_refresh_ended(peer_id(peer), family);
        }
        Event::Update { .. }
        | Event::Up(_)
        | Event::Down(_)
        | Event::Tunnel(..)
        | Event::Originate(_)
        | Event::Policy { .. }
        | Event::Refresh(_)
        | Event::Width(_)
        | Event::Protect(_)
        | Event::Rules(..)
        | Event::Statics(_)
        | Event::Hop(..)
        | Event::Aggregates(_)
        | Event::Poll => unreachable!("not about such routes"),
    }
}

proptest! {
    #[test]
    fn kernel_and_peers_have_what_follows_from_the_events(events in events()) {
        let mut router = Router::new(config());
        let mut model = Model {
            policies: (0..AS_OF.len()).map(|peer| policy_variant(peer, 1)).collect(),
            up: BTreeSet::new(),
            closed: BTreeSet::new(),
            tunnels: BTreeSet::new(),
            retained: BTreeSet::new(),
            stale: BTreeSet::new(),
            rules: config().decision,
            routes: BTreeMap::new(),
            originated: config().originated.into_iter().collect(),
            statics: vec![],
            dead: BTreeSet::new(),
            aggregates: vec![],
            width: 8,
            protected: config().protected,
        };
        for (peer, policy) in model.policies.iter().enumerate() {
            router.rib.add_peer(peer_id(peer), policy.clone());
            let interface = Interface { name: policy.name.clone(), addresses: vec![] };
            router.rib.set_interface(policy.link, interface);
        }
        for peer in 0..AS_OF.len() {
            happen(&mut model, &mut router, Event::Tunnel(peer, LinkState::Up));
            happen(&mut model, &mut router, Event::Up(peer));
        }
        for event in events {
            happen(&mut model, &mut router, event);
        }
        poll(&mut model, &mut router);
        prop_assert_eq!(router.drain(), vec![], "a second poll has nothing to add");
    }
}
