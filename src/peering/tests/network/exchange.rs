//! Both sides have routes for each other, and whatever they offer: after any history each has what the other says, as far
//! as both could agree to say it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use bgp::{AddPath, Announcement, AsPath, AsPathSegment, Attributes, Family, Nlri, Role, Update};
use proptest::prelude::*;
use wire::Asn;

use super::super::support::seconds;
use super::{End, Network, pair};
use crate::Restart;
use crate::{DownReason, Event, Offers, Peer, PeerConfig, StopReason};

const FAMILIES: [Family; 2] = [Family::Ipv4Unicast, Family::Ipv6Unicast];
const ASN: [u32; 2] = [64512, 65000];
/// Of these prefixes each side has paths 1 to 3.
const PREFIXES: [&str; 5] = ["10.1.0.0/16", "10.2.0.0/17", "10.3.3.0/24", "2001:db8:1::/48", "2001:db8:2::/64"];
/// An IPv4 route behind an IPv6 next hop (RFC 8950).
const BEHIND_V6: u8 = 5;
/// A route whose attributes fill more than 4096 octets (RFC 8654).
const LONG: u8 = 6;

/// What a side has heard, and whether it is stale.
type Table = BTreeMap<Nlri, (Attributes, bool)>;

/// What both sides say and have heard.
#[derive(Debug, Default)]
pub(super) struct Exchange {
    says: [BTreeMap<Nlri, u8>; 2],
    heard: [Table; 2],
    /// What must not happen.
    wrong: Vec<String>,
}

impl Exchange {
    /// A side's events, as the routing tables take them.
    pub(super) fn happened(&mut self, peers: &mut [Peer; 2], end: End, event: &Event) {
        let heard = &mut self.heard[end];
        match event {
            Event::Established(_) => {
                if heard.values().any(|(_, stale)| !stale) {
                    self.wrong.push("fresh routes outlive their session".to_owned());
                }
                self.say_all(&mut peers[end], end);
            }
            Event::Down { was_established: true, stale, reason, .. } => {
                let kept = stale.as_ref().map_or(&[][..], |stale| &stale.families);
                heard.retain(|nlri, _| kept.contains(&Family::of(&nlri.prefix)));
                heard.values_mut().for_each(|(_, stale)| *stale = true);
                self.complain(reason);
            }
            Event::Down { reason, .. } => self.complain(reason),
            Event::Update(update) => hear(heard, update),
            Event::StaleExpired(families) => {
                heard.retain(|nlri, (_, stale)| !*stale || !families.contains(&Family::of(&nlri.prefix)));
            }
            Event::RefreshBegun(family) => mark(heard, *family),
            Event::RefreshEnded(family) => sweep(heard, *family),
            Event::RefreshRequested(family) => {
                self.say_family(&mut peers[end], end, *family);
                peers[end].send_updates(&[Update { end_of_refresh: Some(*family), ..Update::default() }]);
            }
            Event::UpdateFaulty { faults, .. } => self.wrong.push(faults.to_string()),
            Event::StateChanged { .. }
            | Event::NotificationReceived { .. }
            | Event::NotificationSent { .. }
            | Event::Unsendable { .. } => {}
        }
    }

    fn complain(&mut self, reason: &DownReason) {
        if matches!(reason, DownReason::Protocol(_)) {
            self.wrong.push(reason.to_string());
        }
    }

    fn say_all(&self, peer: &mut Peer, end: End) {
        for family in FAMILIES {
            self.say_family(peer, end, family);
            peer.send_updates(&[Update { end_of_rib: Some(family), ..Update::default() }]);
        }
    }

    fn say_family(&self, peer: &mut Peer, end: End, family: Family) {
        for prefix in PREFIXES.map(net).into_iter().filter(|prefix| Family::of(prefix) == family) {
            self.say(peer, end, prefix);
        }
    }

    /// Says what there is of a prefix: all paths, or where that was not agreed on the first.
    fn say(&self, peer: &mut Peer, end: End, prefix: ipnet::IpNet) {
        let Some(agreed) = peer.status().negotiated else { return };
        let paths = agreed.add_path(Family::of(&prefix)).send;
        let there: BTreeMap<Nlri, u8> = self.paths(end, prefix, paths);
        let all = if paths { 1..=3 } else { 0..=0 };
        for path_id in all {
            let nlri = Nlri { prefix, path_id };
            let update = match there.get(&nlri) {
                Some(variant) => announcement(end, nlri, *variant),
                None => Update { withdrawn: vec![nlri], ..Update::default() },
            };
            peer.send_updates(&[update]);
        }
    }

    fn paths(&self, end: End, prefix: ipnet::IpNet, several: bool) -> BTreeMap<Nlri, u8> {
        let own = self.says[end].iter().filter(|(nlri, _)| nlri.prefix == prefix);
        match several {
            true => own.map(|(nlri, variant)| (*nlri, *variant)).collect(),
            false => own.take(1).map(|(_, variant)| (prefix.into(), *variant)).collect(),
        }
    }

    /// What the other side is to have of this one's routes.
    fn expected(&self, end: End, peer: &Peer) -> BTreeMap<Nlri, Attributes> {
        let agreed = peer.status().negotiated.unwrap();
        let spoken = PREFIXES.map(net).into_iter().filter(|prefix| agreed.families.contains(&Family::of(prefix)));
        let said = spoken.flat_map(|prefix| self.paths(end, prefix, agreed.add_path(Family::of(&prefix)).send));
        let sendable = |(nlri, variant): &(Nlri, u8)| match *variant {
            BEHIND_V6 => agreed.extended_next_hop || Family::of(&nlri.prefix) == Family::Ipv6Unicast,
            LONG => agreed.extended_messages,
            _ => true,
        };
        said.filter(sendable)
            .map(|(nlri, variant)| (nlri, (*announcement(end, nlri, variant).attributes).clone()))
            .collect()
    }
}

fn net(text: &str) -> ipnet::IpNet {
    text.parse().unwrap()
}

fn announcement(end: End, nlri: Nlri, variant: u8) -> Update {
    let next_hop: IpAddr = match (Family::of(&nlri.prefix), variant) {
        (Family::Ipv4Unicast, BEHIND_V6) | (Family::Ipv6Unicast, _) => "2001:db8::9".parse().unwrap(),
        (Family::Ipv4Unicast, _) => "169.254.21.9".parse().unwrap(),
    };
    let attributes = Attributes {
        as_path: AsPath(vec![AsPathSegment::Sequence(vec![Asn(ASN[end])])]),
        med: Some(variant.into()),
        communities: if variant == LONG { (0..1500).collect() } else { Vec::new() },
        ..Attributes::default()
    };
    let announced = vec![Announcement { next_hop, prefixes: vec![nlri] }];
    Update { announced, attributes: attributes.into(), ..Update::default() }
}

fn hear(heard: &mut Table, update: &Update) {
    for nlri in &update.withdrawn {
        heard.remove(nlri);
    }
    for nlri in update.announced.iter().flat_map(|announcement| &announcement.prefixes) {
        heard.insert(*nlri, ((*update.attributes).clone(), false));
    }
    if let Some(family) = update.end_of_rib {
        sweep(heard, family);
    }
}

fn mark(heard: &mut Table, family: Family) {
    heard.iter_mut().filter(|(nlri, _)| Family::of(&nlri.prefix) == family).for_each(|(_, entry)| entry.1 = true);
}

fn sweep(heard: &mut Table, family: Family) {
    heard.retain(|nlri, (_, stale)| !*stale || Family::of(&nlri.prefix) != family);
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Say(End, usize, u32, u8),
    Unsay(End, usize, u32),
    Ask(End),
    Cut,
    Mend,
    Die(End, bool),
    Reset(End),
    TunnelDown(End),
    Start(End),
}

fn any_step() -> impl Strategy<Value = (Step, u64)> {
    let end = || 0_usize..2;
    let path = || (end(), 0..PREFIXES.len(), 1_u32..=3);
    let step = prop_oneof![
        4 => (path(), 0_u8..7).prop_map(|((end, prefix, path), variant)| Step::Say(end, prefix, path, variant)),
        2 => path().prop_map(|(end, prefix, path)| Step::Unsay(end, prefix, path)),
        2 => end().prop_map(Step::Ask),
        1 => Just(Step::Cut),
        1 => Just(Step::Mend),
        2 => (end(), any::<bool>()).prop_map(|(end, graceful)| Step::Die(end, graceful)),
        1 => end().prop_map(Step::Reset),
        1 => end().prop_map(Step::TunnelDown),
        2 => end().prop_map(Step::Start),
    ];
    (step, prop_oneof![0_u64..300, 0_u64..20_000])
}

fn directions() -> impl Strategy<Value = Vec<(Family, AddPath)>> {
    let one =
        |family| (any::<bool>(), any::<bool>()).prop_map(move |(receive, send)| (family, AddPath { receive, send }));
    (one(Family::Ipv4Unicast), one(Family::Ipv6Unicast)).prop_map(|(v4, v6)| vec![v4, v6])
}

fn any_offers() -> impl Strategy<Value = Offers> {
    let restart =
        (proptest::option::of(1_u64..90), 1_u64..200, any::<bool>()).prop_map(|(time, stale, notification)| Restart {
            time: time.map(seconds),
            stale: seconds(stale),
            notification,
        });
    (any::<[bool; 3]>(), directions(), proptest::option::of(restart)).prop_map(
        |([enhanced_refresh, extended_messages, extended_next_hop], add_path, graceful_restart)| Offers {
            enhanced_refresh,
            extended_messages,
            extended_next_hop,
            add_path,
            graceful_restart,
            role: None,
            role_strict: false,
        },
    )
}

/// What two sessions are configured with: all that can be offered, roles that fit, families of which one is common.
fn any_pair() -> impl Strategy<Value = [PeerConfig; 2]> {
    let roles = prop_oneof![
        Just([None, None]),
        Just([Some(Role::Provider), Some(Role::Customer)]),
        Just([Some(Role::Peer), Some(Role::Peer)]),
        Just([Some(Role::Provider), None]),
    ];
    let families = prop_oneof![3 => Just(FAMILIES.to_vec()), 1 => Just(vec![Family::Ipv4Unicast])];
    let one = || (any_offers(), families.clone(), prop_oneof![Just(9_u64), Just(30)], any::<bool>());
    (one(), one(), roles, any::<bool>()).prop_map(|(left, right, roles, strict)| {
        let mut configs = pair();
        let passive = left.3 && !right.3;
        for (config, ((offers, families, hold, _), role)) in
            configs.iter_mut().zip([left, right].into_iter().zip(roles))
        {
            config.offers = Offers { role, role_strict: strict && roles.iter().all(Option::is_some), ..offers };
            config.families = families;
            config.timers.hold = seconds(hold);
            config.timers.keepalive = seconds(hold / 3);
        }
        configs[0].passive = passive;
        configs
    })
}

impl Network {
    fn step(&mut self, step: Step) {
        match step {
            Step::Say(end, prefix, path_id, variant) => {
                let nlri = Nlri { prefix: net(PREFIXES[prefix]), path_id };
                self.change(end, nlri, Some(variant));
            }
            Step::Unsay(end, prefix, path_id) => {
                self.change(end, Nlri { prefix: net(PREFIXES[prefix]), path_id }, None);
            }
            Step::Ask(end) => {
                for family in FAMILIES {
                    self.peers[end].request_refresh(family);
                }
                self.drain(end);
            }
            Step::Cut => self.set_cut(true),
            Step::Mend => self.set_cut(false),
            Step::Die(end, graceful) => {
                self.die(end);
                self.exchange.as_mut().unwrap().heard[end].clear();
                if graceful {
                    self.peers[end].set_restarted(true);
                }
                self.start(end);
            }
            Step::Reset(end) => self.stop(end, StopReason::Reset(String::new())),
            Step::TunnelDown(end) => self.stop(end, StopReason::TunnelDown),
            Step::Start(end) => self.start(end),
        }
    }

    fn change(&mut self, end: End, nlri: Nlri, variant: Option<u8>) {
        let exchange = self.exchange.as_mut().unwrap();
        match variant {
            Some(variant) => exchange.says[end].insert(nlri, variant),
            None => exchange.says[end].remove(&nlri),
        };
        exchange.say(&mut self.peers[end], end, nlri.prefix);
        self.drain(end);
    }

    fn assert_exchanged(&self) {
        let exchange = self.exchange.as_ref().unwrap();
        assert_eq!(exchange.wrong, [""; 0]);
        for end in [0, 1] {
            let heard: BTreeMap<Nlri, Attributes> =
                exchange.heard[1 - end].iter().map(|(nlri, (attributes, _))| (*nlri, attributes.clone())).collect();
            assert_eq!(heard, exchange.expected(end, &self.peers[end]), "what side {end} says");
            assert!(exchange.heard[1 - end].values().all(|(_, stale)| !stale), "nothing is stale any more");
            assert!(!self.peers[end].holds_stale_routes());
        }
    }

    /// What both offer holds, and nothing else.
    fn assert_agreed(&self) {
        let [left, right] = [0, 1].map(|end| self.peers[end].status().negotiated.unwrap());
        let [ours, theirs] = &self.configs;
        let both = |offered: fn(&Offers) -> bool| offered(&ours.offers) && offered(&theirs.offers);
        let common: BTreeSet<Family> =
            ours.families.iter().filter(|family| theirs.families.contains(family)).copied().collect();
        for agreed in [&left, &right] {
            assert_eq!(agreed.enhanced_refresh, both(|offers| offers.enhanced_refresh));
            assert_eq!(agreed.extended_messages, both(|offers| offers.extended_messages));
            assert_eq!(agreed.extended_next_hop, both(|offers| offers.extended_next_hop));
            assert_eq!(agreed.graceful_restart.is_some(), both(|offers| offers.graceful_restart.is_some()));
            assert_eq!(agreed.families.iter().copied().collect::<BTreeSet<_>>(), common);
            assert_eq!(agreed.hold_time, ours.timers.hold.min(theirs.timers.hold));
        }
        for family in common {
            // RFC 7911 4: what one side sends the other takes.
            let (one, other) = (left.add_path(family), right.add_path(family));
            assert_eq!((one.send, one.receive), (other.receive, other.send));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    /// Octets are cut anywhere and delayed, never lost but by the end of their connection, and the processes die.
    #[test]
    fn each_side_ends_with_what_the_other_says(
        seed in any::<u64>(),
        configs in any_pair(),
        steps in proptest::collection::vec(any_step(), 0..25),
    ) {
        let mut network = Network::new(seed, configs);
        network.exchange = Some(Exchange::default());
        network.start(0);
        for (step, pause) in steps {
            network.step(step);
            network.run(Duration::from_millis(pause));
        }
        network.set_cut(false);
        network.start(0);
        network.start(1);
        network.run(seconds(500));
        network.assert_one_session();
        network.assert_agreed();
        network.assert_exchanged();
    }
}
