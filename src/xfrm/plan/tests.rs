//! Policies: which there are, and how to get there.

use proptest::prelude::*;

use super::*;

fn net(octet: u8) -> ipnet::IpNet {
    format!("10.{octet}.0.0/16").parse().unwrap()
}

fn pair(octet: u8) -> Vec<Selector> {
    vec![Selector::between(net(octet), net(octet + 100))]
}

fn everywhere() -> Vec<Selector> {
    [false, true].map(|v6| Selector::between(everything(v6), everything(v6))).into()
}

fn template(spi: u32, reqid: u32) -> Template {
    let address = |last| IpAddr::from([192, 0, 2, last]);
    Template { source: address(1), destination: address(2), spi: Spi(spi), reqid }
}

fn out(selectors: &[Selector], spi: u32, age: u32) -> Outbound<'_> {
    Outbound { selectors, template: template(spi, 1), age, exhausted: false }
}

/// The policy a packet from one network to the other takes.
fn found(policies: &Policies, way: Way, source: &str, destination: &str) -> Option<Verdict> {
    let (source, destination): (IpAddr, IpAddr) = (source.parse().unwrap(), destination.parse().unwrap());
    let matching = policies.iter().filter(|(key, _)| {
        key.way == way && key.selector.source.contains(&source) && key.selector.destination.contains(&destination)
    });
    matching.min_by_key(|(_, policy)| policy.priority).map(|(_, policy)| policy.verdict)
}

fn spi(verdict: Option<Verdict>) -> Option<u32> {
    match verdict {
        Some(Verdict::Protect(template)) => Some(template.spi.0),
        Some(Verdict::Block) | None => None,
    }
}

#[test]
fn a_tunnel_without_sas_asks_for_one_and_lets_nothing_in() {
    let policies = wanted(77, &[], &[]);
    for (source, destination) in [("10.0.0.1", "10.1.0.1"), ("fd00::1", "fd00::2")] {
        assert_eq!(spi(found(&policies, Way::Out, source, destination)), Some(77));
        assert_eq!(found(&policies, Way::In, source, destination), None, "what matches no policy is dropped");
        assert_eq!(found(&policies, Way::Forward, source, destination), None);
    }
}

#[test]
fn what_no_sa_is_for_is_refused_while_there_is_one() {
    let policies = wanted(77, &[out(&pair(1), 5, 1)], &[]);
    assert_eq!(spi(found(&policies, Way::Out, "10.1.0.1", "10.101.0.1")), Some(5));
    assert_eq!(found(&policies, Way::Out, "10.1.0.1", "10.102.0.1"), Some(Verdict::Block));
    assert_eq!(found(&policies, Way::Out, "fd00::1", "fd00::2"), Some(Verdict::Block));
}

#[test]
fn the_newest_sa_has_all_that_it_matches_and_gives_it_back_when_it_goes() {
    let (all, narrow) = (everywhere(), pair(1));
    let [old, inner, new] = [out(&all, 1, 1), out(&narrow, 2, 2), out(&all, 3, 3)];
    let inside = |policies: &Policies| spi(found(policies, Way::Out, "10.1.0.1", "10.101.0.1"));
    let outside = |policies: &Policies| spi(found(policies, Way::Out, "10.9.0.1", "10.101.0.1"));
    let both = wanted(77, &[old, inner], &[]);
    assert_eq!((inside(&both), outside(&both)), (Some(2), Some(1)));
    let three = wanted(77, &[old, inner, new], &[]);
    assert_eq!((inside(&three), outside(&three)), (Some(3), Some(3)), "newer, though wider");
    assert_eq!(wanted(77, &[old, inner], &[]), both);
    let spent = Outbound { exhausted: true, ..new };
    assert_eq!(
        inside(&wanted(77, &[old, inner, spent], &[])),
        None,
        "it carries no more, and no other takes its place"
    );
}

#[test]
fn inbound_packets_need_an_sa_of_their_pair_where_pairs_can_be_told_apart() {
    let (one, other, all) = (pair(1), pair(2), everywhere());
    let reqid = |policies: &Policies, way| match found(policies, way, "10.101.0.1", "10.1.0.1") {
        Some(Verdict::Protect(template)) => Some(template.reqid),
        Some(Verdict::Block) | None => None,
    };
    let [first, second] = [Inbound { selectors: &one, reqid: 1 }, Inbound { selectors: &other, reqid: 2 }];
    for way in [Way::In, Way::Forward] {
        assert_eq!(reqid(&wanted(77, &[], &[first, second]), way), Some(1));
        assert_eq!(reqid(&wanted(77, &[], &[second]), way), None);
        let wide = Inbound { selectors: &all, reqid: 3 };
        assert_eq!(reqid(&wanted(77, &[], &[first, wide]), way), Some(0), "it may come on either");
    }
}

#[test]
fn renewing_changes_only_what_names_the_sa() {
    let (selectors, inbound) = (pair(1), pair(1));
    let arrivals = [Inbound { selectors: &inbound, reqid: 1 }];
    let before = wanted(77, &[out(&selectors, 1, 1)], &arrivals);
    let after = wanted(77, &[out(&selectors, 1, 1), out(&selectors, 2, 2)], &[arrivals[0], arrivals[0]]);
    let changes = changes(&before, &after);
    let [Change::Put(key, Policy { verdict: Verdict::Protect(template), .. })] = changes[..] else {
        panic!("{changes:?}")
    };
    assert_eq!((key.way, template.spi), (Way::Out, Spi(2)));
}

fn apply(policies: &mut Policies, changes: &[Change]) {
    for change in changes {
        match change {
            Change::Put(key, policy) => drop(policies.insert(*key, *policy)),
            Change::Remove(key) => drop(policies.remove(key)),
        }
    }
}

proptest! {
    #[test]
    fn changes_lead_from_any_plan_to_any_other_and_no_step_stops_what_passes_before_and_after(
        before in prop::collection::vec((0_u8..4, any::<bool>()), 0..5),
        after in prop::collection::vec((0_u8..4, any::<bool>()), 0..5),
    ) {
        let plan = |sas: &[(u8, bool)]| {
            let selectors: Vec<Vec<Selector>> =
                sas.iter().map(|(octet, wide)| if *wide { everywhere() } else { pair(*octet) }).collect();
            let outbound: Vec<_> =
                (1..).zip(&selectors).map(|(age, selectors)| out(selectors, 100 + age, age)).collect();
            let inbound: Vec<_> =
                (1..).zip(&selectors).map(|(reqid, selectors)| Inbound { selectors, reqid }).collect();
            wanted(77, &outbound, &inbound)
        };
        let (start, target) = (plan(&before), plan(&after));
        let mut policies = start.clone();
        // What passes before and after passes in every step, inside each pair and outside of all.
        let packets: Vec<(String, String)> =
            [0, 1, 2, 3, 90].map(|octet| (format!("10.{octet}.0.1"), format!("10.{}.0.1", octet + 100))).into();
        let ways = [Way::Out, Way::In, Way::Forward];
        for change in changes(&start, &target) {
            apply(&mut policies, &[change]);
            for (local, remote) in &packets {
                for way in ways {
                    let (source, destination) = if way == Way::Out { (local, remote) } else { (remote, local) };
                    let at = |policies: &Policies| found(policies, way, source, destination);
                    let is_served = |policies: &Policies| matches!(at(policies), Some(Verdict::Protect(_)));
                    let both = is_served(&start) && is_served(&target);
                    prop_assert!(!both || is_served(&policies), "{way:?} {source} {destination} after {change:?}");
                    prop_assert!(way != Way::Out || at(&policies).is_some(), "none goes unprotected: {source}");
                }
            }
        }
        prop_assert_eq!(&policies, &target);
        prop_assert!(changes(&policies, &target).is_empty());
    }
}
