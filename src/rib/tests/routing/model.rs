//! Random lives of a router, against a model that computes everything from scratch.
//!
//! The model keeps what happened (routes by peer and prefix, what is up, what is configured) and nothing derived.
//! After any sequence of events, with polls at any place in it, the kernel and every peer must have exactly what the
//! model computes.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv6Addr};

use bgp::{Announcement, Attributes, Family, Origin, Update};
use ipnet::IpNet;
use policy::{Chain, PrefixRule, RuleAction, Step};
use proptest::prelude::*;
use rib::{Inside6, LinkState, NextHop, PeerCounts, PeerId, PeerPolicy, PeerSession, Verdict};
use wire::Asn;
use wire::LinkId;

use crate::router::{Router, attributes, config, net, nlris, permit, policy, session};

const OWN: u32 = 65000;
/// Sessions 0 and 1 to one AS, 2 to another, 3 internal, 4 over IPv6; 0, 1 and 3 have an IPv6 link beside them.
const AS_OF: [u32; 5] = [64512, 64512, 65515, OWN, 64512];
const PREFIXES: [&str; 13] = [
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
    Update { peer: usize, withdrawn: Vec<usize>, announced: Vec<usize>, variant: usize },
    Up(usize),
    Down(usize),
    Tunnel(usize, LinkState),
    Originate(Vec<usize>),
    Policy { peer: usize, variant: usize },
    Refresh(usize),
    Width(usize),
    Protect(bool),
    Poll,
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let peer = 0..AS_OF.len();
    let prefixes = || prop::collection::vec(0..PREFIXES.len(), 0..5);
    let state = prop_oneof![Just(LinkState::Up), Just(LinkState::Down)];
    let event = prop_oneof![
        8 => (peer.clone(), prefixes(), prefixes(), 0usize..10)
            .prop_map(|(peer, withdrawn, announced, variant)| Event::Update { peer, withdrawn, announced, variant }),
        2 => peer.clone().prop_map(Event::Up),
        1 => peer.clone().prop_map(Event::Down),
        2 => (peer.clone(), state).prop_map(|(peer, state)| Event::Tunnel(peer, state)),
        1 => prefixes().prop_map(Event::Originate),
        2 => (peer.clone(), 0usize..10).prop_map(|(peer, variant)| Event::Policy { peer, variant }),
        1 => peer.prop_map(Event::Refresh),
        1 => (1usize..4).prop_map(Event::Width),
        1 => any::<bool>().prop_map(Event::Protect),
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
    let base = base_policy(peer);
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
    PeerSession { families: vec![Family::Ipv4Unicast, Family::Ipv6Unicast], ..session(u32::try_from(peer).unwrap()) }
}

/// What happened.
struct Model {
    policies: Vec<PeerPolicy>,
    up: BTreeSet<usize>,
    /// Over their limit; they are taken down at the next poll.
    closed: BTreeSet<usize>,
    tunnels: BTreeSet<usize>,
    routes: BTreeMap<(usize, IpNet), Attributes>,
    originated: BTreeSet<IpNet>,
    width: usize,
    protected: Vec<IpAddr>,
}

/// A route in the decision.
#[derive(Clone)]
struct Candidate<'a> {
    peer: usize,
    route: &'a Attributes,
    local_preference: u32,
}

impl Candidate<'_> {
    fn length(&self) -> usize {
        self.route.as_path.0.iter().map(|segment| format!("{segment:?}").matches("AS").count()).sum()
    }

    fn neighbour(&self) -> u32 {
        if AS_OF[self.peer] == OWN && self.route.as_path == crate::router::path(&[64999]) {
            64999
        } else {
            AS_OF[self.peer]
        }
    }
}

impl Model {
    fn is_external(&self, peer: usize) -> bool {
        self.policies[peer].peer_asn != Asn(OWN)
    }

    fn accepts(&self, peer: usize, prefix: &IpNet, route: &Attributes) -> bool {
        let policy = &self.policies[peer];
        let links = self.policies.iter().filter_map(|policy| policy.inside6);
        let inside = links.into_iter().any(|link| prefix.contains(&IpAddr::from(link.peer)));
        let special = *prefix == net("169.254.21.0/30");
        let captures = self.protected.iter().any(|address| prefix.contains(address));
        let listed = lines(&policy.import).map(|list| first_match(list, prefix));
        let named = matches!(&listed, Some(Some(rule)) if rule.prefix.prefix_len() == 0 && rule.max_len == 0);
        let permitted = listed.is_none_or(|rule| rule.is_some_and(|rule| rule.action == RuleAction::Permit));
        let loops = format!("{route:?}").contains("AS65000");
        ends(policy, prefix).is_some() && !inside && !special && (!captures || named) && permitted && !loops
    }

    fn accepted(&self, peer: usize) -> usize {
        let mine = self.routes.iter().filter(|((from, _), _)| *from == peer);
        mine.filter(|((_, prefix), route)| self.accepts(peer, prefix, route)).count()
    }

    fn check_limit(&mut self, peer: usize) {
        let limit = self.policies[peer].max_prefix_in.unwrap_or(u32::MAX);
        if self.up.contains(&peer) && self.accepted(peer) > limit as usize {
            self.closed.insert(peer);
        }
    }

    fn down(&mut self, peer: usize) {
        self.up.remove(&peer);
        self.closed.remove(&peer);
        self.routes.retain(|(from, _), _| *from != peer);
    }

    /// The routes in use, the best first.
    fn decide(&self, prefix: &IpNet) -> Vec<Candidate<'_>> {
        if self.originated.contains(prefix) {
            return vec![];
        }
        let usable = self.routes.iter().filter(|((peer, of), route)| {
            of == prefix && self.tunnels.contains(peer) && self.accepts(*peer, prefix, route)
        });
        let mut left: Vec<_> = usable
            .map(|((peer, _), route)| {
                let configured = self.policies[*peer].local_preference;
                let received = route.local_preference.filter(|_| !self.is_external(*peer));
                Candidate { peer: *peer, route, local_preference: received.unwrap_or(configured) }
            })
            .collect();
        let key = |c: &Candidate<'_>| (Reverse(c.local_preference), c.length(), c.route.origin);
        let least = left.iter().map(key).min();
        left.retain(|candidate| Some(key(candidate)) == least);
        let all = left.clone();
        let med = |candidate: &Candidate<'_>| candidate.route.med.unwrap_or(0);
        left.retain(|c| !all.iter().any(|other| other.neighbour() == c.neighbour() && med(other) < med(c)));
        if left.iter().any(|candidate| self.is_external(candidate.peer)) {
            left.retain(|candidate| self.is_external(candidate.peer));
        }
        // Router ids and addresses of the tests ascend with the session number.
        left.sort_by_key(|candidate| candidate.peer);
        let neighbour = left.first().map(Candidate::neighbour);
        left.retain(|candidate| Some(candidate.neighbour()) == neighbour);
        left.truncate(self.width);
        left
    }

    fn prefixes(&self) -> BTreeSet<IpNet> {
        self.routes.keys().map(|(_, prefix)| *prefix).chain(self.originated.iter().copied()).collect()
    }

    fn kernel(&self) -> BTreeMap<IpNet, Vec<NextHop>> {
        let hop = |prefix: &IpNet, candidate: Candidate<'_>| {
            let policy = &self.policies[candidate.peer];
            let (_, address) = ends(policy, prefix).unwrap();
            NextHop { link: policy.link, address }
        };
        let mut kernel = BTreeMap::new();
        for prefix in self.prefixes() {
            let hops: Vec<_> = self.decide(&prefix).into_iter().map(|candidate| hop(&prefix, candidate)).collect();
            if !hops.is_empty() {
                kernel.insert(prefix, hops);
            }
        }
        kernel
    }

    /// What the peer is to have.
    fn told(&self, peer: usize) -> BTreeMap<IpNet, (IpAddr, Attributes)> {
        let policy = &self.policies[peer];
        let mut ranked: Vec<_> = self
            .prefixes()
            .into_iter()
            .filter_map(|prefix| {
                let originated = self.originated.contains(&prefix);
                let attributes = if originated {
                    self.permits(peer, &prefix, true)
                        .then(|| self.outgoing(peer, Attributes::default(), policy.local_preference))
                } else {
                    let best = self.decide(&prefix).into_iter().next()?;
                    let passes = self.permits(peer, &prefix, false) && self.passes(peer, &best);
                    passes.then(|| self.outgoing(peer, best.route.clone(), best.local_preference))
                }?;
                Some((!originated, prefix.prefix_len(), prefix, attributes))
            })
            .collect();
        ranked.sort_by_key(|(learned, length, prefix, _)| (*learned, *length, *prefix));
        ranked.truncate(policy.max_prefix_out.unwrap_or(u32::MAX) as usize);
        let told = |prefix, attributes| (prefix, (ends(policy, &prefix).unwrap().0, attributes));
        ranked.into_iter().map(|(_, _, prefix, attributes)| told(prefix, attributes)).collect()
    }

    fn permits(&self, peer: usize, prefix: &IpNet, originated: bool) -> bool {
        let family = ends(&self.policies[peer], prefix).is_some();
        let listed = lines(&self.policies[peer].export).map(|list| first_match(list, prefix));
        let permitted = match listed {
            None => originated,
            Some(rule) => rule.is_some_and(|rule| rule.action == RuleAction::Permit),
        };
        family && permitted && *prefix != net("169.254.21.0/30")
    }

    fn passes(&self, peer: usize, best: &Candidate<'_>) -> bool {
        let external = self.is_external(peer);
        let carries = |community| best.route.communities.contains(&community);
        let in_path = format!("{:?}", best.route.as_path).contains(&format!("AS{}", AS_OF[peer]));
        best.peer != peer
            && !carries(0xffff_ff02)
            && (external || self.is_external(best.peer))
            && !(external && (in_path || carries(0xffff_ff01)))
    }

    fn outgoing(&self, peer: usize, mut route: Attributes, local_preference: u32) -> Attributes {
        let policy = &self.policies[peer];
        if !self.is_external(peer) {
            route.med = policy.med.or(route.med);
            route.local_preference = Some(local_preference);
            return route;
        }
        let mut numbers: Vec<u32> = vec![OWN; 1 + usize::from(policy.prepend)];
        for segment in &route.as_path.0 {
            let bgp::AsPathSegment::Sequence(rest) = segment else { unreachable!("the tests make no sets") };
            numbers.extend(rest.iter().map(|asn| asn.0));
        }
        Attributes { as_path: crate::router::path(&numbers), med: policy.med, local_preference: None, ..route }
    }
}

/// The lines of a chain, if it has any.
fn lines(chain: &Chain) -> Option<&[PrefixRule]> {
    chain.steps().iter().find_map(|step| if let Step::Lines(list) = step { Some(list.lines()) } else { None })
}

fn first_match<'a>(list: &'a [PrefixRule], prefix: &IpNet) -> Option<&'a PrefixRule> {
    list.iter().find(|rule| {
        rule.prefix.contains(prefix) && prefix.prefix_len() >= rule.min_len && prefix.prefix_len() <= rule.max_len
    })
}

fn peer_id(peer: usize) -> PeerId {
    PeerId(u32::try_from(peer).unwrap())
}

fn pick(indices: &[usize]) -> Vec<IpNet> {
    indices.iter().map(|at| net(PREFIXES[*at])).collect()
}

fn happen(model: &mut Model, router: &mut Router, event: Event) {
    match event {
        Event::Update { peer, withdrawn, announced, variant } => {
            let attributes = route_variant(peer, variant);
            let (withdrawn, mut announced) = (pick(&withdrawn), pick(&announced));
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
                model.routes.retain(|(from, prefix), _| *from != peer || !withdrawn.contains(prefix));
                for prefix in announced {
                    model.routes.insert((peer, prefix), attributes.clone());
                    model.check_limit(peer);
                }
            }
        }
        Event::Up(peer) => {
            model.down(peer);
            model.up.insert(peer);
            router.peer_up(peer_id(peer), session_of(peer));
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
        Event::Poll => poll(model, router),
    }
}

fn poll(model: &mut Model, router: &mut Router) {
    router.drain();
    for peer in std::mem::take(&mut model.closed) {
        model.down(peer);
    }
    assert_eq!(router.up, model.up.iter().map(|peer| peer_id(*peer)).collect());
    assert_eq!(router.kernel, model.kernel(), "kernel");
    for peer in &model.up {
        assert_eq!(router.told[&peer_id(*peer)], model.told(*peer), "peer {peer}");
    }
    for (peer, policy) in model.policies.iter().enumerate() {
        router.limits.extend(policy.max_prefix_out.map(|limit| (peer_id(peer), limit)));
    }
    check_views(model, router);
}

fn check_views(model: &Model, router: &Router) {
    let prefixes: Vec<_> = router.rib.routes().map(|route| route.prefix).collect();
    assert!(prefixes.iter().eq(model.prefixes().iter()), "{prefixes:?}");
    assert_eq!(router.rib.totals().prefixes, prefixes.len(), "nothing gone is remembered");
    let kernel: BTreeMap<_, _> =
        router.rib.fib().map(|change| (change.prefix, change.next_hops.as_slice().to_vec())).collect();
    assert_eq!(kernel, router.kernel);
    for route in router.rib.routes() {
        let used = route.candidates.iter().filter(|c| matches!(c.verdict, Verdict::Best | Verdict::Multipath));
        let used: Vec<_> = used.map(|candidate| candidate.peer).collect();
        let expected: Vec<_> = model.decide(&route.prefix).iter().map(|candidate| peer_id(candidate.peer)).collect();
        assert_eq!(used, expected, "{}", route.prefix);
    }
    for peer in 0..AS_OF.len() {
        check_counts(model, router, peer);
    }
}

fn check_counts(model: &Model, router: &Router, peer: usize) {
    let id = peer_id(peer);
    let advertised = router.rib.adj_out(id).count();
    let withheld: Vec<_> = router.rib.withheld(id).collect();
    let held_back = withheld.iter().filter(|(_, why)| matches!(why, rib::Withheld::HeldBack { .. })).count();
    let decided: Vec<_> = model
        .prefixes()
        .iter()
        .map(|prefix| model.decide(prefix))
        .map(|used| used.iter().position(|candidate| candidate.peer == peer))
        .collect();
    let received = model.routes.keys().filter(|(from, _)| *from == peer).count();
    let expected = PeerCounts {
        received,
        accepted: model.accepted(peer),
        refused: received - model.accepted(peer),
        forgotten: 0,
        stale: 0,
        best: decided.iter().filter(|place| **place == Some(0)).count(),
        multipath: decided.iter().filter(|place| place.is_some_and(|place| place > 0)).count(),
        advertised,
        held_back,
    };
    assert_eq!(router.rib.counts(id), Some(expected), "peer {peer}");
    assert_eq!(advertised + withheld.len(), model.prefixes().len(), "each prefix is announced, or there is a reason");
    let refused = router.rib.adj_in(id).filter(|entry| entry.refusal.is_some()).count();
    assert_eq!(refused, expected.refused);
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
            routes: BTreeMap::new(),
            originated: config().originated.into_iter().collect(),
            width: 8,
            protected: config().protected,
        };
        for (peer, policy) in model.policies.iter().enumerate() {
            router.rib.add_peer(peer_id(peer), policy.clone());
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
